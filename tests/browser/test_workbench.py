"""The workbench in JupyterLab, used as a person uses it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCREENSHOTS = Path(
    os.environ.get("SCREENSHOTS", Path(__file__).parents[2] / "build" / "screenshots")
)

KERNEL = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
THRESHOLD = '.jwi-row[data-name="rejection_threshold"]'
STARS = {"crowding": 1500, "faintest": 20, "galaxies": 6}


@pytest.fixture(scope="module")
def exposure(tmp_path_factory):
    """A simulated NIRCam exposure of 1 x 10 x 256 x 256 with its references beside it."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("exposure")
    simulated = simulate("nircam", size=(256, 256), seed=7, readpatt="MEDIUM8", **STARS)
    return simulated.write(folder)


def notebook(folder, name, *cells):
    """Write a notebook of code cells."""
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
    text = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / name).write_text(json.dumps(text))


@pytest.fixture
def bench(open_notebook, jupyter, exposure):
    """A workbench on a copy of the exposure; ``name`` is that of its notebook and session."""

    def opened(name, size=(1500, 1000)):
        folder = jupyter.work / name
        shutil.copytree(exposure.parent, folder)
        code = (
            "from jwinteractive_widgets import workbench\n"
            f"wb = workbench({f'{name}/{exposure.name}'!r}, folder={f'{name}-session'!r})\n"
            "wb"
        )
        notebook(jupyter.work, f"{name}.ipynb", code)
        return Screen(open_notebook(f"{name}.ipynb", size), folder)

    return opened


class Screen:
    """What a person sees of a workbench, and does with it."""

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

    def until(self, expression, wanted):
        """Wait until a Python expression has a value."""
        for _ in range(150):
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

    def turn(self, by=10, key="ArrowRight"):
        """Move the slider of the jump threshold with the keyboard."""
        self.page.locator(f"{THRESHOLD} input[type=range]").focus()
        for _ in range(by):
            self.page.keyboard.press(key)

    def press(self, label):
        self.page.get_by_role("button", name=label, exact=True).first.click()

    def state(self, step):
        return self.ask(f"{{s.step: s.state for s in wb.session.states()}}[{step!r}]")

    def threshold(self):
        return self.ask("wb.session.recipe['jump'].params.rejection_threshold")

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


def test_a_knob_changes_the_pixels_the_ramp_and_the_session_and_can_be_undone(bench):
    screen = bench("knob")
    page = screen.page
    screen.pick(177, 18)
    before, text = screen.settled(), page.locator(".jwi-ramp-text").inner_text()
    assert "DN/s" in text
    screen.shoot("workbench-light")
    screen.theme("Dark")
    screen.shoot("workbench-dark")
    screen.theme("Light")

    screen.turn(40)
    after = screen.settled(unlike=before)
    value = screen.threshold()
    assert value > 4.5
    assert screen.state("jump") == screen.state("ramp_fit") == "stale"
    assert len(screen.ask("[e.text for e in wb.session.journal if e.kind == 'edit']")) <= 1

    page.locator(".jwi-workbench").press("u")
    screen.until("wb.session.recipe['jump'].params.rejection_threshold", 4.0)
    assert screen.settled(unlike=after) == before
    assert any("undone" in t for t in screen.ask("[e.text for e in wb.session.journal]"))


def test_a_group_flagged_by_hand_changes_the_slope(bench):
    screen = bench("flag")
    page = screen.page
    screen.pick(177, 18)
    text = page.locator(".jwi-ramp-text")
    before = text.inner_text()
    for _ in range(6):
        screen.press("next group")
    page.get_by_text("group 6 (").wait_for()
    screen.press("flag")
    page.wait_for_function(
        "(old) => document.querySelector('.jwi-ramp-text').innerText !== old", arg=before
    )
    assert "y18 x177" in screen.ask("wb.session.recipe['user_flags'].params.groups")
    screen.until("{s.step: s.state for s in wb.session.states()}['user_flags']", "stale")


def test_a_rerun_leaves_earlier_steps_fresh_and_makes_later_ones_stale(bench):
    screen = bench("rerun")
    screen.page.locator(".jwi-steps [role=option]", has_text="gain_scale").click()
    screen.press("Run to here")
    screen.until("wb.session.stale()", [])
    screen.page.locator(".jwi-steps [role=option]", has_text="jump").click()
    screen.page.locator(THRESHOLD).wait_for()
    screen.turn(20)
    screen.until("wb.session.stale()", ["jump", "ramp_fit", "gain_scale"])
    screen.press("Rerun this step")
    screen.until("wb.session.stale()", ["ramp_fit", "gain_scale"])
    assert screen.state("linearity") == "fresh"
    runs = screen.ask("[(a.number, a.step) for a in wb.session.history]")
    assert runs[0] == [1, "gain_scale"]
    assert runs[-1][1] == "jump"


def test_blinking_shows_the_pinned_result_and_the_present_one_by_turns(bench):
    screen = bench("blink")
    root = screen.page.locator(".jwi-workbench")
    pinned = screen.settled()
    root.press("a")
    screen.until("wb.session.pinned is not None", True)
    screen.page.locator(THRESHOLD).wait_for()
    screen.turn(60)
    changed = screen.settled(unlike=pinned)
    root.press("b")
    screen.until("wb.canvas.view.compare", "blink")
    seen = set()
    for _ in range(200):
        seen.add(screen.painted())
        if len(seen) >= 2:
            break
        screen.page.wait_for_timeout(50)
    assert len(seen) >= 2
    root.press("b")
    screen.until("wb.canvas.view.compare", "off")
    assert screen.settled() in (changed, *seen)
    screen.page.get_by_role("tab", name="A/B").click()
    root.press("d")
    screen.page.locator(".jwi-comparison", has_text="rejection_threshold").wait_for()


def test_the_script_that_is_taken_home_gives_the_same_array(bench, tmp_path):
    screen = bench("home")
    screen.turn(15)
    screen.until("round(wb.session.recipe['jump'].params.rejection_threshold, 1) > 4", True)
    screen.press("Take home")
    screen.press("Python script")
    screen.page.locator(".jwi-takehome", has_text=".py").get_by_text(".py").first.wait_for()
    (script,) = [p for p in (screen.folder.parent).rglob("*.py") if "checkpoint" not in str(p)]
    code = script.read_text() + f"\nimport numpy\nnumpy.save({str(tmp_path / 'rate.npy')!r}, "
    (tmp_path / "again.py").write_text(code + "results[0].data)\n")
    subprocess.run([sys.executable, tmp_path / "again.py"], check=True, cwd=tmp_path)
    mine = tmp_path / "mine.npy"
    screen.ask(f"__import__('numpy').save({str(mine)!r}, wb.session.run().data)")
    np.testing.assert_array_equal(np.load(tmp_path / "rate.npy"), np.load(mine))


def test_a_reloaded_page_and_a_lost_kernel_come_back_to_the_same_view(bench):
    screen = bench("back")
    page = screen.page
    screen.pick(177, 18)
    screen.turn(10)
    screen.until("wb.session.can_undo", True)
    value = screen.threshold()
    shown = screen.settled()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    screen.wait_for_frame()
    page.get_by_text("x 177, y 18").wait_for()
    assert screen.threshold() == value

    screen.until("wb.session.rest() or (wb.session.folder / 'recipe.toml').exists()", True)
    screen.until(f"'{value}' in (wb.session.folder / 'recipe.toml').read_text()", True)
    page.evaluate(f"async () => await {KERNEL}.restart()")
    page.wait_for_function(f"() => {KERNEL}.status === 'idle'")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"() => {KERNEL}.status === 'idle'")
    page.get_by_text("x 177, y 18").wait_for()
    screen.wait_for_frame()
    assert screen.threshold() == value
    assert screen.settled() == shown


def test_markup_in_a_file_name_is_shown_as_text(open_notebook, jupyter, exposure):
    folder = jupyter.work / "markup"
    folder.mkdir()
    name = "<img src=x onerror=alert(1)><script>document.title='broken'<_script>_uncal.fits"
    shutil.copy(exposure, folder / name)
    notebook(
        jupyter.work,
        "markup.ipynb",
        "from jwinteractive_widgets import workbench\n"
        f"wb = workbench([{f'markup/{name}'!r}])\n"
        "wb.session.note('warning', '<b class=bold>bold</b>')\nwb",
    )
    screen = Screen(open_notebook("markup.ipynb", (1280, 800)), folder)
    screen.page.get_by_text("<b class=bold>bold</b>").first.wait_for()
    assert screen.page.locator("b.bold").count() == 0
    assert screen.page.locator(".jwi-workbench img[src=x]").count() == 0
    assert screen.page.title() != "broken"
    assert "<script>" in screen.page.locator(".jwi-workbench").inner_text()
