"""Taking 1/f noise off a ramp or a rate, on whole lines.

Of a ramp, by default from each group: what is left of it without the pixel's pedestal and the
background's slope shows the noise of its frame with half the white variance of a difference of two
groups. ``level = "differences"`` looks at these instead, and leaves the noise of the first group as
a pedestal; ``"rate"`` sees the average alone, as of an archived rate.

Source: dossier section 4.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Ramp, Rate, RateInts
from jwinteractive.flicker.fits import Method, Noise, noise_of
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
    seen: Ramp | Rate | RateInts = product
    dark: Array | None = None
    if how.sides:
        seen, dark = _with_references(product)
    rates = draft_of(seen)
    level = scene.background(product.covers, how.meshed)
    sky = level if flat is None else level * flat
    if dark is not None:
        sky = np.where(dark, np.float32(0), sky)
    # what the flat makes of the background is neither source nor noise
    why = reasons_of(product, rates - (sky - level), how, scene, hand)
    frees = why == 0
    if len(frees) == 1:
        frees = np.broadcast_to(frees, rates.shape)
    told = np.bitwise_and.reduce(why, axis=0)
    slope = sky if how.background in ("median", "model") else np.zeros_like(sky)
    stripes = Stripes(product.exposure, (scene.height, scene.width))
    fit = _Fit(how, scene, stripes, stripes.span(product.covers)[0])
    if isinstance(seen, Ramp):
        data = _less_groups(seen, rates, fit, frees, slope)
    else:
        noise = _less_rates(rates, fit, frees, slope)
        planes = product.data if isinstance(product, RateInts) else product.data[None]
        data = np.stack([plane - noise(i) for i, plane in enumerate(planes)])
        data = data[0] if isinstance(product, Rate) else data
    return product.replace(data=data, scene=told)


def _with_references(
    product: Ramp | Rate | RateInts,
) -> tuple[Ramp | Rate | RateInts, Array | None]:
    """Product whose reference pixels may be used, and which these are: they see no light."""
    if not isinstance(product, Ramp):
        return product, None
    dark = np.asarray(product.pixeldq & np.uint32(dq.REFERENCE_PIXEL) != 0)
    groupdq = np.where(dark, product.groupdq & ~np.uint8(dq.DO_NOT_USE), product.groupdq)
    return dc.replace(product, groupdq=groupdq), dark


@dc.dataclass(frozen=True)
class _Fit:
    """What all images of a product share; ``first`` is the first of its lines."""

    how: How
    scene: Scene
    stripes: Stripes
    first: int

    def __call__(self, images: Array, frees: Array) -> Callable[[int, int], Array]:
        """Noise [y, x] of each of images [integration, n, y, x], by its numbers."""
        n = images.shape[1]

        def fit(some: Array, free: Array) -> Noise:
            return noise_of(some, free, self.stripes, self.first, self.how.method, self.scene.drift)

        if len(images) == 1 or frees.strides[0] == 0:  # they share a mask, and are fitted together
            shared = fit(images.reshape(-1, *images.shape[2:]), frees[0])
            return lambda i, k: shared.image(i * n + k)
        single = [fit(some, free) for some, free in zip(images, frees, strict=True)]
        return lambda i, k: single[i].image(k)


def _less_rates(rates: Array, fit: _Fit, frees: Array, slope: Array) -> Callable[[int], Array]:
    """Noise [y, x] of the rates [integration, y, x], by integration."""
    images = rates - slope
    if fit.how.background == "median_image":
        images = rates - fit.scene.brightness.astype(np.float32)[:, None, None] * medians(rates)
    noise = fit(images[:, None], frees)
    return lambda i: noise(i, 0)


def _less_groups(ramp: Ramp, rates: Array, fit: _Fit, frees: Array, slope: Array) -> Array:
    """Groups [integration, group, y, x] without noise."""
    nint, ngroup = ramp.data.shape[:2]
    out = np.empty_like(ramp.data)
    if fit.how.level == "rate":
        of_rate = _less_rates(rates, fit, frees, slope)
        for i in range(nint):
            found = of_rate(i)
            for g in range(ngroup):
                np.subtract(ramp.data[i, g], np.float32(g) * found, out=out[i, g])
        return out
    differences = fit.how.level == "differences"
    images = np.empty((nint, ngroup - differences, *ramp.shape), np.float32)
    for i, data in enumerate(_risen(ramp, fit)):
        if differences:
            _differences(data, ramp.groupdq[i], slope, images[i])
        else:
            leftovers(data, ramp.groupdq[i], slope, np.asarray(frees[i]), images[i])
    noise = fit(images, frees)
    for i in range(nint):
        if differences:
            out[i, 0], total = ramp.data[i, 0], np.zeros(ramp.shape, np.float32)
            for g in range(1, ngroup):
                total += noise(i, g - 1)
                np.subtract(ramp.data[i, g], total, out=out[i, g])
            continue
        for g in range(ngroup):
            np.subtract(ramp.data[i, g], noise(i, g), out=out[i, g])
    return out


def _risen(ramp: Ramp, fit: _Fit) -> Iterator[Array]:
    """Groups [group, y, x] of each integration, less the scaled median of all where asked for."""
    if fit.how.background != "median_image":
        yield from ramp.data
        return
    median = np.stack([medians(ramp.data[:, g]) for g in range(ramp.data.shape[1])])
    for i, data in enumerate(ramp.data):
        yield data - np.float32(fit.scene.brightness[i]) * median


def _differences(data: Array, groupdq: Array, slope: Array, out: Array) -> None:
    """Differences of groups [group, y, x] less the background; NaN where they are of no use."""
    good = groupdq[1:] & _UNUSABLE == 0
    good &= groupdq[:-1] & np.uint8(dq.DO_NOT_USE | dq.SATURATED) == 0
    np.subtract(data[1:], data[:-1], out=out)
    out -= slope
    out[~good] = np.nan
