"""Pixels without a value from their neighbours along the axis in which those differ less.

Along the spectrum beside a star, across it on a bright extended line. Nothing but the four pixels
beside it counts.

Source: dossier section 7; the numbers are those of the official `mingrad`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.kernels.replace_gradient import gradient_axes
from jwinteractive.replace.frame import (
    ALONG_X,
    VARIANCES,
    Repaired,
    SpectralFrame,
    labels_of,
    mark,
)

__all__ = ["mingrad"]

_FIRST = 2  # row and column; the last ones are not looked at either

Pixels = tuple[Array, Array]


def mingrad(
    frame: SpectralFrame, regions: Array | None = None, honest_errors: bool = False
) -> Repaired:
    """Replace each pixel without a value by the mean of two of its neighbours.

    Parameters
    ----------
    frame
        Pixels whose data are not finite are replaced, whatever their flags. The first two rows
        and columns and the last one stay as they are.
    regions
        See `jwinteractive.replace.frame.labels_of`: pixels of different slices are no neighbours.
        Officially all pixels are.
    honest_errors
        Officially errors, and roots of variances, are means of the two neighbours, too. Honest
        ones are that of the mean, and by how much the two axes disagree beyond noise; variances
        share their square as the official ones do.

    Returns
    -------
    Repaired
        A pixel that is NON_SCIENCE stays DO_NOT_USE.

    Raises
    ------
    InputError
        If the regions do not fit the frame.
    """
    data = np.ascontiguousarray(frame.data, np.float32)
    label = labels_of(regions, data.shape)
    axes = np.zeros(data.shape, np.uint8)
    gradient_axes(data, label, _FIRST, axes)
    y, x = np.nonzero(axes)
    along = axes[y, x] == ALONG_X
    pair = (y - ~along, x - along), (y + ~along, x + along)
    found: dict[str, Any] = {name: _mean(getattr(frame, name), pair) for name in ("data", "err")}
    for name in VARIANCES:
        plane = getattr(frame, name)
        if plane is not None:
            found[name] = _mean(plane, pair, np.sqrt) ** 2
    if honest_errors:
        other = (y - along, x - ~along), (y + along, x + ~along)
        one_slice = (label[other[0]] == label[y, x]) & (label[other[1]] == label[y, x])
        found["err"] = _honest(frame, pair, other, one_slice)
        parts = [name for name in VARIANCES if name in found]
        whole = np.sum([found[name] for name in parts], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            for name in parts:
                found[name] = found[name] * (found["err"] ** 2 / whole)
    planes: dict[str, Any] = {name: getattr(frame, name).copy() for name in found}
    for name, values in found.items():
        planes[name][y, x] = values
    return mark(frame, axes, keep=dq.NON_SCIENCE, **planes)


def _mean(plane: Array, pair: tuple[Pixels, Pixels], of: Any = np.asarray) -> Any:
    with np.errstate(invalid="ignore"):  # a variance below 0 has no root
        return (of(plane[pair[0]]) + of(plane[pair[1]])) / 2


def _honest(
    frame: SpectralFrame,
    pair: tuple[Pixels, Pixels],
    other: tuple[Pixels, Pixels],
    one_slice: Array,
) -> Array:
    """Root of the variance of the mean, and of that of the two axes' means beyond their noise.

    Where the other axis has no mean, it is what the two neighbours differ from theirs.
    """
    own, cross = (_mean(frame.err, two, np.square) / 2 for two in (pair, other))
    apart = _mean(frame.data, pair) - _mean(frame.data, other)
    beyond = np.where(one_slice, (apart**2 - own - cross) / 2, np.nan)
    half = (frame.data[pair[0]] - frame.data[pair[1]]) / 2
    beyond = np.where(np.isfinite(beyond), beyond, half**2 - own)
    error: Array = np.sqrt(own + np.maximum(0, beyond))
    return error
