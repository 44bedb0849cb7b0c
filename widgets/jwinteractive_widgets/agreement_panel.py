"""What the exposures of a set say of the picked place, and their outliers in numbers."""

from __future__ import annotations

import threading
from html import escape
from pathlib import Path

import ipywidgets as w

from jwinteractive.agreement import (
    STEP,
    Counted,
    Samples,
    count_outliers,
    plot_of,
    samples_at,
    table_of,
)
from jwinteractive.errors import JwinteractiveError
from jwinteractive.journal import Settings
from jwinteractive.session import Session
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.plots import PlotView, table_region

__all__ = ["STEP", "AgreementPanel"]

Wanted = tuple[Settings, int, tuple[int, int]]


class AgreementPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The samples of the picked pixel's place in all exposures, and a table of all outliers.

    Attributes
    ----------
    samples
        What is drawn, or None.
    counted
        What is in the table.
    """

    def __init__(self, session: Session, background: Background) -> None:
        """Look at places on lane "samples" of ``background``, count on lane "outliers"."""
        self.session, self._background = session, background
        self.samples: Samples | None = None
        self.counted: tuple[Counted, ...] = ()
        self._wanted: Wanted | None = None
        self._counted_with: Settings | None = None
        self._busy = False
        self.plot = PlotView()
        self.bar = Actions(on_do=self._do, hand_over=background.hand_over, label="Outliers")
        self.table, self.text = w.HTML(), w.HTML()
        super().__init__([self.plot, self.bar, self.table, self.text])
        self.add_class("jwi-stripes")
        self._draw()

    def follow(self) -> AgreementPanel:
        """Show it; it follows the pick from now on."""
        self.refresh()
        return self

    def hide(self) -> None:
        """Follow the pick no more."""
        self._wanted = None

    def refresh(self) -> None:
        """Draw the samples of the picked pixel, where it or the settings changed."""
        self._draw()
        pick = self.session.look.pick
        if pick is None:
            self.plot.clear("click a pixel of the frame: its place in all exposures is shown here")
            return
        wanted = self.session.settings, self.session.active, pick
        if wanted == self._wanted:
            return
        self._wanted = wanted

        def work(_: threading.Event) -> Samples:
            return samples_at(self.session, *pick)

        def show(samples: Samples) -> None:
            if self._wanted == wanted:
                self.samples = samples
                self.plot.draw(plot_of(samples))

        def fail(error: BaseException) -> None:
            if not isinstance(error, JwinteractiveError):
                raise error
            self.plot.clear(str(error))

        self._background.submit(work, show, fail, "samples")

    def save_png(self, name: str) -> None:
        """Let the browser save the plot as a PNG file."""
        self.plot.save_png(name)

    def save_svg(self, name: str) -> None:
        """Let the browser save the plot as an SVG file."""
        self.plot.save_svg(name)

    def save_table(self, path: str | Path) -> Path:
        """Write the samples as a table.

        Raises
        ------
        OutputError
            If there are none, or the file cannot be written.
        """
        return self.plot.save_table(path)

    def _do(self, act: str, value: object = None) -> None:
        if act == "count":
            self._count()

    def _count(self) -> None:
        self._counted_with, self._busy, self.counted = self.session.settings, True, ()
        self._draw()
        hand_over = self._background.hand_over

        def work(cancel: threading.Event) -> tuple[Counted, ...]:
            return count_outliers(self.session, lambda one: hand_over(self._came, one), cancel)

        self._background.submit(work, self._ended, self._failed, "outliers")

    def _came(self, one: Counted) -> None:
        if self._busy:
            self.counted += (one,)
            self._draw()

    def _ended(self, counted: tuple[Counted, ...]) -> None:
        self._busy, self.counted = False, counted
        self._draw()

    def _failed(self, error: BaseException) -> None:
        if not isinstance(error, JwinteractiveError):
            raise error
        self._busy = False
        self._draw()
        self._say(str(error))

    def _draw(self) -> None:
        self.bar.show(
            [
                {
                    "id": "count",
                    "kind": "button",
                    "label": "count the outliers of all exposures",
                    "tooltip": "how many there are in each, and how many fall on sources",
                    "disabled": self._busy,
                }
            ]
        )
        if not self.counted:
            self.table.value = ""
            self._say("counting ..." if self._busy else "")
            return
        table = table_of(self.counted)
        self.table.value = table_region(table)
        if self._busy:
            self._say("counting ...")
        else:
            old = self._counted_with != self.session.settings
            self._say("counted with other settings: count again" if old else "")

    def _say(self, line: str) -> None:
        words = f'<div class="jwi-note">{escape(line)}</div>' if line else ""
        self.text.value = f'<div role="status">{words}</div>'
