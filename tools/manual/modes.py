"""A page for each observing mode: its steps, the values that they have there, its known issues."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator, Mapping
from typing import Final

from jwinteractive.data import Exposure
from jwinteractive.known import Condition, Known, known_issues
from jwinteractive.official.recipes import WITHOUT_RECIPE
from jwinteractive.recipe import Recipe, mode_names
from jwinteractive.stages import ENABLED, Reason, Stage
from jwinteractive.step import registry
from manual.text import code, heading, page, table
from manual.tutorials import binder_link, title_of, tutorials

__all__ = ["mode_pages", "page_of"]

_TUTORIALS: Final[Mapping[str, tuple[str, ...]]] = {
    "miri_mrs": ("mrs_cube",),
    "nircam_imaging": ("outliers", "flicker_noise"),
    "nirspec_fs": ("nirspec_slit",),
}
"""Those of modes that are not named as their mode."""


def mode_pages() -> Iterator[tuple[str, str]]:
    """Names and texts of the pages of modes, and of what lists them."""
    recipes = {name: Recipe.load(name) for name in mode_names()}
    rows = [
        (f"[{_title(r)}]({page_of(name)}.md)", _way(r), ", ".join(map(code, r.exp_types)))
        for name, r in recipes.items()
    ]
    without = [f"- {code(kind)}: {why}." for kind, why in WITHOUT_RECIPE.items()]
    parts = [
        heading(1, "Observing modes"),
        "What each mode goes through, which values are recommended for it, who says so, and what "
        "is known to go wrong. A file is matched to its mode by its header.",
        table(("mode", "", "`EXP_TYPE`"), rows),
        "Without a recipe of their own:",
        "\n".join(without),
    ]
    yield "index", page(parts)
    for name, recipe in recipes.items():
        yield page_of(name), page(_mode(name, recipe))


def page_of(mode: str) -> str:
    """Name of the page of a mode, which addresses are made of."""
    return mode.replace("_", "-")


def _title(recipe: Recipe) -> str:
    return recipe.summary.partition(":")[0]


def _way(recipe: Recipe) -> str:
    return recipe.summary.partition(":")[2].strip().removesuffix(".")


def _mode(name: str, recipe: Recipe) -> Iterator[str]:
    series = {None: "", True: "; time series only", False: "; no time series"}[recipe.tso]
    yield heading(1, _title(recipe))
    types = ", ".join(map(code, recipe.exp_types))
    yield f"{_way(recipe).capitalize()}. `EXP_TYPE` {types}{series}."
    yield "\n".join(
        [
            "```sh",
            f"jwinteractive run {name} jw*_uncal.fits -o out   # the whole way",
            f"jwinteractive recipe diff {name}   # against the official defaults",
            f"jwinteractive recipe show {name}   # every value, as a parameter file",
            "```",
        ]
    )
    yield from _tutorials(name)
    yield heading(2, "Steps, in order")
    yield table(
        ("", "step", "", "values that are not the step's defaults"),
        [
            (str(i), code(s.step), "on" if s.enabled else "off", ", ".join(_values(s)))
            for i, s in enumerate(recipe, 1)
        ],
    )
    told = [
        (code(s.step), _of(s, r), r.why, f"{r.source}, {r.date}") for s in recipe for r in s.because
    ]
    if told:
        yield heading(2, "Why these values")
        yield table(("step", "value", "why", "read in"), told)
    yield from _issues(recipe)


def _tutorials(mode: str) -> Iterator[str]:
    known = {path.stem: path for path in tutorials()}
    names = [*[mode] * (mode in known), *_TUTORIALS.get(mode, ())]
    for path in map(known.__getitem__, names):
        yield (
            f"Tutorial: [{title_of(path)}](../../notebooks/{path.name}), "
            f"[run it on Binder]({binder_link(path)})."
        )


def _values(stage: Stage) -> list[str]:
    default = registry[stage.step].params()
    return [
        code(f"{name} = {_word(value)}")
        for name, value in stage.params.as_dict().items()
        if value != getattr(default, name)
    ]


def _of(stage: Stage, reason: Reason) -> str:
    if reason.of == ENABLED:
        return "on" if stage.enabled else "off"
    return code(f"{reason.of} = {_word(getattr(stage.params, reason.of))}")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _issues(recipe: Recipe) -> Iterator[str]:
    exposures = [
        Exposure(instrument=i, detector="", exp_type=e, tso=tso)
        for i in recipe.instruments
        for e in recipe.exp_types
        for tso in ((False, True) if recipe.tso is None else (recipe.tso,))
    ]
    found = [known for known in known_issues() if any(_of_mode(known, e) for e in exposures)]
    if not found:
        return
    yield heading(2, "Known issues")
    yield "`jwinteractive issues FILE` says which of these are of a file."
    yield "\n".join(map(_issue, found))


def _of_mode(known: Known, exposure: Exposure) -> bool:
    """Whether an issue may be of the exposures of a mode, whatever else their headers say."""
    return dc.replace(known, when=Condition(tso=known.when.tso)).applies(exposure)


def _issue(known: Known) -> str:
    code_of = f" ({known.code})" if known.code else ""
    when = _condition(known.when)
    lines = [f"- **{known.id}**{code_of}: {known.fact}"]
    if when:
        lines.append(f"Where {when}.")
    if known.check:
        lines.append("Measured in the data.")
    if known.remedies:
        lines.append("Remedy: " + ", ".join(code(r) for r in known.remedies) + ".")
    if known.advice:
        lines.append(known.advice)
    sources = [f"[{s.title}]({s.url})" if s.url else s.title for s in known.sources]
    days = sorted({s.date for s in known.sources})
    withdrawn = ", since withdrawn" if known.deprecated else ""
    lines.append(f"Source: {'; '.join(sources)}, read {', '.join(days)}{withdrawn}.")
    return "\n  ".join(lines)


def _condition(when: Condition) -> str:
    words = [f"{n} is {' or '.join(map(code, values))}" for n, values in when.among.items()]
    words += [f"{n} is not {' or '.join(map(code, v))}" for n, v in when.not_among.items()]
    words += [f"{n} is {low} to {high}" for n, (low, high) in when.between.items()]
    if when.versions is not None:
        low, high = when.versions
        words.append(
            "`jwst` "
            + " ".join([f"from {low}"] * bool(low) + [f"before {high}"] * bool(high))
            + " made it"
        )
    return " and ".join(words)
