"""MIRI: drop the last group, which the reset of the neighbouring rows pulls down.

Source: official step `lastframe`.
"""

from __future__ import annotations

from jwinteractive import dq
from jwinteractive.data import Ramp
from jwinteractive.params import Params
from jwinteractive.step import only_for, step

_FEWEST_GROUPS = 3


class LastframeParams(Params):
    """`lastframe` has no parameters."""


@step(halo=0, skips=only_for("lastframe", "MIRI", _FEWEST_GROUPS))
def lastframe(ramp: Ramp, p: LastframeParams) -> Ramp:
    """Flag the last group of each integration DO_NOT_USE (MIRI)."""
    groupdq = ramp.groupdq.copy()
    groupdq[:, -1] |= dq.DO_NOT_USE
    return ramp.replace(groupdq=groupdq)
