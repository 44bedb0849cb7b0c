"""Exposures of a tile of the sky combined: medians, the weights they ask for, how far they scatter.

Weights are counted in bins of a two-thousandth of their mean, or of their own size where they are
large, so that a clipped mean of all of a mosaic's weights needs none of them kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.lanes import middle

__all__ = ["BINS", "block_medians", "clipped_mean", "combine", "count_weights", "set_aside"]

_PER_MEAN, _MEANS = 2000, 4
_PER_OCTAVE, _OCTAVES = 1400, 10
BINS = _PER_MEAN * _MEANS + _PER_OCTAVE * _OCTAVES
"""Bins of weights: even ones up to four times a guess of their mean, then even in the logarithm up
to four thousand times; the last takes what is above."""
_FEW = 16  # values that are sorted one by one; of more, the middle one is selected


@njit(cache=True, nogil=True, error_model="numpy")
def count_weights(weights: Any, guess: float, bins: Any) -> None:
    """Add weights [y, x] that are not 0 to ``bins`` [number and sums of powers 1 and 2, bin]."""
    scale = _PER_MEAN / guess
    for y in range(weights.shape[0]):
        for x in range(weights.shape[1]):
            w = np.float64(weights[y, x])
            if w > 0.0:
                if w * scale < _PER_MEAN * _MEANS:
                    b = int(w * scale)
                else:
                    above = min(np.log2(w / guess / _MEANS), _OCTAVES - 0.001)
                    b = _PER_MEAN * _MEANS + int(max(above, 0.0) * _PER_OCTAVE)
                bins[0, b] += 1.0
                bins[1, b] += w
                bins[2, b] += w * w


@njit(cache=True, nogil=True, error_model="numpy")
def clipped_mean(bins: Any, sigma: float, rounds: int) -> float:
    """Mean of counted weights, those farther than ``sigma`` deviations from the median left out.

    NaN if there are none.
    """
    first, last = 0, bins.shape[1]
    mean = np.nan
    for r in range(rounds + 1):
        n = bins[0, first:last].sum()
        if n == 0.0:
            return mean
        mean = bins[1, first:last].sum() / n
        if r == rounds:
            break
        deviation = np.sqrt(max(bins[2, first:last].sum() / n - mean * mean, 0.0))
        below = 0.0
        centre = mean
        for b in range(first, last):
            below += bins[0, b]
            if below >= 0.5 * n:
                centre = bins[1, b] / bins[0, b]
                break
        low, high = first, last
        while low < high and (
            bins[0, low] == 0.0 or bins[1, low] / bins[0, low] < centre - sigma * deviation
        ):
            low += 1
        while high > low and (
            bins[0, high - 1] == 0.0
            or bins[1, high - 1] / bins[0, high - 1] > centre + sigma * deviation
        ):
            high -= 1
        if low == first and high == last:
            break
        first, last = low, high
    return mean


@njit(cache=True, nogil=True, error_model="numpy")
def set_aside(weights: Any, low: Any, high: Any, chosen: Any) -> int:
    """Count and mark pixels ``chosen`` [y, x] with a weight that the threshold may part.

    ``weights`` [n, y, x] between ``low`` and ``high`` [n] of one exposure are undecided.
    """
    n, ny, nx = weights.shape
    found = 0
    for y in range(ny):
        for x in range(nx):
            chosen[y, x] = False
            for k in range(n):
                if low[k] <= weights[k, y, x] <= high[k]:
                    chosen[y, x] = True
                    found += 1
                    break
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _middle(values: Any, n: int) -> Any:
    """Median of the first ``n`` values in their own precision; they change order."""
    if n > _FEW:
        return np.float32(middle(values, n))
    for k in range(1, n):
        v = values[k]
        j = k
        while j > 0 and values[j - 1] > v:
            values[j] = values[j - 1]
            j -= 1
        values[j] = v
    if n & 1:
        return values[n >> 1]
    return (values[(n >> 1) - 1] + values[n >> 1]) * np.float32(0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def combine(
    values: Any,
    errors: Any,
    weights: Any,
    thresholds: Any,
    robust: bool,
    apart: float,
    median: Any,
    noise: Any,
    depth: Any,
) -> None:
    """Median [y, x] of exposures [n, y, x] whose weight reaches their threshold [n].

    Parameters
    ----------
    errors
        Errors of the values; empty if ``noise`` is not wanted.
    robust
        Two exposures that differ by more than ``apart`` of their errors give the lower value, and
        the noise of a median is at least what its exposures scatter; else it is the plain median,
        and the noise that of the errors.
    median, noise, depth
        Changed; NaN and 0 where no exposure has weight. With ``robust``, the noise is that of the
        median; else the median of the errors, as the official step has it.
    """
    n, ny, nx = values.shape
    kept = np.empty(n, np.float32)
    off = np.empty(n, np.float32)
    root = np.sqrt(np.pi / 2)
    want = noise.size > 0
    for y in range(ny):
        for x in range(nx):
            m = 0
            for k in range(n):
                # not below: a NaN weight does not shut a value out
                if not weights[k, y, x] < thresholds[k] and not np.isnan(values[k, y, x]):
                    kept[m] = values[k, y, x]
                    if want:
                        off[m] = errors[k, y, x]
                    m += 1
            depth[y, x] = min(m, 255)
            if m == 0:
                median[y, x] = np.nan
                if want:
                    noise[y, x] = np.nan
                continue
            if m == 1:
                median[y, x] = kept[0]
                if want:
                    noise[y, x] = off[0]
                continue
            if m == 2:
                low, high = min(kept[0], kept[1]), max(kept[0], kept[1])
                median[y, x] = (low + high) * np.float32(0.5)
                if not want:
                    continue
                both = np.hypot(off[0], off[1])
                if not robust:
                    noise[y, x] = (off[0] + off[1]) * np.float32(0.5)
                elif high - low > apart * both:
                    median[y, x] = low
                    noise[y, x] = off[0] if low == kept[0] else off[1]
                else:
                    noise[y, x] = 0.5 * both
                continue
            centre = _middle(kept, m)
            median[y, x] = centre
            if not want:
                continue
            error = np.float64(_middle(off, m))
            if not robust:
                noise[y, x] = error
                continue
            error *= root / np.sqrt(m)
            if m > 3:
                for k in range(m):
                    kept[k] = abs(kept[k] - centre)
                error = max(error, 1.4826 * root * _middle(kept, m) / np.sqrt(m))
            noise[y, x] = error


@njit(cache=True, nogil=True, error_model="numpy")
def block_medians(data: Any, dq: Any, bad: Any, size: int, out: Any) -> None:
    """Medians [by, bx] of blocks of ``size`` squared pixels; NaN where under a quarter is known."""
    ny, nx = data.shape
    room = np.empty(size * size, np.float32)
    for by in range(out.shape[0]):
        for bx in range(out.shape[1]):
            n = 0
            for y in range(by * size, min(by * size + size, ny)):
                for x in range(bx * size, min(bx * size + size, nx)):
                    v = data[y, x]
                    if np.isfinite(v) and not dq[y, x] & bad:
                        room[n] = v
                        n += 1
            out[by, bx] = middle(room, n) if 4 * n >= size * size else np.nan
