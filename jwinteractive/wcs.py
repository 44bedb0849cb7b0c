"""The world coordinates that ``assign_wcs`` left in a file: gwcs objects out of its ASDF extension.

Packages that a gwcs needs load slowly; a file's is read once while the file stays as it is.
"""

from __future__ import annotations

import copy
import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.silence import silence

__all__ = ["brief", "read_wcs", "slit_number", "wcs_in"]


def read_wcs(path: Path | str, slit: str = "") -> Any:
    """The gwcs of an image, or of a slit of a file by its name.

    Raises
    ------
    InputError
        If the file has none.
    """
    path = Path(path)
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0, slit)


@functools.lru_cache(maxsize=64)
def _read(path: Path, changed: int, slit: str) -> Any:
    with opened_fits(path) as hdus:
        stored = hdus["ASDF"].data.tobytes() if "ASDF" in hdus else b""
    if not stored:
        raise InputError(
            f"{path.name}: has no WCS (no ASDF extension): take a file that went through assign_wcs"
        )
    try:
        return wcs_in(stored, slit)
    except InputError as error:
        raise InputError(
            f"{path.name}: {error}: take a file that went through assign_wcs"
        ) from error


def wcs_in(stored: bytes, slit: str = "") -> Any:
    """The gwcs in the bytes of an ASDF extension, of an image or of a slit.

    Raises
    ------
    InputError
        If there is none, or the bytes are damaged.
    """
    import asdf

    start = stored.find(b"#ASDF")
    if start < 0:
        raise InputError("the ASDF extension is damaged")
    with silence():  # of versions and of types that are not installed
        try:
            # not all at once (lazy_load): planes of slits are in HDUs that are not here
            file = asdf.open(io.BytesIO(stored[start:]))
            tree = file.tree
        except Exception as error:  # whatever a damaged tree makes of the packages that read it
            raise InputError(f"its ASDF extension cannot be read ({brief(error)})") from error
    slits = tree.get("slits")
    if slits and slit:
        tree = _slit(slits, slit)
    meta = tree.get("meta")
    wcs = meta.get("wcs") if isinstance(meta, dict) else None
    if wcs is None and slits:
        raise InputError(f"each of its {len(slits)} slits has a WCS of its own")
    if wcs is None or not hasattr(getattr(wcs, "output_frame", None), "axes_type"):
        kind = "has no WCS" if wcs is None else "has a WCS of an unknown kind"
        raise InputError(f"its ASDF extension {kind}")
    # arrays of the tree are read when they are asked for, and the file will be gone by then
    return copy.deepcopy(wcs)


def _slit(slits: Any, name: str) -> Any:
    """Tree of a slit by its name."""
    number = slit_number([str(s.get("name", "")) for s in slits], name)
    if number is None:
        raise InputError(f"its ASDF extension knows no slit {name!r}")
    return slits[number]


def slit_number(names: Sequence[str], wanted: str) -> int | None:
    """Number of a slit by its name, or by the number that tells slits of a name apart."""
    if names.count(wanted) == 1:
        return names.index(wanted)
    number = wanted.rpartition("-")[2]
    if number.isdigit() and 1 <= int(number) <= len(names):
        return int(number) - 1
    return 0 if len(names) == 1 else None


def brief(error: Exception) -> str:
    """An error of another package in one line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
