"""Random telegraph noise: switches between two levels among the differences of groups.

A pixel that switches has differences that are too high and as many that are too low by the same
step. A hit is only ever too high. So the differences of all ramps from their rate, in sigma, are
compared with two mixtures: noise and hits, or noise, hits and steps up and down. The width of the
noise is free in both, for the read noise of a pixel may be other than its reference says.

Source: dossier 5; expectation and maximisation of Dempster, Laird & Rubin 1977 (JRSS B 39, 1).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from jwinteractive.data import Array
from jwinteractive.kernels.readstats import EDGE, STEPS

__all__ = ["two_levels"]

_WIDTHS = np.array([0.7, 0.85, 1.0, 1.2, 1.45, 1.75, 2.2, 2.8, 3.6])
_STEPS = np.array([2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0])
_HIT = 2.5  # sigma from which on a hit can be seen
_LOW = -3.0  # sigma below which differences make a candidate
_ROUNDS = 25
_BLOCK = 512  # candidates worked on together


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
        Difference of the Bayesian information criterion [pixel], float32; 0 for pixels with fewer
        than two low differences, NaN without any. Share of switches [pixel].
    """
    total = counts.sum(axis=1, dtype=np.int64)
    bic = np.where(total > 0, np.float32(0), np.float32(np.nan))
    share = np.zeros(len(counts), np.float32)
    share[total == 0] = np.nan
    low = counts[:, : int((_LOW + EDGE) * STEPS) + 1].sum(axis=1, dtype=np.int64)
    candidates = np.flatnonzero(low >= 2)
    for start in range(0, len(candidates), _BLOCK):
        at = candidates[start : start + _BLOCK]
        bic[at], share[at] = _compare(counts[at].astype(np.float64))
    return bic, share


def _compare(counts: Array) -> tuple[Array, Array]:
    noise, hits, steps = _laws()
    plain = np.full(len(counts), -np.inf)
    better, share = plain.copy(), np.zeros(len(counts))
    for width in range(len(_WIDTHS)):
        fit, _ = _fit(counts, np.stack([noise[width], hits]))
        plain = np.maximum(plain, fit)
        for step in range(len(_STEPS)):
            fit, weights = _fit(counts, np.stack([noise[width], hits, steps[width, step]]))
            more = fit > better
            share[more] = weights[more, 2]
            better = np.maximum(better, fit)
    total = counts.sum(axis=1)
    return 2 * (better - plain) - 2 * np.log(total), share


def _fit(counts: Array, laws: Array) -> tuple[Array, Array]:
    """Log likelihood [pixel] and weights [pixel, part] of the best mixture of some laws."""
    weights = np.full((len(counts), len(laws)), 0.02)
    weights[:, 0] = 1 - 0.02 * (len(laws) - 1)
    total = counts.sum(axis=1, keepdims=True)
    for _ in range(_ROUNDS):
        chance = weights @ laws
        weights = weights * ((counts / chance) @ laws.T) / total
    return (counts * np.log(weights @ laws)).sum(axis=1), weights
