"""The 1/f noise of images by any of our methods, line by line or in blocks of lines.

The smoother of a line depends on all lines read before and after it, the more so the nearer they
are. So that a box sees what the whole frame would, it is made of blocks of lines with some context
on both sides (see `jwinteractive.flicker.smoother`).
"""

from __future__ import annotations

import dataclasses as dc
from typing import Literal, Protocol

import numpy as np

from jwinteractive.data import Array
from jwinteractive.flicker.drift import Drift
from jwinteractive.flicker.fourier import REACH, LineWaves, fit_waves
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.median import PULL, line_levels
from jwinteractive.flicker.readout import Readout
from jwinteractive.flicker.smoother import CONTEXT, Smoother, bin_means, each, smoother_of, spread

__all__ = ["BLOCK", "Method", "Noise", "lines_after", "lines_around", "noise_of"]

Method = Literal["smoother", "fourier", "shrunk_median"]

BLOCK = 128
"""Lines that are smoothed together."""


def lines_around(method: Method, stripes: Stripes, first: int, end: int) -> tuple[int, int]:
    """Lines that the noise of the lines ``first`` to ``end`` depends on; they may be beyond."""
    if method == "fourier":
        return first - REACH, end + REACH
    if method == "smoother" and not stripes.miri:
        return first // BLOCK * BLOCK - CONTEXT, -(-end // BLOCK) * BLOCK + CONTEXT
    return first, end


def lines_after(method: Method, stripes: Stripes, first: int, end: int) -> tuple[int, int]:
    """Lines whose noise depends on the lines ``first`` to ``end``; they may be beyond."""
    if method == "smoother" and not stripes.miri:
        return (first - CONTEXT) // BLOCK * BLOCK, -(-(end + CONTEXT) // BLOCK) * BLOCK
    return lines_around(method, stripes, first, end)


class Noise(Protocol):
    """Noise of some images, evaluated one by one: what is held of it is small."""

    def image(self, i: int) -> Array:
        """Noise of an image [y, x], float32; it may be a view of fewer numbers."""
        ...


def noise_of(
    images: Array, free: Array, stripes: Stripes, first: int, method: Method, drift: Drift
) -> Noise:
    """Noise of images [n, y, x] of whole lines, from line ``first`` of the frame on.

    Lines whose context is not there, though the frame has it, are not to be looked at. MIRI's
    stripes do not follow the clock: the smoother gives their medians.

    Parameters
    ----------
    images
        DN without background; NaN where they tell nothing.
    free
        Background pixels, bool [y, x].
    stripes
        How the lines of the exposure lie.
    method
        How the noise is found.
    drift
        Variances of the noise, for the smoother.
    """
    if method == "smoother" and not stripes.miri:
        return _smoothed(images, free, stripes, first, drift)
    lines, mask = stripes.lines(images), stripes.lines(free)
    if method == "fourier":
        return _Waves(fit_waves(lines, mask), stripes, len(mask))
    return _Levels(line_levels(lines, mask, stripes.channels, PULL), stripes)


@dc.dataclass(frozen=True, eq=False)
class _Levels:
    """Levels [n, line, channel]."""

    levels: Array
    stripes: Stripes

    def image(self, i: int) -> Array:
        count, channels = self.levels[i].shape
        shape = (count, channels, self.stripes.length // channels)
        if channels == 1:
            return self.stripes.images(np.broadcast_to(self.levels[i], (count, shape[2])))
        spread = np.broadcast_to(self.levels[i][:, :, None], shape)
        return self.stripes.images(spread.reshape(count, -1))


@dc.dataclass(frozen=True, eq=False)
class _Waves:
    """Waves of so many lines."""

    waves: LineWaves
    stripes: Stripes
    count: int

    def image(self, i: int) -> Array:
        return self.stripes.images(self.waves.values(i, 0, self.count))


@dc.dataclass(frozen=True, eq=False)
class _Smoothed:
    """Noise [n, line, slot] of the lines of a band, in the order of reading."""

    noise: Array
    readout: Readout

    def image(self, i: int) -> Array:
        return spread(self.noise[i], self.readout)


def _smoothed(images: Array, free: Array, stripes: Stripes, first: int, drift: Drift) -> _Smoothed:
    """Blocks of lines, smoothed one by one; their bins are averaged once."""
    count = images.shape[1] if stripes.along_x else images.shape[2]
    end = first + count
    readout = stripes.readout(count)
    bins = bin_means(images, free, readout)
    noise = np.zeros((len(images), count, readout.bins * readout.amplifiers), np.float32)

    def rows(start: int, stop: int) -> slice:
        """Lines of the frame, in the order of reading."""
        if readout.backwards:
            return slice(end - stop, end - start)
        return slice(start - first, stop - first)

    for start in range(first // BLOCK * BLOCK, end, BLOCK):
        low, high = max(start - CONTEXT, 0), min(start + BLOCK + CONTEXT, stripes.count)
        if low < first or high > end:
            continue
        band, core = rows(low, high), rows(start, min(start + BLOCK, stripes.count))
        smoother = smoother_of(bins.counts[band], free, readout, drift)
        inside = slice(core.start - band.start, core.stop - band.start)

        def smooth(i: int, smoother: Smoother = smoother, band: slice = band) -> Array:
            return smoother.smoothed(bins.means[i, band])

        for i, found in enumerate(each(range(len(images)), smooth)):
            noise[i, core] = found.reshape(found.shape[0], -1)[inside]
    return _Smoothed(noise, readout)
