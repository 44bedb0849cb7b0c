"""Plots of what is looked at: the ramp of the picked pixel, and curves of the frame on screen."""

from __future__ import annotations

import dataclasses as dc
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as w

from jwinteractive import dq
from jwinteractive.compare import compare
from jwinteractive.data import Array, Cube
from jwinteractive.errors import Cancelled, InputError, JwinteractiveError, RecipeError
from jwinteractive.journal import Settings
from jwinteractive.pixel import PixelHistory
from jwinteractive.scene import Picture, views_at
from jwinteractive.session import Session
from jwinteractive.steps.detector.user_flags import HandFlag, with_flag
from jwinteractive.views import Frame, Plot, Table
from jwinteractive_widgets import (
    agreement_panel,
    recovery,
    rivals_panel,
    spectrum_panel,
    stripes_panel,
)
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.canvas import Canvas
from jwinteractive_widgets.comparison import ComparisonView
from jwinteractive_widgets.frame_curves import FrameCurves
from jwinteractive_widgets.method_table import MethodTable
from jwinteractive_widgets.plots import PlotTabs
from jwinteractive_widgets.ramps import Change, RampInspector

__all__ = ["Graphs"]

HAND = "user_flags"  # step that holds what was flagged by hand
SETTLE = 0.3  # seconds without a turn after which it is asked what flags do

SPECTRUM, DITHERS, RIVALS = "extracted", "dithers", "forms"

Own = (
    recovery.RecoveryPanel
    | stripes_panel.StripesPanel
    | agreement_panel.AgreementPanel
    | spectrum_panel.SpectrumPanel
    | rivals_panel.RivalsPanel
)
Case = tuple[int, tuple[Change, ...]]
Refits = dict[Case, tuple[float, float] | JwinteractiveError]
Wanted = tuple[Settings, int, int, int]


class Graphs(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Tabs of plots beside a canvas; the ramp follows the pick, the others the picture.

    Attributes
    ----------
    ramp
        The ramp inspector.
    curves
        Makers of the curves of the frame.
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
        self._asked: Any = None
        self._turning = False
        self._soon: Callable[[], object] = lambda: None
        self._refits: Refits = {}
        self._unknown: list[Case] = []
        self._refits_of: Wanted | None = None
        self._plotted = ""  # step and title of the chosen view, if it is no image
        self.methods = MethodTable(session, background)
        self.recovery = recovery.RecoveryPanel(session, background)
        self.stripes = stripes_panel.StripesPanel(session, background)
        self.agreement = agreement_panel.AgreementPanel(session, background)
        self.spectra = spectrum_panel.SpectrumPanel(session, background, canvas)
        self._own: dict[str, tuple[str, Own]] = {
            recovery.STEP: ("recovery", self.recovery),
            stripes_panel.STEP: ("1/f methods", self.stripes),
            agreement_panel.STEP: (DITHERS, self.agreement),
            spectrum_panel.STEP: (SPECTRUM, self.spectra),
        }
        self.rivals = rivals_panel.RivalsPanel(session)
        self.ramp = RampInspector(
            on_flag=self._flag,
            refit=self._refit,
            hand_over=background.hand_over,
            below=[self.methods],
        )
        self.comparison = ComparisonView()
        self.curves = FrameCurves(session, background, canvas, self._curve_is_there)
        self._makers: dict[str, Callable[[], Any]] = {
            "ramp": lambda: self.ramp,
            **self.curves.makers,
            "step": self._of_step,
            "A/B": self._compared,
        }
        self.tabs = PlotTabs(self._makers, hand_over=background.hand_over)
        canvas.pictured.connect(self._pictured)
        canvas.on_line = self._drawn
        super().__init__([self.tabs])

    def refresh(self, knob: str = "") -> None:
        """Follow the picked pixel, or the mean of the selected box, up its ramp."""
        session, look = self.session, self.session.look
        self._offer_own()
        self.methods.refresh()
        place = look.pick, look.box, look.integration, look.group, look.shown or look.step
        wanted = session.settings, session.active, session.pinned, look.compare, place
        if wanted == self._asked:
            return
        self._asked, self._turning = wanted, bool(knob)
        if (look.pick is None and look.box is None) or isinstance(session.input(), Cube):
            self.ramp.clear()
            return
        pinned = session.pinned.settings if session.pinned and look.compare != "off" else None

        def work(_: threading.Event) -> tuple[PixelHistory, PixelHistory | None]:
            return self._history(None), None if pinned is None else self._history(pinned)

        def show(histories: tuple[PixelHistory, PixelHistory | None]) -> None:
            mine, other = histories
            self.ramp.draw(
                mine,
                step=self._with_hand(look.shown or look.step, mine),
                integration=look.integration,
                group=None if look.group < 0 else look.group,
                box=look.box,
                pinned=other,
            )

        self._background.submit(work, show, self._fail, "ramp")

    def show_rivals(self) -> None:
        """Open the tab of what differs between the two forms of the chosen step."""
        self._offer_own()
        self.tabs.choose(RIVALS)

    def _offer_own(self) -> None:
        """Have the tabs that are about the chosen step alone: recovery of jumps, 1/f methods."""
        step, own = self.session.look.step, dict[str, Own]()
        if step in self._own:
            title, panel = self._own[step]
            own[title] = panel
        elif isinstance(self.session.input(), Cube):  # spaxels have spectra everywhere
            own[SPECTRUM] = self.spectra
        if self.rivals.has(step):
            own[RIVALS] = self.rivals
        every = dict([*self._own.values(), (RIVALS, self.rivals)])
        if [t for t in self.tabs.tabs.titles if t in every] != list(own):
            self.tabs.offer({**self._makers, **{t: panel.follow for t, panel in own.items()}})
            for title in own.keys() & {SPECTRUM, DITHERS}:  # it is what the step is about
                self.tabs.choose(title)
        for title, other in every.items():
            if self.tabs.chosen == title:
                other.refresh()
            else:
                other.hide()

    def _with_hand(self, step: str, history: PixelHistory) -> str:
        """Step whose ramp is drawn: flags set by hand belong to the ramp that they overrule."""
        names = [s.step for s in history.steps]
        return HAND if HAND in names and names[names.index(HAND) - 1] == step else step

    def _history(self, settings: Settings | None) -> PixelHistory:
        look = self.session.look
        if look.box is not None:
            return self.session.inspect_box(look.box, hold=True, settings=settings)
        assert look.pick is not None
        return self.session.inspect(*look.pick, hold=True, settings=settings)

    # -- groups flagged by hand ---------------------------------------------------------------

    def _flagged(
        self, settings: Settings, y: int, x: int, integration: int, changes: Sequence[Change]
    ) -> str:
        """Text of the step that holds them, with flags (group, name, on) of a pixel changed."""
        recipe = settings.recipe
        if HAND not in recipe:
            raise RecipeError(
                f"groups cannot be flagged: recipe {recipe.name!r} has no step {HAND!r}; add it "
                "before ramp_fit"
            )
        root = self.session.exposures[self.session.active].exposure.filename
        without = self._without_hand(y, x)
        text: str = getattr(recipe[HAND].params, "groups")  # noqa: B009
        for group, name, on in changes:
            was = None if without is None else bool(without[integration, group] & dq.BITS[name])
            text = with_flag(text, HandFlag(root, y, x, integration, group, name, on), was)
        return text

    def _without_hand(self, y: int, x: int) -> Array | None:
        """Flags [integration, group] of a pixel as the steps before the hand's gave them."""
        history = self.ramp.history
        if history is None or (history.y, history.x) != (y, x):
            return None
        names = [s.step for s in self.session.recipe]
        earlier = ("input", *names[: names.index(HAND)])
        found = [s.groupdq for s in history.steps if s.step in earlier and s.groupdq is not None]
        return found[-1] if found else None

    def _flag(self, integration: int, group: int, name: str, flagged: bool) -> None:
        session, pick = self.session, self.session.look.pick
        try:
            if pick is None:
                raise InputError("groups are flagged of one pixel: click it in the frame first")
            changes = [(group, name, flagged)]
            text = self._flagged(session.settings, *pick, integration, changes)
            session.set(HAND, groups=text)
            if not session.recipe[HAND].enabled:
                session.enable(HAND)
        except JwinteractiveError as error:
            self._fail(error)

    def _refit(
        self, y: int, x: int, integration: int, changes: tuple[Change, ...]
    ) -> tuple[float, float] | None:
        """Rate and error of a pixel with flags changed; None while they are computed."""
        wanted = self.session.settings, self.session.active, y, x
        if wanted != self._refits_of:
            self._refits_of, self._refits, self._unknown = wanted, {}, []
        case = integration, changes
        if case not in self._refits and case not in self._unknown:
            self._unknown.append(case)
            self._soon()
            self._soon = self._background.later(SETTLE if self._turning else 0.0, self._ask_refits)
        found = self._refits.get(case)
        if isinstance(found, JwinteractiveError):
            raise found
        return found

    def _ask_refits(self) -> None:
        """Compute on a worker what flags do: a model may have to be measured anew for it."""
        wanted, cases = self._refits_of, tuple(self._unknown)
        if wanted is None or not cases:
            return
        self._turning = False
        settings, exposure, y, x = wanted
        try:
            tried = {case: self._with_flags(settings, y, x, *case) for case in cases}
        except JwinteractiveError as error:
            self._know(wanted, dict.fromkeys(cases, error))
            return

        def work(cancel: threading.Event) -> Refits:
            made: Refits = {}
            for case, changed in tried.items():
                if cancel.is_set():
                    raise Cancelled
                try:
                    history = self.session.inspect(y, x, exposure, hold=True, settings=changed)
                    made[case] = _rate_of(history, case[0])
                except JwinteractiveError as error:
                    made[case] = error
            return made

        self._background.submit(work, lambda made: self._know(wanted, made), self._fail, "refit")

    def _with_flags(
        self, settings: Settings, y: int, x: int, integration: int, changes: Sequence[Change]
    ) -> Settings:
        text = self._flagged(settings, y, x, integration, changes)
        recipe = settings.recipe.with_params(HAND, groups=text)
        recipe = recipe.with_enabled(HAND, True) if changes else recipe
        return dc.replace(settings, recipe=recipe)

    def _know(self, wanted: Wanted, made: Refits) -> None:
        if wanted == self._refits_of:
            self._refits |= made
            self._unknown = [c for c in self._unknown if c not in made]
            self.ramp.refitted()

    # -- curves of the frame ------------------------------------------------------------------

    def _pictured(self, picture: Picture) -> None:
        title = "" if picture.drawing is None else f"{picture.request.upto} {picture.request.view}"
        chosen, self._plotted = title != self._plotted, title
        if chosen and title and self.tabs.chosen != "step":
            self.tabs.choose("step")  # the frame cannot show it
        elif self.tabs.chosen != "ramp":
            self.tabs.refresh()

    def _drawn(self, start: tuple[int, int], stop: tuple[int, int]) -> None:
        self.curves.line = start, stop
        self.tabs.choose("profile")
        self.tabs.refresh()

    def _curve_is_there(self) -> None:
        if self.tabs.chosen in self.curves.makers:
            self.tabs.refresh()

    def _of_step(self) -> Plot | Table:
        """The chosen view where it is no image, else the first of the step that is none."""
        picture = self.canvas.picture
        if picture is None:
            raise InputError("no picture yet: wait for the first one")
        if picture.drawing is not None and not isinstance(picture.drawing, Frame):
            return picture.drawing
        for view in views_at(self.session, picture.request.upto):
            if view.wide or (view.compares and picture.shown.before is None):
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
        if picture is None or pinned is None:
            self.comparison.show(None)
            return self.comparison
        if picture.other is None:
            self.comparison.tell("A is pinned: choose how to compare with it, such as blink")
            return self.comparison
        found = compare(
            picture.other.product,
            picture.glance.product,
            recipe_a=pinned.settings.recipe,
            recipe_b=self.session.recipe,
            integration=picture.request.integration,
            group=picture.request.group,
        )
        self.comparison.show(found, "pinned", "present")
        return self.comparison


def _rate_of(history: PixelHistory, integration: int) -> tuple[float, float]:
    """Rate and error in an integration where there are several, else of the pixel.

    Raises
    ------
    InputError
        If no step gives a rate.
    """
    for step in reversed(history.steps):
        if step.rate is None or step.err is None:
            continue
        rates, errors = step.rate_per_integration, step.err_per_integration
        if rates is not None and errors is not None and len(rates) > 1:
            return float(rates[integration]), float(errors[integration])
        return step.rate, step.err
    raise InputError("no step of the recipe gives a rate: nothing to compare")
