"""Likelihood of whole tiles of ramps, one vector lane a pixel, in float32.

As `jwinteractive.kernels.likelihood`, for ramps whose groups all follow each other: a difference
that is not to be used gets weight 0. Each loop over lanes has few arrays, so that the compiler can
prove it free of overlaps.

Source: dossier sections 1.2, 1.3 and 1.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.kernels.lanes import LANES

__all__ = ["Tile", "add_up", "differences", "largest", "less", "photons", "solve_tile", "tile"]

_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED
_JUMP = dq.JUMP_DET
_BEGUN = 1  # there was a good group
_ENDED = 2  # and then one that is not to be used
_HOLE = 4  # and then a good one again


class Tile(NamedTuple):
    """Room for one integration of a tile [difference, lane].

    Differences in DN/s, less the rate they are compared with; 1 where they count; pivots of both
    sweeps and the reciprocals of those; what is beside the diagonal of V; V⁻¹ times ones and
    differences: float32. Then for each lane: which differences count of all its groups (a
    flag of `differences`), and whether the group before is to be used.
    """

    value: Array
    use: Array
    u: Array
    w: Array
    up: Array
    beside: Array
    p: Array
    q: Array
    state: Array
    good: Array


@njit(cache=True, nogil=True)
def tile(n: int) -> Any:
    """Return room for ``n`` differences."""
    shape = (max(n, 1), LANES)
    return Tile(
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.ones(shape, np.float32),
        np.ones(shape, np.float32),
        np.ones(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(LANES, np.uint8),
        np.zeros(LANES, np.uint8),
    )


@njit(cache=True, nogil=True)
def _usable(value: Any, flags: Any, good: Any, use: Any) -> None:
    """Which differences with the group before count; ``good`` becomes what this group is."""
    for k in range(len(use)):
        bad = ((flags[k] & _UNUSABLE) != 0) | (value[k] * np.float32(0) != 0)
        counts = (good[k] != 0) & ((flags[k] & _JUMP) == 0) & (not bad)
        use[k] = np.float32(1) if counts else np.float32(0)
        good[k] = np.uint8(0) if bad else np.uint8(1)


@njit(cache=True, nogil=True)
def _follow(good: Any, state: Any) -> None:
    for k in range(len(state)):
        now = state[k]
        ended = (now | (now << 1)) & _ENDED  # bad now: what has begun has ended
        hole = (now << 1) & _HOLE  # good now: what has ended goes on
        state[k] = now | (hole | _BEGUN if good[k] else ended)


@njit(cache=True, nogil=True)
def _difference(now: Any, before: Any, span: Any, use: Any, out: Any) -> None:
    for k in range(len(out)):
        change = (now[k] - before[k]) * span
        out[k] = change if use[k] > 0 else np.float32(0)


@njit(cache=True, nogil=True)
def differences(data: Any, groupdq: Any, p0: int, n: int, terms: Any, t: Tile) -> bool:
    """Fill in the differences and which count; say whether any lane has a hole among its groups.

    ``data``, ``groupdq`` [group, npix] are one integration; lanes from ``n`` on are left alone.
    A lane with a hole has bit 4 in ``t.state``: its groups do not all follow each other.
    """
    t.state[:] = 0
    for g in range(data.shape[0]):
        now = data[g, p0 : p0 + n]
        i = max(g - 1, 0)
        _usable(now, groupdq[g, p0 : p0 + n], t.good[:n], t.use[i, :n])
        _follow(t.good[:n], t.state[:n])
        if g > 0:
            before = data[i, p0 : p0 + n]
            _difference(now, before, terms[4, i], t.use[i, :n], t.value[i, :n])
    hole = np.uint8(0)
    for k in range(n):
        hole |= t.state[k]
    return bool(hole & _HOLE)


@njit(cache=True, nogil=True)
def less(t: Tile, n: int, base: Any) -> None:
    """Compare the differences with ``base`` [lane], DN/s."""
    for i in range(n):
        value, use = t.value[i], t.use[i]
        for k in range(len(value)):
            value[k] -= base[k] * use[k]


@njit(cache=True, nogil=True)
def _beside(photon: Any, read: Any, light: Any, noise: Any, use: Any, after: Any, out: Any) -> None:
    for k in range(len(out)):
        out[k] = (photon[k] * light + read[k] * noise) * (use[k] * after[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _first(photon: Any, read: Any, light: Any, noise: Any, u: Any) -> None:
    for k in range(len(u)):
        u[k] = photon[k] * light + read[k] * noise


@njit(cache=True, nogil=True, error_model="numpy")
def _pivot(beside: Any, near: Any, u: Any) -> None:
    for k in range(len(u)):
        u[k] -= beside[k] * beside[k] * near[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _last(beside: Any, near: Any, w: Any) -> None:
    for k in range(len(w)):
        w[k] -= beside[k] * beside[k] / near[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _inverse(u: Any, up: Any) -> None:
    for k in range(len(u)):
        up[k] = np.float32(1) / u[k]


@njit(cache=True, nogil=True)
def _forward(beside: Any, up: Any, before: Any, own: Any, out: Any) -> None:
    for k in range(len(out)):
        out[k] = own[k] - beside[k] * up[k] * before[k]


@njit(cache=True, nogil=True)
def _backward(beside: Any, up: Any, after: Any, out: Any) -> None:
    for k in range(len(out)):
        out[k] = (out[k] - beside[k] * after[k]) * up[k]


@njit(cache=True, nogil=True, error_model="numpy")
def solve_tile(t: Tile, n: int, photon: Any, read: Any, terms: Any, both: bool) -> None:
    """Solve for V⁻¹1 and V⁻¹d; ``photon`` and ``read`` [lane] as in `likelihood.solve`.

    ``both`` says that the pivots of the second sweep are wanted too.
    """
    for i in range(n):
        _first(photon, read, terms[0, i], terms[1, i], t.u[i])
        if both:
            t.w[i] = t.u[i]
        if i + 1 < n:
            _beside(photon, read, terms[2, i], terms[3, i], t.use[i], t.use[i + 1], t.beside[i])
        if i == 0:
            t.p[0] = t.use[0]
            t.q[0] = t.value[0]
        else:
            _pivot(t.beside[i - 1], t.up[i - 1], t.u[i])
            _forward(t.beside[i - 1], t.up[i - 1], t.p[i - 1], t.use[i], t.p[i])
            _forward(t.beside[i - 1], t.up[i - 1], t.q[i - 1], t.value[i], t.q[i])
        _inverse(t.u[i], t.up[i])
    if n == 0:
        return
    t.beside[n - 1] = np.float32(0)
    for i in range(n - 1, -1, -1):
        after = min(i + 1, n - 1)
        _backward(t.beside[i], t.up[i], t.p[after], t.p[i])
        _backward(t.beside[i], t.up[i], t.q[after], t.q[i])
        if both and i + 1 < n:
            _last(t.beside[i], t.w[i + 1], t.w[i])


@njit(cache=True, nogil=True)
def _add_product(a: Any, b: Any, out: Any) -> None:
    for k in range(len(out)):
        out[k] += a[k] * b[k]


@njit(cache=True, nogil=True)
def _add(a: Any, out: Any) -> None:
    for k in range(len(out)):
        out[k] += a[k]


@njit(cache=True, nogil=True)
def add_up(t: Tile, n: int, sums: Any) -> None:
    """Add A, B, C and the number of differences of an integration to ``sums`` [4, lane]."""
    for i in range(n):  # p and q are 0 where a difference does not count
        _add_product(t.value[i], t.q[i], sums[0])
        _add(t.q[i], sums[1])
        _add(t.p[i], sums[2])
        _add(t.use[i], sums[3])


@njit(cache=True, nogil=True)
def _photons(p: Any, after: Any, diagonal: Any, beside: Any, out: Any) -> None:
    for k in range(len(out)):
        out[k] += p[k] * (p[k] * diagonal + np.float32(2) * after[k] * beside)


@njit(cache=True, nogil=True)
def photons(t: Tile, n: int, terms: Any, out: Any) -> None:
    """Fill ``out`` [lane] with what, times rate over gain and over C², is the photon variance."""
    out[:] = 0
    for i in range(n):
        last = np.float32(0) if i + 1 == n else np.float32(terms[2, i])
        _photons(t.p[i], t.p[min(i + 1, n - 1)], terms[0, i], last, out)


@njit(cache=True, nogil=True, error_model="numpy")
def _one(p: Any, q: Any, use: Any, u: Any, w: Any, own: Any, fit: Any, out: Any) -> None:
    for k in range(len(out)):
        inverse = u[k] + w[k] - own[k]  # 1 / M of this difference
        left = q[k] - fit[0, k] * p[k]
        gain = left * left * inverse / (np.float32(1) - inverse * p[k] * p[k] * fit[1, k])
        out[k] = gain if (use[k] > 0) & (gain > out[k]) else out[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _two(t: Tile, i: int, own: Any, fit: Any, out: Any) -> None:
    m, o = t.p[i], t.p[i + 1]
    x, y = t.q[i], t.q[i + 1]
    for k in range(len(out)):
        c = fit[1, k]
        first = np.float32(1) / (t.u[i, k] + t.w[i, k] - own[0, k])
        second = np.float32(1) / (t.u[i + 1, k] + t.w[i + 1, k] - own[1, k])
        off = -t.beside[i, k] * first / t.w[i + 1, k]
        r, s = x[k] - fit[0, k] * m[k], y[k] - fit[0, k] * o[k]
        a, b, d = first - m[k] * m[k] * c, off - m[k] * o[k] * c, second - o[k] * o[k] * c
        gain = (d * r * r - np.float32(2) * b * r * s + a * s * s) / (a * d - b * b)
        both = t.use[i, k] * t.use[i + 1, k] > 0
        out[k] = gain if both & (gain > out[k]) else out[k]


@njit(cache=True, nogil=True, error_model="numpy")
def largest(
    t: Tile, n: int, photon: Any, read: Any, terms: Any, fit: Any, pairs: bool, own: Any,
    single: Any, double: Any,
) -> None:  # fmt: skip
    """Largest drop of chi2 when one difference is left out, and when two neighbours are.

    ``fit`` [2, lane] is the rate less what the differences are compared with, and 1 / C; ``own``
    [2, lane] is room for the diagonal of V. ``single`` and ``double`` [lane] are kept where they
    are larger.
    """
    for i in range(n):
        _first(photon, read, terms[0, i], terms[1, i], own[0])
        _one(t.p[i], t.q[i], t.use[i], t.u[i], t.w[i], own[0], fit, single)
        if pairs and i + 1 < n:
            _first(photon, read, terms[0, i + 1], terms[1, i + 1], own[1])
            _two(t, i, own, fit, double)
