"""Rules by which CRDS chooses references, written from the headers of reference files.

One *mapping* of the observatory names those of the instruments, these name one for each type of
reference, and that says by header keywords which file holds for which exposure (CRDS User's Guide).
"""

from __future__ import annotations

import dataclasses as dc
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jwinteractive.references.filed import NIRSPEC_WCS, FileReference
from jwinteractive.references.headers import ANY, SELECTORS
from jwinteractive.references.kinds import kind_of

__all__ = ["SERVER", "RuledFile", "by_type", "write_rules"]

SERVER: Final = "https://jwst-serverless-mode.stsci.edu"
"""A name that tells CRDS to ask no server."""
_CONTEXT: Final = "jwst_0000.pmap"
_MADE: Final = "made by jwinteractive"
_DATE: Final = ("META.OBSERVATION.DATE", "META.OBSERVATION.TIME")
_BEYOND_FULL: Final = ANY | {"FULL"}  # of a full frame any subarray is cut

# official steps fail without one, rather than go on or be skipped
_NEEDED: Final = frozenset({"gain", "readnoise", "distortion", "abvegaoffset", "nrm"})
# of others, that a mode has none is usual; of these it would leave a calibration out unsaid
_OF_ALL_MODES: Final = _NEEDED | {
    *("mask", "saturation", "superbias", "linearity", "dark", "reset", "rscd", "flat", "photom"),
}


@dc.dataclass(frozen=True)
class RuledFile:
    """A reference file: what it is and whom it is for."""

    path: Path
    name: str  # in the cache
    instrument: str
    reftype: str
    useafter: str
    values: Mapping[str, frozenset[str]]


def by_type(files: Sequence[RuledFile], instrument: str) -> list[tuple[str, list[RuledFile]]]:
    """Types in their order, each with its files of an instrument and of any."""
    mine = [f for f in files if f.instrument in {instrument, *ANY}]
    return [(t, [f for f in mine if f.reftype == t]) for t in sorted({f.reftype for f in mine})]


def write_rules(
    root: Path,
    files: Sequence[RuledFile],
    instruments: Sequence[str],
    specs: Mapping[str, Any],
    notes: list[str],
) -> dict[str, tuple[str, ...]]:
    """Write all mappings and the configuration; return the needed types without a file."""
    place = root / "mappings/jwst"
    place.mkdir(parents=True)
    types = {t for of in specs.values() for t in of if t != "all"}
    missing: dict[str, tuple[str, ...]] = {}
    for instrument in instruments:
        selector: dict[str, str] = dict.fromkeys(sorted(types), "N/A")
        for reftype, mine in by_type(files, instrument):
            spec = specs.get(instrument.lower(), {}).get(reftype, {})
            name = f"jwst_{instrument.lower()}_{reftype}_0000.rmap"
            (place / name).write_text(_rmap(name, instrument, reftype, mine, spec, notes))
            selector[reftype] = name
        needed = _NEEDED & {*specs.get(instrument.lower(), {})}
        if instrument == "NIRSPEC":
            needed = needed - {"distortion"} | {*NIRSPEC_WCS}
        missing[instrument] = tuple(sorted(t for t in needed if selector[t] == "N/A"))
        for reftype in missing[instrument]:  # CRDS then says that there is none
            del selector[reftype]
        name = f"jwst_{instrument.lower()}_0000.imap"
        head = {"mapping": "INSTRUMENT", "instrument": instrument, "parkey": ("REFTYPE",)}
        (place / name).write_text(_mapping(name, head, _table(selector)))
    of_all = {i: f"jwst_{i.lower()}_0000.imap" for i in instruments}
    head = {"mapping": "PIPELINE", "parkey": ("META.INSTRUMENT.NAME",)}
    (place / _CONTEXT).write_text(_mapping(_CONTEXT, head, _table(of_all)))
    _configure(root / "config/jwst", sorted(p.name for p in place.iterdir()))
    return missing


def _configure(place: Path, mappings: list[str]) -> None:
    place.mkdir(parents=True)
    config = {
        "observatory": "jwst",
        "operational_context": _CONTEXT,
        "latest_context": _CONTEXT,
        "mappings": mappings,
        "bad_files": "",
        "bad_files_list": [],
        "force_remote_mode": False,
        "last_synced": _MADE,
        "server_url": SERVER,
    }
    (place / "server_config").write_text(repr(config))
    (place / "ref_cache_subdir_mode").write_text("flat")  # names are the user's, not CRDS's


def _mapping(name: str, head: Mapping[str, Any], selector: str) -> str:
    """Text of a mapping, with the digest of all its other lines."""
    said = {"name": name, "observatory": "JWST", "derived_from": _MADE, **head}
    top, rest = "header = " + _table(said)[:-1], "}\n\nselector = " + selector + "\n"
    digest = hashlib.sha1((top + rest).encode(), usedforsecurity=False).hexdigest()
    return f"{top}    'sha1sum' : '{digest}',\n{rest}"


def _table(rows: Mapping[Any, Any]) -> str:
    return "{\n" + "".join(f"    {key!r} : {value!r},\n" for key, value in rows.items()) + "}"


def _rmap(
    name: str,
    instrument: str,
    reftype: str,
    files: Sequence[RuledFile],
    spec: Mapping[str, Any],
    notes: list[str],
) -> str:
    keys = _keywords(reftype, spec)
    # NIRSpec has flats of this type for its images alone
    for_all = reftype in _OF_ALL_MODES and (reftype, instrument) != ("flat", "NIRSPEC")
    if not for_all and "EXP_TYPE" not in keys and all(f.values["EXP_TYPE"] for f in files):
        keys.append("EXP_TYPE")
    keys += [k for k in SELECTORS if k not in keys and _tells_apart(k, files, keys)]
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for one in files:
        for cell in itertools.product(*(_cell(one, key) for key in keys)):
            dates = cells.setdefault(cell, {})
            if before := dates.get(one.useafter):
                notes.append(f"{before}: {one.name} holds for the same exposures and is taken")
            dates[one.useafter] = one.name
    text = ""
    for cell, dates in sorted(cells.items()):
        rows = "".join(f"        {d!r} : {dates[d]!r},\n" for d in sorted(dates))
        text += f"    {cell!r} : UseAfter({{\n{rows}    }}),\n"
    if not for_all and (others := _other_modes(files, keys)):
        text += f"    {others!r} : 'N/A',\n"
    head = {
        "classes": ("Match", "UseAfter"),
        "mapping": "REFERENCE",
        "filekind": reftype.upper(),
        "instrument": instrument,
        "parkey": (tuple("META." + SELECTORS[k].place.upper() for k in keys), _DATE),
    }
    return _mapping(name, head, f"Match({{\n{text}}})")


def _other_modes(files: Sequence[RuledFile], keys: Sequence[str]) -> tuple[str, ...]:
    """Cell of the modes that no file is for: those have none; () if a file is for all."""
    for key in ("EXP_TYPE", "READPATT"):
        if key in keys and all(f.values[key] for f in files):
            named = "|".join(sorted({v for f in files for v in f.values[key]}))
            return tuple(f"NOT {named}" if k == key else "N/A" for k in keys)
    return ()


def _keywords(reftype: str, spec: Mapping[str, Any]) -> list[str]:
    """Keywords that matter to a type: as our own steps choose it, else as CRDS does."""
    if (kind := kind_of(reftype)) is not None and kind.searched:
        return list(dict.fromkeys(("DETECTOR", *kind.selects, "SUBARRAY")))
    asked = [str(p).rpartition(".")[2] for p in (spec.get("parkey") or [[]])[0]]
    by_name = {s.place.rpartition(".")[2].upper(): key for key, s in SELECTORS.items()}
    by_name |= {"EXP_TYPE": "EXP_TYPE", "NAME": "SUBARRAY"}
    known = [by_name[name] for name in asked if name in by_name] if spec else FileReference.selects
    return list(dict.fromkeys(("DETECTOR", *known)))


def _tells_apart(key: str, files: Sequence[RuledFile], keys: Sequence[str]) -> bool:
    """Whether files that are the same by some keywords differ by another."""
    return any(
        a.useafter == b.useafter
        and a.values[key] != b.values[key]
        and all(a.values[k] == b.values[k] for k in keys)
        for a, b in itertools.combinations(files, 2)
    )


def _cell(one: RuledFile, key: str) -> tuple[str, ...]:
    """Values of a keyword that a file holds for; "N/A" stands for any."""
    values = one.values[key]
    if key == "SUBARRAY" and values & _BEYOND_FULL:
        values = frozenset()
    return tuple(sorted(values)) or ("N/A",)
