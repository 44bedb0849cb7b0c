"""The command ``jwinteractive issues``: what is known to go wrong with a file, and its remedy."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from jwinteractive.each import each_told
from jwinteractive.known.listed import as_json, as_text, listed
from jwinteractive.plan import open_files

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked of known issues to the command's options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of any stage")
    parser.add_argument(
        "--header", action="store_true", help="ask the header alone, measure nothing in the data"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(asked: argparse.Namespace) -> int:
    """Say what applies to each file; what cannot be read is said, too."""
    told = {}

    def tell(path: Path) -> None:
        file, *_ = open_files(path)  # slits of a file share their header, and would tell the same
        rows = listed(file.product, file.path, data=not asked.header)
        told[file.name] = as_json(rows)
        if not asked.json:
            print(as_text(file.name, file.exposure, rows))

    code = each_told(asked.files, tell)
    if asked.json:
        print(json.dumps(told, indent=1))
    return code
