"""Correlated read noise, generated in the order in which pixels are clocked.

1/f noise is a sum of Ornstein-Uhlenbeck processes with time constants a factor of four apart and
equal variances: its power spectrum has a slope of -1 within a few per cent between their corners.
Each process can be carried over any gap exactly, so that skipped frames cost nothing.
"""

from __future__ import annotations

import math
from concurrent.futures import Executor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from jwinteractive.detectors import TICK
from jwinteractive.irs2 import science_rows
from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import Window

Line = NDArray[np.float32]

_RATIO = 4
# The amplitude is the rms of the processes up to the length of a full frame, 4**10 clocks.
_PER_FRAME = 11
_PROCESSES = 15
_FASTEST = 0.5
_PATTERN_DEPTH, _PATTERN_TIME = 60.0, 100.0  # pixels, s

EMI_HZ = 390.625
"""Frequency of the interference that MIRI picks up."""


@njit(cache=True, nogil=True)
def _add_walk(
    stream: Line, step: int, tau: float, sigma: float, state: float, normals: Line
) -> float:
    """Add one process to `stream`: nodes every `step` clocks, straight lines between them.

    The last interval ends with the stream, so that the state returned is that of its end.
    """
    left = state
    width = step
    keep = math.exp(-width / tau)
    kick = sigma * math.sqrt(1 - keep * keep)
    for node in range(normals.size):
        start = node * step
        if start + step > stream.size:
            width = stream.size - start
            keep = math.exp(-width / tau)
            kick = sigma * math.sqrt(1 - keep * keep)
        right = keep * left + kick * normals[node]
        slope = (right - left) / width
        for i in range(width):
            stream[start + i] += left + slope * i
        left = right
    return left


class PinkStream:
    """A stream of 1/f noise of given rms, clock by clock, that can skip time."""

    def __init__(self, rms: float, seed: np.random.SeedSequence) -> None:
        self._rng = np.random.Generator(np.random.SFC64(seed))
        self._taus = _FASTEST * float(_RATIO) ** np.arange(_PROCESSES)
        self._sigma = rms / np.sqrt(_PER_FRAME)
        self._state = self._sigma * self._rng.standard_normal(_PROCESSES)

    def skip(self, ticks: int) -> None:
        """Let `ticks` clocks pass."""
        keep = np.exp(-ticks / self._taus)
        kicks = self._rng.standard_normal(_PROCESSES)
        self._state = keep * self._state + self._sigma * np.sqrt(1 - keep**2) * kicks

    def take(self, ticks: int) -> NDArray[np.float32]:
        """Return the noise [ticks] of the next clocks."""
        stream = np.zeros(ticks, np.float32)
        for k, tau in enumerate(self._taus):
            step = max(1, int(tau) // 8)
            normals = self._rng.standard_normal(-(-ticks // step), np.float32)
            self._state[k] = _add_walk(stream, step, tau, self._sigma, self._state[k], normals)
        return stream


@njit(cache=True, nogil=True)
def _gather(
    tick: NDArray[np.int64],
    amplifier: NDArray[np.int64],
    parity: NDArray[np.int64],
    common: Line,
    amps: Line,
    columns: Line,
    gain: Line,
    out: Line,
) -> None:
    for y in range(tick.shape[0]):
        for x in range(tick.shape[1]):
            t, a = tick[y, x], amplifier[y, x]
            value = common[t] + amps[a, t] + columns[2 * a + parity[y, x], t // 2]
            out[y, x] = gain[y, x] * value


def _take(stream: PinkStream | None, ticks: int) -> Line:
    return np.zeros(ticks, np.float32) if stream is None else stream.take(ticks)


class ReadoutNoise:
    """Correlated noise of successive frames of one exposure, in electrons."""

    def __init__(self, settings: Settings, window: Window, seed: np.random.SeedSequence) -> None:
        order = window.raw_order() if window.interleaved else window.readout_order()
        self._tick, self._amplifier = order
        y, x = np.indices(self._tick.shape)
        along = x + window.xstart if abs(window.detector.fastaxis) == 1 else y + window.ystart
        self._parity = np.asarray(along % 2, np.int64)
        reference = window.reference_pixels
        if window.interleaved:  # all samples beside the pixels are references
            whole = np.ones(self._tick.shape, np.bool_)
            whole[science_rows(window.detector.name)] = reference
            reference = whole
        self._gain = np.where(reference, settings.reference_gain, 1.0).astype(np.float32)
        self._outputs = n = window.amplifiers + window.interleaved
        seeds = seed.spawn(1 + 3 * n)
        rms = [settings.one_over_f_common, *[settings.one_over_f_amp] * n]
        rms += [settings.alternating] * 2 * n
        self._streams = [
            PinkStream(r, s) if r > 0 else None for r, s in zip(rms, seeds, strict=True)
        ]
        # odd and even columns take turns: each has half of the clocks
        self._lengths = [window.ticks] * (1 + n) + [window.ticks // 2 + 1] * 2 * n
        self._off = all(stream is None for stream in self._streams)

    def skip(self, frames: int) -> None:
        """Let frames pass unread."""
        if frames:
            for stream, length in zip(self._streams, self._lengths, strict=True):
                if stream is not None:
                    stream.skip(frames * length)

    def frame(self, pool: Executor) -> NDArray[np.float32]:
        """Return the noise [ny, nx] of the next frame, of IRS2 frames that of all samples."""
        shape = self._tick.shape
        if self._off:
            return np.zeros(shape, np.float32)
        parts = list(pool.map(_take, self._streams, self._lengths))
        common = parts[0]
        n = self._outputs
        out = np.empty(shape, np.float32)
        _gather(
            self._tick,
            self._amplifier,
            self._parity,
            common,
            np.stack(parts[1 : n + 1]),
            np.stack(parts[n + 1 :]),
            self._gain,
            out,
        )
        return out


class Interference:
    """A sine that the read-out picks up behind the pixels: reference pixels see it as all others.

    Attributes
    ----------
    phase : float
        Cycles of the sine at the first pixel of the exposure.
    """

    def __init__(self, settings: Settings, window: Window, seed: np.random.SeedSequence) -> None:
        self.phase = float(np.random.Generator(np.random.SFC64(seed)).random())
        self._amplitude = settings.emi
        self._ticks = window.readout_order()[0]
        self._per_frame = window.ticks

    def frame(self, number: int) -> NDArray[np.float64]:
        """Return the signal [ny, nx] in DN of a frame since the first pixel was read."""
        if not self._amplitude:
            return np.zeros(self._ticks.shape)
        cycles = (number * self._per_frame + self._ticks) * (EMI_HZ * TICK)
        return np.asarray(self._amplitude * np.sin(2 * np.pi * ((cycles + self.phase) % 1)))


def frame_pattern(window: Window) -> NDArray[np.float64]:
    """Thermal pattern [ny, nx] of the edges of a detector: 1 there, 0 in the centre."""
    ly, lx = window.detector.shape
    y = np.arange(window.ny)[:, None] + window.ystart - 1
    x = np.arange(window.nx)[None, :] + window.xstart - 1
    depth = np.minimum(np.minimum(y, ly - 1 - y), np.minimum(x, lx - 1 - x))
    pattern = np.exp(-np.square(depth / _PATTERN_DEPTH))
    pattern[window.reference_pixels] = 0.0
    return np.asarray(pattern)


class ThermalPattern:
    """The pattern of the edges, whose strength in electrons wanders about 0."""

    def __init__(self, rms: float, window: Window, seed: np.random.SeedSequence) -> None:
        self._rng = np.random.Generator(np.random.SFC64(seed))
        self._rms, self._state = rms, rms * self._rng.standard_normal()
        self._pattern = frame_pattern(window) if rms else None

    def add_to(self, image: NDArray[np.float64], seconds: float, gain: NDArray[np.float64]) -> None:
        """Let time pass and add the pattern to an image in DN."""
        if self._pattern is None:
            return
        keep = math.exp(-seconds / _PATTERN_TIME)
        kick = self._rms * math.sqrt(1 - keep * keep) * self._rng.standard_normal()
        self._state = keep * self._state + kick
        image += self._state * self._pattern / gain
