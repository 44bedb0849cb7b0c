"""What differs between two masks: layers, and the pixels that gain or lose a flag."""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive import dq
from jwinteractive.errors import InputError
from jwinteractive.masks.layers import Layer
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.selection import Selection

__all__ = ["FlagChange", "MaskDiff", "diff", "touched"]

_HOWS = {"add": "sets flags", "remove": "takes flags off", "within": "keeps flags inside only"}
_MANY = 4  # layers that differ which are told one by one


@dc.dataclass(frozen=True, eq=False)
class FlagChange:
    """Pixels that carry a flag in the second mask alone, and in the first alone."""

    flag: str
    gained: Selection
    lost: Selection


@dc.dataclass(frozen=True, eq=False)
class MaskDiff:
    """Two masks compared; either is None where there was none.

    ``layers`` are pairs of the layer before and after, of those that differ, None where it is not.
    """

    before: Mask | None
    after: Mask | None
    layers: tuple[tuple[Layer | None, Layer | None], ...]

    def flags(self, root: str = "") -> tuple[FlagChange, ...]:
        """Pixels that gained or lost each flag, for an exposure of a name.

        Raises
        ------
        InputError
            If the masks are of other detectors or windows.
        """
        shapes = {m.shape for m in (self.before, self.after) if m is not None}
        if len(shapes) != 1:
            raise InputError(f"masks of {' and '.join(map(str, shapes))}: compare those of a shape")
        (shape,) = shapes
        old, new = (
            np.zeros(shape, np.uint32) if m is None else m.dq(root)
            for m in (self.before, self.after)
        )
        changes = []
        for name, bit in dq.BITS.items():
            gained = Selection.from_mask((new & ~old) & np.uint32(bit))
            lost = Selection.from_mask((old & ~new) & np.uint32(bit))
            if gained or lost:
                changes.append(FlagChange(name, gained, lost))
        return tuple(changes)

    def words(self) -> list[str]:
        """Say which layers differ, and how."""
        if len(self.layers) > _MANY:
            return [f"{len(self.layers)} layers changed"]
        if self.layers:
            return [_layer_words(old, new) for old, new in self.layers]
        if self.before is None or self.after is None:
            return [] if self.before is self.after else ["taken away" if self.before else "made"]
        said = []
        if _head(self.before) != _head(self.after):
            said.append("described anew")
        if [m.name for m in self.before.layers] != [m.name for m in self.after.layers]:
            said.append("layers in another order")
        return said


def diff(before: Mask | None, after: Mask | None) -> MaskDiff:
    """Compare two masks, layer by layer by their names."""
    old = {} if before is None else {m.name: m for m in before.layers}
    new = {} if after is None else {m.name: m for m in after.layers}
    pairs = ((old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new]))
    changed = ((a, b) for a, b in pairs if a is None or b is None or not (a is b or a.same(b)))
    return MaskDiff(before, after, tuple(changed))


def touched(before: Mask | None, after: Mask | None) -> Selection | None:
    """Pixels that may come out otherwise with one mask than with another; None where any may.

    Either is None where there was none.
    """
    made = diff(before, after)
    shapes = {m.shape for m in (before, after) if m is not None}
    if len(shapes) != 1 or _moved(before, after):
        return None
    found = Selection.none(shapes.pop())
    for old, new in made.layers:
        if "within" in (getattr(layer, "how", "") for layer in (old, new)):
            return None
        if old is not None and new is not None:
            grown = new.replace(pixels=old.pixels, shapes=old.shapes).same(old)
            own = old.selection ^ new.selection if grown else old.selection | new.selection
        else:
            own = (old or new).selection  # type: ignore[union-attr]  # one of them is there
        found |= own
    return found


def _moved(before: Mask | None, after: Mask | None) -> bool:
    """Whether layers that both have lie in another order."""
    if before is None or after is None:
        return False
    mine, its = ([layer.name for layer in m.layers] for m in (before, after))
    return [n for n in mine if n in its] != [n for n in its if n in mine]


def _head(mask: Mask) -> tuple[str, ...]:
    return mask.title, mask.comment, mask.subarray, mask.date


def _layer_words(old: Layer | None, new: Layer | None) -> str:
    if new is None:
        assert old is not None  # one of the two is there
        return f"layer {old.name!r} taken away"
    if old is None:
        return f"layer {new.name!r} added, {_pixels(new.count)} {new.meaning}"
    said = []
    if old.selection != new.selection:
        gained = (new.selection - old.selection).count
        lost = (old.selection - new.selection).count
        said.append(" ".join(f"{s}{n:,}" for s, n in (("+", gained), ("-", lost)) if n) + " pixels")
    if old.on != new.on:
        said.append(f"switched {'on' if new.on else 'off'}")
    if new.role == "scene":
        said += [new.meaning] if old.meaning != new.meaning else []
    else:
        if (old.role, old.flags) != (new.role, new.flags):
            said.append(f"flags {', '.join(new.flags) or 'none'}")
        if old.how != new.how:
            said.append(_HOWS[new.how])
    if old.groups != new.groups:
        said.append("all groups" if new.groups is None else f"groups {new.groups}")
    if old.exposure != new.exposure:
        said.append(f"for {new.exposure or 'all exposures'}")
    return f"layer {new.name!r}: {'; '.join(said) or 'described anew'}"


def _pixels(n: int) -> str:
    return f"{n:,} pixel{'' if n == 1 else 's'}"
