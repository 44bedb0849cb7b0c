"""Likelihood of whole tiles of ramps, one vector lane a pixel, in float32.

As `jwinteractive.kernels.likelihood`, for ramps whose groups all follow each other: a difference
that is not to be used gets weight 0. Differences are in rows 1 to n, with a row of no effect at
either end. Loops over lanes stand in functions of their own that take few whole arrays, and run
from 0 over slices of these: so the compiler can tell them apart and makes vector code.

Source: dossier sections 1.2, 1.3 and 1.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.kernels.lanes import LANES, bare

__all__ = [
    "HOLE",
    "Sums",
    "Tile",
    "clear",
    "differences",
    "largest",
    "less",
    "new_sums",
    "photons",
    "solve_tile",
    "tile",
]

_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED
_JUMP = dq.JUMP_DET
_BEGUN = 1  # there was a good group
_ENDED = 2  # and then one that is not to be used
HOLE = 4
"""State of a lane: a good group follows one that is not to be used and a good one before that."""


class Tile(NamedTuple):
    """Room for one integration of a tile [row, lane], float32, but for the last two.

    Differences in DN/s less the rate they are compared with, 0 where they do not count; 1 where
    they count; pivots of both sweeps, one over the first; one over the diagonal of V⁻¹; what is
    beside the diagonal of V; V⁻¹ times the ones and the differences. Of each lane, uint8: whether
    the last group is to be used, and `HOLE` where its groups do not all follow each other.
    """

    value: Array
    use: Array
    u: Array
    w: Array
    up: Array
    m: Array
    beside: Array
    p: Array
    q: Array
    good: Array
    state: Array


@njit(cache=True, nogil=True)
def tile(n: int) -> Any:
    """Return room for ``n`` differences."""
    shape = (n + 2, LANES)
    return Tile(
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.ones(shape, np.float32),
        np.ones(shape, np.float32),
        np.ones(shape, np.float32),
        np.ones(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(LANES, np.uint8),
        np.zeros(LANES, np.uint8),
    )


class Sums(NamedTuple):
    """Sums over the differences of a tile [lane], float32.

    A, B and C of `likelihood.solve`, the number of differences, and what over C² is the variance
    of the rate from photons.
    """

    total: Array
    top: Array
    bottom: Array
    number: Array
    light: Array


@njit(cache=True, nogil=True)
def new_sums() -> Any:
    """Return sums of 0."""
    return Sums(
        np.zeros(LANES, np.float32),
        np.zeros(LANES, np.float32),
        np.zeros(LANES, np.float32),
        np.zeros(LANES, np.float32),
        np.zeros(LANES, np.float32),
    )


@bare
def clear(sums: Sums) -> None:
    """Make the sums 0."""
    sums.total[:] = 0
    sums.top[:] = 0
    sums.bottom[:] = 0
    sums.number[:] = 0
    sums.light[:] = 0


@bare
def _usable(data: Any, groupdq: Any, i: int, g: int, p0: int, n: int, good: Any, use: Any) -> None:
    samples, flagged = data[i, g, p0 : p0 + n], groupdq[i, g, p0 : p0 + n]
    for k in range(n):
        flags = flagged[k]
        bad = ((flags & _UNUSABLE) != 0) | (samples[k] * np.float32(0) != 0)
        counts = (good[k] != 0) & ((flags & _JUMP) == 0) & (not bad)
        use[g, k] = np.float32(1) if counts else np.float32(0)
        good[k] = np.uint8(0) if bad else np.uint8(1)


@bare
def _follow(good: Any, state: Any) -> None:
    for k in range(LANES):
        now = state[k]
        ended = (now | (now << 1)) & _ENDED  # bad now: what has begun has ended
        hole = (now << 1) & HOLE  # good now: what has ended goes on
        state[k] = now | (hole | _BEGUN if good[k] else ended)


@bare
def _difference(
    data: Any, i: int, g: int, p0: int, n: int, seconds: Any, use: Any, value: Any
) -> None:
    now, before = data[i, g, p0 : p0 + n], data[i, g - 1, p0 : p0 + n]
    for k in range(n):
        change = (now[k] - before[k]) * seconds
        value[g, k] = change if use[g, k] > 0 else np.float32(0)


@bare
def differences(data: Any, groupdq: Any, i: int, p0: int, n: int, terms: Any, t: Tile) -> None:
    """Fill in the differences of integration ``i``, which count, and which lanes have holes.

    ``data``, ``groupdq`` are [nint, ngroup, npix]; lanes from ``n`` on are left alone.
    """
    t.state[:] = 0
    t.good[:] = 0
    for g in range(data.shape[1]):
        _usable(data, groupdq, i, g, p0, n, t.good, t.use)
        _follow(t.good, t.state)
        if g > 0:
            _difference(data, i, g, p0, n, terms[4, g - 1], t.use, t.value)


@bare
def less(t: Tile, base: Any) -> None:
    """Compare the differences with ``base`` [lane], DN/s."""
    value, use = t.value, t.use
    for i in range(1, len(value) - 1):
        for k in range(LANES):
            value[i, k] -= base[k] * use[i, k]


@bare
def _pivot(
    photon: Any, read: Any, light: Any, noise: Any, beside: Any, i: int, u: Any, up: Any
) -> None:
    for k in range(LANES):
        off = beside[i - 1, k]
        u[i, k] = photon[k] * light + read[k] * noise - off * off * up[i - 1, k]
        up[i, k] = np.float32(1) / u[i, k]


@bare
def _couple(photon: Any, read: Any, light: Any, noise: Any, use: Any, i: int, beside: Any) -> None:
    for k in range(LANES):
        both = use[i, k] * use[i + 1, k]
        beside[i, k] = (photon[k] * light + read[k] * noise) * both


@bare
def _forward(right: Any, beside: Any, up: Any, i: int, p: Any) -> None:
    for k in range(LANES):
        p[i, k] = right[i, k] - beside[i - 1, k] * up[i - 1, k] * p[i - 1, k]


@bare
def _backward(beside: Any, up: Any, i: int, p: Any, total: Any) -> None:
    for k in range(LANES):
        found = (p[i, k] - beside[i, k] * p[i + 1, k]) * up[i, k]
        p[i, k] = found
        total[k] += found


@bare
def _dot(value: Any, q: Any, i: int, total: Any) -> None:
    for k in range(LANES):
        total[k] += value[i, k] * q[i, k]


@bare
def _count(use: Any, i: int, total: Any) -> None:
    for k in range(LANES):
        total[k] += use[i, k]


@bare
def _down(photon: Any, read: Any, light: Any, noise: Any, beside: Any, i: int, w: Any) -> None:
    for k in range(LANES):
        off = beside[i, k]
        w[i, k] = photon[k] * light + read[k] * noise - off * off / w[i + 1, k]


@bare
def _diagonal(
    photon: Any, read: Any, light: Any, noise: Any, u: Any, w: Any, i: int, m: Any
) -> None:
    for k in range(LANES):
        m[i, k] = u[i, k] + w[i, k] - (photon[k] * light + read[k] * noise)


@bare
def solve_tile(t: Tile, photon: Any, read: Any, terms: Any, both: bool, sums: Sums) -> None:
    """Solve for V⁻¹1 and V⁻¹d; ``photon`` and ``read`` [lane] as in `likelihood.solve`.

    ``both`` says that the pivots of the second sweep are wanted too. A, B, C and the number of
    differences are added to ``sums``.
    """
    n = len(t.use) - 2
    for i in range(1, n + 1):
        _pivot(photon, read, terms[0, i - 1], terms[1, i - 1], t.beside, i, t.u, t.up)
        _couple(photon, read, terms[2, i - 1], terms[3, i - 1], t.use, i, t.beside)
        _forward(t.use, t.beside, t.up, i, t.p)
        _forward(t.value, t.beside, t.up, i, t.q)
    for i in range(n, 0, -1):
        _backward(t.beside, t.up, i, t.q, sums.top)
        _backward(t.beside, t.up, i, t.p, sums.bottom)
        _dot(t.value, t.q, i, sums.total)  # p and q are 0 where a difference does not count
        _count(t.use, i, sums.number)
        if both:
            _down(photon, read, terms[0, i - 1], terms[1, i - 1], t.beside, i, t.w)
            _diagonal(photon, read, terms[0, i - 1], terms[1, i - 1], t.u, t.w, i, t.m)


@bare
def _photons(p: Any, i: int, photon: Any, diagonal: Any, beside: Any, light: Any) -> None:
    for k in range(LANES):
        now = p[i, k]
        light[k] += photon[k] * (now * (now * diagonal + p[i + 1, k] * beside))


@bare
def photons(t: Tile, terms: Any, photon: Any, sums: Sums) -> None:
    """Add to ``sums.light`` what, over C², is the photon variance."""
    for i in range(1, len(t.p) - 1):
        _photons(t.p, i, photon, terms[0, i - 1], np.float32(2) * terms[2, i - 1], sums.light)


@bare
def _one(p: Any, q: Any, use: Any, m: Any, rate: Any, variance: Any, i: int, single: Any) -> None:
    for k in range(LANES):
        left = q[i, k] - rate[k] * p[i, k]
        gain = left * left * m[i, k] / (np.float32(1) - m[i, k] * p[i, k] * p[i, k] * variance[k])
        gain *= use[i, k]
        single[k] = gain if gain > single[k] else single[k]


@bare
def _two(t: Tile, rate: Any, variance: Any, i: int, double: Any) -> None:
    for k in range(LANES):
        c = variance[k]
        p, o = t.p[i, k], t.p[i + 1, k]
        r, s = t.q[i, k] - rate[k] * p, t.q[i + 1, k] - rate[k] * o
        a = np.float32(1) / t.m[i, k]
        b = -t.beside[i, k] * a / t.w[i + 1, k] - p * o * c
        a -= p * p * c
        d = np.float32(1) / t.m[i + 1, k] - o * o * c
        gain = (d * r * r - np.float32(2) * b * r * s + a * s * s) / (a * d - b * b)
        gain *= t.use[i, k] * t.use[i + 1, k]
        double[k] = gain if gain > double[k] else double[k]


@bare
def largest(t: Tile, rate: Any, variance: Any, pairs: bool, single: Any, double: Any) -> None:
    """Largest drop of chi2 when one difference is left out, and when two neighbours are.

    ``rate`` [lane] is B / C, less what the differences are compared with, ``variance`` 1 / C.
    ``single`` and ``double`` [lane] are kept where they are larger.
    """
    n = len(t.use) - 2
    for i in range(1, n + 1):
        _one(t.p, t.q, t.use, t.m, rate, variance, i, single)
        if pairs and i < n:
            _two(t, rate, variance, i, double)
