"""How strong the drifts of the read-out are: from the data alone, by their autocovariance.

1/f noise is close to a sum of Ornstein-Uhlenbeck processes, of which some are common to all
amplifiers and some are of one. Products of bins of two amplifiers hold the common ones, those of
one amplifier both, and what a bin has in common with itself alone is white. Amplitudes that are not
negative are fitted to all of them. Source: dossier 4c.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
from scipy.optimize import nnls

from jwinteractive.data import Array

__all__ = ["TIMES", "Bins", "Drift", "measure_drift"]

TIMES = (32.0, 400.0, 5000.0, 60000.0)
"""Clocks after which a process has forgotten all but 1/e."""

_SPAN = 4  # a process that lasts longer than this part of the frame is a level
_PAIRS = 100  # products of bins, below which a lag says nothing
_LINES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_FAR = 5.0  # deviations beyond which a bin is drawn in


@dc.dataclass(frozen=True, eq=False)
class Bins:
    """Means of free pixels in bins of 16 clocks.

    Attributes
    ----------
    means
        DN [image, line, bin, amplifier] in read order, NaN where nothing is free.
    counts
        Free pixels [line, bin, amplifier].
    within
        Variance of the pixels of a bin, DN²; 0 if no bin has two.
    """

    means: Array
    counts: Array
    within: float


@dc.dataclass(frozen=True, eq=False)
class Drift:
    """Variances of the noise.

    Attributes
    ----------
    times
        Clocks [J] in which a process forgets.
    common, amplifier
        Variances [J] of those that amplifiers share and of those of each, DN².
    white
        Variance of what pixels do not share, DN² a pixel.
    bins
        Free bins of the mask that it was measured with.
    """

    times: Array
    common: Array
    amplifier: Array
    white: float
    bins: int

    @property
    def rms(self) -> tuple[float, float, float]:
        """Standard deviations in DN: common drifts, those of an amplifier, white."""
        return (
            float(np.sqrt(self.common.sum())),
            float(np.sqrt(self.amplifier.sum())),
            float(np.sqrt(self.white)),
        )


def _lags(lines: int, bins: int) -> list[tuple[int, int]]:
    """Lags (lines, bins) to look at: within a line, and from line to line."""
    within = sorted({round(1.4**k) for k in range(30)})
    lags = [(0, 0), *((0, b) for b in within if b < bins)]
    return lags + [(n, 0) for n in _LINES if n < lines // 2]


def _products(values: Array, seen: Array, lag: tuple[int, int]) -> tuple[Array, Array]:
    """Sums of products and their number, each [amplifier, amplifier], at a lag."""
    n, b = lag
    lines, bins, amplifiers = values.shape
    pairs = []
    for array in (values, seen):
        first = array[: lines - n, : bins - b].reshape(-1, amplifiers)
        second = array[n:, b:].reshape(-1, amplifiers)
        pairs.append(first.T @ second)
    return pairs[0], pairs[1]


def measure_drift(bins: Bins, steps: tuple[int, int], times: tuple[float, ...] = TIMES) -> Drift:
    """Variances of the drifts and of the white noise of images.

    White noise is at least what pixels of a bin scatter by. Images with too few free pixels for
    products get processes of equal variance, as 1/f noise has: what the bins scatter by beyond it.

    Parameters
    ----------
    bins
        Means of the free pixels of images.
    steps
        Clocks from bin to bin, and from the last of a line to the first of the next one.
    times
        Clocks in which the processes forget; those near to the length of the frame are left out,
        for they cannot be told from a level.
    """
    lines, length, amplifiers = bins.counts.shape
    line_ticks = (length - 1) * steps[0] + steps[1]
    tau = np.array([t for t in times if t * _SPAN <= lines * line_ticks] or times[:1])
    count = len(tau)
    seen = (bins.counts > 0).astype(np.float32)
    lags = _lags(lines, length)
    total = np.zeros((len(lags), amplifiers, amplifiers))
    number = np.zeros_like(total)
    inverse = 0.0
    for image in bins.means:
        values, weight = _residuals(image, bins.counts, seen)
        for k, lag in enumerate(lags):
            sums, pairs = _products(values, weight, lag)
            total[k] += sums
            number[k] += pairs
        inverse += float((weight / np.maximum(bins.counts, 1)).sum())
    rows, found, weights = [], [], []
    for k, (n, b) in enumerate(lags):
        shape = np.exp(-(n * line_ticks + b * steps[0]) / tau)
        for own in (True, False):
            kind = np.eye(amplifiers, dtype=bool) == own
            pairs = number[k][kind].sum()
            if pairs < _PAIRS:
                continue
            mean, part = total[k][kind].sum() / pairs, 0.0
            if own and n == b == 0:  # the products of bins with themselves
                part = inverse / pairs
                mean -= bins.within * part
            alone = shape * (own and amplifiers > 1)  # one amplifier shares with nobody
            # the level that was taken out has lowered all products
            rows.append([*shape, *alone, part, -float(own), -float(not own)])
            found.append(mean)
            weights.append(np.sqrt(pairs))
    free = int(seen.sum())
    if len(rows) <= count + 2:
        excess = np.trace(total[0]) - bins.within * inverse
        variance = max(0.0, float(excess / max(1.0, float(np.trace(number[0])))))
        equal = np.full(count, variance / count)
        return Drift(tau, equal, np.zeros(count), bins.within, free)
    weight_ = np.array(weights) / max(weights)
    scale = float(np.max(np.abs(found))) or 1.0  # nnls has an absolute tolerance
    fit = nnls(np.array(rows) * weight_[:, None], np.array(found) / scale * weight_)[0] * scale
    white = bins.within + float(fit[2 * count])
    return Drift(tau, fit[:count], fit[count : 2 * count], white, free)


def _residuals(image: Array, counts: Array, seen: Array) -> tuple[Array, Array]:
    """Bins about the level of their amplifier, drawn in where far out, and which there are."""
    weight = np.where(np.isfinite(image), seen, np.float32(0))
    values = np.where(weight > 0, image, 0.0)
    pixels = weight * counts
    level = (values * pixels).sum(axis=(0, 1)) / np.maximum(pixels.sum(axis=(0, 1)), 1)
    values = np.where(weight > 0, values - level, 0.0)
    # in units of one pixel's noise, as bins of few pixels scatter more
    size = np.abs(values) * np.sqrt(counts)
    reach = _FAR * 1.4826 * np.median(size[weight > 0]) if weight.any() else 0.0
    limit = reach / np.sqrt(np.maximum(counts, 1))
    return np.clip(values, -limit, limit).astype(np.float32), weight
