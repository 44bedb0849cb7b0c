"""Correction of IRS2 frames from their reference output and interleaved references, in time order.

Everything is a stream of the 712 clocks of a row times the rows of a frame, circular as a Fourier
transform has it. The correction of an amplifier is alpha times the transform of the reference
output plus beta times that of the amplifier's own references, and is needed at the pixels alone.

Source: dossier 3.3; official step `refpix` for IRS2.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import numpy as np
from numba import njit
from scipy import fft

from jwinteractive.data import Array
from jwinteractive.irs2 import FAST, OUTPUT, ROW, Interleaved, Order, order, science_rows

__all__ = ["bad_references", "corrections", "subtract_steps", "table_references"]

_THREADS = min(4, os.cpu_count() or 1)  # each holds the streams of a group, some 60 MB
_EDGE = 4  # rows of the detector at each end that see no light
_PERIOD, _PAIR, _BLOCKS = 20, 2, 32
_REACH = 16  # clocks; a gap is filled from those nearer than this
_PASSES = 3
_PLACES = np.array([0, 2, 0, 2, 1, 3, 1, 3])  # reference at each clock of those the weights expect
_HALF = 32767  # steps from 0 to the largest correction


# Which references are bad


def bad_references(frames: Interleaved, limit: float) -> tuple[Array, Array]:
    """Find references that misbehave in any integration, and what takes their place.

    A pair is bad where the difference of its two samples, their mean or their scatter over an
    integration lies more than ``limit`` deviations above the clipped mean of its output.

    Returns
    -------
    tuple
        Whether each row of the raw frame is bad, bool [3200], and the two rows [3200, 2] whose
        average takes its place: itself where it is good, -1 for none.
    """
    pairs = np.flatnonzero(order(frames.detector).reference)[::_PAIR]
    rows = np.stack([pairs, pairs + 1], axis=1).ravel()
    known = np.zeros(FAST, bool)
    known[list(frames.bad)] = True
    bad = known.copy()
    opened, levels = frames.samples.open(), frames.levels(rows)
    for integration in opened:

        def sums(frame: Array) -> Array:
            return _pair_sums(frames.frame(frame, rows, slice(None), levels))

        with ThreadPoolExecutor(_THREADS) as pool:
            total = np.sum(list(pool.map(sums, integration)), axis=0)
        n = len(integration) * opened.shape[-1]
        mean = total[1] / (2 * n)
        told = (total[0] / n, mean, np.sqrt(np.maximum(total[2] / (2 * n) - mean**2, 0)))
        for output in range(5):
            here = (pairs // OUTPUT == output) & ~(known[pairs] | known[pairs + 1])
            for value in told:
                if here.any():
                    centre, width = _clipped(value[here], limit)
                    high = pairs[here][value[here] - centre > limit * width]
                    bad[high] = bad[high + 1] = True
    sources = np.stack([np.arange(FAST)] * 2, axis=1)
    reference = order(frames.detector).reference
    for row in np.flatnonzero(bad):
        sources[row] = _instead(int(row), bad, reference)
    return bad, sources


def table_references(detector: str, table: Array, bad: Array, sources: Array) -> None:
    """Replace references that the table [entry, (output, odd or even, mask)] knows, in place.

    It counts as the detector does, so that which neighbour comes first depends on its turn.
    """
    found = order(detector)
    turn = slice(None, None, -1 if found.backwards else 1)
    reference = found.reference[turn]
    mirror = FAST - 1 if found.backwards else 0
    known = bad[turn].copy()
    for output, odd_even, mask in table:
        first = 2 * ((3 - odd_even if output % 2 == 0 else odd_even) - 1)
        blocks = [k for k in range(_BLOCKS) if int(mask) >> k & 1]
        at = [output * OUTPUT + 8 + k * _PERIOD + first + i for k in blocks for i in (0, 1)]
        new = [row for row in at if not known[row]]
        known[at] = True
        for row in new:
            instead = np.array(_instead(int(row), known, reference))
            sources[abs(mirror - row)] = np.where(instead < 0, -1, np.abs(mirror - instead))
    bad |= known[turn]


def _instead(row: int, bad: Array, reference: Array) -> tuple[int, int]:
    """Rows of one output whose average takes the place of a bad one: of its parity, if any."""
    low, high = row // OUTPUT * OUTPUT, (row // OUTPUT + 1) * OUTPUT
    near = [r for r in (row - _PERIOD, row + _PERIOD) if low <= r < high and not bad[r]]
    if near:
        return near[0], near[-1]
    for r in (row - 2, row + 2):
        if low <= r < high and reference[r] and not bad[r]:
            return r, r
    return -1, -1


def _clipped(values: Array, limit: float) -> tuple[float, float]:
    """Mean and deviation without what is far from the median, tried five times."""
    for _ in range(5):
        centre, width = np.median(values), values.std()
        kept = values[np.abs(values - centre) <= limit * width]
        if len(kept) == len(values):
            break
        values = kept
    return float(values.mean()), float(values.std())


@njit(cache=True, nogil=True)
def _pair_sums(values: Array) -> Array:
    """Sums of |difference|, sample and its square over each pair of rows, [3, pair]."""
    pairs = values.shape[0] // 2
    sums = np.zeros((3, pairs))
    for k in range(pairs):
        a, b = values[2 * k], values[2 * k + 1]
        for x in range(values.shape[1]):
            u, v = np.float64(a[x]), np.float64(b[x])
            sums[0, k] += abs(u - v)
            sums[1, k] += u + v
            sums[2, k] += u * u + v * v
    return sums


# The streams of one group


@njit(cache=True, nogil=True)
def _line(values: Array, tick: Array, slow: Array) -> tuple[float, float]:
    """Level and slope per clock of what is not 0 in samples [clock, row]; 0 of nothing."""
    n, st, sv, stt, stv = 0, 0.0, 0.0, 0.0, 0.0
    for i in range(tick.size):
        for j in range(slow.size):
            v = np.float64(values[i, j])
            if v != 0.0:
                t = np.float64(slow[j] * ROW + tick[i])
                n += 1
                st += t
                sv += v
                stt += t * t
                stv += t * v
    if n == 0:
        return 0.0, 0.0
    spread = stt - st * st / n
    slope = (stv - st * sv / n) / spread if spread > 0 else 0.0
    return sv / n - slope * st / n, slope


@njit(cache=True, nogil=True)
def _straighten(values: Array, tick: Array, level: float, slope: float) -> None:
    """Subtract a line from what is not 0 in samples [clock, row]."""
    for i in range(tick.size):
        for j in range(values.shape[1]):
            v = values[i, j]
            line = np.float32(level + slope * (j * ROW + tick[i]))
            values[i, j] = v - line if v != 0 else v


@njit(cache=True, nogil=True)
def _bridge(stream: Array, weights: Array) -> Array:
    """Stream [clock, row] whose zeros are weighted means of what is near, its ends joined."""
    row, nx = stream.shape
    reach = weights.size // 2
    out = stream.copy()
    total, weight = np.empty(nx, np.float64), np.empty(nx, np.float64)
    for i in range(row):
        zeros = 0
        for j in range(nx):
            zeros += stream[i, j] == 0
        if zeros == 0:
            continue
        if zeros > nx // 8:
            total[:], weight[:] = 0, 0
            for k in range(-reach, reach + 1):
                shift = (i + k) // row
                near, w = stream[(i + k) % row], weights[k + reach]
                for j in range(nx):
                    v = near[(j + shift) % nx] if shift else near[j]
                    total[j] += w * v
                    weight[j] += w if v != 0 else 0.0
            for j in range(nx):
                if stream[i, j] == 0 and weight[j] > 0:
                    out[i, j] = total[j] / weight[j]
            continue
        for j in range(nx):
            if stream[i, j] != 0:
                continue
            above, below = 0.0, 0.0
            for k in range(-reach, reach + 1):
                v = stream[(i + k) % row, (j + (i + k) // row) % nx]
                if v != 0:
                    above += weights[k + reach] * v
                    below += weights[k + reach]
            if below > 0:
                out[i, j] = above / below
    return out


@njit(cache=True, nogil=True)
def _times(values: Array, factor: Array) -> None:
    flat, other = values.ravel(), factor.ravel()
    for i in range(flat.size):
        flat[i] *= other[i]


@njit(cache=True, nogil=True)
def _times_conjugate(values: Array, factor: Array) -> None:
    flat, other = values.ravel(), factor.ravel()
    for i in range(flat.size):
        flat[i] *= np.conj(other[i])


@njit(cache=True, nogil=True)
def _combine(own: Array, beta: Array, output: Array, alpha: Array) -> None:
    a, b, c, d = own.ravel(), beta.ravel(), output.ravel(), alpha.ravel()
    for i in range(a.size):
        a[i] = a[i] * b[i] + c[i] * d[i]


@njit(cache=True, nogil=True)
def _quantise(values: Array, out: Array) -> Any:
    """Write samples as whole numbers of steps; return the step."""
    largest = np.float32(0)
    flat = values.ravel()
    for i in range(flat.size):
        largest = max(largest, abs(flat[i]))
    scale = np.float32(_HALF) / largest if largest > 0 else np.float32(0)
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            out[y, x] = np.int16(np.rint(values[y, x] * scale))
    return largest / _HALF


def _pass_band(n: int) -> Array:
    """Weight of each frequency when gaps are filled: 1, falling to 0, and 1 again at the end.

    For streams of whole frames as the official step has it, for shorter ones in proportion.
    """
    rows = n // ROW
    soft = 110000 // 22 * rows // 2048
    flat = ROW // 22 * rows // 2 - soft // 2
    down = (np.cos(np.arange(soft) * np.pi / soft) + 1) / 2
    band = np.zeros(n // 2 + 1, np.float32)
    band[:flat], band[flat : flat + soft] = 1, down
    band[n // 2 - flat - soft + 1 : n // 2 - flat + 1] = down[::-1]
    band[n // 2 - flat + 1 :] = 1
    return band


class _Spectrum:
    """Transform of streams [clock, row] in two steps, along the rows and then along the clocks.

    Element (m, k) of a transform [712, rows // 2 + 1] belongs to the frequency k + rows m.
    """

    def __init__(self, rows: int) -> None:
        self.rows, self.n = rows, rows * ROW
        clock, k = np.arange(ROW)[:, None], np.arange(rows // 2 + 1)
        self.twiddle = np.exp(-2j * np.pi / self.n * clock * k).astype(np.complex64)
        frequency = k + rows * clock
        self._turned = frequency > self.n // 2
        self._place = np.where(self._turned, self.n - frequency, frequency)

    def of(self, half: Array) -> Array:
        """Weights of frequencies from 0 to the highest, in the order of a transform."""
        found = half[self._place]
        return np.where(self._turned, np.conj(found), found) if np.iscomplexobj(half) else found

    def forward(self, rows: Array) -> Array:
        """Transform of a stream whose rows of clocks [712, rows // 2 + 1] are transformed."""
        turned = rows * self.twiddle
        return np.asarray(fft.fft(turned, axis=0, overwrite_x=True))

    def backward(self, transform: Array, clocks: Array) -> Array:
        """Stream [clock, row] at some clocks; the transform is spoilt."""
        found = np.asarray(fft.ifft(transform, axis=0, overwrite_x=True))[clocks]
        _times_conjugate(found, self.twiddle[clocks])
        return np.asarray(fft.irfft(found, self.rows, axis=1, overwrite_x=True))


class _Streams:
    """What turns one frame into corrections; holds what is the same for all frames."""

    def __init__(self, frames: Interleaved, sources: Array, alpha: Array, beta: Array) -> None:
        self.frames = frames
        self.order: Order = order(frames.detector)
        self.rows = np.flatnonzero((self.order.output == 0) | ~self.order.pixel)
        at = np.full(FAST, len(self.rows))  # the row after the last one is 0
        at[self.rows] = np.arange(len(self.rows))
        swaps = [r for r in self.rows if tuple(sources[r]) != (r, r)]
        self.swapped, self.swaps = at[swaps], at[sources[swaps]].reshape(-1, 2)
        nx = frames.samples.shape[-1]
        self.edges = np.r_[0:_EDGE, nx - _EDGE : nx]
        self.levels = frames.levels(self.rows)
        self.pixels = science_rows(frames.detector)
        self.edge_levels = frames.levels(self.pixels, self.edges)
        # rows and pixels of each output, in time order
        self.mine = [self._in_time(self.rows, k) for k in range(5)]
        self.seen = [self._in_time(self.pixels, k) for k in range(5)]
        output = self.rows[self.mine[0]]
        measured = self.order.tick[output][~self.order.reference[output]]
        self.gaps = np.setdiff1d(np.arange(ROW), measured)
        angle = np.arange(1, 2 * _REACH, dtype=np.float32) / np.float32(2 * _REACH)
        self.weights = np.sin(angle * np.float32(np.pi))
        self.spectrum = _Spectrum(nx)
        self.alpha, self.beta = ([self.spectrum.of(w) for w in each] for each in (alpha, beta))
        self.band = self.spectrum.of(_pass_band(nx * ROW))

    def _in_time(self, rows: Array, output: int) -> Array:
        """Where the rows of an output are among some, sorted by their clocks."""
        mine = np.flatnonzero(self.order.output[rows] == output)
        return mine[np.argsort(self.order.tick[rows[mine]])]

    def read(self, frame: Array) -> tuple[Array, Array]:
        """Rows without pixels, bad ones replaced; pixels of the detector's first and last rows."""
        values = self.frames.frame(frame, self.rows, slice(None), self.levels)
        if len(self.swapped):
            with_none = np.concatenate([values, np.zeros((1, values.shape[1]), np.float32)])
            first, second = self.swaps.T
            values[self.swapped] = (with_none[first] + with_none[second]) / np.float32(2)
        return values, self.frames.frame(frame, self.pixels, self.edges, self.edge_levels)

    def correct(self, frame: Array, mean: Array, edge_mean: Array, out: Array) -> Array:
        """Write the corrections of a frame to ``out``, int16 [2048, nx]; return what scales them.

        Of each amplifier [4, 3]: DN of a step, level of its line and slope per clock.
        """
        values, edge = self.read(frame)
        values, edge = _less(values, mean), _less(edge, edge_mean)
        if self.order.backwards:
            values, edge = values[:, ::-1], edge[:, ::-1]
        nx = values.shape[1]
        slow = np.r_[0:_EDGE, nx - _EDGE : nx]
        scales = np.zeros((4, 3))
        output: Any = None
        for k in range(5):
            stream = values[self.mine[k]]
            tick = self.order.tick[self.rows[self.mine[k]]]
            seen = self.order.tick[self.pixels[self.seen[k]]]
            ends = np.concatenate([stream[:, slow], edge[self.seen[k]]])
            level, slope = _line(ends, np.concatenate([tick, seen]), slow)
            _straighten(stream, tick, level, slope)
            if k == 0:
                output = self._filled(stream, tick)
                continue
            own = self._spread(stream)
            _combine(own, self.beta[k - 1], output, self.alpha[k - 1])
            made = self.spectrum.backward(own, seen)
            # each output is a block of rows, read in their order or against it
            place = self.seen[k]
            first, last = sorted((place[0], place[-1]))
            turn = slice(None, None, 1 if place[0] == first else -1)
            turned = slice(None, None, -1 if self.order.backwards else 1)
            step = _quantise(made, out[first : last + 1][turn, turned])
            scales[k - 1] = step, level, slope
        return scales

    def _spread(self, references: Array) -> Array:
        """Transform of an amplifier's references [128, row] where the weights expect them."""
        rows = fft.rfft(references, axis=1)
        found = np.zeros((ROW, rows.shape[1]), np.complex64)
        by_block = found[: _BLOCKS * 22].reshape(_BLOCKS, 22, -1)
        by_block[:, 7:15] = rows.reshape(_BLOCKS, 4, -1)[:, _PLACES]
        return self.spectrum.forward(found)

    def _filled(self, measured: Array, tick: Array) -> Array:
        """Transform of the reference output, gaps filled by what passes the band."""
        stream = np.zeros((ROW, measured.shape[1]), np.float32)
        stream[tick] = measured
        rows = fft.rfft(_bridge(stream, self.weights), axis=1)
        for _ in range(_PASSES):
            transform = self.spectrum.forward(rows)
            _times(transform, self.band)
            rows[self.gaps] = fft.rfft(self.spectrum.backward(transform, self.gaps), axis=1)
        return self.spectrum.forward(rows)


def _less(values: Array, mean: Array) -> Array:
    return np.subtract(values, mean, dtype=np.float64).astype(np.float32)


def corrections(
    frames: Interleaved, sources: Array, alpha: Array, beta: Array
) -> tuple[Array, Array]:
    """Find the corrections of every pixel of the science frames.

    Parameters
    ----------
    frames
        The exposure.
    sources
        Rows [3200, 2] whose average stands for each row, see `bad_references`.
    alpha, beta
        Weights of the reference output and of each amplifier's references; see `Irs2Ref`.

    Returns
    -------
    tuple
        Whole numbers of steps, int16 [integration, group, y, x], and of each amplifier the DN of
        a step, and the level and the slope per clock of the line to subtract, too, float64
        [integration, group, amplifier, 3]. The largest of an amplifier is 32767 steps, which is as
        fine as float32 samples are.
    """
    opened = frames.samples.open()
    streams = _Streams(frames, sources, alpha, beta)
    nint, ngroup, _, nx = opened.shape
    found = np.empty((nint, ngroup, len(streams.pixels), nx), np.int16)
    scales = np.empty((nint, ngroup, 4, 3))
    with ThreadPoolExecutor(_THREADS) as pool:
        for i in range(nint):
            # added in their order, whatever the threads; a few at once, for each is 10 MB
            some = (opened[i, g : g + _THREADS] for g in range(0, ngroup, _THREADS))
            parts = chain.from_iterable(pool.map(streams.read, few) for few in some)
            mean, edge_mean = (total / ngroup for total in _sums(parts))
            jobs = [
                pool.submit(streams.correct, opened[i, g], mean, edge_mean, found[i, g])
                for g in range(ngroup)
            ]
            scales[i] = [job.result() for job in jobs]
    return found, scales


def _sums(parts: Iterable[tuple[Array, Array]]) -> list[Array]:
    """Sums float64 of the rows and of the edges of all frames."""
    totals: list[Array] = []
    for part in parts:
        totals = totals or [np.zeros(each.shape) for each in part]
        for total, each in zip(totals, part, strict=True):
            total += each
    return totals


@njit(cache=True, nogil=True)
def subtract_steps(data: Array, steps: Array, scales: Array, tick: Array, slow: Array) -> Array:
    """Samples [n, y, x] less their corrections and lines, see `corrections`.

    ``steps`` [n, y, x], ``scales`` [n, y, 3] of each row, its clock ``tick`` [y] within a row of
    the detector, and the row of the detector ``slow`` [x].
    """
    out = np.empty_like(data)
    line = np.empty(slow.size, np.float32)
    for n in range(data.shape[0]):
        for y in range(data.shape[1]):
            size, level, slope = scales[n, y]
            level += slope * tick[y]
            for x in range(slow.size):
                line[x] = level + slope * (ROW * slow[x])
            size = np.float32(size)
            for x in range(slow.size):
                out[n, y, x] = data[n, y, x] - (line[x] + size * np.float32(steps[n, y, x]))
    return out
