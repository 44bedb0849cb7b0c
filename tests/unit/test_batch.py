"""Batches: rows, resuming, sets, memory that is planned, the summary; and workers that die."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from jwinteractive.batch import (
    as_csv,
    as_text,
    bytes_of,
    grouped,
    room_for,
    run_batch,
    write_summary,
)
from jwinteractive.batch import run as run_module
from jwinteractive.batch.job import Place
from jwinteractive.batch.quality import png
from jwinteractive.errors import OutputError, ParamError, RecipeError
from jwinteractive.io import read_provenance
from jwinteractive.recipe import Recipe
from jwinteractive.session import open_session
from jwinteractive.simulate import simulate
from jwinteractive.simulate.calibrated import write_calibrated

NAME = "jw99999001001_02101_{:05d}_nrca1_uncal.fits"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Four small exposures of one detector."""
    folder = tmp_path_factory.mktemp("exposures")
    for number in range(1, 5):
        made = simulate("nircam", size=(64, 96), seed=number).write(folder / str(number))
        path = folder / NAME.format(number)
        made.rename(path)
        refs = made.name.replace("_uncal.fits", "_refs")
        (folder / str(number) / refs).rename(folder / path.name.replace("_uncal.fits", "_refs"))
    return [folder / NAME.format(number) for number in range(1, 5)]


def open_all(paths):
    return open_session(paths)


def key_in(row):
    made = read_provenance(row.outputs[0])
    assert made is not None
    return made.key


def batch_of(paths, output, **options):
    groups, failed = grouped(paths, open_all)
    return run_batch(groups, output, failed=failed, **options)


def test_a_broken_file_does_not_stop_the_others(in_process, simulated, tmp_path):
    broken = tmp_path / "jw99999001001_02101_00009_nrca1_uncal.fits"
    broken.write_text("no FITS")
    batch = batch_of([broken, *simulated[:2]], tmp_path / "out")
    assert [row.state for row in batch.rows] == ["done", "done", "failed"]
    assert "cannot be read" in batch.rows[-1].why
    for row in batch.rows[:2]:
        session = open_session(row.path)
        assert key_in(row) == session.plan()[-1].key
        rate = session.run()
        good = np.isfinite(rate.data) & ((rate.dq & 1) == 0)
        assert row.quality.rate == pytest.approx(np.median(rate.data[good]))
        assert len(row.quality.jumps) == session.exposures[0].exposure.ngroups
        assert row.quality.jumps[0] == 0
        assert row.quality.stripes >= 1
        assert 0 < row.memory < 2**34


def test_resuming_runs_nothing_again_until_a_parameter_changes(in_process, simulated, tmp_path):
    batch_of(simulated[:2], tmp_path)
    assert len(in_process.calls) == 2
    again = batch_of(simulated[:3], tmp_path, resume=True)
    assert [row.state for row in again.rows] == ["kept", "kept", "done"]
    assert len(in_process.calls) == 3
    assert again.rows[0].quality.rate == again.rows[0].quality.rate

    def other(paths):
        session = open_session(paths)
        session.set("jump", likelihood_threshold=7.5)
        return session

    groups, failed = grouped(simulated[:2], other)
    changed = run_batch(groups, tmp_path, failed=failed, resume=True)
    assert [row.state for row in changed.rows] == ["done", "done"]


def test_products_that_are_gone_are_made_again(in_process, simulated, tmp_path):
    first = batch_of(simulated[:1], tmp_path)
    Path(first.rows[0].outputs[0]).unlink()
    assert [row.state for row in batch_of(simulated[:1], tmp_path, resume=True).rows] == ["done"]


@pytest.mark.parametrize(
    ("recipe", "to", "words"),
    [("nircam_imagin", None, "no recipe 'nircam_imagin'"), ("auto", "jumb", "'jumb'")],
)
def test_wrong_settings_are_one_error_and_no_failure_of_each_file(simulated, recipe, to, words):
    with pytest.raises(RecipeError, match=words):
        grouped(simulated, lambda paths: open_session(paths, recipe), to)


def test_a_recipe_that_is_wrong_for_some_files_fails_these_alone(simulated, miri_file):
    def prepare(paths):
        session = open_session(paths)
        session.enable("superbias")
        return session

    groups, failed = grouped([simulated[0], miri_file], prepare)
    assert [group.paths for group in groups] == [(simulated[0],)]
    assert [row.name for row in failed] == [miri_file.name]


def test_a_number_of_workers_below_none_is_refused(simulated, tmp_path):
    with pytest.raises(ParamError, match="workers = -3: must be at least 0"):
        batch_of(simulated[:1], tmp_path, workers=-3)


def test_products_of_others_are_not_replaced_unasked(in_process, simulated, tmp_path):
    batch_of(simulated[:1], tmp_path)
    with pytest.raises(OutputError, match="exists"):
        batch_of(simulated[:1], tmp_path)


def test_two_files_of_one_name_are_refused_before_anything_runs(in_process, simulated, tmp_path):
    twin = tmp_path / "other" / simulated[0].name
    twin.parent.mkdir()
    shutil.copy(simulated[0], twin)
    with pytest.raises(OutputError, match="two inputs would write it"):
        batch_of([simulated[0], twin], tmp_path / "out")
    assert in_process.calls == []


def test_a_file_that_does_not_fit_is_named_and_not_begun(in_process, simulated, tmp_path):
    batch = batch_of(simulated[:1], tmp_path, memory=2**20)
    assert [row.state for row in batch.rows] == ["does not fit"]
    assert "MB" in batch.rows[0].why
    assert in_process.calls == []


def test_stopping_keeps_what_is_finished_and_goes_on_from_there(in_process, simulated, tmp_path):
    cancel = threading.Event()

    def watch(running):
        if running.done:
            cancel.set()

    batch = batch_of(simulated[:3], tmp_path, workers=1, cancel=cancel, report=watch)
    assert batch.cancelled
    states = [row.state for row in batch.rows]
    assert states[0] == "done"
    assert states[2] == "cancelled"
    again = batch_of(simulated[:3], tmp_path, resume=True)
    assert [row.state for row in again.rows] == [
        "kept",
        *["kept" if s == "done" else "done" for s in states[1:]],
    ]


def test_a_set_is_looked_at_once_when_its_members_are_there(in_process, tmp_path):
    paths = write_calibrated("dithers", tmp_path / "in", shape=(48, 48))
    science = [p for p in paths if str(p).endswith("_cal.fits")]
    recipe = Recipe.of("outlier_detection")
    batch_groups, failed = grouped(science, lambda files: open_session(files, recipe))
    assert failed == []
    batch = run_batch(batch_groups, tmp_path / "out")
    assert [row.state for row in batch.rows] == ["done"] * len(science)
    assert [len(json.loads(call[0])) for call in in_process.calls] == [len(science)]
    session = open_session(science, recipe)
    for number, row in enumerate(batch.rows):
        assert key_in(row) == session.plan(None, number)[-1].key


def test_members_of_a_set_are_brought_up_each_by_itself_and_then_looked_at(in_process, tmp_path):
    paths = write_calibrated("dithers", tmp_path / "in", shape=(48, 48))
    science = [p for p in paths if str(p).endswith("_cal.fits")]
    recipe = Recipe.of("clean_flicker_noise", "outlier_detection")
    groups, failed = grouped(science, lambda files: open_session(files, recipe))
    assert failed == []
    batch = run_batch(groups, tmp_path / "out", workers=2)
    assert [row.state for row in batch.rows] == ["done"] * len(science)
    *alone, together = [(json.loads(call[0]), call[-1]) for call in in_process.calls]
    assert sorted(alone) == sorted(([str(path)], "clean_flicker_noise") for path in science)
    assert together == (list(map(str, science)), "")
    session = open_session(science, recipe)
    for number, row in enumerate(batch.rows):
        assert key_in(row) == session.plan(None, number)[-1].key


@pytest.mark.parametrize(
    ("needs", "memory", "workers", "found", "misfits"),
    [
        ([4, 4, 4, 4], 10, 8, 2, 0),
        ([4, 4, 4, 4], 100, 3, 3, 0),
        ([4, 20, 4], 10, 8, 2, 1),
        ([20], 10, 8, 0, 1),
    ],
)
def test_workers_are_as_many_as_fit(needs, memory, workers, found, misfits):
    room = room_for({str(k): need for k, need in enumerate(needs)}, memory, workers)
    assert (room.workers, len(room.misfits)) == (found, misfits)


def test_sizes_are_read_and_nonsense_is_refused():
    assert bytes_of("2GB") == 2**31
    assert bytes_of("1.5 MiB") == 3 * 2**19
    with pytest.raises(ParamError, match="2GB"):
        bytes_of("much")


def test_a_picture_is_read_back_as_it_was():
    image = pytest.importorskip("PIL.Image")
    picture = np.random.default_rng(1).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert (np.asarray(image.open(io.BytesIO(png(picture)))) == picture).all()


def test_the_summary_needs_nothing_from_elsewhere(in_process, simulated, tmp_path):
    batch = batch_of(simulated[:2], tmp_path)
    page = write_summary(batch, tmp_path).read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r"""(src|href)=["'](?!data:)|@import|url\(|https?://""", page)
    assert "prefers-color-scheme:dark" in page
    table = list(csv.DictReader(io.StringIO(as_csv(batch.rows))))
    assert [line["state"] for line in table] == ["done", "done"]
    assert float(table[0]["rate"]) == pytest.approx(batch.rows[0].quality.rate, rel=1e-3)
    assert json.loads((tmp_path / "batch.json").read_text())["files"][1]["state"] == "done"
    assert len(as_text(batch.rows).splitlines()) == 3


def test_the_page_gives_a_reason_the_room_of_figures_and_says_when_nothing_ran(
    in_process, simulated, tmp_path
):
    broken = tmp_path / "jw1_uncal.fits"
    broken.write_text("no FITS")
    page = write_summary(batch_of([simulated[0], broken], tmp_path), tmp_path).read_text()
    assert re.search(r'<td class="said" colspan="\d+">jw1_uncal.fits: cannot be read', page)
    assert "workers: 1" in page
    again = batch_of([simulated[0], broken], tmp_path, resume=True)
    assert "Nothing was run." in write_summary(again, tmp_path).read_text()


def test_a_killed_worker_costs_nothing_that_is_finished(simulated, tmp_path):
    pytest.importorskip("distributed", reason="the batch extra is not installed")
    psutil = pytest.importorskip("psutil")
    killed, listening = [], set()

    def watch(running):
        working = [(p, running.workers[p]) for p in running.parts if p in running.workers]
        if working and not killed:
            mine = [psutil.Process(), *psutil.Process().children(recursive=True)]
            for process in mine:
                with contextlib.suppress(psutil.NoSuchProcess):
                    found = process.net_connections("inet")
                    listening.update(c.laddr.ip for c in found if c.status == "LISTEN")
            killed.append(working[0])
            assert working[0][1] != os.getpid()
            os.kill(working[0][1], signal.SIGKILL)

    batch = batch_of(simulated, tmp_path, workers=2, report=watch)
    assert [row.state for row in batch.rows] == ["done"] * 4
    tries = {row.path: row.tries for row in batch.rows}
    assert tries.pop(killed[0][0]) == 2
    assert set(tries.values()) == {1}
    assert listening == {"127.0.0.1"}
    for row in batch.rows:
        assert key_in(row) == open_session(row.path).plan()[-1].key
    assert not Place(tmp_path).stores.exists()


@pytest.fixture
def cluster_elsewhere(tmp_path):
    """Address of a scheduler and two workers that were started by hand, without dashboards."""
    distributed = pytest.importorskip("distributed", reason="the batch extra is not installed")
    told, here = tmp_path / "scheduler.json", ["--host", "127.0.0.1", "--no-dashboard"]
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    worker = ["worker", "--scheduler-file", told, "--nthreads", "1", "--memory-limit", "2GiB"]
    with contextlib.ExitStack() as stack:
        for call in (
            ["scheduler", "--scheduler-file", told, "--port", "0", *here],
            [*worker, "--nworkers", "2", "--local-directory", tmp_path, *here],
        ):
            process = stack.enter_context(subprocess.Popen([*dask, *call], **quiet))
            stack.callback(process.terminate)
        with distributed.Client(scheduler_file=str(told), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
            address = client.scheduler.address
        yield address


def test_a_cluster_elsewhere_gives_the_products_that_one_here_gives(
    cluster_elsewhere, simulated, tmp_path
):
    batch = batch_of(simulated, tmp_path / "out", scheduler=cluster_elsewhere)
    assert batch.workers == 2
    assert [row.state for row in batch.rows] == ["done"] * 4
    for row in batch.rows:
        assert key_in(row) == open_session(row.path).plan()[-1].key


def test_a_scheduler_that_does_not_answer_is_said_in_one_line(simulated, tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the batch extra is not installed")
    monkeypatch.setattr(run_module, "_ANSWER", 0.5)
    with pytest.raises(ParamError, match=r"scheduler .* no answer .*: give an address"):
        batch_of(simulated[:1], tmp_path, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ParamError, match=r"scheduler 'nowhere': no answer \(missing port"):
        batch_of(simulated[:1], tmp_path, scheduler="nowhere")
