"""The mask studio in the workbench: drawn on by a person, followed by the picture."""

import pytest


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A simulated NIRCam exposure of 1 x 10 x 256 x 256."""
    from jwinteractive.simulate import simulate

    folder = tmp_path_factory.mktemp("studio")
    return simulate("nircam", size=(256, 256), seed=5, crowding=1500, faintest=20).write(folder)


@pytest.fixture
def studio(open_bench, crowded, request):
    """The workbench with the mask page open, at the rate."""
    screen = open_bench(crowded, request.node.name, (1500, 1150))
    screen.page.locator(".jwi-step[data-step=ramp_fit]").click()
    screen.until("wb.session.look.step", "ramp_fit")
    screen.page.get_by_role("button", name="Mask", exact=True).click()
    screen.until("wb.canvas.view.drawing", True)
    screen.settled()
    return screen


def place(screen, x, y, size=256):
    box = screen.page.locator(".jwi-canvas").bounding_box()
    scale = box["width"] / size
    return box["x"] + (x + 0.5) * scale, box["y"] + (size - y - 0.5) * scale


def drag(screen, *points):
    mouse = screen.page.mouse
    mouse.move(*place(screen, *points[0]))
    mouse.down()
    for point in points[1:]:
        mouse.move(*place(screen, *point), steps=4)
    mouse.up()


FLAGGED = "int((wb.canvas.picture.frame.dq & (1 << 30) > 0).sum())"


def test_every_tool_draws_on_a_layer_that_the_picture_follows_and_undo_takes_back(studio):
    page = studio.page
    counts = [0]

    def grew(by=None):
        now = then = counts[-1]
        for _ in range(100):  # on its way a stroke is in the mask, too
            now, then = studio.ask("sum(x.count for x in wb.session.mask().layers)"), now
            if now == then != counts[-1] and not studio.ask("wb.mask.desk._begun is not None"):
                break
            page.wait_for_timeout(50)
        assert now != counts[-1], "nothing was drawn"
        assert by is None or now - counts[-1] == by
        counts.append(now)
        studio.until(FLAGGED, now)

    drag(studio, (60, 60), (100, 90), (140, 60))  # the brush is at hand
    grew()
    page.locator(".jwi-canvas").focus()
    page.keyboard.press("3")  # rectangle
    drag(studio, (20, 180), (60, 220))
    grew(41 * 41)
    page.keyboard.press("4")  # ellipse
    drag(studio, (180, 180), (220, 200))
    grew()
    page.keyboard.press("5")  # lasso
    drag(studio, (150, 100), (200, 100), (220, 150), (160, 160), (150, 100))
    grew()
    page.keyboard.press("6")  # line
    drag(studio, (10, 20), (120, 30))
    grew()
    page.keyboard.press("8")  # single pixels
    page.mouse.click(*place(studio, 240, 20))
    grew(1)
    page.mouse.click(*place(studio, 240, 20))
    grew(-1)
    page.keyboard.press("2")  # eraser
    drag(studio, (30, 200), (50, 200))
    grew()
    assert counts[-1] < counts[-2]
    page.keyboard.press("3")
    page.keyboard.down("Alt")
    drag(studio, (40, 170), (70, 190))
    page.keyboard.up("Alt")
    grew()
    assert counts[-1] < counts[-2]
    bright = studio.ask(
        "[int(v) for v in __import__('numpy').unravel_index("
        "__import__('numpy').nanargmax(wb.canvas.picture.frame.data),"
        " wb.canvas.picture.frame.data.shape)]"
    )
    page.keyboard.press("7")  # flood
    page.mouse.click(*place(studio, bright[1], bright[0]))
    grew()
    page.keyboard.press("8")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    grew()

    page.get_by_role("button", name="New layer").click()
    studio.until("len(wb.session.mask().layers)", 2)
    page.locator(".jwi-canvas").focus()
    page.keyboard.press("4")
    drag(studio, (90, 120), (120, 140))
    studio.until("wb.session.mask().layers[1].count > 0", True)
    studio.theme("Light")
    studio.shoot("studio-light")
    studio.theme("Dark")
    studio.shoot("studio-dark")
    studio.theme("Light")

    page.get_by_label("which groups").select_option(label="group 10 to the end, integration 1")
    studio.until("str(wb.session.mask().layers[1].groups)", "i1 g10-")
    ramp = "wb.session.preview(wb.session.input().covers, 'user_flags')"
    jumps = f"int(({ramp}.groupdq[0, 9, 130, 105] & 4) > 0)"
    studio.until(jumps, 1)
    page.locator(".jwi-workbench").press("u")
    studio.until("wb.session.mask().layers[1].groups is None", True)


def test_sources_and_background_are_drawn_for_the_fit_of_1f_noise_and_flag_nothing(studio):
    page = studio.page
    page.get_by_role("button", name="1/f scene", exact=True).click()
    studio.until("[x.role for x in wb.session.mask().layers]", ["scene"])
    scene = "wb.session.mask().scene(wb.session.input().exposure.filename)"
    page.locator(".jwi-canvas").focus()
    page.keyboard.press("3")  # rectangle
    drag(studio, (20, 180), (60, 220))
    studio.until(f"{scene}[180:221, 20:61].tolist() == [[1] * 41] * 41", True)
    studio.until(f"int(({scene} > 0).sum())", 41 * 41)
    page.keyboard.press("2")  # eraser
    drag(studio, (30, 200), (50, 200))
    studio.until(f"int(({scene} > 0).sum()) < 41 * 41", True)
    assert not studio.ask("bool(wb.session.mask().dq(wb.session.input().exposure.filename).any())")
    row = page.locator(".jwi-layer")
    row.get_by_text("source for 1/f, this exposure").wait_for()
    for hidden in ("what is wrong with the pixels", "which groups"):
        assert not page.get_by_label(hidden).is_visible()

    page.get_by_role("button", name="1/f scene", exact=True).click()
    studio.until("wb.mask.desk.layer", "1/f scene 2")
    page.get_by_label("what the layer does").select_option(label="background: fitted")
    page.locator(".jwi-canvas").focus()
    page.keyboard.press("4")  # ellipse
    drag(studio, (40, 190), (90, 210))
    studio.until(f"[int({scene}[185, 22]), int({scene}[200, 65]), int({scene}[90, 90])]", [1, 2, 0])
    row.get_by_text("background for 1/f, this exposure").wait_for()
    studio.until("'1/f scene: source' in wb.mask.total.value", True)
    studio.theme("Light")
    studio.shoot("studio-scene-light")
    studio.theme("Dark")
    studio.shoot("studio-scene-dark")
    studio.theme("Light")

    page.get_by_label("what the layer is for").select_option(label="bad pixels: flags")
    page.get_by_label("what is wrong with the pixels").wait_for()
    bad = "wb.session.mask()['1/f scene 2'].count"
    studio.until(f"{FLAGGED} == {bad}", True)
    page.locator(".jwi-workbench").press("u")
    studio.until("wb.session.mask()['1/f scene 2'].role", "scene")
    studio.until(FLAGGED, 0)


@pytest.fixture(scope="module")
def programme(tmp_path_factory):
    """Rates of six dithered exposures with pixels that became hot since the references."""
    from jwinteractive.simulate.rates import simulate_rates

    folder = tmp_path_factory.mktemp("programme")
    small = {"size": (256, 256), "readpatt": "DEEP8", "ngroups": 20}
    return simulate_rates(folder, 6, **small, new_hot=0.01, seed=11).paths


def test_exposures_are_measured_into_layers_that_follow_a_slider_and_are_saved(
    notebook, screen_of, jupyter, programme
):
    import shutil

    folder = jupyter.work / "measured"
    shutil.copytree(programme[0].parent, folder)
    notebook(
        "measured.ipynb",
        "from jwinteractive_widgets import workbench\n"
        "from pathlib import Path\n"
        "wb = workbench(sorted(Path('measured').glob('*_rate.fits')), folder='measured-session')\n"
        "wb",
    )
    screen = screen_of("measured.ipynb", (1500, 1150), folder)
    page = screen.page
    page.get_by_role("button", name="Mask", exact=True).click()
    page.get_by_role("button", name="Measure", exact=True).click()
    page.locator(".jwi-mask-page").get_by_role("button", name="Measure").click()
    screen.until("'HOT' in wb.session.mask() and 'WARM' in wb.session.mask()", True)
    warm = "wb.session.mask()['WARM'].count"
    before = screen.ask(warm)
    row = page.locator('.jwi-mask-page .jwi-row[data-name="warm"]')
    row.locator("input[type=range]").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    assert screen.ask(warm) < before
    screen.theme("Light")
    screen.shoot("measure-light")
    screen.theme("Dark")
    screen.shoot("measure-dark")
    screen.theme("Light")
    page.get_by_role("button", name="Files", exact=True).click()
    page.get_by_label("as", exact=True).select_option("MASK reference")
    page.get_by_role("button", name="Save mask").click()
    page.locator(".jwi-mask-page").get_by_text("written:").wait_for()
    assert screen.ask("Path('nrca1_mask.fits').exists()")
    screen.shoot("files-light")
    screen.theme("Dark")
    screen.shoot("files-dark")
    screen.theme("Light")

    page.get_by_role("button", name="Epochs", exact=True).click()
    for day in ("2024-01-01", "2024-05-01"):
        mask = f"wb.session.mask().replace(date={day!r})"
        screen.ask(f"str(__import__('jwinteractive').masks.write_text({mask}, '{day}_mask.toml'))")
    page.get_by_role("button", name="Follow").click()
    page.locator(".jwi-mask-page").get_by_text("3 dates").wait_for()
    page.get_by_role("button", name="New pixels as layers").wait_for()
    screen.settled()
    screen.shoot("epochs-light")
    screen.theme("Dark")
    screen.shoot("epochs-dark")
    screen.theme("Light")
