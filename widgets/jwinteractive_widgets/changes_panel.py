"""What changed in the official package since it made the exposure in view."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from jwinteractive.changes import Change, Since
from jwinteractive.changes.since import notes

__all__ = ["ChangesPanel"]


class ChangesPanel(w.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """One line that opens to the changes, newest first; empty for a file nobody calibrated.

    Attributes
    ----------
    told
        What is shown; None until something is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told: Since | None = None

    def draw(self, told: Since | None) -> None:
        """Show what changed since a product was made; None shows nothing."""
        self.told = told
        self.value = _html(told) if told is not None and told.made.version else ""


def _html(told: Since) -> str:
    made = told.made
    number = len(told.changes)
    many = f"{number} known change{'' if number == 1 else 's'}" if number else "no known change"
    head = f"What changed since jwst {made.version} made this file: {many}"
    lines = [_item(change) for change in reversed(told.changes)]
    if made.context and told.context and made.context != told.context:
        words = f"references were chosen by {made.context}, here by {told.context}"
        lines.insert(0, f"<div>{escape(words)}</div>")
    lines += [f'<div class="jwi-quiet">{escape(note)}</div>' for note in notes(told)]
    body = "".join(lines)
    return f"<details><summary>{escape(head)}</summary>{body}</details>"


def _item(change: Change) -> str:
    source = escape(change.source.title)
    if change.source.url:
        url = escape(change.source.url)
        source = f'<a href="{url}" target="_blank" rel="noopener">{source}</a>'
    where = f"{change.version}: {', '.join(change.steps)}"
    return (
        f'<div class="jwi-known-remedy">{escape(where)}</div><div>{escape(change.fact)}</div>'
        f'<div class="jwi-quiet">{source}</div>'
    )
