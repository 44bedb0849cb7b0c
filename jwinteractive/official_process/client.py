"""Runs official steps in a worker process: whatever a step does there, the kernel goes on."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, Final

from jwinteractive.errors import Cancelled, MissingReference, StepError
from jwinteractive.official_process.jobs import Done, Input, Job

__all__ = ["Done", "Input", "Job", "close", "run"]

_WAIT: Final = 0.05  # s between looks at whether a job is still wanted
_MOST_LINES: Final = 2000  # of a log that is kept
_NOTHING: Final = ("", "INFO", "WARNING", "ERROR", "CRITICAL")  # lines of a level alone
_MALLOC: Final = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
"""Bytes: images of a step lie in memory that is used again; glibc else maps each one anew."""


def run(
    job: Job,
    log: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
) -> Done:
    """Run a step in the worker, after the jobs that came before.

    ``log`` takes each line that the step says, when it says it.

    Raises
    ------
    StepError
        If the step fails, ends its process, or runs out of memory.
    MissingReference
        If it asks for a reference that is not there.
    Cancelled
        If ``cancel`` is set before it is done.
    """
    with _worker_for(job, cancel) as worker:
        # results appear whole or not at all
        job.folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=job.folder.absolute(), prefix=".run-"))
        try:
            plain = job.plain() | {"folder": str(draft)}
            answer, lines = worker.ask(plain, _name(job), log, cancel)
            moved = {}
            for path in sorted(draft.iterdir()):
                moved[str(path)] = path.replace(job.folder / path.name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return Done(
        files=tuple(moved[p] for p in answer["files"]),
        side=tuple(moved[p] for p in answer["side"]),
        seconds=answer["seconds"],
        peak=answer["peak"],
        skipped=answer["skipped"],
        log=tuple(lines[-_MOST_LINES:]),
    )


def _name(job: Job) -> str:
    return job.cls.rpartition(".")[2]


_lock = threading.Lock()
_workers: list[_Worker] = []  # one, once it was needed
_starter: Final = ThreadPoolExecutor(1, "official-worker")
"""A thread that stays: Linux ends a worker with the thread that has started it, not the process."""


@contextlib.contextmanager
def _worker_for(job: Job, cancel: threading.Event | None) -> Iterator[_Worker]:
    """The worker, for one job at a time; a new one where the last has ended."""
    while not _lock.acquire(timeout=_WAIT):
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"{_name(job)}: cancelled before it began")
    try:
        if not _workers or not _workers[0].alive:
            _workers[:] = [_Worker()]
        yield _workers[0]
    finally:
        _lock.release()


@atexit.register
def close() -> None:
    """End the worker; the next job starts another, which sees the present environment."""
    while _workers:
        _workers.pop().kill()


class _Worker:
    """A running worker process."""

    def __init__(self) -> None:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        call = [sys.executable, "-m", "jwinteractive.official_process.worker"]
        environment = _MALLOC | os.environ | {"PYTHONUNBUFFERED": "1"}
        path = [p for p in sys.path if p]
        environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path))
        self._process = _starter.submit(
            subprocess.Popen,
            [*call, str(theirs_in), str(theirs_out)],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        ).result()
        os.close(theirs_in)
        os.close(theirs_out)
        self._requests: IO[str] = os.fdopen(ours_out, "w", buffering=1)
        self._answers = ours_in
        self._buffer = b""
        self._said: list[str] = []  # on its standard output and error
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process and let go of its pipes."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._requests.close()
        with contextlib.suppress(OSError):
            os.close(self._answers)

    def _listen(self) -> None:
        assert self._process.stdout is not None  # a pipe
        with self._process.stdout as stream:
            for line in stream:
                self._said.append(line.decode(errors="replace").rstrip())

    def ask(
        self,
        request: dict[str, Any],
        name: str,
        log: Callable[[str], None] | None,
        cancel: threading.Event | None,
    ) -> tuple[dict[str, Any], list[str]]:
        """Answer to a request, and the lines that were said on the way."""
        lines: list[str] = []
        try:
            return self._asked(request, name, lines, log, cancel)
        except (StepError, MissingReference):
            raise
        except BaseException:  # an interrupt, say: its answer must not be taken for the next one's
            self.kill()
            raise

    def _asked(
        self,
        request: dict[str, Any],
        name: str,
        lines: list[str],
        log: Callable[[str], None] | None,
        cancel: threading.Event | None,
    ) -> tuple[dict[str, Any], list[str]]:
        self._said.clear()
        try:
            self._requests.write(json.dumps(request) + "\n")
        except OSError:
            raise self._ended(name, lines) from None
        while True:
            if cancel is not None and cancel.is_set():
                raise Cancelled(f"{name}: cancelled; what was computed before is kept")
            line = self._line(name, lines)
            if line is None:
                continue
            answer = json.loads(line)
            if "log" in answer:
                lines.append(answer["log"])
                if log is not None:
                    log(answer["log"])
            elif "failed" in answer:
                raise _failure(name, answer["failed"], answer["why"], lines)
            else:
                return answer, lines

    def _line(self, name: str, lines: list[str]) -> bytes | None:
        """The next line, or None where there is none yet."""
        line, newline, rest = self._buffer.partition(b"\n")
        if newline:
            self._buffer = rest
            return line
        ready, _, _ = select.select([self._answers], [], [], _WAIT)
        if ready:
            more = os.read(self._answers, 2**16)
            if not more:
                raise self._ended(name, lines)
            self._buffer += more
        return None

    def _ended(self, name: str, lines: list[str]) -> StepError:
        """What to say of a worker that is no more."""
        code = self._process.wait()
        self.kill()
        last = _last(self._said) or _last(lines) or "it said nothing"
        if code == -signal.SIGKILL:
            why = "was killed, as a process is that needs more memory than there is"
            way = "close other programs, or take fewer or smaller exposures"
        elif code < 0:
            why = f"crashed ({signal.Signals(-code).name})"
            way = "change its parameters; the session is whole"
        else:
            why = f"ended its process (code {code})"
            way = "the session is whole"
        return StepError(f"{name} {why}: {way}; last words: {last}")


def _failure(name: str, kind: str, why: str, lines: list[str]) -> StepError | MissingReference:
    if kind == "reference":
        return MissingReference(
            f"{name} asks for a {why} reference, and none is there: name a file of this type, give "
            "a folder that holds one, or set up CRDS"
        )
    if kind == "memory":
        return StepError(
            f"{name} ran out of memory ({why or 'no more was given'}): close other programs, or "
            "take fewer or smaller exposures"
        )
    if kind == "exit":
        return StepError(f"{name} wanted to end its process ({why}): the session is whole")
    last = f"; last words: {words}" if (words := _last(lines)) else ""
    return StepError(f"{name} failed: {why}{last}")


def _last(lines: Sequence[str]) -> str:
    """The last line that says something; steps also log empty ones."""
    return next((line for line in reversed(lines) if line.strip() not in _NOTHING), "")
