"""The JWST detectors, their readout patterns, subarrays and clocking, as plain tables.

Sources: dossier section 13 (detector, pattern and frame-time tables), section 3.10 (MIRI clocks);
subarray corners from the public aperture file of the observatory (SIAF) and, for NIRSpec and the
NIRISS strips, from the selection rules of published reference files.

Electrons and DN are kept apart by name: `gain` is in e-/DN, `read_noise`, `ktc` and `well` are in
electrons, `bias` is in DN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from jwinteractive.errors import InputError, suggestion

TICK = 1e-5
"""Seconds per pixel clock: every JWST detector samples at 10 microseconds."""

_ALIASES = MappingProxyType({"NRCA5": "NRCALONG", "NRCB5": "NRCBLONG"})

SATURATION_CEILING = 64500.0
"""Highest usable raw value in DN: the converter ends at 65535, noise and offsets need room."""

# Clocks between two rows, and the clocks a skipped MIRI row costs (dossier 3.10).
_NIR_ROW_OVERHEAD = 12
_MIRI_SKIPPED_ROW = 7
_MIRI_ROWCLOCKS = MappingProxyType(
    {
        ("FULL", "FAST"): 271,
        ("FULL", "SLOW"): 2333,
        ("BRIGHTSKY", "FAST"): 162,
        ("SUB256", "FAST"): 96,
        ("SUB128", "FAST"): 44,
        ("SUB64", "FAST"): 28,
        ("SLITLESSPRISM", "FAST"): 28,
        ("MASK1065", "FAST"): 82,
        ("MASK1140", "FAST"): 82,
        ("MASK1550", "FAST"): 82,
        ("MASKLYOT", "FAST"): 90,
    }
)


@dataclass(frozen=True)
class Detector:
    """One detector of the observatory: its electronics, geometry and readout directions.

    Attributes
    ----------
    name, instrument : str
        As in the header keywords DETECTOR and INSTRUME.
    gain : float
        Electrons per DN.
    read_noise : float
        Standard deviation of one read in electrons (not the CDS value of the READNOISE reference).
    dark : float
        Dark current in electrons per second.
    ktc : float
        Reset (kTC) noise of one integration in electrons; 0 for the MIRI arrays.
    well : float
        Full well in electrons.
    bias : float
        Nominal level of a reset pixel in DN.
    shape : tuple of int
        (ny, nx) of the full frame in the science orientation, reference pixels included.
    amplifiers : int
        Outputs of a full-frame readout.
    fastaxis, slowaxis : int
        The keywords FASTAXIS and SLOWAXIS: 1 is x, 2 is y, the sign is the direction.
    pitch : float
        Pixel pitch in micrometres.
    ipc : float
        Fraction of a pixel's signal that each of its four neighbours shows; 0: not known.
    """

    name: str
    instrument: str
    gain: float
    read_noise: float
    dark: float
    ktc: float
    well: float
    bias: float
    shape: tuple[int, int]
    amplifiers: int
    fastaxis: int
    slowaxis: int
    pitch: float
    ipc: float = 0.0

    @property
    def cds_noise(self) -> float:
        """Noise of the difference of two reads in DN: what a READNOISE reference holds."""
        return self.read_noise * float(np.sqrt(2.0)) / self.gain

    @property
    def saturation(self) -> float:
        """Raw level in DN at which a pixel is full, or the converter ends, whichever is lower."""
        return min(self.bias + self.well / self.gain, SATURATION_CEILING)


def _nircam(name: str, gain: float, flip: bool, long: bool = False) -> Detector:
    fast, slow = (1, -2) if flip else (-1, 2)
    noise, dark, ktc, well = (10.0, 0.034, 36.8, 83e3) if long else (11.5, 0.002, 37.6, 105e3)
    shape = (2048, 2048)
    ipc = 0.0060 if long else 0.0054
    return Detector(
        name, "NIRCAM", gain, noise, dark, ktc, well, 9000.0, shape, 4, fast, slow, 18.0, ipc
    )


def _nirspec(name: str, fast: int, slow: int) -> Detector:
    shape = (2048, 2048)
    return Detector(
        name, "NIRSPEC", 1.0, 11.0, 0.01, 35.0, 65e3, 9000.0, shape, 4, fast, slow, 18.0
    )


def _miri(name: str) -> Detector:
    # about 6 DN of read noise at 4 e-/DN
    return Detector(name, "MIRI", 4.0, 24.0, 0.2, 0.0, 210e3, 9000.0, (1024, 1032), 4, 1, 2, 25.0)


def _guider(name: str, fast: int, slow: int) -> Detector:
    shape = (2048, 2048)
    return Detector(name, "FGS", 1.7, 14.0, 0.02, 35.0, 80e3, 9000.0, shape, 4, fast, slow, 18.0)


# Nominal bias levels are placeholders everywhere; so are the values marked [E]: NIRSpec read
# noise, dark and kTC, NIRISS kTC and well, and all of the guiders.
_ALL = (
    _nircam("NRCA1", 2.13, flip=False),
    _nircam("NRCA2", 2.17, flip=True),
    _nircam("NRCA3", 2.25, flip=False),
    _nircam("NRCA4", 2.08, flip=True),
    _nircam("NRCALONG", 1.88, flip=False, long=True),
    _nircam("NRCB1", 2.00, flip=True),
    _nircam("NRCB2", 2.24, flip=False),
    _nircam("NRCB3", 2.09, flip=True),
    _nircam("NRCB4", 2.18, flip=False),
    _nircam("NRCBLONG", 1.90, flip=True, long=True),
    Detector("NIS", "NIRISS", 1.61, 16.0, 0.02, 35.0, 100e3, 9000.0, (2048, 2048), 4, -2, -1, 18.0),
    _nirspec("NRS1", 2, 1),
    _nirspec("NRS2", -2, -1),
    _miri("MIRIMAGE"),
    _miri("MIRIFUSHORT"),
    _miri("MIRIFULONG"),
    _guider("GUIDER1", -2, -1),
    _guider("GUIDER2", 2, -1),
)

DETECTORS: Mapping[str, Detector] = MappingProxyType({d.name: d for d in _ALL})
"""Every detector by its header name."""

READOUTS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "RAPID": (1, 0),
        "BRIGHT1": (1, 1),
        "BRIGHT2": (2, 0),
        "SHALLOW2": (2, 3),
        "SHALLOW4": (4, 1),
        "MEDIUM2": (2, 8),
        "MEDIUM8": (8, 2),
        "DEEP2": (2, 18),
        "DEEP8": (8, 12),
        "NISRAPID": (1, 0),
        "NIS": (4, 0),
        "NRSRAPID": (1, 0),
        "NRS": (4, 0),
        "NRSIRS2RAPID": (1, 0),
        "NRSIRS2": (5, 0),
        "FASTR1": (1, 0),
        "FASTR100": (1, 0),
        "FASTGRPAVG": (4, 0),
        "FASTGRPAVG8": (8, 0),
        "FASTGRPAVG16": (16, 0),
        "FASTGRPAVG32": (32, 0),
        "FASTGRPAVG64": (64, 0),
        "SLOWR1": (1, 0),
        "FGSRAPID": (1, 0),
    }
)
"""Readout pattern -> (frames averaged per group, frames skipped between groups)."""

_PATTERNS = {
    "NIRCAM": (
        *("RAPID", "BRIGHT1", "BRIGHT2", "SHALLOW2", "SHALLOW4"),
        *("MEDIUM2", "MEDIUM8", "DEEP2", "DEEP8"),
    ),
    "NIRISS": ("NISRAPID", "NIS"),
    "NIRSPEC": ("NRSRAPID", "NRS", "NRSIRS2RAPID", "NRSIRS2"),
    "MIRI": (
        *("FASTR1", "FASTR100", "SLOWR1", "FASTGRPAVG", "FASTGRPAVG8"),
        *("FASTGRPAVG16", "FASTGRPAVG32", "FASTGRPAVG64"),
    ),
    "FGS": ("FGSRAPID",),
}

Subarray = tuple[int, int, int, int, int]
"""(xsize, ysize, xstart, ystart, amplifiers): 1-based corner, science orientation."""


def _subarrays(name: str) -> Mapping[str, Subarray]:
    ny, nx = DETECTORS[name].shape
    table: dict[str, Subarray] = {"FULL": (nx, ny, 1, 1, DETECTORS[name].amplifiers)}
    table.update(_CORNERS.get(name, {}))
    return MappingProxyType(table)


def _squares(corners: Mapping[int, tuple[int, int]], suffix: str = "") -> dict[str, Subarray]:
    return {f"SUB{n}{suffix}": (n, n, x, y, 1) for n, (x, y) in corners.items()}


def _imaging(right: bool, top: bool) -> dict[str, Subarray]:
    # The corner of a short-wavelength detector that points at the centre of its module.
    sizes = (160, 320, 640)
    return _squares({n: (2049 - n if right else 1, 2049 - n if top else 1) for n in sizes})


def _point(*corners: tuple[int, int]) -> dict[str, Subarray]:
    return _squares(dict(zip((64, 160, 400), corners, strict=True)), "P")


def _grism(*starts: int) -> dict[str, Subarray]:
    sizes = (256, 128, 64)
    return {f"SUBGRISM{n}": (2048, n, 1, y, 4) for n, y in zip(sizes, starts, strict=True)}


_UPPER_RIGHT = ((1985, 1985), (1889, 1889), (1649, 1649))

# Grating settings move the NIRSpec windows by some rows; these are one published setting each.
_NRS_SLITS: dict[str, Subarray] = {
    "ALLSLITS": (2048, 256, 1, 897, 1),
    "SUB2048": (2048, 32, 1, 967, 1),
    "SUB1024A": (1024, 32, 1, 963, 1),
    "SUB1024B": (1024, 32, 1025, 963, 1),
    "SUB512": (512, 32, 1025, 957, 1),
    "SUB512S": (512, 16, 1025, 965, 1),
    "SUB32": (32, 32, 1399, 975, 1),
    "SUBS200A1": (2048, 64, 1, 1041, 1),
    "SUBS200A2": (2048, 64, 1, 1005, 1),
    "SUBS200B1": (2048, 64, 1, 905, 1),
    "SUBS400A1": (2048, 64, 1, 965, 1),
}

_CORNERS: dict[str, dict[str, Subarray]] = {
    "NRCA1": _imaging(right=True, top=True) | _grism(1, 103, 135),
    "NRCA2": _imaging(right=True, top=False),
    "NRCA3": _imaging(right=False, top=True)
    | _point((1, 101), (1889, 1), (1649, 1))
    | _grism(1, 112, 144),
    "NRCA4": _imaging(right=False, top=False),
    "NRCALONG": _squares({160: (945, 945), 320: (865, 865), 640: (705, 705)})
    | _point((1046, 1), (1889, 1), (1649, 1))
    | _grism(1, 1, 1),
    "NRCB1": _imaging(right=False, top=False) | _point(*_UPPER_RIGHT),
    "NRCB2": _imaging(right=False, top=True),
    "NRCB3": _imaging(right=True, top=False),
    "NRCB4": _imaging(right=True, top=True),
    "NRCBLONG": _squares({160: (905, 941), 320: (825, 861), 640: (665, 701)})
    | _point(*_UPPER_RIGHT),
    "NIS": {
        **_squares({64: (1985, 1985), 80: (1045, 1), 128: (1921, 1921), 256: (1793, 1793)}),
        "SUBSTRIP96": (2048, 96, 1, 1803, 1),
        "SUBSTRIP256": (2048, 256, 1, 1793, 1),
        "SUBTAAMI": (64, 64, 1054, 81, 1),
        "SUBTASOSS": (64, 64, 1923, 1167, 1),
        "WFSS64R": (64, 2048, 1985, 1, 4),
        "WFSS128R": (128, 2048, 1921, 1, 4),
        "WFSS64C": (2048, 64, 1, 1985, 1),
        "WFSS128C": (2048, 128, 1, 1921, 1),
    },
    "NRS1": _NRS_SLITS,
    "NRS2": _NRS_SLITS,
    "MIRIMAGE": {
        "BRIGHTSKY": (512, 512, 457, 51, 4),
        "SUB256": (256, 256, 413, 51, 4),
        "SUB128": (136, 128, 1, 889, 4),
        "SUB64": (72, 64, 1, 779, 4),
        "SLITLESSPRISM": (72, 416, 1, 529, 4),
        "MASK1065": (288, 224, 1, 19, 4),
        "MASK1140": (288, 224, 1, 245, 4),
        "MASK1550": (288, 224, 1, 467, 4),
        "MASKLYOT": (320, 304, 1, 717, 4),
    },
    "GUIDER1": {"SUB128LL": (128, 128, 1921, 1921, 1), "SUB128CNTR": (128, 128, 961, 961, 1)},
    "GUIDER2": {"SUB128LL": (128, 128, 1921, 1, 1), "SUB128CNTR": (128, 128, 961, 961, 1)},
}

SUBARRAYS: Mapping[str, Mapping[str, Subarray]] = MappingProxyType(
    {name: _subarrays(name) for name in DETECTORS}
)
"""Detector -> subarray -> (xsize, ysize, xstart, ystart, amplifiers), science orientation."""


def detector(instrument: str, detector_name: str) -> Detector:
    """Return the detector of an instrument by its header name, in any case.

    Raises
    ------
    InputError
        If there is no such detector, or it belongs to another instrument.
    """
    found = DETECTORS.get(detector_name.upper())
    if found is None:
        raise InputError(_unknown("detector", detector_name, DETECTORS))
    if found.instrument != instrument.upper():
        message = (
            f"detector = {detector_name!r}: belongs to {found.instrument}, not to {instrument!r}: "
            f"use one of {', '.join(d.name for d in _ALL if d.instrument == instrument.upper())}"
        )
        raise InputError(message)
    return found


def same_detector(name: str, other: str) -> bool:
    """Whether two header names are of one detector: NIRCam's long-wave ones have two each."""
    return science_name(name) == science_name(other)


def science_name(name: str) -> str:
    """Name of a detector in the headers of science files: NRCALONG, where others say NRCA5."""
    word = name.strip().upper()
    return _ALIASES.get(word, word)


def subarray(detector_name: str, name: str) -> Subarray:
    """Return (xsize, ysize, xstart, ystart, amplifiers) of a subarray of a detector.

    Raises
    ------
    InputError
        If the detector has no such subarray in the table.
    """
    table = SUBARRAYS[detector_name]
    if name.upper() not in table:
        raise InputError(_unknown(f"subarray of {detector_name}", name, table))
    return table[name.upper()]


def readout(instrument: str, pattern: str) -> tuple[int, int]:
    """Return (frames averaged, frames skipped) of a readout pattern of an instrument.

    Raises
    ------
    InputError
        If the instrument has no such pattern.
    """
    known = _PATTERNS[instrument.upper()]
    if pattern.upper() not in known:
        raise InputError(_unknown(f"readpatt of {instrument.upper()}", pattern, known))
    return READOUTS[pattern.upper()]


def frame_divisor(frames: int) -> int:
    """Return what the flight computer divides a sum of `frames` frames by: a power of two.

    The keyword FRMDIVSR: the next power of two at or above `frames` (4 for 3, 8 for 5).
    """
    return int(1 << (frames - 1).bit_length())


def frame_time(
    det: Detector, xsize: int, ysize: int, amplifiers: int, pattern: str = "RAPID"
) -> float:
    """Time to read one frame of `xsize` x `ysize` pixels (science orientation) in seconds.

    Near infrared: ((n_fast / amplifiers + 12) (n_slow + r) + f) 10 us, with r = f = 1 for four
    amplifiers, r = 2 and f = 0 for one, NIRSpec r = 1 and f = 0 (dossier 13). MIRI:
    (ny rowclocks + (1024 - ny) 7) 10 us (dossier 3.10); windows that are not in the table get
    nx / 4 + 10 clocks a row, which is what the tabulated windows at the left edge have. The
    interleaved IRS2 patterns take 14.58889 s.
    """
    rows, row_ticks, extra = frame_clocks(det, xsize, ysize, amplifiers, pattern)
    return (rows * row_ticks + extra) * TICK


def frame_clocks(
    det: Detector, xsize: int, ysize: int, amplifiers: int, pattern: str = "RAPID"
) -> tuple[int, int, int]:
    """Return (rows, clocks per row, extra clocks per frame) of a readout.

    The rows run along the slow axis and include the overhead rows; see `frame_time`.
    """
    if det.instrument == "MIRI":
        return ysize, _miri_rowclocks(det, xsize, ysize, pattern), _skipped(det, ysize)
    if pattern.upper().startswith("NRSIRS2"):
        return 2048, 712, 714
    fast, slow = (xsize, ysize) if abs(det.fastaxis) == 1 else (ysize, xsize)
    row = fast // amplifiers + _NIR_ROW_OVERHEAD
    if amplifiers == 4:
        return slow + 1, row, 1
    return slow + (1 if det.instrument == "NIRSPEC" else 2), row, 0


def outputs_of(det: Detector, shape: tuple[int, int], subarray: str = "", told: int = 0) -> int:
    """Outputs that read the pixels of a frame of (ny, nx); ``told`` is what its header says.

    IRS2 frames have one more, of references.
    """
    if shape == det.shape:
        return 4
    known = SUBARRAYS[det.name].get(subarray, (0, 0, 0, 0, 1))
    return min(told or known[4], 4)


def _skipped(det: Detector, ysize: int) -> int:
    return (det.shape[0] - ysize) * _MIRI_SKIPPED_ROW


def _miri_rowclocks(det: Detector, xsize: int, ysize: int, pattern: str) -> int:
    speed = "SLOW" if pattern.upper().startswith("SLOW") else "FAST"
    name = next(
        (n for n, (nx, ny, *_) in SUBARRAYS[det.name].items() if (nx, ny) == (xsize, ysize)), ""
    )
    fast = _MIRI_ROWCLOCKS.get((name, "FAST"), -(-xsize // 4) + 10)
    if speed == "FAST":
        return fast
    ratio = _MIRI_ROWCLOCKS["FULL", "SLOW"] / _MIRI_ROWCLOCKS["FULL", "FAST"]
    return _MIRI_ROWCLOCKS.get((name, "SLOW"), round(fast * ratio))


def _unknown(kind: str, value: str, known: Iterable[str]) -> str:
    return f"{kind} = {value!r}: unknown: {suggestion(value.upper(), sorted(known))}"


def reference_pixels(
    det: Detector, xstart: int, ystart: int, shape: tuple[int, int]
) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return where a (ny, nx) window that starts at (xstart, ystart), from 1, sees no light.

    Near infrared: a border of four pixels; MIRI: the four first and four last columns.
    """
    ny, nx = shape
    x = np.arange(nx) + xstart - 1
    columns = (x < 4) | (x >= det.shape[1] - 4)
    if det.instrument == "MIRI":
        return np.broadcast_to(columns, shape).copy()
    y = np.arange(ny) + ystart - 1
    rows = (y < 4) | (y >= det.shape[0] - 4)
    return rows[:, None] | columns[None, :]
