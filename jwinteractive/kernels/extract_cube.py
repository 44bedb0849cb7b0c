"""Sums over a circle and a ring of one plane of a cube, with the share of each spaxel in them."""

from __future__ import annotations

from math import asin, sqrt
from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.flicker_median import median_of

__all__ = ["circle_share", "clipped_limits", "planes_limits", "planes_sums", "ring_sums"]

_CLIPS = 5  # most rounds of clipping; the official number
_DIAGONAL = 0.7071067811865476  # from the middle of a pixel to its corner


@njit(cache=True, nogil=True, error_model="numpy")
def _corner(a: float, b: float, r: float) -> float:
    """Area of a disk about 0 within the rectangle from 0 to (a, b); negative on one side of 0."""
    sign = 1.0 if (a < 0) == (b < 0) else -1.0
    a = min(abs(a), r)
    b = min(abs(b), r)
    if a * a + b * b <= r * r:
        return sign * a * b
    bend = sqrt(max(r * r - b * b, 0.0))
    area = bend * b
    area += 0.5 * (a * sqrt(max(r * r - a * a, 0.0)) + r * r * asin(min(a / r, 1.0)))
    area -= 0.5 * (bend * b + r * r * asin(min(bend / r, 1.0)))
    return sign * area


@njit(cache=True, nogil=True, error_model="numpy")
def circle_share(x: float, y: float, r: float, subpixels: int) -> float:
    """Share of the pixel with its middle at (x, y) that lies in a disk about 0.

    Exact, or counted among ``subpixels``² points if that is not 0.
    """
    if r <= 0:
        return 0.0
    away = sqrt(x * x + y * y)
    if away >= r + _DIAGONAL:
        return 0.0
    if away <= r - _DIAGONAL:
        return 1.0
    if subpixels == 0:
        x0, x1, y0, y1 = x - 0.5, x + 0.5, y - 0.5, y + 0.5
        area = _corner(x1, y1, r) - _corner(x0, y1, r) - _corner(x1, y0, r) + _corner(x0, y0, r)
        return min(max(area, 0.0), 1.0)
    inside = 0
    for i in range(subpixels):
        dy = y - 0.5 + (i + 0.5) / subpixels
        for j in range(subpixels):
            dx = x - 0.5 + (j + 0.5) / subpixels
            inside += dx * dx + dy * dy < r * r
    return inside / (subpixels * subpixels)


@njit(cache=True, nogil=True, error_model="numpy")
def clipped_limits(plane: Any, weights: Any, sigma: float) -> tuple[float, float]:
    """Least and most value that counts as background: mean and deviations of what clipping left.

    Spaxels of full weight are clipped about their median. NaN, and everything counts, if none is.
    """
    ny, nx = plane.shape
    values = np.empty(ny * nx, np.float32)
    moved = np.empty(ny * nx, np.float32)
    inside = np.empty(ny * nx + 1, np.float32)
    n = 0
    for y in range(ny):
        for x in range(nx):
            value = plane[y, x]
            values[n] = value
            n += (weights[y, x] >= 1) & (value * np.float32(0) == 0)
    mean = np.nan
    deviation = np.nan
    for r in range(_CLIPS + 1):
        if n == 0:
            break
        mean = 0.0
        for k in range(n):
            mean += values[k]
        mean /= n
        square = 0.0
        for k in range(n):
            square += (values[k] - mean) ** 2
        deviation = sqrt(square / n)
        if r == _CLIPS:
            break
        moved[:n] = values[:n]
        centre = median_of(moved, n, inside)
        low, high = centre - sigma * deviation, centre + sigma * deviation
        kept = 0
        for k in range(n):
            value = values[k]
            values[kept] = value
            kept += (value >= low) & (value <= high)
        if kept == n:
            break
        n = kept
    return mean - sigma * deviation, mean + sigma * deviation


@njit(cache=True, nogil=True, error_model="numpy")
def ring_sums(
    plane: Any,
    var: Any,
    weights: Any,
    x: float,
    y: float,
    radius: float,
    inner: float,
    outer: float,
    low: float,
    high: float,
    subpixels: int,
    parity: bool,
    found: Any,
) -> None:
    """Sums over one plane: ``found`` [9] is filled.

    Flux less background, spaxels, background, variances (3) of the flux with those of the
    background, and variances (3) that the background adds.

    Parameters
    ----------
    plane, weights
        Values and weights, float32 [y, x]; those without a weight do not count.
    var
        Variances: three planes, float32 [y, x].
    x, y
        Centre, in pixels.
    radius, inner, outer
        Of the circle and of the ring of the background, in pixels; no ring if ``outer`` is 0.
    low, high
        Values beyond which spaxels of the ring do not count.
    subpixels
        See `circle_share`.
    parity
        Whether variances count by shares, not by squares of them, and what is clipped has an area,
        as the official sums have it.
    """
    ny, nx = plane.shape
    reach = max(radius, outer) + 1
    sums = np.zeros(5)
    ring = np.zeros(5)
    for j in range(max(int(y - reach), 0), min(int(y + reach) + 2, ny)):
        for i in range(max(int(x - reach), 0), min(int(x + reach) + 2, nx)):
            weight: Any = np.float64(weights[j, i])
            value = np.float64(plane[j, i])
            if not weight > 0 or value * 0 != 0:
                continue
            weight = min(weight, 1.0)
            share = circle_share(i - x, j - y, radius, subpixels)
            if share > 0:
                sums[0] += share * value
                sums[1] += share * weight
                for v in range(3):
                    noise = np.float64(var[v][j, i]) * (share if parity else share * share)
                    sums[2 + v] += noise if noise == noise else 0.0
            if outer <= 0:
                continue
            share = circle_share(i - x, j - y, outer, subpixels)
            share -= circle_share(i - x, j - y, inner, subpixels)
            clipped = value < low or value > high
            if share <= 0 or (clipped and not parity):
                continue
            ring[0] += 0.0 if clipped else share * value
            ring[1] += share * weight
            for v in range(3):
                noise = np.float64(var[v][j, i]) * (share if parity else share * share)
                ring[2 + v] += noise if noise == noise else 0.0
    factor = np.float64(0)
    if outer > 0:
        factor = sums[1] / ring[1] if ring[1] > 0 else np.float64(np.nan)
    found[0] = sums[0] - factor * ring[0] if sums[1] > 0 else np.nan
    found[1] = sums[1]
    found[2] = factor * ring[0] if factor == factor else 0.0
    for v in range(3):
        added = factor * factor * ring[2 + v] if factor == factor else 0.0
        found[3 + v] = sums[2 + v] + added
        found[6 + v] = added


@njit(cache=True, nogil=True, error_model="numpy")
def planes_limits(cube: Any, weights: Any, sigma: float, first: int, end: int, found: Any) -> None:
    """Least and most value that counts as background in planes: ``found`` [plane, 2] is filled."""
    for k in range(first, end):
        low, high = clipped_limits(cube[k], weights[k], sigma)
        known = low == low
        found[k, 0] = low if known else -np.inf
        found[k, 1] = high if known else np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def planes_sums(
    cube: Any,
    poisson: Any,
    read: Any,
    flat: Any,
    weights: Any,
    x: float,
    y: float,
    radii: Any,
    inner: Any,
    outer: Any,
    limits: Any,
    subpixels: int,
    parity: bool,
    first: int,
    end: int,
    found: Any,
) -> None:
    """Sums over planes ``first`` to ``end``: ``found`` [plane, 9] is filled; see `ring_sums`.

    ``limits`` [plane, 2] are the least and the most value of background. Variances are
    [plane, y, x], or of one plane for all. Those of sums are NaN in a plane where
    none is known.
    """
    for k in range(first, end):
        var = (poisson[k % len(poisson)], read[k % len(read)], flat[k % len(flat)])
        ring_sums(
            cube[k],
            var,
            weights[k],
            x,
            y,
            radii[k],
            inner[k],
            outer[k],
            limits[k, 0],
            limits[k, 1],
            subpixels,
            parity,
            found[k],
        )
        known = False
        for j in range(cube.shape[1]):
            for i in range(cube.shape[2]):
                total = var[0][j, i] + var[1][j, i] + var[2][j, i]
                if total * np.float32(0) == 0:
                    known = True
                    break
            if known:
                break
        if not known:
            found[k, 3:] = np.nan
