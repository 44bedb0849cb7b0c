"""Statistics of clipped values: sorted once, so that what is within limits is a range of them.

Sums of blocks make those of a range cheap. They are taken about a pivot near to the median, in
float64, by which nothing is lost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.flicker_median import free_values

__all__ = [
    "block_sums",
    "clip_mirrored",
    "clip_rounds",
    "differences",
    "places",
    "turned",
    "usable",
    "within",
]

_BLOCK = 1024
_NAN, _ZERO = np.float32(np.nan), np.float32(0)
_TILE = 32


@njit(cache=True, nogil=True)
def usable(image: Any, free: Any, values: Any) -> int:
    """Gather the free finite pixels of an image [y, x] in ``values``; how many there are.

    ``values`` has room for all pixels and one line more.
    """
    n = 0
    for y in range(image.shape[0]):
        n += free_values(image[y], free[y], values[n:])
    return n


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _sums(values: Any, pivot: float) -> tuple[float, float]:
    first = second = 0.0
    for k in range(values.shape[0]):
        off = np.float64(values[k]) - pivot
        first += off
        second += off * off
    return first, second


@njit(cache=True, nogil=True)
def block_sums(values: Any, pivot: float) -> Any:
    """Sums [block + 1, 2] of values less a pivot, and of their squares, before each block."""
    count = len(values) // _BLOCK
    sums = np.zeros((count + 1, 2))
    for k in range(count):
        first, second = _sums(values[k * _BLOCK : (k + 1) * _BLOCK], pivot)
        sums[k + 1, 0] = sums[k, 0] + first
        sums[k + 1, 1] = sums[k, 1] + second
    return sums


@njit(cache=True, nogil=True)
def _moments(values: Any, sums: Any, pivot: float, start: int, end: int) -> tuple[float, float]:
    """Mean less the pivot, and mean square about the pivot, of values ``start`` to ``end``."""
    a, b = -(-start // _BLOCK), end // _BLOCK
    if a >= b:
        first, second = _sums(values[start:end], pivot)
    else:
        before = _sums(values[start : a * _BLOCK], pivot)
        after = _sums(values[b * _BLOCK : end], pivot)
        first = before[0] + (sums[b, 0] - sums[a, 0]) + after[0]
        second = before[1] + (sums[b, 1] - sums[a, 1]) + after[1]
    return first / (end - start), second / (end - start)


@njit(cache=True, nogil=True)
def _place(values: Any, start: int, end: int, key: float, after: bool) -> int:
    """First place from ``start`` to ``end`` of a value not below ``key``, or ``after`` above it."""
    while start < end:
        middle = (start + end) // 2
        value = np.float64(values[middle])
        if value < key or (after and value == key):
            start = middle + 1
        else:
            end = middle
    return start


@njit(cache=True, nogil=True)
def places(values: Any, keys: Any, after: bool) -> Any:
    """Places of keys in sorted values: before their equals, or after them."""
    found = np.empty(len(keys), np.int64)
    for k in range(len(keys)):
        found[k] = _place(values, 0, len(values), keys[k], after)
    return found


@njit(cache=True, nogil=True)
def clip_rounds(
    values: Any, sums: Any, pivot: float, sigma: float, rounds: int
) -> tuple[float, float, float]:
    """Mean, median and standard deviation of sorted values, those far from the median left out.

    In each round, what is more than ``sigma`` standard deviations from the median of what is left
    goes; the last limits are put to all values.
    """
    start, end = 0, len(values)
    low, high = -np.inf, np.inf
    for _ in range(rounds):
        mean, square = _moments(values, sums, pivot, start, end)
        reach = sigma * np.sqrt(max(square - mean * mean, 0.0))
        middle = _middle(values, start, end)
        low, high = middle - reach, middle + reach
        a, b = _place(values, start, end, low, False), _place(values, start, end, high, True)
        if (a == start and b == end) or a >= b:
            break
        start, end = a, b
    start, end = (
        _place(values, 0, len(values), low, False),
        _place(values, 0, len(values), high, True),
    )
    if start >= end:
        return np.nan, np.nan, np.nan
    mean, square = _moments(values, sums, pivot, start, end)
    deviation = np.sqrt(max(square - mean * mean, 0.0))
    return pivot + mean, _middle(values, start, end), deviation


@njit(cache=True, nogil=True)
def _middle(values: Any, start: int, end: int) -> float:
    half = (start + end) // 2
    upper = np.float64(values[half])
    return upper if (end - start) % 2 else (np.float64(values[half - 1]) + upper) / 2


@njit(cache=True, nogil=True)
def clip_mirrored(
    values: Any, sums: Any, pivot: float, centre: float, sigma: float, rounds: int
) -> float:
    """Standard deviation, clipped as in `clip_rounds`, of values up to a centre and their mirror.

    Their mean and median are the centre. NaN if no value is as low.
    """
    end = _place(values, 0, len(values), centre, True)
    start, low = 0, -np.inf
    off = centre - pivot
    for k in range(rounds + 1):
        if k == rounds:
            start = _place(values, 0, end, low, False)
        if start >= end:
            return np.nan
        mean, square = _moments(values, sums, pivot, start, end)
        deviation = np.sqrt(max(square - 2 * off * mean + off * off, 0.0))
        if k == rounds:
            break
        low = centre - sigma * deviation
        a = _place(values, start, end, low, False)
        if a == start:
            break
        start = a
    return float(deviation)


@njit(cache=True, nogil=True)
def within(image: Any, free: Any, low: Any, high: Any, level: Any, left: Any) -> None:
    """Fill ``left`` with the free pixels [y, x] from ``low`` to ``high`` less a level, or NaN."""
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            value = image[y, x]
            good = free[y, x] & (value >= low) & (value <= high) & (value - value == _ZERO)
            left[y, x] = value - level if good else _NAN


@njit(cache=True, nogil=True)
def turned(image: Any, out: Any) -> None:
    """Fill ``out`` [x, y] with an image [y, x], tile by tile, so that neither is read far apart."""
    ny, nx = image.shape
    for y0 in range(0, ny, _TILE):
        for x0 in range(0, nx, _TILE):
            for x in range(x0, min(x0 + _TILE, nx)):
                for y in range(y0, min(y0 + _TILE, ny)):
                    out[x, y] = image[y, x]


@njit(cache=True, nogil=True)
def differences(data: Any, groupdq: Any, unusable: Any, rise: Any) -> None:
    """Fill ``rise`` [integration x difference, y, x] with each group less the one before.

    NaN where the later group has one of the ``unusable`` flags.
    """
    nint, ngroup, ny, nx = data.shape
    none = np.uint8(0)
    for i in range(nint):
        for g in range(1, ngroup):
            for y in range(ny):
                before, after = data[i, g - 1, y], data[i, g, y]
                flags, line = groupdq[i, g, y], rise[i * (ngroup - 1) + g - 1, y]
                for x in range(nx):
                    step = after[x] - before[x]
                    line[x] = step if flags[x] & unusable == none else _NAN
