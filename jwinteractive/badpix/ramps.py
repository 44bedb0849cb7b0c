"""Bring raw exposures to rates one after the other, and keep what their ramps tell of the pixels.

Of an exposure, only a few planes stay: those of its rate on a file, and sums over the exposures.
"""

from __future__ import annotations

import dataclasses as dc
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.badpix.evidence import RampEvidence
from jwinteractive.badpix.progress import Clock
from jwinteractive.badpix.stack import UNUSED, Rows
from jwinteractive.badpix.telegraph import two_levels
from jwinteractive.chain import Link, Progress, cores, run_strip, strip_rows
from jwinteractive.data import Array, Box, Exposure, Product, Ramp, Rate
from jwinteractive.errors import InputError
from jwinteractive.groups import DroppedGroups
from jwinteractive.journal import Settings
from jwinteractive.kernels.lanes import flatten
from jwinteractive.kernels.readstats import EDGE, STEPS, add_ramps
from jwinteractive.noise import Noise
from jwinteractive.pages import release
from jwinteractive.scratch import Scratch
from jwinteractive.session import Session

__all__ = ["HeldRate", "reduce_ramps"]

_PLANES = ("rate", "err", "var_poisson", "var_rnoise")
_SUMS = 7
_FLAGS = np.array([dq.DO_NOT_USE | dq.SATURATED, dq.JUMP_DET], np.uint8)
_MISFIT = 1e-4  # chance of a chi2 as high as one that fails
_MOST_DOF = 4096
_ROWS = 64


@dc.dataclass(frozen=True)
class HeldRate:
    """Rate of a raw exposure, on a file without a name."""

    name: str
    exposure: Exposure
    shape: tuple[int, int]
    mjd: float
    dispersion: int
    planes: dict[str, Array]

    def rows(self, y0: int, y1: int) -> Rows:
        """Read the rows y0 to y1, the end excluded."""
        rate, err = self._read(y0, y1, "rate", "err")
        return Rows(rate, err, ~(np.isfinite(rate) & (err > 0) & np.isfinite(err)))

    def variances(self, y0: int, y1: int) -> tuple[Array, Array]:
        """Read Poisson and read-out variance of some rows."""
        poisson, read = self._read(y0, y1, "var_poisson", "var_rnoise")
        return poisson, read

    def _read(self, y0: int, y1: int, *names: str) -> list[Array]:
        found = [self.planes[name][y0:y1].copy() for name in names]
        release(self.planes.values())  # memory must not grow with the exposures
        return found


class _Gathered:
    """Sums over exposures of what ramps tell, pixel by pixel."""

    def __init__(self, shape: tuple[int, int], differences: int) -> None:
        bins = 2 * EDGE * STEPS + 2
        kind = np.dtype(np.uint8 if differences < 256 else np.uint16)
        self._scratch = Scratch(
            {
                "sums": ((*shape, 2, _SUMS), np.dtype(np.float32)),
                "counts": ((*shape, bins), kind),
            }
        )
        self.sums, self.counts = (self._scratch.arrays[n] for n in ("sums", "counts"))
        self.failed = np.zeros(shape, np.uint16)
        self.judged = np.zeros(shape, np.uint16)

    def let_go(self) -> None:
        """Let the pages go: they are in the file."""
        release(self._scratch.arrays.values(), shared=True)


def reduce_ramps(
    session: Session,
    numbers: Sequence[int],
    axes: Sequence[int],
    *,
    report: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
    threads: int = 0,
) -> tuple[list[HeldRate], RampEvidence]:
    """Rates of some raw exposures of a session, and what all of their ramps tell.

    Parameters
    ----------
    numbers, axes
        Exposures, all of the same pixels, and the dispersion axis of each.

    Raises
    ------
    InputError
        If the recipe gives no rate.
    Cancelled, StepError, MissingReference, RecipeError
        One line each.
    """
    products = [session.input(k) for k in numbers]
    shape = products[0].shape
    rows = min(strip_rows(p) for p in products)
    strips = list(products[0].covers.strips(rows))
    headers = [p.exposure for p in products]
    gathered = _Gathered(shape, sum(e.nints * (e.ngroups - 1) for e in headers))
    clock = Clock("ramps", len(strips) * len(numbers), report, cancel)
    members = []
    with ThreadPoolExecutor(threads or cores(), thread_name_prefix="badpix") as pool:
        for k, axis in zip(numbers, axes, strict=True):
            reduced = _Reduced(session, k, gathered)
            for _ in pool.map(reduced.add, strips):
                clock.tick()
            gathered.let_go()
            members.append(reduced.held(axis))
        return members, _evidence(gathered, pool)


class _Reduced:
    """One exposure on its way from raw to rate."""

    def __init__(self, session: Session, number: int, gathered: _Gathered) -> None:
        # what the user's mask flags so far must be found again
        bare = Settings(session.recipe, session.references.with_masks(()))
        self._source, self._links = session.chain(number, settings=bare)
        self._gathered = gathered
        self._name = session.exposures[number].path.name
        names = [link.step.name for link in self._links]
        if "ramp_fit" not in names:
            raise InputError(
                f"{self._name}: the recipe fits no ramps: switch ramp_fit on or give rate files"
            )
        self._fit = self._links[names.index("ramp_fit")]
        self._before = names[names.index("ramp_fit") - 1] if names[0] != "ramp_fit" else ""
        kinds = {n: (self._source.shape, np.dtype(np.float32)) for n in _PLANES}
        self._scratch = Scratch(kinds)

    def held(self, axis: int) -> HeldRate:
        """Return the rate, when all strips were added."""
        release(self._scratch.arrays.values(), shared=True)
        e = self._source.exposure
        middle = e.start_time + e.nints * e.ngroups * e.group_time / 172800 if e.start_time else 0.0
        planes = self._scratch.read_only()
        return HeldRate(self._name, e, self._source.shape, middle, axis, planes)

    def add(self, strip: Box) -> None:
        """Reduce a strip, keep its rate and add its ramps."""
        seen: dict[str, Product] = {}

        def look(link: Link, product: Product, _: float) -> None:
            if link.step.name in (self._before, "ramp_fit"):
                seen[link.step.name] = product.crop(strip)

        made = run_strip(self._source, self._links, strip, look)
        ramp = seen[self._before] if self._before else self._source.crop(strip).native()
        fitted = seen["ramp_fit"]
        assert isinstance(ramp, Ramp)
        assert isinstance(fitted, Rate)
        assert isinstance(made, Rate)
        part = slice(strip.y0, strip.y1)
        bad = made.dq & np.uint32(UNUSED) != 0
        for name, plane in self._scratch.arrays.items():
            field = "data" if name == "rate" else name
            plane[part] = np.where(bad, np.float32(np.nan), getattr(made, field))
        self._add_ramps(ramp, fitted, bad, part)

    def _add_ramps(self, ramp: Ramp, fitted: Rate, bad: Array, part: slice) -> None:
        e, given = ramp.exposure, self._fit.references
        gain, readnoise = (
            r.crop(ramp.covers) if r is not None else None
            for r in (given["gain"], given["readnoise"])
        )
        noise = Noise.of(ramp, gain, readnoise)  # type: ignore[arg-type]  # by reference type
        slope = np.where(bad, np.float32(np.nan), fitted.data * np.float32(e.group_time))
        span = _span(self._fit, e.ngroups)
        sums = np.zeros((slope.size, 2, _SUMS), np.float32)
        counts = np.zeros((slope.size, self._gathered.counts.shape[-1]), np.uint8)
        counts = counts.astype(self._gathered.counts.dtype)
        add_ramps(
            flatten(ramp.data),
            flatten(ramp.groupdq),
            slope.astype(np.float32).ravel(),
            noise.read / np.float32(e.nframes),
            noise.gain,
            span,
            _curvature(*span, e.ngroups),
            _FLAGS,
            sums,
            counts,
        )
        self._gathered.sums[part] += sums.reshape(self._gathered.sums[part].shape)
        self._gathered.counts[part] += counts.reshape(self._gathered.counts[part].shape)
        if fitted.chi2 is not None and fitted.dof is not None:
            judged = (fitted.dof > 0) & ~bad
            self._gathered.judged[part] += judged
            self._gathered.failed[part] += judged & (fitted.chi2 > _cuts(fitted.chi2, fitted.dof))


def _span(fit: Link, ngroup: int) -> tuple[int, int]:
    """First and last group that the exposure can use."""
    if isinstance(fit.model, DroppedGroups):
        there = np.flatnonzero(~fit.model.dropped.all(axis=0))
        if there.size:
            return int(there[0]), int(there[-1])
    return 0, ngroup - 1


def _curvature(first: int, last: int, ngroup: int) -> Array:
    """Weights [2, group] of the curvature: of each group, and of each difference by its later end.

    A straight line has no curvature: the weights are a quadratic that is orthogonal to it.
    """
    weights = np.zeros((2, ngroup))
    t = np.arange(last - first + 1.0)
    if t.size > 2:
        line = np.vander(t, 2)
        own = t**2 - line @ np.linalg.lstsq(line, t**2, rcond=None)[0]
        own /= np.abs(own).sum()
        weights[0, first : last + 1] = own
        weights[1, first + 1 : last + 1] = np.cumsum(own[::-1])[::-1][1:]
    return weights.astype(np.float32)


def _cuts(chi2: Array, dof: Array) -> Array:
    """Highest chi2 that passes for chance, by degrees of freedom.

    Where most ramps scatter more than the read noise of the references has it, that is no misfit.
    """
    from scipy.stats import chi2 as law

    n = np.minimum(dof, _MOST_DOF).astype(np.int64)
    use = n > 0
    usual = float(np.median(chi2[use] / n[use])) if use.any() else 1.0
    table = law.isf(_MISFIT, np.maximum(np.arange(n.max() + 1), 1))
    cuts: Array = table[n] * max(1.0, usual)
    return cuts


def _evidence(gathered: _Gathered, pool: ThreadPoolExecutor) -> RampEvidence:
    """What the sums tell; strip by strip, for they are large."""
    shape = gathered.failed.shape
    found: dict[str, Any] = {
        f.name: np.full(shape, np.nan, np.float32) for f in dc.fields(RampEvidence)
    }

    def work(y: int) -> None:
        part = slice(y, y + _ROWS)
        chosen = _chosen(np.array(gathered.sums[part]))
        early, late, decay, decays, bend, bends, n = np.moveaxis(chosen, -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(late > 0, early / late, np.where(early > 0, np.inf, np.nan))
            found["decay"][part] = np.where(n > 0, ratio, np.nan)
            found["decay_sigma"][part] = _mean_sigma(decay, decays, n)
            found["curvature"][part] = _mean_sigma(bend, bends, n)
            judged = gathered.judged[part]
            found["misfit"][part] = np.where(judged > 0, gathered.failed[part] / judged, np.nan)
        counts = np.array(gathered.counts[part])
        bic, switching = two_levels(counts.reshape(-1, counts.shape[-1]))
        found["telegraph"][part] = bic.reshape(counts.shape[:2])
        found["switching"][part] = switching.reshape(counts.shape[:2])
        gathered.let_go()

    list(pool.map(work, range(0, shape[0], _ROWS)))
    for name in ("decay_sigma", "curvature"):
        width = _width(found[name])
        found[name] /= np.float32(max(1.0, width))
    return RampEvidence(**found)


def _chosen(sums: Array) -> Array:
    """Sums [y, x, 7] of the ramps without a jump; of all, where those are fewer than half.

    A hit spoils few of the ramps of a pixel. What flows in or switches is a jump in most of them.
    """
    clean, jumped = sums[..., 0, :], sums[..., 1, :]
    often = clean[..., -1:] < jumped[..., -1:]
    chosen: Array = np.where(often, clean + jumped, clean)
    return chosen


def _mean_sigma(total: Array, squares: Array, n: Array) -> Array:
    """Significance in sigma of a mean of n values, where need be by their own scatter."""
    variance = squares / n - (total / n) ** 2
    # a few values of unit variance scatter by less than twice their sigma
    found: Array = total / np.sqrt(n * np.where(variance > 4, variance, 1))
    return found


def _width(plane: Array) -> float:
    """1.4826 MAD: noise that reads share makes it more than 1."""
    some = plane[np.isfinite(plane)]
    return 1.4826 * float(np.median(np.abs(some - np.median(some)))) if some.size else 1.0
