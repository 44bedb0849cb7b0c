"""Files that repeat a session elsewhere: its recipe, a script, a notebook."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from jwinteractive.errors import AlreadyThere, OutputError
from jwinteractive.notebook import notebook
from jwinteractive.script import script
from jwinteractive.session import Session

__all__ = ["write_notebook", "write_recipe", "write_script"]


def write_recipe(session: Session, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write the session's recipe as a parameter file that `Recipe.load` takes; return the file.

    Raises
    ------
    OutputError
        If the file exists and may not be overwritten, or cannot be written.
    """
    return _write(session, Path(path), ".toml", session.recipe.to_toml(), overwrite)


def write_script(
    session: Session,
    path: str | Path,
    to: str | None = None,
    *,
    write: str | Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a Python script that repeats the session; see `script.script`; return the file.

    Raises
    ------
    OutputError
        If the file exists and may not be overwritten, or cannot be written, or the session holds
        what a script cannot.
    """
    return _write(session, Path(path), ".py", script(session, to, write), overwrite)


def write_notebook(
    session: Session, path: str | Path, to: str | None = None, *, overwrite: bool = False
) -> Path:
    """Write a notebook that repeats the session; see `notebook.notebook`; return the file.

    Raises
    ------
    OutputError
        As for `write_script`.
    MissingReference, RecipeError
        If the session could not run.
    """
    text = json.dumps(notebook(session, to), indent=1) + "\n"
    return _write(session, Path(path), ".ipynb", text, overwrite)


def _write(session: Session, path: Path, ending: str, text: str, overwrite: bool) -> Path:
    """Write a text that is there whole or not at all, and say so in the journal."""
    if path.suffix != ending:
        raise OutputError(f"{path}: let its name end with {ending}")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder: choose another name")
    if path.exists() and not overwrite:
        raise AlreadyThere.of(path)
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}): choose another folder"
        ) from None
    session.note("save", f"written: {path}")
    return path
