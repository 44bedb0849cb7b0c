"""One pixel through every step: its groups, flags, fit and residuals."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Product, Ramp, Rate, RateInts

__all__ = [
    "PixelFit",
    "PixelHistory",
    "PixelStep",
    "as_json",
    "as_text",
    "chi2_words",
    "mean_pixel",
    "pixel_history",
    "value_words",
]

_UNUSED = dq.DO_NOT_USE | dq.SATURATED


@dc.dataclass(frozen=True)
class PixelStep:
    """The pixel after one step: data and groupdq [integration, group], or its rate.

    ``chi2`` of the group differences about the fit has ``dof`` degrees of freedom, where the fit
    tells them.
    """

    step: str
    data: Array | None = None
    groupdq: Array | None = None
    pixeldq: int = 0
    rate: float | None = None
    err: float | None = None
    rate_per_integration: Array | None = None
    err_per_integration: Array | None = None
    chi2: float | None = None
    dof: int | None = None


@dc.dataclass(frozen=True)
class PixelFit:
    """The fitted line of each integration.

    ``rate`` [nint] DN/s, ``intercept`` [nint] DN, ``line`` and ``residuals`` [nint, ngroup] DN;
    after a jump the line starts anew. Groups that were not used have residual NaN.
    """

    rate: Array
    intercept: Array
    line: Array
    residuals: Array


@dc.dataclass(frozen=True)
class PixelHistory:
    """What every step did to pixel (y, x)."""

    y: int
    x: int
    times: Array
    steps: tuple[PixelStep, ...]
    fit: PixelFit | None


def mean_pixel(product: Product) -> Product:
    """Return one pixel that stands for all of a product: the mean of the good ones.

    Samples that are saturated or not to be used, and pixels not to be used, do not count; where
    none is left the value is NaN; chi2 and its degrees of freedom are summed. A flag is set where
    more than half of the pixels have it. Errors are those of the mean of independent pixels.
    """
    box = product.covers
    one = Box.around(box.y0, box.x0)
    changes: dict[str, Any] = {"box": one, "scene": None}
    if isinstance(product, Ramp):
        ramp = product.native()
        bad = (ramp.groupdq & _UNUSED).astype(bool) | ((ramp.pixeldq & dq.DO_NOT_USE) != 0)
        changes |= {
            "data": _mean(ramp.data, ~bad),
            "groupdq": _common(ramp.groupdq),
            "pixeldq": _common(ramp.pixeldq),
            "zeroframe": None,
            "average_dark_current": None,
            "draft": None,
            "persistence_ends": None,
            "interleaved": None,
            "zero": 0.0,
        }
    elif isinstance(product, Rate | RateInts):
        used = ((product.dq & dq.DO_NOT_USE) == 0) & np.isfinite(product.data)
        count = np.maximum(used.sum(axis=(-2, -1), keepdims=True), 1)
        changes |= {"data": _mean(product.data, used), "dq": _common(product.dq)}
        changes["replaced"] = None
        for name in ("var_poisson", "var_rnoise", "var_flat"):
            if (variance := getattr(product, name)) is not None:
                changes[name] = _mean(variance, used) / count
        if product.wavelength is not None:
            changes["wavelength"] = _mean(product.wavelength, np.isfinite(product.wavelength))
        changes["err"] = np.sqrt(_mean(product.err**2, used) / count)
        for name in ("chi2_between", "pedestal", "trace_model"):
            if (plane := getattr(product, name, None)) is not None:
                changes[name] = _mean(plane, used & np.isfinite(plane))
        if product.chi2 is not None and product.dof is not None:  # of all pixels together
            known = used & np.isfinite(product.chi2)
            for name, plane in (("chi2", product.chi2), ("dof", product.dof)):
                total = np.sum(plane, axis=(-2, -1), keepdims=True, where=known, dtype=float)
                changes[name] = total.astype(np.float32)
        if isinstance(product, Rate) and product.integrations is not None:
            changes["integrations"] = mean_pixel(product.integrations)
    return product.replace(**changes)


def _mean(values: Array, used: Array) -> Array:
    """Mean over (y, x) of the values that are used, as float32 [..., 1, 1]; NaN if none is."""
    total = np.sum(values, axis=(-2, -1), keepdims=True, where=used, dtype=float)
    count = used.sum(axis=(-2, -1), keepdims=True)
    mean: Array = np.full(total.shape, np.nan, np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="unsafe")
    return mean


def _common(flags: Array) -> Array:
    """Flags [..., 1, 1] that more than half of the pixels (y, x) have."""
    found: Array = np.zeros((*flags.shape[:-2], 1, 1), flags.dtype)
    for bit in range(8 * flags.dtype.itemsize):
        value = flags.dtype.type(1 << bit)
        often = np.mean((flags & value) != 0, axis=(-2, -1), keepdims=True) > 0.5
        found |= often.astype(flags.dtype) * value
    return found


def pixel_history(y: int, x: int, products: Sequence[tuple[str, Product]]) -> PixelHistory:
    """Collect the history from the products of one pixel, by step name in order."""
    steps = [_step(name, product) for name, product in products]
    ramps = [p for _, p in products if isinstance(p, Ramp)]
    rates = [p for _, p in products if isinstance(p, Rate)]
    exposure = products[0][1].exposure
    ngroup = ramps[-1].data.shape[1] if ramps else 0
    times = exposure.group_time * np.arange(1, ngroup + 1)
    fit = None
    if ramps and rates and rates[0].integrations is not None:
        slopes = rates[0].integrations.data[:, 0, 0].astype(float)
        fit = _fit(ramps[-1], slopes, times)
    return PixelHistory(y, x, times, tuple(steps), fit)


def _step(name: str, product: Product) -> PixelStep:
    if isinstance(product, Ramp):
        return PixelStep(
            name,
            product.data[:, :, 0, 0],
            product.groupdq[:, :, 0, 0],
            int(product.pixeldq[0, 0]),
        )
    if isinstance(product, Rate):
        ints = product.integrations
        return PixelStep(
            name,
            pixeldq=int(product.dq[0, 0]),
            rate=float(product.data[0, 0]),
            err=float(product.err[0, 0]),
            rate_per_integration=None if ints is None else ints.data[:, 0, 0],
            err_per_integration=None if ints is None else ints.err[:, 0, 0],
            chi2=None if product.chi2 is None else float(product.chi2[0, 0]),
            dof=None if product.dof is None else int(product.dof[0, 0]),
        )
    return PixelStep(name)


def _fit(ramp: Ramp, slopes: Array, times: Array) -> PixelFit:
    data = ramp.data[:, :, 0, 0].astype(float)
    flags = ramp.groupdq[:, :, 0, 0]
    line = np.full(data.shape, np.nan)
    residuals = np.full(data.shape, np.nan)
    intercept = np.full(len(data), np.nan)
    for i, slope in enumerate(slopes):
        used = (flags[i] & _UNUSED) == 0
        pieces = np.cumsum((flags[i] & dq.JUMP_DET) != 0)  # a jump starts a new line
        for piece in np.unique(pieces[used]):
            here = pieces == piece
            level = np.mean((data[i] - slope * times)[here & used])
            line[i, here] = level + slope * times[here]
            if np.isnan(intercept[i]):
                intercept[i] = level
        residuals[i, used] = (data[i] - line[i])[used]
    return PixelFit(slopes, intercept, line, residuals)


def value_words(value: float, err: float) -> str:
    """Text of a value and its error, to two digits of the error."""
    if not math.isfinite(value):
        return "–"
    if not (math.isfinite(err) and err > 0):
        return f"{value:.5g}"
    decimals = min(max(1 - math.floor(math.log10(err)), 0), 12)
    return f"{value:.{decimals}f} ± {err:.{decimals}f}"


def chi2_words(chi2: float | None, dof: int | None) -> str:
    """Words for how well a fit describes the groups; "" where it is not known."""
    if chi2 is None or dof is None or dof <= 0 or not np.isfinite(chi2):
        return ""
    return f"chi2/dof {chi2:.1f}/{dof} = {chi2 / dof:.2f}"


def as_json(history: PixelHistory) -> dict[str, Any]:
    """Plain values of a history; NaN becomes None."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return [plain(v) for v in value]
        if isinstance(value, float | np.floating):
            return float(value) if np.isfinite(value) else None
        return int(value) if isinstance(value, np.integer) else value

    return {
        "y": history.y,
        "x": history.x,
        "times": plain(history.times),
        "steps": [{f.name: plain(getattr(s, f.name)) for f in dc.fields(s)} for s in history.steps],
        "fit": history.fit
        and {f.name: plain(getattr(history.fit, f.name)) for f in dc.fields(history.fit)},
    }


def as_text(history: PixelHistory) -> str:
    """A page for a terminal: the last signal, flags and rate after each step, then the fit."""
    lines = [f"pixel y={history.y} x={history.x}"]
    for s in history.steps:
        flags = ", ".join(dq.names(s.pixeldq)) or "-"
        if s.data is not None and s.groupdq is not None:
            groups = [
                f"{i}.{g} {'|'.join(dq.names(flag))}"
                for (i, g), flag in np.ndenumerate(s.groupdq)
                if flag
            ]
            values = f"last group {s.data[-1, -1]:.6g} DN"
            lines.append(
                f"{s.step:14} {values:28} pixel: {flags}; groups: {', '.join(groups) or '-'}"
            )
        elif s.rate is not None:
            values = f"{s.rate:.6g} +- {s.err:.3g} DN/s"
            words = chi2_words(s.chi2, s.dof)
            lines.append(f"{s.step:14} {values:28} pixel: {flags}" + (words and f"; {words}"))
    if history.fit is not None:
        lines.append("time (s)  signal - fit (DN), by integration")
        for g, t in enumerate(history.times):
            row = "  ".join(f"{r:10.3f}" for r in history.fit.residuals[:, g])
            lines.append(f"{t:8.2f}  {row}")
    return "\n".join(lines)
