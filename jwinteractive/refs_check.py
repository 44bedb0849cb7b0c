"""Which references the steps of a session need, which are there, and from where.

Exposures are looked at with those they belong to, as they would be run. Only headers are read. A
native step takes nominal values where there is no file; an official one cannot, but for types that
the mode does without. Files that an official step wants the header to name are told, too.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, get_args

from jwinteractive.data import Exposure
from jwinteractive.errors import MissingReference
from jwinteractive.fitsfile import opened_fits
from jwinteractive.official.behaviour import spared_types
from jwinteractive.official.named import by_name_alone, named
from jwinteractive.official.without import without
from jwinteractive.plan import OpenFile, Planned
from jwinteractive.references import Found
from jwinteractive.references.filed import NOT_APPLICABLE, FileReference
from jwinteractive.session import Session
from jwinteractive.step import OFFICIAL, Need

__all__ = [
    "Checked", "CheckedFiles", "Used", "Wanted", "as_json", "as_text", "by_type", "check",
    "found_words",
]  # fmt: skip

State = Literal["missing", "nominal", "there", "not needed"]
_ORDER: Final[tuple[State, ...]] = get_args(State)
_LISTED: Final = ("there", "nominal", "missing")
_UNITS: Final = ("B", "kB", "MB", "GB")
_NO_CRDS: Final = ", or set CRDS_PATH and CRDS_SERVER_URL"


@dc.dataclass(frozen=True)
class Wanted:
    """A type of reference that a step asks for, or a keyword that has to name a file for it.

    Attributes
    ----------
    source
        Where it comes from: override, folder, crds, simulated, nominal, header; "" if from nowhere.
    path, size
        Its file, and bytes of that.
    advice
        What it means that there is no file, and what to do.
    without
        What N/A in the place of a missing file would do; "" if the step would fail.
    """

    reftype: str
    state: State
    source: str = ""
    name: str = ""
    path: Path | None = None
    size: int = 0
    advice: str = ""
    without: str = ""


@dc.dataclass(frozen=True)
class Checked:
    """A step and what it asks for; ``skipped`` says why it would not run, "" if it would."""

    step: str
    skipped: str
    wanted: tuple[Wanted, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Types without which it cannot run."""
        return tuple(w.reftype for w in self.wanted if w.state == "missing")


@dc.dataclass(frozen=True)
class CheckedFiles:
    """What the steps ask for of exposures of which they ask the same.

    Attributes
    ----------
    exposures
        Names of the exposures, or slits.
    steps
        In the order of the recipe.
    """

    exposures: tuple[str, ...]
    steps: tuple[Checked, ...]

    @property
    def stopped(self) -> tuple[Checked, ...]:
        """The steps that cannot run."""
        return tuple(one for one in self.steps if one.missing)


@dc.dataclass(frozen=True)
class Used:
    """A reference, and the steps that ask for it."""

    wanted: Wanted
    steps: tuple[str, ...]


def by_type(files: CheckedFiles, step: str = "") -> tuple[Used, ...]:
    """What all steps ask for, or one of them: each reference once, the missing first."""
    steps: dict[Wanted, list[str]] = {}
    for one in files.steps:
        if step in ("", one.step):
            for wanted in one.wanted:
                steps.setdefault(wanted, []).append(one.step)
    found = [Used(wanted, tuple(of)) for wanted, of in steps.items()]
    return tuple(sorted(found, key=lambda u: (_ORDER.index(u.wanted.state), u.wanted.reftype)))


def check(
    session: Session, exposures: Iterable[int] | None = None, to: str | None = None
) -> tuple[CheckedFiles, ...]:
    """What each step of a session asks for, for each of its exposures.

    Parameters
    ----------
    session
        With its recipe and references as they are.
    exposures
        Numbers of those that are asked about; None: all.
    to
        The last step that is; None: that of the recipe.

    Raises
    ------
    RecipeError
        For an unknown step, or steps in an order that cannot work.
    MissingReference
        If a reference that the user named is not there.
    """
    alike: dict[tuple[Checked, ...], list[str]] = {}
    for number in range(len(session.exposures)) if exposures is None else exposures:
        name = session.exposures[number].name
        alike.setdefault(_checked(session, number, to), []).append(name)
    return tuple(CheckedFiles(tuple(names), steps) for steps, names in alike.items())


def _checked(session: Session, number: int, to: str | None) -> tuple[Checked, ...]:
    file, plan = session.exposures[number], session.plan(to, number)
    # after the search: what it says of CRDS is of that
    crds = _crds(session.crds_said(number)) if session.references.crds else _NO_CRDS
    return tuple(
        Checked(
            planned.step.name,
            planned.skipped,
            tuple(
                _wanted(planned, planned.step.needs[name], found, file, crds)
                for name, found in planned.found.items()
            )
            + _named(planned, file),
        )
        for planned in plan
    )


def _wanted(planned: Planned, need: Need, found: Found, file: OpenFile, crds: str) -> Wanted:
    reftype = need.kind.reftype
    path = found.path
    if isinstance(found.value, FileReference):
        path = found.value.path
    if found.name == NOT_APPLICABLE:
        return Wanted(reftype, "not needed", found.source, advice=f"N/A by {found.source}")
    if found.source != "nominal":
        size = 0 if path is None else path.stat().st_size
        return Wanted(reftype, "there", found.source, found.name, path, size)
    exposure, spared = file.exposure, ""
    if issubclass(need.kind, FileReference):
        alias = planned.step.name.removeprefix(OFFICIAL)
        if reftype in spared_types(alias, exposure):
            return Wanted(
                reftype,
                "not needed",
                advice=f"{exposure.exp_type or exposure.instrument} goes without",
            )
        spared = without(alias, reftype)
    elif _has_nominal(need.kind, exposure, file.product.shape):
        return Wanted(reftype, "nominal", "nominal", advice="for real values " + _way(reftype))
    elif need.optional:
        return Wanted(reftype, "not needed", advice="optional")
    way = _way(reftype) + crds + (f"; --ref {reftype}={NOT_APPLICABLE} {spared}" if spared else "")
    return Wanted(reftype, "missing", advice=way, without=spared)


def _named(planned: Planned, file: OpenFile) -> tuple[Wanted, ...]:
    """Files that the header has to name; the step runs in a folder of its own."""
    alias = planned.step.name.removeprefix(OFFICIAL)
    keywords = () if alias == planned.step.name else named(alias, file.exposure)
    if planned.skipped or not keywords:
        return ()
    with opened_fits(file.path) as hdus:
        header = {keyword: str(hdus[0].header.get(keyword, "")) for keyword in keywords}
    unread = by_name_alone(alias, planned.stage.params)
    found = []
    for keyword, name in header.items():
        path = Path(name)
        if name and (unread or (path.is_absolute() and path.is_file())):
            size = path.stat().st_size if path.is_file() else 0
            found.append(Wanted(keyword, "there", "header", name, None if unread else path, size))
            continue
        advice = "name the file in the header, with its whole path"
        if name:
            advice += f" ({name}: not found from where the step runs)"
        if alias == "bkg_subtract" and not name:
            advice += "; needed with a wfss_mask, too"
        found.append(Wanted(keyword, "missing", advice=advice))
    return tuple(found)


def _has_nominal(kind: type[Any], exposure: Exposure, shape: tuple[int, int]) -> bool:
    try:
        kind.nominal(exposure, shape)
    except MissingReference:
        return False
    return True


def _way(reftype: str) -> str:
    return f"give a folder that holds one, or --ref {reftype}=FILE"


def _crds(said: str) -> str:
    return f" (CRDS: {said or 'has none for this exposure'})"


# -- telling -----------------------------------------------------------------------------------


def as_text(checked: tuple[CheckedFiles, ...]) -> str:
    """Tell it in lines; exposures are named where there are several, together if all is alike."""
    told: dict[tuple[str, ...], list[str]] = {}
    for files in checked:
        told.setdefault(tuple(_lines(files)), []).extend(files.exposures)
    if sum(map(len, told.values())) < 2:
        return "\n".join(line for lines in told for line in lines)
    parts = ([f"== {', '.join(names)}", *lines] for lines, names in told.items())
    return "\n".join(line for part in parts for line in part)


def _lines(files: CheckedFiles) -> list[str]:
    lines = []
    for one in files.steps:
        what = f": left out: {one.skipped}" if one.skipped else ""
        what = ": CANNOT RUN" if one.missing else what
        lines.append(one.step + what)
        lines += [f"    {w.reftype:<16} {_words(w)}" for w in one.wanted if w.state in _LISTED]
        spared: dict[str, list[str]] = {}
        for w in one.wanted:
            if w.state not in _LISTED:
                spared.setdefault(w.advice, []).append(w.reftype)
        lines += [f"    not needed       {', '.join(of)} ({why})" for why, of in spared.items()]
    bad = files.stopped
    runs = sum(not one.skipped and not one.missing for one in files.steps)
    lines.append(f"{runs} steps can run, {len(bad)} cannot")
    lines += [f"{one.step} cannot run without {', '.join(one.missing)}" for one in bad]
    return lines


def found_words(wanted: Wanted) -> str:
    """Where a reference that is there is from, with its file and size."""
    size = f", {_size(wanted.size)}" if wanted.size else ""
    return f"{wanted.source}: {wanted.name}{size}"


def _words(wanted: Wanted) -> str:
    if wanted.state == "there":
        return found_words(wanted)
    return f"{wanted.state}: {wanted.advice}"


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.3g} {unit}"


def as_json(checked: tuple[CheckedFiles, ...]) -> list[dict[str, Any]]:
    """Tell it in plain values."""
    return [
        {"exposures": list(files.exposures), "steps": [_plain(one) for one in files.steps]}
        for files in checked
    ]


def _plain(one: Checked) -> dict[str, Any]:
    return {
        "step": one.step,
        "skipped": one.skipped,
        "runs": not one.skipped and not one.missing,
        "missing": list(one.missing),
        "references": [
            dc.asdict(w) | {"path": None if w.path is None else str(w.path)} for w in one.wanted
        ],
    }
