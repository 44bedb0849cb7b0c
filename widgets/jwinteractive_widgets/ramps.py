"""The picked pixel up its ramp: groups, flags, fitted line, residuals, and what a flag does."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w
import numpy as np

from jwinteractive import dq
from jwinteractive.curves import ramp_table, write_table
from jwinteractive.data import Array, Box
from jwinteractive.errors import JwinteractiveError, OutputError
from jwinteractive.pixel import PixelFit, PixelHistory, chi2_words, value_words
from jwinteractive_widgets.plots import HandOver, call, table_html
from jwinteractive_widgets.ramp_figure import FLAG_WORDS, DrawnRamp, RampFigure

__all__ = ["RampInspector"]

BY_HAND = ("JUMP_DET", "DO_NOT_USE")  # flags of a group that a person may set and clear
_MOST_GROUPS = 4  # rows of single groups in the table

Change = tuple[int, str, bool]
Refit = Callable[[int, int, int, tuple[Change, ...]], tuple[float, float] | None]
OnFlag = Callable[[int, int, str, bool], None]
Stage = tuple[str, Array, Array]


class RampInspector(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Ramp of a pixel, or the mean of a box, with the line that was fitted to it.

    Attributes
    ----------
    history
        What is drawn, or None.
    group
        Selected group, from 0, or None.
    """

    def __init__(
        self,
        *,
        on_flag: OnFlag | None = None,
        refit: Refit | None = None,
        hand_over: HandOver | None = None,
        below: Sequence[w.Widget] = (),
    ) -> None:
        """Make an empty inspector.

        Parameters
        ----------
        on_flag
            Called with (integration, group, name of the flag, whether it is now to be set) when
            somebody flags or unflags a group; without it groups can only be selected.
        refit
            Gives (rate, error) in DN/s of pixel (y, x) if some flags of one integration were
            changed: (group, name, whether it is set) each; None while it is not known, until
            `refitted` is called. Without it there is no table of what a flag does.
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        below
            More to show of the pixel, below its ramp.
        """
        self.on_flag, self.refit = on_flag, refit
        self._hand_over = hand_over or call
        self.history: PixelHistory | None = None
        self.group: int | None = None
        self._step, self._integration = "", 0
        self._box: Box | None = None
        self._pinned: PixelHistory | None = None
        self._asked_group: int | None = None
        self._clicked: list[tuple[int, int]] = []
        self._refits: dict[tuple[Any, ...], tuple[float, float]] = {}
        self._filling = False
        self.plot = RampFigure(lambda group: self._hand_over(self._click, group))
        self.title, self.group_text, self.text, self.table = (w.HTML() for _ in range(4))
        self._make_controls()
        parts = [self.title, self.text, self.choices, self.plot, self.buttons, self.group_text]
        super().__init__([*parts, self.table, *below])
        self.add_class("jwi-plots")
        self.add_class("jwi-ramp")
        self.clear()

    def _make_controls(self) -> None:
        self.which = w.Dropdown(
            options=[("as in the frame", "")],
            description="ramp",
            tooltip="After which step the ramp is shown",
        )
        self.other = w.Dropdown(
            options=[("nothing", "")],
            description="beside",
            tooltip="A second ramp beside it, shifted so that the first groups meet",
        )
        for choice in (self.which, self.other):
            choice.observe(self._chosen, "value")
        self.previous = w.Button(description="previous group", tooltip="previous group")
        self.next = w.Button(description="next group", tooltip="next group")
        for button, way in ((self.previous, "back"), (self.next, "on")):
            button.add_class(f"jwi-{way}")
        self.flag = w.Dropdown(
            options=[(FLAG_WORDS[n], n) for n in BY_HAND],
            description="flag",
            tooltip="The flag that a click on a group sets or clears",
        )
        self.toggle = w.Button(description="flag", tooltip="Flag or unflag the selected group")
        self.previous.on_click(lambda _: self._hand_over(self._move, -1))
        self.next.on_click(lambda _: self._hand_over(self._move, 1))
        self.toggle.on_click(lambda _: self._hand_over(self._toggle))
        self.flag.observe(lambda _: self._hand_over(self._show_group), "value")
        self.choices = w.HBox([self.which, self.other])
        self.buttons = w.HBox([self.previous, self.next, self.flag, self.toggle])
        for bar in (self.choices, self.buttons):
            bar.add_class("jwi-bar")

    # -- what is drawn ------------------------------------------------------------------------

    def clear(self) -> None:
        """Say how to pick a pixel."""
        self.history, self.group = None, None
        self.title.value = '<span class="jwi-title">Up the ramp</span>'
        self.text.value = (
            '<span class="jwi-quiet">Click a pixel of the frame, or focus it and use the arrow '
            "keys: its groups, fitted line and rate stand here, and follow every parameter.</span>"
        )
        self._no_ramp()

    def _no_ramp(self) -> None:
        self.plot.clear()
        self.group_text.value = self.table.value = ""
        self.buttons.layout.display = self.choices.layout.display = "none"

    def draw(
        self,
        history: PixelHistory,
        *,
        step: str,
        integration: int,
        group: int | None = None,
        box: Box | None = None,
        pinned: PixelHistory | None = None,
    ) -> None:
        """Show a pixel as it is after ``step``.

        Parameters
        ----------
        history
            What ``session.inspect(y, x)`` gives.
        step
            A step that gives no ramp shows the ramp that it was computed from, with the fit. A
            ramp that somebody chose here stays.
        integration
            The one that is drawn strongly, from 0.
        group
            The one that is selected, from 0 or, as -1, the last; None leaves the selection.
        box
            Where the history is the mean of a box; its groups cannot be flagged.
        pinned
            Another history of the pixel, whose line is drawn dashed.
        """
        before = self.history
        if before is None or (before.y, before.x, self._box) != (history.y, history.x, box):
            self._clicked, self.group, self._asked_group = [], None, None
            self.table.value = ""
        if group is not None and group != self._asked_group:
            self._asked_group = self.group = group
        self.history, self._step, self._integration = history, step, integration
        self._box, self._pinned = box, pinned
        self._refits = {}
        self._offer(self._ramps())
        self._redraw()

    def _ramps(self) -> list[Stage]:
        steps = self.history.steps if self.history else ()
        return [
            (s.step, s.data, s.groupdq)
            for s in steps
            if s.data is not None and s.groupdq is not None
        ]

    def _offer(self, ramps: Sequence[Stage]) -> None:
        """Offer the ramps that there are; what was chosen stays if it can."""
        stages = [(_where(name), name) for name, _, _ in ramps]
        self._filling = True
        try:
            for choice, first in ((self.which, "as in the frame"), (self.other, "nothing")):
                options = ((first, ""), *stages)
                if tuple(choice.options) != options:
                    kept = choice.value if choice.value in [name for _, name in stages] else ""
                    choice.options = options
                    choice.value = kept
        finally:
            self._filling = False

    def _chosen(self, _: Any) -> None:
        if not self._filling:
            self._hand_over(self._redraw)

    def _redraw(self) -> None:
        if self.history is None:
            return
        ramps = self._ramps()
        title = f"Up the ramp at {self._place}"
        if not ramps:
            self._no_ramp()
            self._say(title, "no ramp in this file", _combined(self.history))
            return
        name, data, flags = self._shown(ramps)
        i = self._at(data)
        fit = self._fit_of(name)
        where = _where(name)
        if len(data) > 1:
            where += f", integration {i + 1} of {len(data)}"
        if fit is None and self.history.fit is not None:
            where += f"; the line is fitted after {ramps[-1][0]}"
        pinned = self._pinned.fit if self._pinned else None
        fits = fit is not None and pinned is not None and pinned.line.shape == data.shape
        drawn = DrawnRamp(
            times=self.history.times,
            data=data,
            flags=flags,
            integration=i,
            line=None if fit is None else fit.line[i],
            residuals=None if fit is None else fit.residuals[i],
            scatter=math.nan if fit is None else _scatter(fit, flags),
            pinned=pinned.line[i] if fits and pinned is not None else None,
            pinned_jumps=_jumps(self._pinned, i),
            beside=self._beside(data[i], i),
        )
        self.buttons.layout.display = self.choices.layout.display = ""
        for control in (self.flag, self.toggle):
            control.layout.display = "" if self.on_flag and self._box is None else "none"
        self.plot.draw(drawn)
        self._select(self.group)
        self._say(title, where, *self._rates(i), _counted(flags[i]))
        self._show_group()

    @property
    def _place(self) -> str:
        assert self.history is not None  # asked for where something is drawn
        if self._box is None or self._box.shape == (1, 1):
            return f"x {self.history.x}, y {self.history.y}"
        b = self._box
        return f"mean of x {b.x0} to {b.x1 - 1}, y {b.y0} to {b.y1 - 1}"

    def _shown(self, ramps: Sequence[Stage]) -> Stage:
        wanted = self.which.value or self._step
        return next((r for r in ramps if r[0] == wanted), ramps[-1])

    def _at(self, data: Array) -> int:
        return min(self._integration, len(data) - 1) % len(data)

    def _fit_of(self, name: str) -> PixelFit | None:
        """Return the fit if it was made to the ramp after this step: the last one."""
        if self.history is None or name != self._ramps()[-1][0]:
            return None
        return self.history.fit

    def _beside(self, signal: Array, i: int) -> tuple[Array, str] | None:
        """Second ramp, shifted to meet the first at its first group, and words for the legend."""
        for name, data, _ in self._ramps():
            if name == self.other.value and i < len(data) and data.shape[1] == len(signal):
                gap = signal.astype(float) - data[i]
                known = gap[np.isfinite(gap)]
                shift = float(known[0]) if known.size else 0.0
                return data[i] + shift, f"{_where(name)}, shifted by {shift:+.5g} DN"
        return None

    # -- words --------------------------------------------------------------------------------

    def _say(self, title: str, where: str, *facts: str) -> None:
        self.title.value = (
            f'<span class="jwi-title">{escape(title)}</span> '
            f'<span class="jwi-quiet">{escape(where)}</span>'
        )
        first, *more = [escape(fact) for fact in facts if fact] or [""]
        text = " · ".join([f"<strong>{first}</strong>", *more])
        self.text.value = f'<span class="jwi-ramp-text" role="status">{text}</span>'

    def _rates(self, i: int) -> list[str]:
        """Slope in this integration, combined, of the pinned run, and the scatter of the groups."""
        assert self.history is not None  # asked for by `_redraw` alone
        fit, found = self.history.fit, []
        if fit is not None and len(fit.rate) > 1:
            rate = float(fit.rate[min(i, len(fit.rate) - 1)])
            err = _error_of_integration(self.history, i)
            found.append(f"slope in integration {i + 1}: {_measured(rate, err)}")
        found.append(_combined(self.history))
        if self._pinned is not None:
            found.append(f"pinned: {_combined(self._pinned)}")
        if fit is not None:
            scatter = _scatter(fit, self._ramps()[-1][2])
            if math.isfinite(scatter):
                found.append(f"residuals scatter by {scatter:.3g} DN (dashed)")
        return found

    # -- one group ----------------------------------------------------------------------------

    def _select(self, group: int | None) -> None:
        ramps = self._ramps()
        n = ramps[-1][1].shape[1] if ramps else 0
        self.group = None if group is None or not n else max(-n, min(group, n - 1)) % n
        self.plot.select(self.group)

    def _move(self, by: int) -> None:
        ramps = self._ramps()
        if ramps:
            n = ramps[-1][1].shape[1]
            self._select((self.group + by) % n if self.group is not None else min(by, 0) % n)
            self._show_group()

    def _click(self, group: int) -> None:
        self._select(group)
        self._show_group()
        self._toggle()

    def _toggle(self) -> None:
        """Set or clear the chosen flag of the selected group; whoever is told draws again."""
        ramps = self._ramps()
        if self.group is None or not ramps or self.on_flag is None or self._box is not None:
            return
        flags = ramps[-1][2]
        at = (self._at(flags), self.group)
        self._clicked = [*(c for c in self._clicked if c != at), at]
        flagged = bool(flags[at] & dq.BITS[self.flag.value])
        self.on_flag(*at, self.flag.value, not flagged)

    def _show_group(self) -> None:
        """Say what the selected group is, and what flags do to the slope."""
        ramps = self._ramps()
        if not ramps or self.history is None:
            return
        flags = ramps[-1][2]
        i = self._at(flags)
        rows: list[tuple[Any, ...]] = []
        words, effect = "", ""
        known = True
        if self.refit is not None and self._box is None:
            try:
                found = self._effects(self.refit, i, flags[i])
            except JwinteractiveError as error:
                effect = str(error)
            else:
                known = found is not None
                rows, effect = found or ([], "")
        self.toggle.disabled = self.group is None
        if self.group is not None:
            has = bool(flags[i, self.group] & dq.BITS[self.flag.value])
            self.toggle.description = "unflag" if has else "flag"
            names = ", ".join(dq.names(int(flags[i, self.group]))) or "no flag"
            words = f"group {self.group + 1} ({self.history.times[self.group]:.4g} s): {names}"
        text = " · ".join(t for t in (words, effect) if t)
        self.group_text.value = f'<span class="jwi-ramp-group" role="status">{escape(text)}</span>'
        columns = ("flags", "slope (DN/s)", "change", "sigma")
        html = f'<div class="jwi-scroll" tabindex="0">{table_html(columns, rows)}</div>'
        if known:
            self.table.value = html if rows else ""

    def refitted(self) -> None:
        """Show what flags do to the slope: ``refit`` now knows more."""
        self._show_group()

    def _effects(
        self, refit: Refit, i: int, flags: Array
    ) -> tuple[list[tuple[Any, ...]], str] | None:
        """Rows of the table of slopes and a sentence on the selected group; None: not known yet."""
        assert self.history is not None  # asked for by `_show_group` alone
        y, x = self.history.y, self.history.x

        cases = self._cases(i, flags)
        for wanted in ((), *(changes for _, _, changes in cases)):
            if (i, wanted) not in self._refits and (found := refit(y, x, i, wanted)) is not None:
                self._refits[i, wanted] = float(found[0]), float(found[1])
        if any((i, wanted) not in self._refits for wanted in ((), *(c for _, _, c in cases))):
            return None
        rate, err = self._refits[i, ()]
        rows: list[tuple[Any, ...]] = [("as they are", value_words(rate, err), "", "")]
        sentence = ""
        for words, group, changes in cases:
            new, new_err = self._refits[i, changes]
            change = new - rate
            sigma = change / err if err > 0 else math.nan
            by = f"{change:+.2g}" if math.isfinite(change) else "–"
            in_sigma = f"{sigma:+.1f}" if math.isfinite(sigma) else "–"
            rows.append((words, value_words(new, new_err), by, in_sigma))
            if group is not None and group == self.group:
                how = "with" if changes[0][2] else "without"
                sentence = (
                    f"slope {value_words(rate, err)}, {how} this flag {value_words(new, new_err)}, "
                    f"change {in_sigma} sigma"
                )
        return rows, sentence

    def _cases(self, i: int, flags: Array) -> list[tuple[str, int | None, tuple[Change, ...]]]:
        """Changes of flags to try: all of a kind taken off, and each clicked group turned."""
        off = {
            name: tuple((int(g), name, False) for g in np.flatnonzero(flags & dq.BITS[name]))
            for name in BY_HAND
        }
        present = {name: changes for name, changes in off.items() if changes}
        cases: list[tuple[str, int | None, tuple[Change, ...]]] = [
            (f"without {name}", None, changes) for name, changes in present.items()
        ]
        if len(present) > 1:
            cases.append(("without both", None, sum(present.values(), ())))
        name = self.flag.value
        clicked = [g for at, g in self._clicked if at == i and g < len(flags) and g != self.group]
        chosen = [] if self.group is None else [self.group]
        for g in [*clicked[1 - _MOST_GROUPS :], *chosen]:
            has = bool(flags[g] & dq.BITS[name])
            words = f"group {g + 1} {'without' if has else 'with'} {name}"
            cases.append((words, g, ((g, name, not has),)))
        return cases

    # -- taking it home -----------------------------------------------------------------------

    def save_png(self, name: str = "ramp") -> None:
        """Let the browser download pictures of the ramp and, where there is a fit, residuals."""
        self.plot.figure.save_png(f"{name}.png")
        if len(self.plot.rest.x):
            self.plot.rest_figure.save_png(f"{name}-residuals.png")

    def save_svg(self, name: str = "ramp") -> None:
        """Let the browser download drawings of the ramp and, where there is a fit, residuals."""
        self.plot.figure.save_svg(f"{name}.svg")
        if len(self.plot.rest.x):
            self.plot.rest_figure.save_svg(f"{name}-residuals.svg")

    def save_table(self, path: str | Path) -> Path:
        """Write every group of every integration of the ramp that is shown, as ECSV or CSV.

        Raises
        ------
        OutputError
            If no ramp is drawn, or the file exists or cannot be written.
        """
        ramps = self._ramps()
        if self.history is None or not ramps:
            raise OutputError("there is no ramp to save: pick a pixel first")
        name, data, flags = self._shown(ramps)
        fit = self._fit_of(name)
        lines = (None, None) if fit is None else (fit.line, fit.residuals)
        title = f"{self._place} {_where(name)}"
        return write_table(ramp_table(title, self.history.times, data, flags, *lines), path)


def _where(step: str) -> str:
    return "as read" if step == "input" else f"after {step}"


def _jumps(history: PixelHistory | None, i: int) -> Array | None:
    """Where the last ramp of a history has a jump, in one integration."""
    flags = [s.groupdq for s in (history.steps if history else ()) if s.groupdq is not None]
    return flags[-1][i] & dq.BITS["JUMP_DET"] != 0 if flags and i < len(flags[-1]) else None


def _scatter(fit: PixelFit, flags: Array) -> float:
    """Standard deviation of the residuals of all integrations in DN.

    One slope, and one level for each piece between jumps, were taken from each integration.
    """
    used = np.isfinite(fit.residuals)
    pieces = np.cumsum(flags & dq.JUMP_DET != 0, axis=1)
    levels = sum(len(np.unique(p[u])) for p, u in zip(pieces, used, strict=True))
    free = int(used.sum()) - levels - int(used.any(axis=1).sum())
    return math.sqrt(float(np.nansum(fit.residuals**2)) / free) if free > 0 else math.nan


def _error_of_integration(history: PixelHistory, i: int) -> float:
    """Error of the slope in one integration in DN/s; NaN where the history does not tell."""
    for s in reversed(history.steps):
        errors = s.err_per_integration
        if errors is not None and i < len(errors):
            return float(errors[i])
    return math.nan


def _measured(rate: float, err: float) -> str:
    if not math.isfinite(rate):
        return "none"
    return f"{value_words(rate, err)} DN/s"


def _combined(history: PixelHistory) -> str:
    """Rate and error of the last step that knows them, with the flags of the pixel."""
    for s in reversed(history.steps):
        if s.rate is not None:
            names = ", ".join(dq.names(s.pixeldq))
            err = math.nan if s.err is None else s.err
            facts = (f"rate {_measured(s.rate, err)}", chi2_words(s.chi2, s.dof), names)
            return " · ".join(filter(None, facts))
    return ""


def _counted(flags: Array) -> str:
    counts = {FLAG_WORDS[k]: int(np.count_nonzero(flags & dq.BITS[k])) for k in FLAG_WORDS}
    found = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
    return f"groups flagged: {found}" if found else "no group flagged"
