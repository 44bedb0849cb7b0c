"""Masks from statistics: of several exposures, and of masks of several dates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive import badpix
from jwinteractive.badpix.evolution import EvolutionParams, follow
from jwinteractive.badpix.layers import (
    day_of,
    epochs_of,
    flags_of,
    layers_of,
    measured_mask,
    selfcal_layer,
)
from jwinteractive.chain import Progress
from jwinteractive.io import open_product
from jwinteractive.masks import Layer, Mask, Origin, Selection

__all__ = ["by_noise", "by_selfcal", "evolved"]

Row = dict[str, Any]


def by_noise(
    files: Sequence[Path],
    params: badpix.BadpixParams,
    *,
    flat: Path | None = None,
    threads: int = 0,
    report: Callable[[Progress], None] | None = None,
) -> tuple[Mask, list[Row], tuple[str, ...]]:
    """Mask by `badpix.classify`; pixels of each class with those expected by chance; notes.

    Raises
    ------
    InputError
        As `badpix.gather` does.
    """
    evidence = badpix.gather(files, flat=flat, report=report, threads=threads)
    found = badpix.classify(evidence, params)
    chance = badpix.expected_false(evidence, params)
    empty = Mask.of(evidence.exposure, evidence.shape)
    mask = measured_mask(empty, layers_of(found, evidence, params), day_of(evidence))
    rows = []
    for name, plane in found.items():
        n = chance.get(name, float("nan"))
        known = None if np.isnan(n) else round(n, 2)
        rows.append({"class": name, "pixels": int(plane.sum()), "expected_false": known})
    return mask, rows, evidence.notes


def by_selfcal(
    files: Sequence[Path], params: badpix.SelfcalParams, *, threads: int = 0
) -> tuple[Mask, list[Row]]:
    """Mask by `badpix.selfcal` and how many pixels it has.

    Raises
    ------
    InputError
        As `badpix.selfcal` does.
    """
    plane = badpix.selfcal(files, params, threads=threads)
    layer = selfcal_layer(plane, [path.name for path in files], params)
    product = open_product(files[0]).product
    mask = measured_mask(Mask.of(product.exposure, product.shape), (layer,))
    return mask, [{"class": layer.name, "pixels": layer.count}]


def evolved(masks: Sequence[Mask], params: EvolutionParams) -> tuple[Mask, list[Row]]:
    """Mask of what is bad at the last date, and how many pixels of each class are at each.

    Parameters
    ----------
    masks
        Of one window, each with its date, in the order of these.

    Raises
    ------
    InputError
        If there are fewer than two, all are empty, or they cannot be followed together.
    """
    evolution = follow(epochs_of(masks), params)
    origin = Origin(kind="statistic", text=f"of {len(masks)} masks", details=params.changed())
    rows, layers = [], []
    for name, states in evolution.states.items():
        rows.append(
            {
                "class": name,
                "pixels": evolution.counts(name).tolist(),
                "new": int(evolution.new(name, -1).sum()),
                "gone": int(evolution.gone(name, -1).sum()),
            }
        )
        last = Selection.from_mask(states[-1])
        if last:
            layers.append(Layer(name=name, flags=flags_of(name), pixels=last, origin=origin))
    return masks[-1].replace(layers=tuple(layers), title="", comment=""), rows
