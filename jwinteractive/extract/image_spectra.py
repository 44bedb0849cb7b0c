"""Spectra of a spectral image or a time series along a path: boxes, or profiles fitted together.

What is common to both ways of extraction is here: frames cut to the rows that matter, the flags,
wavelengths of an aperture, units.

Source: dossier section 8 (1, 2).
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import Literal

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure, Product, Rate, RateInts, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.extract.box import BkgFit, box_spectra
from jwinteractive.extract.following import followed, shifted
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.given import given_profiles
from jwinteractive.extract.horne import horne_spectra
from jwinteractive.extract.optimal import optimal_spectra
from jwinteractive.extract.pixels import frames_of, mean_light
from jwinteractive.extract.places import Place, along_x, overlapping, rows_of, weights_of
from jwinteractive.extract.profile import empirical_profile
from jwinteractive.extract.spectra import Spectra

__all__ = ["Layout", "Method", "Scale", "image_spectra", "scale_of", "spectrum_set"]


@dc.dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Where to extract.

    Parameters
    ----------
    sources, background
        Rows at the middle column; without background, none is taken off.
    path
        What is added to the rows in each column, [x].
    columns
        First and last.
    """

    sources: tuple[Place, ...]
    background: tuple[Place, ...]
    path: Array
    columns: tuple[int, int]


@dc.dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """How to extract: box, or optimal with the weights of the noise or equal ones."""

    optimal: bool = False
    bkg_fit: BkgFit = "poly"
    bkg_order: int = 0
    smoothing_length: int = 0
    weights: Literal["noise", "equal"] = "noise"
    sigma: float = 5.0
    profile_order: int = 2


@dc.dataclass(frozen=True, slots=True)
class Scale:
    """From pixels to fluxes: unit and factor; flux of a surface brightness of 1, 0 for none."""

    unit: str
    factor: float
    per_pixel: float
    surface_unit: str
    note: str = ""


def scale_of(exposure: Exposure) -> Scale:
    """Scale of a calibrated exposure to Jy; other units stay as they are."""
    area, unit = exposure.pixel_area, exposure.unit
    jansky = {"MJy": 1e6, "Jy": 1.0, "mJy": 1e-3, "uJy": 1e-6}
    if unit == "MJy/sr":
        if area:
            return Scale("Jy", area * 1e6, area * 1e6, unit)
        note = "PIXAR_SR is missing: fluxes are sums of MJy/sr, not Jy"
        return Scale(unit, 1.0, 1.0, unit, note)
    if unit in jansky:
        return Scale("Jy", jansky[unit], area * 1e6, "MJy/sr" if area else "")
    return Scale(unit, 1.0, 1.0, unit)


def image_spectra(
    product: Rate | RateInts,
    layout: Layout,
    how: Method,
    along: Array | None = None,
    profile: Array | None = None,
    shifts: Array | None = None,
) -> SpectrumSet:
    """Spectra of all sources of an image, or of each integration.

    Parameters
    ----------
    along
        Wavelengths along the trace, [x], for a product that has no plane of them.
    profile
        Share of a column's light in each pixel, as the product is; by default it is measured.
    shifts
        Rows that apertures are moved by in each integration, [n]: background stays.

    Raises
    ------
    InputError
        If a place is off the frame, boxes overlap, or every pixel of them is flagged.
    """
    axis = product.exposure.dispaxis
    ny = along_x(product.data, axis).shape[-2]
    moves = np.zeros(1) if shifts is None else np.nan_to_num(shifts)
    paths = np.concatenate([layout.path + moves.min(), layout.path + moves.max()])
    first, end = rows_of((*layout.sources, *layout.background), paths, ny)
    shape = (end - first, len(layout.path))
    path = layout.path - first

    def cut(array: Array) -> Array:
        return along_x(array, axis)[..., first:end, :]

    frames, known = frames_of(product, cut)

    def moved(by: float) -> list[Array]:
        rows = path + by
        return [weights_of([s], shape, rows, layout.columns, "aperture") for s in layout.sources]

    apertures = moved(0.0)
    region = None
    if layout.background:
        partial = how.bkg_fit != "median"
        region = weights_of(layout.background, shape, path, layout.columns, "background", partial)
    profiles = np.empty(0)
    if how.optimal:
        if profile is None:
            profiles = _measured(frames, layout, path, apertures, region, how, known)
        else:
            signs = [s.sign for s in layout.sources]
            profiles = given_profiles(np.asarray(cut(profile), np.float64), apertures, signs)

    def extracted(some: Frames, weights: Sequence[Array], by: float) -> Spectra:
        if not how.optimal:
            return _boxes(some, layout, weights, region, how)
        shapes = shifted(profiles, by, weights) if by else profiles
        return _optimal(some, shapes, region, how, known)

    if shifts is None:
        found = extracted(frames, apertures, 0.0)
    else:
        found = followed(frames, moves, lambda one, by: extracted(one, moved(by), by))
    if not np.isfinite(found.flux).any():
        rows = ", ".join(s.words for s in layout.sources)
        raise InputError(
            f"aperture {rows} has no pixel that counts: all are flagged DO_NOT_USE or not finite: "
            "move it, or look at the flags"
        )
    if not known:
        found = dc.replace(
            found,
            variances=np.full_like(found.variances, np.nan),
            background_variances=np.full_like(found.background_variances, np.nan),
        )
    wavelength = np.full((len(layout.sources), shape[1]), np.nan)
    if product.wavelength is not None:
        plane = cut(product.wavelength)
        wavelength = np.stack([_mean(plane, weight) for weight in apertures])
    elif along is not None and len(along) == shape[1]:
        wavelength = np.stack([along] * len(layout.sources))
    limits = [
        _limits(source, layout.columns, axis, float(layout.path[len(layout.path) // 2]))
        for source in layout.sources
    ]
    made = spectrum_set(product, found, wavelength, np.ravel(limits), not how.optimal)
    return made if known else made.replace(notes=(*made.notes, "no variances: errors are unknown"))


def _boxes(
    frames: Frames,
    layout: Layout,
    apertures: Sequence[Array],
    region: Array | None,
    how: Method,
) -> Spectra:
    two = overlapping(layout.sources)
    if two is not None:
        raise InputError(
            f"apertures {two[0].words} and {two[1].words} overlap: a pixel would count twice: move "
            "one, or take extraction_type = optimal, which tells sources apart"
        )
    found = [
        box_spectra(frames, weight, region, how.bkg_fit, how.bkg_order, how.smoothing_length)
        for weight in apertures
    ]
    signs = np.array([s.sign for s in layout.sources], np.float64)[:, None]
    every = [
        np.concatenate([getattr(f, field.name) for f in found], axis=1)
        for field in dc.fields(Spectra)
    ]
    spectra = Spectra(*every)
    return dc.replace(spectra, flux=spectra.flux * signs, background=spectra.background * signs)


def _optimal(
    frames: Frames, profiles: Array, region: Array | None, how: Method, known: bool
) -> Spectra:
    if how.weights == "noise" and known:
        return horne_spectra(frames, profiles, region, how.bkg_order, how.sigma).spectra
    return optimal_spectra(frames, profiles, region, how.bkg_order)


def _measured(
    frames: Frames,
    layout: Layout,
    path: Array,
    apertures: Sequence[Array],
    region: Array | None,
    how: Method,
    known: bool,
) -> Array:
    """Profiles of the sources [source, y, x] in their mean light; negative where subtracted."""
    light = mean_light(frames)
    noise = None
    if known:
        poisson, read, _ = frames.variances(0)
        noise = poisson + read
    level = np.zeros(light.shape[1])
    if region is not None:
        counts = (region > 0) & np.isfinite(light)
        total = np.sum(light, axis=0, where=counts)
        np.divide(total, counts.sum(axis=0), out=level, where=counts.any(axis=0))
    profiles = []
    for source, weight in zip(layout.sources, apertures, strict=True):
        reach = max((source.high - source.low + 1) / 2, 1.0)
        lit = np.flatnonzero(weight.any(axis=1))
        rows = slice(lit[0], lit[-1] + 1)
        inside = weight[rows] > 0
        own = np.where(inside, source.sign * (light[rows] - level), np.nan)
        variance = None if noise is None else noise[rows]
        at = source.centre + path - rows.start
        shares = empirical_profile(own, at, reach, variance, how.profile_order)
        profile = np.zeros(light.shape)
        profile[rows] = np.where(inside, shares, 0) * source.sign
        profiles.append(profile)
    return np.stack(profiles)


def _mean(plane: Array, weight: Array) -> Array:
    """Mean of the wavelengths in an aperture, [x]; NaN where none is known."""
    counts = np.where(np.isfinite(plane) & (plane > 0), weight, 0)
    total = np.where(counts > 0, plane * counts, 0).sum(axis=0)
    size = counts.sum(axis=0)
    found: Array = np.divide(total, size, out=np.full(size.shape, np.nan), where=size > 0)
    return found


def _limits(
    source: Place, columns: tuple[int, int], axis: int, at: float
) -> tuple[float, float, float, float]:
    """First and last x, first and last y of an aperture at the middle column."""
    across = source.low + at, source.high + at
    first, last = float(columns[0]), float(columns[1])
    return (first, last, *across) if axis == 1 else (*across, first, last)


def spectrum_set(
    product: Product,
    found: Spectra,
    wavelength: Array,
    limits: Array,
    surface: bool,
) -> SpectrumSet:
    """Spectra as a product, in the unit of fluxes."""
    exposure = product.exposure
    scale = scale_of(exposure)
    factor = scale.factor
    sources = found.flux.shape[1]
    flux = found.flux * factor
    own = exposure.source_name or (str(exposure.source_id) if exposure.source_id else "")
    names = (own,) if sources == 1 else tuple(f"source {i + 1}" for i in range(sources))
    notes = [scale.note] if scale.note else []
    if not np.isfinite(wavelength).any():
        notes.append("no wavelength is known: the axis is one of pixels")
    return SpectrumSet(
        exposure=dc.replace(exposure, unit=scale.unit),
        box=Box(0, sources, 0, flux.shape[-1]),
        source=product.source,
        flux=flux,
        variances=np.moveaxis(found.variances, 2, 0) * factor**2,
        background=found.background * factor,
        background_variances=np.moveaxis(found.background_variances, 2, 0) * factor**2,
        npixels=np.asarray(found.npixels, np.float64),
        dq=np.where(np.isfinite(flux), 0, dq.DO_NOT_USE).astype(np.uint32),
        wavelength=wavelength,
        names=names,
        limits=tuple(float(v) for v in limits),
        per_pixel=scale.per_pixel if surface else 0.0,
        surface_unit=scale.surface_unit if surface else "",
        notes=tuple(notes),
    )
