"""Parameters of official steps as `Params`, made by program from what `catalogue` describes.

Lists are texts with commas, as in an official parameter file. Ranges of sliders, units and words
that the package does not give are in ``overlay.toml``.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Annotated, Any, Final, Literal, Optional

import annotated_types as at

from jwinteractive.errors import ParamError
from jwinteractive.official.catalogue import Described, Knob, catalogue, item_type
from jwinteractive.params import Doc, Params, Unit, Usual, When

__all__ = ["from_official", "params_of", "to_official"]

_ALIAS: Final = "__official__"  # of the step, on the class of its parameters
_TYPES: Final[Mapping[str, type]] = {
    "float": float,
    "integer": int,
    "boolean": bool,
}


def params_of(described: Described) -> type[Params]:
    """Parameters of a step, with the defaults of its spec."""
    return _made(described.alias)


@functools.cache
def _made(alias: str) -> type[Params]:
    described = catalogue().steps[alias]
    name = "Official" + "".join(w.title() for w in alias.replace("-", "_").split("_")) + "Params"
    overlay = _overlay().get(alias, {})
    hints = {knob.name: _hint(knob, overlay.get(knob.name, {})) for knob in described.knobs}
    body: dict[str, Any] = {knob.name: _ours(knob, knob.default) for knob in described.knobs}
    body |= {
        _ALIAS: alias,
        "__annotations__": hints,
        "__module__": __name__,
        "__doc__": f"Parameters of the official step {alias}, by its spec.",
    }
    return type(name, (Params,), body)


@functools.cache
def _overlay() -> Mapping[str, Any]:
    text = (files("jwinteractive") / "official/overlay.toml").read_text()
    return tomllib.loads(text)


def _hint(knob: Knob, more: Mapping[str, Any]) -> Any:
    kind: Any = _TYPES.get(knob.kind, str)
    if knob.kind == "option":
        kind = Literal[tuple(c for c in knob.choices if not _is_none(knob, c))]
    if knob.default is None:
        kind = Optional[kind]  # noqa: UP045  # made at run time
    marks: list[Any] = [Doc(_words(knob, more))]
    if knob.low is not None:
        marks.append(at.Ge(knob.low))
    if knob.high is not None:
        marks.append(at.Le(knob.high))
    if "usual" in more:
        marks.append(Usual(*map(float, more["usual"])))
    if "unit" in more:
        marks.append(Unit(more["unit"]))
    if "when" in more:
        marks.append(When(more["when"][0], *more["when"][1:]))
    return Annotated[(kind, *marks)]


def _words(knob: Knob, more: Mapping[str, Any]) -> str:
    words = more.get("doc") or knob.doc or knob.name.replace("_", " ")
    if "dead" in more:
        words = f"Does nothing in jwst {more['dead']}. {words}"
    return words[:1].upper() + words[1:]


def _ours(knob: Knob, value: Any) -> Any:
    """Value of an official parameter as ours."""
    if isinstance(value, list | tuple):
        return ", ".join(_item(v) for v in value)
    if _is_none(knob, value):
        return None
    if value is None or knob.kind in ("boolean", "option"):
        return value if value is None or knob.kind == "boolean" else str(value)
    if knob.kind in _TYPES:
        return _number(_TYPES[knob.kind], value)
    return str(value)


def _number(of: type, value: Any) -> Any:
    """Number of a value; what is none is left for the check of the parameters to say."""
    try:
        number = of(value)
    except (TypeError, ValueError, OverflowError):
        return value
    same = isinstance(value, str) or (number == value and not isinstance(value, bool))
    return number if same else value


def _is_none(knob: Knob, value: Any) -> bool:
    """Whether a text stands for no value: an option may be offered as one where it can be none."""
    return knob.kind == "option" and knob.default is None and value == "None"


def _item(value: Any) -> str:
    """Item of a list as text: quoted where it would not come back as it is."""
    text = str(value)
    plain = text.strip() == text and text and not any(c in text for c in ",'\"")
    return text if plain else json.dumps(text)


def to_official(params: Params) -> dict[str, Any]:
    """Values for the keywords of an official step.

    Raises
    ------
    ParamError
        If a text that stands for a list of numbers does not.
    """
    knobs = _knobs_of(type(params))
    return {name: _theirs(knobs[name], value) for name, value in params.as_dict().items()}


def from_official(alias: str, values: Mapping[str, Any]) -> Params:
    """Parameters from official values; what they leave out has its default.

    Raises
    ------
    ParamError
        If a parameter does not exist or its value is not allowed.
    """
    kind = _made(alias)
    knobs = _knobs_of(kind)
    return kind.from_dict({n: _ours(knobs[n], v) if n in knobs else v for n, v in values.items()})


def _knobs_of(kind: type[Params]) -> Mapping[str, Knob]:
    alias = getattr(kind, _ALIAS, None)
    if alias is None:
        raise ParamError(f"{kind.__name__} are no parameters of an official step")
    return catalogue().steps[alias].knob


def _theirs(knob: Knob, value: Any) -> Any:
    if value is None or "list" not in knob.kind:
        return value
    of = item_type(knob.kind)
    try:
        return [of(item) for item in _items(value)]
    except ValueError:
        raise ParamError(
            f"{knob.name} = {value!r}: must be numbers with commas between, such as '1, 2'"
        ) from None


def _items(text: str) -> list[str]:
    """Items of a text with commas; some may be in double quotes."""
    found: list[str] = []
    rest = text.strip()
    while rest:
        if rest.startswith('"'):
            item, end = json.JSONDecoder().raw_decode(rest)
            found.append(item)
            rest = rest[end:].lstrip().removeprefix(",").lstrip()
        else:
            item, _, rest = rest.partition(",")
            found.append(item.strip())
            rest = rest.lstrip()
    return found
