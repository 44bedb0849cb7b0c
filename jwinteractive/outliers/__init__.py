"""Outliers among exposures of one field: a median is measured over the set, each is compared."""

from jwinteractive.outliers.flags import Flags, at_sky, flags_of, halo
from jwinteractive.outliers.members import Member, Planes, member_of
from jwinteractive.outliers.settings import OutlierParams
from jwinteractive.outliers.stack import Stack, measure_stack

__all__ = [
    "Flags",
    "Member",
    "OutlierParams",
    "Planes",
    "Stack",
    "at_sky",
    "flags_of",
    "halo",
    "measure_stack",
    "member_of",
]
