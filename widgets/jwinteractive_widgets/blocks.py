"""Blocks of pixels that a screen shows as one: which are sent, and the union of their flags.

Flags travel as a bit for each block, has it any, and as a label for each that has, which stands for
one of the values that occur.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeVar

import numba as nb
import numpy as np

from jwinteractive.data import Array, Box

__all__ = ["BUDGET", "Window", "fitted", "flags_of", "for_kernel", "grid", "place"]

BUDGET = 1_150_000  # bytes; a message with its header stays below 1.2 MB
MARGINS = (0.25, 0.12, 0.05, 0.0)  # of the viewport on each side, so that a drag uncovers pixels
LABELS = 65535  # different flag values that uint16 can tell apart, beside no flag

Window = tuple[float, float, float, float]
Flags = tuple[Array, Array, tuple[int, ...]]


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


P = TypeVar("P", bound=_Sized)


def fitted(
    covers: Box,
    window: Window,
    size: tuple[int, int],
    make: Callable[[Box, int], P | None],
    *,
    cost: float,
    budget: int,
) -> P:
    """What ``make`` makes of the region around a viewport, in blocks of about one screen pixel.

    Parameters
    ----------
    covers
        Pixels that there are.
    window
        Edges (x0, y0, x1, y1) of the viewport in pixels of the exposure; it may reach beyond it.
    size
        Width and height of the screen area in screen pixels.
    make
        Makes of a region and the size of a block what is to travel; None if blocks that small
        cannot be told apart.
    cost
        Bytes of a block, at a guess.
    budget
        Bytes that it may have: first the margin shrinks, then the blocks grow.

    Notes
    -----
    Blocks start at multiples of their size, so that panning does not make pixels flicker. A block
    is never smaller than a screen pixel, else a single flagged pixel could fall between two; where
    rows are stretched against columns, along the finer axis.
    """
    wide, high = window[2] - window[0], window[3] - window[1]
    ratio = min(wide / max(size[0], 1), high / max(size[1], 1))
    factor = max(1, math.ceil(ratio - 0.01))
    while True:
        for margin in MARGINS:
            region = _region(covers, window, factor, margin)
            blocks = math.prod(grid(region, factor))
            if cost * blocks > budget and blocks > 1:
                continue
            made = make(region, factor)
            if made is not None:
                if made.nbytes <= budget or blocks == 1:
                    return made
                cost = 1.01 * made.nbytes / blocks
        factor += 1


def _region(covers: Box, window: Window, factor: int, margin: float) -> Box:
    """Pixels to send: the viewport with a margin to whole blocks, inside what the frame covers."""

    def edges(low: float, high: float, first: int, end: int) -> tuple[int, int]:
        reach = margin * (high - low)
        lowest, highest = first // factor, math.ceil(end / factor)
        a = min(max(math.floor((low - reach) / factor), lowest), highest - 1)
        b = min(max(math.ceil((high + reach) / factor), a + 1), highest)
        return max(a * factor, first), min(b * factor, end)

    x0, x1 = edges(window[0], window[2], covers.x0, covers.x1)
    y0, y1 = edges(window[1], window[3], covers.y0, covers.y1)
    return Box(y0, y1, x0, x1)


def grid(region: Box, factor: int) -> tuple[int, int]:
    """Blocks (rows, columns) that a region touches."""
    rows = math.ceil(region.y1 / factor) - region.y0 // factor
    columns = math.ceil(region.x1 / factor) - region.x0 // factor
    return rows, columns


def place(region: Box, covers: Box) -> tuple[int, int, int, int]:
    """Rows and columns (y0, y1, x0, x1) of a region in an array that covers a box."""
    return (
        region.y0 - covers.y0,
        region.y1 - covers.y0,
        region.x0 - covers.x0,
        region.x1 - covers.x0,
    )


def flags_of(
    plane: Array | None, at: tuple[int, int, int, int], region: Box, factor: int
) -> Flags | None:
    """Union of the flags of each block of a region: marks, labels, values.

    Parameters
    ----------
    plane
        Flags [y, x] as uint32, or None: no flags.
    at
        Where the region lies in the plane, as `place` says.

    Returns
    -------
    tuple
        Bits of uint8, rows one after the other, first block in the highest bit: has it flags?
        Index of each marked block into the values, uint8 or uint16. The values that occur. None
        if there are more of them than labels.
    """
    flags = np.zeros(grid(region, factor), np.uint32)
    if plane is not None:
        array, at = for_kernel(plane, np.uint32, at)
        _unions(array, at, (region.y0 % factor, region.x0 % factor), factor, flags)
    return _indexed(flags)


def for_kernel(
    array: Array, dtype: type, at: tuple[int, int, int, int]
) -> tuple[Array, tuple[int, int, int, int]]:
    """Array as the kernels take it, read-only in C order, and where the region lies in it.

    Only another type or order costs a copy, and only of the region.
    """
    if array.dtype != dtype or not array.flags.c_contiguous:
        y0, y1, x0, x1 = at
        array = np.ascontiguousarray(array[y0:y1, x0:x1], dtype)
        at = (0, y1 - y0, 0, x1 - x0)
    found = array[:]
    found.flags.writeable = False
    return found, at


@nb.njit(cache=True, nogil=True)
def _unions(
    dq: Array, at: tuple[int, int, int, int], offset: tuple[int, int], factor: int, flags: Array
) -> None:
    """OR of the flags of each block of the region ``at``."""
    y0, y1, x0, x1 = at
    rows, columns = flags.shape
    bits = np.empty(x1 - x0, np.uint32)
    for i in range(rows):
        bits[:] = 0
        first = y0 - offset[0] + i * factor
        for y in range(max(first, y0), min(first + factor, y1)):
            row = dq[y, x0:x1]
            for x in range(row.size):
                bits[x] |= row[x]
        for j in range(columns):
            some = np.uint32(0)
            for x in range(
                max(j * factor - offset[1], 0), min((j + 1) * factor - offset[1], x1 - x0)
            ):
                some |= bits[x]
            flags[i, j] = some


def _indexed(flags: Array) -> tuple[Array, Array, tuple[int, ...]] | None:
    """Marks, labels and values of the flags of blocks; None where labels do not suffice."""
    labels = np.empty(flags.size, np.uint16)
    table = np.empty(LABELS, np.uint32)
    n, distinct = _label(flags.ravel(), labels, table)
    if n < 0:
        return None
    kind = np.uint8 if distinct <= 256 else np.uint16
    values = tuple(int(v) for v in table[:distinct])
    return np.packbits(flags != 0), labels[:n].astype(kind), values


@nb.njit(cache=True, nogil=True)
def _label(flags: Array, labels: Array, table: Array) -> tuple[int, int]:
    """Number each value other than 0 in order of appearance; return how many labels and values.

    Looks values up in a hash table with open addresses; (-1, 0) if there are too many of them.
    """
    slots = np.zeros(1 << 18, np.int32)  # index into the table + 1
    n = distinct = 0
    for flag in flags:
        if flag == 0:
            continue
        place = (np.uint64(flag) * np.uint64(2654435761) >> np.uint64(14)) & np.uint64(0x3FFFF)
        while slots[place] > 0 and table[slots[place] - 1] != flag:
            place = (place + np.uint64(1)) & np.uint64(0x3FFFF)
        if slots[place] == 0:
            if distinct == table.size:
                return -1, 0
            table[distinct] = flag
            distinct += 1
            slots[place] = distinct
        labels[n] = slots[place] - 1
        n += 1
    return n, distinct
