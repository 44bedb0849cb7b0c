"""Bad pixels measured over many exposures: thresholds, what they find and what chance finds."""

from __future__ import annotations

import dataclasses as dc
import glob
import math
import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from jwinteractive.badpix import (
    BadpixParams,
    Evidence,
    classify,
    expected_false,
    gather,
    level_of,
    mirrored,
)
from jwinteractive.badpix.layers import SELFCAL, day_of, layers_of, measured_mask, selfcal_layer
from jwinteractive.badpix.selfcal import SelfcalParams, selfcal
from jwinteractive.badpix.stack import open_rate
from jwinteractive.chain import Progress
from jwinteractive.data import Array, Exposure
from jwinteractive.errors import InputError, JwinteractiveError
from jwinteractive.masks import Layer, Mask
from jwinteractive.params import Params
from jwinteractive.session import Session
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.form import ParamForm, form_of_params

__all__ = ["MaskStatistics"]

REST = 0.8  # seconds without a turn after which a slider's moves are one edit


@dc.dataclass(frozen=True)
class _Sorted:
    """Pixels by class with the present thresholds, and how many noise would put there."""

    params: BadpixParams
    found: dict[str, Array]
    chance: dict[str, float]
    mirror: dict[str, float]


class MaskStatistics(w.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Page that measures exposures and turns classes of bad pixels into layers.

    The layers follow the sliders from then on, with the numbers by chance.

    Attributes
    ----------
    method
        "noise", or "badpix_selfcal", the official algorithm.
    evidence
        What was measured by noise, or None.
    params, shares
        The present thresholds, and the parameters of the official algorithm.
    """

    def __init__(
        self, session: Session, background: Background, fail: Callable[[BaseException], None]
    ) -> None:
        """Work on lanes "measure" and "thresholds" of ``background``."""
        self.session, self._background, self._fail = session, background, fail
        self.evidence: Evidence | None = None
        self.params = BadpixParams()
        self.shares = SelfcalParams()
        self._cancel: threading.Event | None = None
        self._resting: Callable[[], object] = lambda: None
        hand_over = background.hand_over
        self.source = w.Text(
            placeholder="the exposures of this session",
            description="files",
            tooltip="Files, patterns (*) or folders, parted by blanks; empty: the session's own",
            continuous_update=False,
            style={"description_width": "36px"},
            layout=w.Layout(width="auto"),
        )
        self.method = w.Dropdown(
            options=[("thresholds of noise", "noise"), ("official badpix_selfcal", SELFCAL)],
            description="by",
            tooltip="How bad pixels are told",
            style={"description_width": "36px"},
            layout=w.Layout(width="auto"),
        )
        self.method.observe(lambda _: hand_over(self._other_method), "value")
        self.button = w.Button(
            description="Measure",
            tooltip="Read all exposures, a strip of each at a time",
            button_style="primary",
            layout=w.Layout(width="auto"),
        )
        self.button.on_click(lambda _: hand_over(self._press))
        self.said = w.HTML()
        self.table = w.HTML()
        self.table.add_class("jwi-mask-table-box")
        self.form = ParamForm(
            on_set=self._set, on_commit=self._commit, on_reset=self._reset, hand_over=hand_over
        )
        self.form.layout.display = "none"
        parts = [self.source, self.method, self.button, self.said, self.table, self.form]
        super().__init__(parts)
        self.add_class("jwi-mask-page")
        self._show_form()

    # -- measuring ----------------------------------------------------------------------------

    def _press(self) -> None:
        if self._cancel is not None:
            self._cancel.set()
            return
        try:
            source = self._source()
        except JwinteractiveError as error:
            self._say(str(error), bad=True)
            return
        if self.method.value == SELFCAL:
            self._measure_shares(source)
            return
        own = self._cancel = threading.Event()
        self.button.description = "Cancel"
        self._say("measuring …")

        def tell(progress: Progress) -> None:
            left = f", {progress.left:.0f} s left" if progress.left >= 1 else ""
            text = f"measuring: {progress.done} of {progress.total} strips{left}"
            self._background.hand_over(self._say, text)

        def work(_: threading.Event) -> tuple[Evidence, _Sorted]:
            evidence = gather(source, report=tell, cancel=own)
            return evidence, _sorted(evidence, self.params)

        def done(result: tuple[Evidence, _Sorted]) -> None:
            self._ended()
            self.evidence, made = result
            self._say(_about(self.evidence))
            self.form.layout.display = ""
            self._take(made)
            self.session.rest()

        def failed(error: BaseException) -> None:
            self._ended()
            if not isinstance(error, JwinteractiveError):
                self._fail(error)
            self._say(str(error), bad=True)

        self._background.submit(work, done, failed, "measure")

    def _measure_shares(self, source: Session | list[Path]) -> None:
        """Let the official algorithm flag its shares of the pixels."""
        paths = [f.path for f in source.exposures] if isinstance(source, Session) else source
        p = self.shares
        self.button.disabled = True
        self._say("measuring …")

        def done(plane: Array) -> None:
            self.button.disabled = False
            layer = selfcal_layer(plane, [path.name for path in paths], p)
            self._say(f"{layer.count:,} pixels of {len(paths)} exposures: a fixed share")
            self.table.value = ""
            self._flag((layer,), open_rate(paths[0]).exposure, layer.pixels.shape)
            self.session.rest()

        def failed(error: BaseException) -> None:
            self.button.disabled = False
            if not isinstance(error, JwinteractiveError):
                self._fail(error)
            self._say(str(error), bad=True)

        self._background.submit(lambda _: selfcal(paths, p), done, failed, "measure")

    def _other_method(self) -> None:
        own = self.method.value == SELFCAL
        self.form.layout.display = "" if own or self.evidence is not None else "none"
        self._show_form()

    def _ended(self) -> None:
        self._cancel = None
        self.button.description = "Measure"

    def _source(self) -> Session | list[Path]:
        text = str(self.source.value).strip()
        if not text:
            if len(self.session.exposures) < 2:
                raise InputError(
                    "the session has one exposure: name files of the same detector, such as "
                    "*_rate.fits, or open several"
                )
            return self.session
        return found_files(text)

    # -- what was found -----------------------------------------------------------------------

    def _take(self, made: _Sorted) -> None:
        """Show what there is with some thresholds, and have it in the mask."""
        if self.evidence is None or made.params != self.params:
            return  # another value is on its way
        self.table.value = _table(made)
        layers = layers_of(made.found, self.evidence, made.params)
        evidence = self.evidence
        self._flag(layers, evidence.exposure, evidence.shape, day_of(evidence))

    def _flag(
        self, layers: tuple[Layer, ...], exposure: Exposure, shape: tuple[int, int], day: str = ""
    ) -> None:
        """Have layers in the mask of the detector that was measured."""
        try:
            mask = self._mask(exposure, shape)
            self.session.turn_mask(measured_mask(mask, layers, day))
        except JwinteractiveError as error:
            self._say(str(error), bad=True)

    def _mask(self, exposure: Exposure, shape: tuple[int, int]) -> Mask:
        for number in range(len(self.session.exposures)):
            mask = self.session.mask(number)
            if mask.shape == shape and not mask.misfit(exposure, shape):
                return mask
        return Mask.of(exposure, shape)

    def _sort(self) -> None:
        """Sort the pixels anew, by the present thresholds."""
        evidence, params = self.evidence, self.params
        if evidence is None:
            return
        self._background.submit(
            lambda _: _sorted(evidence, params), self._take, self._fail, "thresholds"
        )

    # -- thresholds ---------------------------------------------------------------------------

    def _show_form(self) -> None:
        p: Params = self.shares if self.method.value == SELFCAL else self.params
        title = SELFCAL if p is self.shares else "thresholds"
        self.form.show(**form_of_params(title, p))

    def _set(self, name: str, value: Any) -> None:
        if self.method.value == SELFCAL:  # measured again when asked: it takes seconds
            self.shares = self.shares.replace(**{name: value})
            self._show_form()
            return
        self.params = self.params.replace(**{name: value})
        self._show_form()
        self._sort()

    def _commit(self, name: str, value: Any) -> None:
        self._set(name, value)
        self._resting()
        self._resting = self._background.later(REST, self.session.rest)

    def _reset(self, name: str) -> None:
        p: Params = self.shares if self.method.value == SELFCAL else self.params
        self._commit(name, getattr(type(p)(), name))

    def _say(self, text: str, bad: bool = False) -> None:
        kind = 'class="jwi-takehome-error" role="alert"' if bad else 'role="status"'
        self.said.value = f"<div {kind}>{escape(text)}</div>"


def found_files(text: str) -> list[Path]:
    """Files that words name: paths, patterns, folders (their rate files).

    Raises
    ------
    InputError
        If a word names nothing.
    """
    found: list[Path] = []
    for word in text.split():
        path = Path(word).expanduser()
        if path.is_dir():
            some = sorted(path.glob("*_rate.fits")) or sorted(path.glob("*_cal.fits"))
        else:
            some = [Path(p) for p in sorted(glob.glob(str(path)))]  # noqa: PTH207  # any folder
        if not some:
            raise InputError(
                f"{word}: names no files; give paths, patterns such as *_rate.fits, or "
                "a folder of rates"
            )
        found += some
    return list(dict.fromkeys(found))


def _sorted(evidence: Evidence, params: BadpixParams) -> _Sorted:
    return _Sorted(
        params,
        classify(evidence, params),
        expected_false(evidence, params),
        mirrored(evidence, params),
    )


def _about(evidence: Evidence) -> str:
    n = len(evidence.names)
    ny, nx = evidence.shape
    said = [
        f"{n} exposures of {evidence.exposure.detector}, {nx} × {ny}: {level_of(evidence)}",
        *evidence.notes,
    ]
    if evidence.ramps is None:
        said.append(
            "rates alone tell nothing of RC, TELEGRAPH and NONLINEAR: measure ramps for these"
        )
    return ". ".join(said)


def _table(made: _Sorted) -> str:
    rows = []
    for name, plane in made.found.items():
        chance, mirror = made.chance[name], made.mirror.get(name)
        if math.isnan(chance) and not plane.any():
            continue  # what was measured cannot tell
        few = (
            "&lt; 0.01" if chance < 0.01 else f"{chance:.2g}" if chance < 100 else f"{chance:,.0f}"
        )
        told = "" if math.isnan(chance) else few
        below = "" if mirror is None else f"{mirror:.0f}"
        rows.append(
            f"<tr><td>{name}</td><td>{int(plane.sum()):,}</td><td>{told}</td><td>{below}</td></tr>"
        )
    return (
        '<table class="jwi-mask-table"><thead><tr><th>class</th><th>pixels</th>'
        '<th title="false flags that Gaussian noise alone is expected to give">noise</th>'
        '<th title="pixels as far below their surroundings: an upper limit of false flags">'
        f"mirror</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
