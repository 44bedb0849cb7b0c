"""The steps of a recipe in order, with how each stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from jwinteractive.params import fields_of
from jwinteractive.step import OFFICIAL, registry
from jwinteractive_widgets.assets import esm, style
from jwinteractive_widgets.background import listen

if TYPE_CHECKING:
    from jwinteractive.journal import State
    from jwinteractive.session import Session

__all__ = ["StepList", "items_of"]


def items_of(session: Session, exposure: int | None = None) -> list[dict[str, Any]]:
    """Return what `StepList.show` takes, of a session: the input, then each step."""
    first = {"step": "input", "state": "fresh"}
    return [first, *(_item(session, state) for state in session.states(exposure))]


def _item(session: Session, state: State) -> dict[str, Any]:
    origins = [session.origin(state.step, f.name) for f in fields_of(registry[state.step].params)]
    origin = next((o for o in ("you", "recipe", "default") if o in origins), "")
    return {
        "step": state.step,
        "official": state.step.startswith(OFFICIAL),
        "state": state.state,
        "why": state.why,
        "seconds": state.seconds,
        "edited": list(state.edited),
        "origin": origin,
        "enabled": session.recipe[state.step].enabled,
    }


class StepList(anywidget.AnyWidget):
    """List box of steps: arrow keys choose, Space switches on or off, Shift+Enter runs up to one.

    Attributes
    ----------
    items
        One of each step: ``step``, ``state`` (fresh, stale, running, failed or skipped) and,
        where they apply, ``official`` (it is a step of the official package, whose name begins
        with "official_"), ``why`` (one line), ``seconds`` of the last run, ``edited`` (names of
        the parameters that the user changed), ``origin`` of its parameters (default, recipe or
        you) and ``enabled``; without that there is no switch.
    chosen
        The step whose panel is open.
    shown
        The step whose product is in the viewer.
    on_choose, on_run
        Called with (step).
    on_enable
        Called with (step, bool).
    """

    _esm = esm("steplist")
    _css = style("steplist")
    items: Any = traitlets.List().tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)
    shown = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        *,
        on_choose: Callable[[str], object] | None = None,
        on_enable: Callable[[str, bool], object] | None = None,
        on_run: Callable[[str], object] | None = None,
        hand_over: Callable[..., object] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty list.

        Parameters
        ----------
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        super().__init__(**traits)
        self.on_choose, self.on_enable, self.on_run = on_choose, on_enable, on_run
        listen(self, self._hear, hand_over)

    def show(self, items: Sequence[Mapping[str, Any]], chosen: str, shown: str) -> None:
        """Show how the steps stand."""
        with self.hold_sync():
            self.items = [dict(item) for item in items]
            self.chosen, self.shown = chosen, shown

    def progress(self, step: str, fraction: float, seconds_left: float | None = None) -> None:
        """Show how far a step is, from 0 to 1, and what is left; 1 takes the bar away."""
        self.send(
            {"kind": "progress", "step": step, "fraction": fraction, "seconds_left": seconds_left}
        )

    def _hear(self, _: Any, message: dict[str, Any], __: list[Any]) -> None:
        """Take a message of the browser: choose, enable or run."""
        known = [item["step"] for item in self.items]
        match message:
            case {"kind": "choose", "step": str(step)} if step in known:
                self.chosen = step
                if self.on_choose is not None:
                    self.on_choose(step)
            case {"kind": "enable", "step": str(step), "enabled": bool(on)} if step in known:
                if self.on_enable is not None:
                    self.on_enable(step, on)
                self.send({"kind": "done", "step": step})
            case {"kind": "run", "step": str(step)} if step in known and self.on_run is not None:
                self.on_run(step)
