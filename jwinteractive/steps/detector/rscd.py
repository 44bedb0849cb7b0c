"""MIRI: drop the groups that the last integration or the reset still bends.

Source: official step `rscd` of jwst 3.0.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array, Ramp
from jwinteractive.params import Params
from jwinteractive.references import RscdRef
from jwinteractive.step import only_for, step
from jwinteractive.views import Frame, Shown, View

_FEWEST_GROUPS = 3
_SHORT = 5  # groups; so short a ramp loses one group only


class RscdParams(Params):
    """`rscd` has no parameters."""


@njit(cache=True, nogil=True)
def _flag(groupdq: Array, pixeldq: Array, skips: Array) -> tuple[Array, Array]:
    nint, _, ny, nx = groupdq.shape
    flags, pixels = groupdq.copy(), pixeldq.copy()
    for i in range(nint):
        skip = skips[i]
        for y in range(ny):
            for x in range(nx):
                kept = skip  # groups to drop that are left over
                if groupdq[i, 0, y, x] & dq.SATURATED == 0:
                    last = skip + 1  # second usable group
                    while last > 0 and groupdq[i, last, y, x] & dq.SATURATED != 0:
                        last -= 1
                        kept -= 1
                    kept = max(kept, 0)
                    if kept < skip:
                        pixels[y, x] |= np.uint32(dq.FLUX_ESTIMATED)
                for g in range(kept):
                    flags[i, g, y, x] |= np.uint8(dq.DO_NOT_USE)
    return flags, pixels


def _allowed(skip: int, ngroups: int) -> int:
    """Groups to drop at most: a ramp keeps three, the last of which `lastframe` drops."""
    return min(1 if ngroups <= _SHORT else skip, ngroups - 3)


def _dropped(s: Shown) -> Frame:
    """How many groups of each pixel the step dropped in the integration in view."""
    then, now = s.before, s.after
    assert isinstance(then, Ramp)
    assert isinstance(now, Ramp)
    i = min(s.integration, len(now.groupdq) - 1)
    newly = now.groupdq[i] & ~then.groupdq[i] & np.uint8(dq.DO_NOT_USE)
    count = np.count_nonzero(newly, axis=0).astype(np.float32)
    return Frame(title="groups dropped", data=count, unit="groups", dq=now.pixeldq, **s.place)


_VIEWS = (View(title="groups dropped", draw=_dropped, compares=True),)


@step(halo=0, skips=only_for("rscd", "MIRI", _FEWEST_GROUPS), views=_VIEWS)
def rscd(ramp: Ramp, p: RscdParams, rscd: RscdRef) -> Ramp:
    """Flag the first groups of each integration DO_NOT_USE (MIRI).

    A pixel that saturates so early that fewer than two groups would be left drops fewer of them,
    down to none, and is FLUX_ESTIMATED; one that is saturated from the start drops them all.
    """
    if not rscd.found:
        return ramp
    first = 1 if rscd.skip_first < 0 else rscd.skip_first  # an old file has no value for it
    ngroups = ramp.exposure.ngroups
    nint = ramp.data.shape[0]
    skips = np.full(nint, _allowed(rscd.skip_later, ngroups))
    if ramp.exposure.first_integration == 1:
        skips[0] = _allowed(first, ngroups)
    groupdq, pixeldq = _flag(ramp.groupdq, ramp.pixeldq, skips)
    return ramp.replace(groupdq=groupdq, pixeldq=pixeldq)
