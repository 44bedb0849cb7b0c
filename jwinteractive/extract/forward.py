"""Forward extraction: one spectrum that explains the unresampled pixels of all dithers at once.

A pixel is the flux at its wavelength times the share that the PSF has there, plus a background.
The flux is linear between knots about a pixel apart, so that the normal equations are a narrow
band. Where the PSF lies and how wide it is are fitted for each dither, its shape is measured from
the same pixels if none is given, and hits are told by what all dithers say together. Weights are
those of a model of the noise, as `jwinteractive.extract.horne` has them.

Without ``line_response`` the spectrum is as pixels see it, which needs no deconvolution: of one
dither whose wavelengths do not change along columns it is that of Horne
(docs/decisions/0020-spectra-as-pixels-see-them.md).

Source: dossier section 8 (3).
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.bands import Fitter, Place
from jwinteractive.extract.dithers import Dither, pixels_of, wavelength_grid
from jwinteractive.extract.psf import GaussianPsf, Psf, measured_psf
from jwinteractive.extract.spectra import Spectra
from jwinteractive.kernels.extract_forward import band_of_inverse

__all__ = ["Forward", "forward_spectrum"]

_FIRST_SIGMA = 1.0  # pixels: of the Gaussian that everything starts with
_GAUSSIAN_ROUNDS, _SHAPE_ROUNDS, _DROP_ROUNDS = 12, 16, 12
_SHAPE_DROPS = 3
_SETTLED = 3e-4  # of a PSF's peak: with less change it is measured
_ROUGH = 0.1  # of the light: how wrong a PSF may be that is not known yet
_STEP = 0.02  # pixels, or part of the width: of a numerical derivative
_UNSEEN = 0.05  # of the light of a column: with less, a knot is not known


@dc.dataclass(frozen=True, eq=False, slots=True)
class Forward:
    """A spectrum from pixels of several dithers.

    Parameters
    ----------
    wavelength
        Of the knots, rising, [knot], um.
    flux, error
        [source, knot], in the unit of the pixels summed across the dispersion; NaN where less
        than a twentieth of a column's light was seen.
    covariance
        Of knots that are 0, 1, 2 ... steps apart, [source, step, knot].
    background
        Level under a pixel, [knot]; 0 without a background.
    coverage
        Whole columns of light that each knot has seen, [source, knot].
    offsets, widths
        Of each dither: pixels that the source lies above its trace, and factor of the PSF's width.
    dropped
        Pixels left out as hits, bool [y, x] for each dither.
    model
        What is expected of each pixel, [y, x] for each dither; NaN where nothing was fitted.
    psf
        The shape that was used.
    chi2
        Mean of the squared residuals over their variances, less the fitted terms.
    read_share
        Part of the variance that is read noise, [source, knot].
    """

    wavelength: Array
    flux: Array
    error: Array
    covariance: Array
    background: Array
    coverage: Array
    offsets: Array
    widths: Array
    dropped: tuple[Array, ...]
    model: tuple[Array, ...]
    psf: Psf
    chi2: float
    read_share: Array

    @property
    def spectra(self) -> Spectra:
        """The same as spectra of one image, [1, source, knot]."""
        square = self.error**2
        read = square * self.read_share
        variances = np.stack([square - read, read, np.zeros_like(read)], axis=1)
        under = np.broadcast_to(self.background, self.flux.shape)
        return Spectra(
            self.flux[None],
            variances[None],
            under[None],
            np.zeros_like(variances)[None],
            self.coverage[None],
        )


def forward_spectrum(
    dithers: Sequence[Dither],
    wavelength: Array | None = None,
    psf: Psf | None = None,
    reach: float = 6.0,
    bkg_order: int = -1,
    sigma: float = 4.0,
    profile_error: float = 0.01,
    line_response: float = 0.0,
    fit_trace: bool = True,
    psf_order: int = 1,
) -> Forward:
    """Spectrum of all sources.

    Parameters
    ----------
    dithers
        Unresampled images of the same sources.
    wavelength
        Knots [knot], um, rising; by default those of the first dither's columns, as far as any
        dither reaches.
    psf
        Shape of the light; by default it is measured.
    reach
        Pixels to both sides of a trace that are fitted.
    bkg_order
        Of the background across the dispersion, a spectrum of its own: -1 none, 0 level, 1 slope.
    sigma
        Standard deviations beyond which a pixel counts less, and at last is left out.
    profile_error
        How wrong the PSF may be, as a share of the light: the cores of bright sources stay.
    line_response
        Width, in pixels along x, of the response that the spectrum is freed of; 1 for that of the
        pixel.
    fit_trace
        Whether offset and width of each dither are fitted.
    psf_order
        Of the change of a measured PSF with wavelength.

    Raises
    ------
    InputError
        If shapes do not agree, a parameter is out of range, or no pixel is left.
    """
    for name, value in (("sigma", sigma), ("profile_error", profile_error)):
        if not value >= 0:
            raise InputError(f"{name} = {value}: must not be below 0")
    if bkg_order not in (-1, 0, 1) or not 0 <= line_response <= 3 or not 0 <= psf_order <= 4:
        raise InputError(
            f"bkg_order = {bkg_order}, line_response = {line_response}, psf_order = {psf_order}: "
            "must be -1 to 1, 0 to 3 and 0 to 4"
        )
    grid = wavelength_grid(dithers) if wavelength is None else np.asarray(wavelength, np.float64)
    pixels = pixels_of(dithers, grid, reach, line_response)
    fit = Fitter(pixels, len(grid), bkg_order, sigma, profile_error, reach)
    count = len(dithers)
    place = Place(np.zeros(count), np.ones(count))
    if psf is None:
        shape: Psf = GaussianPsf((_FIRST_SIGMA,))
        place = _placed(fit, shape, place, _GAUSSIAN_ROUNDS, _ROUGH, True)
        shares = fit.terms(shape, place)[0]
        for _ in range(_SHAPE_ROUNDS):
            # the shape takes the mean width
            place, old = Place(place.offsets, place.widths / place.widths.mean()), place
            shape = _shape(fit, shape, old, place, reach, psf_order)
            if fit_trace:
                place = _placed(fit, shape, place, 2, profile_error, count > 1)
            before, shares = shares, fit.terms(shape, place)[0]
            if np.abs(shares - before).max() < _SETTLED * shares.max():
                break
    else:
        shape = psf
        if fit_trace:
            place = _placed(fit, shape, place, _GAUSSIAN_ROUNDS, profile_error, True)
    return _finished(fit, shape, place, grid, dithers)


def _placed(fit: Fitter, psf: Psf, place: Place, rounds: int, doubt: float, widths: bool) -> Place:
    """Offset and width of each dither, by Gauss and Newton."""
    of = fit.pixels
    sources = len(of.away)
    robust, light = np.ones(len(of.data)), np.zeros(len(of.data))
    for k in range(rounds):
        terms = fit.terms(psf, place)
        noise = fit.noise(terms, robust)
        if k == 0:
            light = fit.predict(terms, fit.solve(terms, 1 / np.full_like(noise, noise.mean())))
        weight = robust / (noise + (doubt * light) ** 2)
        solution = fit.solve(terms, weight)
        light = fit.predict(terms, solution, sources)
        off = of.data - fit.predict(terms, solution)
        score = np.abs(off) / np.sqrt(noise + (doubt * light) ** 2)
        robust = np.minimum(1, (fit.sigma / np.maximum(score, 1e-9)) ** 2)
        moved, wider = (
            (fit.predict(fit.terms(psf, place, *step), solution, sources) - light) / _STEP
            for step in ((_STEP, 0.0), (0.0, _STEP))
        )
        offsets, scales = place.offsets.copy(), place.widths.copy()
        for d in range(len(offsets)):
            here = of.dither == d
            parts = np.array([moved[here], wider[here]] if widths else [moved[here]])
            normal = (parts * weight[here]) @ parts.T
            if not np.linalg.cond(normal) < 1e10:  # true for NaN
                continue
            step = np.linalg.solve(normal, parts @ (weight[here] * off[here]))
            offsets[d] += np.clip(step[0], -1, 1)
            if widths:
                scales[d] *= np.exp(np.clip(step[1], -0.3, 0.3))
        moves = max(np.abs(offsets - place.offsets).max(), np.abs(scales - place.widths).max())
        place = Place(offsets, scales)
        if moves < 1e-4:
            break
    return place


def _shape(fit: Fitter, psf: Psf, old: Place, place: Place, reach: float, order: int) -> Psf:
    """PSF, of the widths of a place, measured with the fluxes that a former one gives."""
    of = fit.pixels
    terms = fit.terms(psf, old)
    noise = fit.noise(terms, np.ones(len(of.data)))
    good = np.ones(len(noise))
    solution = fit.solve(terms, good / noise.mean())
    for _ in range(_SHAPE_DROPS):
        light = fit.predict(terms, solution, 1)
        rough = noise + (_ROUGH * light) ** 2
        solution = fit.solve(terms, good / rough)
        worst = fit.worst(terms, solution, rough, good)
        if not worst.any():
            break
        good[worst] = 0
    whole = np.zeros_like(terms)
    whole[0] = 1
    flux = fit.predict(whole, solution, 1)
    others = fit.predict(terms, solution) - fit.predict(terms, solution, 1)
    away = of.away[0] - place.offsets[of.dither]
    near = good * (np.abs(of.away[1:]) > reach).all(axis=0)
    return measured_psf(
        away / place.widths[of.dither],
        of.wavelength,
        of.data - others,
        flux,
        near * (np.abs(of.nods) > reach).all(axis=0) / noise,
        reach,
        order=order,
        background=fit.order,
    )


def _finished(
    fit: Fitter, psf: Psf, place: Place, grid: Array, dithers: Sequence[Dither]
) -> Forward:
    """The spectrum without hits, its covariance and model."""
    of = fit.pixels
    terms = fit.terms(psf, place)
    keep = np.ones(len(of.data))
    noise = fit.noise(terms, keep)
    solution = fit.solve(terms, keep / noise)
    for _ in range(_DROP_ROUNDS if fit.sigma > 0 else 0):
        worst = fit.worst(terms, solution, noise, keep)
        if not worst.any():
            break
        keep[worst] = 0
        noise = fit.noise(terms, keep)
        solution = fit.solve(terms, keep / noise)
    inverse = band_of_inverse(solution.factor)
    count, sources = len(terms), len(of.away)
    near = fit.knots
    covariance = np.zeros((sources, near, fit.count))
    for s in range(sources):
        for m in range(near):
            covariance[s, m, : fit.count - m] = inverse[
                m * count, s : (fit.count - m) * count : count
            ]
    coverage = solution.coverage[:sources]
    known = coverage >= _UNSEEN
    solved = solution.solved.reshape(fit.count, count)
    flux = np.where(known, solved[:, :sources].T, np.nan)
    error = np.where(known, np.sqrt(covariance[:, 0]), np.nan)
    expected = fit.predict(terms, solution)
    off = (of.data - expected) * np.sqrt(keep / noise)
    freedom = keep.sum() - fit.count * count
    read = fit.share_of_read(terms, noise, keep)[:sources]
    planes = [np.full(dither.data.shape, np.nan) for dither in dithers]
    gone = [np.zeros(dither.data.shape, np.bool_) for dither in dithers]
    for d in range(len(dithers)):
        here = of.dither == d
        planes[d][of.y[here], of.x[here]] = expected[here]
        gone[d][of.y[here], of.x[here]] = keep[here] == 0
    return Forward(
        wavelength=grid,
        flux=flux,
        error=error,
        covariance=covariance,
        background=solved[:, sources] if count > sources else np.zeros(fit.count),
        coverage=coverage,
        offsets=place.offsets,
        widths=place.widths,
        dropped=tuple(gone),
        model=tuple(planes),
        psf=psf,
        chi2=float((off**2).sum() / freedom) if freedom > 0 else np.nan,
        read_share=read,
    )
