"""Classes of bad pixels as layers of a mask."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.badpix.classes import BadpixParams, level_of
from jwinteractive.badpix.evidence import Evidence
from jwinteractive.badpix.evolution import Epoch, EvolutionParams
from jwinteractive.badpix.selfcal import SelfcalParams
from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.masks import Layer, Mask, Origin, Selection

__all__ = [
    "OF_MASKS",
    "SELFCAL",
    "USABLE",
    "day_of",
    "epochs_of",
    "flags_of",
    "layers_of",
    "measured_mask",
    "selfcal_layer",
]

SELFCAL = "badpix_selfcal"
"""Name of the layer that the official algorithm gives."""

USABLE = ("WARM", "LOW_QE")
"""Classes whose pixels stay in use: their noise tells what they are worth."""

OF_MASKS = EvolutionParams(false=1e-5)
"""Parameters of `evolution.follow` for masks: what they flag was measured or seen, and is true."""

_MJD_0 = dt.date(1858, 11, 17)


def flags_of(name: str) -> tuple[str, ...]:
    """Flags of a pixel of a class."""
    return (name,) if name in USABLE else (name, "DO_NOT_USE")


def layers_of(
    found: Mapping[str, Array], evidence: Evidence, params: BadpixParams
) -> tuple[Layer, ...]:
    """Layers of the classes that `classify` found pixels of, named as their flags.

    Their origin says what was measured and with which thresholds.
    """
    level = level_of(evidence) if params.level == "auto" else params.level
    n = len(evidence.names)
    details: dict[str, Any] = {
        "level": level,
        "exposures": " ".join(evidence.names),
        **{k: v for k, v in params.changed().items() if k != "level"},
    }
    origin = Origin(kind="statistic", text=f"of {n} exposures, {level}", details=details)
    return tuple(
        Layer(
            name=name,
            flags=flags_of(name),
            pixels=Selection.from_mask(plane),
            origin=origin,
        )
        for name, plane in found.items()
        if plane.any()
    )


def day_of(evidence: Evidence) -> str:
    """Day of the last exposure, for `Mask.date`; "" where it is not known."""
    last = max(evidence.mjds, default=0.0)
    if last <= 0:
        return ""
    return (_MJD_0 + dt.timedelta(days=int(last))).isoformat()


def selfcal_layer(plane: Array, names: Iterable[str], params: SelfcalParams) -> Layer:
    """Layer of the pixels [y, x] that `selfcal` flags in exposures of some names."""
    named = " ".join(names)
    details: dict[str, Any] = {"exposures": named, **params.changed()}
    text = f"of {len(named.split())} exposures"
    return Layer(
        name=SELFCAL,
        pixels=Selection.from_mask(plane),
        origin=Origin(kind="statistic", text=text, details=details),
    )


def measured_mask(mask: Mask, layers: tuple[Layer, ...], day: str = "") -> Mask:
    """Mask with layers in place of those that the same statistics gave it before.

    A layer whose flags or role somebody has changed, or that is switched off, stays so. ``day`` is
    that of the data, see `day_of`.
    """
    one = any(layer.name == SELFCAL for layer in layers)
    kept = {
        own.name: own
        for own in mask.layers
        if own.origin.kind == "statistic" and (own.name == SELFCAL) == one
    }
    new = {layer.name: layer for layer in layers}
    for name, own in kept.items():
        if name in new:
            at = {n: getattr(own, n) for n in ("flags", "role", "on", "how", "comment")}
            mask = mask.with_layer(new.pop(name).replace(**at))
        else:
            mask = mask.without(name)
    for layer in new.values():
        mask = mask.with_layer(layer.replace(name=mask.free_name(layer.name)))
    return mask.replace(date=day or mask.date)


def epochs_of(masks: Iterable[Mask]) -> list[Epoch]:
    """Masks of several dates as epochs for `evolution.follow`: a class for each flag.

    A flag that one of them has was looked for in all. What says how a pixel is used, not what is
    wrong with it (DO_NOT_USE), is no class.

    Raises
    ------
    InputError
        If a mask has no date, or is of other pixels than the first.
    """
    masks = list(masks)
    for mask in masks:
        name = mask.title or f"mask of {mask.detector}"
        if not mask.date:
            raise InputError(f'{name}: has no date: set date = "2026-03-01" in its text')
        if mask.place != masks[0].place:
            raise InputError(
                f"{name}: is of {mask.detector} {mask.shape} from {mask.corner}, the first mask of "
                f"{masks[0].detector} {masks[0].shape} from {masks[0].corner}: take masks of one "
                "detector and window"
            )
    planes = [mask.dq() for mask in masks]
    known = np.bitwise_or.reduce([np.bitwise_or.reduce(p, axis=None) for p in planes] or [0])
    names = [n for n in dq.names(int(known)) if n not in ("DO_NOT_USE", "REFERENCE_PIXEL")]
    return [
        Epoch(_mjd(mask.date), {n: p & np.uint32(dq.BITS[n]) != 0 for n in names})
        for mask, p in zip(masks, planes, strict=True)
    ]


def _mjd(day: str) -> float:
    return float((dt.date.fromisoformat(day) - _MJD_0).days)
