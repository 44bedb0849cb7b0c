"""Tiles of pixels worked on together, one vector lane a pixel: sorting, medians, group flags."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array

__all__ = [
    "LANES",
    "bare",
    "dropped_groups",
    "flatten",
    "middle",
    "select",
    "sort_lanes",
    "sorting_network",
]

LANES = 128
"""Pixels in a tile: their sorted differences stay in the first cache."""

_BARE: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
bare: Any = njit(**_BARE)
"""Compiles functions that allocate nothing without counting references to their arrays.

In short loops over many arrays the counting, with atomic operations, takes most of the time.
"""

_DNU = dq.DO_NOT_USE
_LOST = dq.CHARGELOSS


def flatten(array: Array) -> Array:
    """Read-only contiguous view or copy [..., npix] of an array [..., y, x]."""
    *head, ny, nx = array.shape
    flat = np.ascontiguousarray(array).reshape(*head, ny * nx).view()
    flat.flags.writeable = False  # kernels compile once, for read-only input
    return flat


@lru_cache(maxsize=64)
def sorting_network(n: int) -> Array:
    """Pairs [pair, 2] of rows that, compared and swapped in turn, sort ``n`` rows.

    Source: merge exchange, Knuth, The Art of Computer Programming 3, algorithm 5.2.2M.
    """
    pairs: list[Array] = [np.zeros((0, 2), np.int32)]
    top = 1 << max(n - 1, 0).bit_length() >> 1
    p = top
    while p:
        q, rest, step = top, 0, p
        while True:
            low = np.arange(n - step)
            low = low[(low & p) == rest]
            pairs.append(np.stack([low, low + step], axis=1).astype(np.int32))
            if q == p:
                break
            q, rest, step = q >> 1, p, q - p
        p >>= 1
    network = np.concatenate(pairs)
    network.flags.writeable = False
    return network


@njit(cache=True, nogil=True)
def sort_lanes(rows: Any, network: Any) -> None:
    """Sort each column of ``rows`` [n, lane], free of NaN, upwards in place."""
    for c in range(network.shape[0]):
        low = rows[network[c, 0]]
        high = rows[network[c, 1]]
        for k in range(low.shape[0]):
            a = low[k]
            b = high[k]
            swap = b < a
            low[k] = b if swap else a
            high[k] = a if swap else b


@njit(cache=True, nogil=True)
def select(values: Any, n: int, k: int) -> Any:
    """Value of rank ``k`` of the first ``n``, free of NaN; they are parted there in place."""
    low = 0
    high = n - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i = low
        j = high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break
    return values[k]


@njit(cache=True, nogil=True)
def middle(values: Any, n: int) -> float:
    """Median of the first ``n`` values, free of NaN; they change order. NaN if ``n`` is 0."""
    if n == 0:
        return np.nan
    upper = np.float64(select(values, n, n >> 1))
    if n & 1:
        return upper
    lower = values[0]
    for k in range(1, n >> 1):  # all that lies below the upper middle is before it
        lower = max(lower, values[k])
    return (np.float64(lower) + upper) * 0.5


@njit(cache=True, nogil=True)
def dropped_groups(groupdq: Any) -> Any:
    """Groups [nint, ngroup] that no pixel can use: bool.

    Flags of charge migration do not count: they follow the source, so that a small box may have
    them in every pixel although the exposure has not.
    """
    nint, ngroup, npix = groupdq.shape
    dropped = np.ones((nint, ngroup), np.bool_)
    for i in range(nint):
        for g in range(ngroup):
            for p in range(npix):
                flags = groupdq[i, g, p]
                if not flags & _DNU or flags & _LOST:
                    dropped[i, g] = False
                    break
    return dropped
