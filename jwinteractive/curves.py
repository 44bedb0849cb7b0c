"""Curves from a frame: histogram, profiles, power spectrum, spectrum; and their tables.

Every function gives a plain description (`views.Plot` or `views.Table`) that widgets, reports and
files share. Points and boxes are in pixels of the exposure, from 0; a pixel without a value (NaN)
or with DO_NOT_USE does not count anywhere unless the function says so.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure
from jwinteractive.detectors import TICK
from jwinteractive.errors import AlreadyThere, InputError, OutputError
from jwinteractive.views import Curve, Drawing, Frame, Plot, Table

if TYPE_CHECKING:
    from astropy.table import Table as AstropyTable

__all__ = [
    "MOST_PIXELS",
    "against",
    "as_table",
    "column_profile",
    "difference",
    "histogram",
    "line_profile",
    "power_spectrum",
    "ramp_table",
    "ratio",
    "row_profile",
    "spectrum",
    "write_table",
]

_LABEL = re.compile(r"(?P<name>.*?) \((?P<unit>.+)\)")
_MASKED = dq.DO_NOT_USE | dq.SATURATED
_SAMPLE = 200_000  # values that tell the range of a histogram well enough
MOST_PIXELS = 2**18  # of a frame that a table takes
_SLOW_SAMPLES = 9  # clocks of a MIRI SLOW pixel visit (dossier 13)


@dc.dataclass(frozen=True)
class _Part:
    """Arrays of a frame in a box: ``data`` float64 [y, x], with the flags and errors it has."""

    box: Box
    data: Array
    dq: Array | None
    err: Array | None

    @property
    def usable(self) -> Array:
        """Data with NaN where DO_NOT_USE is set."""
        if self.dq is None:
            return self.data
        return np.where(self.dq & dq.DO_NOT_USE != 0, np.nan, self.data)


def _part(frame: Frame, box: Box | None) -> _Part:
    inside = (box or frame.covers).clip(frame.covers)
    if min(inside.shape) < 1:
        raise InputError(f"{box} lies outside {frame.covers}: choose a box inside the frame")
    at = inside.slices(frame.covers)
    return _Part(
        inside,
        np.asarray(frame.data[at], float),
        None if frame.dq is None else np.asarray(frame.dq[at], np.uint32),
        None if frame.err is None else np.asarray(frame.err[at], float),
    )


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name


def histogram(frame: Frame, box: Box | None = None, *, log: bool = True) -> Plot:
    """Count the pixels of a box by value, over the range where nearly all of them lie.

    A second curve leaves out the pixels that have any flag, if there are some. The range is the
    central 99 % and a tenth of it on either side; the title says how many pixels lie beyond.
    Values that are all integers get bins of whole numbers: raw data show no comb.

    Parameters
    ----------
    log
        Asks for a logarithmic axis of counts.

    Raises
    ------
    InputError
        If no pixel of the box has a value.
    """
    part = _part(frame, box)
    finite = np.isfinite(part.data)
    values = part.data[finite]
    if not values.size:
        raise InputError(f"histogram: no pixel has a value in {part.box}: choose another box")
    edges = _edges(values)
    centres = (edges[1:] + edges[:-1]) / 2
    bins, span = len(edges) - 1, (edges[0], edges[-1])  # equal bins are counted without sorting
    counts = np.histogram(values, bins, span)[0]
    curves = [Curve(name="all pixels", x=centres, y=counts.astype(float), style="steps")]
    if part.dq is not None and part.dq[finite].any():
        clean = np.histogram(values[part.dq[finite] == 0], bins, span)[0]
        curves.append(Curve(name="without flags", x=centres, y=clean.astype(float), style="steps"))
    beyond = values.size - int(counts.sum())
    title = f"histogram of {values.size} pixels" + (f", {beyond} beyond" if beyond else "")
    return Plot(
        title=title,
        x_label=_with_unit(frame.title, frame.unit),
        y_label="pixels per bin",
        curves=tuple(curves),
        log_y=log,
    )


def _edges(values: Array) -> Array:
    sample = values[:: max(1, values.size // _SAMPLE)]
    low, q1, q3, high = np.percentile(sample, [0.5, 25, 75, 99.5])
    pad = 0.1 * (high - low)
    low, high = max(low - pad, values.min()), min(high + pad, values.max())
    if not high > low:
        return np.asarray([low - 0.5, low + 0.5])
    width = 2 * (q3 - q1) / np.cbrt(values.size)  # Freedman and Diaconis
    bins = int(np.clip((high - low) / width if width > 0 else 64, 16, 256))
    if np.array_equal(values, np.rint(values)):
        step = max(1, round((high - low) / bins))
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + step, step)
    return np.linspace(low, high, bins + 1)


def line_profile(
    frame: Frame,
    start: tuple[float, float],
    stop: tuple[float, float],
    *,
    sampling: Literal["nearest", "bilinear"] = "nearest",
) -> Plot:
    """Values along a straight line between two points, about one sample a pixel.

    Parameters
    ----------
    start, stop
        Ends (y, x); a pixel's centre has whole numbers. Both are sampled.
    sampling
        "nearest" takes the pixel that holds the point, with its own error; "bilinear" weights the
        four around it, and the errors of neighbouring samples are then correlated.

    Raises
    ------
    InputError
        If an end lies outside the frame.

    Notes
    -----
    Samples that touch a DO_NOT_USE pixel are in a curve of their own.
    """
    part = _part(frame, None)
    ny, nx = part.data.shape
    for end_y, end_x in (start, stop):
        if not (-0.5 <= end_y - part.box.y0 < ny - 0.5 and -0.5 <= end_x - part.box.x0 < nx - 0.5):
            raise InputError(
                f"line_profile: (y, x) = ({end_y:g}, {end_x:g}) lies outside {part.box}: "
                "choose points inside the frame"
            )
    length = float(np.hypot(stop[0] - start[0], stop[1] - start[1]))
    n = max(round(length), 1) + 1 if length > 0 else 1
    y = np.linspace(start[0], stop[0], n) - part.box.y0
    x = np.linspace(start[1], stop[1], n) - part.box.x0
    rows, columns, weights = _corners(y, x, sampling, (ny, nx))
    values = _weighted(weights, part.data[rows, columns])
    err = None
    if part.err is not None:
        err = np.sqrt(_weighted(weights**2, part.err[rows, columns] ** 2))
    bad = np.zeros(n, bool)
    if part.dq is not None:
        bad = ((part.dq[rows, columns] & dq.DO_NOT_USE != 0) & (weights > 0)).any(axis=0)
    distance = np.linspace(0.0, length, n)

    def curve(name: str, at: Array) -> Curve:
        return Curve(
            name=name,
            x=distance[at],
            y=values[at],
            err=None if err is None else err[at],
            style="points",
        )

    curves = [curve(f"{sampling} pixel" if sampling == "nearest" else sampling, ~bad)]
    if bad.any():
        curves.append(curve("do not use", bad))
    ends = " to ".join(f"x {x:g}, y {y:g}" for y, x in (start, stop))
    return Plot(
        title=f"profile from {ends}",
        x_label="distance (pixel)",
        y_label=_with_unit(frame.title, frame.unit),
        curves=tuple(curves),
    )


def _corners(
    y: Array, x: Array, sampling: str, shape: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """Pixels that make up each sample: rows, columns and weights [corner, sample]."""
    ny, nx = shape
    if sampling == "nearest":
        rows, columns = np.floor(y + 0.5).astype(int), np.floor(x + 0.5).astype(int)
        return rows[None], columns[None], np.ones((1, len(y)))
    y, x = np.clip(y, 0, ny - 1), np.clip(x, 0, nx - 1)
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    fy, fx = y - y0, x - x0
    y1, x1 = np.minimum(y0 + 1, ny - 1), np.minimum(x0 + 1, nx - 1)
    weights = np.stack([(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx])
    return np.stack([y0, y0, y1, y1]), np.stack([x0, x1, x0, x1]), weights


def _weighted(weights: Array, values: Array) -> Array:
    """Weighted sum over the first axis; NaN counts only where it has a weight."""
    total: Array = np.sum(weights * np.where(weights > 0, values, 0.0), axis=0)
    return total


def row_profile(frame: Frame, box: Box | None = None) -> Plot:
    """Median and mean of each row of a box, over its columns."""
    part = _part(frame, box)
    over = f"columns {part.box.x0} to {part.box.x1 - 1}"
    where = np.arange(part.box.y0, part.box.y1)
    return _profile(frame, where, part.usable, part.err, "row", over)


def column_profile(frame: Frame, box: Box | None = None) -> Plot:
    """Median and mean of each column of a box, over its rows."""
    part = _part(frame, box)
    over = f"rows {part.box.y0} to {part.box.y1 - 1}"
    where = np.arange(part.box.x0, part.box.x1)
    err = None if part.err is None else part.err.T
    return _profile(frame, where, part.usable.T, err, "column", over)


def _profile(
    frame: Frame, where: Array, values: Array, err: Array | None, axis: str, over: str
) -> Plot:
    good = np.isfinite(values)
    n = good.sum(axis=1)
    filled = n > 0
    mean = np.full(len(n), np.nan)
    np.divide(np.sum(np.where(good, values, 0.0), axis=1), n, out=mean, where=filled)
    median = _medians(values)
    of_mean = None
    if err is not None:
        of_mean = np.full(len(n), np.nan)
        squares = np.sum(np.where(good, err, 0.0) ** 2, axis=1)
        of_mean[filled] = np.sqrt(squares[filled]) / n[filled]
    x = where.astype(float)
    return Plot(
        title=f"each {axis}, over {over}",
        x_label=f"{axis} (pixel)",
        y_label=_with_unit(frame.title, frame.unit),
        curves=(Curve(name="median", x=x, y=median), Curve(name="mean", x=x, y=mean, err=of_mean)),
    )


def _medians(values: Array) -> Array:
    """Median of the finite values of each row; NaN where there are none."""
    good = np.isfinite(values)
    n = good.sum(axis=1)
    ordered = np.sort(np.where(good, values, np.inf), axis=1)  # far faster than nanmedian
    rows = np.arange(len(values))
    middle = (ordered[rows, np.maximum(n - 1, 0) // 2] + ordered[rows, n // 2]) / 2
    median: Array = np.where(n > 0, middle, np.nan)
    return median


def power_spectrum(frame: Frame, exposure: Exposure, box: Box | None = None) -> Plot:
    """Mean power of the lines of a frame along the read-out direction.

    Every line is cut at the borders of the amplifiers; each piece loses its median, masked pixels
    (no value, DO_NOT_USE, SATURATED) are set to it, and the power is divided by the fraction that
    is left. One-sided, so that the integral up to the highest frequency is the variance: white
    noise of standard deviation s at sampling time t has the level 2 t s². Pieces with fewer than
    half of their pixels, and those shorter than the longest, are left out.

    Parameters
    ----------
    exposure
        ``fastaxis``, ``noutputs`` and the instrument tell the time between two samples of an
        amplifier: 10 microseconds, 9 times that in MIRI's SLOW patterns, whose four outputs take
        every fourth column. Where they are not known, and for NIRSpec's IRS2 patterns, in which
        reference pixels come in between, frequencies are in 1/pixel.

    Raises
    ------
    InputError
        If no line of the box has enough pixels.
    """
    part = _part(frame, box)
    bad = ~np.isfinite(part.data)
    if part.dq is not None:
        bad |= part.dq & _MASKED != 0
    lines = np.where(bad, np.nan, part.data)
    along_y = abs(exposure.fastaxis) == 2
    first, whole = part.box.x0, frame.full_shape[1]
    if along_y:
        lines, first, whole = lines.T, part.box.y0, frame.full_shape[0]
    pieces, seconds = _pieces(lines, first, whole, exposure)
    used = np.isfinite(pieces)
    enough = 2 * used.sum(axis=1) >= max(pieces.shape[1], 8)
    if not enough.any():
        raise InputError(
            f"power_spectrum: no line of {part.box} has half of its pixels unmasked, and at least "
            "4 of them: choose a larger box"
        )
    pieces, used = pieces[enough], used[enough]
    pieces = pieces - _medians(pieces)[:, None]
    count, n = pieces.shape
    sampling = seconds or 1.0
    spectra = np.abs(np.fft.rfft(np.where(used, pieces, 0.0), axis=1)) ** 2
    power = np.mean(spectra / used.mean(axis=1, keepdims=True), axis=0) * 2 * sampling / n
    x_label, per_hertz = ("frequency (Hz)", True) if seconds else ("frequency (1/pixel)", False)
    return Plot(
        title=f"power along {'y' if along_y else 'x'}: {count} lines of {n} samples",
        x_label=x_label,
        y_label=f"power ({_density(frame.unit, per_hertz)})",
        curves=(Curve(name="mean of the lines", x=np.fft.rfftfreq(n, sampling)[1:], y=power[1:]),),
        log_x=True,
        log_y=True,
    )


def _pieces(lines: Array, first: int, whole: int, exposure: Exposure) -> tuple[Array, float | None]:
    """Samples of one amplifier in the order of time [piece, sample], and the time between two.

    ``first`` is where the lines start along the fast axis of an exposure that is ``whole`` long.
    The direction of reading does not matter to the power.
    """
    n = lines.shape[1]
    outputs = exposure.noutputs
    known = exposure.fastaxis != 0 and outputs > 0
    if known and exposure.instrument.upper() == "MIRI":
        quads = lines[:, : n - n % 4].reshape(len(lines), -1, 4)
        slow = exposure.readpatt.upper().startswith("SLOW")
        pieces = quads.transpose(0, 2, 1).reshape(4 * len(lines), -1)
        return pieces, TICK * (_SLOW_SAMPLES if slow else 1)
    width = max(whole // outputs, 1) if known else whole
    borders = [first, *range((first // width + 1) * width, first + n, width), first + n]
    longest = max(b - a for a, b in itertools.pairwise(borders))
    pieces = np.concatenate(
        [
            lines[:, a - first : b - first]
            for a, b in itertools.pairwise(borders)
            if b - a == longest
        ]
    )
    uniform = known and "IRS2" not in exposure.readpatt.upper()
    return pieces, TICK if uniform else None


def _density(unit: str, per_hertz: bool) -> str:
    """Unit of a power density of something in ``unit``, as astropy reads it."""
    above, _, below = (unit or "1").partition("/")
    if per_hertz:
        return f"{above}²/({below}² Hz)" if below else f"{above}²/Hz"
    return f"{above}² pixel/{below}²" if below else f"{above}² pixel"


def spectrum(
    frame: Frame,
    box: Box,
    wavelength: Array | None = None,
    *,
    dispersion: Literal["x", "y"] = "x",
) -> Plot:
    """Sum of a box across the dispersion, with errors in quadrature.

    Unusable pixels are left out of the sum; samples that miss some are in a curve of their own.

    Parameters
    ----------
    wavelength
        In micrometres: of each sample along the dispersion axis of the box, or of each pixel of
        the frame, averaged across the dispersion. By default the sum is against the pixel.
    dispersion
        Axis along which the wavelength changes.

    Raises
    ------
    InputError
        If the wavelengths fit neither the box nor the frame.
    """
    part = _part(frame, box)
    rows, columns = part.box.slices(frame.covers)
    along_x = dispersion == "x"
    start, along = (part.box.x0, columns) if along_x else (part.box.y0, rows)
    across = 0 if along_x else 1
    values = part.usable
    good = np.isfinite(values)
    total = np.sum(np.where(good, values, 0.0), axis=across)
    total[~good.any(axis=across)] = np.nan
    err = None
    if part.err is not None:
        err = np.sqrt(np.sum(np.where(good, part.err, 0.0) ** 2, axis=across))
    x, x_label = np.arange(start, start + len(total), dtype=float), f"{dispersion} (pixel)"
    if wavelength is not None:
        x = _wavelengths(wavelength, frame, (rows, columns), along, across, len(total))
        x_label = "wavelength (um)"
    whole = good.all(axis=across)
    curves = []
    for name, at in (("sum", whole), ("sum without unusable pixels", ~whole)):
        if at.any() or name == "sum":
            here = None if err is None else np.where(at, err, np.nan)
            y = np.where(at, total, np.nan)
            style: Literal["line", "points"] = "line" if name == "sum" else "points"
            curves.append(Curve(name=name, x=x, y=y, err=here, style=style))
    height = part.box.shape[across]
    return Plot(
        title=f"spectrum, sum over {height} {'rows' if along_x else 'columns'}",
        x_label=x_label,
        y_label=_with_unit(frame.title, frame.unit),
        curves=tuple(curves),
    )


def _wavelengths(
    wavelength: Array,
    frame: Frame,
    box: tuple[slice, slice],
    along: slice,
    across: int,
    n: int,
) -> Array:
    wavelength = np.asarray(wavelength, float)
    if wavelength.shape == (n,):
        return wavelength
    if wavelength.shape == (frame.data.shape[1 - across],):
        return wavelength[along]
    if wavelength.shape != frame.data.shape:
        raise InputError(
            f"spectrum: wavelength has shape {wavelength.shape}, the frame {frame.data.shape} and "
            f"the box {n} samples: give one for each pixel or for each sample"
        )
    planes = np.moveaxis(wavelength[box], across, 0)
    good = np.isfinite(planes)
    count = good.sum(axis=0)
    mean: Array = np.where(good, planes, 0.0).sum(axis=0) / np.where(count, count, np.nan)
    return mean


def difference(a: Plot, b: Plot) -> Plot:
    """Curves of ``a`` minus those of ``b`` with the same name, with errors in quadrature.

    Where x differ, ``b`` is interpolated linearly; outside of it there is no value.

    Raises
    ------
    InputError
        If the plots have no curve in common, or are not of the same quantities.
    """

    def subtract(y: Array, err: Array, y_b: Array, err_b: Array) -> tuple[Array, Array]:
        return y - y_b, np.hypot(err, err_b)

    name, unit = _name_and_unit(a.y_label)
    return _combined(a, b, "difference", _with_unit(f"difference of {name}", unit), subtract)


def ratio(a: Plot, b: Plot) -> Plot:
    """Curves of ``a`` over those of ``b`` with the same name; see `difference`.

    A curve that is zero has no ratio there.
    """

    def divide(y: Array, err: Array, y_b: Array, err_b: Array) -> tuple[Array, Array]:
        below = np.where(y_b == 0, np.nan, y_b)
        return y / below, np.hypot(err / below, y * err_b / below**2)

    return _combined(a, b, "ratio", f"ratio of {_name_and_unit(a.y_label)[0]}", divide)


def against(b: Plot, a: Plot, how: str) -> Plot:
    """Curves of B with those of A: their "difference" or "ratio", or in any other case both.

    Raises
    ------
    InputError
        As `difference`.
    """
    if how == "difference":
        return difference(b, a)
    if how == "ratio":
        return ratio(b, a)
    both = [("B", c) for c in b.curves] + [("A", c) for c in a.curves]
    named = tuple(dc.replace(c, name=f"{who}: {c.name}") for who, c in both)
    return dc.replace(b, title=f"{b.title}, B and A", curves=named)


_Combine = Callable[[Array, Array, Array, Array], tuple[Array, Array]]


def _combined(a: Plot, b: Plot, what: str, y_label: str, combine: _Combine) -> Plot:
    for axis, of_a, of_b in (("x", a.x_label, b.x_label), ("y", a.y_label, b.y_label)):
        if of_a != of_b:
            raise InputError(
                f"{what}: the {axis} axes are {of_a!r} and {of_b!r}: compare two of one kind"
            )
    others = {c.name: c for c in b.curves}
    curves = []
    for c in a.curves:
        if c.name not in others:
            continue
        y_b, err_b = _at(others[c.name], np.asarray(c.x, float))
        err = np.zeros(len(c.y)) if c.err is None else np.asarray(c.err, float)
        y, total = combine(np.asarray(c.y, float), err, y_b, err_b)
        known = c.err is not None or others[c.name].err is not None
        curves.append(dc.replace(c, y=y, err=total if known else None))
    if not curves:
        raise InputError(f"{what}: {a.title!r} and {b.title!r} have no curve in common")
    return Plot(
        title=f"{what}: {a.title}",
        x_label=a.x_label,
        y_label=y_label,
        curves=tuple(curves),
        log_x=a.log_x,
    )


def _at(curve: Curve, x: Array) -> tuple[Array, Array]:
    """Values and errors (0 where not known) of a curve at ``x``, linear between its samples."""
    known = np.asarray(curve.x, float)
    y = np.asarray(curve.y, float)
    err = np.zeros(len(y)) if curve.err is None else np.asarray(curve.err, float)
    if np.array_equal(known, x):
        return y, err
    order = np.argsort(known)
    order = order[np.isfinite(known[order])]
    known, y, err = known[order], y[order], err[order]
    if not known.size:
        return np.full(len(x), np.nan), np.full(len(x), np.nan)
    right = np.clip(np.searchsorted(known, x), 1, max(len(known) - 1, 1))
    right = np.minimum(right, len(known) - 1)
    left = np.maximum(right - 1, 0)
    span = known[right] - known[left]
    w = np.where(span > 0, (x - known[left]) / np.where(span > 0, span, 1.0), 1.0)
    inside = (x >= known[0]) & (x <= known[-1])
    weights = np.where(inside, np.stack([1 - w, w]), np.nan)

    def mixed(powers: Array, values: Array) -> Array:
        return np.where(inside, _weighted(powers, np.stack([values[left], values[right]])), np.nan)

    return mixed(weights, y), np.sqrt(mixed(weights**2, err**2))


def ramp_table(
    title: str,
    times: Array,
    data: Array,
    groupdq: Array,
    line: Array | None = None,
    residuals: Array | None = None,
) -> Table:
    """List the samples of one pixel.

    Parameters
    ----------
    times
        Of the groups [group] in seconds.
    data, groupdq, line, residuals
        Signal, flags, fitted line and signal minus line [integration, group].
    """
    rows = []
    for (i, g), value in np.ndenumerate(data):
        fit = np.nan if line is None else float(line[i, g])
        rest = np.nan if residuals is None else float(residuals[i, g])
        names = " ".join(dq.names(int(groupdq[i, g])))
        rows.append((i + 1, g + 1, float(times[g]), float(value), names, fit, rest))
    columns = ("integration", "group", "time (s)", "signal (DN)", "flags")
    return Table(title=title, columns=(*columns, "fit (DN)", "signal - fit (DN)"), rows=tuple(rows))


def as_table(drawing: Drawing, box: Box | None = None) -> AstropyTable:
    """Table of a drawing, with units where the labels have some.

    A plot gives one row for each sample: the name of its curve, x, y, and the error if any curve
    has one. A frame gives one for each pixel of a box, by default of all that it covers: y, x, the
    value, its error and the names of its flags.

    Raises
    ------
    InputError
        If the box has more than `MOST_PIXELS` pixels, or lies outside the frame.
    """
    from astropy.table import Table as AstropyTable

    labels: Sequence[str]
    if isinstance(drawing, Frame):
        labels, columns = _pixels(drawing, box)
    elif isinstance(drawing, Table):
        labels = drawing.columns
        columns = [list(c) for c in zip(*drawing.rows, strict=True)]
        columns = columns or [[] for _ in labels]
    else:
        labels, columns = _long(drawing)
    table = AstropyTable(meta={"title": drawing.title})
    for label, values in zip(labels, columns, strict=True):
        name, unit = _name_and_unit(label)
        while name in table.colnames:
            name += "_"
        table[name] = _column(values)
        table[name].description = label
        table[name].unit = _unit(unit)
    return table


def _pixels(frame: Frame, box: Box | None) -> tuple[list[str], list[Any]]:
    part = _part(frame, box)
    ny, nx = part.box.shape
    if ny * nx > MOST_PIXELS:
        raise InputError(
            f"{nx} x {ny} pixels make too long a table: select a box of at most {MOST_PIXELS} "
            "pixels, or save the product"
        )
    y, x = np.mgrid[part.box.y0 : part.box.y1, part.box.x0 : part.box.x1]
    labels = ["y", "x", _with_unit(frame.title, frame.unit)]
    columns: list[Any] = [y.ravel(), x.ravel(), part.data.ravel()]
    if part.err is not None:
        labels.append(_with_unit("error", frame.unit))
        columns.append(part.err.ravel())
    if part.dq is not None:
        labels.append("flags")
        words = {int(f): " ".join(dq.names(int(f))) for f in np.unique(part.dq)}
        columns.append([words[int(f)] for f in part.dq.ravel()])
    return labels, columns


def _long(plot: Plot) -> tuple[list[str], list[Any]]:
    labels = ["curve", plot.x_label, plot.y_label]
    columns: list[Any] = [
        [c.name for c in plot.curves for _ in c.x],
        np.concatenate([np.asarray(c.x, float) for c in plot.curves] or [np.empty(0)]),
        np.concatenate([np.asarray(c.y, float) for c in plot.curves] or [np.empty(0)]),
    ]
    if any(c.err is not None for c in plot.curves):
        labels.append(_with_unit("error", _name_and_unit(plot.y_label)[1]))
        columns.append(
            np.concatenate(
                [np.full(len(c.x), np.nan) if c.err is None else c.err for c in plot.curves]
            )
        )
    return labels, columns


def _column(values: Any) -> Array:
    """Numbers as they are, anything mixed as text: ECSV has no other objects."""
    array = np.asarray(values)
    if array.dtype.kind in "biuf":
        return array
    return np.asarray(["" if v is None else str(v) for v in values], dtype=str)


def _name_and_unit(label: str) -> tuple[str, str]:
    found = _LABEL.fullmatch(label)
    return (found["name"], found["unit"]) if found else (label, "")


def _unit(text: str) -> Any:
    """Unit as astropy knows it, or None: a label may hold any words in parentheses."""
    from astropy import units

    if not text:
        return None
    try:
        return units.Unit(text)
    except ValueError:
        return None


def write_table(
    drawing: Drawing | AstropyTable, path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write the data of a drawing: ECSV with units, or CSV, by the suffix of the path.

    Raises
    ------
    OutputError
        For another suffix, a file that exists, or a folder that cannot be written to.
    """
    path = Path(path)
    kind = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}.get(path.suffix.lower())
    if kind is None:
        raise OutputError(f"{path.name}: cannot write a table so: end the name in .ecsv or .csv")
    table = as_table(drawing) if isinstance(drawing, Drawing) else drawing
    if kind == "ascii.csv":
        table = table.copy()
        for name in table.colnames:  # CSV has no place for units but the names
            unit = table[name].unit
            if unit is not None:
                table.rename_column(name, _with_unit(name, unit.to_string("generic")))
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="") as file:
            table.write(file, format=kind)
    except FileExistsError as error:
        raise AlreadyThere.of(path) from error
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror}): choose another folder"
        ) from error
    return path
