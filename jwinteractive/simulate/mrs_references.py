"""References of stage 2 that fit a simulated MRS exposure, as official data models."""

from __future__ import annotations

from typing import Any

import numpy as np

from jwinteractive.data import Array
from jwinteractive.simulate.descriptions import describe_reference
from jwinteractive.simulate.mrs_slices import (
    CHANNELS,
    PHOTOM,
    PIXEL,
    SIGMA,
    STERADIAN,
    V2,
    V3,
)

_PLANES = 9  # of the regions: the official step reads the eighth
_RADIUS, _INNER, _OUTER = 1.0, 1.1, 1.5  # arcsec: of the aperture and its sky


def mrs_references(regions: Any, flat: Array, fringe: Array) -> dict[str, Any]:
    """Return reference type -> model: regions, flat and fringe are [ny, nx]."""
    from stdatamodels.jwst import datamodels

    none = np.zeros(flat.shape, np.uint32)
    error = np.full(flat.shape, 1e-3, np.float32)
    made: dict[str, Any] = {
        "distortion": _distortion(),
        "specwcs": _specwcs(),
        "regions": datamodels.RegionsModel(
            regions=np.broadcast_to(regions, (_PLANES, *regions.shape)).copy()
        ),
        "wavelengthrange": _ranges(),
        "flat": datamodels.FlatModel(data=flat.astype(np.float32), dq=none, err=error),
        "fringe": datamodels.FringeModel(data=fringe.astype(np.float32), dq=none, err=error),
        "photom": _photom(regions),
        "cubepar": _cubepar(),
        "extract1d": _apertures(),
        "apcorr": _apcorr(),
        "mrsptcorr": _leaks(),
    }
    for kind, model in made.items():
        describe_reference(model, kind, "MIRIFUSHORT", "MIR_MRS")
        model.meta.instance["instrument"] |= {"channel": "12", "band": "SHORT"}
    ny, nx = flat.shape
    for kind in ("flat", "fringe", "photom"):
        window = {"name": "FULL", "xstart": 1, "ystart": 1, "xsize": nx, "ysize": ny}
        made[kind].meta.instance["subarray"] = window | {"fastaxis": 1, "slowaxis": 2}
    return made


def _distortion() -> Any:
    from astropy import units
    from astropy.modeling.models import Const1D, Mapping, Scale, Shift
    from stdatamodels.jwst import datamodels

    alpha, beta, x, y, names = [], [], [], [], []
    for channel in CHANNELS:
        for k, start in enumerate(channel.starts):
            middle = start + (channel.columns - 1) / 2
            names.append(channel.number * 100 + k + 1)
            # of (y, x), and the way back of (wavelength, alpha)
            second, first = Mapping((1,), n_inputs=2), Mapping((0,), n_inputs=2)
            alpha.append(second | Shift(-middle) | Scale(PIXEL))
            beta.append(Const1D(channel.zero + k * channel.width))
            x.append(second | Scale(1 / PIXEL) | Shift(middle))
            y.append(first | Shift(-channel.short) | Scale(1 / channel.step))
    bands = [c.name for c in CHANNELS]
    to_sky = []
    for _ in CHANNELS:
        sky = Shift(V2) & Shift(V3)
        # the official step takes the way back off, so that it has to be there as such
        sky.inverse = Shift(-V2) & Shift(-V3)
        to_sky.append(sky)
    model: Any = datamodels.DistortionMRSModel(
        x_model=x,
        y_model=y,
        alpha_model=alpha,
        beta_model=beta,
        bzero={"channel_band": bands, "beta_zero": [c.zero for c in CHANNELS]},
        bdel={"channel_band": bands, "delta_beta": [c.width for c in CHANNELS]},
        input_units=units.pix,
        output_units=units.arcsec,
    )
    model.abv2v3_model = {"channel_band": bands, "model": to_sky}
    model.slices = names
    return model


def _specwcs() -> Any:
    from astropy import units
    from astropy.modeling.models import Mapping, Scale, Shift
    from stdatamodels.jwst import datamodels

    models = [
        Mapping((0,), n_inputs=2) | Scale(channel.step) | Shift(channel.short)
        for channel in CHANNELS
        for _ in range(channel.slices)
    ]
    model: Any = datamodels.SpecwcsModel(
        model=models, input_units=units.pix, output_units=units.micron
    )
    model.slices = [c.number * 100 + k + 1 for c in CHANNELS for k in range(c.slices)]
    return model


def _ranges() -> Any:
    from astropy import units
    from stdatamodels.jwst import datamodels

    names = [c.name for c in CHANNELS]
    margin = 0.01
    limits = [[c.short - margin, c.long + margin] for c in CHANNELS]
    return datamodels.WavelengthrangeModel(
        wrange_selector=names, wrange=limits, order=[1], wunits=units.micron
    )


def _leaks() -> Any:
    """Nothing of channel 1 leaks into channel 3, which is not simulated."""
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MirMrsPtCorrModel()
    table: Any = np.zeros(2, model.get_dtype("leakcor_table"))
    table["wavelength"] = 11.5, 13.5
    model.leakcor_table = table
    return model


def _photom(regions: Any) -> Any:
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MirMrsPhotomModel(
        data=np.full(regions.shape, PHOTOM, np.float32),
        err=np.zeros(regions.shape, np.float32),
        dq=np.zeros(regions.shape, np.uint32),
    )
    area = np.zeros(regions.shape, np.float32)
    for channel in CHANNELS:
        area[regions // 100 == channel.number] = PIXEL * channel.width
    model.pixsiz = area
    model.meta.photometry.conversion_megajanskys = PHOTOM
    model.meta.photometry.pixelarea_arcsecsq = PIXEL * CHANNELS[0].width
    model.meta.photometry.pixelarea_steradians = PIXEL * CHANNELS[0].width * STERADIAN
    return model


def _cubepar() -> Any:
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MiriIFUCubeParsModel()
    table: Any = np.zeros(len(CHANNELS), model.get_dtype("ifucubepars_table"))
    for row, channel in zip(table, CHANNELS, strict=True):
        row["channel"], row["band"] = str(channel.number), "SHORT"
        row["spaxelsize"], row["spectralstep"] = 0.13 * channel.number, 2 * channel.step
        row["wavemin"], row["wavemax"] = channel.short, channel.long
    model.ifucubepars_table = table
    waves: Any = np.zeros(2, model.get_dtype("ifucubepars_multichannel_driz_wavetable"))
    waves["wavelength"] = CHANNELS[0].short, CHANNELS[-1].long
    model.ifucubepars_multichannel_driz_wavetable = waves
    return model


def _waves() -> Array:
    return np.linspace(CHANNELS[0].short, CHANNELS[-1].long, 20)


def _apertures() -> Any:
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.Extract1dIFUModel()
    model.meta.region_type, model.meta.method = "target", "subpixel"
    model.meta.subtract_background, model.meta.subpixels = True, 10
    waves = _waves().astype(np.float32)
    made: dict[str, Any] = {"wavelength": waves, "wavelength_units": "micron"}
    sizes = {"radius": _RADIUS, "inner_bkg": _INNER, "outer_bkg": _OUTER}
    for name, size in sizes.items():
        made |= {name: np.full_like(waves, size), f"{name}_units": "arcsec"}
    made |= {"axis_ratio": np.ones_like(waves), "axis_pa": np.zeros_like(waves)}
    model.data = made | {"axis_pa_units": "degree"}
    return model


def _apcorr() -> Any:
    """Light of a point source over what an aperture of each radius holds."""
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.MirMrsApcorrModel()
    waves = _waves()
    radius = np.linspace(0.5, 2.0, 7)[:, None] * np.ones_like(waves)
    # slices and pixels widen what the telescope sends
    square = (SIGMA * waves) ** 2 + (PIXEL**2 + CHANNELS[0].width ** 2) / 12
    held = -np.expm1(-0.5 * radius**2 / square)
    made = {
        "channel": "ANY",
        "band": "ANY",
        "wavelength": waves.astype(np.float32),
        "wavelength_units": "micron",
        "radius": radius.astype(np.float32),
        "radius_units": "arcsec",
        "apcorr": (1 / held).astype(np.float32),
        "apcorr_err": np.zeros_like(held, np.float32),
    }
    model.apcorr_table = made
    return model
