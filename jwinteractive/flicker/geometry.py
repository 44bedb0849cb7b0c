"""How the stripes of an exposure lie: along which axis, from which amplifiers, read when.

1/f noise of the near-infrared detectors follows the fast axis. MIRI has stripes along columns,
which are no noise of its read-out.
"""

from __future__ import annotations

import dataclasses as dc

from jwinteractive.data import Array, Box, Exposure
from jwinteractive.detectors import detector, outputs_of
from jwinteractive.flicker.lines import as_images, in_lines
from jwinteractive.flicker.readout import Readout

__all__ = ["Stripes"]


@dc.dataclass(frozen=True)
class Stripes:
    """Lines of an exposure.

    Attributes
    ----------
    exposure
        What the header says.
    shape
        Size (ny, nx) of the whole frame.
    """

    exposure: Exposure
    shape: tuple[int, int]

    @property
    def miri(self) -> bool:
        """Whether the stripes have nothing to do with the order of reading."""
        return self.exposure.instrument == "MIRI"

    @property
    def along_x(self) -> bool:
        """Whether lines are rows."""
        return self.axes[0] == 1

    @property
    def axes(self) -> tuple[int, int]:
        """Axes along and across the lines: 1 is x, 2 is y."""
        if self.miri:
            return 2, 1
        e = self.exposure
        fast = e.fastaxis or detector(e.instrument, e.detector).fastaxis
        return (1, 2) if abs(fast) == 1 else (2, 1)

    @property
    def length(self) -> int:
        """Pixels of a line."""
        return self.shape[1] if self.along_x else self.shape[0]

    @property
    def count(self) -> int:
        """Lines of the frame."""
        return self.shape[0] if self.along_x else self.shape[1]

    @property
    def outputs(self) -> int:
        """Amplifiers that read the frame."""
        e = self.exposure
        return outputs_of(detector(e.instrument, e.detector), self.shape, e.subarray, e.noutputs)

    @property
    def channels(self) -> int:
        """Amplifiers side by side along a line."""
        outputs = 1 if self.miri else self.outputs
        return 1 if self.length % outputs else outputs

    def lines(self, images: Array) -> Array:
        """View [..., line, pixel] of images [..., y, x]."""
        return in_lines(images, *self.axes)

    def images(self, lines: Array) -> Array:
        """View [..., y, x] of lines [..., line, pixel]."""
        return as_images(lines, *self.axes)

    def span(self, box: Box) -> tuple[int, int]:
        """First line of a box, and the end."""
        return (box.y0, box.y1) if self.along_x else (box.x0, box.x1)

    def band(self, first: int, end: int) -> Box:
        """Box of whole lines."""
        if self.along_x:
            return Box(first, end, 0, self.shape[1])
        return Box(0, self.shape[0], first, end)

    def readout(self, lines: int) -> Readout:
        """Clocks of some of the lines."""
        e = self.exposure
        shape = (lines, self.length) if self.along_x else (self.length, lines)
        return Readout.of(detector(e.instrument, e.detector), shape, self.outputs, e.readpatt)
