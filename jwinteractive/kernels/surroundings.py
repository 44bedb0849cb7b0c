"""What surrounds each pixel of a frame: medians of neighbours and of windows.

One vector lane a column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.lanes import LANES, middle, sort_lanes

__all__ = ["local_level", "median_filter", "middle_row", "second_neighbour"]

_MAD = np.float32(1.4826)
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)


@njit(cache=True, nogil=True, error_model="numpy")
def middle_row(rows: Any, counts: Any, out: Any) -> None:
    """Median of the first ``counts`` values of each sorted column; NaN of none."""
    for x in range(out.shape[0]):
        n = counts[x]
        out[x] = np.float32(0.5) * (rows[(n - 1) >> 1, x] + rows[n >> 1, x]) if n > 0 else _NAN


@njit(cache=True, nogil=True, error_model="numpy")
def local_level(
    rate: Any, first: int, last: int, offsets: Any, net: Any, level: Any, spread: Any, count: Any
) -> None:
    """Median and 1.4826 MAD of the surroundings of each pixel of the rows first to last.

    Parameters
    ----------
    rate
        Whole frame [y, x]; NaN where there is no value.
    offsets
        (dy, dx) of the surroundings [n, 2]; ``net`` sorts n rows.
    level, spread, count
        Filled in these rows [y, x]; NaN where nothing is known around.
    """
    ny, nx = rate.shape
    many = len(offsets)
    values = np.empty((many, nx), np.float32)
    for y in range(first, last):
        n = count[y]
        n[:] = 0
        for c in range(many):
            row = y + offsets[c, 0]
            dx = offsets[c, 1]
            out = values[c]
            out[:] = _INF
            if 0 <= row < ny:
                low, high = max(0, -dx), min(nx, nx - dx)
                for x in range(low, high):
                    value = rate[row, x + dx]
                    known = value == value
                    out[x] = value if known else _INF
                    n[x] += known
        sort_lanes(values, net)
        middle_row(values, n, level[y])
        for c in range(many):
            for x in range(nx):
                value = values[c, x]
                values[c, x] = abs(value - level[y, x]) if value < _INF else _INF
        sort_lanes(values, net)
        middle_row(values, n, spread[y])
        for x in range(nx):
            spread[y, x] *= _MAD


@njit(cache=True, nogil=True, error_model="numpy")
def second_neighbour(rate: Any, level: Any, first: int, last: int, out: Any) -> None:
    """Second of the four neighbours, counted from the side where the pixel is, less the level.

    Light spreads over neighbours, a bad pixel does not. Filled in the rows first to last of
    ``out`` [y, x]: the second highest where the rate is above the level, else the second lowest; 0
    where fewer than two are known.
    """
    ny, nx = rate.shape
    for y in range(first, last):
        for x in range(nx):
            centre = level[y, x]
            up = rate[y, x] > centre
            best = second = -_INF
            for c in range(4):
                j = y + (c == 0) - (c == 1)
                i = x + (c == 2) - (c == 3)
                if 0 <= j < ny and 0 <= i < nx:
                    value = rate[j, i] - centre if up else centre - rate[j, i]
                    if value > best:
                        second = best
                        best = value
                    elif value > second:
                        second = value
            if second == -_INF:
                out[y, x] = 0
            else:
                out[y, x] = second if up else -second


@njit(cache=True, nogil=True, error_model="numpy")
def _sort_windows(
    image: Any, y: int, x0: int, high: int, wide: int, net: Any, values: Any, n: Any
) -> None:
    """Sort the windows about the pixels of a row from ``x0`` on: their ``n`` values come first.

    Beyond the image lie zeros.
    """
    ny, nx = image.shape
    lanes = values.shape[1]
    n[:] = 0
    for c in range(high * wide):
        row = y + c // wide - high // 2
        first = x0 + c % wide - wide // 2
        out = values[c]
        out[:] = 0
        if row < 0 or row >= ny:
            for x in range(lanes):
                n[x] += 1
            continue
        for x in range(lanes):
            inside = 0 <= x + first < nx
            value = image[row, x + first] if inside else np.float32(0)
            known = value == value
            out[x] = value if known else _INF
            n[x] += known
    sort_lanes(values, net)


@njit(cache=True, nogil=True, error_model="numpy")
def median_filter(
    image: Any, first: int, last: int, high: int, wide: int, net: Any, out: Any
) -> None:
    """Median of the window of high x wide pixels about each pixel; what is NaN is left out.

    Parameters
    ----------
    image
        [y, x] float32; beyond it lie zeros.
    first, last
        Rows that are filled in ``out`` [y, x].
    net
        Network that sorts the window's values; without a pair, they are selected one by one.
    """
    ny, nx = image.shape
    many = high * wide
    if len(net) or many == 1:
        values, n = np.empty((many, LANES), np.float32), np.empty(LANES, np.int64)
        middles = np.empty(LANES, np.float32)
        for y in range(first, last):
            for x0 in range(0, nx, LANES):
                _sort_windows(image, y, x0, high, wide, net, values, n)
                middle_row(values, n, middles)
                for x in range(min(LANES, nx - x0)):
                    out[y, x0 + x] = middles[x]
        return
    window = np.empty(many, np.float32)
    for y in range(first, last):
        for x in range(nx):
            k = 0
            for j in range(y - high // 2, y + high // 2 + 1):
                for i in range(x - wide // 2, x + wide // 2 + 1):
                    inside = 0 <= j < ny and 0 <= i < nx
                    value = image[j, i] if inside else np.float32(0)
                    window[k] = value
                    k += value == value
            out[y, x] = middle(window, k)
