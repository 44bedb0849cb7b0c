"""Masks out of FITS files: MASK references, DQ of products, maps of bad pixels, and our own.

What an image means is told by what the file holds, in this order:

- layers beside the image (our own form "fits"), as long as the image is still the one they made;
- ``PIXELDQ`` or ``DQ``: flags, in the bits that ``DQ_DEF`` names where there is one; a layer each;
- ``SCI`` of floats 0 and 1: pixels to use and not (``clean_flicker_noise.user_mask``);
- any other image of 0 and 1: good and bad pixels; of other whole numbers: DQ values.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.irs2 import FAST, science_rows
from jwinteractive.masks.layers import Kind, Layer, Origin
from jwinteractive.masks.mask import LARGEST, Mask
from jwinteractive.masks.places import Like, checked, place_of
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.text import from_text

__all__ = ["BAD", "TEXT", "flag_layers", "read_image", "without"]

BAD: Final = ("OTHER_BAD_PIXEL", "DO_NOT_USE")
"""Flags of pixels that a file only calls bad."""

TEXT: Final = "MASKTEXT"  # HDU of the text of a mask


def read_image(path: Path, like: Like, flags: Iterable[str] | None = None) -> Mask:
    """Read a mask from a FITS file; of DQ values take only some ``flags``, None: all.

    Raises
    ------
    InputError
        If it holds no mask, is damaged, or is of another detector or window than ``like``.
    """
    chosen = None if flags is None else dq.combine(*flags)
    with opened_fits(path) as hdus:
        try:
            return checked(_File(path.name, hdus, like, chosen).read(), like)
        except InputError as error:
            said = str(error)
            raise InputError(
                said if said.startswith(path.name) else f"{path.name}: {said}"
            ) from None


def flag_layers(bits: Array, origin: Origin) -> tuple[Layer, ...]:
    """One layer for each flag of an image of DQ values: uint32 [y, x]."""
    found = (
        (name, Selection.from_mask(bits & np.uint32(value))) for name, value in dq.BITS.items()
    )
    return tuple(Layer(name=n, flags=(n,), pixels=s, origin=origin) for n, s in found if s)


def without(mask: Mask, flags: Iterable[str] | None) -> Mask:
    """Mask with no flags but some, and no layers that set none of these or are no flags.

    None: all of the mask.
    """
    if flags is None:
        return mask
    wanted = dq.combine(*flags)
    layers = []
    for layer in mask.layers:
        kept = dq.names(layer.bits & wanted)
        takes_all = layer.role == "flags" and layer.how != "add" and not layer.flags
        if kept or takes_all:
            layers.append(layer.replace(flags=kept))
    return mask.replace(layers=tuple(layers))


@dc.dataclass
class _File:
    name: str
    hdus: Any
    like: Like
    chosen: int | None

    def read(self) -> Mask:
        own = self._own()
        if own is not None:
            return own
        reftype = str(self.hdus[0].header.get("REFTYPE") or "").strip().upper()
        reference = reftype == "MASK"
        science = self._named("SCI")
        # a flat may hold 0 and 1, too
        if not reftype and science is not None and _used_or_not(science):
            return self._map(science, self._pixels(science) == 0, "pixels not to use")
        for name in ("PIXELDQ", "DQ"):
            hdu = self._named(name)
            if hdu is not None:
                return self._flags(hdu, name, "reference" if reference else "imported")
        if reference:
            raise InputError("is a MASK reference without an image DQ: give a whole file")
        hdu = self._only()
        pixels = self._pixels(hdu)
        if hdu is science and not np.isin(pixels, (0, 1)).all():
            raise InputError("has data but no flags (PIXELDQ or DQ): give a file that has")
        if pixels.dtype.kind == "b" or np.isin(pixels, (0, 1)).all():
            return self._map(hdu, pixels == 1, "bad pixels")
        return self._flags(hdu, "values", "imported")

    def _named(self, name: str) -> Any:
        """Image of a name, or None."""
        found = [h for h in self.hdus if h.name == name and h.is_image and h.shape]
        if len(found) > 1:
            raise InputError(
                f"has {len(found)} images {name}, of parts of the detector: give the file of whole "
                "frames that it is from"
            )
        return found[0] if found else None

    def _only(self) -> Any:
        """First image of a file that names none."""
        found = [h for h in self.hdus if h.is_image and len(h.shape) >= 2]
        if not found:
            names = ", ".join(h.name or "(no name)" for h in self.hdus)
            raise InputError(f"has no image, only {names}: give a file with a mask or flags in it")
        return found[0]

    def _pixels(self, hdu: Any) -> Array:
        """Values [..., y, x] in the computer's byte order, of the rows of pixels."""
        shape: tuple[int, ...] = hdu.shape
        if len(shape) < 2 or 0 in shape:
            raise InputError(f"{hdu.name} is of {shape}: needs rows and columns of pixels")
        if max(shape[-2:]) > LARGEST:
            raise InputError(
                f"{hdu.name} is {shape[-1]} x {shape[-2]} pixels: no detector has more than "
                f"{LARGEST} a side: give an image in pixels of a detector"
            )
        pixels: Array = np.asarray(hdu.data)
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise InputError(f"{hdu.name} holds NaN or infinite values: give whole numbers")
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)

    def _place(self, hdu: Any, shape: tuple[int, int]) -> tuple[Mask, Any]:
        """Empty mask for an image, and which rows of the image are its own."""
        cards = {k: v for k, v in hdu.header.items() if k}
        cards |= {k: v for k, v in self.hdus[0].header.items() if k}
        rows: Any = slice(None)
        name = str(cards.get("DETECTOR") or "").strip().upper()
        if shape[0] == FAST and name in ("NRS1", "NRS2"):  # of an interleaved frame
            rows = science_rows(name)
            shape = (len(rows), shape[1])
            cards |= {"SUBSTRT1": 1, "SUBSTRT2": 1}
        return place_of(cards, shape, self.like), rows

    def _origin(self, kind: Kind, what: str) -> Origin:
        return Origin(kind=kind, text=f"{what} in {self.name}")

    def _map(self, hdu: Any, bad: Array, what: str) -> Mask:
        """One layer, of pixels that are bad: bool [..., y, x]."""
        if bad.ndim > 2:
            bad = np.logical_or.reduce(bad.reshape(-1, *bad.shape[-2:]), axis=0)
        place, rows = self._place(hdu, bad.shape)
        flags = BAD if self.chosen is None else dq.names(self.chosen)
        layer = Layer(
            name=what,
            flags=flags,
            pixels=Selection.from_mask(bad[rows]),
            origin=self._origin("imported", what),
        )
        return place.replace(layers=(layer,))

    def _flags(self, hdu: Any, what: str, kind: Kind) -> Mask:
        """A layer of each flag; of several integrations, of what any of these has."""
        bits = self._standard(_whole_numbers(hdu.name or "image", self._pixels(hdu)))
        if bits.ndim > 2:
            bits = np.bitwise_or.reduce(bits.reshape(-1, *bits.shape[-2:]), axis=0)
        place, rows = self._place(hdu, bits.shape)
        bits = bits[rows]
        if self.chosen is not None:
            bits = bits & np.uint32(self.chosen)
        return place.replace(layers=flag_layers(bits, self._origin(kind, what)))

    def _standard(self, raw: Array) -> Array:
        """Flags in the bits of products, where DQ_DEF says that the file has others."""
        if "DQ_DEF" not in self.hdus or self.hdus["DQ_DEF"].data is None:
            return raw
        table = self.hdus["DQ_DEF"].data
        try:
            names, values = table["NAME"], table["VALUE"]
            named = [(str(n).strip(), int(v)) for n, v in zip(names, values, strict=True)]
        except (KeyError, ValueError, TypeError):
            raise InputError("DQ_DEF has no columns NAME and VALUE: give a whole file") from None
        if not named:
            return raw
        out = np.zeros_like(raw)
        for name, value in named:
            if name in dq.BITS:
                out[raw & np.uint32(value) != 0] |= np.uint32(dq.BITS[name])
        return out

    def _own(self) -> Mask | None:
        """The mask whose text lies beside the image; None where that image is another by now."""
        if TEXT not in self.hdus or not len(self.hdus[0].shape):
            return None
        said = np.asarray(self.hdus[TEXT].data, np.uint8).tobytes()
        try:
            mask = from_text(said.decode("utf-8"), self.name)
        except UnicodeDecodeError:
            raise InputError(f"{TEXT} is no text: give the file as it was written") from None
        if not np.array_equal(self._pixels(self.hdus[0]).astype(np.uint32), mask.dq()):
            return None
        return without(mask, None if self.chosen is None else dq.names(self.chosen))


def _used_or_not(hdu: Any) -> bool:
    """Whether an image says of each pixel if it is used: floats 0 and 1."""
    if hdu.header.get("BITPIX", 8) > 0 or len(hdu.shape) not in (2, 3):
        return False
    return bool(np.isin(hdu.data, (0, 1)).all())


def _whole_numbers(name: str, pixels: Array) -> Array:
    """DQ values as uint32; a signed 32-bit image has the highest bit as its sign."""
    if pixels.dtype == np.int32:
        return pixels.view(np.uint32)
    if pixels.dtype.kind == "f" and (pixels != np.rint(pixels)).any():
        raise InputError(f"{name} holds fractions: DQ values are whole numbers")
    if pixels.dtype.kind not in "biuf":
        raise InputError(f"{name} holds {pixels.dtype}: DQ values are whole numbers")
    if pixels.size and (pixels.min() < 0 or pixels.max() > 0xFFFFFFFF):
        raise InputError(f"{name} holds {pixels.min()} to {pixels.max()}: DQ values have 32 bits")
    return pixels.astype(np.uint32)
