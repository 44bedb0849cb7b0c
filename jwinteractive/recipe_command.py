"""The command ``jwinteractive recipe``: recipes of modes, what differs, and a trial of each."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from jwinteractive.data import Exposure
from jwinteractive.errors import RecipeError, suggestion
from jwinteractive.official.recipes import WITHOUT_RECIPE, official_defaults
from jwinteractive.plan import open_files
from jwinteractive.recipe import OF_AN_EXPOSURE, Recipe, mode_names, recipe_names

__all__ = ["add_options", "run"]

_HEADS: Final = ("step", "parameter", "recipe", "official", "read in")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with recipes to the command's options."""
    sub = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        p = sub.add_parser(name, help=text, description=text)
        p.add_argument("--json", action="store_true", help="tell the result as JSON")
        return p

    command("list", "Name the recipes: of modes, and of parts of the way.")

    p = command("show", "Print a recipe as a parameter file, every value spelt out.")
    p.add_argument("recipe", help="a name, a TOML or a FITS file")

    p = command(
        "diff",
        "Say what differs between two recipes; or between one, or that of an exposure, and what "
        "the official pipelines do by default.",
    )
    p.add_argument("recipes", nargs="+", metavar="RECIPE", help="a name, a TOML or a FITS file")

    p = command(
        "try",
        "Run a mode's recipe on small simulated exposures, to the last step whose references can "
        "be simulated.",
    )
    p.add_argument("recipe", metavar="MODE", help="a name, as recipe list has them")
    p.add_argument("-o", "--output", type=Path, metavar="DIR", help="keep the exposures there")
    p.add_argument("--seed", type=int, default=1)


def run(asked: argparse.Namespace) -> int:
    """Do what was asked for."""
    return {"list": _list, "show": _show, "diff": _diff, "try": _try}[asked.what](asked)


def _list(asked: argparse.Namespace) -> int:
    modes = {name: Recipe.load(name) for name in mode_names()}
    parts = {name: Recipe.load(name) for name in recipe_names()}
    if asked.json:
        told = [
            {"name": n, "summary": r.summary, "exp_types": list(r.exp_types), "tso": r.tso}
            for n, r in (modes | parts).items()
        ]
        print(json.dumps(told, indent=1))
        return 0
    for name, recipe in modes.items():
        print(f"{name}: {recipe.summary} ({', '.join(recipe.exp_types)})")
    for name, recipe in parts.items():
        print(f"{name}: {recipe.summary}")
    for exp_type, why in WITHOUT_RECIPE.items():
        print(f"# {exp_type}: {why}")
    return 0


def _show(asked: argparse.Namespace) -> int:
    recipe = _named(asked.recipe)[0]
    if asked.json:
        stages = [
            {
                "step": s.step,
                "enabled": s.enabled,
                "params": s.params.as_dict(),
                "because": {r.of: [r.source, r.date, r.why] for r in s.because},
            }
            for s in recipe
        ]
        print(json.dumps({"name": recipe.name, "stages": stages}, indent=1))
    else:
        print(recipe.to_toml(), end="")
    return 0


def _diff(asked: argparse.Namespace) -> int:
    if len(asked.recipes) > 2:
        raise RecipeError(f"recipe diff: takes one or two recipes, got {len(asked.recipes)}")
    if len(asked.recipes) == 2:
        first, second = (_named(text)[0] for text in asked.recipes)
        rows = first.diff(second)
        if asked.json:
            names = ("step", "parameter", "first", "second")
            print(json.dumps([dict(zip(names, r, strict=True)) for r in rows], indent=1))
        else:
            for step, name, mine, its in rows:
                print(f"{step}.{name}: {mine} -> {its}")
        return 0
    recipe, exposure = _named(asked.recipes[0])
    table = _against_official(recipe, exposure or _exposure_of(recipe))
    if asked.json:
        print(json.dumps([dict(zip(_HEADS, r, strict=True)) for r in table], indent=1))
    else:
        print(_as_text(recipe, table))
    return 0


def _named(text: str) -> tuple[Recipe, Exposure | None]:
    """The recipe of a name or a parameter file, or of the mode of an exposure."""
    if text in OF_AN_EXPOSURE:
        raise RecipeError(f"recipe {text!r} is of an exposure: name a FITS file in its place")
    if not text.endswith((".fits", ".fits.gz", ".json")):
        return Recipe.load(text), None
    product = open_files(Path(text))[0].product
    try:
        return Recipe.of_mode(product), product.exposure
    except RecipeError:  # the steps of its detector, which are what is run
        return Recipe.auto(product), product.exposure


def _exposure_of(recipe: Recipe) -> Exposure:
    """The mode that a recipe is for, as if an exposure of it were there."""
    if not recipe.exp_types:
        raise RecipeError(
            f"recipe {recipe.name!r} is for no single mode: name a second one, or "
            + suggestion(recipe.name, mode_names())
        )
    return Exposure(
        instrument=recipe.instruments[0],
        detector="",
        exp_type=recipe.exp_types[0],
        tso=bool(recipe.tso),
    )


def _against_official(recipe: Recipe, exposure: Exposure) -> list[tuple[Any, ...]]:
    """Rows of `_HEADS`; a step that only one of them has, and the order, are rows too."""
    official = official_defaults(exposure)
    there = {official.name_of(s.step) for s in recipe} & {s.step for s in official}
    rows: list[tuple[Any, ...]] = []
    for step, name, mine, its in recipe.diff(official):
        stage = next((s for s in recipe if recipe.name_of(step) == s.step), None)
        alone = mine is None or its is None
        known = stage is not None and official.name_of(stage.step) in there
        if alone and not known and name != "enabled":
            continue  # a step that the other has not: one row is enough
        if (mine == "" and its is None) or (mine is None and its is False):
            continue  # nothing is set, or a step that is missing here is off there
        reason = stage.reason(name) if stage else None
        read = f"{reason.source}, {reason.date}" if reason else ""
        rows.append((step, name, mine, its, read))
    mine_order = [n for s in recipe if (n := official.name_of(s.step)) in there]
    its_order = [s.step for s in official if s.step in there]
    if mine_order != its_order:
        rows.append(("", "order", ", ".join(mine_order), ", ".join(its_order), ""))
    return rows


def _as_text(recipe: Recipe, rows: Sequence[tuple[Any, ...]]) -> str:
    cells = [_HEADS, *(tuple("-" if c is None else str(c) for c in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(_HEADS))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    title = f"# {recipe.name} against the official defaults; - stands for none"
    order = any(row[1] == "order" for row in rows)
    end = [] if order else ["# the order is the official one"]
    return "\n".join([title, *(line.rstrip() for line in lines), *end])


def _try(asked: argparse.Namespace) -> int:
    from jwinteractive.trial import as_json, as_text, try_recipe

    if asked.recipe not in mode_names():
        raise RecipeError(
            f"recipe {asked.recipe!r} is for no mode: {suggestion(asked.recipe, mode_names())}"
        )
    with tempfile.TemporaryDirectory(prefix="jwinteractive-") as folder:
        tried = try_recipe(asked.recipe, asked.output or Path(folder), seed=asked.seed)
    print(json.dumps(as_json(tried), indent=1) if asked.json else as_text(tried))
    return 0
