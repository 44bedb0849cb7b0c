"""Official associations: lists of the exposures that belong together, in JSON."""

from __future__ import annotations

import dataclasses as dc
import json
from pathlib import Path

from jwinteractive.errors import InputError

__all__ = ["Association", "read_association"]


@dc.dataclass(frozen=True)
class Association:
    """Files of an association.

    Attributes
    ----------
    science
        Exposures of the target, in its order, each once.
    others
        What else it names, such as backgrounds and catalogues.
    """

    science: tuple[Path, ...]
    others: tuple[Path, ...]


def read_association(path: Path) -> Association:
    """Read an association; its files lie beside it.

    Raises
    ------
    InputError
        If it cannot be read, is none, or names no exposure of a target.
    """
    try:
        plain = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; name a file that exists") from None
    except ValueError as error:
        raise InputError(f"{path.name}: is no JSON ({error}): name an association") from None
    try:
        members = [
            (path.parent / str(one["expname"]), str(one["exptype"]).lower())
            for product in plain["products"]
            for one in product["members"]
        ]
    except KeyError as error:
        raise InputError(
            f"{path.name}: is no association (it has no {error}): name one of stage 2 or 3"
        ) from None
    except TypeError:
        raise InputError(f"{path.name}: is no association: name one of stage 2 or 3") from None
    science = dict.fromkeys(member for member, kind in members if kind == "science")
    if not science:
        raise InputError(f"{path.name}: names no exposure of exptype 'science': name the files")
    others = dict.fromkeys(member for member, _ in members if member not in science)
    return Association(tuple(science), tuple(others))
