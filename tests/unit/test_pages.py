"""Mapped files do not pile up in memory, and nothing that was changed in one is lost."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import pages, scratch, store
from jwinteractive.data import Box, RateInts
from jwinteractive.pages import read, release
from jwinteractive.store import Store
from jwinteractive.testing import example_exposure

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def resident(text):
    """Kilobytes in memory of mapped files with ``text`` in their path."""
    found, kilobytes = False, 0
    with Path("/proc/self/smaps").open() as maps:
        for line in maps:
            first = line.split()[0]
            if not first.endswith(":"):
                found = text in line
            elif first == "Rss:" and found:
                kilobytes += int(line.split()[1])
    return kilobytes


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "samples.npy"
    np.save(path, np.arange(2**18, dtype=np.float32))
    return path


def test_pages_go_and_come_back(file):
    mapped = np.load(file, mmap_mode="r")
    total = mapped.sum(dtype=float)
    assert resident(str(file)) >= 1024
    release([mapped[5:9].view(), mapped, np.zeros(3)])
    assert resident(str(file)) == 0
    assert mapped.sum(dtype=float) == total


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_what_was_changed_in_memory_stays(file, mode):
    mapped = np.load(file, mmap_mode=mode)
    mapped[:5] = -1
    release([mapped])
    assert mapped[:6].tolist() == [-1, -1, -1, -1, -1, 5]


def test_a_reference_that_the_user_changed_in_memory_is_used_so(nircam_file):
    session = jwinteractive.open(nircam_file)
    (path,) = nircam_file.parent.glob("*_refs/*_gain_*.fits")
    with fits.open(path) as hdus:
        gain = hdus["SCI"].data
        gain[...] = 3.0
        session.use("gain", gain)
        session.run()
    assert (gain == 3.0).all()


def test_a_run_leaves_no_page_of_exposure_or_references_in_memory(nircam_file, tmp_path):
    own = tmp_path / "own"  # other tests may look at the shared files
    shutil.copytree(nircam_file.parent, own)
    session = jwinteractive.open(own / nircam_file.name)
    session.preview(Box(0, 64, 0, 72))
    assert resident(str(own)) > 0
    session.run()
    assert resident(str(own)) == 0


def test_a_box_of_many_planes_is_read_with_few_pages_at_a_time(tmp_path, monkeypatch):
    path = tmp_path / "planes.npy"
    stored = np.arange(2 * 9 * 64 * 128, dtype=">i2").reshape(2, 9, 64, 128)
    np.save(path, stored)
    most = []
    monkeypatch.setattr(pages, "_PIECE", 2 * 64 * 128 * 2)
    monkeypatch.setattr(pages, "release", lambda a: (most.append(resident(str(path))), release(a)))
    box = np.load(path, mmap_mode="r")[..., 3:60, 5:99]
    release([box])
    for zero in (0.0, 32768.0):
        made = read(box, np.float32, zero)
        assert made.dtype == np.float32
        assert made.flags.c_contiguous
        np.testing.assert_array_equal(made, stored[..., 3:60, 5:99].astype("f4") + zero)
    assert len(most) == 2 * 2 * 4
    np.testing.assert_array_equal(read(stored, np.float32, 5.0), stored.astype("f4") + 5)


def test_what_is_ready_is_not_copied(file):
    mapped = np.load(file, mmap_mode="r").reshape(4, 256, 256)
    assert np.shares_memory(read(mapped, np.float32), mapped)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Folder of results without a name, whatever their size."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(store, "IN_MEMORY", 0)
    monkeypatch.setattr(scratch, "user_cache_path", lambda *args, **options: folder)
    return folder


@pytest.mark.parametrize("kept", [True, False])
def test_a_strip_takes_its_own_pages_and_they_are_let_go(cache, tmp_path, monkeypatch, kept):
    plane = np.ones((20, 1, 2048), np.float32)
    names = ("data", "err", "var_poisson", "var_rnoise")
    planes = dict.fromkeys(names, plane)
    strip = RateInts(exposure=example_exposure(), dq=plane.astype("u4"), **planes)
    draft = Store(tmp_path if kept else None).draft("a", strip, Box(0, 256, 0, 2048))
    draft.fill(strip)
    assert 0 < 1024 * resident(str(tmp_path)) < 2 * strip.nbytes
    monkeypatch.setattr(store, "AT_ONCE", 2 * strip.nbytes)
    draft.fill(strip.replace(box=Box(100, 101, 0, 2048)))
    assert resident(str(tmp_path)) == 0
    made = draft.finish()
    assert np.flatnonzero(made.arrays()["data"][-1, :, 0]).tolist() == [0, 100]


def test_a_large_result_is_on_a_file_that_goes_with_it(cache, nircam_file):
    session = jwinteractive.open(nircam_file)
    made = session.run()
    assert resident(str(cache)) == 0
    assert list(cache.iterdir()) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "IN_MEMORY", made.nbytes)
        small = jwinteractive.open(nircam_file).run()
    assert resident(str(cache)) == 0
    assert made.arrays().keys() == small.arrays().keys()
    for name, array in made.arrays().items():
        np.testing.assert_array_equal(array, small.arrays()[name])
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    assert resident(str(cache)) > 0
    release(made.arrays().values())
    assert resident(str(cache)) == 0
    del session, made, array
    assert str(cache) not in Path("/proc/self/maps").read_text()
