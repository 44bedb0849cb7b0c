"""The workbench as it is opened, driven, kept and closed; small real sessions, no kernel."""

import asyncio
import math
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("bqplot", reason="the lab extra is not installed")

import ipywidgets
from ipywidgets.widgets.widget import _instances

import jwinteractive
from jwinteractive.chain import Progress
from jwinteractive.errors import Cancelled, InputError, OutputError, StepError
from jwinteractive.session import Session
from jwinteractive_widgets import warned, workbench
from jwinteractive_widgets.opening import LOCKED
from jwinteractive_widgets.runs import Runs
from jwinteractive_widgets.workbench import Workbench


@pytest.fixture
def opened(sent, tmp_path, monkeypatch):
    """Open workbenches in an own folder; they are closed at the end."""
    monkeypatch.chdir(tmp_path)
    made = []

    def open_one(*given, **options):
        made.append(workbench(*given, **options))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


@pytest.fixture
def press(browser_says):
    """Press a button of the toolbar, or the key that stands for it, and wait for its run."""

    def do(bench, act, value=None):
        browser_says(bench.actions, kind="do", view="v", seq=1, id=act, value=value)
        thread = bench.runs._thread
        if thread is not None:
            thread.join()

    return do


def texts(session, kind=None):
    return [e.text for e in session.journal if kind in (None, e.kind)]


def states(session):
    return {s.step: s.state for s in session.states()}


def button(bench, name):
    return next(i for i in bench.actions.items if i["id"] == name)


# --- how it is opened


def test_files_open_with_a_session_that_is_kept_beside_the_notebook(opened, nircam_file, tmp_path):
    session = opened(nircam_file).session
    folder = tmp_path / "jwinteractive-sessions" / nircam_file.name.removesuffix("_uncal.fits")
    assert session.folder.resolve() == folder
    assert (folder / "session.toml").exists()
    assert texts(session)[0] == f"opened {nircam_file.name}"


def test_a_folder_opens_as_the_files_do_where_a_lost_kernel_ended(opened, nircam_file, monkeypatch):
    first = opened(nircam_file)
    folder = first.session.folder
    first.session.set("jump", rejection_threshold=6.5)
    first.session.see(pick=(20, 30), step="refpix")
    for what in (nircam_file, folder):
        monkeypatch.setattr("jwinteractive_widgets.opening._sessions", set())  # a new kernel
        again = opened(what).session
        assert again is not first.session
        assert again.recipe["jump"].params.rejection_threshold == 6.5
        assert (again.look.pick, again.look.step) == ((20, 30), "refpix")


def test_two_workbenches_of_one_kernel_show_one_session(opened, nircam_file):
    one, two = opened(nircam_file), opened(nircam_file)
    assert one.session is two.session
    two.session.see(step="refpix")
    assert one.steps.chosen == two.steps.chosen == "refpix"


def test_a_new_recipe_takes_the_folder_over_and_the_older_session_is_told(opened, nircam_file):
    old = opened(nircam_file).session
    new = opened(nircam_file, recipe="nir_detector").session
    assert new is not old
    assert old.folder is None
    assert "keeps another session now" in texts(old, "warning")[-1]


def test_other_files_in_the_same_folder_begin_a_new_session(opened, nircam_file, miri_file):
    old = opened(nircam_file, folder="kept").session
    new = opened(miri_file, folder="kept").session
    assert new.exposures[0].path == miri_file
    assert old.folder is None


def test_a_folder_that_another_kernel_keeps_is_left_alone(opened, nircam_file, tmp_path):
    pytest.importorskip("fcntl", reason="this system has no such locks")
    code = (
        "import sys; from pathlib import Path; from jwinteractive_widgets.opening import claim\n"
        "print(claim(Path(sys.argv[1])), flush=True); sys.stdin.read()"
    )
    line = [sys.executable, "-c", code, str(tmp_path / "kept")]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"True\n"
        session = opened(nircam_file, folder="kept").session
        assert session.folder is None
        assert LOCKED in texts(session, "warning")[-1]
        assert not (tmp_path / "kept" / "session.toml").exists()


def test_a_folder_with_a_broken_session_begins_anew_and_says_so(opened, nircam_file, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "session.toml").write_text("format = ")
    session = opened(nircam_file, folder="kept").session
    assert "is no session folder" in texts(session, "warning")[0]
    assert Session.open(tmp_path / "kept").exposures[0].path == nircam_file


def test_no_files_are_an_error_of_one_line(sent):
    with pytest.raises(InputError, match="no exposures: name at least one file"):
        workbench([])


# --- parameters and runs


def test_the_moves_of_a_knob_are_one_edit_once_it_rests(bench, browser_says):
    said = {"step": "jump", "name": "rejection_threshold", "id": "v"}
    for seq, value in enumerate((5, 6, 7)):
        browser_says(bench.form, kind="set", value=value, seq=seq, **said)
    assert texts(bench.session, "edit") == []
    browser_says(bench.form, kind="commit", value=7, seq=9, **said)
    assert texts(bench.session, "edit") == ["jump: rejection_threshold 4 → 7 sigma"]
    assert button(bench, "undo")["disabled"] is False


def test_the_panel_of_the_input_names_the_file_and_has_no_fields(bench):
    bench.session.see(step="input")
    assert bench.session.exposures[0].name in bench.form.about["summary"]
    assert bench.form.about["fields"] == []


def test_the_input_is_not_run_and_the_journal_says_why(bench, press):
    bench.session.see(step="input")
    press(bench, "run-to-here")
    assert texts(bench.session)[-1] == "the input is read already: choose a step to run up to"


def test_run_all_leaves_nothing_stale_and_runs_every_exposure(opened, press, nircam_file, tmp_path):
    other = tmp_path / "second_uncal.fits"
    shutil.copy(nircam_file, other)
    bench = opened([nircam_file, other])
    session = bench.session
    assert session.folder.name.endswith("+1")
    press(bench, "run-to-here")
    press(bench, "next-exposure")
    assert session.active == 1
    assert states(session)["jump"] == "stale"
    assert bench.steps.items[0]["why"] == other.name
    assert "all exposures" in button(bench, "run-all")["tooltip"]
    press(bench, "run-all")
    assert session.stale(exposure=0) == session.stale(exposure=1) == []


def test_a_second_run_is_refused_and_the_first_can_be_cancelled(bench, press, monkeypatch):
    session = bench.session

    def run(step):  # on the thread of the run, while it is in work
        bench._do("run-all")
        assert button(bench, "cancel")["disabled"] is False
        bench._do("cancel")
        assert session._cancel.is_set()
        raise Cancelled("cancelled")

    monkeypatch.setattr(session, "run", run)
    press(bench, "run-to-here")
    assert texts(session, "note")[-2:] == [
        "a run is in work: cancel it first, or wait for its end",
        "run cancelled; what was finished is kept",
    ]
    assert texts(session, "error") == []
    assert button(bench, "cancel")["disabled"] is True


def test_a_failing_step_says_why_in_its_item_its_panel_and_the_journal(bench, press):
    session = bench.session
    session.use("dark", np.ones((3, 3), np.float32))
    press(bench, "run-to-here")
    item = next(i for i in bench.steps.items if i["step"] == "dark_current")
    assert item["state"] == "failed"
    assert item["why"] in texts(session, "error")
    session.see(step="dark_current")
    assert bench.form.about["note"] == item["why"]


def test_an_unforeseen_error_of_a_run_reaches_the_journal(bench, press, monkeypatch):
    def run(step):
        raise ZeroDivisionError("by <i>")

    monkeypatch.setattr(bench.session, "run", run)
    press(bench, "run-to-here")
    assert texts(bench.session, "error") == ["ZeroDivisionError('by <i>')"]
    assert not bench.runs.busy


# --- undo, A and B, history, keys


def test_the_journals_buttons_take_back_and_bring_back(bench, browser_says):
    session = bench.session
    session.enable("jump", False)
    browser_says(bench.journal, kind="undo")
    assert session.recipe["jump"].enabled
    assert (bench.journal.can_undo, bench.journal.can_redo) == (False, True)
    assert button(bench, "redo")["disabled"] is False
    browser_says(bench.journal, kind="redo")
    assert not session.recipe["jump"].enabled


def test_comparing_asks_to_pin_once_and_each_way_shows_both(bench, press):
    session = bench.session
    for act in ("blink", "difference"):
        press(bench, act)
    assert sum("pin a result as A first" in t for t in texts(session)) == 1
    assert button(bench, "compare")["disabled"] is True
    press(bench, "pin")
    session.set("jump", rejection_threshold=50.0)
    for how in ("blink", "split", "difference"):
        press(bench, how)
        assert session.look.compare == how
        assert bench.canvas.picture.other is not None
    press(bench, "compare", "ratio")
    assert bench.canvas.picture.frame.title.endswith("B over A")
    assert button(bench, "pin")["label"] == "Unpin A"
    press(bench, "pin")
    assert (session.pinned, session.look.compare) == (None, "off")


def test_a_run_of_the_history_is_compared_with_and_an_unknown_one_is_said(
    bench, press, browser_says
):
    session = bench.session
    press(bench, "run-all")
    session.set("jump", rejection_threshold=50.0)
    browser_says(bench.journal, kind="compare", number=1)
    assert (session.pinned.number, session.look.compare) == (1, "blink")
    browser_says(bench.journal, kind="restore", number=1)
    assert texts(session)[-1].startswith("run 1 brought back: jump")
    browser_says(bench.journal, kind="restore", number=99)
    assert "there is no such run" in texts(session, "error")[-1]


def test_every_key_means_something_that_the_list_of_keys_explains(bench):
    named = {i["id"] for i in bench.actions.items} | set(bench.actions.words)
    assert set(bench.actions.keymap.values()) <= named
    assert {"n", "p", ".", ",", "e", "b", "u", "f"} <= set(bench.actions.keymap)


def test_steps_integrations_and_exposures_go_round_at_their_ends(bench, press):
    session = bench.session
    session.see(step="input")
    press(bench, "previous-step")
    assert session.look.step == "gain_scale"
    press(bench, "next-step")
    assert session.look.step == "input"
    for _ in range(2):
        press(bench, "next-integration")
    assert session.look.integration == 0
    press(bench, "next-exposure")
    assert session.active == 0
    session.see(window=(1.0, 2.0, 30.0, 40.0))
    press(bench, "fit")
    assert session.look.window is None


def test_the_side_shows_parameters_the_mask_or_what_to_take_home(bench, press, browser_says):
    shown = []
    for act in ("save", "take-home", "mask", "mask"):
        press(bench, act)
        shown.append(bench.side.page)
    assert shown == ["Take home", "Parameters", "Mask", "Parameters"]
    browser_says(bench.side.bar, kind="do", view="v", seq=1, id="Mask", value=True)
    assert bench.side.page == "Mask"


def test_what_is_taken_home_stands_in_the_journal_once(bench, tmp_path):
    bench.takehome.folder.value = str(tmp_path)
    for name in ("products", "session", "script"):
        bench.takehome.buttons[name].click()
    saved = texts(bench.session, "save")
    assert len(saved) == 3
    assert saved[2].endswith("_script.py")


# --- what is said of files and by threads


def test_what_was_assumed_of_a_file_is_a_warning_said_once(sent, session, monkeypatch):
    monkeypatch.setattr(session, "nominal", lambda: ["gain", "linearity"])
    benches = [workbench(session), workbench(session)]
    assert texts(session, "warning") == [
        "nominal references (detector averages, not for science): gain, linearity"
    ]
    for bench in benches:
        bench.close()


def test_warnings_of_a_run_go_to_the_journal_once(bench, press, monkeypatch):
    def run(step):
        for _ in range(2):
            warnings.warn("a pixel\nof <b>doubt</b>", RuntimeWarning, stacklevel=1)

    monkeypatch.setattr(bench.session, "run", run)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", warned._show)
        press(bench, "run-to-here")
    assert texts(bench.session, "warning") == ["RuntimeWarning: a pixel of <b>doubt</b>"]


def test_markup_in_names_never_becomes_html(opened, nircam_file, tmp_path):
    evil = "<script>alert(1)<_script>"
    path = tmp_path / f"{evil}_uncal.fits"
    shutil.copy(nircam_file, path)
    before = set(_instances)
    bench = opened([path])
    bench.session.see(pick=(20, 20))
    bench.session.see(step="input")
    bench.takehome.buttons["recipe"].click()
    made = [v for name, v in _instances.items() if name not in before]
    found = [v.value for v in made if isinstance(v, ipywidgets.HTML)]
    assert not any("<script" in html for html in found)
    assert any("&lt;script" in html for html in found)
    assert evil in bench.form.about["summary"]


# --- coming back, and going


def test_every_change_is_kept_and_a_full_disk_is_said_once(opened, nircam_file, monkeypatch):
    session = opened(nircam_file).session
    folder = session.folder
    session.set("jump", rejection_threshold=6.25)
    assert "6.25" in (folder / "recipe.toml").read_text()

    def full(self, folder=None):
        raise OutputError("session: cannot be written (No space left on device)")

    monkeypatch.setattr(Session, "keep", full)
    session.set("jump", rejection_threshold=7.25)
    session.set("jump", rejection_threshold=8.25)
    assert sum("No space left" in t for t in texts(session, "error")) == 1
    assert session.recipe["jump"].params.rejection_threshold == 8.25


def test_a_closed_workbench_hears_nothing_and_leaves_nothing(sent, session):
    before = set(_instances)
    signals = (session.changed, session.looked, session.progress, session.done, session.noted)
    bench = workbench(session)
    session.see(pick=(20, 20))
    bench.graphs.tabs.choose("histogram")
    assert all(len(s) == 1 for s in signals)
    bench.close()
    assert all(len(s) == 0 for s in signals)
    left = [v for name, v in _instances.items() if name not in before]
    assert [type(v).__name__ for v in left] == []
    sent.clear()
    session.set("jump", rejection_threshold=9.0)
    session.run("refpix")
    assert sent == []
    bench.close()


def test_work_that_ends_after_closing_is_dropped_quietly(sent, nircam_file):
    failures = []

    async def play():
        asyncio.get_running_loop().set_exception_handler(lambda _, about: failures.append(about))
        bench = Workbench(jwinteractive.open(nircam_file))
        bench.session.see(pick=(20, 20))
        bench.session.turn("jump", rejection_threshold=9.0)
        await asyncio.sleep(0)
        bench.close()
        lanes = bench._background._lanes.values()
        while any(lane._running or lane._waiting for lane in lanes):
            await asyncio.sleep(0)

    asyncio.run(play())
    assert failures == []


def running_text(bench):
    (item,) = (i for i in bench.actions.items if i["id"] == "running")
    return item["value"], item["tooltip"]


def test_an_official_step_at_work_has_a_bar_and_stands_in_the_toolbar(
    opened, nircam_file, customs, monkeypatch
):
    bench = opened(nircam_file)
    monkeypatch.setattr(Runs, "busy", True)
    for step, done in (("official_tweakreg", 2), ("official_skymatch", 3)):
        bench._progressed(Progress("a.fits", done, 8, 4.0, math.nan, step))
    told = [
        (m["step"], m["fraction"], m["seconds_left"]) for m, _ in customs(bench.steps, "progress")
    ]
    assert told == [
        ("official_tweakreg", 0.25, None),
        ("official_tweakreg", 1.0, None),
        ("official_skymatch", 0.375, None),
    ]
    assert running_text(bench) == ("skymatch (4 of 8 official runs)", "")


def test_a_run_that_failed_is_said_in_the_toolbar_until_the_next_one(opened, nircam_file):
    bench = opened(nircam_file)
    error = StepError("JumpStep crashed (SIGSEGV)")
    error.step = "official_jump"
    bench._ended(error)
    assert running_text(bench) == (
        "official_jump failed: see the log below",
        "JumpStep crashed (SIGSEGV)",
    )
    bench.session.set("jump", rejection_threshold=7.0)
    assert running_text(bench) == ("", "")
