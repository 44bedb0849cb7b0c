import dataclasses as dc

import numpy as np
import pytest

from jwinteractive.step import registry
from jwinteractive.steps.detector.group_scale import GroupScaleParams
from jwinteractive.testing import example_exposure, example_ramp, official_model

STEP = registry["group_scale"]
P = GroupScaleParams()


def official(ramp):
    pytest.importorskip("jwst")
    from jwst.group_scale import GroupScaleStep

    return GroupScaleStep().process(official_model(ramp, ramp.exposure))


def test_nine_frames_divided_by_sixteen_are_scaled_by_sixteen_ninths():
    ramp = example_ramp(example_exposure(nframes=9, frame_divisor=16))
    ramp = ramp.replace(data=np.full_like(ramp.data, 900))
    assert STEP(ramp, P).data == pytest.approx(1600)


@pytest.mark.parametrize("nframes", [1, 2, 3, 5, 9, 10])
@pytest.mark.parametrize("frame_divisor", [0, 1, 2, 4, 16])
def test_result_and_decision_equal_those_of_the_official_step(nframes, frame_divisor):
    exposure = example_exposure(nframes=nframes, frame_divisor=frame_divisor, nints=2)
    ramp = example_ramp(exposure)
    theirs = official(ramp)
    np.testing.assert_array_equal(STEP(ramp, P).data, theirs.data)
    skipped = theirs.meta.cal_step.group_scale == "SKIPPED"
    assert bool(STEP.skips(exposure, P)) == skipped


def test_a_skipped_ramp_comes_back_unchanged_and_the_zero_frame_always():
    ramp = example_ramp(example_exposure(nframes=8, frame_divisor=8))
    assert STEP(ramp, P) is ramp
    zero = np.ones((1, *ramp.shape), np.float32)
    scaled = ramp.replace(exposure=dc.replace(ramp.exposure, frame_divisor=16), zeroframe=zero)
    np.testing.assert_array_equal(STEP(scaled, P).zeroframe, zero)
    np.testing.assert_array_equal(STEP(scaled, P).data, ramp.data * 2)
