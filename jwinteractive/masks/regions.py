"""Regions of DS9: their syntax, and what they look like as shapes.

Source: the region file format of SAOImage DS9.
"""

from __future__ import annotations

import dataclasses as dc
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np

from jwinteractive.errors import InputError
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import Ellipse, Line, Polygon, Rectangle, Shape

__all__ = [
    "Region",
    "escape",
    "is_ds9",
    "parts_of",
    "pixel",
    "read_regions",
    "shape_of",
    "text_of",
]

_SYSTEMS: Final = ("image", "physical")  # the same where no keywords say otherwise
_SKY: Final = (
    *("fk4", "b1950", "fk5", "j2000", "icrs", "galactic", "ecliptic"),
    *("wcs", "linear", "detector", "amplifier"),
)
_KNOWN: Final = ("circle", "ellipse", "box", "polygon", "line", "point")
_REGION: Final = re.compile(r"([-+]?)\s*([a-z]\w*)\s*\(([^()]*)\)\s*(.*)", re.IGNORECASE)
_BARE: Final = re.compile(r"([-+]?)\s*([a-z]\w*)\s+([-+.\d][^#]*?)\s*(#.*)?", re.IGNORECASE)
_TAG: Final = re.compile(r"""\b(tag|text)\s*=\s*(?:\{([^}]*)\}|"([^"]*)"|'([^']*)')""")
_LOOKS: Final = re.compile(
    rf"(?:(?:{'|'.join((*_SYSTEMS, *_SKY))})\s*;\s*)?[-+]?"
    rf"(?:[a-z]+\s*\(|(?:{'|'.join(_KNOWN)})\s)\s*[-+.\d]"
)
_ESCAPED: Final = re.compile(r"%([0-9A-F]{2,6});")

Part = tuple[str, tuple[float, ...]]  # word of DS9 and its numbers


def escape(text: str) -> str:
    """Text without what ends a tag or a line."""
    return "".join(f"%{ord(c):02X};" if c in "{}%\"'#;" or not c.isprintable() else c for c in text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def text_of(part: Part) -> str:
    """Region as DS9 writes it."""
    word, numbers = part
    return f"{word}({','.join(f'{n:.6f}'.rstrip('0').rstrip('.') for n in numbers)})"


def parts_of(shape: Shape) -> list[Part]:
    """Regions that look as a shape does."""
    match shape:
        case Rectangle(y0, y1, x0, x1):
            # centres on the rim belong to it: drawn around whole pixels
            wide = 1.0 if all(float(v).is_integer() for v in (y0, y1, x0, x1)) else 0.0
            middle = ((x0 + x1) / 2 + 1, (y0 + y1) / 2 + 1)
            return [("box", (*middle, x1 - x0 + wide, y1 - y0 + wide, 0.0))]
        case Ellipse(y, x, a, b, angle):
            return [("ellipse", (x + 1, y + 1, a, b, angle))]
        case Polygon(corners):
            return [("polygon", tuple(v + 1 for y, x in corners for v in (x, y)))]
        case Line(points, width):
            ends = [(x + 1, y + 1) for y, x in points]
            if len(ends) == 1:
                return [("circle", (*ends[0], max(width, 1) / 2))]
            return [("line", (*a, *b)) for a, b in pairwise(ends)]
    raise TypeError(type(shape).__name__)  # all shapes are above


@dc.dataclass(frozen=True)
class Region:
    """One region: whether it is excluded, its word and numbers, tags, and how its line begins."""

    excluded: bool
    part: Part
    tags: tuple[str, ...]
    line: str

    def tag(self, word: str) -> str | None:
        """What follows a word in a tag; None where no tag begins so."""
        for tag in self.tags:
            first, _, rest = tag.partition(" ")
            if first == word:
                return rest
        return None


def is_ds9(text: str) -> bool:
    """Whether a text looks like regions."""
    for line in text.split("\n")[:200]:
        said = line.strip().lower()
        if said.startswith("# region file format") or re.match(r"global\s+\w+\s*=", said):
            return True
        if _LOOKS.match(said):
            return True
    return False


def read_regions(text: str) -> Iterator[Region]:
    """Read the regions of a file.

    Raises
    ------
    InputError
        If one is in coordinates of the sky, of an unknown kind, or cannot be read.
    """
    system = "physical"  # what DS9 takes where nothing is said
    for line in text.split("\n"):  # not splitlines: names may hold its other ends
        for command in _commands(line):
            word = command.split()[0].lower()
            if word in _SYSTEMS or word in _SKY:
                system = word
                continue
            if word == "global":
                continue
            found = _REGION.fullmatch(command) or _BARE.fullmatch(command)
            if found is None:
                raise InputError(f"region {command[:60]!r}: is no region of DS9: correct the line")
            sign, kind, numbers, rest = found.groups()
            if system in _SKY:
                raise InputError(
                    f"region {command[:60]!r} is in {system} coordinates: save the regions of DS9 "
                    "in image coordinates"
                )
            if kind.lower() not in _KNOWN:
                raise InputError(
                    f"region {command[:60]!r}: {kind} is none of {', '.join(_KNOWN)}: change it in "
                    "DS9"
                )
            tags = [_unescape(a or b or c) for _, a, b, c in _TAG.findall(rest or "")]
            part = (kind.lower(), _numbers(numbers, command))
            yield Region(sign == "-", part, tuple(t for t in tags if t), command[:60])


def _commands(line: str) -> Iterator[str]:
    """Commands of a line, which semicolons part; a comment belongs to the last of them."""
    body, sign, comment = line.strip().partition("#")
    parts = [p.strip() for p in body.split(";")]
    parts = [p for p in parts if p]
    for i, part in enumerate(parts):
        yield f"{part} {sign}{comment}" if sign and i == len(parts) - 1 else part


def _numbers(text: str, line: str) -> tuple[float, ...]:
    words = re.split(r"[,\s]+", text.strip())
    try:
        values = tuple(float(w[:-1] if w[-1:] in "ip" else w) for w in words)
    except ValueError:
        raise InputError(
            f"region {line[:60]!r}: {text.strip()[:40]!r} are no numbers of pixels: save the "
            "regions of DS9 in image coordinates"
        ) from None
    if not np.isfinite(values).all():
        raise InputError(f"region {line[:60]!r}: coordinates must be finite")
    return values


def pixel(region: Region, shape: tuple[int, int]) -> Selection:
    """Pixel of a point in a (ny, nx) frame."""
    x, y = np.rint(np.array(region.part[1]) - 1).astype(int)
    return Selection.from_pixels(shape, [y], [x])


def shape_of(region: Region) -> Shape | None:
    """Shape of a region; None for a point."""
    match region.part:
        case ("point", (_, _)):
            return None
        case ("circle", (x, y, r)):
            return Ellipse(y - 1, x - 1, r, r)
        case ("ellipse", (x, y, a, b)):
            return Ellipse(y - 1, x - 1, a, b)
        case ("ellipse", (x, y, a, b, angle)):
            return Ellipse(y - 1, x - 1, a, b, angle)
        case ("line", (x0, y0, x1, y1)):
            return Line(((y0 - 1, x0 - 1), (y1 - 1, x1 - 1)))
        case ("box", (x, y, w, h)):
            return _box(x - 1, y - 1, w, h, 0.0)
        case ("box", (x, y, w, h, angle)):
            return _box(x - 1, y - 1, w, h, angle)
        case ("polygon", numbers) if len(numbers) >= 6 and len(numbers) % 2 == 0:
            return Polygon(
                tuple((y - 1, x - 1) for x, y in zip(numbers[::2], numbers[1::2], strict=True))
            )
    word, numbers = region.part
    raise InputError(
        f"region {region.line!r}: {word} has {len(numbers)} numbers: draw it as a plain {word}"
    )


def _box(x: float, y: float, w: float, h: float, angle: float) -> Shape:
    turns, rest = divmod(angle, 90.0)
    if rest == 0:
        w, h = (h, w) if turns % 2 else (w, h)
        return Rectangle(*_edges(y, h), *_edges(x, w))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    corners = ((-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2))
    return Polygon(tuple((y + u * sin + v * cos, x + u * cos - v * sin) for u, v in corners))


def _edges(middle: float, size: float) -> tuple[float, float]:
    """First and last coordinate inside; whole pixels where the rim runs between pixels."""
    low, high = middle - size / 2, middle + size / 2
    if (low - 0.5).is_integer() and (high - 0.5).is_integer() and high > low:
        return low + 0.5, high - 0.5
    return low, high
