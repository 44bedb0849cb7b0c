"""Where light lies in a spectral image: the path of its trace, and the row of its source."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from jwinteractive.data import Array, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.extract.places import along_x
from jwinteractive.extract.trace import find_trace
from jwinteractive.step import Model

__all__ = ["Light", "light_of"]

_SAMPLE = 16  # integrations that light is looked for in
# Pixels to both sides of a trace: all of that of SOSS, whose rims are brighter than its middle.
_REACHES, _REACH = {"NIS_SOSS": 16.0}, 6.0


@dc.dataclass(frozen=True, kw_only=True)
class Light(Model):
    """Where the light of a whole product lies.

    Attributes
    ----------
    path
        Rows that a trace lies off its row at the middle column, [x].
    y, x
        Row of the source at the middle column, NaN if there is none; its place in a cube.
    wavelength
        Along the trace, [x], um, where the WCS of the file tells and no plane does; else one NaN.
    slit
        First and last row along the path that have a wavelength: those of the slit. NaN where no
        plane of the product tells.
    profile
        That the file holds, [y, x] as its image; one NaN where none was asked for.
    drift, drift_error
        Shift of the trace in each integration, in pixels across the dispersion, [n]; one NaN where
        none was measured.
    image
        A cube, collapsed [y, x].
    limits
        Least and most value of background in each plane of a cube, [plane, 2].
    notes
        What had to be assumed.
    """

    path: Array = dc.field(default_factory=lambda: np.zeros(1))
    y: float = float("nan")
    x: float = float("nan")
    wavelength: Array = dc.field(default_factory=lambda: np.full(1, np.nan))
    slit: Array = dc.field(default_factory=lambda: np.full(2, np.nan))
    profile: Array = dc.field(default_factory=lambda: np.full((1, 1), np.nan))
    drift: Array = dc.field(default_factory=lambda: np.full(1, np.nan))
    drift_error: Array = dc.field(default_factory=lambda: np.full(1, np.nan))
    image: Array = dc.field(default_factory=lambda: np.full((1, 1), np.nan, np.float32))
    limits: Array = dc.field(default_factory=lambda: np.full((1, 2), np.nan))
    notes: tuple[str, ...] = ()


def light_of(
    product: Rate | RateInts, order: int | None = None, powers: Sequence[float] = ()
) -> Light:
    """Light of a spectral image or of a time series.

    Parameters
    ----------
    order
        Of the polynomial that follows the trace; None for straight rows.
    powers
        Coefficients of y by powers of x of a trace that is known: then none is looked for.
    """
    image, variance = _light(product)
    nx = image.shape[1]
    if powers:
        y = np.polynomial.polynomial.polyval(np.arange(nx, dtype=np.float64), powers)
        return Light(path=y - y[nx // 2], y=float(y[nx // 2]))
    if order is None:
        return Light(path=np.zeros(nx), y=_brightest_row(image))
    try:
        reach = _REACHES.get(product.exposure.exp_type, _REACH)
        centre = find_trace(image, variance, reach=reach, order=order).centre
    except InputError as error:
        return Light(
            path=np.zeros(nx), y=_brightest_row(image), notes=(f"{error}: rows are straight",)
        )
    return Light(path=centre - centre[nx // 2], y=float(centre[nx // 2]))


def _light(product: Rate | RateInts) -> tuple[Array, Array | None]:
    """Image of all light, x along the dispersion, flagged pixels missing; and its variance."""
    axis = product.exposure.dispaxis
    data, flags, err = product.data, product.dq, product.err
    if data.ndim == 3:
        some = slice(None, None, -(-len(data) // _SAMPLE))
        data, flags, err = data[some], flags[some], err[some]
        data = np.where(flags & 1, np.nan, data)
        good = np.isfinite(data)
        count = good.sum(axis=0)
        total = np.where(good, data, 0).sum(axis=0)
        image: Array = np.full(total.shape, np.nan)
        np.divide(total, count, out=image, where=count > 0)
        noise = np.where(good, np.square(err, dtype=np.float64), 0).sum(axis=0)
        variance = np.full(total.shape, np.nan)
        np.divide(noise, np.square(count, dtype=np.float64), out=variance, where=count > 0)
    else:
        image = np.where(flags & 1, np.nan, data)
        variance = np.square(err, dtype=np.float64)
    known = np.isfinite(variance).any()
    return along_x(image, axis), along_x(variance, axis) if known else None


def _brightest_row(image: Array) -> float:
    """Centre of light of the brightest rows, all columns together; NaN if there are none."""
    good = np.isfinite(image)
    count = good.sum(axis=1)
    total = np.where(good, image, 0).sum(axis=1)
    rows = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    if not np.isfinite(rows).any():
        return float("nan")
    peak = int(np.nanargmax(rows))
    near = np.arange(max(peak - 2, 0), min(peak + 3, len(rows)))
    light = np.nan_to_num(rows[near] - np.nanmedian(rows))
    light = np.maximum(light, 0)
    return float((near * light).sum() / light.sum()) if light.sum() > 0 else float(peak)
