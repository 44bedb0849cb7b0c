"""The present recipe on all exposures, or on other files, in processes of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as w

from jwinteractive.batch import Batch, Row, Running, grouped, run_batch, write_summary
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive.plan import open_files
from jwinteractive.session import Session

__all__ = ["BatchPanel"]


class BatchPanel(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Applies the recipe of the session to many exposures, and shows how far each is.

    Parameters
    ----------
    hand_over
        Calls a function with arguments on the thread that may touch widgets.
    fail
        Is told there what went wrong.

    Attributes
    ----------
    folder, files, workers
        Where to; a pattern of other files than those of the session; processes, 0 for a core each.
    resume
        Whether what was finished with these settings is left alone.
    apply, stop
        Buttons.
    list
        A line for each exposure.
    made
        How the last batch ended, or None.
    """

    def __init__(
        self,
        session: Session,
        hand_over: Callable[..., object],
        fail: Callable[[BaseException], object],
    ) -> None:
        self.session, self._hand_over, self._fail = session, hand_over, fail
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None
        self.made: Batch | None = None
        narrow = {"description_width": "72px"}
        self.folder = w.Text(value="batch", description="folder", style=narrow)
        self.files = w.Text(
            description="files",
            placeholder="these exposures, or a pattern: data/*_uncal.fits",
            style=narrow,
        )
        self.workers = w.BoundedIntText(
            min=0, max=256, description="processes", tooltip="0: a core each", style=narrow
        )
        self.resume = w.Checkbox(
            value=True,
            description="leave alone what is finished with these settings",
            indent=False,
        )
        self.apply = w.Button(
            description="Apply to all exposures",
            tooltip="Reduce them with the present recipe, in processes of their own",
        )
        self.stop = w.Button(description="Stop", tooltip="What is finished is kept", disabled=True)
        self.apply.on_click(lambda _: hand_over(self.begin))
        self.stop.on_click(lambda _: self._cancel.set())
        self.said, self.list = w.HTML(), w.HTML()
        super().__init__(
            [
                w.HTML('<div class="jwi-title" role="heading" aria-level="3">All exposures</div>'),
                self.folder,
                self.files,
                self.workers,
                self.resume,
                w.HBox([self.apply, self.stop]),
                self.said,
                self.list,
            ]
        )
        self.add_class("jwi-takehome")
        self.add_class("jwi-batch")

    def begin(self) -> None:
        """Start a batch with the settings as they are now; knobs may turn meanwhile."""
        if self._thread is not None:
            return
        s = self.session
        s.rest()
        now = s.recipe, s.references
        pattern, folder = self.files.value.strip(), Path(self.folder.value.strip() or "batch")
        workers, resume = self.workers.value, self.resume.value
        try:
            paths = _matching(pattern) if pattern else [f.path for f in s.exposures]
        except JwinteractiveError as error:
            self._fail(error)
            return
        opened = {
            file.path: [f for f in s.exposures if f.path == file.path] for file in s.exposures
        }

        def prepare(some: list[Path]) -> Session:
            found = [f for p in some for f in opened.get(p.absolute()) or open_files(p)]
            return Session(found, *now)

        def work() -> None:
            made: Batch | BaseException
            try:
                groups, failed = grouped(paths, prepare)
                made = run_batch(
                    groups,
                    folder,
                    failed=failed,
                    workers=workers,
                    resume=resume,
                    overwrite=True,
                    report=lambda running: self._hand_over(self._show, running),
                    cancel=self._cancel,
                )
                write_summary(made, folder)
            except Exception as error:  # whatever it is, it must reach the person who waits
                made = error
            self._hand_over(self._ended, made, folder)

        self._cancel.clear()
        self.apply.disabled, self.stop.disabled, self.made = True, False, None
        self.said.value, self.list.value = "the processes start ...", ""
        self._thread = threading.Thread(target=work, name="batch", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the batch in work is at its end."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop the batch in work; what is finished is kept."""
        self._cancel.set()
        super().close()

    def _show(self, running: Running) -> None:
        left = f", about {running.left:.0f} s left" if running.left == running.left else ""
        self.said.value = f"{running.done} of {len(running.rows)}{left}; {escape(running.said)}"
        rows = sorted(running.rows.values(), key=lambda row: row.name)
        self.list.value = _lines(rows, running)

    def _ended(self, made: Batch | BaseException, folder: Path) -> None:
        self._thread = None
        self.apply.disabled, self.stop.disabled = False, True
        if isinstance(made, BaseException):
            self.said.value = f'<span class="jwi-batch-bad">{escape(str(made))}</span>'
            self._fail(made)
            return
        self.made = made
        page = folder / "batch.html"
        text = f"{len(made.rows) - len(made.failed)} of {len(made.rows)} exposures reduced"
        self.said.value = f"{text} in {made.seconds:.0f} s; pictures: {escape(str(page))}"
        self.list.value = _lines(made.rows, None)
        self.session.note("save", f"batch: {text}: {page}")


def _matching(pattern: str) -> list[Path]:
    """Files of a pattern, or the raw exposures of a folder."""
    path = Path(pattern)
    if path.is_dir():
        path = path / "*_uncal.fits"
    found = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    if not found:
        raise InputError(f"{path}: no file matches: give a pattern such as data/*_uncal.fits")
    return found


def _lines(rows: tuple[Row, ...] | list[Row], running: Running | None) -> str:
    return f'<div class="jwi-batch-list">{"".join(_line(row, running) for row in rows)}</div>'


def _line(row: Row, running: Running | None) -> str:
    name, state = escape(row.name), escape(row.state)
    if running is not None and row.state == "waiting" and row.path in running.parts:
        part = running.parts[row.path]
        bar = f'<progress max="1" value="{part:.3f}" aria-label="{name}"></progress>'
        return f"<div><span>{name}</span>{bar}</div>"
    good = row.state in ("done", "kept", "waiting")
    word = f'<span class="jwi-batch-{"good" if good else "bad"}">{state}</span>'
    why = f'<div class="jwi-quiet">{escape(row.why)}</div>' if row.why else ""
    return f"<div><span>{name}</span>{word}{why}</div>"
