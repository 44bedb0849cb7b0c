"""Official steps in the workbench: their panels, and pictures that follow their knobs."""

import pytest

STEP = "official_jump"
FLAGGED = "int((wb.canvas.picture.glance.product.groupdq & 4).astype(bool).sum())"


@pytest.fixture
def screen(open_bench, nircam_file, request):
    return open_bench(nircam_file, request.node.name, (1500, 1400), recipe="official")


def choose(screen):
    screen.page.locator(f'.jwi-step[data-step="{STEP}"]').click()
    screen.until("wb.session.look.step", STEP)
    # the steps before it run once, and the process that runs them has to start
    screen.until("wb.canvas.picture.request.upto", STEP, tries=600)
    screen.settled()


def button(bar, name):
    return bar.get_by_role("button", name=name, exact=True)


def test_a_knob_of_an_official_step_changes_the_picture(screen):
    page = screen.page
    assert screen.ask("wb.session.recipe.name") == "official"
    choose(screen)
    many = screen.ask(FLAGGED)
    assert many > 50
    slider = page.locator('.jwi-row[data-name="rejection_threshold"] input[type=range]').first
    slider.focus()
    page.keyboard.press("End")
    screen.until(f"wb.session.recipe['{STEP}'].params.rejection_threshold", 20)
    screen.until(f"wb.canvas.picture.request.upto == '{STEP}' and 0 < {FLAGGED} < {many}", True)
    screen.theme("Light")
    screen.shoot("official-jump")
    screen.theme("Dark")
    screen.shoot("official-jump-dark")


def test_native_and_official_are_compared_in_one_click_and_swapped_in_another(screen):
    page = screen.page
    choose(screen)
    form = page.get_by_role("toolbar", name="Form of the step")
    assert button(form, "official").get_attribute("aria-pressed") == "true"
    button(form, "compare").click()
    page.get_by_text("the step alone").wait_for()
    shown = page.locator(".jwi-rivals").inner_text()
    assert "official / native" in shown
    assert "JUMP_DET" in shown
    assert screen.ask("wb.session.look.compare") == "difference"
    screen.until("wb.canvas.picture.request.compare", "difference")
    # a jump flagged by one of them alone is all that differs, and that is what is drawn
    assert screen.ask("float(abs(wb.canvas.picture.frame.data).max())") == 0
    assert screen.ask("int((wb.canvas.picture.frame.dq != 0).sum())") < 5
    page.get_by_role("toolbar", name="Log of the step").get_by_role("button").click()
    page.get_by_role("log", name="log").get_by_text("rejection threshold").first.wait_for()
    screen.theme("Light")
    screen.shoot("official-compared")
    screen.theme("Dark")
    screen.shoot("official-compared-dark")
    button(form, "native").click()
    page.locator('.jwi-step[data-step="jump"]').wait_for()
    page.locator(".jwi-said").wait_for(state="detached")
    screen.press("Undo")
    page.locator(f'.jwi-step[data-step="{STEP}"]').wait_for()


def test_missing_references_are_seen_and_given(screen, nircam_file):
    page = screen.page
    page.get_by_role("toolbar", name="Side panel").get_by_text("Refs").click()
    table = page.locator(".jwi-references table")
    table.get_by_text("missing").first.wait_for()
    page.get_by_text("cannot run: official_assign_wcs, official_photom").wait_for()
    page.get_by_text("cannot run: official_assign_wcs without distortion").wait_for()  # journal
    assert table.locator("tbody tr").first.inner_text().split("\t")[1].strip() == "missing"
    screen.shoot("references")
    refs = screen.folder / nircam_file.name.replace("_uncal.fits", "_refs")
    (gain,) = refs.glob("*gain*")
    page.get_by_label("type", exact=True).select_option("gain")
    page.get_by_placeholder("file of this type").fill(str(gain))
    page.get_by_role("button", name="Use it").click()
    table.get_by_text(f"override: {gain.name}").wait_for()
    assert screen.ask("wb.session.references.overrides") == {"gain": str(gain)}
    screen.theme("Dark")
    screen.shoot("references-dark")
