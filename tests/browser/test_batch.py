"""All exposures in processes of their own: in the workbench, and on the page that tells them."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def screen(open_bench, nircam_file):
    return open_bench(nircam_file, "programme", (1500, 1150))


def test_the_recipe_is_applied_to_all_exposures_and_each_is_told(screen, browser, tmp_path):
    pytest.importorskip("distributed", reason="the batch extra is not installed")
    page = screen.page
    page.get_by_role("toolbar", name="Side panel").get_by_text("Take home").click()
    folder = f"{screen.folder.name}-batch"
    screen.ask(f"setattr(wb.batch.folder, 'value', {folder!r})")
    page.get_by_role("button", name="Apply to all exposures").click()
    page.get_by_text("1 of 1 exposures reduced in").wait_for(timeout=120_000)
    page.locator(".jwi-batch-list .jwi-batch-good").get_by_text("done").wait_for()
    assert screen.ask("[row.state for row in wb.batch.made.rows]") == ["done"]
    for theme in ("Light", "Dark"):
        screen.theme(theme)
        screen.shoot(f"batch-{theme.lower()}")
    shots = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    told = screen.folder.with_name(folder) / "batch.html"
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 800})
        summary = context.new_page()
        summary.goto(told.as_uri())
        assert summary.locator("figure img").evaluate("i => i.naturalWidth") > 0
        colour = summary.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert (colour == "rgb(255, 255, 255)") == (scheme == "light")
        summary.screenshot(path=shots / f"batch-page-{scheme}.png")
        context.close()
