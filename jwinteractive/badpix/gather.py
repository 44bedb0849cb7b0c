"""Gather what exposures say about the pixels of their detector."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from jwinteractive.badpix.combine import combine_exposures
from jwinteractive.badpix.evidence import Evidence
from jwinteractive.badpix.stack import check_alike, open_rate
from jwinteractive.chain import Progress
from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.session import Session

__all__ = ["gather"]


def gather(
    source: Session | Iterable[str | Path],
    *,
    flat: str | Path | Array | None = None,
    dispersion: int | None = None,
    report: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
    threads: int = 0,
) -> Evidence:
    """Statistics of each pixel over exposures of one detector and window.

    Parameters
    ----------
    source
        Files (rate, rateints or cal), or the exposures of a session.
    flat
        Flat-field reference, a file or its array [y, x]: response where the exposures are dark.
    dispersion
        Axis along which light is dispersed: 1 is x, 2 is y, 0 none; by default as the header says.
    report, cancel
        Called after each strip; set to stop.
    threads
        How many; 0 takes all cores.

    Raises
    ------
    InputError
        If there are fewer than two exposures, they are not of the same pixels, have no errors or
        no good pixel.
    Cancelled
        After ``cancel``.
    """
    paths = [f.path for f in source.exposures] if isinstance(source, Session) else source
    members = [open_rate(Path(path)) for path in paths]
    check_alike(members)
    return combine_exposures(
        members,
        flat=None if flat is None else _flat(flat, members[0].shape),
        dispersion=dispersion,
        report=report,
        cancel=cancel,
        threads=threads,
    )


def _flat(flat: str | Path | Array, shape: tuple[int, int]) -> Array:
    """Response [y, x] of a flat reference, NaN where it has none."""
    if isinstance(flat, np.ndarray):
        name, values = "the flat", flat
    else:
        path = Path(flat)
        with opened_fits(path) as hdus:
            if "SCI" not in hdus or hdus["SCI"].shape is None:
                raise InputError(f"{path.name}: has no SCI image: choose a flat reference")
            name, values = path.name, np.asarray(hdus["SCI"].data)
    if values.shape != shape:
        raise InputError(
            f"{name} is {values.shape}, the exposures are {shape}: choose a flat of their window"
        )
    return np.asarray(values, np.float32)
