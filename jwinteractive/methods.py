"""One pixel by every method that its steps offer, side by side.

A step is compared if it has a parameter ``method`` or ``algorithm`` with a list of choices, and
measures nothing that depends on its parameters: only the pixel is computed again. Steps that
measure something from the result of a compared one keep what they measured with the present method.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jwinteractive import dq
from jwinteractive.chain import Link, run_box, wide_box
from jwinteractive.data import Array, Box, Product
from jwinteractive.errors import Cancelled, InputError, JwinteractiveError
from jwinteractive.params import fields_of
from jwinteractive.pixel import PixelHistory, chi2_words, pixel_history, value_words
from jwinteractive.step import Step
from jwinteractive.views import Table

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = ["Tried", "choices_of", "compare_methods", "table_of"]

NAMES = ("method", "algorithm")
MOST = 16  # combinations; where there are more, one step at a time is varied
REACH = 32  # pixels around the picked one on which methods are timed


@dc.dataclass(frozen=True, kw_only=True)
class Tried:
    """What one combination of methods makes of a pixel.

    Attributes
    ----------
    choices
        Its method by step.
    present
        It is the one that the session has.
    history
        The pixel after each step, with its fit; None where the combination fails.
    seconds
        That the compared steps take for ``pixels`` pixels around the picked one.
    failed
        Why it fails; "" if it does not.
    """

    choices: Mapping[str, str]
    present: bool
    history: PixelHistory | None = None
    seconds: float = math.nan
    pixels: int = 0
    failed: str = ""

    @property
    def words(self) -> str:
        """The methods in the order of the steps."""
        return " + ".join(self.choices.values())

    @property
    def flags(self) -> Array | None:
        """Flags [integration, group] of the last ramp."""
        found = [s.groupdq for s in self._steps if s.groupdq is not None]
        return found[-1] if found else None

    @property
    def jumps(self) -> tuple[tuple[int, int], ...]:
        """Integration and group, from 0, of each flagged jump."""
        if self.flags is None:
            return ()
        return tuple((int(i), int(g)) for i, g in np.argwhere(self.flags & dq.JUMP_DET))

    @property
    def rate(self) -> tuple[float, float]:
        """Rate of the pixel and its error in DN/s; NaN where there is none."""
        for s in reversed(self._steps):
            if s.rate is not None and s.err is not None:
                return s.rate, s.err
        return math.nan, math.nan

    @property
    def chi2(self) -> tuple[float | None, int | None]:
        """chi2 of the fit and its degrees of freedom; None where it does not tell them."""
        for s in reversed(self._steps):
            if s.chi2 is not None:
                return s.chi2, s.dof
        return None, None

    @property
    def _steps(self) -> Sequence[Any]:
        return () if self.history is None else self.history.steps


def choices_of(step: Step) -> tuple[str, tuple[str, ...]] | None:
    """The parameter that chooses a step's method, and its choices; None if it cannot be compared.

    A measurement that depends on the parameters would have to look at the whole exposure again.
    """
    if step.measure is not None and "p" in step.learns_from:
        return None
    for f in fields_of(step.params):
        if f.name in NAMES and len(f.choices) > 1:
            return f.name, f.choices
    return None


def compare_methods(
    session: Session,
    y: int,
    x: int,
    exposure: int | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Tried, ...]:
    """Fit a pixel with every combination of its steps' methods, the present one first.

    Raises
    ------
    InputError
        If the pixel is not in the frame, or no step of the plan has several methods.
    Cancelled, StepError, MissingReference, RecipeError
        One line each.
    """
    source, links = session.chain(exposure, hold=True)
    pixel = Box.around(y, x)
    if pixel not in source.covers:
        ny, nx = source.shape
        raise InputError(f"pixel y={y}, x={x}: the frame has y 0 to {ny - 1}, x 0 to {nx - 1}")
    offered = {i: found for i, link in enumerate(links) if (found := choices_of(link.step))}
    if not offered:
        raise InputError("no step that runs here has several methods: nothing to compare")
    first = min(offered)
    wide = pixel.grow(REACH, source.covers)
    # two parts of a chain, so that what is the same for all is computed once
    needed = wide
    for chosen in _combinations(links, offered):
        steps = [(link.step, link.params) for link in _with(links, offered, chosen)[first:]]
        needed = needed.hull(wide_box(steps, source.exposure, wide, source.covers))
    seen: list[tuple[str, Product]] = [("input", source.crop(pixel).native())]
    before = run_box(
        source,
        links[:first],
        needed,
        lambda link, product, _: seen.append((link.step.name, product.crop(pixel))),
    )
    tried = []
    for chosen in _combinations(links, offered):
        if cancel is not None and cancel.is_set():
            raise Cancelled("comparing methods: cancelled")
        variant = _with(links, offered, chosen)[first:]
        names = [links[i].step.name for i in offered]
        common: dict[str, Any] = {
            "choices": dict(zip(names, chosen, strict=True)),
            "present": chosen == _present(links, offered),
        }
        try:
            tried.append(_try(before, variant, seen, pixel, wide, names, common))
        except JwinteractiveError as error:
            tried.append(Tried(**common, failed=str(error)))
    return tuple(tried)


Offered = Mapping[int, tuple[str, tuple[str, ...]]]


def _present(links: Sequence[Link], offered: Offered) -> tuple[str, ...]:
    return tuple(getattr(links[i].params, name) for i, (name, _) in offered.items())


def _combinations(links: Sequence[Link], offered: Offered) -> Iterator[tuple[str, ...]]:
    """Methods of the offered steps, the present ones first."""
    present = _present(links, offered)
    yield present
    every = [choices for _, choices in offered.values()]
    few = math.prod(map(len, every)) <= MOST
    for chosen in itertools.product(*every):
        changed = sum(a != b for a, b in zip(chosen, present, strict=True))
        if changed == 1 or (few and changed):
            yield chosen


def _with(links: Sequence[Link], offered: Offered, chosen: Sequence[str]) -> list[Link]:
    changed = list(links)
    for (i, (name, _)), method in zip(offered.items(), chosen, strict=True):
        changed[i] = dc.replace(links[i], params=links[i].params.replace(**{name: method}))
    return changed


def _try(
    before: Product,
    links: Sequence[Link],
    seen: Sequence[tuple[str, Product]],
    pixel: Box,
    wide: Box,
    compared: Sequence[str],
    common: dict[str, Any],
) -> Tried:
    """Run the part of the chain that differs: for the pixel, then with a clock around it."""
    found = list(seen)
    run_box(before, links, pixel, lambda link, p, _: found.append((link.step.name, p.crop(pixel))))
    spent = dict.fromkeys(compared, math.inf)
    for _ in range(2):  # the shorter of two: kernels may have been compiled in the first
        run_box(before, links, wide, lambda link, _, s: _keep_least(spent, link.step.name, s))
    ny, nx = wide.shape
    history = pixel_history(pixel.y0, pixel.x0, found)
    return Tried(**common, history=history, seconds=sum(spent.values()), pixels=ny * nx)


def _keep_least(spent: dict[str, float], name: str, seconds: float) -> None:
    if name in spent:
        spent[name] = min(spent[name], seconds)


def table_of(tried: Sequence[Tried], integration: int | None = None) -> Table:
    """A row for each combination; only jumps of one integration (from 0) where it is given."""
    pixels = max((t.pixels for t in tried), default=0)
    rows = []
    for t in tried:
        name = f"{t.words} (present)" if t.present else t.words
        if t.failed:
            rows.append((name, t.failed, "", "", ""))
            continue
        several = t.flags is not None and len(t.flags) > 1 and integration is None
        jumps = [
            f"{i + 1}.{g + 1}" if several else f"{g + 1}"
            for i, g in t.jumps
            if integration is None or i == integration
        ]
        rate, err = t.rate
        rows.append(
            (
                name,
                ", ".join(jumps) or "none",
                value_words(rate, err),
                chi2_words(*t.chi2).removeprefix("chi2/dof ") or "not told",
                f"{1e3 * t.seconds:.2g}",
            )
        )
    steps = " + ".join(tried[0].choices) if tried else ""
    return Table(
        title=f"methods of {steps} at this pixel; times are for {pixels} pixels",
        columns=("method", "jumps", "rate (DN/s)", "chi2/dof", "ms"),
        rows=tuple(rows),
    )
