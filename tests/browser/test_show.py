"""The tutorial in JupyterLab: frame, pick, steps, themes."""

import hashlib
from pathlib import Path

import pytest

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
SHOT_BOX = ".jp-Notebook .jwi"


def run_all(page):
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")


def wait_for_frame(page, drawn=1):
    """Wait until the canvas was painted ``drawn`` times and nothing is being computed."""
    page.wait_for_function(
        "n => Number(document.querySelector('.jwi-frame')?.dataset.drawn || 0) >= n"
        " || document.querySelector('.jp-Notebook [data-mime-type*=stderr]')",
        arg=drawn,
        timeout=180_000,
    )
    assert_no_cell_failed(page)
    return settled(page)


def assert_no_cell_failed(page):
    trouble = page.locator(".jp-Notebook [data-mime-type*=stderr]")
    assert trouble.count() == 0, trouble.first.inner_text()


def painted(page):
    """Pixels of the canvas: how many colours, and a digest of them all."""
    data = page.evaluate(
        """() => {
            const c = document.querySelector('.jwi-canvas');
            const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            let s = '';
            for (let i = 0; i < d.length; i += 4)
                s += String.fromCharCode(d[i], d[i + 1], d[i + 2]);
            return s;
        }"""
    )
    colours = {data[i : i + 3] for i in range(0, len(data), 3)}
    return len(colours), hashlib.sha256(data.encode()).hexdigest()


def settled(page, unlike=None):
    """Picture once two looks agree and it differs from ``unlike``."""
    last = None
    for _ in range(200):
        now = painted(page)
        if now == last and now != unlike:
            return now
        last = now
        page.wait_for_timeout(150)
    return pytest.fail("the canvas does not come to rest")


def click_pixel(page, x, y, size=256):
    box = page.locator(".jwi-canvas").bounding_box()
    scale = box["width"] / size
    page.mouse.click(box["x"] + (x + 0.5) * scale, box["y"] + (size - y - 0.5) * scale)


def choose(page, label, value):
    page.locator(".jwi .widget-dropdown", has_text=label).locator("select").select_option(value)


def shoot(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.locator(SHOT_BOX).screenshot(path=SCREENSHOTS / f"{name}.png")


def test_the_tutorial_shows_a_frame_a_ramp_and_every_step_in_both_themes(lab):
    page = lab.page
    run_all(page)
    colours, rate = wait_for_frame(page)
    assert colours > 50, "the canvas is blank"
    page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
        " === 'idle'",
        timeout=180_000,
    )

    page.locator(".jwi").scroll_into_view_if_needed()
    text = page.locator(".jwi-ramp-text")
    assert text.count() == 0
    click_pixel(page, 177, 18)
    text.wait_for()
    one = text.inner_text()
    assert "DN/s" in one
    title = page.locator(".jwi-title").inner_text()
    assert "x 177, y 18" in title

    page.keyboard.press("ArrowRight")
    page.get_by_text("Up the ramp at x 178, y 18").wait_for()
    assert text.inner_text() != one
    shoot(page, "rate-light")

    choose(page, "after step", "input")
    _, raw = settled(page, unlike=rate)
    page.locator(".jwi-quiet", has_text="as read").wait_for()
    choose(page, "after step", "jump")
    settled(page, unlike=raw)
    shoot(page, "jump-light")

    page.evaluate(
        "() => window.jupyterapp.commands.execute('apputils:change-theme',"
        " {theme: 'JupyterLab Dark'})"
    )
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    settled(page)
    shoot(page, "jump-dark")

    assert_no_cell_failed(page)
    assert list((lab.work / "products").glob("*_rate.fits"))
