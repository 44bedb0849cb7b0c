"""Changes of the official package that move numbers or flags, as ``changes.toml`` has them."""

from __future__ import annotations

import dataclasses as dc
import functools
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jwinteractive.data import Exposure
from jwinteractive.errors import InputError, suggestion
from jwinteractive.known.catalogue import Source, of_modes, version_numbers

__all__ = ["Change", "Changes", "changes", "load"]


@dc.dataclass(frozen=True)
class Change:
    """A change of the official package.

    Attributes
    ----------
    version
        The first that has it.
    modes
        ALL, NIR, instruments and types of exposures that it is of.
    steps
        What changed, by official names.
    after
        It is of products that went through one of these steps.
    fact
        What changed, one sentence.
    build
        Of the observatory, of the version; "" where it is not known.
    date
        Day of the version (ISO); "" where it is not known.
    """

    version: str
    modes: tuple[str, ...]
    steps: tuple[str, ...]
    after: tuple[str, ...]
    fact: str
    source: Source
    build: str = ""
    date: str = ""

    def applies(self, exposure: Exposure) -> bool:
        """Whether it is of the mode of an exposure."""
        return of_modes(exposure, self.modes)


@dc.dataclass(frozen=True)
class Changes:
    """The catalogue.

    Attributes
    ----------
    changes
        In order of versions.
    unread
        Versions (from, to) whose notes were not at hand: nobody knows what they changed.
    """

    changes: tuple[Change, ...]
    unread: tuple[tuple[str, str], ...]


@functools.cache
def changes() -> Changes:
    """The catalogue that comes with the package."""
    return load((files("jwinteractive") / "changes/changes.toml").read_text())


def load(text: str) -> Changes:
    """Read a catalogue.

    Raises
    ------
    InputError
        If an entry is missing or names an unknown source.
    """
    try:
        tables = tomllib.loads(text)
        sources = {
            name: Source(table["title"], table["date"].isoformat(), table.get("url", ""))
            for name, table in tables["source"].items()
        }
        released, builds = tables.get("released", {}), tables.get("builds", {})
        found = [_change(table, sources, released, builds) for table in tables["change"]]
        unread = tuple((low, high) for low, high in tables["unread"])
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"catalogue of changes: no valid TOML ({error})") from None
    except KeyError as error:
        raise InputError(f"catalogue of changes: an entry has no {error}: add it") from None
    found.sort(key=lambda change: version_numbers(change.version))
    return Changes(tuple(found), unread)


def _change(
    table: Mapping[str, Any],
    sources: Mapping[str, Source],
    released: Mapping[str, Any],
    builds: Mapping[str, str],
) -> Change:
    name, version = table["source"], table["version"]
    if name not in sources:
        raise InputError(f"change of {version}: source {name!r}: {suggestion(name, sources)}")
    day = released.get(version)
    return Change(
        version=version,
        modes=tuple(table["modes"]),
        steps=tuple(table["steps"]),
        after=tuple(table.get("after", table["steps"])),
        fact=table["fact"],
        source=sources[name],
        build=builds.get(version, ""),
        date=day.isoformat() if day else "",
    )
