"""Official steps as ours against the same steps called by hand: the same numbers, at what cost.

By hand is what a script does: open the file, make the step with its references, ``process``, save.
Ours is a run of the session from the kept step before, until its product can be shown.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive.bench.rows import Row, row, simulated
from jwinteractive.data import Array, Box, Rate
from jwinteractive.session import Session
from jwinteractive.simulate.field import field
from jwinteractive.step import Ran

__all__ = [
    "official_jump",
    "official_jump_512",
    "official_preview",
    "official_resample",
]

_TIMES = 3
_SIDE = 256  # of the box of a preview
_THRESHOLD = 4.0

Run = Callable[[int], tuple[float, float, Array]]
"""Seconds in all, those in ``process``, and the result, of a run by its number."""


def official_jump() -> Row:
    """Jumps of 1 x 10 x 2048 x 2048."""
    return _jump("official_jump", 2048)


def official_jump_512() -> Row:
    """Jumps of 1 x 10 x 512 x 512."""
    return _jump("official_jump_512", 512)


def official_resample() -> Row:
    """A mosaic of 4 x 1024 x 1024, simulated."""
    with TemporaryDirectory() as folder:
        paths = field(size=(1024, 1024), count=4).write(folder)
        session = jwinteractive.open(paths, "mixed")
        # the official step before it leaves files, so that both open the same
        session.enable("outlier_detection", False)
        session.run("official_skymatch")
        files = _files(session, "official_skymatch")

        def ours(number: int) -> tuple[float, float, Array]:
            return _ours(session, "official_resample", "SCI", pixfrac=1 - 0.01 * number)

        def by_hand(number: int) -> tuple[float, float, Array]:
            from jwst.datamodels import ModelLibrary
            from jwst.resample import ResampleStep
            from stdatamodels.jwst import datamodels

            began = time.perf_counter()
            models = ModelLibrary([datamodels.open(str(f)) for f in files])
            step = ResampleStep(pixfrac=1 - 0.01 * number)
            step.output_dir = folder
            return _processed(step, models, began, Path(folder) / "by_hand.fits", "data")

        return _against("official_resample", ours, by_hand)


def _jump(name: str, side: int) -> Row:
    session, path = _official_ramp(side)
    refs = path.with_name(path.name.replace("_uncal.fits", "_refs"))
    (file,) = _files(session, "official_dark_current")

    def ours(number: int) -> tuple[float, float, Array]:
        threshold = _THRESHOLD + 0.01 * number
        return _ours(session, "official_jump", "GROUPDQ", rejection_threshold=threshold)

    def by_hand(number: int) -> tuple[float, float, Array]:
        from jwst.jump import JumpStep
        from stdatamodels.jwst import datamodels

        began = time.perf_counter()
        model = datamodels.open(str(file))
        given = {f"override_{t}": str(refs / f"jwst_nircam_{t}_sim.fits") for t in _READ}
        step = JumpStep(rejection_threshold=_THRESHOLD + 0.01 * number, **given)
        with TemporaryDirectory() as folder:
            return _processed(step, model, began, Path(folder) / "by_hand.fits", "groupdq")

    return _against(name, ours, by_hand, shape=[1, 10, side, side])


_READ = ("gain", "readnoise")


def official_preview() -> Row:
    """Official jumps and rates of a box of 1 x 10 x 2048 x 2048 against the whole."""
    session, _ = _official_ramp(2048)
    at = (2048 - _SIDE) // 2
    box = Box(at, at + _SIDE, at, at + _SIDE)
    seen, spent = None, []
    for number in range(_TIMES + 1):  # the first one starts what it needs
        session.set("official_jump", rejection_threshold=_THRESHOLD + 0.01 * number)
        began = time.perf_counter()
        seen = session.glance(box, "official_ramp_fit", knob="official_jump")
        spent.append(time.perf_counter() - began)
    assert seen is not None
    began = time.perf_counter()
    whole = session.run("official_ramp_fit").crop(box).native()
    peer = time.perf_counter() - began
    part = seen.product.native()
    assert isinstance(whole, Rate)  # what the step gives
    assert isinstance(part, Rate)
    same = np.array_equal(part.data, whole.data, equal_nan=True)
    return row("official_preview", min(spent[1:]), peer, accuracy={"identical": same})


def _official_ramp(side: int) -> tuple[Session, Path]:
    """Session of a simulated exposure, run by official steps up to what `jump` takes."""
    path = simulated("nircam", size=(side, side))[0] if side < 2048 else simulated()[0]
    session = jwinteractive.open(path, "official")
    session.run("official_dark_current")
    return session, path


def _files(session: Session, step: str) -> Sequence[Path]:
    """Official files of a step, of all exposures."""
    files = []
    for number in range(len(session.exposures)):
        ran = session.store.get(session.plan(step, exposure=number)[-1].model_key)
        assert isinstance(ran, Ran)  # it was run
        files.append(ran.file_of(session.input(number).exposure))
    return files


def _ours(session: Session, step: str, hdu: str, **changes: Any) -> tuple[float, float, Array]:
    from astropy.io import fits

    began = time.perf_counter()
    session.set(step, **changes)
    session.run(step)
    spent = time.perf_counter() - began
    ran = session.store.get(session.plan(step)[-1].model_key)
    assert isinstance(ran, Ran)  # it has just run
    return spent, ran.seconds, np.asarray(fits.getdata(_files(session, step)[0], hdu))


def _processed(
    step: Any, given: Any, began: float, path: Path, plane: str
) -> tuple[float, float, Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = time.perf_counter()
        made = step.process(given)
        process = time.perf_counter() - before
        made.save(str(path), overwrite=True)
    return time.perf_counter() - began, process, np.asarray(getattr(made, plane))


def _against(name: str, ours: Run, by_hand: Run, **detail: Any) -> Row:
    """Both by turns, so that a busy moment meets both; the first of each loads what it needs."""
    mine, theirs = [], []
    same = True
    for number in range(_TIMES + 1):
        one, other = ours(number), by_hand(number)
        same &= np.array_equal(one[2], other[2], equal_nan=one[2].dtype.kind == "f")
        if number:
            mine.append(one[:2])
            theirs.append(other[:2])
    best, peer = min(mine), min(theirs)
    accuracy = {
        "identical": same,
        "ours_over_by_hand": round(best[0] / peer[0], 3),
        "ours_beside_process_s": round(min(a - b for a, b in mine), 3),
        "by_hand_beside_process_s": round(min(a - b for a, b in theirs), 3),
        "process_s": round(min(b for _, b in (*mine, *theirs)), 3),
    }
    return row(name, best[0], peer[0], accuracy=accuracy, detail=detail)
