"""Splines across the dispersion whose coefficients are polynomials along it: fit and values.

Four pieces of a cubic spline touch a pixel, so that the normal equations are a narrow band. Their
blocks of two powers along x depend on the sum of both alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["alike", "column_flux", "spline_sums", "spline_values"]


@njit(cache=True, nogil=True, error_model="numpy")
def _pieces(at: float, count: int, values: Any) -> int:
    """Fill the four splines that touch a place in knots; return the number of the first."""
    first = min(max(int(np.floor(at)), 0), count - 4)
    u = at - first
    v = 1.0 - u
    values[0] = v * v * v / 6.0
    values[1] = (3.0 * u * u * u - 6.0 * u * u + 4.0) / 6.0
    values[2] = (3.0 * v * v * v - 6.0 * v * v + 4.0) / 6.0
    values[3] = u * u * u / 6.0
    return first


@njit(cache=True, nogil=True, error_model="numpy")
def spline_sums(
    away: Any,
    use: Any,
    flux: Any,
    noise: Any,
    data: Any,
    reach: float,
    step: float,
    moments: Any,
    right: Any,
) -> None:
    """Add pixels to the normal equations of a spline, piece by piece between knots.

    Parameters
    ----------
    away
        Pixels from the trace, float64 [row, x].
    use
        Pixels that count, bool [row, x]; columns of no flux never do.
    flux
        Of each column, float64 [x]: the spline is fitted to the data over it.
    noise, data
        Variances and values, float64 [row, x].
    reach, step
        Last knot, and pixels between knots: the first is at ``-reach``.
    moments
        Filled, float64 [piece, power, 4, 4]: of the four splines that touch a piece.
    right
        Filled, float64 [piece, power, 4].
    """
    rows, nx = away.shape
    count, powers = moments.shape[:2]
    terms = right.shape[1]
    dense = 1.0 / step
    splines = np.empty(4)
    power = np.empty((nx, powers))
    for x in range(nx):
        along = -1.0 + 2.0 * x / (nx - 1) if nx > 1 else -1.0
        power[x, 0] = 1.0
        for m in range(1, powers):
            power[x, m] = power[x, m - 1] * along
    for y in range(rows):
        for x in range(nx):
            light = flux[x]
            if not (use[y, x] and light > 0):
                continue
            first = _pieces((away[y, x] + reach) * dense, count + 3, splines)
            s0 = splines[0]
            s1 = splines[1]
            s2 = splines[2]
            s3 = splines[3]
            weight = light * light / noise[y, x]
            value = data[y, x] / light
            piece = moments[first]
            for m in range(powers):
                part = weight * power[x, m]
                if m < terms:
                    side = right[first, m]
                    side[0] += part * value * s0
                    side[1] += part * value * s1
                    side[2] += part * value * s2
                    side[3] += part * value * s3
                for a in range(4):
                    line = piece[m, a]
                    height = part * splines[a]
                    line[0] += height * s0
                    line[1] += height * s1
                    line[2] += height * s2
                    line[3] += height * s3


@njit(cache=True, nogil=True, error_model="numpy")
def spline_values(
    away: Any, near: Any, reach: float, step: float, solved: Any, profile: Any
) -> None:
    """Values of a spline of coefficients [spline, power], 0 or more; columns with a sum of 1.

    ``profile`` [row, x] is filled; it is 0 but at the ``near`` pixels.
    """
    rows, nx = away.shape
    count, terms = solved.shape
    dense = 1.0 / step
    splines = np.empty(4)
    total = np.zeros(nx)
    along = np.zeros(nx)
    for x in range(nx):
        along[x] = -1.0 + 2.0 * x / (nx - 1) if nx > 1 else -1.0
    for y in range(rows):
        for x in range(nx):
            profile[y, x] = 0.0
            if not near[y, x]:
                continue
            first = _pieces((away[y, x] + reach) * dense, count, splines)
            value = 0.0
            for a in range(4):
                height = 0.0
                for j in range(terms - 1, -1, -1):
                    height = height * along[x] + solved[first + a, j]
                value += splines[a] * height
            profile[y, x] = max(value, 0.0)
            total[x] += profile[y, x]
    for y in range(rows):
        for x in range(nx):
            if total[x] > 0:
                profile[y, x] /= total[x]
            else:
                profile[y, x] = 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def column_flux(profile: Any, noise: Any, data: Any, use: Any, flux: Any) -> None:
    """Flux of each column by a profile and inverse variances, all [row, x]: ``flux`` [x], or 0."""
    rows, nx = profile.shape
    square = np.zeros(nx)
    for x in range(nx):
        flux[x] = 0.0
    for y in range(rows):
        for x in range(nx):
            share = profile[y, x] / noise[y, x] if use[y, x] else 0.0
            square[x] += share * profile[y, x]
            flux[x] += share * data[y, x] if use[y, x] else 0.0
    for x in range(nx):
        flux[x] = flux[x] / square[x] if square[x] > 0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def alike(
    profile: Any,
    flux: Any,
    data: Any,
    noise: Any,
    good: Any,
    unit: float,
    sigma: float,
    error: float,
    kept: Any,
) -> None:
    """Which good pixels are within errors of a profile times the flux: ``kept`` bool [row, x].

    Errors are ``sigma`` times ``unit`` times the square root of ``noise``, and the share ``error``
    of the light.
    """
    rows, nx = profile.shape
    for y in range(rows):
        for x in range(nx):
            light = profile[y, x] * flux[x]
            off = data[y, x] - light
            bound = unit * unit * noise[y, x] + error * light * error * light
            kept[y, x] = good[y, x] and off * off <= sigma * sigma * bound
