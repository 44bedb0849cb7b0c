"""What jumps do around them: flags of neighbouring pixels and of later groups.

Source: dossier section 1.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.kernels.lanes import LANES, middle
from jwinteractive.kernels.twopoint import pixel_differences

__all__ = ["flag_after", "flag_neighbours"]

_JUMP = dq.JUMP_DET
_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED


@njit(cache=True, nogil=True)
def _pixel_median(differences: Any, scratch: Any) -> float:
    n = 0
    for i in range(differences.shape[0]):
        for k in range(differences.shape[1]):
            if differences[i, k] == differences[i, k]:
                scratch[n] = differences[i, k]
                n += 1
    return middle(scratch, n)


@njit(cache=True, nogil=True)
def _with_jumps(flagged: Any, p0: int, n: int, seen: Any) -> bool:
    """Say whether a tile has a jump after the first group, and in ``seen`` in which lanes."""
    seen[:n] = 0
    for i in range(flagged.shape[0]):
        for g in range(1, flagged.shape[1]):
            flags = flagged[i, g, p0 : p0 + n]
            for p in range(n):
                seen[p] |= flags[p]
    found = np.uint8(0)
    for p in range(n):
        found |= seen[p]
    return bool(found & _JUMP)


@njit(cache=True, nogil=True, error_model="numpy")
def flag_neighbours(
    data: Any,
    groupdq: Any,
    gain: Any,
    noise2: Any,
    flagged: Any,
    nx: int,
    low: float,
    high: float,
    spread: Any,
) -> None:
    """Flag the four neighbours of jumps between ``low`` and ``high`` sigma.

    Ramps are as in `jwinteractive.kernels.twopoint.find_jumps`; ``flagged`` says where the jumps
    are, ``spread`` gets the neighbours' flags, in place. Rows are ``nx`` pixels long.
    """
    nint, ngroup, npix = data.shape
    seen = np.zeros(LANES, np.uint8)
    own = np.empty((nint, ngroup - 1), np.float32)
    scratch = np.empty(own.size, np.float32)
    for p0 in range(0, npix, LANES):
        n = min(LANES, npix - p0)
        if not _with_jumps(flagged, p0, n, seen):
            continue
        for p in range(p0, p0 + n):
            if not seen[p - p0] & _JUMP:
                continue
            pixel_differences(data, groupdq, gain, p, own)
            median = _pixel_median(own, scratch)
            sigma = np.sqrt(abs(median) + noise2[p])
            if not sigma > 0:
                continue
            x = p % nx
            for i in range(nint):
                for g in range(1, ngroup):
                    ratio = abs(np.float64(own[i, g - 1]) - median) / sigma
                    if not (flagged[i, g, p] & _JUMP and ratio > low and ratio < high):
                        continue
                    if p >= nx and not spread[i, g, p - nx] & _UNUSABLE:
                        spread[i, g, p - nx] |= _JUMP
                    if p + nx < npix and not spread[i, g, p + nx] & _UNUSABLE:
                        spread[i, g, p + nx] |= _JUMP
                    if x > 0 and not spread[i, g, p - 1] & _UNUSABLE:
                        spread[i, g, p - 1] |= _JUMP
                    if x < nx - 1 and not spread[i, g, p + 1] & _UNUSABLE:
                        spread[i, g, p + 1] |= _JUMP


@njit(cache=True, nogil=True)
def flag_after(data: Any, groupdq: Any, gain: Any, sizes: Any, lengths: Any, flagged: Any) -> None:
    """Flag the groups that follow large jumps.

    Ramps are as in `jwinteractive.kernels.twopoint.find_jumps`; jumps of at least ``sizes[j]`` DN
    flag ``lengths[j]`` more groups in ``flagged``, in place.
    """
    nint, ngroup, npix = data.shape
    seen = np.zeros(LANES, np.uint8)
    own = np.empty((nint, ngroup - 1), np.float32)
    scratch = np.empty(own.size, np.float32)
    for p0 in range(0, npix, LANES):
        n = min(LANES, npix - p0)
        if not _with_jumps(flagged, p0, n, seen):
            continue
        for p in range(p0, p0 + n):
            if not seen[p - p0] & _JUMP:
                continue
            pixel_differences(data, groupdq, gain, p, own)
            median = _pixel_median(own, scratch)
            for i in range(nint):
                until = 0
                for g in range(1, ngroup):
                    jump = flagged[i, g, p] & _JUMP
                    if g <= until and not flagged[i, g, p] & _UNUSABLE:
                        flagged[i, g, p] |= _JUMP
                    if not jump:  # flags that are put here start no new ones
                        continue
                    excess = np.float64(own[i, g - 1]) - median
                    for j in range(sizes.shape[0]):
                        if excess >= np.float64(sizes[j] * gain[p]):
                            until = max(until, g + lengths[j])
