"""What was done, in plain words, and the runs so far, any of which can be brought back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from jwinteractive.journal import words
from jwinteractive_widgets.assets import esm, style
from jwinteractive_widgets.background import listen

if TYPE_CHECKING:
    from jwinteractive.journal import Entry
    from jwinteractive.session import Session

__all__ = ["JournalView", "attempts_of", "entry_of"]

_MANY = 20  # new lines that travel better together


def entry_of(entry: Entry) -> dict[str, Any]:
    """Return a line of a session's journal as `JournalView` takes it."""
    return {"when": entry.when, "kind": entry.kind, "text": entry.text}


def attempts_of(session: Session) -> list[dict[str, Any]]:
    """Return the runs of a session as `JournalView` takes them, each against the one before."""
    found = []
    before = None
    for attempt in session.history:
        text = "first run" if before is None else words(before.settings, attempt.settings)
        found.append(
            {
                "number": attempt.number,
                "step": attempt.step,
                "exposure": session.exposures[attempt.exposure].name,
                "text": text or "same parameters",
                "seconds": attempt.seconds,
                "when": attempt.when,
                "pinned": session.pinned == attempt,
            }
        )
        before = attempt
    return found


class JournalView(anywidget.AnyWidget):
    """The log and the table of runs, with undo and redo.

    Attributes
    ----------
    can_undo, can_redo
        Whether the buttons do something.
    height
        Of the list, in screen pixels.
    on_undo, on_redo
        Called without arguments.
    on_restore, on_compare
        Called with the number of a run.
    """

    _esm = esm("journal")
    _css = style("journal")
    can_undo = traitlets.Bool(False).tag(sync=True)
    can_redo = traitlets.Bool(False).tag(sync=True)
    height = traitlets.Int(132).tag(sync=True)

    def __init__(
        self,
        *,
        on_undo: Callable[[], object] | None = None,
        on_redo: Callable[[], object] | None = None,
        on_restore: Callable[[int], object] | None = None,
        on_compare: Callable[[int], object] | None = None,
        hand_over: Callable[..., object] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty log.

        Parameters
        ----------
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        super().__init__(**traits)
        self.on_undo, self.on_redo = on_undo, on_redo
        self.on_restore, self.on_compare = on_restore, on_compare
        self._entries: list[dict[str, Any]] = []
        self._attempts: list[dict[str, Any]] = []
        listen(self, self._hear, hand_over)

    def show(
        self, entries: Sequence[Mapping[str, Any]], attempts: Sequence[Mapping[str, Any]]
    ) -> None:
        """Show a log and runs; only what is new travels.

        Parameters
        ----------
        entries
            ``when`` (seconds since 1970), ``kind`` (edit, run, note, warning, error or save) and
            ``text`` of each line, the oldest first.
        attempts
            ``number``, ``step``, ``exposure``, ``text`` (what differed), ``seconds``, ``when`` and
            ``pinned`` of each run, the oldest first.
        """
        lines, runs = [dict(e) for e in entries], [dict(a) for a in attempts]
        known = len(self._entries)
        if lines[:known] != self._entries or len(lines) - known > _MANY:
            self._entries = lines
            self.send({"kind": "entries", "entries": lines})
        else:
            for line in lines[known:]:
                self.add(line)
        if runs != self._attempts:
            self._attempts = runs
            self.send({"kind": "attempts", "attempts": runs})

    def add(self, entry: Mapping[str, Any]) -> None:
        """Show one more line of the log."""
        self._entries.append(dict(entry))
        self.send({"kind": "add", "entry": dict(entry)})

    def _hear(self, _: Any, message: dict[str, Any], __: list[Any]) -> None:
        """Take a message of the browser: ready, undo, redo, restore or compare."""
        match message:
            case {"kind": "ready", "id": str(view)}:
                self.send({"kind": "entries", "id": view, "entries": self._entries})
                self.send({"kind": "attempts", "id": view, "attempts": self._attempts})
            case {"kind": "undo"} if self.on_undo is not None:
                self.on_undo()
            case {"kind": "redo"} if self.on_redo is not None:
                self.on_redo()
            case {"kind": "restore", "number": int(number)} if self.on_restore is not None:
                self.on_restore(number)
            case {"kind": "compare", "number": int(number)} if self.on_compare is not None:
                self.on_compare(number)
