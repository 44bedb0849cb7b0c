"""What is asked of the worker process, and what it says: plain values that go through a pipe."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

__all__ = ["Done", "Input", "Job"]


def _absolute(path: Path) -> str:
    """Path for another process, which may be in another folder."""
    return str(path.absolute())


@dc.dataclass(frozen=True)
class Input:
    """What a step takes.

    Attributes
    ----------
    path
        Official file.
    planes
        ``.npy`` files by name of the attribute of the model, or of its slit, in place of those of
        the file.
    box
        First and last row and column, ends excluded, that the planes cover; None: all.
    slit
        Of a file that holds several: the one that is wanted.
    model
        Class of the data model that a box is made into.
    more
        The other files of a product that is in several.
    """

    path: Path
    planes: Mapping[str, Path] = dc.field(default_factory=dict)
    box: tuple[int, int, int, int] | None = None
    slit: str = ""
    model: str = ""
    more: tuple[Path, ...] = ()


@dc.dataclass(frozen=True)
class Job:
    """A run of a step.

    Attributes
    ----------
    cls
        Its class, with its module.
    params
        Keywords of the step, overrides of references included.
    inputs, names
        What it takes, and the roots of the names of what it gives.
    folder, suffix
        Where results go, and what they are called.
    together
        The step takes all inputs at once.
    parts
        Its results are parts of one product, however many there are.
    """

    cls: str
    params: Mapping[str, Any]
    inputs: tuple[Input, ...]
    folder: Path
    names: tuple[str, ...]
    suffix: str
    together: bool = False
    parts: bool = False

    def plain(self) -> dict[str, Any]:
        """Values for JSON, with absolute paths."""
        inputs = [
            dc.asdict(i)
            | {"path": _absolute(i.path), "planes": {k: _absolute(p) for k, p in i.planes.items()}}
            | {"more": [_absolute(path) for path in i.more]}
            for i in self.inputs
        ]
        own = {f.name: getattr(self, f.name) for f in dc.fields(self)}
        folder = _absolute(self.folder)
        return own | {"inputs": inputs, "folder": folder, "params": dict(self.params)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Job from its plain values."""
        inputs = tuple(
            Input(
                path=Path(i["path"]),
                planes={k: Path(p) for k, p in i["planes"].items()},
                box=None if i["box"] is None else tuple(i["box"]),
                slit=i["slit"],
                model=i["model"],
                more=tuple(map(Path, i["more"])),
            )
            for i in plain["inputs"]
        )
        return cls(
            cls=plain["cls"],
            params=plain["params"],
            inputs=inputs,
            folder=Path(plain["folder"]),
            names=tuple(plain["names"]),
            suffix=plain["suffix"],
            together=plain["together"],
            parts=plain["parts"],
        )


@dc.dataclass(frozen=True)
class Done:
    """What came of a job.

    Attributes
    ----------
    files, side
        Official files in order of the inputs, or one for all; catalogues and the like.
    seconds, peak
        Time in the step's own ``process``, and bytes of memory that it added at its highest.
    skipped
        The step says that it was skipped.
    log
        What it said.
    """

    files: tuple[Path, ...]
    side: tuple[Path, ...]
    seconds: float
    peak: int
    skipped: bool
    log: tuple[str, ...] = ()
