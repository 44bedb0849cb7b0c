"""The noise of sums over spaxels, exactly, from which detector pixel feeds which spaxel.

A spaxel is a weighted mean of pixels, d. A sum over spaxels with shares A has the variance

    sum over pixels of (sum over spaxels of A w / W)² V,     W = sum of w in a spaxel,

in which a pixel that feeds several spaxels of the aperture counts with all of them at once. Errors
of spaxels added in quadrature miss that.

Source: dossier section 8 (5).
"""

from __future__ import annotations

import dataclasses as dc
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.cube import covariance_factor
from jwinteractive.extract.frames import contiguous
from jwinteractive.kernels.extract_shares import fill_shares

__all__ = [
    "CubeWeights",
    "aperture_shares",
    "aperture_variance",
    "box_overlaps",
    "covariance_along",
    "covariance_at",
    "covariance_factors",
    "drizzled",
]


_PHASES = 4  # dithers of a cube whose weights are not known
_RADII = tuple(0.25 * 2 ** (k / 2) for k in range(13))  # spaxels: 0.25 to 16


@dc.dataclass(frozen=True, eq=False, slots=True)
class CubeWeights:
    """Which pixel feeds which spaxel, and with what weight; as sparse as it is.

    Parameters
    ----------
    shape
        Of the cube, (plane, y, x).
    pixels
        Number of pixels of all exposures together.
    pixel, spaxel
        Index of a pixel, and of a spaxel in the flat cube, int [entry].
    weight
        Weight of the pixel there, float [entry], more than 0.

    Raises
    ------
    InputError
        If the arrays do not agree, or an index is outside.
    """

    shape: tuple[int, int, int]
    pixels: int
    pixel: Array
    spaxel: Array
    weight: Array

    def __post_init__(self) -> None:
        count = len(self.pixel)
        if len(self.spaxel) != count or len(self.weight) != count:
            raise InputError(
                f"weights of {count} pixels, {len(self.spaxel)} spaxels and {len(self.weight)} "
                "values: must be one of each for every entry"
            )
        size = int(np.prod(self.shape))
        for name, index, end in (("pixel", self.pixel, self.pixels), ("spaxel", self.spaxel, size)):
            if count and not (index.min() >= 0 and index.max() < end):
                raise InputError(f"weights: {name} index must lie within 0 to {end - 1}")

    @property
    def total(self) -> Array:
        """Sum of the weights of each spaxel, [plane, y, x]."""
        size = int(np.prod(self.shape))
        return np.bincount(self.spaxel, self.weight, size).reshape(self.shape)


def drizzled(weights: CubeWeights, values: Array, variance: Array) -> tuple[Array, Array]:
    """Cube and variances of its spaxels, [plane, y, x], of pixels [pixel]; NaN where none feeds.

    Raises
    ------
    InputError
        If there are not as many values as pixels.
    """
    for name, array in (("values", values), ("variance", variance)):
        _as_many(name, array, weights)
    size, total = int(np.prod(weights.shape)), weights.total
    fed = total > 0
    one = weights.weight
    value = np.bincount(weights.spaxel, one * values[weights.pixel], size).reshape(total.shape)
    noise = np.bincount(weights.spaxel, one**2 * variance[weights.pixel], size)
    cube = np.divide(value, total, out=np.full(total.shape, np.nan), where=fed)
    spread = np.divide(
        noise.reshape(total.shape), total**2, out=np.full(total.shape, np.nan), where=fed
    )
    return cube, spread


def aperture_variance(weights: CubeWeights, shares: Array, variance: Array) -> Array:
    """Variance of the sum of each plane, [plane].

    Parameters
    ----------
    weights
        Of the cube.
    shares
        Of the spaxels in the sum, [plane, y, x]; negative ones are those of a background.
    variance
        Of the pixels, [pixel].

    Raises
    ------
    InputError
        If shapes do not agree.
    """
    if shares.shape != weights.shape:
        raise InputError(f"shares {shares.shape}: must have the shape of the cube, {weights.shape}")
    _as_many("variance", variance, weights)
    part = shares.ravel()[weights.spaxel]
    use = part != 0
    spaxel, pixel = weights.spaxel[use], weights.pixel[use]
    reach = part[use] * weights.weight[use] / weights.total.ravel()[spaxel]
    plane = spaxel // (weights.shape[1] * weights.shape[2])
    # the same pixel in another plane is another sum
    key = plane.astype(np.int64) * weights.pixels + pixel
    order = np.argsort(key, kind="stable")
    key, reach = key[order], reach[order]
    if not len(key):
        return np.zeros(weights.shape[0])
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    summed = np.add.reduceat(reach, first)
    squares = summed**2 * variance[key[first] % weights.pixels]
    return np.bincount(key[first] // weights.pixels, squares, weights.shape[0])


def covariance_factors(weights: CubeWeights, shares: Array, variance: Array) -> Array:
    """Exact error of each plane's sum over the one without covariance, [plane]; 1 without noise.

    Raises
    ------
    InputError
        If shapes do not agree.
    """
    exact = aperture_variance(weights, shares, variance)
    _, spread = drizzled(weights, np.zeros(weights.pixels), variance)
    alone = np.where(shares != 0, shares**2 * np.nan_to_num(spread), 0).sum(axis=(1, 2))
    found = np.divide(exact, alone, out=np.ones(len(exact)), where=alone > 0)
    factors: Array = np.sqrt(found)
    return factors


def aperture_shares(
    known: Array,
    centre: tuple[float, float],
    radius: ArrayLike,
    annulus: tuple[ArrayLike, ArrayLike] | None = None,
) -> Array:
    """Shares of spaxels in a circle, less those of a ring scaled to its area, [plane, y, x].

    Parameters
    ----------
    known
        Spaxels that have a value, bool [plane, y, x].
    centre
        (x, y) in spaxels.
    radius, annulus
        In spaxels, one for all planes or one each, as `jwinteractive.extract.cube.cube_spectrum`
        has them.

    Raises
    ------
    InputError
        If a radius has another length than there are planes.
    """
    count = len(known)
    edges = []
    for edge in (radius, *(annulus or (0.0, 0.0))):
        values = np.asarray(edge, np.float64)
        if values.shape not in ((), (count,)):
            raise InputError(
                f"radius {values.shape}: must be one, or one of each of {count} planes"
            )
        edges.append(np.broadcast_to(values, (count,)))
    found = np.empty(known.shape)
    x, y = float(centre[0]), float(centre[1])
    for k in range(count):
        one = contiguous(known[k], np.bool_)
        fill_shares(one, x, y, edges[0][k], edges[1][k], edges[2][k], found[k])
    return found


@cache
def covariance_at(radius: float, along: float, across: float, spaxel: float) -> float:
    """Factor of the error of a sum over a circle, for a cube whose weights are not known.

    That of even noise and four dithers with all phases; a circle of many spaxels has the factor of
    `jwinteractive.extract.cube.covariance_factor`, a single spaxel has 1.

    Parameters
    ----------
    radius
        In spaxels.
    along, across, spaxel
        Sizes of a pixel along the slice, of the slice, and of a spaxel, in one unit.

    Raises
    ------
    InputError
        If a size is not positive.
    """
    if not min(radius, along, across, spaxel) > 0:
        raise InputError(
            f"radius = {radius}, pixel of {along} x {across}, spaxel of {spaxel}: sizes must be "
            "more than 0"
        )
    half = int(np.ceil(radius)) + 1
    size = 2 * half + 1
    low = []
    for dither in range(_PHASES):
        # multiples of two irrational numbers: no phase comes twice
        y, x = (dither * step % 1 for step in (0.7548776662, 0.5698402910))
        rows = np.arange(-3, size * spaxel / across + 3) + y
        columns = np.arange(-3, size * spaxel / along + 3) + x
        grid = np.meshgrid(rows * across / spaxel, columns * along / spaxel, indexing="ij")
        low.append(np.array([np.full(grid[0].size, -0.5), grid[0].ravel(), grid[1].ravel()]))
    ends = np.concatenate(low, axis=1)
    wide = np.array([1.0, across / spaxel, along / spaxel])[:, None]
    weights = box_overlaps(ends, ends + wide, (1, size, size))
    even = np.ones(weights.pixels)
    found = []
    for x, y in ((0.0, 0.0), (0.5, 0.0), (0.25, 0.25), (0.5, 0.5)):
        shares = aperture_shares(np.ones((1, size, size), np.bool_), (half + x, half + y), radius)
        found.append(float(covariance_factors(weights, shares, even)[0]))
    return float(np.mean(found))


def covariance_along(radius: Array, along: float, across: float, spaxel: float) -> Array:
    """Factor of `covariance_at` for each of many radii, [plane].

    It is worked out for some radii, once, and interpolated in one over the radius, whose value for
    endless circles is that of `jwinteractive.extract.cube.covariance_factor`. Below a quarter of a
    spaxel it stays.

    Parameters
    ----------
    radius
        In spaxels, [plane].
    along, across, spaxel
        As `covariance_at` has them.

    Raises
    ------
    InputError
        If a size is not positive.
    """
    if not np.all(radius > 0):
        raise InputError(f"radius = {np.min(radius)}: must be more than 0 spaxels in every plane")
    limit = covariance_factor(along, across, spaxel)
    factors = [limit, *(covariance_at(r, along, across, spaxel) for r in _RADII[::-1])]
    inverse = [0.0, *(1 / r for r in _RADII[::-1])]
    return np.asarray(np.interp(1 / np.asarray(radius, np.float64), inverse, factors))


def box_overlaps(low: Array, high: Array, shape: tuple[int, int, int]) -> CubeWeights:
    """Weights by shared volume of pixels that are boxes along the axes of a cube.

    Parameters
    ----------
    low, high
        Ends of the pixels in spaxels, float [axis, pixel], axes as those of the cube: plane, y, x.
        Whole numbers are the middles of spaxels.
    shape
        Of the cube.

    Raises
    ------
    InputError
        If the ends do not agree or are exchanged.
    """
    if low.shape != high.shape or low.ndim != 2 or len(low) != 3:
        raise InputError(f"ends {low.shape} and {high.shape}: must both be [3, pixel]")
    if not np.all(high > low):
        raise InputError("ends: the upper must be above the lower in every axis")
    first = np.floor(low + 0.5).astype(np.int64)
    steps = (np.floor(high + 0.5).astype(np.int64) - first).max(axis=1) + 1 if low.size else [0] * 3
    shared = []  # of each axis and step: overlap [pixel], 0 outside of the cube
    for axis in range(3):
        parts = []
        for step in range(int(steps[axis])):
            cell = first[axis] + step
            part = np.minimum(high[axis], cell + 0.5) - np.maximum(low[axis], cell - 0.5)
            parts.append(np.where((cell >= 0) & (cell < shape[axis]), np.maximum(part, 0), 0))
        shared.append(parts)
    entries: list[tuple[Array, Array, Array]] = []
    for k, in_plane in enumerate(shared[0]):
        for j, in_row in enumerate(shared[1]):
            for i, in_column in enumerate(shared[2]):
                volume = in_plane * in_row * in_column
                (pixel,) = np.nonzero(volume > 0)
                plane, row, column = (
                    first[axis, pixel] + step for axis, step in enumerate((k, j, i))
                )
                spaxel = (plane * shape[1] + row) * shape[2] + column
                entries.append((pixel, spaxel, volume[pixel]))
    if not entries:
        empty = np.zeros(0, np.int64)
        return CubeWeights(shape, low.shape[1], empty, empty, np.zeros(0))
    pixel, spaxel, weight = (np.concatenate(list(part)) for part in zip(*entries, strict=True))
    return CubeWeights(shape, low.shape[1], pixel, spaxel, weight)


def _as_many(name: str, array: Array, weights: CubeWeights) -> None:
    if array.shape != (weights.pixels,):
        raise InputError(f"{name} {array.shape}: must have {weights.pixels} pixels as the weights")
