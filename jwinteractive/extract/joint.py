"""One spectrum of all the exposures of a slit, as a model that is measured over the set.

Every exposure keeps its own pixels: nothing is resampled. What is found is the same for all of
them; each knows where its own light lies.

Source: dossier section 8 (3).
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from jwinteractive.data import Array, Rate, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.extract.dithers import Dither
from jwinteractive.extract.forward import forward_spectrum
from jwinteractive.extract.image_spectra import scale_of, spectrum_set
from jwinteractive.extract.nods import dither_of
from jwinteractive.extract.psf import Psf
from jwinteractive.extract.spectra import Spectra
from jwinteractive.step import Model

__all__ = ["Joint", "joint_spectrum", "spectrum_of"]


@dc.dataclass(frozen=True, kw_only=True)
class Joint(Model):
    """A spectrum that explains the pixels of several exposures.

    Attributes
    ----------
    wavelength
        Of the knots, um, [knot].
    flux, background, npixels
        [1, 1, knot], in the unit of the pixels.
    variances
        Of the flux, Poisson noise, read noise, flat: [1, 3, 1, knot].
    paths
        Row of the light in each column of each exposure, [exposure, x].
    offsets, widths
        Of each exposure: how far the light lies off the trace that was found, in pixels, and the
        width of the PSF over the mean one.
    names
        Of the exposures.
    dropped
        Pixels of each that were left out as hits.
    reach
        Pixels to both sides of the light that were fitted.
    chi2
        Mean of the squared residuals over their variances.
    """

    wavelength: Array
    flux: Array
    background: Array
    npixels: Array
    variances: Array
    paths: Array
    offsets: Array
    widths: Array
    names: tuple[str, ...]
    dropped: tuple[int, ...]
    reach: float
    chi2: float


def joint_spectrum(
    rates: Sequence[Rate],
    names: Sequence[str],
    reach: float,
    order: int,
    bkg_order: int = -1,
    sigma: float = 4.0,
    psf_order: int = 1,
) -> Joint:
    """Fit one spectrum to the brightest source of several exposures of a slit.

    Parameters
    ----------
    rates
        Calibrated, not resampled, with the wavelengths of their pixels; of one size.
    names
        Theirs.
    reach
        Pixels to both sides of the trace that are fitted.
    order
        Of the polynomial that follows each trace.
    bkg_order
        Of the background across the dispersion; -1 for none.
    sigma, psf_order
        As `jwinteractive.extract.forward.forward_spectrum` has them.

    Raises
    ------
    InputError
        If an exposure has no wavelengths or no trace, or nothing can be fitted.
    """
    # small units would be lost among numbers about 1
    scale = scale_of(rates[0].exposure).factor
    found: list[Dither] = []
    for rate, name in zip(rates, names, strict=True):
        try:
            found.append(dither_of(rate, reach=reach, order=order, scale=scale))
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
    if len({len(dither.trace) for dither in found}) > 1:
        sizes = ", ".join(f"{n}: {len(d.trace)}" for n, d in zip(names, found, strict=True))
        raise InputError(f"columns of exposures of one slit differ ({sizes}): extract them apart")
    nodded = len(found) > 1 and "bkg_subtract" in rates[0].exposure.done
    psf: Psf | None = None
    if nodded:  # each exposure has the others' light taken off
        # the shape is told by what was not: negative images would pull it along
        clean = forward_spectrum(found, None, None, reach, bkg_order, sigma, psf_order=psf_order)
        psf = clean.psf
        traces = [dither.trace for dither in found]
        found = [
            dc.replace(dither, nods=np.stack([t for t in traces if t is not dither.trace]))
            for dither in found
        ]
    made = forward_spectrum(
        found, psf=psf, reach=reach, bkg_order=bkg_order, sigma=sigma, psf_order=psf_order
    )
    spectra = made.spectra
    return Joint(
        wavelength=made.wavelength,
        flux=spectra.flux / scale,
        background=spectra.background / scale,
        npixels=spectra.npixels,
        variances=spectra.variances / scale**2,
        paths=np.stack([d.trace + off for d, off in zip(found, made.offsets, strict=True)]),
        offsets=made.offsets,
        widths=made.widths,
        names=tuple(names),
        dropped=tuple(int(plane.sum()) for plane in made.dropped),
        reach=reach,
        chi2=float(made.chi2),
    )


def spectrum_of(joint: Joint, rate: Rate, name: str) -> SpectrumSet:
    """The spectrum as a product of one of the exposures, by its name.

    Raises
    ------
    InputError
        If the exposure was not among those that were fitted.
    """
    if name not in joint.names:
        raise InputError(f"{name} is not among {', '.join(joint.names)}: fit it with them")
    path = joint.paths[joint.names.index(name)]
    middle = float(path[len(path) // 2])
    limits = np.array([0, len(path) - 1, middle - joint.reach, middle + joint.reach])
    found = Spectra(
        joint.flux,
        joint.variances,
        joint.background,
        np.zeros_like(joint.variances),
        joint.npixels,
    )
    made = spectrum_set(rate, found, joint.wavelength[None], limits, surface=False)
    left_out = ", ".join(map(str, joint.dropped))
    told = (
        f"one spectrum of {len(joint.names)} exposures; {left_out} pixels left out; "
        f"chi2 {joint.chi2:.3f}"
    )
    return made.replace(notes=(*made.notes, told))
