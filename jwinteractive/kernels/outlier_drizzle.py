"""Pixels of a detector spread over a tile of the sky by the area that they share with its pixels.

The pixel map is known on a coarse grid; between its nodes it is bilinear, so that along a row of a
cell each corner of a pixel moves in equal steps. What a pixel shares with those of the tile is
summed from the trapezia under its four edges, cut at the columns. Source: Fruchter & Hook 2002
(PASP 114, 144) for the kernels; trapezia as in scan conversion of glyphs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["POINT", "SQUARE", "TURBO", "drizzle", "spread_of"]

SQUARE, TURBO, POINT = 0, 1, 2


def spread_of(nodes: Any, step: int) -> int:
    """Most rows or columns of the tile that a pixel can touch, by a map's nodes [2, gy, gx]."""
    most = 0.0
    for axis in (1, 2):
        apart = np.abs(np.diff(nodes, axis=axis))
        most += apart.max(initial=0.0, where=np.isfinite(apart))
    return int(most / step) + 3


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _mean_clipped(a: float, b: float) -> float:
    """Mean over a straight line from ``a`` to ``b`` of what lies between 0 and 1 of it."""
    if a <= 0.0 and b <= 0.0:
        return 0.0
    if a >= 1.0 and b >= 1.0:
        return 1.0
    if 0.0 <= a <= 1.0 and 0.0 <= b <= 1.0:
        return 0.5 * (a + b)
    low = 0.5 * a * a if a < 1.0 else a - 0.5
    if a < 0.0:
        low = 0.0
    high = 0.5 * b * b if b < 1.0 else b - 0.5
    if b < 0.0:
        high = 0.0
    return (high - low) / (b - a)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _edge(shared: Any, rows: int, xa: float, ya: float, xb: float, yb: float) -> None:
    """Add to the areas ``shared`` [row, column] what lies under an edge, with its sign."""
    sign = 1.0
    if xb < xa:
        sign = -1.0
        xa, xb = xb, xa
        ya, yb = yb, ya
    if xb <= xa:
        return
    column = int(xa)
    if xb <= column + 1:  # mostly
        width = sign * (xb - xa)
        for r in range(rows):
            shared[r, column] += width * _mean_clipped(ya - r, yb - r)
        return
    slope = (yb - ya) / (xb - xa)
    x, y = xa, ya
    while x < xb:
        end = min(float(column + 1), xb)
        there = ya + slope * (end - xa)
        width = sign * (end - x)
        for r in range(rows):
            shared[r, column] += width * _mean_clipped(y - r, there - r)
        x, y = end, there
        column += 1


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _four(
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    x3: float,
    y3: float,
    lower: float,
    upper: float,
) -> tuple[float, float, float, float]:
    """Areas that a pixel shares with the cells about (1, 1), a corner in each: by trapezia.

    ``lower`` and ``upper`` are the slopes of its lower and upper edge.
    """
    # under the lower edge, left and right of the middle line
    cross = y0 + lower * (1.0 - x0)
    a = -(1.0 - x0) * 0.5 * (y0 + cross)
    b = -(x1 - 1.0) * 0.5 * (cross + y1)
    # under the upper edge: all of the lower cells
    cross = y3 + upper * (1.0 - x3)
    a += 1.0 - x3
    b += x2 - 1.0
    c = (1.0 - x3) * (0.5 * (y3 + cross) - 1.0)
    d = (x2 - 1.0) * (0.5 * (cross + y2) - 1.0)
    # beside the left edge, and the right one
    inside = 1.0 - 0.5 * (1.0 - y0) * (1.0 - y0) / (y3 - y0)
    a -= (x0 - x3) * inside
    c -= (x0 - x3) * (0.5 * (y0 + y3) - inside)
    inside = 1.0 - 0.5 * (1.0 - y1) * (1.0 - y1) / (y2 - y1)
    b -= (x2 - x1) * inside
    d -= (x2 - x1) * (0.5 * (y1 + y2) - inside)
    return a, b, c, d


@njit(cache=True, nogil=True, error_model="numpy")
def drizzle(
    data: Any,
    err: Any,
    dq: Any,
    variance: Any,
    y0: int,
    x0: int,
    bounds: Any,
    nodes: Any,
    step: int,
    bad: Any,
    level: Any,
    exposed: float,
    pixfrac: float,
    shape: int,
    oy: int,
    ox: int,
    size: Any,
    shared: Any,
    weights: Any,
    sums: Any,
    errors: Any,
) -> None:
    """Add pixels [y, x] of one exposure to the sums [y, x] of a tile.

    Parameters
    ----------
    data, err, dq, variance
        Pixels from (``y0``, ``x0``) on. Weights are 1 / variance, or ``exposed`` where that is
        not 0. ``err`` is read only if ``errors`` is not empty.
    bounds
        First and last column, first and last row of the pixels that have a place in the sky.
    nodes
        Place of pixels (y step, x step) in the whole image, columns and rows: [2, gy, gx].
    bad
        Flags of pixels that are left out; those that are not finite are, too.
    level
        Taken off the data.
    pixfrac, shape
        Part of its width that a pixel keeps, and how it is spread: `SQUARE`, `TURBO`, `POINT`.
    oy, ox
        First row and column of the tile.
    size
        Rows and columns of the whole image. Pixels whose middle lies outside it are left out, as
        the official resampling leaves them out.
    shared
        Room for areas [row, column], see `spread_of`.
    weights, sums, errors
        Sums of weights, of weights times data and of weights times errors: changed.
    """
    ny, nx = data.shape
    ty, tx = weights.shape
    half = 0.5 * pixfrac
    want_err = errors.size > 0
    first_x, last_x = max(x0, bounds[0]), min(x0 + nx - 1, bounds[1])
    first_y, last_y = max(y0, bounds[2]), min(y0 + ny - 1, bounds[3])
    scale = 1.0 / step
    margin = shared.shape[0]
    for cy in range(first_y // step, last_y // step + 1):
        for cx in range(first_x // step, last_x // step + 1):
            xa, xb = nodes[0, cy, cx] - ox, nodes[0, cy, cx + 1] - ox
            xc, xd = nodes[0, cy + 1, cx] - ox, nodes[0, cy + 1, cx + 1] - ox
            ya, yb = nodes[1, cy, cx] - oy, nodes[1, cy, cx + 1] - oy
            yc, yd = nodes[1, cy + 1, cx] - oy, nodes[1, cy + 1, cx + 1] - oy
            if not np.isfinite(xa + xb + xc + xd + ya + yb + yc + yd):
                continue
            if max(xa, xb, xc, xd) < -margin or min(xa, xb, xc, xd) > tx + margin:
                continue
            if max(ya, yb, yc, yd) < -margin or min(ya, yb, yc, yd) > ty + margin:
                continue
            for j in range(max(cy * step, first_y), min(cy * step + step, last_y + 1)):
                fl = (j - half - cy * step) * scale
                fu = (j + half - cy * step) * scale
                # lower and upper edge of the row's pixels: place at the cell's left, and its slope
                lx, ux = xa + (xc - xa) * fl + 0.5, xa + (xc - xa) * fu + 0.5
                ly, uy = ya + (yc - ya) * fl + 0.5, ya + (yc - ya) * fu + 0.5
                lxs = (xb + (xd - xb) * fl + 0.5 - lx) * scale
                uxs = (xb + (xd - xb) * fu + 0.5 - ux) * scale
                lys = (yb + (yd - yb) * fl + 0.5 - ly) * scale
                uys = (yb + (yd - yb) * fu + 0.5 - uy) * scale
                lower, upper = lys / lxs, uys / uxs
                for i in range(max(cx * step, first_x), min(cx * step + step, last_x + 1)):
                    if dq[j - y0, i - x0] & bad:
                        continue
                    value = data[j - y0, i - x0]
                    weight = exposed
                    if exposed == 0.0:
                        weight = 1.0 / variance[j - y0, i - x0]
                    if not (np.isfinite(value) and np.isfinite(weight)) or weight == 0.0:
                        continue
                    value = np.float32(value - level)
                    left, right = i - half - cx * step, i + half - cx * step
                    px0, py0 = lx + lxs * left, ly + lys * left
                    px1, py1 = lx + lxs * right, ly + lys * right
                    px2, py2 = ux + uxs * right, uy + uys * right
                    px3, py3 = ux + uxs * left, uy + uys * left
                    mx = 0.25 * (px0 + px1 + px2 + px3)
                    my = 0.25 * (py0 + py1 + py2 + py3)
                    if mx < -ox or mx > size[1] - ox or my < -oy or my > size[0] - oy:
                        continue
                    if shape != SQUARE:
                        reach = half if shape == TURBO else 0.0
                        px0 = px3 = mx - reach
                        px1 = px2 = mx + reach
                        py0 = py1 = my - reach
                        py2 = py3 = my + reach
                    low_x, high_x = min(px0, px1, px2, px3), max(px0, px1, px2, px3)
                    low_y, high_y = min(py0, py1, py2, py3), max(py0, py1, py2, py3)
                    if high_x <= 0.0 or low_x >= tx or high_y <= 0.0 or low_y >= ty:
                        continue
                    bx, by = int(np.floor(low_x)), int(np.floor(low_y))
                    if shape == POINT:
                        if bx >= 0 and by >= 0:
                            weights[by, bx] += weight
                            sums[by, bx] += weight * value
                            if want_err:
                                errors[by, bx] += weight * err[j - y0, i - x0]
                        continue
                    rows = int(np.ceil(high_y)) - by
                    columns = int(np.ceil(high_x)) - bx
                    px0, px1, px2, px3 = px0 - bx, px1 - bx, px2 - bx, px3 - bx
                    py0, py1, py2, py3 = py0 - by, py1 - by, py2 - by, py3 - by
                    if (
                        rows == 2
                        and columns == 2
                        and max(py0, py1) <= 1.0 <= min(py2, py3)
                        and max(px0, px3) <= 1.0 <= min(px1, px2)
                        and 0 <= by < ty - 1
                        and 0 <= bx < tx - 1
                        and shape == SQUARE
                    ):
                        # nearly all pixels: a corner in each of four cells, which each edge
                        # enters at the middle lines
                        a, b, c, d = _four(px0, py0, px1, py1, px2, py2, px3, py3, lower, upper)
                        weight = weight / (a + b + c + d)
                        error = np.float64(err[j - y0, i - x0]) if want_err else 0.0
                        for r, k, part in (
                            (by, bx, a),
                            (by, bx + 1, b),
                            (by + 1, bx, c),
                            (by + 1, bx + 1, d),
                        ):
                            part *= weight
                            weights[r, k] += part
                            sums[r, k] += part * value
                            if want_err:
                                errors[r, k] += part * error
                        continue
                    for r in range(rows):
                        for c in range(columns):
                            shared[r, c] = 0.0
                    area = 0.5 * ((px1 - px3) * (py0 - py2) - (px0 - px2) * (py1 - py3))
                    if shape == TURBO:
                        area = -4.0 * half * half
                    _edge(shared, rows, px0, py0, px1, py1)
                    _edge(shared, rows, px1, py1, px2, py2)
                    _edge(shared, rows, px2, py2, px3, py3)
                    _edge(shared, rows, px3, py3, px0, py0)
                    if area == 0.0:
                        continue
                    weight = weight / area  # both are negative, unless the map turns the axes over
                    for r in range(max(0, -by), min(rows, ty - by)):
                        for c in range(max(0, -bx), min(columns, tx - bx)):
                            part = shared[r, c] * weight
                            if part > 0.0:
                                weights[by + r, bx + c] += part
                                sums[by + r, bx + c] += part * value
                                if want_err:
                                    errors[by + r, bx + c] += part * err[j - y0, i - x0]
