"""Parameters check themselves and say what is wrong in one line."""

from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Interval

from jwinteractive.errors import ParamError
from jwinteractive.params import Doc, Numbers, Params, Unit, When, fields_of


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


# -- parameters that act only with some values of another ------------------------------------------


class ChoosyParams(Params):
    """Parameters of a step with two methods."""

    method: Annotated[Literal["median", "fft"], Doc("Which.")] = "median"
    smooth: Annotated[bool, When("method", "fft"), Doc("Whether.")] = False
    width: Annotated[float, When("smooth", True), Unit("pixel"), Doc("How far.")] = 2.0
    rows: Annotated[int, When("method", "median", "fft"), Doc("How many.")] = 3


def test_a_parameter_is_idle_unless_the_one_it_waits_for_acts_and_has_a_value_for_it():
    assert ChoosyParams().idle() == {"smooth", "width"}
    assert ChoosyParams(smooth=True).idle() == {"smooth", "width"}
    assert ChoosyParams(method="fft").idle() == {"width"}
    assert ChoosyParams(method="fft", smooth=True).idle() == frozenset()


def test_what_a_parameter_waits_for_is_told_in_its_description():
    told = {f.name: f.describe()["when"] for f in fields_of(ChoosyParams)}
    assert told["method"] is None
    assert told["width"] == {"name": "smooth", "values": (True,), "words": "smooth = on"}
    assert told["rows"]["words"] == "method = median or fft"


Method = Literal["median", "fft"]


def params_waiting(**whens):
    """Parameters by these names: ``method`` one of two words, others switches."""
    hints = {}
    for name, when in whens.items():
        base = {"method": Method}.get(name, bool)
        kind = Annotated[base, Doc("What.")]
        hints[name] = kind if when is None else Annotated[kind, when]
    defaults = {name: "median" if name == "method" else False for name in whens}
    return type("WaitingParams", (Params,), {"__annotations__": hints, **defaults})


@pytest.mark.parametrize(
    ("whens", "message"),
    [
        ({"smooth": When("methd", "fft")}, "depends on 'methd', which is no parameter"),
        ({"method": None, "smooth": When("method", "ftf")}, "which takes \\('median', 'fft'\\)"),
        ({"method": None, "smooth": When("method")}, "depends on method = "),
        ({"method": None, "smooth": When("method", True)}, "depends on method = "),
        ({"smooth": When("smooth", True)}, "depends on itself through smooth"),
        (
            {"smooth": When("grow", True), "grow": When("smooth", True)},
            "depends on itself through smooth",
        ),
    ],
)
def test_a_parameter_that_waits_for_what_cannot_be_is_refused_at_import(whens, message):
    with pytest.raises(TypeError, match=message):
        fields_of(params_waiting(**whens))


def test_a_parameter_waits_for_one_other_only():
    class TwiceParams(Params):
        """Parameters of a step that is hard to explain."""

        grow: Annotated[bool, Doc("Whether.")] = True
        smooth: Annotated[bool, Doc("Whether.")] = True
        width: Annotated[int, When("grow", True), When("smooth", True), Doc("How far.")] = 2

    with pytest.raises(TypeError, match="width: can depend on one parameter only"):
        fields_of(TwiceParams)


class PairParams(Params):
    snr: Annotated[str, Numbers(2), Interval(ge=0, le=100), Doc("Two thresholds.")] = "5.0 4.0"
    size: Annotated[str, Numbers(2, whole=True), Doc("Two sizes.")] = "7 7"


def test_a_text_of_numbers_is_checked_number_by_number():
    assert PairParams(snr=" 6   4.5 ").snr == "6 4.5"
    assert PairParams(size="3 9").size == "3 9"
    for wrong in ("5", "5 4 3", "5 x", "5 -1", "5 nan", "5,4"):
        with pytest.raises(ParamError, match=r"snr = .*needs 2 numbers with spaces between, each"):
            PairParams(snr=wrong)
    with pytest.raises(ParamError, match=r"size = '7 7.5': needs 2 whole numbers"):
        PairParams(size="7 7.5")


def test_numbers_are_written_in_a_text():
    class WrongParams(Params):
        many: Annotated[float, Numbers(2), Doc("No text.")] = 1.0

    with pytest.raises(TypeError, match="written in a str"):
        fields_of(WrongParams)
