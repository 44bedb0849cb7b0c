"""`rscd` against the official step."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.references import RscdRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.rscd import RscdParams
from jwinteractive.testing import example_exposure, example_ramp, official_model

rscd = registry["rscd"]


def saturating_ramp(nints, ngroups, first=1, total=None):
    """Ramps that saturate for good at any group, a third of them never."""
    exposure = example_exposure(
        "MIRI", nints=total or nints, ngroups=ngroups, first_integration=first
    )
    ramp = example_ramp(example_exposure("MIRI", nints=nints, ngroups=ngroups))
    start = np.random.default_rng(7).integers(0, int(1.5 * ngroups) + 1, (nints, 1, *ramp.shape))
    late = np.arange(ngroups)[None, :, None, None] >= start
    groupdq = (ramp.groupdq & ~np.uint8(dq.SATURATED)) | np.where(late, dq.SATURATED, 0)
    return ramp.replace(exposure=exposure, groupdq=groupdq.astype(np.uint8))


def assert_same(ramp, reference):
    pytest.importorskip("jwst")
    from jwst.rscd.rscd_step import RscdStep

    step = RscdStep()
    step.override_rscd = official_model(reference, ramp.exposure)
    want = step.process(official_model(ramp, ramp.exposure))
    skips = rscd.skips(ramp.exposure, RscdParams())
    assert bool(skips) is (want.meta.cal_step.rscd == "SKIPPED")
    if not skips:
        got = rscd(ramp, RscdParams(), {"rscd": reference})
        np.testing.assert_array_equal(got.groupdq, want.groupdq)
        np.testing.assert_array_equal(got.pixeldq, want.pixeldq)


@pytest.mark.parametrize("skip", [(3, 4), (1, 6), (0, 0), (-1, 3), (20, 2)])
@pytest.mark.parametrize("ngroups", [2, 3, 4, 5, 6, 7, 12])
@pytest.mark.parametrize("nints", [1, 3])
def test_flags_agree_with_the_official_step(nints, ngroups, skip):
    assert_same(saturating_ramp(nints, ngroups), RscdRef(skip_first=skip[0], skip_later=skip[1]))


@pytest.mark.parametrize(("nints", "first"), [(2, 1), (1, 1), (2, 4), (1, 6)])
def test_segments_of_an_exposure_agree_with_the_official_step(nints, first):
    ramp = saturating_ramp(nints, 10, first, total=6)
    assert_same(ramp, RscdRef(skip_first=2, skip_later=5))


def test_a_pixel_that_saturates_early_gives_up_fewer_groups_as_worked_by_hand():
    ramp = example_ramp(example_exposure("MIRI"), (1, 4), flagged=False)
    groupdq = ramp.groupdq.copy()
    for x, start in enumerate((9, 4, 2, 0)):  # first saturated group, from 0
        groupdq[0, start:, 0, x] = dq.SATURATED
    ramp = ramp.replace(groupdq=groupdq)
    got = rscd(ramp, RscdParams(), {"rscd": RscdRef(skip_first=4, skip_later=4)})
    dropped = (got.groupdq[0, :, 0] & dq.DO_NOT_USE != 0).sum(axis=0)
    # Groups 2 and 3 of the second pixel stay, groups 0 and 1 of the third; the last is lost anyway.
    np.testing.assert_array_equal(dropped, [4, 2, 0, 4])
    np.testing.assert_array_equal(got.pixeldq[0] != 0, [False, True, True, False])


def test_a_box_gives_the_same_flags_as_the_whole():
    ramp = saturating_ramp(2, 10)
    reference, box = RscdRef(skip_first=3, skip_later=5), Box(2, 9, 3, 17)
    whole = rscd(ramp, RscdParams(), {"rscd": reference}).crop(box)
    part = rscd(ramp.crop(box).native(), RscdParams(), {"rscd": reference})
    np.testing.assert_array_equal(part.groupdq, whole.groupdq)
    np.testing.assert_array_equal(part.pixeldq, whole.pixeldq)


def test_a_readout_that_is_not_in_the_table_changes_nothing():
    ramp = saturating_ramp(1, 10)
    assert rscd(ramp, RscdParams(), {"rscd": RscdRef(found=False)}) is ramp


def test_other_instruments_are_left_alone_with_the_reason():
    assert "NIRCAM" in rscd.skips(example_exposure("NIRCAM"), RscdParams())


def test_the_groups_that_are_skipped_leave_less_than_a_fifth_of_a_per_cent_of_the_transient(
    miri_rates,
):
    plain, _ = miri_rates()
    kept, _ = miri_rates(rscd=40.0)
    bent, _ = miri_rates(rscd=40.0, off=("rscd",))
    assert np.abs(kept - plain).max() < 2e-3
    assert abs(bent[0] - plain[0]) < 2e-3  # nothing was switched before the first integration
    assert (bent - plain)[1:].min() > 0.02


def test_a_steep_transient_needs_all_of_its_groups_skipped(miri_rates, monkeypatch):
    """Two groups fewer than the simulated reference asks for are not enough."""
    plain, _ = miri_rates()
    monkeypatch.setattr("jwinteractive.steps.detector.rscd._allowed", lambda skip, n: skip - 3)
    kept, _ = miri_rates(rscd=40.0)
    assert (kept - plain)[1:].min() > 2e-3
