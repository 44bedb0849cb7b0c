"""Apertures and profiles that follow the trace of a time series from integration to integration.

Source: dossier section 8 (6).
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Sequence

import numpy as np

from jwinteractive.data import Array, RateInts
from jwinteractive.errors import InputError
from jwinteractive.extract.drift import Drift, trace_drift
from jwinteractive.extract.frames import Frames, in_threads
from jwinteractive.extract.pixels import frames_of
from jwinteractive.extract.places import Place, along_x, rows_of
from jwinteractive.extract.spectra import Spectra

__all__ = ["drift_of", "followed", "shifted"]

_FEWEST = 3  # integrations that a drift can be told from


def drift_of(series: RateInts, trace: Array, reach: float) -> Drift:
    """Drift of the light of a time series along a trace, y of each column.

    Raises
    ------
    InputError
        If there are too few integrations, or the trace has no pixel.
    """
    count = len(series.data)
    if count < _FEWEST:
        raise InputError(f"drift: {count} integrations are too few: it takes {_FEWEST}")
    if not np.isfinite(trace).any():
        raise InputError("drift: no light was found whose place could be followed")
    axis = series.exposure.dispaxis
    middle = float(np.nanmedian(trace))
    ny = along_x(series.data, axis).shape[-2]
    first, end = rows_of((Place(middle - reach, middle + reach),), trace - middle, ny)
    frames, _ = frames_of(series, lambda planes: along_x(planes, axis)[..., first:end, :])
    return trace_drift(frames, trace - first, reach)


def followed(
    frames: Frames, shifts: Array, extracted: Callable[[Frames, float], Spectra]
) -> Spectra:
    """Spectra of all integrations, each extracted from its own frame with its own shift.

    Raises
    ------
    InputError
        If there is not one shift for each integration.
    """
    count = len(frames)
    if shifts.shape != (count,):
        raise InputError(f"shifts {shifts.shape}: must be {count}, one for each integration")
    planes = ("data", "var_poisson", "var_rnoise", "var_flat")
    found: list[Spectra | None] = [None] * count

    def work(i: int) -> None:
        cubes = {name: getattr(frames, name) for name in planes}
        own = {n: c if c is None or c.ndim == 2 else c[i] for n, c in cubes.items()}
        found[i] = extracted(dc.replace(frames, **own), float(shifts[i]))

    in_threads(count, work)
    made = [spectra for spectra in found if spectra is not None]
    names = [field.name for field in dc.fields(Spectra)]
    return Spectra(*(np.concatenate([getattr(m, name) for m in made]) for name in names))


def shifted(profiles: Array, by: float, apertures: Sequence[Array]) -> Array:
    """Profiles [source, y, x] moved up by some rows, cut to apertures that were moved as well."""
    from scipy.interpolate import CubicSpline

    ny = profiles.shape[1]
    if ny < 2:
        return profiles
    rows = np.arange(ny)
    moved = CubicSpline(rows, profiles, axis=1, bc_type="natural")(rows - by)
    return np.stack([np.where(w > 0, m, 0) for m, w in zip(moved, apertures, strict=True)])
