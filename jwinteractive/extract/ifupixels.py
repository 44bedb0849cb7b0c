"""Detector pixels of MIRI's MRS on the sky, and which spaxel of a cube each of them feeds.

A pixel reaches along its slice as far as the distortion says, across as wide as the slice is, and
in wavelength from one end of it to the other. Drizzling gives a spaxel the volume that it shares
with each pixel as a weight: the official cube is such a mean, pixels that are flagged left out.

Source: dossier section 8 (5); Law et al. 2023, AJ 166, 45 (the drizzle of spectral cubes).
Why the step does not do this: docs/decisions/0021-factors-of-cubes-by-radius.md.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.covariance import CubeWeights, aperture_shares, covariance_factors
from jwinteractive.fitsfile import opened_fits
from jwinteractive.kernels.extract_overlap import add_overlaps
from jwinteractive.wcs import read_wcs

__all__ = ["IfuPixels", "circle_factors", "mrs_pixels", "mrs_weights", "sky_overlaps"]

_HALF = 0.4999  # of a pixel: its very end belongs to nobody
_ACROSS = 100  # numbers of slices are 100 times the channel, and the slice


@dc.dataclass(frozen=True, eq=False, slots=True)
class IfuPixels:
    """Pixels of one channel of one exposure.

    Parameters
    ----------
    ra, dec
        Corners in turn, degrees, [pixel, 4].
    low, high
        Ends in wavelength, um, [pixel].
    index
        Index of each in the flat image.
    """

    ra: Array
    dec: Array
    low: Array
    high: Array
    index: Array


def mrs_pixels(wcs: Any, channel: int, bad: Array) -> IfuPixels:
    """Pixels of a channel that are not bad.

    Parameters
    ----------
    wcs
        The gwcs of a calibrated exposure of the MRS.
    channel
        1 to 4.
    bad
        Pixels that are left out, bool [y, x].

    Raises
    ------
    InputError
        If the gwcs is of another instrument, or the channel has no pixel.
    """
    if "alpha_beta" not in wcs.available_frames:
        raise InputError("WCS has no frame alpha_beta: must be that of an exposure of MIRI's MRS")
    first = wcs.available_frames[0]
    to_slice = wcs.get_transform(first, "alpha_beta")
    to_sky = wcs.get_transform("alpha_beta", wcs.available_frames[-1])
    number = np.asarray(to_slice.label_mapper.mapper)
    ours = (number // _ACROSS == channel) & ~bad
    if not ours.any():
        raise InputError(f"channel {channel}: has no good pixel of this exposure")
    y, x = (part.astype(np.float64) for part in np.nonzero(ours))
    left, beta, wave = to_slice(x - _HALF, y)
    right, _, _ = to_slice(x + _HALF, y)
    _, _, down = to_slice(x, y - _HALF)
    _, _, up = to_slice(x, y + _HALF)
    across = np.unique(beta[np.isfinite(beta)].round(6))
    if len(across) < 2:
        raise InputError(f"channel {channel}: has no two slices with a good pixel")
    half = float(np.median(np.diff(across))) / 2
    corners = [
        to_sky(alpha, beta + side, wave)[:2]
        for alpha, side in ((left, -half), (right, -half), (right, half), (left, half))
    ]
    ra, dec = (np.array(part).T for part in zip(*corners, strict=True))
    low, high = np.minimum(down, up), np.maximum(down, up)
    known = np.isfinite(ra + dec).all(axis=1) & np.isfinite(low + high)
    return IfuPixels(ra[known], dec[known], low[known], high[known], np.flatnonzero(ours)[known])


def sky_overlaps(
    exposures: list[IfuPixels],
    sizes: list[int],
    cards: Any,
    shape: tuple[int, int, int],
) -> CubeWeights:
    """Weights of all pixels of several exposures in a cube; pixels are numbered in a row.

    Parameters
    ----------
    exposures
        Pixels of each.
    sizes
        Number of pixels of the whole image of each: those of the second are numbered on from the
        first's.
    cards
        Header of the cube, or what has its entries: CRVAL, CRPIX, CDELT and PC of two axes on the
        sky, and CRVAL3, CRPIX3, CDELT3 of even wavelengths in um.
    shape
        Of the cube.

    Raises
    ------
    InputError
        If there are not as many sizes as exposures, the header lacks wavelengths, or no pixel
        lies in the cube.
    """
    from astropy.wcs import WCS

    if len(exposures) != len(sizes) or not exposures:
        raise InputError(f"{len(exposures)} exposures, {len(sizes)} sizes: must be one of each")
    step = cards.get("CDELT3")
    if not step:
        raise InputError("cube has no even wavelengths (CDELT3): take a cube of a single band")
    sky = WCS(naxis=2)
    for axis in (1, 2):
        for name in ("crval", "crpix", "cdelt"):
            getattr(sky.wcs, name)[axis - 1] = cards[f"{name.upper()}{axis}"]
    sky.wcs.pc = [[cards.get(f"PC{i}_{j}", float(i == j)) for j in (1, 2)] for i in (1, 2)]
    sky.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    x, y, first, last, index, start = [], [], [], [], [], 0
    for one, size in zip(exposures, sizes, strict=True):
        across, up = sky.wcs_world2pix(one.ra.ravel(), one.dec.ravel(), 0)
        x.append(np.reshape(across, one.ra.shape))
        y.append(np.reshape(up, one.ra.shape))
        planes_of = [
            (wave - cards["CRVAL3"]) / step + cards.get("CRPIX3", 1.0) - 1
            for wave in (one.low, one.high)
        ]
        # where planes fall in wavelength, the ends are exchanged
        first.append(np.minimum(*planes_of))
        last.append(np.maximum(*planes_of))
        index.append(one.index + start)
        start += size
    corners = np.concatenate(x), np.concatenate(y)
    ends = np.concatenate(first), np.concatenate(last)
    planes, ny, nx = shape
    pixel, spaxel, weight = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    for _ in range(2):  # the first time they are counted
        count = add_overlaps(*corners, *ends, planes, ny, nx, pixel, spaxel, weight)
        if not count:
            raise InputError(
                "no pixel of the exposures lies in the cube: check that they belong to it"
            )
        if len(pixel) < count:
            pixel, spaxel = np.empty((2, count), np.int64)
            weight = np.empty(count)
    return CubeWeights(shape, start, np.concatenate(index)[pixel], spaxel, weight)


def mrs_weights(
    paths: Sequence[Path], channel: int, cards: Any, shape: tuple[int, int, int]
) -> tuple[CubeWeights, Array, Array]:
    """Weights of a cube of one channel and band, and values and variances of its pixels, [pixel].

    Parameters
    ----------
    paths
        Calibrated exposures (cal) that the cube was made of.
    channel
        1 to 4.
    cards, shape
        Of the cube, as `sky_overlaps` has them.

    Raises
    ------
    InputError
        If a file is no calibrated exposure of the MRS, or has no pixel in the cube.
    """
    exposures, sizes, values, variances = [], [], [], []
    for path in paths:
        with opened_fits(path) as hdus:
            lacks = [name for name in ("SCI", "ERR", "DQ") if name not in hdus]
            if lacks:
                raise InputError(f"{path.name}: has no {lacks[0]}: take a cal file")
            data, err = (np.array(hdus[name].data, np.float64) for name in ("SCI", "ERR"))
            flags = np.asarray(hdus["DQ"].data).astype(np.uint32)
        bad = (flags & dq.DO_NOT_USE != 0) | ~np.isfinite(data + err)
        exposures.append(mrs_pixels(read_wcs(path), channel, bad))
        sizes.append(data.size)
        values.append(data.ravel())
        variances.append(np.square(err).ravel())
    weights = sky_overlaps(exposures, sizes, cards, shape)
    return weights, np.concatenate(values), np.concatenate(variances)


def circle_factors(
    cube: Path,
    paths: Sequence[Path],
    centre: tuple[float, float],
    radius: ArrayLike,
    annulus: tuple[ArrayLike, ArrayLike] | None = None,
) -> Array:
    """Exact factors of the errors of a circle less its ring in a cube of the MRS, [plane].

    They take the place of those of `extract_1d`, which knows only the sizes of pixels::

        session.set("extract_1d", center_xy="21.3 18.9", radius=4.0, ifu_covar_scale=1.0)
        spectrum = session.run()
        factors = circle_factors(cube, sorted(folder.glob("*_cal.fits")), (21.3, 18.9), 4.0, (6, 9))
        err = spectrum.err * factors

    Parameters
    ----------
    cube
        Of one channel and band (s3d).
    paths
        Calibrated exposures (cal) that it was made of.
    centre, radius, annulus
        In spaxels, as `jwinteractive.extract.covariance.aperture_shares` has them.

    Raises
    ------
    InputError
        If the cube is of several channels, or a file does not fit it.
    """
    with opened_fits(cube) as hdus:
        if "SCI" not in hdus:
            raise InputError(f"{cube.name}: has no SCI: take a cube (s3d)")
        channel = str(hdus[0].header.get("CHANNEL", "")).strip()
        cards, planes = hdus["SCI"].header.copy(), np.asarray(hdus["SCI"].data)
        known = np.isfinite(planes)
    if channel not in ("1", "2", "3", "4"):
        raise InputError(
            f"{cube.name}: CHANNEL = {channel!r}: must be a single one of the MRS: take a cube of "
            "one band"
        )
    weights, _, variance = mrs_weights(paths, int(channel), cards, planes.shape)
    shares = aperture_shares(known & (weights.total > 0), centre, radius, annulus)
    return covariance_factors(weights, shares, variance)
