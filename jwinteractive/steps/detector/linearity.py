"""Correct the non-linear response by a polynomial of each pixel.

Source: official step `linearity` (stcal 1.20). The polynomial of a mean is not the
mean of polynomials. Light that falls evenly, ``s`` DN a frame, puts the n frames of a group at
l + s t in corrected signal, with t of mean 0 and variance V = (n² - 1) / 12. With P the polynomial
and Q its inverse their measured mean is Q(l) + Q''(l) s² V / 2, to the third power of s, so that

    l = P(u),  u = mean + P''(mean) / P'(mean)³ · s² V / 2

is the mean of the corrected frames, without a frame to be rebuilt. As officially, ``s`` is that of
the line from the first to the last group before saturation. The official step rebuilds the frames,
only where the reference holds Q as a polynomial, and takes those of a group for the next ones after
the group before: where frames are skipped between groups its ``s`` is too large by (n + gap) / n.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array, Ramp
from jwinteractive.errors import StepError
from jwinteractive.params import Doc, Params
from jwinteractive.references import LinearityRef
from jwinteractive.step import step
from jwinteractive.views import Curve, Frame, Plot, Shown, View

_SATURATED = np.uint8(dq.SATURATED)
_POINTS = 2000  # of a plot


_STEEP = np.float32(0.1)  # a polynomial less steep than this has left the range it was made for


class LinearityParams(Params):
    """Parameters of `linearity`."""

    averaged: Annotated[
        Literal["by_frame", "official"],
        Doc("Groups that average frames: as if each frame were corrected, or as officially."),
    ] = "by_frame"


# Each loop over a row is a kernel of its own: within deeper loops it is not vectorised.


@njit(cache=True, nogil=True)
def _fold(values: Array, term: Array, out: Array) -> None:
    for x in range(len(out)):
        out[x] = (out[x] + term[x]) * values[x]


@njit(cache=True, nogil=True)
def _horner(values: Array, coeffs: Array, out: Array) -> None:
    """Polynomial of a row of values; coeffs [coefficient, x], lowest first; in out's precision."""
    top, bottom = coeffs[len(coeffs) - 1], coeffs[0]
    for x in range(len(out)):
        out[x] = top[x] * values[x]
    for k in range(len(coeffs) - 2, 0, -1):
        _fold(values, coeffs[k], out)
    for x in range(len(out)):
        out[x] += bottom[x]


@njit(cache=True, nogil=True)
def _keep(row: Array, flags: Array, out: Array) -> None:
    """Put back what is saturated."""
    for x in range(len(out)):
        before, after = row[x], out[x]
        out[x] = before if flags[x] & _SATURATED else after


@njit(cache=True, nogil=True)
def _by_group(data: Array, groupdq: Array, coeffs: Array, out: Array) -> None:
    """Correct each group by itself, in float32; what is saturated stays."""
    nint, ngroup, ny = data.shape[:3]
    for y in range(ny):
        terms = np.ascontiguousarray(coeffs[:, y])
        for i in range(nint):
            for g in range(ngroup):
                _horner(data[i, g, y], terms, out[i, g, y])
                _keep(data[i, g, y], groupdq[i, g, y], out[i, g, y])


@njit(cache=True, nogil=True)
def _derivative(coeffs: Array, out: Array) -> None:
    for k in range(len(out)):
        for x in range(out.shape[1]):
            out[k, x] = (k + 1) * coeffs[k + 1, x]


@njit(cache=True, nogil=True)
def _curve(row: Array, coeffs: Array, first: Array, second: Array, out: Array, work: Array) -> None:
    """P''/P'³ of a row; 0 where the polynomial is of no use. Both polynomials as in `_horner`."""
    _horner(row, first, work)
    _horner(row, second, out)
    for x in range(len(out)):
        slope = work[x]
        curve = out[x] / (slope * slope * slope)
        out[x] = curve if slope > _STEEP else np.float32(0)


@njit(cache=True, nogil=True)
def _spread(
    data: Array, groupdq: Array, coeffs: Array, n: int, gap: int, work: Array, out: Array
) -> None:
    """Half the variance s² V of the frames within a group, of a row [group, x].

    The last group below saturation may hold a saturated frame: the one before it is taken. Of a
    single group the light since the reset is taken. Unknown: 0.
    """
    ngroup, nx = data.shape
    safe = np.zeros(nx, np.int64)
    start, end = work
    for g in range(ngroup):
        for x in range(nx):
            safe[x] += not groupdq[g, x] & _SATURATED
    for x in range(nx):
        end[x] = data[max(min(safe[x] - 1, 1), safe[x] - 2), x]
    _horner(data[0], coeffs, start)
    _horner(end, coeffs, out)
    half = np.float32((n * n - 1) / 24)
    for x in range(nx):
        frames = np.float32(max(min(safe[x] - 1, 1), safe[x] - 2) * (n + gap))
        rise = out[x] - start[x]
        one = np.float32(2) * start[x] / np.float32(n + 1)
        slope = rise / frames if frames > 0 else one
        variance = half * slope * slope
        out[x] = variance if variance == variance else np.float32(0)


@njit(cache=True, nogil=True)
def _shift_by(row: Array, curve: Array, spread: Array, out: Array) -> None:
    for x in range(len(out)):
        out[x] = row[x] + curve[x] * spread[x]


@njit(cache=True, nogil=True)
def _by_mean(data: Array, groupdq: Array, coeffs: Array, n: int, gap: int, out: Array) -> None:
    """Correct each group to the mean of its ``n`` corrected frames; what is saturated stays."""
    nint, ngroup, ny, nx = data.shape
    order = len(coeffs)
    first = np.zeros((max(order - 1, 2), nx), np.float32)
    second = np.zeros((max(order - 2, 2), nx), np.float32)
    work = np.empty((2, nx), np.float32)
    spread = np.empty(nx, np.float32)
    for y in range(ny):
        terms = np.ascontiguousarray(coeffs[:, y])
        _derivative(terms, first[: order - 1])
        _derivative(first[: order - 1], second[: order - 2])
        for i in range(nint):
            _spread(data[i, :, y], groupdq[i, :, y], terms, n, gap, work, spread)
            for g in range(ngroup):
                row = data[i, g, y]
                _curve(row, terms, first, second, work[0], work[1])
                _shift_by(row, work[0], spread, work[1])
                _horner(work[1], terms, out[i, g, y])
                _keep(row, groupdq[i, g, y], out[i, g, y])


@njit(cache=True, nogil=True)
def _start_and_slope(
    data: Array, groupdq: Array, coeffs: Array, n: int, start: Array, slope: Array
) -> None:
    """Corrected first group of a row, and the slope per frame up to its last safe group.

    The last group below saturation may hold a saturated frame: the one before it is taken.
    """
    ngroup, nx = data.shape
    last = np.empty(nx, np.float32)
    flags = np.empty(nx, np.uint8)
    final = np.empty(nx, np.float32)
    group = np.full(nx, -2)
    for g in range(ngroup):
        for x in range(nx):
            group[x] += not groupdq[g, x] & _SATURATED
    for x in range(nx):
        group[x] = max(group[x], 1)
        last[x] = data[group[x], x]
        flags[x] = groupdq[group[x], x]
    _horner(data[0], coeffs, start)
    _keep(data[0], groupdq[0], start)
    _horner(last, coeffs, final)
    _keep(last, flags, final)
    for x in range(nx):
        slope[x] = np.float64(final[x] - start[x]) / np.float64(group[x] * n)


@njit(cache=True, nogil=True)
def _line(start: Array, slope: Array, elapsed: float, out: Array) -> None:
    for x in range(len(out)):
        out[x] = start[x] + slope[x] * elapsed


@njit(cache=True, nogil=True)
def _add(row: Array, total: Array) -> None:
    for x in range(len(total)):
        total[x] += row[x]


@njit(cache=True, nogil=True)
def _shift(row: Array, total: Array, n: int, out: Array) -> None:
    """What moves frames of the given total to the mean ``row``."""
    for x in range(len(out)):
        out[x] = row[x] - total[x] / n


@njit(cache=True, nogil=True)
def _mean(total: Array, n: int, out: Array) -> None:
    for x in range(len(out)):
        out[x] = total[x] / n


@njit(cache=True, nogil=True)
def _by_frame(
    data: Array, groupdq: Array, coeffs: Array, inverse: Array, n: int, out: Array
) -> None:
    """Correct the ``n`` frames behind each group, in float64; what is saturated stays."""
    nint, ngroup, ny, nx = data.shape
    start = np.empty(nx, np.float32)
    slope = np.empty(nx, np.float64)
    work = np.empty(nx, np.float64)
    total = np.empty(nx, np.float64)
    frames = np.empty((n, nx), np.float64)
    for y in range(ny):
        terms, back = np.ascontiguousarray(coeffs[:, y]), np.ascontiguousarray(inverse[:, y])
        for i in range(nint):
            _start_and_slope(data[i, :, y], groupdq[i, :, y], terms, n, start, slope)
            for g in range(ngroup):
                total[:] = 0.0
                for f in range(n):
                    _line(start, slope, g * n + f + 1 - (n + 1) / 2, work)
                    _horner(work, back, frames[f])
                    _add(frames[f], total)
                shift = work
                _shift(data[i, g, y], total, n, shift)
                for f in range(n):
                    _add(shift, frames[f])
                total[:] = 0.0
                for f in range(n):
                    _horner(frames[f], terms, work)
                    _add(work, total)
                _mean(total, n, out[i, g, y])
                _keep(data[i, g, y], groupdq[i, g, y], out[i, g, y])


def _usable(coeffs: Array, flags: Array) -> tuple[Array, Array]:
    """Coefficients with the identity in place of what is flagged, NaN or flat; where that was."""
    if len(coeffs) < 2:
        raise StepError(
            f"linearity: the reference has {len(coeffs)} coefficient a pixel, needs 2 or more: "
            "give another linearity reference or leave the step out"
        )
    bad = (flags & np.uint32(dq.NO_LIN_CORR) != 0) | (coeffs[1] == 0)
    for plane in coeffs:
        bad |= np.isnan(plane)
    identity = np.zeros((len(coeffs), 1, 1), np.float32)
    identity[1] = 1
    return np.where(bad, identity, coeffs), bad


def _signals(s: Shown) -> tuple[Array, Array, Array]:
    """Signal [y, x] of the group in view before and after, DN, and whether it was corrected."""
    then, now = s.before, s.after
    assert isinstance(then, Ramp)
    assert isinstance(now, Ramp)
    nint, ngroup = now.data.shape[:2]
    at = min(s.integration, nint - 1), min(s.group, ngroup - 1)
    return then.data[at], now.data[at], now.groupdq[at] & _SATURATED == 0


def _correction(s: Shown) -> Frame:
    """Correction in per cent of the signal; NaN where there is no signal or no correction."""
    then, now, corrected = _signals(s)
    data = np.full(then.shape, np.nan, np.float32)
    np.divide(100 * (now - then), then, out=data, where=corrected & (then > 0))
    return Frame(title="correction of the signal", data=data, unit="%", **s.place)


def _against_signal(s: Shown) -> Plot:
    then, now, corrected = _signals(s)
    where = np.flatnonzero(corrected & np.isfinite(then) & np.isfinite(now))
    where = where[:: max(1, -(-len(where) // _POINTS))]
    signal = then.ravel()[where].astype(float)
    size = now.ravel()[where] - signal
    return Plot(
        title="correction against signal, pixels in view",
        x_label="signal (DN)",
        y_label="correction (DN)",
        curves=(Curve(name="correction", x=signal, y=size, style="points"),),
    )


_VIEWS = (
    View(title="correction in per cent", draw=_correction, compares=True),
    View(title="correction against signal", draw=_against_signal, compares=True),
)


@step(halo=0, version=2, views=_VIEWS)
def linearity(ramp: Ramp, p: LinearityParams, reference: LinearityRef) -> Ramp:
    """Make the signal linear: data [nint, ngroup, ny, nx] and zero frame in DN.

    Saturated samples stay as they are. Pixels without a usable polynomial get NO_LIN_CORR and stay
    too. A zero in the zero frame means bad and stays.

    Raises
    ------
    StepError
        If the reference has fewer than two coefficients.
    """
    coeffs, bad = _usable(reference.coeffs, reference.dq)
    n, zero = ramp.exposure.nframes, ramp.zeroframe
    data = np.empty_like(ramp.data)  # numpy's: of huge pages, which numba's own are not
    if p.averaged == "by_frame" and n > 1:
        _by_mean(ramp.data, ramp.groupdq, coeffs, n, ramp.exposure.groupgap, data)
    # one group alone tells no slope between frames
    elif reference.inv_coeffs is not None and n > 1 and ramp.data.shape[1] > 1:
        inverse, no_way_back = _usable(reference.inv_coeffs, reference.dq)
        bad |= no_way_back
        _by_frame(ramp.data, ramp.groupdq, coeffs, inverse, n, data)
    else:
        _by_group(ramp.data, ramp.groupdq, coeffs, data)
    if zero is not None:
        unusable = (zero == 0).astype(np.uint8) * _SATURATED
        unusable.flags.writeable = False  # as a product's: another kind would compile again
        corrected = np.empty_like(zero)
        _by_group(zero[:, None], unusable[:, None], coeffs, corrected[:, None])
        zero = corrected
    flags = np.where(bad, np.uint32(dq.NO_LIN_CORR), np.uint32(0))
    return ramp.replace(data=data, pixeldq=ramp.pixeldq | reference.dq | flags, zeroframe=zero)
