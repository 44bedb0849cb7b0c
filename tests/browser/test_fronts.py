"""The same workbench under Notebook 7, voila, a sidecar of JupyterLab, and `jwinteractive lab`."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jwinteractive.server import free_port

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
OPEN = """\
import jwinteractive
from jwinteractive_widgets import workbench

session = jwinteractive.open({path!r})
bench = workbench(session)
"""
SIDECAR = """\
from IPython.display import display
from sidecar import Sidecar

with Sidecar(title="workbench", anchor="split-right"):
    display(bench)
"""
# what these front ends do by themselves, whatever notebook is opened
OF_NOTEBOOK = ("undefined (reading 'schema')", "'filebrowser:open-path' not registered")
OF_VOILA = (
    "cdn.jsdelivr.net/npm/@fortawesome/",
    "cdnjs.cloudflare.com/ajax/libs/mathjax/",
    "Failed to load resource: net::",
    "@jupyterlab/docregistry",
)
THRESHOLD = ".jwi-form [data-name=likelihood_threshold] input[type=range]"


@pytest.fixture
def notebook(jupyter, nircam_file):
    """Write a notebook that opens a small exposure and ends with ``last``; its name."""

    def write(name, last):
        source = OPEN.format(path=str(nircam_file)) + last
        path = jupyter.work / f"{name}.ipynb"
        path.write_text(json.dumps(of_one_cell(source)))
        return path.name

    return write


def of_one_cell(source, **metadata):
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "only",
        "metadata": metadata,
        "outputs": [],
        "source": source,
    }
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    told = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": [cell], "metadata": told, "nbformat": 4, "nbformat_minor": 5}


def colours(page):
    """Digest of the frame's pixels, or None where it is not drawn yet."""
    data = page.evaluate(
        """() => {
            const c = document.querySelector('.jwi-frame[data-drawn] .jwi-canvas');
            if (!c) return null;
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let s = '';
            for (let i = 0; i < d.length; i += 4)
                s += String.fromCharCode(d[i], d[i + 1], d[i + 2]);
            return s;
        }"""
    )
    if data is None or len(set(data)) < 20:
        return None
    return hashlib.sha256(data.encode()).hexdigest()


def settled(page, unlike=None):
    """Picture once three looks agree and it differs from ``unlike``."""
    seen = []
    for _ in range(400):
        seen.append(colours(page))
        if seen[-1] not in (None, unlike) and len(seen) > 2 and len(set(seen[-3:])) == 1:
            return seen[-1]
        page.wait_for_timeout(150)
    return pytest.fail("the frame does not come to rest")


def assert_it_reacts(page):
    """Choose the jump step and pull its threshold up: fewer jumps are drawn."""
    page.locator(".jwi-canvas").wait_for(timeout=120_000)
    page.locator(".jwi-steps [data-step=jump]").click()
    page.locator(THRESHOLD).wait_for()
    with_jumps = settled(page)
    page.locator(THRESHOLD).press("End")
    settled(page, unlike=with_jumps)


def test_notebook_7_shows_a_workbench_that_follows_its_sliders(watched, jupyter, notebook):
    pytest.importorskip("notebook", reason="the lab extra is not installed")
    name = notebook("seven", "bench")
    page = watched(f"{jupyter.url}/notebooks/{name}?token={jupyter.token}", own=OF_NOTEBOOK)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    assert_it_reacts(page)


def test_voila_shows_the_app_a_workbench_that_follows_its_sliders(watched, jupyter):
    pytest.importorskip("voila", reason="the lab extra is not installed")
    shutil.copy(NOTEBOOKS / "app.ipynb", jupyter.work)
    page = watched(f"{jupyter.url}/voila/render/app.ipynb?token={jupyter.token}", own=OF_VOILA)
    assert_it_reacts(page)
    assert (jupyter.work / "demo").is_dir()


def test_a_sidecar_shows_a_workbench_that_follows_its_sliders(open_notebook, notebook):
    pytest.importorskip("sidecar", reason="the lab extra is not installed")
    page = open_notebook(notebook("beside", SIDECAR))
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    assert_it_reacts(page)
    assert page.locator(".jp-Notebook .jwi-canvas").count() == 0


@pytest.fixture
def opened(nircam_file, tmp_path):
    """`jwinteractive lab` on a small exposure, once it says that it is ready."""
    pytest.importorskip("jupyterlab", reason="the lab extra is not installed")
    runtime = tmp_path / "runtime"
    own = {
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    line = [sys.executable, "-m", "jwinteractive.cli", "lab", "--no-browser"]
    line += ["--folder", str(tmp_path / "work"), "--port", str(free_port()), str(nircam_file)]
    log = tmp_path / "log"
    with log.open("w") as sink:
        process = subprocess.Popen(line, env=os.environ | own, stderr=sink)
    try:
        while ": ready\n" not in log.read_text():
            if process.poll() is not None:
                pytest.fail(log.read_text())
            time.sleep(0.1)  # between two looks at another process
        info = json.loads(next(iter(runtime.glob("jpserver-*.json"))).read_text())
        notebook = nircam_file.name.replace(".fits", ".ipynb")
        yield f"{info['url']}lab/tree/{notebook}?token={info['token']}"
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_the_workbench_is_there_without_a_click_and_again_after_a_reload(opened, watched):
    page = watched(opened)
    assert_it_reacts(page)
    page.reload()
    page.locator(".jwi-canvas").wait_for()
    settled(page)
    assert page.get_by_text("Jupyter news").count() == 0
