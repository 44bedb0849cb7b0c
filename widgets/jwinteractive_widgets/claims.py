"""Which kernel keeps a session in a folder: one at a time, else each overwrites the other's."""

from __future__ import annotations

from pathlib import Path
from typing import IO

__all__ = ["claim"]

_LOCK = ".kept"
_held: dict[Path, IO[bytes]] = {}


def claim(folder: Path) -> bool:
    """Whether this kernel may keep a session in a folder; once it may, it may until it ends.

    Where the system has no locks every kernel may.
    """
    place = folder.resolve()
    if place in _held:
        return True
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = (place / _LOCK).open("wb")
    except OSError:
        return True  # whoever writes there says why it cannot be written
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    except OSError:
        pass  # a file system without locks
    _held[place] = file
    return True
