"""Count rates: weighted least-squares slopes of ramps.

Parity with the official `ramp_fit` step (``algorithm='OLS_C'``) with ``combine = "official"``.
The official step averages segments and integrations with weights 1 / var_R, whatever their
Poisson noise, and gives variances that are not those of this mean; ``combine = "optimal"``
weights by 1 / (var_P + var_R) and propagates. It also takes a NaN for a group not to be used
(the official fit takes it for 0), and gives no rate where the read noise is unknown or a ramp
has no usable group.

Sources: Fixsen et al. 2000 (PASP 112, 1350); dossier section 1.1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive import dq
from jwinteractive.data import Array, Ramp, Rate, RateInts
from jwinteractive.groups import DroppedGroups, dropped_in, measure_groups
from jwinteractive.kernels.lanes import flatten, sorting_network
from jwinteractive.kernels.ols import fit_ramps
from jwinteractive.kernels.segments import Groups, Times, slope_weights
from jwinteractive.params import Doc, Params
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import Whole, step
from jwinteractive.views import Frame, Shown, View

__all__ = ["RampFitParams", "ramp_fit"]


class RampFitParams(Params):
    """Parameters of `ramp_fit`."""

    algorithm: Annotated[
        Literal["OLS_C"], Doc("Least squares with weights by signal to noise.")
    ] = "OLS_C"
    suppress_one_group: Annotated[bool, Doc("Give no rate to ramps with a single good group.")] = (
        True
    )
    firstgroup: Annotated[
        int | None, Interval(ge=0), Doc("First group of the fit, from 0; default: the first.")
    ] = None
    lastgroup: Annotated[
        int | None, Interval(ge=0), Doc("Last group of the fit, from 0; default: the last.")
    ] = None
    combine: Annotated[
        Literal["optimal", "official"],
        Doc("Weights of segments and integrations: by their whole variance, or as official."),
    ] = "optimal"


def _groups(ramp: Ramp, p: RampFitParams, model: DroppedGroups | None) -> Groups:
    """Which groups exist and which are fitted.

    A choice of groups that leaves fewer than two is ignored, as officially. MIRI's groups that
    no pixel can use, the leading ones and the last, are taken as if they had not been read.
    """
    ngroup = ramp.data.shape[1]
    start = p.firstgroup or 0
    stop = ngroup if p.lastgroup is None else p.lastgroup + 1
    if start >= stop - 1:
        start, stop = 0, ngroup
    stop = min(stop, ngroup)
    first, last = 0, ngroup
    if ramp.exposure.instrument == "MIRI" and ngroup > 1:
        dropped: Array = np.logical_and.reduce(dropped_in(ramp, model), axis=0)
        dropped[:start] = dropped[stop:] = True
        if not dropped.all():
            first = int(np.argmin(dropped))
            last -= int(dropped[-1])
    return Groups(
        first=first,
        last=last,
        start=max(start, first) - first,
        stop=min(stop, last) - first,
        unjump=first > 0,
        suppress=p.suppress_one_group and ngroup > 1,
        optimal=p.combine == "optimal",
    )


def measure_fitted(whole: Whole) -> DroppedGroups:
    """Find the groups that are not there; only MIRI's are looked for."""
    if whole.exposure.instrument == "MIRI":
        return measure_groups(whole)
    return DroppedGroups(dropped=np.zeros((1, whole.exposure.ngroups), np.bool_))


def _ratio(top: Array, bottom: Array) -> Array:
    """Quotient; NaN where there is none."""
    known = np.isfinite(top) & (bottom > 0)
    ratio: Array = np.full(top.shape, np.nan, np.float32)
    np.divide(top, bottom, out=ratio, where=known)
    return ratio


def _signal_to_noise(s: Shown) -> Frame:
    rate = s.after
    assert isinstance(rate, Rate)
    data = _ratio(rate.data, rate.err)
    return Frame(title="signal to noise", data=data, unit="", dq=rate.dq, **s.place)


def _poisson_part(s: Shown) -> Frame:
    rate = s.after
    assert isinstance(rate, Rate)
    data = 100 * _ratio(rate.var_poisson, rate.var_poisson + rate.var_rnoise)
    title = "Poisson part of the variance"
    return Frame(title=title, data=data, unit="%", dq=rate.dq, **s.place)


def _usable_groups(s: Shown) -> Frame:
    """How many groups of the integration in view are neither saturated nor to be left out."""
    ramp, rate = s.before, s.after
    assert isinstance(ramp, Ramp)
    assert isinstance(rate, Rate)
    flags = ramp.groupdq[min(s.integration, len(ramp.groupdq) - 1)]
    unusable = np.count_nonzero(flags & np.uint8(dq.DO_NOT_USE | dq.SATURATED), axis=0)
    count = (len(flags) - unusable).astype(np.float32)
    return Frame(title="usable groups", data=count, unit="groups", dq=rate.dq, **s.place)


_VIEWS = (
    View(title="signal to noise", draw=_signal_to_noise),
    View(title="Poisson part of the variance", draw=_poisson_part),
    View(title="usable groups", draw=_usable_groups, compares=True),
)


@step(halo=0, measure=measure_fitted, views=_VIEWS)
def ramp_fit(
    ramp: Ramp,
    p: RampFitParams,
    gain: GainRef,
    readnoise: ReadnoiseRef,
    model: DroppedGroups | None = None,
) -> Rate:
    """Slope of each ramp: data [nint, ngroup, ny, nx] DN -> rate [ny, nx] DN/s.

    ``integrations`` holds the rate of each integration. Rates that cannot be known are NaN with
    variances of 0, flagged DO_NOT_USE: ramps without a good group, saturated from the first one,
    or of pixels without a positive gain (NO_GAIN_VALUE).
    """
    exposure = ramp.exposure
    nint = ramp.data.shape[0]
    groupdq, factor = flatten(ramp.groupdq), flatten(gain.data)
    npix = factor.size
    groups = _groups(ramp, p, model)
    noise = flatten(readnoise.data) * (factor / np.sqrt(2.0 * exposure.nframes))
    frame = float(np.float32(exposure.frame_time))  # as official
    times = Times(
        group=exposure.group_time,
        frame=exposure.frame_time,
        lone=(exposure.nframes + 1) * frame / 2,
    )
    pixeldq = np.where(factor > 0, np.uint32(0), np.uint32(dq.NO_GAIN_VALUE | dq.DO_NOT_USE))
    if groups.optimal:
        unknown = ~(flatten(readnoise.data) > 0)  # NaN too
        pixeldq[unknown] |= np.uint32(dq.UNRELIABLE_SLOPE | dq.DO_NOT_USE)
    pixeldq |= flatten(ramp.pixeldq)
    dark = np.zeros(npix, np.float32)
    if ramp.average_dark_current is not None:
        dark = dark + flatten(ramp.average_dark_current)
    cube = (nint, *ramp.shape)
    zero = np.zeros(cube, np.float32) if ramp.zeroframe is None else ramp.zeroframe
    ints = np.empty((4, nint, npix), np.float32)
    intsdq = np.empty((nint, npix), np.uint32)
    rate = np.empty((4, 1, npix), np.float32)
    ratedq = np.empty(npix, np.uint32)
    fit_ramps(
        flatten(ramp.data),
        groupdq,
        pixeldq,
        factor,
        noise.astype(np.float32),
        dark,
        flatten(zero),
        groups,
        times,
        sorting_network(max(groups.stop - groups.start - 1, 1)),
        slope_weights(groups.last - groups.first),
        ints,
        intsdq,
        rate,
        ratedq,
    )
    names = ("data", "var_poisson", "var_rnoise", "err")
    where: dict[str, Any] = {"exposure": exposure, "box": ramp.covers, "source": ramp.source}
    planes: dict[str, Any] = {name: rate[k].reshape(ramp.shape) for k, name in enumerate(names)}
    cubes: dict[str, Any] = {name: ints[k].reshape(cube) for k, name in enumerate(names)}
    each = RateInts(**where, **cubes, dq=intsdq.reshape(cube))
    return Rate(**where, **planes, dq=ratedq.reshape(ramp.shape), integrations=each)
