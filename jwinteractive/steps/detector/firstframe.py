"""MIRI: drop the first group, which still settles after the reset.

Source: official step `firstframe`. Recipes leave it out by default, as the official
pipeline does since 2.0: `rscd` flags the first groups too.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Ramp
from jwinteractive.params import Doc, Params
from jwinteractive.step import only_for, step

_FEWEST_GROUPS = 4


class FirstframeParams(Params):
    """Parameters of `firstframe`."""

    bright_use_group1: Annotated[
        bool,
        Doc("Keep the first group of a pixel whose third one is saturated (FLUX_ESTIMATED)."),
    ] = True


@step(halo=0, skips=only_for("firstframe", "MIRI", _FEWEST_GROUPS))
def firstframe(ramp: Ramp, p: FirstframeParams) -> Ramp:
    """Flag the first group of each integration DO_NOT_USE (MIRI)."""
    groupdq = ramp.groupdq.copy()
    if not p.bright_use_group1:
        groupdq[:, 0] |= dq.DO_NOT_USE
        return ramp.replace(groupdq=groupdq)
    bright = (groupdq[:, 2] & dq.SATURATED) != 0
    groupdq[:, 0] |= np.where(bright, np.uint8(0), np.uint8(dq.DO_NOT_USE))
    kept = np.where(bright.any(axis=0), np.uint32(dq.FLUX_ESTIMATED), np.uint32(0))
    return ramp.replace(groupdq=groupdq, pixeldq=ramp.pixeldq | kept)
