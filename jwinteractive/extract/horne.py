"""Optimal extraction as Horne has it: weights of a model of the noise, outliers dropped.

The variance of Poisson noise is itself an image of the sources: a level and the same profiles,
fitted with equal weights. Weights from it do not follow the noise of single pixels, which would
lower the flux. It needs neither gain nor exposure time, and holds for nods that were subtracted.

Source: Horne 1986, PASP 98, 609; dossier section 8 (2).
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import Frames, contiguous, in_threads
from jwinteractive.extract.optimal import Scene, scene_of
from jwinteractive.extract.spectra import Spectra, empty_spectra
from jwinteractive.kernels.extract_reject import drop_outliers, model_noise

__all__ = ["Extraction", "horne_spectra"]

_PASSES = 2  # rejections: the second with noise that the first found no outlier in
_FLOOR = 1e-4  # of the mean variance: where none is known, pixels do not weigh without end


@dc.dataclass(frozen=True, eq=False, slots=True)
class Extraction:
    """Spectra, and the pixels that were dropped for them, bool [n, y, x]."""

    spectra: Spectra
    dropped: Array


def horne_spectra(
    frames: Frames,
    profiles: Array,
    region: Array | None = None,
    bkg_order: int = 0,
    sigma: float = 5.0,
    rounds: int = 5,
    profile_error: float = 0.02,
    threads: int = 0,
) -> Extraction:
    """Spectra of all sources by inverse variances of a model, without outliers.

    Parameters
    ----------
    frames
        Images, dispersed along x, with variances of Poisson and read noise.
    profiles, region, bkg_order
        As `jwinteractive.extract.optimal.optimal_spectra` has them.
    sigma
        Standard deviations from which on a pixel is dropped; 0 keeps all.
    rounds
        Most pixels that are dropped of a column in each of two passes.
    profile_error
        How wrong profiles may be, as a share of themselves: without it the cores of bright
        sources would be dropped. A hit that is fainter stays.
    threads
        By default one a core; results do not depend on it.

    Raises
    ------
    InputError
        If shapes do not agree, no variance is given, or a parameter is out of its range.
    """
    scene = scene_of(frames, profiles, region, bkg_order)
    if frames.var_poisson is None and frames.var_rnoise is None:
        raise InputError("frames have no variances: Horne's weights need var_poisson or var_rnoise")
    for name, value in (("sigma", sigma), ("rounds", rounds), ("profile_error", profile_error)):
        if not value >= 0:
            raise InputError(f"{name} = {value}: must not be below 0")
    found = empty_spectra(len(frames), len(scene.profiles), frames.shape[1])
    dropped = np.zeros((len(frames), *frames.shape), np.bool_)

    def work(i: int) -> None:
        image, variances = frames.image(i), frames.variances(i)
        keep = np.isfinite(variances[0] + variances[1] + variances[2])
        sure = keep.copy()
        noise, floor = _noise(scene, variances, keep)
        columns = np.arange(frames.shape[1])
        for _ in range(_PASSES if sigma > 0 else 0):
            part = Scene(_cut(scene.profiles, columns), _cut(scene.within, columns), scene.order)
            kept = np.array(keep[:, columns], order="C")
            before = kept.sum(axis=0)
            gone = drop_outliers(
                _cut(image, columns),
                _cut(noise, columns),
                _cut(variances[2], columns),
                part.profiles,
                part.within,
                part.order,
                float(sigma),
                rounds,
                float(profile_error),
                kept,
            )
            if not gone:
                break
            keep[:, columns] = kept
            # nothing changes for the others
            columns = columns[kept.sum(axis=0) < before]
            noise = _renewed(noise, scene, variances, keep, columns, floor)
        fit = scene.fit(image, variances, np.where(keep, 1 / noise, 0))
        for field in dc.fields(found):
            getattr(found, field.name)[i] = getattr(fit.spectra, field.name)[0]
        dropped[i] = sure & ~keep

    in_threads(len(frames), work, threads)
    return Extraction(found, dropped)


def _cut(planes: Array, columns: Array) -> Array:
    """Some columns of planes [..., y, x], read-only; a copy but where it is all of them."""
    if len(columns) == planes.shape[-1]:
        return planes
    return contiguous(planes[..., columns], planes.dtype.type)


def _renewed(
    noise: Array,
    scene: Scene,
    variances: tuple[Array, Array, Array],
    keep: Array,
    columns: Array,
    floor: float,
) -> Array:
    """Noise [y, x], fitted again in some columns."""
    part = Scene(_cut(scene.profiles, columns), _cut(scene.within, columns), scene.order)
    poisson, read, flat = (_cut(variance, columns) for variance in variances)
    found = np.array(noise)
    found[:, columns], _ = _noise(part, (poisson, read, flat), keep[:, columns], floor)
    return contiguous(found, np.float64)


def _noise(
    scene: Scene, variances: tuple[Array, Array, Array], keep: Array, floor: float = 0.0
) -> tuple[Array, float]:
    """Variance of read noise and of the photons that the scene has, float64 [y, x]; its floor."""
    poisson, read, _ = variances
    fit = scene.fit(poisson, variances, keep, max(scene.order, 0))
    noise = np.empty(poisson.shape)
    floor = model_noise(
        fit.coefficients,
        scene.profiles,
        scene.within,
        poisson,
        read,
        contiguous(keep, np.bool_),
        _FLOOR,
        floor,
        noise,
    )
    return contiguous(noise, np.float64), floor
