"""What is known to go wrong with an exposure, and what the sources say to do about it."""

from jwinteractive.known.catalogue import (
    Condition,
    Known,
    Remedy,
    Source,
    applying,
    known_issues,
    load,
)
from jwinteractive.known.checks import CHECKS, Measured, measure
from jwinteractive.known.listed import Listed, listed
from jwinteractive.known.remedies import as_native, check_remedies, names_here, taken

__all__ = [
    "CHECKS",
    "Condition",
    "Known",
    "Listed",
    "Measured",
    "Remedy",
    "Source",
    "applying",
    "as_native",
    "check_remedies",
    "known_issues",
    "listed",
    "load",
    "measure",
    "names_here",
    "taken",
]
