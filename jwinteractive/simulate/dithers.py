"""Dithered exposures of one field with known sources, sky levels, hits and hot pixels.

Stars narrower than two pixels, a galaxy and a thin arc are drawn on each exposure where its WCS
puts them: a tangent plane behind a cubic distortion. Each exposure has hits of its own, points and
tracks of known significance, and all share hot pixels that stay on the detector. The files are
calibrated images as the official pipeline writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng

from jwinteractive import dq as flags
from jwinteractive.data import Array
from jwinteractive.errors import ParamError
from jwinteractive.simulate.dither_scene import (
    BENT,
    NORM,
    SCALE,
    Scene,
    add_star,
    draw_hits,
    galaxy,
    straightened,
)

__all__ = ["Dither", "SimulatedDithers", "dithers", "model_of"]

RA, DEC = 53.16, -27.79
_STERADIAN = (SCALE / 206264.806) ** 2
_READ = 0.05  # MJy/sr
_GAIN = 400.0  # (MJy/sr) / variance of the photons in (MJy/sr)²


@dataclass(frozen=True)
class Dither:
    """One calibrated exposure, in MJy/sr, and what was put into it; all planes [y, x].

    Attributes
    ----------
    name
        Root of the file's name.
    offset
        Where the field's centre lies, in arcsec west and north of the frame's.
    angle
        Degrees by which the frame is turned.
    sky
        Level of the sky.
    data, err, dq, var_rnoise, var_poisson
        As a calibrated file has them.
    hits
        Significance that a hit was given in each pixel, in the pixel's own noise; 0 without.
    stars
        Pixels within one FWHM of a star, whose light in them exceeds ten times the noise.
    clean
        The scene with neither noise nor hits, sky included.
    """

    name: str
    offset: tuple[float, float]
    angle: float
    sky: float
    data: Array
    err: Array
    dq: Array
    var_rnoise: Array
    var_poisson: Array
    hits: Array
    stars: Array
    clean: Array

    @cached_property
    def wcs(self) -> Any:
        """The exposure's gwcs, from pixels to right ascension and declination in degrees."""
        return _gwcs(self.data.shape, self.offset, self.angle)

    @property
    def wcsinfo(self) -> dict[str, Any]:
        """Keywords of the WCS that a common grid is made from."""
        ny, nx = self.data.shape
        ra, dec = self.wcs((nx - 1) / 2, (ny - 1) / 2, with_bounding_box=False)
        return {
            "ra_ref": float(ra),
            "dec_ref": float(dec),
            "v3yangle": 0.0,
            "vparity": -1,
            "roll_ref": self.angle,
        }

    @property
    def s_region(self) -> str:
        """Corners on the sky, as S_REGION says them."""
        ny, nx = self.data.shape
        x = np.array([-0.5, nx - 0.5, nx - 0.5, -0.5])
        y = np.array([-0.5, -0.5, ny - 0.5, ny - 0.5])
        ra, dec = self.wcs(x, y, with_bounding_box=False)
        numbers = " ".join(f"{a:.9f} {d:.9f}" for a, d in zip(ra, dec, strict=True))
        return f"POLYGON ICRS  {numbers}"


@dataclass(frozen=True)
class SimulatedDithers:
    """Dithered exposures of one field; ``hot`` [y, x] are pixels that are high in all of them."""

    exposures: tuple[Dither, ...]
    hot: Array

    def write(self, folder: Path | str, *, levels: bool = False) -> list[Path]:
        """Write one ``_cal.fits`` file an exposure, with its WCS in ASDF; give their paths.

        ``levels`` writes the level of the sky into the header, as matching of skies leaves it.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, exposure in enumerate(self.exposures):
            path = folder / f"{exposure.name}_cal.fits"
            model_of(exposure, number, levels=levels).save(path)
            paths.append(path)
        return paths


def dithers(
    n: int = 4,
    shape: tuple[int, int] = (512, 512),
    *,
    seed: int = 1,
    fwhm: float = 1.8,
    stars: float = 1e-3,
    hits: float = 1e-3,
    hot: float = 2e-4,
    angle: float = 0.3,
    step: float = 7.0,
) -> SimulatedDithers:
    """``n`` exposures of one field that differ in pointing, roll, sky level, noise and hits.

    Parameters
    ----------
    n
        Number of exposures.
    shape
        Their size (ny, nx).
    seed
        All that is random follows from it.
    fwhm
        Of stars, in pixels.
    stars, hits, hot
        Stars, hits of one exposure and hot pixels, per pixel of the frame.
    angle
        Degrees between the rolls of one exposure and the next.
    step
        Largest offset along an axis, in pixels.

    Raises
    ------
    ParamError
        If there is no exposure, or a frame is smaller than 32 pixels.
    """
    if n < 1 or min(shape) < 32:
        raise ParamError(f"dithers n = {n}, shape = {shape}: needs an exposure, of 32 x 32 or more")
    rng = default_rng(seed)
    ny, nx = shape
    count = round(stars * ny * nx)
    reach = 0.5 * np.array([nx, ny]) + step
    field = rng.uniform(-reach, reach, (count, 2)) * SCALE  # arcsec
    light = 10 ** rng.uniform(0.0, 3.7, count)  # MJy/sr pixels: from below the noise to 20000 sigma
    warm = np.where(rng.random(shape) < hot, rng.uniform(1, 30, shape), 0.0)
    found = []
    for number in range(n):
        shift = rng.uniform(-step, step, 2) if number else np.zeros(2)
        place = (float(shift[0] * SCALE), float(shift[1] * SCALE))
        scene = Scene(shape, place, angle * number, fwhm)
        sky = 0.5 + 0.15 * float(rng.uniform(-1, 1))
        found.append(_expose(f"dither{number + 1}", scene, field, light, warm, sky, hits, rng))
    return SimulatedDithers(tuple(found), warm > 0)


def _expose(
    name: str,
    scene: Scene,
    field: Array,
    light: Array,
    warm: Array,
    sky: float,
    hits: float,
    rng: Generator,
) -> Dither:
    y, x = np.indices(scene.shape, dtype=np.float64)
    xi, eta = scene.field_of(x, y)
    extended = galaxy(xi / SCALE, eta / SCALE, min(scene.shape))
    points = np.zeros(scene.shape)
    near = np.zeros(scene.shape, bool)
    for px, py, flux in zip(*scene.pixels_of(field), light, strict=True):
        add_star(points, near, float(px), float(py), float(flux), scene.fwhm)
    clean = sky + extended + points
    var_poisson = clean / _GAIN
    noise = np.sqrt(_READ**2 + var_poisson)
    sigma = draw_hits(scene.shape, hits, rng)
    data = clean + warm + noise * (rng.standard_normal(scene.shape) + sigma)
    dq = np.zeros(scene.shape, np.uint32)
    dead = rng.random(scene.shape) < 1e-3
    dq[dead] = flags.DO_NOT_USE | flags.JUMP_DET
    data[dead] = np.nan
    stars = near & (points > 10 * noise)
    planes: tuple[Array, ...] = (data, np.where(dead, np.nan, noise), var_poisson)
    planes = tuple(np.ascontiguousarray(plane, np.float32) for plane in planes)
    return Dither(
        name=name,
        offset=scene.offset,
        angle=scene.angle,
        sky=sky,
        data=planes[0],
        err=planes[1],
        dq=dq,
        var_rnoise=np.full(scene.shape, _READ**2, np.float32),
        var_poisson=planes[2],
        hits=sigma.astype(np.float32),
        stars=stars,
        clean=clean.astype(np.float32),
    )


def _gwcs(shape: tuple[int, ...], offset: tuple[float, float], angle: float) -> Any:
    import gwcs
    from astropy import coordinates, units
    from astropy.modeling.models import (
        AffineTransformation2D,
        Mapping,
        Pix2Sky_TAN,
        Polynomial2D,
        RotateNative2Celestial,
        Scale,
        Shift,
    )
    from gwcs import coordinate_frames as frames

    ny, nx = shape
    centre = Shift(-(nx - 1) / 2) & Shift(-(ny - 1) / 2)
    unit = Scale(1 / NORM) & Scale(1 / NORM)
    bent = []
    for axis, linear in (("x", (1, 0)), ("y", (0, 1))):
        terms = dict(BENT[axis])
        terms[linear] = terms.get(linear, 0.0) + NORM
        polynomial = Polynomial2D(3, **{f"c{i}_{j}": c for (i, j), c in terms.items()})
        bent.append(polynomial)
    distortion = Mapping((0, 1, 0, 1)) | bent[0] & bent[1]
    along_x, along_y = (Polynomial2D(5, **c) for c in straightened(shape))
    distortion.inverse = unit | Mapping((0, 1, 0, 1)) | along_x & along_y
    sin, cos = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    # west is +x of the simulated tangent plane, -xi of the standard one
    turn = AffineTransformation2D(
        matrix=np.array([[-cos, sin], [sin, cos]]) * SCALE / 3600,
        translation=np.array([-offset[0], offset[1]]) / 3600,
    )
    optics = centre | unit | distortion | turn
    transform = optics | Pix2Sky_TAN() | RotateNative2Celestial(RA, DEC, 180)
    detector = frames.Frame2D(name="detector", axes_order=(0, 1), unit=(units.pix, units.pix))
    sky = frames.CelestialFrame(
        name="world", reference_frame=coordinates.ICRS(), unit=(units.deg, units.deg)
    )
    found = gwcs.WCS([(detector, transform), (sky, None)])
    found.bounding_box = ((-0.5, nx - 0.5), (-0.5, ny - 0.5))
    return found


def model_of(exposure: Dither, number: int, *, levels: bool = False) -> Any:
    """Official image model of one exposure of a set; ``levels`` as of writing it."""
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.ImageModel(exposure.data.shape)
    for name in ("data", "err", "dq", "var_rnoise", "var_poisson"):
        setattr(model, name, getattr(exposure, name).copy())  # official steps change them
    model.var_flat = np.zeros_like(exposure.data)
    meta = model.meta
    meta.filename = f"{exposure.name}_cal.fits"
    meta.date, meta.telescope = "2026-01-01T00:00:00", "JWST"
    meta.instrument.name, meta.instrument.detector = "NIRCAM", "NRCA1"
    meta.instrument.channel, meta.instrument.module = "SHORT", "A"
    meta.instrument.filter, meta.instrument.pupil = "F200W", "CLEAR"
    meta.observation.program_number = "99999"
    meta.observation.observation_number = "001"
    meta.observation.visit_number = "001"
    meta.observation.visit_group = "01"
    meta.observation.sequence_id, meta.observation.activity_id = "1", "01"
    meta.observation.exposure_number = str(number + 1)
    meta.observation.date, meta.observation.time = "2026-01-01", f"0{number % 10}:00:00.000"
    ny, nx = exposure.data.shape
    meta.subarray.name = "FULL"
    meta.subarray.xstart = meta.subarray.ystart = 1
    meta.subarray.xsize, meta.subarray.ysize = nx, ny
    meta.subarray.fastaxis, meta.subarray.slowaxis = -1, 2
    meta.exposure.type = "NRC_IMAGE"
    meta.exposure.exposure_time = meta.exposure.measurement_time = 100.0
    meta.exposure.readpatt, meta.exposure.nframes, meta.exposure.groupgap = "SHALLOW2", 2, 3
    meta.exposure.frame_time, meta.exposure.group_time = 10.73677, 53.68385
    meta.exposure.duration = 110.0
    meta.exposure.start_time = 61041.0 + number / 100
    meta.exposure.end_time = meta.exposure.start_time + 110 / 86400
    meta.exposure.nints, meta.exposure.ngroups = 1, 5
    meta.bunit_data = meta.bunit_err = "MJy/sr"
    meta.photometry.conversion_megajanskys = 1.0
    meta.photometry.pixelarea_steradians = _STERADIAN
    meta.photometry.pixelarea_arcsecsq = SCALE**2
    meta.wcsinfo.instance.update(exposure.wcsinfo, wcsaxes=2, s_region=exposure.s_region)
    meta.wcs = exposure.wcs
    meta.cal_step.assign_wcs = meta.cal_step.photom = meta.cal_step.flat_field = "COMPLETE"
    if levels:
        meta.background.level, meta.background.subtracted = exposure.sky, False
    return model
