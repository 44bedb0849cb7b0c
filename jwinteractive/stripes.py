"""1/f noise of what is in view by every method of `clean_flicker_noise`, in numbers.

A fit lowers the scatter of the pixels that it is made from, whatever it does to others. So a fifth
of the background is held out: fits do not see it, and what is left of the stripes and of the powers
is measured on it alone. What sources lose is seen on faint ones that are put in.

Source: dossier section 4.
"""

from __future__ import annotations

import dataclasses as dc
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from jwinteractive.data import Array, Box, Product, Ramp, Rate, RateInts
from jwinteractive.errors import Cancelled, InputError, JwinteractiveError
from jwinteractive.flicker.cleaning import reasons_of
from jwinteractive.flicker.geometry import Stripes
from jwinteractive.flicker.metrics import (
    amplifier_steps,
    background_scatter,
    flux_bias,
    power_spectrum,
    stripe_rms,
)
from jwinteractive.flicker.scene import Scene, draft_of
from jwinteractive.journal import Settings
from jwinteractive.masks import SOURCE
from jwinteractive.params import Params, fields_of
from jwinteractive.plan import load_references
from jwinteractive.references import Reference
from jwinteractive.step import Step, Whole, registry
from jwinteractive.views import Table

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = [
    "STEP",
    "Judged",
    "Numbers",
    "as_json",
    "as_text",
    "compare_cleaning",
    "remarks_on",
    "table_of",
]

STEP = "clean_flicker_noise"
HELD_OUT = 0.2  # of the background
BANDS = ((1.0, 100.0), (100.0, 1000.0))  # Hz
FAINT = 5.0  # signal to noise of the sources that are put in
MOST_LOST = 0.1  # sigma


@dc.dataclass(frozen=True)
class Numbers:
    """The five numbers of an image.

    Attributes
    ----------
    stripes
        Scatter of the line medians beyond white noise, mean of the amplifiers.
    powers
        Mean power in 1 to 100 and in 100 to 1000 Hz.
    scatter
        Of means of 5 x 5 pixels.
    step
        Largest height between neighbouring amplifiers; NaN where there is one.
    lost, lost_error
        Flux that faint sources lost, in units of its noise, and the error of that; NaN where it was
        not measured.
    """

    stripes: float
    powers: tuple[float, float]
    scatter: float
    step: float
    lost: float = math.nan
    lost_error: float = math.nan


@dc.dataclass(frozen=True)
class Judged:
    """What one method makes of the lines in view; ``failed`` says why it does not run.

    ``method`` "" is the image before. Numbers are in ``unit`` and its square per Hz.
    """

    method: str
    unit: str
    numbers: Numbers | None = None
    seconds: float = math.nan
    present: bool = False
    failed: str = ""

    @property
    def warning(self) -> str:
        """What a person should know before choosing it, or ""."""
        n = self.numbers
        if n is None or not abs(n.lost) > max(MOST_LOST, 3 * n.lost_error):
            return ""
        verb = "lose" if n.lost > 0 else "gain"
        return f"{self.method}: faint sources {verb} {abs(n.lost):.2f} ± {n.lost_error:.2f} sigma"


@dc.dataclass(frozen=True)
class _Judge:
    """Pixels that numbers are taken from, and how these lie.

    ``free`` is the background [y, x] of a box of whole lines, ``held`` the part held out.
    """

    stripes: Stripes
    box: Box
    free: Array
    held: Array
    level: Array
    integration: int

    def image(self, product: Product) -> Array:
        """Draft rate [y, x] without background; NaN is 0, and told apart by the masks."""
        rates = draft_of(product.crop(self.box))
        rate = rates[min(self.integration, len(rates) - 1)] - self.level
        return np.where(np.isfinite(rate), rate, np.float32(0))

    def numbers(
        self, image: Array, lost: float = math.nan, lost_error: float = math.nan
    ) -> Numbers:
        """Take the numbers of an image."""
        first, end = self.stripes.span(self.box)
        readout = self.stripes.readout(end - first)
        power = power_spectrum(image, self.held, readout)
        steps = np.abs(amplifier_steps(image, self.free, readout))
        left = stripe_rms(image, self.held, readout)
        return Numbers(
            stripes=float(np.sqrt(np.nanmean(left**2))) if np.isfinite(left).any() else math.nan,
            powers=(power.band(*BANDS[0]), power.band(*BANDS[1])),
            scatter=background_scatter(image, self.free),
            step=float(np.nanmax(steps)) if np.isfinite(steps).any() else math.nan,
            lost=lost,
            lost_error=lost_error,
        )


@dc.dataclass(frozen=True)
class _Case:
    """A method with what it made of a product."""

    step: Step
    params: Params
    before: Product
    after: Product
    model: Any
    given: Mapping[str, Reference | None]

    def again(self, product: Product) -> Product:
        """The same with another product of these lines."""
        model = self.model
        if not isinstance(model, Scene):  # as if these lines were all there are
            whole = Whole(product.exposure, product.covers, product.crop)
            model = self.step.learn(whole, self.params, self.given)
        return self.step(product, self.params, self.given, model)


def _judged(case: _Case, judge: _Judge) -> dict[str, Any]:
    """Numbers of a method, and its seconds for the lines: fields of `Judged`."""
    image = judge.image(case.before)
    spent = []

    def clean(added: Array) -> Array:
        product = _brighter(case.before, added - image, judge.box)
        began = time.perf_counter()
        made = case.again(product)
        spent.append(time.perf_counter() - began)
        return judge.image(made)

    after = judge.image(case.after)
    try:
        bias = flux_bias(image, judge.free, clean, snr=FAINT)
        numbers = judge.numbers(after, bias.bias, bias.error)
    except InputError:  # nowhere is room for a source
        numbers = judge.numbers(after)
    return {"numbers": numbers, "seconds": min(spent, default=math.nan)}


def _brighter(product: Product, rate: Array, box: Box) -> Product:
    """Product with more light in a box of it: rate [y, x] in DN a group or DN/s."""
    assert isinstance(product, Ramp | Rate | RateInts)
    data = product.data.copy()
    rows, columns = box.slices(product.covers)
    if isinstance(product, Ramp):
        times = np.arange(data.shape[1], dtype=np.float32)[:, None, None]
        data[..., rows, columns] += times * rate
    else:
        data[..., rows, columns] += rate
    return product.replace(data=data)


def compare_cleaning(
    session: Session,
    box: Box | None = None,
    exposure: int | None = None,
    report: Callable[[Judged], None] | None = None,
    cancel: threading.Event | None = None,
) -> tuple[Judged, ...]:
    """Judge the lines of a box, by default of the whole frame, before and after every method.

    Parameters
    ----------
    report
        Told each result as soon as it is there.

    Raises
    ------
    InputError
        If the step does not run on the exposure, or shows no background.
    Cancelled, StepError, MissingReference, RecipeError
        One line each.
    """
    plan = {p.step.name: p for p in session.plan(exposure=exposure)}
    if STEP not in plan or plan[STEP].skipped:
        why = plan[STEP].skipped if STEP in plan else "the recipe has no such step"
        raise InputError(f"{STEP} does not run here ({why}): switch it on first")
    source = session.input(exposure)
    frame = source.covers
    present = plan[STEP].stage.params
    stripes = Stripes(source.exposure, frame.shape)
    lines = stripes.band(*stripes.span(box or frame)).clip(frame)
    step = registry[STEP]
    widest = present.replace(fit_method="smoother")
    wide = step.context(source.exposure, widest, lines, frame)
    recipe = session.recipe

    def settings_with(method: str, hand: Array | None) -> Settings:
        references = session.references
        if hand is not None:
            whole: Array = np.zeros(frame.shape, np.uint8)
            whole[wide.slices(frame)] = hand
            references = references.with_override("scene", whole)
        changed = recipe.with_params(STEP, fit_method=method)
        return dc.replace(session.settings, recipe=changed, references=references)

    def glance(settings: Settings, before: bool = False) -> Any:
        return session.glance(
            wide, STEP, knob=STEP, before=before, settings=settings, exposure=exposure,
            cancel=cancel,
        )  # fmt: skip

    def given(settings: Settings) -> dict[str, Reference | None]:
        (*_, planned) = session.plan(STEP, exposure, settings)
        file = session.exposures[session.active if exposure is None else exposure]
        loaded = load_references(planned, file, settings.references)
        return {name: r and r.crop(wide) for name, r in loaded.items()}

    first = glance(settings_with("smoother", None), before=True)
    judge, hand = _judge(session, first, stripes, lines, widest, exposure)
    unit = "DN/group" if isinstance(first.before, Ramp) else "DN/s"
    found = [Judged("", unit, judge.numbers(judge.image(first.before)))]
    if report is not None:
        report(found[0])
    for method in _methods(present):
        if cancel is not None and cancel.is_set():
            raise Cancelled("comparing methods: cancelled")
        own = present.replace(fit_method=method)
        made = Judged(method, unit, present=own == present, failed=step.skips(source.exposure, own))
        if not made.failed:
            try:
                settings = settings_with(method, hand)
                shown = glance(settings)
                case = _Case(step, own, first.before, shown.product, shown.model, given(settings))
                made = dc.replace(made, **_judged(case, judge))
            except Cancelled:
                raise
            except JwinteractiveError as error:
                made = dc.replace(made, failed=str(error))
        found.append(made)
        if report is not None:
            report(made)
    return tuple(found)


def _methods(params: Params) -> Sequence[str]:
    (field,) = (f for f in fields_of(type(params)) if f.name == "fit_method")
    return field.choices


def _judge(
    session: Session,
    glance: Any,
    stripes: Stripes,
    lines: Box,
    params: Params,
    exposure: int | None,
) -> tuple[_Judge, Array]:
    """Which pixels judge, and what fits are told of them and by the user: uint8 of the glance."""
    product, scene = glance.before, cast("Scene", glance.model)
    how = cast("Any", params).how
    e, shape = session.input(exposure).exposure, session.input(exposure).shape
    mask = session.references.mask_for(e, shape)
    hand: Array = np.zeros(product.shape, np.uint8)
    if mask is not None:
        said = mask.cut_to(e, shape).scene(e.filename)
        hand = said[product.covers.slices(Box.whole(shape))].copy()
    why = np.bitwise_or.reduce(reasons_of(product, draft_of(product), how, scene, hand), axis=0)
    free = why == 0
    # the same pixels whatever part of the frame is in view
    y, x = np.mgrid[product.covers.y0 : product.covers.y1, product.covers.x0 : product.covers.x1]
    draw = ((y * 2654435761 + x * 40503) ^ (x * 2246822519)) % 1000003 / 1000003
    held = free & (draw < HELD_OUT)
    hand[held] = SOURCE
    inside = lines.slices(product.covers)
    if not held[inside].any():
        raise InputError(f"{STEP}: nothing in view is background: mask less or look elsewhere")
    level = scene.background(lines, how.meshed)
    where = session.look.integration
    return _Judge(stripes, lines, free[inside], held[inside], level, where), hand


def table_of(judged: Sequence[Judged]) -> Table:
    """A row for the image before and for each method that runs; the present one is marked."""
    shown = [(j, j.numbers) for j in judged if j.numbers is not None]
    first = shown[0][1].powers if shown else (1.0, 1.0)
    columns: dict[str, list[str]] = {
        "method": [f"{j.method or 'before'}{' *' if j.present else ''}" for j, _ in shown],
        "stripes": [_digits(n.stripes) for _, n in shown],
        "<100 Hz": [_percent(n.powers[0], first[0]) for _, n in shown],
        "<1 kHz": [_percent(n.powers[1], first[1]) for _, n in shown],
        "5x5": [_digits(n.scatter) for _, n in shown],
        "step": [_digits(n.step) for _, n in shown],
        "loss": [f"{_digits(n.lost)}{' !' if j.warning else ''}" for j, n in shown],
        "ms": [_digits(1e3 * j.seconds) for j, _ in shown],
    }
    told = {name: texts for name, texts in columns.items() if any(texts)}
    unit = judged[0].unit if judged else "DN/s"
    return Table(
        title=f"1/f noise left in view, in {unit}",
        columns=tuple(told),
        rows=tuple(zip(*told.values(), strict=True)),
    )


def _percent(value: float, whole: float) -> str:
    return "" if math.isnan(value) or not whole else f"{_digits(100 * value / whole)} %"


def _digits(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def remarks_on(judged: Sequence[Judged]) -> list[str]:
    """What a person should know of the numbers, and why a method is not among them."""
    if not judged:
        return []
    said = [
        "Stripes, power left in 1 to 100 and 100 to 1000 Hz, scatter of 5 x 5 pixels, largest step "
        "between amplifiers, and what sources of 5 sigma lose, in sigma. A fifth of the background "
        "judges: no fit saw it. * is the present method."
    ]
    said += [f"{j.warning}: mask more, or take another method" for j in judged if j.warning]
    return said + [f"{j.method}: {j.failed}" for j in judged if j.failed]


def as_text(judged: Sequence[Judged]) -> str:
    """A page for a terminal."""
    table = table_of(judged)
    rows = [table.columns, *table.rows]
    wide = [max(len(str(row[k])) for row in rows) for k in range(len(table.columns))]
    places = [f"{{:<{wide[0]}}}", *(f"{{:>{n}}}" for n in wide[1:])]
    lines = ["  ".join(places).format(*row) for row in rows]
    return "\n".join([table.title, "", *lines, "", *remarks_on(judged)])


def as_json(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Plain values by method; None for what was not measured."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return [
        {
            "method": j.method or "before",
            "present": j.present,
            "unit": j.unit,
            "failed": j.failed,
            "seconds": plain(j.seconds),
            **({} if j.numbers is None else {k: plain(v) for k, v in vars(j.numbers).items()}),
        }
        for j in judged
    ]
