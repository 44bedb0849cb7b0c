"""Many exposures with one recipe, on the processes of a cluster: docs/decisions/0024-batch.md."""

from jwinteractive.batch.groups import Group, grouped
from jwinteractive.batch.job import Row
from jwinteractive.batch.page import as_csv, as_text, write_summary
from jwinteractive.batch.room import Room, bytes_of, room_for
from jwinteractive.batch.run import Batch, Running, run_batch

__all__ = [
    "Batch", "Group", "Room", "Row", "Running", "as_csv", "as_text", "bytes_of", "grouped",
    "room_for", "run_batch", "write_summary",
]  # fmt: skip
