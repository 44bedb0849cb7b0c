"""Stripes as a few slow waves along each line, fitted to its free pixels and smoothed across lines.

All images share the mask of free pixels, so that the normal equations of a line are inverted once.
What is smoothed across lines are the coefficients: evaluating them in a box needs nothing else.

Two fits. The official one (`NSClean`) fits complex waves of positive frequencies alone, weights by
the squared inverse of the density of free pixels, wraps round the edges, and puts both the
densities and the smooth model one line and one pixel beside their place. Ours fits sines and
cosines and weights by the inverse density. 1/f noise differs from line to line, so that smoothing
leaves stripes: we draw waves towards what the neighbouring lines together say, and the more so the
fewer pixels are free and the higher the wave, by ``pull``.

Source: dossier section 4 (b); Rauscher 2024 (PASP 136, 015001).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.flicker.lines import check_free, over_strips, strip
from jwinteractive.kernels.flicker_fourier import (
    even_weights,
    project,
    project_clipped,
    project_sorted,
    sum_waves,
)

__all__ = ["REACH", "LineWaves", "fit_waves", "fit_waves_official", "less_waves", "low_pass"]

_HALF_POWER = 1 / 256  # 1/pixel
_CUT_WIDTH = 1 / 1024  # 1/pixel
_OUTLIER = 3.0  # standard deviations
_DENSITY = 32.0  # pixels, standard deviation
_SMOOTH = 1.5  # lines, standard deviation
_PULL = 32.0  # free pixels of a line that count half as much as its neighbours do
_EDGE = 4  # lines at either end that the official fit leaves alone: reference pixels
_EMPTY = 1e-6  # density below which the official weight is a rounding error
REACH = 6
"""Lines on either side that a line depends on: four standard deviations of the smoothing."""


@dataclass(frozen=True)
class LineWaves:
    """Waves along the lines of some images.

    Attributes
    ----------
    coefficients : Array
        [n, line, term], float32, in the unit of the images: the constant, then the cosines, then
        the sines of 1, 2, ... periods in a line.
    npix : int
        Pixels of a whole line.
    shift : int
        Pixel at which the waves begin.
    """

    coefficients: Array
    npix: int
    shift: int = 0

    def values(self, image: int, y0: int, y1: int, x0: int = 0, x1: int | None = None) -> Array:
        """Model [line, pixel] of a part of an image, float32."""
        top = (self.coefficients.shape[2] - 1) // 2
        waves = _waves(self.npix, top, self.shift)[:, x0:x1].astype(np.float32)
        model = np.empty((y1 - y0, waves.shape[1]), np.float32)
        sum_waves(np.ascontiguousarray(self.coefficients[image, y0:y1]), waves, model)
        return model


def low_pass(npix: int, half_power: float = _HALF_POWER, width: float = _CUT_WIDTH) -> Array:
    """Gain of each wave of 0, 1, ... periods in a line, as far as it is above 0.

    1 at low frequencies, then half a cosine of the given width about the frequency of half power,
    both in 1/pixel.
    """
    frequency = np.arange(npix // 2 + 1) / npix
    offset = (frequency - half_power) / width
    gain = np.where(offset <= -0.5, 1.0, 0.5 - 0.5 * np.sin(np.pi * offset))
    gain[offset >= 0.5] = 0.0
    return gain[: np.count_nonzero(gain)]


@lru_cache(maxsize=8)
def _waves(npix: int, top: int, shift: int = 0) -> Array:
    """Constant, cosines and sines [1 + 2 top, pixel] of up to ``top`` periods in a line."""
    period = np.arange(1, top + 1)[:, None]
    # the remainder keeps the angles small and the sines exact
    angle = 2 * np.pi / npix * (period * (np.arange(npix) - shift) % npix)
    waves = np.concatenate([np.ones((1, npix)), np.cos(angle), np.sin(angle)])
    waves.flags.writeable = False
    return waves


def fit_waves(
    lines: Array,
    free: Array,
    pull: float = _PULL,
    half_power: float = _HALF_POWER,
    width: float = _CUT_WIDTH,
    threads: int = 0,
) -> LineWaves:
    """Fit waves to the free pixels of images [n, line, pixel] that share them.

    Parameters
    ----------
    lines
        Images, or a band of their lines; a line depends on `REACH` lines on either side. What is
        not finite, or more than 3 sigma from the median of its line, counts as the median.
    free
        Pixels without sources, bool [line, pixel].
    pull
        Free pixels of a line that count half as much as its neighbours do, for its level and its
        wave of one period; k times as many for one of k periods. 0 for plain least squares.
    half_power, width
        See `low_pass`.

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """
    check_free(lines, free)
    npix = free.shape[1]
    gain = low_pass(npix, half_power, width)
    top = len(gain) - 1
    weights = _even(free)
    sides = _project(weights, _waves(npix, 2 * top), threads)
    rights = _right_sides(lines, free, weights, _waves(npix, top), threads)
    period = np.arange(1, top + 1)
    # a wave's square is one half on average
    prior = pull * np.concatenate([[1], period / 2, period / 2])
    # nothing but a stray pixel or two is held back where neighbours agree on a level
    loose = np.concatenate([[min(pull, 1.0)], prior[1:]])
    around = _solve(_real_normal(_across(sides, 0), top), _across(rights, 1), loose)
    found = _solve(_real_normal(sides, top), rights + prior * around, prior)
    return LineWaves((found * _gains(gain)).astype(np.float32), npix)


def fit_waves_official(lines: Array, free: Array, threads: int = 0) -> LineWaves:
    """Fit waves as the official `fft_clean_full_frame` does, its smoothing included.

    Its images are lines ``in_lines(image, 2, 1)`` of NRS1 and ``in_lines(image, 2, -1)`` of NRS2.
    Lines with fewer free pixels than waves, or whose density rests on an empty line (officially a
    rounding error), get none. Images must be finite, as they officially are.

    Raises
    ------
    InputError
        If the images are not square, or the shapes do not belong together.
    """
    check_free(lines, free)
    nline, npix = free.shape
    if nline != npix:
        raise InputError(
            f"lines {free.shape}: the official fit is for square frames: use fit_waves"
        )
    gain = low_pass(npix)
    top = len(gain) - 1
    weights, able = _official_weights(free, top, threads)
    waves = _waves(npix, top)
    totals = _project(weights, waves, threads)
    sides = _complex(totals, 1)
    rights = _complex(_sorted_sides(lines, free, weights, waves, totals, threads), -1)
    step = np.arange(top + 1)[None, :] - np.arange(top + 1)[:, None]
    normal = np.where(step >= 0, sides[:, abs(step)], sides[:, abs(step)].conj())
    normal[~able] = np.eye(top + 1)
    rights[:, ~able] = 0
    found = np.linalg.solve(normal, rights.transpose(1, 2, 0)).transpose(2, 0, 1)
    terms = np.concatenate([found.real, -found.imag[..., 1:]], axis=-1)
    terms[..., 1:] *= 2  # negative frequencies are added afterwards
    taps = np.arange(-2 * REACH, 2 * REACH + 1)
    kernel = np.exp(-0.5 * (taps / _SMOOTH) ** 2) / (_SMOOTH * np.sqrt(2 * np.pi))
    smooth = sum(g * np.roll(terms, k + 1, axis=1) for g, k in zip(kernel, taps, strict=True))
    return LineWaves((smooth * _gains(gain)).astype(np.float32), npix, shift=1)


def less_waves(lines: Array, waves: LineWaves, out: Array | None = None, threads: int = 0) -> Array:
    """Images [n, line, pixel] less their waves: float32, into ``out`` if given."""
    left = np.empty_like(lines, np.float32) if out is None else out

    def work(y0: int, y1: int) -> None:
        for i in range(len(lines)):
            np.subtract(lines[i, y0:y1], waves.values(i, y0, y1), out=left[i, y0:y1])

    over_strips(lines.shape[1], work, threads)
    return left


def _even(free: Array) -> Array:
    """Weights [line, pixel], float32, that even out the density of free pixels.

    Their sum is the number of free pixels of the line.
    """
    nline, npix = free.shape
    length = next_fast_len(npix + int(4 * _DENSITY), real=True)
    at = np.minimum(np.arange(length), length - np.arange(length))
    kernel = rfft(np.exp(-0.5 * (at / _DENSITY) ** 2).astype(np.float32))
    inside = irfft(rfft(np.ones(npix, np.float32), length) * kernel, length)[:npix]
    weights = np.empty((nline, npix), np.float32)

    def work(y0: int, y1: int) -> None:
        part = free[y0:y1].astype(np.float32, order="C")
        density = irfft(rfft(part, length) * kernel, length)[:, :npix]
        even = np.where(part > 0, inside / np.maximum(density, np.float32(0.5)), np.float32(0))
        number = part.sum(axis=1, keepdims=True)
        weights[y0:y1] = even * number / np.maximum(even.sum(axis=1, keepdims=True), 1e-6)

    over_strips(nline, work)
    return weights


def _official_weights(free: Array, top: int, threads: int) -> tuple[Array, Array]:
    """Weights [line, pixel] of the official fit, and which lines have enough of them."""
    nline, npix = free.shape
    offset = np.arange(npix) - (npix // 2 + 1)
    kernel = np.exp(-0.5 * (offset / _DENSITY) ** 2) / (_DENSITY * np.sqrt(2 * np.pi))
    spread = rfft(np.fft.ifftshift(kernel).astype(np.float32))
    weights = np.empty((nline, npix), np.float32)
    number: Array = np.empty(nline, np.int64)

    def work(y0: int, y1: int) -> None:
        beside = free[np.arange(y0 - 1, y1 - 1)].astype(np.float32)
        density = irfft(rfft(beside) * spread, npix)
        mask = np.array(free[y0:y1], np.bool_, order="C")
        even_weights(density, mask, np.float32(_EMPTY), weights[y0:y1], number[y0:y1])

    over_strips(nline, work, threads)
    able = number > top
    able[:_EDGE] = able[nline - _EDGE :] = False
    return weights, able


def _project(weights: Array, waves: Array, threads: int) -> Array:
    """Sums [line, term] of the weights times each wave, float64."""
    sums = np.empty((len(weights), len(waves)))
    over_strips(len(weights), lambda y0, y1: project(weights[y0:y1], waves, sums[y0:y1]), threads)
    return sums


def _right_sides(lines: Array, free: Array, weights: Array, waves: Array, threads: int) -> Array:
    """Sums [n, line, term] of weights times clipped values times each wave, float64."""
    rights = np.empty((len(lines), len(free), len(waves)))
    short = waves.astype(np.float32)

    def work(y0: int, y1: int) -> None:
        mask = np.array(free[y0:y1], np.bool_, order="C")
        weight = weights[y0:y1]
        totals = np.empty((y1 - y0, len(waves)))
        project(weight, waves, totals)
        for i in range(len(lines)):
            part = strip(lines[i], y0, y1)
            project_clipped(part, mask, weight, _OUTLIER, short, totals, rights[i, y0:y1])

    over_strips(len(free), work, threads)
    return rights


def _sorted_sides(
    lines: Array, free: Array, weights: Array, waves: Array, totals: Array, threads: int
) -> Array:
    """`_right_sides` by sorting lines, where ``totals`` are the sums of weights times waves."""
    rights = np.empty((len(lines), *totals.shape))
    short = waves.astype(np.float32)

    def work(y0: int, y1: int) -> None:
        for i in range(len(lines)):
            part = strip(lines[i], y0, y1)
            ordered = np.where(free[y0:y1], part, np.float32(np.nan))
            ordered.sort(axis=1)
            sums = rights[i, y0:y1]
            project_sorted(part, ordered, weights[y0:y1], _OUTLIER, short, totals[y0:y1], sums)

    over_strips(len(free), work, threads)
    return rights


def _across(sums: Array, axis: int) -> Array:
    """Weighted means over neighbouring lines, which lie along an axis."""
    taps = np.arange(-REACH, REACH + 1)
    kernel = np.exp(-0.5 * (taps / _SMOOTH) ** 2)
    lines = np.moveaxis(sums, axis, 0)
    padded = np.pad(lines, [(REACH, REACH)] + [(0, 0)] * (lines.ndim - 1))
    joined = sum(g * padded[k : k + len(lines)] for k, g in enumerate(kernel / kernel.sum()))
    return np.moveaxis(np.asarray(joined), 0, axis)


def _solve(normal: Array, rights: Array, prior: Array) -> Array:
    """Coefficients [n, line, term]; a line without any pixel has none."""
    term = np.arange(len(prior))
    normal[:, term, term] += prior + 1e-6  # that lines without pixels have a solution, too
    found: Array = np.linalg.inv(normal) @ rights.transpose(1, 2, 0)
    return found.transpose(2, 0, 1)


def _real_normal(sides: Array, top: int) -> Array:
    """Normal matrices [line, term, term] from sums of weights times waves of up to 2 ``top``."""
    cosine, sine = sides[:, : 2 * top + 1], np.pad(sides[:, 2 * top + 1 :], ((0, 0), (1, 0)))
    a, b = np.arange(top + 1)[:, None], np.arange(top + 1)[None, :]
    apart, together = abs(a - b), a + b
    sign = np.sign(a - b)  # of the sine of the difference
    both = (cosine[:, apart] + cosine[:, together]) / 2
    mixed = (sine[:, together] - sign * sine[:, apart]) / 2  # cosine of a, sine of b
    odd = (cosine[:, apart] - cosine[:, together]) / 2
    upper = np.concatenate([both, mixed[..., 1:]], axis=2)
    lower = np.concatenate([mixed.transpose(0, 2, 1), odd[..., 1:]], axis=2)[:, 1:]
    return np.concatenate([upper, lower], axis=1)


def _complex(terms: Array, sign: int) -> Array:
    """Complex [..., 1 + top] of cosines and, times i and a sign, sines [..., 1 + 2 top]."""
    top = (terms.shape[-1] - 1) // 2
    found: Array = terms[..., : top + 1].astype(complex)
    found[..., 1:] += sign * 1j * terms[..., top + 1 :]
    return found


def _gains(gain: Array) -> Array:
    return np.concatenate([gain, gain[1:]])
