"""Which pixels of one exposure differ from the median of all, in any box of it.

A box gives bit for bit what the whole exposure gives, if its pixels come with `halo` more on each
side. Source: dossier 6.1, 6.4.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import contiguous
from jwinteractive.kernels.outlier_flags import (
    blot,
    curvature,
    flag_by_noise,
    flag_official,
    gradient,
    nearest,
)
from jwinteractive.outliers.settings import OutlierParams, bad_flags, pair
from jwinteractive.outliers.stack import Stack

__all__ = ["Flags", "at_sky", "blotted", "flags_of", "halo"]


@dc.dataclass(frozen=True, eq=False)
class Flags:
    """What comparing with the median finds in one exposure; all [y, x].

    Attributes
    ----------
    mask
        Outliers, bool.
    over
        Difference to the median over the noise, float32; NaN where there is no median.
    blot
        The median at the exposure's pixels, float32, with the exposure's sky.
    """

    mask: Array
    over: Array
    blot: Array


def halo(p: OutlierParams) -> int:
    """Pixels that a box needs on each side: a neighbour's flag counts, and what that looks at."""
    return 1 if p.method == "official" else 6


def flags_of(
    stack: Stack, member: int | str, box: Box, data: Array, err: Array, dq: Array, p: OutlierParams
) -> Flags:
    """Outliers among the pixels of a box of one exposure, as `Flags` of the same box.

    Parameters
    ----------
    stack
        What was measured over the set.
    member
        Number or name of the exposure in it.
    box
        Pixels that are given; those within `halo` of its sides are right only where the side is
        one of the frame.
    data, err, dq
        Values and errors in the unit of the stack, and flags: [y, x] of the box.

    Raises
    ------
    InputError
        If the exposure is not in the stack, or the planes are not those of the box.
    ParamError
        If `snr` or `scale` are not two numbers.
    """
    k = stack.index(member)
    for name, plane in (("data", data), ("err", err), ("dq", dq)):
        if plane.shape != box.shape:
            raise InputError(f"{name} {plane.shape}: must have the shape of its box, {box.shape}")
    data, err = contiguous(data, np.float32), contiguous(err, np.float32)
    model, slope, curve = _around(stack, k, box, stack.median)
    known = np.isfinite(stack.levels[k])
    backg = float(stack.levels[k]) if known else p.backg
    mask, over = np.zeros(box.shape, bool), np.empty(box.shape, np.float32)
    snr = pair("snr", p.snr)
    if p.method == "official":
        settings = contiguous([*snr, *pair("scale", p.scale), backg], np.float32)
        error = err
        if stack.noise.size:  # spectra are compared by the median's errors
            error = contiguous(blotted(stack, k, box, stack.noise), np.float32)
        flag_official(data, error, model, slope, settings, over, mask)
    else:
        if not stack.noise.size:
            raise InputError(
                "the stack has no noise: it was measured for the official method: measure it anew"
            )
        bad = (np.asarray(dq, np.uint32) & np.uint32(bad_flags(p.good_bits))) != 0
        noise = contiguous(blotted(stack, k, box, stack.noise), np.float32)
        settings = contiguous(
            [*snr, p.gradient, p.curvature, backg, p.laplacian, p.contrast], np.float32
        )
        used = contiguous(np.where(bad, np.float32(np.nan), data), np.float32)
        depth = _depth(stack, k, box)
        flag_by_noise(used, err, model, noise, depth, slope, curve, settings, over, mask)
    return Flags(mask, over, model + np.float32(backg))


def blotted(stack: Stack, member: int, box: Box, plane: Array) -> Array:
    """A plane of the stack at the pixels of a box of one exposure, bilinear: float32 [y, x]."""
    found = np.empty(box.shape, np.float32)
    blot(
        plane,
        contiguous(stack.maps[member], np.float64),
        stack.step,
        contiguous(stack.bounds[member], np.int64),
        box.y0,
        box.x0,
        found,
    )
    return found


def _around(stack: Stack, k: int, box: Box, plane: Array) -> tuple[Array, Array, Array]:
    """Plane, gradient and curvature at the pixels of a box: they look one pixel further."""
    x0, x1, y0, y1 = (int(b) for b in stack.bounds[k])
    # outside the bounds the plane is NaN, which the gradient passes over
    frame = Box(min(y0, box.y0), max(y1 + 1, box.y1), min(x0, box.x0), max(x1 + 1, box.x1))
    wide = box.grow(1, frame)
    model = blotted(stack, k, wide, plane)
    slope, curve = np.empty(wide.shape, np.float32), np.empty(wide.shape, np.float32)
    gradient(model, slope)
    curvature(model, curve)
    cut = box.slices(wide)
    found = [contiguous(a[cut], np.float32) for a in (model, slope, curve)]
    return found[0], found[1], found[2]


def _depth(stack: Stack, k: int, box: Box) -> Array:
    """Exposures that the median has at the pixels of a box, the nearest place on the grid."""
    found = np.empty(box.shape, np.uint8)
    maps = contiguous(stack.maps[k], np.float64)
    nearest(stack.depth, maps, stack.step, box.y0, box.x0, found)
    return contiguous(found, np.uint8)


def _places(stack: Stack, k: int, y: Array, x: Array) -> Array:
    """Columns and rows on the grid of pixels of a member: [2, ...]."""
    nodes, step = stack.maps[k], stack.step
    cy = np.clip(np.floor_divide(y, step), 0, nodes.shape[1] - 2).astype(int)
    cx = np.clip(np.floor_divide(x, step), 0, nodes.shape[2] - 2).astype(int)
    fy, fx = y / step - cy, x / step - cx
    left = nodes[:, cy, cx] * (1 - fy) + nodes[:, cy + 1, cx] * fy
    right = nodes[:, cy, cx + 1] * (1 - fy) + nodes[:, cy + 1, cx + 1] * fy
    found: Array = left * (1 - fx) + right * fx
    return found


def at_sky(stack: Stack, y: float, x: float, member: int | str) -> Array:
    """Rows and columns [member, 2] of the place in the sky that a pixel of one member sees.

    They are those of pixel centres, not rounded; NaN in members that do not see it.
    """
    wanted = _places(stack, stack.index(member), np.array(float(y)), np.array(float(x)))
    found = np.full((len(stack.names), 2), np.nan)
    for k, nodes in enumerate(stack.maps):
        away = np.hypot(nodes[0] - wanted[0], nodes[1] - wanted[1])
        if np.isnan(away).all():
            continue
        gy, gx = np.unravel_index(np.nanargmin(away), away.shape)
        py, px = float(gy) * stack.step, float(gx) * stack.step
        for _ in range(6):  # Newton, on a map that is nearly straight
            off = wanted - _places(stack, k, np.array(py), np.array(px))
            right = _places(stack, k, np.array(py), np.array(px + 0.5))
            left = _places(stack, k, np.array(py), np.array(px - 0.5))
            up = _places(stack, k, np.array(py + 0.5), np.array(px))
            down = _places(stack, k, np.array(py - 0.5), np.array(px))
            (dx, dy) = np.linalg.solve(np.stack([right - left, up - down], axis=1), off)
            px, py = px + float(dx), py + float(dy)
        x0, x1, y0, y1 = stack.bounds[k]
        if x0 - 0.5 <= px <= x1 + 0.5 and y0 - 0.5 <= py <= y1 + 0.5:
            found[k] = py, px
    return found
