"""Looking at a whole exposure once, strip by strip, in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from jwinteractive.data import Box, Ramp
from jwinteractive.step import Whole

__all__ = ["over_boxes", "over_strips"]

_STRIP_BYTES = 8 * 2**20  # of float32 samples
_FEWEST, _MOST = 16, 128  # rows
_THREADS = min(4, os.cpu_count() or 1)  # each holds a strip and what the steps before make of it

T = TypeVar("T")


def over_boxes(
    whole: Whole, boxes: Iterable[Box], work: Callable[[Ramp, Box], T], reach: int = 0
) -> list[T]:
    """Call ``work(ramp, box)`` on boxes of an exposure; results in their order.

    The ramp covers a box and ``reach`` more pixels on each side, as far as there are any.
    """

    def one(box: Box) -> T:
        ramp = whole.look(box.grow(reach, whole.box))
        assert isinstance(ramp, Ramp)
        return work(ramp, box)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="look") as pool:
        return list(pool.map(one, boxes))


def over_strips(whole: Whole, work: Callable[[Ramp, Box], T], reach: int = 0) -> list[T]:
    """Call ``work(ramp, strip)`` on every strip of full rows, as `over_boxes` does.

    The strips do not depend on the number of threads.
    """
    row = 4 * whole.exposure.nints * whole.exposure.ngroups * whole.box.shape[1]
    rows = max(_FEWEST, min(_MOST, _STRIP_BYTES // row))
    return over_boxes(whole, whole.box.strips(rows), work, reach)
