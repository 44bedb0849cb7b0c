"""Values along lines, from the next known ones on both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["bridge"]


@njit(cache=True, nogil=True)
def bridge(lines: Any, label: Any, wanted: Any) -> None:
    """Fill what is wanted by a straight line between the next known pixels of its slice.

    Parameters
    ----------
    lines
        float32 [line, pixel], changed in place. Before the first known pixel and after the last
        one its value is taken; where a line has none, what is wanted is NaN.
    label
        Number of the slice of each pixel, int32 [line, pixel].
    wanted
        bool [line, pixel]; such pixels do not count as known.
    """
    count, npix = lines.shape
    for y in range(count):
        for x in range(npix):
            if not wanted[y, x]:
                continue
            before, after = x - 1, x + 1
            while before >= 0 and not _known(lines, label, wanted, y, before, label[y, x]):
                before -= 1
            while after < npix and not _known(lines, label, wanted, y, after, label[y, x]):
                after += 1
            if before < 0 and after == npix:
                lines[y, x] = np.nan
            elif before < 0 or after == npix:
                lines[y, x] = lines[y, after if before < 0 else before]
            else:
                low, high = np.float64(lines[y, before]), np.float64(lines[y, after])
                lines[y, x] = (high - low) / (after - before) * (x - before) + low


@njit(cache=True, nogil=True)
def _known(lines: Any, label: Any, wanted: Any, y: int, x: int, here: int) -> bool:
    return label[y, x] == here and not wanted[y, x] and np.isfinite(lines[y, x])
