"""A session as a folder: two TOML files, the overrides given as arrays, and the store."""

from __future__ import annotations

import dataclasses as dc
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive.errors import InputError, OutputError
from jwinteractive.recipe import Recipe
from jwinteractive.references import References

__all__ = ["SESSION_FILE", "STORE_FOLDER", "Saved", "read_session", "write_session"]

SESSION_FILE = "session.toml"
STORE_FOLDER = "store"
_RECIPE_FILE = "recipe.toml"


@dc.dataclass(frozen=True)
class Saved:
    """What a session folder holds beside its results.

    ``passed`` are the keys that finished runs went through.
    """

    paths: tuple[Path, ...]
    active: int
    recipe: Recipe
    references: References
    passed: frozenset[str]


def write_session(folder: Path, saved: Saved) -> None:
    """Write the session's files into a folder that exists.

    Raises
    ------
    OutputError
        If the folder cannot be written, or a reference override has no form on disk.
    """
    found = saved.references
    lines = ["format = 1", f"active = {saved.active}"]
    lines += [f"exposures = {json.dumps([str(p) for p in saved.paths])}"]
    if found.folder is not None:
        lines += [f"references = {json.dumps(str(found.folder.absolute()))}"]
    lines += [f"passed = {json.dumps(sorted(saved.passed))}", "[overrides]"]
    try:
        for reftype, value in found.overrides.items():
            lines += [f"{reftype} = {json.dumps(_override(folder, reftype, value))}"]
        (folder / _RECIPE_FILE).write_text(saved.recipe.to_toml())
        (folder / SESSION_FILE).write_text("\n".join(lines) + "\n")
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"session {folder}: cannot be written ({error.strerror})") from None


def _override(folder: Path, reftype: str, value: Any) -> str:
    """Word for an override in a session file; an array goes into the folder."""
    if isinstance(value, str | Path):
        return str(Path(value).absolute())
    if not isinstance(value, np.ndarray):
        raise OutputError(
            f"override of {reftype}: a {type(value).__name__} has no file; "
            "give the file or the array instead"
        )
    np.save(folder / f"override-{reftype}.npy", value, allow_pickle=False)
    return f"override-{reftype}.npy"


def read_session(folder: Path) -> Saved:
    """Read a session folder.

    Raises
    ------
    InputError
        If it is none, or damaged.
    RecipeError, ParamError
        If its recipe is of no use any more.
    """
    try:
        table = tomllib.loads((folder / SESSION_FILE).read_text())
        recipe = Recipe.from_toml((folder / _RECIPE_FILE).read_text())
        paths = tuple(Path(p) for p in table["exposures"])
        overrides = {
            k: np.load(folder / v, allow_pickle=False) if v.endswith(".npy") else v
            for k, v in table["overrides"].items()
        }
        active = min(max(int(table["active"]), 0), len(paths) - 1)
        passed = frozenset(table["passed"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValueError) as error:
        if not isinstance(error, InputError):
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise InputError(
                f"{folder}: is no session folder ({what}); give one that Session.save made"
            ) from None
        raise
    return Saved(paths, active, recipe, References(table.get("references"), overrides), passed)
