"""Masks as subset states of glue, and data of one detector linked; the way back is `subsets`.

States describe, combine and link; they are filled by us: glue fills polygons slowly, keeps masks of
values that changed since, and looks up pixels of another window in the wrong places.

Why glue in the core, and only here: docs/decisions/0014-glue-states-in-the-core.md.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.masks.layers import Layer
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Ellipse, Polygon, Rectangle, Shape

__all__ = ["PLACE", "PixelsROI", "layer_states", "linked", "state_of"]

PLACE = "detector pixels"
"""Key of the `meta` of glue's data: detector, row and column there of the first pixel, from 1."""

_EDGE = 0.004  # glue leaves out centres on an edge; less than what coordinates are rounded to


@dc.dataclass
class PixelsROI:
    """Region of glue that holds pixels: x and y are rounded to whole ones.

    Glue's own states of pixels do not survive a link to another window; a region does.
    """

    pixels: Selection

    def defined(self) -> bool:
        """Whether there is anything to select."""
        return True

    def contains(self, x: Any, y: Any) -> Array:
        """Which of some points lie in one of the pixels."""
        ny, nx = self.pixels.shape
        column, row = np.rint(np.asarray(x)), np.rint(np.asarray(y))
        inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
        at = (np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int))
        found: Array = inside & self.pixels.mask()[at]
        return found

    def copy(self) -> PixelsROI:
        """Region of the same pixels."""
        return PixelsROI(self.pixels)

    def __gluestate__(self, context: Any) -> dict[str, Any]:
        return {"shape": list(self.pixels.shape), "pixels": str(self.pixels)}

    @classmethod
    def __setgluestate__(cls, rec: dict[str, Any], context: Any) -> PixelsROI:
        ny, nx = rec["shape"]
        return cls(Selection.parse(rec["pixels"], (ny, nx)))


# -- to glue -----------------------------------------------------------------------------------


def state_of(what: Mask | Layer | Selection | Shape, data: Any, flag: str = "") -> Any:
    """Return the `SubsetState` of a mask, a layer, pixels or a shape, in pixels of ``data``.

    Of a mask: the pixels with a ``flag``, "": with any, for all exposures. A mask lies where its
    corner and the place of the data say (`PLACE`); all else is in pixels of the data.
    """
    if isinstance(what, Mask):
        return _of_mask(what, data, flag)
    dy, dx = 0, 0
    if isinstance(what, Layer):
        return _of_layer(what, data, dy, dx)
    return _region(what, data, dy, dx)


def layer_states(mask: Mask, data: Any, root: str = "") -> list[tuple[str, Any]]:
    """Name and `SubsetState` of each layer that holds for the exposure of a name.

    Layers of the scene are as those for pixels. Layers for groups select these of a ramp
    [integration, group, y, x], and nothing else.
    """
    from glue.core.subset import AndState, RangeSubsetState

    dy, dx = _offset(mask, data)
    found = []
    for layer in mask.layers:
        groups = layer.groups
        if not layer.applies_to(root) or (groups is not None and data.ndim != 4):
            continue
        state = _of_layer(layer, data, dy, dx)
        if groups is not None:
            last = data.shape[1] - 1 if groups.last < 0 else groups.last
            integration, group = data.pixel_component_ids[:2]
            first = RangeSubsetState(groups.integration, groups.integration, integration)
            state = AndState(state, AndState(first, RangeSubsetState(groups.first, last, group)))
        found.append((layer.name, state))
    return found


def _offset(mask: Mask, data: Any) -> tuple[int, int]:
    """Row and column of the first pixel of a mask in the data."""
    _, y, x = data.meta.get(PLACE, ("", *mask.corner))
    return mask.corner[0] - y, mask.corner[1] - x


def _of_mask(mask: Mask, data: Any, flag: str) -> Any:
    from glue.core.subset import AndState, InvertState, OrState

    dy, dx = _offset(mask, data)
    layers = [m for m in mask.layers if m.part == "pixels" and m.applies_to("")]
    bits = dq.combine(flag) if flag else reduce(int.__or__, (m.bits for m in layers), 0)
    found = []
    for name in dq.names(bits):
        state: Any = None
        for layer in layers:
            own = _of_layer(layer, data, dy, dx)
            touched = not layer.flags or name in layer.flags
            if layer.how == "add" and touched:
                state = own if state is None else OrState(state, own)
            elif layer.how == "remove" and touched and state is not None:
                state = AndState(state, InvertState(own))
            elif layer.how == "within" and touched and state is not None:
                state = AndState(state, own)
        found += [] if state is None else [state]
    return reduce(OrState, found) if found else _region(Selection.none(mask.shape), data, dy, dx)


def _of_layer(layer: Layer, data: Any, dy: int, dx: int) -> Any:
    from glue.core.subset import OrState

    parts: list[Any] = [_region(shape, data, dy, dx) for shape in layer.shapes]
    if layer.pixels or not parts:
        parts.append(_region(layer.pixels, data, dy, dx))
    return reduce(OrState, parts)


def _region(what: Selection | Shape, data: Any, dy: int, dx: int) -> Any:
    """State of one region, moved by whole pixels."""
    from glue.core.roi import EllipticalROI, PolygonalROI, RectangularROI
    from glue.core.subset import RoiSubsetState

    roi: Any
    match what:
        case Rectangle(y0, y1, x0, x1):
            x, y = (x0 + dx - _EDGE, x1 + dx + _EDGE), (y0 + dy - _EDGE, y1 + dy + _EDGE)
            roi = RectangularROI(*x, *y)
        case Ellipse(y, x, a, b, angle):
            roi = EllipticalROI(x + dx, y + dy, a, b, np.radians(angle))
        case Polygon(corners):
            roi = PolygonalROI([x + dx for _, x in corners], [y + dy for y, _ in corners])
        case Selection():
            roi = PixelsROI(_moved(what, data, dy, dx))
        case _:  # glue knows no lines
            roi = PixelsROI(_moved(what.select(_shape(data)), data, dy, dx))
    yid, xid = data.pixel_component_ids[-2:]
    return RoiSubsetState(xid, yid, roi)


def _moved(pixels: Selection, data: Any, dy: int, dx: int) -> Selection:
    shape = _shape(data)
    return pixels if not (dy or dx) and pixels.shape == shape else pixels.moved(shape, dy, dx)


def _shape(data: Any) -> tuple[int, int]:
    ny, nx = data.shape[-2:]
    return int(ny), int(nx)


# -- linked ------------------------------------------------------------------------------------


def linked(datas: Iterable[Any]) -> Any:
    """Return a `DataCollection` in which a pixel of a detector is one in all data that hold it.

    Data say by `PLACE` where on which detector they lie.

    Raises
    ------
    InputError
        If one does not.
    """
    from glue.core import DataCollection

    collection = DataCollection(list(datas))
    first: dict[str, Any] = {}
    for data in collection:
        if PLACE not in data.meta:
            raise InputError(f"{data.label}: does not say where on its detector it lies")
        name = data.meta[PLACE][0]
        if name in first:
            for link in _links(first[name], data):
                collection.add_link(link)
        first.setdefault(name, data)
    return collection


def _links(one: Any, other: Any) -> list[Any]:
    """Links between the rows and columns of two data sets of one detector."""
    from glue.core.link_helpers import LinkSame, LinkTwoWay

    links = []
    for axis in (1, 2):
        a, b = (data.pixel_component_ids[axis - 3] for data in (one, other))
        step = one.meta[PLACE][axis] - other.meta[PLACE][axis]
        links.append(LinkTwoWay(a, b, _Shift(step), _Shift(-step)) if step else LinkSame(a, b))
    return links


@dc.dataclass(frozen=True)
class _Shift:
    """Coordinate in one window from that in another."""

    step: int

    def __call__(self, values: Any) -> Any:
        return values + self.step
