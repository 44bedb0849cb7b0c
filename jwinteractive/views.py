"""What there is to see of a product or a step, as plain descriptions.

A `View` has a title and draws a `Frame`, a `Plot` or a `Table` from what a step took, gave and
measured. Only the view under the user's eyes is drawn. Widgets and reports show them alike;
nothing here knows how. Why: docs/decisions/0005-views-are-named-and-lazy.md.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Cube, Filed, Product, Ramp, Rate, RateInts
from jwinteractive.errors import InputError

__all__ = [
    "FLAG_COLOURS",
    "PLANE_TITLES",
    "Band",
    "Bit",
    "Curve",
    "Drawing",
    "Edit",
    "Ellipse",
    "Frame",
    "Mark",
    "Plot",
    "Shown",
    "Table",
    "View",
    "change_views",
    "cut_limits",
    "mean_of_planes",
    "product_views",
]

FLAG_COLOURS = {
    "JUMP_DET": "#d55e00",
    "SATURATED": "#5a1fff",
    "HOT": "#ffffff",
    "DEAD": "#000000",
    "OUTLIER": "#7a2e00",
    "DO_NOT_USE": "#56b4e9",
}
"""Colours of the usual flags in every picture and plot, the one drawn on top first.

Viridis runs from violet through teal to yellow; somebody who is red-green blind sees it run from
blue through grey to yellow. So Okabe and Ito's green, yellow, blue and purple would be lost on it:
kept are their sky blue and vermillion, joined by white, black, a dark brown and an electric violet.
Each stays at least 0.1 (in OKLab, about five times what the eye just tells apart) from every
colour of viridis and from each other, with full sight, deuteranopia and protanopia.
"""


PLANE_TITLES = ("plane", "error of a plane", "weight")
"""Titles of the views of one plane of a cube; others look at all of it."""


@dc.dataclass(frozen=True, kw_only=True)
class Ellipse:
    """An ellipse drawn over a frame.

    Attributes
    ----------
    y, x
        Centre in pixels of the exposure; the centre of the first pixel is (0, 0).
    a, b
        Semi-axes in pixels.
    angle
        Of the axis ``a``, in degrees from +x towards +y.
    label
        What a person is told of it.
    name
        What `View.edit` knows it by.
    kind
        Ellipses of a kind are drawn alike. A "source" is a round aperture, "inner" and "outer" are
        the rims of the ring of background around it: where they have one centre they are moved as
        one, and the rim of each changes its radius.
    """

    y: float
    x: float
    a: float
    b: float
    angle: float = 0.0
    label: str = ""
    name: str = ""
    kind: Literal["found", "core", "hand", "source", "inner", "outer"] = "found"


@dc.dataclass(frozen=True, kw_only=True)
class Band:
    """A strip over a frame, from end to end or between two places: an aperture of a spectrum.

    Attributes
    ----------
    low, high
        Its edges, in pixels of the exposure across the band; the centre of the first pixel is 0,
        so that -0.5 and 2.5 enclose three whole pixels.
    along
        The axis that it runs along: "x" where ``low`` and ``high`` are rows.
    start, stop
        Its ends in pixels along that axis; None: those of the frame.
    path
        What is added to both edges at each pixel along it, of the whole exposure, for a curved
        band; empty: it is straight.
    label
        What a person is told of it.
    name
        What `View.edit` knows it by; no two bands of a frame have the same.
    kind
        Bands of a kind are drawn alike.
    """

    low: float
    high: float
    along: Literal["x", "y"] = "x"
    start: float | None = None
    stop: float | None = None
    path: tuple[float, ...] = ()
    label: str = ""
    name: str = ""
    kind: Literal["source", "background"] = "source"


Mark = Ellipse | Band
"""What is drawn over a frame, for a person to see and perhaps to change."""


@dc.dataclass(frozen=True)
class Bit:
    """What a bit of a frame's flags means where it is no data-quality bit, and its colour."""

    value: int
    name: str
    colour: str


@dc.dataclass(frozen=True, kw_only=True)
class Frame:
    """An image with its flags and errors.

    Attributes
    ----------
    data
        Values [y, x]; NaN is no value.
    dq
        Flags uint32 [y, x] that hold for the picture, or None.
    err
        Errors [y, x] in ``unit``, or None.
    box
        Pixels of the exposure that the arrays cover; by default all of them, from (0, 0).
    shape
        Size (ny, nx) of the whole exposure; by default that of the arrays.
    diverging
        Zero is the middle of the colours: a difference.
    marks
        Ellipses and bands drawn over it.
    limits
        Cuts (low, high) that suit the quantity, while nobody chose others; None: by the data.
    note
        Words for the corner: why there is nothing to see.
    bits
        What the bits of ``dq`` mean, the one drawn on top first; empty: data-quality bits.
    """

    title: str
    data: Array
    unit: str = "DN"
    dq: Array | None = None
    err: Array | None = None
    box: Box | None = None
    shape: tuple[int, int] | None = None
    diverging: bool = False
    marks: tuple[Mark, ...] = ()
    limits: tuple[float, float] | None = None
    note: str = ""
    bits: tuple[Bit, ...] = ()

    @property
    def covers(self) -> Box:
        """Pixels of the exposure that the arrays cover."""
        ny, nx = self.data.shape
        return self.box or Box.whole((ny, nx))

    def words(self, flags: int) -> str:
        """Names of the bits that are set in flags of a pixel."""
        if self.bits:
            return ", ".join(bit.name for bit in self.bits if flags & bit.value) or "background"
        return ", ".join(dq.names(flags)) or "no flags"

    @property
    def full_shape(self) -> tuple[int, int]:
        """Size (ny, nx) of the whole exposure."""
        return self.shape or (self.covers.y1, self.covers.x1)


@dc.dataclass(frozen=True, kw_only=True)
class Curve:
    """One series of a plot: x and y of one length; ``err`` adds bars to points."""

    name: str
    x: Array
    y: Array
    err: Array | None = None
    style: Literal["line", "points", "steps"] = "line"


@dc.dataclass(frozen=True, kw_only=True)
class Plot:
    """Curves over common axes; labels name the quantity and its unit."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False


@dc.dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text and numbers below column names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


Drawing = Frame | Plot | Table


@dc.dataclass(frozen=True, kw_only=True)
class Shown:
    """What a view is drawn from: a box of what a step gave and took, what it measured, and where.

    ``integration`` and ``group`` count from 0, -1 is the last; ``before`` is there for views that
    need it; ``shape`` is the size (ny, nx) of the whole exposure; ``params`` are the step's, None
    where they are not at hand. ``plane`` of a cube counts from 0; ``planes`` are the first and last
    that it is collapsed over, None: all.
    """

    after: Product
    before: Product | None = None
    model: Any = None
    params: Any = None
    integration: int = 0
    group: int = 0
    plane: int = 0
    planes: tuple[int, int] | None = None
    shape: tuple[int, int] | None = None

    @property
    def place(self) -> dict[str, Any]:
        """Keywords of a `Frame` that covers what is shown."""
        return self.place_of(self.after)

    def place_of(self, product: Product) -> dict[str, Any]:
        """Keywords of a `Frame` of a product in detector pixels: of what a step took."""
        return {"box": product.covers, "shape": self.shape}


Edit = Callable[[Any, Shown, Any, Any], dict[str, Any]]
"""What becomes of a changed mark: see `View.edit`."""


@dc.dataclass(frozen=True, kw_only=True)
class View:
    """Something to see of a step, by title.

    Attributes
    ----------
    draw
        Makes the drawing; called off the kernel's loop, often.
    compares
        It needs ``Shown.before``, the box as the step took it.
    wide
        It is drawn from all the pixels that those in view depend on.
    edit
        For frames whose marks a person may change: from the step's parameters, what is shown, the
        mark as it was (None: a new one) and as it is wanted (None: away) to the parameters that
        change. A new band is of the kind "background", without a name.
    """

    title: str
    draw: Callable[[Shown], Drawing]
    compares: bool = False
    wide: bool = False
    edit: Edit | None = None


def product_views(kind: type[Product]) -> tuple[View, ...]:
    """Return the views that every product of a kind has; the first is what is shown first."""
    if issubclass(kind, Ramp):
        return (
            View(title="signal", draw=_signal),
            View(title="difference to the group before", draw=_group_difference),
        )
    if issubclass(kind, Rate | RateInts):
        both = (View(title="rate", draw=_rate), View(title="error", draw=_error))
        if issubclass(kind, RateInts):
            return both
        return (*both, View(title="rate of one integration", draw=_rate_of_integration))
    if issubclass(kind, Cube):
        return (
            View(title="plane", draw=_plane),
            View(title="mean of planes", draw=mean_of_planes),
            View(title="median of planes", draw=_median_of_planes),
            View(title="error of a plane", draw=_plane_error),
            View(title="weight", draw=_plane_weight),
        )
    if issubclass(kind, Filed):
        return (View(title="picture", draw=_picture), View(title="error", draw=_picture_error))
    return ()


def change_views(takes: type[Product], gives: type[Product]) -> tuple[View, ...]:
    """Return the views of what a step changed, where it gives what it takes."""
    if not (issubclass(takes, Ramp | Rate) and issubclass(gives, takes)):
        return ()
    return (
        View(title="change by this step", draw=_change, compares=True),
        View(title="flags set by this step", draw=_flag_table, compares=True),
    )


def _samples_dq(ramp: Ramp, integration: int, group: int) -> Array:
    """Flags of a pixel and whatever happened in an integration up to a group.

    A group's do-not-use is left out: it often holds for every pixel of the first or last group.
    """
    seen = np.bitwise_or.reduce(ramp.groupdq[integration, : group + 1], axis=0)
    flags: Array = np.asarray(ramp.pixeldq, np.uint32) | (seen & ~np.uint8(dq.DO_NOT_USE))
    return flags


def _signal(s: Shown) -> Frame:
    ramp = _as(Ramp, s.after)
    i, g = _at(ramp, s)
    data = ramp.data[i, g]
    if ramp.zero:
        data = np.add(data, np.float32(ramp.zero), dtype=np.float32)
    flags = _samples_dq(ramp, i, g)
    return Frame(title="signal", data=data, unit="DN", dq=flags, **s.place)


def _group_difference(s: Shown) -> Frame:
    ramp = _as(Ramp, s.after)
    i, g = _at(ramp, s)
    low = max(g - 1, 0)
    high = min(low + 1, ramp.data.shape[1] - 1)
    data = np.subtract(ramp.data[i, high], ramp.data[i, low], dtype=np.float32)
    title = f"group {high + 1} minus group {low + 1}"
    return Frame(title=title, data=data, unit="DN", dq=_samples_dq(ramp, i, high), **s.place)


def _rate(s: Shown) -> Frame:
    p = s.after
    if isinstance(p, RateInts):
        i = _integration(p, s)
        planes = {"data": p.data[i], "dq": p.dq[i], "err": p.err[i]}
    else:
        p = _as(Rate, p)
        planes = {"data": p.data, "dq": p.dq, "err": p.err}
    return Frame(title="rate", unit=p.exposure.unit, **planes, **s.place)


def _error(s: Shown) -> Frame:
    rate = _rate(s)
    assert rate.err is not None  # set by `_rate`
    return dc.replace(rate, title="error", data=rate.err, err=None)


def _rate_of_integration(s: Shown) -> Frame:
    rate = _as(Rate, s.after)
    if rate.integrations is None:
        return _rate(s)
    one = _rate(dc.replace(s, after=rate.integrations))
    i = _integration(rate.integrations, s)
    return dc.replace(one, title=f"rate of integration {i + 1}")


def _picture(s: Shown) -> Frame:
    filed = _as(Filed, s.after)
    own = {"box": filed.covers, "shape": filed.shape}  # not those of the detector
    e = filed.exposure
    note = f"{filed.model} of a file" if filed.model else ""
    return Frame(
        title="picture", data=filed.data, unit=e.unit, dq=filed.dq, err=filed.err, note=note, **own
    )


def _picture_error(s: Shown) -> Frame:
    one = _picture(s)
    assert one.err is not None  # set by `_picture`
    return dc.replace(one, title="error", data=one.err, err=None)


def _plane(s: Shown) -> Frame:
    cube = _as(Cube, s.after)
    i = _plane_at(cube, s)
    return Frame(
        title="plane",
        data=cube.data[i],
        unit=cube.exposure.unit,
        dq=cube.dq[i],
        err=cube.err[i],
        note=_wavelengths_of(cube, i, i),
        **s.place,
    )


def _plane_error(s: Shown) -> Frame:
    plane = _plane(s)
    assert plane.err is not None  # set by `_plane`
    return dc.replace(plane, title="error of a plane", data=plane.err, err=None)


def _plane_weight(s: Shown) -> Frame:
    plane, cube = _plane(s), _as(Cube, s.after)
    if cube.weight is None:
        nothing: Array = np.full(plane.data.shape, np.nan, np.float32)
        note = "the file has no weights"
        return dc.replace(plane, title="weight", data=nothing, err=None, unit="", note=note)
    data = cube.weight[_plane_at(cube, s)]
    return dc.replace(plane, title="weight", data=data, err=None, unit="pixels")


def mean_of_planes(s: Shown) -> Frame:
    """Mean of the planes that know a spaxel, with the error that follows from theirs."""
    cube, (first, last) = _as(Cube, s.after), _planes_of(s)
    data, err = (a[first : last + 1] for a in (cube.data, cube.err))
    known = np.isfinite(data)
    count = known.sum(axis=0, dtype=np.float32)
    mean: Array = np.full(count.shape, np.nan, np.float32)
    np.divide(np.sum(data, axis=0, where=known), count, out=mean, where=count > 0)
    noise: Array = np.full(count.shape, np.nan, np.float32)
    total = np.sqrt(np.sum(np.square(err, dtype=np.float64), axis=0, where=known))
    np.divide(total, count, out=noise, where=count > 0)
    return _collapsed("mean of planes", mean, noise, cube, s)


def _median_of_planes(s: Shown) -> Frame:
    cube, (first, last) = _as(Cube, s.after), _planes_of(s)
    data = cube.data[first : last + 1]
    middle: Array = np.full(data.shape[1:], np.nan, np.float32)
    known = np.isfinite(data).any(axis=0)
    middle[known] = np.nanmedian(data[:, known], axis=0)
    return _collapsed("median of planes", middle, None, cube, s)


def _collapsed(title: str, data: Array, err: Array | None, cube: Cube, s: Shown) -> Frame:
    first, last = _planes_of(s)
    note = _wavelengths_of(cube, first, last)
    place, unit = s.place, cube.exposure.unit
    return Frame(title=title, data=data, unit=unit, err=err, note=note, **place)


def _planes_of(s: Shown) -> tuple[int, int]:
    """First and last plane that a cube is collapsed over."""
    count = len(_as(Cube, s.after).data)
    first, last = sorted(s.planes or (0, count - 1))
    first = min(max(first, 0), count - 1)
    return first, min(max(last, first), count - 1)


def _plane_at(cube: Cube, s: Shown) -> int:
    count = len(cube.data)
    return min(s.plane, count - 1) % count


def _wavelengths_of(cube: Cube, first: int, last: int) -> str:
    """Words for the wavelengths of some planes; their numbers, from 1, where none are known."""
    if len(cube.wavelengths) != len(cube.data):
        numbers = f"{first + 1}" if first == last else f"{first + 1} to {last + 1}"
        return f"plane {numbers}: no wavelength is known"
    ends = f"{cube.wavelengths[first]:.6g}"
    return ends + ("" if first == last else f" to {cube.wavelengths[last]:.6g}") + " um"


def _change(s: Shown) -> Frame:
    if s.before is None:
        raise InputError("change by this step: the product before it is not at hand")
    first = _signal if isinstance(s.after, Ramp) else _rate
    now, then = first(s), first(dc.replace(s, after=s.before))
    data = np.subtract(now.data, then.data, dtype=np.float32)
    return dc.replace(now, title="change by this step", data=data, err=None, diverging=True)


def _flag_table(s: Shown) -> Table:
    if s.before is None:
        raise InputError("flags set by this step: the product before it is not at hand")
    rows = []
    for what, now, then in zip(
        ("samples", "pixels"), _planes(s.after), _planes(s.before), strict=True
    ):
        for name, bit in dq.BITS.items():
            if now is None or then is None or (now.dtype.itemsize == 1 and bit > 255):
                continue
            gained = int(np.count_nonzero((now & ~then) & now.dtype.type(bit)))
            lost = int(np.count_nonzero((then & ~now) & now.dtype.type(bit)))
            if gained or lost:
                rows.append((name, what, gained, lost))
    columns = ("flag", "of", "set", "cleared")
    return Table(title="flags set by this step, in view", columns=columns, rows=tuple(rows))


def _planes(product: Product) -> tuple[Array | None, Array | None]:
    if isinstance(product, Ramp):
        return product.groupdq, np.asarray(product.pixeldq, np.uint32)
    return None, product.dq if isinstance(product, Rate | RateInts) else None


def _at(ramp: Ramp, s: Shown) -> tuple[int, int]:
    ngroup = ramp.data.shape[1]
    return _integration(ramp, s), min(s.group, ngroup - 1) % ngroup


def _integration(product: Ramp | RateInts, s: Shown) -> int:
    nint = len(product.data)
    return min(s.integration, nint - 1) % nint


def _as(kind: type[Any], product: Product) -> Any:
    if not isinstance(product, kind):
        raise InputError(
            f"{type(product).__name__} has no such picture: choose a view of a {kind.__name__}"
        )
    return product


def cut_limits(data: Array, percent: float = 99.5) -> tuple[float, float]:
    """Values between which the central ``percent`` of the finite data lie; never equal."""
    stride = max(1, math.isqrt(data.size // 250_000 or 1))
    sample = data[::stride, ::stride]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = np.percentile(sample, [(100 - percent) / 2, (100 + percent) / 2])
    return float(low), float(high if high > low else low + max(1.0, 1e-6 * abs(low)))
