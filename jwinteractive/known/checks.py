"""Whether data have what is known to go wrong: one measured figure for each.

Each check takes a product as its file has it and gives a number, the number from which on it
matters, and a sentence; None where such a product cannot tell. Source of the measures of noise:
dossier 4.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from astropy.stats import sigma_clipped_stats
from scipy.ndimage import binary_fill_holes, find_objects, label, median_filter

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.detectors import detector, reference_pixels
from jwinteractive.errors import InputError, suggestion
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.metrics import stripe_rms
from jwinteractive.flicker.scene import draft_of, mean_of, white_noise
from jwinteractive.flicker.sources import Rule, reasons

__all__ = [
    "CHECKS",
    "Measured",
    "background",
    "measure",
    "saturated_first_group",
    "snowballs",
    "stripes",
    "warm_pixels",
]

_MEDIAN: Final = np.sqrt(np.pi / 2)  # standard deviation of a median, in that of a mean
_MAD: Final = 1.4826
_PLENTY: Final = 200_000  # pixels that tell a level
_ALIKE: Final = np.ones((3, 3), bool)  # pixels that touch at a corner are connected
_EVENT: Final = 40  # pixels of a large event
_RISE: Final = 8.0  # standard deviations
_STEADY: Final = 0.2  # of its largest difference, what light gives an event's pixels in others
_FULL: Final = 0.9  # of the full well, from where on a pixel tells no difference
_EXCESS: Final = 6.0  # standard deviations of a warm pixel
_ALONE: Final = 0.25  # of its excess, what its neighbours may have at most
_KNOWN_BAD: Final = np.uint32(dq.DO_NOT_USE | dq.HOT | dq.WARM | dq.SATURATED | dq.JUMP_DET)


@dc.dataclass(frozen=True)
class Measured:
    """What a check found.

    Attributes
    ----------
    figure, limit
        The number, and that from which on it matters.
    words
        What it is, with its unit.
    """

    figure: float
    limit: float
    words: str

    @property
    def there(self) -> bool:
        """Whether the data have it."""
        return bool(self.figure > self.limit)


def measure(names: Iterable[str], product: Product) -> dict[str, Measured | None]:
    """Ask checks about a product, by name; None where such a product cannot tell.

    Of a ramp the first integration is read, and no other.

    Raises
    ------
    InputError
        If there is no such check.
    """
    names = tuple(names)
    for name in names:
        if name not in CHECKS:
            raise InputError(f"check {name!r}: {suggestion(name, CHECKS)}")
    if not names or not isinstance(product, Ramp | Rate | RateInts):
        return dict.fromkeys(names)
    if isinstance(product, Ramp) and product.interleaved is None:
        product = product.replace(
            data=product.data[:1], groupdq=product.groupdq[:1], zeroframe=None, draft=None
        )
    read = product.native()
    return {name: CHECKS[name](read) for name in names}


def stripes(product: Product) -> Measured | None:
    """1/f noise: scatter of the medians of lines beyond that which white noise gives them."""
    seen = _background_of(product)
    if seen is None:
        return None
    geometry, image, free, _, sigma = seen
    readout = geometry.readout(geometry.count)
    extra = stripe_rms(image, free, readout)
    lines = readout.lines(free)
    ratios = []
    for amplifier, rms in enumerate(extra):
        pixels = lines[:, readout.amplifier == amplifier].sum(axis=1)
        if np.isfinite(rms) and (pixels > 1).any():
            ratios.append(rms / (_MEDIAN * sigma / np.sqrt(np.median(pixels[pixels > 1]))))
    if not ratios:
        return None
    figure = float(np.median(ratios))
    return Measured(
        figure,
        1.0,
        f"1/f noise adds {figure:.1f} times what white noise gives to the scatter of line medians",
    )


def snowballs(product: Product) -> Measured | None:
    """Large events: connected pixels of a ramp that rise together in one group, and not by light.

    Of three groups or more; pixels that are full tell nothing but that they lie within an event.
    """
    if not isinstance(product, Ramp) or product.data.shape[1] < 3:
        return None
    e = product.exposure
    count = sum(_events(ramp, e) for ramp in product.data)
    groups = e.ngroups
    return Measured(
        float(count), 0.0, f"{count} large events of {_EVENT} pixels or more in {groups} groups"
    )


def warm_pixels(product: Product) -> Measured | None:
    """Isolated bright pixels of a rate that its flags do not know, in per cent of the pixels."""
    if not isinstance(product, Rate | RateInts):
        return None
    planes = product.data if isinstance(product, RateInts) else product.data[None]
    flags = product.dq if isinstance(product, RateInts) else product.dq[None]
    # what one integration alone has is a cosmic ray
    good = (flags & _KNOWN_BAD == 0) & np.isfinite(planes)
    image = np.where(good.all(axis=0), np.median(planes, axis=0), np.nan)
    known = np.isfinite(image)
    if known.mean() < 0.1:
        return None
    filled = np.where(known, image, np.median(image[known])).astype(np.float32)
    around = median_filter(filled, 5, mode="nearest")
    excess = filled - around
    sigma = _MAD * float(np.median(np.abs(excess[known])))
    if sigma == 0:
        return None
    near = np.max([np.roll(excess, s, (0, 1)) for s in ((0, 1), (0, -1), (1, 0), (-1, 0))], axis=0)
    # light is spread over several pixels, but never a pixel's own charge
    alone = known & (excess > _EXCESS * sigma) & (near < _ALONE * excess)
    figure = 100 * float(alone.sum() / known.sum())
    return Measured(
        figure, 0.05, f"{figure:.2f} % of the pixels are warm, and their flags do not know it"
    )


def background(product: Product) -> Measured | None:
    """Level between the sources that nobody subtracted, in units of the noise of a pixel.

    Raw ramps of MIRI do not tell: after a reset they settle for a while.
    """
    raw = isinstance(product, Ramp) and product.exposure.instrument == "MIRI"
    seen = None if raw else _background_of(product)
    if seen is None:
        return None
    _, _, _, level, sigma = seen
    figure = level / sigma
    return Measured(
        figure, 1.0, f"the background is {figure:.1f} times the noise of a pixel, not subtracted"
    )


def saturated_first_group(product: Product) -> Measured | None:
    """Pixels of a ramp that are full in the first group or in the second, in per mille.

    Of an integration on average; by the flags of the ramp, and by nine tenths of the nominal full
    well: pixels differ.
    """
    if not isinstance(product, Ramp):
        return None
    level = _top(product.exposure)
    first = product.data[:, :2], product.groupdq[:, :2]
    full = (first[0] >= level) | (first[1] & np.uint8(dq.SATURATED) != 0)
    usable = product.pixeldq & np.uint32(dq.DO_NOT_USE) == 0
    share = 1000 * float(full.any(axis=1)[:, usable].mean()) if usable.any() else 0.0
    return Measured(
        share, 0.01, f"{share:.2f} in a thousand pixels are full in the first group or the second"
    )


CHECKS: Final[Mapping[str, Callable[[Product], Measured | None]]] = MappingProxyType(
    {
        "background": background,
        "saturated_first_group": saturated_first_group,
        "snowballs": snowballs,
        "stripes": stripes,
        "warm_pixels": warm_pixels,
    }
)
"""Checks by name."""


def _background_of(product: Product) -> tuple[Stripes, Array, Array, float, float] | None:
    """Lines, image, its background pixels, their level and the white noise of a pixel."""
    if isinstance(product, Ramp) and product.data.shape[1] < 2:
        return None
    if product.exposure.slit:  # a source fills it, and it is too short to tell how it was read
        return None
    try:
        geometry = Stripes(product.exposure, product.shape)
        geometry.readout(geometry.count)
    except InputError:  # nor does another piece of a frame
        return None
    image = mean_of(draft_of(product))
    known = np.isfinite(image) & ~_reference(product.exposure, product.shape)
    if not known.any():
        return None
    some = image[known][:: max(1, int(known.sum()) // _PLENTY) | 1]
    _, level, spread = sigma_clipped_stats(some, stdfunc="mad_std")
    sigma = white_noise(
        geometry.lines(image), geometry.lines(known & (np.abs(image - level) < 3 * spread))
    )
    flat = np.where(known, image - np.float32(level), np.float32(np.nan))
    why = reasons(flat, float(spread), sigma, Rule(), geometry.along_x, geometry.channels)
    free = why == 0
    if not free.any():
        return None
    return geometry, image, free, float(np.median(image[free])), float(sigma)


def _reference(exposure: Exposure, shape: tuple[int, int]) -> Array:
    d = detector(exposure.instrument, exposure.detector)
    return np.asarray(reference_pixels(d, exposure.xstart, exposure.ystart, shape))


def _top(exposure: Exposure) -> float:
    """Level in DN from which on a pixel is full, or nearly so."""
    d = detector(exposure.instrument, exposure.detector)
    return d.bias + _FULL * (d.saturation - d.bias)


def _events(ramp: Array, exposure: Exposure) -> int:
    """Large events in the groups [group, y, x] of an integration."""
    d = detector(exposure.instrument, exposure.detector)
    low, high = (np.full(ramp.shape[1:], fill, np.float32) for fill in (np.inf, -np.inf))
    full = np.zeros(ramp.shape[1:], bool)
    top = _top(exposure)
    for before, after in itertools.pairwise(ramp):
        step = after - before
        part = after < top  # of a pixel that is full, the differences till then
        full |= ~part
        np.minimum(low, step, out=low, where=part)
        np.maximum(high, step, out=high, where=part)
    told = np.isfinite(low) & np.isfinite(high)
    rise = np.where(told, high - low, 0)
    noise = _MAD * float(np.median(rise[told])) if told.any() else np.inf
    # Poisson noise of what light gives in a group, in DN
    light = np.sqrt(np.maximum(np.where(told, low, 0), 0) / d.gain)
    hit = told & (rise > _RISE * np.hypot(noise, light)) & (low < _STEADY * high)
    parts, _ = label(hit, _ALIKE)
    count = 0
    for number, place in enumerate(find_objects(parts), 1):
        own = binary_fill_holes(parts[place] == number)
        # an event has a core that is full; without one it is several cosmic rays, or a track
        if own.sum() >= _EVENT and full[place][own].any():
            count += 1
    return count
