"""Profiles that are not measured: that of the file itself, or of another image.

Source: dossier section 8 (2).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits

__all__ = ["given_profiles", "lit_rows", "own_profile"]

_DARK = 1e-6  # of the brightest pixel, below which rows do not widen an aperture


def own_profile(path: Path | None, shape: tuple[int, int]) -> Array:
    """Profile [y, x], float64, that a file holds beside its image, as it is.

    Raises
    ------
    InputError
        If it has none, or one of another shape.
    """
    if path is None:
        raise InputError("own_profile: the exposure has no file that could hold a profile")
    with opened_fits(path) as hdus:
        held = hdus["PROFILE"].data if "PROFILE" in hdus else None
    if held is None or held.shape != shape:
        has = "no HDU PROFILE" if held is None else f"a PROFILE of {held.shape}, its SCI is {shape}"
        raise InputError(
            f"{path.name}: has {has}: switch own_profile off, or name a file as profile"
        )
    return np.nan_to_num(np.asarray(held, np.float64), posinf=0, neginf=0)


def lit_rows(profile: Array) -> tuple[int, int]:
    """First and last row of a profile [row, x] that have light.

    Raises
    ------
    InputError
        If none has.
    """
    height = np.abs(profile).max(axis=1)
    rows = np.flatnonzero(height > _DARK * height.max())
    if not rows.size:
        raise InputError("profile has no light: all of it is 0: give another")
    return int(rows[0]), int(rows[-1])


def given_profiles(profile: Array, apertures: Sequence[Array], signs: Sequence[int]) -> Array:
    """Profiles [source, y, x] of sources, cut from a given one [y, x] by their apertures.

    One source keeps its shares of the light, also of what lies outside of its aperture. Of several
    each is brought to a sum of 1 in its own: whose light is whose the image does not tell.

    Raises
    ------
    InputError
        If an aperture has no light of the profile.
    """
    found = []
    for k, (weight, sign) in enumerate(zip(apertures, signs, strict=True)):
        part = np.where(weight > 0, profile, 0)
        if not part.any():
            raise InputError(
                f"profile has no light in aperture {k + 1}: all of it is 0 there: move the "
                "aperture, or give another profile"
            )
        if len(apertures) > 1:
            total = part.sum(axis=0)
            part = np.divide(part, total, out=np.zeros(part.shape), where=total > 0)
        found.append(part * sign)
    return np.stack(found)
