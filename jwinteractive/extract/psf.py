"""Shapes of light across the dispersion: the share of a pixel, by its distance from the trace.

A share is already integrated over the pixel. Shares of whole pixels sum to 1 wherever the trace
lies between them.

Source: dossier section 8 (3).
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = ["GaussianPsf", "Psf", "SplinePsf", "measured_psf"]

_DEGREE = 3
# penalty on sums over whole pixels that differ, and on wings over a background that do not end at
# 0: fluxes of columns may take neither
_EVEN = 10.0
_PHASES = 20  # that they are compared at
_SMOOTH = 1e-6  # penalty on third differences: phases that no pixel has are bridged


class Psf(Protocol):
    """What forward extraction asks of a shape."""

    def shares(self, away: Array, wavelength: Array, scale: float = 1.0) -> Array:
        """Share of pixels at some distances and wavelengths, of a shape widened by a factor."""
        ...


@dc.dataclass(frozen=True, slots=True)
class GaussianPsf:
    """A Gaussian of a standard deviation that is a polynomial of the wavelength, lowest first."""

    sigma: tuple[float, ...]

    def shares(self, away: Array, wavelength: Array, scale: float = 1.0) -> Array:
        """As `Psf` has it."""
        from scipy.special import erf

        width = np.polynomial.polynomial.polyval(wavelength, self.sigma) * scale * np.sqrt(2)
        found: Array = 0.5 * (erf((away + 0.5) / width) - erf((away - 0.5) / width))
        return found


@dc.dataclass(frozen=True, eq=False, slots=True)
class SplinePsf:
    """A cubic spline in the distance, its coefficients polynomials in the wavelength.

    Parameters
    ----------
    knots
        Of the spline, in pixels, [basis + 4].
    coefficients
        [power, basis], of the wavelength from -1 to 1 in ``span``.
    span
        Least and most wavelength.
    """

    knots: Array
    coefficients: Array
    span: tuple[float, float]

    def shares(self, away: Array, wavelength: Array, scale: float = 1.0) -> Array:
        """As `Psf` has it; 0 beyond the knots."""
        from scipy.interpolate import BSpline

        low, high = self.knots[_DEGREE], self.knots[-_DEGREE - 1]
        at = away / scale
        inside = (at >= low) & (at <= high)
        powers = self._powers(wavelength)
        basis: Any = BSpline.design_matrix(np.clip(at, low, high).ravel(), self.knots, _DEGREE)
        terms = (basis @ self.coefficients.T).reshape(*away.shape, -1)
        area = powers @ self._areas()
        found = (terms * powers).sum(axis=-1) / area / scale
        return np.where(inside, found, 0)

    def _powers(self, wavelength: Array) -> Array:
        low, high = self.span
        at = np.clip(2 * (wavelength - low) / (high - low) - 1 if high > low else 0, -1, 1)
        found: Array = np.asarray(at)[..., None] ** np.arange(len(self.coefficients))
        return found

    def _areas(self) -> Array:
        """Integral of the spline of each power, within the knots that count."""
        from scipy.interpolate import BSpline

        low, high = self.knots[_DEGREE], self.knots[-_DEGREE - 1]
        found: Array = np.array(
            [BSpline(self.knots, row, _DEGREE).integrate(low, high) for row in self.coefficients]
        )
        return found

    @classmethod
    def of_table(cls, away: ArrayLike, shares: ArrayLike) -> SplinePsf:
        """Shape through given shares at given distances, the same at all wavelengths.

        Raises
        ------
        InputError
            If distances do not rise, or shares do not sum to more than 0.
        """
        from scipy.interpolate import make_interp_spline

        at, values = np.asarray(away, np.float64), np.asarray(shares, np.float64)
        if at.ndim != 1 or at.shape != values.shape or len(at) < 4 or not np.all(np.diff(at) > 0):
            raise InputError(
                f"PSF of {at.shape} distances and {values.shape} shares: must be 4 or more that "
                "rise, and a share for each"
            )
        if not np.isfinite(values).all() or not np.trapezoid(values, at) > 0:
            raise InputError("PSF has no light: shares must be finite and of a positive sum")
        spline = make_interp_spline(at, values, _DEGREE)
        return cls(spline.t, spline.c[None], (0.0, 1.0))


def measured_psf(
    away: Array,
    wavelength: Array,
    light: Array,
    flux: Array,
    weight: Array,
    reach: float,
    spacing: float = 0.5,
    order: int = 1,
    background: int = -1,
) -> SplinePsf:
    """Shape that pixels of known flux have, all [pixel].

    Parameters
    ----------
    away, wavelength
        Distance from the trace in pixels, and wavelength.
    light, flux
        Values without background, and the flux that the shape shares out.
    weight
        Inverse variances of the values.
    reach
        Pixels to both sides that the shape has.
    spacing
        Pixels between knots.
    order
        Of the change with wavelength.
    background
        Order of the one that was fitted beside; -1 for none. What of it is in proportion to the
        flux is not told from the wings of the shape, which therefore end at 0.

    Raises
    ------
    InputError
        If no pixel has light.
    """
    from scipy.interpolate import BSpline

    use = (weight > 0) & (np.abs(away) <= reach) & (flux > 0)
    if not use.any():
        raise InputError("pixels have no light to measure a PSF from: check trace and mask")
    pieces = max(int(np.ceil(2 * reach / spacing)), 1)
    step = 2 * reach / pieces
    knots = -reach + step * np.arange(-_DEGREE, pieces + _DEGREE + 1)
    count, terms = len(knots) - _DEGREE - 1, order + 1
    span = float(wavelength[use].min()), float(wavelength[use].max())
    blank = SplinePsf(knots, np.zeros((terms, count)), span)
    powers = blank._powers(wavelength[use])
    basis: Any = BSpline.design_matrix(away[use], knots, _DEGREE)
    square = weight[use] * flux[use] ** 2
    cross = weight[use] * flux[use] * light[use]
    normal, right = np.zeros((terms, count, terms, count)), np.zeros((terms, count))
    for j in range(terms):
        right[j] = basis.T @ (cross * powers[:, j])
        for k in range(j + 1):
            product = square * powers[:, j] * powers[:, k]
            block = (basis.T @ basis.multiply(product[:, None])).toarray()
            normal[j, :, k], normal[k, :, j] = block, block.T
    even = _uneven(knots, count, reach)
    even = even.T @ even
    bend = np.diff(np.eye(count), n=3, axis=0)
    scale = _SMOOTH * float(normal[0, :, 0].trace()) / count
    for j in range(terms):
        normal[j, :, j] += scale * (bend.T @ bend + 1e-9 * np.eye(count))
        normal[j, :, j] += _EVEN * float(normal[0, :, 0].trace()) / count * even
    if background >= 0:
        ends = _ends(knots, reach, background)
        for j in range(terms):
            normal[j, :, j] += _EVEN * float(normal[0, :, 0].trace()) / count * (ends.T @ ends)
    solved = np.linalg.solve(normal.reshape(terms * count, -1), right.ravel())
    return SplinePsf(knots, solved.reshape(terms, count), span)


def _ends(knots: Array, reach: float, order: int) -> Array:
    """Basis functions in the outermost pixels at all phases, or their means of both sides."""
    from scipy.interpolate import BSpline

    at = reach - np.linspace(0, 1, _PHASES)
    low, high = (
        BSpline.design_matrix(np.sort(side), knots, _DEGREE).toarray() for side in (-at, at)
    )
    return np.concatenate([low, high]) if order > 0 else (low[::-1] + high) / 2


def _uneven(knots: Array, count: int, reach: float) -> Array:
    """Sum of each basis function over whole pixels, less its mean of all phases, [phase, basis]."""
    from scipy.interpolate import BSpline

    sums = np.zeros((_PHASES, count))
    for k in range(_PHASES):
        at = np.arange(-np.ceil(reach), np.ceil(reach) + 1) + k / _PHASES
        at = at[np.abs(at) <= reach]
        basis: Any = BSpline.design_matrix(at, knots, _DEGREE)
        sums[k] = basis.toarray().sum(axis=0)
    found: Array = sums - sums.mean(axis=0)
    return found
