"""The frame of a session's look: previews that follow knobs, pan and zoom, and finished results."""

from __future__ import annotations

import dataclasses as dc
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as w
from psygnal import Signal

from jwinteractive.curves import as_table, write_table
from jwinteractive.data import Box, Cube, Ramp, RateInts
from jwinteractive.errors import Cancelled, JwinteractiveError
from jwinteractive.scene import (
    Picture,
    Request,
    box_in_view,
    mended,
    picture,
    request_of,
    views_at,
)
from jwinteractive.session import Session
from jwinteractive.sky import Sky, sky_of
from jwinteractive.views import PLANE_TITLES
from jwinteractive_widgets.actions import Actions
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.drawing import Drawn
from jwinteractive_widgets.frame import FrameView
from jwinteractive_widgets.marks import MarkEdits
from jwinteractive_widgets.plots import free, slug

__all__ = ["Canvas"]

SETTLE = 0.25  # seconds without a turn after which held models are measured again
AT_REST = 1.0  # the same after a stroke: another often follows
LATE = 0.4  # seconds after which the old picture is said to be old
GLIMPSE = 512  # a larger box is first shown in part, around what is looked at


class Canvas(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The chosen view of the chosen product, with what chooses them.

    Attributes
    ----------
    picture
        What is on screen, or None.
    view
        The frame viewer.
    pictured
        Signal: each new picture.
    on_line, on_draw
        Called with the ends of a line, and with what is drawn on the frame.
    focus
        Pixel (y, x) that somebody works at, or None: shown first where a picture takes long.
    """

    pictured = Signal(Picture)

    def __init__(
        self,
        session: Session,
        background: Background,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.session = session
        self.picture: Picture | None = None
        self.on_line: Callable[[tuple[int, int], tuple[int, int]], None] = lambda *_: None
        self.on_draw: Callable[[Drawn], None] = lambda _: None
        self.focus: tuple[int, int] | None = None
        self._background, self._fail = background, fail
        self._asked: Request | None = None  # by the look
        self._newest: Request | None = None  # given to the worker, perhaps for a part of it
        self._settings = session.settings
        self._exactly: Callable[[], object] = lambda: None
        self._late: Callable[[], object] = lambda: None
        self._skies: dict[int, Sky] = {}
        self.bar = Actions(on_do=self._do, hand_over=background.hand_over)
        edits = MarkEdits(session, lambda: self.picture, self._refuse_mark)
        self.view = FrameView(
            on_pick=self._pick,
            on_box=lambda box: session.see(box=box),
            on_line=lambda start, stop: self.on_line(start, stop),
            on_window=lambda *window: session.see(window=window),
            on_axis=self._turn_axis,
            on_style=lambda changes: session.see(**changes),
            on_mark=edits,
            on_draw=lambda stroke: self.on_draw(stroke),
            read_out=self._read_out,
            hand_over=background.hand_over,
        )
        self.view.follow(session.look)
        self.view.window = list(session.look.window or ())
        super().__init__([self.bar, self.view])

    @property
    def upto(self) -> str:
        """Step whose product is shown."""
        try:
            return request_of(self.session).upto
        except JwinteractiveError:  # said where it is drawn
            return "input" if self._asked is None else self._asked.upto

    def refresh(self, knob: str = "") -> None:
        """Show what the session's look asks for."""
        try:
            request = request_of(self.session, knob, hold=True)
        except JwinteractiveError as error:
            self._fail(error)
            return
        request = self._for_all(request)
        self.view.follow(self.session.look)
        self.view.compare = request.compare if request.compare in ("blink", "split") else "off"
        settings, asked = self.session.settings, self._asked
        same = self._settings == settings
        if same and asked is not None and _covered(request, asked):
            return
        other = not (same and request.same_place(asked))
        self._settings, self._asked = settings, request
        self._show_bar(request)
        self._show_axes(request)
        self._exactly()
        big = request.box.shape[0] * request.box.shape[1] > 2 * GLIMPSE**2
        if big and other and not request.cheap:
            self._ask(dc.replace(request, box=self._glimpse(request.box)), then=request)
        else:
            self._ask(request)

    def _for_all(self, request: Request) -> Request:
        """Let a request cover what each display looks at, where there are several."""
        if len(self.view.windows) < 2:
            return request
        box, shape = request.box, self.session.input().shape
        for window in self.view.windows:
            box = box.hull(box_in_view(window, shape, 0.0))
        return dc.replace(request, box=box)

    def _glimpse(self, box: Box) -> Box:
        """Part of a large box around what is worked at, else the picked pixel, else its middle."""
        y, x = (box.y0 + box.y1) // 2, (box.x0 + box.x1) // 2
        for place in (self.session.look.pick, self.focus):
            if place is not None and Box.around(*place) in box:
                y, x = place
        return Box.around(y, x, GLIMPSE // 2).clip(box)

    def _ask(self, request: Request, then: Request | None = None) -> None:
        self.view.busy = True
        self._newest = request
        self._late()
        if self.picture is not None:
            self._late = self._background.later(LATE, self._say_late, request)

        earlier, goal = self.picture, then or request

        def work(cancel: threading.Event) -> Picture:
            try:
                if earlier is not None and request.hold:
                    made = mended(self.session, goal, earlier, cancel)
                    if made is not None:
                        return made
                return picture(self.session, request, cancel)
            except Cancelled:
                raise
            except JwinteractiveError as error:
                return self._before(error, request, cancel)

        def show(made: Picture) -> None:
            self._arrived(request)
            whole = then is None or made.mended
            self._show(made if whole else dc.replace(made, part=True))
            if self._newest is request:
                if whole:
                    self._newest = goal
                else:
                    self._ask(goal)

        def fail(error: BaseException) -> None:
            self._arrived(request)
            self._fail(error)

        self._background.submit(work, show, fail, "frame")

    def _arrived(self, request: Request) -> None:
        if self._newest is request:
            self._late()
            self.view.busy = False

    def _before(
        self, error: JwinteractiveError, request: Request, cancel: threading.Event
    ) -> Picture:
        """Show the last product before a step that failed: the rest goes on."""
        running = [p.step.name for p in self.session.plan() if not p.skipped]
        if error.step not in running:
            raise error
        at = running.index(error.step)
        upto = running[at - 1] if at else "input"
        made = picture(self.session, dc.replace(request, upto=upto, view=""), cancel)
        self._background.hand_over(self._fail, error)
        return dc.replace(made, failed=error.step)

    def _show(self, made: Picture) -> None:
        self.picture = made
        r = made.request
        file = self.session.exposures[r.exposure]
        ny, nx = made.frame.full_shape
        self.view.label = (
            f"{file.name} after {r.upto}: {made.frame.title}, {nx} by {ny} pixels; arrow keys pick "
            "a pixel, plus and minus zoom, 0 shows the whole frame"
        )
        source = f"{file.name} {r.upto} {r.view} {r.compare if made.other_frame is None else ''}"
        self.view.show(
            made.frame,
            other=made.other_frame,
            note=made.note,
            source=source,
            editable=made.edit is not None,
        )
        self.pictured.emit(made)
        self._exactly()
        if (made.glance.held or made.mended) and not made.part:
            wait = AT_REST if made.mended else SETTLE
            self._exactly = self._background.later(wait, self._ask_exactly)

    def _refuse_mark(self, error: BaseException) -> None:
        self._fail(error)
        self.view.tell_marks(refused=True)

    def _say_late(self, request: Request) -> None:
        """Say that what is on screen is not what was asked for, while that takes its time."""
        if self._newest is request and self.view.busy:
            self.view.say(f"as before; {request.upto} is on its way")

    def _ask_exactly(self) -> None:
        if self._asked is not None and self._newest == self._asked:
            self._ask(dc.replace(self._asked, hold=False))

    def _pick(self, y: int, x: int) -> None:
        self.focus = None
        self.session.see(pick=(y, x))

    # -- what chooses them --------------------------------------------------------------------

    def fit(self) -> None:
        """Show the whole frame."""
        self.view.fit()
        self.session.see(window=None)

    def go(self, axis: str, by: int) -> None:
        """Step along an axis: "group", "integration" or "exposure"; round at its end."""
        for a in self.view.axes:
            if a["name"] == axis:
                self._turn_axis(axis, (a["index"] + by) % a["size"])

    def _turn_axis(self, name: str, index: int) -> None:
        if name == "exposure":
            self.session.activate(index)
        else:
            self.session.see(**{name: index})

    def _do(self, act: str, value: Any = None) -> None:
        if act == "shown":
            self.session.see(shown="" if value == FOLLOW else value)
        elif act == "view":
            self.session.see(view=value)
        elif act == "table":
            self._save_table()

    def _save_table(self) -> None:
        """Write the pixels of the selected box, or of what is in view, as a table."""
        if self.picture is None:
            return
        made, look = self.picture, self.session.look
        root = self.session.exposures[made.request.exposure].exposure.filename
        path = free(Path(f"{root}_{slug(f'{made.request.upto} {made.frame.title}')}.ecsv"))
        box = look.box or box_in_view(look.window, made.frame.full_shape, 0.0)
        try:
            write_table(as_table(made.frame, box), path)
        except JwinteractiveError as error:
            self._fail(error)
        else:
            self.session.note("save", f"pixels written as a table: {path}")

    def _show_bar(self, request: Request) -> None:
        running = [p.step.name for p in self.session.plan() if not p.skipped]
        titles = [v.title for v in views_at(self.session, request.upto)]
        self.bar.show(
            [
                {
                    "id": "shown",
                    "kind": "select",
                    "label": "show after",
                    "tooltip": "Carry the change through to the product of a later step",
                    "value": self.session.look.shown or FOLLOW,
                    "options": [FOLLOW, "input", *running],
                },
                {
                    "id": "view",
                    "kind": "select",
                    "label": "view",
                    "value": request.view or titles[0],
                    "options": titles,
                },
                {
                    "id": "table",
                    "kind": "button",
                    "label": "",
                    "icon": "save",
                    "tooltip": "save the pixels of the selected box, or in view, as a table",
                },
            ]
        )

    def _show_axes(self, request: Request) -> None:
        source = self.session.input()
        nint = len(source.data) if isinstance(source, Ramp | RateInts) else 1
        ngroup = source.data.shape[1] if isinstance(source, Ramp) else 1
        wavelengths = source.wavelengths if isinstance(source, Cube) else ()
        title = request.view or views_at(self.session, request.upto)[0].title
        nplane = len(source.data) if isinstance(source, Cube) and title in PLANE_TITLES else 1
        axes = [
            ("group", ngroup, request.group % ngroup),
            ("integration", nint, min(request.integration, nint - 1)),
            ("plane", nplane, min(request.plane, nplane - 1)),
            ("exposure", len(self.session.exposures), request.exposure),
        ]
        words = [f"{v:.6g} um" for v in wavelengths] if len(wavelengths) == nplane else []
        self.view.axes = [
            {"name": name, "size": size, "index": index, "label": name}
            | ({"words": words} if name == "plane" and words else {})
            for name, size, index in axes
            if size > 1
        ]

    def _read_out(self, y: int, x: int) -> str:
        number = self.session.active
        if number not in self._skies:
            file = self.session.exposures[number]
            sky = self._skies[number] = sky_of(file.path, file.exposure.slit)
            # a gwcs takes seconds to load
            self._background.submit(lambda _: sky.load(), lambda _: None, self._fail, "sky")
        sky = self._skies[number]
        return sky.words(y, x) if sky.ready else ""


FOLLOW = "the chosen step"


def _covered(request: Request, asked: Request) -> bool:
    """Whether a picture that was asked for shows what a request wants, and more around it."""
    return (
        request.box in asked.box
        and dc.replace(request, box=asked.box, knob=asked.knob, hold=asked.hold) == asked
    )
