"""Outliers: pixels of one exposure that the others do not agree with, or of one integration.

Which comparison it is depends on the mode, as officially: images and slits with the median of all
on a common grid; integral field units with the neighbours of a pixel in all exposures of its
detector; time series and coronagraphs with the median of their integrations. The median, or the
differences, are measured over the set; thresholds are applied to each exposure, so that turning
one costs a preview.

Source: official step `outlier_detection`; Law et al. 2023, AJ 166, 45 for integral field units.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Annotated, Final, TypeVar

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Box, Exposure, Product, Rate, RateInts
from jwinteractive.outliers.flagged import flagged
from jwinteractive.outliers.flags import Flags, flags_of, halo
from jwinteractive.outliers.ifu import IfuDifferences, cut_at, ifu_outliers, measure_differences
from jwinteractive.outliers.opened import comparable, member_of_file
from jwinteractive.outliers.settings import CORON, OutlierParams, by_integrations, pair
from jwinteractive.outliers.stack import Stack, measure_stack
from jwinteractive.outliers.tso import coron_outliers, level_at, rolls, series_outliers
from jwinteractive.params import Doc, Numbers
from jwinteractive.step import Model, Together, step
from jwinteractive.views import Frame, Shown, View

__all__ = ["OutlierDetectionParams", "outlier_detection"]

P = TypeVar("P", Rate, RateInts)

_IFU: Final = ("MIR_MRS", "NRS_IFU")
_ALIKE: Final = ("instrument", "exp_type", "filter", "pupil", "grating", "slit", "unit")
_SHOWN: Final = 10.0  # sigma, at the ends of the colours of a difference over noise
_AFTER: Final = (
    "snr", "scale", "gradient", "curvature", "laplacian", "contrast", "backg", "threshold_percent",
    "ifu_second_check", "rolling_window_width", "single",
)  # fmt: skip
"""Parameters that act when what was measured is applied."""


class OutlierDetectionParams(OutlierParams):
    """Parameters of `outlier_detection`, by their official names where they have one."""

    single: Annotated[
        bool,
        Doc(
            "Images: flag the sharp hits of an exposure that is alone, by the Laplacian. "
            "Undersampled stars are at risk."
        ),
    ] = False
    kernel_size: Annotated[
        str,
        Numbers(2, whole=True),
        Interval(ge=1, le=99),
        Doc("Integral field units: size of the local median that differences are divided by."),
    ] = "7 7"
    threshold_percent: Annotated[
        float,
        Interval(ge=50, le=100),
        Doc("Integral field units: percentile of differences beyond which pixels are outliers."),
    ] = 99.8
    ifu_second_check: Annotated[
        bool, Doc("Integral field units: flag also what no exposure tells of.")
    ] = False
    rolling_window_width: Annotated[
        int,
        Interval(ge=1, le=10000),
        Doc("Time series: integrations of the moving median; 1 for that of all."),
    ] = 25


@dc.dataclass(frozen=True, kw_only=True)
class Integrations(Model):
    """Nothing is measured over a set: integrations are compared with each other."""


def _is_ifu(exposure: Exposure) -> bool:
    return exposure.exp_type in _IFU


def _together(
    kind: type[Product], one: Exposure, other: Exposure, p: OutlierDetectionParams
) -> bool:
    if kind is RateInts:
        return False
    names = (*_ALIKE, "detector", "channel", "band") if _is_ifu(one) else _ALIKE
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _alone(kind: type[Product], exposure: Exposure, p: OutlierDetectionParams) -> str:
    if kind is RateInts:
        return "" if exposure.nints > 1 else "one integration has nothing to be compared with"
    if p.single and p.method == "noise" and not exposure.dispaxis:
        return ""
    if why := by_integrations(exposure):
        return why
    what = "slit" if exposure.slit else "field"
    if _is_ifu(exposure):
        what = "channel and detector"
    return f"one exposure alone: open the others of its {what} with it, two at least"


def measure_set(them: Together, p: OutlierDetectionParams) -> Stack | IfuDifferences | Integrations:
    """Median of the set, or how its pixels differ from their neighbours.

    Raises
    ------
    InputError
        If an exposure has no WCS or no usable pixel, or none overlaps another.
    """
    first = them.members[0]
    if isinstance(first.look(Box(0, 1, 0, 1)), RateInts):
        return Integrations()
    if _is_ifu(first.exposure):
        return measure_differences(them.members, p.kernel_size)
    return measure_stack([member_of_file(whole, p) for whole in them.members], p)


def _flags(rate: Rate, p: OutlierDetectionParams, stack: Stack) -> Flags:
    usable = comparable(rate, p)
    return flags_of(stack, rate.exposure.name, rate.covers, rate.data, rate.err, usable, p)


def _over_noise(s: Shown) -> Frame:
    """How far each pixel is from what it is compared with, in what decides."""
    before = s.before
    if isinstance(before, RateInts):
        return _series_over_error(s, before)
    assert isinstance(before, Rate)  # the step takes nothing else
    frame = {"title": "difference over noise", "unit": "sigma", "dq": _after(s).dq, **s.place}
    if isinstance(s.model, Stack):
        over = _flags(before, s.params, s.model).over
        return Frame(data=over, diverging=True, limits=(-_SHOWN, _SHOWN), **frame)
    model: IfuDifferences = s.model
    cut = cut_at(model, s.params.threshold_percent)
    rows, columns = before.covers.slices(Box.whole(model.differences.shape))
    data = np.asarray(model.differences[rows, columns] / cut, np.float32)
    frame |= {"title": "difference to the neighbours over the threshold", "unit": ""}
    return Frame(data=data, limits=(0, 2), **frame)


def _after(s: Shown) -> Rate:
    assert isinstance(s.after, Rate)
    return s.after


def _middle(series: RateInts, s: Shown) -> tuple[int, Array]:
    """Number of the integration in view, and the median that it is compared with."""
    p: OutlierDetectionParams = s.params
    nint = len(series.data)
    i = min(s.integration, nint - 1) % nint
    coron = series.exposure.exp_type in CORON
    width = 0 if coron else p.rolling_window_width
    return i, level_at(series, i, width, masked=coron or rolls(nint, width))


def _series_over_error(s: Shown, series: RateInts) -> Frame:
    i, middle = _middle(series, s)
    over = np.asarray((series.data[i] - middle) / series.err[i], np.float32)
    assert isinstance(s.after, RateInts)
    return Frame(
        title="difference over error",
        data=over,
        unit="sigma",
        dq=s.after.dq[i],
        diverging=True,
        limits=(-_SHOWN, _SHOWN),
        **s.place,
    )


def _compared_with(s: Shown) -> Frame:
    """The median of the set at the pixels of this exposure, or of the integrations."""
    before = s.before
    unit = s.after.exposure.unit
    if isinstance(before, RateInts):
        data: Array = np.asarray(_middle(before, s)[1], np.float32)
        return Frame(title="median of the integrations", data=data, unit=unit, **s.place)
    assert isinstance(before, Rate)
    if isinstance(s.model, Stack):
        blot = _flags(before, s.params, s.model).blot
        return Frame(title="median of the set, at its pixels", data=blot, unit=unit, **s.place)
    data = np.asarray(s.model.differences, np.float32)
    rows, columns = before.covers.slices(Box.whole(data.shape))
    note = "integral field units are compared with their neighbours"
    return Frame(title="least difference", data=data[rows, columns], unit="", note=note, **s.place)


@step(
    halo=halo,
    measure=measure_set,
    late=_AFTER,
    together=_together,
    alone=_alone,
    suffix="crf",
    views=(
        View(title="difference over noise", draw=_over_noise, compares=True),
        View(title="what it is compared with", draw=_compared_with, compares=True),
    ),
)
def outlier_detection(
    rate: P, p: OutlierDetectionParams, model: Stack | IfuDifferences | Integrations
) -> P:
    """Flag what a set of exposures, or the integrations of one, do not agree on.

    Outliers are OUTLIER and DO_NOT_USE, and NaN in data, errors and variances.

    Raises
    ------
    InputError
        If the exposure is not in the set that was measured.
    """
    found: Array
    if isinstance(rate, RateInts):
        snr, _ = pair("snr", p.snr)
        if rate.exposure.exp_type in CORON:
            found = coron_outliers(rate, snr, p.maskpt)
        else:
            found = series_outliers(rate, p.rolling_window_width, snr, p.maskpt)
        return flagged(rate, found)
    if isinstance(model, Stack):
        return flagged(rate, _flags(rate, p, model).mask)
    assert isinstance(model, IfuDifferences)  # measured of images of a set
    frame = Box.whole(model.differences.shape)
    wanted = (p.threshold_percent, p.ifu_second_check)
    return flagged(rate, ifu_outliers(model, rate.covers, frame, *wanted))
