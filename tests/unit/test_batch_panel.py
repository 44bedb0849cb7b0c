"""All exposures with one click: what is shown of each, and what a pattern of files means."""

import pytest

from jwinteractive.session import open_session

batch_panel = pytest.importorskip(
    "jwinteractive_widgets.batch_panel", reason="the lab extra is not installed"
)


@pytest.fixture
def panel(sent, in_process, nircam_file, tmp_path):
    session, wrong = open_session(nircam_file), []
    made = batch_panel.BatchPanel(session, lambda f, *given: f(*given), wrong.append)
    made.folder.value, made.wrong = str(tmp_path / "out"), wrong
    yield made
    made.close()


def press(panel):
    panel.apply.click()
    panel.wait()


def test_the_present_recipe_is_applied_and_what_is_finished_left_alone(panel):
    panel.session.set("jump", likelihood_threshold=7.5)
    for state in ("done", "kept"):
        press(panel)
        assert panel.wrong == []
        (row,) = panel.made.rows
        assert row.state == state
        assert f">{state}<" in panel.list.value
    assert (panel.apply.disabled, panel.stop.disabled) == (False, True)
    assert panel.session.journal[-1].text.startswith("batch: 1 of 1 exposures reduced")
    changed = panel.session.recipe["jump"].params.likelihood_threshold
    assert f"likelihood_threshold = {changed}" in next(
        (path.parent / "recipe.toml").read_text()
        for path in (batch_panel.Path(panel.folder.value) / ".batch").rglob("recipe.toml")
    )


def test_a_broken_file_of_a_folder_is_told_beside_the_others(panel, nircam_file, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "broken_uncal.fits").write_text("no FITS")
    (folder / nircam_file.name).symlink_to(nircam_file)
    panel.files.value = str(folder)
    press(panel)
    assert {row.name: row.state for row in panel.made.rows} == {
        "broken_uncal.fits": "failed",
        nircam_file.name: "done",
    }
    assert "cannot be read" in panel.list.value


def test_a_pattern_without_files_is_told_and_nothing_begins(panel, in_process, tmp_path):
    panel.files.value = str(tmp_path / "none*_uncal.fits")
    press(panel)
    assert "no file matches" in str(panel.wrong[0])
    assert in_process.calls == []
