"""The command ``jwinteractive refs``: what references there are, and a CRDS cache made of them."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

import jwinteractive
from jwinteractive.params import split_option
from jwinteractive.references.crdscache import INSTRUMENTS, CrdsCache, write_crds_cache
from jwinteractive.refs_check import as_json, as_text, check

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with references to the command's options."""
    sub = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    def command(name: str, text: str, **options: Any) -> argparse.ArgumentParser:
        p = sub.add_parser(name, help=text, description=text, **options)
        p.add_argument("--json", action="store_true", help="tell the result as JSON")
        return p

    p = command(
        "check",
        "Say which references each step needs, which are there, and from where.",
        epilog="exit code 1 if a step that is switched on cannot run",
    )
    p.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="exposures of a set, or an association: looked at together, with all their slits",
    )
    p.add_argument("--recipe", default="auto", help='"auto", "mode", "official", "mixed", a name')
    p.add_argument("--refs", type=Path, metavar="DIR", help="folder of reference files")
    p.add_argument("--ref", action="append", default=[], metavar="TYPE=FILE", help="one reference")
    p.add_argument("--skip", action="append", default=[], metavar="STEP", help="switch a step off")

    p = command(
        "cache",
        "Make a CRDS cache of a folder of references: official pipelines then run offline.",
    )
    p.add_argument("folder", type=Path)
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="new or empty")
    p.add_argument(
        "--instrument",
        action="append",
        default=[],
        metavar="NAME",
        help=f"one of {', '.join(INSTRUMENTS)} (default: those of the files)",
    )
    p.add_argument("--copy", action="store_true", help="copy the files; else they are hard links")


def run(asked: argparse.Namespace) -> int:
    """Do what was asked for."""
    return {"check": _check, "cache": _cache}[asked.what](asked)


def _check(asked: argparse.Namespace) -> int:
    session = jwinteractive.open(asked.files, asked.recipe, asked.refs)
    for text in asked.ref:
        session.use(*split_option(text, "TYPE=FILE"))
    for step in asked.skip:
        session.enable(step, False)
    checked = check(session)
    print(json.dumps(as_json(checked), indent=1) if asked.json else as_text(checked))
    return int(any(files.stopped for files in checked))


def _cache(asked: argparse.Namespace) -> int:
    made = write_crds_cache(asked.folder, asked.output, asked.instrument, copy=asked.copy)
    if asked.json:
        print(json.dumps(_plain(made), indent=1))
        return 0
    for instrument, types in made.files.items():
        told = (f"{t} ({len(names)})" if len(names) > 1 else t for t, names in types.items())
        print(f"# {instrument}: {', '.join(told)}")
        if needed := made.needed[instrument]:
            print(f"# {instrument}: steps that need these fail: {', '.join(needed)}")
    for note in made.notes:
        print(f"# {note}")
    print("# all other types are N/A: official steps go on without, or are skipped")
    for name, value in made.environment.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _plain(made: CrdsCache) -> dict[str, Any]:
    return {
        "environment": dict(made.environment),
        "files": {i: {t: list(names) for t, names in of.items()} for i, of in made.files.items()},
        "needed": {i: list(types) for i, types in made.needed.items()},
        "notes": list(made.notes),
    }
