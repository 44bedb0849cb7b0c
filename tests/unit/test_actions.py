"""The toolbar without a browser: shortcuts become keys, only known actions are called."""

import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive_widgets.actions import Actions

ITEMS = [
    {"id": "blink", "kind": "toggle", "label": "Blink", "value": False, "shortcut": "b"},
    {"id": "gap", "kind": "spacer"},
    {"id": "mode", "kind": "select", "label": "compare", "options": ["off", "split"]},
]


def do(browser_says, actions, name, value=None, seq=1):
    browser_says(actions, kind="do", view="v", seq=seq, id=name, value=value)


def test_shortcuts_of_buttons_join_the_keys_and_stay_when_only_the_buttons_change(sent):
    actions = Actions()
    actions.show(ITEMS, {"j": "next"}, {"next": "next step"})
    assert actions.keymap == {"j": "next", "b": "blink"}
    actions.show([{**ITEMS[0], "value": True}])
    assert actions.keymap == {"j": "next", "b": "blink"}
    assert actions.words == {"next": "next step"}


def test_an_action_is_called_with_its_value_and_answered_and_an_unknown_one_is_not(
    sent, browser_says, customs
):
    got = []
    actions = Actions(on_do=lambda *a: got.append(a))
    actions.show(ITEMS, {"j": "next"})
    do(browser_says, actions, "blink", True)
    do(browser_says, actions, "next", seq=2)
    do(browser_says, actions, "<script>", seq=3)
    assert got == [("blink", True), ("next", None)]
    assert [c["seq"] for c, _ in customs(actions, "done")] == [1, 2, 3]


def test_the_toolbar_hears_again_after_an_action_that_broke(sent, customs):
    actions = Actions(on_do=lambda *a: 1 / 0)
    actions.show(ITEMS)
    with pytest.raises(ZeroDivisionError):
        actions._hear(None, {"kind": "do", "view": "v", "seq": 5, "id": "blink"}, [])
    assert [c for c, _ in customs(actions, "done")] == [{"kind": "done", "view": "v", "seq": 5}]


def test_a_toolbar_that_shows_the_same_again_sends_nothing(sent):
    actions = Actions()
    actions.show(ITEMS)
    sent.clear()
    actions.show(ITEMS)
    assert sent == []


def test_callbacks_run_where_the_caller_wants_them(sent, browser_says):
    later, got = [], []
    actions = Actions(on_do=lambda *a: got.append(a), hand_over=lambda f, *a: later.append((f, a)))
    actions.show(ITEMS)
    do(browser_says, actions, "blink", True)
    assert got == []
    ((call, args),) = later
    call(*args)
    assert got == [("blink", True)]
