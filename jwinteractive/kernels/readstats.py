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
def _flags_of(groupdq: Any, i: int, p: int, first: int, last: int) -> int:
    """All flags that the groups from first to last, included, have."""
    seen = 0
    for g in range(first, last + 1):
        seen |= groupdq[i, g, p]
    return seen


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
        Those that spoil a group, and those of jumps.
    sums
        Filled up [pixel, 2, 7], ramps without and with a jump apart: rates (DN per group) in the
        first and in the last third; their difference in sigma, and its square; the curvature in
        sigma, and its square; number of ramps.
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
            if last - first < 3:
                continue
            seen = _flags_of(groupdq, i, p, first, last)
            if seen & flags[0]:
                continue
            early = (data[i, first + third, p] - data[i, first, p]) / third
            late = (data[i, last, p] - data[i, last - third, p]) / third
            bend = np.float32(0)
            reads = np.float32(0)
            photons = np.float32(0)
            for g in range(first, last + 1):
                w = weights[0, g]
                bend += w * data[i, g, p]
                reads += w**2
                photons += weights[1, g] ** 2
            decay = (early - late) / np.sqrt(2 * (2 * read[p] / third**2 + shot / third))
            bend /= np.sqrt(reads * read[p] + photons * shot)
            into = sums[p, 1 if seen & flags[1] else 0]
            into[0] += early
            into[1] += late
            into[2] += decay
            into[3] += decay**2
            into[4] += bend
            into[5] += bend**2
            into[6] += 1
