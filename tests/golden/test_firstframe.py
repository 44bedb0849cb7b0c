"""`firstframe` against the official step."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.step import registry
from jwinteractive.steps.detector.firstframe import FirstframeParams
from jwinteractive.testing import example_exposure, example_ramp, official_model

firstframe = registry["firstframe"]


@pytest.mark.filterwarnings("ignore:.*FirstFrameStep:DeprecationWarning")
@pytest.mark.parametrize("bright_use_group1", [True, False])
@pytest.mark.parametrize("ngroups", [3, 4, 10])
def test_flags_agree_with_the_official_step(ngroups, bright_use_group1):
    pytest.importorskip("jwst")
    from jwst.firstframe.firstframe_step import FirstFrameStep

    exposure = example_exposure("MIRI", nints=2, ngroups=ngroups)
    ramp = example_ramp(exposure)
    step = FirstFrameStep()
    step.bright_use_group1 = bright_use_group1
    want = step.process(official_model(ramp, exposure))
    p = FirstframeParams(bright_use_group1=bright_use_group1)
    skips = firstframe.skips(exposure, p)
    assert bool(skips) is (want.meta.cal_step.firstframe == "SKIPPED")
    if not skips:
        got = firstframe(ramp, p)
        np.testing.assert_array_equal(got.groupdq, want.groupdq)
        np.testing.assert_array_equal(got.pixeldq, want.pixeldq)


def test_a_pixel_saturated_in_the_third_group_of_one_integration_keeps_its_first_group_there():
    ramp = example_ramp(example_exposure("MIRI", nints=2), flagged=False)
    groupdq = ramp.groupdq.copy()
    groupdq[1, 2:, 7, 6] = dq.SATURATED
    ramp = ramp.replace(groupdq=groupdq).crop(Box(7, 9, 6, 8)).native()
    got = firstframe(ramp, FirstframeParams())
    np.testing.assert_array_equal(got.groupdq[:, 0, 0, 0], [dq.DO_NOT_USE, 0])
    np.testing.assert_array_equal(got.pixeldq, [[dq.FLUX_ESTIMATED, 0], [0, 0]])


def test_other_instruments_are_left_alone_with_the_reason():
    assert "NIRISS" in firstframe.skips(example_exposure("NIRISS"), FirstframeParams())
