"""Forward extraction of undersampled, inclined traces: true errors, no wiggles, hits told."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.linalg import cholesky_banded
from scipy.special import erf

from jwinteractive.errors import InputError
from jwinteractive.extract.aperture import box_weights, trace_limits
from jwinteractive.extract.box import box_spectra
from jwinteractive.extract.dithers import Dither, pixels_of, wavelength_grid
from jwinteractive.extract.forward import forward_spectrum
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.horne import horne_spectra
from jwinteractive.extract.psf import GaussianPsf, SplinePsf
from jwinteractive.extract.wiggles import wiggles
from jwinteractive.kernels.extract_forward import add_pixels, band_of_inverse, leverage
from jwinteractive.simulate.slits import slit_dithers

NY, NX = 24, 500
X = np.arange(NX)
SKY, READ = 20.0, 15.0
SIGMA = 0.6  # FWHM of 1.4 pixels


def pixels(centre, sigma):
    edges = np.arange(NY + 1)[:, None] - 0.5
    return np.diff(0.5 * erf((edges - centre) / sigma / np.sqrt(2)), axis=0)


def light(centre, sigma):
    """A core with wings, which no Gaussian is."""
    return 0.8 * pixels(centre, sigma) + 0.2 * pixels(centre, 3 * sigma)


def spectrum(wavelength):
    return 1 + 0.5 * np.sin((wavelength - 1) * 1e3 / 30)


def trace_of(k):
    return 7 + 8 * X / NX + 1.3 * k + np.sin(X / NX * 2)


@cache
def exposed(count, level, hits=0.0, seed=0, tilt=0.03) -> Any:
    """Dithers, each off its trace and of another width, and where their hits are."""
    rng = np.random.default_rng(seed)
    dithers, hit = [], []
    for k in range(count):
        wave = 1 + (X + 0.25 * k + tilt * (np.arange(NY)[:, None] - 12)) * 1e-3
        profile = light(trace_of(k) + 0.1 * k - 0.1, SIGMA * (1 + 0.03 * k))
        expected = profile * spectrum(wave) * level + SKY
        data = rng.poisson(expected) + rng.normal(0, READ**0.5, expected.shape)
        poisson = np.maximum(data, 0)  # as a pipeline has it: of the noisy data
        hit.append(rng.random(expected.shape) < hits)
        data = data + hit[-1] * rng.uniform(10, 100, data.shape) * np.sqrt((expected + READ).mean())
        read = np.full(data.shape, READ)
        dithers.append(Dither(data - SKY, wave, trace_of(k), poisson, read))
    return tuple(dithers), hit


@pytest.mark.parametrize(("count", "level"), [(1, 1e4), (2, 1e3), (2, 1e4), (4, 1e4), (4, 1e5)])
def test_fluxes_are_unbiased_and_their_errors_true(count, level):
    pulls, off = [], []
    for seed in range(3):
        dithers, _ = exposed(count, level, 0.0, seed)
        found = forward_spectrum(dithers)
        true = spectrum(found.wavelength) * level
        whole = found.coverage[0] > 0.9 * count
        assert whole.sum() > 0.9 * NX
        pulls.append(((found.flux[0] - true) / found.error[0])[whole])
        if level < 1e5:  # there the measured PSF is not perfect
            assert found.chi2 == pytest.approx(1, abs=0.05)
        off.append((found.flux[0][whole].sum() - true[whole].sum()) / true[whole].sum())
        np.testing.assert_allclose(np.diff(found.offsets), 0.1, atol=0.01)
        np.testing.assert_allclose(np.diff(found.widths), 0.03, atol=0.02)
    assert np.std(pulls[0]) == pytest.approx(1, abs=0.12)
    assert np.std(np.concatenate(pulls)) == pytest.approx(1, abs=0.05)
    assert abs(np.mean(off)) < 0.003


def test_pulls_of_many_sets_have_a_deviation_of_one():
    pulls = []
    for seed in range(8):
        found = forward_spectrum(exposed(2, 3e3, 0.0, seed)[0], psf=None)
        whole = found.coverage[0] > 1.8
        true = spectrum(found.wavelength) * 3e3
        pulls.append(((found.flux[0] - true) / found.error[0])[whole])
    assert np.std(np.concatenate(pulls)) == pytest.approx(1, abs=0.03)


def test_neighbours_are_correlated_as_the_covariance_says():
    rng = np.random.default_rng(1)
    psf = GaussianPsf((SIGMA,))
    found, off = None, []
    for _ in range(60):
        dithers = []
        for k in range(2):
            wave = 1 + (X[:120] + 0.5 * k) * 1e-3 + np.zeros((NY, 1))
            data = pixels(trace_of(k)[:120], SIGMA) * 1e3 + rng.normal(size=(NY, 120))
            dithers.append(Dither(data, wave, trace_of(k)[:120], None, np.ones((NY, 120))))
        found = forward_spectrum(dithers, psf=psf, fit_trace=False, sigma=0)
        off.append(found.flux[0, 5:115] - 1e3)
    assert found is not None
    off = np.array(off)
    for step in (0, 1, 2):
        scatter = np.mean(off[:, step:] * off[:, : off.shape[1] - step])
        expected = found.covariance[0, step, 5:115].mean() if step < 2 else 0
        if step < 2:
            assert scatter == pytest.approx(expected, rel=0.1, abs=0.02)
    assert found.covariance[0, 1, 50] < 0  # a knot takes what its neighbour has too much


def test_hits_are_told_by_all_dithers_together():
    for count, share in ((2, 0.85), (4, 0.9)):
        dithers, hit = exposed(count, 1e4, 0.003, 7)
        found = forward_spectrum(dithers)
        seen = [np.isfinite(model) & h for model, h in zip(found.model, hit, strict=True)]
        kept = sum(int(h.sum()) for h in seen)
        told = sum(int((d & h).sum()) for d, h in zip(found.dropped, seen, strict=True))
        false = sum(int((d & ~h).sum()) for d, h in zip(found.dropped, hit, strict=True))
        assert told > share * kept
        assert false < 5e-4 * count * NY * NX
        pull = (found.flux[0] - spectrum(found.wavelength) * 1e4) / found.error[0]
        assert np.std(pull[found.coverage[0] > 0.7 * count]) == pytest.approx(1, abs=0.1)
        blind = forward_spectrum(dithers, sigma=0, psf=found.psf, fit_trace=False)
        pull = (blind.flux[0] - spectrum(blind.wavelength) * 1e4) / blind.error[0]
        assert np.nanstd(pull) > 2


def test_a_hit_in_the_core_is_dropped_itself_not_its_neighbours():
    wave = np.broadcast_to(1 + X[:100] * 1e-3, (NY, 100))
    trace = np.full(100, 11.2)
    data = pixels(trace, 0.7) * 300
    data[11, 40] += 200
    one = Dither(data, wave, trace, None, np.ones(data.shape))
    found = forward_spectrum([one], wave[0], GaussianPsf((0.7,)), fit_trace=False)
    assert np.argwhere(found.dropped[0]).tolist() == [[11, 40]]
    np.testing.assert_allclose(found.flux[0], 300, rtol=1e-4)
    assert found.error[0, 40] > found.error[0, 39]


def test_sharp_lines_are_no_hits():
    rng = np.random.default_rng(9)
    dithers = []
    for k in range(2):
        at = X[:200] + 0.5 * k
        line = 1 + 20 * np.exp(-((at - 100.3) ** 2) / 2 / 0.85**2)  # FWHM of 2 pixels
        expected = pixels(trace_of(k)[:200], 1.0) * line * 1e4
        data = expected + rng.normal(size=expected.shape) * np.sqrt(expected + 1)
        wave = np.broadcast_to(1 + at * 1e-3, data.shape)
        noise = np.ones(data.shape)
        dithers.append(Dither(data, wave, trace_of(k)[:200], expected, noise))
    found = forward_spectrum(dithers, psf=GaussianPsf((1.0,)), fit_trace=False)
    dropped = sum(int(one[:, 90:110].sum()) for one in found.dropped)
    assert dropped <= 2
    near = np.abs(found.wavelength - 1.1003) < 0.008
    area = 20e4 * 0.85 * np.sqrt(2 * np.pi)
    assert (found.flux[0][near] - 1e4).sum() == pytest.approx(area, rel=0.01)


def test_one_dither_without_tilt_is_extracted_as_horne_has_it():
    rng = np.random.default_rng(3)
    profile = pixels(trace_of(0), 1.0)
    data = rng.poisson(profile * 3000 + SKY) + rng.normal(0, READ**0.5, (NY, NX))
    poisson, read = np.maximum(data, 0), np.full(data.shape, READ)
    wave = np.broadcast_to(1 + X * 1e-3, data.shape)
    away = np.abs(np.arange(NY)[:, None] - trace_of(0))
    near = away <= 6
    found = forward_spectrum(
        [Dither(data, wave, trace_of(0), poisson, read)],
        wave[0],
        psf=GaussianPsf((1.0,)),
        bkg_order=0,
        sigma=0,
        fit_trace=False,
    )
    frames = Frames(data.astype("f4"), poisson.astype("f4"), read.astype("f4"))
    want = horne_spectra(frames, profile * near, near, sigma=0).spectra
    np.testing.assert_allclose(found.flux[0], want.flux[0, 0], rtol=1e-5)
    # his variances are those of the pixels, which are noisy, ours those of the model
    np.testing.assert_allclose(found.error[0], want.error[0, 0], rtol=0.01)
    assert np.mean(found.error[0] / want.error[0, 0]) == pytest.approx(1, abs=1e-3)


def test_signal_to_noise_is_at_least_that_of_horne():
    dithers, _ = exposed(2, 1e3, 0.0, 2)
    found = forward_spectrum(dithers)
    whole = found.coverage[0] > 1.8
    # information on one level: that of single columns adds up
    ours = np.linalg.inv(_dense(found.covariance[0]))
    level = spectrum(found.wavelength)
    inside = np.flatnonzero(whole)
    of_all = level[inside] @ ours[np.ix_(inside, inside)] @ level[inside]
    theirs = 0.0
    for k, one in enumerate(dithers):
        profile = light(trace_of(k) + 0.1 * k - 0.1, SIGMA * (1 + 0.03 * k))
        frames = Frames(one.data, one.var_poisson, one.var_rnoise)
        spectra = horne_spectra(frames, profile).spectra
        inside = (one.wavelength[12] >= found.wavelength[whole][0]) & (
            one.wavelength[12] <= found.wavelength[whole][-1]
        )
        theirs += np.sum((spectrum(one.wavelength[12]) / spectra.error[0, 0])[inside] ** 2)
    assert of_all >= theirs


def _dense(covariance):
    count = covariance.shape[1]
    found = np.zeros((count, count))
    for step in range(2):
        index = np.arange(count - step)
        found[index, index + step] = found[index + step, index] = covariance[step, : count - step]
    return found


def test_rows_and_narrow_boxes_of_resampled_images_wiggle_where_this_does_not():
    dithers, _ = exposed(2, 1e6, 0.0, 4)
    found = forward_spectrum(dithers)
    whole = found.coverage[0] > 1.8
    true = spectrum(found.wavelength)
    ours = wiggles((found.flux[0] / true)[whole], shortest=8, longest=120)
    assert ours.rms < 0.01

    # the first dither, its rows moved so that the trace is straight
    straight = np.empty((NY, NX))
    for x in X:
        straight[:, x] = np.interp(
            np.arange(NY) + trace_of(0)[x] - 12, np.arange(NY), dithers[0].data[:, x]
        )
    profile = spectrum(dithers[0].wavelength[12])
    box = box_spectra(Frames(straight), box_weights((NY, NX), [trace_limits(12.0, 2)]))
    narrow = wiggles(box.flux[0, 0] / profile, shortest=8, longest=120)
    row = wiggles(straight[12] / profile, shortest=8, longest=120)
    assert row.rms > 0.04
    assert narrow.rms > 0.015
    assert row.rms > 10 * ours.rms


def test_a_line_is_freed_of_the_pixel_if_asked_for():
    rng = np.random.default_rng(5)
    sigma = 1.0
    dithers = []
    for k in range(3):
        at = X[:200] + k / 3
        edge = (at[:, None] + np.array([-0.5, 0.5]) - 100) / sigma / np.sqrt(2)
        line = 1 + 20 * (erf(edge[:, 1]) - erf(edge[:, 0])) / 2
        data = pixels(trace_of(k)[:200], SIGMA) * line * 1e4 + rng.normal(size=(NY, 200))
        wave = np.broadcast_to(1 + at * 1e-3, data.shape)
        dithers.append(Dither(data, wave, trace_of(k)[:200], None, np.ones(data.shape)))
    width = []
    grid = np.arange(1.05, 1.15, 0.001)
    for response in (0, 1):
        found = forward_spectrum(
            dithers, grid, GaussianPsf((SIGMA,)), line_response=response, sigma=0, fit_trace=False
        )
        near = np.abs(grid - 1.1) < 0.006
        light = found.flux[0][near] - 1e4
        assert light.sum() == pytest.approx(20e4, rel=0.003)
        square = (light * (grid[near] - 1.1) ** 2).sum() / light.sum() / 1e-3**2
        width.append(np.sqrt(square + 1 / 6))  # knots are joined by lines
    assert width[0] == pytest.approx(np.sqrt(sigma**2 + 1 / 12), abs=0.03)
    assert width[1] == pytest.approx(sigma, abs=0.03)


def test_a_nod_that_was_subtracted_adds_its_light():
    rng = np.random.default_rng(6)
    shape = (NY, 200)
    wave = np.broadcast_to(1 + X[:200] * 1e-3, shape)
    up, down = np.full(200, 16.3), np.full(200, 6.6)
    image = (pixels(up, 1.0) - 0.5 * pixels(down, 1.0) - 0.5 * pixels(down - 4, 1.0)) * 1000
    noise = np.ones(shape)
    nods = np.array([down, down - 4])
    one = Dither(image + rng.normal(size=shape), wave, up, None, noise, nods=nods)
    found = forward_spectrum([one], psf=GaussianPsf((1.0,)), reach=5)
    alone = forward_spectrum(
        [Dither(one.data, wave, up, None, noise)], psf=GaussianPsf((1.0,)), reach=5
    )
    for each in (found, alone):
        pull = (each.flux[0] - 1000) / each.error[0]
        assert np.std(pull) == pytest.approx(1, abs=0.15)
        assert np.mean(each.flux[0]) == pytest.approx(1000, rel=3e-3)
    assert np.median(alone.error / found.error) == pytest.approx(np.sqrt(1.5), abs=0.03)


def test_two_sources_and_a_level_are_told_apart():
    rng = np.random.default_rng(7)
    shape = (NY, 200)
    wave = np.broadcast_to(1 + X[:200] * 1e-3, shape)
    first, second = 9 + 0.01 * X[:200], 12.2 + 0.01 * X[:200]
    image = pixels(first, 1.0) * 3000 + pixels(second, 1.0) * 500 + 7 + rng.normal(size=shape)
    one = Dither(image, wave, np.array([first, second]), None, np.ones(shape))
    found = forward_spectrum([one], psf=GaussianPsf((1.0,)), bkg_order=0, fit_trace=False)
    for s, flux in enumerate((3000, 500)):
        pull = (found.flux[s] - flux) / found.error[s]
        assert np.std(pull) == pytest.approx(1, abs=0.15)
        assert np.mean(found.flux[s]) == pytest.approx(flux, rel=3e-3)
    assert np.mean(found.background) == pytest.approx(7, abs=0.05)
    assert found.spectra.flux.shape == (1, 2, 200)
    np.testing.assert_allclose(found.spectra.error[0], found.error)


def test_a_knot_that_no_pixel_has_seen_is_not_known():
    dithers, _ = exposed(1, 1e4)
    mask = np.zeros((NY, NX), bool)
    mask[:, 200:206] = True
    one = dithers[0]
    one = Dither(one.data, one.wavelength, one.trace, one.var_poisson, one.var_rnoise, mask)
    found = forward_spectrum([one])
    gone = np.isnan(found.flux[0])
    assert 3 <= gone.sum() <= 6
    assert np.all(np.abs(found.wavelength[gone] - 1.2025) < 0.004)
    assert np.array_equal(np.isnan(found.error[0]), gone)


def test_the_band_of_the_inverse_is_that_of_the_inverse():
    rng = np.random.default_rng(8)
    count, terms = 30, 2
    band, right = np.zeros((terms * 3, count * terms)), np.zeros(count * terms)
    pixel = 400
    shapes = rng.uniform(0.2, 1, (terms, pixel))
    at = rng.uniform(0, count - 1, pixel)
    weight, seen = rng.uniform(0.5, 2, pixel), np.zeros((terms, count))
    span = np.full(pixel, 0.7)
    add_pixels(np.ones(pixel), weight, shapes, at, span, count, 3, band, right, seen)
    size = count * terms
    whole = np.zeros((size, size))
    for step in range(len(band)):
        index = np.arange(size - step)
        whole[index + step, index] = whole[index, index + step] = band[step, : size - step]
    inverse = np.linalg.inv(whole)
    found = band_of_inverse(cholesky_banded(band, lower=True))
    for step in range(len(band)):
        want = inverse[np.arange(step, size), np.arange(size - step)]
        np.testing.assert_allclose(found[step, : size - step], want, rtol=1e-8)
    # the variance of what is predicted of a pixel, from the same band: one pixel alone in a matrix
    spread = leverage(shapes, at, span, found, 3)
    for i in (0, 7, 200):
        lone, none = np.zeros_like(band), np.zeros(size)
        one = slice(i, i + 1)
        add_pixels(
            np.ones(1), np.ones(1), shapes[:, one], at[one], span[one], count, 3, lone, none, seen
        )
        assert spread[i] == pytest.approx(none @ inverse @ none)  # its row, as its value is 1


def test_shapes_share_out_all_light_wherever_the_trace_lies():
    table = np.linspace(-6, 6, 121)
    shares = 0.5 * (erf((table + 0.5) / 1.2) - erf((table - 0.5) / 1.2))
    for psf in (GaussianPsf((0.85,)), SplinePsf.of_table(table, shares)):
        for middle in (0.0, 0.3, 0.5):
            away = np.arange(-8, 9) - middle
            assert psf.shares(away, np.ones(17)).sum() == pytest.approx(1, abs=2e-3)
            wide = psf.shares(away, np.ones(17), 1.3)
            assert wide.sum() == pytest.approx(1, abs=2e-3)
            assert wide.max() < psf.shares(away, np.ones(17)).max()


PLANE = np.ones((5, 9))
WAVE = np.broadcast_to(np.linspace(1, 2, 9), (5, 9))
LINE = np.full(9, 2.0)
ONE = Dither(PLANE, WAVE, LINE, None, PLANE)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Dither(PLANE[0], WAVE, LINE), "must be an image"),
        (lambda: Dither(PLANE, WAVE[:2], LINE, None, PLANE), "wavelength"),
        (lambda: Dither(PLANE, WAVE, LINE), "no variances"),
        (lambda: Dither(PLANE, WAVE, LINE[:3], None, PLANE), "must have 9 columns"),
        (
            lambda: Dither(PLANE, WAVE, np.array([LINE, LINE]), None, PLANE, nods=LINE),
            "nods: must be those of one source",
        ),
        (lambda: forward_spectrum([]), "no dither"),
        (lambda: forward_spectrum([ONE], bkg_order=3), "bkg_order = 3"),
        (lambda: forward_spectrum([ONE], sigma=-1), "sigma = -1"),
        (lambda: forward_spectrum([ONE], reach=0), "reach = 0"),
        (lambda: forward_spectrum([ONE], np.arange(3.0)), "4 knots or more"),
        (lambda: forward_spectrum([ONE], np.arange(5.0, 10)), "no pixel of the dithers"),
        (lambda: forward_spectrum([Dither(PLANE * np.nan, WAVE, LINE, None, PLANE)]), "no pixel"),
        (lambda: wavelength_grid([Dither(PLANE, WAVE * np.nan, LINE, None, PLANE)]), "first"),
        (
            lambda: pixels_of([ONE, Dither(PLANE, WAVE, np.array([LINE, LINE]), PLANE)], LINE, 3),
            "knots or more",
        ),
        (lambda: SplinePsf.of_table([0, 1], [1, 1]), "4 or more"),
        (lambda: SplinePsf.of_table(np.arange(5), np.zeros(5)), "no light"),
    ],
)
def test_what_cannot_be_extracted_is_refused_in_one_line(call, said):
    with pytest.raises(InputError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_background_takes_no_light_from_the_wings_of_the_source():
    simulated = slit_dithers(3, seed=2)
    scale = 1e6  # Jy
    dithers = [
        Dither(
            np.where(one.dq == 0, one.data, np.nan) * scale,
            one.wavelength,
            one.trace,
            one.var_poisson * scale**2,
            one.var_rnoise.astype(float) * scale**2,
        )
        for one in simulated.exposures
    ]
    found = forward_spectrum(dithers, reach=8, bkg_order=0)
    whole = found.coverage[0] > 2.5
    true = simulated.flux(found.wavelength)
    assert (found.flux[0] / true)[whole].mean() == pytest.approx(1, abs=0.004)
    assert np.median(found.background[whole]) == pytest.approx(simulated.sky * scale, rel=0.1)


def widening(nods):
    """A point source on a bright sky in a slit, as wide as diffraction has it; hardly inclined."""
    rng = np.random.default_rng(0)
    x = X[::2]
    wave = np.linspace(5, 13.5, len(x)) + np.zeros((NY, 1))
    for nod in nods:
        trace = 12 + nod + 0.8 * x / NX  # each phase of the pixels is seen at one wavelength alone
        expected = 2e4 * pixels(trace, 0.125 * wave[0]) + 2e3
        data = rng.poisson(expected) + rng.normal(0, READ**0.5, expected.shape)
        yield Dither(data, wave, trace, np.maximum(data, 0), np.full(data.shape, READ))


@pytest.mark.parametrize(("nods", "off"), [((-0.2, 0.3), 0.02), ((0.0,), 0.06)])
def test_a_shape_that_widens_threefold_over_a_bright_sky_keeps_its_light(nods, off):
    found = forward_spectrum(list(widening(nods)), reach=8.0, bkg_order=0, psf_order=3)
    whole = found.coverage[0] > 0.9 * len(nods)
    parts = [np.median(part) for part in np.array_split(found.flux[0][whole] / 2e4, 6)]
    np.testing.assert_allclose(parts, 1, atol=off)
    if len(nods) > 1:
        pulls = ((found.flux - 2e4) / found.error)[0][whole]
        assert np.sqrt((pulls**2).mean()) < 1.15
