"""Normal equations of spectra that are linear between knots, from pixels anywhere among them.

The unknowns lie knot by knot, all terms of a knot together: the matrix is a band, stored as LAPACK
has it, ``band[i - j, j]`` for i >= j.
"""

from __future__ import annotations

from math import floor
from typing import Any

import numpy as np
from numba import njit

__all__ = ["add_pixels", "band_of_inverse", "leverage", "predicted"]


@njit(cache=True, nogil=True, error_model="numpy")
def _below(u: float) -> float:
    """Integral of the hat of one knot, at 0, from the left up to u."""
    if u <= -1:
        return 0.0
    if u <= 0:
        return 0.5 * (1 + u) * (1 + u)
    if u < 1:
        return 1 - 0.5 * (1 - u) * (1 - u)
    return 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _hats(at: float, span: float, hats: Any) -> int:
    """Fill the share of each knot in a pixel from the first on, which is returned."""
    first = floor(at - 0.5 * span)
    for m in range(len(hats)):
        u = at - first - m
        if span > 0:
            hats[m] = (_below(u + 0.5 * span) - _below(u - 0.5 * span)) / span
        else:
            hats[m] = max(1 - abs(u), 0.0)
    return first


@njit(cache=True, nogil=True, error_model="numpy")
def add_pixels(
    data: Any,
    weight: Any,
    shapes: Any,
    at: Any,
    span: Any,
    count: int,
    reach: int,
    band: Any,
    right: Any,
    coverage: Any,
) -> None:
    """Add pixels to the normal equations.

    Parameters
    ----------
    data, weight
        Values and inverse variances, float64 [pixel]; those of weight 0 do not count.
    shapes
        Share of a pixel in each term, float64 [term, pixel].
    at, span
        Middle and width of a pixel in steps between knots, float64 [pixel].
    count
        Number of knots.
    reach
        Most knots that a pixel sees.
    band, right
        Added to, float64 [term * reach, count * term] and [count * term].
    coverage
        Added to, float64 [term, count]: shares of the pixels that count.
    """
    terms = len(shapes)
    hats = np.empty(reach)
    row = np.empty(reach * terms)
    for i in range(len(data)):
        if not weight[i] > 0:
            continue
        first = _hats(at[i], span[i], hats)
        for m in range(reach):
            if not 0 <= first + m < count:
                hats[m] = 0.0
            for t in range(terms):
                row[m * terms + t] = hats[m] * shapes[t, i]
                if hats[m] > 0:
                    coverage[t, first + m] += hats[m] * abs(shapes[t, i])
        for a in range(reach * terms):
            if row[a] == 0:
                continue
            column = first * terms + a
            part = weight[i] * row[a]
            right[column] += part * data[i]
            for b in range(a, reach * terms):
                if row[b] != 0:
                    band[b - a, column] += part * row[b]


@njit(cache=True, nogil=True, error_model="numpy")
def predicted(shapes: Any, at: Any, span: Any, solved: Any, reach: int, first_term: int) -> Any:
    """Value of each pixel, float64 [pixel], of the terms before ``first_term``: of a solution."""
    terms, pixels = shapes.shape
    count = len(solved) // terms
    hats = np.empty(reach)
    found = np.zeros(pixels)
    for i in range(pixels):
        first = _hats(at[i], span[i], hats)
        for m in range(reach):
            if hats[m] > 0 and 0 <= first + m < count:
                for t in range(first_term):
                    found[i] += hats[m] * shapes[t, i] * solved[(first + m) * terms + t]
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def leverage(shapes: Any, at: Any, span: Any, inverse: Any, reach: int) -> Any:
    """Variance of what is predicted of each pixel, float64 [pixel], from the inverse's band."""
    terms, pixels = shapes.shape
    count = inverse.shape[1] // terms
    hats = np.empty(reach)
    row = np.empty(reach * terms)
    found = np.zeros(pixels)
    for i in range(pixels):
        first = _hats(at[i], span[i], hats)
        for m in range(reach):
            inside = 0 <= first + m < count
            for t in range(terms):
                row[m * terms + t] = hats[m] * shapes[t, i] if inside else 0.0
        for a in range(reach * terms):
            if row[a] == 0:
                continue
            column = first * terms + a
            found[i] += row[a] * row[a] * inverse[0, column]
            for b in range(a + 1, reach * terms):
                if row[b] != 0:
                    found[i] += 2 * row[a] * row[b] * inverse[b - a, column]
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def band_of_inverse(factor: Any) -> Any:
    """Band [half width + 1, n] of the inverse of a matrix, from its lower Cholesky factor's.

    The recursion of Takahashi, from the last column on: nothing outside of the band is needed.
    """
    wide, n = factor.shape
    found = np.zeros((wide, n))
    for j in range(n - 1, -1, -1):
        last = min(wide - 1, n - 1 - j)
        for a in range(last, -1, -1):
            total = 1 / factor[0, j] if a == 0 else 0.0
            for k in range(1, last + 1):
                low, high = min(a, k), max(a, k)
                total -= factor[k, j] * found[high - low, j + low]
            found[a, j] = total / factor[0, j]
    return found
