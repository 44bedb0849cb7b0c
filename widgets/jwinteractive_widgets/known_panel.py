"""The known issues of the exposure in view, and their remedies with one click."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape

import ipywidgets as w

from jwinteractive.changes import Since, what_changed
from jwinteractive.errors import JwinteractiveError
from jwinteractive.known import Known, Listed, listed, names_here, taken
from jwinteractive.session import Session
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.changes_panel import ChangesPanel

__all__ = ["KnownPanel"]


class KnownPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """What is known to go wrong with the exposure in view: what its data show comes first.

    Attributes
    ----------
    found
        What is shown; None until it was looked for.
    apply
        Button of each issue that has a remedy of parameters, by its id.
    changes
        What changed since the official package made the file.
    """

    def __init__(
        self, session: Session, background: Background, fail: Callable[[BaseException], None]
    ) -> None:
        """Measure on lane "issues" of ``background``."""
        self.session, self._background, self._fail = session, background, fail
        self.found: tuple[Listed, ...] | None = None
        self.apply: dict[str, w.Button] = {}
        self._of = -1
        self.text, self.list = w.HTML(), w.VBox()
        self.changes = ChangesPanel()
        super().__init__([self.text, self.list, self.changes])
        self.add_class("jwi-known")

    def refresh(self) -> None:
        """Look at the exposure in view, where it is another; say what of the remedies is taken."""
        number = self.session.active
        if number == self._of:
            self._mark()
            return
        self._of = number
        file = self.session.exposures[number]
        self._say("measuring ...")

        def work(_: threading.Event) -> tuple[tuple[Listed, ...], Since | None]:
            path = file.path
            changed = what_changed(path, file.exposure) if path is not None else None
            return listed(file.product, path), changed

        def show(found: tuple[tuple[Listed, ...], Since | None]) -> None:
            if self._of == number:
                self.found, changed = found
                self.changes.draw(changed)
                self._draw()

        self._background.submit(work, show, self._failed, "issues")

    def _draw(self) -> None:
        assert self.found is not None
        there = [row for row in self.found if row.there]
        rest = [row for row in self.found if not row.there]
        self.apply = {}
        parts = [self._card(row) for row in there]
        if rest:
            parts.append(w.HTML('<div class="jwi-known-rest">The data of this file show no</div>'))
            parts += [self._card(row) for row in rest]
        for old in self.list.children:
            old.close()
        self.list.children = tuple(parts)
        self._say(f"{len(there)} known issues of this file" if there else "no known issue")
        self._mark()

    def _card(self, row: Listed) -> w.VBox:
        parts: list[w.Widget] = [w.HTML(_html(row))]
        if row.known.remedies:
            button = w.Button(description="Apply")
            button.on_click(lambda _: self._take(row.known))
            self.apply[row.known.id] = button
            parts.append(button)
        card = w.VBox(parts)
        card.add_class("jwi-known-issue" if row.there else "jwi-known-absent")
        return card

    def _take(self, known: Known) -> None:
        try:
            self.session.take(known)
        except JwinteractiveError as error:
            self._fail(error)

    def _mark(self) -> None:
        """Say of each remedy whether the recipe has it."""
        recipe = self.session.recipe
        for row in self.found or ():
            button = self.apply.get(row.known.id)
            if button is None:
                continue
            here = names_here(recipe, row.known)
            done = bool(here) and taken(recipe, row.known) == recipe
            button.description = "Applied" if done else "Apply"
            button.disabled = done or not here
            button.tooltip = (
                "; ".join(f"{name}: {remedy}" for name, remedy in here)
                or f"recipe {recipe.name} has none of these steps"
            )

    def _failed(self, error: BaseException) -> None:
        self._of = -1  # look again when asked again
        self._say(str(error))
        if not isinstance(error, JwinteractiveError):
            raise error

    def _say(self, line: str) -> None:
        self.text.value = f'<div role="status" class="jwi-known-said">{escape(line)}</div>'


def _html(row: Listed) -> str:
    known = row.known
    lines = [f'<div class="jwi-known-fact">{escape(known.fact)}</div>']
    if row.measured is not None:
        lines.append(f'<div class="jwi-known-figure">{escape(row.measured.words)}</div>')
    if known.remedies:
        set_ = ", ".join(map(str, known.remedies))
        lines.append(f'<div class="jwi-known-remedy">{escape(set_)}</div>')
    if known.advice:
        lines.append(f"<div>{escape(known.advice)}</div>")
    sources = ", ".join(
        f'<a href="{escape(s.url)}" target="_blank" rel="noopener">{escape(s.title)}</a>'
        if s.url
        else escape(s.title)
        for s in known.sources
    )
    code = f"{escape(known.code)}; " if known.code else ""
    old = ", withdrawn since" if known.deprecated else ""
    date = max(source.date for source in known.sources)
    lines.append(f'<div class="jwi-quiet">{code}{sources} (read {escape(date)}{old})</div>')
    return "".join(lines)
