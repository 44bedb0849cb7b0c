"""Jumps and light of known size, put into a ramp as it is just before `jump`.

A `Piece` is a box of the user's own ramp, with its noise, its sky and its defects, and a copy of it
with one jump in each pixel of a lattice. Light is drawn frame by frame, as the detector averages
them. Where a simulated exposure comes with its truth, hits and defects are known.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jwinteractive import dq
from jwinteractive.chain import Link
from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.errors import InputError
from jwinteractive.references import GainRef

__all__ = ["Piece", "Truth", "noise_of", "sample_boxes", "truth_of"]

BLOCK = 64  # pixels a side of the pieces of a sample
APART = 3  # pixels from one injected jump to the next, so that none is another's neighbour
UNUSABLE = dq.DO_NOT_USE | dq.SATURATED  # groups
UNFIT = dq.DO_NOT_USE | dq.REFERENCE_PIXEL  # pixels
_NO_JUMPS = np.zeros((0, 6), int)


def sample_boxes(box: Box, source: Ramp, samples: int) -> list[Box]:
    """Blocks of pixels, evenly spread over a box, that hold about so many samples."""
    box = box.clip(source.covers)
    if min(box.shape) < 1:
        raise InputError(f"injection: {box} lies outside the frame: choose a box inside")
    nint, ngroup = source.data.shape[:2]
    pixels = max(samples // (nint * ngroup), 1)
    ny, nx = box.shape
    if ny * nx <= pixels:
        return [box]
    side = min(BLOCK, max(math.isqrt(pixels // 4), 2 * APART))
    high, wide = min(side, ny), min(side, nx)
    number = max(pixels // (high * wide), 1)
    rows = min(max(round(math.sqrt(number * ny / nx)), 1), ny // high)
    columns = min(max(number // rows, 1), nx // wide)
    tops = np.linspace(box.y0, box.y1 - high, rows + 2)[1:-1].astype(int)
    lefts = np.linspace(box.x0, box.x1 - wide, columns + 2)[1:-1].astype(int)
    return [Box(y, y + high, x, x + wide) for y in tops.tolist() for x in lefts.tolist()]


@dc.dataclass(frozen=True)
class Truth:
    """Of a simulated exposure: integration, group, y, x [hit, 4] of what fell, defects [y, x]."""

    hits: Array
    defects: Array


@functools.lru_cache(maxsize=4)
def truth_of(path: Path) -> Truth | None:
    """Truth that lies beside a simulated exposure; None where there is none."""
    root = path.name.removesuffix(".fits").removesuffix("_uncal")
    truth = path.with_name(f"{root}_truth.asdf")
    if not truth.is_file():
        return None
    import asdf

    with asdf.open(truth) as file:
        jumps = file["jumps"]
        hits = [np.asarray(jumps[n]) for n in ("integration", "group", "y", "x")]
        return Truth(np.stack(hits, axis=1), np.asarray(file["dq"]) != 0)


@dc.dataclass(frozen=True)
class Piece:
    """A box of the ramp before `jump`, and the same with jumps.

    Attributes
    ----------
    usable, quiet
        Differences [integration, group, y, x] (that end at the group) that can hold a jump, and
        those whose flags are counted without one.
    gain
        Electrons per DN [y, x].
    where
        Integration, group, y, x, number of its size, groups in which it may be found [jump, 6].
    """

    ramp: Ramp
    usable: Array
    quiet: Array
    gain: Array
    hit: Ramp
    where: Array

    @classmethod
    def of(
        cls, ramp: Ramp, jump: Link, rate: float, truth: Truth | None, rng: np.random.Generator
    ) -> Piece:
        """Piece of a ramp as ``jump`` takes it, without jumps: ``rate`` in e-/s is added."""
        gain = next(r for r in jump.references.values() if isinstance(r, GainRef))
        factor = gain.crop(ramp.covers).data
        good = (ramp.groupdq & np.uint8(UNUSABLE | dq.JUMP_DET) == 0) & np.isfinite(ramp.data)
        good &= ((ramp.pixeldq & np.uint32(UNFIT)) == 0) & (factor > 0)
        usable = np.zeros(good.shape, bool)
        usable[:, 1:] = good[:, 1:] & good[:, :-1]
        if rate:
            light = _light(ramp.exposure, rate, ramp.data.shape, rng)
            known = np.where(factor > 0, factor, np.float32(np.inf))
            ramp = ramp.replace(data=ramp.data + light / known)
        quiet = usable & ~_near(truth, ramp)
        return cls(ramp, usable, quiet, factor, ramp, _NO_JUMPS)

    def injected(self, sizes: Array, often: int, rng: np.random.Generator) -> Piece:
        """With a jump in one usable difference of each pixel of a lattice.

        Parameters
        ----------
        sizes
            In electrons; all are equally frequent, but half of all jumps have ``sizes[often]``.
        """
        e, (ny, nx) = self.ramp.exposure, self.ramp.shape
        y, x = (v.ravel() for v in np.mgrid[0:ny:APART, 0:nx:APART])
        choices = np.moveaxis(self.usable[:, :, y, x], 2, 0)  # [pixel, integration, group]
        ngroup = choices.shape[2]
        order = np.where(choices, rng.random(choices.shape), -1.0).reshape(len(y), -1)
        best = np.argmax(order, axis=1)
        able = choices.reshape(len(y), -1)[np.arange(len(y)), best]
        y, x, i, g = (v[able] for v in (y, x, best // ngroup, best % ngroup))
        n = len(y)
        number = np.where(rng.random(n) < 0.5, often, rng.integers(0, len(sizes), n))
        # of the frames and gaps of a group period one is hit; of averaged frames some come before
        frame = rng.integers(0, max(e.nframes, 1) + max(e.groupgap, 0), n)
        before = np.maximum(frame - max(e.groupgap, 0), 0)
        share = 1 - before / max(e.nframes, 1)
        later = np.where((share < 1) & (g + 1 < ngroup), 1, 0)
        step = sizes[number] / self.gain[y, x]
        data = self.ramp.data.copy()
        groups = np.arange(ngroup)
        rise = np.where(groups > g[:, None], 1.0, np.where(groups == g[:, None], share[:, None], 0))
        data[i[:, None], groups, y[:, None], x[:, None]] += np.float32(step[:, None] * rise)
        where = np.stack([i, g, y, x, number, later], axis=1)
        return dc.replace(self, hit=self.ramp.replace(data=data), where=where)

    def count(self, link: Link, injected: Array, found: Array) -> int:
        """Add to the jumps that count and are found [size]; return flags without injection."""
        bit = np.uint8(dq.JUMP_DET)
        clean, hit = link(self.ramp), link(self.hit)
        assert isinstance(clean, Ramp)
        assert isinstance(hit, Ramp)
        i, g, y, x, number, later = self.where.T
        clean_flags, hit_flags = clean.groupdq & bit != 0, hit.groupdq & bit != 0
        before = clean_flags[i, g, y, x] | clean_flags[i, g + later, y, x]
        now = hit_flags[i, g, y, x] | hit_flags[i, g + later, y, x]
        injected += np.bincount(number[~before], minlength=len(injected))
        found += np.bincount(number[~before & now], minlength=len(found))
        return int((clean_flags & self.quiet).sum())


def _near(truth: Truth | None, ramp: Ramp) -> Array:
    """Samples [integration, group, y, x] of defects, and that a true hit touches or comes near."""
    near: Array = np.zeros(ramp.data.shape, bool)
    if truth is None:
        return near
    nint, ngroup, ny, nx = near.shape
    box = ramp.covers
    i, g, y, x = truth.hits.T
    y, x = y - box.y0, x - box.x0
    here = (y >= -1) & (y <= ny) & (x >= -1) & (x <= nx) & (i < nint) & (g < ngroup)
    i, g, y, x = (v[here] for v in (i, g, y, x))
    wide = np.zeros((nint, ngroup, ny + 4, nx + 4), bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            for later in (0, 1):  # of averaged groups two differences rise
                wide[i, np.minimum(g + later, ngroup - 1), y + 2 + dy, x + 2 + dx] = True
    near[:] = wide[:, :, 2:-2, 2:-2] | truth.defects[box.slices(Box.whole(truth.defects.shape))]
    return near


def _light(e: Exposure, rate: float, shape: Sequence[int], rng: np.random.Generator) -> Array:
    """Electrons [integration, group, y, x] that arrive at a rate: float32, with their noise.

    Frames are averaged as the detector does: light of the frames of a group counts by the share of
    them that come after it. Its sum is drawn exactly, how it is spread over the frames by its mean
    and variance.
    """
    frames, gap = max(e.nframes, 1), max(e.groupgap, 0)
    frame_time = e.frame_time or e.group_time / (frames + gap)
    first = rng.poisson(rate * frame_time * (gap + 1), shape)  # to the first frame of each group
    first[:, 0] = rng.poisson(rate * frame_time, first[:, 0].shape)
    if frames == 1:
        return np.cumsum(first, axis=1).astype(np.float32)
    inside = rng.poisson(rate * frame_time * (frames - 1), shape)
    spread = (2 * frames - 1) / (6 * frames) - 0.25
    part = inside / 2 + np.sqrt(inside * spread) * rng.standard_normal(shape)
    arrived = np.cumsum(first, axis=1) + np.cumsum(inside, axis=1) - inside
    light: Array = (arrived + part).astype(np.float32)
    return light


def noise_of(pieces: Sequence[Piece]) -> float:
    """Typical noise of a difference in electrons: a robust width within each pixel."""
    widths = []
    for piece in pieces:
        rise = np.diff(piece.ramp.data, axis=1) * piece.gain
        off = np.abs(rise - np.median(rise, axis=1, keepdims=True))
        off = off[np.isfinite(off)]
        if off.size and rise.shape[1] > 1:
            widths.append(np.median(off) / 0.6745)
    noise = float(np.median(widths)) if widths else 0.0
    return noise if noise > 0 else 1.0
