"""Where results live, by key: in memory, least recently used dropped first, over a folder on disk.

On disk a result is one folder of ``.npy`` files beside a ``thing.json``; it appears by a rename, so
a reader sees all of it or nothing. A result that is being computed strip by strip is a *draft*:
its finished strips survive a killed process and are not computed again. Nothing is ever pickled.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import fcntl
import functools
import json
import math
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from platformdirs import user_cache_path

from jwinteractive.data import (
    Array,
    Box,
    Cube,
    Exposure,
    Filed,
    Product,
    Ramp,
    Rate,
    RateInts,
    SpectrumSet,
)
from jwinteractive.errors import OutputError
from jwinteractive.irs2 import Interleaved
from jwinteractive.memory import memory_limit
from jwinteractive.pages import release, scatter
from jwinteractive.scratch import Scratch, reserve
from jwinteractive.step import Model, Ran, registry

__all__ = ["Draft", "Store"]

Thing = Product | Model
MB, GB = 2**20, 2**30
FILES = "files"  # folder of files of a store
IN_MEMORY = 256 * MB  # of a result without a folder; a larger one is on a file without a name
AT_ONCE = 64 * MB  # of strips that are written to a file before its pages are let go


class Store:
    """Results by key.

    Parameters
    ----------
    folder
        Where results are kept across processes; None keeps them in memory, large ones on files
        that end with them.
    limit, limit_of_files
        Bytes of arrays held (4 GB by default, or a quarter of the memory that there is), and of
        files of a store without a folder.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        limit: int | None = None,
        limit_of_files: int = 16 * GB,
    ) -> None:
        self.folder = None if folder is None else Path(folder)
        if limit is not None:
            self.limit = limit
        self.limit_of_files = limit_of_files
        self._held: OrderedDict[str, Thing] = OrderedDict()
        self._lock = threading.RLock()
        self._passing: Path | None = None  # of files of a store without a folder
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(
                    f"store {self.folder}: cannot be made ({error.strerror})"
                ) from None

    @functools.cached_property
    def limit(self) -> int:
        """Bytes of arrays held; asked for only by a store that holds more than one result."""
        return min(4 * GB, memory_limit() // 4)

    def __contains__(self, key: str) -> bool:
        return key in self._held or (
            self.folder is not None and (self.folder / key / "thing.json").exists()
        )

    def get(self, key: str) -> Thing | None:
        """Return the result of a key, read-only and memory-mapped if it was on disk, or None."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            if self.folder is None:
                return None
            thing = _load(self.folder / key)
            thing = None if thing is None else _moved(thing, None, self._files())
            if thing is not None:
                self._hold(key, thing)
            return thing

    def put(self, key: str, thing: Thing) -> None:
        """Keep a result; on disk it appears whole or not at all.

        Raises
        ------
        OutputError
            If the disk cannot take it; what was kept before is untouched.
        """
        with self._lock:
            self._hold(key, thing)
            if self.folder is None and isinstance(thing, Ran):
                self._make_room(key)
            if self.folder is None or (self.folder / key).exists():
                return
            with _writing(self.folder):
                temp = Path(tempfile.mkdtemp(dir=self.folder, prefix=".new-"))
                try:
                    for name, array in thing.arrays().items():
                        np.save(temp / f"{name}.npy", array)
                        release([array])
                    (temp / "thing.json").write_text(json.dumps(_head(thing)))
                    _appear(temp, self.folder / key)
                finally:
                    shutil.rmtree(temp, ignore_errors=True)

    def draft(self, key: str, sample: Product, box: Box) -> Draft:
        """Room for a result that covers ``box``, shaped as a ``sample`` strip of it.

        Raises
        ------
        OutputError
            If the disk has no room.
        """
        if self.folder is None:
            return _passing_draft(self, key, sample, box)
        with _writing(self.folder):
            return _disk_draft(self, self.folder, key, sample, box)

    def room(self, key: str) -> Path:
        """Folder for the files of a result, made here; it goes with the store if that has none.

        Raises
        ------
        OutputError
            If it cannot be made.
        """
        with self._lock:
            files = self._files(make=True)
            assert files is not None
            with _writing(files):
                (files / key).mkdir(parents=True, exist_ok=True)
            return files / key

    def _make_room(self, newest: str) -> None:
        """Drop files that nothing held stands on, oldest first, if there are too many."""
        used = {getattr(thing, "source", None) for thing in self._held.values()}
        rans = [(key, t) for key, t in self._held.items() if isinstance(t, Ran)]
        sizes = {key: _size(t.place) for key, t in rans}
        total = sum(sizes.values())
        for key, ran in rans:
            if total <= self.limit_of_files or key == newest:
                return
            if not any(path is not None and ran.place in path.parents for path in used):
                del self._held[key]
                shutil.rmtree(ran.place, ignore_errors=True)
                total -= sizes[key]

    def _files(self, make: bool = False) -> Path | None:
        if self.folder is not None:
            return self.folder / FILES
        if self._passing is None and make:
            try:
                beside = user_cache_path("jwinteractive", ensure_exists=True)
            except OSError:
                beside = Path(tempfile.gettempdir())
            with _writing(beside):
                _clear_up(beside)
                self._passing = Path(tempfile.mkdtemp(prefix=f"files-{os.getpid()}-", dir=beside))
            weakref.finalize(self, shutil.rmtree, self._passing, ignore_errors=True)
        return self._passing

    def copy_to(self, other: Store) -> None:
        """Put everything that is kept, in memory or on disk, into another store."""
        if other.folder is not None and other.folder == self.folder:
            return
        files = self._files()
        if files is not None and files.is_dir():
            for old in files.iterdir():
                with _writing(files):
                    shutil.copytree(old, other.room(old.name), dirs_exist_ok=True)
        keys = set(self._held)
        if self.folder is not None:
            keys |= {p.parent.name for p in self.folder.glob("*/thing.json")}
        for key in sorted(keys):
            thing = self.get(key)
            if thing is not None and key not in other:
                other.put(key, _moved(thing, files, other._files()))

    @property
    def nbytes(self) -> int:
        """Bytes held; arrays that results share count once."""
        seen = {
            id(a.base if a.base is not None else a): a.nbytes
            for thing in self._held.values()
            for a in thing.arrays().values()
        }
        return sum(seen.values())

    def _hold(self, key: str, thing: Thing) -> None:
        with self._lock:
            self._held[key] = thing
            self._held.move_to_end(key)
            while len(self._held) > 1 and self.nbytes > self.limit:
                self._held.popitem(last=False)


@dc.dataclass
class Draft:
    """A result in the making; strips are filled from any thread, then `finish` keeps it."""

    store: Store
    key: str
    sample: Product
    box: Box
    planes: dict[str, Array]
    folder: Path | None = None
    lock: IO[str] | None = None
    done: set[Box] = dc.field(default_factory=set)
    scratch: Scratch | None = None
    _written: int = 0  # bytes since pages were let go
    _guard: threading.Lock = dc.field(default_factory=threading.Lock)

    def fill(self, strip: Product) -> None:
        """Copy a finished strip to its place."""
        box = strip.covers
        rows, columns = box.slices(self.box)
        for name, array in strip.arrays().items():
            self.planes[name][..., rows, columns] = array
        with self._guard:
            self._written += strip.nbytes
            if self._written >= AT_ONCE:
                release(self.planes.values(), shared=True)
                self._written = 0
            self.done.add(box)
            if self.folder is not None:
                with _writing(self.folder.parent), (self.folder / "done.txt").open("a") as log:
                    log.write(f"{box.y0} {box.y1} {box.x0} {box.x1}\n")

    def finish(self) -> Product:
        """Keep the result under its key and return it."""
        planes = self.planes if self.scratch is None else self.scratch.read_only()
        if self.folder is not None and self.store.folder is not None:
            with _writing(self.store.folder):
                for plane in self.planes.values():
                    plane.flush()  # type: ignore[attr-defined]  # a memory map
                planes = {n: np.load(self.folder / f"{n}.npy", mmap_mode="r") for n in self.planes}
                head = _head(_assemble(self.sample, planes, self.box))
                (self.folder / "thing.json").write_text(json.dumps(head))
                for leftover in ("done.txt", "lock"):
                    (self.folder / leftover).unlink(missing_ok=True)
                _appear(self.folder, self.store.folder / self.key)
        self.close()
        product = _assemble(self.sample, planes, self.box)
        self.store._hold(self.key, product)
        return product

    def close(self) -> None:
        """Let another process go on with the draft."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None


def _passing_draft(store: Store, key: str, sample: Product, box: Box) -> Draft:
    """Draft of a result that ends with the process: in memory, or on a file if it is large."""
    kinds = {n: ((*a.shape[:-2], *box.shape), a.dtype) for n, a in sample.arrays().items()}
    if sum(math.prod(shape) * dtype.itemsize for shape, dtype in kinds.values()) > IN_MEMORY:
        with contextlib.suppress(OSError):  # no disk has the room: the memory may
            scratch = Scratch(kinds)
            return Draft(store, key, sample, box, scratch.arrays, scratch=scratch)
    return Draft(store, key, sample, box, {n: np.empty(*kind) for n, kind in kinds.items()})


def _disk_draft(store: Store, root: Path, key: str, sample: Product, box: Box) -> Draft:
    folder = root / f"{key}.draft"
    folder.mkdir(exist_ok=True)
    lock = (folder / "lock").open("w")
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process is at it: work apart, the first to finish wins
            folder = Path(tempfile.mkdtemp(dir=root, prefix=".new-"))
        planes, fresh = _planes(folder, sample, box)
    except BaseException:
        lock.close()
        raise
    log = folder / "done.txt"
    if fresh:
        log.unlink(missing_ok=True)
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    done = {Box(*map(int, line.split())) for line in lines}
    return Draft(store, key, sample, box, planes, folder, lock, done)


def _planes(folder: Path, sample: Product, box: Box) -> tuple[dict[str, Array], bool]:
    """Memory-mapped planes of a draft, and whether any had to be made anew."""
    planes: dict[str, Array] = {}
    fresh = False
    for name, array in sample.arrays().items():
        path = folder / f"{name}.npy"
        shape = (*array.shape[:-2], *box.shape)
        kept = None
        with contextlib.suppress(OSError, ValueError):
            kept = np.lib.format.open_memmap(path, mode="r+")
        if kept is None or kept.shape != shape or kept.dtype != array.dtype:
            fresh = True
            kept = np.lib.format.open_memmap(path, mode="w+", dtype=array.dtype, shape=shape)
            with path.open("r+b") as file:
                reserve(file.fileno(), path.stat().st_size)
        planes[name] = kept
    scatter(planes.values())
    return planes, fresh


def _appear(temp: Path, final: Path) -> None:
    try:
        temp.rename(final)
    except OSError:
        if not final.is_dir():  # another process was first, with the same content
            raise


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"store {folder}: {error.strerror or error}; free some room or choose another folder"
        ) from None


def _assemble(sample: Product, planes: Mapping[str, Array], box: Box, prefix: str = "") -> Product:
    parts: dict[str, Any] = {"box": box}
    for f in dc.fields(sample):
        value = getattr(sample, f.name)
        if isinstance(value, Product):
            parts[f.name] = _assemble(value, planes, box, f"{prefix}{f.name}.")
        elif prefix + f.name in planes:
            parts[f.name] = planes[prefix + f.name]
    return dc.replace(sample, **parts)


def _head(thing: Thing) -> dict[str, Any]:
    head: dict[str, Any] = {"type": type(thing).__name__, "fields": {}, "arrays": [], "parts": {}}
    for f in dc.fields(thing):
        value = getattr(thing, f.name)
        if isinstance(value, np.ndarray):
            head["arrays"].append(f.name)
        elif isinstance(value, Product):
            head["parts"][f.name] = _head(value)
        elif isinstance(value, Exposure | Box | Interleaved):
            head["fields"][f.name] = dc.asdict(value)
        elif value is None or isinstance(value, bool | int | float | str | tuple):
            head["fields"][f.name] = value
        elif isinstance(value, Path):
            head["fields"][f.name] = str(value)
        else:
            raise TypeError(f"{type(thing).__name__}.{f.name}: {type(value).__name__} has no form")
    return head


def _types() -> dict[str, type]:
    """What a store may hold: products, and the models of the registered steps."""
    models = {m.__name__: m for s in registry.values() for m in s.models}
    return {t.__name__: t for t in (Ramp, Rate, RateInts, Cube, Filed, SpectrumSet, Ran)} | models


def _load(folder: Path) -> Thing | None:
    try:
        head = json.loads((folder / "thing.json").read_text())
        return _build(head, folder, "")
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, or of an older form: it is computed again


def _clear_up(beside: Path) -> None:
    """Remove files of processes that were killed."""
    for folder in beside.glob("files-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and Path("/proc").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _moved(thing: Thing, old: Path | None, new: Path | None) -> Thing:
    """What points at files of a store points at those of another, or where a store has moved to.

    ``old`` is the folder of all files there; None: as the thing says.
    """
    name = "place" if isinstance(thing, Ran) else "source"
    place: Path | None = getattr(thing, name, None)
    inside = ""
    if place is not None:
        inside = place.name if isinstance(thing, Ran) else f"{place.parent.name}/{place.name}"
    if new is None or place is None or not (new / inside).exists():
        return thing
    if old is not None and old not in place.parents:
        return thing
    changes: dict[str, Any] = {name: new / inside}
    if isinstance(thing, Rate) and thing.integrations is not None:
        changes["integrations"] = _moved(thing.integrations, old, new)
    return dc.replace(thing, **changes)


def _tuples(table: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}


def _build(head: Mapping[str, Any], folder: Path, prefix: str) -> Thing:
    values = _tuples(head["fields"])
    if "exposure" in values:
        values["exposure"] = Exposure(**_tuples(values["exposure"]))
    if values.get("box") is not None:
        values["box"] = Box(**values["box"])
    if values.get("interleaved") is not None:
        values["interleaved"] = Interleaved.plain(values["interleaved"])
    for name in ("source", "place"):
        if values.get(name) is not None:
            values[name] = Path(values[name])
    for name in head["arrays"]:
        values[name] = np.load(folder / f"{prefix}{name}.npy", mmap_mode="r", allow_pickle=False)
    for name, part in head["parts"].items():
        values[name] = _build(part, folder, f"{prefix}{name}.")
    made: Thing = _types()[head["type"]](**values)
    return made
