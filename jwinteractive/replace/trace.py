"""Pixels without a value from a model of the trace, the others from their neighbours.

Source: dossier section 7; the numbers are those of the official `trace_model`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.kernels.replace_bridge import bridge
from jwinteractive.replace.frame import (
    MODEL,
    VARIANCES,
    Repaired,
    SpectralFrame,
    check_dispersion,
    labels_of,
    mark,
)
from jwinteractive.replace.gradient import mingrad

__all__ = ["trace_model"]


def trace_model(
    frame: SpectralFrame,
    model: Array,
    dispersion_direction: int,
    regions: Array | None = None,
    honest_errors: bool = False,
) -> Repaired:
    """Replace each pixel without a value by that of a model, or else as `mingrad` does.

    Parameters
    ----------
    frame
        Pixels whose data are not finite are replaced, whatever their flags.
    model
        The spectral image as it would be without noise, [y, x]; NaN where it is not known.
    dispersion_direction
        1 along x, 2 along y.
    regions, honest_errors
        As in `mingrad`. How good the model is, it does not say: the errors of its pixels are the
        official ones.

    Returns
    -------
    Repaired
        Errors, and roots of variances, are taken from the next pixels along the spectrum, of the
        same slice; officially of any. What the model gave is no longer DO_NOT_USE.

    Raises
    ------
    InputError
        If the model or the regions do not fit the frame, or the direction is none.
    """
    check_dispersion(dispersion_direction)
    if model.shape != frame.data.shape:
        raise InputError(
            f"a trace model of shape {model.shape} for data of shape {frame.data.shape}: must be "
            "[y, x] of the same image: fit it to this frame"
        )
    wanted = ~np.isfinite(frame.data) & np.isfinite(model)
    label = labels_of(regions, frame.data.shape)
    planes: dict[str, Any] = {"data": np.where(wanted, model, frame.data).astype(frame.data.dtype)}
    for name in ("err", *VARIANCES):
        plane = getattr(frame, name)
        if plane is not None:
            root = name in VARIANCES
            found = _bridged(np.sqrt(plane) if root else plane, label, wanted, dispersion_direction)
            planes[name] = np.where(wanted, found * found if root else found, plane)
    first = mark(frame, np.where(wanted, np.uint8(MODEL), np.uint8(0)), **planes)
    rest = mingrad(first.frame, regions, honest_errors)
    replaced = np.maximum(first.replaced, rest.replaced)
    replaced.flags.writeable = False
    return Repaired(rest.frame, replaced)


def _bridged(plane: Array, label: Array, wanted: Array, dispersion_direction: int) -> Array:
    turned = [a if dispersion_direction == 1 else a.T for a in (plane, label, wanted)]
    lines = np.array(turned[0], np.float32, order="C")
    bridge(lines, *(np.ascontiguousarray(a) for a in turned[1:]))
    return lines if dispersion_direction == 1 else lines.T
