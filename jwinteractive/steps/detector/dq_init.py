"""Start the data quality from the bad-pixel mask and one of the user's own.

Source: official step `dq_init`, which does not flag samples that are NaN: no integer is.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import numpy as np
from astropy.io import fits
from numba import njit

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.errors import MissingReference
from jwinteractive.masks import Part
from jwinteractive.params import Doc, Params
from jwinteractive.references import MaskRef, Reference
from jwinteractive.references.kinds import pixel_rows
from jwinteractive.step import step
from jwinteractive.views import Frame, Shown, Table, View

__all__ = ["DqInitParams", "UserDqRef", "dq_init"]


_NONE = np.uint8(0)
_DO_NOT_USE = np.uint8(dq.DO_NOT_USE)


class DqInitParams(Params):
    """Parameters of `dq_init`."""

    user_supplied_dq: Annotated[
        str,
        Doc("File of flags to OR into the mask: a FITS image of DQ values, or a mask as text."),
    ] = ""


@dc.dataclass(frozen=True, kw_only=True)
class UserDqRef(Reference):
    """Bad pixels by the user: dq [y, x], in the standard bits whatever its integer type."""

    reftype: ClassVar[str] = "user_supplied_dq"
    hdus: ClassVar[Mapping[str, str]] = {"dq": "DQ"}
    required: ClassVar[tuple[str, ...]] = ("dq",)
    searched: ClassVar[bool] = False
    from_mask: ClassVar[Part | None] = "pixels"
    dq: Array

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read the HDU named DQ, or else the first image of the file, with no regard to DQ_DEF.

        Raises
        ------
        MissingReference
            If the file holds no image of two dimensions.
        """
        images = [h for h in hdus if h.is_image and len(h.shape) == 2]
        images.sort(key=lambda h: h.name != "DQ")  # stable: the first of the others stays first
        if not images:
            raise MissingReference(
                f"{hdus.filename()}: a user_supplied_dq needs an image [y, x]; write the flags "
                "as one"
            )
        whole = pixel_rows(np.asarray(images[0].data), exposure)
        return cls(dq=whole[window].astype(np.uint32))


@njit(cache=True, nogil=True)
def _mark(row: Array, flags: Array, unusable: Array, out: Array) -> None:
    for x in range(len(row)):
        unknown = _DO_NOT_USE if row[x] != row[x] else _NONE
        out[x] = flags[x] | unusable[x] | unknown


@njit(cache=True, nogil=True)
def _flag(data: Array, groupdq: Array, unusable: Array, out: Array) -> None:
    """Flags of each sample: its own, those of its pixel, and DO_NOT_USE where it is NaN."""
    nint, ngroup, ny, _ = data.shape
    for i in range(nint):
        for g in range(ngroup):
            for y in range(ny):
                _mark(data[i, g, y], groupdq[i, g, y], unusable[y], out[i, g, y])


def _flags(s: Shown) -> Array:
    assert isinstance(s.after, Ramp)
    return np.asarray(s.after.pixeldq, np.uint32)


def _by_flag(s: Shown) -> Table:
    """How many pixels carry each flag."""
    flags = _flags(s)
    rows: list[tuple[str, int, float]] = []
    for name, bit in dq.BITS.items():
        count = int(np.count_nonzero(flags & np.uint32(bit)))
        if count:
            rows.append((name, count, round(100 * count / flags.size, 3)))
    columns = ("flag", "pixels", "per cent")
    return Table(title="pixels by flag, in view", columns=columns, rows=tuple(rows))


def _classes(s: Shown) -> Frame:
    """Sort pixels into four classes; of several, the highest."""
    flags = _flags(s)
    classes = (flags != 0).astype(np.float32)
    classes[flags & np.uint32(dq.DO_NOT_USE) != 0] = 2
    classes[flags & np.uint32(dq.REFERENCE_PIXEL) != 0] = 3
    title = "0 good, 1 flagged, 2 not to be used, 3 reference pixel"
    return Frame(title=title, data=classes, unit="", dq=flags, **s.place)


_VIEWS = (
    View(title="pixels by flag", draw=_by_flag),
    View(title="class of each pixel", draw=_classes),
)


@step(halo=0, version=2, views=_VIEWS)
def dq_init(ramp: Ramp, p: DqInitParams, mask: MaskRef, user_dq: UserDqRef | None) -> Ramp:
    """Set the flags of the mask: pixeldq [ny, nx]; its DO_NOT_USE in every group too.

    Samples that are NaN, as a file of floats may hold, get DO_NOT_USE as well.

    Raises
    ------
    MissingReference
        If ``user_supplied_dq`` names a file, but its flags did not come along.
    """
    flags = mask.dq.astype(np.uint32, copy=False)
    if user_dq is not None:
        flags = flags | user_dq.dq.astype(np.uint32, copy=False)
    elif p.user_supplied_dq:
        raise MissingReference(
            f"dq_init.user_supplied_dq = {p.user_supplied_dq!r}: the step got no such flags; pass "
            "them as the reference user_dq"
        )
    unusable = flags.astype(np.uint8) & _DO_NOT_USE
    groupdq = np.empty(ramp.groupdq.shape, np.uint8)
    _flag(ramp.data, ramp.groupdq, unusable, groupdq)
    frames = ramp.interleaved
    if frames is not None and mask.bad:
        frames = dc.replace(frames, bad=mask.bad)
    return ramp.replace(pixeldq=ramp.pixeldq | flags, groupdq=groupdq, interleaved=frames)
