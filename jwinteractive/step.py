"""What a calibration step is, and the registry of them all.

A step is a pure function of a product, its parameters and its references::

    @step(halo=0)
    def dark_current(ramp: Ramp, p: DarkParams, dark: DarkRef) -> Ramp: ...

Its signature says what it takes, gives and needs. One that must first learn something from the
whole exposure comes in two halves, as an estimator's fit and transform::

    def measure_refpix(whole: Whole, p: RefpixParams) -> RefpixModel: ...

    @step(halo=0, measure=measure_refpix)
    def refpix(ramp: Ramp, p: RefpixParams, model: RefpixModel) -> Ramp: ...

A step for products of several kinds says so by a type variable, and gives the kind it takes. One
that looks at several exposures together measures over the set and is applied to each; one that
gives other axes than the detector's, such as a spectrum, takes its product whole.

Why a measurement pulls boxes: docs/decisions/0001-measuring-pulls-boxes.md.
Why a step may need whole lines: docs/decisions/0017-context-of-whole-lines.md.
Sets of exposures and other axes: docs/decisions/0018-sets-and-other-axes.md.
"""

from __future__ import annotations

import dataclasses as dc
import importlib
import inspect
import threading
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from jwinteractive.data import Array, Box, Exposure, Product
from jwinteractive.errors import ParamError, RecipeError, StepError, suggestion
from jwinteractive.params import Params, fields_of
from jwinteractive.references import Reference
from jwinteractive.views import View, change_views, product_views

__all__ = [
    "OFFICIAL",
    "Context",
    "Model",
    "Need",
    "Ran",
    "Registry",
    "Step",
    "Together",
    "Whole",
    "accepts",
    "never_skips",
    "only_for",
    "registry",
    "runs_alone",
    "step",
    "unheard",
]

Context = Callable[[Exposure, Any, Box], Box]
"""Pixels that those of a box depend on, by the exposure and the parameters; it may reach beyond
the frame."""


@dc.dataclass(frozen=True, kw_only=True)
class Model:
    """Base of what a step measures over the whole exposure: small, read-only, kept by key.

    Subclasses are frozen dataclasses whose fields are arrays or plain numbers and strings.
    """

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by field name."""
        found = {f.name: getattr(self, f.name) for f in dc.fields(self)}
        return {k: v for k, v in found.items() if hasattr(v, "dtype") and v.ndim}


@dc.dataclass(frozen=True, kw_only=True)
class Ran(Model):
    """What a step gave that writes files, for all exposures that it ran on.

    Attributes
    ----------
    place
        Folder of the files.
    members
        Names of the exposures, in the order of ``files``.
    files, second
        Names of the results, and of those that came with them, such as rates of integrations; one
        for all exposures, or one for each.
    beside
        Names of files of other kinds: catalogues, segmentation maps.
    log
        What the step said, line by line.
    seconds, peak
        Time of the step alone, and bytes of memory that it added.
    skipped
        It left the product as it was.
    """

    place: Path
    members: tuple[str, ...]
    files: tuple[str, ...]
    second: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    seconds: float = 0.0
    peak: int = 0
    skipped: bool = False

    def file_of(self, exposure: Exposure) -> Path:
        """Result for one of the exposures."""
        return self.place / self._of(self.files, exposure)

    def second_of(self, exposure: Exposure) -> Path | None:
        """What came with it, if anything did."""
        return self.place / self._of(self.second, exposure) if self.second else None

    def _of(self, names: tuple[str, ...], exposure: Exposure) -> str:
        return names[0] if len(names) == 1 else names[self.members.index(exposure.name)]


def unheard(line: str) -> None:
    """Take a line that nobody listens to."""


def _nowhere() -> Path:
    raise StepError("this step writes files, but nobody gave it a folder for them")


def _unwritten(path: Path) -> Path:
    raise StepError("this step reads files, but the product is in no file")


@dc.dataclass(frozen=True, slots=True)
class Whole:
    """The whole exposure as a step would get it, pulled in boxes so that it is never all in memory.

    Attributes
    ----------
    exposure
        What the header says.
    box
        All pixels of the exposure.
    look
        Returns the product inside a box, brought up to this step.
    path
        Its file, for what no array holds of it, such as its WCS; None if there is none.
    untouched
        Nothing was done to it since it was in that file.
    write
        Writes it as an official file of the given name, and returns that.
    room
        Makes the folder for files of what is measured.
    tell
        Takes lines that the user may read while a long measurement is at work.
    cancel
        Is set when the measurement is no longer wanted.
    """

    exposure: Exposure
    box: Box
    look: Callable[[Box], Product]
    path: Path | None = None
    untouched: bool = False
    write: Callable[[Path], Path] = _unwritten
    room: Callable[[], Path] = _nowhere
    tell: Callable[[str], None] = unheard
    cancel: threading.Event | None = None


@dc.dataclass(frozen=True, slots=True)
class Together:
    """The exposures that a step looks at together, each as it would get it, in the user's order."""

    members: tuple[Whole, ...]


@dc.dataclass(frozen=True, slots=True)
class Need:
    """A reference that a step asks for; an optional one may be absent."""

    kind: type[Any]  # of Reference
    optional: bool


def never_skips(exposure: Exposure, p: Any) -> str:
    """``skips`` of a step for every exposure."""
    return ""


def runs_alone(kind: type[Product], exposure: Exposure, p: Any) -> str:
    """``alone`` of a step that runs on a set of one too."""
    return ""


def accepts(p: Any) -> str:
    """``refuses`` of a step that takes all parameters."""
    return ""


def _none(p: Params) -> Collection[str]:
    return ()


@dc.dataclass(frozen=True, slots=True)
class Step:
    """One calibration step: a pure function and what the rest of the package must know of it.

    ``takes`` are the kinds of product that it is for; ``gives`` is None where it gives what it
    takes, of several kinds, and ``gives_for`` says it where that depends on the exposure.

    A ``filed`` step is one whose measurement, a `Ran`, has its results in files: nothing before it
    is needed any more; ``turns`` says of which kinds and modes it makes other axes. A ``local`` one
    runs on a box too, with parameters that let it: previews do not wait for its measurement.
    ``off`` says why it is off in the recipes that have it, where that needs a word; ``refuses`` why
    it cannot work with parameters that are each allowed; ``fresh`` why it does not run on a product
    as a file has it, where it is for what the steps before it make.
    """

    name: str
    function: Callable[..., Product]
    params: type[Params]
    takes: tuple[type[Product], ...]
    gives: type[Product] | None
    needs: Mapping[str, Need]
    halo: int | Callable[[Any], int]
    version: int
    summary: str
    cal_step: str
    measure: Callable[..., Model] | None
    models: tuple[type[Model], ...]
    skips: Callable[[Exposure, Any], str]
    own_views: tuple[View, ...] = ()
    words: Mapping[str, Callable[[Any, Any], list[str]]] = dc.field(default_factory=dict)
    asks: Callable[[Any], Mapping[str, Any]] = Params.as_dict
    unless: str = ""
    around: Context | None = None
    affects: Context | None = None
    unread: Callable[[Any], Collection[str]] = _none
    unmeasured: Callable[[Any], Collection[str]] = _none
    together: Callable[[type[Product], Exposure, Exposure, Any], bool] | None = None
    alone: Callable[[type[Product], Exposure, Any], str] = runs_alone
    whole: bool = False
    suffix: str = ""
    filed: bool = False
    local: Callable[[Any], bool] | None = None
    gives_for: Callable[[type[Product], Exposure], type[Product]] | None = None
    turns: Callable[[type[Product], Exposure], bool] | None = None
    off: str = ""
    refuses: Callable[[Any], str] = accepts
    fresh: str = ""

    def check(self, params: Params) -> None:
        """Refuse parameters that do not go together, before anything runs.

        Raises
        ------
        ParamError
            If the step cannot work with them.
        """
        why = self.refuses(params)
        if why:
            error = ParamError(f"{self.name}: {why}")
            error.step = self.name
            raise error

    def given_for(self, taken: type[Product]) -> type[Product]:
        """Kind of product that it makes of one of a kind that it takes."""
        return self.gives or taken

    def settled(self, taken: type[Product], exposure: Exposure, turned: bool) -> Step:
        """Itself, or a filed step that knows what it gives of a kind, for the mode of an exposure.

        ``turned`` says that it takes other axes than the detector's.
        """
        if self.turns is None or self.gives_for is None:
            return self
        whole = self.whole or turned or self.turns(taken, exposure)
        gives = self.gives_for(taken, exposure)
        return dc.replace(self, whole=whole, gives=gives, gives_for=None, turns=None)

    def views(self, taken: type[Product] | None = None) -> tuple[View, ...]:
        """All there is to see of the step: its result, what it changed, its own views.

        ``taken`` is the kind of product that it takes; by default the first of those it can.
        """
        taken = taken or self.takes[0]
        given = self.given_for(taken)
        return (*product_views(given), *change_views(taken, given), *self.own_views)

    def __call__(
        self,
        product: Product,
        params: Params,
        references: Mapping[str, Reference | None] | None = None,
        model: Model | None = None,
    ) -> Product:
        """Run the step on a product, or on a box of one; references are cut to its box."""
        given = references or {}
        extra: dict[str, Any] = {}
        for name, need in self.needs.items():
            reference = given.get(name) if need.optional else given[name]
            if name in self.unread(params):
                reference = None
            extra[name] = None if reference is None else reference.crop(product.covers)
        if self.models:
            extra["model"] = model
        if self.filed:
            extra["gives"] = self.gives
        made = self.function(product, params, **extra)
        # a result in a file is whole, and in the file's byte order; a box of it was asked for
        return made.crop(product.covers).native() if self.filed and not self.whole else made

    def learn(
        self, whole: Whole | Together, params: Params, references: Mapping[str, Reference | None]
    ) -> Model:
        """Measure the model of a step that has one, over an exposure or a set of them."""
        assert self.measure is not None
        self.check(params)
        given = {"p": params, **references}
        left_out = (*self.unread(params), *self.unmeasured(params))
        return self.measure(
            whole, **{k: None if k in left_out else given.get(k) for k in self.learns_from}
        )

    @property
    def learns_from(self) -> tuple[str, ...]:
        """What the measurement asks for beside the exposure: "p" and references by name."""
        assert self.measure is not None
        return tuple(inspect.signature(self.measure).parameters)[1:]

    def taught_by(self, params: Params) -> tuple[str, ...]:
        """References that the measurement, if there is one, looks at with some parameters."""
        if self.measure is None:
            return ()
        left_out = ("p", *self.unread(params), *self.unmeasured(params))
        return tuple(name for name in self.learns_from if name not in left_out)

    def asked_of(self, params: Params) -> dict[str, Any]:
        """The parameters that the measurement looks at, with their values."""
        if "p" not in self.learns_from:
            return {}
        return dict(self.asks(params))

    def reach(self, params: Params) -> int:
        """Pixels of context that a box needs on each side, where it needs no whole lines."""
        return self.halo if isinstance(self.halo, int) else self.halo(params)

    def context(self, exposure: Exposure, params: Params, box: Box, frame: Box) -> Box:
        """Pixels of a frame that those of a box depend on."""
        if self.whole:
            return frame
        if self.around is not None:
            return self.around(exposure, params, box).clip(frame)
        return box.grow(self.reach(params), frame)

    def affected(self, exposure: Exposure, params: Params, box: Box, frame: Box) -> Box:
        """Pixels of a frame that depend on those of a box."""
        if self.affects is not None:
            return self.affects(exposure, params, box).clip(frame)
        return self.context(exposure, params, box, frame)

    def describe(self) -> dict[str, Any]:
        """Plain values for JSON and docs."""
        return {
            "step": self.name,
            "summary": self.summary,
            "takes": " or ".join(kind.__name__ for kind in self.takes),
            "gives": "what it takes" if self.gives is None else self.gives.__name__,
            "halo": self._words_of_context(),
            "version": self.version,
            "references": [n.kind.reftype for n in self.needs.values()],
            "measures": bool(self.models),
            "parameters": [f.describe() for f in fields_of(self.params)],
        }

    def _words_of_context(self) -> str | int:
        if self.whole:
            return "all of it"
        return "whole lines" if self.around else self.reach(self.params())


OFFICIAL: Final = "official_"
"""How names of official steps begin."""


def _official(name: str) -> Step | None:
    """An official step by its name; they are made when one is asked for."""
    if not name.startswith(OFFICIAL):
        return None
    made = importlib.import_module("jwinteractive.official.steps")
    found: Step | None = made.official_step(name)
    return found


class Registry(Mapping[str, Step]):
    """Steps by name; loaded when first looked at, those of other packages too.

    Official steps are found by name, but not counted: what there is of them is up to the package
    that is installed.
    """

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._loaded = False

    def _load(self) -> dict[str, Step]:
        if not self._loaded:
            self._loaded = True
            importlib.import_module("jwinteractive.steps")
            for found in entry_points(group="jwinteractive.steps"):
                found.load()
        return self._steps

    def __getitem__(self, name: str) -> Step:
        steps = self._load()
        if name in steps:
            return steps[name]
        official = _official(name)
        if official is None:
            raise RecipeError(f"no step {name!r}: {suggestion(name, sorted(steps))}")
        return official

    def __contains__(self, name: object) -> bool:
        return name in self._load() or _official(str(name)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())

    def add(self, new: Step) -> None:
        """Register ``new``; a second step of the same name is an error."""
        if new.name in self._steps:
            owner = self._steps[new.name].function.__module__
            raise ValueError(f"step {new.name!r} is already registered by {owner}")
        fields_of(new.params)  # fail at import, not at the first panel
        self._steps[new.name] = new


registry = Registry()


def only_for(name: str, instrument: str, fewest_groups: int = 0) -> Callable[[Exposure, Any], str]:
    """``skips`` of step ``name``, which is for one instrument and a least number of groups."""

    def skips(exposure: Exposure, p: Any) -> str:
        if exposure.instrument != instrument:
            return f"{name} is for {instrument} only, not for {exposure.instrument}"
        if exposure.ngroups < fewest_groups:
            return f"{name} needs {fewest_groups} groups, the exposure has {exposure.ngroups}"
        return ""

    return skips


F = typing.TypeVar("F", bound=Callable[..., Product])


def _need(hint: Any) -> Need:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (only,) = (a for a in typing.get_args(hint) if a is not type(None))
        return Need(only, optional=True)
    return Need(hint, optional=False)


def _models(hint: Any) -> tuple[type[Model], ...]:
    kinds = typing.get_args(hint) or (hint,)
    return tuple(kind for kind in kinds if kind is not type(None))


def _kinds(hint: Any) -> tuple[type[Product], ...]:
    return hint.__constraints__ if isinstance(hint, typing.TypeVar) else (hint,)


def step(
    *,
    halo: int | Callable[[Any], int] = 0,
    version: int = 1,
    measure: Callable[..., Model] | None = None,
    skips: Callable[[Exposure, Any], str] = never_skips,
    cal_step: str = "",
    views: tuple[View, ...] = (),
    words: Mapping[str, Callable[[Any, Any], list[str]]] | None = None,
    late: Collection[str] = (),
    asks: Callable[[Any], Mapping[str, Any]] | None = None,
    unless: str = "",
    around: Context | None = None,
    affects: Context | None = None,
    unread: Callable[[Any], Collection[str]] = _none,
    unmeasured: Callable[[Any], Collection[str]] = _none,
    together: Callable[[type[Product], Exposure, Exposure, Any], bool] | None = None,
    alone: Callable[[type[Product], Exposure, Any], str] = runs_alone,
    whole: bool = False,
    suffix: str = "",
    fresh: str = "",
) -> Callable[[F], F]:
    """Register a function as a calibration step.

    Parameters
    ----------
    halo
        How many pixels around a pixel its result depends on, or a function of the parameters that
        says so: previews and strips run on a box grown by this much.
    version
        Raise it when the same input and parameters give other numbers: results of the older
        version are then left alone.
    measure
        For a step that learns from the whole exposure: a function ``(whole, p, references by
        name) -> Model`` whose result the step takes as ``model``. It may leave out ``p``: then
        its result stays while parameters turn. Where the step's ``model`` may be None, it learns
        from the product in hand.
    skips
        Says why the step does not apply to an exposure with given parameters; "" if it does.
    cal_step
        Name of the official status keyword in ``meta.cal_step`` where it differs from the step's.
    views
        What there is to see of this step beside its result and what it changed.
    words
        By parameter: what the journal says of a change from one value to another, where the
        values themselves tell a person little.
    late
        Parameters that the measurement does not look at though it takes ``p``: turning them
        measures nothing again.
    asks
        In place of ``late``: what the measurement makes of the parameters, as plain values by name.
        It depends on nothing else of them.
    unless
        Name of an optional reference: where there is one, the step runs whatever ``skips`` says.
    around
        In place of ``halo``: the pixels that a box depends on, where these are not as many on each
        side, such as all of its lines.
    affects
        The pixels that depend on a box, where these are others than it depends on.
    unread
        Names of optional references that the step does not use with some parameters: they are
        neither looked for nor read.
    unmeasured
        The same of those that the measurement alone does not use.
    together
        For a step that looks at several exposures: whether two of one session and of one kind of
        product belong to a set, with given parameters.
        Its measurement takes a `Together` and does not look at references; its model is for all
        members, which tell themselves apart by the name of their exposure.
    alone
        Why such a step does not run on a product that is a set by itself; "" if it does.
    whole
        The step takes a product whole, never a box, and gives one of other axes than that.
    suffix
        Of the file of its result, where that is another than of all results of the kind; "ints" is
        added for integrations.
    fresh
        For a step that takes what only the steps before it make: why it does not run on a product
        of that kind as a file has it.
    """

    def asked(p: Any) -> Mapping[str, Any]:
        return {name: v for name, v in p.as_dict().items() if name not in late}

    def register(function: F) -> F:
        hints = typing.get_type_hints(function)
        takes, params, *extra = inspect.signature(function).parameters
        references = [name for name in extra if name != "model"]
        name = function.__name__
        registry.add(
            Step(
                name=name,
                function=function,
                params=hints[params],
                takes=_kinds(hints[takes]),
                gives=None if len(_kinds(hints["return"])) > 1 else hints["return"],
                needs={r: _need(hints[r]) for r in references},
                halo=halo,
                version=version,
                summary=(inspect.getdoc(function) or "").partition("\n")[0],
                cal_step=cal_step or name,
                measure=measure,
                models=_models(hints["model"]) if "model" in hints else (),
                skips=skips,
                own_views=views,
                words=words or {},
                asks=asks or asked,
                unless=unless,
                around=around,
                affects=affects,
                unread=unread,
                unmeasured=unmeasured,
                together=together,
                alone=alone,
                whole=whole,
                suffix=suffix,
                fresh=fresh,
            )
        )
        return function

    return register
