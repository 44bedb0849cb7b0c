"""Runs on a thread of their own, one at a time, so that previews go on beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jwinteractive.session import Session

__all__ = ["Runs"]


class Runs:
    """Starts runs of a session and tells when they end.

    Parameters
    ----------
    hand_over
        Calls a function with arguments on the thread that may touch widgets.
    ended
        Called there with the error of a run, or None if it ended well.
    """

    def __init__(
        self,
        session: Session,
        hand_over: Callable[..., None],
        ended: Callable[[BaseException | None], None],
    ) -> None:
        self._session, self._hand_over, self._ended = session, hand_over, ended
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a run is in work."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, work: Callable[[], object]) -> bool:
        """Run ``work`` unless a run is in work; return whether it was started."""
        if self.busy:
            return False
        self._thread = threading.Thread(target=self._work, args=(work,), name="run", daemon=True)
        self._thread.start()
        return True

    def cancel(self) -> None:
        """Stop the run in work; what it has finished is kept."""
        if self.busy:
            self._session.cancel()

    def _work(self, work: Callable[[], object]) -> None:
        error: BaseException | None = None
        try:
            with self._session.at_work():
                work()
        except Exception as failure:  # whatever it is, it must reach the person who waits
            error = failure
        self._thread = None
        self._hand_over(self._ended, error)
