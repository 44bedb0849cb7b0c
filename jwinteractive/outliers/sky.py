"""Levels of the sky that make exposures agree where they overlap.

Medians of blocks of pixels are compared where blocks of two exposures lie in one cell of the common
grid; the levels solve all the differences in the sense of least squares. Source: dossier 6.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.extract.frames import contiguous, in_threads
from jwinteractive.kernels.outlier_combine import block_medians
from jwinteractive.outliers.members import Member

__all__ = ["match_levels"]

_BLOCK = 16
_CELL = 2 * _BLOCK  # so that a cell holds the middle of some block of every exposure that covers it
_FEWEST = 5  # cells that two exposures must share
_CLIPS, _SIGMA = 5, 3.0


def match_levels(
    members: Sequence[Member], maps: Array, step: int, shape: tuple[int, int], bad: int
) -> Array:
    """Level of each member's sky [member], the lowest of them 0, in the unit of the data.

    Members that share no cell with another keep 0. ``maps`` are those of `pixel_maps`, ``shape``
    is that of the common grid, and pixels with flags ``bad`` are left out.
    """
    size = (shape[0] // _CELL + 1, shape[1] // _CELL + 1)
    cells = np.full((len(members), *size), np.nan)

    def bin_one(k: int) -> None:
        y, x, medians = _blocks(members[k], bad)
        place = _at(maps[k], step, y, x)
        cx, cy = (np.floor(a / _CELL) for a in place)
        good = np.isfinite(medians) & (cx >= 0) & (cy >= 0) & (cx < size[1]) & (cy < size[0])
        index = (cy[good] * size[1] + cx[good]).astype(np.int64)
        total = np.bincount(index, medians[good], minlength=size[0] * size[1])
        count = np.bincount(index, minlength=size[0] * size[1])
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        cells[k] = mean.reshape(size)

    in_threads(len(members), bin_one)
    return _solve(cells)


def _blocks(member: Member, bad: int) -> tuple[Array, Array, Array]:
    ny, nx = member.shape
    medians = np.full((-(-ny // _BLOCK), -(-nx // _BLOCK)), np.nan, np.float32)
    for box in Box.whole(member.shape).strips(16 * _BLOCK):
        planes = member.look(box)
        part = medians[box.y0 // _BLOCK : -(-box.y1 // _BLOCK)]
        block_medians(
            contiguous(planes.data, np.float32),
            contiguous(planes.dq, np.uint32),
            np.uint32(bad),
            _BLOCK,
            part,
        )
    y, x = np.indices(medians.shape) * float(_BLOCK) + (_BLOCK - 1) / 2
    return y.ravel(), x.ravel(), medians.ravel()


def _at(nodes: Array, step: int, y: Array, x: Array) -> Array:
    """Places on the grid of some pixels: [2, n]."""
    cy = np.clip(y // step, 0, nodes.shape[1] - 2).astype(int)
    cx = np.clip(x // step, 0, nodes.shape[2] - 2).astype(int)
    fy, fx = y / step - cy, x / step - cx
    left = nodes[:, cy, cx] * (1 - fy) + nodes[:, cy + 1, cx] * fy
    right = nodes[:, cy, cx + 1] * (1 - fy) + nodes[:, cy + 1, cx + 1] * fy
    found: Array = left * (1 - fx) + right * fx
    return found


def _solve(cells: Array) -> Array:
    """Least squares of the levels: the Laplacian of the graph of overlaps."""
    n = len(cells)
    rows: list[Array] = []
    wanted: list[float] = []
    joined = np.zeros(n, bool)
    for i, j in combinations(range(n), 2):
        apart = cells[i] - cells[j]
        apart = apart[np.isfinite(apart)]
        for _ in range(_CLIPS):
            if apart.size < _FEWEST:
                break
            centre = np.median(apart)
            scatter = 1.4826 * np.median(np.abs(apart - centre))
            apart = apart[np.abs(apart - centre) <= max(_SIGMA * scatter, 1e-12)]
        if apart.size < _FEWEST:
            continue
        joined[[i, j]] = True
        weight = np.sqrt(apart.size) / max(float(np.std(apart)), 1e-12)
        row = np.zeros(n)
        row[i], row[j] = weight, -weight
        rows.append(row)
        wanted.append(weight * float(np.median(apart)))
    if not rows:
        return np.zeros(n)
    levels = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0]
    levels[joined] -= levels[joined].min()
    levels[~joined] = 0.0
    found: Array = levels
    return found
