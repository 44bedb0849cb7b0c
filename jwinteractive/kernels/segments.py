"""One flagged integration of one pixel: its good groups, its segments, their slopes and noise.

Sources: Fixsen et al. 2000 (PASP 112, 1350) for the weights; dossier section 1.1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.kernels.lanes import middle

__all__ = [
    "ENDING",
    "Groups",
    "Times",
    "gather",
    "median_rate",
    "offset",
    "read_variance",
    "segment_rise",
    "segments",
    "slope_weights",
    "snr_power",
    "unlost_weight",
]

ENDING = 255 ^ dq.PERSISTENCE
"""Flags of a group that end a segment."""

_DNU = dq.DO_NOT_USE
_SAT = dq.SATURATED
_JUMP = dq.JUMP_DET
_LOST = dq.CHARGELOSS
_BAD = dq.DO_NOT_USE | dq.SATURATED
_POWERS = 6  # 0, 0.4, 1, 3, 6, 10


class Groups(NamedTuple):
    """Which groups are fitted and what is done with those that stand alone."""

    first: int  # groups before it do not exist
    last: int  # nor do this one and later ones
    start: int  # of those that exist, groups before it are not to be used
    stop: int  # nor are this one and later ones
    unjump: bool  # take JUMP_DET off the first group
    suppress: bool  # integrations of one good group are not to be used
    optimal: bool  # weights 1 / (var_P + var_R), and a NaN is not to be used


class Times(NamedTuple):
    """Seconds that a lone group, or a difference of two, stands for."""

    group: float
    frame: float  # of a zero frame
    lone: float  # of the first group where it is the only good one


@njit(cache=True, nogil=True, error_model="numpy")
def snr_power(change: float, gain: float, noise: float) -> int:
    """Index of the power of the weights, by signal to noise; ``change`` DN, ``noise`` e-."""
    square = noise * noise + change * gain
    snr = change * gain / np.sqrt(square)
    index = np.int64(not snr < 5) + np.int64(not snr < 10) + np.int64(not snr < 20)  # NaN: the last
    index += np.int64(not snr < 50) + np.int64(not snr < 100)
    return 0 if (square <= 0) | (gain == 0) else int(index)


@njit(cache=True, nogil=True, error_model="numpy")
def _weight(k: int, n: int, index: int) -> float:
    """Weight of group ``k`` of ``n``, by the distance from the middle; float32 as official."""
    mid = (n - 1) / 2.0
    w = np.float64(np.float32(abs((k - mid) / mid)))
    if index == 0:
        return 1.0
    if index == 1:
        return np.float64(np.float32(w ** np.float64(np.float32(0.4))))
    if index == 2:
        return w
    cube = w * w * w
    if index == 3:
        return np.float64(np.float32(cube))
    return np.float64(np.float32(cube * cube if index == 4 else cube * cube * cube * w))


@njit(cache=True, nogil=True)
def offset(n: int) -> int:
    """Row of `slope_weights` at which segments of ``n`` groups begin."""
    return (n - 1) * n // 2 - 1


@njit(cache=True, nogil=True, error_model="numpy")
def _coefficients(longest: int) -> Any:
    table = np.empty((offset(longest + 1), _POWERS))
    for n in range(2, longest + 1):
        for j in range(_POWERS):
            total = 0.0
            centre = 0.0
            for k in range(n):
                total += _weight(k, n, j)
                centre += _weight(k, n, j) * k
            centre /= total
            square = 0.0
            for k in range(n):
                square += _weight(k, n, j) * (k - centre) ** 2
            for k in range(n):
                table[offset(n) + k, j] = _weight(k, n, j) * (k - centre) / square
    return table


@lru_cache(maxsize=8)
def slope_weights(longest: int) -> Array:
    """Coefficients [row, power] that give the slope per group of segments of 2 to ``longest``.

    Group k of n is row ``offset(n) + k``.
    """
    table: Array = _coefficients(max(longest, 2))
    table.flags.writeable = False
    return table


@njit(cache=True, nogil=True)
def gather(
    samples: Any,
    groupdq: Any,
    zero: Any,
    groups: Groups,
    times: Times,
    p: int,
    values: Any,
    flags: Any,
) -> tuple[int, int, int, int, float]:
    """Samples and flags of lane ``p`` of an integration [group, lane], and what they add up to.

    Fills ``values`` and ``flags``; ``zero`` is the zero frame, 0 for none. Returns the
    number of groups that are not to be used or saturated, that of the saturated ones, all flags
    together, 1 if only the first group is good or 2 if the zero frame stands in for it, and the
    time that a lone group stands for.
    """
    ngroup = samples.shape[0]
    usable = 0
    for k in range(ngroup):
        values[k] = samples[k, p]
        flags[k] = groupdq[k, p]
        unknown = groups.optimal and np.isnan(values[k])
        if k < groups.start or k >= groups.stop or unknown:
            flags[k] |= _DNU
        if flags[k] & ENDING == 0:
            usable += 1
    lone = groups.suppress and usable == 1
    if groups.unjump:
        flags[0] &= 255 ^ _JUMP
    good = bad = saturated = seen = 0
    for k in range(ngroup):
        if lone:
            flags[k] |= _DNU
        seen |= flags[k]
        good += flags[k] == 0
        bad += (flags[k] & _BAD) != 0
        if flags[k] & _SAT:
            values[k] = np.nan
            saturated += 1
    if not groups.suppress:
        if good == 1 and flags[0] == 0:
            return bad, saturated, seen, 1, times.lone
        if good == 0 and zero != 0 and not (groups.optimal and np.isnan(zero)):
            values[0] = zero
            flags[0] = 0
            if saturated == ngroup:
                saturated -= 1
            return bad - 1, saturated, seen, 2, times.frame
    return bad, saturated, seen, 0, times.group


@njit(cache=True, nogil=True, error_model="numpy")
def median_rate(values: Any, flags: Any, kind: int, times: Times, scratch: Any) -> float:
    """Median first difference of one integration per second; 0 where there is none."""
    n = values.shape[0]
    if n == 1:
        return float(values[0] / times.lone)
    if kind == 1:
        rate = values[0] / times.lone
    elif kind == 2:
        rate = values[0] / times.frame
    else:
        count = 0
        for k in range(1, n):
            change = values[k] - values[k - 1]
            if not flags[k] & (_JUMP | _DNU) and not flags[k - 1] & _DNU and change == change:
                scratch[count] = change
                count += 1
        if count == 0 and not flags[0] & _DNU and values[0] == values[0]:
            scratch[0] = values[0]
            count = 1
        rate = middle(scratch, count) / times.group
    return 0.0 if np.isnan(rate) else float(rate)


@njit(cache=True, nogil=True)
def segments(flags: Any, ends: Any) -> int:
    """First groups of the segments and the ends, excluded, in ``ends``; how many there are.

    A group hit by a cosmic ray begins the segment after it. Lone groups count only where there
    is nothing longer, and then only the first.
    """
    n = flags.shape[0]
    count = 0
    longest = 0
    k = 0
    while k < n:
        if flags[k] & ENDING:
            k += 1
            continue
        start = k - 1 if k > 0 and flags[k - 1] & ENDING == _JUMP else k
        while k < n and flags[k] & ENDING == 0:
            k += 1
        ends[count, 0] = start
        ends[count, 1] = k
        longest = max(longest, k - start)
        count += 1
    if longest < 2:
        return min(count, 1)
    kept = 0
    for j in range(count):
        if ends[j, 1] - ends[j, 0] > 1:
            ends[kept, 0] = ends[j, 0]
            ends[kept, 1] = ends[j, 1]
            kept += 1
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def read_variance(n: int, noise: float, gain: float, time: float) -> float:
    """Variance of the slope of ``n`` groups from read noise, (DN/s)²; a lone one counts as two."""
    n = max(n, 2)
    return 12 * (noise / time) ** 2 / ((n * n * n - n) * gain * gain)


@njit(cache=True, nogil=True, error_model="numpy")
def segment_rise(values: Any, base: int, n: int, weights: Any, gain: float, noise: float) -> float:
    """DN per group of the ``n`` groups from ``base`` on; of a lone one its signal."""
    if n == 1:
        return float(values[base])
    power = snr_power(values[base + n - 1] - values[base], gain, noise)
    rise = 0.0
    for k in range(n):
        value = values[base + k]
        if n > 2 and np.isnan(value):
            value = 0.0  # as official; with `Groups.optimal` no segment has a NaN
        rise += weights[offset(n) + k, power] * value
    return rise


@njit(cache=True, nogil=True, error_model="numpy")
def unlost_weight(
    groupdq: Any, groups: Groups, p: int, noise: float, gain: float, lone: float, group: float,
    flags: Any, ends: Any,
) -> float:  # fmt: skip
    """1 / var_R as if charge migration had taken no group, so that cores keep their weight."""
    for k in range(groupdq.shape[0]):
        flags[k] = groupdq[k, p]
        if k < groups.start or k >= groups.stop:
            flags[k] |= _DNU
        if flags[k] & _LOST:
            flags[k] ^= _LOST | _DNU
    inverse = 0.0
    for j in range(segments(flags, ends)):
        n = ends[j, 1] - ends[j, 0]
        variance = read_variance(n, noise, gain, lone if n == 1 else group)
        if variance > 0 and (gain > 0 or n < 3):  # so too officially where the gain is bad
            inverse += 1 / variance
    return inverse
