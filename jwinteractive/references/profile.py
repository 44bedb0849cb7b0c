"""A spatial profile that somebody else measured, for optimal extraction."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from astropy.io import fits

from jwinteractive.data import Array, Exposure
from jwinteractive.errors import MissingReference
from jwinteractive.references.kinds import Reference

__all__ = ["ProfileRef", "profile_in"]

OWN = "PROFILE"  # HDU of rectified spectra that were combined elsewhere


@dc.dataclass(frozen=True, kw_only=True)
class ProfileRef(Reference):
    """Share of a column's light that each pixel has: data [y, x], axes as those of the product.

    An HDU named PROFILE is taken as it is: its columns may lack light. Columns of any other image,
    such as a model or a mean exposure, are brought to a sum of 1. What is not finite is 0.
    """

    reftype: ClassVar[str] = "profile"
    files: ClassVar[tuple[str, ...]] = ("*.fits", "*.fits.gz", "*.npy")
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    searched: ClassVar[bool] = False
    data: Array

    def __post_init__(self) -> None:
        """Let what is not finite be 0.

        Raises
        ------
        MissingReference
            If it is no image, or has no light.
        """
        if self.data.ndim != 2:
            raise MissingReference(f"profile: is of shape {self.data.shape}, must be [y, x]")
        if not np.isfinite(self.data).all():
            object.__setattr__(self, "data", np.nan_to_num(self.data, posinf=0, neginf=0))
        super().__post_init__()

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read the HDU named PROFILE, else SCI, else the first image of the file.

        Raises
        ------
        MissingReference
            If the file holds no image [y, x], or one without light.
        """
        found = profile_in(hdus)
        if found is None:
            raise MissingReference(
                f"{hdus.filename() or 'array'}: a profile needs an image [y, x] of the shape of "
                "the product, with light in it"
            )
        return cls(data=found[window])


def profile_in(hdus: fits.HDUList) -> Array | None:
    """Profile [y, x], float64, of an open file, or None."""
    images = [h for h in hdus if h.is_image and len(h.shape) == 2]
    images.sort(key=lambda h: (OWN, "SCI").index(h.name) if h.name in (OWN, "SCI") else 2)
    if not images:
        return None
    light = np.nan_to_num(np.asarray(images[0].data, np.float64), posinf=0, neginf=0)
    if images[0].name != OWN:
        total = light.sum(axis=0)
        light = np.divide(light, total, out=np.zeros(light.shape), where=total > 0)
    return light if light.any() else None
