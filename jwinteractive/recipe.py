"""A recipe: the steps to run, in order, and their parameters. It *is* the parameter file."""

from __future__ import annotations

import contextlib
import dataclasses as dc
import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

from jwinteractive.data import Cube, Product, Ramp, RateInts
from jwinteractive.errors import InputError, ParamError, RecipeError, suggestion
from jwinteractive.params import fields_of
from jwinteractive.recipe_files import (
    mode_names,
    mode_of,
    mode_text,
    part_text,
    recipe_names,
)
from jwinteractive.stages import Stage, stage_of, stage_to_toml
from jwinteractive.step import OFFICIAL, registry

__all__ = [
    "SUBJECTS",
    "Recipe",
    "Stage",
    "counterpart",
    "mode_names",
    "mode_of",
    "recipe_names",
    "subject_of",
]

DETECTOR: Final = "detector"
SUBJECTS: Final = (DETECTOR, "image", "spectrum", "cube")
"""What products are of: counts of a detector, or what is calibrated in units of light."""


OF_AN_EXPOSURE: Final = ("auto", "mode", "official", "mixed")
"""Recipes that are chosen by what is opened."""
_PARTS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "snowballs": (f"{OFFICIAL}jump", "expand_large_events"),
        "showers": (f"{OFFICIAL}jump", "find_showers"),
    }
)
"""Native steps that are parts of an official one, and what switches them on there."""
_ENTRIES: Final = ("name", "summary", "instruments", "subjects", "exp_types", "tso")


@dc.dataclass(frozen=True)
class Recipe:
    """The steps to run, in order; immutable, a change gives a new recipe.

    Attributes
    ----------
    name, summary
        What it is called and what it is for.
    instruments
        Instruments that `auto` picks it for.
    subjects
        What `auto` picks it for: see `subject_of`.
    exp_types, tso
        Of a recipe for a mode: the types of exposures (EXP_TYPE) that it is for, and whether only
        for time series or for all else; None: for both.
    """

    stages: tuple[Stage, ...]
    name: str = "custom"
    summary: str = ""
    instruments: tuple[str, ...] = ()
    subjects: tuple[str, ...] = (DETECTOR,)
    exp_types: tuple[str, ...] = ()
    tso: bool | None = None

    @classmethod
    def of(cls, *names: str) -> Self:
        """Build from step names, all parameters at their defaults."""
        return cls(tuple(Stage(n, registry[n].params()) for n in names))

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Read a recipe that comes with the package, or a TOML file.

        That of a mode is the whole way from raw groups on; its official steps are left out where
        the official package is not installed.

        Raises
        ------
        RecipeError
            If there is neither, or what it says makes no recipe.
        ParamError
            If a parameter does not exist or its value is not allowed.
        """
        if str(name) in recipe_names():
            return cls.from_toml(part_text(str(name)))
        if str(name) in mode_names():
            return cls.from_toml(mode_text(str(name)), native=find_spec("jwst") is None)
        path = Path(name)
        if path.suffix != ".toml" or not path.is_file():
            known = ["auto", *recipe_names(), *mode_names()]
            raise RecipeError(
                f"no recipe {str(name)!r}: give a .toml file, or " + suggestion(str(name), known)
            )
        try:
            return cls.from_toml(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"recipe {path}: no valid TOML ({error})") from None

    @classmethod
    def auto(cls, product: Product) -> Self:
        """The native steps for a product, by what it is a picture of, with its mode's values.

        Why no official steps, and no steps that only the mode switches on:
        docs/decisions/0023-a-recipe-for-every-mode.md.

        Raises
        ------
        InputError
            If no recipe is for that instrument.
        """
        part, name = cls._part_for(product), mode_of(product.exposure)
        if not name:
            return part
        mode = cls.from_toml(mode_text(name), native=True)
        own = {stage.step: stage for stage in mode}
        stages = tuple(own.get(s.step, s).with_enabled(s.enabled) for s in part)
        return dc.replace(mode, stages=stages, subjects=part.subjects)

    @classmethod
    def of_mode(cls, product: Product) -> Self:
        """The whole recipe of the mode of a product; see `load`.

        Raises
        ------
        RecipeError
            If its mode has none.
        """
        name = mode_of(product.exposure)
        if not name:
            raise RecipeError(
                f"EXP_TYPE = {product.exposure.exp_type!r} has no recipe of its own: "
                "take 'auto', 'mixed' or 'official'"
            )
        return cls.load(name)

    @classmethod
    def _part_for(cls, product: Product) -> Self:
        instrument, subject = product.exposure.instrument, subject_of(product)
        for name in recipe_names():
            recipe = cls.load(name)
            if instrument in recipe.instruments and subject in recipe.subjects:
                return recipe
        raise InputError(f"INSTRUME = {instrument!r}: no recipe is for this instrument's {subject}")

    @classmethod
    def from_toml(cls, text: str, *, native: bool = False) -> Self:
        """Read a parameter file; what it leaves out has its default.

        Parameters
        ----------
        text
            The file. Its ``base`` names a recipe of the package that it begins with: a stage of
            the same step takes the place of the base's, others follow.
        native
            Leave out official steps without asking what they are.

        Raises
        ------
        RecipeError
            If it is not a list of known stages, each step once.
        """
        table = tomllib.loads(text)
        tables = table.pop("stage", [])
        based = table.pop("base", "")
        for subject in table.get("subjects", ()):
            if subject not in SUBJECTS:
                raise RecipeError(f"recipe subject {subject!r}: {suggestion(subject, SUBJECTS)}")
        for word in table.keys() - set(_ENTRIES):
            raise RecipeError(
                f"recipe entry {word!r}: {suggestion(word, [*_ENTRIES, 'base', 'stage'])}"
            )
        if based and based not in recipe_names():
            raise RecipeError(f"recipe base {based!r}: {suggestion(based, recipe_names())}")
        base = cls.load(based).stages if based else ()
        return cls(
            _stages(tables, base, native),
            name=str(table.get("name", "custom")),
            summary=str(table.get("summary", "")),
            instruments=tuple(table.get("instruments", ())),
            subjects=tuple(table.get("subjects", (DETECTOR,))),
            exp_types=tuple(table.get("exp_types", ())),
            tso=table.get("tso"),
        )

    def to_toml(self) -> str:
        """Write as a parameter file, every value spelt out."""
        lines = [f"name = {json.dumps(self.name)}", f"summary = {json.dumps(self.summary)}"]
        lines += [f"instruments = {json.dumps(list(self.instruments))}"]
        lines += [f"subjects = {json.dumps(list(self.subjects))}"]
        if self.exp_types:
            lines += [f"exp_types = {json.dumps(list(self.exp_types))}"]
        if self.tso is not None:
            lines += [f"tso = {json.dumps(self.tso)}"]
        for stage in self.stages:
            lines += ["", *stage_to_toml(stage)]
        return "\n".join([*lines, ""])

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    def __contains__(self, name: object) -> bool:
        return any(s.step == name for s in self.stages)

    def __getitem__(self, name: str) -> Stage:
        for stage in self.stages:
            if stage.step == name:
                return stage
        way_out = suggestion(name, [s.step for s in self.stages])
        raise RecipeError(f"no step {name!r} in recipe {self.name!r}: {way_out}")

    def name_of(self, step: str) -> str:
        """Name that a step of another recipe has here: that of its other form, if that is here."""
        return step if step in self or _other_form(step) not in self else _other_form(step)

    def with_params(self, name: str, **changes: Any) -> Self:
        """Copy with other parameters for one step."""
        return self.with_stage(name, self[name].with_params(**changes))

    def with_enabled(self, name: str, enabled: bool) -> Self:
        """Copy with a step switched on or off."""
        return self.with_stage(name, self[name].with_enabled(enabled))

    def with_stage(self, name: str, new: Stage) -> Self:
        """Copy with another stage in the place of one.

        Raises
        ------
        RecipeError
            If there is no such stage, or the new one is in the recipe already.
        """
        old = self[name]
        if new.step != name and new.step in self:
            raise RecipeError(f"step {new.step!r} is in the recipe already: switch one off instead")
        return dc.replace(self, stages=tuple(new if s is old else s for s in self.stages))

    def diff(self, other: Recipe) -> list[tuple[str, str, Any, Any]]:
        """What differs: (step, parameter, here, there); a missing or disabled step is None.

        Of a step that is native in one and official in the other: its "form", and the parameters
        that both have; so of a native step that is a part of an official one.
        """
        found: list[tuple[str, str, Any, Any]] = []
        for name in dict.fromkeys([s.step for s in (*self.stages, *other.stages)]):
            step, mine, its = name, _settings(self, name), _settings(other, name)
            form = _other_form(name)
            if mine and not its and form in other and form not in self:
                step, its = name.removeprefix(OFFICIAL), _settings(other, form)
                found.append((step, "form", _form(name), _form(form)))
                mine, its = (
                    {k: v for k, v in m.items() if k in n} for m, n in ((mine, its), (its, mine))
                )
            elif its and not mine and form in self and form not in other:
                continue  # said of the form that is here
            elif mine and not its:
                its = _as_part(other, name)
                mine = {k: v for k, v in mine.items() if k in its} if its else mine
            elif its and not mine:
                mine = _as_part(self, name)
                its = {k: v for k, v in its.items() if k in mine} if mine else its
            for key in dict.fromkeys([*mine, *its]):
                if mine.get(key) != its.get(key):
                    found.append((step, key, mine.get(key), its.get(key)))
        return found


def _stages(
    tables: list[dict[str, Any]], base: tuple[Stage, ...], native: bool
) -> tuple[Stage, ...]:
    """Stages of a file after those of its base, whose places those of the same steps take."""
    found = {stage.step: stage for stage in base}
    seen: set[str] = set()
    for number, table in enumerate(tables, 1):
        name = str(table.get("step", ""))
        if native and name.startswith(OFFICIAL):
            continue
        if name in seen:
            raise RecipeError(f"step {name!r} is in the recipe twice: leave one out")
        seen.add(name)
        made = stage_of(table, number, found.get(name))
        found[made.step] = made
    if not found:
        raise RecipeError("the recipe has no stages: add [[stage]] tables")
    return tuple(found.values())


def _other_form(name: str) -> str:
    return name.removeprefix(OFFICIAL) if name.startswith(OFFICIAL) else OFFICIAL + name


def _form(name: str) -> str:
    return "official" if name.startswith(OFFICIAL) else "native"


def counterpart(stage: Stage) -> Stage:
    """The official stage for a native one, or the native for an official one.

    Parameters that both have keep their values, where these are allowed.

    Raises
    ------
    RecipeError
        If there is none.
    """
    name = _other_form(stage.step)
    if name not in registry:
        raise RecipeError(f"step {stage.step!r} has no {_form(name)} form")
    params = registry[name].params()
    known = {f.name for f in fields_of(type(params))}
    for field, value in stage.params.changed().items():
        if field in known:
            with contextlib.suppress(ParamError):  # a value of the one that the other has not
                params = params.replace(**{field: value})
    return Stage(name, params, stage.enabled)


def _settings(recipe: Recipe, name: str) -> Mapping[str, Any]:
    if name not in recipe:
        return {}
    stage = recipe[name]
    return {"enabled": stage.enabled, **stage.params.as_dict()}


def _as_part(recipe: Recipe, name: str) -> Mapping[str, Any]:
    """Settings of a native step where an official one of a recipe does its work, else none."""
    step, switch = _PARTS.get(name, ("", ""))
    if name in recipe or step not in recipe:
        return {}
    theirs = _settings(recipe, step)
    own = {f.name for f in fields_of(registry[name].params)}
    on = bool(theirs["enabled"] and theirs[switch])
    return {"enabled": on} | {k: v for k, v in theirs.items() if k in own}


def subject_of(product: Product) -> str:
    """What a product is a picture of, one of `SUBJECTS`: what comes next for it depends on that."""
    if isinstance(product, Cube):
        return "cube"
    # nothing of the detector's steps takes a series of rates
    rates = product.exposure.unit == "DN/s" and not isinstance(product, RateInts)
    if isinstance(product, Ramp) or rates:
        return DETECTOR
    return "spectrum" if product.exposure.dispaxis else "image"
