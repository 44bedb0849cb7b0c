"""Pixels that a fit of profiles does not explain, dropped one by one from each column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.extract_normal import inverted

__all__ = ["drop_outliers"]


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
    shapes = np.empty((ny, terms))
    values = np.empty(ny)
    weight = np.empty(ny)
    rows = np.empty(ny, np.int64)
    right = np.empty(terms)
    found = np.empty(terms)
    matrix = np.empty((terms, terms))
    inverse = np.empty((terms, terms))
    dropped = 0
    for x in range(nx):
        n = 0
        for y in range(ny):
            if not (within[y, x] and keep[y, x]) or image[y, x] * 0 != 0 or noise[y, x] * 0 != 0:
                continue
            power = 1.0
            for t in range(first):
                shapes[n, t] = power
                power *= -1.0 + 2.0 * y / (ny - 1) if ny > 1 else -1.0
            for s in range(sources):
                shapes[n, first + s] = profiles[s, y, x]
            values[n] = image[y, x]
            weight[n] = 1.0 / noise[y, x]
            rows[n] = y
            n += 1
        for _ in range(rounds):
            if n <= terms + 1:
                break
            matrix[:] = 0.0
            right[:] = 0.0
            for i in range(n):
                for t in range(terms):
                    part = weight[i] * shapes[i, t]
                    right[t] += part * values[i]
                    for u in range(terms):
                        matrix[t, u] += part * shapes[i, u]
            if not inverted(matrix, inverse):
                break
            for t in range(terms):
                found[t] = 0.0
                for u in range(terms):
                    found[t] += inverse[t, u] * right[u]
            worst = -1
            most = sigma * sigma
            for i in range(n):
                residual = values[i]
                light = 0.0
                spread = 0.0  # variance of the fit at the pixel
                for t in range(terms):
                    residual -= found[t] * shapes[i, t]
                    if t >= first:
                        light += found[t] * shapes[i, t]
                    for u in range(terms):
                        spread += shapes[i, t] * inverse[t, u] * shapes[i, u]
                variance = 1.0 / weight[i]
                left = variance - spread
                if left <= 1e-6 * variance:  # the fit goes through it whatever it is
                    continue
                # its own residual, as if it had not been fitted, over the error of that
                alone = residual * variance / left
                doubt = variance * variance / left + (profile_error * light) ** 2
                doubt += np.float64(extra[rows[i], x])
                score = alone * alone / doubt
                if score > most:
                    most = score
                    worst = i
            if worst < 0:
                break
            keep[rows[worst], x] = False
            dropped += 1
            n -= 1
            for i in range(worst, n):
                rows[i] = rows[i + 1]
                values[i] = values[i + 1]
                weight[i] = weight[i + 1]
                for t in range(terms):
                    shapes[i, t] = shapes[i + 1, t]
    return dropped
