"""Files of a batch by recipe, and what of them belongs together: sets, slits of a file."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from jwinteractive.batch.job import Place, Row, numbers_of
from jwinteractive.errors import JwinteractiveError, ParamError, RecipeError
from jwinteractive.plan import open_files
from jwinteractive.saved import Saved, write_session
from jwinteractive.session import Session

__all__ = ["Group", "Part", "grouped"]


@dc.dataclass(frozen=True)
class Group:
    """Files with one recipe and the same references, open in one session."""

    session: Session

    @property
    def paths(self) -> tuple[Path, ...]:
        """Its files, each once."""
        return tuple(dict.fromkeys(file.path for file in self.session.exposures))

    def keep(self, place: Place, number: int) -> Path:
        """Write recipe and references where workers read them; return the folder.

        Raises
        ------
        OutputError
            If it cannot be written, or an override has no form on disk.
        """
        folder = place.settings(number)
        folder.mkdir(parents=True, exist_ok=True)
        s = self.session
        write_session(
            folder,
            Saved(self.paths, 0, s.recipe, s.opened_with, s.references, frozenset()),
        )
        return folder

    def parts(self, to: str | None = None) -> list[Part]:
        """What can be reduced apart: files, and sets that a step looks at together.

        Raises
        ------
        RecipeError, MissingReference
            As for `Session.plan`.
        """
        exposures = self.session.exposures
        upto: dict[Path, str] = {}
        belongs = {path: {path} for path in self.paths}
        for path in self.paths:
            for number in numbers_of(self.session, path):
                plan = [p for p in self.session.plan(to, number) if not p.skipped]
                k = next((k for k, p in enumerate(plan) if len(p.peers) > 1), None)
                if k is None:
                    continue
                peers = {exposures[peer.number].path for p in plan for peer in p.peers}
                if peers == {path}:  # slits of one file
                    continue
                upto[path] = plan[k - 1].step.name if k else ""
                together = set().union(*(belongs[other] for other in peers | {path}))
                for other in together:
                    belongs[other] = together
        parts: dict[int, Part] = {}
        for path in self.paths:
            one = parts.setdefault(id(belongs[path]), Part((), {}))
            first = {**one.first, path: upto[path]} if path in upto else one.first
            parts[id(belongs[path])] = Part((*one.paths, path), first)
        return list(parts.values())


@dc.dataclass(frozen=True)
class Part:
    """A file, or those of a set: ``first`` are the steps that each is brought up to by itself.

    "" there: nothing is done to it before the set is looked at.
    """

    paths: tuple[Path, ...]
    first: dict[Path, str]


def grouped(
    paths: Sequence[Path], prepare: Callable[[list[Path]], Session], to: str | None = None
) -> tuple[list[Group], list[Row]]:
    """Open files, each with the recipe that is its own; return groups, and rows of what failed.

    ``prepare`` opens files of one recipe in a session with all settings applied.

    Raises
    ------
    RecipeError, ParamError
        If no file can be reduced, and the settings are wrong for all that could be read alike.
    """
    found: dict[str, list[Path]] = {}
    failed: list[Row] = []
    wrong_settings: dict[str, JwinteractiveError] = {}
    for path in _members(paths, failed):
        try:
            session = prepare([path])
        except JwinteractiveError as error:
            failed.append(Row(str(path), "failed", str(error)))
            if isinstance(error, RecipeError | ParamError):
                wrong_settings[str(error)] = error
        else:
            instrument = session.exposures[0].exposure.instrument
            found.setdefault(f"{instrument}\n{session.recipe.to_toml()}", []).append(path)
    groups: list[Group] = []
    for some in found.values():
        left = some
        while left:
            session = prepare(left)
            wrong = _refused(session, to)
            failed += [Row(str(path), "failed", str(why)) for path, why in wrong.items()]
            wrong_settings |= {
                str(why): why for why in wrong.values() if isinstance(why, RecipeError | ParamError)
            }
            left = [path for path in left if path not in wrong]
            if not wrong:
                groups.append(Group(session))
                break
    if not groups and len(wrong_settings) == 1:  # said once, not for each file
        raise next(iter(wrong_settings.values()))
    return groups, failed


def _refused(session: Session, to: str | None) -> dict[Path, JwinteractiveError]:
    """Files whose recipe cannot run on them as they are, in whatever company; and why."""
    found: dict[Path, JwinteractiveError] = {}
    for number, file in enumerate(session.exposures):
        try:
            session.outputs("", to, number)
        except JwinteractiveError as error:
            found[file.path] = error
    return found


def _members(paths: Iterable[Path], failed: list[Row]) -> list[Path]:
    """Files once each; those of an association in its place."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.suffix != ".json":
            found[path.absolute()] = None
            continue
        try:
            found |= dict.fromkeys(file.path for file in open_files(path))
        except JwinteractiveError as error:
            failed.append(Row(str(path), "failed", str(error)))
    return list(found)
