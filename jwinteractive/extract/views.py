"""What there is to see of an extraction, and how places that a person moved become parameters."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np

from jwinteractive.data import Array, Cube, Product, Rate, RateInts, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.extract.cube_aperture import brightest, cleaned, collapsed
from jwinteractive.extract.image_spectra import Layout
from jwinteractive.extract.joint import Joint
from jwinteractive.extract.light import Light
from jwinteractive.extract.places import Place, along_x, write_places
from jwinteractive.extract.series_views import SERIES_VIEWS
from jwinteractive.extract.settings import (
    Circle,
    Extract1dParams,
    across,
    circle_of,
    layout_of,
    light_in,
)
from jwinteractive.views import (
    Band,
    Curve,
    Ellipse,
    Frame,
    Mark,
    Plot,
    Shown,
    Table,
    View,
    mean_of_planes,
)

__all__ = ["VIEWS"]

_COLUMNS = 256  # of which the profile across the dispersion is made
_HALF = 0.5  # pixels from the middle of the last whole pixel to the edge of a band


def _taken(s: Shown) -> tuple[Rate | RateInts | Cube, Light, Extract1dParams]:
    """What was taken, where its light lies, and the parameters."""
    p = s.params if isinstance(s.params, Extract1dParams) else Extract1dParams()
    product: Product | None = s.before
    if not isinstance(product, Rate | RateInts | Cube):
        raise InputError("aperture: the product before extract_1d is not at hand")
    if isinstance(s.model, Light):
        return product, s.model, p
    if isinstance(s.model, Joint):
        return product, light_in(s.model, product.exposure), p
    if isinstance(product, Cube):
        image = collapsed(cleaned(product)[0])
        x, y = brightest(image)
        return product, Light(x=x, y=y, image=image), p
    nx = product.shape[1] if product.exposure.dispaxis == 1 else product.shape[0]
    return product, Light(path=np.zeros(nx), y=(across(product) - 1) / 2), p


def _aperture(s: Shown) -> Frame:
    product, light, p = _taken(s)
    if isinstance(product, Cube):
        marks = _circles(circle_of(p, light, product))
        if s.planes is not None:
            mean = mean_of_planes(dc.replace(s, after=product))
            return dc.replace(mean, title="aperture", marks=marks, note=f"mean of {mean.note}")
        return Frame(
            title="aperture",
            data=light.image,
            unit=product.exposure.unit,
            marks=marks,
            note="mean of all planes",
            **s.place_of(product),
        )
    i = min(s.integration, len(product.data) - 1) if isinstance(product, RateInts) else ...
    layout = layout_of(p, light, product.exposure, across(product))
    return Frame(
        title="aperture",
        data=product.data[i],
        unit=product.exposure.unit,
        dq=product.dq[i],
        err=product.err[i],
        marks=_bands(layout, product.exposure.dispaxis),
        note="; ".join(light.notes),
        **s.place_of(product),
    )


def _bands(layout: Layout, axis: int) -> tuple[Mark, ...]:
    path = tuple(np.round(layout.path, 3).tolist()) if layout.path.any() else ()
    whole = layout.columns == (0, len(layout.path) - 1)
    ends: dict[str, Any] = {}
    if not whole:
        ends = {"start": layout.columns[0] - _HALF, "stop": layout.columns[1] + _HALF}
    found = []
    for kind, places in (("source", layout.sources), ("background", layout.background)):
        for i, place in enumerate(places):
            sign = " (subtracted)" if place.sign < 0 else ""
            found.append(
                Band(
                    low=place.low - _HALF,
                    high=place.high + _HALF,
                    along="x" if axis == 1 else "y",
                    path=path,
                    label=f"{kind} {i + 1}: {place.words.rstrip('-')}{sign}",
                    name=f"{kind} {i + 1}",
                    kind="source" if kind == "source" else "background",
                    **ends,
                )
            )
    return tuple(found)


def _circles(circle: Circle) -> tuple[Mark, ...]:
    """Circle and ring, as large as in the middle plane."""
    if circle.radius is None:
        return ()
    radius = float(circle.radius[len(circle.radius) // 2])
    grows = np.ptp(circle.radius) > 0
    label = f"source: radius {radius:.3g} pix" + (" in the middle plane" if grows else "")
    sizes = [("source", radius, label)]
    if circle.ring is not None:
        sizes += [
            ("inner", circle.ring[0] * radius, "background from"),
            ("outer", circle.ring[1] * radius, "background to"),
        ]
    return tuple(
        Ellipse(y=circle.y, x=circle.x, a=r, b=r, label=words, name=name, kind=name)  # type: ignore[arg-type]
        for name, r, words in sizes
    )


def _edit(p: Any, s: Shown, old: Mark | None, new: Mark | None) -> dict[str, Any]:
    """Parameters after a band or a circle was moved, drawn or taken away."""
    product, light, _ = _taken(dc.replace(s, params=p))
    if isinstance(product, Cube):
        return _edit_circle(p, circle_of(p, light, product), old, new)
    if p.extraction_type == "forward":  # it fits where the light is
        return {}
    layout = layout_of(p, light, product.exposure, across(product))
    places = {"source": list(layout.sources), "background": list(layout.background)}
    changes: dict[str, Any] = {}
    at = -1
    if isinstance(old, Band):
        at = int(old.name.rpartition(" ")[2]) - 1
        before = places[old.kind].pop(at)
    if isinstance(new, Band):
        low, high = round(new.low + _HALF, 2), round(new.high - _HALF, 2)
        sign = before.sign if isinstance(old, Band) and old.kind == new.kind else 1
        place = Place(low, max(high, low - 0.99), sign)
        there = isinstance(old, Band) and old.kind == new.kind
        places[new.kind].insert(at if there else len(places[new.kind]), place)
        if new.start is not None or new.stop is not None:
            last = len(layout.path) - 1
            first = 0 if new.start is None else round(new.start + _HALF)
            end = last if new.stop is None else round(new.stop - _HALF)
            changes["xstart"] = float(first) if first > 0 else None
            changes["xstop"] = float(end) if end < last else None
    changes["apertures"] = write_places(places["source"])
    if places["background"] or p.background or p.subtract_background:
        changes["background"] = write_places(places["background"])
        # without rows of its own a background would be put beside the apertures again
        changes["subtract_background"] = None
    return changes


def _edit_circle(
    p: Extract1dParams, circle: Circle, old: Mark | None, new: Mark | None
) -> dict[str, Any]:
    if new is None:
        return {"subtract_background": False} if old is not None and old.kind != "source" else {}
    if not isinstance(new, Ellipse):
        return {}
    radius = 1.0 if circle.radius is None else float(circle.radius[len(circle.radius) // 2])
    changes: dict[str, Any] = {"center_xy": f"{new.x:.2f} {new.y:.2f}"}
    if new.kind == "source":
        if abs(new.a - radius) > 1e-3:
            changes |= {"radius": round(max(new.a, 0.1), 2), "ifu_rscale": None}
            if circle.ring is not None:  # the ring stays where it is
                changes["annulus"] = _ring(circle.ring, radius / changes["radius"])
        return changes
    if circle.ring is None:
        return {}
    inner, outer = circle.ring
    wanted = new.a / radius
    ring = (wanted, max(outer, wanted + 0.1)) if new.kind == "inner" else (inner, wanted)
    return changes | {"annulus": _ring(ring, 1.0)}


def _ring(ring: tuple[float, float], factor: float) -> str:
    """Text of the radii of a ring, in order and within their bounds."""
    inner = min(max(ring[0] * factor, 1.0), 99.0)
    outer = min(max(ring[1] * factor, inner + 0.1), 100.0)
    return f"{inner:.3f} {outer:.3f}"


def _curves(s: Shown, kind: str) -> Plot:
    spectra = s.after
    if not isinstance(spectra, SpectrumSet):
        raise InputError(f"{type(spectra).__name__} has no spectra: choose a view of extract_1d")
    i = min(s.integration, len(spectra.flux) - 1)
    unit = spectra.exposure.unit
    err = spectra.err
    labels = [spectra.axis(k)[1] for k in range(spectra.shape[0])]
    several = len(set(labels)) > 1  # then sources share an axis of pixels
    pixels = np.arange(spectra.covers.x0, spectra.covers.x1)
    curves = []
    for k, name in enumerate(spectra.names):
        x = pixels if several else spectra.axis(k)[0]
        own = name or "spectrum"
        if kind == "flux":
            error = err[i, k] if np.isfinite(err[i, k]).any() else None
            curves.append(Curve(name=own, x=x, y=spectra.flux[i, k], err=error))
            if spectra.background[i, k].any():
                y = spectra.background[i, k]
                curves.append(Curve(name=f"{own}: background", x=x, y=y))
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = spectra.flux[i, k] / err[i, k]
            curves.append(Curve(name=own, x=x, y=ratio))
    words = "spectrum" if kind == "flux" else "signal to noise"
    return Plot(
        title=words if len(spectra.flux) == 1 else f"{words} of integration {i + 1}",
        x_label="pixel" if several else labels[0],
        y_label=f"flux ({unit})" if kind == "flux" else "flux over its error",
        curves=tuple(curves),
    )


def _spectrum(s: Shown) -> Plot:
    return _curves(s, "flux")


def _signal_to_noise(s: Shown) -> Plot:
    return _curves(s, "noise")


def _profile(s: Shown) -> Plot:
    """Median light across the dispersion along the path, and the share that each pixel counts."""
    product, light, p = _taken(s)
    if isinstance(product, Cube):
        return _growth(product, light, p)
    layout = layout_of(p, light, product.exposure, across(product))
    i = min(s.integration, len(product.data) - 1) if isinstance(product, RateInts) else ...
    axis = product.exposure.dispaxis
    flags = along_x(product.dq[i], axis)
    ny = len(flags)
    first, last = layout.columns
    columns = np.unique(np.linspace(first, last, min(last - first + 1, _COLUMNS)).astype(int))
    rows = np.arange(ny)[:, None] + np.rint(layout.path[columns]).astype(int)
    inside = (rows >= 0) & (rows < ny)
    at = np.clip(rows, 0, ny - 1)
    values = np.where(
        inside & (flags[at, columns] & 1 == 0), along_x(product.data[i], axis)[at, columns], np.nan
    )
    good = np.isfinite(values).any(axis=1)
    middle: Array = np.full(ny, np.nan)
    middle[good] = np.nanmedian(values[good], axis=1)
    top = float(np.nanmax(middle)) if good.any() else 1.0
    curves = [Curve(name="median of columns", x=np.arange(ny), y=middle, style="steps")]
    for kind, places in (("aperture", layout.sources), ("background", layout.background)):
        for place in places:
            edges = [place.low - 0.5, place.low - 0.5, place.high + 0.5, place.high + 0.5]
            height = np.array([0, top, top, 0])
            curves.append(Curve(name=f"{kind} {place.words}", x=np.array(edges), y=height))
    return Plot(
        title="profile across the dispersion",
        x_label=f"{'y' if axis == 1 else 'x'} at the middle column (pix)",
        y_label=f"median ({product.exposure.unit})",
        curves=tuple(curves),
    )


def _growth(cube: Cube, light: Light, p: Extract1dParams) -> Plot:
    """Light of the collapsed cube within circles of growing radius."""
    circle = circle_of(p, light, cube)
    ny, nx = light.image.shape
    away = np.hypot(np.arange(ny)[:, None] - circle.y, np.arange(nx) - circle.x)
    radii = np.arange(0.5, min(ny, nx) / 2, 0.5)
    known = np.isfinite(light.image)
    y = np.array([light.image[known & (away <= r)].sum() for r in radii])
    curves = [Curve(name="mean of planes", x=radii, y=y)]
    if circle.radius is not None:
        for r in (circle.radius.min(), circle.radius.max()):
            ends = np.array([0, float(y.max())])
            curves.append(Curve(name=f"radius {r:.2f}", x=np.array([r, r]), y=ends))
    return Plot(
        title="light within a circle",
        x_label="radius (pix)",
        y_label=f"sum ({cube.exposure.unit})",
        curves=tuple(curves),
    )


def _table(s: Shown) -> Table:
    spectra = s.after
    if not isinstance(spectra, SpectrumSet):
        raise InputError(f"{type(spectra).__name__} has no spectra: choose a view of extract_1d")
    i = min(s.integration, len(spectra.flux) - 1)
    rows: list[tuple[Any, ...]] = []
    for k, name in enumerate(spectra.names):
        flux, err = spectra.flux[i, k], spectra.err[i, k]
        good = np.isfinite(flux)
        axis, _ = spectra.axis(k)
        seen = axis[good & np.isfinite(axis)]
        span = f"{seen.min():.6g} to {seen.max():.6g}" if seen.size else ""
        limits = " ".join(f"{v:.6g}" for v in spectra.limits[4 * k : 4 * k + 4])
        noise = np.abs(flux[good]) / err[good] if good.any() else np.array([np.nan])
        ratio = float(np.median(noise)) if np.isfinite(noise).any() else np.nan
        middle = float(np.median(flux[good])) if good.any() else np.nan
        pixels = float(np.median(spectra.npixels[i, k][good])) if good.any() else 0.0
        values = (f"{middle:.4g}", f"{ratio:.3g}", f"{pixels:.3g}", int((~good).sum()))
        rows.append((name or "spectrum", limits, span, *values))
    title = "; ".join(["what was extracted", *spectra.notes])
    columns = ("source", "place", "axis", "median flux", "median S/N", "pixels", "columns missing")
    return Table(title=title, columns=columns, rows=tuple(rows))


VIEWS = (
    View(title="aperture", draw=_aperture, compares=True, edit=_edit),
    View(title="spectrum", draw=_spectrum),
    View(title="profile", draw=_profile, compares=True),
    View(title="signal to noise", draw=_signal_to_noise),
    View(title="what was extracted", draw=_table),
    *SERIES_VIEWS,
)
