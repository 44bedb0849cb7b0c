"""How NIRSpec's IRS2 frames are laid out and timed, and where the samples of an exposure are.

A raw frame has 3200 rows along the fast axis: the reference output, then four amplifiers, 640 each.
A row of an output is read as 8 pixels, then 4 references and 16 pixels in turn, the last time
8: the reference output is read in the same rhythm. Of the frame, users see the 2048 rows of pixels.

Source: dossier 3.3. Design: docs/decisions/0011-irs2-frames-stay-on-disk.md.
"""

from __future__ import annotations

import dataclasses as dc
from functools import cache
from typing import Any

import numpy as np

__all__ = ["FAST", "OUTPUT", "ROW", "Interleaved", "Mapped", "Order", "order", "science_rows"]

Array = np.ndarray[Any, Any]

FAST = 3200  # samples of a frame along the fast axis
OUTPUT = 640  # of each of five outputs
ROW = 712  # clocks of a row: the samples of an output, 64 jumps, 8 of overhead
_FIRST, _PERIOD, _REFERENCES = 8, 20, 4


@dc.dataclass(frozen=True)
class Order:
    """Of each of the 3200 rows of a raw frame, in the science orientation of a detector.

    Attributes
    ----------
    output
        0 for the reference output, 1 to 4 for the amplifiers.
    tick
        Clock within the row of the detector at which it is read.
    pixel
        Whether it is one of a pixel of the science frame.
    reference
        Whether it is read in the place of an interleaved reference; the reference output has such
        places, too.
    backwards
        Whether the columns of the science frame are read from the last to the first.
    """

    output: Array
    tick: Array
    pixel: Array
    reference: Array
    backwards: bool


@cache
def order(detector: str) -> Order:
    """Return the order in which the frames of NRS1 or NRS2 are read."""
    output, place = np.divmod(np.arange(FAST), OUTPUT)
    place = np.where(output % 2 == 0, OUTPUT - 1 - place, place)  # outputs take turns in direction
    block, within = np.divmod(place - _FIRST, _PERIOD)
    reference = (place >= _FIRST) & (within < _REFERENCES)
    # a clock to jump out to the references of each block, another one to jump back
    tick = place + np.where(place < _FIRST, 0, 2 * block + np.where(reference, 1, 2))
    backwards = detector.upper() == "NRS2"  # turned by half a turn against NRS1
    turn = slice(None, None, -1 if backwards else 1)
    found = Order(
        output[turn].copy(),
        tick[turn].copy(),
        ((output > 0) & ~reference)[turn].copy(),
        reference[turn].copy(),
        backwards,
    )
    for f in dc.fields(found):
        value = getattr(found, f.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return found


@cache
def science_rows(detector: str) -> Array:
    """Rows of a raw frame that are rows of the science frame, [2048]."""
    rows = np.flatnonzero(order(detector).pixel)
    rows.flags.writeable = False
    return rows


@dc.dataclass(frozen=True)
class Mapped:
    """Where an array lies in a file, in plain values; it is mapped when it is asked for."""

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    zero: float = 0.0

    def open(self) -> Array:
        """Map it, in the byte order of the file and without its zero."""
        return np.memmap(self.path, np.dtype(self.dtype), "r", self.offset, self.shape)

    @classmethod
    def plain(cls, values: dict[str, Any]) -> Mapped:
        """Return the one that `dataclasses.asdict` made plain."""
        shape = tuple(values["shape"])
        return cls(values["path"], values["offset"], values["dtype"], shape, values["zero"])


@dc.dataclass(frozen=True)
class Interleaved:
    """The whole frames of an IRS2 exposure, and what steps did to them that are not in memory.

    Attributes
    ----------
    samples
        [nint, ngroup, 3200, nx] as in the file.
    detector
        Whose order the rows are in.
    unread
        The ramp that carries this has no samples yet: it gets its rows of pixels when it is cut.
    scale
        What the samples are multiplied by.
    bias
        [3200, nx] that is then subtracted, or None.
    bad
        Rows of references that the mask knows to be bad.
    """

    samples: Mapped
    detector: str
    unread: bool = False
    scale: float = 1.0
    bias: Mapped | None = None
    bad: tuple[int, ...] = ()

    def rows(self, y0: int, y1: int, x0: int, x1: int) -> Array:
        """Return a box of the science frames [nint, ngroup, y, x] as in the file."""
        return np.asarray(self.samples.open()[:, :, science_rows(self.detector)[y0:y1], x0:x1])

    def levels(self, rows: Array, columns: slice | Array = slice(None)) -> Array:
        """Return the bias [rows, columns], float32; 0 where there is none."""
        if self.bias is None:
            return np.zeros(1, np.float32)
        return np.nan_to_num(np.asarray(self.bias.open()[rows][:, columns], np.float32))

    def frame(self, opened: Array, rows: Array, columns: slice | Array, levels: Array) -> Array:
        """Return rows of one frame of the opened samples as the steps before left them."""
        values = np.add(opened[rows][:, columns], np.float32(self.samples.zero), dtype=np.float32)
        if self.scale != 1:
            values *= np.float32(self.scale)
        values -= levels
        return values

    @classmethod
    def plain(cls, values: dict[str, Any]) -> Interleaved:
        """Return the one that `dataclasses.asdict` made plain."""
        bias = values["bias"]
        return cls(
            **(
                values
                | {
                    "samples": Mapped.plain(values["samples"]),
                    "bias": None if bias is None else Mapped.plain(bias),
                    "bad": tuple(values["bad"]),
                }
            )
        )
