"""The command ``jwinteractive params``: where parameters come from, and official files of them."""

from __future__ import annotations

import argparse
import dataclasses as dc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import jwinteractive
from jwinteractive.effective import Effective, Traced, trace
from jwinteractive.errors import InputError, RecipeError, suggestion
from jwinteractive.official.catalogue import catalogue
from jwinteractive.official.exchange import (
    Settings,
    call_text,
    read_call,
    read_pars,
    read_strun,
    strun_line,
    write_pars,
)
from jwinteractive.recipe import Recipe, Stage
from jwinteractive.step import OFFICIAL

__all__ = ["add_options", "run"]

_FILES: Final = (".asdf", ".cfg")
_LINES: Final = {"strun": strun_line, "call": call_text}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with parameters to the command's options."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--step", action="append", default=[], metavar="STEP", help="this one only")
    parser.add_argument(
        "--recipe", default="official", help='"official" (default), "auto", "mixed", a name, a file'
    )
    parser.add_argument("--refs", type=Path, metavar="DIR", help="folder with parameter files")
    parser.add_argument(
        "--import",
        dest="given",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="take values from a .asdf, a .cfg, or a text with a strun line or a call",
    )
    parser.add_argument(
        "--export",
        metavar="TO",
        help='a new .asdf or .cfg, or "strun" or "call" for a line; official steps only',
    )
    parser.add_argument(
        "--pipeline", default="", metavar="CLASS", help="the one to export; default: the first"
    )
    parser.add_argument("--changed", action="store_true", help="only what is not the default")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(asked: argparse.Namespace) -> int:
    """Show, take and write parameters."""
    session = jwinteractive.open(asked.file, asked.recipe, asked.refs)
    recipe, own = session.recipe, list[Settings]()
    for path in asked.given:
        left_out: dict[tuple[str, ...], list[str]] = {}
        absent: list[str] = []
        for settings in _read(path):
            if settings.of_pipeline:
                own.append(settings)
                continue
            name = OFFICIAL + settings.alias
            if name not in recipe:
                absent.append(settings.alias)
                continue
            if settings.left_out:
                left_out.setdefault(settings.left_out, []).append(settings.alias)
            recipe = recipe.with_stage(name, _merged(recipe[name], settings))
        if absent:
            _say(f"{path.name}: not in the recipe, left out: {', '.join(absent)}")
        for names, steps in left_out.items():  # files and hooks are the same for all
            _say(f"{path.name}: {', '.join(steps)}: left out {', '.join(names)}")
    stages = _chosen(recipe, asked.step)
    if asked.export:
        return _export(stages, own, asked, session.exposures[0].exposure)
    file = session.exposures[0]
    references = session.references.beside_of(file.simulated_references)
    traced = {
        stage.step: trace(stage, file.exposure, file.product.shape, references) for stage in stages
    }
    if asked.json:
        print(json.dumps({name: _plain(one, asked.changed) for name, one in traced.items()}))
        return 0
    for note in dict.fromkeys(one.note for one in traced.values() if one.note):
        _say(note)
    for name, one in traced.items():
        rows = _rows(one, asked.changed)
        if rows:
            print(name)
            print("\n".join(f"  {_words(row)}" for row in rows))
    return 0


def _say(text: str) -> None:
    print(f"jwinteractive: {text}", file=sys.stderr)


def _read(path: Path) -> tuple[Settings, ...]:
    """Settings in a file of any form."""
    if path.suffix in _FILES:
        return read_pars(path)
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}): give a .asdf, a .cfg or a text") from (
            None
        )
    return read_strun(text) if text.startswith("strun") else read_call(text)


def _merged(stage: Stage, settings: Settings) -> Stage:
    """Stage with the values of a file; what that does not say stays."""
    mine = Settings.of(stage)
    skip = mine.skip if settings.skip is None else settings.skip
    return dc.replace(mine, values={**mine.values, **settings.values}, skip=skip).stage()


def _chosen(recipe: Recipe, steps: Sequence[str]) -> list[Stage]:
    if not steps:
        return list(recipe)
    return [recipe[recipe.name_of(step)] for step in steps]


def _rows(traced: Traced, changed: bool) -> list[Effective]:
    return [row for row in traced.rows if row.contested or not changed]


def _words(row: Effective) -> str:
    """One line: the value, whose it is, and what others say."""
    others = [f"default {row.default}"] if row.value != row.default else []
    if row.crds_file:
        others.append(f"CRDS {row.crds} ({row.crds_file})")
    if row.recommended_source:
        others.append(f"recommended {row.recommended} ({row.recommended_source})")
    said = f"; {'; '.join(others)}" if others else ""
    return f"{row.name} = {row.value} [{row.source}]{said}"


def _plain(traced: Traced, changed: bool) -> dict[str, Any]:
    return {
        "note": traced.note,
        "parameters": [dc.asdict(row) for row in _rows(traced, changed)],
    }


def _export(
    stages: Sequence[Stage], own: Sequence[Settings], asked: argparse.Namespace, exposure: Any
) -> int:
    """Write a file, or print a line, of one step or of the steps of a pipeline."""
    official = [Settings.of(s) for s in stages if s.step.startswith(OFFICIAL)]
    for stage in stages:
        if not stage.step.startswith(OFFICIAL):
            _say(f"{stage.step} is a native step: official forms do not hold it")
    if not official:
        raise RecipeError("no official step to export: take --recipe official, or name a --step")
    alone = len(official) == 1 and not own and not asked.pipeline
    pipeline = "" if alone else _pipeline(official, own, asked.pipeline, exposure)
    if pipeline:
        order = catalogue().order(pipeline, exposure.instrument, exposure.exp_type)
        official = [one for one in official if one.alias in order]
    told = (*(one for one in own if one.alias == pipeline), *official)
    if asked.export in _LINES:
        print(_line(asked, told, pipeline))
        return 0
    path = Path(asked.export)
    if path.suffix not in _FILES:
        forms = [*_FILES, *_LINES]
        raise InputError(
            f"--export {asked.export}: {suggestion(asked.export, forms)}: name a .asdf or a .cfg "
            'file, or "strun" or "call"'
        )
    if path.exists():
        raise InputError(f"{path}: exists: choose another name")
    print(write_pars(path, told, pipeline))
    return 0


def _line(asked: argparse.Namespace, told: Sequence[Settings], pipeline: str) -> str:
    if asked.export == "strun":
        return strun_line(told, str(asked.file), pipeline)
    return call_text(told, json.dumps(str(asked.file)), pipeline)


def _pipeline(
    official: Sequence[Settings], own: Sequence[Settings], wanted: str, exposure: Any
) -> str:
    """Pipeline to export: the one that is asked for, or the first that has the steps."""
    fitting = [
        name
        for stage in (1, 2, 3)
        for name in catalogue().pipelines_for(exposure.exp_type, stage)
        if {s.alias for s in official}
        & set(catalogue().order(name, exposure.instrument, exposure.exp_type))
    ]
    if wanted and wanted not in fitting:
        raise RecipeError(f"pipeline {wanted!r}: {suggestion(wanted, fitting)}")
    chosen = wanted or next((s.alias for s in own if s.alias in fitting), fitting[0])
    if not wanted and len(fitting) > 1:
        rest = ", ".join(name for name in fitting if name != chosen)
        _say(f"exported are the steps of {chosen}; --pipeline names another: {rest}")
    return chosen
