"""Presets of simulated exposures by observing mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from jwinteractive.errors import InputError, suggestion
from jwinteractive.simulate.settings import SOSS, Settings

__all__ = ["MODES", "settings_for"]

_NIRCAM = Settings(
    instrument="NIRCAM", detector="NRCA1", readpatt="RAPID", filter="F200W", pupil="CLEAR"
)
_NIRSPEC = Settings(
    instrument="NIRSPEC",
    detector="NRS1",
    readpatt="NRSRAPID",
    filter="F290LP",
    grating="G395M",
    crowding=0.0,
    galaxies=0,
    sky=0.02,
    picture_frame=0.2,
)
_MIRI = Settings(
    instrument="MIRI",
    detector="MIRIMAGE",
    readpatt="FASTR1",
    filter="F770W",
    sky=30.0,
    fwhm=2.45,
    one_over_f_common=2.0,
    alternating=0.0,
    snowballs=0.0,
    ktc=0.0,
    reset=40.0,
    rscd=40.0,
    last_frame=25.0,
    emi=1.0,
)

_NIRISS = Settings(
    instrument="NIRISS",
    detector="NIS",
    readpatt="NISRAPID",
    filter="CLEAR",
    pupil="F150W",
    fwhm=1.5,
)
_NIRCAM_GRISM = replace(
    _NIRCAM, detector="NRCALONG", filter="F322W2", pupil="GRISMR", fwhm=2.3, sky=1.0
)
_SERIES: Mapping[str, Any] = MappingProxyType({"nints": 3, "ngroups": 6, "tso": True})

MODES: Mapping[str, Settings] = MappingProxyType(
    {
        "nircam": _NIRCAM,
        "nircam-lw": replace(_NIRCAM, detector="NRCALONG", filter="F444W", fwhm=2.3, sky=1.0),
        "nircam-deep8": replace(_NIRCAM, readpatt="DEEP8", ngroups=5),
        "nircam-coronagraphy": replace(
            _NIRCAM, detector="NRCA2", exp_type="NRC_CORON", filter="F210M", pupil="MASKRND"
        ),
        "nircam-tso-imaging": replace(
            _NIRCAM, detector="NRCB1", exp_type="NRC_TSIMAGE", filter="F210M", **_SERIES
        ),
        "nircam-wfss": replace(_NIRCAM_GRISM, exp_type="NRC_WFSS", filter="F356W"),
        "nircam-grism-tso": replace(_NIRCAM_GRISM, exp_type="NRC_TSGRISM", **_SERIES),
        "niriss": _NIRISS,
        "niriss-soss": replace(
            _NIRISS,
            subarray="SUBSTRIP256",
            exp_type=SOSS,
            pupil="GR700XD",
            nints=3,
            ngroups=5,
            crowding=0.0,
            galaxies=0,
            brightest=1e4,
        ),
        "niriss-wfss": replace(_NIRISS, exp_type="NIS_WFSS", filter="GR150R", pupil="F200W"),
        "niriss-ami": replace(_NIRISS, exp_type="NIS_AMI", filter="F480M", pupil="NRM", nints=3),
        "nirspec": _NIRSPEC,
        "nirspec-ifu": replace(_NIRSPEC, exp_type="NRS_IFU"),
        "nirspec-mos": replace(_NIRSPEC, exp_type="NRS_MSASPEC"),
        "nirspec-bots": replace(_NIRSPEC, exp_type="NRS_BRIGHTOBJ", **_SERIES),
        "nirspec-irs2": replace(_NIRSPEC, readpatt="NRSIRS2RAPID"),
        "miri": _MIRI,
        "miri-slowr1": replace(_MIRI, readpatt="SLOWR1"),
        "miri-mrs": replace(
            _MIRI, detector="MIRIFUSHORT", exp_type="MIR_MRS", filter="", sky=0.5, crowding=0.0
        ),
        "miri-lrs-slit": replace(_MIRI, exp_type="MIR_LRS-FIXEDSLIT", filter="P750L"),
        "miri-lrs-slitless": replace(_MIRI, exp_type="MIR_LRS-SLITLESS", filter="P750L", **_SERIES),
        "miri-coronagraphy": replace(_MIRI, exp_type="MIR_4QPM", filter="F1065C"),
        "miri-tso-imaging": replace(_MIRI, **_SERIES),
    }
)
"""Presets by mode name. Of grisms and prisms the light is that of the field without them."""


def settings_for(mode: str, changes: Mapping[str, Any]) -> Settings:
    """Return the preset of a mode with some settings changed.

    Raises
    ------
    InputError
        For an unknown mode or setting, or a value out of its range.
    """
    if mode not in MODES:
        raise InputError(f"mode = {mode!r}: {suggestion(mode, MODES)}")
    known = tuple(field.name for field in fields(Settings))
    for name in changes:
        if name not in known:
            raise InputError(f"setting {name!r}: unknown: {suggestion(name, known)}")
    return replace(MODES[mode], **changes)
