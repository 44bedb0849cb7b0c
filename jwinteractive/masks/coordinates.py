"""Masks as a list of pixels, ``x y`` a line, as people paste them into letters and issues."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import numpy as np

from jwinteractive import dq
from jwinteractive.errors import InputError
from jwinteractive.masks.images import BAD
from jwinteractive.masks.layers import Layer, Origin
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.places import Like, cards_of, empty_like, place_of
from jwinteractive.masks.selection import Selection

__all__ = ["from_coordinates", "is_coordinates", "to_coordinates"]

_COUNT: Final = re.compile(r"#\s*columns are x y, counted from ([01])\b")
_CARD: Final = re.compile(r"#\s*([A-Z0-9-]{1,8})\s*=\s*(\S.*)")
_PAIR: Final = re.compile(r"[(\[]?\s*(-?\d+)(?:\.0*)?\s*[,;\s]\s*(-?\d+)(?:\.0*)?\s*[)\]]?,?")


def to_coordinates(
    mask: Mask, origin: int = 0, flags: Iterable[str] | None = None, exposure: str = ""
) -> str:
    """List the pixels that carry any flag, or one of ``flags``; counted from ``origin``."""
    bits = mask.dq(exposure)
    if flags is not None:
        bits &= np.uint32(dq.combine(*flags))
    pixels = Selection.from_mask(bits).pixels() + origin
    lines = [f"# columns are x y, counted from {origin}"]
    lines += [f"# {k} = {v}" for k, v in cards_of(mask).items()]
    lines += [f"{x} {y}" for y, x in pixels.tolist()]
    return "\n".join(lines) + "\n"


def is_coordinates(text: str) -> bool:
    """Whether a text looks like such a list."""
    if _COUNT.search(text):
        return True
    rows = [line for line in map(str.strip, text.splitlines()) if line and line[0] not in "#%"]
    return bool(rows) and _PAIR.fullmatch(_without_comment(rows[0])) is not None


def _without_comment(line: str) -> str:
    return line.partition("#")[0].strip()


def from_coordinates(
    text: str,
    name: str,
    like: Like,
    origin: int | None = None,
    flags: Iterable[str] | None = None,
) -> Mask:
    """Read a list of pixels, all with the same ``flags`` (by default `BAD`).

    Raises
    ------
    InputError
        If a line is no pair of whole numbers, a pixel lies outside, it is not said from where
        they count (``origin``), or of which detector they are (``like``).
    """
    counted = _COUNT.search(text)
    first = int(counted[1]) if counted else origin
    if first not in (0, 1):
        raise InputError(
            f"{name}: does not say whether pixels count from 0 or 1: say so (origin = 0 or 1)"
        )
    rows: list[tuple[int, int]] = []
    cards: dict[str, str | int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if found := _CARD.fullmatch(line.strip()):
            cards[found[1]] = int(found[2]) if found[2].isdecimal() else found[2].strip()
        said = _without_comment(line)
        if not said or said[0] == "%":
            continue
        pair = _PAIR.fullmatch(said)
        if pair is None:
            raise InputError(
                f"{name}, line {number}: {said[:40]!r} is no pixel: needs two whole numbers, x y"
            )
        rows.append((int(pair[2]) - first, int(pair[1]) - first))
    try:
        place = _place(cards, like)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    for y, x in rows:
        if not (0 <= y < place.shape[0] and 0 <= x < place.shape[1]):
            raise InputError(
                f"{name}: pixel x {x + first}, y {y + first} lies outside of {place.shape[1]} x "
                f"{place.shape[0]} pixels counted from {first}: correct it, or the count"
            )
    pixels = Selection.from_pixels(place.shape, [y for y, _ in rows], [x for _, x in rows])
    layer = Layer(
        name="listed pixels",
        pixels=pixels,
        flags=BAD if flags is None else tuple(flags),
        origin=Origin(kind="imported", text=f"list in {name}"),
    )
    return place.replace(layers=(layer,))


def _place(cards: dict[str, str | int], like: Like) -> Mask:
    sizes = cards.get("SUBSIZE2"), cards.get("SUBSIZE1")
    if isinstance(sizes[0], int) and isinstance(sizes[1], int):
        return place_of(cards, (sizes[0], sizes[1]), like)
    place = empty_like(like)
    if place is None:
        raise InputError("names no detector: give the exposure or mask that it is for")
    return place
