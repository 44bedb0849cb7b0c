"""What a ramp is like without its noise, and what is left of each group: arrays of one strip.

Groups are evenly spaced, so that times are numbers of groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.kernels.flicker_median import free_values, median_of
from jwinteractive.kernels.lanes import middle

__all__ = [
    "box_medians",
    "drafts",
    "fill_gaps",
    "grown",
    "judged",
    "leftovers",
    "medians",
    "smoothed",
]

_UNUSABLE = np.uint8(dq.DO_NOT_USE | dq.SATURATED)
_JUMP = np.uint8(dq.JUMP_DET)
_NONE = np.uint8(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _step(
    low: Array, high: Array, before: Array, after: Array, weight: Array, total: Array, sums: Array
) -> None:
    """Add the differences of two rows that are of use, weighted."""
    w = weight[0]
    for x in range(len(total)):
        good = (before[x] | after[x]) & _UNUSABLE == _NONE and after[x] & _JUMP == _NONE
        rise = high[x] - low[x]
        good = good and rise == rise
        total[x] += w * rise if good else np.float32(0)
        sums[x] += w if good else np.float32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def drafts(data: Array, groupdq: Array) -> Array:
    """Slopes of ramps [integration, group, y, x] in DN a group: float32 [integration, y, x].

    Differences without jumps are weighted as in a line fitted to reads of equal noise; NaN where
    there is none.
    """
    nint, ngroup, ny, nx = data.shape
    out = np.empty((nint, ny, nx), np.float32)
    sums = np.empty(nx, np.float32)
    weight = np.empty((max(ngroup - 1, 0), 1), np.float32)
    for g in range(ngroup - 1):
        weight[g, 0] = (g + 1) * (ngroup - 1 - g)
    for i in range(nint):
        for y in range(ny):
            total = out[i, y]
            total[:] = 0
            sums[:] = 0
            for g in range(ngroup - 1):
                _step(
                    data[i, g, y],
                    data[i, g + 1, y],
                    groupdq[i, g, y],
                    groupdq[i, g + 1, y],
                    weight[g],
                    total,
                    sums,
                )
            for x in range(nx):
                total[x] = total[x] / sums[x] if sums[x] > 0 else np.float32(np.nan)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _close(data: Array, x: int, first: int, end: int) -> None:
    """Take the mean of a segment of a ramp off its groups; of a single one nothing is left."""
    total, count = np.float32(0), 0
    for g in range(first, end):
        value = data[g, x]
        if value == value:
            total += value
            count += 1
    mean = total / np.float32(count) if count > 1 else np.float32(np.nan)
    for g in range(first, end):
        data[g, x] -= mean


@njit(cache=True, nogil=True, error_model="numpy")
def leftovers(data: Array, groupdq: Array, slope: Array, free: Array, out: Array) -> None:
    """What is left of groups without a pedestal and a slope, where pixels are free.

    Parameters
    ----------
    data, groupdq
        Ramps [group, y, x] of an integration.
    slope
        What rises in each pixel [y, x], DN a group.
    free
        Pixels to look at, bool [y, x].
    out
        DN [group, y, x], written to. A jump begins a new pedestal. NaN where a sample is of no use,
        where nothing but it tells the pedestal, and in pixels that are not free.
    """
    ngroup, ny, nx = data.shape
    mean = np.empty(nx, np.float32)
    count = np.empty(nx, np.float32)
    broken = np.empty(nx, np.bool_)
    rows = np.empty((ngroup, nx), np.float32)
    for y in range(ny):
        mean[:] = 0
        count[:] = 0
        broken[:] = False
        for g in range(ngroup):
            time = np.float32(g)
            low, flags, rise, row = data[g, y], groupdq[g, y], slope[y], rows[g]
            for x in range(nx):
                value = low[x] - time * rise[x]
                good = flags[x] & _UNUSABLE == _NONE and value == value
                row[x] = value if good else np.float32(np.nan)
                mean[x] += value if good else np.float32(0)
                count[x] += np.float32(1) if good else np.float32(0)
                broken[x] |= flags[x] & _JUMP != _NONE
        for x in range(nx):
            lone = count[x] < 2 or broken[x] or not free[y, x]
            mean[x] = np.float32(np.nan) if lone else mean[x] / count[x]
        for g in range(ngroup):
            row, left = rows[g], out[g, y]
            for x in range(nx):
                left[x] = row[x] - mean[x]
        for x in range(nx):
            if broken[x] and free[y, x]:
                first = 0
                for g in range(1, ngroup):
                    if groupdq[g, y, x] & _JUMP != _NONE:
                        _close(rows, x, first, g)
                        first = g
                _close(rows, x, first, ngroup)
                for g in range(ngroup):
                    out[g, y, x] = rows[g, x]


@njit(cache=True, nogil=True)
def grown(mark: Array, halves: Array) -> Array:
    """Pixels near marked ones: bool [y, x]; ``halves`` [2 r + 1] are the half widths of a disc."""
    ny, nx = mark.shape
    reach = len(halves) // 2
    far = np.uint8(255)
    # distance along the row to a marked pixel, as far as it matters
    near = np.full((ny, nx), far, np.uint8)
    for y in range(ny):
        last = far
        for x in range(nx):
            last = np.uint8(0) if mark[y, x] else (last if last == far else np.uint8(last + 1))
            near[y, x] = last
        last = far
        for x in range(nx - 1, -1, -1):
            last = np.uint8(0) if mark[y, x] else (last if last == far else np.uint8(last + 1))
            near[y, x] = min(near[y, x], last)
    out = np.zeros((ny, nx), np.bool_)
    for y in range(ny):
        for k in range(max(0, y - reach), min(ny, y + reach + 1)):
            half = halves[k - y + reach]
            for x in range(nx):
                out[y, x] |= near[k, x] <= half
    return out


@njit(cache=True, nogil=True)
def medians(data: Array) -> Array:
    """Median of stacks [integration, y, x] over the finite integrations: float32 [y, x]."""
    nint, ny, nx = data.shape
    out = np.empty((ny, nx), np.float32)
    column = np.empty(nint, np.float32)
    for y in range(ny):
        for x in range(nx):
            n = 0
            for i in range(nint):
                value = data[i, y, x]
                if value == value:
                    column[n] = value
                    n += 1
            out[y, x] = middle(column, n) if n else np.float32(np.nan)
    return out


@njit(cache=True, nogil=True)
def box_medians(image: Array, free: Array, tall: int, wide: int, least: float) -> Array:
    """Median of the free pixels of boxes of ``tall`` x ``wide`` pixels: float64 [box, box].

    NaN where fewer than a part ``least`` of a box is free.
    """
    ny, nx = image.shape
    my, mx = -(-ny // tall), -(-nx // wide)
    out = np.empty((my, mx))
    values = np.empty(tall * wide + 1, np.float32)
    inside = np.empty(tall * wide + 1, np.float32)
    for j in range(my):
        for i in range(mx):
            n = 0
            rows, columns = min(ny, (j + 1) * tall), min(nx, (i + 1) * wide)
            for y in range(j * tall, rows):
                part = slice(i * wide, columns)
                n += free_values(image[y, part], free[y, part], values[n:])
            size = (rows - j * tall) * (columns - i * wide)
            out[j, i] = median_of(values, n, inside) if n > least * size else np.nan
    return out


@njit(cache=True, nogil=True)
def fill_gaps(levels: Array) -> None:
    """Fill NaN of an image [y, x] with medians of what is around, from the edges of gaps inwards.

    Nothing is done if all are NaN.
    """
    ny, nx = levels.shape
    around = np.empty(9)
    while True:
        before = levels.copy()
        missing, found = 0, 0
        for y in range(ny):
            for x in range(nx):
                if before[y, x] == before[y, x]:
                    continue
                n = 0
                for j in range(max(0, y - 1), min(ny, y + 2)):
                    for i in range(max(0, x - 1), min(nx, x + 2)):
                        if before[j, i] == before[j, i]:
                            around[n] = before[j, i]
                            n += 1
                missing += 1
                if n:
                    levels[y, x] = np.median(around[:n])
                    found += 1
        if found == missing or found == 0:
            return


@njit(cache=True, nogil=True)
def smoothed(image: Array, taps: Array) -> Array:
    """Image [y, x] smoothed along both axes, float32; 0 beyond its edges.

    ``taps`` [2 r + 1], float32, are the weights of a pixel and its neighbours, alike on both sides.
    """
    ny, nx = image.shape
    reach = len(taps) // 2
    out = np.empty((ny, nx), np.float32)
    row = np.empty(nx + 2 * reach, np.float32)
    for y in range(ny):
        row[:] = 0
        for k in range(max(0, y - reach), min(ny, y + reach + 1)):
            weight, line = taps[k - y + reach], image[k]
            for x in range(nx):
                row[x + reach] += weight * line[x]
        to = out[y]
        to[:] = 0
        for k in range(len(taps)):
            weight = taps[k]
            for x in range(nx):
                to[x] += weight * row[x + k]
    return out


@njit(cache=True, nogil=True)
def judged(image: Array, low: Any, high: Any, unknown: Any, odd: Any) -> tuple[Array, Array]:
    """Bits of the pixels of an image [y, x], uint8, and the image with 0 for NaN, float32.

    ``unknown`` for NaN, ``odd`` for what is not between ``low`` and ``high``.
    """
    ny, nx = image.shape
    bits = np.empty((ny, nx), np.uint8)
    known = np.empty((ny, nx), np.float32)
    for y in range(ny):
        for x in range(nx):
            value = image[y, x]
            there = value == value
            known[y, x] = value if there else np.float32(0)
            inside = (value >= low) & (value <= high)
            bits[y, x] = unknown if not there else (0 if inside else odd)
    return bits, known
