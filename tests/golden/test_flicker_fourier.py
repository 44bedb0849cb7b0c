"""Waves along lines against the official NSClean and against simulated 1/f noise."""

import numpy as np
import pytest

from jwinteractive.errors import InputError
from jwinteractive.flicker.fourier import (
    REACH,
    fit_waves,
    fit_waves_official,
    less_waves,
    low_pass,
)
from jwinteractive.flicker.lines import as_images, in_lines
from jwinteractive.simulate.noise import PinkStream

WHITE = 5.2


def stream(rms, nline, npix, seed):
    """1/f noise [line, pixel] of one output, in the order of reading, 12 clocks between lines."""
    whole = PinkStream(rms, np.random.SeedSequence(seed)).take(nline * (npix + 12))
    return whole.reshape(nline, npix + 12)[:, :npix]


def stripes(nline, npix=2048):
    """Noise of four outputs that are read at once: 3 common, 1 of their own."""
    common = stream(3.0, nline, npix // 4, 1)
    noise = np.hstack([common + stream(1.0, nline, npix // 4, 2 + k) for k in range(4)])
    return noise - noise.mean()


def noisy(truth, seed=7):
    return (truth + np.random.default_rng(seed).normal(0, WHITE, truth.shape)).astype(np.float32)


def open_pixels(shape, masked, seed=2):
    return np.random.default_rng(seed).random(shape) >= masked


def traces(shape, every=90, width=50):
    """Free pixels between bright bands that cross the lines at a small angle."""
    y, x = np.indices(shape)
    return (x + y // 20) % every >= width


def officially(image, free, detector):
    from jwst.clean_flicker_noise.clean_flicker_noise import fft_clean_full_frame as official

    return official(image.copy(), free, detector)


@pytest.mark.parametrize(("detector", "slow"), [("NRS1", 1), ("NRS2", -1)])
@pytest.mark.parametrize("scene", ["scattered", "traces"])
def test_frames_lose_the_waves_that_the_official_function_fits(detector, slow, scene):
    """Both mirror images: the official density and smoothing lie one line beside their place."""
    image = noisy(stripes(512, 512)).T.copy()
    image[100:140, 200:260] += 400
    free = open_pixels(image.shape, 0.3) if scene == "scattered" else traces(image.shape).T
    expected = officially(image, free, detector)
    lines, mask = in_lines(image[None], 2, slow), in_lines(free, 2, slow)
    got = as_images(less_waves(lines, fit_waves_official(lines, mask)), 2, slow)[0]
    assert np.std(image - expected) > 0.5
    np.testing.assert_allclose(got, expected, atol=2e-4)


def test_waves_of_several_periods_are_those_of_the_official_function_too():
    """Eight waves in a line of 2048 pixels; most lines are masked, which saves its time."""
    image = noisy(np.zeros((2048, 2048)))
    image += 3 * np.sin(np.arange(2048) / 60)[:, None].astype(np.float32)
    free = open_pixels(image.shape, 0.7)
    free[:, 130:] = False
    expected = officially(image, free, "NRS1")
    lines, mask = in_lines(image[None], 2, 1), in_lines(free, 2, 1)
    waves = fit_waves_official(lines, mask)
    got = as_images(less_waves(lines, waves), 2, 1)[0]
    at = np.s_[:, :130]  # the density of the first masked line rests on one that is not
    np.testing.assert_allclose(got[at], expected[at], atol=1e-4)
    assert waves.coefficients.shape == (1, 2048, 17)


def test_the_pass_band_is_that_of_the_official_filter():
    from jwst.clean_flicker_noise.nsclean import make_lowpass_filter

    gain = low_pass(2048)
    assert len(gain) == 9
    np.testing.assert_allclose(gain, make_lowpass_filter(1 / 256, 1 / 1024, 2048)[:9], atol=1e-12)


def test_waves_without_noise_are_found_as_they_were_put_in_whatever_is_masked():
    """Hand-worked: a level, a cosine and a sine in lines, half of them behind a gap."""
    x = 2 * np.pi * np.arange(2048) / 2048
    line = 7 + 2 * np.cos(3 * x) - 1.5 * np.sin(5 * x)
    lines = np.tile(line, (1, 20, 1)).astype(np.float32)
    free = np.ones((20, 2048), bool)
    free[10:, 500:900] = False
    waves = fit_waves(lines, free, pull=0.0)
    terms = np.zeros(17)
    terms[[0, 3, 13]] = 7, 2, -1.5
    np.testing.assert_allclose(waves.coefficients[0], np.tile(terms, (20, 1)), atol=1e-3)
    np.testing.assert_allclose(
        waves.values(0, 12, 15, 600, 700), lines[0, 12:15, 600:700], atol=2e-3
    )


@pytest.mark.parametrize("scene", ["2 %", "30 %", "60 %", "traces"])
def test_simulated_noise_is_left_lower_than_by_the_official_fit(scene):
    truth = stripes(512, 512)
    image = noisy(truth)
    free = (
        traces(truth.shape) if scene == "traces" else open_pixels(truth.shape, int(scene[:2]) / 100)
    )
    official = image - officially(image.T, free.T, "NRS1").T
    ours = fit_waves(image[None], free).values(0, 0, 512)
    left = [np.std(truth - model) for model in (official, ours)]
    striped = [np.std((truth - model).mean(axis=1)) for model in (official, ours)]
    assert left[1] < 0.95 * left[0]
    assert striped[1] < 0.5 * striped[0]


@pytest.mark.parametrize("scene", ["97 %", "99 %", "one side"])
def test_lines_with_few_free_pixels_are_left_no_worse_than_they_were(scene):
    """Plain least squares swing wildly in the gaps."""
    truth = stripes(256)
    free = np.zeros(truth.shape, bool)
    free[:, :500] = scene == "one side"
    if scene != "one side":
        free = open_pixels(truth.shape, int(scene[:2]) / 100)
    image = noisy(truth)[None]
    ours, plain = (truth - fit_waves(image, free, pull=p).values(0, 0, 256) for p in (32, 0))
    assert np.std(ours) < np.std(truth)
    assert np.std(plain) > 1.3 * np.std(ours)


def test_a_masked_line_takes_the_waves_of_its_neighbours_and_a_masked_frame_none():
    image = np.full((1, 40, 512), 5, np.float32)
    free = np.ones((40, 512), bool)
    free[20] = False
    waves = fit_waves(image, free)
    np.testing.assert_allclose(waves.values(0, 20, 21), 5, atol=0.02)
    np.testing.assert_array_equal(fit_waves(image, np.zeros_like(free)).values(0, 0, 40), 0)


def test_sources_holes_and_infinities_count_as_the_median_of_their_line():
    truth = stripes(64)
    image = noisy(truth)[None]
    free = open_pixels(truth.shape, 0.2)
    spoilt = image.copy()
    spoilt[0, 10:14, 100:130] = np.nan
    spoilt[0, 30:34, 900:930] = 1e4
    spoilt[0, 50, 70] = np.inf
    clean, model = (fit_waves(im, free).values(0, 0, 64) for im in (image, spoilt))
    assert np.isfinite(model).all()
    assert np.std(model - clean) < 0.15


def test_a_band_of_lines_with_its_reach_alone_has_the_numbers_of_the_whole():
    truth = stripes(150)
    images = np.stack([noisy(truth, seed) for seed in (1, 2, 3)])
    free = traces(truth.shape)
    whole = fit_waves(images, free, threads=1)
    np.testing.assert_array_equal(
        fit_waves(images, free, threads=2).coefficients, whole.coefficients
    )
    band = slice(40 - REACH, 90 + REACH)
    part = fit_waves(images[:, band], free[band])
    inner = part.values(1, REACH, REACH + 50, 300, 400)
    np.testing.assert_array_equal(inner, whole.values(1, 40, 90)[:, 300:400])
    one = fit_waves(images[1:2], free)
    np.testing.assert_allclose(one.coefficients[0], whole.coefficients[1], atol=1e-5)


def test_waves_are_taken_from_columns_and_into_the_array_that_is_given():
    truth = stripes(128)
    image = noisy(truth)
    free = traces(truth.shape)
    waves = fit_waves(image[None], free)
    columns = in_lines(image.T.copy()[None], 2, 1)
    np.testing.assert_array_equal(
        fit_waves(columns, free.copy().T.copy().T).coefficients, waves.coefficients
    )
    room = columns.copy()
    assert less_waves(room, waves, out=room) is room
    np.testing.assert_array_equal(room, less_waves(image[None], waves))


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="use fit_waves"):
        fit_waves_official(np.zeros((1, 20, 30), np.float32), np.ones((20, 30), bool))
    with pytest.raises(InputError, match="share one mask"):
        fit_waves(np.zeros((20, 30), np.float32), np.ones((20, 30), bool))
