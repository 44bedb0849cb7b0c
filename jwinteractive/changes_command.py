"""The command ``jwinteractive changes``: what changed since a file was made."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jwinteractive
from jwinteractive.changes import as_json, as_text, what_changed

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked of changes to the command's options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of any stage")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(asked: argparse.Namespace) -> int:
    """Say what changed since each file was made."""
    told = {}
    for path in asked.files:
        exposure = jwinteractive.open([path]).exposures[0].exposure
        found = what_changed(path, exposure)
        told[path.name] = as_json(found)
        if not asked.json:
            print(as_text(path.name, exposure, found))
    if asked.json:
        print(json.dumps(told, indent=1, default=str))
    return 0
