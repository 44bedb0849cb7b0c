"""A mask: a stack of named layers, each a set of pixels with flags, from somewhere."""

from __future__ import annotations

import dataclasses as dc
import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure
from jwinteractive.detectors import same_detector
from jwinteractive.errors import InputError, suggestion
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Shape

__all__ = ["CLASSES", "LARGEST", "Groups", "Layer", "Mask", "Origin", "Part"]

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

LARGEST = 4096
"""Pixels a side that no frame exceeds: detectors have 2048, interleaved frames 3200."""

HOWS = ("add", "remove", "within")
KINDS = ("drawn", "statistic", "imported", "reference", "combined")
_GROUPS = re.compile(r"i(\d+) g(\d+)-(\d*)", re.ASCII)
_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)
_GROUP_FLAGS = ("JUMP_DET", "SATURATED", "DO_NOT_USE")

Kind = Literal["drawn", "statistic", "imported", "reference", "combined"]
How = Literal["add", "remove", "within"]
Part = Literal["pixels", "groups"]


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
    """Pixels with flags.

    Attributes
    ----------
    name
        Of the layer; no two layers of a mask have one.
    flags
        Names of the data-quality bits.
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
        known = _GROUP_FLAGS if self.groups is not None else tuple(dq.BITS)
        for flag in self.flags:
            if flag not in known:
                what = "groups" if self.groups is not None else "pixels"
                raise InputError(
                    f"layer {name!r}, flag {flag!r} of {what}: {suggestion(flag, known)}"
                )
        if not self.flags and self.how == "add":
            raise InputError(f"layer {name!r}: adds no flags: name one, such as {CLASSES[0]}")
        if self.groups is not None and self.how != "add":
            raise InputError(f"layer {name!r}: flags of groups are added only, not {self.how!r}")
        bits = dq.combine(*self.flags)
        object.__setattr__(self, "flags", tuple(dq.names(bits)))  # each once, in one order

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


@dc.dataclass(frozen=True, kw_only=True, eq=False)
class Mask:
    """Layers over the pixels of a detector, or of a window of it; later ones come on top.

    Attributes
    ----------
    instrument, detector, subarray
        As in a header.
    shape
        Size (ny, nx).
    corner
        (ystart, xstart) of the first pixel on the detector, from 1.
    layers
        From the first that is applied to the last.
    title, comment
        What it is, and what somebody says of it.
    date
        Day of the data that it was made of, such as "2026-03-01"; "": not known.
    """

    instrument: str
    detector: str
    shape: tuple[int, int]
    subarray: str = "FULL"
    corner: tuple[int, int] = (1, 1)
    layers: tuple[Layer, ...] = ()
    title: str = ""
    comment: str = ""
    date: str = ""

    def __post_init__(self) -> None:
        if self.date and not _DAY.fullmatch(self.date):
            raise InputError(f"date {self.date!r} of a mask: needs the form '2026-03-01'")
        if min(*self.shape, *self.corner) < 1 or max(*self.shape, *self.corner) > LARGEST:
            raise InputError(
                f"mask of {self.detector}: shape {self.shape} and corner {self.corner} must lie in "
                f"1 to {LARGEST} pixels"
            )
        names = [layer.name for layer in self.layers]
        for layer in self.layers:
            if names.count(layer.name) > 1:
                raise InputError(f"two layers are called {layer.name!r}: rename one")
            if layer.pixels.shape != self.shape:
                raise InputError(
                    f"layer {layer.name!r}: has pixels of {layer.pixels.shape}, the mask is "
                    f"{self.shape}: take a layer of its shape"
                )

    @classmethod
    def of(cls, exposure: Exposure, shape: tuple[int, int], **given: Any) -> Self:
        """Empty mask for an exposure of (ny, nx) pixels."""
        return cls(
            instrument=exposure.instrument,
            detector=exposure.detector,
            subarray=exposure.subarray,
            shape=shape,
            corner=(exposure.ystart, exposure.xstart),
            **given,
        )

    @property
    def place(self) -> tuple[Any, ...]:
        """Detector and window: of two masks of one place, one counts."""
        return self.instrument, self.detector, self.corner, self.shape

    def __contains__(self, name: str) -> bool:
        return any(layer.name == name for layer in self.layers)

    def __getitem__(self, name: str) -> Layer:
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = [layer.name for layer in self.layers]
        raise InputError(f"mask has no layer {name!r}: {suggestion(name, known)}")

    def same(self, other: Mask) -> bool:
        """Whether it means and says just the same."""
        mine, its = ([getattr(m, f.name) for f in dc.fields(m)] for m in (self, other))
        layers = zip(self.layers, other.layers, strict=False)
        at = [f.name for f in dc.fields(self)].index("layers")
        return (
            mine[:at] + mine[at + 1 :] == its[:at] + its[at + 1 :]
            and len(self.layers) == len(other.layers)
            and all(a.same(b) for a, b in layers)
        )

    # -- changed ------------------------------------------------------------------------------

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``.

        Raises
        ------
        InputError
            If they are not allowed.
        """
        return dc.replace(self, **changes)

    def free_name(self, name: str) -> str:
        """``name``, or with a number where a layer has it already."""
        found, n = name, 2
        while found in self:
            found, n = f"{name} {n}", n + 1
        return found

    def with_layer(self, layer: Layer) -> Self:
        """Return the mask with a layer on top, or in the place of the one of its name."""
        if layer.name not in self:
            return self.replace(layers=(*self.layers, layer))
        return self.replace(
            layers=tuple(layer if own.name == layer.name else own for own in self.layers)
        )

    def changed(self, name: str, /, **changes: Any) -> Self:
        """Return the mask with one layer changed.

        Raises
        ------
        InputError
            If there is no such layer, or what changes is not allowed.
        """
        changed = self[name].replace(**changes)
        return self.replace(
            layers=tuple(changed if own.name == name else own for own in self.layers)
        )

    def without(self, name: str) -> Self:
        """Return the mask without a layer.

        Raises
        ------
        InputError
            If there is no such layer.
        """
        gone = self[name]
        return self.replace(layers=tuple(own for own in self.layers if own is not gone))

    def moved(self, name: str, place: int) -> Self:
        """Return the mask with a layer at another place, from 0.

        Raises
        ------
        InputError
            If there is no such layer.
        """
        layer = self[name]
        rest = [own for own in self.layers if own is not layer]
        rest.insert(max(place, 0), layer)
        return self.replace(layers=tuple(rest))

    def combined(
        self, names: Iterable[str], how: Literal["union", "intersection", "difference"]
    ) -> Layer:
        """Layer of the pixels in any of some layers, in all of them, or in the first alone.

        It has the flags of the first, and is not yet in the mask.

        Raises
        ------
        InputError
            If there is no such layer, or fewer than two are named.
        """
        first, *others = (self[name] for name in names)
        if not others:
            raise InputError(f"{how} of {first.name!r} alone: name two layers or more")
        found = first.selection
        for other in others:
            match how:
                case "union":
                    found |= other.selection
                case "intersection":
                    found &= other.selection
                case "difference":
                    found -= other.selection
        sign = {"union": " + ", "intersection": " & ", "difference": " - "}[how]
        text = sign.join(layer.name for layer in (first, *others))
        return first.replace(
            name=self.free_name(text),
            pixels=found,
            shapes=(),
            how="add",
            origin=Origin(kind="combined", text=f"{how} of {text}"),
            comment="",
        )

    # -- applied ------------------------------------------------------------------------------

    def misfit(self, exposure: Exposure, shape: tuple[int, int]) -> str:
        """Why it cannot be used for an exposure of (ny, nx) pixels; "" if it can."""
        mine = f"{self.instrument} {self.detector}"
        if self.instrument != exposure.instrument or not same_detector(
            self.detector, exposure.detector
        ):
            return f"mask is of {mine}, the exposure of {exposure.instrument} {exposure.detector}"
        if self._window(exposure, shape) not in Box.whole(self.shape):
            return (
                f"mask of {mine} covers {self.shape[1]} x {self.shape[0]} pixels from "
                f"{self.corner[::-1]}, the exposure {shape[1]} x {shape[0]} from "
                f"{(exposure.xstart, exposure.ystart)}"
            )
        return ""

    def _window(self, exposure: Exposure, shape: tuple[int, int]) -> Box:
        y, x = exposure.ystart - self.corner[0], exposure.xstart - self.corner[1]
        return Box(y, y + shape[0], x, x + shape[1])

    def cut_to(self, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Return the part that an exposure of (ny, nx) pixels covers; shapes become pixels.

        Raises
        ------
        InputError
            If it does not fit the exposure.
        """
        if why := self.misfit(exposure, shape):
            raise InputError(f"{why}: use a mask of its detector and window")
        box = self._window(exposure, shape)
        if box == Box.whole(self.shape):
            return self
        layers = tuple(
            own.replace(pixels=own.selection.crop(box), shapes=()) for own in self.layers
        )
        corner = (exposure.ystart, exposure.xstart)
        return self.replace(shape=shape, corner=corner, subarray=exposure.subarray, layers=layers)

    def dq(self, root: str = "") -> Array:
        """Flags of each pixel: uint32 [ny, nx], for the exposure of a name.

        Without one: what holds for all exposures.
        """
        from jwinteractive.masks import runs as _runs  # compiles: not before it is needed

        out = np.zeros(self.shape, np.uint32)
        for layer in self.layers:
            if layer.groups is not None or not layer.applies_to(root):
                continue
            runs = layer.selection.runs
            match layer.how:
                case "add":
                    _runs.paint(runs, np.uint32(layer.bits), out)
                case "remove":
                    _runs.clear(runs, np.uint32(layer.bits or 0xFFFFFFFF), out)
                case "within":
                    if not layer.bits:
                        _runs.keep(runs, out)
                    else:
                        outside = ~layer.selection
                        _runs.clear(outside.runs, np.uint32(layer.bits), out)
        return out

    def groups(self, root: str) -> tuple[tuple[Groups, int, Selection], ...]:
        """What layers flag in single groups of an exposure: where, the bits, the pixels."""
        return tuple(
            (own.groups, own.bits, own.selection)
            for own in self.layers
            if own.groups is not None and own.applies_to(root)
        )

    def key(self, part: Part, root: str) -> str:
        """Name of just what it does to the exposure of a name; "" if that is nothing."""
        said = [
            (own.bits, own.how, own.groups, own.selection.digest)
            for own in self.layers
            if (own.groups is not None) == (part == "groups") and own.applies_to(root)
        ]
        if not said:
            return ""
        return hashlib.blake2b(repr((self.corner, said)).encode(), digest_size=12).hexdigest()

    def counts(self, root: str = "") -> dict[str, int]:
        """How many pixels carry each flag, of those that any does."""
        flags = self.dq(root)
        names = dq.names(dq.combine(*(flag for own in self.layers for flag in own.flags)))
        found = {n: int(np.count_nonzero(flags & np.uint32(dq.BITS[n]))) for n in names}
        return {name: n for name, n in found.items() if n}
