import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Ramp
from jwinteractive.step import registry
from jwinteractive.steps.detector.charge_migration import ChargeMigrationParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)
from jwinteractive.views import Shown

STEP = registry["charge_migration"]
LOST = dq.CHARGELOSS | dq.DO_NOT_USE


def official(ramp, p):
    pytest.importorskip("jwst")
    from jwst.charge_migration import ChargeMigrationStep

    return ChargeMigrationStep(**p.as_dict()).process(official_model(ramp, ramp.exposure))


def flat_ramp(values, shape=(5, 6)):
    exposure = example_exposure("NIRISS", ngroups=len(values))
    data = np.zeros((1, len(values), *shape), np.float32)
    data[0, :, 2, 3] = values
    none = np.zeros(data.shape, np.uint8)
    return Ramp(exposure=exposure, data=data, groupdq=none, pixeldq=np.zeros(shape, np.uint32))


def test_a_group_above_the_threshold_is_lost_with_later_ones_and_four_neighbours():
    out = STEP(flat_ramp([24000, 25001, 100]), ChargeMigrationParams())
    expected = np.zeros((3, 5, 6), np.uint8)
    for y, x in ((2, 3), (1, 3), (3, 3), (2, 2), (2, 4)):
        expected[1:, y, x] = LOST
    np.testing.assert_array_equal(out.groupdq[0], expected)
    at_it = STEP(flat_ramp([24000, 25000, 25000]), ChargeMigrationParams())
    assert not at_it.groupdq.any()


@pytest.mark.parametrize("threshold", [0.0, 2000.0, 25000.0])
def test_flags_equal_those_of_the_official_step(threshold):
    exposure = example_exposure("NIRISS", nints=3, ngroups=7)
    ramp = example_ramp(exposure, bias=False)
    data = np.array(ramp.data)
    data[1, 2, 5:8, 5:8] = np.nan
    data[:, 3:, 0, ::5] = data[:, 3:, -1, ::7] = data[:, 3:, ::6, 0] = data[:, 3:, ::9, -1] = 4e4
    ramp = ramp.replace(data=data)
    p = ChargeMigrationParams(signal_threshold=threshold)
    ours = STEP(ramp, p)
    np.testing.assert_array_equal(ours.groupdq, official(ramp, p).groupdq)
    assert (ours.groupdq & dq.CHARGELOSS).any()
    assert not (ours.groupdq & dq.CHARGELOSS).all()


def test_the_frame_shows_a_lone_pixel_that_loses_groups_among_many_that_lose_none():
    ramp = flat_ramp([24000, 25001, 30000], shape=(80, 80))
    (view,) = STEP.own_views
    frame = view.draw(Shown(after=STEP(ramp, ChargeMigrationParams())))
    assert frame.data[2, 3] == 1
    assert np.median(frame.data) == 3
    assert frame.limits == (0, 3)


def test_what_is_not_to_be_used_loses_no_charge_and_few_groups_are_left_alone():
    ramp = flat_ramp([30000, 30000, 30000])
    ramp = ramp.replace(groupdq=np.full_like(ramp.groupdq, dq.DO_NOT_USE))
    assert not (STEP(ramp, ChargeMigrationParams()).groupdq & dq.CHARGELOSS).any()
    short = example_exposure(ngroups=2)
    assert "needs 3 groups" in STEP.skips(short, ChargeMigrationParams())
    assert not STEP.skips(example_exposure(ngroups=3), ChargeMigrationParams())


def test_the_fit_of_what_is_left_equals_the_official_one():
    pytest.importorskip("jwst")
    from jwst.ramp_fitting import RampFitStep

    exposure = example_exposure("NIRISS", nints=2, ngroups=9)
    ramp = example_ramp(exposure, bias=False, flagged=False)
    found = example_references(exposure)
    ramp = STEP(ramp, ChargeMigrationParams(signal_threshold=1500.0))
    lost = ((ramp.groupdq & dq.CHARGELOSS) != 0).sum(axis=(0, 1))
    assert (lost > 4).sum() > 100
    fit = registry["ramp_fit"]
    ours = fit(
        ramp,
        fit.params(algorithm="OLS_C", combine="official"),
        {"gain": found["gain"], "readnoise": found["readnoise"]},
    )
    overrides = {f"override_{t}": official_model(found[t], exposure) for t in ("gain", "readnoise")}
    theirs, _ = RampFitStep(**overrides).process(official_model(ramp, exposure))
    good = np.isfinite(theirs.data)
    np.testing.assert_array_equal(np.isfinite(ours.data), good)
    np.testing.assert_allclose(ours.data[good], theirs.data[good], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(ours.err[good], theirs.err[good], rtol=1e-3)


def test_flagging_a_core_that_spills_brings_its_rate_back():
    # above 20000 DN a tenth of what falls in goes to the four neighbours
    rate, ngroup = 3000.0, 14
    true = rate * np.arange(1, ngroup + 1)
    spilt = 0.1 * np.maximum(true - 20000, 0)
    ramp = flat_ramp(true - spilt)
    data = np.array(ramp.data)
    for y, x in ((1, 3), (3, 3), (2, 2), (2, 4)):
        data[0, :, y, x] = 0.1 * true + spilt / 4
    ramp = ramp.replace(data=data)
    found = example_references(ramp.exposure, ramp.shape)
    fit = registry["ramp_fit"]
    needed = {"gain": found["gain"], "readnoise": found["readnoise"]}
    slopes = [
        fit(r, fit.params(), needed).data[2, 2:4] * ramp.exposure.group_time
        for r in (ramp, STEP(ramp, ChargeMigrationParams(signal_threshold=20000.0)))
    ]
    wanted = np.array([0.1 * rate, rate])
    np.testing.assert_allclose(slopes[1], wanted, rtol=1e-3)
    assert (np.abs(slopes[0] / wanted - 1) > 0.02).all()
