"""The known issues of a file: by its header, and by what its data show."""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path
from typing import Any

from jwinteractive.data import Exposure, Product
from jwinteractive.known.catalogue import Known, applying, cal_ver_of
from jwinteractive.known.checks import Measured, measure

__all__ = ["Listed", "as_json", "as_text", "listed"]


@dc.dataclass(frozen=True)
class Listed:
    """A known issue of a file, and what its data say of it (None: nothing was measured)."""

    known: Known
    measured: Measured | None = None

    @property
    def there(self) -> bool:
        """Whether it is to be looked at: the data have it, or cannot tell."""
        return self.measured is None or self.measured.there


def listed(product: Product, path: Path | None = None, *, data: bool = True) -> tuple[Listed, ...]:
    """Known issues of a product: first what its data show, last what they do not show.

    Parameters
    ----------
    product
        As its file has it.
    path
        Its file, that tells by which version it was made; None: nobody knows.
    data
        Whether to measure; else the header alone is asked.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    known = applying(product.exposure, cal_ver_of(path) if path else "")
    names = {k.check for k in known if k.check} if data else set()
    found = measure(sorted(names), product)
    rows = [Listed(k, found.get(k.check)) for k in known]
    return tuple(sorted(rows, key=lambda one: (not one.there, one.measured is None)))


def as_text(name: str, exposure: Exposure, rows: tuple[Listed, ...]) -> str:
    """What a person reads of a file's issues."""
    e = exposure
    words = (e.exp_type or e.instrument, e.filter, e.grating, e.subarray, e.readpatt)
    lines = [f"{name}: {' '.join(w for w in words if w)}, {e.ngroups} groups"]
    for row in rows:
        known = row.known
        code = f" ({known.code})" if known.code else ""
        lines += ["", f"{known.id}{code}", f"  {known.fact}"]
        if row.measured is not None:
            seen = "in this file" if row.there else "not in this file"
            lines.append(f"  {seen}: {row.measured.words}")
        if known.remedies:
            lines.append(f"  set: {', '.join(map(str, known.remedies))}")
        if known.advice:
            lines.append(f"  do: {known.advice}")
        lines.append(f"  from: {known.because}")
    return "\n".join(lines if rows else [*lines, "  no known issue"])


def as_json(rows: tuple[Listed, ...]) -> list[dict[str, Any]]:
    """Plain values of a file's issues."""
    return [
        {
            "id": row.known.id,
            "code": row.known.code,
            "fact": row.known.fact,
            "remedies": [dc.asdict(r) for r in row.known.remedies],
            "advice": row.known.advice,
            "sources": [dc.asdict(s) for s in row.known.sources],
            "deprecated": row.known.deprecated,
            "measured": None
            if row.measured is None
            else dc.asdict(row.measured) | {"there": row.there},
        }
        for row in rows
    ]
