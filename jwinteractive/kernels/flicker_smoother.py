"""Kalman filter and smoother of drifts in read order: gains of a mask once, then any image.

The drifts are Ornstein-Uhlenbeck processes: J that all amplifiers share, then J of each one. The
state holds them in that order, S = J (1 + amplifiers). Signal and noise are independent, so that
the smoothed signal is K u, where u solves (K + R) u = y. The filter and its adjoint give u (de
Jong 1989, JASA 84, 1085), and as each process is Markov, K u are two sums that decay with time:
neither the states nor their covariances are ever kept.

Source: dossier 4c.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.data import Array
from jwinteractive.kernels.flicker_median import free_values, sampled_spread

__all__ = ["bin_lines", "count_lines", "gains", "smooth", "spread"]

_REACH = 2.5 * 1.4826  # median deviations beyond which a value is drawn in
_FEW = 8  # values whose deviations say nothing


@njit(cache=True, nogil=True)
def count_lines(free: Array, slot: Array, slots: int) -> Array:
    """Free pixels of each slot: free bool [line, pixel] -> float32 [line, slot]."""
    counts = np.zeros((free.shape[0], slots), np.float32)
    for i in range(free.shape[0]):
        for x in range(free.shape[1]):
            if free[i, x]:
                counts[i, slot[x]] += 1
    return counts


@njit(cache=True, nogil=True)
def _runs(slot: Array) -> Array:
    """First pixel of each run of pixels of one slot, and the end of the last."""
    starts = np.empty(len(slot) + 1, np.int64)
    n = 0
    for x in range(len(slot)):
        if x == 0 or slot[x] != slot[x - 1]:
            starts[n] = x
            n += 1
    starts[n] = len(slot)
    return starts[: n + 1]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _drawn_in(line: Array, free: Array, centre: Any, reach: Any) -> tuple[Any, Any]:
    """Sums of the free values about a centre, none further away than ``reach``, and of squares."""
    total = np.float32(0)
    square = np.float32(0)
    for x in range(len(line)):
        off = line[x] - centre
        good = free[x] & (off * np.float32(0) == 0)
        off = min(max(off, -reach), reach)
        off = off if good else np.float32(0)
        total += off
        square += off * off
    return total, square


@njit(cache=True, nogil=True, error_model="numpy")
def bin_lines(
    lines: Array, free: Array, slot: Array, counts: Array, amplifiers: int
) -> tuple[Array, Array]:
    """Means of the free pixels of each slot of lines, drawn in where they are far out.

    Parameters
    ----------
    lines
        DN [line, pixel]. A value beyond 2.5 standard deviations from the median of a sample of its
        line and amplifier counts as one that far away, so that faint sources and hits move little;
        one that is not finite counts as that median. So the mask, and the gains, stay those of all
        images.
    free
        Which to use, bool [line, pixel].
    slot, counts
        Slot of each pixel [pixel], and free pixels of each slot [line, slot].

    Returns
    -------
    means, within
        DN [line, slot], float64; NaN where nothing is free, or nothing finite in the line. Sum of
        squares about the means of slots, DN², and how many are independent [2].
    """
    n, length = lines.shape
    runs = _runs(slot)
    means = np.zeros(counts.shape)
    squares = np.zeros(counts.shape[1])
    within = np.zeros(2)
    values = np.empty((amplifiers, length + 1), np.float32)
    centre = np.empty(amplifiers, np.float32)
    reach = np.empty(amplifiers, np.float32)
    filled = np.empty(amplifiers, np.int64)
    for i in range(n):
        filled[:] = 0
        squares[:] = 0.0
        for r in range(len(runs) - 1):
            a = slot[runs[r]] % amplifiers
            part = slice(runs[r], runs[r + 1])
            filled[a] += free_values(lines[i, part], free[i, part], values[a, filled[a] :])
        for a in range(amplifiers):
            m = filled[a]
            centre[a], off = sampled_spread(values[a], m)
            reach[a] = _REACH * off if m >= _FEW else 0.0
        for r in range(len(runs) - 1):
            s = slot[runs[r]]
            part = slice(runs[r], runs[r + 1])
            a = s % amplifiers
            total, square = _drawn_in(lines[i, part], free[i, part], centre[a], reach[a])
            means[i, s] += total
            squares[s] += square
        for s in range(len(squares)):
            count = counts[i, s]
            if count > 1 and np.isfinite(centre[s % amplifiers]):
                within[0] += squares[s] - means[i, s] * means[i, s] / count
                within[1] += count - 1
            means[i, s] = means[i, s] / count + centre[s % amplifiers]
    return means, within


@njit(cache=True, nogil=True, error_model="numpy")
def gains(
    counts: Array, white: float, variance: Array, decay: Array, per_line: int
) -> tuple[Array, Array]:
    """Gains of the filter, which depend on the mask alone.

    Parameters
    ----------
    counts
        Free pixels [bin, amplifier], bins in read order.
    white
        Variance of a pixel, DN².
    variance
        Of each process, DN² [1 + amplifiers, J]: the common ones first.
    decay
        What is left of each process [2, J] from bin to bin, and from line to line.
    per_line
        Bins of a line.

    Returns
    -------
    gain, precision
        Of each measurement: change of the states per DN [bin, amplifier, S], float32; inverse
        variance of its innovation [bin, amplifier], 1/DN², float64, 0 where nothing is free.
    """
    bins, amplifiers = counts.shape
    processes = variance.shape[1]
    size = processes * (1 + amplifiers)
    prior = variance.copy().reshape(size)
    keep = np.empty((2, size))
    for s in range(size):
        keep[0, s] = decay[0, s % processes]
        keep[1, s] = decay[1, s % processes]
    gain = np.zeros((bins, amplifiers, size), np.float32)
    precision = np.zeros((bins, amplifiers))
    cov = np.diag(prior)
    seen = np.empty(size)
    for t in range(bins):
        if t > 0:
            phi = keep[1 if t % per_line == 0 else 0]
            for i in range(size):
                for k in range(size):
                    cov[i, k] *= phi[i] * phi[k]
                cov[i, i] += prior[i] * (1.0 - phi[i] * phi[i])
        for a in range(amplifiers):
            if counts[t, a] == 0:
                continue
            own = processes * (1 + a)
            seen[:] = 0.0
            for j in range(processes):
                for i in range(size):
                    seen[i] += cov[j, i] + cov[own + j, i]
            total = white / counts[t, a]
            for j in range(processes):
                total += seen[j] + seen[own + j]
            if not total > 0:
                continue
            precision[t, a] = 1.0 / total
            for i in range(size):
                g = seen[i] / total
                gain[t, a, i] = g
                for k in range(size):
                    cov[i, k] -= g * seen[k]
    return gain, precision


@njit(cache=True, nogil=True, error_model="numpy")
def smooth(
    values: Array, gain: Array, precision: Array, variance: Array, decay: Array, per_line: int
) -> Array:
    """Smoothed drifts of one image [bin, amplifier] in DN, whose means are ``values``.

    What is free but not finite moves nothing. The other arguments are those of `gains`.
    """
    bins, amplifiers = values.shape
    processes = variance.shape[1]
    size = processes * (1 + amplifiers)
    state = np.zeros(size)
    u = np.zeros((bins, amplifiers))
    out = np.zeros((bins, amplifiers))
    for t in range(bins):  # innovations
        step = decay[1 if t % per_line == 0 else 0]
        for b in range(1 + amplifiers):
            for j in range(processes):
                state[b * processes + j] *= step[j]
        for a in range(amplifiers):
            if precision[t, a] == 0:
                continue
            own = processes * (1 + a)
            new = values[t, a]
            for j in range(processes):
                new -= state[j] + state[own + j]
            if not np.isfinite(new):
                continue
            u[t, a] = new
            for i in range(size):
                state[i] += gain[t, a, i] * new
    after = np.zeros(size)  # sums of u from now on, each decayed as its process
    for t in range(bins - 1, -1, -1):
        for a in range(amplifiers - 1, -1, -1):
            if precision[t, a] == 0:
                continue
            own = processes * (1 + a)
            force = u[t, a] * precision[t, a]
            for i in range(size):
                force -= gain[t, a, i] * after[i]
            u[t, a] = force
            for j in range(processes):
                after[j] += force
                after[own + j] += force
        for a in range(amplifiers):
            for j in range(processes):
                out[t, a] += variance[0, j] * after[j]
                out[t, a] += variance[1 + a, j] * after[processes * (1 + a) + j]
        step = decay[1 if t % per_line == 0 else 0]
        for b in range(1 + amplifiers):
            for j in range(processes):
                after[b * processes + j] *= step[j]
    before = np.zeros(size)
    for t in range(bins):
        step = decay[1 if t % per_line == 0 else 0]
        for b in range(1 + amplifiers):
            for j in range(processes):
                before[b * processes + j] *= step[j]
        for a in range(amplifiers):
            own = processes * (1 + a)
            for j in range(processes):
                out[t, a] += variance[0, j] * before[j] + variance[1 + a, j] * before[own + j]
        for a in range(amplifiers):
            own = processes * (1 + a)
            for j in range(processes):
                before[j] += u[t, a]
                before[own + j] += u[t, a]
    return out


@njit(cache=True, nogil=True)
def spread(levels: Array, slot: Array, out: Array) -> None:
    """Write levels [line, slot] to the pixels of lines ``out`` [line, pixel]."""
    for i in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[i, x] = levels[i, slot[x]]
