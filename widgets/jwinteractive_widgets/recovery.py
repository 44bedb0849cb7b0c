"""Injection and recovery beside the frame: what the threshold finds, and what it makes up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal

import ipywidgets as w
from annotated_types import Interval

from jwinteractive.errors import JwinteractiveError
from jwinteractive.params import Doc, Params, Unit
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
from jwinteractive_widgets.form import ParamForm, form_of_params
from jwinteractive_widgets.plots import PlotView

__all__ = ["STEP", "RecoveryPanel"]

SETTLE = 0.5  # seconds without a change after which jumps are injected again
IN_VIEW = "in view"

Wanted = tuple[Any, ...]


class InjectionParams(Params):
    """What is injected, and where."""

    size: Annotated[
        float,
        Interval(ge=0, le=1e6),
        Unit("e-"),
        Doc("Size of the jumps; 0 takes six times the noise of a difference."),
    ] = 0.0
    rate: Annotated[
        float,
        Interval(ge=0, le=1e5),
        Unit("e-/s"),
        Doc("Light that is added to the pixels, with its noise."),
    ] = 0.0
    pixels: Annotated[
        Literal["whole frame", "in view"],
        Doc("A sample of all pixels, or of those that the frame shows."),
    ] = "whole frame"


class RecoveryPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Completeness against false flags with the present threshold, and completeness by size.

    Attributes
    ----------
    found
        What is drawn, or None.
    params
        What is injected, and where.
    """

    def __init__(self, session: Session, background: Background) -> None:
        """Measure on lane "recovery" of ``background``."""
        self.session, self._background = session, background
        self.found: Recovery | None = None
        self._wanted: Wanted | None = None
        self._asked: Wanted | None = None  # given to the worker
        self._soon: Callable[[], object] = lambda: None
        self._shown = False
        self.params = InjectionParams()
        self.form = ParamForm(
            on_set=self._set, on_reset=self._reset, hand_over=background.hand_over
        )
        self._show_form()
        self.text = w.HTML()
        self.curve, self.by_size = PlotView(height="230px"), PlotView(height="210px")
        super().__init__([self.form, self.text])
        self.add_class("jwi-plots")
        self.add_class("jwi-recovery")

    def _show_form(self) -> None:
        self.form.show(**form_of_params("injection", self.params))

    def _set(self, name: str, value: Any) -> None:
        self.params = self.params.replace(**{name: value})
        self._show_form()
        self.refresh()

    def _reset(self, name: str) -> None:
        self._set(name, getattr(InjectionParams(), name))

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
        window = look.window if self.params.pixels == IN_VIEW else None
        return stages, session.references, session.active, window, self.params

    def _ask(self, wanted: Wanted) -> None:
        self._asked = wanted
        p, box = self.params, None
        if p.pixels == IN_VIEW:
            look = self.session.look
            ny, nx = self.session.input().shape
            box = box_in_view(look.window, (ny, nx), 0.0)
        exposure = self.session.active

        def work(cancel: threading.Event) -> Recovery:
            return measure_recovery(
                self.session, p.size, rate=p.rate, box=box, exposure=exposure, cancel=cancel
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
            self.children = [self.form, self.text]
            return
        now = self._threshold()
        self.curve.draw(threshold_plot(self.found, now))
        self.by_size.draw(size_plot(self.found, now))
        self._say(words(self.found, now))
        # a hidden bqplot figure draws itself with a negative size: it is not there until needed
        self.children = [self.form, self.text, self.curve, self.by_size]

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
