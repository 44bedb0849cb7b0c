"""What a header says: an `Exposure` from FITS keywords and back.

Header values are data: they are compared and converted, and what is missing or senseless is taken
from the detector tables, with a plain sentence that says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from astropy.io import fits

from jwinteractive.data import Exposure
from jwinteractive.detectors import (
    DETECTORS,
    READOUTS,
    SUBARRAYS,
    Detector,
    Subarray,
    detector,
    frame_time,
)
from jwinteractive.errors import InputError

__all__ = ["FIT_PLANES", "exposure_of", "header_of"]

FIT_PLANES: Final = MappingProxyType(
    {
        "chi2": "CHI2",
        "dof": "DOF",
        "chi2_between": "CHI2_BETWEEN",
        "pedestal": "PEDESTAL",
        "replaced": "REPLACED",
    }
)
"""What is known of a rate beyond the official data models, by field -> HDU."""

_KEYWORDS: Final = MappingProxyType(
    {
        "instrument": "INSTRUME",
        "detector": "DETECTOR",
        "exp_type": "EXP_TYPE",
        "filter": "FILTER",
        "pupil": "PUPIL",
        "grating": "GRATING",
        "channel": "CHANNEL",
        "band": "BAND",
        "subarray": "SUBARRAY",
        "readpatt": "READPATT",
        "nints": "NINTS",
        "ngroups": "NGROUPS",
        "nframes": "NFRAMES",
        "groupgap": "GROUPGAP",
        "noutputs": "NOUTPUTS",
        "frame_time": "TFRAME",
        "group_time": "TGROUP",
        "frame_divisor": "FRMDIVSR",
        "first_integration": "INTSTART",
        "xstart": "SUBSTRT1",
        "ystart": "SUBSTRT2",
        "fastaxis": "FASTAXIS",
        "slowaxis": "SLOWAXIS",
        "gain_factor": "GAINFACT",
        "start_time": "EXPSTART",
        "tso": "TSOVISIT",
    }
)
_STATUS: Final = MappingProxyType(
    {
        "S_BKDSUB": "bkg_subtract",
        "S_BPXSLF": "badpix_selfcal",
        "S_BARSHA": "barshadow",
        "S_CHGMIG": "charge_migration",
        "S_CLNFNS": "clean_flicker_noise",
        "S_DARK": "dark_sub",
        "S_DQINIT": "dq_init",
        "S_ERRINI": "err_init",
        "S_EXTR1D": "extract_1d",
        "S_EXTR2D": "extract_2d",
        "S_FLAT": "flat_field",
        "S_FRINGE": "fringe",
        "S_FRSTFR": "firstframe",
        "S_GANSCL": "gain_scale",
        "S_GRPSCL": "group_scale",
        "S_IMPRNT": "imprint",
        "S_IPC": "ipc",
        "S_JUMP": "jump",
        "S_LASTFR": "lastframe",
        "S_LINEAR": "linearity",
        "S_MIREMI": "emicorr",
        "S_MSAFLG": "msa_flagging",
        "S_MSBSUB": "master_background",
        "S_OUTLIR": "outlier_detection",
        "S_PCTFRM": "picture_frame",
        "S_PERSIS": "persistence",
        "S_PHOTOM": "photom",
        "S_PTHLOS": "pathloss",
        "S_PXREPL": "pixel_replace",
        "S_RAMP": "ramp_fit",
        "S_REFPIX": "refpix",
        "S_RESAMP": "resample",
        "S_RESET": "reset",
        "S_RESFRI": "residual_fringe",
        "S_RSCD": "rscd",
        "S_SATURA": "saturation",
        "S_SKYMAT": "skymatch",
        "S_SRCTYP": "srctype",
        "S_STRAY": "straylight",
        "S_SUPERB": "superbias",
        "S_TRCMOD": "adaptive_trace_model",
        "S_TWKREG": "tweakreg",
        "S_WAVCOR": "wavecorr",
        "S_WCS": "assign_wcs",
    }
)
"""Official status keyword -> step, of the steps that change one exposure."""

_ALONG_X: Final = frozenset(
    {"NRS_FIXEDSLIT", "NRS_BRIGHTOBJ", "NRS_MSASPEC", "NRS_IFU", "NRS_AUTOFLAT", "NIS_SOSS"}
)
_ALONG_Y: Final = frozenset({"MIR_LRS-FIXEDSLIT", "MIR_LRS-SLITLESS", "MIR_MRS"})
_GRISMS: Final = MappingProxyType({"GRISMR": 1, "GRISMC": 2})
"""Dispersion axis of NIRCam's grisms, which stand in its pupil wheel."""

_GROUND_PATTERNS: Final = MappingProxyType({"FAST": "FASTR1", "SLOW": "SLOWR1"})
_ZERO_IS_A_VALUE: Final = ("groupgap", "tso")


class _Cards:
    """Keywords of a file, read with care, and the notes on what was assumed."""

    def __init__(self, cards: Mapping[str, Any]) -> None:
        self.cards = cards
        self.notes: list[str] = []

    def text(self, keyword: str) -> str:
        value = self.cards.get(keyword)
        if value is None or isinstance(value, fits.card.Undefined):
            return ""
        word = str(value).strip().upper()
        return "" if word == "N/A" else word

    def number(self, keyword: str, low: float = -math.inf) -> float | None:
        """Value of a keyword, or None (and a note) where it is no number of at least ``low``."""
        word = self.text(keyword)
        if not word:
            return None
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if math.isfinite(value) and value >= low:
            return value
        self.notes.append(f"{keyword} = {word!r} makes no sense and was left out")
        return None

    def number_or(self, keyword: str, instead: float, where: str, low: float = -math.inf) -> float:
        value = self.number(keyword, low)
        if value is not None:
            return value
        self.notes.append(f"{keyword} is missing: {instead:g} {where}")
        return instead


def exposure_of(
    cards: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[Exposure, tuple[str, ...]]:
    """Exposure that the keywords of a file describe, and what had to be assumed.

    Parameters
    ----------
    cards
        Keywords of the primary header, or of all headers that matter.
    shape
        Of the science array: [integration, group, y, x], [integration, y, x] or [y, x]. Where it
        disagrees with the keywords it is right.

    Returns
    -------
    Exposure
        With nints and ngroups of the array where it has these axes.
    tuple of str
        One plain sentence for each assumption.

    Raises
    ------
    InputError
        If the instrument or the detector is unknown.
    """
    read = _Cards(cards)
    instrument = read.text("INSTRUME")
    if instrument not in (known := sorted({d.instrument for d in DETECTORS.values()})):
        raise InputError(f"INSTRUME = {instrument!r}: unknown: known are {', '.join(known)}")
    d = detector(instrument, read.text("DETECTOR"))
    nints, ngroups = _counts(read, shape)
    readpatt = _pattern(read)
    average, gap = READOUTS.get(readpatt, (1, 0))
    nframes = int(read.number_or("NFRAMES", average, f"taken for READPATT {readpatt!r}", 1))
    groupgap = int(read.number_or("GROUPGAP", gap, f"taken for READPATT {readpatt!r}", 0))
    subarray, xstart, ystart, amplifiers = _window(read, d, shape)
    ny, nx = shape[-2:]
    frame = read.number("TFRAME", 1e-6)
    if frame is None:
        frame = frame_time(d, nx, ny, amplifiers, readpatt)
        read.notes.append(f"TFRAME is missing: {frame:g} s taken from the detector's clock table")
    exposure = Exposure(
        instrument=instrument,
        detector=d.name,
        exp_type=read.text("EXP_TYPE"),
        filter=read.text("FILTER"),
        pupil=read.text("PUPIL"),
        grating=read.text("GRATING"),
        channel=read.text("CHANNEL"),
        band=read.text("BAND"),
        subarray=subarray,
        readpatt=readpatt,
        nints=nints,
        ngroups=ngroups,
        nframes=nframes,
        groupgap=groupgap,
        noutputs=int(read.number("NOUTPUTS", 1) or 0),
        frame_time=frame,
        group_time=read.number_or(
            "TGROUP", (nframes + groupgap) * frame, "s taken from TFRAME", 1e-6
        ),
        frame_divisor=int(read.number("FRMDIVSR", 0) or 0),
        first_integration=int(read.number("INTSTART", 1) or 1),
        xstart=xstart,
        ystart=ystart,
        fastaxis=int(read.number_or("FASTAXIS", d.fastaxis, f"taken for {d.name}")),
        slowaxis=int(read.number_or("SLOWAXIS", d.slowaxis, f"taken for {d.name}")),
        gain_factor=read.number("GAINFACT", 0) or 0.0,
        date=_date(read),
        start_time=read.number("EXPSTART", 0) or 0.0,
        tso=read.text("TSOVISIT") in ("TRUE", "T", "1"),
        done=steps_done(cards),
        **_spectral(read),
    )
    if not exposure.exp_type:
        read.notes.append("EXP_TYPE is missing: steps that depend on the mode cannot know it")
    return exposure, tuple(read.notes)


def steps_done(cards: Mapping[str, Any]) -> tuple[str, ...]:
    """Official steps that the keywords of a file say it has been through."""
    return tuple(step for step, told in step_statuses(cards).items() if told == "COMPLETE")


def step_statuses(cards: Mapping[str, Any]) -> dict[str, str]:
    """What the keywords of a file say of official steps: COMPLETE, SKIPPED, ..."""
    read = _Cards(cards)
    return {step: told for key, step in _STATUS.items() if (told := read.text(key))}


def header_of(exposure: Exposure, shape: tuple[int, int]) -> dict[str, str | int | float | bool]:
    """Keywords that describe an exposure of (ny, nx) pixels; what it does not know is left out."""
    header: dict[str, str | int | float | bool] = {"TELESCOP": "JWST"}
    for field, keyword in _KEYWORDS.items():
        value = getattr(exposure, field)
        if value or field in _ZERO_IS_A_VALUE:
            header[keyword] = value
    header |= {key: "COMPLETE" for key, step in _STATUS.items() if step in exposure.done}
    date, _, time = exposure.date.partition("T")
    if date:
        header["DATE-OBS"] = date
        header["TIME-OBS"] = time or "00:00:00.000"
    header["SUBSIZE1"], header["SUBSIZE2"] = shape[1], shape[0]
    return header


def _spectral(read: _Cards) -> dict[str, Any]:
    """What says how light is dispersed, of what source, and in what unit it is."""
    unit = str(read.cards.get("BUNIT") or "").strip()
    exp_type = read.text("EXP_TYPE")
    along = 1 if exp_type in _ALONG_X else 2 if exp_type in _ALONG_Y else 0
    axis = _GRISMS.get(read.text("PUPIL"), along)
    given = read.number("DISPAXIS", 1)
    ra, dec = read.number("SRCRA"), read.number("SRCDEC")
    if ra is None or dec is None:
        ra, dec = read.number("TARG_RA"), read.number("TARG_DEC")
    return {
        "unit": "DN/s" if unit in ("", "DN") else unit,
        "dispaxis": int(given) if given in (1, 2) else axis,
        "source_id": int(read.number("SOURCEID") or 0),
        "source_name": str(read.cards.get("SRCNAME") or "").strip(),
        "source_type": read.text("SRCTYPE"),
        "source_ra": ra,
        "source_dec": dec,
        "order": int(read.number("SPORDER") or 0),
        "pixel_area": read.number("PIXAR_SR", 0) or 0.0,
    }


def _counts(read: _Cards, shape: tuple[int, ...]) -> tuple[int, int]:
    nints = read.number("NINTS", 1)
    ngroups = read.number("NGROUPS", 1)
    if len(shape) > 2:
        first, last = read.number("INTSTART", 1), read.number("INTEND", 1)
        # A segment of a long exposure holds some of its integrations.
        segment = last - first + 1 if first and last else None
        if nints is not None and shape[0] not in (nints, segment):
            read.notes.append(f"NINTS = {nints:g}, but the file holds {shape[0]}: these were taken")
        nints = shape[0]
    if len(shape) > 3:
        if ngroups is not None and ngroups != shape[1]:
            read.notes.append(
                f"NGROUPS = {ngroups:g}, but the file holds {shape[1]}: these were taken"
            )
        ngroups = shape[1]
    if nints is None:
        nints = read.number_or("NINTS", 1, "taken as a guess", 1)
    if ngroups is None:
        ngroups = read.number_or("NGROUPS", 1, "taken as a guess", 1)
    return int(nints), int(ngroups)


def _pattern(read: _Cards) -> str:
    pattern = read.text("READPATT")
    if pattern in _GROUND_PATTERNS:
        flight = _GROUND_PATTERNS[pattern]
        read.notes.append(f"READPATT = {pattern!r} is the ground-test name of {flight}")
        return flight
    if not pattern:
        read.notes.append("READPATT is missing: references that depend on it may not fit")
    return pattern


def _window(read: _Cards, d: Detector, shape: tuple[int, ...]) -> tuple[str, int, int, int]:
    """Name, first column, first row (from 1) and number of amplifiers of the subarray."""
    ny, nx = shape[-2:]
    table = SUBARRAYS[d.name]
    name = read.text("SUBARRAY")
    if not name:
        name = next((n for n, (x, y, *_) in table.items() if (x, y) == (nx, ny)), "GENERIC")
        read.notes.append(f"SUBARRAY is missing: {name} taken from the size of the frame")
    fallback: Subarray = (nx, ny, 1, 1, d.amplifiers if nx == d.shape[1] else 1)
    _, _, x, y, amplifiers = table.get(name, fallback)
    xstart = int(read.number_or("SUBSTRT1", x, f"taken for SUBARRAY {name}", 1))
    ystart = int(read.number_or("SUBSTRT2", y, f"taken for SUBARRAY {name}", 1))
    for keyword, size in (("SUBSIZE1", nx), ("SUBSIZE2", ny)):
        given = read.number(keyword, 1)
        # The interleaved IRS2 read-out stores reference pixels between the rows or columns.
        if given not in (None, size) and not read.text("READPATT").startswith("NRSIRS2"):
            read.notes.append(f"{keyword} = {given:g}, but the frame has {size}: these were taken")
    return name, xstart, ystart, int(read.number("NOUTPUTS", 1) or amplifiers)


def _date(read: _Cards) -> str:
    date, time = read.text("DATE-OBS"), read.text("TIME-OBS")
    return f"{date}T{time}" if date and time else read.text("DATE-BEG") or date
