"""How large an aperture a cube needs, where its source is, and how much of its noise is shared.

Source: dossier section 8 (5); Law et al. 2023, AJ 166, 45 (width of the MRS); the pixel of 0.1
arcsec and the diffraction limit in quadrature for NIRSpec, whose images are undersampled.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Cube, Exposure
from jwinteractive.errors import InputError
from jwinteractive.extract.covariance import covariance_along
from jwinteractive.extract.cube import covariance_factor

__all__ = ["brightest", "cleaned", "collapsed", "covariance_of", "covariance_within", "fwhm_of"]

_SIZES = MappingProxyType(
    {"1": (0.196, 0.176), "2": (0.196, 0.277), "3": (0.245, 0.387), "4": (0.273, 0.645)}
)
"""Pixel along the slice and width of a slice of the channels of MIRI's MRS, arcsec."""
_NIRSPEC = (0.105, 0.103)  # the same of its IFU
_ENDS = MappingProxyType(
    {"1": (4.9, 7.65), "2": (7.5, 11.7), "3": (11.55, 17.98), "4": (17.7, 27.9)}
)
"""Wavelengths of the channels, um: cubes of several hold planes of each."""
_DIFFRACTION = 0.0325  # arcsec for 1 um, of 6.5 m
_NEAR = 3  # spaxels around the brightest that its centre is measured on


def fwhm_of(exposure: Exposure, wavelengths: Array) -> Array:
    """Full width at half maximum of a point source in arcsec at each wavelength in um."""
    if exposure.instrument == "MIRI":
        return np.asarray(0.033 * wavelengths + 0.106)
    return np.asarray(np.hypot(_DIFFRACTION * wavelengths, 0.1))


def covariance_of(cube: Cube) -> float:
    """Factor of the errors of a sum over many spaxels: the largest of its planes'."""
    return float(np.max(covariance_within(cube, None), initial=1.0))


def covariance_within(cube: Cube, radius: Array | None) -> Array:
    """Factor of the errors of a sum over a circle in each plane, [plane].

    It is that of the sizes of pixels, of which the cube was drizzled by shared area. Where two
    channels overlap it is the larger; 1 where no size is known.

    Parameters
    ----------
    cube
        A cube.
    radius
        Of the circle in spaxels, [plane]; None for a sum over many spaxels.
    """
    found: Array = np.ones(len(cube.data))
    if not cube.spaxel:
        return found
    for size, planes in _sizes(cube):
        if radius is None:
            factor: Array = np.full(len(found), covariance_factor(*size, cube.spaxel))
        else:
            factor = covariance_along(radius, *size, cube.spaxel)
        found = np.where(planes, np.maximum(found, factor), found)
    return found


def _sizes(cube: Cube) -> list[tuple[tuple[float, float], Array]]:
    """Sizes of pixels, each with the planes that may be made of them, bool [plane]."""
    every: Array = np.ones(len(cube.data), np.bool_)
    if cube.exposure.instrument == "NIRSPEC":
        return [(_NIRSPEC, every)]
    channels = [c for c in cube.exposure.channel if c in _SIZES]
    wavelengths = np.asarray(cube.wavelengths)
    if len(channels) < 2 or len(wavelengths) != len(every):
        return [(_SIZES[c], every) for c in channels]
    inside = {c: (wavelengths >= _ENDS[c][0]) & (wavelengths <= _ENDS[c][1]) for c in channels}
    lost = ~np.any(list(inside.values()), axis=0)  # of no channel: the worst is taken
    return [(_SIZES[c], inside[c] | lost) for c in channels]


def cleaned(cube: Cube) -> tuple[Array, Array]:
    """Values without those that are flagged, and weights: 1 where a file does not tell them."""
    data = cube.data
    bad = (cube.dq & np.uint32(dq.DO_NOT_USE)) != 0
    if bad.any():
        data = np.where(bad, np.float32(np.nan), data)
    weight = cube.weight
    return data, np.isfinite(data).astype(np.float32) if weight is None else weight


def collapsed(data: Array) -> Array:
    """Mean of all planes [plane, y, x], float32 [y, x]; NaN where no plane has a value."""
    finite = np.isfinite(data)
    total = np.where(finite, data, 0).sum(axis=0, dtype=np.float64)
    count = finite.sum(axis=0)
    found: Array = np.full(total.shape, np.nan, np.float32)
    np.divide(total, count, out=found, where=count > 0, casting="same_kind")
    return found


def brightest(image: Array) -> tuple[float, float]:
    """Centre (x, y) of the brightest source of an image, in its pixels.

    Raises
    ------
    InputError
        If no pixel has a value.
    """
    if not np.isfinite(image).any():
        raise InputError("cube has no spaxel with a value: all are flagged or not finite")
    level = float(np.nanmedian(image))
    light = np.where(np.isfinite(image), image - level, 0)
    y, x = np.unravel_index(int(np.argmax(light)), light.shape)
    rows = slice(max(int(y) - _NEAR, 0), int(y) + _NEAR + 1)
    columns = slice(max(int(x) - _NEAR, 0), int(x) + _NEAR + 1)
    part = np.maximum(light[rows, columns], 0)
    yy, xx = np.mgrid[rows, columns][:, : part.shape[0], : part.shape[1]]
    total = part.sum()
    if not total > 0:
        return float(x), float(y)
    return float((xx * part).sum() / total), float((yy * part).sum() / total)
