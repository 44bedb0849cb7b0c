"""Masks as text that a person can read, compare and share: TOML, with pixels as runs along rows.

::

    format = "jwinteractive mask 1"
    instrument = "NIRCAM"
    detector = "NRCA1"
    subarray = "FULL"
    shape = [2048, 2048] # rows, columns
    corner = [1, 1] # row and column of the first pixel on the detector, from 1
    date = "2026-03-01" # of the data that it was made of

    [[layer]]
    name = "warm"
    flags = ["WARM"]
    origin = {kind = "statistic", text = "z > 5 in six exposures", warm = 3.0}
    shapes = ["ellipse y512 x300.5 a20 b12 t30"]
    pixels = '''
    40: 17 300-310
    '''

Pixels count from 0 and both ends of a run belong to it; groups count from 1, as in ``groups =
"i1 g5-"``. What has its default is left out. A layer of the scene has ``role = "scene"`` and no
flags.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jwinteractive.errors import InputError, OutputError, suggestion
from jwinteractive.masks.layers import Groups, Layer, Origin
from jwinteractive.masks.mask import Mask
from jwinteractive.masks.selection import Selection
from jwinteractive.masks.shapes import parse_shape

__all__ = ["FORMAT", "from_text", "read_text", "to_text", "write_text"]

FORMAT = "jwinteractive mask 1"
_HEAD = (
    "format",
    "instrument",
    "detector",
    "subarray",
    "shape",
    "corner",
    "date",
    "title",
    "comment",
)
_SAID = ("date", "title", "comment")
_WORDS_OF = ("how", "role", "exposure", "comment")
_LAYER = (
    "name",
    "flags",
    "how",
    "role",
    "on",
    "exposure",
    "groups",
    "comment",
    "origin",
    "shapes",
    "pixels",
)


def to_text(mask: Mask) -> str:
    """Write a mask as text; `from_text` gives it back, exactly."""
    lines = [
        f"format = {_value(FORMAT)}",
        f"instrument = {_value(mask.instrument)}",
        f"detector = {_value(mask.detector)}",
        f"subarray = {_value(mask.subarray)}",
        f"shape = {_value(list(mask.shape))} # rows, columns",
        f"corner = {_value(list(mask.corner))} # row and column of the first pixel on the "
        "detector, from 1",
    ]
    lines += [f"{n} = {_value(v)}" for n in _SAID if (v := getattr(mask, n))]
    for layer in mask.layers:
        lines += ["", "[[layer]]", *_layer_lines(layer)]
    return "\n".join(lines) + "\n"


def _layer_lines(layer: Layer) -> list[str]:
    lines = [f"name = {_value(layer.name)}"]
    if layer.role == "scene":
        lines += ['role = "scene"']
    else:
        lines += [f"flags = {_value(list(layer.flags))}"]
    if layer.how != "add":
        lines += [f"how = {_value(layer.how)}"]
    if not layer.on:
        lines += ["on = false"]
    if layer.exposure:
        lines += [f"exposure = {_value(layer.exposure)}"]
    if layer.groups is not None:
        lines += [f"groups = {_value(str(layer.groups))}"]
    if layer.comment:
        lines += [f"comment = {_value(layer.comment)}"]
    text = {"text": layer.origin.text} if layer.origin.text else {}
    origin = {"kind": layer.origin.kind, **text, **layer.origin.details}
    said = ", ".join(f"{_key(k)} = {_value(v)}" for k, v in origin.items())
    lines += [f"origin = {{{said}}}"]
    if layer.shapes:
        lines += ["shapes = [", *(f"    {_value(str(s))}," for s in layer.shapes), "]"]
    if layer.pixels:
        lines += ["pixels = '''", str(layer.pixels), "'''"]
    return lines


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    """TOML of a plain value; JSON writes the same, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def from_text(text: str, name: str = "mask") -> Mask:
    """Read a mask from text; ``name`` is that of the file, for errors.

    Raises
    ------
    InputError
        If it is no such text, or what it says is not allowed: one line that names the place.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: is no mask as text ({error}): correct that place") from None
    form = table.get("format")
    if form != FORMAT:
        raise InputError(
            f"{name}: format is {form!r}, must be {FORMAT!r}: give a file that a mask was saved to"
        )
    try:
        _known(table, (*_HEAD, "layer"))
        head = {k: _typed(table[k], str, k) for k in _SAID if k in table}
        shape = _pair(table, "shape")
        return Mask(
            instrument=_typed(table.get("instrument"), str, "instrument"),
            detector=_typed(table.get("detector"), str, "detector"),
            subarray=_typed(table.get("subarray", "FULL"), str, "subarray"),
            shape=shape,
            corner=_pair(table, "corner") if "corner" in table else (1, 1),
            layers=tuple(_layer(t, shape) for t in _typed(table.get("layer", []), list, "layer")),
            **head,
        )
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _layer(table: Any, shape: tuple[int, int]) -> Layer:
    table = _typed(table, dict, "layer")
    name = _typed(table.get("name"), str, "name of a layer")
    try:
        _known(table, _LAYER)
        given: dict[str, Any] = {k: _typed(table[k], str, k) for k in _WORDS_OF if k in table}
        if "on" in table:
            given["on"] = _typed(table["on"], bool, "on")
        if "groups" in table:
            given["groups"] = Groups.parse(_typed(table["groups"], str, "groups"))
        if "origin" in table:
            given["origin"] = _origin(_typed(table["origin"], dict, "origin"))
        shapes = _typed(table.get("shapes", []), list, "shapes")
        flags = table.get("flags", [] if given.get("role") == "scene" else None)
        return Layer(
            name=name,
            flags=tuple(_typed(f, str, "flag") for f in _typed(flags, list, "flags")),
            shapes=tuple(parse_shape(_typed(s, str, "shape")) for s in shapes),
            pixels=Selection.parse(_typed(table.get("pixels", ""), str, "pixels"), shape),
            **given,
        )
    except InputError as error:
        said = str(error)
        raise InputError(
            said if said.startswith(f"layer {name!r}") else f"layer {name!r}: {said}"
        ) from None


def _origin(table: Mapping[str, Any]) -> Origin:
    details = {k: v for k, v in table.items() if k not in ("kind", "text")}
    kind: Any = _typed(table.get("kind", "drawn"), str, "kind")
    return Origin(kind=kind, text=_typed(table.get("text", ""), str, "text"), details=details)


def _known(table: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for key in table:
        if key not in names:
            raise InputError(f"key {key!r}: {suggestion(key, names)}")


def _pair(table: Mapping[str, Any], key: str) -> tuple[int, int]:
    match table.get(key):
        case [int(a), int(b)] if not (isinstance(a, bool) or isinstance(b, bool)):
            return a, b
    raise InputError(f"{key} = {table.get(key)!r}: must be two whole numbers, rows then columns")


_WORDS = {str: "text in quotes", list: "a list", dict: "a table", bool: "true or false"}


def _typed(value: Any, kind: type[Any], key: str) -> Any:
    if not isinstance(value, kind):
        raise InputError(f"{key} = {value!r}: must be {_WORDS[kind]}")
    return value


def read_text(path: str | Path) -> Mask:
    """Read a mask from a text file.

    Raises
    ------
    InputError
        If it cannot be read, or is no mask.
    """
    path = Path(path)
    try:
        return from_text(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"mask {path}: cannot be read ({error}): give another file") from None


def write_text(mask: Mask, path: str | Path) -> Path:
    """Write a mask to a text file that is there whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(to_text(mask), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise OutputError(f"mask {path}: cannot be written ({error.strerror})") from None
    return path
