"""Slits and spectra of several files by source, as the official third stage takes them.

A step of a set that knows no file of slits gets those of one source after the other; what it makes
of them goes back into the files, where the next step and the session look for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

__all__ = ["are_tables", "by_source", "in_one_file", "wants_sources"]

_STEPS: Final = frozenset({"OutlierDetectionStep"})  # others of sets sort slits themselves
_PLANES: Final = ("data", "err", "dq", "var_rnoise", "var_poisson", "var_flat")


def wants_sources(name: str, models: Sequence[Any]) -> bool:
    """Whether a step takes the slits of one source, and models are files of slits."""
    return name in _STEPS and all(getattr(model, "slits", None) for model in models)


def by_source(step: Any) -> Callable[[Sequence[Any]], list[Any]]:
    """Let a step run on the slits of each source, as the official third stage does.

    What it makes of them goes back into their files, whose slits the next step looks for there.
    """
    from jwst.exp_to_source import multislit_to_container

    def process(models: Sequence[Any]) -> list[Any]:
        places: dict[str, list[Any]] = {}
        for model in models:
            for slit in model.slits:
                places.setdefault(_source_of(slit), []).append(slit)
        done: set[str] = set()
        # of copies: what is sorted shares its arrays, and gets the header of its file
        for source, container in multislit_to_container([m.copy() for m in models]).items():
            results = step.process(container)
            for slit, result in zip(places[source], results, strict=True):
                for name in _PLANES:
                    plane = getattr(result, name)
                    if plane is not None:
                        setattr(slit, name, np.array(plane))
                done.add(result.meta.cal_step.instance.get(step.class_alias) or "")
        status = "COMPLETE" if "COMPLETE" in done else "SKIPPED"
        for model in models:
            setattr(model.meta.cal_step, step.class_alias, status)
        return list(models)

    return process


def are_tables(models: Sequence[Any]) -> bool:
    """Whether models are slitless spectra, whose tables have a row for each source."""
    return all(type(model).__name__ == "WFSSMultiSpecModel" for model in models)


def in_one_file(models: Sequence[Any]) -> Any:
    """Tables of several exposures in one model, whose sources the official step tells apart."""
    first, *others = models
    for model in others:
        for table in model.spec:
            first.spec.append(table)
    return first


def _source_of(slit: Any) -> str:
    """What the official pipeline sorts slits by."""
    name = slit.source_name
    return str(slit.source_id if name is None or not str(name).strip() else name)
