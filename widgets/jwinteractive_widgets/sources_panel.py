"""Where the parameters of the chosen step come from, and whose value to take."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as w

from jwinteractive.effective import Effective, Traced, trace
from jwinteractive.errors import JwinteractiveError
from jwinteractive.journal import Settings
from jwinteractive.known.catalogue import SKIP
from jwinteractive.session import Session
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background

__all__ = ["SourcesPanel"]

WORDS = {"default": "default", "crds": "CRDS", "recommended": "recommended", "yours": "yours"}


class SourcesPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A toggle; beneath it, of each parameter that has several values, whose they are.

    A click on a value takes it. Parameters of which all say the same are named only.

    Attributes
    ----------
    found
        What is shown; None while the toggle is off.
    take
        Button of each value, by parameter and by whose it is.
    """

    children: Any  # a trait of ipywidgets, which has no types

    def __init__(
        self, session: Session, background: Background, fail: Callable[[BaseException], None]
    ) -> None:
        """Look for parameter files on lane "sources" of ``background``."""
        self.session, self._background, self._fail = session, background, fail
        self.found: Traced | None = None
        self.take: dict[tuple[str, str], w.Button] = {}
        self._on = False
        self._wanted: tuple[Settings, int, str] | None = None
        self.bar = Actions(
            on_do=self._turn, hand_over=background.hand_over, label="Sources of the parameters"
        )
        self.list = w.VBox()
        super().__init__([])
        self.add_class("jwi-sources")

    def refresh(self) -> None:
        """Show the toggle where a step is chosen, and what is beneath it while it is on."""
        step = self.session.look.step
        there = step in self.session.recipe
        wanted: tuple[w.Widget, ...] = (self.bar, self.list) if there and self._on else ()
        wanted = wanted or ((self.bar,) if there else ())
        if self.children != wanted:
            self.children = wanted
        self.bar.show(
            [
                {
                    "id": "sources",
                    "kind": "toggle",
                    "label": "where from",
                    "value": self._on,
                    "tooltip": "default, CRDS, recommended or yours: whose each value is",
                }
            ]
        )
        if there and self._on:
            self._ask(step)

    def _turn(self, act: str, value: object = None) -> None:
        self._on = bool(value)
        self.refresh()

    def _ask(self, step: str) -> None:
        session = self.session
        wanted = session.settings, session.active, step
        if wanted == self._wanted:
            return
        self._wanted = wanted
        file, stage = session.exposures[session.active], session.recipe[step]
        references = session.references.beside_of(file.simulated_references)

        def work(_: threading.Event) -> Traced:
            return trace(stage, file.exposure, file.product.shape, references)

        def show(found: Traced) -> None:
            if self._wanted == wanted:
                self.found = found
                self._draw(step)

        self._background.submit(work, show, self._failed, "sources")

    def _draw(self, step: str) -> None:
        assert self.found is not None
        rows = [row for row in self.found.rows if row.contested]
        same = [row.name for row in self.found.rows if not row.contested]
        self.take = {}
        parts: list[w.Widget] = [self._row(step, row) for row in rows]
        notes = [f"all say the default: {', '.join(same)}"] if same else []
        notes += [self.found.note] if self.found.note else []
        parts.append(w.HTML("".join(f'<div class="jwi-quiet">{escape(n)}</div>' for n in notes)))
        for old in self.list.children:
            old.close()
        self.list.children = tuple(parts)

    def _row(self, step: str, row: Effective) -> w.VBox:
        name = w.HTML(f'<div class="jwi-sources-name">{escape(row.name)}</div>')
        offered = {"default": (row.default, "the spec of the step")}
        if row.crds_file:
            offered["crds"] = row.crds, row.crds_file
        if row.recommended_source:
            offered["recommended"] = row.recommended, row.recommended_source
        if row.source == "yours":
            offered["yours"] = row.value, "what the recipe says"
        chips = [self._chip(step, row, who, *told) for who, told in offered.items()]
        line = w.HBox(chips)
        line.add_class("jwi-sources-values")
        return w.VBox([name, line])

    def _chip(self, step: str, row: Effective, who: str, value: Any, source: str) -> w.Button:
        now = value == row.value
        button = w.Button(
            description=f"{WORDS[who]} {value}",
            tooltip=source if now else f"{source}: take {value}",
            disabled=now,
        )
        if now:
            button.add_class("jwi-sources-now")
        button.on_click(lambda _: self._take(step, row.name, value))
        self.take[row.name, who] = button
        return button

    def _take(self, step: str, name: str, value: Any) -> None:
        try:
            if name == SKIP:
                self.session.enable(step, not value)
            else:
                self.session.set(step, **{name: value})
        except JwinteractiveError as error:
            self._fail(error)

    def _failed(self, error: BaseException) -> None:
        self._wanted = None
        self._fail(error)
