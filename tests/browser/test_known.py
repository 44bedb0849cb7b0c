"""Known issues and the sources of parameters in the workbench: read, applied, taken back."""

import shutil

import pytest
from astropy.io import fits


@pytest.fixture
def screen(open_bench, nircam_file, request, tmp_path):
    path = tmp_path / nircam_file.name
    shutil.copy(nircam_file, path)
    for card, value in (("CAL_VER", "1.10.0"), ("S_JUMP", "COMPLETE")):
        fits.setval(path, card, value=value)
    return open_bench(path, request.node.name, (1500, 1150))


def test_a_remedy_is_applied_and_undone_and_a_value_taken_from_where_it_comes(screen):
    page = screen.page
    flicker = "wb.session.recipe['clean_flicker_noise'].enabled"
    screen.ask("wb.session.enable('clean_flicker_noise', False)")
    side = page.get_by_role("toolbar", name="Side panel")
    side.get_by_text("Issues").click()
    page.get_by_text("known issues of this file").wait_for()
    card = page.locator(
        ".jwi-known .widget-vbox .widget-vbox", has_text="1/f noise leaves bands along the rows"
    )
    assert "times what white noise gives" in card.inner_text()
    for theme in ("Light", "Dark"):
        screen.theme(theme)
        screen.shoot(f"known-{theme.lower()}")
    changed = page.get_by_text("What changed since jwst 1.10.0 made this file")
    changed.click()
    page.get_by_text("no notes at hand of 1.18.1").scroll_into_view_if_needed()
    for theme in ("Light", "Dark"):
        screen.theme(theme)
        screen.shoot(f"changes-{theme.lower()}")
    changed.click()
    card.get_by_role("button", name="Apply").click()
    screen.until(flicker, True)
    card.get_by_role("button", name="Applied").wait_for()
    screen.press("Undo")
    screen.until(flicker, False)
    card.get_by_role("button", name="Apply", exact=True).wait_for()
    side.get_by_text("Parameters").click()
    page.locator('.jwi-step[data-step="clean_flicker_noise"]').click()
    page.get_by_role("toolbar", name="Sources of the parameters").get_by_role("button").click()
    taking = page.get_by_role("button", name="recommended False")
    assert taking.get_attribute("title").startswith("nircam-flicker: NIRCam 1/f Noise")
    for theme in ("Light", "Dark"):
        screen.theme(theme)
        screen.shoot(f"sources-{theme.lower()}")
    taking.click()
    screen.until(flicker, True)
