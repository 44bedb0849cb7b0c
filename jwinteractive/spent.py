"""What a piece of work costs: seconds, and bytes of memory that it adds to its process."""

from __future__ import annotations

import contextlib
import dataclasses as dc
import resource
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Spent", "spent"]


@dc.dataclass
class Spent:
    """Seconds, and the most bytes that were held at a time beyond those held before."""

    seconds: float = 0.0
    peak: int = 0


@contextlib.contextmanager
def spent() -> Iterator[Spent]:
    """Measure what is done inside; what other threads take meanwhile is counted, too.

    On Linux the peak is that of the work. Elsewhere the highest so far of the process is all there
    is, so that what stays below an earlier peak counts as nothing.
    """
    found = Spent()
    before = _memory("VmRSS")
    _forget_peak()
    began = time.perf_counter()
    try:
        yield found
    finally:
        found.seconds = time.perf_counter() - began
        found.peak = max(0, _memory("VmHWM") - before)


def _memory(entry: str) -> int:
    """Bytes of an entry of the process's status."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(entry)), 0)


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
