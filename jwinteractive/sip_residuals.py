"""How far a FITS header of an image is from its full transform, pixel to sky and back."""

from __future__ import annotations

import dataclasses as dc
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from jwinteractive.errors import InputError

__all__ = [
    "Residuals",
    "Samples",
    "check_grid",
    "domain",
    "header_residuals",
    "is_wcs_card",
    "largest",
    "on_sky",
    "sampled",
    "tangent",
]

Array = np.ndarray[Any, Any]

CHECKS: Final = 65  # points along an axis, edges of the image included
_CARD: Final = re.compile(
    r"(CTYPE|CRPIX|CRVAL|CUNIT|CDELT|CROTA)[12]|(CD|PC)[12]_[12]|LONPOLE|LATPOLE|RADESYS"
    r"|[AB]P?_(ORDER|DMAX|\d_\d)"
)


@dc.dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """A header less the full transform, on a grid.

    Attributes
    ----------
    x, y
        Pixels from 0 of the grid, [n]: all of the image, or of its bounding box.
    forward, inverse
        Residuals (x, y) in pixels, [2, y, x], of pixel to sky and of sky to pixel; None where the
        header has no polynomials for the way back.
    """

    x: Array
    y: Array
    forward: Array
    inverse: Array | None

    @property
    def forward_max(self) -> float:
        """Largest distance on the sky from where the full transform has a pixel, in pixels."""
        return largest(self.forward)

    @property
    def inverse_max(self) -> float:
        """Largest distance of a sky position from its pixel; NaN where there is no way back."""
        return np.nan if self.inverse is None else largest(self.inverse)

    def map(self, y: Array, x: Array, *, inverse: bool = False) -> Array:
        """Length of the residual at rows y [ny] and columns x [nx], in pixels, [ny, nx] float32.

        By cubic splines through the grid, which hold for transforms that are smooth over a 64th of
        the image; NaN out of the grid.
        """
        values = self.inverse if inverse else self.forward
        if values is None:
            return np.full((len(y), len(x)), np.nan, np.float32)
        along_x, along_y = _weights(self.x, x), _weights(self.y, y)
        ahead, up = (along_y @ one.astype(np.float32) @ along_x.T for one in values)
        return np.asarray(np.hypot(ahead, up))


@dc.dataclass(frozen=True)
class Samples:
    """Pixels (from a reference pixel) and where the full transform has them: each [2, n]."""

    uv: Array
    sky: Array


def header_residuals(wcs: Any, header: Mapping[str, Any], shape: tuple[int, int]) -> Residuals:
    """Compare a header's TAN or TAN-SIP with a gwcs, as other software evaluates it.

    Parameters
    ----------
    wcs
        A gwcs from pixels to right ascension and declination in degrees.
    header
        With the keywords of the WCS; others are ignored.
    shape
        Size (ny, nx) of the image.

    Raises
    ------
    InputError
        If the header has no celestial WCS, or the gwcs is none of an image.
    """
    from astropy import wcs as fits_wcs

    found = fits_wcs.WCS(_keywords(header), relax=True)
    if not found.has_celestial or found.naxis != 2:
        raise InputError("a header without RA and Dec: take one that went through assign_wcs")
    origin = found.wcs.crpix - 1
    x, y, check = check_grid(wcs, shape, origin)
    grid = (2, len(y), len(x))
    pixels = check.uv + origin[:, None]
    turned, centre = found.pixel_scale_matrix, found.wcs.crval
    there = np.array(found.all_pix2world(*pixels, 0))
    away = tangent(there, centre) - tangent(check.sky, centre)
    inverse = None
    if found.sip is None or found.sip.ap is not None:
        # foc2pix counts from the reference pixel and gives pixels
        back = np.array(found.wcs_world2pix(*check.sky, 0)) - origin[:, None]
        if found.sip is not None:
            back = np.array(found.sip.foc2pix(back.T, 1)).T - 1 - origin[:, None]
        inverse = (back - check.uv).reshape(grid)
    return Residuals(x=x, y=y, forward=np.linalg.solve(turned, away).reshape(grid), inverse=inverse)


def _keywords(header: Mapping[str, Any]) -> Any:
    """Those of two axes and their SIP: of dates and observers much is said that is not asked."""
    from astropy.io import fits

    return fits.Header([(name, header[name]) for name in header if is_wcs_card(name)])


def is_wcs_card(name: str) -> bool:
    """Whether a keyword is of the celestial WCS of two axes, or of its SIP."""
    return _CARD.fullmatch(name) is not None


def domain(wcs: Any, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Corners (x, y) of an image (ny, nx), less what is out of the bounding box.

    Raises
    ------
    InputError
        If nothing is left.
    """
    ny, nx = shape
    low, high = np.array([-0.5, -0.5]), np.array([nx - 0.5, ny - 0.5])
    box = getattr(wcs, "bounding_box", None)
    if box is not None:
        limits = np.array(box.bounding_box(order="F") if hasattr(box, "bounding_box") else box)
        if limits.shape == (2, 2):
            low, high = np.maximum(low, limits[:, 0]), np.minimum(high, limits[:, 1])
    if not (high > low).all():
        raise InputError(
            f"an image of {ny} x {nx}: lies out of the bounding box of its WCS: give its own"
        )
    return low, high


def check_grid(wcs: Any, shape: tuple[int, int], origin: Array) -> tuple[Array, Array, Samples]:
    """Return x and y, from 0, of the grid for residuals, and the full transform there."""
    low, high = domain(wcs, shape)
    axes = low + (high - low) * np.linspace(0, 1, CHECKS)[:, None]
    return axes[:, 0], axes[:, 1], sampled(wcs, axes, origin)


def sampled(wcs: Any, axes: Array, origin: Array) -> Samples:
    """The full transform at all pairs of x and y, which are the columns of axes [n, 2], from 0.

    Raises
    ------
    InputError
        If the gwcs gives more than RA and Dec, or NaN in parts of the image.
    """
    x, y = (one.ravel() for one in np.meshgrid(axes[:, 0], axes[:, 1]))
    found = wcs(x, y, with_bounding_box=False)
    if len(found) != 2:
        raise InputError(
            f"a WCS of {len(found)} coordinates: SIP is for images of the sky, not for spectra"
        )
    sky = np.array(found, float)
    if not np.isfinite(sky).all():
        raise InputError("a WCS that is NaN in parts of the image: SIP needs all of it")
    return Samples(np.array([x, y]) - origin[:, None], sky)


def tangent(sky: Array, centre: Array) -> Array:
    """Gnomonic projection of RA and Dec [2, n]: xi to the east and eta to the north, in degrees."""
    (ra, dec), (ra0, dec0) = np.deg2rad(sky), np.deg2rad(centre)
    east = np.cos(dec) * np.sin(ra - ra0)
    # of differences: cosines of small angles would lose half of the digits
    half = 2 * np.sin((ra - ra0) / 2) ** 2
    north = np.sin(dec - dec0) + np.sin(dec0) * np.cos(dec) * half
    depth = np.cos(dec - dec0) - np.cos(dec0) * np.cos(dec) * half
    return np.asarray(np.rad2deg(np.array([east, north]) / depth))


def on_sky(plane: Array, centre: Array) -> Array:
    """RA and Dec [2] in degrees of a point (xi, eta) of the tangent plane."""
    (xi, eta), (ra0, dec0) = np.deg2rad(plane), np.deg2rad(centre)
    depth = np.cos(dec0) - eta * np.sin(dec0)
    north = np.sin(dec0) + eta * np.cos(dec0)
    ra = ra0 + np.arctan2(xi, depth)
    return np.asarray(np.rad2deg([ra, np.arctan2(north, np.hypot(xi, depth))]))


def largest(residuals: Array) -> float:
    """Largest length of vectors [2, ...]."""
    return float(np.hypot(residuals[0], residuals[1]).max())


def _weights(knots: Array, at: Array) -> Array:
    """What each value at the knots adds to a cubic spline at other places, [at, knot] float32."""
    from scipy.interpolate import make_interp_spline

    spline = make_interp_spline(knots, np.eye(len(knots)), k=3)
    return np.asarray(spline(np.asarray(at, float), extrapolate=False), np.float32)
