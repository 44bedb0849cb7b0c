"""Files that a command tells of, one after the other: one that cannot be read stops no other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from jwinteractive.errors import InputError
from jwinteractive.io import read_association

__all__ = ["each_told"]


def each_told(paths: Iterable[Path], tell: Callable[[Path], None]) -> int:
    """Tell of each file, those of an association in its place; give the command's exit code.

    Parameters
    ----------
    paths
        Files and associations; a file is told of once.
    tell
        Called with each file. An `InputError` of it is a line on stderr.

    Returns
    -------
    int
        0, or that of `InputError` where a file could not be read.
    """
    seen: set[Path] = set()
    code = 0
    for path in paths:
        try:
            for file in _files(path):
                if file in seen:
                    continue
                seen.add(file)
                try:
                    tell(file)
                except InputError as error:
                    code = _said(error)
        except InputError as error:  # the association itself
            code = _said(error)
    return code


def _files(path: Path) -> Iterator[Path]:
    yield from read_association(path).science if path.suffix == ".json" else (path,)


def _said(error: InputError) -> int:
    print(f"jwinteractive: error: {error}", file=sys.stderr)
    return error.exit_code
