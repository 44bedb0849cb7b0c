"""Cosmic-ray hits: jumps between two groups, by likelihood or by the two-point difference.

By likelihood, a difference of groups is a jump if chi2 of a straight line falls by more than the
threshold squared without it; several integrations help each other. Of two or three differences
that disagree the highest one holds the jump: hits only add charge.

``method = "two-point"`` is at parity with the official `jump` step without its search for snowballs
and showers. It differs on purpose in three points: thresholds of the flags after a jump count the
pixel's own DN instead of DN at the median gain; `minimum_groups` always acts (the official step
fixes it at 3 when it uses one core); and jumps that sigma clipping finds in every pixel of a group
stay flagged.

Sources: Brandt 2024 (arXiv:2404.01326); Anderson & Gordon 2011 (PASP 123, 1237).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Interval
from scipy import special, stats

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.groups import DroppedGroups, dropped_in, measure_groups
from jwinteractive.kernels.lanes import flatten, sorting_network
from jwinteractive.kernels.leaveout import ALONE, OTHERS, TOGETHER, Search, search_jumps
from jwinteractive.kernels.spread import flag_after, flag_neighbours
from jwinteractive.kernels.twopoint import clip_jumps, find_jumps
from jwinteractive.noise import Noise, pattern_for
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import step
from jwinteractive.views import Curve, Frame, Plot, Shown, View

__all__ = ["JumpParams", "jump"]

_FEWEST = 3  # groups of an integration that give two differences
_FEW, _FEW_OF_SERIES = 8, 4  # integrations fitted together; more help each other by their median
_SHAPED = 25  # integrations from which their common shape is known well enough to be taken off
_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED

Sigma = Unit("sigma")
_LIKELIHOOD = When("method", "likelihood")
_TWO_POINT = When("method", "two-point")


class JumpParams(Params):
    """Parameters of `jump`."""

    method: Annotated[
        Literal["likelihood", "two-point"],
        Doc("By likelihood of a straight line, or by each difference against the median one."),
    ] = "likelihood"
    likelihood_threshold: Annotated[
        float,
        Interval(ge=0, le=1000),
        Sigma,
        _LIKELIHOOD,
        Doc("Significance that makes a difference a jump."),
    ] = 4.5
    other_integrations: Annotated[
        bool, _LIKELIHOOD, Doc("Judge an integration by what the others say of its rate, too.")
    ] = True
    rejection_threshold: Annotated[
        float,
        Interval(ge=0, le=1000),
        Sigma,
        _TWO_POINT,
        Doc("Deviation that makes a difference a jump."),
    ] = 4.0
    three_group_rejection_threshold: Annotated[
        float,
        Interval(ge=0, le=1000),
        Sigma,
        _TWO_POINT,
        Doc("The same with three usable groups."),
    ] = 6.0
    four_group_rejection_threshold: Annotated[
        float, Interval(ge=0, le=1000), Sigma, _TWO_POINT, Doc("The same with four usable groups.")
    ] = 5.0
    flag_4_neighbors: Annotated[
        bool, Doc("Flag the four neighbours too, which charge migrates to.")
    ] = True
    max_jump_to_flag_neighbors: Annotated[
        float, Interval(ge=0), Sigma, Doc("Jumps above this leave their neighbours alone.")
    ] = 1000.0
    min_jump_to_flag_neighbors: Annotated[
        float, Interval(ge=0), Sigma, Doc("Jumps below this leave their neighbours alone.")
    ] = 10.0
    after_jump_flag_dn1: Annotated[
        float,
        Interval(ge=0, le=1e6),
        Unit("DN"),
        Doc("First size of jumps that flag later groups."),
    ] = 0.0
    after_jump_flag_time1: Annotated[
        float, Interval(ge=0, le=1e6), Unit("s"), Doc("How long jumps of the first size flag.")
    ] = 0.0
    after_jump_flag_dn2: Annotated[
        float,
        Interval(ge=0, le=1e6),
        Unit("DN"),
        Doc("Second size of jumps that flag later groups."),
    ] = 0.0
    after_jump_flag_time2: Annotated[
        float, Interval(ge=0, le=1e6), Unit("s"), Doc("How long jumps of the second size flag.")
    ] = 0.0
    min_diffs_single_pass: Annotated[
        int, Interval(ge=1), _TWO_POINT, Doc("Differences from which jumps are found all at once.")
    ] = 10
    minimum_groups: Annotated[
        int, Interval(ge=3), _TWO_POINT, Doc("Usable groups below which no jump is looked for.")
    ] = 3
    minimum_sigclip_groups: Annotated[
        int,
        Interval(ge=3),
        _TWO_POINT,
        Doc("Integrations (or groups) from which sigma clipping is used."),
    ] = 100
    only_use_ints: Annotated[
        bool,
        _TWO_POINT,
        Doc("Clip the same group of all integrations; if not, all groups together."),
    ] = True


def _skips(exposure: Exposure, p: JumpParams) -> str:
    helped = p.method == "likelihood" and p.other_integrations and exposure.nints > 1
    few = exposure.ngroups < (2 if helped else _FEWEST)
    return f"{exposure.ngroups} groups are too few to see a jump" if few else ""


def _hits(s: Shown) -> Array:
    """Nonzero where samples [group, y, x] of the integration in view are hit."""
    ramp = s.after
    assert isinstance(ramp, Ramp)
    hits: Array = ramp.groupdq[min(s.integration, len(ramp.groupdq) - 1)] & np.uint8(dq.JUMP_DET)
    return hits


def _count(s: Shown) -> Frame:
    count = np.count_nonzero(_hits(s), axis=0).astype(np.float32)
    return Frame(title="groups that are hit", data=count, unit="groups", **s.place)


def _by_group(s: Shown) -> Plot:
    hits = _hits(s)
    share = np.array([100 * np.count_nonzero(h) / h.size for h in hits])
    return Plot(
        title="jumps of the pixels in view",
        x_label="group",
        y_label="share of the pixels (%)",
        curves=(Curve(name="jumps", x=np.arange(1, len(hits) + 1), y=share, style="steps"),),
    )


def _sizes(s: Shown) -> Frame:
    """How far jumps of the group in view rise above the mean difference of unflagged groups."""
    ramp, hits = s.after, _hits(s) != 0
    assert isinstance(ramp, Ramp)
    i, g = min(s.integration, len(ramp.data) - 1), min(s.group, len(hits) - 1) % len(hits)
    size = np.full(ramp.shape, np.nan, np.float32)
    y, x = np.nonzero(hits[g])
    if g:
        data = ramp.data[i, :, y, x]
        good = (ramp.groupdq[i, :, y, x] & np.uint8(dq.JUMP_DET | _UNUSABLE)) == 0
        rise = np.diff(data, axis=1)
        pair = good[:, 1:] & (ramp.groupdq[i, :-1, y, x] & np.uint8(_UNUSABLE) == 0)
        known = pair.sum(axis=1)
        mean = np.full(len(y), np.nan, np.float32)
        np.divide(rise.sum(axis=1, where=pair), known, out=mean, where=known > 0)
        size[y, x] = rise[:, g - 1] - mean
    return Frame(title=f"size of the jumps in group {g + 1}", data=size, unit="DN", **s.place)


_VIEWS = (
    View(title="jumps by group", draw=_by_group),
    View(title="groups hit", draw=_count),
    View(title="size of the jumps", draw=_sizes),
)


def _halo(p: JumpParams) -> int:
    return 1 if p.flag_4_neighbors else 0


def _by_likelihood(ramp: Ramp, p: JumpParams, noise: Noise, flagged: Array) -> Array:
    """Flag jumps in ``flagged`` [nint, ngroup, npix]; return the rate that is left [nint, npix]."""
    nint, ngroup = ramp.data.shape[:2]
    helped = ALONE
    if p.other_integrations and nint > 1:
        few = _FEW_OF_SERIES if ramp.exposure.tso else _FEW  # a source may vary
        helped = TOGETHER if nint <= few else OTHERS
    how = Search(
        one=p.likelihood_threshold**2,
        two=float(stats.chi2(2).isf(special.erfc(p.likelihood_threshold / np.sqrt(2)))),
        pairs=ramp.exposure.nframes > 1,
        help=helped,
        shape=_SHAPED,
        official=False,
    )
    pattern, terms = pattern_for(ramp.exposure)
    draft = np.empty((nint, flagged.shape[-1]), np.float32)
    data, groupdq = flatten(ramp.data), flatten(ramp.groupdq)
    network = sorting_network(ngroup - 1)
    search_jumps(
        data, groupdq, noise.gain, noise.read, noise.dark, pattern, terms, network, how, flagged,
        draft,
    )  # fmt: skip
    return draft


def _by_two_points(
    ramp: Ramp, p: JumpParams, factor: Array, noise2: Array, dropped: Array, flagged: Array
) -> bool:
    """Flag jumps in ``flagged`` [nint, ngroup, npix]; say whether there were groups enough."""
    nint, ngroup = ramp.data.shape[:2]
    fewest = ngroup - int(dropped.sum(axis=1).max())
    sample = nint if p.only_use_ints else int((~dropped).sum())
    data, groupdq = flatten(ramp.data), flatten(ramp.groupdq)
    if sample >= p.minimum_sigclip_groups:
        network = sorting_network(nint if p.only_use_ints else nint * (ngroup - 1))
        limit = p.rejection_threshold
        clip_jumps(data, groupdq, factor, limit, p.only_use_ints, network, flagged)
    elif fewest >= p.minimum_groups:
        limits = np.array(
            [
                np.inf,
                np.inf,
                p.three_group_rejection_threshold,
                p.four_group_rejection_threshold,
                p.rejection_threshold,
            ]
        )
        network = sorting_network(nint * (ngroup - 1))
        iterate = fewest - 1 < p.min_diffs_single_pass
        find_jumps(data, groupdq, factor, noise2, limits, iterate, network, flagged)
    else:
        return False
    return True


@step(halo=_halo, skips=_skips, measure=measure_groups, views=_VIEWS)
def jump(
    ramp: Ramp,
    p: JumpParams,
    gain: GainRef,
    readnoise: ReadnoiseRef,
    model: DroppedGroups | None = None,
) -> Ramp:
    """Flag groups hit by cosmic rays: groupdq [nint, ngroup, ny, nx] gets JUMP_DET.

    Pixels without a positive gain get NO_GAIN_VALUE and DO_NOT_USE. JUMP_DET is taken off groups
    that are saturated or not to be used. ``draft`` is the rate that the search by likelihood
    leaves.
    """
    nint, _, _, nx = ramp.data.shape
    if _skips(ramp.exposure, p):
        return ramp
    data, groupdq, factor = flatten(ramp.data), flatten(ramp.groupdq), flatten(gain.data)
    flagged = groupdq.copy()
    if np.bitwise_or.reduce(flagged, axis=None) & dq.JUMP_DET:
        redundant = (flagged & _UNUSABLE).astype(bool) & (flagged & dq.JUMP_DET).astype(bool)
        flagged ^= redundant * np.uint8(dq.JUMP_DET)
    nogain = np.where(gain.data > 0, np.uint32(0), np.uint32(dq.NO_GAIN_VALUE | dq.DO_NOT_USE))
    cds = flatten(readnoise.data) * factor
    noise2 = cds * cds / np.float64(ramp.exposure.nframes)
    changes: dict[str, Any] = {}
    searched = True
    if p.method == "likelihood":
        draft = _by_likelihood(ramp, p, Noise.of(ramp, gain, readnoise), flagged)
        changes["draft"] = draft.reshape(nint, *ramp.shape)
    else:
        dropped = dropped_in(ramp, model)
        searched = _by_two_points(ramp, p, factor, noise2, dropped, flagged)
    if searched and p.flag_4_neighbors:
        low, high = p.min_jump_to_flag_neighbors, p.max_jump_to_flag_neighbors
        own = flagged
        flagged = own.copy()
        flag_neighbours(data, groupdq, factor, noise2, own, nx, low, high, flagged)
    times = np.array([p.after_jump_flag_time1, p.after_jump_flag_time2])
    lengths = (times // ramp.exposure.group_time).astype(np.int64)
    if searched and lengths.any():
        sizes = np.array([p.after_jump_flag_dn1, p.after_jump_flag_dn2], np.float32)
        flag_after(data, groupdq, factor, sizes, lengths, flagged)
    return ramp.replace(
        groupdq=flagged.reshape(ramp.groupdq.shape),
        pixeldq=ramp.pixeldq | nogain,
        **changes,
    )
