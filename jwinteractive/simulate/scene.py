"""What falls on the detector: point sources, galaxies, clouds, sky, spectra, in e-/s."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.spectra import Trace, add_spectra
from jwinteractive.simulate.window import Window

Image = NDArray[np.float64]

BETA = 3.0
_OVERSAMPLE = 4
# Clouds: power of the logarithm of their light falls as this power of the frequency, between
# structure of some hundred pixels and of twenty.
_CLOUD_SLOPE, _CLOUD_SCALES, _CLOUD_CONTRAST = -3.0, (400.0, 20.0), 1.0


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
        _add_moffat(image, x0, y0, rate, settings.fwhm, BETA, _OVERSAMPLE)
    for _ in range(settings.galaxies):
        _add_disk(image, rng, settings.dither)
    if settings.nebula:
        clouds = _clouds((ny, nx), settings.dither, seed.spawn(1)[0])
        image += settings.nebula * clouds
    return image, catalogue, add_spectra(image, window, settings)


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


def _clouds(
    shape: tuple[int, int], move: tuple[float, float], seed: np.random.SeedSequence
) -> Image:
    """Clouds of light [ny, nx], 1 where they are brightest: the exponential of a random field.

    They go on at the opposite edge, so that a dither moves them as a whole.
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    ny, nx = shape
    wave_y, wave_x = np.fft.fftfreq(ny)[:, None], np.fft.rfftfreq(nx)[None, :]
    largest, smallest = _CLOUD_SCALES
    frequency = np.hypot(wave_y, wave_x)
    power = np.hypot(frequency, 1 / largest) ** _CLOUD_SLOPE
    # what is left of structure of a scale s when it is smoothed by s / 2 pi
    power *= np.exp(-((frequency * smallest) ** 2))
    power[0, 0] = 0.0
    phase = np.exp(-2j * np.pi * (wave_y * move[1] + wave_x * move[0]))
    waves = np.fft.rfft2(rng.standard_normal(shape)) * np.sqrt(power) * phase
    field = np.fft.irfft2(waves, shape)
    light = np.exp(_CLOUD_CONTRAST * field / field.std())
    return np.asarray(light / light.max())
