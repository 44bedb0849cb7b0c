"""`reset` against the official step."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.references import ResetRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.reset import ResetParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

reset = registry["reset"]


def with_nan(exposure):
    reference = example_references(exposure)["reset"]
    data = reference.data.copy()
    data[:, :, 4, 5] = np.nan
    return ResetRef(data=data, dq=reference.dq)


@pytest.mark.parametrize(("nints", "first"), [(1, 1), (3, 1), (2, 2), (2, 7)])
@pytest.mark.parametrize("ngroups", [6, 15, 20])
def test_data_and_flags_agree_exactly_with_the_official_step(nints, first, ngroups):
    pytest.importorskip("jwst")
    from jwst.reset.reset_step import ResetStep

    exposure = example_exposure("MIRI", nints=nints, ngroups=ngroups, first_integration=first)
    ramp, reference = example_ramp(exposure), with_nan(exposure)
    step = ResetStep()
    step.override_reset = official_model(reference, exposure)
    model = official_model(ramp, exposure)
    model.meta.exposure.integration_end = first + nints - 1
    want = step.process(model)
    got = reset(ramp, ResetParams(), {"reset": reference})
    np.testing.assert_array_equal(got.data, want.data)
    np.testing.assert_array_equal(got.pixeldq, want.pixeldq)
    assert not np.array_equal(got.data, ramp.data)


def test_later_integrations_take_the_last_table_and_later_groups_none_as_worked_by_hand():
    exposure = example_exposure("MIRI", nints=3, ngroups=3)
    ramp = example_ramp(exposure, (1, 1), flagged=False)
    ramp = ramp.replace(data=np.full((3, 3, 1, 1), 100, np.float32))
    table = np.array([[5, 2], [9, 4]], np.float32)[:, :, None, None]
    reference = ResetRef(data=table, dq=np.full((1, 1), dq.HOT, np.uint32))
    got = reset(ramp, ResetParams(), {"reset": reference})
    want = [[95, 98, 100], [91, 96, 100], [91, 96, 100]]
    np.testing.assert_array_equal(got.data[..., 0, 0], want)
    assert got.pixeldq[0, 0] == dq.HOT


def test_a_box_gives_the_same_numbers_as_the_whole():
    exposure = example_exposure("MIRI", nints=2)
    ramp, reference = example_ramp(exposure), with_nan(exposure)
    box = Box(2, 9, 3, 17)
    whole = reset(ramp, ResetParams(), {"reset": reference}).crop(box)
    part = reset(ramp.crop(box).native(), ResetParams(), {"reset": reference})
    np.testing.assert_array_equal(part.data, whole.data)


def test_other_instruments_are_left_alone_with_the_reason():
    assert "NIRSPEC" in reset.skips(example_exposure("NIRSPEC"), ResetParams())


def test_rates_with_a_reset_anomaly_come_out_as_without_one(miri_rates):
    plain, width = miri_rates()
    corrected, still = miri_rates(reset=40.0)
    bent, _ = miri_rates(reset=40.0, off=("reset",))
    assert np.abs(corrected - plain).max() < 1e-4
    assert still == pytest.approx(width, abs=0.01)
    assert np.all(bent - plain < -0.01)
