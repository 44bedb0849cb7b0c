"""What simulated dithers show: sources on a bent tangent plane, and hits of cosmic rays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.special import erf

from jwinteractive.data import Array

__all__ = [
    "BENT",
    "NORM",
    "SCALE",
    "Scene",
    "add_star",
    "bent",
    "draw_hits",
    "galaxy",
    "straightened",
]

SCALE = 0.031  # arcsec: a short-wave NIRCam pixel
# Cubic distortion: pixels at the edge of a 2048-pixel frame are some pixels from where they would
# lie on a straight grid; powers (x, y) of (pixel - centre) / 1024 to pixels.
BENT = {
    "x": {(1, 0): 2.0, (0, 1): 1.2, (2, 0): 5.0, (1, 1): -3.0, (0, 2): 1.5, (3, 0): -0.6},
    "y": {(1, 0): 0.8, (0, 1): -3.0, (2, 0): -1.5, (1, 1): 4.0, (0, 2): -4.0, (0, 3): 0.5},
}
NORM = 1024.0
_HALF = 14  # pixels a star is drawn over
_WINGS = (0.12, 3.0)  # part of the light that lies in a halo, and how much wider that is


@dataclass(frozen=True)
class Scene:
    """A frame on the field: size (ny, nx), offset in arcsec, turn in degrees, FWHM of its stars."""

    shape: tuple[int, int]
    offset: tuple[float, float]
    angle: float
    fwhm: float

    def field_of(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Pixels to arcsec on the tangent plane, west and north of the field's centre."""
        u, v = bent(x - (self.shape[1] - 1) / 2, y - (self.shape[0] - 1) / 2)
        sin, cos = np.sin(np.deg2rad(self.angle)), np.cos(np.deg2rad(self.angle))
        xi = (cos * u - sin * v) * SCALE + self.offset[0]
        eta = (sin * u + cos * v) * SCALE + self.offset[1]
        return xi, eta

    def pixels_of(self, field: Array) -> tuple[Array, Array]:
        """Arcsec [n, 2] on the tangent plane to pixels: the distortion is a small correction."""
        sin, cos = np.sin(np.deg2rad(self.angle)), np.cos(np.deg2rad(self.angle))
        a, b = ((field - self.offset) / SCALE).T
        u, v = cos * a + sin * b, -sin * a + cos * b
        dx, dy = u, v
        for _ in range(8):
            p, q = bent(dx, dy)
            dx, dy = dx + u - p, dy + v - q
        return dx + (self.shape[1] - 1) / 2, dy + (self.shape[0] - 1) / 2


def bent(x: Array, y: Array) -> tuple[Array, Array]:
    """Pixels from the middle of the frame, as the optics bend them: in straight pixels."""
    p, q = x / NORM, y / NORM
    u = x + sum(c * p**i * q**j for (i, j), c in BENT["x"].items())
    v = y + sum(c * p**i * q**j for (i, j), c in BENT["y"].items())
    return u, v


def straightened(shape: tuple[int, ...]) -> tuple[dict[str, float], dict[str, float]]:
    """Coefficients of the polynomials that take the distortion off, fitted over the frame."""
    reach = 1.05 * max(shape) / 2
    y, x = (a.ravel() for a in np.mgrid[-reach:reach:41j, -reach:reach:41j])
    u, v = (a / NORM for a in bent(x, y))
    powers = [(i, j) for i in range(6) for j in range(6 - i)]
    terms = np.stack([u**i * v**j for i, j in powers], axis=1)
    fits = [np.linalg.lstsq(terms, a / NORM, rcond=None)[0] for a in (x, y)]
    named = [{f"c{i}_{j}": float(c) for (i, j), c in zip(powers, fit, strict=True)} for fit in fits]
    return named[0], named[1]


def add_star(image: Array, near: Array, px: float, py: float, flux: float, fwhm: float) -> None:
    """Add a star, integrated over each pixel, and mark what lies within a FWHM of it."""
    ny, nx = image.shape
    x0, x1 = max(round(px) - _HALF, 0), min(round(px) + _HALF + 1, nx)
    y0, y1 = max(round(py) - _HALF, 0), min(round(py) + _HALF + 1, ny)
    if x0 >= x1 or y0 >= y1:
        return
    dx, dy = np.arange(x0, x1) - px, np.arange(y0, y1) - py
    sigma = fwhm / 2.3548
    part, wider = _WINGS
    for share, width in ((1 - part, sigma), (part, sigma * wider)):
        along_x, along_y = (_integrated(d, width) for d in (dx, dy))
        image[y0:y1, x0:x1] += flux * share * along_y[:, None] * along_x
    near[y0:y1, x0:x1] |= dy[:, None] ** 2 + dx**2 <= fwhm**2


def _integrated(d: Array, sigma: float) -> Array:
    edge = np.sqrt(2) * sigma
    found: Array = 0.5 * (erf((d + 0.5) / edge) - erf((d - 0.5) / edge))
    return found


def galaxy(x: Array, y: Array, size: int) -> Array:
    """Exponential disk with a nucleus and a thin arc about it, by pixels from the field's centre.

    MJy/sr.
    """
    cx, cy, scale = 0.15 * size, -0.1 * size, 0.02 * size
    u, v = x - cx, y - cy
    r = np.hypot(u, v / 0.6)
    disk = 3.0 * np.exp(-r / scale) + 8.0 * np.exp(-r / 3.0)
    ring, turn = np.hypot(u, v), np.arctan2(v, u)
    arc = 4.0 * np.exp(-0.5 * ((ring - 0.11 * size) / 1.2) ** 2) * np.exp(-0.5 * (turn / 0.5) ** 2)
    return disk + arc


def draw_hits(shape: tuple[int, int], rate: float, rng: Generator) -> Array:
    """Significance of hits, 3 to 100 sigma: half are points, half tracks of up to 12 pixels."""
    ny, nx = shape
    found = np.zeros(shape)
    for _ in range(rng.poisson(rate * ny * nx)):
        y, x = rng.uniform(0, ny), rng.uniform(0, nx)
        strength = 3 * (100 / 3) ** rng.random()
        length = rng.uniform(2, 12) if rng.random() < 0.5 else 0.0
        turn = rng.uniform(0, np.pi)
        along = np.arange(0.0, length + 0.5, 0.5)
        rows = np.floor(y + along * np.sin(turn)).astype(int)
        columns = np.floor(x + along * np.cos(turn)).astype(int)
        inside = (rows >= 0) & (rows < ny) & (columns >= 0) & (columns < nx)
        found[rows[inside], columns[inside]] = strength
    return found
