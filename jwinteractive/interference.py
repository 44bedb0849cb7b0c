"""Periodic interference in MIRI ramps: sums by phase over an exposure, and what there is to see.

Source: dossier 3.10. Which pixels are summed, how a wave is taken out of samples and out of sums,
and the plots of what was found; how waves are fitted to the sums is `emicorr`'s.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping

import numpy as np
from scipy.stats import chi2

from jwinteractive.data import Array, Box, Ramp
from jwinteractive.detectors import TICK
from jwinteractive.errors import InputError
from jwinteractive.kernels.emi import QUAD, add_by_phase, scatter, subtract_waves
from jwinteractive.kernels.waves import BINS, Signal, Sums, by_phase, spectrum, straightened
from jwinteractive.step import Model, Whole
from jwinteractive.views import Curve, Plot, Shown, View

__all__ = [
    "POINTS",
    "SHOWN_BINS",
    "SUBTRACTED",
    "WAVE_VIEWS",
    "Clocks",
    "EmicorrModel",
    "collect",
    "means_by_phase",
    "subtract",
    "take_out",
]

POINTS = 1024
"""Points of a cycle of a wave."""

SHOWN_BINS = 64
"""Bins of a cycle in the plot by phase."""

SUBTRACTED = ("waves", "amplitude", "phase", "period")
"""Fields of a model that tell what is subtracted."""

_BAD_COLUMNS = slice(QUAD, 3 * QUAD)  # beside the left reference pixels
_STRIP_BYTES, _MOST_ROWS = 32 * 2**20, 128
_TAIL = 1e-4  # share of good ramps that count as noisy: fewer groups, wider cut
_SHOWN_INTS = 20  # of the plot by phase
_MIDDLES = (np.arange(SHOWN_BINS) + 0.5) / SHOWN_BINS
_SHOWN_RANGE = 2.5  # highest frequency of the spectrum, in units of the signals' highest

Clocks = tuple[int, int, int]


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
    def clocks(self) -> Clocks:
        """Of a row, four columns and a group."""
        return self.row, self.quad, self.group


def subtract(data: Array, box: Box, found: Mapping[str, Array], clocks: Clocks) -> Array:
    """Samples [integration, group, y, x] of a box, without the waves of some signals."""
    # read-only, contiguous: the kernel compiles once
    waves, amplitude, phase, period = (_fixed(found[name]) for name in SUBTRACTED)
    return subtract_waves(data, waves, amplitude, phase, period, clocks, (box.y0, box.x0))


def _fixed(array: Array) -> Array:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def _quiet(data: Array) -> Array:
    """Pixels [integration, y, x] whose ramps are as straight as those of most others."""
    about = scatter(data)
    freedom = data.shape[1] - 2
    # scatter of noise alone is cut nowhere near: that would cut the wave, too
    widest = max(4.0, float(chi2.isf(_TAIL, freedom) / chi2.median(freedom)))
    finite = about[np.isfinite(about)]
    limit = widest * np.median(finite) if finite.size else 0.0
    return np.asarray(about <= limit)


def collect(whole: Whole, bins: list[Array]) -> tuple[list[Sums], list[tuple[Box, Array]]]:
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


def take_out(
    found: Mapping[str, Array],
    clocks: Clocks,
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
        less = _fixed(subtract(nothing, strip, found, clocks))
        for later, at in zip(sums, bins, strict=True):
            counted = np.zeros_like(later.counts)
            add_by_phase(less, usable, at[strip.y0 : strip.y1], later.samples, counted)


def means_by_phase(
    sums: Sums, signal: Signal, cycle: Array, amplitude: Array, phase: Array
) -> Array:
    """Mean of the samples by phase of the wave: the wave, and what the fit leaves."""
    some = slice(0, _SHOWN_INTS)
    samples, counts = sums.samples[some], sums.counts[some]
    nint, ngroup, _ = samples.shape
    cycles = signal.cycles(nint, ngroup, phase[some])
    along = np.arange(len(cycle)) / POINTS
    wave = amplitude[some, None, None] * np.interp(cycles, along, cycle)
    less = Sums(samples - counts[:, None] * wave, counts)
    left, _ = by_phase(less.bent(signal), counts, cycles, SHOWN_BINS)
    return np.asarray(left + amplitude.mean() * np.interp(_MIDDLES, along, cycle))


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
        along = np.arange(POINTS + 1) / POINTS
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


WAVE_VIEWS = (
    View(title="wave by phase", draw=_waves),
    View(title="amplitude by integration", draw=_amplitudes),
    View(title="power spectrum", draw=_spectrum, compares=True),
)
