"""Count rates: straight lines through ramps, by likelihood or by weighted least squares.

By likelihood, differences of groups are weighted by their whole covariance: read noise, photons of
the rate that the jump search left, and of the dark current that was subtracted. Integrations are
fitted at one common rate. Groups not to be used are bridged; a jump spoils the difference that ends
at it alone. Groups lost to charge migration make the error of their pixel larger, as they must.

``algorithm = "LIKELY"`` is at parity with the official one, its own search for jumps included: no
noise of the dark current but in e-/s for DN/s, every flag spoils both differences of its group, and
integrations are averaged with weights at two rounds of a common rate.

``algorithm = "OLS_C"`` is at parity with the official `ramp_fit` with ``combine = "official"``. The
official step averages segments and integrations with weights 1 / var_R, whatever their Poisson
noise, and gives variances that are not those of this mean; ``combine = "optimal"`` weights by
1 / (var_P + var_R) and propagates. It also takes a NaN for a group not to be used (the official fit
takes it for 0), and gives no rate where the read noise is unknown or a ramp has no usable group.

Sources: Brandt 2024 (arXiv:2309.08753); Fixsen et al. 2000 (PASP 112, 1350).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive import dq
from jwinteractive.data import Array, Ramp, Rate, RateInts
from jwinteractive.groups import DroppedGroups, dropped_in, measure_groups
from jwinteractive.kernels.lanes import flatten, sorting_network
from jwinteractive.kernels.leaveout import ALONE, Search, search_jumps
from jwinteractive.kernels.likelihood import Pattern
from jwinteractive.kernels.linefit import Line, fit_lines
from jwinteractive.kernels.ols import fit_ramps
from jwinteractive.kernels.segments import Groups, Times, slope_weights
from jwinteractive.noise import Noise, pattern_for
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.silence import silence
from jwinteractive.step import Whole, step
from jwinteractive.views import Frame, Shown, View

__all__ = ["RampFitParams", "ramp_fit"]


_FEWEST = 4  # groups of the official LIKELY algorithm, which is OLS_C with fewer
_OFFICIAL_ONE, _OFFICIAL_TWO = 20.25, 23.8  # its drops of chi2 for one difference and for two
_BAD = dq.DO_NOT_USE | dq.SATURATED
_CHI2_LIMITS = (0.0, 3.0)  # of a picture of chi2 / dof, which is about 1


class RampFitParams(Params):
    """Parameters of `ramp_fit`."""

    algorithm: Annotated[
        Literal["likelihood", "LIKELY", "OLS_C"],
        Doc("By likelihood, as the official LIKELY, or least squares weighted by signal to noise."),
    ] = "likelihood"
    suppress_one_group: Annotated[bool, Doc("Give no rate to ramps with a single good group.")] = (
        True
    )
    firstgroup: Annotated[
        int | None, Interval(ge=0), Doc("First group of the fit, from 0; default: the first.")
    ] = None
    lastgroup: Annotated[
        int | None, Interval(ge=0), Doc("Last group of the fit, from 0; default: the last.")
    ] = None
    pedestal: Annotated[
        bool,
        When("algorithm", "likelihood"),
        Doc("Fit the signal at the reset too, so that the first group tells of the rate."),
    ] = False
    pedestal_scatter: Annotated[
        float,
        Interval(ge=0.01, le=1e5),
        Unit("DN"),
        When("algorithm", "likelihood"),
        Doc("How well the signal at the reset is known to be 0; of single good groups, too."),
    ] = 20.0
    combine: Annotated[
        Literal["optimal", "official"],
        When("algorithm", "OLS_C"),
        Doc("Weights of segments and integrations: by their whole variance, or as official."),
    ] = "optimal"


def _limits(p: RampFitParams, ngroup: int) -> tuple[int, int]:
    """First group of the fit and the one after the last; as official, all if fewer than two."""
    start = p.firstgroup or 0
    stop = ngroup if p.lastgroup is None else p.lastgroup + 1
    return (0, ngroup) if start >= stop - 1 else (start, min(stop, ngroup))


def _groups(ramp: Ramp, p: RampFitParams, model: DroppedGroups | None) -> Groups:
    """Which groups exist and which are fitted.

    MIRI's groups that no pixel can use, the leading ones and the last, are taken as if they had not
    been read.
    """
    ngroup = ramp.data.shape[1]
    start, stop = _limits(p, ngroup)
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
    unusable = np.count_nonzero(flags & np.uint8(_BAD), axis=0)
    count = (len(flags) - unusable).astype(np.float32)
    return Frame(title="usable groups", data=count, unit="groups", dq=rate.dq, **s.place)


def _reduced_chi2(s: Shown, title: str, chi2: Array | None, dof: Array | None, why: str) -> Frame:
    """Frame of chi2 / dof; one of NaN that says why where they are not known."""
    rate = s.after
    assert isinstance(rate, Rate)
    data, note = np.full(rate.shape, np.nan, np.float32), why
    if chi2 is not None and dof is not None:
        data, note = _ratio(chi2, dof), ""
    return Frame(
        title=title, data=data, unit="", dq=rate.dq, limits=_CHI2_LIMITS, note=note, **s.place
    )


def _straightness(s: Shown) -> Frame:
    rate = s.after
    assert isinstance(rate, Rate)
    title, why = "reduced chi2 of the line", "this algorithm tells no chi2"
    return _reduced_chi2(s, title, rate.chi2, rate.dof, why)


def _between(s: Shown) -> Frame:
    rate = s.after
    assert isinstance(rate, Rate)
    title, why = "reduced chi2 between integrations", "this algorithm tells no chi2"
    dof = None
    if rate.integrations is not None:
        dof = np.isfinite(rate.integrations.data).sum(axis=0, dtype=np.int32) - 1
        if len(rate.integrations.data) == 1:
            why = "a single integration"
    return _reduced_chi2(s, title, rate.chi2_between, dof, why)


_VIEWS = (
    View(title="signal to noise", draw=_signal_to_noise),
    View(title="Poisson part of the variance", draw=_poisson_part),
    View(title="chi2 / dof", draw=_straightness),
    View(title="chi2 between integrations", draw=_between),
    View(title="usable groups", draw=_usable_groups, compares=True),
)


def _with_first_frame(ramp: Ramp) -> tuple[Array, Array]:
    """Samples and flags with the zero frame as a group of its own, as the official LIKELY does."""
    assert ramp.zeroframe is not None
    n = ramp.exposure.nframes
    zero, first = ramp.zeroframe[:, None], ramp.data[:, :1]
    rest = (first * np.float32(n) - zero) / np.float32(n - 1)
    data = np.concatenate([zero, rest, ramp.data[:, 1:]], axis=1)
    return data, np.concatenate([ramp.groupdq[:, :1], ramp.groupdq], axis=1)


def _officially_combined(ints: Array) -> Array:
    """Rate, variances and error [4, npix] of integrations [4, nint, npix], as LIKELY."""
    data, poisson, read = ints[:3].astype(np.float64)
    with np.errstate(all="ignore"), silence():
        rate = np.nanmedian(data, axis=0)
        for _ in range(2):
            scale = rate / data
            scale[~np.isfinite(scale) | (scale < 0)] = 0
            scaled = poisson * scale
            weight = 1 / (scaled + read)
            weight /= np.nansum(weight, axis=0)
            rate = np.nansum(data * weight, axis=0)
        sums = [np.nansum(var * weight**2, axis=0) for var in (scaled, read)]
        planes: Array = np.stack([rate, *sums, np.sqrt(sums[0] + sums[1])])
    none = np.isnan(data).all(axis=0)
    planes[:, none] = np.nan
    return planes


def _by_likelihood(ramp: Ramp, p: RampFitParams, gain: GainRef, readnoise: ReadnoiseRef) -> Rate:
    """Fit by likelihood, ours or as the official LIKELY."""
    nint, ngroup = ramp.data.shape[:2]
    official = p.algorithm == "LIKELY"
    framed = official and ramp.zeroframe is not None and ramp.exposure.nframes > 1
    samples, groupdq = ramp.data, ramp.groupdq
    start, stop = _limits(p, ngroup)
    if (start, stop) != (0, ngroup):
        groupdq = groupdq.copy()
        groupdq[:, :start] |= np.uint8(dq.DO_NOT_USE)
        groupdq[:, stop:] |= np.uint8(dq.DO_NOT_USE)
    if framed:
        samples, groupdq = _with_first_frame(ramp.replace(groupdq=groupdq))
    data, groupdq = flatten(samples), flatten(groupdq)
    noise = Noise.of(ramp, gain, readnoise)
    pattern, terms = pattern_for(ramp.exposure, zero=framed)
    npix = noise.gain.size
    dark = noise.dark
    if official:
        if ramp.average_dark_current is not None:
            dark = flatten(ramp.average_dark_current)  # e-/s for DN/s, as officially
        groupdq, draft = _officially_searched(
            data, groupdq, noise, pattern, terms, framed or ramp.exposure.nframes > 1
        )
    elif ramp.draft is not None:
        draft = ramp.draft.reshape(nint, npix)
    else:
        draft = np.full((nint, npix), np.nan, np.float32)
    draft.flags.writeable = False
    zero = np.zeros((nint, npix), np.float32)
    if ramp.zeroframe is not None:
        zero = flatten(ramp.zeroframe)
    zero.flags.writeable = False
    pixeldq = flatten(ramp.pixeldq) | noise.flags
    pixeldq.flags.writeable = False
    how = Line(
        official=official,
        pedestal=p.pedestal and not official,
        lone=not (p.suppress_one_group and ngroup > 1) and not official,
        scatter=p.pedestal_scatter,
        frame=ramp.exposure.frame_time,
    )
    rate = np.empty((4, 1, npix), np.float32)
    # of a single integration the same, not a copy
    ints = rate if nint == 1 else np.empty((4, nint, npix), np.float32)
    chi2 = np.empty((nint, npix), np.float32)
    dof = np.empty((nint, npix), np.int16)
    pedestals = np.empty((nint, npix if how.pedestal else 0), np.float32)
    intsdq = np.empty((nint, npix), np.uint32)
    ratedq = np.empty(npix, np.uint32)
    between = np.empty(npix if nint > 1 else 0, np.float32)
    fit_lines(
        data, groupdq, pixeldq, draft, zero, noise.gain, noise.read, dark, pattern, terms, how,
        ints, intsdq, chi2, dof, pedestals, rate, ratedq, between,
    )  # fmt: skip
    if official and nint > 1:
        rate = _officially_combined(ints).astype(np.float32)[:, None]
    return _rates(
        ramp,
        ints,
        intsdq,
        rate[:, 0],
        ratedq,
        {"chi2": chi2, "dof": dof} | ({"pedestal": pedestals} if how.pedestal else {}),
        {
            "chi2": chi2.sum(axis=0) if nint > 1 else chi2[0],
            "dof": dof.sum(axis=0, dtype=np.int32) if nint > 1 else dof[0],
        }
        | ({"chi2_between": between} if nint > 1 else {}),
    )


def _officially_searched(
    data: Array, groupdq: Array, noise: Noise, pattern: Pattern, terms: Array, pairs: bool
) -> tuple[Array, Array]:
    """Flags with the jumps that LIKELY finds, and the rates [nint, npix] that are left.

    Every other flag makes its group one that is not to be used.
    """
    given = groupdq | (groupdq != 0) * np.uint8(dq.DO_NOT_USE)
    given.flags.writeable = False
    flagged = given.copy()
    draft = np.empty((data.shape[0], data.shape[2]), np.float32)
    how = Search(_OFFICIAL_ONE, _OFFICIAL_TWO, pairs, ALONE, 0, official=True)
    dark = np.zeros_like(noise.dark)
    dark.flags.writeable = False
    network = sorting_network(data.shape[1] - 1)
    search_jumps(
        data, given, noise.gain, noise.read, dark, pattern, terms, network, how, flagged, draft
    )
    flagged.flags.writeable = False
    return flagged, draft


def _rates(
    ramp: Ramp,
    ints: Array,
    intsdq: Array,
    rate: Array,
    ratedq: Array,
    of_ints: dict[str, Array],
    of_rate: dict[str, Array],
) -> Rate:
    """Products of planes [rate, var_P, var_R, error] and of further ones by name."""
    names = ("data", "var_poisson", "var_rnoise", "err")
    cube = (len(intsdq), *ramp.shape)
    where: dict[str, Any] = {
        "exposure": ramp.exposure,
        "box": ramp.covers,
        "source": ramp.source,
    }
    of_ints = dict(zip(names, ints, strict=True)) | {"dq": intsdq} | of_ints
    of_rate = dict(zip(names, rate, strict=True)) | {"dq": ratedq} | of_rate
    cubes: dict[str, Any] = {name: array.reshape(cube) for name, array in of_ints.items()}
    planes: dict[str, Any] = {name: array.reshape(ramp.shape) for name, array in of_rate.items()}
    return Rate(**where, **planes, integrations=RateInts(**where, **cubes))


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
    NaN for errors and variances, flagged DO_NOT_USE: ramps without two good groups, saturated from
    the first one, or of pixels without a positive gain (NO_GAIN_VALUE). With
    ``combine = "official"`` their variances are 0. By likelihood, chi2 of the line and its degrees
    of freedom are told too, and of several integrations chi2 of their rates about the common one;
    a read noise that is not known is taken as very small and flagged UNRELIABLE_SLOPE.
    """
    if p.algorithm == "likelihood" or (p.algorithm == "LIKELY" and ramp.data.shape[1] >= _FEWEST):
        return _by_likelihood(ramp, p, gain, readnoise)
    return _by_least_squares(ramp, p, gain, readnoise, model)


def _by_least_squares(
    ramp: Ramp,
    p: RampFitParams,
    gain: GainRef,
    readnoise: ReadnoiseRef,
    model: DroppedGroups | None,
) -> Rate:
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
    if groups.optimal:  # officially variances are 0 where there is no rate
        for planes, flags in ((ints, intsdq), (rate[:, 0], ratedq)):
            none = np.isnan(planes[0])
            planes[1:, none] = np.nan
            flags[none] |= np.uint32(dq.DO_NOT_USE)
    return _rates(ramp, ints, intsdq, rate[:, 0], ratedq, {}, {})
