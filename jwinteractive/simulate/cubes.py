"""A dithered integral field exposure of known truth, and the cube that drizzling makes of it.

Like a channel of MIRI's MRS: slices wider than their pixels, a point source that both undersample,
its trace inclined, so that it crosses pixels along the wavelength. It has a continuum and emission
lines, and lies on an extended background. Which pixel feeds which spaxel is kept: noise of sums is
then known exactly.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.covariance import CubeWeights, box_overlaps, drizzled

__all__ = ["SimulatedCube", "simulate_cube"]

_PIXEL, _SLICE, _SPAXEL = 0.196, 0.176, 0.13  # arcsec: channel 1 of the MRS
_FIRST, _STEP = 5.66, 0.0013  # um: the middle of plane 0, and from plane to plane
_DITHERS = ((-0.49, -0.44), (0.51, 0.44), (-0.39, 0.53), (0.42, -0.35))  # arcsec, along and across
_TILT = 2.5  # pixels that the source moves along a slice through the whole band
_LINES = ((0.22, 4.0), (0.47, 8.0), (0.71, 2.5))  # place in the band, height over the continuum
_LINE = 1.6  # planes: standard deviation of a line
_FWHM = 0.30  # arcsec in the first plane, growing with wavelength
_READ = 0.4  # standard deviation of read noise, MJy/sr
_GAIN = 8.0  # photons in a pixel for each MJy/sr
_BACKGROUND, _SLOPE = 12.0, 0.6  # MJy/sr, and its change per arcsec
_ARCSEC = np.pi / 180 / 3600


@dc.dataclass(frozen=True, eq=False, slots=True)
class SimulatedCube:
    """A cube, what it was made of, and the truth.

    Parameters
    ----------
    data, err
        MJy/sr, [plane, y, x]; 0 and not finite where no pixel feeds.
    weights
        Which pixel feeds which spaxel.
    values, variance
        Of the pixels, MJy/sr and its square, [pixel].
    wavelength
        Of the planes, um.
    flux
        Of the point source, Jy, [plane].
    continuum
        The same without its lines.
    background
        MJy/sr, [y, x].
    centre
        (x, y) of the source, in spaxels.
    fwhm
        Of the source in each plane, in spaxels.
    spaxel
        Size, arcsec.
    """

    data: Array
    err: Array
    weights: CubeWeights
    values: Array
    variance: Array
    wavelength: Array
    flux: Array
    continuum: Array
    background: Array
    centre: tuple[float, float]
    fwhm: Array
    spaxel: float

    @property
    def area(self) -> float:
        """Solid angle of a spaxel, sr."""
        return float((self.spaxel * _ARCSEC) ** 2)

    def write(self, path: Path) -> Path:
        """Write an official cube, ``_s3d.fits``; return its path.

        Its gwcs, which official steps ask for, is there where `jwst` is installed.
        """
        from stdatamodels.jwst.datamodels import IFUCubeModel

        model: Any = IFUCubeModel(self.data.shape)
        fed = np.isfinite(self.err)
        model.data = self.data.astype(np.float32)
        model.err = np.where(fed, self.err, np.nan).astype(np.float32)
        model.dq = np.where(fed, 0, 513).astype(np.uint32)  # DO_NOT_USE, NON_SCIENCE
        model.weightmap = self._seen()
        meta = model.meta
        meta.telescope, meta.instrument.name = "JWST", "MIRI"
        meta.instrument.detector, meta.instrument.channel = "MIRIFUSHORT", "1"
        meta.instrument.band, meta.exposure.type = "SHORT", "MIR_MRS"
        meta.model_type, meta.filetype = "IFUCubeModel", "3d ifu cube"
        meta.observation.date, meta.observation.time = "2025-01-01", "00:00:00"
        meta.target.source_type = "POINT"
        meta.target.ra = meta.target.dec = 0.0
        meta.bunit_data = meta.bunit_err = "MJy/sr"
        meta.photometry.pixelarea_steradians = self.area
        meta.photometry.pixelarea_arcsecsq = self.spaxel**2
        info, degree = meta.wcsinfo, self.spaxel / 3600
        info.wcsaxes, info.radesys, info.dispersion_direction = 3, "ICRS", 3
        for axis, (kind, unit, value, pixel, step) in enumerate(
            (
                ("RA---TAN", "deg", 0.0, self.centre[0] + 1, -degree),
                ("DEC--TAN", "deg", 0.0, self.centre[1] + 1, degree),
                ("WAVE", "um", self.wavelength[0], 1.0, self.wavelength[1] - self.wavelength[0]),
            ),
            start=1,
        ):
            for name, entry in (
                ("ctype", kind),
                ("cunit", unit),
                ("crval", value),
                ("crpix", pixel),
                ("cdelt", step),
            ):
                setattr(info, f"{name}{axis}", entry)
        for row in range(1, 4):
            for column in range(1, 4):
                setattr(info, f"pc{row}_{column}", float(row == column))
        with contextlib.suppress(ImportError):
            from jwst.assign_wcs.pointing import create_fitswcs

            meta.wcs = create_fitswcs(model)
        model.save(path, overwrite=True)
        return path

    def _seen(self) -> Array:
        """How many pixels feed each spaxel, [plane, y, x]."""
        size = int(np.prod(self.data.shape))
        found = np.bincount(self.weights.spaxel, minlength=size)
        return found.reshape(self.data.shape).astype(np.float32)


def simulate_cube(
    planes: int = 200,
    size: int = 30,
    dithers: int = 4,
    flux: float = 2e-3,
    noise: bool = True,
    background: bool = True,
    seed: int = 1,
) -> SimulatedCube:
    """Simulate a point source.

    Parameters
    ----------
    planes, size
        Of the cube: wavelengths, and spaxels along x and y.
    dithers
        1 to 4.
    flux
        Of the continuum in the middle of the band, Jy.
    noise, background
        Whether there is any.
    seed
        Of the noise.

    Raises
    ------
    InputError
        If a size is out of range.
    """
    if not 1 <= dithers <= len(_DITHERS) or planes < 8 or size < 8:
        raise InputError(
            f"dithers = {dithers}, planes = {planes}, size = {size}: must be 1 to "
            f"{len(_DITHERS)}, and at least 8"
        )
    half = size * _SPAXEL / 2
    centre = ((size - 1) / 2 + 0.23, (size - 1) / 2 - 0.31)
    source = tuple((at - (size - 1) / 2) * _SPAXEL for at in centre)
    low, high = (
        np.concatenate(part, axis=-1)
        for part in zip(*(_pixels(half, planes, *_DITHERS[d]) for d in range(dithers)), strict=True)
    )
    place = np.arange(planes) / (planes - 1)
    continuum = flux * (1.15 - 0.3 * place)
    spectrum = continuum * (1 + _lines(place * (planes - 1), planes))
    middle = (low[0] + high[0]) / 2
    level = flux * (1.15 - 0.3 * middle / (planes - 1)) * (1 + _lines(middle, planes))
    fwhm = _FWHM * (1 + 0.15 * place)
    sigma = _FWHM * (1 + 0.15 * middle / (planes - 1)) / 2.3548
    share = np.ones(len(middle))
    for axis, at in ((1, source[1]), (2, source[0])):
        share *= _gaussian(high[axis] - at, sigma) - _gaussian(low[axis] - at, sigma)
    area = (high[1] - low[1]) * (high[2] - low[2]) * _ARCSEC**2
    values = level * share / area / 1e6
    rows = (np.arange(size) - (size - 1) / 2) * _SPAXEL
    under = np.zeros((size, size))
    if background:
        values = values + _BACKGROUND + _SLOPE * (low[2] + high[2]) / 2
        under = _BACKGROUND + _SLOPE * np.broadcast_to(rows, (size, size))
    variance = np.maximum(values, 0) / _GAIN + _READ**2
    if noise:
        rng = np.random.default_rng(seed)
        values = values + rng.normal(size=values.shape) * np.sqrt(variance)
    shape = (planes, size, size)
    for ends in (low, high):
        ends[1:] = ends[1:] / _SPAXEL + (size - 1) / 2
    weights = box_overlaps(low, high, shape)
    data, spread = drizzled(weights, values, variance)
    return SimulatedCube(
        data=np.nan_to_num(data),
        err=np.sqrt(spread),
        weights=weights,
        values=values,
        variance=variance,
        wavelength=_FIRST + _STEP * np.arange(planes),
        flux=spectrum,
        continuum=continuum,
        background=under,
        centre=centre,
        fwhm=fwhm / _SPAXEL,
        spaxel=_SPAXEL,
    )


def _pixels(half: float, planes: int, along: float, across: float) -> tuple[Array, Array]:
    """Ends of the pixels of one dither: planes, arcsec across and along slices, [3, pixel]."""
    slices = np.arange(-np.ceil(half / _SLICE) - 4, np.ceil(half / _SLICE) + 4)
    columns = np.arange(-np.ceil(half / _PIXEL) - 6, np.ceil(half / _PIXEL) + 6)
    number, row, column = np.meshgrid(np.arange(planes), slices, columns, indexing="ij")
    # slices are offset in wavelength, and images of a slice incline against the pixels
    wave = number + 0.35 * np.sin(row * 2.1)
    at = column + _TILT * (number / (planes - 1) - 0.5)
    low = np.array([wave - 0.5, row * _SLICE + across, at * _PIXEL + along])
    high = np.array([wave + 0.5, (row + 1) * _SLICE + across, (at + 1) * _PIXEL + along])
    inside = (low[1] < half) & (high[1] > -half) & (low[2] < half) & (high[2] > -half)
    return low[:, inside], high[:, inside]


def _lines(plane: Array, planes: int) -> Array:
    found = np.zeros(np.shape(plane))
    for at, height in _LINES:
        found += height * np.exp(-(((plane - at * (planes - 1)) / _LINE) ** 2) / 2)
    return found


def _gaussian(at: Array, sigma: Array) -> Array:
    from scipy.special import erf

    found: Array = 0.5 * (1 + erf(at / sigma / np.sqrt(2)))
    return found
