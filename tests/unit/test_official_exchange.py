"""Official parameters come back from every form that users keep them in."""

import importlib

import pytest

from jwinteractive.errors import InputError, OutputError, ParamError
from jwinteractive.official.catalogue import catalogue
from jwinteractive.official.exchange import (
    Settings,
    call_text,
    read_call,
    read_pars,
    read_strun,
    strun_line,
    write_pars,
)
from jwinteractive.official.parameters import params_of, to_official
from jwinteractive.recipe import Recipe

STEPS = catalogue().steps
PIPELINES = catalogue().pipelines
every = pytest.mark.parametrize("alias", sorted(STEPS))


def other(knob):
    match knob.kind:
        case "option":
            return next(c for c in knob.choices if c != knob.default)
        case "boolean":
            return not knob.default
        case "float":
            low = knob.low if knob.low is not None else 0.0
            return next(v for v in (low + 0.125, low + 0.25) if v != knob.default)
        case "integer":
            low = int(knob.low) if knob.low is not None else 0
            return next(v for v in (low + 1, low + 2) if v != knob.default)
        case "float_list":
            return [1.5, -2.0]
        case "int_list":
            return [3, 4]
    if "list" in knob.kind:
        return ["one", "two"]
    return "it's a text, with = and # in it"


def settings(alias):
    described = catalogue().described(alias)
    return Settings(alias, {k.name: other(k) for k in described.knobs}, not described.skipped)


@every
@pytest.mark.parametrize("ending", ["asdf", "cfg"])
def test_a_file_comes_back(alias, ending, tmp_path):
    (again,) = read_pars(write_pars(tmp_path / f"pars.{ending}", [settings(alias)]))
    assert again == settings(alias)
    for name, value in settings(alias).values.items():
        assert type(again.values[name]) is type(value), name


@every
def test_a_command_line_comes_back(alias):
    assert read_strun(strun_line([settings(alias)], "a b.fits")) == (settings(alias),)


@every
def test_a_call_comes_back(alias):
    assert read_call(call_text([settings(alias)])) == (settings(alias),)


@every
def test_a_stage_comes_back(alias):
    assert Settings.of(settings(alias).stage()) == settings(alias)


def spelt_out(alias):
    """Settings of a recipe's stage: defaults too, which may be None."""
    name = f"official_{alias}"
    return Settings.of(Recipe.of(name)[name])


def official(alias):
    module, _, name = STEPS[alias].cls.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("alias", ["jump", "tweakreg", "resample", "outlier_detection"])
@pytest.mark.parametrize("ending", ["asdf", "cfg"])
@pytest.mark.parametrize("made", [settings, spelt_out])
def test_the_official_package_reads_our_files(alias, ending, made, tmp_path):
    path = write_pars(tmp_path / f"pars.{ending}", [made(alias)])
    step = official(alias).from_config_file(str(path))
    for name, value in made(alias).values.items():
        assert getattr(step, name) == value, name


@pytest.mark.parametrize("alias", ["jump", "tweakreg", "source_catalog"])
def test_ours_reads_what_the_official_package_writes(alias, tmp_path):
    step = official(alias)(**settings(alias).values)
    step.export_config(str(tmp_path / "pars.asdf"))
    (read,) = read_pars(tmp_path / "pars.asdf")
    assert {k: v for k, v in read.values.items() if v is not None} == settings(alias).values


@pytest.mark.parametrize(
    ("pipeline", "aliases"),
    [("Detector1Pipeline", ("dq_init", "jump")), ("Spec2Pipeline", ("imprint", "photom"))],
)
def test_the_settings_of_a_pipeline_come_back_step_by_step(pipeline, aliases, tmp_path):
    several = [settings(alias) for alias in aliases]
    cls = getattr(importlib.import_module("jwst.pipeline"), pipeline)
    for ending in ("asdf", "cfg"):
        path = write_pars(tmp_path / f"all.{ending}", several, pipeline)
        assert list(read_pars(path)) == several
        cls.from_config_file(str(path))
    assert list(read_strun(strun_line(several, pipeline=pipeline))) == several
    assert list(read_call(call_text(several, pipeline=pipeline))) == several
    with pytest.raises(InputError, match="name the pipeline"):
        write_pars(tmp_path / "none.asdf", several)


@pytest.mark.parametrize("pipeline", sorted(PIPELINES))
@pytest.mark.parametrize("inside", [(), ("resample",), ("jump", "ramp_fit")])
def test_what_a_pipeline_itself_is_told_comes_back_with_its_steps(pipeline, inside, tmp_path):
    several = [settings(pipeline), *(settings(alias) for alias in inside)]
    assert {"save_results", "output_dir"} <= several[0].values.keys()
    for ending in ("asdf", "cfg"):
        assert list(read_pars(write_pars(tmp_path / f"all.{ending}", several))) == several
    assert list(read_strun(strun_line(several))) == several
    assert list(read_call(call_text(several))) == several


def test_the_official_pipeline_takes_what_we_say_of_it(tmp_path):
    own = Settings("Image3Pipeline", {"in_memory": False, "save_results": True})
    cls = importlib.import_module("jwst.pipeline").Image3Pipeline
    for ending in ("asdf", "cfg"):
        path = write_pars(tmp_path / f"own.{ending}", [own, settings("skymatch")])
        made = cls.from_config_file(str(path))
        assert (made.in_memory, made.save_results) == (False, True)
        assert made.skymatch.skymethod == settings("skymatch").values["skymethod"]
    assert strun_line([own]).endswith("FILE --in_memory=False --save_results=True")
    assert call_text([own]) == 'Image3Pipeline.call("FILE", in_memory=False, save_results=True)'


def test_a_pipeline_is_no_stage_and_two_are_no_call():
    one, two = (
        Settings(name, {"save_results": True}) for name in ("Image2Pipeline", "Image3Pipeline")
    )
    with pytest.raises(InputError, match="is a pipeline"):
        one.stage()
    with pytest.raises(InputError, match="take one pipeline"):
        call_text([one, two])


def test_real_parameter_files_are_read(real):
    for name in ("calwebb_det1", "calwebb_spec2", "calwebb_spec3"):
        found = read_pars(real / f"spec/manual_{name}.asdf")
        assert len(found) > 5
        assert found[0].of_pipeline
        assert not any(one.of_pipeline for one in found[1:])
        for one in found[1:]:
            if one.alias != "master_background_mos":
                Recipe((one.stage(),))
    (tweakreg,) = read_pars(real / "refs/pars_like/jwst_miri_pars-tweakreg_0001.asdf")
    assert tweakreg.alias == "tweakreg"


def test_defaults_are_not_written_into_a_command():
    one = Settings("jump", to_official(params_of(STEPS["jump"])()))
    assert strun_line([one]) == "strun jump FILE"
    assert call_text([one]) == 'JumpStep.call("FILE")'


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_strun, "strun jmp x.fits", "did you mean 'jump'"),
        (read_strun, "strun jump x --rejection_threshold=abc", "needs a value of kind float"),
        (read_call, "__import__('os').system('x')", "^step "),
        (read_call, "JumpStep.call(x, skip=open('f'))", "is no call of a step"),
        (read_strun, "", "no step in this command line"),
        (read_call, "# a readme\n" * 99, r"^'# a readme.{60,100}'\.\.\.: is no call of a step"),
    ],
)
def test_what_cannot_be_read_is_said(read, text, words):
    with pytest.raises(InputError, match=words):
        read(text)


def test_a_file_that_is_none_is_said(tmp_path):
    (tmp_path / "a.asdf").write_text("no")
    with pytest.raises(InputError, match=r"a.asdf: is no file of official parameters"):
        read_pars(tmp_path / "a.asdf")


@pytest.mark.parametrize("ending", ["asdf", "cfg"])
def test_a_folder_that_is_not_there_is_said(ending, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_pars(tmp_path / "no" / f"a.{ending}", [settings("jump")])


def test_a_command_may_go_on_in_the_next_line():
    (one,) = read_strun("strun jump x.fits \\\n--rejection_threshold=5 \\\n  --skip=true")
    assert one == Settings("jump", {"rejection_threshold": 5.0}, skip=True)


def test_infinity_comes_back_from_a_call():
    one = Settings("jump", {"rejection_threshold": float("inf")})
    assert read_call(call_text([one])) == (one,)
    two = (Settings("Detector1Pipeline", {"save_results": True}), one)
    assert read_call(call_text(two)) == two


@pytest.mark.parametrize(
    ("name", "value"),
    [("rejection_threshold", "five"), ("min_diffs_single_pass", 2.5), ("expand_factor", [1.0])],
)
def test_a_value_of_another_kind_is_refused_by_name(name, value):
    with pytest.raises(ParamError, match=f"{name} = "):
        Settings("jump", {name: value}).stage()


def test_a_truth_of_another_version_is_no_text_of_this_one():
    one = Settings.sorted_out("persistence", {"save_persistence": False, "persistence_dnu": True})
    assert one.values == {"persistence_dnu": True}
    assert one.left_out == ("save_persistence",)
