"""An exposure of MIRI's integral field spectrometer (MRS) and the references of its second stage.

Channels 1 and 2 in band SHORT share the detector as they do in space, but every number is chosen:
slices stand upright, wavelengths are linear in rows, a Gaussian is the point source. There is no
reference for straylight: a session says ``use("mrsxartcorr", "N/A")``, and its official step lets
the exposure pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.simulate.descriptions import (
    SimulatedRate,
    describe_exposure,
    point_at,
)
from jwinteractive.simulate.mrs_references import mrs_references
from jwinteractive.simulate.mrs_slices import (
    CHANNELS,
    PHOTOM,
    PIXEL,
    SHAPE,
    SIGMA,
    STERADIAN,
    V2,
    V3,
    frame,
)

__all__ = ["simulate_mrs"]

_ROOT = "jw99999001001_05101_{:05d}_mirifushort"
_RA, _DEC = 53.16, -27.79
_SKY = 15.0  # MJy/sr
_LINE = 5.0  # um
_LEAST = 128  # rows: the line is among them
_GAIN, _SECONDS, _READ = 3.1, 600.0, 0.01  # e-/DN, s, DN/s
_FLAT, _FRINGE = 0.01, 0.1  # scatter of the flat, half the depth of fringes


def simulate_mrs(
    level: float = 0.01,
    place: tuple[float, float] = (0.3, -0.2),
    seed: int = 0,
    number: int = 1,
    dither: tuple[float, float] = (0.0, 0.0),
    rows: int = SHAPE[0],
) -> SimulatedRate:
    """Return an exposure of a point source, with references and truth.

    Parameters
    ----------
    level
        Flux at 5 um, Jy: a power law with an emission line.
    place
        Of the source along and across the slices from the middle of the first exposure, arcsec.
    seed
        Of the flat and the noise.
    number
        Of the exposure: those of one seed share their references.
    dither
        Along and across the slices, arcsec, by which it points elsewhere than the first.
    rows
        That are kept of the detector, from the short wavelengths on, in references too.

    Raises
    ------
    InputError
        If the source is off the field or has no light, or there are no such rows.
    """
    if not _LEAST <= rows <= SHAPE[0]:
        raise InputError(f"rows = {rows}: from {_LEAST} to {SHAPE[0]}")
    seen = place[0] - dither[0], place[1] - dither[1]
    if max(map(abs, seen)) > 0.8:
        off = f" less dither = {dither}" if any(dither) else ""
        raise InputError(f"place = {place}{off}: a source in the field is within 0.8 arcsec")
    if not level > 0:
        raise InputError(f"level = {level}: a flux in Jy, above 0")
    flat = 1 + _FLAT * np.random.default_rng(seed).standard_normal(SHAPE)
    wave, regions = frame()
    fringe = 1 + _FRINGE * np.sin(2 * np.pi * 1e4 / np.where(wave > 0, wave, 1.0) / 2.8)
    fringe = np.where(wave > 0, fringe, 1.0)
    light = _light(level, seen) * flat * fringe
    photons = light / _GAIN / _SECONDS
    noise = np.sqrt(photons + _READ**2)
    noise *= np.random.default_rng((seed, number)).standard_normal(SHAPE)
    model = _model((light + noise)[:rows], photons[:rows], place, dither, number)
    references = mrs_references(regions[:rows], flat[:rows], fringe[:rows])
    first = CHANNELS[0]
    waves = first.short + first.step * np.arange(rows)
    root = _ROOT.format(number)
    return SimulatedRate(root, model, references, waves, _spectrum(waves, level))


def _spectrum(wavelength: Array, level: float) -> Array:
    line = 1.0 * np.exp(-0.5 * ((wavelength - _LINE) / 0.004) ** 2)
    return np.asarray(level * (wavelength / 5) ** -1.0 * (1 + line))


def _light(level: float, place: tuple[float, float]) -> Array:
    """DN/s of the source on sky, without flat and fringes, [ny, nx]."""
    light = np.zeros(SHAPE)
    for channel in CHANNELS:
        wave = channel.short + channel.step * np.arange(SHAPE[0])
        scale = np.sqrt(2) * SIGMA * wave[:, None]
        along = (np.arange(channel.columns) - (channel.columns - 1) / 2) * PIXEL - place[0]
        columns = _within(along, PIXEL, scale)
        for k, start in enumerate(channel.starts):
            across = channel.zero + k * channel.width - place[1]
            part = columns * _within(across, channel.width, scale)
            area = PIXEL * channel.width * STERADIAN
            shine = _spectrum(wave, level)[:, None] * part / area / 1e6
            light[:, start : start + channel.columns] = (shine + _SKY) / PHOTOM
    return light


def _within(offset: Any, width: float, scale: Array) -> Array:
    upper, lower = (offset + width / 2) / scale, (offset - width / 2) / scale
    return np.asarray(0.5 * (erf(upper) - erf(lower)))


def _model(
    rate: Array,
    photons: Array,
    place: tuple[float, float],
    dither: tuple[float, float],
    number: int,
) -> Any:
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.IFUImageModel(rate.astype(np.float32))
    model.err = np.sqrt(photons + _READ**2).astype(np.float32)
    model.var_poisson = photons.astype(np.float32)
    model.var_rnoise = np.full(rate.shape, _READ**2, np.float32)
    model.dq = np.zeros(rate.shape, np.uint32)
    meta = model.meta
    meta.telescope, meta.origin, meta.date = "JWST", "SIMULATION", "2024-03-01T12:00:00"
    meta.bunit_data = meta.bunit_err = "DN/s"
    meta.instrument.instance.update(name="MIRI", detector="MIRIFUSHORT", channel="12", band="SHORT")
    describe_exposure(meta, "MIR_MRS", rate.shape, _SECONDS)
    point_at(meta, (V2, V3), _sky(dither))
    meta.dither.instance.update(
        x_offset=dither[0], y_offset=dither[1], total_points=2, position_number=number
    )
    meta.target.ra, meta.target.dec = _sky(place)
    meta.cal_step.ramp_fit = "COMPLETE"
    return model


def _sky(offset: tuple[float, float]) -> tuple[float, float]:
    """Right ascension and declination, deg: along a slice is V2, east; across is V3, north."""
    return _RA + offset[0] / 3600 / np.cos(np.deg2rad(_DEC)), _DEC + offset[1] / 3600
