"""What a worker does: reduce a file, or a set of them, and say how it went.

All that a worker is given, and all that it gives back, are strings: files lie where all can see
them.
"""

from __future__ import annotations

import dataclasses as dc
import gc
import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from jwinteractive.batch.quality import Quality, measure_quality
from jwinteractive.chain import Progress
from jwinteractive.errors import Cancelled, JwinteractiveError
from jwinteractive.plan import open_files
from jwinteractive.saved import read_session
from jwinteractive.session import Session
from jwinteractive.store import Store

__all__ = ["Place", "Row", "State", "hear_no_interrupt", "key_of", "numbers_of", "reduce_files"]

State = Literal["waiting", "done", "kept", "failed", "cancelled", "does not fit"]
_TELL = 0.3  # seconds between two words on how far a file is


@dc.dataclass(frozen=True)
class Place:
    """Folders of a batch, below the one of its products."""

    output: Path

    @property
    def work(self) -> Path:
        """Of all that is no product."""
        return self.output / ".batch"

    @property
    def stores(self) -> Path:
        """Results that are not whole yet, or that a set waits for."""
        return self.work / "stores"

    def store(self, path: Path) -> Path:
        """Those of a file, or of the set that begins with it."""
        return self.stores / _name(path)

    @property
    def stop(self) -> Path:
        """A file that tells workers to stop."""
        return self.work / "stop"

    def row(self, path: Path) -> Path:
        """What is told of a finished file."""
        return self.work / "rows" / f"{_name(path)}.json"

    def progress(self, path: Path) -> Path:
        """How far a file is: the part done, the process, how often it was begun."""
        return self.work / "progress" / f"{_name(path)}.json"

    def picture(self, path: Path) -> Path:
        """Picture of what became of a file."""
        return self.work / "pictures" / f"{_name(path)}.png"

    def settings(self, number: int) -> Path:
        """Recipe and references of a group of files: a session's folder."""
        return self.work / f"settings-{number}"

    def make(self) -> None:
        """Make the folders.

        Raises
        ------
        OSError
            If they cannot be made.
        """
        for name in ("stores", "rows", "progress", "pictures"):
            (self.work / name).mkdir(parents=True, exist_ok=True)


def _name(path: Path) -> str:
    """Name of its own for a file, of whatever folder."""
    digest = hashlib.blake2b(str(path.absolute()).encode(), digest_size=4).hexdigest()
    return f"{path.name}-{digest}"


@dc.dataclass(frozen=True)
class Row:
    """What is told of a file.

    Attributes
    ----------
    state, why
        How it ended; the error, or what else is to be said.
    key
        Of its result: another recipe or reference gives another.
    outputs
        Paths of its products.
    seconds
        That its steps and the writing took.
    planned, memory
        Bytes that were planned for, and the most that the worker held; 0: not known.
    tries
        How often it was begun: more than once where a worker died.
    quality
        Figures of its product.
    """

    path: str
    state: State
    why: str = ""
    key: str = ""
    outputs: tuple[str, ...] = ()
    seconds: float = 0.0
    planned: int = 0
    memory: int = 0
    tries: int = 0
    quality: Quality = dc.field(default_factory=Quality)

    @property
    def name(self) -> str:
        """Name of the file."""
        return Path(self.path).name

    def as_dict(self) -> dict[str, Any]:
        """The same, plain."""
        return dc.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what `as_dict` gave.

        Raises
        ------
        TypeError, KeyError
            If it is something else.
        """
        quality = Quality.from_dict(values["quality"])
        rest = {"outputs": tuple(values["outputs"]), "quality": quality}
        return cls(**(values | rest))


def numbers_of(session: Session, path: Path) -> list[int]:
    """Numbers of the exposures of a file: one, or its slits."""
    return [i for i, file in enumerate(session.exposures) if file.path == path.absolute()]


def key_of(session: Session, path: Path, to: str | None) -> str:
    """Key of what a file gives.

    Raises
    ------
    RecipeError, MissingReference
        As for `Session.plan`.
    """
    keys = [session.plan(to, i)[-1].key for i in numbers_of(session, path)]
    return hashlib.blake2b("\n".join(keys).encode(), digest_size=16).hexdigest()


def hear_no_interrupt() -> None:
    """Let Ctrl-C, which all processes of a terminal hear, be the business of the first one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def reduce_files(paths: str, settings: str, output: str, store: str, to: str, upto: str) -> str:
    """Reduce files in one session, and write their products.

    Parameters
    ----------
    paths
        JSON list of files.
    settings
        Folder of a session that tells recipe and references.
    output
        Where products go.
    store
        Folder of results that are kept until the files are done.
    to
        Last step; "" for all.
    upto
        Bring them up to this step and keep what it gives, for a set that waits for it: nothing is
        written then.

    Returns
    -------
    str
        JSON list of a `Row` for each file, in their order. A file that fails does not stop others.
    """
    saved, place = read_session(Path(settings)), Place(Path(output))
    files = [Path(path) for path in json.loads(paths)]
    opened = [file for path in files for file in open_files(path)]
    session = Session(opened, saved.recipe, saved.references, Store(Path(store)))
    made = _brought(session, place, files, upto) if upto else _written(session, place, files, to)
    rows = list(made)
    if not upto and all(row.state == "done" for row in rows):
        shutil.rmtree(store, ignore_errors=True)  # what is left is of no use, and is made again
    del session, opened, made
    gc.collect()  # sessions refer to themselves: their pages would add up from file to file
    gc.freeze()  # what is left stays: no later collection, and no end of the process, looks at it
    return json.dumps([row.as_dict() for row in rows])


def _brought(session: Session, place: Place, files: Sequence[Path], upto: str) -> Iterator[Row]:
    for path in files:
        with _Watch(session, place, path) as watch:
            for number in numbers_of(session, path):
                session.run(upto, number, threads=1, report=watch.report)
        yield watch.row("waiting")


def _written(session: Session, place: Place, files: Sequence[Path], to: str) -> Iterator[Row]:
    there: set[Path] = set()  # what a set gives together is written once
    for path in files:
        with _Watch(session, place, path) as watch:
            numbers = numbers_of(session, path)
            outputs = session.outputs(place.output, to or None, numbers[0])
            for number in numbers if len(numbers) == 1 else ():
                session.run(to or None, number, threads=1, report=watch.report)
            if not there.issuperset(outputs):
                session.write(place.output, to or None, numbers[0], overwrite=True)
                there.update(outputs)
            watch.end = time.perf_counter()
            key = key_of(session, path, to or None)
            picture = place.picture(path)
            # of slits, one that could be reduced
            shown = next(n for n in numbers if session.is_kept(to or None, n))
            watch.found = {
                "quality": measure_quality(session, to or None, shown, picture),
                "outputs": tuple(map(str, outputs)),
                "key": key,
                "why": "; ".join(e.text for e in session.journal if e.kind == "warning"),
            }
        row = watch.row("done")
        if row.state == "done":
            _write(place.row(path), json.dumps(row.as_dict()))
        yield row


class _Watch:
    """One file at work: says how far it is, catches its errors, hears that it shall stop."""

    def __init__(self, session: Session, place: Place, path: Path) -> None:
        self._session, self._place, self._path = session, place, path
        self._told = -_TELL
        self.error: JwinteractiveError | None = None
        self.found: dict[str, Any] = {}
        self.began = self.end = 0.0
        self._tries = 1 + int(read_json(place.progress(path)).get("tries", 0))

    def __enter__(self) -> Self:
        _forget_peak()
        self.began = time.perf_counter()
        self._tell(0.0)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, JwinteractiveError):
            self.error = error
        return isinstance(error, JwinteractiveError)

    def report(self, progress: Progress) -> None:
        """Say how far a step is, if that was not said a moment ago."""
        if self._place.stop.exists():
            self._session.cancel()
        if time.perf_counter() - self._told > _TELL:
            self._tell(progress.done / max(progress.total, 1))

    def _tell(self, part: float) -> None:
        self._told = time.perf_counter()
        told = {"part": part, "pid": os.getpid(), "tries": self._tries}
        _write(self._place.progress(self._path), json.dumps(told))

    def row(self, state: State) -> Row:
        """How it ended."""
        spent = (self.end or time.perf_counter()) - self.began
        if self.error is not None:
            state = "cancelled" if isinstance(self.error, Cancelled) else "failed"
            self.found = {"why": str(self.error)}
        return Row(
            path=str(self._path),
            state=state,
            seconds=spent,
            memory=_peak(),
            tries=self._tries,
            **self.found,
        )


def _write(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Content of a file of ours; empty if it is not there or is damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _forget_peak() -> None:
    """Let the peak of memory begin anew, where the system can."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        try:
            clear.write_text("5")
        except OSError:  # not ours to write: the peak is then that of the process so far
            return


def _peak() -> int:
    """Most bytes that this process held, mapped files among them; 0 where that is not told."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
