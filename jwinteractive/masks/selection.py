"""A set of pixels of a frame: small, immutable, quick to combine, readable as text."""

from __future__ import annotations

import dataclasses as dc
import hashlib
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.errors import InputError

__all__ = ["Selection"]

# tables of `runs.merge`
_UNION: Final = 0b1110
_INTERSECTION: Final = 0b1000
_DIFFERENCE: Final = 0b0100
_SYMMETRIC: Final = 0b0110
_LINE = re.compile(r"(\d+)\s*:((?:\s+\d+(?:-\d+)?)+)", re.ASCII)


@dc.dataclass(frozen=True, eq=False)
class Selection:
    """Pixels of a (ny, nx) frame, as runs along its rows.

    Combine with ``|``, ``&``, ``-``, ``^`` and ``~``; frames of another shape are refused.

    Attributes
    ----------
    shape
        Size (ny, nx) of the frame.
    runs
        int64 [n, 2], sorted: start and stop in places ``y * (nx + 1) + x``; read-only.
    """

    shape: tuple[int, int]
    runs: Array

    def __post_init__(self) -> None:
        self.runs.flags.writeable = False

    # -- made of ------------------------------------------------------------------------------

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Self:
        """No pixel."""
        return cls(shape, np.empty((0, 2), np.int64))

    @classmethod
    def whole(cls, shape: tuple[int, int]) -> Self:
        """Every pixel."""
        first = np.arange(shape[0], dtype=np.int64) * (shape[1] + 1)
        return cls(shape, np.stack([first, first + shape[1]], axis=1))

    @classmethod
    def from_mask(cls, mask: Array) -> Self:
        """Pixels that are not 0 in an image [y, x]."""
        from jwinteractive.masks import runs  # compiles: not before it is needed

        ny, nx = mask.shape
        return cls((ny, nx), runs.runs_of(np.ascontiguousarray(mask != 0)))

    @classmethod
    def from_rows(cls, shape: tuple[int, int], y: Array, x0: Array, x1: Array) -> Self:
        """Pixels ``x0`` to ``x1``, end excluded, of rows ``y``; what lies outside is left out.

        Rows may come in any order, but no two of these runs may share or touch a pixel.
        """
        x0, x1 = np.maximum(x0, 0), np.minimum(x1, shape[1])
        good = (y >= 0) & (y < shape[0]) & (x0 < x1)
        first = y[good].astype(np.int64) * (shape[1] + 1)
        runs = np.stack([first + x0[good], first + x1[good]], axis=1).astype(np.int64)
        return cls(shape, runs[np.argsort(runs[:, 0], kind="stable")])

    @classmethod
    def from_pixels(cls, shape: tuple[int, int], y: Any, x: Any) -> Self:
        """Single pixels; what lies outside is left out, and one may come twice."""
        y, x = np.asarray(y, np.int64), np.asarray(x, np.int64)
        good = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        places = np.unique(y[good] * (shape[1] + 1) + x[good])
        if not places.size:
            return cls.none(shape)
        first = np.flatnonzero(np.diff(places, prepend=places[0] - 2) > 1)
        last = np.append(first[1:], places.size) - 1
        return cls(shape, np.stack([places[first], places[last] + 1], axis=1))

    # -- what it holds ------------------------------------------------------------------------

    @cached_property
    def count(self) -> int:
        """How many pixels."""
        return int((self.runs[:, 1] - self.runs[:, 0]).sum())

    def __bool__(self) -> bool:
        return len(self.runs) > 0

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Selection)
            and self.shape == other.shape
            and np.array_equal(self.runs, other.runs)
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __contains__(self, pixel: tuple[int, int]) -> bool:
        y, x = pixel
        if not (0 <= y < self.shape[0] and 0 <= x < self.shape[1]):
            return False
        place = y * (self.shape[1] + 1) + x
        at = int(np.searchsorted(self.runs[:, 0], place, "right")) - 1
        return at >= 0 and place < self.runs[at, 1]

    @cached_property
    def digest(self) -> str:
        """Name of just this set of pixels."""
        said = hashlib.blake2b(repr(self.shape).encode(), digest_size=12)
        said.update(np.ascontiguousarray(self.runs).tobytes())
        return said.hexdigest()

    def mask(self) -> Array:
        """Image bool [y, x]."""
        from jwinteractive.masks import runs  # compiles: not before it is needed

        out = np.zeros(self.shape, np.bool_)
        runs.paint(self.runs, True, out)
        return out

    def pixels(self) -> Array:
        """Each pixel (y, x): int64 [n, 2], by rows."""
        sizes = self.runs[:, 1] - self.runs[:, 0]
        within = np.arange(self.count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        places = np.repeat(self.runs[:, 0], sizes) + within
        return np.stack(np.divmod(places, self.shape[1] + 1), axis=1)

    @cached_property
    def rows(self) -> tuple[Array, Array, Array]:
        """Row, first column and column after the last of each run."""
        y, x0 = np.divmod(self.runs[:, 0], self.shape[1] + 1)
        return y, x0, x0 + self.runs[:, 1] - self.runs[:, 0]

    @property
    def hull(self) -> Box | None:
        """Smallest box around all pixels; None without any."""
        if not self:
            return None
        y, x0, x1 = self.rows
        return Box(int(y[0]), int(y[-1]) + 1, int(x0.min()), int(x1.max()))

    def crop(self, box: Box) -> Selection:
        """Pixels inside a box of the frame, as a set of the box's pixels."""
        from jwinteractive.masks import runs  # compiles: not before it is needed

        at = (box.y0, box.y1, box.x0, box.x1)
        return Selection(box.shape, runs.within(self.runs, self.shape[1], at))

    def moved(self, shape: tuple[int, int], dy: int, dx: int) -> Selection:
        """The same pixels in a frame of another size whose pixel (0, 0) lies at (-dy, -dx)."""
        y, x0, x1 = self.rows
        return Selection.from_rows(shape, y + dy, x0 + dx, x1 + dx)

    # -- combined -----------------------------------------------------------------------------

    def _with(self, other: Selection, table: int) -> Selection:
        from jwinteractive.masks import runs  # compiles: not before it is needed

        if self.shape != other.shape:
            raise InputError(
                f"pixels of {self.shape} and of {other.shape} cannot be combined: take frames of "
                "one shape"
            )
        return Selection(self.shape, runs.merge(self.runs, other.runs, table))

    def __or__(self, other: Selection) -> Selection:
        return self._with(other, _UNION)

    def __and__(self, other: Selection) -> Selection:
        return self._with(other, _INTERSECTION)

    def __sub__(self, other: Selection) -> Selection:
        return self._with(other, _DIFFERENCE)

    def __xor__(self, other: Selection) -> Selection:
        return self._with(other, _SYMMETRIC)

    def __invert__(self) -> Selection:
        return Selection.whole(self.shape) - self

    # -- as text ------------------------------------------------------------------------------

    def __str__(self) -> str:
        """One line for each row: ``512: 300-310 315``, both ends included, all from 0."""
        lines: list[str] = []
        last = -1
        for y, x0, x1 in zip(*(a.tolist() for a in self.rows), strict=True):
            run = f"{x0}" if x1 == x0 + 1 else f"{x0}-{x1 - 1}"
            if y == last:
                lines[-1] += f" {run}"
            else:
                lines.append(f"{y}: {run}")
            last = y
        return "\n".join(lines)

    @classmethod
    def parse(
        cls, text: str, shape: tuple[int, int], error: Callable[[str], Exception] = InputError
    ) -> Self:
        """Read what ``str`` gives; rows and runs may come in any order, and overlap.

        Raises
        ------
        InputError
            If a line cannot be read or a pixel lies outside of the frame; ``error`` makes another.
        """
        found: list[tuple[int, int, int]] = []
        for line in filter(None, (part.strip() for part in text.splitlines())):
            match = _LINE.fullmatch(line)
            if match is None:
                raise error(f"pixels {line[:60]!r}: need the form '512: 300-310 315'")
            y = int(match[1])
            for run in match[2].split():
                first, _, last = run.partition("-")
                x0, x1 = int(first), int(last or first) + 1
                if y >= shape[0] or x1 > shape[1] or x0 >= x1:
                    raise error(
                        f"pixels {run!r} of row {y}: must lie in {shape[0]} rows and {shape[1]} "
                        "columns that count from 0, the first before the last"
                    )
                found.append((y, x0, x1))
        if not found:
            return cls.none(shape)
        rows = np.array(sorted(found), np.int64)
        places = rows[:, :1] * (shape[1] + 1) + rows[:, 1:]
        # a run that begins before all earlier ones have ended belongs to theirs
        reach = np.maximum.accumulate(places[:, 1])
        first = np.flatnonzero(np.append(True, places[1:, 0] > reach[:-1]))
        last = np.append(first[1:], len(places)) - 1
        return cls(shape, np.stack([places[first, 0], reach[last]], axis=1))
