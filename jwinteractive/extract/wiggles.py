"""Wiggles of single spaxels and small apertures: waves that resampling leaves in the continuum.

An undersampled source moves against the pixels along a slice: what one spaxel gets of it rises and
falls. Its spectrum over that of a large aperture, q, is divided by its own mean under a Gaussian,
less 1: r. With the power spectrum P of r under a Hann window, normalised to sum to the variance,

    wiggle rms² = sum of P over the band - number of frequencies in it x noise

noise being the mean of P above the band, from its median. The rms is in units of the continuum.

Source: dossier section 9; Dumont et al. 2025 (a ratio to apertures, power in the wiggle band).
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = ["Wiggles", "wiggles"]

_SIGMA = 6.0  # from which on a plane is a line or a hit, not a wave
_LEAST = 0.5  # of the planes that must be known
_WIDE = 1 / 3  # of the longest period: standard deviation of the smooth mean
_HANN = 0.375  # mean square of the window
_FEWEST = 32  # planes
_NAT = float(np.log(2))  # median of a power over its mean


@dc.dataclass(frozen=True, eq=False, slots=True)
class Wiggles:
    """Waves of one or more spectra.

    Parameters
    ----------
    rms
        Over the continuum, noise taken off, [...]; NaN where too little is known.
    noise
        What white noise has in the band, over the continuum, [...].
    ratio
        The waves r themselves, [..., plane]: 0 is none.
    period, power
        Planes of a wave, [frequency], falling, and the power there, [..., frequency].
    """

    rms: Array
    noise: Array
    ratio: Array
    period: Array
    power: Array


def wiggles(
    flux: Array,
    reference: Array | None = None,
    shortest: float = 8.0,
    longest: float = 200.0,
) -> Wiggles:
    """Waves in the band from the shortest to the longest period.

    Parameters
    ----------
    flux
        Spectra, planes last, [..., plane]: of spaxels, or of small apertures.
    reference
        Spectrum of a large aperture, [plane]; by default the spectra are their own continuum.
    shortest, longest
        Periods in planes.

    Raises
    ------
    InputError
        If shapes do not agree, or the band is empty.
    """
    count = flux.shape[-1]
    if reference is not None and reference.shape != (count,):
        raise InputError(f"reference {reference.shape}: must have {count} planes as the spectra")
    if not 4 <= shortest < longest or count < _FEWEST:
        raise InputError(
            f"shortest = {shortest}, longest = {longest}, {count} planes: must be 4 or more, "
            f"longer than that, and at least {_FEWEST}"
        )
    spectra = np.asarray(flux, np.float64).reshape(-1, count)
    under = np.ones(count) if reference is None else np.asarray(reference, np.float64)
    ratio = np.divide(spectra, under, out=np.full_like(spectra, np.nan), where=under != 0)
    known = np.isfinite(ratio)
    enough = known.mean(axis=1) >= _LEAST
    waves = np.full_like(ratio, np.nan)
    for k in np.flatnonzero(enough):
        waves[k] = _waves(ratio[k], known[k], int(min(longest, count / 2)))
    enough &= np.isfinite(waves).any(axis=1)  # a mean of no light has no waves that are 0
    frequency = np.fft.rfftfreq(count)[1:]
    window = np.hanning(count)
    scale = 2 / (_HANN * count**2)
    spectrum = np.fft.rfft(np.nan_to_num(waves) * window, axis=1)[:, 1:]
    power = scale * np.abs(spectrum) ** 2
    band = (frequency >= 1 / longest) & (frequency <= 1 / shortest)
    if not band.any():
        raise InputError(f"{count} planes have no wave of {shortest} to {longest}: widen the band")
    floor = np.median(power[:, frequency > 1 / shortest], axis=1) / _NAT
    noise = floor * band.sum()
    rms = np.sqrt(np.maximum(power[:, band].sum(axis=1) - noise, 0))
    shape = flux.shape[:-1]
    return Wiggles(
        np.where(enough, rms, np.nan).reshape(shape),
        np.where(enough, np.sqrt(noise), np.nan).reshape(shape),
        waves.reshape(flux.shape),
        1 / frequency,
        power.reshape(*shape, -1),
    )


def _waves(ratio: Array, known: Array, longest: int) -> Array:
    """A ratio over its smooth mean, less 1; lines and what is not known are bridged."""
    from scipy.ndimage import gaussian_filter1d

    at = np.arange(len(ratio))
    good = known.copy()
    found = np.zeros(len(ratio))
    for _ in range(3):
        filled = np.interp(at, at[good], ratio[good])
        level = gaussian_filter1d(filled, longest * _WIDE, mode="reflect")
        if not np.all(level > 0):
            return np.full(len(ratio), np.nan)
        found = filled / level - 1
        scatter = 1.4826 * float(np.median(np.abs(found)))
        kept = known & (np.abs(np.where(known, ratio, 0) / level - 1) <= _SIGMA * scatter)
        if kept.sum() < len(ratio) / 4 or np.array_equal(kept, good):
            break
        good = kept
    return found
