"""Where sources and background lie across the dispersion: as text, as rows, as weights.

Rows are those at the middle column; along a trace they move with it. A limit is the index of the
last pixel that counts whole, so that 14:18 are five pixels.
"""

from __future__ import annotations

import dataclasses as dc
import re
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError, ParamError
from jwinteractive.extract.aperture import box_weights

__all__ = [
    "Place",
    "along_x",
    "beside",
    "overlapping",
    "parse_places",
    "rows_of",
    "weights_of",
    "write_places",
]

_NUMBER = r"[-+]?\d+(?:\.\d*)?|[-+]?\.\d+"
_PLACE = re.compile(rf"\s*({_NUMBER})\s*:\s*({_NUMBER})\s*(-?)\s*")


@dc.dataclass(frozen=True)
class Place:
    """Rows from ``low`` to ``high``; a source of sign -1 is one that was subtracted, as of nods."""

    low: float
    high: float
    sign: int = 1

    @property
    def centre(self) -> float:
        """Middle of the rows."""
        return (self.low + self.high) / 2

    @property
    def words(self) -> str:
        """The rows as text."""
        return f"{self.low:.6g}:{self.high:.6g}" + ("-" if self.sign < 0 else "")


def parse_places(text: str, name: str) -> tuple[Place, ...]:
    """Read places such as ``14:18; 25.5:29-``.

    Raises
    ------
    ParamError
        If the text of parameter ``name`` has another form.
    """
    found = []
    for part in text.split(";"):
        if not part.strip():
            continue
        match = _PLACE.fullmatch(part)
        if match is None:
            raise ParamError(
                f"{name} = {text!r}: {part.strip()!r} must be rows as first:last, such as 14:18, "
                "with a - behind a subtracted source and ; between several"
            )
        low, high = float(match[1]), float(match[2])
        if not high > low - 1:
            raise ParamError(f"{name} = {text!r}: {part.strip()!r} has no row: exchange its ends")
        found.append(Place(low, high, -1 if match[3] else 1))
    return tuple(found)


def write_places(places: Iterable[Place]) -> str:
    """Text that `parse_places` reads."""
    return "; ".join(place.words for place in places)


def overlapping(places: Sequence[Place]) -> tuple[Place, Place] | None:
    """Two of some places that share a pixel, in part or whole, or None."""
    for a, b in combinations(places, 2):
        # an edge lies half a pixel beyond the last whole one
        if a.low < b.high + 1 and b.low < a.high + 1:
            return a, b
    return None


def beside(places: Sequence[Place], rows: tuple[int, int], gap: float) -> tuple[Place, ...]:
    """All rows from first to last but those of some places and ``gap`` pixels on their sides."""
    found = []
    low = float(rows[0])
    for place in sorted(places, key=lambda p: p.low):
        if place.low - 1 - gap >= low:
            found.append(Place(low, place.low - 1 - gap))
        low = max(low, place.high + 1 + gap)
    if rows[1] >= low:
        found.append(Place(low, float(rows[1])))
    return tuple(found)


def weights_of(
    places: Iterable[Place],
    shape: tuple[int, int],
    path: Array,
    columns: tuple[int, int],
    what: str,
    partial: bool = True,
) -> Array:
    """Share of each pixel in some places along a path, float64 [y, x].

    Raises
    ------
    InputError
        If none of them has a pixel of the image; ``what`` says what they are.
    """
    limits = [(place.low + path, place.high + path) for place in places]
    try:
        return box_weights(shape, limits, columns, partial)
    except InputError:
        rows = ", ".join(place.words for place in places)
        first, last = columns
        raise InputError(
            f"{what} {rows} in columns {first} to {last} has no pixel of the frame of {shape[0]} "
            f"rows and {shape[1]} columns: move it onto the frame"
        ) from None


def rows_of(places: Iterable[Place], path: Array, ny: int) -> tuple[int, int]:
    """First row that some places have along a path, and the row after the last, in ``ny`` rows.

    Where they have none, all rows: what is off the frame is said of the whole frame.
    """
    moves = path[np.isfinite(path)]
    low, high = (float(moves.min()), float(moves.max())) if moves.size else (0.0, 0.0)
    limits = [(place.low + low, place.high + high) for place in places]
    first = max(int(np.floor(min((a for a, _ in limits), default=0))) - 1, 0)
    end = min(int(np.ceil(max((b for _, b in limits), default=ny))) + 2, ny)
    return (first, end) if first < end else (0, ny)


def along_x(array: Array, dispaxis: int) -> Array:
    """Image with x along the dispersion, as a view."""
    return array if dispaxis == 1 else np.swapaxes(array, -1, -2)
