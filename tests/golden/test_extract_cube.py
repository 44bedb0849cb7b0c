"""Spectra from cubes against the official sums of apertures, and against a known source."""

import warnings
from typing import Any

import numpy as np
import pytest

from jwinteractive.errors import InputError
from jwinteractive.extract.cube import covariance_factor, cube_spectrum, whole_spectrum
from jwinteractive.extract.frames import Frames
from jwinteractive.kernels.extract_cube import circle_share

NK, NY, NX = 40, 41, 37
CENTRE = (18.3, 20.6)
RADIUS = np.linspace(3.2, 7.9, NK)
INNER, OUTER = RADIUS + 5, RADIUS + 9.4


def made(seed=1, sky=2.0, bad=0.01) -> Any:
    rng = np.random.default_rng(seed)
    y, x = np.indices((NY, NX))
    away = (x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2
    light = np.exp(-away / 2 / (RADIUS[:, None, None] / 2.5) ** 2)
    light /= light.sum(axis=(1, 2))[:, None, None]
    flux = np.linspace(300, 900, NK)
    planes = [rng.uniform(0.1, 0.3, light.shape).astype("f4") for _ in range(3)]
    data = light * flux[:, None, None] + sky
    data += rng.normal(size=data.shape) * np.sqrt(sum(planes))
    data[:, 32:35, 10:12] += 40  # another source, in the ring
    weights = rng.integers(1, 4, light.shape).astype("f4")
    weights[rng.random(weights.shape) < bad] = 0
    weights[:, 0] = 0
    data[weights == 0] = 0
    return flux, data.astype("f4"), planes, weights


def official(data, planes, weights, clip, method, subpixels, kind="POINT"):
    """Sums of the official loop over planes, on its own model."""
    from jwst.extract_1d import ifu
    from stdatamodels.jwst.datamodels import IFUCubeModel

    model: Any = IFUCubeModel(data.shape)
    model.data = data.copy()
    model.err = np.ones_like(data)
    model.weightmap = weights.copy()
    for name, plane in zip(("var_poisson", "var_rnoise", "var_flat"), planes, strict=True):
        setattr(model, name, plane)
    model.meta.instrument.name = "NIRSPEC"
    model.meta.wcsinfo.crval1 = model.meta.wcsinfo.crval2 = 0.0
    model.meta.wcsinfo.dispersion_direction = 3
    wave = np.arange(1.0, NK + 1)
    params = {
        "x_center": CENTRE[0],
        "y_center": CENTRE[1],
        "method": method,
        "subpixels": subpixels or 5,
        "subtract_background": True,
        "wavelength": wave,
        "inner_bkg": INNER,
        "outer_bkg": OUTER,
        "radius": RADIUS,
        "ifu_rscale": None,
        "ifu_autocen": False,
        "bkg_sigma_clip": clip,
    }
    patch = pytest.MonkeyPatch()
    with patch.context() as at, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        at.setattr(ifu, "get_coordinates", lambda *_: (0.0, 0.0, wave))
        at.setattr(ifu, "compute_scale", lambda *_, **__: 1 / 3600)
        return ifu.extract_ifu(model, kind, params)


def test_the_sum_of_an_extended_source_has_the_official_numbers():
    _, data, planes, weights = made()
    want = official(data, planes, weights, 3.0, "exact", 0, "EXTENDED")
    found = whole_spectrum(Frames(data, *planes), weights)
    np.testing.assert_allclose(found.flux[0, 0], want[3], rtol=1e-6)
    for mine, theirs in zip(found.variances[0, 0], want[4:7], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    np.testing.assert_allclose(found.npixels[0, 0], want[11])
    more = whole_spectrum(Frames(data, *planes), weights, 1.5)
    np.testing.assert_allclose(more.error, 1.5 * found.error)
    data[:, 5, 5] = np.nan  # which the official sum is, too, then
    assert np.isfinite(whole_spectrum(Frames(data, *planes), weights).flux).all()
    assert np.isnan(whole_spectrum(Frames(data), weights).error).all()
    with pytest.raises(InputError, match="shape of the cube"):
        whole_spectrum(Frames(data, *planes), weights[1:])


@pytest.mark.parametrize(("method", "subpixels"), [("exact", 0), ("subpixel", 10)])
@pytest.mark.parametrize("clip", [3.0, 1.5])
def test_a_circle_less_a_ring_gives_the_official_numbers(method, subpixels, clip):
    _, data, planes, weights = made()
    want = official(data, planes, weights, clip, method, subpixels)
    cube = Frames(data, *planes)
    got = cube_spectrum(
        cube, weights, CENTRE, RADIUS, (INNER, OUTER), clip, subpixels, parity=True, threads=1
    )
    np.testing.assert_allclose(got.npixels[0, 0], want[11], rtol=1e-6)
    np.testing.assert_allclose(got.background[0, 0], want[7] * want[11] / want[13], rtol=1e-6)
    np.testing.assert_allclose(got.flux[0, 0], want[3], rtol=1e-5)
    for mine, theirs in zip(
        (got.var_poisson, got.var_rnoise, got.var_flat), want[4:7], strict=True
    ):
        np.testing.assert_allclose(mine[0, 0], theirs, rtol=1e-6)
    factor = (want[11] / want[13]) ** 2
    np.testing.assert_allclose(got.background_variances[0, 0, 0], want[8] * factor, rtol=1e-6)


def test_fluxes_are_unbiased_and_their_errors_true():
    pulls, level = [], []
    y, x = np.indices((NY, NX)) - np.array(CENTRE[::-1])[:, None, None]
    inside = np.array(
        [[circle_share(*at, r, 0) for at in zip(x.flat, y.flat, strict=True)] for r in RADIUS]
    ).reshape(NK, NY, NX)
    light = np.exp(-(x**2 + y**2) / 2 / (RADIUS[:, None, None] / 2.5) ** 2)
    kept = (light * inside).sum(axis=(1, 2)) / light.sum(axis=(1, 2))
    for seed in range(60):
        flux, data, planes, weights = made(seed, bad=0.0)
        cube = Frames(data, *planes)
        found = cube_spectrum(cube, weights, CENTRE, RADIUS, (INNER, OUTER))
        level.append(found.flux[0, 0] / (flux * kept))
        pulls.append((found.flux[0, 0] - flux * kept) / found.error[0, 0])
    assert np.mean(level) == pytest.approx(1, abs=0.003)
    assert np.std(pulls) == pytest.approx(1, abs=0.03)


def test_the_official_area_of_what_was_clipped_lowers_the_background():
    _, data, planes, weights = made(bad=0.0)
    cube = Frames(data, *planes)
    ours, theirs = (
        cube_spectrum(cube, weights, CENTRE, RADIUS, (INNER, OUTER), parity=parity)
        for parity in (False, True)
    )
    mean = [one.background.sum() / one.npixels.sum() for one in (ours, theirs)]
    assert mean[0] == pytest.approx(2.0, abs=0.01)
    assert mean[1] < 1.98


def test_shares_of_a_circle_sum_to_its_area():
    for radius in (0.2, 0.7, 3.3, 12.0):
        for x, y in ((0.0, 0.0), (0.3, -0.45), (0.5, 0.5)):
            grid = np.arange(-15, 16)
            area = sum(circle_share(i - x, j - y, radius, 0) for j in grid for i in grid)
            assert area == pytest.approx(np.pi * radius**2, rel=1e-12)


def test_missing_spaxels_are_left_out_and_empty_planes_have_no_flux():
    data = np.ones((3, 9, 9), "f4")
    weights = np.ones_like(data)
    data[0, 4, 4] = np.nan
    weights[1, 4, 4] = 0
    weights[2] = 0
    found = cube_spectrum(Frames(data, data), weights, (4, 4), 2.0)
    area = np.pi * 4 - 1
    np.testing.assert_allclose(found.flux[0, 0], [area, area, np.nan])
    np.testing.assert_allclose(found.npixels[0, 0], [area, area, 0])
    weights[:, 0] = 0
    lonely = cube_spectrum(Frames(data, data), weights * 0 + 1, (4, 4), 2.0, (20, 22))
    assert np.isnan(lonely.flux).all()  # its background is not known


def test_covariance_is_that_of_known_cubes():
    assert covariance_factor(0.196, 0.177, 0.13) == pytest.approx(1.87, abs=0.005)
    assert covariance_factor(0.196, 0.280, 0.17) == pytest.approx(1.83, abs=0.005)
    assert covariance_factor(1e-3, 1e-3, 1) == pytest.approx(1, abs=1e-3)
    _, data, planes, weights = made()
    plain, wide = (
        cube_spectrum(Frames(data, *planes), weights, CENTRE, RADIUS, covariance=factor)
        for factor in (1.0, 1.8)
    )
    np.testing.assert_allclose(wide.error, 1.8 * plain.error)


def test_circles_that_cannot_be_are_refused_in_one_line():
    cube, weights = Frames(np.ones((3, 9, 9), "f4")), np.ones((3, 9, 9))
    for call, said in (
        (lambda: cube_spectrum(cube, weights, (30, 4), 2), "has no spaxel of the cube"),
        (lambda: cube_spectrum(cube, weights, (np.nan, 4), 2), "has no spaxel of the cube"),
        (lambda: cube_spectrum(cube, weights, (4, 4), 0), "radius = 0"),
        (lambda: cube_spectrum(cube, weights, (4, 4), [1, 2]), "each of 3 planes"),
        (lambda: cube_spectrum(cube, weights, (4, 4), np.nan), "not finite"),
        (lambda: cube_spectrum(cube, weights, (4, 4), 2, (4, 3)), "must be larger"),
        (lambda: cube_spectrum(cube, weights[:2], (4, 4), 2), "shape of the cube"),
        (lambda: cube_spectrum(cube, weights, (4, 4), 2, subpixels=-1), "subpixels = -1"),
        (lambda: covariance_factor(0, 1, 1), "must be more than 0"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
