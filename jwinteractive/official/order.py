"""The order in which an official pipeline calls its steps, found from the pipeline itself.

Where a pipeline decides by the mode, it is run with every step replaced by one that only says that
it was called. Where that does not work, or the pipeline does not decide by the mode, the order is
that of the calls in its source. Imports the official package: only for the describing process.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import textwrap
import traceback
from collections.abc import Iterator
from typing import Any, Final

from jwinteractive.official.modes import IFU, SERIES, SPECTRA

__all__ = ["orders_of", "written_order"]

_INSTRUMENTS: Final = ("NIRCAM", "NIRISS", "NIRSPEC", "MIRI", "FGS")
_ONLY: Final = {
    "assign_mtwcs": (),  # for targets that move
    "cube_build": IFU,
    "spectral_leak": ("MIR_MRS",),
    "resample_spec": ("MIR_LRS-FIXEDSLIT", "NRS_FIXEDSLIT", "NRS_MSASPEC"),
    "photom": ("NIS_SOSS",),
    "tso_photometry": ("NRC_TSIMAGE",),
    "extract_1d": tuple(SPECTRA),
    "white_light": tuple(SPECTRA),
    "adaptive_trace_model": tuple(SPECTRA),
    "pixel_replace": tuple(SPECTRA),
}
"""Modes of steps of the third stage, whose pipelines decide by what the exposures hold."""


def orders_of(pipeline: Any) -> dict[str, list[str]]:
    """Aliases in order, by mode: an instrument, a type of exposures, or "" for any."""
    name, plain = pipeline.__name__, written_order(pipeline)
    if name in ("Detector1Pipeline", "DarkPipeline"):
        return {i: _recorded(pipeline, plain, i, "") for i in _INSTRUMENTS}
    if name == "Spec2Pipeline":
        return {e: _recorded(pipeline, plain, i, e) for e, i in SPECTRA.items()}
    if name == "Image2Pipeline":  # a plain image is resampled, no other
        other = [a for a in plain if a != "resample"]
        return {"": other} | dict.fromkeys(pipeline.image_exptypes, plain)
    if name == "Spec3Pipeline":
        return {e: _third(plain, e) for e in SPECTRA if e not in SERIES}
    if name == "Tso3Pipeline":
        return {e: _for(plain, e) for e in (*SERIES, "NRC_TSIMAGE")}
    return {"": [a for a in plain if _ONLY.get(a, "any") != ()]}


def _for(aliases: list[str], exp_type: str) -> list[str]:
    return [a for a in aliases if exp_type in _ONLY.get(a, (exp_type,))]


def _third(aliases: list[str], exp_type: str) -> list[str]:
    """Spectra of sources without a slit are combined; others are resampled, their images, before.

    Source: ``process`` of ``Spec3Pipeline``, jwst 3.0.
    """
    slitless = exp_type.endswith("_WFSS")
    other = ("outlier_detection", "adaptive_trace_model") if slitless else ("combine_1d",)
    return [a for a in _for(aliases, exp_type) if a not in other]


def written_order(pipeline: Any) -> list[str]:
    """Aliases in the order of the calls in the source, by way of the methods that are called."""
    methods = _methods(pipeline)
    found = _calls(methods["process"], methods, set(pipeline.step_defs), {"process"})
    return list(dict.fromkeys(found))


def _methods(pipeline: Any) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(pipeline)))
    return {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}


def _calls(
    function: ast.FunctionDef,
    methods: dict[str, ast.FunctionDef],
    aliases: set[str],
    seen: set[str],
    first: int = 0,
) -> Iterator[str]:
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and n.lineno >= first]
    for call in sorted(calls, key=lambda n: (n.lineno, n.col_offset)):
        path = ast.unparse(call.func).split(".")
        if path[0] != "self" or len(path) < 2:
            continue
        if len(path) == 3 and path[1] in aliases and path[2] in ("run", "process"):
            yield path[1]
        elif len(path) == 2 and path[1] in methods and path[1] not in seen:
            yield from _calls(methods[path[1]], methods, aliases, seen | {path[1]})


def _recorded(pipeline: Any, plain: list[str], instrument: str, exp_type: str) -> list[str]:
    """Aliases of the steps that a pipeline calls for a mode; those it switches off are left out."""
    pipe = pipeline()
    called: list[str] = []
    for alias in pipeline.step_defs:
        step = getattr(pipe, alias)
        step.skip = False
        step.run = _said(alias, step, called)
    try:
        _go(pipe, instrument, exp_type)
    except Exception as error:  # what a step would have made is not there
        rest = _rest(pipeline, error)
        called += [a for a in rest if exp_type in _ONLY.get(a, (exp_type,)) or a == "photom"]
    return list(dict.fromkeys(called)) or plain


def _rest(pipeline: Any, error: BaseException) -> list[str]:
    """Calls that are written after the lines where an error passed, the innermost first."""
    methods, aliases = _methods(pipeline), set(pipeline.step_defs)
    start = inspect.getsourcelines(pipeline)[1] - 1
    frames = traceback.walk_tb(error.__traceback__)
    passed = [(frame.f_code.co_name, line - start) for frame, line in frames]
    return [
        alias
        for name, line in reversed(passed)
        if name in methods
        for alias in _calls(methods[name], {}, aliases, set(), line)
    ]


def _said(alias: str, step: Any, called: list[str]) -> Any:
    def run(*given: Any, **_: Any) -> Any:
        model = given[0]
        if not step.skip:
            called.append(alias)
            with contextlib.suppress(Exception):  # no model, or one without this keyword
                model[f"meta.cal_step.{alias}"] = "COMPLETE"
        return (model, None) if alias == "ramp_fit" else model

    return run


def _go(pipe: Any, instrument: str, exp_type: str) -> None:
    from stdatamodels.jwst import datamodels

    if not exp_type:
        ramp = datamodels.RampModel((1, 2, 2, 2))
        ramp.meta.instrument.name = instrument
        pipe.process(ramp)
        return
    series = exp_type in SERIES
    members = []
    for kind in ("science", "background", "imprint"):
        if kind == "imprint" and exp_type not in ("NRS_MSASPEC", "NRS_IFU"):
            continue
        kind_of = datamodels.CubeModel if series else datamodels.ImageModel
        model = kind_of((2, 2, 2) if series else (2, 2))
        model.meta.instrument.name = instrument
        model.meta.exposure.type = exp_type
        model.meta.filename = "a_rate.fits"
        model.meta.source_catalog = "a_cat.ecsv"
        if instrument == "MIRI" and exp_type == "MIR_MRS":
            model.meta.instrument.detector = "MIRIFUSHORT"
        members.append({"expname": model, "exptype": kind})
    for kind in ("sourcecat", "segmap", "direct_image"):
        members.append({"expname": "a_cat.ecsv", "exptype": kind})
    pipe.process_exposure_product({"name": "a", "members": members})
