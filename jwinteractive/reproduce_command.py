"""The command ``jwinteractive reproduce``: a product made again, and how it differs."""

from __future__ import annotations

import argparse
from pathlib import Path

from jwinteractive.reproduce import as_text, reproduce

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what a product is made again of to the command's options."""
    parser.add_argument("product", type=Path, metavar="PRODUCT", help="of the official package")
    parser.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="INPUT", help="its raw exposure"
    )
    parser.add_argument("--refs", type=Path, metavar="DIR", help="folder of reference files")
    parser.epilog = "exit code 1 if a value or a flag differs"


def run(asked: argparse.Namespace) -> int:
    """Make it again and say how it differs."""
    found = reproduce(asked.product, asked.source, asked.refs)
    print(as_text(asked.product.name, found))
    return int(not found.identical)
