"""Errors of sums over spaxels, from the pixels that feed them, against the scatter they have."""

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest

from jwinteractive.data import Cube, Exposure
from jwinteractive.errors import InputError
from jwinteractive.extract.covariance import (
    CubeWeights,
    aperture_shares,
    aperture_variance,
    box_overlaps,
    covariance_along,
    covariance_at,
    covariance_factors,
    drizzled,
)
from jwinteractive.extract.cube import covariance_factor, cube_spectrum
from jwinteractive.extract.cube_aperture import covariance_of, covariance_within
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.wiggles import wiggles
from jwinteractive.recipe import Recipe
from jwinteractive.session import open_session
from jwinteractive.simulate.cubes import simulate_cube

PLANES, SIZE = 100, 26
FACTOR = covariance_factor(0.196, 0.176, 0.13)


@cache
def simulated(**settings: Any) -> Any:
    return simulate_cube(PLANES, SIZE, **settings)


def spectrum(cube, radius, annulus=None, covariance: Any = 1.0):
    """Flux and error of the source in Jy."""
    known = np.isfinite(cube.err)
    frames = Frames(cube.data.astype("f4"), np.square(cube.err).astype("f4"))
    found = cube_spectrum(
        frames, known.astype("f4"), cube.centre, radius, annulus, 0, covariance=covariance
    )
    scale = cube.area * 1e6
    return found.flux[0, 0] * scale, found.error[0, 0] * scale


def test_the_variance_of_two_spaxels_that_share_a_pixel_is_that_worked_by_hand():
    # pixel 0 feeds spaxels 0 and 1, pixel 1 feeds spaxel 1 alone, three times as much
    weights = CubeWeights(
        (1, 1, 2), 2, np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 1.0, 3.0])
    )
    variance = np.array([4.0, 16.0])
    cube, spread = drizzled(weights, np.array([8.0, 4.0]), variance)
    np.testing.assert_allclose(cube.ravel(), [8, 5])
    np.testing.assert_allclose(spread.ravel(), [4, 4 / 16 + 16 * 9 / 16])
    shares = np.ones((1, 1, 2))
    want = (1 + 1 / 4) ** 2 * 4 + (3 / 4) ** 2 * 16
    assert aperture_variance(weights, shares, variance) == pytest.approx(want)
    factor = covariance_factors(weights, shares, variance)
    assert factor == pytest.approx(np.sqrt(want / (4 + 1 / 4 + 9)))
    shares[0, 0, 1] = -1  # of a background, which the shared pixel is taken from
    want = (1 - 1 / 4) ** 2 * 4 + (3 / 4) ** 2 * 16
    assert aperture_variance(weights, shares, variance) == pytest.approx(want)


@pytest.mark.parametrize("annulus", [None, (8.0, 11.0)])
def test_aperture_spectra_have_pulls_of_one_with_the_covariance_and_not_without(annulus):
    with_it, without = [], []
    for radius in (1.5, 3.0, 5.0):
        clean = simulated(noise=False)
        shares = aperture_shares(np.isfinite(clean.err), clean.centre, radius, annulus)
        factors = covariance_factors(clean.weights, shares, clean.variance)
        for seed in (1, 2, 3):
            noisy = simulated(seed=seed)
            flux, error = spectrum(noisy, radius, annulus, factors)
            pull = (flux - spectrum(clean, radius, annulus)[0]) / error
            with_it.append(pull)
            without.append(pull * factors)
    assert np.std(with_it) == pytest.approx(1, abs=0.05)
    assert np.std(without) > 1.6


def test_errors_in_the_truth_units_hold_where_nothing_else_is_unknown():
    pulls = []
    clean = simulated(noise=False, flux=2e-4)
    quiet = clean.flux < 1.01 * clean.continuum
    for seed in (1, 2, 3):
        noisy = simulated(flux=2e-4, seed=seed)
        shares = aperture_shares(np.isfinite(noisy.err), noisy.centre, 5.0, (8.0, 11.0))
        factors = covariance_factors(noisy.weights, shares, noisy.variance)
        flux, error = spectrum(noisy, 5.0, (8.0, 11.0), factors)
        pulls.append(((flux - clean.flux) / error)[quiet])
    assert np.std(pulls) == pytest.approx(1, abs=0.12)
    assert abs(np.mean(pulls)) < 0.3


def test_the_closed_form_is_nearly_reached_by_large_apertures_and_not_by_single_spaxels():
    cube = simulated(noise=False)
    known, even = np.isfinite(cube.err), np.ones_like(cube.variance)
    found = {}
    for radius in (0.3, 1.5, 3.0, 6.0):
        shares = aperture_shares(known, cube.centre, radius)
        found[radius] = covariance_factors(cube.weights, shares, even).mean()
    single = np.zeros(known.shape)
    single[:, 12, 12] = 1
    np.testing.assert_allclose(covariance_factors(cube.weights, single, even), 1)
    assert found[0.3] < found[1.5] < found[3.0] < found[6.0]
    assert found[1.5] == pytest.approx(0.87 * FACTOR, rel=0.03)
    assert found[6.0] == pytest.approx(FACTOR, rel=0.05)
    for radius in (1.5, 3.0, 6.0):  # also without the cube's own weights
        without = covariance_at(radius, 0.196, 0.176, 0.13)
        assert without == pytest.approx(found[radius], rel=0.05)
    assert covariance_at(30.0, 0.196, 0.176, 0.13) == pytest.approx(FACTOR, rel=0.02)
    assert covariance_at(0.2, 0.196, 0.176, 0.13) == pytest.approx(1, abs=0.35)


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """Session of a cube without noise and three with it."""
    folder = tmp_path_factory.mktemp("cubes")
    made = [simulated(noise=False), *(simulated(seed=seed) for seed in (1, 2, 3))]
    paths = [cube.write(folder / f"{n}_s3d.fits") for n, cube in enumerate(made)]
    return open_session(paths, Recipe.of("extract_1d"), store=None)


@pytest.mark.parametrize(
    "aperture",
    [
        {},
        {"subtract_background": False},
        {"radius": 1.5, "subtract_background": False},
        {"radius": 2.5},
        {"radius": 5.0, "annulus": "1.6 2.2"},
    ],
    ids=str,
)
def test_spectra_of_a_session_have_pulls_of_one_whatever_the_radius(cubes, aperture):
    defaults = {"radius": None, "annulus": None, "subtract_background": None}
    centre = "{} {}".format(*simulated(noise=False).centre)
    fixed = {"center_xy": centre, "bkg_sigma_clip": 0.0}
    spread = {}
    for scale in (None, 1.0, FACTOR):
        cubes.set("extract_1d", **fixed, **(defaults | aperture), ifu_covar_scale=scale)
        clean, *noisy = cubes.run_all()
        spread[scale] = np.std([(one.flux - clean.flux) / one.err for one in noisy])
    assert spread[None] == pytest.approx(1, abs=0.05)
    assert spread[1.0] > 1.5
    assert spread[FACTOR] < spread[None]


def test_factors_of_all_radii_follow_those_of_each_and_are_worked_out_once():
    radii = np.array([0.1, 0.3, 1.0, 1.3, 2.7, 6.0, 11.0, 40.0, 4000.0])
    found = covariance_along(radii, 0.196, 0.176, 0.13)
    each = [covariance_at(max(r, 0.25), 0.196, 0.176, 0.13) for r in radii[:-2]]
    np.testing.assert_allclose(found[:-2], each, rtol=0.025)
    assert np.all(np.diff(found) > 0)
    assert found[-1] == pytest.approx(FACTOR, rel=1e-4)
    before = covariance_at.cache_info().misses
    covariance_along(radii * 1.07, 0.196, 0.176, 0.13)
    assert covariance_at.cache_info().misses == before


def test_planes_of_a_cube_of_several_channels_have_the_factor_of_their_own():
    def cube(channel, *wavelengths, instrument="MIRI", spaxel=0.13):
        planes = np.ones((len(wavelengths), 9, 9), np.float32)
        exposure = Exposure(
            instrument=instrument, detector="MIRIFUSHORT", channel=channel, dispaxis=3
        )
        flags = np.zeros(planes.shape, np.uint32)
        return Cube(
            exposure=exposure,
            data=planes,
            err=planes,
            dq=flags,
            wavelengths=wavelengths,
            spaxel=spaxel,
        )

    first, second = FACTOR, covariance_factor(0.196, 0.277, 0.13)
    both = cube("12", 5.0, 7.6, 11.0, 30.0)
    np.testing.assert_allclose(covariance_within(both, None), [first, second, second, second])
    assert covariance_of(both) == pytest.approx(second)
    radius = np.array([2.0, 2.0, 4.0, 4.0])
    want = covariance_along(radius, 0.196, 0.277, 0.13)
    want[0] = covariance_along(radius[:1], 0.196, 0.176, 0.13)[0]
    np.testing.assert_allclose(covariance_within(both, radius), want)
    unknown = cube("1", 5.0, spaxel=0.0), cube("", 5.0)
    assert [covariance_of(one) for one in unknown] == [1.0, 1.0]
    spectrograph = cube("", 2.0, instrument="NIRSPEC", spaxel=0.1)
    assert covariance_of(spectrograph) == pytest.approx(covariance_factor(0.105, 0.103, 0.1))


def test_flux_is_recovered_from_the_cube():
    cube = simulated(noise=False, background=False)
    flux, _ = spectrum(cube, 6.0)
    quiet = cube.flux < 1.001 * cube.continuum
    quiet[[0, -1]] = False  # half beyond the cube
    np.testing.assert_allclose(flux[quiet], cube.flux[quiet], rtol=0.003)
    assert flux.sum() == pytest.approx(cube.flux.sum(), rel=0.002)  # lines are spread, not lost
    with_sky = simulated(noise=False)
    flux, _ = spectrum(with_sky, 6.0, (8.0, 11.0))
    assert flux.sum() == pytest.approx(cube.flux.sum(), rel=0.005)


def test_single_spaxels_wiggle_where_apertures_do_not():
    cube = simulated(noise=False, background=False)
    whole, _ = spectrum(cube, 6.0)
    y, x = (round(at) for at in cube.centre[::-1])
    near = cube.data[:, y - 2 : y + 3, x - 2 : x + 3].transpose(1, 2, 0)
    by_spaxel = wiggles(near, whole, shortest=8, longest=60)
    large = wiggles(spectrum(cube, 4.0)[0], whole, shortest=8, longest=60)
    assert by_spaxel.rms.shape == (5, 5)
    assert by_spaxel.rms[2, 2] > 0.005
    assert large.rms < 0.3 * by_spaxel.rms[2, 2]
    assert large.rms < 0.01


def test_pixels_keep_their_volume_within_a_cube():
    rng = np.random.default_rng(1)
    low = rng.uniform(1, 7, (3, 50))
    high = low + rng.uniform(0.2, 2.5, (3, 50))
    weights = box_overlaps(low, high, (12, 12, 12))
    volume = np.bincount(weights.pixel, weights.weight, 50)
    np.testing.assert_allclose(volume, np.prod(high - low, axis=0))
    half = box_overlaps(np.full((3, 1), -0.75), np.full((3, 1), -0.25), (4, 4, 4))
    assert half.weight == pytest.approx([0.25**3])
    assert half.spaxel.tolist() == [0]


def test_the_official_step_takes_the_simulated_cube_and_finds_the_same(tmp_path):
    from jwst.extract_1d import Extract1dStep
    from stdatamodels.jwst import datamodels

    cube = simulated(flux=1e-3)
    path = cube.write(tmp_path / "simulated_s3d.fits")
    radius = np.linspace(3.0, 3.4, PLANES)
    arcsec = np.float32(radius * cube.spaxel)
    reference: Any = datamodels.Extract1dIFUModel()
    data, meta = reference.data, reference.meta
    data.wavelength, data.radius = cube.wavelength.astype("f4"), arcsec
    data.inner_bkg, data.outer_bkg = np.full((2, PLANES), [[1.0], [1.4]], "f4")
    data.axis_ratio, data.axis_pa = np.ones(PLANES, "f4"), np.zeros(PLANES, "f4")
    meta.region_type, meta.subtract_background = "target", True
    meta.method, meta.subpixels = "exact", 10
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # arrays in the text: the official reader closes the file before it reads others
        reference.save(tmp_path / "extract1d.asdf", all_array_storage="inline")
        step = Extract1dStep(ifu_rfcorr=False, apply_apcorr=False, center_xy=list(cube.centre))
        step.override_extract1d, step.override_psf = str(tmp_path / "extract1d.asdf"), "N/A"
        step.bkg_sigma_clip = 3.0
        with datamodels.open(path) as model:
            table = step.process(model).spec[0].spec_table
    known = np.isfinite(cube.err)
    frames = Frames(cube.data.astype("f4"), np.square(cube.err).astype("f4"))
    found = cube_spectrum(
        frames,
        known.astype("f4"),
        cube.centre,
        arcsec / cube.spaxel,
        (1.0 / cube.spaxel, 1.4 / cube.spaxel),
        parity=True,
    )
    flux = found.flux[0, 0] * cube.area * 1e6
    np.testing.assert_allclose(table["FLUX"], flux, rtol=1e-4)
    np.testing.assert_allclose(table["WAVELENGTH"], cube.wavelength)
    inside = spectrum(simulated(flux=1e-3, noise=False, background=False), 3.2)[0]
    np.testing.assert_allclose(np.median(table["FLUX"] / inside), 1, atol=0.01)


WEIGHTS = CubeWeights((1, 1, 2), 2, np.array([0]), np.array([1]), np.ones(1))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: CubeWeights((1, 1, 2), 2, np.array([0]), np.array([2]), np.ones(1)),
            "spaxel index",
        ),
        (
            lambda: CubeWeights((1, 1, 2), 2, np.array([2]), np.array([0]), np.ones(1)),
            "pixel index",
        ),
        (lambda: CubeWeights((1, 1, 2), 2, np.array([0]), np.zeros(0, int), np.ones(1)), "one of"),
        (lambda: aperture_variance(WEIGHTS, np.ones((1, 2, 2)), np.ones(2)), "shares"),
        (lambda: covariance_along(np.zeros(3), 0.2, 0.2, 0.1), "radius = 0.0"),
        (lambda: aperture_variance(WEIGHTS, np.ones((1, 1, 2)), np.ones(3)), "variance"),
        (lambda: drizzled(WEIGHTS, np.ones(3), np.ones(2)), "must have 2 pixels"),
        (lambda: aperture_shares(np.ones((3, 4, 4), bool), (1, 1), np.ones(2)), "one of each of 3"),
        (lambda: box_overlaps(np.ones((3, 2)), np.ones((3, 2)), (2, 2, 2)), "above the lower"),
        (lambda: box_overlaps(np.ones((2, 2)), np.ones((2, 2)), (2, 2, 2)), "must both be"),
        (lambda: covariance_at(0, 1, 1, 1), "radius = 0"),
        (lambda: simulate_cube(dithers=9), "dithers = 9"),
    ],
)
def test_what_cannot_be_weighed_is_refused_in_one_line(call, said):
    with pytest.raises(InputError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
