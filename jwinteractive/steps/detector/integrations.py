"""Rates of the integrations in the place of their mean: what time series go on with.

Officially the detector's steps leave two files, and what calibrates a time series, a coronagraph or
an interferogram opens the one of the integrations. Here the rate carries them, and this is where
they are taken on: what follows works as on that file. The mean stays as the fit gave it. What is
flagged from here on is flagged in the integrations alone, as officially.

Why a step: docs/decisions/0026-series-go-on-with-their-integrations.md.

Source: official pipelines of the second stage, which take ``_rateints`` of these.
"""

from __future__ import annotations

from jwinteractive.data import Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.params import Params
from jwinteractive.step import step

__all__ = ["IntegrationsParams", "integrations"]


class IntegrationsParams(Params):
    """`integrations` has no parameters."""


@step(
    halo=0,
    fresh="a file of mean rates is without those of its integrations: open its rateints file",
)
def integrations(rate: Rate, p: IntegrationsParams) -> RateInts:
    """Go on with the rate of each integration: [ny, nx] -> [nint, ny, nx].

    Raises
    ------
    InputError
        If an official step has left the mean alone.
    """
    if rate.integrations is None:
        raise InputError(
            "integrations: the rate has come without those of its integrations, which an official "
            "gain_scale lets go: take the native one, or put integrations right after ramp_fit"
        )
    return rate.integrations
