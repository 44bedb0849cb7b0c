"""What a desk needs of a session: states, knobs that turn, a journal, runs to go back to."""

import dataclasses
import json
import threading

import numpy as np
import pytest

import jwinteractive
from jwinteractive import saved
from jwinteractive.data import Box
from jwinteractive.errors import Cancelled, InputError, OutputError, ParamError, StepError
from jwinteractive.io import read_provenance
from jwinteractive.look import Look
from jwinteractive.recipe import Recipe
from jwinteractive.references import GainRef
from jwinteractive.simulate import simulate
from jwinteractive.step import registry

BOX = Box(20, 44, 24, 52)


@pytest.fixture(scope="module")
def two_files(nircam_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    other = simulate("nircam", size=(64, 72), ngroups=6, seed=8).write(folder, "other")
    return [nircam_file, other]


def twos():
    return np.full((64, 72), 2.0, np.float32)


def texts(session, kind="edit"):
    return [e.text for e in session.journal if e.kind == kind]


def state(session, step):
    (found,) = (s for s in session.states() if s.step == step)
    return found


def by_state(session):
    found = {}
    for s in session.states():
        found.setdefault(s.state, []).append(s.step)
    return found


def broken(monkeypatch, name):
    """Let a step fail from now on."""

    def fail(*args, **kwargs):
        raise ZeroDivisionError("of its own")

    step = dataclasses.replace(registry[name], function=fail)
    monkeypatch.setitem(registry._steps, name, step)


# -- how steps stand --------------------------------------------------------------------------


def test_steps_are_stale_until_they_ran_and_again_after_an_edit_before_them(session):
    names = [p.step.name for p in session.plan() if not p.skipped]
    assert by_state(session)["stale"] == names
    session.run("jump")
    at = names.index("jump") + 1
    assert by_state(session)["fresh"] == names[:at]
    assert by_state(session)["stale"] == names[at:]
    assert state(session, "jump").seconds > 0
    assert state(session, "ramp_fit").seconds is None
    session.set("dark_current", average_dark_current=1.0)
    at = names.index("dark_current")
    assert by_state(session)["fresh"] == names[:at]
    session.undo()
    assert state(session, "jump").state == "fresh"


def test_a_skipped_step_says_why(session):
    session.enable("superbias", False)
    assert (state(session, "superbias").state, state(session, "superbias").why) == (
        "skipped",
        "switched off in the recipe",
    )
    assert state(session, "group_scale").why
    session.run()
    assert state(session, "superbias").state == "skipped"


def test_steps_that_are_computed_are_running_and_finished_ones_are_not(session):
    session.run("dark_current")
    seen = []
    session.run("ramp_fit", threads=1, report=lambda p: seen.append(by_state(session)))
    assert seen[0]["running"] == ["jump", "ramp_fit"]
    assert "dark_current" in seen[0]["fresh"]
    assert "gain_scale" in seen[0].get("stale", ["gain_scale"])
    assert "running" not in by_state(session)


def test_a_cancelled_run_leaves_no_step_running_or_failed(session, monkeypatch):
    monkeypatch.setattr("jwinteractive.chain.strip_rows", lambda source: 8)
    with pytest.raises(Cancelled):
        session.run(threads=1, report=lambda p: session.cancel())
    assert set(by_state(session)) == {"stale", "skipped"}


@pytest.mark.parametrize("look", [lambda s: s.run(), lambda s: s.glance(BOX, "ramp_fit")])
def test_a_failing_step_is_failed_until_its_settings_change_or_it_succeeds(
    session, monkeypatch, look
):
    session.run("linearity")
    with monkeypatch.context() as patch:
        broken(patch, "jump")
        with pytest.raises(StepError):
            look(session)
        assert by_state(session)["failed"] == ["jump"]
        assert state(session, "jump").why == "jump failed: ZeroDivisionError: of its own"
        assert state(session, "linearity").state == "fresh"
        assert state(session, "ramp_fit").state == "stale"
        assert session.glance(BOX, "dark_current").product.covers == BOX
        session.set("jump", rejection_threshold=7.0)
        assert state(session, "jump").state == "stale"
        session.undo()
        assert state(session, "jump").state == "failed"
    look(session)
    assert state(session, "jump").state in ("fresh", "stale")
    session.run()
    assert state(session, "jump").state == "fresh"


def test_a_failure_elsewhere_leaves_a_failed_step_failed(session, monkeypatch):
    broken(monkeypatch, "jump")
    with pytest.raises(StepError):
        session.run()
    session.run("dark_current")
    assert by_state(session)["failed"] == ["jump"]


def test_values_come_from_the_default_the_recipe_or_you(nircam_file):
    recipe = Recipe.load("nir_detector").with_params("jump", rejection_threshold=5.0)
    session = jwinteractive.open(nircam_file, recipe)
    assert session.origin("jump", "rejection_threshold") == "recipe"
    assert session.origin("jump", "flag_4_neighbors") == "default"
    assert state(session, "jump").edited == ()
    session.set("jump", flag_4_neighbors=False, rejection_threshold=4.0)
    assert session.origin("jump", "rejection_threshold") == "you"  # the default, not the recipe's
    assert state(session, "jump").edited == ("rejection_threshold", "flag_4_neighbors")
    session.undo()
    assert state(session, "jump").edited == ()


# -- knobs that turn ------------------------------------------------------------------------------


def test_ninety_turns_are_one_edit_and_one_line(session):
    edits = []
    session.changed.connect(edits.append)
    start = session.recipe
    for i in range(90):
        session.turn("jump", rejection_threshold=4.0 + (i + 1) / 10)
    assert len(edits) == 90
    assert texts(session) == []
    session.rest()
    session.rest()
    assert texts(session) == ["jump: rejection_threshold 4 → 13 sigma"]
    assert session.undo()
    assert session.recipe == start
    assert not session.can_undo
    assert session.redo()
    assert session.recipe["jump"].params.rejection_threshold == 13.0
    assert texts(session)[1:] == [
        "undone: jump: rejection_threshold 13 → 4 sigma",
        "done again: jump: rejection_threshold 4 → 13 sigma",
    ]


def test_turning_back_to_the_start_leaves_no_edit_and_no_line(session):
    for value in (5.0, 6.0, 4.0):
        session.turn("jump", rejection_threshold=value)
    session.rest()
    assert (session.can_undo, session.journal) == (False, ())


def test_a_turn_to_where_the_knob_is_changes_nothing(session):
    session.set("jump", rejection_threshold=5.0)
    session.undo()
    edits = []
    session.changed.connect(edits.append)
    session.turn("jump", rejection_threshold=4.0)
    assert (edits, session.can_undo, session.can_redo) == ([], False, True)


def test_a_refused_turn_changes_nothing(session):
    session.turn("jump", rejection_threshold=5.0)
    with pytest.raises(ParamError, match="rejection_threshold"):
        session.turn("jump", rejection_threshold=-1.0)
    session.rest()
    assert session.recipe["jump"].params.rejection_threshold == 5.0
    assert texts(session) == ["jump: rejection_threshold 4 → 5 sigma"]


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (lambda s: s.set("jump", rejection_threshold=7.0), "jump: rejection_threshold 5 → 7 sigma"),
        (lambda s: s.enable("superbias", False), "superbias switched off"),
        (lambda s: s.use("gain", twos()), "gain: given as an array"),
        (lambda s: s.turn("saturation", n_pix_grow_sat=2), None),
    ],
)
def test_another_edit_ends_the_turning(session, act, line):
    session.turn("jump", rejection_threshold=4.5)
    session.turn("jump", rejection_threshold=5.0)
    act(session)
    assert texts(session) == ["jump: rejection_threshold 4 → 5 sigma", *([line] if line else [])]
    session.undo()
    assert session.recipe["jump"].params.rejection_threshold == 5.0
    session.undo()
    assert session.recipe["jump"].params.rejection_threshold == 4.0
    assert not session.can_undo


def test_undo_while_a_knob_turns_takes_back_the_turn(session):
    session.enable("superbias", False)
    session.turn("jump", rejection_threshold=5.0)
    assert session.can_undo
    assert session.undo()
    assert session.recipe["jump"].params.rejection_threshold == 4.0
    assert not session.recipe["superbias"].enabled
    assert session.redo()
    assert session.recipe["jump"].params.rejection_threshold == 5.0


def test_a_new_edit_forgets_what_was_taken_back(session):
    session.enable("superbias", False)
    session.undo()
    session.turn("jump", rejection_threshold=5.0)
    assert not session.can_redo
    assert not session.redo()


def test_keeping_the_session_does_not_end_a_turn(session, tmp_path):
    session.turn("jump", rejection_threshold=5.0)
    session.keep(tmp_path)
    session.turn("jump", rejection_threshold=6.0)
    session.rest()
    assert texts(session) == ["jump: rejection_threshold 4 → 6 sigma"]
    assert jwinteractive.open(tmp_path).recipe["jump"].params.rejection_threshold == 5.0


# -- references ----------------------------------------------------------------------------------


def test_a_reference_that_is_named_again_is_no_edit_but_is_read_again(session, tmp_path):
    refs = session.exposures[0].simulated_references
    (gain,) = refs.glob("*gain*")
    mine = tmp_path / "gain.fits"
    mine.write_bytes(gain.read_bytes())
    session.use("gain", None)
    assert (session.can_undo, session.journal) == (False, ())
    session.use("gain", mine)
    key = session.plan()[-1].key
    mine.write_bytes(gain.read_bytes() + b" " * 2880)
    session.use("gain", str(mine))
    assert texts(session) == ["gain: taken from gain.fits"]
    assert session.plan()[-1].key != key
    session.undo()
    assert not session.can_undo


# -- looking -------------------------------------------------------------------------------------


def test_looking_elsewhere_is_told_once_and_only_when_it_changes(session):
    seen = []
    session.looked.connect(seen.append)
    session.see(step="jump", group=3)
    session.see(group=3)
    assert seen == [Look(step="jump", group=3)] == [session.look]
    with pytest.raises(ParamError, match="did you mean 'group'"):
        session.see(grup=3)
    assert session.look.group == 3


def test_another_exposure_is_looked_at(two_files):
    session = jwinteractive.open(two_files)
    seen = []
    session.looked.connect(seen.append)
    session.activate(1)
    session.activate(1)
    assert (session.active, len(seen)) == (1, 1)
    with pytest.raises(InputError, match="exposure 2: the session has 0 to 1"):
        session.activate(2)
    assert session.active == 1


# -- runs to go back to ----------------------------------------------------------------------------


def test_runs_are_numbered_with_their_settings_and_a_repeated_one_is_not_told_twice(session):
    session.run("jump")
    session.run("jump")
    session.set("jump", rejection_threshold=6.0)
    session.run("jump")
    session.undo()
    session.run("jump")  # kept, but another than the last
    assert [(a.number, a.step, a.exposure) for a in session.history] == [
        (1, "jump", 0),
        (2, "jump", 0),
        (3, "jump", 0),
    ]
    thresholds = [a.settings.recipe["jump"].params.rejection_threshold for a in session.history]
    assert thresholds == [4.0, 6.0, 4.0]
    assert session.history[0].key == session.history[2].key
    runs = texts(session, "run")
    name = session.exposures[0].name
    assert runs[0].startswith(f"run 1: {name} up to jump, ")
    assert runs[2] == f"run 3: {name} up to jump, nothing to compute"


def test_a_failed_or_cancelled_run_is_no_run_of_the_history(session, monkeypatch):
    broken(monkeypatch, "jump")
    with pytest.raises(StepError):
        session.run()
    assert session.history == ()


def test_a_run_brought_back_is_an_edit_like_any_other(session):
    session.use("gain", twos())
    session.set("jump", rejection_threshold=6.0)
    session.run()
    session.undo()
    session.undo()
    session.restore(1)
    assert session.recipe["jump"].params.rejection_threshold == 6.0
    assert session.stale() == []
    assert texts(session)[-1] == (
        "run 1 brought back: jump: rejection_threshold 4 → 6 sigma; gain: given as an array"
    )
    session.restore(1)
    assert texts(session)[-1].startswith("run 1 brought back")
    assert session.undo()
    assert session.recipe["jump"].params.rejection_threshold == 4.0
    assert session.sources()["gain"].startswith("simulated")
    with pytest.raises(InputError, match="run 9: there is no such run; choose from 1"):
        session.restore(9)


def test_knobs_that_turn_during_a_run_do_not_change_what_it_is_called(session, nircam_file):
    def turn(progress):
        session.turn("jump", rejection_threshold=30.0)

    session.progress.connect(turn)
    first = session.run("jump")
    (attempt,) = session.history
    assert attempt.settings.recipe["jump"].params.rejection_threshold == 4.0
    fresh = jwinteractive.open(nircam_file)
    np.testing.assert_array_equal(first.groupdq, fresh.run("jump").groupdq)
    assert attempt.key == fresh.plan("jump")[-1].key
    session.rest()
    assert texts(session) == ["jump: rejection_threshold 4 → 30 sigma"]


def test_a_product_that_is_written_tells_what_it_was_made_with(session, tmp_path):
    session.progress.connect(lambda p: session.set("jump", rejection_threshold=30.0))
    (path, _) = session.write(tmp_path / "out")
    told = {s.step: s for s in read_provenance(path).steps}
    assert told["jump"].parameters["rejection_threshold"] == 4.0


def test_another_exposure_in_view_does_not_mix_up_a_run(two_files):
    session = jwinteractive.open(two_files)
    session.progress.connect(lambda p: session.activate(1))
    session.run("jump")
    assert [a.exposure for a in session.history] == [0]
    assert session.exposures[0].name in texts(session, "run")[0]


def test_a_pin_keeps_the_present_settings_and_step(session):
    seen = []
    session.looked.connect(seen.append)
    session.see(step="jump")
    pinned = session.pin()
    assert session.pinned is pinned
    assert (pinned.step, pinned.key) == ("jump", session.plan("jump")[-1].key)
    session.set("jump", rejection_threshold=6.0)
    assert session.pinned.settings.recipe["jump"].params.rejection_threshold == 4.0
    session.unpin()
    assert session.pinned is None
    assert len(seen) == 3


@pytest.mark.parametrize("step", ["input", "group_scale", "", "jump"])
def test_whatever_is_in_view_can_be_pinned(session, step):
    session.see(step=step)
    assert session.pin().step == (
        step or [s.step for s in session.states() if s.state == "stale"][-1]
    )


def test_a_run_of_the_history_can_be_pinned(session):
    session.run("jump")
    session.set("jump", rejection_threshold=6.0)
    assert session.pin(1).settings.recipe["jump"].params.rejection_threshold == 4.0
    with pytest.raises(InputError, match="run 2: there is no such run; choose from 1"):
        session.pin(2)


# -- keeping it ----------------------------------------------------------------------------------


def busy(session):
    """A session with something of everything."""
    session.use("gain", twos())
    session.run("jump")
    session.use("gain", 2 * twos())
    session.set("jump", rejection_threshold=6.0)
    session.run("jump")
    session.see(step="jump", pick=(3, 4), box=BOX, window=(0.5, 1.0, 30.25, 40.0), group=2)
    session.pin()
    session.enable("superbias", False)
    session.note("note", "seen: <b>“nothing”</b>")
    return session


def assert_equal_settings(a, b):
    assert a.recipe == b.recipe
    assert a.references.folder == b.references.folder
    assert a.references.overrides.keys() == b.references.overrides.keys()
    for reftype, value in a.references.overrides.items():
        np.testing.assert_array_equal(value, b.references.overrides[reftype])


def assert_equal_attempts(a, b):
    assert dataclasses.replace(a, settings=None) == dataclasses.replace(b, settings=None)
    assert_equal_settings(a.settings, b.settings)


@pytest.mark.parametrize("act", ["save", "keep"])
def test_a_desk_is_found_as_it_was_left(session, tmp_path, act):
    busy(session)
    getattr(session, act)(tmp_path)
    again = jwinteractive.open(tmp_path)
    assert again.look == session.look
    assert again.journal == (session.journal if act == "keep" else session.journal[:-1])
    assert again.opened_with == session.opened_with
    assert_equal_settings(again.settings, session.settings)
    assert len(again.history) == 2
    for a, b in zip(again.history, session.history, strict=True):
        assert_equal_attempts(a, b)
    assert_equal_attempts(again.pinned, session.pinned)
    assert [s.state for s in again.states()] == [s.state for s in session.states()]
    assert [s.edited for s in again.states()] == [s.edited for s in session.states()]
    assert again.folder == tmp_path
    again.restore(2)
    assert texts(again)[-1] == "run 2 brought back: superbias switched on"
    again.restore(1)
    np.testing.assert_array_equal(again.references.overrides["gain"], twos())
    assert again.stale("jump") == []
    again.run("jump")
    assert [a.number for a in again.history] == [1, 2, 3]


def test_a_session_without_a_folder_is_not_kept(session):
    with pytest.raises(InputError, match="the session has no folder yet"):
        session.keep()


def test_after_it_is_saved_a_session_is_kept_in_its_folder(session, tmp_path):
    session.save(tmp_path)
    session.see(group=5)
    session.keep()
    assert jwinteractive.open(tmp_path).look.group == 5


def test_arrays_of_the_same_bytes_but_another_kind_are_not_mixed_up(session, tmp_path):
    session.use("gain", np.zeros((64, 72), np.float32))
    session.run("dq_init")
    session.use("gain", np.zeros((64, 72), np.uint32))
    session.keep(tmp_path)
    again = jwinteractive.open(tmp_path)
    assert again.references.overrides["gain"].dtype == np.uint32
    assert again.history[0].settings.references.overrides["gain"].dtype == np.float32


@pytest.mark.parametrize("survives", range(8))
def test_a_kill_while_it_is_kept_leaves_a_session_that_opens(
    session, tmp_path, monkeypatch, survives
):
    busy(session)
    session.save(tmp_path)
    session.use("gain", 3 * twos())
    session.set("jump", rejection_threshold=9.0)
    session.run("jump")
    written = []
    write = saved._write

    def killed(path, content):
        if len(written) == survives:
            path.with_name(f".{path.name}.new").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(path.name)
        write(path, content)

    monkeypatch.setattr(saved, "_write", killed)
    try:
        session.keep()
    except KeyboardInterrupt:
        assert survives < 5
    else:
        assert written[-1] == "session.toml"  # it names the rest, so it comes last
        assert len(written) == 5
    again = jwinteractive.open(tmp_path)
    assert again.look == session.look
    assert len(again.history) in (2, 3)
    gain = again.references.overrides["gain"][0, 0]
    assert gain == (6.0 if survives >= 5 else 4.0)
    assert np.isfinite(again.run("jump").data).any()


def test_a_folder_that_cannot_be_written_is_said_in_one_line(session, tmp_path):
    session.save(tmp_path / "s")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        session.keep(tmp_path / "is" / "not" / "there")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [None, "", "{", "null", "[]", '{"look": 1}', "\x00", '{"look": {}, "journal": [1]}']
)
def test_a_lost_diary_costs_no_results(session, tmp_path, content):
    busy(session)
    session.save(tmp_path)
    diary = tmp_path / "diary.json"
    diary.unlink() if content is None else diary.write_text(content)
    again = jwinteractive.open(tmp_path)
    assert_equal_settings(again.settings, session.settings)
    assert (again.look, again.history, again.pinned) == (Look(), (), None)
    (line,) = again.journal
    assert line.kind == "warning"
    assert "diary.json: cannot be read (" in line.text
    assert "\n" not in line.text
    again.undo()
    again.enable("superbias")
    assert again.stale("jump") == []


def test_a_run_whose_references_are_gone_is_left_out_and_said(session, tmp_path):
    busy(session)
    session.save(tmp_path)
    path = tmp_path / "diary.json"
    diary = json.loads(path.read_text())
    diary["history"][0]["references"] = str(tmp_path / "gone")
    diary["history"][1]["recipe"] = '[[stage]]\nstep = "of_another_package"\n'
    path.write_text(json.dumps(diary))
    again = jwinteractive.open(tmp_path)
    assert again.history == ()
    assert again.look == session.look
    assert_equal_attempts(again.pinned, session.pinned)
    assert again.journal[-1].text == (
        "2 earlier runs cannot be brought back: their references or steps are gone"
    )


def test_a_session_of_an_older_version_opens(session, tmp_path):
    session.set("jump", rejection_threshold=6.0)
    session.save(tmp_path)
    (tmp_path / "diary.json").unlink()
    (tmp_path / "opened-with.toml").unlink()
    again = jwinteractive.open(tmp_path)
    assert again.recipe == again.opened_with == session.recipe


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("session.toml", "["),
        ("session.toml", "format = 1"),
        ("recipe.toml", None),
        ("recipe.toml", '[[stage]]\nstep = "of_another_package"\n'),
    ],
)
def test_a_damaged_session_is_refused_in_one_line(session, tmp_path, name, content):
    session.save(tmp_path)
    path = tmp_path / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match="is no session folder") as caught:
        type(session).open(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_damaged_array_is_refused_in_one_line(session, tmp_path):
    session.use("gain", twos())
    session.save(tmp_path)
    (kept,) = tmp_path.glob("override-gain-*.npy")
    for content in (b"", kept.read_bytes()[:99]):
        kept.write_bytes(content)
        with pytest.raises(InputError, match="is no session folder"):
            jwinteractive.open(tmp_path)


def test_an_override_without_a_file_hinders_keeping_only_while_it_is_used(session, tmp_path):
    session.use("gain", GainRef(data=twos()))
    session.run("jump")
    with pytest.raises(OutputError, match="a GainRef has no file"):
        session.keep(tmp_path)
    session.undo()
    session.run("jump")
    session.pin(1)
    session.keep(tmp_path)
    again = jwinteractive.open(tmp_path)
    assert [a.number for a in again.history] == [2]
    assert again.pinned is None


def test_lines_from_several_threads_are_all_kept(session):
    def write(word):
        for i in range(200):
            session.note("note", f"{word} {i}")

    threads = [threading.Thread(target=write, args=(word,)) for word in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(session.journal) == 600
