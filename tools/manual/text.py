"""Markdown out of docstrings and of tables."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from jwinteractive.params import Field

__all__ = ["code", "heading", "page", "parameters", "prose", "table", "tree"]

_RECORD: Final = re.compile(r"docs/(decisions/(\d+)-[\w-]+\.md)")
_SECTION: Final = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_DEFINED: Final = re.compile(r"^(\w+)\n((?:    .*\n?)+)", re.MULTILINE)
_LITERAL: Final = re.compile(r"::\n\n((?:(?: {4}.*)?\n)*(?: {4}.*))")
_HEADS: Final = ("parameter", "default", "values", "what it does")


def prose(docstring: str | None, level: int = 3) -> str:
    """Docstring as Markdown.

    Parameters
    ----------
    docstring
        With numpydoc sections, whose headings get the level.
    level
        Of headings.
    """
    text = inspect.cleandoc(docstring or "")
    text = _LITERAL.sub(lambda m: f":\n\n```text\n{textwrap.dedent(m[1])}\n```", text)
    head, *sections = _SECTION.split(text)
    parts = [head.strip()]
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        items = _DEFINED.sub(lambda m: f"- `{m[1]}`: {' '.join(m[2].split())}\n", body)
        parts.append(f"{'#' * level} {name}\n\n{items.strip()}")
    text = "\n\n".join(part for part in parts if part)
    return _RECORD.sub(lambda m: f"[decision {int(m[2])}](../{m[1]})", text)


def page(parts: Iterable[str]) -> str:
    """Page of paragraphs, headings and tables; empty ones are left out."""
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(level: int, text: str, anchor: str = "") -> str:
    """Heading, with a name that links know it by."""
    return (f"({anchor})=\n" if anchor else "") + f"{'#' * level} {text}"


def code(text: object) -> str:
    """A value, as it is written in code."""
    return f"`{text}`" if str(text) else '`""`'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Table of cells that are Markdown themselves; "" without rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(heads), _row(["---"] * len(heads)), *lines]) if lines else ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in cells) + " |"


def tree(names: Iterable[str]) -> str:
    """Pages below this one, for the list at the side."""
    return "\n".join(["```{toctree}", ":hidden:", "", *names, "```"])


def parameters(fields: Iterable[Field]) -> str:
    """Table of the parameters of a step; a sentence where there are none."""
    rows = [(code(f.name), _default(f), _values(f), _does(f)) for f in fields]
    return table(_HEADS, rows) or "It has no parameters."


def _default(f: Field) -> str:
    return (
        "none"
        if f.default is None
        else code(str(f.default).lower() if f.type is bool else f.default)
    )


def _values(f: Field) -> str:
    kind = {bool: "true or false", int: "whole number", float: "number", str: "text"}[f.type]
    if f.choices:
        kind = ", ".join(map(code, f.choices))
    elif f.numbers is not None or f.low is not None or f.high is not None:
        kind = f"{kind}: {f.rule}"
    elif f.unit:
        kind = f"{kind}, {f.unit}"
    if f.usual is not None:
        kind += f"; usually {f.usual.low:g} to {f.usual.high:g}"
    return kind + ("; may be none" if f.optional else "")


def _does(f: Field) -> str:
    # words of official specs hold what Markdown takes for marks
    words = re.sub(r"([*_<>\[\]{}$])", r"\\\1", f.doc)
    return words if f.when is None else f"{words} Acts with {code(f.when)}."
