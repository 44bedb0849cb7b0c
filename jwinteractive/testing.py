"""Small exposures, references and official models for tests, ours and those of other packages."""

from __future__ import annotations

import contextlib
import dataclasses as dc
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.detectors import detector, frame_divisor, reference_pixels
from jwinteractive.params import Field, Params, fields_of
from jwinteractive.references import (
    DarkRef,
    EmicorrRef,
    GainRef,
    IpcRef,
    LinearityRef,
    MaskRef,
    PictureFrameRef,
    ReadnoiseRef,
    Reference,
    ResetRef,
    RscdRef,
    SaturationRef,
    SuperbiasRef,
)
from jwinteractive.references.kinds import decoupling

__all__ = [
    "drawn_ramp",
    "example_exposure",
    "example_ramp",
    "example_references",
    "flat_references",
    "official_model",
    "params_strategy",
]


def example_exposure(instrument: str = "NIRCAM", **changes: Any) -> Exposure:
    """Header of a small exposure: 1 integration of 10 groups of one frame, read every 10.7 s."""
    names = {"NIRCAM": "NRCA1", "NIRISS": "NIS", "NIRSPEC": "NRS1", "MIRI": "MIRIMAGE"}
    types = {"NIRCAM": "NRC_IMAGE", "NIRISS": "NIS_IMAGE", "NIRSPEC": "NRS_FIXEDSLIT"}
    name = changes.pop("detector", names[instrument])
    d = detector(instrument, name)
    given: dict[str, Any] = {
        "instrument": instrument,
        "detector": name,
        "exp_type": types.get(instrument, "MIR_IMAGE"),
        "subarray": "SUB64",
        "readpatt": "FASTR1" if instrument == "MIRI" else "RAPID",
        "ngroups": 10,
        "frame_time": 10.73677,
        "group_time": 10.73677,
        "frame_divisor": frame_divisor(changes.get("nframes", 1)),
        "xstart": 101,
        "ystart": 201,
        "fastaxis": d.fastaxis,
        "slowaxis": d.slowaxis,
        "date": "2024-01-01T00:00:00",
        "start_time": 60310.0,
    }
    return Exposure(**(given | changes))


def example_ramp(
    exposure: Exposure,
    shape: tuple[int, int] = (40, 48),
    seed: int = 1,
    flagged: bool = True,
    bias: bool = True,
) -> Ramp:
    """Ramps of many rates with hits, saturation and, if ``flagged``, flags scattered over them.

    Data are float32 DN [nint, ngroup, ny, nx]; with ``bias`` they start at the detector's bias.
    """
    rng = np.random.default_rng(seed)
    d = detector(exposure.instrument, exposure.detector)
    full = (exposure.nints, exposure.ngroups, *shape)
    rate = 10 ** rng.uniform(-1, 2.5, shape)
    rate[rng.random(shape) < 0.02] = 3000.0  # saturates within a few groups
    steps = rng.poisson(np.broadcast_to(rate * exposure.group_time, full)) / d.gain
    hits = rng.random(full) < 0.004
    steps = steps + hits * rng.exponential(800, full)
    signal = np.cumsum(steps, axis=1) + rng.normal(0, d.read_noise / d.gain, full)
    if bias:
        signal = np.minimum(signal + d.bias, 65535)
    groupdq = np.zeros(full, np.uint8)
    pixeldq = np.zeros(shape, np.uint32)
    if flagged:
        groupdq[rng.random(full) < 0.01] |= dq.JUMP_DET
        groupdq[rng.random(full) < 0.005] |= dq.DO_NOT_USE
        full_well = signal > (d.saturation if bias else d.saturation - d.bias)
        groupdq[np.maximum.accumulate(full_well, axis=1)] |= dq.SATURATED
        bad = rng.random(shape) < 0.01
        pixeldq[bad] |= dq.DO_NOT_USE | dq.HOT
        groupdq[..., bad] |= dq.DO_NOT_USE
        pixeldq[reference_pixels(d, exposure.xstart, exposure.ystart, shape)] |= dq.REFERENCE_PIXEL
    return Ramp(exposure=exposure, data=signal.astype(np.float32), groupdq=groupdq, pixeldq=pixeldq)


def drawn_ramp(
    rate: Any,
    ngroups: int,
    *,
    nints: int = 1,
    nframes: int = 1,
    groupgap: int = 0,
    group_time: float = 10.0,
    noise: float = 8.0,
    gain: float = 2.0,
    seed: int = 1,
) -> Ramp:
    """Ramps [nint, ngroup, ny, nx] in DN drawn frame by frame: light and noise, nothing else.

    ``rate`` [ny, nx] is in e-/s, ``noise`` that of a single read in e-, ``gain`` in e-/DN.
    """
    rng = np.random.default_rng(seed)
    rate = np.asarray(rate, float)
    frame_time = group_time / (nframes + groupgap)
    data = np.empty((nints, ngroups, *rate.shape), np.float32)
    for i in range(nints):
        signal = np.zeros(rate.shape)
        for g in range(ngroups):
            total = np.zeros(rate.shape)
            for _ in range(nframes):
                signal += rng.poisson(rate * frame_time)
                total += signal + rng.normal(0, noise, rate.shape)
            data[i, g] = total / (nframes * gain)
            signal += rng.poisson(rate * frame_time * groupgap)
    exposure = example_exposure(
        nints=nints,
        ngroups=ngroups,
        nframes=nframes,
        groupgap=groupgap,
        frame_time=frame_time,
        group_time=group_time,
    )
    return Ramp(
        exposure=exposure,
        data=data,
        groupdq=np.zeros(data.shape, np.uint8),
        pixeldq=np.zeros(rate.shape, np.uint32),
    )


def flat_references(
    shape: tuple[int, int], *, noise: float = 8.0, gain: float = 2.0
) -> dict[str, Any]:
    """Gain in e-/DN and read noise of two reads' difference, both alike in all pixels.

    ``noise`` is that of a single read in e-.
    """
    cds = noise / gain * np.sqrt(2)
    return {
        "gain": GainRef(data=np.full(shape, gain, np.float32)),
        "readnoise": ReadnoiseRef(data=np.full(shape, cds, np.float32)),
    }


def example_references(
    exposure: Exposure, shape: tuple[int, int] = (40, 48), seed: int = 2
) -> dict[str, Reference]:
    """One reference of each type by reftype, with structure, flagged and NaN pixels in it."""
    rng = np.random.default_rng(seed)
    d = detector(exposure.instrument, exposure.detector)

    def plane(level: float, scatter: float, *head: int) -> Any:
        return rng.normal(level, scatter, (*head, *shape)).astype(np.float32)

    def flags(**fractions: float) -> Any:
        value = np.zeros(shape, np.uint32)
        for name, fraction in fractions.items():
            value[rng.random(shape) < fraction] |= np.uint32(dq.BITS[name])
        return value

    mask = MaskRef.nominal(exposure, shape).dq | flags(DO_NOT_USE=0.01, HOT=0.02, DEAD=0.01)
    saturation = plane(d.saturation, 500)
    saturation[rng.random(shape) < 0.01] = np.nan
    superbias = plane(d.bias, 30)
    superbias[rng.random(shape) < 0.01] = np.nan
    coeffs = np.stack([plane(0, 0), plane(1, 1e-3), plane(2e-7, 1e-8), plane(1e-12, 1e-13)])
    coeffs[:, rng.random(shape) < 0.01] = np.nan
    dark = np.cumsum(plane(0.3, 0.1, exposure.ngroups + 2), axis=0)
    dark[:, rng.random(shape) < 0.01] = np.nan
    if exposure.instrument == "MIRI":
        dark = np.stack([dark, dark * np.float32(1.1)])
    gain = plane(d.gain, 0.02)
    gain[rng.random(shape) < 0.005] = np.nan
    gain[rng.random(shape) < 0.005] = -1.0
    noise = np.abs(plane(d.cds_noise, 0.3)) + np.float32(0.1)
    found: list[Reference] = [
        MaskRef(dq=mask),
        SaturationRef(data=saturation, dq=flags(NO_SAT_CHECK=0.01)),
        SuperbiasRef(data=superbias, dq=flags(UNRELIABLE_BIAS=0.02)),
        LinearityRef(coeffs=coeffs, dq=flags(NO_LIN_CORR=0.02)),
        DarkRef(
            data=dark,
            dq=flags(UNRELIABLE_DARK=0.02),
            nframes=exposure.nframes,
            groupgap=exposure.groupgap,
        ),
        GainRef(data=gain),
        ReadnoiseRef(data=noise),
        ResetRef(data=plane(3, 1, 2, 15), dq=flags(DO_NOT_USE=0.01)),
        RscdRef(skip_first=3, skip_later=4),
        EmicorrRef(
            frequencies=(390.625, 10.039216),
            waves=np.sin(2 * np.pi * (np.arange(256) + 0.5) / 256 + [[0.0], [1.0]]),
            rowclocks=28,
            frameclocks=8512,
        ),
    ]
    found.append(IpcRef(data=decoupling(0.005)[..., None, None] * plane(1, 0.01, 3, 3)))
    found.append(PictureFrameRef(data=plane(0, 1)))
    return {r.reftype: r for r in found}


_MODELS = {
    "mask": "MaskModel",
    "saturation": "SaturationModel",
    "superbias": "SuperBiasModel",
    "linearity": "LinearityModel",
    "dark": "DarkModel",
    "gain": "GainModel",
    "ipc": "IPCModel",
    "pictureframe": "PictureFrameModel",
    "readnoise": "ReadnoiseModel",
    "reset": "ResetModel",
}
_DARK_MODELS = {"MIRI": "DarkMIRIModel", "NIRSPEC": "DarkNirspecModel"}


def official_model(thing: Product | Reference, exposure: Exposure) -> Any:
    """Official data model with copies of the arrays of a product or a reference.

    Official steps edit what they are given: make a new one for every call.
    """
    from stdatamodels.jwst import datamodels

    if isinstance(thing, RscdRef):
        model = datamodels.RSCDModel()
        row = (exposure.subarray, exposure.readpatt, thing.skip_first, thing.skip_later)
        model.rscd_group_skip_table = np.array(
            [row], dtype=model.get_dtype("rscd_group_skip_table")
        )
        _describe(model, exposure, None)
        return model
    if isinstance(thing, EmicorrRef):
        return _emi_model(thing, exposure)
    if isinstance(thing, Reference):
        name = _MODELS[thing.reftype]
        if thing.reftype == "dark":
            name = _DARK_MODELS.get(exposure.instrument, name)
        model = getattr(datamodels, name)()
    else:
        kinds = {Ramp: "RampModel", Rate: "ImageModel", RateInts: "CubeModel"}
        model = getattr(datamodels, kinds[type(thing)])()
    arrays = {
        f.name: np.array(value)
        for f in dc.fields(thing)
        if isinstance(value := getattr(thing, f.name), np.ndarray)
    }
    if isinstance(thing, DarkRef) and exposure.instrument == "MIRI":
        arrays["dq"] = np.stack([arrays["dq"][None]] * len(arrays["data"]))
    for field, array in arrays.items():
        setattr(model, field, array)
    _describe(model, exposure, next(iter(arrays.values())).shape[-2:])
    if isinstance(thing, DarkRef):
        model["meta.exposure.nframes"] = thing.nframes
        model["meta.exposure.groupgap"] = thing.groupgap
        model["meta.exposure.ngroups"] = thing.data.shape[-3]
        if thing.average_dark_current_value:
            model["meta.exposure.average_dark_current"] = thing.average_dark_current_value
    if isinstance(thing, ResetRef):
        model["meta.exposure.nints"], model["meta.exposure.ngroups"] = thing.data.shape[:2]
    if isinstance(thing, GainRef) and thing.gain_factor:
        model["meta.exposure.gain_factor"] = thing.gain_factor
    return model


def _emi_model(reference: EmicorrRef, exposure: Exposure) -> Any:
    from stdatamodels.jwst import datamodels

    assert reference.waves is not None
    names = [f"Hz{f:.6f}".replace(".", "_") for f in reference.frequencies]
    speed = "SLOW" if "SLOW" in exposure.readpatt else "FAST"
    model = datamodels.EmiModel()
    model.frequencies = {
        name: {"frequency": f, "phase_amplitudes": np.array(wave)}
        for name, f, wave in zip(names, reference.frequencies, reference.waves, strict=True)
    }
    full = f"_{speed}" if exposure.subarray == "FULL" else ""
    model.subarray_cases = {
        exposure.subarray + full: {
            "rowclocks": reference.rowclocks,
            "frameclocks": reference.frameclocks,
            "freqs": {speed: names if speed == "FAST" else {exposure.detector: names}},
        }
    }
    return model


def _describe(model: Any, exposure: Exposure, shape: tuple[int, int] | None) -> None:
    date, _, time = exposure.date.partition("T")
    given = {
        "instrument.name": exposure.instrument,
        "instrument.detector": exposure.detector,
        "exposure.type": exposure.exp_type,
        "exposure.readpatt": exposure.readpatt,
        "exposure.nints": exposure.nints,
        "exposure.ngroups": exposure.ngroups,
        "exposure.nframes": exposure.nframes,
        "exposure.groupgap": exposure.groupgap,
        "exposure.noutputs": exposure.noutputs or None,
        "exposure.frame_time": exposure.frame_time,
        "exposure.group_time": exposure.group_time,
        "exposure.frame_divisor": exposure.frame_divisor or None,
        "exposure.integration_start": exposure.first_integration,
        "exposure.drop_frames1": 0,
        "exposure.start_time": exposure.start_time or None,
        "exposure.integration_time": exposure.integration_period or None,
        "exposure.gain_factor": exposure.gain_factor or None,
        "subarray.name": exposure.subarray,
        "subarray.fastaxis": exposure.fastaxis,
        "subarray.slowaxis": exposure.slowaxis,
        "subarray.xstart": exposure.xstart,
        "subarray.ystart": exposure.ystart,
        "subarray.ysize": shape and shape[0],
        "subarray.xsize": shape and shape[1],
        "observation.date": date,
        "observation.time": time,
    }
    for name, value in given.items():
        if value is not None:
            with contextlib.suppress(KeyError):  # not every model knows every keyword
                model[f"meta.{name}"] = value


def params_strategy(params: type[Params]) -> Any:
    """Hypothesis strategy that draws any allowed parameters of a step; paths stay empty."""
    from hypothesis import strategies as st

    def values(f: Field) -> Any:
        drawn: Any
        if f.choices:
            drawn = st.sampled_from(f.choices)
        elif f.type is bool:
            drawn = st.booleans()
        elif f.type is float:
            low = -1e6 if f.low is None else f.low
            drawn = st.floats(low, 1e6 if f.high is None else f.high, allow_nan=False)
        elif f.type is int:
            low = -1000 if f.low is None else f.low
            drawn = st.integers(int(low), int(1000 if f.high is None else f.high))
        elif f.numbers is not None:
            low, high = (-1e3 if f.low is None else f.low), (1e3 if f.high is None else f.high)
            one = st.integers(int(low), int(high)) if f.numbers.whole else st.floats(low, high)
            many = st.lists(one, min_size=f.numbers.count, max_size=f.numbers.count)
            drawn = many.map(lambda found: " ".join(map(str, found)))
        else:
            drawn = st.just(f.default)
        return drawn | st.none() if f.optional else drawn

    return st.builds(params, **{f.name: values(f) for f in fields_of(params)})
