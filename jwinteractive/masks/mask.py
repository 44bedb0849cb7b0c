"""A mask: a stack of layers over the pixels of a detector."""

from __future__ import annotations

import dataclasses as dc
import hashlib
import re
from collections.abc import Iterable
from typing import Any, Literal, Self

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure
from jwinteractive.detectors import same_detector
from jwinteractive.errors import InputError, suggestion
from jwinteractive.masks import applied
from jwinteractive.masks.layers import BACKGROUND, SOURCE, Groups, Layer, Origin, Part
from jwinteractive.masks.selection import Selection

__all__ = ["LARGEST", "Mask"]

LARGEST = 4096
"""Pixels a side that no frame exceeds: detectors have 2048, interleaved frames 3200."""

_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)


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

        It has the flags of the first, or its part of the scene, and is not yet in the mask.

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
            how=first.how if first.role == "scene" else "add",
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

    def place_of(self, exposure: Exposure) -> tuple[int, int]:
        """Pixel (y, x) of the mask where the first pixel of an exposure lies."""
        return exposure.ystart - self.corner[0], exposure.xstart - self.corner[1]

    def _window(self, exposure: Exposure, shape: tuple[int, int]) -> Box:
        y, x = self.place_of(exposure)
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
        return applied.flag_plane(self._of("pixels", root), self.shape)

    def scene(self, root: str = "") -> Array:
        """What each pixel is for the fit of 1/f noise: uint8 [ny, nx], for the exposure of a name.

        0 where no layer says it, else `SOURCE` or `BACKGROUND`.
        """
        return applied.scene_plane(self._of("scene", root), self.shape)

    def _of(self, part: Part, root: str) -> list[Layer]:
        """Layers of one part that hold for the exposure of a name."""
        return [own for own in self.layers if own.part == part and own.applies_to(root)]

    def groups(self, root: str) -> tuple[tuple[Groups, int, Selection], ...]:
        """What layers flag in single groups of an exposure: where, the bits, the pixels."""
        return tuple(
            (own.groups, own.bits, own.selection)
            for own in self._of("groups", root)
            if own.groups is not None
        )

    def key(self, part: Part, root: str) -> str:
        """Name of just what it does to the exposure of a name; "" if that is nothing."""
        said = [
            (own.bits, own.how, own.groups, own.selection.digest)
            for own in self._of(part, root)
            # a new layer asks for no new fit of 1/f noise before it is drawn on
            if part != "scene" or own.how == "within" or own.selection
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

    def scene_counts(self, root: str = "") -> dict[str, int]:
        """How many pixels are "source" and "background", of those that any is."""
        scene = self.scene(root)
        named = (("source", SOURCE), ("background", BACKGROUND))
        found = {name: int(np.count_nonzero(scene == value)) for name, value in named}
        return {name: n for name, n in found.items() if n}
