"""Spectra of several exposures, compared: noise alone, a factor, a difference."""

import numpy as np
import pytest

from jwinteractive.errors import InputError
from jwinteractive.extract.dithers import Dither
from jwinteractive.extract.nods import agreement, blank_scatter, dither_of
from jwinteractive.testing import example_exposure

AT = np.arange(500)
TRUE = 100 + 50 * np.sin(AT / 40)


def noisy(seed, factor=1.0):
    rng = np.random.default_rng(seed)
    error = np.full(500, 5.0)
    return factor * (TRUE + error * rng.normal(size=500)), factor * error


def test_spectra_that_differ_by_noise_and_a_factor_agree():
    greys, squares = [], []
    for seed in range(100):
        found = agreement(*noisy(2 * seed), *noisy(2 * seed + 1, 1.07))
        greys.append((found.grey - 0.07) / found.grey_error)
        squares.append(found.chi2)
    assert np.mean(squares) == pytest.approx(1, abs=0.03)
    assert np.std(greys) == pytest.approx(1, abs=0.2)
    assert abs(np.mean(greys)) < 0.3


def test_a_line_that_one_has_is_told():
    first, error = noisy(1)
    second, _ = noisy(2)
    second[200:210] += 100
    assert agreement(first, error, second, error).chi2 > 3
    with pytest.raises(InputError, match="same channels"):
        agreement(first[:5], error[:5], second, error)
    with pytest.raises(InputError, match="0 channels"):
        agreement(first * np.nan, error, second, error)


def test_pixels_beside_the_traces_tell_whether_errors_are_true():
    rng = np.random.default_rng(3)
    data = 1.5 * rng.normal(size=(30, 200))
    trace = np.full(200, 15.0)
    data[14:17] += 1000
    image = Dither(data, np.ones(data.shape), trace, None, np.ones(data.shape))
    assert blank_scatter(image, [trace]) == pytest.approx(1.5, rel=0.05)
    with pytest.raises(InputError, match="beside the traces"):
        blank_scatter(image, [trace], 40)


@pytest.mark.parametrize("dispaxis", [1, 2])
def test_a_calibrated_exposure_is_made_ready_with_the_trace_in_it(dispaxis):
    from jwinteractive.data import Rate

    rng = np.random.default_rng(4)
    trace = 10 + 5 * np.arange(120) / 120
    data = 300 * np.exp(-((np.arange(30)[:, None] - trace) ** 2) / 2) + rng.normal(size=(30, 120))
    wave = np.broadcast_to(1 + 0.01 * np.arange(120), data.shape)
    flags = np.zeros(data.shape, np.uint32)
    data[12, 50], flags[12, 50] = 9999, 1
    ones = np.ones(data.shape)
    planes = [data, ones, flags, 0.3 * ones, 0.7 * ones, wave]
    if dispaxis == 2:
        planes = [plane.T for plane in planes]
    data, err, flags, poisson, read, wave = (np.ascontiguousarray(plane) for plane in planes)
    exposure = example_exposure("NIRSPEC", dispaxis=dispaxis)
    rate = Rate(
        exposure=exposure,
        source=None,
        data=data.astype("f4"),
        err=err.astype("f4"),
        dq=flags,
        var_poisson=poisson.astype("f4"),
        var_rnoise=read.astype("f4"),
        wavelength=wave.astype("f4"),
    )
    found = dither_of(rate, scale=2.0)
    np.testing.assert_allclose(found.trace, trace, atol=0.05)
    assert np.isnan(found.data[12, 50])
    assert found.wavelength[3, 100] == pytest.approx(2.0)
    assert found.var_rnoise is not None
    np.testing.assert_allclose(found.var_rnoise, 2.8, rtol=1e-6)
