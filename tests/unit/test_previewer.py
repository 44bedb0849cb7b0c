"""Only the newest preview is shown, on the loop's thread, whoever asked."""

import asyncio
import threading

from jwinteractive.previewer import Previewer


def play(scene):
    return asyncio.run(asyncio.wait_for(scene(), 20))


def test_a_dragged_slider_costs_one_run_and_shows_its_last_value():
    async def scene():
        shown = asyncio.get_running_loop().create_future()
        previewer = Previewer(asyncio.get_running_loop(), delay=0.01)
        for i in range(30):
            previewer.submit(lambda i=i: i, shown.set_result, shown.set_exception)
        assert await shown == 29
        return previewer.runs

    assert play(scene) == 1


def test_a_result_made_old_while_it_was_computed_is_dropped():
    async def scene():
        loop = asyncio.get_running_loop()
        seen, last = [], loop.create_future()
        started, go_on = threading.Event(), threading.Event()
        previewer = Previewer(loop, delay=0)

        def slow():
            started.set()
            go_on.wait(10)
            return "old"

        previewer.submit(slow, seen.append, seen.append)
        await loop.run_in_executor(None, started.wait, 10)
        previewer.submit(lambda: "new", last.set_result, last.set_exception)
        await asyncio.sleep(0)
        go_on.set()
        assert await last == "new"
        return seen

    assert play(scene) == []


def test_results_and_errors_arrive_on_the_loops_thread_also_from_another_thread():
    async def scene():
        loop = asyncio.get_running_loop()
        failed = loop.create_future()
        previewer = Previewer(loop, delay=0)

        def fail(error):
            failed.set_result((threading.current_thread(), error))

        def work():
            raise ValueError("wrong")

        ask = threading.Thread(target=previewer.submit, args=(work, print, fail))
        ask.start()
        thread, error = await failed
        ask.join()
        return thread is threading.current_thread(), str(error)

    assert play(scene) == (True, "wrong")
