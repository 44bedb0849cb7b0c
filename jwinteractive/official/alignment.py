"""How well `tweakreg` aligned each exposure: sources, matches and what is left, read off its log.

The official step says COMPLETE for exposures that it could not align, and FAILED for all of them
where two parameters do not go together; files keep neither the matches nor the residuals. The lines
are those of jwst, stcal and tweakwcs 0.9.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Final

from jwinteractive.errors import InputError
from jwinteractive.step import Ran
from jwinteractive.views import Shown, Table, View

__all__ = ["Aligned", "alignment", "alignment_views", "cannot_align", "unaligned"]

_NUMBER: Final = r"([-+\d.eE]+|nan)"
_LINES: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "sources": re.compile(r"Detected (\d+) sources in (\S+?)\.?$"),
        "none": re.compile(r"No sources found in (\S+?)\.?$"),
        "reference": re.compile(r"Selected image 'GROUP ID: (.+)' as reference image"),
        "begun": re.compile(r"Aligning image catalog 'GROUP ID: (.+)' to the reference"),
        "matches": re.compile(r"Found (\d+) matches for 'GROUP ID: (.+)'"),
        "shift": re.compile(rf"XSH: {_NUMBER}\s+YSH: {_NUMBER}"),
        "rms": re.compile(rf"FIT RMSE: {_NUMBER}"),
        "used": re.compile(r"Final solution based on (\d+) objects"),
        "few": re.compile(r"Not enough matches \((\d+)\) found for image catalog 'GROUP ID: (.+)'"),
        "empty": re.compile(r"Group with ID '(.+)' will not be aligned: empty source catalog"),
    }
)
_GIVEN_UP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Too few input images": "sources in fewer than two exposures",
        "Skipping relative alignment": "the fit moves an image further than searchrad allows",
        "At least two exposures": "no other exposure",
        "Multiple sources within specified tolerance": "one source matches several",
        "Skipping alignment to the input reference catalog": "too few sources in the catalogue",
    }
)
_HELP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "the fit moves an image further than searchrad allows": "look for wrong matches",
        "no other exposure": "open the others of its field with it",
        "one source matches several": "raise separation, or lower tolerance",
        "too few sources in the catalogue": "lower abs_minobj, or take another abs_refcat",
    }
)
_EXPOSURE: Final = re.compile(r"(.+)_(\d{5})_[a-z0-9]+$")
_ALL: Final = "987654"  # the group of all exposures, when they are fitted to a catalogue
_GROUP: Final = re.compile(r"(.+)_(\d+)$")


@dc.dataclass(frozen=True)
class Aligned:
    """How an exposure was aligned to the others.

    Attributes
    ----------
    name
        Root of its file's name.
    sources
        Found in it; None: the log does not say.
    matches, used
        Sources of its group that were matched, and those left in the fit.
    shift
        Of the fit, arcsec in the tangent plane; None: there was no fit.
    rms
        Residual of the fit, arcsec.
    what
        "reference", "aligned", or why it was not.
    """

    name: str
    sources: int | None = None
    matches: int | None = None
    used: int | None = None
    shift: tuple[float, float] | None = None
    rms: float | None = None
    what: str = "not aligned"

    @property
    def good(self) -> bool:
        """It was aligned, or is what the others were aligned to."""
        return self.what in ("reference", "aligned")


def cannot_align(p: Any) -> str:
    """Why the official step would fail for all exposures, and say so in a keyword alone."""
    pairs = [("separation", "tolerance")]
    if (p.abs_refcat or "").strip():
        pairs.append(("abs_separation", "abs_tolerance"))
    for apart, near in pairs:
        least = math.sqrt(2) * getattr(p, near)
        if getattr(p, apart) <= least:
            return (
                f"{apart} = {getattr(p, apart):g}: must exceed sqrt(2) * {near} = {least:.3g} "
                f"arcsec: raise it, or lower {near}"
            )
    return ""


def alignment(log: Sequence[str], names: Sequence[str]) -> tuple[Aligned, ...]:
    """How each exposure was aligned, from what the step said.

    Parameters
    ----------
    log
        Lines of the step.
    names
        Roots of the names of the exposures' files.

    Returns
    -------
    tuple of Aligned
        In the order of ``names``. Exposures taken together by several detectors are one group, and
        have one fit.
    """
    found: dict[str, dict[str, Any]] = {}
    sources: dict[str, int] = {}
    group = given_up = ""
    for line in log:
        given_up = given_up or _given_up(line)
        for kind, pattern in _LINES.items():
            said = pattern.search(line)
            if said is None:
                continue
            if kind in ("sources", "none"):
                count = int(said[1]) if kind == "sources" else 0
                sources[PurePath(said[said.re.groups]).stem.rpartition("_")[0]] = count
                break
            if kind not in ("shift", "rms", "used"):
                group = said[said.re.groups]
            found.setdefault(group, {}).update(_TOLD[kind](said))
            break
    several = {key: value for key, value in found.items() if _GROUP.fullmatch(key)}
    made = []
    for name in names:
        told = dict(several.get(_group_of(name, several), {}))
        if given_up and told.get("what") != "no sources":
            told["what"] = given_up
        told |= found.get(_ALL, {})
        made.append(Aligned(name, sources.get(name), **told))
    return tuple(made)


_TOLD: Final[Mapping[str, Callable[[re.Match[str]], dict[str, Any]]]] = MappingProxyType(
    {
        "reference": lambda said: {"what": "reference"},
        "begun": lambda said: {},
        "matches": lambda said: {"matches": int(said[1])},
        "shift": lambda said: {"shift": (float(said[1]), float(said[2]))},
        "rms": lambda said: {"rms": float(said[1])},
        "used": lambda said: {"used": int(said[1]), "what": "aligned"},
        "few": lambda said: {"matches": int(said[1]), "what": "too few matches"},
        "empty": lambda said: {"matches": 0, "what": "no sources"},
    }
)


def _given_up(line: str) -> str:
    """Why the step left all exposures as they were, if the line says so."""
    return next((why for words, why in _GIVEN_UP.items() if words in line), "")


def _group_of(name: str, groups: Mapping[str, Any]) -> str:
    """Group of an exposure: the log writes its number without zeros."""
    mine = _EXPOSURE.fullmatch(name)
    for group in groups:
        told = _GROUP.fullmatch(group)
        if mine and told and mine[1] == told[1] and int(mine[2]) == int(told[2]):
            return group
    return ""


def unaligned(log: Sequence[str], names: Sequence[str], p: Any) -> list[str]:
    """Return a line for each exposure that was not aligned, or by fewer sources than ``minobj``."""
    least = p.abs_minobj if (p.abs_refcat or "").strip() else p.minobj
    lines = []
    for one in alignment(log, names):
        count = 0 if one.matches is None else one.matches
        if not one.good:
            way = _HELP.get(one.what, "lower snr_threshold or minobj, or widen searchrad")
            lines.append(
                f"{one.name} was not aligned ({one.what}): {count} matches, minobj = {least}: {way}"
            )
        elif one.used is not None and one.used < least:
            lines.append(
                f"{one.name} was aligned by {one.used} of {count} matches, fewer than "
                f"minobj = {least}: look at its residuals"
            )
    return [f"WARNING {line}" for line in lines]


def alignment_views() -> tuple[View, ...]:
    """Return the table of what each exposure was aligned by."""
    return (View(title="alignment", draw=_table),)


def _table(s: Shown) -> Table:
    if not isinstance(s.model, Ran):
        raise InputError("alignment: the step did not run yet: run it to see how it aligned")
    rows = []
    found = alignment(s.model.log, s.model.members)
    for name, one in zip(_short([one.name for one in found]), found, strict=True):
        x, y = one.shift or (math.nan, math.nan)
        numbers = (1000 * x, 1000 * y, math.nan if one.rms is None else 1000 * one.rms)
        told = ("" if math.isnan(value) else f"{value:.1f}" for value in numbers)
        counts = ("" if n is None else n for n in (one.sources, one.matches, one.used))
        rows.append((name, *counts, *told, one.what))
    columns = ("exposure", "sources", "matches", "used", "dx (mas)", "dy (mas)", "rms (mas)", "")
    return Table(title="alignment", columns=columns, rows=tuple(rows))


def _short(names: Sequence[str]) -> list[str]:
    """Names without the parts at their beginning that all have: a table is narrow."""
    parts = [name.split("_") for name in names]
    alike = itertools.takewhile(lambda p: len(set(p)) == 1, zip(*parts, strict=False))
    shared = len(list(alike)) if len(parts) > 1 else 0
    return ["_".join(one[shared:] or one) for one in parts]
