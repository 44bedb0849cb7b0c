"""Plots of what is looked at: the ramp of the picked pixel, and curves of the frame on screen."""

from __future__ import annotations

import dataclasses as dc
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from jwinteractive import curves
from jwinteractive.compare import compare
from jwinteractive.errors import InputError, JwinteractiveError, RecipeError
from jwinteractive.journal import Settings
from jwinteractive.pixel import PixelHistory
from jwinteractive.scene import Picture, views_at
from jwinteractive.session import Session
from jwinteractive.steps.detector.user_flags import HandFlag, with_flag
from jwinteractive.views import Frame, Plot, Table
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.canvas import Canvas
from jwinteractive_widgets.comparison import ComparisonView
from jwinteractive_widgets.plots import PlotTabs
from jwinteractive_widgets.ramps import RampInspector

__all__ = ["Graphs"]

HAND = "user_flags"  # step that holds what was flagged by hand


class Graphs(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Tabs of plots beside a canvas; the ramp follows the pick, the others the picture.

    Attributes
    ----------
    ramp
        The ramp inspector.
    tabs
        All plots by title; only the visible one is computed.
    """

    def __init__(
        self,
        session: Session,
        background: Background,
        canvas: Canvas,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.session, self.canvas = session, canvas
        self._background, self._fail = background, fail
        self._line: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._asked: Any = None
        self.ramp = RampInspector(
            on_flag=self._flag, refit=self._refit, hand_over=background.hand_over
        )
        self.comparison = ComparisonView()
        self.tabs = PlotTabs(
            {
                "ramp": lambda: self.ramp,
                "histogram": lambda: curves.histogram(self._frame(), session.look.box),
                "profile": self._profile,
                "power": self._power,
                "spectrum": self._spectrum,
                "step": self._of_step,
                "A/B": self._compared,
            },
            hand_over=background.hand_over,
        )
        canvas.on_picture = self._pictured
        canvas.on_line = self._drawn
        super().__init__([self.tabs])

    def refresh(self, knob: str = "") -> None:
        """Follow the picked pixel, or the mean of the selected box, up its ramp."""
        session, look = self.session, self.session.look
        place = look.pick, look.box, look.integration, look.group, look.shown or look.step
        wanted = session.settings, session.active, session.pinned, look.compare, place
        if wanted == self._asked:
            return
        self._asked = wanted
        if look.pick is None and look.box is None:
            self.ramp.clear()
            return
        pinned = session.pinned.settings if session.pinned and look.compare != "off" else None

        def work(_: threading.Event) -> tuple[PixelHistory, PixelHistory | None]:
            return self._history(None), None if pinned is None else self._history(pinned)

        def show(histories: tuple[PixelHistory, PixelHistory | None]) -> None:
            mine, other = histories
            self.ramp.draw(
                mine,
                step=look.shown or look.step,
                integration=look.integration,
                group=None if look.group < 0 else look.group,
                box=look.box,
                pinned=other,
            )

        self._background.submit(work, show, self._fail, "ramp")

    def _history(self, settings: Settings | None) -> PixelHistory:
        look = self.session.look
        if look.box is not None:
            return self.session.inspect_box(look.box, hold=True, settings=settings)
        assert look.pick is not None
        return self.session.inspect(*look.pick, hold=True, settings=settings)

    # -- groups flagged by hand ---------------------------------------------------------------

    def _flagged(self, changes: Sequence[tuple[int, int, str, bool]]) -> str:
        """Text of the step that holds them, with flags (integration, group, name, on) changed."""
        if HAND not in self.session.recipe:
            raise RecipeError(
                f"groups cannot be flagged: recipe {self.session.recipe.name!r} has no step "
                f"{HAND!r}; add it before ramp_fit"
            )
        pick = self.session.look.pick
        if pick is None:
            raise InputError("groups are flagged of one pixel: click it in the frame first")
        root = self.session.exposures[self.session.active].exposure.filename
        text: str = getattr(self.session.recipe[HAND].params, "groups")  # noqa: B009
        for integration, group, name, on in changes:
            text = with_flag(text, HandFlag(root, *pick, integration, group, name, on))
        return text

    def _flag(self, integration: int, group: int, name: str, flagged: bool) -> None:
        try:
            text = self._flagged([(integration, group, name, flagged)])
            self.session.set(HAND, groups=text)
        except JwinteractiveError as error:
            self._fail(error)

    def _refit(
        self, y: int, x: int, integration: int, changes: Sequence[tuple[int, str, bool]]
    ) -> tuple[float, float]:
        """Rate and error of the picked pixel with flags (group, name, on) changed."""
        text = self._flagged([(integration, *change) for change in changes])
        recipe = self.session.recipe.with_params(HAND, groups=text)
        settings = dc.replace(self.session.settings, recipe=recipe)
        for step in reversed(self.session.inspect(y, x, hold=True, settings=settings).steps):
            if step.rate is not None and step.err is not None:
                return step.rate, step.err
        raise InputError("no step of the recipe gives a rate: nothing to compare")

    # -- curves of the frame ------------------------------------------------------------------

    def _pictured(self, picture: Picture) -> None:
        if self.tabs.chosen != "ramp":
            self.tabs.refresh()

    def _drawn(self, start: tuple[int, int], stop: tuple[int, int]) -> None:
        self._line = start, stop
        self.tabs.choose("profile")

    def _frame(self) -> Frame:
        if self.canvas.picture is None:
            raise InputError("no frame yet: wait for the first picture")
        return self.canvas.picture.frame

    def _profile(self) -> Plot:
        """Along the line that was drawn; else along the rows of the box or of what is shown."""
        if self._line is not None:
            return curves.line_profile(self._frame(), *self._line)
        return curves.column_profile(self._frame(), self.session.look.box)

    def _power(self) -> Plot:
        exposure = self.session.exposures[self.session.active].exposure
        return curves.power_spectrum(self._frame(), exposure, self.session.look.box)

    def _spectrum(self) -> Plot:
        frame = self._frame()
        return curves.spectrum(frame, self.session.look.box or frame.covers)

    def _of_step(self) -> Plot | Table:
        """The chosen view where it is no image, else the first of the step that is none."""
        picture = self.canvas.picture
        if picture is None:
            raise InputError("no picture yet: wait for the first one")
        if picture.drawing is not None and not isinstance(picture.drawing, Frame):
            return picture.drawing
        for view in views_at(self.session, picture.request.upto):
            if view.compares and picture.shown.before is None:
                continue
            drawing = view.draw(picture.shown)
            if not isinstance(drawing, Frame):
                return drawing
        return Table(
            title=f"{picture.request.upto} has no plot of its own; choose a view above the frame",
            columns=("view",),
            rows=tuple((v.title,) for v in views_at(self.session, picture.request.upto)),
        )

    def _compared(self) -> ComparisonView:
        picture, pinned = self.canvas.picture, self.session.pinned
        if picture is None or picture.other is None or pinned is None:
            self.comparison.show(None)
            return self.comparison
        found = compare(
            picture.other.product,
            picture.glance.product,
            recipe_a=pinned.settings.recipe,
            recipe_b=self.session.recipe,
        )
        self.comparison.show(found, "A", "B")
        return self.comparison
