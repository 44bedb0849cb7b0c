"""Open JupyterLab on the workbench: on simulated exposures, or on the files that are named.

The cells that open it run before the browser does, so that it is there without a click:
docs/decisions/0009-make-lab-runs-the-first-cells.md.
"""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import webbrowser
from collections.abc import Sequence
from importlib.resources import files as packaged
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from jwinteractive.errors import InputError, JwinteractiveError, OutputError
from jwinteractive.notebook import notebook_of
from jwinteractive.server import (
    RUN_AHEAD,
    Server,
    environment,
    quiet_options,
    run_ahead,
    wait_for,
)

__all__ = ["command", "launch", "prepare"]

DEMO_FOLDER = Path("jwinteractive-demo")
NOTEBOOK = "first_minute.ipynb"


def launch(folder: Path | None, port: int | None, browser: bool, files: Sequence[str]) -> int:
    """Prepare a working folder and run JupyterLab in it until it is stopped.

    Parameters
    ----------
    folder
        Working folder; by default ``jwinteractive-demo`` here, or, with files, this folder.
    port
        Port on 127.0.0.1; by default the first free one from 8888.
    browser
        Open a browser.
    files
        Exposures to open; none: simulated ones with known truth.

    Returns
    -------
    int
        Exit code of JupyterLab.

    Raises
    ------
    JwinteractiveError
        If the extra ``lab`` is not installed.
    InputError
        If a file does not exist.
    OutputError
        If the folder cannot be written.
    """
    missing = [n for n in ("jupyterlab", "anywidget", "bqplot") if find_spec(n) is None]
    if missing:
        raise JwinteractiveError(
            f"{', '.join(missing)}: not installed; run  pip install 'jwinteractive[lab]'"
        )
    notebook = prepare(folder, files)
    from jupyter_core.paths import jupyter_runtime_dir

    sys.stdout.flush()
    process = subprocess.Popen(command(notebook, port), env=environment())
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: process.send_signal(number))
    try:
        server = wait_for(process, Path(jupyter_runtime_dir()))
        _open(server, notebook, browser)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        return 130
    except JwinteractiveError:
        process.terminate()
        process.wait()
        raise
    if sys.stdin.isatty():  # the keys reach JupyterLab, too, which asks before it ends
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGINT, lambda number, _: process.send_signal(number))
    return process.wait()


def _open(server: Server, notebook: Path, browser: bool) -> None:
    """Run what opens the workbench, then show it; a cell that fails shows why by itself."""
    print("opening the workbench ...", file=sys.stderr)
    try:
        run_ahead(server, notebook.name)
    except (JwinteractiveError, OSError, RuntimeError, queue.Empty) as error:
        if server.process.poll() is not None:
            return
        print(f"{notebook.name}: {error}\nRun > Run All Cells tries again", file=sys.stderr)
    print(f"{notebook.name}: ready", file=sys.stderr)
    if browser:
        webbrowser.open(server.page.as_uri())


def prepare(folder: Path | None, files: Sequence[str]) -> Path:
    """Put what the notebook needs into the working folder; return the notebook.

    What is already there is left as it is, a notebook too: it may have been worked on.
    """
    if files:
        return _notebook_for(folder or Path(), files)
    notebook = (folder or DEMO_FOLDER) / NOTEBOOK
    if not notebook.exists():
        _write(notebook, _shipped().read_text())
    return notebook


def _write(notebook: Path, text: str) -> None:
    try:
        notebook.parent.mkdir(parents=True, exist_ok=True)
        notebook.write_text(text)
    except OSError as error:
        raise OutputError(
            f"folder {notebook.parent}: cannot be written ({error.strerror})"
        ) from None


def command(notebook: Path, port: int | None) -> list[str]:
    """Command line that runs JupyterLab on a notebook, on this machine only, with a token."""
    notebook = notebook.absolute()
    line = [sys.executable, "-m", "jupyterlab", "--no-browser", *quiet_options(notebook.parent)]
    line += [
        f"--LabApp.default_url=/lab/tree/{quote(notebook.name)}",
        f"--ServerApp.port_retries={0 if port else 50}",
    ]
    if port:
        line.append(f"--ServerApp.port={port}")
    return line


def _shipped() -> Path:
    """Tutorial as the wheel has it, or the one of the checkout."""
    inside = Path(str(packaged("jwinteractive"))) / "notebooks" / NOTEBOOK
    return inside if inside.is_file() else Path(__file__).parents[1] / "notebooks" / NOTEBOOK


def _notebook_for(folder: Path, files: Sequence[str]) -> Path:
    """Small notebook that opens the files, next to which nothing is overwritten."""
    paths = [Path(f).absolute() for f in files]
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file")
    notebook = folder / f"{paths[0].name.removesuffix('.fits')}.ipynb"
    if notebook.exists():
        return notebook
    cells = [
        "import jwinteractive\nfrom jwinteractive_widgets import workbench\n\n"
        f"session = jwinteractive.open({json.dumps([str(p) for p in paths], indent=4)})\n"
        "workbench(session)",
        "rate = session.run()",
        'session.write("products")',
    ]
    made = notebook_of([(f"cell-{i}", "code", source) for i, source in enumerate(cells)])
    made["cells"][0]["metadata"] = {"tags": [RUN_AHEAD]}
    _write(notebook, json.dumps(made, indent=1) + "\n")
    return notebook
