"""Nodded exposures of a source in a slit with known spectrum, hits and bad pixels.

As NIRSpec's: the trace is inclined and narrower than two pixels, wavelengths lean against the
columns, the source is at another place in the slit in each exposure. Bad pixels belong to the
detector and are flagged; hits are each exposure's own and are not. The files are calibrated slits
as the official pipeline writes them, with their WCS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import default_rng
from scipy.special import erf

from jwinteractive import dq as flags
from jwinteractive.data import Array
from jwinteractive.errors import ParamError

__all__ = ["EmissionLine", "SimulatedSlits", "SlitDither", "slit_dithers"]

RA, DEC = 150.06, 2.38
_ANGLE = 30.0  # degrees east of north that rows rise to
_SCALE = 0.103  # arcsec: a NIRSpec pixel
_FIRST, _STEP = 1.70, 1.06e-3  # um: of column 0 in the middle row, and from column to column
_LEAN = 0.05  # columns that a wavelength moves from row to row
_INCLINED = 4.0  # rows that the trace rises over the whole slit
_NODS = (0.0, 5.1, -5.1, 2.7, -2.7)  # pixels along the slit, and what follows goes round again
_WIDENS = 0.12  # of the width of the light, from the first column to the last
_WINGS = (0.15, 3.0)  # part of the light that lies in wings, and how much wider these are
_LINES = ((0.22, 3.0), (0.47, 6.0), (0.76, 1.5))  # place in the slit, height over the continuum
_LINE = 1.3  # columns: standard deviation of a line
_ELECTRON = 5e-14  # MJy: a column of continuum of 2e-4 Jy has 4000
_READ = 12.0  # electrons: standard deviation of read noise in a pixel
_SKY = 20.0  # electrons of sky in a pixel
_MARGIN = 1.5  # rows of the cut-out that the slit does not reach


@dataclass(frozen=True)
class EmissionLine:
    """A line of the source: middle and FWHM in um, flux in Jy um, equivalent width in um."""

    wavelength: float
    fwhm: float
    flux: float
    width: float


@dataclass(frozen=True)
class SlitDither:
    """One calibrated slit, in MJy, and what was put into it; planes are [y, x].

    Attributes
    ----------
    name
        Root of the file's name.
    offset
        Pixels along the slit that the source lies off its middle.
    trace
        y of the source in each column, [x].
    data, err, dq, var_rnoise, var_poisson, wavelength
        As a calibrated file has them; NaN beside the slit.
    clean
        The source alone, without noise, hits or sky.
    hits
        Pixels that were hit, none of them flagged.
    """

    name: str
    offset: float
    trace: Array
    data: Array
    err: Array
    dq: Array
    var_rnoise: Array
    var_poisson: Array
    wavelength: Array
    clean: Array
    hits: Array


@dataclass(frozen=True)
class SimulatedSlits:
    """Exposures of one slit.

    Attributes
    ----------
    exposures
        One a nod.
    bad
        Pixels without a value in all of them, [y, x].
    level
        Continuum in the middle of the band, Jy.
    sky
        Of a pixel, MJy.
    lines
        Of the source.
    """

    exposures: tuple[SlitDither, ...]
    bad: Array
    level: float
    sky: float
    lines: tuple[EmissionLine, ...]

    def continuum(self, wavelength: Array) -> Array:
        """Flux without lines, Jy."""
        return _continuum(wavelength, self.level, self.bad.shape[1])

    def flux(self, wavelength: Array) -> Array:
        """Flux as pixels see it, Jy: lines are averaged over the width of a column."""
        return self.continuum(wavelength) + _seen_lines(wavelength, self.lines)

    def write(self, folder: Path | str) -> list[Path]:
        """Write one ``_cal.fits`` file an exposure, with its WCS in ASDF; give their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, exposure in enumerate(self.exposures):
            paths.append(folder / f"{exposure.name}_cal.fits")
            _model(exposure, number).save(paths[-1])
        return paths


def slit_dithers(
    n: int = 3,
    shape: tuple[int, int] = (34, 400),
    *,
    seed: int = 1,
    fwhm: float = 1.5,
    flux: float = 2e-4,
    hits: float = 2e-3,
    bad: float = 2e-3,
    sky: bool = True,
    noise: bool = True,
) -> SimulatedSlits:
    """``n`` exposures of a point source that is nodded along a slit.

    Parameters
    ----------
    n
        Number of exposures.
    shape
        Of the cut-out, (ny, nx).
    seed
        All that is random follows from it.
    fwhm
        Of the light across the trace in the first column, pixels.
    flux
        Continuum in the middle of the band, Jy.
    hits, bad
        Hits of one exposure and bad pixels, per pixel of the cut-out.
    sky
        Whether there is a level of sky.
    noise
        Whether there is noise; variances are the same without.

    Raises
    ------
    ParamError
        If there is no exposure, or the cut-out is too small for the nods.
    """
    if n < 1 or shape[0] < 24 or shape[1] < 64:
        raise ParamError(
            f"slit_dithers n = {n}, shape = {shape}: needs an exposure, of 24 x 64 or more"
        )
    rng = default_rng(seed)
    ny, nx = shape
    y, x = np.arange(ny, dtype=np.float64)[:, None], np.arange(nx, dtype=np.float64)
    wavelength = _FIRST + _STEP * (x + _LEAN * (y - (ny - 1) / 2))
    lines = _lines(flux, nx)
    spectrum = _continuum(wavelength, flux, nx) + _seen_lines(wavelength, lines)  # Jy
    level = _SKY * sky
    inside = np.abs(y - _middle(shape)) <= ny / 2 - _INCLINED / 2 - _MARGIN
    broken = (rng.random(shape) < bad) & inside
    found = []
    for k in range(n):
        offset = _NODS[k % len(_NODS)] + 0.3 * (k // len(_NODS))
        trace = _middle(shape) + offset
        clean = spectrum * 1e-6 * _profile(y, trace, fwhm * (1 + _WIDENS * x / nx))
        expected = clean / _ELECTRON + level
        seen = rng.poisson(expected) + rng.normal(0, _READ, shape) if noise else expected
        hit = (rng.random(shape) < hits) & inside & ~broken
        strength = rng.uniform(10, 100, shape) * np.sqrt(expected + _READ**2)
        seen = seen + hit * strength
        use = inside & ~broken
        data = np.where(use, seen * _ELECTRON, np.nan)
        read = np.where(use, (_READ * _ELECTRON) ** 2, np.nan)
        # of the noisy values, as a pipeline has it
        poisson = np.where(use, np.maximum(seen, 0) * _ELECTRON**2, np.nan)
        dq = np.where(broken, flags.DO_NOT_USE, 0)
        dq[~inside] = flags.DO_NOT_USE | flags.NON_SCIENCE
        found.append(
            SlitDither(
                name=f"nod{k + 1}",
                offset=offset,
                trace=trace,
                data=data.astype(np.float32),
                err=np.sqrt(read + poisson).astype(np.float32),
                dq=dq.astype(np.uint32),
                var_rnoise=read.astype(np.float32),
                var_poisson=poisson.astype(np.float32),
                wavelength=np.where(inside, wavelength, np.nan).astype(np.float32),
                clean=clean,
                hits=hit,
            )
        )
    return SimulatedSlits(tuple(found), broken, flux, level * _ELECTRON, lines)


def _middle(shape: tuple[int, int]) -> Array:
    """Middle of the slit, y of each column."""
    ny, nx = shape
    found: Array = (ny - 1) / 2 + _INCLINED * (np.arange(nx) / (nx - 1) - 0.5)
    return found


def _continuum(wavelength: Array, level: float, nx: int) -> Array:
    place = (wavelength - _FIRST) / (_STEP * nx)
    found: Array = level * (1.15 - 0.3 * place)
    return found


def _lines(level: float, nx: int) -> tuple[EmissionLine, ...]:
    found = []
    sigma = _LINE * _STEP
    for place, height in _LINES:
        middle = _FIRST + _STEP * nx * place
        under = float(_continuum(np.array(middle), level, nx))
        area = height * under * sigma * float(np.sqrt(2 * np.pi))
        found.append(EmissionLine(middle, 2.3548 * sigma, area, area / under))
    return tuple(found)


def _seen_lines(wavelength: Array, lines: tuple[EmissionLine, ...]) -> Array:
    """Lines averaged over the width of a column, Jy."""
    found: Array = np.zeros(np.shape(wavelength))
    for line in lines:
        edge = line.fwhm / 2.3548 * np.sqrt(2)
        ends = [erf((wavelength - line.wavelength + s * _STEP / 2) / edge) for s in (1, -1)]
        found = found + line.flux * 0.5 * (ends[0] - ends[1]) / _STEP
    return found


def _profile(y: Array, trace: Array, fwhm: Array) -> Array:
    """Light of each pixel across the trace: a core with wings, [y, x]."""
    found: Array = np.zeros((len(y), len(trace)))
    part, wider = _WINGS
    for share, width in ((1 - part, fwhm), (part, wider * fwhm)):
        edge = np.sqrt(2) * width / 2.3548
        found = found + share * 0.5 * (
            erf((y + 0.5 - trace) / edge) - erf((y - 0.5 - trace) / edge)
        )
    return found


def _gwcs(shape: tuple[int, int], offset: float) -> Any:
    """From pixels to right ascension, declination (degrees) and wavelength (um).

    On the way lie places in the slit, as official steps ask for them.
    """
    import gwcs
    from astropy import coordinates, units
    from astropy.modeling.models import (
        AffineTransformation2D,
        Identity,
        Mapping,
        Polynomial1D,
        Scale,
    )
    from gwcs import coordinate_frames as frames

    ny, nx = shape
    rise, degree = _INCLINED / (nx - 1), _SCALE / 3600
    # place along the slit, degrees from the source, and wavelength
    affine = AffineTransformation2D(
        matrix=np.array([[-rise * degree, degree], [_STEP, _STEP * _LEAN]]),
        translation=np.array(
            [
                (-(ny - 1) / 2 + _INCLINED / 2 - offset) * degree,
                _FIRST - _STEP * _LEAN * (ny - 1) / 2,
            ]
        ),
    )
    sin, cos = np.sin(np.deg2rad(_ANGLE)), np.cos(np.deg2rad(_ANGLE))
    east = Polynomial1D(1, c0=RA, c1=sin / np.cos(np.deg2rad(DEC)))
    north = Polynomial1D(1, c0=DEC, c1=cos)
    back = Polynomial1D(1, c0=-DEC / cos, c1=1 / cos)
    # all in the middle of the slit's width; along it NIRSpec counts against the rows
    turn = Scale(0.0) & Scale(-1.0) & Identity(1)
    to_slit = affine | Mapping((0, 0, 1)) | turn
    to_slit.inverse = Mapping((1, 2), n_inputs=3) | Scale(-1.0) & Identity(1) | affine.inverse
    to_sky = Mapping((1, 1, 2), n_inputs=3) | Scale(-1.0) & Scale(-1.0) & Identity(1)
    to_sky = to_sky | east & north & Identity(1)
    to_sky.inverse = Mapping((1, 1, 2), n_inputs=3) | back & back & Identity(1) | turn
    detector = frames.Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    sky = frames.CelestialFrame(
        name="sky", axes_order=(0, 1), reference_frame=coordinates.ICRS(),
        unit=(units.deg, units.deg),
    )  # fmt: skip
    spectral = frames.SpectralFrame(
        name="spectral", axes_order=(2,), unit=(units.um,), axes_names=("wavelength",)
    )
    world = frames.CompositeFrame([sky, spectral], name="world")
    across = frames.Frame2D(
        name="slit_spatial", axes_order=(0, 1), unit=(units.deg, units.deg),
        axes_names=("x_slit", "y_slit"),
    )  # fmt: skip
    slit = frames.CompositeFrame([across, spectral], name="slit_frame")
    found = gwcs.WCS([(detector, to_slit), (slit, to_sky), (world, None)])
    found.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    return found


def _model(exposure: SlitDither, number: int) -> Any:
    """Official model of an exposure, whose only slit is S200A1."""
    from stdatamodels.jwst import datamodels

    ny, nx = exposure.data.shape
    slit: Any = datamodels.SlitModel(exposure.data.shape)
    for name in ("data", "err", "dq", "var_rnoise", "var_poisson", "wavelength"):
        setattr(slit, name, getattr(exposure, name).copy())  # official steps change them
    slit.var_flat = np.zeros_like(exposure.data)
    slit.name, slit.source_id, slit.source_name = "S200A1", 1, "simulated"
    slit.source_type, slit.source_ra, slit.source_dec = "POINT", RA, DEC
    slit.xstart, slit.ystart, slit.xsize, slit.ysize = 301, 1056, nx, ny
    slit.meta.bunit_data = slit.meta.bunit_err = "MJy"
    slit.meta.photometry.pixelarea_steradians = (_SCALE / 206264.806) ** 2
    slit.meta.photometry.pixelarea_arcsecsq = _SCALE**2
    slit.meta.wcsinfo.dispersion_direction, slit.meta.wcsinfo.spectral_order = 1, 1
    slit.meta.wcs = _gwcs((ny, nx), exposure.offset)
    model: Any = datamodels.MultiSlitModel()
    model.slits.append(slit.instance)
    meta = model.meta
    meta.filename = f"{exposure.name}_cal.fits"
    meta.date, meta.telescope = "2026-01-01T00:00:00", "JWST"
    meta.instrument.name, meta.instrument.detector = "NIRSPEC", "NRS1"
    meta.instrument.grating, meta.instrument.filter = "G235M", "F170LP"
    meta.instrument.fixed_slit = "S200A1"
    meta.observation.program_number, meta.observation.observation_number = "99999", "002"
    meta.observation.visit_number, meta.observation.visit_group = "001", "01"
    meta.observation.sequence_id, meta.observation.activity_id = "1", "01"
    meta.observation.exposure_number = str(number + 1)
    meta.observation.date, meta.observation.time = "2026-01-01", f"0{number % 10}:00:00.000"
    meta.subarray.name, meta.subarray.xstart, meta.subarray.ystart = "FULL", 1, 1
    meta.subarray.xsize = meta.subarray.ysize = 2048
    meta.subarray.fastaxis, meta.subarray.slowaxis = 2, 1
    meta.exposure.type, meta.exposure.nints, meta.exposure.ngroups = "NRS_FIXEDSLIT", 1, 20
    meta.exposure.exposure_time = meta.exposure.measurement_time = 1000.0
    meta.exposure.readpatt, meta.exposure.nframes, meta.exposure.groupgap = "NRSRAPID", 1, 0
    meta.exposure.frame_time = meta.exposure.group_time = 10.73677
    meta.dither.position_number = number + 1
    meta.cal_step.assign_wcs = meta.cal_step.photom = meta.cal_step.flat_field = "COMPLETE"
    meta.cal_step.extract_2d = meta.cal_step.wavecorr = "COMPLETE"
    return model
