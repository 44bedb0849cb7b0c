"""Every mode has an official recipe that runs until a step asks for a missing reference."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive.data import Filed, Ramp
from jwinteractive.errors import MissingReference, RecipeError
from jwinteractive.official.modes import DARKS, GUIDERS, IMAGES, MASKED, SERIES, SPECTRA

DETECTORS = {
    "FGS": ("FGS", "GUIDER1"), "MIR": ("MIRI", "MIRIMAGE"), "NIS": ("NIRISS", "NIS"),
    "NRC": ("NIRCAM", "NRCA1"), "NRS": ("NIRSPEC", "NRS1"),
}  # fmt: skip
READ = {"MIR": "FASTR1", "NRS": "NRSRAPID"}
SIZE = 32
MODES = tuple(dict.fromkeys((*IMAGES, *SPECTRA)))
ASKS = {"NRS": "wavelengthrange"}  # of assign_wcs: the type that it asks for first
LAST = {
    "NRC_IMAGE": "source_catalog", "MIR_IMAGE": "source_catalog", "NIS_IMAGE": "source_catalog",
    "FGS_IMAGE": "source_catalog", "NRC_TSIMAGE": "tso_photometry", "NIS_AMI": "ami_normalize",
    "MIR_MRS": "spectral_leak", "NIS_SOSS": "white_light",
    **dict.fromkeys(MASKED, "resample"),
    **dict.fromkeys(("NIS_WFSS", "NRC_WFSS", "MIR_WFSS"), "combine_1d"),
    **dict.fromkeys(("NRC_TSGRISM", "NRS_BRIGHTOBJ", "MIR_LRS-SLITLESS"), "white_light"),
}  # fmt: skip


def write(model, kind, path):
    """Write a small exposure of a mode with the least that its header needs."""
    instrument, detector = DETECTORS[kind[:3]]
    meta = model.meta
    meta.instrument.name, meta.instrument.detector = instrument, detector
    meta.exposure.instance.update(
        type=kind,
        readpatt=READ.get(kind[:3], "RAPID"),
        nints=1,
        ngroups=3,
        nframes=1,
        groupgap=0,
        frame_time=1.0,
        group_time=1.0,
    )
    window = {"xstart": 1, "ystart": 1, "xsize": SIZE, "ysize": SIZE}
    meta.subarray.instance.update(name="GENERIC", fastaxis=1, slowaxis=2, **window)
    meta.observation.date, meta.observation.time = "2024-01-01", "00:00:00"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def uncal(tmp_path_factory):
    from stdatamodels.jwst import datamodels

    folder = tmp_path_factory.mktemp("modes")

    def made(kind):
        data = np.full((1, 3, SIZE, SIZE), 1000, np.uint16)
        return write(datamodels.Level1bModel(data), kind, folder / f"{kind}_uncal.fits")

    return made


@pytest.fixture(scope="module")
def rate(tmp_path_factory):
    from stdatamodels.jwst import datamodels

    folder = tmp_path_factory.mktemp("rates")

    def made(kind):
        series = kind in SERIES or kind == "NRC_TSIMAGE"
        shape = (2, SIZE, SIZE) if series else (SIZE, SIZE)
        model = (datamodels.CubeModel if series else datamodels.ImageModel)(np.ones(shape, "f4"))
        model.meta.bunit_data = "DN/s"
        suffix = "rateints" if series else "rate"
        return write(model, kind, folder / f"{kind}_{suffix}.fits")

    return made


def steps(session):
    return [p.step.name.removeprefix("official_") for p in session.plan()]


@pytest.mark.parametrize("kind", MODES)
def test_a_mode_goes_until_its_coordinates_ask_for_a_reference(rate, kind):
    session = jwinteractive.open(rate(kind), "official")
    planned = steps(session)
    assert planned[-1] == LAST.get(kind, "extract_1d")
    reftype = ASKS.get(kind[:3], "distortion")
    with pytest.raises(MissingReference, match=rf"AssignWcsStep asks for a {reftype} ref") as told:
        session.run()
    assert "\n" not in str(told.value)
    # what comes before asks for nothing, and is there
    ran = [p for p in session.plan() if not p.skipped and p.model_key in session.store]
    assert [p.step.name for p in ran] == [
        f"official_{s}" for s in planned[: planned.index("assign_wcs")] if s == "bkg_subtract"
    ]


@pytest.mark.parametrize("kind", MODES)
def test_a_mode_is_planned_from_its_raw_groups_to_its_end(uncal, kind):
    planned = steps(jwinteractive.open(uncal(kind), "official"))
    assert planned[:2] == ["group_scale", "dq_init"]
    assert planned.index("ramp_fit") < planned.index("assign_wcs") < len(planned) - 1
    assert planned[-1] == LAST.get(kind, "extract_1d")


@pytest.mark.parametrize("kind", sorted(SPECTRA))
def test_native_and_official_steps_are_planned_to_a_spectrum(uncal, kind):
    path = uncal(kind)
    session = jwinteractive.open(path, "mixed")
    planned = {one.step.cal_step: one for one in session.plan()}
    assert planned["extract_1d"].skipped == ""


def test_a_cube_that_was_made_on_the_way_is_extracted(uncal):
    session = jwinteractive.open(uncal("NRS_IFU"), "mode")
    last = session.plan()[-1]
    assert (last.step.name, last.skipped) == ("extract_1d", "")


@pytest.mark.parametrize("kind", DARKS)
def test_a_dark_stays_a_ramp_whose_slope_is_not_fitted(uncal, kind):
    session = jwinteractive.open(uncal(kind), "official")
    planned = [p for p in session.plan() if not p.skipped]
    assert planned[-1].step.name == ("official_rscd" if kind[:3] == "MIR" else "official_linearity")
    assert planned[-1].gives is Ramp
    with pytest.raises(MissingReference, match="DQInitStep asks for a mask reference"):
        session.run()


@pytest.mark.parametrize("kind", GUIDERS)
def test_guiders_have_their_own_steps(uncal, kind):
    session = jwinteractive.open(uncal(kind), "official")
    assert steps(session) == ["dq_init", "guider_cds", "flat_field"]
    assert session.plan()[1].gives is Filed
    with pytest.raises(MissingReference, match="DQInitStep asks for a mask reference"):
        session.run()


def test_a_mode_that_no_pipeline_calibrates_says_so(rate):
    with pytest.raises(RecipeError, match="no official pipeline is for EXP_TYPE = 'NRC_LED'"):
        jwinteractive.open(rate("NRC_LED"), "official")


@pytest.mark.parametrize("recipe", ["official", "mode"])
def test_slits_that_were_cut_out_and_calibrated_are_not_cut_out_again(real, recipe):
    path = real / "spec" / "jw02565007001_03101_00002_nrs2_cal.fits"
    session = jwinteractive.open(path, recipe)
    planned = {one.step.cal_step: one.skipped for one in session.plan()}
    done = session.input().exposure.done
    assert {"flat_field", "photom"} <= set(done)
    again = [step for step in done if planned.get(step) == ""]
    assert again == []
    assert planned["extract_1d"] == ""
