"""The spatial profile of a source, measured from its own spectral image.

Distance from the trace is what the profile depends on, and slowly the column: a cubic spline in
the one, its coefficients polynomials in the other. Where the trace moves against the pixels, each
column adds another phase to the spline.

Source: Horne 1986, PASP 98, 609, section IIa; Marsh 1989, PASP 101, 1032; dossier section 8 (2).
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import contiguous
from jwinteractive.kernels.extract_box import smoothed_rows
from jwinteractive.kernels.extract_profile import alike, column_flux, spline_sums, spline_values

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
        noise[here] = _smooth(variance[inside])
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
        profile = _spline(pixels, kept, flux, reach, order, knot_spacing)
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
    reached = int(np.ceil(reach))
    at = np.arange(-reached, reached + 1).astype(np.float64)
    level = np.zeros(len(at))
    away = pixels.away[bright]
    share = (pixels.data / np.where(flux > 0, flux, np.nan))[bright]
    nearest = np.rint(away).astype(np.int16)
    order = np.argsort(nearest, kind="stable")  # of small integers: in one sweep
    ends = np.searchsorted(nearest[order], np.arange(-reached, reached + 2))
    for k in range(len(at)):
        some = order[ends[k] : ends[k + 1]]
        if some.size:
            level[k] = max(float(np.median(share[some])), 0)
            at[k] = np.mean(away[some])  # a straight trace has one place in a pixel
    return _normal(np.where(pixels.near, np.interp(pixels.away, at, level), 0))


def _flux(pixels: _Pixels, kept: Array, profile: Array) -> Array:
    flux = np.empty(profile.shape[1])
    column_flux(profile, pixels.noise, pixels.data, kept, flux)
    return flux


def _alike(pixels: _Pixels, profile: Array, flux: Array, sigma: float, error: float) -> Array:
    """Good pixels [row, x] that are what a profile says within its error and the noise."""
    unit = 1.0
    if not pixels.sure:  # then the scatter itself is the measure
        off = (pixels.data - profile * flux)[pixels.good]
        unit = 1.4826 * float(np.median(np.abs(off)))
    kept = np.empty(profile.shape, np.bool_)
    alike(profile, flux, pixels.data, pixels.noise, pixels.good, unit, sigma, error, kept)
    return kept


def _smooth(variance: Array) -> Array:
    """Variance [y, x] averaged along x: that of a pixel follows its own noise."""
    smooth = np.empty(variance.shape, np.float32)
    smoothed_rows(contiguous(variance, np.float32), _COLUMNS, smooth)
    return np.where(np.isfinite(variance), smooth, np.nan)


def _spline(
    pixels: _Pixels, kept: Array, flux: Array, reach: float, order: int, spacing: float
) -> Array:
    """Spline of the pixels over the flux of their column, 0 or more, sums of 1, [row, x].

    Raises
    ------
    InputError
        If no column has light.
    """
    from scipy.linalg import solve_banded

    if not np.any(kept & (flux > 0)):
        raise InputError("image has no column of positive flux along the trace: check the trace")
    pieces = max(int(np.ceil(2 * reach / spacing)), 1)
    count, step, terms = pieces + _DEGREE, 2 * reach / pieces, order + 1
    moments = np.zeros((pieces, 2 * order + 1, _DEGREE + 1, _DEGREE + 1))
    right = np.zeros((pieces, terms, _DEGREE + 1))
    spline_sums(pixels.away, kept, flux, pixels.noise, pixels.data, reach, step, moments, right)
    # equations by spline, then by power along x: a band of blocks
    side = np.zeros((count, terms))
    blocks = np.zeros((_DEGREE + 1, count, 2 * order + 1))  # of a spline and those after it
    for a in range(_DEGREE + 1):
        side[a : a + pieces] += right[:, :, a]
        for b in range(a, _DEGREE + 1):
            blocks[b - a, a : a + pieces] += moments[:, :, a, b]
    bend = np.diff(np.eye(count), n=3, axis=0)
    scale = _SMOOTH * float(blocks[0, :, 0].sum()) / count
    stiff = scale * (bend.T @ bend + 1e-9 * np.eye(count))
    width = (_DEGREE + 1) * terms - 1
    band = np.zeros((2 * width + 1, count, terms))  # row - column, column
    for d in range(_DEGREE + 1):
        own = slice(0, count - d)
        for j in range(terms):
            for m in range(terms):
                values = blocks[d, own, j + m] + (np.diagonal(stiff, d) if j == m else 0)
                band[width - d * terms + j - m, d:, m] = values
                band[width + d * terms + m - j, own, j] = values
    flat = band.reshape(2 * width + 1, -1)
    solved = solve_banded((width, width), flat, side.ravel()).reshape(count, terms)
    profile = np.empty(pixels.away.shape)
    spline_values(pixels.away, pixels.near, reach, step, solved, profile)
    return profile
