"""What was done, in plain words: settings, runs and the lines of the log."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from jwinteractive.masks import Mask, diff
from jwinteractive.params import fields_of
from jwinteractive.recipe import Recipe
from jwinteractive.references import References
from jwinteractive.step import registry

__all__ = ["Attempt", "Entry", "Settings", "State", "words"]

Kind = Literal["edit", "run", "note", "warning", "error", "save"]


@dc.dataclass(frozen=True)
class Settings:
    """All that a result depends on beside the exposure."""

    recipe: Recipe
    references: References


@dc.dataclass(frozen=True)
class Entry:
    """One line of the log; ``when`` in seconds since 1970."""

    when: float
    kind: Kind
    text: str


@dc.dataclass(frozen=True)
class Attempt:
    """A run that ended well: what was run with which settings, and how long it took."""

    number: int
    step: str
    exposure: int
    settings: Settings
    key: str
    seconds: float
    when: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain values but for the references, which a session folder keeps apart."""
        found = {f.name: getattr(self, f.name) for f in dc.fields(self) if f.name != "settings"}
        return found | {"recipe": self.settings.recipe.to_toml()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], references: References) -> Self:
        """Build from what `as_dict` gave."""
        given = dict(values)
        recipe = Recipe.from_toml(given.pop("recipe"))
        return cls(**given, settings=Settings(recipe, references))


@dc.dataclass(frozen=True)
class State:
    """How a step of the recipe stands.

    Attributes
    ----------
    state
        fresh: its result with the present settings was computed; stale: it was not.
    why
        Why it is skipped or how it failed, in one line.
    seconds
        What its last run took, summed over the threads; None: it was never run.
    edited
        Parameters that differ from those of the recipe as it was opened.
    """

    step: str
    state: Literal["fresh", "stale", "running", "failed", "skipped"]
    why: str = ""
    seconds: float | None = None
    edited: tuple[str, ...] = ()


def words(old: Settings, new: Settings) -> str:
    """Say in plain words what differs between two settings; "" if nothing does."""
    said = []
    for step, name, before, after in old.recipe.diff(new.recipe):
        if name == "enabled":
            said.append(f"{step} switched {'on' if after else 'off'}")
        elif name in registry[step].words:
            said += registry[step].words[name](before, after)
        else:
            unit = next((f.unit for f in fields_of(registry[step].params) if f.name == name), "")
            change = f"{_value(before)} → {_value(after)} {unit}".rstrip()
            said.append(f"{step}: {name} {change}")
    if old.references.folder != new.references.folder:
        said.append(f"folder of references: {new.references.folder or 'none'}")
    mine, its = old.references.overrides, new.references.overrides
    for reftype in dict.fromkeys([*mine, *its]):
        if not _same(mine.get(reftype), its.get(reftype)):
            said.append(f"{reftype}: {_source(its.get(reftype))}")
    said += mask_words(old.references.masks, new.references.masks)
    return "; ".join(said)


def mask_words(old: Iterable[Mask], new: Iterable[Mask]) -> list[str]:
    """Say what differs between two sets of masks."""
    said = []
    before, after = ({m.place: m for m in masks} for masks in (old, new))
    for place in dict.fromkeys([*before, *after]):
        changed = diff(before.get(place), after.get(place))
        said += [f"mask of {place[1]}: {text}" for text in changed.words()]
    return said


def _same(a: Any, b: Any) -> bool:
    """Whether two overrides mean the same."""
    if isinstance(a, str | Path) and isinstance(b, str | Path):
        return Path(a).absolute() == Path(b).absolute()
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a is b or (
            a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    return a is b


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) or "none"


def _source(value: Any) -> str:
    if value is None:
        return "found again"
    if isinstance(value, str | Path):
        return f"taken from {Path(value).name}"
    if isinstance(value, np.ndarray):
        return "given as an array"
    return f"given as {type(value).__name__}"
