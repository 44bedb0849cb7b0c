"""Every step of the installed official package as a `Step`, made when it is asked for.

An official step runs in a process of its own on the whole product, or on a set of them, and leaves
official files; what it "measures" says where they are (`step.Ran`), and its result is read from
there. So it is kept by key, undone, compared and written like any other, and the next official step
opens these files: nothing of their headers, WCS and tables is lost on the way. What native steps
did in between is written into a file first. A local step runs on a box for previews.

Why: docs/decisions/0022-official-steps-leave-files.md.
"""

from __future__ import annotations

import dataclasses as dc
import functools
import inspect
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from jwinteractive.data import Exposure, Product, Ramp, Rate, RateInts
from jwinteractive.errors import StepError
from jwinteractive.official.alignment import alignment_views, cannot_align, unaligned
from jwinteractive.official.behaviour import SWITCHED_OFF, Behaviour, behaviour_of, spared_types
from jwinteractive.official.catalogue import Described, catalogue
from jwinteractive.official.parameters import params_of, to_official
from jwinteractive.official.results import read_result
from jwinteractive.official_process.client import Done, Input, Job, run
from jwinteractive.outliers.settings import by_integrations
from jwinteractive.references.filed import NOT_APPLICABLE, FileReference, file_reference
from jwinteractive.sip_views import sip_views
from jwinteractive.step import (
    OFFICIAL,
    Need,
    Ran,
    Step,
    Together,
    Whole,
    accepts,
    never_skips,
    runs_alone,
)
from jwinteractive.views import View

__all__ = ["official_step", "official_steps"]

_ALIKE: Final = ("instrument", "exp_type", "filter", "pupil", "grating", "slit")
_PLANES: Final = {
    Ramp: ("data", "groupdq", "pixeldq", "zeroframe"),
    Rate: ("data", "err", "dq", "var_poisson", "var_rnoise"),
    RateInts: ("data", "err", "dq", "var_poisson", "var_rnoise"),
}
_MODELS: Final = {Ramp: "RampModel", Rate: "ImageModel", RateInts: "CubeModel"}


def official_steps() -> dict[str, Step]:
    """All of them, by name.

    Raises
    ------
    StepError
        If the official package is not installed.
    """
    return {OFFICIAL + alias: _made(alias) for alias in catalogue().steps}


def official_step(name: str) -> Step | None:
    """The step of a name such as "official_jump"; None if the package has none."""
    alias = name.removeprefix(OFFICIAL)
    return _made(alias) if alias in catalogue().steps else None


@functools.cache
def _made(alias: str) -> Step:
    described = catalogue().steps[alias]
    behaviour = behaviour_of(alias, frozenset(described.pipelines))
    needs = {t: Need(file_reference(t), optional=True) for t in described.reftypes}
    return Step(
        name=OFFICIAL + alias,
        function=_function(described, behaviour),
        params=params_of(described),
        takes=behaviour.takes,
        gives=behaviour.gives,
        gives_for=behaviour.gives_for,
        turns=behaviour.turns,
        needs=needs,
        halo=behaviour.halo,
        version=_version(catalogue().version),
        summary=described.doc.partition("\n")[0],
        cal_step=alias,
        measure=_measure(described, behaviour),
        models=(Ran,),
        skips=_SKIPS.get(alias) or _skips(behaviour.lacks),
        together=_together if behaviour.together else None,
        alone=runs_alone if behaviour.alone else _alone,
        suffix=described.suffix,
        own_views=_views(alias),
        filed=True,
        local=behaviour.local,
        off=SWITCHED_OFF.get(alias, ""),
        refuses=cannot_align if alias == "tweakreg" else accepts,
    )


def _views(alias: str) -> tuple[View, ...]:
    match alias:
        case "assign_wcs":
            return sip_views()
        case "tweakreg":
            return (*alignment_views(), *sip_views())
    return ()


def _version(text: str) -> int:
    """Number of a version of the package: what it computes may differ from one to the next."""
    found = 0
    for part in text.split(".")[:3]:
        digits = "".join(c for c in part if c.isdigit())
        found = 1000 * found + int(digits or 0)
    return found


def _skips(why: str) -> Callable[[Exposure, Any], str]:
    return (lambda exposure, p: why) if why else never_skips


def _one_group(exposure: Exposure, p: Any) -> str:
    if exposure.ngroups == 1 and p.suppress_one_group:
        return "one group tells no slope: set suppress_one_group to false"
    return ""


def _no_background(exposure: Exposure, p: Any) -> str:
    if exposure.exp_type == "NRS_MSASPEC":
        return (
            "the step takes nothing off slits of NIRSpec MOS: their background is taken off by "
            "master_background_mos, before they are calibrated"
        )
    if p.user_background:
        return ""
    return (
        "which exposures are of the background is not told here: give its spectrum as "
        "user_background, or subtract it by the official pipeline, on an association that says it"
    )


def _calibrated(exposure: Exposure, p: Any) -> str:
    if "photom" in exposure.done:
        return "the slits are calibrated: this background is of slits before their flat field"
    return ""


_SKIPS: Final[Mapping[str, Callable[[Exposure, Any], str]]] = {
    "ramp_fit": _one_group,
    "master_background": _no_background,
    "master_background_mos": _calibrated,
}


def _together(kind: type[Product], one: Exposure, other: Exposure, p: Any) -> bool:
    alike = all(getattr(one, name) == getattr(other, name) for name in _ALIKE)
    return alike and kind is not RateInts


def _alone(kind: type[Product], exposure: Exposure, p: Any) -> str:
    if kind is RateInts:
        return ""
    return by_integrations(exposure) or "one exposure alone: open the others of its field with it"


def _overrides(
    alias: str, exposure: Exposure, references: dict[str, FileReference | None]
) -> dict[str, str]:
    """Official override parameters of references: of those found, and of those not needed."""
    found = {t: r.override for t, r in references.items() if r is not None}
    spared = {t: NOT_APPLICABLE for t in spared_types(alias, exposure) if t in references}
    return {f"override_{t}": value for t, value in (spared | found).items()}


def _measure(described: Described, behaviour: Behaviour) -> Callable[..., Ran]:
    def measure(whole: Whole | Together, p: Any, **references: FileReference | None) -> Ran:
        members = whole.members if isinstance(whole, Together) else (whole,)
        first = members[0]
        room = first.room()
        with tempfile.TemporaryDirectory(dir=room, prefix=".taken-") as taken:
            inputs = tuple(
                _input(m, Path(taken), i, behaviour.parts) for i, m in enumerate(members)
            )
            job = Job(
                cls=described.cls,
                params=to_official(p) | _overrides(described.alias, first.exposure, references),
                inputs=inputs,
                folder=room,
                names=tuple(m.exposure.filename for m in members),
                suffix=described.suffix,
                together=behaviour.together,
                parts=behaviour.parts,
            )
            done = run(job, log=first.tell, cancel=first.cancel)
        if described.alias == "tweakreg":  # its status tells neither
            done = _with_words(done, unaligned(done.log, job.names, p), first.tell)
        return _ran(room, tuple(m.exposure.name for m in members), done, behaviour.parts)

    # what is asked for is read off the signature: see `Step.learns_from`
    names = ("whole", "p", *described.reftypes)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    measure.__signature__ = signature  # type: ignore[attr-defined]
    return measure


def _with_words(done: Done, lines: Sequence[str], tell: Callable[[str], None]) -> Done:
    """A job's outcome with lines of ours at the end of its log, told as they are added."""
    for line in lines:
        tell(line)
    return dc.replace(done, log=(*done.log, *lines))


def _input(whole: Whole, folder: Path, number: int, parts: bool) -> Input:
    """What the official step opens: the file as it is, or one with what was done to it since."""
    path = whole.path if whole.untouched else None
    if path is None:
        path = whole.write(folder / str(number) / f"{whole.exposure.filename}_taken.fits")
    return Input(path, slit=whole.exposure.slit, more=_others(path) if parts else ())


def _others(path: Path) -> tuple[Path, ...]:
    """The other files of a product of several: the worker gives each a number."""
    root, first, suffix = path.name.rpartition("-1_")
    files = path.parent.glob(f"{root}-*_{suffix}") if first else ()
    return tuple(sorted((p for p in files if p != path), key=lambda p: (len(p.name), p.name)))


def _ran(room: Path, members: tuple[str, ...], done: Done, parts: bool = False) -> Ran:
    names = tuple(path.relative_to(room).as_posix() for path in done.files)
    others: tuple[str, ...] = ()
    if parts:  # the first is what is shown
        names, others = names[:1], names[1:]
    series = tuple(name for name in names if name.endswith("_rateints.fits"))
    pair = len(series) * 2 == len(names)
    return Ran(
        place=room,
        members=members,
        files=tuple(n for n in names if not (pair and n in series)),
        second=series if pair else (),
        beside=(*others, *(path.relative_to(room).as_posix() for path in done.side)),
        log=done.log,
        seconds=done.seconds,
        peak=done.peak,
        skipped=done.skipped,
    )


def _function(described: Described, behaviour: Behaviour) -> Callable[..., Product]:
    def apply(
        product: Product,
        p: Any,
        model: Ran | None = None,
        gives: type[Product] | None = None,
        **references: FileReference | None,
    ) -> Product:
        gives = gives or behaviour.gives_for(type(product), product.exposure)
        if model is None:
            return _on_box(product, gives, described, p, references)
        return read_result(model, product.exposure, gives)

    return apply


def _on_box(
    product: Product,
    gives: type[Product],
    described: Described,
    p: Any,
    references: dict[str, FileReference | None],
) -> Product:
    """Run a local step on the pixels of a box alone."""
    source = product.source
    if source is None:
        raise StepError(f"{OFFICIAL}{described.alias}: the product has no file: open it from one")
    box = product.covers
    folder = Path(tempfile.mkdtemp(prefix="jwinteractive-"))
    try:
        pixels = product.native()
        planes: dict[str, Path] = {}
        for name in _PLANES[type(product)]:
            array = getattr(pixels, name)
            if array is not None:
                planes[name] = folder / f"{name}.npy"
                np.save(planes[name], array)
        job = Job(
            cls=described.cls,
            params=to_official(p) | _overrides(described.alias, product.exposure, references),
            inputs=(
                Input(
                    path=source,
                    planes=planes,
                    box=(box.y0, box.y1, box.x0, box.x1),
                    slit=product.exposure.slit,
                    model=_MODELS[type(product)],
                ),
            ),
            folder=folder,
            names=(product.exposure.filename or "box",),
            suffix=described.suffix,
        )
        ran = _ran(folder, (product.exposure.name,), run(job))
        made = read_result(ran, product.exposure, gives)
        return _placed(made.native(), product)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _placed(made: Product, product: Product) -> Product:
    """Result of a box, at the place of the product that it was made of."""
    place = {"exposure": product.exposure, "box": product.box, "source": product.source}
    if isinstance(made, Rate) and made.integrations is not None:
        made = made.replace(integrations=made.integrations.replace(**place))
    return made.replace(**place)
