"""What a file says of how the official package made it."""

from __future__ import annotations

import dataclasses as dc
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from jwinteractive.fitsfile import opened_fits
from jwinteractive.io.header import step_statuses

__all__ = ["Made", "made_of"]

_COMPLETE: Final = "COMPLETE"
_LATER: Final = MappingProxyType(
    {
        "S_AMIANA": "ami_analyze",
        "S_COMB1D": "combine_1d",
        "S_CONTAM": "wfss_contam",
        "S_IFUCUB": "cube_build",
        "S_MTWCS": "assign_mtwcs",
        "S_PSFALI": "align_refs",
        "S_SPLEAK": "spectral_leak",
        "S_SRCCAT": "source_catalog",
        "S_TSPHOT": "tso_photometry",
        "S_WHTLIT": "white_light",
    }
)
"""Status keywords of steps that make products of another kind."""
_LOGS: Final = re.compile(rb"^cal_logs:(?: .*)?\n(?:[ -].*\n|\n)*", re.MULTILINE)
_PARAMETERS: Final = re.compile(r"Step \S+ parameters are:\s*\n")


@dc.dataclass(frozen=True)
class Made:
    """How a product was made.

    Attributes
    ----------
    version
        CAL_VER, of the official package; "" of a raw file.
    context
        CRDS_CTX, that chose its references; "" if unknown.
    date
        When it was written (ISO).
    statuses
        What its keywords say of each step: COMPLETE, SKIPPED, ...
    references
        File by keyword (R_DARK, ...) without its "crds://"; those not applicable are left out.
    parameters
        By step, as its logs have them; empty where the file has no logs.
    """

    version: str
    context: str = ""
    date: str = ""
    statuses: Mapping[str, str] = dc.field(default_factory=dict)
    references: Mapping[str, str] = dc.field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = dc.field(default_factory=dict)

    @property
    def done(self) -> frozenset[str]:
        """Steps that it went through."""
        return frozenset(step for step, status in self.statuses.items() if status == _COMPLETE)


def made_of(path: Path) -> Made:
    """What a file says of how it was made; only its header and its logs are read.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with opened_fits(path) as hdus:
        cards = dict(hdus[0].header)
        tree = hdus["ASDF"].data.tobytes() if "ASDF" in hdus else b""
    text = {key: str(cards.get(key) or "").strip() for key in ("CAL_VER", "CRDS_CTX", "DATE")}
    later = {s: str(cards[k]).strip().upper() for k, s in _LATER.items() if cards.get(k)}
    return Made(
        version=text["CAL_VER"],
        context=text["CRDS_CTX"],
        date=text["DATE"],
        statuses=step_statuses(cards) | later,
        references={
            key: str(value).removeprefix("crds://")
            for key, value in cards.items()
            if key.startswith("R_") and value and str(value).strip() != "N/A"
        },
        parameters=_parameters(tree),
    )


def _parameters(tree: bytes) -> dict[str, dict[str, Any]]:
    """Parameters of each step from the logs in the text of an ASDF tree."""
    # Only this part of the text is parsed: the WCS beside it would take a second.
    found = _LOGS.search(tree)
    logs = yaml.safe_load(found[0])["cal_logs"] if found else None
    parameters: dict[str, dict[str, Any]] = {}
    for step, lines in (logs or {}).items():
        for told in _told(lines):
            inner = told.pop("steps", None) or {}
            if inner:  # a pipeline
                parameters |= inner
            else:
                parameters[step] = told
    return parameters


def _told(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        if found := _PARAMETERS.search(line):
            told = yaml.safe_load(line[found.end() :])
            if isinstance(told, dict):
                yield told
