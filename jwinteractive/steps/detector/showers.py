"""MIRI showers: patches of faint light that last for several groups and decay.

Method "profile" adds up what rises above the usual difference of each pixel, over the area of the
smallest shower and the groups that one lasts, and flags each patch for that time or as long as it
stands out. "official"
is the search of the official `jump` step with ``find_showers``. It differs on purpose in two
points: a group whose flags the official search overlooks when it takes the median (two bits at
once) is left out of it, and many integrations are not sigma-clipped.

Source: JDox, shower and snowball artifacts; official step `jump`; figures in
tests/golden/test_showers.py.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.ellipses import (
    EDITS_DOC,
    Found,
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
from jwinteractive.kernels.blobs import AREA, MAJOR, MINOR, THETA, X, Y, blobs
from jwinteractive.kernels.ellipses import JUMP
from jwinteractive.kernels.lanes import dropped_groups, flatten
from jwinteractive.kernels.showers import (
    differences_in_sigma,
    keep_small_changes,
    ring,
    smoothed_runs,
    stacked,
)
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import Whole, step
from jwinteractive.strips import over_boxes, over_strips
from jwinteractive.views import Frame, Shown, Table, View

__all__ = ["ShowersParams", "showers"]

_RATE = 1 / 40  # per second on a detector of 1024 x 1032 [E]
_FEWEST = 10  # differences
_OFFICIAL_AMPLITUDE = 6.0  # e-/s, whatever the parameter says [O]
_UNUSABLE = dq.DO_NOT_USE | dq.SATURATED | dq.JUMP_DET  # of the pixel
_SEEN = 0.5  # of the smallest area stands out when it is smoothed over itself
_EACH = 4  # of the pixels whose median is taken
_MAD = 1.4826  # to the width of a normal distribution
_MOST = 400  # patches that are looked at
_NO_PIXELS = np.zeros((0, 0), np.bool_)

Pixels = Unit("pix")


class ShowersParams(Params):
    """Parameters of `showers`."""

    method: Annotated[
        Literal["profile", "official"],
        Doc("Follow each patch over its groups, or flag a fixed time as officially."),
    ] = "profile"
    shower_threshold: Annotated[
        float,
        When("method", "profile"),
        Interval(ge=2, le=100),
        Unit("sigma"),
        Doc("Profile: significance of the light around a pixel from which it counts."),
    ] = 4.0
    extend_snr_threshold: Annotated[
        float,
        When("method", "official"),
        Interval(ge=0),
        Unit("sigma"),
        Doc("Official: mean deviation of a ring's pixels."),
    ] = 1.2
    extend_min_area: Annotated[
        int, Interval(ge=1), Unit("pix2"), Doc("Smallest area of a shower.")
    ] = 90
    extend_inner_radius: Annotated[
        float,
        When("method", "official"),
        Interval(ge=0, le=50),
        Pixels,
        Doc("Inner radius of the ring that is averaged."),
    ] = 1.0
    extend_outer_radius: Annotated[
        float,
        When("method", "official"),
        Interval(ge=0.1, le=50),
        Pixels,
        Doc("Width of the ring that is averaged."),
    ] = 2.6
    extend_ellipse_expand_ratio: Annotated[
        float, Interval(ge=0, le=100), Doc("Growth of the ellipse of a shower.")
    ] = 1.1
    time_masked_after_shower: Annotated[
        float,
        Interval(ge=0, le=1e5),
        Unit("s"),
        Doc("How long a shower lasts: flagged officially, looked at by profile."),
    ] = 15.0
    max_extended_radius: Annotated[
        int, Interval(ge=1, le=2048), Pixels, Doc("Largest semi-axis of what is flagged.")
    ] = 200
    max_shower_amplitude: Annotated[
        float,
        When("method", "profile"),
        Interval(ge=0),
        Unit("DN/s"),
        Doc(
            "Flags that change a pixel's rate by more are taken back; the official step takes 6 "
            "e-/s whatever is set."
        ),
    ] = 4.0
    edits: Annotated[str, Doc(EDITS_DOC)] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "edits", write(parse(self.edits, "showers.edits")))


def _lasts(p: ShowersParams, exposure: Exposure) -> int:
    """Groups that a shower lasts after its first."""
    return int(p.time_masked_after_shower // exposure.group_time)


def _z(ramp: Ramp, gain: GainRef, readnoise: ReadnoiseRef, p: ShowersParams) -> Array:
    """Differences in sigma [nint, ngroup - 1, npix] of a box; NaN where there is none."""
    official = p.method == "official"
    factor = flatten(gain.crop(ramp.covers).data)
    noise = flatten(readnoise.crop(ramp.covers).data) * factor
    noise2 = noise * noise / np.float32(ramp.exposure.nframes)
    pixel = flatten(ramp.pixeldq)
    reference = pixel == dq.REFERENCE_PIXEL if official else pixel & dq.REFERENCE_PIXEL != 0
    data = flatten(ramp.data)
    nint, ngroup, npix = data.shape
    z: Array = np.empty((nint, ngroup - 1, npix), np.float32)
    unusable = np.asarray((pixel & _UNUSABLE != 0) | reference)
    differences_in_sigma(data, flatten(ramp.groupdq), unusable, factor, noise2, not official, z)
    return z


def _weights(p: ShowersParams, exposure: Exposure) -> Array:
    """How much of a shower's light each group from its first on gets, the first 1."""
    time = max(p.time_masked_after_shower, exposure.group_time)
    after = np.arange(_lasts(p, exposure) + 1) * exposure.group_time
    weights: Array = np.exp(-after / time).astype(np.float32)
    return weights


def measure_showers(
    whole: Whole, p: ShowersParams, gain: GainRef, readnoise: ReadnoiseRef
) -> Found:
    """Find the showers of the whole exposure; strips are looked at once, but for their borders.

    Method "profile" then looks at a small box around each patch.
    """
    exposure = whole.exposure
    official = p.method == "official"
    # the smallest shower that is looked for is seen best over its own area
    smallest = np.sqrt(p.extend_min_area / np.pi)
    outer = p.extend_inner_radius + p.extend_outer_radius if official else max(smallest, 1.0)
    offsets = ring(p.extend_inner_radius if official else 0.0, outer)
    reach = int(outer)
    least = p.extend_min_area * (1.0 if official else _SEEN)
    weights = _weights(p, exposure)

    def look(ramp: Ramp, strip: Box) -> tuple[Array, Array]:
        z = _z(ramp, gain, readnoise, p)
        limit, power = p.extend_snr_threshold, 1.0
        if not official:
            limit, power = p.shower_threshold, 0.5
            stacked(z, weights)
            _standardise(z)
        z = z.reshape(*z.shape[:2], *ramp.shape)
        y0 = ramp.covers.y0
        top, bottom = strip.y0 - y0, strip.y1 - y0
        runs = smoothed_runs(z, offsets, limit, power, top, bottom, y0)
        return runs, dropped_groups(flatten(ramp.groupdq))

    parts = over_strips(whole, look, reach)
    dropped = np.logical_and.reduce([d for _, d in parts])
    none = Found(table=np.zeros((0, 10)), events=0)
    if exposure.nints * (exposure.ngroups - 1) - int(dropped.sum()) < _FEWEST:
        return none
    runs = np.concatenate([r for r, _ in parts])
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    planes, starts = np.unique(runs[:, 0], return_index=True)
    ends = np.append(starts[1:], len(runs))[: len(starts)]
    rows = [none.table]
    for plane, start, end in zip(planes, starts, ends, strict=True):
        mine = runs[start:end]
        found = blobs(mine, _NO_PIXELS, least)
        i, g = divmod(int(plane), exposure.ngroups)
        n = len(found)
        rows.append(
            np.column_stack(
                [
                    np.full((n, 2), [i, g]),
                    found[:, [Y, X]],
                    found[:, [MAJOR, MINOR]] / 2,
                    found[:, THETA],
                    np.full(n, 1 + _lasts(p, exposure)),
                    np.arange(n) + sum(len(r) for r in rows),
                    found[:, AREA],
                ]
            )
        )
    table = np.concatenate(rows)
    if not official:
        table = _followed(whole, table, p, gain, readnoise)
    return Found(table=table, events=len(table))


def _standardise(z: Array) -> None:
    """Bring each plane [nint, ngroup - 1, npix] to median 0 and width 1, in place.

    What all pixels of a group have in common is no shower. The read noise of neighbouring
    differences cancels in their sum, so that its noise is less than that of independent ones.
    """
    for plane in z.reshape(-1, z.shape[-1]):
        some = plane[::_EACH]
        some = some[np.isfinite(some)]
        if some.size:
            level = np.median(some)
            width = _MAD * np.median(np.abs(some - level))
            plane -= level
            plane /= width if width > 0 else np.float32(1)


def _followed(
    whole: Whole, table: Array, p: ShowersParams, gain: GainRef, readnoise: ReadnoiseRef
) -> Array:
    """One row a shower, from the first group in which its ellipse stands out to the last."""
    lasts = _lasts(p, whole.exposure)
    kept: list[Array] = []
    # a shower rises in the sums of groups before it and after: its largest patch is the best
    for row in table[np.argsort(-table[:, 9], kind="stable")]:
        same = (
            r[0] == row[0]
            and abs(r[1] - row[1]) <= 2 * lasts + 1
            and np.hypot(r[2] - row[2], r[3] - row[3]) <= max(r[4], row[4])
            for r in kept
        )
        if len(kept) < _MOST and not any(same):
            kept.append(row)

    def around(row: Array) -> Box:
        return Box.around(int(row[2]), int(row[3]), int(row[4]) + 2).clip(whole.box)

    def follow(ramp: Ramp, row: Array) -> Array | None:
        y, x, a, b, theta = row[2:7]
        radius = radius_in(ramp.covers, y, x, max(a, 1.0), max(b, 1.0), theta)
        z = _z(ramp, gain, readnoise, p)[int(row[0])]
        z = z[:, (radius < 1).ravel()]
        known = np.isfinite(z)
        n = known.sum(axis=1)
        light = np.where(known, z, 0).sum(axis=1) / np.sqrt(np.maximum(n, 1))
        return _group_range(row, light, lasts, p.shower_threshold)

    tasks = [(around(row), row) for row in kept]
    found = [row for row in over_boxes(whole, tasks, follow) if row is not None]
    return np.array(found).reshape(-1, 10)


def _group_range(row: Array, light: Array, lasts: int, threshold: float) -> Array | None:
    """The row with its first group and how many there are, from its light by difference."""
    d = int(row[1]) - 1
    low, high = max(d - lasts, 0), min(d + 2 * lasts + 1, len(light))
    peak = low + int(np.argmax(light[low:high]))
    if not light[peak] > threshold:
        return None
    first = peak
    while first > 0 and light[first - 1] > threshold:
        first -= 1
    end = max(peak + 1, first + 1 + lasts)  # a faint one fades below what a group shows
    while end < len(light) and light[end] > threshold / 2:
        end += 1
    row = row.copy()
    row[1], row[7] = first + 1, end - first
    return row


def _drawn(model: Found | None, p: ShowersParams, exposure: Exposure) -> Array:
    """What to paint of the showers that were found."""
    table = model.table if model is not None else np.zeros((0, 10))
    i, g, y, x, a, b, theta, groups, event = table.T[:9]
    long, wide = grown_axes(a, b, p.extend_ellipse_expand_ratio, p.max_extended_radius)
    end = np.minimum(g + groups, exposure.ngroups)
    place = {"y": np.rint(y), "x": np.rint(x), "a": long, "b": wide, "theta": theta}
    return rows_of(i=i, first=g, end=end, **place, how=JUMP, origin=event)


def _shown(model: Found | None, p: ShowersParams, exposure: Exposure) -> Array:
    return with_edits(_drawn(model, p, exposure), p.edits, exposure, "showers.edits")


def _skips(exposure: Exposure, p: ShowersParams) -> str:
    if exposure.instrument != "MIRI":
        return f"showers is for MIRI only, not for {exposure.instrument}"
    few = exposure.nints * (exposure.ngroups - 1)
    return f"{few} differences of groups are too few to see a shower" if few < _FEWEST else ""


def _params(s: Shown) -> ShowersParams:
    return s.params if isinstance(s.params, ShowersParams) else ShowersParams()


def _over_frame(s: Shown) -> Frame:
    return marks_frame(s, _shown(s.model, _params(s), s.after.exposure), "shower")


def _events(s: Shown) -> Table:
    e = s.after.exposure
    ny, nx = s.shape or s.after.shape
    seconds = e.nints * (e.ngroups - 1) * e.group_time
    table = s.model.table if s.model is not None else np.zeros((0, 10))
    expected = seconds * _RATE * ny * nx / (1024 * 1032)
    rows = [
        (
            int(r[0]) + 1,
            int(r[1]) + 1,
            int(r[7]),
            *(round(float(v), 1) for v in (*r[2:4], *(2 * r[4:6]))),
        )
        for r in table
    ]
    return Table(
        title=f"{len(table)} showers in {seconds:.0f} s; {expected:.1f} are usual",
        columns=("integration", "group", "groups", "y", "x", "length", "width"),
        rows=tuple(rows),
    )


@step(
    halo=0,
    skips=_skips,
    cal_step="jump",
    measure=measure_showers,
    views=(
        View(
            title="showers",
            draw=_over_frame,
            edit=hand_edit(lambda p, exposure: 1 + _lasts(p, exposure)),
        ),
        View(title="events", draw=_events),
    ),
    words={"edits": ellipse_words},
    late=("edits", "extend_ellipse_expand_ratio", "max_shower_amplitude"),
)
def showers(
    ramp: Ramp,
    p: ShowersParams,
    gain: GainRef,
    readnoise: ReadnoiseRef,
    model: Found,
) -> Ramp:
    """Flag showers and what a person drew: groupdq [nint, ngroup, ny, nx] gets JUMP_DET."""
    drawn = _shown(model, p, ramp.exposure)
    by_hand = drawn[:, 9] < 0
    found = flagged(ramp, drawn[~by_hand])
    if found is not ramp:
        groupdq = found.groupdq.copy()
        data, before = flatten(ramp.data), flatten(ramp.groupdq)
        factor = flatten(gain.data)
        most = p.max_shower_amplitude
        if p.method == "official":
            most = _OFFICIAL_AMPLITUDE
        else:
            factor = np.ones_like(factor)
        most *= ramp.exposure.group_time
        keep_small_changes(data, before, factor, most, groupdq.reshape(before.shape))
        found = ramp.replace(groupdq=groupdq)
    return flagged(found, drawn[by_hand])
