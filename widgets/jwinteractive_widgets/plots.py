"""Curves and tables on the screen, and the tabs that choose between them.

What is drawn is a plain `views.Plot` or `views.Table`; its data are saved as they are, whatever
the screen shows. Marks are made once and get new data: making them anew takes the browser longer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as w
import numpy as np
import traitlets
from bqplot import Axis, Figure, LinearScale, Lines, Scatter
from bqplot.interacts import BrushIntervalSelector

from jwinteractive.curves import write_table
from jwinteractive.data import Array
from jwinteractive.errors import JwinteractiveError, OutputError, ParamError, suggestion
from jwinteractive.views import Curve, Plot, Table

__all__ = [
    "COLOURS",
    "PLOTS_CSS",
    "PlotTabs",
    "PlotView",
    "TableView",
    "free",
    "put",
    "round_ticks",
    "slug",
    "table_html",
]

STATIC = Path(__file__).parent / "static"
PLOTS_CSS = STATIC / "plots.css"

# told apart with any colour vision; contrast above 3 on white and on JupyterLab's dark grey
COLOURS = ("#1f83d6", "#d55e00", "#009e73", "#c2599a", "#8c6bd1", "#7a7f85", "#b8860b", "#cc6f00")
DASHES = ("solid", "dashed", "dotted", "dash_dotted")
MARKERS = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_DASH_ARRAYS = {"solid": "", "dashed": "6 4", "dotted": "2 3", "dash_dotted": "7 3 2 3"}
_SHAPES = {
    "circle": '<circle cx="6" cy="6" r="4"/>',
    "triangle-up": '<path d="M6 1 L11 11 L1 11 Z"/>',
    "triangle-down": '<path d="M6 11 L11 1 L1 1 Z"/>',
    "square": '<rect x="1.5" y="1.5" width="9" height="9"/>',
    "diamond": '<path d="M6 0 L12 6 L6 12 L0 6 Z"/>',
    "cross": '<path d="M4 0h4v4h4v4H8v4H4V8H0V4h4Z"/>',
}
MARGIN = {"top": 12, "bottom": 42, "left": 76, "right": 18}
MOST_ROWS = 500

HandOver = Callable[..., Any]


def call(function: Callable[..., object], *args: Any) -> None:
    """Call at once: what stands in where no hand-over to the kernel's loop is given."""
    function(*args)


def round_ticks(low: float, high: float, about: int = 6) -> Array:
    """Round numbers between two limits, about as many as asked for."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return np.asarray([low], float)
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(m for m in (1, 2, 5, 10) if rough <= m * power * (1 + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = np.arange(first, last + 1) * step
    return np.asarray([float(f"{t:.12g}") for t in ticks])


def log_ticks(low: float, high: float) -> dict[float, str]:
    """Labels of round numbers by their logarithm, between two logarithms."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    multiples = (1, 2, 5) if high - low < 2.2 else (1,)
    every = max(1, math.ceil((high - low) / 8)) if multiples == (1,) else 1
    found = {
        math.log10(m) + d: f"{m * 10.0**d:g}" for d in decades if d % every == 0 for m in multiples
    }
    return {v: text for v, text in found.items() if low <= v <= high}


def put(mark: Lines | Scatter, x: Array, y: Array, **others: Any) -> None:
    """Set both coordinates in one message: bqplot draws in between otherwise."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    # bqplot puts a label at the last point of a line, and fails where that has no place
    placed = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    end = placed[-1] + 1 if placed.size else 0
    x, y = x[:end], y[:end]
    if not len(x) and not len(mark.x):
        return
    with mark.hold_sync():
        mark.x, mark.y = x, y
        for name, value in others.items():
            setattr(mark, name, value)


def key_entry(word: str, colour: str, shape: str) -> str:
    """HTML of one word of a legend; ``shape`` is a marker or a dash."""
    inside = _SHAPES.get(shape) or (
        f'<line x1="0" x2="24" y1="6" y2="6" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{_DASH_ARRAYS[shape]}"/>'
    )
    width = 12 if shape in _SHAPES else 24
    return (
        f'<span><svg width="{width}" height="12" fill="{colour}" aria-hidden="true">{inside}</svg>'
        f"{escape(word)}</span>"
    )


def legend_html(entries: Sequence[tuple[str, str, str]]) -> str:
    """HTML of a legend from (word, colour, shape)."""
    return f'<div class="jwi-key">{"".join(key_entry(*e) for e in entries)}</div>'


def cell(value: Any) -> str:
    """Text of a table's cell."""
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if math.isfinite(value) else "–"
    return "" if value is None else str(value)


def table_html(columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = "") -> str:
    """HTML of a table; whatever is in it stays text."""

    def entry(value: Any) -> str:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        return f"<td{' class=jwi-number' if number else ''}>{escape(cell(value))}</td>"

    head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
    body = "".join(f"<tr>{''.join(map(entry, row))}</tr>" for row in rows)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<table class="jwi-table">{above}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def table_region(table: Table, label: str = "", most: int | None = None) -> str:
    """HTML of a table that scrolls by itself where it is too wide, up to ``most`` rows.

    ``label`` is what a screen reader calls it; by default its title.
    """
    name = escape(label or table.title, quote=True)
    shown = table_html(table.columns, table.rows[:most], table.title)
    return f'<div class="jwi-scroll" role="region" tabindex="0" aria-label="{name}">{shown}</div>'


def slug(title: str) -> str:
    """Name for a file of something with this title."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "plot"


class _Slot:
    """Marks of one curve: its line, its error bars and its points."""

    def __init__(self, number: int, scales: Mapping[str, LinearScale]) -> None:
        self.colour = COLOURS[number % len(COLOURS)]
        self.dash = DASHES[number % len(DASHES)]
        self.marker = MARKERS[number % len(MARKERS)]
        shared = {"x": [], "y": [], "scales": dict(scales), "colors": [self.colour]}
        self.line = Lines(stroke_width=1.75, line_style=self.dash, **shared)
        self.bars = Lines(stroke_width=1, **shared)
        self.points = Scatter(marker=self.marker, default_size=28, **shared)

    def draw(self, x: Array, y: Array, err: Array | None, style: str, floor: float) -> None:
        """Draw in the coordinates of the screen's axes; ``floor`` ends bars that reach below."""
        none = np.empty(0)
        lined = style != "points"
        put(self.line, *((x, y) if lined else (none, none)))
        good = np.isfinite(x) & np.isfinite(y)
        size = 28 if np.count_nonzero(good) <= 150 else 10
        at = (x[good], y[good]) if not lined else (none, none)
        put(self.points, *at, default_size=size)
        bars_x, bars_y = none, none
        if err is not None and not lined:
            low, high = (np.where(np.isfinite(v), v, floor) for v in (y - err, y + err))
            good &= np.isfinite(err)
            gap = np.full(len(x), np.nan)
            bars_x = np.repeat(x[good], 3)
            bars_y = np.stack([low, high, gap], axis=1)[good].ravel()
        put(self.bars, bars_x, bars_y)

    def clear(self) -> None:
        for mark in (self.line, self.bars, self.points):
            put(mark, np.empty(0), np.empty(0))


class PlotView(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Any `views.Plot` as a bqplot figure that fills its width.

    Attributes
    ----------
    plot
        What is drawn, or None.
    """

    MOST = 8  # curves

    def __init__(
        self,
        *,
        height: str = "300px",
        on_range: Callable[[float, float], None] | None = None,
        hand_over: HandOver | None = None,
    ) -> None:
        """Make an empty plot.

        Parameters
        ----------
        on_range
            Called with the ends of an interval of x that somebody brushed, in units of the axis.
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        self.plot: Plot | None = None
        self.on_range = on_range
        self._hand_over = hand_over or call
        self._told: tuple[float, float] | None = None
        self.x, self.y = LinearScale(min=0.0, max=1.0), LinearScale(min=0.0, max=1.0)
        self.slots = [_Slot(i, {"x": self.x, "y": self.y}) for i in range(self.MOST)]
        self.x_axis = Axis(scale=self.x, grid_lines="none", label_offset="34px")
        self.y_axis = Axis(
            scale=self.y, orientation="vertical", grid_lines="solid", label_offset="58px"
        )
        self.figure = Figure(
            marks=[m for s in self.slots for m in (s.line, s.bars, s.points)],
            axes=[self.x_axis, self.y_axis],
            fig_margin=MARGIN,
            layout={"width": "100%", "height": height, "min_width": "0"},
            animation_duration=0,
        )
        self.brush = BrushIntervalSelector(scale=self.x, color=COLOURS[0])
        self.brush.observe(self._brushed, ["selected", "brushing"])
        self.title, self.legend = w.HTML(), w.HTML()
        super().__init__([self.title, self.figure, self.legend])
        self.add_class("jwi-plots")

    def draw(self, plot: Plot) -> None:
        """Show a plot in place of the one before."""
        self.plot = plot
        self.title.value = f'<span class="jwi-title">{escape(plot.title)}</span>'
        drawn = plot.curves[: self.MOST]
        series = _on_screen(drawn, plot)
        self._axis(self.x, self.x_axis, plot.x_label, plot.log_x, [s[0] for s in series], 0.01)
        spans = [
            v
            for _, y, err in series
            for v in (
                (y,) if err is None else (y, *(e[np.isfinite(e)] for e in (y - err, y + err)))
            )
        ]
        floor = self._axis(self.y, self.y_axis, plot.y_label, plot.log_y, spans, 0.05)
        for slot, curve, (x, y, err) in zip(self.slots, drawn, series, strict=False):
            slot.draw(x, y, err, curve.style, floor)
        for slot in self.slots[len(drawn) :]:
            slot.clear()
        self.legend.value = self._words(plot, drawn)

    def clear(self, words: str = "") -> None:
        """Show nothing but some words."""
        self.plot = None
        for slot in self.slots:
            slot.clear()
        self.title.value = f'<span class="jwi-note">{escape(words)}</span>'
        self.legend.value = ""

    def _words(self, plot: Plot, drawn: Sequence[Curve]) -> str:
        entries = [
            (c.name, s.colour, s.marker if c.style == "points" else s.dash)
            for c, s in zip(drawn, self.slots, strict=False)
        ]
        words = legend_html(entries)
        if len(plot.curves) > len(drawn):
            more = len(plot.curves) - len(drawn)
            words += f'<span class="jwi-note">{more} more curves are in the saved table</span>'
        return words

    def _axis(
        self,
        scale: LinearScale,
        axis: Axis,
        label: str,
        log: bool,
        values: Sequence[Array],
        pad: float,
    ) -> float:
        """Fit an axis to what is drawn along it; returns its lower end."""
        all_of = np.concatenate([np.empty(0), *values])
        all_of = all_of[np.isfinite(all_of)]
        low, high = (float(all_of.min()), float(all_of.max())) if all_of.size else (0.0, 1.0)
        margin = pad * (high - low) or 0.5
        low, high = low - margin, high + margin
        with scale.hold_sync():
            scale.min, scale.max = low, high
        labels = log_ticks(low, high) if log else {}
        ticks = np.asarray(list(labels)) if len(labels) > 1 else round_ticks(low, high)
        named = {
            _js(v): labels.get(float(v), _power(float(v)) if log else f"{v:.12g}") for v in ticks
        }
        before = () if axis.tick_values is None else {_js(v) for v in axis.tick_values}
        shown = {k: text for k, text in (axis.tick_labels or {}).items() if k in before}
        # words first: bqplot gives ticks those that it knows when they come
        axis.tick_labels = shown | named
        with axis.hold_sync():
            axis.tick_values, axis.label = ticks, label
        return low

    def ask_range(self, on: bool = True) -> None:
        """Turn the brush on or off: dragging along x then chooses an interval."""
        if not on:
            self.brush.selected = self._told = None
        self.figure.interaction = self.brush if on else None

    def _brushed(self, _: Any) -> None:
        self._hand_over(self._tell_range)

    def _tell_range(self) -> None:
        chosen = self.brush.selected
        if self.brush.brushing or chosen is None or len(chosen) != 2 or self.on_range is None:
            return
        x0, x1 = sorted(float(v) for v in chosen)
        if self.plot is not None and self.plot.log_x:
            x0, x1 = 10.0**x0, 10.0**x1
        if self._told != (x0, x1):  # the browser says it twice, with and without "brushing"
            self._told = x0, x1
            self.on_range(x0, x1)

    def save_png(self, name: str = "") -> None:
        """Let the browser download a picture; the plot must be on the screen."""
        self.figure.save_png(f"{name or self._name()}.png")

    def save_svg(self, name: str = "") -> None:
        """Let the browser download a drawing; the plot must be on the screen."""
        self.figure.save_svg(f"{name or self._name()}.svg")

    def save_table(self, path: str | Path) -> Path:
        """Write all curves, with their errors, as ECSV or CSV.

        Raises
        ------
        OutputError
            If nothing is drawn, or the file exists or cannot be written.
        """
        if self.plot is None:
            raise OutputError("there is no plot to save: draw one first")
        return write_table(self.plot, path)

    def _name(self) -> str:
        return slug(self.plot.title if self.plot else "")


def _on_screen(drawn: Sequence[Curve], plot: Plot) -> list[tuple[Array, Array, Array | None]]:
    """Coordinates of curves on the screen's linear axes; a logarithmic axis has no error bars."""
    found = []
    # an empty bin is drawn at half of the least count, so that the outline stays closed
    counts = np.concatenate([np.empty(0), *(c.y for c in drawn if c.style == "steps")])
    floor = np.min(counts[counts > 0], initial=np.inf) / 2
    for curve in drawn:
        x, y = np.asarray(curve.x, float), np.asarray(curve.y, float)
        err = None if curve.err is None or curve.style != "points" else np.asarray(curve.err, float)
        if curve.style == "steps":
            x, y = _steps(x, y)
        if plot.log_x:
            x = _log(x, np.nan)
        if plot.log_y:
            y, err = _log(y, floor if curve.style == "steps" else np.nan), None
        found.append((x, y, err))
    return found


def _steps(x: Array, y: Array) -> tuple[Array, Array]:
    """Outline of a histogram whose bins are centred on x."""
    if len(x) < 2:
        edges = np.concatenate([x - 0.5, x + 0.5])
    else:
        middle = (x[1:] + x[:-1]) / 2
        edges = np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])
    return np.repeat(edges, 2)[1:-1], np.repeat(y, 2)


def _log(values: Array, otherwise: float) -> Array:
    good = values > 0  # NaN too: a comparison with NaN is false
    found = np.where(np.isnan(values), np.nan, otherwise)
    found[good] = values[good]
    return np.log10(found)


def _js(value: float) -> str:
    """Write a number as JavaScript does, where it names a property."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)


def _power(value: float) -> str:
    return f"{10.0**value:.3g}"


class TableView(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Any `views.Table` as a table that scrolls.

    Attributes
    ----------
    table
        What is shown, or None.
    """

    def __init__(self) -> None:
        self.table: Table | None = None
        self.html = w.HTML()
        super().__init__([self.html])
        self.add_class("jwi-plots")

    def draw(self, table: Table) -> None:
        """Show a table in place of the one before."""
        self.table = table
        words = table_region(table, most=MOST_ROWS)
        if not table.rows:
            words += '<span class="jwi-note">nothing to list</span>'
        elif len(table.rows) > MOST_ROWS:
            words += f'<span class="jwi-note">the first {MOST_ROWS} of {len(table.rows)} rows; '
            words += "the saved table has all</span>"
        self.html.value = words

    def save_table(self, path: str | Path) -> Path:
        """Write all rows as ECSV or CSV.

        Raises
        ------
        OutputError
            If nothing is shown, or the file exists or cannot be written.
        """
        if self.table is None:
            raise OutputError("there is no table to save: draw one first")
        return write_table(self.table, path)


class TabList(anywidget.AnyWidget):
    """Titles of which one is chosen, for mouse, keyboard and screen reader."""

    _esm = STATIC / "plot-tabs.js"
    titles: Any = traitlets.List([]).tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("plots").tag(sync=True)


Maker = Callable[[], Any]


class PlotTabs(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Plots, tables and widgets behind tabs; only the chosen one is computed and drawn.

    Attributes
    ----------
    chosen
        Title of the tab that is open; "" where there is none.
    on_choose
        Called with the title when somebody opens a tab.
    """

    def __init__(
        self,
        makers: Mapping[str, Maker] | None = None,
        *,
        on_choose: Callable[[str], None] | None = None,
        on_range: Callable[[float, float], None] | None = None,
        hand_over: HandOver | None = None,
        folder: str | Path = ".",
    ) -> None:
        """Make tabs and draw the first.

        Parameters
        ----------
        makers
            By title what makes the plot, table or widget of a tab.
        on_range
            Called with the ends of a brushed interval of x; without it there is no brush.
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        folder
            Where tables are saved to.
        """
        self.on_choose = on_choose
        self.folder = Path(folder)
        self._hand_over = hand_over or call
        self._makers: dict[str, Maker] = {}
        self._drawn = ""  # title of what the body shows
        self.tabs = TabList()
        self.tabs.observe(lambda change: self._hand_over(self._picked, change["new"]), "chosen")
        self.plot_view = PlotView(on_range=on_range, hand_over=hand_over)
        self.table_view = TableView()
        self.body = w.VBox(layout={"min_width": "0"})
        self.png = w.Button(description="PNG", tooltip="Save the picture as PNG")
        self.svg = w.Button(description="SVG", tooltip="Save the picture as SVG")
        self.table = w.Button(
            description="table", tooltip="Save the data as a table with units (ECSV)"
        )
        self.range = w.ToggleButton(
            value=False,
            description="choose a range",
            tooltip="Drag along the x axis to choose an interval",
        )
        self.status = w.HTML()
        self.png.on_click(lambda _: self._hand_over(self._save, "png"))
        self.svg.on_click(lambda _: self._hand_over(self._save, "svg"))
        self.table.on_click(lambda _: self._hand_over(self._save, "table"))
        self.range.observe(
            lambda change: self._hand_over(self.plot_view.ask_range, change["new"]), "value"
        )
        buttons = [self.png, self.svg, self.table, *([self.range] if on_range else [])]
        bar = w.HBox([w.HTML('<span class="jwi-note">save</span>'), *buttons, self.status])
        bar.add_class("jwi-bar")
        super().__init__([self.tabs, self.body, bar])
        self.add_class("jwi-plots")
        self.offer(makers or {})

    @property
    def chosen(self) -> str:
        """Title of the tab that is open."""
        return str(self.tabs.chosen)

    def offer(self, makers: Mapping[str, Maker]) -> None:
        """Replace the tabs; the open one stays open if it is still there."""
        self._makers = dict(makers)
        now = self.chosen if self.chosen in self._makers else next(iter(self._makers), "")
        self._drawn = now
        with self.tabs.hold_sync():
            self.tabs.titles, self.tabs.chosen = list(self._makers), now
        self.refresh()

    def choose(self, title: str) -> None:
        """Open a tab; ``on_choose`` is not called.

        Raises
        ------
        ParamError
            If there is no tab of this title.
        """
        if title not in self._makers:
            raise ParamError(f"no plot {title!r}: {suggestion(title, self._makers)}")
        if self._drawn != title:
            self._drawn = title
            self.tabs.chosen = title
            self.refresh()

    def _picked(self, title: str) -> None:
        if title not in self._makers or self._drawn == title:
            return
        self.refresh()
        if self.on_choose is not None:
            self.on_choose(title)

    def refresh(self) -> None:
        """Make and draw the open tab again."""
        title = self.chosen
        self._drawn = title
        self.status.value = ""
        if title not in self._makers:
            self._show(w.HTML('<span class="jwi-note">nothing to plot here</span>'))
            return
        try:
            made = self._makers[title]()
            if isinstance(made, Plot):
                self.plot_view.draw(made)
                made = self.plot_view
            elif isinstance(made, Table):
                self.table_view.draw(made)
                made = self.table_view
        except JwinteractiveError as error:
            made = w.HTML(f'<div class="jwi-error" role="alert">{escape(str(error))}</div>')
        self._show(made)

    def _show(self, widget: Any) -> None:
        if self.body.children != (widget,):
            self.body.children = [widget]
        for button, name in ((self.png, "png"), (self.svg, "svg"), (self.table, "table")):
            button.disabled = not hasattr(widget, f"save_{name}")
        self.range.disabled = widget is not self.plot_view

    def _save(self, kind: str) -> None:
        (shown,) = self.body.children
        name = slug(self.chosen)
        try:
            if kind == "png":
                shown.save_png(name)
            elif kind == "svg":
                shown.save_svg(name)
            else:
                path = shown.save_table(free(self.folder / f"{name}.ecsv"))
                self._say(f"saved {path}")
        except JwinteractiveError as error:
            self._say(str(error))

    def _say(self, words: str) -> None:
        self.status.value = f'<span class="jwi-note" role="status">{escape(words)}</span>'


def free(path: Path) -> Path:
    """Path that does not exist yet: the same with a number, if need be."""
    number = 2
    found = path
    while found.exists():
        found = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return found
