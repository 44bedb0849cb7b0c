"""Drawing on a frame without a browser: what Python takes for a stroke, and what layers cost."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.errors import InputError
from jwinteractive.masks.strokes import TOOLS
from jwinteractive.views import Frame
from jwinteractive_widgets.blocks import BUDGET
from jwinteractive_widgets.drawing import DRAW_TOOLS, Drawn, heard
from jwinteractive_widgets.frame import FrameView
from jwinteractive_widgets.overlay import resample_labels

NY, NX = 48, 64
LAYERS = [
    {"bit": 1, "name": "hot", "colour": "#ff0000", "opacity": 0.5},
    {"bit": 2**31, "name": "drawn", "colour": "#00ff00", "opacity": 1},
]
SAID = {
    "kind": "draw", "tool": "brush", "points": [[3, 4], [5.5, 6]], "size": 7, "erase": False,
    "rest": True, "stroke": 12,
}  # fmt: skip


@pytest.fixture
def strokes():
    return []


@pytest.fixture
def view(sent, strokes):
    made = FrameView(drawing=True, on_draw=strokes.append)
    made.show(Frame(title="rate", data=np.ones((NY, NX), np.float32)))
    return made


def looks(view, browser_says, name="one", box=(0, 0, NX, NY), size=(620, 620)):
    browser_says(view, kind="view", id=name, box=list(box), size=list(size))


# -- strokes --------------------------------------------------------------------------------------


def test_a_stroke_arrives_with_y_before_x(view, strokes, browser_says):
    browser_says(view, **SAID)
    assert strokes == [Drawn("brush", ((4.0, 3.0), (6.0, 5.5)), 7, False, True, 12)]


@pytest.mark.parametrize("tool", DRAW_TOOLS)
def test_every_tool_is_one_that_masks_know(tool):
    assert tool in TOOLS
    assert heard({**SAID, "tool": tool}).tool == tool


def test_a_dropped_stroke_has_no_points_and_one_that_goes_on_has_some():
    assert heard({**SAID, "points": []}).points == ()
    assert heard({**SAID, "points": [], "rest": False}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"tool": "hammer"},
        {"tool": None},
        {"points": [[1, math.nan]]},
        {"points": [[math.inf, 1]]},
        {"points": [[1, 2, 3]]},
        {"points": [[1, "2"]]},
        {"points": [[True, 2]]},
        {"points": [[10**400, 2]]},
        {"points": None},
        {"points": [[1, 1]] * 20_001},
        {"size": 0},
        {"size": 201},
        {"size": True},
        {"size": 2.5},
        {"erase": 1},
        {"rest": None},
        {"stroke": -1},
        {"stroke": True},
        {"stroke": "12"},
    ],
    ids=str,
)
def test_nonsense_is_ignored(view, strokes, browser_says, wrong):
    assert heard({**SAID, **wrong}) is None
    browser_says(view, **{**SAID, **wrong})
    assert strokes == []


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_no_points_whatever_break_the_check(points):
    made = heard({**SAID, "points": points})
    assert made is None or all(math.isfinite(v) for point in made.points for v in point)


def test_a_stroke_of_20000_points_is_taken(view, strokes, browser_says):
    browser_says(view, **{**SAID, "points": [[1, 1]] * 20_000})
    assert len(strokes[0].points) == 20_000


def test_strokes_count_only_while_there_is_drawing(view, strokes, browser_says):
    view.tool = "lasso"
    view.drawing = False
    assert view.tool == "pan"
    browser_says(view, **SAID)
    assert strokes == []


# -- layers over the picture ----------------------------------------------------------------------


def test_layers_travel_to_each_view_for_its_viewport(view, customs, browser_says):
    looks(view, browser_says)
    looks(view, browser_says, "two", (0, 0, 8, 8))
    plane = np.zeros((NY, NX), np.uint32)
    plane[3, 4], plane[40, 60] = 1, 1 | 2**31
    view.show_overlay(plane, LAYERS, answers=12)
    told = {c["id"]: (c, size) for c, size in customs(view, "overlay")}
    one, two = told["one"], told["two"]
    assert one[0]["flags"] == [1, 1 | 2**31]
    assert two[0]["flags"] == [1]
    assert [layer["bit"] for layer in one[0]["layers"]] == ["1", str(2**31)]
    assert one[0]["answers"] == two[0]["answers"] == 12
    assert one[1] == NY * NX // 8 + 2
    assert two[1] < one[1]


def test_layers_of_a_stroke_that_goes_on_do_not_end_what_the_browser_draws_of_it(
    sent, customs, browser_says
):
    def take(stroke):
        view.show_overlay(np.zeros((NY, NX), np.uint32), LAYERS, answers=stroke.stroke)

    view = FrameView(drawing=True, on_draw=take)
    view.show(Frame(title="rate", data=np.ones((NY, NX), np.float32)))
    looks(view, browser_says)
    browser_says(view, **SAID)
    browser_says(view, **{**SAID, "stroke": 13, "rest": False})
    browser_says(view, **{**SAID, "stroke": 13})
    assert [c["answers"] for c, _ in customs(view, "overlay")] == [12, 12, 13]


def test_a_view_that_moves_gets_the_layers_there_and_one_that_left_gets_none(
    view, customs, browser_says, sent
):
    looks(view, browser_says)
    view.show_overlay(np.ones((NY, NX), np.uint32), LAYERS)
    looks(view, browser_says, "one", (0, 0, 8, 8))
    assert [c["size"] for c, _ in customs(view, "overlay")] == [[NY, NX], [10, 10]]
    browser_says(view, kind="gone", id="one")
    sent.clear()
    view.show_overlay(np.ones((NY, NX), np.uint32), LAYERS)
    assert customs(view, "overlay") == []


def test_layers_are_taken_away_once_and_do_not_come_back(view, customs, browser_says, sent):
    looks(view, browser_says)
    view.show_overlay(np.ones((NY, NX), np.uint32), LAYERS)
    sent.clear()
    view.clear_overlay()
    ((content, size),) = customs(view, "overlay")
    assert "size" not in content
    assert size == 0
    looks(view, browser_says)
    assert len(customs(view, "overlay")) == 1


def test_none_takes_layers_away_and_still_answers(view, customs, browser_says):
    looks(view, browser_says)
    view.show_overlay(None, [], answers=7)
    ((content, _),) = customs(view, "overlay")
    assert content["answers"] == 7


def test_a_frame_of_another_size_has_no_layers_yet(view, customs, browser_says, sent):
    looks(view, browser_says)
    view.show_overlay(np.ones((NY, NX), np.uint32), LAYERS)
    view.show(Frame(title="rate", data=np.ones((10, 10), np.float32)))
    sent.clear()
    looks(view, browser_says, box=(0, 0, 10, 10))
    assert customs(view, "overlay") == []


def test_hot_pixels_survive_any_zooming_out():
    rng = np.random.default_rng(1)
    plane = np.zeros((2048, 2048), np.uint32)
    y, x = rng.integers(0, 2048, (2, 300))
    plane[y, x] = 1 << rng.integers(0, 32, 300).astype(np.uint32)
    made = resample_labels(plane, (0, 0, 2048, 2048), (256, 256))
    assert made.factor == 8
    wanted = np.bitwise_or.reduce(plane.reshape(256, 8, 256, 8), axis=(1, 3))
    assert np.array_equal(made.plane, wanted)


@pytest.mark.parametrize("size", [(620, 620), (1600, 1200), (2400, 1800)])
@pytest.mark.parametrize("bits", [0x0, 0x1, 0x3FF, 0xFFFFFFFF])
def test_layers_of_4096_squared_stay_in_the_budget(size, bits):
    rng = np.random.default_rng(4)
    plane = rng.integers(0, 2**32, (4096, 4096), np.uint32, endpoint=False) & np.uint32(bits)
    for window in ((0, 0, 4096, 4096), (300, 300, 300 + size[0], 300 + size[1])):
        made = resample_labels(plane, window, size)
        assert made.nbytes <= BUDGET < 1_200_000
        x0, y0, x1, y1 = made.extent
        assert x0 <= window[0]
        assert y0 <= window[1]
        assert x1 >= min(window[2], 4096)
        assert y1 >= min(window[3], 4096)


@pytest.mark.parametrize(
    ("plane", "layers", "words"),
    [
        (np.zeros((NY, NX), np.uint8), LAYERS, r"overlay of uint8 \(48, 64\)"),
        (np.zeros((NX, NY), np.uint32), LAYERS, r"must be uint32 \(48, 64\)"),
        (None, [{"bit": 3, "name": "a", "colour": "#000000", "opacity": 1}], "needs a bit"),
        (None, [{"bit": 1, "name": "a", "colour": "red", "opacity": 1}], "'#rrggbb'"),
        (None, [{"bit": 1, "name": "a", "colour": "#000000", "opacity": 2}], "opacity"),
        (None, [{"bit": 1, "colour": "#000000", "opacity": 1}], "a name"),
    ],
)
def test_a_wrong_plane_or_layer_is_refused_in_one_line(view, plane, layers, words):
    with pytest.raises(InputError, match=words) as caught:
        view.show_overlay(plane, layers)
    assert "\n" not in str(caught.value)


def test_layers_need_a_frame(sent):
    with pytest.raises(InputError, match="show one first"):
        FrameView().show_overlay(np.zeros((NY, NX), np.uint32), LAYERS)
