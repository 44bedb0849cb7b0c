"""The 1/f noise of images by any of our methods, line by line or in blocks of lines.

The smoother of a line depends on all lines read before and after it, the more so the nearer they
are. So that a box sees what the whole frame would, it is made of blocks of lines with some context
on both sides (see `jwinteractive.flicker.smoother`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from jwinteractive.data import Array
from jwinteractive.flicker.drift import Drift
from jwinteractive.flicker.fourier import REACH, fit_waves
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.lines import over_strips
from jwinteractive.flicker.median import PULL, channel_edges, line_levels
from jwinteractive.flicker.smoother import CONTEXT, fit_smoother

__all__ = ["BLOCK", "Method", "lines_after", "lines_around", "noise_of"]

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


def noise_of(
    images: Array, free: Array, stripes: Stripes, first: int, method: Method, drift: Drift
) -> Array:
    """Noise of images [n, y, x] of whole lines, from line ``first`` of the frame on: float32.

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
    noise = np.empty(images.shape, np.float32)
    out = stripes.lines(noise)
    if method == "fourier":
        waves = fit_waves(lines, mask)

        def fill(y0: int, y1: int) -> None:
            for i in range(len(out)):
                out[i, y0:y1] = waves.values(i, y0, y1)

        over_strips(mask.shape[0], fill)
        return noise
    levels = line_levels(lines, mask, stripes.channels, PULL)
    edges = channel_edges(lines.shape[2], stripes.channels)
    for c in range(stripes.channels):
        out[:, :, edges[c] : edges[c + 1]] = levels[:, :, c : c + 1]
    return noise


def _smoothed(images: Array, free: Array, stripes: Stripes, first: int, drift: Drift) -> Array:
    noise = np.zeros(images.shape, np.float32)
    count = images.shape[1] if stripes.along_x else images.shape[2]
    end = first + count
    for start in range(first // BLOCK * BLOCK, end, BLOCK):
        low, high = max(start - CONTEXT, 0), min(start + BLOCK + CONTEXT, stripes.count)
        if low < first or high > end:
            continue
        band = _lines_of(stripes, low - first, high - first)
        readout = stripes.readout(high - low)
        smoother = fit_smoother(images[:0][band], free[band[1:]], readout, drift)
        found = smoother.pixels(smoother.noise(images[band]))
        core = start, min(start + BLOCK, stripes.count)
        inside = _lines_of(stripes, core[0] - low, core[1] - low)
        noise[_lines_of(stripes, core[0] - first, core[1] - first)] = found[inside]
    return noise


def _lines_of(stripes: Stripes, first: int, end: int) -> tuple[slice, slice, slice]:
    """Index of some lines of images [n, y, x]."""
    every, some = slice(None), slice(first, end)
    return (every, some, every) if stripes.along_x else (every, every, some)
