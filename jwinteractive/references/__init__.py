"""Reference files: what they hold and where they come from."""

from jwinteractive.references.kinds import (
    DarkRef,
    GainRef,
    LinearityRef,
    MaskRef,
    ReadnoiseRef,
    Reference,
    ResetRef,
    RscdRef,
    SaturationRef,
    SuperbiasRef,
)
from jwinteractive.references.sources import Found, References

__all__ = [
    "DarkRef",
    "Found",
    "GainRef",
    "LinearityRef",
    "MaskRef",
    "ReadnoiseRef",
    "Reference",
    "References",
    "ResetRef",
    "RscdRef",
    "SaturationRef",
    "SuperbiasRef",
]
