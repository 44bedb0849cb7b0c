"""Lines and continua read off a spectrum between two wavelengths, with errors.

Sums are over channels, those at the ends of a range in part. The continuum is a polynomial through
ranges beside the line; its error, which all channels of the line share, counts in all that is told.

Source: Sembach and Savage 1992, ApJS 83, 147 (errors of integrated lines with their continuum).
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = ["Continuum", "Line", "read_continuum", "read_line"]

_LIGHT = 299792.458  # km/s
_FWHM = float(2 * np.sqrt(2 * np.log(2)))
_JANSKY, _LIGHT_MICRONS = 1e-26, 2.99792458e14  # W/m2/Hz; um/s
_ROUNDS = 50

Range = tuple[float, float]


@dc.dataclass(frozen=True, slots=True)
class Continuum:
    """Level of a range.

    Parameters
    ----------
    level, error
        Weighted mean and its error, in the unit of the flux.
    scatter
        Robust standard deviation of channels about a straight line.
    expected
        The scatter that the errors tell; NaN if they are not known.
    channels
        How many count.
    """

    level: float
    error: float
    scatter: float
    expected: float
    channels: int

    @property
    def ratio(self) -> float:
        """Scatter over the expected: 1 where errors are true and nothing wiggles."""
        return self.scatter / self.expected if self.expected > 0 else np.nan

    @property
    def signal_to_noise(self) -> float:
        """Level over the scatter of a channel."""
        return self.level / self.scatter if self.scatter > 0 else np.nan


@dc.dataclass(frozen=True, slots=True)
class Line:
    """What a line is; wavelengths in um.

    Parameters
    ----------
    flux, flux_error
        Above the continuum, in the unit of the spectrum times um; negative in absorption.
    width, width_error
        Equivalent width: negative in emission.
    centroid, centroid_error
        Mean wavelength of the light that is not continuum.
    fwhm, fwhm_error
        Of the Gaussian that fits best, the channel taken off; NaN if none fits.
    continuum, continuum_error
        Under the middle of the line.
    measured
        Whether errors are given; else they are from the scatter of the continuum.
    missing
        Channels in the line without a value: filled between their neighbours.
    """

    flux: float
    flux_error: float
    width: float
    width_error: float
    centroid: float
    centroid_error: float
    fwhm: float
    fwhm_error: float
    continuum: float
    continuum_error: float
    measured: bool
    missing: int

    @property
    def signal_to_noise(self) -> float:
        """Flux over its error, without sign."""
        return abs(self.flux) / self.flux_error if self.flux_error > 0 else np.nan

    @property
    def velocity_width(self) -> float:
        """FWHM in km/s, of which the resolution is a part."""
        return _LIGHT * self.fwhm / self.centroid

    @property
    def watts(self) -> tuple[float, float]:
        """Flux and its error in W/m2, if the spectrum is in Jy."""
        scale = _JANSKY * _LIGHT_MICRONS / self.centroid**2
        return self.flux * scale, self.flux_error * scale


def read_continuum(wavelength: Array, flux: Array, error: Array | None, within: Range) -> Continuum:
    """Level between two wavelengths.

    Raises
    ------
    InputError
        If shapes do not agree, or the range has fewer than three channels with a value.
    """
    at, values, noise = _sorted(wavelength, flux, error)
    good = _inside(at, within) & np.isfinite(values)
    if good.sum() < 3:
        raise InputError(
            f"range {within[0]:.6g} to {within[1]:.6g} um has {good.sum()} channels with a value: "
            "must be 3 or more: widen it"
        )
    known = bool((noise[good] > 0).all())
    middle = at[good] - at[good].mean()
    away = values[good] - np.polynomial.polynomial.polyval(
        middle, np.polynomial.polynomial.polyfit(middle, values[good], 1)
    )
    count = int(good.sum())
    scatter = 1.4826 * float(np.median(np.abs(away))) * float(np.sqrt(count / max(count - 2, 1)))
    weight = 1 / noise[good] ** 2 if known else np.full(count, 1 / max(scatter, 1e-300) ** 2)
    level = float((weight * values[good]).sum() / weight.sum())
    expected = float(np.sqrt(np.median(noise[good] ** 2))) if known else np.nan
    return Continuum(level, float(1 / np.sqrt(weight.sum())), scatter, expected, count)


def read_line(
    wavelength: Array,
    flux: Array,
    error: Array | None,
    within: Range,
    sides: Sequence[Range],
    order: int = 1,
    covariance: Array | None = None,
) -> Line:
    """Line between two wavelengths, over a continuum through ranges beside it.

    Parameters
    ----------
    wavelength, flux
        Of the spectrum, um and any unit, [channel]; wavelengths in any order.
    error
        Standard deviations; None, or not finite, if they are not known.
    within
        From and to, um.
    sides
        The ranges of the continuum, um.
    order
        Of its polynomial, 0 to 3.
    covariance
        Of channels 1, 2, ... steps apart, [step, channel], of a spectrum whose wavelengths rise, as
        `jwinteractive.extract.forward.Forward` has it from step 1 on. None for none.

    Raises
    ------
    InputError
        If shapes do not agree, a range is exchanged or has too few channels.
    """
    at, values, noise = _sorted(wavelength, flux, error)
    if not 0 <= order <= 3:
        raise InputError(f"order = {order}: must be 0 to 3")
    edges = _edges(at)
    low, high = _checked(within)
    channel = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
    inside = channel > 0
    if inside.sum() < 2 or not np.isfinite(values[inside]).any():
        raise InputError(
            f"line {low:.6g} to {high:.6g} um has {inside.sum()} channels of the spectrum: must be "
            "2 or more with a value: widen it"
        )
    beside: Array = np.zeros(len(at), np.bool_)
    for side in sides:
        beside |= _inside(at, side)
    beside &= np.isfinite(values) & ~inside
    if beside.sum() <= order + 1:
        raise InputError(
            f"continuum has {beside.sum()} channels with a value beside the line: must be more "
            f"than {order + 1}: widen its ranges"
        )
    measured = bool(np.isfinite(noise[beside]).all() and (noise[beside] > 0).all())
    middle, half = (low + high) / 2, max(float(np.ptp(at[beside])) / 2, (high - low) / 2)
    powers = ((at - middle) / half)[:, None] ** np.arange(order + 1)
    weight = 1 / noise[beside] ** 2 if measured else np.ones(int(beside.sum()))
    design = powers[beside]
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    solver = inverse @ (design.T * weight)  # continuum from channels
    solved = solver @ values[beside]
    if not measured:
        off = values[beside] - design @ solved
        noise = np.full(len(at), np.sqrt((off**2).sum() / (len(off) - order - 1)))
    level = powers @ solved
    missing = inside & ~np.isfinite(values)
    good = np.isfinite(values)
    values = np.where(missing, np.interp(at, at[good], values[good]), values)
    known = np.isfinite(noise) & (noise > 0)
    noise = np.where(known, noise, np.interp(at, at[known], noise[known]))
    line = np.where(inside, values - level, 0)

    def spread(own: Array, common: Array) -> float:
        """Error of a sum over channels: of their own noise, and of the continuum's."""
        each = np.where(inside, own, 0.0)
        each[beside] += common @ solver
        square = float((each**2 * noise**2).sum())
        for step, band in enumerate(() if covariance is None else covariance, start=1):
            pairs = each[:-step] * each[step:] * band[: len(at) - step]
            square += 2 * float(np.nansum(pairs))
        return float(np.sqrt(max(square, 0)))

    total = float((channel * line).sum())
    flux_error = spread(channel, -(channel @ powers))
    # continuum c, flux f: the width is the sum of (1 - f / c)
    ratio = np.divide(channel, level, out=np.zeros(len(at)), where=level != 0)
    width = float((channel - ratio * np.where(inside, values, 0)).sum())
    turn = np.where(inside, ratio * values / np.where(level != 0, level, 1), 0)
    width_error = spread(-ratio, turn @ powers)
    if not np.all(level[inside] > 0):
        width = width_error = np.nan
    centroid = float((channel * line * at).sum() / total) if total != 0 else np.nan
    arm = channel * (at - centroid) / total if total != 0 else np.full(len(at), np.nan)
    centroid_error = spread(arm, -(arm @ powers)) if total != 0 else np.nan
    fwhm, fwhm_error = _gaussian(at, edges, line, noise, inside)
    under = np.zeros(order + 1)
    under[0] = 1
    return Line(
        flux=total,
        flux_error=flux_error,
        width=width,
        width_error=width_error,
        centroid=centroid,
        centroid_error=centroid_error,
        fwhm=fwhm,
        fwhm_error=fwhm_error,
        continuum=float(solved[0]),
        continuum_error=spread(np.zeros(len(at)), under),
        measured=measured,
        missing=int(missing.sum()),
    )


def _gaussian(
    at: Array, edges: Array, line: Array, noise: Array, inside: Array
) -> tuple[float, float]:
    """FWHM, and its error, of a Gaussian integrated over channels; NaN if none fits."""
    from scipy.optimize import least_squares
    from scipy.special import erf

    low, high = edges[:-1][inside], edges[1:][inside]
    values, spread = line[inside], noise[inside]
    if len(values) < 4:
        return np.nan, np.nan
    peak = int(np.argmax(np.abs(values)))
    size = float(np.median(high - low))
    area = float((values * (high - low)).sum())
    start = abs(area / values[peak]) / np.sqrt(2 * np.pi) if values[peak] != 0 else size
    scale = max(abs(area), size * abs(float(values[peak])), 1e-300)
    first = [area / scale or 1.0, 0.0, np.log(max(start, size / 2) / size)]

    def off(p: Array) -> Array:
        middle, sigma = at[inside][peak] + p[1] * size, size * np.exp(np.clip(p[2], -5, 8))
        parts = [erf((edge - middle) / sigma / np.sqrt(2)) for edge in (low, high)]
        model = p[0] * scale * 0.5 * (parts[1] - parts[0]) / (high - low)
        found: Array = (values - model) / spread
        return found

    fit = least_squares(off, first, max_nfev=_ROUNDS)
    normal = fit.jac.T @ fit.jac
    if not fit.success or not np.linalg.cond(normal) < 1e12:
        return np.nan, np.nan
    fwhm = _FWHM * size * float(np.exp(fit.x[2]))
    error = fwhm * float(np.sqrt(np.linalg.inv(normal)[2, 2]))
    # wider than its range, or not told from nothing: no width
    return (fwhm, error) if fwhm < 2 * (high[-1] - low[0]) else (np.nan, np.nan)


def _sorted(wavelength: Array, flux: Array, error: Array | None) -> tuple[Array, Array, Array]:
    """Channels with a wavelength, rising; errors that are not known are NaN."""
    if wavelength.ndim != 1 or flux.shape != wavelength.shape:
        raise InputError(
            f"spectrum {flux.shape}, wavelength {wavelength.shape}: must have the same channels"
        )
    if error is not None and error.shape != flux.shape:
        raise InputError(f"error {error.shape}: must have the channels of the flux, {flux.shape}")
    noise = np.full(flux.shape, np.nan) if error is None else np.asarray(error, np.float64)
    order = np.argsort(wavelength, kind="stable")
    order = order[np.isfinite(wavelength[order])]
    if len(order) < 4:
        raise InputError(f"spectrum has {len(order)} wavelengths: must be 4 or more")
    return wavelength[order].astype(np.float64), flux[order].astype(np.float64), noise[order]


def _edges(at: Array) -> Array:
    inner = (at[1:] + at[:-1]) / 2
    return np.concatenate([[2 * at[0] - inner[0]], inner, [2 * at[-1] - inner[-1]]])


def _checked(within: Range) -> Range:
    low, high = float(within[0]), float(within[1])
    if not low < high:
        raise InputError(f"range {low:.6g} to {high:.6g} um: must rise: exchange its ends")
    return low, high


def _inside(at: Array, within: Range) -> Array:
    low, high = _checked(within)
    found: Array = (at >= low) & (at <= high)
    return found
