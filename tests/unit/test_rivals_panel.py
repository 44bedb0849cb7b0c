"""Native or official in the workbench: the switch, the comparison and the log."""

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive.rivals import Rival, Rivals, both_forms
from jwinteractive.spent import Spent
from jwinteractive.step import Ran
from jwinteractive.views import Table
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.log_view import LogView
from jwinteractive_widgets.rivals_panel import FormBar, RivalsPanel


@pytest.fixture
def failures():
    return []


@pytest.fixture
def asked():
    return []


@pytest.fixture
def bar(sent, session, failures, asked):
    return FormBar(session, Background(), failures.append, lambda: asked.append("compare"))


def items(bar):
    return {i["id"]: i for i in bar.bar.items}


def found_of(session):
    settings, product = session.settings, session.input()
    costs = Table(title="the step alone", columns=("", "seconds"), rows=(("native", 0.5),))
    a, b = (
        Rival(step=n, settings=settings, product=product, cost=Spent(s))
        for n, s in (("official_jump", 2.0), ("jump", 0.5))
    )
    return Rivals(a=a, b=b, comparison=None, why="no frames to compare", costs=costs)


def test_the_steps_of_both_forms_are_native_ones_that_the_package_has_too():
    assert {"jump", "ramp_fit", "dq_init"} <= both_forms()
    assert not {"user_flags", "tweakreg"} & both_forms()


def test_the_switch_shows_and_changes_the_form(bar, session, failures):
    session.see(step="jump")
    bar.refresh()
    assert items(bar)["native"]["value"]
    assert not items(bar)["official"]["value"]
    bar._do("official", True)
    assert "official_jump" in session.recipe
    assert session.look.step == "official_jump"
    assert items(bar)["official"]["value"]
    bar._do("official", False)  # pressed again: it is the form already
    assert "official_jump" in session.recipe
    bar._do("native", True)
    assert "jump" in session.recipe
    assert failures == []


def test_a_step_of_one_form_has_no_switch(bar, session):
    for step in ("user_flags", "input"):
        session.see(step=step)
        bar.refresh()
        assert bar.children == ()
    session.see(step="jump")
    bar.refresh()
    assert bar.children == (bar.bar,)


def test_forms_are_compared_when_asked_and_not_while_a_run_is_in_work(bar, session, asked):
    session.see(step="jump")
    bar.refresh(busy=True)
    assert items(bar)["compare"]["disabled"]
    bar.refresh()
    bar._do("compare")
    assert asked == ["compare"]


def test_a_comparison_belongs_to_its_step_and_says_when_it_is_old(sent, session):
    panel = RivalsPanel(session)
    assert not panel.has("jump")
    panel.begin("jump")
    assert panel.has("official_jump")
    assert "at work" in panel.text.value
    panel.end(found_of(session))
    assert panel.has("jump")
    assert not panel.has("ramp_fit")
    assert "the step alone" in panel.costs.value
    assert "no frames to compare" in panel.differ.headline.value
    assert "compare again" not in panel.text.value
    session.set("jump", rejection_threshold=7)
    panel.refresh()
    assert "compare again" in panel.text.value
    panel.begin("jump")
    panel.end(None)
    assert not panel.has("jump")


def test_the_headline_says_which_is_faster(session):
    assert found_of(session).headline == "native is 4 times faster"


@pytest.fixture
def log(sent, session, monkeypatch, tmp_path):
    """A log beside an official step whose result is kept."""
    session.swap("jump")
    session.see(step="official_jump")
    lines = ("INFO Using /a/b/c/gain.fits now", "WARNING no <b>dark</b>")
    ran = Ran(place=tmp_path, members=("x",), files=("x",), log=lines, seconds=1.5, peak=3_000_000)
    session.store.put(session.plan("official_jump")[-1].model_key, ran)
    return LogView(session, Background())


def test_the_log_of_a_result_is_shown_with_what_it_took(log):
    log.refresh()
    assert log.bar.items[0]["label"] == "log (1 warning)"
    assert log.bar.items[1]["value"] == "1.5 s, 3 MB added"
    assert log.text.value == ""  # it is opened by a click
    log._do("log", True)
    assert "Using gain.fits now" in log.text.value
    assert 'title="Using /a/b/c/gain.fits now"' in log.text.value
    assert 'jwi-loud">WARNING no &lt;b&gt;dark&lt;/b&gt;' in log.text.value


def test_lines_are_shown_while_a_step_is_at_work(log):
    log._do("log", True)
    log.hear("INFO half way")
    assert "half way" in log.text.value
    log.refresh(busy=True)
    assert log.bar.items[1]["value"] == "1.5 s, 3 MB added"  # its result has come meanwhile
    log.hear("INFO another one")
    assert log.lines == ("INFO another one",)
    log.settle()  # its picture is there
    assert log.lines[0].startswith("INFO Using")


def test_a_step_that_says_nothing_has_no_log(log, session):
    log.refresh()
    assert log.children
    for step in ("ramp_fit", "input"):
        session.see(step=step)
        log.refresh()
        assert log.children == ()


def test_a_difference_shows_the_flags_that_one_alone_has(session):
    from jwinteractive.scene import picture, request_of

    session.see(step="jump")
    session.pin()
    session.set("jump", rejection_threshold=50, likelihood_threshold=50)
    session.see(compare="difference")
    made = picture(session, request_of(session))
    present, pinned = made.pair
    expected = present.dq ^ pinned.dq
    assert expected.any()
    np.testing.assert_array_equal(made.frame.dq, expected)


def test_the_other_form_is_pinned_by_its_own_name(session):
    session.see(step="jump")
    native, key = session.settings, session.plan("jump")[-1].key
    session.swap("jump")
    session.pin(settings=native)
    assert session.pinned.step == "jump"
    assert session.pinned.key == key
