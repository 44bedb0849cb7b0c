"""Pixels that a fit of profiles does not explain, dropped one by one from each column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.extract_normal import inverted

__all__ = ["drop_outliers", "model_noise"]

_COLUMNS = 16  # gathered together: rows of memory are read in one go


@njit(cache=True, nogil=True, error_model="numpy")
def drop_outliers(
    image: Any,
    noise: Any,
    extra: Any,
    profiles: Any,
    within: Any,
    order: int,
    sigma: float,
    rounds: int,
    profile_error: float,
    keep: Any,
) -> int:
    """Take the worst pixel of each column from ``keep``, fit again, up to ``rounds`` times.

    A residual counts by what its pixel's loss would take from chi2: a hit in the core draws the fit
    to itself, so that its neighbours seem further off than it does. Columns keep one pixel more
    than they have terms.

    Parameters
    ----------
    image
        Values, float32 [y, x].
    noise
        Variance of the values, which they are weighted by, float64 [y, x]: more than 0.
    extra
        Variance that does not weight but excuses, float32 [y, x].
    profiles, within, order
        As `jwinteractive.kernels.extract_optimal.fit_columns` has them.
    sigma
        Standard deviations from which on a pixel is dropped.
    profile_error
        Error of a source's share of a pixel, in that share.
    keep
        Pixels that count, bool [y, x]; changed in place.

    Returns
    -------
    int
        Number of pixels dropped.
    """
    ny, nx = image.shape
    sources = profiles.shape[0]
    first = order + 1
    terms = first + sources
    shapes = np.ones((_COLUMNS, terms, ny))
    for t in range(1, first):
        for y in range(ny):
            height = -1.0 + 2.0 * y / (ny - 1) if ny > 1 else -1.0
            for k in range(_COLUMNS):
                shapes[k, t, y] = shapes[k, t - 1, y] * height
    values = np.empty((_COLUMNS, ny))
    noises = np.empty((_COLUMNS, ny))
    weights = np.empty((_COLUMNS, ny))
    excused = np.empty((_COLUMNS, ny))
    scratch = np.empty((3, ny))
    dropped = 0
    for x0 in range(0, nx, _COLUMNS):
        lanes = min(_COLUMNS, nx - x0)
        for y in range(ny):
            for k in range(lanes):
                x = x0 + k
                value = np.float64(image[y, x])
                variance = noise[y, x]
                good = within[y, x] and keep[y, x] and (value + variance) * 0 == 0
                values[k, y] = value if good else 0.0
                noises[k, y] = variance if good else 1.0
                weights[k, y] = 1.0 / variance if good else 0.0
                excused[k, y] = extra[y, x]
            for s in range(sources):
                for k in range(lanes):
                    shapes[k, first + s, y] = profiles[s, y, x0 + k]
        for k in range(lanes):
            dropped += _drop_of_column(
                shapes[k],
                values[k],
                noises[k],
                weights[k],
                excused[k],
                first,
                sigma,
                rounds,
                profile_error,
                scratch,
                keep[:, x0 + k],
            )
    return dropped


@njit(cache=True, nogil=True, error_model="numpy")
def _drop_of_column(
    shapes: Any,
    values: Any,
    noises: Any,
    weights: Any,
    excused: Any,
    first: int,
    sigma: float,
    rounds: int,
    profile_error: float,
    scratch: Any,
    keep: Any,
) -> int:
    """Drop the worst pixels of a column, one by one; return how many went.

    ``shapes`` are [term, y], all else [y]; pixels of weight 0 do not count, and those that are
    dropped get it. ``scratch`` [3, y] is used up.
    """
    terms, ny = shapes.shape
    right = np.empty(terms)
    matrix = np.empty((terms, terms))
    inverse = np.empty((terms, terms))
    residual = scratch[0]
    light = scratch[1]
    spread = scratch[2]  # variance of the fit at the pixel
    n = 0
    for y in range(ny):
        n += weights[y] > 0
    dropped = 0
    while dropped < rounds and n - dropped > terms + 1:
        for t in range(terms):
            shape = shapes[t]
            total = 0.0
            for y in range(ny):
                total += weights[y] * shape[y] * values[y]
            right[t] = total
            for u in range(t + 1):
                other = shapes[u]
                total = 0.0
                for y in range(ny):
                    total += weights[y] * shape[y] * other[y]
                matrix[t, u] = total
                matrix[u, t] = total
        if not inverted(matrix, inverse):
            break
        for y in range(ny):
            residual[y] = values[y]
            light[y] = 0.0
            spread[y] = 0.0
        for t in range(terms):
            shape = shapes[t]
            part = 0.0
            for u in range(terms):
                part += inverse[t, u] * right[u]
            for y in range(ny):
                residual[y] -= part * shape[y]
            if t >= first:
                for y in range(ny):
                    light[y] += part * shape[y]
            for u in range(t + 1):
                other = shapes[u]
                both = inverse[t, u] if t == u else 2.0 * inverse[t, u]
                for y in range(ny):
                    spread[y] += both * shape[y] * other[y]
        worst = -1
        most = sigma * sigma
        for y in range(ny):
            variance = noises[y]
            left = variance - spread[y]
            # else the fit goes through it whatever it is
            if weights[y] > 0 and left > 1e-6 * variance:
                # its own residual, as if it had not been fitted, over the error of that; divided
                # only where it is the worst
                square = residual[y] * residual[y] * variance * variance
                doubt = profile_error * light[y] * profile_error * light[y] + excused[y]
                over = left * (variance * variance + left * doubt)
                if square > most * over:
                    most = square / over
                    worst = y
        if worst < 0:
            break
        keep[worst] = False
        weights[worst] = 0.0
        dropped += 1
    return dropped


@njit(cache=True, nogil=True, error_model="numpy")
def model_noise(
    coefficients: Any,
    profiles: Any,
    within: Any,
    poisson: Any,
    read: Any,
    keep: Any,
    least: float,
    floor: float,
    noise: Any,
) -> float:
    """Variance of read noise and of the photons that a fit has: ``noise`` float64 [y, x].

    ``coefficients`` [term, x] are those that `fit_columns` gives of the Poisson variances; where
    they are NaN the pixel's own variance stands in. Pixels without read noise have ``floor`` or
    more, where it is 0 ``least`` of the mean variance; NaN where a pixel does not count. Returns
    the floor.
    """
    ny, nx = poisson.shape
    sources = profiles.shape[0]
    first = coefficients.shape[0] - sources
    photons = np.empty(nx)
    total = 0.0
    count = 0
    for y in range(ny):
        height = -1.0 + 2.0 * y / (ny - 1) if ny > 1 else -1.0
        photons[:] = 0.0
        power = 1.0
        for t in range(first):
            part = coefficients[t]
            for x in range(nx):
                photons[x] += part[x] * power
            power *= height
        for s in range(sources):
            part = coefficients[first + s]
            shape = profiles[s, y]
            for x in range(nx):
                photons[x] += part[x] * shape[x]
        for x in range(nx):
            value = photons[x] if photons[x] * 0 == 0 else np.float64(poisson[y, x])
            value = np.float64(read[y, x]) + max(value, 0.0)
            noise[y, x] = value if keep[y, x] else np.nan
            if keep[y, x] and within[y, x]:
                total += value
                count += 1
    if not floor > 0:
        floor = least * total / count if count > 0 else 1.0
        floor = floor if floor > 0 else 1.0
    for y in range(ny):
        for x in range(nx):
            if not read[y, x] > 0 and noise[y, x] < floor:
                noise[y, x] = floor
    return floor
