"""Optimal extraction: profiles of sources and a background fitted to each column together.

At parity with the official step, whose weights are all 1, but for columns whose equations cannot be
solved: their flux is NaN here, 0 there. `jwinteractive.extract.horne` has the weights of Horne.

Source: Horne 1986, PASP 98, 609; dossier section 8 (2).
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.extract.frames import Frames, contiguous, in_threads
from jwinteractive.extract.spectra import Spectra, empty_spectra, without_errors
from jwinteractive.kernels.extract_optimal import fit_columns

__all__ = ["Fit", "Scene", "optimal_spectra", "scene_of"]

_HIGHEST = 8  # order, above which the fit has no digits left


@dc.dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """What is fitted to each column of some images; see `scene_of`.

    Parameters
    ----------
    profiles
        [source, y, x], float64, read-only.
    within
        Pixels that are fitted, bool [y, x].
    order
        Of the background; -1 for none.
    """

    profiles: Array
    within: Array
    order: int

    def fit(
        self, image: Array, variances: tuple[Array, Array, Array], weights: Array, order: int = -2
    ) -> Fit:
        """Fit to an image [y, x] with weights [y, x]; of another order if one is given."""
        order = self.order if order == -2 else order
        found = empty_spectra(1, len(self.profiles), image.shape[1])
        coefficients = np.empty((order + 1 + len(self.profiles), image.shape[1]))
        fit_columns(
            image,
            variances,
            contiguous(weights, np.float64),
            self.profiles,
            self.within,
            contiguous(self.within.any(axis=1), np.bool_),
            order,
            coefficients,
            found.npixels[0],
            found.variances[0],
            found.background[0],
            found.background_variances[0],
        )
        found.flux[0] = coefficients[order + 1 :]
        # the official closeness to none
        found.flux[0][np.abs(found.npixels[0]) <= 1e-8] = np.nan
        return Fit(coefficients, found)


@dc.dataclass(frozen=True, eq=False, slots=True)
class Fit:
    """Coefficients [term, x] of the fit to one image, and its spectra."""

    coefficients: Array
    spectra: Spectra


def scene_of(
    frames: Frames, profiles: Array, region: Array | None = None, bkg_order: int = 0
) -> Scene:
    """Scene of one profile [y, x] or of several [source, y, x]; see `optimal_spectra`.

    Raises
    ------
    InputError
        If shapes do not agree, a profile is empty or not finite, or the order is out of range.
    """
    cube = contiguous(profiles[None] if profiles.ndim == 2 else profiles, np.float64)
    if cube.ndim != 3 or not len(cube):
        raise InputError(f"profiles {profiles.shape}: must be [y, x] or [source, y, x]")
    for s, profile in enumerate(cube):
        frames.check(f"profile {s}", profile)
        if not np.isfinite(profile).all():
            raise InputError(f"profile {s} is not finite: set it to 0 where it is not known")
        if not profile.any():
            raise InputError(f"profile {s} has no pixel: all of it is 0: move it onto the image")
    if not 0 <= bkg_order <= _HIGHEST:
        raise InputError(f"bkg_order = {bkg_order}: must be 0 to {_HIGHEST}")
    within = (cube != 0).any(axis=0)
    if region is not None:
        frames.check("region", region)
        within |= np.asarray(region) != 0
    return Scene(cube, contiguous(within, np.bool_), -1 if region is None else bkg_order)


def optimal_spectra(
    frames: Frames,
    profiles: Array,
    region: Array | None = None,
    bkg_order: int = 0,
    weights: Array | None = None,
    threads: int = 0,
) -> Spectra:
    """Spectra of all sources, [n, source, x], in the unit of the pixels times that of 1 / profile.

    Parameters
    ----------
    frames
        Images, dispersed along x.
    profiles
        [y, x] or [source, y, x]. Of a sum of 1 in each column, they give fluxes; negative ones
        are those of nods that were subtracted.
    region
        Pixels of the background [y, x]: all that are not 0. None for no background; else a
        polynomial is fitted along each column, together with the sources.
    bkg_order
        Of the polynomial: 0 is one level.
    weights
        Inverse variances [y, x] or [n, y, x]; by default all pixels with known variances count
        the same, as the official step has it. Those of noisy data lower the flux. A pixel of
        unknown variance never counts.
    threads
        By default one a core; results do not depend on it.

    Raises
    ------
    InputError
        If shapes do not agree, a profile is empty or not finite, a weight is negative, or the
        order is out of range.
    """
    scene = scene_of(frames, profiles, region, bkg_order)
    if weights is not None:
        frames.check("weights", weights if weights.ndim == 2 else weights[0])
        if weights.ndim == 3 and len(weights) != len(frames):
            raise InputError(f"weights of {len(weights)} images: must be one, or {len(frames)}")
        if np.any(weights < 0):
            raise InputError("weights have negative values: must be inverse variances, 0 for none")
    found = empty_spectra(len(frames), len(scene.profiles), frames.shape[1])

    alike = np.ones(frames.shape) if weights is None else weights
    alike = np.where(np.isfinite(alike), alike, 0)

    def work(i: int) -> None:
        given = alike if alike.ndim == 2 else alike[i]
        fit = scene.fit(frames.image(i), frames.variances(i), given)
        for field in dc.fields(found):
            getattr(found, field.name)[i] = getattr(fit.spectra, field.name)[0]

    in_threads(len(frames), work, threads)
    return found if frames.sure else without_errors(found)
