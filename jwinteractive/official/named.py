"""Files that official steps of slitless spectra want the header to name: no references.

The official pipeline writes these keywords from an association. Found by reading the steps of jwst
3.0: `bkg_subtract` stops without the name of a catalogue, even where a mask stands in for it, and
then does not read the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from jwinteractive.data import Exposure

__all__ = ["NAMED", "by_name_alone", "named"]

_WFSS: Final = ("MIR_WFSS", "NIS_WFSS", "NRC_WFSS")
NAMED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "bkg_subtract": ("SCATFILE",),
        "extract_2d": ("SCATFILE",),
        "wfss_contam": ("SCATFILE", "SEGMFILE", "DIRIMAGE"),
    }
)
"""Keywords by step: the catalogue of sources, its segments, the direct image."""


def named(alias: str, exposure: Exposure) -> tuple[str, ...]:
    """Keywords that have to name a file for a step to run on an exposure."""
    return NAMED.get(alias, ()) if exposure.exp_type in _WFSS else ()


def by_name_alone(alias: str, params: Any) -> bool:
    """Whether a step does not read the file that it wants named."""
    return alias == "bkg_subtract" and bool(params.wfss_mask)
