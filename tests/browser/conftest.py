"""Real Jupyter servers on 127.0.0.1 and a real Chromium, driven as a person would."""

import base64
import hashlib
import http.server
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from jwinteractive.bench.chromium import FLAGS
from jwinteractive.errors import JwinteractiveError
from jwinteractive.server import environment, free_port, quiet_options, wait_for

ROOT = Path(__file__).parents[2]
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", ROOT / "build" / "screenshots"))
KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"


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


@pytest.fixture
def notebook(jupyter):
    """Write a notebook of code cells into the server's folder."""

    def write(name, *cells):
        made = [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell-{i}",
                "metadata": {},
                "outputs": [],
                "source": source,
            }
            for i, source in enumerate(cells)
        ]
        kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
        meta = {"kernelspec": kernel}
        text = {"cells": made, "metadata": meta, "nbformat": 4, "nbformat_minor": 5}
        (jupyter.work / name).write_text(json.dumps(text))

    return write


@pytest.fixture
def screen_of(open_notebook):
    """Run a notebook that shows a workbench."""
    return lambda name, size, folder: Screen(open_notebook(name, size), folder)


@pytest.fixture
def open_bench(notebook, screen_of, jupyter):
    """Open a workbench on copies of exposures; ``name`` is that of its notebook and session."""

    def opened(exposures, name, size=(1500, 1000), recipe="auto"):
        exposures = [exposures] if isinstance(exposures, Path) else exposures
        folder = jupyter.work / name
        shutil.copytree(exposures[0].parent, folder)
        paths = [f"{name}/{exposure.name}" for exposure in exposures]
        code = (
            "from jwinteractive_widgets import workbench\n"
            f"wb = workbench({paths!r}, recipe={recipe!r}, folder={f'{name}-session'!r})\n"
            "wb"
        )
        notebook(f"{name}.ipynb", code)
        return screen_of(f"{name}.ipynb", size, folder)

    return opened


class Screen:
    """What a person sees of a workbench, and does with it."""

    kernel = KERNEL

    def __init__(self, page, folder):
        self.page, self.folder = page, folder
        self.run_cells()

    def run_cells(self):
        self.page.evaluate(
            "() => window.jupyterapp.commands.execute('application:toggle-left-area')"
        )
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.wait_for_frame()

    def wait_for_frame(self):
        self.page.wait_for_function(
            "() => Number(document.querySelector('.jwi-frame')?.dataset.drawn || 0) > 0"
            " || document.querySelector('.jp-Notebook [data-mime-type*=stderr]')",
            timeout=180_000,
        )
        trouble = self.page.locator(".jp-Notebook [data-mime-type*=stderr]")
        assert trouble.count() == 0, trouble.first.inner_text()
        return self.settled()

    def ask(self, expression):
        """Value of a Python expression in the kernel, as the session has it."""
        answer = self.page.evaluate(
            f"""async (code) => {{
                const done = await {KERNEL}.requestExecute({{
                    code: '', silent: true, store_history: false,
                    user_expressions: {{ answer: code }},
                }}).done;
                const told = done.content.user_expressions.answer;
                return told.status === 'ok' ? told.data['text/plain'] : 'ERROR ' + told.evalue;
            }}""",
            f"__import__('json').dumps({expression})",
        )
        assert not answer.startswith("ERROR"), answer
        return json.loads(answer[1:-1].encode().decode("unicode_escape"))

    def until(self, expression, wanted, tries=150):
        """Wait until a Python expression has a value."""
        for _ in range(tries):
            now = self.ask(expression)
            if now == wanted:
                return
            self.page.wait_for_timeout(100)
        pytest.fail(f"{expression} is {now!r}, not {wanted!r}")

    def painted(self):
        """Digest of the pixels of the frame."""
        data = self.page.evaluate(
            """() => {
                const c = document.querySelector('.jwi-canvas');
                return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data
                    .filter((_, i) => i % 4 < 3)).join();
            }"""
        )
        return hashlib.sha256(data.encode()).hexdigest()

    def settled(self, unlike=None):
        """Digest once two looks agree and it differs from ``unlike``."""
        last = None
        for _ in range(100):
            now = self.painted()
            if now == last and now != unlike:
                return now
            last = now
            self.page.wait_for_timeout(120)
        return pytest.fail("the frame does not come to rest, or does not change")

    def pick(self, x, y, size=256):
        box = self.page.locator(".jwi-canvas").bounding_box()
        scale = box["width"] / size
        self.page.mouse.click(box["x"] + (x + 0.5) * scale, box["y"] + (size - y - 0.5) * scale)
        self.page.get_by_text(f"x {x}, y {y}").wait_for()

    @property
    def threshold(self):
        """Expression for the jump threshold of the present method."""
        found = self.ask(
            "[n for n in wb.session.recipe['jump'].params.as_dict() if n in"
            " ('likelihood_threshold', 'rejection_threshold')"
            " and n not in wb.session.recipe['jump'].params.idle()]"
        )
        return f"wb.session.recipe['jump'].params.{found[0]}"

    @property
    def knob(self):
        """Row of that threshold in the panel."""
        name = self.threshold.rpartition(".")[2]
        return self.page.locator(f'.jwi-row[data-name="{name}"]')

    def turn(self, by=10, key="ArrowRight"):
        """Move the slider of the jump threshold with the keyboard."""
        self.knob.locator("input[type=range]").focus()
        for _ in range(by):
            self.page.keyboard.press(key)

    def press(self, label):
        self.page.get_by_role("button", name=label, exact=True).first.click()

    def state(self, step):
        return self.ask(f"{{s.step: s.state for s in wb.session.states()}}[{step!r}]")

    def theme(self, name):
        self.page.evaluate(
            "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })",
            f"JupyterLab {name}",
        )
        light = "true" if name == "Light" else "false"
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg=light
        )
        self.settled()

    def shoot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.locator(".jwi-workbench").first.screenshot(path=SCREENSHOTS / f"{name}.png")


class Joined:
    """A `FrameView` and a bare page that shows it; ``said`` is what the page sent."""

    def __init__(self, page, waiting):
        self.page = page
        self.said = []
        self._waiting = waiting

    def join(self, view):
        self.view = view
        self._drain()
        self.page.expose_function("toPython", self._take)
        state = {
            k: v for k, v in view.get_state().items() if isinstance(v, (str, int, float, list))
        }
        state["aspect"] = view.aspect
        tables = base64.b64encode(view.tables).decode()
        self.page.evaluate("([state, tables]) => window.start(state, tables)", [state, tables])

    def _take(self, data):
        if data["method"] == "custom":
            self.said.append(data["content"])
        data = {"buffer_paths": [], **data}
        self.view._handle_msg({"content": {"data": data}, "buffers": []})
        return self._drain()

    def _drain(self):
        found = []
        for name, data, buffers in self._waiting:
            if name != self.view.comm.comm_id:
                continue
            if data.get("method") == "custom":
                some = [base64.b64encode(b).decode() for b in buffers]
                found.append({"content": data["content"], "buffers": some})
            elif data.get("method") in ("update", "echo_update"):
                found.append({"state": data["state"], "echo": data["method"] != "update"})
        self._waiting.clear()
        return found

    def push(self):
        """Deliver what Python sent by itself."""
        self.page.evaluate("messages => window.hear(messages)", self._drain())

    def show(self, frame, **keys):
        before = self.count("drawn")
        self.view.show(frame, **keys)
        self.push()
        self.wait("drawn", before + 1)

    def count(self, what):
        return int(self.page.locator(".jwi-frame").get_attribute(f"data-{what}") or 0)

    def wait(self, what, n):
        self.page.wait_for_function(
            "([what, n]) => Number(document.querySelector('.jwi-frame').dataset[what] || 0) >= n",
            arg=[what, n],
        )

    def settle(self):
        """Wait until nothing was painted for a while that a throttled message would fit in."""
        self.page.evaluate("() => { window.last = null; }")
        self.page.wait_for_function(
            """() => { const now = document.querySelector('.jwi-frame').dataset.drawn;
                 if (window.last !== now) { window.last = now; window.since = performance.now(); }
                 return performance.now() - window.since > 250; }"""
        )

    def until(self, true):
        """Wait until something that the page tells Python has come true."""
        for _ in range(100):
            if true():
                return
            self.page.wait_for_timeout(50)
        pytest.fail("it does not come true")

    def kinds(self, kind):
        return [m for m in self.said if m["kind"] == kind]

    def colour(self, x, y):
        """Colour on the canvas in the middle of pixel (y, x), while the whole frame is shown."""
        ny, nx = self.view.frame.full_shape
        return tuple(
            self.page.evaluate(
                """([u, v]) => { const c = document.querySelector('.jwi-canvas');
                     const p = c.getContext('2d');
                     const at = [Math.floor(u * c.width), Math.floor(v * c.height)];
                     return [...p.getImageData(...at, 1, 1).data].slice(0, 3); }""",
                [(x + 0.5) / nx, 1 - (y + 0.5) / ny],
            )
        )

    def at(self, x, y):
        """Place on the page of the middle of pixel (y, x), while the whole frame is shown."""
        box = self.page.locator(".jwi-canvas").bounding_box()
        ny, nx = self.view.frame.full_shape
        return (
            box["x"] + (x + 0.5) * box["width"] / nx,
            box["y"] + (1 - (y + 0.5) / ny) * box["height"],
        )


def serve(tmp_path):
    """Server of the page on 127.0.0.1, in a thread."""
    from jwinteractive_widgets.frame import FrameView

    shutil.copy(ROOT / "tests" / "browser" / "frame.html", tmp_path / "index.html")
    (tmp_path / "frame.js").write_text(str(FrameView._esm))
    (tmp_path / "frame.css").write_text(str(FrameView._css))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def recording(monkeypatch):
    """Messages with their buffers, as widgets send them."""
    comm = pytest.importorskip("comm", reason="the lab extra is not installed")
    from comm.base_comm import BaseComm

    waiting = []

    class Recording(BaseComm):
        def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
            waiting.append((self.comm_id, data or {}, [bytes(b) for b in buffers or ()]))

    monkeypatch.setattr(comm, "create_comm", Recording)
    return waiting


@pytest.fixture
def joined(browser, tmp_path, monkeypatch):
    """An empty page, ready to `join` a view; at the end it must have had no errors."""
    pytest.importorskip("anywidget", reason="the lab extra is not installed")
    waiting = recording(monkeypatch)
    server = serve(tmp_path)
    page = browser.new_page(viewport={"width": 640, "height": 1000})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.wait_for_function("() => window.loaded")
    yield Joined(page, waiting)
    page.evaluate("() => window.stop && window.stop()")
    page.close()
    server.shutdown()
    server.server_close()
    assert errors == []


def _end(process):
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_local(url, server):
    return url.startswith((server, server.replace("http", "ws"), "data:", "blob:", "about:"))
