"""A whole exposure as the images that the official 1/f correction cleans, and its draft rates.

Images of a ramp are the differences of its groups, or the groups themselves; others are the rates.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable

import numpy as np

from jwinteractive import dq as flags
from jwinteractive.data import Array, Box, Product, Ramp, Rate, RateInts
from jwinteractive.errors import StepError
from jwinteractive.kernels.flicker_clip import differences
from jwinteractive.scratch import Scratch
from jwinteractive.step import Whole
from jwinteractive.strips import over_strips

__all__ = ["Draft", "Images", "room_for", "whole_images", "whole_rate"]

Draft = Callable[[Ramp], tuple[Array, Array]]
"""Fit of ramps: rate [y, x] and rates of integrations [integration, y, x], DN/s."""

_UNUSABLE = np.uint8(flags.DO_NOT_USE | flags.JUMP_DET)
_LARGE = 256 * 2**20  # bytes, from which images lie on a file


@dc.dataclass(frozen=True, eq=False)
class Images:
    """Images of a whole exposure.

    Attributes
    ----------
    data
        DN or DN/s [image, y, x]; NaN where a difference has a jump or is not to be used.
    rates
        Draft rate [y, x], or one of each integration [integration, y, x].
    dq
        Flags of pixels, of the shape of ``rates`` or [y, x].
    medians
        Median of the integrations, by group [group, y, x], where groups were asked for.
    """

    data: Array
    rates: Array
    dq: Array
    medians: Array | None = None


def whole_images(
    whole: Whole, draft: Draft | None, single: bool = True, groups: bool = False
) -> Images:
    """Images of an exposure; ``single`` for one rate of a ramp, ``groups`` for undiffered ones.

    Without ``draft`` there are no rates of a ramp: they are NaN.

    Raises
    ------
    StepError
        If the exposure is neither a ramp nor rates.
    """
    first = _first_row(whole)
    if isinstance(first, Ramp):
        return _of_ramps(whole, first, draft, single, groups)
    data, dq = _rates(whole, first)
    return Images(data.reshape(-1, *data.shape[-2:]), data, dq)


def whole_rate(whole: Whole, draft: Draft) -> Array:
    """Rate [y, x] of an exposure: draft one of a ramp, mean of integrations' rates, or its own."""
    first = _first_row(whole)
    if isinstance(first, Ramp):

        def rate(ramp: Ramp, strip: Box) -> Array:
            return draft(ramp.native())[0]

        return np.concatenate(over_strips(whole, rate))
    data, _ = _rates(whole, first)
    if data.ndim == 2:
        return np.array(data)
    known = np.isfinite(data).any(axis=0)
    mean: Array = np.full(known.shape, np.nan, np.float32)
    mean[known] = np.nanmean(data[:, known], axis=0)
    return mean


def room_for(shape: tuple[int, ...]) -> Array:
    """Room for float32 values: in memory, or on a file if they are many."""
    if 4 * math.prod(shape) < _LARGE:
        return np.empty(shape, np.float32)
    return Scratch({"images": (shape, np.dtype(np.float32))}).arrays["images"]


def _first_row(whole: Whole) -> Product:
    box = whole.box
    first = whole.look(Box(box.y0, box.y0 + 1, box.x0, box.x1))
    if not isinstance(first, Ramp | Rate | RateInts):
        kind = type(first).__name__
        raise StepError(
            f"1/f noise is cleaned of ramps and rates, not of a {kind}: move the step before it"
        )
    return first


def _rows(whole: Whole, strip: Box) -> slice:
    return strip.slices(whole.box)[0]


def _of_ramps(whole: Whole, first: Ramp, draft: Draft | None, single: bool, groups: bool) -> Images:
    nint, ngroup = first.data.shape[:2]
    shape = whole.box.shape
    data = room_for((nint * (ngroup if groups else ngroup - 1), *shape))
    rates: Array = np.full(shape if single else (nint, *shape), np.nan, np.float32)
    medians = np.empty((ngroup, *shape), np.float32) if groups else None
    dq: Array = np.empty(shape, np.uint32)

    def work(ramp: Ramp, strip: Box) -> None:
        ramp, rows = ramp.native(), _rows(whole, strip)
        dq[rows] = ramp.pixeldq
        if draft is not None:
            rates[..., rows, :] = draft(ramp)[0 if single else 1]
        if medians is None:
            differences(ramp.data, ramp.groupdq, _UNUSABLE, data[:, rows])
        else:
            data[:, rows] = ramp.data.reshape(-1, *ramp.shape)
            medians[:, rows] = median_of_integrations(ramp.data)

    over_strips(whole, work)
    return Images(data, rates, dq, medians)


def median_of_integrations(data: Array) -> Array:
    """Median [..., y, x] of what is known of integrations [integration, ..., y, x], float32."""
    found = np.median(data, axis=0)
    gaps = np.isnan(found)
    some = gaps & ~np.isnan(data).all(axis=0)
    found[some] = np.nanmedian(data[:, some], axis=0)
    return np.asarray(found, np.float32)


def _rates(whole: Whole, first: Product) -> tuple[Array, Array]:
    """Rates and their flags as the product holds them: [y, x] or [integration, y, x]."""
    assert isinstance(first, Rate | RateInts)
    head, shape = first.data.shape[:-2], whole.box.shape
    data = room_for((*head, *shape))
    dq: Array = np.empty((*head, *shape), np.uint32)

    def work(rate: Rate | RateInts, strip: Box) -> None:
        data[..., _rows(whole, strip), :] = rate.data
        dq[..., _rows(whole, strip), :] = rate.dq

    over_strips(whole, work)
    return data, dq
