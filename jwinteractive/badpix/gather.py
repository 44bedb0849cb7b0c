"""Gather what exposures say about the pixels of their detector."""

from __future__ import annotations

import dataclasses as dc
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from jwinteractive.badpix.combine import combine_exposures
from jwinteractive.badpix.evidence import Evidence
from jwinteractive.badpix.ramps import reduce_ramps
from jwinteractive.badpix.stack import Member, Rows, check_alike, header_facts, open_rate
from jwinteractive.chain import Progress
from jwinteractive.data import Array, Exposure, Ramp
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.session import Session, open_session

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
        Files, or the exposures of a session: rate, rateints and cal files are taken as they are,
        uncal and ramp files go through the steps of the session first (those of the recipe that
        suits the first file), and their ramps tell more.
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
    StepError, MissingReference, RecipeError
        If raw exposures cannot be reduced.
    """
    session, paths = _opened(source)
    raw = {} if session is None else _raw(session)
    members: dict[int, Member] = {
        k: open_rate(path) for k, path in enumerate(paths) if k not in raw
    }
    # what cannot be taken together is said before anything long starts
    check_alike([members[k] if k in members else raw[k] for k in range(len(paths))])
    ramps = None
    if session is not None and raw:
        reduced, ramps = reduce_ramps(
            session,
            list(raw),
            [m.dispersion for m in raw.values()],
            report=report,
            cancel=cancel,
            threads=threads,
        )
        members |= dict(zip(raw, reduced, strict=True))
    return combine_exposures(
        [members[k] for k in range(len(paths))],
        flat=None if flat is None else _flat(flat, members[0].shape),
        dispersion=dispersion,
        ramps=ramps,
        report=report,
        cancel=cancel,
        threads=threads,
    )


@dc.dataclass(frozen=True)
class _Raw:
    """A raw exposure as its header has it."""

    name: str
    exposure: Exposure
    shape: tuple[int, int]
    dispersion: int
    mjd: float = 0.0

    def rows(self, y0: int, y1: int) -> Rows:
        """Not known before it is reduced."""
        raise InputError(f"{self.name}: is not reduced yet")

    def variances(self, y0: int, y1: int) -> tuple[Array, Array]:
        """Not known before it is reduced."""
        raise InputError(f"{self.name}: is not reduced yet")


def _opened(source: Session | Iterable[str | Path]) -> tuple[Session | None, list[Path]]:
    """Session that can reduce what is raw, None where nothing is; and the files."""
    if isinstance(source, Session):
        return source, [file.path for file in source.exposures]
    paths = [Path(path) for path in source]
    return (open_session(paths) if any(_is_raw(path) for path in paths) else None), paths


def _is_raw(path: Path) -> bool:
    with opened_fits(path) as hdus:
        return any(h.name == "SCI" and len(getattr(h, "shape", ())) == 4 for h in hdus)


def _raw(session: Session) -> dict[int, _Raw]:
    found = {}
    for k, file in enumerate(session.exposures):
        if isinstance(file.product, Ramp):
            e = file.exposure
            found[k] = _Raw(file.path.name, e, file.product.shape, header_facts({}, e)[1])
    return found


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
