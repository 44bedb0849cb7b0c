"""The layers of a mask as a list, and the form of the chosen one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from jwinteractive.data import Exposure
from jwinteractive.masks import CLASSES, GROUP_FLAGS, Groups, Layer, Mask
from jwinteractive_widgets.assets import esm, style
from jwinteractive_widgets.background import listen

__all__ = ["COLOURS", "LayerList", "changes_of", "items_of"]

COLOURS = (
    "#ff5db1",
    "#ffd000",
    "#5ef0c0",
    "#ff8a3d",
    "#b18cff",
    "#9be564",
    "#ff6b6b",
    "#6fd6ff",
)
"""Of layers, by their place in the mask; seen on viridis and on grey alike."""

_ALL_GROUPS = "all groups"
_ALL = "all exposures"
_USUAL = ("OTHER_BAD_PIXEL", "DO_NOT_USE")


def items_of(mask: Mask, exposure: Exposure, integration: int, group: int) -> list[dict[str, Any]]:
    """Return what `LayerList` shows of a mask, the topmost layer first.

    ``integration`` and ``group``, from 0, are those in view: groups from there on are offered.
    """
    items = [
        _item(layer, COLOURS[n % len(COLOURS)], exposure, integration, group)
        for n, layer in enumerate(mask.layers)
    ]
    return items[::-1]


def _item(
    layer: Layer, colour: str, exposure: Exposure, integration: int, group: int
) -> dict[str, Any]:
    usable = [f for f in layer.flags if f != "DO_NOT_USE"]
    own = ", ".join(usable) or ("DO_NOT_USE" if layer.flags else "every flag")
    some = GROUP_FLAGS if layer.groups else (*CLASSES, "DO_NOT_USE")
    only = ", this exposure" if layer.exposure == exposure.filename else f", {layer.exposure}"
    return {
        "name": layer.name,
        "colour": colour,
        "count": layer.count,
        "on": layer.on,
        "words": f"{_does(layer, own)}{only if layer.exposure else ''}",
        "origin": layer.origin.text or ("" if layer.role == "scene" else layer.origin.kind),
        "about": _about(layer),
        "flag": own,
        "classes": list(dict.fromkeys([own, *some])),
        "unusable": "DO_NOT_USE" in layer.flags,
        "how": layer.how,
        "role": layer.role,
        "comment": layer.comment,
        "groups": _groups(layer, exposure, integration, group),
        "exposure": _exposure(layer, exposure),
    }


def _does(layer: Layer, flags: str) -> str:
    if layer.role == "scene":
        return layer.meaning
    how = {"add": "", "remove": "takes off ", "within": "keeps inside only "}[layer.how]
    return f"{how}{flags}{'' if layer.groups is None else f' {layer.groups}'}"


def _about(layer: Layer) -> str:
    rest = ", ".join(f"{k} {v}" for k, v in layer.origin.details.items())
    return "; ".join(filter(None, [f"{layer.origin.kind} {layer.origin.text}".strip(), rest]))


def _groups(layer: Layer, exposure: Exposure, integration: int, group: int) -> dict[str, Any]:
    offered = [["", _ALL_GROUPS]]
    if layer.role == "flags" and layer.how == "add" and exposure.ngroups > 1:
        here = (
            Groups(integration=integration, first=group),
            Groups(integration=integration, first=group, last=group),
        )
        own = [] if layer.groups is None else [layer.groups]
        offered += [[str(g), _group_words(g)] for g in dict.fromkeys([*own, *here])]
    return {"value": "" if layer.groups is None else str(layer.groups), "options": offered}


def _group_words(groups: Groups) -> str:
    first = groups.first + 1
    if groups.last < 0:
        which = f"group {first} to the end"
    elif groups.last == groups.first:
        which = f"group {first} alone"
    else:
        which = f"groups {first} to {groups.last + 1}"
    return f"{which}, integration {groups.integration + 1}"


def _exposure(layer: Layer, exposure: Exposure) -> dict[str, Any]:
    names = dict.fromkeys([exposure.filename, layer.exposure])
    words = {exposure.filename: "this exposure alone"}
    options = [["", _ALL], *([n, words.get(n, n)] for n in names if n)]
    return {"value": layer.exposure, "options": options}


def changes_of(layer: Layer, field: str, value: Any, exposure: Exposure) -> dict[str, Any]:
    """Changes of a layer that somebody asks for in its form.

    Raises
    ------
    InputError
        If the text of the groups cannot be read.
    """
    rest = tuple(f for f in layer.flags if f == "DO_NOT_USE")
    match field:
        case "flag":
            return {"flags": (value, *rest) if value != "every flag" else ()}
        case "unusable":
            kept = tuple(f for f in layer.flags if f != "DO_NOT_USE")
            flags = (*kept, "DO_NOT_USE") if value else kept
            return {"flags": flags or _USUAL[:1]}
        case "role" if value == layer.role:
            return {}
        case "role" if value == "scene":
            # where sources are is so in one exposure: the next may be dithered
            only = layer.exposure or exposure.filename
            given = {"flags": (), "groups": None, "how": "add", "exposure": only}
            return {"role": "scene", **given}
        case "role":
            return {"role": str(value), "flags": _USUAL, "how": "add"}
        case "groups" if not value:
            return {"groups": None, "flags": _USUAL}
        case "groups":
            groups = Groups.parse(str(value))
            # what happens in groups happens in one exposure
            flags = layer.flags if layer.groups is not None else ("JUMP_DET",)
            return {
                "groups": groups,
                "flags": tuple(f for f in flags if f in GROUP_FLAGS),
                "exposure": layer.exposure or exposure.filename,
            }
        case "name" | "how" | "exposure" | "comment":
            return {field: str(value).strip()}
    return {}


class LayerList(anywidget.AnyWidget):
    """List box of layers: arrow keys choose, Space switches, Delete takes away.

    Attributes
    ----------
    items
        One of each layer, see `items_of`.
    chosen
        Name of the layer that is drawn on.
    on_act
        Called with what is done and its words: ("choose", name), ("on", name, bool), ("change",
        name, field, value), ("move", name, by), ("remove", name), ("find", name), ("combine",
        name, how, other).
    """

    _esm = esm("layers")
    _css = style("layers")
    items: Any = traitlets.List().tag(sync=True)
    chosen = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        *,
        on_act: Callable[..., object],
        hand_over: Callable[..., object] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty list; ``hand_over`` as for the other widgets."""
        super().__init__(**traits)
        self.on_act = on_act
        listen(self, self._hear, hand_over)

    def show(self, items: Sequence[dict[str, Any]], chosen: str) -> None:
        """Show layers."""
        with self.hold_sync():
            self.items, self.chosen = list(items), chosen

    def _hear(self, _: Any, message: dict[str, Any], __: list[Any]) -> None:
        known = [item["name"] for item in self.items]
        match message:
            case {"name": str(name)} if name not in known:
                return  # it went away meanwhile
            case {"kind": "choose" | "remove" | "find" as kind, "name": str(name)}:
                self.on_act(kind, name)
            case {"kind": "on", "name": str(name), "value": bool(value)}:
                self.on_act("on", name, value)
            case {"kind": "change", "name": str(name), "field": str(field), "value": value}:
                self.on_act("change", name, field, value)
            case {"kind": "move", "name": str(name), "by": int(by)}:
                self.on_act("move", name, by)
            case {"kind": "combine", "name": str(name), "how": str(how), "other": str(other)}:
                if other in known:
                    self.on_act("combine", name, how, other)
