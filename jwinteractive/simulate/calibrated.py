"""Simulated products of stages 2 and 3, by name, and exposures that official steps take there."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from jwinteractive.errors import InputError, suggestion
from jwinteractive.simulate.cubes import simulate_cube
from jwinteractive.simulate.dithers import dithers
from jwinteractive.simulate.field import field
from jwinteractive.simulate.lrs import simulate_lrs
from jwinteractive.simulate.mrs import simulate_mrs
from jwinteractive.simulate.slits import slit_dithers

__all__ = ["CALIBRATED", "write_calibrated"]


def _dithers(folder: Path, **settings: Any) -> list[Path]:
    return dithers(**settings).write(folder)


def _slits(folder: Path, **settings: Any) -> list[Path]:
    return slit_dithers(**settings).write(folder)


def _cube(folder: Path, **settings: Any) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [simulate_cube(**settings).write(folder / "simulated_s3d.fits")]


def _field(folder: Path, **settings: Any) -> list[Path]:
    return field(**settings).write(folder)


def _lrs(folder: Path, **settings: Any) -> list[Path]:
    return simulate_lrs(**settings).write(folder)


def _mrs(folder: Path, **settings: Any) -> list[Path]:
    return simulate_mrs(**settings).write(folder)


_MADE_BY: Final[Mapping[str, tuple[Callable[..., list[Path]], Callable[..., Any]]]] = (
    MappingProxyType(
        {
            "dithers": (_dithers, dithers),
            "slit-dithers": (_slits, slit_dithers),
            "mrs-cube": (_cube, simulate_cube),
            "nircam-field": (_field, field),
            "lrs-slit": (_lrs, simulate_lrs),
            "mrs": (_mrs, simulate_mrs),
        }
    )
)
CALIBRATED: Final = tuple(_MADE_BY)
"""Dithered images, spectra of a slit, a cube; rates of a slit and of slices with references."""


def write_calibrated(mode: str, folder: Path | str, **settings: Any) -> list[Path]:
    """Write simulated products of a mode; return their paths.

    Raises
    ------
    InputError
        If there is no such mode or setting.
    """
    if mode not in _MADE_BY:
        raise InputError(f"mode = {mode!r}: {suggestion(mode, CALIBRATED)}")
    write, maker = _MADE_BY[mode]
    known = list(inspect.signature(maker).parameters)
    for name in settings:
        if name not in known:
            raise InputError(f"{mode} has no setting {name!r}: {suggestion(name, known)}")
    return write(Path(folder), **settings)
