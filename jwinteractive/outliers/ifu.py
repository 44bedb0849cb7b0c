"""Outliers of integral field units: pixels that differ from their neighbours in every exposure.

The smallest difference of a pixel from its two neighbours across the dispersion, over all
exposures of one detector, is compared with the median of such differences around it; what is above
a percentile of the frame is an outlier in all exposures. So bad pixels are found that no mask knows
yet, not hits of one exposure, and always about the same number of them.

The measurement looks at each exposure once, in strips, and holds one frame. The percentile is cut
when it is applied: turning it measures nothing again.

Source: dossier section 6.3; the official step's `ifu` module, at parity.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from jwinteractive.data import Array, Box, Rate
from jwinteractive.errors import InputError, ParamError
from jwinteractive.kernels.outlier_ifu import least_differences, over_local_medians
from jwinteractive.step import Model, Whole
from jwinteractive.strips import over_strips

__all__ = [
    "IfuDifferences",
    "cut_at",
    "difference_axis",
    "ifu_outliers",
    "kernel_of",
    "measure_differences",
]

EDGE: Final = 4  # pixels on all sides that the percentile leaves out
_AXES: Final = {"MIRI": 1, "NIRSPEC": 0}
_KEPT: Final = 0.02  # of the values, the largest ones, are kept in order
_ROWS: Final = 128
_THREADS: Final = 2


@dc.dataclass(frozen=True, kw_only=True)
class IfuDifferences(Model):
    """How far each pixel of a detector is from its neighbours in all exposures.

    Attributes
    ----------
    differences
        In units of the local median, float64 [y, x]; NaN where no exposure tells.
    unknown
        Where none tells, bool [y, x].
    largest
        The largest differences away from the edges, upwards, float64.
    known
        Number of differences away from the edges.
    """

    differences: Array
    unknown: Array
    largest: Array
    known: int


def kernel_of(kernel_size: str) -> tuple[int, int]:
    """Rows and columns of the local median: ``"7 7"``; even numbers are raised by one.

    The first is along y, as the official step has it.

    Raises
    ------
    ParamError
        If the text is not two positive whole numbers.
    """
    parts = kernel_size.split()
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ParamError(
            f"kernel_size = {kernel_size!r}: must be two odd numbers of pixels, such as '7 7'"
        )
    ky, kx = (int(part) | 1 for part in parts)
    return ky, kx


def difference_axis(instrument: str) -> int:
    """Axis across the dispersion: 0 along y (NIRSpec), 1 along x (MIRI).

    Raises
    ------
    InputError
        If the instrument has no integral field unit.
    """
    if instrument not in _AXES:
        raise InputError(
            f"outliers of integral field units: {instrument or 'no instrument'} has none: must be "
            "MIRI or NIRSPEC: choose another mode"
        )
    return _AXES[instrument]


def measure_differences(members: Sequence[Whole], kernel_size: str = "7 7") -> IfuDifferences:
    """Compare each pixel with its neighbours over exposures of one detector, `Rate` each.

    Parameters
    ----------
    members
        The exposures; each is looked at once.
    kernel_size
        See `kernel_of`.

    Raises
    ------
    InputError
        For fewer than two exposures, another detector or shape among them, an instrument without
        an integral field unit, or if no pixel of any exposure can be used.
    ParamError
        If the kernel's size is no such size.
    """
    ky, kx = kernel_of(kernel_size)
    if len(members) < 2:
        raise InputError(
            f"outliers of integral field units: {len(members)} exposure: needs 2 of a detector: "
            "add exposures"
        )
    first = members[0]
    axis = difference_axis(first.exposure.instrument)
    for other in members[1:]:
        mine = first.exposure.detector, first.box.shape
        its = other.exposure.detector, other.box.shape
        if its != mine:
            raise InputError(
                f"outliers of integral field units: {its} beside {mine}: must be one detector and "
                "shape: compare others apart"
            )
    least = np.full(first.box.shape, np.nan)
    for member in members:
        _fold(member, axis, least)
    known = least[~np.isnan(least)]
    if not known.size:
        raise InputError(
            f"outliers of integral field units: all pixels of {len(members)} exposures are "
            "DO_NOT_USE or NaN: nothing to compare: check their flags"
        )
    floor = np.median(known, overwrite_input=True) / 3
    return _in_order(_over_medians(least, ky, kx, float(floor)), np.isnan(least))


def _fold(member: Whole, axis: int, least: Array) -> None:
    """Lower ``least`` to what an exposure says."""

    def work(rate: Rate, strip: Box) -> None:
        y0 = rate.covers.y0  # one row more on each side, where there is one
        rows = slice(y0 - member.box.y0, rate.covers.y1 - member.box.y0)
        least_differences(
            _sealed(rate.data, np.float32),
            _sealed(rate.dq, np.uint32),
            axis,
            strip.y0 - y0,
            strip.y1 - y0,
            least[rows],
        )

    over_strips(member, work, reach=1)


def _over_medians(least: Array, ky: int, kx: int, floor: float) -> Array:
    found = np.empty_like(least)
    values = _sealed(least, np.float64)
    ny = len(least)

    def work(y: int) -> None:
        over_local_medians(values, ky, kx, floor, y, min(y + _ROWS, ny), found)

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="outliers") as pool:
        list(pool.map(work, range(0, ny, _ROWS)))
    return found


def _in_order(differences: Array, unknown: Array) -> IfuDifferences:
    values = _inner(differences)
    start = max(int((values.size - 1) * (1 - _KEPT)), 0)
    largest = values
    if values.size:
        values.partition(start)
        largest = np.sort(values[start:])
    return IfuDifferences(
        differences=differences, unknown=unknown, largest=largest, known=values.size
    )


def _inner(differences: Array) -> Array:
    """Copy of the known differences away from the edges."""
    inner = differences[EDGE:-EDGE, EDGE:-EDGE]
    found: Array = inner[~np.isnan(inner)]
    return found


def cut_at(model: IfuDifferences, threshold_percent: float = 99.8) -> float:
    """Difference that ``threshold_percent`` of the pixels away from the edges do not exceed.

    NaN if there are none. At once for the highest 2 %.
    """
    if not model.known:
        return float("nan")
    at = (model.known - 1) * (threshold_percent / 100)
    first = model.known - model.largest.size  # rank of the first that is kept in order
    before = int(at)
    ranks = before, min(before + 1, model.known - 1)
    if before >= first:
        low, high = (float(model.largest[rank - first]) for rank in ranks)
    else:
        parted = np.partition(_inner(model.differences), ranks)
        low, high = (float(parted[rank]) for rank in ranks)
    share, apart = at - before, high - low
    # the two forms differ in the last digit, and flags with them
    return low + apart * share if share < 0.5 else high - apart * (1 - share)


def ifu_outliers(
    model: IfuDifferences,
    box: Box,
    frame: Box,
    threshold_percent: float = 99.8,
    ifu_second_check: bool = False,
) -> Array:
    """Outliers of any of the exposures in a box, bool [y, x].

    Parameters
    ----------
    model
        Of the set.
    box, frame
        What to tell of, and the pixels that the exposures cover.
    threshold_percent
        See `cut_at`.
    ifu_second_check
        Count what no exposure tells of as outliers too.
    """
    rows, columns = box.slices(frame)
    found: Array = model.differences[rows, columns] > cut_at(model, threshold_percent)
    if ifu_second_check:
        found |= model.unknown[rows, columns]
    return found


def _sealed(array: Array, kind: type) -> Array:
    view: Array = np.ascontiguousarray(array, kind).view()
    view.flags.writeable = False
    return view
