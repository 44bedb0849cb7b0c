"""Injection and recovery: how many jumps a threshold finds, and how many it makes up.

Jumps of known size go into the user's own ramp as it is just before `jump`, with its noise, its
sky and its defects; the step then runs with a row of thresholds on the copy with jumps and on
the one without. Flags of neighbours and of groups after a jump are switched off for that: they are
no detections.

A jump is *found* where the step flags its group (or the group after, where it falls among averaged
frames), and does not without it. A flag without injection is *false* where a simulated exposure
comes with its truth, and that knows neither a hit nor a defect there. Real data hold hits of their
own: there it is only called flags per difference, no injection, the most that can be false.

Source: dossier sections 1.3 and 1.8.
"""

from __future__ import annotations

import dataclasses as dc
import math
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from jwinteractive.chain import Link, run_box
from jwinteractive.data import Array, Box, Ramp
from jwinteractive.errors import Cancelled, InputError, ParamError, RecipeError
from jwinteractive.injection import Piece, noise_of, sample_boxes, truth_of
from jwinteractive.params import Field, Params, fields_of
from jwinteractive.views import Curve, Plot

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = [
    "Recovery",
    "as_json",
    "as_text",
    "measure_recovery",
    "size_plot",
    "threshold_of",
    "threshold_plot",
    "words",
]

STEP = "jump"
SAMPLES = 2_500_000  # samples of the ramps that are looked at, if not told otherwise
THRESHOLDS = (0.55, 0.65, 0.75, 0.82, 0.9, 1.0, 1.1, 1.22, 1.35, 1.5, 1.75, 2.1)
"""Of the present one: the row of thresholds."""
SIZES = (0.25, 0.4, 0.6, 0.8, 1.0, 1.3, 1.8, 3.0)
"""Of the asked one: the sizes of jumps; half of all have the asked one."""
_ASKED = SIZES.index(1.0)
_QUIET = {"flag_4_neighbors": False, "after_jump_flag_time1": 0.0, "after_jump_flag_time2": 0.0}


@dc.dataclass(frozen=True, kw_only=True)
class Recovery:
    """What came back of injected jumps, by threshold and size.

    Attributes
    ----------
    parameter, unit
        Of the threshold.
    threshold, thresholds
        The present one; all that were tried [threshold], the present one among them.
    size, sizes
        The asked size in electrons; all that were injected [size].
    rate
        Rate in electrons per second that was added to every pixel, 0 for none.
    injected, found
        Jumps that count and those that were found [threshold, size].
    differences, flagged
        Differences without a jump of ours, and how many of them are flagged [threshold].
    against
        What these flags are: "truth" where they are false, else "no injection".
    pixels, seconds
        Pixels looked at; how long it took.
    """

    parameter: str
    unit: str
    threshold: float
    thresholds: Array
    size: float
    sizes: Array
    rate: float
    injected: Array
    found: Array
    differences: int
    flagged: Array
    against: str
    pixels: int
    seconds: float

    @property
    def completeness(self) -> Array:
        """Share of the jumps that is found [threshold, size]; NaN where none was injected."""
        return _share(self.found, self.injected)

    @property
    def false_words(self) -> str:
        """What `flagged` is of all differences, in words."""
        if self.against == "truth":
            return "false flags per difference"
        return "flags per difference, no injection"


def threshold_of(params: Params, ngroup: int) -> Field:
    """The threshold that decides with the present method of `jump`.

    Raises
    ------
    ParamError
        If there is none.
    """
    few = {3: "three_group_rejection_threshold", 4: "four_group_rejection_threshold"}
    fields = {f.name: f for f in fields_of(type(params)) if f.name not in params.idle()}
    for name in ("likelihood_threshold", few.get(ngroup, ""), "rejection_threshold"):
        if name in fields:
            return fields[name]
    raise ParamError(
        f"{type(params).__name__}: no threshold acts with {params.changed() or 'its defaults'}: "
        "choose another method"
    )


def measure_recovery(
    session: Session,
    size: float = 0.0,
    *,
    rate: float = 0.0,
    box: Box | None = None,
    exposure: int | None = None,
    samples: int = SAMPLES,
    seed: int = 1,
    cancel: threading.Event | None = None,
) -> Recovery:
    """Inject jumps into a session's own ramp and see which the present `jump` step finds.

    Parameters
    ----------
    size
        Of the jumps in electrons; 0 takes six times the noise of a difference.
    rate
        Electrons per second that are added to every pixel looked at, with their own noise.
    box
        Where to look; by default all over the exposure.
    samples
        How many samples of ramps to look at, about.
    seed
        Of all that is drawn: the same seed gives the same numbers.
    cancel
        Set it to stop between two thresholds.

    Raises
    ------
    RecipeError
        If `jump` does not run.
    ParamError
        If a size or rate is negative, or the step has no threshold.
    InputError
        If no difference of groups can be used.
    Cancelled, StepError, MissingReference
        One line each.
    """
    began = time.perf_counter()
    if not (size >= 0 and rate >= 0 and math.isfinite(size + rate)):  # NaN too
        raise ParamError(f"jumps of {size} e- at {rate} e-/s: neither can be negative")
    source, links = session.chain(exposure, hold=True)
    names = [link.step.name for link in links]
    if STEP not in names:
        why = [p.skipped for p in session.plan(None, exposure) if p.step.name == STEP]
        raise RecipeError(f"{STEP} does not run here: {why[0] if why else 'not in the recipe'}")
    before, jump = links[: names.index(STEP)], links[names.index(STEP)]
    assert isinstance(source, Ramp)
    boxes = sample_boxes(box or source.covers, source, samples)
    number = session.active if exposure is None else exposure
    truth = truth_of(session.exposures[number].path)
    rng = np.random.default_rng(seed)
    pieces = []
    for part in boxes:
        _stop_if(cancel)
        ramp = run_box(source, before, part)
        assert isinstance(ramp, Ramp)
        pieces.append(Piece.of(ramp, jump, rate, truth, rng))
    field = threshold_of(jump.params, source.exposure.ngroups)
    size = size or 6 * noise_of(pieces)
    sizes = size * np.array(SIZES)
    pieces = [piece.injected(sizes, _ASKED, rng) for piece in pieces]
    present = float(getattr(jump.params, field.name))
    tried = _thresholds(field, present)
    injected = np.zeros((len(tried), len(sizes)), int)
    found, flagged = injected.copy(), np.zeros(len(tried), int)
    for k, threshold in enumerate(tried):
        link = _quiet(jump, {field.name: float(threshold)})
        for piece in pieces:
            _stop_if(cancel)
            flagged[k] += piece.count(link, injected[k], found[k])
    differences = sum(int(piece.quiet.sum()) for piece in pieces)
    if not differences or not injected.any():
        raise InputError(
            "injection: no difference of groups can be used: choose another box, or look at the "
            "flags before jump"
        )
    return Recovery(
        parameter=field.name,
        unit=field.unit,
        threshold=present,
        thresholds=tried,
        size=size,
        sizes=sizes,
        rate=rate,
        injected=injected,
        found=found,
        differences=differences,
        flagged=flagged,
        against="no injection" if truth is None else "truth",
        pixels=sum(piece.ramp.shape[0] * piece.ramp.shape[1] for piece in pieces),
        seconds=time.perf_counter() - began,
    )


def _stop_if(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("injection: cancelled")


def _thresholds(field: Field, present: float) -> Array:
    """The row of thresholds, inside what the parameter allows; the present one is among them."""
    low = -np.inf if field.low is None else field.low
    high = np.inf if field.high is None else field.high
    # about a threshold of zero there is no row of multiples
    row = (present or 1.0) * np.array(THRESHOLDS)
    return np.unique(np.append(np.clip(row, low, high), present))


def _quiet(jump: Link, changes: dict[str, Any]) -> Link:
    """The step with other parameters, and without flags of neighbours and later groups."""
    names = [f.name for f in fields_of(type(jump.params))]
    quiet = {name: value for name, value in _QUIET.items() if name in names}
    return dc.replace(jump, params=jump.params.replace(**quiet, **changes))


# -- figures --------------------------------------------------------------------------------------


def _share(part: Array, whole: Array) -> Array:
    share: Array = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=share, where=np.asarray(whole) > 0)
    return share


def interval(part: Array, whole: Array) -> tuple[Array, Array]:
    """Wilson's interval of a share that holds it with 68 %: lower and upper end."""
    n = np.where(np.asarray(whole) > 0, whole, np.nan).astype(float)
    p = part / n
    middle = (p + 0.5 / n) / (1 + 1 / n)
    half = np.sqrt(p * (1 - p) / n + 0.25 / n**2) / (1 + 1 / n)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _binomial_error(part: Array, whole: Array) -> Array:
    low, high = interval(part, whole)
    error: Array = (high - low) / 2
    return error


def _present(found: Recovery) -> int:
    return int(np.argmin(np.abs(found.thresholds - found.threshold)))


def threshold_plot(found: Recovery, threshold: float | None = None) -> Plot:
    """Completeness of the asked size against false flags, with the threshold marked.

    ``threshold`` may have moved since: it is then marked between those that were tried. Where
    nothing was flagged the upper end of the interval is drawn.
    """
    threshold = found.threshold if threshold is None else threshold
    of = found.differences
    _, upper = interval(found.flagged, np.full(found.flagged.shape, of))
    false = np.where(found.flagged > 0, found.flagged / of, upper)
    asked = _ASKED
    share = found.completeness[:, asked]
    err = _binomial_error(found.found[:, asked], found.injected[:, asked])
    tried = found.thresholds
    inside = tried[0] <= threshold <= tried[-1]
    at = float(np.exp(np.interp(threshold, tried, np.log(false))))
    found_now = float(np.interp(threshold, tried, share))
    known = found.flagged > 0
    curves = [
        Curve(name="thresholds", x=false, y=share),
        Curve(
            name=_range_words(found), x=false[known], y=share[known], err=err[known], style="points"
        ),
    ]
    if not known.all():
        words = "nothing flagged: upper limit"
        curves.append(Curve(name=words, x=false[~known], y=share[~known], style="points"))
    if inside:
        name = f"now: {threshold:.4g} {found.unit}".rstrip()
        # from one axis to the curve and on to the other
        x, y = np.array([at, at, false.min() / 1.5]), np.array([0.0, found_now, found_now])
        curves.append(Curve(name=name, x=x, y=y))
    light = f", {found.rate:g} e-/s added" if found.rate else ""
    return Plot(
        title=f"jumps of {found.size:.3g} e- that are found{light}",
        x_label=found.false_words,
        y_label="completeness",
        curves=tuple(curves),
        log_x=True,
    )


def _range_words(found: Recovery) -> str:
    low, high = found.thresholds[0], found.thresholds[-1]
    return f"{high:.3g} (left) to {low:.3g} {found.unit} (right)"


def size_plot(found: Recovery, threshold: float | None = None) -> Plot:
    """Completeness against size at the tried threshold that is nearest to the present one."""
    threshold = found.threshold if threshold is None else threshold
    k = int(np.argmin(np.abs(found.thresholds - threshold)))
    share = found.completeness[k]
    err = _binomial_error(found.found[k], found.injected[k])
    name = f"{found.parameter} {found.thresholds[k]:.4g} {found.unit}".rstrip()
    return Plot(
        title=f"completeness by size at {name}",
        x_label="size of the jump (e-)",
        y_label="completeness",
        curves=(
            Curve(name="between the sizes", x=found.sizes, y=share),
            Curve(name=name, x=found.sizes, y=share, err=err, style="points"),
        ),
        log_x=True,
    )


def words(found: Recovery, threshold: float | None = None) -> str:
    """What a threshold finds and flags, between those that were tried; "" outside of them."""
    threshold = found.threshold if threshold is None else threshold
    tried, of = found.thresholds, found.differences
    if not tried[0] <= threshold <= tried[-1]:
        return f"{found.parameter} {threshold:g} {found.unit} lies outside of what was tried"
    k = int(np.argmin(np.abs(tried - threshold)))
    share = np.interp(threshold, tried, found.completeness[:, _ASKED])
    err = _binomial_error(found.found[k, _ASKED], found.injected[k, _ASKED])
    low, high = interval(found.flagged[k], np.array(of))
    flags = np.interp(threshold, tried, found.flagged / of)
    light = f" in pixels with {found.rate:g} e-/s more" if found.rate else ""
    return (
        f"{found.parameter} {threshold:.4g} {found.unit}: {100 * share:.1f} ± {100 * err:.1f} % of "
        f"jumps of {found.size:.3g} e- found{light}; {flags:.1e} ({low:.1e} to {high:.1e}) "
        f"{found.false_words}; {found.pixels:,} pixels, {found.seconds:.2f} s"
    )


def as_json(found: Recovery) -> dict[str, Any]:
    """Plain values, with the 68 % interval of each share."""

    def share(part: Array, whole: Array) -> dict[str, Any]:
        low, high = interval(part, whole)
        value = _share(part, whole)
        return {
            "value": _plain(value),
            "low": _plain(low),
            "high": _plain(high),
            "of": np.asarray(whole).tolist(),
        }

    of = np.full(found.flagged.shape, found.differences)
    return {
        "parameter": found.parameter,
        "unit": found.unit,
        "threshold": found.threshold,
        "thresholds": found.thresholds.tolist(),
        "size": found.size,
        "sizes": found.sizes.tolist(),
        "rate": found.rate,
        "completeness": share(found.found, found.injected),
        "flags": share(found.flagged, of) | {"of": found.differences},
        "flags_are": found.false_words,
        "pixels": found.pixels,
        "seconds": found.seconds,
    }


def _plain(values: Array) -> Any:
    return [
        _plain(v) if isinstance(v, np.ndarray) else (float(v) if np.isfinite(v) else None)
        for v in values
    ]


def as_text(found: Recovery) -> str:
    """A page for a terminal: completeness and flags by threshold, then completeness by size."""
    light = f", {found.rate:g} e-/s added" if found.rate else ""
    lines = [
        f"{found.pixels} pixels, {found.differences} differences{light}; jumps of "
        f"{found.size:.3g} e-; {found.seconds:.2f} s",
        "",
        f"{found.parameter:>24}  completeness      {found.false_words}",
    ]
    of = np.full(found.flagged.shape, found.differences)
    low, high = interval(found.flagged, of)
    share, err = (
        found.completeness[:, _ASKED],
        _binomial_error(found.found[:, _ASKED], found.injected[:, _ASKED]),
    )
    for k, threshold in enumerate(found.thresholds):
        mark = " <" if k == _present(found) else ""
        flags = found.flagged[k] / found.differences
        lines.append(
            f"{threshold:>24.4g}  {share[k]:.3f} +- {err[k]:.3f}    {flags:.2e} "
            f"({low[k]:.1e} to {high[k]:.1e}){mark}"
        )
    k = _present(found)
    lines += ["", f"{'size (e-)':>24}  completeness at {found.thresholds[k]:.4g} {found.unit}"]
    errors = _binomial_error(found.found[k], found.injected[k])
    for size, share_of, error in zip(found.sizes, found.completeness[k], errors, strict=True):
        lines.append(f"{size:>24.4g}  {share_of:.3f} +- {error:.3f}")
    return "\n".join(lines)
