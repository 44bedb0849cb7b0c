"""The side of the workbench: one page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ipywidgets as w

from jwinteractive_widgets.actions import Actions

__all__ = ["SidePages"]


class SidePages(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Pages by title, of which one is there.

    The page that is there is refreshed, if it can be; one that has ``follow`` and ``hide`` is told
    when it is shown, and when it no longer is.

    Attributes
    ----------
    page
        Title of the page that is there.
    bar
        What chooses it.
    """

    def __init__(
        self,
        pages: Mapping[str, w.Widget],
        tooltips: Mapping[str, str],
        hand_over: Callable[..., object] | None = None,
    ) -> None:
        """Show the first page; ``tooltips`` say of some what they are."""
        self._pages, self._tooltips = dict(pages), dict(tooltips)
        self.page = ""
        self.bar = Actions(on_do=self._do, hand_over=hand_over, label="Side panel")
        self._stack = w.Stack(list(self._pages.values()))
        self._stack.add_class("jwi-side-pages")
        super().__init__([self.bar, self._stack])
        self.add_class("jwi-side-panel")
        self.show(next(iter(self._pages)))

    def show(self, page: str) -> None:
        """Show a page."""
        titles = list(self._pages)
        self._stack.selected_index = titles.index(page)
        if self.page != page:
            self._tell(self.page, "hide")
        self.page = page
        self.bar.show(
            [
                {
                    "id": title,
                    "kind": "toggle",
                    "label": title,
                    "value": title == page,
                    "tooltip": self._tooltips.get(title, ""),
                }
                for title in titles
            ]
        )
        self._tell(page, "follow")
        self.refresh()

    def refresh(self) -> None:
        """Let the page that is there show what the session says."""
        self._tell(self.page, "refresh")

    def turn_to(self, page: str) -> None:
        """Show a page, or the first if it is there already."""
        self.show(next(iter(self._pages)) if self.page == page else page)

    def _tell(self, page: str, what: str) -> None:
        act = getattr(self._pages.get(page), what, None)
        if act is not None:
            act()

    def _do(self, act: str, value: object = None) -> None:
        self.show(act)
