"""Warnings of calibration threads go to the journal, not into whatever cell ran last."""

from __future__ import annotations

import threading
import warnings
import weakref
from typing import Any

from jwinteractive.session import Session

__all__ = ["collect_warnings"]

_OURS = ("preview", "strip", "run")  # how threads that calibrate are named
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()
_original = warnings.showwarning


def collect_warnings(session: Session) -> None:
    """Write warnings from the threads that calibrate into a session's journal, each once."""
    _sessions.add(session)
    warnings.showwarning = _show


def _show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
    if not threading.current_thread().name.startswith(_OURS):
        _original(message, category, *where, **more)
        return
    text = f"{category.__name__}: {message}".replace("\n", " ")
    for session in list(_sessions):
        if all(e.text != text for e in session.journal):
            session.note("warning", text)
