"""Subtract the bias of each pixel.

Source: dossier 3.5; official step `superbias`.
"""

from __future__ import annotations

import numpy as np

from jwinteractive.data import Ramp
from jwinteractive.params import Params
from jwinteractive.references import SuperbiasRef
from jwinteractive.step import step


class SuperbiasParams(Params):
    """Parameters of `superbias`: it has none."""


@step(halo=0)
def superbias(ramp: Ramp, p: SuperbiasParams, bias: SuperbiasRef) -> Ramp:
    """Subtract the bias from every group: data [nint, ngroup, ny, nx] and zero frame in DN.

    A NaN bias subtracts nothing. A zero in the zero frame means bad and stays.
    """
    level = np.where(np.isnan(bias.data), np.float32(0), bias.data)
    zero = ramp.zeroframe
    return ramp.replace(
        data=ramp.data - level,
        pixeldq=ramp.pixeldq | bias.dq,
        zeroframe=None if zero is None else np.where(zero == 0, zero, zero - level),
    )
