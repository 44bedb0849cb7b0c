"""Results are kept whole or not at all, and a draft goes on where a killed process stopped."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from jwinteractive import scratch
from jwinteractive import store as store_module
from jwinteractive.data import Box, Rate, RateInts
from jwinteractive.errors import OutputError
from jwinteractive.store import Store
from jwinteractive.testing import example_exposure, example_ramp


def rate(value=1.0, shape=(16, 20), box=None):
    exposure = example_exposure()
    plane = np.full(shape, value, np.float32)
    flags = np.zeros(shape, np.uint32)
    five = {"data": plane, "err": plane, "var_poisson": plane, "var_rnoise": plane, "dq": flags}
    ints = RateInts(exposure=exposure, box=box, **{k: v[None] for k, v in five.items()})
    return Rate(exposure=exposure, box=box, integrations=ints, **five)


def same(a, b):
    assert a.arrays().keys() == b.arrays().keys()
    for name, array in a.arrays().items():
        np.testing.assert_array_equal(array, b.arrays()[name])
    assert (a.exposure, a.box) == (b.exposure, b.box)


def test_a_result_comes_back_from_disk_in_another_store(tmp_path):
    for key, product in (("a", rate()), ("b", example_ramp(example_exposure(nints=2)))):
        Store(tmp_path).put(key, product)
        again = Store(tmp_path).get(key)
        same(again, product)
        with pytest.raises(ValueError, match="read-only"):
            next(iter(again.arrays().values()))[...] = 0


def test_a_ramp_keeps_its_draft_whole_and_strip_by_strip(tmp_path):
    ramp = example_ramp(example_exposure(nints=2))
    draft = np.random.default_rng(3).normal(5, 1, (2, *ramp.shape)).astype(np.float32)
    draft[0, 1, 2] = np.nan
    ramp = ramp.replace(draft=draft)
    Store(tmp_path).put("whole", ramp)
    same(Store(tmp_path).get("whole"), ramp)
    strips = [ramp.crop(box) for box in ramp.covers.strips(16)]
    for store in (Store(tmp_path), Store()):
        growing = store.draft("strips", strips[0], ramp.covers)
        for strip in strips:
            growing.fill(strip)
        same(growing.finish(), ramp)
    same(Store(tmp_path).get("strips"), ramp)


def test_models_of_steps_come_back_too(tmp_path, nircam_file):
    import jwinteractive

    session = jwinteractive.open(nircam_file, store=tmp_path)
    session.run()
    keys = [p.name for p in tmp_path.iterdir() if p.name.startswith("model-")]
    assert len(keys) == 3
    for key in keys:
        kept, again = session.store.get(key), Store(tmp_path).get(key)
        assert type(again) is type(kept)
        for name, array in kept.arrays().items():
            np.testing.assert_array_equal(array, again.arrays()[name])


def test_memory_is_bounded_and_drops_the_oldest():
    one = Store()
    one.put("one", rate())
    store = Store(limit=3 * one.nbytes)
    for i in range(5):
        store.put(str(i), rate(i))
    assert store.nbytes == 3 * one.nbytes
    assert "0" not in store
    assert "4" in store


def test_a_damaged_result_counts_as_absent(tmp_path):
    Store(tmp_path).put("a", rate())
    (tmp_path / "a" / "err.npy").write_bytes(b"nothing")
    assert Store(tmp_path).get("a") is None


def test_what_is_stored_cannot_name_code_to_run(tmp_path):
    Store(tmp_path).put("a", rate())
    head = tmp_path / "a" / "thing.json"
    head.write_text(head.read_text().replace('"Rate"', '"os.system"'))
    assert Store(tmp_path).get("a") is None


def test_a_draft_appears_only_when_it_is_finished(tmp_path):
    store, box = Store(tmp_path), Box(0, 16, 0, 20)
    draft = store.draft("a", rate(shape=(8, 20), box=Box(0, 8, 0, 20)), box)
    draft.fill(rate(1.0, (8, 20), Box(0, 8, 0, 20)))
    assert "a" not in Store(tmp_path)
    draft.fill(rate(2.0, (8, 20), Box(8, 16, 0, 20)))
    made = draft.finish()
    assert made.data[0, 0] == 1
    assert made.data[15, 0] == 2
    same(Store(tmp_path).get("a"), made)
    assert [p.name for p in tmp_path.iterdir() if "draft" in p.name] == []


def test_a_draft_goes_on_after_kill_minus_9(tmp_path):
    program = textwrap.dedent(
        """
        import os, signal, sys
        import jwinteractive
        from jwinteractive import chain
        chain.strip_rows = lambda source: 8
        session = jwinteractive.open(sys.argv[1], store=sys.argv[2])
        def die(progress):
            if progress.done == 4:
                os.kill(os.getpid(), signal.SIGKILL)
        session.run(threads=1, report=die)
        """
    )
    from jwinteractive.simulate import simulate

    path = simulate("nircam", size=(64, 72), ngroups=5, seed=5).write(tmp_path)
    command = [sys.executable, "-c", program, str(path), str(tmp_path / "store")]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    import jwinteractive
    from jwinteractive import chain

    rows = chain.strip_rows
    chain.strip_rows = lambda source: 8
    try:
        session = jwinteractive.open(path, store=tmp_path / "store")
        seen = []
        made = session.run(report=lambda p: seen.append(p.done))
    finally:
        chain.strip_rows = rows
    assert seen[0] >= 4
    assert seen[-1] == 8
    same(made, jwinteractive.open(path).run())


def test_a_full_disk_is_one_line_and_leaves_what_was_kept(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.put("a", rate())

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match="No space left on device; free some room") as caught:
        store.draft("b", rate(shape=(8, 20), box=Box(0, 8, 0, 20)), Box(0, 16, 0, 20))
    assert "\n" not in str(caught.value)
    assert "a" in Store(tmp_path)
    assert "b" not in Store(tmp_path)


@pytest.mark.parametrize("full", [1, 2])
def test_where_the_cache_is_full_a_large_result_goes_elsewhere(tmp_path, monkeypatch, full):
    monkeypatch.setattr(store_module, "IN_MEMORY", 0)
    asked = []

    def fallocate(file, start, size):
        asked.append(size)
        if len(asked) <= full:
            raise OSError(28, "No space left on device")
        os.truncate(file, size)

    monkeypatch.setattr(scratch, "user_cache_path", lambda *args, **options: tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    strip = rate(shape=(16, 20))
    draft = Store().draft("a", strip, strip.covers)
    assert len(asked) == 2
    assert (draft.scratch is None) == (full == 2)


def test_a_strip_that_cannot_be_noted_is_one_line(tmp_path):
    strip = rate(shape=(8, 20), box=Box(0, 8, 0, 20))
    draft = Store(tmp_path).draft("a", strip, Box(0, 16, 0, 20))
    (draft.folder / "done.txt").mkdir()
    with pytest.raises(OutputError, match="free some room") as caught:
        draft.fill(strip)
    draft.close()
    assert "\n" not in str(caught.value)
