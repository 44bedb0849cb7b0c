"""`refpix` against the official step, hand-worked numbers and the truth."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Ramp
from jwinteractive.detectors import detector, reference_pixels
from jwinteractive.errors import StepError
from jwinteractive.kernels.refpix import clipped_means, running_median
from jwinteractive.step import Whole, registry
from jwinteractive.steps.detector.refpix import RefpixParams, measure_refpix
from jwinteractive.testing import example_exposure, official_model


def exposure_of(name, **changes):
    instruments = {"NRC": "NIRCAM", "NRS": "NIRSPEC", "NIS": "NIRISS", "MIR": "MIRI"}
    given = {"subarray": "FULL", "xstart": 1, "ystart": 1, "ngroups": 2, "noutputs": 4}
    return example_exposure(instruments[name[:3]], detector=name, **(given | changes))


def drifting_ramp(exposure, shape, seed=3, zeroframe=False):
    """Noise, level and gradient that differ by group, amplifier and row; some bad references."""
    rng = np.random.default_rng(seed)
    full = (exposure.nints, exposure.ngroups, *shape)
    data = rng.normal(0, 6, full).astype(np.float32)
    data += rng.normal(0, 30, (*full[:2], 1, 1)).astype(np.float32)
    data += np.cumsum(rng.normal(0, 0.5, (*full[:2], shape[0], 1)), axis=2).astype(np.float32)
    data += np.cumsum(rng.normal(0, 0.5, (*full[:2], 1, shape[1])), axis=3).astype(np.float32)
    data[rng.random(full) < 0.01] += 400
    d = detector(exposure.instrument, exposure.detector)
    pixeldq = np.zeros(shape, np.uint32)
    pixeldq[reference_pixels(d, exposure.xstart, exposure.ystart, shape)] = dq.REFERENCE_PIXEL
    pixeldq[rng.random(shape) < 0.03] |= dq.DO_NOT_USE
    zero = None
    if zeroframe:
        zero = data[:, 0] - np.float32(3)
        zero[rng.random(zero.shape) < 0.05] = 0
    return Ramp(
        exposure=exposure,
        data=data,
        groupdq=np.zeros(full, np.uint8),
        pixeldq=pixeldq,
        zeroframe=zero,
    )


def ours(ramp, **params):
    p = RefpixParams(**params)
    model = measure_refpix(Whole(ramp.exposure, ramp.covers, ramp.crop), p)
    return registry["refpix"](ramp, p, {"irs2": None, "sirs": None}, model)


def officially(ramp, **params):
    pytest.importorskip("jwst")
    from jwst.refpix.refpix_step import RefPixStep

    model = official_model(ramp, ramp.exposure)
    model.meta.exposure.zero_frame = ramp.zeroframe is not None
    step = RefPixStep()
    for name, value in params.items():
        setattr(step, name, value)
    return step.process(model)


def assert_same(ramp, **params):
    want, got = officially(ramp, **params), ours(ramp, **params)
    np.testing.assert_allclose(got.data, want.data, rtol=2e-6, atol=3e-5)
    np.testing.assert_array_equal(got.pixeldq, want.pixeldq)
    np.testing.assert_array_equal(got.groupdq, want.groupdq)
    if ramp.zeroframe is not None:
        np.testing.assert_allclose(got.zeroframe, want.zeroframe, rtol=2e-6, atol=3e-5)
    return got


@pytest.mark.parametrize("name", ["NRCA1", "NRCA2", "NIS", "NRS1", "NRS2"])
def test_full_frames_agree_with_the_official_step_whichever_way_they_are_read(name):
    ramp = drifting_ramp(exposure_of(name), (2048, 2048))
    got = assert_same(ramp)
    assert got.data.std() < ramp.data.std()


def test_full_frames_agree_without_parity_with_a_zero_frame_and_other_lengths():
    ramp = drifting_ramp(exposure_of("NRS1"), (2048, 2048), zeroframe=True)
    assert_same(ramp, odd_even_columns=False, side_smoothing_length=10, side_gain=0.6, siglimit=2.0)


def test_full_frames_agree_without_side_pixels():
    ramp = drifting_ramp(exposure_of("NRCB1"), (2048, 2048))
    assert_same(ramp, use_side_ref_pixels=False)


def test_an_amplifier_without_good_references_of_one_parity_stays_as_it_is():
    ramp = drifting_ramp(exposure_of("NRCA1", ngroups=1), (2048, 2048))
    pixeldq = ramp.pixeldq.copy()
    pixeldq[:4, 512:1024:2] |= dq.DO_NOT_USE
    pixeldq[-4:, 512:1024:2] |= dq.DO_NOT_USE
    pixeldq[:4, 1536:] |= dq.DO_NOT_USE
    pixeldq[500:900, :4] |= dq.DO_NOT_USE
    pixeldq[600:700, -4:] |= dq.DO_NOT_USE
    ramp = ramp.replace(pixeldq=pixeldq)
    assert_same(ramp)
    alone = assert_same(ramp, use_side_ref_pixels=False)
    np.testing.assert_array_equal(alone.data[..., 512:1024], ramp.data[..., 512:1024])


WINDOWS = [
    ("NRCALONG", (64, 2048), 1, 1, 4, "SUBGRISM64"),
    ("NRCA3", (64, 2048), 1, 112, 4, "SUBGRISM64"),
    ("NRCA1", (160, 160), 1889, 1889, 1, "SUB160"),
    ("NRCA3", (33, 41), 3, 2, 1, "SUB160"),
    ("NIS", (2048, 64), 1985, 1, 4, "WFSS64R"),
    ("NIS", (64, 2048), 1, 1985, 1, "WFSS64C"),
    ("NIS", (80, 80), 1045, 1, 1, "SUB80"),
    ("NIS", (64, 64), 1054, 81, 1, "SUBTAAMI"),
    ("NRS1", (256, 2048), 1, 897, 1, "ALLSLITS"),
    ("NRS2", (32, 2048), 1, 967, 1, "SUB2048"),
    ("NRS1", (32, 512), 1025, 957, 1, "SUB512"),
    ("NRS2", (32, 32), 1399, 975, 1, "SUB32"),
]


@pytest.mark.parametrize("odd_even_columns", [True, False])
@pytest.mark.parametrize(("name", "shape", "x", "y", "outputs", "subarray"), WINDOWS)
def test_subarrays_agree_with_the_official_step(
    name, shape, x, y, outputs, subarray, odd_even_columns
):
    exposure = exposure_of(
        name, subarray=subarray, xstart=x, ystart=y, noutputs=outputs, nints=2, ngroups=3
    )
    ramp = drifting_ramp(exposure, shape, zeroframe=True)
    got = assert_same(ramp, odd_even_columns=odd_even_columns)
    moved = subarray != "SUBTAAMI"  # which has no reference pixels
    assert np.array_equal(got.data, ramp.data) is not moved


@pytest.mark.parametrize(
    ("name", "shape", "x", "y"),
    [("NIS", (2048, 64), 1985, 1), ("NRCA1", (64, 2048), 1, 1), ("NRCA2", (64, 2048), 1, 1)],
)
def test_the_lopsided_window_of_an_even_length_points_the_way_the_rows_are_read(name, shape, x, y):
    subarray = "WFSS64R" if name == "NIS" else "SUBGRISM64"
    exposure = exposure_of(name, subarray=subarray, xstart=x, ystart=y)
    assert_same(drifting_ramp(exposure, shape), side_smoothing_length=6)


def test_the_number_of_amplifiers_comes_from_the_subarray_where_the_header_has_none():
    exposure = exposure_of("NRCALONG", subarray="SUBGRISM64", noutputs=4)
    ramp = drifting_ramp(exposure, (64, 2048))
    unknown = ramp.replace(exposure=exposure_of("NRCALONG", subarray="SUBGRISM64", noutputs=0))
    np.testing.assert_array_equal(ours(unknown).data, ours(ramp).data)


@pytest.mark.parametrize("odd_even_rows", [True, False])
def test_miri_agrees_with_the_official_step(odd_even_rows):
    exposure = exposure_of("MIRIMAGE", nints=2, ngroups=4)
    ramp = drifting_ramp(exposure, (1024, 1032))
    got = assert_same(ramp, odd_even_rows=odd_even_rows)
    np.testing.assert_array_equal(got.data[:, 0], ramp.data[:, 0])


def test_miri_stays_as_it_is_where_one_output_has_no_good_reference():
    exposure = exposure_of("MIRIMAGE", nints=1, ngroups=3)
    ramp = drifting_ramp(exposure, (1024, 1032))
    pixeldq = ramp.pixeldq.copy()
    pixeldq[1::2, 1030] |= dq.DO_NOT_USE
    ramp = ramp.replace(pixeldq=pixeldq)
    np.testing.assert_array_equal(assert_same(ramp).data, ramp.data)


@pytest.mark.parametrize(
    ("name", "shape", "changes"),
    [
        (
            "NRCA1",
            (160, 160),
            {"subarray": "SUB160", "xstart": 1889, "ystart": 1889, "noutputs": 1},
        ),
        ("NRCA3", (64, 2048), {"subarray": "SUBGRISM64", "ystart": 1985}),
        ("NIS", (2048, 64), {"subarray": "WFSS64R", "xstart": 1985}),
        ("MIRIMAGE", (1024, 1032), {}),
    ],
)
def test_a_box_gives_the_same_numbers_as_the_whole(name, shape, changes):
    ramp = drifting_ramp(exposure_of(name, **changes), shape, zeroframe=name != "MIRIMAGE")
    p = RefpixParams()
    model = measure_refpix(Whole(ramp.exposure, ramp.covers, ramp.crop), p)
    whole = registry["refpix"](ramp, p, {"irs2": None, "sirs": None}, model)
    for box in (Box(3, 18, 7, 30), Box(40, 41, 0, shape[1])):
        part = registry["refpix"](ramp.crop(box).native(), p, {"irs2": None, "sirs": None}, model)
        np.testing.assert_array_equal(part.data, whole.crop(box).data)
        if whole.zeroframe is not None:
            np.testing.assert_array_equal(part.zeroframe, whole.crop(box).zeroframe)


def test_measuring_looks_at_the_border_only():
    ramp = drifting_ramp(exposure_of("NRCA1"), (2048, 2048))
    seen = []

    def look(box):
        seen.append(box)
        return ramp.crop(box)

    measure_refpix(Whole(ramp.exposure, ramp.covers, look), RefpixParams())
    assert sum(box.shape[0] * box.shape[1] for box in seen) == 4 * 4 * 2048


def test_injected_amplifier_parity_and_row_levels_are_removed():
    exposure = exposure_of("NRCA3", subarray="SUBGRISM64", ystart=1)
    rng = np.random.default_rng(5)
    x, y = np.arange(2048), np.arange(64)
    level = 10.0 * (x // 512) + 3.0 * (x % 2)
    drift = 5 * np.sin(y / 30)[:, None]
    sky = rng.normal(0, 1, (1, 2, 64, 2048))
    reference = reference_pixels(detector("NIRCAM", "NRCA3"), 1, 1, (64, 2048))
    data = (sky + level + drift).astype(np.float32)
    flags = np.where(reference, np.uint32(dq.REFERENCE_PIXEL), np.uint32(0))
    groupdq = np.zeros(data.shape, np.uint8)
    ramp = Ramp(exposure=exposure, data=data, groupdq=groupdq, pixeldq=flags)
    left = ours(ramp).data - sky
    assert np.abs(left[..., 4:, :].mean(axis=3)).max() < 0.6  # noise of 88 samples in a median
    assert np.abs(left[..., 4:, :].mean(axis=2)).max() < 0.3


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # from the official step's empty clipping
def test_a_reference_pixel_without_a_number_spoils_nothing_while_the_official_step_loses_columns():
    exposure = exposure_of("NRCA1", subarray="SUB160", xstart=1889, ystart=1889, noutputs=1)
    ramp = drifting_ramp(exposure, (160, 160))
    data = ramp.data.copy()
    data[:, :, 158, 20] = np.nan
    broken = ramp.replace(data=data)
    fine = np.arange(160 * 160).reshape(160, 160) != 158 * 160 + 20
    difference = np.abs(ours(broken).data - ours(ramp).data)[..., fine]
    assert difference.max() < 0.2
    assert np.isnan(officially(broken).data).mean() > 0.4


def test_clipping_repeats_until_nothing_is_removed_as_worked_by_hand():
    values = np.array([1, 2, 3, 2, 2, 2, 2, 2, 2, 2, 2, 100, 7, 7, np.nan], np.float32)
    means = clipped_means(values[None, None], np.array([0, 12, 14, 15, 15]), 2.0)[0, 0]
    # 100 goes first; then 1 and 3, which are 2.3 deviations of 0.43 from the mean of 2.
    np.testing.assert_array_equal(means, [2.0, 7.0, np.nan, np.nan])


def test_the_running_median_mirrors_at_the_detectors_ends_as_worked_by_hand():
    values = np.array([5.0, 1.0, 9.0, 2.0])[None, None, :, None]
    good = np.ones((4, 1), bool)
    # Windows of three: 1 5 1, 5 1 9, 1 9 2, 9 2 9.
    np.testing.assert_array_equal(running_median(values, good, 0, 4, 3)[0, 0], [1, 5, 2, 9])
    # The same lines inside a taller detector find nothing beyond themselves.
    np.testing.assert_array_equal(running_median(values, good, 2, 8, 3)[0, 0], [3, 5, 2, 5.5])
    np.testing.assert_array_equal(running_median(values, good, 0, 4, 1)[0, 0], [5, 1, 9, 2])
    nothing = running_median(values, ~good, 0, 4, 3)
    assert np.isnan(nothing).all()


@pytest.mark.parametrize(
    ("name", "changes", "word"),
    [
        ("NRCALONG", {"subarray": "SUB164STRIPE4_DHS"}, "STRIPE4"),
        ("MIRIMAGE", {"subarray": "SUB256"}, "MIRI subarray"),
    ],
)
def test_readouts_it_does_not_know_are_refused_with_the_reason(name, changes, word):
    exposure = exposure_of(name, **changes)
    # skipping is for what needs no correction: other read-outs must not go on uncorrected
    assert bool(registry["refpix"].skips(exposure, RefpixParams())) == (name == "MIRIMAGE")
    with pytest.raises(StepError, match=word):
        measure_refpix(Whole(exposure, Box(0, 64, 0, 64), lambda box: None), RefpixParams())


def test_a_window_that_reaches_out_of_the_detector_is_refused():
    exposure = exposure_of("NRCA1", subarray="SUB160", xstart=1900)
    with pytest.raises(StepError, match="SUBSTRT1"):
        measure_refpix(Whole(exposure, Box(0, 160, 0, 160), lambda box: None), RefpixParams())
