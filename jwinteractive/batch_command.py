"""The command ``jwinteractive batch``: many exposures with one recipe, on several processes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from jwinteractive.batch import (
    Running,
    as_text,
    bytes_of,
    grouped,
    run_batch,
    write_summary,
)
from jwinteractive.batch.page import as_json
from jwinteractive.errors import Cancelled, StepError
from jwinteractive.session import Session

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked of a batch, beside what says how an exposure is reduced."""
    parser.add_argument("recipe", help='"auto", "mode", "official", "mixed", a name, a TOML file')
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of any stage and mode")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--scheduler", default="", metavar="ADDRESS", help="of a dask cluster")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: a core each")
    parser.add_argument(
        "--memory",
        default="",
        metavar="SIZE",
        help="of all workers, such as 8GB; else what is free",
    )
    parser.add_argument(
        "--resume", action="store_true", help="leave alone what was finished with these settings"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace products that exist")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(asked: argparse.Namespace, prepare: Callable[[list[Path]], Session]) -> int:
    """Reduce the files; say what became of each.

    Raises
    ------
    StepError
        If a file failed; the others are there.
    Cancelled
        If it was stopped; what was finished is there.
    """
    memory = bytes_of(asked.memory) if asked.memory else 0
    groups, failed = grouped(asked.files, prepare, asked.to)
    with _Lines() as lines:
        batch = run_batch(
            groups,
            asked.output,
            failed=failed,
            to=asked.to,
            scheduler=asked.scheduler,
            workers=asked.workers,
            memory=memory,
            resume=asked.resume,
            overwrite=asked.overwrite,
            report=lines.show,
        )
    page = write_summary(batch, asked.output)
    print(json.dumps(as_json(batch), indent=1) if asked.json else as_text(batch.rows))
    print(f"jwinteractive: {page}", file=sys.stderr)
    if batch.cancelled:
        raise Cancelled("batch: stopped; what is finished is kept: go on with --resume")
    if batch.failed:
        raise StepError(
            f"batch: {len(batch.failed)} of {len(batch.rows)} files gave no product: see the table"
        )
    return 0


class _Lines:
    """Progress on stderr: a bar with the time left on a terminal, else a line for each file."""

    def __enter__(self) -> _Lines:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("", left="")
        self._told: set[str] = set()
        self._said = ""
        return self

    def show(self, running: Running) -> None:
        """Say what is new."""
        if running.said != self._said:
            self._said = running.said
            self._bar.console.print(f"jwinteractive: {running.said}", markup=False, highlight=False)
        for path, row in running.rows.items():
            if row.state != "waiting" and path not in self._told:
                self._told.add(path)
                said = row.why if row.why.startswith(row.name) else f"{row.name}: {row.state}"
                self._bar.console.print(f"jwinteractive: {said}", markup=False, highlight=False)
        left = f"{running.left:.0f} s left" if running.left == running.left else ""
        total = len(running.rows)
        self._bar.update(
            self._task,
            description=f"{running.done} of {total}",
            completed=running.done + sum(running.parts.values()),
            total=total,
            left=left,
        )

    def __exit__(self, *error: object) -> None:
        self._bar.stop()
