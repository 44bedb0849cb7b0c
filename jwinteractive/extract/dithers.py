"""Unresampled images of several dithers, and their pixels side by side.

Source: dossier section 8 (3).
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = ["Dither", "Pixels", "pixels_of", "wavelength_grid"]


_EDGE = 1e-3  # steps by which a pixel may lie outside of the knots: it was rounded


@dc.dataclass(frozen=True, eq=False, slots=True)
class Dither:
    """One image [y, x] dispersed along x, and where its light comes from.

    Parameters
    ----------
    data
        Values; what is not finite is missing.
    wavelength
        Of each pixel, [y, x], um; what is not finite has none.
    trace
        y of the source in each column, [x], or of several sources, [source, x].
    var_poisson, var_rnoise
        Variances of the values.
    mask
        Pixels that are left out, bool.
    nods
        y of the images that a subtracted nod left of the only source, [nod, x]; each has an equal
        share of it.

    Raises
    ------
    InputError
        If shapes do not agree.
    """

    data: Array
    wavelength: Array
    trace: Array
    var_poisson: Array | None = None
    var_rnoise: Array | None = None
    mask: Array | None = None
    nods: Array | None = None

    def __post_init__(self) -> None:
        shape = self.data.shape
        if len(shape) != 2 or not self.data.size:
            raise InputError(f"dither of shape {shape}: must be an image [y, x] with pixels")
        for name in ("wavelength", "var_poisson", "var_rnoise", "mask"):
            plane = getattr(self, name)
            if plane is not None and plane.shape != shape:
                raise InputError(f"{name} {plane.shape}: must have the shape of the data, {shape}")
        if self.var_poisson is None and self.var_rnoise is None:
            raise InputError("dither has no variances: give var_poisson or var_rnoise")
        for name in ("trace", "nods"):
            lines = getattr(self, name)
            if lines is not None and lines.shape[-1] != shape[1]:
                raise InputError(f"{name} {lines.shape}: must have {shape[1]} columns as the data")
        if self.nods is not None and self.trace.ndim == 2 and len(self.trace) > 1:
            raise InputError("nods: must be those of one source, not of several: extract one")


@dc.dataclass(frozen=True, eq=False, slots=True)
class Pixels:
    """Pixels of all dithers that are fitted, [pixel].

    Parameters
    ----------
    data, poisson, read, wavelength
        Values, variances, um.
    at, span
        Place among the knots, and width in steps between them.
    away
        Distance from the trace of each source, [source, pixel].
    nods, shared
        Distance from each trace of a subtracted nod, [nod, pixel], NaN where a dither has fewer;
        and the number of nods.
    dither, y, x
        Where the pixel is.
    """

    data: Array
    poisson: Array
    read: Array
    wavelength: Array
    at: Array
    span: Array
    away: Array
    nods: Array
    shared: Array
    dither: Array
    y: Array
    x: Array


def wavelength_grid(dithers: Sequence[Dither], step: float = 1.0) -> Array:
    """Wavelengths along the trace of the first dither, rising, as far as any dither reaches, um.

    Parameters
    ----------
    dithers
        At least one.
    step
        Columns between knots; less than 1 only where dithers lie between each other's pixels.

    Raises
    ------
    InputError
        If there is no dither, or the first has no wavelengths that rise or fall along its trace.
    """
    if not dithers:
        raise InputError("there is no dither: give one at least")
    first = dithers[0]
    ny, nx = first.data.shape
    trace = np.atleast_2d(first.trace)[0]
    # between rows: where the trace changes them, wavelengths of the nearest would be uneven
    below = np.clip(np.floor(np.nan_to_num(trace)), 0, max(ny - 2, 0)).astype(int)
    above, columns = np.minimum(below + 1, ny - 1), np.arange(nx)
    part = np.clip(trace - below, 0, 1)
    along = (1 - part) * first.wavelength[below, columns] + part * first.wavelength[above, columns]
    known = np.isfinite(along)
    if known.sum() < 3:
        raise InputError("first dither has no wavelengths along its trace: check both")
    at = np.arange(columns[known][0], columns[known][-1] + step / 2, step)
    grid = np.interp(at, columns[known], along[known].astype(np.float64))
    grid = grid if grid[-1] > grid[0] else grid[::-1]
    if not np.all(np.diff(grid) > 0):
        raise InputError("wavelengths of the first dither neither rise nor fall along its trace")
    low = min(float(np.nanmin(dither.wavelength)) for dither in dithers)
    high = max(float(np.nanmax(dither.wavelength)) for dither in dithers)
    before = np.arange(grid[0] - (grid[1] - grid[0]), low, -(grid[1] - grid[0]))[::-1]
    after = np.arange(grid[-1] + (grid[-1] - grid[-2]), high, grid[-1] - grid[-2])
    return np.concatenate([before, grid, after])


def pixels_of(
    dithers: Sequence[Dither], grid: Array, reach: float, line_response: float = 0.0
) -> Pixels:
    """Pixels of all dithers that lie near a trace and among the knots.

    Raises
    ------
    InputError
        If dithers do not agree in their sources, knots do not rise, or no pixel is left.
    """
    if grid.ndim != 1 or len(grid) < 4 or not np.all(np.diff(grid) > 0):
        raise InputError(f"wavelength {grid.shape}: must be 4 knots or more that rise")
    if not reach >= 1:
        raise InputError(f"reach = {reach}: must be at least 1 pixel")
    if not dithers:
        raise InputError("there is no dither: give one at least")
    sources = {len(np.atleast_2d(dither.trace)) for dither in dithers}
    if len(sources) > 1:
        raise InputError(f"dithers have {sorted(sources)} sources: must be as many in each")
    most = max(0 if d.nods is None else len(np.atleast_2d(d.nods)) for d in dithers)
    parts = [_of_one(k, one, grid, reach, line_response, most) for k, one in enumerate(dithers)]
    found = Pixels(*(np.concatenate(list(p), axis=-1) for p in zip(*parts, strict=True)))
    if not len(found.data):
        raise InputError(
            "no pixel of the dithers lies near its trace and among the knots with a value and a "
            "variance: check trace, wavelength and mask"
        )
    return found


def _of_one(
    number: int, dither: Dither, grid: Array, reach: float, line_response: float, most: int
) -> tuple[Array, ...]:
    ny, nx = dither.data.shape
    rows = np.arange(ny)[:, None]
    away = np.array([rows - line for line in np.atleast_2d(dither.trace)])
    nods = np.full((most, ny, nx), np.nan)
    lines = [] if dither.nods is None else list(np.atleast_2d(dither.nods))
    for k, line in enumerate(lines):
        nods[k] = rows - line
    zero = np.zeros((ny, nx))
    poisson = zero if dither.var_poisson is None else dither.var_poisson
    read = zero if dither.var_rnoise is None else dither.var_rnoise
    steps = np.arange(len(grid), dtype=np.float64)
    at = np.interp(dither.wavelength, grid, steps)
    low, high = grid[0] - _EDGE * (grid[1] - grid[0]), grid[-1] + _EDGE * (grid[-1] - grid[-2])
    at[~((dither.wavelength >= low) & (dither.wavelength <= high))] = np.nan  # NaN too
    span = zero
    if line_response > 0 and nx > 1:
        span = np.abs(np.gradient(at, axis=1)) * line_response
        at = np.where((at - span / 2 >= 0) & (at + span / 2 <= len(grid) - 1), at, np.nan)
    near = (np.abs(away) <= reach).any(axis=0) | (np.abs(nods) <= reach).any(axis=0)
    use = near & np.isfinite(dither.data + poisson + read + at + span)
    use &= np.isfinite(away).all(axis=0) & (poisson >= 0) & (read >= 0)
    if dither.mask is not None:
        use &= ~dither.mask
    y, x = np.nonzero(use)
    return (
        dither.data[use].astype(np.float64),
        poisson[use].astype(np.float64),
        read[use].astype(np.float64),
        dither.wavelength[use].astype(np.float64),
        at[use],
        span[use],
        away[:, use],
        nods[:, use],
        np.full(len(y), float(max(len(lines), 1))),
        np.full(len(y), number),
        y,
        x,
    )
