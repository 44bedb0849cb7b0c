"""What there is to see of a product or a step, as plain descriptions.

Widgets and reports draw them alike; nothing here knows how.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Product, Ramp, Rate, RateInts

__all__ = ["Frame", "Number", "Overlay", "View", "views_of"]


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


@dc.dataclass(frozen=True)
class Number:
    """One figure with its unit."""

    title: str
    value: float
    unit: str = ""


View = Frame | Number

_SHOWN = ("DO_NOT_USE", "SATURATED", "JUMP_DET")


def views_of(product: Product) -> tuple[View, ...]:
    """Describe what a product shows: its image, its error, its flags and how many they are."""
    match product:
        case Ramp():
            flags = np.bitwise_or.reduce(product.groupdq.reshape(-1, *product.shape), axis=0)
            return (
                Frame("last group", product.data[-1, -1], "DN", _overlays(flags)),
                *_counts(flags),
            )
        case Rate():
            return (
                Frame("rate", product.data, "DN/s", _overlays(product.dq)),
                Frame("error", product.err, "DN/s"),
                *_counts(product.dq),
            )
        case RateInts():
            return (Frame("rate of the last integration", product.data[-1], "DN/s"),)
        case _:
            return ()


def _overlays(flags: Array) -> tuple[Overlay, ...]:
    return tuple(Overlay(name, (flags & dq.BITS[name]) != 0) for name in _SHOWN)


def _counts(flags: Array) -> tuple[Number, ...]:
    return tuple(
        Number(f"pixels {name}", float(np.count_nonzero(flags & dq.BITS[name]))) for name in _SHOWN
    )
