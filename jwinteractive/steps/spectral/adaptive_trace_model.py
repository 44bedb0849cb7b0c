"""A model of the trace in a slit or in the slices of an integral field unit, by the official step.

The official package fits splines to the light across the dispersion, in a window of columns each,
where it is bright enough; where it is compact too, what they say is the trace model. It is a plane
beside the rate, which `pixel_replace` can take values from; the rate stays as it is.

The official ``oversample`` is not offered: it gives an image with more rows, whose errors, flags
and coordinates are no longer those of detector pixels. It stays at 1.

Source: official step `adaptive_trace_model` of `jwst` 3.0, which is run in the worker process.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import importlib.util
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Box, Exposure, Rate, RateInts
from jwinteractive.errors import InputError, StepError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.official_process.client import run
from jwinteractive.official_process.jobs import Input, Job
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.step import Model, Whole, step
from jwinteractive.views import Frame, Shown, View

__all__ = ["AdaptiveTraceModelParams", "TraceModel", "adaptive_trace_model"]

P = TypeVar("P", Rate, RateInts)

MODES: Final = frozenset(
    {
        "MIR_LRS-FIXEDSLIT",
        "MIR_LRS-SLITLESS",
        "MIR_MRS",
        "NRS_BRIGHTOBJ",
        "NRS_FIXEDSLIT",
        "NRS_IFU",
        "NRS_MSASPEC",
    }
)
"""Types of exposures that the official step knows."""
_OFFICIAL: Final = "jwst.adaptive_trace_model.AdaptiveTraceModelStep"
_MODELS: Final = ("IFUImageModel", "MultiSlitModel", "SlitModel")
_PLANES: Final = ("data", "err", "dq")


class AdaptiveTraceModelParams(Params):
    """Parameters of `adaptive_trace_model`, by their official names and values."""

    fit_threshold: Annotated[
        float,
        Interval(ge=0, le=10000),
        Unit("sigma"),
        When("psf_optimal", False),
        Doc("How bright a slice or slit must be to be fitted; 0: all are."),
    ] = 10.0
    slope_limit: Annotated[
        float,
        Interval(ge=0, le=1000),
        When("psf_optimal", False),
        Doc("How steep its light must be, of its height, to be compact; 0: all of it is."),
    ] = 0.1
    psf_optimal: Annotated[
        bool, Doc("The target is a simple point source: all is fitted, and the model used for all.")
    ] = False


@dc.dataclass(frozen=True, kw_only=True)
class TraceModel(Model):
    """The model of an exposure, float32 [y, x] in its unit; NaN where there is none."""

    trace: Array


def _asks(p: AdaptiveTraceModelParams) -> dict[str, Any]:
    if p.psf_optimal:  # the official step ignores the other two
        return {"psf_optimal": True}
    return {"fit_threshold": p.fit_threshold, "slope_limit": p.slope_limit}


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("jwst") is not None


def _skips(exposure: Exposure, p: AdaptiveTraceModelParams) -> str:
    if exposure.exp_type not in MODES:
        kind = exposure.exp_type or "the exposure"
        return f"{kind} is neither of a slit nor of an integral field unit: no trace is modelled"
    if "resample" in exposure.done:
        return "the image is rectified: a trace is modelled in detector pixels: take a cal file"
    if "assign_wcs" not in exposure.done:
        return "a trace model needs the WCS: take a file that went through assign_wcs"
    if not _installed():
        return "a trace model needs the official package: pip install 'jwinteractive[official]'"
    return ""


def measure_trace(whole: Whole, p: AdaptiveTraceModelParams) -> TraceModel:
    """Let the official step fit the exposure as it is now, with all else from its file.

    Raises
    ------
    InputError
        If there is no file, or it holds neither a slit nor an image of an integral field unit.
    StepError
        If the official step fails.
    Cancelled
        If it is no longer wanted.
    """
    if whole.path is None:
        raise InputError(
            "adaptive_trace_model: the exposure has no file, and so no WCS: open it from a cal file"
        )
    _check_kind(whole.path)
    product = whole.look(whole.box).native()
    assert isinstance(product, Rate | RateInts)
    trace = _official(whole, whole.path, product, p)
    if trace.shape != whole.box.shape:
        raise InputError(
            f"adaptive_trace_model: gives {trace.shape} for an image of {whole.box.shape}: take "
            "the file as the pipeline wrote it"
        )
    return TraceModel(trace=trace)


def _check_kind(path: Path) -> None:
    with opened_fits(path) as hdus:
        model = str(hdus[0].header.get("DATAMODL") or "").strip()
    if model not in _MODELS:
        raise InputError(
            f"adaptive_trace_model: the file is an {model or 'unknown model'}: the official step "
            "takes slits and images of integral field units: take a cal file of jwst 2.0 or later"
        )


def _official(
    whole: Whole, path: Path, product: Rate | RateInts, p: AdaptiveTraceModelParams
) -> Array:
    """Trace model of the official step, with the pixels of a product in the place of the file's."""
    with tempfile.TemporaryDirectory(prefix="jwinteractive-") as room:
        planes = {name: Path(room) / f"{name}.npy" for name in _PLANES}
        for name, plane in planes.items():
            np.save(plane, getattr(product, name))
        job = Job(
            cls=_OFFICIAL,
            params=p.as_dict() | {"oversample": 1.0},
            inputs=(Input(path, planes, slit=whole.exposure.slit),),
            folder=Path(room) / "made",
            names=("trace",),
            suffix="model",
        )
        try:
            done = run(job, log=whole.tell, cancel=whole.cancel)
        except StepError as error:
            raise StepError(
                f"adaptive_trace_model: the official step fails on {path.name} ({error}): check "
                "the file, or switch the step off"
            ) from error
        with opened_fits(done.files[0]) as hdus:
            return np.array(hdus["TRACEMODEL"].data, np.float32)


def _frame(s: Shown) -> Frame:
    rate, trace = _seen(s)
    return Frame(
        title="trace model", data=trace, unit=rate.exposure.unit, note=_note(trace), **s.place
    )


def _residuals(s: Shown) -> Frame:
    rate, trace = _seen(s)
    data, err, flags = (getattr(rate, name) for name in ("data", "err", "dq"))
    if isinstance(rate, RateInts):
        i = min(s.integration, len(data) - 1)
        data, err, flags = data[i], err[i], flags[i]
    return Frame(
        title="data minus model",
        data=data - trace,
        err=err,
        dq=flags,
        unit=rate.exposure.unit,
        diverging=True,
        note=_note(trace),
        **s.place,
    )


def _seen(s: Shown) -> tuple[Rate | RateInts, Array]:
    rate = s.after
    assert isinstance(rate, Rate | RateInts)
    assert rate.trace_model is not None  # of this step
    return rate, rate.trace_model


def _note(trace: Array) -> str:
    count = np.count_nonzero(np.isfinite(trace))
    if count:
        return f"{count} of {trace.size} pixels are modelled"
    return "no pixel is modelled: lower fit_threshold or slope_limit, or set psf_optimal"


VIEWS: Final = (
    View(title="trace model", draw=_frame),
    View(title="data minus model", draw=_residuals),
)


@step(
    measure=measure_trace,
    asks=_asks,
    skips=_skips,
    views=VIEWS,
    suffix="adaptive_trace_model",
)
def adaptive_trace_model(product: P, p: AdaptiveTraceModelParams, model: TraceModel) -> P:
    """Put the official model of the trace beside a spectral image: [y, x] in its unit."""
    rows, columns = product.covers.slices(Box.whole(model.trace.shape))
    return product.replace(trace_model=model.trace[rows, columns])
