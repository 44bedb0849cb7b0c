"""`show`: a session as frame, ramp and knobs. The session is the only state; this draws it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import ipywidgets as w
import numpy as np

from jwinteractive import dq
from jwinteractive.data import Box, Product, Ramp, Rate, RateInts
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive.views import cut_limits
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.frame import Frame, FrameView
from jwinteractive_widgets.ramps import FLAG_COLOURS, RampPlot

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = ["Panel", "frame_of", "show"]

SMALL = 512 * 512  # pixels up to which a whole frame is a preview
CUTS = {"99.5 %": 99.5, "98 %": 98.0, "90 %": 90.0, "min to max": 100.0}
DRAWN = dq.combine(*FLAG_COLOURS)


def frame_of(product: Product, integration: int, group: int) -> Frame:
    """One picture of a product, with the flags that hold for it.

    A ramp gives the signal of one group; its flags are those of the pixel and whatever happened
    in the integration up to that group. A group's do-not-use is left out: it often holds for
    every pixel of the first or last group, and the ramp plot shows it.

    Raises
    ------
    InputError
        For a product that holds no frame.
    """
    if isinstance(product, Ramp):
        seen = np.bitwise_or.reduce(product.groupdq[integration, : group + 1], axis=0)
        flags = product.pixeldq | (seen & ~np.uint8(dq.DO_NOT_USE))
        return Frame(product.data[integration, group].astype(np.float32), flags)
    if isinstance(product, Rate):
        return Frame(product.data, product.dq, "DN/s")
    if isinstance(product, RateInts):
        return Frame(product.data[integration], product.dq[integration], "DN/s")
    raise InputError(f"{type(product).__name__} has no frame to show: choose a ramp or a rate step")


class Panel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Look at any step of a session's recipe, and at any pixel up its ramp.

    Attributes
    ----------
    session
        What is shown; the panel asks it anew whenever it says that something changed.
    exposure, step, integration, group, stretch, cuts, flags
        The knobs, as ipywidgets.
    view
        The frame.
    ramp
        The picked pixel.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._background = Background()
        self._product: Product | None = None
        self._limits_of: tuple[int, str] | None = None
        self._picked: tuple[int, int] | None = None
        self._knobs()
        self.view = FrameView(
            overlay=FLAG_COLOURS,
            on_pick=self._pick,
            hand_over=self._background.hand_over,
            shown=DRAWN,
        )
        self.ramp = RampPlot()
        self.status = w.HTML()
        self.notice = w.HTML()
        super().__init__([self._arranged(), self.notice, self.status])
        self.add_class("jwi")
        self._adopt()
        self._listen()

    def _knobs(self) -> None:
        wide = {"width": "270px"}
        style = {"description_width": "82px"}
        names = [(e.name, i) for i, e in enumerate(self.session.exposures)]
        self.exposure = w.Dropdown(
            options=names, value=self.session.active, description="exposure",
            layout={"width": "546px"}, style=style,
        )  # fmt: skip
        self.step = w.Dropdown(description="after step", layout=wide, style=style)
        self.stretch = w.Dropdown(
            options=["linear", "asinh", "log"], value="asinh", description="stretch",
            layout=wide, style=style,
        )  # fmt: skip
        self.cuts = w.Dropdown(
            options=list(CUTS.items()), description="cuts", layout=wide, style=style
        )
        slide = {"min": 1, "max": 1, "continuous_update": True, "layout": wide, "style": style}
        self.integration = w.IntSlider(description="integration", **slide)
        self.group = w.IntSlider(description="group", **slide)
        self.flags = w.Checkbox(
            value=True, description="draw flagged pixels", indent=False, layout={"width": "auto"}
        )

    def _arranged(self) -> w.Widget:
        swatches = "".join(
            f'<span><svg width="12" height="12" fill="{colour}" aria-hidden="true">'
            f'<rect width="12" height="12"/></svg>{word}</span>'
            for colour, word in zip(
                FLAG_COLOURS.values(), ("jump", "saturated", "do not use"), strict=True
            )
        )
        overlay = w.HBox(
            [self.flags, w.HTML(f'<div class="jwi-legend">{swatches}</div>')],
            layout={"grid_gap": "18px", "align_items": "center"},
        )
        rows = [
            w.HBox([self.step, self.stretch]),
            w.HBox([self.group, self.cuts]),
            w.HBox([self.integration]),
        ]
        if len(self.session.exposures) > 1:
            rows.insert(0, w.HBox([self.exposure]))
        left = w.VBox([*rows, overlay, self.view], layout={"width": "586px"})
        right = w.VBox([self.ramp], layout={"width": "466px"})
        for card in (left, right):
            card.layout.flex = "0 0 auto"
            card.layout.overflow = "hidden"
            card.add_class("jwi-card")
        return w.HBox(
            [left, right],
            layout={"flex_flow": "row wrap", "grid_gap": "8px", "align_items": "flex-start"},
        )

    def _listen(self) -> None:
        """Every callback is handed to the kernel's loop: they may arrive on other threads."""
        hand_over = self._background.hand_over
        self.exposure.observe(lambda c: hand_over(self._activate, c["new"]), "value")
        self.step.observe(lambda _: hand_over(self._compute), "value")
        for knob in (self.integration, self.group, self.cuts):
            knob.observe(lambda c: hand_over(self._draw, c["owner"] is self.cuts), "value")
        self.integration.observe(lambda _: hand_over(self._draw_ramp), "value")
        self.stretch.observe(lambda c: hand_over(setattr, self.view, "stretch", c["new"]), "value")
        self.flags.observe(
            lambda c: hand_over(setattr, self.view, "shown", DRAWN if c["new"] else 0), "value"
        )
        self.session.changed.connect(self._changed)

    def _changed(self, *_: object) -> None:
        self._background.hand_over(self._adopt)

    def _activate(self, index: int) -> None:
        if index != self.session.active:
            self.session.active = index
            self._adopt()

    def _adopt(self) -> None:
        """Take over what the session says: exposure, steps, size; then compute what is shown."""
        self.exposure.value = self.session.active
        source = self.session.input()
        nint, ngroup = source.data.shape[:2] if isinstance(source, Ramp) else (1, 1)
        try:
            names = ["input", *(p.step.name for p in self.session.plan() if not p.skipped)]
        except JwinteractiveError as error:
            self._fail(error)
            return
        old = self.step.value
        with self.hold_trait_notifications():
            if tuple(names) != self.step.options:
                self.step.options = names
                self.step.value = old if old in names else names[-1]
            if self.group.max != ngroup:
                self.group.max = ngroup
                self.group.value = ngroup
            self.integration.max = nint
        self.integration.disabled = nint == 1
        self._compute()

    def _compute(self) -> None:
        """Compute the product after the chosen step, off the loop, and draw it when it is there."""
        step, active = str(self.step.value), self.session.active
        source = self.session.input()
        ny, nx = source.shape
        what = "reading" if step == "input" else f"computing up to {step}:"
        self._say(f"{what} {ny}×{nx} pixels … (the first time, kernels are compiled)")

        def work() -> tuple[Product, list[str]]:
            if ny * nx <= SMALL:
                product: Product = self.session.preview(Box.whole((ny, nx)), upto=step)
            elif step == "input":
                product = source.native()
            else:
                product = self.session.run(to=step)
            return product, self.session.nominal()

        def done(made: tuple[Product, list[str]]) -> None:
            product, nominal = made
            self._product = product
            self._warn(nominal)
            self.group.disabled = not isinstance(product, Ramp)
            self._say("")
            self._draw(self._limits_of != (active, step))
            self._limits_of = (active, step)
            self._draw_ramp()

        self._background.submit(work, done, self._fail)

    def _draw(self, new_cuts: bool = False) -> None:
        if self._product is None:
            return
        frame = frame_of(self._product, self.integration.value - 1, self.group.value - 1)
        ny, nx = frame.shape
        name = self.session.exposures[self.session.active].name
        self.view.label = (
            f"{name} after {self.step.value}, {nx} by {ny} pixels; arrow keys pick a pixel, plus "
            "and minus zoom, 0 shows the whole frame"
        )
        self.view.show_frame(frame, cut_limits(frame.data, self.cuts.value) if new_cuts else None)

    def _pick(self, y: int, x: int) -> None:
        self._picked = y, x
        self._draw_ramp()

    def _draw_ramp(self) -> None:
        if self._picked is None:
            return
        y, x = self._picked
        try:
            history = self.session.inspect(y, x)
        except JwinteractiveError as error:
            self._fail(error)
            return
        self.ramp.draw(history, y, x, str(self.step.value), self.integration.value - 1)

    def _warn(self, nominal: list[str]) -> None:
        """Say which references are stand-ins: such a picture is for a look, not for science."""
        self.notice.value = (
            '<span class="jwi-warning"><b>Nominal references</b> (detector averages, not for '
            f"science): {escape(', '.join(nominal))}</span>"
            if nominal
            else ""
        )

    def _fail(self, error: BaseException) -> None:
        what = str(error) if isinstance(error, JwinteractiveError) else repr(error)
        self._say(what)

    def _say(self, text: str) -> None:
        self.status.value = f'<span class="jwi-status" role="status">{escape(text)}</span>'


def show(session: Session) -> Panel:
    """Widget that shows a session's frames and the ramp of a picked pixel.

    Parameters
    ----------
    session
        A `jwinteractive.session.Session`, as ``jwinteractive.open`` gives it.
    """
    return Panel(session)
