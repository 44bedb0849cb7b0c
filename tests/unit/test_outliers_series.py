"""Outliers of integrations: a window by hand, boxes, drifts, and what is missing."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Box, Exposure, RateInts
from jwinteractive.outliers.tso import coron_outliers, levels, series_outliers


def ints(data, flags=None, err=1.0):
    data = np.asarray(data, np.float32)
    flags = np.zeros(data.shape, np.uint32) if flags is None else flags
    ones = np.ones_like(data)
    return RateInts(
        exposure=Exposure(instrument="NIRCAM", detector="NRCALONG", nints=len(data)),
        data=data,
        err=ones * np.float32(err),
        dq=flags,
        var_poisson=ones,
        var_rnoise=ones,
    )


def one(values, **how):
    return ints(np.reshape(values, (-1, 1, 1)), **how)


def test_windows_by_hand():
    series = one([0, 1, 2, 30, 4, 5, 6])
    np.testing.assert_array_equal(levels(series, 3)[:, 0, 0], [1, 1, 2, 4, 5, 5, 5])
    # |0 - 1|, |1 - 1|, |2 - 2|, |30 - 4|, |4 - 5|, |5 - 5|, |6 - 5|
    found = series_outliers(series, 3, snr=0.9)[:, 0, 0]
    np.testing.assert_array_equal(found, [1, 0, 0, 1, 1, 0, 1])


def test_an_even_window_has_the_mean_of_its_middles():
    series = one([0, 1, 10, 3, 8])
    np.testing.assert_array_equal(levels(series, 4)[:, 0, 0], [2, 2, 2, 5.5, 5.5])
    np.testing.assert_array_equal(levels(series, 2)[:, 0, 0], [0.5, 0.5, 5.5, 6.5, 5.5])
    # |0 - .5|, |1 - .5|, |10 - 5.5|, |3 - 6.5|, |8 - 5.5|
    found = series_outliers(series, 2, snr=3.0)[:, 0, 0]
    np.testing.assert_array_equal(found, [0, 0, 1, 1, 0])


def test_a_window_follows_a_drift_that_the_median_of_all_takes_for_outliers():
    rng = np.random.default_rng(1)
    drift = np.linspace(0, 40, 80)[:, None, None]
    data = drift + rng.normal(0, 1, (80, 6, 7))
    data[33, 2, 3] += 20
    rolled = series_outliers(ints(data), 15, snr=9.0)
    assert rolled[33, 2, 3]
    assert np.count_nonzero(rolled) == 1
    assert np.count_nonzero(series_outliers(ints(data), 1, snr=9.0)) > 1000


def test_a_window_with_a_gap_finds_nothing_and_goes_on_after_it():
    values = np.zeros(30)
    values[10] = np.nan
    values[[8, 12, 20]] = 50
    found = series_outliers(one(values), 5)[:, 0, 0]
    np.testing.assert_array_equal(np.flatnonzero(found), [20])


def test_flags_count_in_the_window_as_gaps_and_maskpt_says_whether():
    values = np.zeros(12)
    values[6] = 50
    flags = np.zeros((12, 1, 1), np.uint32)
    flags[5] = dq.DO_NOT_USE
    assert not series_outliers(one(values, flags=flags), 5).any()
    assert series_outliers(one(values, flags=flags), 5, maskpt=0.0)[6, 0, 0]


def test_coronagraphic_medians_leave_flagged_integrations_out():
    flags = np.zeros((5, 1, 1), np.uint32)
    flags[:3] = dq.DO_NOT_USE
    series = one([90, 90, 90, 1, 2], flags=flags)
    np.testing.assert_array_equal(coron_outliers(series, 5.0)[:, 0, 0], [1, 1, 1, 0, 0])
    assert coron_outliers(series, 5.0, maskpt=0.0)[:, 0, 0].tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("width", [1, 9])
def test_a_box_has_the_flags_of_the_whole(width):
    rng = np.random.default_rng(2)
    data = rng.normal(0, 1, (30, 20, 40))
    data[rng.random(data.shape) < 0.001] = np.nan
    whole = series_outliers(ints(data), width, snr=2.0)
    box = Box(3, 14, 5, 38)
    part = series_outliers(ints(data).crop(box), width, snr=2.0)
    assert part.any()
    np.testing.assert_array_equal(part, whole[:, 3:14, 5:38])


def test_levels_are_what_the_flags_are_made_with():
    rng = np.random.default_rng(3)
    data = rng.normal(0, 1, (50, 4, 5))
    data[rng.random(data.shape) < 0.01] = np.nan
    series = ints(data)
    for width in (1, 7, 12):
        level = levels(series, width, masked=width > 1)
        expected = np.abs(series.data - level) > 1.5
        np.testing.assert_array_equal(series_outliers(series, width, snr=1.5), expected)


def test_nothing_is_found_where_nothing_is_known():
    flags = np.full((6, 3, 3), dq.DO_NOT_USE, np.uint32)
    blank = ints(np.full((6, 3, 3), np.nan), flags=flags)
    for width in (1, 3):
        assert not series_outliers(blank, width).any()
    assert not coron_outliers(blank).any()
    assert not series_outliers(one([3.0])).any()
