"""Light curves of a time series, and the drift of its trace that they depend on, as plots."""

from __future__ import annotations

import numpy as np

from jwinteractive.data import Array, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.extract.light import Light
from jwinteractive.extract.series import LightCurve, detrended, white_light
from jwinteractive.extract.spectra import Spectra
from jwinteractive.step import Model
from jwinteractive.views import Curve, Plot, Shown, Table, View

__all__ = ["SERIES_VIEWS", "drift_in", "light_curve_plot"]


def light_curve_plot(
    spectra: SpectrumSet,
    columns: tuple[int, int] | None = None,
    source: int = 0,
    drift: Array | None = None,
) -> Plot:
    """White light of each integration over its median, with errors, and its scatter in the title.

    Parameters
    ----------
    columns
        First and last that are summed; all by default.
    drift
        Shift of the trace in each integration, [n]: then the light curve over what depends on it,
        and on time, is drawn beside.

    Raises
    ------
    InputError
        If there is no such source, or nothing is known in the columns.
    """
    every = Spectra(
        spectra.flux,
        np.moveaxis(spectra.variances, 0, 2),
        spectra.background,
        np.moveaxis(spectra.background_variances, 0, 2),
        spectra.npixels,
    )
    found = white_light(every, columns, source)
    middle = float(np.nanmedian(found.flux))
    if not middle:
        raise InputError("light curve: its median is 0: choose another source or range")
    size = abs(middle)
    scaled = LightCurve(
        found.flux / middle, found.error / size, found.scatter / size, found.expected / size
    )
    words = _scatter(scaled)
    name = "white light" if columns is None else "light in the chosen range"
    curves = [_points(name, scaled)]
    if drift is not None and len(drift) == len(found.flux) and np.isfinite(drift).any():
        less = detrended(found, {"shift": drift}, order=1)
        slope, error = less.coefficients["shift"], less.errors["shift"]
        words += (
            f"; less drift {_scatter(less.curve)}: {100 * slope:.3g} ± {100 * error:.2g} % of the "
            "light per pixel of shift"
        )
        curves.append(_points("less drift and slope in time", less.curve))
    return Plot(
        title=f"light curve: {words}",
        x_label="integration",
        y_label="flux over its median",
        curves=tuple(curves),
    )


def _points(name: str, curve: LightCurve) -> Curve:
    number = np.arange(1.0, len(curve.flux) + 1)
    return Curve(name=name, x=number, y=curve.flux, err=curve.error, style="points")


def _scatter(curve: LightCurve) -> str:
    words = f"scatter {1e6 * curve.scatter:.4g} ppm"
    if np.isfinite(curve.ratio):
        words += f", {curve.ratio:.3g} times what the errors tell"
    return words


def _nothing(why: str) -> Table:
    return Table(title=why, columns=(), rows=())


def drift_in(model: Model | None) -> Array | None:
    """Shift of the trace in each integration that extraction measured, [n], or None."""
    return model.drift if isinstance(model, Light) and len(model.drift) > 1 else None


def _light_curve(s: Shown) -> Plot | Table:
    spectra = s.after
    if not isinstance(spectra, SpectrumSet) or len(spectra.flux) < 2:
        return _nothing("light curve: there is one integration alone")
    return light_curve_plot(spectra, drift=drift_in(s.model))


def _shifts(s: Shown) -> Plot | Table:
    """Shift of the trace by integration."""
    light, shift = s.model, drift_in(s.model)
    if shift is None or not isinstance(light, Light):
        return _nothing("drift: none was measured: of a series, set drift = measured or followed")
    scatter = float(np.nanstd(shift))
    return Plot(
        title=f"drift of the trace: scatter {1e3 * scatter:.3g} thousandths of a pixel",
        x_label="integration",
        y_label="shift across the dispersion (pix)",
        curves=(
            Curve(
                name="shift",
                x=np.arange(1.0, len(shift) + 1),
                y=shift,
                err=light.drift_error,
                style="points",
            ),
        ),
    )


SERIES_VIEWS = (
    View(title="light curve", draw=_light_curve),
    View(title="drift of the trace", draw=_shifts),
)
