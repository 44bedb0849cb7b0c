"""Shapes drawn on a frame: rectangle, ellipse, polygon, line; as text and as pixels.

Coordinates are pixels of the exposure whose integers are the centres. A pixel belongs to a shape if
its centre lies inside.
"""

from __future__ import annotations

import dataclasses as dc
import re
from typing import ClassVar

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.masks.selection import Selection

__all__ = ["Ellipse", "Line", "Polygon", "Rectangle", "Shape", "parse_shape"]

Corners = tuple[tuple[float, float], ...]  # (y, x) of each

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_FAR = 100_000  # pixels: beyond all frames, and no strain on what fills shapes
_KEEP = 2  # decimals: a hundredth of a pixel is finer than any hand


def _tidy(value: float) -> float:
    number = round(float(value), _KEEP) + 0.0
    if not abs(number) <= _FAR:  # NaN too: a comparison with NaN is false
        raise InputError(f"coordinate {value}: must be a number of pixels, at most {_FAR} from 0")
    return number


def _text(value: float) -> str:
    return f"{value:.{_KEEP}f}".rstrip("0").rstrip(".")


@dc.dataclass(frozen=True, slots=True)
class Rectangle:
    """Rows ``y0`` to ``y1`` and columns ``x0`` to ``x1``, both ends included."""

    y0: float
    y1: float
    x0: float
    x1: float
    form: ClassVar[str] = "rectangle y100-120 x30-40"

    def __post_init__(self) -> None:
        for low, high in (("y0", "y1"), ("x0", "x1")):
            a, b = sorted((_tidy(getattr(self, low)), _tidy(getattr(self, high))))
            object.__setattr__(self, low, a)
            object.__setattr__(self, high, b)

    def __str__(self) -> str:
        y0, y1, x0, x1 = (_text(v) for v in (self.y0, self.y1, self.x0, self.x1))
        return f"rectangle y{y0}-{y1} x{x0}-{x1}"

    def select(self, shape: tuple[int, int]) -> Selection:
        """Pixels of a (ny, nx) frame."""
        low, high = max(int(np.ceil(self.y0)), 0), min(int(np.floor(self.y1)), shape[0] - 1)
        y = np.arange(low, high + 1)
        x0, x1 = np.ceil(self.x0), np.floor(self.x1) + 1
        return Selection.from_rows(shape, y, np.full(y.size, x0), np.full(y.size, x1))


@dc.dataclass(frozen=True, slots=True)
class Ellipse:
    """Ellipse around (y, x) with semi-axes ``a`` and ``b``; ``a`` at ``angle`` from +x to +y."""

    y: float
    x: float
    a: float
    b: float
    angle: float = 0.0
    form: ClassVar[str] = "ellipse y512 x300.5 a20 b12 t30"

    def __post_init__(self) -> None:
        for name in ("y", "x", "a", "b", "angle"):
            object.__setattr__(self, name, _tidy(getattr(self, name)))
        if min(self.a, self.b) <= 0:
            raise InputError(f"ellipse with semi-axes {self.a}, {self.b}: both must be above 0")

    def __str__(self) -> str:
        y, x, a, b, angle = (_text(v) for v in (self.y, self.x, self.a, self.b, self.angle))
        return f"ellipse y{y} x{x} a{a} b{b} t{angle}"

    def select(self, shape: tuple[int, int]) -> Selection:
        """Pixels of a (ny, nx) frame."""
        cos, sin = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        # p x² + 2 q x y + r y² = 1
        p = (cos / self.a) ** 2 + (sin / self.b) ** 2
        q = cos * sin * (self.a**-2 - self.b**-2)
        r = (sin / self.a) ** 2 + (cos / self.b) ** 2
        high = np.sqrt(p / (p * r - q * q))
        first = max(int(np.ceil(self.y - high)), 0)
        y = np.arange(first, min(int(np.floor(self.y + high)), shape[0] - 1) + 1)
        v = y - self.y
        half = np.sqrt(np.maximum((q * v) ** 2 - p * (r * v * v - 1), 0)) / p
        middle = self.x - q * v / p
        tiny = 1e-9  # a centre on the rim belongs to it whatever the rounding
        return Selection.from_rows(
            shape, y, np.ceil(middle - half - tiny), np.floor(middle + half + tiny) + 1
        )


@dc.dataclass(frozen=True, slots=True)
class Polygon:
    """Closed polygon through ``corners`` (y, x); where it crosses itself, even-odd counts."""

    corners: Corners
    form: ClassVar[str] = "polygon 10,20 10,40.5 30,25"

    def __post_init__(self) -> None:
        corners = tuple((_tidy(y), _tidy(x)) for y, x in self.corners)
        object.__setattr__(self, "corners", corners)
        if len(corners) < 3:
            raise InputError(f"polygon of {len(corners)} corners: needs three or more")

    def __str__(self) -> str:
        return "polygon " + " ".join(f"{_text(y)},{_text(x)}" for y, x in self.corners)

    def select(self, shape: tuple[int, int]) -> Selection:
        """Pixels of a (ny, nx) frame."""
        points = np.array(self.corners)
        y, x0, x1 = _spans(points, shape)
        return Selection.from_rows(shape, y, x0, x1)


def _spans(points: Array, shape: tuple[int, int]) -> tuple[Array, Array, Array]:
    """Rows, first columns and columns after the last inside a polygon [corner, (y, x)]."""
    ends = np.roll(points, -1, axis=0)
    rows, places = [], []
    for (ya, xa), (yb, xb) in zip(points.tolist(), ends.tolist(), strict=True):
        if ya == yb:
            continue
        low, high = min(ya, yb), max(ya, yb)
        # the lower end belongs to an edge and the upper does not: each row has an even number
        y = np.arange(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), shape[0]))
        rows.append(y)
        places.append(xa + (y - ya) * ((xb - xa) / (yb - ya)))
    none = np.empty(0, np.int64)
    y, x = np.concatenate([none, *rows]), np.concatenate([np.empty(0), *places])
    order = np.lexsort((x, y))
    y, x = y[order], np.ceil(x[order]).astype(np.int64)
    y, x0, x1 = y[::2], x[::2], x[1::2]
    some = x0 < x1
    if not some.any():  # outside of the frame, or between the centres
        return none, none, none
    y, x0, x1 = y[some], x0[some], x1[some]
    # of two spans that touch, one run
    joined = np.append(False, (y[1:] == y[:-1]) & (x0[1:] == x1[:-1]))
    first = np.flatnonzero(~joined)
    last = np.append(first[1:], y.size) - 1
    return y[first], x0[first], x1[last]


@dc.dataclass(frozen=True, slots=True)
class Line:
    """What lies within half of ``width`` pixels of a line through ``points`` (y, x).

    The pixels that it passes belong to it whatever its width: also one of 1 has no gaps.
    """

    points: Corners
    width: float = 1.0
    form: ClassVar[str] = "line w5 10,20 30,25"

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple((_tidy(y), _tidy(x)) for y, x in self.points))
        object.__setattr__(self, "width", _tidy(self.width))
        if not self.points or self.width <= 0:
            raise InputError(f"line {self}: needs a point and a width above 0")

    def __str__(self) -> str:
        points = " ".join(f"{_text(y)},{_text(x)}" for y, x in self.points)
        return f"line w{_text(self.width)} {points}"

    def select(self, shape: tuple[int, int]) -> Selection:
        """Pixels of a (ny, nx) frame."""
        points = np.array(self.points)
        found = Selection.from_pixels(shape, *_passed(points))
        if self.width <= 1:
            return found
        reach = self.width / 2
        low = np.maximum(np.ceil(points.min(axis=0) - reach), 0).astype(int)
        high = np.minimum(np.floor(points.max(axis=0) + reach), np.array(shape) - 1).astype(int)
        if (low > high).any():
            return found
        from jwinteractive.masks.runs import trace  # compiles: not before it is needed

        near = np.zeros(high - low + 1, np.bool_)
        trace(points - low, reach, near)
        return found | Selection.from_mask(near).moved(shape, *low.tolist())


def _passed(points: Array) -> tuple[Array, Array]:
    """Pixels (y, x) nearest to a line through points, one in each row or column on its way."""
    ys, xs = [np.rint(points[:1, 0])], [np.rint(points[:1, 1])]
    for (ya, xa), (yb, xb) in zip(points[:-1].tolist(), points[1:].tolist(), strict=True):
        steps = max(int(np.ceil(max(abs(yb - ya), abs(xb - xa)))), 1)
        at = np.arange(steps + 1) / steps
        ys.append(np.rint(ya + (yb - ya) * at))
        xs.append(np.rint(xa + (xb - xa) * at))
    return np.concatenate(ys), np.concatenate(xs)


Shape = Rectangle | Ellipse | Polygon | Line

_ELLIPSE = re.compile(rf"y{_NUMBER} x{_NUMBER} a{_NUMBER} b{_NUMBER} t{_NUMBER}", re.ASCII)
_RECTANGLE = re.compile(rf"y{_NUMBER}-{_NUMBER} x{_NUMBER}-{_NUMBER}", re.ASCII)
_LINE = re.compile(rf"w{_NUMBER}((?: {_NUMBER},{_NUMBER})+)", re.ASCII)
_POLYGON = re.compile(rf"{_NUMBER},{_NUMBER}(?: {_NUMBER},{_NUMBER})*", re.ASCII)
_KINDS: dict[str, type[Shape]] = {
    kind.__name__.lower(): kind for kind in (Rectangle, Ellipse, Polygon, Line)
}


def parse_shape(text: str) -> Shape:
    """Read a shape from the text that ``str`` makes of it.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    word, _, rest = " ".join(text.split()).partition(" ")
    match word:
        case "ellipse" if found := _ELLIPSE.fullmatch(rest):
            return Ellipse(*map(float, found.groups()))
        case "rectangle" if found := _RECTANGLE.fullmatch(rest):
            return Rectangle(*map(float, found.groups()))
        case "line" if found := _LINE.fullmatch(rest):
            return Line(_points(found[2]), float(found[1]))
        case "polygon" if _POLYGON.fullmatch(rest):
            return Polygon(_points(rest))
    forms = [_KINDS[word]] if word in _KINDS else list(_KINDS.values())
    raise InputError(
        f"shape {text[:60]!r}: needs a form like {' or '.join(repr(k.form) for k in forms)}"
    )


def _points(text: str) -> Corners:
    pairs = (pair.split(",") for pair in text.split())
    return tuple((float(y), float(x)) for y, x in pairs)
