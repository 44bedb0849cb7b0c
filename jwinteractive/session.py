"""A session: exposures, a recipe and the results so far - the only mutable state."""

from __future__ import annotations

import dataclasses as dc
import hashlib
import json
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from psygnal import Signal

from jwinteractive import dq
from jwinteractive.chain import Link, Progress, run_box, stream
from jwinteractive.data import Box, Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.errors import InputError, MissingReference, OutputError, RecipeError
from jwinteractive.io import (
    Provenance,
    ReferenceRecord,
    StepRecord,
    check_writable,
    open_product,
    output_name,
    write_product,
)
from jwinteractive.pixel import PixelHistory, pixel_history
from jwinteractive.recipe import Recipe, Stage
from jwinteractive.references import Found, Reference, References
from jwinteractive.step import Model, Step, Whole, registry
from jwinteractive.store import Store

__all__ = ["OpenFile", "Planned", "Result", "Session", "open_session"]


@dc.dataclass(frozen=True)
class OpenFile:
    """An exposure that is open: its file, its memory-mapped product, what had to be assumed."""

    path: Path
    product: Product
    key: str
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """File name."""
        return self.path.name

    @property
    def exposure(self) -> Exposure:
        """What the header says."""
        return self.product.exposure


@dc.dataclass(frozen=True)
class Planned:
    """A stage as it will run on one exposure, or why it is left out.

    ``key`` is that of its result, ``before`` that of what it takes.
    """

    stage: Stage
    step: Step
    before: str
    key: str
    found: Mapping[str, Found]
    skipped: str = ""


@dc.dataclass(frozen=True)
class Result:
    """How a run ended: the stage reached, its product, seconds in all and by step."""

    step: str
    key: str
    product: Product
    seconds: float
    by_step: Mapping[str, float]
    cached: bool


def _hash(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


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
        if (Path(paths) / "session.toml").is_file():
            return Session.open(paths)
        paths = [paths]
    files = [_open(Path(p)) for p in paths]
    if not files:
        raise InputError("no exposures: name at least one file")
    if not isinstance(recipe, Recipe):
        recipe = Recipe.auto(files[0].exposure) if recipe == "auto" else Recipe.load(recipe)
    folder = refs if isinstance(refs, str | Path) else None
    overrides = None if isinstance(refs, str | Path) else refs
    store = store if isinstance(store, Store) else Store(store)
    return Session(files, recipe, References(folder, overrides), store)


def _open(path: Path) -> OpenFile:
    opened = open_product(path)
    stat = path.stat()
    key = _hash(path.name, stat.st_size, stat.st_mtime_ns)
    return OpenFile(path.absolute(), opened.product, key, opened.notes)


def _nothing_measured(rate: Rate) -> str:
    """Why no pixel that sees light has a rate; "" if one has."""
    light = (rate.dq & dq.REFERENCE_PIXEL) == 0
    if np.isfinite(rate.data[light]).any():
        return ""
    if (rate.dq[light] & dq.SATURATED).all():
        return "every pixel is saturated from its first group on"
    return "no pixel has a usable sample (NaN or DO_NOT_USE throughout)"


def _one_group(plan: Iterable[Planned], exposure: Exposure) -> bool:
    """Whether a rate is asked of one group, and not said to be taken from it all the same."""
    fits = [p for p in plan if getattr(p.stage.params, "suppress_one_group", False)]
    return exposure.ngroups == 1 and bool(fits)


def _keep_override(folder: Path, reftype: str, value: Any) -> str:
    """Word for an override in a session file; an array goes into the folder."""
    if isinstance(value, str | Path):
        return str(Path(value).absolute())
    if not isinstance(value, np.ndarray):
        raise OutputError(
            f"override of {reftype}: a {type(value).__name__} has no file; "
            "give the file or the array instead"
        )
    np.save(folder / f"override-{reftype}.npy", value)
    return f"override-{reftype}.npy"


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
        file = self._file(exposure)
        if to is not None and to != "input":
            self.recipe[to]
        shape = file.product.shape
        references = self._references(exposure)
        planned: list[Planned] = []
        parent, kind = file.key, type(file.product)
        started = False
        for stage in self.recipe if to != "input" else ():
            step = registry[stage.step]
            why = "" if stage.enabled else "switched off in the recipe"
            if not started and step.takes is not kind:
                why = why or f"the file is already a {kind.__name__}"
            elif not why and step.cal_step in file.exposure.done:
                why = "the file says it was done before"
            why = why or step.skips(file.exposure, stage.params)
            found: dict[str, Found] = {}
            before = parent
            if not why:
                if step.takes is not kind:
                    raise RecipeError(
                        f"{step.name} takes a {step.takes.__name__}, but gets a "
                        f"{kind.__name__}: check the order of the recipe"
                    )
                started = True
                for name, need in step.needs.items():
                    path = getattr(stage.params, need.kind.reftype, "")
                    found[name] = references.find(need.kind, file.exposure, shape, path)
                keys = {name: f.key for name, f in found.items()}
                parent = _hash(step.name, step.version, stage.params.as_dict(), keys, parent)
                kind = step.gives
            planned.append(Planned(stage, step, before, parent, found, why))
            if stage.step == to:
                break
        if to != "input" and not started:
            raise RecipeError(
                f"no step of {self.recipe.name!r} takes a {kind.__name__}: choose another recipe"
            )
        return tuple(planned)

    def stale(self, to: str | None = None, exposure: int | None = None) -> list[str]:
        """Names of the steps whose result, with the present parameters, was never computed."""
        running = [p for p in self.plan(to, exposure) if not p.skipped]
        return [
            p.step.name for p in running if p.key not in self._passed and p.key not in self.store
        ]

    def sources(self, exposure: int | None = None) -> dict[str, str]:
        """Where each reference of the plan comes from, by reference type."""
        file, references = self._file(exposure), self._references(exposure)
        shown: dict[str, str] = {}
        for p in self.plan(exposure=exposure):
            for name, found in p.found.items():
                if self._load(references, found, file, p.step.needs[name].optional) is not None:
                    shown[found.kind.reftype] = str(found)
        return shown

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
        return self._run(to, exposure, threads, report).product

    def run_all(self, to: str | None = None, **options: Any) -> list[Product]:
        """Run every exposure; see `run`."""
        return [self.run(to, i, **options) for i in range(len(self.exposures))]

    def rerun(self, name: str, **params: Any) -> Product:
        """Run one step again with other parameters, from the result before it; return its result.

        The result before it is kept, so that the next rerun is only this step.
        """
        self.set(name, **params)
        steps = [p.step.name for p in self.plan(name) if not p.skipped]
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
        return self._run(to, exposure, threads, report)

    def _run(
        self,
        to: str | None,
        exposure: int | None,
        threads: int,
        report: Callable[[Progress], None] | None,
    ) -> Result:
        self._cancel.clear()
        began = time.perf_counter()
        file = self._file(exposure)
        plan = [p for p in self.plan(to, exposure) if not p.skipped]
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
        plan = [p for p in self.plan(upto, exposure) if not p.skipped]
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
        plan = [p for p in self.plan(None, exposure) if not p.skipped]
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
        for p in plan[first:]:
            loaded = {
                name: self._load(references, found, file, p.step.needs[name].optional)
                for name, found in p.found.items()
            }
            link = Link(p.step, p.stage.params, loaded)
            if p.step.measure is not None:
                link = dc.replace(link, model=self._model(p, link, source, links))
            links.append(link)
        return source, links

    def _model(self, p: Planned, link: Link, source: Product, before: list[Link]) -> Model:
        asked = p.step.learns_from
        settings = p.stage.params.as_dict() if "p" in asked else {}
        references = {name: f.key for name, f in p.found.items() if name in asked}
        key = "model-" + _hash(p.step.name, p.step.version, settings, references, p.before)
        model = self.store.get(key)
        if not isinstance(model, Model):
            before = list(before)
            whole = Whole(source.exposure, source.covers, lambda box: run_box(source, before, box))
            model = p.step.learn(whole, p.stage.params, link.references)
            self.store.put(key, model)
        return model

    # -- taking it home -----------------------------------------------------------------------

    def provenance(self, to: str | None = None, exposure: int | None = None) -> Provenance:
        """What was done to a product, and with what."""
        plan = self.plan(to, exposure)
        file, references = self._file(exposure), self._references(exposure)
        records = tuple(
            StepRecord(
                step=p.step.name,
                version=p.step.version,
                state="skipped" if p.skipped else "complete",
                cal_step=p.step.cal_step,
                parameters=p.stage.params.as_dict(),
                reason=p.skipped,
            )
            for p in plan
        )
        used: dict[str, ReferenceRecord] = {}
        for p in plan:
            for name, found in p.found.items():
                if self._load(references, found, file, p.step.needs[name].optional) is not None:
                    used[found.kind.reftype] = ReferenceRecord(
                        found.kind.reftype, found.source, found.name, found.key
                    )
        return Provenance(
            steps=records,
            references=tuple(used.values()),
            recipe=self.recipe.name,
            key=plan[-1].key,
        )

    def outputs(
        self, folder: str | Path, to: str | None = None, exposure: int | None = None
    ) -> list[Path]:
        """Paths that `write` would write.

        Raises
        ------
        OutputError, InputError
            If there would be nothing to write.
        """
        file = self._file(exposure)
        plan = [p for p in self.plan(to, exposure) if not p.skipped]
        if not plan:
            raise OutputError("nothing to write: no step runs on this exposure")
        if _one_group(plan, file.exposure):
            raise InputError(
                f"{file.name}: one group tells no slope; set ramp_fit.suppress_one_group to "
                "false to take signal over time for a rate"
            )
        kind = plan[-1].step.gives
        fitted = kind is Rate and not isinstance(file.product, Rate)
        suffixes = ["rate", "rateints"] if fitted else [kind.__name__.lower()]
        return [Path(folder) / output_name(file.path, s) for s in suffixes]

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
        if isinstance(product, Rate) and (why := _nothing_measured(product)):
            raise InputError(f"{self._file(exposure).name}: {why}; nothing is written")
        provenance = self.provenance(to, exposure)
        parts = [product, getattr(product, "integrations", None)]
        return [
            write_product(part, path, provenance, overwrite)
            for part, path in zip(parts, paths, strict=False)
            if isinstance(part, Ramp | Rate | RateInts)
        ]

    def save(self, folder: str | Path) -> Path:
        """Save the session, its recipe and its results in a folder that `open` takes.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        folder = Path(folder)
        store = Store(folder / "store")
        self.store.copy_to(store)
        if self.store.folder is not None and self.store.folder != store.folder:
            for key in (p.name for p in self.store.folder.iterdir() if (p / "thing.json").exists()):
                if key not in store and (thing := self.store.get(key)) is not None:
                    store.put(key, thing)
        overrides = {
            reftype: _keep_override(folder, reftype, value)
            for reftype, value in self.references.overrides.items()
        }
        lines = ["format = 1", f"active = {self.active}"]
        lines += [f"exposures = {json.dumps([str(f.path) for f in self.exposures])}"]
        if self.references.folder is not None:
            lines += [f"references = {json.dumps(str(self.references.folder.absolute()))}"]
        lines += [f"passed = {json.dumps(sorted(self._passed))}", "[overrides]"]
        lines += [f"{k} = {json.dumps(v)}" for k, v in overrides.items()]
        try:
            (folder / "recipe.toml").write_text(self.recipe.to_toml())
            (folder / "session.toml").write_text("\n".join(lines) + "\n")
        except OSError as error:
            raise OutputError(f"session {folder}: cannot be written ({error.strerror})") from None
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
        try:
            table = tomllib.loads((folder / "session.toml").read_text())
            recipe = Recipe.from_toml((folder / "recipe.toml").read_text())
            paths = [Path(p) for p in table["exposures"]]
            active = int(table["active"])
        except (OSError, tomllib.TOMLDecodeError, KeyError, ValueError) as error:
            raise InputError(
                f"{folder}: is no session folder ({type(error).__name__}: {error}); "
                "give one that Session.save made"
            ) from None
        overrides = {
            k: np.load(folder / v, allow_pickle=False) if v.endswith(".npy") else v
            for k, v in table.get("overrides", {}).items()
        }
        references = References(table.get("references"), overrides)
        session = cls([_open(p) for p in paths], recipe, references, Store(folder / "store"))
        session.active = min(max(active, 0), len(paths) - 1)
        session._passed = set(table.get("passed", ()))
        return session

    # -- helpers ------------------------------------------------------------------------------

    def _file(self, exposure: int | None) -> OpenFile:
        number = self.active if exposure is None else exposure
        if not 0 <= number < len(self.exposures):
            raise InputError(f"exposure {number}: the session has 0 to {len(self.exposures) - 1}")
        return self.exposures[number]

    def _references(self, exposure: int | None) -> References:
        """References as seen from an exposure: with the simulated set beside its file."""
        number = self.active if exposure is None else exposure
        with self._lock:
            seen = self._beside.get(number)
            if seen is None or seen[0] is not self.references:
                path = self._file(number).path
                beside = path.with_name(
                    path.name.removesuffix(".fits").removesuffix("_uncal") + "_refs"
                )
                mine = self.references.beside_of(beside if beside.is_dir() else None)
                seen = self._beside[number] = (self.references, mine)
            return seen[1]

    @staticmethod
    def _load(
        references: References, found: Found, file: OpenFile, optional: bool
    ) -> Reference | None:
        try:
            return references.load(found, file.exposure, file.product.shape)
        except MissingReference:
            if optional and found.source == "nominal":
                return None
            raise
