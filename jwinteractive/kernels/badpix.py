"""Statistics of each pixel over many exposures, one vector lane a column.

Source: dossier 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.lanes import sort_lanes
from jwinteractive.kernels.surroundings import middle_row

__all__ = ["blend", "compare"]

_MAD = np.float32(1.4826)
_INF = np.float32(np.inf)
_AROUND = np.float32(0.46)
"""rms of the median of eight neighbours, in units of that of one."""
_ROUGH = np.float32(2)
"""A surrounding that scatters by more of its noise has structure of its own."""

_LEAST = np.float32(0.25)
"""Of the variance of a pixel, what one like its surroundings has at least."""


@njit(cache=True, nogil=True, error_model="numpy")
def _on_sources(rate: Any, y: int, around: Any, ordered: Any, eight: Any, nets: Any) -> None:
    """Median light of the eight neighbours in each exposure less what is always there.

    ``around`` [exposure, x] is filled; ``nets`` are networks that sort 8 rows and all exposures.
    """
    depth, nx = around.shape
    for k in range(depth):
        c = 0
        for dy in range(3):
            for dx in range(3):
                if dy != 1 or dx != 1:
                    row = rate[k, y + dy, dx : dx + nx]
                    for x in range(nx):
                        eight[c, x] = row[x]
                    c += 1
        sort_lanes(eight, nets[0])
        for x in range(nx):
            around[k, x] = np.float32(0.5) * (eight[3, x] + eight[4, x])
            ordered[k, x] = around[k, x]
    sort_lanes(ordered, nets[1])
    least = ordered[(depth - 1) // 4]
    for k in range(depth):
        for x in range(nx):
            around[k, x] -= least[x]


@njit(cache=True, nogil=True, error_model="numpy")
def blend(
    rate: Any,
    err: Any,
    nets: Any,
    limit: float,
    middle: Any,
    scatter: Any,
    error: Any,
    spread: Any,
    good: Any,
) -> None:
    """Combine the exposures of some rows; exposures that see a source near a pixel are left out.

    Parameters
    ----------
    rate
        Without the sky [exposure, y + 2, x + 2] float32; 0 in the margin and where bad.
    err
        Of the same shape; infinite where bad.
    nets
        Networks that sort 8 rows and all exposures.
    limit
        Light of the neighbours beyond that in other exposures, in sigma, that tells a source.
    middle, scatter, error
        Filled [y, x]: median rate, 1.4826 MAD and median error; NaN without a good exposure.
    spread
        Filled: sum of the squared deviations from the median in units of their error, the largest
        left out.
    good
        Filled: exposures used, uint16.
    """
    depth, rows, nx = rate.shape[0], middle.shape[0], middle.shape[1]
    around = np.empty((depth, nx), np.float32)
    values = np.empty((depth, nx), np.float32)
    ordered = np.empty((depth, nx), np.float32)
    eight = np.empty((8, nx), np.float32)
    largest = np.empty(nx, np.float32)
    factor = np.float32(limit) * _AROUND
    for y in range(rows):
        _on_sources(rate, y, around, ordered, eight, nets)
        n = good[y]
        n[:] = 0
        for k in range(depth):
            r = rate[k, y + 1, 1 : nx + 1]
            e = err[k, y + 1, 1 : nx + 1]
            for x in range(nx):
                use = (e[x] < _INF) & (around[k, x] <= factor * e[x])
                n[x] += use
                values[k, x] = r[x] if use else _INF
                ordered[k, x] = values[k, x]
        sort_lanes(ordered, nets[1])
        middle_row(ordered, n, middle[y])
        spread[y] = 0
        largest[:] = 0
        centre, total = middle[y], spread[y]
        for k in range(depth):
            e = err[k, y + 1, 1 : nx + 1]
            for x in range(nx):
                used = values[k, x] < _INF
                off = values[k, x] - centre[x]
                ordered[k, x] = abs(off) if used else _INF
                square = (off / e[x]) ** 2 if used else np.float32(0)
                total[x] += square
                largest[x] = max(largest[x], square)
        for x in range(nx):
            total[x] -= largest[x]
        sort_lanes(ordered, nets[1])
        middle_row(ordered, n, scatter[y])
        for k in range(depth):
            e = err[k, y + 1, 1 : nx + 1]
            for x in range(nx):
                ordered[k, x] = e[x] if values[k, x] < _INF else _INF
        sort_lanes(ordered, nets[1])
        middle_row(ordered, n, error[y])
        for x in range(nx):
            scatter[y, x] *= _MAD


@njit(cache=True, nogil=True, error_model="numpy")
def compare(
    rate: Any,
    level: Any,
    spread: Any,
    count: Any,
    error: Any,
    good: Any,
    factors: Any,
    by_rate: float,
    sigma: Any,
    z: Any,
) -> None:
    """Difference of each pixel from its surroundings in units of its noise: all [y, x] float32.

    Parameters
    ----------
    factors
        Variance of the median of n exposures in units of that of one, by n.
    by_rate
        Variance of one exposure that goes with a unit of rate. Noise is that which a pixel like its
        surroundings has: a rate that is high by chance must not look more noisy.
    sigma, z
        Filled: noise of rate minus level, and the difference in units of it.
    """
    ny, nx = rate.shape
    for y in range(ny):
        for x in range(nx):
            square = error[y, x] ** 2
            like = square - np.float32(by_rate) * (rate[y, x] - level[y, x])
            like = max(_LEAST * square, min(like, square / _LEAST))
            own = np.sqrt(like * factors[good[y, x]])
            rough = spread[y, x] > _ROUGH * own
            around = spread[y, x] if rough else own
            variance = own**2 + around**2 * np.float32(np.pi / 2) / max(count[y, x], 1)
            if rough:  # the pixel, too, has a part in the structure
                variance += around**2 - own**2
            sigma[y, x] = np.sqrt(variance)
            z[y, x] = (rate[y, x] - level[y, x]) / sigma[y, x]
