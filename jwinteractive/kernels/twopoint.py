"""Jumps by the two-point difference: how far a difference of groups lies from the median one.

Works on data [nint, ngroup, npix] in tiles of `LANES` pixels. A sorting network orders the
differences of a whole tile at once, one vector lane a pixel; only pixels whose extreme
difference comes near the threshold are looked at one by one, by the exact rule.

Sources: Anderson & Gordon 2011 (PASP 123, 1237); dossier sections 1.4 and 1.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.kernels.lanes import LANES, sort_lanes

__all__ = ["clip_jumps", "find_jumps", "pixel_differences"]

_JUMP = dq.JUMP_DET
_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED
_NEAR = 1 - 1e-6  # below the square of a threshold by more than float32 rounding
_ROUNDS = 5  # of sigma clipping


@njit(cache=True, nogil=True, error_model="numpy")
def _tile_differences(
    data: Any, groupdq: Any, gain: Any, p0: int, n: int, absolute: bool, rows: Any, usable: Any
) -> None:
    """Differences of neighbouring groups, e-, of a tile; +inf where one is unusable."""
    nint, ngroup, _ = data.shape
    before = np.empty(LANES, np.float32)
    factor = gain[p0 : p0 + n]
    usable[:] = 0
    k = 0
    for i in range(nint):
        for g in range(ngroup):
            now = data[i, g, p0 : p0 + n]
            flags = groupdq[i, g, p0 : p0 + n]
            if g == 0:
                for p in range(n):
                    before[p] = np.float32(np.nan) if flags[p] & _UNUSABLE else now[p] * factor[p]
                continue
            row = rows[k]
            for p in range(n):
                value = np.float32(np.nan) if flags[p] & _UNUSABLE else now[p] * factor[p]
                change = value - before[p]
                before[p] = value
                good = change == change
                usable[p] += np.int32(1) if good else np.int32(0)
                change = abs(change) if absolute else change
                row[p] = change if good else np.float32(np.inf)
            k += 1


@njit(cache=True, nogil=True)
def pixel_differences(data: Any, groupdq: Any, gain: Any, p: int, out: Any) -> None:
    """Differences of neighbouring groups [nint, ngroup - 1], e-, of one pixel; NaN if unusable."""
    nint, ngroup, _ = data.shape
    factor = gain[p]
    for i in range(nint):
        before = np.float32(np.nan)
        for g in range(ngroup):
            value = data[i, g, p] * factor
            if groupdq[i, g, p] & _UNUSABLE:
                value = np.float32(np.nan)
            if g > 0:
                out[i, g - 1] = value - before
            before = value


@njit(cache=True, nogil=True, error_model="numpy")
def _keep(rows: Any, p: int, n: int, noise2: float, limits: Any) -> tuple[int, int]:
    """Window of the sorted absolute differences of lane ``p`` that are no jumps.

    The largest deviation goes until none exceeds the limit for as many as are left; the median
    is taken without the largest difference when four or more are.
    """
    low = 0
    high = n
    first = True
    while high - low >= 2:
        left = high - low
        if left >= 4:
            end = high - 1
            while end > low and rows[end - 1, p] == rows[high - 1, p]:
                end -= 1
            left_below = end - low
            if left_below == 0:
                break
            median = (
                np.float64(rows[low + ((left_below - 1) >> 1), p])
                + np.float64(rows[low + (left_below >> 1), p])
            ) * 0.5
        elif left == 3:
            median = np.float64(rows[low + 1, p])
        else:
            median = np.float64(rows[low, p])
        if not first:  # the official loop keeps later medians in float32
            median = np.float64(np.float32(median))
        sigma = np.sqrt(abs(median) + noise2)
        if not sigma > 0:
            break
        limit = limits[min(left, 4)]
        above = abs(np.float64(np.float32(rows[high - 1, p] - median))) / sigma
        below = abs(np.float64(np.float32(rows[low, p] - median))) / sigma
        worst = max(above, below)
        if not worst > limit:
            break
        while high > low:
            if abs(np.float64(np.float32(rows[high - 1, p] - median))) / sigma != worst:
                break
            high -= 1
        while high > low:
            if abs(np.float64(np.float32(rows[low, p] - median))) / sigma != worst:
                break
            low += 1
        first = False
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def find_jumps(
    data: Any,
    groupdq: Any,
    gain: Any,
    noise2: Any,
    limits: Any,
    iterate: bool,
    network: Any,
    flagged: Any,
) -> None:
    """Flag differences that lie too far from the median difference of their pixel.

    Parameters
    ----------
    data, groupdq
        Ramps [nint, ngroup, npix] in DN and their flags.
    gain
        e-/DN [npix].
    noise2
        Variance of a difference from read noise [npix], e-².
    limits
        Rejection thresholds in sigma by number of usable differences: 2, 3, and 4 for more.
    iterate
        Take one jump at a time and find the median anew; otherwise all at once.
    network
        Sorting network for nint (ngroup - 1) rows.
    flagged
        Flags [nint, ngroup, npix] that get JUMP_DET, in place.
    """
    nint, ngroup, npix = data.shape
    many = nint * (ngroup - 1)
    rows = np.zeros((many, LANES), np.float32)
    usable = np.empty(LANES, np.int32)
    quiet = np.empty(LANES, np.bool_)
    own = np.empty((nint, ngroup - 1), np.float32)
    counted = many - 1 if iterate and many >= 4 else many
    lower = (counted - 1) >> 1 if many != 2 or not iterate else 0
    upper = counted >> 1 if many != 2 or not iterate else 0
    near = _NEAR * limits[min(many, 4) if iterate else 4] ** 2
    for p0 in range(0, npix, LANES):
        n = min(LANES, npix - p0)
        _tile_differences(data, groupdq, gain, p0, n, iterate, rows, usable)
        sort_lanes(rows, network)
        for p in range(n):
            median = (np.float64(rows[lower, p]) + np.float64(rows[upper, p])) * 0.5
            largest = np.float64(rows[many - 1, p])
            away = max(largest - median, median - np.float64(rows[0, p]))
            inside = away * away <= near * (abs(median) + noise2[p0 + p])
            # of equal largest ones the median leaves out all, not just one
            single = not iterate or many < 4 or rows[many - 1, p] != rows[many - 2, p]
            quiet[p] = inside & single & (usable[p] == many)
        for p in range(n):
            if quiet[p] or usable[p] == 0:
                continue
            left = usable[p]
            pixel = p0 + p
            if iterate:
                low, high = _keep(rows, p, left, noise2[pixel], limits)
                if low == 0 and high == left:
                    continue
                # jumps are what lies outside the window: no value is on both sides of its ends
                floor = rows[low - 1, p] if low > 0 else np.float32(-1)
                ceiling = rows[high, p] if high < left else np.float32(np.nan)
                pixel_differences(data, groupdq, gain, pixel, own)
                for i in range(nint):
                    for k in range(ngroup - 1):
                        size = abs(own[i, k])
                        if size >= ceiling or size <= floor:
                            flagged[i, k + 1, pixel] |= _JUMP
            else:
                median = (
                    np.float64(rows[(left - 1) >> 1, p]) + np.float64(rows[left >> 1, p])
                ) * 0.5
                sigma = np.sqrt(abs(median) + noise2[pixel])
                if not sigma > 0:
                    continue
                pixel_differences(data, groupdq, gain, pixel, own)
                for i in range(nint):
                    for k in range(ngroup - 1):
                        away = abs(np.float64(own[i, k]) - median) / sigma
                        if away > limits[4] and np.isfinite(own[i, k]):
                            flagged[i, k + 1, pixel] |= _JUMP


@njit(cache=True, nogil=True, error_model="numpy")
def clip_jumps(
    data: Any, groupdq: Any, gain: Any, limit: float, each: bool, network: Any, flagged: Any
) -> None:
    """Flag differences by sigma clipping over integrations.

    As `find_jumps`; ``each`` compares the same difference of all integrations, otherwise all
    differences of a pixel are one sample. ``network`` sorts that many rows.
    """
    nint, ngroup, npix = data.shape
    many = nint if each else nint * (ngroup - 1)
    rows = np.zeros((many, LANES), np.float32)
    usable = np.empty(LANES, np.int32)
    for first in range(1, ngroup if each else 2):
        last = first + 1 if each else ngroup
        for p0 in range(0, npix, LANES):
            n = min(LANES, npix - p0)
            _tile_differences(
                data[:, first - 1 : last], groupdq[:, first - 1 : last], gain, p0, n, False, rows,
                usable,
            )  # fmt: skip
            sort_lanes(rows, network)
            for p in range(n):
                pixel = p0 + p
                left = usable[p]
                while left > 0 and np.isinf(rows[left - 1, p]):
                    left -= 1
                if left == 0:
                    continue
                low, high = _bounds(rows, p, left, limit)
                if rows[0, p] >= low and rows[left - 1, p] <= high:
                    continue
                for i in range(nint):
                    for g in range(first, last):
                        if (groupdq[i, g, pixel] | groupdq[i, g - 1, pixel]) & _UNUSABLE:
                            continue
                        now = data[i, g, pixel] * gain[pixel]
                        change = np.float64(now - data[i, g - 1, pixel] * gain[pixel])
                        if (change < low or change > high) and np.isfinite(change):
                            flagged[i, g, pixel] |= _JUMP


@njit(cache=True, nogil=True, error_model="numpy")
def _bounds(rows: Any, p: int, n: int, limit: float) -> tuple[float, float]:
    """Bounds of sigma clipping around the median of the ``n`` sorted values of lane ``p``."""
    start = 0
    end = n
    low = -np.inf
    high = np.inf
    for _ in range(_ROUNDS):
        count = end - start
        mean = 0.0
        for k in range(start, end):
            mean += rows[k, p]
        mean /= count
        spread = 0.0
        for k in range(start, end):
            spread += (mean - rows[k, p]) ** 2
        spread = np.sqrt(spread / count)
        median = np.float64(rows[start + ((count - 1) >> 1), p])
        median = (median + np.float64(rows[start + (count >> 1), p])) * 0.5
        low = median - limit * spread
        high = median + limit * spread
        while end > start and rows[end - 1, p] > high:
            end -= 1
        while end > start and rows[start, p] < low:
            start += 1
        if end - start == count or end == start:
            break
    return low, high
