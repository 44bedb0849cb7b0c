"""Previews off the event loop: one worker, newest wins, delivered on the kernel's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Previewer"]

T = TypeVar("T")


class Previewer:
    """Run calls on a worker thread and show only what is newest.

    A call waits ``delay`` seconds for a newer one before it starts, so that a dragged slider costs
    one run; a result that a newer call made old is dropped. `submit` may be called from any
    thread, ``show`` and ``fail`` run on the loop.

    Parameters
    ----------
    loop
        Where results are delivered: the kernel's event loop.
    worker
        Runs the calls; by default one thread.
    delay
        Seconds to wait for a newer call.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        worker: Executor | None = None,
        delay: float = 0.03,
    ) -> None:
        self._loop, self._delay = loop, delay
        self._worker = worker or ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._newest = 0
        self.runs = 0

    def submit(
        self,
        work: Callable[[], T],
        show: Callable[[T], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Ask for ``show(work())``, or ``fail(error)``."""
        self._loop.call_soon_threadsafe(self._accept, work, show, fail)

    def _accept(
        self,
        work: Callable[[], T],
        show: Callable[[T], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._newest += 1
        self._loop.call_later(self._delay, self._start, self._newest, work, show, fail)

    def _start(
        self,
        mine: int,
        work: Callable[[], T],
        show: Callable[[T], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        if mine != self._newest:
            return
        self.runs += 1
        future = asyncio.wrap_future(self._worker.submit(work), loop=self._loop)

        def deliver(done: asyncio.Future[T]) -> None:
            error = done.exception()  # asked for even if dropped: an unread error is a warning
            if mine != self._newest:
                return
            if error is None:
                show(done.result())
            else:
                fail(error)

        future.add_done_callback(deliver)
