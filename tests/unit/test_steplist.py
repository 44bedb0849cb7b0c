"""The list of steps without a browser: what it is told of a session, what it calls back."""

from types import SimpleNamespace

import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.journal import State
from jwinteractive_widgets.steplist import StepList, items_of

ITEMS = [
    {"step": "input", "state": "fresh"},
    {"step": "jump", "state": "stale", "enabled": True},
]


class SmallSession:
    """What the list asks of a session."""

    def __init__(self):
        names = ("refpix", "linearity", "jump")
        self.recipe = {n: SimpleNamespace(enabled=n != "refpix") for n in names}

    def states(self, exposure=None):
        return (
            State("refpix", "skipped", "switched off"),
            State("linearity", "fresh", seconds=0.5),
            State("jump", "stale", edited=("rejection_threshold",)),
        )

    def origin(self, step, field):
        if step == "refpix":
            return "recipe" if field == "siglimit" else "default"
        return "you" if field == "rejection_threshold" else "default"


def test_items_say_how_each_step_of_a_session_stands_with_the_input_first():
    first, refpix, linearity, jump = items_of(SmallSession())
    assert first == {"step": "input", "state": "fresh"}
    assert (refpix["state"], refpix["why"], refpix["enabled"]) == ("skipped", "switched off", False)
    assert (linearity["seconds"], linearity["origin"]) == (0.5, "default")
    assert (jump["edited"], jump["origin"]) == (["rejection_threshold"], "you")
    assert refpix["origin"] == "recipe"


def test_choosing_switching_and_running_call_back_for_known_steps_only(sent, browser_says):
    got = []
    steps = StepList(
        on_choose=lambda s: got.append(("choose", s)),
        on_enable=lambda s, on: got.append(("enable", s, on)),
        on_run=lambda s: got.append(("run", s)),
    )
    steps.show(ITEMS, "input", "jump")
    browser_says(steps, kind="choose", step="jump")
    browser_says(steps, kind="enable", step="jump", enabled=False)
    browser_says(steps, kind="run", step="jump")
    for kind in ("choose", "run"):
        browser_says(steps, kind=kind, step="<script>")
    assert got == [("choose", "jump"), ("enable", "jump", False), ("run", "jump")]
    assert steps.chosen == "jump"


def test_progress_is_one_small_message_and_moves_no_state(sent, customs):
    steps = StepList()
    steps.show(ITEMS, "jump", "jump")
    sent.clear()
    steps.progress("jump", 0.25, 3.0)
    ((content, size),) = customs(steps, "progress")
    assert content == {"kind": "progress", "step": "jump", "fraction": 0.25, "seconds_left": 3.0}
    assert (len(sent), size) == (1, 0)


def test_a_list_that_shows_the_same_again_sends_nothing(sent):
    steps = StepList()
    steps.show(ITEMS, "jump", "jump")
    sent.clear()
    steps.show(ITEMS, "jump", "jump")
    assert sent == []


def test_callbacks_run_where_the_caller_wants_them(sent, browser_says):
    later, got = [], []
    steps = StepList(on_run=got.append, hand_over=lambda f, *a: later.append((f, a)))
    steps.show(ITEMS, "jump", "jump")
    browser_says(steps, kind="run", step="jump")
    assert got == []
    ((call, args),) = later
    call(*args)
    assert got == ["jump"]
