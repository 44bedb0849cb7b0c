"""The workbench in JupyterLab, used as a person uses it."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

STARS = {"crowding": 1500, "faintest": 20, "galaxies": 6}


@pytest.fixture(scope="module")
def exposure(tmp_path_factory):
    """A simulated NIRCam exposure of 1 x 10 x 256 x 256 with its references beside it."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("exposure")
    simulated = simulate("nircam", size=(256, 256), seed=7, readpatt="MEDIUM8", **STARS)
    return simulated.write(folder)


@pytest.fixture
def bench(open_bench, exposure):
    """A workbench on a copy of the exposure; ``name`` is that of its notebook and session."""
    return lambda name, size=(1500, 1000): open_bench(exposure, name, size)


def test_a_knob_changes_the_pixels_the_ramp_and_the_session_and_can_be_undone(bench):
    screen = bench("knob", (1500, 1250))
    page = screen.page
    first = screen.ask(screen.threshold)
    screen.pick(177, 18)
    before, text = screen.settled(), page.locator(".jwi-ramp-text").inner_text()
    assert "DN/s" in text
    screen.shoot("workbench-light")
    screen.theme("Dark")
    screen.shoot("workbench-dark")
    screen.theme("Light")

    screen.turn(40)
    after = screen.settled(unlike=before)
    assert screen.ask(screen.threshold) > first + 0.5
    assert screen.state("jump") == screen.state("ramp_fit") == "stale"
    assert len(screen.ask("[e.text for e in wb.session.journal if e.kind == 'edit']")) <= 1

    page.locator(".jwi-workbench").press("u")
    screen.until(screen.threshold, first)
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
    screen.knob.wait_for()
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
    screen.knob.wait_for()
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
    screen.page.locator(".jwi-comparison", has_text="_threshold").wait_for()


def test_the_script_that_is_taken_home_gives_the_same_array(bench, tmp_path):
    screen = bench("home")
    first = screen.ask(screen.threshold)
    screen.turn(15)
    screen.until(f"{screen.threshold} > {first}", True)
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
    value = screen.ask(screen.threshold)
    shown = screen.settled()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    screen.wait_for_frame()
    page.get_by_text("x 177, y 18").wait_for()
    assert screen.ask(screen.threshold) == value

    screen.until("wb.session.rest() or (wb.session.folder / 'recipe.toml').exists()", True)
    screen.until(f"'{value}' in (wb.session.folder / 'recipe.toml').read_text()", True)
    page.evaluate(f"async () => await {screen.kernel}.restart()")
    page.wait_for_function(f"() => {screen.kernel}.status === 'idle'")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(f"() => {screen.kernel}.status === 'idle'")
    page.get_by_text("x 177, y 18").wait_for()
    screen.wait_for_frame()
    assert screen.ask(screen.threshold) == value
    assert screen.settled() == shown


def test_markup_in_a_file_name_is_shown_as_text(notebook, screen_of, jupyter, exposure):
    folder = jupyter.work / "markup"
    folder.mkdir()
    name = "<img src=x onerror=alert(1)><script>document.title='broken'<_script>_uncal.fits"
    shutil.copy(exposure, folder / name)
    notebook(
        "markup.ipynb",
        "from jwinteractive_widgets import workbench\n"
        f"wb = workbench([{f'markup/{name}'!r}])\n"
        "wb.session.note('warning', '<b class=bold>bold</b>')\nwb",
    )
    screen = screen_of("markup.ipynb", (1280, 800), folder)
    screen.page.get_by_text("<b class=bold>bold</b>").first.wait_for()
    assert screen.page.locator("b.bold").count() == 0
    assert screen.page.locator(".jwi-workbench img[src=x]").count() == 0
    assert screen.page.title() != "broken"
    assert "<script>" in screen.page.locator(".jwi-workbench").inner_text()
