"""Bad pixels of a spectral image from the profile of the columns beside theirs.

`fit_profile` gives the official numbers, `weighted_profile` better ones, with honest errors.

Source: dossier section 7; the official `fit_profile`, without its simplex.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from scipy.ndimage import find_objects

from jwinteractive import dq as flags
from jwinteractive.data import Array
from jwinteractive.errors import InputError, ParamError
from jwinteractive.kernels.replace_profile import (
    BAD,
    BEYOND,
    FOUND,
    GOOD,
    LOST,
    UNSEEN,
    replace_by_profile,
    seen_positions,
)
from jwinteractive.kernels.replace_weighted import replace_by_weights
from jwinteractive.replace.frame import (
    PROFILE,
    VARIANCES,
    Repaired,
    SpectralFrame,
    check_dispersion,
    labels_of,
    mark,
)

__all__ = ["fit_profile", "weighted_profile"]


def fit_profile(
    frame: SpectralFrame,
    dispersion_direction: int,
    n_adjacent_cols: int = 3,
    regions: Array | None = None,
    reach: Mapping[int, tuple[int, int]] | None = None,
) -> Repaired:
    """Replace the bad pixels of each column by the scaled profile of its neighbours.

    The columns are normalised by their maxima, their median is the profile, and it is scaled to
    what is good of the column: by least squares, in closed form, which the official simplex finds
    to 1e-4.

    Parameters
    ----------
    frame
        Pixels that are DO_NOT_USE and not NON_SCIENCE are replaced.
    dispersion_direction
        1 along x, 2 along y.
    n_adjacent_cols
        Columns on each side that the profile is the median of.
    regions
        See `jwinteractive.replace.frame.labels_of`: each slice is a spectrum of its own.
    reach
        For a part of a longer spectrum: from which to which position across it any of its pixels
        may be used, by the number of the slice. It is found in the frame by default.

    Returns
    -------
    Repaired
        Errors, and roots of variances, are scaled as the data are. Bad pixels for which no
        neighbour has a value are NaN, as are those of their column that are NON_SCIENCE, and keep
        their flags. Columns without a good pixel, or without neighbours that have one, are left
        alone.

    Raises
    ------
    InputError
        If the regions do not fit the frame, or the direction is none.
    ParamError
        If there are no columns to take the profile of.
    """
    return _fill(frame, dispersion_direction, n_adjacent_cols, regions, reach, replace_by_profile)


def weighted_profile(
    frame: SpectralFrame,
    dispersion_direction: int,
    n_adjacent_cols: int = 3,
    regions: Array | None = None,
    reach: Mapping[int, tuple[int, int]] | None = None,
) -> Repaired:
    """Replace the bad pixels of each column by a profile and a level, with errors that are meant.

    As `fit_profile`, but all fits are weighted by the errors; sky that does not follow the source,
    as beside an emission line, is a level of its own; a column counts as neighbour if it shows the
    profile by ten standard errors, and without two of them, the median is taken as it is.
    The columns are scaled to the median of what they hold: where they differ by factors, and most
    of them lack the same position, that is bent there, and so is the value; `fit_profile` is not.

    Returns
    -------
    Repaired
        The square of an error is the variance of scale and level, that of the profile, and the
        scatter of the neighbours beyond their errors, about the line of a trace that runs askew.
        Variances share it as those of the neighbours do.

    Raises
    ------
    InputError
        If the regions do not fit the frame, the direction is none, or no pixel has an error.
    ParamError
        If there are no columns to take the profile of.
    """
    if reach is None and not np.any((frame.err > 0) & np.isfinite(frame.err)):
        raise InputError(
            "err: no pixel has an error above 0, by which the profile is weighted: take fit_profile"
        )
    return _fill(frame, dispersion_direction, n_adjacent_cols, regions, reach, _weighted)


def _weighted(
    planes: Array, state: Array, n_adjacent_cols: int, cut: tuple[int, int], done: Array
) -> None:
    data, err = planes[0], planes[1]
    known = state <= UNSEEN
    data[~(known & np.isfinite(data) & np.isfinite(err) & (err > 0))] = np.nan
    replace_by_weights(planes, state, n_adjacent_cols, done)


def _fill(
    frame: SpectralFrame,
    dispersion_direction: int,
    n_adjacent_cols: int,
    regions: Array | None,
    reach: Mapping[int, tuple[int, int]] | None,
    kernel: Callable[[Array, Array, int, tuple[int, int], Array], None],
) -> Repaired:
    check_dispersion(dispersion_direction)
    if n_adjacent_cols < 1:
        raise ParamError(
            f"n_adjacent_cols = {n_adjacent_cols}: must be at least 1: the official value is 3"
        )
    state = _states(frame.dq)
    names = ["data", "err", *(name for name in VARIANCES if getattr(frame, name) is not None)]
    new: dict[str, Any] = {name: getattr(frame, name).copy() for name in names}
    replaced = np.zeros(frame.data.shape, np.uint8)
    order = (0, 2, 1) if dispersion_direction == 1 else (0, 1, 2)  # columns of the spectrum first
    for number, box, inside in _slices(labels_of(regions, frame.data.shape)):
        here = np.where(inside, state[box], np.uint8(BEYOND)).transpose(order[1] - 1, order[2] - 1)
        planes = np.stack([_root(new[name][box], name) for name in names]).transpose(order)
        planes, here = np.array(planes, np.float32, order="C"), np.ascontiguousarray(here)
        done = np.zeros(here.shape, np.uint8)
        cut = seen_positions(here)
        if reach is not None:
            start, (first, end) = box[dispersion_direction - 1].start, reach.get(number, (0, 0))
            cut = max(first - start, 0), min(end - start, here.shape[1])
        kernel(planes, here, n_adjacent_cols, cut, done)
        planes, done = planes.transpose(order), done.transpose(order[1] - 1, order[2] - 1)
        for plane, name in zip(planes, names, strict=True):
            found = plane * plane if name in VARIANCES else plane
            np.copyto(new[name][box], found, where=done != 0)
        replaced[box][done == FOUND] = PROFILE
    return mark(frame, replaced, **new)


def _states(dq: Array) -> Array:
    state = np.full(dq.shape, GOOD, np.uint8)
    unused, unseen = dq & flags.DO_NOT_USE != 0, dq & flags.NON_SCIENCE != 0
    state[unused] = BAD
    state[unseen] = UNSEEN
    state[unused & unseen] = LOST
    return state


def _slices(labels: Array) -> Iterator[tuple[int, tuple[slice, ...], Array]]:
    """Number and box of each slice, and its pixels there."""
    for number, box in enumerate(find_objects(labels), 1):
        if box is not None:
            yield number, box, labels[box] == number


def _root(plane: Array, name: str) -> Array:
    if name not in VARIANCES:
        return plane
    with np.errstate(invalid="ignore"):  # a variance below 0 has no root
        root: Array = np.sqrt(plane)
    return root
