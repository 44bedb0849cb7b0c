"""When and by which amplifier each pixel of a line is read: the clock that 1/f noise follows.

A line holds the pixels that are read one after the other along the fast axis. Source: dossier 13.
"""

from __future__ import annotations

import dataclasses as dc
from functools import cached_property

import numpy as np

from jwinteractive.data import Array
from jwinteractive.detectors import Detector, frame_clocks
from jwinteractive.errors import InputError
from jwinteractive.flicker.lines import in_lines
from jwinteractive.irs2 import order

__all__ = ["BIN", "Readout"]

BIN = 16
"""Clocks in a bin: far less than any drift that is measured, and enough pixels for a mean."""


@dc.dataclass(frozen=True, eq=False)
class Readout:
    """Clocks and amplifiers of the lines of a frame.

    Attributes
    ----------
    tick
        Clock within its line at which each pixel is read, int [pixel], science orientation.
    amplifier
        Its output, from 0, int [pixel].
    line_ticks
        Clocks from the start of a line to that of the next one.
    along_x
        Whether lines are rows of the science frame, else columns.
    backwards
        Whether the last line of the science frame is read first.
    """

    tick: Array
    amplifier: Array
    line_ticks: int
    along_x: bool = True
    backwards: bool = False

    @classmethod
    def of(
        cls, detector: Detector, shape: tuple[int, int], amplifiers: int, pattern: str = "RAPID"
    ) -> Readout:
        """Read-out of a (ny, nx) frame, the science frame of IRS2 patterns too.

        Raises
        ------
        InputError
            If the amplifiers do not share a line evenly.
        """
        ny, nx = shape
        along_x = abs(detector.fastaxis) == 1
        length = nx if along_x else ny
        backwards = detector.slowaxis < 0
        row_ticks = frame_clocks(detector, nx, ny, amplifiers, pattern)[1]
        if pattern.upper().startswith("NRSIRS2"):
            found = order(detector.name)
            tick, output = found.tick[found.pixel], found.output[found.pixel] - 1
            return cls(tick, output, row_ticks, along_x, found.backwards)
        place = np.arange(length)
        if detector.instrument == "MIRI":  # outputs take turns; slow patterns dwell nine clocks
            visit = 9 if pattern.upper().startswith("SLOW") else 1
            output, tick = place % 4, place // 4 * visit
        elif amplifiers < 1 or length % amplifiers:
            message = (
                f"amplifiers = {amplifiers}: do not share lines of {length} pixels evenly: "
                "give whole lines of the subarray"
            )
            raise InputError(message)
        else:  # stripes side by side, neighbours read in opposite directions
            output, tick = np.divmod(place, length // amplifiers)
            tick = np.where(output % 2 == 1, length // amplifiers - 1 - tick, tick)
        turn = slice(None, None, -1 if detector.fastaxis < 0 else 1)
        return cls(tick[turn].copy(), output[turn].copy(), row_ticks, along_x, backwards)

    def part(self, first: int, end: int) -> Readout:
        """The same of some pixels of each line, in science orientation."""
        return dc.replace(self, tick=self.tick[first:end], amplifier=self.amplifier[first:end])

    @cached_property
    def amplifiers(self) -> int:
        """Number of outputs."""
        return int(self.amplifier.max()) + 1

    @cached_property
    def bins(self) -> int:
        """Bins of `BIN` clocks in which pixels of a line are read."""
        return int(self.tick.max()) // BIN + 1

    @cached_property
    def slots(self) -> Array:
        """Bin and amplifier of each pixel, as bin * amplifiers + amplifier, int [pixel]."""
        return np.asarray(self.tick // BIN * self.amplifiers + self.amplifier, np.int64)

    @property
    def steps(self) -> tuple[int, int]:
        """Clocks from bin to bin within a line, and from its last one to the next line."""
        return BIN, self.line_ticks - (self.bins - 1) * BIN

    def lines(self, images: Array) -> Array:
        """View [..., line, pixel] of images [..., ny, nx] with the line read first in front."""
        fast, slow = (1, 2) if self.along_x else (2, 1)
        return in_lines(images, fast, -slow if self.backwards else slow)
