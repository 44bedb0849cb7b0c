"""Sums of MIRI samples by the phase of a periodic signal, and its subtraction.

Source: dossier 3.10. Four neighbouring columns are read at the same time, one by each output: a
*quad* below. Phases are counted in cycles from the first pixel of the exposure.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from jwinteractive.data import Array

__all__ = ["QUAD", "add_by_phase", "scatter", "subtract_waves"]

QUAD = 4
"""Columns that are read at the same time."""


@njit(cache=True, nogil=True)
def scatter(data: Array) -> Array:
    """Variance of each pixel's ramp about its straight line.

    Parameters
    ----------
    data
        DN [integration, group, y, x], float32; three groups or more.

    Returns
    -------
    Array
        DN² [integration, y, x], float64; NaN where a sample is not finite.
    """
    nint, ngroup, ny, nx = data.shape
    out = np.empty((nint, ny, nx))
    total, moment, square = np.empty(nx), np.empty(nx), np.empty(nx)
    weight = ngroup * (ngroup * ngroup - 1) / 12  # sum of squares of the centred group numbers
    for i in range(nint):
        for y in range(ny):
            total[:] = 0.0
            moment[:] = 0.0
            square[:] = 0.0
            for g in range(ngroup):
                t = g - 0.5 * (ngroup - 1)
                for x in range(nx):
                    value = np.float64(data[i, g, y, x]) - np.float64(data[i, 0, y, x])
                    total[x] += value
                    moment[x] += t * value
                    square[x] += value * value
            for x in range(nx):
                about = square[x] - total[x] ** 2 / ngroup - moment[x] ** 2 / weight
                # NaN stays NaN: it is not below zero
                out[i, y, x] = 0.0 if about < 0 else about / (ngroup - 2)
    return out


@njit(cache=True, nogil=True)
def add_by_phase(data: Array, usable: Array, bins: Array, sums: Array, counts: Array) -> None:
    """Add the samples of a strip to the sums of their phase bins, in place.

    Parameters
    ----------
    data
        DN [integration, group, y, x], float32.
    usable
        Which pixels to take, bool [integration, y, x].
    bins
        Bin of each row and quad in the first group, int64 [y, quad].
    sums
        DN [integration, group, bin], float64.
    counts
        Pixels in each bin [integration, bin], float64.
    """
    nint, ngroup, ny, _ = data.shape
    quads = bins.shape[1]
    for i in range(nint):
        for y in range(ny):
            for k in range(quads):
                for x in range(QUAD * k, QUAD * k + QUAD):
                    counts[i, bins[y, k]] += usable[i, y, x]
        for g in range(ngroup):
            for y in range(ny):
                for k in range(quads):
                    total = 0.0
                    for x in range(QUAD * k, QUAD * k + QUAD):
                        if usable[i, y, x]:
                            total += data[i, g, y, x]
                    sums[i, g, bins[y, k]] += total


@njit(cache=True, nogil=True)
def subtract_waves(
    data: Array,
    waves: Array,
    amplitude: Array,
    phase: Array,
    period: Array,
    clocks: tuple[int, int, int],
    corner: tuple[int, int],
) -> Array:
    """Subtract periodic signals from each sample.

    Parameters
    ----------
    data
        DN [integration, group, y, x], float32.
    waves
        One cycle of each signal [signal, point], its first two points once more at the end.
    amplitude, phase
        Factor on the wave, and cycles at the first pixel, of each [signal, integration].
    period
        Of each signal, in clocks.
    clocks
        Per row, per quad and per group.
    corner
        First row and column of ``data`` in the exposure.

    Returns
    -------
    Array
        DN, float32, rounded once.
    """
    nint, ngroup, ny, nx = data.shape
    points = waves.shape[1] - 2
    row, quad, group = clocks
    y0, x0 = corner
    first = x0 // QUAD
    level = np.empty((x0 + nx - 1) // QUAD - first + 1)
    out = np.empty((nint, ngroup, ny, nx), np.float32)
    for i in range(nint):
        for g in range(ngroup):
            for y in range(ny):
                level[:] = 0.0
                for s in range(len(period)):
                    for k in range(len(level)):
                        tick = g * group + (y0 + y) * row + (first + k) * quad
                        at = tick / period[s] + phase[s, i]
                        at = (at - np.floor(at)) * points
                        low = int(at)
                        rise = waves[s, low + 1] - waves[s, low]
                        level[k] += amplitude[s, i] * (waves[s, low] + rise * (at - low))
                for x in range(nx):
                    out[i, g, y, x] = data[i, g, y, x] - level[(x0 + x) // QUAD - first]
    return out
