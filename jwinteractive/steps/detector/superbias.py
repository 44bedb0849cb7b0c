"""Subtract the bias of each pixel.

Source: official step `superbias`, which does not tell pixels of unknown bias.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Ramp
from jwinteractive.params import Params
from jwinteractive.references import SuperbiasRef
from jwinteractive.step import step


class SuperbiasParams(Params):
    """Parameters of `superbias`: it has none."""


@step(halo=0, version=2)
def superbias(ramp: Ramp, p: SuperbiasParams, bias: SuperbiasRef) -> Ramp:
    """Subtract the bias from every group: data [nint, ngroup, ny, nx] and zero frame in DN.

    A NaN bias subtracts nothing and flags the pixel UNRELIABLE_BIAS. A zero in the zero frame means
    bad and stays.
    """
    unknown = np.isnan(bias.data)
    level = np.where(unknown, np.float32(0), bias.data)
    flags = np.where(unknown, np.uint32(dq.UNRELIABLE_BIAS), np.uint32(0))
    zero = ramp.zeroframe
    frames = ramp.interleaved
    if frames is not None and bias.interleaved is not None:
        frames = dc.replace(frames, bias=bias.interleaved)
    return ramp.replace(
        interleaved=frames,
        data=ramp.data - level,
        pixeldq=ramp.pixeldq | bias.dq | flags,
        zeroframe=None if zero is None else np.where(zero == 0, zero, zero - level),
    )
