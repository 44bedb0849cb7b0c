"""Reference files: what they hold and where they come from.

Why a package: docs/decisions/0004-references-are-a-package.md.
"""

from jwinteractive.references.kinds import (
    DarkRef,
    EmicorrRef,
    FlatRef,
    GainRef,
    IpcRef,
    Irs2Ref,
    LinearityRef,
    MaskRef,
    PersistenceRef,
    PictureFrameRef,
    ReadnoiseRef,
    Reference,
    ResetRef,
    RscdRef,
    SaturationRef,
    SirsKernelRef,
    SuperbiasRef,
)
from jwinteractive.references.profile import ProfileRef
from jwinteractive.references.scene import SceneRef, UserMaskRef
from jwinteractive.references.sources import Found, References

__all__ = [
    "DarkRef",
    "EmicorrRef",
    "FlatRef",
    "Found",
    "GainRef",
    "IpcRef",
    "Irs2Ref",
    "LinearityRef",
    "MaskRef",
    "PersistenceRef",
    "PictureFrameRef",
    "ProfileRef",
    "ReadnoiseRef",
    "Reference",
    "References",
    "ResetRef",
    "RscdRef",
    "SaturationRef",
    "SceneRef",
    "SirsKernelRef",
    "SuperbiasRef",
    "UserMaskRef",
]
