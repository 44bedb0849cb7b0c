"""A screen is shown the same numbers as the full run gives, or told which models are held."""

import dataclasses
import threading
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jwinteractive
from jwinteractive import reduction
from jwinteractive.data import Box
from jwinteractive.errors import Cancelled, StepError
from jwinteractive.groups import DroppedGroups
from jwinteractive.recipe import Recipe
from jwinteractive.reduction import Boxes
from jwinteractive.session import Session
from jwinteractive.step import registry
from jwinteractive.testing import example_exposure, example_ramp

NY, NX = 64, 72
WHOLE = Box(0, NY, 0, NX)
MIDDLE = Box(20, 44, 24, 52)


def assert_same(a, b):
    assert a.covers == b.covers
    assert a.arrays().keys() == b.arrays().keys()
    for name, array in a.arrays().items():
        np.testing.assert_array_equal(array, b.arrays()[name], err_msg=name)


def running(session):
    return [p.step.name for p in session.plan() if not p.skipped]


def again(session):
    """A session of the same files and settings that holds no results."""
    return Session(session.exposures, session.recipe, session.references)


def full(session, upto):
    """The finished result of a step, found apart from the session."""
    if upto == "input":
        return session.input().native()
    return again(session).run(upto)


@pytest.fixture(scope="module", params=["nircam", "miri"])
def pair(request):
    """A file open in a session, and one that holds the full result of whatever is asked of it."""
    oracle = jwinteractive.open(request.getfixturevalue(f"{request.param}_file"))
    return oracle.exposures, oracle.recipe, oracle


# -- any box, any order of turns --------------------------------------------------------------

KNOBS = [
    ("saturation", "n_pix_grow_sat", (0, 1, 2)),
    ("dq_init", "enabled", (False, True)),
    ("superbias", "enabled", (False, True)),
    ("reset", "enabled", (False, True)),
    ("refpix", "side_gain", (0.5, 1.0)),
    ("dark_current", "average_dark_current", (None, 3.0)),
    ("jump", "rejection_threshold", (3.0, 4.0, 30.0)),
    ("jump", "flag_4_neighbors", (False, True)),
    ("jump", "min_jump_to_flag_neighbors", (0.0, 10.0)),
    ("ramp_fit", "suppress_one_group", (False, True)),
]


def _boxes():
    def side(n):
        ends = st.tuples(st.integers(0, n), st.integers(0, n)).map(sorted)
        return ends.filter(lambda e: e[0] < e[1]) | st.just([0, n])

    return st.builds(lambda y, x: Box(*y, *x), side(NY), side(NX))


@st.composite
def _acts(draw):
    if draw(st.booleans()):
        step, name, values = draw(st.sampled_from(KNOBS))
        return ("turn", step, name, draw(st.sampled_from(values)))
    return (
        "glance",
        draw(_boxes()),
        draw(st.integers(0, 9)),
        draw(st.integers(0, 9)),
        draw(st.fixed_dictionaries({"hold": st.booleans(), "before": st.booleans()})),
        draw(st.sampled_from([0, 2**20])),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(acts=st.lists(_acts(), min_size=3, max_size=9))
def test_what_holds_no_model_equals_the_full_run_after_any_turns(pair, acts):
    files, recipe, oracle = pair
    session = Session(files, recipe)
    for act in acts:
        if act[0] == "turn":
            turn(session, *act[1:])
            continue
        _, box, upto, knob, options, small = act
        steps = running(session)
        at = upto % len(steps)
        with patch.object(reduction, "SMALL", small):
            seen = session.glance(box, steps[at], knob=steps[knob % len(steps)], **options)
        assert not seen.full
        assert set(seen.held) <= {n for n in steps if registry[n].measure}
        assert options["hold"] or not seen.held
        if not seen.held:
            oracle = Session(oracle.exposures, session.recipe, oracle.references, oracle.store)
            assert_same(seen.product, oracle.run(steps[at]).crop(box))
            if options["before"]:
                before = oracle.run(steps[at - 1]) if at else oracle.input().native()
                assert_same(seen.before, before.crop(box))
        assert options["before"] == (seen.before is not None)


def turn(session, step, name, value):
    if step not in session.recipe:
        return
    if name == "enabled":
        session.enable(step, value)
    elif hasattr(session.recipe[step].params, name):
        session.turn(step, **{name: value})


@pytest.mark.parametrize("small", [0, 2**20])
def test_boxes_at_every_edge_equal_the_full_run_at_every_step(pair, small, monkeypatch):
    monkeypatch.setattr(reduction, "SMALL", small)
    files, recipe, oracle = pair
    oracle = Session(oracle.exposures, recipe, oracle.references, oracle.store)
    boxes = [Box(0, 1, 0, 1), Box(63, 64, 71, 72), Box(0, 33, 0, 72), Box(31, 64, 40, 72), WHOLE]
    session = Session(files, recipe)
    for box in boxes:
        before = oracle.input().native()
        for step in running(session):
            seen = session.glance(box, step, knob=step, before=True)
            assert_same(seen.product, oracle.run(step).crop(box))
            assert_same(seen.before, before.crop(box))
            before = oracle.run(step)


def test_a_large_box_is_brought_through_in_strips(session, monkeypatch):
    boxes = []
    run_box = reduction.stream.__globals__["run_box"]

    def spy(source, links, box, seen=None):
        boxes.append(box)
        return run_box(source, links, box, seen)

    monkeypatch.setitem(reduction.stream.__globals__, "run_box", spy)
    monkeypatch.setattr(reduction, "SMALL", 0)
    monkeypatch.setattr(reduction, "cores", lambda: 3)
    session.glance(WHOLE, "dq_init")
    assert len(boxes) > 1
    assert sorted((b.y0, b.y1) for b in boxes)[0][0] == 0
    assert sum(b.y1 - b.y0 for b in boxes) == NY


def test_the_second_turn_of_a_knob_runs_only_the_steps_from_it_on(session, monkeypatch):
    session.glance(MIDDLE, "ramp_fit", knob="jump")
    ran = spied(monkeypatch, session)
    session.set("jump", rejection_threshold=9.0)
    session.glance(MIDDLE, "ramp_fit", knob="jump")
    assert ran == ["jump", "ramp_fit"]


def test_the_box_before_a_step_is_not_computed_twice(session, monkeypatch):
    session.glance(MIDDLE, "ramp_fit")  # measures what is to be measured
    session.set("saturation", n_pix_grow_sat=2)
    session.glance(MIDDLE, "ramp_fit", hold=True)
    ran = spied(monkeypatch, session)
    session.set("jump", rejection_threshold=9.0)
    session.glance(MIDDLE, "jump", knob="jump", before=True, hold=False)
    assert ran.count("jump") == 1


def spied(monkeypatch, session):
    """Names of the steps that run from now on, in order."""
    ran = []
    for stage in session.recipe:
        step = registry[stage.step]

        def noted(*args, _step=step, **kwargs):
            ran.append(_step.name)
            return _step.function(*args, **kwargs)

        monkeypatch.setitem(registry._steps, step.name, dataclasses.replace(step, function=noted))
    return ran


def test_a_finished_result_is_shown_as_it_is(session):
    whole = session.run("jump")
    seen = session.glance(MIDDLE, "jump", before=True)
    assert seen.full
    assert_same(seen.product, whole.crop(MIDDLE))
    assert_same(seen.before, full(session, "dark_current").crop(MIDDLE))
    assert seen.model is not None


def test_the_input_is_shown_as_the_file_has_it(session):
    seen = session.glance(MIDDLE, "input", before=True, hold=True)
    assert (seen.full, seen.held, seen.model, seen.before) == (True, (), None, None)
    assert_same(seen.product, session.input().crop(MIDDLE))


def test_a_box_that_reaches_out_of_the_frame_is_cut_to_it(session):
    seen = session.glance(Box(-9, 5, 70, 90), "dq_init")
    assert seen.product.covers == Box(0, 5, 70, 72)


# -- models that are held ---------------------------------------------------------------


def measured(session):
    return [n for n in running(session) if registry[n].measure]


def test_held_names_exactly_the_steps_whose_model_is_older(session):
    assert session.glance(MIDDLE, "ramp_fit", hold=True).held == ()  # there is none to hold
    assert measured(session) == ["refpix", "jump", "ramp_fit"]
    session.enable("superbias", False)
    older = session.glance(MIDDLE, "ramp_fit", knob="superbias", hold=True)
    assert older.held == ("refpix", "jump")  # the fit needs no pixels here
    assert session.glance(MIDDLE, "refpix", hold=True).held == ("refpix",)
    assert session.glance(MIDDLE, "saturation", hold=True).held == ()
    exact = session.glance(MIDDLE, "ramp_fit", knob="superbias")
    assert exact.held == ()
    assert_same(exact.product, full(session, "ramp_fit").crop(MIDDLE))
    session.set("dark_current", average_dark_current=5.0)
    assert session.glance(MIDDLE, "ramp_fit", hold=True).held == ("jump",)


def test_the_held_model_is_the_one_of_before_the_edit(session):
    first = session.glance(MIDDLE, "refpix").model
    session.enable("superbias", False)
    held = session.glance(MIDDLE, "refpix", hold=True)
    np.testing.assert_array_equal(held.model.offset, first.offset)
    exact = session.glance(MIDDLE, "refpix")
    assert not np.array_equal(exact.model.offset, first.offset)
    assert not np.array_equal(exact.product.data, held.product.data)


def test_the_knobs_of_a_measurement_show_at_once(session):
    session.glance(MIDDLE, "refpix")
    session.set("refpix", side_gain=3.0)
    seen = session.glance(MIDDLE, "refpix", knob="refpix", hold=True)
    assert seen.held == ()
    assert_same(seen.product, full(session, "refpix").crop(MIDDLE))


@pytest.mark.parametrize("box", [MIDDLE, WHOLE])
@pytest.mark.parametrize("upto", ["linearity", "dark_current", "jump", "ramp_fit"])
def test_nothing_that_was_computed_with_an_older_model_is_taken_for_exact(session, box, upto):
    session.glance(box, "ramp_fit")
    session.enable("superbias", False)
    for knob in ("linearity", "dark_current", upto):
        assert session.glance(box, upto, knob=knob, hold=True, before=True).held
    for knob in ("linearity", "dark_current", upto):
        exact = session.glance(box, upto, knob=knob)
        assert_same(exact.product, full(session, upto).crop(box))


def test_no_model_is_measured_through_an_older_one(session, monkeypatch):
    looked = []

    def look(whole):
        looked.append(whole.look(MIDDLE).data)
        return DroppedGroups(dropped=np.zeros((2, 8), bool))

    step = dataclasses.replace(registry["jump"], measure=look)
    monkeypatch.setitem(registry._steps, "jump", step)
    session.glance(MIDDLE, "refpix")
    session.enable("superbias", False)
    seen = session.glance(MIDDLE, "jump", hold=True)  # jump has no older model
    assert seen.held == ("refpix",)
    np.testing.assert_array_equal(looked[0], full(session, "dark_current").crop(MIDDLE).data)


def test_a_model_that_needs_no_pixels_is_never_held(session, monkeypatch):
    def known(whole):
        return DroppedGroups(dropped=np.zeros((2, 8), bool))

    step = dataclasses.replace(registry["jump"], measure=known)
    monkeypatch.setitem(registry._steps, "jump", step)
    session.glance(MIDDLE, "jump")
    session.set("dark_current", average_dark_current=5.0)
    assert session.glance(MIDDLE, "jump", hold=True).held == ()


def test_a_pixel_followed_with_held_models_is_exact_again_without(session):
    session.inspect(30, 33)
    session.enable("superbias", False)
    held = session.inspect(30, 33, hold=True)
    exact = session.inspect(30, 33)
    assert exact.steps[-1].rate == again(session).run().data[30, 33]
    (a,), (b,) = ([s for s in h.steps if s.step == "refpix"] for h in (held, exact))
    assert not np.array_equal(a.data, b.data)


def test_a_measurement_that_breaks_names_its_step(session, monkeypatch):
    def broken(whole):
        raise ZeroDivisionError("of its own")

    step = dataclasses.replace(registry["jump"], measure=broken)
    monkeypatch.setitem(registry._steps, "jump", step)
    with pytest.raises(StepError, match="jump: measuring failed: ZeroDivisionError: of its own"):
        session.glance(MIDDLE, "ramp_fit")
    assert [s.step for s in session.states() if s.state == "failed"] == ["jump"]


# -- other settings, cancelling -------------------------------------------------------------------


def test_a_pinned_result_beside_the_present_one_leaves_it_alone(session):
    session.glance(MIDDLE, "ramp_fit", knob="jump")
    pinned = session.pin().settings
    session.set("jump", rejection_threshold=30.0)
    session.enable("superbias", False)
    now = session.glance(MIDDLE, "jump", hold=True)
    other = session.glance(MIDDLE, "jump", settings=pinned)
    assert other.held == ()
    with_pinned = Session(session.exposures, pinned.recipe, pinned.references)
    assert_same(other.product, with_pinned.run("jump").crop(MIDDLE))
    later = session.glance(MIDDLE, "jump", hold=True)
    assert later.held == now.held == ("refpix", "jump")
    assert_same(later.product, now.product)
    assert_same(session.glance(MIDDLE, "jump").product, full(session, "jump").crop(MIDDLE))
    a = session.inspect(30, 33, settings=pinned)
    assert a.steps[-1].rate == with_pinned.run().data[30, 33]


def test_references_of_a_pin_are_its_own(session):
    pinned = session.pin().settings
    session.use("gain", np.full((NY, NX), 2.0, np.float32))
    other = session.glance(MIDDLE, "ramp_fit", settings=pinned)
    first = Session(session.exposures, pinned.recipe, pinned.references).run("ramp_fit")
    assert_same(other.product, first.crop(MIDDLE))
    now = session.glance(MIDDLE, "ramp_fit").product
    assert_same(now, full(session, "ramp_fit").crop(MIDDLE))
    assert not np.array_equal(now.err, other.product.err)


@pytest.mark.parametrize("knob", ["", "jump"])
def test_a_cancelled_glance_leaves_nothing_wrong_behind(session, monkeypatch, knob):
    monkeypatch.setattr(reduction, "SMALL", 0)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        session.glance(WHOLE, "ramp_fit", knob=knob, cancel=cancel)
    assert {s.state for s in session.states()} == {"stale", "skipped"}
    for upto in ("dark_current", "ramp_fit"):
        seen = session.glance(WHOLE, upto, knob=knob, cancel=threading.Event())
        assert_same(seen.product, full(session, upto))


def test_two_threads_that_glance_at_once_get_the_right_boxes(session):
    boxes = [Box(y, y + 20, x, x + 24) for y in (0, 22, 44) for x in (0, 24, 48)]
    steps = ["superbias", "refpix", "jump", "ramp_fit"]
    found, errors = {}, []

    def look(order):
        try:
            for box in boxes[::order]:
                for step in steps[::order]:
                    found[order, box, step] = session.glance(box, step, knob="jump").product
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=look, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    whole = {step: full(session, step) for step in steps}
    for (_, box, step), product in found.items():
        assert_same(product, whole[step].crop(box))


# -- boxes on screen ---------------------------------------------------------------


def ramp():
    return example_ramp(example_exposure())


def test_a_held_box_gives_any_box_inside_it_and_no_other():
    boxes, product = Boxes(), ramp().crop(Box(5, 25, 5, 25))
    boxes.put("a", product)
    assert_same(boxes.get("a", Box(10, 12, 5, 25)), product.crop(Box(10, 12, 5, 25)))
    assert boxes.get("a", Box(4, 12, 5, 25)) is None
    assert boxes.get("b", Box(10, 12, 5, 25)) is None


def test_the_least_recently_used_box_goes_first():
    product = ramp()
    boxes, box = Boxes(limit=2 * product.nbytes), product.covers
    boxes.put("a", product)
    boxes.put("b", product)
    boxes.get("a", box)
    boxes.put("c", product)
    assert [boxes.get(key, box) is not None for key in "abc"] == [True, False, True]


def test_a_recipe_of_one_step_is_shown_too(nircam_file):
    session = jwinteractive.open(nircam_file, Recipe.of("dq_init"))
    seen = session.glance(MIDDLE, "dq_init", knob="dq_init", before=True)
    assert_same(seen.before, session.input().crop(MIDDLE).native())
    assert_same(seen.product, again(session).run().crop(MIDDLE))
