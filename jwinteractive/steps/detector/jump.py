"""Cosmic-ray hits: jumps between two groups, by the two-point difference.

Parity with the official `jump` step without its search for snowballs and showers. It differs on
purpose in three points: thresholds of the flags after a jump count the pixel's own DN instead of
DN at the median gain; `minimum_groups` always acts (the official step fixes it at 3 when it uses
one core); and jumps that sigma clipping finds in every pixel of a group stay flagged.

Sources: Anderson & Gordon 2011 (PASP 123, 1237); dossier section 1.4.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Interval

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.groups import DroppedGroups, dropped_in, measure_groups
from jwinteractive.kernels.lanes import flatten, sorting_network
from jwinteractive.kernels.spread import flag_after, flag_neighbours
from jwinteractive.kernels.twopoint import clip_jumps, find_jumps
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import step
from jwinteractive.views import Curve, Frame, Plot, Shown, View

__all__ = ["JumpParams", "jump"]

_FEWEST = 3  # groups of an integration that give two differences
_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED

Sigma = Unit("sigma")


class JumpParams(Params):
    """Parameters of `jump`."""

    rejection_threshold: Annotated[
        float, Interval(ge=0, le=1000), Sigma, Doc("Deviation that makes a difference a jump.")
    ] = 4.0
    three_group_rejection_threshold: Annotated[
        float, Interval(ge=0, le=1000), Sigma, Doc("The same with three usable groups.")
    ] = 6.0
    four_group_rejection_threshold: Annotated[
        float, Interval(ge=0, le=1000), Sigma, Doc("The same with four usable groups.")
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
        int, Interval(ge=1), Doc("Differences from which jumps are found all at once.")
    ] = 10
    minimum_groups: Annotated[
        int, Interval(ge=3), Doc("Usable groups below which no jump is looked for.")
    ] = 3
    minimum_sigclip_groups: Annotated[
        int, Interval(ge=3), Doc("Integrations (or groups) from which sigma clipping is used.")
    ] = 100
    only_use_ints: Annotated[
        bool, Doc("Clip the same group of all integrations; if not, all groups together.")
    ] = True


def _skips(exposure: Exposure, p: JumpParams) -> str:
    few = exposure.ngroups < _FEWEST
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
    that are saturated or not to be used. Ramps of fewer than three groups stay as they are.
    """
    nint, ngroup, _, nx = ramp.data.shape
    if ngroup < _FEWEST:
        return ramp
    nogain = np.where(gain.data > 0, np.uint32(0), np.uint32(dq.NO_GAIN_VALUE | dq.DO_NOT_USE))
    data, groupdq, factor = flatten(ramp.data), flatten(ramp.groupdq), flatten(gain.data)
    noise = flatten(readnoise.data) * factor
    noise2 = noise * noise / np.float64(ramp.exposure.nframes)

    redundant = (groupdq & _UNUSABLE).astype(bool) & (groupdq & dq.JUMP_DET).astype(bool)
    flagged = groupdq ^ (redundant * np.uint8(dq.JUMP_DET))
    dropped = dropped_in(ramp, model)
    fewest = ngroup - int(dropped.sum(axis=1).max())
    sample = nint if p.only_use_ints else int((~dropped).sum())
    clips = sample >= p.minimum_sigclip_groups
    if clips or fewest >= p.minimum_groups:
        if clips:
            network = sorting_network(nint if p.only_use_ints else nint * (ngroup - 1))
            limit = p.rejection_threshold
            clip_jumps(data, groupdq, factor, limit, p.only_use_ints, network, flagged)
        else:
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
        if p.flag_4_neighbors:
            low, high = p.min_jump_to_flag_neighbors, p.max_jump_to_flag_neighbors
            own = flagged
            flagged = own.copy()
            flag_neighbours(data, groupdq, factor, noise2, own, nx, low, high, flagged)
        times = np.array([p.after_jump_flag_time1, p.after_jump_flag_time2])
        lengths = (times // ramp.exposure.group_time).astype(np.int64)
        if lengths.any():
            sizes = np.array([p.after_jump_flag_dn1, p.after_jump_flag_dn2], np.float32)
            flag_after(data, groupdq, factor, sizes, lengths, flagged)
    return ramp.replace(groupdq=flagged.reshape(ramp.groupdq.shape), pixeldq=ramp.pixeldq | nogain)
