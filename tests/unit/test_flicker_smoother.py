"""The smoother of 1/f noise: against dense algebra, against simulated noise, and at its edges."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from scipy.linalg import block_diag
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.signal import lfilter

from jwinteractive.detectors import DETECTORS
from jwinteractive.errors import InputError
from jwinteractive.flicker.drift import Drift
from jwinteractive.flicker.metrics import stripe_rms
from jwinteractive.flicker.readout import BIN, Readout
from jwinteractive.flicker.smoother import CONTEXT, bin_means, clean, fit_smoother
from jwinteractive.simulate.modes import settings_for
from jwinteractive.simulate.noise import ReadoutNoise
from jwinteractive.simulate.window import window

WHITE = 5.2


def stripes(length, amplifiers=4, overhead=12):
    """Read-out of rows whose amplifiers lie side by side."""
    width = length // amplifiers
    output, tick = np.divmod(np.arange(length), width)
    tick = np.where(output % 2 == 1, width - 1 - tick, tick)
    return Readout(tick, output, width + overhead)


def simulated(subarray, mode="nircam", white=WHITE, seed=5):
    """Image with correlated noise, that noise alone, and the read-out."""
    changes = {"subarray": subarray, "alternating": 0.0, "reference_gain": 1.0}
    settings = settings_for(mode, changes)
    seen = window(settings)
    with ThreadPoolExecutor(2) as pool:
        truth = ReadoutNoise(settings, seen, np.random.SeedSequence(seed)).frame(pool)
    rng = np.random.default_rng(seed)
    image = truth + rng.normal(0, white, truth.shape).astype(np.float32)
    shape = (seen.ny, seen.nx)
    return image, truth, Readout.of(seen.detector, shape, seen.amplifiers, settings.readpatt)


def blobs(shape, part, seed=3):
    """Free pixels beside round sources that mask a part of the image."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: shape[0], : shape[1]]
    free = np.ones(shape, bool)
    while free.mean() > 1 - part:
        radius = min(2 + rng.exponential(3 + 20 * part), 40)
        free &= (y - rng.uniform(0, shape[0])) ** 2 + (x - rng.uniform(0, shape[1])) ** 2 > (
            radius**2
        )
    return free


def by_line(image, readout):
    """Means of the lines of each amplifier [line, amplifier]."""
    lines = readout.lines(image)
    return np.stack(
        [lines[:, readout.amplifier == a].mean(axis=1) for a in range(readout.amplifiers)], axis=1
    )


def median_model(image, free, readout):
    """Median of the free pixels of each line and amplifier."""
    model = np.zeros_like(image)
    lines, good = readout.lines(model), readout.lines(np.where(free, image, np.nan))
    for a in range(readout.amplifiers):
        own = readout.amplifier == a
        seen = np.isfinite(good[:, own]).any(axis=1)
        lines[np.ix_(seen, own)] = np.nanmedian(good[np.ix_(seen, own)], axis=1, keepdims=True)
    return model


@pytest.mark.parametrize(
    ("mode", "subarray"),
    [
        ("nircam", "SUBGRISM64"),
        ("nircam-lw", "SUB160"),
        ("niriss", "SUBSTRIP96"),
        ("nirspec", "SUBS200A1"),
        ("nirspec-irs2", "FULL"),
        ("miri", "SUB64"),
        ("miri-slowr1", "FULL"),
    ],
)
def test_pixels_are_read_when_the_simulator_reads_them(mode, subarray):
    settings = settings_for(mode, {"subarray": subarray})
    seen = window(settings)
    readout = Readout.of(seen.detector, (seen.ny, seen.nx), seen.amplifiers, settings.readpatt)
    tick, amplifier = seen.readout_order()
    lines = readout.lines(tick)
    expected = np.arange(len(lines))[:, None] * readout.line_ticks + readout.tick
    np.testing.assert_array_equal(lines, expected)
    np.testing.assert_array_equal(readout.lines(amplifier)[0], readout.amplifier)


def test_nrs2_is_read_from_its_other_end():
    first, second = (
        Readout.of(DETECTORS[name], (2048, 2048), 4, "NRSRAPID") for name in ("NRS1", "NRS2")
    )
    assert (first.along_x, first.backwards) == (False, False)
    assert (second.along_x, second.backwards) == (False, True)
    np.testing.assert_array_equal(first.tick, second.tick[::-1])


def test_the_smoother_gives_what_dense_algebra_gives():
    rng = np.random.default_rng(1)
    readout = stripes(80, amplifiers=2)
    image = rng.normal(0, 3, (1, 9, 80)).astype(np.float32)
    free = rng.random((9, 80)) > 0.4
    free[4] = False
    free[6, :40] = False
    drift = Drift(np.array([30.0, 500.0]), np.array([4.0, 2.0]), np.array([1.0, 0.5]), 9.0, 0)
    found = fit_smoother(image, free, readout, drift).noise(image)[0]
    bins = bin_means(image, free, readout)
    counts = bins.counts.reshape(-1, 2)
    values = bins.means[0].reshape(-1, 2)
    start = np.arange(9)[:, None] * readout.line_ticks + np.arange(3) * BIN
    lag = np.abs(np.subtract.outer(start.ravel(), start.ravel()))
    kernels = [
        sum(v * np.exp(-lag / t) for v, t in zip(variance, drift.times, strict=True))
        for variance in (drift.common, drift.amplifier)
    ]
    prior = np.kron(np.ones((2, 2)), kernels[0]) + block_diag(kernels[1], kernels[1])
    seen = counts.T.ravel() > 0
    level = np.nansum(values * counts, axis=0) / counts.sum(axis=0)
    noise = np.diag(drift.white / counts.T.ravel()[seen])
    target = (values - level).T.ravel()[seen]
    expected = prior[:, seen] @ np.linalg.solve(prior[np.ix_(seen, seen)] + noise, target)
    expected = expected.reshape(2, -1).T + level
    np.testing.assert_allclose(found.reshape(-1, 2), expected, atol=2e-5)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6])
def test_stripes_are_a_third_below_those_of_medians_by_amplifier(part):
    image, truth, readout = simulated("SUBGRISM256")
    free = blobs(image.shape, part)
    cleaned, _ = clean(image[None], free, readout)
    ours = by_line(cleaned[0] - (image - truth), readout).std(axis=0).mean()
    medians = by_line(truth - median_model(image, free, readout), readout).std(axis=0).mean()
    assert ours < 0.7 * medians
    assert ours > 0.1  # the truth has stripes that nobody can know


def test_columns_read_backwards_are_cleaned_as_rows_are():
    image, _, rows = simulated("SUBGRISM64")
    free = blobs(image.shape, 0.3)
    columns = Readout(rows.tick[::-1], rows.amplifier[::-1], rows.line_ticks, False, True)

    def turned(array):
        return np.ascontiguousarray(array[::-1, ::-1].T)

    expected, _ = clean(image[None], free, rows)
    found, _ = clean(turned(image)[None], turned(free), columns)
    # other samples of a line tell what is far out of it
    assert np.std(found[0] - turned(expected[0])) < 0.01


def drifting(readout, lines, rng, time=400.0):
    """Image of processes of this time, 1.5 common and 1 of each amplifier, and white noise of 4."""

    def process(rms):
        keep = np.exp(-1 / time)
        kicks = rms * np.sqrt(1 - keep**2) * rng.normal(size=lines * readout.line_ticks + 8000)
        return lfilter([1], [1, -keep], kicks)[8000:].reshape(lines, readout.line_ticks)

    common = process(1.5)
    image = rng.normal(0, 4, (lines, len(readout.tick)))
    for a in range(readout.amplifiers):
        own = readout.amplifier == a
        image[:, own] += (common + process(1.0))[:, readout.tick[own]]
    return image.astype(np.float32)


def test_variances_are_found_in_noise_that_has_them():
    rng = np.random.default_rng(7)
    readout, lines = stripes(1024), 512
    images = [drifting(readout, lines, rng) for _ in range(3)]
    free = blobs((lines, 1024), 0.3)
    drift = fit_smoother(np.stack(images), free, readout).drift
    assert drift.rms == pytest.approx((1.5, 1.0, 4.0), rel=0.06)
    assert drift.common[1] == pytest.approx(1.5**2, rel=0.25)  # at the right time


def test_variances_of_small_frames_are_right_in_the_mean():
    rng = np.random.default_rng(8)
    readout = stripes(256)
    free = np.ones((64, 256), bool)
    images = [drifting(readout, 64, rng) for _ in range(60)]
    found = [fit_smoother(image[None], free, readout).drift.amplifier.sum() for image in images]
    assert np.mean(found) == pytest.approx(1.0, rel=0.05)


def test_too_few_pixels_for_lags_still_tell_how_strong_the_noise_is():
    rng = np.random.default_rng(9)
    readout = stripes(16, amplifiers=1)
    image = rng.normal(0, 1, (1, 16, 16)) + rng.normal(0, 3, (1, 16, 1))
    cleaned, smoother = clean(image.astype(np.float32), np.ones((16, 16), bool), readout)
    assert smoother.drift.rms[0] == pytest.approx(3, rel=0.4)
    assert cleaned.mean(axis=2).std() < 0.5


def test_white_noise_alone_is_left_alone():
    rng = np.random.default_rng(2)
    readout = stripes(512)
    image = rng.normal(0, WHITE, (1, 256, 512)).astype(np.float32)
    cleaned, smoother = clean(image, np.ones((256, 512), bool), readout)
    assert smoother.drift.rms[0] < 0.1 * WHITE
    assert (image - cleaned).std() < 0.03 * WHITE


def test_hits_and_missing_values_do_not_spread():
    image, _, readout = simulated("SUBGRISM64")
    free = blobs(image.shape, 0.3)
    smoother = fit_smoother(image[None], free, readout)
    before = smoother.noise(image[None])
    hurt = image.copy()
    rng = np.random.default_rng(4)
    places = rng.permutation(np.flatnonzero(free))[:400]
    hurt.flat[places[:200]] += 1e5
    hurt.flat[places[200:]] = np.nan
    after = smoother.noise(hurt[None])
    assert np.abs(after - before).max() < 0.5 * WHITE
    again = fit_smoother(hurt[None], free, readout).drift
    assert again.rms == pytest.approx(smoother.drift.rms, rel=0.1)


def test_a_line_without_a_finite_pixel_is_told_by_its_neighbours():
    image, truth, readout = simulated("SUBGRISM64")
    image[30] = np.nan
    cleaned, smoother = clean(image[None], np.ones(image.shape, bool), readout)
    model = smoother.pixels(smoother.noise(image[None]))[0]
    assert np.isfinite(model).all()
    assert np.isnan(cleaned[0, 30]).all()
    error = np.abs((by_line(model, readout) - by_line(truth, readout))[30])
    assert error.max() < 3 * np.median(np.abs(by_line(truth, readout)))


def test_an_image_without_background_stays_as_it_is():
    image, _, readout = simulated("SUBGRISM64")
    cleaned, smoother = clean(image[None], np.zeros(image.shape, bool), readout)
    np.testing.assert_array_equal(cleaned[0], image)
    assert smoother.drift.bins == 0


def test_an_amplifier_without_background_follows_the_others():
    image, truth, readout = simulated("SUBGRISM256")
    free = np.ones(image.shape, bool)
    free[:, :512] = False
    cleaned, _ = clean(image[None], free, readout)
    level, _ = clean(image[None] + 100, free, readout)  # all share it
    np.testing.assert_allclose(level, cleaned, atol=1e-2)
    left = (cleaned[0] - (image - truth))[:, :512]
    assert left.mean(axis=1).std() < 0.5 * truth[:, :512].mean(axis=1).std()


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_small_frames_of_one_amplifier_are_better_than_before(part):
    image, truth, readout = simulated("SUBTAAMI", "niriss")
    assert readout.amplifiers == 1
    free = np.random.default_rng(1).random(image.shape) > part
    cleaned, smoother = clean(image[None], free, readout)
    assert smoother.drift.rms[1] == 0
    left = by_line(cleaned[0] - (image - truth), readout).std()
    assert left < 0.9 * by_line(truth, readout).std()


def test_images_that_share_a_mask_are_cleaned_each_by_itself():
    image, _, readout = simulated("SUBGRISM64")
    other = simulated("SUBGRISM64", seed=6)[0]
    free = blobs(image.shape, 0.3)
    smoother = fit_smoother(image[None], free, readout)
    both = smoother.noise(np.stack([image, other]))
    np.testing.assert_array_equal(both[1:], smoother.noise(other[None]))
    assert smoother.noise(image[None][:0]).shape == (0, *both.shape[1:])


def test_a_band_of_lines_with_some_around_has_the_noise_of_the_whole():
    image, _, readout = simulated("SUBGRISM256", white=11.5)
    free = blobs(image.shape, 0.3)
    whole = fit_smoother(image[None], free, readout)
    band = slice(128 - CONTEXT, 160 + CONTEXT)
    part = fit_smoother(image[None, band], free[band], readout, whole.drift)
    found = part.noise(image[None, band])[0, CONTEXT:-CONTEXT]
    assert np.abs(found - whole.noise(image[None])[0, 128:160]).max() < 0.02 * 11.5


@pytest.mark.parametrize("number", ["seg006", "seg004"])
def test_real_pixels_that_were_not_looked_at_have_fewer_stripes_than_with_medians(real, number):
    path = next((real / "rate").glob(f"*{number}*nrca3_rateints*.fits"))
    with fits.open(path) as file:
        image = next(hdu.data for hdu in file if hdu.data is not None).astype(np.float32)
    good = np.isfinite(image) & (image != 0)
    image = np.where(good, image, 0) - np.median(image[good])
    sigma = 1.48 * np.median(np.abs(image[good]))
    sources = binary_dilation(gaussian_filter(image, 1.5) > 1.5 * sigma, iterations=8)
    free = good & ~sources & (np.abs(image) < 5 * sigma)
    half = np.random.default_rng(0).random(free.shape) < 0.5
    readout = Readout.of(DETECTORS["NRCA3"], image.shape, 4)
    ours, _ = clean(image[None], free & half, readout)
    medians = image - median_model(image, free & half, readout)
    kept = free & ~half
    left, before = (stripe_rms(each, kept, readout).mean() for each in (ours[0], medians))
    assert left < 0.85 * before < 0.3 * stripe_rms(image, kept, readout).mean()
    assert ours[0][kept].var() < 0.97 * medians[kept].var()


def test_what_comes_in_stays_as_it_was():
    image, _, readout = simulated("SUBGRISM64")
    given = image[None].copy()
    free = np.ones(image.shape, bool)
    given.flags.writeable = free.flags.writeable = False
    cleaned, _ = clean(given, free, readout)
    assert cleaned.dtype == np.float32
    np.testing.assert_array_equal(given[0], image)


def test_what_does_not_fit_together_is_refused():
    readout = stripes(64)
    with pytest.raises(InputError, match=r"^images .* share one mask among the images$"):
        clean(np.zeros((1, 8, 64), np.float32), np.ones((9, 64), bool), readout)
    with pytest.raises(InputError, match=r"lines of 32 pixels: the read-out has 64 a line"):
        clean(np.zeros((1, 8, 32), np.float32), np.ones((8, 32), bool), readout)
    with pytest.raises(InputError, match="amplifiers = 3: do not share lines of 2048 pixels"):
        Readout.of(DETECTORS["NRCA1"], (64, 2048), 3)
