"""Medians of the free pixels of lines: a bracket, passes that count, and what is left.

A median of hundreds needs most of them only counted, many at a time: the mean and the spread of
noise enclose it, or the sorted sample of values that lie otherwise. What is between is moved
together without a branch. A miss is seen by its count and selected from all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.lanes import middle, select

__all__ = [
    "free_values",
    "known",
    "line_medians",
    "median_of",
    "middle_of",
    "sampled_spread",
    "sorted_medians",
]

_FEW = 64  # values, below which counting saves nothing
_NEAR = np.float32(0.3)  # mean deviations on each side of the mean: a fifth of the values
_ENOUGH = 20  # values that are selected from
_ROUNDS = 3
_FEWEST = 192  # values, below which a sample saves nothing
_SAMPLE = 64
_SPREAD = 48  # values that tell where most lie
_REACH = 8  # ranks of the sample on each side: two standard deviations of the median's rank


@njit(cache=True, nogil=True, error_model="numpy")
def free_values(line: Any, free: Any, values: Any) -> int:
    """Move the free finite pixels of a line to the front of ``values``; how many there are."""
    n = 0
    for x in range(line.shape[0]):
        value = line[x]
        values[n] = value
        n += free[x] & (value * np.float32(0) == 0)
    return n


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _mean(values: Any, n: int) -> Any:
    total = np.float32(0)
    for k in range(n):
        total += values[k]
    return total / np.float32(n)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _spread(values: Any, n: int, centre: Any) -> Any:
    total = np.float32(0)
    for k in range(n):
        total += abs(values[k] - centre)
    return total / np.float32(n)


@njit(cache=True, nogil=True)
def _below(values: Any, n: int, limit: Any) -> int:
    count = 0
    for k in range(n):
        count += values[k] < limit
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def _among(values: Any, n: int, low: Any, high: Any, below: int, inside: Any) -> float:
    """Median of the first ``n`` values, which lies from ``low`` to below ``high``.

    ``below`` of them are below ``low``.
    """
    kept = 0
    for k in range(n):
        value = values[k]
        inside[kept] = value
        kept += (value >= low) & (value < high)
    upper, lower = (n >> 1) - below, ((n - 1) >> 1) - below
    found = np.float64(select(inside, kept, upper))
    if lower == upper:
        return found
    before = inside[0]
    for k in range(1, upper):  # all that lies below the upper middle is before it
        before = max(before, inside[k])
    return (np.float64(before) + found) * 0.5


@njit(cache=True, nogil=True, error_model="numpy")
def median_of(values: Any, n: int, inside: Any) -> float:
    """Median of the first ``n`` values, free of NaN; they may change order. NaN if ``n`` is 0.

    The mean and how many lie below two limits beside it enclose the median of values that lie as
    noise does; few are then left to be selected from. ``inside`` is room for ``n`` + 1 values.
    """
    if n < _FEW:
        return middle(values, n)
    lower, upper = (n - 1) >> 1, n >> 1
    centre = _mean(values, n)
    reach = _NEAR * _spread(values, n, centre)
    low, high = centre - reach, centre + reach
    below, under = _below(values, n, low), _below(values, n, high)
    if lower < below or upper >= under:
        return _by_sample(values, n, inside)
    for _ in range(_ROUNDS):
        if under - below <= _ENOUGH:
            break
        each = (high - low) / np.float32(under - below)
        guess = low + each * np.float32(lower - below + 1)
        left = max(low, guess - np.float32(_ENOUGH) * each * np.float32(0.4))
        right = min(high, guess + np.float32(_ENOUGH) * each * np.float32(0.4))
        fewer, more = _below(values, n, left), _below(values, n, right)
        if lower < fewer:
            high, under = left, fewer
        elif upper >= more:
            low, below = right, more
        else:
            low, high, below, under = left, right, fewer, more
    if lower < below or upper >= under:  # they lie on both sides of a limit
        return _by_sample(values, n, inside)
    return _among(values, n, low, high, below, inside)


@njit(cache=True, nogil=True, error_model="numpy")
def _by_sample(values: Any, n: int, inside: Any) -> float:
    """`median_of` however the values lie: a bracket from a sample of them."""
    if n < _FEWEST:
        return middle(values, n)
    sample = np.empty(_SAMPLE, np.float32)
    for k in range(_SAMPLE):
        value = values[k * n // _SAMPLE]
        at = k
        while at > 0 and sample[at - 1] > value:
            sample[at] = sample[at - 1]
            at -= 1
        sample[at] = value
    low, high = sample[_SAMPLE // 2 - _REACH], sample[_SAMPLE // 2 + _REACH]
    below, under = _below(values, n, low), _below(values, n, high)
    if (n - 1) >> 1 < below or n >> 1 >= under:
        return middle(values, n)
    return _among(values, n, low, high, below, inside)


@njit(cache=True, nogil=True, error_model="numpy")
def sampled_spread(values: Any, n: int) -> tuple[Any, Any]:
    """Median of a sample of the first ``n`` values, and half of what lies between its quartiles.

    Good to a fifth of a standard deviation, which is enough to tell what is far out; half the way
    between quartiles is the median deviation. NaN if ``n`` is 0.
    """
    m = min(n, _SPREAD)
    if m == 0:
        return np.float32(np.nan), np.float32(np.nan)
    sample = np.empty(_SPREAD, np.float32)
    for k in range(m):
        value = values[(2 * k + 1) * n // (2 * m)]  # the same from either end
        at = k
        while at > 0 and sample[at - 1] > value:
            sample[at] = sample[at - 1]
            at -= 1
        sample[at] = value
    centre = (sample[m // 2] + sample[(m - 1) // 2]) * np.float32(0.5)
    return centre, (sample[m - 1 - m // 4] - sample[m // 4]) * np.float32(0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def line_medians(lines: Any, free: Any, edges: Any, pull: float, levels: Any) -> None:
    """Median of the free pixels of each channel of each line, pulled to the level of the line.

    Parameters
    ----------
    lines, free
        Values, float32, and whether they count, bool [line, pixel].
    edges
        First pixel of each channel, and the end of the last.
    pull
        Number of pixels that the level of the line, the mean of all medians by pixels, counts in
        a channel; 0 for none.
    levels
        Filled [line, channel], float32: 0 where no pixel is free.
    """
    count, npix = lines.shape
    channels = len(edges) - 1
    values = np.empty(npix + 1, np.float32)
    inside = np.empty(npix + 1, np.float32)
    own = np.empty(channels)
    pixels = np.empty(channels)
    for y in range(count):
        total, seen = 0.0, 0.0
        for c in range(channels):
            part = slice(edges[c], edges[c + 1])
            n = free_values(lines[y, part], free[y, part], values)
            own[c] = median_of(values, n, inside) if n > 0 else 0.0
            pixels[c] = n
            total += n * own[c]
            seen += n
        whole = total / seen if seen > 0 else 0.0
        for c in range(channels):
            alone = channels == 1 or pull == 0
            share = 1.0 if alone else pixels[c] / (pixels[c] + pull)
            levels[y, c] = own[c] if alone else whole + share * (own[c] - whole)


@njit(cache=True, nogil=True)
def known(ordered: Any) -> int:
    """Number of sorted values before the first NaN."""
    start, end = 0, ordered.shape[0]
    while start < end:
        middle = (start + end) // 2
        if ordered[middle] == ordered[middle]:
            start = middle + 1
        else:
            end = middle
    return start


@njit(cache=True, nogil=True)
def middle_of(ordered: Any, n: int) -> float:
    """Median of the first ``n`` sorted values."""
    upper = np.float64(ordered[n // 2])
    return upper if n % 2 else (np.float64(ordered[n // 2 - 1]) + upper) * 0.5


@njit(cache=True, nogil=True)
def sorted_medians(ordered: Any, levels: Any) -> None:
    """Fill ``levels`` [line, channel] with medians of sorted values [line, channel, pixel].

    What does not count is NaN, at the end; 0 where nothing does.
    """
    for y in range(ordered.shape[0]):
        for c in range(ordered.shape[1]):
            n = known(ordered[y, c])
            levels[y, c] = middle_of(ordered[y, c], n) if n > 0 else 0.0
