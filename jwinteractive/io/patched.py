"""Write into a copy of a file, everything else untouched: slits and cubes, or the record alone.

A file of slits holds more than the product in hand: the other slits, their WCS and what belongs to
them go into the new file as they are. Only pixels and the record of what was done are new.

Why: docs/decisions/0019-slits-are-exposures.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from astropy.io import fits

from jwinteractive.data import Array, Cube, Rate, RateInts
from jwinteractive.errors import OutputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.io import provenance as record
from jwinteractive.io.header import FIT_PLANES
from jwinteractive.io.provenance import Provenance
from jwinteractive.io.saving import bare_header, check_target, describe, save_hdus
from jwinteractive.io.slits import SLIT_MODELS, Slit, slits_of
from jwinteractive.silence import silence

__all__ = ["copy_recorded", "goes_back", "write_back"]

_PLANES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "data": "SCI",
        "err": "ERR",
        "dq": "DQ",
        "var_poisson": "VAR_POISSON",
        "var_rnoise": "VAR_RNOISE",
        "var_flat": "VAR_FLAT",
        "wavelength": "WAVELENGTH",
        "weight": "WMAP",
        "trace_model": "TRACEMODEL",
        **FIT_PLANES,
    }
)
_OURS: Final = frozenset({record.STEPS, record.REFERENCES})
_OUR_CARDS: Final = frozenset({record.VERSION, record.RECIPE, record.KEY})


def goes_back(product: Rate | RateInts) -> bool:
    """Whether a product is a slit, which only a copy of its file can hold.

    Raises
    ------
    InputError
        If the source is gone or damaged.
    """
    if product.source is None:
        return False
    with opened_fits(product.source) as hdus:
        return str(hdus[0].header.get("DATAMODL") or "").strip() in SLIT_MODELS


def write_back(
    products: Sequence[Rate | RateInts | Cube],
    path: Path | str,
    provenance: Provenance,
    overwrite: bool = False,
) -> Path:
    """Write a copy of a file in which some of its slits, or its cube, have new pixels.

    Parameters
    ----------
    products
        Of one source file, each a whole slit of it.
    path
        A ``.fits`` file, which appears whole or not at all.
    provenance
        What was done. Steps that the source's own provenance tells of are put before it.
    overwrite
        Whether an existing file may be replaced; the source never is.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        If the file cannot be written, or a product is only a part of its slit.
    InputError
        If the source is gone or damaged.
    """
    path = Path(path)
    source = products[0].source
    if source is None or any(p.source != source for p in products):
        raise OutputError(f"{path}: slits go back into one file they come from: write each its own")
    provenance = check_target(path, source, provenance, overwrite)
    with opened_fits(source) as hdus:
        slits = slits_of(hdus)
        new: dict[int, list[Any]] = {}
        for product in products:
            slit = _own(slits, product.exposure.slit, path)
            new |= _renewed(slit, product, path)
        written = fits.HDUList([_primary(hdus[0], path.name, provenance)])
        for hdu in hdus[1:]:
            if hdu.name == "ASDF":
                written.extend(_tables(provenance))
            if hdu.name not in _OURS:
                written.extend(new.get(id(hdu), [hdu]))
        if "ASDF" not in written:
            written.extend(_tables(provenance))
        save_hdus(path, written)
    return path


def copy_recorded(source: Path, path: Path, provenance: Provenance) -> None:
    """Copy an official file, and put the record of what was done into the copy.

    What the file says by official keywords stays as it is, but for its name.

    Raises
    ------
    OutputError
        If the copy cannot be written.
    InputError
        If the source is gone or damaged.
    """
    cards, tables = _told(provenance)
    with opened_fits(source) as hdus:
        header = bare_header(hdus[0].header)
        for card in cards:
            if card.keyword in _OUR_CARDS:
                header[card.keyword] = (card.value, card.comment)
        if "FILENAME" in header:
            header["FILENAME"] = path.name
        kept = [hdu for hdu in hdus[1:] if hdu.name not in _OURS]
        first = fits.PrimaryHDU(data=hdus[0].data, header=header)
        save_hdus(path, fits.HDUList([first, *kept, *tables]))


def _own(slits: Sequence[Slit], name: str, path: Path) -> Slit:
    found = [s for s in slits if s.name == name or (not name and len(slits) == 1)]
    if not found:
        raise OutputError(f"{path}: the source has no slit {name!r} any more: open it again")
    return found[0]


def _renewed(slit: Slit, product: Rate | RateInts | Cube, path: Path) -> dict[int, list[Any]]:
    """New HDUs in the place of each old one, by the identity of the old one."""
    arrays = product.native().arrays()
    own = {hdu.name: hdu for hdu in slit.hdus[1:]}
    shape = own["SCI"].shape
    if arrays["data"].shape != shape:
        raise OutputError(
            f"{path}: product is {arrays['data'].shape}, its slit {shape}: only a whole slit can "
            "be written: run it without a box"
        )
    new: dict[int, list[Any]] = {}
    beyond: list[Any] = []
    for field, name in _PLANES.items():
        array = arrays.get(field)
        if array is None:
            continue
        if name in own:
            header = bare_header(own[name].header)
            new[id(own[name])] = [_image(array, name, slit.version, header)]
        elif np.isfinite(array).any():  # else it fills in for what nobody knows
            beyond.append(_image(array, name, slit.version))
    last = id(slit.hdus[-1])
    new[last] = new.get(last, [slit.hdus[-1]]) + beyond
    return new


def _image(array: Array, name: str, version: int, header: Any = None) -> fits.ImageHDU:
    if header is not None:  # as it suited the old numbers
        for keyword in ("BZERO", "BSCALE"):
            header.remove(keyword, ignore_missing=True)
    return fits.ImageHDU(np.asarray(array), header=header, name=name, ver=version)


def _primary(old: Any, name: str, provenance: Provenance) -> fits.PrimaryHDU:
    """Primary HDU of the source with what was done since."""
    header = bare_header(old.header)
    told, _ = _told(provenance)
    for card in told:
        # a step that is skipped because the file has been through it before stays complete
        if card.value != "SKIPPED" or header.get(card.keyword) != "COMPLETE":
            header[card.keyword] = (card.value, card.comment)
    header["FILENAME"] = record.encode(name)
    return fits.PrimaryHDU(header=header)


def _tables(provenance: Provenance) -> list[Any]:
    return _told(provenance)[1]


def _told(provenance: Provenance) -> tuple[list[Any], list[Any]]:
    """Cards of the primary header and tables that tell of a provenance."""
    from stdatamodels import fits_support
    from stdatamodels.jwst import datamodels

    with silence():
        model = datamodels.JwstDataModel()
        describe(model, provenance)
        hdus = fits_support.to_fits(model.instance, model.schema)
    cards = [
        card
        for card in hdus[0].header.cards
        if card.keyword in _OUR_CARDS or card.keyword.startswith(("S_", "R_"))
    ]
    return cards, [hdu for hdu in hdus if hdu.name in _OURS]
