"""Tiles of the common grid: each takes from each exposure the pixels that fall on it.

So the exposures are read in boxes, once, and no mosaic of any is kept but the median. What the
official step takes from the whole mosaic of an exposure is the mean of its weights; the few pixels
whose weight lies near the threshold are set aside until the mean is known. Where weights are beyond
1e19 the official step's spread of them overflows single precision, and nothing is clipped from
their mean; here it is. Source: dossier 6.1, 6.6.
"""

from __future__ import annotations

import dataclasses as dc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import contiguous
from jwinteractive.kernels.outlier_combine import (
    BINS,
    clipped_mean,
    combine,
    count_weights,
    set_aside,
)
from jwinteractive.kernels.outlier_drizzle import POINT, SQUARE, TURBO, drizzle, spread_of
from jwinteractive.outliers.members import Member
from jwinteractive.outliers.settings import OutlierParams, bad_flags

__all__ = ["Plan", "Tiles"]

_TILE, _SMALL_TILE, _MANY = 256, 128, 16  # pixels; the smaller of more exposures than that
_SAMPLE = 5  # tiles that the mean weight is first guessed from
_BAND = 0.03  # how far it may be wrong
_APART = 5.0  # errors that two exposures differ by where one of them is hit
_SHAPES = {"square": SQUARE, "turbo": TURBO, "point": POINT}


@dc.dataclass(frozen=True, eq=False)
class Plan:
    """What all tiles have in common."""

    members: tuple[Member, ...]
    groups: tuple[str, ...]
    p: OutlierParams
    maps: Array
    step: int
    bounds: Array
    shape: tuple[int, int]
    with_noise: bool

    @property
    def exposures(self) -> list[list[int]]:
        """Members of each group, in the order in which the groups come."""
        found: dict[str, list[int]] = {}
        for k, group in enumerate(self.groups):
            found.setdefault(group, []).append(k)
        return list(found.values())

    @cached_property
    def cells(self) -> list[list[Array]]:
        """Least and largest column, least and largest row on the grid of each member's cells."""
        return [
            [_of_cells(nodes, of) for nodes in maps for of in (np.minimum, np.maximum)]
            for maps in self.maps
        ]

    def box_on(self, k: int, tile: Box) -> Box | None:
        """Pixels of member ``k`` that may fall on a tile of the grid; None if none does."""
        margin = 2.0 + self.step / 8
        low_x, high_x, low_y, high_y = self.cells[k]
        met = (high_x > tile.x0 - margin) & (low_x < tile.x1 + margin)
        met &= (high_y > tile.y0 - margin) & (low_y < tile.y1 + margin)
        rows, columns = np.flatnonzero(met.any(axis=1)), np.flatnonzero(met.any(axis=0))
        if not rows.size:
            return None
        x0, x1, y0, y1 = (int(b) for b in self.bounds[k])
        step = self.step
        box = Box(
            int(rows[0]) * step,
            (int(rows[-1]) + 1) * step,
            int(columns[0]) * step,
            (int(columns[-1]) + 1) * step,
        ).clip(Box(y0, y1 + 1, x0, x1 + 1))
        return box if min(box.shape) > 0 else None

    @cached_property
    def beside(self) -> list[Array | None]:
        """Pixels [y, x] of each spectrum beside one that has no place; None if all have one."""
        found: list[Array | None] = []
        for member, (x, y) in zip(self.members, self.maps, strict=True):
            ny, nx = member.shape
            lost = ~np.isfinite(x + y)[:ny, :nx]
            if self.step > 1 or not lost.any():
                found.append(None)
                continue
            near = np.pad(lost, 1)
            rows = near[:-2] | near[1:-1] | near[2:]
            found.append(rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:])
        return found

    def seen(self, k: int, box: Box, data: Array) -> Array:
        """Data of a box of member ``k`` whose pixels' corners are known; else NaN."""
        beside = self.beside[k]
        if beside is None:
            return data
        cut = box.slices(Box.whole(self.members[k].shape))
        return np.where(beside[cut], np.float32(np.nan), data)

    def check_overlap(self) -> None:
        """Refuse exposures of which none sees what another sees.

        Raises
        ------
        InputError
            If so; it names them.
        """
        exposures = self.exposures
        if len(exposures) < 2:
            return
        seen = np.zeros((self.shape[0] // 32 + 1, self.shape[1] // 32 + 1), int)
        for members in exposures:
            mine = np.zeros(seen.shape, bool)
            for k in members:
                x, y = (np.floor(a / 32) for a in self.maps[k])
                good = (x >= 0) & (y >= 0) & (x < seen.shape[1]) & (y < seen.shape[0])
                mine[y[good].astype(int), x[good].astype(int)] = True
            seen += mine
        if seen.max(initial=0) < 2:
            names = ", ".join(member.name for member in self.members)
            raise InputError(
                f"{names} do not overlap: outliers are found where exposures see the same sky: "
                "give exposures of one field"
            )


def _of_cells(nodes: Array, of: np.ufunc) -> Array:
    found: Array = of(of(nodes[:-1, :-1], nodes[1:, :-1]), of(nodes[:-1, 1:], nodes[1:, 1:]))
    return found


@dc.dataclass(frozen=True, eq=False)
class _Tile:
    """Exposures on one tile: values, errors, weights [exposure, y, x]; errors may be empty."""

    box: Box
    values: Array
    errors: Array
    weights: Array


class Tiles:
    """The tiles of one stack on their way: thresholds of weight, and pixels set aside for them."""

    def __init__(self, plan: Plan, levels: Array) -> None:
        self.plan = plan
        self.levels = np.where(np.isfinite(levels), levels, 0.0).astype(np.float32)
        self.exposures = plan.exposures
        self.lock = threading.Lock()
        n = len(self.exposures)
        self.median = np.full(plan.shape, np.nan, np.float32)
        self.noise = np.full(plan.shape if plan.with_noise else (0, 0), np.nan, np.float32)
        self.depth = np.zeros(plan.shape, np.uint8)
        self.bins = np.zeros((n, 3, BINS))
        self.guess = np.ones(n)
        self.aside: list[tuple[Array, Array, Array, Array]] = []

    def run(self) -> tuple[Array, Array, Array]:
        """Median, its noise and its depth [y, x].

        Raises
        ------
        InputError
            If an exposure has no pixel that may be used.
        """
        ny, nx = self.plan.shape
        side = _TILE if len(self.exposures) <= _MANY else _SMALL_TILE
        tiles = [
            Box(y, min(y + side, ny), x, min(x + side, nx))
            for y in range(0, ny, side)
            for x in range(0, nx, side)
        ]
        every = max(1, len(tiles) // _SAMPLE)
        sample = tiles[every // 2 :: every][:_SAMPLE]
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1), "outliers") as pool:
            first = list(pool.map(self._warp, sample))
            self.guess = self._sampled(first)
            list(pool.map(self._finish, first))
            rest = [tile for tile in tiles if tile not in sample]
            list(pool.map(lambda tile: self._finish(self._warp(tile)), rest))
            known = self._means()
            if np.any(np.abs(known / self.guess - 1) > _BAND):
                # the sample was no good one: with the true means all is decided at once
                self.guess = known
                self.aside.clear()
                list(pool.map(lambda tile: self._finish(self._warp(tile), again=True), tiles))
        self._decide(known * self.plan.p.maskpt)
        return self.median, self.noise, self.depth

    def _warp(self, tile: Box) -> _Tile:
        plan, p = self.plan, self.plan.p
        n, (ty, tx) = len(self.exposures), tile.shape
        values = np.empty((n, ty, tx), np.float32)
        weights = np.empty((n, ty, tx), np.float32)
        errors = np.empty((n, ty, tx) if plan.with_noise else (0, 0, 0), np.float32)
        fill = np.float32(np.nan if p.fillval.upper() in ("NAN", "INDEF", "") else p.fillval)
        bad = np.uint32(bad_flags(p.good_bits))
        sums = np.empty((3 if plan.with_noise else 2, ty, tx))
        none = np.empty((0, 0))
        for e, group in enumerate(self.exposures):
            sums[:] = 0
            for k in group:
                box = plan.box_on(k, tile)
                if box is None:
                    continue
                member = plan.members[k]
                planes = member.look(box)
                exposed = member.exposed if p.weight_type == "exptime" else 0.0
                if planes.var_rnoise is None and not exposed:
                    exposed = 1.0
                data = contiguous(plan.seen(k, box, planes.data), np.float32)
                side = spread_of(plan.maps[k], plan.step)
                drizzle(
                    data,
                    contiguous(planes.err, np.float32) if plan.with_noise else data,
                    contiguous(planes.dq, np.uint32),
                    data if exposed else contiguous(planes.var_rnoise, np.float32),  # type: ignore[arg-type]
                    box.y0,
                    box.x0,
                    plan.bounds[k],
                    plan.maps[k],
                    plan.step,
                    bad,
                    self.levels[k],
                    float(exposed),
                    p.pixfrac,
                    _SHAPES[p.kernel],
                    tile.y0,
                    tile.x0,
                    plan.shape,
                    np.empty((side, side)),
                    sums[0],
                    sums[1],
                    sums[2] if plan.with_noise else none,
                )
            weights[e] = sums[0]
            lit = sums[0] > 0
            values[e] = fill
            np.divide(sums[1], sums[0], out=values[e], where=lit, casting="same_kind")
            if plan.with_noise:
                errors[e] = fill
                np.divide(sums[2], sums[0], out=errors[e], where=lit, casting="same_kind")
        return _Tile(tile, values, errors, weights)

    def _sampled(self, tiles: list[_Tile]) -> Array:
        """Mean weight of each exposure in some tiles, clipped as that of all is."""
        found = np.ones(len(self.exposures))
        for e in range(len(found)):
            bins = np.zeros((3, BINS))
            some = np.concatenate([tile.weights[e].ravel() for tile in tiles])
            some = some[some > 0]
            if some.size:
                middle = float(np.median(some))
                count_weights(some[None], middle, bins)
                found[e] = clipped_mean(bins, 3.0, 5)
        return found

    def _finish(self, tile: _Tile, again: bool = False) -> None:
        """Median of a tile by the guessed thresholds; what they leave open is set aside."""
        cut = tile.box.slices(Box.whole(self.plan.shape))
        limit = self.guess * self.plan.p.maskpt
        self._combine(tile.values, tile.errors, tile.weights, limit, cut)
        if not again:
            with self.lock:
                for e, weights in enumerate(tile.weights):
                    count_weights(weights, self.guess[e], self.bins[e])
        chosen = np.empty(tile.box.shape, bool)
        low = np.where(limit > 0, limit * (1 - _BAND), 1.0)
        high = np.where(limit > 0, limit * (1 + _BAND), 0.0)
        if not again and set_aside(tile.weights, low, high, chosen):
            y, x = chosen.nonzero()
            kept = [a[:, y, x] if a.size else a for a in (tile.values, tile.errors, tile.weights)]
            place = (y + tile.box.y0) * self.plan.shape[1] + x + tile.box.x0
            with self.lock:
                self.aside.append((place, kept[0], kept[1], kept[2]))

    def _combine(
        self, values: Array, errors: Array, weights: Array, limit: Array, cut: Any
    ) -> None:
        shape = values.shape[1:]
        median = np.empty(shape, np.float32)
        noise = np.empty(shape if self.plan.with_noise else (0, 0), np.float32)
        depth = np.empty(shape, np.uint8)
        robust = self.plan.p.method == "noise"
        combine(values, errors, weights, limit, robust, _APART, median, noise, depth)
        place = self.median[cut].shape  # flat for pixels that were set aside
        self.median[cut], self.depth[cut] = median.reshape(place), depth.reshape(place)
        if self.plan.with_noise:
            self.noise[cut] = noise.reshape(place)

    def _means(self) -> Array:
        """Clipped mean weight of each exposure.

        Raises
        ------
        InputError
            If one has no pixel with weight.
        """
        found = np.array([clipped_mean(bins, 3.0, 5) for bins in self.bins])
        for mean, members in zip(found, self.exposures, strict=True):
            if not mean > 0:
                names = ", ".join(self.plan.members[k].name for k in members)
                raise InputError(
                    f"{names}: no pixel may be used: all are flagged or not finite: leave it out "
                    "or change good_bits"
                )
        return found

    def _decide(self, limit: Array) -> None:
        nx = self.plan.shape[1]
        for place, values, errors, weights in self.aside:
            lines = [a[:, None, :] if a.size else a for a in (values, errors, weights)]
            self._combine(lines[0], lines[1], lines[2], limit, np.divmod(place, nx))
