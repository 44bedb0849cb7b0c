"""A detector frame on a canvas: only what the screen shows travels to the browser.

Each view (the widget may be displayed twice) tells its viewport in exposure pixels; it gets that
region back as a `Patch`. Stretch, cuts, colours, masks, blinking and the split are drawn by
``static/frame.js`` from what it has, so that turning those knobs needs no answer from Python.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from jwinteractive import dq
from jwinteractive.data import Array, Box
from jwinteractive.errors import InputError
from jwinteractive.look import CUTS, STRETCHES, Look
from jwinteractive.views import FLAG_COLOURS, Band, Bit, Frame
from jwinteractive_widgets.background import listen
from jwinteractive_widgets.drawing import BRUSH, DRAW_TOOLS, OnDraw, heard
from jwinteractive_widgets.marks import Marks, OnMark
from jwinteractive_widgets.overlay import Overlay
from jwinteractive_widgets.resample import Patch, auto_limits, resample

__all__ = ["COLOURS", "FrameView", "mask_layers"]

STATIC = Path(__file__).parent / "static"
MODULES = (
    "paint.js", "tools.js", "viewport.js", "ellipses.js", "bands.js", "overlay.js", "shapes.js",
    "drafts.js", "drawing.js", "poster.js", "frame.js",
)  # fmt: skip
TOOLS = ("pan", "box", "line", "ellipse", "band")
COLOURS = {
    "viridis": "viridis",
    "cividis": "cividis",
    "inferno": "inferno",
    "grey": "gray",
    "grey inverted": "gray_r",
    "blue to red": "RdBu_r",
}
"""Colour maps by the name that people see, and matplotlib's; the last is for differences."""

Window = tuple[float, float, float, float]

_FILLED = 0.6  # of the picture's height, by a frame that is as wide as it
_TALLEST = 12.0
_TINT = 0.45  # opacity of a picture's own bits: what they lie over must be seen


def mask_layers(drawn: Mapping[str, float], bits: Sequence[Bit] = ()) -> list[dict[str, Any]]:
    """Every DQ bit as a layer of the viewer, the usual ones first; or all of a picture's own bits.

    Parameters
    ----------
    drawn
        Opacity of each flag that is drawn, by name, as in `jwinteractive.look.Look.masks`.
    bits
        What the bits mean where they are no data-quality bits.
    """
    if bits:
        return [
            {
                "name": bit.name,
                "bit": str(bit.value),
                "colour": bit.colour,
                "opacity": float(drawn.get(bit.name, _TINT)),
                "on": True,
                "usual": True,
            }
            for bit in bits
        ]
    palette = list(FLAG_COLOURS.values())
    rest = [name for name in dq.BITS if name not in FLAG_COLOURS]
    colours = FLAG_COLOURS | {name: palette[i % len(palette)] for i, name in enumerate(rest)}
    return [
        {
            "name": name,
            "bit": str(dq.BITS[name]),  # as text: 2**31 is no signed integer
            "colour": colour,
            "opacity": float(drawn.get(name, 0.8)),
            "on": name in drawn,
            "usual": name in FLAG_COLOURS,
        }
        for name, colour in colours.items()
    ]


def _tables() -> bytes:
    """RGB bytes [map, 256, 3] of all `COLOURS`."""
    from matplotlib import colormaps

    at = np.arange(256) / 255
    tables = [colormaps[name](at)[:, :3] for name in COLOURS.values()]
    return bytes(np.rint(255 * np.stack(tables)).astype(np.uint8))


@dc.dataclass(frozen=True)
class _Viewport:
    """Where a view looks, and on how many screen pixels (width, height)."""

    window: Window
    size: tuple[int, int]


def _nothing(*_: Any) -> None:
    """Stand in for a callback that was not given."""


class FrameView(anywidget.AnyWidget):
    """Canvas that shows a `jwinteractive.views.Frame`, alone or against another of the same place.

    Wheel or two fingers zoom, drag pans, shift-drag selects a box, click or arrow keys pick a
    pixel, double click or 0 shows the whole frame.

    Attributes
    ----------
    frame, other
        What is shown (B), and what it is compared with (A), or None.
    limits, stretch, cuts, colours, masks
        How values become colours; see `follow`.
    cursor, region, line
        Picked pixel [x, y], selected box [x0, y0, x1, y1], line [x0, y0, x1, y1] from pixel to
        pixel, or empty.
    axes
        Sliders below the picture: {"name", "size", "index", "label"} with index from 0, and perhaps
        "words" for each index.
    compare, split, labels
        "off", "blink" or "split"; where the split is; what A and B are called.
    tool
        What a drag does: "pan", "box", "line", "ellipse" or "band" where such marks may be drawn,
        and one of `drawing.DRAW_TOOLS` while there is ``drawing``.
    drawing
        Tools that draw masks are offered.
    brush, ink
        Diameter of the brush in pixels; colour of what is being drawn.
    label
        What a screen reader says of the canvas.
    busy
        Something is being computed.
    window
        Viewport that a new view starts with, or empty: the whole frame.
    aspect, height
        Width over height of the picture, and its greatest height in CSS pixels.
    tall
        Screen pixels of a row over those of a column; a long frame with apertures is stretched.
    """

    _esm = "\n".join((STATIC / name).read_text() for name in MODULES)
    _css = STATIC / "frame.css"
    tables = traitlets.Bytes().tag(sync=True)
    maps = traitlets.List(list(COLOURS)).tag(sync=True)
    colours = traitlets.Enum(tuple(COLOURS), "viridis").tag(sync=True)
    limits = traitlets.List([0.0, 1.0]).tag(sync=True)
    stretches = traitlets.List(list(STRETCHES)).tag(sync=True)
    stretch = traitlets.Enum(STRETCHES, "asinh").tag(sync=True)
    ways = traitlets.List(list(CUTS)).tag(sync=True)
    cuts = traitlets.Enum(CUTS, "99.5 %").tag(sync=True)
    masks: Any = traitlets.List([]).tag(sync=True)
    cursor: Any = traitlets.List([]).tag(sync=True)
    region: Any = traitlets.List([]).tag(sync=True)
    line: Any = traitlets.List([]).tag(sync=True)
    axes: Any = traitlets.List([]).tag(sync=True)
    compare = traitlets.Enum(("off", "blink", "split"), "off").tag(sync=True)
    split = traitlets.Float(0.5).tag(sync=True)
    labels: Any = traitlets.List(["A", "B"]).tag(sync=True)
    tool = traitlets.Enum((*TOOLS, *DRAW_TOOLS), "pan").tag(sync=True)
    drawing = traitlets.Bool(False).tag(sync=True)
    brush = traitlets.Int(5, min=BRUSH[0], max=BRUSH[1]).tag(sync=True)
    ink = traitlets.Unicode("#ff8ae0").tag(sync=True)
    label = traitlets.Unicode("detector frame").tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)
    window: Any = traitlets.List([]).tag(sync=True)
    aspect = traitlets.Float(1.0).tag(sync=True)
    height = traitlets.Int(620).tag(sync=True)
    tall = traitlets.Float(1.0, min=0.01, max=100.0).tag(sync=True)

    def __init__(
        self,
        *,
        on_pick: Callable[[int, int], None] = _nothing,
        on_box: Callable[[Box | None], None] = _nothing,
        on_line: Callable[[tuple[int, int], tuple[int, int]], None] = _nothing,
        on_window: Callable[[float, float, float, float], None] = _nothing,
        on_axis: Callable[[str, int], None] = _nothing,
        on_style: Callable[[dict[str, Any]], None] = _nothing,
        on_mark: OnMark = _nothing,
        on_draw: OnDraw = _nothing,
        read_out: Callable[[int, int], str] | None = None,
        hand_over: Callable[..., None] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty view.

        Parameters
        ----------
        on_pick
            Called with (y, x) of the pixel that somebody picks.
        on_box
            Called with the selected box, or None when it is cleared.
        on_line
            Called with the end pixels (y, x), (y, x) of a line.
        on_window
            Called with (x0, y0, x1, y1) when somebody pans or zooms, 25 times a second at most.
        on_axis
            Called with the name of an axis and its new index.
        on_style
            Called with changes for `jwinteractive.look.Look.replace`: stretch, cuts, limits,
            colours, masks.
        on_mark
            Called with a mark as it was (None: a new one), as somebody wants it (None: away),
            and whether that is final.
        on_draw
            Called with a `drawing.Drawn`: 25 times a second while it goes on, and at its end.
        read_out
            More to say of pixel (y, x) under the pointer: sky position, wavelength.
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        layers = mask_layers(Look().masks)
        super().__init__(**{"tables": _tables(), "masks": layers, **traits})
        self.frame: Frame | None = None
        self.other: Frame | None = None
        self.viewport: Window | None = None
        self._on: dict[str, Callable[..., None]] = {
            "pick": on_pick,
            "box": on_box,
            "line": on_line,
            "window": on_window,
            "axis": on_axis,
            "style": on_style,
            "mark": on_mark,
            "draw": on_draw,
        }
        self._overlay = Overlay()
        self._bits: tuple[Bit, ...] = ()
        self._masks: dict[str, float] = dict(Look().masks)
        self._going = 0  # number of the stroke that is not finished
        self._marks, self._editable = Marks(), False
        self._read_out = read_out
        self._note = ""
        self._source = ""
        self._shaped = False  # ``tall`` suits the frame; somebody may have changed it since
        self._serial = 0
        self._views: dict[str, _Viewport] = {}
        listen(self, self._hear, hand_over)

    @traitlets.observe("drawing")
    def _stop_drawing(self, change: Mapping[str, Any]) -> None:
        if not change["new"] and self.tool in DRAW_TOOLS:
            self.tool = "pan"

    @property
    def windows(self) -> list[Window]:
        """Where each display of this widget looks: (x0, y0, x1, y1)."""
        return [view.window for view in self._views.values()]

    def show(
        self,
        frame: Frame,
        *,
        other: Frame | None = None,
        limits: tuple[float, float] | None = None,
        note: str = "",
        source: str = "",
        editable: bool = False,
    ) -> None:
        """Draw a frame in every view.

        Parameters
        ----------
        other
            The pinned result of the same place: A, where ``frame`` is B.
        limits
            New cuts; by default they stay, so that pictures compare, unless another kind of
            picture comes and the cuts are not by hand. Those of the frame hold until another way
            to cut is chosen.
        note
            Words for the corner: "preview", "full result".
        source
            Names what the frame is of. Where a new frame covers only a box, pixels of an older
            frame of the same source, title and unit stay around it, dimmed.
        editable
            The frame's marks may be changed, and new ones drawn.
        """
        old = self.frame
        if limits is None and self._differs_by_marks(frame, other, source):
            # an aperture is dragged: the pixels are there already
            self.frame, self.other, self._editable = frame, other, editable
            if note != self._note:
                self.say(note)
            self.tell_marks()
            return
        kind = (source, frame.unit, frame.diverging)
        new_kind = old is None or (self._source, old.unit, old.diverging) != kind
        if old is not None and old.full_shape != frame.full_shape:
            self._views = {}
            self.window = []
            self._overlay.clear()
            self._shaped, self.tall = False, 1.0
        if not self._shaped and any(isinstance(m, Band) for m in frame.marks):
            self._shaped, self.tall = True, _suited(frame.full_shape)
        self.frame, self.other = frame, other
        self._note, self._source, self._editable = note, source, editable
        self._serial += 1
        if limits is None and new_kind and self.cuts != "by hand":
            own = frame.limits if self.cuts == CUTS[0] else None
            limits = own or auto_limits(frame, self.cuts)
        patches = [(name, self._patches(name)) for name in self._views]
        # only now, in one go: what is on the screen must not be drawn with another picture's cuts
        if limits is not None:
            self.limits = [float(v) for v in limits]
        if other is None:
            self.compare = "off"
        self._show_masks()
        self._announce()
        for name, some in patches:
            self._send_patches(name, some)

    def _differs_by_marks(self, frame: Frame, other: Frame | None, source: str) -> bool:
        """Whether a frame to show has the very pixels of the one that is shown."""
        pairs = ((self.frame, frame), (self.other, other))
        return self.frame is not None and source == self._source and all(_alike(*p) for p in pairs)

    def show_overlay(
        self,
        plane: Array | None,
        layers: Sequence[Mapping[str, Any]],
        *,
        answers: int | None = None,
    ) -> None:
        """Paint mask layers over the frame in every view, until the exposure's size changes.

        Parameters
        ----------
        plane
            uint32 [ny, nx] of the whole exposure, one bit a layer; it is kept, not copied. None:
            nothing.
        layers
            Of each {"bit": 1, 2, 4 ..., "name", "colour": "#rrggbb", "opacity": 0 to 1}; where
            several bits are set, the first layer is on top.
        answers
            Number of the newest stroke that the plane has: what the browser drew of it, and of
            those before, is replaced by the plane; not yet while it goes on.

        Raises
        ------
        InputError
            Without a frame, or if the plane or a layer is not as said.
        """
        if self.frame is None:
            raise InputError("overlay: there is no frame yet; show one first")
        done = None if answers == self._going else answers
        self._overlay.show(plane, layers, self.frame.full_shape, done)
        for name in self._views:
            self._send_overlay(name)

    def answer(self, stroke: int) -> None:
        """Say that the layers have a stroke already: once it is finished, what was drawn goes."""
        if stroke == self._going:
            return
        self._overlay.answers = stroke
        self.send({"kind": "answered", "answers": stroke})

    def clear_overlay(self) -> None:
        """Take mask layers away."""
        self._overlay.clear()
        for name in self._views:
            self._send_overlay(name)

    def follow(self, look: Look) -> None:
        """Draw as a look says: stretch, cuts, limits by hand, colours, masks, pick and box."""
        with self.hold_sync():
            self.stretch, self.cuts = look.stretch, look.cuts
            if look.colours in COLOURS:
                self.colours = look.colours
            if look.limits is not None and look.cuts == "by hand":
                self.limits = [float(v) for v in look.limits]
            self._masks = dict(look.masks)
            if not self._bits and _drawn(self.masks) != self._masks:
                self.masks = mask_layers(self._masks)
            self.cursor = [] if look.pick is None else [look.pick[1], look.pick[0]]
            b = look.box
            self.region = [] if b is None else [b.x0, b.y0, b.x1, b.y1]

    def _show_masks(self) -> None:
        """Offer the flags of the picture where these are others: data-quality bits, or its own."""
        bits = self.frame.bits if self.frame is not None else ()
        if bits != self._bits:
            if not self._bits:
                self._masks = _drawn(self.masks)
            self._bits = bits
            self.masks = mask_layers(self._masks, bits)

    def go_to(self, window: Window) -> None:
        """Move every view to a viewport (x0, y0, x1, y1)."""
        self.window = [float(v) for v in window]
        self.send({"kind": "go", "window": self.window})

    def fit(self) -> None:
        """Show the whole frame in every view."""
        self.window = []
        self.send({"kind": "go", "window": []})

    def save_png(self, name: str) -> None:
        """Let the browser save what it shows, with title and colour bar, as a PNG file."""
        self.send({"kind": "save", "id": next(iter(self._views), ""), "name": name})

    def say(self, note: str) -> None:
        """Change the words in the corner, until the next frame."""
        self._note = note
        self.send({"kind": "note", "text": note})

    def tell(self, text: str) -> None:
        """Write a line below the picture: the exact values under the pointer."""
        self.send({"kind": "tell", "text": text})

    def read(self, y: int, x: int) -> str:
        """Value, error and flags of a pixel, with what ``read_out`` adds; "" where unknown."""
        frame = self.frame
        if frame is None or Box.around(y, x) not in frame.covers:
            return ""
        at = y - frame.covers.y0, x - frame.covers.x0
        value = float(frame.data[at])
        text = f"{value:.6g}" if np.isfinite(value) else "no value"
        if frame.err is not None and np.isfinite(frame.err[at]):
            text += f" ± {float(frame.err[at]):.3g}"
        parts = [f"{text} {frame.unit}".rstrip()]
        if frame.dq is not None:
            parts.append(frame.words(int(frame.dq[at])))
        if self._read_out is not None and (more := self._read_out(y, x)):
            parts.append(more)
        return " · ".join(parts)

    def _announce(self, to: str = "") -> None:
        """Say what the coming patches are of: to one view, or to all."""
        if self.frame is None:
            return
        f, c = self.frame, self.frame.covers
        self.send(
            {
                "kind": "frame",
                "id": to,
                "serial": self._serial,
                "shape": list(f.full_shape),
                "covers": [c.x0, c.y0, c.x1, c.y1],
                "title": f.title,
                "unit": f.unit,
                "source": self._source,
                "diverging": f.diverging,
                "note": self._note,
                "other": self.other is not None,
            }
        )
        self.tell_marks(to)

    def tell_marks(self, to: str = "", refused: bool = False) -> None:
        """Tell one view, or all, the frame's marks; ``refused``: a change of them was not taken."""
        marks = () if self.frame is None else self.frame.marks
        if (message := self._marks.message(marks, self._editable)) is not None:
            self.send({**message, "id": to, "refused": refused})

    def _hear(self, _: Any, message: dict[str, Any], __: Sequence[Any]) -> None:
        """Take a message of the browser."""
        match message:
            case {"kind": "ready", "id": str(name)}:
                self._announce(name)
                # a page that was reloaded did not say so: who is still there says where it looks
                self._views = {}
                self.send({"kind": "where"})
            case {"kind": "view", "id": str(name), "box": [x0, y0, x1, y1], "size": [nx, ny]}:
                window = (float(x0), float(y0), float(x1), float(y1))
                self._look_at(name, _Viewport(window, (int(nx), int(ny))), message)
            case {"kind": "gone", "id": str(name)}:
                self._views.pop(name, None)
            case {"kind": "point", "x": int(x), "y": int(y)}:
                self.tell(self.read(y, x))
            case {"kind": "axis", "name": str(name), "index": int(index)}:
                self._turn(name, index)
            case {"kind": "mark"}:
                self._mark(message)
            case {"kind": "draw"}:
                drawn = heard(message)
                if drawn is not None and self.drawing and self.frame is not None:
                    self._going = 0 if drawn.rest else drawn.stroke
                    self._on["draw"](drawn)
            case {"kind": "style", "changed": [*names]}:
                changes = {str(n): self._style(str(n)) for n in names}
                self._on["style"]({n: v for n, v in changes.items() if v is not None})
            case _ if self.frame is not None:
                self._select(message, self.frame.full_shape)

    def _look_at(self, name: str, viewport: _Viewport, message: Mapping[str, Any]) -> None:
        """Remember where a view looks, send it that region, tell it on if a person moved."""
        self._views[name] = viewport
        self.viewport = viewport.window
        self._send_patches(name, self._patches(name))
        if not self._overlay.empty:
            self._send_overlay(name)
        if message.get("user"):
            self.window = [] if message.get("whole") else list(viewport.window)
            self._on["window"](*viewport.window)

    def _select(self, message: Mapping[str, Any], shape: tuple[int, int]) -> None:
        """Hand on a pick, a box or a line, where it lies inside the exposure."""
        whole = Box.whole(shape)
        match message:
            case {"kind": "pick", "x": int(x), "y": int(y)}:
                if Box.around(y, x) in whole:
                    self._on["pick"](y, x)
            case {"kind": "box", "box": None}:
                self._on["box"](None)
            case {"kind": "box", "box": [int(x0), int(y0), int(x1), int(y1)]}:
                box = Box(y0, y1, x0, x1).clip(whole)
                if box.y1 > box.y0 and box.x1 > box.x0:
                    self._on["box"](box)
            case {"kind": "line", "line": [int(x0), int(y0), int(x1), int(y1)]}:
                if Box.around(y0, x0) in whole and Box.around(y1, x1) in whole:
                    self._on["line"]((y0, x0), (y1, x1))

    def _mark(self, message: Mapping[str, Any]) -> None:
        """Hand on what somebody did to a mark."""
        heard = self._marks.heard(message) if self._editable else None
        if heard is None:
            self.tell_marks(refused=True)
        else:
            self._on["mark"](*heard)

    def _turn(self, name: str, index: int) -> None:
        for axis in self.axes:
            if axis["name"] == name and 0 <= index < axis["size"]:
                self.axes = [{**a, "index": index} if a is axis else a for a in self.axes]
                self._on["axis"](name, index)
                return

    def _style(self, name: str) -> Any:
        """Value of a style as `Look` has it; None if there is no such style."""
        match name:
            case "stretch" | "cuts" | "colours":
                return getattr(self, name)
            case "limits":
                return tuple(self.limits)
            case "masks" if not self._bits:
                return _drawn(self.masks)
        return None

    def _patches(self, name: str) -> list[tuple[str, Frame, Patch]]:
        """What one view is to see: of B, and of A if there is one."""
        frames = (("b", self.frame), ("a", self.other))
        at = self._views[name]
        return [(w, f, resample(f, at.window, at.size)) for w, f in frames if f is not None]

    def _send_overlay(self, name: str) -> None:
        """Send one view its part of the mask layers."""
        view = self._views[name]
        self.send(*self._overlay.message(name, view.window, view.size))

    def _send_patches(self, name: str, patches: Sequence[tuple[str, Frame, Patch]]) -> None:
        """Send patches to one view."""
        for which, frame, patch in patches:
            c = frame.covers
            self.send(
                {
                    "kind": "patch",
                    "id": name,
                    "which": which,
                    "serial": self._serial,
                    "covers": [c.x0, c.y0, c.x1, c.y1],
                    "size": list(patch.codes.shape),
                    "extent": list(patch.extent),
                    "factor": patch.factor,
                    "scale": [patch.middle, patch.scale, patch.low, patch.step],
                    "flags": list(patch.flags),
                    "wide": patch.labels.itemsize == 2,
                },
                [patch.codes.tobytes(), patch.marked.tobytes(), patch.labels.tobytes()],
            )


def _suited(shape: tuple[int, int]) -> float:
    """Stretch of rows against columns that makes a long frame (ny, nx) fill more of a picture."""
    ny, nx = shape
    if nx >= 2 * ny:
        return round(min(max(_FILLED * nx / ny, 1.0), _TALLEST), 1)
    if ny >= 2 * nx:
        return round(1 / min(max(_FILLED * ny / nx, 1.0), _TALLEST), 3)
    return 1.0


def _alike(a: Frame | None, b: Frame | None) -> bool:
    """Whether two frames are the same but for marks and words; a new look at an array is not."""
    if a is None or b is None:
        return a is b
    plain = {"data": None, "dq": None, "err": None, "marks": (), "note": "", "limits": None}
    if dc.replace(a, **plain) != dc.replace(b, **plain):  # type: ignore[arg-type]
        return False
    return a.limits == b.limits and all(
        _same_array(getattr(a, name), getattr(b, name)) for name in ("data", "dq", "err")
    )


def _same_array(a: Array | None, b: Array | None) -> bool:
    """Whether two arrays look at the same memory, which nobody writes to."""
    if a is None or b is None:
        return a is b
    fixed = not (a.flags.writeable or b.flags.writeable)
    return fixed and a.__array_interface__ == b.__array_interface__


def _drawn(layers: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Opacity of each layer that is on, by name."""
    return {layer["name"]: float(layer["opacity"]) for layer in layers if layer["on"]}
