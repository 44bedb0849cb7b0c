"""Shapes: which pixels belong to them, held against every pixel's centre."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jwinteractive.errors import InputError
from jwinteractive.masks import Ellipse, Line, Polygon, Rectangle, Selection, parse_shape

SHAPE = (30, 36)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
NEAR = 1e-6  # pixels from an edge: rounding decides

numbers = st.floats(-8, 44).map(lambda v: round(v, 2))
points = st.tuples(numbers, numbers)
sizes = st.floats(0.01, 25).map(lambda v: round(v, 2))
rectangles = st.builds(Rectangle, numbers, numbers, numbers, numbers)
ellipses = st.builds(Ellipse, numbers, numbers, sizes, sizes, st.floats(-360, 360))
polygons = st.builds(Polygon, st.lists(points, min_size=3, max_size=9).map(tuple))
lines = st.builds(Line, st.lists(points, min_size=1, max_size=5).map(tuple), sizes)
every = st.one_of(rectangles, ellipses, polygons, lines)


def far_from(points):
    """Distance of each pixel to the segments through points [n, (y, x)]."""
    found = np.full(SHAPE, np.inf)
    for (ya, xa), (yb, xb) in pairwise(points):
        length = (yb - ya) ** 2 + (xb - xa) ** 2
        t = 0.0 if length == 0 else ((Y - ya) * (yb - ya) + (X - xa) * (xb - xa)) / length
        t = np.clip(t, 0, 1)
        found = np.minimum(found, np.hypot(Y - ya - t * (yb - ya), X - xa - t * (xb - xa)))
    return found


@settings(deadline=None)
@given(rectangles)
def test_a_rectangle_holds_the_centres_between_its_edges(shape):
    inside = (shape.y0 <= Y) & (shape.y1 >= Y) & (shape.x0 <= X) & (shape.x1 >= X)
    np.testing.assert_array_equal(shape.select(SHAPE).mask(), inside)


@settings(deadline=None)
@given(ellipses)
def test_an_ellipse_holds_the_centres_inside(shape):
    t = np.radians(shape.angle)
    along = (X - shape.x) * np.cos(t) + (Y - shape.y) * np.sin(t)
    across = (Y - shape.y) * np.cos(t) - (X - shape.x) * np.sin(t)
    value = np.hypot(along / shape.a, across / shape.b)
    clear = np.abs(value - 1) > 1e-6 * (1 + 1 / min(shape.a, shape.b))
    got = shape.select(SHAPE).mask()
    np.testing.assert_array_equal(got[clear], (value < 1)[clear])


@settings(deadline=None)
@given(polygons)
def test_a_polygon_holds_the_centres_that_a_ray_leaves_an_odd_number_of_times(shape):
    ends = np.array([*shape.corners, shape.corners[0]])
    clear = far_from(ends) > NEAR
    odd = np.zeros(SHAPE, bool)
    for (ya, xa), (yb, xb) in pairwise(ends):
        if ya == yb:
            continue
        between = (min(ya, yb) <= Y) & (max(ya, yb) > Y)
        odd ^= between & (xa + (Y - ya) * (xb - xa) / (yb - ya) > X)
    got = shape.select(SHAPE).mask()
    np.testing.assert_array_equal(got[clear], odd[clear])


@settings(deadline=None)
@given(lines)
def test_a_line_holds_what_is_near_and_the_pixels_that_it_passes(shape):
    far = far_from(np.array([*shape.points, shape.points[-1]]))
    got = shape.select(SHAPE).mask()
    if shape.width > 1:
        assert got[far < shape.width / 2 - NEAR].all()
    # no more than that, but for pixels passed at up to half a diagonal
    assert not got[far > max(shape.width / 2, np.sqrt(0.5)) + NEAR].any()


@settings(deadline=None)
@given(st.tuples(points, points).filter(lambda p: p[0] != p[1]))
def test_a_line_of_one_pixel_has_no_gaps(ends):
    big = (60, 60)
    shape = Line(tuple((y + 8, x + 8) for y, x in ends), 1)
    pixels = shape.select(big).pixels()
    (ya, xa), (yb, xb) = (np.rint(p) for p in shape.points)
    longest = int(max(abs(yb - ya), abs(xb - xa)))
    axis = 0 if abs(yb - ya) >= abs(xb - xa) else 1
    assert len(pixels) >= longest + 1
    steps = np.diff(np.unique(pixels[:, axis]))
    assert (steps == 1).all()


@settings(deadline=None)
@given(every)
def test_text_of_a_shape_comes_back_exactly(shape):
    assert parse_shape(str(shape)) == shape
    assert parse_shape(f"  {str(shape).replace(' ', '   ')} ") == shape


@settings(deadline=None)
@given(every)
def test_runs_of_a_shape_have_the_one_form_of_their_set(shape):
    found = shape.select(SHAPE)
    assert found == Selection.from_mask(found.mask())


@settings(deadline=None)
@given(polygons)
def test_a_polygon_is_that_of_glue_away_from_its_edges(shape):
    roi = pytest.importorskip("glue.core.roi")
    y, x = np.array(shape.corners).T
    ends = np.array([*shape.corners, shape.corners[0]])
    assume(np.ptp(y) > 0 and np.ptp(x) > 0)
    clear = far_from(ends) > 1e-3
    theirs = roi.PolygonalROI(x, y).contains(X.copy(), Y.copy())
    np.testing.assert_array_equal(shape.select(SHAPE).mask()[clear], theirs[clear])


def test_a_star_that_crosses_itself_has_a_hole():
    star = Polygon(((2.2, 18.2), (27.8, 26.4), (12.1, 4.7), (12.1, 31.9), (27.8, 10.2)))
    found = star.select(SHAPE)
    assert (4, 18) in found
    assert (16, 18) not in found


def test_shapes_by_hand():
    assert Rectangle(2, 3, 5, 7).select(SHAPE).count == 6
    assert Rectangle(3, 2, 7, 5) == Rectangle(2, 3, 5, 7)
    assert Ellipse(10, 10, 2, 2).select(SHAPE).count == 13
    assert str(Ellipse(512, 300.5, 20, 12, 30)) == "ellipse y512 x300.5 a20 b12 t30"
    assert Line(((4, 4),), 1).select(SHAPE).pixels().tolist() == [[4, 4]]
    assert Line(((4, 0), (4, 35)), 3).select(SHAPE).count == 3 * 36
    assert Polygon(((0, 0), (0, 4), (4, 4), (4, 0))).select(SHAPE).count == 16


@pytest.mark.parametrize("y", [-1000.0, 5.0, 1000.0])
@pytest.mark.parametrize("x", [-1000.0, 1000.0])
def test_what_lies_outside_of_the_frame_is_left_out(y, x):
    for shape in (
        Rectangle(y, y + 3, x, x + 3),
        Ellipse(y, x, 5, 3, 20),
        Polygon(((y, x), (y + 4, x), (y, x + 5))),
        Line(((y, x), (y + 4, x + 3)), 5),
    ):
        assert not shape.select(SHAPE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "elipse y1 x2 a3 b4 t0",
        "ellipse y1 x2 a3 b4",
        "ellipse y1 x2 a3 b4 t0 u1",
        "ellipse y1e3 x2 a3 b4 t0",
        "ellipse ynan x2 a3 b4 t0",
        "ellipse y٣ x2 a3 b4 t0",
        "rectangle y1 x2",
        "rectangle y1-2,x2-3",
        "polygon 1,2 3,4 5",
        "polygon",
        "line 1,2 3,4",
        "line w1",
        "line w1 1;2",
    ],
)
def test_text_that_is_no_shape_is_quoted_with_the_form(text):
    with pytest.raises(InputError, match="needs a form like") as caught:
        parse_shape(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Ellipse(1, 2, 0, 3), "both must be above 0"),
        (lambda: Ellipse(1, 2, 0.004, 3), "both must be above 0"),
        (lambda: Line(((1, 2),), 0), "a width above 0"),
        (lambda: Line((), 1), "needs a point"),
        (lambda: Polygon(((1, 2), (3, 4))), "needs three or more"),
        (lambda: Rectangle(np.nan, 2, 3, 4), "must be a number of pixels"),
        (lambda: Rectangle(np.inf, 2, 3, 4), "must be a number of pixels"),
        (lambda: parse_shape(f"line w1 0,0 {'9' * 30},0"), "at most 100000 from 0"),
        (lambda: parse_shape(f"ellipse y0 x0 a{'9' * 400} b1 t0"), "at most 100000 from 0"),
    ],
)
def test_a_shape_that_makes_no_sense_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
