"""A nodded exposure of MIRI's slit spectrometer (LRS) and all references of its second stage.

Every number is chosen, not measured: a linear distortion, a smooth wavelength of each row, a
Gaussian of diffraction's width behind a slit. Official steps read them in the form that they read
the real ones in, so that a chain of theirs ends at the spectrum that went in.
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
    describe_reference,
    point_at,
)

__all__ = ["simulate_lrs"]

_SHAPE = (1024, 1032)
_LEAST = (396, 350)  # rows and columns that hold the spectrum
_X, _Y = 326.13, 300.7  # the slit's middle, pixels from 1
_ROWS = np.arange(94.0, -294.0, -1.0)  # rows of the spectrum from the slit's, as tables have them
_HALF = 20.0  # pixels: half the slit's length
_SCALE = 0.11  # arcsec
_SLIT = 0.51 / _SCALE  # pixels: width of the slit
_V2, _V3 = -414.34, -400.60  # arcsec: the slit's middle
_ROOT = "jw99999001001_04101_{:05d}_mirimage"
_RA, _DEC = 53.16, -27.79
_SIGMA = 0.125  # pixels for each um: diffraction of the telescope
_AREA = (_SCALE * np.pi / 180 / 3600) ** 2
_PHOTMJSR = 12.0  # MJy/sr for each DN/s, before the response of each wavelength
_SKY = 40.0  # MJy/sr
_GAIN, _SECONDS, _READ = 3.1, 600.0, 0.02  # e-/DN, s, DN/s
_FLAT = 0.02  # scatter of the flat
_WIDTH = 8  # pixels of the aperture


def simulate_lrs(
    level: float = 0.01,
    nod: float = 0.94,
    seed: int = 0,
    number: int = 1,
    frame: tuple[int, int] = _SHAPE,
) -> SimulatedRate:
    """Return an exposure of a point source in the slit, with references and truth.

    Parameters
    ----------
    level
        Flux at 8 um, Jy: a power law with a band in emission.
    nod
        Of the source along the slit, arcsec.
    seed
        Of the flat and the noise.
    number
        Of the exposure: those of one seed share their references.
    frame
        Rows and columns that are kept, from the first on; references are of the whole.

    Raises
    ------
    InputError
        If the source would be off the slit or have no light, or the spectrum off the frame.
    """
    reach = (_HALF - _WIDTH) * _SCALE
    if abs(nod) > reach:
        raise InputError(f"nod = {nod}: a source in the slit is within {reach:.2f} arcsec")
    if not level > 0:
        raise InputError(f"level = {level}: a flux in Jy, above 0")
    if not (_LEAST[0] <= frame[0] <= _SHAPE[0] and _LEAST[1] <= frame[1] <= _SHAPE[1]):
        raise InputError(f"frame = {frame}: the spectrum needs {_LEAST} to {_SHAPE} rows, columns")
    table = wavelengths()
    flux = _spectrum(table, level)
    flat = 1 + _FLAT * np.random.default_rng(seed).standard_normal(_SHAPE)
    rate, variances = _light(table, flux, nod, flat, np.random.default_rng((seed, number)))
    references = _references(table, flat)
    kept = slice(frame[0]), slice(frame[1])
    model = _model(rate[kept], (variances[0][kept], variances[1][kept]), nod, number)
    return SimulatedRate(_ROOT.format(number), model, references, table, flux)


def wavelengths() -> Array:
    """Wavelength of each row of the spectrum, um, from the top row downwards: it rises."""
    u = (_ROWS - _ROWS[-1]) / (_ROWS[0] - _ROWS[-1])
    return np.asarray(14.0 - 3.0 * u - 6.5 * u**3)


def _spectrum(wavelength: Array, level: float) -> Array:
    band = 0.5 * np.exp(-0.5 * ((wavelength - 10.5) / 0.4) ** 2)
    return np.asarray(level * (wavelength / 8) ** -1.5 * (1 + band))


def _bend(rows: Array) -> Array:
    """Columns that the trace leans, rows from the slit's."""
    return np.asarray(0.003 * rows)


def _response(wavelength: Array) -> Array:
    """DN/s of a surface brightness grow to the blue: the table holds the inverse."""
    return np.asarray(0.6 + 0.05 * wavelength)


def _through(wavelength: Array, offset: Any = 0.0) -> Array:
    """Part of a point source's light that the slit lets through, `offset` pixels off it."""
    scale = np.sqrt(2) * _SIGMA * wavelength
    return np.asarray(0.5 * (erf((_SLIT / 2 - offset) / scale) + erf((_SLIT / 2 + offset) / scale)))


def _light(
    wavelength: Array, flux: Array, nod: float, flat: Array, rng: np.random.Generator
) -> tuple[Array, tuple[Array, Array]]:
    """Rate and variances (of photons, of readout), DN/s and its square, [ny, nx]."""
    light = np.zeros(_SHAPE)
    x = np.arange(_SHAPE[1])
    rows = np.round(_Y - 1 + _ROWS).astype(int)
    # rows of the frame are whole numbers; those of the table are not
    at = rows - (_Y - 1)
    order = np.argsort(_ROWS)
    seen = np.interp(at, _ROWS[order], wavelength[order])
    shine = np.interp(seen, wavelength, flux)
    middle = _X - 1 + _bend(at)
    centre = middle + nod / _SCALE
    scale = np.sqrt(2) * _SIGMA * seen[:, None]
    away = x - centre[:, None]
    part = 0.5 * (erf((away + 0.5) / scale) - erf((away - 0.5) / scale))
    point = (shine * _through(seen))[:, None] * part / _AREA / 1e6
    inside = np.abs(x - middle[:, None]) <= _HALF
    light[rows] = np.where(inside, point + _SKY, 0) / (_PHOTMJSR * _response(seen)[:, None])
    light *= flat
    photons = light / _GAIN / _SECONDS
    readout = np.full(_SHAPE, _READ**2)
    rate = light + np.sqrt(photons + readout) * rng.standard_normal(_SHAPE)
    return rate, (photons, readout)


def _model(rate: Array, variances: tuple[Array, Array], nod: float, number: int) -> Any:
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.ImageModel(rate.astype(np.float32))
    model.err = np.sqrt(variances[0] + variances[1]).astype(np.float32)
    model.var_poisson, model.var_rnoise = (v.astype(np.float32) for v in variances)
    model.dq = np.zeros(rate.shape, np.uint32)
    meta = model.meta
    meta.telescope, meta.origin, meta.date = "JWST", "SIMULATION", "2024-03-01T12:00:00"
    meta.bunit_data = meta.bunit_err = "DN/s"
    meta.instrument.instance.update(name="MIRI", detector="MIRIMAGE", filter="P750L")
    describe_exposure(meta, "MIR_LRS-FIXEDSLIT", rate.shape, _SECONDS)
    # the source stays on sky, and the slit's middle points off it by the nod
    point_at(meta, (_V2, _V3), (_RA + nod / 3600 / np.cos(np.deg2rad(_DEC)), _DEC))
    meta.dither.instance.update(x_offset=nod, y_offset=0.0, total_points=2, position_number=number)
    meta.target.ra, meta.target.dec = _RA, _DEC
    meta.cal_step.ramp_fit = "COMPLETE"
    return model


# -- references --------------------------------------------------------------------------------


def _references(wavelength: Array, flat: Array) -> dict[str, Any]:
    from stdatamodels.jwst import datamodels

    made: dict[str, Any] = {
        "distortion": _distortion(),
        "specwcs": _specwcs(wavelength),
        "flat": datamodels.FlatModel(
            data=flat.astype(np.float32),
            dq=np.zeros(flat.shape, np.uint32),
            err=np.full(flat.shape, 1e-3, np.float32),
        ),
        "pathloss": _pathloss(wavelength),
        "photom": _photom(wavelength),
        "apcorr": _apcorr(wavelength),
    }
    for kind, model in made.items():
        describe_reference(model, kind, "MIRIMAGE", "MIR_LRS-FIXEDSLIT")
    aperture = {
        "id": "MIR_LRS-FIXEDSLIT",
        "region_type": "target",
        "dispaxis": 2,
        "xstart": round(_HALF - _WIDTH / 2),
        "xstop": round(_HALF + _WIDTH / 2) - 1,
        "use_source_posn": True,
        "extract_width": _WIDTH,
        "subtract_background": True,
        "bkg_coeff": [[_HALF - 15], [_HALF - 10], [_HALF + 9], [_HALF + 14]],
        "bkg_order": 0,
        "bkg_fit": "median",
    }
    made["extract1d"] = {"reftype": "EXTRACT1D", "instrument": "MIRI", "apertures": [aperture]}
    return made


def _distortion() -> Any:
    from astropy import units
    from astropy.modeling.models import Scale, Shift
    from stdatamodels.jwst import datamodels

    to_slit = Shift(-(_X - 1)) & Shift(-(_Y - 1))
    model = to_slit | Scale(-_SCALE) & Scale(_SCALE) | Shift(_V2) & Shift(_V3)
    return datamodels.DistortionModel(model=model, input_units=units.pix, output_units=units.arcsec)


def _specwcs(wavelength: Array) -> Any:
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MiriLRSSpecwcsModel()
    table: Any = np.zeros(wavelength.size, model.get_dtype("wavetable"))
    table["x_center"], table["y_center"] = _bend(_ROWS), _ROWS
    table["wavelength"] = wavelength
    for corner, (side, end) in enumerate(((-1, 1), (1, 1), (1, -1), (-1, -1))):
        table[f"x{corner}"] = _bend(_ROWS) + side * _HALF
        table[f"y{corner}"] = _ROWS + 0.5 * end
    model.wavetable = table
    model.meta.x_ref, model.meta.y_ref = _X, _Y
    model.meta.x_ref_slitless, model.meta.y_ref_slitless = 38.5, 829.0
    half, width = _HALF * _SCALE, _SLIT * _SCALE / 2
    corners = ((half, -width), (half, width), (-half, width), (-half, -width))
    for n, (along, across) in enumerate(corners, 1):
        setattr(model.meta, f"v2_vert{n}", _V2 + along)
        setattr(model.meta, f"v3_vert{n}", _V3 + across)
    return model


def _pathloss(wavelength: Array) -> Any:
    """Of a point source by its place in the slit: the loss is of its offset across the slit."""
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MirLrsPathlossModel()
    across = np.linspace(-2, 2, 9)
    along = 41
    part = _through(wavelength[:, None], across[None, :])
    table: Any = np.zeros(wavelength.size, [
        ("wavelength", "f4"),
        ("pathloss", "f4", (across.size, along)),
        ("pathloss_err", "f4", (across.size, along)),
    ])  # fmt: skip
    # the official step turns the table round, so that it has to fall; a rising one gives NaN
    table["wavelength"] = wavelength[::-1]
    # and it multiplies: in this mode the reference holds what makes up for the loss
    table["pathloss"] = 1 / part[::-1, :, None]
    model.pathloss_table = table
    model.meta.wcsinfo.instance.update(
        crpix1=(along + 1) / 2, crpix2=5.0, crval1=0.0, crval2=0.0, cdelt1=1.0, cdelt2=0.5
    )
    return model


def _photom(wavelength: Array) -> Any:
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MirLrsPhotomModel()
    n = wavelength.size
    table: Any = np.zeros(1, [
        ("filter", "S12"),
        ("subarray", "S17"),
        ("photmjsr", "f4"),
        ("uncertainty", "f4"),
        ("nelem", "i2"),
        ("wavelength", "f4", (n,)),
        ("relresponse", "f4", (n,)),
        ("reluncertainty", "f4", (n,)),
    ])  # fmt: skip
    table[0] = ("P750L", "FULL", _PHOTMJSR, 0.0, n, wavelength, _response(wavelength), 0.0)
    model.phot_table = table
    model.meta.photometry.pixelarea_steradians = _AREA
    model.meta.photometry.pixelarea_arcsecsq = _SCALE**2
    return model


def _apcorr(wavelength: Array) -> Any:
    """Light of a point source over what an aperture of each width holds."""
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MirLrsApcorrModel()
    sizes = np.arange(2, 21)
    scale = 2 * np.sqrt(2) * _SIGMA * wavelength
    factor = 1 / erf(sizes / scale[:, None])
    shape = factor.shape
    table: Any = np.zeros(1, [
        ("subarray", "S17"),
        ("wavelength", "f4", shape[:1]),
        ("nelem_wl", "i2"),
        ("size", "u1", shape[1:]),
        ("nelem_size", "i2"),
        ("apcorr", "f4", shape),
        ("apcorr_err", "f4", shape),
    ])  # fmt: skip
    table[0] = ("FULL", wavelength, shape[0], sizes, shape[1], factor, 0.0)
    model.apcorr_table = table
    model.sizeunit = "pixels"
    return model
