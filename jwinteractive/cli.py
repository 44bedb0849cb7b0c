"""The ``jwinteractive`` command; its step options come from the registry."""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwinteractive
from jwinteractive.batch_command import add_options as add_batch_options
from jwinteractive.changes_command import add_options as add_changes_options
from jwinteractive.errors import (
    AlreadyThere,
    InputError,
    JwinteractiveError,
    OutputError,
    ParamError,
    RecipeError,
    StepError,
)
from jwinteractive.issues_command import add_options as add_issues_options
from jwinteractive.mask_command import add_options as add_mask_options
from jwinteractive.mask_command import use_files
from jwinteractive.params import fields_of, split_option
from jwinteractive.params_command import add_options as add_params_options
from jwinteractive.recipe_command import add_options as add_recipe_options
from jwinteractive.refs_command import add_options as add_refs_options
from jwinteractive.reproduce_command import add_options as add_reproduce_options
from jwinteractive.sip_command import add_options as add_sip_options

__all__ = ["main"]

EXIT_CODES = """\
exit codes: 0 done; 2 wrong option, parameter or recipe; 3 unusable input; 4 missing reference;
5 a step failed; 6 output cannot be written; 130 cancelled. Progress goes to stderr."""


WORK = ".jwinteractive"
"""Folder beside the products for what a run has finished."""
ALONE = {
    "outliers": (
        "outlier_detection",
        "Flag what a set of exposures does not agree on, or the integrations of one.",
    ),
    "replace": ("pixel_replace", "Replace the bad pixels of spectral images."),
    "extract": ("extract_1d", "Extract spectra from slits, spectral images, series and cubes."),
}
"""Commands that run one step alone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    asked = parser.parse_args(argv)
    if not hasattr(asked, "do"):
        parser.print_help()
        return 2
    try:
        return int(asked.do(asked) or 0)
    except JwinteractiveError as error:
        _say(f"error: {_told(error, asked)}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("cancelled; finished results are kept and are not computed again")
        return 130
    except BrokenPipeError:  # the reader of our output left
        sys.stderr.close()
        return 0


def _told(error: JwinteractiveError, asked: argparse.Namespace) -> str:
    """Message with the options of the command that are a way out."""
    if not isinstance(error, AlreadyThere) or not hasattr(asked, "overwrite"):
        return str(error)
    going_on = ", --resume to go on with what is finished," * hasattr(asked, "resume")
    in_folder = error.path != asked.output
    other = "another folder with --output" if in_folder else ""
    return error.told(f"give --overwrite{going_on}", other)


def _say(text: str) -> None:
    print(f"jwinteractive: {text}", file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def _add_set(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="STEP.PARAM=VALUE",
        help="one parameter; switches its step on",
    )


def _add_mask(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--mask",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="bad pixels, or the scene of 1/f noise, any form",
    )


def _add_choices(p: argparse.ArgumentParser) -> None:
    """What else of a recipe is run, and on what."""
    p.add_argument("--skip", action="append", default=[], metavar="STEP", help="switch a step off")
    p.add_argument("--to", metavar="STEP", help="stop after this step and write its product")
    p.add_argument("--refs", type=Path, metavar="DIR", help="folder of reference files")
    p.add_argument("--ref", action="append", default=[], metavar="TYPE=FILE", help="one reference")
    _add_mask(p)


def _add_output(p: argparse.ArgumentParser) -> None:
    """Where products go, and how they are made."""
    p.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="for products")
    p.add_argument("--threads", type=int, default=0, help="0 takes all cores (default)")
    p.add_argument("--overwrite", action="store_true", help="replace products that exist")
    p.add_argument("--json", action="store_true", help="tell outputs, steps, references as JSON")


def _add_settings(p: argparse.ArgumentParser) -> None:
    """What says how one exposure is reduced."""
    p.add_argument("--recipe", default="auto")
    _add_set(p)
    p.add_argument("--refs", type=Path, metavar="DIR")


def _parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="jwinteractive",
        description="Reduce JWST exposures, interactively or from the command line.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=jwinteractive.__version__)
    sub = top.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, do: Any, text: str, **options: Any) -> argparse.ArgumentParser:
        p = sub.add_parser(name, help=text, description=text, **options)
        p.set_defaults(do=do)
        return p

    p = command("demo", _demo, "Simulate an exposure, reduce it, compare with the truth.")
    p.add_argument("--mode", default="nircam", help="observing mode (default: %(default)s)")
    p.add_argument("-o", "--output", type=Path, default=Path("jwinteractive-demo"), metavar="DIR")
    p.add_argument("--size", type=int, default=512, help="pixels a side; 0: the mode's own")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--json", action="store_true", help="print the table as JSON")

    p = command(
        "simulate",
        _simulate,
        "Write a simulated exposure with references and truth, or calibrated ones of a set.",
    )
    p.add_argument(
        "mode",
        nargs="?",
        default="nircam",
        help="an observing mode, or dithers, slit-dithers, mrs-cube (default: %(default)s)",
    )
    p.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR")
    p.add_argument("--size", type=int, nargs=2, metavar=("NY", "NX"))
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings")
    p.add_argument("--seed", type=int, default=1)

    p = command(
        "run",
        _run,
        "Reduce exposures with a recipe and write the products.",
        epilog="example: jwinteractive run auto jw*_uncal.fits -o out "
        "--set jump.likelihood_threshold=6",
    )
    p.add_argument("recipe", help='"auto", "mode", "official", "mixed", a name, or a TOML file')
    p.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of any stage")
    _add_output(p)
    _add_set(p)
    _add_choices(p)
    p.add_argument(
        "--carry-persistence",
        action="store_true",
        help="in order of time, hand the persistence windows of each exposure to the next of its "
        "detector; switches the step persistence on",
    )

    p = command(
        "batch",
        _batch,
        "Reduce many exposures beside each other; tell how each came out in a table and a page.",
        epilog="example: jwinteractive batch auto jw*_uncal.fits -o out --workers 4",
    )
    add_batch_options(p)
    _add_set(p)
    _add_choices(p)

    p = command("steps", _steps, "List the steps and their parameters.")
    p.add_argument("step", nargs="?")
    p.add_argument("--json", action="store_true")

    add_recipe_options(command("recipe", _recipe, "List, show, compare and try recipes."))

    p = command("inspect", _inspect, "Follow one pixel through every step.")
    p.add_argument("file", type=Path)
    p.add_argument("y", type=int)
    p.add_argument("x", type=int)
    p.add_argument("--recipe", default="auto")
    p.add_argument("--refs", type=Path, metavar="DIR")
    p.add_argument("--json", action="store_true")

    for name, (step, text) in ALONE.items():
        p = command(
            name,
            functools.partial(_run_alone, step),
            text,
            epilog=f"jwinteractive steps {step} tells its parameters",
        )
        p.add_argument("files", nargs="+", type=Path, metavar="FILE")
        _add_output(p)
        p.add_argument(
            "--set", action="append", default=[], metavar="PARAM=VALUE", help="one parameter"
        )

    p = command(
        "recovery",
        _recovery,
        "Inject jumps into a ramp and see which of them jump finds, by threshold and by size.",
    )
    p.add_argument("file", type=Path)
    p.add_argument("--size", type=float, default=0.0, help="e-; default: six times the noise")
    p.add_argument("--rate", type=float, default=0.0, help="e-/s added to the pixels")
    p.add_argument("--seed", type=int, default=1)
    _add_settings(p)
    p.add_argument("--json", action="store_true")

    p = command(
        "flicker",
        _flicker,
        "Clean an exposure of 1/f noise by every method and judge what is left.",
    )
    p.add_argument("file", type=Path)
    _add_settings(p)
    _add_mask(p)
    p.add_argument("--json", action="store_true")

    p = command("lab", _lab, "Open JupyterLab on the workbench (bound to 127.0.0.1).")
    p.add_argument("files", nargs="*", metavar="FILE")
    p.add_argument("--folder", type=Path, metavar="DIR", help="working folder")
    p.add_argument("--port", type=int)
    p.add_argument("--no-browser", action="store_true")

    add_mask_options(command("mask", _mask, "Make, show, compare and convert masks of bad pixels."))

    add_params_options(
        command("params", _params, "Say where parameters come from; write and read official files.")
    )

    add_issues_options(command("issues", _issues, "Say what is known to go wrong with a file."))

    add_changes_options(
        command("changes", _changes, "Say what changed since the official package made a file.")
    )

    add_reproduce_options(
        command("reproduce", _reproduce, "Make a product again as its file says, and compare.")
    )

    add_refs_options(command("refs", _refs, "Check references; make a CRDS cache of a folder."))

    add_sip_options(command("sip", _sip, "Fit SIP to the WCS of an image; write it into a copy."))

    command("warm", _warm, "Compile the kernels, look up official steps: once after installing.")

    p = command("bench", _bench, "Measure speed and accuracy against the official steps.")
    p.add_argument("names", nargs="*", metavar="NAME")
    p.add_argument("--list", action="store_true", help="print the names")
    p.add_argument("--json", action="store_true")
    return top


# -- commands ----------------------------------------------------------------------------------


def _demo(asked: argparse.Namespace) -> int:
    from jwinteractive.demo import demo

    return demo(asked.mode, asked.output, asked.size, asked.seed, asked.json)


def _simulate(asked: argparse.Namespace) -> None:
    from jwinteractive.simulate import simulate
    from jwinteractive.simulate.calibrated import CALIBRATED, write_calibrated

    settings: dict[str, Any] = {"seed": asked.seed}
    calibrated = asked.mode in CALIBRATED
    if asked.size:
        settings["shape" if calibrated else "size"] = tuple(asked.size)
    for text in asked.settings:
        name, value = split_option(text, "NAME=VALUE")
        try:
            settings[name] = json.loads(value)
        except json.JSONDecodeError:
            settings[name] = value
    if calibrated:
        print(*write_calibrated(asked.mode, asked.output, **settings), sep="\n")
        return
    print(simulate(asked.mode, **settings).write(asked.output))


def _run(asked: argparse.Namespace) -> int:
    report: dict[str, Any] = {"outputs": [], "steps": [], "references": {}}
    session = _prepare(asked)
    for entry in session.journal:
        if entry.kind == "note":
            _say(entry.text)
    # slits of a file go into one file, and so does what a set gives together: it is written with
    # the first of them
    first = [_first(session, asked.to, i) for i in range(len(session.exposures))]
    plans = [
        session.outputs(asked.output, asked.to, i) if first[i] == i else []
        for i in range(len(session.exposures))
    ]
    sets = any(p.peers for i in range(len(plans)) for p in session.plan(asked.to, i))
    _check_names(plans)
    carry = asked.carry_persistence
    numbers = _in_order(session) if carry else list(range(len(plans)))
    todo = {
        i for i in numbers if not carry and plans[i] and _unfinished(session, plans[i], i, asked)
    }
    last: dict[Any, Path] = {}  # file of windows, by what was read of which detector
    for i in numbers:
        windows = _take_over(session, i, last, asked) if carry else None
        # what is handed on is only now there to be compared
        if carry and (
            _unfinished(session, plans[i], i, asked) or (windows and not windows.exists())
        ):
            todo.add(i)
        report["references"] |= _announce(session, i)
        _announce_stops(session, i, asked.to)
        seconds = _reduce(session, i, asked, windows, sets) if i in todo else {}
        report["outputs"] += [str(p) for p in (*plans[i], windows) if p]
        report["steps"] += _states(session, asked.to, i, seconds)
    shutil.rmtree(asked.output / WORK, ignore_errors=True)
    if asked.json:
        _print_json(report)
    else:
        print("\n".join(report["outputs"]))
    return 0


def _batch(asked: argparse.Namespace) -> int:
    from jwinteractive.batch_command import run

    def prepare(files: list[Path]) -> Any:
        rest: dict[str, Any] = {"files": files, "carry_persistence": False}
        return _prepare(argparse.Namespace(**(vars(asked) | rest)))

    return run(asked, prepare)


def _run_alone(step: str, asked: argparse.Namespace) -> int:
    """Run one step and nothing else, on files as they are."""
    from jwinteractive.recipe import Recipe

    settings = [f"{step}.{text}" for text in asked.set]
    alone = {"recipe": Recipe.of(step), "to": step, "set": settings, "ref": [], "mask": []}
    rest: dict[str, Any] = {"skip": [], "refs": None, "carry_persistence": False}
    return _run(argparse.Namespace(**(vars(asked) | alone | rest)))


def _announce(session: Any, number: int) -> dict[str, str]:
    """Say what was assumed of an exposure and where its references come from; return these."""
    name = session.exposures[number].name
    sources: dict[str, str] = session.sources(number)
    for note in session.exposures[number].notes:
        _say(f"{name}: {note}")
    if sources and number and sources == session.sources(number - 1):
        _say(f"{name}: references as for {session.exposures[number - 1].name}")
    elif sources:
        _say(f"{name}: " + ", ".join(f"{k} from {v}" for k, v in sources.items()))
    if said := session.crds_said(number):
        _say(f"{name}: CRDS gave no references: {said}")
    if nominal := session.nominal(number):
        _say(
            f"{name}: NOMINAL references ({', '.join(nominal)}): detector averages "
            "stand in for real files; give --refs DIR for calibrated numbers"
        )
    return sources


def _announce_stops(session: Any, number: int, to: str | None) -> None:
    """Say before the run which of its steps have no reference that they cannot do without."""
    from jwinteractive.refs_check import check

    name = session.exposures[number].name
    for one in (one for files in check(session, [number], to) for one in files.stopped):
        for wanted in one.wanted:
            if wanted.state == "missing":
                _say(f"{name}: {one.step} will stop: no {wanted.reftype}: {wanted.advice}")


def _in_order(session: Any) -> list[int]:
    """Numbers of the exposures, by the time at which they began."""
    starts = [file.exposure.start_time for file in session.exposures]
    return sorted(range(len(starts)), key=starts.__getitem__)


def _take_over(
    session: Any, number: int, last: dict[Any, Path], asked: argparse.Namespace
) -> Path | None:
    """Hand the windows of the exposure before to this one; return the file for its own."""
    from jwinteractive.io import root_name

    file = session.exposures[number]
    e = file.exposure
    where = e.detector, e.xstart, e.ystart, file.product.shape
    session.use("persistence", last.get(where))
    (skipped,) = [p.skipped for p in session.plan(None, number) if p.step.name == "persistence"]
    if skipped:
        _say(f"{file.name}: no persistence windows are taken or handed on: {skipped}")
        return None
    last[where] = asked.output / f"{root_name(file.path)}_persistence.asdf"
    return last[where]


def _first(session: Any, to: str | None, number: int) -> int:
    """Number of the exposure that the product of one is written with."""
    from jwinteractive.products import made_of

    members = (peer.number for peer in made_of(session.plan(to, number)))
    return int(min((*session.slits_of(number), *members)))


def _reduce(
    session: Any, number: int, asked: argparse.Namespace, windows: Path | None, sets: bool
) -> dict[str, float]:
    """Run and write one exposure, or all slits of a file; return the seconds of each step.

    Finished strips lie in a folder beside the products until these are written: a killed run goes
    on from there. What members of ``sets`` have given lies there until all are written.
    """
    from jwinteractive.store import Store

    work = asked.output / WORK
    session.store = session.store if sets and session.store.folder == work else Store(work)
    try:
        with _ProgressBar() as show:
            if windows is not None:
                from jwinteractive.io import write_windows

                ramp = session.run("persistence", number, threads=asked.threads, report=show)
                lasts = session.recipe["persistence"].params.persistence_time
                write_windows(ramp, windows, lasts)
            seconds = _run_slits(session, number, asked, show)
        session.write(asked.output, asked.to, number, overwrite=True)
    except InputError:  # nothing in it would be of use
        shutil.rmtree(work, ignore_errors=True)
        raise
    if not sets:
        shutil.rmtree(work, ignore_errors=True)
    return seconds


def _run_slits(session: Any, number: int, asked: argparse.Namespace, show: Any) -> dict[str, float]:
    """Run an exposure, or all slits of its file; say which of several are left out, and why."""
    seconds: dict[str, float] = {}
    slits = session.slits_of(number)
    for slit in slits:
        try:
            made = session.result(asked.to, slit, threads=asked.threads, report=show)
        except (InputError, RecipeError, StepError) as error:
            if len(slits) == 1:
                raise
            _say(f"{session.exposures[slit].name}: left out: {error}")
            continue
        for note in getattr(made.product, "notes", ()):
            _say(f"{session.exposures[slit].name}: {note}")
        for step, spent in made.by_step.items():
            seconds[step] = seconds.get(step, 0.0) + spent
    return seconds


def _prepare(asked: argparse.Namespace) -> Any:
    """Open the session with all options applied, before anything long starts."""
    session = jwinteractive.open(asked.files, asked.recipe, asked.refs)
    for text in asked.ref:
        session.use(*split_option(text, "TYPE=FILE"))
    _set(session, asked.set)
    use_files(session, asked.mask)
    for step in asked.skip:
        session.enable(step, False)
    if asked.carry_persistence:
        session.enable("persistence")
    return session


def _set(session: Any, settings: Sequence[str]) -> None:
    """Set parameters from options of the form STEP.PARAM=VALUE; their steps are switched on."""
    for text in settings:
        name, value = split_option(text, "STEP.PARAM=VALUE")
        step, dot, param = name.partition(".")
        if not dot:
            raise ParamError(f"option {text!r}: must have the form STEP.PARAM=VALUE")
        known = {f.name: f for f in fields_of(type(session.recipe[step].params))}
        parsed = known[param].parse(value) if param in known else value
        session.set(step, **{param: parsed})
        if not session.recipe[step].enabled:
            session.enable(step)


def _unfinished(session: Any, paths: list[Path], number: int, asked: argparse.Namespace) -> bool:
    """Whether products of an exposure are not there yet; one made otherwise is not overwritten."""
    from jwinteractive.io import check_writable, read_provenance

    key = session.provenance(asked.to, number).key
    same = [p for p in paths if p.exists() and (r := read_provenance(p)) and r.key == key]
    if len(same) == len(paths) and not asked.overwrite:
        _say(f"{session.exposures[number].name}: products are there and up to date")
        return False
    check_writable([p for p in paths if p not in same], asked.overwrite)
    return True


def _check_names(plans: list[list[Path]]) -> None:
    names = [p for paths in plans for p in paths]
    twice = {p.name for p in names if names.count(p) > 1}
    if twice:
        raise OutputError(f"{', '.join(sorted(twice))}: two inputs would write it; run them apart")


def _states(
    session: Any, to: str | None, number: int, seconds: dict[str, float]
) -> list[dict[str, Any]]:
    def state(skipped: str, name: str) -> str:
        return "skipped" if skipped else "complete" if name in seconds else "kept"

    return [
        {
            "step": p.step.name,
            "state": state(p.skipped, p.step.name),
            "seconds": round(seconds.get(p.step.name, 0.0), 4),
            **({"reason": p.skipped} if p.skipped else {}),
        }
        for p in session.plan(to, number)
    ]


class _ProgressBar:
    """Bar on stderr with the time left; silent where stderr is no terminal."""

    def __enter__(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}% {task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("", left="")

        def show(p: Any) -> None:
            left = f"{p.left:.0f} s left" if p.left == p.left else ""
            name = f"{p.name}: {p.step}" if p.step else p.name
            self._bar.update(
                self._task, description=name, completed=p.done, total=p.total, left=left
            )

        return show

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def _steps(asked: argparse.Namespace) -> None:
    steps = jwinteractive.registry
    chosen = [steps[asked.step]] if asked.step else list(steps.values())
    if asked.json:
        _print_json([s.describe() for s in chosen])
        return
    for s in chosen:
        told = s.describe()
        refs = f", needs {', '.join(told['references'])}" if told["references"] else ""
        print(f"{s.name}: {s.summary}\n  {told['takes']} -> {told['gives']}{refs}")
        for f in fields_of(s.params):
            rule = "" if f.type in (str, bool) and not f.choices else f" ({f.rule})"
            only = f" (only with {f.when})" if f.when else ""
            print(f"    {f.name} = {f.default}{rule}: {f.doc}{only}")


def _recipe(asked: argparse.Namespace) -> int:
    from jwinteractive.recipe_command import run

    return run(asked)


def _inspect(asked: argparse.Namespace) -> None:
    session = jwinteractive.open(asked.file, asked.recipe, asked.refs)
    history = session.inspect(asked.y, asked.x)
    from jwinteractive.pixel import as_json, as_text

    if asked.json:
        _print_json(as_json(history))
    else:
        print(as_text(history))


def _flicker(asked: argparse.Namespace) -> None:
    session = jwinteractive.open(asked.file, asked.recipe, asked.refs)
    from jwinteractive.stripes import STEP, as_json, as_text, compare_cleaning

    session.enable(STEP)
    _set(session, asked.set)
    use_files(session, asked.mask)
    judged = compare_cleaning(session)
    if asked.json:
        _print_json(as_json(judged))
    else:
        print(as_text(judged))


def _recovery(asked: argparse.Namespace) -> None:
    session = jwinteractive.open(asked.file, asked.recipe, asked.refs)
    _set(session, asked.set)
    from jwinteractive.recovery import as_json, as_text, measure_recovery

    found = measure_recovery(session, asked.size, rate=asked.rate, seed=asked.seed)
    if asked.json:
        _print_json(as_json(found))
    else:
        print(as_text(found))


def _lab(asked: argparse.Namespace) -> int:
    from jwinteractive.lab import launch

    return launch(asked.folder, asked.port, not asked.no_browser, asked.files)


def _mask(asked: argparse.Namespace) -> int:
    from jwinteractive.mask_command import run

    return run(asked, _ProgressBar)


def _params(asked: argparse.Namespace) -> int:
    from jwinteractive.params_command import run

    return run(asked)


def _issues(asked: argparse.Namespace) -> int:
    from jwinteractive.issues_command import run

    return run(asked)


def _changes(asked: argparse.Namespace) -> int:
    from jwinteractive.changes_command import run

    return run(asked)


def _reproduce(asked: argparse.Namespace) -> int:
    from jwinteractive.reproduce_command import run

    return run(asked)


def _refs(asked: argparse.Namespace) -> int:
    from jwinteractive.refs_command import run

    return run(asked)


def _sip(asked: argparse.Namespace) -> int:
    from jwinteractive.sip_command import run

    return run(asked)


def _warm(asked: argparse.Namespace) -> None:
    from jwinteractive.official.catalogue import installed
    from jwinteractive.warm import warm, warm_official

    _say("compiling the kernels")
    print(f"kernels compiled in {warm():.1f} s")
    if not installed():
        _say("the official package is not installed: there are no official steps to look up")
        return
    print(f"official steps looked up in {warm_official():.1f} s")


def _bench(asked: argparse.Namespace) -> int:
    from jwinteractive.bench import bench

    return bench(asked.names, asked.list, asked.json)


if __name__ == "__main__":
    sys.exit(main())
