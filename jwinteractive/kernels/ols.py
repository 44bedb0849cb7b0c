"""Weighted least-squares slopes of ramps [nint, ngroup, npix], a tile of pixels at a time.

Integrations without a flag are one segment and are fitted a vector lane each; the others go one
by one through `jwinteractive.kernels.segments`.

Sources: Fixsen et al. 2000 (PASP 112, 1350) for the weights; dossier section 1.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.kernels.lanes import LANES, sort_lanes
from jwinteractive.kernels.segments import (
    ENDING,
    Groups,
    Times,
    gather,
    median_rate,
    offset,
    read_variance,
    segment_rise,
    segments,
    snr_power,
    unlost_weight,
)

__all__ = ["fit_ramps"]

_DNU = dq.DO_NOT_USE
_SAT = dq.SATURATED
_LOST = dq.CHARGELOSS
_BAD = dq.DO_NOT_USE | dq.SATURATED
_PASSED = dq.JUMP_DET | dq.PERSISTENCE  # flags of groups that the pixel gets
_NAN = 1 << 8  # beside the flags of the groups: an integration has a NaN
_VAST = 1e6  # (DN/s)²: official variances from here on count as unknown, 0


@njit(cache=True, nogil=True)
def _load(data: Any, groupdq: Any, first: int, p0: int, n: int, samples: Any, flags: Any) -> None:
    """Copy a tile: groups lie whole pages apart, which the caches bear only once."""
    for i in range(samples.shape[0]):
        for k in range(samples.shape[1]):
            now = data[i, first + k, p0 : p0 + n]
            of_now = groupdq[i, first + k, p0 : p0 + n]
            sample = samples[i, k]
            flag = flags[i, k]
            for p in range(n):
                sample[p] = now[p]
                flag[p] = of_now[p]


@njit(cache=True, nogil=True)
def _look(samples: Any, flags: Any, groups: Groups, n: int, rows: Any, seen: Any) -> None:
    """All flags together, and the differences of neighbouring groups, of an integration."""
    seen[:n] = 0
    for k in range(flags.shape[0]):
        flag = flags[k]
        for p in range(n):
            seen[p] |= np.int32(flag[p])
    for k in range(groups.start, groups.stop - 1):
        row = rows[k - groups.start]
        before = samples[k]
        after = samples[k + 1]
        for p in range(n):
            change = np.float64(after[p]) - np.float64(before[p])
            nan = change != change
            seen[p] |= np.int32(_NAN) if nan else np.int32(0)
            row[p] = 0.0 if nan else change


@njit(cache=True, nogil=True, error_model="numpy")
def _add(sums: Any, p: int, slope: float, poisson: float, read: float, optimal: bool) -> None:
    """Add a segment to the sums [5, lane] over those of an integration.

    They are of slope times weight, of the weight, of 1 / (var_P + var_R), and for the variances:
    1 / var_P and 1 / var_R, or if ``optimal`` each variance times the weight squared.
    """
    both = 1 / (poisson + read)
    sums[2, p] += both
    if optimal:
        sums[0, p] += slope * both
        sums[1, p] += both
        sums[3, p] += poisson * both * both
        sums[4, p] += read * both * both
    else:
        single = 1 / read
        sums[0, p] += slope * single
        sums[1, p] += single
        sums[3, p] += 1 / poisson if poisson > 0 else 0.0
        sums[4, p] += single


@njit(cache=True, nogil=True, error_model="numpy")
def _combine(sums: Any, n: int, optimal: bool, whole: bool, result: Any) -> None:
    """Slope, Poisson and read variance and error [4, lane] from the sums over segments.

    The official error of an exposure (``whole``) comes from its two variances, that of an
    integration from the segments.
    """
    for p in range(n):
        inverse = 1 / sums[1, p]
        if optimal:
            poisson = sums[3, p] * inverse * inverse
            read = sums[4, p] * inverse * inverse
            result[0, p] = sums[0, p] * inverse
            result[3, p] = np.sqrt(poisson + read)
        else:
            poisson = 1 / sums[3, p] if sums[3, p] > 0 else 0.0
            poisson = 0.0 if poisson >= _VAST else poisson
            read = 0.0 if inverse >= _VAST else inverse
            total = poisson + read if whole else 1 / sums[2, p]
            result[0, p] = sums[0, p] * read
            result[3, p] = 0.0 if total > _VAST and not whole else np.sqrt(total)
        result[1, p] = poisson
        result[2, p] = read


@njit(cache=True, nogil=True, error_model="numpy")
def _store(result: Any, sums: Any, bits: Any, p0: int, n: int, out: Any, i: int) -> None:
    """Write a tile's results [4, lane] to ``out`` [4, nint, npix]; NaN and 0 where none is."""
    for c in range(4):
        plane = out[c, i, p0 : p0 + n]
        missing = np.float32(np.nan) if c == 0 else np.float32(0)
        for p in range(n):
            value = np.float32(result[c, p]) if sums[2, p] != 0 else np.float32(0)
            plane[p] = missing if bits[p] & np.uint32(_BAD) else value


@njit(cache=True, nogil=True, error_model="numpy")
def fit_ramps(
    data: Any,
    groupdq: Any,
    pixeldq: Any,
    gain: Any,
    noise: Any,
    dark: Any,
    zero: Any,
    groups: Groups,
    times: Times,
    network: Any,
    weights: Any,
    ints: Any,
    intsdq: Any,
    rate: Any,
    ratedq: Any,
) -> None:
    """Slopes, variances and errors of ramps.

    Parameters
    ----------
    data, groupdq
        Ramps [nint, ngroup, npix] in DN and their flags.
    pixeldq
        Flags [npix], those of bad references included.
    gain, noise, dark
        e-/DN; noise of a group, e-; mean dark current, e-/s [npix].
    zero
        Zero frame [nint, npix] in DN, 0 where there is none.
    groups, times
        What is fitted, and the times in seconds.
    network
        Sorting network for ``groups.stop - groups.start - 1`` rows.
    weights
        `slope_weights` for up to ``groups.last - groups.first`` groups.
    ints, rate
        Results [slope, var_P, var_R, error] of integrations [4, nint, npix] and of the exposure
        [4, 1, npix] in DN/s, filled in place.
    intsdq, ratedq
        Flags [nint, npix] and [npix], filled in place.
    """
    nint, _, npix = data.shape
    ngroup = groups.last - groups.first
    many = groups.stop - groups.start
    optimal = groups.optimal
    # without suppression, PERSISTENCE decides on whether the first group is the only good one
    special = ENDING | _NAN if groups.suppress else 255 | _NAN
    if many < 2:
        special |= 1 << 9
    samples = np.zeros((nint, ngroup, LANES), np.float32)
    tiledq = np.zeros((nint, ngroup, LANES), np.uint8)
    rows = np.zeros((max(many - 1, 1), LANES))
    seen = np.zeros((nint, LANES), np.int32)
    index = np.zeros(LANES, np.int64)
    medians = np.zeros(LANES)
    slopes = np.zeros(LANES)
    poisson = np.zeros(LANES)
    read = np.zeros(LANES)
    signal = np.zeros(LANES)
    one = np.zeros((5, LANES))  # sums over the segments of an integration
    total = np.zeros((5, LANES))  # and over all
    result = np.zeros((4, LANES))
    bits = np.zeros(LANES, np.uint32)
    partly = np.zeros(LANES, np.uint32)
    all_partly = np.zeros(LANES, np.uint32)
    unusable = np.zeros(LANES, np.int32)
    values = np.empty(ngroup)
    scratch = np.empty(ngroup)
    flags = np.empty(ngroup, np.int64)
    ends = np.empty((ngroup, 2), np.int64)
    for p0 in range(0, npix, LANES):
        n = min(LANES, npix - p0)
        _load(data, groupdq, groups.first, p0, n, samples, tiledq)
        medians[:] = 0
        for i in range(nint):
            flag = seen[i]
            _look(samples[i], tiledq[i], groups, n, rows, flag)
            if many >= 2:
                sort_lanes(rows, network)
            else:
                flag[:] |= 1 << 9
            lower = rows[max(many - 2, 0) >> 1]
            upper = rows[max(many - 1, 0) >> 1]
            for p in range(n):
                medians[p] += (
                    0.0 if flag[p] & special else (lower[p] + upper[p]) * 0.5 / times.group
                )
            for p in range(n):
                if flag[p] & special:
                    _, _, _, kind, _ = gather(
                        samples[i], tiledq[i], zero[i, p0 + p], groups, times, p, values, flags
                    )
                    medians[p] += median_rate(values, flags, kind, times, scratch)
        for p in range(n):
            mean = medians[p] / nint
            # a rate below zero has no Poisson noise, the dark current has
            signal[p] = (mean if mean > 0 else 0.0) + np.float64(dark[p0 + p])
            factor = np.float64(gain[p0 + p])
            poisson[p] = signal[p] / (times.group * factor * max(many - 1, 1))
            read[p] = read_variance(many, np.float64(noise[p0 + p]), factor, times.group)

        total[:] = 0
        unusable[:] = 0
        all_partly[:] = 0
        for i in range(nint):
            flag = seen[i]
            slopes[:] = 0
            if many >= 2:
                bottom = samples[i, groups.start]
                top = samples[i, groups.stop - 1]
                for p in range(n):
                    change = np.float64(top[p]) - np.float64(bottom[p])
                    factor = np.float64(gain[p0 + p])
                    index[p] = snr_power(change, factor, np.float64(noise[p0 + p]))
                for k in range(many):
                    of_power = weights[offset(many) + k]
                    now = samples[i, groups.start + k]
                    for p in range(n):
                        slopes[p] += of_power[index[p]] * np.float64(now[p])
            one[:] = 0
            partly[:] = 0
            for p in range(n):
                # official weights are 1 / noise²: without noise there is no slope
                slope = slopes[p] / times.group if read[p] > 0 else np.nan
                _add(one, p, slope, poisson[p], read[p], optimal)
                bits[p] = np.uint32(pixeldq[p0 + p]) | np.uint32(flag[p] & _PASSED)
            for p in range(n):
                if not flag[p] & special:
                    continue
                pixel = p0 + p
                one[:, p] = 0
                bad, saturated, found, _, lone = gather(
                    samples[i], tiledq[i], zero[i, p0 + p], groups, times, p, values, flags
                )
                flag[p] = found
                bits[p] = np.uint32(pixeldq[pixel]) | np.uint32(found & _PASSED)
                count = 0
                if flags[0] & _SAT:
                    bits[p] |= np.uint32(_BAD)
                else:
                    count = segments(flags, ends)
                if bad == ngroup or (optimal and count == 0):
                    count = 0
                    bits[p] |= np.uint32(_DNU)
                sigma = np.float64(noise[pixel])
                factor = np.float64(gain[pixel])
                for j in range(count):
                    size = ends[j, 1] - ends[j, 0]
                    base = ends[j, 0]
                    time = lone if size == 1 else times.group
                    variance = read_variance(size, sigma, factor, time)
                    slope = segment_rise(values, base, size, weights, factor, sigma)
                    slope = slope / time if variance > 0 else np.nan
                    own = signal[p] / (time * factor * max(size - 1, 1))
                    _add(one, p, slope, own, variance, optimal)
                if saturated > 0:  # even partly: the fit stays, the flag comes last
                    partly[p] = _SAT
            _combine(one, n, optimal, False, result)
            _store(result, one, bits, p0, n, ints, i)
            for p in range(n):
                for s in range(5):
                    total[s, p] += one[s, p]
                unusable[p] += np.int32(1) if bits[p] & np.uint32(_DNU) else np.int32(0)
                all_partly[p] |= partly[p] | (bits[p] & np.uint32(_PASSED))
                intsdq[i, p0 + p] = bits[p] | partly[p]

        for p in range(n):
            none = np.uint32(_DNU) if unusable[p] == nint else np.uint32(0)
            bits[p] = np.uint32(pixeldq[p0 + p]) | none
            ratedq[p0 + p] = bits[p] | all_partly[p]
        _combine(total, n, optimal, True, result)
        _store(result, total, bits, p0, n, rate, 0)

        for p in range(n):
            lost = 0
            for i in range(nint):
                lost |= seen[i, p] & _LOST
            if not lost:
                continue
            pixel = p0 + p
            inverse = 0.0
            for i in range(nint):
                if seen[i, p] & _LOST and not (optimal and np.isnan(ints[0, i, pixel])):
                    _, _, _, _, lone = gather(
                        samples[i], tiledq[i], zero[i, p0 + p], groups, times, p, values, flags
                    )
                    own = unlost_weight(
                        tiledq[i], groups, p, np.float64(noise[pixel]), np.float64(gain[pixel]),
                        lone, times.group, flags, ends,
                    )  # fmt: skip
                    inverse += own
                    ints[2, i, pixel] = 0.0 if own * _VAST <= 1 else 1 / own
                elif ints[2, i, pixel] > 0:
                    inverse += 1 / np.float64(ints[2, i, pixel])
            if inverse > 0:
                rate[2, 0, pixel] = 0.0 if inverse * _VAST <= 1 else 1 / inverse
