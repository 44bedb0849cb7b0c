"""Files that belong to results of a store: where they lie, move and end."""

import dataclasses as dc
import os
from pathlib import Path

import numpy as np
import pytest

from jwinteractive.data import Exposure, Rate
from jwinteractive.step import Ran
from jwinteractive.store import Store

EXPOSURE = Exposure(instrument="NIRCAM", detector="NRCA1", filename="a")


def ran(store: Store, key: str, size: int = 10) -> Ran:
    place = store.room(key)
    (place / "a_jump.fits").write_bytes(b"x" * size)
    made = Ran(place=place, members=("a",), files=("a_jump.fits",), log=("said",), peak=3)
    store.put(key, made)
    return made


def test_what_lies_in_files_is_read_again_with_all_that_was_said(tmp_path: Path) -> None:
    made = ran(Store(tmp_path), "key")
    assert Store(tmp_path).get("key") == made
    assert made.file_of(EXPOSURE).read_bytes() == b"x" * 10


def test_files_follow_a_store_that_is_moved(tmp_path: Path) -> None:
    ran(Store(tmp_path / "old"), "key")
    (tmp_path / "old").rename(tmp_path / "new")
    found = Store(tmp_path / "new").get("key")
    assert isinstance(found, Ran)
    assert found.file_of(EXPOSURE).is_relative_to(tmp_path / "new")
    assert found.file_of(EXPOSURE).exists()


def test_files_are_copied_with_a_store_and_products_point_at_the_copy(tmp_path: Path) -> None:
    passing = Store()
    made = ran(passing, "key")
    plane = np.ones((4, 4), np.float32)
    rate = Rate(
        exposure=EXPOSURE,
        source=made.file_of(EXPOSURE),
        data=plane,
        err=plane,
        dq=plane.astype(np.uint32),
        var_poisson=plane,
        var_rnoise=plane,
    )
    passing.put("rate", rate)
    passing.put("other", dc.replace(rate, source=tmp_path / "mine.fits"))
    kept = Store(tmp_path / "kept")
    passing.copy_to(kept)
    again = Store(tmp_path / "kept")
    one, two = again.get("rate"), again.get("other")
    assert isinstance(one, Rate)
    assert isinstance(two, Rate)
    assert one.source == tmp_path / "kept/files/key/a_jump.fits"
    assert one.source.exists()
    assert two.source == tmp_path / "mine.fits"


def test_without_a_folder_the_oldest_files_go_when_there_are_too_many() -> None:
    store = Store(limit_of_files=25)
    first, second = ran(store, "1"), ran(store, "2")
    assert first.place.exists()
    third = ran(store, "3")
    assert not first.place.exists()
    assert store.get("1") is None
    assert second.place.exists()
    assert third.place.exists()


def test_files_of_a_process_that_was_killed_go_when_the_next_one_needs_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jwinteractive.store.user_cache_path", lambda *_, **__: tmp_path)
    dead, mine = tmp_path / "files-999999999-a", tmp_path / f"files-{os.getpid()}-b"
    dead.mkdir()
    mine.mkdir()
    ran(Store(), "key")
    assert not dead.exists()
    assert mine.exists()
