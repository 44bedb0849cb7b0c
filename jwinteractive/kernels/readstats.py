"""What the reads of ramps tell of their pixels: ends, curvature, and a histogram of differences.

Source: dossier 5; expectation and maximisation of Dempster, Laird & Rubin 1977 (JRSS B 39, 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["EDGE", "STEPS", "add_ramps", "compare_mixtures"]

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


@njit(cache=True, nogil=True, error_model="numpy")
def _likelihood(n: Any, bins: Any, many: int, laws: Any, parts: int, rounds: int, w: Any) -> float:
    """Log likelihood of the best mixture of some laws; ``w`` is filled with the weights."""
    total = 0.0
    for c in range(many):
        total += n[c]
    w[0] = 1 - 0.02 * (parts - 1)
    for k in range(1, parts):
        w[k] = 0.02
    shares = np.empty(3)
    for _ in range(rounds):
        shares[:] = 0
        for c in range(many):
            chance = 0.0
            for k in range(parts):
                chance += w[k] * laws[k, bins[c]]
            for k in range(parts):
                shares[k] += n[c] * laws[k, bins[c]] / chance
        for k in range(parts):
            w[k] *= shares[k] / total
    found = 0.0
    for c in range(many):
        chance = 0.0
        for k in range(parts):
            chance += w[k] * laws[k, bins[c]]
        found += n[c] * np.log(chance)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def compare_mixtures(
    counts: Any, noise: Any, hits: Any, steps: Any, rounds: int, gain: Any, share: Any
) -> None:
    """How much better noise, hits and steps describe pixels than noise and hits alone.

    Parameters
    ----------
    counts
        Differences by bin [pixel, bin].
    noise, hits, steps
        Chance of each bin: of noise [width, bin], hits [bin], and steps [width, step, bin].
    rounds
        Of expectation and maximisation.
    gain, share
        Filled [pixel]: difference of the Bayesian information criterion, weight of the steps.
    """
    width_count, step_count, bin_count = steps.shape
    laws = np.empty((3, bin_count))
    laws[1] = hits
    n = np.empty(bin_count)
    bins = np.empty(bin_count, np.int64)
    w = np.empty(3)
    for p in range(counts.shape[0]):
        many = 0
        total = 0.0
        for b in range(bin_count):
            if counts[p, b]:
                n[many] = counts[p, b]
                bins[many] = b
                total += counts[p, b]
                many += 1
        plain = better = -np.inf
        own = 0
        for width in range(width_count):
            laws[0] = noise[width]
            found = _likelihood(n, bins, many, laws, 2, rounds, w)
            if found > plain:
                plain = found
                own = width
        for width in range(own + 1):  # without its steps, noise is not wider
            laws[0] = noise[width]
            for step in range(step_count):
                laws[2] = steps[width, step]
                found = _likelihood(n, bins, many, laws, 3, rounds, w)
                if found > better:
                    better = found
                    share[p] = w[2]
        gain[p] = 2 * (better - plain) - 2 * np.log(total)
