"""Where slices of the simulated MRS lie on its detector, and how bright a DN is."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np

from jwinteractive.data import Array

__all__ = [
    "CHANNELS",
    "PHOTOM",
    "PIXEL",
    "SHAPE",
    "SIGMA",
    "STERADIAN",
    "V2",
    "V3",
    "Channel",
    "frame",
]

SHAPE = (1024, 1032)
"""Rows, columns of the detector."""
PIXEL = 0.196
"""Size of a pixel along a slice, arcsec."""
SIGMA = 0.026
"""Of a point source, arcsec for each um."""
PHOTOM = 20.0
"""MJy/sr for each DN/s."""
STERADIAN = (np.pi / 180 / 3600) ** 2
"""Of a square arcsec."""
V2, V3 = -503.654, -318.743  # arcsec: the middle of the field


@dc.dataclass(frozen=True, slots=True)
class Channel:
    """Slices of a channel on the detector."""

    number: int
    slices: int
    first: int  # column where the first slice begins
    pitch: int  # columns from slice to slice
    columns: int  # of a slice
    width: float  # arcsec, across
    short: float  # um: of the first row
    long: float  # um: of the last row

    @property
    def starts(self) -> list[int]:
        """First column of each slice."""
        return [self.first + self.pitch * k for k in range(self.slices)]

    @property
    def name(self) -> str:
        """Of channel and band, as references have it."""
        return f"{self.number}SHORT"

    @property
    def zero(self) -> float:
        """Offset across of the first slice, arcsec."""
        return -self.width * (self.slices - 1) / 2

    @property
    def step(self) -> float:
        """From row to row, um."""
        return (self.long - self.short) / (SHAPE[0] - 1)


CHANNELS = (
    Channel(1, 21, 12, 23, 20, 0.177, 4.90, 5.74),
    Channel(2, 17, 520, 29, 22, 0.280, 7.51, 8.77),
)


def frame() -> tuple[Array, Any]:
    """Wavelength (0 between slices) and number of the slice of each pixel."""
    wave = np.zeros(SHAPE)
    regions = np.zeros(SHAPE, np.uint16)
    rows = np.arange(SHAPE[0])[:, None]
    for channel in CHANNELS:
        for k, start in enumerate(channel.starts):
            where = slice(start, start + channel.columns)
            wave[:, where] = channel.short + channel.step * rows
            regions[:, where] = channel.number * 100 + k + 1
    return wave, regions
