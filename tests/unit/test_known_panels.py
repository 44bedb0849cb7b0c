"""The page of known issues, and where the parameters of a step come from, in the workbench."""

import shutil

import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive.official.exchange import Settings, write_pars
from jwinteractive_widgets import workbench


@pytest.fixture
def bench(sent, nircam_file, monkeypatch):
    for name in ("CRDS_PATH", "CRDS_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    made = workbench(jwinteractive.open(nircam_file))
    yield made
    made.close()


def choose(bench, step):
    bench.session.see(step=step)
    bench.sources.bar.on_do("sources", True)
    return bench.sources


def test_a_remedy_is_applied_with_one_click_and_undone(bench):
    bench.show_page("Issues")
    panel, before = bench.known, bench.session.recipe
    assert panel.found is not None
    button = panel.apply["nircam-flicker"]
    assert (button.description, button.disabled) == ("Apply", False)
    assert button.tooltip == "clean_flicker_noise: clean_flicker_noise on"
    button.click()
    assert bench.session.recipe["clean_flicker_noise"].enabled
    assert bench.session.journal[-1].text.startswith("nircam-flicker: ")
    assert (button.description, button.disabled) == ("Applied", True)
    bench.session.undo()
    assert bench.session.recipe == before
    assert (button.description, button.disabled) == ("Apply", False)


def test_a_remedy_of_steps_that_the_recipe_has_not_cannot_be_applied(bench):
    bench.show_page("Issues")
    button = bench.known.apply["nircam-tiles"]
    assert button.disabled
    assert button.tooltip.endswith("has none of these steps")


def test_what_changed_since_a_file_was_made_is_beside_its_issues(sent, nircam_file, tmp_path):
    path = tmp_path / nircam_file.name
    shutil.copy(nircam_file, path)
    made = workbench(jwinteractive.open(path))
    made.show_page("Issues")
    assert made.known.changes.value == ""  # raw: nobody has made it
    made.close()
    for card, value in (("CAL_VER", "1.10.0"), ("S_JUMP", "COMPLETE")):
        fits.setval(path, card, value=value)
    made = workbench(jwinteractive.open(path))
    made.show_page("Issues")
    text = made.known.changes.value
    assert "since jwst 1.10.0 made this file" in text
    assert "1.11.1: jump" in text
    assert "ramp_fit" not in text
    made.close()


def test_nothing_is_measured_before_somebody_looks(bench):
    assert bench.known.found is None
    assert bench.sources.found is None


def test_a_click_on_a_value_takes_it(bench, tmp_path):
    given = Settings("jump", {"rejection_threshold": 7.0})
    write_pars(tmp_path / "pars-jumpstep.asdf", [given])
    bench.session.use_folder(tmp_path)
    panel = choose(bench, "jump")
    theirs = panel.take["rejection_threshold", "crds"]
    assert theirs.description == "CRDS 7.0"
    assert theirs.tooltip == "pars-jumpstep.asdf: take 7.0"
    assert panel.take["rejection_threshold", "default"].disabled
    theirs.click()
    assert bench.session.recipe["jump"].params.rejection_threshold == 7.0
    assert panel.take["rejection_threshold", "crds"].disabled
    assert ("minimum_groups", "default") not in panel.take
    panel.take["rejection_threshold", "default"].click()
    assert bench.session.recipe["jump"].params.rejection_threshold == 4.0


def test_an_own_value_is_told_from_a_recommended_one(bench):
    panel = choose(bench, "clean_flicker_noise")
    recommended = panel.take["skip", "recommended"]
    assert recommended.tooltip.startswith("nircam-flicker: NIRCam 1/f Noise Removal Methods")
    bench.session.enable("clean_flicker_noise", False)
    panel.take["skip", "recommended"].click()
    assert bench.session.recipe["clean_flicker_noise"].enabled
    bench.session.set("clean_flicker_noise", n_sigma=2.5)
    assert panel.take["n_sigma", "yours"].disabled
    panel.take["n_sigma", "default"].click()
    assert bench.session.recipe["clean_flicker_noise"].params.n_sigma == 2.0


def test_the_toggle_is_there_where_a_step_is_chosen(bench):
    bench.session.see(step="input")
    assert bench.sources.children == ()
    panel = choose(bench, "jump")
    assert panel.children == (panel.bar, panel.list)
    panel.bar.on_do("sources", False)
    assert panel.children == (panel.bar,)
