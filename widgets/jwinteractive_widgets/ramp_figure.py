"""A ramp and its residuals as two figures over one axis of groups."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable
from typing import Any

import ipywidgets as w
import numpy as np
from bqplot import Axis, Figure, LinearScale, Lines, Scatter, Tooltip

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.views import FLAG_COLOURS
from jwinteractive_widgets.plots import COLOURS, MARGIN, legend_html, put, round_ticks

__all__ = ["FLAG_WORDS", "DrawnRamp", "RampFigure"]

BLUE, BESIDE, PINNED, GREY = COLOURS[0], COLOURS[6], COLOURS[4], COLOURS[5]
FLAG_WORDS = {"JUMP_DET": "jump", "SATURATED": "saturated", "DO_NOT_USE": "do not use"}
_OTHER = "other flag"
_STYLES = {
    "JUMP_DET": (FLAG_COLOURS["JUMP_DET"], "triangle-up"),
    "SATURATED": (FLAG_COLOURS["SATURATED"], "square"),
    "DO_NOT_USE": (FLAG_COLOURS["DO_NOT_USE"], "cross"),
    _OTHER: (COLOURS[2], "diamond"),
}
_GRAVEST_FIRST = ("DO_NOT_USE", "SATURATED", "JUMP_DET")
_MOST_THIN = 200  # other integrations that are drawn
_NONE = np.empty(0)

Legend = list[tuple[str, str, str]]


@dc.dataclass(frozen=True, kw_only=True)
class DrawnRamp:
    """What the figures show of one pixel.

    Attributes
    ----------
    times
        Of the groups [group] in seconds.
    data, flags
        Signal in DN and flags [integration, group].
    integration
        The one that is drawn strongly.
    line, residuals
        Fitted line and signal minus line [group] of that integration, or None.
    scatter
        Standard deviation of the residuals in DN; NaN where it is not known.
    pinned, pinned_jumps
        Another fitted line [group], or None, and at which groups it starts anew.
    beside
        Another ramp [group], or None, with what the legend says of it.
    """

    times: Array
    data: Array
    flags: Array
    integration: int
    line: Array | None = None
    residuals: Array | None = None
    scatter: float = math.nan
    pinned: Array | None = None
    pinned_jumps: Array | None = None
    beside: tuple[Array, str] | None = None


class RampFigure(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Groups, flags and lines above, residuals below; a click tells which group it hit."""

    def __init__(self, on_click: Callable[[int], None]) -> None:
        self.x = LinearScale(min=0.5, max=1.5)
        self.y, self.rest_y = LinearScale(min=0.0, max=1.0), LinearScale(min=-1.0, max=1.0)
        self._on_click = on_click
        self._make_marks({"x": self.x, "y": self.y}, {"x": self.x, "y": self.rest_y})
        self.groups_axis = Axis(scale=self.x, grid_lines="none", label_offset="34px")
        self.rest_groups_axis = Axis(scale=self.x, grid_lines="none")
        upright = {"orientation": "vertical", "grid_lines": "solid", "label_offset": "58px"}
        self.signal_axis = Axis(scale=self.y, label="signal (DN)", **upright)
        self.rest_axis = Axis(scale=self.rest_y, label="signal - fit (DN)", **upright)
        above = (self.others, self.beside, self.pinned, self.line, self.ring, self.groups)
        self.figure = Figure(
            marks=[*above, *self.flagged.values(), self.targets],
            axes=[self.groups_axis, self.signal_axis],
            fig_margin=MARGIN,
            layout={"width": "100%", "min_width": "0", "height": "280px"},
            animation_duration=0,
        )
        self.rest_figure = Figure(
            marks=[self.zero, self.spread, self.rest_ring, self.rest, self.rest_targets],
            axes=[self.rest_groups_axis, self.rest_axis],
            fig_margin={**MARGIN, "top": 6, "bottom": 22},
            layout={"width": "100%", "min_width": "0", "height": "130px"},
            animation_duration=0,
        )
        self.legend = w.HTML()
        super().__init__([self.legend])
        self.clear()

    def _make_marks(self, above: dict[str, Any], below: dict[str, Any]) -> None:
        def line(scales: dict[str, Any], colour: str, **style: Any) -> Lines:
            return Lines(x=[], y=[], scales=scales, colors=[colour], **style)

        def dots(scales: dict[str, Any], colour: str, **style: Any) -> Scatter:
            return Scatter(x=[], y=[], scales=scales, colors=[colour], **style)

        self.others = line(above, GREY, stroke_width=1, opacities=[0.55])
        self.beside = line(above, BESIDE, stroke_width=1.25, line_style="dotted", marker="circle")
        self.beside.marker_size = 24
        self.pinned = line(above, PINNED, stroke_width=2, line_style="dashed")
        self.line = line(above, BLUE, stroke_width=2)
        self.groups = dots(above, BLUE, default_size=40)
        self.flagged = {
            name: dots(above, colour, marker=marker, default_size=90, stroke=GREY)
            for name, (colour, marker) in _STYLES.items()
        }
        ring = {"fill": False, "stroke": GREY, "stroke_width": 2, "default_size": 260}
        self.ring = dots(above, GREY, **ring)
        # what is clicked is an unseen, larger mark: a group is a few pixels wide
        unseen = {"opacities": [0.0], "display_names": False, "default_size": 400}
        self.targets = dots(above, BLUE, tooltip=_tip(), **unseen)
        self.zero = line(below, GREY, stroke_width=1)
        self.spread = line(below, GREY, stroke_width=1, line_style="dashed")
        self.rest = dots(below, BLUE, default_size=30)
        self.rest_ring = dots(below, GREY, **ring)
        self.rest_targets = dots(below, BLUE, tooltip=_tip(), **unseen)
        for mark in (self.targets, self.rest_targets):
            mark.on_element_click(self._clicked)

    def _clicked(self, _: Any, content: dict[str, Any]) -> None:
        self._on_click(round(float(content["data"]["x"])) - 1)

    def clear(self) -> None:
        """Show nothing."""
        marks = (self.others, self.beside, self.pinned, self.line, self.groups, self.ring)
        for mark in (*marks, *self.flagged.values(), self.targets):
            put(mark, _NONE, _NONE)
        self._residuals(None, math.nan)
        self.legend.value = ""
        self.children = (self.legend,)

    def draw(self, ramp: DrawnRamp) -> None:
        """Show a ramp in place of the one before; the selection is lifted."""
        i = ramp.integration
        signal, flags = ramp.data[i].astype(float), ramp.flags[i]
        ngroup = len(signal)
        group = np.arange(1.0, ngroup + 1)
        entries: Legend = [("group", BLUE, "circle")]
        rest = _thinned(ramp.data.astype(float), i)
        put(self.others, *_strung(group, rest))
        if len(rest):
            entries.append(("other integrations", GREY, "solid"))
        drawn = [signal, rest.ravel()]
        jump = flags & dq.BITS["JUMP_DET"] != 0
        jumps = {self.line: jump, self.pinned: ramp.pinned_jumps, self.beside: None}
        for mark, values, entry in (
            (self.line, ramp.line, ("fit", BLUE, "solid")),
            (self.pinned, ramp.pinned, ("fit of the pinned run", PINNED, "dashed")),
            (
                self.beside,
                ramp.beside and ramp.beside[0],
                (ramp.beside[1] if ramp.beside else "", BESIDE, "dotted"),
            ),
        ):
            put(mark, *((_NONE, _NONE) if values is None else _pieces(group, values, jumps[mark])))
            if values is not None:
                entries.append(entry)
                drawn.append(values)
        values = np.concatenate(drawn)
        self._ranges(ramp.times, ngroup, values[np.isfinite(values)])
        entries += self._samples(ramp.times, signal, flags)
        self._residuals(ramp.residuals, ramp.scatter)
        self.legend.value = legend_html(entries)
        # a hidden bqplot figure draws itself with a negative size: it is not there until needed
        below = () if ramp.residuals is None else (self.rest_figure,)
        if self.children != (shown := (self.figure, *below, self.legend)):
            self.children = shown
        self.select(None)

    def select(self, group: int | None) -> None:
        """Put a ring around a group, or none."""
        for ring, targets in ((self.ring, self.targets), (self.rest_ring, self.rest_targets)):
            here = np.asarray(targets.x) == (-1 if group is None else group + 1)
            put(ring, np.asarray(targets.x)[here], np.asarray(targets.y)[here])

    def _samples(self, times: Array, signal: Array, flags: Array) -> Legend:
        """Draw the groups, each by its gravest flag, and return what the legend says of them."""
        group = np.arange(1.0, len(signal) + 1)
        finite = np.isfinite(signal)
        left, found = finite, []
        kinds = {name: flags & dq.BITS[name] != 0 for name in _GRAVEST_FIRST}
        for name, has in (*kinds.items(), (_OTHER, flags != 0)):
            at = left & has
            put(self.flagged[name], group[at], signal[at])
            left = left & ~at
            if at.any():
                found.append((FLAG_WORDS.get(name, name), *_STYLES[name]))
        put(self.groups, group[left], signal[left])
        names = [
            f"group {g:.0f} · {t:.4g} s · {v:.6g} DN · {', '.join(dq.names(int(f))) or 'no flag'}"
            for g, t, v, f in zip(group, times, signal, flags, strict=True)
        ]
        put(self.targets, group[finite], signal[finite], names=np.asarray(names)[finite])
        return found

    def _ranges(self, times: Array, ngroup: int, values: Array) -> None:
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        pad = 0.06 * (high - low) or 1.0
        _span(self.y, self.signal_axis, low - pad, high + pad)
        with self.x.hold_sync():
            self.x.min, self.x.max = 0.5, ngroup + 0.5
        stride = max(1, -(-ngroup // 10))
        ticks = np.arange(stride, ngroup + 1, stride, dtype=float)
        labels = {str(int(t)): str(int(t)) for t in ticks}
        for axis in (self.groups_axis, self.rest_groups_axis):
            with axis.hold_sync():
                axis.tick_values, axis.tick_labels = ticks, labels
        self.groups_axis.label = f"group ({times[0]:.4g} s each)" if len(times) else "group"
        size = int(np.clip((320 / max(ngroup, 1)) ** 2, 60, 500))
        for mark in (self.targets, self.rest_targets):
            mark.default_size = size

    def _residuals(self, rest: Array | None, scatter: float) -> None:
        if rest is None:
            for mark in (self.zero, self.spread, self.rest, self.rest_ring, self.rest_targets):
                put(mark, _NONE, _NONE)
            return
        rest = np.asarray(rest, float)
        used = np.isfinite(rest)
        group = np.arange(1.0, len(rest) + 1)
        known = math.isfinite(scatter)
        reach = float(np.max(np.abs(rest[used]), initial=scatter if known else 0.0))
        _span(self.rest_y, self.rest_axis, -1.15 * reach or -1.0, 1.15 * reach or 1.0, about=5)
        ends = np.array([0.5, len(rest) + 0.5])
        put(self.zero, ends, np.zeros(2))
        put(self.spread, *_strung(ends, np.array([[scatter] * 2, [-scatter] * 2])))
        put(self.rest, group[used], rest[used])
        names = [f"group {g:.0f} · {v:+.4g} DN" for g, v in zip(group, rest, strict=True)]
        put(self.rest_targets, group[used], rest[used], names=np.asarray(names)[used])


def _tip() -> Tooltip:
    return Tooltip(fields=["name"], show_labels=False)


def _thinned(data: Array, i: int) -> Array:
    """The other integrations, at most so many of them, evenly taken."""
    rest: Array = np.delete(data, i, axis=0)
    if len(rest) <= _MOST_THIN:
        return rest
    found: Array = rest[np.linspace(0, len(rest) - 1, _MOST_THIN).astype(int)]
    return found


def _strung(x: Array, rows: Array) -> tuple[Array, Array]:
    """Rows of y over the same x as one line with gaps: one mark for all."""
    if not len(rows):
        return _NONE, _NONE
    gap = np.full((len(rows), 1), np.nan)
    y = np.concatenate([rows, gap], axis=1).ravel()
    return np.tile(np.append(x, x[-1]), len(rows)), y


def _pieces(x: Array, y: Array, anew: Array | None) -> tuple[Array, Array]:
    """Line with a gap before each point where it starts anew."""
    if anew is None:
        return x, y
    at = np.flatnonzero(anew[1:]) + 1
    return np.insert(x, at, x[at]), np.insert(y, at, np.nan)


def _span(scale: LinearScale, axis: Axis, low: float, high: float, about: int = 6) -> None:
    """Set the ends of a scale and a few round numbers on its axis."""
    ticks = round_ticks(low, high, about)
    with scale.hold_sync():
        scale.min, scale.max = low, high
    with axis.hold_sync():
        axis.tick_values, axis.tick_format = ticks, "~g" if abs(ticks).max() < 1e6 else ".4~g"
