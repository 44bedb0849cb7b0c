"""The mesh of the background tells what is background from what stripes have made of it."""

import numpy as np
import pytest

from jwinteractive.flicker.mesh import mesh_of, without_stripes
from jwinteractive.kernels.flicker_ramp import fill_gaps
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


def test_gaps_are_filled_from_their_edges_by_hand():
    nan = np.nan
    levels = np.array([[1.0, 2.0, nan, nan], [3.0, nan, nan, nan], [5.0, 7.0, nan, 8.0]])
    fill_gaps(levels)
    # medians of 2, 7, 8; of 8; of 7, 8
    np.testing.assert_array_equal(levels[:, :2], [[1, 2], [3, 3], [5, 7]])
    np.testing.assert_array_equal(levels[1:, 2:], [[7, 8], [7.5, 8]])
    assert np.isfinite(levels).all()
    empty = np.full((2, 3), nan)
    fill_gaps(empty)
    assert np.isnan(empty).all()


def test_a_mesh_has_the_medians_of_boxes_and_none_where_nothing_is_free():
    rng = np.random.default_rng(2)
    image = rng.normal(3, 1, (160, 320)).astype(np.float32)
    free = rng.random(image.shape) < 0.7
    mesh = mesh_of(image, free, 32)
    assert mesh.shape == (5, 10)
    np.testing.assert_allclose(mesh, 3, atol=0.1)
    assert not mesh_of(image, np.zeros_like(free), 32).any()
    image[:, :160] = 50  # half of the frame: more than the median of five boxes undoes
    np.testing.assert_allclose(mesh_of(image, free, 32)[:, :4], 50)
