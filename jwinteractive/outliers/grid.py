"""The common grid of exposures, and where on it their pixels lie.

Pixel maps are known at nodes some pixels apart and bilinear between them: of the smooth distortion
of an imager that is exact to a thousandth of a pixel. Source: dossier 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.outliers.members import Member

__all__ = ["bounds_of", "common_grid", "pixel_map", "pixel_maps"]

_STEP = 16
_TOLERANCE = 1e-3  # pixels
_NEEDED = ("ra_ref", "dec_ref", "roll_ref", "v3yangle", "vparity")


def common_grid(members: Sequence[Member]) -> tuple[Any, tuple[int, int]]:
    """WCS and size (ny, nx) of the grid that covers all members, as the official step chooses it.

    Raises
    ------
    InputError
        If a member has no WCS, one that is no image's, or lacks keywords.
    """
    from stcal.alignment.util import compute_scale, wcs_from_sregions

    for member in members:
        if member.wcs is None:
            raise InputError(
                f"{member.name} has no WCS: exposures are compared on the sky: run assign_wcs "
                "on it first"
            )
        if member.wcs.output_frame.naxes != 2:
            raise InputError(
                f"{member.name} has a WCS of {member.wcs.output_frame.naxes} axes: images have 2: "
                "compare spectra with spectra"
            )
    first = members[0]
    if missing := [name for name in _NEEDED if first.wcsinfo.get(name) is None]:
        raise InputError(
            f"{first.name} lacks {', '.join(missing)}: the common grid is turned by these: "
            "run assign_wcs on it again"
        )
    info = dict(first.wcsinfo)
    scale = compute_scale(first.wcs, fiducial=np.array([info["ra_ref"], info["dec_ref"]]))
    regions: list[Any] = []
    for member in members:
        regions += _regions(member)
    # the scale of pixels is given, so that the ratio has no say
    grid = wcs_from_sregions(
        regions, ref_wcs=first.wcs, ref_wcsinfo=info, pscale_ratio=1.0, pscale=scale
    )
    ny, nx = grid.array_shape
    return grid, (int(ny), int(nx))


def _regions(member: Member) -> list[Any]:
    if "POLYGON ICRS" in member.s_region:
        parts = member.s_region.split("POLYGON ICRS")
        return [f"POLYGON ICRS  {part.strip()}" for part in parts if part.strip()]
    x0, x1, y0, y1 = bounds_of(member)
    x = np.array([x0 - 0.5, x1 + 0.5, x1 + 0.5, x0 - 0.5])
    y = np.array([y0 - 0.5, y0 - 0.5, y1 + 0.5, y1 + 0.5])
    return [np.stack(member.wcs(x, y, with_bounding_box=False), axis=1)]


def bounds_of(member: Member) -> Array:
    """First and last column, first and last row that have a place in the sky: int64 [4]."""
    ny, nx = member.shape
    box = getattr(member.wcs, "bounding_box", None)
    if box is None:
        return np.array([0, nx - 1, 0, ny - 1])
    (x0, x1), (y0, y1) = box.bounding_box(order="F") if hasattr(box, "bounding_box") else box
    return np.array(
        [
            max(0, math.ceil(x0)),
            min(nx - 1, math.floor(x1)),
            max(0, math.ceil(y0)),
            min(ny - 1, math.floor(y1)),
        ]
    )


def pixel_map(wcs: Any, grid: Any, shape: tuple[int, int], step: int) -> tuple[Array, float]:
    """Columns and rows on the grid of pixels (y step, x step), [2, gy, gx], and their error.

    The nodes reach beyond the frame. The error in pixels, of what is bilinear between the nodes,
    is the largest among the middles of up to a thousand cells.
    """
    gy, gx = ((n - 1) // step + 2 for n in shape)
    nodes = _mapped(wcs, grid, *np.mgrid[:gy, :gx] * float(step))
    every = max(1, math.isqrt((gy - 1) * (gx - 1) // 1000))
    y, x = (a[::every, ::every] for a in np.mgrid[: gy - 1, : gx - 1])
    found = _mapped(wcs, grid, (y + 0.5) * step, (x + 0.5) * step)
    corners = nodes[:, y, x] + nodes[:, y + 1, x] + nodes[:, y, x + 1] + nodes[:, y + 1, x + 1]
    apart = np.abs(found - corners / 4)
    return nodes, float(np.max(apart, initial=0.0, where=np.isfinite(apart)))


def pixel_maps(members: Sequence[Member], grid: Any) -> tuple[Array, int]:
    """Maps [member, 2, gy, gx] of all members, and the pixels between their nodes.

    There are as many pixels as keep the error below a thousandth of a pixel, 16 at most; spectra
    have a node at each pixel, for at their edges there is none further. Members that are smaller
    than others have nodes that are NaN.
    """
    step = _STEP if members[0].wcs.output_frame.naxes == 2 else 1
    maps: list[Array] = []
    while len(maps) < len(members):
        member = members[len(maps)]
        nodes, error = pixel_map(member.wcs, grid, member.shape, step)
        if error > _TOLERANCE and step > 1:
            step //= 2
            maps = []
        else:
            maps.append(nodes)
    gy, gx = (max(nodes.shape[axis] for nodes in maps) for axis in (1, 2))
    found = np.full((len(maps), 2, gy, gx), np.nan)
    for place, nodes in zip(found, maps, strict=True):
        place[:, : nodes.shape[1], : nodes.shape[2]] = nodes
    return found, step


def _mapped(wcs: Any, grid: Any, y: Array, x: Array) -> Array:
    world = wcs(x.ravel(), y.ravel(), with_bounding_box=False)
    place = grid.invert(*world, with_bounding_box=False)
    found: Array = np.stack(place).reshape(2, *y.shape)
    return found
