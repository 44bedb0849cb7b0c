"""Rates of several exposures of one detector and window, read together some rows at a time.

Only the rows asked for are read, so that memory does not grow with the exposures.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Array, Exposure
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.io.header import exposure_of
from jwinteractive.io.read import open_product

__all__ = ["Member", "RateFile", "Rows", "check_alike", "header_facts", "open_rate"]

UNUSED = dq.DO_NOT_USE | dq.NON_SCIENCE | dq.REFERENCE_PIXEL
_STORED = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX
_IMAGES = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)
_PLANES = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE")


@dc.dataclass(frozen=True)
class Rows:
    """Some rows of one exposure [y, x]: rate and err in the file's unit, bad pixels as bool."""

    rate: Array
    err: Array
    bad: Array


class Member(Protocol):
    """One exposure of a stack.

    ``seconds`` is the length of an integration, ``nints`` their number; ``dispersion`` the axis
    along which light is dispersed: 1 is x, 2 is y, 0 none; ``mjd`` is 0 where it is not known.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - of the exposure, for messages
    @property
    def exposure(self) -> Exposure: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, int]: ...  # noqa: D102
    @property
    def mjd(self) -> float: ...  # noqa: D102
    @property
    def dispersion(self) -> int: ...  # noqa: D102

    def rows(self, y0: int, y1: int) -> Rows:
        """Read the rows y0 to y1, the end excluded."""
        ...

    def variances(self, y0: int, y1: int) -> tuple[Array, Array]:
        """Read Poisson and read-out variance of some rows; NaN where not known."""
        ...


@dc.dataclass(frozen=True)
class _Plane:
    """An image in a file: read some rows of all its integrations [integration, y, x]."""

    path: Path
    offset: int
    stored: str
    shape: tuple[int, int, int]
    flipped: bool = False  # unsigned, kept as signed (BZERO)

    def rows(self, y0: int, y1: int) -> Array:
        nint, ny, nx = self.shape
        kind = np.dtype(self.stored)
        parts = np.empty((nint, y1 - y0, nx), kind.newbyteorder("="))
        with self.path.open("rb") as file:
            for i in range(nint):
                file.seek(self.offset + (i * ny + y0) * nx * kind.itemsize)
                parts[i] = np.fromfile(file, kind, (y1 - y0) * nx).reshape(y1 - y0, nx)
        if self.flipped:
            parts = parts.view(f"u{kind.itemsize}") ^ (1 << 8 * kind.itemsize - 1)
        return parts


@dc.dataclass(frozen=True)
class _Held:
    """An image in memory, of a packed file."""

    data: Array

    def rows(self, y0: int, y1: int) -> Array:
        return self.data[:, y0:y1]


@dc.dataclass(frozen=True)
class RateFile:
    """A rate, rateints or cal file; of several integrations, their mean."""

    path: Path
    exposure: Exposure
    shape: tuple[int, int]
    mjd: float
    dispersion: int
    planes: Mapping[str, _Plane | _Held]

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def rows(self, y0: int, y1: int) -> Rows:
        """Read the rows y0 to y1, the end excluded."""
        rate, err = (self._floats(name, y0, y1) for name in ("SCI", "ERR"))
        bad = ~(np.isfinite(rate) & (err > 0) & np.isfinite(err))
        if "DQ" in self.planes:
            bad |= self.planes["DQ"].rows(y0, y1) & np.uint32(UNUSED) != 0
        if len(rate) == 1:
            return Rows(rate[0], err[0], bad[0])
        n = np.count_nonzero(~bad, axis=0)
        some = np.maximum(n, 1).astype(np.float32)
        mean = np.where(bad, np.float32(0), rate).sum(axis=0) / some
        noise = np.sqrt(np.where(bad, np.float32(0), err**2).sum(axis=0)) / some
        return Rows(mean, noise, n == 0)

    def variances(self, y0: int, y1: int) -> tuple[Array, Array]:
        """Read Poisson and read-out variance of the mean of the integrations, some rows."""
        found = [
            self._floats(name, y0, y1).mean(axis=0) / self.planes["SCI"].rows(0, 1).shape[0]
            if name in self.planes
            else np.full((y1 - y0, self.shape[1]), np.nan, np.float32)
            for name in ("VAR_POISSON", "VAR_RNOISE")
        ]
        return found[0], found[1]

    def _floats(self, name: str, y0: int, y1: int) -> Array:
        return np.asarray(self.planes[name].rows(y0, y1), np.float32)


def header_facts(cards: Mapping[str, Any], exposure: Exposure) -> tuple[float, int]:
    """Middle of an exposure (MJD, 0: not known) and its dispersion axis, from the header."""
    mjd = 0.0
    for name in ("EXPMID", "EXPSTART"):
        value = cards.get(name)
        if isinstance(value, int | float) and value > 0:
            mjd = float(value)
            break
    axis = cards.get("DISPAXIS")
    if axis not in (1, 2):
        axis = _axis_of(exposure)
    return mjd or exposure.start_time, int(axis)


def _axis_of(exposure: Exposure) -> int:
    """Dispersion axis of a mode whose header does not tell it."""
    kind = exposure.exp_type
    if kind in ("MIR_MRS", "MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS"):
        return 2
    if exposure.instrument == "NIRSPEC" and exposure.grating not in ("", "MIRROR"):
        return 1
    if kind == "NIS_SOSS":
        return 1
    return 0


def open_rate(path: Path) -> RateFile:
    """Find the images of a rate, rateints or cal file; no pixels are read but of packed files.

    Raises
    ------
    InputError
        If it is damaged, holds no rate, or has no errors.
    """
    with opened_fits(path) as hdus:
        images = [h for h in hdus if isinstance(h, _IMAGES) and h.shape]
        names = {h.name: h for h in images}
        science = names.get("SCI")
        if science is None or len(science.shape) not in (2, 3):
            raise InputError(
                f"{path.name}: has no SCI image [y, x] or [integration, y, x]: "
                "choose rate, rateints or cal files"
            )
        if "ERR" not in names:
            raise InputError(
                f"{path.name}: has no ERR image, and thresholds are in units of noise: "
                "choose a rate, rateints or cal file with errors"
            )
        cards = {k: v for h in (science, hdus[0]) for k, v in h.header.items() if k}
        try:
            exposure, _ = exposure_of(cards, science.shape)
        except InputError as error:
            raise InputError(f"{path.name}: {error}") from None
        mjd, axis = header_facts(cards, exposure)
        simple = all(_is_plain(names[n]) for n in _PLANES if n in names)
        if simple and _is_unpacked(path):
            planes: dict[str, _Plane | _Held] = {
                name: _plane(path, names[name], science.shape) for name in _PLANES if name in names
            }
            return RateFile(path, exposure, science.shape[-2:], mjd, axis, planes)
    product = open_product(path).product
    held = {
        name: _Held(getattr(product, field).reshape(-1, *product.shape))
        for name, field in zip(
            _PLANES, ("data", "err", "dq", "var_poisson", "var_rnoise"), strict=True
        )
    }
    return RateFile(path, exposure, product.shape, mjd, axis, held)


def _is_unpacked(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"


def _is_plain(hdu: Any) -> bool:
    """Whether the numbers of an image lie in the file as they are."""
    packed = isinstance(hdu, fits.CompImageHDU) or hdu.header.get("BSCALE", 1) != 1
    integer = hdu.header["BITPIX"] > 0
    return not packed and (integer or hdu.header.get("BZERO", 0) == 0)


def _plane(path: Path, hdu: Any, shape: tuple[int, ...]) -> _Plane:
    if hdu.shape != shape:
        raise InputError(
            f"{path.name}: {hdu.name} is {hdu.shape}, SCI asks for {shape}: the file is damaged"
        )
    whole = (1, *shape) if len(shape) == 2 else shape
    bits = hdu.header["BITPIX"]
    flipped = bits > 8 and bool(hdu.header.get("BZERO", 0))
    ny, nx = whole[-2:]
    return _Plane(path, hdu.fileinfo()["datLoc"], _STORED[bits], (whole[0], ny, nx), flipped)


def check_alike(members: Sequence[Member]) -> None:
    """Refuse exposures that are not of the same pixels.

    Raises
    ------
    InputError
        If there are fewer than two, or two differ in detector or window.
    """
    if len(members) < 2:
        held = members[0].name if members else "none"
        raise InputError(
            f"{len(members)} exposure ({held}): statistics over exposures need at least 2: "
            "name more of the same detector and window"
        )
    first = members[0]
    for other in members[1:]:
        for what, of in (
            ("instrument", lambda m: m.exposure.instrument),
            ("detector", lambda m: m.exposure.detector),
            ("shape", lambda m: m.shape),
            ("window", lambda m: (m.exposure.xstart, m.exposure.ystart)),
        ):
            if of(first) != of(other):
                raise InputError(
                    f"{other.name} has {what} {of(other)}, {first.name} has {of(first)}: "
                    "take exposures of one detector and window together"
                )
