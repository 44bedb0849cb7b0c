"""Files that hold several slits, and how each of them is a spectral image of its own.

Also the rectified images of the community's ``spec.fits`` files, whose one image has its inverse
variances beside it and its wavelengths in the header or in the spectrum.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from jwinteractive.data import Array
from jwinteractive.errors import InputError, suggestion

__all__ = [
    "SLIT_MODELS",
    "Slit",
    "chosen",
    "is_rectified_stack",
    "slit_cards",
    "slits_of",
    "stack_cards",
    "stack_wavelengths",
]

SLIT_MODELS = frozenset({"SlitModel", "MultiSlitModel", "MultiExposureModel"})
"""Official models of files whose images are slits, rectified or not."""

_MICRONS = {"um": 1.0, "micron": 1.0, "angstrom": 1e-4, "nm": 1e-3, "m": 1e6}


@dc.dataclass(frozen=True)
class Slit:
    """One slit of a file: its name, what makes its SCI unique, and its HDUs with the primary."""

    name: str
    version: int
    hdus: fits.HDUList


def slits_of(hdus: fits.HDUList) -> tuple[Slit, ...]:
    """Slits of a file, in its order; their images share a version number (EXTVER).

    Names that several slits share, as orders do, are told apart by it.
    """
    versions: dict[int, list[Any]] = {}
    for hdu in hdus[1:]:
        if isinstance(hdu, fits.ImageHDU | fits.CompImageHDU):
            versions.setdefault(int(hdu.ver), []).append(hdu)
    names = [str(h.header.get("SLTNAME", "")).strip() for h in hdus if h.name == "SCI"]
    found = []
    for version, own in versions.items():
        science = next((h for h in own if h.name == "SCI"), None)
        if science is None:
            continue
        name = str(science.header.get("SLTNAME", "")).strip()
        if not name or names.count(name) > 1:
            name = f"{name}-{version}" if name else str(version)
        found.append(Slit(name, version, fits.HDUList([hdus[0], *own])))
    return tuple(found)


def chosen(slits: Sequence[Slit], names: Sequence[str | int]) -> tuple[Slit, ...]:
    """Slits of some names, or all of them.

    Raises
    ------
    InputError
        If there is no slit of a name.
    """
    if not names:
        return tuple(slits)
    known = {s.name: s for s in slits}
    for name in names:
        if str(name) not in known:
            raise InputError(f"no slit {str(name)!r}: {suggestion(str(name), list(known))}")
    return tuple(known[str(name)] for name in names)


def slit_cards(cards: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of a slit, as those of the part of the detector that it is."""
    found = {k: v for k, v in cards.items() if k not in ("SUBSIZE1", "SUBSIZE2")}
    for subarray, slit in (("SUBSTRT1", "SLTSTRT1"), ("SUBSTRT2", "SLTSTRT2")):
        start, within = cards.get(subarray, 1), cards.get(slit)
        if isinstance(start, int) and isinstance(within, int):
            found[subarray] = max(start + within - 1, 1)
    return found


def is_rectified_stack(hdus: fits.HDUList) -> bool:
    """Whether a file is one rectified image with inverse variances, made from several exposures."""
    return "SCI" in hdus and "WHT" in hdus and "DLAM" in hdus["SCI"].header


def stack_cards(cards: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of such a file by their official names."""
    detector = str(cards.get("DETECT1", "NRS1"))
    return {
        "INSTRUME": "NIRSPEC",
        "DETECTOR": detector,
        "EXP_TYPE": "NRS_FIXEDSLIT",
        "DISPAXIS": 1,
        "SRCTYPE": "POINT",
        "NINTS": 1,
        "SOURCEID": cards.get("SRCID", 0),
        "READPATT": cards.get("RDPAT1", ""),
        "NGROUPS": cards.get("NGRP1", 1),
        "NFRAMES": cards.get("NFRAM1", 1),
        "GROUPGAP": 0,
        "SUBARRAY": "FULL",
        **{k: v for k, v in cards.items() if k not in ("SRCID", "NINTS")},
    }


def stack_wavelengths(hdus: fits.HDUList, shape: tuple[int, int]) -> Array | None:
    """Wavelength of each pixel [y, x] in um: of the spectrum, else of the header; or None."""
    if "SPEC1D" in hdus and len(hdus["SPEC1D"].data) == shape[1]:
        columns: Array = np.asarray(hdus["SPEC1D"].data["wave"], np.float64)
    else:
        cards = hdus["SCI"].header
        unit = _MICRONS.get(str(cards.get("CUNIT1", "")).lower())
        step = cards.get("CD1_1", cards.get("CDELT1"))
        if unit is None or step is None or cards.get("LOGWAVE"):
            return None
        columns = (cards["CRVAL1"] + (np.arange(1, shape[1] + 1) - cards["CRPIX1"]) * step) * unit
    return np.ascontiguousarray(np.broadcast_to(columns, shape), np.float32)
