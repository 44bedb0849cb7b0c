"""Kernels are compiled once, by whoever comes first, and a failure to do so stops nobody."""

import json
import os
import subprocess
import sys

import pytest

from jwinteractive import warm as module
from jwinteractive.cli import main
from jwinteractive.errors import StepError


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Names asked of each compiling process; none is really started."""
    started = []

    class Process:
        returncode = 0

        def __init__(self, command, **options):
            started.append(command[3:])

        def communicate(self):
            return "", "trouble"

    monkeypatch.setattr(module.subprocess, "Popen", Process)
    monkeypatch.setattr(module, "user_cache_path", lambda name: tmp_path / name)
    module.warm_once.cache_clear()
    yield started, Process
    module.warm_once.cache_clear()


def test_all_steps_are_shared_out_and_compiled_only_once(calls):
    from jwinteractive.step import registry

    started, _ = calls
    for _ in range(2):
        module.warm_once()
        module.warm_once.cache_clear()
    assert sorted(name for share in started for name in share) == sorted(registry)
    assert len(started) == 2


def test_a_failure_is_said_when_asked_for_and_else_left_to_the_first_call(calls):
    started, process = calls
    process.returncode = 1
    module.warm_once()
    assert len(started) == 2
    with pytest.raises(StepError, match="kernels do not compile: trouble"):
        module.warm()


def test_a_warm_second_process_compiles_nothing(nircam_file):
    program = (
        "import sys; from numba.core import event\n"
        "compiled = []\n"
        "class Listener(event.Listener):\n"
        "    def on_start(self, e): compiled.append(e.data['dispatcher'].py_func.__name__)\n"
        "    def on_end(self, e): pass\n"
        "event.register('numba:compile', Listener())\n"
        "import jwinteractive; jwinteractive.open(sys.argv[1]).run(); print(sorted(set(compiled)))"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program, str(nircam_file)],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ.copy(),
        )
    assert done.stdout.strip() == "[]"


@pytest.fixture
def undescribed(tmp_path, monkeypatch):
    """A user whose official package has not listed its steps; it is not really asked."""
    from jwinteractive.official import catalogue as official

    known = official.catalogue()
    monkeypatch.setattr(official, "user_cache_path", lambda name: tmp_path / name)
    plain = {"version": known.version, "steps": [], "pipelines": [], "orders": {}, "named": {}}
    monkeypatch.setattr(official, "_described", lambda: json.dumps(plain))
    official.catalogue.cache_clear()
    yield official
    official.catalogue.cache_clear()


def test_official_steps_are_looked_up_beforehand_and_nobody_waits_again(
    undescribed, monkeypatch, capsys, caplog
):
    monkeypatch.setattr(module, "warm", lambda: 1.0)
    assert main(["warm"]) == 0
    told = capsys.readouterr()
    assert "kernels compiled in 1.0 s" in told.out
    assert "official steps looked up in" in told.out
    undescribed.catalogue.cache_clear()
    caplog.clear()
    assert undescribed.catalogue().steps == {}
    assert not caplog.records


def test_a_first_use_that_was_not_prepared_says_in_one_line_what_it_waits_for(undescribed, caplog):
    undescribed.catalogue()
    (line,) = caplog.messages
    assert line.startswith(f"waiting for jwst {undescribed.installed()} to list its steps, once")


def test_without_the_official_package_the_kernels_are_warmed_alone(monkeypatch, capsys):
    monkeypatch.setattr(module, "warm", lambda: 1.0)
    monkeypatch.setattr("jwinteractive.official.catalogue.installed", lambda: "")
    assert main(["warm"]) == 0
    told = capsys.readouterr()
    assert "looked up in" not in told.out
    assert "is not installed" in told.err
