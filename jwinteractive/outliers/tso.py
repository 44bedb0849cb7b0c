"""Outliers of integrations that look at the same sky: time series and coronagraphy.

Each pixel is compared with its own median, of a window that moves along the integrations or of all
of them, in units of its error. A pixel depends on no other.

Officially, a window in which the pixel misses a value once has no median: nothing in it is an
outlier. Two things are otherwise than there: an even window of 2 integrations has its own
medians and not all the last one, and a series without a single good pixel has none.

Source: dossier section 6.2; the official step's `tso` and `coron` modules, at parity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jwinteractive import dq as flags
from jwinteractive.data import Array, RateInts
from jwinteractive.kernels.lanes import flatten, sorting_network
from jwinteractive.kernels.outlier_series import median_outliers, rolling_outliers

__all__ = ["coron_outliers", "level_at", "levels", "rolls", "series_outliers"]


def rolls(nint: int, rolling_window_width: int) -> bool:
    """Whether medians are of a window that moves: it must be shorter than the series."""
    return 1 < rolling_window_width < nint


def series_outliers(
    series: RateInts,
    rolling_window_width: int = 25,
    snr: float = 5.0,
    maskpt: float = 0.7,
) -> Array:
    """Outliers of a time series, bool [integration, y, x].

    Parameters
    ----------
    series
        The integrations, or a box of them.
    rolling_window_width
        Integrations of the window; 1, or as many as there are, for the median of all.
    snr
        Errors from the median at which a pixel is an outlier.
    maskpt
        Share of the mean weight below which a pixel does not count in the window; weights are 1,
        and 0 for what is DO_NOT_USE. The median of all takes every value that is not NaN.
    """
    if not rolls(len(series.data), rolling_window_width):
        return _about_all(series, snr, masked=False)[0]
    if maskpt > 1:  # nothing has so much weight
        return np.zeros(series.data.shape, np.bool_)
    data, err, dq = _planes(series)
    found = np.empty(data.shape, np.bool_)
    rolling_outliers(
        data,
        err,
        dq,
        rolling_window_width,
        np.float32(snr),
        maskpt > 0,
        sorting_network(rolling_window_width),
        0,
        data.shape[1],
        found,
    )
    return found.reshape(series.data.shape)


def coron_outliers(series: RateInts, snr: float = 5.0, maskpt: float = 0.7) -> Array:
    """Outliers of coronagraphic integrations, bool [integration, y, x]; see `series_outliers`.

    What weighs too little does not count in the median, which is that of all integrations.
    """
    if maskpt > 1:
        return np.zeros(series.data.shape, np.bool_)
    return _about_all(series, snr, masked=maskpt > 0)[0]


def levels(series: RateInts, rolling_window_width: int = 0, masked: bool = True) -> Array:
    """What each pixel is compared with, float [integration, y, x]; for a pixel or a few.

    Parameters
    ----------
    series
        The integrations of a small box.
    rolling_window_width
        As of `series_outliers`.
    masked
        Whether what is DO_NOT_USE is left out.
    """
    nint = len(series.data)
    if not rolls(nint, rolling_window_width):
        return np.repeat(level_at(series, 0, rolling_window_width, masked)[None], nint, axis=0)
    each = [level_at(series, i, rolling_window_width, masked) for i in range(nint)]
    return np.stack(each)


def level_at(
    series: RateInts, integration: int, rolling_window_width: int = 0, masked: bool = True
) -> Array:
    """What the pixels of one integration are compared with, float [y, x]; see `levels`."""
    nint = len(series.data)
    if not rolls(nint, rolling_window_width):
        level: Array = _about_all(series, 0.0, masked)[1].reshape(series.data.shape[1:])
        return level
    start = min(max(integration - rolling_window_width // 2, 0), nint - rolling_window_width)
    window = slice(start, start + rolling_window_width)
    data, dq = series.data[window], series.dq[window]
    lost = np.isnan(data) | (masked & (dq & flags.DO_NOT_USE != 0))
    middle = np.median(np.where(lost, np.float32(np.nan), data).astype(np.float64), axis=0)
    return np.asarray(middle)


def _about_all(series: RateInts, snr: float, masked: bool) -> tuple[Array, Array]:
    """Outliers from the median of all, and that median float32 [pixel]."""
    data, err, dq = _planes(series)
    found = np.empty(data.shape, np.bool_)
    level = np.empty(data.shape[1], np.float32)
    network = sorting_network(len(data))
    median_outliers(data, err, dq, np.float32(snr), masked, network, 0, data.shape[1], found, level)
    return found.reshape(series.data.shape), level


def _planes(series: RateInts) -> tuple[Array, Array, Array]:
    """Data, errors and flags [integration, pixel], read-only and contiguous."""
    kinds: dict[str, Any] = {"data": np.float32, "err": np.float32, "dq": np.uint32}
    data, err, dq = (
        flatten(np.asarray(getattr(series, name), kind)) for name, kind in kinds.items()
    )
    return data, err, dq
