"""Apertures: weights of pixels between two limits across the dispersion, fractions at the edges.

A limit is the index of the last pixel that counts whole, as in the official parameters: 3 to 6 are
four pixels, 2.75 to 6 four and a quarter.

Source: dossier section 8 (1).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import contiguous
from jwinteractive.kernels.extract_places import region_shares

__all__ = ["box_weights", "trace_limits"]


def trace_limits(trace: ArrayLike, width: float) -> tuple[Array, Array]:
    """Limits of a box of ``width`` pixels centred on a trace, y of each column.

    Raises
    ------
    InputError
        If the width is not positive.
    """
    if not width > 0:
        raise InputError(f"width = {width}: must be more than 0 pixels")
    lower = np.asarray(trace, np.float64) - (width - 1) / 2
    return lower, lower + (width - 1)


def box_weights(
    shape: tuple[int, int],
    limits: Iterable[tuple[ArrayLike, ArrayLike]],
    columns: tuple[float, float] | None = None,
    partial: bool = True,
) -> Array:
    """Share of each pixel in one or more regions: float64 [y, x], 0 to 1.

    Parameters
    ----------
    shape
        (ny, nx) of the images.
    limits
        Lower and upper limit of each region, one for all columns or one each; regions may overlap
        and lie partly off the image. A column with a NaN has none.
    columns
        First and last column that count; all by default.
    partial
        Whether pixels at the edges count in part, or, as for the official medians, not at all.

    Raises
    ------
    InputError
        If limits are in the wrong order or number, or no pixel is inside.
    """
    ny, nx = shape
    weights = np.zeros(shape)
    first, end = 0, nx
    if columns is not None:
        first = max(int(np.ceil(columns[0])), 0)
        end = min(max(int(np.floor(columns[1])) + 1, 0), nx)
    regions = [(np.asarray(a, np.float64), np.asarray(b, np.float64)) for a, b in limits]
    for lower, upper in regions:
        for limit in (lower, upper):
            if limit.shape not in ((), (nx,)):
                raise InputError(f"limits of shape {limit.shape}: must be one, or {nx} as columns")
        if np.any(upper <= lower - 1):  # false for NaN
            raise InputError(
                f"limits {_span(lower)} to {_span(upper)}: the upper must not be below the lower: "
                "exchange them"
            )
        every = [contiguous(np.broadcast_to(limit, (nx,)), np.float64) for limit in (lower, upper)]
        region_shares(every[0], every[1], first, end, partial, weights)
    if not weights.any():
        spans = ", ".join(f"{_span(a)} to {_span(b)}" for a, b in regions) or "none"
        raise InputError(
            f"aperture with limits {spans} has no pixel of the image of {ny} rows and {nx} "
            "columns: move it onto the image"
        )
    return weights


def _span(limit: Array) -> str:
    finite = limit[np.isfinite(limit)]
    return f"{np.mean(finite):.2f}" if finite.size else "NaN"
