"""What tells whether 1/f noise is gone, on images whose noise is known."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from jwinteractive.detectors import TICK
from jwinteractive.errors import InputError
from jwinteractive.flicker.metrics import (
    _places,
    amplifier_steps,
    background_scatter,
    flux_bias,
    power_spectrum,
    stripe_rms,
)
from jwinteractive.flicker.readout import Readout
from jwinteractive.flicker.smoother import fit_smoother
from jwinteractive.simulate.modes import settings_for
from jwinteractive.simulate.noise import ReadoutNoise
from jwinteractive.simulate.window import window


def stripes(length, amplifiers=4, overhead=12):
    """Read-out of rows whose amplifiers lie side by side."""
    width = length // amplifiers
    output, tick = np.divmod(np.arange(length), width)
    tick = np.where(output % 2 == 1, width - 1 - tick, tick)
    return Readout(tick, output, width + overhead)


def image_and_mask(shape=(512, 1024), white=5.0, masked=0.4, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(0, white, shape), rng.random(shape) > masked


def test_stripes_are_measured_through_white_noise_amplifier_by_amplifier():
    image, free = image_and_mask()
    readout = stripes(1024)
    rng = np.random.default_rng(2)
    rms = np.array([0.0, 0.5, 1.0, 2.0])
    levels = rng.normal(0, 1, (512, 4)) * rms
    found = stripe_rms(image + levels[:, readout.amplifier], free, readout)
    np.testing.assert_allclose(found[1:], rms[1:], rtol=0.1)
    assert found[0] < 0.25
    assert (stripe_rms(image, free, readout) < 0.25).all()


def test_stripes_of_an_amplifier_without_background_are_not_known():
    image, free = image_and_mask((64, 64))
    free[:, :16] = False
    found = stripe_rms(image, free, stripes(64))
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()


def test_white_noise_has_the_same_power_at_all_frequencies():
    image, free = image_and_mask()
    power = power_spectrum(image, free, stripes(1024))
    expected = 2 * 25.0 * TICK
    assert power.band(1, 100) == pytest.approx(expected, rel=0.1)
    assert power.band(100, 1000) == pytest.approx(expected, rel=0.1)
    assert power.band(1000, 40000) == pytest.approx(expected, rel=0.02)
    assert np.isnan(power.band(1e6, 1e7))


@pytest.mark.parametrize("hertz", [60.0, 390.625, 5000.0])
def test_a_tone_is_found_at_its_frequency_across_gaps_and_overheads(hertz):
    image, free = image_and_mask()
    free[100:140] = False
    readout = stripes(1024)
    tick = np.arange(512)[:, None] * readout.line_ticks + readout.tick
    power = power_spectrum(image + np.sin(2 * np.pi * hertz * TICK * tick), free, readout)
    contrast = power.density - 2 * 25.0 * TICK
    at = int(np.argmax(contrast))
    assert power.frequency[at] == pytest.approx(hertz, rel=0.1)
    # a sine of amplitude 1 has a variance of 1/2, all of it in the step of its frequency
    step = hertz * (10 ** (1 / 32) - 10 ** (-1 / 32))
    near = np.abs(np.arange(len(contrast)) - at) <= 1
    assert contrast[near].sum() * step == pytest.approx(0.5, rel=0.35)


def test_a_spectrum_of_nothing_is_refused():
    image, free = image_and_mask((64, 64))
    with pytest.raises(InputError, match="a power spectrum needs background"):
        power_spectrum(image, np.zeros_like(free), stripes(64))


def test_scatter_of_squares_by_hand():
    image = np.kron([[1.0, 3.0], [5.0, 100.0]], np.ones((5, 5)))
    image = np.pad(image, ((0, 2), (0, 3)), constant_values=77.0)  # no whole squares
    free = np.ones(image.shape, bool)
    free[5:10, 5:8] = False  # ten of 25 are left
    image[0, 0] = np.nan
    assert background_scatter(image, free) == pytest.approx(2.0)  # of 1, 3, 5
    assert np.isnan(background_scatter(image[:5, :5], free[:5, :5]))


def test_scatter_of_white_noise_falls_with_the_area():
    image, free = image_and_mask(masked=0.0)
    assert background_scatter(image, free) == pytest.approx(1.0, rel=0.03)


def test_steps_between_amplifiers_by_hand():
    image, free = image_and_mask((256, 256), white=0.1)
    readout = stripes(256)
    stepped = image + np.array([1.0, 4.0, 2.0, 2.0])[readout.amplifier]
    np.testing.assert_allclose(amplifier_steps(stepped, free, readout), [3, -2, 0], atol=0.02)
    slope = stepped + np.linspace(0, 100, 256)[:, None]  # what all share along a boundary
    np.testing.assert_allclose(amplifier_steps(slope, free, readout), [3, -2, 0], atol=3)


def test_steps_between_amplifiers_that_take_turns():
    image, free = image_and_mask((64, 128), white=0.1)
    place = np.arange(128)
    readout = Readout(place // 4, place % 4, 44)
    levels = np.array([1.0, 4.0, 2.0, 2.0])[readout.amplifier]
    np.testing.assert_allclose(
        amplifier_steps(image + levels, free, readout), [3, -2, 0], atol=0.02
    )
    assert np.isnan(amplifier_steps(image, free & (readout.amplifier != 0), readout)[0])


def test_flux_that_is_lost_is_measured_exactly():
    image, free = image_and_mask(masked=0.0)
    kept = flux_bias(image, free, lambda img: img)
    assert kept.sources == 58  # a two-hundredth of 512 x 1024 pixels, by 45
    assert kept.bias == pytest.approx(0.0, abs=1e-9)
    less = flux_bias(image, free, lambda img: 0.9 * img, snr=10.0)
    assert less.loss == pytest.approx(0.1)
    assert less.bias == pytest.approx(1.0)
    # 45 pixels lie within 3.75 of a pixel
    assert kept.sigma == pytest.approx(5 * np.sqrt(45), rel=0.2)


def test_sources_are_put_on_the_background_only():
    image, free = image_and_mask(masked=0.0)
    free[:, 100:] = False
    changed = []
    flux_bias(image, free, lambda img: changed.append(img) or img, apertures=50)
    different = changed[1] != changed[0]
    assert different.any()
    assert not (different & ~free).any()
    with pytest.raises(InputError, match=r"^free: no aperture of radius 3.75 pixels is"):
        flux_bias(image, np.zeros_like(free), lambda img: img)


def test_apertures_do_not_overlap():
    free = np.ones((40, 40), bool)
    ys, xs = _places(free, 2, np.ones((5, 5), bool), 200, np.random.default_rng(1))
    assert len(ys) > 20
    times = np.zeros((40, 40), int)
    for y, x in zip(ys, xs, strict=True):
        times[y - 2 : y + 3, x - 2 : x + 3] += 1
    assert times.max() == 1


@pytest.mark.parametrize("snr", [2.0, 5.0])
def test_sources_that_the_mask_follows_keep_their_flux_in_the_smoother(snr):
    settings = settings_for("nircam", {"subarray": "SUBGRISM256", "alternating": 0.0})
    seen = window(settings)
    readout = Readout.of(seen.detector, (seen.ny, seen.nx), seen.amplifiers)
    with ThreadPoolExecutor(2) as pool:
        noise = ReadoutNoise(settings, seen, np.random.SeedSequence(5)).frame(pool)
    rng = np.random.default_rng(3)
    image = noise + rng.normal(0, 11.5, noise.shape).astype(np.float32)
    free = np.ones(image.shape, bool)
    drift = fit_smoother(image[None], free, readout).drift

    def cleaned(img):
        smooth = gaussian_filter(img, 1.06)
        mask = binary_dilation(smooth > 3 * smooth.std(), iterations=3)
        smoother = fit_smoother(img[None], ~mask, readout, drift)
        return img - smoother.pixels(smoother.noise(img[None]))[0]

    found = flux_bias(image, free, cleaned, snr=snr)
    assert found.sources > 50
    assert abs(found.bias) < 0.1
