"""Describe every step of the installed official package, as JSON on standard output.

Run in a process of its own, for it imports the whole package::

    python -m jwinteractive.official.describe
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import sys
import warnings
from typing import Any, Final

from jwinteractive.official.catalogue import is_true, item_type
from jwinteractive.official.order import orders_of

__all__ = ["describe"]

_PLUMBING: Final = frozenset(
    {
        "input_dir", "output_dir", "output_ext", "output_file", "output_use_index",
        "output_use_model", "post_hooks", "pre_hooks", "save_results", "search_output_file", "skip",
        "steps", "suffix",
    }
)  # fmt: skip
"""Parameters that every step has, of files and hooks: here the session sees to these."""
_HOOKS: Final = frozenset({"post_hooks", "pre_hooks", "skip", "steps"})
"""Those of a pipeline that no file of parameters keeps, or that are kept apart."""
_SUFFIXES: Final = {
    "ramp_fit": "rate", "resample": "i2d", "resample_spec": "s2d", "cube_build": "s3d",
    "extract_1d": "x1d", "combine_1d": "c1d", "outlier_detection": "crf", "source_catalog": "i2d",
    "white_light": "whtlt", "tso_photometry": "phot", "ami_analyze": "ami",
    "ami_normalize": "aminorm-oi", "klip": "psfsub", "align_refs": "psfalign",
    "stack_refs": "psfstack", "bkg_subtract": "bsub", "photom": "cal",
}  # fmt: skip
"""What products are called that the pipelines name, by step; others are called as the step."""


def describe() -> dict[str, Any]:
    """Plain values for `catalogue.Catalogue`."""
    import jwst
    from jwst.stpipe.integration import get_steps

    classes: dict[str, tuple[str, Any]] = {}
    pipelines: dict[str, tuple[str, Any]] = {}
    for dotted, _, is_pipeline in get_steps():
        module, _, name = dotted.rpartition(".")
        cls = getattr(importlib.import_module(module), name)
        (pipelines if is_pipeline else classes)[name] = (dotted, cls)
    used: dict[str, list[str]] = {}
    for name, (_, cls) in pipelines.items():
        for step in cls.step_defs.values():
            used.setdefault(step.__name__, []).append(name)
    aliases = {
        name: {key: _alias(step) for key, step in cls.step_defs.items()}
        for name, (_, cls) in pipelines.items()
    }
    steps = [_step(dotted, cls, used.get(name, [])) for name, (dotted, cls) in classes.items()]
    return {
        "version": jwst.__version__,
        "steps": steps,
        "pipelines": [_step(dotted, cls, [], _HOOKS) for dotted, cls in pipelines.values()],
        "orders": {
            name: {m: [aliases[name][key] for key in o] for m, o in orders_of(cls).items()}
            for name, (_, cls) in pipelines.items()
        },
        "named": {
            name: {alias: key for key, alias in keys.items() if alias != key}
            for name, keys in aliases.items()
        },
    }


def _alias(cls: Any) -> str:
    alias: str = cls.class_alias or cls.__name__.removesuffix("Step").lower()
    return alias


def _step(
    dotted: str, cls: Any, pipelines: list[str], less: frozenset[str] = _PLUMBING
) -> dict[str, Any]:
    """Describe a step, or a pipeline, but for some of its parameters."""
    alias = _alias(cls) if pipelines or less is _PLUMBING else cls.__name__
    spec = cls.load_spec_file()
    types = cls.reference_file_types
    types = cls().reference_file_types if isinstance(types, property) else types
    return {
        "alias": alias,
        "cls": dotted,
        "suffix": _SUFFIXES.get(alias, alias),
        "pipelines": sorted(pipelines),
        "reftypes": list(dict.fromkeys(types)),
        "skipped": "skip" in spec and is_true(_parsed(spec["skip"])[3]),
        "doc": inspect.cleandoc(cls.__doc__ or alias),
        "knobs": [
            _knob(name, spec[name], str(spec.inline_comments.get(name) or ""))
            for name in spec
            if isinstance(spec[name], str)  # a table is of the steps inside a step
            and name not in less
            and not name.startswith("override_")
        ],
    }


def _parsed(check: str) -> tuple[str, list[str], dict[str, str], str | None]:
    from stpipe.config_parser import Validator

    kind, options, limits, default = Validator()._parse_check(check)
    return kind, options, limits, default


def _knob(name: str, check: str, comment: str) -> dict[str, Any]:
    kind, options, limits, default = _parsed(check)
    numeric = kind in ("float", "integer")
    return {
        "name": name,
        "kind": kind,
        "default": _value(kind, default),
        "low": float(limits["min"]) if numeric and "min" in limits else None,
        "high": float(limits["max"]) if numeric and "max" in limits else None,
        "choices": list(options) if kind == "option" else [],
        "doc": comment.lstrip("# ").strip(),
    }


def _value(kind: str, text: Any) -> Any:
    """Default in its type; a list of an official list."""
    if text is None or text == "None":
        return None
    if kind == "float":
        return float(text)
    if kind == "integer":
        return int(text)
    if kind == "boolean":
        return is_true(text)
    if isinstance(text, list):
        return [item_type(kind)(item) for item in text]
    return str(text)


def main() -> None:
    """Write the description on standard output, whatever the package says there."""
    out, sys.stdout = sys.stdout, sys.stderr
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    json.dump(describe(), out)


if __name__ == "__main__":
    main()
