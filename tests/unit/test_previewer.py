"""One call at a time, the newest wins, a slow one gives way; a clock and a worker in hand."""

import asyncio
import threading
from concurrent.futures import Executor, Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jwinteractive.errors import Cancelled
from jwinteractive.previewer import Previewer

PATIENCE = 0.125  # s; a power of two, so that sums are exact


class Bench(Executor):
    """A worker whose calls end when the test says so, and a loop whose clock it turns."""

    def __init__(self):
        self.now = 0.0
        self.calls = []  # (future, call, cancel)
        self.shown, self.failed = [], []
        self.loop = asyncio.get_running_loop()
        self.loop.time = lambda: self.now
        self.previewer = Previewer(self.loop, self, patience=PATIENCE)

    def submit(self, call, cancel):
        assert all(future.done() for future, _, _ in self.calls), "two calls at once"
        self.calls.append((Future(), call, cancel))
        return self.calls[-1][0]

    async def ask(self, name, error=None):
        def work(cancel):
            if cancel.is_set():
                raise Cancelled(name)
            if error is not None:
                raise error
            return name

        self.previewer.submit(work, self.shown.append, self.failed.append)
        await self.settle()

    @property
    def busy(self):
        return bool(self.calls) and not self.calls[-1][0].done()

    async def end(self, heeds=True):
        """End the call in work; one that does not heed the cancel flag ends with its result."""
        future, call, cancel = self.calls[-1]
        try:
            future.set_result(call(cancel if heeds else threading.Event()))
        except Exception as error:
            future.set_exception(error)
        await self.settle()

    async def wait(self, seconds):
        self.now += seconds
        await self.settle()

    async def settle(self):
        for _ in range(8):
            await asyncio.sleep(0)


def play(scene):
    async def run():
        return await scene(Bench())

    return asyncio.run(run())


def test_of_many_calls_only_the_one_in_work_and_the_newest_run():
    async def scene(bench):
        for i in range(30):
            await bench.ask(i)
        await bench.end()
        await bench.end()
        assert not bench.busy
        assert bench.shown == [0, 29]
        assert bench.previewer.runs == 2

    play(scene)


def test_a_call_that_ends_in_time_is_shown_on_the_way():
    async def scene(bench):
        await bench.ask("early")
        await bench.wait(PATIENCE / 2)
        await bench.ask("late")
        await bench.wait(PATIENCE / 4)
        assert not bench.calls[0][2].is_set()
        await bench.end()
        assert bench.shown == ["early"]
        await bench.end()
        assert bench.shown == ["early", "late"]

    play(scene)


def test_a_slow_call_is_stopped_only_when_its_patience_is_over_and_something_waits():
    async def scene(bench):
        await bench.ask("slow")
        await bench.wait(10 * PATIENCE)
        assert not bench.calls[0][2].is_set()  # nothing waits
        await bench.ask("new")
        await bench.wait(0)
        assert bench.calls[0][2].is_set()
        await bench.end()
        assert (bench.shown, bench.failed) == ([], [])
        await bench.end()
        assert bench.shown == ["new"]

    play(scene)


def test_patience_counts_from_the_beginning_of_the_call_in_work():
    async def scene(bench):
        await bench.ask("slow")
        await bench.wait(PATIENCE / 2)
        await bench.ask("new")
        await bench.wait(PATIENCE / 4)
        assert not bench.calls[0][2].is_set()
        await bench.wait(PATIENCE / 4)
        assert bench.calls[0][2].is_set()

    play(scene)


def test_a_timer_of_an_earlier_call_does_not_stop_a_later_one():
    async def scene(bench):
        await bench.ask("a")
        await bench.ask("b")  # a has time until PATIENCE
        await bench.wait(PATIENCE / 2)
        await bench.end()
        await bench.ask("c")  # b has time until 3/2 PATIENCE
        await bench.wait(PATIENCE * 3 / 4)
        assert [cancel.is_set() for _, _, cancel in bench.calls] == [False, False]
        await bench.wait(PATIENCE / 4)
        assert [cancel.is_set() for _, _, cancel in bench.calls] == [False, True]

    play(scene)


def test_a_stopped_call_that_ends_all_the_same_is_shown_before_the_newer_one():
    async def scene(bench):
        await bench.ask("old")
        await bench.wait(PATIENCE)
        await bench.ask("new")
        await bench.wait(0)
        await bench.end(heeds=False)
        await bench.end()
        assert bench.shown == ["old", "new"]

    play(scene)


def test_an_error_is_delivered_and_the_next_call_runs():
    async def scene(bench):
        await bench.ask("bad", ValueError("wrong"))
        await bench.ask("good")
        await bench.end()
        await bench.end()
        assert [str(e) for e in bench.failed] == ["wrong"]
        assert bench.shown == ["good"]

    play(scene)


def test_a_view_that_cannot_show_does_not_stop_the_next_call():
    async def scene(bench):
        said = []
        bench.loop.set_exception_handler(lambda loop, context: said.append(context["exception"]))

        def broken(result):
            raise ZeroDivisionError(result)

        bench.previewer.submit(lambda cancel: "a", broken, broken)
        await bench.settle()
        await bench.end()
        await bench.ask("b")
        await bench.end()
        assert bench.shown == ["b"]
        assert [str(e) for e in said] == ["a"]

    play(scene)


acts = st.lists(
    st.sampled_from(["ask", "ask badly", "end", "end anyway", "wait", "wait long"]), max_size=40
)


@settings(deadline=None)
@given(acts=acts)
def test_whatever_happens_the_newest_is_delivered_in_order_and_none_twice(acts):
    async def scene(bench):
        asked = 0
        for act in acts:
            if act.startswith("ask"):
                await bench.ask(asked, ValueError(asked) if act == "ask badly" else None)
                asked += 1
            elif act.startswith("end") and bench.busy:
                await bench.end(heeds=act == "end")
            elif act.startswith("wait"):
                await bench.wait(PATIENCE * (2 if act == "wait long" else 0.25))
        while bench.busy:
            await bench.end()
        delivered = sorted([*bench.shown, *(e.args[0] for e in bench.failed)])
        assert bench.shown == sorted(bench.shown)
        assert len(set(delivered)) == len(delivered)
        assert delivered[-1:] == [asked - 1][:asked]
        assert bench.previewer.runs == len(bench.calls)

    play(scene)


@pytest.mark.parametrize("bad", [False, True])
def test_results_and_errors_arrive_on_the_loops_thread_also_from_another_thread(bad):
    async def scene():
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        previewer = Previewer(loop)
        worked = []

        def work(cancel):
            worked.append(threading.current_thread())
            if bad:
                raise ValueError("wrong")

        def deliver(what):
            arrived.set_result((threading.current_thread(), str(what)))

        ask = threading.Thread(target=previewer.submit, args=(work, deliver, deliver))
        ask.start()
        thread, what = await arrived
        ask.join()
        assert thread is threading.current_thread()
        assert thread is not worked[0] is not ask
        return what

    assert asyncio.run(asyncio.wait_for(scene(), 20)) == ("wrong" if bad else "None")
