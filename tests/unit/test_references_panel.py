"""The page of references: what is there, what is missing, and giving it."""

import shutil

import pytest

import jwinteractive
from jwinteractive_widgets import workbench


@pytest.fixture
def bench(sent, miri_file, tmp_path, monkeypatch):
    """A workbench of official steps on an exposure without references."""
    for name in ("CRDS_PATH", "CRDS_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / miri_file.name
    path.symlink_to(miri_file)
    made = workbench(jwinteractive.open(path, "official"))
    made.show_page("Refs")
    yield made
    made.close()


@pytest.fixture
def refs(miri_file):
    return miri_file.with_name(miri_file.name.replace("_uncal.fits", "_refs"))


def test_what_cannot_run_is_told_in_the_journal_before_a_run(bench):
    (told,) = [e.text for e in bench.session.journal if e.kind == "warning"]
    assert told.startswith("cannot run: official_dq_init without mask; ")
    assert "official_jump without gain, readnoise; " in told
    assert told.endswith(": see Refs")


def test_it_says_what_is_missing_and_who_needs_it(bench):
    table = bench.references.table.value
    assert "cannot run: official_dq_init, official_saturation, " in table
    assert "missing; N/A skips the step" in table
    assert 'title="official_jump, official_ramp_fit, official_gain_scale">gain</th>' in table
    assert bench.references.reftype.value == "abvegaoffset"
    assert "MIR_IMAGE goes without: bkg, camera, " in table


def test_a_folder_and_a_file_are_taken_and_edits_can_be_undone(bench, refs, tmp_path):
    panel = bench.references
    panel.folder.value = str(refs)
    assert "folder: jwst_miri_gain_sim.fits, " in panel.table.value
    assert "cannot run: official_assign_wcs" in panel.table.value
    own = tmp_path / "my_gain.fits"
    shutil.copy(next(refs.glob("*gain*")), own)
    panel.reftype.value, panel.file.value = "gain", str(own)
    panel.use.click()
    assert "override: my_gain.fits" in panel.table.value
    panel.again.click()
    assert "folder: jwst_miri_gain_sim.fits, " in panel.table.value
    bench.session.undo()
    bench.session.undo()
    bench.session.undo()
    assert panel.folder.value == ""
    assert "cannot run: official_dq_init" in panel.table.value


def test_what_is_not_there_or_another_type_is_refused_and_changes_nothing(bench, refs):
    panel, before = bench.references, bench.session.settings
    panel.folder.value = "/nowhere"
    assert 'role="alert"' in panel.text.value
    assert "no such folder" in panel.text.value
    panel.reftype.value, panel.file.value = "gain", "nowhere.fits"
    panel.use.click()
    assert "gain: nowhere.fits: no such file" in panel.text.value
    assert bench.session.settings is before or bench.session.settings == before
    panel.file.value = str(next(refs.glob("*readnoise*")))
    panel.use.click()
    assert "its header says that it is of type readnoise" in panel.text.value
    assert bench.session.settings is before or bench.session.settings == before
    panel.file.value = "N/A"
    panel.use.click()
    assert "N/A by override: gain" in panel.table.value


def test_it_can_be_of_the_chosen_step_alone(bench):
    bench.session.see(step="official_saturation")
    bench.references.bar.on_do("alone", True)
    assert "1 references, 1 missing" in bench.references.table.value
    bench.session.see(step="official_jump")
    assert ">readnoise</th>" in bench.references.table.value
    assert ">saturation</th>" not in bench.references.table.value


def test_nothing_is_looked_for_while_another_page_is_shown(bench, monkeypatch):
    def check(*_):
        raise AssertionError("it looked")

    bench.show_page("Parameters")
    monkeypatch.setattr("jwinteractive_widgets.references_panel.check", check)
    bench.session.enable("official_jump", False)
    with pytest.raises(AssertionError, match="it looked"):
        bench.show_page("Refs")
