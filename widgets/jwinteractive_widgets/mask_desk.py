"""Drawing on the mask of a session: strokes become layers, layers are shown over the frame."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable
from typing import Any

import numpy as np

from jwinteractive.data import Array, Box
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive.masks import Ground, Groups, Layer, Mask, Selection, drawn
from jwinteractive.masks.runs import paint
from jwinteractive.session import Session
from jwinteractive_widgets.canvas import Canvas
from jwinteractive_widgets.drawing import Drawn
from jwinteractive_widgets.layerlist import COLOURS, changes_of

__all__ = ["MaskDesk"]

OPACITY = 0.7
LAYERS = 32  # that an overlay tells apart


@dc.dataclass(frozen=True)
class _Begun:
    """What a stroke started from: while it lasts, it is drawn anew from there."""

    stroke: int
    mask: Mask
    layer: Layer


class MaskDesk:
    """Takes strokes and changes of layers to the session, and shows its mask over a canvas.

    Attributes
    ----------
    level
        Value from which a flood fills; None: that of the pixel where it begins.
    """

    def __init__(
        self, session: Session, canvas: Canvas, fail: Callable[[BaseException], None]
    ) -> None:
        self.session, self.canvas, self._fail = session, canvas, fail
        self.level: float | None = None
        self._begun: _Begun | None = None
        self._shown: tuple[Any, ...] = ()

    # -- what there is ------------------------------------------------------------------------

    @property
    def mask(self) -> Mask:
        """The mask of the exposure in view."""
        return self.session.mask()

    @property
    def layer(self) -> str:
        """Name of the layer that is drawn on; "" where there is none."""
        mask, chosen = self.mask, self.session.look.layer
        if chosen in mask:
            return chosen
        return mask.layers[-1].name if mask.layers else ""

    def place(self) -> tuple[int, int]:
        """Integration and group in view, from 0."""
        look, shape = self.session.look, self.session.input().arrays()["data"].shape
        ngroup = shape[-3] if len(shape) == 4 else 1
        return look.integration, look.group % ngroup

    @property
    def corner(self) -> tuple[int, int]:
        """Pixel of the mask where the exposure's pixel (0, 0) lies."""
        return self.mask.place_of(self.session.input().exposure)

    # -- what is drawn ------------------------------------------------------------------------

    def draw(self, stroke: Drawn) -> None:
        """Draw on the chosen layer; the moves of a stroke are one edit."""
        try:
            self._draw(stroke)
        except JwinteractiveError as error:
            if stroke.rest:  # on its way it may be no shape yet
                self._drop()
                self._fail(error)
                self.show(stroke.stroke)

    def _draw(self, stroke: Drawn) -> None:
        begun = self._begun
        if begun is None or begun.stroke != stroke.stroke:
            mask, layer = self._drawable(stroke)
            begun = self._begun = _Begun(stroke.stroke, mask, layer)
        if not stroke.points:
            self._drop()
            self.show(stroke.stroke)
            return
        layer = drawn(
            begun.layer,
            stroke.tool,
            stroke.points,
            stroke.size,
            stroke.erase,
            self._ground(),
            self.corner,
        )
        y, x = stroke.points[-1]
        self.canvas.focus = (round(y), round(x))
        self.session.turn_mask(begun.mask.with_layer(layer))
        if self.session.look.layer != layer.name:
            self.session.see(layer=layer.name)
        if stroke.rest:
            self._begun = None
            self.session.rest()
        self.show(stroke.stroke)

    def _drawable(self, stroke: Drawn) -> tuple[Mask, Layer]:
        """The mask and the layer of it that a stroke goes to: a new one where there is none."""
        mask, name = self.mask, self.layer
        if name:
            return mask, mask[name]
        if stroke.erase:
            raise InputError("the mask has no layers yet: there is nothing to erase")
        return mask, Layer(name="drawn", pixels=Selection.none(mask.shape))

    def _drop(self) -> None:
        """Forget a stroke in work."""
        begun, self._begun = self._begun, None
        if begun is not None and self.mask is not begun.mask:
            self.session.turn_mask(begun.mask)
            self.session.rest()

    def _ground(self) -> Ground | None:
        picture = self.canvas.picture
        if picture is None:
            return None
        return Ground(picture.frame.data, picture.frame.covers, self.level)

    # -- what is done to layers ---------------------------------------------------------------

    def act(self, what: str, name: str, *words: Any) -> None:
        """Do what `LayerList` says."""
        try:
            self._act(what, name, *words)
        except JwinteractiveError as error:
            self._fail(error)

    def _act(self, what: str, name: str, *words: Any) -> None:
        mask, session = self.mask, self.session
        match what, words:
            case "choose", ():
                session.see(layer=name)
            case "on", (value,):
                session.use_mask(mask.changed(name, on=value))
            case "change", (field, value):
                changes = changes_of(mask[name], field, value, session.input().exposure)
                session.use_mask(mask.changed(name, **changes))
                if field == "name":
                    session.see(layer=changes["name"])
            case "move", (by,):
                at = [own.name for own in mask.layers].index(name)
                session.use_mask(mask.moved(name, at + by))
            case "remove", ():
                session.use_mask(mask.without(name))
            case "find", ():
                self._find(mask[name])
            case "combine", (how, other):
                made = mask.combined([name, other], how)
                session.use_mask(mask.with_layer(made))
                session.see(layer=made.name)

    def add(self, layer: Layer | None = None) -> None:
        """Add a layer, by default an empty one to draw on, and choose it."""
        mask = self.mask
        if layer is None:
            layer = Layer(name=mask.free_name("drawn"), pixels=Selection.none(mask.shape))
        try:
            self.session.use_mask(mask.with_layer(layer.replace(name=mask.free_name(layer.name))))
        except JwinteractiveError as error:
            self._fail(error)
            return
        self.session.see(layer=self.mask.layers[-1].name)

    def add_from_group(self) -> None:
        """Add a layer that flags jumps from the group in view to the end of its integration."""
        exposure, (integration, group) = self.session.input().exposure, self.place()
        try:
            if exposure.ngroups < 2:
                raise InputError(f"{exposure.filename}: has one group: flag its pixels instead")
            layer = Layer(
                name=f"from group {group + 1}",
                pixels=Selection.none(self.mask.shape),
                flags=("JUMP_DET",),
                groups=Groups(integration=integration, first=group),
                exposure=exposure.filename,
            )
        except JwinteractiveError as error:
            self._fail(error)
        else:
            self.add(layer)

    def add_scene(self) -> None:
        """Add a layer of what is a source for the fit of 1/f noise, in this exposure."""
        exposure, pixels = self.session.input().exposure, Selection.none(self.mask.shape)
        layer = Layer(name="1/f scene", pixels=pixels, flags=(), role="scene")
        self.add(layer.replace(exposure=exposure.filename))

    def _find(self, layer: Layer) -> None:
        """Show where the pixels of a layer are."""
        hull = layer.selection.hull
        if hull is None:
            raise InputError(f"layer {layer.name!r}: has no pixels yet")
        dy, dx = self.corner
        box = Box(hull.y0 - dy, hull.y1 - dy, hull.x0 - dx, hull.x1 - dx)
        shape = self.session.input().shape
        wide = box.grow(max(8, max(box.shape) // 4), Box.whole(shape))
        self.canvas.view.go_to((wide.x0, wide.y0, wide.x1, wide.y1))
        self.session.see(window=(wide.x0, wide.y0, wide.x1, wide.y1))

    # -- what is shown ------------------------------------------------------------------------

    def show(self, answers: int | None = None) -> None:
        """Show the layers over the frame; ``answers`` is the stroke that this is the result of."""
        product = self.session.input()
        frame = self.canvas.view.frame
        if frame is None or frame.full_shape != product.shape:
            return  # its picture is on the way
        root = product.exposure.filename
        mask = self.mask.cut_to(product.exposure, product.shape)
        integration, group = self.place()
        visible = [
            (n, layer)
            for n, layer in enumerate(mask.layers)
            if layer.applies_to(root) and _in_group(layer, integration, group)
        ]
        state = (product.shape, *((n, layer.selection.digest) for n, layer in visible))
        if state == self._shown:
            if answers is not None:
                self.canvas.view.answer(answers)
            return
        self._shown = state
        plane: Array = np.zeros(product.shape, np.uint32)
        layers = []
        for n, layer in visible:
            bit = 1 << min(n, LAYERS - 1)
            paint(layer.selection.runs, np.uint32(bit), plane)
            colour = COLOURS[n % len(COLOURS)]
            layers.append({"bit": bit, "name": layer.name, "colour": colour, "opacity": OPACITY})
        # the topmost first, as in the list
        self.canvas.view.show_overlay(plane, layers[::-1], answers=answers)

    def hide(self) -> None:
        """Take the layers off the frame."""
        self._shown = ()
        self.canvas.view.clear_overlay()


def _in_group(layer: Layer, integration: int, group: int) -> bool:
    """Whether a layer flags anything in a group."""
    groups = layer.groups
    return groups is None or (
        groups.integration == integration
        and groups.first <= group
        and (groups.last < 0 or group <= groups.last)
    )
