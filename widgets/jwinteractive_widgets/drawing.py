"""What a person draws on a frame: checked numbers of the browser."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["BRUSH", "DRAW_TOOLS", "Drawn", "OnDraw", "heard"]

DRAW_TOOLS = ("brush", "eraser", "rectangle", "oval", "lasso", "stroke", "flood", "pixel")
"""Tools in the order of their keys 1 to 8."""

BRUSH = (1, 200)  # diameter in pixels
_MOST = 20_000  # points of a stroke
_FAR = 1e15  # also of a stroke's number: floats still count one by one


@dc.dataclass(frozen=True)
class Drawn:
    """A stroke on the frame, going on or finished.

    Attributes
    ----------
    tool
        One of `DRAW_TOOLS`.
    points
        (y, x) in pixels of the exposure whose integers are the centres; they may lie beyond it.
        brush, eraser, stroke: a line ``size`` pixels wide through them. rectangle: two corner
        pixels, both included. oval: the ellipse that fills that rectangle. lasso: corners of a
        closed polygon. flood: the pixel clicked. pixel: the pixel clicked, which is turned on or
        off, or several to set. None at all: the stroke was dropped, what was told of it is void.
    size
        Diameter of the brush in pixels.
    erase
        Whether it takes away: the eraser, or any tool with Alt.
    rest
        Whether it is finished; before that, all points so far.
    stroke
        Its number, to be given to `frame.FrameView.show_overlay` as ``answers``.
    """

    tool: str
    points: tuple[tuple[float, float], ...]
    size: int
    erase: bool
    rest: bool
    stroke: int


OnDraw = Callable[[Drawn], None]


def heard(message: Mapping[str, Any]) -> Drawn | None:
    """Stroke that a message of the browser tells of; None if it makes no sense."""
    match message:
        case {"tool": str(tool), "points": [*given], "size": int(size), "stroke": int(stroke)}:
            erase, rest = message.get("erase"), message.get("rest")
        case _:
            return None
    if tool not in DRAW_TOOLS or len(given) > _MOST or stroke <= 0:
        return None
    if not (_is_number(size) and BRUSH[0] <= size <= BRUSH[1] and _is_number(stroke)):
        return None
    if not (isinstance(erase, bool) and isinstance(rest, bool)):
        return None
    points = tuple(point for point in map(_point, given) if point is not None)
    if len(points) < len(given) or not (points or rest):
        return None
    return Drawn(tool, points, size, erase, rest, stroke)


def _point(given: Any) -> tuple[float, float] | None:
    match given:
        case [x, y] if _is_number(x) and _is_number(y):
            return float(y), float(x)
    return None


def _is_number(value: Any) -> bool:
    """Whether it is a number, and not beyond all frames; True is none, nor is NaN."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and abs(value) <= _FAR
