"""A page for each native step, and for the official steps of each stage."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from jwinteractive.official.catalogue import Catalogue, catalogue
from jwinteractive.official.steps import official_steps
from jwinteractive.params import fields_of
from jwinteractive.recipe import Recipe, mode_names
from jwinteractive.step import OFFICIAL, Step, registry
from manual.modes import page_of
from manual.text import code, heading, page, parameters, prose, table, tree

__all__ = ["official_pages", "step_pages"]

_GROUPS: Final[Mapping[str, str]] = {
    "detector": "From raw groups to rates",
    "sets": "Over a set of exposures",
    "spectral": "Spectra",
}
_STAGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "stage1": ("Stage 1: the detector", ("Detector1Pipeline",)),
    "stage2": ("Stage 2: calibration", ("Image2Pipeline", "Spec2Pipeline")),
    "stage3": ("Stage 3: images and spectra of sets", ("Image3Pipeline", "Spec3Pipeline")),
    "series": (
        "Time series, coronagraphs, aperture masks",
        ("Tso3Pipeline", "Coron3Pipeline", "Ami3Pipeline"),
    ),
    "others": ("Guiders, darks and others", ()),
}


def step_pages() -> Iterator[tuple[str, str]]:
    """Names and texts of the pages of native steps, and of what lists them."""
    used = _used()
    groups: dict[str, list[Step]] = {name: [] for name in _GROUPS}
    for step in registry.values():
        groups[step.function.__module__.split(".")[-2]].append(step)
    parts = [
        heading(1, "Steps"),
        "Each is a pure function with typed parameters; this is what the panels, the command line "
        "and the parameter files know of them. [Official steps](../official/index.md) have pages "
        "of their own.",
    ]
    for name, title in _GROUPS.items():
        rows = [(f"[{s.name}]({s.name}.md)", s.summary) for s in groups[name]]
        parts += [
            heading(2, title),
            table(("step", "what it does"), rows),
            tree(s.name for s in groups[name]),
        ]
    yield "index", page(parts)
    for step in registry.values():
        yield step.name, page(_step(step, used.get(step.name, ())))


def _used() -> dict[str, list[str]]:
    """Recipes of modes that have a step."""
    found: dict[str, list[str]] = {}
    for name in mode_names():
        for stage in Recipe.load(name):
            found.setdefault(stage.step, []).append(name)
    return found


def _step(step: Step, modes: Sequence[str]) -> Iterator[str]:
    module = inspect.getmodule(step.function)
    yield heading(1, step.name)
    yield prose(module.__doc__ if module else "", 2)
    yield heading(2, "What it does to a product")
    yield prose(inspect.getdoc(step.function))
    yield _facts(step)
    yield heading(2, "Parameters")
    yield parameters(fields_of(step.params))
    if fields_of(step.params):
        yield f"The same in a terminal: `jwinteractive steps {step.name}`."
    if step.own_views:
        yield heading(2, "Views of its own")
        yield "\n".join(f"- {view.title}" for view in step.own_views)
    if modes:
        yield heading(2, "Modes that have it")
        yield ", ".join(f"[{name}](../modes/{page_of(name)}.md)" for name in modes)


def _facts(step: Step) -> str:
    told = step.describe()
    around = {0: "itself", 1: "itself and 1 pixel around it", "all of it": "all of the product"}
    halo = told["halo"]
    reach = halo if isinstance(halo, str) else f"itself and {halo} pixels around it"
    references = [
        code(need.kind.reftype) + (" (where there is one)" if need.optional else "")
        for need in step.needs.values()
    ]
    rows = [
        ("takes", told["takes"]),
        ("gives", told["gives"]),
        ("references", ", ".join(references) or "none"),
        ("a pixel depends on", around.get(halo, reach)),
        ("measures first", "yes: over the whole exposure, or the set" if step.models else "no"),
        ("status keyword", code(f"meta.cal_step.{step.cal_step}")),
    ]
    return table(("", ""), rows)


def official_pages() -> Iterator[tuple[str, str]]:
    """Names and texts of the pages of official steps, and of what lists them.

    Raises
    ------
    StepError
        If the official package is not installed.
    """
    head = [
        heading(1, "Official steps"),
        "Every step of the installed `jwst` package is a step here too, called `official_jump` and "
        "so on. Its parameters are read from the package; ranges, units and words that it does not "
        "give come from a small table of ours.",
    ]
    known, steps = catalogue(), official_steps()
    groups = _staged(known)
    rows = [
        (f"[{_STAGES[group][0]}]({group}.md)", ", ".join(f"[{a}](#{OFFICIAL}{a})" for a in aliases))
        for group, aliases in groups.items()
    ]
    version = f"These are the steps of `jwst` {known.version}."
    yield "index", page([*head, version, table(("pages", "steps"), rows), tree(groups)])
    for group, aliases in groups.items():
        parts = [heading(1, _STAGES[group][0])]
        for alias in aliases:
            parts += _official(steps[OFFICIAL + alias], known)
        yield group, page(parts)


def _staged(known: Catalogue) -> dict[str, list[str]]:
    """Aliases by the first stage that has the step."""
    groups: dict[str, list[str]] = {name: [] for name in _STAGES}
    for alias, described in known.steps.items():
        group = next(
            (g for g, (_, own) in _STAGES.items() if set(own) & set(described.pipelines)), "others"
        )
        groups[group].append(alias)
    return groups


def _official(step: Step, known: Catalogue) -> Iterator[str]:
    described = known.steps[step.name.removeprefix(OFFICIAL)]
    native = described.alias in registry
    yield heading(2, step.name, step.name)
    yield prose(described.doc.partition("\n\n")[0])
    rows = [
        ("pipelines", ", ".join(described.pipelines) or "none"),
        ("references", ", ".join(map(code, described.reftypes)) or "none"),
        ("suffix", code(described.suffix) if described.suffix else "of the pipeline"),
        ("preview of a box", "at once" if step.local is not None else "after the whole step"),
        (
            "native form",
            f"[{described.alias}](../steps/{described.alias}.md)" if native else "none",
        ),
    ]
    yield table(("", ""), rows)
    yield parameters(fields_of(step.params))
