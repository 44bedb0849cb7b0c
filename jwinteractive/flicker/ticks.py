"""1/f noise of subarrays of one output, as waves in time fitted to blocks of lines.

A block has at least 512 free pixels, if there are so many; the next begins in its middle, and the
two are joined by weights that fall from the middle to the ends. Waves are those that fit into the
block's clocks, the overhead of its lines included, and lie in the pass band: slow ones, and those
that alternate between columns. A line depends on the lines of the blocks that it lies in, and on
the mask alone where these begin.

Two fits, as in `jwinteractive.flicker.fourier`: the official one (`NSCleanSubarray`), with a mask
less the outliers of each image, and ours, whose normal equations are inverted once for images that
share a mask, and which holds waves back as 1/f noise does, by ``pull``.

Source: dossier section 4 (b).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jwinteractive.data import Array
from jwinteractive.detectors import TICK
from jwinteractive.flicker.lines import check_free

__all__ = [
    "PASS_BAND",
    "Block",
    "TickWaves",
    "blocks_of",
    "fit_ticks",
    "fit_ticks_official",
    "less_ticks",
]

PASS_BAND = (1061.0, 1211.0, 49943.0, 49957.0)
"""Hz: full gain below the first and above the last, none between the second and third."""

_OVERHEAD = 12  # clocks between lines
_FEWEST = 512  # free pixels in a block
_SHARE = 0.05  # of its pixels that must be free
_OUTLIER = 4.0  # standard deviations
_PULL = 64.0


@dataclass(frozen=True)
class Block:
    """Waves of some lines, y0 to y1, of each image.

    ``coefficients`` [n, term]: cosines, then sines of the waves that fit into the pass band; empty
    where too few pixels are free.
    """

    y0: int
    y1: int
    coefficients: Array


@dataclass(frozen=True)
class TickWaves:
    """Waves of all blocks of some images [n, line, pixel] of ``npix`` pixels a line."""

    blocks: tuple[Block, ...]
    npix: int
    band: tuple[float, float, float, float]

    def values(self, image: int, y0: int, y1: int) -> Array:
        """Model [line, pixel] of some lines of an image; 0 where there is no block."""
        model = np.zeros((y1 - y0, self.npix))
        total = np.zeros((y1 - y0, 1))
        for block in self.blocks:
            start, end = max(block.y0, y0), min(block.y1, y1)
            if start >= end:
                continue
            nline = block.y1 - block.y0
            weight = 1.001 - np.abs(np.linspace(-1, 1, nline))[start - block.y0 : end - block.y0]
            total[start - y0 : end - y0] += weight[:, None]
            if block.coefficients.size:
                found = self._of_block(block, image)[start - block.y0 : end - block.y0]
                model[start - y0 : end - y0] += weight[:, None] * found
        return model / np.where(total > 0, total, 1)

    def _of_block(self, block: Block, image: int) -> Array:
        nline = block.y1 - block.y0
        count = nline * (self.npix + _OVERHEAD)
        periods, _ = _passing(count, self.band)
        cosines, sines = np.split(block.coefficients[image], 2)
        spectrum = np.zeros(count // 2 + 1, complex)
        # negative frequencies are added afterwards; 0 and the highest of all have none
        alone = (periods == 0) | (periods * 2 == count)
        spectrum[periods] = (cosines - 1j * sines) * np.where(alone, count, count / 2)
        return np.asarray(np.fft.irfft(spectrum, count).reshape(nline, -1)[:, : self.npix])


def blocks_of(free: Array) -> list[tuple[int, int]]:
    """First line and end of each block of lines [line, pixel]; the blocks overlap by a half."""
    number = np.count_nonzero(free, axis=1)
    before = np.concatenate([[0], np.cumsum(number)])
    used = np.flatnonzero(number)
    if not len(used):
        return []
    y0, end = int(used[0]), int(used[-1]) + 1
    blocks = []
    while True:
        y1 = end
        if before[-1] - before[y0] > 1.5 * _FEWEST:
            y1 = min(end, int(np.searchsorted(before, before[y0] + _FEWEST, side="right")))
        blocks.append((y0, y1))
        if y1 >= end:
            return blocks
        y0 += max(round((y1 - y0) / 2), 1)


@lru_cache(maxsize=64)
def _passing(count: int, band: tuple[float, float, float, float]) -> tuple[Array, Array]:
    """Periods in ``count`` clocks of the waves that pass, and their gain."""
    hertz = np.fft.rfftfreq(count, TICK)
    off = np.clip((hertz - band[0]) / (band[1] - band[0]), 0, 1)
    on = np.clip((hertz - band[2]) / (band[3] - band[2]), 0, 1)
    gain = 0.5 * (1 + np.cos(np.pi * off)) + 0.5 * (1 - np.cos(np.pi * on))
    periods = np.flatnonzero(gain > 1e-12)
    return periods, gain[periods]


def _waves(free: Array, periods: Array) -> Array:
    """Waves [wave, pixel], complex, at the free pixels of a block."""
    nline, npix = free.shape
    count = nline * (npix + _OVERHEAD)
    y, x = np.nonzero(free)
    circle = np.exp(2j * np.pi / count * np.arange(count))
    return np.asarray(circle[periods[:, None] * (y * (npix + _OVERHEAD) + x) % count])


def fit_ticks(
    lines: Array,
    free: Array,
    band: tuple[float, float, float, float] = PASS_BAND,
    pull: float = _PULL,
    threads: int = 0,
) -> TickWaves:
    """Fit waves in time to the free pixels of images [n, line, pixel] that share them.

    Parameters
    ----------
    lines
        Images of one output, lines and pixels in the order of reading. What is not finite or more
        than 4 sigma from the median of its block counts as the median.
    free
        Pixels without sources, bool [line, pixel].
    band
        See `PASS_BAND`; a lower one leaves bright scenes alone.
    pull
        Free pixels that a wave of one period in a block, or one that alternates, needs to be
        believed half; k times as many one of k periods. 0 for plain least squares.

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """
    check_free(lines, free)
    npix = free.shape[1]

    def fit(where: tuple[int, int]) -> Block:
        y0, y1 = where
        mask = np.asarray(free[y0:y1])
        if mask.mean() <= _SHARE:
            return Block(y0, y1, np.empty((len(lines), 0)))
        count = (y1 - y0) * (npix + _OVERHEAD)
        periods, gain = _passing(count, band)
        values = np.asarray(lines[:, y0:y1][:, mask], np.float64)
        centre, values = _clipped(values)
        waves = _waves(mask, periods)
        basis = np.concatenate([waves.real, waves.imag])
        density = _density(mask, band)
        weights = 1 / np.maximum(density[mask], 1e-3)
        weights *= len(weights) / weights.sum()
        held = np.where(periods > count // 4, 1, periods)
        prior = pull / 2 * np.tile(held, 2) + 1e-6  # the sines of 0 need something, too
        normal = (basis * weights) @ basis.T + np.diag(prior)
        found = np.linalg.solve(normal, basis @ (weights * values).T).T
        found[:, 0] += centre
        return Block(y0, y1, found * np.tile(gain, 2))

    with ThreadPoolExecutor(threads or 2, thread_name_prefix="ticks") as pool:
        return TickWaves(tuple(pool.map(fit, blocks_of(free))), npix, band)


def fit_ticks_official(
    lines: Array,
    free: Array,
    band: tuple[float, float, float, float] = PASS_BAND,
    outliers: bool = True,
) -> list[TickWaves]:
    """Fit waves to each image as the official `fft_clean_subarray` does.

    Its images are lines ``in_lines(image, 2, 1)`` of NRS1 and ``in_lines(image, 2, -1)`` of NRS2.
    Pixels more than 4 sigma from the median of the image, and their neighbours, are left out with
    ``outliers``. Images must be finite, as they officially are. A block with fewer free pixels than
    waves gets none: officially the image is given up, or gets rounding errors.

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """
    check_free(lines, free)
    return [_official(image, _inliers(image, free) if outliers else free, band) for image in lines]


def less_ticks(lines: Array, waves: TickWaves, out: Array | None = None, threads: int = 0) -> Array:
    """Images [n, line, pixel] less their waves: float32, into ``out`` if given."""
    left = np.empty_like(lines, np.float32) if out is None else out

    def work(i: int) -> None:
        left[i] = lines[i] - waves.values(i, 0, lines.shape[1])

    with ThreadPoolExecutor(threads or 2, thread_name_prefix="ticks") as pool:
        list(pool.map(work, range(len(lines))))
    return left


def _clipped(values: Array) -> tuple[Array, Array]:
    """Medians [n] of values [n, pixel], and the values less these, 0 for outliers."""
    known = np.isfinite(values)
    some = np.atleast_1d(known.any(axis=1))
    values = np.where(known | ~some[:, None], values, np.nan)
    values[~some] = 0
    centre = np.nanmedian(values, axis=1)
    values -= centre[:, None]
    reach = _OUTLIER * 1.4826 * np.nanmedian(np.abs(values), axis=1)
    return centre, np.where(np.abs(values) <= reach[:, None], values, 0)


def _inliers(image: Array, free: Array) -> Array:
    """Free pixels but for outliers and their four neighbours."""
    centre = np.median(image[free]) if free.any() else 0.0
    off = np.abs(image - centre)
    reach = _OUTLIER * 1.4825 * np.median(off[free]) if free.any() else 0.0
    wild = np.pad(np.asarray(free & (off > reach)), 1)
    near = wild[1:-1, 1:-1] | wild[:-2, 1:-1] | wild[2:, 1:-1] | wild[1:-1, :-2] | wild[1:-1, 2:]
    return np.asarray(free & ~near)


def _density(free: Array, band: tuple[float, float, float, float], shift: int = 0) -> Array:
    """Density of free pixels [line, pixel] in time, round the ends of the block."""
    nline, npix = free.shape
    count = nline * (npix + _OVERHEAD)
    sigma = 1 / (4 * (band[0] + band[1]) * TICK)
    offset = np.arange(count) - count // 2
    kernel = np.exp(-0.5 * (offset / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    spread = np.fft.rfft(np.roll(kernel, shift - count // 2))
    clocks = np.pad(free.astype(float), ((0, 0), (0, _OVERHEAD))).ravel()
    density = np.fft.irfft(np.fft.rfft(clocks) * spread, count)
    return np.asarray(density.reshape(nline, -1)[:, :npix])


def _official(image: Array, free: Array, band: tuple[float, float, float, float]) -> TickWaves:
    npix = free.shape[1]
    blocks = []
    for y0, y1 in blocks_of(free):
        mask = free[y0:y1]
        count = (y1 - y0) * (npix + _OVERHEAD)
        periods, gain = _passing(count, band)
        if mask.mean() <= _SHARE or np.count_nonzero(mask) < len(periods):
            blocks.append(Block(y0, y1, np.empty((1, 0))))
            continue
        basis = _waves(mask, periods)
        # one clock beside its place, and squared, as officially
        weights = _density(mask, band, shift=1)[mask] ** -2.0
        weighted = basis.conj() * (weights / weights.max())
        found = np.linalg.solve(weighted @ basis.T, weighted @ image[y0:y1][mask])
        # negative frequencies are added afterwards; 0 and the highest of all have none
        twice = np.where((periods == 0) | (periods * 2 == count), 1, 2) * gain
        terms = np.concatenate([found.real * twice, -found.imag * twice])
        blocks.append(Block(y0, y1, terms[None]))
    return TickWaves(tuple(blocks), npix, band)
