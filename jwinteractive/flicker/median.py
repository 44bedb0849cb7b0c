"""Stripes as the medians of lines: of the whole line, or of each amplifier's share of it.

Without ``pull`` the numbers are those of the official `median_clean`. An amplifier with few free
pixels has a noisy median: with ``pull`` n₀ it counts n / (n + n₀), the level of the line the rest,
which is the mean of its amplifiers' medians by their pixels. A line depends on nothing but its own
pixels.

Source: dossier section 4 (a).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.flicker.lines import check_free, over_strips, strip
from jwinteractive.kernels.flicker_median import line_medians, sorted_medians

__all__ = [
    "PULL",
    "channel_edges",
    "less_medians",
    "line_levels",
    "median_clean",
    "medians_of_sorted",
]

PULL = 64.0
"""Pixels that the level of the whole line counts in that of an amplifier."""


def channel_edges(npix: int, channels: int = 1) -> Array:
    """First pixel of each of some channels of equal length, and the end of the last.

    Raises
    ------
    InputError
        If a line of ``npix`` pixels cannot be shared so.
    """
    if channels < 1 or npix % channels:
        raise InputError(
            f"channels = {channels}: must divide the {npix} pixels of a line: take 1 for subarrays"
        )
    return np.arange(channels + 1) * (npix // channels)


def line_levels(
    lines: Array, free: Array, channels: int = 1, pull: float = 0.0, threads: int = 0
) -> Array:
    """Level [n, line, channel] of images [n, line, pixel], in their unit, float32.

    Parameters
    ----------
    lines
        Images, or a band of their lines; see `jwinteractive.flicker.lines.in_lines`. What is not
        finite is left out.
    free
        Pixels without sources, which all images share: bool [line, pixel].
    channels
        Amplifiers along a line.
    pull
        See `PULL`; 0 for the plain median of each channel.

    Returns
    -------
    Array
        0 where no pixel is free.

    Raises
    ------
    InputError
        If the shapes do not belong together, or the channels do not share the line.
    """
    check_free(lines, free)
    count, nline, npix = lines.shape
    edges = channel_edges(npix, channels)
    levels = np.empty((count, nline, channels), np.float32)

    def work(y0: int, y1: int) -> None:
        mask = np.array(free[y0:y1], np.bool_, order="C")
        for i in range(count):
            part = strip(lines[i], y0, y1)
            line_medians(part, mask, edges, float(pull), levels[i, y0:y1])

    over_strips(nline, work, threads)
    return levels


def medians_of_sorted(lines: Array, channels: int = 1) -> Array:
    """Level [line, channel] of lines [line, pixel], float32, as `line_levels` without pull.

    What does not count is NaN, and each line is sorted, or is one channel after the other.
    """
    nline, npix = lines.shape
    levels = np.empty((nline, channels), np.float32)
    sorted_medians(lines.reshape(nline, channels, npix // channels), levels)
    return levels


def less_medians(lines: Array, levels: Array, out: Array | None = None, threads: int = 0) -> Array:
    """Images [n, line, pixel] less their levels [n, line, channel]: float32, into ``out`` if given.

    ``out`` may be ``lines`` itself.
    """
    left = np.empty_like(lines, np.float32) if out is None else out
    edges = channel_edges(lines.shape[2], levels.shape[2])

    def work(y0: int, y1: int) -> None:
        for c, (start, end) in enumerate(pairwise(edges)):
            part = np.s_[:, y0:y1, start:end]
            np.subtract(lines[part], levels[:, y0:y1, c : c + 1], out=left[part])

    over_strips(lines.shape[1], work, threads)
    return left


def median_clean(
    lines: Array, free: Array, channels: int = 1, pull: float = 0.0, threads: int = 0
) -> Array:
    """Images [n, line, pixel] without the medians of their lines: float32; see `line_levels`."""
    levels = line_levels(lines, free, channels, pull, threads)
    return less_medians(lines, levels, threads=threads)
