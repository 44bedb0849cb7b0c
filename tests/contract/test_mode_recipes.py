"""What holds for the recipe of every mode."""

import datetime

import pytest

from jwinteractive.errors import ParamError, RecipeError
from jwinteractive.known import applying, as_native
from jwinteractive.known.catalogue import SKIP
from jwinteractive.official.catalogue import catalogue
from jwinteractive.official.modes import AS_INTEGRATIONS, IMAGES, SERIES, SPECTRA
from jwinteractive.official.recipes import WITHOUT_RECIPE, official_order
from jwinteractive.plan import OpenFile, plan_of
from jwinteractive.recipe import Recipe, mode_names, mode_of
from jwinteractive.references import References
from jwinteractive.stages import ENABLED
from jwinteractive.step import OFFICIAL
from jwinteractive.testing import example_exposure, example_ramp

RECIPES = {name: Recipe.load(name) for name in mode_names()}
# parts of the official jump, what the official pipelines do by files, or nobody's
OURS = {"snowballs", "showers", "integrations", "user_flags"}
ON = {"integrations", "user_flags"}
every_mode = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())


def exposure_of(recipe):
    kind = recipe.exp_types[0]
    series = bool(recipe.tso) or kind in (*SERIES, "NRC_TSIMAGE")
    return example_exposure(recipe.instruments[0], exp_type=kind, tso=series)


def alias(stage):
    return stage.step.removeprefix(OFFICIAL)


def usual(stage):
    """Whether the official pipeline has the step on; of our own steps: that it is off."""
    known = catalogue().steps.get(alias(stage))
    return not known.skipped if known and alias(stage) != "ipc" else alias(stage) in ON


@every_mode
def test_it_has_the_official_steps_of_its_mode_in_the_official_order(recipe):
    mine = [alias(stage) for stage in recipe if alias(stage) not in OURS]
    exposure = exposure_of(recipe)
    only_nirspec = {"picture_frame"} if exposure.instrument == "MIRI" else set()
    assert mine == [a for a in official_order(exposure) if a not in only_nirspec]


@every_mode
def test_whatever_differs_from_the_official_default_has_a_source_and_a_date(recipe):
    base = {stage.step: stage for stage in Recipe.load(base_of(exposure_of(recipe)))}
    for stage in recipe:
        told = {reason.of for reason in stage.because}
        if stage.step in base and stage == base[stage.step]:
            continue  # the part of the way says it of all its modes
        assert stage.params.changed().keys() <= told, stage.step
        assert stage.enabled == usual(stage) or ENABLED in told, stage.step
        for reason in stage.because:
            assert datetime.date.fromisoformat(reason.date) >= datetime.date(2026, 1, 1)
            assert len(reason.source) > 8


def remedies(recipe):
    """Remedies (step, parameter, value) of the issues of a mode, as a recipe has them, with ids."""
    for known in applying(exposure_of(recipe)):
        for one in map(as_native, known.remedies):
            skip = one.parameter == SKIP
            value = not one.value if skip else one.value
            name = ENABLED if skip else one.parameter
            yield (one.step, name, str(value).lower()), known.id


@every_mode
def test_a_value_that_is_the_remedy_of_a_known_issue_names_it_and_no_other(recipe):
    known = {}
    for what, issue in remedies(recipe):
        known.setdefault(what, set()).add(issue)
    for stage in recipe:
        for reason in stage.because:
            on = reason.of == ENABLED
            value = stage.enabled if on else getattr(stage.params, reason.of)
            of = known.get((alias(stage), reason.of, str(value).lower()), {""})
            assert reason.issue in of, f"{stage.step}.{reason.of}"


@every_mode
def test_it_can_be_planned_from_raw_groups_to_its_last_step(recipe, tmp_path):
    ramp = example_ramp(exposure_of(recipe), (64, 64))
    plan = plan_of(OpenFile(tmp_path, ramp, "key"), recipe, References())
    assert [p.stage for p in plan] == list(recipe)
    assert not any(p.skipped.startswith("the file is already") for p in plan)


@every_mode
def test_it_goes_on_with_integrations_just_where_the_official_pipelines_do(recipe):
    series = recipe.tso or bool({*AS_INTEGRATIONS} & {*recipe.exp_types})
    assert ("integrations" in recipe) == series


@every_mode
def test_it_comes_back_from_its_text_with_its_reasons(recipe):
    again = Recipe.from_toml(recipe.to_toml())
    assert again == recipe
    assert [s.because for s in again] == [s.because for s in recipe]


@every_mode
def test_its_values_are_picked_for_its_exposures_on_the_native_steps_that_are_usual(recipe):
    exposure = exposure_of(recipe)
    ramp = example_ramp(exposure, (64, 64))
    found, part = Recipe.auto(ramp), Recipe.load(base_of(exposure))
    assert found.name == recipe.name
    assert [s.step for s in found] == [s.step for s in part]
    assert [s.params for s in found] == [recipe[s.step].params for s in found]
    assert [s.enabled for s in found] == [s.enabled for s in part]
    assert Recipe.of_mode(ramp) == recipe


def test_a_mode_without_a_recipe_says_what_to_take():
    ramp = example_ramp(example_exposure("NIRCAM", exp_type="FGS_IMAGE"), (64, 64))
    assert Recipe.auto(ramp) == Recipe.load("nir_detector")
    with pytest.raises(RecipeError, match="EXP_TYPE = 'FGS_IMAGE' has no recipe of its own"):
        Recipe.of_mode(ramp)


def base_of(exposure):
    return "miri_detector" if exposure.instrument == "MIRI" else "nir_detector"


@pytest.mark.parametrize("exp_type", sorted({*IMAGES, *SPECTRA}))
@pytest.mark.parametrize("tso", [False, True])
def test_every_mode_has_one_recipe_or_it_is_said_why_not(exp_type, tso):
    of = [r for r in RECIPES.values() if exp_type in r.exp_types and r.tso in (None, tso)]
    exposure = example_exposure("NIRCAM", exp_type=exp_type, tso=tso)
    if exp_type in WITHOUT_RECIPE:
        assert not of
        assert mode_of(exposure) == ""
        assert len(WITHOUT_RECIPE[exp_type]) > 20
    else:
        assert [r.name for r in of] == [mode_of(exposure)]


def test_without_the_official_package_a_mode_keeps_its_native_steps(monkeypatch):
    whole = Recipe.load("nircam_imaging")
    monkeypatch.setattr("jwinteractive.recipe.find_spec", lambda name: None)
    alone = Recipe.load("nircam_imaging")
    assert list(alone) == [s for s in whole if not s.step.startswith(OFFICIAL)]
    assert alone["snowballs"].enabled


STAGE = 'exp_types = ["NRC_IMAGE"]\n[[stage]]\nstep = "jump"\n'


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("because.jmp = {}", RecipeError, "jump.jmp: no such parameter"),
        ("because.enabled = {}", RecipeError, "needs a source and a date"),
        ('because.enabled = "x"', RecipeError, "needs a source and a date"),
        ('because.enabled = {source = "a", date = "b"}', RecipeError, "date = 'b': must be a day"),
        ('because.enabled = {source = "a", date = "2026-01-01", who = "x"}', RecipeError, "'who'"),
        ("why = 1", RecipeError, "recipe stage entry 'why'"),
        ("params = {rejection_treshold = 1.0}", ParamError, "rejection_threshold"),
    ],
)
def test_a_wrong_stage_is_refused_in_one_line(text, error, says):
    with pytest.raises(error, match=says) as told:
        Recipe.from_toml(STAGE + text)
    assert "\n" not in str(told.value)


def test_a_wrong_base_is_refused():
    with pytest.raises(RecipeError, match="did you mean 'nir_detector'"):
        Recipe.from_toml('base = "nir_detectr"\n' + STAGE)


def test_a_changed_value_loses_its_reason_and_others_keep_theirs():
    stage = Recipe.load("nirspec_ifu").with_params("snowballs", expand_factor=2.5)["snowballs"]
    assert stage.reason("expand_factor") is None
    assert stage.reason(ENABLED)
    assert stage.with_enabled(False).reason(ENABLED) is None
