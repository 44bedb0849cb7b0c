"""MIRI: subtract the electromagnetic interference that the read-out picks up.

Source: official step `emicorr`. A signal of period T is a wave of the pixel's phase:
the clocks since the first pixel was read, in units of T.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.detectors import SUBARRAYS, TICK, detector, frame_clocks
from jwinteractive.errors import ParamError, StepError
from jwinteractive.interference import (
    POINTS,
    SHOWN_BINS,
    SUBTRACTED,
    WAVE_VIEWS,
    EmicorrModel,
    collect,
    means_by_phase,
    subtract,
    take_out,
)
from jwinteractive.kernels.emi import QUAD
from jwinteractive.kernels.waves import (
    Harmonics,
    Signal,
    Sums,
    coefficients,
    fold,
    place,
    shape,
)
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.references import EmicorrRef
from jwinteractive.step import Whole, step

_PATTERNS = {"FAST": 0, "FASTR1": 1, "SLOW": 0, "SLOWR1": 1}  # frames of reset in between
_FEWEST_GROUPS, _FEWEST_SEQUENTIAL = 3, 10
_SLOW_CLOCKS = 9  # of a pixel's visit
_MOST_BINS = 500  # of the sequential fit
_WHOLE_CYCLES = 2.0  # cycles read in a frame, from which on they tell an offset from the wave


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
    sums, taken = collect(whole, bins)
    shown = (len(signals), exposure.nints)
    found = {
        "period": period,
        "waves": np.zeros((len(signals), POINTS + 2)),
        "folded": np.zeros((len(signals), SHOWN_BINS)),
        **{name: np.zeros(shown) for name in ("amplitude", "phase", "alone", "alone_error")},
    }
    for s, signal in enumerate(signals):
        known = None if measured or emicorr.waves is None else emicorr.waves[s]
        for name, value in _fit(sums[s], signal, p, known, frame).items():
            found[name][s] = value
        this = {name: found[name][s : s + 1] for name in SUBTRACTED}
        take_out(this, (row, quad, frame), sums[s + 1 :], bins[s + 1 :], taken)
    return EmicorrModel(frequency=frequency, row=row, quad=quad, group=frame, **found)


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
    cycle = shape(wave, np.arange(POINTS + 2) / POINTS)
    if known is None and (swing := 0.5 * float(np.ptp(cycle))) > 0:
        wave, cycle, amplitude = wave / swing, cycle / swing, amplitude * swing
    alone, error = harmonics.alone(wave, phase, amplitude)
    return {
        "waves": cycle,
        "amplitude": amplitude,
        "phase": (phase + np.arange(nint) * signal.by_integration) % 1,
        "alone": alone,
        "alone_error": error,
        "folded": means_by_phase(sums, signal, cycle, amplitude, phase),
    }


def _ints_to_phase(p: EmicorrParams, signal: Signal, nint: int, clocks: int) -> int:
    """Integrations, of ``clocks`` each, that the sequential fit folds."""
    if p.nints_to_phase is not None:
        return min(p.nints_to_phase, nint)
    if not p.use_n_cycles:
        return nint
    return min(int(np.ceil(p.use_n_cycles * signal.period / clocks)), nint)


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


@step(halo=0, measure=measure_emicorr, skips=_skips, views=WAVE_VIEWS)
def emicorr(ramp: Ramp, p: EmicorrParams, emicorr: EmicorrRef, model: EmicorrModel) -> Ramp:
    """Subtract periodic interference (MIRI): data [nint, ngroup, ny, nx] DN.

    The four outputs, read at the same time, get the same; reference pixels, too.
    """
    if not model.amplitude.any():
        return ramp
    found = {name: getattr(model, name) for name in SUBTRACTED}
    return ramp.replace(data=subtract(ramp.data, ramp.covers, found, model.clocks))
