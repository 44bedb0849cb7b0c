"""Twelve exposures on two processes against one, each of one thread: what a second worker gains."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from jwinteractive.bench.rows import Row, row, simulated
from jwinteractive.session import open_session

__all__ = ["batch"]

EXPOSURES, SIDE = 12, 2048
TIMES = 3  # of which the best counts: other programs may take the cores


def batch() -> Row:
    """Seconds of a whole batch, from the start of the cluster to its end."""
    from jwinteractive.batch import grouped, run_batch

    path, _ = simulated(size=(SIDE, SIDE))
    with tempfile.TemporaryDirectory(prefix="jwinteractive-bench-") as name:
        folder = Path(name)
        paths = [_copy(path, folder, number) for number in range(1, EXPOSURES + 1)]
        groups, failed = grouped(paths, open_session)
        seconds: dict[int, list[float]] = {1: [], 2: []}
        peak = 0
        for k in range(TIMES):
            for workers, spent in seconds.items():
                output = folder / f"out-{workers}-{k}"
                made = run_batch(groups, output, failed=failed, workers=workers)
                assert made.workers == workers, "memory is short"
                assert not made.failed, made.failed
                spent.append(made.seconds)
                peak = max(peak, *(r.memory for r in made.rows))
                planned = max(r.planned for r in made.rows)
                shutil.rmtree(output)
    return row(
        "batch",
        min(seconds[2]),
        min(seconds[1]),
        ours_peak_mb=peak / 2**20,
        detail={
            "what": f"{EXPOSURES} exposures of {SIDE} x {SIDE}: two workers against one",
            "two_s": seconds[2],
            "one_s": seconds[1],
            "planned_mb": planned / 2**20,
        },
    )


def _copy(path: Path, folder: Path, number: int) -> Path:
    """The same exposure under another name, with its references."""
    name = path.name.replace("_00001_", f"_{number:05d}_")
    (folder / name).symlink_to(path)
    refs = path.name.replace("_uncal.fits", "_refs")
    (folder / name.replace("_uncal.fits", "_refs")).symlink_to(path.with_name(refs))
    return folder / name
