"""Pixels of a product as spectra are made of them: rows that matter, flagged ones missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Rate, RateInts
from jwinteractive.extract.frames import Frames

__all__ = ["frames_of", "mean_light"]

_LIGHT = 16  # integrations whose mean a profile is measured on


def frames_of(product: Rate | RateInts, cut: Callable[[Array], Array]) -> tuple[Frames, bool]:
    """Frames of the rows that matter, flagged pixels missing, and whether variances are known."""
    flags = cut(product.dq)
    bad = (flags & np.uint32(dq.DO_NOT_USE)) != 0
    data = np.array(cut(product.data), np.float32, order="C")
    data[bad] = np.nan
    poisson, read = cut(product.var_poisson), cut(product.var_rnoise)
    flat = None if product.var_flat is None else cut(product.var_flat)
    if not np.isfinite(poisson).any() and not np.isfinite(read).any():
        err = cut(product.err)
        if not np.isfinite(err).any():
            return Frames(data, np.ones_like(data)), False
        return Frames(data, None, np.square(err)), True
    if flat is not None and not np.isfinite(flat).any():
        flat = None
    return Frames(data, poisson, read, flat), True


def mean_light(frames: Frames) -> Array:
    """Mean of the integrations, of many of some, float64 [y, x]; NaN where none counts."""
    count = len(frames)
    if count == 1:
        light = frames.image(0).astype(np.float64)
        light[~np.isfinite(light)] = np.nan
        return light
    total, seen = np.zeros(frames.shape), np.zeros(frames.shape, np.int64)
    for i in range(0, count, -(-count // _LIGHT)):
        image = frames.image(i)
        good = np.isfinite(image)
        np.add(total, image, out=total, where=good)
        seen += good
    light = np.full(frames.shape, np.nan)
    np.divide(total, seen, out=light, where=seen > 0)
    return light
