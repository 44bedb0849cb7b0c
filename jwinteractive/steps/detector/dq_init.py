"""Start the data quality from the bad-pixel mask and one of the user's own.

Source: official step `dq_init`.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import numpy as np
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.errors import MissingReference
from jwinteractive.params import Doc, Params
from jwinteractive.references import MaskRef, Reference
from jwinteractive.step import step

__all__ = ["DqInitParams", "UserDqRef", "dq_init"]


class DqInitParams(Params):
    """Parameters of `dq_init`."""

    user_supplied_dq: Annotated[
        str, Doc("FITS file whose DQ image of the exposure's shape is OR-ed into the mask.")
    ] = ""


@dc.dataclass(frozen=True, kw_only=True)
class UserDqRef(Reference):
    """Bad pixels by the user: dq [y, x], in the standard bits whatever its integer type."""

    reftype: ClassVar[str] = "user_supplied_dq"
    hdus: ClassVar[Mapping[str, str]] = {"dq": "DQ"}
    required: ClassVar[tuple[str, ...]] = ("dq",)
    searched: ClassVar[bool] = False
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
        return cls(dq=np.asarray(images[0].data)[window].astype(np.uint32))


@step(halo=0)
def dq_init(ramp: Ramp, p: DqInitParams, mask: MaskRef, user_dq: UserDqRef | None) -> Ramp:
    """Set the flags of the mask: pixeldq [ny, nx]; its DO_NOT_USE in every group too.

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
    unusable = (flags & np.uint32(dq.DO_NOT_USE)).astype(np.uint8)
    return ramp.replace(pixeldq=ramp.pixeldq | flags, groupdq=ramp.groupdq | unusable)
