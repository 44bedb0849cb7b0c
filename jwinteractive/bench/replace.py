"""Pixel replacement on the same slit as officially: processor time, how far values are apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from jwinteractive import dq
from jwinteractive.bench.rows import Row, row
from jwinteractive.data import Array
from jwinteractive.replace.frame import Repaired, SpectralFrame
from jwinteractive.replace.gradient import mingrad
from jwinteractive.replace.profile import fit_profile, weighted_profile

__all__ = ["replace_mingrad", "replace_profile", "replace_weighted"]

_NY, _NX = 60, 2000
_BAD: Final = 0.02
_TIMES = 7
_VARIANCES = ("var_poisson", "var_rnoise", "var_flat")


def replace_profile() -> Row:
    """fit_profile on a slit of 60 x 2000, in closed form, against the official simplex."""
    return _against("replace_profile", lambda frame: fit_profile(frame, 1), "fit_profile")


def replace_weighted() -> Row:
    """The weighted profile on the same slit, against the official fit_profile."""
    return _against("replace_weighted", lambda frame: weighted_profile(frame, 1), "fit_profile")


def replace_mingrad() -> Row:
    """Mingrad on the same slit, with the official errors, against the official one."""
    return _against("replace_mingrad", mingrad, "mingrad")


@cache
def _slit() -> tuple[SpectralFrame, Array]:
    """A star with lines on sky, noise, bad pixels without a value; and the truth."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:_NY, :_NX].astype(float)
    line = 1000 * (1 + 0.2 * np.sin(x / 30) + 3 * np.exp(-0.5 * (x % 60 - 30) ** 2))
    truth = line * np.exp(-0.5 * ((y - _NY / 2 - 0.003 * (x - _NX / 2)) / 1.2) ** 2) + 20
    poisson, readout = truth / 2, np.full(truth.shape, 9.0)
    data = truth + rng.normal(0, 1, truth.shape) * np.sqrt(poisson + readout)
    flags = np.where(rng.random(truth.shape) < _BAD, dq.DO_NOT_USE, 0).astype(np.uint32)
    planes = [data, np.sqrt(poisson + readout), poisson, readout, np.zeros(truth.shape)]
    planes = [np.where(flags, np.nan, plane).astype(np.float32) for plane in planes]
    return SpectralFrame(planes[0], planes[1], flags, *planes[2:]), truth


def _against(name: str, ours: Callable[[SpectralFrame], Repaired], algorithm: str) -> Row:
    """Shortest time of ours, the official one's, and what both are off the truth in errors."""
    frame, truth = _slit()
    ours(frame)  # compiles
    spent, found = min((_spent(lambda: ours(frame)) for _ in range(_TIMES)), key=lambda t: t[0])
    maker = _official_maker(algorithm)
    peer, theirs = _spent(lambda: _official(frame, maker))
    done = found.replaced != 0
    noise = np.sqrt(truth / 2 + 9)

    def off(data: Array) -> float:
        wrong = (data - truth)[done] / noise[done]
        return float(1.4826 * np.nanmedian(np.abs(wrong)))

    apart = np.abs(found.frame.data - theirs)[done] / noise[done]
    pull = (found.frame.data - truth)[done] / found.frame.err[done]
    return row(
        name,
        spent,
        peer,
        accuracy={
            "pixels": int(done.sum()),
            "ours_off_sigma": off(found.frame.data),
            "peer_off_sigma": off(theirs),
            "apart_sigma": float(np.nanmax(apart)),
            "pull_width": float(1.4826 * np.nanmedian(np.abs(pull))),
        },
        detail={"shape": [_NY, _NX], "seconds": "of the processor"},
    )


def _official_maker(algorithm: str) -> Any:
    from jwst.pixel_replace.pixel_replace import PixelReplacement

    return PixelReplacement(None, algorithm=algorithm)


def _official(frame: SpectralFrame, maker: Any) -> Array:
    from jwst.pixel_replace.pixel_replace import PixelReplaceArrays

    planes: dict[str, Any] = {
        name: getattr(frame, name).copy() for name in ("data", "err", "dq", *_VARIANCES)
    }
    arrays = PixelReplaceArrays(**planes, trace_model=None, dispersion_direction=1)
    found: Array = maker.algorithm(arrays).data
    return found


def _spent(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    found = call()
    return time.process_time() - began, found
