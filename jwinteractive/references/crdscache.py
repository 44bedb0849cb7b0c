"""A local CRDS cache made of a folder of reference files, so that official pipelines run offline.

It holds the files, the rules by which CRDS chooses from them, and no more; no server is asked.
"""

from __future__ import annotations

import dataclasses as dc
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from jwinteractive.errors import InputError, MissingReference, OutputError, ParamError
from jwinteractive.references.crdsrules import SERVER, RuledFile, by_type, write_rules
from jwinteractive.references.headers import ANY, SELECTORS, allowed, header_of

__all__ = ["INSTRUMENTS", "CrdsCache", "write_crds_cache"]

INSTRUMENTS: Final = ("FGS", "MIRI", "NIRCAM", "NIRISS", "NIRSPEC")
_ENDINGS: Final = (".fits", ".asdf", ".json")
_ALWAYS: Final = "1900-01-01T00:00:00"


@dc.dataclass(frozen=True)
class CrdsCache:
    """What was written.

    Attributes
    ----------
    files
        Names of the reference files, by instrument and type.
    needed
        Types without a file, by instrument, that official steps cannot go on without.
    notes
        What was left out, and why.
    """

    root: Path
    files: Mapping[str, Mapping[str, tuple[str, ...]]]
    needed: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables that make official pipelines use it; no server is asked."""
        return {"CRDS_PATH": str(self.root), "CRDS_SERVER_URL": SERVER}


def write_crds_cache(
    folder: Path | str,
    out: Path | str,
    instruments: Iterable[str] = (),
    *,
    copy: bool = False,
) -> CrdsCache:
    """Write a CRDS cache for the reference files of a folder.

    Parameters
    ----------
    folder
        Reference files: FITS, ASDF, JSON; parameter files of official steps too.
    out
        Folder for the cache, new or empty; it appears whole or not at all.
    instruments
        Those that it is for; by default those that the files are of.
    copy
        Copy the files; else they are hard links where the file system has them.

    Raises
    ------
    MissingReference
        If there is no folder, or no reference of the instruments in it.
    OutputError
        If the cache cannot be written.
    ParamError
        If an instrument is none of JWST.
    """
    folder, out = Path(folder), Path(out).absolute()
    wanted = tuple(dict.fromkeys(name.upper() for name in instruments))
    if unknown := sorted({*wanted} - {*INSTRUMENTS}):
        raise ParamError(f"instrument {unknown[0]!r}: choose from {', '.join(INSTRUMENTS)}")
    if not folder.is_dir():
        raise MissingReference(f"reference folder {folder}: no such folder")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: is there and not empty: choose another folder")
    files, notes = _files(folder)
    named = {f.instrument for f in files} - ANY
    chosen = wanted or tuple(sorted(named & {*INSTRUMENTS}))
    used = [f for f in files if f.instrument in {*chosen, *ANY}]
    if not chosen or not used:
        who = " or ".join(wanted) or "a JWST instrument"
        raise MissingReference(f"reference folder {folder}: no reference of {who} in it")
    specs = _specs()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
        try:
            needed = write_rules(work, used, chosen, specs, notes)
            _place(used, work / "references/jwst", copy)
            work.chmod(0o755)
            if out.exists():
                out.rmdir()
            work.rename(out)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from None
    names = {i: {t: tuple(f.name for f in fs) for t, fs in by_type(used, i)} for i in chosen}
    return CrdsCache(out, MappingProxyType(names), MappingProxyType(needed), tuple(notes))


# -- what there is -----------------------------------------------------------------------------


def _files(folder: Path) -> tuple[list[RuledFile], list[str]]:
    files: list[RuledFile] = []
    notes: list[str] = []
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        if path.name.endswith(".fits.gz"):
            notes.append(f"{path.name}: left out: CRDS knows no packed files: unpack it")
        if path.suffix not in _ENDINGS:
            continue
        try:
            header = header_of(path)
        except (OSError, ValueError) as error:
            notes.append(f"{path.name}: left out: {str(error).partition(chr(10))[0]}")
            continue
        reftype = str(header.get("REFTYPE") or "").strip().lower()
        if not re.fullmatch(r"[a-z][a-z0-9-]+", reftype):
            notes.append(f"{path.name}: left out: it has no REFTYPE")
            continue
        files.append(
            RuledFile(
                path=path,
                name=re.sub(r"[^A-Za-z0-9._-]", "_", path.name),
                instrument=str(header.get("INSTRUME") or "").strip().upper(),
                reftype=reftype,
                useafter=_date(str(header.get("USEAFTER") or _ALWAYS)),
                values={key: allowed(header, key) for key in SELECTORS},
            )
        )
    return files, notes


def _date(text: str) -> str:
    date, _, time = text.strip().replace(" ", "T").partition("T")
    return f"{date} {time.partition('.')[0] or '00:00:00'}"


def _specs() -> Mapping[str, Any]:
    """By instrument and type, what CRDS itself says of types of references."""
    found = find_spec("crds")
    if found is None or found.origin is None:
        raise InputError(
            "a CRDS cache needs the package crds: pip install 'jwinteractive[official]'"
        )
    path = Path(found.origin).parent / "jwst/specs/combined_specs.json"
    specs: Mapping[str, Any] = json.loads(path.read_text())
    return specs


# -- files -------------------------------------------------------------------------------------


def _place(files: Iterable[RuledFile], place: Path, copy: bool) -> None:
    place.mkdir(parents=True)
    for one in files:
        target = place / one.name
        if target.exists():
            raise OutputError(f"{one.path}: another file is called {one.name} in CRDS: rename it")
        if not copy:
            try:
                os.link(one.path.resolve(), target)
            except OSError:  # another file system, or one without links
                pass
            else:
                continue
        shutil.copyfile(one.path, target)
