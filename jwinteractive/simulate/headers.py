"""The header of a simulated exposure, complete enough for the official pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.time import Time, TimeDelta
from numpy.typing import NDArray
from stdatamodels.jwst import datamodels

from jwinteractive import detectors
from jwinteractive.simulate.settings import SOSS, Settings
from jwinteractive.simulate.window import Window

_START = "2024-03-01T12:00:00"
START_MJD = 60370.5
"""The same, as a modified Julian date."""
_DAY = 86400.0
_STARS = ("NRC_TSIMAGE", "MIR_IMAGE")  # images, of one star if they are a time series
_SCALE = {"NIRCAM": 0.031, "NIRISS": 0.0656, "NIRSPEC": 0.1, "MIRI": 0.11, "FGS": 0.069}


def level1b(settings: Settings, window: Window, data: NDArray[np.uint16]) -> Any:
    """Return a Level1bModel with data [nint, ngroup, ny, nx] and a full header."""
    model = datamodels.Level1bModel(data.shape)
    model.data = data
    start = Time(_START, scale="utc") + TimeDelta(settings.day, format="jd")
    length = _integration_time(settings, window)
    reset = window.frame_time
    elapsed = settings.nints * (length + reset)
    _common(model, settings, window, start)
    exposure = model.meta.exposure
    exposure.type = settings.exposure_type
    exposure.readpatt = settings.readpatt.upper()
    exposure.nints, exposure.ngroups = settings.nints, settings.ngroups
    exposure.integration_start, exposure.integration_end = 1, settings.nints
    exposure.nframes, exposure.groupgap = window.nframes, window.groupgap
    exposure.frame_divisor = detectors.frame_divisor(window.nframes)
    exposure.frame_time, exposure.group_time = window.frame_time, window.group_time
    exposure.integration_time = length
    exposure.effective_exposure_time = settings.nints * length
    exposure.exposure_time = settings.nints * length
    exposure.measurement_time = settings.nints * (settings.ngroups - 1) * window.group_time
    exposure.elapsed_exposure_time = exposure.duration = elapsed
    exposure.start_time, exposure.mid_time = start.mjd, start.mjd + elapsed / 2 / _DAY
    exposure.end_time = start.mjd + elapsed / _DAY
    exposure.nresets_at_start = exposure.nresets_between_ints = 1
    exposure.drop_frames1 = exposure.drop_frames3 = 0
    exposure.sample_time, exposure.nsamples = 10.0, window.pixel_ticks
    exposure.noutputs = window.amplifiers + window.interleaved
    if window.interleaved:
        exposure.nrs_normal, exposure.nrs_reference = 16, 4
    exposure.zero_frame, exposure.data_problem = False, False
    exposure.count, exposure.prime_parallel = 1, "PRIME"
    _pointing(model, settings, window)
    scale = model.meta.wcsinfo.cdelt1 * 3600
    dither = model.meta.dither
    dither.x_offset, dither.y_offset = (scale * moved for moved in settings.dither)
    _tables(model, settings, window, start)
    return model


def _integration_time(settings: Settings, window: Window) -> float:
    last = (settings.ngroups - 1) * (window.nframes + window.groupgap) + window.nframes
    return last * window.frame_time


def _common(model: Any, settings: Settings, window: Window, start: Time) -> None:
    date, time = start.isot.split("T")
    meta = model.meta
    meta.telescope, meta.origin, meta.filetype = "JWST", "SIMULATION", "raw"
    meta.date = start.isot
    instrument_keywords(model, settings, window)
    subarray_keywords(model, window)
    observation = {
        "program_number": "99999",
        "observation_number": "001",
        "visit_number": "001",
        "visit_group": "02",
        "sequence_id": "1",
        "activity_id": "01",
        "exposure_number": "1",
        "obs_id": "V99999001001P0000000002101",
        "visit_id": "99999001001",
        "date": date,
        "time": time,
        "date_beg": start.isot,
    }
    meta.observation.instance.update(observation)
    meta.visit.type, meta.visit.status = "PRIME_TARGETED_FIXED", "SUCCESSFUL"
    meta.visit.tsovisit = settings.tso or settings.exposure_type == SOSS
    meta.visit.start_time = start.iso
    meta.program.title, meta.program.category = "Simulated exposure", "CAL"
    meta.target.catalog_name = meta.target.proposer_name = "SIMULATION"
    meta.target.type = "FIXED"
    meta.target.ra, meta.target.dec = 53.16, -27.79
    meta.coordinates.reference_frame = "ICRS"
    meta.guidestar.gs_ra, meta.guidestar.gs_dec = 53.2, -27.8
    meta.dither.position_number, meta.dither.total_points = 1, 1
    meta.dither.x_offset = meta.dither.y_offset = 0.0


def instrument_keywords(model: Any, settings: Settings, window: Window) -> None:
    """Write instrument, detector and optics."""
    instrument = model.meta.instrument
    instrument.name, instrument.detector = window.detector.instrument, window.detector.name
    if window.detector.instrument == "NIRCAM":
        instrument.channel = "LONG" if window.detector.name.endswith("LONG") else "SHORT"
        instrument.module = window.detector.name[3]
    for name in ("filter", "pupil", "grating"):
        if getattr(settings, name):
            setattr(instrument, name, getattr(settings, name))


def subarray_keywords(model: Any, window: Window) -> None:
    """Write the window and the readout directions."""
    subarray = model.meta.subarray
    subarray.name = window.name
    subarray.xstart, subarray.ystart = window.xstart, window.ystart
    subarray.xsize, subarray.ysize = window.nx, window.ny
    subarray.fastaxis, subarray.slowaxis = window.detector.fastaxis, window.detector.slowaxis


def _star(settings: Settings, window: Window) -> tuple[float, float] | None:
    """Pixel (x, y), from 1, of the star that a time series of images is of; None: it is of none.

    Light out of focus is a set of sources that are alike: the star is in the middle of the
    brightest.
    """
    if not settings.tso or settings.exposure_type not in _STARS:
        return None
    top = max((rate for _, _, rate in settings.sources), default=0.0)
    places = [(x, y) for x, y, rate in settings.sources if rate == top]
    if not places:
        return window.nx / 2 + 0.5, window.ny / 2 + 0.5
    x, y = np.mean(places, axis=0) + settings.dither
    return float(x) + 1, float(y) + 1


def _pointing(model: Any, settings: Settings, window: Window) -> None:
    scale = _SCALE[window.detector.instrument]
    if window.detector.name.endswith("LONG"):
        scale *= 2
    model.meta.pointing.ra_v1, model.meta.pointing.dec_v1 = 53.16, -27.79
    model.meta.pointing.pa_v3 = 0.0
    degrees = scale / 3600
    wcs = {
        "wcsaxes": 2,
        "crpix1": window.nx / 2 + 0.5,
        "crpix2": window.ny / 2 + 0.5,
        "crval1": 53.16,
        "crval2": -27.79,
        "ctype1": "RA---TAN",
        "ctype2": "DEC--TAN",
        "cunit1": "deg",
        "cunit2": "deg",
        "cdelt1": degrees,
        "cdelt2": degrees,
        "pc1_1": -1.0,
        "pc1_2": 0.0,
        "pc2_1": 0.0,
        "pc2_2": 1.0,
        "ra_ref": 53.16,
        "dec_ref": -27.79,
        "roll_ref": 0.0,
        "v2_ref": 0.0,
        "v3_ref": 0.0,
        "v3yangle": 0.0,
        "vparity": -1,
    }
    star = _star(settings, window)
    if star is not None:  # the target, at the reference point of the aperture
        wcs["crpix1"], wcs["crpix2"] = wcs["siaf_xref_sci"], wcs["siaf_yref_sci"] = star
    model.meta.wcsinfo.instance.update(wcs)


def _tables(model: Any, settings: Settings, window: Window, start: Time) -> None:
    """Fill INT_TIMES: start, middle and end of each integration."""
    length = _integration_time(settings, window)
    dtype = model.get_dtype("int_times")
    table: Any = np.zeros(settings.nints, dtype)
    begin = start.mjd + np.arange(settings.nints) * (length + window.frame_time) / _DAY
    table["integration_number"] = np.arange(settings.nints) + 1
    for suffix, offset in (("start", 0.0), ("mid", length / 2), ("end", length)):
        table[f"int_{suffix}_MJD_UTC"] = begin + offset / _DAY
        table[f"int_{suffix}_BJD_TDB"] = begin + offset / _DAY
    model.int_times = table
