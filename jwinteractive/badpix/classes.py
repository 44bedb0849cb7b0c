"""Classes of bad pixels, by thresholds in units of noise, and how many are expected by chance.

Source: dossier 5. A threshold on the excess over the surroundings is a multiple of the noise of a
single integration at the reference depth of a level; whether the excess is real is told by its own
noise, that of the median over all exposures.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Interval

from jwinteractive.badpix.chance import (
    above,
    median_factors,
    scatter_chance,
    scatter_cuts,
    typical_scatter,
)
from jwinteractive.badpix.evidence import Evidence, Tail
from jwinteractive.data import Array
from jwinteractive.params import Doc, Params, Unit

__all__ = [
    "CLASSES",
    "LEVELS",
    "BadpixParams",
    "classify",
    "expected_false",
    "level_of",
    "mirrored",
]

CLASSES = (
    "HOT",
    "WARM",
    "DEAD",
    "LOW_QE",
    "OPEN",
    "ADJ_OPEN",
    "RC",
    "TELEGRAPH",
    "UNRELIABLE_SLOPE",
    "NONLINEAR",
)
"""Names of the data-quality flags that statistics tell."""

LEVELS = {"shallow": 300.0, "medium": 1500.0, "deep": 3000.0}
"""Seconds of the deepest integrations that a level is for; a deeper level flags fainter pixels.

Near infrared: integrations below 300 s, to 1500 s, and beyond.
"""
_MIRI = {"shallow": 50 * 2.775, "medium": 125 * 2.775, "deep": 50 * 23.89}
# FASTR1 below 50 groups, FASTR1 from there on, SLOWR1
_FEW = 2  # good exposures below which nothing is said


class BadpixParams(Params):
    """Thresholds of `classify`."""

    level: Annotated[
        Literal["auto", "shallow", "medium", "deep"],
        Doc("Depth of the integrations that the mask is for; auto: that of the exposures"),
    ] = "auto"
    hot: Annotated[
        float, Interval(ge=1, le=1000), Unit("sigma"), Doc("Excess of hot pixels, at the level")
    ] = 10.0
    warm: Annotated[
        float, Interval(ge=0, le=100), Unit("sigma"), Doc("Excess of warm pixels, at the level")
    ] = 3.0
    significance: Annotated[
        float,
        Interval(ge=2, le=20),
        Unit("sigma"),
        Doc("How sure a difference must be; 5 lets about one false pixel of a full frame pass"),
    ] = 5.0
    steady: Annotated[
        float,
        Interval(ge=0, le=10),
        Unit("sigma"),
        Doc("Excess in units of the scatter found between the exposures that is asked for, too"),
    ] = 2.0
    sharp: Annotated[
        float,
        Interval(ge=1, le=100),
        Doc("Excess over that of the second brightest neighbour, where there is any: a source"),
    ] = 5.0
    dead: Annotated[float, Interval(ge=0, le=0.5), Doc("Response of dead pixels, at most")] = 0.05
    low_qe: Annotated[
        float, Interval(ge=0, le=0.95), Doc("Response of pixels of low efficiency, at most")
    ] = 0.8
    open_sigma: Annotated[
        float,
        Interval(ge=2, le=20),
        Unit("sigma"),
        Doc("Excess of the four neighbours of an open pixel, taken together"),
    ] = 3.0
    rc: Annotated[
        float, Interval(ge=1, le=10), Doc("Rate in the first third of the ramp over the last")
    ] = 1.5
    telegraph: Annotated[
        float,
        Interval(ge=0, le=1000),
        Doc("Difference of the Bayesian information criterion in favour of two levels"),
    ] = 20.0
    switching: Annotated[
        float, Interval(ge=0, le=0.5), Doc("Share of switches among the group differences")
    ] = 0.01
    unreliable: Annotated[
        float,
        Interval(ge=1, le=100),
        Unit("sigma"),
        Doc("Scatter between exposures, in units of that of the noise"),
    ] = 3.0
    misfit: Annotated[
        float, Interval(ge=0, le=1), Doc("Share of the exposures whose chi2 must fail")
    ] = 0.3
    nonlinear: Annotated[
        float, Interval(ge=2, le=100), Unit("sigma"), Doc("Mean curvature of the ramps")
    ] = 5.0


def level_of(evidence: Evidence) -> str:
    """Name of the level that the exposures themselves belong to."""
    e = evidence.exposure
    if e.instrument == "MIRI":
        return "deep" if e.readpatt == "SLOWR1" else "shallow" if e.ngroups < 50 else "medium"
    seconds = float(np.median(evidence.seconds))
    return "shallow" if seconds < 300 else "medium" if seconds <= 1500 else "deep"


def _noise(evidence: Evidence, params: BadpixParams) -> float:
    """Noise of a single integration at the reference depth of the level."""
    table = _MIRI if evidence.exposure.instrument == "MIRI" else LEVELS
    level = level_of(evidence) if params.level == "auto" else params.level
    return evidence.noise_at(table[level])


def classify(evidence: Evidence, params: BadpixParams | None = None) -> dict[str, Array]:
    """Bad pixels by class, bool [y, x] each; what ramps tell is empty without them."""
    p = params if params is not None else BadpixParams()
    shape = evidence.shape
    found = {name: np.zeros(shape, bool) for name in CLASSES}
    factors = median_factors(len(evidence.names))
    noise = _noise(evidence, p)
    tail = evidence.above
    warm = _real(tail, p, factors) & (tail.significance * tail.sigma > p.warm * noise)
    hot = warm & (tail.significance * tail.sigma > p.hot * noise)
    found["HOT"].flat[tail.at[hot]] = True
    found["WARM"].flat[tail.at[warm & ~hot]] = True
    _unresponsive(evidence, p, factors, found)
    cuts = _scatter_cuts(evidence, p)
    found["UNRELIABLE_SLOPE"] |= evidence.spread > cuts[evidence.good]
    ramps = evidence.ramps
    if ramps is not None:
        found["RC"] |= (ramps.decay >= p.rc) & (ramps.decay_sigma > p.significance)
        found["TELEGRAPH"] |= (ramps.telegraph > p.telegraph) & (ramps.switching >= p.switching)
        found["UNRELIABLE_SLOPE"] |= ramps.misfit >= max(p.misfit, 1e-6)
        found["NONLINEAR"] |= (np.abs(ramps.curvature) > p.nonlinear) & ~found["RC"]
    return found


def _real(tail: Tail, p: BadpixParams, factors: Array) -> Array:
    """Which differences are sure, the same in most exposures, and no light that spreads."""
    excess = tail.significance * tail.sigma
    real = (tail.significance > p.significance) & (tail.good >= _FEW)
    real &= excess > p.steady * tail.scatter * np.sqrt(factors[tail.good])
    spreads = (tail.beside > 2 * tail.sigma) & (p.sharp * tail.beside > excess)
    return np.asarray(real & ~spreads)


def _unresponsive(
    evidence: Evidence, p: BadpixParams, factors: Array, found: dict[str, Array]
) -> None:
    """Dead, insensitive and open pixels; the bright neighbours of open ones are no warm ones."""
    response, noise = evidence.response, evidence.response_sigma
    lacking = (1 - response) > p.significance * noise  # False for NaN
    lacking &= response < np.maximum(np.float32(p.low_qe), p.dead + 2 * noise)
    candidates = np.flatnonzero(lacking)
    tail = evidence.below
    seen = np.isin(candidates, tail.at[_real(tail, p, factors)], assume_unique=True)
    candidates = candidates[seen | (noise.ravel()[candidates] == 0)]
    y, x = np.divmod(candidates, evidence.shape[1])
    around = _neighbours(y, x, evidence.shape)
    excess = np.nan_to_num([evidence.significance[at] for at in around])
    high = excess > 0
    is_open = (high.sum(axis=0) >= 3) & (excess.sum(axis=0) > 2 * p.open_sigma)
    value, error = response[y, x], noise[y, x]
    is_dead = (value < p.dead + 2 * error) & ~is_open
    found["OPEN"][y[is_open], x[is_open]] = True
    found["DEAD"][y[is_dead], x[is_dead]] = True
    low = ~is_open & ~is_dead & (value < p.low_qe)
    found["LOW_QE"][y[low], x[low]] = True
    for (j, i), bright in zip(around, high & is_open, strict=True):
        found["ADJ_OPEN"][j[bright], i[bright]] = True
    for name in ("HOT", "WARM"):
        found[name] &= ~found["ADJ_OPEN"]


def _neighbours(y: Array, x: Array, shape: tuple[int, int]) -> list[tuple[Array, Array]]:
    """The four neighbours; at an edge the pixel itself, which is not high, stands for a missing."""
    ny, nx = shape
    steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
    return [(np.clip(y + a, 0, ny - 1), np.clip(x + b, 0, nx - 1)) for a, b in steps]


def _scatter_cuts(evidence: Evidence, p: BadpixParams) -> Array:
    """Smallest sum of squared deviations that is no chance and matters, by good exposures."""
    depth = len(evidence.names)
    matters = p.unreliable**2 * typical_scatter(depth)
    cuts: Array = np.fmax(scatter_cuts(depth, p.significance), matters)
    return cuts.astype(np.float32)


def expected_false(evidence: Evidence, params: BadpixParams | None = None) -> dict[str, float]:
    """Number of good pixels that Gaussian noise alone puts into each class.

    Only thresholds on noise are counted; what is asked for beside (a steady, sharp excess) makes
    false flags rarer. `mirrored` counts what is there. NaN where the class cannot be told.
    """
    from scipy.special import erfc
    from scipy.stats import chi2

    p = params if params is not None else BadpixParams()
    counts, sigma = evidence.noises
    noise, total = _noise(evidence, p), float(counts.sum())

    def passing(limit: Array) -> float:
        needed = np.maximum(p.significance, limit)
        return float((counts * 0.5 * erfc(needed / np.sqrt(2))).sum())

    hot = passing(p.hot * noise / sigma)
    false: dict[str, float] = dict.fromkeys(CLASSES, float("nan"))
    false["HOT"] = hot
    false["WARM"] = max(0.0, passing(p.warm * noise / sigma) - hot)
    if evidence.response_from:
        lit, by = evidence.lit_noises
        needed = np.maximum(p.significance, (1 - p.low_qe) / by)
        dead = np.maximum(p.significance, (1 - p.dead) / by - 2)
        lacking = lit * 0.5 * erfc(needed / np.sqrt(2))
        false["LOW_QE"] = float(lacking.sum())
        false["DEAD"] = float((lit * 0.5 * erfc(dead / np.sqrt(2))).sum())
        false["OPEN"] = float(lacking.sum()) * above(p.open_sigma)
        false["ADJ_OPEN"] = 3 * false["OPEN"]
    depth = len(evidence.names)
    chance = scatter_chance(depth, _scatter_cuts(evidence, p))
    false["UNRELIABLE_SLOPE"] = float(np.dot(evidence.depths[_FEW:], chance[_FEW:]))
    if evidence.ramps is not None:
        false["RC"] = total * above(p.significance)
        reads = max(2, evidence.exposure.ngroups - 1) * depth
        false["TELEGRAPH"] = total * float(chi2.sf(p.telegraph + 2 * np.log(reads), 2))
        false["NONLINEAR"] = 2 * total * above(p.nonlinear)
    return false


def mirrored(evidence: Evidence, params: BadpixParams | None = None) -> dict[str, float]:
    """Pixels as far *below* their surroundings as hot and warm ones are above: noise, as it is.

    What bad pixels do to the other side is in it, too, where it is not known for a low response:
    an upper limit of false flags that knows nothing of Gaussians.
    """
    p = params if params is not None else BadpixParams()
    tail, noise = evidence.below, _noise(evidence, p)
    real = _real(tail, p, median_factors(len(evidence.names))) & ~tail.low
    excess = tail.significance * tail.sigma
    hot = float(np.count_nonzero(real & (excess > p.hot * noise)))
    return {"HOT": hot, "WARM": float(np.count_nonzero(real & (excess > p.warm * noise))) - hot}
