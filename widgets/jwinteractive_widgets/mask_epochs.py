"""Masks of several dates: how many pixels of each class are bad when, and which are new."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import ipywidgets as w

from jwinteractive.badpix.evolution import Evolution, count_plot, follow
from jwinteractive.badpix.layers import OF_MASKS, epochs_of
from jwinteractive.errors import JwinteractiveError
from jwinteractive.masks import Layer, Mask, Origin, Selection
from jwinteractive.masks.formats import read_mask
from jwinteractive.session import Session
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.mask_desk import MaskDesk
from jwinteractive_widgets.mask_statistics import found_files
from jwinteractive_widgets.plots import PlotView

__all__ = ["MaskEpochs"]


class MaskEpochs(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Page that follows the pixels of masks from date to date.

    Attributes
    ----------
    evolution
        What was followed last, or None.
    """

    def __init__(
        self,
        session: Session,
        desk: MaskDesk,
        background: Background,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Work on lane "files" of ``background``."""
        self.session, self.desk = session, desk
        self._background, self._fail = background, fail
        self.evolution: Evolution | None = None
        self._last: Mask | None = None
        hand_over = background.hand_over
        self.source = w.Text(
            value="*_mask.toml",
            description="masks",
            tooltip="Mask files or patterns (*), parted by blanks; each tells its date",
            continuous_update=False,
            style={"description_width": "42px"},
            layout=w.Layout(width="auto"),
        )
        self.present = w.Checkbox(value=True, description="and the present mask", indent=False)
        self.button = w.Button(
            description="Follow",
            tooltip="Sort out for each date which pixels are bad, single slips aside",
            button_style="primary",
            layout=w.Layout(width="auto"),
        )
        self.button.on_click(lambda _: hand_over(self._follow))
        self.add = w.Button(
            description="New pixels as layers",
            tooltip="Add the pixels that became bad at the last date to the mask, by class",
            layout=w.Layout(width="auto"),
        )
        self.add.on_click(lambda _: hand_over(self._add))
        self.said = w.HTML()
        self.plot = PlotView(height="190px")
        super().__init__([self.source, self.present, self.button, self.said])
        self.add_class("jwi-mask-page")

    def _follow(self) -> None:
        present = self.desk.mask if self.present.value else None
        like, text = self.desk.mask, str(self.source.value).strip()
        self.button.disabled = True
        self._say("reading masks …")

        def work() -> tuple[Evolution, Mask]:
            paths = found_files(text) if text else []
            # errors name masks by their titles
            masks = [read_mask(path, like).replace(title=path.name) for path in paths]
            if present is not None and present.layers:
                masks.append(present.replace(title="the present mask"))
            evolution = follow(epochs_of(masks), OF_MASKS)
            return evolution, max(masks, key=lambda mask: mask.date)

        def done(result: tuple[Evolution, Mask]) -> None:
            self.button.disabled = False
            self.evolution, self._last = result
            self.said.value = _table(self.evolution)
            self.plot.draw(count_plot(self.evolution))
            # a hidden bqplot figure draws itself with a negative size: it is not there until needed
            self.children = [
                self.source,
                self.present,
                self.button,
                self.said,
                self.plot,
                self.add,
            ]

        def failed(error: BaseException) -> None:
            self.button.disabled = False
            if not isinstance(error, JwinteractiveError):
                self._fail(error)
            self._say(str(error), bad=True)

        self._background.submit(lambda _: work(), done, failed, "files")

    def _add(self) -> None:
        evolution = self.evolution
        assert evolution is not None  # the button is there when it is
        try:
            mask = self.desk.mask
            for name in evolution.states:
                new = Selection.from_mask(evolution.new(name, -1))
                if new:
                    mask = mask.with_layer(_layer(mask, name, new, self._last))
            self.session.use_mask(mask)
        except JwinteractiveError as error:
            self._say(str(error), bad=True)

    def _say(self, text: str, bad: bool = False) -> None:
        kind = 'class="jwi-takehome-error" role="alert"' if bad else 'role="status"'
        self.said.value = f"<div {kind}>{escape(text)}</div>"


def _layer(mask: Mask, name: str, pixels: Selection, last: Mask | None) -> Layer:
    day = "" if last is None else last.date
    return Layer(
        name=mask.free_name(f"new {name}"),
        flags=(name,),
        pixels=pixels,
        origin=Origin(kind="statistic", text=f"bad since {day}"),
    )


def _table(evolution: Evolution) -> str:
    rows = []
    for name in evolution.states:
        counts = evolution.counts(name)
        new, gone = (int(f(name, -1).sum()) for f in (evolution.new, evolution.gone))
        rows.append(
            f"<tr><td>{name}</td><td>{counts[0]:,}</td><td>{counts[-1]:,}</td><td>+{new:,}</td>"
            f"<td>−{gone:,}</td></tr>"
        )
    head = "<tr><th>class</th><th>first</th><th>last</th><th>new</th><th>gone</th></tr>"
    n = len(evolution.mjds)
    return (
        f'<div role="status">{n} dates, MJD {evolution.mjds[0]:.0f} to {evolution.mjds[-1]:.0f}'
        f'</div><table class="jwi-mask-table"><thead>{head}</thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
