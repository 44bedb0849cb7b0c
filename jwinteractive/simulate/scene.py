"""What falls on the detector: point sources, galaxies, sky, or slit spectra, in e-/s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import Window

Image = NDArray[np.float64]

_BETA = 3.0
_OVERSAMPLE = 4


@dataclass(frozen=True)
class Trace:
    """One slit spectrum on the detector.

    Attributes
    ----------
    name : str
        The slit.
    y, wavelength : tuple of float
        Polynomials in u = (column - 1024) / 1024 of the full frame (lowest power first): the
        0-based full-frame row of the trace, and its wavelength in micrometres.
    columns : tuple of int
        First and last 0-based full-frame column.
    length : float
        Rows that the slit covers.
    """

    name: str
    y: tuple[float, ...]
    wavelength: tuple[float, ...]
    columns: tuple[int, int]
    length: float


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


@njit(cache=True, nogil=True)
def _add_moffat(
    image: Image, x0: float, y0: float, rate: float, fwhm: float, beta: float, n: int
) -> None:
    """Add a Moffat star, integrated on n x n points a pixel."""
    ny, nx = image.shape
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    norm = rate * (beta - 1) / (np.pi * alpha2) / n**2
    half = int(fwhm * 15) + 1
    for y in range(max(0, int(y0) - half), min(ny, int(y0) + half + 1)):
        for x in range(max(0, int(x0) - half), min(nx, int(x0) + half + 1)):
            total = 0.0
            # the core needs sub-pixel sampling; the wings do not
            m = n if (y - y0) ** 2 + (x - x0) ** 2 < (4 * fwhm) ** 2 else 1
            for j in range(m):
                dy = y - y0 + (j + 0.5) / m - 0.5
                for i in range(m):
                    dx = x - x0 + (i + 0.5) / m - 0.5
                    total += (1 + (dx * dx + dy * dy) / alpha2) ** -beta
            image[y, x] += norm * total * (n / m) ** 2


def make_scene(
    settings: Settings, window: Window, seed: np.random.SeedSequence
) -> tuple[Image, NDArray[np.void], tuple[Trace, ...]]:
    """Return (rate [ny, nx] e-/s before any detector response, catalogue, traces)."""
    rng = np.random.Generator(np.random.SFC64(seed))
    ny, nx = window.ny, window.nx
    image = np.full((ny, nx), float(settings.sky))
    count = rng.poisson(settings.crowding * ny * nx / 1e6)
    low, high = 1 / settings.brightest, 1 / settings.faintest
    rates = 1 / rng.uniform(low, high, count)
    x, y = rng.uniform(0, nx, count), rng.uniform(0, ny, count)
    move_x, move_y = settings.dither
    fixed = [(x0 + move_x, y0 + move_y, rate) for x0, y0, rate in settings.sources]
    stars = [*zip(x + move_x, y + move_y, rates, strict=True), *fixed]
    catalogue = np.array(stars, dtype=[("x", "f8"), ("y", "f8"), ("rate", "f8")])
    for x0, y0, rate in catalogue.tolist():
        _add_moffat(image, x0, y0, rate, settings.fwhm, _BETA, _OVERSAMPLE)
    for _ in range(settings.galaxies):
        _add_disk(image, rng, settings.dither)
    traces = _traces(settings) if window.detector.instrument == "NIRSPEC" else ()
    for number, trace in enumerate(traces):
        _add_spectrum(image, trace, window, settings, 40.0 / (1 + number))
    return image, catalogue, traces


def _add_disk(image: Image, rng: np.random.Generator, move: tuple[float, float]) -> None:
    ny, nx = image.shape
    x0, y0 = rng.uniform(0.1, 0.9) * nx, rng.uniform(0.1, 0.9) * ny
    scale, ratio, angle = rng.uniform(4, 20), rng.uniform(0.3, 1), rng.uniform(0, np.pi)
    peak = 10 ** rng.uniform(0, 1)
    x0, y0 = x0 + move[0], y0 + move[1]
    y, x = np.mgrid[:ny, :nx]
    u = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    v = (-(x - x0) * np.sin(angle) + (y - y0) * np.cos(angle)) / ratio
    image += peak * np.exp(-np.hypot(u, v) / scale)


def _traces(settings: Settings) -> tuple[Trace, ...]:
    grating = settings.grating.upper().replace("H", "M")
    wavelength, columns = _GRATINGS.get(grating, _GRATINGS["G395M"])
    return tuple(
        Trace(name, (row, 4.0, 1.5), wavelength, columns, length) for name, row, length in _SLITS
    )


def _add_spectrum(
    image: Image, trace: Trace, window: Window, settings: Settings, rate: float
) -> None:
    """Add a point source with lines on a continuum, `rate` e-/s per column at 2 micrometres."""
    ny, nx = image.shape
    n = _OVERSAMPLE
    # sub-pixel columns and rows, full-frame coordinates
    columns = window.xstart - 1 + (np.arange(nx * n) + 0.5) / n - 0.5
    u = (columns - 1024) / 1024
    centre = np.polynomial.polynomial.polyval(u, trace.y)
    source = centre + settings.dither[1]  # the slit stays
    bottom, top = centre.min() - trace.length / 2, centre.max() + trace.length / 2
    low = int(np.clip(bottom - window.ystart, 0, ny))
    high = int(np.clip(top - window.ystart + 4, low, ny))
    rows = window.ystart - 1 + low + (np.arange((high - low) * n) + 0.5) / n - 0.5
    wavelength = np.polynomial.polynomial.polyval(u, trace.wavelength)
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
