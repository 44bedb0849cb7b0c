"""How much memory this process may take: that of the machine, or what a container leaves of it."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import Final

__all__ = ["memory_limit"]

_CONTAINER: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_HUB: Final = "MEM_LIMIT"
"""Environment variable in which JupyterHub, and Binder with it, tells bytes."""


def memory_limit() -> int:
    """Bytes that all of this process may hold at most."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    told = [os.environ.get(_HUB, "")]
    for path in _CONTAINER:
        with contextlib.suppress(OSError):
            told.append(path.read_text().strip())
    limits += [int(text) for text in told if text.isdigit() and int(text) > 0]  # or "max"
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    if own != resource.RLIM_INFINITY:
        limits.append(own)
    return min(limits)
