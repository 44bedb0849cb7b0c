"""FITS files opened with care: packed ones too, and none that is damaged or cut short."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from astropy.io import fits

from jwinteractive.errors import InputError
from jwinteractive.silence import silence

__all__ = ["opened_fits", "unpacker"]

_PACKED: Final[Mapping[bytes, Callable[[bytes], bytes]]] = MappingProxyType(
    {b"\x1f\x8b": gzip.decompress, b"BZh": bz2.decompress, b"\xfd7zXZ": lzma.decompress}
)


@contextlib.contextmanager
def opened_fits(path: Path) -> Iterator[fits.HDUList]:
    """Open a FITS file and check that all of it is there.

    Raises
    ------
    InputError
        If there is no such file, it is no FITS file, or it is cut short.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder: choose a FITS file in it")
    if not path.exists():
        raise InputError(f"{path}: no such file: check the name and the folder")
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(_stream(path))
            with silence():  # said better by _check_size
                # Pixels are read where they are asked for; what is mapped is mapped by `_stored`.
                hdus = stack.enter_context(fits.open(stream, memmap=False, lazy_load_hdus=False))
                for hdu in hdus:  # a card that is no FITS becomes a string
                    hdu.verify("silentfix+ignore")
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            # astropy goes on with options of its own, which nobody can set here
            reason = str(error).partition("\n")[0].partition(". If this")[0].rstrip(". ")
            raise InputError(
                f"{path.name}: cannot be read as FITS ({reason}): copy or download it again"
            ) from None
        _check_size(path.name, stream, hdus)
        yield hdus


def _stream(path: Path) -> BinaryIO:
    """Return the bytes of a file, in memory where it is packed."""
    unpack = unpacker(path)
    return path.open("rb") if unpack is None else io.BytesIO(unpack(path.read_bytes()))


def unpacker(path: Path) -> Callable[[bytes], bytes] | None:
    """Function that unpacks a file, by how it begins; None where it is not packed."""
    with path.open("rb") as stream:
        start = stream.read(6)
    return next((f for magic, f in _PACKED.items() if start.startswith(magic)), None)


def _check_size(name: str, stream: BinaryIO, hdus: fits.HDUList) -> None:
    actual = stream.seek(0, 2)
    for hdu in hdus:
        info = hdu.fileinfo()
        tiled = isinstance(hdu, fits.CompImageHDU)  # its size is that of the pixels, unpacked
        needed = info["datLoc"] + (info["datSpan"] - 2879 if tiled else hdu.size)
        if needed > actual:
            raise InputError(
                f"{name}: is cut short: {hdu.name} ends at byte {needed}, the file has {actual}: "
                "copy or download it again"
            )
    last = hdus[-1].fileinfo()
    stream.seek(last["datLoc"] + last["datSpan"])
    if stream.read(8) == b"XTENSION":
        raise InputError(
            f"{name}: is cut short in the header after {hdus[-1].name}: copy or download it again"
        )
