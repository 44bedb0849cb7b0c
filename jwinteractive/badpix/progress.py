"""Telling how far statistics are, and stopping them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jwinteractive.chain import Progress
from jwinteractive.errors import Cancelled

__all__ = ["Clock"]


class Clock:
    """Tells how far the work is, and stops it."""

    def __init__(
        self,
        name: str,
        total: int,
        report: Callable[[Progress], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        self._name, self._total = name, total
        self._report, self._cancel = report, cancel
        self._began, self._done = time.perf_counter(), 0

    def tick(self) -> None:
        """Count one more strip.

        Raises
        ------
        Cancelled
            If it was asked for.
        """
        self._done += 1
        if self._report is not None:
            spent = time.perf_counter() - self._began
            left = spent / self._done * (self._total - self._done)
            self._report(Progress(self._name, self._done, self._total, spent, left))
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled(
                f"bad-pixel statistics ({self._name}): cancelled after {self._done} of "
                f"{self._total} strips"
            )
