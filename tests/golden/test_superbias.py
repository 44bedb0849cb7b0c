import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.references import SuperbiasRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.superbias import SuperbiasParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

STEP = registry["superbias"]
P = SuperbiasParams()


def official(ramp, bias):
    pytest.importorskip("jwst")
    from jwst.superbias import SuperBiasStep

    model = official_model(ramp, ramp.exposure)
    model.meta.exposure.zero_frame = ramp.zeroframe is not None
    step = SuperBiasStep(override_superbias=official_model(bias, ramp.exposure))
    return step.process(model)


def with_zeroframe(ramp):
    zero = np.array(ramp.data[:, 0])
    zero[:, ::7, ::5] = 0
    zero[:, 1, 1] = np.nan
    return ramp.replace(zeroframe=zero)


def test_the_bias_is_subtracted_and_its_flags_are_set():
    ramp = example_ramp(example_exposure(), flagged=False)
    ramp = ramp.replace(data=np.full_like(ramp.data, 1000))
    level = np.full(ramp.shape, 400, np.float32)
    level[2, 3] = np.nan
    flags = np.zeros(ramp.shape, np.uint32)
    flags[4, 5] = dq.UNRELIABLE_BIAS
    out = STEP(ramp, P, {"bias": SuperbiasRef(data=level, dq=flags)})
    assert (out.data[..., 0, 0] == 600).all()
    assert (out.data[..., 2, 3] == 1000).all()
    flags[2, 3] = dq.UNRELIABLE_BIAS
    np.testing.assert_array_equal(out.pixeldq, flags)


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS", "NIRSPEC"])
def test_data_flags_and_zero_frame_equal_those_of_the_official_step(instrument):
    ramp = with_zeroframe(example_ramp(example_exposure(instrument, nints=3, ngroups=4)))
    bias = example_references(ramp.exposure)["superbias"]
    ours, theirs = STEP(ramp, P, {"bias": bias}), official(ramp, bias)
    np.testing.assert_array_equal(ours.data, theirs.data)
    # the official step says nothing of pixels whose bias is not known
    unknown = np.isnan(bias.data) * np.uint32(dq.UNRELIABLE_BIAS)
    assert unknown.any()
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq | unknown)
    np.testing.assert_array_equal(ours.zeroframe, theirs.zeroframe)
    assert ours.data.dtype == ours.zeroframe.dtype == np.float32
    assert (ours.zeroframe[:, ::7, ::5] == 0).all()


def test_nan_samples_stay_nan_in_a_ramp_of_one_group():
    ramp = example_ramp(example_exposure(ngroups=1))
    data = np.array(ramp.data)
    data[0, 0, 5, 5] = np.nan
    bias = example_references(ramp.exposure)["superbias"]
    ramp = ramp.replace(data=data)
    out = STEP(ramp, P, {"bias": bias})
    np.testing.assert_array_equal(out.data, official(ramp, bias).data)
    assert np.isnan(out.data[0, 0, 5, 5])
