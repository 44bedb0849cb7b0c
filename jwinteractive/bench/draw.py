"""From a hand on the frame to the mask on the screen, and to the picture that follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jwinteractive.bench.browser import CANVAS, PAUSE, REPEATS, WINDOW, lab_page, spread
from jwinteractive.bench.chromium import Page
from jwinteractive.bench.rows import Row, row, simulated
from jwinteractive.errors import JwinteractiveError

__all__ = ["BUDGET_MS", "mask_preview", "mask_stroke"]

BUDGET_MS = {"stroke": 50, "overlay": 60, "applied": 150, "preview": 150, "whole": 150}
"""A move to its draft; a mask of Python to its pixels; the end of a stroke to the mask with it; to
the rate with it, of the 512 x 512 pixels in view, and of those around it with all in view."""

SIZE = 2048
BRUSH = 40  # pixels of the exposure
STROKES = 6


def mask_stroke() -> Row:
    """Draw with a brush on 2048 x 2048 pixels shown whole, under a mask of 1 % of them.

    The time is that from a move of the pointer to its changed picture; beside it, the figures of
    `BUDGET_MS` as medians and 95th percentiles.
    """
    try:
        with lab_page() as page:
            detail = _measured(page)
    except JwinteractiveError as error:
        return row("mask_stroke", None, None, accuracy={"skipped": str(error)})
    accuracy = _told(detail, "stroke", "overlay", "applied")
    accuracy["overlay_bytes"] = detail["bytes"]
    return row(
        "mask_stroke", detail["stroke"]["median_ms"] / 1000, None, accuracy=accuracy, detail=detail
    )


def _told(detail: dict[str, Any], *names: str) -> dict[str, Any]:
    accuracy: dict[str, Any] = {}
    for name in names:
        accuracy[f"{name}_ms"] = detail[name]["median_ms"]
        accuracy[f"{name}_p95_ms"] = detail[name]["p95_ms"]
        accuracy[f"{name}_budget_ms"] = BUDGET_MS[name]
    return accuracy


def mask_preview() -> Row:
    """Draw on the rate of 1 x 10 x 2048 x 2048 in the workbench until the picture follows.

    Every step from `dq_init` on is computed again for what is in view, from the raw samples.
    """
    try:
        path, _ = simulated()
        with lab_page() as page:
            detail = {
                "preview": _followed(page, path, WINDOW, 512),
                "whole": _followed(page, path, None, SIZE),
            }
    except JwinteractiveError as error:
        return row("mask_preview", None, None, accuracy={"skipped": str(error)})
    accuracy = _told(detail, "preview", "whole")
    return row(
        "mask_preview",
        detail["preview"]["median_ms"] / 1000,
        None,
        accuracy=accuracy,
        detail=detail,
    )


def _followed(page: Page, path: Path, window: Any, side: int) -> dict[str, Any]:
    canvas = json.dumps(CANVAS)
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from jwinteractive_widgets import benchmark, mask_studio\n"
        f"session = benchmark.reduced({str(path)!r}, {window})\n"
        f"bench = mask_studio(session)\nbench.canvas.view.brush = {max(side // 50, 1)}\nbench"
    )
    page.value(f"jwiBench.show({json.dumps(code)}, {canvas}, 240000)")
    page.value("jwiBench.pause(3000)")
    spent = []
    for i in range(STROKES + 2):
        mouse = _hand(page, canvas)
        part = 0.1 + 0.1 * i
        mouse("mousePressed", part, 1)
        mouse("mouseMoved", part + 0.02, 1)
        page.value(f"jwiBench.pause({PAUSE * 8})")  # what the moves gave is there
        # the stroke grows by its last piece, so that the picture must change
        mouse("mouseMoved", part + 0.05, 1)
        spent.append(_timed(page, "jwiBench.repictured()", mouse, "mouseReleased", part + 0.05))
        page.value(f"jwiBench.pause({PAUSE * 10})")
    return spread(spent[2:])


def _measured(page: Page) -> dict[str, Any]:
    canvas = json.dumps(CANVAS)
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from jwinteractive_widgets import benchmark\nsent = benchmark.Sent()\n"
        f"easel = benchmark.Easel({SIZE}, {BRUSH})\neasel.widget"
    )
    page.value(f"jwiBench.show({json.dumps(code)}, {canvas})")
    page.value("jwiBench.pause(1500)")
    found: dict[str, Any] = {}
    shown = []
    page.value("jwiBench.ask('sent.take()')")
    for i in range(REPEATS + 2):
        call = f"'easel.turn({i % 2 == 0})', {json.dumps(i % 2 == 0)}, {canvas}"
        shown.append(float(page.value(f"jwiBench.toPixels({call})")))
        page.value(f"jwiBench.pause({PAUSE})")
    found["bytes"] = round(page.value("jwiBench.ask('sent.take()')") / (REPEATS + 2))
    # the first two compile and load code
    found["overlay"] = spread(shown[2:])
    moves, ends = [], []
    for _ in range(STROKES):
        spent, end = _stroke(page, canvas)
        moves += spent
        ends.append(end)
    found["stroke"], found["applied"] = spread(moves), spread(ends[1:])
    return found


def _stroke(page: Page, canvas: str) -> tuple[list[float], float]:
    """Across the middle: ms from each move to its picture, and from the end to the mask."""
    mouse = _hand(page, canvas)
    page.value("jwiBench.ask('easel.wipe()')")
    page.value("jwiBench.pause(400)")
    mouse("mousePressed", 0.0, 1)
    page.value("jwiBench.pause(200)")
    moves = []
    for i in range(1, REPEATS + 1):
        moves.append(_timed(page, f"jwiBench.follows({canvas})", mouse, "mouseMoved", i / REPEATS))
    end = _timed(page, f"jwiBench.applied({canvas})", mouse, "mouseReleased", 1.0)
    return moves, end


def _hand(page: Page, canvas: str) -> Any:
    """Mouse that goes across the middle of the canvas, from part 0 to 1 of its way."""
    where = f"(({{x, y, width, height}}) => [x, y, width, height])({_box(canvas)})"
    x, y, width, height = page.value(where)

    def mouse(kind: str, part: float, buttons: int) -> None:
        page.call(
            "Input.dispatchMouseEvent", type=kind, button="left", buttons=buttons, clickCount=1,
            x=x + width / 2 + height * (0.6 * part - 0.3), y=y + height * (0.3 + 0.4 * part),
        )  # fmt: skip

    return mouse


def _box(canvas: str) -> str:
    return f"jwiBench.canvas({canvas}).getBoundingClientRect()"


def _timed(page: Page, watch: str, mouse: Any, kind: str, part: float) -> float:
    """Start to watch, act, and return what was watched."""
    page.value(f"void (window.jwiWatched = {watch})")
    mouse(kind, part, 1 if kind == "mouseMoved" else 0)
    return float(page.value("window.jwiWatched"))
