"""Apertures dragged on a frame and on a cube in JupyterLab, and the spectrum that follows."""

import numpy as np
import pytest
from astropy.io import fits

SHAPE = (48, 512)
ROW, LINE = 22.0, 300  # where the source and its line are
PANEL = "wb.graphs.spectra"
FLUX = f"float(__import__('numpy').nansum({PANEL}.plot.curves[0].y))"
CARDS = {
    "TELESCOP": "JWST",
    "INSTRUME": "NIRSPEC",
    "DETECTOR": "NRS1",
    "EXP_TYPE": "NRS_FIXEDSLIT",
    "SUBARRAY": "SUBS200A1",
    "READPATT": "NRSRAPID",
    "NINTS": 1,
    "NGROUPS": 5,
}


@pytest.fixture(scope="module")
def slit(tmp_path_factory):
    """A calibrated slit with one source, one line and some sky, 48 x 512."""
    rng = np.random.default_rng(11)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    spectrum = 40 + 0.03 * columns + 150 * np.exp(-0.5 * ((columns - LINE) / 3) ** 2)
    profile = np.exp(-0.5 * ((rows - ROW) / 1.6) ** 2) / (1.6 * 2.5066)
    data = (spectrum * profile + 4 + rng.normal(0, 0.3, SHAPE)).astype("f4")
    first = fits.PrimaryHDU()
    first.header.update(CARDS | {"CAL_VER": "1"})
    hdus = fits.HDUList([first, fits.ImageHDU(data, name="SCI")])
    for name, value in (("ERR", 0.3), ("VAR_POISSON", 0.06), ("VAR_RNOISE", 0.03)):
        hdus.append(fits.ImageHDU(np.full(SHAPE, value, "f4"), name=name))
    hdus.append(fits.ImageHDU(np.zeros(SHAPE, "u4"), name="DQ"))
    wavelength = np.linspace(1.7, 3.1, SHAPE[1]) * np.ones(SHAPE)
    hdus.append(fits.ImageHDU(wavelength.astype("f4"), name="WAVELENGTH"))
    hdus["SCI"].header.update(BUNIT="MJy/sr", PIXAR_SR=1e-12, SRCTYPE="POINT", DISPAXIS=1)
    path = tmp_path_factory.mktemp("slit") / "slit_cal.fits"
    hdus.writeto(path)
    return path


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A simulated cube of a point source with lines, 120 x 20 x 20."""
    pytest.importorskip("jwst", reason="the official pipeline is not installed")
    from jwinteractive.simulate.cubes import simulate_cube

    return simulate_cube(planes=120, size=20).write(tmp_path_factory.mktemp("cube") / "a_s3d.fits")


@pytest.fixture
def screen(notebook, screen_of, jupyter, request):
    """Open a workbench on a file at the extraction step."""

    def opened(path):
        name = request.node.name
        folder = jupyter.work / name
        folder.mkdir()
        (folder / path.name).write_bytes(path.read_bytes())
        code = (
            "from jwinteractive.recipe import Recipe\n"
            "from jwinteractive.session import open_session\n"
            "from jwinteractive_widgets import workbench\n"
            f"session = open_session({f'{name}/{path.name}'!r}, Recipe.of('extract_1d'))\n"
            "session.see(step='extract_1d')\n"
            "wb = workbench(session)\n"
            "wb"
        )
        notebook(f"{name}.ipynb", code)
        screen = screen_of(f"{name}.ipynb", (1500, 1150), folder)
        screen.page.locator(".jwi-spectrum").wait_for()
        return screen

    return opened


class Hand:
    """The mouse over the frame, in its pixels."""

    def __init__(self, screen):
        self.mouse = screen.page.mouse
        self._canvas = screen.page.locator(".jwi-canvas")
        self.window = screen.ask("list(wb.canvas.view.viewport)")

    def at(self, x, y):
        box = self._canvas.bounding_box()  # pages scroll
        x0, y0, x1, y1 = self.window
        wide, tall = box["width"] / (x1 - x0), box["height"] / (y1 - y0)
        return box["x"] + (x + 0.5 - x0) * wide, box["y"] + (y1 - y - 0.5) * tall

    def drag(self, start, *through):
        self.mouse.move(*self.at(*start))
        self.mouse.down()
        for place in through:
            self.mouse.move(*self.at(*place))
        self.mouse.up()


def closer(screen, window):
    """Look at a part of the frame."""
    screen.ask(f"wb.canvas.view.go_to({window})")
    screen.page.wait_for_timeout(300)
    screen.settled()
    return Hand(screen)


def drawn(screen):
    """How often the spectrum was drawn."""
    return int(screen.page.locator(".jwi-spectrum").get_attribute("data-drawn") or 0)


def time_of_drags(screen, hand, start, count=12):
    """Milliseconds from each move of an aperture to its spectrum drawn anew, one at a time."""
    page = screen.page
    page.evaluate(
        """() => {
            window.times = [];
            let moved = null;
            const root = document.querySelector('.jwi-spectrum');
            let serial = root.dataset.serial;
            document.querySelector('.jwi-canvas').addEventListener('pointermove', (event) => {
                if (event.buttons) moved = event.timeStamp;
            }, true);
            new MutationObserver(() => {
                if (root.dataset.serial === serial) return;
                serial = root.dataset.serial;
                if (moved !== null) window.times.push(performance.now() - moved);
                moved = null;
            }).observe(root, { attributes: true, attributeFilter: ['data-drawn'] });
        }"""
    )
    hand.mouse.move(*hand.at(*start))
    hand.mouse.down()
    for i in range(count):
        hand.mouse.move(*hand.at(start[0], start[1] + 1 + 0.3 * i))
        page.wait_for_function("(n) => window.times.length > n", arg=i)
        page.wait_for_timeout(350)  # what is computed at rest must not be taken for an answer
    hand.mouse.up()
    return np.asarray(page.evaluate("() => window.times"))


def test_an_aperture_is_dragged_off_its_source_and_the_spectrum_falls(screen, slit):
    screen = screen(slit)
    page = screen.page
    on_source = screen.ask(FLUX)
    hand = closer(screen, (220.0, 0.0, 300.0, 48.0))
    screen.shoot("spectra-slit-light")
    hand.drag((260, ROW), (260, ROW + 4), (260, ROW + 10), (260, ROW + 14))
    screen.until(f"{FLUX} < {0.7 * on_source}", True)
    apertures = "wb.session.recipe['extract_1d'].params.apertures"
    low, high = map(float, screen.ask(apertures).split(":"))
    assert abs((low + high) / 2 - (ROW + 14)) < 0.7
    assert screen.ask("sum('apertures' in e.text for e in wb.session.journal)") == 1
    off_source = screen.ask(FLUX)
    times = time_of_drags(screen, hand, (260, ROW + 14))
    ends = np.percentile(times, [50, 90])
    print(f"\ndrag to redrawn spectrum: median {ends[0]:.0f} ms, 90 % within {ends[1]:.0f} ms")
    page.locator(".jwi-canvas").press("u")
    screen.until(f"round({FLUX} / {off_source}, 6)", 1)

    screen.press("keep")
    page.locator(".jwi-graph-entry", has_text="kept 1").wait_for()
    page.locator(".jwi-canvas").press("u")
    screen.until(f"round({FLUX} / {on_source}, 6)", 1)
    assert off_source < 0.7 * on_source
    select = page.locator(".jwi-spectra").get_by_label("below", exact=True)
    select.select_option("difference")
    screen.until(f"len({PANEL}.view.series)", 3)
    screen.shoot("spectra-kept-light")

    # a range around the line, by the mouse
    page.locator(".jwi-spectra").get_by_role("button", name="range", exact=True).click()
    screen.until(f"{PANEL}.view.tool", "range")
    graph = page.locator(".jwi-graph").bounding_box()
    left, wide = graph["x"] + 66, graph["width"] - 78
    middle = left + wide * (LINE / SHAPE[1] * 0.98 + 0.01)
    page.mouse.move(middle - 14, graph["y"] + 60)
    page.mouse.down()
    page.mouse.move(middle, graph["y"] + 60)
    page.mouse.move(middle + 14, graph["y"] + 60)
    page.mouse.up()
    screen.until(f"{PANEL}.measured is not None", True)
    rows = dict(row[:2] for row in screen.ask(f"{PANEL}.measured.rows"))
    wanted = 1.7 + 1.4 * LINE / (SHAPE[1] - 1)
    assert abs(float(rows["centroid (um)"].split()[0]) - wanted) < 0.002
    page.locator(".jwi-spectra").get_by_text("equivalent width").wait_for()
    page.mouse.move(middle, graph["y"] + 100)
    page.locator(".jwi-graph-words", has_text="S/N").wait_for()
    screen.shoot("spectra-line-light")
    screen.theme("Dark")
    page.mouse.move(middle + 30, graph["y"] + 100)
    screen.shoot("spectra-line-dark")
    screen.theme("Light")
    page.get_by_role("button", name="remove kept 1").click()
    screen.until(f"len({PANEL}.kept)", 0)


def test_a_cube_is_leafed_through_its_spaxels_picked_and_its_aperture_dragged(screen, cube):
    screen = screen(cube)
    page = screen.page
    on_source = screen.ask(FLUX)
    screen.shoot("spectra-cube-light")
    hand = Hand(screen)
    (star,) = screen.ask(
        "[[m.x, m.y, m.a] for m in wb.canvas.picture.frame.marks if m.kind == 'source']"
    )
    hand.drag(star[:2], (star[0] - 2, star[1] - 2), (star[0] - 5, star[1] - 4))
    screen.until(f"{FLUX} < {0.7 * on_source}", True)
    page.locator(".jwi-canvas").press("u")
    screen.until(f"round({FLUX} / {on_source}, 6)", 1)

    page.locator(".jwi-spectra").get_by_label("show", exact=True).select_option("spaxel")
    screen.settled()  # the aperture has come back
    page.mouse.click(*hand.at(round(star[0]), round(star[1])))
    screen.until("wb.session.look.pick is not None", True)
    page.locator(".jwi-spectra").get_by_text("waves against the aperture").wait_for()
    screen.shoot("spectra-spaxel-light")
    screen.theme("Dark")
    screen.shoot("spectra-spaxel-dark")
    screen.theme("Light")

    page.locator(".jwi-workbench").get_by_label("show after", exact=True).select_option("input")
    screen.until("wb.canvas.picture.request.upto", "input")
    before = screen.settled()
    slider = page.get_by_role("slider", name="plane", exact=True)
    slider.focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    screen.until("wb.session.look.plane", 30)
    screen.settled(unlike=before)
    wavelength = screen.ask("wb.session.input().wavelengths[30]")
    page.get_by_text(f"plane 31 of 120 · {wavelength:.6g} um").wait_for()
    screen.shoot("spectra-plane-light")
