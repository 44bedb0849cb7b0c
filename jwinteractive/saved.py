"""A session as a folder: TOML files, masks as text, overrides given as arrays, and the store."""

from __future__ import annotations

import contextlib
import dataclasses as dc
import hashlib
import io
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive.errors import InputError, JwinteractiveError, OutputError
from jwinteractive.journal import Attempt, Entry
from jwinteractive.look import Look
from jwinteractive.masks import Mask, read_text, to_text
from jwinteractive.recipe import Recipe
from jwinteractive.references import References
from jwinteractive.references.filed import from_anywhere

__all__ = ["SESSION_FILE", "STORE_FOLDER", "Saved", "read_session", "write_session"]

SESSION_FILE = "session.toml"
STORE_FOLDER = "store"
_RECIPE_FILE = "recipe.toml"
_FIRST_RECIPE_FILE = "opened-with.toml"
_DIARY_FILE = "diary.json"  # look, journal and history


@dc.dataclass(frozen=True)
class Saved:
    """What a session folder holds beside its results.

    ``slits`` are the names of those that ``paths`` are opened for, "" where a file has none; empty:
    no file has any. ``passed`` are the keys that finished runs went through; ``lost`` says what
    of the diary (look, journal, history, pinned) could not be read.
    """

    paths: tuple[Path, ...]
    active: int
    recipe: Recipe
    opened_with: Recipe
    references: References
    passed: frozenset[str]
    look: Look = dc.field(default_factory=Look)
    journal: tuple[Entry, ...] = ()
    history: tuple[Attempt, ...] = ()
    pinned: Attempt | None = None
    lost: str = ""
    slits: tuple[str, ...] = ()


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
    if any(saved.slits):
        lines += [f"slits = {json.dumps(list(saved.slits))}"]
    if found.folder is not None:
        lines += [f"references = {json.dumps(str(found.folder.absolute()))}"]
    lines += [f"masks = {json.dumps(_masks(folder, found.masks))}"]
    lines += [f"passed = {json.dumps(sorted(saved.passed))}", "[overrides]"]
    try:
        for reftype, value in found.overrides.items():
            lines += [f"{reftype} = {json.dumps(_override(folder, reftype, value))}"]
        _write(folder / _FIRST_RECIPE_FILE, saved.opened_with.to_toml())
        _write(folder / _DIARY_FILE, json.dumps(_diary(folder, saved)))
        _write(folder / _RECIPE_FILE, saved.recipe.to_toml())
        _write(folder / SESSION_FILE, "\n".join(lines) + "\n")
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"session {folder}: cannot be written ({error.strerror})") from None


def _write(path: Path, content: str | bytes) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content if isinstance(content, bytes) else content.encode())
    new.replace(path)


def _diary(folder: Path, saved: Saved) -> dict[str, Any]:
    def attempt(a: Attempt) -> dict[str, Any]:
        mine = a.settings.references
        overrides = {k: _override(folder, k, v) for k, v in mine.overrides.items()}
        names = _masks(folder, mine.masks)
        where = {"references": _name(mine.folder), "overrides": overrides, "masks": names}
        return {**a.as_dict(), **where}

    def known(a: Attempt | None) -> bool:
        """Whether its references have a form on disk: only the present ones must have."""
        overrides = a.settings.references.overrides if a is not None else {}
        return all(isinstance(v, str | Path | np.ndarray) for v in overrides.values())

    return {
        "look": saved.look.as_dict(),
        "journal": [dc.asdict(e) for e in saved.journal],
        "history": [attempt(a) for a in saved.history if known(a)],
        "pinned": attempt(saved.pinned) if saved.pinned and known(saved.pinned) else None,
    }


def _name(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


def _masks(folder: Path, masks: Iterable[Mask]) -> list[str]:
    """Names of the files in the folder that hold masks, each written once."""
    names = []
    for mask in masks:
        text = to_text(mask).encode()
        name = f"mask-{hashlib.blake2b(text, digest_size=8).hexdigest()}.toml"
        if not (folder / name).exists():
            _write(folder / name, text)
        names.append(name)
    return names


def _override(folder: Path, reftype: str, value: Any) -> str:
    """Word for an override in a session file; an array goes into the folder."""
    if isinstance(value, str | Path):
        return from_anywhere(value)
    if not isinstance(value, np.ndarray):
        raise OutputError(
            f"override of {reftype}: a {type(value).__name__} has no file; "
            "give the file or the array instead"
        )
    content = io.BytesIO()
    np.save(content, value, allow_pickle=False)
    digest = hashlib.blake2b(content.getvalue(), digest_size=8).hexdigest()
    name = f"override-{reftype}-{digest}.npy"
    if not (folder / name).exists():
        _write(folder / name, content.getvalue())
    return name


def read_session(folder: Path) -> Saved:
    """Read a session folder; one whose diary is lost has its results all the same.

    Raises
    ------
    InputError
        If it is none, or damaged, or its recipe is of no use any more.
    MissingReference
        If the folder of its references is gone.
    """
    try:
        table = tomllib.loads((folder / SESSION_FILE).read_text())
        recipe = Recipe.from_toml((folder / _RECIPE_FILE).read_text())
        first = _first_recipe(folder) or recipe
        paths = tuple(Path(p) for p in table["exposures"])
        active = min(max(int(table["active"]), 0), len(paths) - 1)
        passed = frozenset(table["passed"])
        slits = tuple(map(str, table.get("slits", ())))
        given = table.get("references"), table["overrides"], table.get("masks", [])
        references = _references(folder, *given)
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        if not isinstance(error, InputError):
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise InputError(
                f"{folder}: is no session folder ({what}); give one that Session.save made"
            ) from None
        raise
    saved = Saved(paths, active, recipe, first, references, passed, slits=slits)
    try:
        diary = json.loads((folder / _DIARY_FILE).read_text())
        return _with_diary(saved, folder, diary, given)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        lost = f"{folder / _DIARY_FILE}: cannot be read ({what}); journal and history begin anew"
        return dc.replace(saved, lost=lost)


def _first_recipe(folder: Path) -> Recipe | None:
    """The recipe that the session began with, if it is of use still."""
    with contextlib.suppress(OSError, ValueError):
        return Recipe.from_toml((folder / _FIRST_RECIPE_FILE).read_text())
    return None


def _with_diary(
    saved: Saved, folder: Path, diary: Mapping[str, Any], given: tuple[Any, ...]
) -> Saved:
    """Add look, journal and history; runs that are of no use any more are left out."""
    known = [(given, saved.references)]  # what is the same is one object again

    def attempt(values: Mapping[str, Any]) -> Attempt | None:
        rest = dict(values)
        mine = rest.pop("references"), rest.pop("overrides"), rest.pop("masks", [])
        try:
            found = next((r for g, r in known if g == mine), None) or _references(folder, *mine)
            known.append((mine, found))
            return Attempt.from_dict(rest, found)
        except (JwinteractiveError, OSError, EOFError, KeyError, TypeError, ValueError):
            return None

    history = [attempt(a) for a in diary["history"]]
    gone = history.count(None)
    return dc.replace(
        saved,
        look=Look.from_dict(diary["look"]),
        journal=tuple(Entry(e["when"], e["kind"], e["text"]) for e in diary["journal"]),
        history=tuple(a for a in history if a is not None),
        pinned=attempt(diary["pinned"]) if diary["pinned"] else None,
        lost=f"{gone} earlier runs cannot be brought back: their references or steps are gone"
        if gone
        else "",
    )


def _references(
    folder: Path, searched: str | None, overrides: Mapping[str, str], masks: Iterable[str]
) -> References:
    found = {
        k: np.load(folder / v, allow_pickle=False) if v.endswith(".npy") else v
        for k, v in overrides.items()
    }
    return References(searched, found, masks=[read_text(folder / name) for name in masks])
