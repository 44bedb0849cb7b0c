"""Reference files that fit a simulated exposure, as models of the official data model package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stdatamodels.jwst import datamodels

from jwinteractive import dq
from jwinteractive.detectors import TICK
from jwinteractive.irs2 import science_rows
from jwinteractive.references.kinds import Irs2Ref, decoupling, irs2_weights
from jwinteractive.simulate.headers import instrument_keywords, subarray_keywords
from jwinteractive.simulate.noise import EMI_HZ, frame_pattern
from jwinteractive.simulate.pixels import Pixels, inverse
from jwinteractive.simulate.ramp import anomaly, beside_bias
from jwinteractive.simulate.settings import Settings
from jwinteractive.simulate.window import Window

# How many exposures the references were made from, as far as their noise goes.
_AVERAGED = 100
_THRESHOLD = 0.99
_INVERSE_ORDER, _NODES = 5, 12
_TABLE = np.dtype([("BIT", "u4"), ("VALUE", "u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")])


def make_references(
    settings: Settings,
    window: Window,
    pixels: Pixels,
    reset_shape: NDArray[np.float64],
    seed: np.random.SeedSequence,
) -> dict[str, Any]:
    """Return reference type -> model for the whole ramp chain of the exposure's instrument."""
    rng = np.random.Generator(np.random.SFC64(seed))
    noise = settings.reference_noise / np.sqrt(_AVERAGED)
    read = pixels.read_noise / pixels.gain
    shape = (window.ny, window.nx)
    models: dict[str, Any] = {
        "mask": _mask(pixels),
        "saturation": _saturation(pixels),
        "linearity": _linearity(pixels, window),
        "gain": datamodels.GainModel(data=pixels.gain.astype(np.float32)),
        "readnoise": datamodels.ReadnoiseModel(data=(np.sqrt(2) * read).astype(np.float32)),
        "flat": _flat(pixels, read.shape),
        "dark": _dark(settings, window, pixels, noise * read, rng),
    }
    if settings.ipc:
        models["ipc"] = datamodels.IPCModel(data=decoupling(settings.ipc))
    if settings.picture_frame:
        pattern = frame_pattern(window).astype(np.float32)
        models["pictureframe"] = datamodels.PictureFrameModel(data=pattern)
    models["gain"].meta.exposure.gain_factor = pixels.gain_factor
    if window.detector.instrument == "MIRI":
        models["reset"] = _reset(settings, pixels, reset_shape, noise * read, rng)
        models["rscd"] = _rscd(settings, window)
        models["emicorr"] = _emicorr(window)
    else:
        bias = pixels.bias + noise * read * rng.standard_normal(shape)
        models["superbias"] = datamodels.SuperBiasModel(
            data=bias.astype(np.float32), dq=_no_flags(shape), err=(noise * read).astype(np.float32)
        )
        models["superbias"].dq_def = _definitions(("UNRELIABLE_BIAS",))
    if window.interleaved:
        models["refpix"] = _irs2(settings, window)
        # official steps want these in the rows of the raw frame
        level = beside_bias(settings, window).astype(np.float32)
        models["superbias"].data = _interleaved(models["superbias"].data, window, level)
        none = _no_flags(level.shape)
        for reftype in ("mask", "superbias"):
            models[reftype].dq = _interleaved(models[reftype].dq, window, none)
        models["superbias"].err = _interleaved(models["superbias"].err, window, 0 * level)
    for reftype, model in models.items():
        _describe(model, reftype, settings, window)
    return models


def _interleaved(pixels: Any, window: Window, whole: Any) -> Any:
    """Put rows of pixels into a copy of a whole IRS2 frame."""
    frame = whole.copy()
    frame[science_rows(window.detector.name)] = pixels
    return frame


def _irs2(settings: Settings, window: Window) -> Any:
    white = settings.read_noise * window.detector.read_noise
    common, own = settings.one_over_f_common, settings.one_over_f_amp
    found = irs2_weights(common, own, max(white, 1e-6), settings.reference_gain, window.nx)
    alpha, beta = (np.broadcast_to(weights, (4, weights.size)) for weights in found)
    return irs2_model(Irs2Ref(alpha=alpha, beta=beta, bad=np.zeros((0, 3), np.int64)))


def irs2_model(reference: Irs2Ref) -> Any:
    """Official model of weights of IRS2 frames: those of negative frequencies are added."""
    model = datamodels.IRS2Model()
    rows = 4 * (reference.alpha.shape[-1] - 1)  # real and imaginary parts in turn
    table: Any = np.zeros(rows, model.get_dtype("irs2_table"))
    for name in ("alpha", "beta"):
        for k, half in enumerate(getattr(reference, name)):
            whole = np.concatenate([half, np.conj(half[-2:0:-1])])
            table[f"{name}_{k}"] = whole.view(np.float32)
    model.irs2_table = table
    known = reference.bad if len(reference.bad) else np.array([[1, 1, 0]])  # it must not be empty
    bad: Any = np.zeros(len(known), model.get_dtype("dq_table"))
    for name, column in zip(bad.dtype.names, known.T, strict=True):
        bad[name] = column
    model.dq_table = bad
    return model


def _no_flags(shape: tuple[int, ...]) -> NDArray[np.uint32]:
    return np.zeros(shape, np.uint32)


def _definitions(names: tuple[str, ...]) -> NDArray[np.void]:
    table = np.zeros(len(names), _TABLE)
    for row, name in zip(table, names, strict=True):
        value = dq.BITS[name]
        row["BIT"], row["VALUE"] = value.bit_length() - 1, value
        row["NAME"], row["DESCRIPTION"] = name, name.replace("_", " ").lower()
    return table


def _describe(model: Any, reftype: str, settings: Settings, window: Window) -> None:
    meta = model.meta
    meta.reftype = reftype.upper()
    meta.telescope, meta.origin = "JWST", "SIMULATION"
    meta.pedigree, meta.author = "SIMULATION", "jwinteractive"
    meta.description = f"Simulated {reftype} of {window.detector.name}"
    meta.useafter = "2022-01-01T00:00:00"
    instrument_keywords(model, settings, window)
    if reftype in ("rscd", "ipc", "pictureframe", "emicorr"):
        return
    if reftype == "refpix":
        meta.exposure.readpatt = settings.readpatt.upper()
        return
    subarray_keywords(model, window)
    meta.exposure.type = settings.exposure_type
    meta.exposure.readpatt = settings.readpatt.upper()


def _mask(pixels: Pixels) -> Any:
    known = pixels.known | pixels.reference
    flags = np.where(known, pixels.dq, 0).astype(np.uint32)
    model = datamodels.MaskModel(dq=flags)
    model.dq_def = _definitions(
        (
            *("DO_NOT_USE", "DEAD", "HOT", "LOW_QE", "TELEGRAPH"),
            *("OPEN", "ADJ_OPEN", "REFERENCE_PIXEL"),
        )
    )
    return model


def _saturation(pixels: Pixels) -> Any:
    # A little under the full well, so that read noise does not hide a full pixel.
    level = np.where(pixels.reference, 65535.0, _THRESHOLD * pixels.saturation)
    flags = np.where(pixels.reference, dq.NO_SAT_CHECK, 0).astype(np.uint32)
    model = datamodels.SaturationModel(data=level.astype(np.float32), dq=flags)
    model.dq_def = _definitions(("NO_SAT_CHECK",))
    return model


def _linearity(pixels: Pixels, window: Window) -> Any:
    coeffs = pixels.coeffs.copy()
    flags = np.where(pixels.reference, dq.NO_LIN_CORR, 0).astype(np.uint32)
    # reference pixels hold no charge: the identity
    coeffs[:, pixels.reference] = np.array([0, 1, 0, 0], np.float32)[:, None]
    model = datamodels.LinearityModel(coeffs=coeffs, dq=flags)
    if window.nframes > 1:
        model.inv_coeffs = _inverse_polynomial(coeffs, pixels)
    model.dq_def = _definitions(("NO_LIN_CORR",))
    return model


def _inverse_polynomial(coeffs: NDArray[np.float32], pixels: Pixels) -> NDArray[np.float32]:
    """Least-squares polynomial [order, ny, nx] from corrected to observed signal."""
    _, ny, nx = coeffs.shape
    top = float(np.max(pixels.well / pixels.gain))
    nodes = top / 2 * (1 - np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES))
    solve = np.linalg.pinv(np.vander(nodes / top, _INVERSE_ORDER + 1, increasing=True))
    solve /= top ** np.arange(_INVERSE_ORDER + 1)[:, None]
    out = np.empty((_INVERSE_ORDER + 1, ny, nx), np.float32)
    for y in range(ny):
        values = np.empty((_NODES, nx))
        for k, node in enumerate(nodes):
            inverse(coeffs[:, y], np.full(nx, node), values[k])
        out[:, y] = solve @ values
    return out


def _flat(pixels: Pixels, shape: tuple[int, ...]) -> Any:
    flags = np.where(pixels.reference, dq.NO_FLAT_FIELD | dq.DO_NOT_USE, 0).astype(np.uint32)
    values = np.where(pixels.reference, 1.0, pixels.flat).astype(np.float32)
    model = datamodels.FlatModel(data=values, dq=flags, err=np.zeros(shape, np.float32))
    model.dq_def = _definitions(("DO_NOT_USE", "NO_FLAT_FIELD"))
    return model


def _dark(
    settings: Settings,
    window: Window,
    pixels: Pixels,
    noise: NDArray[np.float64],
    rng: np.random.Generator,
) -> Any:
    shape = (settings.ngroups, window.ny, window.nx)
    # mean time since reset of the reads averaged into each group
    first = np.arange(settings.ngroups) * window.group_time
    times = first + window.frame_time * (window.nframes + 1) / 2
    noise = noise / np.sqrt(window.nframes)
    cube = times[:, None, None] * pixels.reference_dark / pixels.gain
    full = pixels.well / pixels.gain
    cube = (np.minimum(cube, full) + noise * rng.standard_normal(shape, np.float32)).astype("f4")
    cube[:, pixels.reference] = 0.0
    err = np.broadcast_to(noise, shape).astype(np.float32)
    if window.detector.instrument == "MIRI":
        model = datamodels.DarkMIRIModel(
            data=np.stack([cube, cube]), dq=_no_flags((2, 1, *shape[1:])), err=np.stack([err, err])
        )
        model.meta.exposure.nints = 2
    else:
        model = datamodels.DarkModel(data=cube, dq=_no_flags(shape[1:]), err=err)
    model.dq_def = _definitions(("UNRELIABLE_DARK",))
    model.average_dark_current = pixels.reference_dark.astype(np.float32)
    exposure = model.meta.exposure
    exposure.nframes, exposure.groupgap = window.nframes, window.groupgap
    exposure.ngroups = settings.ngroups
    return model


def _reset(
    settings: Settings,
    pixels: Pixels,
    reset_shape: NDArray[np.float64],
    noise: NDArray[np.float64],
    rng: np.random.Generator,
) -> Any:
    shape = (2, settings.ngroups, *reset_shape.shape)
    cube = np.stack(
        [
            [anomaly(settings, reset_shape, i, group) for group in range(settings.ngroups)]
            for i in range(2)
        ]
    )
    cube += noise * rng.standard_normal(shape, np.float32)
    cube[:, :, pixels.reference] = 0.0
    model = datamodels.ResetModel(
        data=cube.astype(np.float32),
        dq=_no_flags(reset_shape.shape),
        err=np.broadcast_to(noise, shape).astype(np.float32),
    )
    model.dq_def = _definitions(("DO_NOT_USE",))
    model.meta.exposure.nints, model.meta.exposure.ngroups = 2, settings.ngroups
    return model


def _rscd(settings: Settings, window: Window) -> Any:
    # e-fold 1.3 frames: an amplitude of 40 DN falls below 0.5 DN in six
    model = datamodels.RSCDModel()
    dtype = model.get_dtype("rscd_group_skip_table")
    names = {name.lower(): name for name in dtype.names}
    table: Any = np.zeros(1, dtype)
    table[names["subarray"]], table[names["readpatt"]] = window.name, settings.readpatt.upper()
    table[names["group_skip1"]] = 1
    table[names["group_skip"]] = 6 if settings.rscd else 1
    model.rscd_group_skip_table = table
    return model


def _emicorr(window: Window) -> Any:
    points = round(1 / (EMI_HZ * TICK))
    wave = np.sin(2 * np.pi * (np.arange(points) + 0.5) / points)
    slow = window.pixel_ticks > 1
    full = ("_SLOW" if slow else "_FAST") if window.name == "FULL" else ""
    names = ["Hz390"]
    model = datamodels.EmiModel()
    model.frequencies = {names[0]: {"frequency": EMI_HZ, "phase_amplitudes": wave}}
    model.subarray_cases = {
        window.name + full: {
            "rowclocks": window.row_ticks,
            "frameclocks": window.ticks,
            "freqs": {"SLOW": {window.detector.name: names}} if slow else {"FAST": names},
        }
    }
    return model
