"""Extracted spectra against the flux that was put in: pulls, bias, signal to noise, hits."""

import dataclasses as dc
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.special import erf

from jwinteractive.extract.aperture import box_weights, trace_limits
from jwinteractive.extract.box import box_spectra
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.horne import horne_spectra
from jwinteractive.extract.optimal import optimal_spectra
from jwinteractive.extract.profile import empirical_profile

NINT, NY, NX = 20, 48, 600
SKY, READ = 20.0, 15.0
X = np.arange(NX)
TRACE = 24 + 3 * np.sin(X / NX * 2)


def pixels(centre, sigma):
    """Integrals of a Gaussian over pixels."""
    edge = np.arange(NY + 1)[:, None] - 0.5
    return np.diff(0.5 * erf((edge - centre) / sigma / np.sqrt(2)), axis=0)


def line_spread(centre):
    sigma = 1.1 + 0.3 * X / NX
    return 0.8 * pixels(centre, sigma) + 0.2 * pixels(centre, 3 * sigma)


PROFILE = line_spread(TRACE)
AWAY = np.abs(np.arange(NY)[:, None] - TRACE)
REGION = AWAY > 14
EVERYWHERE = np.ones((NY, NX))
APERTURE = box_weights((NY, NX), [trace_limits(TRACE, 13)])


@cache
def exposed(level, hits=0.0, seed=5) -> Any:
    """Integrations of a source of so many electrons a column, its flux, and where hits are."""
    rng = np.random.default_rng(seed)
    flux = level * (1 + 0.5 * np.sin(X / 30))
    expected = PROFILE * flux + SKY
    shape = (NINT, NY, NX)
    data = rng.poisson(np.broadcast_to(expected, shape)) + rng.normal(0, READ**0.5, shape)
    poisson = np.maximum(data, 0)  # as a pipeline has it: of the noisy data
    hit = rng.random(shape) < hits
    data[hit] += rng.uniform(10, 100, hit.sum()) * np.sqrt(expected + READ).mean()
    read = np.full(shape, READ, "f4")
    return flux, Frames(data.astype("f4"), poisson.astype("f4"), read), hit


def spectrum(method, frames):
    if method == "box":
        return box_spectra(frames, APERTURE, REGION)
    if method == "equal weights":
        return optimal_spectra(frames, PROFILE, EVERYWHERE)
    return horne_spectra(frames, PROFILE, EVERYWHERE).spectra


@pytest.mark.parametrize("method", ["box", "equal weights", "horne"])
@pytest.mark.parametrize("level", [1e3, 1e4, 1e5])
def test_fluxes_are_unbiased_and_their_errors_true(method, level):
    flux, frames, _ = exposed(level)
    if method == "box":
        flux = flux * (PROFILE * APERTURE).sum(axis=0)
    found = spectrum(method, frames)
    pull = (found.flux[:, 0] - flux) / found.error[:, 0]
    assert pull.std() == pytest.approx(1, abs=0.03)
    assert abs(pull.mean()) < 0.03
    assert found.flux[:, 0].mean() == pytest.approx(flux.mean(), rel=0.003)


@pytest.mark.parametrize("level", [1e2, 1e3, 1e4, 1e5])
def test_horne_has_at_least_the_signal_to_noise_of_a_box(level):
    _, frames, _ = exposed(level)
    box, unweighted, best = (
        spectrum(method, frames) for method in ("box", "equal weights", "horne")
    )
    quality = [np.mean(one.flux / one.error) for one in (box, unweighted, best)]
    assert quality[2] >= quality[0]
    assert quality[2] >= quality[1]
    scatter = [np.mean(np.std(one.flux, axis=0) / one.flux.mean(axis=0)) for one in (box, best)]
    assert scatter[1] < scatter[0] * 1.005  # not only by what the errors say
    if level < 1e3:
        assert quality[2] > 1.4 * quality[0]


@pytest.mark.parametrize("level", [1e3, 1e4])
def test_hits_are_dropped_and_the_errors_stay_true(level):
    flux, frames, hit = exposed(level, 0.003)
    found = horne_spectra(frames, PROFILE, EVERYWHERE)
    pull = (found.spectra.flux[:, 0] - flux) / found.spectra.error[:, 0]
    assert pull.std() == pytest.approx(1, abs=0.03)
    assert (found.dropped & hit).sum() > 0.95 * hit.sum()
    assert (found.dropped & ~hit).mean() < 1e-5
    kept = horne_spectra(frames, PROFILE, EVERYWHERE, sigma=0).spectra
    assert np.std((kept.flux[:, 0] - flux) / kept.error[:, 0]) > 1.2


@pytest.mark.parametrize("level", [1e3, 1e4, 1e5])
def test_the_measured_profile_serves_as_the_true_one_does(level):
    flux, frames, _ = exposed(level, 0.003)
    mean = np.median(frames.data, axis=0)
    below = box_spectra(Frames(mean), APERTURE, REGION)
    sky = below.background[0, 0] / below.npixels[0, 0]
    noise = np.median(frames.var_poisson + frames.var_rnoise, axis=0) / NINT
    profile = empirical_profile(mean - sky, TRACE, 12, noise)
    assert np.abs(profile - PROFILE).max() < 0.015 * PROFILE.max()
    np.testing.assert_allclose(profile.sum(axis=0), 1, atol=1e-9)
    measured = horne_spectra(frames, profile, EVERYWHERE).spectra
    true = horne_spectra(frames, PROFILE, EVERYWHERE).spectra
    assert measured.flux.mean() == pytest.approx(flux.mean(), rel=0.003)
    assert np.mean(measured.flux / measured.error) == pytest.approx(
        np.mean(true.flux / true.error), rel=0.01
    )


def test_the_noise_of_a_pixel_does_not_weigh_it_in_the_profile():
    flux, frames, _ = exposed(1e3)
    noise = frames.var_poisson[:2].mean(axis=0) + READ
    profile = empirical_profile(frames.data[:2].mean(axis=0) - SKY, TRACE, 12, noise / 2)
    found = horne_spectra(frames, profile, EVERYWHERE).spectra
    assert found.flux.mean() == pytest.approx(flux.mean(), rel=0.004)


def test_two_sources_and_a_nod_are_told_apart():
    rng = np.random.default_rng(8)
    near, nod = line_spread(TRACE + 5), -line_spread(TRACE - 9)
    fluxes = np.array([3000.0, 900.0, 2500.0])
    profiles = np.array([PROFILE, near, nod])
    shape = (NINT, NY, NX)
    plus = PROFILE * fluxes[0] + near * fluxes[1] + SKY
    minus = -nod * fluxes[2] + SKY
    data = rng.poisson(np.broadcast_to(plus, shape)) - rng.poisson(np.broadcast_to(minus, shape))
    poisson = rng.poisson(np.broadcast_to(plus + minus, shape))
    read = np.full(shape, READ, "f4")
    noisy = data + rng.normal(0, READ**0.5, shape)
    frames = Frames(noisy.astype("f4"), poisson.astype("f4"), read)
    for found in (
        horne_spectra(frames, profiles, EVERYWHERE).spectra,
        horne_spectra(frames, profiles).spectra,
    ):
        for source, flux in enumerate(fluxes):
            pull = (found.flux[:, source] - flux) / found.error[:, source]
            assert pull.std() == pytest.approx(1, abs=0.03)
            assert found.flux[:, source].mean() == pytest.approx(flux, rel=0.003)


def test_weights_of_the_noisy_data_lower_the_flux_where_those_of_the_model_do_not():
    flux, frames, _ = exposed(1e3)
    frames = dc.replace(frames, data=frames.data - np.float32(SKY))
    data_weights = 1 / (frames.var_poisson + frames.var_rnoise)
    naive = optimal_spectra(frames, PROFILE, weights=data_weights)
    modelled = horne_spectra(frames, PROFILE).spectra
    assert naive.flux.mean() < 0.995 * flux.mean()
    assert modelled.flux.mean() == pytest.approx(flux.mean(), rel=0.001)


def test_a_source_half_off_the_frame_keeps_its_flux():
    trace = np.full(NX, 1.0) + X / NX
    profile = line_spread(trace)
    flux = 2000.0
    data = np.broadcast_to(profile * flux, (2, NY, NX)).astype("f4")
    read = np.full(data.shape, 4, "f4")
    found = horne_spectra(Frames(data, var_rnoise=read), profile).spectra
    np.testing.assert_allclose(found.flux, flux, rtol=1e-5)

    trace = 2.0 + 8 * X / NX
    profile = line_spread(trace)
    assert profile.sum(axis=0).min() < 0.97  # the rest is below the image
    measured = empirical_profile((profile * flux).astype("f4"), trace, 9)
    # of what is within reach; the farthest wing below the trace is seen in few columns
    np.testing.assert_allclose(measured.sum(axis=0), profile.sum(axis=0), atol=0.01)


def test_the_frames_say_which_way_the_light_is_dispersed():
    _, frames, _ = exposed(1e3)
    turned = Frames(
        frames.data.swapaxes(1, 2),
        frames.var_poisson.swapaxes(1, 2),
        frames.var_rnoise.swapaxes(1, 2),
        dispaxis=2,
    )
    want = box_spectra(frames, APERTURE, REGION, threads=1)
    got = box_spectra(turned, APERTURE, REGION, threads=2)
    for field in dc.fields(want):
        np.testing.assert_array_equal(getattr(got, field.name), getattr(want, field.name))
