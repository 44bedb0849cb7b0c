"""Ellipses over a frame: as numbers for the browser, and what a person does to them there."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jwinteractive.errors import JwinteractiveError
from jwinteractive.params import Params
from jwinteractive.scene import Picture
from jwinteractive.session import Session
from jwinteractive.views import Ellipse, Shown

__all__ = ["MarkEdits", "Marks", "OnMark"]

KINDS = ("found", "core", "hand")  # in the order of static/ellipses.js

OnMark = Callable[[Ellipse | None, Ellipse | None, bool], None]


class Marks:
    """The ellipses that the browser has, by the numbers it knows them by."""

    def __init__(self) -> None:
        self._shown: Sequence[Ellipse] = ()
        self._held: Ellipse | None = None  # what is being changed: the newest frame may lack it
        self._editable = False

    def message(self, marks: Sequence[Ellipse], editable: bool) -> dict[str, Any] | None:
        """What to tell the browser of new ellipses; None where there are none, as before."""
        known = bool(self._shown) or self._editable
        self._shown, self._editable = [m for m in marks if _finite(_numbers(m))], editable
        if not (self._shown or editable or known):
            return None
        rows = [[_numbers(m), m.label] for m in self._shown]
        return {"kind": "marks", "rows": rows, "editable": editable}

    def heard(
        self, message: Mapping[str, Any]
    ) -> tuple[Ellipse | None, Ellipse | None, bool] | None:
        """What the browser says: the ellipse as it was, as it is wanted, and if that is final.

        None if it speaks of one that is not there, or makes no sense.
        """
        match message:
            case {"old": old, "new": new, "rest": bool(rest)}:
                was = self._known(old)
                wanted = _wanted(new, was)
            case _:
                return None
        if (old is None) != (was is None) or (new is None) != (wanted is None):
            return None
        self._held = None if rest else was
        return (was, wanted, rest) if was or wanted else None

    def _known(self, numbers: Any) -> Ellipse | None:
        held = [] if self._held is None else [self._held]
        return next((m for m in (*held, *self._shown) if _numbers(m) == numbers), None)


def _numbers(e: Ellipse) -> list[float]:
    return [*(round(float(v), 2) for v in (e.x, e.y, e.a, e.b, e.angle)), KINDS.index(e.kind)]


def _finite(numbers: Sequence[float]) -> bool:
    return all(math.isfinite(v) for v in numbers)


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


@dc.dataclass(frozen=True)
class _Begun:
    """What an edit started from: while it lasts, each move is made from there."""

    old: Ellipse | None
    step: str
    change: Callable[[Any, Shown, Ellipse | None, Ellipse | None], dict[str, Any]]
    params: Params
    shown: Shown


class MarkEdits:
    """Turns what a person does to an ellipse into parameters of the step that drew it."""

    def __init__(
        self,
        session: Session,
        picture: Callable[[], Picture | None],
        refuse: Callable[[BaseException], None],
    ) -> None:
        """Edit the marks of ``picture()``; ``refuse`` is told why one cannot be changed."""
        self._session, self._picture, self._refuse = session, picture, refuse
        self._begun: _Begun | None = None

    def __call__(self, old: Ellipse | None, new: Ellipse | None, rest: bool) -> None:
        """Change, draw or take away an ellipse; until ``rest`` all moves are one edit."""
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

    def _begin(self, old: Ellipse | None) -> _Begun | None:
        picture = self._picture()
        if picture is None or picture.edit is None:
            return None
        step = picture.request.upto
        params = self._session.recipe[step].params
        return _Begun(old, step, picture.edit, params, picture.shown)
