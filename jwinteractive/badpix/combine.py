"""Combine exposures strip by strip, and compare each pixel with what surrounds it.

Source: dossier 5. A source that a dither moves is seen by the neighbours of a pixel, too: exposures
in which they are brighter than in the others do not count there. Why:
docs/decisions/0016-bad-pixels-by-the-median.md.
"""

from __future__ import annotations

import dataclasses as dc
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jwinteractive.badpix.chance import median_factors, typical_scatter
from jwinteractive.badpix.evidence import Evidence, RampEvidence
from jwinteractive.badpix.progress import Clock
from jwinteractive.badpix.stack import Member, check_alike
from jwinteractive.chain import Progress, cores
from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.kernels.badpix import blend, compare
from jwinteractive.kernels.lanes import sorting_network
from jwinteractive.kernels.surroundings import local_level, second_neighbour

__all__ = ["combine_exposures", "level_offsets"]

_SOURCE_LIMIT = 3.0  # sigma of the light of neighbours
_STRIP_BYTES = 16 * 2**20  # of rates and errors of all exposures
_FEWEST, _MOST = 4, 128  # rows
_SAMPLED = 96  # rows that sky levels and typical noise are taken from
_LINE = 7  # pixels on each side along the dispersion
_ROW_SHARE = 2**18  # pixels that a width is taken from, about
_RESTLESS = 2.5  # scatter of the neighbours, in units of the usual, that light must have caused
_LIT = 0.2  # noise of a response that still tells something


def level_offsets(dispersion: int) -> Array:
    """(dy, dx) of the surroundings of a pixel [n, 2].

    A line of 15 pixels along the dispersion, the pixel left out; in images a ring of 16.
    """
    if dispersion:
        along = [d for d in range(-_LINE, _LINE + 1) if d]
        pairs = [(0, d) if dispersion == 1 else (d, 0) for d in along]
    else:
        pairs = [(y, x) for y in range(-2, 3) for x in range(-2, 3) if max(abs(y), abs(x)) == 2]
    return np.array(pairs, np.int64)


def combine_exposures(
    members: Sequence[Member],
    *,
    flat: Array | None = None,
    dispersion: int | None = None,
    ramps: RampEvidence | None = None,
    notes: Iterable[str] = (),
    report: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
    threads: int = 0,
) -> Evidence:
    """Statistics of each pixel over exposures, strip by strip of all of them at once.

    Raises
    ------
    InputError
        If the exposures are not of the same pixels, or have no good ones.
    Cancelled
        After ``cancel``.
    """
    check_alike(members)
    depth, (ny, nx) = len(members), members[0].shape
    axis = members[0].dispersion if dispersion is None else dispersion
    typical = _typical(members)
    skies = typical.skies
    planes = {
        name: np.empty((ny, nx), np.float32)
        for name in ("rate", "scatter", "error", "spread", "level", "rough", "sigma", "z", "beside")
    }
    good, count = np.empty((ny, nx), np.uint16), np.empty((ny, nx), np.uint16)
    rows = max(_FEWEST, min(_MOST, _STRIP_BYTES // (9 * depth * nx)))
    strips = [(y, min(y + rows, ny)) for y in range(0, ny, rows)]
    clock = Clock("bad pixels", 2 * len(strips), report, cancel)
    nets = (sorting_network(8), sorting_network(depth))

    def over_exposures(strip: tuple[int, int]) -> None:
        part = slice(*strip)
        rate, err = _block(members, skies, *strip)
        blend(
            rate,
            err,
            nets,
            _SOURCE_LIMIT,
            planes["rate"][part],
            planes["scatter"][part],
            planes["error"][part],
            planes["spread"][part],
            good[part],
        )

    offsets = level_offsets(axis)
    net = sorting_network(len(offsets))

    def over_pixels(strip: tuple[int, int]) -> None:
        y0, y1 = strip
        rate, level = planes["rate"], planes["level"]
        local_level(rate, y0, y1, offsets, net, level, planes["rough"], count)
        second_neighbour(rate, level, y0, y1, planes["beside"])

    with ThreadPoolExecutor(threads or cores(), thread_name_prefix="badpix") as pool:
        for work in (over_exposures, over_pixels):
            for _ in pool.map(work, strips):
                clock.tick()
    if not good.any():
        raise InputError(
            f"no pixel of {members[0].name} and the others is good in any exposure: "
            "choose other exposures or look at their DQ"
        )
    factor = _noise_factor(planes["spread"], good, depth)
    planes["error"] *= np.float32(factor)
    planes["spread"] /= np.float32(factor**2)
    with ThreadPoolExecutor(threads or cores(), thread_name_prefix="badpix") as pool:
        _calm(planes["spread"], planes["z"], good, depth, strips, pool)
    compare(
        planes["rate"],
        planes["level"],
        planes["rough"],
        count,
        planes["error"],
        good,
        median_factors(depth),
        typical.by_rate * factor**2,
        planes["sigma"],
        planes["z"],
    )
    width = _width(planes["z"])
    planes["sigma"] *= np.float32(width)
    planes["z"] /= np.float32(width)
    response, noise, source = _response(planes, float(np.median(skies)), flat)
    exposures = [m.exposure for m in members]
    return Evidence(
        exposure=exposures[0],
        names=tuple(m.name for m in members),
        mjds=tuple(m.mjd for m in members),
        seconds=tuple(e.ngroups * e.group_time for e in exposures),
        **{name: planes[name] for name in ("rate", "level", "scatter", "error", "sigma")},
        **{name: planes[name] for name in ("spread", "beside")},
        significance=planes["z"],
        good=good,
        response=response,
        response_sigma=noise,
        response_from=source,
        skies=tuple(skies),
        variances=typical.variances,
        noise_factor=factor,
        structure_factor=width,
        dispersion=axis,
        ramps=ramps,
        notes=(*notes, *typical.notes),
    )


def _calm(
    spread: Array,
    beside: Array,
    good: Array,
    depth: int,
    strips: Sequence[tuple[int, int]],
    pool: ThreadPoolExecutor,
) -> None:
    """Measure the scatter of pixels by that of their neighbours where light makes all scatter.

    ``beside`` is written over.
    """
    relative = spread / typical_scatter(depth).astype(np.float32)[good]
    near, known = np.empty_like(spread), np.empty_like(good)
    eight = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x], np.int64)
    net = sorting_network(8)

    def work(strip: tuple[int, int]) -> None:
        y0, y1 = strip
        local_level(relative, y0, y1, eight, net, near, beside, known)
        restless = near[y0:y1] > _RESTLESS
        spread[y0:y1][restless] /= near[y0:y1][restless]

    list(pool.map(work, strips))


def _block(
    members: Sequence[Member], skies: Sequence[float], y0: int, y1: int
) -> tuple[Array, Array]:
    """Rates without sky and errors [exposure, y + 2, x + 2] about some rows; bad: 0, infinite."""
    ny, nx = members[0].shape
    low, high = max(0, y0 - 1), min(ny, y1 + 1)
    rate = np.zeros((len(members), y1 - y0 + 2, nx + 2), np.float32)
    err = np.full_like(rate, np.inf)
    part = slice(low - y0 + 1, high - y0 + 1), slice(1, nx + 1)
    for k, (member, sky) in enumerate(zip(members, skies, strict=True)):
        rows = member.rows(low, high)
        rate[k][part] = rows.rate - np.float32(sky)
        rate[k][part][rows.bad] = 0
        err[k][part] = rows.err
        err[k][part][rows.bad] = np.inf
    return rate, err


@dc.dataclass(frozen=True)
class _Typical:
    """What most pixels are like.

    Sky level of each exposure; Poisson and read variance of an integration; variance that an
    exposure shows for each unit that its rate is high by chance; what was assumed.
    """

    skies: list[float]
    variances: tuple[float, float]
    by_rate: float
    notes: list[str]


def _typical(members: Sequence[Member]) -> _Typical:
    """Look at some rows of each exposure."""
    ny, _ = members[0].shape
    step = max(1, ny // _SAMPLED)
    skies: list[float] = []
    noises: list[tuple[float, float]] = []
    slopes: list[float] = []
    notes: list[str] = []
    for member in members:
        rows = [(y, member.rows(y, y + 1)) for y in range(step // 2, ny, step)]
        seen = np.concatenate([r.rate[~r.bad] for _, r in rows])
        skies.append(float(np.median(seen)) if seen.size else 0.0)
        if not seen.size:
            continue
        pairs = [[v[~r.bad] for v in member.variances(y, y + 1)] for y, r in rows]
        poisson, read = (np.concatenate(part) for part in zip(*pairs, strict=True))
        nint = member.exposure.nints
        known = np.isfinite(poisson) & np.isfinite(read)
        if known.any():
            shot = float(np.median(poisson[known]))
            noises.append((shot * nint, float(np.median(read[known])) * nint))
            # of a rate that is high by chance, only the part of the photons shows in its error
            share = shot / max(shot + float(np.median(read[known])), 1e-30)
            slopes.append(share * shot / skies[-1] if skies[-1] > 0 else 0.0)
        else:
            errors = np.concatenate([r.err[~r.bad] for _, r in rows])
            noises.append((float(np.median(errors)) ** 2 * nint, 0.0))
            notes.append(
                f"{member.name} has no variances: all of its noise is taken to fall as 1/sqrt(t)"
            )
    shot, readout = np.median(noises, axis=0) if noises else (0.0, 0.0)
    by_rate = float(np.median(slopes)) if slopes else 0.0
    return _Typical(skies, (float(shot), float(readout)), by_rate, notes)


def _sample(plane: Array) -> Array:
    """Some rows, spread over the frame."""
    step = max(1, plane.size // _ROW_SHARE)
    return plane[step // 2 :: step] if plane.shape[0] > step else plane


def _noise_factor(spread: Array, good: Array, depth: int) -> float:
    """What the errors must be multiplied by so that they describe the scatter of most pixels."""
    some, n = _sample(spread), _sample(good)
    typical = typical_scatter(depth)[n]
    use = n >= min(3, depth)
    found = float(np.median(some[use] / typical[use])) if use.any() else 1.0
    return float(np.sqrt(found)) if found > 0 else 1.0


def _width(z: Array) -> float:
    """1.4826 MAD of the differences from the surroundings; 1 where it cannot be told."""
    some = _sample(z)
    some = some[np.isfinite(some)]
    if not some.size:
        return 1.0
    found = 1.4826 * float(np.median(np.abs(some - np.median(some))))
    return found if found > 0 else 1.0


def _response(planes: dict[str, Array], sky: float, flat: Array | None) -> tuple[Array, Array, str]:
    """Response, its noise, and where it is from; by the exposures where they are lit enough."""
    light = planes["level"] + np.float32(sky)
    with np.errstate(divide="ignore", invalid="ignore"):
        response = (planes["rate"] + np.float32(sky)) / light
        noise = planes["sigma"] / light
    lit = (noise > 0) & (noise < _LIT)
    response[~lit] = np.nan
    noise[~lit] = np.nan
    if flat is None:
        return response, noise, f"the light of {lit.mean():.0%} of the pixels" if lit.any() else ""
    dark = ~lit
    response[dark] = flat[dark]
    noise[dark] = np.where(np.isfinite(flat[dark]), np.float32(0), np.float32(np.nan))
    source = "the flat reference"
    if lit.any():
        source += f", and the light of {lit.mean():.0%} of the pixels"
    return response, noise, source
