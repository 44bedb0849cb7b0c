"""Open JWST exposures: raw and linearised ramps, rates, calibrated images, slits and cubes.

Only astropy is used, and the samples of a ramp are mapped, not read: a large raw file opens in
milliseconds. What a file does not hold is filled so that nothing looks better than it is:

- ramp flags: zero, without memory of their own
- DQ of a rate: DO_NOT_USE where the rate is not finite, else zero
- ERR: from the variances where both are there, else NaN
- VAR_POISSON, VAR_RNOISE: NaN, for a variance of zero would claim a perfect measurement
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Array, Cube, Exposure, Ramp, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits, unpacker
from jwinteractive.io.cube import read_cube
from jwinteractive.io.header import FIT_PLANES, exposure_of
from jwinteractive.io.slits import (
    SLIT_MODELS,
    chosen,
    is_rectified_stack,
    slit_cards,
    slits_of,
    stack_cards,
    stack_wavelengths,
)
from jwinteractive.irs2 import FAST, Interleaved, Mapped, science_rows

__all__ = ["Opened", "open_product", "open_products", "opened_fits"]

_IMAGES: Final = frozenset(
    {"", "Level1bModel", "RampModel", "GuiderRawModel", "ImageModel", "IFUImageModel", "CubeModel"}
)
_CUBE: Final = "IFUCubeModel"
_COMBINED: Final = MappingProxyType(
    {"MIRI": "MIRIFUSHORT", "NIRSPEC": "NRS1", "NIRCAM": "NRCALONG", "NIRISS": "NIS"}
)
"""Detector whose tables stand for those that a combined product is from, by instrument."""
_STORED: Final = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX
R = TypeVar("R", Rate, RateInts)
_DAY: Final = 86400.0  # s
_ImageHDU = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)


@dc.dataclass(frozen=True)
class Opened:
    """A product as it was read, and plain sentences on what had to be assumed."""

    product: Ramp | Rate | RateInts | Cube
    notes: tuple[str, ...] = ()


def open_product(path: Path | str) -> Opened:
    """Open a JWST exposure: Ramp from uncal or ramp, RateInts from a 3-D, Rate from a 2-D file.

    Ramp data stay on disk, mapped in the file's byte order, until `Ramp.native` reads them; a
    compressed file is read whole. The one slit of a spectral file is a Rate or RateInts too; an
    IFU's cube is a Cube.

    Raises
    ------
    InputError
        If there is no such file, it is damaged, or it holds no single exposure in detector pixels,
        slit or cube.
    """
    first, *others = open_products(path)
    if others:
        names = ", ".join(f.product.exposure.slit for f in (first, *others))
        raise InputError(f"{Path(path).name}: has {len(others) + 1} slits ({names}): choose one")
    return first


def open_products(path: Path | str, slits: Sequence[str | int] = ()) -> tuple[Opened, ...]:
    """Open the exposure of a file, as `open_product` does, or each of its slits.

    Parameters
    ----------
    path
        A file.
    slits
        Names of those to open; by default all.

    Raises
    ------
    InputError
        As `open_product`, or if there is no such slit.
    """
    path = Path(path)
    with opened_fits(path) as hdus:
        try:
            parts = _parts(path, hdus, slits)
            return tuple(part.read() for part in parts)
        except InputError as error:
            raise InputError(f"{path.name}: {error}") from None


def _parts(path: Path, hdus: fits.HDUList, slits: Sequence[str | int]) -> list[_File]:
    mapped = unpacker(path) is None
    if not _has_slits(hdus):
        if slits:
            raise InputError(f"has no slits, but {slits[0]!r} is asked for: leave it out")
        return [_File(path, hdus, mapped)]
    found = [_File(path, s.hdus, mapped, slit=s.name) for s in chosen(slits_of(hdus), slits)]
    if not found:
        raise InputError("has no SCI image of a slit: choose a file with one")
    return found


def _has_slits(hdus: fits.HDUList) -> bool:
    model = str(hdus[0].header.get("DATAMODL") or "").strip()
    return model in SLIT_MODELS and model != "SlitModel"


@dc.dataclass
class _File:
    path: Path
    hdus: fits.HDUList
    mapped: bool
    notes: list[str] = dc.field(default_factory=list)
    slit: str = ""

    def read(self) -> Opened:
        science = self._science()
        shape: tuple[int, ...] = science.shape
        cube = self._model() == _CUBE
        exposure, notes = exposure_of(self._cards(science), shape[-2:] if cube else shape)
        exposure = dc.replace(self._clocked(exposure), slit=self.slit)
        # what a rectified product does not tell of a detector is of no use
        if not cube and not is_rectified_stack(self.hdus):
            self.notes += notes
        product: Ramp | Rate | RateInts | Cube
        if cube:
            if len(shape) != 3:
                raise InputError(f"SCI is {shape}: a cube is [plane, y, x]: the file is damaged")
            exposure = dc.replace(exposure, dispaxis=3)
            product = read_cube(self.hdus, science, exposure, self.path, self._plane, self.notes)
        elif is_rectified_stack(self.hdus):
            product = self._stack(science, exposure)
        elif len(shape) == 4:
            product = self._ramp(science, exposure)
        elif len(shape) == 3:
            product = self._rate(RateInts, science, exposure)
        else:
            product = self._rate(Rate, science, exposure)
        return Opened(product, tuple(self.notes))

    def _model(self) -> str:
        return str(self.hdus[0].header.get("DATAMODL") or "").strip()

    def _science(self) -> Any:
        cards = self.hdus[0].header
        model = self._model()
        if model not in _IMAGES | SLIT_MODELS and model != _CUBE:
            raise InputError(
                f"is a {model}: this opens uncal, ramp, rate, rateints, cal and calints files of "
                "one exposure in detector pixels, slits (s2d too), and cubes (s3d)"
            )
        if model in _IMAGES and str(cards.get("S_RESAMP")).strip() == "COMPLETE":
            raise InputError("is resampled (S_RESAMP = 'COMPLETE'): open the exposures it is from")
        found = [h for h in self.hdus if h.name == "SCI" and isinstance(h, _ImageHDU)]
        if len(found) > 1:
            raise InputError(f"has {len(found)} SCI images: this opens files with one")
        if not found and self.hdus[0].shape:
            found = [self.hdus[0]]
        if not found:
            names = ", ".join(h.name or "(no name)" for h in self.hdus)
            raise InputError(f"has no SCI image, only {names}: choose a file with one")
        shape = found[0].shape
        if len(shape) not in (2, 3, 4):
            raise InputError(
                f"{found[0].name} has {len(shape)} dimensions {shape}: needs [integration, group, "
                "y, x], [integration, y, x] or [y, x]"
            )
        if 0 in shape:
            axes = ("integrations", "groups", "rows", "columns")
            empty = (axes if len(shape) == 4 else (axes[0], *axes[2:]))[-len(shape) :]
            missing = " and ".join(n for n, size in zip(empty, shape, strict=True) if not size)
            raise InputError(f"{found[0].name} of {shape} has no {missing}: choose a whole file")
        return found[0]

    def _cards(self, science: Any) -> dict[str, Any]:
        cards = {k: v for k, v in science.header.items() if k}
        cards |= {k: v for k, v in self.hdus[0].header.items() if k}
        if is_rectified_stack(self.hdus):
            return stack_cards(cards)
        if self._model() not in {_CUBE} | SLIT_MODELS:
            return cards
        cards = slit_cards(cards)
        if cards.get("DETECTOR") in ("MULTIPLE", "N/A", None):
            detector = _COMBINED.get(str(cards.get("INSTRUME")).strip().upper())
            if detector:
                cards["DETECTOR"] = detector
        return cards

    def _clocked(self, exposure: Exposure) -> Exposure:
        """Exposure with the times of its integrations from INT_TIMES, where they make sense."""
        try:
            table = self.hdus["INT_TIMES"].data
            number, start = table["integration_number"], table["int_start_MJD_UTC"]
            here = np.asarray(start, np.float64)[number >= exposure.first_integration]
        except (KeyError, IndexError, TypeError, AttributeError):
            return exposure
        here = here[: exposure.nints]
        if not len(here) or not (here > 0).all() or not (np.diff(here) > 0).all():
            return exposure
        period = (here[-1] - here[0]) * _DAY / (len(here) - 1) if len(here) > 1 else 0.0
        return dc.replace(exposure, start_time=float(here[0]), integration_period=float(period))

    def _ramp(self, science: Any, exposure: Exposure) -> Ramp:
        shape: tuple[int, ...] = science.shape
        data, zero = self._stored(science)
        if "IRS2" in exposure.readpatt and shape[-2] == FAST:
            return self._irs2(data, zero, exposure)
        frame = self._plane("ZEROFRAME", (shape[0], *shape[-2:]))
        zeroframe = None
        if frame is not None:
            zeroframe, own_zero = self._stored(frame)
            if own_zero != zero:
                zeroframe = np.add(zeroframe, np.float32(own_zero - zero), dtype=np.float32)
        flags = self._plane("GROUPDQ", shape)
        groupdq: Array = np.broadcast_to(np.uint8(0), shape)
        if flags is not None:
            stored, own_zero = self._stored(flags)
            unsigned = stored.dtype == np.uint8 and not own_zero
            groupdq = stored if unsigned else np.asarray(flags.data).astype(np.uint8)
        return Ramp(
            exposure=exposure,
            source=self.path,
            data=data,
            zero=zero,
            groupdq=groupdq,
            pixeldq=self._flags("PIXELDQ", shape[-2:]),
            zeroframe=zeroframe,
            average_dark_current=self._floats("AVDRKCUR", shape[-2:]),
        )

    def _irs2(self, data: Array, zero: float, exposure: Exposure) -> Ramp:
        """Ramp of the pixels of interleaved frames; they are read when the ramp is cut."""
        if not isinstance(data, np.memmap):
            raise InputError("holds IRS2 frames that cannot be mapped: unpack the file first")
        rows = science_rows(exposure.detector)
        shape = (*data.shape[:2], len(rows), data.shape[-1])
        flags = self._plane("GROUPDQ", data.shape)
        groupdq: Array = np.broadcast_to(np.uint8(0), shape)
        if flags is not None:
            groupdq = np.asarray(flags.data[:, :, rows]).astype(np.uint8)
        samples = Mapped(
            str(self.path.absolute()), int(data.offset), data.dtype.str, data.shape, zero
        )
        return Ramp(
            exposure=exposure,
            source=self.path,
            # no numbers, so that nobody takes them for samples
            data=np.broadcast_to(np.float32(np.nan), shape),
            zero=zero,
            groupdq=groupdq,
            pixeldq=self._flags("PIXELDQ", data.shape[-2:])[rows],
            interleaved=Interleaved(samples, exposure.detector, unread=True),
        )

    def _rate(self, kind: type[R], science: Any, exposure: Exposure) -> R:
        shape: tuple[int, ...] = science.shape
        data = np.ascontiguousarray(science.data, dtype=np.float32)
        poisson, readout = (self._floats(f"VAR_{n}", shape) for n in ("POISSON", "RNOISE"))
        err = self._floats("ERR", shape)
        if err is None and poisson is not None and readout is not None:
            err = np.sqrt(poisson + readout)
            self.notes.append("ERR is missing: taken from the variances")
        if self._plane("DQ", shape) is None:
            bad: Array = np.where(np.isfinite(data), 0, dq.DO_NOT_USE).astype(np.uint32)
            self.notes.append("DQ is missing: only pixels that are not finite are flagged")
            seen = self._floats("WHT", shape)
            if seen is not None:  # of a resampled image: 0 where no pixel fell
                bad[seen == 0] |= dq.DO_NOT_USE
        else:
            bad = self._flags("DQ", shape)
        fields = {f.name for f in dc.fields(kind)}
        beyond: dict[str, Any] = {
            n: self._native(hdu, shape) for n, hdu in FIT_PLANES.items() if n in fields
        }
        return kind(
            exposure=exposure,
            source=self.path,
            data=data,
            dq=bad,
            err=self._or_nan("ERR", err, shape),
            var_poisson=self._or_nan("VAR_POISSON", poisson, shape),
            var_rnoise=self._or_nan("VAR_RNOISE", readout, shape),
            var_flat=self._floats("VAR_FLAT", shape),
            wavelength=self._floats("WAVELENGTH", shape[-2:]),
            trace_model=self._floats("TRACEMODEL", shape[-2:]),
            **beyond,
        )

    def _stack(self, science: Any, exposure: Exposure) -> Rate:
        """Rate of a rectified image with inverse variances of all noise together."""
        shape: tuple[int, ...] = science.shape
        data = np.ascontiguousarray(science.data, np.float32)
        weight = np.asarray(self.hdus["WHT"].data, np.float64)
        seen = np.isfinite(data) & np.isfinite(weight) & (weight > 0)
        variance = np.divide(1, weight, out=np.full(shape, np.nan), where=seen).astype(np.float32)
        self.notes.append(
            "is a rectified image of several exposures: variances are 1 / WHT, all of them taken "
            "for read noise"
        )
        return Rate(
            exposure=exposure,
            source=self.path,
            data=data,
            dq=np.where(seen, 0, dq.DO_NOT_USE).astype(np.uint32),
            err=np.sqrt(variance),
            var_poisson=np.where(seen, 0, np.nan).astype(np.float32),
            var_rnoise=variance,
            wavelength=stack_wavelengths(self.hdus, (shape[0], shape[1])),
        )

    def _or_nan(self, name: str, plane: Array | None, shape: tuple[int, ...]) -> Array:
        if plane is not None:
            return plane
        self.notes.append(f"{name} is missing: filled with NaN, not known")
        return np.full(shape, np.nan, np.float32)

    def _plane(self, name: str, shape: tuple[int, ...]) -> Any:
        """Return the image of a name, or None; its shape must be the one that belongs to SCI."""
        if name not in self.hdus:
            return None
        hdu = self.hdus[name]
        if not isinstance(hdu, _ImageHDU) or not hdu.shape:
            return None
        if hdu.shape != shape:
            raise InputError(f"{name} is {hdu.shape}, SCI asks for {shape}: the file is damaged")
        return hdu

    def _stored(self, hdu: Any) -> tuple[Array, float]:
        """Pixels as stored, mapped where they can be, and the number to add (BZERO)."""
        header = hdu.header
        mapped = self.mapped and not isinstance(hdu, fits.CompImageHDU)
        if not mapped or header.get("BSCALE", 1) != 1:
            return np.asarray(hdu.data), 0.0
        stored = np.dtype(_STORED[header["BITPIX"]])
        pixels = np.memmap(self.path, stored, "r", hdu.fileinfo()["datLoc"], hdu.shape)
        return pixels, float(header.get("BZERO", 0.0))

    def _native(self, name: str, shape: tuple[int, ...]) -> Array | None:
        """Pixels of an image in the type that they are stored in."""
        hdu = self._plane(name, shape)
        if hdu is None:
            return None
        return np.ascontiguousarray(hdu.data, hdu.data.dtype.newbyteorder("="))

    def _floats(self, name: str, shape: tuple[int, ...]) -> Array | None:
        hdu = self._plane(name, shape)
        return None if hdu is None else np.ascontiguousarray(hdu.data, dtype=np.float32)

    def _flags(self, name: str, shape: tuple[int, ...]) -> Array:
        hdu = self._plane(name, shape)
        if hdu is None:
            return np.broadcast_to(np.uint32(0), shape)
        return np.asarray(hdu.data).astype(np.uint32)
