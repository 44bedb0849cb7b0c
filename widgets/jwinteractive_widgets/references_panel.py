"""Which references the steps need, which are there, and a place to give those that are not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as w

from jwinteractive.errors import JwinteractiveError, MissingReference
from jwinteractive.journal import Settings
from jwinteractive.references.filed import NOT_APPLICABLE
from jwinteractive.refs_check import CheckedFiles, Used, Wanted, by_type, check, found_words
from jwinteractive.session import Session
from jwinteractive.step import OFFICIAL
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background

__all__ = ["ReferencesPanel"]


class ReferencesPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The references of the exposure in view: from where, how big, what is missing.

    Attributes
    ----------
    found
        What is shown; None until it was looked for.
    folder
        Where references are looked for first.
    reftype, file
        One type, and the file that it is to be taken from.
    """

    def __init__(self, session: Session, background: Background) -> None:
        """Look for references on lane "references" of ``background``."""
        self.session, self._background = session, background
        self.found: CheckedFiles | None = None
        self._alone = False
        self._wanted: tuple[Settings, int] | None = None
        self._types: dict[str, list[Used]] = {}
        self.bar = Actions(on_do=self._do, hand_over=background.hand_over, label="References")
        self.text, self.table = w.HTML(), w.HTML()
        self.table.add_class("jwi-comparison")
        self.folder = _line(
            "folder",
            "folder of references",
            "Searched first; then CRDS, where CRDS_PATH and CRDS_SERVER_URL are set",
        )
        self.reftype = w.Dropdown(description="type", style={"description_width": "48px"})
        self.reftype.add_class("jwi-references-line")
        self.file = _line("file", "file of this type", "Taken in place of what would be found")
        self.use = w.Button(description="Use it", tooltip="Take this file for this type")
        self.again = w.Button(description="Find it again", tooltip="Take no file by name any more")
        hand_over = background.hand_over
        self.use.on_click(lambda _: hand_over(self._use_file))
        self.again.on_click(lambda _: hand_over(self._use, ""))
        self.folder.observe(lambda change: hand_over(self._use_folder, change["new"]), "value")
        super().__init__(
            [
                self.folder,
                self.reftype,
                self.file,
                w.HBox([self.use, self.again]),
                self.bar,
                self.text,
                self.table,
            ]
        )
        self.add_class("jwi-references")

    def refresh(self) -> None:
        """Look for references, where settings or the exposure are others than before."""
        self._draw()
        wanted = self.session.settings, self.session.active
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._say("looking ...")

        def work(_: threading.Event) -> CheckedFiles:
            (found,) = check(self.session, [wanted[1]])
            return found

        def show(found: CheckedFiles) -> None:
            if self._wanted == wanted:
                self.found = found
                self._say("")
                self._draw()

        self._background.submit(work, show, self._fail, "references")

    def tell_stops(self, say: Callable[[str], object]) -> None:
        """Say in one line, once it is known, which steps cannot run for want of references."""

        def tell(found: tuple[CheckedFiles, ...]) -> None:
            stopped = {s.step: ", ".join(s.missing) for files in found for s in files.stopped}
            if stopped:
                named = "; ".join(f"{step} without {types}" for step, types in stopped.items())
                say(f"cannot run: {named}: see Refs")

        self._background.submit(lambda _: check(self.session), tell, self._fail, "references")

    def _do(self, act: str, value: object = None) -> None:
        self._alone = bool(value)
        self._draw()

    def _draw(self) -> None:
        step = self.session.look.step
        there = step in self.session.recipe
        toggle = {
            "id": "alone",
            "kind": "toggle",
            "label": "of the chosen step",
            "value": self._alone,
            "tooltip": "else of all steps of the recipe",
        }
        self.bar.show([toggle])
        folder = self.session.references.folder
        self.folder.value = "" if folder is None else str(folder)
        if self.found is None:
            return
        used = by_type(self.found, step if self._alone and there else "")
        self._types = {}
        for one in used:
            self._types.setdefault(one.wanted.reftype, []).append(one)
        self.table.value = _html(used, self.found)
        if self.reftype.options != tuple(self._types):
            chosen = self.reftype.value
            self.reftype.options = tuple(self._types)
            # else the first, which is missing if any is
            self.reftype.value = chosen if chosen in self._types else next(iter(self._types), None)
        for button in (self.use, self.again):
            button.disabled = not self._types

    def _use_folder(self, given: str) -> None:
        text = given.strip()
        self._try(lambda: self.session.use_folder(Path(text).expanduser() if text else None))

    def _use_file(self) -> None:
        self._use(self.file.value.strip())

    def _use(self, text: str) -> None:
        """Take a file for the chosen type; "" finds it again."""
        reftype = self.reftype.value
        if reftype is None:
            return
        self._try(lambda: self.session.use(reftype, self._checked(reftype, text)))

    def _checked(self, reftype: str, text: str) -> str | None:
        steps = [step for one in self._types[reftype] for step in one.steps]
        # a native step would look for a file of this name
        if text == NOT_APPLICABLE and all(step.startswith(OFFICIAL) for step in steps):
            return text
        if not text:
            return None
        path = Path(text).expanduser()
        if not path.is_file():
            raise MissingReference(f"{reftype}: {text}: no such file: name one that is there")
        return str(path)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except JwinteractiveError as error:
            self._fail(error)
        else:
            self._say("")

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, JwinteractiveError):
            raise error
        self._say(str(error), "alert")

    def _say(self, line: str, role: str = "status") -> None:
        words = f'<div class="jwi-note">{escape(line)}</div>' if line else ""
        self.text.value = f'<div role="{role}">{words}</div>'


def _line(name: str, placeholder: str, tooltip: str) -> w.Text:
    line = w.Text(
        description=name,
        placeholder=placeholder,
        tooltip=tooltip,
        continuous_update=False,
        style={"description_width": "48px"},
    )
    line.add_class("jwi-references-line")
    return line


def _html(used: tuple[Used, ...], files: CheckedFiles) -> str:
    asked = [u for u in used if u.wanted.state != "not needed"]
    count = {state: sum(u.wanted.state == state for u in asked) for state in ("missing", "nominal")}
    said = [f"{n} {state}" for state, n in count.items() if n]
    of = f"{len(asked)} references" + (f", {', '.join(said)}" if said else "")
    stopped = ", ".join(one.step for one in files.stopped)
    stops = _paragraph(f"cannot run: {stopped}", "jwi-references-stop") if stopped else ""
    rows = "".join(_row(u) for u in asked)
    head = '<thead><tr><th scope="col">type</th><th scope="col">from</th></tr></thead>'
    table = f"<caption>{escape(of)}</caption>{head}<tbody>{rows}</tbody>"
    spared: dict[str, list[str]] = {}
    for one in used[len(asked) :]:
        spared.setdefault(one.wanted.advice, []).append(one.wanted.reftype)
    rest = "".join(_paragraph(f"{why}: {', '.join(of)}") for why, of in spared.items())
    return f'{stops}<table class="jwi-table">{table}</table>{rest}'


def _paragraph(text: str, kind: str = "jwi-quiet") -> str:
    return f'<div class="{kind}">{escape(text)}</div>'


def _row(used: Used) -> str:
    wanted = used.wanted
    steps = ", ".join(used.steps)
    title = f' title="{escape(str(wanted.path))}"' if wanted.path else ""
    kind = ' class="jwi-references-stop"' if wanted.state == "missing" else ' class="jwi-long"'
    return (
        f'<tr><th scope="row" title="{escape(steps)}">{escape(wanted.reftype)}</th>'
        f"<td{kind}{title}>{escape(_words(wanted))}</td></tr>"
    )


def _words(wanted: Wanted) -> str:
    if wanted.state == "there":
        return found_words(wanted)
    if wanted.state == "nominal":
        return "nominal: an average of the detector's type"
    return "missing" + (f"; {NOT_APPLICABLE} {wanted.without}" if wanted.without else "")
