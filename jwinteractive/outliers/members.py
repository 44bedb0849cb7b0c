"""Exposures of one field, each with its WCS, read in boxes so that none is ever all in memory."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Mapping
from typing import Any

from jwinteractive.data import Array, Box

__all__ = ["Member", "Planes", "member_of"]


@dc.dataclass(frozen=True, eq=False)
class Planes:
    """Pixels of a box: ``data``, ``err`` in one unit, ``dq``, and ``var_rnoise`` if known."""

    data: Array
    err: Array
    dq: Array
    var_rnoise: Array | None = None


@dc.dataclass(frozen=True, eq=False)
class Member:
    """One exposure, or one slit of it, of a set that is looked at together.

    Attributes
    ----------
    name
        Root of the file's name.
    shape
        Size (ny, nx).
    wcs
        From pixels to the sky, a gwcs; None if the file has none.
    look
        Gives the pixels of a box.
    wcsinfo
        ``ra_ref``, ``dec_ref``, ``roll_ref``, ``v3yangle`` and ``vparity`` of the header; the
        common grid of images follows those of the first member.
    s_region
        Footprint as the header says it; taken from the WCS where it is empty.
    group
        Members of one group were taken at one time, by several detectors, and count once.
    exposed
        Seconds that weights by time go by.
    level
        Level of the sky that is still in the data, if the header tells it.
    """

    name: str
    shape: tuple[int, int]
    wcs: Any
    look: Callable[[Box], Planes]
    wcsinfo: Mapping[str, Any] = dc.field(default_factory=dict)
    s_region: str = ""
    group: str = ""
    exposed: float = 1.0
    level: float | None = None


def member_of(name: str, planes: Planes, wcs: Any, **known: Any) -> Member:
    """Member whose pixels are in memory, [y, x]; ``known`` are further attributes of it."""

    def look(box: Box) -> Planes:
        cut = box.slices(Box.whole(planes.data.shape))
        read = planes.var_rnoise
        return Planes(
            planes.data[cut], planes.err[cut], planes.dq[cut], None if read is None else read[cut]
        )

    ny, nx = planes.data.shape
    return Member(name, (ny, nx), wcs, look, **known)
