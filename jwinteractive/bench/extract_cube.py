"""Extraction from a cube, and from unresampled dithers: processor time, parity, truth."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest import mock

import numpy as np

from jwinteractive.bench.rows import Row, row
from jwinteractive.data import Array
from jwinteractive.extract.cube import cube_spectrum
from jwinteractive.extract.dithers import Dither
from jwinteractive.extract.forward import forward_spectrum
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.wiggles import wiggles

__all__ = ["extract_cube", "extract_forward"]

_NK, _NY, _NX = 1500, 60, 60
_CENTRE = (29.3, 30.6)
_RADIUS = np.linspace(3.2, 7.9, _NK)
_INNER, _OUTER = _RADIUS + 4, _RADIUS + 8.5
_TIMES = 3
_DITHERS, _ROWS, _COLUMNS = 4, 24, 1000
_LEVEL = 1e4


def extract_cube() -> Row:
    """A growing circle less a clipped ring, 1500 x 60 x 60, against the official sums."""
    data, planes, weights, flux = _cube()
    frames = Frames(data, *planes)

    def ours() -> Any:
        return cube_spectrum(
            frames, weights, _CENTRE, _RADIUS, (_INNER, _OUTER), subpixels=10, parity=True
        )

    found = ours()  # compiles
    spent = min(_spent(ours) for _ in range(_TIMES))
    theirs: list[Any] = []
    with _official(data, planes, weights) as official:
        peer = _spent(lambda: theirs.append(official()))
    apart = np.abs(found.flux[0, 0] - theirs[0][3]) / flux
    pull = (found.flux[0, 0] - flux) / found.error[0, 0]
    return row(
        "extract_cube",
        spent,
        peer,
        accuracy={"flux_apart": float(apart.max()), "pull": float(np.std(pull))},
        detail={"shape": [_NK, _NY, _NX], "subpixels": 10},
    )


def extract_forward() -> Row:
    """One spectrum from 4 dithers of 24 x 1000, undersampled and inclined; nobody else has it."""
    dithers = [_dither(k) for k in range(_DITHERS)]
    found = forward_spectrum(dithers)  # compiles
    spent = min(_spent(lambda: forward_spectrum(dithers)) for _ in range(_TIMES))
    true = _LEVEL * _spectrum(found.wavelength)
    whole = found.coverage[0] > 0.9 * _DITHERS
    off = (found.flux[0] - true)[whole]
    return row(
        "extract_forward",
        spent,
        None,
        accuracy={
            "pull": float(np.std(off / found.error[0][whole])),
            "bias": float(off.sum() / true[whole].sum()),
            "wiggles": float(wiggles(found.flux[0][whole], true[whole]).rms),
        },
        detail={"shape": [_DITHERS, _ROWS, _COLUMNS], "fwhm": 1.4},
    )


@cache
def _cube() -> tuple[Array, tuple[Array, Array, Array], Array, Array]:
    """Planes of a source that grows, on a sky; variances, weights, flux."""
    rng = np.random.default_rng(1)
    y, x = np.indices((_NY, _NX))
    away = (x - _CENTRE[0]) ** 2 + (y - _CENTRE[1]) ** 2
    light = np.exp(-away / 2 / (_RADIUS[:, None, None] / 4) ** 2)
    light /= light.sum(axis=(1, 2))[:, None, None]
    first, second, third = (rng.uniform(0.1, 0.3, light.shape).astype("f4") for _ in range(3))
    planes = first, second, third
    flux = np.linspace(300, 900, _NK)
    noise = rng.normal(size=light.shape) * np.sqrt(np.sum(planes, axis=0))
    data = (light * flux[:, None, None] + 2 + noise).astype(np.float32)
    return data, planes, np.ones(data.shape, np.float32), flux


@contextmanager
def _official(
    data: Array, planes: tuple[Array, Array, Array], weights: Array
) -> Iterator[Callable[[], Any]]:
    """The official loop over planes, on its own model, its coordinates given."""
    from jwst.extract_1d import ifu
    from stdatamodels.jwst.datamodels import IFUCubeModel

    model: Any = IFUCubeModel(data.shape)
    model.data, model.err, model.weightmap = data.copy(), np.ones_like(data), weights.copy()
    for name, plane in zip(("var_poisson", "var_rnoise", "var_flat"), planes, strict=True):
        setattr(model, name, plane)
    model.meta.instrument.name = "NIRSPEC"
    info = model.meta.wcsinfo
    info.crval1, info.crval2, info.dispersion_direction = 0.0, 0.0, 3
    wave = np.arange(1.0, _NK + 1)
    params = {
        "x_center": _CENTRE[0],
        "y_center": _CENTRE[1],
        "method": "subpixel",
        "subpixels": 10,
        "subtract_background": True,
        "wavelength": wave,
        "inner_bkg": _INNER,
        "outer_bkg": _OUTER,
        "radius": _RADIUS,
        "ifu_rscale": None,
        "ifu_autocen": False,
        "bkg_sigma_clip": 3.0,
    }
    logging.disable(logging.WARNING)
    with (
        mock.patch.object(ifu, "get_coordinates", return_value=(0.0, 0.0, wave)),
        mock.patch.object(ifu, "compute_scale", return_value=1 / 3600),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield lambda: ifu.extract_ifu(model, "POINT", params)
    logging.disable(logging.NOTSET)


def _spectrum(wavelength: Array) -> Array:
    found: Array = 1 + 0.5 * np.sin((wavelength - 1) * 1e3 / 30)
    return found


def _dither(k: int) -> Dither:
    from scipy.special import erf

    rng = np.random.default_rng(k)
    x, y = np.arange(_COLUMNS), np.arange(_ROWS)[:, None]
    trace = 7 + 8 * x / _COLUMNS + 1.3 * k + np.sin(x / _COLUMNS * 2)
    wavelength = 1 + (x + 0.25 * k + 0.03 * (y - 12)) * 1e-3
    edges = np.arange(_ROWS + 1)[:, None] - 0.5
    light = sum(
        part * np.diff(0.5 * erf((edges - trace) / sigma / np.sqrt(2)), axis=0)
        for part, sigma in ((0.8, 0.6), (0.2, 1.8))
    )
    expected = light * _LEVEL * _spectrum(wavelength) + 20
    data = rng.poisson(expected) + rng.normal(0, 4, expected.shape)
    return Dither(data - 20, wavelength, trace, np.maximum(data, 0.0), np.full(data.shape, 16.0))


def _spent(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began
