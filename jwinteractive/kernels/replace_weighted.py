"""Bad pixels of a spectral image from a profile and a level, weighted, with errors that are meant.

Arrays are [column, position], states those of `jwinteractive.kernels.replace_profile`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.lanes import middle
from jwinteractive.kernels.replace_profile import BAD, FOUND, GOOD, NONE, neighbours

__all__ = ["median_variance", "replace_by_weights"]

_SEEN = 10.0  # errors of its scale, from which on a column is taken to have a profile
_FEWEST = 2  # columns with a profile; with fewer, nothing is scaled
_APART = 0.02  # share of the profile that is no level, from which on both are fitted
_SMOOTH = 2  # positions on each side that the scatter of the profiles is taken from


@njit(cache=True, nogil=True, error_model="numpy")
def median_variance(n: int) -> float:
    """Variance of the median of ``n`` normal values over that of one: to 4 %.

    Source: pi / 2n for many, with terms that are right for few; of an even number it is less.
    """
    return np.pi / (2 * n + (np.pi - 2 if n % 2 else 2.5))


@njit(cache=True, nogil=True, error_model="numpy")
def _fit(profile: Any, noise: Any, line: Any, weight: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Scale and level of a profile in a column, and their variances and covariance.

    The square of a noisy profile is too large by its ``noise``, which would make the scale too
    small. A profile that is hardly more than a level is scaled only. NaN if nothing is known.
    """
    pp, p1, one, pd, d1, off = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for p in range(profile.shape[0]):
        w = weight[p]
        if w > 0 and not np.isnan(profile[p]) and not np.isnan(line[p]):
            pp += w * profile[p] * profile[p]
            p1 += w * profile[p]
            one += w
            pd += w * profile[p] * line[p]
            d1 += w * line[p]
            off += w * noise[p]
    if not pp > 0:
        return np.nan, 0.0, 0.0, 0.0, 0.0
    if pp - p1 * p1 / one - off <= _APART * pp:
        return pd / pp, 0.0, 1 / pp, 0.0, 0.0
    free = (pp - off) * one - p1 * p1
    scale = (one * pd - p1 * d1) / free
    level = ((pp - off) * d1 - p1 * pd) / free
    return scale, level, one / free, -p1 / free, (pp - off) / free


@njit(cache=True, nogil=True, error_model="numpy")
def _draft(data: Any, err: Any, near: Any, n: int, profile: Any, weight: Any, room: Any) -> None:
    """Median of the neighbours as they are, and the inverse of the median of their variances."""
    for p in range(data.shape[1]):
        kept = 0
        for k in range(n):
            room[kept] = data[near[k], p]
            kept += not np.isnan(room[kept])
        profile[p] = middle(room, kept)
        kept = 0
        for k in range(n):
            room[kept] = err[near[k], p]
            kept += (not np.isnan(data[near[k], p])) and room[kept] > 0
        spread = middle(room, kept)
        weight[p] = 1 / (spread * spread) if spread > 0 and np.isfinite(spread) else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _alike(data: Any, near: Any, n: int, profile: Any, weight: Any, scales: Any) -> int:
    """Scale and level [2, neighbour] of the columns that show the profile, moved to the front."""
    quiet = np.zeros(profile.shape[0])
    kept = 0
    for k in range(n):
        scale, level, var, _, _ = _fit(profile, quiet, data[near[k]], weight)
        if scale > _SEEN * np.sqrt(var):
            near[kept], scales[0, kept], scales[1, kept] = near[k], scale, level
            kept += 1
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def _statistics(
    data: Any, err: Any, c: int, near: Any, n: int, scales: Any, stats: Any, room: Any
) -> None:
    """Profile, its noise, excess scatter, weight of that, and lean by position: rows of ``stats``.

    The scatter is about a straight line along the spectrum: a trace that runs askew is met half
    way by columns on both sides. Where more of them are on one side, the lean is what is missed.
    """
    for p in range(data.shape[1]):
        kept, mean, offset, noise = 0, 0.0, 0.0, 0.0
        for k in range(n):
            value = (data[near[k], p] - scales[1, k]) / scales[0, k]
            if not np.isnan(value):
                spread = err[near[k], p] / scales[0, k]
                room[kept] = value
                mean += value
                offset += near[k] - c
                noise += spread * spread
                kept += 1
        stats[:, p] = 0.0
        stats[0, p] = middle(room, kept)
        if kept == 0:
            continue
        mean, offset, noise = mean / kept, offset / kept, noise / kept
        stats[1, p] = noise * median_variance(kept)
        square, cross, total, at = 0.0, 0.0, 0.0, 0
        for k in range(n):
            value = (data[near[k], p] - scales[1, k]) / scales[0, k]
            if not np.isnan(value):
                x = near[k] - c - offset
                square += x * x
                cross += x * (value - mean)
                total += (value - mean) * (value - mean)
                room[at] = near[k] - c
                at += 1
        slope = cross / square if square > 0 else 0.0
        if kept > 2:
            stats[2, p] = total - slope * cross
            stats[3, p] = kept - 2
            stats[4, p] = noise * (kept - 2)
        aside = middle(room, kept)
        if square > 0:
            stats[5, p] = max(0.0, slope * slope - noise / square) * aside * aside


@njit(cache=True, nogil=True, error_model="numpy")
def _excess(stats: Any, p: int) -> Any:
    """Variance of the profile beyond the errors, about a position; 0 if noise may be all of it."""
    total, count, noise = 0.0, 0.0, 0.0
    for q in range(max(0, p - _SMOOTH), min(stats.shape[1], p + _SMOOTH + 1)):
        if not np.isnan(stats[4, q]):
            total += stats[2, q]
            count += stats[3, q]
            noise += stats[4, q]
    if count == 0:
        return 0.0
    return max(0.0, total - noise * (1 + np.sqrt(2 / count))) / count


@njit(cache=True, nogil=True, error_model="numpy")
def _parts(planes: Any, c: int, p: int, near: Any, n: int) -> None:
    """Share the square of the error among the variances as the neighbours have it."""
    whole = 0.0
    for e in range(2, planes.shape[0]):
        total, kept = 0.0, 0
        for k in range(n):
            part = np.float64(planes[e, near[k], p])
            if not np.isnan(planes[0, near[k], p]) and not np.isnan(part):
                total += part * part
                kept += 1
        share = total / kept if kept else 0.0
        planes[e, c, p] = np.sqrt(share)
        whole += share
    factor = planes[1, c, p] / np.sqrt(whole) if whole > 0 else np.nan
    for e in range(2, planes.shape[0]):
        planes[e, c, p] *= factor


@njit(cache=True, nogil=True, error_model="numpy")
def replace_by_weights(planes: Any, state: Any, n_adjacent_cols: int, replaced: Any) -> None:
    """Replace bad pixels by a profile and a level that are fitted to what is good of the column.

    Takes what `jwinteractive.kernels.replace_profile.replace_by_profile` takes, with NaN in data
    for all that is not to be used. The error of a value is that of the fit, of the profile, and
    its scatter beyond noise; variances share its square as those of the neighbours do.
    """
    count, npos = state.shape
    holds = np.zeros(count, np.bool_)
    for c in range(count):
        for p in range(npos):
            holds[c] |= state[c, p] == GOOD
    near = np.empty(2 * n_adjacent_cols + 1, np.int64)
    room = np.empty(2 * n_adjacent_cols + 1, np.float64)
    scales = np.empty((2, 2 * n_adjacent_cols + 1))
    profile, weight = np.empty(npos), np.empty(npos)
    stats = np.empty((6, npos))
    found = np.full((count, npos), np.nan, np.float32)  # what was bad must count as bad to the end
    for c in range(count):
        if not holds[c] or not np.any(state[c] == BAD):
            continue
        n = neighbours(holds, c, n_adjacent_cols, near)
        if n == 0:
            continue
        _draft(planes[0], planes[1], near, n, profile, weight, room)
        alike = _alike(planes[0], near, n, profile, weight, scales)
        scaled = alike >= _FEWEST
        if not scaled:
            n = neighbours(holds, c, n_adjacent_cols, near)
            scales[0, :n], scales[1, :n] = 1.0, 0.0
        else:
            n = alike
        _statistics(planes[0], planes[1], c, near, n, scales, stats, room)
        scale, level, v11, v12, v22 = 1.0, 0.0, 0.0, 0.0, 0.0
        if scaled:
            scale, level, v11, v12, v22 = _fit(stats[0], stats[1], planes[0, c], weight)
        for p in range(npos):
            if state[c, p] != BAD:
                continue
            value = stats[0, p]
            model = stats[1, p] + _excess(stats, p) + stats[5, p]
            fit = value * value * v11 + 2 * value * v12 + v22
            found[c, p] = scale * value + level
            replaced[c, p] = NONE if np.isnan(found[c, p]) else FOUND
            planes[1, c, p] = np.sqrt(scale * scale * model + fit)
            _parts(planes, c, p, near, n)
    for c in range(count):
        for p in range(npos):
            if replaced[c, p] == FOUND:
                planes[0, c, p] = found[c, p]
