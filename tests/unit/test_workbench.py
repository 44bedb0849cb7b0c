"""The workbench without a browser: a recording comm, a front end played by messages."""

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

import jwinteractive
from jwinteractive.session import Session
from jwinteractive_widgets import workbench


@pytest.fixture
def wb(session, sent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return workbench(session)


@pytest.fixture
def turn(browser_says):
    """Move a knob of the form to a value, as the browser does."""

    def to(wb, name, value, kind="commit"):
        step = wb.session.look.step
        browser_says(wb.form, kind=kind, id="v", seq=1, step=step, name=name, value=value)

    return to


def states(wb):
    return {s.step: s.state for s in wb.session.states()}


def ended(wb):
    """Wait for the run in work."""
    thread = wb.runs._thread
    if thread is not None:
        thread.join(60)
    assert not wb.runs.busy


def test_it_opens_on_the_step_whose_knobs_matter_most(wb):
    assert wb.session.look.step == "jump"
    assert wb.form.about["step"] == "jump"
    assert [i["step"] for i in wb.steps.items][:2] == ["input", "group_scale"]
    assert wb.canvas.picture.request.upto == "jump"


def test_a_knob_changes_the_session_the_picture_and_what_is_stale(wb, turn):
    wb.session.run()
    before = wb.canvas.picture
    turn(wb, "rejection_threshold", 30.0)
    assert wb.session.recipe["jump"].params.rejection_threshold == 30.0
    assert wb.canvas.picture is not before
    assert wb.session.stale()[0] == "jump"
    assert wb.form.rows["rejection_threshold"]["origin"] == "you"


def test_a_value_that_is_not_allowed_is_said_beneath_its_control(wb, turn):
    turn(wb, "rejection_threshold", -3.0)
    assert "must lie in [0, 1000] sigma" in wb.form.rows["rejection_threshold"]["error"]
    assert wb.session.recipe["jump"].params.rejection_threshold == 4.0


def test_a_reset_brings_back_the_recipes_value(wb, turn, browser_says):
    turn(wb, "rejection_threshold", 30.0)
    browser_says(wb.form, kind="reset", id="v", seq=2, step="jump", name="rejection_threshold")
    assert wb.session.recipe["jump"].params.rejection_threshold == 4.0
    assert wb.form.rows["rejection_threshold"]["origin"] == "default"


def test_run_to_here_makes_the_steps_fresh_and_a_rerun_leaves_the_earlier_ones(wb, turn):
    wb._do("run-to-here")
    ended(wb)
    assert states(wb)["jump"] == "fresh"
    assert states(wb)["ramp_fit"] == "stale"
    turn(wb, "rejection_threshold", 30.0)
    wb._do("rerun")
    ended(wb)
    assert states(wb)["linearity"] == states(wb)["jump"] == "fresh"
    assert [a.step for a in wb.session.history][-1] == "jump"


def test_keys_step_through_steps_and_groups(wb):
    names = [s.step for s in wb.session.recipe]
    at = names.index("jump")
    wb._do("next-step")
    assert wb.session.look.step == names[at + 1]
    wb._do("previous-step")
    wb._do("previous-step")
    assert wb.session.look.step == names[at - 1]
    wb._do("next-group")
    assert wb.session.look.group == 0


def test_undo_redo_and_a_run_brought_back(wb, turn):
    wb.session.run()
    turn(wb, "rejection_threshold", 30.0)
    wb._do("undo")
    assert wb.session.recipe["jump"].params.rejection_threshold == 4.0
    wb._do("redo")
    wb.session.run()
    wb.journal.on_restore(1)
    assert wb.session.recipe["jump"].params.rejection_threshold == 4.0


def test_a_pinned_result_is_shown_beside_the_present_one(wb, turn):
    wb._do("blink")
    assert "pin" in wb.session.journal[-1].text
    wb._do("pin")
    turn(wb, "rejection_threshold", 30.0)
    wb._do("blink")
    assert wb.canvas.view.other is not None
    assert wb.canvas.view.compare == "blink"
    wb._do("difference")
    assert wb.canvas.view.frame.diverging
    wb._do("pin")
    assert wb.session.look.compare == "off"


def test_a_failing_step_is_said_once_and_the_product_before_it_is_shown(wb):
    wb.session.use("dark", np.ones((3, 3), np.float32))
    errors = [e.text for e in wb.session.journal if e.kind == "error"]
    assert len(errors) == 1
    assert "(3, 3)" in errors[0]
    assert states(wb)["dark_current"] == "failed"
    assert wb.canvas.picture.request.upto == "linearity"
    wb._do("undo")
    assert wb.canvas.picture.request.upto == "jump"


def test_files_are_kept_in_a_session_folder_that_goes_on(
    nircam_file, sent, tmp_path, turn, monkeypatch
):
    wb = workbench(nircam_file, folder=tmp_path / "kept")
    turn(wb, "rejection_threshold", 7.0)
    wb.session.see(pick=(3, 4))
    wb.session.keep()
    again = Session.open(tmp_path / "kept")
    assert again.recipe["jump"].params.rejection_threshold == 7.0
    assert again.look.pick == (3, 4)
    assert workbench(nircam_file, folder=tmp_path / "kept").session is wb.session
    wb.close()
    monkeypatch.setattr("jwinteractive_widgets.opening._open_here", lambda place: None)
    resumed = workbench(nircam_file, folder=tmp_path / "kept")
    assert resumed.session.recipe["jump"].params.rejection_threshold == 7.0
    assert any("goes on" in e.text for e in resumed.session.journal)


def test_a_session_folder_that_cannot_be_made_is_said_and_nothing_is_lost(
    nircam_file, sent, tmp_path
):
    (tmp_path / "taken").write_text("a file")
    wb = workbench(nircam_file, folder=tmp_path / "taken")
    assert wb.session.folder is None
    assert any("memory" in e.text for e in wb.session.journal if e.kind == "warning")


def test_a_new_step_gets_its_panel_without_widget_code(wb):
    for step in jwinteractive.registry:
        if step in wb.session.recipe:
            wb.session.see(step=step)
            names = [f["name"] for f in wb.form.about["fields"]]
            assert names == list(jwinteractive.registry[step].params.__dataclass_fields__)
