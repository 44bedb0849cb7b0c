"""The spatial profile of a source, measured from its own spectral image.

Distance from the trace is what the profile depends on, and slowly the column: a cubic spline in
the one, its coefficients polynomials in the other. Where the trace moves against the pixels, each
column adds another phase to the spline.

Source: Horne 1986, PASP 98, 609, section IIa; Marsh 1989, PASP 101, 1032; dossier section 8 (2).
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import contiguous
from jwinteractive.kernels.extract_box import smoothed_rows

__all__ = ["empirical_profile"]

_DEGREE = 3
_ROUNDS = 3
_ERROR = 0.02  # of the spline, as a share of the light: cores of bright sources are no outliers
_COARSE_ERROR = 0.2  # of medians at whole pixels
_COLUMNS = 51  # that a variance is averaged over
_SMOOTH = 1e-6  # penalty on third differences: a straight trace leaves splines between pixels free


def empirical_profile(
    image: Array,
    trace: ArrayLike,
    reach: float,
    variance: Array | None = None,
    order: int = 2,
    knot_spacing: float = 1.0,
    sigma: float = 5.0,
) -> Array:
    """Profile [y, x], float64, 0 or more.

    Its sum over a column is 1, with the rows beyond the image that some other column has seen.

    Parameters
    ----------
    image
        One source without its background, dispersed along x; a mean of integrations is best. What
        is not finite is missing.
    trace
        Centre y of each column, or one for all.
    reach
        Pixels on each side of the trace that the profile has.
    variance
        Of the pixels; by default all have the same.
    order
        Of the change along x: 0 for the same profile in all columns.
    knot_spacing
        Pixels between knots of the spline; less than 1 only where the trace is inclined.
    sigma
        Standard deviations from which on pixels are left out; 0 for none.

    Raises
    ------
    InputError
        If shapes do not agree, a parameter is out of range, the trace is off the image, or no
        column has light.
    """
    ny, nx = image.shape
    centre = np.broadcast_to(np.asarray(trace, np.float64), (nx,))
    if variance is not None and variance.shape != image.shape:
        raise InputError(f"variance {variance.shape}: must have the shape of the image, {(ny, nx)}")
    if not reach >= 1 or not 0 <= order <= 6 or not knot_spacing > 0:
        raise InputError(
            f"reach = {reach}, order = {order}, knot_spacing = {knot_spacing}: must be at least 1, "
            "0 to 6, and more than 0"
        )
    low = int(np.floor(np.nanmin(centre) - reach)) if np.isfinite(centre).any() else ny
    high = int(np.ceil(np.nanmax(centre) + reach)) + 1 if low < ny else ny
    if low >= ny or high <= 0:
        raise InputError(
            f"trace at y = {np.nanmean(centre) if low < ny else np.nan:.1f} has no pixel of the "
            f"image of {ny} rows: move it onto the image"
        )
    rows = np.arange(low, high)
    away = rows[:, None] - centre
    near = np.abs(away) <= reach
    data = np.full(away.shape, np.nan)
    noise = np.ones(away.shape)
    inside = slice(max(low, 0), min(high, ny))
    here = slice(inside.start - low, inside.stop - low)
    data[here] = image[inside]
    if variance is not None:
        noise[here] = _smooth(variance)[inside]
    good = near & np.isfinite(data) & np.isfinite(noise) & (noise > 0)
    if good.any():  # the spline is free where no column has a pixel
        near &= (away >= away[good].min()) & (away <= away[good].max())
    pixels = _Pixels(away, near, good, data, noise, variance is not None)
    flux = np.where(good, data, 0).sum(axis=0)
    profile = _coarse(pixels, flux, reach)
    kept = good
    for i in range(_ROUNDS):
        flux = _flux(pixels, kept, profile)
        if sigma > 0:
            kept = _alike(pixels, profile, flux, sigma, _ERROR if i else _COARSE_ERROR)
            flux = _flux(pixels, kept, profile)
        profile = _normal(_spline(pixels, kept, flux, reach, order, knot_spacing))
    found = np.zeros((ny, nx))
    found[inside] = profile[here]
    return found


@dc.dataclass(frozen=True, eq=False, slots=True)
class _Pixels:
    """Rows around the trace, also those beyond the image, [row, x]."""

    away: Array
    near: Array
    good: Array
    data: Array
    noise: Array
    sure: bool  # whether the noise is known


def _normal(light: Array) -> Array:
    total = light.sum(axis=0)
    found: Array = np.divide(light, total, out=np.zeros(light.shape), where=total > 0)
    return found


def _coarse(pixels: _Pixels, flux: Array, reach: float) -> Array:
    """Medians, at whole pixels from the trace, of the brighter half of the columns [row, x].

    Hits do not move it, and it tells what they are.

    Raises
    ------
    InputError
        If no column has light.
    """
    if not np.any(flux > 0):
        raise InputError("image has no column of positive flux along the trace: check the trace")
    bright = pixels.good & (flux >= np.median(flux[flux > 0]))
    share = pixels.data / np.where(flux > 0, flux, np.nan)
    steps = np.arange(-int(np.ceil(reach)), int(np.ceil(reach)) + 1)
    level, at = np.zeros(len(steps)), steps.astype(np.float64)
    nearest = np.rint(pixels.away)
    for k, step in enumerate(steps):
        some = bright & (nearest == step)
        if some.any():
            level[k] = max(float(np.median(share[some])), 0)
            at[k] = np.mean(pixels.away[some])  # a straight trace has one place in a pixel
    return _normal(np.where(pixels.near, np.interp(pixels.away, at, level), 0))


def _flux(pixels: _Pixels, kept: Array, profile: Array) -> Array:
    share = np.where(kept, profile / pixels.noise, 0)
    square = (share * profile).sum(axis=0)
    product = np.where(kept, share * pixels.data, 0).sum(axis=0)
    found: Array = np.divide(product, square, out=np.zeros(square.shape), where=square > 0)
    return found


def _alike(pixels: _Pixels, profile: Array, flux: Array, sigma: float, error: float) -> Array:
    """Good pixels [row, x] that are what a profile says within its error and the noise."""
    model = profile * flux
    good = pixels.good
    off = np.where(good, pixels.data - model, 0)
    # without variances the scatter itself is the measure
    unit = 1.0 if pixels.sure else 1.4826 * float(np.median(np.abs(off[good])))
    kept: Array = good & (off**2 <= sigma**2 * (unit**2 * pixels.noise + (error * model) ** 2))
    return kept


def _smooth(variance: Array) -> Array:
    """Variance [y, x] averaged along x: that of a pixel follows its own noise."""
    smooth = np.empty(variance.shape, np.float32)
    smoothed_rows(contiguous(variance, np.float32), _COLUMNS, smooth)
    return np.where(np.isfinite(variance), smooth, np.nan)


def _spline(
    pixels: _Pixels, kept: Array, flux: Array, reach: float, order: int, spacing: float
) -> Array:
    """Spline of the pixels over the flux of their column, 0 or more, at all near ones [row, x].

    Raises
    ------
    InputError
        If no column has light.
    """
    from scipy.interpolate import BSpline

    pieces = max(int(np.ceil(2 * reach / spacing)), 1)
    inner = np.linspace(-reach, reach, pieces + 1)
    step = inner[1] - inner[0]
    knots = np.concatenate(
        [inner[0] + step * np.arange(-_DEGREE, 0), inner, inner[-1] + step * np.arange(1, 4)]
    )
    count = len(knots) - _DEGREE - 1
    columns = np.broadcast_to(np.linspace(-1, 1, pixels.away.shape[1]), pixels.away.shape)
    use = kept & (flux > 0)
    if not use.any():
        raise InputError("image has no column of positive flux along the trace: check the trace")
    light = np.broadcast_to(flux, pixels.away.shape)[use]
    weight = light**2 / pixels.noise[use]
    basis: Any = BSpline.design_matrix(pixels.away[use], knots, _DEGREE)
    powers = columns[use][:, None] ** np.arange(order + 1)
    value = pixels.data[use] / light
    terms = order + 1
    normal = np.zeros((terms, count, terms, count))
    right = np.zeros((terms, count))
    for j in range(terms):
        right[j] = basis.T @ (weight * powers[:, j] * value)
        for k in range(j + 1):
            product = weight * powers[:, j] * powers[:, k]
            block = (basis.T @ basis.multiply(product[:, None])).toarray()
            normal[j, :, k, :] = block
            normal[k, :, j, :] = block.T
    bend = np.diff(np.eye(count), n=3, axis=0)
    scale = _SMOOTH * float(normal[0, :, 0, :].trace()) / count
    for j in range(terms):
        normal[j, :, j, :] += scale * (bend.T @ bend)
        normal[j, :, j, :] += 1e-9 * scale * np.eye(count)
    solved = np.linalg.solve(normal.reshape(terms * count, -1), right.ravel())
    every: Any = BSpline.design_matrix(pixels.away[pixels.near], knots, _DEGREE)
    by_power = every @ solved.reshape(terms, count).T
    found = np.zeros(pixels.away.shape)
    found[pixels.near] = (by_power * columns[pixels.near][:, None] ** np.arange(terms)).sum(axis=1)
    return np.maximum(found, 0)
