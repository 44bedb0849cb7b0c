"""Sets of pixels: what they do equals what numpy does with images of bools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jwinteractive.data import Box
from jwinteractive.errors import InputError, ParamError
from jwinteractive.masks import Selection

shapes = st.tuples(st.integers(1, 9), st.integers(1, 12))
images = shapes.flatmap(lambda shape: arrays.arrays(bool, shape))
pairs = shapes.flatmap(lambda s: st.tuples(arrays.arrays(bool, s), arrays.arrays(bool, s)))


@settings(deadline=None)
@given(images)
def test_an_image_comes_back_from_its_runs(image):
    found = Selection.from_mask(image)
    np.testing.assert_array_equal(found.mask(), image)
    assert found.count == image.sum()
    assert bool(found) == image.any()
    np.testing.assert_array_equal(found.pixels(), np.argwhere(image))
    for y, x in np.ndindex(image.shape):
        assert ((y, x) in found) == image[y, x]
    assert (-1, 0) not in found
    assert (0, image.shape[1]) not in found


@settings(deadline=None)
@given(images)
def test_runs_are_sorted_and_apart_and_read_only(image):
    runs = Selection.from_mask(image).runs
    assert (runs[:, 0] < runs[:, 1]).all()
    assert (runs[1:, 0] > runs[:-1, 1]).all()
    assert not runs.flags.writeable


@settings(deadline=None)
@given(pairs)
def test_sets_are_combined_as_numpy_combines_bools(pair):
    a, b = pair
    one, two = Selection.from_mask(a), Selection.from_mask(b)
    for mine, its in (
        (one | two, a | b),
        (one & two, a & b),
        (one - two, a & ~b),
        (one ^ two, a ^ b),
        (~one, ~a),
    ):
        np.testing.assert_array_equal(mine.mask(), its)
        assert mine == Selection.from_mask(its)  # one set has one form
        assert mine.digest == Selection.from_mask(its).digest
    assert (one == two) == np.array_equal(a, b)


@settings(deadline=None)
@given(images, st.data())
def test_a_box_of_a_set_is_the_set_of_a_box(image, data):
    ny, nx = image.shape
    y0, x0 = data.draw(st.integers(0, ny - 1)), data.draw(st.integers(0, nx - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, ny)), data.draw(st.integers(x0 + 1, nx))
    found = Selection.from_mask(image).crop(Box(y0, y1, x0, x1))
    assert found == Selection.from_mask(image[y0:y1, x0:x1])


@settings(deadline=None)
@given(images, st.integers(-10, 10), st.integers(-10, 10), shapes)
def test_a_set_moves_to_another_frame_and_loses_what_falls_off(image, dy, dx, shape):
    moved = Selection.from_mask(image).moved(shape, dy, dx)
    expected = np.zeros(shape, bool)
    for y, x in np.argwhere(image) + np.array([dy, dx]):
        if 0 <= y < shape[0] and 0 <= x < shape[1]:
            expected[y, x] = True
    assert moved == Selection.from_mask(expected)


@settings(deadline=None)
@given(images)
def test_the_hull_is_the_smallest_box_around_all(image):
    found, at = Selection.from_mask(image).hull, np.argwhere(image)
    if not len(at):
        assert found is None
    else:
        (y0, x0), (y1, x1) = at.min(axis=0), at.max(axis=0) + 1
        assert found == Box(int(y0), int(y1), int(x0), int(x1))


@settings(deadline=None)
@given(images)
def test_text_comes_back_exactly(image):
    found = Selection.from_mask(image)
    assert Selection.parse(str(found), image.shape) == found
    assert len(str(found).splitlines()) == np.count_nonzero(image.any(axis=1))


@settings(deadline=None)
@given(shapes, st.lists(st.tuples(st.integers(-2, 10), st.integers(-2, 13)), max_size=30))
def test_single_pixels_may_come_twice_and_lie_outside(shape, pixels):
    found = Selection.from_pixels(shape, [y for y, _ in pixels], [x for _, x in pixels])
    inside = {(y, x) for y, x in pixels if 0 <= y < shape[0] and 0 <= x < shape[1]}
    assert {tuple(p) for p in found.pixels().tolist()} == inside


def test_pixels_of_a_frame_by_hand():
    found = Selection.parse("2: 3-5 0\n0: 7\n", (4, 8))
    assert found.runs.tolist() == [[7, 8], [18, 19], [21, 24]]
    assert str(found) == "0: 7\n2: 0 3-5"
    assert Selection.parse("1: 3-4 4-6 0-3", (4, 8)) == Selection.parse("1: 0-6", (4, 8))
    assert Selection.whole((2, 3)).mask().all()
    assert Selection.none((2, 3)).count == 0
    assert Selection.parse("", (2, 3)) == Selection.none((2, 3))


@pytest.mark.parametrize(
    "text",
    ["5", "5:", "x: 1", "5: 1,2", "-1: 3", "5: 3-", "5: -3", "5: 1 2 x", "5: 1.5", "٥: 1", "5:3"],
)
def test_pixels_that_cannot_be_read_are_quoted(text):
    with pytest.raises(InputError, match="need the form '512: 300-310 315'") as caught:
        Selection.parse(text, (9, 9))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["9: 1", "1: 9", "1: 3-9", "1: 5-4", "99999999999999999999: 1"])
def test_pixels_outside_of_the_frame_are_refused(text):
    with pytest.raises(InputError, match="must lie in 9 rows and 9 columns"):
        Selection.parse(text, (9, 9))
    with pytest.raises(ParamError):
        Selection.parse(text, (9, 9), ParamError)


def test_frames_of_two_shapes_are_not_combined():
    with pytest.raises(InputError, match="take frames of one shape"):
        Selection.none((2, 3)) | Selection.none((3, 2))
    assert Selection.none((2, 3)) != Selection.none((3, 2))
