"""Open JupyterLab on a notebook that shows a simulated exposure, or the files that are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files as packaged
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jwinteractive
from jwinteractive.errors import InputError, JwinteractiveError, OutputError
from jwinteractive.quicklook import quicklook

__all__ = ["command", "launch", "prepare"]

DEMO_FOLDER = Path("jwinteractive-demo")
DEMO_FILES = {"nircam": "*_nrc*_truth.asdf", "miri": "*_mir*_truth.asdf"}  # written last
DEMO_SETTINGS: dict[str, dict[str, Any]] = {  # enough light to see something, as in the tutorial
    "nircam": {"readpatt": "MEDIUM8", "crowding": 1500, "faintest": 20, "galaxies": 6},
    "miri": {"crowding": 1500, "faintest": 200, "galaxies": 6},
}
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
    line = command(notebook, port, browser)
    if os.name == "posix":  # JupyterLab in place of this process: signals reach it
        sys.stdout.flush()
        os.execve(line[0], line, _environment())
    return subprocess.call(line, env=_environment())


def prepare(folder: Path | None, files: Sequence[str]) -> Path:
    """Put what the notebook needs into the working folder; return the notebook.

    What is already there is left as it is, a notebook too: it may have been worked on.
    """
    if files:
        return _notebook_for(folder or Path(), files)
    folder = folder or DEMO_FOLDER
    demo, notebook = folder / "demo", folder / NOTEBOOK
    try:
        demo.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder {folder}: cannot be written ({error.strerror})") from None
    from jwinteractive.simulate import simulate

    for mode, pattern in DEMO_FILES.items():
        if not list(demo.glob(pattern)):
            print(f"simulating {mode} ...", file=sys.stderr)
            simulated = simulate(mode, size=(256, 256), seed=7, **DEMO_SETTINGS[mode])
            path = simulated.write(demo)
            rate = jwinteractive.open(path).run()
            quicklook(rate, demo / f"{mode}_rate.png", f"simulated {mode}")
    if not notebook.exists():
        shipped = json.loads(_shipped().read_text())
        notebook.write_text(json.dumps(_with_picture(shipped), indent=1) + "\n")
    return notebook


def _with_picture(notebook: dict[str, Any]) -> dict[str, Any]:
    """Notebook that shows the exposure below its title, before any cell is run."""
    text = (
        "![the simulated exposure, reduced](demo/nircam_rate.png)\n\n"
        "*Run > Run All Cells* makes it interactive. A MIRI exposure lies in `demo`, too."
    )
    cell = {"cell_type": "markdown", "id": "picture", "metadata": {}, "source": text}
    title, *rest = notebook["cells"]
    return {**notebook, "cells": [title, cell, *rest]}


def command(notebook: Path, port: int | None, browser: bool) -> list[str]:
    """Command line that runs JupyterLab on a notebook, on this machine only, with a token."""
    notebook = notebook.absolute()
    line = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1"]
    line += [
        f"--ServerApp.root_dir={notebook.parent}",
        f"--LabApp.default_url=/lab/tree/{notebook.name}",
        f"--ServerApp.port_retries={0 if port else 50}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
    ]
    if port:
        line.append(f"--ServerApp.port={port}")
    if not browser:
        line.append("--no-browser")
    if getattr(os, "geteuid", lambda: 1)() == 0:  # in a container; JupyterLab refuses otherwise
        line.append("--allow-root")
    return line


def _environment() -> dict[str, str]:
    """Environment in which the kernel finds the Python that this runs in."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}


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
        "import jwinteractive\nfrom jwinteractive_widgets import show\n\n"
        f"session = jwinteractive.open({json.dumps([str(p) for p in paths], indent=4)})\n"
        "show(session)",
        "rate = session.run()",
        'session.write("products")',
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        notebook.write_text(json.dumps(_notebook(cells), indent=1) + "\n")
    except OSError as error:
        raise OutputError(f"folder {folder}: cannot be written ({error.strerror})") from None
    return notebook


def _notebook(cells: Sequence[str]) -> dict[str, object]:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{i}",
                "metadata": {},
                "outputs": [],
                "source": source.splitlines(keepends=True),
            }
            for i, source in enumerate(cells)
        ],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
