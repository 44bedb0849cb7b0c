"""Pixels without a value from their two neighbours along the axis of the smaller difference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["ALONG_X", "ALONG_Y", "gradient_axes"]

ALONG_X = 2
ALONG_Y = 3


@njit(cache=True, nogil=True, error_model="numpy")
def gradient_axes(data: Any, label: Any, first: int, axes: Any) -> None:
    """Axis along which the neighbours of each pixel without a value differ less.

    Parameters
    ----------
    data
        float32 [y, x].
    label
        Number of the slice of each pixel, int32 [y, x]; 0 for none. Pixels of two slices are no
        neighbours.
    first
        First row and column that are looked at; the last of each are not.
    axes
        Filled, uint8 [y, x]: `ALONG_X`, which wins a tie, `ALONG_Y`, or 0 for a pixel that has a
        value, or no two neighbours with one.
    """
    ny, nx = data.shape
    far = np.float32(np.inf)
    for y in range(ny):
        for x in range(nx):
            axes[y, x] = 0
            inside = first <= y < ny - 1 and first <= x < nx - 1
            if np.isfinite(data[y, x]) or label[y, x] == 0 or not inside:
                continue
            here = label[y, x]
            row, column = far, far
            if label[y, x - 1] == here and label[y, x + 1] == here:
                row = abs(data[y, x - 1] - data[y, x + 1])
            if label[y - 1, x] == here and label[y + 1, x] == here:
                column = abs(data[y - 1, x] - data[y + 1, x])
            row = far if np.isnan(row) else row
            column = far if np.isnan(column) else column
            if row < far or column < far:
                axes[y, x] = ALONG_X if row <= column else ALONG_Y
