"""The fit of forward extraction: shares of pixels in sources and background, banded equations.

Source: dossier section 8 (3).
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.dithers import Pixels
from jwinteractive.extract.psf import Psf
from jwinteractive.kernels.extract_forward import (
    add_pixels,
    band_of_inverse,
    leverage,
    predicted,
)

__all__ = ["Fitter", "Place", "Solution"]

_CURVED = 1.0  # twice what a second difference bends a spectrum between two knots
_SEEN = 0.5  # of the light of a column: with less, a knot is held by a ridge
_RIDGE = 1e-6  # of the median diagonal: more would lower the flux of knots that lost their core
_FLOOR = 1e-4  # of the mean variance


@dc.dataclass(frozen=True, eq=False, slots=True)
class Place:
    """Offset and width of each dither."""

    offsets: Array
    widths: Array


@dc.dataclass(frozen=True, eq=False, slots=True)
class Solution:
    """Unknowns, knot by knot, the Cholesky factor of their matrix, and what each knot has seen."""

    solved: Array
    factor: Array
    coverage: Array


@dc.dataclass(frozen=True, eq=False, slots=True)
class Fitter:
    """Pixels, and how they are fitted.

    Parameters
    ----------
    pixels
        Of all dithers.
    count
        Knots.
    order
        Of the background; -1 for none.
    sigma
        Standard deviations beyond which a pixel is off.
    profile_error
        How wrong the PSF may be, as a share of the light.
    reach
        Pixels to both sides of a trace.
    """

    pixels: Pixels
    count: int
    order: int
    sigma: float
    profile_error: float
    reach: float

    @property
    def knots(self) -> int:
        """Most knots that a pixel sees."""
        return int(np.ceil(self.pixels.span.max())) + 2

    def terms(self, psf: Psf, place: Place, move: float = 0.0, widen: float = 0.0) -> Array:
        """Share of each pixel in sources and background, [term, pixel]."""
        of = self.pixels
        sources = len(of.away)
        found = np.empty((sources + self.order + 1, len(of.data)))
        for d in range(len(place.offsets)):
            here = of.dither == d
            scale = place.widths[d] * (1 + widen)
            offset = place.offsets[d] + move
            for s in range(sources):
                found[s, here] = psf.shares(of.away[s, here] - offset, of.wavelength[here], scale)
            for nod in of.nods[:, here]:
                part = np.nan_to_num(psf.shares(nod - offset, of.wavelength[here], scale))
                found[0, here] -= part / of.shared[here]
        for k in range(self.order + 1):
            found[sources + k] = (of.away[0] / self.reach) ** k
        return found

    def solve(self, terms: Array, weight: Array, data: Array | None = None) -> Solution:
        """Weighted least squares."""
        from scipy.linalg import cho_solve_banded, cholesky_banded

        of = self.pixels
        size = len(terms) * self.count
        band, right = np.zeros((len(terms) * self.knots, size)), np.zeros(size)
        coverage = np.zeros((len(terms), self.count))
        values = of.data if data is None else data
        add_pixels(
            values, weight, terms, of.at, of.span, self.count, self.knots, band, right, coverage
        )
        seen = band[0][band[0] > 0]
        if not seen.size:
            raise InputError("no pixel of the dithers is left for the spectrum: check mask, trace")
        median = float(np.median(seen))
        band[0] += 1e-12 * median
        bare = coverage[: len(of.away)] < _SEEN
        ridge = np.zeros((self.count, len(terms)))
        ridge[:, : len(of.away)] = bare.T * _RIDGE * median
        ridge[:, len(of.away) :] = 1e-9 * median + bare[0][:, None] * _RIDGE * median
        band[0] += ridge.ravel()
        factor = cholesky_banded(band, lower=True)
        return Solution(cho_solve_banded((factor, True), right), factor, coverage)

    def predict(self, terms: Array, solution: Solution, only: int | None = None) -> Array:
        """What a solution expects of each pixel: of all terms, or of the first few."""
        of = self.pixels
        some = len(terms) if only is None else only
        found: Array = predicted(terms, of.at, of.span, solution.solved, self.knots, some)
        return found

    def noise(self, terms: Array, use: Array) -> Array:
        """Variance of read noise and of the photons that are expected, [pixel]."""
        of = self.pixels
        if self.order < 0:  # a level that was subtracted has left its noise
            terms = np.concatenate([terms, np.ones((1, len(of.data)))])
        equal = use / np.mean(of.poisson + of.read)
        photons = self.predict(terms, self.solve(terms, equal, of.poisson))
        found = of.read + np.maximum(photons, 0)
        floor = _FLOOR * float(found[use > 0].mean()) if use.any() else 1.0
        noise: Array = np.maximum(found, floor if floor > 0 else 1.0)
        return noise

    def worst(self, terms: Array, solution: Solution, noise: Array, keep: Array) -> Array:
        """The pixel of each knot that the others explain least, if it is off by too much."""
        of = self.pixels
        light = self.predict(terms, solution, len(of.away))
        spread = leverage(terms, of.at, of.span, band_of_inverse(solution.factor), self.knots)
        left = np.maximum(1 - spread / noise, 1e-6)
        alone = (of.data - self.predict(terms, solution)) / left
        # between its knots a spectrum that curves is not what the line through them says
        solved = solution.solved.reshape(self.count, -1)[:, : len(of.away)]
        bend = np.abs(np.diff(solved, n=2, axis=0, prepend=solved[:1], append=solved[-1:]))
        bend = np.maximum(bend, np.maximum(np.roll(bend, 1, 0), np.roll(bend, -1, 0)))
        nearest = np.clip(np.rint(of.at), 0, self.count - 1).astype(int)
        # by how much depends on how far from knots it is seen, by this pixel or by others there
        between = (of.at - np.floor(of.at)) * (np.ceil(of.at) - of.at)
        seen = np.maximum(np.bincount(nearest, keep, self.count), 1)
        others = np.bincount(nearest, keep * between, self.count) / seen
        curved = _CURVED * np.maximum(between, others[nearest])
        curved *= (np.abs(terms[: len(of.away)]) * bend[nearest].T).sum(axis=0)
        doubt = noise / left + (self.profile_error * light) ** 2 + curved**2
        score = np.where((keep > 0) & (left > 1e-3), alone**2 / doubt, 0)
        most = np.zeros(self.count)
        np.maximum.at(most, nearest, score)
        found: Array = (score > self.sigma**2) & (score >= most[nearest])
        return found

    def share_of_read(self, terms: Array, noise: Array, keep: Array) -> Array:
        """Part of the information that read noise limits, [term, knot]."""
        of = self.pixels
        nearest = np.clip(np.rint(of.at), 0, self.count - 1).astype(int)
        found = np.zeros((len(terms), self.count))
        for t, shares in enumerate(terms):
            weight = keep * shares**2 / noise
            total = np.bincount(nearest, weight, self.count)
            part = np.bincount(nearest, weight * of.read / noise, self.count)
            np.divide(part, total, out=found[t], where=total > 0)
        return np.minimum(found, 1)
