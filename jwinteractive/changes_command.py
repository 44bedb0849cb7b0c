"""The command ``jwinteractive changes``: what changed since a file was made."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from jwinteractive.changes import as_json, as_text, what_changed
from jwinteractive.data import Exposure
from jwinteractive.detectors import DETECTORS
from jwinteractive.each import each_told
from jwinteractive.errors import InputError
from jwinteractive.fitsfile import opened_fits

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be asked of changes to the command's options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="any product")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(asked: argparse.Namespace) -> int:
    """Say what changed since each file was made; what cannot be read is said, too."""
    told = {}

    def tell(path: Path) -> None:
        exposure = _mode_of(path)
        found = what_changed(path, exposure)
        told[path.name] = as_json(found)
        if not asked.json:
            print(as_text(path.name, exposure, found))

    code = each_told(asked.files, tell)
    if asked.json:
        print(json.dumps(told, indent=1, default=str))
    return code


def _mode_of(path: Path) -> Exposure:
    """What changes depend on; products that hold no image, such as spectra, have that too."""
    with opened_fits(path) as hdus:
        header = hdus[0].header
        said = {key: str(header.get(key) or "").strip() for key in ("INSTRUME", "EXP_TYPE")}
    instrument = said["INSTRUME"]
    if instrument not in (known := sorted({d.instrument for d in DETECTORS.values()})):
        raise InputError(
            f"{path.name}: INSTRUME = {instrument!r}: unknown: known are {', '.join(known)}"
        )
    return Exposure(instrument=instrument, detector="", exp_type=said["EXP_TYPE"])
