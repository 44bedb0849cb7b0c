"""Clipped means, running medians and their subtraction: the arithmetic of reference pixels.

Source: dossier 3.1 and 3.4. Means and medians are float64 whatever the samples are, so that they
do not depend on the order of summation in any digit that float32 data can show.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from jwinteractive.data import Array

__all__ = ["clipped_means", "running_median", "subtract"]


@njit(cache=True, nogil=True)
def _clipped_mean(values: Array, n: int, limit: float) -> float:
    while n > 0:
        mean = 0.0
        for k in range(n):
            mean += values[k]
        mean /= n
        variance = 0.0
        for k in range(n):
            variance += (values[k] - mean) ** 2
        reach = limit * np.sqrt(variance / n)
        kept = 0
        for k in range(n):
            if mean - reach <= values[k] <= mean + reach:
                values[kept] = values[k]
                kept += 1
        if kept in (0, n):
            return mean
        n = kept
    return np.nan


@njit(cache=True, nogil=True)
def clipped_means(samples: Array, starts: Array, limit: float) -> Array:
    """Mean of each class of samples after those beyond ``limit`` standard deviations are gone.

    Parameters
    ----------
    samples
        DN [integration, group, sample], sorted by class; what is not finite is left out.
    starts
        First sample of each class, and the end of the last.
    limit
        Standard deviations from the mean; the clipping repeats until nothing is removed.

    Returns
    -------
    Array
        Means [integration, group, class] in DN, NaN for a class without samples.
    """
    nint, ngroup, _ = samples.shape
    classes = len(starts) - 1
    means = np.empty((nint, ngroup, classes))
    values = np.empty(max(samples.shape[2], 1))
    for i in range(nint):
        for g in range(ngroup):
            for c in range(classes):
                n = 0
                for k in range(starts[c], starts[c + 1]):
                    if np.isfinite(samples[i, g, k]):
                        values[n] = samples[i, g, k]
                        n += 1
                means[i, g, c] = _clipped_mean(values, n, limit)
    return means


@njit(cache=True, nogil=True)
def _place(window: Array, n: int, value: float) -> int:
    """First position in the sorted ``window`` of ``n`` values that is not below ``value``."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if window[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _move(window: Array, n: int, values: Array, good: Array, row: int, enter: bool) -> int:
    """Put a row's good values into the sorted window, or take them out; returns its new length."""
    if row < 0 or row >= len(values):
        return n
    for column in range(values.shape[1]):
        value = values[row, column]
        if not good[row, column] or not np.isfinite(value):
            continue
        at = _place(window, n, value)
        if enter:
            for k in range(n, at, -1):
                window[k] = window[k - 1]
            window[at] = value
            n += 1
        else:
            n -= 1
            for k in range(at, n):
                window[k] = window[k + 1]
    return n


@njit(cache=True, nogil=True)
def running_median(values: Array, good: Array, first: int, height: int, length: int) -> Array:
    """Median of the good values within ``length`` rows around each row.

    Parameters
    ----------
    values
        DN [integration, group, row, column], float64.
    good
        Which to use, bool [row, column].
    first, height
        Detector row of the first row, and rows of the detector: the window is mirrored at the
        detector's ends and finds nothing in rows that were not read.
    length
        Rows of the window; of an even number the surplus one lies on the low side.

    Returns
    -------
    Array
        Medians [integration, group, row] in DN, NaN where nothing is good.
    """
    nint, ngroup, rows, columns = values.shape
    medians = np.empty((nint, ngroup, rows))
    window = np.empty(length * columns + 1)
    half = length // 2
    for i in range(nint):
        for g in range(ngroup):
            n = 0
            for r in range(1 - length, rows):
                # At r the window covers the padded rows from r - half to r - half + length - 1.
                new = first + r - half + length - 1
                new = -new if new < 0 else new if new < height else 2 * (height - 1) - new
                n = _move(window, n, values[i, g], good, new - first, True)
                if r < 0:
                    continue
                if n == 0:
                    medians[i, g, r] = np.nan
                else:
                    medians[i, g, r] = 0.5 * (window[(n - 1) // 2] + window[n // 2])
                old = first + r - half
                old = -old if old < 0 else old if old < height else 2 * (height - 1) - old
                n = _move(window, n, values[i, g], good, old - first, False)
    return medians


@njit(cache=True, nogil=True)
def subtract(
    data: Array, offset: Array, row_class: Array, column_class: Array, side: Array, by_row: bool
) -> Array:
    """Subtract from each sample the offset of its class and the side level of its line.

    Parameters
    ----------
    data
        DN [integration, group, y, x], float32.
    offset
        DN [integration, group, class of rows, class of columns], float64.
    row_class, column_class
        Classes of the rows and columns of ``data``.
    side
        DN [integration, group, y] or, without ``by_row``, [..., x]; an empty last axis for none.

    Returns
    -------
    Array
        DN, float32, rounded once.
    """
    nint, ngroup, ny, nx = data.shape
    out = np.empty((nint, ngroup, ny, nx), np.float32)
    lines = np.empty((offset.shape[2], nx))
    sides = side.shape[2] > 0
    for i in range(nint):
        for g in range(ngroup):
            for c in range(len(lines)):
                for x in range(nx):
                    lines[c, x] = offset[i, g, c, column_class[x]]
                    if sides and not by_row:
                        lines[c, x] += side[i, g, x]
            for y in range(ny):
                level = side[i, g, y] if sides and by_row else 0.0
                line = lines[row_class[y]]
                for x in range(nx):
                    out[i, g, y, x] = data[i, g, y, x] - (line[x] + level)
    return out
