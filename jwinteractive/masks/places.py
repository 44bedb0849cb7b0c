"""Which pixels of which detector an image or a list of pixels is of: its header, or what it is for.

An empty `Mask` says it: instrument, detector, size and corner of the window.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jwinteractive.data import Exposure
from jwinteractive.detectors import DETECTORS, SUBARRAYS, Detector, detector, science_name
from jwinteractive.errors import InputError
from jwinteractive.masks.mask import Mask

__all__ = ["Like", "cards_of", "checked", "empty_like", "place_of"]

Like = Mask | tuple[Exposure, tuple[int, int]] | None
"""What a file is read for: a mask, or an exposure with the size (ny, nx) of its frames."""

_DAY = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)
_NONE = ("ANY", "N/A", "GENERIC", "NONE", "MULTIPLE")


def empty_like(like: Like) -> Mask | None:
    """Mask without layers for the same pixels."""
    if like is None:
        return None
    if isinstance(like, Mask):
        return like.replace(layers=(), title="", comment="", date="")
    return Mask.of(*like)


def checked(mask: Mask, like: Like) -> Mask:
    """Return the mask, if it fits what it is read for.

    Raises
    ------
    InputError
        If it is of another detector, or does not cover the pixels.
    """
    wanted = empty_like(like)
    if wanted is None:
        return mask
    why = mask.misfit(*_exposure_of(wanted))
    if why:
        raise InputError(f"{why}: give a file of its detector and window")
    return mask


def _exposure_of(mask: Mask) -> tuple[Exposure, tuple[int, int]]:
    ystart, xstart = mask.corner
    exposure = Exposure(
        instrument=mask.instrument,
        detector=mask.detector,
        subarray=mask.subarray,
        xstart=xstart,
        ystart=ystart,
    )
    return exposure, mask.shape


def cards_of(mask: Mask) -> dict[str, Any]:
    """Keywords that say whose pixels a mask holds."""
    cards: dict[str, Any] = {
        "TELESCOP": "JWST",
        "INSTRUME": mask.instrument,
        "DETECTOR": mask.detector,
        "SUBARRAY": mask.subarray,
        "SUBSTRT1": mask.corner[1],
        "SUBSTRT2": mask.corner[0],
        "SUBSIZE1": mask.shape[1],
        "SUBSIZE2": mask.shape[0],
    }
    if mask.date:
        cards["DATE-OBS"] = mask.date
    known = DETECTORS.get(mask.detector)
    if known is not None:
        cards |= {"FASTAXIS": known.fastaxis, "SLOWAXIS": known.slowaxis}
    return cards


def place_of(cards: Mapping[str, Any], shape: tuple[int, int], like: Like) -> Mask:
    """Empty mask for an image of (ny, nx) pixels with some keywords.

    What these do not say is taken from ``like``.

    Raises
    ------
    InputError
        If the detector or the place on it is not to be known, or not that of ``like``.
    """
    wanted = empty_like(like)
    sizes = cards.get("SUBSIZE2") or shape[0], cards.get("SUBSIZE1") or shape[1]
    if sizes != shape:
        raise InputError(
            f"image is {shape[1]} x {shape[0]} pixels, its window {sizes[1]} x {sizes[0]} "
            "(SUBSIZE1, SUBSIZE2): give whole frames"
        )
    d = _detector(cards, wanted)
    subarray = _word(cards, "SUBARRAY")
    given = [cards.get(keyword) for keyword in ("SUBSTRT2", "SUBSTRT1")]
    if all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in given):
        corner = (int(given[0] or 1), int(given[1] or 1))
        subarray = subarray or ("FULL" if shape == d.shape else "")
    else:
        found = _window(d, subarray, shape, wanted)
        if found is None:
            raise InputError(
                f"image of {shape[1]} x {shape[0]} pixels of {d.name} does not say where these are "
                "(SUBSTRT1, SUBSTRT2): give the exposure or mask that it is for"
            )
        corner, subarray = found
    if corner[0] + shape[0] - 1 > d.shape[0] or corner[1] + shape[1] - 1 > d.shape[1]:
        raise InputError(
            f"image of {shape[1]} x {shape[0]} pixels from {corner[::-1]}: reaches beyond the "
            f"{d.shape[1]} x {d.shape[0]} of {d.name}: correct SUBSTRT1 and SUBSTRT2"
        )
    if not subarray and wanted is not None and (corner, shape) == (wanted.corner, wanted.shape):
        subarray = wanted.subarray
    place = Mask(
        instrument=d.instrument,
        detector=d.name,
        shape=shape,
        corner=corner,
        subarray=subarray or "GENERIC",
        date=_date(cards),
    )
    return checked(place, like)


def _date(cards: Mapping[str, Any]) -> str:
    """Day of the data, where the header says it as it should."""
    day = str(cards.get("DATE-OBS") or "")[:10]
    return day if _DAY.fullmatch(day) else ""


def _word(cards: Mapping[str, Any], keyword: str) -> str:
    word = str(cards.get(keyword) or "").strip().upper()
    return "" if word in _NONE else word


def _detector(cards: Mapping[str, Any], wanted: Mask | None) -> Detector:
    instrument, name = _word(cards, "INSTRUME"), science_name(_word(cards, "DETECTOR"))
    if not name:
        if wanted is None:
            raise InputError("names no DETECTOR: give the exposure or mask that it is for")
        if instrument and instrument != wanted.instrument:
            raise InputError(
                f"is of {instrument}, the exposure of {wanted.instrument} {wanted.detector}: give "
                "a file of its detector"
            )
        return detector(wanted.instrument, science_name(wanted.detector))
    if not instrument and name in DETECTORS:
        instrument = DETECTORS[name].instrument
    return detector(instrument, name)


def _window(
    d: Detector, subarray: str, shape: tuple[int, int], wanted: Mask | None
) -> tuple[tuple[int, int], str] | None:
    """Corner and name of a window of which the header gives no corner."""
    if shape == d.shape:
        return (1, 1), "FULL"
    if subarray in SUBARRAYS.get(d.name, {}):
        nx, ny, x, y, _ = SUBARRAYS[d.name][subarray]
        if (ny, nx) == shape:
            return (y, x), subarray
    if wanted is not None and wanted.shape == shape:
        return wanted.corner, wanted.subarray
    return None
