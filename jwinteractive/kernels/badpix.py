"""Statistics of each pixel over many exposures, one vector lane a column; and its surroundings.

Source: dossier 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.lanes import middle, sort_lanes

__all__ = ["blend", "compare", "local_level", "median_filter", "second_neighbour"]

_MAD = np.float32(1.4826)
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)
_AROUND = np.float32(0.46)
"""rms of the median of eight neighbours, in units of that of one."""
_ROUGH = np.float32(2)
"""A surrounding that scatters by more of its noise has structure of its own."""

_LEAST = np.float32(0.25)
"""Of the variance of a pixel, what one like its surroundings has at least."""


@njit(cache=True, nogil=True, error_model="numpy")
def _middle_row(rows: Any, counts: Any, out: Any) -> None:
    """Median of the first ``counts`` values of each sorted column; NaN of none."""
    for x in range(out.shape[0]):
        n = counts[x]
        out[x] = np.float32(0.5) * (rows[(n - 1) >> 1, x] + rows[n >> 1, x]) if n > 0 else _NAN


@njit(cache=True, nogil=True, error_model="numpy")
def _on_sources(rate: Any, y: int, around: Any, ordered: Any, eight: Any, nets: Any) -> None:
    """Median light of the eight neighbours in each exposure less what is always there.

    ``around`` [exposure, x] is filled; ``nets`` are networks that sort 8 rows and all exposures.
    """
    depth, nx = around.shape
    for k in range(depth):
        c = 0
        for dy in range(3):
            for dx in range(3):
                if dy != 1 or dx != 1:
                    row = rate[k, y + dy, dx : dx + nx]
                    for x in range(nx):
                        eight[c, x] = row[x]
                    c += 1
        sort_lanes(eight, nets[0])
        for x in range(nx):
            around[k, x] = np.float32(0.5) * (eight[3, x] + eight[4, x])
            ordered[k, x] = around[k, x]
    sort_lanes(ordered, nets[1])
    least = ordered[(depth - 1) // 4]
    for k in range(depth):
        for x in range(nx):
            around[k, x] -= least[x]


@njit(cache=True, nogil=True, error_model="numpy")
def blend(
    rate: Any,
    err: Any,
    nets: Any,
    limit: float,
    middle: Any,
    scatter: Any,
    error: Any,
    spread: Any,
    good: Any,
) -> None:
    """Combine the exposures of some rows; exposures that see a source near a pixel are left out.

    Parameters
    ----------
    rate
        Without the sky [exposure, y + 2, x + 2] float32; 0 in the margin and where bad.
    err
        Of the same shape; infinite where bad.
    nets
        Networks that sort 8 rows and all exposures.
    limit
        Light of the neighbours beyond that in other exposures, in sigma, that tells a source.
    middle, scatter, error
        Filled [y, x]: median rate, 1.4826 MAD and median error; NaN without a good exposure.
    spread
        Filled: sum of the squared deviations from the median in units of their error, the largest
        left out.
    good
        Filled: exposures used, uint16.
    """
    depth, rows, nx = rate.shape[0], middle.shape[0], middle.shape[1]
    around = np.empty((depth, nx), np.float32)
    values = np.empty((depth, nx), np.float32)
    ordered = np.empty((depth, nx), np.float32)
    eight = np.empty((8, nx), np.float32)
    largest = np.empty(nx, np.float32)
    factor = np.float32(limit) * _AROUND
    for y in range(rows):
        _on_sources(rate, y, around, ordered, eight, nets)
        n = good[y]
        n[:] = 0
        for k in range(depth):
            r = rate[k, y + 1, 1 : nx + 1]
            e = err[k, y + 1, 1 : nx + 1]
            for x in range(nx):
                use = (e[x] < _INF) & (around[k, x] <= factor * e[x])
                n[x] += use
                values[k, x] = r[x] if use else _INF
                ordered[k, x] = values[k, x]
        sort_lanes(ordered, nets[1])
        _middle_row(ordered, n, middle[y])
        spread[y] = 0
        largest[:] = 0
        centre, total = middle[y], spread[y]
        for k in range(depth):
            e = err[k, y + 1, 1 : nx + 1]
            for x in range(nx):
                used = values[k, x] < _INF
                off = values[k, x] - centre[x]
                ordered[k, x] = abs(off) if used else _INF
                square = (off / e[x]) ** 2 if used else np.float32(0)
                total[x] += square
                largest[x] = max(largest[x], square)
        for x in range(nx):
            total[x] -= largest[x]
        sort_lanes(ordered, nets[1])
        _middle_row(ordered, n, scatter[y])
        for k in range(depth):
            e = err[k, y + 1, 1 : nx + 1]
            for x in range(nx):
                ordered[k, x] = e[x] if values[k, x] < _INF else _INF
        sort_lanes(ordered, nets[1])
        _middle_row(ordered, n, error[y])
        for x in range(nx):
            scatter[y, x] *= _MAD


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
        _middle_row(values, n, level[y])
        for c in range(many):
            for x in range(nx):
                value = values[c, x]
                values[c, x] = abs(value - level[y, x]) if value < _INF else _INF
        sort_lanes(values, net)
        _middle_row(values, n, spread[y])
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
def compare(
    rate: Any,
    level: Any,
    spread: Any,
    count: Any,
    error: Any,
    good: Any,
    factors: Any,
    by_rate: float,
    sigma: Any,
    z: Any,
) -> None:
    """Difference of each pixel from its surroundings in units of its noise: all [y, x] float32.

    Parameters
    ----------
    factors
        Variance of the median of n exposures in units of that of one, by n.
    by_rate
        Variance of one exposure that goes with a unit of rate. Noise is that which a pixel like its
        surroundings has: a rate that is high by chance must not look more noisy.
    sigma, z
        Filled: noise of rate minus level, and the difference in units of it.
    """
    ny, nx = rate.shape
    for y in range(ny):
        for x in range(nx):
            square = error[y, x] ** 2
            like = square - np.float32(by_rate) * (rate[y, x] - level[y, x])
            like = max(_LEAST * square, min(like, square / _LEAST))
            own = np.sqrt(like * factors[good[y, x]])
            rough = spread[y, x] > _ROUGH * own
            around = spread[y, x] if rough else own
            variance = own**2 + around**2 * np.float32(np.pi / 2) / max(count[y, x], 1)
            if rough:  # the pixel, too, has a part in the structure
                variance += around**2 - own**2
            sigma[y, x] = np.sqrt(variance)
            z[y, x] = (rate[y, x] - level[y, x]) / sigma[y, x]


@njit(cache=True, nogil=True, error_model="numpy")
def _line_medians(image: Any, y: int, high: int, wide: int, net: Any, values: Any, n: Any) -> None:
    """Sort the window about each pixel of a row: its ``n`` values first; zero beyond the image."""
    ny, nx = image.shape
    n[:] = 0
    for c in range(high * wide):
        row = y + c // wide - high // 2
        dx = c % wide - wide // 2
        out = values[c]
        out[:] = 0
        if row < 0 or row >= ny:
            for x in range(nx):
                n[x] += 1
            continue
        for x in range(nx):
            inside = 0 <= x + dx < nx
            value = image[row, x + dx] if inside else np.float32(0)
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
    n = np.empty(nx, np.int64)
    if len(net) or many == 1:
        values = np.empty((many, nx), np.float32)
        for y in range(first, last):
            _line_medians(image, y, high, wide, net, values, n)
            _middle_row(values, n, out[y])
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
