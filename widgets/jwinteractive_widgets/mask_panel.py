"""The mask studio: layers drawn on the frame, measured over exposures, taken in and saved."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from html import escape
from typing import Any

import ipywidgets as w
import numpy as np

from jwinteractive.session import Session
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.canvas import Canvas
from jwinteractive_widgets.layerlist import COLOURS, LayerList, items_of
from jwinteractive_widgets.mask_desk import MaskDesk
from jwinteractive_widgets.mask_epochs import MaskEpochs
from jwinteractive_widgets.mask_files import MaskFiles
from jwinteractive_widgets.mask_statistics import MaskStatistics

__all__ = ["MaskPanel"]

COUNT = 0.25  # seconds without a change after which pixels are counted


class MaskPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Page of the workbench that makes a mask; while it is open, the frame can be drawn on.

    Attributes
    ----------
    desk
        Takes strokes and changes to the session.
    layers
        The list of layers.
    statistics, files, epochs
        The pages that measure exposures, that save and take in, and that follow masks by date;
        made when they are first asked for.
    """

    def __init__(
        self,
        session: Session,
        canvas: Canvas,
        background: Background,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.session, self.canvas = session, canvas
        self._open = False
        self._background, self._fail = background, fail
        self._counted: tuple[Any, ...] = ()
        self._soon: Callable[[], object] = lambda: None
        self.desk = MaskDesk(session, canvas, fail)
        canvas.on_draw = self.desk.draw
        canvas.pictured.connect(self._pictured)
        hand_over = background.hand_over
        self.layers = LayerList(on_act=self.desk.act, hand_over=hand_over)
        self.total = w.HTML()
        self.bar = Actions(on_do=self._do, hand_over=hand_over, label="Mask")
        new = Actions(on_do=self._do, hand_over=hand_over, label="Layers")
        new.show(
            [
                {
                    "id": "add",
                    "kind": "button",
                    "label": "New layer",
                    "tooltip": "add an empty layer, and draw on it from now on",
                },
                {
                    "id": "add-groups",
                    "kind": "button",
                    "label": "From group on",
                    "tooltip": "add a layer that flags jumps from the group in view to the end of "
                    "its integration, in this exposure: for snowballs and showers",
                },
                {
                    "id": "add-scene",
                    "kind": "button",
                    "label": "1/f scene",
                    "tooltip": "add a layer that flags nothing, and says what is a source or "
                    "background for the fit of 1/f noise in this exposure",
                },
            ]
        )
        new.add_class("jwi-mask-new")
        self.level = w.Text(
            placeholder="value of the pixel",
            description="flood",
            tooltip="a flood fills what hangs together at this value or above",
            continuous_update=False,
            style={"description_width": "46px"},
            layout=w.Layout(width="auto"),
        )
        self.level.observe(lambda change: hand_over(self._set_level, change["new"]), "value")
        self._pages: dict[str, Callable[[], w.Widget]] = {
            "Layers": lambda: w.VBox([new, self.layers, self.level]),
            "Measure": lambda: self.statistics,
            "Files": lambda: self.files,
            "Epochs": lambda: self.epochs,
        }
        self._stack = w.Stack([w.VBox() for _ in self._pages], selected_index=0)
        super().__init__([self.bar, self.total, self._stack])
        self.add_class("jwi-mask")
        self._turn(0)

    @cached_property
    def statistics(self) -> MaskStatistics:
        """The page that measures exposures."""
        return MaskStatistics(self.session, self._background, self._fail)

    @cached_property
    def files(self) -> MaskFiles:
        """The page that saves masks and takes others in."""
        return MaskFiles(self.session, self.desk, self._background, self._fail)

    @cached_property
    def epochs(self) -> MaskEpochs:
        """The page that follows masks by date."""
        return MaskEpochs(self.session, self.desk, self._background, self._fail)

    # -- shown or not -------------------------------------------------------------------------

    def follow(self) -> None:
        """Let the frame be drawn on, and follow the session."""
        self._open = True
        self.canvas.view.drawing = True
        if self.canvas.view.tool == "pan":
            self.canvas.view.tool = "brush"

    def hide(self) -> None:
        """Leave the frame alone."""
        self._open = False
        self.canvas.view.drawing = False
        self.desk.hide()

    def refresh(self) -> None:
        """Show what the session says."""
        if not self._open:
            return
        exposure = self.session.input().exposure
        mask, chosen = self.desk.mask, self.desk.layer
        items = items_of(mask, exposure, *self.desk.place())
        if (items, chosen) != (self.layers.items, self.layers.chosen):
            self.layers.show(items, chosen)
        names = [layer.name for layer in mask.layers]
        at = names.index(chosen) if chosen else 0
        self.canvas.view.ink = COLOURS[at % len(COLOURS)]
        self._count_soon()
        self.desk.show()

    def _pictured(self) -> None:
        if self._open:
            self.desk.show()

    def _count_soon(self) -> None:
        """Count once the hand rests: a full frame takes some milliseconds."""
        mask, root = self.desk.mask, self.session.input().exposure.filename
        keys = (mask.key("pixels", root), mask.key("scene", root))
        state = (mask.place, mask.subarray, *keys)
        if state != self._counted:
            self._counted = state
            self._soon()
            self._soon = self._background.later(COUNT, self._count)

    def _count(self) -> None:
        mask, root = self.desk.mask, self.session.input().exposure.filename
        n = int(np.count_nonzero(mask.dq(root)))
        ny, nx = mask.shape
        where = escape(f"{mask.detector} {mask.subarray}, {nx} × {ny}")
        flags = ", ".join(f"{name} {count:,}" for name, count in mask.counts(root).items())
        scene = ", ".join(f"{name} {count:,}" for name, count in mask.scene_counts(root).items())
        lines = [
            f'<span role="status"><b>{n:,}</b> pixels flagged ({100 * n / (ny * nx):.2g} %)</span>',
            f'<span class="jwi-quiet">{where}</span>',
        ]
        said = (flags, scene and f"1/f scene: {scene}")
        lines += [f'<span class="jwi-quiet jwi-mask-counts">{text}</span>' for text in said if text]
        self.total.value = "<br>".join(lines)

    # -- what is asked for --------------------------------------------------------------------

    def _turn(self, index: int) -> None:
        self._stack.selected_index = index
        place, make = self._stack.children[index], list(self._pages.values())[index]
        if not place.children:
            place.children = (make(),)
        self.bar.show(
            [
                {"id": f"page-{i}", "kind": "toggle", "label": title, "value": i == index}
                for i, title in enumerate(self._pages)
            ]
        )

    def _do(self, act: str, value: Any = None) -> None:
        if act == "add":
            self.desk.add()
        elif act == "add-groups":
            self.desk.add_from_group()
        elif act == "add-scene":
            self.desk.add_scene()
        elif act.startswith("page-"):
            self._turn(int(act.removeprefix("page-")))

    def _set_level(self, text: str) -> None:
        try:
            self.desk.level = float(text) if text.strip() else None
        except ValueError:
            self.level.value = ""
