"""Masks in and out of files: every form is read by what it holds, and says what it loses."""

from __future__ import annotations

import dataclasses as dc
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from jwinteractive import dq
from jwinteractive.errors import AlreadyThere, InputError, OutputError, ParamError, suggestion
from jwinteractive.fitsfile import unpacker
from jwinteractive.masks import coordinates, ds9, exported
from jwinteractive.masks.images import read_image, without
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.places import Like, checked
from jwinteractive.masks.regions import is_ds9
from jwinteractive.masks.text import from_text, to_text

__all__ = ["FORMS", "Form", "Written", "form_of", "read_mask", "write_mask"]

Form = Literal["text", "reference", "user_dq", "user_mask", "ds9", "fits", "coordinates"]

FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "text": (".toml", "layers as text that a person can read; loses nothing"),
    "fits": (".fits", "image of DQ values with the layers beside it; loses nothing"),
    "ds9": (".reg", "regions of DS9 in image coordinates; loses nothing"),
    "reference": (".fits", "MASK reference for override_mask"),
    "user_dq": (".fits", "image of DQ values for dq_init.user_supplied_dq"),
    "user_mask": (".fits", "pixels to use (1) or not (0), for user_mask (1/f) and wfss_mask"),
    "coordinates": (".txt", "list of pixels, x y a line"),
}
"""Form -> ending of a file, and what it is."""

_EXACT: Final = ("text", "fits", "ds9")
_ENDINGS: Final = {".toml": "text", ".reg": "ds9", ".txt": "coordinates", ".dat": "coordinates"}
_LARGEST: Final = 1 << 28  # bytes of text


@dc.dataclass(frozen=True)
class Written:
    """A mask on disk, and what the file does not tell of it, in plain lines."""

    path: Path
    lost: tuple[str, ...] = ()


def form_of(path: Path | str) -> Form:
    """Form that a file's name asks for: of FITS files the one that loses nothing.

    Raises
    ------
    ParamError
        If the ending says nothing.
    """
    name = Path(path).name.lower()
    if name.endswith((".fits", ".fits.gz", ".fit")):
        return "fits"
    found: Any = _ENDINGS.get(Path(name).suffix)
    if found is None:
        raise ParamError(
            f"{Path(path).name}: its ending tells no form: end with .toml, .fits, .reg or .txt, or "
            f"name one of {', '.join(FORMS)}"
        )
    return found  # type: ignore[no-any-return]  # a value of _ENDINGS


# -- read --------------------------------------------------------------------------------------


def read_mask(
    path: Path | str,
    like: Like = None,
    *,
    flags: Iterable[str] | None = None,
    origin: int | None = None,
) -> Mask:
    """Read a mask from a file of any form, or the flags of a product or a MASK reference.

    Parameters
    ----------
    path
        The file; what it holds tells the form, not its name.
    like
        Mask, or exposure and size (ny, nx) of its frames, that it is for: gives what the file does
        not say, and what it says must fit.
    flags
        Of flags take only these; pixels of a file without flags get them. None: all; of pixels
        without, OTHER_BAD_PIXEL and DO_NOT_USE.
    origin
        Whether a list of pixels counts from 0 or 1, where it does not say so.

    Raises
    ------
    InputError
        If it is no mask, damaged, or of another detector or window.
    """
    path = Path(path)
    names = None if flags is None else tuple(flags)
    if names is not None:
        dq.combine(*names)
    if _is_fits(path):
        return read_image(path, like, names)
    text = _text(path)
    looks = re.search(r"^\s*(format\s*=|\[\[layer\]\])", text, re.MULTILINE)
    if looks or path.suffix == ".toml":
        try:
            return checked(without(from_text(text, path.name), names), like)
        except InputError as error:
            said = str(error)
            raise InputError(said if path.name in said else f"{path.name}: {said}") from None
    if is_ds9(text):
        return without(ds9.from_ds9(text, path.name, like), names)
    if coordinates.is_coordinates(text):
        return coordinates.from_coordinates(text, path.name, like, origin, names)
    raise InputError(
        f"{path.name}: is no mask in any form that is known ({', '.join(FORMS)}): give another file"
    )


def _is_fits(path: Path) -> bool:
    """Whether a file is FITS, packed or not.

    Raises
    ------
    InputError
        If it cannot be read, or is empty.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder: choose a file in it")
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            first = stream.read(9)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}): check the name and the folder"
        ) from None
    if not size:
        raise InputError(f"{path.name}: is empty: copy or download it again")
    return first.startswith(b"SIMPLE  =") or unpacker(path) is not None


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path.name}: is larger than {_LARGEST >> 20} MB: is no mask")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError(f"{path.name}: is neither FITS nor text: give a mask in a known form")
    return text


# -- written -----------------------------------------------------------------------------------


def write_mask(
    mask: Mask,
    path: Path | str,
    form: Form | None = None,
    *,
    overwrite: bool = False,
    base: Path | str | None = None,
    described: Mapping[str, str] | None = None,
    exposure: str = "",
    flags: Iterable[str] | None = None,
    origin: int = 0,
    irs2: bool = False,
) -> Written:
    """Write a mask to a file, which is there whole or not at all.

    Parameters
    ----------
    mask
        The layers.
    path, form
        The file; its ending tells the form if None.
    overwrite
        Whether an existing file may be replaced.
    base
        Reference on top of which a "reference" is written.
    described
        Keywords of a "reference": PEDIGREE, USEAFTER, AUTHOR, DESCRIP and others.
    exposure
        Name of the one that "reference", "user_dq", "user_mask" and "coordinates" are for: layers
        for it alone are in.
    flags
        Which of them make a pixel of "user_mask" one not to use, beside the sources of its scene
        (none; without a scene DO_NOT_USE), one of "coordinates" listed (any).
    origin
        Where "coordinates" count from, 0 or 1.
    irs2
        Whether "reference" and "user_dq" have the 3200 rows of NIRSpec's IRS2 frames, as official
        steps want for these; a reference with a base has those of the base.

    Raises
    ------
    InputError
        If the base cannot be used, or ``irs2`` is asked for what is no whole NIRSpec frame.
    OutputError
        If the file is there or cannot be written.
    ParamError
        If an option makes no sense.
    """
    path = Path(path)
    kind = form_of(path) if form is None else form
    if kind not in FORMS:
        raise ParamError(f"form {kind!r} of a mask: {suggestion(kind, FORMS)}")
    if kind in ("reference", "user_dq", "user_mask", "fits") and ".fits" not in path.suffixes:
        raise OutputError(f"{path}: {kind} is a FITS file: let its name end with .fits")
    if origin not in (0, 1):
        raise ParamError(f"origin = {origin}: pixels count from 0 or 1")
    if path.exists() and not overwrite:
        raise AlreadyThere.of(path)
    names = None if flags is None else tuple(flags)
    made: Any
    match kind:
        case "text":
            made = to_text(mask)
        case "ds9":
            made = ds9.to_ds9(mask)
        case "coordinates":
            made = coordinates.to_coordinates(mask, origin, names, exposure)
        case "reference":
            under = None if base is None else Path(base)
            made = exported.reference_file(mask, under, described, exposure, irs2)
        case "user_dq":
            made = exported.user_dq_file(mask, exposure, irs2)
        case "user_mask":
            made = exported.user_mask_file(mask, names, exposure)
        case _:
            made = exported.fits_file(mask)

    def write(file: Path) -> None:
        if isinstance(made, str):
            file.write_text(made, encoding="utf-8")
        else:
            made.writeto(file)

    _whole(path, write)
    return Written(path, () if kind in _EXACT else _lost(mask, kind, exposure, names, base))


def _whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let a file appear when all of it is written."""
    # the ending stays: it says whether FITS is packed
    new = path.with_name(f".{os.getpid()}.new.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(new)
        new.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        new.unlink(missing_ok=True)


def _lost(
    mask: Mask, form: str, exposure: str, flags: tuple[str, ...] | None, base: object
) -> tuple[str, ...]:
    """What a file of merged flags does not tell."""
    out: list[str] = []

    def layers(what: str, chosen: Callable[[Any], bool]) -> None:
        names = [repr(m.name) for m in mask.layers if chosen(m)]
        if names:
            out.append(f"{what}: {', '.join(names)}")

    by_scene = form == "user_mask" and bool(mask.key("scene", exposure))
    by_flags = bool(flags) or not by_scene
    parts = [*(["scene"] if by_scene else []), *(["pixels"] if by_flags else [])]
    applied = [m for m in mask.layers if m.applies_to(exposure) and m.part in parts]
    if mask.title or mask.comment:
        out.append("the title and comment of the mask")
    if applied:
        each = {"user_mask": "one layer", "coordinates": "one layer"}.get(form, "a layer a flag")
        out.append(f"names, origins and comments of layers: read back they are {each}")
    layers("shapes become pixels, of", lambda m: m in applied and bool(m.shapes))
    done = [m for m in applied if m.role == "flags" and m.how != "add"]
    layers("taking flags off is done, not kept, by", lambda m: m in done)
    layers("layers switched off are left out", lambda m: not m.on)
    layers("flags of groups are left out", lambda m: m.on and m.part == "groups")
    if not by_scene:
        layers("the 1/f scene is left out", lambda m: m.on and m.part == "scene")
    if not by_flags:
        layers("flags of pixels are left out", lambda m: m.on and m.part == "pixels")
    layers(
        "layers for another exposure are left out",
        lambda m: m.on and m.part in parts and not m.applies_to(exposure),
    )
    if exposure and any(m.exposure == exposure for m in applied):
        out.append(f"that some layers are for {exposure} alone")
    if by_scene:
        out.append("what is said to be background: only what is a source, read back it is flagged")
    if form in ("user_mask", "coordinates") and by_flags:
        which = " or ".join(flags or (("DO_NOT_USE",) if form == "user_mask" else ("any flag",)))
        out.append(f"which flags a pixel has: only whether it has {which}")
    if form == "reference":
        added = "flags of the base are added" if base else "reference pixels are flagged"
        out.append(f"that {added}: read back they are the mask's own")
    return tuple(out)
