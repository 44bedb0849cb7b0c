"""A trial of a mode's recipe: simulated exposures, run as far as references can be simulated.

Raw groups are simulated for every mode. Beyond the detector's steps, official steps need references
of the optics: these are simulated for NIRCam images, and, with rates, for MIRI's slit and slices.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import jwinteractive
from jwinteractive.recipe import Recipe
from jwinteractive.references.filed import NOT_APPLICABLE
from jwinteractive.refs_check import Checked, check
from jwinteractive.session import Session
from jwinteractive.simulate import MODES, simulate
from jwinteractive.simulate.calibrated import write_calibrated
from jwinteractive.step import OFFICIAL

__all__ = ["Tried", "as_json", "as_text", "further", "try_recipe"]

State = Literal["ran", "left out:", "asks for", "waits for"]
_PRESET: Final[Mapping[str, str]] = MappingProxyType(
    {
        "nircam_imaging": "nircam",
        "niriss_imaging": "niriss",
        "nirspec_fs": "nirspec",
        "miri_imaging": "miri",
    }
)
"""Presets of raw exposures that are not called as their recipe."""


@dc.dataclass(frozen=True)
class _Scene:
    """Exposures with references of the optics; types that do not apply to what is simulated."""

    mode: str
    settings: Mapping[str, Any] = dc.field(default_factory=dict)
    spared: tuple[str, ...] = ()


_FURTHER: Final[Mapping[str, _Scene]] = MappingProxyType(
    {
        "nircam_imaging": _Scene("nircam-field", {"size": (192, 192), "count": 3}),
        "miri_lrs_slit": _Scene("lrs-slit"),
        "miri_mrs": _Scene("mrs", spared=("mrsxartcorr",)),
    }
)
"""What official steps take further."""
_SIZE: Final = (64, 96)
_NO_MEMBERS: Final = ("bkg_subtract", "master_background")
"""Steps that take other exposures away, of which none is simulated."""


@dc.dataclass(frozen=True)
class Tried:
    """What became of a step.

    Attributes
    ----------
    step, state
        Its name; whether it ran, is left out, asks for references, or waits for a step that does.
    why
        Why it is left out; the types it asks for; the step it waits for.
    """

    step: str
    state: State
    why: str = ""


def further(name: str) -> bool:
    """Whether references of the optics can be simulated for a mode."""
    return name in _FURTHER


def try_recipe(
    name: str, folder: Path, *, seed: int = 1, far: bool = True
) -> dict[str, tuple[Tried, ...]]:
    """Run a mode's recipe on small simulated exposures to the last step with its references.

    Parameters
    ----------
    name
        Of the recipe.
    folder
        For the exposures.
    seed
        Of the simulation.
    far
        Run official steps on what has references of the optics, too.

    Returns
    -------
    dict
        What became of each step, by what was simulated.

    Raises
    ------
    RecipeError
        If there is no such recipe.
    StepError
        If a step fails.
    """
    recipe = Recipe.load(name)
    preset = _PRESET.get(name, name.replace("_", "-"))
    groups: dict[str, Any] = {"ngroups": min(MODES[preset].ngroups, 8), "seed": seed, "size": _SIZE}
    raw = simulate(preset, **groups).write(folder / "raw")
    tried = {f"raw groups, {preset}": _run(jwinteractive.open(raw, recipe))}
    if far and further(name) and any(s.step.startswith(OFFICIAL) for s in recipe):
        scene = _FURTHER[name]
        tried[f"with references of the optics, {scene.mode}"] = _run(_far(folder, scene, recipe))
    return tried


def _far(folder: Path, scene: _Scene, recipe: Recipe) -> Session:
    made = folder / scene.mode
    files = write_calibrated(scene.mode, made, **scene.settings)
    exposures = [f for f in files if f.name.endswith(("_uncal.fits", "_rate.fits"))]
    references = next((p for p in made.iterdir() if p.name.endswith("_refs")), None)
    session = jwinteractive.open(exposures, recipe, references)
    for reftype in scene.spared:
        session.use(reftype, NOT_APPLICABLE)
    for stage in recipe:
        if stage.step.removeprefix(OFFICIAL) in _NO_MEMBERS:
            session.enable(stage.step, False)
    return session


def _run(session: Session) -> tuple[Tried, ...]:
    """Run up to the step before the first that lacks a reference."""
    (files,) = check(session, [0])
    stopped = next((one.step for one in files.stopped), None)
    names = [one.step for one in files.steps]
    reached = names[: names.index(stopped)] if stopped else names
    session.run(reached[-1], 0)
    return tuple(_tried(files.steps, reached, stopped))


def _tried(steps: tuple[Checked, ...], reached: list[str], stopped: str | None) -> Iterator[Tried]:
    for one in steps:
        if one.skipped.startswith("the file is already"):
            continue
        if one.skipped:
            yield Tried(one.step, "left out:", one.skipped)
        elif one.step in reached:
            yield Tried(one.step, "ran")
        elif one.missing:
            yield Tried(one.step, "asks for", ", ".join(one.missing))
        else:
            yield Tried(one.step, "waits for", str(stopped))


def as_text(tried: Mapping[str, tuple[Tried, ...]]) -> str:
    """One line a step."""
    lines: list[str] = []
    for what, steps in tried.items():
        width = max(len(one.step) for one in steps)
        lines.append(f"# {what}")
        for one in steps:
            lines.append(f"{one.step.ljust(width)}  {one.state} {one.why}".rstrip())
    return "\n".join(lines)


def as_json(tried: Mapping[str, tuple[Tried, ...]]) -> dict[str, Any]:
    """The same, plain."""
    return {what: [dc.asdict(one) for one in steps] for what, steps in tried.items()}
