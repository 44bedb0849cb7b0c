"""Where the value of each parameter comes from: spec, CRDS, a recommendation, or the user.

The official pipelines take what CRDS has in parameter files (``pars-<step>``) in place of the
defaults of the package; so notebooks, documentation and results seem to disagree. Here all are side
by side. Nothing but what the recipe says is applied:
docs/decisions/0025-recommended-is-not-applied.md.
"""

from __future__ import annotations

import dataclasses as dc
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args

from jwinteractive.data import Exposure
from jwinteractive.errors import InputError, MissingReference, ParamError
from jwinteractive.known.catalogue import SKIP, Known, applying
from jwinteractive.known.remedies import as_native
from jwinteractive.official.catalogue import Described, catalogue, installed
from jwinteractive.official.exchange import Settings, read_pars
from jwinteractive.official.parameters import from_official, params_of
from jwinteractive.params import Field, fields_of
from jwinteractive.recipe import Recipe, Stage, mode_of
from jwinteractive.references import References
from jwinteractive.references.filed import FileReference, file_reference
from jwinteractive.stages import ENABLED
from jwinteractive.step import OFFICIAL, registry

__all__ = ["SOURCES", "Effective", "Traced", "trace"]

Source = Literal["default", "crds", "recommended", "yours"]
SOURCES: Final[tuple[Source, ...]] = get_args(Source)


@dc.dataclass(frozen=True)
class Effective:
    """Values that a parameter could have, and the one that it has.

    Attributes
    ----------
    name
        Of the parameter; "skip": whether the step is off.
    default
        Of the spec.
    crds, crds_file
        What the observatory's parameter file says, and its name; None and "" where it is silent.
    recommended, recommended_source
        What the known issues of the exposure recommend, or the recipe of its mode, and who says so;
        None and "" for nothing.
    user
        What the recipe says where that is not the default, else None.
    value
        What runs.
    source
        Whose value that is.
    """

    name: str
    default: Any
    crds: Any
    crds_file: str
    recommended: Any
    recommended_source: str
    user: Any
    value: Any
    source: Source

    @property
    def official(self) -> Any:
        """What the observatory's pipeline would take."""
        return self.crds if self.crds_file else self.default

    @property
    def contested(self) -> bool:
        """Whether anybody says another value than the one that runs."""
        others = [self.default]
        others += [self.crds] if self.crds_file else []
        others += [self.recommended] if self.recommended_source else []
        return any(other != self.value for other in others)


@dc.dataclass(frozen=True)
class Traced:
    """The parameters of a stage, and in one sentence what could not be asked ("" if all could)."""

    rows: tuple[Effective, ...]
    note: str = ""

    def __getitem__(self, name: str) -> Effective:
        return next(row for row in self.rows if row.name == name)


def trace(
    stage: Stage,
    exposure: Exposure,
    shape: tuple[int, int],
    references: References,
    issues: Iterable[Known] | None = None,
) -> Traced:
    """Where the parameters of a stage come from, for an exposure of (ny, nx) pixels.

    Parameter files are looked for where references are: named by the user, in a folder, in CRDS
    where it is configured. Of a native step those of its official form count for parameters of the
    same name, kind and unit.

    Parameters
    ----------
    issues
        Known issues whose remedies are recommended; by default those of the exposure's header.
    """
    alias = stage.step.removeprefix(OFFICIAL)
    described = catalogue().steps.get(alias) if installed() else None
    found, note = _crds(described, exposure, shape, references)
    issues = applying(exposure) if issues is None else tuple(issues)
    known = _recommended(stage, issues)
    fields = fields_of(type(stage.params))
    shared = {f.name for f in fields if described is None or _shared(f, described, stage)}
    known = _switched_off(stage) | _of_mode(stage, exposure, shared) | known
    rows = [_row(SKIP, _skipped(stage, described), not stage.enabled, found, known, ())]
    for f in fields:
        crds = found if f.name in shared else {}
        rows.append(_row(f.name, f.default, getattr(stage.params, f.name), crds, known, f.choices))
    return Traced(tuple(rows), note)


def _row(
    name: str,
    default: Any,
    value: Any,
    crds: Mapping[str, tuple[Any, str]],
    known: Mapping[str, tuple[Any, str]],
    choices: tuple[str, ...],
) -> Effective:
    theirs, file = crds.get(name, (None, ""))
    wanted, why = known.get(name, (None, ""))
    theirs, wanted = (_as_choice(v, choices) for v in (theirs, wanted))
    source: Source = "yours"
    if value == default:
        source = "default"
    elif why and value == wanted:
        source = "recommended"
    elif file and value == theirs:
        source = "crds"
    user = None if source == "default" else value
    return Effective(name, default, theirs, file, wanted, why, user, value, source)


def _as_choice(value: Any, choices: tuple[str, ...]) -> Any:
    """Choice of a native step that is spelt otherwise, such as 'none' for 'None'."""
    return next((c for c in choices if str(value).lower() == c.lower()), value)


def _skipped(stage: Stage, described: Described | None) -> bool:
    return False if described is None else described.skipped


def _shared(field: Field, described: Described, stage: Stage) -> bool:
    """Whether a parameter is the official one, and not another of the same name."""
    if stage.step.startswith(OFFICIAL):
        return True
    theirs = {f.name: f for f in fields_of(params_of(described))}.get(field.name)
    if theirs is None:
        return False
    alike = theirs.type == field.type or {theirs.type, field.type} == {int, float}
    units = {unit for unit in (theirs.unit, field.unit) if unit}
    return alike and (len(units) < 2 or units == {"pix", "pixel"})


def _recommended(stage: Stage, issues: Iterable[Known]) -> dict[str, tuple[Any, str]]:
    """Values and their sources; what only withdrawn pages say gives way to others."""
    official = stage.step.startswith(OFFICIAL)
    found: dict[str, tuple[Any, str]] = {}
    for known in sorted(issues, key=lambda k: k.deprecated):
        for given in known.remedies:
            remedy = given if official else as_native(given)
            if remedy.step == stage.step.removeprefix(OFFICIAL):
                why = f"{known.id}: {known.because}"
                found.setdefault(remedy.parameter, (remedy.value, why))
    return found


def _switched_off(stage: Stage) -> dict[str, tuple[Any, str]]:
    """A step that the official recipes have off, though its spec has it on; and why."""
    off = registry[stage.step].off
    return {SKIP: (True, f"recipe official: {off}")} if off else {}


def _of_mode(stage: Stage, exposure: Exposure, shared: set[str]) -> dict[str, tuple[Any, str]]:
    """Values that the recipe of the mode gives reasons for; of the other form what both share."""
    mode = mode_of(exposure)
    recipe = _loaded(mode) if mode else None
    name = "" if recipe is None else recipe.name_of(stage.step)
    if recipe is None or name not in recipe:
        return {}
    theirs, found = recipe[name], {}
    for reason in theirs.because:
        why = f"recipe {mode}: {reason.source} (read {reason.date})"
        if reason.of == ENABLED:
            found[SKIP] = not theirs.enabled, why
        elif name == stage.step or reason.of in shared:
            found[reason.of] = getattr(theirs.params, reason.of), why
    return found


@functools.cache
def _loaded(mode: str) -> Recipe:
    return Recipe.load(mode)


def _crds(
    described: Described | None,
    exposure: Exposure,
    shape: tuple[int, int],
    references: References,
) -> tuple[Mapping[str, tuple[Any, str]], str]:
    """Values of parameter files with the names of these, and what could not be asked.

    That of a pipeline goes before that of its step, as in the official package.
    """
    if described is None:
        return {}, ""
    found: dict[str, tuple[Any, str]] = {}
    notes = []
    fitting = [p for p in described.pipelines if _is_for(p, described.alias, exposure)]
    for cls in (described.cls.rpartition(".")[2], *fitting):
        path, note = _file_of(f"pars-{cls.lower()}", exposure, shape, references)
        notes += [note] if note else []
        if path is None:
            continue
        for settings in _read(path, path.stat().st_mtime_ns):
            if settings.alias == described.alias:
                found |= _ours(settings, path.name)
    return found, "; ".join(dict.fromkeys(notes)) or _said(references)


def _is_for(pipeline: str, alias: str, exposure: Exposure) -> bool:
    order = catalogue().order(pipeline, exposure.instrument, exposure.exp_type)
    named = (catalogue().pipelines_for(exposure.exp_type, stage) for stage in (1, 2, 3))
    return alias in order and any(pipeline in names for names in named)


def _file_of(
    reftype: str, exposure: Exposure, shape: tuple[int, int], references: References
) -> tuple[Path | None, str]:
    try:
        found = references.find(file_reference(reftype), exposure, shape)
    except MissingReference as error:
        return None, str(error)
    path = found.value.path if isinstance(found.value, FileReference) else found.path
    return path, ""


def _said(references: References) -> str:
    if references.crds_said:
        return f"CRDS cannot be asked for parameter files: {references.crds_said}"
    if not references.crds and references.folder is None:
        return (
            "no parameter files: give a folder that holds them, or set CRDS_PATH and "
            "CRDS_SERVER_URL"
        )
    return ""


@functools.lru_cache(maxsize=64)
def _read(path: Path, modified: int) -> tuple[Settings, ...]:
    try:
        return read_pars(path)
    except InputError:  # of a step that this version does not have
        return ()


def _ours(settings: Settings, file: str) -> dict[str, tuple[Any, str]]:
    """Values of a file as ours are written; what is not allowed is shown as it stands there."""
    found: dict[str, tuple[Any, str]] = {}
    if settings.skip is not None:
        found[SKIP] = settings.skip, file
    for name, value in settings.values.items():
        try:
            mine = getattr(from_official(settings.alias, {name: value}), name)
        except ParamError:
            mine = value
        found[name] = mine, file
    return found
