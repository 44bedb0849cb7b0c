import dataclasses as dc

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.references import GainRef, ReadnoiseRef, SaturationRef, SuperbiasRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.saturation import SaturationParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

STEP = registry["saturation"]
SAT, DNU, FLOOR = dq.SATURATED, dq.DO_NOT_USE, dq.AD_FLOOR


def official(ramp, limit, bias, p):
    pytest.importorskip("jwst")
    from jwst.saturation import SaturationStep

    model = official_model(ramp, ramp.exposure)
    model.meta.exposure.zero_frame = ramp.zeroframe is not None
    step = SaturationStep(
        override_saturation=official_model(limit, ramp.exposure),
        override_superbias="N/A" if bias is None else official_model(bias, ramp.exposure),
        **p.as_dict(),
    )
    return step.process(model)


def assert_equals_official(ramp, limit, bias, p):
    before = ramp.groupdq.copy()
    ours = STEP(ramp, p, {"limit": limit, "bias": bias})
    theirs = official(ramp, limit, bias, p)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
    if ramp.zeroframe is not None:
        np.testing.assert_array_equal(ours.zeroframe, theirs.zeroframe)
    np.testing.assert_array_equal(ramp.groupdq, before)
    return ours


def saturating(exposure, shape=(40, 48), seed=3):
    """Ramps near and past saturation with hits anywhere within the averaged frames."""
    rng = np.random.default_rng(seed)
    n = exposure.nframes
    frames = (exposure.nints, exposure.ngroups * n, *shape)
    rate = 10 ** rng.uniform(1, 4.5, shape)
    rate[rng.random(shape) < 0.6] = 20.0  # room between what spills
    steps = rng.poisson(np.broadcast_to(rate / n, frames))
    steps = steps + (rng.random(frames) < 0.004 / n) * rng.uniform(1e4, 9e4, frames)
    signal = np.minimum(np.cumsum(steps, axis=1) + 12000, 65535)
    data = signal.reshape(exposure.nints, exposure.ngroups, n, *shape).mean(2).astype(np.float32)
    data[rng.random(data.shape) < 0.002] = 0
    data[rng.random(data.shape) < 0.002] = np.nan
    groupdq = np.zeros(data.shape, np.uint8)
    groupdq[rng.random(data.shape) < 0.002] |= np.uint8(SAT)
    groupdq[rng.random(data.shape) < 0.01] |= np.uint8(DNU)
    zero = signal[:, 0].astype(np.float32)
    zero[:, 3, 3] = 0
    zero[:, 9, 9] = 65535
    return Ramp(
        exposure=exposure,
        data=data,
        groupdq=groupdq,
        pixeldq=np.zeros(shape, np.uint32),
        zeroframe=zero,
    )


def flat(shape=(7, 8), level=50000.0, bias=0.0):
    flags = np.zeros(shape, np.uint32)
    limit = SaturationRef(data=np.full(shape, level, np.float32), dq=flags)
    return {"limit": limit, "bias": SuperbiasRef(data=np.full(shape, bias, np.float32), dq=flags)}


def one_pixel(values, shape=(7, 8), at=(3, 4), **header):
    exposure = example_exposure(ngroups=len(values), **header)
    data = np.full((1, len(values), *shape), 100, np.float32)
    data[0, :, at[0], at[1]] = values
    return Ramp(
        exposure=exposure,
        data=data,
        groupdq=np.zeros(data.shape, np.uint8),
        pixeldq=np.zeros(shape, np.uint32),
    )


def test_saturation_lasts_spills_to_the_eight_neighbours_and_the_floor_is_not_used():
    out = STEP(one_pixel([0, 60000, 40000]), SaturationParams(), flat())
    expected = np.zeros((3, 7, 8), np.uint8)
    expected[1:, 2:5, 3:6] = SAT
    expected[0, 3, 4] = FLOOR | DNU
    np.testing.assert_array_equal(out.groupdq[0], expected)


def test_a_group_whose_last_frames_saturate_is_not_used():
    # 2nd group of 4 frames: a steady ramp that ends at 50000 has the mean 50000 * 6.5 / 8 = 40625
    for value, flagged in ((40624, False), (40626, True)):
        ramp = one_pixel([39000, value, 60000, 60000], nframes=4)
        out = STEP(ramp, SaturationParams(n_pix_grow_sat=0), flat())
        assert bool(out.groupdq[0, 1, 3, 4] & DNU) == flagged
        off = STEP(ramp, SaturationParams(n_pix_grow_sat=0, use_readpatt=False), flat())
        assert not off.groupdq[0, 1].any()


def test_a_second_group_that_rose_by_one_saturated_frame_is_not_used():
    # the first group is faint, so that only a hit can bring the third to saturation
    # (50000 - 1000) / 4 = 12250
    for value, flagged in ((13200, False), (13300, True)):
        out = STEP(one_pixel([1000, value, 60000, 60000], nframes=4), SaturationParams(), flat())
        assert bool(out.groupdq[0, 1, 3, 4] & DNU) == flagged


@pytest.mark.parametrize(
    ("instrument", "nframes"),
    [("NIRCAM", 1), ("NIRCAM", 2), ("NIRCAM", 8), ("NIRSPEC", 4), ("NIRISS", 3), ("MIRI", 1)],
)
@pytest.mark.parametrize("grow", [0, 1, 3])
def test_flags_equal_those_of_the_official_step(instrument, nframes, grow):
    exposure = example_exposure(instrument, nints=2, ngroups=7, nframes=nframes)
    ramp = saturating(exposure)
    found = example_references(exposure)
    for readpatt in (True, False):
        p = SaturationParams(n_pix_grow_sat=grow, use_readpatt=readpatt)
        out = assert_equals_official(ramp, found["saturation"], found["superbias"], p)
    assert (out.groupdq & SAT).any()


@pytest.mark.parametrize("ngroups", [1, 2, 3])
def test_short_ramps_without_a_superbias_equal_the_official_step(ngroups):
    exposure = example_exposure(ngroups=ngroups, nframes=4, nints=3)
    ramp = saturating(exposure).replace(zeroframe=None)
    limit = example_references(exposure)["saturation"]
    assert_equals_official(ramp, limit, None, SaturationParams())


def test_the_ramps_compared_exercise_both_rules_for_averaged_groups():
    exposure = example_exposure(ngroups=7, nframes=8, nints=2)
    ramp, found = saturating(exposure), example_references(exposure)
    references = {"limit": found["saturation"], "bias": found["superbias"]}
    unknown = dc.replace(found["superbias"], data=np.full(ramp.shape, np.nan, np.float32))
    both = STEP(ramp, SaturationParams(), references).groupdq & DNU
    first = STEP(ramp, SaturationParams(), references | {"bias": unknown}).groupdq & DNU
    none = STEP(ramp, SaturationParams(use_readpatt=False), references).groupdq & DNU
    assert (first > none)[:, 2:].sum() > 20
    assert (both > first).sum() == (both > first)[:, 1].sum() > 5


def test_a_pixel_without_a_threshold_never_saturates():
    references = flat()
    level, flags = references["limit"].data.copy(), references["limit"].dq.copy()
    level[0, 0] = np.nan
    flags[6, 7] = dq.NO_SAT_CHECK
    ramp = one_pixel([100, 100, 100])
    ramp = ramp.replace(data=np.full_like(ramp.data, 65535))
    limit = SaturationRef(data=level, dq=flags)
    out = assert_equals_official(ramp, limit, None, SaturationParams(n_pix_grow_sat=0))
    assert out.pixeldq[0, 0] == out.pixeldq[6, 7] == dq.NO_SAT_CHECK
    assert not out.groupdq[..., 0, 0].any()
    assert (np.delete(out.groupdq.reshape(3, -1), [0, 55], axis=1) == SAT).all()


def test_a_frame_smaller_than_the_growth_is_flagged_all_over():
    out = STEP(
        one_pixel([60000], shape=(2, 3), at=(1, 2)),
        SaturationParams(n_pix_grow_sat=5),
        flat((2, 3)),
    )
    assert (out.groupdq == SAT).all()


@pytest.mark.parametrize("grow", [0, 1, 3])
@pytest.mark.parametrize("nframes", [1, 8])
def test_a_box_with_its_halo_gives_the_same_as_the_whole(grow, nframes):
    exposure = example_exposure(nints=2, ngroups=6, nframes=nframes)
    ramp, found = saturating(exposure), example_references(exposure)
    references = {"limit": found["saturation"], "bias": found["superbias"]}
    p = SaturationParams(n_pix_grow_sat=grow)
    whole = STEP(ramp, p, references)
    for box in (Box(0, 9, 0, 48), Box(13, 14, 20, 21), Box(30, 40, 37, 48)):
        part = ramp.crop(box.grow(STEP.reach(p), ramp.covers)).native()
        ours, theirs = STEP(part, p, references).crop(box), whole.crop(box)
        for name, array in ours.arrays().items():
            np.testing.assert_array_equal(array, theirs.arrays()[name])


def test_a_gap_between_averaged_groups_changes_nothing_as_in_the_official_step():
    exposure = example_exposure(nints=2, nframes=4, groupgap=1)
    ramp, found = example_ramp(exposure), example_references(exposure)
    assert_equals_official(ramp, found["saturation"], found["superbias"], SaturationParams())


@pytest.mark.parametrize("gap", [0, 12])
def test_hits_that_saturate_at_any_frame_of_any_group_bias_no_slope_unflagged(gap):
    n, ngroup, rates = 8, 6, np.array([2.0, 20.0, 80.0, 250.0])  # DN a frame
    exposure = example_exposure(
        nframes=n, groupgap=gap, ngroups=ngroup, group_time=(n + gap) * 10.7, frame_time=10.7
    )
    shape = (ngroup * n * 3, 3 * len(rates))  # each hit in a pixel amid quiet ones
    light = np.zeros(shape)
    frames = np.arange(ngroup)[:, None] * (n + gap) + np.arange(1, n + 1)
    signal = np.zeros((ngroup, n, *shape)) + 500
    hit = np.zeros(shape, bool)
    for column, rate in enumerate(rates):
        for k in range(ngroup * n):
            y, x = 3 * k + 1, 3 * column + 1
            g, phase = divmod(k, n)
            light[y, x], hit[y, x] = rate, True
            signal[..., y, x] += rate * frames
            signal[..., y, x] = np.where(frames >= frames[g, phase], 60000, signal[..., y, x])
    ramp = Ramp(
        exposure=exposure,
        data=np.minimum(signal, 60000).mean(1)[None].astype(np.float32),
        groupdq=np.zeros((1, ngroup, *shape), np.uint8),
        pixeldq=np.zeros(shape, np.uint32),
    )
    found = {
        "gain": GainRef(data=np.full(shape, 2.0, np.float32)),
        "readnoise": ReadnoiseRef(data=np.full(shape, 8.0, np.float32)),
        **flat(shape, level=59000.0),
    }
    slopes = {}
    for checked in (True, False):
        out = STEP(ramp, SaturationParams(use_readpatt=checked, n_pix_grow_sat=0), found)
        for name in ("jump", "ramp_fit"):
            step = registry[name]
            out = step(out, step.params(), found)
        slopes[checked] = (out.data * 10.7 / np.where(hit, light, 1) - 1)[hit]
    wrong = {k: np.abs(v[np.isfinite(v)]) > 0.01 for k, v in slopes.items()}
    assert not wrong[True].any()
    assert wrong[False].sum() > 20  # the rules for averaged groups are what finds them
    assert np.isfinite(slopes[True]).mean() > 0.6
