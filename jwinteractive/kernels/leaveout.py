"""Jumps by likelihood: which difference of groups, left out, makes the rest a straighter line.

Tiles of ramps are tested all at once; only pixels that come near the threshold, or whose groups do
not follow each other, are looked at one by one. A candidate is tested again with the covariance of
the rate that is left without it: a first guess of a faint rate knows too little photon noise.

Sources: Brandt 2024 (arXiv:2404.01326); dossier sections 1.3 and 1.6.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.kernels.lanes import LANES, bare, middle, sort_lanes
from jwinteractive.kernels.likelihood import Pattern, Scratch, gather, scratch, solve
from jwinteractive.kernels.tiles import (
    HOLE,
    Tile,
    clear,
    differences,
    largest,
    less,
    new_sums,
    solve_tile,
    tile,
)

__all__ = ["ALONE", "OTHERS", "TOGETHER", "Search", "search_jumps"]

ALONE, TOGETHER, OTHERS = 0, 1, 2
"""How integrations help each other: not at all, by one rate for all, by a prior of the others."""

_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED
_JUMP = dq.JUMP_DET
_NEAR = 0.85  # of a threshold, from which a candidate is tested with its own noise
_ROUNDING = 0.97  # of a threshold that is final: float32 is nearer than that
_FEWEST = 3  # differences of which, without a prior, only one that is too high is a jump
_SAMPLE = 31  # integrations whose median tells which belong to the template
_FAR = np.float32(4)  # sigma from that median: no part of the template
_FLAT = np.float32(0.005)  # of a rate, that integrations may differ by


class Search(NamedTuple):
    """How jumps are looked for.

    Drop of chi2 that makes one difference a jump, and two neighbours; pairs are tested where
    groups average frames; how integrations help each other; from how many on their common ramp
    shape is taken off first; ``official`` keeps to the search of the official LIKELY algorithm.
    """

    one: float
    two: float
    pairs: bool
    help: int
    shape: int
    official: bool


class Light(NamedTuple):
    """What noise a pixel has.

    Gain, e-/DN; variance of a single read, DN²; dark current whose noise is in the data, DN/s.
    """

    gain: float
    read: float
    dark: float


@bare
def _residual(s: Scratch, i: int, top: float, bottom: float) -> tuple[float, float]:
    """What is left of difference ``i``, times V⁻¹, and its variance."""
    return s.q[i] - top / bottom * s.p[i], s.m[i] - s.p[i] * s.p[i] / bottom


@bare
def _between(s: Scratch, i: int, bottom: float) -> float:
    """Covariance of what is left of difference ``i`` and of the next."""
    return float(-s.beside[i] * s.m[i] / s.w[i + 1] - s.p[i] * s.p[i + 1] / bottom)


@bare
def _best(
    s: Scratch, n: int, top: float, bottom: float, count: int, alone: bool, share: float,
    how: Search,
) -> tuple[int, bool]:  # fmt: skip
    """Difference whose omission gains most above its threshold, and whether with the next.

    Of few that disagree, ``alone`` without a prior, the higher one holds the jump. ``share`` is
    that of the thresholds.
    """
    few = count <= _FEWEST and alone and not how.official
    pairs = how.pairs and not few and (count > 2 or not alone)
    best = 0.0
    found = -1
    pair = False
    for i in range(n):
        if not s.use[i]:
            continue
        r, a = _residual(s, i, top, bottom)
        gain = r * r / a - share * how.one
        if gain > best and not (few and r < 0):
            best = gain
            found = i
            pair = False
        if not (pairs and s.joined[i] and i + 1 < n and s.use[i + 1]):
            continue
        t, c = _residual(s, i + 1, top, bottom)
        b = _between(s, i, bottom)
        one, other = c * r - b * t, a * t - b * r
        gain = (r * one + t * other) / (a * c - b * b) - share * how.two
        # a hit within an averaged group raises both differences
        if gain > best and (how.official or (one > 0 and other > 0)):
            best = gain
            found = i
            pair = True
    return found, pair


@bare
def _left(s: Scratch, i: int, pair: bool, top: float, bottom: float) -> float:
    """Rate without difference ``i``, or without it and the next."""
    rate = top / bottom
    r, a = _residual(s, i, top, bottom)
    if not pair:
        return float(rate - s.p[i] * r / (a * bottom))
    t, c = _residual(s, i + 1, top, bottom)
    b = _between(s, i, bottom)
    both = s.p[i] * (c * r - b * t) + s.p[i + 1] * (a * t - b * r)
    return float(rate - both / ((a * c - b * b) * bottom))


@bare
def _search(
    s: Scratch, n: int, base: float, prior: float, light: Light, pattern: Pattern, how: Search
) -> float:
    """Leave out jumps among ``n`` differences; return the rate that is left, DN/s.

    The differences are less ``base``, which is the first guess; ``prior`` is one over the variance
    with which it is known.
    """
    count = 0
    for i in range(n):
        count += s.use[i]
    if count == 0:
        return 0.0
    alone = prior == 0
    assumed = base
    rate = base
    for _ in range(2 * n + 4):
        photon = (max(assumed, 0.0) + light.dark) / light.gain
        _, top, bottom = solve(s, n, pattern, photon, light.read)
        bottom += prior
        rate = base + top / bottom
        if count < (2 if alone else 1):
            break
        share = 1.0 if how.official else _NEAR
        i, pair = _best(s, n, top, bottom, count, alone, share, how)
        if i < 0:
            break
        left = base + _left(s, i, pair, top, bottom)
        if not how.official:
            assumed = left
            photon = (max(left, 0.0) + light.dark) / light.gain
            _, top, bottom = solve(s, n, pattern, photon, light.read)
            bottom += prior
            again, both = _best(s, n, top, bottom, count, alone, 1.0, how)
            if again < 0:  # with the noise of its own rate it is none
                rate = base + top / bottom
                break
            if again != i or both != pair:
                continue
        rate = left
        s.use[i] = False
        count -= 1
        if pair:
            s.use[i + 1] = False
            count -= 1
        if how.official and count <= _FEWEST:
            break
    return rate


@bare
def _first_guess(values: Any, n: int, official: bool) -> float:
    """Median of the first ``n`` values; of few the least, for half of the middle may be a jump."""
    if n > _FEWEST or official:
        return float(middle(values, n))
    least = values[0]
    for j in range(1, n):
        least = min(least, values[j])
    return float(least)


@bare
def _medians(
    t: Tile, lanes: int, network: Any, official: bool, rows: Any, medians: Any, counts: Any
) -> None:
    """First guess of an integration from its differences that count, 0 where there is none."""
    counts[:] = 0
    for j in range(len(t.use) - 2):
        for k in range(LANES):
            rows[j, k] = t.value[j + 1, k] if t.use[j + 1, k] > 0 else np.float32(np.inf)
            counts[k] += t.use[j + 1, k]
    sort_lanes(rows, network)
    for k in range(lanes):
        m = int(counts[k])
        medians[k] = np.float32(0)
        if m > _FEWEST or (official and m > 0):
            medians[k] = (rows[(m - 1) >> 1, k] + rows[m >> 1, k]) * np.float32(0.5)
        elif m > 0:  # as `_first_guess`
            medians[k] = rows[0, k]


@bare
def _scatter(values: Any, n: int, centre: float, room: Any) -> float:
    """Robust standard deviation of the first ``n`` values about ``centre``."""
    for i in range(n):
        room[i] = abs(values[i] - centre)
    return 1.4826 * middle(room, n)


@bare
def _common(
    medians: Any, counts: Any, lanes: int, lower: bool, room: Any, other: Any, guess: Any,
    spread: Any,
) -> None:  # fmt: skip
    """Median over the integrations of their medians [nint, lane], and how they scatter.

    ``lower`` takes the lower one of two in the middle: half of the other may be a jump.
    """
    for k in range(lanes):
        m = 0
        for i in range(medians.shape[0]):
            if counts[i, k] > 0:
                room[m] = medians[i, k]
                m += 1
        guess[k] = np.float32(0)
        spread[k] = np.float32(0)
        if m > 0:
            guess[k] = middle(room, m)
            if lower and m & 1 == 0:
                guess[k] = room[0]
                for j in range(1, m >> 1):  # `middle` leaves the lower half in front
                    guess[k] = max(guess[k], room[j])
            spread[k] = _scatter(room, m, guess[k], other)


@bare
def _template(
    data: Any, groupdq: Any, p0: int, lanes: int, terms: Any, medians: Any, t: Tile, kept: Any,
    room: Any, other: Any, shape: Any,
) -> None:  # fmt: skip
    """Mean deviation of each difference [difference, lane] from its integration's median.

    Those of integrations far from the median of a sample, ``kept`` [sample, difference, lane], do
    not count.
    """
    nint, n = data.shape[0], shape.shape[0]
    step = max(nint // _SAMPLE, 1)
    sample = min((nint + step - 1) // step, kept.shape[0])
    for j in range(sample):
        i = j * step
        differences(data, groupdq, i, p0, lanes, terms, t)
        less(t, medians[i])
        for d in range(n):
            for k in range(lanes):
                counts = t.use[d + 1, k] > 0
                kept[j, d, k] = t.value[d + 1, k] if counts else np.float32(np.nan)
    centre = kept[sample]
    width = kept[sample + 1]
    for d in range(n):
        for k in range(lanes):
            m = 0
            for j in range(sample):
                if kept[j, d, k] == kept[j, d, k]:
                    room[m] = kept[j, d, k]
                    m += 1
            centre[d, k] = middle(room, m) if m > 0 else np.float32(0)
            width[d, k] = _FAR * _scatter(room, m, centre[d, k], other) if m > 0 else np.float32(0)
    shape[:] = 0
    number = kept[0]
    number[:] = 0
    for i in range(nint):
        differences(data, groupdq, i, p0, lanes, terms, t)
        less(t, medians[i])
        for d in range(n):
            for k in range(lanes):
                inside = abs(t.value[d + 1, k] - centre[d, k]) <= width[d, k]
                number[d, k] += t.use[d + 1, k] if inside else np.float32(0)
                shape[d, k] += t.value[d + 1, k] if inside else np.float32(0)
    for d in range(n):
        for k in range(lanes):
            shape[d, k] = shape[d, k] / number[d, k] if number[d, k] > 0 else np.float32(0)


@bare
def _flag(s: Scratch, n: int, p: int, flagged: Any) -> None:
    """Flag the last group of the differences that were left out."""
    for j in range(n):
        if not s.use[j]:
            i, g = s.integration[j], s.last[j]
            if not (flagged[i, g, p] | flagged[i, s.first[j], p]) & _UNUSABLE:
                flagged[i, g, p] |= _JUMP


@njit(cache=True, nogil=True, error_model="numpy")
def search_jumps(
    data: Any,
    groupdq: Any,
    gain: Any,
    read: Any,
    dark: Any,
    pattern: Pattern,
    terms: Any,
    network: Any,
    how: Search,
    flagged: Any,
    draft: Any,
) -> None:
    """Flag group differences that no straight line explains.

    Parameters
    ----------
    data, groupdq
        Ramps [nint, ngroup, npix] in DN and their flags.
    gain, read, dark
        e-/DN; variance of a single read, DN²; dark current whose noise is in the data, DN/s [npix].
    pattern, terms
        When groups were read, and `neighbour_terms` of it.
    network
        Sorting network for ngroup - 1 rows.
    how
        Thresholds and ways of the search.
    flagged
        Flags [nint, ngroup, npix] that get JUMP_DET, in place.
    draft
        Filled with the rate [nint, npix] in DN/s that is left; 0 where there is no difference.
    """
    nint, ngroup, npix = data.shape
    n = ngroup - 1
    t = tile(n)
    s = scratch(nint * n)
    most = max(nint, nint * n, 1)
    room = np.empty(most)
    other = np.empty(most)
    rows = np.zeros((max(n, 1), LANES), np.float32)
    medians = np.zeros((nint, LANES), np.float32)
    counts = np.zeros((nint, LANES), np.float32)
    guess = np.zeros(LANES, np.float32)
    spread = np.zeros(LANES, np.float32)
    prior = np.zeros(LANES, np.float32)
    photon = np.zeros(LANES, np.float32)
    noise = np.ones(LANES, np.float32)
    sums = new_sums()
    unused = new_sums()
    extra = np.zeros(LANES, np.float32)
    variance = np.zeros(LANES, np.float32)
    single = np.zeros(LANES, np.float32)
    double = np.zeros(LANES, np.float32)
    holes = np.zeros((nint, LANES), np.bool_)
    shaped = nint >= how.shape and how.help == OTHERS
    shape = np.zeros((n if shaped else 0, LANES), np.float32)
    kept = np.zeros((2 * _SAMPLE + 2 if shaped else 0, n, LANES), np.float32)
    share = _ROUNDING if how.official else _NEAR
    low = np.float32(share * how.one)
    high = np.float32(share * how.two)
    joint = how.help == TOGETHER
    per = nint if joint else 1
    chance = np.float32(1 + 2 / np.sqrt(nint))  # of the scatter of medians, that noise makes
    for p0 in range(0, npix, LANES):
        lanes = min(LANES, npix - p0)
        if nint > 1:
            for i in range(nint):
                differences(data, groupdq, i, p0, lanes, terms, t)
                _medians(t, lanes, network, not joint, rows, medians[i], counts[i])
            _common(medians, counts, lanes, joint, room, other, guess, spread)
        if shaped:
            _template(
                data, groupdq, p0, lanes, terms, medians, t, kept, room, other, shape
            )  # fmt: skip
        for k in range(lanes):
            noise[k] = read[p0 + k]
        for first in range(0, nint, per):
            clear(sums)
            for i in range(first, first + per):
                differences(data, groupdq, i, p0, lanes, terms, t)
                for k in range(lanes):
                    holes[i, k] = (t.state[k] & HOLE) != 0
                if nint == 1 or how.help == ALONE:
                    _medians(t, lanes, network, how.official, rows, guess, counts[i])
                if i == first:
                    for k in range(lanes):
                        rate = max(guess[k], np.float32(0)) + np.float32(dark[p0 + k])
                        photon[k] = rate / np.float32(gain[p0 + k])
                less(t, guess)
                if shaped:
                    for j in range(n):
                        for k in range(lanes):
                            t.value[j + 1, k] -= shape[j, k] * t.use[j + 1, k]
                solve_tile(t, photon, noise, terms, per == 1, sums)
            if how.help == OTHERS:
                factor = np.float32(1.57 if n > 1 else 1.0)  # a median's variance over a mean's
                for k in range(lanes):
                    # of the median of all, and of what integrations differ by beyond their noise
                    single_one = (
                        factor / sums.bottom[k] if sums.bottom[k] > 0 else np.float32(np.inf)
                    )
                    scatter = spread[k] * spread[k]
                    more = scatter > chance * single_one
                    intrinsic = scatter - single_one if more else np.float32(0)
                    flat = _FLAT * guess[k]
                    square = single_one * np.float32(1.57 / nint) + intrinsic + flat * flat
                    prior[k] = np.float32(1) / square
                    sums.bottom[k] += prior[k]
            for k in range(LANES):
                variance[k] = np.float32(1) / sums.bottom[k]
                extra[k] = sums.top[k] * variance[k]
                single[k] = 0
                double[k] = 0
            for i in range(first, first + per):
                if per > 1:
                    differences(data, groupdq, i, p0, lanes, terms, t)
                    less(t, guess)
                    solve_tile(t, photon, noise, terms, True, unused)
                largest(t, extra, variance, how.pairs, single, double)
            for k in range(lanes):
                p = p0 + k
                odd = False
                for i in range(first, first + per):
                    odd |= holes[i, k] or (how.official and counts[i, k] < n)
                near = single[k] >= low or (how.pairs and double[k] >= high)
                rate = guess[k] + extra[k] if sums.bottom[k] > 0 else np.float32(0)
                if near or odd:
                    stop = 0
                    for i in range(first, first + per):
                        stop = gather(data, groupdq, p, i, 0.0, pattern, how.official, stop, s)
                    base = float(guess[k])
                    if prior[k] == 0:  # of the differences themselves, bridged ones too
                        m = 0
                        for j in range(stop):
                            if s.use[j] or how.official:
                                room[m] = s.value[j]
                                m += 1
                        base = _first_guess(room, m, how.official)
                    for j in range(stop):
                        s.value[j] -= base
                        if shaped:
                            for d in range(s.first[j], s.last[j]):
                                share = pattern.mean[d + 1] - pattern.mean[d]
                                share /= pattern.mean[s.last[j]] - pattern.mean[s.first[j]]
                                s.value[j] -= shape[d, k] * share
                    light = Light(
                        np.float64(gain[p]), np.float64(read[p]), np.float64(dark[p])
                    )  # fmt: skip
                    if stop > 0 and base == base:
                        rate = np.float32(
                            _search(s, stop, base, np.float64(prior[k]), light, pattern, how)
                        )
                        _flag(s, stop, p, flagged)
                for i in range(first, first + per):
                    draft[i, p] = rate
