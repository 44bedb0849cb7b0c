"""Warnings of other packages that say nothing to a user, also where threads work side by side."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["silence"]

_lock = threading.Lock()
_within = 0  # how many ask for silence, in whatever thread
_before = warnings.catch_warnings()  # filters as they were


@contextmanager
def silence() -> Iterator[None]:
    """Warnings are ignored in the whole process until the last who asked for it is done.

    `warnings.catch_warnings` alone puts back what it found: of two threads, the first to leave
    ends the silence of the other, and the last leaves it in force for ever. Work that is shared
    out to threads is silenced around all of them too, where the packages it calls do that.
    """
    global _before, _within
    with _lock:
        if not _within:
            _before = warnings.catch_warnings()
            _before.__enter__()
            warnings.simplefilter("ignore")
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if not _within:
                _before.__exit__(None, None, None)
