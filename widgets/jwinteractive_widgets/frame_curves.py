"""Curves of the frame on screen: histogram, profile, power spectrum, spectrum, alone or against A.

They are computed on a worker, since some take half a second of a full frame, and run again with
every picture while their tab is open.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from jwinteractive import curves
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive.scene import Picture
from jwinteractive.session import Session
from jwinteractive.views import Frame, Plot, Table
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.canvas import Canvas

__all__ = ["FrameCurves"]

Line = tuple[tuple[int, int], tuple[int, int]]


class FrameCurves:
    """Makers of curves for tabs.

    Attributes
    ----------
    line
        Ends (y, x), (y, x) of the line that was drawn, or None.
    makers
        By title what gives the curve of a tab: the newest that is known.
    """

    def __init__(
        self,
        session: Session,
        background: Background,
        canvas: Canvas,
        ready: Callable[[], None],
    ) -> None:
        """Offer curves.

        Parameters
        ----------
        ready
            Called when a curve that a maker was asked for is there.
        """
        self._session, self._background, self._canvas = session, background, canvas
        self._ready = ready
        self._asked: dict[str, tuple[Picture, Any]] = {}
        self._made: dict[str, Plot | JwinteractiveError] = {}
        self.line: Line | None = None
        self.makers: dict[str, Callable[[], Plot | Table]] = {
            title: partial(self._newest, title) for title in _CURVES
        }

    def _newest(self, title: str) -> Plot | Table:
        """Return the curve that was made last, and ask for a newer one where there is need."""
        picture = self._canvas.picture
        if picture is None:
            raise InputError("no frame yet: wait for the first picture")
        look = self._session.look
        exposure = self._session.exposures[self._session.active].exposure
        shown = (picture.frame,) if picture.pair is None else picture.pair
        box, line, how = look.box, self.line, look.compare
        asked, of = self._asked.get(title, (None, None))
        if asked is not picture or of != (box, line, how):
            self._asked[title] = picture, (box, line, how)

            def work(_: threading.Event) -> Plot:
                made = [_CURVES[title](frame, box, line, exposure) for frame in shown]
                return made[0] if len(made) == 1 else curves.against(made[0], made[1], how)

            done = partial(self._keep, title)
            self._background.submit(work, done, partial(self._refuse, title), "curves")
        found = self._made.get(title)
        if isinstance(found, JwinteractiveError):
            raise found
        return found or Table(title=f"{title}: computing ...", columns=(), rows=())

    def _keep(self, title: str, made: Plot | JwinteractiveError) -> None:
        self._made[title] = made
        self._ready()

    def _refuse(self, title: str, error: BaseException) -> None:
        if not isinstance(error, JwinteractiveError):
            raise error
        self._keep(title, error)


def _profile(frame: Frame, box: Any, line: Line | None, exposure: Any) -> Plot:
    """Along the line that was drawn; else along the rows of the box or of what is shown."""
    if line is not None:
        return curves.line_profile(frame, *line)
    return curves.column_profile(frame, box)


_CURVES: dict[str, Callable[[Frame, Any, Line | None, Any], Plot]] = {
    "histogram": lambda frame, box, line, exposure: curves.histogram(frame, box),
    "profile": _profile,
    "power": lambda frame, box, line, exposure: curves.power_spectrum(frame, exposure, box),
    "spectrum": lambda frame, box, line, exposure: curves.spectrum(frame, box or frame.covers),
}
