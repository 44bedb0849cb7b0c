"""1/f cleaning on the same arrays as the official step: processor time, memory, stripes left."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

import jwinteractive
from jwinteractive.bench.detector import WATCHED
from jwinteractive.bench.rows import Row, row, simulated
from jwinteractive.chain import Link, stream
from jwinteractive.data import Array, Box, Ramp
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.scene import draft_of
from jwinteractive.masks import Layer, Selection
from jwinteractive.session import Session
from jwinteractive.step import Whole, registry
from jwinteractive.store import Store
from jwinteractive.testing import official_model

__all__ = ["flicker_fourier", "flicker_median", "flicker_preview", "flicker_smoother"]

NAME = "clean_flicker_noise"
OURS = ("shrunk_median", "fourier", "smoother")
BUDGET_MS = 150
_BOX = Box(768, 1280, 768, 1280)
_TIMES = 3
_GLANCES = 7


def flicker_median() -> Row:
    """Medians of lines of 1 x 10 x 2048 x 2048 of NIRCam against the official step's."""
    return _against("flicker_median", "nircam", "shrunk_median", "median")


def flicker_smoother() -> Row:
    """The smoother of 1 x 10 x 2048 x 2048 of NIRCam against the official step's medians."""
    return _against("flicker_smoother", "nircam", "smoother", "median")


def flicker_fourier() -> Row:
    """Waves along lines of 1 x 10 x 2048 x 2048 of NIRSpec against the official step's."""
    return _against("flicker_fourier", "nirspec", "fourier", "fft")


def _against(name: str, mode: str, ours: str, theirs: str) -> Row:
    """One method against an official one; times are those of the processor, of all threads."""
    ramp, session, noise = _jumped(mode)
    seconds, found = _timed(lambda: cleaned(session, ramp, ours))
    parity, same = _timed(lambda: cleaned(session, ramp, theirs))
    peer, official = _officially(mode, theirs)
    left = {
        "before": ramp.data,
        "stripes": found.data,
        "parity": same.data,
        "official": official,
    }
    accuracy: dict[str, Any] = {
        key: round(_stripes(ramp, data, noise), 5) for key, data in left.items()
    }
    accuracy |= {"parity_s": round(parity, 3), "parity_ratio": round(peer / parity, 1)}
    path = simulated(mode, keep_components=("correlated",))[0]
    return row(
        name,
        seconds,
        peer,
        ours_peak_mb=_peak(_OURS, path, ours),
        peer_peak_mb=_peak(_PEER, path, theirs),
        accuracy=accuracy | {"parity_mb": round(_peak(_OURS, path, theirs))},
    )


def jumped(path: str | Path) -> tuple[Ramp, Session]:
    """Ramp of a file up to `jump`, with all of its 1/f noise, and its session."""
    session = jwinteractive.open(path)
    session.enable("refpix", False)
    ramp = session.run("jump")
    assert isinstance(ramp, Ramp)
    return ramp, session


@cache
def _jumped(mode: str) -> tuple[Ramp, Session, Array]:
    """The same of a simulated exposure, and the 1/f noise that its groups have in DN."""
    path, truth = simulated(mode, keep_components=("correlated",))
    return *jumped(path), truth.components["correlated"]


def cleaned(session: Session, ramp: Ramp, method: str) -> Ramp:
    """Measure and subtract the noise of a ramp, strip by strip as a session does."""
    step = registry[NAME]
    params = step.params.from_dict({"fit_method": method})
    unread = step.unread(params)
    found = next(p for p in session.plan() if p.step.name == "jump").found
    references = {
        key: session.references.load(found[key], ramp.exposure, ramp.shape)
        for key in ("gain", "readnoise")
        if key not in unread
    }
    model = step.learn(Whole(ramp.exposure, ramp.covers, ramp.crop), params, references)
    link = Link(step, params, references, model)
    made, _ = stream(ramp, [link], partial(Store().draft, "bench"))
    assert isinstance(made, Ramp)
    return made


def _timed(call: Callable[[], Any], times: int = _TIMES) -> tuple[float, Any]:
    """Least processor time in seconds, and the result; the first call loads and compiles."""
    made = call()
    spent = []
    for _ in range(times):
        began = time.process_time()
        made = call()
        spent.append(time.process_time() - began)
    return min(spent), made


@cache
def _officially(mode: str, method: str) -> tuple[float, Array]:
    """Processor time of the official step, and its ramp."""
    ramp, session, _ = _jumped(mode)
    return _timed(lambda: officially(session, ramp, method), 1)


def officially(session: Session, ramp: Ramp, method: str) -> Array:
    """Ramp as the official step cleans it, with the gain and read noise that ours has."""
    from jwst.clean_flicker_noise import CleanFlickerNoiseStep

    step = CleanFlickerNoiseStep(fit_method=method)
    with _drafts(session, ramp), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = step.process(official_model(ramp, ramp.exposure))
    return np.asarray(made.data)


@contextmanager
def _drafts(session: Session, ramp: Ramp) -> Iterator[None]:
    """Let the official step fit its draft with references at hand, and look for no slits."""
    from jwst.clean_flicker_noise import clean_flicker_noise as module
    from jwst.ramp_fitting import RampFitStep

    found = next(p for p in session.plan() if p.step.name == "jump").found
    fit = RampFitStep()
    for key in ("gain", "readnoise"):
        reference = session.references.load(found[key], ramp.exposure, ramp.shape)
        setattr(fit, f"override_{key}", official_model(reference, ramp.exposure))

    def make_rate(model: Any, input_dir: str = "", return_cube: bool = False) -> Any:
        return fit.process(model.copy())[int(return_cube)]

    theirs = module.make_rate, module.post_process_rate
    module.make_rate = make_rate
    module.post_process_rate = lambda model, **asked: model
    try:
        yield
    finally:
        module.make_rate, module.post_process_rate = theirs


def _stripes(ramp: Ramp, data: Array, noise: Array) -> float:
    """RMS of line means by amplifier, DN a group, of the noise that the rate of ``data`` keeps."""
    whole, before, after = (
        draft_of(ramp.replace(data=part))[0] for part in (noise, ramp.data, data)
    )
    left = whole - (before - after)
    # where a sample was lost on one side, the difference is none of noise
    off = np.abs(left - np.nanmedian(left))
    left[~(off < 12 * np.nanmedian(off))] = np.nan
    stripes = Stripes(ramp.exposure, ramp.shape)
    shares = np.array_split(stripes.lines(left), stripes.channels, axis=1)
    means = [np.nanmean(share[np.isfinite(share).any(axis=1)], axis=1) for share in shares]
    return float(np.mean([mean.std() for mean in means]))


_OPENED = (
    "from jwinteractive.bench.flicker import jumped, cleaned, officially\n"
    "ramp, session = jumped(path)\nmethod = sys.argv[2]"
)
_OURS = WATCHED.format(opened=_OPENED, run="made = cleaned(session, ramp, method)")
_PEER = WATCHED.format(opened=_OPENED, run="made = officially(session, ramp, method)")


def _peak(program: str, path: Path, method: str) -> float:
    command = [sys.executable, "-W", "ignore", "-c", program, str(path), method]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def flicker_preview() -> Row:
    """Another method, and another stroke on the scene: raw to 512 x 512 of 1 x 10 x 2048 x 2048."""
    session = jwinteractive.open(simulated()[0])
    session.enable(NAME)
    session.set(NAME, fit_method="smoother")
    told: dict[str, Any] = {}
    for upto in ("ramp_fit", NAME):
        for kind, edit in (("method", _another_method), ("scene", _another_stroke)):
            spent = []
            for i in range(_GLANCES * len(OURS) + len(OURS)):
                edit(session, i)
                began = time.perf_counter()
                session.glance(_BOX, upto, knob=NAME if kind == "method" else "dq_init", hold=True)
                spent.append(time.perf_counter() - began)
            later = spent[len(OURS) :]  # the first ones measure the scene, and compile
            told[f"{kind}_to_{upto}_ms"] = round(1000 * float(np.median(later)), 1)
            told[f"{kind}_to_{upto}_p95_ms"] = round(1000 * float(np.percentile(later, 95)), 1)
    told["budget_ms"] = BUDGET_MS
    return row("flicker_preview", told["method_to_ramp_fit_ms"] / 1000, None, accuracy=told)


def _another_method(session: Session, turn: int) -> None:
    # what was seen before is kept: the clip never takes the same value twice
    session.set(NAME, fit_method=OURS[turn % len(OURS)], n_sigma=2 + 1e-3 * turn)


def _another_stroke(session: Session, turn: int) -> None:
    shape = session.mask().shape
    drawn = np.zeros(shape, np.bool_)
    x = _BOX.x0 + 20 * (turn % 20)
    drawn[_BOX.y0 + 100 : _BOX.y0 + 140, x : x + 200] = True
    layer = Layer(name="sources", role="scene", flags=(), pixels=Selection.from_mask(drawn))
    session.use_mask(session.mask().with_layer(layer))
