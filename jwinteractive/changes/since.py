"""The changes that are of a product: of its mode, its steps, and newer than it."""

from __future__ import annotations

import dataclasses as dc
import os
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jwinteractive.changes.catalogue import Change, changes
from jwinteractive.changes.made import Made, made_of
from jwinteractive.data import Exposure
from jwinteractive.known.catalogue import version_numbers
from jwinteractive.official.catalogue import installed

__all__ = ["Since", "as_json", "as_text", "cached_context", "notes", "since", "what_changed"]

_CONTEXT: Final = re.compile(r"operational_context['\"]\s*:\s*['\"](jwst_\d+\.pmap)['\"]")


@dc.dataclass(frozen=True)
class Since:
    """What changed since a product was made.

    Attributes
    ----------
    made
        How it was made.
    version
        Of the official package that it is compared with; "" if none is installed.
    context
        Of references here, from the local cache; "" if there is none.
    changes
        Those of the product, oldest first.
    unread
        Versions (from, to) between the two of which nothing is known.
    """

    made: Made
    version: str
    context: str
    changes: tuple[Change, ...]
    unread: tuple[tuple[str, str], ...]


def since(made: Made, exposure: Exposure, version: str = "") -> tuple[Change, ...]:
    """Changes newer than a product that are of its mode and of steps that it went through.

    Parameters
    ----------
    made
        How it was made; nothing is said of a product without a version.
    exposure
        What its header says.
    version
        Up to this one; "" for the installed one.
    """
    low, high = version_numbers(made.version), version_numbers(version or installed())
    if not low:
        return ()
    return tuple(
        change
        for change in changes().changes
        if low < version_numbers(change.version) <= high
        and change.applies(exposure)
        and not made.done.isdisjoint(change.after)
    )


def what_changed(path: Path, exposure: Exposure, version: str = "") -> Since:
    """What changed since a file was made; nothing is asked of the network.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    made, version = made_of(path), version or installed()
    low, high = version_numbers(made.version), version_numbers(version)
    known = changes()
    return Since(
        made=made,
        version=version,
        context=cached_context(os.environ),
        changes=since(made, exposure, version),
        unread=tuple(
            (first, last)
            for first, last in known.unread
            if low and low < min(version_numbers(last), high) and version_numbers(first) <= high
        ),
    )


def cached_context(environment: Mapping[str, str]) -> str:
    """Context of references that a CRDS cache on this machine stands at; "" if there is none.

    Parameters
    ----------
    environment
        Where CRDS_CONTEXT and CRDS_PATH are looked up.
    """
    if given := environment.get("CRDS_CONTEXT", ""):
        return given
    root = Path(environment.get("CRDS_PATH") or Path.home() / "crds_cache")
    config = root / "config" / "jwst" / "server_config"
    if not config.is_file():
        return ""
    found = _CONTEXT.search(config.read_text(errors="replace"))
    return found[1] if found else ""


def as_text(name: str, exposure: Exposure, told: Since) -> str:
    """What a person reads."""
    made = told.made
    if not made.version:
        return f"{name}: CAL_VER is missing: the official package has not made it"
    here = f"jwst {told.version} is here" if told.version else "jwst is not installed"
    mode = exposure.exp_type or exposure.instrument
    lines = [f"{name}: {mode}, made by jwst {made.version} ({made.date}); {here}"]
    if made.context and told.context and made.context != told.context:
        lines.append(f"  references were chosen by {made.context}, here by {told.context}")
    for change in told.changes:
        build = f", build {change.build}" if change.build else ""
        head = f"  {change.version}{build}  {', '.join(change.steps)}: "
        lines += textwrap.wrap(head + change.fact, 100, subsequent_indent=" " * 10)
    if told.version and not told.changes:
        lines.append("  no known change is of its mode and steps")
    lines += [f"  {note}" for note in notes(told)]
    titles = dict.fromkeys(str(change.source) for change in told.changes)
    return "\n".join([*lines, *(f"  from: {title}" for title in titles)])


def notes(told: Since) -> list[str]:
    """What is not known."""
    here = version_numbers(told.version)
    found = []
    for first, last in told.unread:
        end = told.version if here < version_numbers(last) else last
        which = f"of {first}" if first == end else f"from {first} to {end}"
        found.append(f"no notes at hand {which}")
    return found


def as_json(told: Since) -> dict[str, Any]:
    """The same for programs."""
    return dc.asdict(told)
