"""Bad pixels over many full frames, against the official `badpix_selfcal`."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.bench.detector import WATCHED
from jwinteractive.bench.rows import Row, best, row
from jwinteractive.data import Array

__all__ = ["mask_statistics"]

_COUNT = 12
_MODE: dict[str, dict[str, Any]] = {"nirspec": {"exp_type": "NRS_IFU"}, "nircam": {}}
_DEFECTS = {"new_hot": 0.003, "hot": 0.0, "unknown_bad": 1.0}
_FLAGGED = ("HOT", "WARM", "UNRELIABLE_SLOPE")


def mask_statistics() -> Row:
    """Statistics over 12 x 2048 x 2048 rates, from files to classes, against selfcal on 4 and 12.

    Spectra, because the official filter of images needs more memory than most machines have. The
    exposures are made by the noise model of `simulate.rates`: one detector, whose hot, telegraph,
    dead and insensitive pixels no reference knows. The accuracy is the share of hot and telegraph
    pixels found when thresholds are set for as many false flags as the official ones cause.
    """
    from jwinteractive.badpix import BadpixParams, classify, expected_false, gather, selfcal

    made = _programme("nirspec")
    paths, true = list(made.paths), made.pixels.dq
    injected, good = (true & (dq.HOT | dq.TELEGRAPH)) != 0, true == 0
    got: dict[str, Any] = {}

    def run() -> None:
        got["evidence"] = gather(paths)
        got["classes"] = classify(got["evidence"])

    run()  # kernels from the disk cache, files into the page cache
    seconds = best(run, 3)
    evidence = got["evidence"]
    peer, accuracy = {}, {}
    for count in (4, _COUNT):
        peer[count], theirs = _official(paths[:count])
        allowed = int(np.count_nonzero(theirs & good))
        accuracy[f"selfcal_on_{count}_found"] = _share(theirs, injected)
        accuracy[f"selfcal_on_{count}_false"] = allowed
        mine = evidence if count == _COUNT else gather(paths[:count])
        ours = _at_most(mine, allowed, good)
        accuracy[f"ours_on_{count}_found"] = _share(ours, injected)
        accuracy[f"selfcal_on_{count}_equal"] = bool(np.array_equal(theirs, selfcal(paths[:count])))
    found = [got["classes"][name] for name in _FLAGGED]
    accuracy["default_found"] = _share(np.logical_or.reduce(found), injected)
    accuracy["default_false"] = int(np.count_nonzero(np.logical_or.reduce(found) & good))
    slider = BadpixParams(significance=4.0)
    expected_false(evidence, slider)
    images = list(_programme("nircam").paths)
    gather(images)
    return row(
        "mask_statistics",
        seconds,
        peer[4],
        accuracy=accuracy,
        detail={
            "selfcal_on_12_s": round(peer[_COUNT], 3),
            "our_selfcal_on_12_s": round(best(lambda: selfcal(paths), 3), 3),
            "images_s": round(best(lambda: gather(images), 3), 3),
            "expected_false_s": round(best(lambda: expected_false(evidence, slider), 9), 5),
            "classify_s": round(best(lambda: classify(evidence, slider), 5), 4),
        },
        ours_peak_mb=_peak(_OURS, paths),
        peer_peak_mb=_peak(_PEER, paths[:4]),
    )


@cache
def _programme(mode: str) -> Any:
    from jwinteractive.simulate.rates import simulate_rates

    folder = Path(tempfile.mkdtemp(prefix="jwinteractive-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return simulate_rates(folder, _COUNT, mode, seed=1, **_DEFECTS, **_MODE[mode])


def _share(flags: Array, of: Array) -> float:
    return round(float(flags[of].mean()), 4)


def _at_most(evidence: Any, allowed: int, good: Array) -> Array:
    """What we flag with the lowest threshold that gives no more false flags than allowed."""
    from jwinteractive.badpix import BadpixParams, classify

    flags = good & ~good
    for significance in np.arange(8.0, 2.4, -0.1):
        p = BadpixParams(significance=round(float(significance), 2), warm=0.0, unreliable=1.0)
        classes = classify(evidence, p)
        more = np.logical_or.reduce([classes[name] for name in _FLAGGED])
        if np.count_nonzero(more & good) > allowed:
            break
        flags = more
    return flags


def _official(paths: list[Path]) -> tuple[float, Array]:
    """Seconds of the official step from the files on, and the pixels that it flags."""
    from jwst.badpix_selfcal import BadpixSelfcalStep

    step = BadpixSelfcalStep()
    began = time.perf_counter()
    result, _ = step.process(str(paths[0]), selfcal_list=[str(p) for p in paths[1:]])
    seconds = time.perf_counter() - began
    return seconds, (np.asarray(result.dq) & dq.OTHER_BAD_PIXEL) != 0


_OURS = WATCHED.format(
    opened="from jwinteractive.badpix import classify, gather", run="classify(gather(sys.argv[1:]))"
)
_PEER = WATCHED.format(
    opened="from jwst.badpix_selfcal import BadpixSelfcalStep as Step",
    run="Step().process(path, selfcal_list=sys.argv[2:])",
)


def _peak(program: str, paths: list[Path]) -> float:
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
