"""What differs between a pinned result and what is shown, as words and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from jwinteractive.compare import Comparison
from jwinteractive.views import Table

__all__ = ["COMPARISON_CSS", "ComparisonView", "table_html"]

COMPARISON_CSS = Path(__file__).parent / "static" / "comparison.css"

EMPTY = "Pin a result first"
_WORD = 26  # characters that are not broken into lines
_LONG = ' class="jwi-long"'


class ComparisonView(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Shows a `Comparison`: a line of words, and tables of parameters, numbers and flags.

    Attributes
    ----------
    headline, tables
        What is shown, as HTML.
    """

    def __init__(self, comparison: Comparison | None = None) -> None:
        self.headline = w.HTML()
        self.tables = w.HTML()
        super().__init__([self.headline, self.tables])
        self.add_class("jwi-comparison")
        self.show(comparison)

    def show(self, comparison: Comparison | None, a: str = "pinned", b: str = "shown") -> None:
        """Show a comparison; None says what to do first. ``a`` and ``b`` say what A and B are."""
        if comparison is None:
            self.tell(EMPTY)
            return
        legend = f"A: {escape(a)}, B: {escape(b)}"
        self.headline.value = (
            f'<div role="status"><div class="jwi-title">{escape(comparison.headline)}</div>'
            f'<div class="jwi-quiet">{legend}</div></div>'
        )
        tables = [comparison.parameters, comparison.numbers, comparison.flags]
        self.tables.value = "".join(table_html(t) for t in tables if t is not None)

    def tell(self, text: str) -> None:
        """Show one line of text in place of a comparison."""
        self.headline.value = f'<div class="jwi-quiet" role="status">{escape(text)}</div>'
        self.tables.value = ""


def table_html(table: Table) -> str:
    """Table as HTML with a caption and headings that a screen reader ties to the cells."""
    caption = f"<caption>{escape(table.title)}</caption>"
    if not table.rows:
        nothing = f'<tr><td class="jwi-quiet" colspan="{len(table.columns)}">none</td></tr>'
        return f'<table class="jwi-table">{caption}<tbody>{nothing}</tbody></table>'
    kinds = [_kind(values) for values in zip(*table.rows, strict=True)]
    heads = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>'
        for name, kind in zip(table.columns, kinds, strict=True)
    )
    rows = "".join(_row(row, kinds) for row in table.rows)
    return (
        f'<table class="jwi-table">{caption}'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(row: Sequence[Any], kinds: Sequence[str]) -> str:
    cells = "".join(
        f"<td{_LONG if len(_shown(value)) > _WORD else kind}>{escape(_shown(value))}</td>"
        for value, kind in zip(row[1:], kinds[1:], strict=True)
    )
    return f'<tr><th scope="row">{escape(_shown(row[0]))}</th>{cells}</tr>'


def _kind(values: Sequence[Any]) -> str:
    """Class of a column: most of its values are numbers, or they are not."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return ' class="jwi-number"' if 2 * len(numbers) > len(values) else ""


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    if isinstance(value, float):
        return f"{value:.5g}" if math.isfinite(value) else "–"
    return str(value)
