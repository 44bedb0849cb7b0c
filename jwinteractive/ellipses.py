"""Ellipses that flag groups: found by a step, or drawn, moved and taken away by hand.

What a person did is text that can be read, compared and shared, keyed by the exposure's name::

    jw01185001001_02101_00001_nrca1 y512.0 x300.5 a20.0 b12.0 t30.0 i1 g5-6 +JUMP_DET

sets a flag inside an ellipse (semi-axes a, b in pixels; t in degrees from +x towards +y) in groups
5 and 6 of integration 1; ``g5`` is one group, ``g5-`` goes on to the end. ``-JUMP_DET`` instead
takes away the found ellipse that begins in that group and whose centre is nearest to y, x, if the
place lies in it; the axes are not needed then.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np

from jwinteractive.data import Array, Box, Exposure, Ramp
from jwinteractive.errors import InputError, ParamError
from jwinteractive.kernels.ellipses import AFTER, JUMP, SATURATED, cover, paint
from jwinteractive.step import Model
from jwinteractive.views import Ellipse, Frame, Shown, product_views

__all__ = [
    "EDITS_DOC",
    "FLAGS",
    "NOTHING",
    "Found",
    "HandEllipse",
    "covered_by",
    "ellipse_words",
    "flagged",
    "grown_axes",
    "hand_edit",
    "marks_frame",
    "parse",
    "radius_in",
    "rows_of",
    "with_edits",
    "write",
]

FLAGS: Final = {"JUMP_DET": JUMP, "SATURATED": SATURATED}
"""Flags that an ellipse may set, and how they are painted."""

NOTHING = 3
"""An ellipse that is shown and not painted."""

INT, FIRST, END, Y, X, A, B, THETA, HOW, ORIGIN = range(10)  # columns of what is drawn
_FOREVER = 1_000_000  # end of groups that go on to the last
_FORM = "ROOT y512.0 x300.5 a20 b12 t30 i1 g5-6 +JUMP_DET"
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_ENTRY = re.compile(
    rf"(\S.*?)\s+y{_NUMBER}\s+x{_NUMBER}(?:\s+a{_NUMBER}\s+b{_NUMBER}\s+t{_NUMBER})?"
    r"\s+i(\d+)\s+g(\d+)(-?)(\d*)\s+([+-])(\w+)",
    re.ASCII,
)
_BETWEEN = re.compile(r"\s*;(?:\s+|$)")
_MANY = 3  # ellipses changed in one edit that are told one by one

EDITS_DOC = (
    "Ellipses drawn or taken away by hand, such as "
    f"'{_FORM}', parted by '; '. ROOT is the exposure's file name without _uncal.fits; pixels "
    "count from 0, integrations and groups from 1; g5- goes on to the last group; - takes away "
    "the found one at y, x."
)


@dc.dataclass(frozen=True, kw_only=True)
class Found(Model):
    """Ellipses found over a whole exposure.

    Attributes
    ----------
    table
        float64 [ellipse, column]: integration and group, from 0; centre y, x, semi-axes a and b in
        pixels; orientation of a in degrees from +y towards +x; kind, a number of the step's;
        event it belongs to; area in pixels.
    events
        How many there are.
    """

    table: Array
    events: int


@dc.dataclass(frozen=True, slots=True, kw_only=True, order=True)
class HandEllipse:
    """An ellipse drawn (``on``) or taken away by hand.

    Attributes
    ----------
    root
        Name of the exposure: its file name without the suffix of a product.
    integration, first, last
        From 0, the groups ``first`` to ``last``, which is -1 for the end of the integration; the
        text counts from 1.
    y, x, a, b, angle
        Centre and semi-axes in pixels, kept to tenths; angle in degrees from +x towards +y.
    flag
        One of `FLAGS`.
    """

    root: str
    integration: int
    first: int
    y: float
    x: float
    a: float = 0.0
    b: float = 0.0
    angle: float = 0.0
    last: int = -1
    flag: str = "JUMP_DET"
    on: bool = True

    def __post_init__(self) -> None:
        if self.flag not in FLAGS:
            raise ParamError(f"flag {self.flag!r} of an ellipse: choose one of {', '.join(FLAGS)}")
        if min(self.integration, self.first) < 0 or -1 != self.last < self.first:
            raise ParamError(f"groups of {self}: count from 1, the last is not before the first")
        if self.root != self.root.strip() or not self.root.isprintable() or not self.root:
            raise ParamError(f"exposure {self.root!r}: cannot be written as text: rename the file")
        if _BETWEEN.search(self.root):
            raise ParamError(f"exposure {self.root!r}: has a ';' at a word's end: rename the file")
        for name in ("y", "x", "a", "b", "angle"):
            value = getattr(self, name) % 180 if name == "angle" else getattr(self, name)
            object.__setattr__(self, name, round(float(value), 1) + 0.0)
        if self.on and not min(self.a, self.b) > 0:
            raise ParamError(f"ellipse {self}: needs semi-axes a and b above 0")

    def __str__(self) -> str:
        axes = f" a{self.a} b{self.b} t{self.angle}" if self.on else ""
        groups = f"g{self.first + 1}"
        if self.on and self.last != self.first:
            groups += f"-{self.last + 1 if self.last >= 0 else ''}"
        sign = "+" if self.on else "-"
        where = f"y{self.y} x{self.x}{axes} i{self.integration + 1} {groups}"
        return f"{self.root} {where} {sign}{self.flag}"

    @property
    def away(self) -> HandEllipse:
        """The entry that takes this ellipse away where a step finds it."""
        return dc.replace(self, a=0.0, b=0.0, angle=0.0, last=self.first, on=False)


@functools.lru_cache(maxsize=16)  # strips and previews of one run all ask for the same text
def parse(text: str, where: str = "edits") -> tuple[HandEllipse, ...]:
    """Read ellipses from text, sorted; ``where`` names the parameter in errors.

    Raises
    ------
    ParamError
        If an entry cannot be read.
    """
    found = []
    for number, entry in enumerate(filter(None, _BETWEEN.split(text.strip())), 1):
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise ParamError(
                f"{where}, entry {number} {entry!r}: needs the form {_FORM!r}, entries parted by "
                "'; '"
            )
        root, y, x, a, b, t, i, first, dash, last, sign, flag = match.groups()
        try:
            ellipse = HandEllipse(
                root=root,
                integration=int(i) - 1,
                first=int(first) - 1,
                last=int(last or 0) - 1 if dash else int(first + last) - 1,
                y=float(y),
                x=float(x),
                a=float(a or 0),
                b=float(b or 0),
                angle=float(t or 0),
                flag=flag,
                on=sign == "+",
            )
        except ParamError as error:
            raise ParamError(f"{where}, entry {number} {entry!r}: {error}") from None
        found.append(ellipse if ellipse.on else ellipse.away)
    return tuple(sorted(set(found)))


def write(ellipses: Iterable[HandEllipse]) -> str:
    """Write ellipses as text: sorted, each once; `parse` gives them back."""
    return "; ".join(map(str, sorted(set(ellipses))))


def radius_in(box: Box, y: float, x: float, a: float, b: float, theta: float) -> Array:
    """How far the pixels of a box lie from (y, x), in the radius of an ellipse along their ray.

    ``theta`` in degrees from +y towards +x is the orientation of ``a``.
    """
    cos, sin = np.cos(np.radians(theta)), np.sin(np.radians(theta))
    dy, dx = np.arange(box.y0, box.y1)[:, None] - y, np.arange(box.x0, box.x1) - x
    radius: Array = np.hypot((dy * cos + dx * sin) / a, (dy * sin - dx * cos) / b)
    return radius


def grown_axes(a: Array, b: Array, factor: float, widest: float) -> tuple[Array, Array]:
    """Semi-axes in whole pixels: the minor one grown by a factor, the major by as many pixels.

    Neither is larger than ``widest``. Parity with the official step [O].
    """
    long = np.minimum(2 * a + (factor - 1.0) * 2 * b, 2 * widest)
    wide = np.minimum(2 * b * factor, 2 * widest)
    return np.rint(long / 2), np.rint(wide / 2)


def rows_of(**columns: Any) -> Array:
    """Rows of what is drawn [ellipse, column] from its columns, in the order of `with_edits`."""
    names = ("i", "first", "end", "y", "x", "a", "b", "theta", "how", "origin")
    return np.stack(np.broadcast_arrays(*(columns[n] for n in names)), axis=-1).astype(float)


def with_edits(drawn: Array, text: str, exposure: Exposure, where: str) -> Array:
    """What is drawn, with what was done by hand.

    Parameters
    ----------
    drawn
        float64 [ellipse, column]: integration, first group and end, centre y, x, semi-axes a, b,
        orientation of a in degrees from +y towards +x, how it is painted, number of its origin.
    text
        Ellipses of any exposures.
    where
        Name of the parameter, for errors.

    Returns
    -------
    ndarray
        The same columns; origins of ellipses drawn by hand are below 0.

    Raises
    ------
    InputError
        If an entry of this exposure names an integration or a group that it has not.
    """
    own = [h for h in parse(text, where) if h.root == exposure.filename]
    added = []
    for n, hand in enumerate(own):
        for what, value, size in (
            ("integrations", hand.integration, exposure.nints),
            ("groups", max(hand.first, hand.last), exposure.ngroups),
        ):
            if value >= size:
                raise InputError(
                    f"{where}, entry {str(hand)!r}: there are {size} {what}, from 1 on: correct "
                    "the entry or leave it out"
                )
        if hand.on:
            end = hand.last + 1 if hand.last >= 0 else _FOREVER
            place = hand.integration, hand.first, end, hand.y, hand.x, hand.a, hand.b
            added.append((*place, 90.0 - hand.angle, FLAGS[hand.flag], -1.0 - n))
        else:
            drawn = _without(drawn, hand)
    return np.concatenate([drawn, np.array(added).reshape(-1, 10)])


def _without(drawn: Array, hand: HandEllipse) -> Array:
    """What is drawn without the ellipse that was taken away, and what follows from a core."""
    how = drawn[:, HOW]
    kind = (
        (how == SATURATED) | (how == NOTHING)
        if hand.flag == "SATURATED"
        else ((how == JUMP) | (how == AFTER))
    )
    away = np.hypot(drawn[:, Y] - hand.y, drawn[:, X] - hand.x)
    reach = np.maximum(np.maximum(drawn[:, A], drawn[:, B]), 1.0)
    same = kind & (drawn[:, INT] == hand.integration) & (drawn[:, FIRST] == hand.first)
    near = np.flatnonzero(same & (away <= reach))
    if not near.size:
        return drawn  # found no more with the present parameters
    gone = near[np.argmin(away[near])]
    keep = np.ones(len(drawn), bool)
    keep[gone] = False
    if hand.flag == "SATURATED":
        keep &= (how != AFTER) | (drawn[:, ORIGIN] != drawn[gone, ORIGIN])
    return drawn[keep]


def _turned(drawn: Array) -> Array:
    """What is drawn as the kernels take it: with the cosine and sine of the orientation."""
    theta = drawn[:, THETA] * (np.pi / 180.0) % np.pi
    return np.column_stack([drawn[:, :THETA], np.cos(theta), np.sin(theta), drawn[:, HOW]])


def covered_by(drawn: Array, shape: tuple[int, int], covered: Array) -> Array:
    """Pixels bool (ny, nx) of the exposure in what is drawn or ``covered``, which may be empty."""
    covered = covered.copy() if covered.size else np.zeros(shape, np.bool_)
    cover(covered, _turned(drawn))
    return covered


def flagged(ramp: Ramp, drawn: Array) -> Ramp:
    """The ramp with its groups flagged inside what is drawn; itself where nothing lies in it."""
    box = ramp.covers
    far = np.maximum(np.abs(drawn[:, A]), np.abs(drawn[:, B])) + 1
    y, x = drawn[:, Y], drawn[:, X]
    near = (y + far >= box.y0) & (y - far <= box.y1) & (x + far >= box.x0) & (x - far <= box.x1)
    near &= drawn[:, HOW] != NOTHING
    if not near.any():
        return ramp
    groupdq = ramp.groupdq.copy()
    paint(groupdq, box.y0, box.x0, _turned(drawn[near]))
    return ramp.replace(groupdq=groupdq)


def _at(s: Shown) -> tuple[Ramp, int, int]:
    ramp = s.after
    assert isinstance(ramp, Ramp)
    nint, ngroup = ramp.data.shape[:2]
    return ramp, min(s.integration, nint - 1) % nint, min(s.group, ngroup - 1) % ngroup


def _marks(s: Shown, drawn: Array, noun: str) -> tuple[Ellipse, ...]:
    """Ellipses of the integration and group in view, named so that `hand_edit` knows them."""
    ramp, i, g = _at(s)
    now = (drawn[:, INT] == i) & (drawn[:, FIRST] <= g) & (g < drawn[:, END])
    now &= np.minimum(drawn[:, A], drawn[:, B]) > 0
    marks = []
    for row in drawn[now]:
        core = row[HOW] in (SATURATED, NOTHING)
        end = int(row[END])
        hand = HandEllipse(
            root=ramp.exposure.filename or "exposure",
            integration=i,
            first=int(row[FIRST]),
            last=-1 if end > ramp.data.shape[1] else end - 1,
            y=row[Y],
            x=row[X],
            a=max(row[A], 0.1),
            b=max(row[B], 0.1),
            angle=90.0 - row[THETA],
            flag="SATURATED" if core else "JUMP_DET",
        )
        what = "core" if core else "after a core" if row[HOW] == AFTER else noun
        by_hand = row[ORIGIN] < 0
        marks.append(
            Ellipse(
                y=hand.y,
                x=hand.x,
                a=hand.a,
                b=hand.b,
                angle=hand.angle,
                label=f"{what}{' by hand' if by_hand else ''}, {2 * hand.a:.0f} x {2 * hand.b:.0f}",
                name=str(hand),
                kind="hand" if by_hand else "core" if core else "found",
            )
        )
    return tuple(marks)


def marks_frame(s: Shown, drawn: Array, noun: str) -> Frame:
    """The difference to the group before, with what is drawn over it."""
    frame = product_views(Ramp)[1].draw(s)
    assert isinstance(frame, Frame)
    return dc.replace(frame, title=f"{noun}s over {frame.title}", marks=_marks(s, drawn, noun))


def hand_edit(
    lasts: Callable[[Any, Exposure], int],
) -> Callable[[Any, Shown, Ellipse | None, Ellipse | None], dict[str, Any]]:
    """`View.edit` of a step whose parameter ``edits`` holds what is done by hand.

    A new ellipse flags jumps in ``lasts(params, exposure)`` groups from the one in view on; one of
    kind "core" flags saturation from there to the end. One that is moved keeps its groups.
    """

    def edit(params: Any, s: Shown, old: Ellipse | None, new: Ellipse | None) -> dict[str, Any]:
        entries = set(parse(params.edits))
        ramp, i, g = _at(s)
        was: HandEllipse | None = None
        if old is not None:
            (was,) = parse(old.name)
            if was in entries:
                entries.discard(was)
            else:
                entries.add(was.away)
        if new is not None:
            core = was is None and new.kind == "core"
            end = min(g + lasts(params, ramp.exposure), ramp.data.shape[1])
            entries.add(
                HandEllipse(
                    root=was.root if was else ramp.exposure.filename,
                    integration=was.integration if was else i,
                    first=was.first if was else g,
                    last=was.last if was else -1 if core else end - 1,
                    flag=was.flag if was else "SATURATED" if core else "JUMP_DET",
                    y=new.y,
                    x=new.x,
                    a=new.a,
                    b=new.b,
                    angle=new.angle,
                )
            )
        return {"edits": write(entries)}

    return edit


def ellipse_words(before: str, after: str) -> list[str]:
    """Say which ellipses were drawn, taken away or put back."""
    old, new = set(parse(before or "")), set(parse(after or ""))
    said = [(h, "drawn" if h.on else "taken away") for h in sorted(new - old)] + [
        (h, "drawn no more" if h.on else "put back") for h in sorted(old - new)
    ]
    if len(said) > _MANY:
        return [f"{len(said)} ellipses changed by hand"]
    return [
        f"an ellipse {what} by hand: x {h.x:g}, y {h.y:g}, integration {h.integration + 1}, from "
        f"group {h.first + 1}, {h.flag}"
        for h, what in said
    ]
