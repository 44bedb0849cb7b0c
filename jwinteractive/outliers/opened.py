"""Members of a set, of exposures that are open: what the outliers need of their files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from jwinteractive import dq as flags
from jwinteractive.data import Array, Box, Rate
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.outliers.members import Member, Planes
from jwinteractive.outliers.settings import OutlierParams
from jwinteractive.step import Whole
from jwinteractive.wcs import read_wcs

__all__ = ["comparable", "member_of_file"]

_WCSINFO: Final = {
    "ra_ref": "RA_REF",
    "dec_ref": "DEC_REF",
    "roll_ref": "ROLL_REF",
    "v3yangle": "V3I_YANG",
    "vparity": "VPARITY",
}
_TAKEN: Final = 3.0  # errors below 0, from which on it is light that was subtracted
_TIME: Final = ("TMEASURE", "EFFEXPTM", "XPOSURE")
_TOGETHER: Final = (
    "PROGRAM", "OBSERVTN", "VISIT", "VISITGRP", "SEQ_ID", "ACT_ID", "EXPOSURE",
)  # fmt: skip
"""Keywords that detectors of one exposure share."""


def comparable(rate: Rate, p: OutlierParams) -> Array:
    """Flags of an exposure, uint32 [y, x], with what cannot be compared by noise as DO_NOT_USE.

    Where nods were subtracted from each other, the light of the others is a negative trace, at
    another place in the sky in each exposure.
    """
    if p.method == "official" or "bkg_subtract" not in rate.exposure.done:
        return rate.dq
    taken = rate.data < -_TAKEN * rate.err
    return np.where(taken, rate.dq | np.uint32(flags.DO_NOT_USE), rate.dq)


def member_of_file(whole: Whole, p: OutlierParams) -> Member:
    """Member of an exposure whose pixels come from a chain and whose WCS is in its file.

    Raises
    ------
    InputError
        If it has no file, or the file has no WCS.
    """
    name = whole.exposure.name
    if whole.path is None:
        raise InputError(f"{name}: has no file, so no WCS: open it from one")

    def look(box: Box) -> Planes:
        rate = whole.look(box)
        assert isinstance(rate, Rate)  # the step takes nothing else together
        return Planes(rate.data, rate.err, comparable(rate, p), rate.var_rnoise)

    path, slit = whole.path, whole.exposure.slit
    cards = _cards(path, path.stat().st_mtime_ns, slit)
    level = None if cards.get("BKGSUB") else cards.get("BKGLEVEL")
    known = [str(cards[key]) for key in _TOGETHER if key in cards]
    return Member(
        name=name,
        shape=whole.box.shape,
        wcs=read_wcs(path, slit),
        look=look,
        wcsinfo={field: cards.get(key) for field, key in _WCSINFO.items()},
        s_region=str(cards.get("S_REGION", "")),
        group=" ".join(known) if len(known) == len(_TOGETHER) else name,
        exposed=float(next((cards[key] for key in _TIME if cards.get(key)), 1.0)),
        level=None if level is None else float(level),
    )


@lru_cache(maxsize=256)
def _cards(path: Path, changed: int, slit: str) -> dict[str, Any]:
    """Keywords of the file and of its image, or of the image of a slit."""
    with opened_fits(path) as hdus:
        images = [hdu for hdu in hdus if hdu.name == "SCI"] or [hdus[0]]
        own = [i for i in images if str(i.header.get("SLTNAME", "")).strip() == slit]
        chosen = own[0] if len(own) == 1 else images[0]
        return {k: v for header in (hdus[0].header, chosen.header) for k, v in header.items() if k}
