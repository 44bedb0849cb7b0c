"""`jwinteractive lab`: what is put into the working folder, and how JupyterLab is called."""

import json
from pathlib import Path

import pytest

from jwinteractive import lab
from jwinteractive.errors import InputError, JwinteractiveError, OutputError


@pytest.fixture
def demo(tmp_path):
    """Folder in which both exposures are there already."""
    (tmp_path / "demo").mkdir()
    for name in ("a_nrca1_truth.asdf", "a_mirimage_truth.asdf"):
        (tmp_path / "demo" / name).touch()
    return tmp_path


def test_the_tutorial_is_copied_and_a_worked_on_copy_is_kept(demo):
    notebook = lab.prepare(demo, [])
    assert "jwinteractive.open(path)" in notebook.read_text()
    notebook.write_text("mine")
    assert lab.prepare(demo, []).read_text() == "mine"


def test_only_the_exposures_that_are_not_there_are_simulated(demo, monkeypatch, nircam_file):
    made = []

    class Simulated:
        def write(self, folder):
            made.append(folder)
            return nircam_file

    (demo / "demo" / "a_mirimage_truth.asdf").unlink()
    monkeypatch.setattr(
        "jwinteractive.simulate.simulate", lambda mode, **_: made.append(mode) or Simulated()
    )
    lab.prepare(demo, [])
    assert made == ["miri", demo / "demo"]
    assert (demo / "demo" / "miri_rate.png").read_bytes().startswith(b"\x89PNG")


def test_the_notebook_shows_the_exposure_before_it_is_run(demo):
    cells = json.loads(lab.prepare(demo, []).read_text())["cells"]
    assert "demo/nircam_rate.png" in cells[1]["source"]


def test_the_settings_of_the_simulated_exposures_are_settings_of_their_modes():
    from jwinteractive.simulate.settings import settings_for

    for mode, settings in lab.DEMO_SETTINGS.items():
        made = settings_for(mode, settings)
        assert made.crowding == settings["crowding"]


def test_named_files_get_a_small_notebook_that_runs_as_python(tmp_path):
    exposure = tmp_path / "jw1_uncal.fits"
    exposure.touch()
    notebook = lab.prepare(tmp_path / "work", [str(exposure)])
    assert notebook == tmp_path / "work" / "jw1_uncal.ipynb"
    cells = ["".join(c["source"]) for c in json.loads(notebook.read_text())["cells"]]
    assert str(exposure) in cells[0]
    for cell in cells:
        compile(cell, "cell", "exec")


def test_a_file_that_is_not_there_is_said_by_name(tmp_path):
    with pytest.raises(InputError, match=r"nowhere_uncal\.fits: no such file"):
        lab.prepare(tmp_path, [str(tmp_path / "nowhere_uncal.fits")])


def test_a_folder_that_cannot_be_made_is_said_by_name(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="taken: cannot be written"):
        lab.prepare(tmp_path / "taken", [])


def test_jupyterlab_is_bound_to_this_machine_and_keeps_its_token():
    line = lab.command(Path("x/first_minute.ipynb"), None, browser=True)
    assert "--ServerApp.ip=127.0.0.1" in line
    assert "--LabApp.default_url=/lab/tree/first_minute.ipynb" in line
    assert "--ServerApp.port_retries=50" in line
    assert not [word for word in line if "token" in word or "password" in word]
    fixed = lab.command(Path("x/first_minute.ipynb"), 9999, browser=False)
    assert {"--ServerApp.port=9999", "--ServerApp.port_retries=0", "--no-browser"} <= set(fixed)


def test_without_the_lab_extra_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    with pytest.raises(JwinteractiveError, match=r"pip install 'jwinteractive\[lab\]'"):
        lab.launch(tmp_path, None, browser=False, files=[])
