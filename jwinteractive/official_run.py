"""The official detector stage on the references that came with a simulated exposure.

Steps run through `process` with every reference overridden: that needs no CRDS, no network, and
avoids the fixed costs of `run` and `call`, in the official steps' favour.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from jwinteractive.errors import MissingReference

__all__ = ["arrays", "detector1", "opened"]

_CHAIN = (
    ("DQInitStep", ("mask",)),
    ("SaturationStep", ("saturation", "superbias")),
    ("SuperBiasStep", ("superbias",)),
    ("RefPixStep", ()),
    ("LinearityStep", ("linearity",)),
    ("DarkCurrentStep", ("dark",)),
    ("JumpStep", ("gain", "readnoise")),
    ("RampFitStep", ("gain", "readnoise")),
)
_PARALLEL = ("JumpStep", "RampFitStep")


def opened(path: Path | str) -> Any:
    """Open an uncal as the official pipeline does, wholly in memory."""
    from stdatamodels.jwst import datamodels

    return datamodels.RampModel(str(path))  # from the path: an open one would stay uint16


def detector1(path: Path | str, model: Any = None) -> tuple[Any, dict[str, dict[str, float]]]:
    """Run the near-infrared chain; return the rate and the wall times in seconds of each step.

    Times are by setting: "default", and "all cores" where a step offers it; with ``model`` given
    each step runs once, at its default.

    Raises
    ------
    MissingReference
        If the set beside the exposure lacks a type.
    """
    import jwst.step

    once = model is not None
    model = model if once else opened(path)
    seconds: dict[str, dict[str, float]] = {}
    for name, reftypes in _CHAIN:
        overrides = {f"override_{t}": _reference(path, t) for t in reftypes}
        settings: dict[str, dict[str, Any]] = {"default": {}}
        if name in _PARALLEL and not once:
            settings["all cores"] = {"maximum_cores": "all"}
        result: Any = None
        for setting, extra in settings.items():
            given = model.copy() if len(settings) > 1 else model
            step = getattr(jwst.step, name)(**overrides, **extra)
            began = time.perf_counter()
            result = step.process(given)
            seconds.setdefault(name, {})[setting] = time.perf_counter() - began
        model = result
    return model[0], seconds


def arrays(model: Any) -> dict[str, Any]:
    """Arrays of an official rate by our names."""
    return {k: getattr(model, k) for k in ("data", "err", "dq", "var_poisson", "var_rnoise")}


def _reference(path: Path | str, reftype: str) -> str:
    path = Path(path)
    folder = path.with_name(path.name.removesuffix("_uncal.fits") + "_refs")
    found = sorted(folder.glob(f"*_{reftype}_*.fits"))
    if not found:
        raise MissingReference(f"{folder}: holds no {reftype} reference")
    return str(found[0])
