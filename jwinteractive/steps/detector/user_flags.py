"""Groups that somebody flagged, or took a flag off, by hand.

Between `jump`, whose flags it overrules, and `ramp_fit`, which heeds them. The flags are text that
a person can read, compare and share::

    jw01185001001_02101_00001_nrca1 y512 x300 i1 g5 +JUMP_DET; ... y512 x301 i1 g7 -DO_NOT_USE

The first word names the exposure, so that a recipe over several exposures flags each one's own.
Flags of whole regions in groups come from the layers of the user's mask (`masks.Layer.groups`).
Why a step: docs/decisions/0008-groups-flagged-by-hand-are-a-step.md.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Self

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.detectors import detector
from jwinteractive.errors import InputError, ParamError
from jwinteractive.masks import Groups, Mask, Part, Selection
from jwinteractive.params import Doc, Params
from jwinteractive.references import Reference
from jwinteractive.step import step
from jwinteractive.views import Shown, Table, View

__all__ = [
    "FLAGS",
    "HandFlag",
    "UserFlagsParams",
    "UserGroupsRef",
    "parse",
    "user_flags",
    "with_flag",
    "write",
]

FLAGS: Final = ("JUMP_DET", "DO_NOT_USE")
"""Flags of a group that may be set and cleared by hand."""

_FORM = "ROOT y512 x300 i1 g5 +JUMP_DET"
_ENTRY = re.compile(r"(?P<root>\S.*?)\s+y(\d+)\s+x(\d+)\s+i(\d+)\s+g(\d+)\s+([+-])(\w+)", re.ASCII)
_BETWEEN = re.compile(r"\s*;(?:\s+|$)")
_MANY_GROUPS = 3  # flagged by hand in one edit that are told one by one
_MOST_ROWS = 500  # of the table; more than anybody flags by hand in one view


@dc.dataclass(frozen=True, slots=True, order=True)
class HandFlag:
    """One flag of one group, set or cleared by hand.

    Attributes
    ----------
    root
        Name of the exposure: its file name without the suffix of a product.
    y, x, integration, group
        All from 0, as everywhere in the package; the text counts integrations and groups from 1.
    flag
        One of `FLAGS`.
    on
        True sets it, False clears it.
    """

    root: str
    y: int
    x: int
    integration: int
    group: int
    flag: str = "JUMP_DET"
    on: bool = True

    def __post_init__(self) -> None:
        if self.flag not in FLAGS:
            raise ParamError(f"flag {self.flag!r} of a group: choose one of {', '.join(FLAGS)}")
        if min(self.y, self.x, self.integration, self.group) < 0:
            raise ParamError(f"{self}: pixels count from 0, integrations and groups from 1")
        if self.root != self.root.strip() or not self.root.isprintable() or not self.root:
            raise ParamError(f"exposure {self.root!r}: cannot be written as text: rename the file")
        if _BETWEEN.search(self.root):
            raise ParamError(f"exposure {self.root!r}: has a ';' at a word's end: rename the file")

    def __str__(self) -> str:
        sign = "+" if self.on else "-"
        where = f"y{self.y} x{self.x} i{self.integration + 1} g{self.group + 1}"
        return f"{self.root} {where} {sign}{self.flag}"

    @property
    def place(self) -> tuple[str, int, int, int, int, str]:
        """Which flag of which group it is, whether set or cleared."""
        return self.root, self.y, self.x, self.integration, self.group, self.flag


@functools.lru_cache(maxsize=16)  # strips and previews of one run all ask for the same text
def parse(text: str) -> tuple[HandFlag, ...]:
    """Read flags from text, sorted.

    Raises
    ------
    ParamError
        If an entry cannot be read, or one sets what another clears.
    """
    found: dict[tuple[str, int, int, int, int, str], HandFlag] = {}
    for number, entry in enumerate(filter(None, _BETWEEN.split(text.strip())), 1):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise ParamError(
                f"user_flags.groups, entry {number} {entry!r}: needs the form {_FORM!r}, entries "
                "parted by '; '"
            )
        root, y, x, i, g, sign, name = match.groups()
        try:
            flag = HandFlag(root, int(y), int(x), int(i) - 1, int(g) - 1, name, sign == "+")
        except ParamError as error:
            raise ParamError(f"user_flags.groups, entry {number} {entry!r}: {error}") from None
        if found.setdefault(flag.place, flag) != flag:
            raise ParamError(
                f"user_flags.groups, entry {number} {entry!r}: another entry says the opposite: "
                "leave one out"
            )
    return tuple(sorted(found.values()))


def write(flags: Iterable[HandFlag]) -> str:
    """Write flags as text: sorted, each once; `parse` gives them back."""
    return "; ".join(map(str, sorted(set(flags))))


def with_flag(text: str, flag: HandFlag, was: bool | None = None) -> str:
    """Text with one more flag.

    Parameters
    ----------
    text
        Flags so far.
    flag
        What the group shall be from now on.
    was
        Whether the group has the flag where nothing is flagged by hand. Then nothing is left
        behind by an edit that only restores it. None: not known; the opposite of what the text
        says is taken to restore it.
    """
    flags = {f.place: f for f in parse(text)}
    before = flags.pop(flag.place, None)
    restores = before is not None and before.on != flag.on if was is None else was == flag.on
    if not restores:
        flags[flag.place] = flag
    return write(flags.values())


class UserFlagsParams(Params):
    """Parameters of `user_flags`; the text is brought into the form that `write` gives."""

    groups: Annotated[
        str,
        Doc(
            "Groups flagged by hand, such as 'ROOT y512 x300 i1 g5 +JUMP_DET', parted by '; '. "
            "ROOT is the exposure's file name without _uncal.fits; pixels y, x count from 0, "
            "integrations i and groups g from 1; + sets and - clears JUMP_DET or DO_NOT_USE."
        ),
    ] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "groups", write(parse(self.groups)))


def _own(exposure: Exposure, p: UserFlagsParams) -> list[HandFlag]:
    return [f for f in parse(p.groups) if f.root == exposure.filename]


def _skips(exposure: Exposure, p: UserFlagsParams) -> str:
    return "" if _own(exposure, p) else "no group of this exposure was flagged by hand"


def _sizes(ramp: Ramp) -> tuple[tuple[str, str, int, int], ...]:
    """Field of a `HandFlag`, its word, how many there are, from which number; columns at most."""
    nint, ngroup = ramp.data.shape[:2]
    exposure = ramp.exposure
    ny, nx = detector(exposure.instrument, exposure.detector).shape
    if "IRS2" in exposure.readpatt:  # reference pixels are stored between the others
        ny = nx = 2 * max(ny, nx)
    return (
        ("integration", "integrations", nint, 1),
        ("group", "groups", ngroup, 1),
        ("y", "rows", ny, 0),
        ("x", "columns", nx, 0),
    )


def _changes(s: Shown) -> Table:
    """Flags that the step set or cleared in view, one a row."""
    rows: list[tuple[object, ...]] = []
    box = s.after.covers
    if isinstance(s.after, Ramp) and isinstance(s.before, Ramp):
        now, then = s.after.groupdq, s.before.groupdq
        for i, g, y, x in np.argwhere(now != then)[:_MOST_ROWS].tolist():
            for name in FLAGS:
                on, was = (plane[i, g, y, x] & dq.BITS[name] != 0 for plane in (now, then))
                if on != was:
                    what = "set" if on else "cleared"
                    rows.append((box.y0 + y, box.x0 + x, i + 1, g + 1, name, what))
    columns = ("y", "x", "integration", "group", "flag", "by hand")
    return Table(title="flagged by hand, in view", columns=columns, rows=tuple(sorted(rows)))


def _by_hand(before: str, after: str) -> list[str]:
    """Say which groups were flagged by hand, and which are as they were again."""
    old, new = ({f.place: f for f in parse(text or "")} for text in (before, after))
    changes = [
        *(("flagged" if f.on else "unflagged", f) for p, f in new.items() if old.get(p) != f),
        *(
            ("no longer flagged" if f.on else "no longer unflagged", f)
            for p, f in old.items()
            if p not in new
        ),
    ]
    if len(changes) > _MANY_GROUPS:
        return [f"{len(changes)} flags of groups changed by hand"]
    return [
        f"a group {what} by hand: x {f.x}, y {f.y}, integration {f.integration + 1}, "
        f"group {f.group + 1}, {f.flag}"
        for what, f in changes
    ]


@dc.dataclass(frozen=True, kw_only=True)
class UserGroupsRef(Reference):
    """Regions flagged in groups of an exposure: where, the bits, the pixels of ``box``."""

    reftype: ClassVar[str] = "user_supplied_groups"
    searched: ClassVar[bool] = False
    from_mask: ClassVar[Part | None] = "groups"
    regions: tuple[tuple[Groups, int, Selection], ...] = ()

    def __post_init__(self) -> None:
        assert self.box is not None  # there are no arrays to tell it

    @classmethod
    def of_mask(cls, mask: Mask, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Regions of the mask's layers for groups."""
        own = mask.cut_to(exposure, shape)
        return cls(regions=own.groups(exposure.filename), box=Box.whole(shape))

    def crop(self, box: Box) -> Self:
        """Return the parts of the regions inside ``box``."""
        assert self.box is not None  # set in __post_init__
        y, x = self.box.y0, self.box.x0
        at = Box(box.y0 - y, box.y1 - y, box.x0 - x, box.x1 - x)
        cropped = ((groups, bits, pixels.crop(at)) for groups, bits, pixels in self.regions)
        return dc.replace(self, regions=tuple(r for r in cropped if r[2]), box=box)


def _check(ramp: Ramp, groups: Groups) -> None:
    nint, ngroup = ramp.data.shape[:2]
    for what, value, size in (
        ("integrations", groups.integration, nint),
        ("groups", max(groups.first, groups.last), ngroup),
    ):
        if value >= size:
            raise InputError(
                f"mask, layer for {groups}: there are {size} {what}, from 1 on: change the layer "
                "or switch it off"
            )


@step(
    halo=0,
    skips=_skips,
    unless="regions",
    views=(View(title="flagged by hand", draw=_changes, compares=True),),
    words={"groups": _by_hand},
)
def user_flags(ramp: Ramp, p: UserFlagsParams, regions: UserGroupsRef | None = None) -> Ramp:
    """Set and clear flags of groups by hand: groupdq [nint, ngroup, ny, nx].

    Raises
    ------
    InputError
        If an entry or a region for this exposure names a group or a pixel that it has not.
    """
    box, sizes = ramp.covers, _sizes(ramp)
    groupdq: Array | None = None
    for groups, bits, pixels in regions.regions if regions is not None else ():
        _check(ramp, groups)
        if groupdq is None:
            groupdq = ramp.groupdq.copy()
        last = groupdq.shape[1] if groups.last < 0 else groups.last + 1
        groupdq[groups.integration, groups.first : last, pixels.mask()] |= np.uint8(bits)
    for flag in _own(ramp.exposure, p):
        for field, what, size, first in sizes:
            if getattr(flag, field) >= size:
                raise InputError(
                    f"user_flags.groups, entry {str(flag)!r}: there are {size} {what}, from "
                    f"{first} on: correct the entry or leave it out"
                )
        if not (box.y0 <= flag.y < box.y1 and box.x0 <= flag.x < box.x1):
            continue
        if groupdq is None:
            groupdq = ramp.groupdq.copy()
        bit = np.uint8(dq.BITS[flag.flag])
        at = flag.integration, flag.group, flag.y - box.y0, flag.x - box.x0
        groupdq[at] = groupdq[at] | bit if flag.on else groupdq[at] & ~bit
    return ramp if groupdq is None else ramp.replace(groupdq=groupdq)
