"""Kernels that steps share, against plain numpy."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.kernels.lanes import (
    LANES,
    dropped_groups,
    flatten,
    middle,
    sort_lanes,
    sorting_network,
)
from jwinteractive.kernels.segments import offset, segments, slope_weights


@pytest.mark.parametrize("n", range(1, 11))
def test_a_network_sorts_every_row_of_zeros_and_ones(n):
    # and so, by the 0-1 principle, every row
    rows = np.array(list(itertools.product([0.0, 1.0], repeat=n))).T.copy()
    ones = rows.sum(axis=0)
    sort_lanes(rows, sorting_network(n))
    assert (np.diff(rows, axis=0) >= 0).all()
    np.testing.assert_array_equal(rows.sum(axis=0), ones)


@pytest.mark.parametrize("n", [17, 100, 333])
def test_a_long_network_sorts_as_numpy_does(n):
    rows = np.random.default_rng(n).normal(size=(n, LANES)).astype(np.float32)
    rows[rows > 1.5] = np.inf
    expected = np.sort(rows, axis=0)
    sort_lanes(rows, sorting_network(n))
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 10, 101, 256])
def test_the_middle_is_the_median(n):
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), np.round(rng.normal(size=n)), np.zeros(n)):
        expected = np.median(values)
        assert middle(np.append(values, 1e9), n) == expected
    assert np.isnan(middle(np.zeros(1), 0))


def test_a_group_is_dropped_if_no_pixel_can_use_it():
    groupdq = np.zeros((2, 4, 3), np.uint8)
    groupdq[:, 0] = dq.DO_NOT_USE
    groupdq[1, 1] = dq.DO_NOT_USE | dq.JUMP_DET
    groupdq[:, 2] = dq.DO_NOT_USE | dq.CHARGELOSS
    groupdq[:, 3, 1:] = dq.DO_NOT_USE
    found = dropped_groups(groupdq)
    np.testing.assert_array_equal(found, [[1, 0, 0, 0], [1, 1, 0, 0]])


def test_flat_arrays_are_read_only_and_keep_their_pixels():
    whole = np.arange(24.0).reshape(2, 3, 4)
    flat = flatten(whole[:, :, 1:3])
    assert not flat.flags.writeable
    np.testing.assert_array_equal(flat[1], [13, 14, 17, 18, 21, 22])


@pytest.mark.parametrize("n", [2, 3, 4, 7, 30])
def test_slope_weights_find_the_slope_of_a_straight_ramp(n):
    table = slope_weights(30)[offset(n) : offset(n + 1)]
    assert table.shape == (n, 6)
    ramp = 1e4 + 7.5 * np.arange(n)
    np.testing.assert_allclose(ramp @ table, 7.5, rtol=1e-10)
    np.testing.assert_allclose(table, -table[::-1], atol=1e-12)


def test_flat_weights_are_those_of_plain_least_squares():
    x = np.arange(8)
    y = np.random.default_rng(1).normal(size=8)
    slope = y @ slope_weights(8)[offset(8) : offset(9), 0]
    assert slope == pytest.approx(np.polyfit(x, y, 1)[0])


J, D = dq.JUMP_DET, dq.DO_NOT_USE


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([0, 0, 0, 0], [(0, 4)]),
        ([0, 0, J, 0, 0], [(0, 2), (2, 5)]),  # the hit group begins the next segment
        ([0, 0, D, 0, 0], [(0, 2), (3, 5)]),
        ([0, D, 0, 0], [(2, 4)]),  # a lone group goes if something longer is there
        ([0, D, 0, D, 0], [(0, 1)]),  # otherwise the first lone one stays
        ([0, J, J, 0], [(2, 4)]),
        ([0, J | D, 0, 0], [(2, 4)]),
        ([dq.PERSISTENCE, 0, J | dq.PERSISTENCE, 0], [(0, 2), (2, 4)]),
        ([D, J], []),
    ],
)
def test_segments_are_runs_of_good_groups(flags, expected):
    ends = np.empty((len(flags), 2), np.int64)
    count = segments(np.array(flags), ends)
    assert [tuple(e) for e in ends[:count]] == expected


def test_importing_the_kernels_compiles_nothing():
    code = (
        "from jwinteractive.kernels import lanes, ols, segments, spread, twopoint\n"
        "for m in (lanes, ols, segments, spread, twopoint):\n"
        "    for f in vars(m).values():\n"
        "        assert not getattr(f, 'signatures', None), f\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
