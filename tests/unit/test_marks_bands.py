"""Bands over a frame: what travels, what comes back, and what an edit makes of it."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.views import Band, Ellipse, Frame
from jwinteractive_widgets.frame import FrameView

SOURCE = Band(low=10.25, high=17.0, label="source 1", name="source 1")
SKY = Band(low=20.0, high=30.0, start=5.0, stop=60.0, name="sky", kind="background")


@pytest.fixture
def heard():
    return []


@pytest.fixture
def view(sent, heard):
    made = FrameView(on_mark=lambda *what: heard.append(what))
    made.show(a_frame(SOURCE, SKY), editable=True)
    return made


def a_frame(*marks):
    return Frame(title="slit", data=np.ones((48, 64), np.float32), marks=marks)


def test_a_band_travels_with_its_name_its_edges_and_its_ends(view, customs):
    ((message, _),) = customs(view, "marks")
    assert message["rows"] == []
    assert message["bands"] == [
        {
            "name": "source 1",
            "at": [10.25, 17.0, None, None],
            "along": "x",
            "path": [],
            "of": "source",
            "label": "source 1",
        },
        {
            "name": "sky",
            "at": [20.0, 30.0, 5.0, 60.0],
            "along": "x",
            "path": [],
            "of": "background",
            "label": "",
        },
    ]


def test_a_long_path_travels_as_few_points_that_lie_on_it_and_reach_its_ends(view, customs):
    path = tuple(np.sin(np.arange(2048) / 400))
    view.show(a_frame(replace(SOURCE, path=(math.nan, *path[1:]))), editable=True)
    points = customs(view, "marks")[-1][0]["bands"][0]["path"]
    at, offsets = map(np.asarray, zip(*points, strict=True))
    assert len(points) <= 256
    assert (at[0] > 0, at[-1]) == (True, 2047), "the place without an offset is left out"
    assert np.allclose(offsets, np.asarray(path)[at], atol=0.006)


def test_a_band_without_edges_does_not_travel(view, customs):
    view.show(a_frame(replace(SOURCE, low=math.nan), replace(SKY, stop=math.inf)))
    assert customs(view, "marks")[-1][0]["bands"] == []


def test_a_moved_band_keeps_what_the_browser_does_not_say(view, heard, browser_says):
    path = (0.0, 1.0, 2.0)
    curved = replace(SOURCE, path=path)
    view.show(a_frame(curved, SKY), editable=True)
    browser_says(view, kind="mark", band="source 1", new=[11, 18.5, None, None], rest=True)
    browser_says(view, kind="mark", band="sky", new=None, rest=True)
    assert heard == [(curved, replace(curved, low=11.0, high=18.5), True), (SKY, None, True)]


def test_a_new_band_is_background_without_a_name(view, heard, browser_says):
    new = [1, 4, None, None]
    browser_says(view, kind="mark", band=None, new=new, along="y", rest=True)
    ((_, made, _),) = heard
    assert made == Band(low=1, high=4, along="y", kind="background")


def test_a_band_that_is_dragged_is_known_as_it_was_though_frames_move_on(view, heard, browser_says):
    browser_says(view, kind="mark", band="source 1", new=[11, 18, None, None], rest=False)
    view.show(a_frame(replace(SOURCE, low=11.0, high=18.0)), editable=True)
    browser_says(view, kind="mark", band="source 1", new=[12, 19, None, None], rest=True)
    assert [old for old, *_ in heard] == [SOURCE, SOURCE]
    browser_says(view, kind="mark", band="source 1", new=[13, 20, None, None], rest=True)
    assert heard[-1][0].low == 11.0, "the next drag begins at the newest frame"


def test_an_unnamed_band_is_known_by_its_place_in_the_row(view, heard, browser_says):
    bare = replace(SOURCE, name="")
    view.show(a_frame(SKY, bare), editable=True)
    for low, rest in ((11, False), (12, True)):
        browser_says(view, kind="mark", band="band 1", new=[low, 18, None, None], rest=rest)
    assert [old for old, *_ in heard] == [bare, bare]


@pytest.mark.parametrize(
    ("band", "new"),
    [
        ("nobody", [1, 2, None, None]),
        (None, None),
        ("sky", [5, 5, None, None]),
        ("sky", [6, 5, None, None]),
        ("sky", [5, math.nan, None, None]),
        ("sky", [5, 6, 9, 3]),
        ("sky", [5, 6]),
        ("sky", "away"),
        (["sky"], [1, 2, None, None]),
    ],
)
def test_what_makes_no_sense_is_refused(view, heard, customs, browser_says, band, new):
    browser_says(view, kind="mark", band=band, new=new, rest=True)
    assert heard == []
    assert customs(view, "marks")[-1][0]["refused"]


def test_bands_and_ellipses_lie_over_one_frame(view, customs, heard, browser_says):
    ring = Ellipse(y=5, x=6, a=3, b=3, kind="outer", name="ring")
    view.show(a_frame(ring, SOURCE), editable=True)
    message = customs(view, "marks")[-1][0]
    assert message["rows"] == [[[6.0, 5.0, 3.0, 3.0, 0.0, 5], ""]]
    assert [b["name"] for b in message["bands"]] == ["source 1"]
    row = [6, 5, 3, 3, 0, 5]
    browser_says(view, kind="mark", old=row, new=[7, 5, 3, 3, 0, 5], rest=True)
    assert heard == [(ring, replace(ring, x=7.0), True)]


def test_pixels_that_stay_are_not_sent_again_while_an_aperture_is_dragged(
    view, customs, browser_says
):
    data = np.ones((48, 64), np.float32)
    data.flags.writeable = False
    shown = replace(a_frame(SOURCE), data=data)
    view.show(shown, editable=True)
    browser_says(view, kind="view", id="v", box=[0, 0, 64, 48], size=[64, 48])
    sent = len(customs(view, "patch"))
    moved = replace(shown, data=data[:], marks=(replace(SOURCE, low=11.0),), note="moved")
    view.show(moved, editable=True)
    assert len(customs(view, "patch")) == sent
    assert customs(view, "marks")[-1][0]["bands"][0]["at"][0] == 11.0
    assert view.frame is moved
    open_to_all = data.copy()  # it may have been written to meanwhile
    for other in (data + 1, open_to_all, open_to_all):
        view.show(replace(moved, data=other), editable=True)
        sent += 1
        assert len(customs(view, "patch")) == sent
    view.show(replace(moved, data=other, limits=(0.0, 9.0)), editable=True)
    assert len(customs(view, "patch")) == sent + 1
