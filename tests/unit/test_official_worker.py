"""The worker takes upon itself what an official step may do to a process."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from jwinteractive.errors import Cancelled, MissingReference, StepError
from jwinteractive.official_process import client
from jwinteractive.official_process.jobs import Input, Job


@pytest.fixture(scope="module", autouse=True)
def _findable():
    """Let the worker find the steps that do mischief."""
    folder = str(Path(__file__).parent)
    sys.path.append(folder)
    client.close()  # one that is at work does not know the folder
    yield
    sys.path.remove(folder)


@pytest.fixture
def job(nircam_file, tmp_path):
    def made(**params):
        return Job(
            cls="official_mischief.Mischief",
            params=params,
            inputs=(Input(nircam_file),),
            folder=tmp_path / "room",
            names=("a",),
            suffix="mischief",
        )

    return made


def test_a_job_goes_through_a_pipe_and_comes_back(job):
    one = job(how="x")
    assert Job.of(one.plain()) == one


def test_a_result_has_its_proper_name_and_the_input_is_untouched(job, nircam_file):
    before = hashlib.sha256(nircam_file.read_bytes()).digest()
    done = client.run(job())
    assert [p.name for p in done.files] == ["a_mischief.fits"]
    assert done.files[0].exists()
    assert hashlib.sha256(nircam_file.read_bytes()).digest() == before
    assert not [p for p in done.files[0].parent.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("crash", r"crashed \(SIGSEGV\)"),
        ("kill", "was killed, as a process is that needs more memory"),
        ("leave", r"ended its process \(code 3\)"),
        ("exit", r"wanted to end its process \(no CRDS server\)"),
        ("memory", r"ran out of memory \(8 GB are not there\)"),
        ("error", r"failed: ValueError: no good; last words: INFO about to do error$"),
    ],
)
def test_whatever_a_step_does_the_next_one_runs(job, how, words):
    mine = os.getpid()
    with pytest.raises(StepError, match=words) as caught:
        client.run(job(how=how))
    assert "\n" not in str(caught.value)
    assert client.run(job()).files[0].exists()
    assert os.getpid() == mine


def test_nothing_half_done_is_left_by_a_step_that_dies(job):
    with pytest.raises(StepError):
        client.run(job(how="crash"))
    assert list(job().folder.iterdir()) == []


def test_a_reference_that_nobody_has_is_named(job, monkeypatch):
    for name in ("CRDS_PATH", "CRDS_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    client.close()
    with pytest.raises(MissingReference, match="asks for a distortion reference"):
        client.run(job(how="reference"))


def test_a_step_that_hangs_is_ended_by_cancel(job):
    heard = threading.Event()
    cancel = threading.Event()

    def hear(line):
        if "about to do hang" in line:
            heard.set()
            cancel.set()

    with pytest.raises(Cancelled, match="cancelled"):
        client.run(job(how="hang"), log=hear, cancel=cancel)
    assert heard.is_set()
    assert client.run(job()).files[0].exists()


def test_an_interrupt_ends_the_step_and_the_next_one_gets_its_own_answer(job):
    def hear(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.run(job(how="error"), log=hear)
    assert client.run(job()).files[0].exists()


def test_the_worker_outlives_the_thread_that_needed_it_first(job):
    client.close()
    thread = threading.Thread(target=client.run, args=(job(),))
    thread.start()
    thread.join(60)
    (worker,) = client._workers
    with pytest.raises(subprocess.TimeoutExpired):
        worker._process.wait(0.5)
    client.run(job())
    assert client._workers == [worker]


def test_an_interrupt_of_all_processes_of_a_kernel_does_not_end_an_idle_worker(job):
    client.run(job())
    (worker,) = client._workers
    os.kill(worker._process.pid, signal.SIGINT)
    client.run(job())
    assert client._workers == [worker]


def test_what_is_said_arrives_while_the_step_is_at_work(job):
    """A step that hangs ends only because its line was heard before its end."""
    cancel = threading.Event()
    lines = []

    def hear(line):
        lines.append(line)
        cancel.set()

    with pytest.raises(Cancelled):
        client.run(job(how="hang"), log=hear, cancel=cancel)
    assert lines


def test_a_job_that_waits_for_another_can_be_cancelled(job):
    first, second = threading.Event(), threading.Event()
    began = threading.Event()

    def at_work():
        with pytest.raises(Cancelled):
            client.run(job(how="hang"), log=lambda _: began.set(), cancel=first)

    thread = threading.Thread(target=at_work)
    thread.start()
    assert began.wait(60)
    second.set()
    with pytest.raises(Cancelled, match="before it began"):
        client.run(job(), cancel=second)
    first.set()
    thread.join(60)
    assert not thread.is_alive()


def test_paths_may_be_relative(job, nircam_file, tmp_path, monkeypatch):
    monkeypatch.chdir(nircam_file.parent)
    one = job()
    here = Job(
        **vars(one) | {"inputs": (Input(Path(nircam_file.name)),), "folder": Path("made-here")}
    )
    done = client.run(here)
    assert done.files == (Path("made-here/a_mischief.fits"),)
    assert done.files[0].exists()


def test_planes_take_the_place_of_those_of_the_file(job, tmp_path, nircam_file):
    from stdatamodels.jwst import datamodels

    given = np.full((2, 8, 64, 72), 7, np.float32)
    np.save(tmp_path / "data.npy", given)
    one = job()
    moved = Input(nircam_file, {"data": tmp_path / "data.npy"})
    done = client.run(Job(**{**vars(one), "inputs": (moved,)}))
    with datamodels.open(done.files[0]) as model:
        np.testing.assert_array_equal(model.data, given)
