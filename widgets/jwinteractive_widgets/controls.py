"""Special controls that a step may put under its generated form: the only hook for widget code.

A package offers one through the entry-point group ``jwinteractive_widgets.controls``: each entry
is a function without arguments that calls `register`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = ["Factory", "control_for", "register"]

Factory: TypeAlias = "Callable[[Session, str], Any]"
"""Makes an ipywidget of a session and the name of the step."""

_GROUP = "jwinteractive_widgets.controls"
_factories: dict[str, Factory] = {}
_loaded: list[str] = []


def register(step_name: str, factory: Factory) -> None:
    """Let ``factory`` make the special control of a step.

    Raises
    ------
    ValueError
        If the step has one already.
    """
    if step_name in _factories:
        known = _factories[step_name]
        owner = f"{known.__module__}.{getattr(known, '__qualname__', type(known).__name__)}"
        raise ValueError(f"step {step_name!r} already has a control, {owner}: it can have only one")
    _factories[step_name] = factory


def control_for(step_name: str) -> Factory | None:
    """Return what makes the special control of a step, or None if it has none."""
    if not _loaded:
        _loaded.append(_GROUP)
        for found in entry_points(group=_GROUP):
            found.load()()
    return _factories.get(step_name)
