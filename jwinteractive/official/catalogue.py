"""What steps the installed official package has: made once for its version, then kept.

The package is described by a process of its own (`describe`): a kernel loads a small file instead
of importing it.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import hashlib
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from platformdirs import user_cache_path

from jwinteractive.errors import StepError
from jwinteractive.official.modes import DARKS, GUIDERS, IMAGES, MASKED, SERIES, SPECTRA

__all__ = ["Catalogue", "Described", "Knob", "catalogue", "installed", "is_true", "item_type"]

_log: Final = logging.getLogger(__name__)
_STAGES: Final[Mapping[int, tuple[str, ...]]] = MappingProxyType(
    {
        1: ("DarkPipeline", "GuiderPipeline", "Detector1Pipeline"),
        2: ("Image2Pipeline", "Spec2Pipeline"),
        3: ("Image3Pipeline", "Spec3Pipeline", "Tso3Pipeline", "Coron3Pipeline", "Ami3Pipeline"),
    }
)


@dc.dataclass(frozen=True)
class Knob:
    """A parameter of an official step, as its spec has it.

    ``kind`` is "float", "integer", "boolean", "string", "option", or a kind of list, whose values
    are lists. The default None stands for no value.
    """

    name: str
    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    doc: str = ""


def item_type(kind: str) -> type:
    """Type of the items of a kind of list."""
    return {"float_list": float, "int_list": int}.get(kind, str)


def is_true(text: Any) -> bool:
    """What a word for a boolean says, as official parameter files have them."""
    return str(text).lower() in ("true", "yes", "on", "1")


@dc.dataclass(frozen=True)
class Described:
    """An official step.

    Attributes
    ----------
    alias, cls
        Its name in pipelines and parameter files, and its class with its module.
    suffix
        Of the file names of its results.
    pipelines
        Classes of those that it is in.
    reftypes
        Types of references that it may ask for.
    skipped
        It is off unless a parameter file or a user switches it on.
    """

    alias: str
    cls: str
    suffix: str
    pipelines: tuple[str, ...]
    reftypes: tuple[str, ...]
    skipped: bool
    doc: str
    knobs: tuple[Knob, ...]

    @functools.cached_property
    def knob(self) -> Mapping[str, Knob]:
        """Parameters by name."""
        return {knob.name: knob for knob in self.knobs}


@dc.dataclass(frozen=True)
class Catalogue:
    """Steps by alias; the orders in which pipelines call them, by mode.

    A mode is an instrument (stage 1), a type of exposure, or "" where it makes no difference.
    ``named`` has what pipelines call steps, by alias, where it is another name than that.
    ``pipelines`` are described as steps are, with their own parameters, by class.
    """

    version: str
    steps: Mapping[str, Described]
    pipelines: Mapping[str, Described]
    orders: Mapping[str, Mapping[str, tuple[str, ...]]]
    named: Mapping[str, Mapping[str, str]]

    def described(self, name: str) -> Described:
        """A step by alias, or a pipeline by class."""
        return self.steps.get(name) or self.pipelines[name]

    def order(self, pipeline: str, instrument: str, exp_type: str) -> tuple[str, ...]:
        """Aliases of the steps that a pipeline runs for a mode; none if it is not for that."""
        known = self.orders.get(pipeline, {})
        return known.get(exp_type) or known.get(instrument) or known.get("", ())

    def pipelines_for(self, exp_type: str, stage: int) -> tuple[str, ...]:
        """Pipelines of a stage, 1 to 3, that are for a type of exposures."""
        named = tuple(p for p in _STAGES[stage] if exp_type in _MODES.get(p, ()))
        return named or tuple(p for p in _STAGES[stage] if p not in _MODES)


_MODES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "DarkPipeline": DARKS,
        "GuiderPipeline": GUIDERS,
        "Image2Pipeline": IMAGES,
        "Spec2Pipeline": tuple(SPECTRA),
        "Image3Pipeline": ("FGS_IMAGE", "MIR_IMAGE", "NIS_IMAGE", "NRC_IMAGE"),
        "Spec3Pipeline": tuple(e for e in SPECTRA if e not in SERIES),
        "Tso3Pipeline": (*SERIES, "NRC_TSIMAGE"),
        "Coron3Pipeline": MASKED,
        "Ami3Pipeline": ("NIS_AMI",),
    }
)
"""Types of exposures that pipelines are for, as their documentation says; others are for any."""


def installed() -> str:
    """Version of the official package; "" where it is not installed."""
    try:
        return version("jwst")
    except PackageNotFoundError:
        return ""


@functools.cache
def catalogue() -> Catalogue:
    """The steps of the installed package; the first time it says what it waits for.

    Raises
    ------
    StepError
        If it is not installed or cannot be loaded.
    """
    found = installed()
    if not found:
        raise StepError(
            "official steps need the official package: pip install 'jwinteractive[official]'"
        )
    path = user_cache_path("jwinteractive") / f"official-{found}-{_form()}.json"
    try:
        return _read(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        _log.warning("waiting for jwst %s to list its steps, once: some 10 to 20 s", found)
        text = _described()
    _keep(path, text)
    return _read(json.loads(text))


def _form() -> str:
    """Digest of the code that describes: what it wrote before may be of another form."""
    folder = Path(__file__).parent
    own = b"".join((folder / name).read_bytes() for name in ("describe.py", "modes.py", "order.py"))
    return hashlib.blake2b(own, digest_size=4).hexdigest()


def _described() -> str:
    call = [sys.executable, "-m", "jwinteractive.official.describe"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip() or "it ended without a word").splitlines()[-1]
        raise StepError(f"the official package cannot be loaded: {why}: install it again")
    return done.stdout


def _keep(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    except OSError:  # a cache that cannot be written costs seconds, no more
        return


def _read(plain: Mapping[str, Any]) -> Catalogue:
    orders = {
        name: {mode: tuple(aliases) for mode, aliases in modes.items()}
        for name, modes in plain["orders"].items()
    }
    named = MappingProxyType(dict(plain["named"]))
    steps, pipelines = (_by_alias(plain[key]) for key in ("steps", "pipelines"))
    return Catalogue(plain["version"], steps, pipelines, MappingProxyType(orders), named)


def _by_alias(plain: Sequence[Mapping[str, Any]]) -> Mapping[str, Described]:
    found = {}
    for one in plain:
        knobs = tuple(Knob(**knob | {"choices": tuple(knob["choices"])}) for knob in one["knobs"])
        lists = {key: tuple(one[key]) for key in ("pipelines", "reftypes")}
        found[one["alias"]] = Described(**{**one, **lists, "knobs": knobs})
    return MappingProxyType(found)
