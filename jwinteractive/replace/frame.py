"""A spectral image with its errors and flags, and what becomes of it when pixels are replaced."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Final

import numpy as np

from jwinteractive import dq as flags
from jwinteractive.data import Array
from jwinteractive.errors import InputError

__all__ = [
    "ALONG_X",
    "ALONG_Y",
    "MODEL",
    "PROFILE",
    "VARIANCES",
    "Repaired",
    "SpectralFrame",
    "check_dispersion",
    "labels_of",
    "mark",
]

PROFILE: Final = 1
ALONG_X: Final = 2
ALONG_Y: Final = 3
MODEL: Final = 4
"""What a replaced pixel was replaced by."""

VARIANCES: Final = ("var_poisson", "var_rnoise", "var_flat")


@dataclass(frozen=True)
class SpectralFrame:
    """A two-dimensional spectrum, a slit or a detector, before its wavelengths are resampled.

    Attributes
    ----------
    data, err
        Any unit, [y, x].
    dq
        Flags, [y, x].
    var_poisson, var_rnoise, var_flat
        Square of the unit, [y, x]; not given where the product has none.

    Raises
    ------
    InputError
        If the planes are not images of one shape.
    """

    data: Array
    err: Array
    dq: Array
    var_poisson: Array | None = None
    var_rnoise: Array | None = None
    var_flat: Array | None = None

    def __post_init__(self) -> None:
        for name in ("data", "err", "dq", *VARIANCES):
            plane = getattr(self, name)
            if plane is not None and (plane.ndim != 2 or plane.shape != self.data.shape):
                raise InputError(
                    f"{name} of shape {plane.shape} beside data of shape {self.data.shape}: all "
                    "must be [y, x] of one spectrum: give one integration or slit at a time"
                )


@dataclass(frozen=True)
class Repaired:
    """A spectral image with values for bad pixels.

    Attributes
    ----------
    frame
        Replaced pixels are FLUX_ESTIMATED, and no longer DO_NOT_USE.
    replaced
        uint8 [y, x]: 0, `PROFILE`, `ALONG_X`, `ALONG_Y` or `MODEL`. An extraction that trusts no
        estimate leaves out what is not 0.
    """

    frame: SpectralFrame
    replaced: Array


def check_dispersion(dispersion_direction: int) -> None:
    """Refuse what is no axis.

    Raises
    ------
    InputError
        If the direction is neither 1, along x, nor 2, along y.
    """
    if dispersion_direction not in (1, 2):
        raise InputError(
            f"dispersion_direction = {dispersion_direction}: must be 1 (along x) or 2 (along y): "
            "take DISPAXIS from the header"
        )


def labels_of(regions: Array | None, shape: tuple[int, ...]) -> Array:
    """Number of the slice of each pixel, int32 [y, x]; 1 everywhere if no regions are given.

    Parameters
    ----------
    regions
        The pixels of one slit, bool [y, x], or the number of the slice that each pixel belongs
        to, 0 for none.

    Raises
    ------
    InputError
        If the regions are not those of an image of this shape.
    """
    if regions is None:
        return np.ones(shape, np.int32)
    if regions.shape != shape:
        raise InputError(
            f"regions of shape {regions.shape} for data of shape {shape}: must be [y, x] of the "
            "same image: cut both alike"
        )
    known = np.where(np.isfinite(regions), regions, 0)  # a map of slices may have NaN between them
    return np.ascontiguousarray(known, np.int32)


def mark(frame: SpectralFrame, replaced: Array, *, keep: int = 0, **planes: Array) -> Repaired:
    """The frame with new planes, and with the flags of the pixels that were replaced.

    ``keep`` are flags of pixels that stay DO_NOT_USE even with a value.
    """
    dq = frame.dq.copy()
    done = replaced != 0
    dq[done] |= flags.FLUX_ESTIMATED
    dq[done & (dq & keep == 0)] &= ~np.array(flags.DO_NOT_USE, dq.dtype)
    new = changed(frame, dq=dq, **planes)
    for plane in (*planes.values(), dq, replaced):
        plane.flags.writeable = False
    return Repaired(new, replaced)
