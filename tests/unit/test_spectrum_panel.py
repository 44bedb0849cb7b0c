"""The panel of extracted spectra: it follows the aperture, keeps, compares, measures and saves."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from astropy.table import QTable

from jwinteractive.data import Box
from jwinteractive.recipe import Recipe
from jwinteractive.session import open_session
from jwinteractive.views import Band

STEP, TAB = "extract_1d", "extracted"
LINE = 0.5  # of the way along the spectrum
NX = 120


@pytest.fixture
def opened(sent, tmp_path):
    """Open a workbench on a file at the extraction step; all are closed at the end."""
    from jwinteractive_widgets import workbench

    made = []

    def open_at(hdus, name):
        hdus.writeto(tmp_path / name)
        session = open_session(tmp_path / name, Recipe.of(STEP))
        session.see(step=STEP)
        made.append(workbench(session))
        made[-1].graphs.tabs.folder = tmp_path
        return made[-1]

    yield open_at
    for bench in made:
        bench.close()


def with_source(hdus, middle=15.0):
    """A source with a line, 30 rows high, of 10 over its continuum of 5 for each column."""
    data = hdus["SCI"].data
    profile = np.exp(-0.5 * ((np.arange(data.shape[-2]) - middle) / 1.5) ** 2) / (1.5 * 2.5066)
    spectrum = 5 + 10 * np.exp(-0.5 * ((np.arange(NX) - LINE * NX) / 3) ** 2)
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, data.shape)
    data[...] = profile[:, None] * spectrum + noise
    for name, variance in (("ERR", 0.02), ("VAR_POISSON", 0.0002), ("VAR_RNOISE", 0.0002)):
        hdus[name].data[...] = variance
    hdus["VAR_FLAT"].data[...] = 0
    return hdus


@pytest.fixture
def bench(opened, image_hdus):
    return opened(with_source(image_hdus((30, NX))), "slit_cal.fits")


@pytest.fixture
def panel(bench):
    return bench.graphs.spectra


def band_of(bench, kind="source"):
    marks = bench.canvas.picture.frame.marks
    return next(m for m in marks if isinstance(m, Band) and m.kind == kind)


def drag(bench, by, rest=True):
    band = band_of(bench)
    wanted = replace(band, low=band.low + by, high=band.high + by)
    bench.canvas.view._on["mark"](band, wanted, rest)


def items(panel):
    return {item["id"]: item for item in panel.bar.items}


def drawn(panel):
    return {s.id: s for s in panel.view.series}


def test_the_step_opens_with_its_spectrum(bench, panel):
    assert bench.graphs.tabs.chosen == TAB
    assert bench.graphs.tabs.body.children == (panel,)
    (series,) = panel.view.series
    assert len(series.y) == NX
    assert series.err is not None
    assert panel.view._about["x"] == ["wavelength", "um"]
    bench.session.see(step="input")
    assert TAB not in bench.graphs.tabs.tabs.titles


def test_the_spectrum_follows_each_move_of_a_drag_which_is_one_edit(bench, panel):
    first = panel.plot.curves[0].y
    for by, rest in ((2.0, False), (6.0, False), (12.0, True)):
        drag(bench, by, rest)
    last = panel.plot.curves[0].y
    assert np.nansum(last) < 0.1 * np.nansum(first), "the aperture has left the source"
    bench.session.undo()
    np.testing.assert_array_equal(panel.plot.curves[0].y, first)
    assert not bench.session.can_undo


def test_a_pixel_is_followed_as_far_as_there_are_pixels(bench):
    bench.session.see(pick=(15, 60))
    assert [s.step for s in bench.graphs.ramp.history.steps] == ["input"]
    bench.session.see(box=Box(10, 20, 50, 60))
    assert [e for e in bench.session.journal if e.kind == "error"] == []


def test_a_kept_spectrum_stays_and_is_compared_and_taken_away(bench, panel, browser_says):
    panel.bar.on_do("keep", None)
    (kept,) = panel.kept
    before = kept.curve.y
    drag(bench, 1.0)
    np.testing.assert_array_equal(drawn(panel)[kept.id].y, before)
    assert drawn(panel)[kept.id].colour != drawn(panel)["present 0"].colour
    assert kept.name == "kept 1: 7, box", "its source, and how it was extracted"
    panel.bar.on_do("below", "ratio")
    below = drawn(panel)["below 0"]
    np.testing.assert_allclose(below.y, panel.plot.curves[0].y / before)
    assert below.below
    browser_says(panel.view, kind="remove", id=kept.id)
    assert list(drawn(panel)) == ["present 0"]
    assert "below" not in items(panel)


def test_the_pinned_spectrum_is_laid_over_while_it_is_compared(bench, panel):
    first = panel.plot.curves[0].y
    bench.session.pin()
    bench.session.see(compare="blink")
    drag(bench, 3.0)
    np.testing.assert_array_equal(drawn(panel)["pinned 0"].y, first)
    assert drawn(panel)["pinned 0"].dash == "dashed"
    bench.session.see(compare="off")
    assert "pinned 0" not in drawn(panel)


def test_a_line_is_measured_in_the_chosen_range_and_follows_the_aperture(
    bench, panel, browser_says
):
    middle = 1 + LINE * NX / (NX - 1)
    browser_says(panel.view, kind="range", range=[middle - 0.1, middle + 0.1])
    rows = {r[0]: r[1] for r in panel.measured.rows}
    centre, error = map(float, rows["centroid (um)"].split(" ± "))
    assert abs(centre - middle) < 4 * error < 0.01
    assert float(rows["signal to noise"]) > 20
    assert panel.view.sides == [
        pytest.approx([middle - 0.3, middle - 0.1]),
        pytest.approx([middle + 0.1, middle + 0.3]),
    ]
    assert "centroid" in panel.table.value
    drag(bench, 12.0)
    assert float(dict(panel.measured.rows)["signal to noise"]) < 10
    browser_says(panel.view, kind="range", range=None)
    assert panel.measured is None
    assert (panel.table.value, panel.view.sides) == ("", [])


def test_toggles_change_how_it_is_drawn_and_the_bar_says_so(panel):
    for act, trait in (("log", "log_y"), ("snr", "signal_to_noise")):
        panel.bar.on_do(act, True)
        assert getattr(panel.view, trait)
        assert items(panel)[act]["value"]
    panel.bar.on_do("range", True)
    assert panel.view.tool == "range"


def test_the_table_holds_present_and_kept_spectra_with_units(bench, panel):
    panel.bar.on_do("keep", None)
    drag(bench, 1.0)
    bench.graphs.tabs.table.click()
    table = QTable.read(bench.graphs.tabs.folder / "extracted.ecsv")
    assert set(table["curve"]) == {panel.plot.curves[0].name, panel.kept[0].name}
    assert table.colnames == ["curve", "wavelength", "flux", "error"]
    assert str(table["wavelength"].unit) == "um"
    assert len(table) == 2 * NX


def test_the_official_product_is_written_and_never_over_another(panel, tmp_path, monkeypatch):
    spectra = pytest.importorskip("specutils", reason="the spectra extra is not installed")
    monkeypatch.chdir(tmp_path)
    panel.bar.on_do("x1d", None)
    assert "saved slit_x1d.fits" in panel.text.value
    product = spectra.SpectrumList.read(tmp_path / "slit_x1d.fits", format="JWST x1d multi")
    np.testing.assert_allclose(product[0].flux.value, panel.plot.curves[0].y, rtol=1e-6)
    panel.bar.on_do("x1d", None)
    assert "slit_x1d.fits: exists" in panel.text.value
    assert not items(panel)["x1d"]["disabled"]


def test_integrations_have_a_light_curve_and_the_look_chooses_one(opened, image_hdus):
    bench = opened(with_source(image_hdus((6, 30, NX), TSOVISIT=True)), "series_calints.fits")
    panel = bench.graphs.spectra
    first = panel.plot.curves[0].y
    bench.session.see(integration=4)
    assert panel.plot.title == "spectrum of integration 5"
    assert not np.array_equal(panel.plot.curves[0].y, first)
    assert items(panel)["shows"]["options"] == ["spectrum", "light curve"]
    panel.bar.on_do("shows", "light curve")
    (series,) = panel.view.series
    assert (series.style, len(series.y)) == ("points", 6)
    assert "ppm" in panel.text.value
    bench.session.set("extract_1d", drift="measured")
    assert [c.name for c in panel.plot.curves][1:] == ["less drift and slope in time"]


def test_a_spaxel_of_a_cube_is_picked_beside_the_aperture_and_its_waves_are_told(opened, cube_hdus):
    bench = opened(cube_hdus((60, 6, 9)), "cube_s3d.fits")
    panel = bench.graphs.spectra
    assert len(panel.plot.curves[0].y) == 60
    panel.bar.on_do("shows", "spaxel")
    assert panel.plot is None
    assert panel.view.empty == "click a spaxel in the frame"
    bench.session.see(pick=(2, 3))
    np.testing.assert_array_equal(panel.plot.curves[0].y, bench.session.input().data[:, 2, 3])
    assert [e for e in bench.session.journal if e.kind == "error"] == []
    assert "waves against the aperture" in panel.text.value
    assert drawn(panel)["waves"].below
    x = panel.plot.curves[0].x
    panel._choose((x[10], x[20]), True)
    panel.bar.on_do("collapse", None)
    assert bench.session.look.planes == (10, 20)
    marks = bench.canvas.picture.frame.marks
    assert len(marks) == 3, "the aperture lies over the mean of these planes"
    assert bench.canvas.picture.frame.note.startswith("mean of ")
    mean = bench.session.input().data[10:21].mean(axis=0)
    np.testing.assert_allclose(bench.canvas.picture.frame.data, mean, rtol=1e-5)
    panel.bar.on_do("all-planes", None)
    assert bench.canvas.picture.frame.note == "mean of all planes"
    bench.session.see(shown="input")
    panel.bar.on_do("collapse", None)
    frame = bench.canvas.picture.frame
    assert frame.title == "mean of planes"
    wanted = bench.session.input().data[10:21].mean(axis=0)
    np.testing.assert_allclose(frame.data, wanted, rtol=1e-5)
    assert len(panel.plot.curves[0].y) == 60, "the spaxel is still there"


def test_a_cube_has_spaxels_before_anything_is_extracted(opened, cube_hdus):
    bench = opened(cube_hdus((40, 6, 9)), "cube_s3d.fits")
    bench.session.see(step="input", pick=(1, 1))
    assert bench.graphs.tabs.chosen == TAB
    assert bench.graphs.spectra.plot is not None
    (axis,) = bench.canvas.view.axes
    assert (axis["name"], axis["size"], len(axis["words"])) == ("plane", 40, 40)
    bench.canvas.go("plane", 3)
    assert bench.session.look.plane == 3
    assert bench.canvas.picture.frame.title == "plane"
    np.testing.assert_array_equal(bench.canvas.picture.frame.data, bench.session.input().data[3])


def test_a_click_in_the_spectrum_goes_to_the_plane_there_which_is_marked(
    opened, cube_hdus, browser_says
):
    bench = opened(cube_hdus((40, 6, 9)), "cube_s3d.fits")
    view = bench.graphs.spectra.view
    assert view.marker is None, "all planes are in the picture"
    assert bench.canvas.view.axes == []
    bench.session.see(step="input", pick=(1, 1))
    x = bench.graphs.spectra.plot.curves[0].x
    assert view.marker == x[0]
    browser_says(view, kind="click", x=float(0.4 * x[12] + 0.6 * x[13]))
    assert bench.session.look.plane == 13
    assert view.marker == x[13]
    bench.session.see(view="mean of planes")
    assert view.marker is None
