"""One step of a recipe, its parameters, and where each of its values was read."""

from __future__ import annotations

import dataclasses as dc
import datetime
import json
from collections.abc import Mapping
from typing import Any, Final

from jwinteractive.errors import RecipeError, suggestion
from jwinteractive.params import Params, fields_of
from jwinteractive.step import registry

__all__ = ["ENABLED", "Reason", "Stage", "stage_of", "stage_to_toml"]

ENABLED: Final = "enabled"
_ENTRIES: Final = ("step", ENABLED, "params", "because")
_TOLD: Final = ("source", "date", "why", "issue")


@dc.dataclass(frozen=True)
class Reason:
    """Where a value of a stage was read.

    Attributes
    ----------
    of
        The parameter, or "enabled".
    source, date
        What says so, and the day on which it was read there (ISO).
    why
        What it says, in a few words.
    issue
        The known issue (`jwinteractive.known`) whose remedy it is; "" for none.
    """

    of: str
    source: str
    date: str
    why: str = ""
    issue: str = ""


@dc.dataclass(frozen=True)
class Stage:
    """One step of a recipe with its parameters.

    ``because`` has reasons for values; two stages that do the same are equal without them.
    """

    step: str
    params: Params
    enabled: bool = True
    because: tuple[Reason, ...] = dc.field(default=(), compare=False)

    def reason(self, of: str) -> Reason | None:
        """Why a parameter, or "enabled", has its value; None if nobody says."""
        return next((r for r in self.because if r.of == of), None)

    def with_params(self, **changes: Any) -> Stage:
        """Copy with other parameters; what was said of their old values is said no more."""
        params = self.params.replace(**changes)
        same = tuple(r for r in self.because if r.of == ENABLED or _same(params, self.params, r.of))
        return dc.replace(self, params=params, because=same)

    def with_enabled(self, enabled: bool) -> Stage:
        """Copy that is switched on or off."""
        kept = tuple(r for r in self.because if r.of != ENABLED or enabled == self.enabled)
        return dc.replace(self, enabled=enabled, because=kept)


def _same(new: Params, old: Params, name: str) -> bool:
    same: bool = getattr(new, name) == getattr(old, name)
    return same


def stage_of(table: Mapping[str, Any], number: int, base: Stage | None = None) -> Stage:
    """Read a ``[[stage]]`` of a parameter file; what it leaves out is as in ``base``.

    Parameters
    ----------
    table
        What the file has.
    number
        Of the stage in its file, for errors; counts from 1.
    base
        The stage that it takes the place of; None: the step's defaults, switched on.

    Raises
    ------
    RecipeError
        If an entry is unknown, or no such step is known.
    ParamError
        If a parameter does not exist or its value is not allowed.
    """
    for word in table.keys() - set(_ENTRIES):
        raise RecipeError(f"recipe stage entry {word!r}: {suggestion(word, _ENTRIES)}")
    if "step" not in table:
        raise RecipeError(f'recipe stage {number}: needs a step = "name"')
    step, own = table["step"], table.get("params", {})
    params = base.params.replace(**own) if base else registry[step].params.from_dict(own)
    enabled = bool(table.get(ENABLED, base.enabled if base else True))
    known = (ENABLED, *(f.name for f in fields_of(type(params))))
    reasons = [_reason(step, name, told, known) for name, told in table.get("because", {}).items()]
    return Stage(step, params, enabled, tuple(reasons))


def _reason(step: str, of: str, told: Any, known: tuple[str, ...]) -> Reason:
    if of not in known:
        raise RecipeError(f"reason for {step}.{of}: no such parameter: {suggestion(of, known)}")
    if not isinstance(told, Mapping) or not {"source", "date"} <= told.keys():
        raise RecipeError(f"reason for {step}.{of}: needs a source and a date")
    for word in told.keys() - set(_TOLD):
        raise RecipeError(f"reason for {step}.{of}: entry {word!r}: {suggestion(word, _TOLD)}")
    try:
        datetime.date.fromisoformat(str(told["date"]))
    except ValueError:
        raise RecipeError(
            f"reason for {step}.{of}: date = {told['date']!r}: must be a day such as 2026-11-27"
        ) from None
    return Reason(of, **{word: str(text) for word, text in told.items()})


def stage_to_toml(stage: Stage) -> list[str]:
    """Lines of a parameter file, every value spelt out."""
    lines = ["[[stage]]", f"step = {json.dumps(stage.step)}"]
    lines += [f"enabled = {json.dumps(stage.enabled)}"]
    for reason in stage.because:
        told = {word: getattr(reason, word) for word in _TOLD}
        entries = ", ".join(f"{k} = {json.dumps(v)}" for k, v in told.items() if v)
        lines.append(f"because.{reason.of} = {{{entries}}}")
    return [*lines, "[stage.params]", *stage.params.to_toml()]
