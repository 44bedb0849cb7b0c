"""Extraction of a time series on the same arrays as the official sums: processor time, parity."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from jwinteractive.bench.rows import Row, row
from jwinteractive.data import Array
from jwinteractive.extract.aperture import box_weights, trace_limits
from jwinteractive.extract.box import box_spectra
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.optimal import optimal_spectra
from jwinteractive.extract.spectra import Spectra

__all__ = ["extract_box", "extract_optimal"]

_NINT, _NY, _NX = 100, 60, 2000
_TIMES = 5
_TRACE = _NY / 2 + 2 * np.sin(np.arange(_NX) / _NX * 3)


def extract_box() -> Row:
    """Boxes with a sloping background of 100 x 60 x 2000 against the official sums."""
    aperture = box_weights((_NY, _NX), [trace_limits(_TRACE, 8)])
    return _against(
        "extract_box",
        lambda frames: box_spectra(frames, aperture, _region(), bkg_order=1),
        aperture,
        extraction_type="box",
        bkg_order=1,
    )


def extract_optimal() -> Row:
    """Profile and background of 100 x 60 x 2000, fitted together, against the official fit."""
    profile = _profile()
    return _against(
        "extract_optimal",
        lambda frames: optimal_spectra(frames, profile, _region()),
        profile,
        extraction_type="optimal",
        bkg_order=0,
    )


def _profile() -> Array:
    profile = np.exp(-((np.arange(_NY)[:, None] - _TRACE) ** 2) / 2 / 1.5**2)
    profile[profile < 1e-4] = 0
    found: Array = profile / profile.sum(axis=0)
    return found


def _region() -> Array:
    return box_weights((_NY, _NX), [(4, 14), (45, 55)])


@cache
def _series() -> Frames:
    """Integrations of one source over a sky that slopes, some pixels missing."""
    rng = np.random.default_rng(1)
    shape = (_NINT, _NY, _NX)
    planes = [rng.uniform(0.1, 1, shape).astype(np.float32) for _ in range(3)]
    data = _profile() * 100 + 5 + 0.1 * np.arange(_NY)[:, None] + rng.normal(0, 1, shape)
    data[rng.random(shape) < 0.005] = np.nan
    return Frames(data.astype(np.float32), planes[0], planes[1], planes[2])


def _against(name: str, ours: Callable[[Frames], Spectra], profile: Array, **settings: Any) -> Row:
    """Shortest times of the processor, of all threads, and how far the fluxes are apart."""
    from jwst.extract_1d.extract1d import extract1d

    frames = _series()
    found = ours(frames)  # compiles
    spent = min(_spent(lambda: ours(frames)) for _ in range(_TIMES))
    theirs, region = np.empty((_NINT, _NX)), _region()

    def official() -> None:
        for i in range(_NINT):
            poisson, read, flat = frames.variances(i)
            theirs[i] = extract1d(
                frames.image(i),
                [profile],
                read,
                poisson,
                flat,
                profile_bg=region,
                fit_bkg=True,
                bkg_fit_type="poly",
                **settings,
            )[0][0]

    peer = _spent(official)
    return row(
        name,
        spent,
        peer,
        accuracy={"flux_apart": float(np.nanmax(np.abs(found.flux[:, 0] - theirs)))},
        detail={"shape": [_NINT, _NY, _NX], "flux": 100, **settings},
    )


def _spent(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began
