"""The official 1/f correction `clean_flicker_noise`: measured over an exposure, taken off boxes.

Scene mask from a draft rate, background level of every image, and then the medians of lines
("median") or waves ("fft"). What it needs world coordinates and other steps for is not here: slits,
slices and traces come as a mask, and time series with a light curve of their own have the smoother.

Source: dossier section 4; official step `clean_flicker_noise`.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive import dq as flags
from jwinteractive.data import Array, Exposure
from jwinteractive.errors import StepError
from jwinteractive.flicker.background import level_of
from jwinteractive.flicker.clipping import SortedPixels, inside
from jwinteractive.flicker.official_fit import Official, fit_all
from jwinteractive.flicker.official_images import (
    Draft,
    Images,
    median_of_integrations,
    room_for,
    whole_images,
)
from jwinteractive.flicker.official_noise import OfficialNoise, less_official
from jwinteractive.masks import BACKGROUND, SOURCE
from jwinteractive.step import Whole

__all__ = [
    "Draft",
    "Official",
    "OfficialNoise",
    "filled_flat",
    "less_official",
    "measure_official",
    "refusal",
    "scene_mask",
]

_SLITS = slice(922, 1116)  # rows of the fixed slits
_SLICES = ("NRS_IFU", "NRS_MSASPEC")
_WAVES = (*_SLICES, "NRS_FIXEDSLIT", "NRS_BRIGHTOBJ")
_LIGHT_CURVE = ("NIS_SOSS", "NRS_BRIGHTOBJ", "NRC_TSGRISM", "NRC_TSIMAGE")


def refusal(exposure: Exposure, settings: Official) -> str:
    """Why the official correction does not run on an exposure; "" if it does."""
    kind = exposure.exp_type
    if kind.startswith("MIR") and kind != "MIR_IMAGE":
        return f"of MIRI's exposures only MIR_IMAGE is cleaned, not {kind}: leave the step out"
    if settings.fit_method == "fft" and kind not in _WAVES:
        return f"fit_method = 'fft' is for {', '.join(_WAVES)}, not for {kind}: take 'median'"
    if settings.background_method != "median_image":
        return ""
    if exposure.nints < 2:
        return (
            f"background_method = 'median_image' needs 2 integrations, the exposure has "
            f"{exposure.nints}: take 'median'"
        )
    if kind in _LIGHT_CURVE or (kind == "MIR_IMAGE" and exposure.tso):
        return (
            f"background_method = 'median_image' of {kind} needs a light curve of its spectra or "
            "apertures: take fit_method = 'smoother' with background_method = 'median_image'"
        )
    return ""


def measure_official(
    whole: Whole,
    settings: Official,
    flat: Array | None = None,
    user_mask: Array | None = None,
    draft: Draft | None = None,
    regions: Array | None = None,
    hand: Array | None = None,
) -> OfficialNoise:
    """Find the noise of the images of an exposure, of ramps or rates.

    Parameters
    ----------
    whole
        The exposure.
    settings
        See `Official`.
    flat
        Flat field [y, x] that images are divided by before the fit; gaps are filled.
    user_mask
        Background pixels, bool [y, x] or [integration, y, x], in place of those of the draft rate.
    draft
        Fit of ramps, from whose rate the scene mask is made.
    regions
        Pixels [y, x] that science falls on, bool: slits, slices, traces.
    hand
        What a user says of pixels, uint8 [y, x] or [integration, y, x]: `masks.SOURCE`,
        `masks.BACKGROUND` or 0; it goes before all else, but where there is no value.

    Raises
    ------
    StepError
        If the correction does not run on such an exposure, or a mask is not of its pixels.
    """
    s, exposure = settings, whole.exposure
    why = refusal(exposure, s)
    if why:
        raise StepError(f"clean_flicker_noise: {why}")
    if hand is not None and hand.all():  # nothing is left to be found out
        user_mask, hand = hand == BACKGROUND, None
    masks = {"flat": flat, "user_mask": user_mask, "regions": regions, "hand": hand}
    for name, given in masks.items():
        if given is not None and given.shape[-2:] != whole.box.shape:
            raise StepError(
                f"clean_flicker_noise: {name} is {given.shape}, the exposure {whole.box.shape}: "
                "give one of its pixels"
            )
    groups = s.background_method == "median_image"
    single = s.single_mask and not groups
    wanted = draft if user_mask is None or groups else None
    images = whole_images(whole, wanted, single, groups)
    if flat is not None:
        flat = filled_flat(flat)
        images = dc.replace(images, rates=images.rates / flat)
    scene = user_mask
    if scene is None:
        scene = scene_mask(images.rates, images.dq, s, exposure.exp_type, regions)
        if single and scene.ndim == 3:
            scene = np.asarray(scene.all(axis=0))
    if hand is not None:
        known = np.isfinite(images.rates) & (images.rates != 0)
        scene = np.asarray((scene | (known & (hand == BACKGROUND))) & (hand != SOURCE))
    nint = len(images.rates) if images.rates.ndim == 3 else exposure.nints
    if scene.ndim == 3 and len(scene) != nint:
        raise StepError(
            f"clean_flicker_noise: user_mask has {len(scene)} integrations, the exposure {nint}: "
            "give one plane for all, or one for each"
        )
    if groups:
        images = _less_median(images, nint, flat)
    found, words = fit_all(images.data, nint, scene, s, flat, exposure)
    box, (ny, nx) = whole.box, whole.box.shape
    return OfficialNoise(
        **found,
        scene=scene,
        flat=flat,
        groups=groups,
        y0=box.y0,
        x0=box.x0,
        ny=ny,
        nx=nx,
        warnings=words,
    )


def filled_flat(flat: Array) -> Array:
    """Flat field whose zeros and gaps are filled with the smooth model of the rest, float32."""
    flat = np.asarray(flat, np.float32)
    known = np.isfinite(flat) & (flat != 0)
    if known.all():
        return flat
    level = level_of(flat, known, SortedPixels.free(flat, known), "model").value
    return np.where(known, flat, level)


def scene_mask(
    rates: Array, dq: Array, settings: Official, exp_type: str, regions: Array | None = None
) -> Array:
    """Background pixels of rates, bool, of their shape [y, x] or [integration, y, x]."""
    free: Array = ~(np.isnan(rates) | (rates == 0))
    if settings.mask_science_regions:
        if exp_type.startswith("NRS"):
            free &= dq & np.uint32(flags.MSA_FAILED_OPEN) == 0
        if exp_type == "MIR_IMAGE":
            free &= dq & np.uint32(flags.DO_NOT_USE | flags.NON_SCIENCE) == 0
        if exp_type in _SLICES:
            free[..., _SLITS, :] = False
        if regions is not None:
            free &= ~regions
    if settings.n_sigma > 0:
        shape = (-1, *rates.shape[-2:])
        for rate, plane in zip(rates.reshape(shape), free.reshape(shape), strict=True):
            pixels = SortedPixels.free(rate, plane)
            limits = pixels.limits(upper=settings.n_sigma, fit_histogram=settings.fit_histogram)
            plane &= inside(rate, *limits)
    return free


def _less_median(images: Images, nint: int, flat: Array | None) -> Images:
    """Images less the median image of the integrations, scaled to the median of each rate."""
    if images.rates.ndim != 3:
        raise StepError(
            "clean_flicker_noise: background_method = 'median_image' needs the rates of "
            "integrations, but gets one rate: take 'median'"
        )
    flux = np.array([np.nanmedian(r) if np.isfinite(r).any() else np.nan for r in images.rates])
    flux = (flux / np.nanmedian(flux)).astype(np.float32) if np.isfinite(flux).any() else flux
    good = np.isfinite(flux)
    if not good.any():
        raise StepError(
            "clean_flicker_noise: no integration has a rate to scale the median image by: take "
            "background_method = 'median'"
        )
    flux[~good] = np.median(flux[good])
    medians = images.medians
    if medians is None:  # officially rates lose the median of what the flat has divided
        medians = median_of_integrations(images.rates)[None]
    data = images.data if images.medians is not None else room_for(images.data.shape)
    for k, image in enumerate(images.data):
        i, g = divmod(k, len(medians))
        np.subtract(image, flux[i] * medians[g], out=data[k])
    return dc.replace(images, data=data)
