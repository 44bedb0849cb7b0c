"""Extracted spectra: what was summed, its variances, and what lay under it."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np

from jwinteractive.data import Array, SpectrumSet
from jwinteractive.errors import InputError

__all__ = ["Spectra", "empty_spectra", "scaled", "spectra_of", "to_specutils", "without_errors"]


@dc.dataclass(frozen=True, eq=False, slots=True)
class Spectra:
    """Spectra of one or more sources in each of some images.

    Parameters
    ----------
    flux
        Less the background, [n, source, x], float64, in the unit of the pixels; NaN where no
        pixel counts.
    variances
        Of the flux, [n, source, 3, x]: Poisson noise, read noise, flat; those of the fitted
        background included.
    background
        What was taken from each flux, [n, source, x].
    background_variances
        What the background adds to the variances, [n, source, 3, x].
    npixels
        Pixels that count, fractions included, [n, source, x].
    """

    flux: Array
    variances: Array
    background: Array
    background_variances: Array
    npixels: Array

    @property
    def var_poisson(self) -> Array:
        """Variance of Poisson noise, [n, source, x]."""
        return self.variances[:, :, 0]

    @property
    def var_rnoise(self) -> Array:
        """Variance of read noise, [n, source, x]."""
        return self.variances[:, :, 1]

    @property
    def var_flat(self) -> Array:
        """Variance of the flat, [n, source, x]."""
        return self.variances[:, :, 2]

    @property
    def error(self) -> Array:
        """Standard deviation of the flux, [n, source, x]."""
        found: Array = np.sqrt(self.variances.sum(axis=2))
        return found

    def __len__(self) -> int:
        return len(self.flux)


def empty_spectra(count: int, sources: int, nx: int) -> Spectra:
    """Spectra that are to be filled."""
    shape = (count, sources, nx)
    wide = (count, sources, 3, nx)
    return Spectra(
        np.empty(shape), np.empty(wide), np.empty(shape), np.empty(wide), np.empty(shape)
    )


def spectra_of(product: SpectrumSet) -> Spectra:
    """Spectra of a product, as light curves and other functions on spectra take them."""
    return Spectra(
        product.flux,
        np.moveaxis(product.variances, 0, 2),
        product.background,
        np.moveaxis(product.background_variances, 0, 2),
        product.npixels,
    )


def without_errors(spectra: Spectra) -> Spectra:
    """The same with variances of NaN: they are not known, which is not 0."""
    unknown = np.full_like(spectra.variances, np.nan)
    return dc.replace(spectra, variances=unknown, background_variances=unknown)


def scaled(spectra: Spectra, factor: Array) -> Spectra:
    """Spectra times a factor of each wavelength, [x]: corrected for light beyond the aperture.

    Factors that are not finite, or not positive, leave no flux.

    Raises
    ------
    InputError
        If there are not as many factors as wavelengths.
    """
    if factor.shape != spectra.flux.shape[-1:]:
        raise InputError(
            f"factor {factor.shape}: must be one for each of {spectra.flux.shape[-1]} wavelengths"
        )
    good = np.where(np.isfinite(factor) & (factor > 0), factor, np.nan)
    return Spectra(
        flux=spectra.flux * good,
        variances=spectra.variances * good**2,
        background=spectra.background * good,
        background_variances=spectra.background_variances * good**2,
        npixels=spectra.npixels,
    )


def to_specutils(
    spectra: Spectra | SpectrumSet,
    wavelength: Array | None = None,
    unit: str = "",
    source: int = 0,
    integration: int | None = None,
    pixel_area: float | None = None,
    wavelength_unit: str = "um",
) -> Any:
    """`specutils.Spectrum` of one source: of one integration, or [n, wavelength] of all of them.

    A spectrum of one image is one-dimensional. What is not finite, and wavelengths that are not
    known, are masked; the latter are left out.

    Parameters
    ----------
    spectra
        As extracted. A product of `extract_1d` brings its wavelengths, or pixels where none are
        known, and its unit.
    wavelength
        Of each column, [x]; it rises or falls.
    unit
        Of the pixels, in the spelling of `astropy.units`.
    source, integration
        Which spectrum.
    pixel_area
        Steradians of a pixel, where pixels are surface brightness: the flux is multiplied by it
        and its unit by sr. The same in the columns.
    wavelength_unit
        In the spelling of `astropy.units`.

    Raises
    ------
    InputError
        If there is no such source or integration, or the wavelength is missing or has another
        length.
    """
    from astropy import units as u
    from astropy.nddata import StdDevUncertainty
    from specutils import Spectrum

    count, sources, nx = spectra.flux.shape
    if not 0 <= source < sources:
        raise InputError(f"source = {source}: must be 0 to {sources - 1}")
    if isinstance(spectra, SpectrumSet):
        if wavelength is None:
            wavelength, label = spectra.axis(source)
            wavelength_unit = "um" if label.startswith("wavelength") else "pix"
        unit = unit or spectra.exposure.unit
        spectra = spectra_of(spectra)
    if wavelength is None:
        raise InputError("to_specutils: give the wavelength of each column")
    if integration is not None and not 0 <= integration < count:
        raise InputError(f"integration = {integration}: must be 0 to {count - 1}")
    if wavelength.shape != (nx,):
        raise InputError(f"wavelength {wavelength.shape}: must have {nx} columns as the spectra")
    known = np.isfinite(wavelength)
    if known.sum() < 2:
        raise InputError(
            f"{known.sum()} wavelengths are known: a spectrum needs 2: give pixels as wavelengths"
        )
    only = 0 if count == 1 else slice(None)
    pick: Any = only if integration is None else integration
    area = 1.0 if pixel_area is None else pixel_area
    of_flux = u.Unit(unit) if pixel_area is None else u.Unit(unit) * u.sr
    flux = spectra.flux[pick, source][..., known] * area
    error = spectra.error[pick, source][..., known] * area
    return Spectrum(
        flux=flux * of_flux,
        spectral_axis=wavelength[known] * u.Unit(wavelength_unit),
        uncertainty=StdDevUncertainty(error * of_flux),
        mask=~np.isfinite(flux),
    )
