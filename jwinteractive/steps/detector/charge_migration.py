"""Flag groups that have lost charge to their neighbours, or gained from them.

Source: official step `charge_migration`; Goudfrooij et al. 2024 (PASP 136, 014503).
The ramp fit leaves such groups out, but not when it weighs the pixel's integrations and segments:
a star's core keeps its weight.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Interval
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.step import step
from jwinteractive.views import Frame, Shown, View

_NONE = np.uint8(0)
_DO_NOT_USE = np.uint8(dq.DO_NOT_USE)
_LOST = np.uint8(dq.CHARGELOSS | dq.DO_NOT_USE)
_FEWEST_GROUPS = 3


class ChargeMigrationParams(Params):
    """Parameters of `charge_migration`."""

    signal_threshold: Annotated[
        float,
        Interval(ge=0, le=70000),
        Unit("DN"),
        Doc("Signal above which a pixel loses charge: set it for each detector and filter."),
    ] = 25000.0


# Each loop over a row is a kernel of its own: within deeper loops it is not vectorised.


@njit(cache=True, nogil=True)
def _compare(row: Array, flags: Array, threshold: np.float32, lost: Array) -> np.uint8:
    """Mark the pixels of a row that are above the threshold, for good; nonzero if any is.

    What is flagged as not to be used, and as nothing else, does not count.
    """
    found = _NONE
    for x in range(len(row)):
        above = row[x] > threshold and flags[x] != _DO_NOT_USE
        lost[x] |= _LOST if above else _NONE
        found |= lost[x]
    return found


@njit(cache=True, nogil=True)
def _join(row: Array, out: Array) -> None:
    for x in range(len(out)):
        out[x] |= row[x]


@njit(cache=True, nogil=True)
def _flag(data: Array, groupdq: Array, threshold: np.float32, out: Array) -> None:
    """Flags of each sample; ``out`` begins as a copy of ``groupdq``."""
    nint, ngroup, ny, nx = data.shape
    lost = np.empty((ny, nx), np.uint8)
    any_lost = np.empty(ny, np.uint8)
    for i in range(nint):
        lost[:] = 0
        for g in range(ngroup):
            for y in range(ny):
                any_lost[y] = _compare(data[i, g, y], groupdq[i, g, y], threshold, lost[y])
            for y in range(ny):
                if not any_lost[y]:
                    continue
                _join(lost[y], out[i, g, y])
                _join(lost[y, 1:], out[i, g, y, :-1])
                _join(lost[y, :-1], out[i, g, y, 1:])
                if y > 0:
                    _join(lost[y], out[i, g, y - 1])
                if y < ny - 1:
                    _join(lost[y], out[i, g, y + 1])


def _skips(exposure: Exposure, p: ChargeMigrationParams) -> str:
    if exposure.ngroups < _FEWEST_GROUPS:
        return (
            f"charge_migration needs {_FEWEST_GROUPS} groups, the exposure has {exposure.ngroups}"
        )
    return ""


def _groups_left(s: Shown) -> Frame:
    """How many groups of the integration in view come before charge moves."""
    ramp = s.after
    assert isinstance(ramp, Ramp)
    flags = ramp.groupdq[min(s.integration, len(ramp.groupdq) - 1)]
    left = np.count_nonzero(flags & np.uint8(dq.CHARGELOSS) == 0, axis=0).astype(np.float32)
    title = "groups before charge moves"
    # cuts by the data would hide the few pixels that lose any
    limits = (0.0, float(flags.shape[0]))
    return Frame(title=title, data=left, unit="groups", dq=ramp.pixeldq, limits=limits, **s.place)


@step(halo=1, skips=_skips, views=(View(title="groups before charge moves", draw=_groups_left),))
def charge_migration(ramp: Ramp, p: ChargeMigrationParams) -> Ramp:
    """Flag groups above a signal, later ones and those of the four neighbours: groupdq.

    They get CHARGELOSS and DO_NOT_USE.
    """
    groupdq = ramp.groupdq.copy()
    _flag(ramp.data, ramp.groupdq, np.float32(p.signal_threshold), groupdq)
    return ramp.replace(groupdq=groupdq)
