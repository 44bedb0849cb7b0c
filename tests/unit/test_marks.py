"""Ellipses over a frame: what travels, what comes back, and what a person's edit does."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.errors import ParamError
from jwinteractive.views import Ellipse, Frame
from jwinteractive_widgets.frame import FrameView
from jwinteractive_widgets.marks import MarkEdits

FOUND = Ellipse(y=20.0, x=30.5, a=8.0, b=5.0, angle=30.0, label="snowball", name="s1")
CORE = Ellipse(y=20.0, x=30.5, a=2.0, b=2.0, label="core", name="c1", kind="core")
ROW = [30.5, 20.0, 8.0, 5.0, 30.0, 0]


def a_frame(*marks):
    return Frame(title="snowballs", data=np.ones((48, 64), np.float32), marks=marks)


@pytest.fixture
def heard():
    return []


@pytest.fixture
def view(sent, heard):
    made = FrameView(on_mark=lambda *what: heard.append(what))
    made.show(a_frame(FOUND, CORE), editable=True)
    return made


def test_an_ellipse_travels_as_six_numbers_and_its_label(view, customs):
    ((message, size),) = customs(view, "marks")
    assert message["rows"] == [[ROW, "snowball"], [[30.5, 20.0, 2.0, 2.0, 0.0, 1], "core"]]
    assert message["editable"]
    assert size == 0


def test_a_new_view_is_told_and_frames_without_ellipses_say_so_once(view, customs, browser_says):
    browser_says(view, kind="ready", id="late")
    assert customs(view, "marks")[-1][0]["id"] == "late"
    view.show(a_frame())
    assert customs(view, "marks")[-1][0]["rows"] == []
    told = len(customs(view, "marks"))
    view.show(a_frame())
    assert len(customs(view, "marks")) == told


def test_an_ellipse_that_has_no_place_does_not_travel(view, customs):
    view.show(a_frame(replace(FOUND, a=math.nan), CORE))
    ((_, label),) = customs(view, "marks")[-1][0]["rows"]
    assert label == "core"


def test_a_moved_ellipse_keeps_its_name_and_a_new_one_has_none(view, heard, browser_says):
    moved = [31.0, 21.0, 8.0, 5.0, 30.0, 0]
    browser_says(view, kind="mark", old=ROW, new=moved, rest=True)
    browser_says(view, kind="mark", old=None, new=[5, 6, 3, 3, 0, 2], rest=True)
    browser_says(view, kind="mark", old=ROW, new=None, rest=True)
    assert heard == [
        (FOUND, replace(FOUND, x=31.0, y=21.0), True),
        (None, Ellipse(y=6.0, x=5.0, a=3.0, b=3.0, kind="hand"), True),
        (FOUND, None, True),
    ]


def test_an_ellipse_that_is_being_dragged_is_known_though_newer_frames_lack_it(
    view, heard, browser_says
):
    browser_says(view, kind="mark", old=ROW, new=[31, 20, 8, 5, 30, 0], rest=False)
    view.show(a_frame(CORE), editable=True)
    browser_says(view, kind="mark", old=ROW, new=[32, 20, 8, 5, 30, 0], rest=True)
    assert [old for old, *_ in heard] == [FOUND, FOUND]
    browser_says(view, kind="mark", old=ROW, new=[33, 20, 8, 5, 30, 0], rest=True)
    assert len(heard) == 2, "it is gone now"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([1, 2, 3, 4, 5, 0], None),
        (None, None),
        (None, [5, 6, 0, 3, 0, 2]),
        (None, [5, 6, 3, 3, 0, 7]),
        (None, [5, 6, math.nan, 3, 0, 2]),
        (None, ["5", 6, 3, 3, 0, 2]),
        (None, [5, 6]),
        (ROW, "away"),
    ],
)
def test_what_makes_no_sense_is_refused_and_the_browser_told_what_there_is(
    view, heard, customs, browser_says, old, new
):
    browser_says(view, kind="mark", old=old, new=new, rest=True)
    assert heard == []
    answer = customs(view, "marks")[-1][0]
    assert answer["refused"]
    assert len(answer["rows"]) == 2


def test_nothing_is_changed_where_a_view_has_no_edit(view, heard, customs, browser_says):
    view.show(a_frame(FOUND))
    browser_says(view, kind="mark", old=ROW, new=None, rest=True)
    assert heard == []
    assert not customs(view, "marks")[-1][0]["editable"]


# -- what becomes of it in a session --------------------------------------------------------------


class Desk:
    """A session of one step whose parameter holds the x of an ellipse."""

    def __init__(self):
        self.recipe = {"rings": SimpleNamespace(params=0.0)}
        self.did = []

    def turn(self, step, at):
        self.did.append(("turn", at))
        if not 0 <= at <= 64:
            raise ParamError(f"at = {at}: must lie in [0, 64]")
        self.recipe = {step: SimpleNamespace(params=at)}

    def rest(self):
        self.did.append("rest")


def a_desk():
    desk, refused = Desk(), []

    def moved(params, shown, old, new):
        assert shown == "shown"
        return {"at": params + new.x - old.x}

    picture = SimpleNamespace(edit=moved, request=SimpleNamespace(upto="rings"), shown="shown")
    return desk, refused, MarkEdits(desk, lambda: picture, refused.append), picture


def test_all_moves_of_a_drag_are_made_from_where_it_began_and_are_one_edit():
    desk, _, edits, _ = a_desk()
    for dx, rest in ((1, False), (5, False), (7, True)):
        edits(FOUND, replace(FOUND, x=FOUND.x + dx), rest)
    assert desk.did == [("turn", 1.0), ("turn", 5.0), ("turn", 7.0), "rest"]
    edits(FOUND, replace(FOUND, x=FOUND.x + 2), True)
    assert desk.did[-2:] == [("turn", 9.0), "rest"], "the next one begins where that ended"


def test_another_ellipse_is_another_edit_though_the_last_one_never_came_to_rest():
    desk, _, edits, _ = a_desk()
    edits(FOUND, replace(FOUND, x=FOUND.x + 3), False)
    edits(CORE, replace(CORE, x=CORE.x + 1), True)
    assert desk.did[-2:] == [("turn", 4.0), "rest"]


def test_a_change_that_the_step_refuses_is_said_and_the_next_one_starts_afresh():
    desk, refused, edits, _ = a_desk()
    edits(FOUND, replace(FOUND, x=FOUND.x + 1), True)
    edits(FOUND, replace(FOUND, x=FOUND.x + 500), False)
    (error,) = refused
    assert "must lie in [0, 64]" in str(error)
    edits(FOUND, replace(FOUND, x=FOUND.x + 1), True)
    assert desk.did[-2:] == [("turn", 2.0), "rest"]


def test_marks_of_a_view_without_edit_change_nothing():
    desk, _, edits, picture = a_desk()
    picture.edit = None
    edits(FOUND, None, True)
    assert desk.did == []
