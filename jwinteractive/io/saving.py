"""How files of any kind come to be: their names, whether they can be written, what they tell.

A file appears whole or not at all, and tells what was done in keywords and tables of its own.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import uuid
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from astropy.io import fits

from jwinteractive.errors import AlreadyThere, OutputError
from jwinteractive.io import provenance as record
from jwinteractive.io.provenance import Provenance, read_provenance
from jwinteractive.silence import silence

__all__ = [
    "bare_header",
    "check_target",
    "check_writable",
    "describe",
    "mend_booleans",
    "output_name",
    "root_name",
    "save_hdus",
]

_SUFFIX: Final = re.compile(
    "_(uncal|dark|ramp|jump|rate|rateints|cal|calints|crf|crfints|bsub|bsubints|i2d|s2d|s3d|x1d|"
    "x1dints|c1d|(pixel_replace|adaptive_trace_model)(ints)?)$"
)


def output_name(path: Path | str, suffix: str) -> str:
    """File name of a result: ``a_uncal.fits`` and ``rate`` give ``a_rate.fits``.

    A suffix of an official product is replaced; to any other name the new one is appended.
    """
    return f"{root_name(path)}_{suffix}.fits"


def root_name(path: Path | str) -> str:
    """File name without its ending and the suffix of an official product: its exposure's name."""
    root = re.sub(r"\.fits(\.\w+)?$", "", Path(path).name, flags=re.IGNORECASE)
    return _SUFFIX.sub("", root)


def check_writable(paths: Iterable[Path | str], overwrite: bool = False) -> None:
    """Check, before long work, that results can be written; nothing is made on disk.

    Raises
    ------
    OutputError
        If a name is no ``.fits`` name or is given twice, the file exists and may not be
        overwritten, or its folder cannot be written or made.
    """
    seen: set[Path] = set()
    for path in map(Path, paths):
        if path in seen:
            raise OutputError(f"{path}: two results would get this name: give each its own")
        seen.add(path)
        if path.suffix.lower() != ".fits":
            raise OutputError(f"{path}: a result is a FITS file: let its name end with .fits")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder: choose another name")
        if path.exists() and not overwrite:
            raise AlreadyThere.of(path)
        folder = next(p for p in path.absolute().parents if p.exists())
        if not folder.is_dir():
            raise OutputError(f"{path}: {folder} is a file, not a folder: choose another folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{path}: {folder} may not be written to: choose another folder")


def check_target(
    path: Path, source: Path | None, provenance: Provenance, overwrite: bool
) -> Provenance:
    """Check that a file can be written, and put what its source tells before a provenance.

    Raises
    ------
    OutputError
        If it cannot be written, or is the source itself.
    InputError
        If the source is gone or damaged.
    """
    check_writable([path], overwrite)
    if source is None:
        return provenance
    if path.resolve() == source.resolve():
        raise OutputError(f"{path}: is the file the product comes from: choose another name")
    return provenance.after(read_provenance(source))


def save_hdus(path: Path, hdus: fits.HDUList) -> None:
    """Write a file, and its folder where that is missing; it appears whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, hdus)
    except (OSError, fits.VerifyError) as error:
        full = getattr(error, "errno", None) == errno.ENOSPC or "space" in str(error)
        way_out = "free some space or choose another disk" if full else "choose another folder"
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise OutputError(f"{path}: cannot be written ({reason}): {way_out}") from error


def _replace(path: Path, hdus: fits.HDUList) -> None:
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        with silence():  # of the source's cards, kept as are
            hdus.writeto(draft, output_verify="silentfix")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def bare_header(header: fits.Header) -> fits.Header:
    """Copy of a header without what describes the bytes of its HDU."""
    bare = header.copy(strip=True)
    for keyword in ("CHECKSUM", "DATASUM"):
        bare.remove(keyword, ignore_missing=True)
    return bare


def mend_booleans(header: fits.Header, kind: type) -> None:
    """Make a primary header true and false where a model wants it: old files write 1 and 0."""
    for keyword in _booleans(kind):
        if header.get(keyword) in (0, 1):
            header[keyword] = bool(header[keyword])


@functools.cache
def _booleans(kind: type) -> tuple[str, ...]:
    """Keywords of the primary header that a model's schema wants true or false."""
    from stdatamodels.schema import walk_schema

    found: list[str] = []

    def look(part: dict[str, Any], *rest: Any) -> None:
        if part.get("type") == "boolean" and part.get("fits_hdu", "PRIMARY") == "PRIMARY":
            found.extend(k for k in [part.get("fits_keyword")] if k)

    walk_schema(kind().schema, look)
    return tuple(found)


def describe(model: Any, provenance: Provenance) -> None:
    """Put a provenance into a model: official keywords, ours, a history line and two tables."""
    meta = model.schema["properties"]["meta"]["properties"]
    for step in provenance.steps:
        name = step.cal_step or step.step
        if name not in meta["cal_step"]["properties"]:
            continue
        # A step that is skipped because the file has been through it before stays complete.
        if step.state == "complete" or model[f"meta.cal_step.{name}"] != "COMPLETE":
            model[f"meta.cal_step.{name}"] = step.state.upper()
    for reference in provenance.references:
        if reference.reftype in meta["ref_file"]["properties"]:
            prefix = "crds://" if reference.source == "crds" else ""
            given = prefix + record.encode(reference.name)
            name = "N/A" if reference.source == "nominal" else given
            model[f"meta.ref_file.{reference.reftype}.name"] = name
    package = version("jwinteractive")
    recipe = record.encode(provenance.recipe)
    model.add_history_entry(
        f"jwinteractive {package} recipe {recipe or '-'} result {provenance.key or '-'}",
        software={"name": "jwinteractive", "version": package},
    )
    extra = model.instance.setdefault("extra_fits", {})
    cards = extra.setdefault("PRIMARY", {}).setdefault("header", [])
    ours = {
        record.VERSION: (package, "version of jwinteractive"),
        record.RECIPE: (recipe, "recipe"),
        record.KEY: (provenance.key, "key of the result"),
    }
    cards[:] = [card for card in cards if card[0] not in ours]
    cards += [[keyword, *rest] for keyword, rest in ours.items()]
    for name, table in record.tables(provenance).items():
        extra[name] = {"data": table}
