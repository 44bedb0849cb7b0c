"""Areas that slanted pixels share with the cells of a grid."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
from numba import njit

__all__ = ["add_overlaps", "shared_area"]

_MOST = 16  # corners of a convex polygon of four, cut four times, and some


@njit(cache=True, nogil=True, error_model="numpy")
def _cut(
    x: Any, y: Any, count: int, axis: int, at: float, above: bool, out_x: Any, out_y: Any
) -> int:
    """Part of a polygon on one side of a line along an axis; its number of corners."""
    kept = 0
    for k in range(count):
        following = (k + 1) % count
        here = (x[k] if axis == 0 else y[k]) - at
        there = (x[following] if axis == 0 else y[following]) - at
        if not above:
            here, there = -here, -there
        if here >= 0:
            out_x[kept] = x[k]
            out_y[kept] = y[k]
            kept += 1
        if (here >= 0) != (there >= 0):
            part = here / (here - there)
            out_x[kept] = x[k] + part * (x[following] - x[k])
            out_y[kept] = y[k] + part * (y[following] - y[k])
            kept += 1
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def shared_area(x: Any, y: Any, i: int, j: int, work: Any) -> float:
    """Area of a convex polygon, corners x and y in turn, within the cell about (i, j).

    ``work`` is float64 [4, 16], used up.
    """
    count = len(x)
    count = _cut(x, y, count, 0, i - 0.5, True, work[0], work[1])
    count = _cut(work[0], work[1], count, 0, i + 0.5, False, work[2], work[3])
    count = _cut(work[2], work[3], count, 1, j - 0.5, True, work[0], work[1])
    count = _cut(work[0], work[1], count, 1, j + 0.5, False, work[2], work[3])
    area = 0.0
    for k in range(count):
        following = (k + 1) % count
        area += work[2, k] * work[3, following] - work[2, following] * work[3, k]
    return 0.5 * abs(area)


@njit(cache=True, nogil=True, error_model="numpy")
def add_overlaps(
    x: Any,
    y: Any,
    low: Any,
    high: Any,
    planes: int,
    ny: int,
    nx: int,
    pixel: Any,
    spaxel: Any,
    weight: Any,
) -> int:
    """Volumes that pixels share with the spaxels of a cube; how many there are.

    Filled as far as the arrays reach: with none, of length 0, they are counted.

    Parameters
    ----------
    x, y
        Corners of the pixels in turn, in spaxels, float64 [pixel, 4].
    low, high
        Their ends in planes, float64 [pixel].
    planes, ny, nx
        Of the cube.
    pixel, spaxel, weight
        Filled, [entry].
    """
    work = np.empty((4, _MOST))
    found = 0
    for p in range(len(low)):
        known = low[p] * 0 == 0 and high[p] * 0 == 0
        for k in range(4):
            known &= x[p, k] * 0 == 0 and y[p, k] * 0 == 0
        if not known:
            continue
        left = max(ceil(x[p].min() - 0.5), 0)
        right = min(floor(x[p].max() + 0.5), nx - 1)
        bottom = max(ceil(y[p].min() - 0.5), 0)
        top = min(floor(y[p].max() + 0.5), ny - 1)
        first = max(ceil(low[p] - 0.5), 0)
        last = min(floor(high[p] + 0.5), planes - 1)
        for j in range(bottom, top + 1):
            for i in range(left, right + 1):
                area = shared_area(x[p], y[p], i, j, work)
                if not area > 0:
                    continue
                for k in range(first, last + 1):
                    depth = min(high[p], k + 0.5) - max(low[p], k - 0.5)
                    if not depth > 0:
                        continue
                    if found < len(pixel):
                        pixel[found] = p
                        spaxel[found] = (k * ny + j) * nx + i
                        weight[found] = area * depth
                    found += 1
    return found
