"""Masks in glue and back: states of every kind, links between windows, and glue's own faults."""

import time

import numpy as np
import pytest

pytest.importorskip("glue", reason="glue-core is not installed")

from glue.core import Data, DataCollection
from glue.core.coordinates import AffineCoordinates
from glue.core.roi import (
    CircularROI,
    EllipticalROI,
    PointROI,
    PolygonalROI,
    RectangularROI,
    XRangeROI,
    YRangeROI,
)
from glue.core.subset import (
    AndState,
    CategorySubsetState,
    ElementSubsetState,
    InvertState,
    MaskSubsetState,
    MultiOrState,
    MultiRangeSubsetState,
    OrState,
    RangeSubsetState,
    RoiSubsetState,
    SliceSubsetState,
    XorState,
)

from jwinteractive import dq
from jwinteractive.errors import InputError
from jwinteractive.masks import Ellipse, Groups, Layer, Line, Mask, Polygon, Rectangle, Selection
from jwinteractive.masks.states import PLACE, layer_states, linked, state_of
from jwinteractive.masks.subsets import layers_of, selection_of

SHAPE = (40, 48)
VALUES = np.random.default_rng(1).normal(0, 1, SHAPE)
SHAPES = (
    Rectangle(3, 6, 10, 20),
    Rectangle(3.25, 6.5, 10.01, 20),
    Ellipse(20, 30.5, 7, 3.25, 30),
    Polygon(((1, 1), (10, 4.5), (6, 20))),
)


def frame(shape=SHAPE, corner=(1, 1), values=None, label="frame", detector="NRCA1", **given):
    values = np.zeros(shape) if values is None else values
    data = Data(label=label, data=values, **given)
    data.meta[PLACE] = (detector, *corner)
    return data


def scattered(seed=1, shape=SHAPE, share=0.1):
    return Selection.from_mask(np.random.default_rng(seed).random(shape) < share)


def mask_of(*layers, shape=SHAPE, corner=(1, 1)):
    return Mask(
        instrument="NIRCAM", detector="NRCA1", shape=shape, corner=corner, layers=tuple(layers)
    )


# -- there and back ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [*SHAPES, Line(((0, 0), (30, 40)), 3), scattered()])
def test_a_shape_selects_the_same_pixels_in_glue_and_back(shape):
    data = frame()
    state = state_of(shape, data)
    expected = shape if isinstance(shape, Selection) else shape.select(SHAPE)
    assert selection_of(state, data) == expected
    theirs = state.to_mask(data)
    assert theirs.shape == SHAPE
    edge = 0 if not isinstance(shape, Polygon) else 3  # glue has its own rule for edges
    assert np.count_nonzero(theirs != expected.mask()) <= edge


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_come_back_exactly(shape):
    data = frame()
    collection = DataCollection([data])
    pixels = scattered(3)
    layer = Layer(name="a", pixels=pixels, shapes=(shape, SHAPES[0]))
    group = collection.new_subset_group("a", state_of(layer, data))
    (back,) = layers_of(collection, mask_of())
    assert back.shapes == (shape, SHAPES[0])
    assert back.pixels == pixels
    assert back.flags == ("DO_NOT_USE", "OTHER_BAD_PIXEL")
    assert layers_of([group], mask_of())[0].same(back)


def stack():
    return mask_of(
        Layer(name="a", pixels=scattered(1), shapes=SHAPES[:2], flags=("HOT", "DO_NOT_USE")),
        Layer(name="b", pixels=scattered(2), flags=("WARM",)),
        Layer(name="hot off", pixels=scattered(3, share=0.5), how="remove", flags=("HOT",)),
        Layer(name="inside", pixels=scattered(4, share=0.8), how="within", flags=("WARM",)),
        Layer(name="all off", pixels=scattered(5, share=0.2), how="remove", flags=()),
        Layer(name="c", pixels=scattered(6, share=0.02), flags=("DEAD",)),
        Layer(name="off", pixels=scattered(7), on=False),
        Layer(name="one", pixels=scattered(8), exposure="one"),
        Layer(name="g", pixels=scattered(9), groups=Groups(first=2), flags=("JUMP_DET",)),
        Layer(name="sky", pixels=scattered(10), role="scene", how="remove", flags=()),
    )


@pytest.mark.parametrize("flag", ["", "HOT", "WARM", "DEAD", "DO_NOT_USE", "OPEN"])
def test_a_stack_of_layers_is_one_state_that_selects_what_it_flags(flag):
    mask, data = stack(), frame()
    bits = np.uint32(dq.combine(flag) if flag else 0xFFFFFFFF)
    expected = (mask.dq() & bits) != 0
    state = state_of(mask, data, flag)
    np.testing.assert_array_equal(selection_of(state, data).mask(), expected)
    np.testing.assert_array_equal(state.to_mask(data), expected)
    assert expected.any() == (flag != "OPEN")


def test_a_layer_keeps_its_flags_when_its_subset_comes_back():
    mask, data = stack(), frame()
    collection = DataCollection([data])
    for layer in mask.layers:
        collection.new_subset_group(layer.name, state_of(layer, data))
    back = mask.replace(layers=layers_of(collection, mask))
    assert back.same(mask)


def test_a_session_of_glue_keeps_regions_of_pixels():
    from glue.core.state import GlueSerializer, GlueUnSerializer

    data = frame()
    state = state_of(scattered(2), data)
    text = GlueSerializer(state.roi).dumps()
    again = GlueUnSerializer.loads(text).object("__main__")
    assert again.pixels == scattered(2)


def test_a_layer_of_the_scene_is_a_subset_that_selects_its_pixels():
    mask, data = stack(), frame()
    states = dict(layer_states(mask, data))
    assert selection_of(states["sky"], data) == mask["sky"].selection


def test_subsets_of_one_name_become_layers_of_two():
    data = frame()
    collection = DataCollection([data])
    for _ in range(2):
        collection.new_subset_group("  Subset \n\x00 1 ", state_of(SHAPES[0], data))
    collection.new_subset_group("\x00")  # in which nothing is selected yet
    layers = layers_of(collection, mask_of())
    assert [m.name for m in layers] == ["Subset  1", "Subset  1 2", "subset"]
    assert layers[2].count == 0


def test_every_kind_that_glue_draws_selects_what_glue_says():
    data = frame(values=VALUES)
    y, x = data.pixel_component_ids
    value = data.id["data"]
    for roi in (
        RectangularROI(3.3, 20.2, 4.4, 9.9),
        RectangularROI(3.3, 20.2, 4.4, 9.9, theta=0.5),
        CircularROI(20.2, 15.3, 7.1),
        EllipticalROI(20.2, 15.3, 9.1, 4.2, 0.7),
        PolygonalROI([3.3, 30.2, 20.1], [5.5, 9.1, 31.3]),
        XRangeROI(3.3, 9.2),
        YRangeROI(3.3, 9.2),
    ):
        state = RoiSubsetState(x, y, roi)
        theirs = state.to_mask(data)
        np.testing.assert_array_equal(selection_of(state, data).mask(), theirs, str(roi))
    # glue fails to fill a point that it lets people pick
    point = RoiSubsetState(x, y, PointROI(3.4, 4.6))
    assert selection_of(point, data).pixels().tolist() == [[5, 3]]
    some, other = RoiSubsetState(x, y, CircularROI(20.2, 15.3, 7.1)), value > 0.5
    for state in (
        OrState(some, other),
        AndState(some, other),
        XorState(some, other),
        InvertState(some),
        MultiOrState([some, other, RangeSubsetState(-0.1, 0.1, value)]),
        RangeSubsetState(-0.5, 0.5, value),
        MultiRangeSubsetState([(-0.5, 0.0), (1, 2)], value),
        value <= 0.25,
        MaskSubsetState(VALUES > 1, [y, x]),
        ElementSubsetState([3, 99, 500], data),
        SliceSubsetState(data, [slice(2, 5), slice(7, 20, 2)]),
        CategorySubsetState(value, [VALUES[2, 3]]),
        RoiSubsetState(y, x, EllipticalROI(20.2, 15.3, 9.1, 4.2, 0.7)),  # axes swapped
        RoiSubsetState(x, value, RectangularROI(3, 20, 0, 1)),
    ):
        np.testing.assert_array_equal(selection_of(state, data).mask(), state.to_mask(data))
    assert selection_of(some, data).count > 100


def test_a_cube_selects_what_any_of_its_planes_does():
    cube = frame(values=np.stack([VALUES, VALUES[::-1]]))
    value = cube.id["data"]
    expected = (VALUES > 1) | (VALUES[::-1] > 1)
    np.testing.assert_array_equal(selection_of(value > 1, cube).mask(), expected)
    state = state_of(SHAPES[2], cube)
    assert selection_of(state, cube) == SHAPES[2].select(SHAPE)
    assert state.to_mask(cube).shape == cube.shape


def test_world_coordinates_of_a_box_are_pixels_of_the_exposure():
    matrix = np.eye(3)
    matrix[:2, -1] = 5, 9  # x, y
    data = Data(label="box", data=VALUES, coords=AffineCoordinates(matrix))
    y, x = data.world_component_ids
    state = RoiSubsetState(x, y, RectangularROI(14.5, 16.5, 19.5, 20.5))
    expected = Rectangle(11, 11, 10, 11).select(SHAPE)
    assert selection_of(state, data) == expected
    np.testing.assert_array_equal(state.to_mask(data), expected.mask())


def test_a_subset_of_something_else_is_refused_in_one_line():
    data, other = frame(), frame(values=VALUES, label="other")
    with pytest.raises(InputError, match="link the data first"):
        selection_of(other.id["data"] > 1, data)
    with pytest.raises(InputError, match="no data of NRCA1 are open"):
        layers_of(DataCollection([frame(detector="NRCB4")]), mask_of())


# -- linked windows ----------------------------------------------------------------------------


def test_a_subset_drawn_on_one_exposure_holds_on_another_of_another_window():
    full, part = frame((100, 120), (1, 1)), frame(SHAPE, (31, 21))
    collection = linked([full, part])
    group = collection.new_subset_group("a", state_of(Ellipse(50, 40, 9, 6, 20), full))
    expected = Ellipse(20, 20, 9, 6, 20).select(SHAPE)
    assert selection_of(group.subset_state, part) == expected
    np.testing.assert_array_equal(group.subset_state.to_mask(part), expected.mask())
    assert selection_of(group.subset_state, full) == Ellipse(50, 40, 9, 6, 20).select((100, 120))
    for like in (mask_of(shape=(100, 120)), mask_of(corner=(31, 21))):
        (back,) = layers_of(collection, like)
        y, x = 51 - like.corner[0], 41 - like.corner[1]
        assert back.shapes == (Ellipse(y, x, 9, 6, 20),)


def test_pixels_and_masks_hold_on_another_window_too():
    full, part = frame((100, 120), (1, 1)), frame(SHAPE, (31, 21))
    collection = linked([full, part])
    bad = scattered(4, (100, 120), 0.2)
    mask = mask_of(Layer(name="a", pixels=bad), shape=(100, 120))
    expected = bad.mask()[30:70, 20:68]
    state = state_of(mask, full)
    np.testing.assert_array_equal(selection_of(state, part).mask(), expected)
    np.testing.assert_array_equal(state.to_mask(part), expected)
    collection.new_subset_group("a", state)
    (back,) = layers_of(collection, mask_of(corner=(31, 21)), part)
    np.testing.assert_array_equal(back.selection.mask(), expected)
    (same,) = layers_of(collection, mask_of(corner=(31, 21)), full)
    assert same.pixels == back.pixels
    # a state of glue's own, drawn on the window, that glue looks up in the wrong places
    own = MaskSubsetState(VALUES > 1, list(part.pixel_component_ids))
    whole = np.zeros((100, 120), bool)
    whole[30:70, 20:68] = VALUES > 1
    np.testing.assert_array_equal(selection_of(own, full).mask(), whole)


def test_a_mask_lies_where_its_corner_says():
    mask = mask_of(Layer(name="a", pixels=scattered(5), shapes=SHAPES[2:3]), corner=(31, 21))
    full = frame((100, 120), (1, 1))
    expected = np.zeros((100, 120), bool)
    expected[30:70, 20:68] = mask.dq() != 0
    np.testing.assert_array_equal(selection_of(state_of(mask, full), full).mask(), expected)


def test_windows_of_two_detectors_are_not_linked():
    one, other = frame(), frame(detector="NRCB1", label="other")
    collection = linked([one, other, frame(label="third")])
    state = state_of(SHAPES[0], one)
    with pytest.raises(InputError, match="link the data first"):
        selection_of(state, other)
    assert selection_of(state, collection[2]) == SHAPES[0].select(SHAPE)
    with pytest.raises(InputError, match="does not say where on its detector"):
        linked([Data(label="x", data=VALUES)])


# -- faults of glue ----------------------------------------------------------------------------


def test_values_that_changed_since_are_seen():
    data = frame(values=VALUES.copy())
    value = data.id["data"]
    state = value > 1
    before = state.to_mask(data).copy()
    np.testing.assert_array_equal(selection_of(state, data).mask(), before)
    data.update_components({value: -VALUES})
    np.testing.assert_array_equal(selection_of(state, data).mask(), -VALUES > 1)
    assert (before != (-VALUES > 1)).any()


def test_a_lasso_of_many_corners_is_filled_faster_than_by_glue():
    t = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    r = 150 + 30 * np.sin(9 * t)
    lasso = PolygonalROI(list(256 + r * np.cos(t)), list(256 + r * np.sin(t)))
    data = frame((512, 512))
    y, x = data.pixel_component_ids
    state = RoiSubsetState(x, y, lasso)
    selection_of(state, data)
    began = time.perf_counter()
    mine = selection_of(state, data)
    between = time.perf_counter()
    theirs = state.to_mask(data)
    ended = time.perf_counter()
    assert 3 * (between - began) < ended - between
    assert np.count_nonzero(mine.mask() != theirs) < 10


def test_glue_is_loaded_only_when_it_is_used():
    import subprocess
    import sys

    program = (
        "import sys, jwinteractive.masks.states, jwinteractive.masks.subsets;"
        "print('glue' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "False"
