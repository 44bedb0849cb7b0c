"""A model of the trace in a slit or in the slices of an integral field unit, by the official step.

The official package fits splines to the light across the dispersion, in a window of columns each,
where it is bright enough; where it is compact too, what they say is the trace model. It is a plane
beside the rate, which `pixel_replace` can take values from; the rate stays as it is.

The official ``oversample`` is not offered: it gives an image with more rows, whose errors, flags
and coordinates are no longer those of detector pixels. It stays at 1.

Source: official step `adaptive_trace_model` of `jwst` 3.0, which is run in this process.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import importlib.util
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import numpy as np
from annotated_types import Interval

from jwinteractive.data import Array, Box, Exposure, Rate, RateInts
from jwinteractive.errors import InputError, StepError
from jwinteractive.params import Doc, Params, Unit, When
from jwinteractive.step import Model, Whole, step
from jwinteractive.views import Frame, Shown, View
from jwinteractive.wcs import brief, slit_number

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
    """
    if whole.path is None:
        raise InputError(
            "adaptive_trace_model: the exposure has no file, and so no WCS: open it from a cal file"
        )
    product = whole.look(whole.box).native()
    assert isinstance(product, Rate | RateInts)
    planes = {name: np.array(getattr(product, name)) for name in _PLANES}
    trace = _official(whole.path, whole.exposure, planes, p)
    if trace.shape != whole.box.shape:
        raise InputError(
            f"adaptive_trace_model: gives {trace.shape} for an image of {whole.box.shape}: take "
            "the file as the pipeline wrote it"
        )
    return TraceModel(trace=trace)


def _official(
    path: Path, exposure: Exposure, planes: dict[str, Array], p: AdaptiveTraceModelParams
) -> Array:
    """Trace model of the official step, with some planes in the place of the file's."""
    try:
        from jwst.adaptive_trace_model import AdaptiveTraceModelStep
        from stdatamodels.jwst import datamodels
    except ImportError as error:
        raise StepError(
            f"adaptive_trace_model: the official package cannot be loaded ({brief(error)}): "
            "pip install 'jwinteractive[official]'"
        ) from error
    settings = p.as_dict() | {"oversample": 1.0}
    try:
        with datamodels.open(path) as model:
            one = _part(model, exposure)
            own = one.slits[0] if hasattr(one, "slits") else one
            for name, plane in planes.items():
                setattr(own, name, plane)
            done = AdaptiveTraceModelStep(**settings).process(one)
            own = done.slits[0] if hasattr(done, "slits") else done
            return np.array(own.trace_model, np.float32)
    except InputError:
        raise
    except Exception as error:  # whatever official code makes of a file
        raise StepError(
            f"adaptive_trace_model: the official step fails on {path.name} ({brief(error)}): "
            "check the file, or switch the step off"
        ) from error


def _part(model: Any, exposure: Exposure) -> Any:
    """What the official step is to look at: the model, or a copy of it with one slit alone."""
    from stdatamodels.jwst import datamodels

    if isinstance(model, datamodels.SlitModel | datamodels.IFUImageModel):
        return model
    if not isinstance(model, datamodels.MultiSlitModel):
        raise InputError(
            f"adaptive_trace_model: the file is an {type(model).__name__}: the official step takes "
            "slits and images of integral field units: take a cal file of jwst 2.0 or later"
        )
    number = slit_number([str(slit.name) for slit in model.slits], exposure.slit)
    if number is None:
        raise InputError(
            f"adaptive_trace_model: the file has no slit {exposure.slit!r}: open it again"
        )
    one = datamodels.MultiSlitModel()
    one.update(model, only="PRIMARY")
    one.slits.append(model.slits[number])
    return one


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
