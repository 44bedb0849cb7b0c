"""Extended faint light in differences of groups: excess, smoothing over rings, pixels above.

Source: dossier section 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.kernels.blobs import appended
from jwinteractive.kernels.lanes import middle

__all__ = ["differences_in_sigma", "keep_small_changes", "ring", "smoothed_runs", "stacked"]

_DNU, _JUMP, _SAT = dq.DO_NOT_USE, dq.JUMP_DET, dq.SATURATED
_FLAGGED = dq.DO_NOT_USE | dq.JUMP_DET | dq.SATURATED


def ring(inner: float, outer: float) -> Array:
    """Pixels of a ring about one, as runs of columns: int64 [run, (y, first x, end x)]."""
    reach = int(np.floor(outer))
    span = np.arange(-reach, reach + 1)
    runs = []
    for y in span.tolist():
        r2 = y * y + span * span
        inside = (r2 >= inner * inner) & (r2 <= outer * outer)
        turns = np.flatnonzero(np.diff(np.concatenate([[0], inside, [0]]))) - reach
        runs += [(y, first, end) for first, end in turns.reshape(-1, 2).tolist()]
    return np.array(runs, np.int64).reshape(-1, 3)


@njit(cache=True, nogil=True, error_model="numpy")
def differences_in_sigma(
    data: Any, groupdq: Any, unusable: Any, gain: Any, noise2: Any, signed: bool, z: Any
) -> None:
    """How far each difference lies from the median of its pixel, in sigma.

    Parameters
    ----------
    data, groupdq
        DN and flags [nint, ngroup, npix].
    unusable
        Pixels without a result bool [npix].
    gain, noise2
        e-/DN, and the variance of a difference from reading in e-² [npix].
    signed
        If not, distances count whatever their sign.
    z
        Gets the result float32 [nint, ngroup - 1, npix]; NaN for flagged samples.
    """
    nint, ngroup, npix = data.shape
    known = np.empty(nint * (ngroup - 1), np.float32)
    for p in range(npix):
        n = 0
        for i in range(nint):
            good = False
            before = np.float32(0)
            for g in range(ngroup):
                flags = groupdq[i, g, p]
                now = data[i, g, p] * gain[p]
                usable = not flags & _FLAGGED
                if g:
                    d = now - before
                    if usable and good and d == d:
                        known[n] = d
                        n += 1
                        z[i, g - 1, p] = np.nan if unusable[p] else d
                    else:
                        z[i, g - 1, p] = np.nan
                good = usable
                before = now
        level = np.float32(middle(known, n))
        sigma = np.sqrt(abs(level) + noise2[p])
        for i in range(nint):
            for g in range(ngroup - 1):
                away = (z[i, g, p] - level) / sigma
                z[i, g, p] = away if signed else abs(away)


@njit(cache=True, nogil=True)
def stacked(z: Any, weights: Any) -> None:
    """Replace z [nint, ngroup - 1, npix] by weighted sums over the groups from each on.

    The sums are in units of the noise of independent differences, in place; flagged ones are left
    out of them.
    """
    nint, ngroup, npix = z.shape
    total = np.empty(npix, np.float32)
    squares = np.empty(npix, np.float32)
    for i in range(nint):
        for g in range(ngroup):
            total[:] = 0
            squares[:] = 0
            for k in range(min(len(weights), ngroup - g)):
                w = weights[k]
                for p in range(npix):
                    v = z[i, g + k, p]
                    good = v == v
                    total[p] += w * v if good else np.float32(0)
                    squares[p] += w * w if good else np.float32(0)
            for p in range(npix):
                some = squares[p] > 0
                z[i, g, p] = total[p] / np.sqrt(squares[p]) if some else np.float32(np.nan)


@njit(cache=True, nogil=True)
def smoothed_runs(
    z: Any, offsets: Any, threshold: float, power: float, top: int, bottom: int, y0: int
) -> Any:
    """Runs of pixels, see `jwinteractive.kernels.blobs`, whose surroundings rise high.

    Parameters
    ----------
    z
        float32 [nint, ngroup - 1, ny, nx], NaN where nothing is known; rows outside of it are
        taken to be known and zero, as the columns.
    offsets
        Pixels around one over which is summed, see `ring`.
    threshold, power
        The sum over n known pixels must exceed threshold n^power: 1 for a mean, 0.5 for sigmas.
    top, bottom, y0
        Rows of ``z`` that are looked at, and the row of the exposure where it begins.

    Returns
    -------
    ndarray
        The plane of a difference is integration * ngroup + group, of its later group.
    """
    nint, ndiff, ny, nx = z.shape
    runs = np.empty((256, 4), np.int32)
    n = 0
    total = np.empty(nx)
    count = np.empty(nx)
    sums = np.zeros((ny, nx + 1))
    known = np.zeros((ny, nx + 1))
    for i in range(nint):
        for g in range(ndiff):
            plane = i * (ndiff + 1) + g + 1
            for y in range(ny):
                for x in range(nx):
                    v = z[i, g, y, x]
                    good = v == v
                    sums[y, x + 1] = sums[y, x] + (v if good else 0.0)
                    known[y, x + 1] = known[y, x] + (1.0 if good else 0.0)
            for y in range(top, bottom):
                total[:] = 0
                count[:] = 0
                for o in range(len(offsets)):
                    j, first, end = y + offsets[o, 0], offsets[o, 1], offsets[o, 2]
                    if j < 0 or j >= ny:
                        count += end - first
                        continue
                    for x in range(nx):
                        low, high = min(max(x + first, 0), nx), max(min(x + end, nx), 0)
                        total[x] += sums[j, high] - sums[j, low]
                        outside = end - first - (high - low)
                        count[x] += known[j, high] - known[j, low] + outside
                begin = -1
                own = z[i, g, y]
                for x in range(nx + 1):
                    above = False
                    if x < nx and own[x] == own[x] and count[x] > 0:
                        above = total[x] > threshold * count[x] ** power
                    if above and begin < 0:
                        begin = x
                    elif not above and begin >= 0:
                        runs = appended(runs, n, plane, y0 + y, begin, x)
                        n += 1
                        begin = -1
    return runs[:n].copy()


@njit(cache=True, nogil=True)
def _mean_difference(data: Any, groupdq: Any, p: int, factor: float) -> float:
    """Mean of the differences [group] between unflagged neighbours of one pixel."""
    total = 0.0
    n = 0
    for g in range(1, data.shape[0]):
        if not (groupdq[g, p] | groupdq[g - 1, p]) & _FLAGGED:
            d = data[g, p] * factor - data[g - 1, p] * factor
            if d == d:
                total += d
                n += 1
    return total / n if n else np.nan


@njit(cache=True, nogil=True)
def keep_small_changes(data: Any, before: Any, gain: Any, most: float, groupdq: Any) -> None:
    """Take flags back where they change the mean difference too much, or leave none.

    ``data`` and flags ``before`` [nint, ngroup, npix]; ``groupdq`` is changed in place. A mean may
    change by ``most``, in DN a group times ``gain`` [npix].
    """
    nint, ngroup, npix = data.shape
    for i in range(nint):
        for p in range(npix):
            same = True
            for g in range(ngroup):
                same &= groupdq[i, g, p] == before[i, g, p]
            if same:
                continue
            then = _mean_difference(data[i], before[i], p, gain[p])
            now = _mean_difference(data[i], groupdq[i], p, gain[p])
            if not abs(now - then) <= most:  # NaN too
                for g in range(ngroup):
                    groupdq[i, g, p] = before[i, g, p]
