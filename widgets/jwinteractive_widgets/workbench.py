"""The workbench: a session's steps, frames, ramps and parameters on one screen.

All state lives in the session; what is chosen and looked at in its `Look`. Each part is told what
the session says and asks the session for changes, so that the parts need not know each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import ipywidgets as w

from jwinteractive.errors import Cancelled, JwinteractiveError, OutputError
from jwinteractive.look import COMPARES
from jwinteractive.rivals import Rivals, compare_rivals
from jwinteractive.session import Session
from jwinteractive.step import OFFICIAL, registry
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.batch_panel import BatchPanel
from jwinteractive_widgets.canvas import Canvas
from jwinteractive_widgets.controls import control_for
from jwinteractive_widgets.form import ParamForm, form_of
from jwinteractive_widgets.graphs import Graphs
from jwinteractive_widgets.journal import JournalView, attempts_of, entry_of
from jwinteractive_widgets.known_panel import KnownPanel
from jwinteractive_widgets.log_view import LogView
from jwinteractive_widgets.mask_panel import MaskPanel
from jwinteractive_widgets.references_panel import ReferencesPanel
from jwinteractive_widgets.rivals_panel import FormBar
from jwinteractive_widgets.runs import Runs
from jwinteractive_widgets.sidepages import SidePages
from jwinteractive_widgets.sources_panel import SourcesPanel
from jwinteractive_widgets.steplist import StepList, items_of
from jwinteractive_widgets.takehome import TakeHome
from jwinteractive_widgets.theme import Theme
from jwinteractive_widgets.warned import collect_warnings

__all__ = ["Workbench"]

REST = 0.8  # seconds without a move after which a knob's turning is one edit
QUIET = 1.0  # seconds without a change after which the session's folder is written
KEYS = {
    "n": "next-step",
    "p": "previous-step",
    ".": "next-group",
    ",": "previous-group",
    ">": "next-integration",
    "<": "previous-integration",
    "e": "next-exposure",
    "E": "previous-exposure",
    "r": "run-to-here",
    "R": "rerun",
    "u": "undo",
    "U": "redo",
    "a": "pin",
    "b": "blink",
    "s": "split",
    "d": "difference",
    "f": "fit",
    "t": "take-home",
    "m": "mask",
}
WORDS = {
    "next-step": "next step",
    "previous-step": "previous step",
    "next-group": "next group",
    "previous-group": "previous group",
    "next-integration": "next integration",
    "previous-integration": "previous integration",
    "next-exposure": "next exposure",
    "previous-exposure": "previous exposure",
    "blink": "blink with A",
    "split": "split against A",
    "difference": "difference to A",
    "fit": "zoom to fit",
    "take-home": "parameters or what to take home",
    "mask": "parameters or the mask, to draw on the frame",
}


PAGES = {
    "Issues": "Known issues of this file, and their remedies",
    "Refs": "References: from where, how big, what is missing",
}


class Workbench(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A session on screen.

    Attributes
    ----------
    session
        What is shown, and where every change goes.
    actions, steps, canvas, graphs, form, forms, sources, said, mask, known, references, journal,
    takehome, batch
        The parts.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._background = Background(
            "frame",
            "ramp",
            "refit",
            "curves",
            "sky",
            "methods",
            "recovery",
            "stripes",
            "samples",
            "outliers",
            "measure",
            "thresholds",
            "files",
            "forms",
            "references",
            "issues",
            "sources",
        )
        hand_over = self._background.hand_over
        self._saving: Callable[[], object] = lambda: None
        self._resting: Callable[[], object] = lambda: None
        self._chosen = self._special = self._elsewhere = self._at_work = ""
        self._failed = ("", "")  # the run before: in a few words, and in all
        self.runs = Runs(session, hand_over, self._ended)
        self.actions = Actions(on_do=self._do, hand_over=hand_over)
        self.steps = StepList(
            on_choose=self._choose,
            on_enable=self._enable,
            on_run=self._run_to,
            hand_over=hand_over,
        )
        self.canvas = Canvas(session, self._background, self._fail)
        self.graphs = Graphs(session, self._background, self.canvas, self._fail)
        self.form = ParamForm(
            on_set=self._turn, on_commit=self._set, on_reset=self._reset, hand_over=hand_over
        )
        self.control = w.VBox()
        self.forms = FormBar(session, self._background, self._fail, self._compare_forms)
        self.sources = SourcesPanel(session, self._background, self._fail)
        self.said = LogView(session, self._background)
        self.journal = JournalView(
            on_undo=session.undo,
            on_redo=session.redo,
            on_restore=self._restore,
            on_compare=self._against,
            hand_over=hand_over,
        )
        self.mask = MaskPanel(session, self.canvas, self._background, self._fail)
        self.known = KnownPanel(session, self._background, self._fail)
        self.references = ReferencesPanel(session, self._background)
        self.place = w.VBox()
        self.place.add_class("jwi-place-other")
        self.takehome = TakeHome(session, upto=self._upto, say=self._written, place=self.place)
        self.batch = BatchPanel(session, hand_over, self._fail)
        super().__init__(self._arranged())
        self.add_class("jwi")
        self.add_class("jwi-workbench")
        if not session.look.step:  # before anybody listens: all is drawn once, below
            session.see(step=_first_choice(session))
        heard: list[tuple[Any, Callable[..., None]]] = [
            (session.changed, lambda name: hand_over(self._changed, name)),
            (session.looked, lambda _: hand_over(self._looked)),
            (session.progress, lambda p: hand_over(self._progressed, p)),
            (session.done, lambda _: hand_over(self._done)),
            (session.noted, lambda _: hand_over(self._noted)),
            (session.logged, lambda line: hand_over(self.said.hear, line)),
            (self.canvas.pictured, lambda _: self.said.settle(self.runs.busy)),
        ]
        self._heard = heard
        for signal, hear in heard:
            signal.connect(hear)
        collect_warnings(session)
        self._tell_of_files()
        self._changed("")
        self._noted()

    def _arranged(self) -> list[w.Widget]:
        def card(name: str, *parts: w.Widget) -> w.VBox:
            box = w.VBox(list(parts))
            box.add_class("jwi-card")
            box.add_class(f"jwi-place-{name}")
            return box

        knobs = w.VBox([self.forms, self.sources, self.said, self.form, self.control])
        knobs.add_class("jwi-knobs")
        pages = {
            "Parameters": knobs,
            "Mask": self.mask,
            "Issues": self.known,
            "Refs": self.references,
            "Take home": w.VBox([self.takehome, self.batch]),
        }
        self.side = SidePages(pages, PAGES, self._background.hand_over)
        grid = w.Box(
            [
                card("steps", self.steps),
                card("canvas", self.canvas),
                card("graphs", self.graphs),
                card("side", self.side),
            ]
        )
        grid.add_class("jwi-grid")
        self.canvas.bar.label = "What the frame shows"
        self.canvas.view.labels = ["pinned", "present"]
        self.actions.label = "Workbench"
        return [Theme(), self.actions, grid, self.place, card("log", self.journal)]

    def close(self) -> None:
        """Take the workbench off the screen; the session stays as it is, and is kept once more."""
        for signal, hear in self._heard:
            signal.disconnect(hear, missing_ok=True)
        self._heard = []
        self._saving()
        self._resting()
        if self.comm is not None and self.session.folder is not None:
            self._keep()
        for part in _parts_of(self):
            if part is not self:
                part.close()
        super().close()

    # -- what the session says ----------------------------------------------------------------

    def _changed(self, name: str) -> None:
        """Settings changed: what is stale, the form, the pictures."""
        self._failed = ("", "")
        self._show_steps()
        self._show_form()
        self._show_actions()
        knob = name if name in self.session.recipe else ""
        self.canvas.refresh(knob)
        self.graphs.refresh(knob)
        self.side.refresh()
        self._keep_soon()

    def _looked(self) -> None:
        if self._chosen != self.session.look.step:
            self._show_form()
        self._show_steps()
        self._show_actions()
        self.canvas.refresh()
        self.graphs.refresh()
        self.side.refresh()
        self._keep_soon()

    def _progressed(self, progress: Any) -> None:
        fraction = progress.done / max(progress.total, 1)
        if self._at_work and self._at_work != progress.step:
            self.steps.progress(self._at_work, 1.0)
        self._at_work = progress.step
        if progress.step:
            left = progress.left if math.isfinite(progress.left) else None
            self.steps.progress(progress.step, fraction, left)
            of = f"{progress.done + 1} of {progress.total}"
            self._elsewhere = f"{progress.step.removeprefix(OFFICIAL)} ({of} official runs)"
            self._show_actions()
            return
        running = [s.step for s in self._states() if s.state == "running"]
        for step in running:
            self.steps.progress(step, fraction, progress.left)
        # another exposure than the one in view has no line in the list of steps
        self._elsewhere = "" if running else f"{progress.name}: {fraction:.0%}"
        self._show_actions()

    def _done(self) -> None:
        self._show_steps()
        self._show_forms()
        self._show_history()
        self.canvas.refresh()
        self.graphs.refresh()
        self._keep_soon()

    def _noted(self) -> None:
        self._show_history()
        self._keep_soon()

    def _states(self) -> tuple[Any, ...]:
        try:
            return self.session.states()
        except JwinteractiveError as error:
            self._fail(error)
            return ()

    def _show_steps(self) -> None:
        try:
            items = items_of(self.session)
        except JwinteractiveError as error:
            self._fail(error)
            return
        items[0]["why"] = self.session.exposures[self.session.active].name
        self.steps.show(items, chosen=self.session.look.step, shown=self._upto())

    def _show_form(self) -> None:
        name = self._chosen = self.session.look.step
        self._show_forms()
        if name not in self.session.recipe:
            file = self.session.exposures[self.session.active]
            about = " ".join([f"{file.name} as it was read.", *(f"{n}." for n in file.notes)])
            self.form.show("input", about, [], {}, {})
            self.control.children = ()
            return
        why = next((s.why for s in self._states() if s.step == name), "")
        self.form.show(**form_of(self.session, name), note=why)
        if self._special != name:
            self._special = name
            special = control_for(name)
            self.control.children = () if special is None else (special(self.session, name),)

    def _show_forms(self) -> None:
        self.forms.refresh(self.runs.busy)
        self.sources.refresh()
        self.said.refresh(self.runs.busy)

    def _show_history(self) -> None:
        self.journal.show([entry_of(e) for e in self.session.journal], attempts_of(self.session))
        self.journal.can_undo = self.session.can_undo
        self.journal.can_redo = self.session.can_redo

    def _show_actions(self) -> None:
        busy, pinned = self.runs.busy, self.session.pinned is not None
        several = len(self.session.exposures) > 1
        run_all = "Run the whole recipe" + (" on all exposures" if several else "")
        buttons: list[dict[str, Any]] = [
            _button("run-to-here", "Run to here", "play", busy, "Run up to the chosen step", "r"),
            _button(
                "rerun",
                "Rerun this step",
                "rerun",
                busy,
                "Run the chosen step alone, from the result before it",
                "R",
            ),
            _button("run-all", "Run all", "run-all", busy, run_all),
            _button("cancel", "Cancel", "stop", not busy, "Stop the run; what is finished is kept"),
            {
                "id": "running",
                "kind": "text",
                "value": self._elsewhere if busy else self._failed[0],
                "tooltip": "" if busy else self._failed[1],
            },
            {"id": "gap", "kind": "spacer"},
            _button("undo", "", "undo", not self.session.can_undo, "Undo", "u"),
            _button("redo", "", "redo", not self.session.can_redo, "Redo", "U"),
            {"id": "gap2", "kind": "spacer"},
            _button(
                "pin",
                "Unpin A" if pinned else "Pin as A",
                "pin",
                False,
                "Compare with A no more" if pinned else "Keep this result as A, to compare with it",
                "a",
            ),
            {
                "id": "compare",
                "kind": "select",
                "label": "compare",
                "tooltip": "How A is shown" if pinned else "Pin a result as A first",
                "value": self.session.look.compare,
                "options": list(COMPARES),
                "disabled": not pinned,
            },
            _button("save", "Save", "save", False, "Save products, the session or a script")
            | {"primary": True},
        ]
        self.actions.show(buttons, keys=KEYS, words=WORDS)

    def _tell_of_files(self) -> None:
        """Say at the start what was assumed, and which references stand in."""
        said = {e.text for e in self.session.journal}

        def warn(text: str) -> None:
            if text not in said:
                self.session.note("warning", text)

        notes = [f"{f.name}: {n}" for f in self.session.exposures for n in f.notes]
        try:
            nominal, crds = self.session.nominal(), self.session.crds_said()
        except JwinteractiveError as error:
            self._fail(error)
            return
        if crds:
            notes.append(crds)
        if nominal:
            notes.append(
                f"nominal references (detector averages, not for science): {', '.join(nominal)}"
            )
        for text in notes:
            warn(text)
        # native steps take nominal values, which are told above
        if any(s.enabled and s.step.startswith(OFFICIAL) for s in self.session.recipe):
            self.references.tell_stops(warn)

    # -- what the person asks for -------------------------------------------------------------

    def _upto(self) -> str:
        """Step whose product is shown."""
        return self.canvas.upto

    def _choose(self, step: str) -> None:
        self.session.see(step=step)

    def _enable(self, step: str, enabled: bool) -> None:
        self._try(self.session.enable, step, enabled)

    def _turn(self, name: str, value: Any) -> None:
        self.session.turn(self.session.look.step, **{name: value})

    def _set(self, name: str, value: Any) -> None:
        self.session.turn(self.session.look.step, **{name: value})
        self._resting()
        # a slider that is moved by keys rests after each: they are one edit, too
        self._resting = self._background.later(REST, self.session.rest)

    def _reset(self, name: str) -> None:
        step = self.session.look.step
        first = self.session.opened_with
        params = first[step].params if step in first else registry[step].params()
        self.session.set(step, **{name: getattr(params, name)})

    def _do(self, act: str, value: Any = None) -> None:
        """Act as a button or a key says."""
        look, session = self.session.look, self.session
        match act.split("-"):
            case ["next" | "previous" as way, "step"]:
                names = ["input", *(s.step for s in session.recipe)]
                at = names.index(look.step) if look.step in names else 0
                session.see(step=names[(at + (1 if way == "next" else -1)) % len(names)])
            case ["next" | "previous" as way, axis]:
                self.canvas.go(axis, 1 if way == "next" else -1)
            case ["run", "to", "here"]:
                self._run_to(look.step)
            case ["run", "all"]:
                self._start(lambda: session.run_all())
            case ["rerun"]:
                self._rerun(look.step)
            case ["cancel"]:
                self.runs.cancel()
            case ["undo"]:
                session.undo()
            case ["redo"]:
                session.redo()
            case ["pin"]:
                self._pin()
            case ["compare"]:
                session.see(compare=value)
            case ["blink" | "split" | "difference" as how]:
                if session.pinned is None:
                    text = "pin a result as A first (key a), then change something"
                    if not session.journal or session.journal[-1].text != text:
                        session.note("note", text)
                else:
                    session.see(compare="off" if look.compare == how else how)
            case ["fit"]:
                self.canvas.fit()
            case ["save"]:
                self.show_page("Take home")
            case ["take", "home"]:
                self.side.turn_to("Take home")
            case ["mask"]:
                self.side.turn_to("Mask")

    def _pin(self) -> None:
        if self.session.pinned is None:
            self._try(self.session.pin)
            self.session.note("note", f"pinned as A: {self._upto()} with the present parameters")
        else:
            self.session.see(compare="off")
            self.session.unpin()

    def _against(self, number: int) -> None:
        self._try(self.session.pin, number)
        self.session.see(compare="blink")

    def _restore(self, number: int) -> None:
        self._try(self.session.restore, number)

    def _run_to(self, step: str) -> None:
        if step == "input":
            self.session.note("note", "the input is read already: choose a step to run up to")
            return
        self._start(lambda: self.session.run(_running(self.session, step)))

    def _rerun(self, step: str) -> None:
        if step in self.session.recipe:
            self._start(lambda: self.session.rerun(step))

    def _compare_forms(self) -> None:
        """Run both forms of the chosen step, show what differs, and pin the other one as A."""
        step, panel = self.session.look.step, self.graphs.rivals
        hand_over = self._background.hand_over

        def work() -> None:
            found = None
            try:
                found = compare_rivals(self.session, step)
            finally:
                hand_over(self._compared_forms, found)

        if not self.runs.busy:
            panel.begin(step)
            self.graphs.show_rivals()
        self._start(work)

    def _compared_forms(self, found: Rivals | None) -> None:
        self.graphs.rivals.end(found)
        if found is not None and found.comparison is not None:
            self.session.note("note", f"{found.b.step}: {found.headline}")
            self.session.pin(settings=found.a.settings)
            self.session.see(compare="difference")

    def _start(self, work: Any) -> None:
        self._failed = ("", "")
        if not self.runs.start(work):
            self.session.note("note", "a run is in work: cancel it first, or wait for its end")
        self._show_forms()
        self._show_actions()

    def _ended(self, error: BaseException | None) -> None:
        if isinstance(error, Cancelled):
            self.session.note("note", "run cancelled; what was finished is kept")
        elif error is not None:
            self._fail(error)
            name = getattr(error, "step", "") or "run"  # the log may be out of sight
            self._failed = (f"{name} failed: see the log below", str(error))
        self._elsewhere = self._at_work = ""
        self._show_steps()
        self._show_forms()
        self._show_actions()

    def _try(self, act: Any, *given: Any) -> None:
        try:
            act(*given)
        except JwinteractiveError as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Say what went wrong: in the journal, and in the panel of the step that failed."""
        text = str(error) if isinstance(error, JwinteractiveError) else repr(error)
        if not self.session.journal or self.session.journal[-1].text != text:
            self.session.note("error", text)
        if isinstance(error, JwinteractiveError) and error.step:
            self._show_steps_later()

    def _show_steps_later(self) -> None:
        self._background.hand_over(self._show_steps)
        self._background.hand_over(self._show_form)

    def _written(self, text: str) -> None:
        """Say in the journal, too, what was taken home; what failed is said in place."""
        paths = text.removeprefix("written: ")
        if paths != text and paths not in self.session.journal[-1].text:
            self.session.note("save", text)

    def show_page(self, page: str) -> None:
        """Show a page of the side, such as "Parameters", "Mask" or "Take home"."""
        self.side.show(page)

    # -- coming back --------------------------------------------------------------------------

    def _keep_soon(self) -> None:
        """Write the session's folder once nothing has changed for a moment."""
        if self.session.folder is not None:
            self._saving()
            self._saving = self._background.later(QUIET, self._keep)

    def _keep(self) -> None:
        try:
            self.session.keep()
        except OutputError as error:
            self.session.folder = None  # say it once, not at every change
            self._fail(error)


def _first_choice(session: Session) -> str:
    """Step to open with: the one whose knobs matter most, else the last that shows at once."""
    running = [p.step for p in session.plan() if not p.skipped]
    names = [s.name for s in running]
    jump = session.recipe.name_of("jump")
    at_once = list(itertools.takewhile(lambda s: not s.filed, running)) or running[:1]
    return jump if jump in names else at_once[-1].name


def _running(session: Session, step: str) -> str:
    """The step, or the last running one before it."""
    names = [s.step for s in session.recipe]
    upto = names[: names.index(step) + 1]
    running = [p.step.name for p in session.plan() if not p.skipped and p.step.name in upto]
    return running[-1] if running else "input"


def _button(
    act: str, label: str, icon: str, disabled: bool, tooltip: str, shortcut: str = ""
) -> dict[str, Any]:
    return {
        "id": act,
        "kind": "button",
        "label": label,
        "icon": icon,
        "disabled": disabled,
        "shortcut": shortcut,
        "tooltip": tooltip,
    }


def _parts_of(widget: w.Widget) -> list[w.Widget]:
    """Return a widget with all that it holds, on screen or not: children, marks, scales."""
    found: dict[int, w.Widget] = {}
    left: list[Any] = [widget]
    while left:
        part = left.pop()
        if isinstance(part, w.Widget) and id(part) not in found:
            found[id(part)] = part
            left += [*vars(part).values(), *(getattr(part, name) for name in part.keys)]
        elif isinstance(part, list | tuple):
            left += part
        elif isinstance(part, dict):
            left += part.values()
    return list(found.values())
