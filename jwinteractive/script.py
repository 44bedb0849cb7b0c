"""A Python script that repeats a session without a browser, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jwinteractive.errors import OutputError
from jwinteractive.masks import to_text
from jwinteractive.recipe import Recipe
from jwinteractive.references.filed import from_anywhere
from jwinteractive.session import Session
from jwinteractive.step import registry

__all__ = ["opening", "script", "writing"]


def script(session: Session, to: str | None = None, write: str | Path | None = None) -> str:
    """Return a script that repeats the session's reduction of all its exposures.

    Every parameter is spelt out, so that the script means the same when a default changes.

    Parameters
    ----------
    session
        What is repeated.
    to
        Last step; by default that of the recipe.
    write
        Folder that the script writes the products into; None: it keeps them as ``results``.

    Raises
    ------
    OutputError
        If a reference was given as an array, which a script cannot name, or a step was defined
        in a notebook, which a script cannot import.
    """
    lines = ['"""Made by jwinteractive: repeats one reduction."""', "", *opening(session)]
    lines += [f"results = session.run_all({_target(to)})"]
    if write is not None:
        lines += writing(to, write, any(f.exposure.slit for f in session.exposures))
    return "\n".join([*lines, ""])


def opening(session: Session) -> list[str]:
    """Lines of Python that open the session's exposures with its settings.

    Raises
    ------
    OutputError
        As for `script`.
    """
    overrides = session.references.overrides
    for reftype, value in overrides.items():
        if not isinstance(value, str | Path):
            what = "an array" if isinstance(value, np.ndarray) else type(value).__name__
            raise OutputError(
                f"override of {reftype}: a script cannot hold {what}; write it to a file first"
            )
    paths = [str(path) for path in dict.fromkeys(f.path for f in session.exposures)]
    masks = session.references.masks
    lines = [
        "import jwinteractive",
        *(["from jwinteractive.masks import from_text"] if masks else []),
        *(f"import {module}" for module in _modules(session)),
        "",
        "RECIPE = (",
        *(
            f"    {line!r}"
            for line in _anywhere(session.recipe).to_toml().splitlines(keepends=True)
        ),
        ")",
        "",
        "session = jwinteractive.open(",
        f"    {paths!r},",
        "    recipe=jwinteractive.Recipe.from_toml(RECIPE),",
    ]
    if session.references.folder is not None:
        lines += [f"    refs={str(session.references.folder.absolute())!r},"]
    if slits := _slits(session):
        lines += [f"    slits={slits!r},"]
    lines += [")"]
    lines += [
        f"session.use({reftype!r}, {from_anywhere(value)!r})"
        for reftype, value in overrides.items()
    ]
    for mask in masks:
        text = to_text(mask).splitlines(keepends=True)
        lines += ["MASK = (", *(f"    {line!r}" for line in text), ")"]
        lines += ["session.use_mask(from_text(MASK))"]
    return lines


def writing(to: str | None, folder: str | Path, slits: bool = False) -> list[str]:
    """Lines of Python that write the products of a session's exposures into a folder.

    ``slits`` says that several may go into one file.
    """
    target = "" if to is None else f", {to!r}"
    numbers = "range(len(session.exposures))"
    if slits:
        numbers = "sorted({session.slits_of(number)[0] for number in " + numbers + "})"
    return [
        f"for number in {numbers}:",
        f"    session.write({str(folder)!r}{target}, exposure=number)",
    ]


def _slits(session: Session) -> list[str]:
    """Names of the slits that are open of each file, where it is the same ones of all; else none.

    A file whose slits are not named is opened with all of them.
    """
    by_file: dict[Path, list[str]] = {}
    for file in session.exposures:
        by_file.setdefault(file.path, []).append(file.exposure.slit)
    first, *others = by_file.values()
    return first if all(first) and all(names == first for names in others) else []


def _anywhere(recipe: Recipe) -> Recipe:
    """Recipe that means the same from any folder: a parameter named as a reference is a file."""
    for stage in recipe:
        for need in registry[stage.step].needs.values():
            name = need.kind.reftype
            if given := getattr(stage.params, name, ""):
                recipe = recipe.with_params(stage.step, **{name: str(Path(given).absolute())})
    return recipe


def _target(to: str | None) -> str:
    return "" if to is None else repr(to)


def _modules(session: Session) -> list[str]:
    """Modules outside of the package that steps of the recipe are defined in.

    Those that no entry point names would not be known to a script otherwise.
    """
    found = dict.fromkeys(registry[s.step].function.__module__ for s in session.recipe)
    modules = [m for m in found if not m.startswith("jwinteractive.")]
    if "__main__" in modules:
        own = [s.step for s in session.recipe if registry[s.step].function.__module__ == "__main__"]
        raise OutputError(
            f"step {own[0]}: is defined in this notebook, a script cannot import it; "
            "put it into a module"
        )
    return modules
