"""The frame of a session's look: what is asked for, what is shown meanwhile, and what is said."""

import asyncio
import threading

import numpy as np
import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

import jwinteractive
from jwinteractive.data import Box
from jwinteractive_widgets import canvas as canvas_module
from jwinteractive_widgets.background import Background
from jwinteractive_widgets.canvas import Canvas

WHOLE = Box(0, 64, 0, 72)


@pytest.fixture
def session(nircam_file):
    return jwinteractive.open(nircam_file)


@pytest.fixture
def made(sent, session):
    """A canvas of a session, without a loop: all is done at once."""
    return canvas_of(session, "jump")


def canvas_of(session, step):
    session.see(step=step)
    found = Canvas(session, Background("frame", "sky"), pytest.fail)
    session.looked.connect(lambda _: found.refresh())
    session.changed.connect(found.refresh)
    session.done.connect(lambda _: found.refresh())
    found.refresh()
    return found


@pytest.fixture
def pictures(monkeypatch):
    """Every request that was computed."""
    requests, compute = [], canvas_module.picture

    def recorded(session, request, cancel=None):
        requests.append(request)
        return compute(session, request, cancel)

    monkeypatch.setattr(canvas_module, "picture", recorded)
    return requests


@pytest.fixture
def small_glimpse(monkeypatch):
    monkeypatch.setattr(canvas_module, "GLIMPSE", 16)


def notes(customs, canvas):
    return [content["note"] for content, _ in customs(canvas.view, "frame")]


def look_from(browser_says, canvas, name, window):
    browser_says(canvas.view, kind="ready", id=name)
    browser_says(canvas.view, kind="view", id=name, box=list(window), size=[64, 64])


def test_the_first_picture_says_what_it_is(made):
    assert made.picture.note == "preview"
    assert made.view.label.startswith(f"{made.session.exposures[0].name} after jump: signal")
    assert not made.view.busy


def test_what_is_there_is_not_computed_again(made, pictures):
    made.session.see(window=(10.0, 10.0, 30.0, 30.0))
    made.session.see(pick=(5, 5))
    made.refresh()
    assert pictures == []


def test_what_is_in_work_is_not_begun_again(sent, session, pictures):
    async def scene():
        loop = asyncio.get_running_loop()
        session.see(step="jump")
        canvas = Canvas(session, Background("frame", "sky"), pytest.fail)
        shown = loop.create_future()
        canvas.pictured.connect(lambda made: shown.set_result(made))
        canvas.refresh()
        canvas.refresh()
        await asyncio.wait_for(shown, 20)
        assert len(pictures) == 1

    asyncio.run(scene())


def test_when_a_run_ends_the_picture_is_its_result(made, customs):
    made.session.run("jump")
    assert notes(customs, made)[-1] == "full result"


def test_a_large_frame_is_shown_in_part_first(made, customs, small_glimpse, pictures):
    made.session.turn("jump", rejection_threshold=9.0)
    assert [r.box for r in pictures] == [Box(24, 41, 28, 45), WHOLE]
    assert notes(customs, made)[-2:] == ["preview; the rest follows", "preview"]


def test_the_part_shown_first_is_around_the_pick_if_that_is_in_sight(
    made, small_glimpse, pictures, monkeypatch
):
    monkeypatch.setattr(jwinteractive.scene, "WHOLE", 16)
    made.session.see(pick=(20, 50), window=(0.0, 0.0, 40.0, 64.0))
    made.session.turn("jump", rejection_threshold=9.0)
    assert pictures[-2].box == Box(24, 41, 12, 29)
    made.session.see(window=None)
    made.session.turn("jump", rejection_threshold=8.0)
    assert pictures[-2].box == Box(12, 29, 42, 59)


def test_a_kept_result_is_shown_whole_at_once(made, small_glimpse, pictures):
    made.session.run("jump")
    made.session.set("jump", rejection_threshold=9.0)
    pictures.clear()
    made.session.undo()
    assert [(r.box, r.cheap) for r in pictures] == [(WHOLE, True)]


def test_a_step_that_fails_leaves_the_last_good_product_with_the_reason(sent, session, customs):
    failures = []
    canvas = canvas_of(session, "ramp_fit")
    canvas._fail = failures.append
    session.use("dark", np.ones((3, 3)))
    assert notes(customs, canvas)[-1] == "preview after linearity; dark_current fails"
    assert {e.step for e in failures} == {"dark_current"}
    session.undo()
    assert notes(customs, canvas)[-1] == "preview"
    assert canvas.picture.request.upto == "ramp_fit"


def test_several_displays_are_all_covered(made, browser_says, pictures, monkeypatch):
    monkeypatch.setattr(jwinteractive.scene, "WHOLE", 16)
    for name, window in (("one", (0, 0, 10, 10)), ("two", (40, 30, 60, 50))):
        browser_says(made.view, kind="view", id=name, box=list(window), size=[64, 64])
    made.session.see(window=(40.0, 30.0, 60.0, 50.0))
    made.session.turn("jump", rejection_threshold=9.0)
    assert pictures[-1].box == Box(0, 51, 0, 61)


def test_a_display_that_left_with_its_page_is_forgotten(made, browser_says, customs):
    look_from(browser_says, made, "before", (0, 0, 72, 64))
    look_from(browser_says, made, "after", (0, 0, 72, 64))
    assert len(made.view.windows) == 1
    assert len(customs(made.view, "where")) == 2


def test_an_old_picture_is_said_to_be_old_while_the_new_one_takes_long(
    sent, session, customs, monkeypatch
):
    monkeypatch.setattr(canvas_module, "LATE", 0.0)
    go_on, compute = threading.Event(), canvas_module.picture

    def slow(session, request, cancel=None):
        assert go_on.wait(20)
        return compute(session, request, cancel)

    async def scene():
        loop = asyncio.get_running_loop()
        session.see(step="jump")
        canvas = Canvas(session, Background("frame", "sky"), pytest.fail)
        first, second, said = (loop.create_future() for _ in range(3))
        canvas.pictured.connect(lambda made: first.done() or first.set_result(made))
        canvas.refresh()
        await asyncio.wait_for(first, 20)
        monkeypatch.setattr(canvas_module, "picture", slow)
        canvas.pictured.connect(lambda made: second.set_result(made))
        say = canvas.view.say
        canvas.view.say = lambda note: (say(note), said.set_result(note))
        session.see(step="ramp_fit")
        canvas.refresh()
        assert await asyncio.wait_for(said, 20) == "as before; ramp_fit is on its way"
        assert canvas.view.busy
        go_on.set()
        await asyncio.wait_for(second, 20)
        assert not canvas.view.busy
        assert notes(customs, canvas)[-1] == "preview"

    asyncio.run(scene())


def test_it_stays_busy_while_something_newer_is_in_work(sent, session, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    compute = canvas_module.picture

    def slow(session, request, cancel=None):
        begun.set()
        assert go_on.wait(20)
        return compute(session, request)

    monkeypatch.setattr(canvas_module, "picture", slow)

    async def scene():
        loop = asyncio.get_running_loop()
        canvas = Canvas(session, Background("frame", "sky"), pytest.fail)
        last, busy = loop.create_future(), []

        def shown(picture):
            busy.append(canvas.view.busy)
            if picture.request.upto == "ramp_fit":
                last.set_result(picture)

        canvas.pictured.connect(shown)
        session.see(step="jump")
        canvas.refresh()
        await loop.run_in_executor(None, begun.wait, 20)
        session.see(step="ramp_fit")
        canvas.refresh()
        go_on.set()
        await asyncio.wait_for(last, 20)
        assert busy == [True, False]

    asyncio.run(scene())


def test_the_axes_are_those_that_the_file_has(made):
    assert [(a["name"], a["size"]) for a in made.view.axes] == [("group", 8), ("integration", 2)]


def test_going_along_an_axis_ends_where_it_began(made):
    made.session.see(group=7)
    made.go("group", 1)
    assert made.session.look.group == 0
    made.go("group", -1)
    assert made.session.look.group == 7
    made.go("exposure", 1)
    assert made.session.active == 0


def test_the_product_of_the_chosen_step_is_named_before_it_is_drawn(sent, session):
    canvas = Canvas(session, Background("frame", "sky"), pytest.fail)
    session.see(step="jump")
    canvas.refresh()
    session.see(step="refpix")
    assert (canvas.upto, canvas.picture.request.upto) == ("refpix", "jump")


def test_choosing_what_is_shown_goes_into_the_look(made):
    made.bar.on_do("shown", "ramp_fit")
    assert made.picture.request.upto == "ramp_fit"
    made.bar.on_do("shown", canvas_module.FOLLOW)
    made.bar.on_do("view", "groups hit")
    assert (made.picture.request.upto, made.picture.frame.title) == ("jump", "groups that are hit")
