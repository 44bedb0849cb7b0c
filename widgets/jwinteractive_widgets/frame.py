"""A detector frame on a canvas: only what the screen shows travels to the browser.

Each view (the widget may be displayed twice) tells its viewport in exposure pixels; it gets that
region back, averaged down to screen pixels, as uint16 codes with their range, and the flags of it,
combined by OR, as a plane of indices into a short table. Stretch, colours and blending happen in
``static/frame.js``, so that turning those knobs sends a few bytes.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import numba as nb
import numpy as np
import traitlets

from jwinteractive.data import Array
from jwinteractive.dq import BITS

__all__ = ["Frame", "FrameView", "Patch", "colour_table", "resample"]

STATIC = Path(__file__).parent / "static"
STRETCHES = ("linear", "asinh", "log")
SPAN = 8  # the codes reach this many cut ranges beyond the cuts
MARGIN = 0.25  # of the viewport on each side, so that a drag uncovers pixels, not blanks


@dc.dataclass(frozen=True)
class Frame:
    """Values ``data`` [y, x] and flags ``dq`` [y, x] of the same shape, with the unit of the data.

    NaN is drawn as no value.
    """

    data: Array
    dq: Array
    unit: str = "DN"

    @property
    def shape(self) -> tuple[int, int]:
        """Size (ny, nx) in pixels."""
        ny, nx = self.data.shape
        return ny, nx


@dc.dataclass(frozen=True)
class Patch:
    """A region of a frame ready to travel.

    Attributes
    ----------
    codes
        uint16 [y, x]: 0 is no value, else ``low + (code - 1) * step``.
    labels
        uint8 or uint16 [y, x]: index into ``flags``.
    flags
        DQ values that occur; the first is 0.
    extent
        Pixel edges (x0, y0, x1, y1) that the planes cover; the last block may reach beyond.
    factor
        Pixels along each side of a block.
    """

    codes: Array
    labels: Array
    flags: tuple[int, ...]
    extent: tuple[int, int, int, int]
    factor: int
    low: float
    step: float


@nb.njit(cache=True, nogil=True)
def _blocks(
    data: Array, dq: Array, y0: int, x0: int, factor: int, low: float, step: float,
    codes: Array, flags: Array,
) -> None:  # fmt: skip
    """Mean of the finite values, as a code, and OR of the flags of each block."""
    ny, nx = data.shape
    for i in range(codes.shape[0]):
        for j in range(codes.shape[1]):
            total = 0.0
            n = 0
            bits = np.uint32(0)
            for y in range(y0 + i * factor, min(y0 + (i + 1) * factor, ny)):
                for x in range(x0 + j * factor, min(x0 + (j + 1) * factor, nx)):
                    bits |= dq[y, x]
                    if np.isfinite(data[y, x]):
                        total += data[y, x]
                        n += 1
            flags[i, j] = bits
            code = 0.0
            if n > 0:
                code = min(max(round((total / n - low) / step), 0.0), 65534.0) + 1.0
            codes[i, j] = code


def resample(
    frame: Frame,
    view: tuple[float, float, float, float],
    size: tuple[int, int],
    limits: tuple[float, float],
) -> Patch:
    """Region of a frame around a viewport, averaged in blocks to about one per screen pixel.

    Parameters
    ----------
    view
        Edges (x0, y0, x1, y1) of the viewport in pixels; it may reach beyond the frame.
    size
        Width and height of the screen area in screen pixels.
    limits
        Cuts: the codes are spread over them and 8 of their ranges on either side, where there
        are data.

    Notes
    -----
    Blocks start at multiples of their size, so that panning does not make pixels flicker.
    """
    ny, nx = frame.shape
    width, height = view[2] - view[0], view[3] - view[1]
    factor = max(1, round(max(width / size[0], height / size[1])))

    def edges(low: float, high: float, n: int) -> tuple[int, int]:
        reach = MARGIN * (high - low)
        first = min(max(math.floor((low - reach) / factor), 0), (n - 1) // factor)
        last = min(max(math.ceil((high + reach) / factor), first + 1), math.ceil(n / factor))
        return first, last

    left, right = edges(view[0], view[2], nx)
    bottom, top = edges(view[1], view[3], ny)
    span = max(limits[1] - limits[0], 1e-30)
    low, high = limits[0] - SPAN * span, limits[1] + SPAN * span
    finite = np.isfinite(frame.data)
    if finite.any():
        low = max(low, float(np.min(frame.data, where=finite, initial=np.inf)))
        high = min(high, float(np.max(frame.data, where=finite, initial=-np.inf)))
    step = (high - low) / 65534 if high > low else 1.0
    codes = np.empty((top - bottom, right - left), np.uint16)
    flags = np.empty(codes.shape, np.uint32)
    y0, x0 = bottom * factor, left * factor
    data = np.asarray(frame.data, np.float32)
    _blocks(data, np.asarray(frame.dq, np.uint32), y0, x0, factor, low, step, codes, flags)
    labels, table = _indexed(flags)
    extent = (x0, y0, right * factor, top * factor)
    return Patch(codes, labels, table, extent, factor, low, step)


def _indexed(flags: Array) -> tuple[Array, tuple[int, ...]]:
    """Plane of indices into the short list of values that occur; most pixels have none."""
    at = np.flatnonzero(flags)
    values, inverse = np.unique(flags.ravel()[at], return_inverse=True)
    labels = np.zeros(flags.size, np.uint8 if len(values) < 256 else np.uint16)
    labels[at] = inverse + 1
    return labels.reshape(flags.shape), (0, *map(int, values))


def colour_table(name: str = "viridis") -> bytes:
    """RGB bytes [256, 3] of a matplotlib colour map."""
    from matplotlib import colormaps

    colours = colormaps[name](np.arange(256) / 255)[:, :3]
    return bytes(np.rint(255 * colours).astype(np.uint8))


class FrameView(anywidget.AnyWidget):
    """Canvas that shows a `Frame`: wheel zooms, drag pans, click or arrow keys pick a pixel.

    Attributes
    ----------
    limits
        Cuts (low, high) in data units.
    stretch
        One of linear, asinh, log.
    shown
        DQ bits that the overlay draws, as one value.
    cursor
        Picked pixel [x, y], or empty.
    label
        What a screen reader says of the canvas.
    on_pick
        Called with (y, x) when somebody picks a pixel.
    """

    _esm = STATIC / "frame.js"
    _css = STATIC / "frame.css"
    width = traitlets.Int(560).tag(sync=True)
    height = traitlets.Int(560).tag(sync=True)
    colours = traitlets.Bytes().tag(sync=True)
    limits = traitlets.List([0.0, 1.0]).tag(sync=True)
    stretch = traitlets.Enum(STRETCHES, "asinh").tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)
    overlay: Any = traitlets.List([]).tag(sync=True)
    cursor: Any = traitlets.List([]).tag(sync=True)
    label = traitlets.Unicode("detector frame").tag(sync=True)
    names = traitlets.Dict({k: str(v) for k, v in BITS.items()}).tag(sync=True)

    def __init__(
        self,
        *,
        overlay: Mapping[str, str] | None = None,
        on_pick: Callable[[int, int], None] | None = None,
        hand_over: Callable[..., None] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty view.

        Parameters
        ----------
        overlay
            Colour (#rrggbb) of each drawn flag by name; the first that a pixel has counts.
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        drawn = [[str(BITS[name]), colour] for name, colour in (overlay or {}).items()]
        super().__init__(colours=colour_table(), overlay=drawn, **traits)
        self.frame: Frame | None = None
        self.on_pick = on_pick
        self._views: dict[str, tuple[float, float, float, float]] = {}
        if hand_over is None:
            self.on_msg(self._hear)
        else:
            self.on_msg(lambda *message: hand_over(self._hear, *message))

    def show_frame(self, frame: Frame, limits: tuple[float, float] | None = None) -> None:
        """Draw a frame in every view, with new cuts if given."""
        if self.frame is not None and self.frame.shape != frame.shape:
            self._views = {}
        self.frame = frame
        if limits is not None:
            self.limits = list(limits)
        self.send({"kind": "frame", "shape": frame.shape, "unit": frame.unit})
        for name in list(self._views):
            self._draw(name)

    def _hear(self, _: Any, message: dict[str, Any], __: list[Any]) -> None:
        """Take a message of the browser: ready, view, gone or pick."""
        match message:
            case {"kind": "ready"} if self.frame is not None:
                frame = self.frame
                self.send({"kind": "frame", "shape": frame.shape, "unit": frame.unit})
            case {"kind": "view", "id": str(name), "box": [x0, y0, x1, y1]}:
                self._views[name] = (x0, y0, x1, y1)
                self._draw(name)
            case {"kind": "gone", "id": str(name)}:
                self._views.pop(name, None)
            case {"kind": "pick", "x": int(x), "y": int(y)} if self.frame is not None:
                ny, nx = self.frame.shape
                if 0 <= x < nx and 0 <= y < ny:
                    self.cursor = [x, y]
                    if self.on_pick is not None:
                        self.on_pick(y, x)

    def _draw(self, name: str) -> None:
        """Send one view the region it looks at."""
        if self.frame is None:
            return
        low, high = self.limits
        patch = resample(self.frame, self._views[name], (self.width, self.height), (low, high))
        self.send(
            {
                "kind": "patch",
                "id": name,
                "size": patch.codes.shape,
                "extent": patch.extent,
                "factor": patch.factor,
                "low": patch.low,
                "step": patch.step,
                "flags": patch.flags,
                "wide": patch.labels.itemsize == 2,
            },
            [patch.codes.tobytes(), patch.labels.tobytes()],
        )
