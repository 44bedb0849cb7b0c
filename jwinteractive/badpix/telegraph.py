"""Random telegraph noise: switches between two levels among the differences of groups.

A pixel that switches has differences that are too high and as many that are too low by the same
step. A hit is only ever too high. So the differences of all ramps from their rate, in sigma, are
compared with two mixtures: noise and hits, or noise, hits and steps up and down. The width of the
noise is free in both, for the read noise of a pixel may be other than its reference says.

Source: dossier 5.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from jwinteractive.data import Array
from jwinteractive.kernels.readstats import EDGE, STEPS, compare_mixtures

__all__ = ["two_levels"]

_WIDTHS = np.array([0.7, 0.85, 1.0, 1.2, 1.45, 1.75, 2.2, 2.8, 3.6])
_STEPS = np.array([2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0])
_HIT = 2.5  # sigma from which on a hit can be seen
_FAR = 2.5  # sigma from which on differences may be steps
_LEAST_LOW, _LEAST = 25.0, 36.0  # sum of their squares, of the low ones and of all
_ROUNDS = 25


@lru_cache(maxsize=1)
def _laws() -> tuple[Array, Array, Array]:
    """Chance of each bin: of noise [width, bin], hits [bin] and steps [width, step, bin]."""
    from scipy.special import ndtr

    inner = np.arange(-EDGE, EDGE + 0.5 / STEPS, 1 / STEPS)
    edges = np.concatenate([[-np.inf], inner, [np.inf]])

    def normal(mean: Array, width: Array) -> Array:
        chances: Array = np.diff(ndtr((edges - mean[..., None]) / width[..., None]), axis=-1)
        return chances

    noise = normal(np.zeros(len(_WIDTHS)), _WIDTHS)
    width, step = _WIDTHS[:, None], _STEPS[None, :]
    steps = 0.5 * (normal(step, width + 0 * step) + normal(-step, width + 0 * step))
    hits = np.where(edges[:-1] >= _HIT, 1.0, 0.0)
    return noise + 1e-12, hits / hits.sum(), steps + 1e-12


def two_levels(counts: Array) -> tuple[Array, Array]:
    """How much better two levels describe pixels, and the share of differences that are switches.

    Parameters
    ----------
    counts
        Differences from the rate by bins of half a sigma [pixel, bin], the outermost beyond 8.

    Returns
    -------
    tuple of Array
        Difference of the Bayesian information criterion [pixel], float32; 0 where too few lie far
        off for it to be 20, NaN without any. Share of switches [pixel].
    """
    total = counts.sum(axis=1, dtype=np.int64)
    bic = np.where(total > 0, np.float32(0), np.float32(np.nan))
    share = np.where(total > 0, np.float32(0), np.float32(np.nan))
    at = _candidates(counts)
    gain, weight = np.empty(len(at)), np.empty(len(at))
    compare_mixtures(counts[at], *_laws(), _ROUNDS, gain, weight)
    bic[at], share[at] = gain, weight
    return bic, share


def _candidates(counts: Array) -> Array:
    """Pixels with enough low differences, and enough that are far off at all: indices."""
    x = np.arange(-EDGE - 0.5 / STEPS, EDGE + 1 / STEPS, 1 / STEPS)
    square = np.where(np.abs(x) > _FAR, x**2, 0.0).astype(np.float32)
    low = counts @ np.where(x < 0, square, np.float32(0))
    return np.flatnonzero((low >= _LEAST_LOW) & (counts @ square >= _LEAST))
