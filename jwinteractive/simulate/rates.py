"""Rates of a dithered programme without its ramps: one detector, one scene, noise by the model.

A rate is what a straight-line fit of the ramp gives: light and dark with Poisson noise over the
time of the fit, white read noise as it enters a slope, and the slope of what telegraph, RC and bent
pixels do in each read. There are no cosmic rays, 1/f noise, saturation or nonlinearity in it. Made
for statistics over many full frames, whose ramps would take minutes each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from jwinteractive import dq
from jwinteractive.simulate.headers import START_MJD
from jwinteractive.simulate.modes import settings_for
from jwinteractive.simulate.pixels import Pixels, make_pixels
from jwinteractive.simulate.scene import make_scene
from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import Window, window

__all__ = ["Programme", "simulate_rates"]

Image = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Programme:
    """Files of a simulated programme, and the truth about their pixels.

    ``excess`` is the dark signal [y, x] in DN/s that the references know nothing of.
    """

    paths: tuple[Path, ...]
    pixels: Pixels
    excess: Image


def simulate_rates(
    folder: str | Path, count: int, mode: str = "nircam", *, reach: float = 15.0, **settings: Any
) -> Programme:
    """Write ``count`` rate files of exposures that are dithered by up to ``reach`` pixels.

    Parameters
    ----------
    mode, settings
        As for `simulate`; ``seed`` decides all.

    Raises
    ------
    InputError
        As `simulate` does.
    """
    chosen = settings_for(mode, settings)
    geometry = window(chosen)
    pixel_seed, scene_seed, rest = np.random.SeedSequence(chosen.seed).spawn(3)
    pixels = make_pixels(chosen, geometry, pixel_seed)
    rng = np.random.Generator(np.random.SFC64(rest))
    paths = []
    for k in range(count):
        x, y = rng.uniform(-reach, reach, 2)
        moved = replace(chosen, dither=(float(x), float(y)))
        # the same scene each time
        light, _, _ = make_scene(moved, geometry, np.random.SeedSequence(scene_seed.entropy))
        hdus = _exposure(chosen, geometry, pixels, light * pixels.qe, rng)
        _describe(hdus[0].header, chosen, geometry, k, (float(x), float(y)))
        name = f"jw99999001001_02101_{k + 1:05d}_{chosen.detector.lower()}_rate.fits"
        path = Path(folder) / name
        fits.HDUList(hdus).writeto(path, overwrite=True)
        paths.append(path)
    excess = np.asarray((pixels.dark - pixels.reference_dark) / pixels.gain)
    return Programme(tuple(paths), pixels, excess)


def _exposure(
    settings: Settings,
    geometry: Window,
    pixels: Pixels,
    light: Image,
    rng: np.random.Generator,
) -> list[Any]:
    """Images of one rate file."""
    times = np.arange(settings.ngroups) * geometry.group_time
    seconds = max(times[-1], geometry.group_time)
    electrons = rng.poisson((light + pixels.dark) * seconds) / seconds
    weights: Image = times - times.mean()
    square = float((weights**2).sum()) or geometry.group_time**2
    read = pixels.read_noise / np.sqrt(geometry.nframes)
    slope = read / np.sqrt(square)
    rate = electrons - pixels.reference_dark + slope * rng.standard_normal(light.shape)
    rate += _slopes(pixels, times + geometry.frame_time, weights / square, rng)
    gain = pixels.gain
    poisson = np.maximum(electrons, 0) / seconds / gain**2
    readout = slope**2 / gain**2
    flags = np.where(pixels.known, pixels.dq, 0).astype(np.uint32)
    flags |= np.where(pixels.reference, np.uint32(dq.REFERENCE_PIXEL | dq.DO_NOT_USE), 0)
    flags = flags.astype(np.uint32)
    unusable = flags & dq.DO_NOT_USE != 0
    planes = {"SCI": rate / gain, "ERR": np.sqrt(poisson + readout)}
    planes |= {"VAR_POISSON": poisson, "VAR_RNOISE": readout}
    images = []
    for name, plane in planes.items():
        values = np.where(unusable, np.nan, plane).astype(np.float32)
        images.append(fits.ImageHDU(values, name=name))
    images[0].header["BUNIT"] = "DN/s"
    if geometry.detector.instrument == "NIRSPEC":
        images[0].header["DISPAXIS"] = 1
    return [fits.PrimaryHDU(), *images[:2], fits.ImageHDU(flags, name="DQ"), *images[2:]]


def _slopes(pixels: Pixels, times: Any, weights: Any, rng: np.random.Generator) -> Image:
    """Slope in e-/s of what telegraph, RC and bent pixels add to their reads."""
    found = np.zeros(pixels.dark.shape)
    where = np.nonzero(pixels.rtn_amplitude)
    dwell = pixels.rtn_dwell[where]
    high = rng.random(dwell.size) < 0.5
    step = times[1] - times[0] if len(times) > 1 else 0.0
    for weight in weights:
        found[where] += weight * pixels.rtn_amplitude[where] * high
        high ^= rng.random(dwell.size) < 0.5 * -np.expm1(-2 * step / dwell)
    late = np.nonzero((pixels.inflow > 0) | (pixels.bend > 0))
    fold = np.maximum(pixels.inflow_time[late], 1.0)
    for time, weight in zip(times, weights, strict=True):
        charge = pixels.inflow[late] * -np.expm1(-time / fold) + pixels.bend[late] * time**2
        found[late] += weight * charge
    return found


def _describe(
    header: fits.Header,
    settings: Settings,
    geometry: Window,
    number: int,
    dither: tuple[float, float],
) -> None:
    start = START_MJD + settings.day + number * settings.ngroups * geometry.group_time / 43200
    header.update(
        TELESCOP="JWST",
        DATAMODL="ImageModel",
        INSTRUME=geometry.detector.instrument,
        DETECTOR=geometry.detector.name,
        EXP_TYPE=settings.exposure_type,
        READPATT=settings.readpatt.upper(),
        SUBARRAY=geometry.name,
        NINTS=1,
        NGROUPS=settings.ngroups,
        NFRAMES=geometry.nframes,
        GROUPGAP=geometry.groupgap,
        TFRAME=geometry.frame_time,
        TGROUP=geometry.group_time,
        EXPSTART=start,
        SUBSTRT1=geometry.xstart,
        SUBSTRT2=geometry.ystart,
        SUBSIZE1=geometry.nx,
        SUBSIZE2=geometry.ny,
        FASTAXIS=geometry.detector.fastaxis,
        SLOWAXIS=geometry.detector.slowaxis,
        XOFFSET=dither[0],
        YOFFSET=dither[1],
        S_RAMP="COMPLETE",
    )
    for name in ("filter", "pupil", "grating"):
        if getattr(settings, name):
            header[name.upper()] = getattr(settings, name)
