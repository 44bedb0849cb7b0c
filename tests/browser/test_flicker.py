"""The 1/f workshop: a method changes, the scene mask is edited, and the stripes go."""

import pytest

STRIPES = {"one_over_f_common": 12.0, "one_over_f_amp": 4.0, "cosmic_rays": 0.5, "snowballs": 0.0}
FIT_METHOD = "wb.session.recipe['clean_flicker_noise'].params.fit_method"


@pytest.fixture(scope="module")
def striped(tmp_path_factory):
    """A simulated NIRCam exposure of 1 x 6 x 256 x 256 with four times the usual 1/f noise."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("striped")
    simulated = simulate(
        "nircam", size=(256, 256), seed=7, ngroups=6, crowding=400, galaxies=2, **STRIPES
    )
    return simulated.write(folder)


@pytest.fixture
def screen(open_bench, striped, request):
    """The workbench at the step, switched on, with the rate that comes of it."""
    screen = open_bench(striped, request.node.name, (1500, 1150))
    page = screen.page
    page.locator(".jwi-step[data-step=clean_flicker_noise]").click()
    screen.until("wb.session.look.step", "clean_flicker_noise")
    show_after(screen, "ramp_fit")
    return screen


def show_after(screen, step):
    page = screen.page
    page.locator(".jwi-workbench").get_by_label("show after", exact=True).select_option(step)
    wanted = "clean_flicker_noise" if step == "the chosen step" else step
    screen.until("wb.canvas.picture.request.upto", wanted)
    screen.settled()


def view(screen, title):
    page = screen.page
    page.locator(".jwi-workbench").get_by_label("view", exact=True).select_option(title)
    screen.until("wb.canvas.picture.request.view", title)


def scatter(screen, rows="slice(None)"):
    """Scatter of the medians of rows that the frame shows."""
    np = "__import__('numpy')"
    data = f"wb.canvas.picture.frame.data[{rows}]"
    return screen.ask(f"float({np}.nanstd({np}.nanmedian({data}, axis=1)))")


def switch_on(screen):
    before = screen.settled()
    screen.page.locator(".jwi-step[data-step=clean_flicker_noise]").press(" ")
    screen.until("wb.session.recipe['clean_flicker_noise'].enabled", True)
    return screen.settled(unlike=before)


def test_stripes_go_with_the_method_and_methods_are_judged_and_blinked(screen):
    page = screen.page
    striped = scatter(screen)
    last = switch_on(screen)
    cleaned = scatter(screen)
    assert cleaned < 0.3 * striped
    screen.shoot("flicker-rate-light")
    page.locator(".jwi-row[data-name=fit_method] select").select_option("median")
    screen.until(FIT_METHOD, "median")
    last = screen.settled(unlike=last)
    assert cleaned < scatter(screen) < 0.7 * striped

    page.get_by_role("tab", name="1/f methods").click()
    page.get_by_role("button", name="compare all methods").click()
    rows = page.locator(".jwi-stripes tbody tr")
    rows.nth(4).wait_for()
    page.get_by_text("fft: fit_method = 'fft' is for").wait_for()
    words = rows.evaluate_all("rows => rows.map(r => [...r.cells].map(c => c.innerText))")
    assert [w[0] for w in words] == ["before", "smoother", "fourier", "shrunk_median", "median *"]
    left = {w[0]: float(w[1]) for w in words}
    assert left["smoother"] < 0.5 * left["median *"] < 0.5 * left["before"]
    screen.shoot("flicker-methods-light")
    screen.theme("Dark")
    screen.shoot("flicker-methods-dark")
    screen.theme("Light")

    chosen = page.locator(".jwi-stripes").get_by_label("method", exact=True)
    chosen.select_option("smoother")
    screen.press("blink")
    screen.until("wb.session.look.compare", "blink")
    screen.until("wb.canvas.picture.pair is not None", True)
    a, b = (f"wb.canvas.picture.pair[{i}].data" for i in (1, 0))
    assert screen.ask(f"float(__import__('numpy').nanmax(abs({a} - {b})))") > 0
    screen.press("use it")
    screen.until(FIT_METHOD, "smoother")
    page.get_by_text("made with other settings: compare again").wait_for()
    page.locator(".jwi-workbench").press("u")
    screen.until(FIT_METHOD, "median")


def test_the_noise_the_mask_and_the_plots_are_seen(screen):
    page = screen.page
    switch_on(screen)
    show_after(screen, "the chosen step")
    for title in ("background", "1/f noise", "scene mask"):
        view(screen, title)
        screen.settled()
        screen.shoot(f"flicker-{title.replace('/', '').replace(' ', '-')}-light")
    page.locator(".jwi-masks").get_by_text("source", exact=True).wait_for()
    assert screen.ask("int((wb.canvas.picture.frame.dq & 4 > 0).sum())") > 100
    page.locator(".jwi-frame", has_text="% is background").wait_for()
    screen.theme("Dark")
    screen.shoot("flicker-scene-mask-dark")
    screen.theme("Light")
    labels = {
        "profile across lines": "median of each row of background in view",
        "profile along lines": "median of each column of background in view",
        "power spectrum": "power of the background in view, in the order of reading",
    }
    for title, words in labels.items():
        view(screen, title)
        page.locator(".jwi-plots").get_by_text(words).wait_for()
        page.locator(".jwi-plots").get_by_text("before").first.wait_for()
        screen.shoot(f"flicker-{title.replace(' ', '-')}-light")
    # back to a picture: its flags are data-quality bits again
    view(screen, "change by this step")
    page.locator(".jwi-masks").get_by_text("JUMP_DET", exact=True).wait_for()


def test_rows_painted_as_source_keep_their_stripes_until_the_paint_is_taken_off(screen):
    page = screen.page
    switch_on(screen)
    rows = "slice(100, 151)"
    clean = scatter(screen, rows)
    last = screen.settled()
    page.get_by_role("button", name="Mask", exact=True).click()
    screen.until("wb.canvas.view.drawing", True)
    page.get_by_role("button", name="1/f scene", exact=True).click()
    screen.until("[x.role for x in wb.session.mask().layers]", ["scene"])
    page.locator(".jwi-canvas").focus()
    page.keyboard.press("3")  # rectangle
    box = page.locator(".jwi-canvas").bounding_box()
    scale = box["height"] / 256
    for x, y in ((2, 151), (box["width"] - 2, 100)):
        at = box["x"] + x, box["y"] + (256 - y - 0.5) * scale
        page.mouse.move(*at)
        page.mouse.down() if x == 2 else page.mouse.up()
    screen.until("wb.session.mask().layers[0].count > 10000", True)
    screen.until("wb.canvas.picture.settings is wb.session.settings", True)
    screen.settled(unlike=last)
    painted = scatter(screen, rows)
    assert painted > 2 * clean
    screen.shoot("flicker-painted-light")
    page.locator(".jwi-workbench").press("u")
    screen.until("wb.session.mask().layers[0].count", 0)
    screen.until("wb.canvas.picture.settings is wb.session.settings", True)
    screen.settled()
    assert scatter(screen, rows) < 1.1 * clean
