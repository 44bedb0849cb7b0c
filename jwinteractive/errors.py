"""What can go wrong, in one small tree.

::

    JwinteractiveError           exit code of the command line
    ├── InputError       3       a file or an array that cannot be reduced
    ├── ParamError       2       a parameter's name or value
    ├── RecipeError      2       an unknown step, or steps in an order that cannot work
    ├── MissingReference 4       no reference file of a type, or one that does not fit
    ├── StepError        5       a step that failed while it ran
    ├── OutputError      6       a product that cannot be written
    │   └── AlreadyThere         because a file has its name
    └── Cancelled        130     somebody pressed cancel

Every message is one line: the thing, the value, the rule, the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Self

__all__ = [
    "AlreadyThere",
    "Cancelled",
    "InputError",
    "JwinteractiveError",
    "MissingReference",
    "OutputError",
    "ParamError",
    "RecipeError",
    "StepError",
    "suggestion",
]


class JwinteractiveError(Exception):
    """Root of every error that this package raises on purpose.

    ``step`` names the step it came from, where it came from one.
    """

    exit_code: ClassVar[int] = 1
    step: str = ""


class InputError(JwinteractiveError, ValueError):
    """A file or an array that cannot be reduced."""

    exit_code = 3


class ParamError(JwinteractiveError, ValueError):
    """A parameter that does not exist, or a value its declaration does not allow."""

    exit_code = 2


class RecipeError(JwinteractiveError, ValueError):
    """An unknown step or recipe, or steps in an order that cannot work."""

    exit_code = 2


class MissingReference(JwinteractiveError, LookupError):
    """No reference file of the needed type, or one that does not fit the exposure."""

    exit_code = 4


class StepError(JwinteractiveError, RuntimeError):
    """A step that failed while it ran; results computed before it are kept."""

    exit_code = 5


class OutputError(JwinteractiveError, OSError):
    """A product that cannot be written where it was asked for."""

    exit_code = 6


class AlreadyThere(OutputError):
    """A file that exists, and that nobody has allowed to replace.

    Where that is allowed is known to who asked: an option of a command, a box of a panel.
    """

    path: Path
    other: str

    @classmethod
    def of(cls, path: Path, other: str = "another name") -> Self:
        """Return the error for a file, or a folder, in place of which another may be chosen."""
        made = cls(f"{path}: exists: allow overwriting or choose {other}")
        made.path, made.other = path, other
        return made

    def told(self, how: str, other: str = "") -> str:
        """Message with how it is allowed here, and what else may be chosen."""
        return f"{self.path}: exists: {how} or choose {other or self.other}"


class Cancelled(JwinteractiveError):
    """A run that was cancelled; what had finished is kept."""

    exit_code = 130


def suggestion(word: str, known: Iterable[str]) -> str:
    """Way out for an unknown word: the nearest known one, or all of them."""
    known = list(known)
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known) or 'none'}"
