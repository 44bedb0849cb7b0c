"""Official results as products: planes of those that we have a kind for, else a picture."""

from __future__ import annotations

import dataclasses as dc
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Filed, Product, Rate, RateInts
from jwinteractive.errors import InputError, StepError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.io import open_products
from jwinteractive.io.header import steps_done
from jwinteractive.step import Ran

__all__ = ["read_result"]

_GAP: Final = 2  # pixels between slits in a picture
_FLUX: Final = ("FLUX", "flux")
_FLUX_ERROR: Final = ("FLUX_ERROR", "ERROR", "flux_error")


def read_result(ran: Ran, exposure: Exposure, kind: type[Product]) -> Product:
    """What a step gave for an exposure, whole.

    Raises
    ------
    StepError
        If it is of another kind than the step should give.
    """
    path = ran.file_of(exposure)
    if kind is Filed:
        beside = tuple(str(ran.place / name) for name in ran.beside)
        picture = _picture(path, path.stat().st_mtime_ns)
        known = dc.replace(exposure, unit=picture.exposure.unit, done=picture.exposure.done)
        return picture.replace(exposure=known, beside=beside)
    product = _opened(path, path.stat().st_mtime_ns, exposure.slit)
    if not isinstance(product, kind):
        raise StepError(
            f"{path.name}: is a {type(product).__name__}, not a {kind.__name__}: this mode is not "
            "known well enough to show it"
        )
    own = dc.replace(product.exposure, filename=exposure.filename, slit=exposure.slit)
    product = product.replace(exposure=own)
    second = ran.second_of(exposure)
    if second is not None and isinstance(product, Rate):
        series = _opened(second, second.stat().st_mtime_ns, exposure.slit)
        if isinstance(series, RateInts):
            product = product.replace(integrations=series.replace(exposure=own))
    return product


@functools.lru_cache(maxsize=4)
def _opened(path: Path, modified: int, slit: str) -> Product:
    try:
        products = open_products(path, (slit,) if slit else ())
    except InputError as error:
        raise StepError(f"the official result cannot be shown: {error}") from error
    first, *others = products
    if others:
        raise StepError(f"{path.name}: has {len(products)} slits: open it as a file")
    return first.product


@functools.lru_cache(maxsize=4)
def _picture(path: Path, modified: int) -> Filed:
    """Picture of any official file: images side by side in a column, spectra as rows."""
    with opened_fits(path) as hdus:
        header = hdus[0].header
        images = [i for i, h in enumerate(hdus) if h.name == "SCI" and h.is_image and h.shape]
        if images:
            planes = [_planes(hdus, i) for i in images]
            unit = str(hdus[images[0]].header.get("BUNIT") or "")
        else:
            planes, unit = _spectra(hdus)
        model = str(header.get("DATAMODL") or "")
        done = steps_done(header)
        cards = {k: str(header.get(k) or "") for k in ("INSTRUME", "DETECTOR", "EXP_TYPE")}
    if not planes:
        nothing = [np.full((1, 1), v, t) for v, t in _NOTHING]
        planes = [(nothing[0], nothing[1], nothing[2])]
    stacked = [_stacked([p[i] for p in planes], *_NOTHING[i]) for i in range(3)]
    return Filed(
        exposure=Exposure(
            instrument=cards["INSTRUME"],
            detector=cards["DETECTOR"],
            exp_type=cards["EXP_TYPE"],
            unit=unit,
            done=done,
        ),
        source=path,
        data=stacked[0],
        err=stacked[1],
        dq=stacked[2],
        model=model,
    )


_NOTHING: Final[tuple[tuple[Any, Any], ...]] = (
    (np.nan, np.float32),
    (np.nan, np.float32),
    (dq.DO_NOT_USE, np.uint32),
)


def _planes(hdus: fits.HDUList, number: int) -> tuple[Array, Array, Array]:
    """Values, errors and flags of an image and what belongs to it: up to the next one."""
    data = _flat(hdus[number].data)
    err = np.full(data.shape, np.nan, np.float32)
    flags: Array | None = None
    for hdu in hdus[number + 1 :]:
        if hdu.name == "SCI":
            break
        if not hdu.is_image or not hdu.shape or hdu.shape != hdus[number].shape:
            continue
        if hdu.name == "ERR":
            err = _flat(hdu.data)
        elif hdu.name == "DQ":
            flags = np.bitwise_or.reduce(
                np.asarray(hdu.data, np.uint32).reshape(-1, *data.shape), axis=0
            )
    if flags is None:
        flags = np.where(np.isfinite(data), 0, dq.DO_NOT_USE).astype(np.uint32)
    return data, err, flags


def _flat(data: Array) -> Array:
    """Image of the first plane of a cube; an image as it is."""
    image = np.asarray(data)
    while image.ndim > 2:
        image = image[0]
    return np.ascontiguousarray(np.atleast_2d(image), np.float32)


def _spectra(hdus: fits.HDUList) -> tuple[list[Any], str]:
    """Spectra of the tables of a file, a row each."""
    rows: list[tuple[Array, Array, Array]] = []
    unit = ""
    for hdu in hdus:
        if not isinstance(hdu, fits.BinTableHDU) or hdu.name not in ("EXTRACT1D", "COMBINE1D"):
            continue
        names = hdu.columns.names
        column = next((n for n in _FLUX if n in names), "")
        if not column:
            continue
        unit = unit or str(hdu.columns[column].unit or "")
        flux = np.atleast_2d(np.asarray(hdu.data[column], np.float32))
        error = next((n for n in _FLUX_ERROR if n in names), "")
        err = np.atleast_2d(np.asarray(hdu.data[error], np.float32)) if error else flux * np.nan
        rows.append((flux, err, np.zeros(flux.shape, np.uint32)))
    return rows, unit


def _stacked(parts: Sequence[Array], fill: Any, kind: Any) -> Array:
    """Images one above another, with a gap between those that are more than a row."""
    gap = _GAP if max(len(p) for p in parts) > 1 else 0
    width = max(p.shape[1] for p in parts)
    height = sum(len(p) + gap for p in parts) - gap
    whole = np.full((height, width), fill, kind)
    y = 0
    for part in parts:
        whole[y : y + len(part), : part.shape[1]] = part
        y += len(part) + gap
    return whole
