"""Layers of a mask: each a named set of pixels with flags, from somewhere."""

from __future__ import annotations

import dataclasses as dc
import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np

from jwinteractive import dq
from jwinteractive.errors import InputError, suggestion
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Shape

__all__ = [
    "BACKGROUND",
    "CLASSES",
    "GROUP_FLAGS",
    "SOURCE",
    "Groups",
    "Layer",
    "Origin",
    "Part",
    "Role",
]

CLASSES = (
    "OTHER_BAD_PIXEL",
    "HOT",
    "WARM",
    "DEAD",
    "LOW_QE",
    "OPEN",
    "ADJ_OPEN",
    "RC",
    "TELEGRAPH",
    "NONLINEAR",
    "UNRELIABLE_SLOPE",
    "UNRELIABLE_DARK",
    "NON_SCIENCE",
    "PERSISTENCE",
)
"""Flags that tell what is wrong with a pixel, for lists of choices; any other is allowed too."""

HOWS = ("add", "remove", "within")
ROLES = ("flags", "scene")
KINDS = ("drawn", "statistic", "imported", "reference", "combined")
_GROUPS = re.compile(r"i(\d+) g(\d+)-(\d*)", re.ASCII)
GROUP_FLAGS = ("JUMP_DET", "SATURATED", "DO_NOT_USE")
SOURCE, BACKGROUND = 1, 2
"""What a scene says of a pixel for the fit of 1/f noise; 0: nothing."""

_SCENE = {
    "add": "source for 1/f",
    "remove": "background for 1/f",
    "within": "background for 1/f inside only",
}

Kind = Literal["drawn", "statistic", "imported", "reference", "combined"]
How = Literal["add", "remove", "within"]
Role = Literal["flags", "scene"]
Part = Literal["pixels", "groups", "scene"]


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Groups ``first`` to ``last`` of one integration, from 0; ``last`` -1: to the end."""

    integration: int = 0
    first: int = 0
    last: int = -1

    def __post_init__(self) -> None:
        if min(self.integration, self.first) < 0 or -1 != self.last < self.first:
            raise InputError(f"{self}: groups count from 0, the last is not before the first")

    def __str__(self) -> str:
        """As a person counts, from 1: "i1 g5-" or "i1 g5-7"."""
        last = "" if self.last < 0 else self.last + 1
        return f"i{self.integration + 1} g{self.first + 1}-{last}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` gives.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        found = _GROUPS.fullmatch(text)
        if found is None or any(number and not int(number) for number in found.groups()):
            raise InputError(f"groups {text!r}: need the form 'i1 g5-' or 'i1 g5-7', from 1")
        i, first, last = (int(number or 0) - 1 for number in found.groups())
        return cls(integration=i, first=first, last=last)


def _number(value: Any) -> float:
    return value if isinstance(value, float) else 0.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a layer comes from: its kind, in words, and what repeats it (plain values)."""

    kind: Kind = "drawn"
    text: str = ""
    details: Mapping[str, str | int | float | bool] = dc.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"origin {self.kind!r} of a layer: {suggestion(self.kind, KINDS)}")
        for key, value in self.details.items():
            plain = isinstance(value, str | int | float | bool) and not isinstance(
                value, np.generic
            )
            if key in ("kind", "text") or not plain or not math.isfinite(_number(value)):
                raise InputError(
                    f"origin, {key} = {value!r}: must be text, true or false, or a finite number, "
                    "and not called kind or text"
                )


@dc.dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Pixels with flags, or a part of the scene.

    Attributes
    ----------
    name
        Of the layer; no two layers of a mask have one.
    flags
        Names of the data-quality bits; of the scene none.
    pixels, shapes
        The layer holds these pixels and those in the shapes.
    how
        "add" sets the flags; "remove" takes them off again that layers before it set (without
        flags: all); "within" keeps of these only what lies inside.
    on
        Off, the layer does nothing.
    exposure
        Name of the only exposure it is for (file name without the suffix of a product); "": all.
    groups
        The groups of one integration that are flagged; None: the pixel, in all of them.
    origin, comment
        Where it comes from; what somebody says of it.
    """

    name: str
    pixels: Selection
    flags: tuple[str, ...] = ("OTHER_BAD_PIXEL", "DO_NOT_USE")
    shapes: tuple[Shape, ...] = ()
    how: How = "add"
    role: Role = "flags"
    on: bool = True
    exposure: str = ""
    groups: Groups | None = None
    origin: Origin = dc.field(default_factory=Origin)
    comment: str = ""

    def __post_init__(self) -> None:
        name = self.name
        if not name or name != name.strip() or not name.isprintable():
            raise InputError(f"layer name {name!r}: needs letters, no blanks around, in one line")
        if self.how not in HOWS:
            raise InputError(f"layer {name!r}, how {self.how!r}: {suggestion(self.how, HOWS)}")
        if self.role not in ROLES:
            raise InputError(f"layer {name!r}, role {self.role!r}: {suggestion(self.role, ROLES)}")
        if self.role == "scene":
            self._check_scene()
        known = GROUP_FLAGS if self.groups is not None else tuple(dq.BITS)
        for flag in self.flags:
            if flag not in known:
                what = "groups" if self.groups is not None else "pixels"
                raise InputError(
                    f"layer {name!r}, flag {flag!r} of {what}: {suggestion(flag, known)}"
                )
        if not self.flags and self.how == "add" and self.role == "flags":
            raise InputError(f"layer {name!r}: adds no flags: name one, such as {CLASSES[0]}")
        if self.groups is not None and self.how != "add":
            raise InputError(f"layer {name!r}: flags of groups are added only, not {self.how!r}")
        bits = dq.combine(*self.flags)
        object.__setattr__(self, "flags", tuple(dq.names(bits)))  # each once, in one order

    def _check_scene(self) -> None:
        if self.flags:
            raise InputError(
                f"layer {self.name!r}: is for the scene, which has no flags, not "
                f"{', '.join(self.flags)}: give flags = ()"
            )
        if self.groups is not None:
            raise InputError(
                f"layer {self.name!r}: is for the scene, which is that of all groups, not of "
                f"{self.groups}: leave groups out"
            )

    @cached_property
    def selection(self) -> Selection:
        """All its pixels."""
        found = self.pixels
        for shape in self.shapes:
            found |= shape.select(found.shape)
        return found

    @property
    def bits(self) -> int:
        """Value of its flags."""
        return dq.combine(*self.flags)

    @property
    def count(self) -> int:
        """How many pixels it has."""
        return self.selection.count

    @property
    def part(self) -> Part:
        """Which part of a mask it belongs to."""
        if self.role == "scene":
            return "scene"
        return "pixels" if self.groups is None else "groups"

    @property
    def meaning(self) -> str:
        """In words: its flags, or what its pixels are for the fit of 1/f noise."""
        return _SCENE[self.how] if self.role == "scene" else ", ".join(self.flags) or "all flags"

    @property
    def notes(self) -> tuple[str, ...]:
        """In words: what it does but add, whether it is off, what it is for, where it is from."""
        said = (
            self.how if self.how != "add" and self.role == "flags" else "",
            "" if self.on else "off",
            f"for {self.exposure}" if self.exposure else "",
            f"groups {self.groups}" if self.groups is not None else "",
            " ".join(filter(None, (self.origin.kind, self.origin.text))),
        )
        return tuple(filter(None, said))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``.

        Raises
        ------
        InputError
            If they are not allowed.
        """
        return dc.replace(self, **changes)

    def drawn(self, shape: Shape) -> Self:
        """Return the layer with a shape more."""
        return self if shape in self.shapes else self.replace(shapes=(*self.shapes, shape))

    def painted(self, pixels: Selection) -> Self:
        """Return the layer with pixels more."""
        return self.replace(pixels=self.pixels | pixels)

    def erased(self, pixels: Selection) -> Self:
        """Return the layer without pixels; shapes that lose some become pixels."""
        kept, rest = [], self.pixels
        for shape in self.shapes:
            mine = shape.select(pixels.shape)
            if mine & pixels:
                rest |= mine
            else:
                kept.append(shape)
        return self.replace(pixels=rest - pixels, shapes=tuple(kept))

    def same(self, other: Layer) -> bool:
        """Whether it means and says just the same."""
        return _said(self) == _said(other) and self.pixels == other.pixels

    def applies_to(self, root: str) -> bool:
        """Whether it is on, and for the exposure of a name."""
        return self.on and self.exposure in ("", root)


def _said(layer: Layer) -> list[Any]:
    """All but the pixels."""
    origin = layer.origin
    rest = [getattr(layer, f.name) for f in dc.fields(layer) if f.name not in ("pixels", "origin")]
    return [*rest, origin.kind, origin.text, dict(origin.details)]
