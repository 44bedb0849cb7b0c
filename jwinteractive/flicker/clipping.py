"""Pixels sorted once, and the limits within which they are background.

The numbers are those of the official `clip_to_background`, whose statistics are of float64: after
the sorting a round of clipping is a search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jwinteractive.data import Array
from jwinteractive.kernels import flicker_clip as kernels

__all__ = ["SortedPixels", "inside", "kept"]

SIGMA, ROUNDS = 3.0, 5
_BINS, _REACH = 2000, 4.0  # of a histogram, and its half width in standard deviations


@dataclass(frozen=True, eq=False)
class SortedPixels:
    """Sorted values of pixels, float32, without NaN.

    Attributes
    ----------
    values
        In rising order.
    pivot
        A value near the middle, from which sums are counted.
    sums
        Of blocks of values; see `jwinteractive.kernels.flicker_clip.block_sums`.
    """

    values: Array
    pivot: float
    sums: Array

    @classmethod
    def of(cls, values: Array) -> SortedPixels:
        """Statistics of values that are sorted already."""
        values = values.view()
        values.flags.writeable = False
        pivot = float(values[len(values) // 2]) if len(values) else 0.0
        return cls(values, pivot, kernels.block_sums(values, pivot))

    @classmethod
    def free(cls, image: Array, free: Array) -> SortedPixels:
        """Free finite pixels of an image [y, x]."""
        room = np.empty(image.size + image.shape[1] + 1, np.float32)
        count = kernels.usable(*_read_only(image, free), room)
        values = room[:count]
        values.sort()
        return cls.of(values)

    def span(self, low: float, high: float) -> tuple[int, int]:
        """First place and end of the values from ``low`` to ``high``."""
        start = kernels.places(self.values, np.array([low]), False)[0]
        return int(start), int(kernels.places(self.values, np.array([high]), True)[0])

    def part(self, low: float, high: float) -> Array:
        """Values from ``low`` to ``high``."""
        return self.values[slice(*self.span(low, high))]

    def median(self, low: float, high: float) -> np.float32:
        """Median of the values from ``low`` to ``high``, as of float32; 0 if there are none."""
        part = self.part(low, high)
        half = len(part) // 2
        middle = part[half - 1 + len(part) % 2 : half + 1]
        return np.float32(middle.mean() if len(middle) else 0)

    def limits(
        self,
        lower: float = 3.0,
        upper: float = 2.0,
        fit_histogram: bool = False,
        lower_half: bool = False,
    ) -> tuple[float, float]:
        """Limits of the background; see `jwinteractive.flicker.background.clip_to_background`."""
        if not len(self.values):
            return -np.inf, np.inf
        mean, median, sigma = kernels.clip_rounds(self.values, self.sums, self.pivot, SIGMA, ROUNDS)
        centre = mean if fit_histogram else median
        if lower_half:
            sigma = kernels.clip_mirrored(self.values, self.sums, self.pivot, centre, SIGMA, ROUNDS)
        if fit_histogram:
            centre, sigma = self._bell(centre, sigma, lower_half)
        found = centre - lower * sigma, centre + upper * sigma
        return found if np.isfinite(found).all() else (-np.inf, np.inf)

    def _bell(self, centre: float, sigma: float, mirrored: bool) -> tuple[float, float]:
        """Centre and width of a Gaussian fitted to a histogram; as given where there is none."""
        from scipy.optimize import curve_fit

        reach = _REACH * sigma
        if not np.isfinite(centre + reach):
            return centre, sigma
        edges = np.histogram_bin_edges([], _BINS, (centre - reach, centre + reach))
        values = (edges[1:] + edges[:-1]) / 2
        number = self._counts(edges, centre if mirrored else None)
        top = int(np.argmax(number))

        def bell(x: Array, height: float, middle: float, width: float) -> Array:
            return np.asarray(height * np.exp(-0.5 * ((x - middle) / width) ** 2))

        bounds = [(0, values[0], 0), (np.inf, values[-1], values[-1] - values[0])]
        try:
            found = curve_fit(
                bell, values, number, (number[top], values[top], sigma), bounds=bounds
            )
        except (RuntimeError, ValueError):  # no convergence, or a start outside the bounds
            return centre, sigma
        return float(found[0][1]), float(found[0][2])

    def _counts(self, edges: Array, mirror: float | None) -> Array:
        """Number of values between edges; of those up to a mirror and their images in it."""
        at = kernels.places(self.values, edges, False)
        at[-1] = kernels.places(self.values, edges[-1:], True)[0]
        if mirror is None:
            return np.asarray(np.diff(at))
        end = kernels.places(self.values, np.array([mirror]), True)[0]
        facing = 2 * mirror - edges
        beyond = kernels.places(self.values, facing, True)
        beyond[-1] = kernels.places(self.values, facing[-1:], False)[0]
        near, far = np.diff(np.minimum(at, end)), np.diff(np.minimum(beyond, end))
        return np.asarray(near - far)


def kept(
    image: Array,
    free: Array,
    low: float = -np.inf,
    high: float = np.inf,
    level: float | np.float32 = 0.0,
    out: Array | None = None,
) -> Array:
    """Free pixels [y, x] within limits, less a level, float32; NaN for the others."""
    left = np.empty(image.shape, np.float32) if out is None else out
    kernels.within(*_read_only(image, free), *_single(low, high), np.float32(level), left)
    return left


def inside(image: Array, low: float, high: float) -> Array:
    """Whether pixels are not beyond limits, bool; both limits belong to the inside."""
    least, most = _single(low, high)
    return (image >= least) & (image <= most)


def _single(low: float, high: float) -> tuple[np.float32, np.float32]:
    """Limits in float32 that the same float32 values lie between."""
    least, most = np.float32(low), np.float32(high)
    if float(least) < low:
        least = np.nextafter(least, np.float32(np.inf))
    if float(most) > high:
        most = np.nextafter(most, np.float32(-np.inf))
    return least, most


def _read_only(image: Array, free: Array) -> tuple[Array, Array]:
    """Views of one kind, or copies: kernels compile once."""
    views = (
        np.ascontiguousarray(image, np.float32).view(),
        np.ascontiguousarray(free, np.bool_).view(),
    )
    for view in views:
        view.flags.writeable = False
    return views
