"""What differs between two results: settings, numbers, flags, and pictures of it.

A is what is compared with, B what is looked at: every difference is B - A.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np

from jwinteractive import dq
from jwinteractive.data import Array, Product, Ramp
from jwinteractive.errors import InputError
from jwinteractive.journal import Settings
from jwinteractive.recipe import Recipe
from jwinteractive.views import Frame, Shown, Table, product_views

__all__ = ["Comparison", "compare", "robust_width"]

_MANY = 20_000  # values from which a sample pays
_SAMPLE = 10_000


@dc.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two results side by side, over the box that both cover.

    Attributes
    ----------
    headline
        The whole in one line of plain words.
    parameters
        Step, parameter, A, B of all settings that differ; None where they were not given.
    numbers
        Quantity, value, unit; a value that cannot be had is None.
    flags
        How often each flag is set in A only, in B only and in both.
    difference, ratio
        B - A and B / A; NaN where either has no value, or the ratio none.
    """

    headline: str
    parameters: Table | None
    numbers: Table
    flags: Table
    difference: Frame
    ratio: Frame


def compare(
    a: Product,
    b: Product,
    *,
    recipe_a: Recipe | Settings | None = None,
    recipe_b: Recipe | Settings | None = None,
    integration: int = 0,
    group: int = -1,
    shape: tuple[int, int] | None = None,
) -> Comparison:
    """Compare two products of one kind where both have pixels.

    Parameters
    ----------
    a, b
        Ramps, rates, or rates of integrations; whole, or boxes that overlap.
    recipe_a, recipe_b
        What made them. With `Settings` the references that the user gave are compared too.
    integration, group
        What is looked at of a ramp or of rates of integrations; from 0, -1 is the last. Flags of
        ramps are counted over all samples.
    shape
        Size (ny, nx) of the whole exposure, for the pictures.

    Raises
    ------
    InputError
        If the products differ in kind or samples, have no pixel in common, or hold no frames.
    """
    a, b = _common(a, b)
    mine, its = (_seen(p, integration, group, shape) for p in (a, b))
    with np.errstate(all="ignore"):  # what is not finite is no value, and said so below
        change = np.subtract(its.data, mine.data, dtype=np.float32)
        ratio = np.divide(its.data, mine.data, dtype=np.float32)
    ratio[~np.isfinite(ratio)] = np.nan
    flags = None if mine.dq is None or its.dq is None else mine.dq | its.dq
    picture = dc.replace(mine, title="B - A", data=change, err=None, dq=flags, diverging=True)
    parameters = None
    if recipe_a is not None and recipe_b is not None:
        parameters = _parameters(recipe_a, recipe_b)
    numbers, differ = _numbers(mine, its, change)
    change[~np.isfinite(change)] = np.nan
    return Comparison(
        headline="; ".join(said for said in (_settings_differ(parameters), differ) if said),
        parameters=parameters,
        numbers=numbers,
        flags=_flags(a, b, mine, its),
        difference=picture,
        ratio=dc.replace(picture, title="B / A", data=ratio, unit="", diverging=False),
    )


def robust_width(values: Array) -> float:
    """Standard deviation that a few wild values do not move: 1.4826 times the MAD."""
    away = values - values.dtype.type(_median(values))
    return 1.4826 * _median(np.abs(away, out=away))


def _median(values: Array) -> float:
    """Median of finite values, many times faster than `numpy.median` on millions of them.

    A sample brackets the median; only what lies in the bracket is sorted.
    """
    middle = values.size // 2
    even = values.size % 2 == 0
    if values.size > _MANY:
        sample = np.sort(values[:: values.size // _SAMPLE])
        low, high = sample[int(0.48 * sample.size)], sample[int(0.52 * sample.size)]
        below = int(np.count_nonzero(values < low))
        inside = values[(values >= low) & (values <= high)]
        if below < middle < below + inside.size:  # else the sample was unlucky
            values, middle = inside, middle - below
    parted = np.partition(values, middle)
    upper = float(parted[middle])
    return (upper + float(parted[:middle].max())) / 2 if even else upper


def _common(a: Product, b: Product) -> tuple[Product, Product]:
    if type(a) is not type(b):
        raise InputError(
            f"A is a {type(a).__name__}, B a {type(b).__name__}: compare results of one step"
        )
    box = a.covers.clip(b.covers)
    if min(box.shape) < 1:
        raise InputError(f"A covers {a.covers}, B {b.covers}: they have no pixel in common")
    if isinstance(a, Ramp) and isinstance(b, Ramp) and a.data.shape[:2] != b.data.shape[:2]:
        raise InputError(
            f"A has {a.data.shape[:2]} integrations and groups, B {b.data.shape[:2]}: "
            "compare ramps of the same samples"
        )
    return a.crop(box), b.crop(box)


def _seen(product: Product, integration: int, group: int, shape: tuple[int, int] | None) -> Frame:
    """First picture of a product: the signal of a group, or a rate."""
    views = product_views(type(product))
    shown = Shown(after=product, integration=integration, group=group, shape=shape)
    drawing = views[0].draw(shown) if views else None
    if not isinstance(drawing, Frame):
        raise InputError(
            f"{type(product).__name__} has no frames to compare: choose a ramp or rate"
        )
    return drawing


def _parameters(a: Recipe | Settings, b: Recipe | Settings) -> Table:
    mine, its = (s.recipe if isinstance(s, Settings) else s for s in (a, b))
    rows = list(mine.diff(its))
    if isinstance(a, Settings) and isinstance(b, Settings):
        given, other = a.references, b.references
        if given.folder != other.folder:
            rows.append(("references", "folder", given.folder, other.folder))
        for reftype in dict.fromkeys([*given.overrides, *other.overrides]):
            old, new = given.overrides.get(reftype), other.overrides.get(reftype)
            if old is not new and not (isinstance(old, str) and old == new):
                rows.append(("references", reftype, _source(old), _source(new)))
    columns = ("step", "parameter", "A", "B")
    return Table(title="parameters that differ", columns=columns, rows=tuple(rows))


def _source(value: Any) -> str | None:
    """Word for an override: an array or a reference in memory is told by its kind."""
    if value is None:
        return None
    return type(value).__name__ if hasattr(value, "shape") else str(value)


def _settings_differ(parameters: Table | None) -> str:
    if parameters is None:
        return ""
    count = len(parameters.rows)
    many = "no parameter" if not count else f"{count} parameter{'s' if count > 1 else ''}"
    return f"B differs from A in {many}"


def _numbers(a: Frame, b: Frame, change: Array) -> tuple[Table, str]:
    """Table of numbers, and how much differs in words."""
    in_a, in_b = np.isfinite(a.data), np.isfinite(b.data)
    both = in_a & in_b & np.isfinite(change)
    values = change[both]
    count = values.size
    changed = values != 0
    moved = int(changed.sum())
    only_a, only_b = (int((own & ~its).sum()) for own, its in ((in_a, in_b), (in_b, in_a)))
    rows: list[tuple[str, Any, str]] = [
        ("pixels compared", count, ""),
        ("identical pixels", count - moved, ""),
        ("finite in A only", only_a, ""),
        ("finite in B only", only_b, ""),
        ("mean of A", _mean(a.data[both]), a.unit),
        ("mean of B", _mean(b.data[both]), b.unit),
        *_centre("B - A", values, a.unit),
    ]
    typical, unit = _of(values, changed) if moved else values[:0], a.unit
    if a.err is not None:
        error = np.asarray(a.err, np.float32)[both]
        with np.errstate(all="ignore"):
            pull = values / error
        known = np.isfinite(pull)
        rows += _centre("(B - A) / error of A", _of(pull, known), "sigma")
        typical, unit = _of(pull, known & changed), "sigma"
    middle = _median(typical) if typical.size else None
    rows.append(("median where they differ", middle, unit))
    largest = at = None
    if count:
        size = np.abs(change)
        size[~both] = -1
        y, x = np.unravel_index(int(size.argmax()), size.shape)
        largest, at = float(change[y, x]), f"{y + a.covers.y0}, {x + a.covers.x0}"
    rows += [("largest difference", largest, a.unit), ("largest difference at y, x", at, "pixel")]
    table = Table(title="numbers", columns=("quantity", "value", "unit"), rows=tuple(rows))
    total = count + only_a + only_b
    return table, _pixels_differ(moved + only_a + only_b, total, middle, unit)


def _of(values: Array, chosen: Array) -> Array:
    return values if chosen.all() else values[chosen]


def _mean(values: Array) -> float | None:
    return float(values.mean(dtype=np.float64)) if values.size else None


def _centre(name: str, values: Array, unit: str) -> list[tuple[str, Any, str]]:
    """Rows of the median and width of values; most are often 0, and need no sorting then."""
    middle = width = None
    if values.size:
        still = 2 * (values.size - np.count_nonzero(values)) > values.size
        middle, width = (0.0, 0.0) if still else (_median(values), robust_width(values))
    return [(f"median of {name}", middle, unit), (f"robust width of {name}", width, unit)]


def _pixels_differ(differing: int, total: int, middle: float | None, unit: str) -> str:
    if not total:
        return "no pixel has a value in A or B"
    if not differing:
        return "no pixel differs"
    said = f"{_percent(differing, total)} of pixels differ"
    return said if middle is None else f"{said}, in the median by {middle:+.3g} {unit}"


def _percent(part: int, total: int) -> str:
    percent = 100 * part / total
    if percent < 0.01:
        return "less than 0.01 %"
    if 99.95 <= percent < 100:
        return "more than 99.9 %"
    return f"{percent:.2g} %" if percent < 10 else f"{percent:.3g} %"


def _flags(a: Product, b: Product, mine: Frame, its: Frame) -> Table:
    planes: list[tuple[str, Array, Array]] = []
    if isinstance(a, Ramp) and isinstance(b, Ramp):
        planes = [("samples", a.groupdq, b.groupdq), ("pixels", a.pixeldq, b.pixeldq)]
    elif mine.dq is not None and its.dq is not None:
        planes = [("pixels", mine.dq, its.dq)]
    rows = [(n, of, *c) for of, x, y in planes for n, c in _counts(x, y).items()]
    rows.sort(key=lambda row: not (row[2] or row[3]))  # what differs comes first
    columns = ("flag", "of", "A only", "B only", "both")
    return Table(title="flags", columns=columns, rows=tuple(rows))


def _counts(a: Array, b: Array) -> dict[str, tuple[int, int, int]]:
    """How often each bit is set in a only, b only and both; bits that never are left out.

    Counted byte by byte: one pass finds how often each pair of bytes occurs.
    """
    bits = 8 * a.dtype.itemsize
    either = (a | b) != 0
    a, b = a[either], b[either]
    found: dict[str, tuple[int, int, int]] = {}
    byte = np.arange(256)
    for low in range(0, bits, 8):
        one, two = ((x >> low & 255).astype(np.intp) for x in (a, b))
        if not (one.any() or two.any()):
            continue
        pairs = np.bincount(one << 8 | two, minlength=256 * 256).reshape(256, 256)
        for name, bit in dq.BITS.items():
            if not 0 < bit >> low < 256:
                continue
            here = (byte & bit >> low) != 0
            both = int(pairs[here][:, here].sum())
            count = int(pairs[here].sum()) - both, int(pairs[:, here].sum()) - both, both
            if any(count):
                found[name] = count
    return found
