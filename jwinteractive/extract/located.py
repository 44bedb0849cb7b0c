"""What the WCS of a file tells of a spectral image: wavelengths, rows of the slit and the source.

Wavelengths only where no array holds them: a file's own plane is better, for it knows the source's
place in its slit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive.data import Array, Exposure
from jwinteractive.errors import InputError
from jwinteractive.wcs import brief, read_wcs

__all__ = ["slit_rows", "source_row", "wavelengths_along"]


def _spectral_wcs(path: Path | None, exposure: Exposure) -> tuple[Any, list[int], float]:
    """WCS of an image, where it has RA, Dec and wavelength, and the factor of the latter to um.

    Raises
    ------
    InputError
        If the file has none, or one of another kind.
    """
    from astropy import units as u

    if path is None:
        raise InputError("there is no file")
    wcs = read_wcs(path, exposure.slit)
    kinds = [str(kind) for kind in wcs.output_frame.axes_type]
    if wcs.pixel_n_dim != 2 or "SPECTRAL" not in kinds or kinds.count("SPATIAL") < 2:
        raise InputError(f"its WCS gives {', '.join(kinds)} for {wcs.pixel_n_dim} numbers")
    places = [i for i, kind in enumerate(kinds) if kind == "SPATIAL"][:2]
    spectral = kinds.index("SPECTRAL")
    try:
        factor = u.Unit(wcs.output_frame.unit[spectral]).to(u.um)
    except (ValueError, TypeError) as error:  # UnitConversionError is a TypeError
        raise InputError(f"its WCS has wavelengths of another unit ({brief(error)})") from error
    return wcs, [*places, spectral], float(factor)


def wavelengths_along(path: Path | None, exposure: Exposure, rows: Array) -> Array:
    """Wavelengths in um along a line with a row for each column, x along the dispersion, [x].

    Raises
    ------
    InputError
        If the file has no WCS that tells.
    """
    wcs, places, factor = _spectral_wcs(path, exposure)
    columns = np.arange(len(rows), dtype=np.float64)
    x, y = (columns, rows) if exposure.dispaxis == 1 else (rows, columns)
    try:
        with np.errstate(all="ignore"):
            values = wcs(x, y)
    except Exception as error:  # a model of another version of its package
        raise InputError(f"its WCS cannot be computed ({brief(error)})") from error
    found = np.array(values[places[2]], np.float64) * factor
    found[~(found > 0)] = np.nan
    if not np.isfinite(found).any():
        raise InputError("its WCS has no wavelength along the trace")
    return found


def slit_rows(wavelength: Array, path: Array) -> Array:
    """First and last row along a path that pixels have a wavelength in; NaN if none has.

    Parameters
    ----------
    wavelength
        Of each pixel [y, x], x along the dispersion; not finite or 0 beyond the slit.
    path
        Rows that the trace lies off its row at the middle column, [x].
    """
    inside = np.isfinite(wavelength) & (wavelength > 0)
    some = inside.any(axis=0)
    if not some.any():
        return np.full(2, np.nan)
    first = inside.argmax(axis=0)
    last = len(inside) - 1 - inside[::-1].argmax(axis=0)
    # of most columns: the ends of a spectrum may be cut obliquely
    return np.array([np.median((rows - path)[some]) for rows in (first, last)])


def source_row(path: Path | None, exposure: Exposure, shape: tuple[int, int]) -> float:
    """Row of the source at the middle column, by its sky position in the header.

    Parameters
    ----------
    shape
        Of the image, x along the dispersion.

    Raises
    ------
    InputError
        If the header has no position, or the file no WCS that places it on the image.
    """
    if exposure.source_ra is None or exposure.source_dec is None:
        raise InputError("the header has no position of the source (SRCRA and SRCDEC)")
    wcs, places, factor = _spectral_wcs(path, exposure)
    ny, nx = shape
    wavelength = wavelengths_along(path, exposure, np.full(nx, (ny - 1) / 2))
    known = np.flatnonzero(np.isfinite(wavelength))
    middle = wavelength[known[np.argmin(np.abs(known - nx // 2))]]
    asked = np.empty(3)
    asked[places] = exposure.source_ra, exposure.source_dec, middle / factor
    try:
        with np.errstate(all="ignore"):
            x, y = wcs.invert(*asked, with_bounding_box=False)
    except Exception as error:  # no inverse, or a model of another version of its package
        raise InputError(f"its WCS cannot place the source ({brief(error)})") from error
    row = float(y if exposure.dispaxis == 1 else x)
    if not -0.5 <= row <= ny - 0.5:
        raise InputError(f"the source lies at row {row:.1f}, off the {ny} rows of the image")
    return row
