"""What is under the user's eyes: kept by the session, so that every viewer shows the same place.

Why: docs/decisions/0007-the-look-belongs-to-the-session.md.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any, Self

from jwinteractive.data import Box
from jwinteractive.errors import ParamError, suggestion

__all__ = ["COMPARES", "CUTS", "STRETCHES", "Look"]

STRETCHES = ("linear", "asinh", "sqrt", "log")
COMPARES = ("off", "blink", "split", "difference", "ratio")
CUTS = ("99.5 %", "98 %", "90 %", "zscale", "min to max", "by hand")
DRAWN = ("JUMP_DET", "SATURATED", "OUTLIER", "DO_NOT_USE")
"""Flags that are drawn while nobody chose others."""
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "stretch": STRETCHES,
    "cuts": CUTS,
    "compare": COMPARES,
}


@dc.dataclass(frozen=True, kw_only=True)
class Look:
    """What is looked at, and how; a change gives a new one.

    Attributes
    ----------
    step
        The chosen step, whose panel is open; "input" is the file as it was read.
    shown
        After which step the frame is shown; "" follows the chosen one.
    view
        Title of the view; "" is the first one.
    integration, group
        From 0; group -1 is the last.
    plane
        Of a cube, from 0.
    planes
        First and last plane that a cube is collapsed over; None: all.
    pick
        Picked pixel (y, x), or None.
    box
        Box that is selected, or None.
    window
        Edges (x0, y0, x1, y1) of the viewport in pixels, or None: the whole frame.
    stretch, cuts, limits, colours
        How values become colours; ``limits`` (low, high) counts with the cuts "by hand".
    compare
        How the pinned result is shown beside the present one.
    masks
        Names of the flags that are drawn, with their opacity.
    layer
        Name of the mask's layer that is drawn on; "": none is chosen.
    """

    step: str = ""
    shown: str = ""
    view: str = ""
    integration: int = 0
    group: int = -1
    plane: int = 0
    planes: tuple[int, int] | None = None
    pick: tuple[int, int] | None = None
    box: Box | None = None
    window: tuple[float, float, float, float] | None = None
    stretch: str = "asinh"
    cuts: str = "99.5 %"
    limits: tuple[float, float] | None = None
    colours: str = "viridis"
    compare: str = "off"
    layer: str = ""
    masks: Mapping[str, float] = dc.field(default_factory=lambda: dict.fromkeys(DRAWN, 0.8))

    def __post_init__(self) -> None:
        for word, known in _CHOICES.items():
            value = getattr(self, word)
            if value not in known:
                raise ParamError(f"{word} {value!r}: {suggestion(value, known)}")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``.

        Raises
        ------
        ParamError
            For an unknown name or a value that is not allowed.
        """
        names = [f.name for f in dc.fields(self)]
        for name in changes:
            if name not in names:
                raise ParamError(f"look has no {name!r}: {suggestion(name, names)}")
        return dc.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a session file; None is left out."""
        found = {f.name: getattr(self, f.name) for f in dc.fields(self)}
        if self.box is not None:
            found["box"] = (self.box.y0, self.box.y1, self.box.x0, self.box.x1)
        return {
            k: list(v) if isinstance(v, tuple) else dict(v) if isinstance(v, Mapping) else v
            for k, v in found.items()
            if v is not None
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from what `as_dict` gave; what only another version knows is left out."""
        names = [f.name for f in dc.fields(cls)]
        made = {
            k: tuple(v) if isinstance(v, list) else v
            for k, v in values.items()
            if k in names and v in _CHOICES.get(k, (v,))
        }
        if "box" in made:
            made["box"] = Box(*made["box"])
        return cls().replace(**made)
