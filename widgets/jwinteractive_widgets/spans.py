"""How far a slider reaches: a comfortable part of what a parameter may be.

Bounds say what is allowed, and are often wide or absent. A slider over all of 0 to 1000 would
leave a threshold of 4 no room, so it covers a few times the default; a value beyond widens it.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["Span", "span_of"]

_REACH = 4  # times the default
_WIDE = 10  # times the default: bounds up to here are shown whole
_SMALL = 2.5  # counts as the default where that is 0, so that the slider reaches 10
_NOTCHES = 200  # at least, of a linear slider
_DECADES = 1e3  # ratio of the ends beyond which a slider is logarithmic
_MOST_DECADES = 1e6  # of a slider that begins at 0


@dc.dataclass(frozen=True)
class Span:
    """Part of a parameter's range that its slider covers.

    Attributes
    ----------
    scale
        "zero": 0 at the left end, then logarithmic from ``floor``.
    step
        Between two notches of a linear scale.
    """

    low: float
    high: float
    scale: Literal["linear", "log", "zero"] = "linear"
    step: float = 1.0
    floor: float = 0.0


def span_of(field: Mapping[str, Any], value: Any, before: Span | None = None) -> Span | None:
    """Return what the slider of a parameter covers; None if it gets no slider.

    Parameters
    ----------
    field
        Its description, see `jwinteractive.params.Field.describe`.
    value
        Its present value, which the slider must reach.
    before
        What the slider covered so far: it never shrinks under somebody's hand.
    """
    default = field["default"]
    if field["type"] not in ("int", "float") or field["choices"] or default is None:
        return None
    hard_low = -math.inf if field["low"] is None else field["low"]
    hard_high = math.inf if field["high"] is None else field["high"]
    whole = field["type"] == "int"
    if before is not None:
        low, high = before.low, before.high
    elif field.get("usual"):
        low, high = field["usual"]
    elif _counts_from_zero(field):
        low, high = 0.0, hard_high
    else:
        low, high = _comfortable(default, hard_low, hard_high, whole)
    if isinstance(value, int | float) and math.isfinite(value):
        if value >= high:
            high = min(2 * value if value > 0 else 0.0, hard_high)
        if value <= low:
            low = max(2 * value if value < 0 else 0.0, hard_low)
        low, high = min(low, value), max(high, value)
    if _counts_from_zero(field):
        floor = 1.0 if whole else min(1.0, high / _MOST_DECADES)
        return Span(low, high, "zero", floor=floor)
    if low > 0 and high / low > _DECADES:
        return Span(low, high, "log")
    step = _round_down((high - low) / _NOTCHES)
    return Span(low, high, "linear", max(1.0, step) if whole else step)


def _counts_from_zero(field: Mapping[str, Any]) -> bool:
    """Whether nothing tells the size of usual values: from 0, at 0 by default, up to very many."""
    high = field["high"]
    return field["default"] == 0 and field["low"] == 0 and high is not None and high > _DECADES


def _comfortable(
    default: float, hard_low: float, hard_high: float, whole: bool
) -> tuple[float, float]:
    size = max(abs(default), _SMALL) if whole or default == 0 else abs(default)
    high = hard_high if hard_high <= _WIDE * size else _REACH * size
    low = hard_low if hard_low >= -_WIDE * size else -_REACH * size
    return low, high


def _round_down(x: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above ``x``."""
    power = 10.0 ** math.floor(math.log10(x)) if x > 0 else 1.0
    return next((f * power for f in (5, 2) if f * power <= x), power)
