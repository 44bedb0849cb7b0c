"""What the user says of sources and background, for the fit of 1/f noise.

The official ``user_mask`` takes the place of a mask that is made of the data; a scene is drawn on
top of it.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
from astropy.io import fits

from jwinteractive.data import Array, Exposure
from jwinteractive.errors import MissingReference
from jwinteractive.masks import BACKGROUND, Mask, Part
from jwinteractive.masks.exported import used_pixels
from jwinteractive.references.kinds import Reference, pixel_rows

__all__ = ["SceneRef", "UserMaskRef"]


@dc.dataclass(frozen=True, kw_only=True)
class SceneRef(Reference):
    """Layers of the user's mask for the scene: data uint8 [y, x].

    0 where they say nothing, else `masks.SOURCE` or `masks.BACKGROUND`.
    """

    reftype: ClassVar[str] = "scene"
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    searched: ClassVar[bool] = False
    from_mask: ClassVar[Part | None] = "scene"
    data: Array

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        MissingReference
            If there are others, or not just rows and columns.
        """
        _check_axes(self, (2,))
        if self.data.dtype != np.uint8 or self.data.max(initial=0) > BACKGROUND:
            if not np.isin(self.data, range(BACKGROUND + 1)).all():
                raise MissingReference(
                    "scene: has other values than 0 (nothing said), 1 (source) and 2 (background): "
                    "give these"
                )
            object.__setattr__(self, "data", self.data.astype(np.uint8))
        super().__post_init__()

    @classmethod
    def of_mask(cls, mask: Mask, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Take the mask's layers for the scene."""
        return cls(data=mask.cut_to(exposure, shape).scene(exposure.filename))


@dc.dataclass(frozen=True, kw_only=True)
class UserMaskRef(Reference):
    """Official mask of 1/f cleaning: data uint8 [y, x] or [integration, y, x].

    1 where a pixel is background and fitted, 0 where not. Files may hold any number but 0 for 1.
    """

    reftype: ClassVar[str] = "user_mask"
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    searched: ClassVar[bool] = False
    data: Array

    def __post_init__(self) -> None:
        """Let all numbers but 0 be 1, NaN too.

        Raises
        ------
        MissingReference
            If it has other axes.
        """
        _check_axes(self, (2, 3))
        if self.data.dtype != np.uint8 or self.data.max(initial=0) > 1:
            object.__setattr__(self, "data", (self.data != 0).astype(np.uint8))
        super().__post_init__()

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read the HDU named SCI, or else the first image of the file.

        Raises
        ------
        MissingReference
            If the file holds no image of two or three dimensions, or flags.
        """
        images = [h for h in hdus if h.is_image and len(h.shape) in (2, 3)]
        images.sort(key=lambda h: h.name != "SCI")  # stable: the first of the others stays first
        if not images:
            raise MissingReference(
                f"{hdus.filename()}: a user_mask needs an image [y, x] or [integration, y, x]: "
                "write 1 where pixels are background and 0 elsewhere"
            )
        if images[0].name == "DQ":  # what is flagged there would be taken for background
            raise MissingReference(
                f"{hdus.filename()}: holds flags, a user_mask is 1 where pixels are background: "
                "write the mask in the form user_mask"
            )
        whole = pixel_rows(np.asarray(images[0].data), exposure)
        return cls(data=whole[..., window[0], window[1]])

    @classmethod
    def of_mask(cls, mask: Mask, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Take a mask by layers as it is written in the official form."""
        used = used_pixels(mask.cut_to(exposure, shape), exposure=exposure.filename)
        return cls(data=used.astype(np.uint8))


def _check_axes(reference: SceneRef | UserMaskRef, axes: tuple[int, ...]) -> None:
    if reference.data.ndim not in axes:
        known = "[y, x]" if 3 not in axes else "[y, x] or [integration, y, x]"
        raise MissingReference(
            f"{reference.reftype}: is of shape {reference.data.shape}, must be {known}"
        )
