"""Outliers of dithered images beside the official step: processor time, the same flags."""

from __future__ import annotations

import logging
import time
import tracemalloc
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from jwinteractive import dq as flags
from jwinteractive.bench.rows import Row, row
from jwinteractive.data import Array, Box
from jwinteractive.outliers import OutlierParams, Planes, flags_of, measure_stack, member_of
from jwinteractive.simulate.dithers import SimulatedDithers, dithers, model_of

__all__ = ["outliers_imaging", "outliers_imaging_coarse", "outliers_noise"]

_N, _SHAPE = 4, (2048, 2048)
_TIMES = 3
_COARSE = 10  # pixels of the official pixel map
_HIT = 8.0  # sigma of hits that are counted


def outliers_imaging() -> Row:
    """Official flags of 4 x 2048 x 2048 against the official step."""
    p = OutlierParams(method="official", sky="header")
    return _against("outliers_imaging", p)


def outliers_imaging_coarse() -> Row:
    """The same against the official step with a coarse pixel map."""
    p = OutlierParams(method="official", sky="header")
    return _against("outliers_imaging_coarse", p, pixmap_stepsize=_COARSE)


def outliers_noise() -> Row:
    """Flags by all the noise, with the sky matched, against the official step."""
    return _against("outliers_noise", OutlierParams())


@cache
def _made() -> SimulatedDithers:
    return dithers(_N, _SHAPE, seed=2)


def _against(name: str, p: OutlierParams, **settings: Any) -> Row:
    made = _made()
    ours = _ours(made, p)  # compiles
    spent = min(_spent(lambda: _ours(made, p)) for _ in range(_TIMES))
    theirs, peer = _official(**settings)
    found, true, stars, hot = (np.stack(a) for a in (ours, _hits(), _stars(), [made.hot] * _N))
    official = np.stack(theirs)

    def score(mask: Array) -> tuple[float, float]:
        false = mask[stars & (true == 0) & ~hot].mean()
        return float(mask[true > _HIT].mean()), float(false)

    tracemalloc.start()
    _ours(made, p)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    (complete, on_stars), (their_complete, their_on_stars) = score(found), score(official)
    return row(
        name,
        spent,
        peer,
        ours_peak_mb=peak,
        accuracy={
            "flags_apart": int(np.count_nonzero(found != official)),
            "hits_found": complete,
            "hits_found_peer": their_complete,
            "stars_flagged": on_stars,
            "stars_flagged_peer": their_on_stars,
        },
        detail={"shape": [_N, *_SHAPE], "flags": int(found.sum()), **settings},
    )


def _hits() -> list[Array]:
    return [np.where(np.isfinite(e.data), e.hits, 0) for e in _made().exposures]


def _stars() -> list[Array]:
    return [e.stars & np.isfinite(e.data) for e in _made().exposures]


def _ours(made: SimulatedDithers, p: OutlierParams) -> list[Array]:
    """Flags of all exposures, and what becomes of their planes."""
    members = [
        member_of(
            e.name,
            Planes(e.data, e.err, e.dq, e.var_rnoise),
            e.wcs,
            wcsinfo=e.wcsinfo,
            s_region=e.s_region,
            level=e.sky,
        )
        for e in made.exposures
    ]
    stack = measure_stack(members, p)
    found = []
    for k, e in enumerate(made.exposures):
        mask = flags_of(stack, k, Box.whole(_SHAPE), e.data, e.err, e.dq, p).mask
        dq = e.dq.copy()
        dq[mask] |= flags.OUTLIER | flags.DO_NOT_USE
        for plane in (e.data, e.err, e.var_rnoise, e.var_poisson):
            np.where(mask, np.float32(np.nan), plane)
        found.append(mask)
    return found


@cache
def _official(**settings: Any) -> tuple[list[Array], float]:
    """Flags of the official step on exposures in memory, and its processor time."""
    from jwst.datamodels import ModelLibrary
    from jwst.outlier_detection import OutlierDetectionStep

    models = [model_of(e, k, levels=True) for k, e in enumerate(_made().exposures)]
    step = OutlierDetectionStep()
    for name, value in settings.items():
        setattr(step, name, value)
    logging.disable(logging.WARNING)
    done: list[Any] = []
    library = ModelLibrary(models, on_disk=False)
    spent = _spent(lambda: done.append(step.run(library)))
    logging.disable(logging.NOTSET)
    found = []
    with done[0] as result:
        for i, model in enumerate(result):
            found.append((np.asarray(model.dq) & flags.OUTLIER) > 0)
            result.shelve(model, i, modify=False)
    return found, spent


def _spent(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began
