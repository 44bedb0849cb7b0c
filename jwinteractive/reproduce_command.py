"""The command ``jwinteractive reproduce``: a product made again, and how it differs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from jwinteractive.reproduce import as_json, as_text, reproduce

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a product is made again of to the command's options."""
    parser.add_argument("product", type=Path, metavar="PRODUCT", help="of the official package")
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="INPUT", help="its raw exposure"
    )
    parser.add_argument("--refs", type=Path, metavar="DIR", help="folder of reference files")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="keep products and table of differences"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist there")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")
    parser.epilog = "exit code 1 if a value or a flag differs"


def run(asked: argparse.Namespace) -> int:
    """Make it again and say how it differs."""
    found = reproduce(
        asked.product, asked.source, asked.refs, asked.output, overwrite=asked.overwrite
    )
    name = asked.product.name
    if asked.json:
        print(json.dumps(as_json(name, found), indent=1, default=str))
    else:
        print(as_text(name, found), *found.written, sep="\n")
    return int(not found.identical)
