"""The noise of each image of an exposure as the official 1/f correction finds it.

Source: dossier section 4; official step `clean_flicker_noise`.
"""

from __future__ import annotations

import dataclasses as dc
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np

from jwinteractive.data import Array, Exposure
from jwinteractive.flicker.background import Background, level_of
from jwinteractive.flicker.clipping import SortedPixels, kept
from jwinteractive.flicker.fourier import fit_waves_official
from jwinteractive.flicker.lines import as_images, in_lines
from jwinteractive.flicker.median import medians_of_sorted
from jwinteractive.flicker.ticks import PASS_BAND, fit_ticks_official
from jwinteractive.kernels import flicker_clip as kernels
from jwinteractive.silence import silence

__all__ = ["Official", "fit_all"]

_FULL = 2048  # pixels a side of a whole frame
_CHANNELS = 4
_ALLSLITS = (150.0, 200.0, *PASS_BAND[2:])  # Hz
_THREADS = 2  # each holds an image, its sorted pixels and what a fit makes of them
_TOLD = 3  # images that are named in a warning


@dc.dataclass(frozen=True, kw_only=True)
class Official:
    """Settings by their official names."""

    fit_method: Literal["median", "fft"] = "median"
    fit_by_channel: bool = False
    background_method: Literal["median", "model", "median_image", "none"] = "median"
    background_box_size: tuple[int, int] | None = None
    mask_science_regions: bool = False
    n_sigma: float = 2.0
    fit_histogram: bool = False
    single_mask: bool = True


@dc.dataclass(frozen=True, eq=False)
class _Fit:
    """Noise of one image, its background, and the medians of boxes of that."""

    noise: Array
    background: float
    mesh: Array | None


def fit_all(
    data: Array, nint: int, scene: Array, s: Official, flat: Array | None, exposure: Exposure
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fields of the noise of images [image, y, x], and what to say of them.

    The images are written over.
    """
    axes = _axes(s, exposure)
    each = max(1, len(data) // nint)
    channels, words = _channels(s, exposure, data.shape[1:], axes)
    band = _ALLSLITS if exposure.subarray == "ALLSLITS" else PASS_BAND
    name = "levels"
    if s.fit_method == "fft":
        name = "waves" if data.shape[1:] == (_FULL, _FULL) else "noise"
    everywhere = np.ones(data.shape[1:], bool)

    def noise_of(left: Array) -> Array:
        lines = _contiguous(left, axes)
        if name == "levels":
            parts = lines.reshape(len(lines), channels, -1)
            parts.sort(axis=-1)
            return medians_of_sorted(lines, channels)
        free = np.isfinite(lines)
        if name == "waves":
            return np.asarray(fit_waves_official(lines[None], free, threads=1).coefficients[0])
        waves = fit_ticks_official(np.where(free, lines, 0)[None], free, band)[0]
        return np.asarray(as_images(waves.values(0, 0, len(free)), *axes), np.float32)

    def work(k: int) -> _Fit | None:
        image = data[k] if flat is None else data[k] / flat
        left, background, boxes = _background_off(
            image, scene if scene.ndim == 2 else scene[k // each], everywhere, s
        )
        if not np.isfinite(left).any():
            return None
        return _Fit(noise_of(left), background, boxes)

    # silence: the fit of a mesh changes and puts back the filters of warnings by itself
    with silence(), ThreadPoolExecutor(_THREADS, thread_name_prefix="images") as pool:
        fits = list(pool.map(work, range(len(data))))
    known = [f for f in fits if f is not None]
    if not known:
        name = "levels"
    empty = known[0].noise * 0 if known else np.zeros((len(in_lines(everywhere, *axes)), 1))
    noise = [empty if f is None else f.noise for f in fits]
    meshes = [f.mesh for f in known if f.mesh is not None]
    fields: dict[str, Any] = {
        **dict.fromkeys(("levels", "waves", "noise")),
        name: np.array(noise, np.float32).reshape(len(fits), *empty.shape),
        "background": np.array([0.0 if f is None else f.background for f in fits]),
        "meshes": np.array(meshes) if meshes and len(meshes) == len(fits) else None,
        "skipped": np.array([f is None for f in fits], bool),
        "fastaxis": axes[0],
        "slowaxis": axes[1],
    }
    return fields, (*words, *_unfit(fields["skipped"], each))


def _background_off(
    image: Array, free: Array, everywhere: Array, s: Official
) -> tuple[Array, float, Array | None]:
    """Background pixels of an image less their level, NaN elsewhere; the level and its mesh.

    They are put in place of the image.
    """
    pixels = SortedPixels.free(image, free)
    method: Background = "none" if s.background_method == "median_image" else s.background_method
    if method == "none":
        return kept(image, free, out=image), 0.0, None
    found = level_of(image, free, pixels, method, s.background_box_size)
    if isinstance(found.value, np.ndarray):
        left = kept(image, free, *found.limits, out=image)
        left -= found.value
        if s.n_sigma > 0:
            limits = SortedPixels.free(left, everywhere).limits(
                s.n_sigma, s.n_sigma, lower_half=True
            )
            kept(left, everywhere, *limits, out=left)
        return left, float(np.median(found.value)), found.mesh
    limits = found.limits
    if s.n_sigma > 0:
        # values less a number are in the same order: what is clipped is a range of the sorted ones
        some = pixels.part(*limits)
        off = SortedPixels.of(some - found.value)
        start, end = off.span(*off.limits(s.n_sigma, s.n_sigma, lower_half=True))
        limits = (float(some[start]), float(some[end - 1])) if start < end else (np.inf, -np.inf)
    return kept(image, free, *limits, found.value, out=image), float(found.value), None


def _contiguous(image: Array, axes: tuple[int, int]) -> Array:
    """Lines [line, pixel] of an image that is not needed any more."""
    if abs(axes[0]) == 1:
        return np.ascontiguousarray(in_lines(image, *axes))
    turned: Array = np.empty(image.shape[::-1], image.dtype)
    kernels.turned(image, turned)
    # columns are rows now: the axes have changed their names
    return np.ascontiguousarray(in_lines(turned, *(np.sign(a) * (3 - abs(a)) for a in axes)))


def _axes(s: Official, exposure: Exposure) -> tuple[int, int]:
    """Axes of the lines; see `jwinteractive.flicker.lines.in_lines`."""
    if exposure.exp_type.startswith("MIR"):
        return 2, 1
    if s.fit_method == "fft":
        return 2, 1 if exposure.detector == "NRS1" else -1
    return abs(exposure.fastaxis), abs(exposure.slowaxis)


def _channels(
    s: Official, exposure: Exposure, shape: tuple[int, ...], axes: tuple[int, int]
) -> tuple[int, list[str]]:
    """Channels of a line, and what to say if they are fewer than asked for."""
    if not s.fit_by_channel or s.fit_method == "fft":
        return 1, []
    if exposure.subarray != "FULL" or exposure.exp_type.startswith("MIR"):
        return 1, ["fit_by_channel is for whole near-infrared frames: lines are fitted whole"]
    return _CHANNELS if shape[2 - abs(axes[0])] == _FULL else 1, []


def _unfit(skipped: Array, each: int) -> list[str]:
    """What to say of images that are left as they are."""
    which = np.flatnonzero(skipped)
    if not len(which):
        return []
    some = ", ".join(f"{k + 1}" for k in which[:_TOLD])
    more = ", ..." if len(which) > _TOLD else ""
    return [
        f"{len(which)} of {len(skipped)} images have no background pixel and stay as they are "
        f"(images {some}{more}; {each} an integration)"
    ]
