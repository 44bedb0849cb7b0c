"""MIRI: subtract the electromagnetic interference that the read-out picks up.

Source: dossier 3.10; official step `emicorr`. A signal of period T is a wave of the pixel's phase:
the clocks since the first pixel was read, in units of T.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval
from scipy.stats import chi2

from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.detectors import SUBARRAYS, TICK, detector, frame_clocks
from jwinteractive.errors import InputError, ParamError, StepError
from jwinteractive.kernels.emi import QUAD, add_by_phase, scatter, subtract_waves
from jwinteractive.kernels.waves import (
    BINS,
    Harmonics,
    Signal,
    Sums,
    by_phase,
    coefficients,
    fold,
    place,
    shape,
    spectrum,
    straightened,
)
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import EmicorrRef
from jwinteractive.step import Model, Whole, step
from jwinteractive.views import Curve, Plot, Shown, View

_PATTERNS = {"FAST": 0, "FASTR1": 1, "SLOW": 0, "SLOWR1": 1}  # frames of reset in between
_FEWEST_GROUPS, _FEWEST_SEQUENTIAL = 3, 10
_SLOW_CLOCKS = 9  # of a pixel's visit
_BAD_COLUMNS = slice(QUAD, 3 * QUAD)  # beside the left reference pixels
_MOST_BINS = 500  # of the sequential fit
_STRIP_BYTES, _MOST_ROWS = 32 * 2**20, 128
_POINTS = 1024  # of a wave
_WHOLE_CYCLES = 2.0  # cycles read in a frame, from which on they tell an offset from the wave
_TAIL = 1e-4  # share of good ramps that count as noisy: fewer groups, wider cut
_SHOWN_BINS, _SHOWN_INTS = 64, 20  # of the plot by phase
_MIDDLES = (np.arange(_SHOWN_BINS) + 0.5) / _SHOWN_BINS
_SHOWN_RANGE = 2.5  # highest frequency of the spectrum, in units of the signals' highest
_SUBTRACTED = ("waves", "amplitude", "phase", "period")  # fields that tell what is

_Clocks = tuple[int, int, int]


class EmicorrParams(Params):
    """Parameters of `emicorr`."""

    algorithm: Annotated[
        Literal["sequential", "joint"],
        Doc(
            "Fit wave and lines together (3 groups or more), or the wave to what lines leave (10)."
        ),
    ] = "joint"
    nints_to_phase: Annotated[
        int | None,
        When("algorithm", "sequential"),
        Interval(ge=1, le=100000),
        Doc("Integrations that the sequential fit folds."),
    ] = None
    nbins: Annotated[
        int | None,
        When("algorithm", "sequential"),
        Interval(ge=4, le=500),
        Doc("Bins of a cycle in the sequential fit; None: one for two clocks."),
    ] = None
    scale_reference: Annotated[
        bool,
        When("algorithm", "sequential"),
        Doc("Let the sequential fit scale the reference's wave to the data."),
    ] = True
    onthefly_corr_freq: Annotated[
        str,
        Unit("Hz"),
        Doc("Frequencies, parted by commas, whose waves are measured; none: the reference's."),
    ] = ""
    use_n_cycles: Annotated[
        int,
        When("algorithm", "sequential"),
        Interval(ge=0, le=1000000),
        Doc("Cycles that the sequential fit needs, where nints_to_phase is not given; 0: all."),
    ] = 3
    fit_ints_separately: Annotated[
        bool,
        When("algorithm", "joint"),
        Doc("Fit phase and amplitude of each integration by itself (joint)."),
    ] = False
    user_supplied_reffile: Annotated[str, Doc("ASDF file to use as the reference.")] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _frequencies(self.onthefly_corr_freq)


@dc.dataclass(frozen=True, kw_only=True)
class EmicorrModel(Model):
    """Waves as they were found.

    Attributes
    ----------
    frequency, period
        Of each signal, in Hz and in clocks.
    waves
        One cycle of each [signal, point], its first two points once more at the end.
    amplitude, phase
        DN, where the wave swings by one, and cycles at the first pixel [signal, integration].
    alone, alone_error
        Amplitude that each integration gives by itself at that phase.
    folded
        Mean of the samples by phase [signal, bin], without what else is in them.
    row, quad, group
        Clocks from one row, one four columns, one group to the next.
    """

    frequency: Array
    period: Array
    waves: Array
    amplitude: Array
    phase: Array
    alone: Array
    alone_error: Array
    folded: Array
    row: int
    quad: int
    group: int

    @property
    def clocks(self) -> _Clocks:
        """Of a row, four columns and a group."""
        return self.row, self.quad, self.group


def _subtract(data: Array, box: Box, found: Mapping[str, Array], clocks: _Clocks) -> Array:
    """Samples [integration, group, y, x] of a box, without the waves of some signals."""
    # read-only, contiguous: the kernel compiles once
    waves, amplitude, phase, period = (_fixed(found[name]) for name in _SUBTRACTED)
    return subtract_waves(data, waves, amplitude, phase, period, clocks, (box.y0, box.x0))


def _fixed(array: Array) -> Array:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _frequencies(text: str) -> tuple[float, ...]:
    """Frequencies in Hz from text.

    Raises
    ------
    ParamError
        If it does not hold positive numbers, parted by commas.
    """
    try:
        found = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        found = (0.0,)
    if not all(0 < f < 0.5 / TICK for f in found):
        raise ParamError(
            f"EmicorrParams.onthefly_corr_freq = {text!r}: needs frequencies between 0 and "
            f"{0.5 / TICK:g} Hz, parted by commas"
        )
    return found


def _rowclocks(exposure: Exposure, shape: tuple[int, int], reference: EmicorrRef) -> int:
    """Clocks from row to row: of the reference, the detector's table, or the time of a frame."""
    ny, nx = shape
    if reference.rowclocks:
        return reference.rowclocks
    d = detector(exposure.instrument, exposure.detector)
    if exposure.subarray in SUBARRAYS[d.name]:
        known = SUBARRAYS[d.name][exposure.subarray]
        return frame_clocks(d, known[0], known[1], QUAD, exposure.readpatt)[1]
    skipped = frame_clocks(d, nx, ny, QUAD, exposure.readpatt)[2]
    return round((exposure.frame_time / TICK - skipped) / ny)


def _quiet(data: Array) -> Array:
    """Pixels [integration, y, x] whose ramps are as straight as those of most others."""
    about = scatter(data)
    freedom = data.shape[1] - 2
    # scatter of noise alone is cut nowhere near: that would cut the wave, too
    widest = max(4.0, float(chi2.isf(_TAIL, freedom) / chi2.median(freedom)))
    finite = about[np.isfinite(about)]
    limit = widest * np.median(finite) if finite.size else 0.0
    return np.asarray(about <= limit)


def measure_emicorr(whole: Whole, p: EmicorrParams, emicorr: EmicorrRef) -> EmicorrModel:
    """Measure amplitude and phase of each wave, and its shape where the reference has none.

    The exposure is looked at once, strip by strip. Kept are sums by phase, and a bit a pixel that
    tells which were summed: so an earlier wave can be taken out of the sums of a later one.

    Raises
    ------
    StepError
        If the exposure is none that the step is for.
    """
    if reason := _skips(whole.exposure, p):
        raise StepError(f"{reason}, or leave the step out")
    exposure, (ny, nx) = whole.exposure, whole.box.shape
    row = _rowclocks(exposure, (ny, nx), emicorr)
    quad = _SLOW_CLOCKS if "SLOW" in exposure.readpatt.upper() else 1
    frame = ny * row + frame_clocks(detector("MIRI", exposure.detector), nx, ny, QUAD)[2]
    resets = _PATTERNS[exposure.readpatt.upper()] * (emicorr.frameclocks or frame)
    clocks = np.arange(ny)[:, None] * row + np.arange(nx // QUAD) * quad
    measured = _frequencies(p.onthefly_corr_freq)
    frequency = np.array(measured or emicorr.frequencies)
    cycles = clocks[-1, -1] * TICK * frequency  # in a frame
    if not measured and emicorr.waves is None:
        # drifts of whole groups pass for a slow wave of any shape: only who asks for it gets it
        frequency, cycles = frequency[cycles > _WHOLE_CYCLES], cycles[cycles > _WHOLE_CYCLES]
    period = 1 / frequency / TICK
    signals = [
        Signal(
            period=t,
            by_group=frame / t % 1,
            by_integration=(frame * exposure.ngroups + resets) / t % 1,
            offsets=bool(c > _WHOLE_CYCLES),
        )
        for t, c in zip(period, cycles, strict=True)
    ]
    bins = [s.bins(clocks) for s in signals]
    sums, taken = _collect(whole, bins)
    shown = (len(signals), exposure.nints)
    found = {
        "period": period,
        "waves": np.zeros((len(signals), _POINTS + 2)),
        "folded": np.zeros((len(signals), _SHOWN_BINS)),
        **{name: np.zeros(shown) for name in ("amplitude", "phase", "alone", "alone_error")},
    }
    for s, signal in enumerate(signals):
        known = None if measured or emicorr.waves is None else emicorr.waves[s]
        for name, value in _fit(sums[s], signal, p, known, frame).items():
            found[name][s] = value
        this = {name: found[name][s : s + 1] for name in _SUBTRACTED}
        _take_out(this, (row, quad, frame), sums[s + 1 :], bins[s + 1 :], taken)
    return EmicorrModel(frequency=frequency, row=row, quad=quad, group=frame, **found)


def _collect(whole: Whole, bins: list[Array]) -> tuple[list[Sums], list[tuple[Box, Array]]]:
    """Sums of each signal, and which pixels of each strip were summed, eight in a byte."""
    exposure, nx = whole.exposure, whole.box.shape[1]
    nint, ngroup = exposure.nints, exposure.ngroups
    sums = [Sums(np.zeros((nint, ngroup, BINS)), np.zeros((nint, BINS))) for _ in bins]
    taken = []
    rows = _STRIP_BYTES // (4 * nint * ngroup * nx)
    for strip in whole.box.strips(max(QUAD, min(_MOST_ROWS, rows))):
        ramp = whole.look(strip)
        assert isinstance(ramp, Ramp)
        usable = _quiet(ramp.data) & (ramp.pixeldq == 0)
        if exposure.xstart == 1:
            usable[..., _BAD_COLUMNS] = False
        taken.append((strip, np.packbits(usable, axis=-1)))
        for each, at in zip(sums, bins, strict=True):
            add_by_phase(ramp.data, usable, at[strip.y0 : strip.y1], each.samples, each.counts)
    return sums, taken


def _take_out(
    found: Mapping[str, Array],
    clocks: _Clocks,
    sums: list[Sums],
    bins: list[Array],
    taken: list[tuple[Box, Array]],
) -> None:
    """Take a signal out of the sums of those that come after it, in place."""
    if not (sums and found["amplitude"].any()):
        return
    nint, ngroup, _ = sums[0].samples.shape
    for strip, packed in taken:
        ny, nx = strip.shape
        usable = np.unpackbits(packed, axis=-1, count=nx).view(bool)
        nothing = _fixed(np.zeros((nint, ngroup, ny, nx), np.float32))
        less = _fixed(_subtract(nothing, strip, found, clocks))
        for later, at in zip(sums, bins, strict=True):
            counted = np.zeros_like(later.counts)
            add_by_phase(less, usable, at[strip.y0 : strip.y1], later.samples, counted)


def _fit(
    sums: Sums, signal: Signal, p: EmicorrParams, known: Array | None, frame: int
) -> dict[str, Array]:
    """What the sums tell of a signal, whose ``known`` wave may be None, by field of the model."""
    nint, ngroup, _ = sums.samples.shape
    phase, amplitude = np.zeros(nint), np.zeros(nint)
    harmonics = Harmonics(sums, signal)
    everything = range(nint)
    if p.algorithm == "sequential":
        bins = p.nbins or min(max(int(signal.period / 2), 4), _MOST_BINS)
        wave = folded = fold(sums, signal, _ints_to_phase(p, signal, nint, frame * ngroup), bins)
        amplitude[:] = 1.0
        if known is not None:
            wave = coefficients(known)
            phase[:], scale = place(wave, np.eye(len(wave)), folded)
            amplitude[:] = scale if p.scale_reference else 1.0
    else:
        parts = [range(i, i + 1) for i in everything] if p.fit_ints_separately else [everything]
        if known is None:
            waves = [harmonics.free(part) for part in parts]
            wave = max(waves, key=lambda w: float(np.sum(np.abs(w) ** 2)))
        else:
            wave = coefficients(known)
        for part in parts:
            phase[part], amplitude[part] = harmonics.fit(wave, part)
    cycle = shape(wave, np.arange(_POINTS + 2) / _POINTS)
    if known is None and (swing := 0.5 * float(np.ptp(cycle))) > 0:
        wave, cycle, amplitude = wave / swing, cycle / swing, amplitude * swing
    alone, error = harmonics.alone(wave, phase, amplitude)
    return {
        "waves": cycle,
        "amplitude": amplitude,
        "phase": (phase + np.arange(nint) * signal.by_integration) % 1,
        "alone": alone,
        "alone_error": error,
        "folded": _folded(sums, signal, cycle, amplitude, phase),
    }


def _ints_to_phase(p: EmicorrParams, signal: Signal, nint: int, clocks: int) -> int:
    """Integrations, of ``clocks`` each, that the sequential fit folds."""
    if p.nints_to_phase is not None:
        return min(p.nints_to_phase, nint)
    if not p.use_n_cycles:
        return nint
    return min(int(np.ceil(p.use_n_cycles * signal.period / clocks)), nint)


def _folded(sums: Sums, signal: Signal, cycle: Array, amplitude: Array, phase: Array) -> Array:
    """Mean of the samples by phase of the wave: the wave, and what the fit leaves."""
    some = slice(0, _SHOWN_INTS)
    samples, counts = sums.samples[some], sums.counts[some]
    nint, ngroup, _ = samples.shape
    cycles = signal.cycles(nint, ngroup, phase[some])
    along = np.arange(len(cycle)) / _POINTS
    wave = amplitude[some, None, None] * np.interp(cycles, along, cycle)
    less = Sums(samples - counts[:, None] * wave, counts)
    left, _ = by_phase(less.bent(signal), counts, cycles, _SHOWN_BINS)
    return np.asarray(left + amplitude.mean() * np.interp(_MIDDLES, along, cycle))


def _skips(exposure: Exposure, p: EmicorrParams) -> str:
    if exposure.instrument != "MIRI":
        return f"emicorr is for MIRI only, not for {exposure.instrument}"
    if exposure.readpatt.upper() not in _PATTERNS:
        return f"emicorr knows {', '.join(_PATTERNS)}, not {exposure.readpatt}"
    if exposure.ngroups < _FEWEST_GROUPS:
        return f"emicorr needs {_FEWEST_GROUPS} groups, the exposure has {exposure.ngroups}"
    if p.algorithm == "sequential" and exposure.ngroups < _FEWEST_SEQUENTIAL:
        return (
            f"emicorr: the sequential fit needs {_FEWEST_SEQUENTIAL} groups, the exposure has "
            f"{exposure.ngroups}: choose algorithm 'joint'"
        )
    if exposure.subarray not in SUBARRAYS[exposure.detector] and not exposure.frame_time:
        return f"emicorr knows no clocks of {exposure.subarray}, and the header has no TFRAME"
    return ""


def _measured(s: Shown) -> EmicorrModel:
    if not isinstance(s.model, EmicorrModel):
        raise InputError("emicorr: what it measured is not at hand: run the step again")
    return s.model


def _waves(s: Shown) -> Plot:
    """Samples of the whole exposure by phase, and the wave that is subtracted."""
    found = _measured(s)
    curves = []
    for f, cycle, level, points in zip(
        found.frequency, found.waves, found.amplitude.mean(axis=1), found.folded, strict=True
    ):
        name = f"{f:.1f} Hz"
        curves.append(Curve(name=f"{name}, data", x=_MIDDLES, y=points, style="points"))
        along = np.arange(_POINTS + 1) / _POINTS
        curves.append(Curve(name=f"{name}, wave", x=along, y=level * cycle[:-1]))
    title = "wave by phase"
    return Plot(title=title, x_label="phase (cycle)", y_label="signal (DN)", curves=tuple(curves))


def _amplitudes(s: Shown) -> Plot:
    """Amplitude that each integration gives by itself, and the one that is subtracted."""
    found = _measured(s)
    curves = []
    for k, f in enumerate(found.frequency):
        name, x = f"{f:.1f} Hz", np.arange(1, found.amplitude.shape[1] + 1)
        alone = {"y": found.alone[k], "err": found.alone_error[k]}
        curves.append(Curve(name=f"{name}, by itself", x=x, style="points", **alone))
        curves.append(Curve(name=f"{name}, subtracted", x=x, y=found.amplitude[k]))
    return Plot(
        title="amplitude by integration",
        x_label="integration",
        y_label="amplitude (DN)",
        curves=tuple(curves),
    )


def _spectrum(s: Shown) -> Plot:
    """Power of what straight lines leave in view, in the order of reading, before and after."""
    found = _measured(s)
    curves = []
    for name, ramp in (("before", s.before), ("after", s.after)):
        assert isinstance(ramp, Ramp)
        x, y = _power(ramp, found, min(s.integration, len(ramp.data) - 1))
        near = x <= _SHOWN_RANGE * found.frequency.max(initial=1.0)
        curves.append(Curve(name=name, x=x[near], y=y[near]))
    return Plot(
        title="power of the pixels in view",
        x_label="frequency (Hz)",
        y_label="power (DN²)",
        curves=tuple(curves),
        log_y=True,
    )


def _power(ramp: Ramp, found: EmicorrModel, i: int) -> tuple[Array, Array]:
    """Frequencies in Hz and power in DN² of the means of four columns in integration i."""
    data = ramp.data[i : i + 1, :, :, (-ramp.covers.x0) % QUAD :]
    nx = data.shape[-1] // QUAD * QUAD
    if not nx:
        return np.zeros(0), np.zeros(0)
    data = _fixed(data[..., :nx])
    ticks = np.arange(data.shape[2])[:, None] * found.row + np.arange(nx // QUAD) * found.quad
    frequency, power = spectrum(straightened(data[0]), _quiet(data)[0], ticks, QUAD)
    return frequency / TICK, power


_VIEWS = (
    View(title="wave by phase", draw=_waves),
    View(title="amplitude by integration", draw=_amplitudes),
    View(title="power spectrum", draw=_spectrum, compares=True),
)


@step(halo=0, measure=measure_emicorr, skips=_skips, views=_VIEWS)
def emicorr(ramp: Ramp, p: EmicorrParams, emicorr: EmicorrRef, model: EmicorrModel) -> Ramp:
    """Subtract periodic interference (MIRI): data [nint, ngroup, ny, nx] DN.

    The four outputs, read at the same time, get the same; reference pixels, too.
    """
    if not model.amplitude.any():
        return ramp
    found = {name: getattr(model, name) for name in _SUBTRACTED}
    return ramp.replace(data=_subtract(ramp.data, ramp.covers, found, model.clocks))
