"""Traces found and followed, against known ones; light curves against known transits."""

import numpy as np
import pytest
from scipy.special import erf

from jwinteractive.errors import InputError
from jwinteractive.extract.aperture import box_weights, trace_limits
from jwinteractive.extract.box import box_spectra
from jwinteractive.extract.drift import trace_drift
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.optimal import optimal_spectra
from jwinteractive.extract.series import detrended, white_light
from jwinteractive.extract.spectra import empty_spectra
from jwinteractive.extract.trace import find_trace

NY, NX = 48, 400
X = np.arange(NX)
TRACE = 20 + 2 * np.sin(X / NX * 2) + 4 * X / NX


def pixels(centre, sigma):
    edges = np.arange(NY + 1)[:, None] - 0.5
    return np.diff(0.5 * erf((edges - centre) / sigma / np.sqrt(2)), axis=0)


def exposed(level, sigma=1.2, trace=TRACE, hits=0.002, seed=1):
    rng = np.random.default_rng(seed)
    expected = pixels(trace, sigma) * level * (1 + 0.5 * np.sin(X / 30)) + 20
    variance = expected + 15
    image = expected + rng.normal(size=expected.shape) * np.sqrt(variance)
    hit = rng.random(image.shape) < hits
    image[hit] += 3000
    image[rng.random(image.shape) < 0.005] = np.nan
    return image, variance


@pytest.mark.parametrize(
    ("level", "sigma", "within"),
    [(100, 1.2, 0.06), (1e3, 0.9, 0.012), (1e3, 2.0, 0.02), (1e5, 0.9, 0.01), (1e5, 2.0, 0.01)],
)
def test_a_trace_is_found_to_a_small_part_of_a_pixel(level, sigma, within):
    image, variance = exposed(level, sigma)
    for found in (find_trace(image, variance, order=4), find_trace(image, order=4)):
        assert np.sqrt(np.mean((found.centre - TRACE) ** 2)) < within
        if level > 100:
            assert found.width == pytest.approx(np.hypot(sigma, 0.29), rel=0.05)


def test_single_columns_are_measured_with_true_errors():
    image, variance = exposed(1e4, 1.5, hits=0)
    found = find_trace(image, variance, order=4)
    pull = (found.measured - TRACE) / found.error
    assert np.isfinite(pull).sum() > 0.9 * NX
    assert np.nanstd(pull) == pytest.approx(1, abs=0.12)


def test_single_columns_say_where_the_light_is_also_off_the_polynomial():
    image, variance = exposed(1e5, 1.5, hits=0)
    found = find_trace(image, variance, order=1)
    off = np.abs(found.centre - TRACE)
    assert off.max() > 0.2
    near = off < 0.3  # farther away the response is not straight
    assert np.nanmedian(np.abs(found.measured - TRACE)[near]) < 0.15 * np.median(off[near])


def test_of_two_sources_that_is_followed_which_is_asked_for():
    image, variance = exposed(1e4, hits=0)
    other = TRACE + 14
    image += pixels(other, 1.2) * 2e4
    np.testing.assert_allclose(find_trace(image, variance, order=4).centre, other, atol=0.05)
    found = find_trace(image, variance, near=23, reach=5, order=4)
    np.testing.assert_allclose(found.centre, TRACE, atol=0.05)


def test_a_curved_trace_is_followed_over_many_rows():
    curved = 8 + 30 * ((X - 150) / 250) ** 2 * 0.9
    image, variance = exposed(3e3, trace=curved)
    np.testing.assert_allclose(find_trace(image, variance, order=3).centre, curved, atol=0.06)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda d, v: find_trace(d * np.nan), "no finite pixel"),
        (lambda d, v: find_trace(np.zeros((9, 40))), "no light along a trace"),
        (lambda d, v: find_trace(d, v[:3]), r"variance \(3, 400\)"),
        (lambda d, v: find_trace(d, near=np.zeros(3)), "must be one, or 400"),
        (lambda d, v: find_trace(d, near=200), "near = 200.0"),
        (lambda d, v: find_trace(d, near=np.nan), "has no pixel"),
        (lambda d, v: find_trace(d, order=-1), "order = -1"),
        (lambda d, v: trace_drift(Frames(d), 90), "has no pixel"),
        (lambda d, v: trace_drift(Frames(d), np.zeros(3)), "must be one, or 400"),
    ],
)
def test_what_has_no_trace_is_refused_in_one_line(call, said):
    image, variance = exposed(1e3)
    with pytest.raises(InputError, match=said) as caught:
        call(image, variance)
    assert "\n" not in str(caught.value)


def test_noise_alone_has_no_trace():
    noise = np.random.default_rng(3).normal(size=(30, 200))
    with pytest.raises(InputError, match="no light"):
        find_trace(noise, np.ones(noise.shape), near=12)


COUNT = 60
SHIFT = 0.1 * np.sin(np.arange(COUNT) / 9)
WIDER = 0.02 * np.cos(np.arange(COUNT) / 7)
DIP = 1 - 0.01 * (np.abs(np.arange(COUNT) - 33) < 8)


def series(sigma=1.2, bad=1e-3, seed=2):
    rng = np.random.default_rng(seed)
    expected = np.array(
        [
            pixels(TRACE + a, sigma + b) * 5e3 * dip + 20
            for a, b, dip in zip(SHIFT, WIDER, DIP, strict=True)
        ]
    )
    noisy = expected + rng.normal(size=expected.shape) * np.sqrt(expected + 15)
    noisy[rng.random(noisy.shape) < bad] += 4000
    noisy[rng.random(noisy.shape) < bad] = np.nan
    poisson = np.where(np.isfinite(noisy), expected, np.nan)
    read = np.full(noisy.shape, 15, "f4")
    return Frames(noisy.astype("f4"), poisson.astype("f4"), read)


@pytest.mark.parametrize("sigma", [0.8, 1.2])
def test_the_drift_of_a_time_series_is_followed(sigma):
    drift = trace_drift(series(sigma), TRACE)
    shift, wider = SHIFT - SHIFT.mean(), WIDER - WIDER.mean()
    assert np.polyfit(shift, drift.shift, 1)[0] == pytest.approx(1, abs=0.02)
    assert np.polyfit(wider, drift.widening, 1)[0] == pytest.approx(1, abs=0.07)
    assert np.std((drift.shift - shift) / drift.shift_error) == pytest.approx(1, abs=0.35)
    alone = trace_drift(series(sigma), TRACE, threads=1)
    np.testing.assert_array_equal(alone.shift, drift.shift)


def test_a_narrow_box_loses_light_as_the_trace_moves_and_the_covariates_give_it_back():
    frames = series(bad=0)
    narrow = box_weights((NY, NX), [trace_limits(TRACE + 0.4, 3)])
    curve = white_light(box_spectra(frames, narrow))
    drift = trace_drift(frames, TRACE)
    out = DIP == 1
    known = {"shift": drift.shift, "widening": drift.widening}
    found = detrended(curve, known, 1, out)
    assert found.coefficients["shift"] > 5 * found.errors["shift"]
    plain = detrended(curve, {}, 1, out)
    assert np.std(plain.curve.flux[out]) > 4 * np.std(found.curve.flux[out])
    depth = 1 - np.mean(found.curve.flux[~out])
    assert depth == pytest.approx(0.01, abs=4e-4)


def test_the_scatter_of_a_light_curve_is_what_its_errors_say():
    rng = np.random.default_rng(4)
    expected = pixels(TRACE, 1.2) * 5e3 + 20
    noisy = expected + rng.normal(size=(200, NY, NX)) * np.sqrt(expected)
    frames = Frames(noisy.astype("f4"), np.broadcast_to(expected, noisy.shape).astype("f4"))
    profile = pixels(TRACE, 1.2)
    curve = white_light(optimal_spectra(frames, profile, np.abs(profile) < 1e-4))
    assert curve.ratio == pytest.approx(1, abs=0.15)
    assert np.std(curve.flux) == pytest.approx(curve.expected, rel=0.15)


def test_a_missing_column_makes_no_dip():
    spectra = empty_spectra(4, 1, 5)
    spectra.flux[:] = [10, 20, 30, 20, 10]
    spectra.variances[:] = 1
    spectra.flux[2, 0, 2] = np.nan
    curve = white_light(spectra)
    np.testing.assert_allclose(curve.flux, 90)
    assert curve.error[2] == pytest.approx(np.sqrt(12) * 90 / 60)
    assert white_light(spectra, (0, 1)).flux[0] == 30
    spectra.flux[:3, 0, 4] = np.nan  # too seldom seen
    np.testing.assert_allclose(white_light(spectra).flux, 80)
    for call, said in (
        (lambda: white_light(spectra, (3, 9)), "columns 3 to 9"),
        (lambda: white_light(spectra, source=1), "source = 1"),
        (lambda: detrended(curve, {"shift": np.zeros(3)}), "covariate shift"),
        (lambda: detrended(curve, {"shift": np.arange(4.0)}, 2), "4 integrations for 4 terms"),
        (lambda: detrended(curve, {}, 1, np.ones(3, bool)), "outside"),
    ):
        with pytest.raises(InputError, match=said):
            call()
