"""What there is to see of a product or a step, as plain descriptions.

Widgets and reports draw them alike; nothing here knows how.
"""

from __future__ import annotations

import dataclasses as dc
import math

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Product, Ramp, Rate, RateInts

__all__ = ["Frame", "Overlay", "cut_limits", "views_of"]


@dc.dataclass(frozen=True)
class Overlay:
    """A mask over a frame: bool [y, x], named by its flag."""

    name: str
    mask: Array


@dc.dataclass(frozen=True)
class Frame:
    """An image [y, x] with its unit and masks."""

    title: str
    data: Array
    unit: str
    overlays: tuple[Overlay, ...] = ()


_SHOWN = ("DO_NOT_USE", "SATURATED", "JUMP_DET")


def views_of(product: Product) -> tuple[Frame, ...]:
    """Describe what a product shows: its image with the flagged pixels, and its error."""
    match product:
        case Ramp():
            flags = np.bitwise_or.reduce(product.groupdq.reshape(-1, *product.shape), axis=0)
            return (Frame("last group", product.data[-1, -1], "DN", _overlays(flags)),)
        case Rate():
            return (
                Frame("rate", product.data, "DN/s", _overlays(product.dq)),
                Frame("error", product.err, "DN/s"),
            )
        case RateInts():
            return (Frame("rate of the last integration", product.data[-1], "DN/s"),)
        case _:
            return ()


def _overlays(flags: Array) -> tuple[Overlay, ...]:
    return tuple(Overlay(name, (flags & dq.BITS[name]) != 0) for name in _SHOWN)


def cut_limits(data: Array, percent: float = 99.5) -> tuple[float, float]:
    """Values between which the central ``percent`` of the finite data lie; never equal."""
    stride = max(1, math.isqrt(data.size // 250_000 or 1))
    sample = data[::stride, ::stride]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = np.percentile(sample, [(100 - percent) / 2, (100 + percent) / 2])
    return float(low), float(high if high > low else low + 1)
