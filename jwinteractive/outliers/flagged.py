"""Products with their outliers flagged, and without values where the official ones have none."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np

from jwinteractive.data import Array, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.kernels.lanes import flatten
from jwinteractive.kernels.outlier_series import blank

__all__ = ["flagged"]

P = TypeVar("P", Rate, RateInts)

_PLANES: Final = ("data", "err", "var_poisson", "var_rnoise", "var_flat")


def flagged(product: P, outliers: Array) -> P:
    """The product with OUTLIER and DO_NOT_USE where ``outliers`` is true, bool like its data.

    As officially, a pixel that is not to be used, or that is NaN in the data, the error or a
    variance, becomes NaN in all of them and DO_NOT_USE.

    Raises
    ------
    InputError
        If the outliers are not of the shape of the data.
    """
    if outliers.shape != product.data.shape:
        raise InputError(
            f"outliers of shape {outliers.shape} for data of shape {product.data.shape}: must be "
            "one for each pixel: cut both to the same box"
        )
    found = {name: getattr(product, name, None) for name in _PLANES}
    held = {name: _line(plane, np.float32) for name, plane in found.items() if plane is not None}
    planes = tuple(held.values())
    new = tuple(np.empty(plane.size, np.float32) for plane in planes)
    dq = np.empty(outliers.size, np.uint32)
    blank(_line(outliers, np.bool_), planes, _line(product.dq, np.uint32), 0, dq.size, new, dq)
    shape = outliers.shape
    changes: dict[str, Any] = {n: plane.reshape(shape) for n, plane in zip(held, new, strict=True)}
    return product.replace(dq=dq.reshape(shape), **changes)


def _line(array: Array, kind: Any) -> Array:
    """All pixels in a row, read-only, of one type."""
    return flatten(np.asarray(array, kind).reshape(1, -1))
