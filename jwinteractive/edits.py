"""The present settings of a session, and the way back to earlier ones."""

from __future__ import annotations

import dataclasses as dc

from jwinteractive.journal import Settings, words

__all__ = ["Edit", "Edits"]


@dc.dataclass(frozen=True)
class Edit:
    """A change of settings in plain words; ``text`` is "" where nothing differs."""

    before: Settings
    after: Settings

    @property
    def text(self) -> str:
        """What differs."""
        return words(self.before, self.after)


class Edits:
    """Settings with undo and redo. Whoever calls holds the lock of the session.

    While a knob is turned, all its moves are one edit; `rest` ends it.

    Attributes
    ----------
    settings
        The present ones.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._undo: list[Settings] = []
        self._redo: list[Settings] = []
        self._knob: tuple[str, ...] = ()

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return bool(self._redo)

    def change(self, settings: Settings) -> Edit:
        """Take new settings; what differs in words can be undone."""
        edit = Edit(self.settings, settings)
        if edit.text:
            self._undo.append(edit.before)
            self._redo.clear()
        self.settings = settings  # without words too: a file that is named again may have changed
        return edit

    def turn(self, knob: tuple[str, ...], settings: Settings) -> None:
        """Take new settings from a knob that moves."""
        if self._knob != knob:
            self._undo.append(self.settings)
            self._redo.clear()
            self._knob = knob
        self.settings = settings

    def is_turning(self, knob: tuple[str, ...]) -> bool:
        """Whether this knob is being turned."""
        return self._knob == knob

    def rest(self) -> Edit | None:
        """End the turning of a knob; what it did, if it did anything."""
        if not self._knob:
            return None
        self._knob = ()
        edit = Edit(self._undo[-1], self.settings)
        if edit.text:
            return edit
        self._undo.pop()
        return None

    def undo(self) -> Edit | None:
        """Take back the last edit; None if there is none."""
        return self._step(self._undo, self._redo)

    def redo(self) -> Edit | None:
        """Do again what was taken back; None if there is nothing."""
        return self._step(self._redo, self._undo)

    def _step(self, source: list[Settings], target: list[Settings]) -> Edit | None:
        if not source:
            return None
        edit = Edit(self.settings, source.pop())
        target.append(edit.before)
        self.settings = edit.after
        return edit
