"""Extracted spectra, spaxels and light curves as plots, and what is read off them."""

from __future__ import annotations

import dataclasses as dc
import math
import re

import numpy as np

from jwinteractive.curves import difference, ratio
from jwinteractive.data import Array, Cube, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.extract.lines import read_continuum, read_line
from jwinteractive.extract.series_views import drift_in, light_curve_plot
from jwinteractive.extract.wiggles import wiggles
from jwinteractive.views import Curve, Plot, Table

__all__ = [
    "COMPARED",
    "axis_of",
    "axis_words",
    "compared",
    "drift_in",
    "light_curve",
    "planes_between",
    "read_out",
    "sides_of",
    "spaxel_spectrum",
    "spaxel_waves",
    "spectra_plot",
]

COMPARED = ("difference", "ratio", "difference in errors")
_LABEL = re.compile(r"(?P<name>.*?) \((?P<unit>.+)\)")


def axis_words(label: str) -> tuple[str, str]:
    """Quantity and unit of an axis label such as "flux (MJy/sr)"; the unit may be ""."""
    found = _LABEL.fullmatch(label)
    return (found["name"], found["unit"]) if found else (label, "")


def spectra_plot(spectra: SpectrumSet, integration: int = 0) -> Plot:
    """Spectra of all sources in one integration, with errors.

    Sources share one axis: pixels, unless the wavelengths of all are known.
    """
    n = min(integration, len(spectra.flux) - 1) % len(spectra.flux)
    count = spectra.flux.shape[1]
    axes = [spectra.axis(i) for i in range(count)]
    labels = {label for _, label in axes}
    pixels = np.arange(spectra.covers.x0, spectra.covers.x1)
    x_label = labels.pop() if len(labels) == 1 else "pixel"
    err = spectra.err
    names = [*spectra.names, *[""] * count][:count]
    curves = tuple(
        Curve(
            name=names[i] or ("spectrum" if count == 1 else f"source {i + 1}"),
            x=np.asarray(pixels if labels else axes[i][0], float),
            y=spectra.flux[n, i],
            err=err[n, i],
        )
        for i in range(count)
    )
    several = len(spectra.flux) > 1
    title = f"spectrum of integration {n + 1}" if several else "spectrum"
    unit = spectra.exposure.unit
    y_label = f"flux ({unit})" if unit else "flux"
    return Plot(title=title, x_label=x_label, y_label=y_label, curves=curves)


def axis_of(cube: Cube) -> Array:
    """Wavelengths of the planes of a cube in um; their numbers, from 1, where none are known."""
    known = len(cube.wavelengths) == len(cube.data)
    return np.asarray(cube.wavelengths if known else range(1, len(cube.data) + 1), float)


def spaxel_spectrum(cube: Cube, y: int, x: int) -> Plot:
    """Spectrum of one spaxel of a cube, in the pixels of its frame.

    Raises
    ------
    InputError
        If the spaxel lies outside.
    """
    box = cube.covers
    if not (box.y0 <= y < box.y1 and box.x0 <= x < box.x1):
        raise InputError(f"spaxel x = {x}, y = {y}: must lie in {box}")
    at = slice(None), y - box.y0, x - box.x0
    err = cube.err[at]
    known = len(cube.wavelengths) == len(cube.data)
    unit = cube.exposure.unit
    return Plot(
        title=f"spaxel x {x}, y {y}",
        x_label="wavelength (um)" if known else "plane (no wavelength is known)",
        y_label=f"flux ({unit})" if unit else "flux",
        curves=(
            Curve(
                name=f"spaxel x {x}, y {y}",
                x=axis_of(cube),
                y=np.asarray(cube.data[at], float),
                err=np.asarray(err, float) if np.isfinite(err).any() else None,
            ),
        ),
    )


def planes_between(cube: Cube, low: float, high: float) -> tuple[int, int] | None:
    """First and last plane whose wavelength lies between two; None where there is none."""
    axis = axis_of(cube)
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    return (int(inside[0]), int(inside[-1])) if inside.size else None


def light_curve(
    spectra: SpectrumSet,
    between: tuple[float, float] | None = None,
    source: int = 0,
    drift: Array | None = None,
) -> Plot:
    """White light of each integration over its median, with errors, and its scatter in the title.

    Parameters
    ----------
    between
        Wavelengths, or pixels where none are known, that are summed; all by default.
    drift
        Shift of the trace in each integration, [n], such as `extract.light.Light` has: what
        depends on it is taken out in a second curve.

    Raises
    ------
    InputError
        If there is no such source, or nothing is known between the two.
    """
    columns = None
    if between is not None:
        x = spectra.axis(source)[0]
        inside = np.flatnonzero((x >= between[0]) & (x <= between[1]))
        if not inside.size:
            raise InputError(f"light curve: no sample lies between {between[0]} and {between[1]}")
        columns = int(inside[0]), int(inside[-1])
    return light_curve_plot(spectra, columns, source, drift)


def sides_of(within: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ranges on both sides of another, as wide as it, that tell the continuum below a line."""
    low, high = within
    return (2 * low - high, low), (high, 2 * high - low)


def read_out(plot: Plot, within: tuple[float, float]) -> Table:
    """Line and continuum in a range of x, of each curve: numbers with their errors.

    The continuum of the line is a straight one through `sides_of` the range; that of the range is
    its own mean. A curve where nothing can be told says why.
    """
    unit, x_unit = axis_words(plot.y_label)[1], axis_words(plot.x_label)[1]
    times = f"{unit} {x_unit}".strip() if unit else x_unit
    columns = [_measured(c, within, unit == "Jy" and x_unit == "um") for c in plot.curves]
    of = {
        "flux": times,
        "flux in W/m2": "",
        "signal to noise": "",
        "equivalent width": x_unit,
        "centroid": x_unit,
        "FWHM": x_unit,
        "FWHM in km/s": "",
        "continuum below it": unit,
        "mean of the range": unit,
        "scatter over expected": "",
        "": "",
    }
    rows = tuple(
        (f"{name} ({words})" if words else name, *(c.get(name, "") for c in columns))
        for name, words in of.items()
        if any(name in c for c in columns)
    )
    ends = " to ".join(f"{v:.6g}" for v in within)
    title = f"{ends} {x_unit}".strip()
    return Table(title=title, columns=("", *(c.name for c in plot.curves)), rows=rows)


def _measured(curve: Curve, within: tuple[float, float], jansky: bool) -> dict[str, str]:
    """What is read off a curve in a range, as text by what it is."""
    x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
    err = None if curve.err is None else np.asarray(curve.err, float)
    found: dict[str, str] = {}
    try:
        line = read_line(x, y, err, within, sides_of(within))
        found["flux"] = _with_error(line.flux, line.flux_error)
        if jansky:
            found["flux in W/m2"] = _with_error(*line.watts)
        found["signal to noise"] = f"{line.signal_to_noise:.3g}"
        found["equivalent width"] = _with_error(line.width, line.width_error)
        found["centroid"] = _with_error(line.centroid, line.centroid_error)
        found["FWHM"] = _with_error(line.fwhm, line.fwhm_error)
        if jansky:
            found["FWHM in km/s"] = _with_error(line.velocity_width, math.nan)
        found["continuum below it"] = _with_error(line.continuum, line.continuum_error)
        if not line.measured:
            found[""] = "errors are from the scatter beside it"
    except InputError as error:
        found[""] = str(error)
    try:
        level = read_continuum(x, y, err, within)
        found["mean of the range"] = _with_error(level.level, level.error)
        if np.isfinite(level.ratio):
            found["scatter over expected"] = f"{level.ratio:.3g}"
    except InputError as error:
        found.setdefault("", str(error))
    return found


def _with_error(value: float, error: float) -> str:
    """Value and error to the digits that the error leaves."""
    if not math.isfinite(value):
        return "–"
    if not (math.isfinite(error) and error > 0):
        return f"{value:.5g}"
    digits = max(math.floor(math.log10(max(abs(value), error))) - math.floor(math.log10(error)), 0)
    return f"{value:.{digits + 2}g} ± {error:.2g}"


def spaxel_waves(spaxel: Plot, reference: Array | None = None) -> tuple[Plot, str]:
    """Waves that resampling left in a spaxel, over the continuum, and their size in words.

    Parameters
    ----------
    reference
        Flux of a large aperture at the same wavelengths; by default the spaxel is its own.

    Raises
    ------
    InputError
        If there are too few wavelengths.
    """
    (curve,) = spaxel.curves
    found = wiggles(np.asarray(curve.y, float), reference)
    rms, noise = float(found.rms), float(found.noise)
    what = "" if reference is None else " against the aperture"
    words = f"waves{what}: {100 * rms:.3g} % of the continuum (noise {100 * noise:.2g} % taken off)"
    if not math.isfinite(rms):
        words = f"waves{what}: too little is known of this spaxel"
    waves = dc.replace(curve, y=found.ratio, err=None)
    return dc.replace(spaxel, title="waves", y_label="waves", curves=(waves,)), words


def compared(present: Plot, other: Plot, how: str) -> Plot:
    """Difference, ratio, or difference over its error, of the curves that two plots share.

    Where the other has no curve of a name, its only one stands in; see `curves.difference`.

    Raises
    ------
    InputError
        If the plots are not of the same quantities, or ``how`` is none of `COMPARED`.
    """
    if how not in COMPARED:
        raise InputError(f"compared: {how!r} is none of {', '.join(COMPARED)}")
    if len(other.curves) == 1:
        (only,) = other.curves
        other = dc.replace(
            other, curves=tuple(dc.replace(only, name=c.name) for c in present.curves)
        )
    if how == "ratio":
        return ratio(present, other)
    found = difference(present, other)
    if how == "difference":
        return found
    curves = tuple(dc.replace(c, y=_in_errors(c), err=None) for c in found.curves)
    return dc.replace(found, y_label="difference (errors)", curves=curves)


def _in_errors(curve: Curve) -> Array:
    y = np.asarray(curve.y, float)
    found: Array = np.full(y.shape, np.nan)
    if curve.err is not None:
        err = np.asarray(curve.err, float)
        np.divide(y, err, out=found, where=err > 0)
    return found
