"""Settings of the official 1/f correction that an image of NIRCam or NIRISS asks for (autoparam).

How much of the image is masked, how steep its background is along rows and columns, how far its
amplifiers are apart, and how its stripes vary along the frame, decide. Source: official step
`clean_flicker_noise`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import StepError
from jwinteractive.flicker.background import level_of
from jwinteractive.flicker.clipping import SortedPixels, inside
from jwinteractive.flicker.lines import as_images, in_lines
from jwinteractive.flicker.median import less_medians, line_levels
from jwinteractive.flicker.official import filled_flat
from jwinteractive.flicker.official_images import Draft, whole_rate
from jwinteractive.step import Whole

__all__ = ["Limits", "Seen", "decide", "official_choice"]

_MIDDLE = (3 / 8, 5 / 8)  # rows or columns that a profile is the mean of
_TOP = (10 / 12, 11 / 12)
_FULL, _CHANNELS = 2048, 4


@dataclass(frozen=True)
class Limits:
    """From where on what is seen counts as high."""

    masked: float
    steep: float  # DN/s a pixel, where amplifiers are far apart or little is masked
    ratio: float
    offset: float = 0.07  # DN/s
    rising: float = 1e-5  # DN/s a pixel
    scatter: float = 0.02  # DN/s


_LIMITS = {
    "NIS_IMAGE": Limits(masked=0.07, steep=1e-4, ratio=5.0),
    "NRC_IMAGE": Limits(masked=0.1, steep=1e-5, ratio=3.0),
}


@dataclass(frozen=True)
class Seen:
    """What an image shows.

    Attributes
    ----------
    masked
        Share of the pixels that are not background.
    offset
        Largest step from an amplifier to the next, DN/s; 0 for subarrays.
    slope
        Larger slope of the background along rows or columns, DN/s a pixel.
    ratio
        Of the larger slope to the smaller.
    scatter
        Standard deviation of a profile about a straight line, DN/s.
    """

    masked: float
    offset: float
    slope: float
    ratio: float
    scatter: float


def official_choice(whole: Whole, draft: Draft, flat: Array | None = None) -> dict[str, Any]:
    """Parameters by name, with the values that suit an exposure.

    Raises
    ------
    StepError
        If there is no rule for such an exposure.
    """
    kind = whole.exposure.exp_type
    if kind not in _LIMITS:
        raise StepError(
            f"autoparam is for {' and '.join(_LIMITS)}, not for {kind}: set the parameters yourself"
        )
    image = whole_rate(whole, draft)
    if flat is not None:
        image = image / filled_flat(flat)
    axes = abs(whole.exposure.fastaxis), abs(whole.exposure.slowaxis)
    seen = _look(*_quickly_cleaned(image, axes), nircam=kind == "NRC_IMAGE")
    return {"apply_flat_field": flat is not None, **decide(seen, _LIMITS[kind])}


def decide(seen: Seen, limits: Limits) -> dict[str, Any]:
    """Background and channels for what is seen."""
    much_masked = seen.masked >= limits.masked
    apart = seen.offset >= limits.offset
    steep, rising = seen.slope >= limits.steep, seen.slope >= limits.rising
    if apart and not much_masked:
        model, by_channel = False, True
    elif much_masked:
        model, by_channel = steep if apart else rising, False
    else:
        model = steep or (rising and seen.ratio < limits.ratio)
        by_channel = seen.offset > 0 and seen.scatter >= limits.scatter
    return {"background_method": "model" if model else "median", "fit_by_channel": by_channel}


def _quickly_cleaned(image: Array, axes: tuple[int, int]) -> tuple[Array, Array]:
    """Rate [y, x] less the medians of its lines, and its background pixels."""
    everywhere = np.ones(image.shape, bool)
    # limits are of all pixels, and those of the level of the ones within
    free = inside(image, *SortedPixels.free(image, everywhere).limits())
    pixels = SortedPixels.free(image, free)
    level = level_of(image, free, pixels, "median")
    off = image - level.value
    free &= inside(image, *level.limits)
    free &= inside(off, *SortedPixels.free(off, free).limits(lower_half=True))
    levels = line_levels(in_lines(off[None], *axes), in_lines(free, *axes))
    clean = as_images(less_medians(in_lines(off[None], *axes), levels), *axes)[0]
    return np.asarray(clean + level.value), free


def _look(image: Array, free: Array, nircam: bool) -> Seen:
    pixels = SortedPixels.free(image, free)
    level = level_of(image, free, pixels, "model")
    free = free & inside(image, *level.limits)
    filled = np.where(free, image, level.value)
    along_x, along_y = _profile(filled, _MIDDLE), _profile(filled.T, _MIDDLE)
    slope_x, scatter = _line(along_x)
    slope_y, _ = _line(along_y)
    low, high = sorted((abs(slope_x), abs(slope_y)))
    if not nircam:  # the first amplifier, at the top, can look unlike the others
        _, scatter = _line(_profile(filled, _TOP))
    return Seen(
        masked=float(np.mean(~free)),
        offset=_offset(along_x if nircam else along_y),
        slope=high,
        ratio=high / low if low else np.inf,
        scatter=scatter,
    )


def _profile(image: Array, part: tuple[float, float]) -> Array:
    """Mean of some rows, given as parts of the height, by column."""
    start, end = (round(p * len(image)) for p in part)
    return np.asarray(np.nanmean(image[start:end], axis=0))


def _line(profile: Array) -> tuple[float, float]:
    """Slope of a straight line through a profile, and the deviation from it clipped at 10 sigma."""
    from astropy.stats import sigma_clipped_stats

    known = np.isfinite(profile)
    x = np.arange(len(profile))[known]
    line = np.polynomial.Polynomial.fit(x, profile[known], deg=1)
    _, _, scatter = sigma_clipped_stats(profile[known] - line(x), sigma=10.0)
    terms = line.convert().coef
    return float(terms[1]) if len(terms) > 1 else 0.0, float(scatter)


def _offset(profile: Array) -> float:
    """Largest step of the clipped means of the amplifiers; 0 for subarrays."""
    from astropy.stats import sigma_clipped_stats

    if len(profile) != _FULL:
        return 0.0
    means = [sigma_clipped_stats(part, sigma=3.0)[0] for part in np.split(profile, _CHANNELS)]
    return float(np.abs(np.diff(means)).max())
