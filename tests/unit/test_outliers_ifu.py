"""Outliers of integral field units: numbers by hand, boxes, strips, what cannot be compared."""

import tracemalloc

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Exposure, Rate
from jwinteractive.errors import InputError, ParamError
from jwinteractive.kernels.outlier_ifu import over_local_medians
from jwinteractive.outliers.flagged import flagged
from jwinteractive.outliers.ifu import (
    cut_at,
    difference_axis,
    ifu_outliers,
    kernel_of,
    measure_differences,
)
from jwinteractive.step import Whole


def rate(data, flags=None, instrument="MIRI", detector="MIRIFULONG"):
    data = np.asarray(data, np.float32)
    flags = np.zeros(data.shape, np.uint32) if flags is None else flags
    exposure = Exposure(instrument=instrument, detector=detector)
    ones = np.ones_like(data)
    return Rate(exposure=exposure, data=data, err=ones, dq=flags, var_poisson=ones, var_rnoise=ones)


def members(*rates):
    return tuple(Whole(r.exposure, r.covers, r.crop) for r in rates)


def noise(seed, shape=(90, 70)):
    return np.random.default_rng(seed).normal(10, 1, shape)


def test_a_difference_by_hand():
    """The smaller of two differences, the smallest of two exposures, over the median about it."""
    first, second = np.zeros((9, 9)), np.zeros((9, 9))
    first[4] = [0, 1, 3, 6, 10, 15, 21, 28, 36]  # neighbours 4 and 5 away in the middle
    second[4] = [0, 2, 6, 12, 20, 30, 42, 56, 72]
    model = measure_differences(members(rate(first), rate(second)), "1 3")
    # least along the row: 0 (from the edge), 1, 2, 3, 4, 5, 6, 7, 8
    assert model.differences[4, 4] == 4 / np.median([3, 4, 5])
    assert model.differences[4, 7] == 7 / np.median([6, 7, 8])


def test_neighbours_lie_across_the_dispersion():
    line = noise(1, (40, 40))
    line[20, 10:30] += 50  # along x: its own neighbours are as bright
    found = {}
    for instrument in ("MIRI", "NIRSPEC"):
        them = rate(line, instrument=instrument), rate(line + 1, instrument=instrument)
        found[instrument] = measure_differences(members(*them)).differences[20, 12:28]
    assert found["MIRI"].max() < 15
    assert found["NIRSPEC"].min() > 30
    assert difference_axis("MIRI") == 1
    assert difference_axis("NIRSPEC") == 0


def test_a_median_takes_the_known_pixels_alone_and_zeros_beyond_the_frame():
    values = np.array([[np.nan, 4.0, 6.0], [8.0, np.nan, 2.0], [1.0, 3.0, 5.0]])
    values.flags.writeable = False
    out = np.empty((3, 3))
    over_local_medians(values, 3, 3, 0.5, 0, 3, out)
    assert out[1, 2] == 2 / 2.5  # 0, 0, 0, 2, 3, 4, 5, 6
    assert out[0, 1] == 4 / 2  # 0, 0, 0, 2, 4, 6, 8
    assert np.isnan(out[1, 1])


def test_a_box_has_the_flags_of_the_whole():
    rates = rate(noise(1)), rate(noise(2))
    frame = rates[0].covers
    model = measure_differences(members(*rates))
    whole = ifu_outliers(model, frame, frame, 99.0)
    box = Box(11, 50, 7, 33)
    assert whole[box.slices(frame)].any()
    np.testing.assert_array_equal(ifu_outliers(model, box, frame, 99.0), whole[box.slices(frame)])


@pytest.mark.parametrize("instrument", ["MIRI", "NIRSPEC"])
def test_strips_leave_no_trace(instrument):
    """More rows than a strip has, against the same exposure looked at in one piece."""
    rates = [rate(noise(seed, (300, 40)), instrument=instrument) for seed in (1, 2)]
    model = measure_differences(members(*rates))
    data = np.stack([r.data.astype(float) for r in rates])
    axis = difference_axis(instrument) + 1
    edge = [(0, 0)] * 3
    edge[axis] = (1, 1)
    steps = np.abs(np.diff(np.pad(data, edge), axis=axis))
    count = data.shape[axis]
    least = np.minimum(steps.take(range(count), axis), steps.take(range(1, count + 1), axis)).min(
        axis=0
    )
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(least, 3), (7, 7))
    expected = least / np.maximum(np.median(windows, axis=(-2, -1)), np.median(least) / 3)
    np.testing.assert_array_equal(model.differences, expected)


def test_what_no_exposure_tells_is_an_outlier_for_the_second_check_alone():
    flags = np.zeros((30, 30), np.uint32)
    flags[10, 12] = dq.DO_NOT_USE
    rates = rate(noise(1, (30, 30)), flags), rate(noise(2, (30, 30)), flags)
    frame = rates[0].covers
    model = measure_differences(members(*rates))
    assert not ifu_outliers(model, frame, frame)[10, 12]
    assert ifu_outliers(model, frame, frame, ifu_second_check=True)[10, 12]


def test_a_pixel_without_an_error_loses_its_value():
    plain = rate(noise(1, (4, 5)))
    err = plain.err.copy()
    err[1, 2] = np.nan
    found = np.zeros((4, 5), bool)
    found[2, 3] = True
    marked = flagged(plain.replace(err=err), found)
    assert marked.dq[1, 2] == dq.DO_NOT_USE
    assert marked.dq[2, 3] == dq.DO_NOT_USE | dq.OUTLIER
    assert np.isnan([p[1, 2] for p in (marked.data, marked.err, marked.var_rnoise)]).all()
    assert np.count_nonzero(np.isnan(marked.data)) == 2


def test_turning_the_threshold_measures_nothing_again():
    model = measure_differences(members(rate(noise(1)), rate(noise(2))))
    few, many = (np.count_nonzero(model.differences > cut_at(model, p)) for p in (99.5, 95.0))
    inner = 82 * 62
    assert few >= inner * 0.004
    assert many >= inner * 0.049


def test_no_exposure_is_held_while_another_is_looked_at():
    shape = (1024, 512)
    held = []

    def look(seed):
        def inside(box):
            held.append(seed)
            flags = np.zeros(box.shape, np.uint32)
            whole = np.random.default_rng(seed).normal(size=box.shape)
            return rate(whole, flags).replace(box=box)

        return inside

    them = [
        Whole(Exposure(instrument="MIRI", detector="A"), Box.whole(shape), look(seed))
        for seed in range(6)
    ]
    measure_differences(them[:2])  # compiles
    tracemalloc.start()
    measure_differences(them)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    frame = 8 * shape[0] * shape[1]
    assert peak < 5 * frame  # six exposures would be more
    assert sorted(held[-24:]) == held[-24:]


@pytest.mark.parametrize(
    ("them", "said"),
    [
        ((rate(noise(1)),), "1 exposure: needs 2"),
        ((rate(noise(1)), rate(noise(1), detector="MIRIFUSHORT")), "one detector"),
        ((rate(noise(1)), rate(noise(1, (80, 70)))), "one detector and shape"),
        ((rate(noise(1), instrument="NIRCAM"),) * 2, "NIRCAM has none"),
        ((rate(np.full((20, 20), np.nan)),) * 2, "nothing to compare"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(them, said):
    with pytest.raises(InputError, match=said) as told:
        measure_differences(members(*them))
    assert "\n" not in str(told.value)


def test_a_kernel_is_two_odd_numbers():
    assert kernel_of("7 5") == (7, 5)
    assert kernel_of("6 1") == (7, 1)
    for wrong in ("7", "7 x", "0 7", "7 7 7", "-1 3"):
        with pytest.raises(ParamError, match="two odd numbers"):
            kernel_of(wrong)
