"""What a recipe would do to an exposure: which steps run, with which references, under which keys.

Nothing is computed here and no array is read. How keys begin:
docs/decisions/0003-keys-of-files-and-arrays.md.
"""

from __future__ import annotations

import dataclasses as dc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jwinteractive.data import Cube, Exposure, Product, Ramp
from jwinteractive.errors import InputError, MissingReference, RecipeError
from jwinteractive.io import open_products, read_association, root_name
from jwinteractive.recipe import Recipe, Stage
from jwinteractive.references import Found, Reference, References
from jwinteractive.step import Step, registry

__all__ = [
    "OpenFile",
    "Peer",
    "Planned",
    "load_references",
    "open_file",
    "open_files",
    "plan_of",
    "stages_of",
]


@dc.dataclass(frozen=True)
class OpenFile:
    """An exposure that is open: its file, its memory-mapped product, what had to be assumed."""

    path: Path
    product: Product
    key: str
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """File name, and the slit of a file that holds slits."""
        slit = self.exposure.slit
        return f"{self.path.name} [{slit}]" if slit else self.path.name

    @property
    def exposure(self) -> Exposure:
        """What the header says."""
        return self.product.exposure

    @property
    def simulated_references(self) -> Path | None:
        """Folder of the simulated set beside the file, if there is one."""
        root = self.path.name.removesuffix(".fits").removesuffix("_uncal")
        folder = self.path.with_name(f"{root}_refs")
        return folder if folder.is_dir() else None


@dc.dataclass(frozen=True)
class Peer:
    """An exposure that a step looks at together with others, and what is done to it before.

    ``number`` is its number in the session.
    """

    number: int
    file: OpenFile
    references: References
    plan: tuple[Planned, ...]

    @property
    def key(self) -> str:
        """Key of what the step would take."""
        return self.plan[-1].key if self.plan else self.file.key


Peers = Callable[[Stage, type[Product]], tuple[Peer, ...]]
"""The set that an exposure belongs to at a stage, with itself, in the user's order.

The stage takes products of a kind.
"""


@dc.dataclass(frozen=True)
class Planned:
    """A stage as it will run on one exposure, or why it is left out.

    ``key`` is that of its result, ``before`` that of what it takes, ``takes`` the kind of that;
    ``peers`` are the set of a step that looks at several exposures.
    """

    stage: Stage
    step: Step
    before: str
    key: str
    found: Mapping[str, Found]
    skipped: str = ""
    takes: type[Product] = Product
    peers: tuple[Peer, ...] = ()

    @property
    def gives(self) -> type[Product]:
        """Kind of its result."""
        return self.step.given_for(self.takes)

    @property
    def model_key(self) -> str:
        """Key of what the step measures: of what it takes and of what its measurement asks for."""
        asked = self.step.taught_by(self.stage.params)
        settings = self.step.asked_of(self.stage.params)
        references = {name: f.key for name, f in self.found.items() if name in asked}
        before = [peer.key for peer in self.peers] or self.before
        made_by = (self.step.name, self.step.version, settings, references, before)
        return "model-" + _digest(*made_by)


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def open_file(path: Path, slit: str = "") -> OpenFile:
    """Open an exposure; its key is its name, size and time.

    Raises
    ------
    InputError
        If it cannot be reduced, or has several slits and none is named.
    """
    first, *others = open_files(path, (slit,) if slit else ())
    if others:
        names = ", ".join(f.exposure.slit for f in (first, *others))
        raise InputError(f"{path.name}: has {len(others) + 1} slits ({names}): choose one")
    return first


def open_files(path: Path, slits: Sequence[str] = ()) -> tuple[OpenFile, ...]:
    """Open the exposure of a file, or each of its slits, or those that are named.

    Of an association those of its exposures of the target are opened.

    Raises
    ------
    InputError
        If it cannot be reduced, or there is no such slit.
    """
    if path.suffix == ".json":
        return _members_of(path, slits)
    stat = path.stat() if path.exists() else None
    found = []
    for opened in open_products(path, slits):
        assert stat is not None  # else it had not been opened
        exposure = dc.replace(opened.product.exposure, filename=root_name(path))
        own = (exposure.slit,) if exposure.slit else ()
        key = _digest(path.name, stat.st_size, stat.st_mtime_ns, *own)
        product = opened.product.replace(exposure=exposure)
        found.append(OpenFile(path.absolute(), product, key, opened.notes))
    return tuple(found)


def _members_of(path: Path, slits: Sequence[str]) -> tuple[OpenFile, ...]:
    association = read_association(path)
    found = [file for member in association.science for file in open_files(member, slits)]
    if association.others:
        names = ", ".join(other.name for other in association.others)
        note = f"{path.name} names {names} too: they are not opened"
        found[0] = dc.replace(found[0], notes=(*found[0].notes, note))
    return tuple(found)


def _by_itself(stage: Stage, kind: type[Product]) -> tuple[Peer, ...]:
    return ()


def plan_of(
    file: OpenFile,
    recipe: Recipe,
    references: References,
    to: str | None = None,
    peers: Peers = _by_itself,
) -> tuple[Planned, ...]:
    """List the stages of a recipe up to ``to`` with the key of each result.

    Raises
    ------
    RecipeError
        For an unknown step, or steps in an order that cannot work.
    MissingReference
        If a reference that the user named is not there.
    """
    if to is not None:
        recipe[to]
    planned = list(stages_of(file, recipe, references, peers, to))
    only = planned[0]
    if len(recipe) == 1 and only.skipped:
        raise RecipeError(f"{only.step.name} does not run on {file.name}: {only.skipped}")
    if all(p.skipped for p in planned):
        raise RecipeError(
            f"no step of {recipe.name!r} runs on {file.name}, a {type(file.product).__name__}: "
            "switch one on or choose another recipe"
        )
    return tuple(planned)


def stages_of(
    file: OpenFile,
    recipe: Recipe,
    references: References,
    peers: Peers,
    to: str | None = None,
    before: str | None = None,
) -> Iterator[Planned]:
    """Yield the stages of a recipe, up to a step or all before one; see `plan_of`."""
    parent, kind, exposure = file.key, type(file.product), file.exposure
    started = turned = False
    for stage in recipe:
        if stage.step == before:
            return
        step = registry[stage.step].settled(kind, file.exposure, turned)
        why = _skipped(stage, step, file, exposure, kind, started, references)
        together: tuple[Peer, ...] = ()
        if step.together is not None and not why:
            together = peers(stage, kind)
            why = step.alone(kind, file.exposure, stage.params) if len(together) < 2 else ""
        found: dict[str, Found] = {}
        key = parent
        if not why:
            if kind not in step.takes:
                raise RecipeError(
                    f"{step.name} takes a {' or '.join(k.__name__ for k in step.takes)}, but gets "
                    f"a {kind.__name__}: check the order of the recipe"
                )
            for name, need in step.needs.items():
                if name in step.unread(stage.params):
                    continue
                # a parameter named as a reference type is a path to that reference
                name_of_path = need.kind.parameter or need.kind.reftype
                path = getattr(stage.params, name_of_path, "")
                found[name] = references.find(need.kind, file.exposure, file.product.shape, path)
            keys = {name: f.key for name, f in found.items()}
            own = (step.name, step.version, stage.params.as_dict(), keys, parent)
            key = _digest(*own, *([p.key for p in together],) * bool(together))
        yield Planned(stage, step, parent, key, found, why, kind, together)
        if not why:
            started, turned = True, turned or step.whole
            kind = step.given_for(kind)
            exposure = dc.replace(exposure, done=(*exposure.done, step.cal_step))
            if kind is Cube:
                exposure = dc.replace(exposure, dispaxis=3)  # as its file is read
        parent = key
        if stage.step == to:
            return


def _skipped(
    stage: Stage,
    step: Step,
    file: OpenFile,
    exposure: Exposure,
    kind: type[Product],
    started: bool,
    references: References,
) -> str:
    """Why a stage does not run; "" if it does. The exposure knows what the recipe has done."""
    if not stage.enabled:
        return "switched off in the recipe" + (f": {step.off}" if step.off else "")
    past = kind is type(file.product) and kind is not Ramp
    if kind not in step.takes and (past or not started):
        return f"the file is already a {kind.__name__}"
    if past and step.fresh:
        return step.fresh
    # what is whole for this file alone, as after slits were cut out, is still done once
    if step.cal_step in file.exposure.done and not registry[stage.step].whole:
        return "the file says it was done before"
    why = step.skips(exposure, stage.params)
    if why and step.unless:
        needed = step.needs[step.unless].kind
        if references.find(needed, file.exposure, file.product.shape).source != "nominal":
            return ""
    return why


def load_references(
    planned: Planned, file: OpenFile, references: References
) -> dict[str, Reference | None]:
    """Read the references of a stage; an optional one that there is not is None.

    Raises
    ------
    MissingReference
        If one cannot be read, does not fit, or has no nominal stand-in.
    """
    loaded: dict[str, Reference | None] = {}
    for name, found in planned.found.items():
        try:
            loaded[name] = references.load(found, file.exposure, file.product.shape)
        except MissingReference:
            if not planned.step.needs[name].optional or found.source != "nominal":
                raise
            loaded[name] = None
    return loaded
