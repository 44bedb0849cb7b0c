"""The spectrum of a point source in a cube: a circle that may grow, less a clipped ring.

Spaxels are made of shared pixels: their noise is correlated, and the errors of a sum are larger
than their variances say by a factor that depends on the sizes of pixels and spaxels.

Source: dossier section 8 (5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import Frames, contiguous, in_threads
from jwinteractive.extract.spectra import Spectra
from jwinteractive.kernels.extract_cube import planes_limits, planes_sums

__all__ = ["background_limits", "covariance_factor", "cube_spectrum", "whole_spectrum"]

_PLANES = 32  # that a thread takes at a time


def covariance_factor(along: float, across: float, spaxel: float) -> float:
    """Factor of the error of a sum over many spaxels, for drizzling by shared area.

    It does not depend on the number of dithers, and is nearly reached from radii of six spaxels on.

    Parameters
    ----------
    along, across
        Sizes of a pixel along the slice and of the slice, in the unit of the spaxel's.
    spaxel
        Size of a spaxel.

    Raises
    ------
    InputError
        If a size is not positive.
    """
    square = 1.0
    for pixel in (along, across):
        if not min(pixel, spaxel) > 0:
            raise InputError(f"pixel of {pixel}, spaxel of {spaxel}: sizes must be more than 0")
        small, large = min(pixel, spaxel), max(pixel, spaxel)
        square *= max(pixel / spaxel, 1) / (1 - small / (3 * large))
    return float(np.sqrt(square))


def cube_spectrum(
    cube: Frames,
    weights: Array,
    centre: tuple[float, float],
    radius: ArrayLike,
    annulus: tuple[ArrayLike, ArrayLike] | None = None,
    bkg_sigma_clip: float = 3.0,
    subpixels: int = 0,
    covariance: ArrayLike = 1.0,
    parity: bool = False,
    threads: int = 0,
    limits: Array | None = None,
) -> Spectra:
    """Spectrum of a source, [1, 1, plane], in the unit of the spaxels.

    Parameters
    ----------
    cube
        Planes [plane, y, x]; what is not finite does not count. Without variances, or where all
        of a plane's are not finite, errors are NaN.
    weights
        How many pixels a spaxel is made of, [plane, y, x]: it does not count at 0.
    centre
        (x, y) of the source in spaxels.
    radius
        Of the circle, in spaxels: one for all planes, or one each.
    annulus
        Inner and outer radius of the background, as the radius; None for no background. A plane
        whose ring has no spaxel has no flux.
    bkg_sigma_clip
        Deviations beyond which spaxels are not background; 0 for none.
    subpixels
        0 for exact shares of spaxels at the edges, else points that are counted along each axis.
    covariance
        Factor of the errors, one or one for each plane; see `covariance_factor`, and for the exact
        one `jwinteractive.extract.covariance.covariance_factors`.
    parity
        Sums as the official step has them: the area of what was clipped still counts, which
        lowers the background, and variances count by shares, not by squares of them.
    threads
        By default one a core; results do not depend on it.
    limits
        Those that `background_limits` found with the same clipping: they do not depend on where
        the circle is.

    Raises
    ------
    InputError
        If shapes do not agree, the circle is off the cube, or a parameter is out of its range.
    """
    if weights.shape != cube.data.shape or weights.ndim != 3:
        raise InputError(
            f"weights {weights.shape}: must have the shape of the cube, {cube.data.shape}"
        )
    count, (ny, nx) = len(cube), cube.shape
    radii = _each("radius", radius, count)
    inner, outer = np.zeros(count), np.zeros(count)
    if annulus is not None:
        inner, outer = (_each("annulus", edge, count) for edge in annulus)
        if np.any(inner < 0) or not np.all(outer > inner):
            raise InputError("annulus: its outer radius must be larger than its inner, from 0 on")
    if not np.all(radii > 0):
        raise InputError(f"radius = {np.min(radii)}: must be more than 0 spaxels in every plane")
    factors = _each("covariance", covariance, count)
    if bkg_sigma_clip < 0 or subpixels < 0 or not np.all(factors > 0):
        raise InputError(
            f"bkg_sigma_clip = {bkg_sigma_clip}, subpixels = {subpixels}, covariance = "
            f"{np.min(factors)}: must not be below 0"
        )
    x, y = centre
    most = float(np.max(radii)) + 0.5
    if not (-most < x < nx - 1 + most and -most < y < ny - 1 + most):
        raise InputError(
            f"circle at x = {x:.1f}, y = {y:.1f} has no spaxel of the cube of {ny} rows and {nx} "
            "columns: move it onto the cube"
        )
    sums = np.empty((count, 9))

    planes, stack = _stacked(cube), contiguous(weights, np.float32)
    if limits is None:
        clip = bkg_sigma_clip if annulus is not None else 0.0
        limits = background_limits(cube, weights, clip, threads)
    if limits.shape != (count, 2):
        raise InputError(f"limits {limits.shape}: must be two for each of {count} planes")
    edges = contiguous(limits, np.float64)

    def work(chunk: int) -> None:
        planes_sums(
            *planes,
            stack,
            float(x),
            float(y),
            radii,
            inner,
            outer,
            edges,
            subpixels,
            parity,
            chunk * _PLANES,
            min((chunk + 1) * _PLANES, count),
            sums,
        )

    in_threads(-(-count // _PLANES), work, threads)
    if not cube.sure:
        sums[:, 3:] = np.nan
    sums[:, 3:] *= factors[:, None] ** 2
    flat = sums.T[:, None, None]
    return Spectra(
        flux=flat[0],
        variances=sums.T[None, None, 3:6],
        background=flat[2],
        background_variances=sums.T[None, None, 6:9],
        npixels=flat[1],
    )


def background_limits(cube: Frames, weights: Array, sigma: float, threads: int = 0) -> Array:
    """Least and most value that counts as background in each plane, [plane, 2]; 0 clips nothing."""
    count = len(cube)
    found = np.empty((count, 2))
    found[:] = -np.inf, np.inf
    if sigma > 0:
        planes, stack = _stacked(cube)[0], contiguous(weights, np.float32)

        def work(chunk: int) -> None:
            first, end = chunk * _PLANES, min((chunk + 1) * _PLANES, count)
            planes_limits(planes, stack, float(sigma), first, end, found)

        in_threads(-(-count // _PLANES), work, threads)
    return found


def _stacked(cube: Frames) -> tuple[Array, Array, Array, Array]:
    """Values and three variances of a cube, each float32 [plane, y, x]; one plane of 0 for none."""
    none = np.zeros((1, *cube.shape), np.float32)
    found = []
    for stack in (cube.data, cube.var_poisson, cube.var_rnoise, cube.var_flat):
        turned = stack if stack is None or cube.dispaxis == 1 else np.swapaxes(stack, 1, 2)
        found.append(contiguous(none if turned is None else turned, np.float32))
    return found[0], found[1], found[2], found[3]


def whole_spectrum(cube: Frames, weights: Array, covariance: ArrayLike = 1.0) -> Spectra:
    """Sum of all spaxels of an extended source, [1, 1, plane], without a background, as officially.

    Parameters
    ----------
    cube, weights, covariance
        As `cube_spectrum` has them.

    Raises
    ------
    InputError
        If shapes do not agree, or the factor is not positive.
    """
    if weights.shape != cube.data.shape or weights.ndim != 3:
        raise InputError(
            f"weights {weights.shape}: must have the shape of the cube, {cube.data.shape}"
        )
    count = len(cube)
    factors = _each("covariance", covariance, count)
    if not np.all(factors > 0):
        raise InputError(f"covariance = {np.min(factors)}: must be more than 0")
    flux, npixels = np.empty((2, count))
    variances = np.empty((3, count))
    for k in range(count):
        image = cube.image(k)
        good = (weights[k] > 0) & np.isfinite(image)
        npixels[k] = good.sum()
        flux[k] = image.sum(dtype=np.float64, where=good) if good.any() else np.nan
        planes = cube.variances(k)
        known = cube.sure and np.isfinite(np.sum(planes, axis=0)).any()
        for v, plane in enumerate(planes):
            sure = good & np.isfinite(plane)
            variances[v, k] = plane.sum(dtype=np.float64, where=sure) if known else np.nan
    variances *= factors**2
    none = np.zeros((1, 1, 3, count))
    return Spectra(
        flux[None, None], variances[None, None], none[:, :, 0], none, npixels[None, None]
    )


def _each(what: str, value: ArrayLike, count: int) -> Array:
    values = np.asarray(value, np.float64)
    if values.shape not in ((), (count,)):
        raise InputError(f"{what} {values.shape}: must be one, or one for each of {count} planes")
    if not np.isfinite(values).all():
        raise InputError(f"{what} is not finite in every plane: give a size in spaxels")
    return np.ascontiguousarray(np.broadcast_to(values, (count,)))
