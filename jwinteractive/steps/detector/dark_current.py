"""Subtract the dark signal, group by group.

Source: official step `dark_current`. A dark with finer sampling is averaged to the
exposure's groups, a shorter one is continued by its last difference.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numba import njit

from jwinteractive.data import Array, Ramp
from jwinteractive.errors import StepError
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.references import DarkRef
from jwinteractive.step import step
from jwinteractive.views import Curve, Frame, Plot, Shown, View

_SAMPLE = 4096  # pixels that a level of a plot is taken from


class DarkParams(Params):
    """Parameters of `dark_current`."""

    average_dark_current: Annotated[
        float | None,
        Ge(0),
        Unit("electron / s"),
        Doc("Mean dark current whose Poisson noise the fit adds; None takes the reference's."),
    ] = None


@njit(cache=True, nogil=True)
def _mean_dark(dark: Array, y: int, first: float, count: int, mean: Array) -> None:
    """Mean of ``count`` dark groups of row ``y`` from position ``first`` on; between groups linear.

    Positions past the last group continue the last difference.
    """
    n = len(dark)
    mean[:] = 0.0
    for m in range(count):
        position = first + m
        group = n - 2 if position > n - 1 else int(position)
        beyond = position - group
        before, after = dark[group, y], dark[min(group + 1, n - 1), y]
        if beyond == 0.0:
            for x in range(len(mean)):
                value = np.float64(before[x])
                mean[x] += value if value == value else 0.0
        else:
            for x in range(len(mean)):
                value = before[x] + beyond * (np.float64(after[x]) - before[x])
                mean[x] += value if value == value else 0.0
    mean /= count


@njit(cache=True, nogil=True)
def _subtract(data: Array, dark: Array, source: Array, first: Array, count: int) -> Array:
    """Subtract the dark integration ``source[i]`` from each integration i."""
    nint, ngroup, ny, nx = data.shape
    out = np.empty((nint, ngroup, ny, nx), np.float32)
    mean = np.empty(nx, np.float64)
    for d in range(len(dark)):
        if not np.any(source == d):
            continue
        for g in range(ngroup):
            for y in range(ny):
                _mean_dark(dark[d], y, first[g], count, mean)
                for i in range(nint):
                    if source[i] == d:
                        for x in range(nx):
                            out[i, g, y, x] = data[i, g, y, x] - np.float32(mean[x])
    return out


def _sampling(ramp: Ramp, dark: DarkRef) -> tuple[Array, int]:
    """Position in the dark's groups at which each group of the ramp starts, and how many it takes.

    Raises
    ------
    StepError
        If the dark is coarser than the ramp, or too short to be continued.
    """
    nframes, groupgap = ramp.exposure.nframes, ramp.exposure.groupgap
    if dark.nframes > nframes or dark.groupgap > groupgap:
        raise StepError(
            f"dark_current: the dark averages {dark.nframes} frames and skips {dark.groupgap}, the "
            f"exposure {nframes} and {groupgap}: a coarser dark fits no group; give a finer one "
            "or leave the step out"
        )
    groups = np.arange(ramp.data.shape[1], dtype=np.float64)
    same = (dark.nframes, dark.groupgap) == (nframes, groupgap)
    if same:
        first, count = groups, 1
    elif (dark.nframes, dark.groupgap) == (1, 0):
        first, count = groups * (nframes + groupgap), nframes
    else:  # groups of frames cannot be cut up: compare the groups' mean times
        middle = groups * (nframes + groupgap) + (nframes - dark.nframes) / 2
        first, count = middle / (dark.nframes + dark.groupgap), 1
    have = dark.data.shape[-3]
    if have == 1 and first[-1] + count > 1:
        raise StepError(
            "dark_current: a dark of one group cannot be continued to the exposure's "
            f"{len(groups)}: give a longer one or leave the step out"
        )
    return first, count


def _in_view(s: Shown) -> tuple[Array, Array]:
    """Samples [group, y, x] of the integration in view before and after."""
    then, now = s.before, s.after
    assert isinstance(then, Ramp)
    assert isinstance(now, Ramp)
    i = min(s.integration, len(now.data) - 1)
    return then.data[i], now.data[i]


def _subtracted(s: Shown) -> Frame:
    then, now = _in_view(s)
    g = min(s.group, len(now) - 1)
    return Frame(title="dark subtracted", data=then[g] - now[g], unit="DN", **s.place)


def _by_group(s: Shown) -> Plot:
    then, now = _in_view(s)
    every = max(1, int((now[0].size / _SAMPLE) ** 0.5))
    levels = np.full((3, len(now)), np.nan)
    for g in range(len(now)):
        dark = then[g, ::every, ::every] - now[g, ::every, ::every]
        if (known := dark[np.isfinite(dark)]).size:
            levels[:, g] = np.percentile(known, (16, 50, 84))
    groups = np.arange(1, len(now) + 1)
    names = ("16 % of the pixels are below", "median", "84 % of the pixels are below")
    return Plot(
        title="dark of the pixels in view",
        x_label="group",
        y_label="dark (DN)",
        curves=tuple(Curve(name=n, x=groups, y=y) for n, y in zip(names, levels, strict=True)),
    )


_VIEWS = (
    View(title="dark subtracted", draw=_subtracted, compares=True),
    View(title="dark by group", draw=_by_group, compares=True),
)


@step(halo=0, cal_step="dark_sub", views=_VIEWS)
def dark_current(ramp: Ramp, p: DarkParams, dark: DarkRef) -> Ramp:
    """Subtract the dark, group by group: data [nint, ngroup, ny, nx] DN.

    MIRI darks differ by integration; those past the last one, and all of a later segment of an
    exposure, take the last. A NaN dark subtracts nothing. The mean dark current goes along in
    ``average_dark_current``, for the fit to add its noise.

    Raises
    ------
    StepError
        If the dark is coarser than the ramp, or too short to be continued.
    """
    first, count = _sampling(ramp, dark)
    frames = dark.data.reshape(-1, *dark.data.shape[-3:])
    source = np.full(ramp.data.shape[0], len(frames) - 1)
    if ramp.exposure.first_integration == 1:
        source = np.minimum(np.arange(len(source)), source)
    current = p.average_dark_current
    average = dark.average_dark_current if current is None else None
    if average is None and (current is not None or dark.average_dark_current_value):
        value = dark.average_dark_current_value if current is None else current
        average = np.full(ramp.shape, value, np.float32)
    return ramp.replace(
        data=_subtract(ramp.data, frames, source, first, count),
        pixeldq=ramp.pixeldq | dark.dq,
        average_dark_current=average,
    )
