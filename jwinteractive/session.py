"""A session: exposures, a recipe and the results so far - the only mutable state.

What is kept of a run: docs/decisions/0002-only-asked-for-results-are-kept.md.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from psygnal import Signal

from jwinteractive.chain import Link, Progress, run_box
from jwinteractive.data import Box, Product, Ramp
from jwinteractive.edits import Edit, Edits
from jwinteractive.errors import InputError, JwinteractiveError, RecipeError, StepError
from jwinteractive.io import Provenance, check_writable
from jwinteractive.journal import Attempt, Entry, Kind, Settings, State
from jwinteractive.look import Look
from jwinteractive.masks import Mask, Part
from jwinteractive.params import fields_of
from jwinteractive.pixel import PixelHistory, mean_pixel, pixel_history
from jwinteractive.plan import (
    OpenFile,
    Peer,
    Planned,
    load_references,
    open_file,
    open_files,
    plan_of,
    stages_of,
)
from jwinteractive.products import copy_files, output_paths, provenance_of, write_products
from jwinteractive.recipe import OF_AN_EXPOSURE, Recipe, Stage, counterpart
from jwinteractive.reduction import Boxes, Glance, Measured, Reduction
from jwinteractive.references import Found, References
from jwinteractive.saved import SESSION_FILE, STORE_FOLDER, Saved, read_session, write_session
from jwinteractive.step import Ran, registry
from jwinteractive.store import Store

if TYPE_CHECKING:
    from jwinteractive.known import Known

__all__ = ["Result", "Session", "open_session"]


@dc.dataclass(frozen=True)
class Result:
    """How a run ended: the stage reached, its product, seconds in all and by step."""

    step: str
    key: str
    product: Product
    seconds: float
    by_step: Mapping[str, float]
    cached: bool


def open_session(
    paths: str | Path | Iterable[str | Path],
    recipe: str | Path | Recipe = "auto",
    refs: str | Path | Mapping[str, Any] | None = None,
    store: str | Path | Store | None = None,
    slits: Sequence[str] = (),
) -> Session:
    """Open exposures, or a saved session folder, for reduction.

    Each slit of a file is an exposure of its own.

    Parameters
    ----------
    paths
        One file or several of one instrument (``uncal``, ``ramp``, ``rate``, ``rateints``,
        ``cal``), or the folder of a saved session.
    recipe
        "auto" for the native steps of what is opened, with the values of its mode; "mode" for the
        whole recipe of its mode, from raw groups on; "official" for the official pipelines,
        "mixed" for native steps where there are and official ones else, both with their defaults;
        the name of a recipe, a TOML file, or a `Recipe`.
    refs
        A folder of reference files, or overrides by reference type (file or array).
    store
        A folder or a `Store` that keeps results; None keeps them in memory.
    slits
        Names of the slits that are opened; by default all.

    Raises
    ------
    InputError
        If a file cannot be reduced, or one recipe is to be chosen for several instruments.
    RecipeError, ParamError
        If the recipe is unknown or wrong.
    MissingReference
        If the folder of references does not exist.
    """
    if isinstance(paths, str | Path):
        if (Path(paths) / SESSION_FILE).is_file():
            return Session.open(paths)
        paths = [paths]
    files = [file for path in paths for file in open_files(Path(path), slits)]
    if not files:
        raise InputError("no exposures: name at least one file")
    instruments = dict.fromkeys(file.exposure.instrument for file in files)
    if len(instruments) > 1 and recipe in OF_AN_EXPOSURE:
        raise InputError(
            f"files of {' and '.join(instruments)}: a recipe is of one instrument: open them "
            "apart, or reduce them by jwinteractive batch, which takes the recipe of each"
        )
    if not isinstance(recipe, Recipe):
        recipe = _recipe_of(recipe, files[0].product)
    folder = refs if isinstance(refs, str | Path) else None
    overrides = None if isinstance(refs, str | Path) else refs
    store = store if isinstance(store, Store) else Store(store)
    session = Session(files, recipe, References(folder, overrides), store)
    for stage in recipe:
        if not stage.enabled and (why := registry[stage.step].off):
            session.note("note", f"{stage.step} is off: {why}")
    return session


def _recipe_of(name: str | Path, product: Product) -> Recipe:
    if name == "auto":
        return Recipe.auto(product)
    if name == "mode":
        return Recipe.of_mode(product)
    if name in ("official", "mixed"):
        from jwinteractive.official.recipes import mixed_recipe, official_recipe

        return (official_recipe if name == "official" else mixed_recipe)(product)
    return Recipe.load(name)


class Session:
    """Holds open exposures, a recipe and the results so far.

    Attributes
    ----------
    exposures
        The open files; ``active`` is the number of the one under the user's eyes.
    settings, recipe, references
        What is run; change it by `set`, `enable` and `use`, so that it can be undone.
    opened_with
        The recipe that the session began with.
    look
        What is under the user's eyes; change it by `see`.
    journal, history
        What was done, in words, and the runs that ended well.
    pinned
        The settings and step that others are compared with, or None.
    folder
        Where the session was opened from or saved last.
    changed, done, progress, looked, noted, logged
        Signals: the name of an edited step, a `Result`, a `chain.Progress`, the `Look`, a line of
        the journal, a line that an official step says. They are sent on the thread of whoever acts.
    """

    changed = Signal(str)
    done = Signal(Result)
    progress = Signal(Progress)
    looked = Signal(Look)
    noted = Signal(Entry)
    logged = Signal(str)

    def __init__(
        self,
        exposures: Iterable[OpenFile],
        recipe: Recipe,
        references: References | None = None,
        store: Store | None = None,
    ) -> None:
        self.exposures = tuple(exposures)
        used = references if references is not None else References()
        self._edits = Edits(Settings(recipe, used))
        self.store = store if store is not None else Store()
        self.active = 0
        self.opened_with = recipe
        self.look = Look()
        self.journal: tuple[Entry, ...] = ()
        self.history: tuple[Attempt, ...] = ()
        self.pinned: Attempt | None = None
        self.folder: Path | None = None
        self._passed: set[str] = set()  # keys that a finished run went through
        self._failed: dict[str, str] = {}  # why, by the key that was to be computed
        self._seconds: dict[str, float] = {}  # of the last run, by step
        self._working: frozenset[str] = frozenset()
        self._boxes = Boxes()
        self._models: dict[int, dict[str, Measured]] = {}
        self._beside: dict[int, tuple[References, References]] = {}
        self._lock = threading.RLock()
        self._cancel = threading.Event()
        self._runs = 0  # in work, those inside others counted too

    @property
    def settings(self) -> Settings:
        """The present recipe and references."""
        return self._edits.settings

    @property
    def recipe(self) -> Recipe:
        """What is run."""
        return self._edits.settings.recipe

    @property
    def references(self) -> References:
        """Where references come from."""
        return self._edits.settings.references

    # -- what to look at ----------------------------------------------------------------------

    def see(self, **changes: Any) -> None:
        """Look at something else; see `look.Look`.

        Raises
        ------
        ParamError
            For an unknown name or a value that is not allowed.
        """
        look = self.look.replace(**changes)
        if look != self.look:
            self.look = look
            self.looked.emit(look)

    def activate(self, exposure: int) -> None:
        """Look at another exposure."""
        self._file(exposure)
        if exposure != self.active:
            self.active = exposure
            self.looked.emit(self.look)

    def note(self, kind: Kind, text: str) -> None:
        """Write a line into the journal."""
        entry = Entry(time.time(), kind, text)
        with self._lock:
            self.journal += (entry,)
        self.noted.emit(entry)

    # -- what to do ---------------------------------------------------------------------------

    def set(self, name: str, **changes: Any) -> None:
        """Change parameters of one step.

        Raises
        ------
        ParamError, RecipeError
            For an unknown name or a value that is not allowed; nothing changes then.
        """
        self._edit(name, self.recipe.with_params(name, **changes), self.references)

    def turn(self, name: str, **changes: Any) -> None:
        """Change parameters of one step while their knob moves: one edit until `rest`.

        Raises
        ------
        ParamError, RecipeError
            For an unknown name or a value that is not allowed; nothing changes then.
        """
        recipe = self.recipe.with_params(name, **changes)
        knob = (name, *sorted(changes))
        if not self._edits.is_turning(knob):
            self.rest()
        if recipe != self.recipe:
            with self._lock:
                self._edits.turn(knob, dc.replace(self.settings, recipe=recipe))
            self.changed.emit(name)

    def rest(self) -> None:
        """End the turning of a knob: what it did becomes one edit and one line of the journal."""
        with self._lock:
            edit = self._edits.rest()
        if edit is not None:
            self.note("edit", edit.text)

    def enable(self, name: str, enabled: bool = True) -> None:
        """Switch a step on or off."""
        self._edit(name, self.recipe.with_enabled(name, enabled), self.references)

    def swap(self, name: str) -> str:
        """Put the official step in the place of a native one, or the other way round.

        Parameters that both have keep their values, where these are allowed.

        Returns
        -------
        str
            Name of the step that is there now.

        Raises
        ------
        RecipeError
            If there is no such step, or no counterpart of it.
        """
        stage = counterpart(self.recipe[name])
        looking = self.look.step == name
        self._edit(stage.step, self.recipe.with_stage(name, stage), self.references)
        if looking:
            self.see(step=stage.step, view="")
        return stage.step

    def take(self, known: Known) -> None:
        """Set what the sources of a known issue recommend, as one edit.

        Raises
        ------
        RecipeError, ParamError
            If the recipe has none of its steps, or one does not allow a value.
        """
        from jwinteractive.known import taken

        self._edit("", taken(self.recipe, known), self.references, f"{known.id}: ")

    def use(self, reftype: str, value: Any) -> None:
        """Take a reference from a file, an array or a `Reference`; None: find it again."""
        known = {n.kind.reftype for s in self.recipe for n in registry[s.step].needs.values()}
        if reftype not in known:
            raise RecipeError(
                f"no step of {self.recipe.name!r} takes a reference {reftype!r}: "
                f"they take {', '.join(sorted(known))}"
            )
        self._edit(reftype, self.recipe, self.references.with_override(reftype, value))

    def use_folder(self, folder: str | Path | None) -> None:
        """Look for references in another folder, or in none.

        Raises
        ------
        MissingReference
            If there is no such folder; nothing changes then.
        """
        other = self.references.with_folder(folder)
        if other.folder != self.references.folder:
            self._edit("", self.recipe, other)

    def mask(self, exposure: int | None = None) -> Mask:
        """The user's bad pixels for an exposure: layers of flags; empty where there are none yet.

        Pixels are flagged by `dq_init`, groups by `user_flags`.
        """
        file = self._file(exposure)
        shape = file.product.shape
        found = self.references.mask_for(file.exposure, shape)
        return Mask.of(file.exposure, shape) if found is None else found

    def use_mask(self, mask: Mask) -> None:
        """Flag the pixels of a mask, in place of the one of its detector and window so far.

        Raises
        ------
        InputError
            If it fits no open exposure; nothing changes then.
        """
        references = self._with_mask(mask)
        self._edit(self._flagging(references), self.recipe, references)

    def turn_mask(self, mask: Mask) -> None:
        """Like `use_mask` while somebody draws: one edit until `rest`.

        Raises
        ------
        InputError
            As for `use_mask`.
        """
        references = self._with_mask(mask)
        if any(mask.same(own) for own in self.references.masks):
            return  # the end of a stroke adds nothing to its last move
        knob = ("mask", mask.detector)
        if not self._edits.is_turning(knob):
            self.rest()
        step = self._flagging(references)
        with self._lock:
            self._edits.turn(knob, Settings(self.recipe, references))
        self.changed.emit(step)

    def _flagging(self, references: References) -> str:
        """First step that does otherwise with the masks of other references."""
        file = self._file(None)
        shape, root = file.product.shape, file.exposure.filename
        masks = [r.mask_for(file.exposure, shape) for r in (self.references, references)]

        def alike(part: Part) -> bool:
            was, now = ("" if m is None else m.key(part, root) for m in masks)
            return was == now

        if not alike("pixels"):
            return "dq_init"
        # "user_flags" also of an edit that changes nothing, such as a comment
        return "user_flags" if alike("scene") else "clean_flicker_noise"

    def _with_mask(self, mask: Mask) -> References:
        why = [mask.misfit(f.exposure, f.product.shape) for f in self.exposures]
        if all(why):
            raise InputError(f"{why[self.active]}: use a mask of its detector and window")
        given = self.recipe["dq_init"].params if "dq_init" in self.recipe else None
        if path := getattr(given, "user_supplied_dq", ""):
            raise InputError(
                f"dq_init.user_supplied_dq = {path!r} is in use: take that file in as a layer of "
                "the mask and clear the parameter"
            )
        masks = [m for m in self.references.masks if m.place != mask.place]
        # without layers it is as if there were none
        return self.references.with_masks([*masks, mask] if mask.layers else masks)

    def restore(self, number: int) -> None:
        """Bring back the settings of a run of the history.

        Raises
        ------
        InputError
            If there is no such run.
        """
        attempt = self._attempt(number)
        settings = attempt.settings
        self._edit("", settings.recipe, settings.references, f"run {number} brought back: ")

    def _attempt(self, number: int) -> Attempt:
        for attempt in self.history:
            if attempt.number == number:
                return attempt
        known = ", ".join(str(a.number) for a in self.history) or "none yet"
        raise InputError(f"run {number}: there is no such run; choose from {known}")

    def _edit(self, name: str, recipe: Recipe, references: References, why: str = "") -> None:
        self.rest()
        with self._lock:
            if recipe == self.recipe and references is self.references:
                return
            edit = self._edits.change(Settings(recipe, references))
        if edit.text:
            self.note("edit", why + edit.text)
        self.changed.emit(name)

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return self._edits.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return self._edits.can_redo

    def undo(self) -> bool:
        """Take back the last edit; False if there is none."""
        return self._step_back(self._edits.undo, "undone: ")

    def redo(self) -> bool:
        """Do again what was taken back; False if there is nothing."""
        return self._step_back(self._edits.redo, "done again: ")

    def _step_back(self, step: Callable[[], Edit | None], why: str) -> bool:
        self.rest()
        with self._lock:
            edit = step()
        if edit is None:
            return False
        self.note("edit", why + edit.text)
        self.changed.emit("")
        return True

    def pin(self, number: int | None = None, settings: Settings | None = None) -> Attempt:
        """Keep the present settings and step, or those of a run, to compare others with.

        ``settings`` are kept in place of the present ones.
        """
        if number is not None:
            self.pinned = self._attempt(number)
        else:
            kept = self.settings if settings is None else settings
            step = kept.recipe.name_of(self.look.shown or self.look.step or self._last(None))
            key = {p.step.name: p.key for p in self.plan(settings=settings)}.get(step, "")
            now = time.time()
            self.pinned = Attempt(0, step, self.active, kept, key, 0.0, now)
        self.looked.emit(self.look)
        return self.pinned

    def unpin(self) -> None:
        """Compare with nothing."""
        self.pinned = None
        self.looked.emit(self.look)

    # -- what would happen --------------------------------------------------------------------

    def plan(
        self,
        to: str | None = None,
        exposure: int | None = None,
        settings: Settings | None = None,
    ) -> tuple[Planned, ...]:
        """List the stages up to ``to`` with the key of each result; touches no arrays.

        ``settings`` are the present ones if none are given.

        Raises
        ------
        RecipeError
            For an unknown step, or steps in an order that cannot work.
        MissingReference
            If a reference that the user named is not there.
        """
        if to == "input":
            return ()
        recipe = self.recipe if settings is None else settings.recipe
        references = self._references(exposure, settings)
        peers = functools.partial(self._peers, self._number(exposure), settings, {})
        return plan_of(self._file(exposure), recipe, references, to, peers)

    def _peers(
        self,
        exposure: int,
        settings: Settings | None,
        plans: dict[tuple[int, str], tuple[Planned, ...]],
        stage: Stage,
        kind: type[Product],
    ) -> tuple[Peer, ...]:
        """The exposures that a step looks at together with one, and with it.

        ``plans`` keeps what was planned before, by exposure and step: each step that looks at a set
        would else plan all those before it anew, for each exposure of each. ``kind`` is what the
        step takes.
        """
        belongs = registry[stage.step].together
        assert belongs is not None
        own, recipe = self.exposures[exposure], (settings or self.settings).recipe
        found = []
        for i, file in enumerate(self.exposures):
            alike = type(file.product) is type(own.product)
            if i == exposure or (
                alike and belongs(kind, own.exposure, file.exposure, stage.params)
            ):
                references = self._references(i, settings)
                if (i, stage.step) not in plans:
                    peers = functools.partial(self._peers, i, settings, plans)
                    plan = stages_of(file, recipe, references, peers, before=stage.step)
                    plans[i, stage.step] = tuple(p for p in plan if not p.skipped)
                found.append(Peer(i, file, references, plans[i, stage.step]))
        return tuple(found)

    def states(self, exposure: int | None = None) -> tuple[State, ...]:
        """How each step of the recipe stands.

        Raises
        ------
        RecipeError, MissingReference
            As for `plan`.
        """
        return tuple(self._state(p) for p in self.plan(exposure=exposure))

    def _state(self, p: Planned) -> State:
        name, seconds = p.step.name, self._seconds.get(p.step.name)
        edited = tuple(
            f.name for f in fields_of(p.step.params) if self.origin(name, f.name) == "you"
        )
        if p.skipped:
            return State(name, "skipped", p.skipped, None, edited)
        if p.key in self._working:
            return State(name, "running", "", seconds, edited)
        if p.key in self._failed:
            return State(name, "failed", self._failed[p.key], seconds, edited)
        return State(name, "stale" if self._is_stale(p) else "fresh", "", seconds, edited)

    def is_kept(
        self,
        upto: str | None = None,
        exposure: int | None = None,
        settings: Settings | None = None,
    ) -> bool:
        """Whether the finished result of a step is at hand, with the present or other settings."""
        plan = self._running(upto, exposure, settings)
        return not plan or plan[-1].key in self.store

    def origin(self, step: str, field: str) -> str:
        """Where a parameter's value comes from: "default", "recipe" or "you".

        Raises
        ------
        RecipeError
            If the recipe has no such step.
        """
        value = getattr(self.recipe[step].params, field)
        if step in self.opened_with and value == getattr(self.opened_with[step].params, field):
            default = next(f.default for f in fields_of(registry[step].params) if f.name == field)
            return "default" if value == default else "recipe"
        return "you"

    def stale(self, to: str | None = None, exposure: int | None = None) -> list[str]:
        """Names of the steps whose result, with the present parameters, was never computed."""
        return [p.step.name for p in self._running(to, exposure) if self._is_stale(p)]

    def sources(self, exposure: int | None = None) -> dict[str, str]:
        """Where each reference of the plan comes from, by reference type."""
        plan = self.plan(exposure=exposure)
        return {reftype: str(found) for reftype, found in self._used(plan, exposure).items()}

    def crds_said(self, exposure: int | None = None) -> str:
        """Why CRDS, though set up, gave no references; "" if it did or was not asked."""
        return self._references(exposure).crds_said

    def nominal(self, exposure: int | None = None) -> list[str]:
        """Reference types that stand on nominal values: say so to the user."""
        return [k for k, source in self.sources(exposure).items() if source == "nominal"]

    # -- doing it -----------------------------------------------------------------------------

    def input(self, exposure: int | None = None) -> Product:
        """Return the product as the file has it, memory-mapped."""
        return self._file(exposure).product

    def run(
        self,
        to: str | None = None,
        exposure: int | None = None,
        *,
        threads: int = 0,
        report: Callable[[Progress], None] | None = None,
    ) -> Product:
        """Compute what is missing up to a step, and return its product.

        Steps run strip by strip; only the result asked for is kept. What is missing or wrong is
        said before anything long starts.

        Raises
        ------
        Cancelled
            After `cancel`; what is finished is kept and is not computed again.
        MissingReference, RecipeError, StepError, OutputError
            One line each.
        """
        return self.result(to, exposure, threads=threads, report=report).product

    def run_all(self, to: str | None = None, **options: Any) -> list[Product]:
        """Run every exposure; see `run`."""
        with self.at_work():
            return [self.run(to, i, **options) for i in range(len(self.exposures))]

    def rerun(self, name: str, **params: Any) -> Product:
        """Run one step again with other parameters, from the result before it; return its result.

        The result before it is kept, so that the next rerun is only this step.
        """
        self.set(name, **params)
        self._failed.clear()
        steps = [p.step.name for p in self._running(name, None)]
        if name not in steps:
            (why,) = (p.skipped for p in self.plan(name) if p.step.name == name)
            raise RecipeError(f"{name} does not run here: {why}")
        with self.at_work():
            if steps[:-1]:
                self.run(steps[-2])
            return self.run(name)

    def cancel(self) -> None:
        """Stop the run in work after the strips it is at; without one, do nothing."""
        with self._lock:
            if self._runs:
                self._cancel.set()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[threading.Event]:
        """Make one run of all that is run inside: `cancel` sets the event, and ends it."""
        with self._lock:
            self._runs += 1
        try:
            yield self._cancel
        finally:
            with self._lock:
                self._runs -= 1
                if not self._runs:
                    self._cancel.clear()

    def result(
        self,
        to: str | None = None,
        exposure: int | None = None,
        *,
        settings: Settings | None = None,
        threads: int = 0,
        report: Callable[[Progress], None] | None = None,
    ) -> Result:
        """Like `run`, with the seconds it took and whether it was kept from before.

        ``settings`` other than the present ones are run in their place, which stay as they are.
        """
        self.rest()
        began = time.perf_counter()
        # knobs may turn, and another exposure be looked at, while this runs
        exposure, used = self._number(exposure), settings or self.settings
        plan = self._running(to, exposure, settings)
        if not plan:
            file = self._file(exposure)
            product = file.product.crop(file.product.covers)  # IRS2 frames are read now
            return Result("input", file.key, product, 0.0, {}, cached=True)
        last = plan[-1]
        kept = self.store.get(last.key)
        if isinstance(kept, Product):
            made = Result(last.step.name, last.key, kept, time.perf_counter() - began, {}, True)
        else:

            def tell(progress: Progress) -> None:
                self.progress.emit(progress)
                if report is not None:
                    report(progress)

            self._working = frozenset(p.key for p in plan if self._is_stale(p))
            try:
                with self._failures_of(plan), self.at_work() as cancel:
                    for p in plan:
                        p.step.check(p.stage.params)
                    reduction = self.reduction(exposure, settings)
                    product, by_step = reduction.run(plan, threads, tell, cancel)
            finally:
                self._working = frozenset()
            spent = time.perf_counter() - began
            made = Result(last.step.name, last.key, product, spent, by_step, False)
            self._seconds.update(by_step)
        self._passed.update(p.key for p in plan)
        self._remember(made, exposure, used)
        self.done.emit(made)
        return made

    def _is_stale(self, p: Planned) -> bool:
        # what lies in files was computed for a preview, too
        kept = p.key in self.store or (p.step.filed and p.model_key in self.store)
        return not kept and p.key not in self._passed

    @contextlib.contextmanager
    def _failures_of(self, plan: Iterable[Planned]) -> Iterator[None]:
        """Remember which step of a plan failed, for as long as its settings stay."""
        plan = list(plan)
        try:
            yield
        except JwinteractiveError as error:
            self._failed |= {p.key: str(error) for p in plan if p.step.name == error.step}
            raise
        for p in plan:
            self._failed.pop(p.key, None)

    def _remember(self, made: Result, exposure: int, settings: Settings) -> None:
        """Add a run to the history, unless it repeats the last one."""
        with self._lock:
            if self.history and self.history[-1].key == made.key:
                return
            number = 1 + max((a.number for a in self.history), default=0)
            now = time.time()
            self.history += (
                Attempt(number, made.step, exposure, settings, made.key, made.seconds, now),
            )
        took = "nothing to compute" if made.cached else f"{made.seconds:.2g} s"
        name = self.exposures[exposure].name
        self.note("run", f"run {number}: {name} up to {made.step}, {took}")

    def preview(self, box: Box, upto: str | None = None, exposure: int | None = None) -> Product:
        """Bring the pixels of a box up to a step: the same numbers as a full run gives them."""
        return self.glance(box, upto, exposure=exposure).product.native()

    def glance(
        self,
        box: Box,
        upto: str | None = None,
        *,
        knob: str = "",
        before: bool = False,
        hold: bool = False,
        settings: Settings | None = None,
        cancel: threading.Event | None = None,
        exposure: int | None = None,
    ) -> Glance:
        """Return what a screen needs of a box at once; see `reduction.Reduction.glance`.

        ``settings`` other than the present ones show what a pinned run looks like here.

        Raises
        ------
        Cancelled, StepError, MissingReference, RecipeError
            One line each.
        """
        exposure = self._number(exposure)
        plan = self._running(upto, exposure, settings)
        reduction = self.reduction(exposure, settings)
        box = box.clip(reduction.file.product.covers)
        with self._failures_of(plan):
            return reduction.glance(plan, box, knob, before, hold, cancel)

    def inspect(
        self,
        y: int,
        x: int,
        exposure: int | None = None,
        *,
        hold: bool = False,
        settings: Settings | None = None,
    ) -> PixelHistory:
        """Follow one pixel through every step: groups, flags, fit and residuals.

        ``hold`` and ``settings`` as for `glance`.

        Raises
        ------
        InputError
            If the pixel is not in the frame.
        """
        covers = self._file(exposure).product.covers
        pixel = Box.around(y, x)
        if pixel not in covers:
            ny, nx = covers.shape
            raise InputError(f"pixel y={y}, x={x}: the frame has y 0 to {ny - 1}, x 0 to {nx - 1}")
        return self.inspect_box(pixel, exposure, hold=hold, settings=settings)

    def inspect_box(
        self,
        box: Box,
        exposure: int | None = None,
        *,
        hold: bool = False,
        settings: Settings | None = None,
    ) -> PixelHistory:
        """Follow the mean of the good pixels of a box through every step; see `inspect`.

        It ends where a step gives other axes, which have no such pixel.

        Raises
        ------
        InputError
            If the box does not lie in the frame.
        """
        source, links = self.chain(exposure, hold=hold, settings=settings)
        links = list(itertools.takewhile(lambda link: not link.step.whole, links))
        seen = [("input", source.crop(box).native())]
        run_box(
            source,
            links,
            box,
            lambda link, product, _: seen.append((link.step.name, product.crop(box))),
        )
        if box.shape != (1, 1):
            seen = [(name, mean_pixel(product)) for name, product in seen]
        return pixel_history(box.y0, box.x0, seen)

    def chain(
        self,
        exposure: int | None = None,
        *,
        hold: bool = False,
        settings: Settings | None = None,
    ) -> tuple[Product, list[Link]]:
        """Return the exposure as it was read, and its steps ready to run on a box of it.

        It ends where an official step would have to run on all of an image first. ``hold`` and
        ``settings`` as for `glance`.

        Raises
        ------
        StepError, MissingReference, RecipeError
            One line each.
        """
        plan = list(itertools.takewhile(self._at_hand, self._running(None, exposure, settings)))
        source, links, _ = self.reduction(exposure, settings).links(plan, fresh=True, hold=hold)
        return source, links

    def _at_hand(self, p: Planned) -> bool:
        return not p.step.filed or Ramp in p.step.takes or p.model_key in self.store

    def reduction(
        self,
        exposure: int | None = None,
        settings: Settings | None = None,
        store: Store | None = None,
    ) -> Reduction:
        """What computes the plans of an exposure, with the results of a store: its own or another.

        ``settings`` as for `glance`.
        """
        number = self._number(exposure)
        with self._lock:
            # a pinned run has measurements of its own; they must not pass for the present ones
            own = settings is None and store is None
            models = self._models.setdefault(number, {}) if own else {}
        references = self._references(exposure, settings)
        used = self.store if store is None else store
        return Reduction(
            self._file(exposure), references, used, self._boxes, models, self.logged.emit
        )

    # -- taking it home -----------------------------------------------------------------------

    def provenance(self, to: str | None = None, exposure: int | None = None) -> Provenance:
        """What was done to a product, and with what."""
        plan = self.plan(to, exposure)
        return self._recorded(plan, self._used(plan, exposure), self.recipe.name)

    def _recorded(
        self, plan: Sequence[Planned], used: Mapping[str, Found], recipe: str
    ) -> Provenance:
        rans = {
            p.step.name: self.store.get(p.model_key) for p in plan if p.step.filed and not p.skipped
        }
        idle = [name for name, ran in rans.items() if isinstance(ran, Ran) and ran.skipped]
        return provenance_of(plan, used, recipe, idle)

    def outputs(
        self, folder: str | Path, to: str | None = None, exposure: int | None = None
    ) -> list[Path]:
        """Paths that `write` would write.

        Raises
        ------
        InputError
            If a rate is asked of one group.
        """
        exposure = self._number(exposure)
        if not self._running(to, exposure)[-1].step.filed:
            return output_paths(folder, self._file(exposure), self.plan(to, exposure))
        plans = {i: self.plan(to, i) for i in self.slits_of(exposure)}
        return [path for paths in self._filed_paths(folder, plans).values() for path in paths]

    def _filed_paths(
        self, folder: str | Path, plans: Mapping[int, Sequence[Planned]]
    ) -> dict[int, list[Path]]:
        """Paths of what official steps make of the slits of a file, by number."""
        found = {}
        for i, plan in plans.items():
            file = self._file(i)
            slit = file.exposure.slit if len(plans) > 1 else ""
            found[i] = output_paths(folder, file, plan, slit)
        return found

    def write(
        self,
        folder: str | Path,
        to: str | None = None,
        exposure: int | None = None,
        *,
        overwrite: bool = False,
    ) -> list[Path]:
        """Run up to a step and write its products, in the official format, into a folder.

        Slits go into one file with the others of theirs that are open; those of an official step
        into a file each, with the name of the slit. One that cannot be reduced is left out, and
        the journal says so.

        Raises
        ------
        OutputError
            If a file exists or cannot be written; said before the run where it can be known.
        InputError
            If the exposure gives no rate in any pixel.
        """
        exposure = self._number(exposure)
        paths = self.outputs(folder, to, exposure)
        check_writable(paths, overwrite)
        if self._running(to, exposure)[-1].step.filed:
            written = self._copy_slits(folder, to, exposure)
        else:
            plan = self.plan(to, exposure)  # now: knobs may turn while it runs
            used, recipe = self._used(plan, exposure), self.recipe.name
            product, *others = self._run_slits(to, exposure).values()
            provenance = self._recorded(plan, used, recipe)
            name = self._file(exposure).name
            written = write_products(product, paths, provenance, name, overwrite, others)
        self.note("save", f"written: {', '.join(str(p) for p in written)}")
        return written

    def slits_of(self, exposure: int | None = None) -> list[int]:
        """Numbers of the exposures that are slits of the same file as one, or its own."""
        own = self._file(exposure)
        if not own.exposure.slit:
            return [self._number(exposure)]
        found: dict[str, int] = {}
        for i, file in enumerate(self.exposures):
            if file.path == own.path:
                found.setdefault(file.exposure.slit, i)
        return list(found.values())

    def _copy_slits(self, folder: str | Path, to: str | None, exposure: int) -> list[Path]:
        """Run all slits of the file of an exposure and copy what official steps have written."""
        # now: knobs may turn while it runs
        plans = {i: self.plan(to, i) for i in self.slits_of(exposure)}
        paths = self._filed_paths(folder, plans)
        used, recipe = {i: self._used(plan, i) for i, plan in plans.items()}, self.recipe.name
        written: list[Path] = []
        for i in self._run_slits(to, exposure):
            last = [p for p in plans[i] if not p.skipped][-1]
            ran = self.store.get(last.model_key)
            assert isinstance(ran, Ran)  # the run has just made it
            provenance = self._recorded(plans[i], used[i], recipe)
            written += copy_files(ran, self._file(i), paths[i], provenance)
        return written

    def _run_slits(self, to: str | None, exposure: int) -> dict[int, Product]:
        """Run all slits of the file of an exposure, by number; those that fail are left out.

        Raises
        ------
        JwinteractiveError
            If all of them fail, that of the first.
        """
        numbers = self.slits_of(exposure)
        if len(numbers) == 1:
            return {numbers[0]: self.run(to, exposure)}
        products: dict[int, Product] = {}
        failed: list[JwinteractiveError] = []
        for number in numbers:
            try:
                products[number] = self.run(to, number)
            except (InputError, RecipeError, StepError) as error:
                failed.append(error)
                self.note("warning", f"{self._file(number).name}: left out: {error}")
        if not products:
            raise failed[0]
        return products

    def save(self, folder: str | Path) -> Path:
        """Save the session, its recipe and its results in a folder that `open` takes.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        folder = Path(folder)
        self.rest()
        self.store.copy_to(Store(folder / STORE_FOLDER))
        self.keep(folder)
        self.note("save", f"session saved in {folder}")
        return folder

    def keep(self, folder: str | Path | None = None) -> None:
        """Write all but the results into the session's folder: cheap enough for every change.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        InputError
            If the session has no folder yet.
        """
        if folder is None and self.folder is None:
            raise InputError("the session has no folder yet: give one to Session.save")
        self.folder = Path(folder).absolute() if folder is not None else self.folder
        assert self.folder is not None
        with self._lock:
            saved = Saved(
                paths=tuple(file.path for file in self.exposures),
                slits=tuple(file.exposure.slit for file in self.exposures),
                active=self.active,
                recipe=self.recipe,
                opened_with=self.opened_with,
                references=self.references,
                passed=frozenset(self._passed),
                look=self.look,
                journal=self.journal,
                history=self.history,
                pinned=self.pinned,
            )
        write_session(self.folder, saved)

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a saved session; its results, history and look are there at once.

        Raises
        ------
        InputError
            If it is no session folder or an exposure is gone.
        """
        folder = Path(folder)
        saved = read_session(folder)
        slits = saved.slits or ("",) * len(saved.paths)
        files = [open_file(p, s) for p, s in zip(saved.paths, slits, strict=True)]
        session = cls(files, saved.recipe, saved.references, Store(folder / STORE_FOLDER))
        session.active, session.opened_with = saved.active, saved.opened_with
        session.look, session.journal = saved.look, saved.journal
        session.history, session.pinned = saved.history, saved.pinned
        session.folder = folder.absolute()
        session._passed = set(saved.passed)
        if saved.lost:
            session.note("warning", saved.lost)
        return session

    # -- looking things up ----------------------------------------------------------------------

    def _number(self, exposure: int | None) -> int:
        return self.active if exposure is None else exposure

    def _file(self, exposure: int | None) -> OpenFile:
        number = self._number(exposure)
        if not 0 <= number < len(self.exposures):
            raise InputError(f"exposure {number}: the session has 0 to {len(self.exposures) - 1}")
        return self.exposures[number]

    def _running(
        self, to: str | None, exposure: int | None, settings: Settings | None = None
    ) -> list[Planned]:
        """The stages of a plan that are not left out."""
        return [p for p in self.plan(to, exposure, settings) if not p.skipped]

    def _last(self, exposure: int | None) -> str:
        """Name of the last step that runs."""
        return self._running(None, exposure)[-1].step.name

    def _references(self, exposure: int | None, settings: Settings | None = None) -> References:
        """References as seen from an exposure: with the simulated set beside its file."""
        number = self._number(exposure)
        if settings is not None and settings.references is not self.references:
            return settings.references.beside_of(self._file(number).simulated_references)
        with self._lock:
            seen = self._beside.get(number)
            if seen is None or seen[0] is not self.references:
                beside = self._file(number).simulated_references
                mine = self.references.beside_of(beside)
                if seen is not None:  # a mask changes with each stroke: nothing else is read anew
                    mine.recall(seen[1])
                seen = self._beside[number] = (self.references, mine)
            return seen[1]

    def _used(self, plan: Iterable[Planned], exposure: int | None) -> dict[str, Found]:
        """The references that a plan uses, by type."""
        file, references = self._file(exposure), self._references(exposure)
        used: dict[str, Found] = {}
        for p in plan:
            for name, loaded in load_references(p, file, references).items():
                if loaded is not None:
                    used[loaded.reftype] = p.found[name]
        return used
