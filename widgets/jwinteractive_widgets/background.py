"""Work off the kernel's loop, results and callbacks back on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from jwinteractive.previewer import Previewer

__all__ = ["Background"]

T = TypeVar("T")


class Background:
    """Computes on a worker, newest wins, and delivers on the loop that it was made on.

    Without a running loop (a plain script) work runs at once, in the caller's thread.
    """

    def __init__(self) -> None:
        self._home = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._previewer: Previewer | None = None
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._previewer = Previewer(self._loop)

    def hand_over(self, function: Callable[..., object], *args: Any) -> None:
        """Call on the loop's thread: now if this is it, else as soon as the loop is free.

        Widget messages may arrive on a subshell's thread, and signals on a worker's.
        """
        if self._loop is None or threading.get_ident() == self._home:
            function(*args)
        else:
            self._loop.call_soon_threadsafe(function, *args)

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Hand the result of ``work`` to ``done``, or its error to ``failed``."""
        if self._previewer is not None:
            self._previewer.submit(work, done, failed)
            return
        try:
            result = work()
        except Exception as error:  # whatever it is, it must reach the person who waits
            failed(error)
        else:
            done(result)
