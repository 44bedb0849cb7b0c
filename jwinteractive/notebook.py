"""A notebook that repeats a session, says what was done, and opens it in the workbench."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from jwinteractive.params import fields_of
from jwinteractive.recipe import Stage
from jwinteractive.script import opening, writing
from jwinteractive.session import Session
from jwinteractive.step import registry

__all__ = ["notebook", "notebook_of", "verbatim"]

PRODUCTS = "products"  # folder beside the notebook
_LONGEST = 160  # characters of a parameter's value


def notebook(session: Session, to: str | None = None) -> dict[str, Any]:
    """Return a notebook (format 4.5) that repeats the session's reduction, without outputs.

    ``to`` is the last step, by default that of the recipe.

    Raises
    ------
    OutputError
        If a reference was given as an array, which a notebook cannot name, or a step was defined
        in a notebook, which another cannot import.
    MissingReference, RecipeError
        If the session could not run.
    """
    target = "" if to is None else repr(to)
    slits = any(f.exposure.slit for f in session.exposures)
    return notebook_of(
        [
            ("title", "markdown", _told(session, to)),
            ("open", "code", "\n".join(opening(session))),
            ("run", "code", f"results = session.run_all({target})"),
            ("look", "markdown", "Turn the knobs, see what changes, and run again:"),
            (
                "workbench",
                "code",
                "from jwinteractive_widgets import workbench\n\nworkbench(session)",
            ),
            ("keep", "markdown", f"The products, into the folder {verbatim(PRODUCTS)}:"),
            ("write", "code", "\n".join(writing(to, PRODUCTS, slits))),
        ]
    )


def notebook_of(cells: Sequence[tuple[str, str, str]]) -> dict[str, Any]:
    """Return a notebook of cells (id, "markdown" or "code", source)."""
    made: list[dict[str, Any]] = []
    for name, kind, source in cells:
        lines = source.splitlines(keepends=True)
        cell = {"cell_type": kind, "id": name, "metadata": {}, "source": lines}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def verbatim(text: object) -> str:
    """Markdown that shows a text as it is, whatever markup it holds, on one line."""
    plain = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text)) or "(empty)"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    pad = " " if plain[0] in "` " or plain[-1] in "` " else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def _told(session: Session, to: str | None) -> str:
    """Return what was done, in markdown."""
    files = [
        f"- {verbatim(f.name)}: {_exposure_words(f.exposure)}, in {verbatim(f.path.parent)}"
        for f in session.exposures
    ]
    lines = ["# A reduction of JWST data", "", "Exposures:", "", *files, ""]
    lines += [f"Recipe {verbatim(session.recipe.name)}, up to {verbatim(to or 'its end')}."]
    plan = session.plan(to)
    steps = [p.step.name for p in plan if not p.skipped]
    if steps:
        lines += ["", f"Steps that run: {', '.join(verbatim(s) for s in steps)}."]
    left = [f"- {verbatim(p.step.name)}: {verbatim(p.skipped)}" for p in plan if p.skipped]
    if left:
        lines += ["", "Left out:", "", *left]
    upto = {p.step.name for p in plan}
    changed = [line for s in session.recipe if s.step in upto for line in _changes(s)]
    if changed:
        lines += ["", "Parameters that are not at their defaults:", "", *changed]
    elif steps:
        lines += ["", "All parameters are at their defaults."]
    for number, file in enumerate(session.exposures):
        if session.plan(to, number):
            lines += _references(session, to, number, file.name)
    return "\n".join(lines)


def _exposure_words(exposure: Any) -> str:
    known = (exposure.instrument, exposure.detector, exposure.filter, exposure.subarray)
    size = f"{exposure.nints} x {exposure.ngroups} (integrations x groups)"
    return f"{', '.join(verbatim(w) for w in known if w)}, {size}"


def _changes(stage: Stage) -> list[str]:
    """Lines on the parameters of a stage that are not at their defaults."""
    lines = []
    for field in fields_of(registry[stage.step].params):
        value = getattr(stage.params, field.name)
        if value != field.default:
            unit = f" {field.unit}" if field.unit else ""
            lines.append(
                f"- {verbatim(stage.step)}: {verbatim(field.name)} = {_value(value)}{unit} "
                f"instead of {_value(field.default)}{unit}"
            )
    return lines


def _value(value: Any) -> str:
    """Markdown for a value of a parameter; a list of hundreds of flags is not read in prose."""
    text = str(value)
    if len(text) <= _LONGEST:
        return verbatim(text)
    return f"{verbatim(text[:_LONGEST])} … ({len(text)} characters)"


def _references(session: Session, to: str | None, number: int, name: str) -> list[str]:
    """Lines on the references of one exposure."""
    used = session.provenance(to, number).references
    if not used:
        return []
    return [
        "",
        f"References of {verbatim(name)}:",
        "",
        *(f"- {verbatim(r.reftype)}: {r.source}, {verbatim(r.name)}" for r in used),
    ]
