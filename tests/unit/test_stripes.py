"""All methods against 1/f noise, judged on pixels that no fit saw."""

import dataclasses as dc
import json
import threading

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Box
from jwinteractive.errors import Cancelled, InputError
from jwinteractive.masks import Layer, Rectangle, Selection
from jwinteractive.simulate import simulate
from jwinteractive.stripes import (
    STEP,
    Judged,
    Numbers,
    as_json,
    as_text,
    compare_cleaning,
    remarks_on,
    table_of,
)

STRIPES = {"one_over_f_common": 12.0, "one_over_f_amp": 4.0, "cosmic_rays": 0.5, "snowballs": 0.0}


@pytest.fixture(scope="module")
def striped(tmp_path_factory):
    """A simulated NIRCam exposure of 1 x 5 x 96 x 256 with four times the usual 1/f noise."""
    folder = tmp_path_factory.mktemp("striped")
    made = simulate(
        "nircam", size=(96, 256), seed=3, ngroups=5, crowding=400, galaxies=0, **STRIPES
    )
    return made.write(folder)


@pytest.fixture
def session(striped):
    found = jwinteractive.open(striped)
    found.enable(STEP)
    return found


def test_every_method_is_judged_and_told_as_it_comes(session):
    told = []
    session.set(STEP, fit_method="median")
    judged = compare_cleaning(session, report=told.append)
    assert tuple(told) == judged
    assert [j.method for j in judged] == [
        "", "smoother", "fourier", "shrunk_median", "median", "fft",
    ]  # fmt: skip
    assert [j.method for j in judged if j.present] == ["median"]
    assert judged[-1].failed.startswith("fit_method = 'fft' is for")
    left = {j.method: j.numbers for j in judged if j.numbers}
    before = left.pop("")
    for method, n in left.items():
        assert n.stripes < 0.7 * before.stripes, method
        assert n.powers[0] < 0.7 * before.powers[0], method
        assert abs(n.lost) < 1.0, method
    assert left["smoother"].stripes < left["median"].stripes
    assert left["smoother"].scatter < left["median"].scatter < before.scatter
    assert np.isnan(before.step), "one output has no steps"
    assert all(j.seconds > 0 for j in judged if j.method and not j.failed)


def test_pixels_that_judge_are_kept_from_the_fit(session, monkeypatch):
    seen = []
    glance = session.glance

    def spy(*args, **keys):
        found = glance(*args, **keys)
        if "settings" in keys and "scene" in keys["settings"].references.overrides:
            scene = keys["settings"].references.overrides["scene"]
            seen.append((found.product.scene != 0)[scene == 1].all())
            seen.append(0.1 < (scene == 1).mean() < 0.3)
        return found

    monkeypatch.setattr(session, "glance", spy)
    compare_cleaning(session)
    assert len(seen) == 8
    assert all(seen)


def test_lines_in_view_alone_are_judged_and_a_cancel_is_heard(session):
    few = compare_cleaning(session, Box(10, 40, 5, 20))
    assert few[0].numbers != compare_cleaning(session)[0].numbers
    stop = threading.Event()
    with pytest.raises(Cancelled):
        compare_cleaning(session, report=lambda _: stop.set(), cancel=stop)


def test_what_cannot_be_judged_is_said_in_one_line(session):
    session.enable(STEP, False)
    with pytest.raises(InputError, match=r"does not run here \(switched off in the recipe\)"):
        compare_cleaning(session)
    session.enable(STEP)
    none = Selection.none(session.input().shape)
    everything = (Rectangle(0, 95, 0, 255),)
    layer = Layer(name="all", pixels=none, shapes=everything, flags=(), role="scene")
    session.use_mask(session.mask().with_layer(layer))
    with pytest.raises(InputError, match="nothing in view is background: mask less"):
        compare_cleaning(session)


def a_case(method, lost=0.0, **changes):
    numbers = Numbers(
        stripes=0.5, powers=(2.0, 1.0), scatter=0.1, step=float("nan"), lost=lost, lost_error=0.05
    )
    return Judged(method, "DN/s", numbers, seconds=0.01, **changes)


def test_the_table_and_the_words_say_which_method_eats_flux():
    judged = [a_case("", float("nan")), a_case("one", 0.2, present=True), a_case("two", -0.3)]
    judged.append(Judged("three", "DN/s", failed="is for others"))
    table = table_of(judged)
    assert [row[0] for row in table.rows] == ["before", "one *", "two"]
    assert "step" not in table.columns
    assert [row[table.columns.index("loss")] for row in table.rows] == ["", "0.2 !", "-0.3 !"]
    words = remarks_on(judged)
    assert "one: faint sources lose 0.20 ± 0.05 sigma: mask more, or take another method" in words
    assert "two: faint sources gain 0.30 ± 0.05 sigma: mask more, or take another method" in words
    assert "three: is for others" in words
    assert "one *" in as_text(judged)
    plain = json.loads(json.dumps(as_json(judged)))
    assert plain[0]["lost"] is None
    assert plain[1]["powers"] == [2.0, 1.0]
    assert not remarks_on([])
    unsure = a_case("one", 0.2)
    unsure = dc.replace(unsure, numbers=dc.replace(unsure.numbers, lost_error=0.1))
    assert not unsure.warning, "within three errors it may be chance"


def test_the_command_tells_the_same(striped, capsys):
    from jwinteractive.cli import main

    option = ["--set", f"{STEP}.background_method=model"]
    assert main(["flicker", str(striped), "--json", *option]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [t["method"] for t in told][:2] == ["before", "smoother"]
    assert told[1]["stripes"] < told[0]["stripes"]
