"""The spectrum of the chosen aperture: it follows the drag, is laid over others and measured."""

from __future__ import annotations

import dataclasses as dc
import threading
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w
import numpy as np

from jwinteractive.curves import write_table
from jwinteractive.data import Array, Cube, SpectrumSet
from jwinteractive.errors import JwinteractiveError, OutputError
from jwinteractive.scene import Picture
from jwinteractive.session import Session
from jwinteractive.spectral import (
    axis_of,
    axis_words,
    compared,
    drift_in,
    light_curve,
    planes_between,
    read_out,
    sides_of,
    spaxel_spectrum,
    spaxel_waves,
    spectra_plot,
)
from jwinteractive.views import PLANE_TITLES, Curve, Plot, Table
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.canvas import Canvas
from jwinteractive_widgets.plots import COLOURS, table_region
from jwinteractive_widgets.spectrum_bar import NOTHING, bar_items
from jwinteractive_widgets.spectrum_view import Series, SpectrumView

__all__ = ["STEP", "SpectrumPanel"]

STEP = "extract_1d"
PINNED = COLOURS[4]
KEPT = (COLOURS[2], COLOURS[3], COLOURS[6], COLOURS[1], COLOURS[5])
_DASHES = ("dashed", "dotted", "dash_dotted")


@dc.dataclass(frozen=True)
class Kept:
    """A spectrum that stays as it was: what is drawn now is laid over it."""

    id: str
    name: str
    curve: Curve
    axes: tuple[str, str]
    round: int
    colour: str
    dash: Any


class SpectrumPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The present spectrum with its errors, those that were kept, and what is measured in them.

    Attributes
    ----------
    plot
        What is drawn of the present settings, or None.
    kept
        Spectra that were kept to compare with.
    chosen
        Range of the axis that somebody chose, or None.
    measured
        What was read off in it, or None.
    view
        Where they are drawn.
    """

    def __init__(self, session: Session, background: Background, canvas: Canvas) -> None:
        self.session, self._background, self._canvas = session, background, canvas
        self.plot: Plot | None = None
        self.kept: tuple[Kept, ...] = ()
        self.chosen: tuple[float, float] | None = None
        self.measured: Table | None = None
        self.shows = "spectrum"
        self.below = NOTHING
        self._spectra: SpectrumSet | None = None  # the newest that was seen
        self._drift: Array | None = None  # of its trace, by integration
        self._pinned: Plot | None = None
        self._rounds = 0
        self._open = self._writing = False
        hand_over = background.hand_over
        self.bar = Actions(on_do=self._do, hand_over=hand_over, label="Spectrum")
        self.view = SpectrumView(
            on_range=self._choose,
            on_remove=self._remove,
            on_click=self._go_to_plane,
            hand_over=hand_over,
        )
        self.text, self.table = w.HTML(), w.HTML()
        super().__init__([self.bar, self.view, self.table, self.text])
        self.add_class("jwi-spectra")

    def follow(self) -> SpectrumPanel:
        """Draw what the frame shows now."""
        self._open = True
        picture = self._canvas.picture
        if picture is not None:
            self._take(picture)
        self._draw()
        return self

    def refresh(self) -> None:
        """Follow what is looked at: another integration, another spaxel."""
        if self._open:
            self.follow()

    def hide(self) -> None:
        """Stop following; it is not on the screen."""
        self._open = False

    def save_png(self, name: str) -> None:
        """Let the browser save the picture."""
        self.view.save_png(name)

    def save_table(self, path: str | Path) -> Path:
        """Write all curves with their errors as ECSV or CSV.

        Raises
        ------
        OutputError
            If nothing is drawn, or the file exists or cannot be written.
        """
        if self.plot is None:
            raise OutputError("there is no spectrum to save: extract one first")
        named = tuple(dc.replace(k.curve, name=k.name) for k in self._alike())
        return write_table(dc.replace(self.plot, curves=(*self.plot.curves, *named)), path)

    # -- what is drawn ------------------------------------------------------------------------

    def _take(self, picture: Picture) -> None:
        product = picture.shown.after
        if isinstance(product, SpectrumSet):
            self._spectra, self._drift = product, drift_in(picture.shown.model)
            other = picture.other.product if picture.other is not None else None
            pinned = other if isinstance(other, SpectrumSet) else None
            self._pinned = None if pinned is None else spectra_plot(pinned, self._integration)

    @property
    def _integration(self) -> int:
        return self.session.look.integration

    @property
    def cube(self) -> Cube | None:
        """The cube whose spaxels are picked, or None."""
        picture = self._canvas.picture
        shown = () if picture is None else (picture.shown.before, picture.shown.after)
        found = [p for p in (*shown, self.session.input()) if isinstance(p, Cube)]
        return found[0] if found else None

    def _offered(self) -> list[str]:
        """What there is to show."""
        offered = ["spectrum"]
        if self._spectra is not None and len(self._spectra.flux) > 1:
            offered.append("light curve")
        if self.cube is not None:
            offered.append("spaxel")
        return offered

    def _made(self) -> Plot | None:
        """The plot that is asked for; None where there is nothing yet."""
        cube, pick = self.cube, self.session.look.pick
        if cube is not None and self._is_spaxel:
            return None if pick is None else spaxel_spectrum(cube, *pick)
        if self._spectra is None:
            return None
        if self._is_series and len(self._spectra.flux) > 1:
            return light_curve(self._spectra, self.chosen, drift=self._drift)
        return spectra_plot(self._spectra, self._integration)

    def _draw(self, words: str = "") -> None:
        notes = [] if self._spectra is None else list(self._spectra.notes)
        try:
            self.plot = self._made()
        except JwinteractiveError as error:
            self.plot, words = None, str(error)
        self._show_bar()
        self._measure()
        self.view.marker = self._plane_in_view()
        if self.plot is None:
            self.view.empty = self._why_nothing()
            self.view.show(())
            self._say([words] if words else [])
            return
        series, label = self._all_series(self.plot, notes)
        x, y = axis_words(self.plot.x_label), axis_words(self.plot.y_label)
        self.view.label = f"{self.plot.title}: {self.plot.y_label} against {self.plot.x_label}"
        self.view.show(series, x=x, y=y, below=label)
        away = len(self.kept) - len(self._alike())
        if away:
            notes.append(f"{away} kept spectra have other axes and are not drawn")
        if self._is_series:
            notes.insert(0, self.plot.title)
        self._say([words] * bool(words) + notes)

    @property
    def _is_series(self) -> bool:
        return self.shows == "light curve"

    def _plane_in_view(self) -> float | None:
        """Place along the axis of the plane that the frame shows, or None."""
        cube, picture = self.cube, self._canvas.picture
        plane = picture is not None and picture.frame.title in PLANE_TITLES
        if cube is None or not plane or self._is_series:
            return None
        axis = axis_of(cube)
        return float(axis[min(self.session.look.plane, len(axis) - 1)])

    def _go_to_plane(self, x: float) -> None:
        cube = self.cube
        if cube is not None and not self._is_series:
            away = np.abs(axis_of(cube) - x)
            if np.isfinite(away).any():
                self.session.see(plane=int(np.nanargmin(away)))

    def _measure(self) -> None:
        """Read off what lies in the chosen range."""
        chosen = None if self._is_series else self.chosen
        self.measured = None if chosen is None or self.plot is None else read_out(self.plot, chosen)
        self.view.sides = [] if chosen is None else [list(side) for side in sides_of(chosen)]
        words = ""
        if self.measured is not None:
            table = self.measured
            words = table_region(table, f"read off {table.title}")
        self.table.value = words

    def _all_series(self, plot: Plot, notes: list[str]) -> tuple[list[Series], str]:
        """What is drawn, the present on top, and the label of the panel below."""
        series = [
            _series(c, c.name, COLOURS[i % len(COLOURS)], id=f"present {i}")
            for i, c in enumerate(plot.curves)
        ]
        if self._is_spaxel:
            return self._with_waves(plot, series, notes)
        other: Plot | None = None
        pinned = self._pinned
        if pinned is not None and _axes(pinned) == _axes(plot):
            other = pinned
            series += [
                _series(c, f"pinned: {c.name}", PINNED, dash="dashed", id=f"pinned {i}")
                for i, c in enumerate(pinned.curves)
            ]
        kept = self._alike()
        series += [
            _series(k.curve, k.name, k.colour, dash=k.dash, id=k.id, removable=True) for k in kept
        ]
        if other is None and kept:
            last = max(k.round for k in kept)
            curves = tuple(k.curve for k in kept if k.round == last)
            other = dc.replace(plot, curves=curves)
        if other is None or self.below == NOTHING:
            return series, ""
        try:
            found = compared(plot, other, self.below)
        except JwinteractiveError as error:
            notes.append(str(error))
            return series, ""
        series += [
            _series(c, "", COLOURS[i % len(COLOURS)], below=True, id=f"below {i}")
            for i, c in enumerate(found.curves)
        ]
        return series, {"difference in errors": "in errors"}.get(self.below, self.below)

    @property
    def _is_spaxel(self) -> bool:
        return self.cube is not None and (self.shows == "spaxel" or self._spectra is None)

    def _with_waves(
        self, plot: Plot, series: list[Series], notes: list[str]
    ) -> tuple[list[Series], str]:
        """A spaxel, those that were kept, and below it the waves that resampling left in it."""
        series += [
            _series(k.curve, k.name, k.colour, dash=k.dash, id=k.id, removable=True)
            for k in self._alike()
        ]
        spectra = self._spectra
        reference = None
        if spectra is not None and spectra.flux.shape[2] == len(plot.curves[0].y):
            reference = spectra.flux[0, 0]
        try:
            waves, words = spaxel_waves(plot, reference)
        except JwinteractiveError as error:
            notes.append(str(error))
            return series, ""
        notes.insert(0, words)
        series.append(_series(waves.curves[0], "", COLOURS[0], below=True, id="waves"))
        return series, "waves"

    def _alike(self) -> list[Kept]:
        """Kept spectra over the axes of the present one."""
        plot = self.plot
        return [] if plot is None else [k for k in self.kept if k.axes == _axes(plot)]

    def _why_nothing(self) -> str:
        if self._is_spaxel:
            return "click a spaxel in the frame"
        return "no spectrum yet: it is extracted, or the step does not run"

    def _show_bar(self) -> None:
        offered = self._offered()
        if self.shows not in offered:
            self.shows = offered[0]
        items = bar_items(
            shows=self.shows,
            offered=offered,
            drawn=self.plot is not None,
            ranging=self.view.tool == "range",
            log=self.view.log_y,
            noise=self.view.signal_to_noise,
            below=self.below,
            comparable=not self._is_spaxel and bool(self._alike() or self._pinned is not None),
            product=self._spectra is not None and STEP in self.session.recipe,
            writing=self._writing,
            collapsible=self.cube is not None and self.chosen is not None,
            collapsed=self.cube is not None and self.session.look.planes is not None,
        )
        self.bar.show(items)

    def _say(self, lines: list[str]) -> None:
        words = "".join(f'<div class="jwi-note">{escape(line)}</div>' for line in lines if line)
        self.text.value = f'<div role="status">{words}</div>' if words else ""

    # -- what a person does -------------------------------------------------------------------

    def _do(self, act: str, value: Any = None) -> None:
        match act:
            case "keep":
                self._keep()
            case "range":
                self.view.tool = "range" if value else "pan"
            case "log":
                self.view.log_y = bool(value)
            case "snr":
                self.view.signal_to_noise = bool(value)
            case "shows":
                self.shows = str(value)
            case "below":
                self.below = str(value)
            case "collapse":
                self._collapse()
            case "all-planes":
                self.session.see(planes=None)
            case "x1d":
                self._write()
                return
        self._draw()

    def _write(self) -> None:
        """Write the official product, on a worker: the steps before it may take long."""
        session, exposure = self.session, self.session.active
        self._writing = True
        self._draw("writing the product ...")

        def work(_: threading.Event) -> list[Path]:
            return session.write(".", STEP, exposure)

        def done(paths: list[Path]) -> None:
            self._writing = False
            self._draw(f"saved {', '.join(map(str, paths))}")

        def failed(error: BaseException) -> None:
            self._writing = False
            self._draw(str(error))
            if not isinstance(error, JwinteractiveError):
                raise error

        self._background.submit(work, done, failed, "files")

    def _keep(self) -> None:
        plot = self.plot
        if plot is None:
            return
        self._rounds += 1
        how = self._how()
        taken = {k.colour for k in self.kept}
        for i, curve in enumerate(plot.curves):
            free = [c for c in KEPT if c not in taken] or list(KEPT)
            taken.add(free[0])
            one = Kept(
                id=f"kept {self._rounds}.{i}",
                name=f"kept {self._rounds}: {curve.name}{how}",
                curve=curve,
                axes=_axes(plot),
                round=self._rounds,
                colour=free[0],
                dash=_DASHES[(self._rounds - 1) % len(_DASHES)],
            )
            self.kept += (one,)

    def _how(self) -> str:
        """Words for how the present spectrum was extracted."""
        recipe = self.session.recipe
        if self.shows == "spaxel" or STEP not in recipe:
            return ""
        values = recipe[STEP].params.as_dict()
        where = values.get("apertures") or values.get("center_xy") or ""
        found = " ".join(filter(None, [values.get("extraction_type"), where]))
        return f", {found}" if found else ""

    def _remove(self, name: str) -> None:
        self.kept = tuple(k for k in self.kept if k.id != name)
        self._draw()

    def _choose(self, chosen: tuple[float, float] | None, rest: bool) -> None:
        if self._is_series:  # its axis counts integrations
            return
        self.chosen = chosen
        if rest:
            self.view.range = [] if chosen is None else list(chosen)
        self._draw()

    def _collapse(self) -> None:
        cube = self.cube
        if cube is None or self.chosen is None:
            return
        planes = planes_between(cube, *self.chosen)
        picture = self._canvas.picture
        if planes is None:
            return
        if picture is not None and picture.request.upto == STEP and picture.frame.marks:
            self.session.see(planes=planes)  # the aperture lies over them
        else:
            self.session.see(shown="input", view="mean of planes", planes=planes)


def _axes(plot: Plot) -> tuple[str, str]:
    return plot.x_label, plot.y_label


def _series(curve: Curve, name: str, colour: str, **others: Any) -> Series:
    others["style"] = "points" if curve.style == "points" else "line"
    return Series(curve.x, curve.y, curve.err, name=name, colour=colour, **others)
