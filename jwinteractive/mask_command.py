"""The command ``jwinteractive mask``: make, show, compare and convert masks of bad pixels."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from jwinteractive.errors import AlreadyThere, InputError, ParamError
from jwinteractive.masks import FORMS, Mask, Written, diff, read_mask, write_mask
from jwinteractive.masks.formats import form_of
from jwinteractive.masks.places import Like
from jwinteractive.params import Params, fields_of, split_option

__all__ = ["add_options", "run", "use_files"]

P = TypeVar("P", bound=Params)
Bar = Callable[[], AbstractContextManager[Any]]
_FORMS = "forms of a mask:\n" + "\n".join(f"  {k:12} {v}" for k, (_, v) in FORMS.items())


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what can be done with masks to the command's options."""
    sub = parser.add_subparsers(dest="what", metavar="WHAT", required=True)

    def command(name: str, text: str, **options: Any) -> argparse.ArgumentParser:
        form = argparse.RawDescriptionHelpFormatter
        p = sub.add_parser(name, help=text, description=text, formatter_class=form, **options)
        p.add_argument("--json", action="store_true", help="tell the result as JSON")
        return p

    def reading(p: argparse.ArgumentParser) -> None:
        p.add_argument(
            "--like", type=Path, metavar="FILE", help="exposure or mask that a file is for"
        )
        p.add_argument(
            "--flags",
            nargs="+",
            metavar="FLAG",
            help="of DQ values take only these; of a map or list, what its pixels get",
        )
        p.add_argument("--origin", type=int, choices=(0, 1), help=_COUNTED)

    def writing(p: argparse.ArgumentParser) -> None:
        p.add_argument("--to", choices=tuple(FORMS), help="form; default: as the ending says")
        p.add_argument("--base", type=Path, metavar="REF", help="reference below a reference")
        p.add_argument("--exposure", default="", metavar="NAME", help="one that the file is for")
        p.add_argument("--irs2", action="store_true", help="rows of NIRSpec's IRS2 frames")
        p.add_argument("--overwrite", action="store_true", help="replace a file that exists")

    p = command("build", "Find bad pixels in several exposures of one detector.")
    p.add_argument("files", nargs="+", type=Path, metavar="FILE", help="uncal, rate or cal")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="MASK")
    p.add_argument("--method", choices=("noise", "selfcal"), default="noise", help=_METHODS)
    p.add_argument("--level", choices=("auto", "shallow", "medium", "deep"), default="auto")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    p.add_argument("--flat", type=Path, metavar="REF", help="flat reference: response in the dark")
    p.add_argument("--threads", type=int, default=0, help="0 takes all cores (default)")
    writing(p)

    p = command("show", "Show the layers of a mask and how many pixels have which flag.")
    p.add_argument("file", type=Path)
    reading(p)

    p = command("diff", "Show what differs between two masks.")
    p.add_argument("files", nargs=2, type=Path, metavar="MASK")
    reading(p)

    p = command("evolve", "Follow bad pixels over masks of several dates.")
    p.add_argument("files", nargs="+", type=Path, metavar="MASK", help="of one window, in any form")
    p.add_argument("--dates", nargs="+", metavar="DATE", help="of the masks, where these tell none")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    p.add_argument("-o", "--output", type=Path, metavar="MASK", help="for what is bad at the end")
    writing(p)

    p = command("convert", "Write a mask in another form.", epilog=_FORMS)
    p.add_argument("file", type=Path, metavar="IN")
    p.add_argument("output", type=Path, metavar="OUT")
    reading(p)
    writing(p)


_COUNTED = "whether a list of pixels counts from 0 or 1 (read: where it does not say so)"
_METHODS = "statistics in units of the noise (default), or the official badpix_selfcal"


def run(asked: argparse.Namespace, bar: Bar) -> int:
    """Do what was asked for; ``bar`` shows the progress of long work."""
    {
        "build": _build,
        "show": _show,
        "diff": _diff,
        "evolve": _evolve,
        "convert": _convert,
    }[asked.what](asked, bar)
    return 0


def use_files(session: Any, paths: Sequence[Path]) -> None:
    """Let a session use the masks in files, of any form.

    Raises
    ------
    InputError
        If one is no mask or fits none of the exposures.
    """
    places = {
        (e.instrument, e.detector, e.ystart, e.xstart, f.product.shape): (e, f.product.shape)
        for f in session.exposures
        for e in (f.exposure,)
    }
    # what a file does not say can be taken from the exposures only where these agree
    like: Like = next(iter(places.values())) if len(places) == 1 else None
    for path in paths:
        session.use_mask(read_mask(path, like))


def _say(text: str) -> None:
    print(f"jwinteractive: {text}", file=sys.stderr)


def _tell(asked: argparse.Namespace, value: dict[str, Any], lines: Sequence[str]) -> None:
    print(json.dumps(value, indent=1) if asked.json else "\n".join(lines))


def _like(path: Path | None) -> Like:
    """Exposure or mask in a file."""
    if path is None:
        return None
    from jwinteractive.io import open_product

    try:
        product = open_product(path).product
    except InputError:
        return read_mask(path)
    return product.exposure, product.shape


def _read(path: Path, asked: argparse.Namespace) -> Mask:
    return read_mask(path, _like(asked.like), flags=asked.flags, origin=asked.origin)


# -- shown -------------------------------------------------------------------------------------


def _place(mask: Mask) -> str:
    ny, nx = mask.shape
    y, x = mask.corner
    day = f", {mask.date}" if mask.date else ""
    return f"{mask.instrument} {mask.detector} {mask.subarray}, {nx} x {ny} from x {x}, y {y}{day}"


def _as_json(mask: Mask) -> dict[str, Any]:
    return {
        "instrument": mask.instrument,
        "detector": mask.detector,
        "subarray": mask.subarray,
        "shape": mask.shape,
        "corner": mask.corner,
        "date": mask.date,
        "title": mask.title,
        "comment": mask.comment,
        "layers": [
            {
                "name": m.name,
                "role": m.role,
                "flags": m.flags,
                "how": m.how,
                "on": m.on,
                "pixels": m.count,
                "shapes": [str(s) for s in m.shapes],
                "exposure": m.exposure,
                "groups": None if m.groups is None else str(m.groups),
                "origin": {"kind": m.origin.kind, "text": m.origin.text, **m.origin.details},
                "comment": m.comment,
            }
            for m in mask.layers
        ],
        "counts": mask.counts(),
        "scene": mask.scene_counts(),
    }


def _lines(mask: Mask) -> list[str]:
    said = [_place(mask), *([mask.title] if mask.title else [])]
    for m in mask.layers:
        said.append(f"  {m.name}: {m.count:,} {m.meaning} ({'; '.join(m.notes)})")
    counts = ", ".join(f"{name} {n:,}" for name, n in mask.counts().items())
    scene = ", ".join(f"{name} {n:,}" for name, n in mask.scene_counts().items())
    said.append(f"pixels by flag: {counts or 'none'}")
    return [*said, f"pixels of the 1/f scene: {scene}"] if scene else said


def _show(asked: argparse.Namespace, bar: Bar) -> None:
    mask = _read(asked.file, asked)
    _tell(asked, _as_json(mask), _lines(mask))


def _diff(asked: argparse.Namespace, bar: Bar) -> None:
    before, after = (_read(path, asked) for path in asked.files)
    if (before.instrument, before.detector, before.corner) != (
        after.instrument,
        after.detector,
        after.corner,
    ):
        raise InputError(
            f"masks are of {_place(before)} and of {_place(after)}: compare those of one window"
        )
    found = diff(before, after)
    changes = [(c.flag, c.gained.count, c.lost.count) for c in found.flags()]
    rows = [{"flag": f, "gained": a, "lost": b} for f, a, b in changes]
    lines = [*found.words(), *(f"{f}: +{a:,} -{b:,} pixels" for f, a, b in changes)]
    _tell(asked, {"layers": found.words(), "flags": rows}, lines or ["no difference"])


# -- written -----------------------------------------------------------------------------------


def _check_output(asked: argparse.Namespace) -> None:
    """Say what cannot be written before anything long starts."""
    if not asked.to:
        form_of(asked.output)
    if asked.output.exists() and not asked.overwrite:
        raise AlreadyThere.of(asked.output)


def _write(mask: Mask, asked: argparse.Namespace) -> Written:
    written = write_mask(
        mask,
        asked.output,
        asked.to,
        overwrite=asked.overwrite,
        base=asked.base,
        exposure=asked.exposure,
        irs2=asked.irs2,
        origin=getattr(asked, "origin", None) or 0,
    )
    for line in written.lost:
        _say(f"{written.path.name} does not tell {line}")
    return written


def _convert(asked: argparse.Namespace, bar: Bar) -> None:
    _check_output(asked)
    mask = _read(asked.file, asked)
    written = _write(mask, asked)
    told = {"output": str(written.path), "lost": written.lost, "counts": mask.counts()}
    _tell(asked, told, [str(written.path)])


def _params(default: P, settings: Sequence[str]) -> P:
    """Parameters with options of the form NAME=VALUE."""
    known = {f.name: f for f in fields_of(type(default))}
    values: dict[str, Any] = {}
    for text in settings:
        name, value = split_option(text, "NAME=VALUE")
        values[name] = known[name].parse(value) if name in known else value
    return default.replace(**values)


def _build(asked: argparse.Namespace, bar: Bar) -> None:
    from jwinteractive.badpix import BadpixParams, SelfcalParams
    from jwinteractive.mask_build import by_noise, by_selfcal

    _check_output(asked)
    if asked.method == "selfcal":
        chosen = _params(SelfcalParams(), asked.settings)
        mask, rows = by_selfcal(asked.files, chosen, threads=asked.threads)
    else:
        params = _params(BadpixParams(level=asked.level), asked.settings)
        with bar() as show:
            mask, rows, notes = by_noise(
                asked.files, params, flat=asked.flat, threads=asked.threads, report=show
            )
        for note in notes:
            _say(note)
    written = _write(mask, asked)
    told = {"output": str(written.path), "lost": written.lost, "classes": rows}
    lines = [
        f"{row['class']}: {row['pixels']:,} pixels"
        + (f", {row['expected_false']:,} expected by chance" if row.get("expected_false") else "")
        for row in rows
    ]
    _tell(asked, told, [str(written.path), *lines])


def _evolve(asked: argparse.Namespace, bar: Bar) -> None:
    from jwinteractive.badpix.layers import OF_MASKS
    from jwinteractive.mask_build import evolved

    if asked.output:
        _check_output(asked)
    params = _params(OF_MASKS, asked.settings)
    masks = _dated([read_mask(path) for path in asked.files], asked)
    last, rows = evolved(masks, params)
    days = [mask.date for mask in masks]
    told: dict[str, Any] = {"dates": days, "classes": rows}
    lines = [f"bad at {', '.join(days)}"]
    for row in rows:
        counts = " ".join(f"{n:,}" for n in row["pixels"])
        lines.append(f"{row['class']}: {counts} (last: {row['new']:,} new, {row['gone']:,} gone)")
    if asked.output:
        written = _write(last, asked)
        told |= {"output": str(written.path), "lost": written.lost}
        lines.insert(0, str(written.path))
    _tell(asked, told, lines)


def _dated(masks: list[Mask], asked: argparse.Namespace) -> list[Mask]:
    """Masks in the order of their dates, all of one window."""
    if asked.dates:
        if len(asked.dates) != len(masks):
            raise ParamError(f"{len(asked.dates)} dates for {len(masks)} masks: give one for each")
        masks = [m.replace(date=day) for m, day in zip(masks, asked.dates, strict=True)]
    first = masks[0]
    for path, mask in zip(asked.files, masks, strict=True):
        if not mask.date:
            raise InputError(f"{path.name}: tells no date: give --dates 2026-03-01 ...")
        if (mask.detector, mask.corner, mask.shape) != (first.detector, first.corner, first.shape):
            raise InputError(
                f"{path.name}: is of {_place(mask)}, {asked.files[0].name} of {_place(first)}: "
                "take masks of one window"
            )
    return sorted(masks, key=lambda m: m.date)
