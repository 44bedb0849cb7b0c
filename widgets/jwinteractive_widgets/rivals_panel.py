"""Native or official: which form of a step runs, and what differs between the two."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets as w

from jwinteractive.errors import JwinteractiveError
from jwinteractive.rivals import Rivals, both_forms
from jwinteractive.session import Session
from jwinteractive.step import OFFICIAL
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.comparison import ComparisonView, table_html

__all__ = ["FormBar", "RivalsPanel"]

FORMS = ("native", "official")


class FormBar(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A switch between the two forms of the chosen step; not there where it has but one."""

    children: Any  # a trait of ipywidgets, which has no types

    def __init__(
        self,
        session: Session,
        background: Background,
        fail: Callable[[BaseException], None],
        on_compare: Callable[[], object],
    ) -> None:
        """Ask on lane "forms" of ``background`` which steps have both."""
        self.session, self._fail, self._on_compare = session, fail, on_compare
        self._both: frozenset[str] = frozenset()
        self.bar = Actions(on_do=self._do, hand_over=background.hand_over, label="Form of the step")
        super().__init__([])
        self.add_class("jwi-forms")
        background.submit(lambda _: both_forms(), self._known, fail, "forms")

    def refresh(self, busy: bool = False) -> None:
        """Show the form of the chosen step; while a run is in work they are not compared."""
        step = self.session.look.step
        name = step.removeprefix(OFFICIAL)
        if name not in self._both or step not in self.session.recipe:
            self._show(False)
            return
        now = FORMS[step != name]
        toggles = [
            {
                "id": form,
                "kind": "toggle",
                "label": form,
                "value": form == now,
                "tooltip": f"run {name} in its {form} form",
            }
            for form in FORMS
        ]
        button = {
            "id": "compare",
            "kind": "button",
            "label": "compare",
            "tooltip": "run both forms over the whole exposure: picture, flags, time and memory",
            "disabled": busy,
        }
        self.bar.show([*toggles, button])
        self._show(True)

    def _show(self, there: bool) -> None:
        wanted = (self.bar,) if there else ()
        if self.children != wanted:
            self.children = wanted

    def _known(self, both: frozenset[str]) -> None:
        self._both = both
        self.refresh()

    def _do(self, act: str, value: object = None) -> None:
        if act == "compare":
            self._on_compare()
            return
        step = self.session.look.step
        try:
            if act == FORMS[not step.startswith(OFFICIAL)]:
                self.session.swap(step)
        except JwinteractiveError as error:
            self._fail(error)
        self.refresh()  # a toggle that was pressed twice stays down


class RivalsPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """What differs between the two forms of a step, and what each costs.

    Attributes
    ----------
    found
        What is shown, or None.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.found: Rivals | None = None
        self._busy = ""
        self.costs, self.text = w.HTML(), w.HTML()
        self.costs.add_class("jwi-comparison")
        self.differ = ComparisonView()
        super().__init__([self.text, self.costs, self.differ])
        self.add_class("jwi-rivals")

    def has(self, step: str) -> bool:
        """Whether there is something to show of a step."""
        of = self._busy if self.found is None else self.found.b.step
        return bool(of) and of.removeprefix(OFFICIAL) == step.removeprefix(OFFICIAL)

    def begin(self, step: str) -> None:
        """Say that the forms of a step are being compared."""
        self._busy, self.found = step, None
        self.refresh()

    def end(self, found: Rivals | None) -> None:
        """Show what was found; None: it failed, and that is said elsewhere."""
        self._busy, self.found = "", found
        self.refresh()

    def follow(self) -> RivalsPanel:
        """Show it."""
        self.refresh()
        return self

    def hide(self) -> None:
        """Nothing follows the session: a comparison is asked for."""

    def refresh(self) -> None:
        """Say so where the comparison was made with other settings."""
        found = self.found
        if found is None:
            self._say(f"{self._busy}: both forms are at work ..." if self._busy else "")
            self.costs.value = ""
            self.differ.tell("")
            return
        now = self.session.settings
        made = {r.settings.recipe for r in (found.a, found.b)}
        self._say("made with other settings: compare again" if now.recipe not in made else "")
        self.costs.value = table_html(found.costs)
        if found.comparison is None:
            self.differ.tell(found.why)
        else:
            shown = dc.replace(found.comparison, headline=found.headline)
            self.differ.show(shown, *(FORMS[r.official] for r in (found.a, found.b)))

    def _say(self, line: str) -> None:
        words = f'<div class="jwi-note">{escape(line)}</div>' if line else ""
        self.text.value = f'<div role="status">{words}</div>'
