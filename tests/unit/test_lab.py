"""`jwinteractive lab`: what is put into the working folder, and how JupyterLab is called."""

import json
from pathlib import Path

import pytest

from jwinteractive import lab
from jwinteractive.errors import InputError, JwinteractiveError, OutputError
from jwinteractive.server import RUN_AHEAD


def test_the_tutorial_is_copied_and_a_worked_on_copy_is_kept(tmp_path):
    notebook = lab.prepare(tmp_path / "work", [])
    assert "workbench(session)" in notebook.read_text()
    notebook.write_text("mine")
    assert lab.prepare(tmp_path / "work", []).read_text() == "mine"


def test_what_opens_the_workbench_is_marked_to_run_before_the_browser_opens(tmp_path):
    exposure = tmp_path / "jw1_uncal.fits"
    exposure.touch()
    for files in ([], [str(exposure)]):
        cells = json.loads(lab.prepare(tmp_path / "work", files).read_text())["cells"]
        ahead = [c for c in cells if RUN_AHEAD in c["metadata"].get("tags", [])]
        assert "workbench(" in "".join(ahead[-1]["source"])
        assert cells.index(ahead[-1]) <= 1, "the workbench is on the first screen"


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
    line = lab.command(Path("x/first_minute.ipynb"), None)
    assert "--ServerApp.ip=127.0.0.1" in line
    assert "--LabApp.default_url=/lab/tree/first_minute.ipynb" in line
    assert "--ServerApp.port_retries=50" in line
    assert not [word for word in line if "token" in word or "password" in word]
    fixed = lab.command(Path("x/first_minute.ipynb"), 9999)
    assert {"--ServerApp.port=9999", "--ServerApp.port_retries=0"} <= set(fixed)


def test_without_the_lab_extra_one_line_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    with pytest.raises(JwinteractiveError, match=r"pip install 'jwinteractive\[lab\]'"):
        lab.launch(tmp_path, None, browser=False, files=[])
