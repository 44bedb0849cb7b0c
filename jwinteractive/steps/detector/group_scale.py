"""Undo the on-board division where the number of averaged frames is no power of two.

Source: official step `group_scale`. The averaging on board divides by a power of two.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Exposure, Ramp
from jwinteractive.params import Params
from jwinteractive.step import step


class GroupScaleParams(Params):
    """Parameters of `group_scale`: it has none."""


def _unneeded(exposure: Exposure, p: GroupScaleParams) -> str:
    if not exposure.nframes or not exposure.frame_divisor:
        return "NFRAMES or FRMDIVSR is not given"
    if exposure.nframes == exposure.frame_divisor:
        return f"{exposure.nframes} averaged frames were divided by {exposure.frame_divisor}"
    return ""


@step(halo=0, skips=_unneeded)
def group_scale(ramp: Ramp, p: GroupScaleParams) -> Ramp:
    """Multiply by FRMDIVSR / NFRAMES: data [nint, ngroup, ny, nx] DN.

    The zero frame is one frame and was not divided.
    """
    if _unneeded(ramp.exposure, p):
        return ramp
    scale = np.float32(ramp.exposure.frame_divisor / ramp.exposure.nframes)
    frames = ramp.interleaved
    if frames is not None:
        frames = dc.replace(frames, scale=float(scale) * frames.scale)
    return ramp.replace(data=ramp.data * scale, interleaved=frames)
