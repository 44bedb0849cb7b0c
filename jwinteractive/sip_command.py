"""The command ``jwinteractive sip``: fit SIP to the WCS of an image, and write it into a copy."""

from __future__ import annotations

import argparse
import dataclasses as dc
import json
from pathlib import Path
from typing import Any, Final

from jwinteractive.errors import OutputError
from jwinteractive.fitsfile import opened_fits
from jwinteractive.io.saving import check_writable, save_hdus
from jwinteractive.sip import TOLERANCE, SipFit
from jwinteractive.sip_residuals import is_wcs_card
from jwinteractive.sip_views import fit_file

__all__ = ["add_options", "run", "write_sip"]

_RULE: Final = "{:>6} {:>10} {:>10} {:>10} {:>10}  {}"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("file", type=Path, help="an image that went through assign_wcs")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="copy of the file with the new SIP"
    )
    parser.add_argument("--degree", type=int, help="take this one, whatever it reaches")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE,
        metavar="PX",
        help="largest residual in pixels (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that exists")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(asked: argparse.Namespace) -> int:
    """Fit, tell the residuals of every degree, and write the copy that was asked for."""
    how = {"tolerance": asked.tolerance, "degree": asked.degree}
    if asked.output is None:
        fit = fit_file(asked.file, **how)
    else:
        fit = write_sip(asked.file, asked.output, overwrite=asked.overwrite, **how)
    print(json.dumps(_as_json(fit, asked.output), indent=1) if asked.json else _as_text(fit))
    if asked.output is not None and not asked.json:
        print(asked.output)
    return 0


def write_sip(
    path: Path | str,
    out: Path | str,
    *,
    tolerance: float = TOLERANCE,
    degree: int | None = None,
    overwrite: bool = False,
) -> SipFit:
    """Write a copy of a file whose header has a new SIP; all else in it is as it was.

    Parameters
    ----------
    path
        A file of one image that went through assign_wcs.
    out
        Another ``.fits`` file, which appears whole or not at all.
    tolerance, degree
        As of `fit_sip`.
    overwrite
        Whether an existing file may be replaced; the source never is.

    Returns
    -------
    SipFit
        What was written.

    Raises
    ------
    InputError
        If the file has no WCS of an image.
    OutputError
        If the copy cannot be written.
    ParamError
        If the tolerance or the degree cannot be.
    """
    path, out = Path(path), Path(out)
    check_writable([out], overwrite)
    if out.resolve() == path.resolve():
        raise OutputError(f"{out}: is the file that is read: choose another name")
    fit = fit_file(path, tolerance=tolerance, degree=degree)
    with opened_fits(path) as hdus:
        header = hdus["SCI"].header
        # the old polynomials too, and PC and CDELT, which exclude CD
        for name in [n for n in header if is_wcs_card(n)]:
            del header[name]
        header.update(fit.header())
        if "FILENAME" in hdus[0].header:
            hdus[0].header["FILENAME"] = out.name
        save_hdus(out, hdus)
    return fit


def _as_text(fit: SipFit) -> str:
    lines = [_RULE.format("degree", "max px", "rms px", "back max", "back rms", "").rstrip()]
    for t in fit.tried:
        ways = {"to the sky": fit.degree, "back": fit.inverse_degree}
        mark = ", ".join(way for way, degree in ways.items() if degree == t.degree)
        values = (t.forward_max, t.forward_rms, t.inverse_max, t.inverse_rms)
        numbers = (f"{value:.2e}" for value in values)
        lines.append(_RULE.format(t.degree, *numbers, f"<- {mark}" if mark else "").rstrip())
    return "\n".join([*lines, fit.words])


def _as_json(fit: SipFit, out: Path | None) -> dict[str, Any]:
    return {
        "degree": fit.degree,
        "inverse_degree": fit.inverse_degree,
        "tolerance": fit.tolerance,
        "reached": fit.reached,
        "degrees": [dc.asdict(t) for t in fit.tried],
        "header": dict(fit.header()),
        "output": None if out is None else str(out),
    }
