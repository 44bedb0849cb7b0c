"""Work off the event loop: one worker, newest wins, delivered on the kernel's loop."""

from __future__ import annotations

import asyncio
import dataclasses as dc
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from jwinteractive.errors import Cancelled

__all__ = ["Previewer"]

T = TypeVar("T")


@dc.dataclass(frozen=True)
class _Job(Generic[T]):
    work: Callable[[threading.Event], T]
    show: Callable[[T], object]
    fail: Callable[[BaseException], object]
    cancel: threading.Event = dc.field(default_factory=threading.Event)


class Previewer:
    """Run calls on a worker thread, never more than one, and never a queue of them.

    While a call runs, only the newest of those that arrive is kept. A call that is nearly done
    ends and is shown, so that a slider that is dragged for long shows something on the way; one
    that has run for longer than ``patience`` when a newer one waits is told to stop. `submit` may
    be called from any thread, ``show`` and ``fail`` run on the loop.

    Parameters
    ----------
    loop
        Where results are delivered: the kernel's event loop.
    worker
        Runs the calls; by default one thread.
    patience
        Seconds that a call may run while a newer one waits.

    Attributes
    ----------
    runs
        Calls that were begun.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        worker: Executor | None = None,
        patience: float = 0.12,
    ) -> None:
        self._loop, self._patience = loop, patience
        self._worker = worker or ThreadPoolExecutor(1, thread_name_prefix="preview")
        self._running: _Job[Any] | None = None
        self._began = 0.0
        self._waiting: _Job[Any] | None = None
        self.runs = 0

    def submit(
        self,
        work: Callable[[threading.Event], T],
        show: Callable[[T], object],
        fail: Callable[[BaseException], object],
    ) -> None:
        """Ask for ``show(work(cancel))``, or ``fail(error)``; a cancelled call gets neither."""
        self._loop.call_soon_threadsafe(self._accept, _Job(work, show, fail))

    def _accept(self, job: _Job[Any]) -> None:
        self._waiting = job
        if self._running is None:
            self._start()
        else:
            left = self._began + self._patience - self._loop.time()
            self._loop.call_later(max(left, 0.0), self._hurry, self._running)

    def _hurry(self, job: _Job[Any]) -> None:
        """Stop a call that had its time, if something newer waits."""
        if self._waiting is not None and job is self._running:
            job.cancel.set()

    def _start(self) -> None:
        job, self._waiting = self._waiting, None
        if job is None:
            return
        self._running, self._began = job, self._loop.time()
        self.runs += 1
        future = asyncio.wrap_future(self._worker.submit(job.work, job.cancel), loop=self._loop)
        future.add_done_callback(lambda done: self._deliver(job, done))

    def _deliver(self, job: _Job[Any], done: asyncio.Future[Any]) -> None:
        self._running = None
        error = done.exception()  # asked for even if dropped: an unread error is a warning
        self._start()
        if isinstance(error, Cancelled):
            return
        if error is None:
            job.show(done.result())
        else:
            job.fail(error)
