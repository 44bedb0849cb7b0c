"""Connected pixels of a flag, as runs along rows: O(flagged pixels), whatever the frame's size.

A run is a row of int32 [plane, y, x0, x1], end excluded, of pixels of the whole exposure. Planes
number what is looked at in each group, see `flag_runs` and `jwinteractive.kernels.rings`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array

__all__ = ["AREA", "MAJOR", "MINOR", "THETA", "X", "Y", "blobs", "flag_runs", "inside", "words_of"]

Y, X, MAJOR, MINOR, THETA, AREA = range(6)
"""Columns of the table that `blobs` gives: lengths in pixels, theta in degrees from +y to +x."""

_JUMP = np.uint64(dq.JUMP_DET * 0x0101010101010101)
_SAT = np.uint64(dq.SATURATED * 0x0101010101010101)
_JUMP_BIT, _SAT_BIT = dq.JUMP_DET, dq.SATURATED
_BORDER = 1 - 1e-9
_SMALLEST_RING = 8  # pixels around one that is enclosed


def words_of(groupdq: Array) -> Array:
    """Flags uint8 [..., x] as read-only words of eight pixels, uint64 [..., word]."""
    lacking = -groupdq.shape[-1] % 8
    if lacking:
        groupdq = np.pad(groupdq, [(0, 0)] * (groupdq.ndim - 1) + [(0, lacking)])
    words = np.ascontiguousarray(groupdq).view("<u8").view()
    words.flags.writeable = False
    return words


@njit(cache=True, nogil=True)
def appended(runs: Any, n: int, plane: int, y: int, x0: int, x1: int) -> Any:
    """Runs with one more at the end, in a larger array where it is full."""
    if n == runs.shape[0]:
        more = np.empty((2 * n, 4), np.int32)
        more[:n] = runs
        runs = more
    runs[n, 0] = plane
    runs[n, 1] = y
    runs[n, 2] = x0
    runs[n, 3] = x1
    return runs


@njit(cache=True, nogil=True)
def flag_runs(words: Any, y0: int) -> Any:
    """Runs of jumps and of newly saturated pixels in all groups but the first.

    ``words`` [nint, ngroup, ny, nword] are flags from `words_of`, of full rows from ``y0`` on. The
    plane of jumps is 2 (integration * ngroup + group), that of pixels which the group before has
    not saturated one more.
    """
    nint, ngroup, ny, nword = words.shape
    runs = np.empty((1024, 4), np.int32)
    n = 0
    for i in range(nint):
        for g in range(1, ngroup):
            plane = 2 * (i * ngroup + g)
            for y in range(ny):
                now = words[i, g, y]
                then = words[i, g - 1, y]
                jump = -1
                sat = -1
                for k in range(nword + 1):
                    hit = np.uint64(0)
                    if k < nword:
                        hit = (now[k] & _JUMP) | (now[k] & ~then[k] & _SAT)
                    if hit == 0 and jump < 0 and sat < 0:
                        continue
                    for b in range(8):
                        flags = np.int64((hit >> np.uint64(8 * b)) & np.uint64(255))
                        x = 8 * k + b
                        if flags & _JUMP_BIT:
                            jump = x if jump < 0 else jump
                        elif jump >= 0:
                            runs = appended(runs, n, plane, y0 + y, jump, x)
                            n += 1
                            jump = -1
                        if flags & _SAT_BIT:
                            sat = x if sat < 0 else sat
                        elif sat >= 0:
                            runs = appended(runs, n, plane + 1, y0 + y, sat, x)
                            n += 1
                            sat = -1
                        if hit == 0:
                            break
    return runs[:n].copy()


@njit(cache=True, nogil=True)
def _left_over(runs: Any, covered: Any) -> Any:
    """Parts of the runs that are not covered [y, x]."""
    kept = np.empty((max(len(runs), 1), 4), np.int32)
    n = 0
    for r in range(len(runs)):
        begin = -1
        for x in range(runs[r, 2], runs[r, 3] + 1):
            free = x < runs[r, 3] and not covered[runs[r, 1], x]
            if free and begin < 0:
                begin = x
            elif not free and begin >= 0:
                kept = appended(kept, n, runs[r, 0], runs[r, 1], begin, x)
                n += 1
                begin = -1
    return kept[:n]


@njit(cache=True, nogil=True)
def _root(parent: Any, r: int) -> int:
    while parent[r] != r:
        parent[r] = parent[parent[r]]
        r = parent[r]
    return r


@njit(cache=True, nogil=True)
def _labelled(runs: Any) -> Any:
    """Number of the blob of each run, from 0, and how many blobs; corners connect."""
    n = len(runs)
    parent = np.arange(n)
    above = 0
    for r in range(n):
        while runs[above, 1] < runs[r, 1] - 1 or (
            runs[above, 1] == runs[r, 1] - 1 and runs[above, 3] < runs[r, 2]
        ):
            above += 1
        a = above
        while runs[a, 1] == runs[r, 1] - 1 and runs[a, 2] <= runs[r, 3]:
            one, two = _root(parent, a), _root(parent, r)
            parent[max(one, two)] = min(one, two)
            a += 1
    number = np.empty(n, np.int64)
    count = 0
    for r in range(n):
        root = _root(parent, r)
        if root == r:
            number[r] = count
            count += 1
        else:
            number[r] = number[root]
    return number, count


@njit(cache=True, nogil=True)
def _filled_area(runs: Any, number: Any, blob: int) -> Any:
    """Pixels of a blob and of its holes, which corners of the outside do not open."""
    top = runs[:, 1].max()
    left = runs[:, 2].max()
    bottom = 0
    right = 0
    for r in range(len(runs)):
        if number[r] == blob:
            top = min(top, runs[r, 1])
            bottom = max(bottom, runs[r, 1])
            left = min(left, runs[r, 2])
            right = max(right, runs[r, 3])
    ny, nx = bottom - top + 3, right - left + 2  # with a border that is outside
    outside = np.zeros((ny, nx), np.int8)
    for r in range(len(runs)):
        if number[r] == blob:
            outside[runs[r, 1] - top + 1, runs[r, 2] - left + 1 : runs[r, 3] - left + 1] = 2
    stack = np.empty(ny * nx, np.int64)
    stack[0] = 0
    outside[0, 0] = 1
    held = 1
    free = 0
    while held:
        held -= 1
        free += 1
        y, x = stack[held] // nx, stack[held] % nx
        for j in range(max(y - 1, 0), min(y + 2, ny)):
            for i in range(max(x - 1, 0), min(x + 2, nx)):
                if outside[j, i] == 0:
                    outside[j, i] = 1
                    stack[held] = j * nx + i
                    held += 1
    return ny * nx - free


@njit(cache=True, nogil=True)
def blobs(runs: Any, covered: Any, least: float) -> Any:
    """Ellipses of second moments of connected pixels: float64 [blob, column].

    Parameters
    ----------
    runs
        Of one plane, in order of y and x0.
    covered
        Pixels bool [y, x] that do not count; of size 0: all count.
    least
        Blobs of fewer pixels, with their holes, are left out.

    Returns
    -------
    ndarray
        Centre, full axes less one pixel, orientation and area. The axes are those of an ellipse of
        the same second moments; a single pixel has axes of -1.

    Notes
    -----
    The official step's measure of blobs [O]: scikit-image's with corners that connect.
    """
    if covered.size:
        runs = _left_over(runs, covered)
    found = np.empty((max(len(runs), 1), 6))
    if len(runs) == 0:
        return found[:0]
    number, count = _labelled(runs)
    sums = np.zeros((count, 8))
    for r in range(len(runs)):
        s = sums[number[r]]
        length = runs[r, 3] - runs[r, 2]
        if s[0] == 0:  # moments about the first pixel: sums stay small and exact
            s[6] = runs[r, 1]
            s[7] = runs[r, 2]
        y = runs[r, 1] - s[6]
        low = runs[r, 2] - s[7]
        high = low + length - 1
        along = (low + high) * length / 2
        s[0] += length
        s[1] += y * length
        s[2] += along
        s[3] += y * y * length
        s[4] += y * along
        s[5] += (high * (high + 1) * (2 * high + 1) - (low - 1) * low * (2 * low - 1)) / 6
    n = 0
    for c in range(count):
        s = sums[c]
        area = s[0]
        if area < least:
            enough = area >= _SMALLEST_RING and _filled_area(runs, number, c) >= least
            if not enough:
                continue
        # exact integers over area squared: equal moments are found equal
        yy = (area * s[3] - s[1] * s[1]) / (area * area)
        xx = (area * s[5] - s[2] * s[2]) / (area * area)
        yx = (area * s[4] - s[1] * s[2]) / (area * area)
        half = (yy + xx) / 2
        apart = np.hypot((yy - xx) / 2, yx)
        if yy == xx:
            theta = np.pi / 4 if yx > 0 else -np.pi / 4
        else:
            theta = 0.5 * np.arctan2(2 * yx, yy - xx)
        found[n, 0] = s[6] + s[1] / area
        found[n, 1] = s[7] + s[2] / area
        found[n, 2] = 4 * np.sqrt(half + apart) - 1
        found[n, 3] = 4 * np.sqrt(max(half - apart, 0.0)) - 1
        found[n, 4] = theta * (180.0 / np.pi)
        found[n, 5] = area
        n += 1
    return found[:n].copy()


@njit(cache=True, nogil=True)
def inside(y: float, x: float, a: float, b: float, cos: float, sin: float) -> bool:
    """Whether (y, x) from its centre lies in an ellipse, ``a`` along (cos, sin) in (y, x).

    What lies on the border is outside, whatever the last bits of the orientation.
    """
    along = (y * cos + x * sin) / a
    across = (y * sin - x * cos) / b
    return along * along + across * across < _BORDER
