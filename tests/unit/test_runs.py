"""Runs on a thread of their own: one at a time, told of when they end, and their warnings."""

import threading
import warnings

import pytest

pytest.importorskip("anywidget", reason="the lab extra is not installed")

import jwinteractive
from jwinteractive.errors import Cancelled
from jwinteractive_widgets import warned
from jwinteractive_widgets.runs import Runs
from jwinteractive_widgets.warned import collect_warnings


@pytest.fixture
def session(nircam_file):
    return jwinteractive.open(nircam_file)


@pytest.fixture
def runs(session):
    """Runs, and what they told at their end."""
    ends, told = [], threading.Event()

    def ended(error):
        ends.append(error)
        told.set()

    found = Runs(session, lambda function, *args: function(*args), ended)

    def wait():
        assert told.wait(20)
        told.clear()
        return ends.pop()

    return found, wait


def test_a_run_that_ends_well_tells_of_no_error(session, runs):
    run, wait = runs
    assert run.start(lambda: session.run("ramp_fit"))
    assert wait() is None
    assert not run.busy
    assert session.is_kept("ramp_fit")


def test_a_second_run_is_refused_while_the_first_is_in_work(runs):
    run, wait = runs
    go_on = threading.Event()
    assert run.start(lambda: go_on.wait(20))
    assert run.busy
    assert not run.start(pytest.fail)
    go_on.set()
    assert wait() is None
    assert run.start(lambda: None)
    assert wait() is None


def test_whatever_a_run_raises_is_told(runs):
    run, wait = runs
    run.start(lambda: 1 / 0)
    assert isinstance(wait(), ZeroDivisionError)
    assert not run.busy


def test_a_cancelled_run_tells_so_and_the_next_one_runs(session, runs):
    run, wait = runs
    session.progress.connect(lambda _: run.cancel())
    run.start(lambda: session.run("ramp_fit", threads=1))
    error = wait()
    session.progress.disconnect()
    # a frame of one strip is finished before anybody can stop it
    assert error is None or isinstance(error, Cancelled)
    run.start(lambda: session.run("ramp_fit"))
    assert wait() is None


def warn(name, text):
    thread = threading.Thread(target=lambda: warnings.warn(text, stacklevel=1), name=name)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = warned._show
        thread.start()
        thread.join()


def test_a_warning_of_a_calibrating_thread_is_one_line_of_the_journal_once(session, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    collect_warnings(session)
    for _ in range(2):
        warn("strip-1", "odd\npixels")
    assert [e.text for e in session.journal if e.kind == "warning"] == ["UserWarning: odd pixels"]


def test_other_warnings_go_where_they_went_before(session, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    heard = []
    monkeypatch.setattr(warned, "_original", lambda *message, **more: heard.append(str(message[0])))
    collect_warnings(session)
    warn("MainThread-like", "of the notebook")
    assert heard == ["of the notebook"]
    assert not [e for e in session.journal if e.kind == "warning"]
