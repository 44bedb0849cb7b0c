"""Memory that may be taken, as the machine, a container or a hub tells it."""

from pathlib import Path

import pytest

from jwinteractive import memory
from jwinteractive.memory import memory_limit
from jwinteractive.store import Store

GB = 2**30


def test_the_least_of_machine_container_and_hub_counts(tmp_path, monkeypatch):
    monkeypatch.delenv("MEM_LIMIT", raising=False)
    told = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CONTAINER", (Path(tmp_path / "absent"), told))
    machine = memory_limit()
    told.write_text("max\n")
    assert memory_limit() == machine > 0
    told.write_text(f"{machine // 2}\n")
    assert memory_limit() == machine // 2
    monkeypatch.setenv("MEM_LIMIT", str(machine // 4))
    assert memory_limit() == machine // 4


@pytest.mark.parametrize(("there", "kept"), [(2 * GB, GB // 2), (64 * GB, 4 * GB)])
def test_results_take_a_quarter_of_the_memory_and_never_more_than_four_gigabytes(
    there, kept, monkeypatch
):
    monkeypatch.setattr("jwinteractive.store.memory_limit", lambda: there)
    assert Store().limit == kept
    assert Store(limit=5).limit == 5
