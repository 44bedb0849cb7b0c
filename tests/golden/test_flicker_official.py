"""The official 1/f correction as a whole against `CleanFlickerNoiseStep`, and what it refuses."""

import dataclasses as dc
import itertools
import warnings
from typing import Any

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp, Rate, RateInts
from jwinteractive.errors import InputError, StepError
from jwinteractive.flicker.background import background_level, clip_to_background
from jwinteractive.flicker.official import (
    Official,
    less_official,
    measure_official,
    refusal,
)
from jwinteractive.flicker.official_choice import Limits, Seen, decide, official_choice
from jwinteractive.masks import BACKGROUND, SOURCE
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.ramp_fit import RampFitParams
from jwinteractive.testing import example_exposure, flat_references, official_model

ALIKE = flat_references((2048, 2048))  # for whatever box they are asked
KINDS = {
    "NIRCAM": {},
    "NIRISS": {"subarray": "SUB128"},
    "NIRSPEC": {"subarray": "SUB512", "exp_type": "NRS_FIXEDSLIT"},
    "MIRI": {},
}


def sky(shape, sources=12, seed=1, level=4.0):
    """Rate [y, x] in DN/s of a sloping sky with sources."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    rate = level + 0.4 * x / shape[1] + 0.3 * y / shape[0]
    for _ in range(sources):
        cy, cx, height = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(5, 300)
        rate += height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 6)
    return rate


def striped_ramp(
    instrument="NIRCAM", shape=(64, 96), nints=1, ngroups=5, seed=1, sources=12, **changes
):
    """Ramp with stripes along its lines, jumps, samples not to be used, and NaN."""
    rng = np.random.default_rng(seed)
    given = {"nints": nints, "ngroups": ngroups, **KINDS[instrument], **changes}
    exposure = example_exposure(instrument, **given)
    full = (nints, ngroups, *shape)
    light = np.broadcast_to(sky(shape, sources) * exposure.group_time, full)
    hits = rng.random(full) < 0.003
    data = np.cumsum(rng.poisson(light) + hits * 400, axis=1) + rng.normal(0, 6, full)
    across = instrument == "NIRCAM"
    data += rng.normal(0, 5, (nints, ngroups, shape[0], 1) if across else (*full[:2], 1, shape[1]))
    groupdq = np.where(hits, dq.JUMP_DET, 0).astype(np.uint8)
    groupdq[rng.random(full) < 0.004] |= dq.DO_NOT_USE
    pixeldq = np.zeros(shape, np.uint32)
    dead = rng.random(shape) < 0.01
    groupdq[..., dead] |= dq.DO_NOT_USE
    pixeldq[dead] = dq.DO_NOT_USE
    lost = min(2, ngroups - 1)
    data[:, lost, 5, 7] = np.nan
    groupdq[:, lost, 5, 7] = dq.DO_NOT_USE
    return Ramp(exposure=exposure, data=data.astype("f4"), groupdq=groupdq, pixeldq=pixeldq)


def draft(ramp):
    found: Any = registry["ramp_fit"](
        ramp,
        RampFitParams(algorithm="OLS_C", combine="official"),
        ALIKE,
    )
    return found.data, found.integrations.data


def rates_of(ramp):
    """Rate and rates of the integrations, as the products that a file holds."""
    rate, ints = draft(ramp)
    zero = np.zeros_like(ints)
    flags = np.zeros(ints.shape, np.uint32)
    planes = {"err": zero, "var_poisson": zero, "var_rnoise": zero}
    cube = RateInts(exposure=ramp.exposure, data=ints, dq=flags, **planes)
    planes = {name: plane[0] for name, plane in planes.items()}
    return Rate(exposure=ramp.exposure, data=rate, dq=flags[0], **planes), cube


def ours(product, flat=None, user_mask=None, **settings):
    whole = Whole(product.exposure, product.covers, product.crop)
    noise = measure_official(whole, Official(**settings), flat, user_mask, draft)
    return less_official(product, noise), noise


@pytest.fixture
def officially(monkeypatch, tmp_path):
    """The official step; its draft rates are fitted with the gain and read noise that ours are."""
    pytest.importorskip("jwst")
    from jwst.clean_flicker_noise import CleanFlickerNoiseStep
    from jwst.clean_flicker_noise import clean_flicker_noise as theirs
    from jwst.ramp_fitting import RampFitStep
    from stdatamodels.jwst import datamodels

    def make_rate(model, input_dir="", return_cube=False):
        step = RampFitStep()
        references = flat_references(model.data.shape[-2:])
        exposure = example_exposure()
        step.override_gain = official_model(references["gain"], exposure)
        step.override_readnoise = official_model(references["readnoise"], exposure)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rate, ints = step.process(model.copy())
        return ints if return_cube else rate

    monkeypatch.setattr(theirs, "make_rate", make_rate)
    monkeypatch.setattr(theirs, "post_process_rate", lambda model, **asked: model)

    def run(product, flat=None, user_mask=None, **settings):
        model = official_model(product, product.exposure)
        if product.exposure.exp_type.startswith("NIS"):
            model.meta.instrument.pupil_position = 245.0
        step = CleanFlickerNoiseStep()
        for name, value in settings.items():
            setattr(step, name, None if value == "none" else value)
        masks = []
        making = theirs._make_scene_mask

        def kept(*asked, **more):
            made = making(*asked, **more)
            masks.append(made[0].copy())
            return made

        monkeypatch.setattr(theirs, "_make_scene_mask", kept)
        if user_mask is not None:
            path = tmp_path / "user_mask.fits"
            kind = datamodels.ImageModel if user_mask.ndim == 2 else datamodels.CubeModel
            kind(data=user_mask.astype(np.float32)).save(path)
            step.user_mask = str(path)
        if flat is not None:
            path = tmp_path / "flat.fits"
            official_flat = datamodels.FlatModel(data=flat)
            official_flat.save(path)
            monkeypatch.setattr(theirs, "ref_matches_sci", lambda *models: True)
            step.apply_flat_field = True
            monkeypatch.setattr(step, "get_reference_file", lambda *asked: str(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = step.process(model)
        assert result.meta.cal_step.clean_flicker_noise == "COMPLETE"
        return result, masks[0]

    return run


def assert_official(officially, product, rtol=3e-7, atol=2e-4, **asked):
    expected, mask = officially(product, **asked)
    got, noise = ours(product, **asked)
    assert np.nanstd(expected.data - product.data) > 1e-3
    np.testing.assert_array_equal(noise.scene, mask)
    np.testing.assert_allclose(got.data, expected.data, rtol=rtol, atol=atol)
    return got, noise


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS", "MIRI"])
@pytest.mark.parametrize("method", ["median", "none"])
def test_ramps_are_cleaned_as_officially(officially, instrument, method):
    _, noise = assert_official(officially, striped_ramp(instrument), background_method=method)
    assert (noise.background > 0).all() == (method == "median")


@pytest.mark.parametrize("box", [None, (16, 20)], ids=["32 pixels", "uneven boxes"])
@pytest.mark.parametrize("shape", [(96, 128), (70, 66)])
def test_a_sloping_background_is_modelled_as_officially(officially, shape, box):
    ramp = striped_ramp(shape=shape, sources=3)
    asked = {"background_method": "model", "background_box_size": box, "n_sigma": 4.0}
    _, noise = assert_official(officially, ramp, **asked)
    assert np.ptp(noise.arrays()["meshes"], axis=(1, 2)).min() > 0.1


def test_where_no_box_is_free_enough_the_background_is_the_median(officially):
    _, noise = assert_official(officially, striped_ramp(), background_method="model")
    assert noise.meshes is None


@pytest.mark.parametrize(
    "settings",
    [
        {"single_mask": True},
        {"single_mask": False},
        {"fit_histogram": True, "single_mask": False},
        {"n_sigma": 0.0},
        {"n_sigma": 3.5},
        {"background_method": "median_image"},
        {"background_method": "none", "n_sigma": 0.0},
    ],
    ids=str,
)
def test_settings_of_two_integrations_do_what_they_do_officially(officially, settings):
    assert_official(officially, striped_ramp(nints=2), **settings)


def test_amplifiers_of_a_whole_frame_lose_levels_of_their_own_as_officially(officially):
    ramp = striped_ramp(shape=(48, 2048), ngroups=4, subarray="FULL")
    _, noise = assert_official(officially, ramp, fit_by_channel=True)
    assert noise.arrays()["levels"].shape == (3, 48, 4)
    assert not noise.warnings


def test_amplifiers_of_a_subarray_are_not_told_apart_as_officially(officially):
    _, noise = assert_official(officially, striped_ramp(), fit_by_channel=True)
    assert noise.arrays()["levels"].shape[2] == 1
    assert "fit_by_channel" in noise.warnings[0]


@pytest.mark.parametrize("which", ["rate", "rates of integrations"])
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("method", ["median", "median_image"])
def test_rates_are_cleaned_as_officially(officially, which, single, method):
    rate, cube = rates_of(striped_ramp(nints=3))
    if which == "rate":
        if method == "median_image":
            with pytest.raises(StepError, match="rates of integrations"):
                ours(dc.replace(rate, exposure=cube.exposure), background_method=method)
            return
        assert_official(officially, rate, single_mask=single)
    else:
        assert_official(officially, cube, single_mask=single, background_method=method)


@pytest.mark.parametrize("planes", [None, 2])
def test_a_mask_of_the_user_takes_the_place_of_the_scene_as_officially(officially, planes):
    ramp = striped_ramp(nints=2)
    rng = np.random.default_rng(8)
    mask = rng.random((*((planes,) if planes else ()), *ramp.shape)) > 0.3
    mask[..., 20, :] = False
    got, _ = assert_official(officially, ramp, user_mask=mask)
    np.testing.assert_allclose(got.data[..., 20, :20], ramp.data[..., 20, :20], rtol=3e-7)


@pytest.mark.parametrize("method", ["median", "model", "median_image"])
def test_a_flat_is_divided_out_before_the_fit_as_officially(officially, method):
    ramp = striped_ramp(shape=(64, 128), nints=2, sources=2)
    flat = np.random.default_rng(3).normal(1, 0.2, ramp.shape).astype(np.float32).clip(0.5)
    asked = {"background_method": method, "n_sigma": 4.0, "flat": flat}
    _, noise = assert_official(officially, ramp, **asked)
    np.testing.assert_array_equal(noise.flat, flat)


def test_gaps_of_a_flat_are_filled_as_officially(officially):
    ramp = striped_ramp()
    flat = np.random.default_rng(3).normal(1, 0.1, ramp.shape).astype(np.float32)
    flat[30:33, 40:44], flat[2, 3] = np.nan, 0
    _, noise = assert_official(officially, ramp, flat=flat)
    assert np.abs(noise.arrays()["flat"][30:33, 40:44] - 1).max() < 0.1


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
@pytest.mark.parametrize("subarray", ["SUB512", "ALLSLITS"])
def test_waves_of_subarrays_are_taken_off_as_officially(officially, detector, subarray):
    ramp = striped_ramp("NIRSPEC", detector=detector, subarray=subarray, ngroups=3)
    _, noise = assert_official(officially, ramp, fit_method="fft", atol=2e-3)
    assert noise.arrays()["noise"].shape == (2, 64, 96)


def test_waves_of_a_whole_frame_are_taken_off_as_officially(officially):
    ramp = striped_ramp("NIRSPEC", shape=(2048, 2048), subarray="FULL", ngroups=2, sources=60)
    got, noise = assert_official(officially, ramp, fit_method="fft", atol=2e-3)
    assert noise.arrays()["waves"].shape[:2] == (1, 2048)
    box = Box(100, 164, 900, 1028)
    np.testing.assert_array_equal(less_official(ramp.crop(box), noise).data, got.crop(box).data)


@pytest.mark.parametrize("exp_type", ["NRS_IFU", "NRS_MSASPEC", "MIR_IMAGE"])
def test_regions_that_need_no_coordinates_are_masked_as_officially(
    officially, monkeypatch, exp_type
):
    """Open shutters and the rows of the fixed slits; what is no science of MIRI's imager."""
    instrument = "MIRI" if exp_type.startswith("MIR") else "NIRSPEC"
    ramp = striped_ramp(instrument, shape=(1200, 40), ngroups=3, exp_type=exp_type, subarray="FULL")
    pixeldq = np.array(ramp.pixeldq)
    pixeldq[300:340] |= dq.MSA_FAILED_OPEN
    pixeldq[400:440, :20] |= dq.NON_SCIENCE
    if exp_type == "NRS_IFU":
        from jwst.clean_flicker_noise import clean_flicker_noise as theirs

        monkeypatch.setattr(theirs, "mask_ifu_slices", lambda model, mask: mask)
    if exp_type == "NRS_MSASPEC":
        from jwst.clean_flicker_noise import clean_flicker_noise as theirs

        monkeypatch.setattr(theirs, "mask_slits", lambda model, mask: mask)
    ramp = ramp.replace(pixeldq=pixeldq)
    _, noise = assert_official(officially, ramp, mask_science_regions=True)
    spectra = instrument == "NIRSPEC"
    assert noise.scene[922:1116].any() != spectra
    assert noise.scene[300:340].any() != spectra
    assert noise.scene[400:440, :20].any() == spectra


@pytest.mark.parametrize("method", ["median", "median_image"])
def test_what_a_hand_says_goes_before_the_draft_rate(method):
    ramp = striped_ramp(nints=2)
    whole = Whole(ramp.exposure, ramp.covers, ramp.crop)
    hand = np.zeros(ramp.shape, np.uint8)
    hand[:, :30], hand[:20, 40:] = SOURCE, BACKGROUND
    settings = Official(background_method=method)
    plain = measure_official(whole, settings, draft=draft).scene
    drawn = measure_official(whole, settings, draft=draft, hand=hand).scene
    assert not drawn[..., :30].any()
    assert drawn[..., :20, 40:].mean() > 0.98 > plain[..., :20, 40:].mean()
    np.testing.assert_array_equal(drawn[..., 20:, 30:], plain[..., 20:, 30:])
    mask = np.random.default_rng(1).random(ramp.shape) > 0.5
    said = np.where(mask, np.uint8(BACKGROUND), np.uint8(SOURCE))
    scene = measure_official(whole, settings, draft=draft, hand=said).scene
    np.testing.assert_array_equal(scene, mask)


def test_given_regions_are_no_background_only_where_science_regions_are_masked():
    ramp = striped_ramp()
    regions = np.zeros(ramp.shape, bool)
    regions[10:20] = True
    whole = Whole(ramp.exposure, ramp.covers, ramp.crop)
    for masked in (True, False):
        settings = Official(mask_science_regions=masked)
        noise = measure_official(whole, settings, draft=draft, regions=regions)
        assert noise.scene[10:20].any() != masked


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS"])
@pytest.mark.parametrize(
    "settings", [{}, {"single_mask": False}, {"background_method": "median_image"}]
)
def test_a_box_alone_has_the_numbers_of_the_whole(instrument, settings):
    ramp = striped_ramp(instrument, nints=2)
    whole, noise = ours(ramp, **settings)
    box = Box(13, 40, 21, 70)
    part = less_official(ramp.crop(box), noise)
    np.testing.assert_array_equal(part.data, whole.crop(box).data)
    assert noise.free(1, box).shape == box.shape


def test_images_without_background_stay_as_they_are_and_it_is_said_so_as_officially(officially):
    ramp = striped_ramp()
    groupdq = np.array(ramp.groupdq)
    groupdq[0, 2] |= dq.DO_NOT_USE
    ramp = ramp.replace(groupdq=groupdq)
    got, noise = assert_official(officially, ramp)
    assert noise.skipped.tolist() == [False, True, False, False]
    assert "1 of 4 images" in noise.warnings[0]
    np.testing.assert_array_equal(got.data[0, 2], ramp.data[0, 2])


def test_a_hand_worked_exposure_loses_its_rows_and_keeps_its_first_group():
    exposure = example_exposure(ngroups=3)
    data = np.zeros((1, 3, 4, 8), np.float32)
    data[0, 1] = 10 + np.array([0, 1, 2, 3])[:, None]
    data[0, 2] = 20 + np.array([3, 3, 3, 3])[:, None]
    flags = np.zeros(data.shape, np.uint8)
    ramp = Ramp(exposure=exposure, data=data, groupdq=flags, pixeldq=np.zeros((4, 8), np.uint32))
    everywhere = np.ones((4, 8), bool)
    got, noise = ours(ramp, user_mask=everywhere, n_sigma=0.0)
    assert noise.background.tolist() == [11.5, 11.5]
    np.testing.assert_array_equal(got.data[0, 0], 0)
    np.testing.assert_allclose(got.data[0, 1], 11.5)
    np.testing.assert_allclose(got.data[0, 2], 23)


def test_what_the_official_step_refuses_is_refused_with_a_way_out():
    nircam = example_exposure(nints=3)
    miri = example_exposure("MIRI", exp_type="MIR_LRS-FIXEDSLIT")
    soss = example_exposure("NIRISS", exp_type="NIS_SOSS", nints=3)
    stacked = Official(background_method="median_image")
    assert "take 'median'" in refusal(nircam, Official(fit_method="fft"))
    assert "leave the step out" in refusal(miri, Official())
    assert "take 'median'" in refusal(dc.replace(nircam, nints=1), stacked)
    for e in (soss, dc.replace(nircam, exp_type="NRC_TSIMAGE")):
        assert "smoother" in refusal(e, stacked)
    assert "smoother" in refusal(dc.replace(miri, exp_type="MIR_IMAGE", nints=3, tso=True), stacked)
    assert not refusal(dc.replace(miri, exp_type="MIR_IMAGE", nints=3), stacked)
    assert not refusal(nircam, stacked)
    with pytest.raises(StepError, match="take 'median'"):
        ours(striped_ramp(), fit_method="fft")
    with pytest.raises(StepError, match="one of its pixels"):
        ours(striped_ramp(), user_mask=np.ones((3, 3), bool))
    with pytest.raises(StepError, match="one plane for all"):
        ours(striped_ramp(), user_mask=np.ones((3, 64, 96), bool))


def shaded(instrument, slope=0.0, offset=0.0, stripes=0.05, sources=0, shape=(96, 2048)):
    """Rate with a slope, steps between amplifiers, stripes of lines and sources."""
    rng = np.random.default_rng(2)
    rate, _ = rates_of(striped_ramp(instrument, shape=(32, 32), subarray="FULL"))
    y, x = np.indices(shape)
    amplifier = (x if instrument == "NIRCAM" else y) // 512
    data = 2 + slope * x + offset * (amplifier % 2) + rng.normal(0, 0.02, shape)
    data += rng.normal(0, stripes, (shape[0], 1) if instrument == "NIRCAM" else (1, shape[1]))
    for _ in range(sources):
        cy, cx = rng.integers(4, shape[0] - 4), rng.integers(4, shape[1] - 4)
        data[cy - 4 : cy + 5, cx - 4 : cx + 5] += 20
    data[3, 5:9] = np.nan
    flags = np.zeros(shape, np.uint32)
    zero = np.zeros(shape, np.float32)
    planes = {"err": zero, "var_poisson": zero, "var_rnoise": zero}
    return rate.replace(box=None, data=data.astype(np.float32), dq=flags, **planes)


SCENES = {
    "flat": {},
    "steep": {"slope": 1e-3},
    "apart": {"offset": 0.3},
    "crowded": {"sources": 400},
    "crowded and steep": {"sources": 400, "slope": 1e-3},
    "crowded, apart": {"sources": 400, "offset": 0.3},
}


@pytest.mark.parametrize(("instrument", "choices"), [("NIRCAM", 3), ("NIRISS", 2)])
def test_parameters_of_images_are_chosen_as_officially(officially, instrument, choices):
    from jwst.clean_flicker_noise import autoparam

    shape = (96, 2048) if instrument == "NIRCAM" else (2048, 96)
    choose = getattr(autoparam, f"{instrument.lower()}_image_parameters")
    seen = set()
    for scene in SCENES:
        rate = shaded(instrument, shape=shape, **SCENES[scene])
        expected = choose(official_model(rate, rate.exposure), None)
        whole = Whole(rate.exposure, rate.covers, rate.crop)
        assert official_choice(whole, draft) == expected, scene
        seen.add(tuple(expected.values()))
    assert len(seen) >= choices


def test_what_is_seen_of_an_image_is_what_is_officially(officially, monkeypatch):
    from jwst.clean_flicker_noise import autoparam

    from jwinteractive.flicker import official_choice as module

    told, seen = {}, []
    monkeypatch.setattr(
        autoparam, "_image_decision_tree", lambda p, limits, *rest: told.update(p=rest)
    )
    monkeypatch.setattr(module, "decide", lambda found, limits: seen.append(found) or {})
    for instrument in ("NIRCAM", "NIRISS"):
        shape = (96, 2048) if instrument == "NIRCAM" else (2048, 96)
        rate = shaded(instrument, shape=shape, slope=2e-4, offset=0.03, sources=20)
        choose = getattr(autoparam, f"{instrument.lower()}_image_parameters")
        choose(official_model(rate, rate.exposure), None)
        official_choice(Whole(rate.exposure, rate.covers, rate.crop), draft)
        found = seen[-1]
        ours_ = (found.masked, found.offset, found.slope, found.ratio, found.scatter)
        np.testing.assert_allclose(ours_, told["p"], rtol=1e-3)
        assert found.offset > 0.01


def test_parameters_of_a_ramp_and_of_integrations_are_chosen_from_their_rate(officially):
    from jwst.clean_flicker_noise import autoparam

    ramp = striped_ramp(nints=2, ngroups=3)
    _, cube = rates_of(ramp)
    flat = np.random.default_rng(1).normal(1, 0.1, ramp.shape).astype(np.float32)
    for product in (ramp, cube):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pixels without any rate
            model = official_model(product, product.exposure)
            expected = autoparam.nircam_image_parameters(model, None)
        whole = Whole(product.exposure, product.covers, product.crop)
        assert official_choice(whole, draft) == expected
        assert official_choice(whole, draft, flat)["apply_flat_field"]


def test_every_turn_of_the_choice_is_taken_as_officially():
    from jwst.clean_flicker_noise import autoparam

    limits = Limits(masked=0.1, steep=1e-4, ratio=3.0)
    theirs = {
        "mask_frac": 0.1,
        "max_offset_high_mask": 0.07,
        "max_slope_low_offset": 1e-5,
        "max_slope_high_offset": 1e-4,
        "slope_ratio": 3.0,
        "channel_sigma": 0.02,
    }
    cases = itertools.product(
        (0.05, 0.1), (0.0, 0.01, 0.07), (5e-6, 1e-5, 1e-4), (1.0, 3.0), (0.01, 0.02)
    )
    seen = set()
    for case in cases:
        expected = {}
        autoparam._image_decision_tree(expected, theirs, *case)
        got = decide(Seen(*case), limits)
        assert got == expected, case
        seen.add(tuple(got.values()))
    assert len(seen) == 4


def test_other_exposures_have_no_choice_of_parameters():
    ramp = striped_ramp("NIRSPEC")
    with pytest.raises(StepError, match="set the parameters yourself"):
        official_choice(Whole(ramp.exposure, ramp.covers, ramp.crop), draft)


@pytest.mark.parametrize("histogram", [True, False])
@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("kind", ["light", "equal", "few", "none"])
def test_limits_of_the_background_are_the_official_ones(histogram, half, kind):
    from jwst.clean_flicker_noise.background_level import clip_to_background as official

    rng = np.random.default_rng(5)
    image = rng.normal(5, 8, (120, 90)).astype(np.float32)
    image += ((rng.random(image.shape) < 0.1) * rng.exponential(60, image.shape)).astype("f4")
    free = rng.random(image.shape) > 0.1
    if kind == "equal":
        image[:] = 7
    if kind in ("few", "none"):
        free[:] = False
        free[3, 4:7] = kind == "few"
    mask = free.copy()
    official(image, mask, 3.0, 2.0, fit_histogram=histogram, lower_half_only=half)
    low, high = clip_to_background(image, free, 3.0, 2.0, histogram, half)
    np.testing.assert_array_equal(free & (image >= low) & (image <= high), mask)


@pytest.mark.parametrize("method", ["median", "model", "none"])
def test_levels_of_the_background_are_the_official_ones(method):
    from jwst.clean_flicker_noise.background_level import background_level as official

    rng = np.random.default_rng(5)
    image = (rng.normal(5, 1, (96, 64)) + np.arange(64) / 20).astype(np.float32)
    free = rng.random(image.shape) > 0.02
    expected = official(image, free.copy(), None if method == "none" else method)
    found = background_level(image, free, method)
    np.testing.assert_array_equal(found, expected)
    assert np.shape(found) == ((96, 64) if method == "model" else ())


def test_limits_of_another_image_are_refused():
    with pytest.raises(InputError, match="of one shape"):
        clip_to_background(np.zeros((4, 5), np.float32), np.ones((5, 4), bool))
