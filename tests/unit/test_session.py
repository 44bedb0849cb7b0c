"""The session: what is stale, what is run, what a preview shows, undo, save and open."""

import dataclasses

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Box, Ramp, Rate
from jwinteractive.errors import (
    Cancelled,
    InputError,
    MissingReference,
    OutputError,
    ParamError,
    RecipeError,
    StepError,
)
from jwinteractive.io import open_product, read_provenance
from jwinteractive.recipe import Recipe
from jwinteractive.script import script
from jwinteractive.simulate import simulate
from jwinteractive.store import Store


def assert_same(a, b):
    assert a.arrays().keys() == b.arrays().keys()
    for name, array in a.arrays().items():
        np.testing.assert_array_equal(array, b.arrays()[name], err_msg=name)


def names(session):
    return [p.step.name for p in session.plan() if not p.skipped]


@pytest.fixture(params=["nircam", "miri"])
def any_session(request):
    return jwinteractive.open(request.getfixturevalue(f"{request.param}_file"))


def test_an_edit_makes_only_the_later_steps_stale(session):
    assert session.stale() == names(session)
    session.run()
    assert session.stale() == []
    session.set("jump", rejection_threshold=6.0)
    assert session.stale() == names(session)[names(session).index("jump") :]
    session.set("jump", rejection_threshold=4.0)
    assert session.stale() == []


def test_the_preview_of_a_box_equals_the_full_run_at_every_step(any_session):
    box = Box(3, 37, 10, 61)
    for step in names(any_session):
        part = any_session.preview(box, upto=step)
        assert part.box == box
        assert_same(part, any_session.run(step).crop(box))


def test_a_preview_of_the_input_is_the_raw_box(session):
    raw = session.preview(Box(0, 5, 0, 5), upto="input")
    np.testing.assert_array_equal(raw.data, session.input().crop(raw.box).native().data)


def test_a_rerun_starts_before_the_step_never_on_its_own_output(session):
    first = session.rerun("jump", likelihood_threshold=4.0)
    few = session.rerun("jump", likelihood_threshold=20.0)
    fresh = jwinteractive.open(session.exposures[0].path)
    fresh.set("jump", likelihood_threshold=20.0)
    assert_same(few, fresh.run("jump"))
    assert np.count_nonzero(few.groupdq & 4) < np.count_nonzero(first.groupdq & 4)


def test_after_a_rerun_only_the_step_itself_runs_again(session):
    session.rerun("jump", rejection_threshold=4.0)
    session.set("jump", rejection_threshold=7.0)
    made = session.result("jump")
    assert list(made.by_step) == ["jump"]


def test_nothing_changed_means_nothing_computed(session):
    session.run()
    assert session.result().cached


def test_the_result_does_not_depend_on_threads(nircam_file):
    assert_same(
        jwinteractive.open(nircam_file).run(threads=1),
        jwinteractive.open(nircam_file).run(threads=3),
    )


def test_undo_and_redo_bring_back_parameters_switches_and_references(session):
    start = session.recipe
    session.set("jump", rejection_threshold=6.0)
    session.enable("superbias", False)
    session.use("gain", np.full((64, 72), 2.0, np.float32))
    assert session.sources()["gain"] == "override: array"
    assert [session.undo() for _ in range(4)] == [True, True, True, False]
    assert session.recipe == start
    assert session.sources()["gain"].startswith("simulated")
    assert [session.redo() for _ in range(4)] == [True, True, True, False]
    assert session.recipe["jump"].params.rejection_threshold == 6.0
    assert not session.recipe["superbias"].enabled
    assert session.sources()["gain"] == "override: array"


def test_signals_tell_of_edits_progress_and_results(session):
    edits, results, progress = [], [], []
    session.changed.connect(edits.append)
    session.done.connect(results.append)
    session.progress.connect(progress.append)
    session.set("jump", rejection_threshold=5.0)
    session.set("jump", rejection_threshold=5.0)
    session.run()
    assert edits == ["jump"]
    assert [r.step for r in results] == [names(session)[-1]]
    assert progress[-1].done == progress[-1].total


def test_a_cancelled_run_keeps_what_it_has_and_goes_on(nircam_file, tmp_path, monkeypatch):
    monkeypatch.setattr("jwinteractive.chain.strip_rows", lambda source: 8)
    session = jwinteractive.open(nircam_file, store=tmp_path)

    def stop(progress):
        if progress.done >= 3:
            session.cancel()

    with pytest.raises(Cancelled, match="what is finished is kept"):
        session.run(threads=1, report=stop)
    seen = []
    session.run(threads=1, report=lambda p: seen.append(p.done))
    assert seen[0] >= 3
    assert_same(session.run(), jwinteractive.open(nircam_file).run())


def test_inspect_follows_one_pixel_through_every_step(any_session):
    history = any_session.inspect(30, 33)
    assert [s.step for s in history.steps] == ["input", *names(any_session)]
    rate = any_session.run()
    assert isinstance(rate, Rate)
    assert history.steps[-1].rate == rate.data[30, 33]
    ramp = any_session.run("jump")
    assert isinstance(ramp, Ramp)
    (jump,) = (s for s in history.steps if s.step == "jump")
    np.testing.assert_array_equal(jump.data, ramp.data[:, :, 30, 33])
    np.testing.assert_array_equal(jump.groupdq, ramp.groupdq[:, :, 30, 33])
    used = (jump.groupdq & 3) == 0
    np.testing.assert_allclose(
        history.fit.residuals[used], (jump.data - history.fit.line)[used], rtol=0, atol=1e-9
    )
    with pytest.raises(InputError, match="pixel y=64, x=0: the frame has y 0 to 63, x 0 to 71"):
        any_session.inspect(64, 0)


def test_a_saved_session_opens_with_its_results(nircam_file, tmp_path):
    session = jwinteractive.open(nircam_file)
    session.set("jump", rejection_threshold=5.5)
    session.use("gain", np.full((64, 72), 2.0, np.float32))
    rate = session.run()
    session.save(tmp_path / "s")
    again = jwinteractive.open(tmp_path / "s")
    assert again.recipe == session.recipe
    assert again.stale() == []
    assert again.result().cached
    assert_same(again.run(), rate)
    assert not list((tmp_path / "s").rglob("*.pkl"))


def test_a_reference_that_does_not_apply_does_not_in_the_saved_session_either(
    nircam_file, tmp_path
):
    session = jwinteractive.open(nircam_file)
    session.use("ipc", "N/A")
    session.run("dq_init")
    again = jwinteractive.open(session.save(tmp_path / "s"))
    assert again.references.overrides == {"ipc": "N/A"}
    (attempt,) = again.history
    assert attempt.settings.references.overrides == {"ipc": "N/A"}


def test_a_session_folder_holds_no_pickle_and_takes_none(nircam_file, tmp_path):
    session = jwinteractive.open(nircam_file)
    session.use("gain", np.full((64, 72), 2.0, np.float32))
    folder = session.save(tmp_path / "s")
    (kept,) = folder.glob("override-gain-*.npy")
    np.save(kept, np.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        jwinteractive.open(folder)


def test_products_carry_their_provenance(session, tmp_path):
    session.set("jump", rejection_threshold=5.0)
    paths = session.write(tmp_path / "out")
    assert [p.name.rsplit("_", 1)[1] for p in paths] == ["rate.fits", "rateints.fits"]
    told = read_provenance(paths[0])
    by_name = {s.step: s for s in told.steps}
    assert by_name["jump"].parameters["rejection_threshold"] == 5.0
    assert by_name["group_scale"].state == "skipped"
    assert {r.reftype: r.source for r in told.references}["gain"] == "simulated"
    assert_same_rate(open_product(paths[0]).product, session.run())
    with pytest.raises(OutputError, match="exists"):
        session.write(tmp_path / "out")


def assert_same_rate(read, rate):
    for name in ("data", "err", "dq", "var_poisson", "var_rnoise"):
        np.testing.assert_array_equal(getattr(read, name), getattr(rate, name))


def test_the_script_repeats_the_session_bit_for_bit(session, tmp_path):
    session.set("jump", rejection_threshold=5.0)
    session.enable("superbias", False)
    text = script(session)
    (tmp_path / "again.py").write_text(text)
    scope = {}
    exec(compile(text, "again.py", "exec"), scope)
    assert_same(scope["results"][0], session.run())


def test_a_series_of_rates_gets_a_recipe_that_runs_on_it(tmp_path):
    soss = simulate("niriss-soss", size=(40, 80), corner=(1820, 1000), nints=2, ngroups=3)
    session = jwinteractive.open(soss.write(tmp_path))
    session.write(tmp_path)
    (rates,) = tmp_path.glob("*_rateints.fits")
    later = jwinteractive.open(rates)
    assert session.recipe.name == "niriss_soss"
    assert later.recipe.name == "niriss_soss"
    assert "extract_1d" in names(later)


def test_several_exposures_share_one_recipe(nircam_file, tmp_path):
    from jwinteractive.simulate import simulate

    other = simulate("nircam", size=(64, 72), ngroups=6, seed=8).write(tmp_path, "other")
    session = jwinteractive.open([nircam_file, other])
    first, second = session.run_all()
    assert_same(first, jwinteractive.open(nircam_file).run())
    assert_same(second, jwinteractive.open(other).run())
    session.active = 1
    assert_same(session.run(), second)


def test_a_ramp_that_went_through_steps_is_not_taken_through_them_again(session, tmp_path):
    (path,) = session.write(tmp_path, to="linearity")
    again = jwinteractive.open(path)
    skipped = {p.step.name: p.skipped for p in again.plan()}
    assert skipped["linearity"] == "the file says it was done before"
    assert skipped["jump"] == ""
    # references lie beside the raw file, not beside this one
    again = jwinteractive.open(path, refs=session.exposures[0].path.parent / refs_of(session))
    assert_same(again.run(), session.run())


def refs_of(session):
    return session.exposures[0].name.replace("_uncal.fits", "_refs")


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda s: s.set("jmp", x=1), RecipeError, "no step 'jmp' in recipe.*did you mean 'jump'"),
        (lambda s: s.set("jump", rejection_treshold=1), ParamError, "did you mean"),
        (lambda s: s.set("jump", rejection_threshold=-1.0), ParamError, "rejection_threshold"),
        (lambda s: s.run("jumps"), RecipeError, "did you mean 'jump'"),
        (lambda s: s.use("gains", 1), RecipeError, "no step of .* takes a reference 'gains'"),
        (lambda s: s.run(exposure=3), InputError, "exposure 3: the session has 0 to 0"),
    ],
)
def test_what_is_asked_wrongly_gets_one_line_and_changes_nothing(session, act, error, message):
    before = session.recipe
    with pytest.raises(error, match=message) as caught:
        act(session)
    assert "\n" not in str(caught.value)
    assert session.recipe == before


def test_a_reference_that_is_missing_or_of_the_wrong_shape_is_said_before_anything_runs(session):
    session.use("gain", "no/such/gain.fits")
    with pytest.raises(MissingReference, match="no such file"):
        session.run()
    session.undo()
    session.use("gain", np.ones((3, 3), np.float32))
    with pytest.raises(MissingReference, match=r"is \(3, 3\), the exposure is \(64, 72\)"):
        session.run()
    session.undo()
    session.run()


def test_steps_in_an_order_that_cannot_work_are_refused_before_they_run(nircam_file):
    session = jwinteractive.open(nircam_file, Recipe.of("dq_init", "ramp_fit", "jump"))
    with pytest.raises(RecipeError, match="jump takes a Ramp, but gets a Rate: check the order"):
        session.run()


def test_a_step_that_breaks_names_itself_and_its_parameters(session, monkeypatch):
    from jwinteractive.step import registry

    def broken(*args, **kwargs):
        raise ZeroDivisionError("of its own")

    step = dataclasses.replace(registry["jump"], function=broken)
    monkeypatch.setitem(registry._steps, "jump", step)
    session.set("jump", rejection_threshold=5.0)
    with pytest.raises(StepError, match=r"jump with rejection_threshold=5.0 failed: ZeroDivision"):
        session.run()


def test_a_store_keeps_results_across_sessions(nircam_file, tmp_path):
    jwinteractive.open(nircam_file, store=tmp_path).run()
    again = jwinteractive.open(nircam_file, store=Store(tmp_path))
    assert again.result().cached
