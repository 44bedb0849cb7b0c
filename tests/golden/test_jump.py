"""`jump` by the two-point difference against the official step and hand-worked ramps."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.references import GainRef, ReadnoiseRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.jump import JumpParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

J, S, D = dq.JUMP_DET, dq.SATURATED, dq.DO_NOT_USE


def ours(ramp, references, **params):
    return registry["jump"](ramp, JumpParams(**({"method": "two-point"} | params)), references)


def officially(ramp, references, **params):
    pytest.importorskip("jwst")
    from jwst.jump import JumpStep

    step = JumpStep(**params)
    step.override_gain = official_model(references["gain"], ramp.exposure)
    step.override_readnoise = official_model(references["readnoise"], ramp.exposure)
    return step.process(official_model(ramp, ramp.exposure))


def assert_official(ramp, references, **params):
    mine = ours(ramp, references, **params)
    theirs = officially(ramp, references, **params)
    np.testing.assert_array_equal(mine.groupdq, theirs.groupdq)
    np.testing.assert_array_equal(mine.pixeldq, theirs.pixeldq)
    return mine


def flat_references(shape, gain=1.0, noise=2.0):
    return {
        "gain": GainRef(data=np.full(shape, gain, np.float32)),
        "readnoise": ReadnoiseRef(data=np.full(shape, noise, np.float32)),
    }


def quiet_ramp(ngroups=12, shape=(5, 5), rate=10.0, **changes):
    """Straight ramps: every difference is ``rate`` DN."""
    exposure = example_exposure(ngroups=ngroups, group_time=10.0, **changes)
    full = (exposure.nints, ngroups, *shape)
    data = np.broadcast_to((np.arange(ngroups) * rate)[:, None, None], full).astype(np.float32)
    return Ramp(
        exposure=exposure,
        data=data.copy(),
        groupdq=np.zeros(full, np.uint8),
        pixeldq=np.zeros(shape, np.uint32),
    )


def hit(ramp, y, x, group, size, integration=0):
    data = ramp.data.copy()
    data[integration, group:, y, x] += size
    return ramp.replace(data=data)


def test_a_hit_is_found_at_its_threshold():
    # the difference's sigma is sqrt(10 e- of signal + 2² e-² of read noise) = 3.742 e-
    ramp = quiet_ramp()
    sigma = np.sqrt(10 + 4)
    found = ours(hit(ramp, 2, 2, 6, 4.01 * sigma), flat_references((5, 5)))
    assert np.argwhere(found.groupdq & J).tolist() == [[0, 6, 2, 2]]
    assert not ours(hit(ramp, 2, 2, 6, 3.99 * sigma), flat_references((5, 5))).groupdq.any()


def test_the_iteration_finds_what_a_first_hit_hides():
    # only the largest is a jump at first; the next one is looked for without it
    ramp = hit(hit(quiet_ramp(ngroups=9), 1, 1, 3, 3000.0), 1, 1, 6, 40.0)
    found = ours(ramp, flat_references((5, 5)), flag_4_neighbors=False)
    assert np.argwhere(found.groupdq & J).tolist() == [[0, 3, 1, 1], [0, 6, 1, 1]]


def test_only_hits_within_bounds_flag_their_neighbours():
    sigma = np.sqrt(10 + 4)
    cross = [[0, 6, 1, 2], [0, 6, 2, 1], [0, 6, 2, 2], [0, 6, 2, 3], [0, 6, 3, 2]]
    for size, expected in ((9, [[0, 6, 2, 2]]), (11, cross), (1001, [[0, 6, 2, 2]])):
        found = ours(hit(quiet_ramp(), 2, 2, 6, size * sigma), flat_references((5, 5)))
        assert np.argwhere(found.groupdq & J).tolist() == expected


def test_groups_after_a_large_jump_are_flagged_by_its_own_size():
    # 60 DN in a pixel of gain 0.5: the official step counts 30 e- against 50 DN at gain 1
    references = flat_references((5, 5))
    gain = references["gain"].data.copy()
    gain[2, 2] = 0.5
    references["gain"] = GainRef(data=gain)
    ramp = hit(hit(quiet_ramp(), 2, 2, 4, 60.0), 4, 4, 4, 40.0)
    params = {
        "flag_4_neighbors": False,
        "after_jump_flag_dn1": 50.0,
        "after_jump_flag_time1": 25.0,  # two groups of 10 s
    }
    found = ours(ramp, references, **params)
    flagged = [[0, 4, 2, 2], [0, 4, 4, 4], [0, 5, 2, 2], [0, 6, 2, 2]]
    assert np.argwhere(found.groupdq & J).tolist() == flagged
    theirs = officially(ramp, references, **params)
    assert not theirs.groupdq[0, 5:, 2, 2].any()


CASES = {
    "NIRCam": ("NIRCAM", {}, {}),
    "single pass": ("NIRCAM", {"ngroups": 15}, {}),
    "three groups": ("NIRISS", {"ngroups": 3}, {}),
    "four groups": ("NIRCAM", {"ngroups": 4, "nframes": 8}, {}),
    "integrations share a median": ("NIRISS", {"ngroups": 5, "nints": 3}, {}),
    "averaged groups": ("NIRSPEC", {"ngroups": 20, "nframes": 4, "nints": 2}, {}),
    "MIRI": ("MIRI", {"ngroups": 40}, {}),
    "no neighbours": ("NIRCAM", {"nints": 2}, {"flag_4_neighbors": False}),
    "other thresholds": (
        "NIRCAM",
        {"ngroups": 5},
        {
            "rejection_threshold": 3.0,
            "four_group_rejection_threshold": 3.5,
            "three_group_rejection_threshold": 3.2,
            "min_jump_to_flag_neighbors": 4.0,
            "max_jump_to_flag_neighbors": 50.0,
        },
    ),
    "always one pass": ("NIRCAM", {}, {"min_diffs_single_pass": 3}),
    "clipped over integrations": (
        "NIRCAM",
        {"ngroups": 5, "nints": 30},
        {"minimum_sigclip_groups": 30},
    ),
    "clipped over all": (
        "MIRI",
        {"ngroups": 12, "nints": 10},
        {"only_use_ints": False, "minimum_sigclip_groups": 100},
    ),
    "two groups in many integrations": (
        "NIRISS",
        {"ngroups": 3, "nints": 12},
        {"minimum_sigclip_groups": 12, "rejection_threshold": 2.5},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_flags_are_the_official_ones(case):
    instrument, header, params = CASES[case]
    exposure = example_exposure(instrument, **header)
    ramp = example_ramp(exposure, bias=False)
    mine = assert_official(ramp, example_references(exposure), **params)
    assert ((mine.groupdq & ~ramp.groupdq & J) > 0).sum() > 20


@pytest.mark.parametrize("ngroups", [10, 14])
def test_equal_differences_are_flagged_as_officially(ngroups):
    exposure = example_exposure(ngroups=ngroups, nints=2)
    ramp = example_ramp(exposure, bias=False, seed=5)
    whole = np.round(ramp.data / 40) * 40  # so coarse that many differences are equal
    noise = example_references(exposure)["readnoise"].data.copy()
    noise[:5] = 0.0
    noise[5:8] = np.nan
    references = example_references(exposure) | {"readnoise": ReadnoiseRef(data=noise)}
    assert_official(ramp.replace(data=whole.astype(np.float32)), references)


def test_nan_samples_are_treated_as_officially():
    exposure = example_exposure()
    ramp = example_ramp(exposure, bias=False)
    data = ramp.data.copy()
    data[np.random.default_rng(1).random(data.shape) < 0.02] = np.nan
    assert_official(ramp.replace(data=data), example_references(exposure))


def test_groups_that_no_pixel_uses_decide_on_the_method_as_officially():
    # 12 groups less the first and the last: nine differences, so one jump at a time
    exposure = example_exposure("MIRI", ngroups=12)
    ramp = example_ramp(exposure, bias=False)
    groupdq = ramp.groupdq.copy()
    groupdq[:, [0, -1]] |= D
    ramp = ramp.replace(groupdq=groupdq)
    mine = assert_official(ramp, example_references(exposure))
    once = ours(ramp, example_references(exposure), min_diffs_single_pass=9)
    assert (once.groupdq != mine.groupdq).any()


def test_later_groups_are_flagged_as_officially_where_the_gain_is_even():
    exposure = example_exposure(ngroups=20, nints=2)
    ramp = example_ramp(exposure, bias=False)
    references = example_references(exposure)
    references["gain"] = GainRef(data=np.full(ramp.shape, 1.7, np.float32))
    params = {
        "after_jump_flag_dn1": 200.0,
        "after_jump_flag_time1": 25.0,
        "after_jump_flag_dn2": 1000.0,
        "after_jump_flag_time2": 60.0,
    }
    mine = assert_official(ramp, references, **params)
    without = ours(ramp, references)
    assert (mine.groupdq != without.groupdq).sum() > 100


@pytest.mark.parametrize("flag", [S, D])
def test_flags_of_jumps_in_unusable_groups_are_taken_off(flag):
    ramp = quiet_ramp()
    groupdq = ramp.groupdq.copy()
    groupdq[0, 3, 1, 1] = flag | J
    found = assert_official(ramp.replace(groupdq=groupdq), flat_references((5, 5)))
    assert found.groupdq[0, 3, 1, 1] == flag


def test_a_wholly_flagged_ramp_stays_as_it_is():
    ramp = quiet_ramp()
    ramp = ramp.replace(groupdq=np.full_like(ramp.groupdq, D))
    found = assert_official(ramp, flat_references((5, 5)))
    np.testing.assert_array_equal(found.groupdq, ramp.groupdq)


def test_two_groups_are_left_alone():
    ramp = quiet_ramp(ngroups=2)
    step = registry["jump"]
    assert "2 groups" in step.skips(ramp.exposure, JumpParams())
    assert not step.skips(quiet_ramp(ngroups=3).exposure, JumpParams())
    assert ours(ramp, flat_references((5, 5), gain=np.nan)) is ramp


def test_pixels_without_gain_are_flagged():
    references = flat_references((5, 5))
    gain = references["gain"].data.copy()
    gain[0, :3] = np.nan, 0.0, -1.0
    found = assert_official(quiet_ramp(), {**references, "gain": GainRef(data=gain)})
    assert (found.pixeldq[0, :3] == dq.NO_GAIN_VALUE | D).all()
    assert not found.pixeldq[1:].any()


def test_a_box_with_its_halo_equals_the_whole():
    exposure = example_exposure(ngroups=8, nints=2)
    ramp = example_ramp(exposure, (30, 160), bias=False)
    references = example_references(exposure, (30, 160))
    whole = ours(ramp, references)
    box = Box(7, 19, 20, 101)
    part = ours(ramp.crop(box.grow(1, ramp.covers)), references).crop(box)
    np.testing.assert_array_equal(part.groupdq, whole.crop(box).groupdq)
    for strip in ramp.covers.strips(7):
        part = ours(ramp.crop(strip.grow(1, ramp.covers)), references).crop(strip)
        np.testing.assert_array_equal(part.groupdq, whole.crop(strip).groupdq)
