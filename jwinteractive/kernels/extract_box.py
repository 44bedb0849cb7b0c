"""Box extraction of one image: tiles of columns, one lane a column, rows swept twice.

The first sweep sums what lies in the aperture and the moments of the background region, the second
the variance that the fitted background adds. A tile stays in the cache between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.extract_normal import inverted
from jwinteractive.kernels.lanes import sort_lanes

__all__ = ["MEDIAN", "NONE", "box_sums", "smoothed_rows"]

NONE = -1
"""Order of a background that is not fitted."""
MEDIAN = -2
"""Order of a background that is the median of its region."""

_COLUMNS = 512  # columns of a tile: lines of memory are read in one go, and stay near
_MEDIAN_VARIANCE = 1.2 * 1.2  # of a median, in that of a mean; what the official step takes


@njit(cache=True, nogil=True, error_model="numpy")
def smoothed_rows(image: Any, length: int, out: Any) -> None:
    """Mean of the finite among ``length`` pixels around each along x: ``out`` [y, x].

    Beyond the ends the last pixel is repeated; NaN where none is finite. Sums run from the ends of
    blocks as long as a window, which has the end of one and the start of the next: nothing is
    taken off a sum, so that a bright pixel leaves no rounding behind.
    """
    ny, nx = image.shape
    half = length // 2
    window = 2 * half + 1
    padded = nx + 2 * half
    onward = np.empty(padded)  # from the start of the block to a pixel
    rest = np.empty(padded)  # from a pixel to the end of its block
    counts = np.empty(padded + 1, np.int64)
    counts[0] = 0
    for y in range(ny):
        line = image[y]
        for k in range(padded):
            value = line[min(max(k - half, 0), nx - 1)]
            good = value * 0 == 0
            counts[k + 1] = counts[k] + good
            rest[k] = np.float64(value) if good else 0.0
            onward[k] = rest[k] + (onward[k - 1] if k % window else 0.0)
        for k in range(padded - 2, -1, -1):
            if (k + 1) % window:
                rest[k] += rest[k + 1]
        for x in range(nx):
            total = onward[x + window - 1]
            if x % window:
                total += rest[x]
            count = counts[x + window] - counts[x]
            out[y, x] = total / count if count > 0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _apertures(image: Any, var: Any, aperture: Any, y: int, x0: int, n: int, sums: Any) -> None:
    """Add a row of the aperture to flux, pixels and three variances, sums [5, lane]."""
    flux = sums[0]
    count = sums[1]
    line = image[y, x0 : x0 + n]
    shares = aperture[y, x0 : x0 + n]
    for k in range(n):
        value = np.float64(line[k])
        good = value * 0 == 0
        weight = shares[k] if good else 0.0
        flux[k] += weight * value if good else 0.0
        count[k] += weight
    for v in range(3):
        plane = var[v][y, x0 : x0 + n]
        total = sums[2 + v]
        for k in range(n):
            weight = shares[k] if line[k] * 0 == 0 else 0.0
            part = np.float64(plane[k]) * weight * weight
            total[k] += part if part == part else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _usable(image: Any, var: Any, region: Any, y: int, x0: int, n: int, use: Any) -> None:
    """Which pixels of a row of the region have a value and variances, use [lane]."""
    line = image[y, x0 : x0 + n]
    first = var[0][y, x0 : x0 + n]
    second = var[1][y, x0 : x0 + n]
    third = var[2][y, x0 : x0 + n]
    inside = region[y, x0 : x0 + n]
    for k in range(n):
        sure = line[k] + ((first[k] + second[k]) + third[k])
        use[k] = inside[k] & (sure * 0 == 0)


@njit(cache=True, nogil=True, error_model="numpy")
def box_sums(
    image: Any,
    var: Any,
    level: Any,
    aperture: Any,
    region: Any,
    within: Any,
    around: Any,
    order: int,
    network: Any,
    flux: Any,
    npixels: Any,
    variance: Any,
    background: Any,
    background_variance: Any,
) -> None:
    """Sums over the aperture of one image less its background.

    Parameters
    ----------
    image, level
        Values and those that the background is fitted to, float32 [y, x].
    var
        Variances of the values: three planes, float32 [y, x].
    aperture
        Weights of the pixels, float64 [y, x]: 0 outside.
    region
        Pixels of the background, bool [y, x].
    within, around
        Rows that the aperture and the region touch, bool [y].
    order
        Of the polynomial along y, or `NONE`, or `MEDIAN`.
    network
        Of as many rows as the region touches; see `sort_lanes`.
    flux, npixels, background
        Filled, float64 [x]; flux is NaN where no pixel counts.
    variance, background_variance
        Filled, float64 [3, x]: of the flux, and the part of it that is of the background.
    """
    ny, nx = image.shape
    terms = max(order + 1, 1)
    rows = around.sum()
    heights = np.ones((ny, 2 * terms - 1))
    for y in range(ny):
        at = -1.0 + 2.0 * y / (ny - 1) if ny > 1 else -1.0
        for j in range(1, 2 * terms - 1):
            heights[y, j] = heights[y, j - 1] * at

    sums = np.empty((5, _COLUMNS))
    moments = np.empty((2 * terms - 1, _COLUMNS))
    right = np.empty((terms, _COLUMNS))
    inside = np.empty((2, terms, _COLUMNS))  # moments of the aperture, of its good pixels
    fitted = np.empty((terms, _COLUMNS))
    share = np.empty((terms, _COLUMNS))  # of a pixel of the region in the background
    use = np.empty((ny, _COLUMNS), np.bool_)
    values = np.empty((max(rows, 1), _COLUMNS), np.float32)
    left = np.empty((3, _COLUMNS))
    shares = np.empty(_COLUMNS)
    matrix = np.empty((terms, terms))
    inverse = np.empty((terms, terms))

    for x0 in range(0, nx, _COLUMNS):
        n = min(_COLUMNS, nx - x0)
        sums[:] = 0.0
        moments[:] = 0.0
        right[:] = 0.0
        inside[:] = 0.0
        left[:] = 0.0
        row = 0
        for y in range(ny):
            if within[y]:
                _apertures(image, var, aperture, y, x0, n, sums)
                if order != NONE:
                    line = image[y, x0 : x0 + n]
                    weights = aperture[y, x0 : x0 + n]
                    for j in range(terms):
                        height = heights[y, j]
                        whole = inside[0, j]
                        good = inside[1, j]
                        for k in range(n):
                            weight = weights[k] * height
                            whole[k] += weight
                            good[k] += weight if line[k] * 0 == 0 else 0.0
            if not around[y]:
                continue
            used = use[y]
            _usable(image, var, region, y, x0, n, used)
            under = level[y, x0 : x0 + n]
            if order == MEDIAN:
                near = region[y, x0 : x0 + n]
                for k in range(n):
                    known = near[k] & (under[k] * 0 == 0)
                    values[row, k] = under[k] if known else np.inf
                    right[0, k] += known
                    moments[0, k] += used[k]
                row += 1
                continue
            for k in range(n):
                used[k] = used[k] & (under[k] * 0 == 0)
            for j in range(2 * terms - 1):
                height = heights[y, j]
                moment = moments[j]
                for k in range(n):
                    moment[k] += height if used[k] else 0.0
            for j in range(terms):
                height = heights[y, j]
                side = right[j]
                for k in range(n):
                    side[k] += height * np.float64(under[k]) if used[k] else 0.0

        if order == MEDIAN and rows > 0:
            sort_lanes(values[:, :n], network)
        for k in range(n):
            x = x0 + k
            if order == MEDIAN:
                count = int(right[0, k])
                fitted[0, k] = np.nan
                if count > 0:
                    low = np.float64(values[(count - 1) // 2, k])
                    fitted[0, k] = 0.5 * (low + np.float64(values[count // 2, k]))
                share[0, k] = inside[0, 0, k] / moments[0, k] if moments[0, k] > 0 else 0.0
            elif order != NONE:
                for i in range(terms):
                    for j in range(terms):
                        matrix[i, j] = moments[i + j, k]
                inverted(matrix, inverse)
                for i in range(terms):
                    fitted[i, k] = 0.0
                    share[i, k] = 0.0
                    for j in range(terms):
                        fitted[i, k] += inverse[i, j] * right[j, k]
                        share[i, k] += inverse[i, j] * inside[0, j, k]
            below = 0.0
            if order != NONE:
                for j in range(terms):
                    below += fitted[j, k] * inside[1, j, k]
            # a background that is not known leaves no pixel
            known = below == below
            background[x] = below if known else 0.0
            npixels[x] = sums[1, k] if known else 0.0
            # the official closeness to none
            flux[x] = sums[0, k] - below if abs(npixels[x]) > 1e-8 else np.nan
            for v in range(3):
                variance[v, x] = sums[2 + v, k] if known else 0.0

        for y in range(ny):
            if not around[y]:
                continue
            used = use[y]
            shares[:n] = 0.0
            for j in range(terms):
                height = heights[y, j]
                part = share[j]
                for k in range(n):
                    shares[k] += part[k] * height
            for k in range(n):
                shares[k] = shares[k] * shares[k] if used[k] else 0.0
            for v in range(3):
                plane = var[v][y, x0 : x0 + n]
                total = left[v]
                for k in range(n):
                    noise = np.float64(plane[k]) * shares[k]
                    total[k] += noise if noise == noise else 0.0
        scale = _MEDIAN_VARIANCE if order == MEDIAN else 1.0
        for v in range(3):
            for k in range(n):
                background_variance[v, x0 + k] = scale * left[v, k]
                variance[v, x0 + k] += scale * left[v, k]
