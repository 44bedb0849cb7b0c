"""How bad pixels come and go: a filter of two states over epochs, pixel by pixel.

A pixel is good or bad, and what is known of its state fades with a half-life towards the share of
bad pixels that is usual. Each epoch is evidence for either. A pixel counts as bad from a high
probability on, and as good again below a lower one, so that a single miss or a single false flag
changes nothing. Source: dossier 5.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import numpy as np
from annotated_types import Interval

from jwinteractive.badpix.classes import BadpixParams, classify
from jwinteractive.badpix.evidence import Evidence
from jwinteractive.chain import cores
from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.pages import release
from jwinteractive.params import Doc, Params, Unit
from jwinteractive.scratch import Scratch
from jwinteractive.views import Curve, Plot

__all__ = ["Epoch", "Evolution", "EvolutionParams", "count_plot", "epoch_of", "follow"]

_ROWS = 64
_STRONGEST = 12.0  # of the logarithm of a ratio of probabilities, by one epoch


class EvolutionParams(Params):
    """Parameters of `follow`."""

    half_life: Annotated[
        float, Interval(ge=1, le=1e5), Unit("d"), Doc("Time in which half of what is known is lost")
    ] = 90.0
    enter: Annotated[
        float, Interval(ge=0.5, le=0.999999), Doc("Probability from which on a pixel is bad")
    ] = 0.99
    leave: Annotated[
        float, Interval(ge=0, le=0.99), Doc("Probability below which it is good again")
    ] = 0.5
    usual: Annotated[
        float, Interval(ge=1e-6, le=0.5), Doc("Share of the pixels that is bad as a rule")
    ] = 0.01
    found: Annotated[
        float, Interval(ge=0.01, le=0.9999), Doc("Share of the bad pixels that an epoch flags")
    ] = 0.9
    false: Annotated[
        float, Interval(ge=1e-9, le=0.5), Doc("Share of the good pixels that an epoch flags")
    ] = 1e-3
    strength: Annotated[
        float,
        Interval(ge=0.5, le=50),
        Unit("sigma"),
        Doc("Excess of bad pixels, where an epoch gives significances"),
    ] = 5.0


@dc.dataclass(frozen=True)
class Epoch:
    """What was seen at a time.

    Attributes
    ----------
    mjd
        Days.
    seen
        By class, a plane [y, x]: bool says flagged or not, numbers are significances in sigma.
        A class that is not there was not looked for.
    observed
        Where something was seen at all, bool [y, x]; None: everywhere but for NaN.
    """

    mjd: float
    seen: Mapping[str, Array]
    observed: Array | None = None


@dc.dataclass(frozen=True)
class Evolution:
    """States of all pixels at all epochs.

    Attributes
    ----------
    mjds
        Of the epochs, in their order.
    states
        By class, bool [epoch, y, x]: bad or not. Large ones lie on a file.
    probability
        By class, that of being bad after the last epoch, float32 [y, x].
    """

    mjds: tuple[float, ...]
    states: Mapping[str, Array]
    probability: Mapping[str, Array]

    def counts(self, name: str) -> Array:
        """Bad pixels of a class at each epoch."""
        counts = [int(np.count_nonzero(plane)) for plane in self._states(name)]
        return np.array(counts, np.int64)

    def new(self, name: str, epoch: int) -> Array:
        """Pixels that are bad at an epoch and were not at the one before: bool [y, x]."""
        states, epoch = self._states(name), self._number(epoch)
        before = states[epoch - 1] if epoch else np.zeros_like(states[0])
        new: Array = states[epoch] & ~before
        return new

    def gone(self, name: str, epoch: int) -> Array:
        """Pixels that are good at an epoch and were bad at the one before: bool [y, x]."""
        states, epoch = self._states(name), self._number(epoch)
        before = states[epoch - 1] if epoch else np.zeros_like(states[0])
        gone: Array = before & ~states[epoch]
        return gone

    def _states(self, name: str) -> Array:
        if name not in self.states:
            known = ", ".join(self.states)
            raise InputError(f"class {name!r}: was not followed; choose from {known}")
        return self.states[name]

    def _number(self, epoch: int) -> int:
        n = len(self.mjds)
        if not -n <= epoch < n:
            raise InputError(f"epoch {epoch}: there are 0 to {n - 1}")
        return epoch % n


def epoch_of(evidence: Evidence, params: BadpixParams | None = None) -> Epoch:
    """Epoch of some exposures: what `classify` flags, at the middle of their dates.

    Raises
    ------
    InputError
        If their dates are not known.
    """
    dates = [mjd for mjd in evidence.mjds if mjd > 0]
    if not dates:
        raise InputError(
            f"{evidence.names[0]} and the others tell no date (EXPSTART): give Epoch its own mjd"
        )
    found = classify(evidence, params)
    told = ("RC", "TELEGRAPH", "NONLINEAR") if evidence.ramps is None else ()
    lit = () if evidence.response_from else ("DEAD", "LOW_QE", "OPEN", "ADJ_OPEN")
    seen = {name: plane for name, plane in found.items() if name not in (*told, *lit)}
    return Epoch(float(np.median(dates)), seen, evidence.good > 1)


def follow(epochs: Sequence[Epoch], params: EvolutionParams | None = None) -> Evolution:
    """Follow the pixels of each class over epochs, which are put in the order of their dates.

    Raises
    ------
    InputError
        If there are fewer than two epochs, or their planes differ in shape.
    """
    p = params if params is not None else EvolutionParams()
    epochs = sorted(epochs, key=lambda e: e.mjd)
    names = list(dict.fromkeys(name for e in epochs for name in e.seen))
    shape = _shape(epochs, names)
    kinds = {name: ((len(epochs), *shape), np.dtype(np.bool_)) for name in names}
    room = Scratch(kinds)
    probability = {name: np.empty(shape, np.float32) for name in names}

    def work(y: int) -> None:
        part = slice(y, y + _ROWS)
        for name in names:
            probability[name][part] = _filter(epochs, name, part, p, room.arrays[name][:, part])

    with ThreadPoolExecutor(cores(), thread_name_prefix="evolution") as pool:
        list(pool.map(work, range(0, shape[0], _ROWS)))
    release(room.arrays.values(), shared=True)
    for plane in probability.values():
        plane.flags.writeable = False
    return Evolution(tuple(e.mjd for e in epochs), room.read_only(), probability)


def _shape(epochs: Sequence[Epoch], names: Sequence[str]) -> tuple[int, int]:
    if len(epochs) < 2:
        raise InputError(f"{len(epochs)} epoch: evolution needs at least 2: give more")
    if not names:
        raise InputError("the epochs hold no class: give at least one plane of one class")
    for e in epochs:
        if not math.isfinite(e.mjd):
            raise InputError(f"an epoch has mjd = {e.mjd}: needs a date in days")
    planes = [(e.mjd, p) for e in epochs for p in (*e.seen.values(), e.observed) if p is not None]
    first, (ny, nx) = planes[0][0], planes[0][1].shape
    for mjd, plane in planes:
        if plane.shape != (ny, nx):
            raise InputError(
                f"the epoch of MJD {mjd:g} has planes of {plane.shape}, that of {first:g} of "
                f"{(ny, nx)}: take epochs of one detector and window"
            )
    return ny, nx


def _filter(
    epochs: Sequence[Epoch], name: str, part: slice, p: EvolutionParams, states: Array
) -> Array:
    """Fill the states [epoch, y, x] of some rows; return the last probabilities."""
    chance = np.full(states.shape[1:], np.float64(p.usual))
    state = np.zeros(states.shape[1:], bool)
    before = epochs[0].mjd
    for k, epoch in enumerate(epochs):
        kept = 0.5 ** ((epoch.mjd - before) / p.half_life)
        chance = p.usual + (chance - p.usual) * kept
        before = epoch.mjd
        if name in epoch.seen:
            odds = chance / (1 - chance) * np.exp(_evidence(epoch, name, part, p))
            chance = odds / (1 + odds)
        state = np.where(state, chance >= p.leave, chance > p.enter)
        states[k] = state
    return chance.astype(np.float32)


def _evidence(epoch: Epoch, name: str, part: slice, p: EvolutionParams) -> Array:
    """Logarithm of how much likelier a bad pixel than a good one shows what is seen [y, x]."""
    seen = epoch.seen[name][part]
    if seen.dtype == bool:
        yes, no = math.log(p.found / p.false), math.log((1 - p.found) / (1 - p.false))
        told = np.where(seen, yes, no)
    else:
        told = np.nan_to_num(p.strength * seen.astype(np.float64) - p.strength**2 / 2, nan=0.0)
    if epoch.observed is not None:
        told = np.where(epoch.observed[part], told, 0.0)
    return np.clip(told, -_STRONGEST, _STRONGEST)


def count_plot(evolution: Evolution, names: Sequence[str] | None = None) -> Plot:
    """Bad pixels of each class against the date."""
    chosen = list(evolution.states) if names is None else list(names)
    dates = np.array(evolution.mjds)
    return Plot(
        title="bad pixels",
        x_label="date (MJD)",
        y_label="pixels",
        curves=tuple(Curve(name=n, x=dates, y=evolution.counts(n)) for n in chosen),
    )
