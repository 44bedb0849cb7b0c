"""Outliers of series of integrations: medians of all, or of a window that moves along, by pixel.

Tiles of pixels go through together, one vector lane a pixel. The sorted values of a window follow
it from one integration to the next: one is taken out and one put in, in a single sweep.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq as flags
from jwinteractive.kernels.lanes import sort_lanes

__all__ = ["blank", "median_outliers", "rolling_outliers"]

_DNU = np.uint32(flags.DO_NOT_USE)
_FOUND = np.uint32(flags.DO_NOT_USE | flags.OUTLIER)
_NONE = np.uint32(0)
_NAN = np.float32(np.nan)
_INF = np.float32(np.inf)
_LARGEST = np.finfo(np.float32).max
_LANES = 128


@njit(cache=True, nogil=True, error_model="numpy")
def _gather(data: Any, dq: Any, i: int, p: int, masked: bool, into: Any, lost: Any) -> None:
    """Values of integration ``i`` of a tile from pixel ``p`` on; infinite and ``lost`` if bad."""
    m = into.shape[0]
    use = _DNU if masked else _NONE
    values = data[i, p : p + m]
    bits = dq[i, p : p + m]
    for k in range(m):
        bad = (values[k] != values[k]) | ((bits[k] & _DNU & use) != _NONE)
        into[k] = _INF if bad else values[k]
        lost[k] = bad


@njit(cache=True, nogil=True, error_model="numpy")
def _exchange(ordered: Any, n: int, old: Any, new: Any, last: Any) -> None:
    """Take ``old`` out of ``n`` sorted rows and put ``new`` in, lane by lane.

    ``last`` is room for the value before, of those that stay.
    """
    m = old.shape[0]
    last[:m] = -np.inf
    k = 0
    while k + 4 < n:
        s0, s1, s2, s3 = ordered[k], ordered[k + 1], ordered[k + 2], ordered[k + 3]
        s4 = ordered[k + 4]
        for j in range(m):
            out, enter = old[j], new[j]
            a, b, c, d, e = s0[j], s1[j], s2[j], s3[j], s4[j]
            # the first that is not below what leaves is it
            a = a if a < out else b
            b = b if b < out else c
            c = c if c < out else d
            d = d if d < out else e
            s0[j] = max(last[j], min(a, enter))
            s1[j] = max(a, min(b, enter))
            s2[j] = max(b, min(c, enter))
            s3[j] = max(c, min(d, enter))
            last[j] = d
        k += 4
    while k + 1 < n:
        s0, s1 = ordered[k], ordered[k + 1]
        for j in range(m):
            a = s0[j]
            a = a if a < old[j] else s1[j]
            s0[j] = max(last[j], min(a, new[j]))
            last[j] = a
        k += 1
    s0 = ordered[n - 1]
    for j in range(m):
        s0[j] = max(last[j], new[j])


@njit(cache=True, nogil=True, error_model="numpy")
def _limit(err: Any, snr: Any) -> Any:
    """Difference above which a pixel is an outlier, float32; an error that is missing is 0."""
    known = err if err == err else np.float32(0)
    known = known if known < _LARGEST else _LARGEST
    return snr * (known if known > -_LARGEST else -_LARGEST)


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_outliers(
    data: Any,
    err: Any,
    dq: Any,
    width: int,
    snr: Any,
    masked: bool,
    network: Any,
    p0: int,
    p1: int,
    found: Any,
) -> None:
    """Mark what is far from the median of ``width`` integrations about it.

    Parameters
    ----------
    data, err
        Values and errors, float32 [integration, pixel].
    dq
        Flags, uint32, same shape.
    width
        Integrations of a window, at least 2 and at most all; one in which a value is missing has
        no median. At the ends the first and last whole window serve.
    snr
        Errors, float32, above which a difference is an outlier.
    masked
        Whether what is DO_NOT_USE is missing.
    network
        `sorting_network` of ``width``.
    p0, p1
        Pixels to look at.
    found
        Filled, bool, same shape.
    """
    nint = data.shape[0]
    half = width // 2
    ordered = np.zeros((width, _LANES), np.float32)
    new = np.zeros(_LANES, np.float32)
    old = np.zeros(_LANES, np.float32)
    last = np.empty(_LANES, np.float32)
    lost = np.empty(_LANES, np.bool_)
    left = np.empty(_LANES, np.bool_)
    missing = np.empty(_LANES, np.int32)
    level = np.empty(_LANES, np.float64)
    for p in range(p0, p1, _LANES):
        m = min(_LANES, p1 - p)
        missing[:] = 0
        for i in range(width):
            _gather(data, dq, i, p, masked, ordered[i, :m], lost[:m])
            for k in range(m):
                missing[k] += lost[k]
        sort_lanes(ordered, network)
        for start in range(nint - width + 1):
            if start > 0:
                _gather(data, dq, start - 1, p, masked, old[:m], left[:m])
                _gather(data, dq, start + width - 1, p, masked, new[:m], lost[:m])
                _exchange(ordered, width, old, new, last)
                for k in range(m):
                    missing[k] += np.int32(lost[k]) - np.int32(left[k])
            upper = ordered[half]
            lower = ordered[half - 1 + width % 2]
            for k in range(m):
                level[k] = (np.float64(lower[k]) + np.float64(upper[k])) / 2
            first = 0 if start == 0 else start + half
            end = nint if start == nint - width else start + half + 1
            for i in range(first, end):
                values = data[i, p : p + m]
                errors = err[i, p : p + m]
                into = found[i, p : p + m]
                for k in range(m):
                    apart = abs(np.float64(values[k]) - level[k])
                    into[k] = (missing[k] == 0) & (apart > np.float64(_limit(errors[k], snr)))


@njit(cache=True, nogil=True, error_model="numpy")
def median_outliers(
    data: Any,
    err: Any,
    dq: Any,
    snr: Any,
    masked: bool,
    network: Any,
    p0: int,
    p1: int,
    found: Any,
    level: Any,
) -> None:
    """Mark what is far from the median of all integrations that are not missing.

    As `rolling_outliers`; ``level`` [pixel], float32, is filled with the medians, NaN where all
    are missing.
    """
    nint = data.shape[0]
    ordered = np.zeros((nint, _LANES), np.float32)
    lost = np.empty(_LANES, np.bool_)
    known = np.empty(_LANES, np.int32)
    for p in range(p0, p1, _LANES):
        m = min(_LANES, p1 - p)
        known[:] = nint
        for i in range(nint):
            _gather(data, dq, i, p, masked, ordered[i, :m], lost[:m])
            for k in range(m):
                known[k] -= lost[k]
        sort_lanes(ordered, network)
        for k in range(m):
            n = known[k]
            middle = _NAN
            if n > 0:
                lower, upper = ordered[(n - 1) // 2, k], ordered[n // 2, k]
                # the sum of the two middles in float32, as numpy has it
                middle = upper if n % 2 else (lower + upper) / np.float32(2)
            level[p + k] = middle
        for i in range(nint):
            values = data[i, p : p + m]
            errors = err[i, p : p + m]
            into = found[i, p : p + m]
            middles = level[p : p + m]
            for k in range(m):
                into[k] = abs(values[k] - middles[k]) > _limit(errors[k], snr)


@njit(cache=True, nogil=True, error_model="numpy")
def blank(found: Any, planes: Any, dq: Any, p0: int, p1: int, new_planes: Any, new_dq: Any) -> None:
    """Flag what was found, and leave no value where a plane has none or the flags forbid it.

    Parameters
    ----------
    found
        Outliers, bool [pixel].
    planes
        Tuple of values, errors and variances, float32 [pixel].
    dq
        Flags, uint32 [pixel].
    p0, p1
        Pixels to look at.
    new_planes, new_dq
        Filled: NaN and DO_NOT_USE wherever any plane is NaN or is not to be used, and OUTLIER
        besides where one was found.
    """
    step = 512
    gone = np.empty(step, np.bool_)
    for p in range(p0, p1, step):
        m = min(step, p1 - p)
        marks = found[p : p + m]
        bits = dq[p : p + m]
        for k in range(m):
            gone[k] = marks[k] | (bits[k] & _DNU != _NONE)
        for plane in planes:
            values = plane[p : p + m]
            for k in range(m):
                gone[k] |= values[k] != values[k]
        into_dq = new_dq[p : p + m]
        for k in range(m):
            into_dq[k] = bits[k] | (_FOUND if marks[k] else _NONE) | (_DNU if gone[k] else _NONE)
        for which in range(len(planes)):
            values = planes[which][p : p + m]
            into = new_planes[which][p : p + m]
            for k in range(m):
                into[k] = _NAN if gone[k] else values[k]
