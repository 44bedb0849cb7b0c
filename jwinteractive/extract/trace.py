"""Traces: where the light of a source lies in each column.

A path of the best signal to noise says roughly where; then a polynomial is moved until the light
under a Gaussian window lies evenly on both sides of it. Columns are not divided by their noisy
flux, so that faint ones help and do not harm.

Source: Bernstein and Jarvis 2002, AJ 123, 583 (windowed centres).
"""

from __future__ import annotations

import dataclasses as dc
from itertools import pairwise

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = ["Trace", "find_trace"]

_BIN = 16  # columns whose median is followed at first
_STEP = 4  # rows that a path may move from bin to bin
_SURE = 8.0  # signal to noise beyond which a bin counts no more: a bright part is not all
_ROUNDS = 30
_MATTERS = 0.1  # of the window, where a missing pixel moves the centre of light
_LEAST_WHOLE = 0.25  # of the columns: else those with missing pixels count too
_STRIDE = 1.5  # pixels that a trace moves at once
_NEAR = 1e-4  # pixels: nothing moves any more
_LEAST = 5.0  # signal to noise of all light under the window
_NARROWEST = 0.6  # pixels: of the window, in which an undersampled source still has rows
_ROUGH = 0.05  # pixels: by which columns may lie off a polynomial, also where they are bright


@dc.dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """A trace that was found.

    Parameters
    ----------
    centre
        Smooth y of each column, float64 [x].
    measured, error
        Centre of light of single columns and its error, [x]; NaN where it was not used.
    width
        Standard deviation of the light across the trace, in pixels.
    scatter
        Robust standard deviation of ``measured`` about ``centre``, in pixels.
    """

    centre: Array
    measured: Array
    error: Array
    width: float
    scatter: float


def find_trace(
    image: Array,
    variance: Array | None = None,
    near: ArrayLike | None = None,
    reach: float = 6.0,
    order: int = 3,
    sigma: float = 5.0,
) -> Trace:
    """Trace of the brightest source, or of the one near a given line.

    Parameters
    ----------
    image
        Dispersed along x, [y, x]; what is not finite is missing. The median of each column is
        taken off it.
    variance
        Of the pixels [y, x]; by default all have the scatter of the image.
    near
        Rough y, one for all columns or one each; by default it is looked for.
    reach
        Pixels to both sides that are looked at.
    order
        Of the polynomial.
    sigma
        Standard deviations from which on a column is left out.

    Raises
    ------
    InputError
        If shapes do not agree, a parameter is out of range, or there is no light.
    """
    ny, nx = image.shape
    if variance is not None and variance.shape != image.shape:
        raise InputError(f"variance {variance.shape}: must have the shape of the image, {(ny, nx)}")
    if not reach >= 1 or not 0 <= order <= 20 or not sigma > 0:
        raise InputError(
            f"reach = {reach}, order = {order}, sigma = {sigma}: must be at least 1, 0 to 20, and "
            "more than 0"
        )
    data, noise = _prepared(image, variance)
    start = _path(data, noise) if near is None else np.asarray(near, np.float64)
    if start.shape not in ((), (nx,)):
        raise InputError(f"near {start.shape}: must be one, or {nx} as columns")
    centre = np.array(np.broadcast_to(start, (nx,)))
    known = np.isfinite(centre)
    if not known.any() or not np.any((centre[known] > -reach) & (centre[known] < ny - 1 + reach)):
        raise InputError(f"near = {np.ravel(start)[0]:.1f}: has no pixel of the image: move it")
    at = np.linspace(-1, 1, nx)
    few = min(order, max(int(known.sum()) - 1, 0))
    centre = chebyshev.chebval(at, chebyshev.chebfit(at[known], centre[known], few))
    basis = chebyshev.chebvander(at, order)
    width = max(reach / 3, _NARROWEST)
    used = np.ones(nx, np.bool_)
    moments = _moments(data, noise, centre, width, reach)
    for _ in range(_ROUNDS):
        used = _straight(moments, basis, sigma)
        step = basis @ _solved(moments, basis, used)
        # light that is far off tells little of how far
        step *= min(1.0, _STRIDE / max(float(np.abs(step).max()), _NEAR))
        centre = centre + step
        width = _width(moments, used, width, reach)
        moments = _moments(data, noise, centre, width, reach)
        if np.abs(step).max() < _NEAR:
            break
    total = moments.light[used].sum()
    if not used.any() or not total > _LEAST * np.sqrt(moments.light_variance[used].sum()):
        raise InputError(
            "image has no light along a trace: give near, the y of the source, or a larger reach"
        )
    good = used & (moments.slope > 0) & (moments.light > 3 * np.sqrt(moments.light_variance))
    measured, error = np.full(nx, np.nan), np.full(nx, np.nan)
    measured[good] = centre[good] + moments.offset[good] / moments.slope[good]
    error[good] = np.sqrt(moments.offset_variance[good]) / moments.slope[good]
    away = np.abs(measured - centre)[good]
    scatter = 1.4826 * float(np.median(away)) if good.any() else np.nan
    return Trace(centre, measured, error, width, scatter)


@dc.dataclass(frozen=True, eq=False, slots=True)
class _Moments:
    """Sums of each column under the window, [x]."""

    light: Array
    light_variance: Array  # 0 where the middle of the column is missing
    offset: Array  # light times the distance from the middle: 0 in the centre
    offset_variance: Array
    slope: Array  # of the offset, if the middle moves
    square: Array  # light times the squared distance


def _moments(data: Array, noise: Array, centre: Array, width: float, reach: float) -> _Moments:
    away = np.arange(len(data))[:, None] - centre
    window = np.where(np.abs(away) <= reach, np.exp(-(away**2) / 2 / width**2), 0)
    missing = ~np.isfinite(data)
    whole: Array = ~np.any(missing & (window > _MATTERS), axis=0)
    if whole.mean() < _LEAST_WHOLE:
        whole = np.ones_like(whole)
    window[missing] = 0
    light = np.where(window > 0, window * data, 0)
    spread = np.where(window > 0, window**2 * noise, 0)
    square = (light * away**2).sum(axis=0)
    total = light.sum(axis=0)
    # how much the light under the window moves with the source: by half if both are as wide.
    # That of the light itself, not of the image, in which noise is steep
    all_light = total.sum()
    moves = 1 - square.sum() / all_light / width**2 if all_light > 0 else 0.5
    slope = np.maximum(total, 0) * float(np.clip(moves, 0.3, 1.0))
    return _Moments(
        total,
        np.where(whole, spread.sum(axis=0), 0),
        (light * away).sum(axis=0),
        (spread * away**2).sum(axis=0),
        slope,
        square,
    )


def _solved(moments: _Moments, basis: Array, used: Array) -> Array:
    """Polynomial of how far the middle lies off the light."""
    weight = np.where(used & (moments.offset_variance > 0), 1.0, 0.0)
    doubt = moments.offset_variance + (_ROUGH * moments.slope) ** 2
    weight /= np.where(weight > 0, doubt, 1)
    design = basis * moments.slope[:, None]
    normal = design.T @ (weight[:, None] * design)
    normal += 1e-9 * np.trace(normal) * np.eye(len(normal)) + 1e-300 * np.eye(len(normal))
    found: Array = np.linalg.solve(normal, design.T @ (weight * moments.offset))
    return found


def _straight(moments: _Moments, basis: Array, sigma: float) -> Array:
    """Columns [x] whose light lies where a polynomial through all of them has it."""
    used = (moments.offset_variance > 0) & (moments.light_variance > 0)
    for _ in range(5):
        if not used.any():
            break
        off = moments.offset - moments.slope * (basis @ _solved(moments, basis, used))
        doubt = moments.offset_variance + (_ROUGH * moments.slope) ** 2
        score = np.abs(off) / np.sqrt(np.where(used, doubt, 1))
        # a polynomial is not the truth, and a variance may be small: the scatter counts too
        unit = max(1.4826 * float(np.median(score[used])), 1.0)
        kept = used & (score <= sigma * unit)
        if kept.sum() == used.sum():
            break
        used = kept
    return used


def _width(moments: _Moments, used: Array, width: float, reach: float) -> float:
    """Standard deviation of the light, without the window's part in it."""
    light = moments.light[used].sum()
    square = moments.square[used].sum() / light if light > 0 else 0.0
    if not 0 < square < 0.95 * width**2:
        return width
    own = 1 / np.sqrt(1 / square - 1 / width**2)
    return float(np.clip(own, _NARROWEST, max(reach / 2, _NARROWEST)))


def _prepared(image: Array, variance: Array | None) -> tuple[Array, Array]:
    """Image less the median of each column, NaN where missing, and its variance [y, x]."""
    data = np.where(np.isfinite(image), image, np.nan).astype(np.float64)
    seen = np.isfinite(data).any(axis=0)
    if not seen.any():
        raise InputError("image has no finite pixel: no trace can be found in it")
    data[:, seen] -= np.nanmedian(data[:, seen], axis=0)
    if variance is None:
        steps = np.diff(data, axis=1)
        steps = steps[np.isfinite(steps)]
        scatter = 1.4826 * float(np.median(np.abs(steps))) / np.sqrt(2) if steps.size else 0.0
        return data, np.full(data.shape, scatter**2 if scatter > 0 else 1.0)
    data[~(np.isfinite(variance) & (variance > 0))] = np.nan
    return data, np.where(np.isfinite(variance), variance, 0).astype(np.float64)


def _path(data: Array, noise: Array) -> Array:
    """Rough y [x] of the path through bins of columns with the most signal to noise."""
    ny, nx = data.shape
    bins = int(max(nx // _BIN, 1))
    edges = np.linspace(0, nx, bins + 1).astype(int)
    score = np.zeros((bins, ny))
    for b, (first, last) in enumerate(pairwise(edges.tolist())):
        part, good = data[:, first:last], np.isfinite(data[:, first:last])
        rows = good.sum(axis=1) > (last - first) / 3
        if not rows.any():
            continue
        level = np.zeros(ny)
        level[rows] = np.nanmedian(part[rows], axis=1)
        count = np.maximum(good.sum(axis=1), 1)
        spread = np.where(good, noise[:, first:last], 0).sum(axis=1) / count**2
        level = np.convolve(level, np.ones(3), "same")
        spread = np.convolve(spread, np.ones(3), "same")
        ratio = np.divide(level, np.sqrt(spread), out=np.zeros(ny), where=spread > 0)
        # bright bins count alike, yet their maximum stays where it is
        score[b] = _SURE * np.tanh(ratio / _SURE) + ratio / max(float(np.abs(ratio).max()), 1.0)
    best, came = score[0].copy(), np.zeros((bins, ny), int)
    for b in range(1, bins):
        steps = np.arange(-_STEP, _STEP + 1)
        before = np.full((len(steps), ny), -np.inf)
        for k, step in enumerate(steps.tolist()):
            low, high = max(step, 0), min(ny + step, ny)
            if low < high:
                before[k, low - step : high - step] = best[low:high] - 0.2 * abs(step)
        chosen = before.argmax(axis=0)
        came[b] = np.arange(ny) + steps[chosen]
        best = before[chosen, np.arange(ny)] + score[b]
    path = np.empty(bins)
    row = int(best.argmax())
    for b in range(bins - 1, -1, -1):
        path[b] = row
        row = int(came[b, row])
    lit = score.max(axis=1) > 0
    middle = (edges[:-1] + edges[1:] - 1) / 2
    return np.interp(np.arange(nx), middle[lit], path[lit]) if lit.any() else path[:1].repeat(nx)
