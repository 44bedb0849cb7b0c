"""What there is to see of 1/f noise: the noise, the scene mask, profiles, powers and numbers."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

import numpy as np

from jwinteractive.data import Array, Product, Ramp, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.mesh import on_pixels
from jwinteractive.flicker.metrics import power_spectrum
from jwinteractive.flicker.official_noise import OfficialNoise
from jwinteractive.flicker.scene import Scene, draft_of, white_noise
from jwinteractive.flicker.sources import REASONS
from jwinteractive.kernels.flicker_ramp import leftovers
from jwinteractive.views import Bit, Curve, Frame, Plot, Shown, View

__all__ = ["SCENE_BITS", "VIEWS"]

_COLOURS = ("#000000", "#56b4e9", "#d55e00", "#5a1fff", "#ffffff")
SCENE_BITS = tuple(
    Bit(int(value), name, colour)
    for (value, name), colour in reversed(list(zip(REASONS.items(), _COLOURS, strict=True)))
)
"""Why pixels are no background, for pictures."""


def _level(s: Shown, product: Product) -> Array:
    """Background of a product as the fit took it: float32 [y, x], a group's or a second's."""
    model, box = s.model, product.covers
    if isinstance(model, Scene):
        meshed = s.params is not None and s.params.background_method == "model"
        return model.background(box, meshed)
    if not isinstance(model, OfficialNoise):
        raise InputError("the scene has not been measured: run the step")
    if model.meshes is not None:
        mesh = np.nanmean(model.meshes, axis=0)
        return on_pixels(mesh, (model.ny, model.nx), box, round(model.ny / len(mesh)))
    return np.full(box.shape, np.nanmedian(model.background), np.float32)


def _stripes(s: Shown) -> Stripes:
    model = s.model
    shape = (model.height, model.width) if isinstance(model, Scene) else (model.ny, model.nx)
    return Stripes(s.after.exposure, shape)


def _warning(s: Shown) -> str:
    return s.model.warning if isinstance(s.model, Scene) else "; ".join(s.model.warnings)


def _unit(product: Product) -> str:
    return "DN/group" if isinstance(product, Ramp) else "DN/s"


def _plane(product: Product, s: Shown) -> tuple[Array, str]:
    """Image of the integration and group in view, and its unit."""
    if isinstance(product, Ramp):
        nint, ngroup = product.data.shape[:2]
        return product.data[min(s.integration, nint - 1), min(s.group, ngroup - 1)], "DN"
    if isinstance(product, RateInts):
        return product.data[min(s.integration, len(product.data) - 1)], "DN/s"
    assert isinstance(product, Rate)
    return product.data, "DN/s"


def _noise(s: Shown) -> Frame:
    assert s.before is not None  # the view compares
    (before, unit), (after, _) = _plane(s.before, s), _plane(s.after, s)
    data = np.subtract(before, after, dtype=np.float32)
    return Frame(title="1/f noise", data=data, unit=unit, diverging=True, **s.place)


def _rates_of(product: Product, s: Shown) -> Array:
    """Draft rate [y, x] of the integration in view."""
    rates = draft_of(product)
    return np.asarray(rates[min(s.integration, len(rates) - 1)])


def _draft(s: Shown, title: str) -> Frame:
    data = _rates_of(s.after, s) - _level(s, s.after)
    why: Array | None = s.after.scene  # type: ignore[attr-defined]  # all kinds have it
    flags = None if why is None else why.astype(np.uint32)
    return Frame(title=title, data=data, unit=_unit(s.after), dq=flags, bits=SCENE_BITS, **s.place)


def _mask(s: Shown) -> Frame:
    frame = _draft(s, "scene mask")
    left = 100.0 * float(np.mean(frame.dq == 0)) if frame.dq is not None else 0.0
    note = f"{left:.3g} % is background"
    stripes, warning = _stripes(s), _warning(s)
    free = np.isfinite(frame.data) if frame.dq is None else frame.dq == 0
    sigma = white_noise(stripes.lines(frame.data), stripes.lines(free))
    return dc.replace(
        frame,
        limits=(-3 * sigma, 10 * sigma),
        note=f"{note}; {warning}" if warning else note,
    )


def _background(s: Shown) -> Frame:
    data = _level(s, s.after)
    return Frame(title="background", data=data, unit=_unit(s.after), **s.place)


def _background_free(product: Product, s: Shown) -> tuple[Array, str]:
    """What is left of the group or rate in view without pedestal and background: [y, x]."""
    level = _level(s, product)
    if not isinstance(product, Ramp):
        return _plane(product, s)[0] - level, "DN/s"
    i = min(s.integration, len(product.data) - 1)
    g = min(s.group, product.data.shape[1] - 1)
    out = np.empty(product.data.shape[1:], np.float32)
    everywhere = np.ones(product.shape, np.bool_)
    leftovers(product.data[i], product.groupdq[i], level, everywhere, out)
    return out[g], "DN"


def _both(s: Shown) -> tuple[Array, Array, Array, str]:
    """Images in view before and after, background pixels, and the unit."""
    assert s.before is not None  # the views compare
    why: Array | None = s.after.scene  # type: ignore[attr-defined]  # all kinds have it
    if why is None:
        raise InputError("there is no scene mask: run the step")
    before, unit = _background_free(s.before, s)
    after, _ = _background_free(s.after, s)
    return before, after, why == 0, unit


def _profile(across: bool) -> Callable[[Shown], Plot]:
    def draw(s: Shown) -> Plot:
        before, after, free, unit = _both(s)
        stripes, box = _stripes(s), s.after.covers
        first, _ = stripes.span(box)
        along = "row" if stripes.along_x == across else "column"
        if not across:
            first = box.x0 if stripes.along_x else box.y0
        curves = []
        for name, image in (("before", before), ("after", after)):
            lines = stripes.lines(np.where(free, image, np.nan))
            y = _medians(lines if across else lines.T)
            curves.append(Curve(name=name, x=np.arange(first, first + len(y)), y=y))
        return Plot(
            title=f"median of each {along} of background in view",
            x_label=f"{along} (pixel)",
            y_label=f"median ({unit})",
            curves=tuple(curves),
        )

    return draw


def _medians(lines: Array) -> Array:
    """Median of each line that has any value."""
    out: Array = np.full(len(lines), np.nan)
    known = np.isfinite(lines).any(axis=1)
    out[known] = np.nanmedian(lines[known], axis=1)
    return out


def _power(s: Shown) -> Plot:
    before, after, free, unit = _both(s)
    stripes, box = _stripes(s), s.after.covers
    start = box.x0 if stripes.along_x else box.y0
    first, end = stripes.span(box)
    size = box.shape[1] if stripes.along_x else box.shape[0]
    readout = stripes.readout(end - first).part(start, start + size)
    curves = []
    for name, image in (("before", before), ("after", after)):
        if not (free & np.isfinite(image)).any():
            continue
        power = power_spectrum(image, free, readout)
        shown = power.density > 0
        curves.append(Curve(name=name, x=power.frequency[shown], y=power.density[shown]))
    return Plot(
        title="power of the background in view, in the order of reading",
        x_label="frequency (Hz)",
        y_label=f"power (({unit})²/Hz)",
        curves=tuple(curves),
        log_x=True,
        log_y=True,
    )


VIEWS = (
    View(title="1/f noise", draw=_noise, compares=True),
    View(title="scene mask", draw=_mask),
    View(title="background", draw=_background),
    View(title="profile across lines", draw=_profile(True), compares=True, wide=True),
    View(title="profile along lines", draw=_profile(False), compares=True, wide=True),
    View(title="power spectrum", draw=_power, compares=True, wide=True),
)
