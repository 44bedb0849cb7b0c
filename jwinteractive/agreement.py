"""What the exposures of a set say of one place in the sky, and what outlier detection did to each.

A mask of outliers is judged by two things: the values that a pixel was compared with, exposure by
exposure, and whether sources survive. A set that flags stars where its exposures are not quite
aligned is worse than one that misses a hit.
"""

from __future__ import annotations

import dataclasses as dc
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Box, RateInts
from jwinteractive.errors import Cancelled, InputError
from jwinteractive.outliers.flags import at_sky, blotted
from jwinteractive.outliers.stack import Stack
from jwinteractive.outliers.tso import levels
from jwinteractive.plan import Planned
from jwinteractive.views import Curve, Plot, Table

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = ["STEP", "Counted", "Samples", "count_outliers", "plot_of", "samples_at", "table_of"]

STEP = "outlier_detection"
SOURCE = 5.0  # times the error above the sky: light of a source


@dc.dataclass(frozen=True, eq=False)
class Samples:
    """Values of one place, in ``unit``, one an exposure or an integration.

    Attributes
    ----------
    names
        Of the exposures, or the numbers of the integrations.
    places
        Pixel (y, x) of each.
    values, errors
        Less the sky of the exposure where that is known.
    outlier
        Whether it is flagged now.
    expected
        What each is compared with, or None.
    of
        "exposure" or "integration": what there is one sample of each of.
    """

    names: tuple[str, ...]
    places: tuple[tuple[int, int], ...]
    values: Array
    errors: Array
    outlier: Array
    expected: Array | None
    unit: str
    of: str = "exposure"


@dc.dataclass(frozen=True)
class Counted:
    """Outliers of one exposure: pixels, share of those that had a value, and the same of sources.

    ``light`` is the number of pixels that a source of the median is bright in.
    """

    name: str
    outliers: int
    share: float
    light: int
    on_light: int


def samples_at(session: Session, y: int, x: int) -> Samples:
    """What each exposure of the active one's set has at the place in the sky of a pixel.

    Raises
    ------
    InputError
        If the step does not run on the exposure, or the pixel is not in the frame.
    """
    planned = _planned(session)
    pixel = Box.around(y, x)
    if pixel not in session.input().covers:
        ny, nx = session.input().shape
        raise InputError(f"pixel y={y}, x={x}: the frame has y 0 to {ny - 1}, x 0 to {nx - 1}")
    here = session.glance(pixel, STEP, before=True)
    if isinstance(here.before, RateInts):
        return _of_series(here, planned, (y, x))
    numbers = [peer.number for peer in planned.peers]
    places: list[tuple[int, int] | None] = [(y, x)] * len(numbers)
    stack = here.model if isinstance(here.model, Stack) else None
    if stack is not None:
        there = at_sky(stack, y, x, numbers.index(session.active))
        places = [None if np.isnan(p).any() else (round(p[0]), round(p[1])) for p in there]
    found: list[tuple[int, tuple[int, int], Any]] = [
        (k, place, session.glance(Box.around(*place), STEP, before=True, exposure=number))
        for k, (number, place) in enumerate(zip(numbers, places, strict=True))
        if place is not None and Box.around(*place) in session.input(number).covers
    ]
    level = np.zeros(len(numbers)) if stack is None else np.nan_to_num(stack.levels)
    expected = None
    if stack is not None:
        at = [blotted(stack, k, Box.around(*place), stack.median)[0, 0] for k, place, _ in found]
        expected = np.array(at, float)
    return Samples(
        names=tuple(session.exposures[numbers[k]].exposure.filename for k, *_ in found),
        places=tuple(place for _, place, _ in found),
        values=np.array([seen.before.data[0, 0] - level[k] for k, _, seen in found], float),
        errors=np.array([seen.before.err[0, 0] for *_, seen in found], float),
        outlier=np.array([_outliers(seen)[0, 0] for *_, seen in found], bool),
        expected=expected,
        unit=session.input().exposure.unit,
    )


def _planned(session: Session) -> Planned:
    """The stage of outlier detection.

    Raises
    ------
    InputError
        If it does not run on the active exposure.
    """
    (planned,) = [p for p in session.plan(STEP) if p.step.name == STEP]
    if planned.skipped:
        raise InputError(f"{STEP} does not run here: {planned.skipped}")
    return planned


def _outliers(seen: Any) -> Array:
    """What the step flagged in a glance that has what it took, too."""
    found: Array = (seen.product.dq & ~seen.before.dq & dq.OUTLIER) != 0
    return found


def _of_series(here: Any, planned: Planned, place: tuple[int, int]) -> Samples:
    before, p = here.before, planned.stage.params
    width = getattr(p, "rolling_window_width")  # noqa: B009
    count = len(before.data)
    first = before.exposure.first_integration
    return Samples(
        names=tuple(str(first + i) for i in range(count)),
        places=(place,) * count,
        values=np.asarray(before.data[:, 0, 0], float),
        errors=np.asarray(before.err[:, 0, 0], float),
        outlier=_outliers(here)[:, 0, 0],
        expected=np.asarray(levels(before, width, masked=False)[:, 0, 0], float),
        unit=before.exposure.unit,
        of="integration",
    )


def plot_of(samples: Samples) -> Plot:
    """The samples beside what they are compared with."""
    number = np.arange(1, len(samples.names) + 1, dtype=float)
    curves = []
    for name, chosen in (("kept", ~samples.outlier), ("outlier", samples.outlier)):
        if chosen.any():
            y, err = samples.values[chosen], samples.errors[chosen]
            curves.append(Curve(name=name, x=number[chosen], y=y, err=err, style="points"))
    if samples.expected is not None:
        curves.append(Curve(name="compared with", x=number, y=samples.expected))
    return Plot(
        title="the same place in all of them",
        x_label=samples.of,
        y_label=f"value less sky ({samples.unit})",
        curves=tuple(curves),
    )


def count_outliers(
    session: Session,
    told: Callable[[Counted], object] = lambda one: None,
    cancel: threading.Event | None = None,
) -> tuple[Counted, ...]:
    """Outliers of each exposure of the active one's set, and how many fall on sources.

    Parameters
    ----------
    told
        Called with each exposure's numbers as they come.

    Raises
    ------
    Cancelled
        If the event was set.
    InputError
        If the step does not run on the exposure.
    """
    rows = []
    for peer in _planned(session).peers:
        if cancel is not None and cancel.is_set():
            raise Cancelled("counting outliers: cancelled")
        box = peer.file.product.covers
        seen = session.glance(box, STEP, before=True, cancel=cancel, exposure=peer.number)
        rows.append(_counted(peer.file.exposure.filename, seen))
        told(rows[-1])
    return tuple(rows)


def _counted(name: str, seen: Any) -> Counted:
    before, outliers = seen.before, _outliers(seen)
    known = np.isfinite(before.data)
    light = np.zeros(known.shape, bool)
    if isinstance(seen.model, Stack):
        stack = seen.model
        k = stack.index(before.exposure.name)
        level = blotted(stack, k, before.covers, stack.median)
        sky = np.nanmedian(level) if np.isfinite(level).any() else 0.0
        light = known & (level - sky > SOURCE * before.err)
    return Counted(
        name=name,
        outliers=int(outliers.sum()),
        share=float(outliers.sum() / max(int(known.sum()), 1)),
        light=int(light.sum()),
        on_light=int((outliers & light).sum()),
    )


def table_of(rows: tuple[Counted, ...]) -> Table:
    """Counted outliers, one exposure a row."""
    return Table(
        title="outliers by exposure",
        columns=("exposure", "outliers", "%", "source pixels", "outliers, %"),
        rows=tuple(
            (
                r.name,
                r.outliers,
                round(100 * r.share, 3),
                r.light,
                round(100 * r.on_light / r.light, 3) if r.light else "",
            )
            for r in rows
        ),
    )
