"""Typed parameters: one frozen dataclass per step, described once by ``Annotated`` markers.

The description serves the panel's control, the command line, the parameter file, the docs row
and the tests alike, so that none of them repeats it.
"""

from __future__ import annotations

import dataclasses as dc
import difflib
import json
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import annotated_types as at
from typing_extensions import Doc, dataclass_transform

from jwinteractive.errors import ParamError, suggestion

__all__ = [
    "Doc",
    "Field",
    "Numbers",
    "Params",
    "Unit",
    "Usual",
    "When",
    "fields_of",
    "split_option",
]


@dc.dataclass(frozen=True, slots=True)
class Unit:
    """Unit shown beside a parameter, in `astropy.units` spelling."""

    name: str


@dc.dataclass(frozen=True, slots=True)
class Usual:
    """Where values usually are, for the slider: others are allowed within the bounds."""

    low: float
    high: float


@dc.dataclass(frozen=True, slots=True)
class Numbers:
    """A text holds so many numbers with a space between, each within the bounds of the parameter.

    Official parameters are such texts where steps take two thresholds or two sizes.
    """

    count: int
    whole: bool = False


@dc.dataclass(frozen=True, slots=True, init=False)
class When:
    """Another parameter, and the values of it with which this one acts: with others it is idle."""

    name: str
    values: tuple[str | bool, ...]

    def __init__(self, name: str, *values: str | bool) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "values", values)

    def __str__(self) -> str:
        words = (("off", "on")[v] if isinstance(v, bool) else v for v in self.values)
        return f"{self.name} = {' or '.join(words)}"


@dc.dataclass(frozen=True, slots=True)
class Field:
    """All that a panel, the command line or a docs page needs to know of one parameter."""

    name: str
    type: type
    default: Any
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    doc: str = ""
    optional: bool = False
    when: When | None = None
    numbers: Numbers | None = None
    usual: Usual | None = None

    @property
    def rule(self) -> str:
        """What a value must be, in words."""
        if self.choices:
            return f"choose one of {', '.join(map(repr, self.choices))}"
        if self.numbers is not None:
            kind = "whole numbers" if self.numbers.whole else "numbers"
            each = f", each {self._bounds}" if self._bounds else ""
            return f"needs {self.numbers.count} {kind} with spaces between{each}"
        return self._bounds or f"needs {self.type.__name__}"

    @property
    def _bounds(self) -> str:
        if self.low is None and self.high is None:
            return ""
        bounds = (
            f"must lie in [{self.low:g}, {self.high:g}]"
            if self.low is not None and self.high is not None
            else f"must be at least {self.low:g}"
            if self.low is not None
            else f"must be at most {self.high:g}"
        )
        return f"{bounds} {self.unit}".rstrip()

    def check(self, owner: str, value: Any) -> Any:
        """Return ``value`` in the declared type, or raise `ParamError`."""
        where = f"{owner}.{self.name} = {value!r}"
        if value is None and self.optional:
            return None
        if self.choices:
            if value in self.choices:
                return value
            near = difflib.get_close_matches(str(value), self.choices, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ParamError(f"{where}: {self.rule}{hint}")
        if self.type is float and type(value) is int:
            value = float(value)
        if type(value) is not self.type:  # so that True is no int
            raise ParamError(f"{where}: needs {self.type.__name__}, got {type(value).__name__}")
        if self.numbers is not None and isinstance(value, str):
            if not self._all_inside(value):
                raise ParamError(f"{where}: {self.rule}")
            return " ".join(value.split())
        if not self._inside(value):
            raise ParamError(f"{where}: {self.rule}")
        return value

    def _inside(self, number: Any) -> bool:
        inside = (self.low is None or number >= self.low) and (
            self.high is None or number <= self.high
        )
        return bool(inside and number == number)  # NaN too: a comparison with NaN is false

    def _all_inside(self, text: str) -> bool:
        assert self.numbers is not None
        try:
            found = [(int if self.numbers.whole else float)(word) for word in text.split()]
        except ValueError:
            return False
        return len(found) == self.numbers.count and all(map(self._inside, found))

    def parse(self, text: str) -> Any:
        """Read a value from the command line; what cannot be read is left for `check` to refuse."""
        if self.optional and text.lower() in ("none", ""):
            return None
        if self.type is str:
            return text
        if self.type is bool:
            return {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), text)
        try:
            return self.type(text)
        except ValueError:
            return text

    def describe(self) -> dict[str, Any]:
        """Plain values for JSON and docs."""
        return {
            "name": self.name,
            "type": self.type.__name__,
            "default": self.default,
            "low": self.low,
            "high": self.high,
            "choices": list(self.choices),
            "unit": self.unit,
            "doc": self.doc,
            "optional": self.optional,
            "numbers": None if self.numbers is None else dc.asdict(self.numbers),
            "usual": None if self.usual is None else [self.usual.low, self.usual.high],
            "when": None if self.when is None else dc.asdict(self.when) | {"words": str(self.when)},
        }


def _describe(f: dc.Field[Any], hint: Any) -> Field:
    found: dict[str, Any] = {}

    def walk(hint: Any) -> type:
        origin = typing.get_origin(hint)
        if origin is Annotated:
            base, *marks = typing.get_args(hint)
            for mark in marks:
                for m in mark if isinstance(mark, at.GroupedMetadata) else [mark]:
                    match m:
                        case at.Ge(ge):
                            found["low"] = ge
                        case at.Le(le):
                            found["high"] = le
                        case Unit(name):
                            found["unit"] = name
                        case Usual():
                            found["usual"] = m
                        case Numbers():
                            found["numbers"] = m
                        case When():
                            if "when" in found:
                                raise TypeError(f"{f.name}: can depend on one parameter only")
                            found["when"] = m
                        case Doc():
                            found.setdefault("doc", m.documentation)
                        case _:
                            raise TypeError(f"{f.name}: unknown marker {m!r}")
            return walk(base)
        if origin in (typing.Union, types.UnionType):
            args = typing.get_args(hint)
            found["optional"] = type(None) in args
            (only,) = (a for a in args if a is not type(None))
            return walk(only)
        if origin is Literal:
            found["choices"] = typing.get_args(hint)
            return str
        return typing.cast("type", hint)

    base = walk(hint)
    if base not in (bool, int, float, str):
        raise TypeError(f"{f.name}: no control is known for {base!r}")
    if "numbers" in found and base is not str:
        raise TypeError(f"{f.name}: numbers are written in a str, not in a {base.__name__}")
    if found.get("optional") and f.default is not None:
        # TOML has no null: a value left out must mean None
        raise TypeError(f"{f.name}: an optional parameter must have the default None")
    return Field(name=f.name, type=base, default=f.default, **found)


def _check_when(fields: Mapping[str, Field], field: Field) -> None:
    """Refuse a parameter that waits for what does not exist, or for itself."""
    seen = [field.name]
    while (when := field.when) is not None:
        other = fields.get(when.name)
        if other is None:
            raise TypeError(f"{field.name}: depends on {when.name!r}, which is no parameter")
        known: tuple[Any, ...] = (False, True) if other.type is bool else other.choices
        if not when.values or not all(v in known for v in when.values):
            raise TypeError(
                f"{field.name}: depends on {when.name} = {when.values}, which takes {known}"
            )
        if other.name in seen:
            raise TypeError(f"{field.name}: depends on itself through {when.name}")
        seen.append(other.name)
        field = other


_described: dict[type, tuple[Field, ...]] = {}


def fields_of(params: type[Params]) -> tuple[Field, ...]:
    """Describe each parameter of ``params``, in declaration order."""
    if params not in _described:
        hints = typing.get_type_hints(params, include_extras=True)
        fields = {f.name: _describe(f, hints[f.name]) for f in dc.fields(params)}
        for f in fields.values():
            _check_when(fields, f)
        _described[params] = tuple(fields.values())
    return _described[params]


@dataclass_transform(frozen_default=True, kw_only_default=True)
@dc.dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters of one step; subclasses become frozen, keyword-only, self-checking dataclasses."""

    def __init_subclass__(cls) -> None:
        dc.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        for f in fields_of(type(self)):
            object.__setattr__(self, f.name, f.check(type(self).__name__, getattr(self, f.name)))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``, checked like a new one."""
        self._known(changes)
        return dc.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Return the values by name, defaults included."""
        return {f.name: getattr(self, f.name) for f in fields_of(type(self))}

    def changed(self) -> dict[str, Any]:
        """Return only the values that differ from their default."""
        return {
            f.name: v for f in fields_of(type(self)) if (v := getattr(self, f.name)) != f.default
        }

    def idle(self) -> frozenset[str]:
        """Return the parameters that do nothing with the present values of others (see `When`)."""
        fields = {f.name: f for f in fields_of(type(self))}

        def acts(f: Field) -> bool:
            when = f.when
            if when is None:
                return True
            return getattr(self, when.name) in when.values and acts(fields[when.name])

        return frozenset(name for name, f in fields.items() if not acts(f))

    def to_toml(self) -> list[str]:
        """Return one TOML line a parameter; None is left out."""
        return [f"{k} = {json.dumps(v)}" for k, v in self.as_dict().items() if v is not None]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a parameter file's table; a misspelt name is an error."""
        cls._known(values)
        return cls(**values)

    @classmethod
    def _known(cls, values: Mapping[str, Any]) -> None:
        names = [f.name for f in fields_of(cls)]
        for name in values:
            if name not in names:
                raise ParamError(
                    f"{cls.__name__} has no parameter {name!r}: {suggestion(name, names)}"
                )


def split_option(text: str, form: str) -> tuple[str, str]:
    """Name and value of an option; ``form`` says what it should look like.

    Raises
    ------
    ParamError
        If there is no name, or no "=" after it.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ParamError(f"option {text!r}: must have the form {form}")
    return name, value
