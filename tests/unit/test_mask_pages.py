"""The studio's pages that measure exposures and that save, take in and compare masks."""

import pytest

pytest.importorskip("bqplot", reason="the lab extra is not installed")

from jwinteractive import dq
from jwinteractive.masks import Layer, Rectangle, Selection, read_text, write_text


@pytest.fixture
def files(bench, tmp_path, monkeypatch):
    """The page of files of a workbench in an empty folder, with a layer in the mask."""
    monkeypatch.chdir(tmp_path)
    bench._do("mask")
    none = Selection.none(bench.session.mask().shape)
    bench.mask.desk.add(Layer(name="box", pixels=none, shapes=(Rectangle(2, 5, 3, 6),)))
    return bench.mask.files


def test_a_mask_is_saved_as_text_and_taken_in_again_as_another_layer(files):
    files.buttons["save"].click()
    saved = read_text(files.path.value)
    assert saved["box"].same(files.session.mask()["box"])
    files.buttons["take"].click()
    assert [x.name for x in files.session.mask().layers] == ["box", "box 2"]
    assert "1 layer of" in files.outcome.value


def test_the_ending_follows_the_form_and_what_is_lost_is_said(files):
    files.form.value = "user_dq"
    assert files.path.value.endswith("_mask.fits")
    files.buttons["save"].click()
    assert "not in the file" in files.outcome.value
    files.buttons["save"].click()
    assert "exists: tick &#x27;overwrite a file that exists&#x27; or" in files.outcome.value
    files.overwrite.value = True
    files.buttons["save"].click()
    assert "written" in files.outcome.value


def test_comparing_says_which_pixels_gain_and_lose_a_flag(files):
    files.buttons["save"].click()
    files.buttons["compare"].click()
    assert "the same as" in files.outcome.value
    mask = files.session.mask()
    files.session.use_mask(mask.changed("box", shapes=(Rectangle(2, 5, 3, 7),)))
    files.buttons["compare"].click()
    assert "+4 pixels" in files.outcome.value
    assert "<td>DO_NOT_USE</td><td>+4</td><td>−0</td>" in files.outcome.value


def test_a_file_that_is_no_mask_is_refused_in_one_line(files, tmp_path):
    (tmp_path / "nrca1_mask.toml").write_text("hello")
    files.buttons["take"].click()
    assert "jwi-takehome-error" in files.outcome.value
    assert not files.buttons["take"].disabled
    assert len(files.session.mask().layers) == 1


@pytest.fixture(scope="module")
def programme(tmp_path_factory):
    """Rates of six dithered exposures of 256 x 256 pixels with hot pixels that nobody knows of."""
    from jwinteractive.simulate.rates import simulate_rates

    folder = tmp_path_factory.mktemp("programme")
    small = {"size": (256, 256), "readpatt": "DEEP8", "ngroups": 20}
    return simulate_rates(folder, 6, **small, new_hot=0.01, seed=11)


@pytest.fixture
def measured(sent, programme):
    """The page that measures, on a session of these rates."""
    import jwinteractive
    from jwinteractive_widgets import workbench

    made = workbench(jwinteractive.open(programme.paths))
    made._do("mask")
    page = made.mask.statistics
    page.button.click()
    yield page
    made.close()


def test_measured_classes_become_layers_that_say_what_they_are_of(measured, programme):
    mask = measured.session.mask()
    hot = mask["HOT"]
    truth = Selection.from_mask(programme.pixels.dq & dq.HOT)
    assert (hot.selection & truth).count > 0.6 * hot.count
    assert hot.origin.kind == "statistic"
    assert hot.origin.details["exposures"].count("_rate.fits") == 6
    assert hot.flags == ("DO_NOT_USE", "HOT")
    assert mask["WARM"].flags == ("WARM",)
    assert "HOT" in measured.table.value


def test_layers_follow_the_slider_as_one_edit_and_keep_what_was_changed_by_hand(measured):
    session = measured.session
    session.use_mask(session.mask().changed("WARM", on=False))
    before = session.mask()["WARM"].count
    for value in (4.0, 5.0, 6.0):
        measured._set("warm", value)
    session.rest()
    warm = session.mask()["WARM"]
    assert warm.count < before
    assert not warm.on
    assert warm.origin.details["warm"] == 6.0
    session.undo()
    assert session.mask()["WARM"].count == before


def test_false_flags_by_chance_are_told_and_fall_with_the_threshold(measured):
    def chance():
        row = measured.table.value.split("<td>WARM</td>")[1].split("</td>")
        return float(row[1].removeprefix("<td>"))

    measured._set("warm", 0.5)
    measured._set("significance", 3.0)
    many = chance()
    assert many > 10
    measured._set("significance", 4.5)
    assert chance() < 0.1 * many


def test_the_official_algorithm_gives_a_layer_of_its_own_beside_the_others(measured):
    measured.method.value = "badpix_selfcal"
    measured.button.click()
    mask = measured.session.mask()
    assert "HOT" in mask
    assert mask["badpix_selfcal"].count == pytest.approx(0.002 * 256**2, rel=0.05)
    measured._set("flagfrac_upper", 0.01)
    measured.button.click()
    assert measured.session.mask()["badpix_selfcal"].count == pytest.approx(
        0.011 * 256**2, rel=0.05
    )


def test_one_exposure_is_refused_and_files_may_be_named(bench, programme):
    page = bench.mask.statistics
    page.button.click()
    assert "one exposure" in page.said.value
    page.source.value = str(programme.paths[0].parent)
    page.button.click()
    assert "6 exposures of NRCA1" in page.said.value
    mask = bench.session.mask()
    assert mask.shape == (256, 256), "a mask of a larger window holds for this one, too"
    assert "HOT" in mask
    page.source.value = "nothing-here*"
    page.button.click()
    assert "names no files" in page.said.value


@pytest.fixture
def dated(files):
    """The page of epochs, with masks of three dates in the folder: a box that grows at the last."""
    mask = files.session.mask().changed("box", flags=("HOT", "DO_NOT_USE"))
    for month, rows in ((1, 5), (4, 5), (7, 9)):
        own = mask.changed("box", shapes=(Rectangle(2, rows, 3, 6),))
        write_text(own.replace(date=f"2026-0{month}-01"), f"{month}_mask.toml")
    page = files.session
    files.session.use_mask(mask.replace(date="2026-10-01"))
    return page


def test_masks_are_followed_by_date_and_new_pixels_become_layers(bench, dated):
    page = bench.mask.epochs
    page.present.value = False
    page.button.click()
    assert "3 dates" in page.said.value
    assert "<td>HOT</td><td>16</td><td>32</td><td>+16</td><td>−0</td>" in page.said.value
    assert page.plot.plot.curves[0].y.tolist() == [16, 16, 32]
    page.add.click()
    assert bench.session.mask()["new HOT"].count == 16
    assert bench.session.mask()["new HOT"].origin.text == "bad since 2026-07-01"


def test_a_mask_without_a_date_is_named(bench, dated, tmp_path):
    write_text(bench.session.mask().replace(date=""), "undated_mask.toml")
    page = bench.mask.epochs
    page.button.click()
    assert "undated_mask.toml: has no date" in page.said.value
