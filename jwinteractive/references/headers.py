"""What the header of a reference file says, whatever its form: FITS, ASDF or JSON.

Keywords have their FITS names throughout. Of an ASDF file the text alone is read, no array and no
transform. A file may hold for several values of a keyword: the official pattern keywords
(``P_FILTER = 'F200W|F210M|'``) say so.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from astropy.io import fits

__all__ = ["ANY", "SELECTORS", "allowed", "cards", "header_of"]

_KERNEL = 7  # pixels a side at most; images that small are not of the detector
ANY: Final = frozenset({"", "ANY", "N/A", "GENERIC", "NONE"})
"""Values of a keyword that hold for every exposure."""


@dc.dataclass(frozen=True)
class _Selector:
    """Other names of a keyword: of its pattern, and of both in the ``meta`` of an ASDF file."""

    pattern: str
    place: str
    pattern_place: str


SELECTORS: Final[Mapping[str, _Selector]] = MappingProxyType(
    {
        "DETECTOR": _Selector("P_DETECT", "instrument.detector", "instrument.p_detector"),
        "FILTER": _Selector("P_FILTER", "instrument.filter", "instrument.p_filter"),
        "PUPIL": _Selector("P_PUPIL", "instrument.pupil", "instrument.p_pupil"),
        "GRATING": _Selector("P_GRATIN", "instrument.grating", "instrument.p_grating"),
        "CHANNEL": _Selector("P_CHANNE", "instrument.channel", "instrument.p_channel"),
        "BAND": _Selector("P_BAND", "instrument.band", "instrument.p_band"),
        "MODULE": _Selector("P_MODULE", "instrument.module", "instrument.p_module"),
        "CORONMSK": _Selector("P_CORONM", "instrument.coronagraph", "instrument.p_coronagraph"),
        "EXP_TYPE": _Selector("P_EXP_TY", "exposure.type", "exposure.p_exptype"),
        "READPATT": _Selector("P_READPA", "exposure.readpatt", "exposure.p_readpatt"),
        "SUBARRAY": _Selector("P_SUBARR", "subarray.name", "subarray.p_subarray"),
        "TSOVISIT": _Selector("P_TSOVIS", "visit.tsovisit", "visit.p_tsovisit"),
    }
)
"""Keywords that reference files are chosen by."""


def header_of(path: Path) -> Mapping[str, Any]:
    """Keywords of a file; held until the file changes.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is not what its name says.
    """
    stat = path.stat()
    return _header(path, stat.st_size, stat.st_mtime_ns)


def allowed(header: Mapping[str, Any], keyword: str) -> frozenset[str]:
    """Values of a keyword that a file holds for; empty: for any."""
    pattern = str(header.get(SELECTORS[keyword].pattern) or "")
    given = {p.strip().upper() for p in pattern.split("|") if p.strip()}
    value = header.get(keyword)
    plain = ("T" if value else "F") if isinstance(value, bool) else str(value or "")
    given = given or {plain.strip().upper()}
    return frozenset() if given & ANY else frozenset(given)


def cards(hdus: fits.HDUList) -> dict[str, Any]:
    """Keywords of the primary header, with the size of the pixels where it is not given."""
    found = {k: v for k, v in hdus[0].header.items() if k}
    for hdu in hdus:
        shape: tuple[int, ...] = hdu.shape if hdu.is_image else ()
        if len(shape) >= 2 and (shape[-2] != shape[-1] or shape[-1] > _KERNEL):
            found.setdefault("SUBSIZE2", shape[-2])
            found.setdefault("SUBSIZE1", shape[-1])
            break
    return found


@functools.lru_cache(maxsize=4096)
def _header(path: Path, size: int, modified: int) -> Mapping[str, Any]:
    if path.suffix == ".asdf":
        return _of_tree(path)
    if path.suffix == ".json":
        plain = json.loads(path.read_text())
        meta = plain.get("meta") if isinstance(plain.get("meta"), dict) else plain
        return _of_meta({str(k).lower(): v for k, v in meta.items()})
    with fits.open(path, memmap=path.suffix != ".gz", lazy_load_hdus=True) as hdus:
        return cards(hdus)


def _of_tree(path: Path) -> dict[str, Any]:
    from asdf.util import load_yaml
    from yaml import YAMLError

    try:
        tree = load_yaml(path)
    except YAMLError as error:
        raise ValueError(f"{path}: {str(error).partition(chr(10))[0]}") from None
    tree = tree if isinstance(tree, dict) else {}
    meta = tree.get("meta") or {}
    own = tree.get("class") or (tree.get("parameters") or {}).get("class")
    found = _of_meta(meta if isinstance(meta, dict) else {})
    if own:  # parameters of a step: asked for by its class, whatever older ones call themselves
        found["REFTYPE"] = "pars-" + str(own).rpartition(".")[2].lower()
    return found


def _of_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "REFTYPE": str(meta.get("reftype") or ""),
        "USEAFTER": str(meta.get("useafter") or "").replace(" ", "T"),
    }
    instrument = _at(meta, "instrument.name")
    if instrument:
        found["INSTRUME"] = str(instrument)
    for keyword, selector in SELECTORS.items():
        for name, place in ((keyword, selector.place), (selector.pattern, selector.pattern_place)):
            value = _at(meta, place)
            found[name] = value if isinstance(value, bool) else str(value or "")
    return found


def _at(meta: Mapping[str, Any], place: str) -> Any:
    group, _, name = place.partition(".")
    part = meta.get(group)
    return part.get(name) if isinstance(part, dict) else None
