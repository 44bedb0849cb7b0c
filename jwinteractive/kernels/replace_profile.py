"""Bad pixels of a spectral image from the profiles of the columns beside them.

A column is all that was dispersed to one wavelength, whichever way it lies on the detector; its
profile is its flux by position. Arrays are [column, position].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.lanes import middle

__all__ = [
    "BAD",
    "BEYOND",
    "FOUND",
    "GOOD",
    "LOST",
    "NONE",
    "UNSEEN",
    "neighbours",
    "replace_by_profile",
    "seen_positions",
]

GOOD = 0
UNSEEN = 1  # no science, but a value
BAD = 2  # to be replaced
LOST = 3  # neither
BEYOND = 4  # of no concern: of another slice

FOUND = 1
NONE = 2  # no neighbour has a value at the position, or it is lost

_FAINT = np.float32(5)  # errors; below, nothing is scaled: it would be scaled to noise
_HUGE = 1e20


@njit(cache=True, nogil=True)
def seen_positions(state: Any) -> tuple[int, int]:
    """First position with a value in any column, and the end of the last."""
    start, end = state.shape[1], 0
    for c in range(state.shape[0]):
        for p in range(state.shape[1]):
            if state[c, p] <= UNSEEN:
                start = min(start, p)
                end = max(end, p + 1)
    return start, end


@njit(cache=True, nogil=True)
def _columns(state: Any, start: int, end: int, holds: Any, lacks: Any) -> None:
    """Tell which columns hold a good pixel, and which of them lack others."""
    for c in range(state.shape[0]):
        for p in range(start, end):
            holds[c] |= state[c, p] == GOOD
            lacks[c] |= state[c, p] == BAD


@njit(cache=True, nogil=True)
def neighbours(holds: Any, c: int, n_adjacent_cols: int, near: Any) -> int:
    """Fill ``near`` with the columns about a column that hold a good pixel; how many there are."""
    n = 0
    for k in range(max(0, c - n_adjacent_cols), min(len(holds), c + n_adjacent_cols + 1)):
        if k != c and holds[k]:
            near[n] = k
            n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _median(plane: Any, state: Any, near: Any, n: int, norms: Any, p: int, room: Any) -> Any:
    """Median of what ``n`` columns, each in its unit, hold at a position: NaN for none."""
    kept = 0
    for k in range(n):
        flag = state[near[k], p]
        value = plane[near[k], p] / norms[k]
        if flag <= UNSEEN and not np.isnan(value):
            room[kept] = value
            kept += 1
    return np.float32(middle(room, kept))


@njit(cache=True, nogil=True, error_model="numpy")
def _peaks(data: Any, err: Any, state: Any, near: Any, n: int, cut: Any, norms: Any) -> Any:
    """Largest modulus of each neighbour; whether all of them are too faint to be scaled by it."""
    best = np.float32(np.nan)
    for k in range(n):
        peak = np.float32(np.nan)
        for p in range(cut[0], cut[1]):
            flag = state[near[k], p]
            if flag <= UNSEEN:
                value = abs(data[near[k], p])
                ratio = value / abs(err[near[k], p])
                if not value <= peak and not np.isnan(value):
                    peak = value
                if not ratio <= best and not np.isnan(ratio):
                    best = ratio
        norms[k] = peak
    return best < _FAINT


@njit(cache=True, nogil=True, error_model="numpy")
def _scale(profile: Any, line: Any, state: Any, cut: Any, top: Any) -> float:
    """Factor that takes the modulus of a profile to that of a column, over ``top``, its maximum.

    The least squares that the official simplex looks for; NaN where it does not look.
    """
    cross, square = 0.0, 0.0
    deepest, highest, start = np.nan, np.nan, np.nan
    for p in range(cut[0], cut[1]):
        if state[p] <= UNSEEN and not np.isnan(line[p]):
            value = np.float64(line[p] / top)
            if not value <= start and not np.isnan(value):
                start = value
            if not abs(value) <= highest and not np.isnan(value):
                highest = abs(value)
            model = np.float64(abs(profile[p]))
            if not np.isnan(model):
                if not model <= deepest:
                    deepest = model
                cross += model * abs(value)
                square += model * model
    if not (deepest < _HUGE and highest < _HUGE):
        return np.nan
    return cross / square if square > 0 else abs(start)


@njit(cache=True, nogil=True, error_model="numpy")
def replace_by_profile(
    planes: Any, state: Any, n_adjacent_cols: int, cut: tuple[int, int], replaced: Any
) -> None:
    """Replace bad pixels as the official `fit_profile` does, its simplex solved in closed form.

    Parameters
    ----------
    planes
        Data, err, then square roots of variances [plane, column, position], float32: changed in
        place.
    state
        Of each pixel, uint8 [column, position]: `GOOD`, `UNSEEN`, `BAD`, `LOST` or `BEYOND`.
    n_adjacent_cols
        Columns on each side that the profile is the median of.
    cut
        First position with a value in any column, and the end of the last: of all columns, where
        these are some of them. What lies beyond is left alone.
    replaced
        Set for bad and lost pixels, uint8 [column, position]: `FOUND`, or `NONE`, where all planes
        become NaN. It stays where a column has no good pixel or no bad one, or no neighbour that
        has a good one.
    """
    count, npos = state.shape
    holds, lacks = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    _columns(state, cut[0], cut[1], holds, lacks)
    near = np.empty(2 * n_adjacent_cols + 1, np.int64)
    norms = np.empty(2 * n_adjacent_cols + 1, np.float32)
    room = np.empty(2 * n_adjacent_cols + 1, np.float32)
    profile = np.empty(npos, np.float32)
    data, err = planes[0], planes[1]
    for c in range(count):
        if not (holds[c] and lacks[c]):
            continue
        n = neighbours(holds, c, n_adjacent_cols, near)
        top = np.float32(np.nan)
        for p in range(cut[0], cut[1]):
            if state[c, p] <= UNSEEN and not data[c, p] <= top:
                top = top if np.isnan(data[c, p]) else data[c, p]
        if n == 0 or np.isnan(top):
            continue
        if _peaks(data, err, state, near, n, cut, norms):
            norms[:n] = 1
        for p in range(cut[0], cut[1]):
            profile[p] = _median(data, state, near, n, norms, p, room)
        kept = 0
        for k in range(n):
            room[kept] = norms[k]
            kept += not np.isnan(norms[k])
        factor = np.nan  # peaks of one are taken for faint columns, as officially
        if np.float32(middle(room, kept)) != 1:
            factor = _scale(profile, data[c], state[c], cut, top) * np.float64(top)
        if np.isnan(factor):
            factor = 1.0
        for p in range(cut[0], cut[1]):
            if state[c, p] != BAD and state[c, p] != LOST:
                continue
            value = np.float32(profile[p] * factor)
            known = state[c, p] == BAD and not np.isnan(value)
            replaced[c, p] = FOUND if known else NONE
            data[c, p] = value if known else np.float32(np.nan)
            for e in range(1, planes.shape[0]):
                found = _median(planes[e], state, near, n, norms, p, room)
                planes[e, c, p] = found * factor if known else np.float32(np.nan)
