"""What the installed official package is found to have: order by mode, bounds, dead knobs."""

import re
import subprocess
import sys

import pytest

from jwinteractive.errors import ParamError
from jwinteractive.official.catalogue import catalogue
from jwinteractive.official.parameters import _overlay, from_official, params_of, to_official
from jwinteractive.official.recipes import mixed_recipe, official_recipe
from jwinteractive.params import fields_of
from jwinteractive.testing import example_exposure, example_ramp


def test_the_kernel_does_not_import_the_official_package():
    code = (
        "import sys; from jwinteractive.step import registry; registry['official_tweakreg'];"
        "sys.exit(any(m == 'jwst' or m.startswith('jwst.') for m in sys.modules))"
    )
    catalogue()  # so that it is described
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def order(table, pipeline, mode):
    """Order of a mode in the dossier; what the pipeline switched off is struck out there."""
    part = table.split(f"#### {pipeline}", 1)[1].split("####", 1)[0]
    (line,) = re.findall(rf"^\* \*\*{re.escape(mode)}\*\*: (.*)$", part, re.MULTILINE)
    steps = [s.strip() for s in line.split("→")]
    names = {name: alias for alias, name in catalogue().named[pipeline].items()}
    return [names.get(s, s) for s in steps if not s.startswith(("~~", "ERR"))]


def test_orders_are_those_that_the_dossier_lists(real):
    if not catalogue().version.startswith("3.0."):
        pytest.skip("the dossier lists orders of jwst 3.0")
    table = (real.parent / "jwst-steps.md").read_text()
    checked = 0
    for pipeline in ("Detector1Pipeline", "DarkPipeline", "Spec2Pipeline"):
        for mode, steps in catalogue().orders[pipeline].items():
            wanted = order(table, pipeline, mode)
            assert list(steps)[: len(wanted)] == wanted, (pipeline, mode)
            checked += 1
    assert checked == 22


def test_a_bound_of_the_spec_is_kept():
    with pytest.raises(ParamError, match="must be at least 0"):
        from_official("jump", {"rejection_threshold": -1.0})
    assert from_official("jump", {"rejection_threshold": 1e6}).rejection_threshold == 1e6


def test_the_range_of_a_slider_is_no_bound():
    (field,) = (
        f for f in fields_of(params_of(catalogue().steps["tweakreg"])) if f.name == "snr_threshold"
    )
    assert (field.usual.low, field.usual.high) == (1, 50)
    assert from_official("tweakreg", {"snr_threshold": 60.0}).snr_threshold == 60


def test_defaults_lie_where_sliders_move():
    for alias, described in catalogue().steps.items():
        for field in fields_of(params_of(described)):
            if field.usual is not None and field.default is not None:
                assert field.usual.low <= field.default <= field.usual.high, (alias, field.name)


def test_every_number_has_bounds_or_a_usual_range_or_a_reason_why_not():
    for alias, described in catalogue().steps.items():
        fields = {f.name: f for f in fields_of(params_of(described))}
        for knob in described.knobs:
            if knob.kind not in ("float", "integer"):
                continue
            bounded = knob.low is not None and knob.high is not None
            free = _overlay().get(alias, {}).get(knob.name, {}).get("free", "")
            ranged = bounded or fields[knob.name].usual is not None
            assert ranged != bool(free), (alias, knob.name)


def test_usual_ranges_rise_and_lie_within_bounds():
    for alias, described in catalogue().steps.items():
        for field in fields_of(params_of(described)):
            if field.usual is not None:
                low, high = field.usual.low, field.usual.high
                assert low < high, (alias, field.name)
                assert field.low is None or field.low <= low, (alias, field.name)
                assert field.high is None or high <= field.high, (alias, field.name)


def test_a_parameter_acts_with_values_that_another_can_have():
    for alias, described in catalogue().steps.items():
        fields = {f.name: f for f in fields_of(params_of(described))}
        for field in fields.values():
            if field.when is not None:
                other = fields[field.when.name]
                for value in field.when.values:
                    assert other.check(alias, value) == value


@pytest.mark.parametrize("name", ["bkg_fit", "ifu_set_srctype"])
def test_no_value_of_an_option_is_none_and_no_text(name):
    (field,) = (f for f in fields_of(params_of(catalogue().steps["extract_1d"])) if f.name == name)
    assert field.optional
    assert "None" not in field.choices
    params = from_official("extract_1d", {name: "None"})
    assert to_official(params)[name] is None
    first = field.choices[0]
    assert to_official(params.replace(**{name: first}))[name] == first


def test_what_is_said_beside_the_spec_is_of_parameters_that_there_are():
    for alias, knobs in _overlay().items():
        known = {knob.name for knob in catalogue().steps[alias].knobs}
        assert set(knobs) <= known, alias


@pytest.mark.parametrize("name", ["max_shower_amplitude", "use_ellipses"])
def test_knobs_that_do_nothing_say_so(name):
    fields = {f.name: f for f in fields_of(params_of(catalogue().steps["jump"]))}
    assert fields[name].doc.startswith("Does nothing in jwst 3.0.")


def test_lists_are_texts_with_commas():
    params = from_official("resample", {"crpix": [10.5, 20.0]})
    assert params.crpix == "10.5, 20.0"
    assert to_official(params)["crpix"] == [10.5, 20.0]
    with pytest.raises(ParamError, match="numbers with commas between"):
        to_official(params.replace(crpix="ten, twenty"))


def test_the_official_recipe_of_an_image_goes_from_its_ramp_to_a_catalogue():
    ramp = example_ramp(example_exposure(exp_type="NRC_IMAGE"))
    names = [s.step.removeprefix("official_") for s in official_recipe(ramp)]
    assert names[:3] == ["group_scale", "dq_init", "saturation"]
    assert names[-5:] == [
        "tweakreg", "skymatch", "outlier_detection", "resample", "source_catalog"
    ]  # fmt: skip
    assert names.count("resample") == 1
    assert not official_recipe(ramp)["official_clean_flicker_noise"].enabled


def test_the_mixed_recipe_takes_native_steps_where_there_are():
    ramp = example_ramp(example_exposure(exp_type="NRC_IMAGE"))
    names = [s.step for s in mixed_recipe(ramp)]
    assert {"jump", "ramp_fit", "outlier_detection", "official_assign_wcs"} <= set(names)
    assert names.index("ramp_fit") < names.index("official_assign_wcs")
    assert names.index("outlier_detection") < names.index("official_resample")


@pytest.mark.parametrize("exp_type", ["NRC_TSIMAGE", "NRC_CORON", "NIS_AMI"])
def test_only_plain_images_are_resampled_in_the_second_stage(exp_type):
    assert "resample" not in catalogue().order("Image2Pipeline", "", exp_type)
    assert catalogue().order("Image2Pipeline", "NIRCAM", "NRC_IMAGE")[-1] == "resample"


@pytest.mark.parametrize("exp_type", ["NIS_WFSS", "NRC_WFSS", "MIR_WFSS"])
def test_sources_without_a_slit_are_combined_but_not_searched_for_outliers(exp_type):
    steps = catalogue().order("Spec3Pipeline", "", exp_type)
    assert steps[-3:] == ("pixel_replace", "extract_1d", "combine_1d")
    assert not {"outlier_detection", "adaptive_trace_model"} & set(steps)


@pytest.mark.parametrize("exp_type", ["MIR_MRS", "NRS_IFU", "NRS_FIXEDSLIT", "MIR_LRS-FIXEDSLIT"])
def test_spectra_of_resampled_images_are_not_combined(exp_type):
    steps = catalogue().order("Spec3Pipeline", "", exp_type)
    assert "outlier_detection" in steps
    assert "combine_1d" not in steps
