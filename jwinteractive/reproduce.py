"""A product of the official package made again from its own keywords and logs, and compared.

Which step a difference comes from cannot be told from the end product alone: what is told is what
differs in how both were made, and how much and where the pixels do.
"""

from __future__ import annotations

import dataclasses as dc
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy.io import fits

import jwinteractive
from jwinteractive.changes import Change, Made, made_of, since
from jwinteractive.compare import Comparison, compare
from jwinteractive.data import Array
from jwinteractive.errors import AlreadyThere, InputError, OutputError
from jwinteractive.io.saving import check_writable
from jwinteractive.official.catalogue import catalogue, installed
from jwinteractive.official.parameters import from_official
from jwinteractive.recipe import Recipe, Stage
from jwinteractive.session import Session
from jwinteractive.step import OFFICIAL, registry

__all__ = ["Reproduced", "as_json", "as_text", "reproduce"]

_PLANES: Final = ("data", "err", "dq", "groupdq", "pixeldq", "var_poisson", "var_rnoise")


@dc.dataclass(frozen=True)
class Reproduced:
    """A product made again.

    Attributes
    ----------
    made
        How it was made there.
    version
        Of the official package here.
    changes
        Those of the package since, of its mode and steps.
    references
        Type, theirs, ours of those that differ by name and are known for both.
    unknown
        Steps whose parameters the product does not tell: defaults were taken.
    missing
        Step and reason of those that it went through and that did not run here.
    comparison
        A is theirs, B ours.
    planes
        Arrays that differ: data, err, dq, ...
    written
        Files that were kept: what was made, by the product's name, and the differences as JSON.
    """

    made: Made
    version: str
    changes: tuple[Change, ...]
    references: tuple[tuple[str, str, str], ...]
    unknown: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    comparison: Comparison
    planes: tuple[str, ...]
    written: tuple[Path, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether every value, error and flag is the same."""
        return not self.planes


def reproduce(
    product: Path,
    source: Path,
    refs: Path | None = None,
    output: Path | None = None,
    *,
    overwrite: bool = False,
) -> Reproduced:
    """Make a product again from an exposure that it was made of.

    Parameters
    ----------
    product
        Of the official package, with its status keywords; parameters are those of its logs.
    source
        Its raw exposure, or the rate that it was made of.
    refs
        Folder of references; None: those beside the exposure, or of CRDS.
    output
        Folder to keep in what was made, and ``<product>_differences.json``; None keeps nothing.
    overwrite
        Replace files that are there, but neither product nor exposure.

    Raises
    ------
    InputError
        If no official step made the product, or it is of another exposure's size or kind.
    OutputError
        If a file exists or cannot be written; said before the run where it can be known.
    """
    told = made_of(product)
    made = dc.replace(told, statuses={_step(s): v for s, v in told.statuses.items()})
    if not made.version or not made.done:
        raise InputError(f"{product.name}: has no CAL_VER or no step done: choose another product")
    theirs = jwinteractive.open([product], "official").exposures[0].product
    session = jwinteractive.open([source], "official", refs)
    exposure = session.exposures[0].exposure
    if exposure.detector != theirs.exposure.detector:
        raise InputError(
            f"{source.name}: is of {exposure.detector}, and {product.name} of "
            f"{theirs.exposure.detector}: name the exposure that it was made of"
        )
    before = {_step(status) for status in exposure.done}
    stages = tuple(_stage(stage, made, before) for stage in session.recipe)
    session = jwinteractive.open([source], Recipe(stages, name="reproduced"), refs)
    here = {stage.step.removeprefix(OFFICIAL) for stage in stages if stage.enabled}
    if output is not None:
        _check_room(session, output, product, source, overwrite)
    ours = session.run()
    missing = [(s, "no step of the mode's recipe") for s in made.done - before - here]
    for state in session.states():
        alias = state.step.removeprefix(OFFICIAL)
        if alias in here and state.state in ("skipped", "failed"):
            missing.append((alias, state.why))
    found = Reproduced(
        made=made,
        version=installed(),
        changes=since(told, exposure),
        references=_references(made, session.sources()),
        unknown=tuple(sorted(here - made.parameters.keys())),
        missing=tuple(sorted(missing)),
        comparison=compare(theirs, ours),
        planes=tuple(
            n for n in _PLANES if not _alike(getattr(theirs, n, None), getattr(ours, n, None))
        ),
    )
    if output is None:
        return found
    return _keep(found, session, output, product)


def _keep(found: Reproduced, session: Session, output: Path, product: Path) -> Reproduced:
    """Write what was made, by the product's name, and how it differs."""
    table = _table_of(output, product)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output) as folder:
            made = session.write(folder)
            fits.setval(made[0], "FILENAME", value=product.name)
            names = [output / product.name, *(output / path.name for path in made[1:])]
            for path, name in zip(made, names, strict=True):
                path.replace(name)
        found = dc.replace(found, written=(*names, table))
        table.write_text(json.dumps(as_json(product.name, found), indent=1, default=str) + "\n")
    except OSError as error:
        raise OutputError(
            f"{output}: cannot be written ({error}): choose another folder"
        ) from error
    return found


def _table_of(output: Path, product: Path) -> Path:
    return output / f"{product.stem}_differences.json"


def _check_room(
    session: Session, output: Path, product: Path, source: Path, overwrite: bool
) -> None:
    """Check, before the run, that what it makes can be kept beside what it is made of."""
    paths = [output / product.name, *session.outputs(output)[1:]]
    for path in paths:
        if path.resolve() in (product.resolve(), source.resolve()):
            raise OutputError(f"{path}: is what was given: choose another folder")
    check_writable(paths, overwrite)
    table = _table_of(output, product)
    if table.exists() and not overwrite:
        raise AlreadyThere.of(table, "another folder")


def _step(status: str) -> str:
    """Step that a status is of: some have another name there."""
    if status in registry:
        return status
    return next((step.name for step in registry.values() if step.cal_step == status), status)


def _stage(stage: Stage, made: Made, before: set[str]) -> Stage:
    """A stage as the product went through it."""
    alias = stage.step.removeprefix(OFFICIAL)
    known = catalogue().steps[alias].knob
    told = {  # logs write None as a word; it is the default where there is none
        name: value
        for name, value in made.parameters.get(alias, {}).items()
        if name in known and not (value == "None" and known[name].default is None)
    }
    params = from_official(alias, told) if told else stage.params
    return Stage(stage.step, params, alias in made.done and alias not in before)


def _references(made: Made, ours: Mapping[str, str]) -> tuple[tuple[str, str, str], ...]:
    """Type, theirs and ours of references of both whose files have other names."""
    theirs: dict[str, str] = {}
    for value in made.references.values():
        name = Path(value).name
        parts = Path(name).stem.split("_")
        if len(parts) > 2:  # jwst_<instrument>_<type>_<number>
            theirs[parts[2]] = name
    # a source says where it is from before its name
    here = {reftype: Path(said.rpartition(": ")[2]).name for reftype, said in ours.items()}
    return tuple(
        (reftype, theirs[reftype], here[reftype])
        for reftype in sorted(theirs.keys() & here.keys())
        if theirs[reftype] != here[reftype]
    )


def _alike(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def as_text(name: str, found: Reproduced) -> str:
    """What a person reads: the result, then what differs in how both were made."""
    made = found.made
    said = "every value and flag is the same" if found.identical else _differs(found)
    lines = [f"{name}: {said}"]
    if made.version != found.version:
        lines.append(f"  made by jwst {made.version}, here {found.version}; known changes:")
        lines += [f"    {c.version} {', '.join(c.steps)}: {c.fact}" for c in found.changes]
    lines += [f"  reference {t}: {a} there, {b} here" for t, a, b in found.references]
    if found.unknown:
        lines.append(f"  parameters not told, defaults taken: {', '.join(found.unknown)}")
    lines += [f"  {step} did not run here: {why}" for step, why in found.missing]
    if not found.identical:
        rows = found.comparison.numbers.rows
        lines += [f"  {what}: {value} {unit}".rstrip() for what, value, unit in rows]
        lines += [
            f"  {flag}: {a} there only, {b} here only"
            for flag, _, a, b, _ in found.comparison.flags.rows
            if a or b
        ]
        lines.append("  which step it comes from cannot be told from the product alone")
    return "\n".join(lines)


def as_json(name: str, found: Reproduced) -> dict[str, Any]:
    """What a program reads: the same facts as `as_text` by name, and the files written."""
    numbers, flags = found.comparison.numbers, found.comparison.flags
    return {
        "product": name,
        "identical": found.identical,
        "arrays": list(found.planes),
        "versions": {"there": found.made.version, "here": found.version},
        "changes": [dc.asdict(change) for change in found.changes],
        "references": [{"type": t, "there": a, "here": b} for t, a, b in found.references],
        "unknown": list(found.unknown),
        "missing": [{"step": step, "why": why} for step, why in found.missing],
        "numbers": [_row(numbers.columns, row) for row in numbers.rows],
        "flags": [_row(flags.columns, row) for row in flags.rows],
        "written": [str(path) for path in found.written],
    }


def _row(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    plain = (value.item() if isinstance(value, np.generic) else value for value in row)
    return dict(zip(columns, plain, strict=True))


def _differs(found: Reproduced) -> str:
    return f"{found.comparison.headline}; these arrays are not the same: {', '.join(found.planes)}"
