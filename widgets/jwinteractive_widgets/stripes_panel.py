"""All methods against 1/f noise in one click: numbers of what is in view, to blink and to use."""

from __future__ import annotations

import dataclasses as dc
import threading
from html import escape

import ipywidgets as w

from jwinteractive.errors import JwinteractiveError
from jwinteractive.journal import Settings
from jwinteractive.scene import box_in_view
from jwinteractive.session import Session
from jwinteractive.stripes import STEP, Judged, compare_cleaning, remarks_on, table_of
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.plots import table_region

__all__ = ["STEP", "StripesPanel"]


class StripesPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A button that judges all methods, the table, and what to do with one of them.

    Attributes
    ----------
    judged
        What is in the table.
    bar
        Compare, choose, blink, use.
    """

    def __init__(self, session: Session, background: Background) -> None:
        """Judge on lane "stripes" of ``background``."""
        self.session, self._background = session, background
        self.judged: tuple[Judged, ...] = ()
        self._made_with: Settings | None = None
        self._picked = ""
        self._busy = False
        self.bar = Actions(on_do=self._do, hand_over=background.hand_over, label="1/f methods")
        self.table, self.text = w.HTML(), w.HTML()
        super().__init__([self.bar, self.table, self.text])
        self.add_class("jwi-stripes")
        self._draw()

    def refresh(self) -> None:
        """Say so where the numbers were made with other settings."""
        self._draw()

    def follow(self) -> StripesPanel:
        """Show it."""
        self._draw()
        return self

    def hide(self) -> None:
        """Nothing follows the session: numbers are asked for."""

    def _do(self, act: str, value: object = None) -> None:
        match act:
            case "compare":
                self._ask()
            case "method":
                self._picked = str(value)
                self._draw()
            case "blink":
                settings = self._with(self.method)
                self.session.pin(settings=settings)
                self.session.see(compare="blink")
            case "use":
                self.session.set(STEP, fit_method=self.method)

    def _with(self, method: str) -> Settings:
        settings = self.session.settings
        return dc.replace(settings, recipe=settings.recipe.with_params(STEP, fit_method=method))

    def _ask(self) -> None:
        session = self.session
        look, exposure = session.look, session.active
        ny, nx = session.input().shape
        box = box_in_view(look.window, (ny, nx), 0.0)
        self._made_with, self._busy, self.judged = session.settings, True, ()
        self._draw()
        hand_over = self._background.hand_over

        def work(cancel: threading.Event) -> tuple[Judged, ...]:
            return compare_cleaning(
                session, box, exposure, lambda one: hand_over(self._came, one), cancel
            )

        self._background.submit(work, self._ended, self._failed, "stripes")

    def _came(self, one: Judged) -> None:
        if self._busy:
            self.judged += (one,)
            self._draw()

    def _ended(self, judged: tuple[Judged, ...]) -> None:
        self._busy, self.judged = False, judged
        self._draw()

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, JwinteractiveError):
            raise error
        self._busy = False
        self._draw()
        self._say([str(error)])

    @property
    def method(self) -> str:
        """The chosen method; unless somebody chose, one that is not the present one."""
        able = [j for j in self.judged if j.method and not j.failed]
        if any(j.method == self._picked for j in able):
            return self._picked
        return next((j.method for j in able if not j.present), able[0].method if able else "")

    def _draw(self) -> None:
        able = [j.method for j in self.judged if j.method and not j.failed]
        items = [
            {
                "id": "compare",
                "kind": "button",
                "label": "compare all methods",
                "tooltip": "clean what is in view by every method and judge the result",
                "primary": not self.judged,
                "disabled": self._busy,
            }
        ]
        if able:
            items += [
                {
                    "id": "method",
                    "kind": "select",
                    "label": "method",
                    "value": self.method,
                    "options": able,
                },
                {
                    "id": "blink",
                    "kind": "button",
                    "label": "blink",
                    "tooltip": "blink the frame between this method (A) and the present one (B)",
                },
                {
                    "id": "use",
                    "kind": "button",
                    "label": "use it",
                    "tooltip": "clean with this method from now on",
                },
            ]
        self.bar.show(items)
        if not self.judged:
            self.table.value = ""
            self._say(["judging ..."] if self._busy else [])
            return
        table = table_of(self.judged)
        self.table.value = table_region(table)
        lines = remarks_on(self.judged)
        if self._busy:
            lines.append("judging ...")
        elif self._made_with != self.session.settings:
            lines.append("made with other settings: compare again")
        self._say(lines)

    def _say(self, lines: list[str]) -> None:
        words = "".join(f'<div class="jwi-note">{escape(line)}</div>' for line in lines)
        self.text.value = f'<div role="status">{words}</div>'
