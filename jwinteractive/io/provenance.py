"""How a product came to be: steps, parameters and references, kept in the file itself.

Two tables (``JWI_STEPS`` and ``JWI_REFS``) and four keywords hold it, for machines; none of them
takes the place of an official one.
"""

from __future__ import annotations

import dataclasses as dc
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from astropy.io import fits

from jwinteractive.data import Array
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits

__all__ = ["Provenance", "ReferenceRecord", "StepRecord", "read_provenance"]

State = Literal["complete", "skipped"]

VERSION: Final = "JWI_VER"
RECIPE: Final = "JWI_RCP"
KEY: Final = "JWI_KEY"
STEPS: Final = "JWI_STEPS"
REFERENCES: Final = "JWI_REFS"
_AS_IS: Final = ("version", "parameters")  # columns that need no encoding: a number and JSON


@dc.dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step as it was run: its version, parameters and official status keyword.

    ``parameters`` holds plain values (numbers, strings, booleans, None, lists); ``reason`` says
    why a step was skipped.
    """

    step: str
    version: int = 1
    state: State = "complete"
    cal_step: str = ""
    parameters: Mapping[str, Any] = dc.field(default_factory=dict)
    reason: str = ""


@dc.dataclass(frozen=True)
class ReferenceRecord:
    """One reference as it was used: type, where it came from (crds, folder, ...), name and key."""

    reftype: str
    source: str
    name: str
    key: str = ""


@dc.dataclass(frozen=True)
class Provenance:
    """Steps in the order they were run, references, recipe and result key of a product."""

    steps: tuple[StepRecord, ...] = ()
    references: tuple[ReferenceRecord, ...] = ()
    recipe: str = ""
    key: str = ""

    def after(self, earlier: Provenance | None) -> Provenance:
        """Return this provenance with what was done in an earlier run before it."""
        if earlier is None:
            return self
        mine = {r.reftype for r in self.references}
        kept = tuple(r for r in earlier.references if r.reftype not in mine)
        return dc.replace(self, steps=earlier.steps + self.steps, references=kept + self.references)


def tables(provenance: Provenance) -> dict[str, Array]:
    """Steps and references as tables of ASCII columns, by HDU name."""
    steps = [
        {**vars(s), "parameters": json.dumps(dict(s.parameters), sort_keys=True, default=str)}
        for s in provenance.steps
    ]
    references = [vars(r) for r in provenance.references]
    return {
        STEPS: _table(StepRecord, steps),
        REFERENCES: _table(ReferenceRecord, references),
    }


def read_provenance(path: Path | str) -> Provenance | None:
    """Provenance of a file that this package wrote; None for any other file.

    Raises
    ------
    InputError
        If the file cannot be read, or its provenance tables are damaged.
    """
    path = Path(path)
    with opened_fits(path) as hdus:
        if STEPS not in hdus or REFERENCES not in hdus:
            return None
        cards = hdus[0].header
        try:
            steps = [
                StepRecord(
                    **{
                        **row,
                        "version": int(row["version"]),
                        "parameters": json.loads(row["parameters"]),
                    }
                )
                for row in _rows(hdus[STEPS])
            ]
            references = [ReferenceRecord(**row) for row in _rows(hdus[REFERENCES])]
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(
                f"{path.name}: its table of steps cannot be read ({error}): it was changed by "
                "other software"
            ) from None
        if wrong := {s.state for s in steps} - set(get_args(State)):
            raise InputError(f"{path.name}: state of a step = {wrong.pop()!r}: is damaged")
        return Provenance(
            steps=tuple(steps),
            references=tuple(references),
            recipe=_decode(str(cards.get(RECIPE, ""))),
            key=str(cards.get(KEY, "")),
        )


def encode(text: str) -> str:
    """ASCII form of a text, for FITS; plain text stays as it is."""
    return json.dumps(text)[1:-1]


def _decode(text: str) -> str:
    return str(json.loads(f'"{text}"'))


def _table(kind: type, rows: Sequence[Mapping[str, Any]]) -> Array:
    columns: list[tuple[str, str]] = []
    packed: dict[str, list[Any]] = {}
    for field in dc.fields(kind):
        if field.name == "version":
            columns.append((field.name, "i4"))
            packed[field.name] = [row[field.name] for row in rows]
        else:
            write = str if field.name in _AS_IS else encode
            texts = [write(str(row[field.name])).encode() for row in rows]
            columns.append((field.name, f"S{max([1, *map(len, texts)])}"))
            packed[field.name] = texts
    table = np.zeros(len(rows), dtype=columns)
    for name, values in packed.items():
        table[name] = values
    return table


def _rows(hdu: fits.BinTableHDU) -> list[dict[str, Any]]:
    rows = []
    for line in hdu.data:
        row: dict[str, Any] = {name: line[name] for name in hdu.columns.names}
        for name, value in row.items():
            if name not in _AS_IS:
                row[name] = _decode(str(value))
        rows.append(row)
    return rows
