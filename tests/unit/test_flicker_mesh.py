"""The mesh of the background tells what is background from what stripes have made of it."""

import numpy as np
import pytest

from jwinteractive.flicker.mesh import without_stripes
from jwinteractive.simulate.scene import _clouds as clouds


def test_stripes_alone_leave_an_even_mesh():
    rng = np.random.default_rng(1)
    heights = rng.normal(0, 3, (64, 4, 1))
    stripes = np.repeat(heights - heights.mean(axis=0), 16, axis=2).reshape(64, 64)
    mesh = (5 + stripes + rng.normal(0, 0.1, (64, 64))).astype(np.float32)
    left = without_stripes(mesh, 4)
    assert left.std() < 0.2
    assert left.mean() == pytest.approx(mesh.mean(), abs=1e-4)
    assert left.dtype == np.float32


def test_background_stays_where_there_are_no_stripes():
    seeds = range(6)
    kept = []
    for seed in seeds:
        mesh = clouds((64, 64), (0.0, 0.0), np.random.SeedSequence(seed)).astype(np.float32)
        left = without_stripes(mesh, 4)
        means = (a.reshape(64, 4, 16).mean(axis=2).std(axis=0).mean() for a in (left, mesh))
        kept.append(next(means) / next(means))
    assert min(kept) > 0.5
    assert np.mean(kept) > 0.8


def test_as_much_is_kept_as_the_other_way_round_by_hand():
    # means of lines 1 and -1; of columns of boxes, without these, 0.5 and -0.5: a quarter is kept
    mesh = np.array([[1.5, 0.5], [-0.5, -1.5]], np.float32)
    expected = [[0.75, -0.25], [0.25, -0.75]]
    np.testing.assert_allclose(without_stripes(mesh, 1), expected, atol=1e-6)


def test_lines_that_amplifiers_do_not_share_stay_as_they_are():
    mesh = np.arange(30, dtype=np.float32).reshape(5, 6)
    np.testing.assert_array_equal(without_stripes(mesh, 4), mesh)
