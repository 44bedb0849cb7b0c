"""Masks as FITS files that the official pipeline takes, and as one that loses nothing.

- "reference": a MASK reference for ``override_mask``;
- "user_dq": flags for ``dq_init.user_supplied_dq``;
- "user_mask": pixels to use for ``clean_flicker_noise.user_mask``, by the scene or by flags;
- "fits": flags with the layers, as text, beside them; also fit for ``user_supplied_dq``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.detectors import DETECTORS, reference_pixels, same_detector
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.irs2 import FAST, science_rows
from jwinteractive.masks.images import TEXT, read_image
from jwinteractive.masks.layers import SOURCE, Layer
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.places import cards_of
from jwinteractive.masks.text import to_text

__all__ = ["fits_file", "reference_file", "used_pixels", "user_dq_file", "user_mask_file"]

_DESCRIBED: Final[Mapping[str, str]] = {
    "PEDIGREE": "DUMMY",  # the schema has no word for what a user made
    "USEAFTER": "2022-01-01T00:00:00",  # before any science
    "AUTHOR": "jwinteractive",
    "DESCRIP": "Bad pixels with layers by a user of jwinteractive",
}
_MEANINGS: Final[Mapping[str, str]] = {"DO_NOT_USE": "Bad pixel. Do not use."}
_TABLE: Final = np.dtype(
    [("BIT", ">i4"), ("VALUE", ">u4"), ("NAME", "S40"), ("DESCRIPTION", "S80")]
)


def reference_file(
    mask: Mask,
    base: Path | None = None,
    described: Mapping[str, str] | None = None,
    exposure: str = "",
    irs2: bool = False,
) -> fits.HDUList:
    """MASK reference with the flags of a mask.

    On top of another reference, ``base``: of its window, with its flags. Without one, reference
    pixels are flagged where the detector has them. ``irs2``: with the rows of interleaved frames.

    Raises
    ------
    InputError
        If the base cannot be used, or the mask is of no whole NIRSpec frame.
    """
    if base is None:
        bits, cards = mask.dq(exposure) | _reference_pixels(mask), cards_of(mask)
        bits = _irs2_rows(mask, bits) if irs2 else bits
    else:
        bits, cards = _on_base(mask, base, exposure)
    head = {
        **cards,
        **_DESCRIBED,
        **(described or {}),
        "REFTYPE": "MASK",
        "DATAMODL": "MaskModel",
    }
    first = fits.PrimaryHDU(header=fits.Header([(k, _ascii(v)) for k, v in head.items()]))
    on_top = [] if base is None else [f"on top of {base.name}"]
    flags = (layer for layer in mask.layers if layer.role == "flags")
    for line in [*on_top, *map(_told, flags)]:
        first.header.add_history(line)
    table = np.zeros(len(dq.BITS), _TABLE)
    for row, (name, value) in zip(table, dq.BITS.items(), strict=True):
        said = _MEANINGS.get(name, name.replace("_", " ").capitalize())
        row["BIT"], row["VALUE"] = value.bit_length() - 1, value
        row["NAME"], row["DESCRIPTION"] = name.encode(), said.encode()
    return fits.HDUList(
        [first, fits.ImageHDU(bits, name="DQ"), fits.BinTableHDU(table, name="DQ_DEF")]
    )


def _reference_pixels(mask: Mask) -> Array:
    known = DETECTORS.get(mask.detector)
    if known is None:
        return np.zeros(mask.shape, np.uint32)
    dark = reference_pixels(known, mask.corner[1], mask.corner[0], mask.shape)
    return np.where(dark, np.uint32(dq.REFERENCE_PIXEL), np.uint32(0))


def _on_base(mask: Mask, base: Path, exposure: str) -> tuple[Array, dict[str, Any]]:
    """Flags and keywords of a reference with a mask on top."""
    under = read_image(base, None if _says_detector(base) else mask)
    if under.instrument != mask.instrument or not same_detector(under.detector, mask.detector):
        raise InputError(
            f"{base.name}: is of {under.instrument} {under.detector}, the mask of "
            f"{mask.instrument} {mask.detector}: take a reference of its detector"
        )
    y, x = (a - b for a, b in zip(mask.corner, under.corner, strict=True))
    ny, nx = mask.shape
    if min(y, x) < 0 or y + ny > under.shape[0] or x + nx > under.shape[1]:
        raise InputError(
            f"{base.name}: covers {under.shape[1]} x {under.shape[0]} pixels from "
            f"{under.corner[::-1]}, the mask {nx} x {ny} from {mask.corner[::-1]}: take a "
            "reference that covers it"
        )
    bits = under.dq()
    bits[y : y + ny, x : x + nx] |= mask.dq(exposure)
    return _interleaved(bits, base, under.detector), cards_of(under)


def _says_detector(path: Path) -> bool:
    with opened_fits(path) as hdus:
        return bool(hdus[0].header.get("DETECTOR"))


def _interleaved(bits: Array, base: Path, detector: str) -> Array:
    """The same with the interleaved rows of an IRS2 reference, where the base has these."""
    with opened_fits(base) as hdus:
        whole = np.asarray(hdus["DQ"].data).astype(np.uint32) if "DQ" in hdus else bits
    if whole.shape[0] != FAST or bits.shape[0] == FAST:
        return bits
    whole[science_rows(detector)] = bits
    return whole


def _irs2_rows(mask: Mask, bits: Array) -> Array:
    """Flags of pixels in the rows of an IRS2 frame; interleaved references have none.

    Raises
    ------
    InputError
        If the mask is of no whole NIRSpec frame.
    """
    if mask.detector not in ("NRS1", "NRS2") or mask.shape != DETECTORS[mask.detector].shape:
        raise InputError(
            f"mask of {mask.detector}, {mask.shape[1]} x {mask.shape[0]} pixels: only whole frames "
            "of NIRSpec are read as IRS2: leave irs2 off"
        )
    whole = np.zeros((FAST, bits.shape[1]), np.uint32)
    whole[science_rows(mask.detector)] = bits
    return whole


def _told(layer: Layer) -> str:
    """One line of a reference's history."""
    said = [
        f"layer '{layer.name}': {layer.meaning}",
        f"{layer.count} pixels",
        *layer.notes,
        layer.comment,
    ]
    return str(_ascii("; ".join(filter(None, said))))


def _ascii(value: Any) -> Any:
    """Text as a FITS header can hold it."""
    if not isinstance(value, str):
        return value
    plain = " ".join(value.split()).encode("ascii", "backslashreplace").decode()
    return "".join(c if c.isprintable() else "?" for c in plain)


def user_dq_file(mask: Mask, exposure: str = "", irs2: bool = False) -> fits.HDUList:
    """One image of DQ values, as `dq_init` takes it: for exposures of the mask's window.

    Raises
    ------
    InputError
        If it shall have the rows of an IRS2 frame, but is of no whole NIRSpec frame.
    """
    bits = mask.dq(exposure)
    return fits.HDUList([_flags(mask, _irs2_rows(mask, bits) if irs2 else bits)])


def _flags(mask: Mask, bits: Array) -> fits.PrimaryHDU:
    # a name, so that values of 0 and 1 are not taken for good and bad
    cards = {**cards_of(mask), "EXTNAME": "DQ"}
    return fits.PrimaryHDU(bits, fits.Header([(k, _ascii(v)) for k, v in cards.items()]))


def user_mask_file(
    mask: Mask, flags: Iterable[str] | None = None, exposure: str = ""
) -> fits.HDUList:
    """ImageModel that is 1 where pixels are used and 0 where not, see `used_pixels`.

    The steps look for it in two places: `user_mask` of the 1/f noise is the image itself,
    `wfss_mask` of the background its MASK.
    """
    head = {**cards_of(mask), "DATAMODL": "ImageModel"}
    first = fits.PrimaryHDU(header=fits.Header([(k, _ascii(v)) for k, v in head.items()]))
    used = used_pixels(mask, flags, exposure)
    image = fits.ImageHDU(used.astype(np.float32), name="SCI")
    return fits.HDUList([first, image, fits.ImageHDU(used.astype(np.uint32), name="MASK")])


def used_pixels(mask: Mask, flags: Iterable[str] | None = None, exposure: str = "") -> Array:
    """Pixels that 1/f noise may be fitted to: bool [ny, nx], for the exposure of a name.

    All but sources of the mask's scene and what carries one of ``flags``. None: no flags where the
    mask has a scene, else DO_NOT_USE.
    """
    if flags is None:
        flags = () if mask.key("scene", exposure) else ("DO_NOT_USE",)
    flagged = mask.dq(exposure) & np.uint32(dq.combine(*flags))
    used: Array = (mask.scene(exposure) != SOURCE) & (flagged == 0)
    return used


def fits_file(mask: Mask) -> fits.HDUList:
    """DQ values of the mask for all exposures, a table of its layers, and its text."""
    text = np.frombuffer(to_text(mask).encode("utf-8"), np.uint8)
    rows = [
        (_ascii(m.name), m.role, ",".join(m.flags), m.how, m.on, m.count, _ascii(m.origin.text))
        for m in mask.layers
    ]
    names = ("NAME", "ROLE", "FLAGS", "HOW", "ON", "PIXELS", "ORIGIN")
    columns: list[tuple[Any, ...]] = list(zip(*rows, strict=True)) or [()] * len(names)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(name, _format(values, name), array=np.array(list(values), _TYPES.get(name)))
            for name, values in zip(names, columns, strict=True)
        ],
        name="LAYERS",
    )
    return fits.HDUList([_flags(mask, mask.dq()), table, fits.ImageHDU(text, name=TEXT)])


_TYPES: Final[Mapping[str, Any]] = {"ON": np.bool_, "PIXELS": np.int32}


def _format(values: Iterable[Any], name: str) -> str:
    words = {"ON": "L", "PIXELS": "J"}
    return words.get(name) or f"{max([1, *(len(str(v)) for v in values)])}A"
