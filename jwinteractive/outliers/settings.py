"""Parameters of outlier detection in images and slits, by their official names where they have one.

Sources: the official `outlier_detection` step; dossier 6.1, 6.2, 6.4, 6.5.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from annotated_types import Interval

from jwinteractive import dq as flags
from jwinteractive.data import Exposure
from jwinteractive.errors import ParamError
from jwinteractive.params import Doc, Numbers, Params, Unit, When

__all__ = ["CORON", "OutlierParams", "bad_flags", "by_integrations", "pair"]

Sigma = Unit("sigma")
_OFFICIAL = When("method", "official")
_NOISE = When("method", "noise")
CORON: Final = ("NRC_CORON", "MIR_LYOT", "MIR_4QPM")
"""Types of exposures of coronagraphs."""


def by_integrations(exposure: Exposure) -> str:
    """Why an exposure is not compared with others: its integrations are, with each other; or ""."""
    if not exposure.tso and exposure.exp_type not in CORON:
        return ""
    return (
        "these exposures are compared by their integrations: let the step integrations run before "
        "this one, or open the rateints file"
    )


class OutlierParams(Params):
    """What is an outlier among exposures of one field, and how their median is made."""

    method: Annotated[
        Literal["noise", "official"],
        Doc(
            "By the noise of pixel, median and interpolation, which few exposures suffice for, or "
            "by the official gradients and errors."
        ),
    ] = "noise"
    snr: Annotated[
        str,
        Numbers(2),
        Interval(ge=0, le=1000),
        Sigma,
        Doc("Significance of an outlier, and of a neighbour of one, as 'S1 S2'."),
    ] = "5.0 4.0"
    scale: Annotated[
        str,
        Numbers(2),
        Interval(ge=0, le=1000),
        _OFFICIAL,
        Doc("Factors of the gradient beside them, as 'F1 F2'."),
    ] = "1.2 0.7"
    gradient: Annotated[
        float,
        Interval(ge=0, le=5),
        _NOISE,
        Doc("Part of the difference to the neighbours that counts as noise of interpolation."),
    ] = 0.3
    curvature: Annotated[
        float,
        Interval(ge=0, le=2),
        _NOISE,
        Doc(
            "Part of the difference to the mean of the four neighbours that interpolation may "
            "have taken off the median."
        ),
    ] = 1.0
    laplacian: Annotated[
        float,
        Interval(ge=0, le=1000),
        Sigma,
        _NOISE,
        Doc("Sharpness of a hit where only two exposures, or one, see the sky."),
    ] = 4.0
    contrast: Annotated[
        float,
        Interval(ge=0, le=100),
        _NOISE,
        Doc("How much sharper than its surroundings it must be there; stars are not."),
    ] = 3.0
    backg: Annotated[
        float, Doc("Background added to the median where the exposure tells none.")
    ] = 0.0
    sky: Annotated[
        Literal["match", "header"],
        Doc("Levels of the sky: matched where exposures overlap, or as the files tell them."),
    ] = "match"
    weight_type: Annotated[
        Literal["ivm", "exptime"], Doc("Weights by the variance of the read noise, or by time.")
    ] = "ivm"
    maskpt: Annotated[
        float,
        Interval(ge=0, le=1),
        Doc("Part of the mean weight below which an exposure is left out of the median."),
    ] = 0.7
    kernel: Annotated[
        Literal["square", "turbo", "point"], Doc("How a pixel is spread on the common grid.")
    ] = "square"
    pixfrac: Annotated[
        float, Interval(ge=0.01, le=1), Doc("Part of its width that a pixel keeps there.")
    ] = 1.0
    fillval: Annotated[str, Doc("Value of the common grid where there is no exposure.")] = "NAN"
    good_bits: Annotated[
        str, Doc("Flags that pixels of the median may have; ~ names those they may not.")
    ] = "~DO_NOT_USE"


def pair(name: str, text: str) -> tuple[float, float]:
    """Two numbers of a parameter that is written as 'A B'.

    Raises
    ------
    ParamError
        If there are not two.
    """
    try:
        first, second = (float(word) for word in text.split())
    except ValueError:
        raise ParamError(
            f"{name} = {text!r}: needs two numbers with a space between, such as '5.0 4.0'"
        ) from None
    return first, second


def bad_flags(good_bits: str) -> int:
    """Flags that shut a pixel out of the median, by the flags that are good.

    Names or numbers, with commas or plus signs between; ``~`` before them means those that are
    bad. Nothing, or "None", shuts none out; 0 shuts out whatever has a flag.

    Raises
    ------
    ParamError
        If a name is no flag.
    """
    text = good_bits.strip()
    if not text or text.lower() in ("none", "~0"):
        return 0
    bits = 0
    for word in text.lstrip("~").replace("(", "").replace(")", "").replace("+", ",").split(","):
        name = word.strip().upper()
        if name.isdigit():
            bits |= int(name)
        elif name in flags.BITS:
            bits |= flags.BITS[name]
        else:
            raise ParamError(
                f"good_bits = {good_bits!r}: {word.strip()!r} is no flag: write names such as "
                "~DO_NOT_USE or numbers, with commas between"
            )
    return bits if text.startswith("~") else 0xFFFFFFFF & ~bits
