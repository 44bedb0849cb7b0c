"""Snowballs: saturated cores with wide, faint halos that `jump` finds only in part.

Method "profile" looks for newly saturated cores and measures on the data how far the light around
each reaches, in the group of the hit, the one before and those after: rings are flagged as long as
their median rises above the usual difference of their pixels, and above what pixels out of reach
have in that group. "official" grows the ellipses of connected flags by fixed factors, as the
official `jump` step does with ``expand_large_events``: bit for bit but for pixels on the very
border of an ellipse, where it is the last bit of an angle that decides officially.

Source: JDox, shower and snowball artifacts; official step `jump`; figures in
tests/golden/test_snowballs.py and `jwinteractive bench`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.ellipses import (
    EDITS_DOC,
    NOTHING,
    Found,
    covered_by,
    ellipse_words,
    flagged,
    grown_axes,
    hand_edit,
    marks_frame,
    parse,
    radius_in,
    rows_of,
    with_edits,
    write,
)
from jwinteractive.kernels.blobs import (
    AREA,
    MAJOR,
    MINOR,
    THETA,
    X,
    Y,
    blobs,
)
from jwinteractive.kernels.ellipses import (
    AFTER,
    JUMP,
    SATURATED,
    excess,
    reaches,
    with_core,
)
from jwinteractive.kernels.lanes import flatten
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import Whole, step
from jwinteractive.strips import FlagRuns, over_boxes
from jwinteractive.views import Frame, Shown, Table, View

__all__ = ["SnowballsParams", "snowballs"]

CORE, HALO, GROWN = range(3)
"""Kinds of what is found: a core; a halo as it was measured; jumps that are grown by a factor."""

_RATE = 1 / 20  # per second on a detector of 2048 x 2048 [P]
_FEWEST = 3  # groups, as in jump
_RING = 1.5  # px
_THICK = 4.0  # px; jumps of an edge that are broader are no track
_SEARCHED, _MARGIN = 8.0, 12.0  # radii of a core, and px, within which its halo is looked for
_OUTSIDE = 100  # px out of reach of a halo that tell the level of a group
_LATEST = 20  # groups after a hit that are looked at
_USUAL = 20  # differences, about, that tell a pixel's usual one where there are so many
_MOST = 400  # cores that are measured; a detector has some tens
_NO_PIXELS = np.zeros((0, 0), np.bool_)

Pixels = Unit("pix")


class SnowballsParams(Params):
    """Parameters of `snowballs`."""

    method: Annotated[
        Literal["profile", "official"],
        Doc("Measure how far each halo reaches, or grow the flags by fixed factors."),
    ] = "profile"
    halo_threshold: Annotated[
        float,
        When("method", "profile"),
        Interval(ge=0.05, le=10),
        Unit("sigma"),
        Doc("Profile: median excess of a ring's pixels down to which a halo is flagged."),
    ] = 0.3
    min_jump_area: Annotated[
        float, Interval(ge=0), Unit("pix2"), Doc("Smallest area of jumps that are looked at.")
    ] = 5.0
    min_sat_area: Annotated[
        float, Interval(ge=0), Unit("pix2"), Doc("Smallest area of a saturated core.")
    ] = 1.0
    expand_factor: Annotated[
        float,
        Interval(ge=0, le=100),
        Doc("Growth of jumps around a core; profile: of halos that cannot be measured."),
    ] = 2.0
    sat_required_snowball: Annotated[
        bool, Doc("Jumps need a saturated core; profile: unless they are broad.")
    ] = True
    min_sat_radius_extend: Annotated[
        float,
        Interval(ge=0),
        Pixels,
        Doc("Minor axis above which a core counts: official, is grown; profile, is measured."),
    ] = 2.5
    sat_expand: Annotated[
        int,
        When("method", "official"),
        Interval(ge=0, le=1000),
        Pixels,
        Doc("Official: how far saturation is grown."),
    ] = 2
    edge_size: Annotated[
        int, Interval(ge=0), Pixels, Doc("From edges within which jumps need no core.")
    ] = 25
    max_extended_radius: Annotated[
        int, Interval(ge=1, le=2048), Pixels, Doc("Largest semi-axis of what is flagged.")
    ] = 200
    mask_snowball_core_next_int: Annotated[
        bool, Doc("Flag cores as jumps in the next integration too.")
    ] = True
    snowball_time_masked_next_int: Annotated[
        int,
        When("mask_snowball_core_next_int", True),
        Interval(ge=0),
        Unit("s"),
        Doc("How long they are flagged in it."),
    ] = 4000
    edits: Annotated[str, Doc(EDITS_DOC)] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "edits", write(parse(self.edits, "snowballs.edits")))


def _table(i: int, g: int, found: Array, kind: int, event: int) -> Array:
    """Rows of a `Found` from blobs; each is an event of its own, from number ``event`` on."""
    n = len(found)
    same = np.full((4, n), [[i], [g], [kind], [0]], float)
    axes = found[:, [MAJOR, MINOR]] / 2
    number = np.arange(event, event + n)
    return np.column_stack(
        [same[0], same[1], found[:, [Y, X]], axes, found[:, THETA], same[2], number, found[:, AREA]]
    )


def _official(whole: Whole, p: SnowballsParams) -> Found:
    """Jumps with a core in them and cores, one after the other: grown cores hide what follows."""
    runs, exposure, shape = FlagRuns(whole), whole.exposure, whole.box.shape
    rows = [np.zeros((0, 10))]
    events = 0
    for i in range(exposure.nints):
        covered = _NO_PIXELS
        for g in range(1, exposure.ngroups):
            jumps = blobs(runs.jumps(i, g), covered, p.min_jump_area)
            cores = np.zeros((0, 6))
            if p.sat_required_snowball:
                cores = blobs(runs.saturated(i, g), covered, p.min_sat_area)
                inner = [cores]
                if g < exposure.ngroups - 1:
                    inner.append(blobs(runs.saturated(i, g + 1), covered, p.min_sat_area))
                jumps = jumps[with_core(jumps, np.concatenate(inner), p.edge_size, shape[0])]
                cores = cores[cores[:, MINOR] > p.min_sat_radius_extend]
            rows.append(_table(i, g, jumps, GROWN, events))
            events += len(jumps)
            if len(cores):
                rows.append(_table(i, g, cores, CORE, events))
                covered = covered_by(_drawn(rows[-1], p, exposure), shape, covered)
    return Found(table=np.concatenate(rows), events=events)


def _candidates(runs: FlagRuns, p: SnowballsParams, exposure: Exposure, box: Box) -> list[Array]:
    """Rows of a `Found`, one each: cores, and broad jumps where none is needed."""
    found: list[Array] = []
    for i in range(exposure.nints):
        known = np.zeros((0, 3))  # y, x and semi-axis of what there is so far
        for g in range(1, exposure.ngroups):
            cores = blobs(runs.saturated(i, g), _NO_PIXELS, p.min_sat_area)
            cores = cores[cores[:, MINOR] > p.min_sat_radius_extend]
            wide = blobs(runs.jumps(i, g), _NO_PIXELS, max(p.min_jump_area, _THICK**2))
            wide = wide[wide[:, MINOR] > _THICK]
            if p.sat_required_snowball:
                y, x, edge = wide[:, Y], wide[:, X], p.edge_size
                wide = wide[
                    (np.minimum(y, x) < edge) | (y > box.y1 - 1 - edge) | (x > box.x1 - 1 - edge)
                ]
            for blob in (*cores, *wide):
                # what saturates next to a core, and jumps around it, are of the same event
                away = np.hypot(known[:, 0] - blob[Y], known[:, 1] - blob[X])
                if (away < np.maximum(known[:, 2], blob[MAJOR] / 2) + 1).any():
                    continue
                known = np.vstack([known, [blob[Y], blob[X], blob[MAJOR] / 2]])
                found.append(_table(i, g, blob[None], CORE, len(found))[0])
    largest = np.argsort([-row[9] for row in found], kind="stable")[:_MOST]
    return [found[k] for k in np.sort(largest)]


def _profile(whole: Whole, p: SnowballsParams, gain: GainRef, readnoise: ReadnoiseRef) -> Found:
    """Cores, and how far their light reaches in each group."""
    exposure, all_pixels = whole.exposure, whole.box
    candidates = _candidates(FlagRuns(whole), p, exposure, all_pixels)

    def searched(row: Array) -> Box:
        reach = min(p.max_extended_radius, int(_SEARCHED * row[4] + _MARGIN))
        y, x = int(row[2]), int(row[3])
        return Box.around(y, x, reach).clip(all_pixels)

    def halo(ramp: Ramp, row: Array) -> Array:
        factor = flatten(gain.crop(ramp.covers).data)
        noise = flatten(readnoise.crop(ramp.covers).data) * factor
        return _halo(ramp, row, p, factor, noise * noise / np.float32(exposure.nframes))

    tasks = [(searched(row), row) for row in candidates]
    found = [np.zeros((0, 10)), *over_boxes(whole, tasks, halo)]
    table = np.concatenate(found)
    return Found(table=table, events=len(np.unique(table[:, 8])))


def _halo(ramp: Ramp, core: Array, p: SnowballsParams, gain: Array, noise2: Array) -> Array:
    """Rows of a `Found` for one core: it and a halo in each group; none if there is no light."""
    nint, ngroup = ramp.data.shape[:2]
    i, g = int(core[0]), int(core[1])
    y0, x0, inner_a, inner_b, theta = core[2:7]
    near = _USUAL // (ngroup - 1)
    low, high = max(i - near, 0), min(i + near + 1, nint)
    first, end = max(g - 1, 1), min(g + _LATEST, ngroup)
    data, flags = flatten(ramp.data[low:high]), flatten(ramp.groupdq[low:high])
    z = np.empty((end - first, data.shape[-1]), np.float32)
    excess(data, flags, gain, noise2, i - low, first, end, z)

    # semi-axes to the outer edges of the pixels; distance along the ray from the centre
    a, b = inner_a + 0.5, inner_b + 0.5
    box = ramp.covers
    radius = np.maximum(radius_in(box, y0, x0, a, b, theta), 1e-3)
    away = np.hypot(np.arange(box.y0, box.y1)[:, None] - y0, np.arange(box.x0, box.x1) - x0)
    beyond = away * (1 - 1 / radius)
    far = min(p.max_extended_radius, max(_SEARCHED * inner_a + _MARGIN, a + _RING)) - a
    z -= _levels(z, (beyond >= far).ravel())
    beyond[beyond >= far] = -1
    reach = reaches(z, beyond.ravel(), _RING, p.halo_threshold)

    at = g - first
    if np.isnan(reach[at]):
        return np.stack([core, _with(core, kind=GROWN)])
    if reach[at] == 0:
        return np.zeros((0, 10))  # a star that saturates, or a hit without a halo
    rows = [core]
    for h in range(first, end):
        if h > g and not reach[h - first] > 0:
            break
        if reach[h - first] > 0:
            grown = reach[h - first]
            rows.append(_with(core, group=h, a=a + grown, b=b + grown, kind=HALO))
    return np.stack(rows)


def _levels(z: Array, outside: Array) -> Array:
    """Median excess [group, 1] out of reach of a halo, such as 1/f noise gives a whole group."""
    levels = np.zeros((len(z), 1), z.dtype)
    for level, excess_outside in zip(levels, z[:, outside], strict=True):
        known = excess_outside[np.isfinite(excess_outside)]
        if len(known) >= _OUTSIDE:
            level[0] = np.median(known)
    return levels


def _with(row: Array, **changes: float) -> Array:
    columns = {"group": 1, "a": 4, "b": 5, "kind": 7}
    row = row.copy()
    for name, value in changes.items():
        row[columns[name]] = value
    return row


def measure_snowballs(
    whole: Whole, p: SnowballsParams, gain: GainRef, readnoise: ReadnoiseRef
) -> Found:
    """Find the events of the whole exposure; every strip is looked at once.

    Method "profile" then looks at a small box around each core.
    """
    if p.method == "official":
        return _official(whole, p)
    return _profile(whole, p, gain, readnoise)


def _drawn(table: Array, p: SnowballsParams, exposure: Exposure) -> Array:
    """What to paint, see `jwinteractive.ellipses.with_edits`, for rows of a `Found`."""
    i, g, y, x, a, b, theta, kind, event = table.T[:9]
    common = {"i": i, "first": g, "end": g + 1, "theta": theta, "origin": event}
    widest = 2.0 * p.max_extended_radius
    whole_y, whole_x = np.rint(y), np.rint(x)
    long, wide = grown_axes(a, b, p.expand_factor, p.max_extended_radius)
    grown = rows_of(**common, y=whole_y, x=whole_x, a=long, b=wide, how=JUMP)
    halos = rows_of(**common, y=y, x=x, a=np.minimum(a, widest / 2), b=b, how=JUMP)
    to_the_end = common | {"end": exposure.ngroups}
    if p.method == "official":
        long = np.rint(np.minimum(2 * a + 2 * p.sat_expand, widest) / 2)
        wide = np.rint(np.minimum(2 * b + 2 * p.sat_expand, widest) / 2)
        cores = rows_of(**to_the_end, y=whole_y, x=whole_x, a=long, b=wide, how=SATURATED)
    else:
        cores = rows_of(**to_the_end, y=y, x=x, a=a + 0.5, b=b + 0.5, how=NOTHING)
    return np.concatenate([cores[kind == CORE], halos[kind == HALO], grown[kind == GROWN]])


def _shown(model: Found | None, p: SnowballsParams, exposure: Exposure) -> Array:
    """All that is painted: what was found and drawn, and cores in the next integration."""
    found = _drawn(model.table if model is not None else np.zeros((0, 10)), p, exposure)
    last = min(int(p.snowball_time_masked_next_int // exposure.group_time), exposure.ngroups)
    if model is not None and p.mask_snowball_core_next_int and last > 1:
        t = model.table[model.table[:, 7] == CORE]
        t = t[t[:, 0] < exposure.nints - 1]
        y, x, a, b = np.rint(t[:, 2:6].T)
        later = {"i": t[:, 0] + 1, "first": 1, "end": last, "theta": t[:, 6], "origin": t[:, 8]}
        found = np.concatenate([found, rows_of(**later, y=y, x=x, a=a, b=b, how=AFTER)])
    return with_edits(found, p.edits, exposure, "snowballs.edits")


def _skips(exposure: Exposure, p: SnowballsParams) -> str:
    few = exposure.ngroups < _FEWEST
    return f"{exposure.ngroups} groups are too few to see a snowball" if few else ""


def _params(s: Shown) -> SnowballsParams:
    return s.params if isinstance(s.params, SnowballsParams) else SnowballsParams()


def _over_frame(s: Shown) -> Frame:
    return marks_frame(s, _shown(s.model, _params(s), s.after.exposure), "snowball")


def _events(s: Shown) -> Table:
    e = s.after.exposure
    ny, nx = s.shape or s.after.shape
    seconds = e.nints * (e.ngroups - 1) * e.group_time
    found = s.model.events if s.model is not None else 0
    expected = seconds * _RATE * ny * nx / 2048**2
    names = {CORE: "core", HALO: "halo", GROWN: "grown jumps"}
    rows = [
        (
            int(r[0]) + 1,
            int(r[1]) + 1,
            *(round(float(v), 1) for v in (*r[2:4], *(2 * r[4:6]))),
            names[int(r[7])],
        )
        for r in (s.model.table if s.model is not None else ())
    ]
    title = f"{found} events in {seconds:.0f} s; {expected:.1f} snowballs are usual"
    columns = ("integration", "group", "y", "x", "length", "width", "kind")
    return Table(title=title, columns=columns, rows=tuple(rows))


@step(
    halo=0,
    version=2,
    skips=_skips,
    cal_step="jump",
    measure=measure_snowballs,
    views=(
        View(title="snowballs", draw=_over_frame, edit=hand_edit(lambda p, exposure: 1)),
        View(title="events", draw=_events),
    ),
    words={"edits": ellipse_words},
    late=(
        "edits",
        "expand_factor",
        "mask_snowball_core_next_int",
        "snowball_time_masked_next_int",
    ),
)
def snowballs(
    ramp: Ramp,
    p: SnowballsParams,
    gain: GainRef,
    readnoise: ReadnoiseRef,
    model: Found,
) -> Ramp:
    """Flag snowballs and what a person drew: groupdq [nint, ngroup, ny, nx] gets JUMP_DET."""
    return flagged(ramp, _shown(model, p, ramp.exposure))
