"""Work off the kernel's loop, results and callbacks back on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from jwinteractive.previewer import Previewer

__all__ = ["Background", "listen"]

T = TypeVar("T")


class Background:
    """Computes on workers and delivers on the loop that it was made on.

    Without a running loop (a plain script) work runs at once, in the caller's thread.

    Parameters
    ----------
    lanes
        Names of workers: work of one lane does not wait for that of another, and in a lane the
        newest wins.
    """

    def __init__(self, *lanes: str) -> None:
        self._home = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lanes: dict[str, Previewer] = {}
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        for lane in lanes or ("",):
            worker = ThreadPoolExecutor(1, thread_name_prefix=f"preview-{lane}")
            self._lanes[lane] = Previewer(self._loop, worker)

    def hand_over(self, function: Callable[..., object], *args: Any) -> None:
        """Call on the loop's thread: now if this is it, else as soon as the loop is free.

        Widget messages may arrive on a subshell's thread, and signals on a worker's.
        """
        if self._loop is None or threading.get_ident() == self._home:
            function(*args)
        else:
            self._loop.call_soon_threadsafe(function, *args)

    def later(
        self, seconds: float, function: Callable[..., object], *args: Any
    ) -> Callable[[], object]:
        """Call on the loop after a while; return what takes that back. Without a loop: now."""
        if self._loop is None:
            function(*args)
            return lambda: None
        taken_back = threading.Event()

        def call() -> None:
            if not taken_back.is_set():
                function(*args)

        # a loop's timers are not for other threads to set or to cancel
        self.hand_over(self._loop.call_later, seconds, call)
        return taken_back.set

    def submit(
        self,
        work: Callable[[threading.Event], T],
        done: Callable[[T], object],
        failed: Callable[[BaseException], object],
        lane: str = "",
    ) -> None:
        """Hand the result of ``work(cancel)`` to ``done``, or its error to ``failed``."""
        if self._loop is not None:
            self._lanes[lane].submit(work, done, failed)
            return
        try:
            result = work(threading.Event())
        except Exception as error:  # whatever it is, it must reach the person who waits
            failed(error)
        else:
            done(result)


def listen(
    widget: Any, hear: Callable[..., object], hand_over: Callable[..., object] | None = None
) -> None:
    """Let ``hear`` take a widget's custom messages on the thread that may touch widgets.

    ``hand_over`` calls a function with arguments on that thread; without it, messages are taken
    where they arrive.
    """
    if hand_over is None:
        widget.on_msg(hear)
    else:
        widget.on_msg(lambda *message: hand_over(hear, *message))
