"""Images as lines in the order in which they are read, and strips of lines in threads.

A line is the pixels read one after the other along the fast axis: a row for NIRCam, a column for
NIRISS and NIRSpec. The stripes of MIRI are cleaned along columns too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = ["as_images", "check_free", "in_lines", "over_strips", "strip"]

_LINES = 64  # in a strip: columns of it are copied by whole cache lines
_THREADS = min(4, os.cpu_count() or 1)

T = TypeVar("T")


def in_lines(images: Array, fastaxis: int, slowaxis: int) -> Array:
    """View [..., line, pixel], in read order, of images [..., y, x].

    Parameters
    ----------
    fastaxis, slowaxis
        As the header says: 1 is x, 2 is y, the sign is the direction. For the stripes of MIRI,
        which lie along columns, take 2 and 1.

    Raises
    ------
    InputError
        If the axes are not 1 and 2, in any order.
    """
    if {abs(fastaxis), abs(slowaxis)} != {1, 2}:
        raise InputError(
            f"fastaxis = {fastaxis}, slowaxis = {slowaxis}: one must be x (±1), the other y (±2): "
            "take them from the header"
        )
    return _flip(images if abs(fastaxis) == 1 else images.swapaxes(-1, -2), fastaxis, slowaxis)


def as_images(lines: Array, fastaxis: int, slowaxis: int) -> Array:
    """View [..., y, x] of lines [..., line, pixel]: the way back of `in_lines`."""
    flipped = _flip(lines, fastaxis, slowaxis)
    return flipped if abs(fastaxis) == 1 else flipped.swapaxes(-1, -2)


def _flip(lines: Array, fastaxis: int, slowaxis: int) -> Array:
    return lines[..., :: 1 if slowaxis > 0 else -1, :: 1 if fastaxis > 0 else -1]


def check_free(lines: Array, free: Array) -> None:
    """Refuse free pixels that are not those of images [n, line, pixel].

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """
    if lines.ndim != 3 or free.shape != lines.shape[1:]:
        raise InputError(
            f"images {lines.shape} with free pixels {free.shape}: must be [n, line, pixel] and "
            "[line, pixel]: share one mask among the images"
        )


def strip(lines: Array, y0: int, y1: int) -> Array:
    """Some lines [line, pixel] of an image: read-only, float32, pixels side by side."""
    part = lines[y0:y1].astype(np.float32, order="C", copy=False).view()
    part.flags.writeable = False  # kernels compile once, for read-only input
    return part


def over_strips(nline: int, work: Callable[[int, int], T], threads: int = 0) -> list[T]:
    """Call ``work(y0, y1)`` on strips of lines in threads; results in their order.

    The strips do not depend on the number of threads, which by default is that of the cores.
    """
    starts = range(0, nline, _LINES)
    with ThreadPoolExecutor(threads or _THREADS, thread_name_prefix="lines") as pool:
        return list(pool.map(lambda y0: work(y0, min(y0 + _LINES, nline)), starts))
