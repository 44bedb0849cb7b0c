"""Bad pixels from statistics over many exposures of one detector."""

from jwinteractive.badpix.classes import (
    CLASSES,
    LEVELS,
    BadpixParams,
    classify,
    expected_false,
    level_of,
    mirrored,
)
from jwinteractive.badpix.evidence import Evidence, RampEvidence
from jwinteractive.badpix.gather import gather
from jwinteractive.badpix.selfcal import SelfcalParams, selfcal

__all__ = [
    "CLASSES",
    "LEVELS",
    "BadpixParams",
    "Evidence",
    "RampEvidence",
    "SelfcalParams",
    "classify",
    "expected_false",
    "gather",
    "level_of",
    "mirrored",
    "selfcal",
]
