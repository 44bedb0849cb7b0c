"""The panel of a step, generated from the description of its parameters.

The browser sends at most one value per animation frame, and none before the last one was
acknowledged: a dragged slider never queues, and the newest value wins.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from jwinteractive.errors import JwinteractiveError
from jwinteractive.params import Params, fields_of
from jwinteractive.step import registry
from jwinteractive_widgets.assets import esm, style
from jwinteractive_widgets.background import listen
from jwinteractive_widgets.spans import Span, span_of

if TYPE_CHECKING:
    from jwinteractive.session import Session

__all__ = ["ParamForm", "form_of", "form_of_params"]


def form_of(session: Session, step: str) -> dict[str, Any]:
    """Return what `ParamForm.show` takes, of a step of a session's recipe."""
    kind, params = registry[step], session.recipe[step].params
    return {
        "step_name": step,
        "summary": kind.summary,
        "fields": kind.describe()["parameters"],
        "values": params.as_dict(),
        "origins": {f.name: session.origin(step, f.name) for f in fields_of(kind.params)},
        "idle": params.idle(),
    }


def form_of_params(title: str, params: Params) -> dict[str, Any]:
    """Return what `ParamForm.show` takes, of parameters that are of no step."""
    fields, mine = [f.describe() for f in fields_of(type(params))], params.changed()
    return {
        "step_name": title,
        "summary": "",
        "fields": fields,
        "values": params.as_dict(),
        "origins": {f["name"]: "you" if f["name"] in mine else "default" for f in fields},
    }


class ParamForm(anywidget.AnyWidget):
    """Controls for the parameters of one step.

    Callbacks raise `JwinteractiveError` to refuse a value: its message is shown beneath the
    control, with the refused value, until that is mended or taken back.

    Attributes
    ----------
    about
        The step and its fields, as the browser draws them.
    rows
        Value, origin and error of each field by name, and whether it does nothing at present.
    on_set
        Called with (name, value) while a knob moves.
    on_commit
        Called with (name, value) when it rests: a drag has ended, something was typed or chosen.
        It may be a value that `on_set` never saw. Without it, `on_set` is called.
    on_reset
        Called with (name) to bring back the value of the recipe.
    """

    _esm = esm("knobs", "form")
    _css = style("form")
    about: Any = traitlets.Dict().tag(sync=True)
    rows: Any = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        *,
        on_set: Callable[[str, Any], object] | None = None,
        on_commit: Callable[[str, Any], object] | None = None,
        on_reset: Callable[[str], object] | None = None,
        hand_over: Callable[..., object] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty form.

        Parameters
        ----------
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        super().__init__(**traits)
        self.on_set, self.on_commit, self.on_reset = on_set, on_commit, on_reset
        self._fields: dict[str, Mapping[str, Any]] = {}
        self._values: Mapping[str, Any] = {}
        self._origins: Mapping[str, str] = {}
        self._errors: Mapping[str, str] = {}
        self._idle: frozenset[str] = frozenset()
        self._refused: dict[str, str] = {}
        self._spans: dict[tuple[str, str], Span] = {}
        self._step = ""
        listen(self, self._hear, hand_over)

    def show(
        self,
        step_name: str,
        summary: str,
        fields: Sequence[Mapping[str, Any]],
        values: Mapping[str, Any],
        origins: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        note: str = "",
        idle: Collection[str] = (),
    ) -> None:
        """Show a step; what the user is typing or dragging stays as it is.

        Parameters
        ----------
        fields
            Descriptions of the parameters, see `jwinteractive.params.Field.describe`.
        values, origins, errors
            By name of the parameter; an origin is default, recipe or you.
        note
            One line about the step as a whole: why it failed or is skipped.
        idle
            Parameters that do nothing with the present values of others.
        """
        if step_name != self._step:
            self._refused.clear()
        self._step = step_name
        self._fields = {f["name"]: f for f in fields}
        self._values, self._origins, self._errors = dict(values), dict(origins), dict(errors or {})
        self._idle = frozenset(idle)
        drawn = [
            {**f, "default": _plain(f["default"]), "span": self._span(f["name"])} for f in fields
        ]
        with self.hold_sync():
            self.about = {"step": step_name, "summary": summary, "note": note, "fields": drawn}
            self._draw()

    def _span(self, name: str) -> dict[str, Any] | None:
        known = (self._step, name)
        field, value = self._fields[name], self._values.get(name)
        if field.get("numbers") is not None:
            field, value = _largest(field, value)
        span = span_of(field, value, self._spans.get(known))
        if span is None:
            return None
        self._spans[known] = span
        return dc.asdict(span)

    def _draw(self) -> None:
        errors = {**self._errors, **self._refused}
        self.rows = {
            name: {
                "value": _plain(self._values.get(name)),
                "origin": self._origins.get(name, "default"),
                "error": _without_owner(errors.get(name, ""), name),
                "idle": name in self._idle,
            }
            for name in self._fields
        }

    def _hear(self, _: Any, message: dict[str, Any], __: list[Any]) -> None:
        """Take a message of the browser: set, commit, reset or forget."""
        try:
            if message.get("step") == self._step and message.get("name") in self._fields:
                self._take(message["kind"], message["name"], message)
        finally:  # without an answer the browser would wait for ever
            if "seq" in message:
                self.send({"kind": "ack", "id": message["id"], "seq": message["seq"]})

    def _take(self, kind: str, name: str, message: Mapping[str, Any]) -> None:
        match kind:
            case "set":
                self._ask(name, self.on_set, name, _typed(self._fields[name], message["value"]))
            case "commit":
                act = self.on_commit or self.on_set
                self._ask(name, act, name, _typed(self._fields[name], message["value"]))
            case "reset":
                self._ask(name, self.on_reset, name)
            case "forget":
                self._ask(name, None)

    def _ask(self, name: str, act: Callable[..., object] | None, *args: Any) -> None:
        """Call back, and keep the message if the answer is no."""
        try:
            if act is not None:
                act(*args)
        except JwinteractiveError as error:
            self._refused[name] = str(error)
        else:
            self._refused.pop(name, None)
        if name in self._fields:  # the callback may have shown another step
            self._draw()


def _largest(field: Mapping[str, Any], text: Any) -> tuple[dict[str, Any], float | None]:
    """A parameter of several numbers as if it were the largest of them: sliders reach alike."""

    def largest(words: Any) -> float | None:
        if words is None:  # it may be left open
            return None
        return max(map(float, str(words).split()), default=0.0)

    kind = "int" if field["numbers"]["whole"] else "float"
    return {**field, "type": kind, "default": largest(field["default"])}, largest(text)


def _typed(field: Mapping[str, Any], value: Any) -> Any:
    """Return a value of the browser in the type of its field; what makes no sense stays as it is.

    JSON does not tell 4.0 from 4, and what people type arrives as text.
    """
    if field["optional"] and value in (None, ""):
        return None
    if field["type"] not in ("int", "float") or isinstance(value, bool):
        return value
    if isinstance(value, str):
        for number in (int, float) if field["type"] == "int" else (float,):
            try:
                return number(value)
            except ValueError:
                continue
        return value
    if field["type"] == "float":
        return float(value)
    return int(value) if float(value).is_integer() else value


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: it has no infinity."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _without_owner(message: str, name: str) -> str:
    """Return an error without the ``JumpParams.name = `` that the place on the screen says."""
    head, mark, rest = message.partition(f".{name} = ")
    return rest if mark and head.isidentifier() else message
