"""Level of the background of an image, and the limits of what counts as background.

The numbers are those of the official functions of the same names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.flicker.clipping import ROUNDS, SIGMA, SortedPixels, inside
from jwinteractive.silence import silence

__all__ = [
    "Background",
    "Level",
    "background_level",
    "clip_to_background",
    "level_of",
    "mesh",
]

Background = Literal["none", "median", "model"]

_LARGEST = 32  # pixels, a side of a box
_FILTER = (5, 5)  # boxes


def clip_to_background(
    image: Array,
    free: Array,
    lower: float = 3.0,
    upper: float = 2.0,
    fit_histogram: bool = False,
    lower_half: bool = False,
) -> tuple[float, float]:
    """Limits (low, high) of the background of an image [y, x], both of which belong to it.

    Parameters
    ----------
    image
        In any unit; counted as float32.
    free
        Pixels to look at, bool [y, x]; what is not finite is left out.
    lower, upper
        Standard deviations from the centre, which is the median of the pixels clipped at 3 sigma.
    fit_histogram
        Take centre and deviation from a Gaussian fitted to the histogram.
    lower_half
        Take the deviation of the pixels below the centre: faint light is above it.

    Returns
    -------
    tuple[float, float]
        Everything, if no pixel is free.

    Raises
    ------
    InputError
        If the shapes are not the same.
    """
    _check(image, free)
    return SortedPixels.free(image, free).limits(lower, upper, fit_histogram, lower_half)


def background_level(
    image: Array,
    free: Array,
    method: Background = "median",
    box_size: tuple[int, int] | None = None,
) -> float | Array:
    """Level of the background of an image [y, x], in its unit.

    Pixels further than 3 sigma of the lower half from the median are left out.

    Parameters
    ----------
    image, free
        See `clip_to_background`.
    method
        "median" of the pixels, a "model" [y, x] of medians of boxes, or "none" for 0.
    box_size
        Pixels (ny, nx) of a box of the model; by default the largest up to 32 that share out the
        image.

    Returns
    -------
    float or Array
        float32 [y, x] for a model, unless no box has pixels enough: then the median.

    Raises
    ------
    InputError
        If the shapes are not the same.
    """
    _check(image, free)
    found = level_of(image, free, SortedPixels.free(image, free), method, box_size).value
    return found if isinstance(found, np.ndarray) else float(found)


@dataclass(frozen=True, eq=False)
class Level:
    """Level of a background.

    Attributes
    ----------
    value
        float32, a number or [y, x].
    limits
        Of the pixels that it was measured in.
    mesh
        Medians of boxes that [y, x] was drawn from.
    """

    value: np.float32 | Array
    limits: tuple[float, float]
    mesh: Array | None = None


def level_of(
    image: Array,
    free: Array,
    pixels: SortedPixels,
    method: Background,
    box_size: tuple[int, int] | None = None,
) -> Level:
    """See `background_level`; ``pixels`` are the free ones of the image."""
    if method == "none":
        return Level(np.float32(0), (-np.inf, np.inf))
    limits = pixels.limits(SIGMA, SIGMA, lower_half=True)
    if method == "model":
        found = mesh(image, free & inside(image, *limits), box_size)
        if found is not None:
            return Level(found[0], limits, found[1])
    return Level(pixels.median(*limits), limits)


def mesh(
    image: Array, free: Array, box_size: tuple[int, int] | None = None
) -> tuple[Array, Array] | None:
    """Background [y, x] of an image and the medians of boxes it is drawn from; None without any.

    Source: `photutils.background.Background2D` with the official settings.
    """
    from astropy.stats import SigmaClip
    from photutils.background import Background2D, MedianBackground

    with silence():  # boxes without pixels are filled from their neighbours
        try:
            found = Background2D(
                image,
                box_size=box_size or tuple(map(_side, image.shape)),
                filter_size=_FILTER,
                mask=~free,
                sigma_clip=SigmaClip(sigma=SIGMA, maxiters=ROUNDS),
                bkg_estimator=MedianBackground(),
            )
        except ValueError:  # no box with pixels enough
            return None
        return np.asarray(found.background), np.asarray(found.background_mesh)


def _side(length: int) -> int:
    """Largest number up to 32 that divides a length."""
    return max(n for n in range(1, _LARGEST + 1) if length % n == 0)


def _check(image: Array, free: Array) -> None:
    if image.ndim != 2 or image.shape != free.shape:
        raise InputError(
            f"image {image.shape} with free pixels {free.shape}: must both be [y, x] of one shape"
        )
