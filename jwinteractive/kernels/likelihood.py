"""The likelihood of a ramp: a straight line through group differences of known covariance.

Differences of neighbouring groups share a group, so that their covariance V is tridiagonal. The
elements of V⁻¹ that a fit and a leave-out test need follow from two sweeps of pivots, whose ratios
neither over- nor underflow. Here is one ramp in float64, whatever groups it lacks; whole tiles of
ramps are in `jwinteractive.kernels.tiles`.

Sources: Brandt 2024 (arXiv:2309.08753, 2404.01326); dossier sections 1.2 and 1.3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.kernels.lanes import bare

__all__ = [
    "RESET",
    "Pattern",
    "Scratch",
    "gather",
    "neighbour_terms",
    "pattern_of",
    "read_times",
    "scratch",
    "solve",
    "split",
]

_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED
_JUMP = dq.JUMP_DET

RESET = -1
"""Number of the group that a difference from the reset on begins with: 0 DN, free of noise."""


class Pattern(NamedTuple):
    """When the groups were read, float64 [ngroup].

    Mean time of a group's frames and their variance-weighted mean time, in s since the reset, and
    the variance of a group over that of a single read.
    """

    mean: Array
    weighted: Array
    noise: Array


def read_times(ngroup: int, nframes: int, frame_time: float, group_time: float) -> list[Array]:
    """Times in s since the reset of the ``nframes`` frames that each group averages."""
    frames = np.arange(1, nframes + 1) * frame_time
    return [frames + k * group_time for k in range(ngroup)]


def pattern_of(times: list[Array]) -> Pattern:
    """Read-out pattern of groups that average frames read at ``times``, s since the reset."""
    mean, weighted, noise = np.empty((3, len(times)))
    for g, frames in enumerate(times):
        n = len(frames)
        mean[g] = frames.mean()
        weighted[g] = np.sum((2 * n - 1 - 2 * np.arange(n)) * frames) / n**2
        noise[g] = 1 / n
    return Pattern(mean, weighted, noise)


def neighbour_terms(pattern: Pattern) -> Array:
    """Terms of V for differences of neighbouring groups: float32 [5, ngroup - 1].

    Diagonal per rate over gain and per read variance, the same off the diagonal with the next
    difference (0 for the last), and one over the seconds that a difference spans.
    """
    mean, weighted, noise = pattern
    span = np.diff(mean)
    terms = np.zeros((5, max(len(span), 1)))
    if len(span):
        terms[0] = (weighted[:-1] + weighted[1:] - 2 * mean[:-1]) / span**2
        terms[1] = (noise[:-1] + noise[1:]) / span**2
        terms[2, :-1] = (mean[1:-1] - weighted[1:-1]) / (span[1:] * span[:-1])
        terms[3, :-1] = -noise[1:-1] / (span[1:] * span[:-1])
        terms[4] = 1 / span
    return terms.astype(np.float32)


class Scratch(NamedTuple):
    """Room for the differences of one pixel, over all its integrations.

    Of each: its two groups, its value in DN/s, whether it counts, whether it shares a group with
    the one after it, its integration; then pivots, V⁻¹ times the ones and the values, and diagonal
    and neighbouring elements of V⁻¹.
    """

    first: Array
    last: Array
    value: Array
    use: Array
    joined: Array
    integration: Array
    u: Array
    w: Array
    p: Array
    q: Array
    m: Array
    beside: Array


@njit(cache=True, nogil=True)
def scratch(n: int) -> Any:
    """Return room for ``n`` differences."""
    size = max(n, 1)
    return Scratch(
        np.zeros(size, np.int64),
        np.zeros(size, np.int64),
        np.zeros(size),
        np.zeros(size, np.bool_),
        np.zeros(size, np.bool_),
        np.zeros(size, np.int64),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
        np.zeros(size),
    )


@bare
def _diagonal(pattern: Pattern, a: int, b: int, photon: float, read: float) -> float:
    if a == RESET:
        time = pattern.mean[b]
        return float((photon * pattern.weighted[b] + read * pattern.noise[b]) / (time * time))
    span = pattern.mean[b] - pattern.mean[a]
    light = pattern.weighted[a] + pattern.weighted[b] - 2 * pattern.mean[a]
    noise = pattern.noise[a] + pattern.noise[b]
    return float((photon * light + read * noise) / (span * span))


@bare
def _beside(pattern: Pattern, a: int, b: int, c: int, photon: float, read: float) -> float:
    before = pattern.mean[b] - (0.0 if a == RESET else pattern.mean[a])
    spans = before * (pattern.mean[c] - pattern.mean[b])
    light = pattern.mean[b] - pattern.weighted[b]
    return float((photon * light - read * pattern.noise[b]) / spans)


@bare
def gather(
    data: Any, groupdq: Any, p: int, i: int, base: float, pattern: Pattern, strict: bool,
    at: int, s: Scratch,
) -> int:  # fmt: skip
    """Append the differences, less ``base``, of integration ``i`` of pixel ``p`` from ``at`` on.

    Groups that are not to be used are bridged; a jump spoils the difference that contains its
    group. With ``strict`` nothing is bridged. Returns the place behind the last.
    """
    before = -1
    spoilt = False
    gap = False
    start = at
    for g in range(data.shape[1]):
        flags = groupdq[i, g, p]
        spoilt = spoilt or (flags & _JUMP) != 0
        value = np.float64(data[i, g, p])
        bad = (flags & _UNUSABLE) != 0 or not np.isfinite(value)
        if bad and not strict:
            continue
        if before >= 0:
            s.first[at] = before
            s.last[at] = g
            s.integration[at] = i
            span = pattern.mean[g] - pattern.mean[before]
            s.value[at] = (value - np.float64(data[i, before, p])) / span - base
            s.use[at] = not (spoilt or bad or gap)
            if not s.use[at] and not np.isfinite(s.value[at]):
                s.value[at] = 0.0
            if at > start:
                s.joined[at - 1] = True
            s.joined[at] = False
            at += 1
        before = g
        gap = bad
        spoilt = False
    return at


@bare
def solve(
    s: Scratch, n: int, pattern: Pattern, photon: float, read: float
) -> tuple[float, float, float]:
    """Solve for the first ``n`` differences with the covariance of an assumed rate.

    Parameters
    ----------
    photon
        Assumed rate over gain, DN²/s.
    read
        Variance of a single read, DN².

    Returns
    -------
    tuple
        A = dᵀV⁻¹d, B = 1ᵀV⁻¹d and C = 1ᵀV⁻¹1: the rate is B / C with variance 1 / C, and
        chi2 is A - B² / C. ``s`` gets the pivots, V⁻¹1, V⁻¹d and the elements of V⁻¹.
    """
    total = 0.0
    top = 0.0
    bottom = 0.0
    for i in range(n):
        s.u[i] = _diagonal(pattern, s.first[i], s.last[i], photon, read)
        s.w[i] = s.u[i]
        s.p[i] = 1.0 if s.use[i] else 0.0
        s.q[i] = s.value[i] if s.use[i] else 0.0
        s.beside[i] = 0.0
        if i > 0 and s.joined[i - 1] and s.use[i] and s.use[i - 1]:
            off = _beside(pattern, s.first[i - 1], s.last[i - 1], s.last[i], photon, read)
            factor = off / s.u[i - 1]
            s.beside[i - 1] = off
            s.u[i] -= factor * off
            s.p[i] -= factor * s.p[i - 1]
            s.q[i] -= factor * s.q[i - 1]
    for i in range(n - 1, -1, -1):
        diagonal = s.w[i]
        off = s.beside[i]
        if off != 0:
            s.w[i] -= off * off / s.w[i + 1]
            s.p[i] -= off * s.p[i + 1]
            s.q[i] -= off * s.q[i + 1]
        s.p[i] /= s.u[i]
        s.q[i] /= s.u[i]
        s.m[i] = 1 / (s.u[i] + s.w[i] - diagonal)
        if s.use[i]:
            total += s.value[i] * s.q[i]
            top += s.q[i]
            bottom += s.p[i]
    return total, top, bottom


@bare
def split(s: Scratch, n: int, pattern: Pattern, photon: float, weight: Any) -> float:
    """Photon variance of the sum of weights times differences, (DN/s)², after `solve`."""
    found = 0.0
    for i in range(n):
        if not s.use[i]:
            continue
        found += weight[i] * weight[i] * _diagonal(pattern, s.first[i], s.last[i], photon, 0.0)
        if s.beside[i] != 0:
            near = _beside(pattern, s.first[i], s.last[i], s.last[i + 1], photon, 0.0)
            found += 2 * weight[i] * weight[i + 1] * near
    return found
