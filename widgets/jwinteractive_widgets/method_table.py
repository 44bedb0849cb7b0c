"""The picked pixel by every method of its steps, in a table below its ramp."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape

import ipywidgets as w

from jwinteractive.errors import JwinteractiveError
from jwinteractive.journal import Settings
from jwinteractive.methods import Tried, compare_methods, table_of
from jwinteractive.session import Session
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.plots import table_region

__all__ = ["MethodTable"]

SETTLE = 0.3  # seconds without a change after which methods are compared again

Wanted = tuple[Settings, int, tuple[int, int], int]


class MethodTable(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A switch, and while it is on what each method makes of the picked pixel.

    Attributes
    ----------
    switch
        Turns the comparison on and off.
    tried
        What is shown; empty while nothing is.
    """

    def __init__(self, session: Session, background: Background) -> None:
        """Compare methods of a session on lane "methods" of ``background``."""
        self.session, self._background = session, background
        self.tried: tuple[Tried, ...] = ()
        self._wanted: Wanted | None = None
        self._soon: Callable[[], object] = lambda: None
        self.switch = w.ToggleButton(
            value=False,
            description="compare methods",
            tooltip="Fit this pixel with every method that its steps offer",
        )
        self.switch.observe(lambda _: background.hand_over(self.refresh), "value")
        bar = w.HBox([self.switch])
        bar.add_class("jwi-bar")
        self.text = w.HTML()
        super().__init__([bar, self.text])
        self.add_class("jwi-methods")

    def refresh(self) -> None:
        """Follow the pick and the parameters, while the switch is on."""
        look = self.session.look
        if not self.switch.value:
            self._show(None)
            return
        if look.pick is None or look.box is not None:
            self._show(None)
            self._say("pick a pixel: methods are compared on one, not on the mean of a box")
            return
        wanted = self.session.settings, self.session.active, look.pick, look.integration
        if wanted == self._wanted:
            return
        first = self._wanted is None
        self._wanted = wanted
        self._soon()
        if first:
            self._say("computing ...")
        self._soon = self._background.later(0.0 if first else SETTLE, self._ask, wanted)

    def _ask(self, wanted: Wanted) -> None:
        _, exposure, pick, integration = wanted

        def work(cancel: threading.Event) -> tuple[Tried, ...]:
            return compare_methods(self.session, *pick, exposure, cancel)

        def done(tried: tuple[Tried, ...]) -> None:
            if wanted == self._wanted:
                self.tried = tried
                self._draw(integration)

        def failed(error: BaseException) -> None:
            if not isinstance(error, JwinteractiveError):
                raise error
            if wanted == self._wanted:
                self._say(str(error))

        self._background.submit(work, done, failed, "methods")

    def _show(self, wanted: Wanted | None) -> None:
        self._soon()
        self._wanted, self.tried = wanted, ()
        self.text.value = ""

    def _draw(self, integration: int) -> None:
        flags = self.tried[0].flags
        table = table_of(
            self.tried, min(integration, len(flags) - 1) if flags is not None else None
        )
        self.text.value = table_region(table)

    def _say(self, words: str) -> None:
        self.text.value = f'<span class="jwi-note" role="status">{escape(words)}</span>'
