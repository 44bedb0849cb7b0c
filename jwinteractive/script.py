"""A Python script that repeats a session without a browser, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jwinteractive.errors import OutputError
from jwinteractive.session import Session

__all__ = ["script"]


def script(session: Session, to: str | None = None) -> str:
    """Return a script that repeats the session's reduction of all its exposures.

    Every parameter is spelt out, so that the script means the same when a default changes.

    Raises
    ------
    OutputError
        If a reference was given as an array, which a script cannot name.
    """
    overrides = session.references.overrides
    for reftype, value in overrides.items():
        if not isinstance(value, str | Path):
            what = "an array" if isinstance(value, np.ndarray) else type(value).__name__
            raise OutputError(
                f"override of {reftype}: a script cannot hold {what}; write it to a file first"
            )
    paths = [str(f.path) for f in session.exposures]
    lines = [
        '"""Made by jwinteractive: repeats one reduction."""',
        "",
        "import jwinteractive",
        "",
        "RECIPE = (",
        *(f"    {line!r}" for line in session.recipe.to_toml().splitlines(keepends=True)),
        ")",
        "",
        "session = jwinteractive.open(",
        f"    {paths!r},",
        "    recipe=jwinteractive.Recipe.from_toml(RECIPE),",
    ]
    if session.references.folder is not None:
        lines += [f"    refs={str(session.references.folder.absolute())!r},"]
    lines += [")"]
    lines += [
        f"session.use({reftype!r}, {str(Path(value).absolute())!r})"
        for reftype, value in overrides.items()
    ]
    target = "" if to is None else repr(to)
    lines += [f"results = session.run_all({target})", ""]
    return "\n".join(lines)
