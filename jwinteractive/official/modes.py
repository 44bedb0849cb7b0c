"""Types of exposures (EXP_TYPE) by what the official pipelines make of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "AS_INTEGRATIONS",
    "DARKS",
    "GUIDERS",
    "IFU",
    "IMAGES",
    "MASKED",
    "SERIES",
    "SPECTRA",
]

IMAGES: Final = (
    "FGS_IMAGE", "MIR_IMAGE", "NIS_AMI", "NIS_IMAGE", "NRC_IMAGE", "NRC_CORON", "NRC_TSIMAGE",
    "MIR_4QPM", "MIR_LYOT",
)  # fmt: skip
SPECTRA: Final[Mapping[str, str]] = MappingProxyType(
    {
        "MIR_LRS-FIXEDSLIT": "MIRI", "MIR_LRS-SLITLESS": "MIRI", "MIR_MRS": "MIRI",
        "MIR_WFSS": "MIRI", "NRS_FIXEDSLIT": "NIRSPEC", "NRS_MSASPEC": "NIRSPEC",
        "NRS_IFU": "NIRSPEC", "NRS_BRIGHTOBJ": "NIRSPEC", "NIS_SOSS": "NIRISS",
        "NIS_WFSS": "NIRISS", "NRC_WFSS": "NIRCAM", "NRC_TSGRISM": "NIRCAM",
    }
)  # fmt: skip
"""With their instruments."""
SERIES: Final = ("MIR_LRS-SLITLESS", "NRS_BRIGHTOBJ", "NIS_SOSS", "NRC_TSGRISM")
"""Spectra of time series."""
IFU: Final = ("MIR_MRS", "NRS_IFU")
DARKS: Final = (
    "FGS_DARK", "MIR_DARKALL", "MIR_DARKIMG", "MIR_DARKMRS", "NIS_DARK", "NRC_DARK", "NRS_DARK",
)  # fmt: skip
GUIDERS: Final = (
    "FGS_ACQ1", "FGS_ACQ2", "FGS_FINEGUIDE", "FGS_ID-IMAGE", "FGS_ID-STACK", "FGS_TRACK",
)  # fmt: skip
MASKED: Final = ("NRC_CORON", "MIR_4QPM", "MIR_LYOT")
"""Images of coronagraphs."""
AS_INTEGRATIONS: Final = (*SERIES, "NRC_TSIMAGE", *MASKED, "NIS_AMI")
"""Those whose integrations go on, not their mean."""
