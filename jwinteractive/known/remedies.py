"""Remedies of known issues, in a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from jwinteractive.errors import ParamError, RecipeError, suggestion
from jwinteractive.known.catalogue import SKIP, Known, Remedy
from jwinteractive.official.catalogue import catalogue, installed
from jwinteractive.params import fields_of
from jwinteractive.recipe import Recipe
from jwinteractive.step import OFFICIAL, registry

__all__ = ["as_native", "check_remedies", "names_here", "taken"]

_OWN_STEPS: Final[Mapping[tuple[str, str], tuple[str, str]]] = MappingProxyType(
    {
        ("jump", "expand_large_events"): ("snowballs", SKIP),
        ("jump", "find_showers"): ("showers", SKIP),
        ("jump", "expand_factor"): ("snowballs", "expand_factor"),
        ("jump", "min_sat_area"): ("snowballs", "min_sat_area"),
        ("jump", "min_jump_area"): ("snowballs", "min_jump_area"),
    }
)
"""Parts of official steps that are steps of their own among the native ones."""


def as_native(remedy: Remedy) -> Remedy:
    """Remedy as the native steps have it: some parts of official steps are steps of their own."""
    step, parameter = _OWN_STEPS.get((remedy.step, remedy.parameter), ("", ""))
    if not step:
        return remedy
    switch = parameter == SKIP  # what the official step switches on is not skipped
    return Remedy(step, parameter, not remedy.value if switch else remedy.value)


def check_remedies(issues: Iterable[Known]) -> None:
    """Ask whether steps and parameters of remedies exist, and their values are allowed.

    Each is looked for in the official step where that is installed, and in the native one where
    that has such a parameter; one of the two must have it.

    Raises
    ------
    RecipeError
        For an unknown step.
    ParamError
        For an unknown parameter, or a value that is not allowed.
    """
    official = tuple(catalogue().steps) if installed() else ()
    steps = (*official, *(n for n in registry if not n.startswith(OFFICIAL)))
    for known in issues:
        for remedy in known.remedies:
            what = f"known issue {known.id!r}: remedy {remedy}"
            if remedy.step not in steps:
                raise RecipeError(f"{what}: no step: {suggestion(remedy.step, steps)}")
            forms = [f for f in (OFFICIAL + remedy.step, remedy.step) if f in registry]
            if not forms:
                continue
            fitting = [form for form in forms if _has(form, remedy)]
            if not fitting:
                names = [f.name for f in fields_of(registry[forms[0]].params)]
                raise ParamError(f"{what}: no parameter: {suggestion(remedy.parameter, names)}")
            for form in fitting:
                if remedy.parameter == SKIP:
                    if not isinstance(remedy.value, bool):
                        raise ParamError(f"{what}: skip must be true or false")
                    continue
                registry[form].params().replace(**{remedy.parameter: _value(form, remedy)})


def names_here(recipe: Recipe, known: Known) -> tuple[tuple[str, Remedy], ...]:
    """Remedies that a recipe has the steps and parameters for, with the names of its stages."""
    found = []
    for remedy in known.remedies:
        if OFFICIAL + remedy.step not in recipe:
            remedy = as_native(remedy)
        name = recipe.name_of(remedy.step)
        if name in recipe and _has(name, remedy):
            found.append((name, remedy))
    return tuple(found)


def taken(recipe: Recipe, known: Known) -> Recipe:
    """Recipe with the remedies of an issue, as far as it has their steps.

    Raises
    ------
    RecipeError
        If it has none of the steps, or the issue has no remedy of parameters.
    ParamError
        If a native step does not allow a value.
    """
    here = names_here(recipe, known)
    if not here:
        steps = ", ".join(dict.fromkeys(r.step for r in known.remedies)) or "no step"
        raise RecipeError(
            f"known issue {known.id!r}: its remedy is of {steps}, and nothing of that is in recipe "
            f"{recipe.name!r}: take a recipe that has it, such as 'official' or 'mixed'"
        )
    for name, remedy in here:
        if remedy.parameter == SKIP:
            recipe = recipe.with_enabled(name, not remedy.value)
        else:
            recipe = recipe.with_params(name, **{remedy.parameter: _value(name, remedy)})
    return recipe


def _has(name: str, remedy: Remedy) -> bool:
    if remedy.parameter == SKIP:
        return True
    return any(f.name == remedy.parameter for f in fields_of(registry[name].params))


def _value(name: str, remedy: Remedy) -> bool | float | str:
    """Value as a step writes it: 'None' of an official choice may be 'none' of a native one."""
    if not isinstance(remedy.value, str):
        return remedy.value
    (field,) = (f for f in fields_of(registry[name].params) if f.name == remedy.parameter)
    alike = (c for c in field.choices if c.lower() == str(remedy.value).lower())
    return next(alike, remedy.value)
