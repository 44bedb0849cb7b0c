"""What takes long the first time is done beforehand, so that no first click waits for it.

The kernels of all steps are compiled into the disk cache, and official steps looked up. Numba
compiles one function at a time in a process; two processes halve the wait. Installing does it
(`make env`, `jwinteractive warm`); else the first session that computes something compiles.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from jwinteractive.data import Box
from jwinteractive.errors import StepError
from jwinteractive.official.catalogue import catalogue
from jwinteractive.recipe import Recipe, recipe_names
from jwinteractive.step import Whole, registry

__all__ = ["compile_steps", "warm", "warm_official", "warm_once"]

SLOWEST = "ramp_fit"  # takes as long to compile as all others together


def warm() -> float:
    """Compile everything in two processes; return the seconds it took.

    Raises
    ------
    StepError
        If a kernel does not compile.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "jwinteractive.warm"]
    shares = ([name for name in registry if name != SLOWEST], [SLOWEST])
    started = [
        subprocess.Popen([*command, *share], stderr=subprocess.PIPE, text=True) for share in shares
    ]
    for process in started:
        _, said = process.communicate()
        if process.returncode:
            raise StepError(f"kernels do not compile: {said.strip().splitlines()[-1]}")
    stamp = _stamp()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.touch()
    return time.perf_counter() - began


def warm_official() -> float:
    """Let the official package list its steps, if it did not yet; return the seconds it took.

    Raises
    ------
    StepError
        If it is not installed or cannot be loaded.
    """
    began = time.perf_counter()
    catalogue()
    return time.perf_counter() - began


@functools.cache
def warm_once() -> None:
    """Compile if these kernels never were; if that fails, they are compiled as they are called."""
    try:
        if not _stamp().exists():
            warm()
    except (OSError, StepError):
        pass


def _stamp() -> Path:
    """File that says that the kernels as they are now were compiled here."""
    root = Path(__file__).parent
    parts = [platform.python_version(), version("numba"), os.environ.get("NUMBA_CACHE_DIR", "")]
    for path in sorted([*root.glob("kernels/*.py"), *root.glob("steps/**/*.py")]):
        stat = path.stat()
        parts.append(f"{path} {stat.st_size} {stat.st_mtime_ns}")
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=12).hexdigest()
    return user_cache_path("jwinteractive") / f"warm-{digest}"


def compile_steps(names: Sequence[str]) -> None:
    """Run the named steps on tiny ramps, as sessions run them, in every recipe that has them."""
    from jwinteractive.chain import Link
    from jwinteractive.data import Ramp
    from jwinteractive.testing import example_exposure, example_ramp, example_references

    for recipe in (Recipe.load(name) for name in recipe_names()):
        exposure = example_exposure(recipe.instruments[0], nints=2, xstart=1, ystart=1)
        ramp = example_ramp(exposure, (64, 64)).native()
        references = example_references(exposure, (64, 64))
        for stage in recipe:
            step = registry[stage.step]
            if stage.step not in names or Ramp not in step.takes:
                continue
            if step.skips(exposure, stage.params):
                continue
            given = {name: references.get(n.kind.reftype) for name, n in step.needs.items()}
            model = None
            if step.measure is not None:
                model = step.learn(Whole(exposure, ramp.covers, ramp.crop), stage.params, given)
            Link(step, stage.params, given, model)(ramp)
    if "refpix" in names:
        _compile_irs2()
    if SLOWEST not in names:
        _compile_statistics()
        _compile_smoother()
        _compile_lines()
        _compile_spectra()
        _compile_outliers()


def _compile_irs2() -> None:
    """Correct two tiny IRS2 frames: they are mapped from a file, so no example ramp has them."""
    from jwinteractive.irs2 import FAST, Interleaved, Mapped
    from jwinteractive.references import Irs2Ref
    from jwinteractive.testing import example_exposure, example_ramp

    exposure = example_exposure(
        "NIRSPEC", readpatt="NRSIRS2RAPID", subarray="FULL", ngroups=2, xstart=1, ystart=1
    )
    with tempfile.TemporaryDirectory() as folder:
        shape = (1, 2, FAST, 16)
        path = Path(folder) / "frames"
        path.write_bytes(bytes(2 * math.prod(shape)))
        frames = Interleaved(Mapped(str(path), 0, ">i2", shape), exposure.detector)
        ramp = example_ramp(exposure, (2048, 16)).replace(interleaved=frames).native()
        given = {"irs2": Irs2Ref.nominal(exposure, ramp.shape), "sirs": None}
        step = registry["refpix"]
        whole = Whole(exposure, Box.whole(ramp.shape), ramp.crop)
        step(ramp, step.params(), given, step.learn(whole, step.params(), given))


def _compile_statistics() -> None:
    """Bad-pixel statistics are no step: their kernels take tiny stacks, of the types they get."""
    import numpy as np

    from jwinteractive.kernels.badpix import blend, compare
    from jwinteractive.kernels.lanes import flatten, sorting_network
    from jwinteractive.kernels.readstats import EDGE, STEPS, add_ramps, compare_mixtures
    from jwinteractive.kernels.surroundings import local_level, median_filter, second_neighbour

    stack, plane = np.zeros((3, 10, 18), np.float32), np.zeros((8, 16), np.float32)
    number, net = np.zeros((8, 16), np.uint16), sorting_network(3)
    blend(stack, stack, (sorting_network(8), net), 4.0, plane, plane, plane, plane, number)
    offsets = np.array([(0, -1), (0, 0), (0, 1)], np.int64)
    local_level(plane, 0, 8, offsets, net, plane, plane, number)
    second_neighbour(plane, plane, 0, 8, plane)
    factors = np.ones(4, np.float32)
    compare(plane, plane, plane, number, plane, number, factors, 0.0, plane, plane)
    median_filter(plane, 0, 8, 1, 3, net, plane)
    ramps, line = flatten(np.zeros((1, 4, 4, 4), np.float32)), np.zeros(16, np.float32)
    fixed = flatten(line[None, None])[0]
    flags, weights = flatten(np.zeros((1, 4, 4, 4), np.uint8)), np.zeros((2, 4), np.float32)
    for kind in (np.uint8, np.uint16):
        counts = np.zeros((16, 2 * EDGE * STEPS + 2), kind)
        spoilt = np.array([1, 4], np.uint8)
        sums = np.zeros((16, 2, 7), np.float32)
        add_ramps(ramps, flags, line, line, fixed, (0, 3), weights, spoilt, sums, counts)
        laws = np.full((1, 1, counts.shape[1]), 0.1)
        compare_mixtures(counts, laws[0], laws[0, 0], laws, 1, np.empty(16), np.empty(16))


def _compile_smoother() -> None:
    """Clean a tiny image: the smoother of 1/f noise takes copies, whatever arrays it gets."""
    import numpy as np

    from jwinteractive.flicker.readout import Readout
    from jwinteractive.flicker.smoother import clean

    place = np.arange(64)
    readout = Readout(place % 32, place // 32, 44)
    clean(np.zeros((1, 8, 64), np.float32), np.ones((8, 64), np.bool_), readout)


def _compile_lines() -> None:
    """Clean tiny images by medians and by waves along lines, whose strips are read-only copies."""
    import numpy as np

    from jwinteractive.flicker.fourier import fit_waves, less_waves
    from jwinteractive.flicker.median import median_clean

    images, free = np.zeros((1, 8, 64), np.float32), np.ones((8, 64), np.bool_)
    median_clean(images, free)
    less_waves(images, fit_waves(images, free))


def _compile_spectra() -> None:
    """Extract from a tiny slit, and from a tiny cube, whose arrays are as files give them."""
    import numpy as np

    from jwinteractive.data import Cube, Rate
    from jwinteractive.testing import example_exposure

    y = np.arange(24)[:, None]
    light = np.exp(-((y - 11 - np.arange(64) / 64) ** 2) / 3).astype(np.float32) * 100
    one = np.ones_like(light)
    slit = Rate(
        exposure=example_exposure("NIRSPEC", dispaxis=1, unit="MJy"),
        data=light,
        err=one,
        dq=np.zeros(light.shape, np.uint32),
        var_poisson=one,
        var_rnoise=one,
    )
    shape = (2, 16, 16)
    cube = Cube(
        exposure=example_exposure("NIRSPEC", dispaxis=3, unit="MJy/sr"),
        data=np.ones(shape, np.float32),
        err=np.ones(shape, np.float32),
        dq=np.zeros(shape, np.uint32),
        wavelengths=(1.0, 2.0),
    )
    step = registry["extract_1d"]
    common = {"background": "1:3", "smoothing_length": 3}
    asked: tuple[tuple[Rate | Cube, dict[str, str]], ...] = (
        (slit, {"bkg_fit": "poly"}),
        (slit, {"bkg_fit": "median"}),
        (slit, {"extraction_type": "optimal"}),
        (cube, {}),
    )
    for product, given in asked:
        p = step.params().replace(**common, **given)
        model = step.learn(Whole(product.exposure, product.covers, product.crop), p, {})
        step(product, p, {}, model)


def _compile_outliers() -> None:
    """Compare tiny exposures of a field, of a detector, and integrations: sets are no ramps."""
    import numpy as np

    from jwinteractive.data import Rate, RateInts
    from jwinteractive.outliers import OutlierParams, Planes, flags_of, measure_stack, member_of
    from jwinteractive.simulate.dithers import dithers
    from jwinteractive.step import Together
    from jwinteractive.testing import example_exposure

    exposures = dithers(2, (40, 40)).exposures
    whole = Box.whole((40, 40))
    members = [
        member_of(e.name, Planes(e.data, e.err, e.dq, e.var_rnoise), e.wcs, wcsinfo=e.wcsinfo)
        for e in exposures
    ]
    for p in (OutlierParams(), OutlierParams(method="official")):
        stack = measure_stack(members, p)
        for k, e in enumerate(exposures):
            flags_of(stack, k, whole, e.data, e.err, e.dq, p)
    step = registry["outlier_detection"]
    kinds: tuple[tuple[type[Rate] | type[RateInts], tuple[int, ...], str], ...] = (
        (Rate, (16, 24), "MIR_MRS"),
        (RateInts, (30, 4, 8), "MIR_IMAGE"),
        (RateInts, (3, 4, 8), "MIR_LYOT"),
    )
    for kind, shape, exp_type in kinds:
        one = np.ones(shape, np.float32)
        product = kind(
            exposure=example_exposure("MIRI", exp_type=exp_type),
            data=one,
            err=one,
            dq=np.zeros(shape, np.uint32),
            var_poisson=one,
            var_rnoise=one,
        )
        them = [Whole(product.exposure, product.covers, product.crop)] * 2
        model = step.learn(Together(tuple(them)), step.params(), {})
        step(product, step.params(), {}, model)


if __name__ == "__main__":
    compile_steps(sys.argv[1:])
