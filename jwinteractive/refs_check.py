"""Which references the steps of a recipe need for an exposure, which are there, and from where.

Only headers are read. A native step takes nominal values where there is no file; an official one
cannot, but for types that the mode does without.
"""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path
from typing import Any, Final, Literal

from jwinteractive.data import Exposure
from jwinteractive.errors import MissingReference
from jwinteractive.official.behaviour import spared_types
from jwinteractive.plan import OpenFile, Planned, plan_of
from jwinteractive.recipe import Recipe
from jwinteractive.references import Found, References
from jwinteractive.references.filed import NOT_APPLICABLE, FileReference
from jwinteractive.step import OFFICIAL, Need

__all__ = ["Checked", "Wanted", "as_json", "as_text", "check"]

State = Literal["there", "nominal", "not needed", "missing"]
_LISTED: Final = ("there", "nominal", "missing")
_UNITS: Final = ("B", "kB", "MB", "GB")


@dc.dataclass(frozen=True)
class Wanted:
    """A type of reference that a step asks for.

    Attributes
    ----------
    source
        Where it comes from: override, folder, crds, simulated, nominal; "" if from nowhere.
    path, size
        Its file, and bytes of that.
    advice
        What it means that there is no file, and what to do.
    """

    reftype: str
    state: State
    source: str = ""
    name: str = ""
    path: Path | None = None
    size: int = 0
    advice: str = ""


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


def check(file: OpenFile, recipe: Recipe, references: References) -> tuple[Checked, ...]:
    """What each step of a recipe asks for, in their order.

    Parameters
    ----------
    file
        The exposure.
    recipe, references
        What would be done to it; ``references`` know the set beside the exposure if they should.

    Raises
    ------
    RecipeError
        For an unknown step, or steps in an order that cannot work.
    MissingReference
        If a reference that the user named is not there.
    """
    return tuple(
        Checked(
            planned.step.name,
            planned.skipped,
            tuple(
                _wanted(planned, planned.step.needs[name], found, file, references)
                for name, found in planned.found.items()
            ),
        )
        for planned in plan_of(file, recipe, references)
    )


def _wanted(
    planned: Planned, need: Need, found: Found, file: OpenFile, references: References
) -> Wanted:
    reftype = need.kind.reftype
    path = found.path
    if isinstance(found.value, FileReference):
        path = found.value.path
    if found.name == NOT_APPLICABLE:
        return Wanted(reftype, "not needed", found.source, advice=f"N/A by {found.source}")
    if found.source != "nominal":
        size = 0 if path is None else path.stat().st_size
        return Wanted(reftype, "there", found.source, found.name, path, size)
    exposure = file.exposure
    if issubclass(need.kind, FileReference):
        alias = planned.step.name.removeprefix(OFFICIAL)
        if reftype in spared_types(alias, exposure):
            return Wanted(reftype, "not needed", advice=f"{exposure.exp_type} goes without")
    elif _has_nominal(need.kind, exposure, file.product.shape):
        return Wanted(reftype, "nominal", "nominal", advice="for real values " + _way(reftype))
    elif need.optional:
        return Wanted(reftype, "not needed", advice="optional")
    return Wanted(reftype, "missing", advice=_way(reftype) + _crds(references))


def _has_nominal(kind: type[Any], exposure: Exposure, shape: tuple[int, int]) -> bool:
    try:
        kind.nominal(exposure, shape)
    except MissingReference:
        return False
    return True


def _way(reftype: str) -> str:
    return f"give a folder that holds one, or --ref {reftype}=FILE"


def _crds(references: References) -> str:
    if not references.crds:
        return ", or set CRDS_PATH and CRDS_SERVER_URL"
    return f" (CRDS: {references.crds_said or 'has none for this exposure'})"


# -- telling -----------------------------------------------------------------------------------


def as_text(checked: tuple[Checked, ...]) -> str:
    """Tell it in lines."""
    lines = []
    for one in checked:
        what = f": left out: {one.skipped}" if one.skipped else ""
        what = ": CANNOT RUN" if one.missing else what
        lines.append(one.step + what)
        lines += [f"    {w.reftype:<16} {_words(w)}" for w in one.wanted if w.state in _LISTED]
        spared: dict[str, list[str]] = {}
        for w in one.wanted:
            if w.state not in _LISTED:
                spared.setdefault(w.advice, []).append(w.reftype)
        lines += [f"    not needed       {', '.join(of)} ({why})" for why, of in spared.items()]
    bad = [one for one in checked if one.missing]
    runs = sum(not one.skipped and not one.missing for one in checked)
    lines.append(f"{runs} steps can run, {len(bad)} cannot")
    lines += [f"{one.step} cannot run without {', '.join(one.missing)}" for one in bad]
    return "\n".join(lines)


def _words(wanted: Wanted) -> str:
    if wanted.state != "there":
        return f"{wanted.state}: {wanted.advice}"
    size = f", {_size(wanted.size)}" if wanted.size else ""
    return f"{wanted.source}: {wanted.name}{size}"


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.3g} {unit}"


def as_json(checked: tuple[Checked, ...]) -> list[dict[str, Any]]:
    """Tell it in plain values."""
    return [
        {
            "step": one.step,
            "skipped": one.skipped,
            "runs": not one.skipped and not one.missing,
            "missing": list(one.missing),
            "references": [
                dc.asdict(w) | {"path": None if w.path is None else str(w.path)} for w in one.wanted
            ],
        }
        for one in checked
    ]
