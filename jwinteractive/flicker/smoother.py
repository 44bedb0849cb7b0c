"""1/f noise as drifts in read order, seen by several amplifiers at once: a smoother.

What a masked bin has lost is told by the bins read before and after it and, at the same time, by
the other amplifiers. Source: dossier 4c; see `jwinteractive.kernels.flicker_smoother`.

The shortest drifts are no longer than some faint sources: one that is not masked loses 5 to 10 %
of its flux, one that the mask follows nothing that its noise would show.

The noise of a line depends on its neighbours in time: with the white noise of a read of the near
infrared, those further away than `CONTEXT` change it by about a hundredth of the white noise at
most, and most of this is the level of the amplifiers.
"""

from __future__ import annotations

import dataclasses as dc
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.flicker.drift import Bins, Drift, measure_drift
from jwinteractive.flicker.readout import Readout
from jwinteractive.kernels import flicker_smoother as kernels

__all__ = [
    "CONTEXT",
    "Smoother",
    "bin_means",
    "clean",
    "each",
    "fit_smoother",
    "smoother_of",
    "spread",
]

CONTEXT = 32
"""Lines on each side that a band of lines needs to have the noise of the whole frame."""

K = TypeVar("K")
T = TypeVar("T")

_STRIP = 64  # lines copied at once
_THREADS = min(2, os.cpu_count() or 1)


@dc.dataclass(frozen=True, eq=False)
class Smoother:
    """All that depends on the mask and on the noise alone; images that share both share it.

    Attributes
    ----------
    readout
        Clocks of the lines.
    drift
        Variances of the noise.
    free
        Background pixels, bool [ny, nx].
    counts
        Free pixels [line, slot] in read order.
    gain, precision
        Of the filter, see `jwinteractive.kernels.flicker_smoother.gains`.
    """

    readout: Readout
    drift: Drift
    free: Array
    counts: Array
    gain: Array
    precision: Array

    def noise(self, images: Array) -> Array:
        """1/f noise of images [n, ny, nx]: DN [n, line, slot], float32, lines in read order.

        It contains the level of each amplifier, so a background is to be subtracted before. If
        nothing is free, it is 0. `subtract` and `pixels` bring it back to pixels.
        """
        _check(images, self.free, self.readout)
        found = each(images, self._one)
        return np.stack(found) if found else np.zeros((0, *self.counts.shape), np.float32)

    def _one(self, image: Array) -> Array:
        return self.smoothed(_bins(image, self.free, self.readout, self.counts)[0])

    def smoothed(self, means: Array) -> Array:
        """1/f noise of an image from the means of its bins: DN [line, slot], float32."""
        variance, decay = _processes(self.drift, self.readout)
        shape = (-1, self.readout.amplifiers)
        values = means.reshape(shape)
        level = _levels(values, self.counts.reshape(shape))
        found = kernels.smooth(
            values - level, self.gain, self.precision, variance, decay, self.readout.bins
        )
        return np.asarray(found + level, np.float32).reshape(means.shape)

    def pixels(self, noise: Array) -> Array:
        """Noise [n, line, slot] of whole lines -> float32 [n, ny, nx] in the science frame."""
        found = each(noise, lambda image: spread(image, self.readout))
        return np.stack(found)


def spread(noise: Array, readout: Readout) -> Array:
    """Noise [line, slot] of whole lines -> float32 [ny, nx] in the science frame."""
    lines, length = len(noise), len(readout.slots)
    out = np.empty((lines, length) if readout.along_x else (length, lines), np.float32)
    for part, rows in _strips(readout.lines(out)):
        strip = np.empty(part.shape, np.float32)
        kernels.spread(noise[rows], readout.slots, strip)
        part[...] = strip
    return out


def each(items: Iterable[K], work: Callable[[K], T]) -> list[T]:
    """What ``work`` makes of each item, in threads."""
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="flicker") as pool:
        return list(pool.map(work, items))


def bin_means(images: Array, free: Array, readout: Readout) -> Bins:
    """Means of free pixels in bins of 16 clocks.

    Parameters
    ----------
    images
        DN [n, ny, nx] without background.
    free
        Background pixels, bool [ny, nx].
    readout
        Clocks of the lines.

    Raises
    ------
    InputError
        If images, mask and read-out are not of the same pixels.
    """
    _check(images, free, readout)
    counts = kernels.count_lines(
        np.array(readout.lines(free), order="C"), readout.slots, readout.bins * readout.amplifiers
    )
    shape = (len(counts), readout.bins, readout.amplifiers)
    found = each(images, lambda image: _bins(image, free, readout, counts))
    squares, independent = sum((within for _, within in found), np.zeros(2))
    return Bins(
        np.reshape([means for means, _ in found], (len(images), *shape)),
        counts.reshape(shape),
        float(squares / max(independent, 1)),
    )


def fit_smoother(
    images: Array, free: Array, readout: Readout, drift: Drift | None = None
) -> Smoother:
    """Smoother of a mask; without ``drift`` the noise is measured in ``images``.

    Parameters
    ----------
    images
        DN [n, ny, nx] without background and sources; a few are enough.
    free
        Background pixels, bool [ny, nx].
    readout
        Clocks of the lines.
    drift
        Variances of the noise, from other exposures for instance.

    Raises
    ------
    InputError
        If mask, images and read-out are not of the same pixels.
    """
    bins = bin_means(images if drift is None else images[:0], free, readout)
    if drift is None:
        drift = measure_drift(bins, readout.steps)
    return smoother_of(bins.counts, free, readout, drift)


def smoother_of(counts: Array, free: Array, readout: Readout, drift: Drift) -> Smoother:
    """Smoother of lines whose free pixels are counted: float32 [line, bin, amplifier]."""
    variance, decay = _processes(drift, readout)
    flat = np.ascontiguousarray(counts).reshape(-1, readout.amplifiers)
    gain, precision = kernels.gains(flat, drift.white, variance, decay, readout.bins)
    slots = flat.reshape(len(counts), -1)
    return Smoother(readout, drift, free, slots, gain, precision)


def clean(images: Array, free: Array, readout: Readout) -> tuple[Array, Smoother]:
    """Images [n, ny, nx] without their 1/f noise, float32, and the smoother that found it."""
    smoother = fit_smoother(images, free, readout)
    out = smoother.pixels(smoother.noise(images))
    np.subtract(images, out, out=out, casting="same_kind")
    return out, smoother


def _check(images: Array, free: Array, readout: Readout) -> None:
    length = len(readout.slots)
    if images.ndim != 3 or images.shape[1:] != free.shape:
        message = (
            f"images {images.shape} with free pixels {free.shape}: must be [n, ny, nx] and "
            "[ny, nx]: share one mask among the images"
        )
        raise InputError(message)
    if readout.lines(free).shape[1] != length:
        message = (
            f"lines of {readout.lines(free).shape[1]} pixels: the read-out has {length} a line: "
            "give whole lines, or the read-out of the subarray"
        )
        raise InputError(message)


def _strips(lines: Array) -> Iterator[tuple[Array, slice]]:
    """Views of some lines at a time, and which they are: columns are never copied as a whole."""
    for first in range(0, len(lines), _STRIP):
        rows = slice(first, first + _STRIP)
        yield lines[rows], rows


def _bins(image: Array, free: Array, readout: Readout, counts: Array) -> tuple[Array, Array]:
    means, within = np.empty(counts.shape), np.zeros(2)
    unmasked = readout.lines(free)
    for part, rows in _strips(readout.lines(image)):
        means[rows], more = kernels.bin_lines(
            np.array(part, np.float32, order="C"),  # a copy: kernels compile once
            np.array(unmasked[rows], order="C"),
            readout.slots,
            counts[rows],
            readout.amplifiers,
        )
        within += more
    return means, within


def _levels(values: Array, counts: Array) -> Array:
    """Mean level of each amplifier; one that nothing is free of takes that of the others."""
    weight = np.where(np.isfinite(values), counts, 0.0)
    pixels = weight.sum(axis=0)
    levels = np.where(weight > 0, values, 0.0) * weight
    whole = levels.sum() / max(pixels.sum(), 1.0)
    own = levels.sum(axis=0) / np.maximum(pixels, 1.0)
    return np.asarray(np.where(pixels > 0, own, whole))


def _processes(drift: Drift, readout: Readout) -> tuple[Array, Array]:
    """Variances [1 + amplifiers, J] and decay [2, J] of all processes that there are."""
    there = (drift.common > 0) | (drift.amplifier > 0)
    there[0] |= not there.any()  # one at least
    amplifier = drift.amplifier[there]
    variance = np.vstack([drift.common[there], *[amplifier] * readout.amplifiers])
    decay = np.exp(-np.array(readout.steps)[:, None] / drift.times[there])
    return variance, decay
