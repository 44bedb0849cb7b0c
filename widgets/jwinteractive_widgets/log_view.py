"""What an official step says: line by line while it runs, and afterwards with what it took."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from html import escape

import ipywidgets as w

from jwinteractive.errors import JwinteractiveError
from jwinteractive.session import Session
from jwinteractive.step import Ran, registry
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background

__all__ = ["LogView"]

OFTEN = 0.1  # seconds between two drawings of lines that arrive
MOST = 400  # lines on screen; the log of a result has all that are kept
FOLDERS = re.compile(r"(?<!\S)(?:/[^\s/]+){2,}/(?=[^\s/])")  # before the names of files
LOUD = ("WARNING", "ERROR", "CRITICAL")


class LogView(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The log of the chosen step; not there where the step says nothing.

    Attributes
    ----------
    lines
        What is shown.
    """

    def __init__(self, session: Session, background: Background) -> None:
        self.session, self._background = session, background
        self.lines: Sequence[str] = ()
        self._ran: Ran | None = None
        self._live: deque[str] = deque(maxlen=MOST)
        self._waits = False
        self._open = False
        self.bar = Actions(on_do=self._do, hand_over=background.hand_over, label="Log of the step")
        self.text = w.HTML()
        super().__init__([])
        self.add_class("jwi-log-view")

    def hear(self, line: str) -> None:
        """Take a line of what is at work."""
        self._live.append(line)
        if not self._waits:
            self._waits = True
            self._background.later(OFTEN, self._draw_live)

    def refresh(self, busy: bool = False) -> None:
        """Show the log of the chosen step's result, if it has one; else what is at work."""
        ran = self._of_step()
        if not busy or ran != self._ran:
            self._live.clear()
        self._ran = ran
        self._draw()

    def settle(self, busy: bool = False) -> None:
        """A picture has come: what was at work for it is done."""
        if self._live:
            self.refresh(busy)

    def _of_step(self) -> Ran | None:
        session, step = self.session, self.session.look.step
        if step not in session.recipe or not registry[step].filed:
            return None
        try:
            planned = session.plan(step)[-1]
        except JwinteractiveError:  # it is said elsewhere
            return None
        found = session.store.get(planned.model_key)
        return found if isinstance(found, Ran) else None

    def _draw_live(self) -> None:
        self._waits = False
        self._draw()

    def _draw(self) -> None:
        if self._live:
            self.lines, said = tuple(self._live), "at work"
        elif self._ran is not None:
            self.lines, said = self._ran.log, _took(self._ran)
        else:
            self.lines, self.children = [], []
            return
        loud = sum(line.startswith(LOUD) for line in self.lines)
        label = "log" + (f" ({loud} warning{'s' if loud > 1 else ''})" if loud else "")
        self.bar.show(
            [
                {"id": "log", "kind": "toggle", "label": label, "value": self._open},
                {"id": "took", "kind": "text", "value": said},
            ]
        )
        shown = "".join(_line(line) for line in self.lines[-MOST:])
        self.text.value = (
            f'<div class="jwi-said" role="log" tabindex="0" aria-label="log">{shown}</div>'
            if self._open
            else ""
        )
        self.children = [self.bar, self.text] if self._open else [self.bar]

    def _do(self, act: str, value: object = None) -> None:
        self._open = bool(value)
        self._draw()


def _took(ran: Ran) -> str:
    return f"{ran.seconds:.2g} s, {ran.peak / 1e6:.3g} MB added" + (
        "; it left the product as it was" if ran.skipped else ""
    )


def _line(line: str) -> str:
    level, _, text = line.partition(" ")
    loud = " jwi-loud" if level in LOUD else ""
    whole = text if level == "INFO" else line
    short = FOLDERS.sub("", whole)
    title = f' title="{escape(whole)}"' if short != whole else ""
    return f'<div class="jwi-said-line{loud}"{title}>{escape(short)}</div>'
