"""A recipe: the steps to run, in order, and their parameters. It *is* the parameter file."""

from __future__ import annotations

import contextlib
import dataclasses as dc
import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self

from jwinteractive.data import Cube, Product, Ramp, RateInts
from jwinteractive.errors import InputError, ParamError, RecipeError, suggestion
from jwinteractive.params import Params, fields_of
from jwinteractive.step import OFFICIAL, registry

__all__ = ["SUBJECTS", "Recipe", "Stage", "counterpart", "recipe_names", "subject_of"]

DETECTOR: Final = "detector"
SUBJECTS: Final = (DETECTOR, "image", "spectrum", "cube")
"""What products are of: counts of a detector, or what is calibrated in units of light."""


@dc.dataclass(frozen=True)
class Stage:
    """One step of a recipe with its parameters."""

    step: str
    params: Params
    enabled: bool = True


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
    """

    stages: tuple[Stage, ...]
    name: str = "custom"
    summary: str = ""
    instruments: tuple[str, ...] = ()
    subjects: tuple[str, ...] = (DETECTOR,)

    @classmethod
    def of(cls, *names: str) -> Self:
        """Build from step names, all parameters at their defaults."""
        return cls(tuple(Stage(n, registry[n].params()) for n in names))

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Read a recipe that comes with the package, or a TOML file.

        Raises
        ------
        RecipeError
            If there is neither, or what it says makes no recipe.
        ParamError
            If a parameter does not exist or its value is not allowed.
        """
        if str(name) in recipe_names():
            return cls.from_toml((files("jwinteractive") / f"recipes/{name}.toml").read_text())
        path = Path(name)
        if path.suffix != ".toml" or not path.is_file():
            raise RecipeError(
                f"no recipe {str(name)!r}: give a .toml file, or "
                + suggestion(str(name), ["auto", *recipe_names()])
            )
        try:
            return cls.from_toml(path.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecipeError(f"recipe {path}: no valid TOML ({error})") from None

    @classmethod
    def auto(cls, product: Product) -> Self:
        """Pick the recipe for a product, by its instrument and by what it is a picture of.

        Raises
        ------
        InputError
            If no recipe is for that instrument.
        """
        instrument, subject = product.exposure.instrument, subject_of(product)
        for name in recipe_names():
            recipe = cls.load(name)
            if instrument in recipe.instruments and subject in recipe.subjects:
                return recipe
        raise InputError(f"INSTRUME = {instrument!r}: no recipe is for this instrument's {subject}")

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a parameter file; what it leaves out has its default.

        Raises
        ------
        RecipeError
            If it is not a list of known stages, each step once.
        """
        table = tomllib.loads(text)
        stages = table.pop("stage", [])
        for subject in table.get("subjects", ()):
            if subject not in SUBJECTS:
                raise RecipeError(f"recipe subject {subject!r}: {suggestion(subject, SUBJECTS)}")
        known = {"name", "summary", "instruments", "subjects"}
        for word in table.keys() - known:
            raise RecipeError(
                f"recipe entry {word!r}: {suggestion(word, [*sorted(known), 'stage'])}"
            )
        made: list[Stage] = []
        for stage in stages:
            for word in stage.keys() - {"step", "enabled", "params"}:
                way_out = suggestion(word, ["step", "enabled", "params"])
                raise RecipeError(f"recipe stage entry {word!r}: {way_out}")
            if "step" not in stage:
                raise RecipeError(f'recipe stage {len(made) + 1}: needs a step = "name"')
            params = registry[stage["step"]].params.from_dict(stage.get("params", {}))
            made.append(Stage(stage["step"], params, bool(stage.get("enabled", True))))
        names = [s.step for s in made]
        if not names:
            raise RecipeError("the recipe has no stages: add [[stage]] tables")
        for name in names:
            if names.count(name) > 1:
                raise RecipeError(f"step {name!r} is in the recipe twice: leave one out")
        return cls(
            tuple(made),
            name=str(table.get("name", "custom")),
            summary=str(table.get("summary", "")),
            instruments=tuple(table.get("instruments", ())),
            subjects=tuple(table.get("subjects", (DETECTOR,))),
        )

    def to_toml(self) -> str:
        """Write as a parameter file, every value spelt out."""
        lines = [f"name = {json.dumps(self.name)}", f"summary = {json.dumps(self.summary)}"]
        lines += [f"instruments = {json.dumps(list(self.instruments))}"]
        lines += [f"subjects = {json.dumps(list(self.subjects))}", ""]
        for s in self.stages:
            lines += ["[[stage]]", f"step = {json.dumps(s.step)}"]
            lines += [f"enabled = {json.dumps(s.enabled)}", "[stage.params]"]
            lines += [*s.params.to_toml(), ""]
        return "\n".join(lines)

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
        return self._with(dc.replace(self[name], params=self[name].params.replace(**changes)))

    def with_enabled(self, name: str, enabled: bool) -> Self:
        """Copy with a step switched on or off."""
        return self._with(dc.replace(self[name], enabled=enabled))

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

    def _with(self, new: Stage) -> Self:
        return self.with_stage(new.step, new)

    def diff(self, other: Recipe) -> list[tuple[str, str, Any, Any]]:
        """What differs: (step, parameter, here, there); a missing or disabled step is None.

        Of a step that is native in one and official in the other: its "form", and the parameters
        that both have.
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
            for key in dict.fromkeys([*mine, *its]):
                if mine.get(key) != its.get(key):
                    found.append((step, key, mine.get(key), its.get(key)))
        return found


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


def subject_of(product: Product) -> str:
    """What a product is a picture of, one of `SUBJECTS`: what comes next for it depends on that."""
    if isinstance(product, Cube):
        return "cube"
    # nothing of the detector's steps takes a series of rates
    rates = product.exposure.unit == "DN/s" and not isinstance(product, RateInts)
    if isinstance(product, Ramp) or rates:
        return DETECTOR
    return "spectrum" if product.exposure.dispaxis else "image"


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = files("jwinteractive") / "recipes"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )
