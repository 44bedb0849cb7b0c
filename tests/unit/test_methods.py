"""One pixel by all methods of its steps, and what of them is told."""

import threading
from typing import Annotated, Literal

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.data import Ramp
from jwinteractive.errors import Cancelled, InputError
from jwinteractive.methods import choices_of, compare_methods, table_of
from jwinteractive.params import Doc, Params
from jwinteractive.recipe import Recipe
from jwinteractive.step import Model, Whole, registry, step


class PickyParams(Params):
    """Parameters of `picky`."""

    method: Annotated[Literal["none", "third", "broken"], Doc("Which.")] = "third"


class SharperParams(Params):
    """Parameters of `sharper`."""

    algorithm: Annotated[Literal["soft", "hard"], Doc("Which.")] = "soft"


class Level(Model):
    """What `measured` learns."""


@pytest.fixture
def steps():
    """Two steps with methods, for the length of a test."""
    known = set(registry)

    @step(halo=1)
    def picky(ramp: Ramp, p: PickyParams) -> Ramp:
        """Flag the third group, or none."""
        if p.method == "broken":
            raise ValueError("it is broken")
        groupdq = ramp.groupdq.copy()
        if p.method == "third":
            groupdq[:, 2] |= np.uint8(dq.JUMP_DET)
        return ramp.replace(groupdq=groupdq)

    @step(halo=0)
    def sharper(ramp: Ramp, p: SharperParams) -> Ramp:
        """Double the signal, or leave it."""
        return ramp.replace(data=ramp.data * np.float32(2 if p.algorithm == "hard" else 1))

    def measure(whole: Whole, p: SharperParams) -> Level:
        raise AssertionError("not asked for")

    @step(halo=0, measure=measure)
    def measured(ramp: Ramp, p: SharperParams, model: Level) -> Ramp:
        """Look at the whole exposure first."""
        return ramp

    yield registry
    for name in set(registry) - known:
        del registry._steps[name]


@pytest.fixture
def session(steps, nircam_file, monkeypatch):
    """A session with a step of each, and ramp_fit, which has methods of its own."""
    monkeypatch.setattr("jwinteractive.methods.MOST", 18)
    recipe = Recipe.of("dq_init", "picky", "sharper", "ramp_fit")
    return jwinteractive.open(nircam_file, recipe)


def by_method(tried):
    """What was tried by the methods of the two steps, with the present one of any other."""
    own = ("picky", "sharper")
    rest = {k: v for k, v in tried[0].choices.items() if k not in own}
    return {tuple(t.choices[n] for n in own): t for t in tried if rest.items() <= t.choices.items()}


def test_every_combination_is_tried_and_the_present_one_first(session):
    tried = compare_methods(session, 20, 30)
    assert tried[0].present
    assert tried[0].choices["picky"] == "third"
    assert not any(t.present for t in tried[1:])
    assert len({t.words for t in tried}) == len(tried)
    methods = by_method(tried)
    assert len(methods) == 6


def test_each_has_the_flags_and_the_rate_that_the_session_gives_with_these_parameters(session):
    methods = by_method(compare_methods(session, 20, 30))
    assert methods["third", "soft"].jumps == ((0, 2), (1, 2))
    assert methods["none", "soft"].jumps == ()
    soft, hard = methods["none", "soft"].rate, methods["none", "hard"].rate
    assert hard[0] == pytest.approx(2 * soft[0], rel=1e-2)
    session.set("picky", method="none")
    session.set("sharper", algorithm="hard")
    history = session.inspect(20, 30)
    assert hard == (history.steps[-1].rate, history.steps[-1].err)


def test_the_session_stays_as_it_is_and_the_present_one_is_what_it_has(session):
    before = session.settings
    (present,) = [t for t in compare_methods(session, 20, 30) if t.present]
    assert session.settings == before
    assert not session.can_undo
    last = session.inspect(20, 30).steps[-1]
    assert present.rate == (last.rate, last.err)


def test_times_are_those_of_the_compared_steps_around_the_pixel(session):
    tried = compare_methods(session, 20, 30)
    assert tried[0].pixels == (20 + 33) * (30 + 33)
    assert all(t.seconds > 0 for t in tried if not t.failed)


def test_a_method_that_fails_says_so_beside_the_others(session):
    methods = by_method(compare_methods(session, 20, 30))
    broken = methods["broken", "soft"]
    assert "it is broken" in broken.failed
    assert np.isnan(broken.rate[0])
    table = table_of(tuple(methods.values()))
    assert any("it is broken" in str(row) for row in table.rows)


def test_the_table_names_groups_from_one_and_marks_the_present_methods(session):
    tried = compare_methods(session, 20, 30)
    table = table_of(tried, integration=0)
    assert table.rows[0][0].endswith("(present)")
    assert table.rows[0][1] == "3"
    assert table_of(tried).rows[0][1] == "1.3, 2.3"
    assert table.columns[-1] == "ms"
    assert f"for {tried[0].pixels} pixels" in table.title


def test_a_step_that_would_measure_the_exposure_anew_is_not_compared(steps):
    assert choices_of(registry["measured"]) is None
    assert choices_of(registry["picky"]) == ("method", ("none", "third", "broken"))
    assert choices_of(registry["dq_init"]) is None


def test_too_many_combinations_are_varied_one_at_a_time(session, monkeypatch):
    monkeypatch.setattr("jwinteractive.methods.MOST", 5)
    methods = by_method(compare_methods(session, 20, 30))
    assert set(methods) == {
        ("third", "soft"),
        ("none", "soft"),
        ("broken", "soft"),
        ("third", "hard"),
    }


def test_it_can_be_cancelled_and_refuses_what_makes_no_sense(session):
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        compare_methods(session, 20, 30, cancel=cancel)
    with pytest.raises(InputError, match="the frame has y 0 to 63"):
        compare_methods(session, 64, 0)
    alone = jwinteractive.open(session.exposures[0].path, Recipe.of("dq_init"))
    with pytest.raises(InputError, match="nothing to compare"):
        compare_methods(alone, 1, 1)
