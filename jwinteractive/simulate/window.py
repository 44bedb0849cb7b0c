"""The part of a detector that is read, its clocks, and the order in which it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from jwinteractive import detectors
from jwinteractive.detectors import Detector
from jwinteractive.irs2 import order, science_rows
from jwinteractive.simulate.settings import Settings

_BORDER = 4

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Window:
    """Geometry and timing of an exposure.

    Attributes
    ----------
    detector : Detector
        Its electronics.
    name : str
        Header SUBARRAY ("GENERIC" for an artificial window).
    ny, nx, ystart, xstart : int
        Size and 1-based corner, science orientation.
    amplifiers : int
        Outputs in use.
    nframes, groupgap : int
        Frames averaged per group, and frames skipped between groups.
    frame_time : float
        Seconds per frame.
    rows, row_ticks, extra_ticks : int
        Clocks of one frame, see `detectors.frame_clocks`.
    pixel_ticks : int
        Clocks from one pixel of an output to its next.
    interleaved : bool
        Whether references are read between the pixels (IRS2).
    """

    detector: Detector
    name: str
    ny: int
    nx: int
    ystart: int
    xstart: int
    amplifiers: int
    nframes: int
    groupgap: int
    frame_time: float
    rows: int
    row_ticks: int
    extra_ticks: int
    pixel_ticks: int = 1
    interleaved: bool = False

    @property
    def group_time(self) -> float:
        """Seconds between groups."""
        return (self.nframes + self.groupgap) * self.frame_time

    @property
    def ticks(self) -> int:
        """Clocks per frame."""
        return self.rows * self.row_ticks + self.extra_ticks

    @property
    def reference_pixels(self) -> NDArray[np.bool_]:
        """Mask [ny, nx] of the pixels that see no light."""
        ly, lx = self.detector.shape
        y = np.arange(self.ystart - 1, self.ystart - 1 + self.ny)[:, None]
        x = np.arange(self.xstart - 1, self.xstart - 1 + self.nx)[None, :]
        side = (x < _BORDER) | (x >= lx - _BORDER)
        if self.detector.instrument == "MIRI":
            return np.broadcast_to(side, (self.ny, self.nx)).copy()
        mask: NDArray[np.bool_] = side | (y < _BORDER) | (y >= ly - _BORDER)
        return mask

    def to_science(self, image: NDArray[T]) -> NDArray[T]:
        """Turn an image [slow, fast] in readout order into science orientation [ny, nx]."""
        fast, slow = self.detector.fastaxis, self.detector.slowaxis
        turned = image[:: int(np.sign(slow)), :: int(np.sign(fast))]
        return turned if abs(fast) == 1 else turned.T

    def readout_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (clock, amplifier) of each pixel [ny, nx], science orientation.

        The near-infrared outputs are stripes along the fast axis and neighbours read in opposite
        directions; the four MIRI outputs are interleaved column by column.
        """
        if self.interleaved:
            rows = science_rows(self.detector.name)
            tick, output = self.raw_order()
            return tick[rows], output[rows] - 1
        fast, slow = (self.nx, self.ny) if abs(self.detector.fastaxis) == 1 else (self.ny, self.nx)
        column = np.arange(fast)
        if self.detector.instrument == "MIRI":
            amplifier, step = column % 4, column // 4 * self.pixel_ticks
        else:
            width = fast // self.amplifiers
            amplifier, step = column // width, column % width
            step = np.where(amplifier % 2 == 1, width - 1 - step, step)
        tick = np.arange(slow)[:, None] * self.row_ticks + step[None, :]
        amplifiers = np.broadcast_to(amplifier, (slow, fast))
        return self.to_science(tick).copy(), self.to_science(amplifiers).copy()

    def raw_order(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (clock, output) of each sample of a raw IRS2 frame [3200, nx]."""
        found = order(self.detector.name)
        slow = np.arange(self.nx)[:: -1 if found.backwards else 1]
        tick = slow * self.row_ticks + found.tick[:, None]
        return tick, np.broadcast_to(found.output[:, None], tick.shape).copy()


def window(settings: Settings) -> Window:
    """Return the window that the settings ask for."""
    det = detectors.detector(settings.instrument, settings.detector)
    nframes, groupgap = detectors.readout(settings.instrument, settings.readpatt)
    if settings.size is None:
        name = settings.subarray.upper()
        nx, ny, xstart, ystart, amplifiers = detectors.subarray(det.name, name)
    else:
        name = "GENERIC"
        (ny, nx), (ystart, xstart) = settings.size, settings.window_corner
        amplifiers = 4 if det.instrument == "MIRI" or settings.interleaved else 1
    clocks = detectors.frame_clocks(det, nx, ny, amplifiers, settings.readpatt)
    seconds = detectors.frame_time(det, nx, ny, amplifiers, settings.readpatt)
    if settings.interleaved:  # an artificial window has fewer rows
        clocks = nx, *clocks[1:]
    # MIRI dwells nine clocks on a pixel when it reads slowly
    visit = 9 if settings.readpatt.upper().startswith("SLOW") else 1
    return Window(
        *(det, name, ny, nx, ystart, xstart, amplifiers, nframes, groupgap, seconds, *clocks),
        pixel_ticks=visit,
        interleaved=settings.interleaved,
    )
