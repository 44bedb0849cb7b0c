"""From a change to repainted pixels: a real JupyterLab, a real kernel and a headless Chromium.

What is timed runs inside the page (``page.js``); times are medians and 95th percentiles in ms.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files as packaged
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from jwinteractive.bench.chromium import Page, chromium_path
from jwinteractive.bench.rows import Row, row, simulated
from jwinteractive.errors import JwinteractiveError
from jwinteractive.server import environment, free_port, quiet_options, wait_for

__all__ = ["knob", "official_panels", "viewer"]

# where things are in the page
CANVAS = ".jwi-canvas"
ANY_CANVAS = {"ours": CANVAS, "ImageGL": ".bqplot canvas", "glue": ".bqplot canvas"}
THRESHOLD = ".jwi-form [data-name=likelihood_threshold] input[type=range]"
STRETCH = ".jwi-tools select[title=stretch]"
RAMP = ".jwi-ramp svg"

PEERS = {
    "ImageGL": ("bqplot-image-gl", "bqplot_image_gl"),
    "glue": ("glue-jupyter", "glue_jupyter"),
}
SIZES = (512, 2048)
WINDOW = (768.0, 768.0, 1280.0, 1280.0)  # 512 x 512 pixels of 2048 x 2048
REPEATS = 24
PAUSE = 120  # ms between two changes: each starts from rest


@contextlib.contextmanager
def lab_page() -> Iterator[Page]:
    """A page of JupyterLab on an empty notebook whose kernel is idle.

    Raises
    ------
    JwinteractiveError
        If there is no JupyterLab or no Chromium.
    """
    path = chromium_path()
    if path is None:
        raise JwinteractiveError(
            "no Chromium: install chromium, or run  playwright install chromium"
        )
    for name in ("jupyterlab", "anywidget", "bqplot", "websocket"):
        if find_spec(name) is None:
            raise JwinteractiveError(
                f"{name}: not installed; run  pip install 'jwinteractive[lab]'"
            )
    with contextlib.ExitStack() as stack:
        made = tempfile.TemporaryDirectory(
            prefix="jwinteractive-bench-", ignore_cleanup_errors=True
        )
        home = Path(stack.enter_context(made))
        for name in ("work", "runtime", "chromium"):
            (home / name).mkdir()
        (home / "work" / "bench.ipynb").write_text(json.dumps(_empty_notebook()))
        own = {
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        }
        line = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
        line += [*quiet_options(home / "work"), f"--ServerApp.port={free_port()}"]
        with (home / "jupyter.log").open("w") as log:
            process = subprocess.Popen(line, env=environment() | own, stdout=log, stderr=log)
        stack.callback(_end, process)
        server = wait_for(process, home / "runtime")
        page = stack.enter_context(Page(path, home / "chromium"))
        page.before_every_page((packaged("jwinteractive") / "bench" / "page.js").read_text())
        page.go(f"{server.url}lab/tree/bench.ipynb?reset&token={server.token}")
        page.value("new Promise(done => addEventListener('load', done, {once: true}))")
        page.value("jwiBench.ready()")
        page.value("jupyterapp.shell.collapseLeft()")
        yield page


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _empty_notebook() -> dict[str, Any]:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cell: dict[str, Any] = {
        "cell_type": "code", "execution_count": None, "id": "only", "metadata": {},
        "outputs": [], "source": "",
    }  # fmt: skip
    told = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": [cell], "metadata": told, "nbformat": 4, "nbformat_minor": 5}


def spread(times: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile in ms."""
    return {
        "median_ms": round(float(np.median(times)), 1),
        "p95_ms": round(float(np.percentile(times, 95)), 1),
        "n": len(times),
    }


def _repeated(once: Callable[[int], float], page: Page, times: int = REPEATS) -> dict[str, float]:
    """Spread of a timing; the first two, in which code is compiled and loaded, are not counted."""
    spent = []
    for i in range(times + 2):
        spent.append(once(i))
        page.value(f"jwiBench.pause({PAUSE})")
    return spread(spent[2:])


def _stretched(page: Page, i: int) -> float:
    """From another stretch chosen above the frame to its pixels, in ms."""
    how = (
        f"() => {{ const s = document.querySelector({json.dumps(STRETCH)});"
        f" s.value = {json.dumps(('log', 'linear')[i % 2])}; jwiBench.commit(s); }}"
    )
    return float(page.value(f"jwiBench.act({how}, {json.dumps(CANVAS)})"))


# -- viewer ------------------------------------------------------------------------------------


def viewer() -> Row:
    """Frame viewers: from a changed array in Python to its pixels, ours and others' in turn."""
    try:
        with lab_page() as page:
            detail = {
                name: _measured(page, name) if _is_there(name) else "not installed"
                for name in ("ours", *PEERS)
            }
    except JwinteractiveError as error:
        return row("viewer", None, None, accuracy={"skipped": str(error)})
    big = f"{SIZES[-1]}"
    own = detail["ours"]
    assert isinstance(own, dict)
    accuracy: dict[str, Any] = {
        "stretch_ms": own[big]["stretch"]["median_ms"],
        "bytes": own[big]["bytes"],
    }
    times: dict[str, float | None] = {}
    for name, (package, _) in PEERS.items():
        measured = detail[name]
        times[name] = (
            measured[big]["change"]["median_ms"] / 1000 if isinstance(measured, dict) else None
        )
        if times[name] is None:
            accuracy[package] = "not installed"
    mine = own[big]["change"]["median_ms"] / 1000
    if (slower := times["glue"]) is not None:
        accuracy["ratio_to_glue"] = round(slower / mine, 2)
    return row("viewer", mine, times["ImageGL"], accuracy=accuracy, detail=detail)


def _is_there(name: str) -> bool:
    return name not in PEERS or find_spec(PEERS[name][1]) is not None


def _measured(page: Page, name: str) -> dict[str, Any]:
    """All figures of one viewer, by the size of the frame."""
    canvas = json.dumps(ANY_CANVAS[name])
    found: dict[str, Any] = {}
    for size in SIZES:
        code = (
            "import warnings; warnings.simplefilter('ignore')\n"
            "from jwinteractive_widgets import benchmark\n"
            "if 'sent' not in globals():\n    sent = benchmark.Sent()\n"
            f"seen = benchmark.VIEWERS[{name!r}]({size})\nseen.widget"
        )
        page.value(f"jwiBench.show({json.dumps(code)}, {canvas})")
        page.value("jwiBench.pause(1500)")
        page.value("jwiBench.ask('sent.take()')")

        def change(i: int) -> float:
            bright = json.dumps(i % 2 == 0)  # the picture that is there first is dark
            return float(page.value(f"jwiBench.toPixels('seen.turn({i + 1})', {bright}, {canvas})"))

        told = {"change": _repeated(change, page)}
        sent = page.value("jwiBench.ask('sent.take()')")
        told["bytes"] = round(sent / (REPEATS + 2))
        if name == "ours":

            def from_python(i: int) -> float:
                log = i % 2 == 0
                call = f"'seen.set_stretch({log})', {json.dumps(log)}, {canvas}"
                return float(page.value(f"jwiBench.toPixels({call})"))

            page.value("jwiBench.ask('seen.set_stretch(False)')")
            page.value("jwiBench.pause(500)")
            told["stretch_from_python"] = _repeated(from_python, page)
            told["stretch"] = _repeated(lambda i: _stretched(page, i), page)
        for rate in (30, 60):
            call = f"jwiBench.zooming({canvas}, {rate}, 2)"
            told[f"redraws_per_s_at_{rate}"] = page.value(call)
        found[f"{size}"] = told
    return found


# -- knob --------------------------------------------------------------------------------------


def knob() -> Row:
    """Turn the jump threshold in the workbench, and look at 512 x 512 pixels of the rate."""
    try:
        path, _ = simulated()
        with lab_page() as page:
            detail = _turned(page, path)
    except JwinteractiveError as error:
        return row("knob", None, None, accuracy={"skipped": str(error)})
    accuracy = {
        "p95_ms": detail["threshold"]["p95_ms"],
        "stretch_ms": detail["stretch"]["median_ms"],
        "pick_ms": detail["pick"]["median_ms"],
        "drag_final_ms": detail["drag"]["final"],
        "other_cells_ms": detail["drag"]["other_cells"]["median_ms"],
        "bytes": detail["bytes"],
        "open_s": detail["open"]["median_ms"] / 1000,
    }
    mine = detail["threshold"]["median_ms"] / 1000
    return row("knob", mine, None, accuracy=accuracy, detail=detail)


def _turned(page: Page, path: Path) -> dict[str, Any]:
    """All figures of the workbench; the session is reduced beforehand each time it is opened."""
    canvas, threshold = json.dumps(CANVAS), json.dumps(THRESHOLD)
    first = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from jwinteractive_widgets import benchmark, workbench\n"
        "sent = benchmark.Sent()\n"
        f"session = benchmark.reduced({str(path)!r}, {WINDOW})\nworkbench(session)"
    )
    page.value(f"jwiBench.show({json.dumps(first)}, {canvas}, 240000)")
    opened = []
    for _ in range(5):
        again = f"globals().update(session=benchmark.reduced({str(path)!r}, {WINDOW}))"
        page.value(f"jwiBench.ask({json.dumps(again)})")
        opened.append(page.value(f"jwiBench.show('workbench(session)', {canvas})"))
    page.value("jwiBench.pause(2000)")
    found: dict[str, Any] = {"open": spread(opened)}

    def turn(i: int) -> float:
        how = (
            f"() => {{ const s = document.querySelector({threshold});"
            f" jwiBench.slide(s, {0.1 + 0.1 * (i % 5)}); jwiBench.commit(s); }}"
        )
        return float(page.value(f"jwiBench.act({how}, {canvas})"))

    page.value("jwiBench.ask('sent.take()')")
    found["threshold"] = _repeated(turn, page)
    found["bytes"] = round(page.value("jwiBench.ask('sent.take()')") / (REPEATS + 2))

    found["stretch"] = _repeated(lambda i: _stretched(page, i), page)

    def pick(i: int) -> float:
        key = ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown")[i % 4]
        return float(page.value(f"jwiBench.pick({canvas}, {json.dumps(RAMP)}, '{key}')"))

    found["pick"] = _repeated(pick, page)
    page.value("jwiBench.ask('benchmark.edits.clear()')")
    parts = json.dumps([round(0.1 + 0.005 * i, 3) for i in range(90)])
    dragged = page.value(f"jwiBench.drag({threshold}, {parts}, 30, {canvas})")
    dragged["accepted"] = page.value("jwiBench.ask('len(benchmark.edits)')")
    dragged["other_cells"] = spread(dragged.pop("waits"))
    found["drag"] = dragged
    return found


# -- panels of official steps ------------------------------------------------------------------


def official_panels() -> Row:
    """Open the panel of every official step in the workbench, by a click on it."""
    try:
        path, _ = simulated()
        with lab_page() as page:
            detail = _opened(page, path)
    except JwinteractiveError as error:
        return row("official_panels", None, None, accuracy={"skipped": str(error)})
    slowest = max(detail, key=lambda step: detail[step]["median_ms"])
    accuracy = {
        "panels": len(detail),
        "slowest": slowest,
        "slowest_p95_ms": detail[slowest]["p95_ms"],
    }
    worst = detail[slowest]["median_ms"] / 1000
    return row("official_panels", worst, None, accuracy=accuracy, detail=detail)


def _opened(page: Page, path: Path) -> dict[str, Any]:
    """Times by step; all are in a recipe, where one alone runs."""
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from jwinteractive_widgets import benchmark, workbench\n"
        f"session = benchmark.officials({str(path)!r})\nworkbench(session)"
    )
    page.value(f"jwiBench.show({json.dumps(code)}, {json.dumps(CANVAS)}, 240000)")
    page.value("jwiBench.pause(2000)")
    asked = "{s.step: len(s.params.as_dict()) for s in session.recipe}"
    steps = page.value(f"jwiBench.ask({json.dumps(asked)})")
    times: dict[str, list[float]] = {step: [] for step in steps}
    for _ in range(4):  # the first is not counted: code is loaded in it
        for step, rows in steps.items():
            times[step].append(page.value(f"jwiBench.panel({json.dumps(step)}, {rows})"))
            page.value(f"jwiBench.pause({PAUSE})")
    return {step: spread(found[1:]) for step, found in times.items()}
