"""The plots beside the frame on real small sessions, without a kernel."""

import numpy as np
import pytest

pytest.importorskip("bqplot", reason="the lab extra is not installed")

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive_widgets import workbench

HAND = "user_flags"


@pytest.fixture
def hit(session):
    """A pixel (y, x) whose ramp has one jump, with its integration and group."""
    groupdq = session.run("jump").groupdq
    one = ((groupdq & dq.JUMP_DET) != 0).sum(axis=1) == 1
    usable = one & ~((groupdq & (dq.SATURATED | dq.DO_NOT_USE)) != 0).any(axis=1)
    usable &= (session.run("jump").pixeldq & dq.DO_NOT_USE) == 0
    i, y, x = np.argwhere(usable)[0]
    (group,) = np.flatnonzero(groupdq[i, :, y, x] & dq.JUMP_DET)
    return (int(y), int(x)), int(i), int(group)


def groups(session):
    return session.recipe[HAND].params.groups


def test_nothing_is_drawn_before_a_pixel_is_picked(bench):
    assert "Click a pixel" in bench.graphs.ramp.text.value
    assert bench.graphs.ramp.history is None


def test_a_picked_pixel_shows_its_ramp_and_rate_and_follows_a_knob(bench, session, hit):
    (y, x), i, group = hit
    session.see(pick=(y, x), integration=i)
    ramp = bench.graphs.ramp
    before = ramp.text.value
    assert f"x {x}, y {y}" in ramp.title.value
    assert f"slope in integration {i + 1}" in before
    session.set("jump", likelihood_threshold=1000.0)
    assert ramp.text.value != before
    (after,) = [s for s in ramp.history.steps if s.step == "jump"]
    assert not after.groupdq[i, group] & dq.JUMP_DET


def test_a_box_shows_the_mean_of_its_pixels_and_no_flags_to_set(bench, session):
    session.see(box=Box(10, 14, 20, 26))
    ramp = bench.graphs.ramp
    assert "mean of x 20 to 25, y 10 to 13" in ramp.title.value
    assert ramp.toggle.layout.display == "none"


def test_a_flag_by_hand_changes_the_ramp_that_is_drawn_and_flagging_back_leaves_nothing(
    bench, session, hit
):
    (y, x), i, group = hit
    session.see(pick=(y, x), integration=i)
    ramp = bench.graphs.ramp
    flag = ramp.on_flag
    flag(i, group, "JUMP_DET", False)
    assert f"y{y} x{x} i{i + 1} g{group + 1} -JUMP_DET" in groups(session)
    assert "after user_flags" in ramp.title.value
    assert group + 1 not in ramp.plot.flagged["JUMP_DET"].x
    flag(i, group, "JUMP_DET", True)
    assert groups(session) == ""
    other = (group + 2) % 8
    flag(i, other, "DO_NOT_USE", True)
    flag(i, other, "DO_NOT_USE", False)
    assert groups(session) == ""


def test_flagging_switches_the_step_on_that_holds_the_flags(bench, session, hit):
    (y, x), i, group = hit
    session.enable(HAND, False)
    session.see(pick=(y, x), integration=i)
    bench.graphs.ramp.on_flag(i, group, "JUMP_DET", False)
    assert session.recipe[HAND].enabled


def test_the_effect_of_a_flag_is_that_on_the_rate_of_its_integration(bench, session, hit):
    (y, x), i, group = hit
    session.see(pick=(y, x), integration=i, group=group)
    ramp = bench.graphs.ramp
    before = session.inspect(y, x).fit.rate[i]
    ((_, effects),) = [(k, v) for k, v in ramp._refits.items() if k == (i, ())]
    assert effects[0] == pytest.approx(before, rel=1e-5)
    promised = ramp._refits[i, ((group, "JUMP_DET", False),)]
    ramp.on_flag(i, group, "JUMP_DET", False)
    kept = next(s for s in reversed(session.inspect(y, x).steps) if s.rate is not None)
    assert promised == pytest.approx(
        (kept.rate_per_integration[i], kept.err_per_integration[i]), rel=1e-5
    )
    assert "change" in ramp.table.value


def test_a_recipe_without_hand_flags_says_so_in_place(sent, nircam_file):
    import jwinteractive
    from jwinteractive.recipe import Recipe

    full = Recipe.load("nir_detector")
    stages = tuple(s for s in full if s.step != HAND)
    session = jwinteractive.open(nircam_file, recipe=Recipe(stages, "bare"))
    bench = workbench(session)
    session.see(pick=(20, 20), group=3)
    assert "no step &#x27;user_flags&#x27;" in bench.graphs.ramp.group_text.value
    bench.graphs.ramp.on_flag(0, 3, "JUMP_DET", True)
    assert session.journal[-1].kind == "error"
    bench.close()


def test_every_tab_draws_something_of_every_step(bench, session):
    session.see(pick=(20, 20))
    for step in ("input", "refpix", "jump", "ramp_fit"):
        session.see(step=step)
        for title in bench.graphs.tabs.tabs.titles:
            bench.graphs.tabs.choose(title)
            (body,) = bench.graphs.tabs.body.children
            assert "jwi-error" not in getattr(body, "value", ""), (step, title)


def test_the_comparison_tab_says_what_to_do_next_until_there_is_one(bench, session):
    tabs, shown = bench.graphs.tabs, bench.graphs.comparison.headline
    tabs.choose("A/B")
    assert "Pin a result first" in shown.value
    session.see(step="ramp_fit")
    session.pin()
    session.set("jump", rejection_threshold=50.0)
    assert "choose how to compare" in shown.value
    session.see(compare="difference")
    assert "B differs from A in 1 parameter" in shown.value
    assert "rejection_threshold" in bench.graphs.comparison.tables.value


def test_a_drawn_line_opens_its_profile(bench):
    bench.canvas.on_line((5, 5), (5, 40))
    assert bench.graphs.tabs.chosen == "profile"
    assert len(bench.graphs.tabs.plot_view.plot.curves[0].x) >= 30
