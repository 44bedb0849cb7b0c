"""The generated panel without a browser: sliders' spans, types of values, refusals, few bytes."""

import json
import math

import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.errors import ParamError
from jwinteractive.params import fields_of
from jwinteractive.step import registry
from jwinteractive_widgets import controls
from jwinteractive_widgets.form import ParamForm, form_of
from jwinteractive_widgets.spans import span_of


def a_field(**changes):
    plain = {"name": "level", "type": "float", "default": 4.0, "low": 0, "high": 1000}
    return {**plain, "choices": [], "unit": "", "doc": "", "optional": False, **changes}


def a_form(fields=None, **callbacks):
    form = ParamForm(**callbacks)
    fields = fields or [a_field(), a_field(name="count", type="int", default=3)]
    show(form, fields)
    return form


def show(form, fields, step="jump", **changes):
    values = {f["name"]: f["default"] for f in fields} | changes
    form.show(step, "Finds jumps.", fields, values, {})


def turn(browser_says, form, name, value, kind="set", step="jump", seq=1):
    browser_says(form, kind=kind, id="v", seq=seq, step=step, name=name, value=value)


# -- spans ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({}, (0, 16)),
        ({"default": 1.0, "high": 10}, (0, 10)),
        ({"low": None, "high": None}, (-16, 16)),
        ({"default": 0.0, "low": None, "high": None}, (-10, 10)),
        ({"type": "int", "default": 3, "low": 3, "high": None}, (3, 12)),
        ({"type": "int", "default": 1, "high": 20}, (0, 20)),
        ({"default": 0.0, "high": 1e6}, (0, 1e6)),
    ],
)
def test_a_slider_reaches_a_few_times_the_default_unless_the_bounds_are_close(changes, ends):
    field = a_field(**changes)
    span = span_of(field, field["default"])
    assert (span.low, span.high) == ends


def test_a_slider_is_logarithmic_over_more_than_three_decades_and_has_a_zero_where_zero_is_usual():
    assert span_of(a_field(low=0.001, default=1.0), 1.0).scale == "log"
    assert span_of(a_field(low=0.1, default=1.0), 1.0).scale == "linear"
    span = span_of(a_field(default=0.0, high=1e6), 0.0)
    assert (span.scale, span.floor) == ("zero", 1.0)


def test_a_value_beyond_the_slider_widens_it_up_to_the_hard_bound_and_it_never_shrinks():
    field = a_field()
    wider = span_of(field, 50.0)
    assert (wider.low, wider.high) == (0, 100)
    assert span_of(field, 4.0, wider).high == 100
    assert span_of(field, 900.0, wider).high == 1000
    assert span_of(field, 16.0).high == 32, "at its end it makes room"
    assert span_of(a_field(low=None), -30.0).low == -60


def test_what_is_no_plain_number_has_no_slider():
    assert span_of(a_field(type="bool", default=True), True) is None
    assert span_of(a_field(type="str", default="a", choices=["a", "b"]), "a") is None
    assert span_of(a_field(default=None, optional=True), None) is None


@pytest.mark.parametrize("name", sorted(registry))
def test_every_parameter_of_every_step_has_a_slider_that_holds_its_default_and_its_bounds(name):
    for field in registry[name].describe()["parameters"]:
        span = span_of(field, field["default"])
        if span is not None:
            assert span.low <= field["default"] <= span.high
            # beyond the default there is room, unless nothing larger is allowed
            assert field["default"] < span.high or span.high == field["high"]
            assert math.isfinite(span.high)
            assert field["low"] is None or span.low >= field["low"]
            assert field["high"] is None or span.high <= field["high"]


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "heard", "value"),
    [
        ({}, 5, 5.0),
        ({}, "1e-3", 0.001),
        ({}, "abc", "abc"),
        ({"type": "int", "default": 3}, 5, 5),
        ({"type": "int", "default": 3}, "7", 7),
        ({"type": "int", "default": 3}, "7.5", 7.5),
        ({"type": "int", "default": 3}, "9007199254740993", 9007199254740993),
        ({"type": "bool", "default": True}, False, False),
        ({"type": "str", "default": "4"}, "5", "5"),
        ({"default": None, "optional": True}, None, None),
        ({"default": None, "optional": True}, "", None),
        ({"default": None, "optional": True}, "2", 2.0),
    ],
)
def test_a_value_arrives_in_the_type_of_its_field(sent, browser_says, changes, heard, value):
    got = []
    form = a_form([a_field(**changes)], on_set=lambda *a: got.append(a))
    turn(browser_says, form, "level", heard)
    assert got == [("level", value)]
    assert type(got[0][1]) is type(value)


def test_a_knob_that_rests_is_told_apart_from_one_that_moves(sent, browser_says):
    got = []
    form = a_form(
        on_set=lambda n, v: got.append(("set", n, v)),
        on_commit=lambda n, v: got.append(("commit", n, v)),
        on_reset=lambda n: got.append(("reset", n)),
    )
    turn(browser_says, form, "level", 5)
    turn(browser_says, form, "level", 6, kind="commit")
    browser_says(form, kind="reset", id="v", step="jump", name="level")
    assert got == [("set", "level", 5.0), ("commit", "level", 6.0), ("reset", "level")]


def test_each_value_is_acknowledged_after_it_was_taken_even_when_that_breaks(
    sent, browser_says, customs
):
    form = a_form(on_set=lambda n, v: customs_then.append(len(customs(form, "ack"))))
    customs_then = []
    turn(browser_says, form, "level", 5, seq=8)
    assert customs_then == [0]
    assert [c for c, _ in customs(form, "ack")] == [{"kind": "ack", "id": "v", "seq": 8}]
    form.on_set = lambda n, v: 1 / 0
    with pytest.raises(ZeroDivisionError):
        form._hear(None, {"kind": "set", "id": "v", "seq": 9, "step": "jump", "name": "level",
                          "value": 5}, [])  # fmt: skip
    assert customs(form, "ack")[-1][0]["seq"] == 9


def test_a_refused_value_shows_its_message_until_another_is_taken_or_it_is_taken_back(
    sent, browser_says
):
    jump = registry["jump"]
    session = {"p": jump.params()}

    def take(name, value):
        session["p"] = session["p"].replace(**{name: value})

    form = a_form(jump.describe()["parameters"], on_set=take)
    turn(browser_says, form, "rejection_threshold", "2000")
    refused = "2000.0: must lie in [0, 1000] sigma"
    assert form.rows["rejection_threshold"]["error"] == refused
    assert session["p"] == jump.params()
    show(form, jump.describe()["parameters"])
    assert form.rows["rejection_threshold"]["error"] == refused, "news of others do not wipe it"
    turn(browser_says, form, "rejection_threshold", 7)
    assert form.rows["rejection_threshold"]["error"] == ""
    turn(browser_says, form, "minimum_groups", "3.5")
    assert "needs int, got float" in form.rows["minimum_groups"]["error"]
    browser_says(form, kind="forget", id="v", step="jump", name="minimum_groups")
    assert form.rows["minimum_groups"]["error"] == ""


def test_another_step_begins_without_errors_and_takes_no_value_meant_for_the_first(
    sent, browser_says, customs
):
    got = []

    def take(name, value):
        got.append(value)
        raise ParamError("no")

    form = a_form(on_set=take)
    turn(browser_says, form, "level", 5)
    show(form, [a_field()], step="refpix")
    assert form.rows["level"]["error"] == ""
    turn(browser_says, form, "level", 6, step="jump", seq=2)
    turn(browser_says, form, "unknown", 6, step="refpix", seq=3)
    assert got == [5.0]
    assert [c["seq"] for c, _ in customs(form, "ack")] == [1, 2, 3]


def test_callbacks_run_where_the_caller_wants_them(sent, browser_says):
    later, got = [], []
    form = a_form(on_set=lambda *a: got.append(a), hand_over=lambda f, *a: later.append((f, a)))
    turn(browser_says, form, "level", 5)
    assert got == []
    ((call, args),) = later
    call(*args)
    assert got == [("level", 5.0)]


def test_showing_the_same_again_sends_nothing_and_one_changed_value_only_the_rows(sent):
    fields = registry["jump"].describe()["parameters"]
    form = a_form(fields)
    sent.clear()
    show(form, fields)
    assert sent == []
    show(form, fields, rejection_threshold=5.0)
    ((_, data, _),) = sent
    assert set(data["state"]) == {"rows"}
    assert len(json.dumps(data)) < 2000


def test_a_parameter_that_does_nothing_at_present_is_shown_as_idle_until_it_acts(sent):
    form = a_form()
    fields = [a_field(), a_field(name="count", type="int", default=3)]
    values = {f["name"]: f["default"] for f in fields}
    form.show("jump", "", fields, values, {}, idle={"count"})
    assert {name: row["idle"] for name, row in form.rows.items()} == {
        "level": False,
        "count": True,
    }
    form.show("jump", "", fields, values, {})
    assert not form.rows["count"]["idle"]


def test_an_infinite_value_can_be_shown_though_json_has_none(sent):
    form = a_form([a_field(high=None)])
    show(form, [a_field(high=None)], level=math.inf)
    assert json.loads(json.dumps(form.rows, allow_nan=False))["level"]["value"] == "inf"


def test_a_form_is_made_from_what_the_session_says_of_a_step(sent):
    class Session:
        def __init__(self):
            params = registry["jump"].params(method="two-point", rejection_threshold=5.0)
            self.recipe = {"jump": type("Stage", (), {"params": params})}

        def origin(self, step, field):
            return "you" if field == "rejection_threshold" else "default"

    form = ParamForm()
    form.show(**form_of(Session(), "jump"))
    names = [f.name for f in fields_of(registry["jump"].params)]
    assert [f["name"] for f in form.about["fields"]] == names
    told = {"value": 5.0, "origin": "you", "error": "", "idle": False}
    assert form.rows["rejection_threshold"] == told
    assert form.rows["minimum_groups"]["origin"] == "default"


# -- special controls -----------------------------------------------------------------------------


@pytest.fixture
def no_controls(monkeypatch):
    monkeypatch.setattr(controls, "_factories", {})
    monkeypatch.setattr(controls, "_loaded", [])
    monkeypatch.setattr(controls, "entry_points", lambda group: [])


def test_a_step_gets_the_special_control_that_was_registered_for_it_and_only_one(no_controls):
    def factory(session, step):
        return f"a control of {step} over {session}"

    assert controls.control_for("jump") is None
    controls.register("jump", factory)
    assert controls.control_for("jump")("the session", "jump") == (
        "a control of jump over the session"
    )
    assert controls.control_for("refpix") is None
    with pytest.raises(ValueError, match=r"'jump' already has a control, .*factory"):
        controls.register("jump", factory)


def test_other_packages_register_controls_through_an_entry_point_that_is_loaded_once(
    no_controls, monkeypatch
):
    asked = []

    class EntryPoint:
        def load(self):
            return lambda: controls.register("jump", lambda session, step: "theirs")

    def found(group):
        asked.append(group)
        return [EntryPoint()]

    monkeypatch.setattr(controls, "entry_points", found)
    assert controls.control_for("jump")(None, "jump") == "theirs"
    assert controls.control_for("refpix") is None
    assert asked == ["jwinteractive_widgets.controls"]


def test_sliders_of_several_numbers_reach_as_far_as_the_largest_of_them():
    form = ParamForm()
    two = a_field(
        type="str", default="5.0 4.0", low=0, high=1000, numbers={"count": 2, "whole": False}
    )
    form.show("step", "", [two], {two["name"]: "5 4"}, {})
    (drawn,) = form.about["fields"]
    assert drawn["span"]["low"] == 0
    assert 10 <= drawn["span"]["high"] < 100
    form.show("step", "", [two], {two["name"]: "5 90"}, {})
    assert form.about["fields"][0]["span"]["high"] >= 90


def test_several_numbers_may_be_left_open():
    form = ParamForm()
    numbers = {"count": 2, "whole": False}
    two = a_field(type="str", default=None, optional=True, low=1, high=100, numbers=numbers)
    form.show("step", "", [two], {two["name"]: None}, {})
    assert form.about["fields"][0]["default"] is None
    assert form.rows[two["name"]]["value"] is None
    form.show("step", "", [two], {two["name"]: "1.5 3"}, {})
    assert form.about["fields"][0]["span"] is None, "nothing tells how far one would reach"
