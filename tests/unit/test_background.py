"""Work in lanes off the loop, callbacks on it; without a loop everything at once."""

import asyncio
import threading

import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

from jwinteractive_widgets.background import Background


def play(scene):
    async def run():
        # timers of the loop are kept from any clock but its own
        return await asyncio.wait_for(scene(asyncio.get_running_loop()), 20)

    return asyncio.run(run())


def elsewhere(function, *args):
    """Call on another thread and wait for its end."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*args)))
    thread.start()
    thread.join()
    return found[0]


def test_a_lane_does_not_wait_for_another():
    async def scene(loop):
        background = Background("frame", "pixel")
        go_on, frame, pixel = threading.Event(), loop.create_future(), loop.create_future()
        background.submit(
            lambda cancel: go_on.wait(15), frame.set_result, frame.set_exception, "frame"
        )
        background.submit(lambda cancel: "ramp", pixel.set_result, pixel.set_exception, "pixel")
        assert await pixel == "ramp"
        assert not frame.done()
        go_on.set()
        assert await frame

    play(scene)


def test_in_a_lane_the_newest_wins():
    async def scene(loop):
        background = Background("frame")
        shown, last = [], loop.create_future()
        for i in range(9):
            background.submit(lambda cancel, i=i: i, shown.append, shown.append, "frame")
        background.submit(lambda cancel: 9, last.set_result, last.set_exception, "frame")
        assert await last == 9
        return shown

    assert play(scene) in ([], [0])


def test_an_error_reaches_the_one_who_waits():
    async def scene(loop):
        failed = loop.create_future()

        def work(cancel):
            raise ValueError("wrong")

        Background().submit(work, print, failed.set_result)
        return str(await failed)

    assert play(scene) == "wrong"


def test_what_is_handed_over_runs_at_once_on_the_loops_thread_and_later_from_another():
    async def scene(loop):
        background = Background()
        called = []

        def note(word):
            called.append((word, threading.current_thread()))

        background.hand_over(note, "here")
        assert called == [("here", threading.current_thread())]
        elsewhere(background.hand_over, note, "there")
        assert len(called) == 1
        await asyncio.sleep(0)
        assert called[1:] == [("there", threading.current_thread())]

    play(scene)


@pytest.mark.parametrize("whence", [elsewhere, lambda f, *args: f(*args)])
def test_what_comes_later_comes_on_the_loop_unless_it_is_taken_back(whence):
    async def scene(loop):
        background = Background()
        called, last = [], loop.create_future()
        back = whence(background.later, 0, called.append, "taken back")
        whence(background.later, 0, lambda: called.append(threading.current_thread()))
        whence(back)
        whence(background.later, 0, last.set_result, None)
        await last
        assert called == [threading.current_thread()]

    play(scene)


def test_later_is_not_now():
    async def scene(loop):
        called = []
        Background().later(0, called.append, "later")
        assert called == []

    play(scene)


def test_without_a_loop_everything_happens_at_once():
    background = Background("frame")
    called, failed = [], []
    background.hand_over(called.append, "handed over")
    background.later(60, called.append, "later")()
    background.submit(lambda cancel: cancel.is_set(), called.append, failed.append, "frame")

    def work(cancel):
        raise ValueError("wrong")

    background.submit(work, called.append, failed.append)
    assert called == ["handed over", "later", False]
    assert [str(e) for e in failed] == ["wrong"]
