"""Shares of pixels in regions between two limits across the dispersion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["region_shares"]


@njit(cache=True, nogil=True, error_model="numpy")
def region_shares(lower: Any, upper: Any, first: int, end: int, partial: bool, shares: Any) -> None:
    """Raise ``shares`` float64 [y, x] to those of a region, in columns from first to end.

    ``lower`` and ``upper`` float64 [x] are the last pixels that count whole; a column with a NaN
    has none. Pixels beyond them count in part, if they may.
    """
    ny = shares.shape[0]
    least = np.inf
    most = -np.inf
    for x in range(first, end):
        if lower[x] * 0 == 0 and upper[x] * 0 == 0:
            least = min(least, lower[x])
            most = max(most, upper[x])
    if not least <= most + 1:
        return
    y0 = int(max(np.floor(min(least, float(ny))) - 1.0, 0.0))
    y1 = int(min(np.ceil(max(most, -1.0)) + 1.0, ny - 1.0))
    for y in range(y0, y1 + 1):
        line = shares[y]
        for x in range(first, end):
            low = lower[x]
            high = upper[x]
            share = 1.0 if low <= y <= high else 0.0
            if partial:
                below = y - low + 1.0
                above = high - y + 1.0
                share = max(share, below) if 0.0 < below < 1.0 else share
                share = max(share, above) if 0.0 < above < 1.0 else share
            line[x] = max(line[x], share)
