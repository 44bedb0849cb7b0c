"""The known issues, as ``issues.toml`` has them, and which of them are of an exposure."""

from __future__ import annotations

import dataclasses as dc
import datetime
import functools
import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jwinteractive.data import Exposure
from jwinteractive.detectors import DETECTORS
from jwinteractive.errors import InputError, suggestion
from jwinteractive.fitsfile import opened_fits
from jwinteractive.known.checks import CHECKS
from jwinteractive.official.modes import IMAGES, SPECTRA

__all__ = [
    "SKIP",
    "Condition",
    "Known",
    "Remedy",
    "Source",
    "applying",
    "cal_ver_of",
    "known_issues",
    "load",
    "of_modes",
    "version_numbers",
]

SKIP: Final = "skip"
"""Name of the parameter of a remedy that switches a step off, or on."""
_ALL: Final = "ALL"
_NEAR: Final = "NIR"
_MODES: Final = (
    _ALL,
    _NEAR,
    *sorted({d.instrument for d in DETECTORS.values()}),
    *IMAGES,
    *SPECTRA,
)
_LISTS: Final = ("channel", "detector", "filter", "grating", "pupil", "readpatt", "subarray")
_RANGES: Final = ("ngroups", "nints")
_NOT: Final = "_not"
_VERSION: Final = "cal_ver"
_CONDITIONS: Final = (*_LISTS, *(n + _NOT for n in _LISTS), *_RANGES, _VERSION, "tso")


@dc.dataclass(frozen=True)
class Source:
    """Where an issue was read: title, address ("" if it has none) and the day (ISO).

    ``deprecated``: its page was withdrawn, what it says may be out of date.
    """

    title: str
    date: str
    url: str = ""
    deprecated: bool = False

    def __str__(self) -> str:
        return f"{self.title} (read {self.date}{', withdrawn' if self.deprecated else ''})"


@dc.dataclass(frozen=True)
class Remedy:
    """A value of a parameter of a step, both by their official names; "skip" switches it off."""

    step: str
    parameter: str
    value: bool | int | float | str

    def __str__(self) -> str:
        if self.parameter == SKIP:
            return f"{self.step} {'off' if self.value else 'on'}"
        return f"{self.step}.{self.parameter} = {self.value}"


@dc.dataclass(frozen=True)
class Condition:
    """What the header of an exposure must say; all of it must hold.

    Attributes
    ----------
    among, not_among
        Values of a keyword, by the field of `Exposure`.
    between
        Least and greatest number, both included.
    versions
        CAL_VER of the official package that made the file: from the first on, before the second;
        "" for no limit. Does not hold for a file that was never calibrated.
    tso
        Whether for time series only (True), or for all else only (False).
    """

    among: Mapping[str, tuple[str, ...]] = dc.field(default_factory=dict)
    not_among: Mapping[str, tuple[str, ...]] = dc.field(default_factory=dict)
    between: Mapping[str, tuple[int, int]] = dc.field(default_factory=dict)
    versions: tuple[str, str] | None = None
    tso: bool | None = None

    def holds(self, exposure: Exposure, cal_ver: str = "") -> bool:
        """Whether an exposure is of this kind."""
        return (
            all(getattr(exposure, name) in values for name, values in self.among.items())
            and not any(getattr(exposure, n) in values for n, values in self.not_among.items())
            and all(low <= getattr(exposure, n) <= high for n, (low, high) in self.between.items())
            and (self.versions is None or _in_versions(cal_ver, self.versions))
            and self.tso in (None, exposure.tso)
        )


@dc.dataclass(frozen=True)
class Known:
    """A known issue.

    Attributes
    ----------
    id
        Its name here.
    code
        What the observatory calls it; "" if nothing.
    modes
        ALL, NIR, instruments and types of exposures that it is of.
    check
        Measurement that tells whether data have it; "" if there is none.
    fact
        What is known, one sentence.
    remedies, advice
        What the sources say to do: as values of parameters, and in words.
    """

    id: str
    modes: tuple[str, ...]
    fact: str
    sources: tuple[Source, ...]
    code: str = ""
    when: Condition = dc.field(default_factory=Condition)
    check: str = ""
    remedies: tuple[Remedy, ...] = ()
    advice: str = ""

    @property
    def deprecated(self) -> bool:
        """Whether only withdrawn pages say so."""
        return all(source.deprecated for source in self.sources)

    @property
    def because(self) -> str:
        """The sources, in a few words."""
        return "; ".join(map(str, self.sources))

    def applies(self, exposure: Exposure, cal_ver: str = "") -> bool:
        """Whether it is of an exposure, by its header."""
        return of_modes(exposure, self.modes) and self.when.holds(exposure, cal_ver)


def of_modes(exposure: Exposure, modes: Iterable[str]) -> bool:
    """Whether an exposure is of one of some modes: ALL, NIR, instruments, types of exposures."""
    e = exposure
    near = _NEAR if e.instrument != "MIRI" else e.instrument
    return not {_ALL, near, e.instrument, e.exp_type}.isdisjoint(modes)


@functools.cache
def known_issues() -> tuple[Known, ...]:
    """The issues that come with the package."""
    return load((files("jwinteractive") / "known/issues.toml").read_text())


def applying(exposure: Exposure, cal_ver: str = "") -> tuple[Known, ...]:
    """Known issues of an exposure by its header, in the order of the catalogue.

    Parameters
    ----------
    exposure
        What its header says.
    cal_ver
        Version of the official package that made its file (see `cal_ver_of`).
    """
    return tuple(known for known in known_issues() if known.applies(exposure, cal_ver))


def cal_ver_of(path: Path) -> str:
    """CAL_VER of a file; "" of a raw one."""
    with opened_fits(path) as hdus:
        return str(hdus[0].header.get("CAL_VER") or "").strip()


def load(text: str) -> tuple[Known, ...]:
    """Read a catalogue.

    Whether steps and parameters of remedies exist is not asked here: see `check_remedies`.

    Raises
    ------
    InputError
        If an entry is missing, unknown, or of the wrong kind.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"catalogue of known issues: no valid TOML ({error})") from None
    sources = {name: _source(name, table) for name, table in tables.get("source", {}).items()}
    found = tuple(_known(table, sources) for table in tables.get("issue", ()))
    names = [known.id for known in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"known issue {name!r}: is there twice: give one another id")
    return found


def _source(name: str, table: Mapping[str, Any]) -> Source:
    what = f"source {name!r}"
    _only(what, table, [f.name for f in dc.fields(Source)], ("title", "date"))
    if not isinstance(table["date"], datetime.date):
        raise InputError(f"{what}: date = {table['date']!r}: must be a day such as 2026-11-27")
    told: dict[str, Any] = dict(table) | {"date": table["date"].isoformat()}
    return Source(**told)


def _known(table: Mapping[str, Any], sources: Mapping[str, Source]) -> Known:
    what = f"known issue {table.get('id', '?')!r}"
    entries = ("id", "code", "modes", "when", "check", "fact", "remedy", "advice", "sources")
    _only(what, table, entries, ("id", "modes", "fact", "sources"))
    for key, known in (("modes", _MODES), ("sources", tuple(sources))):
        if not table[key]:
            raise InputError(f"{what}: {key} is empty: give one or more")
        for word in table[key]:
            if word not in known:
                raise InputError(f"{what}: {key} entry {word!r}: {suggestion(word, known)}")
    check = table.get("check", "")
    if check and check not in CHECKS:
        raise InputError(f"{what}: check {check!r}: {suggestion(check, CHECKS)}")
    return Known(
        id=table["id"],
        code=table.get("code", ""),
        modes=tuple(table["modes"]),
        when=_condition(what, table.get("when", {})),
        check=check,
        fact=table["fact"],
        remedies=tuple(_remedy(what, remedy) for remedy in table.get("remedy", ())),
        advice=table.get("advice", ""),
        sources=tuple(sources[name] for name in table["sources"]),
    )


def _remedy(what: str, table: Mapping[str, Any]) -> Remedy:
    names = ("step", "parameter", "value")
    _only(f"{what}: remedy", table, names, names)
    return Remedy(**table)


def _condition(what: str, table: Mapping[str, Any]) -> Condition:
    _only(f"{what}: when", table, _CONDITIONS, ())
    for name in {_VERSION, *_RANGES} & table.keys():
        if len(table[name]) != 2:
            raise InputError(f"{what}: when.{name} = {table[name]}: must be [from, to]")
    return Condition(
        among={n: tuple(table[n]) for n in _LISTS if n in table},
        not_among={n: tuple(table[n + _NOT]) for n in _LISTS if n + _NOT in table},
        between={n: (table[n][0], table[n][1]) for n in _RANGES if n in table},
        versions=(table[_VERSION][0], table[_VERSION][1]) if _VERSION in table else None,
        tso=table.get("tso"),
    )


def _only(
    what: str, table: Mapping[str, Any], known: tuple[str, ...] | list[str], needed: tuple[str, ...]
) -> None:
    for word in table:
        if word not in known:
            raise InputError(f"{what}: entry {word!r}: {suggestion(word, known)}")
    for word in needed:
        if word not in table:
            raise InputError(f"{what}: has no {word}: add {word} = ...")


def _in_versions(cal_ver: str, limits: tuple[str, str]) -> bool:
    own = version_numbers(cal_ver)
    low, high = map(version_numbers, limits)
    return bool(own) and own >= low and (not high or own < high)


def version_numbers(version: str) -> tuple[int, ...]:
    """Numbers that a version begins with; none of a file that has no version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
