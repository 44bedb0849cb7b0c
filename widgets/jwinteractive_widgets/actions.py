"""What can be done, as a toolbar and by keys.

The keys hold while the focus is inside the closest element of class ``jwi-workbench``; those of
the notebook around it are kept out, so that "b" blinks and inserts no cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from jwinteractive_widgets.assets import esm, style
from jwinteractive_widgets.background import listen

__all__ = ["Actions"]


class Actions(anywidget.AnyWidget):
    """Toolbar and keyboard of a workbench.

    Attributes
    ----------
    items
        What stands in the toolbar, see `show`.
    keymap
        Id of an action by key, as browsers name it ("b", "ArrowRight", "?"); keys that type
        nothing may have "Shift+" before.
    words
        What the list of keys says of ids that are not in the toolbar.
    label
        What a screen reader says of the toolbar.
    on_do
        Called with (id, value): the new value of a toggle or select, None for a button.
    """

    _esm = esm("actions")
    _css = style("actions")
    items: Any = traitlets.List().tag(sync=True)
    keymap: Any = traitlets.Dict().tag(sync=True)
    words: Any = traitlets.Dict().tag(sync=True)
    label = traitlets.Unicode("Actions").tag(sync=True)

    def __init__(
        self,
        *,
        on_do: Callable[[str, Any], object] | None = None,
        hand_over: Callable[..., object] | None = None,
        **traits: Any,
    ) -> None:
        """Make an empty toolbar.

        Parameters
        ----------
        hand_over
            Calls a function with arguments on the thread that may touch widgets; by default here.
        """
        super().__init__(**traits)
        self.on_do = on_do
        listen(self, self._hear, hand_over)

    def show(
        self,
        items: Sequence[Mapping[str, Any]],
        keys: Mapping[str, str] | None = None,
        words: Mapping[str, str] | None = None,
    ) -> None:
        """Show a toolbar.

        Parameters
        ----------
        items
            Of each ``kind`` (button, toggle, select, text or spacer), ``id``, ``label`` and, where
            they apply, ``tooltip``, ``icon``, ``disabled``, ``value``, ``options`` (texts or
            [text, value] pairs), ``shortcut`` (one of the keys). A button may be ``primary``.
        keys, words
            New ones, if given. The shortcuts of ``items`` are keys too.
        """
        shortcuts = {i["shortcut"]: i["id"] for i in items if i.get("shortcut")}
        with self.hold_sync():
            self.items = [dict(item) for item in items]
            self.keymap = {**(self.keymap if keys is None else dict(keys)), **shortcuts}
            if words is not None:
                self.words = dict(words)

    def _hear(self, _: Any, message: dict[str, Any], __: list[Any]) -> None:
        """Take a message of the browser: do."""
        match message:
            case {"kind": "do", "id": str(name), "view": str(view), "seq": int(seq)}:
                known = {*self.keymap.values(), *(item.get("id") for item in self.items)}
                try:
                    if name in known and self.on_do is not None:
                        self.on_do(name, message.get("value"))
                finally:
                    self.send({"kind": "done", "view": view, "seq": seq})
