"""Computing plans of one exposure: from the nearest kept result, on a box or over all of it.

A *glance* is what a screen needs at once. It holds on to the product before the step whose knob
turns, on the box in view, and to the models that were last measured, so that a turn costs only the
steps from the knob on. What it shows with held models is exact again in the next glance that does
not hold them. Why: docs/decisions/0006-a-glance-holds-models.md.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jwinteractive.chain import (
    Link,
    Progress,
    cores,
    errors_of,
    run_box,
    run_strip,
    stream,
    wide_box,
)
from jwinteractive.data import Box, Product
from jwinteractive.errors import JwinteractiveError
from jwinteractive.plan import OpenFile, Planned, load_references
from jwinteractive.products import provenance_of, write_products
from jwinteractive.references import References
from jwinteractive.step import Model, Ran, Together, Whole, unheard
from jwinteractive.store import Store
from jwinteractive.warm import warm_once

__all__ = ["Boxes", "Glance", "Measured", "Reduction"]

SMALL = 2**20  # samples that one core computes before a second one has started
STRIP = 2**17  # pixels of a strip of a glance
MB = 2**20


@dc.dataclass(frozen=True)
class Glance:
    """A box of a product as the screen needs it.

    Attributes
    ----------
    product, before
        The box after the step, and as the step took it where that was asked for.
    model
        What the step measured over the whole exposure, or None.
    full
        It is cut from a finished result of the whole exposure.
    held
        Steps whose model was measured before an earlier edit: the picture is near, not exact.
    """

    product: Product
    before: Product | None = None
    model: Model | None = None
    full: bool = False
    held: tuple[str, ...] = ()


@dc.dataclass(frozen=True)
class Measured:
    """A model, and what its measurement asked for beside the exposure."""

    asked: tuple[Any, ...]
    model: Model


def _asked(p: Planned) -> tuple[Any, ...]:
    names = p.step.taught_by(p.stage.params)
    own = tuple(p.step.asked_of(p.stage.params).items())
    return own, *(found.key for name, found in p.found.items() if name in names)


class Boxes:
    """Boxes of results on screen, by key; the least recently used go first."""

    def __init__(self, limit: int = 640 * MB) -> None:
        self.limit = limit
        self._held: OrderedDict[str, Product] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, box: Box | None) -> Product | None:
        """Return the box of a result, or all that there is of it; None if it is not held."""
        with self._lock:
            found = self._held.get(key)
            if found is None or (box is not None and box not in found.covers):
                return None
            self._held.move_to_end(key)
        return found if box is None else found.crop(box)

    def put(self, key: str, product: Product, rather: str = "") -> None:
        """Hold a box; a key has one. Where there is no room for both, ``rather`` stays."""
        with self._lock:
            self._held[key] = product
            for last in (key, rather):
                if last in self._held:
                    self._held.move_to_end(last)
            while self._held and sum(p.nbytes for p in self._held.values()) > self.limit:
                self._held.popitem(last=False)


def _unnoticed(step: str, name: str) -> None:
    """Take what nobody waits for."""


@dc.dataclass(frozen=True)
class Reduction:
    """One exposure with the references and results that its plans are computed from.

    ``models`` are those last measured, by step; ``boxes`` those on screen. ``tell`` takes what long
    measurements say, ``cancel`` ends them; ``begins`` takes the names of a step that writes files
    and of the exposure, before it runs.
    """

    file: OpenFile
    references: References
    store: Store
    boxes: Boxes
    models: dict[str, Measured]
    tell: Callable[[str], None] = unheard
    cancel: threading.Event | None = None
    begins: Callable[[str, str], None] = _unnoticed

    def run(
        self,
        plan: Sequence[Planned],
        threads: int,
        report: Callable[[Progress], None],
        cancel: threading.Event,
    ) -> tuple[Product, Mapping[str, float]]:
        """Compute the end of a plan over the whole exposure and keep it.

        Raises
        ------
        Cancelled, StepError, MissingReference, OutputError
            One line each.
        """
        key = plan[-1].key
        began, total, done = time.perf_counter(), len(self._to_file(plan)), 0

        def begins(step: str, name: str) -> None:
            nonlocal done
            spent = time.perf_counter() - began
            left = spent / done * (total - done) if done else math.nan
            report(Progress(name, done, total, spent, left, step))
            done += 1

        source, links, _ = dc.replace(self, cancel=cancel, begins=begins).links(plan)
        return stream(
            source,
            links,
            functools.partial(self.store.draft, key),
            name=self.file.name,
            threads=threads,
            report=report,
            cancel=cancel,
        )

    def _to_file(self, plan: Sequence[Planned], found: frozenset[str] = frozenset()) -> set[str]:
        """Keys of what steps that write files have still to give for the end of a plan."""
        keys = set(found)
        kept = (i for i in range(len(plan), 0, -1) if plan[i - 1].key in self.store)
        for p in plan[next(kept, 0) :]:
            if p.step.filed and p.model_key not in keys and p.model_key not in self.store:
                keys.add(p.model_key)
                for peer in p.peers:
                    keys |= self._to_file(peer.plan, frozenset(keys))
        return keys

    def links(
        self, plan: Sequence[Planned], fresh: bool = False, hold: bool = False
    ) -> tuple[Product, list[Link], tuple[str, ...]]:
        """Return the nearest kept result before the end of a plan, and the steps from there on.

        The last of the three names the steps whose model is an older one, with ``hold``.
        """
        source, first = self.file.product, 0
        if not fresh:
            for i in range(len(plan) - 1, -1, -1):
                kept = self.store.get(plan[i].key)
                if isinstance(kept, Product):
                    source, first = kept, i + 1
                    break
        links, held = self._links(plan[first:], source, plan[:first], hold, every=fresh)
        return source, links, held

    def glance(
        self,
        plan: Sequence[Planned],
        box: Box,
        knob: str = "",
        before: bool = False,
        hold: bool = False,
        cancel: threading.Event | None = None,
    ) -> Glance:
        """Bring a box to the end of a plan.

        Parameters
        ----------
        knob
            Step whose input is held on to, for the next turn of its knob.
        before
            Give the box as the last step took it, too.
        hold
            Take models that were measured before an edit of an earlier step rather than measure
            them again.
        cancel
            Set it to stop between two strips. What a step measures of the whole goes on, for it is
            kept.

        Raises
        ------
        Cancelled, StepError, MissingReference
            One line each.
        """
        if not plan:
            return Glance(self.file.product.crop(box), full=True)
        last = plan[-1]
        taken: Product | None = None
        older: tuple[str, ...] = ()
        if before:  # with the context that the last step needs: it is then taken from there
            wide = self._wide(plan[-1:], box)
            taken, older = self._box(plan[:-1], wide, knob, hold, cancel)
            taken = taken if last.step.whole or _turned(plan[:-1]) else taken.crop(box)
        kept = self.store.get(last.key)
        if isinstance(kept, Product):
            kept = kept if _turned(plan) else kept.crop(box)
            return Glance(kept, taken, self._model_of(last), full=True, held=older)
        product, held = self._box(plan, box, knob, hold, cancel)
        held = tuple(dict.fromkeys([*older, *held]))
        return Glance(product, taken, self._model_of(last, last.step.name in held), held=held)

    def _model_of(self, p: Planned, held: bool = False) -> Model | None:
        """What a stage measured, if that is known; with ``held`` an older one will do."""
        if p.step.measure is None:
            return None
        model = self.store.get(p.model_key)
        if isinstance(model, Model):
            return model
        older = self.models.get(p.step.name)
        return older.model if held and older is not None else None

    def _box(
        self,
        plan: Sequence[Planned],
        box: Box,
        knob: str,
        hold: bool,
        cancel: threading.Event | None,
    ) -> tuple[Product, tuple[str, ...]]:
        """Compute a box from the nearest thing that is held, by way of the input of a knob."""
        source, first = self._nearest(plan, box)
        held: tuple[str, ...] = ()
        turned = next((i for i in range(first, len(plan)) if plan[i].step.name == knob), first)
        if turned > first:
            wide = self._wide(plan[turned:], box)
            source, first = self._nearest(plan[:turned], wide)
            if first < turned:
                source, held = self._compute(source, plan[:turned], first, wide, hold, cancel)
            first = turned
        if first < len(plan):
            rather = plan[turned - 1].key if turned else ""
            source, held = self._compute(source, plan, first, box, hold, cancel, held, rather)
        if _turned(plan):
            return source, held
        # kept boxes are in memory as they should be; the file's are not
        return source.crop(box) if plan else source.crop(box).native(), held

    def _wide(self, plan: Sequence[Planned], box: Box) -> Box:
        """Pixels that those of a box depend on at the end of some stages, if not on all."""
        steps = [(p.step, p.stage.params) for p in plan]
        return wide_box(steps, self.file.exposure, box, self.file.product.covers)

    def _nearest(self, plan: Sequence[Planned], box: Box) -> tuple[Product, int]:
        """The product that is furthest along a plan and covers what the rest needs of a box."""
        for i in range(len(plan), 0, -1):
            kept = self.store.get(plan[i - 1].key)
            if not isinstance(kept, Product):
                wide = None if _turned(plan[:i]) else self._wide(plan[i:], box)
                kept = self.boxes.get(plan[i - 1].key, wide)
            if kept is not None:
                return kept, i
        return self.file.product, 0

    def _compute(
        self,
        source: Product,
        plan: Sequence[Planned],
        first: int,
        box: Box,
        hold: bool,
        cancel: threading.Event | None,
        held: tuple[str, ...] = (),
        rather: str = "",
    ) -> tuple[Product, tuple[str, ...]]:
        """Compute a box of the stages from first on, and hold on to it if it is exact.

        ``held`` are the steps before whose older model the source was computed with; ``rather`` is
        the key of a box to hold on to rather than to this one.
        """
        part = box != self.file.product.covers
        links, held = self._links(plan[first:], source, plan[:first], hold, held, part)
        if _turned(plan[:first]):  # of other axes than the detector's there are no boxes
            box = source.covers
        size = max(a.size // (a.shape[-1] * a.shape[-2]) for a in source.arrays().values())
        if size * box.shape[0] * box.shape[1] <= SMALL:
            product = run_box(source, links, box)
        else:
            product, _ = stream(
                source,
                links,
                functools.partial(Store().draft, "box"),
                box=box,
                rows=_rows(box),
                name=self.file.name,
                cancel=cancel,
            )
        if not held:
            self.boxes.put(plan[-1].key, product, rather)
        return product, held

    def _links(
        self,
        plan: Sequence[Planned],
        source: Product,
        before: Sequence[Planned],
        hold: bool,
        held: tuple[str, ...] = (),
        part: bool = False,
        every: bool = False,
    ) -> tuple[list[Link], tuple[str, ...]]:
        """Stages ready to run on a source, which may be a box of the result of those before.

        Of a ``part`` of the exposure alone no step that can run on it measures the whole. Stages
        whose results lie in files need none before them: those are left out, unless ``every`` one
        is wanted.
        """
        links: list[Link] = []
        if plan:
            warm_once()
        for i, p in enumerate(plan):
            with errors_of(p.step.name, f"{p.step.name}: references cannot be read"):
                references = load_references(p, self.file, self.references)
            link = Link(p.step, p.stage.params, references)
            if p.step.measure is not None and not (part and self._runs_on_a_box(p)):
                done = [*before, *plan[:i]]
                # a box cannot tell what the whole is like, nor can what older models gave
                near = bool(held) or source.covers != self.file.product.covers
                model, older = self._model(p, link, None if near else source, links, done, hold)
                link = dc.replace(link, model=model)
                held = (*held, p.step.name) if older else held
                if p.step.filed and not every:
                    links.clear()
            links.append(link)
        return links, held

    def _model(
        self,
        p: Planned,
        link: Link,
        source: Product | None,
        links: Sequence[Link],
        done: Sequence[Planned],
        hold: bool,
    ) -> tuple[Model, bool]:
        """What a step measures, and whether it is an older measurement.

        ``source`` and ``links`` give what it measures; without a source, ``done`` does.
        """
        kept = self.store.get(p.model_key)
        if isinstance(kept, Model):
            self.models[p.step.name] = Measured(_asked(p), kept)
            return kept, False
        older = self.models.get(p.step.name)
        # a knob of the step's own measurement must show: only an edit before it may be overlooked
        if hold and older is not None and older.asked == _asked(p):
            if p.peers:
                return older.model, True
            try:  # what is known without a look at the pixels costs nothing
                blind = Whole(self.file.exposure, self.file.product.covers, _refuse)
                return self._measure(p, link, blind), False
            except _Looked:
                return older.model, True
        if p.peers:
            peers = [
                dc.replace(self, file=m.file, references=m.references, models={})._seen(m.plan, p)
                for m in p.peers
            ]
            return self._measure(p, link, Together(tuple(peers))), False
        if source is None:
            source, links, _ = self.links(done)
        return self._measure(p, link, self._whole(source, links, done, p)), False

    def _runs_on_a_box(self, p: Planned) -> bool:
        """Whether a stage need not measure the whole for a box, and has not done so before."""
        local = p.step.local is not None and p.step.local(p.stage.params)
        return local and p.model_key not in self.store

    def _seen(self, plan: Sequence[Planned], asking: Planned) -> Whole:
        """The whole exposure at the end of a plan, for a step that asks for it."""
        source, links, _ = self.links(plan)
        return self._whole(source, links, plan, asking)

    def _whole(
        self, source: Product, links: Sequence[Link], done: Sequence[Planned], asking: Planned
    ) -> Whole:
        chain = list(links)
        exposure, covers = self.file.exposure, self.file.product.covers
        runs = [link.model for link in chain if isinstance(link.model, Ran)]
        path = runs[-1].file_of(exposure) if runs else source.source or self.file.path

        def look(box: Box) -> Product:
            return run_strip(source, chain, box)

        def write(path: Path) -> Path:
            product = run_box(source, chain, covers)
            provenance = provenance_of(done, {}, "")
            return write_products(product, [path], provenance, self.file.name, overwrite=True)[0]

        return Whole(
            exposure,
            covers,
            look,
            path,
            untouched=not done or done[-1].step.filed,
            write=write,
            room=lambda: self.store.room(asking.model_key),
            tell=self.tell,
            cancel=self.cancel,
        )

    def _measure(self, p: Planned, link: Link, whole: Whole | Together) -> Model:
        if p.step.filed:
            self.begins(p.step.name, self.file.name)
        with errors_of(p.step.name, f"{p.step.name}: measuring failed"):
            model = p.step.learn(whole, p.stage.params, link.references)
        self.store.put(p.model_key, model)
        self.models[p.step.name] = Measured(_asked(p), model)
        return model


class _Looked(JwinteractiveError):
    """A measurement needs pixels."""


def _refuse(box: Box) -> Product:
    raise _Looked


def _turned(plan: Sequence[Planned]) -> bool:
    """Whether the result of some stages has other axes than the detector's."""
    return any(p.step.whole for p in plan)


def _rows(box: Box) -> int:
    """Rows of a strip of a box: one for each core, but few enough to hear a cancel soon."""
    return max(16, min(-(-box.shape[0] // cores()), STRIP // box.shape[1]))
