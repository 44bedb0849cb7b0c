"""Looking at a whole exposure once, strip by strip, in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import numpy as np

from jwinteractive.data import Array, Box, Product, Ramp
from jwinteractive.kernels.blobs import flag_runs, words_of
from jwinteractive.step import Whole

__all__ = ["FlagRuns", "over_boxes", "over_strips"]

_STRIP_BYTES = 8 * 2**20  # of float32 samples
_FEWEST, _MOST = 16, 128  # rows
_THREADS = min(4, os.cpu_count() or 1)  # each holds a strip and what the steps before make of it

K = TypeVar("K")
T = TypeVar("T")
P = TypeVar("P", bound=Product)


def over_boxes(
    whole: Whole, tasks: Iterable[tuple[Box, K]], work: Callable[[P, K], T], reach: int = 0
) -> list[T]:
    """Call ``work(product, what)`` on tasks (box, what) of an exposure; results in their order.

    ``work`` takes the kind of product that the exposure is. It covers the box and ``reach`` more
    pixels on each side, as far as there are any.
    """

    def one(task: tuple[Box, K]) -> T:
        box, what = task
        return work(cast("P", whole.look(box.grow(reach, whole.box))), what)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="look") as pool:
        return list(pool.map(one, tasks))


def over_strips(whole: Whole, work: Callable[[P, Box], T], reach: int = 0) -> list[T]:
    """Call ``work(product, strip)`` on every strip of full rows, as `over_boxes` does.

    The strips do not depend on the number of threads.
    """
    row = 4 * whole.exposure.nints * whole.exposure.ngroups * whole.box.shape[1]
    rows = max(_FEWEST, min(_MOST, _STRIP_BYTES // row))
    strips = list(whole.box.strips(rows))
    return over_boxes(whole, zip(strips, strips, strict=True), work, reach)


class FlagRuns:
    """Runs of jumps and of newly saturated pixels of a whole exposure, by group.

    See `jwinteractive.kernels.blobs`.
    """

    def __init__(self, whole: Whole) -> None:
        def runs_of(ramp: Ramp, strip: Box) -> Array:
            return np.asarray(flag_runs(words_of(ramp.groupdq), strip.y0))

        runs = np.concatenate(over_strips(whole, runs_of))
        order = np.argsort(runs[:, 0], kind="stable")
        self._runs = runs[order]
        planes = 2 * whole.exposure.nints * whole.exposure.ngroups
        self._ends = np.searchsorted(self._runs[:, 0], np.arange(planes + 1))
        self._ngroup = whole.exposure.ngroups

    def _plane(self, plane: int) -> Array:
        return self._runs[self._ends[plane] : self._ends[plane + 1]]

    def jumps(self, integration: int, group: int) -> Array:
        """Jumps of a group."""
        return self._plane(2 * (integration * self._ngroup + group))

    def saturated(self, integration: int, group: int) -> Array:
        """Pixels that the group before has not saturated."""
        return self._plane(2 * (integration * self._ngroup + group) + 1)
