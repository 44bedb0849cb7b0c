"""Speed of the steps against the official ones on the same arrays, with the accuracy beside it.

Both sides are timed in this process, one after the other; peak memory is that of a fresh process
each, above what it held when the exposure was open.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive import official_run
from jwinteractive.bench.rows import Row, best, row, simulated
from jwinteractive.compare import robust_width
from jwinteractive.data import Array, Box, Rate

__all__ = [
    "WATCHED",
    "detector1",
    "detector1_2x20",
    "detector1_tso",
    "importing",
    "inspect",
    "preview",
    "pull_width",
]


def pull_width(data: Array, err: Array, flags: Array, truth: Any) -> float:
    """Robust width of (rate - truth) / err where neither flags nor truth know a defect or hit."""
    good = (flags == 0) & (truth.dq == 0) & np.isfinite(data) & (err > 0)
    good[truth.jumps["y"], truth.jumps["x"]] = False
    return robust_width((data[good] - truth.rate[good]) / err[good])


def detector1() -> Row:
    """Raw to rate, 1 x 10 x 2048 x 2048, against the official steps."""
    return _raw_to_rate("detector1")


def detector1_2x20() -> Row:
    """Raw to rate, 2 x 20 x 2048 x 2048, against the official steps."""
    return _raw_to_rate("detector1_2x20", nints=2, ngroups=20)


def detector1_tso() -> Row:
    """Raw to rates of a time series, 200 x 8 x 256 x 2048, against the official steps."""
    return _raw_to_rate("detector1_tso", nints=200, ngroups=8, subarray="SUBGRISM256")


def _raw_to_rate(name: str, **settings: Any) -> Row:
    path, truth = simulated(**settings)
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
        "dq_equal_by_official_methods": float(np.mean(_by_official_methods(path) == theirs["dq"])),
        "median_difference_sigma": float(np.median(scaled)),
        "pull_width": round(pull_width(rate.data, rate.err, rate.dq, truth), 4),
        "peer_pull_width": round(their_width, 4),
    }
    best_of = {step: min(times.values()) for step, times in by_step.items()}
    return row(
        name,
        seconds,
        sum(best_of.values()),
        accuracy=accuracy,
        detail={"peer_s_by_step": by_step},
        ours_peak_mb=_peak(_OURS, path),
        peer_peak_mb=_peak(_PEER, path),
    )


def _by_official_methods(path: Path) -> Array:
    """Flags of our rate with two-point jumps and OLS_C."""
    session = jwinteractive.open(path)
    session.set("jump", method="two-point")
    session.set("ramp_fit", algorithm="OLS_C")
    rate = session.run()
    assert isinstance(rate, Rate)
    return rate.dq


def preview() -> Row:
    """A box of 512 x 512 pixels, raw to rate; each time another one, for one on screen is held."""
    session = jwinteractive.open(simulated()[0])

    def moving(n: int) -> float:
        boxes = (Box(y, y + n, 700, 700 + n) for y in range(700, 900, 8))
        session.preview(next(boxes))
        return best(lambda: session.preview(next(boxes)), 9)

    seconds, of_256 = moving(512), moving(256)
    box = Box(900, 1412, 900, 1412)
    part, whole = session.preview(box), session.run()
    same = np.array_equal(part.arrays()["data"], whole.crop(box).arrays()["data"], equal_nan=True)
    told = {"box": "512 x 512", "equals_full_run": same, "s_of_256 x 256": round(of_256, 4)}
    return row("preview", seconds, None, accuracy=told)


def inspect() -> Row:
    """One pixel through every step."""
    session = jwinteractive.open(simulated()[0])
    history = session.inspect(1000, 1000)
    rate = session.run()
    session.run()
    assert isinstance(rate, Rate)
    accuracy = {
        "rate_equals_run": history.steps[-1].rate == float(rate.data[1000, 1000]),
        "nothing_changed_run_s": round(best(session.run, 7), 5),
    }
    return row("inspect", best(lambda: session.inspect(1000, 1000), 7), None, accuracy=accuracy)


def importing() -> Row:
    """Start of Python with the package."""

    def start(module: str) -> float:
        command = [sys.executable, "-c", f"import {module}"]
        return best(lambda: subprocess.run(command, check=True, capture_output=True), 3)

    return row("import", start("jwinteractive"), start("jwst.pipeline"))


WATCHED = """
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
"""Program that tells how much memory (MB) something takes beyond what was there before it."""
_OURS = WATCHED.format(
    opened="import jwinteractive; session = jwinteractive.open(path)", run="session.run()"
)
_PEER = WATCHED.format(
    opened="from jwinteractive import official_run; start_model = official_run.opened(path)",
    run="official_run.detector1(path, start_model)",
)


def _peak(program: str, path: Path) -> float:
    command = [sys.executable, "-W", "ignore", "-c", program, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
