"""Arrays too large to stay in memory: on a file without a name, which goes when they go.

Why: docs/decisions/0013-large-results-lie-on-a-file.md.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from jwinteractive.pages import scatter

__all__ = ["Scratch", "reserve"]

Array = np.ndarray[Any, Any]
Kinds = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]


class Scratch:
    """Room for arrays of the given shapes and types on a file.

    The file lies in the user's cache, which is on a disk as a rule; if that cannot take it, where
    temporary files go, which often is a piece of the memory.

    Attributes
    ----------
    arrays
        To be written to, by name. What is written is in the file: their pages may be let go.

    Raises
    ------
    OSError
        If neither folder has the room.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._starts: dict[str, int] = {}
        size = 0
        for name, (shape, dtype) in kinds.items():
            self._starts[name] = size
            size += math.prod(shape) * dtype.itemsize
            size += -size % mmap.PAGESIZE
        try:
            folder = user_cache_path("jwinteractive", ensure_exists=True)
            writable, self._readable = _mapped(folder, size)
        except OSError:
            writable, self._readable = _mapped(Path(tempfile.gettempdir()), size)
        self.arrays = self._views(writable)
        scatter(self.arrays.values())

    def read_only(self) -> dict[str, Array]:
        """Return what was written, by name; from memory, or from the file where it is not there."""
        return self._views(self._readable)

    def _views(self, mapping: mmap.mmap) -> dict[str, Array]:
        return {
            name: np.ndarray(shape, dtype, mapping, self._starts[name])
            for name, (shape, dtype) in self._kinds.items()
        }


def _mapped(folder: Path, size: int) -> tuple[mmap.mmap, mmap.mmap]:
    """One new file mapped to be written and to be read; the maps keep it, and its name is gone."""
    with tempfile.TemporaryFile(dir=folder, prefix="result-") as file:
        reserve(file.fileno(), size)
        return mmap.mmap(file.fileno(), size), mmap.mmap(
            file.fileno(), size, access=mmap.ACCESS_READ
        )


def reserve(file: int, size: int) -> None:
    """Ask for the room of a file before it is mapped: a full disk is a signal after that.

    Raises
    ------
    OSError
        If there is not as much.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # not on macOS
        os.truncate(file, size)
