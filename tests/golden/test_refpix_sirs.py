"""`refpix` with the SIRS kernels against the official step, hand-worked numbers and the truth."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.detectors import detector, reference_pixels
from jwinteractive.kernels.sirs import convolution_kernels, templates
from jwinteractive.references import SirsKernelRef
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.refpix import RefpixParams, measure_refpix
from jwinteractive.testing import example_exposure, official_model

SIRS = RefpixParams(refpix_algorithm="sirs")


def kernels(own=0.4, seed=5):
    """Coefficients that keep slow drifts, a little different for each amplifier and side."""
    rng = np.random.default_rng(seed)
    f = np.arange(1025) / 2048
    shape = own / (1 + (f / 0.02) ** 2)
    gamma, zeta = (np.stack([shape * rng.uniform(0.8, 1.2) for _ in range(4)]) for _ in range(2))
    return SirsKernelRef(gamma=gamma, zeta=zeta)


def drifting(name, instrument, seed=3):
    """White noise and a drift along the slow axis that all columns share."""
    exposure = example_exposure(
        instrument, detector=name, subarray="FULL", xstart=1, ystart=1, ngroups=2, noutputs=4
    )
    rng = np.random.default_rng(seed)
    d = detector(instrument, name)
    drift = np.cumsum(rng.normal(0, 0.4, (1, 2, 2048)), axis=2)
    along_x = abs(d.slowaxis) == 1
    data = rng.normal(0, 5, (1, 2, 2048, 2048))
    data += drift[:, :, None] if along_x else drift[..., None]
    data = data.astype(np.float32)
    data[rng.random(data.shape) < 0.001] += 300
    pixeldq = np.zeros((2048, 2048), np.uint32)
    pixeldq[reference_pixels(d, 1, 1, (2048, 2048))] = dq.REFERENCE_PIXEL
    return Ramp(
        exposure=exposure, data=data, groupdq=np.zeros(data.shape, np.uint8), pixeldq=pixeldq
    )


def ours(ramp, reference, p=SIRS):
    model = measure_refpix(Whole(ramp.exposure, ramp.covers, ramp.crop), p, None, reference)
    given = {"irs2": None, "sirs": reference}
    whole = registry["refpix"](ramp, p, given, model)
    box = Box(1000, 1040, 505, 530)
    part = registry["refpix"](ramp.crop(box).native(), p, given, model)
    np.testing.assert_array_equal(part.data, whole.crop(box).data)
    return whole.data, model


@pytest.mark.parametrize(
    ("name", "instrument"), [("NRCA1", "NIRCAM"), ("NIS", "NIRISS"), ("NRS2", "NIRSPEC")]
)
def test_equals_the_official_step_and_a_box_equals_the_whole(name, instrument):
    pytest.importorskip("jwst")
    from jwst.refpix.refpix_step import RefPixStep
    from stdatamodels.jwst import datamodels

    ramp, reference = drifting(name, instrument), kernels()
    model = datamodels.SIRSKernelModel()
    model[name.lower()] = {"gamma": reference.gamma, "zeta": reference.zeta}
    step = RefPixStep(refpix_algorithm="sirs")
    step.override_sirskernel = model
    official = official_model(ramp, ramp.exposure)
    official.meta.exposure.zero_frame = False
    theirs = np.array(step.process(official).data)
    found, made = ours(ramp, reference)
    assert made.sirs is not None
    assert made.sirs.std() > 1
    np.testing.assert_allclose(found, theirs, atol=1e-4)


def test_kernels_that_fit_take_the_drift_away():
    ramp = drifting("NRCA1", "NIRCAM")
    found, _ = ours(ramp, kernels(0.5))
    rows = [np.median(each[..., 4:-4, 4:-4], axis=3).std() for each in (ramp.data, found)]
    assert rows[1] < 0.4 * rows[0]


def test_without_kernels_the_running_median_is_taken():
    ramp = drifting("NRCA1", "NIRCAM")
    found, model = ours(ramp, None)
    assert model.sirs is None
    median, _ = ours(ramp, kernels(), RefpixParams())
    np.testing.assert_array_equal(found, median)


def test_a_constant_spectrum_is_a_single_row_smoothed_as_worked_by_hand():
    kernel = convolution_kernels(np.ones((1, 9)), 1.0, 2)
    window = np.exp(-np.array([4, 1, 0, 1, 4]) / 2)
    np.testing.assert_allclose(kernel[0], window / window.sum(), atol=1e-12)


def test_samples_that_stand_out_are_left_out_as_worked_by_hand():
    left = np.tile([1.0, 3.0, 1.0, 3.0], (1, 5, 1))
    left[0, 2, 0] = 1000
    right = np.zeros((1, 5, 4))
    one = np.array([[1.0]])
    found = templates(left, right, (one, one), 4.0)
    # 3 + 1 + 3 over three samples
    np.testing.assert_allclose(found[0, 0], [2, 2, 7 / 3, 2, 2])


def test_all_samples_of_a_row_left_out_tell_nothing():
    left = np.tile([1.0, 3.0, 1.0, 3.0], (1, 5, 1))
    left[0, 2] = 1000
    one = np.array([[1.0]])
    found = templates(left, np.zeros((1, 5, 4)), (one, one), 4.0)
    np.testing.assert_allclose(found[0, 0], [2, 2, 0, 2, 2])
