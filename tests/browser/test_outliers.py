"""Outliers of a set: the mask follows a threshold; a place is seen in all exposures."""

import pytest

COUNT = "int((wb.canvas.picture.glance.product.dq & 16).astype(bool).sum())"


@pytest.fixture(scope="module")
def dithered(tmp_path_factory):
    """Four simulated exposures of 256 x 256 of one field."""
    from jwinteractive.simulate.dithers import dithers

    return dithers(4, (256, 256), hits=2e-3).write(tmp_path_factory.mktemp("dithered"))


@pytest.fixture
def screen(open_bench, dithered, request):
    return open_bench(dithered, request.node.name, (1500, 1150))


def outliers(screen):
    """How many outliers the picture has, of the chosen exposure."""
    return screen.ask(COUNT)


def view(screen, title):
    screen.page.locator(".jwi-workbench").get_by_label("view", exact=True).select_option(title)
    screen.until("wb.canvas.picture.request.view", title)
    screen.settled()


def test_the_mask_follows_the_threshold(screen):
    page = screen.page
    assert screen.ask("wb.session.recipe.name") == "nircam_imaging"
    many = outliers(screen)
    assert many > 50
    before = screen.settled()
    slider = page.locator('.jwi-row[data-name="snr"] input[type=range]').first
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], middle)
    page.mouse.down()
    for share in (0.4, 0.6, 0.8, 0.95):
        page.mouse.move(box["x"] + share * box["width"], middle)
        page.wait_for_timeout(40)
    page.mouse.up()
    screen.settled(unlike=before)
    snr = "wb.session.recipe['outlier_detection'].params.snr"
    screen.until(f"float({snr}.split()[0]) > 10", True)
    screen.until(f"0 < {COUNT} < {many}", True)
    screen.shoot("outliers-threshold")


def test_a_place_is_seen_in_all_exposures_and_outliers_are_counted(screen):
    page = screen.page
    page.get_by_text("click a pixel of the frame").wait_for()
    y, x = screen.ask(
        "[int(i) for i in __import__('numpy').argwhere("
        "wb.canvas.picture.glance.product.dq[100:150, 100:150] & 16)[0] + 100]"
    )
    box = page.locator(".jwi-canvas").bounding_box()
    scale = box["width"] / 256
    page.mouse.click(box["x"] + (x + 0.5) * scale, box["y"] + (256 - y - 0.5) * scale)
    samples = "wb.graphs.agreement.samples"
    screen.until(f"{samples} is not None and bool({samples}.outlier[0])", True)
    assert screen.ask(f"len({samples}.names)") == 4
    screen.press("count the outliers of all exposures")
    screen.until("len(wb.graphs.agreement.counted)", 4)
    page.get_by_role("region", name="outliers by exposure").get_by_text("dither4").wait_for()
    view(screen, "difference over noise")
    for theme in ("Light", "Dark"):
        screen.theme(theme)
        screen.shoot(f"outliers-{theme.lower()}")
    view(screen, "what it is compared with")
    page.keyboard.press("e")
    screen.until("wb.session.active", 1)
    screen.settled()
    screen.shoot("outliers-stack")
