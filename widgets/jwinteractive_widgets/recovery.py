"""Injection and recovery beside the frame: what the threshold finds, and what it makes up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from jwinteractive.data import Box
from jwinteractive.errors import JwinteractiveError
from jwinteractive.recovery import (
    STEP,
    Recovery,
    measure_recovery,
    size_plot,
    threshold_of,
    threshold_plot,
    words,
)
from jwinteractive.scene import box_in_view
from jwinteractive.session import Session
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.plots import PlotView

__all__ = ["STEP", "RecoveryPanel"]

SETTLE = 0.5  # seconds without a change after which jumps are injected again
SIZES = (5, 7, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000, 20000)
RATES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
EVERYWHERE, IN_VIEW = "whole frame", "in view"

Wanted = tuple[Any, ...]


class RecoveryPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Completeness against false flags with the present threshold, and completeness by size.

    Attributes
    ----------
    found
        What is drawn, or None.
    size, rate, where
        Electrons of the jumps, electrons per second that are added, and to which pixels.
    """

    def __init__(self, session: Session, background: Background) -> None:
        """Measure on lane "recovery" of ``background``."""
        self.session, self._background = session, background
        self.found: Recovery | None = None
        self._wanted: Wanted | None = None
        self._asked: Wanted | None = None  # given to the worker
        self._soon: Callable[[], object] = lambda: None
        self._shown = False
        self.size = w.SelectionSlider(
            options=[("6 sigma", 0.0), *((f"{s} e-", float(s)) for s in SIZES)],
            description="size",
            continuous_update=False,
            tooltip="Size of the injected jumps in electrons",
        )
        self.rate = w.SelectionSlider(
            options=[(f"{r:g} e-/s" if r else "none", r) for r in RATES],
            description="added rate",
            continuous_update=False,
            tooltip="Light that is added to the pixels, with its noise",
        )
        self.where = w.Dropdown(
            options=[EVERYWHERE, IN_VIEW],
            description="pixels",
            tooltip="Which pixels jumps are injected into",
        )
        for control in (self.size, self.rate, self.where):
            control.observe(lambda _: background.hand_over(self.refresh), "value")
        self.bar = w.HBox([self.size, self.rate, self.where])
        self.bar.add_class("jwi-bar")
        self.text = w.HTML()
        self.curve, self.by_size = PlotView(height="230px"), PlotView(height="210px")
        super().__init__([self.bar, self.text])
        self.add_class("jwi-plots")
        self.add_class("jwi-recovery")

    def follow(self) -> RecoveryPanel:
        """Show it, and follow the session from now on."""
        self._shown = True
        self.refresh()
        return self

    def hide(self) -> None:
        """Follow the session no more until it is opened."""
        self._shown = False
        self._soon()
        self._wanted = self._asked  # what it waited for is asked for again

    def refresh(self) -> None:
        """Mark a threshold that has moved at once; inject again once all is at rest."""
        if not self._shown:
            return
        wanted = self._place()
        if wanted == self._wanted:
            return
        first = self._wanted is None
        self._wanted = wanted
        self._draw()
        self._soon()
        if first:
            self._say("injecting ...")
        self._soon = self._background.later(0.0 if first else SETTLE, self._ask, wanted)

    def _place(self) -> Wanted:
        """What the figures depend on: all that comes before the step, and the step."""
        session, look = self.session, self.session.look
        names = [s.step for s in session.recipe]
        stages = tuple(session.recipe)[: names.index(STEP) + 1] if STEP in names else ()
        window = look.window if self.where.value == IN_VIEW else None
        knobs = self.size.value, self.rate.value, self.where.value
        return stages, session.references, session.active, window, *knobs

    def _ask(self, wanted: Wanted) -> None:
        self._asked = wanted
        size, rate = float(self.size.value), float(self.rate.value)
        box: Box | None = None
        if self.where.value == IN_VIEW:
            look = self.session.look
            ny, nx = self.session.input().shape
            box = box_in_view(look.window, (ny, nx), 0.0)
        exposure = self.session.active

        def work(cancel: threading.Event) -> Recovery:
            return measure_recovery(
                self.session, size, rate=rate, box=box, exposure=exposure, cancel=cancel
            )

        def done(found: Recovery) -> None:
            if wanted == self._wanted:
                self.found = found
                self._draw()

        def failed(error: BaseException) -> None:
            if not isinstance(error, JwinteractiveError):
                raise error
            if wanted == self._wanted:
                self.found = None
                self._draw()
                self._say(str(error))

        self._background.submit(work, done, failed, "recovery")

    def _threshold(self) -> float | None:
        """The present threshold, if it is the parameter that was varied."""
        found = self.found
        if found is None or STEP not in self.session.recipe:
            return None
        params = self.session.recipe[STEP].params
        try:
            now = threshold_of(params, self.session.exposures[self.session.active].exposure.ngroups)
        except JwinteractiveError:  # said when it is measured
            return None
        return float(getattr(params, now.name)) if now.name == found.parameter else None

    def _draw(self) -> None:
        if self.found is None:
            self.children = [self.bar, self.text]
            return
        now = self._threshold()
        self.curve.draw(threshold_plot(self.found, now))
        self.by_size.draw(size_plot(self.found, now))
        self._say(words(self.found, now))
        # a hidden bqplot figure draws itself with a negative size: it is not there until needed
        self.children = [self.bar, self.text, self.curve, self.by_size]

    def _say(self, text: str) -> None:
        self.text.value = f'<span class="jwi-recovery-text" role="status">{escape(text)}</span>'

    def save_png(self, name: str) -> None:
        """Let the browser download a picture of the curve."""
        self.curve.save_png(name)

    def save_svg(self, name: str) -> None:
        """Let the browser download a drawing of the curve."""
        self.curve.save_svg(name)

    def save_table(self, path: str | Path) -> Path:
        """Write the curve as ECSV or CSV.

        Raises
        ------
        OutputError
            If nothing is drawn, or the file exists or cannot be written.
        """
        return self.curve.save_table(path)
