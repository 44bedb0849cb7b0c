"""The mask studio's panel, played by messages: strokes, layers, the frame that follows."""

import numpy as np
import pytest

pytest.importorskip("bqplot", reason="the lab extra is not installed")

from jwinteractive import dq
from jwinteractive.masks import BACKGROUND, SOURCE, Ellipse, Layer, Rectangle, Selection


@pytest.fixture
def studio(bench):
    """A workbench with its mask page open."""
    bench._do("mask")
    return bench


@pytest.fixture
def draw(studio, browser_says):
    """Draw on the frame as the browser tells it: points are (x, y)."""
    count = iter(range(1, 1000))

    def stroke(tool, *points, size=1, erase=False, rest=True, number=None):
        browser_says(
            studio.canvas.view,
            kind="draw",
            tool=tool,
            points=[list(p) for p in points],
            size=size,
            erase=erase,
            rest=rest,
            stroke=number or next(count),
        )

    return stroke


def flags_at(bench, y, x):
    frame = bench.canvas.picture.frame
    return int(frame.dq[y - frame.covers.y0, x - frame.covers.x0])


def test_the_frame_can_be_drawn_on_only_while_the_page_is_open(bench):
    assert not bench.canvas.view.drawing
    bench._do("mask")
    assert bench.canvas.view.drawing
    assert bench.canvas.view.tool == "brush"
    bench._do("mask")
    assert not bench.canvas.view.drawing
    assert bench.canvas.view.tool == "pan"


def test_a_first_stroke_makes_a_layer_that_flags_its_pixels_in_the_picture(studio, draw):
    draw("brush", (20, 10), (30, 10))
    layer = studio.session.mask()["drawn"]
    assert layer.pixels == Selection.from_rows(layer.pixels.shape, *np.array([[10], [20], [31]]))
    assert flags_at(studio, 10, 25) & dq.DO_NOT_USE
    assert not flags_at(studio, 12, 25) & dq.OTHER_BAD_PIXEL
    assert studio.mask.layers.items[0]["count"] == 11


def test_each_tool_draws_what_it_is_named_for(studio, draw):
    session = studio.session
    draw("rectangle", (5, 6), (8, 9))
    assert session.mask()["drawn"].shapes == (Rectangle(6, 9, 5, 8),)
    draw("oval", (20, 20), (28, 24))
    assert session.mask()["drawn"].shapes[1] == Ellipse(22, 24, 4.5, 2.5)
    draw("lasso", (40, 40), (48, 40), (44, 46))
    assert (42, 44) in session.mask()["drawn"].selection
    draw("stroke", (50, 3), (50, 12), size=3)
    assert {(7, 49), (7, 50), (7, 51)} <= {*map(tuple, session.mask()["drawn"].selection.pixels())}
    before = session.mask()["drawn"].count
    draw("pixel", (60, 60))
    assert session.mask()["drawn"].count == before + 1
    draw("pixel", (60, 60))
    assert session.mask()["drawn"].count == before
    draw("eraser", (22, 22), size=3)
    assert (22, 22) not in session.mask()["drawn"].selection
    draw("rectangle", (5, 6), (8, 9), erase=True)
    assert (7, 7) not in session.mask()["drawn"].selection


def test_a_flood_fills_what_hangs_together_at_the_value_or_above(studio, draw):
    frame = studio.canvas.picture.frame
    y, x = np.unravel_index(np.nanargmax(frame.data), frame.data.shape)
    studio.mask.level.value = str(float(frame.data[y, x]))
    draw("flood", (int(x), int(y)))
    assert (int(y), int(x)) in studio.session.mask()["drawn"].selection
    studio.mask.level.value = "1e9"
    draw("flood", (int(x), int(y)))
    assert "or above" in studio.session.journal[-1].text


def test_the_moves_of_a_stroke_are_one_edit_that_undo_takes_back(studio, draw):
    session = studio.session
    for reach in range(1, 5):
        draw("brush", (10, 10), (10 + reach, 10), rest=False, number=7)
    draw("brush", (10, 10), (16, 10), number=7)
    assert session.mask()["drawn"].count == 7
    session.undo()
    assert not session.mask().layers
    session.redo()
    assert session.mask()["drawn"].count == 7


def test_the_end_of_a_stroke_sends_no_layers_again_and_computes_nothing(studio, draw, customs):
    draw("brush", (10, 10), (16, 10), rest=False, number=7)
    view, settings = studio.canvas.view, studio.session.settings
    sent = len(customs(view, "overlay"))
    draw("brush", (10, 10), (16, 10), number=7)
    assert len(customs(view, "overlay")) == sent
    assert customs(view, "answered")[-1][0]["answers"] == 7
    assert studio.session.settings is settings
    assert studio.session.can_undo


def test_a_dropped_stroke_leaves_nothing(studio, draw):
    draw("brush", (10, 10), (14, 10), rest=False, number=3)
    assert studio.session.mask()["drawn"].count == 5
    draw("brush", number=3)
    assert not studio.session.mask().layers
    assert not studio.session.can_undo


def test_the_overlay_shows_the_layers_of_the_group_in_view(studio, draw, customs):
    draw("rectangle", (5, 6), (8, 9))
    studio.mask.desk.act("change", "drawn", "groups", "i1 g3-")
    layer = studio.session.mask()["drawn"]
    assert layer.flags == ("JUMP_DET",)
    assert layer.exposure == studio.session.input().exposure.filename
    overlay = studio.canvas.view._overlay
    assert overlay._plane.any()
    studio.session.see(group=1)
    assert not overlay._plane.any()


def test_a_layer_from_the_group_in_view_on_is_one_press(studio, draw):
    studio.session.see(group=4, integration=1)
    studio.mask._do("add-groups")
    draw("oval", (30, 30), (36, 36))
    layer = studio.session.mask()["from group 5"]
    assert str(layer.groups) == "i2 g5-"
    ramp = studio.session.run("user_flags")
    assert (ramp.groupdq[1, 4:, 33, 33] & dq.JUMP_DET).all()
    assert not (ramp.groupdq[0, :, 33, 33] & dq.JUMP_DET).any()


def test_a_layer_of_the_scene_is_one_press_and_is_drawn_on_as_any_other(studio, draw):
    session, root = studio.session, studio.session.input().exposure.filename
    studio.mask._do("add-scene")
    layer = session.mask()["1/f scene"]
    assert (layer.role, layer.flags, layer.exposure) == ("scene", (), root)
    draw("rectangle", (5, 6), (8, 9))
    draw("eraser", (5, 6))
    expected = np.zeros(session.mask().shape, np.uint8)
    expected[6:10, 5:9] = SOURCE
    expected[6, 5] = 0
    np.testing.assert_array_equal(session.mask().scene(root), expected)
    assert not session.mask().dq(root).any()
    assert studio.canvas.view._overlay._plane[7, 7]
    (item,) = studio.mask.layers.items
    assert item["words"] == "source for 1/f, this exposure"
    assert item["groups"]["options"] == [["", "all groups"]]
    studio.mask.desk.act("change", "1/f scene", "how", "remove")
    assert studio.mask.layers.items[0]["words"] == "background for 1/f, this exposure"
    assert (session.mask().scene(root)[expected == SOURCE] == BACKGROUND).all()
    assert session.undo()
    assert session.undo()
    assert session.mask().scene(root)[6, 5] == SOURCE


def test_a_layer_of_flags_becomes_one_of_the_scene_and_back(studio, draw):
    draw("rectangle", (5, 5), (8, 8))
    act, session = studio.mask.desk.act, studio.session
    root = session.input().exposure.filename
    act("change", "drawn", "groups", "i1 g3-")
    act("change", "drawn", "role", "scene")
    layer = session.mask()["drawn"]
    assert (layer.role, layer.flags, layer.groups) == ("scene", (), None)
    assert layer.exposure == root
    assert session.mask().scene_counts(root) == {"source": 16}
    act("change", "drawn", "how", "within")
    act("change", "drawn", "role", "flags")
    layer = session.mask()["drawn"]
    assert layer.how == "add"
    assert session.mask().counts(root) == {"DO_NOT_USE": 16, "OTHER_BAD_PIXEL": 16}
    act("change", "drawn", "role", "flags")
    assert session.mask()["drawn"].same(layer)
    act("change", "drawn", "role", "sky")
    assert "role 'sky'" in session.journal[-1].text


def test_pixels_of_the_scene_are_counted_beside_those_that_are_flagged(studio, draw):
    draw("rectangle", (5, 5), (8, 8))
    studio.mask._count()
    assert "1/f scene" not in studio.mask.total.value
    studio.mask._do("add-scene")
    draw("rectangle", (7, 5), (10, 8))
    studio.mask._count()
    assert "<b>16</b> pixels flagged" in studio.mask.total.value
    assert "1/f scene: source 16" in studio.mask.total.value


def test_flags_of_groups_reach_the_ramp(studio, draw):
    draw("rectangle", (30, 30), (33, 33))
    studio.mask.desk.act("change", "drawn", "groups", "i1 g3-4")
    ramp = studio.session.run("user_flags")
    assert (ramp.groupdq[0, 2:4, 31, 31] & dq.JUMP_DET).all()
    assert not ramp.groupdq[0, 4, 31, 31] & dq.JUMP_DET


def test_layers_are_combined_switched_moved_and_renamed(studio, draw):
    desk, session = studio.mask.desk, studio.session
    draw("rectangle", (5, 5), (14, 14))
    desk.add()
    draw("rectangle", (10, 10), (19, 19))
    desk.act("combine", "drawn", "intersection", "drawn 2")
    made = session.mask().layers[-1]
    assert made.count == 25
    assert desk.layer == made.name
    desk.act("change", made.name, "name", "both")
    assert desk.layer == "both"
    desk.act("move", "both", -2)
    assert [x.name for x in session.mask().layers] == ["both", "drawn", "drawn 2"]
    desk.act("change", "drawn 2", "how", "remove")
    assert session.mask().counts()["DO_NOT_USE"] == 100 - 25
    desk.act("on", "drawn 2", False)
    assert session.mask().counts()["DO_NOT_USE"] == 100
    desk.act("remove", "both")
    assert "both" not in session.mask()


def test_what_is_not_allowed_is_said_and_changes_nothing(studio, draw):
    draw("rectangle", (5, 5), (14, 14))
    mask = studio.session.mask()
    studio.mask.desk.act("change", "drawn", "name", "")
    assert "layer name" in studio.session.journal[-1].text
    assert studio.session.mask() is mask
    draw("eraser", (300, 300))
    assert studio.session.mask().same(mask)


def test_the_list_shows_the_topmost_first_with_counts_and_colours(studio, draw):
    draw("rectangle", (5, 5), (14, 14))
    shape = studio.session.mask().shape
    pixels = Selection.from_pixels(shape, [3], [4])
    studio.mask.desk.add(Layer(name="warm", flags=("WARM",), pixels=pixels))
    warm, drawn = studio.mask.layers.items
    assert (warm["name"], warm["count"], warm["flag"]) == ("warm", 1, "WARM")
    assert (drawn["name"], drawn["count"], drawn["unusable"]) == ("drawn", 100, True)
    assert warm["colour"] != drawn["colour"]
    assert studio.mask.layers.chosen == "warm"
