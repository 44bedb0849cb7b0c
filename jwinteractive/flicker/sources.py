"""Which pixels show the noise alone, and why the others do not.

A draft of the rate, without its background and the medians of its lines, is clipped; what a
smoothed copy shows as connected pixels is a source, and grows. All of it is local but for the level
and the noise of the draft, so that a box sees what the whole frame would. Source: dossier section
4.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
from scipy.ndimage import label

from jwinteractive.data import Array
from jwinteractive.flicker.median import PULL, less_medians, line_levels
from jwinteractive.kernels.flicker_ramp import grown, judged, smoothed

__all__ = [
    "BRIGHT",
    "CONTEXT",
    "GROWTH",
    "HAND",
    "REASONS",
    "REGION",
    "SOURCE",
    "UNKNOWN",
    "Rule",
    "disc",
    "reasons",
]

UNKNOWN, BRIGHT, SOURCE, REGION, HAND = (np.uint8(1 << k) for k in range(5))
REASONS = {
    UNKNOWN: "no value",
    BRIGHT: "bright or dark",
    SOURCE: "source",
    REGION: "science region",
    HAND: "by hand",
}
"""Why a pixel is not background, by bit."""

LOWER = 3.0  # standard deviations below the background at which a pixel is bad
GROWTH = 16  # pixels, at most
_FWHM = 2.5  # pixels of the smoothing
_TAPS = np.exp(-4 * np.log(2) * (np.arange(-3, 4) / _FWHM) ** 2).astype(np.float32)
_TAPS /= _TAPS.sum()
_TAPS.flags.writeable = False
_SIZE = 5  # connected pixels of a source
_AROUND = np.ones((3, 3), np.bool_)  # pixels that touch at a corner are connected
CONTEXT = len(_TAPS) // 2 + _SIZE - 1 + GROWTH
"""Lines on each side on which the reasons of a line depend."""


@dc.dataclass(frozen=True)
class Rule:
    """What makes a pixel a source.

    Attributes
    ----------
    above
        Standard deviations above the background at which a pixel is left out; 0: none is clipped.
    threshold
        Of connected pixels of the smoothed draft, in standard deviations of one that is not; 0:
        there is no search for sources.
    growth
        Pixels by which sources grow.
    """

    above: float = 2.0
    threshold: float = 0.8
    growth: int = 4


def reasons(
    draft: Array, spread: float, sigma: float, rule: Rule, along_x: bool, channels: int
) -> Array:
    """Why pixels are no background, as bits: uint8 [y, x], 0 where they are.

    Parameters
    ----------
    draft
        Rate without background [y, x], whole lines; NaN where there is none.
    spread, sigma
        Standard deviation of the background with its stripes, and of its white noise.
    rule
        What is a source.
    along_x
        Whether lines are rows.
    channels
        Amplifiers along a line.
    """
    lines = draft[None] if along_x else draft.T[None]
    near = np.abs(draft) < LOWER * spread  # false of NaN
    levels = line_levels(lines, near if along_x else near.T, channels, PULL)
    left = less_medians(lines, levels)[0]
    flat = np.ascontiguousarray(left if along_x else left.T)
    low, high = (-LOWER * sigma, rule.above * sigma) if rule.above else (-np.inf, np.inf)
    found, known = judged(flat, np.float32(low), np.float32(high), UNKNOWN, BRIGHT)
    if rule.threshold:
        found |= _sources(known, rule, sigma) * SOURCE
    return np.asarray(found)


def _sources(image: Array, rule: Rule, sigma: float) -> Array:
    """Connected pixels of a smoothed image that stand out, grown: bool [y, x].

    As photutils' ``detect_sources`` does; that warns where there are none, which threads cannot
    hear apart.
    """
    labels, _ = label(smoothed(image, _TAPS) > rule.threshold * sigma, _AROUND)
    large = np.bincount(labels.ravel()) >= _SIZE
    large[0] = False
    mark = large[labels]
    return np.asarray(grown(mark, disc(rule.growth)) if rule.growth else mark)


def disc(radius: int) -> Array:
    """Half widths of the rows of a disc of pixels: uint8 [2 radius + 1]."""
    rows = np.arange(-radius, radius + 1)
    return np.asarray(np.sqrt(radius**2 - rows**2 + 0.5), np.uint8)
