"""Bring the rates of modes read at another gain to the gain of the reference file.

Source: official step `gain_scale`; NIRSpec subarrays.
"""

from __future__ import annotations

import dataclasses as dc
from typing import TypeVar

import numpy as np

from jwinteractive.data import Rate, RateInts
from jwinteractive.params import Params
from jwinteractive.references import GainRef
from jwinteractive.step import step

R = TypeVar("R", Rate, RateInts)


class GainScaleParams(Params):
    """Parameters of `gain_scale`: it has none."""


def _scaled(rate: R, factor: float) -> R:
    level, square = np.float32(factor), np.float32(factor**2)
    if isinstance(rate, RateInts) and rate.pedestal is not None:
        rate = rate.replace(pedestal=rate.pedestal * level)
    return rate.replace(
        exposure=dc.replace(rate.exposure, gain_factor=factor),
        data=rate.data * level,
        err=rate.err * level,
        var_poisson=rate.var_poisson * square,
        var_rnoise=rate.var_rnoise * square,
    )


@step(halo=0)
def gain_scale(rate: Rate, p: GainScaleParams, gain: GainRef) -> Rate:
    """Multiply rates, errors and pedestals by the gain factor, variances by its square.

    The exposure's factor goes before the reference's; without either the rate returns as it came.
    """
    factor = rate.exposure.gain_factor or gain.gain_factor
    if not factor:
        return rate
    each = rate.integrations
    return _scaled(rate, factor).replace(
        integrations=None if each is None else _scaled(each, factor)
    )
