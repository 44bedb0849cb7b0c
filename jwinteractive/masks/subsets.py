"""Subset states of glue as pixels and layers: filled by us, for every kind that we know.

What we know nothing of is filled by glue. Pixels are those of the last two axes of a data set; of a
cube, those that any of its planes selects.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from jwinteractive.data import Array
from jwinteractive.detectors import science_name
from jwinteractive.errors import InputError
from jwinteractive.masks.images import BAD
from jwinteractive.masks.layers import Layer, Origin
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Ellipse, Polygon, Rectangle, Shape
from jwinteractive.masks.states import PLACE, PixelsROI

__all__ = ["layers_of", "selection_of"]


def _shape(data: Any) -> tuple[int, int]:
    ny, nx = data.shape[-2:]
    return int(ny), int(nx)


def selection_of(state: Any, data: Any) -> Selection:
    """Return the pixels that a `SubsetState` selects in ``data``.

    Raises
    ------
    InputError
        If it selects by something that the data have not and are not linked to.
    """
    from glue.core.exceptions import IncompatibleAttribute

    try:
        return _selection(state, data)
    except IncompatibleAttribute:
        raise InputError(
            f"subset of {data.label}: selects by what these data have not: link the data first"
        ) from None


def _selection(state: Any, data: Any) -> Selection:
    from glue.core import subset as kinds

    match state:
        case kinds.OrState():
            return _selection(state.state1, data) | _selection(state.state2, data)
        case kinds.AndState():
            return _selection(state.state1, data) & _selection(state.state2, data)
        case kinds.XorState():
            return _selection(state.state1, data) ^ _selection(state.state2, data)
        case kinds.InvertState():
            return ~_selection(state.state1, data)
        case kinds.MultiOrState():
            none = Selection.none(_shape(data))
            return reduce(Selection.__or__, (_selection(s, data) for s in state.states), none)
        case kinds.RoiSubsetState():
            found = _of_roi(state, data)
            if found is not None:
                return found.select(_shape(data)) if not isinstance(found, Selection) else found
        case kinds.RangeSubsetState() if state.att in data.pixel_component_ids[:-2]:
            planes = np.arange(data.shape[data.pixel_component_ids.index(state.att)])
            some = bool(((planes >= state.lo) & (planes <= state.hi)).any())
            return Selection.whole(_shape(data)) if some else Selection.none(_shape(data))
        case kinds.RangeSubsetState():
            values = data[state.att]
            return _flat((values >= state.lo) & (values <= state.hi))
        case kinds.InequalitySubsetState():
            left, right = (_values(side, data) for side in (state.left, state.right))
            return _flat(np.broadcast_to(state.operator(left, right), data.shape))
        case kinds.MaskSubsetState() if state.mask.ndim == 2 and len(state.cids) == 2:
            steps = _steps(data, state.cids[1], state.cids[0])
            if steps is not None:
                return Selection.from_mask(state.mask).moved(_shape(data), -steps[0], -steps[1])
    return _flat(np.asarray(state.to_mask(data)))


def _values(side: Any, data: Any) -> Any:
    from glue.core import ComponentID

    return data[side] if isinstance(side, ComponentID) else side


def _flat(mask: Array) -> Selection:
    """Pixels that any plane of a mask [..., y, x] has."""
    return Selection.from_mask(np.logical_or.reduce(mask.reshape(-1, *mask.shape[-2:]), axis=0))


def _steps(data: Any, xid: Any, yid: Any) -> tuple[int, int] | None:
    """What two attributes are beyond the row and column of a pixel; None if they are not these."""
    if min(_shape(data)) < 2:
        return None
    at = (*(0 for _ in data.shape[:-2]), slice(0, 2), slice(0, 2))
    x, y = (np.asarray(data[i, at], np.float64) for i in (xid, yid))
    grid_y, grid_x = np.mgrid[:2, :2]
    dy, dx = float(y[0, 0]), float(x[0, 0])
    if not (np.array_equal(y, grid_y + dy) and np.array_equal(x, grid_x + dx)):
        return None
    return (int(dy), int(dx)) if dy.is_integer() and dx.is_integer() else None


def _of_roi(state: Any, data: Any, down: int = 0, right: int = 0) -> Shape | Selection | None:
    """Shape, moved, or pixels of a region in the data; None if we do not know the kind."""
    from glue.core import roi as kinds

    steps = None if state.pretransform else _steps(data, state.xatt, state.yatt)
    if steps is None or not state.roi.defined():
        return None
    if isinstance(state.roi, PixelsROI):
        return state.roi.pixels.moved(_shape(data), -steps[0], -steps[1])
    dy, dx = steps[0] - down, steps[1] - right
    far = 2.0 * max(data.shape[-2:])
    roi: Any = state.roi
    match roi:
        case kinds.PointROI():
            return Selection.from_pixels(
                _shape(data), [round(roi.y - steps[0])], [round(roi.x - steps[1])]
            )
        case kinds.RectangularROI() if roi.theta == 0:
            return Rectangle(roi.ymin - dy, roi.ymax - dy, roi.xmin - dx, roi.xmax - dx)
        case kinds.RectangularROI():
            x, y = roi.to_polygon()
        case kinds.CircularROI():
            return Ellipse(roi.yc - dy, roi.xc - dx, roi.radius, roi.radius)
        case kinds.EllipticalROI():
            angle = float(np.degrees(roi.theta))
            return Ellipse(roi.yc - dy, roi.xc - dx, roi.radius_x, roi.radius_y, angle)
        case kinds.RangeROI() if roi.ori == "x":
            return Rectangle(-far, far, roi.min - dx, roi.max - dx)
        case kinds.RangeROI():
            return Rectangle(roi.min - dy, roi.max - dy, -far, far)
        case kinds.PolygonalROI():
            x, y = roi.vx, roi.vy
        case _:
            return None
    points = tuple((float(b) - dy, float(a) - dx) for a, b in zip(x, y, strict=True))
    if len(points) > 3 and points[0] == points[-1]:
        points = points[:-1]
    return Polygon(points)


def layers_of(subsets: Any, like: Mask, data: Any = None) -> tuple[Layer, ...]:
    """Layers of the subsets in a data collection, or of some subset groups.

    A group that has the name of a layer of ``like`` keeps its flags and the rest; others get
    `BAD`. Regions that are only put together stay shapes.

    Parameters
    ----------
    subsets
        A `DataCollection`, or subset groups of one.
    like
        The mask that they are for.
    data
        Whose pixels are taken; by default those of the window of ``like``, or else the largest of
        its detector.

    Raises
    ------
    InputError
        If there are no such data, or a subset does not hold for them.
    """
    groups = list(getattr(subsets, "subset_groups", subsets))
    if data is None:
        data = _data_for(subsets if hasattr(subsets, "subset_groups") else None, groups, like)
    _, y0, x0 = data.meta.get(PLACE, ("", *like.corner))
    dy, dx = y0 - like.corner[0], x0 - like.corner[1]
    origin = Origin(kind="imported", text="subset of glue")
    made = like.replace(layers=())
    for group in groups:
        shapes, rest = _taken_apart(group.subset_state, data, dy, dx)
        pixels = reduce(Selection.__or__, rest, Selection.none(_shape(data)))
        label = "".join(c for c in " ".join(str(group.label).split()) if c.isprintable())
        name = made.free_name(label.strip() or "subset")
        pixels = pixels.moved(like.shape, dy, dx)
        new = Layer(name=name, pixels=pixels, flags=BAD, origin=origin)
        own = like[name] if name in like else new  # noqa: SIM401  # a mask has no get
        made = made.with_layer(own.replace(pixels=pixels, shapes=tuple(shapes)))
    return made.layers


def _data_for(collection: Any, groups: list[Any], like: Mask) -> Any:
    known = (
        list(collection) if collection is not None else [s.data for g in groups for s in g.subsets]
    )
    wanted = science_name(like.detector)

    def rank(data: Any) -> tuple[bool, int]:
        _, *corner = data.meta.get(PLACE, (wanted, *like.corner))
        return (tuple(corner), _shape(data)) == (like.corner, like.shape), int(
            np.prod(_shape(data))
        )

    fitting = [d for d in known if d.ndim >= 2 and d.meta.get(PLACE, (wanted,))[0] == wanted]
    if not fitting:
        raise InputError(
            f"no data of {like.detector} are open in glue: open the exposure there first"
        )
    return max(fitting, key=rank)


def _taken_apart(state: Any, data: Any, dy: int, dx: int) -> tuple[list[Shape], list[Selection]]:
    """Shapes, moved, that a state is put together from, and pixels of the data for the rest."""
    from glue.core import subset as kinds

    match state:
        case kinds.OrState():
            parts = [_taken_apart(s, data, dy, dx) for s in (state.state1, state.state2)]
            return [s for shapes, _ in parts for s in shapes], [
                p for _, rest in parts for p in rest
            ]
        case kinds.RoiSubsetState():
            found = _of_roi(state, data, dy, dx)
            if found is not None and not isinstance(found, Selection):
                return [found], []
    return [], [selection_of(state, data)]
