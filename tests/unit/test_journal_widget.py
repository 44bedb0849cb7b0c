"""The journal without a browser: only news travel, every view gets everything once."""

import dataclasses as dc
from types import SimpleNamespace

import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.journal import Attempt, Entry, Settings
from jwinteractive.recipe import Recipe
from jwinteractive.references import References
from jwinteractive_widgets.journal import JournalView, attempts_of, entry_of

LINES = [{"when": 0.0, "kind": "note", "text": "a"}, {"when": 1.0, "kind": "edit", "text": "b"}]
RUN = {"number": 1, "step": "jump", "exposure": "x", "text": "first run", "seconds": 1.0}
RUNS = [{**RUN, "when": 2.0, "pinned": False}]


def kinds(sent):
    return [d["content"]["kind"] for _, d, _ in sent if d.get("method") == "custom"]


def test_showing_a_grown_log_sends_the_new_lines_only_and_another_log_all_of_it(sent):
    view = JournalView()
    view.show(LINES[:1], [])
    view.show(LINES, RUNS)
    assert kinds(sent) == ["add", "add", "attempts"]
    sent.clear()
    view.show(LINES, RUNS)
    assert sent == []
    view.show(LINES[1:], RUNS)
    view.show(LINES[1:] * 50, RUNS)
    assert kinds(sent) == ["entries", "entries"]


def test_a_view_that_is_ready_gets_everything_and_no_other_view_does(sent, browser_says, customs):
    view = JournalView()
    view.show(LINES[:1], RUNS)
    view.add(LINES[1])
    browser_says(view, kind="ready", id="v2")
    ((entries, _),) = customs(view, "entries")
    assert entries == {"kind": "entries", "id": "v2", "entries": LINES}
    assert customs(view, "attempts")[-1][0] == {"kind": "attempts", "id": "v2", "attempts": RUNS}


def test_buttons_call_back(sent, browser_says):
    got = []
    view = JournalView(
        on_undo=lambda: got.append("undo"),
        on_redo=lambda: got.append("redo"),
        on_restore=lambda n: got.append(("restore", n)),
        on_compare=lambda n: got.append(("compare", n)),
    )
    for message in ({"kind": "undo"}, {"kind": "redo"}):
        browser_says(view, **message)
    browser_says(view, kind="restore", number=3)
    browser_says(view, kind="compare", number=4)
    assert got == ["undo", "redo", ("restore", 3), ("compare", 4)]
    browser_says(JournalView(), kind="undo")  # nobody listens: nothing happens


def test_callbacks_run_where_the_caller_wants_them(sent, browser_says):
    later, got = [], []
    view = JournalView(
        on_restore=got.append,
        hand_over=lambda f, *a: later.append((f, a)),
    )
    browser_says(view, kind="restore", number=3)
    assert got == []
    ((call, args),) = later
    call(*args)
    assert got == [3]


def test_runs_say_what_differs_from_the_run_before():
    recipe = Recipe.of("jump", "ramp_fit")
    references = References()
    other = Settings(recipe.with_params("jump", rejection_threshold=5.0), references)
    first = Attempt(1, "ramp_fit", 0, Settings(recipe, references), "k1", 2.0, 10.0)
    second = dc.replace(first, number=2, settings=other, key="k2")
    third = dc.replace(second, number=3, step="jump", key="k3")
    session = SimpleNamespace(
        history=(first, second, third),
        pinned=second,
        exposures=[SimpleNamespace(name="nrca1")],
    )
    runs = attempts_of(session)
    assert [r["text"] for r in runs] == [
        "first run",
        "jump: rejection_threshold 4 → 5 sigma",
        "same parameters",
    ]
    assert [r["pinned"] for r in runs] == [False, True, False]
    assert runs[0]["exposure"] == "nrca1"


def test_a_line_of_the_session_is_a_line_of_the_view():
    assert entry_of(Entry(3.0, "run", "run 1")) == {"when": 3.0, "kind": "run", "text": "run 1"}
