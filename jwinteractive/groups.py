"""Groups that no pixel of an exposure can use, such as MIRI's last one.

Whether a group is there at all must not depend on the box that a step gets: it is learnt from rows
spread over the whole exposure.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Array, Box, Ramp
from jwinteractive.kernels.lanes import dropped_groups, flatten
from jwinteractive.step import Model, Whole

__all__ = ["DroppedGroups", "dropped_in", "measure_groups"]

SAMPLE_ROWS = 5


@dc.dataclass(frozen=True, kw_only=True)
class DroppedGroups(Model):
    """Groups that are DO_NOT_USE in every pixel: bool [nint, ngroup]."""

    dropped: Array


def measure_groups(whole: Whole) -> DroppedGroups:
    """Look at a few rows, evenly spread over the exposure."""
    box = whole.box
    rows = np.linspace(box.y0, box.y1 - 1, min(SAMPLE_ROWS, box.shape[0])).astype(int)
    seen: list[Array] = []
    for y in rows.tolist():
        strip = whole.look(Box(y, y + 1, box.x0, box.x1))
        assert isinstance(strip, Ramp)
        seen.append(dropped_groups(flatten(strip.groupdq)))
    return DroppedGroups(dropped=np.logical_and.reduce(seen))


def dropped_in(ramp: Ramp, model: DroppedGroups | None) -> Array:
    """The dropped groups [nint, ngroup]; without a model, those of the ramp in hand."""
    return dropped_groups(flatten(ramp.groupdq)) if model is None else model.dropped
