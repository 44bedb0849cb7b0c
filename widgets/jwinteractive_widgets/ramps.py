"""The picked pixel up its ramp: groups, flagged groups and the fitted line."""

from __future__ import annotations

from html import escape

import ipywidgets as w
import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, Scatter

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.pixel import PixelHistory

__all__ = ["FLAG_COLOURS", "RampPlot"]

BLUE = "#1f83d6"  # holds on white and on dark grey
FLAG_COLOURS = {"JUMP_DET": "#ff2d95", "SATURATED": "#00b8d4", "DO_NOT_USE": "#ff5722"}
_MARKS = {"JUMP_DET": "triangle-up", "SATURATED": "square", "DO_NOT_USE": "cross"}
_WORDS = {"JUMP_DET": "jump", "SATURATED": "saturated", "DO_NOT_USE": "do not use"}
_SHAPES = {
    "circle": '<circle cx="6" cy="6" r="4"/>',
    "triangle-up": '<path d="M6 1 L11 11 L1 11 Z"/>',
    "square": '<rect x="1.5" y="1.5" width="9" height="9"/>',
    "cross": '<path d="M4 0h4v4h4v4H8v4H4V8H0V4h4Z"/>',
    "line": '<rect x="0" y="5" width="12" height="2"/>',
}


def legend() -> str:
    """HTML that explains the marks of the plot, which are those of the overlay too."""
    rows = [("group", BLUE, "circle"), ("fit", BLUE, "line")]
    rows += [(_WORDS[name], FLAG_COLOURS[name], _MARKS[name]) for name in FLAG_COLOURS]
    parts = (
        f'<span><svg width="12" height="12" fill="{colour}" aria-hidden="true">{_SHAPES[shape]}'
        f"</svg>{word}</span>"
        for word, colour, shape in rows
    )
    return f'<div class="jwi-legend">{"".join(parts)}</div>'


class RampPlot(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Ramp of one pixel as a bqplot figure with a legend and a line of text."""

    def __init__(self) -> None:
        self.x, self.y = LinearScale(min=0.5, max=1.5), LinearScale()
        scales = {"x": self.x, "y": self.y}
        self.line = Lines(x=[], y=[], scales=scales, colors=[BLUE], stroke_width=2)
        self.groups = Scatter(x=[], y=[], scales=scales, colors=[BLUE], default_size=40)
        self.flagged = {
            name: Scatter(
                x=[], y=[], scales=scales, colors=[colour], marker=_MARKS[name], default_size=90
            )
            for name, colour in FLAG_COLOURS.items()
        }
        self.groups_axis = Axis(scale=self.x, label="group", grid_lines="none", tick_format="d")
        self.signal_axis = Axis(
            scale=self.y,
            orientation="vertical",
            label="signal (DN)",
            label_offset="58px",
            grid_lines="solid",
            tick_format="~g",
        )
        figure = Figure(
            marks=[self.line, self.groups, *self.flagged.values()],
            axes=[self.groups_axis, self.signal_axis],
            fig_margin={"top": 12, "bottom": 42, "left": 76, "right": 18},
            layout={"width": "440px", "height": "340px"},
            animation_duration=0,
        )
        self.title = w.HTML()
        self.text = w.HTML()
        super().__init__([self.title, figure, w.HTML(legend()), self.text])
        self.clear()

    def clear(self) -> None:
        """Say how to pick a pixel."""
        self.title.value = '<span class="jwi-title">Up the ramp</span>'
        self.text.value = '<span class="jwi-quiet">Click a pixel of the frame, or focus it and '
        self.text.value += "use the arrow keys.</span>"

    def draw(self, history: PixelHistory, y: int, x: int, step: str, integration: int) -> None:
        """Show one integration of a pixel as it is after ``step``.

        Parameters
        ----------
        history
            What ``session.inspect(y, x)`` gives.
        step
            A step that gives no ramp shows the ramp that it was computed from, with the fit.
        integration
            Which one, from 0.
        """
        title = f"Up the ramp at x {x}, y {y}"
        ramps = [
            (s.step, s.data, s.groupdq)
            for s in history.steps
            if s.data is not None and s.groupdq is not None
        ]
        if not ramps:
            self._marks(np.empty(0), np.empty(0, np.uint8), np.empty(0))
            self._say(title, "no ramp in this file", _rate(history))
            return
        last = ramps[-1][0]
        name, data, flags = next((r for r in ramps if r[0] == step), ramps[-1])
        where = "as read" if name == "input" else f"after {name}"
        if len(data) > 1:
            where += f", integration {integration + 1} of {len(data)}"
        data, flags = data[integration].astype(float), flags[integration]
        line = np.full(len(data), np.nan)
        if history.fit is not None and name == last:
            line = history.fit.line[integration]
        elif history.fit is not None:
            where += f"; the line is fitted after {last}"
        self._marks(data, flags, line)
        self._say(title, where, _rate(history), _counted(flags))

    def _marks(self, data: Array, flags: Array, line: Array) -> None:
        group = np.arange(1, len(data) + 1)
        self.x.max = max(len(data), 1) + 0.5
        stride = max(1, -(-len(data) // 10))
        self.groups_axis.tick_values = group[stride - 1 :: stride].astype(float)
        left = np.ones(len(data), bool)
        for name in ("DO_NOT_USE", "SATURATED", "JUMP_DET"):  # a group has one mark: the gravest
            at = left & (flags & dq.BITS[name] != 0)
            _put(self.flagged[name], group[at], data[at])
            left &= ~at
        _put(self.groups, group[left], data[left])
        _put(self.line, group, line)
        values = np.concatenate([data, line])
        self._range(values[np.isfinite(values)])

    def _range(self, values: Array) -> None:
        """Fit the signal axis to the values, with a few round numbers on it."""
        from matplotlib.ticker import MaxNLocator

        low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
        pad = 0.06 * (high - low) or 1.0
        low, high = float(low - pad), float(high + pad)
        ticks = np.asarray(MaxNLocator(6).tick_values(low, high))
        with self.y.hold_sync():
            self.y.min, self.y.max = low, high
        self.signal_axis.tick_values = ticks[(ticks >= low) & (ticks <= high)]

    def _say(self, title: str, where: str, *facts: str) -> None:
        self.title.value = (
            f'<span class="jwi-title">{escape(title)}</span> '
            f'<span class="jwi-quiet">{escape(where)}</span>'
        )
        text = " · ".join(fact for fact in facts if fact)
        self.text.value = f'<span class="jwi-ramp-text" role="status">{escape(text)}</span>'


def _put(mark: Lines | Scatter, x: Array, y: Array) -> None:
    """Set both coordinates in one message: bqplot draws in between otherwise."""
    good = np.isfinite(y)
    with mark.hold_sync():
        mark.x, mark.y = x[good].astype(float), y[good]


def _rate(history: PixelHistory) -> str:
    """Rate and error of the last step that knows them."""
    for s in reversed(history.steps):
        if s.rate is not None:
            names = ", ".join(dq.names(s.pixeldq))
            return f"rate {s.rate:.5g} ± {s.err:.2g} DN/s" + (f" · {names}" if names else "")
    return ""


def _counted(flags: Array) -> str:
    counts = {_WORDS[k]: int(np.count_nonzero(flags & dq.BITS[k])) for k in FLAG_COLOURS}
    found = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
    return f"groups flagged: {found}" if found else "no group flagged"
