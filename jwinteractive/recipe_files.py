"""The recipes that come with the package: parts of the way by instrument, and modes."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from jwinteractive.data import Exposure

__all__ = ["mode_names", "mode_of", "mode_text", "part_text", "recipe_names"]

_PARTS: Final = "recipes"
_MODES: Final = "recipes/modes"


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package for parts of the way, by instrument."""
    return _names(_PARTS)


def mode_names() -> list[str]:
    """Names of the recipes that come with the package for modes."""
    return _names(_MODES)


def mode_of(exposure: Exposure) -> str:
    """Name of the recipe for the mode of an exposure; "" if there is none."""
    fits = [
        name
        for name, (exp_types, tso) in _modes().items()
        if exposure.exp_type in exp_types and tso in (None, exposure.tso)
    ]
    return fits[0] if fits else ""


@functools.cache
def _modes() -> Mapping[str, tuple[tuple[str, ...], bool | None]]:
    tables = {name: tomllib.loads(mode_text(name)) for name in mode_names()}
    return {name: (tuple(t["exp_types"]), t.get("tso")) for name, t in tables.items()}


def part_text(name: str) -> str:
    """What is in the file of a part."""
    return _text(_PARTS, name)


def mode_text(name: str) -> str:
    """What is in the file of a mode."""
    return _text(_MODES, name)


def _names(folder: str) -> list[str]:
    found = (files("jwinteractive") / folder).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in found if f.name.endswith(".toml"))


def _text(folder: str, name: str) -> str:
    return (files("jwinteractive") / f"{folder}/{name}.toml").read_text()
