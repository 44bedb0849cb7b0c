"""What a stroke of a drawing tool does to a layer."""

from __future__ import annotations

import dataclasses as dc
from typing import Final

from jwinteractive.data import Array, Box
from jwinteractive.errors import InputError, suggestion
from jwinteractive.masks.layers import Layer
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Ellipse, Line, Polygon, Rectangle, Shape

__all__ = ["TOOLS", "Ground", "drawn"]

TOOLS: Final = ("brush", "eraser", "rectangle", "oval", "lasso", "stroke", "flood", "pixel")

Points = tuple[tuple[float, float], ...]


@dc.dataclass(frozen=True, slots=True)
class Ground:
    """The picture that is drawn on: values [y, x] of the pixels of a box.

    ``level``: a flood fills what hangs together at this value or above; None: at that of the pixel
    where it begins.
    """

    data: Array
    box: Box
    level: float | None = None

    def flood(self, y: int, x: int) -> Selection:
        """Pixels that a flood from (y, x) fills, of the rows and columns up to the end of the box.

        Raises
        ------
        InputError
            If the picture shows no value there, or one below the level.
        """
        if Box.around(y, x) not in self.box:
            raise InputError(f"flood from y={y}, x={x}: lies outside of what the picture shows")
        at = y - self.box.y0, x - self.box.x0
        level = float(self.data[at]) if self.level is None else self.level
        from jwinteractive.masks.runs import flooded  # compiles: not before it is needed

        found = Selection.from_mask(flooded(self.data, *at, level))
        if not found:
            raise InputError(
                f"flood from y={y}, x={x}: the pixel is {self.data[at]:.4g}, which is not "
                f"{level:.4g} or above: lower the level or begin elsewhere"
            )
        return found.moved((self.box.y1, self.box.x1), self.box.y0, self.box.x0)


def drawn(
    layer: Layer,
    tool: str,
    points: Points,
    size: float = 1.0,
    erase: bool = False,
    ground: Ground | None = None,
    corner: tuple[int, int] = (0, 0),
) -> Layer:
    """Layer after a stroke.

    Parameters
    ----------
    tool
        One of `TOOLS`; "oval" fills the rectangle between two corners, "stroke" is a straight
        line.
    points
        (y, x) in pixels of the picture, whose integers are the centres.
    size
        Width of brush, eraser and line in pixels.
    erase
        Take the pixels away; one pixel alone is switched by "pixel" otherwise.
    ground
        What a flood fills.
    corner
        Pixel of the layer where pixel (0, 0) of the picture lies.

    Raises
    ------
    InputError
        For a tool that there is not, no points, or a flood that fills nothing.
    """
    if tool not in TOOLS:
        raise InputError(f"tool {tool!r}: {suggestion(tool, TOOLS)}")
    if not points:
        raise InputError(f"{tool}: needs a point")
    shape = layer.pixels.shape
    if tool == "flood":
        if ground is None:
            raise InputError("flood: needs a picture, and none is shown yet")
        y, x = (round(value) for value in points[0])
        pixels = ground.flood(y, x).moved(shape, *corner)
        return layer.erased(pixels) if erase else layer.painted(pixels)
    moved = tuple((y + corner[0], x + corner[1]) for y, x in points)
    form = _shape(tool, moved, size)
    pixels = form.select(shape)
    if tool == "pixel" and len(points) == 1:
        erase = erase or not (pixels - layer.selection)
    if erase or tool == "eraser":
        return layer.erased(pixels)
    return layer.painted(pixels) if tool in ("brush", "pixel") else layer.drawn(form)


def _shape(tool: str, points: Points, size: float) -> Shape:
    (ya, xa), (yb, xb) = points[0], points[-1]
    match tool:
        case "rectangle":
            return Rectangle(ya, yb, xa, xb)
        case "oval":
            a, b = (abs(xa - xb) + 1) / 2, (abs(ya - yb) + 1) / 2
            return Ellipse((ya + yb) / 2, (xa + xb) / 2, a, b)
        case "lasso":
            return Polygon(points)
        case "pixel":
            return Line(points)
    return Line(points, size)
