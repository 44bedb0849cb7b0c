"""Real Jupyter servers on 127.0.0.1 and a real Chromium, driven as a person would."""

import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from jwinteractive.bench.chromium import FLAGS
from jwinteractive.errors import JwinteractiveError
from jwinteractive.server import environment, free_port, quiet_options, wait_for

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def chromium_path(playwright):
    """A Chromium of the system, else Playwright's own, else None."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    own = playwright.chromium.executable_path
    return own if Path(own).exists() else None


@pytest.fixture(scope="module")  # while it is open its event loop runs: no asyncio.run elsewhere
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="the test extra is not installed")
    driver = [sys.executable, "-m", "playwright", "--version"]
    started = subprocess.run(driver, check=False, capture_output=True, text=True)
    if started.returncode:
        pytest.skip(f"Playwright does not start here: {started.stderr.strip()}")
    with sync_api.sync_playwright() as playwright:
        path = chromium_path(playwright)
        if path is None:
            pytest.skip("no Chromium: install chromium or run  playwright install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    """JupyterLab in a folder with the tutorial, and settings of its own.

    The same server serves Notebook 7 below /notebooks and voila below /voila/render.
    """
    pytest.importorskip("jupyterlab", reason="the lab extra is not installed")
    home = tmp_path_factory.mktemp("lab")
    work, runtime = home / "work", home / "runtime"
    work.mkdir()
    shutil.copy(ROOT / "notebooks" / "first_minute.ipynb", work)
    own = {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_TOKEN": secrets.token_hex(16),
    }
    line = [sys.executable, "-m", "jupyterlab", "--no-browser", "--expose-app-in-browser"]
    line += [*quiet_options(work), f"--ServerApp.port={free_port()}", "--ServerApp.port_retries=0"]
    log = home / "jupyter.log"
    with log.open("w") as sink:
        process = subprocess.Popen(line, env=environment() | own, stdout=sink, stderr=sink)
    try:
        server = wait_for(process, runtime)
        yield SimpleNamespace(url=server.url.rstrip("/"), token=server.token, work=work)
    except JwinteractiveError as error:
        pytest.fail(f"{error}\n{log.read_text()[-3000:]}")
    finally:
        _end(process)


@pytest.fixture
def watched(browser):
    """Pages that a test opens; at its end they must have had no errors, and no guests.

    ``own`` are words in errors and addresses that the front end itself is to blame for.
    """
    contexts, errors, strangers = [], [], []

    def open_page(url, own=()):
        server = "/".join(url.split("/")[:3])

        def note(found, text):
            if not any(words in text for words in own):
                found.append(text)

        context = browser.new_context(viewport={"width": 1500, "height": 1150})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: note(errors, str(error)))
        page.on("console", lambda m: note(errors, m.text) if m.type == "error" else None)
        page.on("request", lambda r: None if _is_local(r.url, server) else note(strangers, r.url))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert strangers == []


@pytest.fixture
def open_notebook(watched, jupyter):
    """Open a notebook in JupyterLab; the page, once its kernel is idle."""

    def opened(name, size=(1500, 1150)):
        page = watched(f"{jupyter.url}/lab/tree/{name}?reset&token={jupyter.token}")
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status"
            " === 'idle'"
        )
        return page

    return opened


@pytest.fixture
def lab(open_notebook, jupyter):
    """A page that has the tutorial open, before a cell is run."""
    page = open_notebook("first_minute.ipynb")
    yield SimpleNamespace(page=page, work=jupyter.work)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


def _end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_local(url, server):
    return url.startswith((server, server.replace("http", "ws"), "data:", "blob:", "about:"))
