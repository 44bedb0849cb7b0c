"""Spectra on the detector: NIRSpec's fixed slits, and the curved orders of NIRISS SOSS."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from jwinteractive.simulate.settings import SOSS, Settings
from jwinteractive.simulate.window import Window

__all__ = ["Trace", "add_spectra"]

Image = NDArray[np.float64]

_OVERSAMPLE = 4


@dataclass(frozen=True)
class Trace:
    """One spectrum on the detector.

    Attributes
    ----------
    name : str
        The slit, or the order.
    y, wavelength : tuple of float
        Polynomials in u = (column - 1024) / 1024 of the full frame (lowest power first): the
        0-based full-frame row of the trace, and its wavelength in micrometres.
    columns : tuple of int
        First and last 0-based full-frame column.
    length : float
        Rows that the slit, or the order, covers.
    brightness : float
        e-/s per column: of a slit at 2 micrometres, of an order at its blaze.
    """

    name: str
    y: tuple[float, ...]
    wavelength: tuple[float, ...]
    columns: tuple[int, int]
    length: float
    brightness: float = 0.0


# The fixed slits lie in the middle rows; tilts of some pixels over the detector (dossier 13 [E]).
_SLITS = (
    ("S200A1", 1072.0, 32.0),
    ("S200A2", 1036.0, 32.0),
    ("S400A1", 1000.0, 32.0),
    ("S1600A1", 974.0, 16.0),
    ("S200B1", 936.0, 32.0),
)
_GRATINGS = {
    "PRISM": ((3.0, 24.0, -3.0), (1100, 1500)),
    "G140M": ((1.40, 0.62, 0.01), (40, 2007)),
    "G235M": ((2.40, 1.05, 0.02), (40, 2007)),
    "G395M": ((4.05, 1.15, 0.03), (40, 2007)),
}
# Emission lines of the simulated source: micrometres, height over the continuum.
_LINES = ((1.1, 6.0), (1.6, 3.0), (2.12, 8.0), (2.6, 4.0), (3.3, 10.0), (4.05, 5.0), (4.69, 7.0))
_LINE_WIDTH = 1.0
# Orders of SOSS: curved, order 1 over the whole length, both some 23 rows wide; red is on the left
# (dossier 13 [E]).
_ORDERS = (
    Trace("order 1", (1834.0, -4.0, 36.0), (1.83, -1.0, 0.01), (0, 2047), 23.0),
    Trace("order 2", (1908.0, 96.0, -4.0), (0.98, -0.42, 0.0), (300, 1740), 23.0),
)
_PARTS = (1.0, 0.15)  # of the light of order 1
# A hundredth of the light lies far from the trace, falling to 1/e in so many rows.
_FAR_LIGHT, _WINGS = 0.01, 20.0


def _slits(settings: Settings) -> tuple[Trace, ...]:
    grating = settings.grating.upper().replace("H", "M")
    wavelength, columns = _GRATINGS.get(grating, _GRATINGS["G395M"])
    return tuple(
        Trace(name, (row, 4.0, 1.5), wavelength, columns, length, 40.0 / (1 + number))
        for number, (name, row, length) in enumerate(_SLITS)
    )


def _add_slit(image: Image, trace: Trace, window: Window, settings: Settings) -> None:
    """Add a point source with lines on a continuum."""
    rate = trace.brightness
    ny, nx = image.shape
    n = _OVERSAMPLE
    # sub-pixel columns and rows, full-frame coordinates
    columns = window.xstart - 1 + (np.arange(nx * n) + 0.5) / n - 0.5
    u = (columns - 1024) / 1024
    centre = polyval(u, trace.y)
    source = centre + settings.dither[1]  # the slit stays
    bottom, top = centre.min() - trace.length / 2, centre.max() + trace.length / 2
    low = int(np.clip(bottom - window.ystart, 0, ny))
    high = int(np.clip(top - window.ystart + 4, low, ny))
    rows = window.ystart - 1 + low + (np.arange((high - low) * n) + 0.5) / n - 0.5
    wavelength = polyval(u, trace.wavelength)
    lit = (columns >= trace.columns[0]) & (columns <= trace.columns[1])
    spectrum = rate * (np.clip(wavelength, 0.5, 6.0) / 2.0) ** -1.0
    step = np.abs(np.gradient(wavelength)) * n
    for line, height in _LINES:
        spectrum += rate * height * np.exp(-0.5 * ((wavelength - line) / (_LINE_WIDTH * step)) ** 2)
    spectrum = np.where(lit, spectrum, 0.0)
    offset = rows[:, None] - centre[None, :]
    sigma = settings.fwhm / 2.3548 * np.sqrt(np.clip(wavelength / 3.0, 0.3, 3.0))
    profile = np.exp(-0.5 * ((rows[:, None] - source) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    slit = np.abs(offset) <= trace.length / 2
    light = slit * (profile * spectrum + 5 * settings.sky * lit)
    image[low:high] += light.reshape(high - low, n, nx, n).mean(axis=(1, 3))


def _add_order(image: Image, trace: Trace, window: Window, settings: Settings) -> None:
    """Add an order of SOSS: a lens spreads it across some twenty rows, brightest at the rims."""
    columns = window.xstart - 1 + np.arange(image.shape[1])
    u = (columns - 1024) / 1024
    first, last = trace.columns
    place = np.clip((columns - first) / (last - first), 0, 1)
    lit = (columns >= first) & (columns <= last)
    blaze = trace.brightness * lit * (0.25 + 0.75 * np.sin(np.pi * place) ** 2)
    rows = window.ystart - 1 + np.arange(image.shape[0])
    offset = rows[:, None] - (polyval(u, trace.y) + settings.dither[1])
    half = trace.length / 2
    inside = np.clip(half + 0.5 - np.abs(offset), 0, 1)  # soft rims, of one pixel
    core = inside * (0.6 + 0.8 * (offset / half) ** 2)
    wings = np.exp(-np.abs(offset) / _WINGS)
    light = (1 - _FAR_LIGHT) * core / core.sum(axis=0).clip(1e-9)
    light += _FAR_LIGHT * wings / (2 * _WINGS)
    image += light * blaze


def add_spectra(image: Image, window: Window, settings: Settings) -> tuple[Trace, ...]:
    """Add the spectra that a mode has to an image [ny, nx] in e-/s; return their traces."""
    traces: tuple[Trace, ...] = ()
    if window.detector.instrument == "NIRSPEC":
        traces = _slits(settings)
        for trace in traces:
            _add_slit(image, trace, window, settings)
    elif settings.exposure_type == SOSS:
        traces = tuple(
            replace(trace, brightness=part * settings.brightest)
            for trace, part in zip(_ORDERS, _PARTS, strict=True)
        )
        for trace in traces:
            _add_order(image, trace, window, settings)
    return traces
