"""Recipes of official steps, in the order in which the official pipelines call them."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from jwinteractive.data import Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.errors import RecipeError
from jwinteractive.official.behaviour import SWITCHED_OFF, behaviour_of
from jwinteractive.official.catalogue import catalogue
from jwinteractive.official.modes import AS_INTEGRATIONS
from jwinteractive.official.parameters import params_of
from jwinteractive.recipe import Recipe, Stage
from jwinteractive.step import OFFICIAL, registry

__all__ = [
    "WITHOUT_RECIPE",
    "mixed_recipe",
    "official_defaults",
    "official_order",
    "official_recipe",
]

WITHOUT_RECIPE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FGS_IMAGE": "images of the guiders are no mode of science: the detector's steps run",
        "MIR_WFSS": "no documented values are known for it yet: the detector's steps run",
    }
)
"""Types of exposures that have no recipe of their own, and why."""


_WITH_SPECTRA: Final = frozenset({"combine_1d", "resample_spec", "spectral_leak", "white_light"})
"""Steps that give the official `extract_1d` what it takes, or take what it gives."""


def official_recipe(product: Product) -> Recipe:
    """What the official pipelines do to a product, from its kind on, with their defaults.

    Steps that are off in the package's own parameters, or in those of the observatory, are there,
    but off. Time series, coronagraphs and AMI go on with their integrations, as they do between the
    official pipelines.

    Raises
    ------
    RecipeError
        If no official pipeline is for its mode.
    """
    recipe = official_defaults(product.exposure, _first(product))
    return dc.replace(recipe, stages=_as_series(recipe.stages, product, after="official_ramp_fit"))


def official_defaults(exposure: Exposure, first: int = 1) -> Recipe:
    """The same for a mode, from a stage on: 1, 2 or 3."""
    stages = tuple(_official(alias) for alias in official_order(exposure, first))
    return Recipe(stages, name="official", summary=_summary(exposure, "Official pipelines"))


def mixed_recipe(product: Product) -> Recipe:
    """The whole way of a product: native steps where there are, official ones for all else.

    Raises
    ------
    RecipeError
        If no official pipeline is for its mode.
    """
    native = tuple(Recipe.auto(product)) if isinstance(product, Ramp) else ()
    native = _as_series(native, product, after="gain_scale")
    there = {stage.step for stage in native}
    rest = [a for a in official_order(product.exposure, max(2, _first(product))) if a not in there]
    filed = _in_files(rest, product.exposure)
    stages = tuple(_native(a) if a in registry and a not in filed else _official(a) for a in rest)
    return Recipe(
        (*native, *stages), name="mixed", summary=_summary(product.exposure, "Native and official")
    )


def _in_files(aliases: list[str], exposure: Exposure) -> set[str]:
    """Steps that hand files to each other, which native ones do not take."""
    found = {"extract_1d"} if _WITH_SPECTRA.intersection(aliases) else set()
    cuts = behaviour_of("extract_2d", frozenset()).gives_for(Rate, exposure) is not Rate
    if cuts and "extract_2d" in aliases:
        found |= {*aliases[aliases.index("extract_2d") :]}
    return found


def _as_series(stages: tuple[Stage, ...], product: Product, after: str) -> tuple[Stage, ...]:
    """Stages with `integrations` after one of them, where raw groups go on with these."""
    names = [stage.step for stage in stages]
    if after not in names or _kind(product.exposure) not in AS_INTEGRATIONS:
        return stages
    at = names.index(after) + 1
    made = Stage("integrations", registry["integrations"].params())
    return (*stages[:at], made, *stages[at:])


def _first(product: Product) -> int:
    """Stage of the official pipelines that a product goes into: 1, 2 or 3."""
    if isinstance(product, Ramp):
        return 1
    raw = isinstance(product, Rate | RateInts) and product.exposure.unit == "DN/s"
    return 2 if raw else 3


def official_order(exposure: Exposure, first: int = 1) -> list[str]:
    """Official steps of a mode from a stage on, in order, each once.

    Raises
    ------
    RecipeError
        If no official pipeline is for it.
    """
    known, kind = catalogue(), _kind(exposure)
    found: list[str] = []
    for stage in range(first, 4):
        for pipeline in known.pipelines_for(kind, stage):
            order = known.order(pipeline, exposure.instrument, kind)
            if stage == 3:  # what the second stage does as well is for the eye, there
                found = [alias for alias in found if alias not in order]
            found += order
    if not found:
        raise RecipeError(
            f"no official pipeline is for EXP_TYPE = {exposure.exp_type!r}: "
            "name the steps in a recipe"
        )
    return [alias for alias in dict.fromkeys(found) if alias in known.steps]


def _kind(exposure: Exposure) -> str:
    """Type of exposures whose pipelines it goes through: MIRI's series of images have no own."""
    series = exposure.exp_type == "MIR_IMAGE" and exposure.tso
    return "NRC_TSIMAGE" if series else exposure.exp_type


def _official(alias: str) -> Stage:
    described = catalogue().steps[alias]
    on = not described.skipped and alias not in SWITCHED_OFF
    return Stage(OFFICIAL + alias, params_of(described)(), on)


def _native(alias: str) -> Stage:
    """Stage of a native step; off where the official one is, or where it is not for the mode."""
    return Stage(alias, registry[alias].params(), not catalogue().steps[alias].skipped)


def _summary(exposure: Exposure, what: str) -> str:
    return f"{what} for {exposure.exp_type}"
