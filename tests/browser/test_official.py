"""Official steps in the workbench: their panels, and pictures that follow their knobs."""

import pytest

STEP = "official_jump"
FLAGGED = "int((wb.canvas.picture.glance.product.groupdq & 4).astype(bool).sum())"


@pytest.fixture
def screen(open_bench, nircam_file, request):
    return open_bench(nircam_file, request.node.name, (1500, 1150), recipe="official")


def test_a_knob_of_an_official_step_changes_the_picture(screen):
    page = screen.page
    assert screen.ask("wb.session.recipe.name") == "official"
    screen.ask("wb.session.enable('official_ipc', False)")  # there is no reference for it
    page.locator(f'.jwi-step[data-step="{STEP}"]').click()
    screen.until("wb.session.look.step", STEP)
    # the steps before it run once, and the process that runs them has to start
    screen.until("wb.canvas.picture.request.upto", STEP, tries=600)
    screen.settled()
    many = screen.ask(FLAGGED)
    assert many > 50
    slider = page.locator('.jwi-row[data-name="rejection_threshold"] input[type=range]').first
    slider.focus()
    page.keyboard.press("End")
    screen.until(f"wb.session.recipe['{STEP}'].params.rejection_threshold", 20)
    screen.until(f"wb.canvas.picture.request.upto == '{STEP}' and 0 < {FLAGGED} < {many}", True)
    screen.shoot("official-jump")
    screen.theme("Dark")
    screen.shoot("official-jump-dark")


def test_a_native_step_and_its_official_form_are_swapped_in_place(screen):
    screen.ask("wb.session.swap('official_jump')")
    screen.until("'jump' in wb.session.recipe", True)
    screen.page.locator('.jwi-step[data-step="jump"]').wait_for()
    screen.ask("wb.session.undo()")
    screen.page.locator(f'.jwi-step[data-step="{STEP}"]').wait_for()
