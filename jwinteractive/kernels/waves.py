"""Fits of a periodic wave to ramps, from the sums of their samples in bins of phase.

Source: dossier 3.10. What a straight line through the groups of each bin explains, and where a
frame holds whole cycles an offset of each group, is projected out of the sums. Phase, amplitude and
shape of the wave are then sums over its harmonics, whose cost does not grow with the pixels.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Array

__all__ = [
    "BINS",
    "Harmonics",
    "Signal",
    "Sums",
    "by_phase",
    "coefficients",
    "fold",
    "place",
    "shape",
    "spectrum",
    "straightened",
]

BINS = 512
"""Bins of a cycle; bin b lies around phase b / BINS."""

_COUNT = 32  # harmonics of a wave
_ORDERS = np.concatenate([np.arange(-_COUNT, 0), np.arange(1, _COUNT + 1)])
_FREE = 8  # harmonics of a wave that nobody knows
_PHASES = 256  # that are tried
_MEASURABLE = 1e-6  # share of a wave's power that lines and offsets must leave
_SIGNIFICANT = 12.0  # power of a harmonic over its variance: noise does so once in 160 000


@dc.dataclass(frozen=True, slots=True)
class Signal:
    """A period in clocks, and how many cycles the phase moves on by group and by integration.

    ``offsets`` says that a frame holds enough cycles to tell its level from the wave.
    """

    period: float
    by_group: float
    by_integration: float
    offsets: bool

    def bins(self, clocks: Array) -> Array:
        """Bin of each clock since the first pixel, int64."""
        return np.rint(clocks / self.period % 1 * BINS).astype(np.int64) % BINS

    def cycles(self, nint: int, ngroup: int, start: Array | float = 0.0) -> Array:
        """Phase [integration, group, bin] of the sums of a wave that begins at ``start``."""
        first = np.arange(nint) * self.by_integration + start
        later = np.arange(ngroup)[:, None] * self.by_group
        return np.asarray((first[:, None, None] + later + np.arange(BINS) / BINS) % 1)


@dc.dataclass(frozen=True, slots=True)
class Sums:
    """Samples [integration, group, bin] in DN and pixels [integration, bin], float64."""

    samples: Array
    counts: Array

    def level(self, samples: Array) -> Array:
        """Part of ``samples`` that an offset common to all bins of a group is."""
        total = np.maximum(self.counts.sum(axis=1), 1)
        share = self.counts / total[:, None]
        return np.asarray(samples.sum(axis=2, keepdims=True) * share[:, None])

    def bent(self, signal: Signal) -> Array:
        """Samples without the lines through the groups of each bin, and offsets of groups."""
        left = _across(self.samples.shape[1]) @ self.samples
        return np.asarray(left - self.level(left) if signal.offsets else left)


def _across(ngroup: int) -> Array:
    """Projector [group, group] that takes straight lines away."""
    base = np.stack([np.ones(ngroup), np.arange(ngroup) - 0.5 * (ngroup - 1)])
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    return np.asarray(np.eye(ngroup) - base.T @ base)


def coefficients(wave: Array, within: float = 0.5) -> Array:
    """Fourier coefficients of a cycle, whose mean is left out.

    The cycle is given ``within`` equal parts of it: 0 at their beginning, 1 at their end.
    """
    points = len(wave)
    turned = np.exp(-2j * np.pi * _ORDERS * within / points)
    found = np.fft.fft(wave)[_ORDERS % points] / points * turned
    return np.where(np.abs(_ORDERS) <= (points - 1) // 2, found, 0)


def shape(wave: Array, phases: Array) -> Array:
    """Value at phases in cycles of a wave of given coefficients."""
    return np.real(np.exp(2j * np.pi * phases[:, None] * _ORDERS) @ wave)


class Harmonics:
    """Normal equations of a wave's coefficients in each integration.

    Parameters
    ----------
    sums
        Of the samples of good pixels.
    signal
        Whose harmonics.
    """

    def __init__(self, sums: Sums, signal: Signal) -> None:
        left = sums.bent(signal)
        nint, ngroup = left.shape[:2]
        turn = np.exp(2j * np.pi * np.arange(ngroup)[:, None] * signal.by_group * _ORDERS)
        self._start = np.exp(
            2j * np.pi * np.arange(nint)[:, None] * signal.by_integration * _ORDERS
        )
        along = np.einsum("gh,igh->ih", turn.conj(), np.fft.fft(left)[..., _ORDERS])
        self._right = along * self._start.conj()
        self._through = turn.conj().T @ _across(ngroup) @ turn
        self._pixels = np.fft.fft(sums.counts)
        self._offsets = signal.offsets
        self._samples = ngroup * sums.counts.sum(axis=1)
        bins = np.maximum(np.count_nonzero(sums.counts, axis=1) - signal.offsets, 0)
        self._freedom = max(int(bins.sum()) * (ngroup - 2), 1)
        self._square = float(np.sum(left**2 / np.maximum(sums.counts, 1)[:, None]))

    def matrix(self, integration: int) -> Array:
        """Overlap [harmonic, harmonic] of the harmonics in an integration."""
        pixels = self._pixels[integration]
        overlap = pixels[_ORDERS[:, None] - _ORDERS]
        if self._offsets:
            overlap -= np.outer(pixels[_ORDERS], pixels[-_ORDERS]) / max(pixels[0].real, 1)
        start = self._start[integration]
        return np.asarray(overlap * self._through * np.outer(start.conj(), start))

    def equations(self, integrations: range) -> tuple[Array, Array, float]:
        """Matrix and right side, added up, and samples behind them."""
        matrix = sum(self.matrix(i) for i in integrations)
        some = slice(integrations.start, integrations.stop)
        return np.asarray(matrix), self._right[some].sum(axis=0), float(self._samples[some].sum())

    def free(self, integrations: range) -> Array:
        """Coefficients of a wave that nobody knows: harmonics that stand out of the noise."""
        matrix, right, samples = self.equations(integrations)
        kept = (np.abs(_ORDERS) <= _FREE) & (np.real(np.diag(matrix)) > _MEASURABLE * samples)
        found = np.zeros(len(_ORDERS), complex)
        for last in (False, True):
            at = np.flatnonzero(kept)
            inverse = np.linalg.pinv(matrix[np.ix_(at, at)], hermitian=True)
            solved = inverse @ right[at]
            if last:
                found[at] = solved
            explained = float(np.vdot(right[at], solved).real)
            variance = max(self._square - explained, 0.0) / self._freedom
            noise = np.diag(inverse).real * variance
            kept[at] &= np.abs(solved) ** 2 > _SIGNIFICANT * noise
            kept &= kept[::-1]  # rounding parts no harmonic from its conjugate
        return found

    def fit(self, wave: Array, integrations: range) -> tuple[float, float]:
        """Phase and amplitude, not below 0, of a wave of known shape."""
        matrix, right, samples = self.equations(integrations)
        return place(wave, matrix, right, _MEASURABLE * samples)

    def alone(self, wave: Array, phase: Array, amplitude: Array) -> tuple[Array, Array]:
        """Amplitude that each integration gives by itself, and its error; NaN: it gives none.

        ``phase`` and ``amplitude`` [integration] of the wave are as they were fitted.
        """
        nint = len(phase)
        along, power = np.zeros(nint), np.zeros(nint)
        for i in range(nint):
            matrix, right, samples = self.equations(range(i, i + 1))
            moved = wave * np.exp(2j * np.pi * phase[i] * _ORDERS)
            along[i] = np.vdot(moved, right).real
            power[i] = np.vdot(moved, matrix @ moved).real
            if not power[i] > _MEASURABLE * samples * np.sum(np.abs(wave) ** 2):
                power[i] = np.nan
        explained = float(np.nansum(2 * amplitude * along - amplitude**2 * power))
        variance = max(self._square - explained, 0.0) / self._freedom
        return along / power, np.sqrt(variance / power)


def place(wave: Array, matrix: Array, right: Array, least: float = 0.0) -> tuple[float, float]:
    """Phase and amplitude, not below 0, of a wave of known shape that fits best.

    ``least`` is the power of a wave of unit variance that can be told from a line; (0, 0) where
    the wave has less.
    """

    def terms(phase: Array) -> tuple[Array, Array]:
        moved = wave * np.exp(2j * np.pi * phase[:, None] * _ORDERS)
        power = np.real(np.sum((moved.conj() @ matrix) * moved, axis=1))
        return np.real(moved.conj() @ right), power

    along, power = terms(np.arange(_PHASES) / _PHASES)
    if not power.min() > least * np.sum(np.abs(wave) ** 2):
        return 0.0, 0.0
    gain = np.maximum(along, 0) ** 2 / power
    best = int(np.argmax(gain))
    low, top, high = gain[best - 1], gain[best], gain[(best + 1) % _PHASES]
    bend = low - 2 * top + high
    phase = (best + (0.5 * (low - high) / bend if bend < 0 else 0.0)) / _PHASES
    along, power = terms(np.array([phase]))
    return phase % 1, max(float(along[0] / power[0]), 0.0)


def by_phase(samples: Array, counts: Array, cycles: Array, bins: int) -> tuple[Array, float]:
    """Mean of sums [integration, group, bin] in ``bins`` of the phase ``cycles``, DN.

    Also returns where within the bins the samples lie, on average: clocks may stay off the middle.
    """
    at = cycles.ravel() * bins
    weight = np.broadcast_to(counts[:, None], samples.shape).ravel()
    k = at.astype(np.int64) % bins
    total = np.bincount(k, weight, bins)
    within = float(np.sum(weight * (at - np.floor(at))) / max(total.sum(), 1))
    return np.bincount(k, samples.ravel(), bins) / np.maximum(total, 1), within


def fold(sums: Sums, signal: Signal, integrations: int, bins: int) -> Array:
    """Coefficients of what lines through all but the first and the last group leave, DN."""
    some = Sums(sums.samples[:integrations], sums.counts[:integrations])
    nint, ngroup = some.samples.shape[:2]
    t = np.arange(ngroup, dtype=float)
    inner = slice(1, ngroup - 1)
    away = t[inner] - t[inner].mean()
    slope = np.einsum("g,igb->ib", away, some.samples[:, inner]) / np.sum(away**2)
    flat = some.samples - slope[:, None] * t[:, None]
    flat -= flat[:, inner].mean(axis=1, keepdims=True)
    if signal.offsets:
        flat -= some.level(flat)
    return coefficients(*by_phase(flat, some.counts, signal.cycles(nint, ngroup), bins))


def straightened(data: Array) -> Array:
    """Samples [group, y, x] less the straight line of each pixel, DN, float64."""
    t = np.arange(len(data)) - 0.5 * (len(data) - 1)
    left = data - data.mean(axis=0, dtype=np.float64)
    return np.asarray(left - t[:, None, None] * (np.tensordot(t, left, 1) / np.sum(t**2)))


def spectrum(data: Array, good: Array, ticks: Array, together: int) -> tuple[Array, Array]:
    """Power spectrum in the order of reading, averaged over groups.

    Parameters
    ----------
    data
        DN [group, y, x], without what is to be in no spectrum.
    good
        Pixels to use [y, x].
    ticks
        Clock at which ``together`` neighbouring columns are read [y, x / together].

    Returns
    -------
    tuple
        Frequencies in cycles a clock, and squared amplitude of a sine of each, DN².
    """
    blocks = (*ticks.shape, together)
    count = np.count_nonzero(good.reshape(blocks), axis=-1)
    means = np.where(good, data, 0).reshape(len(data), *blocks).sum(axis=-1) / np.maximum(count, 1)
    stream = np.zeros((len(data), int(ticks.max()) + 1))
    stream[:, ticks.ravel()] = means.reshape(len(data), -1)
    power = np.mean(np.abs(np.fft.rfft(stream)) ** 2, axis=0)
    power *= (2 / max(int(np.count_nonzero(count)), 1)) ** 2
    return np.arange(1, len(power)) / stream.shape[1], power[1:]
