"""Sets of pixels as runs along rows: the kernels behind `Selection`.

A run is (start, stop) in places ``y * (nx + 1) + x``. The one place more than a row has pixels
keeps runs of neighbouring rows apart, so that sets are merged without regard to rows.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from jwinteractive.data import Array

__all__ = [
    "clear",
    "flooded",
    "keep",
    "merge",
    "paint",
    "runs_of",
    "trace",
    "within",
]

_LAST: Final = np.iinfo(np.int64).max


@njit(cache=True, nogil=True)
def merge(a: Array, b: Array, table: int) -> Array:
    """Runs int64 [n, 2] of what ``table`` makes of two sets; each is sorted and its runs apart.

    Bit 2 a + b of the table says whether a place belongs, a and b whether it does to either set.
    """
    out = np.empty((len(a) + len(b), 2), np.int64)
    i = j = n = 0
    in_a = in_b = 0
    inside = 0
    ends_a, ends_b = a.ravel(), b.ravel()
    while i < ends_a.size or j < ends_b.size:
        next_a = ends_a[i] if i < ends_a.size else _LAST
        next_b = ends_b[j] if j < ends_b.size else _LAST
        at = min(next_a, next_b)
        if next_a == at:
            in_a, i = 1 - in_a, i + 1
        if next_b == at:
            in_b, j = 1 - in_b, j + 1
        now = (table >> (2 * in_a + in_b)) & 1
        if now != inside:
            out[n, inside] = at
            n += inside
            inside = now
    return out[:n].copy()


@njit(cache=True, nogil=True)
def runs_of(mask: Array) -> Array:
    """Runs int64 [n, 2] of the pixels that are True in a mask bool [y, x]."""
    ny, nx = mask.shape
    n = 0
    for y in range(ny):
        before = False
        for x in range(nx):
            n += mask[y, x] and not before
            before = mask[y, x]
    runs = np.empty((n, 2), np.int64)
    n = 0
    for y in range(ny):
        inside = False
        for x in range(nx):
            if mask[y, x] != inside:
                runs[n, int(inside)] = y * (nx + 1) + x
                n += inside
                inside = not inside
        if inside:
            runs[n, 1] = y * (nx + 1) + nx
            n += 1
    return runs


@njit(cache=True, nogil=True)
def within(runs: Array, nx: int, box: Any) -> Array:
    """Runs inside a box (y0, y1, x0, x1), counted in the box's own places."""
    y0, y1, x0, x1 = box
    first = np.searchsorted(runs[:, 1], y0 * (nx + 1), "right")
    last = np.searchsorted(runs[:, 0], y1 * (nx + 1), "left")
    out = np.empty((last - first, 2), np.int64)
    n = 0
    for k in range(first, last):
        y = runs[k, 0] // (nx + 1)
        start = max(runs[k, 0] - y * (nx + 1), x0)
        stop = min(runs[k, 1] - y * (nx + 1), x1)
        if start < stop:
            place = (y - y0) * (x1 - x0 + 1) - x0
            out[n, 0], out[n, 1] = place + start, place + stop
            n += 1
    return out[:n].copy()


@njit(cache=True, nogil=True)
def paint(runs: Array, bits: Any, out: Array) -> None:
    """Set ``bits`` in the pixels of runs: out [y, x] of unsigned integers, or bool."""
    nx = out.shape[1]
    for k in range(len(runs)):
        y = runs[k, 0] // (nx + 1)
        for place in range(runs[k, 0], runs[k, 1]):
            out[y, place - y * (nx + 1)] |= bits


@njit(cache=True, nogil=True)
def clear(runs: Array, bits: Any, out: Array) -> None:
    """Take ``bits`` off the pixels of runs: out [y, x] of unsigned integers."""
    nx = out.shape[1]
    for k in range(len(runs)):
        y = runs[k, 0] // (nx + 1)
        for place in range(runs[k, 0], runs[k, 1]):
            out[y, place - y * (nx + 1)] &= ~bits


@njit(cache=True, nogil=True)
def keep(runs: Array, out: Array) -> None:
    """Set all pixels but those of runs to 0: out [y, x]."""
    nx = out.shape[1]
    k = 0
    for y in range(out.shape[0]):
        x = 0
        while x < nx:
            place = y * (nx + 1) + x
            while k < len(runs) and runs[k, 1] <= place:
                k += 1
            if k < len(runs) and runs[k, 0] <= place:
                x = runs[k, 1] - y * (nx + 1)
            else:
                out[y, x] = 0
                x += 1


@njit(cache=True, nogil=True)
def flooded(data: Array, y: int, x: int, lowest: float) -> Array:
    """Mask bool [y, x] of what hangs together with (y, x), corners too, at ``lowest`` or above.

    NaN belongs to nothing.
    """
    ny, nx = data.shape
    seen = np.zeros((ny, nx), np.bool_)
    if not data[y, x] >= lowest:
        return seen
    stack = [(y, x)]
    seen[y, x] = True
    while stack:
        y, x = stack.pop()
        for j in range(max(y - 1, 0), min(y + 2, ny)):
            for i in range(max(x - 1, 0), min(x + 2, nx)):
                if not seen[j, i] and data[j, i] >= lowest:
                    seen[j, i] = True
                    stack.append((j, i))
    return seen


@njit(cache=True, nogil=True)
def trace(points: Array, reach: float, out: Array) -> None:
    """Set the pixels of a mask bool [y, x] whose centre is within ``reach`` of a line.

    The line goes through ``points`` [n, (y, x)], in pixels of the mask.
    """
    ny, nx = out.shape
    tiny = 1e-9  # a centre on the rim belongs to it whatever the rounding
    for k in range(max(len(points) - 1, 1)):
        ya, xa = points[k]
        yb, xb = points[min(k + 1, len(points) - 1)]
        dy, dx = yb - ya, xb - xa
        length = dy * dy + dx * dx
        y0, y1 = int(np.ceil(min(ya, yb) - reach)), int(np.floor(max(ya, yb) + reach))
        x0, x1 = int(np.ceil(min(xa, xb) - reach)), int(np.floor(max(xa, xb) + reach))
        for y in range(max(y0, 0), min(y1 + 1, ny)):
            for x in range(max(x0, 0), min(x1 + 1, nx)):
                along = 0.0
                if length > 0:
                    along = min(max(((y - ya) * dy + (x - xa) * dx) / length, 0.0), 1.0)
                far = (y - ya - along * dy) ** 2 + (x - xa - along * dx) ** 2
                if far <= (reach + tiny) ** 2:
                    out[y, x] = True
