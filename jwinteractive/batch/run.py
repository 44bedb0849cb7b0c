"""A batch: files go to workers as long as memory lasts, and what they say is gathered.

What becomes of sets, of killed workers and of what was finished before:
docs/decisions/0024-batch.md.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import json
import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from jwinteractive.batch.groups import Group
from jwinteractive.batch.job import (
    Place,
    Row,
    hear_no_interrupt,
    key_of,
    numbers_of,
    read_json,
    reduce_files,
)
from jwinteractive.batch.room import free_memory, misfit_words, need_of, room_for
from jwinteractive.errors import InputError, OutputError, ParamError, StepError
from jwinteractive.io import check_writable
from jwinteractive.warm import warm_once

__all__ = ["Batch", "Running", "run_batch"]

_POLL: Final = 0.25  # seconds
_PATIENCE: Final = 20.0  # seconds that workers have to stop where they are
_ANSWER: Final = 10.0  # seconds that a scheduler elsewhere has
_DEATHS: Final = 3  # of workers that a file may cost
_HOME: Final = "127.0.0.1"


@dc.dataclass(frozen=True)
class Running:
    """How far a batch is.

    Attributes
    ----------
    rows
        What is known of each file, by path; files that are not at an end are "waiting".
    parts
        Part done of each file that is in work, by path.
    workers
        Processes that files are in work in, by path.
    seconds, left
        Spent, and about as many to come; NaN as long as nothing tells.
    said
        What is planned.
    """

    rows: Mapping[str, Row]
    parts: Mapping[str, float]
    workers: Mapping[str, int]
    seconds: float
    left: float
    said: str

    @property
    def done(self) -> int:
        """Number of files at an end."""
        return sum(row.state != "waiting" for row in self.rows.values())


@dc.dataclass(frozen=True)
class Batch:
    """How a batch ended: a row for each file, in order; ``cancelled`` if it was stopped."""

    rows: tuple[Row, ...]
    seconds: float
    workers: int
    cancelled: bool = False

    @property
    def failed(self) -> tuple[Row, ...]:
        """Files that gave no product."""
        return tuple(row for row in self.rows if row.state not in ("done", "kept"))


@dc.dataclass(frozen=True)
class _Task:
    """One call of a worker; it waits for the ends of those in ``after``."""

    paths: tuple[Path, ...]
    settings: Path
    store: Path
    need: int
    upto: str = ""
    after: tuple[_Task, ...] = ()


def run_batch(
    groups: Sequence[Group],
    output: Path,
    *,
    failed: Sequence[Row] = (),
    to: str | None = None,
    scheduler: str = "",
    workers: int = 0,
    memory: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    report: Callable[[Running], object] = lambda _: None,
    cancel: threading.Event | None = None,
) -> Batch:
    """Reduce files on the workers of a cluster; see `groups.grouped`.

    Parameters
    ----------
    groups, failed
        What is to be reduced, and rows of files that could not be opened.
    output
        Where products go; the folder ``.batch`` in it tells what was finished.
    to
        Last step; by default all.
    scheduler
        Address of a cluster that sees the same files; by default one is made of processes here.
    workers, memory
        Processes, and bytes for all of them together; by default a core each, and what is free.
    resume
        Leave alone what was finished with the same settings.
    overwrite
        Replace products that are there.
    report
        Called in this thread a few times a second.
    cancel
        Set it to stop; what is finished stays.

    Raises
    ------
    ParamError
        If the cluster does not answer, or the number of workers is none.
    OutputError
        If products are there already, or the folder cannot be written.
    InputError
        If dask is not installed.
    StepError
        If the processes do not start.
    """
    began = time.perf_counter()
    if workers < 0:
        raise ParamError(f"workers = {workers}: must be at least 0, which takes a core each")
    place = Place(Path(output).absolute())
    rows = {row.path: row for row in failed}
    tasks: list[_Task] = []
    needs: dict[str, int] = {}
    kept = _finished(groups, place, to) if resume else {}
    _check_outputs(groups, place, to, kept, overwrite or resume)
    try:
        place.make()
        place.stop.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be made ({error.strerror})") from None
    for number, group in enumerate(groups):
        settings = group.keep(place, number)
        for part in group.parts(to):
            for path in part.paths:
                needs[str(path)] = need_of(group.session, numbers_of(group.session, path), to)
            tasks += _tasks(part.paths, part.first, settings, place, needs)
            rows |= {str(p): Row(str(p), "waiting", planned=needs[str(p)]) for p in part.paths}
    rows |= kept
    tasks = [t for t in tasks if not all(str(p) in kept for p in _whole(t, tasks))]
    rows |= {str(p): Row(str(p), "waiting", planned=needs[str(p)]) for t in tasks for p in t.paths}
    if not tasks:
        return Batch(_sorted(rows), time.perf_counter() - began, 0)
    todo = {str(p) for t in tasks for p in t.paths}
    warm_once()  # else every worker would compile
    with _cluster(scheduler, workers, memory, {p: needs[p] for p in todo}) as (client, slots, most):
        for name in (name for name in todo if needs[name] > most[1]):
            why = misfit_words(name, needs[name], most[1])
            rows[name] = dc.replace(rows[name], state="does not fit", why=why)
        said = f"{slots} worker{'' if slots == 1 else 's'} within {most[0] / 2**20:.0f} MB"
        loop = _Loop(place, to, client, slots, most[0], rows, report, cancel, began, said)
        stopped = loop.run(tasks) if slots else False
    if not stopped:
        shutil.rmtree(place.stores, ignore_errors=True)
    return Batch(_sorted(rows), time.perf_counter() - began, slots, stopped)


def _sorted(rows: Mapping[str, Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows.values(), key=lambda row: (row.name, row.path)))


def _tasks(
    paths: tuple[Path, ...],
    first: Mapping[Path, str],
    settings: Path,
    place: Place,
    needs: Mapping[str, int],
) -> list[_Task]:
    store = place.store(paths[0])
    alone = tuple(
        _Task((path,), settings, store, needs[str(path)], upto)
        for path, upto in first.items()
        if upto
    )
    need = max(needs[str(path)] for path in paths)
    return [*alone, _Task(paths, settings, store, need, after=alone)]


def _whole(task: _Task, tasks: Sequence[_Task]) -> tuple[Path, ...]:
    """Files of the set that a task is done for, or its own."""
    return next((t.paths for t in tasks if task in t.after), task.paths)


def _finished(groups: Sequence[Group], place: Place, to: str | None) -> dict[str, Row]:
    """Rows of files that were finished with the same settings, and whose products are there."""
    found: dict[str, Row] = {}
    for group in groups:
        for path in group.paths:
            try:
                row = Row.from_dict(read_json(place.row(path)))
            except (KeyError, TypeError):
                continue  # never finished, or told by another version
            there = row.outputs and all(Path(p).exists() for p in row.outputs)
            if there and row.key == key_of(group.session, path, to):
                found[str(path)] = dc.replace(row, state="kept")
    return found


def _check_outputs(
    groups: Sequence[Group], place: Place, to: str | None, kept: Mapping[str, Row], replace: bool
) -> None:
    """Say before anything runs that products cannot be written, or by two files."""
    by: dict[Path, set[frozenset[Path]]] = {}
    for group in groups:
        for part in group.parts(to):
            for path in part.paths:
                number = numbers_of(group.session, path)[0]
                for made in group.session.outputs(place.output, to, number):
                    by.setdefault(made, set()).add(
                        frozenset(part.paths) if part.first else frozenset([path])
                    )
    twice = sorted(path.name for path, of in by.items() if len(of) > 1)
    if twice:
        raise OutputError(f"{', '.join(twice)}: two inputs would write it; run them apart")
    ours = {Path(p) for row in kept.values() for p in row.outputs}
    check_writable([path for path in by if path not in ours], replace)


def _dask() -> tuple[Any, Any]:
    """The packages that run a cluster, which have no types."""
    try:
        return import_module("dask"), import_module("distributed")
    except ImportError:
        raise InputError(
            "batch: dask is not installed: pip install 'jwinteractive[batch]', "
            "or use jwinteractive run"
        ) from None


@contextlib.contextmanager
def _cluster(
    scheduler: str, workers: int, memory: int, needs: Mapping[str, int]
) -> Iterator[tuple[Any, int, tuple[int, int]]]:
    """Client, files that run beside each other, bytes for all of them and for one."""
    dask, distributed = _dask()
    if scheduler:
        try:
            # a client of an address that is none is never closed
            distributed.comm.get_address_host_port(scheduler)
            client = distributed.Client(scheduler, timeout=_ANSWER, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ParamError(
                f"scheduler {scheduler!r}: no answer ({error}): give an address such as "
                "tcp://host:8786"
            ) from None
        with client:
            slots = len(client.nthreads())
            if not slots:
                raise ParamError(f"scheduler {scheduler!r}: has no workers: start some first")
            told = [w["memory_limit"] for w in client.scheduler_info()["workers"].values()]
            slots = min(slots, workers or slots)
            one = memory // slots or min((n for n in told if n), default=2**62)
            yield client, slots, (one * slots, one)
        return
    memory = memory or free_memory()
    room = room_for(needs, memory, workers)
    if not room.workers:
        yield None, 0, (memory, memory)
        return
    config = {
        "distributed.scheduler.allowed-failures": _DEATHS,
        "distributed.worker.profile.enabled": False,  # nobody reads it
        "distributed.admin.tick.interval": "1s",
        # instead of dask's own: its threshold for giving memory back makes malloc map every image
        # anew, which costs a quarter of the time
        "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1, "OPENBLAS_NUM_THREADS": 1},
    }
    with contextlib.ExitStack() as opened:
        opened.enter_context(dask.config.set(config))
        try:
            cluster = opened.enter_context(
                distributed.LocalCluster(
                    n_workers=room.workers,
                    threads_per_worker=1,
                    processes=True,
                    host=_HOME,
                    dashboard_address=f"{_HOME}:0",
                    worker_dashboard_address=f"{_HOME}:0",
                    memory_limit=0,  # it is planned for; mapped files would pass for memory in use
                    silence_logs=logging.CRITICAL,
                    env={"NUMBA_NUM_THREADS": "1"},
                )
            )
            client = opened.enter_context(distributed.Client(cluster, set_as_default=False))
            client.run(hear_no_interrupt)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise StepError(
                f"batch: the processes do not start ({error}): try --workers 1, or use "
                "jwinteractive run"
            ) from error
        yield client, room.workers, (memory, memory)


@dc.dataclass
class _Loop:
    """Hands tasks to the cluster, and gathers rows, until all are at an end."""

    place: Place
    to: str | None
    client: Any
    slots: int
    memory: int
    rows: dict[str, Row]
    report: Callable[[Running], object]
    cancel: threading.Event | None
    began: float
    said: str

    def __post_init__(self) -> None:
        self._one = threading.Event()  # a call has ended
        self.since = time.time()
        self._sizes: dict[str, int] = {}

    def run(self, tasks: Sequence[_Task]) -> bool:
        """Run all; return whether they were stopped."""
        waiting, ended = list(tasks), set[int]()
        running: dict[Any, _Task] = {}
        self._sizes = {str(p): max(p.stat().st_size, 1) for t in tasks for p in t.paths}
        try:
            while waiting or running:
                if self.cancel is not None and self.cancel.is_set():
                    return self._stop(running)
                for task in list(waiting):
                    held = sum(t.need for t in running.values())
                    if len(running) >= self.slots or (running and held + task.need > self.memory):
                        break
                    if all(id(t) in ended for t in task.after):
                        waiting.remove(task)
                        paths = self._left(task)
                        if paths:
                            running[self._submit(task, paths)] = task
                        else:
                            ended.add(id(task))
                for future, task in self._ended(running):
                    del running[future]
                    ended.add(id(task))
                    self._take(future, task)
                self._tell(running)
        except KeyboardInterrupt:
            return self._stop(running)
        return False

    def _left(self, task: _Task) -> list[Path]:
        """Files of a task that have not failed before."""
        return [p for p in task.paths if self.rows[str(p)].state == "waiting"]

    def _submit(self, task: _Task, paths: Sequence[Path]) -> Any:
        future = self.client.submit(
            reduce_files,
            json.dumps([str(p) for p in paths]),
            str(task.settings),
            str(self.place.output),
            str(task.store),
            self.to or "",
            task.upto,
            pure=False,
        )
        future.add_done_callback(lambda _: self._one.set())
        return future

    def _ended(self, running: Mapping[Any, _Task]) -> list[tuple[Any, _Task]]:
        if running:
            self._one.wait(_POLL)
            self._one.clear()
        return [(f, t) for f, t in running.items() if f.done()]

    def _take(self, future: Any, task: _Task) -> None:
        """Take over what a worker gave for its files, or why it did not."""
        if future.status == "finished":
            found = [Row.from_dict(values) for values in json.loads(future.result())]
            for row in found:
                old = self.rows[row.path]
                self.rows[row.path] = dc.replace(
                    row, planned=old.planned, seconds=row.seconds + old.seconds
                )
            return
        why = _why(future)
        for path in self._left(task):
            tries = int(read_json(self.place.progress(path)).get("tries", 0))
            old = self.rows[str(path)]
            self.rows[str(path)] = dc.replace(old, state="failed", why=why, tries=tries)

    def _stop(self, running: dict[Any, _Task]) -> bool:
        """Let workers end where they are, for a while; what is not at an end was cancelled."""
        self.place.stop.touch()
        end = time.perf_counter() + _PATIENCE
        with contextlib.suppress(KeyboardInterrupt):  # pressed again: at once
            while running and time.perf_counter() < end:
                for future, task in self._ended(running):
                    del running[future]
                    self._take(future, task)
        self.client.cancel(list(running), force=True)
        for path, row in self.rows.items():
            if row.state == "waiting":
                told = self.place.row(Path(path))
                if told.exists() and told.stat().st_mtime >= self.since:
                    # written, but not said any more; a file of ours appears whole
                    found = Row.from_dict(read_json(told))
                    self.rows[path] = dc.replace(found, planned=row.planned)
                    continue
                self.rows[path] = dc.replace(row, state="cancelled", why="stopped before its end")
        self._tell({})
        return True

    def _tell(self, running: Mapping[Any, _Task]) -> None:
        told = {
            str(p): read_json(self.place.progress(p)) for t in running.values() for p in t.paths
        }
        parts = {p: float(t.get("part", 0.0)) for p, t in told.items()}
        pids = {p: int(t["pid"]) for p, t in told.items() if "pid" in t}
        spent = time.perf_counter() - self.began
        over = sum(
            size * (1.0 if self.rows[p].state != "waiting" else parts.get(p, 0.0))
            for p, size in self._sizes.items()
        )
        share = over / max(sum(self._sizes.values()), 1)
        left = spent * (1 - share) / share if share else float("nan")
        self.report(Running(dict(self.rows), parts, pids, spent, left, self.said))


def _why(future: Any) -> str:
    """One line on a call that gave nothing."""
    if future.status != "error":
        return "the cluster lost it: run again with --resume"
    error = future.exception()
    if isinstance(error, _dask()[1].KilledWorker):
        return f"its worker died {_DEATHS + 1} times, as when memory runs out: give --workers 1"
    return f"{type(error).__name__}: {error}".partition("\n")[0]
