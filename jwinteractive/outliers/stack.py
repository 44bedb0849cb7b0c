"""The median of exposures on a common grid, with all that comparing one of them with it needs.

Source: dossier 6.1, 6.2, 6.6.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import Any

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import contiguous
from jwinteractive.outliers.grid import bounds_of, common_grid, pixel_maps
from jwinteractive.outliers.members import Member
from jwinteractive.outliers.settings import OutlierParams, bad_flags
from jwinteractive.outliers.sky import match_levels
from jwinteractive.outliers.slits import slit_grid
from jwinteractive.outliers.tiles import Plan, Tiles
from jwinteractive.step import Model

__all__ = ["Stack", "measure_stack", "stack_on"]


@dc.dataclass(frozen=True, kw_only=True)
class Stack(Model):
    """Median of a set of exposures, and where their pixels lie on it.

    Attributes
    ----------
    median
        float32 [y, x] on the common grid, without sky; NaN where no exposure has weight.
    noise
        Of the median, float32 [y, x]; empty [0, 0] if the method needs none.
    depth
        Exposures that the median is made of, uint8 [y, x].
    levels
        Level of the sky that was taken off each member, [member]; NaN where none is known.
    maps
        Columns and rows on the grid of pixels (y step, x step) of each member:
        [member, 2, gy, gx], bilinear between these nodes.
    step
        Pixels between the nodes.
    bounds
        First and last column, first and last row that have a place in the sky: [member, 4].
    names, groups
        Of the members; members of one group count as one exposure.
    """

    median: Array
    noise: Array
    depth: Array
    levels: Array
    maps: Array
    step: int
    bounds: Array
    names: tuple[str, ...]
    groups: tuple[str, ...]

    def index(self, member: int | str) -> int:
        """Number of a member that is given by its name.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        if isinstance(member, int):
            return member
        if member not in self.names:
            raise InputError(
                f"{member} is not in the stack of {', '.join(self.names)}: measure it with them"
            )
        return self.names.index(member)


def measure_stack(members: Sequence[Member], p: OutlierParams) -> Stack:
    """Median of exposures of one field, with the maps that lead from their pixels to it.

    Raises
    ------
    InputError
        If there is no exposure, or one alone and the method is the official one; if one has no
        WCS, or not a single pixel that may be used; or if none overlaps another.
    """
    if not members:
        raise InputError("outliers of no exposures: give at least one")
    groups = tuple(member.group or member.name for member in members)
    if len(set(groups)) < 2 and p.method == "official":
        raise InputError(
            f"{members[0].name} is one exposure alone: the official method compares two or more: "
            "add exposures of the same field or choose method = noise"
        )
    if any(is_slit(member) for member in members):
        grid, shape = slit_grid(members)
    else:
        grid, shape = common_grid(members)
    return stack_on(members, p, grid, shape)


def is_slit(member: Member) -> bool:
    """Whether a member is a spectrum, with wavelengths beside places in the sky."""
    return member.wcs is not None and int(member.wcs.output_frame.naxes) == 3


def stack_on(
    members: Sequence[Member],
    p: OutlierParams,
    grid: Any,
    shape: tuple[int, int],
) -> Stack:
    """Median of members on a grid that is given by its WCS and size (ny, nx).

    Spectra have the median of their errors with it, and their sky is not matched.

    Raises
    ------
    InputError
        As of `measure_stack`.
    """
    groups = tuple(member.group or member.name for member in members)
    slits = is_slit(members[0])
    if slits and p.method == "noise":
        # weights of a spectrum follow its sensitivity: what weighs little counts with its noise
        p = p.replace(maskpt=0.0)
    with_noise = slits or p.method == "noise"
    maps, step = pixel_maps(members, grid)
    bounds = np.array([bounds_of(member) for member in members])
    plan = Plan(tuple(members), groups, p, maps, step, bounds, shape, with_noise)
    plan.check_overlap()
    if p.sky == "match" and not slits:
        levels = match_levels(members, maps, step, shape, bad_flags(p.good_bits))
    else:
        levels = np.array([np.nan if m.level is None else m.level for m in members], float)
    median, noise, depth = Tiles(plan, levels).run()
    return Stack(
        median=contiguous(median, np.float32),
        noise=contiguous(noise, np.float32),
        depth=contiguous(depth, np.uint8),
        levels=contiguous(levels, np.float64),
        maps=contiguous(maps, np.float64),
        step=step,
        bounds=contiguous(bounds, np.int64),
        names=tuple(member.name for member in members),
        groups=groups,
    )
