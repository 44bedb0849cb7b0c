"""What each type of reference file holds, how it is read, and its nominal stand-in.

Formats follow the official reference-file documentation (HDU names, DQ_DEF tables). Values that no
file gives come from the detector tables (dossier 13) and are called *nominal*.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Array, Box, Exposure, cut, seal
from jwinteractive.detectors import detector, reference_pixels
from jwinteractive.errors import MissingReference
from jwinteractive.irs2 import FAST, ROW, Mapped, science_rows
from jwinteractive.masks import Mask, Part

__all__ = [
    "DarkRef",
    "EmicorrRef",
    "FlatRef",
    "GainRef",
    "IpcRef",
    "Irs2Ref",
    "LinearityRef",
    "MaskRef",
    "PersistenceRef",
    "PictureFrameRef",
    "ReadnoiseRef",
    "Reference",
    "ResetRef",
    "RscdRef",
    "SaturationRef",
    "SirsKernelRef",
    "SuperbiasRef",
    "decoupling",
    "irs2_weights",
    "kind_of",
]


@dc.dataclass(frozen=True, kw_only=True)
class Reference:
    """Base of all reference types: read-only arrays whose last axes are (y, x).

    Class attributes say what a file of the type looks like: ``reftype``, the HDU of each array
    (``hdus``; those in ``required`` must be there) and the header keywords that select it.
    """

    reftype: ClassVar[str]
    parameter: ClassVar[str] = ""  # of a step, that names a file of the type; "": as the type
    files: ClassVar[tuple[str, ...]] = ("*.fits", "*.fits.gz")
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI", "dq": "DQ"}
    required: ClassVar[tuple[str, ...]] = ("data",)
    selects: ClassVar[tuple[str, ...]] = ("DETECTOR",)
    of_pixels: ClassVar[bool] = True  # False: it need not cover the exposure's pixels
    searched: ClassVar[bool] = True  # False: there is none unless the user gives it
    from_mask: ClassVar[Part | None] = None  # what of the user's masks it is; None: nothing

    box: Box | None = None

    def __post_init__(self) -> None:
        seal(self)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by field name."""
        values = {f.name: getattr(self, f.name) for f in dc.fields(self)}
        return {name: v for name, v in values.items() if isinstance(v, np.ndarray)}

    def crop(self, box: Box) -> Self:
        """Return the pixels inside ``box``: contiguous, native byte order, decimals as float32."""
        part = cut(self, box)
        changes: dict[str, Any] = {
            name: np.ascontiguousarray(
                value, np.float32 if value.dtype.kind == "f" else value.dtype.newbyteorder("=")
            )
            for name, value in part.arrays().items()
        }
        return dc.replace(part, **changes)

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read the part inside ``window`` of an open reference file.

        Raises
        ------
        MissingReference
            If a required HDU is absent.
        """
        arrays: dict[str, Any] = {}
        for name, hdu in cls.hdus.items():
            if hdu not in hdus:
                if name in cls.required:
                    raise MissingReference(
                        f"{hdus.filename()}: a {cls.reftype} reference needs an HDU {hdu}"
                    )
                continue
            whole = pixel_rows(flags(hdus) if hdu == "DQ" else hdus[hdu].data, exposure)
            arrays[name] = whole[..., window[0], window[1]]
        if "dq" in cls.hdus and "dq" not in arrays:
            ny, nx = next(iter(arrays.values())).shape[-2:]
            arrays["dq"] = np.zeros((ny, nx), np.uint32)
        return cls(**arrays, **cls.header(hdus[0].header, exposure))

    @classmethod
    def header(cls, header: fits.Header, exposure: Exposure) -> dict[str, Any]:
        """Fields that come from the primary header."""
        return {}

    @classmethod
    def read_tree(cls, tree: Mapping[str, Any], exposure: Exposure) -> Self:
        """Read an ASDF tree, for types that are kept so.

        Raises
        ------
        ValueError
            If the type is kept in FITS files.
        """
        raise ValueError(f"a {cls.reftype} reference is a FITS file, not an ASDF file")

    @classmethod
    def of_mask(cls, mask: Mask, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Make it of the layers of a mask for pixels, for types that are flags alone.

        Raises
        ------
        ValueError
            If the type is more.
        InputError
            If the mask does not fit the exposure of (ny, nx) pixels.
        """
        if cls.required != ("dq",):
            raise ValueError(f"a {cls.reftype} reference is a FITS file, not a mask")
        flags: dict[str, Any] = {"dq": mask.cut_to(exposure, shape).dq(exposure.filename)}
        return cls(**flags)

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Stand-in for a (ny, nx) frame, from the detector tables.

        Raises
        ------
        MissingReference
            Where no honest stand-in can be made.
        """
        raise MissingReference(
            f"{cls.reftype} for {exposure.detector}: no file was found and no nominal one can be "
            "made; give one as an override or in a folder"
        )


def kind_of(reftype: str) -> type[Reference] | None:
    """Our own kind for references of an official type, if there is one."""
    kinds = (k for k in Reference.__subclasses__() if getattr(k, "reftype", "") == reftype)
    return next(kinds, None)


def pixel_rows(whole: Array, exposure: Exposure) -> Array:
    """Rows of pixels of a reference [..., y, x] that has the rows of an IRS2 frame, or all rows."""
    interleaved = "IRS2" in exposure.readpatt and whole.shape[-2] == FAST
    return whole[..., science_rows(exposure.detector), :] if interleaved else whole


def flags(hdus: fits.HDUList) -> Array:
    """DQ of a reference file in the standard bits, uint32 [y, x]; DQ_DEF says what its bits mean.

    A MIRI dark has planes [integration, group, y, x] of flags: their union is returned.
    """
    raw: Array = np.asarray(hdus["DQ"].data).astype(np.uint32, copy=False)
    if raw.ndim > 2:
        raw = np.bitwise_or.reduce(raw.reshape(-1, *raw.shape[-2:]), axis=0)
    if "DQ_DEF" not in hdus or not len(hdus["DQ_DEF"].data):
        return raw
    standard: Array = np.zeros_like(raw)
    for row in hdus["DQ_DEF"].data:
        bit = dq.BITS.get(row["NAME"].strip())
        if bit is not None:
            standard[raw & np.uint32(row["VALUE"]) != 0] |= np.uint32(bit)
    return standard


def decoupling(alpha: float) -> Array:
    """Kernel [3, 3] of sum 1 that undoes a coupling of ``alpha`` to each of four neighbours."""
    forward = np.zeros((32, 32))
    forward[0, 0] = 1 - 4 * alpha
    forward[[0, 0, 1, -1], [1, -1, 0, 0]] = alpha
    kernel = np.fft.ifft2(1 / np.fft.fft2(forward)).real[np.ix_((-1, 0, 1), (-1, 0, 1))]
    return np.asarray(kernel / kernel.sum(), np.float32)


def _constant(value: float, shape: tuple[int, ...]) -> Array:
    return np.full(shape, value, np.float32)


@dc.dataclass(frozen=True, kw_only=True)
class MaskRef(Reference):
    """Bad pixels: dq uint32 [y, x]; ``bad`` are rows of an IRS2 frame that hold bad references."""

    reftype: ClassVar[str] = "mask"
    hdus: ClassVar[Mapping[str, str]] = {"dq": "DQ"}
    required: ClassVar[tuple[str, ...]] = ("dq",)
    dq: Array
    bad: tuple[int, ...] = ()

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read as any reference; of interleaved references, which rows are bad."""
        found = super().read(hdus, window, exposure)
        if "IRS2" not in exposure.readpatt or hdus["DQ"].shape[-2] != FAST:
            return found
        bad = np.flatnonzero((flags(hdus) & np.uint32(dq.BITS["BAD_REF_PIXEL"])).any(axis=1))
        return dc.replace(found, bad=tuple(bad.tolist()))

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """No bad pixels; reference pixels where the detector has them."""
        d = detector(exposure.instrument, exposure.detector)
        dark = reference_pixels(d, exposure.xstart, exposure.ystart, shape)
        return cls(dq=np.where(dark, np.uint32(dq.REFERENCE_PIXEL), np.uint32(0)))


@dc.dataclass(frozen=True, kw_only=True)
class SaturationRef(Reference):
    """Saturation threshold of each pixel: data DN [y, x]; dq uint32."""

    reftype: ClassVar[str] = "saturation"
    data: Array
    dq: Array

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Full well over gain above the bias, kept below the converter's range."""
        d = detector(exposure.instrument, exposure.detector)
        return cls(data=_constant(d.saturation, shape), dq=np.zeros(shape, np.uint32))


@dc.dataclass(frozen=True, kw_only=True)
class SuperbiasRef(Reference):
    """Bias of each pixel: data DN [y, x]; dq uint32; ``interleaved`` is that of an IRS2 frame."""

    reftype: ClassVar[str] = "superbias"
    selects: ClassVar[tuple[str, ...]] = ("DETECTOR", "READPATT")
    data: Array
    dq: Array
    interleaved: Mapped | None = None

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read as any reference; of an IRS2 frame, where its levels are in the file."""
        found, hdu = super().read(hdus, window, exposure), hdus["SCI"]
        path, mappable = hdus.filename(), isinstance(hdu, fits.ImageHDU)
        whole = "IRS2" in exposure.readpatt and hdu.shape[-2] == FAST
        if not whole or not mappable or path is None or not str(path).endswith(".fits"):
            return found
        stored = {-32: ">f4", -64: ">f8"}.get(hdu.header["BITPIX"])
        if stored is None:
            return found
        place = Mapped(str(path), hdu.fileinfo()["datLoc"], stored, hdu.shape)
        return dc.replace(found, interleaved=place)

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """A flat bias: it moves no slope, only the zero point of linearity. MIRI has none."""
        if exposure.instrument == "MIRI":
            return super().nominal(exposure, shape)
        d = detector(exposure.instrument, exposure.detector)
        return cls(data=_constant(d.bias, shape), dq=np.zeros(shape, np.uint32))


@dc.dataclass(frozen=True, kw_only=True)
class LinearityRef(Reference):
    """Polynomial that linearises the signal: coeffs [coefficient, y, x], lowest first; dq."""

    reftype: ClassVar[str] = "linearity"
    hdus: ClassVar[Mapping[str, str]] = {
        "coeffs": "COEFFS",
        "inv_coeffs": "INV_COEFFS",
        "dq": "DQ",
    }
    required: ClassVar[tuple[str, ...]] = ("coeffs",)
    coeffs: Array
    dq: Array
    inv_coeffs: Array | None = None

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """The identity: nominal data stay non-linear."""
        coeffs = np.zeros((2, *shape), np.float32)
        coeffs[1] = 1
        return cls(coeffs=coeffs, dq=np.zeros(shape, np.uint32))


@dc.dataclass(frozen=True, kw_only=True)
class DarkRef(Reference):
    """Dark signal: data DN [group, y, x], MIRI [integration, group, y, x]; dq uint32.

    ``average_dark_current`` is e-/s [y, x] where the file has it, else None and
    ``average_dark_current_value`` holds one number (0 if unknown).
    """

    reftype: ClassVar[str] = "dark"
    hdus: ClassVar[Mapping[str, str]] = {
        "data": "SCI",
        "dq": "DQ",
        "average_dark_current": "AVDRKCUR",
    }
    selects: ClassVar[tuple[str, ...]] = ("DETECTOR", "READPATT")
    data: Array
    dq: Array
    average_dark_current: Array | None = None
    average_dark_current_value: float = 0.0
    nframes: int = 1
    groupgap: int = 0

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read as any reference; a mean current that is zero everywhere counts as not given."""
        found = super().read(hdus, window, exposure)
        average = found.average_dark_current
        if average is None or average.any():
            return found
        return dc.replace(found, average_dark_current=None)

    @classmethod
    def header(cls, header: fits.Header, exposure: Exposure) -> dict[str, Any]:
        """Averaging of the dark's groups and its mean current."""
        return {
            "nframes": int(header.get("NFRAMES") or 1),
            "groupgap": int(header.get("GROUPGAP") or 0),
            "average_dark_current_value": float(header.get("AVDRKCUR") or 0.0),
        }

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """The detector's mean dark current, the same in every pixel."""
        d = detector(exposure.instrument, exposure.detector)
        times = np.arange(exposure.ngroups, dtype=np.float32) * np.float32(exposure.group_time)
        ramp = (times * np.float32(d.dark / d.gain))[:, None, None]
        data = np.broadcast_to(ramp, (exposure.ngroups, *shape))
        if exposure.instrument == "MIRI":
            data = data[None]
        return cls(
            data=data,
            dq=np.zeros(shape, np.uint32),
            average_dark_current_value=d.dark,
            nframes=exposure.nframes,
            groupgap=exposure.groupgap,
        )


@dc.dataclass(frozen=True, kw_only=True)
class FlatRef(Reference):
    """Relative response of the pixels of an image: data [y, x], NaN or 0 where it is not known."""

    reftype: ClassVar[str] = "flat"
    selects: ClassVar[tuple[str, ...]] = ("DETECTOR", "FILTER", "PUPIL")
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    data: Array


@dc.dataclass(frozen=True, kw_only=True)
class GainRef(Reference):
    """Gain: data e-/DN [y, x]; ``gain_factor`` scales rates of modes read at another gain."""

    reftype: ClassVar[str] = "gain"
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    data: Array
    gain_factor: float = 0.0  # 0: not given

    @classmethod
    def header(cls, header: fits.Header, exposure: Exposure) -> dict[str, Any]:
        """Gain factor, where there is one."""
        return {"gain_factor": float(header.get("GAINFACT") or 0.0)}

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """The detector's mean gain."""
        return cls(data=_constant(detector(exposure.instrument, exposure.detector).gain, shape))


@dc.dataclass(frozen=True, kw_only=True)
class ReadnoiseRef(Reference):
    """Read noise of a difference of two reads (CDS): data DN [y, x]."""

    reftype: ClassVar[str] = "readnoise"
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    selects: ClassVar[tuple[str, ...]] = ("DETECTOR", "READPATT")
    data: Array

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """The detector's mean read noise, as a difference of two reads."""
        d = detector(exposure.instrument, exposure.detector)
        return cls(data=_constant(d.cds_noise, shape))


@dc.dataclass(frozen=True, kw_only=True)
class ResetRef(Reference):
    """MIRI reset anomaly: data DN [integration, group, y, x]; dq uint32."""

    reftype: ClassVar[str] = "reset"
    selects: ClassVar[tuple[str, ...]] = ("DETECTOR", "READPATT")
    data: Array
    dq: Array

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """No correction."""
        return cls(data=np.zeros((1, 1, *shape), np.float32), dq=np.zeros(shape, np.uint32))


@dc.dataclass(frozen=True, kw_only=True)
class IpcRef(Reference):
    """Kernel that undoes the coupling of pixels: [y, x] of the kernel, or one [.., y, x] a pixel.

    The signal of a frame is convolved with it.
    """

    reftype: ClassVar[str] = "ipc"
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    data: Array

    def __post_init__(self) -> None:
        """One kernel for all pixels has no place on the detector."""
        if self.data.ndim == 4:
            super().__post_init__()

    def crop(self, box: Box) -> Self:
        """Return the kernels of the pixels inside ``box``, or the one of all."""
        return super().crop(box) if self.data.ndim == 4 else self

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read the kernels inside ``window``, or the one of all pixels."""
        if "SCI" in hdus and hdus["SCI"].data.ndim == 2:
            return cls(data=hdus["SCI"].data.astype(np.float32))
        return super().read(hdus, window, exposure)

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Inverse, to 3 x 3 pixels, of the detector's mean coupling to four neighbours."""
        alpha = detector(exposure.instrument, exposure.detector).ipc
        return cls(data=decoupling(alpha)) if alpha else super().nominal(exposure, shape)


@dc.dataclass(frozen=True, kw_only=True)
class PersistenceRef(Reference):
    """Windows of persistence that earlier exposures left open, from an official ASDF file.

    ``data`` [y, x] is when each closes, in seconds since 1970 (float64), 0 where there is none; it
    begins at the exposure's first pixel, and pixels beyond it have none.
    """

    reftype: ClassVar[str] = "persistence"
    parameter: ClassVar[str] = "persistence_array_file"
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    searched: ClassVar[bool] = False
    data: Array

    def __post_init__(self) -> None:
        """Keep the doubles: in single precision an instant is known to two minutes."""
        view = np.asarray(self.data, np.float64).view()
        view.flags.writeable = False
        object.__setattr__(self, "data", view)

    def crop(self, box: Box) -> Self:
        """Return itself: what lies inside a box says `inside`."""
        return self

    def inside(self, box: Box) -> Array:
        """Ends of the windows inside a box, [y, x]; a new array."""
        ends = np.zeros(box.shape)
        here = self.data[box.y0 : box.y1, box.x0 : box.x1]
        ends[: here.shape[0], : here.shape[1]] = here
        return ends

    @classmethod
    def read_tree(cls, tree: Mapping[str, Any], exposure: Exposure) -> Self:
        """Read what the file holds of the exposure's detector; nothing, if it has no such entry.

        Raises
        ------
        ValueError
            If it is of another subarray.
        """
        found = tree.get(exposure.detector)
        if found is None:
            return cls(data=np.zeros((1, 1)))
        corner = [exposure.xstart, exposure.ystart]
        if list(found.get("corner", corner)) != corner:  # official files do not say
            raise ValueError(
                f"its pixels begin at {found['corner']}, those of the exposure at {corner}"
            )
        rows, columns = np.asarray(found["rows"]), np.asarray(found["cols"])
        ends = np.zeros((rows.max(initial=0) + 1, columns.max(initial=0) + 1))
        ends[rows, columns] = found["vals"]
        return cls(data=ends)


@dc.dataclass(frozen=True, kw_only=True)
class PictureFrameRef(Reference):
    """NIRSpec's thermal pattern, in any unit: data [y, x]."""

    reftype: ClassVar[str] = "pictureframe"
    hdus: ClassVar[Mapping[str, str]] = {"data": "SCI"}
    data: Array


@dc.dataclass(frozen=True, kw_only=True)
class RscdRef(Reference):
    """MIRI groups to skip at the start of the first and of later integrations.

    The file is a table without pixels; -1 in ``skip_first`` means a file of the old form, and
    ``found`` is False where the table has no row for the subarray and read-out pattern.
    """

    reftype: ClassVar[str] = "rscd"
    skip_first: int = 0
    skip_later: int = 0
    found: bool = True

    def __post_init__(self) -> None:
        pass  # no arrays to seal

    def crop(self, box: Box) -> Self:
        """Return itself: it has no pixels."""
        return self

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Find the row of the exposure's subarray and read-out pattern."""
        table = hdus["RSCD_GROUP_SKIP"].data
        old = "group_skip1" not in {n.lower() for n in table.names}
        for row in table:
            if (row["subarray"].strip(), row["readpatt"].strip()) == (
                exposure.subarray,
                exposure.readpatt,
            ):
                first = -1 if old else int(row["group_skip1"])
                return cls(skip_first=first, skip_later=int(row["group_skip"]))
        return cls(found=False)

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Four groups, three e-folds of the transient (dossier 3.9)."""
        return cls(skip_first=4, skip_later=4)


@dc.dataclass(frozen=True, kw_only=True)
class EmicorrRef(Reference):
    """MIRI electromagnetic interference in the exposure's subarray, from an ASDF file.

    Attributes
    ----------
    frequencies
        In Hz, in the order in which they are taken out; none where the file has no entry for the
        subarray and the speed of the read-out.
    waves
        One cycle of each [frequency, point], DN, in the middle of equal parts of the cycle; None
        where the shape is not known.
    rowclocks, frameclocks
        Clocks of 10 us from row to row, and of a frame; 0: not given.
    """

    reftype: ClassVar[str] = "emicorr"
    parameter: ClassVar[str] = "user_supplied_reffile"
    files: ClassVar[tuple[str, ...]] = ("*.asdf",)
    required: ClassVar[tuple[str, ...]] = ("waves",)
    selects: ClassVar[tuple[str, ...]] = ()
    frequencies: tuple[float, ...] = ()
    waves: Array | None = None
    rowclocks: int = 0
    frameclocks: int = 0

    def __post_init__(self) -> None:
        if self.waves is not None:
            view = np.asarray(self.waves, np.float64).view()
            if view.ndim != 2 or len(view) != len(self.frequencies):
                raise MissingReference(
                    f"emicorr: {len(self.frequencies)} frequencies, but waves of shape "
                    f"{view.shape}: give one row of waves for each frequency"
                )
            view.flags.writeable = False
            object.__setattr__(self, "waves", view)

    def crop(self, box: Box) -> Self:
        """Return itself: it has no pixels."""
        return self

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Refuse: the type is kept in ASDF files."""
        raise ValueError("an emicorr reference is an ASDF file, not a FITS file")

    @classmethod
    def read_tree(cls, tree: Mapping[str, Any], exposure: Exposure) -> Self:
        """Find the subarray's clocks and frequencies, and the wave of each frequency."""
        speed = "SLOW" if "SLOW" in exposure.readpatt.upper() else "FAST"
        name = exposure.subarray + (f"_{speed}" if exposure.subarray == "FULL" else "")
        case = tree["subarray_cases"].get(name, {})
        names = case.get("freqs", {}).get(speed, ())
        if speed == "SLOW":
            names = names.get(exposure.detector, ()) if names else ()
        if not names:
            return cls()
        entries = [tree["frequencies"][n] for n in names]
        waves = [np.asarray(e["phase_amplitudes"], np.float64) for e in entries]
        points = max(map(len, waves))
        middle = (np.arange(points) + 0.5) / points
        same = [w if len(w) == points else _resampled(w, middle) for w in waves]
        return cls(
            frequencies=tuple(float(e["frequency"]) for e in entries),
            waves=np.stack(same),
            rowclocks=int(case["rowclocks"]),
            frameclocks=int(case["frameclocks"]),
        )

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """The two frequencies that MIRI is known for; their shape is then measured."""
        if exposure.instrument != "MIRI":
            return super().nominal(exposure, shape)
        return cls(frequencies=(390.625, 10.039216))


def _resampled(wave: Array, at: Array) -> Array:
    """One cycle, given in the middle of equal parts of it, at other phases: straight between."""
    middle = (np.arange(len(wave)) + 0.5) / len(wave)
    return np.interp(at, middle, wave, period=1.0)


def irs2_weights(
    common: float, amplifier: float, white: float, gain: float, rows: int = 2048
) -> tuple[Array, Array]:
    """Weights of the reference output and of an amplifier's own references, complex64 [frequency].

    The linear estimate of least variance (Wiener's) of the noise in an amplifier, where 1/f noise
    common to all outputs has a given rms over eleven factors of four in time, that of each one
    another, white noise is ``white`` and references see the 1/f noise with ``gain``. Frequencies
    from 0 to the highest, of streams of so many rows.
    """
    n = rows * ROW
    f = np.maximum(np.fft.rfftfreq(n), 0.5 / n)
    shape = 1 / (11 * np.log(4) * f)
    shared, own = common**2 * shape, amplifier**2 * shape
    # references fill 256 clocks of a row, each of 128 twice; the output's 512 pixels fill the rest
    filled = 256 / ROW
    output = gain**2 * (shared + own) + 2 * white**2 * ROW / 512
    mine = (gain * filled) ** 2 * (shared + own) + 2 * white**2 * 512 / ROW
    both = filled * gain**2 * shared
    to_output, to_mine = gain * shared, filled * gain * (shared + own)
    scale = output * mine - both**2
    with np.errstate(invalid="ignore"):
        alpha = np.nan_to_num((to_output * mine - to_mine * both) / scale)
        beta = np.nan_to_num((to_mine * output - to_output * both) / scale)
    # references come every 22 clocks: faster noise is seen as slower
    beta *= 0.5 + 0.5 * np.cos(np.pi * np.clip((f - 1 / 66) * 132, 0, 1))
    return alpha.astype(np.complex64), beta.astype(np.complex64)


@dc.dataclass(frozen=True, kw_only=True)
class Irs2Ref(Reference):
    """Weights of the correction of IRS2 frames, by frequency from 0 to the highest.

    Attributes
    ----------
    alpha, beta
        Of the reference output, and of each amplifier's own references, complex64
        [amplifier, 712 x 2048 / 2 + 1]: the part of the tabulated ones that acts on real streams.
    bad
        References known to be bad, [entry, (output, 1 odd or 2 even, 32 bits of blocks)].
    """

    reftype: ClassVar[str] = "refpix"
    selects: ClassVar[tuple[str, ...]] = ("DETECTOR", "READPATT")
    required: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    alpha: Array
    beta: Array
    bad: Array

    def __post_init__(self) -> None:
        """Weights have no place on the detector."""
        for name in ("alpha", "beta", "bad"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def crop(self, box: Box) -> Self:
        """Return itself: it has no pixels."""
        return self

    @classmethod
    def of_table(cls, columns: Mapping[str, Array], bad: Array) -> Self:
        """Take the columns of the official table, real and imaginary parts in turn.

        Raises
        ------
        ValueError
            If it has another number of rows.
        """
        n = len(columns["alpha_0"]) // 2
        found: dict[str, Array] = {}
        for name in ("alpha", "beta"):
            weights = np.empty((4, n // 2 + 1), np.complex64)
            for k in range(4):
                parts = np.ascontiguousarray(columns[f"{name}_{k}"], np.float32)
                if parts.size % (4 * ROW):
                    raise ValueError(f"{name}_{k} has {parts.size} rows, not 2 x {ROW} x 2048")
                whole = parts.view(np.complex64)
                # the correction is real: so acts only what is alike at f and -f
                weights[k] = 0.5 * (whole[: n // 2 + 1] + np.conj(whole[-np.arange(n // 2 + 1)]))
            found[name] = weights
        return cls(alpha=found["alpha"], beta=found["beta"], bad=bad)

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Read the official table of weights, and that of bad references where there is one."""
        bad = np.zeros((0, 3), np.int64)
        if "DQ" in hdus and len(hdus["DQ"].data):
            table = hdus["DQ"].data
            columns = [np.asarray(table[c], np.int64) for c in ("OUTPUT", "ODD_EVEN", "MASK")]
            bad = np.stack(columns, axis=1)
        return cls.of_table(hdus["IRS2"].data, bad)

    @classmethod
    def nominal(cls, exposure: Exposure, shape: tuple[int, int]) -> Self:
        """Weights for the 1/f noise that the electronics usually have, NIRSpec's IRS2 frames only.

        3 e- common to all outputs and 1 e- of each (dossier 13), and the detector's read noise.
        """
        if "IRS2" not in exposure.readpatt:
            return super().nominal(exposure, shape)
        d = detector(exposure.instrument, exposure.detector)
        alpha, beta = irs2_weights(3.0, 1.0, d.read_noise, 1.0, shape[1])
        # the same of all amplifiers, not four copies
        every = (4, alpha.size)
        return cls(
            alpha=np.broadcast_to(alpha, every),
            beta=np.broadcast_to(beta, every),
            bad=np.zeros((0, 3), np.int64),
        )


@dc.dataclass(frozen=True, kw_only=True)
class SirsKernelRef(Reference):
    """Fourier coefficients of the kernels that make drifts of the side columns, from an ASDF file.

    ``gamma`` and ``zeta`` [amplifier, frequency] are for the first and the last four columns.
    """

    reftype: ClassVar[str] = "sirskernel"
    files: ClassVar[tuple[str, ...]] = ("*.asdf",)
    required: ClassVar[tuple[str, ...]] = ("gamma", "zeta")
    selects: ClassVar[tuple[str, ...]] = ()
    gamma: Array
    zeta: Array

    def __post_init__(self) -> None:
        for name in ("gamma", "zeta"):
            view = np.asarray(getattr(self, name)).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    def crop(self, box: Box) -> Self:
        """Return itself: it has no pixels."""
        return self

    @classmethod
    def read(cls, hdus: fits.HDUList, window: tuple[slice, slice], exposure: Exposure) -> Self:
        """Refuse: the type is kept in ASDF files."""
        raise ValueError("a sirskernel reference is an ASDF file, not a FITS file")

    @classmethod
    def read_tree(cls, tree: Mapping[str, Any], exposure: Exposure) -> Self:
        """Find the coefficients of the exposure's detector."""
        found = tree[exposure.detector.lower()]
        return cls(gamma=np.asarray(found["gamma"]), zeta=np.asarray(found["zeta"]))
