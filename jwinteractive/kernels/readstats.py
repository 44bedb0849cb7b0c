"""What the reads of ramps tell of their pixels: ends, curvature, and a histogram of differences.

Source: dossier 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["EDGE", "STEPS", "add_ramps"]

EDGE = 8
"""Differences from the rate are counted in bins up to so many sigma, and beyond."""
STEPS = 2
"""Bins a sigma."""


@njit(cache=True, nogil=True, error_model="numpy")
def _usable(groupdq: Any, i: int, p: int, first: int, last: int, flags: int) -> bool:
    """Whether no group from first to last, included, has one of the flags."""
    seen = 0
    for g in range(first, last + 1):
        seen |= groupdq[i, g, p]
    return seen & flags == 0


@njit(cache=True, nogil=True, error_model="numpy")
def add_ramps(
    data: Any,
    groupdq: Any,
    rate: Any,
    read: Any,
    gain: Any,
    span: Any,
    weights: Any,
    flags: Any,
    sums: Any,
    counts: Any,
) -> None:
    """Add the ramps of some pixels to what is known of them.

    Parameters
    ----------
    data
        DN [integration, group, pixel].
    groupdq
        Flags, of the same shape.
    rate
        DN per group [pixel]; NaN where there is none.
    read
        Variance of a group's read noise [pixel], DN2.
    gain
        e-/DN [pixel].
    span
        First and last group that the exposure can use.
    weights
        Weights of the groups [group] whose sum is the curvature, and their sums from each
        difference to the end [difference].
    flags
        Flags that spoil a group: those of bad groups, and those of jumps, too.
    sums
        Filled up [pixel, 7]: rates (DN per group) and variances in the first and in the last third
        of the ramps, curvature, its variance, ramps.
    counts
        Filled up [pixel, bin]: differences from the rate, in sigma.
    """
    nint = data.shape[0]
    first, last = span
    third = max(1, (last - first) // 3)
    top = counts.shape[1] - 1
    full = counts.dtype.type(255) if counts.itemsize == 1 else counts.dtype.type(65535)
    for p in range(data.shape[2]):
        slope = rate[p]
        if slope != slope:
            continue
        shot = max(slope, np.float32(0)) / gain[p]
        noise = np.sqrt(2 * read[p] + shot)
        for i in range(nint):
            for g in range(first, last):
                if (groupdq[i, g, p] | groupdq[i, g + 1, p]) & flags[0]:
                    continue
                x = (data[i, g + 1, p] - data[i, g, p] - slope) / noise
                if x != x:
                    continue
                x = min(max((x + EDGE) * STEPS + 1, np.float32(0)), np.float32(top))
                b = int(x)
                if counts[p, b] < full:
                    counts[p, b] += 1
            if last - first < 3 or not _usable(groupdq, i, p, first, last, flags[1]):
                continue
            early = data[i, first + third, p] - data[i, first, p]
            late = data[i, last, p] - data[i, last - third, p]
            variance = 2 * read[p] / third**2 + shot / third
            sums[p, 0] += early / third
            sums[p, 1] += variance
            sums[p, 2] += late / third
            sums[p, 3] += variance
            bend = np.float32(0)
            reads = np.float32(0)
            photons = np.float32(0)
            for g in range(first, last + 1):
                w = weights[0, g]
                bend += w * data[i, g, p]
                reads += w**2
                photons += weights[1, g] ** 2
            sums[p, 4] += bend
            sums[p, 5] += reads * read[p] + photons * shot
            sums[p, 6] += 1
