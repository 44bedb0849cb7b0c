"""Taking 1/f noise off a ramp or a rate, on whole lines.

Of a ramp, by default from each group: what is left of it without the pixel's pedestal and the
background's slope shows the noise of its frame with half the white variance of a difference of two
groups. ``level = "differences"`` looks at these instead, and leaves the noise of the first group as
a pedestal; ``"rate"`` sees the average alone, as of an archived rate.

Source: dossier section 4.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Literal, TypeVar

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp, Rate, RateInts
from jwinteractive.flicker.fits import Method, noise_of
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.scene import Scene, draft_of, mean_of
from jwinteractive.flicker.sources import GROWTH, HAND, REGION, UNKNOWN, Rule, reasons
from jwinteractive.kernels.flicker_ramp import leftovers, medians

__all__ = ["Background", "How", "Level", "cleaned", "reasons_of", "regions_of"]

Background = Literal["median", "model", "median_image", "none"]
Level = Literal["residuals", "differences", "rate"]
P = TypeVar("P", Ramp, Rate, RateInts)

_UNUSABLE = np.uint8(dq.DO_NOT_USE | dq.SATURATED | dq.JUMP_DET)
_SLITS = (922, 1116)  # rows of NIRSpec's fixed slits, full frame


@dc.dataclass(frozen=True)
class How:
    """How noise is found.

    Attributes
    ----------
    method, level, background
        See `jwinteractive.flicker.fits` and above; "median" and "model" are a level and a mesh,
        "median_image" is the median of the integrations, scaled to the light of each.
    rule
        What is a source.
    regions
        Leave out where science is known to fall.
    sides
        Pixels at either end of a line that alone are used; 0: all.
    single
        One mask for all integrations.
    """

    method: Method = "smoother"
    level: Level = "residuals"
    background: Background = "median"
    rule: Rule = dc.field(default_factory=Rule)
    regions: bool = False
    sides: int = 0
    single: bool = True

    @property
    def meshed(self) -> bool:
        """Whether the background is told by place."""
        return self.background == "model"


def regions_of(product: Ramp | Rate | RateInts) -> Array:
    """Pixels where science falls, as far as it is known without world coordinates: bool [y, x].

    NIRSpec: failed-open shutters, and the rows of the fixed slits in whole frames; MIRI: what is no
    science. (SOSS traces are known from their light: see `reasons_of`.)
    """
    exposure, box = product.exposure, product.covers
    flags = product.pixeldq if isinstance(product, Ramp) else _flags(product)
    found: Array = np.zeros(box.shape, np.bool_)
    if exposure.instrument == "NIRSPEC":
        found |= flags & np.uint32(dq.MSA_FAILED_OPEN) != 0
        if exposure.subarray == "FULL":  # subarrays are little else
            found[max(_SLITS[0] - box.y0, 0) : max(_SLITS[1] - box.y0, 0)] = True
    if exposure.instrument == "MIRI":
        found |= flags & np.uint32(dq.DO_NOT_USE | dq.NON_SCIENCE) != 0
    return found


def _flags(product: Rate | RateInts) -> Array:
    if isinstance(product, RateInts):
        return np.asarray(np.bitwise_and.reduce(product.dq, axis=0))
    return product.dq


def reasons_of(
    product: Ramp | Rate | RateInts,
    rates: Array,
    how: How,
    scene: Scene,
    hand: Array | None = None,
) -> Array:
    """Why pixels are no background: uint8 [1 or integration, y, x], 0 where they are.

    Parameters
    ----------
    product
        Whole lines, with those that the reasons of a line depend on.
    rates
        Its draft [integration, y, x].
    hand
        What the user says, uint8 [y, x] or [integration, y, x]: 1 is a source, 2 background, 0
        neither; None: nothing.
    """
    stripes = Stripes(product.exposure, (scene.height, scene.width))
    if how.single or len(rates) == 1:
        planes, sizes = mean_of(rates)[None], np.ones(1)
    else:
        planes, sizes = rates, scene.sigmas
    rule = how.rule
    if how.regions and product.exposure.exp_type == "NIS_SOSS":
        rule = dc.replace(rule, growth=GROWTH)  # from the light of a trace to that of its wings
    level = scene.background(product.covers, how.meshed)
    spread = scene.spread_mesh if how.meshed else scene.spread
    found = np.stack(
        [
            reasons(
                np.where(plane == 0, np.float32(np.nan), plane - level),
                spread * size,
                scene.sigma * size,
                rule,
                stripes.along_x,
                stripes.channels,
            )
            for plane, size in zip(planes, sizes, strict=True)
        ]
    )
    if how.regions:
        found[:, regions_of(product)] |= REGION
    if hand is not None:
        found = np.where(hand == 2, found & UNKNOWN, found)
        found = np.where(hand == 1, found | HAND, found)
    if how.sides:
        place = np.arange(stripes.length)
        inner = (place >= how.sides) & (place < stripes.length - how.sides)
        stripes.lines(found)[..., inner] |= REGION
    return found


def cleaned(
    product: P, how: How, scene: Scene, hand: Array | None = None, flat: Array | None = None
) -> P:
    """Product without its 1/f noise, and why pixels told nothing of it.

    Parameters
    ----------
    product
        Whole lines, with their context.
    how
        How noise is found.
    scene
        What was measured over the whole exposure.
    hand
        See `reasons_of`.
    flat
        Relative response [y, x] that the background has; None: 1 everywhere.
    """
    rates = even = draft_of(product)
    level = scene.background(product.covers, how.meshed)
    if flat is not None:  # what the flat makes of the background is neither source nor noise
        even = rates - level * (flat - np.float32(1))
        level = level * flat
    why = reasons_of(product, even, how, scene, hand)
    frees = why == 0
    if len(frees) == 1:
        frees = np.broadcast_to(frees, rates.shape)
    told = np.bitwise_and.reduce(why, axis=0)
    slope = level if how.background in ("median", "model") else np.zeros_like(level)
    fit = _Fit(how, scene, Stripes(product.exposure, (scene.height, scene.width)))
    if isinstance(product, Ramp):
        data = _ramp(product, fit, rates, frees, slope)
    else:
        planes = product.data if isinstance(product, RateInts) else product.data[None]
        noise = _rates(product, fit, rates, frees, slope)
        data = planes - noise
        if isinstance(product, Rate):
            data = data[0]
    return product.replace(data=data, scene=told)


@dc.dataclass(frozen=True)
class _Fit:
    how: How
    scene: Scene
    stripes: Stripes

    def __call__(self, images: Array, free: Array, exposure: Exposure, first: int) -> Array:
        return noise_of(images, free, self.stripes, first, self.how.method, self.scene.drift)


def _first(product: Ramp | Rate | RateInts, fit: _Fit) -> int:
    return fit.stripes.span(product.covers)[0]


def _rates(
    product: Ramp | Rate | RateInts, fit: _Fit, rates: Array, frees: Array, slope: Array
) -> Array:
    """Noise of the rates [integration, y, x]."""
    images = rates - slope
    if fit.how.background == "median_image":
        images = rates - fit.scene.brightness.astype(np.float32)[:, None, None] * medians(rates)
    return _by_mask(product, fit, images[:, None], frees)[:, 0]


def _by_mask(product: Ramp | Rate | RateInts, fit: _Fit, images: Array, frees: Array) -> Array:
    """Noise of images [integration, n, y, x]; those that share a mask are fitted together."""
    first = _first(product, fit)
    nint, n = images.shape[:2]
    if frees.strides[0] == 0 or nint == 1:
        flat = images.reshape(nint * n, *product.shape)
        return fit(flat, frees[0], product.exposure, first).reshape(images.shape)
    return np.stack([fit(images[i], frees[i], product.exposure, first) for i in range(nint)])


def _ramp(ramp: Ramp, fit: _Fit, rates: Array, frees: Array, slope: Array) -> Array:
    """Groups [integration, group, y, x] without noise."""
    nint, ngroup = ramp.data.shape[:2]
    if fit.how.level == "rate":
        noise = _rates(ramp, fit, rates, frees, slope)
        times = np.arange(ngroup, dtype=np.float32)[:, None, None]
        return np.stack([ramp.data[i] - times * noise[i] for i in range(nint)])
    out = np.empty_like(ramp.data)
    by_image = fit.how.background == "median_image"
    median = [medians(ramp.data[:, g]) for g in range(ngroup)] if by_image else []
    # integrations one by one, so that what is held in between is no larger than one of them
    for i in range(nint):
        data = ramp.data[i]
        if by_image:
            data = data - np.float32(fit.scene.brightness[i]) * np.stack(median)
        images = np.empty(data.shape, np.float32)
        if fit.how.level == "residuals":
            leftovers(data, ramp.groupdq[i], slope, np.asarray(frees[i]), images)
            noise = _by_mask(ramp, fit, images[None], frees[i : i + 1])[0]
            np.subtract(ramp.data[i], noise, out=out[i])
            continue
        good = ramp.groupdq[i] & _UNUSABLE == 0
        good[1:] &= ramp.groupdq[i, :-1] & np.uint8(dq.DO_NOT_USE | dq.SATURATED) == 0
        images[0] = np.nan
        np.subtract(data[1:], data[:-1], out=images[1:])
        images[1:] -= slope
        images[~good] = np.nan
        noise = _by_mask(ramp, fit, images[None, 1:], frees[i : i + 1])[0]
        out[i, 0] = ramp.data[i, 0]
        np.subtract(ramp.data[i, 1:], np.cumsum(noise, axis=0), out=out[i, 1:])
    return out
