"""NIRSpec: take off the thermal pattern that sets the edges of the frame apart from its centre.

Source: official step `picture_frame`. Each group less the first one holds
``scale (template - its edge) + edge``: levels are medians of background pixels in the centre and
along the edges. Background is what the draft rate of the ramps shows no light in. Differences from
the official step: rates are clipped when the pattern is off them, and as far below as above (there
with the pattern on them and at 3 sigma below, by which a seventh stays in of a pattern that is as
strong as the noise of few groups; here half as much). Where slits, slices and open shutters lie is
not known before the world coordinates are: light that is fainter than `n_sigma` stays in.

Limits come from rows spread over the exposure, medians from histograms of all its pixels, so that
nothing as large as the exposure is ever held.
"""

from __future__ import annotations

import dataclasses as dc
import threading
from typing import Annotated

import numpy as np
from annotated_types import Interval
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.errors import StepError
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.references import PictureFrameRef
from jwinteractive.step import Model, Whole, step
from jwinteractive.strips import over_boxes, over_strips
from jwinteractive.views import Curve, Plot, Shown, View

_UNUSABLE = np.uint8(dq.DO_NOT_USE | dq.SATURATED)
_ENDS = np.uint8(dq.DO_NOT_USE | dq.SATURATED | dq.JUMP_DET)
_NONE = np.uint8(0)
_CENTRE, _EDGE = 1, 2
_FULL = 2048  # pixels a side of the official frame
_SLITS = (922, 1116)  # rows of the fixed slits
_BLOCKS, _ROWS = 16, 16  # sampled
_EVERY = 4  # column of them, for a first guess of the levels
_CLIP, _ROUNDS = 3.0, 5
_BINS, _REACH = 2048, 4.0  # of a histogram, and its half width in sigma


class PictureFrameParams(Params):
    """Parameters of `picture_frame`."""

    mask_science_regions: Annotated[
        bool,
        Doc("Leave out failed-open shutters, and the fixed slits where others are observed."),
    ] = True
    n_sigma: Annotated[
        float,
        Interval(ge=0, le=20),
        Unit("sigma"),
        Doc("How far from the background's rate a pixel is signal, or bad; 0: use all pixels."),
    ] = 2.0


@dc.dataclass(frozen=True, kw_only=True)
class PictureFrameModel(Model):
    """Levels of the background in DN [nint, ngroup] less the first group, and of the template."""

    centre: Array
    edge: Array
    centre_ref: float
    edge_ref: float

    @property
    def scale(self) -> Array:
        """Factor of the template by group."""
        return np.asarray((self.centre - self.edge) / (self.centre_ref - self.edge_ref))


@njit(cache=True, nogil=True)
def _gather(
    low: Array, high: Array, before: Array, after: Array, total: Array, count: Array
) -> None:
    """Add the differences of two rows that are of use."""
    for x in range(len(total)):
        good = before[x] & _UNUSABLE == _NONE and after[x] & _ENDS == _NONE
        rise = high[x] - low[x]
        good = good and rise == rise
        total[x] += rise if good else np.float32(0)
        count[x] += np.float32(1) if good else np.float32(0)


@njit(cache=True, nogil=True)
def _draft(data: Array, groupdq: Array, total: Array, count: Array) -> None:
    """Sum and number of the usable group differences of each pixel."""
    nint, ngroup, ny, _ = data.shape
    for i in range(nint):
        for g in range(ngroup - 1):
            for y in range(ny):
                _gather(
                    data[i, g, y],
                    data[i, g + 1, y],
                    groupdq[i, g, y],
                    groupdq[i, g + 1, y],
                    total[y],
                    count[y],
                )


@njit(cache=True, nogil=True)
def _tally(data: Array, region: Array, low: Array, width: Array, counts: Array) -> None:
    """Count group less first group by region: counts [region, integration, group, bin]."""
    nint, ngroup, ny, nx = data.shape
    for i in range(nint):
        for g in range(1, ngroup):
            for y in range(ny):
                for x in range(nx):
                    k = region[y, x]
                    value = data[i, g, y, x] - data[i, 0, y, x]
                    if k == 0 or value != value:
                        continue
                    place = (value - low[k - 1, i, g]) / width[k - 1, i, g]
                    counts[k - 1, i, g, int(min(max(place + 1, 0), _BINS + 1))] += 1


def _levels(counts: Array, low: Array, width: Array) -> Array:
    """Medians of histograms [..., bin], straight within a bin; 0 where nothing was counted."""
    total = np.cumsum(counts, axis=-1)
    half = total[..., -1:] / 2
    bin_ = np.minimum((total < half).sum(axis=-1, keepdims=True), _BINS + 1)
    inside = np.take_along_axis(counts, bin_, -1)
    below = np.take_along_axis(total, bin_, -1) - inside
    part = np.divide(half - below, inside, out=np.zeros(half.shape), where=inside > 0)
    return np.where(total[..., -1] > 0, low + width * (bin_ + part - 1)[..., 0], 0.0)


def _rows_of(n: int) -> tuple[slice, slice, slice]:
    """Lower edge, centre and upper edge along an axis of ``n`` pixels, reference pixels left out.

    Frames of another size than the official one have edges in proportion.
    """
    lower, upper = max(1, 71 * n // _FULL), max(1, 58 * n // _FULL)
    last = n - 5 - upper
    return slice(4, 4 + lower), slice(5 + lower, last - 1), slice(last, n - 5)


def _regions(shape: tuple[int, int]) -> Array:
    """Which pixels [y, x] are of the centre and which of the edge."""
    region: Array = np.zeros(shape, np.uint8)
    (low_y, mid_y, high_y), (low_x, mid_x, high_x) = map(_rows_of, shape)
    region[low_y.start : high_y.stop, low_x.start : high_x.stop] = _EDGE
    region[low_y.stop : high_y.start, low_x.stop : high_x.start] = 0
    region[mid_y, mid_x] = _CENTRE
    return region


def _rate(ramp: Ramp, exposure: Exposure, p: PictureFrameParams) -> Array:
    """Draft rate [y, x] in DN a group; NaN where there is none or science has its place."""
    total, count = np.zeros((2, *ramp.shape), np.float32)
    _draft(ramp.data, ramp.groupdq, total, count)
    rate: Array = np.full(ramp.shape, np.nan, np.float32)
    np.divide(total, count, out=rate, where=(count > 0) & (total != 0))
    if p.mask_science_regions:
        rate[ramp.pixeldq & np.uint32(dq.MSA_FAILED_OPEN) != 0] = np.nan
        if exposure.exp_type in ("NRS_IFU", "NRS_MSASPEC"):
            y0 = ramp.covers.y0
            rate[max(_SLITS[0] - y0, 0) : max(_SLITS[1] - y0, 0)] = np.nan
    return rate


def _limits(rate: Array, n_sigma: float) -> tuple[float, float]:
    """Range of the background's rate, from its clipped median and standard deviation."""
    values = rate[np.isfinite(rate)]
    if n_sigma == 0 or not values.size:
        return -np.inf, np.inf
    for _ in range(_ROUNDS):
        middle, sigma = np.median(values), values.std(dtype=np.float64)
        near = np.abs(values - middle) <= _CLIP * sigma
        if near.all():
            break
        values = values[near]
    middle, sigma = float(np.median(values)), float(values.std(dtype=np.float64))
    return middle - n_sigma * sigma, middle + n_sigma * sigma


def _pattern(rate: Array, region: Array, template: Array) -> float:
    """How much of the template a rate holds, from medians of centre and edge; 0 if unknown."""
    found = []
    for image in (rate, template):
        parts = [image[(region == k) & np.isfinite(image)] for k in (_CENTRE, _EDGE)]
        if not all(part.size for part in parts):
            return 0.0
        found.append(float(np.median(parts[0]) - np.median(parts[1])))
    return found[0] / found[1] if found[1] else 0.0


def measure_picture_frame(
    whole: Whole, p: PictureFrameParams, template: PictureFrameRef
) -> PictureFrameModel:
    """Measure the levels of centre and edge in every group.

    Raises
    ------
    StepError
        If one of them holds no background, or the template is as high in both.
    """
    regions = _regions(whole.box.shape)

    def sampled(ramp: Ramp, box: Box) -> tuple[Array, Array, Array]:
        some = ramp.data[..., ::_EVERY]
        rise = some - some[:, :1]
        return _rate(ramp, whole.exposure, p), rise, regions[box.slices(whole.box)]

    starts = np.linspace(whole.box.y0, max(whole.box.y0, whole.box.y1 - _ROWS), _BLOCKS).astype(int)
    blocks = [
        Box(y, y + _ROWS, whole.box.x0, whole.box.x1).clip(whole.box)
        for y in sorted(set(starts.tolist()))
    ]
    parts = over_boxes(whole, zip(blocks, blocks, strict=True), sampled)
    rate, rises, region = (np.concatenate(a, axis=-2) for a in zip(*parts, strict=True))
    shape = np.where(np.isfinite(template.data), template.data, 0)
    there = np.concatenate([shape[b.slices(whole.box)] for b in blocks])
    amount, low, high = 0.0, -np.inf, np.inf
    for _ in range(_ROUNDS):
        flat = rate - amount * there
        low, high = _limits(flat[region > 0], p.n_sigma)
        plain = region * ((flat >= low) & (flat <= high))
        amount = _pattern(rate, plain, there)
    plain = plain[:, ::_EVERY]
    middle, width = np.zeros((2, 2, *rises.shape[:2]))
    for k in (_CENTRE, _EDGE):
        values = rises[..., plain == k]
        if values.shape[-1]:
            middle[k - 1] = np.nanmedian(values, axis=-1)
            spread = np.nanmedian(np.abs(values - middle[k - 1][..., None]), axis=-1)
            width[k - 1] = 2 * _REACH * np.maximum(1.4826 * spread, 1e-3) / _BINS
    first, size = middle - width * _BINS / 2, np.maximum(width, 1e-9)
    counts: Array = np.zeros((*first.shape, _BINS + 2), np.int64)
    guard = threading.Lock()

    def count(ramp: Ramp, strip: Box) -> Array:
        here = strip.slices(whole.box)
        flat = _rate(ramp, whole.exposure, p) - amount * shape[here]
        region = regions[here] * ((flat >= low) & (flat <= high))
        own: Array = np.zeros_like(counts)
        _tally(ramp.data, region, first, size, own)
        with guard:
            np.add(counts, own, out=counts)
        return region

    region = np.concatenate(over_strips(whole, count))
    levels = _levels(counts, first, size)
    marks = [region == k for k in (_CENTRE, _EDGE)]
    known = [template.data[m][np.isfinite(template.data[m])] for m in marks]
    for name, values in zip(("centre", "edge"), known, strict=True):
        if not values.size:
            raise StepError(
                f"picture_frame: no background in the {name} of the frame at n_sigma = "
                f"{p.n_sigma:g}: raise it or leave the step out"
            )
    refs = [float(np.median(values)) for values in known]
    if refs[0] == refs[1]:
        raise StepError(
            f"picture_frame: the template is {refs[0]:g} in the centre and along the edge: give "
            "another pictureframe reference or leave the step out"
        )
    return PictureFrameModel(centre=levels[0], edge=levels[1], centre_ref=refs[0], edge_ref=refs[1])


def _skips(exposure: Exposure, p: PictureFrameParams) -> str:
    if exposure.instrument != "NIRSPEC" or exposure.subarray != "FULL":
        return (
            f"picture_frame is for NIRSPEC FULL, not for {exposure.instrument} {exposure.subarray}"
        )
    if "IRS2" in exposure.readpatt:
        return "picture_frame comes after refpix has sorted IRS2 frames, which is not known here"
    if exposure.ngroups == 1:
        return "picture_frame needs 2 groups, the exposure has 1"
    return ""


def _by_group(s: Shown) -> Plot:
    model = s.model
    assert isinstance(model, PictureFrameModel)
    i = min(s.integration, len(model.edge) - 1)
    groups = np.arange(1, model.edge.shape[1] + 1)
    curves = (
        Curve(name="centre", x=groups, y=model.centre[i]),
        Curve(name="edge", x=groups, y=model.edge[i]),
    )
    return Plot(
        title="background above the first group",
        x_label="group",
        y_label="level (DN)",
        curves=curves,
    )


@step(
    halo=0,
    measure=measure_picture_frame,
    skips=_skips,
    views=(View(title="background by group", draw=_by_group),),
)
def picture_frame(
    ramp: Ramp, p: PictureFrameParams, template: PictureFrameRef, model: PictureFrameModel
) -> Ramp:
    """Subtract the thermal pattern from all groups but the first (NIRSpec): data DN.

    Where the template is NaN, the level of the edge alone is subtracted.
    """
    shape = template.data - np.float32(model.edge_ref)
    shape = np.where(np.isnan(shape), np.float32(0), shape)
    scale, edge = model.scale.astype(np.float32), model.edge.astype(np.float32)
    data = np.empty_like(ramp.data)
    for i, g in np.ndindex(*ramp.data.shape[:2]):
        np.subtract(ramp.data[i, g], scale[i, g] * shape + edge[i, g], out=data[i, g])
    return ramp.replace(data=data)
