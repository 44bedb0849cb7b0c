"""Profile fits of one image: sources and a polynomial background in one solution per column.

Tiles of columns, one lane a column, rows swept twice: for the normal equations, and for the
variance of what solves them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.extract_normal import inverted

__all__ = ["fit_columns"]

_COLUMNS = 256  # of a tile: its normal equations stay near


@njit(cache=True, nogil=True, error_model="numpy")
def fit_columns(
    image: Any,
    var: Any,
    weights: Any,
    profiles: Any,
    within: Any,
    rows: Any,
    order: int,
    coefficients: Any,
    npixels: Any,
    variance: Any,
    background: Any,
    background_variance: Any,
) -> None:
    """Least squares fit of each column of one image.

    Parameters
    ----------
    image
        Values, float32 [y, x].
    var
        Variances of the values: three planes, float32 [y, x].
    weights
        Of the pixels, float64 [y, x], from 0 on; those without a value or variances do not count.
    profiles
        Of the sources, float64 [source, y, x].
    within
        Pixels of a profile or of the background, bool [y, x].
    rows
        Rows that have any of them, bool [y].
    order
        Of the background along y; -1 for none.
    coefficients
        Filled, float64 [term, x]: of the background, powers of the height from -1 to 1, then of
        the sources; NaN where the equations cannot be solved.
    npixels, background
        Filled, float64 [source, x].
    variance, background_variance
        Filled, float64 [source, 3, x]: of the flux, and what the background adds to it.
    """
    ny, nx = image.shape
    sources = profiles.shape[0]
    first = order + 1
    terms = first + sources
    shapes = np.ones((terms, _COLUMNS))
    weight = np.empty(_COLUMNS)
    normal = np.empty((terms, terms, _COLUMNS))
    right = np.empty((terms, _COLUMNS))
    plain = np.empty((2, sources, _COLUMNS))  # sums of profiles that count, of squares of all
    solved = np.empty((sources, terms, _COLUMNS))
    alone = np.empty((sources, 3, _COLUMNS))  # variance without a background
    total = np.empty((sources, 3, _COLUMNS))
    share = np.empty(_COLUMNS)
    matrix = np.empty((terms, terms))
    inverse = np.empty((terms, terms))

    for x0 in range(0, nx, _COLUMNS):
        n = min(_COLUMNS, nx - x0)
        normal[:] = 0.0
        right[:] = 0.0
        plain[:] = 0.0
        alone[:] = 0.0
        total[:] = 0.0
        for y in range(ny):
            if not rows[y]:
                continue
            _terms(image, var, weights, profiles, within, order, y, x0, n, shapes, weight)
            line = image[y, x0 : x0 + n]
            for t in range(terms):
                shape = shapes[t]
                for u in range(t + 1):
                    other = shapes[u]
                    products = normal[t, u]
                    for k in range(n):
                        products[k] += weight[k] * shape[k] * other[k]
                sums = right[t]
                for k in range(n):
                    value = np.float64(line[k])
                    sums[k] += weight[k] * shape[k] * value if weight[k] != 0 else 0.0
            for s in range(sources):
                own_shape = shapes[first + s]
                counted = plain[0, s]
                squares = plain[1, s]
                for k in range(n):
                    at = own_shape[k]
                    counted[k] += at if weight[k] > 0 else 0.0
                    squares[k] += at * at

        for k in range(n):
            for t in range(terms):
                for u in range(t + 1):
                    matrix[t, u] = normal[t, u, k]
                    matrix[u, t] = normal[t, u, k]
            good = inverted(matrix, inverse)
            for t in range(terms):
                coefficients[t, x0 + k] = 0.0 if good else np.nan
                for u in range(terms):
                    coefficients[t, x0 + k] += inverse[t, u] * right[u, k]
            for s in range(sources):
                own = normal[first + s, first + s, k]
                below = 0.0
                for t in range(terms):
                    solved[s, t, k] = inverse[first + s, t]
                for t in range(first):
                    below += coefficients[t, x0 + k] * normal[first + s, t, k]
                background[s, x0 + k] = below / own if good and own > 0 else 0.0
                square = plain[1, s, k]
                npixels[s, x0 + k] = plain[0, s, k] / square if square > 0 else 0.0

        for y in range(ny):
            if not rows[y]:
                continue
            _terms(image, var, weights, profiles, within, order, y, x0, n, shapes, weight)
            for s in range(sources):
                for k in range(n):
                    share[k] = 0.0
                for t in range(terms):
                    shape = shapes[t]
                    part = solved[s, t]
                    for k in range(n):
                        share[k] += part[k] * shape[k]
                for k in range(n):
                    share[k] = (share[k] * weight[k]) ** 2
                own_shape = shapes[first + s]
                for v in range(3):
                    plane = var[v][y, x0 : x0 + n]
                    sums = total[s, v]
                    others = alone[s, v]
                    for k in range(n):
                        noise = np.float64(plane[k])
                        counts = (weight[k] != 0) & (noise == noise)
                        sums[k] += share[k] * noise if counts else 0.0
                        own = own_shape[k] * weight[k]
                        others[k] += own * own * noise if counts else 0.0
        for s in range(sources):
            own_sums = normal[first + s, first + s]
            for v in range(3):
                for k in range(n):
                    x = x0 + k
                    variance[s, v, x] = total[s, v, k]
                    added = 0.0
                    if first > 0 and own_sums[k] > 0:
                        added = total[s, v, k] - alone[s, v, k] / (own_sums[k] * own_sums[k])
                    # what the fit adds is only estimated: it does not take away
                    background_variance[s, v, x] = max(added, 0.0)


@njit(cache=True, nogil=True, error_model="numpy")
def _terms(
    image: Any,
    var: Any,
    weights: Any,
    profiles: Any,
    within: Any,
    order: int,
    y: int,
    x0: int,
    n: int,
    shapes: Any,
    weight: Any,
) -> None:
    """Fill the terms [term, lane] of a row and the weights [lane] of its pixels."""
    ny = image.shape[0]
    height = -1.0 + 2.0 * y / (ny - 1) if ny > 1 else -1.0
    power = 1.0
    for t in range(order + 1):
        shapes[t, :n] = power
        power *= height
    for s in range(profiles.shape[0]):
        shapes[order + 1 + s, :n] = profiles[s, y, x0 : x0 + n]
    line = image[y, x0 : x0 + n]
    first = var[0][y, x0 : x0 + n]
    second = var[1][y, x0 : x0 + n]
    third = var[2][y, x0 : x0 + n]
    given = weights[y, x0 : x0 + n]
    inside = within[y, x0 : x0 + n]
    for k in range(n):
        sure = line[k] + ((first[k] + second[k]) + third[k])
        weight[k] = given[k] if inside[k] & (sure * 0 == 0) else 0.0
