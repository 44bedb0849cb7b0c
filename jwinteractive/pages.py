"""Pages of mapped files: how much of a file that is read piece by piece stays in memory."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterable
from typing import Any

import numpy as np

__all__ = ["read", "release", "scatter"]

Array = np.ndarray[Any, Any]

_PIECE = 128 * 2**20  # bytes of a file that are passed over before its pages are let go


def read(stored: Array, dtype: type[np.generic], zero: float = 0.0) -> Array:
    """Return planes [.., y, x] contiguous and of a type, plus ``zero``; copied only if need be.

    A box of many planes touches pages all over a mapped file: they are let go on the way.
    """
    ready = not zero and stored.flags.c_contiguous and stored.dtype == dtype
    if ready or stored.ndim < 3 or _mapping(stored) is None:
        return np.add(stored, zero, dtype=dtype) if zero else np.ascontiguousarray(stored, dtype)
    made = np.empty(stored.shape, dtype)
    stride = max(stored.strides[-3], 1)
    step, passed = max(1, _PIECE // stride), 0
    for first in np.ndindex(stored.shape[:-3]):
        for start in range(0, stored.shape[-3], step):
            piece = (*first, slice(start, start + step))
            if zero:
                np.add(stored[piece], zero, out=made[piece], dtype=dtype)
            else:
                made[piece] = stored[piece]
            passed += len(made[piece]) * stride
            if passed >= _PIECE:
                release([stored])
                passed = 0
    return made


def release(arrays: Iterable[Array], shared: bool = False) -> None:
    """Let the pages behind mapped arrays go; whoever looks there again gets them from the file.

    Mappings that can be written to, even privately, are left alone: changes of private ones would
    be lost. With ``shared``, all are known to hand their changes on to the file.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    for mapping in _mappings(arrays):
        with memoryview(mapping) as seen:
            read_only = seen.readonly
        if read_only or shared:
            with contextlib.suppress(OSError):  # pages that are locked in memory stay
                mapping.madvise(mmap.MADV_DONTNEED)


def scatter(arrays: Iterable[Array]) -> None:
    """Expect short pieces all over mapped arrays: a touch takes in one page, not 2 MB about it."""
    if hasattr(mmap, "MADV_RANDOM"):
        for mapping in _mappings(arrays):
            mapping.madvise(mmap.MADV_RANDOM)


def _mappings(arrays: Iterable[Array]) -> Iterable[mmap.mmap]:
    """Mappings that arrays are views of, each once."""
    found = (_mapping(array) for array in arrays)
    return {id(m): m for m in found if m is not None}.values()


def _mapping(array: Any) -> mmap.mmap | None:
    """Mapping that an array is a view of."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return array
