"""A step as we do it and as the official package does: what differs, in numbers, flags and cost.

Both start from the same result before it, over the whole exposure. Ours runs as if it had never
been run, so that its cost is known; what the official one cost is kept with its files.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jwinteractive.compare import Comparison, compare
from jwinteractive.compare_spectra import alike
from jwinteractive.data import Product
from jwinteractive.errors import InputError, RecipeError, StepError
from jwinteractive.journal import Settings
from jwinteractive.official.catalogue import catalogue
from jwinteractive.plan import Planned
from jwinteractive.recipe import counterpart
from jwinteractive.spent import Spent, spent
from jwinteractive.step import OFFICIAL, Ran, registry
from jwinteractive.store import Store
from jwinteractive.views import Table
from jwinteractive.warm import warm_once

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = ["Rival", "Rivals", "both_forms", "compare_rivals"]

SHORT = 20.0  # seconds below which ours is timed twice: kernels are loaded in the first run
MB = 1e6


@dc.dataclass(frozen=True, kw_only=True)
class Rival:
    """One of the two.

    Attributes
    ----------
    step
        Its name.
    settings
        What it ran with.
    product
        Its result over the whole exposure.
    cost
        Seconds and memory of the step alone.
    """

    step: str
    settings: Settings
    product: Product
    cost: Spent

    @property
    def official(self) -> bool:
        """Whether it is the official one."""
        return self.step.startswith(OFFICIAL)


@dc.dataclass(frozen=True, kw_only=True)
class Rivals:
    """Both of them: ``a`` is the one that is not in the recipe, ``b`` the one that is.

    Attributes
    ----------
    comparison
        Their results side by side, see `compare.compare`; None where they cannot be compared.
    why
        Why not; "" if they can.
    costs
        Seconds and memory of each.
    """

    a: Rival
    b: Rival
    comparison: Comparison | None
    why: str
    costs: Table

    @property
    def headline(self) -> str:
        """What to know first: how many times faster, and what differs."""
        ours, theirs = sorted((self.a, self.b), key=lambda r: r.official)
        said = [_times(theirs.cost.seconds, ours.cost.seconds)]
        if self.comparison is not None:
            said.append(self.comparison.headline.rpartition("; ")[2])
            rows = self.comparison.flags.rows
            flags = [f"{n} in {_many(a + b, of)}" for n, of, a, b, _ in rows if a + b]
            said.append(f"flags differ: {', '.join(flags)}" if flags else "no flag differs")
        return "; ".join(said)


def both_forms() -> frozenset[str]:
    """Names of the native steps that the installed official package has, too.

    It may take some seconds where that package has not been described before.
    """
    try:
        return frozenset(registry) & catalogue().steps.keys()
    except StepError:  # it is not installed
        return frozenset()


def compare_rivals(session: Session, step: str, exposure: int | None = None) -> Rivals:
    """Run a step of the recipe and its other form, and compare their results.

    Raises
    ------
    RecipeError
        If the step has no other form, or one of them does not run here.
    Cancelled, StepError, MissingReference, OutputError
        One line each.
    """
    number = session.active if exposure is None else exposure
    settings = session.settings
    other, changed = _with_other_form(settings, step)
    both = [(_running(session, n, number, s), s) for n, s in ((other, changed), (step, settings))]
    with session.at_work():
        a, b = (_run(session, plan, number, s) for plan, s in both)
    found, why = None, ""
    try:
        pair = alike(a.product, b.product)
        found = compare(*pair, recipe_a=changed.recipe, recipe_b=settings.recipe)
    except InputError as error:
        why = str(error)
    return Rivals(a=a, b=b, comparison=found, why=why, costs=_costs(a, b))


def _with_other_form(settings: Settings, step: str) -> tuple[str, Settings]:
    """Name of the other form of a step, and settings with it in its place."""
    other = counterpart(settings.recipe[step])
    recipe = settings.recipe.with_stage(step, other)
    return other.step, dc.replace(settings, recipe=recipe)


def _running(session: Session, step: str, exposure: int, settings: Settings) -> list[Planned]:
    plan = session.plan(step, exposure, settings)
    if plan[-1].skipped:
        raise RecipeError(f"{step} does not run here: {plan[-1].skipped}")
    return [p for p in plan if not p.skipped]


def _run(session: Session, plan: Sequence[Planned], exposure: int, settings: Settings) -> Rival:
    last, name = plan[-1], plan[-1].step.name
    if plan[:-1]:
        session.result(plan[-2].step.name, exposure, settings=settings)
    if last.step.filed:
        product = session.result(name, exposure, settings=settings).product
        ran = session.store.get(last.model_key)
        assert isinstance(ran, Ran)  # the run has just made it
        cost = Spent(ran.seconds, ran.peak)
    else:
        cost = _cost(session, plan, exposure, settings)
        product = session.result(name, exposure, settings=settings).product
    return Rival(step=name, settings=settings, product=product, cost=cost)


def _cost(session: Session, plan: Sequence[Planned], exposure: int, settings: Settings) -> Spent:
    """What the last of some steps costs, and its result kept."""
    warm_once()
    last, least = plan[-1], Spent(float("inf"))
    for _ in range(2):
        store = _checkpoint(session, plan)
        reduction = session.reduction(exposure, settings, store)
        with session.at_work() as cancel, spent() as cost:
            product, _by_step = reduction.run(plan, 0, session.progress.emit, cancel)
        least = min(least, cost, key=lambda c: c.seconds)
        if least.seconds > SHORT:
            break
    session.store.put(last.key, product)
    return least


def _checkpoint(session: Session, plan: Sequence[Planned]) -> Store:
    """A store with what comes before the last step, of all exposures that it looks at."""
    store = Store()
    for before, number in ((plan[:-1], None), *((m.plan, m.number) for m in plan[-1].peers)):
        if before:
            if number is not None:
                session.result(before[-1].step.name, number)
            kept = session.store.get(before[-1].key)
            assert kept is not None  # the run has just made it
            store.put(before[-1].key, kept)
    return store


def _costs(*rivals: Rival) -> Table:
    rows = [
        ("official" if r.official else "native", r.cost.seconds, r.cost.peak / MB)
        for r in sorted(rivals, key=lambda r: r.official)
    ]
    (_, ours, its), (_, theirs, their) = rows
    ratios = (theirs / ours if ours else None, their / its if its else None)
    return Table(
        title="the step alone",
        columns=("", "seconds", "memory added (MB)"),
        rows=(*rows, ("official / native", *ratios)),
    )


def _times(theirs: float, ours: float) -> str:
    if theirs >= ours:
        return f"native is {theirs / ours:.3g} times faster"
    return f"native is {ours / theirs:.3g} times slower"


def _many(count: int, things: str) -> str:
    return f"{count} {things.removesuffix('s') if count == 1 else things}"
