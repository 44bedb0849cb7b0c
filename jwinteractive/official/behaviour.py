"""How official steps behave where their package does not tell a program.

One row for each that is not of the usual kind: what it takes and gives, whether it looks at a set,
and how far around a pixel its result depends on where it is local. Those without a row take and
give rates and calibrated images, each exposure by itself.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from jwinteractive.data import Cube, Exposure, Filed, Product, Ramp, Rate, RateInts
from jwinteractive.references.filed import NIRSPEC_WCS

__all__ = ["SWITCHED_OFF", "Behaviour", "behaviour_of", "spared_types"]

Kinds = tuple[type[Product], ...]

RAMPS: Final[Kinds] = (Ramp,)
IMAGES: Final[Kinds] = (Rate, RateInts, Filed, Cube)
ANY: Final[Kinds] = (Ramp, *IMAGES)
_DETECTOR: Final = frozenset({"Detector1Pipeline", "DarkPipeline"})
_ONE_SLIT: Final = frozenset({"NRS_BRIGHTOBJ", "NRC_TSGRISM"})
"""Modes of which `extract_2d` cuts one slit: an image like others."""


def _always(p: Any) -> bool:
    return True


def _flags_no_regions(p: Any) -> bool:
    """Whether jumps are looked for pixel by pixel, without showers and snowballs."""
    return not (p.expand_large_events or p.find_showers)


@dc.dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What a step takes and gives.

    Attributes
    ----------
    takes
        Kinds of products.
    gives
        Kind of what it makes of others than it takes; None: it gives what it takes.
    together
        It looks at all exposures of a set.
    alone
        It runs on a set of one too.
    local
        Whether it can run on a box, with given parameters.
    halo
        Pixels around a box that it then needs.
    cuts
        It cuts slits out of the detector.
    parts
        What it gives is in several files, one of each channel and band, and so is what it takes of
        another such step.
    lacks
        Why it cannot run: exposures of other roles that it takes are not told from those of the
        target.
    """

    takes: Kinds = IMAGES
    gives: type[Product] | None = None
    together: bool = False
    alone: bool = True
    local: Callable[[Any], bool] | None = None
    halo: int | Callable[[Any], int] = 0
    cuts: bool = False
    parts: bool = False
    lacks: str = ""

    def gives_for(self, taken: type[Product], exposure: Exposure) -> type[Product]:
        """Kind of what it makes of a kind, for the mode of an exposure."""
        if self.cuts and exposure.exp_type in _ONE_SLIT:
            return taken
        return self.gives or taken

    def turns(self, taken: type[Product], exposure: Exposure) -> bool:
        """Whether what it makes of a kind has other axes."""
        return self.cuts or self.gives_for(taken, exposure) in (Filed, Cube)


def _grown(p: Any) -> int:
    grown: int = p.n_pix_grow_sat
    return grown


_SET: Final = Behaviour(together=True)
_MADE: Final = Behaviour(gives=Filed, together=True)
_OF_A_REFERENCE: Final = dc.replace(
    _MADE,
    lacks="which exposures are of the reference star is not told here: run the official pipeline "
    "on an association that says it",
)
_TABLE: Final[Mapping[str, Behaviour]] = MappingProxyType(
    {
        # of ramps, pixel by pixel
        "dq_init": Behaviour(takes=RAMPS, local=_always),
        "saturation": Behaviour(takes=RAMPS, local=_always, halo=_grown),
        "superbias": Behaviour(takes=RAMPS, local=_always),
        "firstframe": Behaviour(takes=RAMPS, local=_always),
        "lastframe": Behaviour(takes=RAMPS, local=_always),
        "linearity": Behaviour(takes=RAMPS, local=_always),
        "charge_migration": Behaviour(takes=RAMPS, local=_always, halo=1),
        "jump": Behaviour(takes=RAMPS, local=_flags_no_regions, halo=2),
        "ramp_fit": Behaviour(takes=RAMPS, gives=Rate, local=_always),
        "gain_scale": Behaviour(takes=(Rate, RateInts)),
        "guider_cds": Behaviour(takes=RAMPS, gives=Filed),
        "clean_flicker_noise": Behaviour(takes=ANY),
        "imprint": Behaviour(
            lacks="which exposures are of the leaks alone is not told here: subtract them by the "
            "official pipeline, on an association that names them"
        ),
        # of sets
        "assign_mtwcs": _SET,
        "tweakreg": _SET,
        "skymatch": _SET,
        "outlier_detection": Behaviour(together=True, alone=False),
        "master_background": _SET,
        "resample": _MADE,
        "combine_1d": _MADE,
        "stack_refs": _OF_A_REFERENCE,
        "align_refs": _OF_A_REFERENCE,
        "klip": _OF_A_REFERENCE,
        "ami_normalize": _OF_A_REFERENCE,
        "calwebb_wfs-image3": _MADE,
        # others than detector pixels
        "extract_2d": Behaviour(gives=Filed, cuts=True),
        "wfss_contam": Behaviour(takes=(Filed,)),
        "resample_spec": _MADE,
        "cube_build": Behaviour(gives=Cube, together=True, parts=True),
        "extract_1d": Behaviour(gives=Filed, parts=True),
        "source_catalog": Behaviour(takes=(Filed,)),
        "ami_analyze": Behaviour(gives=Filed),
        "hlsp": Behaviour(gives=Filed),
        "spectral_leak": Behaviour(takes=(Filed,), parts=True),
        "tso_photometry": Behaviour(gives=Filed),
        "white_light": Behaviour(gives=Filed),
    }
)


def behaviour_of(alias: str, pipelines: frozenset[str]) -> Behaviour:
    """How a step behaves, by its alias; of the detector's steps those without a row take ramps."""
    if alias in _TABLE:
        return _TABLE[alias]
    if pipelines & _DETECTOR and pipelines <= _DETECTOR | {"GuiderPipeline"}:
        return Behaviour(takes=RAMPS)
    return Behaviour()


SWITCHED_OFF: Final[Mapping[str, str]] = MappingProxyType(
    {"ipc": "the observatory's parameter files switch it off for all modes, too"}
)
"""Steps that are on in the package, but off in the parameter files that CRDS has for its pipelines.

Archived products of NIRCam, NIRISS and MIRI do not say that ipc was done or skipped, so it was not
called; logs of NIRSpec do not list its type of reference among those that are fetched.
"""
_WCS_TYPES: Final = (
    "distortion", "filteroffset", "specwcs", "regions", "wavelengthrange", "camera", "chromcorr",
    "collimator", "disperser", "fore", "fpa", "msa", "ote", "ifupost", "ifufore", "ifuslicer",
)  # fmt: skip
_NIRSPEC_SPECTRA: Final = ("NRS_FIXEDSLIT", "NRS_IFU", "NRS_MSASPEC", "NRS_BRIGHTOBJ")
_IFU: Final = ("ifupost", "ifufore", "ifuslicer")


def spared_types(alias: str, exposure: Exposure) -> tuple[str, ...]:
    """Types of references that a step asks for, but that the mode can do without.

    Where there is none the step goes on as it does where CRDS says that none applies.
    """
    kind = exposure.exp_type
    image = kind.endswith(("_IMAGE", "_CORON", "_4QPM", "_LYOT", "_AMI", "_TSIMAGE"))
    match alias:
        case "assign_wcs":
            needed = _needed_for_wcs(kind, image)
            return tuple(t for t in _WCS_TYPES if t not in needed)
        case "saturation" if exposure.instrument == "MIRI":
            return ("superbias",)
        case "flat_field" if not kind.startswith("NRS_"):
            return ("fflat", "sflat", "dflat")
        case "flat_field" if kind in _NIRSPEC_SPECTRA:
            return ("flat",)
        case "photom" if not image:
            return ("area",)
        case "extract_1d" if kind != "NIS_SOSS":
            slitless = ("extract1d",) if kind.endswith("_WFSS") else ()
            return ("pastasoss", "specprofile", "speckernel", "psf", *slitless)
        case "master_background_mos":  # has these steps inside
            inside = ("flat_field", "photom", "extract_1d")
            return tuple(t for each in inside for t in spared_types(each, exposure))
        case "bkg_subtract" if not kind.endswith(("_WFSS", "_SOSS")):
            return ("bkg", "wavelengthrange")
        case "refpix":  # its own type is asked for by one mode of read-out alone
            return ("sirskernel",) if "IRS2" in exposure.readpatt else ("sirskernel", "refpix")
        case "clean_flicker_noise":
            return ("flat", "pastasoss")
    return ()


def _needed_for_wcs(kind: str, image: bool) -> tuple[str, ...]:
    if kind.startswith("NRS_"):
        return (*NIRSPEC_WCS, *_IFU) if kind == "NRS_IFU" else NIRSPEC_WCS
    if image:
        return ("distortion",)
    if kind == "MIR_MRS":
        return ("distortion", "specwcs", "regions", "wavelengthrange")
    if kind.startswith("MIR_LRS") or kind == "NIS_SOSS":
        return ("distortion", "specwcs")
    return ("distortion", "specwcs", "wavelengthrange")
