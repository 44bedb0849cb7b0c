import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.errors import StepError
from jwinteractive.references import LinearityRef
from jwinteractive.step import registry
from jwinteractive.steps.detector.linearity import LinearityParams
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

STEP = registry["linearity"]
P = LinearityParams()
OFFICIAL = LinearityParams(averaged="official")
CURVE = 1e-6  # measured = true - CURVE true²


def official(ramp, reference):
    pytest.importorskip("jwst")
    from jwst.linearity import LinearityStep

    model = official_model(ramp, ramp.exposure)
    model.meta.exposure.zero_frame = ramp.zeroframe is not None
    step = LinearityStep(override_linearity=official_model(reference, ramp.exposure))
    return step.process(model)


def assert_equals_official(ramp, reference):
    ours, theirs = STEP(ramp, OFFICIAL, {"reference": reference}), official(ramp, reference)
    np.testing.assert_array_equal(ours.data, theirs.data)
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
    np.testing.assert_array_equal(ours.groupdq, ramp.groupdq)
    if ramp.zeroframe is not None:
        np.testing.assert_array_equal(ours.zeroframe, theirs.zeroframe)
    assert ours.data.dtype == np.float32
    return ours


def inverse_too(reference, seed=8):
    """Add a rough inverse, with NaN, flat and flagged pixels of its own."""
    rng = np.random.default_rng(seed)
    inverse = np.array(reference.coeffs)
    inverse[2] = -inverse[2] * rng.normal(1, 0.05, inverse.shape[1:])
    inverse[3] = 3 * inverse[3]
    inverse[:, 2, 3] = np.nan
    inverse[1, 4, 5] = 0
    return LinearityRef(coeffs=reference.coeffs, dq=reference.dq, inv_coeffs=inverse)


def with_zeroframe(ramp):
    zero = np.array(ramp.data[:, 0])
    zero[:, ::7, ::5] = 0
    return ramp.replace(zeroframe=zero)


def flat(terms, shape=(4, 5), inverse=None):
    def planes(values):
        stack = [np.full(shape, v, np.float32) for v in values]
        return np.stack(stack)

    return LinearityRef(
        coeffs=planes(terms),
        dq=np.zeros(shape, np.uint32),
        inv_coeffs=None if inverse is None else planes(inverse),
    )


def flat_ramp(values, shape=(4, 5), **header):
    exposure = example_exposure(ngroups=len(values), **header)
    data = np.broadcast_to(np.float32(values)[None, :, None, None], (1, len(values), *shape))
    return Ramp(
        exposure=exposure,
        data=data.copy(),
        groupdq=np.zeros(data.shape, np.uint8),
        pixeldq=np.zeros(shape, np.uint32),
    )


def test_a_sample_is_the_value_of_the_polynomial_and_a_saturated_one_stays():
    ramp = flat_ramp([10, 20, 30])
    groupdq = ramp.groupdq.copy()
    groupdq[0, 2, 1, 1] = dq.SATURATED
    out = STEP(ramp.replace(groupdq=groupdq), P, {"reference": flat([1, 2, 0.5])})
    assert out.data[0, :, 0, 0].tolist() == [71, 241, 511]
    assert out.data[0, :, 1, 1].tolist() == [71, 241, 30]


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS", "NIRSPEC", "MIRI"])
@pytest.mark.parametrize(("nframes", "groupgap"), [(1, 0), (4, 1)])
def test_data_flags_and_zero_frame_equal_those_of_the_official_step(instrument, nframes, groupgap):
    exposure = example_exposure(instrument, nints=2, nframes=nframes, groupgap=groupgap)
    ramp = with_zeroframe(example_ramp(exposure, bias=False))
    assert_equals_official(ramp, example_references(exposure)["linearity"])


@pytest.mark.parametrize("nframes", [1, 2, 3, 8])
@pytest.mark.parametrize("ngroups", [2, 3, 10])
def test_averaged_groups_equal_the_official_step_with_an_inverse(nframes, ngroups):
    exposure = example_exposure(nints=2, nframes=nframes, ngroups=ngroups, groupgap=2)
    ramp = with_zeroframe(example_ramp(exposure, bias=False))
    out = assert_equals_official(ramp, inverse_too(example_references(exposure)["linearity"]))
    # the inverse is only looked at where frames were averaged
    assert bool(out.pixeldq[4, 5] & dq.NO_LIN_CORR) == (nframes > 1)


def test_flagged_flat_and_nan_polynomials_leave_the_data_and_are_flagged():
    reference = flat([0, 2, 0])
    coeffs, flags = reference.coeffs.copy(), reference.dq.copy()
    coeffs[2, 0, 0] = np.nan
    coeffs[1, 0, 1] = 0
    flags[0, 2] = dq.NO_LIN_CORR
    flags[0, 3] = dq.NONLINEAR
    ramp = flat_ramp([10, 20])
    out = assert_equals_official(ramp, LinearityRef(coeffs=coeffs, dq=flags))
    np.testing.assert_array_equal(out.data[..., 0, :3], ramp.data[..., 0, :3])
    assert (out.pixeldq[0, :3] == dq.NO_LIN_CORR).all()
    assert out.pixeldq[0, 3] == dq.NONLINEAR
    assert (out.data[..., 0, 3] == ramp.data[..., 0, 3] * 2).all()


# series of the inverse of true - CURVE true², to a tenth of a DN
TERMS = [0, 1, CURVE, 2 * CURVE**2, 5 * CURVE**3, 14 * CURVE**4, 42 * CURVE**5, 132 * CURVE**6]


def steady(rate, n, gap, ngroup):
    """Ramp of light that falls evenly, DN a frame, as measured; and the mean of each group."""
    frames = (n + gap) * np.arange(ngroup)[:, None] + np.arange(1, n + 1)
    true = rate * frames
    return (true - CURVE * true**2).mean(1), true.mean(1)


@pytest.mark.parametrize(("n", "gap", "rate"), [(8, 0, 1200.0), (8, 12, 1700.0), (2, 8, 1400.0)])
def test_averaged_groups_come_out_nearer_the_truth_than_officially(n, gap, rate):
    measured, wanted = steady(rate, n, gap, ngroup=int(45000 / rate - n) // (n + gap) + 1)
    ramp = flat_ramp(measured, nframes=n, groupgap=gap)
    ours = STEP(ramp, P, {"reference": flat(TERMS)}).data
    rebuilt = STEP(ramp, OFFICIAL, {"reference": flat(TERMS, inverse=[0, 1, -CURVE])}).data
    at_once = STEP(ramp, OFFICIAL, {"reference": flat(TERMS)}).data
    errors = [np.abs(d[0, :, 0, 0] - wanted).max() for d in (ours, rebuilt, at_once)]
    assert errors[0] < 0.3
    # between the frames of an official group no time passes but that of a frame
    assert errors[1] > 5 * errors[0] if gap else errors[1] < 0.5
    if n > 2:
        assert errors[2] > 5


def test_a_deep8_ramp_to_nine_tenths_of_the_well_is_straight_to_a_thousandth():
    # a third is lost at the full well of 45000 DN: corrected in one, the first group is 1 % off
    curve = 1 / 3 / 45000
    n, gap, rate = 8, 12, 0.9 * 45000 / 28
    frames = (n + gap) * np.arange(2)[:, None] + np.arange(1, n + 1)
    true = rate * frames
    # measured as the exact inverse of the polynomial P(S) = S + curve S²
    measured = (np.sqrt(1 + 4 * curve * true) - 1) / (2 * curve)
    ramp = flat_ramp(measured.mean(1), nframes=n, groupgap=gap)
    both = {
        p.averaged: STEP(ramp, p, {"reference": flat([0, 1, curve])}).data for p in (P, OFFICIAL)
    }
    errors = {k: np.abs(d[0, :, 0, 0] / true.mean(1) - 1).max() for k, d in both.items()}
    assert errors["by_frame"] < 1e-3
    assert errors["official"] > 8e-3


def test_random_ramps_equal_the_frames_corrected_one_by_one():
    exposure = example_exposure(nframes=8, groupgap=12, ngroups=6)
    reference = example_references(exposure)["linearity"]
    rng = np.random.default_rng(4)
    rate = rng.uniform(0, 350, (40, 48))
    frames = 20 * np.arange(6)[:, None] + np.arange(1, 9)
    true = rate * frames[:, :, None, None]
    coeffs = np.nan_to_num(np.float64(reference.coeffs))
    measured = true.copy()
    for _ in range(30):  # solves P(measured) = true
        measured = (
            true - (coeffs[2] * measured**2 + coeffs[3] * measured**3) - (coeffs[1] - 1) * measured
        )
    ramp = Ramp(
        exposure=exposure,
        data=measured.mean(1)[None].astype(np.float32),
        groupdq=np.zeros((1, 6, 40, 48), np.uint8),
        pixeldq=np.zeros((40, 48), np.uint32),
    )
    out = STEP(ramp, P, {"reference": reference})
    good = (out.pixeldq & dq.NO_LIN_CORR) == 0
    assert np.abs(out.data[0] - true.mean(1))[:, good].max() < 0.05


def test_one_averaged_group_takes_its_light_to_have_come_since_the_reset():
    measured, wanted = steady(2000.0, 8, 12, 1)
    ramp = flat_ramp(measured, nframes=8, groupgap=12)
    out = STEP(ramp, P, {"reference": flat(TERMS)}).data
    assert abs(out[0, 0, 0, 0] - wanted[0]) < 0.5
    at_once = STEP(ramp, OFFICIAL, {"reference": flat(TERMS)}).data
    assert abs(at_once[0, 0, 0, 0] - wanted[0]) > 10
    # the official step needs two groups where there is an inverse, and fails
    exposure = example_exposure(ngroups=1, nframes=4)
    ramp = example_ramp(exposure, bias=False)
    plain = example_references(exposure)["linearity"]
    out = STEP(ramp, OFFICIAL, {"reference": inverse_too(plain)})
    with pytest.raises(IndexError):
        official(ramp, inverse_too(plain))
    np.testing.assert_array_equal(out.data, STEP(ramp, OFFICIAL, {"reference": plain}).data)


def test_a_nan_spoils_no_other_group_and_a_falling_polynomial_bends_nothing():
    ramp = flat_ramp([9000, 19000, 29000, 39000], nframes=8)
    data = np.array(ramp.data)
    data[0, 0, 1, 1] = data[0, 2, 2, 2] = np.nan
    falling = flat([0, 1, -1e-5])  # turns at 50000 DN, is flat from 45000 on
    out = STEP(ramp.replace(data=data), P, {"reference": falling}).data
    assert np.isnan(out).sum() == 2
    ramp = flat_ramp([46000, 48000, 52000, 60000], nframes=8)
    out, plain = (STEP(ramp, p, {"reference": falling}).data for p in (P, OFFICIAL))
    np.testing.assert_array_equal(out, plain)


def test_an_all_saturated_ramp_and_nan_samples_equal_the_official_step():
    exposure = example_exposure(ngroups=4, nframes=2)
    ramp = example_ramp(exposure, bias=False)
    groupdq, data = ramp.groupdq.copy(), ramp.data.copy()
    groupdq[..., 5, :] = dq.SATURATED
    groupdq[0, 1:, 6, :] = dq.SATURATED
    data[0, 2, 7, 7] = np.nan
    ramp = ramp.replace(data=data, groupdq=groupdq)
    out = assert_equals_official(ramp, inverse_too(example_references(exposure)["linearity"]))
    np.testing.assert_array_equal(out.data[..., 5, :], ramp.data[..., 5, :])


def test_a_reference_of_one_coefficient_is_refused():
    with pytest.raises(StepError, match="coefficient"):
        STEP(flat_ramp([1, 2]), P, {"reference": flat([1])})


@pytest.mark.parametrize("nframes", [1, 4])
def test_a_box_gives_the_same_as_the_whole(nframes):
    exposure = example_exposure(nints=2, nframes=nframes)
    ramp = with_zeroframe(example_ramp(exposure, bias=False))
    references = {"reference": inverse_too(example_references(exposure)["linearity"])}
    whole = STEP(ramp, OFFICIAL, references)
    for box in (Box(0, 9, 0, 48), Box(13, 14, 20, 21), Box(30, 40, 37, 48)):
        ours, theirs = STEP(ramp.crop(box).native(), OFFICIAL, references), whole.crop(box)
        for name, array in ours.arrays().items():
            np.testing.assert_array_equal(array, theirs.arrays()[name])
