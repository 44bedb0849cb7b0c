"""What benchmarks share: a row of the table, the shortest time, the simulated exposure."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Row", "best", "row", "simulated"]

Row = dict[str, Any]


def row(name: str, ours: float | None, peer: float | None, **rest: Any) -> Row:
    """One benchmark: our time and a peer's in seconds, with what else is told of it."""
    return {
        "name": name,
        "ours_s": ours,
        "peer_s": peer,
        "ratio": peer / ours if ours and peer else None,
        "ours_peak_mb": rest.get("ours_peak_mb"),
        "peer_peak_mb": rest.get("peer_peak_mb"),
        "accuracy": rest.get("accuracy", {}),
        "detail": rest.get("detail", {}),
    }


def best(call: Callable[[], Any], times: int) -> float:
    """Shortest of several wall times in seconds."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        spent.append(time.perf_counter() - began)
    return min(spent)


@cache
def simulated(mode: str = "nircam", **settings: Any) -> tuple[Path, Any]:
    """Simulated exposure of 1 x 10 x 2048 x 2048, made once: its file and its truth.

    ``settings`` change what is simulated, see `jwinteractive.simulate.simulate`.
    """
    from jwinteractive.simulate import simulate

    folder = Path(tempfile.mkdtemp(prefix="jwinteractive-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = simulate(mode, seed=1, **settings)
    return made.write(folder), made.truth
