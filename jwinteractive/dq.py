"""The JWST data-quality bits by name (GROUPDQ uint8, PIXELDQ and DQ uint32)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from jwinteractive.errors import InputError

__all__ = ["BITS", "combine", "names"]

DO_NOT_USE: Final = 1 << 0
SATURATED: Final = 1 << 1
JUMP_DET: Final = 1 << 2
DROPOUT: Final = 1 << 3
OUTLIER: Final = 1 << 4
PERSISTENCE: Final = 1 << 5
AD_FLOOR: Final = 1 << 6
CHARGELOSS: Final = 1 << 7
RESERVED: Final = 1 << 8
NON_SCIENCE: Final = 1 << 9
DEAD: Final = 1 << 10
HOT: Final = 1 << 11
WARM: Final = 1 << 12
LOW_QE: Final = 1 << 13
RC: Final = 1 << 14
TELEGRAPH: Final = 1 << 15
NONLINEAR: Final = 1 << 16
BAD_REF_PIXEL: Final = 1 << 17
NO_FLAT_FIELD: Final = 1 << 18
NO_GAIN_VALUE: Final = 1 << 19
NO_LIN_CORR: Final = 1 << 20
NO_SAT_CHECK: Final = 1 << 21
UNRELIABLE_BIAS: Final = 1 << 22
UNRELIABLE_DARK: Final = 1 << 23
UNRELIABLE_SLOPE: Final = 1 << 24
UNRELIABLE_FLAT: Final = 1 << 25
OPEN: Final = 1 << 26
ADJ_OPEN: Final = 1 << 27
FLUX_ESTIMATED: Final = 1 << 28
MSA_FAILED_OPEN: Final = 1 << 29
OTHER_BAD_PIXEL: Final = 1 << 30
REFERENCE_PIXEL: Final = 1 << 31

# the constants above are the one list; kernels need them as plain integers
BITS: Final = MappingProxyType({k: v for k, v in globals().items() if k.isupper()})
"""Value of each flag by its official name, lowest bit first."""


def names(value: int) -> tuple[str, ...]:
    """Names of the flags set in ``value``, lowest bit first."""
    return tuple(name for name, bit in BITS.items() if int(value) & bit)


def combine(*flags: str) -> int:
    """Value with every named flag set.

    Raises
    ------
    InputError
        For a name that is no JWST flag.
    """
    value = 0
    for name in flags:
        if name not in BITS:
            raise InputError(f"no data-quality flag {name!r}: the flags are {', '.join(BITS)}")
        value |= BITS[name]
    return value
