"""Execute tutorials as Binder would: ``python -m manual.executed -o DIR [NOTEBOOK ...]``.

A notebook that takes more memory than Binder grants, or too long, is ended and counted as failed.
Memory is that of all its processes together, pages that they share counted once: what a container
is held to. A limit of addresses (``ulimit -v``) would count what compilers and maps only reserve.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses as dc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psutil

from manual.tutorials import APP, ROOT, tutorials

__all__ = ["Executed", "execute"]

MEMORY: Final = 2.0  # GB that Binder grants
SERVER: Final = 0.2  # GB of them for JupyterLab itself
SECONDS: Final = 300.0
_EVERY: Final = 0.2  # s between two looks


@dc.dataclass(frozen=True)
class Executed:
    """How a notebook went: peak memory in GB, and why it failed ("": it did not).

    Beside the seconds that it took, which a busy machine stretches, there are those of processors.
    """

    notebook: Path
    memory: float
    seconds: float
    processor: float
    failed: str = ""


def execute(
    notebook: Path,
    folder: Path,
    memory: float = MEMORY - SERVER,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Executed:
    """Execute a notebook where it lies; what it gives goes to a folder.

    Parameters
    ----------
    notebook, folder
        The notebook, and where the executed one goes.
    memory
        GB that all its processes may take together.
    seconds
        That it may take.
    clock
        Tells the time in seconds.
    """
    line = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--log-level=ERROR"]
    line += ["--output-dir", str(folder), str(notebook)]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{notebook.stem}.log"
    began, spent, peak, failed = clock(), _processor(), 0.0, ""
    with log.open("w") as sink:
        there = os.environ | {"MEM_LIMIT": str(int(memory * 1e9))}  # as Binder tells it
        process = subprocess.Popen(line, stdout=sink, stderr=sink, env=there)
        while process.poll() is None and not failed:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_EVERY)
            peak = max(peak, _memory(process.pid))
            if peak > memory:
                failed = f"takes {peak:.2f} GB, more than {memory:.2f} GB: make its arrays smaller"
            elif clock() - began > seconds:
                failed = f"takes longer than {seconds:.0f} s: make it do less"
        if failed:
            _end(process.pid)
            process.wait()
        elif process.wait():
            told = log.read_text().strip().splitlines() or ["it ended without a word"]
            failed = f"{told[-1]} (all of it: {log})"
    return Executed(notebook, peak, clock() - began, _processor() - spent, failed)


def _processor() -> float:
    """Seconds of processors that all our ended children and theirs took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _family(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(pid: int) -> float:
    """GB of a process and all that it started."""
    total = 0
    for process in _family(pid):
        with contextlib.suppress(psutil.Error):  # it may end at any time
            told = process.memory_full_info()
            total += getattr(told, "pss", told.uss)  # pss: Linux only
    return total / 1e9


def _end(pid: int) -> None:
    for process in reversed(_family(pid)):
        with contextlib.suppress(psutil.Error):
            process.kill()


def main(argv: Sequence[str] | None = None) -> int:
    """Execute notebooks, print a table; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m manual.executed", description=main.__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="by default all tutorials")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "build" / "tutorials")
    parser.add_argument("--memory", type=float, default=MEMORY, help="GB, JupyterLab's own too")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each")
    asked = parser.parse_args(argv)
    failed = 0
    print(f"{'notebook':<28} {'peak GB':>8} {'seconds':>8} {'cpu s':>8}")
    for path in asked.notebooks or (*tutorials(), ROOT / "notebooks" / APP):
        done = execute(path, asked.output, asked.memory - SERVER, asked.seconds)
        failed += bool(done.failed)
        row = f"{path.name:<28} {done.memory:8.2f} {done.seconds:8.0f} {done.processor:8.0f}"
        print(f"{row}  {done.failed}".rstrip(), flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
