"""Memory that a file will take, before anything starts: how many workers fit, which files do not.

Measured figures and what they rest on: docs/decisions/0024-batch.md.
"""

from __future__ import annotations

import dataclasses as dc
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from jwinteractive.chain import cores
from jwinteractive.data import Ramp
from jwinteractive.errors import ParamError
from jwinteractive.memory import memory_limit
from jwinteractive.session import Session

__all__ = ["Room", "bytes_of", "free_memory", "need_of", "room_for"]

MB: Final = 2**20
_BASE: Final = 420 * MB  # a worker that has loaded the kernels
_OFFICIAL: Final = 900 * MB  # the process of official steps
_PLANES: Final = 40  # float32 images that results, references and measurements add up to
_RAMPS: Final = 1.3  # of the file as it is mapped, in float32
_OFFICIAL_RAMPS: Final = 4.0  # copies of the whole ramp that official steps hold
_SPARE: Final = 0.85  # of free memory that is planned with
_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def bytes_of(text: str) -> int:
    """Bytes of a size such as "2GB" or "800 MB"; units are powers of 1024.

    Raises
    ------
    ParamError
        If it is none.
    """
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]?)i?b?\s*", text, re.IGNORECASE)
    if found is None or float(found[1]) <= 0:
        raise ParamError(f"memory {text!r}: must be a size above 0, such as 2GB or 800MB")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def free_memory() -> int:
    """Bytes that may be taken now: what is free, or what a limit of the system leaves."""
    import psutil

    return int(_SPARE * min(psutil.virtual_memory().available, memory_limit()))


def need_of(session: Session, numbers: Sequence[int], to: str | None = None) -> int:
    """Bytes that a worker holds at most while it reduces exposures of a file, one by one."""
    need = 0
    for number in numbers:
        product = session.exposures[number].product
        plan = [p for p in session.plan(to, number) if not p.skipped]
        plane = 4 * math.prod(product.shape)
        samples = 4 * max((a.size for a in product.arrays().values()), default=0)
        ramp = samples if isinstance(product, Ramp) else 0
        nints = product.exposure.nints if isinstance(product, Ramp) else 1
        own = _BASE + int(_RAMPS * samples) + _PLANES * plane + 6 * plane * max(nints - 1, 0)
        if any(p.step.filed for p in plan):
            own += _OFFICIAL + int(_OFFICIAL_RAMPS * max(ramp, 6 * plane))
        need = max(need, own)
    return need


@dc.dataclass(frozen=True)
class Room:
    """How many workers, with how many bytes in all; which files do not fit, and need how much."""

    workers: int
    memory: int
    misfits: Mapping[str, int]

    def words(self, needs: Mapping[str, int]) -> str:
        """Say what is planned, in one line."""
        fits = [need for path, need in needs.items() if path not in self.misfits]
        most = f", {max(fits) / MB:.0f} MB for the largest file" if fits else ""
        return f"{self.workers} workers within {self.memory / MB:.0f} MB{most}"


def room_for(needs: Mapping[str, int], memory: int, workers: int = 0) -> Room:
    """Plan workers for files of which each needs so many bytes.

    Files run beside each other as long as all fit; the number of workers is that of the smallest
    files that fit together, at most ``workers``, or a core each.
    """
    misfits = {path: need for path, need in needs.items() if need > memory}
    sizes = sorted(need for path, need in needs.items() if path not in misfits)
    most = min(workers or cores(), len(sizes))
    fits = 0
    while fits < most and sum(sizes[: fits + 1]) <= memory:
        fits += 1
    return Room(fits, memory, misfits)


def misfit_words(path: str, need: int, memory: int) -> str:
    """Say why a file is not begun."""
    return (
        f"{Path(path).name}: needs {need / MB:.0f} MB, but there are {memory / MB:.0f} MB: "
        "close other programs, give more with --memory, or reduce it on a larger machine"
    )
