"""The command that lists, shows, compares and tries recipes."""

import dataclasses as dc
import json

import pytest

from jwinteractive.cli import main
from jwinteractive.recipe import Recipe, mode_names
from jwinteractive.simulate import simulate
from jwinteractive.trial import Tried, further, try_recipe

pytest.importorskip("jwst", reason="the official package is not installed")


@pytest.fixture
def run(capsys):
    def run(*arguments):
        code = main(["recipe", *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_list_has_every_mode_with_its_types_and_says_which_have_none(run):
    code, told, _ = run("list")
    assert code == 0
    lines = told.splitlines()
    assert [line.partition(":")[0] for line in lines[: len(mode_names())]] == mode_names()
    assert any(line.startswith("miri_coronagraphy") and "MIR_4QPM" in line for line in lines)
    assert any(line.startswith("# FGS_IMAGE: ") for line in lines)
    named = {one["name"]: one for one in json.loads(run("list", "--json")[1])}
    assert named["miri_tso_imaging"]["tso"] is True


def test_a_shown_recipe_is_a_parameter_file_with_its_reasons(run, tmp_path):
    code, text, _ = run("show", "nirspec_ifu")
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    assert code == 0
    assert Recipe.load(mine) == Recipe.load("nirspec_ifu")
    told = json.loads(run("show", "nirspec_ifu", "--json")[1])
    (snowballs,) = [s for s in told["stages"] if s["step"] == "snowballs"]
    assert snowballs["params"]["expand_factor"] == 3.0
    assert "notebooks" in snowballs["because"]["expand_factor"][0]


def test_what_differs_from_the_official_defaults_is_a_table_with_sources(run):
    code, told, _ = run("diff", "niriss_soss", "--json")
    rows = {(row["step"], row["parameter"]): row for row in json.loads(told)}
    assert code == 0
    percentile = rows["official_bkg_subtract", "soss_source_percentile"]
    assert (percentile["recipe"], percentile["official"]) == (50.0, 35.0)
    assert "SOSS" in percentile["read in"]
    assert rows["jump", "form"]["recipe"] == "native"
    assert rows["clean_flicker_noise", "enabled"]["official"] is False
    text = run("diff", "niriss_soss")[1]
    assert text.splitlines()[-1] == "# the order is the official one"


def test_a_native_part_of_an_official_step_is_compared_with_that(run):
    rows = {
        (row["step"], row["parameter"]): row
        for row in json.loads(run("diff", "nirspec_mos", "--json")[1])
    }
    assert rows["snowballs", "enabled"]["official"] is False
    growth = rows["snowballs", "expand_factor"]
    assert (growth["recipe"], growth["official"]) == (3.0, 2.0)
    assert "NIRSpec MOS" in growth["read in"]
    assert ("snowballs", "method") not in rows  # of the native step alone


def test_what_is_set_nowhere_is_no_difference(run):
    rows = json.loads(run("diff", "miri_imaging", "--json")[1])
    told = {(row["step"], row["parameter"]) for row in rows}
    assert ("dq_init", "form") in told
    assert ("dq_init", "user_supplied_dq") not in told
    assert ("official_picture_frame", "enabled") not in told
    assert ("showers", "enabled") not in told  # off here, and in the official jump


@pytest.mark.parametrize("what", ["show", "diff"])
def test_recipes_that_depend_on_the_exposure_ask_for_one(run, nircam_file, what):
    code, _, said = run(what, "auto")
    assert code == 2
    assert "'auto' is of an exposure: name a FITS file" in said
    assert "nircam_imaging" in run(what, str(nircam_file))[1]


def test_another_order_is_a_row_of_its_own(run, tmp_path):
    recipe = Recipe.load("niriss_soss")
    stages = list(recipe.stages)
    stages.insert(1, stages.pop(2))
    other = tmp_path / "other.toml"
    other.write_text(dc.replace(recipe, stages=tuple(stages)).to_toml())
    rows = json.loads(run("diff", other, "--json")[1])
    (order,) = [row for row in rows if row["parameter"] == "order"]
    assert order["recipe"].split(", ")[1:3] == order["official"].split(", ")[2:0:-1]


def test_an_exposure_is_compared_by_its_mode(run, tmp_path):
    path = simulate("nirspec-ifu", size=(32, 32), ngroups=2).write(tmp_path)
    assert run("diff", path)[1] == run("diff", "nirspec_ifu")[1]
    guider = simulate("nircam", size=(32, 32), ngroups=2, exp_type="FGS_IMAGE")
    code, told, _ = run("diff", guider.write(tmp_path / "other"))
    assert code == 0  # a mode without a recipe: what runs is compared
    assert told.startswith("# nir_detector against the official defaults")


def test_two_recipes_are_compared_and_wrong_ones_refused_in_one_line(run):
    assert "snowballs.expand_factor: 3.0 -> 2.0" in run("diff", "nirspec_fs", "niriss_imaging")[1]
    code, _, error = run("diff", "nir_detector")
    assert code == 2
    assert "is for no single mode" in error
    code, _, error = run("try", "nirspec_iffu")
    assert code == 2
    assert "did you mean 'nirspec_ifu'" in error
    assert run("diff", "nirspec_fs", "nirspec_ifu", "nirspec_mos")[0] == 2


DETECTOR = {"dq_init", "saturation", "linearity", "dark_current", "jump", "ramp_fit", "gain_scale"}


@pytest.mark.parametrize("name", mode_names())
def test_every_mode_runs_on_its_exposures_to_the_first_reference_that_is_not_simulated(
    name, tmp_path
):
    # one goes on to the end with references of the optics: the chains of the others have own tests
    steps, *far = try_recipe(name, tmp_path, far=name == "miri_lrs_slit").values()
    ran = {one.step for one in steps if one.state == "ran"}
    recipe = Recipe.load(name)
    assert {s for s in DETECTOR if recipe[s].enabled} <= ran
    first = next(one for one in steps if one.state == "asks for")
    assert first.step == "official_assign_wcs"
    assert first.why
    after = [one.state for one in steps[steps.index(first) :]]
    assert "ran" not in after
    assert [one.step for one in steps] == [stage.step for stage in recipe]
    assert [one[-1] for one in far] == [Tried("official_extract_1d", "ran")] * len(far)
    assert len(far) == (name == "miri_lrs_slit")


def test_the_command_says_of_each_step_whether_it_ran_and_what_it_asks_for(run, tmp_path):
    code, told, _ = run("try", "nircam_grism_tso", "-o", tmp_path)
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in told.splitlines()[1:]}
    assert code == 0
    assert told.startswith("# raw groups, nircam-grism-tso")
    assert lines["jump"] == "ran"
    assert lines["clean_flicker_noise"] == "left out: switched off in the recipe"
    assert lines["official_assign_wcs"] == "asks for distortion, specwcs, wavelengthrange"
    assert lines["official_flat_field"] == "waits for official_assign_wcs"
    assert list(tmp_path.rglob("*_uncal.fits"))
    for name in ("nircam_imaging", "miri_mrs", "nirspec_ifu"):
        assert further(name) == (name != "nirspec_ifu")
