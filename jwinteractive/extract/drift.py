"""How the trace of a time series moves and widens from integration to integration.

The mean image, its change by a small shift and its change by a small widening are fitted to each
integration, beside its brightness and a level.

Source: dossier section 8 (6).
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import Frames, in_threads

__all__ = ["Drift", "trace_drift"]

_NARROWEST = 0.6  # pixels: of a Gaussian that stands for the source
_PIXEL = 1 / 12  # squared standard deviation of a pixel
_SHIFT = 0.02  # pixels that a known source is moved by
_DOUBT = 0.02  # of the light: by which an integration may differ
_FEW = 21  # integrations whose median says what a hit is
_CHANGE = 0.1  # of the light: by which pixels may change through a visit
_HIT = 6.0  # standard deviations from which on a pixel of an integration is left out


@dc.dataclass(frozen=True, eq=False, slots=True)
class Drift:
    """How the light of each integration differs from that of the mean image, all [n].

    Parameters
    ----------
    shift, shift_error
        Pixels across the dispersion; up is positive.
    widening, widening_error
        Change of the standard deviation of the light across the trace, in pixels.
    """

    shift: Array
    shift_error: Array
    widening: Array
    widening_error: Array


def trace_drift(frames: Frames, trace: ArrayLike, reach: float = 6.0, threads: int = 0) -> Drift:
    """How the light moves across the dispersion and widens, in each integration.

    The brightness of an integration and a level of background are fitted beside. Good for sources
    that are not much narrower than two pixels, and for drifts well below one.

    Parameters
    ----------
    frames
        Integrations [n, y, x] with variances.
    trace
        y of each column, or one for all.
    reach
        Pixels to both sides of the trace that count.
    threads
        By default one a core; results do not depend on it.

    Raises
    ------
    InputError
        If the trace has another length or no pixel.
    """
    ny, nx = frames.shape
    centre = np.asarray(trace, np.float64)
    if centre.shape not in ((), (nx,)):
        raise InputError(f"trace {centre.shape}: must be one, or {nx} as columns")
    centre = np.broadcast_to(centre, (nx,))
    away = np.arange(ny)[:, None] - centre
    near = np.abs(away) <= reach
    if not near.any():
        raise InputError(f"trace at y = {np.nanmean(centre):.1f} has no pixel: move it")
    mean, variance, count = _mean(frames)
    near &= count > 0.5 * len(frames)
    width = _light_width(mean, away, near)
    terms = _terms(mean, near, width)
    # splines through pixels follow undersampled light badly: what they make of a known source
    model, sky = _gaussian(ny, centre, width), np.zeros((ny, nx))
    of_model = _terms(model, near, width)
    moved = _gaussian(ny, centre + _SHIFT, width)
    wider = _gaussian(ny, centre, width + _SHIFT)
    response = [
        _fitted(of_model, image[near], variance[near], sky[near])[0][k] / _SHIFT
        for k, image in ((1, moved), (2, wider))
    ]
    found = np.full((4, len(frames)), np.nan)

    def work(i: int) -> None:
        values = frames.image(i)[near].astype(np.float64)
        part, error = _fitted(terms, values, variance[near], mean[near])
        found[0::2, i] = part[1:3] / response
        found[1::2, i] = error[1:3] / response

    in_threads(len(frames), work, threads)
    return Drift(*found)


def _mean(frames: Frames) -> tuple[Array, Array, Array]:
    """Mean image without hits, the mean variance of one image, and how many count, [y, x]."""
    every = np.unique(np.linspace(0, len(frames) - 1, _FEW).astype(int))
    some = np.array([frames.image(i) for i in every])
    known = np.isfinite(some).any(axis=0)
    pilot = np.zeros(frames.shape)
    pilot[known] = np.nanmedian(np.where(np.isfinite(some), some, np.nan)[:, known], axis=0)
    total, spread, count = np.zeros((3, *frames.shape))
    for i in range(len(frames)):
        image, noise = frames.image(i), np.sum(frames.variances(i), axis=0)
        good = np.isfinite(image) & np.isfinite(noise)
        off = np.where(good, image - pilot, 0)
        good &= off**2 <= _HIT**2 * (np.where(good, noise, 0) + (_CHANGE * pilot) ** 2) + 1e-30
        total += np.where(good, image, 0)
        spread += np.where(good, noise, 0)
        count += good
    mean = np.divide(total, count, out=np.zeros(frames.shape), where=count > 0)
    variance = np.divide(spread, count, out=np.ones(frames.shape), where=spread > 0)
    return mean, variance, count


def _terms(image: Array, near: Array, width: float) -> Array:
    """Image, its change by a shift and by a change of its width, a level: [term, pixel]."""
    from scipy.interpolate import CubicSpline

    rows = np.arange(len(image))
    if len(rows) < 2:
        return np.array([image, image * 0, image * 0, image * 0 + 1])[:, near]
    spline = CubicSpline(rows, image, axis=0)
    # the second derivative is half of the change of the squared width
    terms = np.array([image, -spline(rows, 1), spline(rows, 2) * width, np.ones_like(image)])
    return terms[:, near]


def _gaussian(ny: int, centre: Array, width: float) -> Array:
    """Integrals of a Gaussian over pixels [y, x]."""
    from scipy.special import erf

    edges = np.arange(ny + 1)[:, None] - 0.5
    found: Array = np.diff(0.5 * erf((edges - centre) / width / np.sqrt(2)), axis=0)
    return found


def _fitted(terms: Array, values: Array, variance: Array, light: Array) -> tuple[Array, Array]:
    """Share of each term in that of the first, and its error, without hits; NaN if unknown."""
    good = np.isfinite(values)
    part = error = np.full(len(terms), np.nan)
    for _ in range(2):
        weighted = terms * np.where(good, 1 / variance, 0)
        normal = weighted @ terms.T
        scale = np.sqrt(np.diagonal(normal))
        if not np.all(scale > 0):
            break
        inverse = np.linalg.pinv(normal / np.outer(scale, scale)) / np.outer(scale, scale)
        solved = inverse @ (weighted @ np.where(good, values, 0))
        off = np.where(good, values - solved @ terms, 0)
        good &= off**2 <= _HIT**2 * (variance + (_DOUBT * light) ** 2)
        part, error = solved / solved[0], np.sqrt(np.diagonal(inverse)) / abs(solved[0])
    return part, error


def _light_width(mean: Array, away: Array, near: Array) -> float:
    """Standard deviation of the light across the trace, without that of a pixel."""
    light = np.where(near, mean, 0)
    rim = near & (np.abs(away) > 0.8 * np.abs(away[near]).max())
    light = np.where(near, light - np.median(mean[rim]), 0)
    total = light.sum()
    square = (light * away**2).sum() / total if total > 0 else 0.0
    return float(np.sqrt(max(square - _PIXEL, _NARROWEST**2)))
