"""Open a workbench: on a session, on files whose session is kept in a folder, or on that folder."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from jwinteractive.errors import InputError, JwinteractiveError, OutputError
from jwinteractive.io import root_name
from jwinteractive.recipe import Recipe
from jwinteractive.saved import SESSION_FILE
from jwinteractive.session import Session, open_session
from jwinteractive_widgets.workbench import Workbench

__all__ = ["SESSIONS", "claim", "mask_studio", "workbench"]

SESSIONS = Path("jwinteractive-sessions")
LOCKED = "it is kept by another kernel: close that one, or save this session under Take home"

_LOCK = ".kept"
_held: dict[Path, IO[bytes]] = {}  # folders that this kernel may keep sessions in
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()  # that workbenches are open on


def workbench(
    what: Session | str | Path | Iterable[str | Path],
    *,
    recipe: str | Path | Recipe = "auto",
    refs: str | Path | Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
) -> Workbench:
    """Open a workbench on a session, on files, or on the folder of a saved session.

    Parameters
    ----------
    what
        A `jwinteractive.session.Session`; or files, or a session folder, as `jwinteractive.open`
        takes them.
    recipe, refs
        As for `jwinteractive.open`; with files only.
    folder
        Where the session of files is kept, so that a lost kernel loses nothing; by default one in
        ``jwinteractive-sessions``, named after the first file. If it holds a session of these
        files, and neither recipe nor references are given, that goes on.

    Raises
    ------
    InputError, RecipeError, ParamError, MissingReference
        As `jwinteractive.open`.
    """
    if isinstance(what, Session):
        return _on(what)
    paths = [Path(p) for p in ([what] if isinstance(what, str | Path) else what)]
    if len(paths) == 1 and paths[0].is_dir():
        return _on(_open_here(paths[0]) or _kept(open_session(paths[0])))
    if not paths:
        raise InputError("no exposures: name at least one file")
    place = Path(folder) if folder is not None else SESSIONS / _name(paths)
    return _on(_resumed(paths, recipe, refs, place))


def mask_studio(what: Session | str | Path | Iterable[str | Path], **options: Any) -> Workbench:
    """Open a workbench to make a mask of bad pixels: its frame can be drawn on at once.

    Arguments and errors as for `workbench`.
    """
    bench = workbench(what, **options)
    bench.show_page("Mask")
    return bench


def _on(session: Session) -> Workbench:
    _sessions.add(session)
    return Workbench(session)


def _open_here(place: Path) -> Session | None:
    """The session that a workbench of this kernel keeps in a folder."""
    for session in list(_sessions):
        if session.folder is not None and session.folder.resolve() == place.resolve():
            return session
    return None


def _kept(session: Session) -> Session:
    """Let a session that was opened from a folder be kept there, unless another kernel does."""
    if session.folder is not None and not claim(session.folder):
        place, session.folder = session.folder, None
        session.note("warning", f"{place}: changes are not kept: {LOCKED}")
    return session


def _resumed(paths: list[Path], recipe: Any, refs: Any, place: Path) -> Session:
    """The session kept in a folder if it is of these files, else a new one that is kept there."""
    lost = ""
    other = _open_here(place)
    if recipe == "auto" and refs is None and (place / SESSION_FILE).is_file():
        try:
            session = other or Session.open(place)
        except JwinteractiveError as error:
            lost = str(error)
        else:
            # a file of slits is open once for each of them
            known = list(dict.fromkeys(f.path for f in session.exposures))
            if known == list(dict.fromkeys(p.absolute() for p in paths)):
                if session is other:  # two workbenches on one session show the same
                    return session
                text = f"this goes on where {place} ended"
                if session.journal[-1:] == () or session.journal[-1].text != text:
                    session.note("note", text)
                return _kept(session)
    try:
        session = open_session(paths, recipe, refs, place / "store")
        if claim(place):
            session.keep(place)
            if other is not None:
                other.folder = None
                other.note("warning", f"{place} keeps another session now, this one no more")
        else:
            session.note("warning", f"{place}: changes are not kept: {LOCKED}")
    except OutputError as error:
        session = open_session(paths, recipe, refs)
        session.note("warning", f"{error}: this session lives in memory alone")
    if lost:
        session.note("warning", lost)
    session.note("note", f"opened {', '.join(f.name for f in session.exposures)}")
    return session


def _name(paths: list[Path]) -> str:
    more = f"+{len(paths) - 1}" if len(paths) > 1 else ""
    return root_name(paths[0]) + more


def claim(folder: Path) -> bool:
    """Whether this kernel may keep a session in a folder; once it may, it may until it ends.

    Where the system has no locks every kernel may.
    """
    place = folder.resolve()
    if place in _held:
        return True
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = (place / _LOCK).open("wb")
    except OSError:
        return True  # whoever writes there says why it cannot be written
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    except OSError:
        pass  # a file system without locks
    _held[place] = file
    return True
