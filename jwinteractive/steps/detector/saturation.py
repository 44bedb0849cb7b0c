"""Flag samples at saturation, and those that touch or hide one.

Source: official step `saturation` (stcal 1.20), whose comparisons are made here in
the same precision. In groups that average frames a pixel may saturate within a group whose mean
stays below the threshold: such a group is not used.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Interval
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array, Ramp
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.references import SaturationRef, SuperbiasRef
from jwinteractive.step import step
from jwinteractive.views import Curve, Frame, Plot, Shown, View

_NEVER = np.float32(65536)  # above what the converter can give
_ZERO = np.float32(0)
_NONE = np.uint8(0)
_SATURATED = np.uint8(dq.SATURATED)
_DO_NOT_USE = np.uint8(dq.DO_NOT_USE)
_AD_FLOOR = np.uint8(dq.AD_FLOOR | dq.DO_NOT_USE)
_USED_UP = np.uint8(dq.SATURATED | dq.DO_NOT_USE)


class SaturationParams(Params):
    """Parameters of `saturation`."""

    n_pix_grow_sat: Annotated[
        int,
        Interval(ge=0, le=20),
        Unit("pix"),
        Doc("Layers of pixels around a saturated one that are flagged too: spilled charge."),
    ] = 1
    use_readpatt: Annotated[
        bool, Doc("Look for saturation hidden within groups that average frames.")
    ] = True


# Each loop over a row is a kernel of its own: within deeper loops it is not vectorised.


@njit(cache=True, nogil=True)
def _compare(row: Array, threshold: Array, before: Array, full: Array, out: Array) -> np.uint8:
    """Flag a row; ``full`` remembers what has saturated. Nonzero if any sample is."""
    found = np.uint8(0)
    for x in range(len(row)):
        value, limit = row[x], threshold[x]
        ever = full[x] | (_SATURATED if value >= limit else _NONE)
        flags = before[x] | ever
        full[x] = ever
        out[x] = flags | (_AD_FLOOR if value <= _ZERO else _NONE)
        found |= flags
    return found & _SATURATED


@njit(cache=True, nogil=True)
def _union(row: Array, out: Array) -> None:
    for x in range(len(out)):
        out[x] |= row[x]


@njit(cache=True, nogil=True)
def _widen(row: Array, bit: np.uint8, reach: int, out: Array) -> None:
    """Set ``bit`` within ``reach`` columns of where the row has it; other bits are cleared."""
    for x in range(len(row)):
        out[x] = row[x] & bit
    own = out.copy()
    for d in range(1, min(reach, len(row) - 1) + 1):
        _union(own[d:], out[:-d])
        _union(own[:-d], out[d:])


@njit(cache=True, nogil=True)
def _grow(marks: Array, hit: Array, bit: np.uint8, reach: int, wide: Array, out: Array) -> None:
    """Set ``bit`` in ``out`` within ``reach`` of where ``marks`` has it, in the rows ``hit``.

    ``wide`` is scratch of the shape of ``marks``, which may be ``out``.
    """
    ny = len(marks)
    for y in range(ny):
        if hit[y]:
            _widen(marks[y], bit, reach, wide[y])
    for y in range(ny):
        for near in range(max(0, y - reach), min(ny, y + reach + 1)):
            if hit[near]:
                _union(wide[near], out[y])


@njit(cache=True, nogil=True)
def _flag(data: Array, groupdq: Array, threshold: Array, reach: int, out: Array) -> None:
    """Flags of each sample: saturated from the first one at the threshold on, or at the floor."""
    nint, ngroup, ny, nx = data.shape
    full = np.empty((ny, nx), np.uint8)
    wide = np.empty((ny, nx), np.uint8)
    hit = np.empty(ny, np.uint8)
    for i in range(nint):
        full[:] = 0
        for g in range(ngroup):
            for y in range(ny):
                hit[y] = _compare(
                    data[i, g, y], threshold[y], groupdq[i, g, y], full[y], out[i, g, y]
                )
            _grow(out[i, g], hit, _SATURATED, reach, wide, out[i, g])


@njit(cache=True, nogil=True)
def _choose(checked: Array, value: float, out: Array) -> None:
    for x in range(len(out)):
        out[x] = value if checked[x] else 1.0


@njit(cache=True, nogil=True)
def _suspect(
    row: Array, threshold: Array, share: Array, now: Array, later: Array, out: Array
) -> np.uint8:
    """Mark unflagged samples at a share of the threshold whose next group is saturated.

    Nonzero if any is; else ``out`` is not set.
    """
    found = _NONE
    for x in range(len(row)):
        found |= later[x] & ~now[x]
    if found & _SATURATED == _NONE:
        return _NONE
    found = _NONE
    for x in range(len(row)):
        reached = np.float64(row[x]) >= np.float64(threshold[x]) * share[x]
        clean = (later[x] & _SATURATED) != _NONE and (now[x] & _USED_UP) == _NONE
        mark = _DO_NOT_USE if reached and clean else _NONE
        out[x] = mark
        found |= mark
    return found


@njit(cache=True, nogil=True)
def _hidden(data: Array, threshold: Array, checked: Array, n: int, reach: int, out: Array) -> None:
    """Flag groups of ``n`` frames of which the last ones saturated.

    The next group is saturated, and the mean is at least that of a steady ramp to the threshold.
    """
    nint, ngroup, ny, nx = data.shape
    marks = np.empty((ny, nx), np.uint8)
    wide = np.empty((ny, nx), np.uint8)
    hit = np.empty(ny, np.uint8)
    share = np.empty(nx, np.float64)
    for g in range(ngroup - 1):
        dilution = (g * n + (n + 1) / 2) / ((g + 1) * n)
        for i in range(nint):
            now, later = out[i, g], out[i, g + 1]
            for y in range(ny):
                _choose(checked[y], dilution, share)
                hit[y] = _suspect(data[i, g, y], threshold[y], share, now[y], later[y], marks[y])
            _grow(marks, hit, _DO_NOT_USE, reach, wide, now)


@njit(cache=True, nogil=True)
def _second(data: Array, threshold: Array, bias: Array, n: int, out: Array) -> None:
    """Flag the second group where a hit saturated its last frame.

    The third is saturated, which the first did not foretell, and the second rose by at least what
    one saturated frame adds to its mean.
    """
    nint, _, ny, nx = data.shape
    mean, last = (n + 1) / 2, 3 * n
    for i in range(nint):
        for y in range(ny):
            for x in range(nx):
                if not out[i, 2, y, x] & _SATURATED or out[i, 1, y, x] & _SATURATED:
                    continue
                first, level, limit = data[i, 0, y, x], bias[y, x], threshold[y, x]
                foretold = np.float64(first - level) / mean * last + level
                rise = data[i, 1, y, x] - first
                if foretold < limit and rise > (limit - first) / np.float32(n):
                    out[i, 1, y, x] |= _DO_NOT_USE


def _zeroframe(zero: Array, threshold: Array, reach: int) -> Array:
    """Zero frame [nint, ny, nx] with 0 where it is not to be used."""
    frames = zero[:, None]
    clean = np.zeros(frames.shape, np.uint8)
    clean.flags.writeable = False  # as a product's: another kind of array would compile again
    flags = np.empty_like(clean)
    _flag(frames, clean, threshold, reach, flags)
    return np.where(flags[:, 0] != 0, np.float32(0), zero)


def _halo(p: SaturationParams) -> int:
    # a group is saturated by a neighbour, and its flag on the group before it grows once more
    return 2 * p.n_pix_grow_sat if p.use_readpatt else p.n_pix_grow_sat


def _saturated(s: Shown) -> Array:
    """Whether samples [group, y, x] of the integration in view are saturated."""
    ramp = s.after
    assert isinstance(ramp, Ramp)
    marks: Array = ramp.groupdq[min(s.integration, len(ramp.groupdq) - 1)] & _SATURATED
    return marks


def _first_group(s: Shown) -> Frame:
    """Group, from 1, at which each pixel saturates; NaN: never."""
    marks = _saturated(s)
    first = np.full(marks.shape[1:], np.nan, np.float32)
    for g in range(len(marks) - 1, -1, -1):
        first[marks[g] != 0] = g + 1
    return Frame(title="saturates in group", data=first, unit="group", **s.place)


def _by_group(s: Shown) -> Plot:
    marks = _saturated(s)
    share = np.array([100 * np.count_nonzero(m) / m.size for m in marks])
    curve = Curve(name="saturated", x=np.arange(1, len(marks) + 1), y=share, style="steps")
    return Plot(
        title="saturated pixels in view",
        x_label="group",
        y_label="share of the pixels (%)",
        curves=(curve,),
    )


_VIEWS = (
    View(title="group of saturation", draw=_first_group),
    View(title="saturated by group", draw=_by_group),
)


@step(halo=_halo, views=_VIEWS)
def saturation(
    ramp: Ramp, p: SaturationParams, limit: SaturationRef, bias: SuperbiasRef | None
) -> Ramp:
    """Flag saturation and the converter's floor: groupdq; a zero frame is set to 0 there.

    A threshold that is NaN or flagged NO_SAT_CHECK is never reached. Without a superbias, raw
    values are taken as signal.
    """
    checked = ~(np.isnan(limit.data) | (limit.dq & np.uint32(dq.NO_SAT_CHECK) != 0))
    threshold = np.where(checked, limit.data, _NEVER)
    reach, n = p.n_pix_grow_sat, ramp.exposure.nframes
    groupdq = np.empty_like(ramp.groupdq)
    _flag(ramp.data, ramp.groupdq, threshold, reach, groupdq)
    if p.use_readpatt:
        if n > 1:
            _hidden(ramp.data, threshold, checked, n, reach, groupdq)
        if ramp.data.shape[1] > 2:
            # a copy is writable as new zeros are: one kind of array, one compilation
            level = np.zeros_like(threshold) if bias is None else bias.data.copy()
            _second(ramp.data, threshold, level, n, groupdq)
    unchecked = np.where(np.isnan(limit.data), np.uint32(dq.NO_SAT_CHECK), np.uint32(0))
    zero = ramp.zeroframe
    return ramp.replace(
        groupdq=groupdq,
        pixeldq=ramp.pixeldq | limit.dq | unchecked,
        zeroframe=None if zero is None else _zeroframe(zero, threshold, reach),
    )
