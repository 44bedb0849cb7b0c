"""What several exposures say about each pixel of a detector: rates, noise, neighbours, ramps."""

from __future__ import annotations

import dataclasses as dc
from functools import cached_property

import numpy as np

from jwinteractive.data import Array, Exposure

__all__ = ["Evidence", "RampEvidence", "Tail"]

_NEAR = 2.0
"""Sigma from which on a difference from the surroundings may matter."""
_LOW = 0.5
_BINS = 4096


@dc.dataclass(frozen=True)
class RampEvidence:
    """What the ramps say, [y, x] float32; NaN where nothing is known.

    Attributes
    ----------
    decay, decay_sigma
        Rate in the first third of the ramps over that in the last, and how far the first lies
        above the last in sigma.
    telegraph, switching
        Difference of the Bayesian information criterion in favour of two levels, and the share of
        group differences that are switches between them.
    curvature
        Mean curvature of the ramps about their fit, in sigma.
    misfit
        Share of the exposures whose chi2 fails.
    """

    decay: Array
    decay_sigma: Array
    telegraph: Array
    switching: Array
    curvature: Array
    misfit: Array


@dc.dataclass(frozen=True)
class Tail:
    """Pixels that lie above (or below) their surroundings by two sigma and more: all [pixel].

    ``at`` counts through the flattened frame; the others are as in `Evidence`, with the sign
    turned below. ``low`` says that the response is known to be low.
    """

    at: Array
    significance: Array
    sigma: Array
    scatter: Array
    beside: Array
    good: Array
    low: Array


@dc.dataclass(frozen=True, eq=False)
class Evidence:
    """Statistics of each pixel [y, x] over exposures, in units of their rate; read-only float32.

    Attributes
    ----------
    exposure
        Header of the first exposure.
    names, mjds, seconds
        Of each exposure: file, middle (MJD, 0: not known), length of an integration.
    rate
        Median over the exposures, the sky level of each taken off; NaN where none is good.
    level
        Median of the surroundings of ``rate``.
    scatter, error
        1.4826 MAD over the exposures, and their median error.
    sigma, significance
        Noise of ``rate - level``, and that difference in units of it.
    spread
        Sum of the squared deviations from the median in units of the errors, the largest left out;
        where those of the neighbours are large too, in units of theirs.
    beside
        Second highest (lowest, if the pixel lies below its level) of the four neighbours, less
        the level.
    good
        Exposures that are good and see no source here, uint16.
    response, response_sigma
        Sensitivity relative to the surroundings, and its noise: NaN where it is not known, 0 where
        a flat tells it.
    response_from
        Where the response comes from, in words; "" if nowhere.
    ramps
        What the ramps say; None of rates alone.
    skies
        Level of each exposure.
    variances
        Typical (Poisson, read-out) variance of one exposure, and the seconds and integrations that
        they belong to.
    noise_factor, structure_factor
        What the errors of the files, and those of the differences from the surroundings, had to be
        multiplied by to describe most pixels.
    dispersion
        Axis along which light is dispersed: 1 is x, 2 is y, 0 none.
    notes
        Plain sentences on what had to be assumed.
    """

    exposure: Exposure
    names: tuple[str, ...]
    mjds: tuple[float, ...]
    seconds: tuple[float, ...]
    rate: Array
    level: Array
    scatter: Array
    error: Array
    sigma: Array
    significance: Array
    spread: Array
    beside: Array
    good: Array
    response: Array
    response_sigma: Array
    response_from: str
    skies: tuple[float, ...]
    variances: tuple[float, float]
    noise_factor: float
    structure_factor: float
    dispersion: int
    ramps: RampEvidence | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for f in dc.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False

    @property
    def shape(self) -> tuple[int, int]:
        """Size (ny, nx)."""
        ny, nx = self.rate.shape
        return ny, nx

    @property
    def excess(self) -> Array:
        """Rate less the level of the surroundings [y, x]."""
        excess: Array = self.rate - self.level
        return excess

    def _tail(self, sign: int) -> Tail:
        z = self.significance.ravel() * np.float32(sign)
        at = np.flatnonzero(z > _NEAR)
        return Tail(
            at=at,
            significance=z[at],
            sigma=self.sigma.ravel()[at],
            scatter=self.scatter.ravel()[at],
            beside=self.beside.ravel()[at] * np.float32(sign),
            good=self.good.ravel()[at],
            low=self.response.ravel()[at] < _LOW,
        )

    @cached_property
    def above(self) -> Tail:
        """Pixels above their surroundings."""
        return self._tail(1)

    @cached_property
    def below(self) -> Tail:
        """Pixels below their surroundings."""
        return self._tail(-1)

    @cached_property
    def noises(self) -> tuple[Array, Array]:
        """How many pixels (with two good exposures or more) have how much noise: counts, sigma."""
        return _histogram(self.sigma[self.good > 1])

    @cached_property
    def lit_noises(self) -> tuple[Array, Array]:
        """How many pixels whose response light tells have how much noise of it: counts, sigma."""
        return _histogram(self.response_sigma[self.good > 1])

    @cached_property
    def depths(self) -> Array:
        """Number of pixels by the number of their good exposures."""
        return np.bincount(self.good.ravel(), minlength=len(self.names) + 1)

    def noise_at(self, seconds: float) -> float:
        """Noise of the rate of one integration of some seconds on an empty pixel.

        Poisson variance falls as 1/t, that of reads as t^-3 (dossier 5).
        """
        poisson, read = self.variances
        held = float(np.median(self.seconds))
        share = held / seconds
        return self.noise_factor * float(np.sqrt(poisson * share + read * share**3))


def _histogram(sigma: Array) -> tuple[Array, Array]:
    """Counts and centres of the filled bins, even in the logarithm; what is not positive is not."""
    logs = np.log(sigma[(sigma > 0) & (sigma < np.inf)])
    if not logs.size:
        return np.zeros(0), np.ones(0)
    low, high = float(logs.min()), float(logs.max()) + 1e-6
    counts, edges = np.histogram(logs, _BINS, (low, high))
    return counts[counts > 0], np.exp(0.5 * (edges[1:] + edges[:-1]))[counts > 0]
