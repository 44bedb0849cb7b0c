"""Rates of ramps [nint, ngroup, npix] by likelihood, a tile of pixels at a time.

Integrations are fitted at one common rate, so that their sums add up to the exact joint estimate.
Those whose good groups all follow each other are fitted a vector lane each, the others one by one.

Sources: Brandt 2024 (arXiv:2309.08753); dossier sections 1.2, 1.6 and 1.7.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.kernels.lanes import LANES, bare
from jwinteractive.kernels.likelihood import (
    RESET,
    Pattern,
    Scratch,
    gather,
    scratch,
    solve,
    split,
)
from jwinteractive.kernels.tiles import (
    HOLE,
    clear,
    differences,
    less,
    new_sums,
    photons,
    solve_tile,
    tile,
)

__all__ = ["Line", "fit_lines"]

_DNU = dq.DO_NOT_USE
_SAT = dq.SATURATED
_JUMP = dq.JUMP_DET
_PASSED = dq.JUMP_DET | dq.PERSISTENCE | dq.SATURATED  # flags of groups that the pixel gets


class Line(NamedTuple):
    """What is fitted.

    ``official``: each integration at its own rate, nothing bridged, as the LIKELY algorithm does;
    ``pedestal``: the signal at the reset too; ``lone``: a rate for ramps of one good group;
    ``scatter``: by how much that signal is known to be 0, DN; ``frame``: seconds of a zero frame.
    """

    official: bool
    pedestal: bool
    lone: bool
    scatter: float
    frame: float


@bare
def _seen(groupdq: Any, i: int, p0: int, n: int, seen: Any) -> None:
    """All flags of the groups of a tile together."""
    seen[:n] = 0
    for g in range(groupdq.shape[1]):
        flags = groupdq[i, g, p0 : p0 + n]
        for k in range(n):
            seen[k] |= flags[k]


@bare
def _from_reset(
    data: Any, p: int, i: int, base: float, pattern: Pattern, n: int, s: Scratch
) -> int:
    """Put a difference from the reset to the first group before the ``n`` others."""
    for j in range(n, 0, -1):
        s.first[j] = s.first[j - 1]
        s.last[j] = s.last[j - 1]
        s.value[j] = s.value[j - 1]
        s.use[j] = s.use[j - 1]
        s.joined[j] = s.joined[j - 1]
    group = s.first[1]
    s.first[0] = RESET
    s.last[0] = group
    s.value[0] = np.float64(data[i, group, p]) / pattern.mean[group] - base
    s.use[0] = True
    s.joined[0] = True
    return n + 1


@bare
def _alone(data: Any, groupdq: Any, p: int, i: int) -> int:
    """First good group of a ramp where nothing has hit it, or -1."""
    for g in range(data.shape[1]):
        flags = groupdq[i, g, p]
        if flags & _JUMP:
            return -1
        if not flags & (_DNU | _SAT) and np.isfinite(data[i, g, p]):
            return g
    return -1


@bare
def _single(
    data: Any, groupdq: Any, p: int, i: int, zero: float, rate: float, gain: float, read: float,
    dark: float, pattern: Pattern, how: Line, sums: Any, base: float,
) -> None:  # fmt: skip
    """Fill the sums [5] from a single good group or the zero frame, where there is one."""
    g = _alone(data, groupdq, p, i)
    if g >= 0:
        signal = float(data[i, g, p])
        time, weighted, noise = pattern.mean[g], pattern.weighted[g], pattern.noise[g]
    elif zero != 0 and np.isfinite(zero):
        signal = zero
        time, weighted, noise = how.frame, how.frame, 1.0
    else:
        return
    assumed = rate if rate == rate else float(signal / time)
    photon = (max(assumed, 0.0) + dark) / gain * weighted / (time * time)
    variance = photon + (read * noise + how.scatter * how.scatter) / (time * time)
    sums[1] = (signal / time - base) / variance
    sums[2] = 1 / variance
    sums[4] = photon / (variance * variance)


@bare
def _one_by_one(
    data: Any, groupdq: Any, p: int, i: int, base: float, photon: float, read: float,
    pattern: Pattern, how: Line, s: Scratch, weight: Any, sums: Any,
) -> float:  # fmt: skip
    """Fill A, B, C, their number, and the photon variance times C² of one ramp; its pedestal."""
    n = gather(data, groupdq, p, i, base, pattern, how.official, 0, s)
    used = 0
    for j in range(n):
        used += s.use[j]
    if used == 0:
        return np.nan
    offset = how.pedestal
    if offset:
        n = _from_reset(data, p, i, base, pattern, n, s)
        used += 1
    total, top, bottom = solve(s, n, pattern, photon, read)
    pedestal = np.nan
    for j in range(n):
        weight[j] = s.p[j] / bottom
    if offset:
        time = pattern.mean[s.last[0]]
        known = time * time / (how.scatter * how.scatter)
        stiff = s.m[0] - s.p[0] * s.p[0] / bottom + known
        shift = (s.q[0] - top / bottom * s.p[0]) / stiff
        pedestal = shift * time
        # the rate's weights, given that the pedestal follows the differences too
        column = s.m[0]
        share = s.p[0] / bottom / stiff
        for j in range(n):
            weight[j] -= share * (column - s.p[0] * s.p[j] / bottom)
            if j + 1 < n:
                column = -s.beside[j] * column / s.w[j + 1]
        rate = top / bottom - shift * s.p[0] / bottom
        variance = 1 / bottom + (s.p[0] / bottom) ** 2 / stiff
        chi2 = total - top * top / bottom - shift * shift * stiff
        bottom = 1 / variance
        top = rate * bottom
        total = chi2 + top * top / bottom
    sums[0] = total
    sums[1] = top
    sums[2] = bottom
    sums[3] = used
    sums[4] = split(s, n, pattern, photon, weight) * bottom * bottom
    return pedestal


@bare
def _variance(bottom: Any, bad: Any, n: int, variance: Any) -> None:
    for k in range(n):
        known = (bottom[k] > 0) & (not bad[k])
        variance[k] = np.float32(1) / bottom[k] if known else np.float32(np.nan)


@bare
def _rate(base: Any, top: Any, variance: Any, i: int, p0: int, n: int, out: Any) -> None:
    rate = out[0, i, p0 : p0 + n]
    for k in range(n):
        rate[k] = base[k] + top[k] * variance[k]


@bare
def _light(light: Any, variance: Any, i: int, p0: int, n: int, out: Any) -> None:
    photons = out[1, i, p0 : p0 + n]
    for k in range(n):
        photons[k] = light[k] * (variance[k] * variance[k])


@bare
def _rest(variance: Any, i: int, p0: int, n: int, out: Any) -> None:
    photons, read = out[1, i, p0 : p0 + n], out[2, i, p0 : p0 + n]
    for k in range(n):
        rest = variance[k] - photons[k]
        read[k] = np.float32(0) if rest < 0 else rest


@bare
def _error(variance: Any, i: int, p0: int, n: int, out: Any) -> None:
    error = out[3, i, p0 : p0 + n]
    for k in range(n):
        error[k] = np.sqrt(variance[k])


@bare
def _rates(
    sums: Any, base: Any, bad: Any, variance: Any, i: int, p0: int, n: int, out: Any
) -> None:
    """Rate, its two variances and error from the sums; NaN where there is none."""
    _variance(sums.bottom, bad, n, variance)
    _rate(base, sums.top, variance, i, p0, n, out)
    _light(sums.light, variance, i, p0, n, out)
    _rest(variance, i, p0, n, out)
    _error(variance, i, p0, n, out)


@bare
def _chi2(total: Any, top: Any, bottom: Any, bad: Any, i: int, p0: int, n: int, chi2: Any) -> None:
    out = chi2[i, p0 : p0 + n]
    for k in range(n):
        within = total[k] - top[k] * top[k] / bottom[k]
        out[k] = within if (within > 0) & (not bad[k]) else np.float32(0)


@bare
def _freedom(number: Any, bad: Any, i: int, p0: int, n: int, dof: Any) -> None:
    out = dof[i, p0 : p0 + n]
    for k in range(n):
        free = np.int16(number[k]) - np.int16(1)
        out[k] = free if (number[k] > 0) & (not bad[k]) else np.int16(0)


@bare
def _flags(
    pixeldq: Any, seen: Any, bottom: Any, i: int, p0: int, n: int, bad: Any, intsdq: Any
) -> None:
    given, out = pixeldq[p0 : p0 + n], intsdq[i, p0 : p0 + n]
    for k in range(n):
        flags = np.uint32(given[k]) | np.uint32(seen[k] & _PASSED)
        bad[k] = (flags & _DNU) != 0
        out[k] = flags if bottom[k] > 0 else flags | np.uint32(_DNU)


@njit(cache=True, nogil=True, error_model="numpy")
def fit_lines(
    data: Any,
    groupdq: Any,
    pixeldq: Any,
    draft: Any,
    zero: Any,
    gain: Any,
    read: Any,
    dark: Any,
    pattern: Pattern,
    terms: Any,
    how: Line,
    ints: Any,
    intsdq: Any,
    chi2: Any,
    dof: Any,
    pedestals: Any,
    rate: Any,
    ratedq: Any,
    between: Any,
) -> None:
    """Rates, variances and errors of ramps.

    Parameters
    ----------
    data, groupdq, pixeldq
        Ramps [nint, ngroup, npix] in DN, their flags, and those of the pixels [npix].
    draft
        Rates [nint, npix] in DN/s that the photon noise is taken from; NaN where none is known.
    zero
        Zero frame [nint, npix] in DN, 0 where there is none.
    gain, read, dark
        e-/DN; variance of a single read, DN²; dark current whose noise is in the data, DN/s [npix].
    pattern, terms
        When groups were read, and `neighbour_terms` of it.
    how
        What is fitted.
    ints, intsdq, chi2, dof, pedestals
        Results [rate, var_P, var_R, error] of integrations [4, nint, npix] in DN/s, their flags,
        chi2, degrees of freedom [nint, npix] and, where asked for, pedestals in DN, in place.
    rate, ratedq, between
        The same of the exposure [4, 1, npix] (of one integration: ``ints``) and [npix], and chi2 of
        several integrations' rates about the common one [npix].
    """
    nint, ngroup, npix = data.shape
    t = tile(ngroup - 1)
    s = scratch(ngroup + 1)
    weight = np.zeros(ngroup + 1)
    guess = np.zeros(LANES, np.float32)
    known = np.zeros(LANES, np.float32)
    photon = np.zeros(LANES, np.float32)
    noise = np.ones(LANES, np.float32)
    one = new_sums()
    total = new_sums()
    single = np.zeros(5)
    variance = np.zeros(LANES, np.float32)
    bad = np.zeros(LANES, np.bool_)
    seen = np.zeros(LANES, np.uint8)
    unusable = np.zeros(LANES, np.int32)
    passed = np.zeros(LANES, np.uint32)
    for p0 in range(0, npix, LANES):
        lanes = min(LANES, npix - p0)
        guess[:] = 0
        known[:] = 0
        for i in range(nint):
            row = draft[i, p0 : p0 + lanes]
            for k in range(lanes):
                there = row[k] == row[k]
                guess[k] += row[k] if there else np.float32(0)
                known[k] += np.float32(1) if there else np.float32(0)
        missing = False
        for k in range(lanes):
            missing |= known[k] == 0
            noise[k] = read[p0 + k]
        if missing:
            # the mean difference, and then the rate that is fitted with its noise
            for turn in range(2):
                clear(total)
                for i in range(nint):
                    differences(data, groupdq, i, p0, lanes, terms, t)
                    if turn > 0:
                        solve_tile(t, photon, noise, terms, False, total)
                        continue
                    for j in range(1, ngroup):
                        for k in range(lanes):
                            total.top[k] += t.value[j, k]
                            total.bottom[k] += t.use[j, k]
                for k in range(lanes):
                    if known[k] == 0 and total.bottom[k] > 0:
                        guess[k] = total.top[k] / total.bottom[k]
                    light = guess[k] / max(known[k], np.float32(1))
                    photon[k] = (max(light, np.float32(0)) + dark[p0 + k]) / gain[p0 + k]
        for k in range(lanes):
            guess[k] /= max(known[k], np.float32(1))
        clear(total)
        passed[:] = 0
        unusable[:] = 0
        for i in range(nint):
            if how.official:
                for k in range(lanes):
                    first = draft[i, p0 + k]
                    guess[k] = first if first == first else np.float32(0)
            if how.official or i == 0:
                for k in range(lanes):
                    light = max(guess[k], np.float32(0)) + np.float32(dark[p0 + k])
                    photon[k] = light / np.float32(gain[p0 + k])
            _seen(groupdq, i, p0, lanes, seen)
            differences(data, groupdq, i, p0, lanes, terms, t)
            less(t, guess)
            clear(one)
            solve_tile(t, photon, noise, terms, False, one)
            photons(t, terms, photon, one)
            for k in range(lanes):
                p = p0 + k
                apart = (t.state[k] & HOLE) != 0 and not how.official
                if apart or one.number[k] == 0 or how.pedestal:
                    single[:] = 0
                    assumed, factor = np.float64(guess[k]), np.float64(gain[p])
                    light = max(assumed, 0.0) + np.float64(dark[p])
                    pedestal = _one_by_one(
                        data, groupdq, p, i, assumed, light / factor, np.float64(read[p]), pattern,
                        how, s, weight, single,
                    )  # fmt: skip
                    if how.pedestal:
                        pedestals[i, p] = pedestal
                    if single[3] == 0 and how.lone:
                        lonely = np.nan if known[k] == 0 else assumed
                        _single(
                            data, groupdq, p, i, np.float64(zero[i, p]), lonely, factor,
                            np.float64(read[p]), np.float64(dark[p]), pattern, how, single, assumed,
                        )  # fmt: skip
                    one.total[k] = single[0]
                    one.top[k] = single[1]
                    one.bottom[k] = single[2]
                    one.number[k] = single[3]
                    one.light[k] = single[4]
            _flags(pixeldq, seen, one.bottom, i, p0, lanes, bad, intsdq)
            _chi2(one.total, one.top, one.bottom, bad, i, p0, lanes, chi2)
            _freedom(one.number, bad, i, p0, lanes, dof)
            _rates(one, guess, bad, variance, i, p0, lanes, ints)
            for k in range(lanes):
                passed[k] |= intsdq[i, p0 + k] & np.uint32(_PASSED)
                unusable[k] += np.int32(1) if intsdq[i, p0 + k] & np.uint32(_DNU) else np.int32(0)
            if nint > 1:
                for k in range(lanes):
                    total.top[k] += one.top[k]
                    total.bottom[k] += one.bottom[k]
                    total.light[k] += one.light[k]
        for k in range(lanes):
            flags = np.uint32(pixeldq[p0 + k]) | passed[k]
            bad[k] = (np.uint32(pixeldq[p0 + k]) & _DNU) != 0
            ratedq[p0 + k] = flags | np.uint32(_DNU) if unusable[k] == nint else flags
        if nint == 1:  # the arrays of the exposure are those of its integration
            continue
        _rates(total, guess, bad, variance, 0, p0, lanes, rate)
        for k in range(lanes):
            p = p0 + k
            between[p] = 0
            for i in range(nint):
                pull = (ints[0, i, p] - rate[0, 0, p]) / ints[3, i, p]
                between[p] += pull * pull if pull == pull else np.float32(0)
