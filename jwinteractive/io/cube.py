"""Cubes of integral field units as files hold them: planes, their wavelengths, and what is missing.

A cube whose file has no weights is taken as it is: all spaxels that were seen count the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Cube, Exposure
from jwinteractive.errors import InputError

__all__ = ["read_cube"]

_DEGREE = 3600.0  # arcsec
_MICRONS = {"": 1.0, "um": 1.0, "micron": 1.0, "m": 1e6, "nm": 1e-3, "angstrom": 1e-4}
Plane = Callable[[str, tuple[int, ...]], Any]


def read_cube(
    hdus: Any, science: Any, exposure: Exposure, source: Path, plane: Plane, notes: list[str]
) -> Cube:
    """Cube of a science HDU [plane, y, x] and those that belong to it.

    Parameters
    ----------
    hdus
        All of the file.
    plane
        Gives the image HDU of a name and shape, or None.
    notes
        Is told what had to be assumed.

    Raises
    ------
    InputError
        If the planes have no wavelengths, or HDUs do not agree.
    """
    shape: tuple[int, ...] = science.shape

    def floats(name: str) -> Array | None:
        hdu = plane(name, shape)
        return None if hdu is None else np.ascontiguousarray(hdu.data, np.float32)

    data = np.ascontiguousarray(science.data, np.float32)
    err, weight, flags = floats("ERR"), floats("WMAP"), plane("DQ", shape)
    if err is None:
        err = np.full(shape, np.nan, np.float32)
        notes.append("ERR is missing: errors are not known")
    if flags is None:
        notes.append("DQ is missing: only spaxels that are not finite are flagged")
        bad: Array = np.where(np.isfinite(data), 0, dq.DO_NOT_USE).astype(np.uint32)
    else:
        bad = np.asarray(flags.data).astype(np.uint32)
    if weight is None:
        notes.append("WMAP is missing: all spaxels that were seen count the same")
    step = abs(float(science.header.get("CDELT1") or 0.0))
    return Cube(
        exposure=exposure,
        source=source,
        data=data,
        err=err,
        dq=bad,
        weight=weight,
        wavelengths=_wavelengths(hdus, science.header, shape[0]),
        spaxel=step * _DEGREE,
    )


def _wavelengths(hdus: Any, cards: Mapping[str, Any], count: int) -> tuple[float, ...]:
    """Wavelengths of the planes in um: of a table, where they have one, else of the header.

    Raises
    ------
    InputError
        If there are none, or not one for each plane.
    """
    if "WCS-TABLE" in hdus:
        table = hdus["WCS-TABLE"].data
        found = np.asarray(table[table.names[0]], np.float64).ravel()
        if found.size != count or not np.isfinite(found).all():
            raise InputError(f"WCS-TABLE has {found.size} wavelengths for {count} planes: is wrong")
        return tuple(found.tolist())
    unit = str(cards.get("CUNIT3", "")).strip().lower()
    values = [cards.get(name) for name in ("CRVAL3", "CRPIX3")]
    step = cards.get("CDELT3", cards.get("CD3_3"))
    numbers = [float(v) for v in (*values, step) if isinstance(v, int | float)]
    if len(numbers) < 3 or not all(map(math.isfinite, numbers)) or unit not in _MICRONS:
        raise InputError(
            "SCI is a cube without wavelengths (CRVAL3, CRPIX3, CDELT3 in CUNIT3 um, or WCS-TABLE):"
            " choose a cube with one"
        )
    first, at, each = numbers
    return tuple((first + (plane - at) * each) * _MICRONS[unit] for plane in range(1, count + 1))
