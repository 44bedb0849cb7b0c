"""Waves along lines: sums of clipped and weighted pixels times them, and their values.

Each line is summed by itself, so that its numbers do not depend on what is asked for beside it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive.kernels.flicker_median import free_values, known, middle_of, sampled_spread

__all__ = ["even_weights", "project", "project_clipped", "project_sorted", "sum_waves"]

_MAD = np.float32(1.4826)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(a: Any, b: Any) -> Any:
    total = a[0] * b[0]
    for k in range(1, a.shape[0]):
        total += a[k] * b[k]
    return total


@njit(cache=True, nogil=True)
def project(weights: Any, waves: Any, sums: Any) -> None:
    """Fill ``sums`` [line, wave] with the weights [line, pixel] times each wave [wave, pixel]."""
    for y in range(weights.shape[0]):
        for j in range(waves.shape[0]):
            sums[y, j] = _dot(weights[y], waves[j])


@njit(cache=True, nogil=True, error_model="numpy")
def project_clipped(
    lines: Any, free: Any, weights: Any, limit: float, waves: Any, totals: Any, sums: Any
) -> None:
    """Fill ``sums`` [line, wave] with weights times clipped pixels times each wave.

    Parameters
    ----------
    lines, free
        Values, float32, and whether they count, bool [line, pixel].
    weights
        Of each pixel [line, pixel], float32; 0 where it does not count.
    limit
        Standard deviations, 1.4826 MAD, from the median of a sample of its line, beyond which a
        pixel is taken for that median, as is what is not a number.
    waves
        [wave, pixel], float32.
    totals
        Sums [line, wave] of weights times waves, float64.
    """
    count, npix = lines.shape
    values = np.empty(npix + 1, np.float32)
    left = np.empty(npix, np.float32)
    for y in range(count):
        n = free_values(lines[y], free[y], values)
        if n == 0:
            sums[y] = 0
            continue
        centre, off = sampled_spread(values, n)
        reach = np.float32(limit) * (_MAD * off)
        _near(lines[y], weights[y], centre, reach, left)
        for j in range(waves.shape[0]):
            # small differences lose nothing in float32; the median is put back in float64
            sums[y, j] = _dot(left, waves[j]) + np.float64(centre) * totals[y, j]


@njit(cache=True, nogil=True)
def _near(line: Any, weight: Any, centre: Any, reach: Any, left: Any) -> None:
    """Weighted pixels of a line less its centre, 0 for those out of reach."""
    low, high = centre - reach, centre + reach
    for x in range(line.shape[0]):
        value = line[x]
        near = (low <= value) & (value <= high)  # NaN: false
        left[x] = weight[x] * (value - centre) if near else np.float32(0)


@njit(cache=True, nogil=True)
def _median_off(ordered: Any, n: int, centre: Any) -> Any:
    """Median distance of ``n`` sorted values from their centre, float32."""
    above = n // 2
    while above > 0 and ordered[above - 1] > centre:
        above -= 1
    while above < n and ordered[above] < centre:
        above += 1
    below = above - 1
    last = before = np.float32(0)
    for _ in range(n // 2 + 1):
        before = last
        if below < 0 or (above < n and ordered[above] - centre < centre - ordered[below]):
            last = ordered[above] - centre
            above += 1
        else:
            last = centre - ordered[below]
            below -= 1
    return last if n % 2 else np.float32((np.float64(before) + np.float64(last)) * 0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def project_sorted(
    lines: Any, ordered: Any, weights: Any, limit: float, waves: Any, totals: Any, sums: Any
) -> None:
    """`project_clipped` of lines whose values are sorted already.

    ``ordered`` [line, pixel] are the sorted values; what does not count is NaN, at the end.
    """
    count, npix = lines.shape
    left = np.empty(npix, np.float32)
    for y in range(count):
        order = ordered[y]
        n = known(order)
        if n == 0:
            sums[y] = 0
            continue
        centre = np.float32(middle_of(order, n))
        reach = np.float32(limit) * (_MAD * _median_off(order, n, centre))
        _near(lines[y], weights[y], centre, reach, left)
        for j in range(waves.shape[0]):
            sums[y, j] = _dot(left, waves[j]) + np.float64(centre) * totals[y, j]


@njit(cache=True, nogil=True, error_model="numpy")
def even_weights(density: Any, free: Any, least: Any, weights: Any, number: Any) -> None:
    """Fill ``weights`` of free pixels by the squared inverse of their density, at most 1 a line.

    Those of a density of ``least`` or less have none; ``number`` counts the others of each line.
    """
    for y in range(density.shape[0]):
        line, mask, weight = density[y], free[y], weights[y]
        lowest = np.float32(np.inf)
        count = 0
        for x in range(line.shape[0]):
            good = mask[x] & (line[x] > least)
            there = line[x] if good else np.float32(np.inf)
            lowest = there if there < lowest else lowest
            weight[x] = there
            count += good
        number[y] = count
        for x in range(line.shape[0]):
            share = lowest / weight[x]  # 0 where that is infinite
            weight[x] = share * share if count > 0 else np.float32(0)


@njit(cache=True, nogil=True)
def sum_waves(coefficients: Any, waves: Any, model: Any) -> None:
    """Fill ``model`` [line, pixel] with coefficients [line, wave] times waves [wave, pixel]."""
    for y in range(model.shape[0]):
        line = model[y]
        line[:] = coefficients[y, 0]
        for j in range(1, waves.shape[0]):
            wave, height = waves[j], coefficients[y, j]
            for x in range(line.shape[0]):
                line[x] += height * wave[x]
