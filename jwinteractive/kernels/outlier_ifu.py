"""Differences between neighbours, and exact medians of the pixels around each.

The sorted columns of a window follow it down the frame; along a row their middle is followed too,
from where it was one pixel before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq as flags

__all__ = ["least_differences", "over_local_medians"]

_DNU = flags.DO_NOT_USE
_LARGEST = np.finfo(np.float64).max


@njit(cache=True, nogil=True, error_model="numpy")
def _line(data: Any, dq: Any, y: int, into: Any) -> None:
    """Row ``y`` with NaN where flagged, a zero on either side; zeros for a row beyond the frame."""
    ny, nx = data.shape
    if y < 0 or y >= ny:
        into[:] = 0
        return
    values, bits, inner = data[y], dq[y], into[1 : nx + 1]
    for x in range(nx):
        inner[x] = np.float64(values[x]) if bits[x] & _DNU == 0 else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _fold(values: Any, before: Any, after: Any, least: Any) -> None:
    """Lower ``least`` to the smaller difference that is known, and raise it from NaN."""
    for x in range(least.shape[0]):
        a = abs(values[x] - before[x])
        b = abs(values[x] - after[x])
        near = a if (a <= b) | (b != b) else b
        now = least[x]
        least[x] = now if (now <= near) | (near != near) else near


@njit(cache=True, nogil=True, error_model="numpy")
def least_differences(data: Any, dq: Any, axis: int, y0: int, y1: int, least: Any) -> None:
    """Smallest absolute difference from a neighbour, of all exposures seen so far.

    Parameters
    ----------
    data, dq
        Values, float32, and flags, uint32 [y, x]; DO_NOT_USE is missing. Beyond the frame lie
        zeros.
    axis
        Along which neighbours lie: 0 for above and below, 1 for left and right.
    y0, y1
        Rows to look at.
    least
        float64 [y, x], NaN before the first exposure: updated.
    """
    nx = data.shape[1]
    before = np.zeros(nx + 2)
    line = np.zeros(nx + 2)
    after = np.zeros(nx + 2)
    if axis == 1:
        for y in range(y0, y1):
            _line(data, dq, y, line)
            _fold(line[1 : nx + 1], line[:nx], line[2:], least[y])
        return
    _line(data, dq, y0 - 1, before)
    _line(data, dq, y0, line)
    for y in range(y0, y1):
        _line(data, dq, y + 1, after)
        _fold(line[1 : nx + 1], before[1 : nx + 1], after[1 : nx + 1], least[y])
        before, line, after = line, after, before


@njit(cache=True, nogil=True, error_model="numpy")
def _entries(values: Any, y: int, into: Any) -> None:
    """Row ``y``, infinite where unknown and only there; zeros for a row beyond the frame."""
    if y < 0 or y >= values.shape[0]:
        into[:] = 0
        return
    line = values[y]
    for x in range(line.shape[0]):
        into[x] = min(line[x], _LARGEST) if line[x] == line[x] else np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _exchange(ordered: Any, n: int, old: Any, new: Any, last: Any) -> None:
    """Take ``old`` out of ``n`` sorted rows and put ``new`` in, column by column."""
    nx = ordered.shape[1]
    last[:] = -np.inf
    for k in range(n - 1):
        here, following = ordered[k], ordered[k + 1]
        for x in range(nx):
            kept = here[x] if here[x] < old[x] else following[x]  # old is the first not below it
            lower = kept if kept < new[x] else new[x]
            here[x] = lower if lower > last[x] else last[x]
            last[x] = kept
    here = ordered[n - 1]
    for x in range(nx):
        here[x] = new[x] if new[x] > last[x] else last[x]


@njit(cache=True, nogil=True, error_model="numpy")
def _count(old: Any, new: Any, count: Any) -> None:
    """Keep how many of each column are known."""
    for x in range(count.shape[0]):
        count[x] += np.int64(old[x] == np.inf) - np.int64(new[x] == np.inf)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sweep(
    ordered: Any,
    count: Any,
    ky: int,
    kx: int,
    floor: float,
    below: Any,
    heads: Any,
    tops: Any,
    line: Any,
    out: Any,
) -> None:
    """Fill a row of `over_local_medians` from the sorted columns about it.

    ``below`` are how many of each column lie in the lower half of the window, ``tops`` the last of
    these and ``heads`` the first of the others.
    """
    lower, total = 0, 0
    pivot = -np.inf
    for x in range(line.shape[0]):
        for c in range(x + kx - 1 if x > 0 else 0, x + kx):
            n = 0
            for k in range(ky):
                n += ordered[k, c] < pivot
            below[c] = n
            heads[c] = ordered[n, c]
            tops[c] = ordered[n - 1, c] if n > 0 else -np.inf
            lower += n
            total += count[c]
        while lower < total // 2:
            at, least = -1, np.inf
            for c in range(x, x + kx):
                nearer = heads[c] < least
                at = c if nearer else at
                least = heads[c] if nearer else least
            below[at] += 1
            tops[at] = heads[at]
            heads[at] = ordered[below[at], at]
            lower += 1
        while lower > total // 2:
            at, most = -1, -np.inf
            for c in range(x, x + kx):
                nearer = tops[c] > most
                at = c if nearer else at
                most = tops[c] if nearer else most
            below[at] -= 1
            heads[at] = most
            tops[at] = ordered[below[at] - 1, at] if below[at] > 0 else -np.inf
            lower -= 1
        if total > 0:
            pivot = heads[x]
            for c in range(x + 1, x + kx):
                pivot = min(pivot, heads[c])
            median = pivot
            if total % 2 == 0:
                most = tops[x]
                for c in range(x + 1, x + kx):
                    most = max(most, tops[c])
                median = (most + pivot) / 2
            if median >= _LARGEST:
                median = np.inf
            out[x] = line[x] / (floor if median < floor else median)
        else:
            out[x] = np.nan
        lower -= below[x]
        total -= count[x]


@njit(cache=True, nogil=True, error_model="numpy")
def over_local_medians(
    values: Any, ky: int, kx: int, floor: float, y0: int, y1: int, out: Any
) -> None:
    """Each value in units of the median of ``ky`` x ``kx`` pixels about it.

    Parameters
    ----------
    values
        float64 [y, x]; NaN does not count, zeros lie beyond the frame.
    ky, kx
        Odd numbers of pixels.
    floor
        What a median is raised to if it is below.
    y0, y1
        Rows to fill.
    out
        Filled, float64 [y, x].
    """
    nx = values.shape[1]
    hy, hx = ky // 2, kx // 2
    wide = nx + 2 * hx
    ordered = np.zeros((ky + 1, wide))
    ordered[ky] = np.inf  # ends each column
    old = np.zeros(wide)
    new = np.zeros(wide)
    last = np.empty(wide)
    count = np.full(wide, ky, np.int64)
    below = np.zeros(wide, np.int64)
    heads = np.empty(wide)
    tops = np.empty(wide)
    for y in range(y0 - hy, y0 + hy):
        _entries(values, y, new[hx : hx + nx])
        _exchange(ordered, ky, old, new, last)
        _count(old, new, count)
    for y in range(y0, y1):
        if y > y0:
            _entries(values, y - hy - 1, old[hx : hx + nx])
        _entries(values, y + hy, new[hx : hx + nx])
        _exchange(ordered, ky, old, new, last)
        _count(old, new, count)
        if ky == 7 and kx == 7:  # numbers that the compiler knows unroll the loops
            _sweep(ordered, count, 7, 7, floor, below, heads, tops, values[y], out[y])
        else:
            _sweep(ordered, count, ky, kx, floor, below, heads, tops, values[y], out[y])
