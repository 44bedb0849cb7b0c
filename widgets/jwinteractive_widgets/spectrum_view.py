"""Spectra on a canvas: zoom, pan, scales and read-out are made in the browser.

Python sends the samples as they are, once for each change. ``static/spectrum.js`` draws them, so
that looking closer needs no answer.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import anywidget
import numpy as np
import traitlets

from jwinteractive.data import Array
from jwinteractive_widgets.background import listen

__all__ = ["Series", "SpectrumView"]

STATIC = Path(__file__).parent / "static"
MODULES = ("paint.js", "tools.js", "viewport.js", "spectrum-axes.js", "spectrum.js")


@dc.dataclass(frozen=True, eq=False)
class Series:
    """One curve of the view.

    Attributes
    ----------
    x, y, err
        Samples, and their errors or None; what is not finite leaves a gap.
    name
        What the legend says; "" has no place in it.
    colour, dash, style
        How it is drawn; a line has its errors as a band, points as bars.
    below
        It is drawn in the smaller panel below.
    id
        What `SpectrumView` knows it by, so that one that is hidden stays so.
    removable
        The legend offers to take it away.
    """

    x: Array
    y: Array
    err: Array | None = None
    name: str = ""
    colour: str = "#1f83d6"
    dash: Literal["solid", "dashed", "dotted", "dash_dotted"] = "solid"
    style: Literal["line", "points"] = "line"
    below: bool = False
    id: str = ""
    removable: bool = False


def _nothing(*_: Any) -> None:
    """Stand in for a callback that was not given."""


class SpectrumView(anywidget.AnyWidget):
    """Curves over one axis, the first on top, with a smaller panel below where there is need.

    Wheel zooms, drag pans, shift-drag chooses a range, arrow keys read out, 0 shows all.

    Attributes
    ----------
    log_y, signal_to_noise
        Logarithmic axis; values over their errors.
    tool
        What a drag does: "pan", or "range" where it chooses one.
    range
        Chosen ends [low, high] along x, or empty.
    sides
        More ranges [low, high], drawn fainter: where the continuum is taken from.
    marker
        Place along x that is marked by a dashed line, or None.
    label, empty
        What a screen reader says; what is written while there is nothing.
    height
        In CSS pixels.
    """

    _esm = "\n".join((STATIC / name).read_text("utf-8") for name in MODULES)
    _css = STATIC / "spectrum.css"
    log_y = traitlets.Bool(False).tag(sync=True)
    signal_to_noise = traitlets.Bool(False).tag(sync=True)
    tool = traitlets.Enum(("pan", "range"), "pan").tag(sync=True)
    range: Any = traitlets.List([]).tag(sync=True)
    sides: Any = traitlets.List([]).tag(sync=True)
    marker = traitlets.Float(None, allow_none=True).tag(sync=True)
    label = traitlets.Unicode("spectrum").tag(sync=True)
    empty = traitlets.Unicode("no spectrum yet").tag(sync=True)
    height = traitlets.Int(330).tag(sync=True)

    def __init__(
        self,
        *,
        on_range: Callable[[tuple[float, float] | None, bool], None] = _nothing,
        on_remove: Callable[[str], None] = _nothing,
        on_click: Callable[[float], None] = _nothing,
        hand_over: Callable[..., None] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty view.

        Parameters
        ----------
        on_range
            Called with the chosen ends, or None, and whether that is final.
        on_remove
            Called with the id of a series that is to go.
        on_click
            Called with the place along x that somebody clicks.
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        super().__init__(**traits)
        self.series: tuple[Series, ...] = ()
        self._about: dict[str, Any] = {"x": ["", ""], "y": ["", ""], "rest": ""}
        self._serial = 0
        self._on_range, self._on_remove, self._on_click = on_range, on_remove, on_click
        listen(self, self._hear, hand_over)

    def show(
        self,
        series: Sequence[Series],
        *,
        x: tuple[str, str] = ("", ""),
        y: tuple[str, str] = ("", ""),
        below: str = "",
        fit: bool = False,
    ) -> None:
        """Draw curves in place of those before; the part of x in sight stays.

        Parameters
        ----------
        x, y
            Quantity and unit along the axes; another x shows all again.
        below
            Label of the panel below.
        fit
            Let the upright axis suit the curves again, though somebody changed it.
        """
        self.series = tuple(series)
        self._about = {"x": list(x), "y": list(y), "rest": below}
        self._serial += 1
        self._send_all(fit)

    def fit(self) -> None:
        """Show all along both axes."""
        self.send({"kind": "fit"})

    def save_png(self, name: str) -> None:
        """Let the browser save what it shows, with the names of the curves, as a PNG file."""
        self.send({"kind": "save", "name": f"{name.removesuffix('.png')}.png"})

    def _send_all(self, fit: bool = False) -> None:
        told, buffers = [], []
        for i, s in enumerate(self.series):
            arrays = [s.x, s.y] if s.err is None else [s.x, s.y, s.err]
            buffers += [np.ascontiguousarray(a, np.float64).tobytes() for a in arrays]
            told.append(
                {
                    "id": s.id or f"series {i}",
                    "name": s.name,
                    "colour": s.colour,
                    "dash": s.dash,
                    "style": s.style,
                    "below": s.below,
                    "removable": s.removable,
                    "err": s.err is not None,
                }
            )
        message = {"kind": "spectra", "serial": self._serial, "fit": fit, "series": told}
        self.send({**message, **self._about}, buffers)

    def _hear(self, _: Any, message: Mapping[str, Any], __: Sequence[Any]) -> None:
        """Take a message of the browser."""
        match message:
            case {"kind": "ready"}:
                if self._serial:
                    self._send_all()
            case {"kind": "range", "range": None}:
                self._on_range(None, True)
            case {"kind": "range", "range": [float() | int() as low, float() | int() as high]}:
                if math.isfinite(low) and math.isfinite(high) and low < high:
                    self._on_range((float(low), float(high)), not message.get("going"))
            case {"kind": "remove", "id": str(name)}:
                self._on_remove(name)
            case {"kind": "click", "x": float() | int() as x} if math.isfinite(x):
                self._on_click(float(x))
