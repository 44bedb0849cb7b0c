"""Masks in and out of files: saved in every form, taken in as layers, compared."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from jwinteractive.errors import AlreadyThere, JwinteractiveError
from jwinteractive.masks import Mask, MaskDiff, diff
from jwinteractive.masks.formats import FORMS, Written, read_mask, write_mask
from jwinteractive.session import Session
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.mask_desk import MaskDesk

__all__ = ["MaskFiles"]

_NAMES = {
    "text": "text to share (.toml)",
    "reference": "MASK reference",
    "user_dq": "user_supplied_dq",
    "user_mask": "user_mask of 1/f cleaning",
    "ds9": "regions of DS9 (.reg)",
    "fits": "FITS with layers",
    "coordinates": "list of pixels (.txt)",
}


class MaskFiles(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Page that saves the mask, takes in others as layers, and compares.

    Attributes
    ----------
    path, form, overwrite
        File, what it is saved as, and whether it may be replaced.
    buttons
        By what they do: save, take, compare.
    outcome
        What was done, or why not.
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
        detector = session.input().exposure.detector.lower()
        self.path = w.Text(
            value=f"{detector}_mask.toml",
            description="file",
            tooltip="File to save to, to take in, or to compare with",
            continuous_update=False,
            style={"description_width": "30px"},
            layout=w.Layout(width="auto"),
        )
        self.form = w.Dropdown(
            options=[(_NAMES[form], form) for form in FORMS],
            description="as",
            tooltip="What the mask is saved as; what a file holds is seen when it is read",
            style={"description_width": "30px"},
            layout=w.Layout(width="auto"),
        )
        self.form.observe(self._ending, "value")
        self.overwrite = w.Checkbox(
            value=False, description="overwrite a file that exists", indent=False
        )
        self.buttons: dict[str, w.Button] = {}
        acts: dict[str, tuple[str, str, Callable[[], None]]] = {
            "save": ("Save mask", "Write the mask of the exposure in view", self._save),
            "take": ("Take in", "Add what a file flags to the mask, as layers", self._take),
            "compare": ("Compare", "Say what differs from the mask in a file", self._compare_with),
        }
        for name, (label, tooltip, act) in acts.items():
            button = w.Button(description=label, tooltip=tooltip)
            button.add_class("jwi-takehome-act")
            button.on_click(lambda _, act=act: background.hand_over(act))
            self.buttons[name] = button
        self.buttons["save"].button_style = "primary"
        grid = w.Box([*self.buttons.values()])
        grid.add_class("jwi-takehome-grid")
        self.outcome = w.HTML()
        self.outcome.add_class("jwi-takehome-outcome")
        super().__init__([self.path, self.form, self.overwrite, grid, self.outcome])
        self.add_class("jwi-takehome")
        self.add_class("jwi-mask-page")

    def _ending(self, change: Any) -> None:
        """Let the file's name end as its form does."""
        name = Path(str(self.path.value))
        if name.suffix in {ending for ending, _ in FORMS.values()}:
            self.path.value = str(name.with_suffix(FORMS[change["new"]][0]))

    def _file(self) -> Path:
        return Path(str(self.path.value).strip() or ".").expanduser()

    # -- what the buttons do ------------------------------------------------------------------

    def _save(self) -> None:
        mask, path, form, over = self.desk.mask, self._file(), self.form.value, self.overwrite.value
        root = self.session.input().exposure.filename

        def write() -> Written:
            return write_mask(mask, path, form, overwrite=over, exposure=root)

        def done(written: Written) -> None:
            lost = "".join(f"<li>{escape(text)}</li>" for text in written.lost)
            rest = f'<br>not in the file:<ul class="jwi-quiet">{lost}</ul>' if lost else ""
            self._say(f"written: <code>{escape(str(written.path))}</code>{rest}")
            self.session.note("save", f"mask written: {written.path}")

        self._do(f"writing {path.name}", write, done)

    def _take(self) -> None:
        path, like = self._file(), self.desk.mask

        def done(read: Mask) -> None:
            mask = self.desk.mask
            for layer in read.layers:
                mask = mask.with_layer(layer.replace(name=mask.free_name(layer.name)))
            self.session.use_mask(mask)
            n = len(read.layers)
            self._say(f"{n} layer{'' if n == 1 else 's'} of {escape(path.name)} taken in")

        self._do(f"reading {path.name}", lambda: read_mask(path, like), done)

    def _compare_with(self) -> None:
        path, mine = self._file(), self.desk.mask

        def work() -> tuple[MaskDiff, str]:
            made = diff(read_mask(path, mine), mine)
            return made, _changes(made)

        def done(result: tuple[MaskDiff, str]) -> None:
            made, table = result
            words = "".join(f"<li>{escape(text)}</li>" for text in made.words())
            same = f"the same as {escape(path.name)}"
            self._say(
                f"from {escape(path.name)} to here:<ul>{words}</ul>{table}" if words else same
            )

        self._do(f"comparing with {path.name}", work, done)

    # -- how it is done -----------------------------------------------------------------------

    def _do(self, what: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do one thing off the loop; the buttons wait, so that nothing is dropped for newer."""
        self._wait(True)
        self._say(f'<span class="jwi-quiet">{escape(what)} …</span>')

        def ended(result: Any) -> None:
            self._wait(False)
            try:
                done(result)
            except JwinteractiveError as error:
                failed(error)

        def failed(error: BaseException) -> None:
            self._wait(False)
            if not isinstance(error, JwinteractiveError):
                self._fail(error)
            over = f"tick {self.overwrite.description!r}"
            told = error.told(over) if isinstance(error, AlreadyThere) else str(error)
            text = escape(told.partition("\n")[0])
            self.outcome.value = f'<div class="jwi-takehome-error" role="alert">{text}</div>'

        self._background.submit(lambda _: work(), ended, failed, "files")

    def _wait(self, busy: bool) -> None:
        for button in self.buttons.values():
            button.disabled = busy

    def _say(self, html: str) -> None:
        self.outcome.value = f'<div role="status">{html}</div>'


def _changes(made: MaskDiff) -> str:
    """Table of the pixels that gain or lose each flag."""
    rows = "".join(
        f"<tr><td>{c.flag}</td><td>+{c.gained.count:,}</td><td>−{c.lost.count:,}</td></tr>"
        for c in made.flags()
    )
    if not rows:
        return '<span class="jwi-quiet">no pixel is flagged otherwise</span>'
    head = "<tr><th>flag</th><th>gained</th><th>lost</th></tr>"
    return f'<table class="jwi-mask-table"><thead>{head}</thead><tbody>{rows}</tbody></table>'
