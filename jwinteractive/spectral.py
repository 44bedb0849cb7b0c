"""Extracted spectra, spaxels and light curves as plots: what a screen and a report show of them."""

from __future__ import annotations

import dataclasses as dc
import re

import numpy as np

from jwinteractive.curves import difference, ratio
from jwinteractive.data import Array, Cube, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.extract.series import white_light
from jwinteractive.extract.spectra import Spectra
from jwinteractive.views import Curve, Plot

__all__ = [
    "COMPARED",
    "axis_words",
    "compared",
    "light_curve",
    "planes_between",
    "spaxel_spectrum",
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
    axis = cube.wavelengths if known else range(1, len(cube.data) + 1)
    unit = cube.exposure.unit
    return Plot(
        title=f"spaxel x {x}, y {y}",
        x_label="wavelength (um)" if known else "plane (no wavelength is known)",
        y_label=f"flux ({unit})" if unit else "flux",
        curves=(
            Curve(
                name=f"spaxel x {x}, y {y}",
                x=np.asarray(axis, float),
                y=np.asarray(cube.data[at], float),
                err=np.asarray(err, float) if np.isfinite(err).any() else None,
            ),
        ),
    )


def planes_between(cube: Cube, low: float, high: float) -> tuple[int, int] | None:
    """First and last plane whose wavelength lies between two; None where there is none."""
    known = len(cube.wavelengths) == len(cube.data)
    axis = np.asarray(cube.wavelengths if known else range(1, len(cube.data) + 1), float)
    inside = np.flatnonzero((axis >= low) & (axis <= high))
    return (int(inside[0]), int(inside[-1])) if inside.size else None


def light_curve(
    spectra: SpectrumSet, between: tuple[float, float] | None = None, source: int = 0
) -> Plot:
    """White light of each integration over its median, with errors, and its scatter in the title.

    Parameters
    ----------
    between
        Wavelengths, or pixels where none are known, that are summed; all by default.

    Raises
    ------
    InputError
        If there is no such source, or nothing is known between the two.
    """
    every = Spectra(
        spectra.flux,
        np.moveaxis(spectra.variances, 0, 2),
        spectra.background,
        np.moveaxis(spectra.background_variances, 0, 2),
        spectra.npixels,
    )
    columns = None
    if between is not None:
        x = spectra.axis(source)[0]
        inside = np.flatnonzero((x >= between[0]) & (x <= between[1]))
        if not inside.size:
            raise InputError(f"light curve: no sample lies between {between[0]} and {between[1]}")
        columns = int(inside[0]), int(inside[-1])
    found = white_light(every, columns, source)
    middle = float(np.nanmedian(found.flux))
    if not middle:
        raise InputError("light curve: its median is 0: choose another source or range")
    words = f"scatter {1e6 * found.scatter / abs(middle):.4g} ppm"
    if np.isfinite(found.ratio):
        words += f", {found.ratio:.3g} times what the errors tell"
    return Plot(
        title=f"light curve: {words}",
        x_label="integration",
        y_label="flux over its median",
        curves=(
            Curve(
                name="white light" if columns is None else "light in the chosen range",
                x=np.arange(1.0, len(found.flux) + 1),
                y=found.flux / middle,
                err=found.error / abs(middle),
                style="points",
            ),
        ),
    )


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
