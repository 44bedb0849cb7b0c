"""Flag groups in which a pixel may still release charge that it trapped when it was saturated.

Source: official step `persistence` of 3.0, whose windows these are: no signal is
subtracted. Windows last longer than exposures, and are handed from one to the next:
docs/decisions/0012-persistence-is-handed-on.md.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Interval
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.references import PersistenceRef
from jwinteractive.step import step
from jwinteractive.views import Frame, Shown, View

_NONE = np.uint8(0)
_SATURATED = np.uint8(dq.SATURATED)
_DAY = 86400.0  # s
_EPOCH = 40587.0  # MJD of 1970 January 1


class PersistenceParams(Params):
    """Parameters of `persistence`."""

    persistence_time: Annotated[
        int,
        Interval(ge=1, le=1_000_000),
        Unit("s"),
        Doc("How long a window stays open; the official step has no default."),
    ] = 2500
    dn_threshold: Annotated[
        float | None,
        Interval(ge=-1e6, le=1e6),
        Unit("DN"),
        Doc("Signal above which a window opens too; default: only at saturation."),
    ] = None
    persistence_dnu: Annotated[bool, Doc("Flag DO_NOT_USE too in a window: leave it out.")] = False
    persistence_array_file: Annotated[
        str, Doc("ASDF file with the windows that earlier exposures left open.")
    ] = ""


@njit(cache=True, nogil=True)
def _pass(
    row: Array,
    flags: Array,
    full: Array,
    ends: Array,
    now: float,
    closes: float,
    threshold: float,
    bits: np.uint8,
    out: Array,
) -> None:
    """Take a row of windows to the next group: open and close them, flag what lies inside."""
    for x in range(len(row)):
        end = ends[x] if ends[x] >= now else 0.0
        saturated = flags[x] & _SATURATED
        bright = row[x] > threshold and end == 0.0
        end = closes if bright or (saturated != _NONE and full[x] == _NONE) else end
        full[x] |= saturated
        # it closes later than one that opens now: it is of an exposure that is still to come
        end = 0.0 if end > closes else end
        ends[x] = end
        out[x] = flags[x] | (bits if end > 0.0 else _NONE)


@njit(cache=True, nogil=True)
def _flag(
    data: Array,
    groupdq: Array,
    times: Array,
    lasts: float,
    threshold: float,
    bits: np.uint8,
    ends: Array,
    out: Array,
) -> None:
    """Flag the groups, read at ``times`` [integration, group], and move ``ends`` on."""
    nint, ngroup, ny, nx = data.shape
    full = np.empty((ny, nx), np.uint8)
    for i in range(nint):
        full[:] = 0
        for g in range(ngroup):
            now = times[i, g]
            for y in range(ny):
                _pass(
                    data[i, g, y],
                    groupdq[i, g, y],
                    full[y],
                    ends[y],
                    now,
                    now + lasts,
                    threshold,
                    bits,
                    out[i, g, y],
                )


def _times(exposure: Exposure) -> Array:
    """When each group was read [integration, group], seconds since 1970."""
    period = exposure.integration_period
    if not period:  # a frame is spent on the reset
        period = exposure.ngroups * exposure.group_time + exposure.frame_time
    began = (exposure.start_time - _EPOCH) * _DAY + period * np.arange(exposure.nints)
    return began[:, None] + exposure.group_time * np.arange(1, exposure.ngroups + 1)


def _skips(exposure: Exposure, p: PersistenceParams) -> str:
    if not exposure.start_time:
        return "persistence needs to know when the exposure began: EXPSTART is missing"
    return ""


def _left(s: Shown) -> Frame:
    """Seconds for which windows stay open after the last group; NaN where there is none."""
    ramp = s.after
    assert isinstance(ramp, Ramp)
    assert ramp.persistence_ends is not None
    ends = ramp.persistence_ends
    left = np.where(ends > 0, ends - _times(ramp.exposure)[-1, -1], np.nan).astype(np.float32)
    title = "time that windows stay open"
    return Frame(title=title, data=left, unit="s", dq=ramp.pixeldq, **s.place)


def _first(s: Shown) -> Frame:
    """Group from 1 of the integration in view where the window begins; NaN where there is none."""
    ramp = s.after
    assert isinstance(ramp, Ramp)
    marks = ramp.groupdq[min(s.integration, len(ramp.groupdq) - 1)] & np.uint8(dq.PERSISTENCE) != 0
    first = np.where(marks.any(axis=0), marks.argmax(axis=0) + 1, np.nan).astype(np.float32)
    return Frame(title="first group in a window", data=first, unit="group", **s.place)


_VIEWS = (
    View(title="first group in a window", draw=_first),
    View(title="time that windows stay open", draw=_left),
)


@step(halo=0, skips=_skips, views=_VIEWS)
def persistence(ramp: Ramp, p: PersistenceParams, earlier: PersistenceRef | None) -> Ramp:
    """Flag groups after saturation, here or in an earlier exposure: groupdq gets PERSISTENCE.

    ``persistence_ends`` [ny, nx] is what the next exposure needs to know of this one and of those
    before.
    """
    box = ramp.covers
    ends = np.zeros(box.shape) if earlier is None else earlier.inside(box)
    groupdq = np.empty_like(ramp.groupdq)
    _flag(
        ramp.data,
        ramp.groupdq,
        _times(ramp.exposure),
        float(p.persistence_time),
        np.inf if p.dn_threshold is None else float(np.float32(p.dn_threshold)),
        np.uint8(dq.PERSISTENCE | (dq.DO_NOT_USE if p.persistence_dnu else 0)),
        ends,
        groupdq,
    )
    return ramp.replace(groupdq=groupdq, persistence_ends=ends)
