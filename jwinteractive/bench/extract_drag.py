"""From a turned aperture to the spectrum of all columns or planes: what a drag costs."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive.bench.rows import Row, row
from jwinteractive.session import Session

__all__ = ["extract_drag"]

_TIMES = 12
_STEP = "extract_1d"
_SLIT, _SOSS = (40, 2000), (256, 2048)
_PLANES, _SPAXELS = 1000, 44
_SIGMA, _FLUX = 8.0, 3e4  # pixels, and counts a column, of the star of SOSS


def extract_drag() -> Row:
    """Move the aperture of a slit, of a SOSS frame and of a cube, and see the spectrum."""
    folder = Path(tempfile.mkdtemp(prefix="jwinteractive-bench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    slit, frame, cube = _slit(folder), _frame(folder / "soss_rate.fits"), _cube(folder)
    rows = _rows(8.0)
    optimal = {"extraction_type": "optimal"}
    sky = {"subtract_background": True}
    turned: dict[str, tuple[Path, Mapping[str, Any], Callable[[float], Mapping[str, Any]]]] = {
        "slit_box": (slit, sky, lambda by: {"position_offset": by}),
        "slit_optimal": (slit, optimal | sky, lambda by: {"position_offset": by}),
        "soss_box": (frame, {}, lambda by: {"position_offset": by}),
        "soss_box_sky": (frame, sky, lambda by: {"position_offset": by}),
        "soss_optimal": (frame, optimal, lambda by: {"position_offset": by}),
        "soss_optimal_sky": (frame, optimal | sky, lambda by: {"position_offset": by}),
        "cube_radius_6": (cube, {"radius": 6.0}, lambda by: {"center_xy": f"{22 + by} {21 + by}"}),
    }
    times = {name: _dragged(*what, rows=rows) for name, what in turned.items()}
    wall = {f"{name}_ms": round(1e3 * took[0], 1) for name, took in times.items()}
    spent = {f"{name}_cpu_ms": round(1e3 * took[1], 1) for name, took in times.items()}
    shapes = {"slit": _SLIT, "soss": _SOSS, "cube": (_PLANES, _SPAXELS, _SPAXELS)}
    worst = max(took[0] for took in times.values())
    return row("extract_drag", worst, None, accuracy=wall | spent, detail=shapes)


def _dragged(
    path: Path,
    settings: Mapping[str, Any],
    turn: Callable[[float], Mapping[str, Any]],
    rows: Iterator[float],
) -> tuple[float, float]:
    """Shortest time on the wall and of the processor of one movement, with its drawing."""
    import jwinteractive
    from jwinteractive.recipe import Recipe
    from jwinteractive.step import registry
    from jwinteractive.views import Shown

    session: Session = jwinteractive.open(path, Recipe.of(_STEP))
    session.set(_STEP, **settings)
    box = session.exposures[0].product.covers
    (view,) = [v for v in registry[_STEP].own_views if v.title == "spectrum"]
    wall, spent = [], []
    for _ in range(_TIMES + 1):
        change = turn(next(rows))
        began, worked = time.perf_counter(), time.process_time()
        session.set(_STEP, **change)
        seen = session.glance(box, hold=True)
        view.draw(Shown(after=seen.product, model=seen.model))
        wall.append(time.perf_counter() - began)
        spent.append(time.process_time() - worked)
    return min(wall[1:]), min(spent[1:])  # the first one compiles and measures


def _rows(steps: float) -> Iterator[float]:
    """Ever other places near 0, so that no result is known from before."""
    return ((i % 10 - 5) / steps + i * 1e-4 for i in count())


def _slit(folder: Path) -> Path:
    from jwinteractive.simulate.slits import slit_dithers

    return slit_dithers(1, _SLIT).write(folder)[0]


def _cube(folder: Path) -> Path:
    from jwinteractive.simulate.cubes import simulate_cube

    return simulate_cube(_PLANES, _SPAXELS).write(folder / "bench_s3d.fits")


def _frame(path: Path) -> Path:
    """Rate of a star whose trace bends as that of SOSS."""
    from astropy.io import fits

    rng = np.random.default_rng(1)
    ny, nx = _SOSS
    centre = 70 + 30 * np.linspace(-1, 1, nx) ** 2
    light = np.exp(-(((np.arange(ny)[:, None] - centre) / _SIGMA) ** 2) / 2)
    expected = _FLUX * light / light.sum(axis=0) / 100 + 5
    data = expected + rng.normal(0, np.sqrt(expected))
    header = fits.Header()
    header.update(
        {
            "TELESCOP": "JWST",
            "INSTRUME": "NIRISS",
            "DETECTOR": "NIS",
            "EXP_TYPE": "NIS_SOSS",
            "FILTER": "CLEAR",
            "PUPIL": "GR700XD",
            "SUBARRAY": "SUBSTRIP256",
            "SUBSTRT1": 1,
            "SUBSTRT2": 1793,
            "SUBSIZE1": nx,
            "SUBSIZE2": ny,
            "NINTS": 1,
            "NGROUPS": 5,
        }
    )
    planes = {
        "SCI": data,
        "ERR": np.sqrt(expected),
        "VAR_POISSON": expected - 2,
        "VAR_RNOISE": np.full(data.shape, 2.0),
    }
    images = [fits.ImageHDU(plane.astype(np.float32), name=name) for name, plane in planes.items()]
    images[0].header["BUNIT"] = "DN/s"
    flags = fits.ImageHDU(np.zeros(data.shape, np.uint32), name="DQ")
    fits.HDUList([fits.PrimaryHDU(header=header), *images, flags]).writeto(path)
    return path
