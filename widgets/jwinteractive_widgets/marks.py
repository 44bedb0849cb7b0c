"""Marks over a frame: as numbers for the browser, and what a person does to them there."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jwinteractive.errors import JwinteractiveError
from jwinteractive.params import Params
from jwinteractive.scene import Picture
from jwinteractive.session import Session
from jwinteractive.views import Band, Edit, Ellipse, Mark, Shown

__all__ = ["MarkEdits", "Marks", "OnMark"]

# in the order of static/ellipses.js
KINDS = ("found", "core", "hand", "source", "inner", "outer")
_POINTS = 256  # of a curved band that the browser draws lines between

OnMark = Callable[[Mark | None, Mark | None, bool], None]


class Marks:
    """The marks that the browser has: ellipses by their numbers, bands by their names."""

    def __init__(self) -> None:
        self._shown: Sequence[Ellipse] = ()
        self._bands: Mapping[str, Band] = {}
        self._held: Mark | None = None  # what is being changed: the newest frame may lack it
        self._held_as: object = None  # name that the browser has for it
        self._editable = False

    def message(self, marks: Sequence[Mark], editable: bool) -> dict[str, Any] | None:
        """What to tell the browser of new marks; None where there are none, as before."""
        known = bool(self._shown or self._bands) or self._editable
        self._editable = editable
        self._shown = [m for m in marks if isinstance(m, Ellipse) and _finite(_numbers(m))]
        bands = [m for m in marks if isinstance(m, Band) and _finite(_edges(m))]
        self._bands = {m.name or f"band {i}": m for i, m in enumerate(bands)}
        if not (self._shown or self._bands or editable or known):
            return None
        rows = [[_numbers(m), m.label] for m in self._shown]
        told = [{"name": name, **_told(band)} for name, band in self._bands.items()]
        return {"kind": "marks", "rows": rows, "bands": told, "editable": editable}

    def heard(self, message: Mapping[str, Any]) -> tuple[Mark | None, Mark | None, bool] | None:
        """What the browser says: the mark as it was, as it is wanted, and if that is final.

        None if it speaks of one that is not there, or makes no sense.
        """
        was: Mark | None
        wanted: Mark | None
        match message:
            case {"band": old, "new": new, "rest": bool(rest)}:
                was = self._known_band(old)
                wanted = _wanted_band(new, was, message.get("along"))
            case {"old": old, "new": new, "rest": bool(rest)}:
                was = self._known(old)
                wanted = _wanted(new, was)
            case _:
                return None
        if (old is None) != (was is None) or (new is None) != (wanted is None):
            return None
        self._held, self._held_as = (None, None) if rest else (was, old)
        return (was, wanted, rest) if was or wanted else None

    def _known(self, numbers: Any) -> Ellipse | None:
        held = [self._held] if isinstance(self._held, Ellipse) else []
        return next((m for m in (*held, *self._shown) if _numbers(m) == numbers), None)

    def _known_band(self, name: Any) -> Band | None:
        if isinstance(self._held, Band) and self._held_as == name:
            return self._held
        return self._bands.get(name) if isinstance(name, str) else None


def _numbers(e: Ellipse) -> list[float]:
    return [*(round(float(v), 2) for v in (e.x, e.y, e.a, e.b, e.angle)), KINDS.index(e.kind)]


def _edges(band: Band) -> list[float]:
    """Edges of a band, and its ends where it has any."""
    return [float(v) for v in (band.low, band.high, band.start, band.stop) if v is not None]


def _finite(numbers: Sequence[float]) -> bool:
    return all(math.isfinite(v) for v in numbers)


def _told(band: Band) -> dict[str, Any]:
    """What the browser is told of a band; a curve as points [along, offset]."""
    path = np.asarray(band.path, float)
    at = np.unique(np.linspace(0, len(path) - 1, min(_POINTS, len(path))).astype(int))
    at = at[np.isfinite(path[at])] if len(path) else at[:0]
    ends = [None if v is None else round(float(v), 2) for v in (band.start, band.stop)]
    return {
        "at": [round(float(band.low), 2), round(float(band.high), 2), *ends],
        "along": band.along,
        "path": [[int(i), round(float(path[i]), 2)] for i in at],
        "of": band.kind,
        "label": band.label,
    }


def _wanted(numbers: Any, was: Ellipse | None) -> Ellipse | None:
    """Ellipse of what the browser sends; None if it sends nothing of use."""
    match numbers:
        case [float() | int(), float() | int(), float() | int(), float() | int(), *_, int(kind)]:
            pass
        case _:
            return None
    if len(numbers) != 6 or not _finite(numbers) or not 0 <= kind < len(KINDS):
        return None
    x, y, a, b, angle = map(float, numbers[:5])
    if min(a, b) <= 0:
        return None
    first = was or Ellipse(y=y, x=x, a=a, b=b, kind=KINDS[kind])  # type: ignore[arg-type]
    return dc.replace(first, y=y, x=x, a=a, b=b, angle=angle)


def _wanted_band(numbers: Any, was: Band | None, along: Any) -> Band | None:
    """Band of what the browser sends; None if it sends nothing of use."""
    match numbers:
        case [
            float() | int() as low,
            float() | int() as high,
            float() | int() | None as start,
            float() | int() | None as stop,
        ]:
            pass
        case _:
            return None
    ends = [v for v in (start, stop) if v is not None]
    if not _finite([low, high, *ends]) or not low < high or ends != sorted(ends):
        return None
    first = was or Band(low=low, high=high, along="y" if along == "y" else "x", kind="background")
    return dc.replace(first, low=low, high=high, start=start, stop=stop)


@dc.dataclass(frozen=True)
class _Begun:
    """What an edit started from: while it lasts, each move is made from there."""

    old: Mark | None
    step: str
    change: Edit
    params: Params
    shown: Shown


class MarkEdits:
    """Turns what a person does to a mark into parameters of the step that drew it."""

    def __init__(
        self,
        session: Session,
        picture: Callable[[], Picture | None],
        refuse: Callable[[BaseException], None],
    ) -> None:
        """Edit the marks of ``picture()``; ``refuse`` is told why one cannot be changed."""
        self._session, self._picture, self._refuse = session, picture, refuse
        self._begun: _Begun | None = None

    def __call__(self, old: Mark | None, new: Mark | None, rest: bool) -> None:
        """Change, draw or take away a mark; until ``rest`` all moves are one edit."""
        begun = self._begun if self._begun and self._begun.old == old else self._begin(old)
        self._begun = None if rest else begun
        if begun is None:
            return
        try:
            changes = begun.change(begun.params, begun.shown, old, new)
            self._session.turn(begun.step, **changes)
            if rest:
                self._session.rest()
        except JwinteractiveError as error:
            self._begun = None
            self._refuse(error)

    def _begin(self, old: Mark | None) -> _Begun | None:
        picture = self._picture()
        if picture is None or picture.edit is None:
            return None
        step = picture.request.upto
        params = self._session.recipe[step].params
        return _Begun(old, step, picture.edit, params, picture.shown)
