"""A session: exposures, a recipe and the results so far - the only mutable state.

What is kept of a run: docs/decisions/0002-only-asked-for-results-are-kept.md.
"""

from __future__ import annotations

import dataclasses as dc
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from psygnal import Signal

from jwinteractive.chain import Link, Progress, run_box, stream
from jwinteractive.data import Box, Product
from jwinteractive.errors import InputError, RecipeError
from jwinteractive.io import Provenance, check_writable
from jwinteractive.pixel import PixelHistory, pixel_history
from jwinteractive.plan import OpenFile, Planned, load_references, open_file, plan_of
from jwinteractive.products import output_paths, provenance_of, write_products
from jwinteractive.recipe import Recipe
from jwinteractive.references import Found, References
from jwinteractive.saved import SESSION_FILE, STORE_FOLDER, Saved, read_session, write_session
from jwinteractive.step import Model, Whole, registry
from jwinteractive.store import Store
from jwinteractive.warm import warm_once

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
) -> Session:
    """Open exposures, or a saved session folder, for reduction.

    Parameters
    ----------
    paths
        One file or several of one instrument (``uncal``, ``ramp``, ``rate``, ``rateints``,
        ``cal``), or the folder of a saved session.
    recipe
        "auto", the name of a recipe, a TOML file, or a `Recipe`.
    refs
        A folder of reference files, or overrides by reference type (file or array).
    store
        A folder or a `Store` that keeps results; None keeps them in memory.

    Raises
    ------
    InputError
        If a file cannot be reduced.
    RecipeError, ParamError
        If the recipe is unknown or wrong.
    MissingReference
        If the folder of references does not exist.
    """
    if isinstance(paths, str | Path):
        if (Path(paths) / SESSION_FILE).is_file():
            return Session.open(paths)
        paths = [paths]
    files = [open_file(Path(p)) for p in paths]
    if not files:
        raise InputError("no exposures: name at least one file")
    if not isinstance(recipe, Recipe):
        recipe = Recipe.auto(files[0].exposure) if recipe == "auto" else Recipe.load(recipe)
    folder = refs if isinstance(refs, str | Path) else None
    overrides = None if isinstance(refs, str | Path) else refs
    store = store if isinstance(store, Store) else Store(store)
    return Session(files, recipe, References(folder, overrides), store)


class Session:
    """Holds open exposures, a recipe and the results so far.

    Attributes
    ----------
    exposures
        The open files; ``active`` is the number of the one under the user's eyes.
    recipe
        What is run; change it by `set`, `enable` and `use`, so that it can be undone.
    changed, done, progress
        Signals: the name of an edited step, a `Result`, a `chain.Progress`.
    """

    changed = Signal(str)
    done = Signal(Result)
    progress = Signal(Progress)

    def __init__(
        self,
        exposures: Iterable[OpenFile],
        recipe: Recipe,
        references: References | None = None,
        store: Store | None = None,
    ) -> None:
        self.exposures = tuple(exposures)
        self.recipe = recipe
        self.references = references if references is not None else References()
        self.store = store if store is not None else Store()
        self.active = 0
        self._passed: set[str] = set()  # keys that a finished run went through
        self._undo: list[tuple[Recipe, References]] = []
        self._redo: list[tuple[Recipe, References]] = []
        self._beside: dict[int, tuple[References, References]] = {}
        self._lock = threading.RLock()
        self._cancel = threading.Event()

    # -- what to do ---------------------------------------------------------------------------

    def set(self, name: str, **changes: Any) -> None:
        """Change parameters of one step.

        Raises
        ------
        ParamError, RecipeError
            For an unknown name or a value that is not allowed; nothing changes then.
        """
        self._edit(name, self.recipe.with_params(name, **changes), self.references)

    def enable(self, name: str, enabled: bool = True) -> None:
        """Switch a step on or off."""
        self._edit(name, self.recipe.with_enabled(name, enabled), self.references)

    def use(self, reftype: str, value: Any) -> None:
        """Take a reference from a file, an array or a `Reference`; None: find it again."""
        known = {n.kind.reftype for s in self.recipe for n in registry[s.step].needs.values()}
        if reftype not in known:
            raise RecipeError(
                f"no step of {self.recipe.name!r} takes a reference {reftype!r}: "
                f"they take {', '.join(sorted(known))}"
            )
        self._edit(reftype, self.recipe, self.references.with_override(reftype, value))

    def _edit(self, name: str, recipe: Recipe, references: References) -> None:
        with self._lock:
            if recipe == self.recipe and references is self.references:
                return
            self._undo.append((self.recipe, self.references))
            self._redo.clear()
            self.recipe, self.references = recipe, references
        self.changed.emit(name)

    def undo(self) -> bool:
        """Take back the last edit; False if there is none."""
        return self._step_back(self._undo, self._redo)

    def redo(self) -> bool:
        """Do again what was taken back; False if there is nothing."""
        return self._step_back(self._redo, self._undo)

    def _step_back(self, source: list[Any], target: list[Any]) -> bool:
        with self._lock:
            if not source:
                return False
            target.append((self.recipe, self.references))
            self.recipe, self.references = source.pop()
        self.changed.emit("")
        return True

    # -- what would happen --------------------------------------------------------------------

    def plan(self, to: str | None = None, exposure: int | None = None) -> tuple[Planned, ...]:
        """List the stages up to ``to`` with the key of each result; touches no arrays.

        Raises
        ------
        RecipeError
            For an unknown step, or steps in an order that cannot work.
        MissingReference
            If a reference that the user named is not there.
        """
        if to == "input":
            return ()
        return plan_of(self._file(exposure), self.recipe, self._references(exposure), to)

    def stale(self, to: str | None = None, exposure: int | None = None) -> list[str]:
        """Names of the steps whose result, with the present parameters, was never computed."""
        running = self._running(to, exposure)
        return [
            p.step.name for p in running if p.key not in self._passed and p.key not in self.store
        ]

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
        return [self.run(to, i, **options) for i in range(len(self.exposures))]

    def rerun(self, name: str, **params: Any) -> Product:
        """Run one step again with other parameters, from the result before it; return its result.

        The result before it is kept, so that the next rerun is only this step.
        """
        self.set(name, **params)
        steps = [p.step.name for p in self._running(name, None)]
        if name not in steps:
            (why,) = (p.skipped for p in self.plan(name) if p.step.name == name)
            raise RecipeError(f"{name} does not run here: {why}")
        if steps[:-1]:
            self.run(steps[-2])
        return self.run(name)

    def cancel(self) -> None:
        """Stop the run in work after the strips it is at."""
        self._cancel.set()

    def result(
        self,
        to: str | None = None,
        exposure: int | None = None,
        *,
        threads: int = 0,
        report: Callable[[Progress], None] | None = None,
    ) -> Result:
        """Like `run`, with the seconds it took and whether it was kept from before."""
        self._cancel.clear()
        began = time.perf_counter()
        file = self._file(exposure)
        plan = self._running(to, exposure)
        if not plan:
            return Result("input", file.key, file.product, 0.0, {}, cached=True)
        last = plan[-1]
        kept = self.store.get(last.key)
        if isinstance(kept, Product):
            made = Result(last.step.name, last.key, kept, time.perf_counter() - began, {}, True)
        else:
            source, links = self._links(plan, exposure)

            def tell(progress: Progress) -> None:
                self.progress.emit(progress)
                if report is not None:
                    report(progress)

            product, by_step = stream(
                source,
                links,
                lambda sample, rows: self.store.draft(last.key, sample, source.covers, rows),
                name=file.name,
                threads=threads,
                report=tell,
                cancel=self._cancel,
            )
            spent = time.perf_counter() - began
            made = Result(last.step.name, last.key, product, spent, by_step, False)
        self._passed.update(p.key for p in plan)
        self.done.emit(made)
        return made

    def preview(self, box: Box, upto: str | None = None, exposure: int | None = None) -> Product:
        """Bring the pixels of a box up to a step: the same numbers as a full run gives them."""
        plan = self._running(upto, exposure)
        source, links = self._links(plan, exposure)
        return run_box(source, links, box.clip(source.covers))

    def inspect(self, y: int, x: int, exposure: int | None = None) -> PixelHistory:
        """Follow one pixel through every step: groups, flags, fit and residuals.

        Raises
        ------
        InputError
            If the pixel is not in the frame.
        """
        file = self._file(exposure)
        pixel = Box.around(y, x)
        if pixel not in file.product.covers:
            ny, nx = file.product.shape
            raise InputError(f"pixel y={y}, x={x}: the frame has y 0 to {ny - 1}, x 0 to {nx - 1}")
        plan = self._running(None, exposure)
        source, links = self._links(plan, exposure, fresh=True)
        seen = [("input", source.crop(pixel).native())]
        run_box(
            source,
            links,
            pixel,
            lambda link, product, _: seen.append((link.step.name, product.crop(pixel))),
        )
        return pixel_history(y, x, seen)

    def _links(
        self, plan: list[Planned], exposure: int | None, fresh: bool = False
    ) -> tuple[Product, list[Link]]:
        """Return the nearest kept result before the end of a plan, and the steps from there on."""
        file, references = self._file(exposure), self._references(exposure)
        source, first = file.product, 0
        if not fresh:
            for i in range(len(plan) - 1, -1, -1):
                kept = self.store.get(plan[i].key)
                if isinstance(kept, Product):
                    source, first = kept, i + 1
                    break
        links: list[Link] = []
        if plan[first:]:
            warm_once()
        for p in plan[first:]:
            link = Link(p.step, p.stage.params, load_references(p, file, references))
            if p.step.measure is not None:
                link = dc.replace(link, model=self._model(p, link, source, links))
            links.append(link)
        return source, links

    def _model(self, p: Planned, link: Link, source: Product, before: list[Link]) -> Model:
        model = self.store.get(p.model_key)
        if not isinstance(model, Model):
            before = list(before)
            whole = Whole(source.exposure, source.covers, lambda box: run_box(source, before, box))
            model = p.step.learn(whole, p.stage.params, link.references)
            self.store.put(p.model_key, model)
        return model

    # -- taking it home -----------------------------------------------------------------------

    def provenance(self, to: str | None = None, exposure: int | None = None) -> Provenance:
        """What was done to a product, and with what."""
        plan = self.plan(to, exposure)
        return provenance_of(plan, self._used(plan, exposure), self.recipe.name)

    def outputs(
        self, folder: str | Path, to: str | None = None, exposure: int | None = None
    ) -> list[Path]:
        """Paths that `write` would write.

        Raises
        ------
        InputError
            If a rate is asked of one group.
        """
        return output_paths(folder, self._file(exposure), self.plan(to, exposure))

    def write(
        self,
        folder: str | Path,
        to: str | None = None,
        exposure: int | None = None,
        *,
        overwrite: bool = False,
    ) -> list[Path]:
        """Run up to a step and write its products, in the official format, into a folder.

        Raises
        ------
        OutputError
            If a file exists or cannot be written; said before the run where it can be known.
        InputError
            If the exposure gives no rate in any pixel.
        """
        paths = self.outputs(folder, to, exposure)
        check_writable(paths, overwrite)
        product = self.run(to, exposure)
        provenance = self.provenance(to, exposure)
        return write_products(product, paths, provenance, self._file(exposure).name, overwrite)

    def save(self, folder: str | Path) -> Path:
        """Save the session, its recipe and its results in a folder that `open` takes.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        folder = Path(folder)
        self.store.copy_to(Store(folder / STORE_FOLDER))
        paths = tuple(file.path for file in self.exposures)
        passed = frozenset(self._passed)
        write_session(folder, Saved(paths, self.active, self.recipe, self.references, passed))
        return folder

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open a saved session; its results are there at once.

        Raises
        ------
        InputError
            If it is no session folder or an exposure is gone.
        """
        folder = Path(folder)
        saved = read_session(folder)
        files = [open_file(p) for p in saved.paths]
        session = cls(files, saved.recipe, saved.references, Store(folder / STORE_FOLDER))
        session.active = saved.active
        session._passed = set(saved.passed)
        return session

    # -- looking things up ----------------------------------------------------------------------

    def _file(self, exposure: int | None) -> OpenFile:
        number = self.active if exposure is None else exposure
        if not 0 <= number < len(self.exposures):
            raise InputError(f"exposure {number}: the session has 0 to {len(self.exposures) - 1}")
        return self.exposures[number]

    def _running(self, to: str | None, exposure: int | None) -> list[Planned]:
        """The stages of a plan that are not left out."""
        return [p for p in self.plan(to, exposure) if not p.skipped]

    def _references(self, exposure: int | None) -> References:
        """References as seen from an exposure: with the simulated set beside its file."""
        number = self.active if exposure is None else exposure
        with self._lock:
            seen = self._beside.get(number)
            if seen is None or seen[0] is not self.references:
                beside = self._file(number).simulated_references
                mine = self.references.beside_of(beside)
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
