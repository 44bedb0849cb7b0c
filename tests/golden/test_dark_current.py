"""`dark_current` against the official step, hand-worked numbers and the truth."""

import dataclasses as dc

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.errors import StepError
from jwinteractive.references import DarkRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.dark_current import DarkParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

dark_current = registry["dark_current"]


def dark_of(exposure, ngroups, nframes=1, groupgap=0, nints=0, shape=(40, 48)):
    """Dark with structure and NaN; ``nints`` integrations for MIRI."""
    rng = np.random.default_rng(4)
    data = np.cumsum(rng.normal(0.4, 0.2, (max(nints, 1), ngroups, *shape)), axis=1)
    data[..., rng.random(shape) < 0.02] = np.nan
    data[:, -1, 5, 5] = np.nan
    data = data.astype(np.float32)
    flags = example_references(exposure, shape)["dark"].dq
    return DarkRef(data=data if nints else data[0], dq=flags, nframes=nframes, groupgap=groupgap)


def officially(ramp, dark, **params):
    pytest.importorskip("jwst")
    from jwst.dark_current.dark_current_step import DarkCurrentStep

    step = DarkCurrentStep()
    step.override_dark = official_model(dark, ramp.exposure)
    for name, value in params.items():
        setattr(step, name, value)
    model = official_model(ramp, ramp.exposure)
    model.average_dark_current = np.zeros(ramp.shape, np.float32)  # else an image is not taken
    return step.process(model)


def assert_same(ramp, dark, rtol=0.0, atol=0.0, **params):
    got = dark_current(ramp, DarkParams(**params), {"dark": dark})
    want = officially(ramp, dark, **params)
    np.testing.assert_allclose(got.data, want.data, rtol=rtol, atol=atol)
    np.testing.assert_array_equal(got.pixeldq, want.pixeldq)
    np.testing.assert_array_equal(got.groupdq, want.groupdq)
    average = got.average_dark_current
    average = np.zeros(ramp.shape) if average is None else average
    np.testing.assert_array_equal(average, want.average_dark_current)
    return got


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS", "NIRSPEC"])
def test_a_dark_of_the_same_sampling_agrees_exactly_with_the_official_step(instrument):
    exposure = example_exposure(instrument, nints=2)
    ramp = example_ramp(exposure, bias=False)
    got = assert_same(ramp, example_references(exposure)["dark"])
    assert not np.array_equal(got.data, ramp.data)


@pytest.mark.parametrize(("nints", "first"), [(1, 1), (3, 1), (3, 4)])
def test_miri_darks_of_each_integration_agree_with_the_official_step(nints, first):
    exposure = example_exposure("MIRI", nints=nints, first_integration=first)
    ramp = example_ramp(exposure, bias=False)
    assert_same(ramp, dark_of(exposure, 12, nints=2))


@pytest.mark.parametrize(("nframes", "groupgap"), [(4, 1), (8, 2), (1, 3), (2, 0)])
@pytest.mark.parametrize("nints", [0, 2])
def test_a_finer_dark_is_averaged_as_the_official_step_does(nframes, groupgap, nints):
    instrument = "MIRI" if nints else "NIRCAM"
    exposure = example_exposure(instrument, nints=2, ngroups=5, nframes=nframes, groupgap=groupgap)
    ramp = example_ramp(exposure, bias=False)
    assert_same(ramp, dark_of(exposure, 60, nints=nints), rtol=2e-7, atol=4e-6)


@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 1)])
@pytest.mark.parametrize("nints", [0, 2])
def test_a_short_dark_is_continued_as_the_official_step_does(nframes, groupgap, nints):
    instrument = "MIRI" if nints else "NIRCAM"
    exposure = example_exposure(instrument, nints=2, ngroups=9, nframes=nframes, groupgap=groupgap)
    ramp = example_ramp(exposure, bias=False)
    assert_same(ramp, dark_of(exposure, 7 * nframes, nints=nints), rtol=2e-7, atol=2e-5)


def test_the_second_group_of_four_frames_takes_frames_five_to_eight_as_worked_by_hand():
    exposure = example_exposure("NIRCAM", ngroups=2, nframes=4, groupgap=1)
    ramp = example_ramp(exposure, (2, 2), flagged=False)
    ramp = ramp.replace(data=np.full((1, 2, 2, 2), 100, np.float32))
    frames = np.arange(9, dtype=np.float32) ** 2
    dark = DarkRef(
        data=np.broadcast_to(frames[:, None, None], (9, 2, 2)), dq=np.zeros((2, 2), np.uint32)
    )
    got = dark_current(ramp, DarkParams(), {"dark": dark})
    assert got.data[0, 0, 0, 0] == 100 - (0 + 1 + 4 + 9) / 4
    assert got.data[0, 1, 0, 0] == 100 - (25 + 36 + 49 + 64) / 4


def test_a_dark_of_averaged_groups_is_read_at_the_right_time_which_the_official_step_is_not():
    exposure = example_exposure("NIRCAM", ngroups=4, nframes=8, groupgap=2)
    shape = (4, 5)
    per_frame = np.linspace(0.1, 2.0, 20).reshape(shape)
    ours = np.arange(4)[:, None, None] * 10 + 3.5  # mean frame number of each group
    theirs = np.arange(40)[:, None, None] * 4 + 1.5
    dark = DarkRef(
        data=(theirs * per_frame).astype(np.float32), dq=np.zeros(shape, np.uint32), nframes=4
    )
    ramp = example_ramp(exposure, shape, flagged=False)
    ramp = ramp.replace(data=(ours * per_frame)[None].astype(np.float32))
    left = dark_current(ramp, DarkParams(), {"dark": dark}).data
    assert np.abs(left).max() < 1e-5
    assert np.abs(officially(ramp, dark).data).max() > 10


def test_one_integration_of_a_later_segment_loses_its_dark_which_it_does_not_officially():
    exposure = example_exposure(
        "MIRI", nints=1, ngroups=4, nframes=4, groupgap=1, first_integration=5
    )
    ramp = example_ramp(exposure, bias=False)
    dark = dark_of(exposure, 30, nints=2)
    whole = example_exposure("MIRI", nints=2, ngroups=4, nframes=4, groupgap=1)
    twice = Ramp(
        exposure=whole,
        data=np.concatenate([ramp.data] * 2),
        groupdq=np.concatenate([ramp.groupdq] * 2),
        pixeldq=ramp.pixeldq,
    )
    got = dark_current(ramp, DarkParams(), {"dark": dark})
    second = dark_current(twice, DarkParams(), {"dark": dark}).data[1]
    np.testing.assert_array_equal(got.data[0], second)
    np.testing.assert_array_equal(officially(ramp, dark).data, ramp.data)  # subtracts nothing


def test_the_mean_dark_current_comes_from_parameter_image_or_number_in_this_order():
    exposure = example_exposure("NIRCAM")
    ramp, dark = example_ramp(exposure), example_references(exposure)["dark"]
    number = dc.replace(dark, average_dark_current_value=0.02)
    image = dc.replace(number, average_dark_current=np.full((40, 48), 0.03, np.float32))
    for reference, params, value in (
        (number, {}, 0.02),
        (image, {}, 0.03),
        (image, {"average_dark_current": 0.5}, 0.5),
    ):
        got = assert_same(ramp, reference, **params)
        assert got.average_dark_current[3, 3] == np.float32(value)
    assert dark_current(ramp, DarkParams(), {"dark": dark}).average_dark_current is None


@pytest.mark.parametrize(("nframes", "groupgap"), [(4, 0), (1, 1)])
def test_a_coarser_dark_is_refused_where_the_official_step_silently_subtracts_nothing(
    nframes, groupgap
):
    exposure = example_exposure("NIRCAM")
    ramp, dark = example_ramp(exposure), dark_of(exposure, 20, nframes, groupgap)
    with pytest.raises(StepError, match="coarser"):
        dark_current(ramp, DarkParams(), {"dark": dark})
    np.testing.assert_array_equal(officially(ramp, dark).data, ramp.data)


def test_a_dark_of_one_group_serves_one_group_but_no_more():
    exposure = example_exposure("NIRCAM", ngroups=1)
    assert_same(example_ramp(exposure, bias=False), dark_of(exposure, 1))
    longer = example_exposure("NIRCAM", ngroups=2)
    with pytest.raises(StepError, match="one group"):
        dark_current(example_ramp(longer), DarkParams(), {"dark": dark_of(longer, 1)})


@pytest.mark.parametrize("instrument", ["NIRCAM", "MIRI"])
def test_a_box_gives_the_same_numbers_as_the_whole_with_the_nominal_dark_too(instrument):
    exposure = example_exposure(instrument, nints=2, ngroups=6, nframes=2, groupgap=1)
    ramp = example_ramp(exposure)
    finer = dark_of(exposure, 15, nints=2 if instrument == "MIRI" else 0)
    for dark in (finer, DarkRef.nominal(exposure, (40, 48))):
        whole = dark_current(ramp, DarkParams(), {"dark": dark})
        box = Box(3, 21, 5, 20)
        part = dark_current(ramp.crop(box).native(), DarkParams(), {"dark": dark})
        for name, array in part.arrays().items():
            np.testing.assert_array_equal(array, whole.crop(box).arrays()[name])


def test_the_flags_of_all_integrations_of_a_miri_dark_file_are_joined():
    exposure = example_exposure("MIRI")
    flags = np.zeros((2, 1, 6, 8), np.uint32)
    flags[0, 0, 1, 1], flags[1, 0, 2, 2] = dq.HOT, dq.DEAD
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(np.zeros((2, 3, 6, 8), np.float32), name="SCI"),
            fits.ImageHDU(flags, name="DQ"),
            fits.ImageHDU(np.zeros((6, 8), np.float32), name="AVDRKCUR"),
        ]
    )
    hdus[0].header["AVDRKCUR"] = 0.1
    dark = DarkRef.read(hdus, (slice(1, 5), slice(1, 6)), exposure)
    assert dark.dq.shape == (4, 5)
    assert dark.dq[0, 0] == dq.HOT
    assert dark.dq[1, 1] == dq.DEAD
    assert dark.average_dark_current is None
    assert dark.average_dark_current_value == 0.1
