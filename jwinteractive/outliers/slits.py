"""The common grid of slit spectra: wavelength along x, place along the slit on the sky along y.

Wavelengths are those of the first spectrum, with what others have beyond its ends; places lie on a
line in the tangent plane, as far apart as the first spectrum's pixels are in its middle. The
official grid is made by like rules, and may be given instead of this one.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.outliers.members import Member

__all__ = ["SlitGrid", "slit_grid"]


@dc.dataclass(frozen=True, eq=False)
class SlitGrid:
    """Places along a slit and wavelengths, as columns and rows of an image.

    Attributes
    ----------
    centre
        Right ascension and declination of the tangent point, degrees.
    along
        Unit vector of the slit in the tangent plane.
    start, scale
        Place of the middle of row 0, and from row to row, degrees.
    wavelengths
        Of the columns, rising.
    rows
        How many there are.
    """

    centre: tuple[float, float]
    along: tuple[float, float]
    start: float
    scale: float
    wavelengths: Array
    rows: int

    @property
    def array_shape(self) -> tuple[int, int]:
        """Size (ny, nx)."""
        return self.rows, len(self.wavelengths)

    def invert(
        self, ra: Array, dec: Array, wavelength: Array, with_bounding_box: bool = False
    ) -> tuple[Array, Array]:
        """Columns and rows of places in the sky, degrees, at wavelengths; NaN beyond these."""
        place = _along(ra, dec, self.centre, self.along)
        w = self.wavelengths
        # half a column more at both ends
        known = np.concatenate([[1.5 * w[0] - 0.5 * w[1]], w, [1.5 * w[-1] - 0.5 * w[-2]]])
        column = np.concatenate([[-0.5], np.arange(len(w)), [len(w) - 0.5]])
        x = np.interp(wavelength, known, column, left=np.nan, right=np.nan)
        return np.where(np.isfinite(wavelength), x, np.nan), (place - self.start) / self.scale


def slit_grid(members: Sequence[Member]) -> tuple[SlitGrid, tuple[int, int]]:
    """Grid that covers all spectra, and its size (ny, nx).

    Raises
    ------
    InputError
        If a member has no WCS, one without wavelengths, or no pixel with light.
    """
    worlds = []
    for member in members:
        if member.wcs is None or member.wcs.output_frame.naxes != 3:
            raise InputError(
                f"{member.name} has no WCS with wavelengths: spectra are compared on the sky at "
                "one wavelength: run assign_wcs on it first"
            )
        y, x = np.indices(member.shape, dtype=float)
        world = np.stack(member.wcs(x, y))
        if not np.isfinite(world).all(axis=0).any():
            raise InputError(f"{member.name}: no pixel of it has a place in the sky")
        worlds.append(world)
    ra, dec, wavelength = worlds[0]
    centre = (_middle_of_circle(ra), float(np.nanmean(dec)))
    across, down = (float(np.nanmedian(np.abs(np.diff(wavelength, axis=a)))) for a in (1, 0))
    axis = 1 if across > down else 0  # of the dispersion
    step = _step(ra, dec, centre, axis)
    scale = float(np.hypot(*step))
    along = (step[0] / scale, step[1] / scale)
    places = [_along(w[0], w[1], centre, along) for w in worlds]
    low, high = min(map(np.nanmin, places)), max(map(np.nanmax, places))
    rows = int(np.ceil((high - low) / scale)) + 1
    start = 0.5 * (low + high) - 0.5 * (rows - 1) * scale
    columns = [_of_columns(w[2], place, axis) for w, place in zip(worlds, places, strict=True)]
    known = columns[0]
    for more in columns[1:]:
        known = np.concatenate([more[more < known[0]], known, more[more > known[-1]]])
    grid = SlitGrid(centre, along, float(start), scale, known, rows)
    return grid, grid.array_shape


def _of_columns(wavelength: Array, places: Array, axis: int) -> Array:
    """Wavelengths in the middle of the slit, rising: rows that begin to be lit do not matter."""
    middle = 0.5 * (np.nanmin(places) + np.nanmax(places))
    found = []
    for w, place in zip(np.rollaxis(wavelength, axis), np.rollaxis(places, axis), strict=True):
        lit = np.flatnonzero(np.isfinite(w) & np.isfinite(place))
        if lit.size:
            lit = lit[np.argsort(place[lit])]
            found.append(float(np.interp(middle, place[lit], w[lit])))
    return np.unique(found)


def _step(ra: Array, dec: Array, centre: tuple[float, float], axis: int) -> tuple[float, float]:
    """From pixel to pixel along the slit, in the middle of the spectrum: degrees."""
    lit = np.isfinite(ra).sum(axis=1 - axis)
    line = int(np.median(np.flatnonzero(lit > 0.5 * lit.max())))
    steps = []
    for of in ((1.0, 0.0), (0.0, 1.0)):
        places = np.take(_along(ra, dec, centre, of), line, axis)
        number = np.flatnonzero(np.isfinite(places))
        steps.append(float(np.polyfit(number, places[number], 1)[0]))
    return steps[0], steps[1]


def _along(ra: Array, dec: Array, centre: tuple[float, float], along: tuple[float, float]) -> Array:
    """Place in the direction ``along`` of the tangent plane at ``centre``: degrees."""
    away, north = np.deg2rad(ra - centre[0]), np.deg2rad(dec)
    sin, cos = np.sin(np.deg2rad(centre[1])), np.cos(np.deg2rad(centre[1]))
    depth = sin * np.sin(north) + cos * np.cos(north) * np.cos(away)
    east = np.cos(north) * np.sin(away) / depth
    up = (cos * np.sin(north) - sin * np.cos(north) * np.cos(away)) / depth
    found: Array = np.rad2deg(along[0] * east + along[1] * up)
    return found


def _middle_of_circle(ra: Array) -> float:
    """Mean right ascension, degrees: 359 and 1 give 0."""
    angle = np.deg2rad(ra[np.isfinite(ra)])
    return float(np.rad2deg(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())) % 360)
