"""What a whole exposure is like without its 1/f noise: level and noise of its background.

Measured once, in one pass over the exposure, whatever the method and the rule of sources are: a box
then needs nothing but its own lines. Rates are in DN a group for ramps, in DN/s for rates.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Product, Ramp, Rate, RateInts
from jwinteractive.flicker.drift import TIMES, Drift, measure_drift
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.mesh import mesh_of, on_pixels, without_stripes
from jwinteractive.flicker.smoother import bin_means
from jwinteractive.flicker.sources import LOWER, Rule, reasons
from jwinteractive.kernels.flicker_ramp import drafts
from jwinteractive.step import Model, Whole
from jwinteractive.strips import over_strips

__all__ = ["Scene", "draft_of", "mean_of", "measure_scene", "white_noise"]

_SAMPLED = 768  # lines in the middle of the frame that tell of the drifts
_FEW = 20  # free pixels of a line, below which it says little
_ROUNDS = 5
_STRIDE = 8  # pixels of which one tells of the noise of single integrations
_PLENTY = 2**18  # pixels whose median is within a four-hundredth of their scatter


@dc.dataclass(frozen=True, kw_only=True)
class Scene(Model):
    """Background of an exposure, and the drifts of its read-out.

    Attributes
    ----------
    height, width
        Size of the whole frame.
    level
        Of the background; ``mesh`` [my, mx] tells it by place (see `jwinteractive.flicker.mesh`).
    side
        Pixels of a box of the mesh; 0: as it comes.
    spread, spread_mesh
        Standard deviation of the draft about the level and about the mesh, stripes and all.
    sigma
        That of its white noise, from neighbours along lines.
    sigmas
        That of the draft of each integration [nint] in units of that of all.
    brightness
        Light of each integration [nint] in units of the mean.
    times, common, amplifier, white, bins
        See `jwinteractive.flicker.drift.Drift`.
    warning
        Why the result may be poor, or "".
    """

    height: int
    width: int
    level: float
    mesh: Array
    side: int
    spread: float
    spread_mesh: float
    sigma: float
    sigmas: Array
    brightness: Array
    times: Array
    common: Array
    amplifier: Array
    white: float
    bins: int
    warning: str = ""

    @property
    def drift(self) -> Drift:
        """Variances of the noise."""
        return Drift(self.times, self.common, self.amplifier, self.white, self.bins)

    def background(self, box: Box, meshed: bool) -> Array:
        """Level of the pixels of a box: float32 [y, x]."""
        if meshed:
            return on_pixels(self.mesh, (self.height, self.width), box, self.side)
        return np.full(box.shape, self.level, np.float32)


def draft_of(product: Product) -> Array:
    """Rate of each integration, float32 [integration, y, x]; NaN where there is none."""
    if isinstance(product, Ramp):
        return np.asarray(drafts(product.data, product.groupdq))
    assert isinstance(product, Rate | RateInts)
    planes = product.data if isinstance(product, RateInts) else product.data[None]
    flags = product.dq if isinstance(product, RateInts) else product.dq[None]
    usable = flags & np.uint32(dq.DO_NOT_USE) == 0
    return np.asarray(np.where(usable, planes, np.float32(np.nan)))


def mean_of(rates: Array) -> Array:
    """Mean of the integrations [integration, y, x] that have a value: float32 [y, x]."""
    if len(rates) == 1:
        return np.asarray(rates[0])
    known = np.isfinite(rates)
    count = known.sum(axis=0)
    total = np.where(known, rates, np.float32(0)).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


@dc.dataclass(frozen=True)
class _Seen:
    """What one strip tells."""

    draft: Array
    single: Array  # of each integration, a few pixels
    sums: Array  # [integration, (n, D, D M, M, M²)]
    sample: Array  # [image, line, pixel] as images, of the sampled lines


def measure_scene(whole: Whole, side: int = 0) -> Scene:
    """Measure the background, the noise and the drifts of an exposure.

    Parameters
    ----------
    side
        Pixels of a box of the mesh of the background; 0: as many up to 32 as divide the frame.
    """
    shape = whole.box.shape
    stripes = Stripes(whole.exposure, shape)
    middle = stripes.count // 2
    sampled = stripes.band(
        max(0, middle - _SAMPLED // 2), min(stripes.count, middle + _SAMPLED // 2)
    )

    def look(product: Product, strip: Box) -> _Seen:
        rates = draft_of(product)
        draft = mean_of(rates)
        single = rates[:, ::_STRIDE, ::_STRIDE] - draft[::_STRIDE, ::_STRIDE]
        part = strip.clip(sampled)
        inside = min(part.shape) > 0
        sample = _sample(product.crop(part) if inside else None)
        return _Seen(draft, single.reshape(len(rates), -1), _sums(rates, draft), sample)

    seen = over_strips(whole, look)
    draft = np.concatenate([s.draft for s in seen])
    known = np.isfinite(draft) & (draft != 0)
    level, spread = _clipped(_some(draft, known))
    free = known & (np.abs(draft - level) < LOWER * spread)
    sigma = white_noise(stripes.lines(draft), stripes.lines(free))
    mesh = mesh_of(draft, free, side)
    flat = draft - on_pixels(mesh, shape, whole.box, side)
    spread_mesh = _clipped(_some(flat, free))[1]
    flat[~known] = np.nan
    why = reasons(flat, spread_mesh, sigma, Rule(), stripes.along_x, stripes.channels)
    free = why == 0
    mesh = mesh_of(draft, free, side)
    even = without_stripes(stripes.lines(mesh), stripes.channels)
    mesh = np.ascontiguousarray(stripes.images(even))
    if free.any():
        level = float(np.median(_some(draft, free, 4 * _PLENTY)))
        # noise that has no mean leaves the flux of what is too faint to be left out as it was
        flat = draft - on_pixels(mesh, shape, whole.box, side)
        mesh += np.float32(_some(flat, free, 4 * _PLENTY).mean(dtype=np.float64))
    sample = _joined([s.sample for s in seen])
    drift = _drift(sample, free, sampled, whole.box, stripes)
    return Scene(
        height=shape[0],
        width=shape[1],
        level=level,
        mesh=mesh,
        side=side,
        spread=spread,
        spread_mesh=spread_mesh,
        sigma=sigma,
        sigmas=_sigmas(np.concatenate([s.single for s in seen], axis=1), spread_mesh),
        brightness=_brightness(np.sum([s.sums for s in seen], axis=0)),
        times=drift.times,
        common=drift.common,
        amplifier=drift.amplifier,
        white=drift.white,
        bins=drift.bins,
        warning=_warning(free, stripes),
    )


def _some(image: Array, free: Array, most: int = _PLENTY) -> Array:
    """Free pixels, or as many of them as are plenty, from all over the image."""
    # an odd step comes to all columns
    step = max(1, image.size // most) | 1
    return np.asarray(image.ravel()[::step][free.ravel()[::step]])


def _clipped(values: Array) -> tuple[float, float]:
    """Median and robust standard deviation, without what is far off; (0, 1) of nothing."""
    for _ in range(_ROUNDS):
        if not values.size:
            return 0.0, 1.0
        level = float(np.median(values))
        off = np.abs(values - level)
        sigma = 1.4826 * float(np.median(off))
        near = off <= LOWER * sigma
        if near.all() or sigma == 0:
            break
        values = values[near]
    return level, sigma or 1.0


def white_noise(lines: Array, free: Array) -> float:
    """Standard deviation of pixels, by the differences of neighbours that are free."""
    step = max(1, lines.size // _PLENTY)
    some, good = lines[::step], free[::step]
    both = good[:, 1:] & good[:, :-1]
    off = np.abs((some[:, 1:] - some[:, :-1])[both])
    sigma = 1.4826 * float(np.median(off)) / np.sqrt(2) if off.size else 0.0
    return sigma or 1.0


def _moments(product: Product) -> tuple[int, ...]:
    """Groups of the first integration that are sampled; of a rate there is one image."""
    if isinstance(product, Ramp):
        n = product.data.shape[1]
        return tuple(sorted({n // 4, 3 * n // 4}))
    return (0,)


def _sample(product: Product | None) -> Array:
    """Some images of the first integration without their pedestal [image, y, x]."""
    if product is None:
        return np.zeros((0, 0, 0), np.float32)
    if not isinstance(product, Ramp):
        return draft_of(product)[:1]
    data, flags = product.data[0], product.groupdq[0]
    plain = (flags & np.uint8(dq.DO_NOT_USE | dq.SATURATED | dq.JUMP_DET) == 0).all(axis=0)
    images = data[list(_moments(product))] - data.mean(axis=0)
    images[:, ~plain] = np.nan
    return np.asarray(images, np.float32)


def _joined(samples: list[Array]) -> Array:
    return np.concatenate([s for s in samples if len(s)], axis=1)


def _sums(rates: Array, draft: Array) -> Array:
    """Sums [integration, 5] of which a straight line through rates against their mean is made."""
    total = np.zeros((len(rates), 5))
    if len(rates) > 1:
        for i, rate in enumerate(rates):
            known = np.isfinite(rate) & np.isfinite(draft)
            own, mean = rate[known].astype(np.float64), draft[known].astype(np.float64)
            total[i] = len(own), own.sum(), own @ mean, mean.sum(), mean @ mean
    return total


def _brightness(sums: Array) -> Array:
    """Slope of each integration's light against that of the mean; 1 where it cannot be told."""
    n, own, product, mean, square = sums.T
    spread = n * square - mean**2
    return np.asarray(
        np.divide(n * product - own * mean, spread, out=np.ones(len(sums)), where=spread > 0)
    )


def _sigmas(single: Array, sigma: float) -> Array:
    """Noise of the integrations, in units of the mean's."""
    if len(single) == 1:
        return np.ones(1)
    found = [_clipped(values[np.isfinite(values)])[1] for values in single]
    # what it differs from holds a part of it
    return np.array(found) / sigma / np.sqrt(1 - 1 / len(single)) if sigma else np.ones(len(single))


def _drift(sample: Array, free: Array, box: Box, frame: Box, stripes: Stripes) -> Drift:
    """Drifts in sampled images; none where too little is free, or the lines are no read-out's."""
    unknown = Drift(np.array(TIMES), np.zeros(len(TIMES)), np.zeros(len(TIMES)), 1.0, 0)
    part = free[box.slices(frame)]
    part = part & np.isfinite(sample).all(axis=0)
    if stripes.miri or not part.any():
        return unknown
    images = sample - np.median(sample[:, part], axis=1)[:, None, None]
    first, end = stripes.span(box)
    readout = stripes.readout(end - first)
    return measure_drift(bin_means(images, part, readout), readout.steps)


def _warning(free: Array, stripes: Stripes) -> str:
    """Why the noise cannot be told well, or ""."""
    few = float(np.mean(stripes.lines(free).sum(axis=1) < _FEW))
    if few == 0:
        return ""
    return f"{100 * few:.3g} % of the lines have fewer than {_FEW} background pixels"
