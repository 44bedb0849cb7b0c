"""Speed as a ratio against the official steps on the same arrays, with the accuracy beside it.

Both sides are timed in this process, one after the other; peak memory is that of a fresh process
each, above what it held when the exposure was open.
"""

from __future__ import annotations

import atexit
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive import official_run
from jwinteractive.data import Array, Box, Rate
from jwinteractive.demo import robust_width
from jwinteractive.errors import ParamError, suggestion

__all__ = ["bench"]

Row = dict[str, Any]


def bench(names: Sequence[str], only_list: bool, as_json: bool) -> int:
    """Run benchmarks by name (all if none is given), print a table, write build/bench.json.

    Raises
    ------
    ParamError
        For an unknown name.
    """
    if only_list:
        print(json.dumps(list(BENCHMARKS)) if as_json else "\n".join(BENCHMARKS))
        return 0
    for name in names:
        if name not in BENCHMARKS:
            raise ParamError(f"benchmark {name!r}: {suggestion(name, BENCHMARKS)}")
    rows = [BENCHMARKS[name]() for name in names or BENCHMARKS]
    if as_json:
        print(json.dumps(rows, indent=1))
    else:
        print(_table(rows))
    folder = Path("build")
    folder.mkdir(exist_ok=True)
    told = {"machine": platform.platform(), "python": platform.python_version(), "rows": rows}
    (folder / "bench.json").write_text(json.dumps(told, indent=1))
    return 0


def _table(rows: Sequence[Row]) -> str:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    lines = ["name         ours s     peer s   ratio  ours MB  peer MB  accuracy"]
    for r in rows:
        shown = {k: f"{v:.6g}" if type(v) is float else v for k, v in r["accuracy"].items()}
        accuracy = ", ".join(f"{k} {v}" for k, v in shown.items())
        lines.append(
            f"{r['name']:10} {number(r['ours_s'], '9.4f')}  {number(r['peer_s'], '9.3f')}"
            f"  {number(r['ratio'], '6.1f')}  {number(r['ours_peak_mb'], '7.0f')}"
            f"  {number(r['peer_peak_mb'], '7.0f')}  {accuracy}"
        )
    return "\n".join(lines)


def _row(name: str, ours: float, peer: float | None, **rest: Any) -> Row:
    return {
        "name": name,
        "ours_s": ours,
        "peer_s": peer,
        "ratio": None if peer is None else peer / ours,
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
def simulated() -> tuple[Path, Any]:
    """Simulated NIRCam exposure of 1 x 10 x 2048 x 2048, made once: its file and its truth."""
    from jwinteractive.simulate import simulate

    folder = Path(tempfile.mkdtemp(prefix="jwinteractive-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = simulate("nircam", seed=1)
    return made.write(folder), made.truth


def pull_width(data: Array, err: Array, flags: Array, truth: Any) -> float:
    """Robust width of (rate - truth) / err where neither flags nor truth know a defect or hit."""
    good = (flags == 0) & (truth.dq == 0) & np.isfinite(data) & (err > 0)
    good[truth.jumps["y"], truth.jumps["x"]] = False
    return robust_width((data[good] - truth.rate[good]) / err[good])


def _detector1() -> Row:
    path, truth = simulated()
    ours: dict[str, Any] = {}

    def run() -> None:
        ours["rate"] = jwinteractive.open(path).run()

    run()  # kernels from the disk cache, files into the page cache
    seconds = best(run, 3)
    rate = ours["rate"]
    assert isinstance(rate, Rate)
    peer, by_step = official_run.detector1(path)
    theirs = official_run.arrays(peer)
    good = np.isfinite(rate.data) & np.isfinite(theirs["data"])
    scaled = np.abs(rate.data - theirs["data"])[good] / theirs["err"][good]
    their_width = pull_width(theirs["data"], theirs["err"], theirs["dq"], truth)
    accuracy = {
        "dq_equal": float(np.mean(rate.dq == theirs["dq"])),
        "median_difference_sigma": float(np.median(scaled)),
        "pull_width": round(pull_width(rate.data, rate.err, rate.dq, truth), 4),
        "peer_pull_width": round(their_width, 4),
    }
    best_of = {step: min(times.values()) for step, times in by_step.items()}
    return _row(
        "detector1",
        seconds,
        sum(best_of.values()),
        accuracy=accuracy,
        detail={"peer_s_by_step": by_step},
        ours_peak_mb=_peak(_OURS, path),
        peer_peak_mb=_peak(_PEER, path),
    )


def _preview() -> Row:
    session = jwinteractive.open(simulated()[0])
    box = Box(900, 1156, 900, 1156)
    session.preview(box)
    seconds = best(lambda: session.preview(box), 7)
    part, whole = session.preview(box), session.run()
    same = np.array_equal(part.arrays()["data"], whole.crop(box).arrays()["data"], equal_nan=True)
    return _row("preview", seconds, None, accuracy={"box": "256 x 256", "equals_full_run": same})


def _inspect() -> Row:
    session = jwinteractive.open(simulated()[0])
    history = session.inspect(1000, 1000)
    rate = session.run()
    session.run()
    assert isinstance(rate, Rate)
    accuracy = {
        "rate_equals_run": history.steps[-1].rate == float(rate.data[1000, 1000]),
        "nothing_changed_run_s": round(best(session.run, 7), 5),
    }
    return _row("inspect", best(lambda: session.inspect(1000, 1000), 7), None, accuracy=accuracy)


def _import() -> Row:
    def start(module: str) -> float:
        command = [sys.executable, "-c", f"import {module}"]
        return best(lambda: subprocess.run(command, check=True, capture_output=True), 3)

    return _row("import", start("jwinteractive"), start("jwst.pipeline"))


BENCHMARKS: dict[str, Callable[[], Row]] = {
    "detector1": _detector1,
    "preview": _preview,
    "inspect": _inspect,
    "import": _import,
}

_PEAK = """
import sys, threading, time
import psutil
process, top, on = psutil.Process(), 0, True
def watch():
    global top
    while on:
        top = max(top, process.memory_info().rss)
        time.sleep(0.005)
path = sys.argv[1]
{opened}
start = process.memory_info().rss
thread = threading.Thread(target=watch)
thread.start()
{run}
on = False
thread.join()
print((top - start) / 2**20)
"""
_OURS = _PEAK.format(
    opened="import jwinteractive; session = jwinteractive.open(path)", run="session.run()"
)
_PEER = _PEAK.format(
    opened="from jwinteractive import official_run; start_model = official_run.opened(path)",
    run="official_run.detector1(path, start_model)",
)


def _peak(program: str, path: Path) -> float:
    command = [sys.executable, "-W", "ignore", "-c", program, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
