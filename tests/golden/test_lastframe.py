"""`lastframe` against the official step."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box
from jwinteractive.step import registry
from jwinteractive.steps.detector.lastframe import LastframeParams
from jwinteractive.testing import example_exposure, example_ramp, official_model

lastframe = registry["lastframe"]


@pytest.mark.parametrize("ngroups", [1, 2, 3, 10])
def test_flags_agree_with_the_official_step(ngroups):
    pytest.importorskip("jwst")
    from jwst.lastframe.lastframe_step import LastFrameStep

    exposure = example_exposure("MIRI", nints=2, ngroups=ngroups)
    ramp = example_ramp(exposure)
    want = LastFrameStep().process(official_model(ramp, exposure))
    skips = lastframe.skips(exposure, LastframeParams())
    assert bool(skips) is (want.meta.cal_step.lastframe == "SKIPPED")
    if not skips:
        got = lastframe(ramp, LastframeParams())
        np.testing.assert_array_equal(got.groupdq, want.groupdq)
        assert got.data is ramp.data or np.shares_memory(got.data, ramp.data)


def test_only_the_last_group_of_each_integration_is_flagged_also_in_a_box():
    ramp = example_ramp(example_exposure("MIRI", nints=2), flagged=False)
    got = lastframe(ramp.crop(Box(2, 5, 3, 9)).native(), LastframeParams())
    assert np.all(got.groupdq[:, -1] == dq.DO_NOT_USE)
    assert not got.groupdq[:, :-1].any()


def test_other_instruments_are_left_alone_with_the_reason():
    assert "NIRCAM" in lastframe.skips(example_exposure("NIRCAM"), LastframeParams())


def test_rates_do_not_see_the_last_frame_pulled_down_in_even_and_odd_rows(miri_rates):
    plain, width = miri_rates()
    dropped, still = miri_rates(last_frame=25.0)
    np.testing.assert_array_equal(dropped, plain)
    assert still == width
    bent, wide = miri_rates(last_frame=25.0, off=("lastframe",))
    assert np.all(bent - plain < -0.01)
    assert wide > width + 0.05
