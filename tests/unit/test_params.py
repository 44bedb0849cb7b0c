"""Parameters check themselves and say what is wrong in one line."""

from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Interval

from jwinteractive.errors import ParamError
from jwinteractive.params import Doc, Params, Unit, fields_of


class ExampleParams(Params):
    """Parameters of an example."""

    threshold: Annotated[float, Interval(ge=1, le=50), Unit("sigma"), Doc("How far.")] = 4.0
    rows: Annotated[int, Ge(1), Doc("How many.")] = 3
    method: Annotated[Literal["median", "fft"], Doc("Which.")] = "median"
    grow: Annotated[bool, Doc("Whether.")] = True
    first: Annotated[int | None, Ge(0), Doc("Where.")] = None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"threshold": 99.0}, r"ExampleParams.threshold = 99.0: must lie in \[1, 50\] sigma"),
        ({"threshold": float("nan")}, r"must lie in \[1, 50\]"),
        ({"rows": 0}, "must be at least 1"),
        ({"rows": True}, "needs int, got bool"),
        ({"rows": 2.0}, "needs int, got float"),
        ({"method": "fftt"}, "did you mean 'fft'"),
        ({"treshold": 5.0}, "has no parameter 'treshold': did you mean 'threshold'"),
    ],
)
def test_a_wrong_value_gets_one_clear_line(values, message):
    with pytest.raises(ParamError, match=message) as caught:
        ExampleParams.from_dict(values)
    assert "\n" not in str(caught.value)


def test_a_whole_number_is_taken_for_a_float():
    assert ExampleParams(threshold=5).threshold == 5.0
    assert type(ExampleParams(threshold=5).threshold) is float


def test_changed_lists_what_is_not_default():
    assert ExampleParams(rows=4, first=2).changed() == {"rows": 4, "first": 2}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("threshold", "5", 5.0),
        ("rows", "7", 7),
        ("grow", "false", False),
        ("first", "none", None),
        ("method", "fft", "fft"),
        ("rows", "many", "many"),
    ],
)
def test_the_command_line_is_read_by_the_field(name, text, value):
    field = {f.name: f for f in fields_of(ExampleParams)}[name]
    assert field.parse(text) == value


def test_an_optional_parameter_must_default_to_none():
    class WrongParams(Params):
        """TOML cannot say None."""

        first: Annotated[int | None, Doc("Where.")] = 3

    with pytest.raises(TypeError, match="must have the default None"):
        fields_of(WrongParams)
