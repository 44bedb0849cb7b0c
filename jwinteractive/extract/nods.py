"""Exposures of one source at several places: made ready for forward extraction, and compared.

Spectra of nods agree if they differ by noise alone. Another place in the slit passes another part
of the light, which is one factor for all wavelengths: it is told, and taken out of the comparison.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from jwinteractive import dq
from jwinteractive.data import Array, Rate
from jwinteractive.errors import InputError
from jwinteractive.extract.dithers import Dither
from jwinteractive.extract.trace import find_trace

__all__ = ["Agreement", "agreement", "blank_scatter", "dither_of"]

_ORDER = 3
_FEWEST = 10  # channels, or pixels


@dc.dataclass(frozen=True, slots=True)
class Agreement:
    """How two spectra differ.

    Parameters
    ----------
    grey, grey_error
        The second over the first, less 1.
    chi2
        Mean of squared differences over their variances, without that factor: 1 for noise alone.
    channels
        How many were compared.
    """

    grey: float
    grey_error: float
    chi2: float
    channels: int


def dither_of(
    rate: Rate,
    near: ArrayLike | None = None,
    reach: float = 6.0,
    order: int = _ORDER,
    scale: float = 1.0,
) -> Dither:
    """Image, wavelengths and found trace of a calibrated exposure or slit that was not resampled.

    Parameters
    ----------
    rate
        With the wavelength of its pixels; flagged pixels are left out.
    near, reach, order
        As `jwinteractive.extract.trace.find_trace` has them; along the dispersion.
    scale
        Factor of the values: small units lose digits.

    Raises
    ------
    InputError
        If the exposure has no wavelengths or no trace.
    """
    exposure = rate.exposure
    if rate.wavelength is None:
        raise InputError("exposure has no wavelengths of its pixels: take a product of spec2 (cal)")
    if exposure.dispaxis not in (1, 2):
        raise InputError(f"dispaxis = {exposure.dispaxis}: light is not dispersed along an axis")

    def turned(plane: Array) -> Array:
        return plane if exposure.dispaxis == 1 else plane.T

    bad = (turned(rate.dq) & dq.DO_NOT_USE) != 0
    data = np.where(bad, np.nan, turned(rate.data)).astype(np.float64) * scale
    poisson, read = (
        turned(plane).astype(np.float64) * scale**2 for plane in (rate.var_poisson, rate.var_rnoise)
    )
    trace = find_trace(data, poisson + read, near, reach, order).centre
    wavelength = turned(rate.wavelength).astype(np.float64)
    return Dither(data, wavelength, trace, poisson, read)


def agreement(first: Array, first_error: Array, second: Array, second_error: Array) -> Agreement:
    """Compare two spectra of the same channels.

    Raises
    ------
    InputError
        If shapes do not agree, or too few channels are known in both.
    """
    arrays = [np.asarray(a, np.float64) for a in (first, first_error, second, second_error)]
    if len({a.shape for a in arrays}) > 1:
        raise InputError(f"spectra {first.shape} and {second.shape}: must have the same channels")
    good = np.isfinite(np.sum(arrays, axis=0)) & (arrays[1] > 0) & (arrays[3] > 0)
    if good.sum() < _FEWEST:
        raise InputError(
            f"{good.sum()} channels are known in both spectra: must be {_FEWEST} or more"
        )
    a, a_error, b, b_error = (part[good] for part in arrays)
    factor = 1.0
    for _ in range(5):  # the weights have the factor in them
        variance = b_error**2 + (factor * a_error) ** 2
        # half of the noise is on either side: their mean is what is scaled
        middle = (a * factor * b_error**2 + b * (factor * a_error) ** 2) / variance
        weight = (middle * middle / variance).sum()
        factor *= 1 + ((b - factor * a) * middle / variance).sum() / weight
    variance = b_error**2 + (factor * a_error) ** 2
    chi2 = float(((b - factor * a) ** 2 / variance).sum() / (len(a) - 1))
    return Agreement(factor - 1, float(factor / np.sqrt(weight)), chi2, len(a))


def blank_scatter(dither: Dither, traces: Sequence[Array], reach: float = 4.0) -> float:
    """Scatter of pixels beside all traces over their errors: 1 where errors are true.

    Errors of spectra are as much too small as those of the pixels they are made of.

    Parameters
    ----------
    dither
        The image.
    traces
        y of everything with light in it, [x] each.
    reach
        Pixels to both sides that have light.

    Raises
    ------
    InputError
        If too few pixels are left.
    """
    rows = np.arange(dither.data.shape[0])[:, None]
    variance = np.zeros(dither.data.shape)
    for plane in (dither.var_poisson, dither.var_rnoise):
        if plane is not None:
            variance += plane
    far = np.isfinite(dither.data) & (variance > 0)
    for trace in traces:
        far &= np.abs(rows - trace) > reach
    if dither.mask is not None:
        far &= ~dither.mask
    if far.sum() < _FEWEST:
        raise InputError(f"{far.sum()} pixels lie beside the traces: must be {_FEWEST} or more")
    pull = dither.data[far] / np.sqrt(variance[far])
    return 1.4826 * float(np.median(np.abs(pull - np.median(pull))))
