"""MIRI: drop the last group, which the reset of the neighbouring rows pulls down.

Source: dossier 3.9; official step `lastframe`.
"""

from __future__ import annotations

from jwinteractive import dq
from jwinteractive.data import Exposure, Ramp
from jwinteractive.params import Params
from jwinteractive.step import step

_FEWEST_GROUPS = 3


class LastframeParams(Params):
    """`lastframe` has no parameters."""


def _skips(exposure: Exposure, p: LastframeParams) -> str:
    if exposure.instrument != "MIRI":
        return f"lastframe is for MIRI only, not for {exposure.instrument}"
    if exposure.ngroups < _FEWEST_GROUPS:
        return f"lastframe needs {_FEWEST_GROUPS} groups, the exposure has {exposure.ngroups}"
    return ""


@step(halo=0, skips=_skips)
def lastframe(ramp: Ramp, p: LastframeParams) -> Ramp:
    """Flag the last group of each integration DO_NOT_USE (MIRI)."""
    groupdq = ramp.groupdq.copy()
    groupdq[:, -1] |= dq.DO_NOT_USE
    return ramp.replace(groupdq=groupdq)
