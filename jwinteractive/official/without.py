"""What official steps do where a reference does not apply, as CRDS says of some modes (N/A).

A user may say so too. Found by reading ``process`` of each step of jwst 3.0; a test holds the
first table to the source of the installed package.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["GOES_ON", "SKIPS", "without"]

SKIPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "align_refs": ("psfmask",),
        "barshadow": ("barshadow",),
        "bkg_subtract": ("bkg",),
        "dark_current": ("dark",),
        "dq_init": ("mask",),
        "emicorr": ("emicorr",),
        "fringe": ("fringe",),
        "guider_cds": ("gain", "readnoise"),
        "ipc": ("ipc",),
        "linearity": ("linearity",),
        "msa_flagging": ("msaoper",),
        "pathloss": ("pathloss",),
        "photom": ("photom",),
        "picture_frame": ("pictureframe",),
        "refpix": ("refpix",),
        "reset": ("reset",),
        "residual_fringe": ("fringefreq", "regions"),
        "rscd": ("rscd",),
        "saturation": ("saturation",),
        "straylight": ("mrsxartcorr",),
        "superbias": ("superbias",),
        "wavecorr": ("wavecorr",),
    }
)
"""Types without which a step leaves the product as it is, and says that it was skipped."""

GOES_ON: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "clean_flicker_noise": ("flat",),
        "extract_1d": ("extract1d", "apcorr"),
        "photom": ("area",),
        "refpix": ("sirskernel",),
        "saturation": ("superbias",),
        "white_light": ("wavelengthrange",),
    }
)
"""Types without which it does the rest of its work."""


def without(alias: str, reftype: str) -> str:
    """What N/A in the place of a file would do, in words; "" if the step would fail."""
    if reftype in SKIPS.get(alias, ()):
        return "skips the step"
    if reftype in GOES_ON.get(alias, ()):
        return "lets it go on without"
    return ""
