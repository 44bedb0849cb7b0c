"""Waves in time of subarrays against the official NSCleanSubarray and simulated 1/f noise."""

import numpy as np
import pytest

from jwinteractive.flicker.lines import as_images, in_lines
from jwinteractive.flicker.ticks import (
    PASS_BAND,
    blocks_of,
    fit_ticks,
    fit_ticks_official,
    less_ticks,
)
from jwinteractive.simulate.noise import PinkStream

ALLSLITS = (150.0, 200.0, 49943.0, 49957.0)


def stripes(nline, npix, rms=3.2, seed=3):
    """1/f noise [line, pixel] of one output with 12 clocks between lines."""
    whole = PinkStream(rms, np.random.SeedSequence(seed)).take(nline * (npix + 12))
    noise = whole.reshape(nline, npix + 12)[:, :npix]
    return noise - noise.mean()


def noisy(truth, seed=7):
    return (truth + np.random.default_rng(seed).normal(0, 5.2, truth.shape)).astype(np.float32)


def open_pixels(shape, masked, seed=2):
    return np.random.default_rng(seed).random(shape) >= masked


def officially(image, free, detector="NRS1", **options):
    from jwst.clean_flicker_noise.clean_flicker_noise import fft_clean_subarray as official

    return official(image.copy(), free.copy(), detector, **options)


@pytest.mark.parametrize(("detector", "slow"), [("NRS1", 1), ("NRS2", -1)])
@pytest.mark.parametrize("shape", [(256, 32), (65, 33), (101, 256)])
@pytest.mark.parametrize(("masked", "atol"), [(0.0, 1e-4), (0.5, 1e-4), (0.9, 2e-3)])
def test_subarrays_lose_the_waves_that_the_official_function_fits(
    detector, slow, shape, masked, atol
):
    truth = stripes(*shape)
    image = noisy(truth).T.copy()
    image[5:8, 20:24] += 300
    free = open_pixels(image.shape, masked)
    free[:, :2] = False  # the first block begins with the first free line
    expected = officially(image, free, detector)
    lines, mask = in_lines(image, 2, slow), in_lines(free, 2, slow)
    waves = fit_ticks_official(lines[None], mask)[0]
    assert np.std(image - expected) > 0.5
    got = lines - waves.values(0, 0, shape[0])
    np.testing.assert_allclose(as_images(got, 2, slow), expected, atol=atol)


def test_a_low_pass_band_and_kept_outliers_are_as_officially_too():
    image = noisy(stripes(128, 64)).T.copy()
    image[30, 40] += 500
    free = open_pixels(image.shape, 0.3)
    expected = officially(image, free, fc=ALLSLITS, exclude_outliers=False)
    lines, mask = in_lines(image, 2, 1), in_lines(free, 2, 1)
    waves = fit_ticks_official(lines[None], mask, ALLSLITS, outliers=False)[0]
    np.testing.assert_allclose((lines - waves.values(0, 0, 128)).T, expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_blocks_with_hardly_any_free_pixels_get_no_waves_as_officially():
    image = noisy(stripes(400, 64)).T.copy()
    free = np.zeros(image.shape, bool)
    free[:, :60] = True
    free[3, 60:300] = True
    expected = officially(image, free)
    waves = fit_ticks_official(image.T[None], free.T)[0]
    assert any(block.coefficients.size == 0 for block in waves.blocks)
    np.testing.assert_allclose(image - waves.values(0, 0, 400).T, expected, atol=1e-3)


def test_blocks_hold_at_least_512_free_pixels_and_overlap_by_a_half():
    """Hand-worked: 100 lines of 32 free pixels; 17 lines are the first with more than 512."""
    free = np.ones((104, 32), bool)
    free[:2] = free[102:] = False
    blocks = blocks_of(free)
    assert blocks[:3] == [(2, 19), (10, 27), (18, 35)]
    assert blocks[-1] == (82, 102)
    assert blocks_of(np.zeros((10, 32), bool)) == []
    assert blocks_of(free[:8]) == [(2, 8)]


def test_slow_and_alternating_waves_are_found_as_they_were_put_in():
    """One block: 15 lines of 32 pixels and 12 more clocks make 660, 151.5 Hz a period."""
    tick = np.arange(15)[:, None] * 44 + np.arange(32)
    line = 5 + 2 * np.cos(2 * np.pi * 3 * tick / 660) + 0.8 * (-1.0) ** tick
    free = open_pixels(line.shape, 0.2)
    waves = fit_ticks(line[None].astype(np.float32), free, pull=0.0)
    assert len(waves.blocks) == 1
    np.testing.assert_allclose(waves.values(0, 0, 15), line, atol=2e-3)
    quiet = fit_ticks(line[None].astype(np.float32), free, ALLSLITS, pull=0.0).values(0, 0, 15)
    assert np.std(quiet - line) > 1.2  # three periods are 455 Hz: above this band


@pytest.mark.parametrize("shape", [(512, 32), (256, 256)])
@pytest.mark.parametrize(("masked", "most"), [(0.02, 0.99), (0.3, 0.95), (0.6, 0.9), (0.93, 0.6)])
def test_simulated_noise_is_left_lower_than_by_the_official_fit(shape, masked, most):
    truth = stripes(*shape)
    image = noisy(truth)
    free = open_pixels(shape, masked)
    official = image - officially(image.T, free.T).T
    ours = fit_ticks(image[None], free).values(0, 0, shape[0])
    left = np.std(truth - ours)
    assert left < most * np.std(truth - official)
    assert left < np.std(truth)


def test_images_that_share_a_mask_have_the_numbers_that_each_has_alone():
    truth = stripes(200, 64)
    images = np.stack([noisy(truth, seed) for seed in range(3)])
    images.flags.writeable = False
    free = open_pixels(truth.shape, 0.4)
    waves = fit_ticks(images, free)
    alone = fit_ticks(images[1:2], free, threads=1)
    np.testing.assert_allclose(waves.values(1, 0, 200), alone.values(0, 0, 200), atol=1e-9)
    np.testing.assert_array_equal(waves.values(1, 70, 90), waves.values(1, 0, 200)[70:90])
    clean = less_ticks(images, waves)
    room = images.copy()
    assert less_ticks(room, waves, out=room) is room
    np.testing.assert_array_equal(room, clean)
    np.testing.assert_allclose(clean[1], images[1] - waves.values(1, 0, 200), atol=1e-5)


def test_holes_and_sources_count_as_the_median_and_nothing_free_leaves_all_as_it_is():
    truth = stripes(200, 64)
    image = noisy(truth)
    free = open_pixels(truth.shape, 0.2)
    spoilt = image.copy()
    spoilt[50:52, 10:30] = np.nan
    spoilt[90:92, 10:20] = 1e4
    spoilt[150, 7] = np.inf
    clean, model = (fit_ticks(im[None], free).values(0, 0, 200) for im in (image, spoilt))
    assert np.isfinite(model).all()
    assert np.std(model - clean) < 0.3
    empty = fit_ticks(image[None], np.zeros_like(free), PASS_BAND)
    np.testing.assert_array_equal(empty.values(0, 0, 200), 0)
    lost = fit_ticks(np.full_like(image, np.nan)[None], free)
    np.testing.assert_array_equal(lost.values(0, 0, 200), 0)


def test_a_pixel_alone_gives_no_official_waves_and_a_mere_level_of_ours():
    image = np.full((1, 20, 8), 40, np.float32)
    free = np.zeros(image.shape[1:], bool)
    free[7, 3] = True
    official = fit_ticks_official(image, free, outliers=False)[0]
    assert [block.coefficients.size for block in official.blocks] == [0]
    ours = fit_ticks(image, free).values(0, 0, 20)
    assert np.flatnonzero(np.abs(ours).max(axis=1)).tolist() == [7]
    np.testing.assert_allclose(ours[7], 40, atol=1e-4)
