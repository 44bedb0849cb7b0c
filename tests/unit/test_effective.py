"""Each parameter tells what spec, CRDS, known issues and the user say, and whose value runs."""

import dataclasses as dc
import json

import pytest

import jwinteractive
from jwinteractive import cli
from jwinteractive.effective import trace
from jwinteractive.official.exchange import Settings, read_pars, write_pars
from jwinteractive.recipe import Recipe
from jwinteractive.references import References
from jwinteractive.simulate import simulate

SHAPE = (64, 64)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return simulate("nircam", size=SHAPE, ngroups=3).write(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def exposure(path):
    return jwinteractive.open(path).exposures[0].exposure


@pytest.fixture(autouse=True)
def _no_crds(monkeypatch):
    for name in ("CRDS_PATH", "CRDS_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)


def pars(folder, name, settings, pipeline="", **meta):
    """Write a parameter file that says what it is for, as those of CRDS do."""
    import asdf

    made = write_pars(folder / name, settings, pipeline)
    with asdf.open(made, lazy_load=False, memmap=False) as file:
        tree = dict(file.tree)
    tree["meta"] = {"instrument": {"name": "NIRCAM"}, "useafter": "2022-01-01T00:00:00", **meta}
    asdf.AsdfFile(tree).write_to(made)
    return made


@pytest.fixture
def folder(tmp_path):
    pars(
        tmp_path,
        "jwst_nircam_pars-jumpstep_0001.asdf",
        [Settings("jump", {"rejection_threshold": 5.0, "expand_large_events": True})],
    )
    return tmp_path


def of(stage, exposure, folder=None, **more):
    return trace(stage, exposure, SHAPE, References(folder), **more)


def stage(step="official_jump", **values):
    return Recipe.of(step).with_params(step, **values)[step]


def test_all_four_columns_are_told_apart(exposure, folder):
    traced = of(stage(min_sat_area=3.0), exposure, folder)
    row = traced["rejection_threshold"]
    assert (row.default, row.crds, row.value, row.source) == (4.0, 5.0, 4.0, "default")
    assert row.crds_file == "jwst_nircam_pars-jumpstep_0001.asdf"
    assert row.official == 5.0
    assert row.contested
    large = traced["expand_large_events"]
    assert (large.crds, large.recommended, large.value) == (True, False, False)
    assert large.recommended_source.startswith("snowballs-few-groups: Known issues")
    own = traced["min_sat_area"]
    assert (own.user, own.value, own.source) == (3.0, 3.0, "yours")
    assert not traced["edge_size"].contested
    assert traced.note == ""


def test_a_value_says_whose_it_is(exposure, folder):
    traced = of(stage(rejection_threshold=5.0), exposure, folder)
    assert traced["rejection_threshold"].source == "crds"
    flicker = Recipe.of("official_clean_flicker_noise")["official_clean_flicker_noise"]
    assert of(flicker, exposure)["skip"].source == "recommended"
    assert of(flicker.with_enabled(False), exposure)["skip"].source == "default"


def test_the_recipe_of_the_mode_recommends_what_it_gives_reasons_for(exposure):
    kind = {"exp_type": "MIR_LRS-FIXEDSLIT", "instrument": "MIRI", "detector": "MIRIMAGE"}
    lrs = dc.replace(exposure, **kind)
    row = of(stage("jump"), lrs)["method"]
    assert row.recommended == Recipe.load("miri_lrs_slit")["jump"].params.method
    assert row.recommended != row.default
    assert row.recommended_source.startswith("recipe miri_lrs_slit: jwst-pipeline-notebooks")
    # where a known issue says so too, that is named
    threshold = of(stage("official_jump"), dc.replace(lrs, ngroups=9))["rejection_threshold"]
    assert threshold.recommended_source.startswith("lrs-showers: ")
    assert of(stage("official_jump"), exposure)["rejection_threshold"].recommended_source == ""


def test_native_steps_hear_what_is_recommended_to_the_official_one_they_are_part_of(exposure):
    row = of(stage("snowballs"), exposure)["skip"]
    assert (row.recommended, row.value) == (True, False)
    assert row.recommended_source.startswith("snowballs-few-groups")


def test_a_pipeline_goes_before_its_step(exposure, folder):
    pars(
        folder,
        "jwst_nircam_pars-detector1pipeline_0001.asdf",
        [Settings("jump", {"rejection_threshold": 7.0}, skip=True)],
        "Detector1Pipeline",
    )
    traced = of(stage(), exposure, folder)
    assert traced["rejection_threshold"].crds == 7.0
    assert traced["skip"].crds is True
    assert traced["expand_large_events"].crds is True  # of which the pipeline says nothing


def test_a_file_of_another_mode_does_not_count(exposure, tmp_path):
    pars(
        tmp_path,
        "a.asdf",
        [Settings("jump", {"rejection_threshold": 9.0})],
        exposure={"type": "NRC_GRISM"},
    )
    assert of(stage(), exposure, tmp_path)["rejection_threshold"].crds_file == ""


def test_a_native_step_hears_crds_where_the_parameter_is_the_same(exposure, folder):
    traced = of(stage("jump"), exposure, folder)
    assert traced["rejection_threshold"].crds == 5.0
    assert traced["likelihood_threshold"].crds_file == ""


def test_without_crds_one_line_says_so_and_nothing_fails(exposure, monkeypatch):
    assert of(stage(), exposure).note.startswith("no parameter files: give a folder")
    references = References(crds=True)
    references.crds_said = "no server can be reached"
    said = trace(stage(), exposure, SHAPE, references).note
    assert said == "CRDS cannot be asked for parameter files: no server can be reached"


def test_a_damaged_file_says_nothing(exposure, folder):
    (folder / "jwst_nircam_pars-jumpstep_0001.asdf").write_text("#ASDF 1.0.0\nnonsense: [")
    assert of(stage(), exposure, folder)["rejection_threshold"].crds_file == ""


def test_a_step_that_the_official_recipes_have_off_is_not_off_by_the_user(exposure):
    recipe = Recipe.of("official_ipc").with_enabled("official_ipc", False)
    row = of(recipe["official_ipc"], exposure)["skip"]
    assert (row.default, row.value, row.source) == (False, True, "recommended")
    assert "parameter files switch it off" in row.recommended_source


def test_steps_of_a_file_tell_once_what_none_of_them_takes(path, tmp_path, capsys):
    given = tmp_path / "given.cfg"
    lines = ['name = "Detector1Pipeline"', 'class = "jwst.pipeline.Detector1Pipeline"', "[steps]"]
    for step in ("jump", "ramp_fit"):
        lines += [f"[[{step}]]", 'suffix = "mine"', "save_results = True"]
    given.write_text("\n".join(lines))
    assert cli.main(["params", str(path), "--import", str(given)]) == 0
    said = capsys.readouterr().err
    assert "given.cfg: jump, ramp_fit: left out suffix, save_results\n" in said


def test_the_command_shows_where_values_come_from(path, folder, capsys):
    assert cli.main(["params", str(path), "--step", "jump", "--refs", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "rejection_threshold = 4.0 [default]; CRDS 5.0 (jwst_nircam_pars-jumpstep" in text
    assert "recommended False (snowballs-few-groups" in text
    assert cli.main(["params", str(path), "--step", "jump", "--changed", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["official_jump"]
    assert told["note"].startswith("no parameter files")
    assert {row["name"] for row in told["parameters"]} == set()


@pytest.mark.parametrize("form", ["asdf", "cfg", "strun", "call"])
def test_what_is_exported_is_taken_again(form, path, tmp_path, capsys):
    given = write_pars(
        tmp_path / "given.asdf",
        [Settings("Detector1Pipeline", {"save_calibrated_ramp": True}),
         Settings("jump", {"rejection_threshold": 8.0}, skip=True)],
    )  # fmt: skip
    to = str(tmp_path / f"out.{form}") if form in ("asdf", "cfg") else form
    assert cli.main(["params", str(path), "--import", str(given), "--export", to]) == 0
    out = capsys.readouterr().out
    if to == form:
        (tmp_path / "out.txt").write_text(out)
        to = str(tmp_path / "out.txt")
    else:
        own, *steps = read_pars(to)
        assert own == Settings("Detector1Pipeline", {"save_calibrated_ramp": True})
        assert {s.alias for s in steps} > {"jump", "ramp_fit"}
    arguments = ["params", str(path), "--import", to, "--step", "jump", "--json"]
    assert cli.main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)["official_jump"]["parameters"]
    values = {row["name"]: (row["value"], row["source"]) for row in rows}
    assert values["rejection_threshold"] == (8.0, "yours")
    assert values["skip"] == (True, "yours")
    assert values["expand_large_events"][0] is False


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--export", "out.txt"], 'name a .asdf or a .cfg file, or "strun" or "call"'),
        (["--pipeline", "Image5Pipeline", "--export", "strun"], "did you mean 'Image"),
        (["--recipe", "auto", "--export", "strun"], "no official step to export"),
        (["--step", "jmp"], "no step 'jmp' in recipe"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, words, path, capsys):
    assert cli.main(["params", str(path), *arguments]) in (2, 3)
    assert words in capsys.readouterr().err
