"""Outliers that need no geometry, on the same arrays as officially: processor time, memory, flags.

Each side gets exposures in memory and gives them flagged; memory is what it needs besides.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.bench.detector import WATCHED
from jwinteractive.bench.rows import Row, row
from jwinteractive.data import Array, Exposure, Rate, RateInts
from jwinteractive.outliers.flagged import flagged
from jwinteractive.outliers.ifu import ifu_outliers, measure_differences
from jwinteractive.outliers.tso import series_outliers
from jwinteractive.step import Whole

__all__ = ["KINDS", "official_models", "outliers_ifu", "outliers_tso"]

_MEMBERS, _SIDE = 4, 2048
_SERIES = (200, 64, 2048)
_TIMES = 3
_PLANES = ("data", "err", "var_poisson", "var_rnoise")


def outliers_ifu() -> Row:
    """Four exposures of 2048 x 2048 with gaps between slices, against the official functions."""
    return _against("outliers_ifu", _exposures, _ours_ifu, _official_ifu)


def outliers_tso() -> Row:
    """A rolling median of 25 in 200 x 64 x 2048, against the official functions."""
    return _against("outliers_tso", _series, _ours_tso, _official_tso)


def _ours_ifu(rates: list[Rate]) -> list[Array]:
    model = measure_differences([Whole(r.exposure, r.covers, r.crop) for r in rates])
    frame = rates[0].covers
    return [flagged(rate, ifu_outliers(model, frame, frame)).dq for rate in rates]


def _official_ifu(models: list[Any]) -> list[Array]:
    from jwst.datamodels import ModelContainer
    from jwst.outlier_detection.ifu import detect_outliers

    detect_outliers(ModelContainer(models), False, "7 7", False, 99.8, None)
    return [model.dq for model in models]


def _ours_tso(series: list[RateInts]) -> list[Array]:
    return [flagged(ints, series_outliers(ints)).dq for ints in series]


def _official_tso(models: list[Any]) -> list[Array]:
    from jwst.outlier_detection.tso import detect_outliers

    return [detect_outliers(m, False, "~DO_NOT_USE", 0.7, 25, 5.0, None).dq for m in models]


def official_models(products: list[Any]) -> list[Any]:
    """The products as the official functions take them, copied: they are changed there."""
    from stdatamodels.jwst.datamodels import CubeModel, ImageModel

    models = []
    for product in products:
        kind = ImageModel if product.data.ndim == 2 else CubeModel
        model = kind(**{n: getattr(product, n).copy() for n in (*_PLANES, "dq")})
        model.meta.instrument.name = product.exposure.instrument
        model.meta.instrument.detector = product.exposure.detector
        model.meta.exposure.type = product.exposure.exp_type
        models.append(model)
    return models


def _planes(rng: Any, shape: tuple[int, ...], data: Array) -> dict[str, Any]:
    noise = rng.normal(size=shape)
    flags = np.where(rng.random(shape) < 0.001, dq.DO_NOT_USE, 0).astype(np.uint32)
    planes = [data + noise, np.ones(shape), np.full(shape, 0.6), np.full(shape, 0.4)]
    named = dict(zip(_PLANES, (p.astype(np.float32) for p in planes), strict=True))
    return named | {"dq": flags}


@cache
def _exposures() -> list[Rate]:
    rng = np.random.default_rng(1)
    shape = (_SIDE, _SIDE)
    y, x = np.mgrid[:_SIDE, :_SIDE]
    scene = 5 + 200 * np.exp(-0.5 * ((x - 400 - y / 10) / 3.0) ** 2)
    scene += (rng.random(shape) < 0.002) * rng.uniform(20, 200, shape)
    scene[:, np.arange(_SIDE) % 29 < 4] = np.nan
    exposure = Exposure(instrument="MIRI", detector="MIRIFULONG", exp_type="MIR_MRS")
    return [Rate(exposure=exposure, **_planes(rng, shape, scene)) for _ in range(_MEMBERS)]


@cache
def _series() -> list[RateInts]:
    rng = np.random.default_rng(2)
    data = 50 + (rng.random(_SERIES) < 0.001) * rng.uniform(-30, 30, _SERIES)
    data[rng.random(_SERIES) < 0.0005] = np.nan
    exposure = Exposure(
        instrument="NIRCAM", detector="NRCALONG", exp_type="NRC_TSGRISM", nints=_SERIES[0]
    )
    return [RateInts(exposure=exposure, **_planes(rng, _SERIES, data))]


KINDS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "outliers_ifu": (_exposures, _ours_ifu, _official_ifu),
    "outliers_tso": (_series, _ours_tso, _official_tso),
}
"""By benchmark: what makes the exposures, our side, and the official one."""


def _against(
    name: str,
    made: Callable[[], Any],
    ours: Callable[[Any], list[Array]],
    official: Callable[[Any], list[Array]],
) -> Row:
    """Shortest times of the processor, of all threads, and how many flags are apart."""
    given = made()
    ours(given)  # compiles
    mine, found = min((_spent(lambda: ours(given)) for _ in range(_TIMES)), key=lambda t: t[0])
    models = official_models(given)
    peer, theirs = _spent(lambda: official(models))
    apart = sum(np.count_nonzero(a != b) for a, b in zip(found, theirs, strict=True))
    outliers = sum(np.count_nonzero(a & dq.OUTLIER) for a in found)
    return row(
        name,
        mine,
        peer,
        ours_peak_mb=_needed(name, 0),
        peer_peak_mb=_needed(name, 1),
        accuracy={"flags_apart": int(apart), "outliers": int(outliers)},
        detail={"seconds": "of the processor, all threads"},
    )


def _spent(call: Callable[[], list[Array]]) -> tuple[float, list[Array]]:
    began = time.process_time()
    found = call()
    return time.process_time() - began, found


_PROGRAM = WATCHED.format(
    opened="""
from jwinteractive.bench.outliers_ifu import KINDS, official_models
made, *sides = KINDS[path]
which = int(sys.argv[2])
side, prepared = sides[which], official_models if which else list
given = made()
# imports and compiles
side(prepared([one.crop(type(one.covers)(0, 64, 0, 64)) for one in given]))
given = prepared(given)
""",
    run="side(given)",
)


def _needed(name: str, which: int) -> float:
    """MB that our side (0) or the official one (1) needs beside the exposures that it is given."""
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, name, str(which)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])
