"""Pages of mapped files: how much of a file that is read piece by piece stays in memory."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["release"]

Array = np.ndarray[Any, Any]


def release(arrays: Iterable[Array]) -> None:
    """Let the pages behind mapped arrays go; whoever looks there again gets them from the file.

    Mappings that can be written to, even privately, are left alone: their changes would be lost.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    found = (_mapping(array) for array in arrays)
    for mapping in {id(m): m for m in found if m is not None}.values():
        with memoryview(mapping) as seen:
            read_only = seen.readonly
        if read_only:
            with contextlib.suppress(OSError):  # pages that are locked in memory stay
                mapping.madvise(mmap.MADV_DONTNEED)


def _mapping(array: Any) -> mmap.mmap | None:
    """Mapping that an array is a view of."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return array
