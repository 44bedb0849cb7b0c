"""What a screen shows of a frame: a viewport averaged to screen pixels, small enough to travel.

Values become uint16 codes on a scale that is even near the middle of the values and grows with
their distance from it (an inverse hyperbolic sine), so that a faint sky and a star a million times
brighter both keep their contrast, and cuts can be chosen in the browser without another message.
"""

from __future__ import annotations

import dataclasses as dc
import math

import numba as nb
import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.views import Frame, cut_limits
from jwinteractive_widgets.blocks import BUDGET, Window, fitted, flags_of, for_kernel, grid, place

__all__ = ["BUDGET", "Patch", "auto_limits", "resample"]

CODES = 65534  # intervals between the lowest code, 1, and the highest


@dc.dataclass(frozen=True, kw_only=True)
class Patch:
    """A region of a frame ready to travel.

    Attributes
    ----------
    codes
        uint16 [y, x]: 0 is no value, else ``middle + scale * sinh(low + (code - 1) * step)``.
    marked
        Bits of uint8, rows one after the other, first block in the highest bit: has it flags?
    labels
        uint8 or uint16: index into ``flags`` of each marked block.
    flags
        DQ values that occur.
    extent
        Pixel edges (x0, y0, x1, y1) of the planes; the outer blocks may reach beyond the frame.
    factor
        Pixels along each side of a block.
    """

    codes: Array
    marked: Array
    labels: Array
    flags: tuple[int, ...]
    extent: tuple[int, int, int, int]
    factor: int
    middle: float
    scale: float
    low: float
    step: float

    @property
    def nbytes(self) -> int:
        """Bytes that travel, without the few words around them."""
        arrays = self.codes.nbytes + self.marked.nbytes + self.labels.nbytes
        return int(arrays + 12 * len(self.flags))

    @property
    def values(self) -> Array:
        """Values [y, x] that the browser makes of the codes; NaN is no value."""
        values = self.middle + self.scale * np.sinh(self.low + (self.codes - 1.0) * self.step)
        return np.where(self.codes > 0, values, np.nan)

    @property
    def dq(self) -> Array:
        """Flags [y, x], as the browser unpacks them."""
        found = np.zeros(self.codes.size, np.uint32)
        marked = np.unpackbits(self.marked, count=found.size).astype(bool)
        found[marked] = np.asarray(self.flags, np.uint32)[self.labels]
        return found.reshape(self.codes.shape)


def resample(frame: Frame, window: Window, size: tuple[int, int], budget: int = BUDGET) -> Patch:
    """Region of a frame around a viewport, averaged in blocks; see `blocks.fitted`."""
    bytes_of_a_block = 2.3  # code, mark, and a label for some
    return fitted(
        frame.covers,
        window,
        size,
        lambda region, factor: _patch(frame, region, factor),
        cost=bytes_of_a_block,
        budget=budget,
    )


def _patch(frame: Frame, region: Box, factor: int) -> Patch | None:
    """Patch of a region; None if more combinations of flags occur than labels can name."""
    at = place(region, frame.covers)
    flags = flags_of(frame.dq, at, region, factor)
    if flags is None:
        return None
    data, at = for_kernel(frame.data, np.float32, at)
    rows, columns = grid(region, factor)
    means = np.empty((rows, columns), np.float32)
    offset = region.y0 % factor, region.x0 % factor
    lowest, highest = _means(data, at, offset, factor, means)
    middle, scale = _scale(means, lowest, highest)
    low, high = math.asinh((lowest - middle) / scale), math.asinh((highest - middle) / scale)
    step = (high - low) / CODES if high > low else 1.0
    codes = np.empty((rows, columns), np.uint16)
    _encode(means, middle, scale, low, step, codes)
    y0, x0 = region.y0 // factor * factor, region.x0 // factor * factor
    return Patch(
        codes=codes,
        marked=flags[0],
        labels=flags[1],
        flags=flags[2],
        extent=(x0, y0, x0 + columns * factor, y0 + rows * factor),
        factor=factor,
        middle=middle,
        scale=scale,
        low=low,
        step=step,
    )


@nb.njit(cache=True, nogil=True)
def _means(
    data: Array, at: tuple[int, int, int, int], offset: tuple[int, int], factor: int, means: Array
) -> tuple[float, float]:
    """Mean of the finite values of each block of the region ``at``; return the extremes.

    The first block lacks ``offset`` rows and columns. Without any finite value the extremes are 0.
    """
    y0, y1, x0, x1 = at
    rows, columns = means.shape
    lowest, highest = np.inf, -np.inf
    totals = np.empty(x1 - x0)  # along whole rows first: that is what a processor does fast
    counts = np.empty(x1 - x0, np.int32)
    for i in range(rows):
        totals[:] = 0.0
        counts[:] = 0
        first = y0 - offset[0] + i * factor
        for y in range(max(first, y0), min(first + factor, y1)):
            row = data[y, x0:x1]
            for x in range(row.size):
                value = row[x]
                finite = abs(value) < np.inf  # NaN too: a comparison with NaN is false
                totals[x] += value if finite else 0.0
                counts[x] += 1 if finite else 0
        for j in range(columns):
            total, count = 0.0, 0
            for x in range(
                max(j * factor - offset[1], 0), min((j + 1) * factor - offset[1], x1 - x0)
            ):
                total += totals[x]
                count += counts[x]
            if count == 0:
                means[i, j] = np.nan
                continue
            mean = float(np.float32(total / count))
            means[i, j] = mean
            lowest = min(lowest, mean)
            highest = max(highest, mean)
    if lowest > highest:
        return 0.0, 0.0
    return float(lowest), float(highest)


def _scale(means: Array, lowest: float, highest: float) -> tuple[float, float]:
    """Median of the values and the reach around it in which codes are even: the quartiles'."""
    stride = max(1, math.isqrt(means.size // 4096 or 1))
    sample = means[::stride, ::stride]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return lowest, max(highest - lowest, 1.0)
    low, middle, high = (float(v) for v in np.percentile(sample, [25, 50, 75]))
    # a flat frame has equal quartiles: then its few other values share one even scale
    return middle, high - low or highest - lowest or 1.0


@nb.njit(cache=True, nogil=True)
def _encode(
    means: Array, middle: float, scale: float, low: float, step: float, codes: Array
) -> None:
    for i in range(means.shape[0]):
        for j in range(means.shape[1]):
            value = means[i, j]
            if np.isnan(value):
                codes[i, j] = 0
                continue
            z = (value - middle) / scale
            size = math.log(abs(z) + math.sqrt(z * z + 1))  # asinh, three times as fast
            code = round(((size if z >= 0 else -size) - low) / step)
            codes[i, j] = min(max(code, 0.0), 65534.0) + 1


def auto_limits(frame: Frame, cuts: str) -> tuple[float, float]:
    """Limits (low, high) that a way to cut gives a whole frame; they always differ.

    Parameters
    ----------
    cuts
        One of `jwinteractive.look.CUTS`; "by hand" cuts as 99.5 % does.

    Notes
    -----
    Those of a ``diverging`` frame are symmetric about 0.
    """
    if cuts == "zscale":
        low, high = _zscale(frame.data)
    elif cuts == "min to max":
        low, high = _extremes(frame.data)
    else:
        low, high = cut_limits(frame.data, float(cuts[:-2]) if cuts.endswith(" %") else 99.5)
    if frame.diverging:
        reach = max(abs(low), abs(high)) or 1.0
        low, high = -reach, reach
    return (low, high) if high > low else (low, low + 1.0)


def _extremes(data: Array) -> tuple[float, float]:
    finite = np.isfinite(data)
    if not finite.any():
        return 0.0, 1.0
    low = np.min(data, where=finite, initial=np.inf)
    return float(low), float(np.max(data, where=finite, initial=-np.inf))


def _zscale(data: Array) -> tuple[float, float]:
    from astropy.visualization import ZScaleInterval

    stride = max(1, math.isqrt(data.size // 250_000 or 1))
    sample = data[::stride, ::stride]
    if not np.isfinite(sample).any():
        return 0.0, 1.0
    low, high = ZScaleInterval().get_limits(sample)
    return float(low), float(high)
