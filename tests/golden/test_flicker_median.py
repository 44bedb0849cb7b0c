"""Medians of lines against the official `median_clean` and against simulated stripes."""

import numpy as np
import pytest

from jwinteractive.errors import InputError
from jwinteractive.flicker.lines import as_images, in_lines
from jwinteractive.flicker.median import PULL, less_medians, line_levels, median_clean

AXES = {"rows": (2, 2, -1), "columns": (1, 1, 2), "against the order": (1, -1, -2)}


def sky(shape, seed=1, spread=5.0):
    return np.random.default_rng(seed).normal(0, spread, shape).astype(np.float32)


def open_pixels(shape, masked, seed=2):
    return np.random.default_rng(seed).random(shape) >= masked


def officially(image, free, axis, by_channel=False):
    from jwst.clean_flicker_noise.clean_flicker_noise import median_clean as official

    return official(image, free, axis, fit_by_channel=by_channel)


@pytest.mark.parametrize("which", AXES)
@pytest.mark.parametrize("masked", [0.0, 0.3, 0.99, 1.0])
def test_lines_lose_the_median_that_the_official_function_takes_bit_for_bit(which, masked):
    axis, slow, fast = AXES[which]
    images = sky((2, 200, 301))
    free = open_pixels((200, 301), masked)
    free[40:43] = False
    free[:, 7] = False
    lines, mask = in_lines(images, fast, slow), in_lines(free, fast, slow)
    got = as_images(median_clean(lines, mask), fast, slow)
    for image, clean in zip(images, got, strict=True):
        np.testing.assert_array_equal(clean, officially(image, free, axis))


@pytest.mark.parametrize(("axis", "fast", "slow"), [(2, 1, 2), (1, 2, -1)])
def test_amplifiers_lose_medians_of_their_own_as_officially(axis, fast, slow):
    shape = (40, 2048) if axis == 2 else (2048, 40)
    image, free = sky(shape), open_pixels(shape, 0.4)
    got = median_clean(in_lines(image[None], fast, slow), in_lines(free, fast, slow), 4)
    np.testing.assert_array_equal(
        as_images(got, fast, slow)[0], officially(image, free, axis, by_channel=True)
    )


def test_equal_values_ramps_and_short_lines_have_the_medians_of_numpy():
    """A bracket from a few pixels misses the median of a ramp of steps: then all are looked at."""
    wild = np.stack([np.repeat(np.arange(64.0), 16), np.arange(1024.0) % 16, np.ones(1024)])
    wild = np.concatenate([wild, np.where(np.arange(1024) % 16, 100.0, np.arange(1024.0))[None]])
    for npix in (1, 2, 191, 192, 193, 1024):
        lines = wild[:, :npix].astype(np.float32)
        got = line_levels(lines[None], np.ones(lines.shape, bool))[0, :, 0]
        np.testing.assert_array_equal(got, np.median(lines, axis=1))


def test_what_is_no_number_is_left_out_and_stays_what_it_is():
    image = sky((30, 400))
    free = open_pixels(image.shape, 0.2)
    holed = image.copy()
    holed[3:6, 50:90] = np.nan
    holed[8, 10] = np.inf
    got = line_levels(holed[None], free)
    np.testing.assert_array_equal(got, line_levels(image[None], free & np.isfinite(holed)))
    clean = median_clean(holed[None], free)[0]
    np.testing.assert_array_equal(np.isnan(clean), np.isnan(holed))


def test_a_hand_worked_level_counts_its_pixels_against_sixty_four_of_the_line():
    image = np.zeros((1, 1, 256), np.float32)
    image[..., 128:] = 2.0
    image[..., 200:] = 4.0
    free = np.ones((1, 256), bool)
    free[:, 176:] = False
    free[:, 128 + 32 : 192] = False
    free[:, 208:224] = True
    levels = line_levels(image, free, channels=2, pull=PULL)
    whole = (128 * 0 + 48 * 2) / 176
    assert levels[0, 0, 0] == pytest.approx(whole + 128 / 192 * (0 - whole))
    assert levels[0, 0, 1] == pytest.approx(whole + 48 / 112 * (2 - whole))


def test_a_channel_without_free_pixels_takes_the_level_of_its_line_and_an_empty_line_none():
    image = sky((1, 2, 2048)) + 7
    free = np.ones((2, 2048), bool)
    free[0, 512:1024] = False
    free[1] = False
    levels = line_levels(image, free, channels=4, pull=PULL)
    others = [np.median(image[0, 0, start : start + 512]) for start in (0, 1024, 1536)]
    assert levels[0, 0, 1] == pytest.approx(np.mean(others))
    np.testing.assert_array_equal(levels[0, 1], 0)


def stripes(nline=256, seed=4):
    """Levels [line, channel]: 3 common to the amplifiers, 1 of their own."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (nline, 1)) + rng.normal(0, 1, (nline, 4))


@pytest.mark.parametrize(("masked", "gain"), [(0.02, 1.0), (0.6, 1.04), (0.9, 1.15), (0.97, 1.4)])
def test_few_free_pixels_leave_less_of_simulated_stripes_where_the_line_is_heard(masked, gain):
    """The error (rms) of plain levels over that of pulled ones."""
    truth = stripes()
    image = (np.repeat(truth, 512, axis=1) + sky((256, 2048), spread=5.2)).astype(np.float32)
    free = open_pixels(image.shape, masked)
    plain, pulled = (line_levels(image[None], free, 4, pull)[0] for pull in (0.0, PULL))
    ratio = np.std(plain - truth) / np.std(pulled - truth)
    assert ratio > gain


def test_a_band_of_lines_alone_has_the_numbers_of_the_whole_and_threads_change_nothing():
    images, free = sky((3, 150, 512)), open_pixels((150, 512), 0.3)
    whole = median_clean(images, free, 4, PULL, threads=1)
    np.testing.assert_array_equal(median_clean(images, free, 4, PULL, threads=2), whole)
    band = median_clean(images[:, 37:90], free[37:90], 4, PULL)
    np.testing.assert_array_equal(band, whole[:, 37:90])


def test_images_are_left_alone_unless_they_are_given_to_be_written_to():
    images, free = sky((2, 64, 128)), open_pixels((64, 128), 0.3)
    images.flags.writeable = False
    clean = median_clean(images, free)
    room = images.copy()
    got = less_medians(room, line_levels(room, free), out=room)
    assert got is room
    np.testing.assert_array_equal(room, clean)


def test_axes_turn_images_into_lines_in_the_order_of_reading_and_back():
    image = np.arange(12).reshape(3, 4)
    assert in_lines(image, 1, 2)[0].tolist() == [0, 1, 2, 3]
    assert in_lines(image, -1, -2)[0].tolist() == [11, 10, 9, 8]
    assert in_lines(image, 2, -1)[0].tolist() == [3, 7, 11]
    assert in_lines(image, -2, 1)[1].tolist() == [9, 5, 1]
    for fast, slow in ((1, 2), (-1, 2), (1, -2), (2, -1), (-2, 1), (-2, -1)):
        np.testing.assert_array_equal(as_images(in_lines(image, fast, slow), fast, slow), image)


def test_what_does_not_fit_is_refused():
    images, free = sky((2, 8, 10)), np.ones((8, 10), bool)
    with pytest.raises(InputError, match="take 1 for subarrays"):
        line_levels(images, free, channels=4)
    with pytest.raises(InputError, match="share one mask"):
        line_levels(images, free[:7])
    with pytest.raises(InputError, match="from the header"):
        in_lines(free, 1, 1)
