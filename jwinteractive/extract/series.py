"""Light curves of extracted time series: white light, what it depends on, and its true scatter.

Apertures and profiles stay as they are through a visit; how the trace moved beneath them is a
covariate, fitted to the light curve beside powers of time.

Source: dossier section 8 (6).
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.spectra import Spectra

__all__ = ["Detrended", "LightCurve", "detrended", "white_light"]

_CLIPS = 5
_SIGMA = 5.0  # from which on an integration does not shape the trend


@dc.dataclass(frozen=True, eq=False, slots=True)
class LightCurve:
    """Flux of each integration, [n], its error, and the scatter that there is.

    Parameters
    ----------
    flux, error
        In the unit of the pixels; NaN where no column is known.
    scatter
        From differences of neighbours, robust: slow changes do not count.
    expected
        The scatter that the errors tell.
    """

    flux: Array
    error: Array
    scatter: float
    expected: float

    @property
    def ratio(self) -> float:
        """Scatter over the expected: 1 where the errors are true."""
        return self.scatter / self.expected if self.expected > 0 else np.nan


@dc.dataclass(frozen=True, eq=False, slots=True)
class Detrended:
    """A light curve over what was fitted to it.

    Parameters
    ----------
    curve
        Flux and error over the trend: 1 outside of a transit.
    trend
        What was fitted, [n], in the unit of the flux.
    coefficients, errors
        Relative change of the flux per unit of each covariate, by name.
    """

    curve: LightCurve
    trend: Array
    coefficients: dict[str, float]
    errors: dict[str, float]


def white_light(
    spectra: Spectra, columns: tuple[int, int] | None = None, source: int = 0
) -> LightCurve:
    """Sum over columns, first to last (both count), or over all that every integration has.

    A column that an integration lacks takes the mean of the others there, in proportion, if half of
    all integrations have it: a bad pixel makes no dip.

    Raises
    ------
    InputError
        If there is no such source or column, or nothing is known in them.
    """
    count, sources, nx = spectra.flux.shape
    if not 0 <= source < sources:
        raise InputError(f"source = {source}: must be 0 to {sources - 1}")
    first, last = (0, nx - 1) if columns is None else columns
    if not 0 <= first <= last < nx:
        raise InputError(f"columns {first} to {last}: must lie within 0 to {nx - 1}, in order")
    flux = spectra.flux[:, source, first : last + 1]
    variance = spectra.variances[:, source, :, first : last + 1].sum(axis=1)
    good = np.isfinite(flux) & np.isfinite(variance)
    often = good.sum(axis=0) > 0.5 * count
    if not often.any():
        raise InputError(f"columns {first} to {last} have no flux in half of the integrations")
    good &= often
    total = np.where(good, flux, 0).sum(axis=1)
    mean = np.divide(
        np.where(good, flux, 0).sum(axis=0),
        good.sum(axis=0),
        out=np.zeros(good.shape[1]),
        where=often,
    )
    seen = (good * mean).sum(axis=1)
    whole = mean.sum()
    share = np.divide(whole, seen, out=np.full(count, np.nan), where=seen != 0)
    error = np.sqrt(np.where(good, variance, 0).sum(axis=1))
    return _curve(total * share, error * np.abs(share))


def detrended(
    curve: LightCurve,
    covariates: Mapping[str, Array],
    order: int = 1,
    outside: Array | None = None,
) -> Detrended:
    """Divide a light curve by its trend: 1 + covariates + powers of time.

    Parameters
    ----------
    curve
        As `white_light` has it.
    covariates
        Shift, width, or whatever else there is of each integration, [n], by name.
    order
        Of the polynomial in time; 0 for none.
    outside
        Integrations that the trend is fitted to, bool [n]: those outside of a transit. All by
        default.

    Raises
    ------
    InputError
        If a covariate has another length, or there are too few integrations.
    """
    count = len(curve.flux)
    terms = [np.linspace(-1, 1, count) ** k for k in range(order + 1)]
    use = np.isfinite(curve.flux) & (curve.error > 0)
    if outside is not None:
        if outside.shape != (count,):
            raise InputError(f"outside {outside.shape}: must have {count} integrations")
        use &= outside
    for name, values in covariates.items():
        if values.shape != (count,):
            raise InputError(f"covariate {name} {values.shape}: must have {count} integrations")
        use &= np.isfinite(values)
        known = values[np.isfinite(values)]
        terms.append(values - (known.mean() if known.size else 0))
    design = np.array(terms).T
    solved, inverse = np.zeros(len(terms)), np.zeros((len(terms), len(terms)))
    for _ in range(_CLIPS):
        if use.sum() <= len(terms):
            raise InputError(
                f"{use.sum()} integrations for {len(terms)} terms of a trend: take fewer "
                "covariates or a lower order"
            )
        weight = 1 / curve.error[use] ** 2
        part = design[use]
        scale = np.sqrt((weight[:, None] * part**2).sum(axis=0))
        scale[scale == 0] = 1
        normal = (part / scale).T @ (weight[:, None] * part / scale)
        inverse = np.linalg.pinv(normal, rcond=1e-12) / np.outer(scale, scale)
        solved = inverse @ (part.T @ (weight * curve.flux[use]))
        off = (curve.flux - design @ solved) / curve.error
        unit = max(1.4826 * float(np.median(np.abs(off[use]))), 1.0)
        kept = use & (np.abs(off) <= _SIGMA * unit)
        if kept.sum() == use.sum():
            break
        use = kept
    trend = design @ solved
    names = list(covariates)
    level = solved[0]
    errors = np.sqrt(np.diagonal(inverse))[order + 1 :] / abs(level)
    return Detrended(
        _curve(curve.flux / trend, curve.error / np.abs(trend)),
        trend,
        dict(zip(names, (solved[order + 1 :] / level).tolist(), strict=True)),
        dict(zip(names, errors.tolist(), strict=True)),
    )


def _curve(flux: Array, error: Array) -> LightCurve:
    steps = np.diff(flux)
    steps = steps[np.isfinite(steps)]
    scatter = 1.4826 * float(np.median(np.abs(steps))) / np.sqrt(2) if steps.size else np.nan
    known = error[np.isfinite(error)]
    return LightCurve(flux, error, scatter, float(np.median(known)) if known.size else np.nan)
