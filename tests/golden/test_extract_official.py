"""Box and profile extraction against the official ones, and against real extracted spectra."""

from pathlib import Path

import numpy as np
import pytest

from jwinteractive.extract.aperture import box_weights, trace_limits
from jwinteractive.extract.box import box_spectra
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.optimal import optimal_spectra

NY, NX = 40, 300
REAL = Path(__file__).parents[3] / "shared" / "real" / "spec"
NAMES = (
    "flux",
    "var_rnoise",
    "var_poisson",
    "var_flat",
    "background",
    "background_rnoise",
    "background_poisson",
    "background_flat",
    "npixels",
)


def gaussian(trace, sigma=1.5):
    profile = np.exp(-((np.arange(NY)[:, None] - trace) ** 2) / 2 / sigma**2)
    profile[profile < 1e-4] = 0
    return profile / profile.sum(axis=0)


TRACE = NY / 2 + 2 * np.sin(np.arange(NX) / NX * 3)
SOURCE = gaussian(TRACE)
NOD = -gaussian(TRACE + 6)
APERTURE = box_weights((NY, NX), [trace_limits(TRACE, 6.3)], columns=(0, 290))
REGION = box_weights((NY, NX), [(1, 6.5), (32, 37.2)])


@pytest.fixture(scope="module")
def frames():
    """Three integrations with missing values, variances and columns, over a slope of sky."""
    rng = np.random.default_rng(1)
    shape = (3, NY, NX)
    data = SOURCE * 100 + 5 + 0.1 * np.arange(NY)[:, None] + rng.normal(0, 1, shape)
    planes = [rng.uniform(0.1, 1, shape).astype("f4") for _ in range(3)]
    data[rng.random(shape) < 0.01] = np.nan
    planes[1][rng.random(shape) < 0.01] = np.nan
    data[0, :, 17] = np.nan
    data[1, :8, 33] = np.nan  # no background at 33
    data[1, -9:, 33] = np.nan
    poisson, read, flat = planes
    return Frames(data.astype("f4"), poisson, read, flat)


def official(frames, i, profiles, **settings):
    from jwst.extract_1d.extract1d import extract1d

    found = extract1d(
        frames.data[i],
        list(profiles),
        frames.var_rnoise[i],
        frames.var_poisson[i],
        frames.var_flat[i],
        **settings,
    )
    return {name: np.atleast_2d(part) for name, part in zip(NAMES, found, strict=False)}


def ours(spectra, i):
    below = spectra.background_variances[i]
    return {
        "flux": spectra.flux[i],
        "var_rnoise": spectra.var_rnoise[i],
        "var_poisson": spectra.var_poisson[i],
        "var_flat": spectra.var_flat[i],
        "background": spectra.background[i],
        "background_rnoise": below[:, 1],
        "background_poisson": below[:, 0],
        "background_flat": below[:, 2],
        "npixels": spectra.npixels[i],
    }


@pytest.mark.parametrize(
    ("fit", "order", "length"),
    [
        (None, 0, 0),
        ("poly", 0, 0),
        ("poly", 1, 0),
        ("poly", 3, 0),
        ("poly", 1, 5),
        ("median", 0, 0),
        ("median", 0, 7),
    ],
)
def test_a_box_gives_the_official_numbers(frames, fit, order, length):
    region = None if fit is None else REGION
    found = box_spectra(frames, APERTURE, region, fit or "poly", order, length)
    for i in range(len(frames)):
        want = official(
            frames,
            i,
            [APERTURE],
            profile_bg=region,
            fit_bkg=fit is not None,
            bkg_fit_type=fit or "poly",
            bkg_order=order,
            bg_smooth_length=length,
        )
        got = ours(found, i)
        for name in NAMES:  # the official sums of float32 pixels round at 1e-7 of 100
            np.testing.assert_allclose(
                got[name], want[name], rtol=2e-6, atol=3e-5, err_msg=f"{name} of {i}"
            )


@pytest.mark.parametrize("order", [None, 0, 1, 2])
@pytest.mark.parametrize("sources", [[SOURCE], [SOURCE, NOD]], ids=["one", "nod"])
def test_profiles_give_the_official_numbers(frames, sources, order):
    region = None if order is None else np.ones((NY, NX))
    found = optimal_spectra(frames, np.array(sources), region, order or 0)
    for i in range(len(frames)):
        want = official(
            frames,
            i,
            sources,
            profile_bg=region,
            fit_bkg=order is not None,
            bkg_order=order or 0,
            extraction_type="optimal",
        )
        got = ours(found, i)
        for name in NAMES:
            # officially the background's variance is lost in columns with an unknown variance
            known = np.isfinite(want[name]) if "background_" in name else slice(None)
            np.testing.assert_allclose(
                got[name][known], want[name][known], rtol=2e-6, atol=3e-5, err_msg=f"{name} of {i}"
            )


def test_weights_give_the_official_flux_and_variance(frames):
    rng = np.random.default_rng(2)
    weights = rng.uniform(0.5, 2, (NY, NX))
    both = np.array([SOURCE, NOD])
    found = optimal_spectra(frames, both, np.ones((NY, NX)), 1, weights)
    for i in range(len(frames)):
        total = frames.data[i] + frames.var_poisson[i] + frames.var_rnoise[i] + frames.var_flat[i]
        want = official(
            frames,
            i,
            both,
            profile_bg=np.ones((NY, NX)),
            fit_bkg=True,
            bkg_order=1,
            extraction_type="optimal",
            weights=np.sqrt(weights) * np.isfinite(total),
        )
        for name in ("flux", "var_rnoise", "var_poisson", "var_flat"):
            np.testing.assert_allclose(ours(found, i)[name], want[name], rtol=2e-6, atol=3e-5)


def test_apertures_are_the_official_ones():
    from jwst.extract_1d.extract import box_profile

    rng = np.random.default_rng(3)
    wavelength = np.ones((NY, NX))
    params = {
        "dispaxis": 1,
        "src_coeff": None,
        "bkg_coeff": None,
        "bkg_fit": "poly",
        "independent_var": "pixel",
        "extract_width": None,
        "trace": None,
        "xstart": 3.4,
        "xstop": 280.7,
    }
    for _ in range(20):
        low, width = rng.uniform(-3, 30), rng.uniform(1, 12)
        want = box_profile((NY, NX), params | {"ystart": low, "ystop": low + width - 1}, wavelength)
        got = box_weights((NY, NX), [(low, low + width - 1)], (3.4, 280.7))
        np.testing.assert_allclose(got, want, atol=1e-12)
        traced = params | {"extract_width": width, "trace": TRACE}
        want = box_profile((NY, NX), traced, wavelength)
        got = box_weights((NY, NX), [trace_limits(TRACE, width)], (3.4, 280.7))
        np.testing.assert_allclose(got, want, atol=1e-12)
    # two regions with polynomial limits, whose whole pixels begin half a pixel further in
    coefficients = [[2.0, 0.01], [7.25, 0.01], [28.0], [33.9]]
    x = np.arange(NX)
    limits = [(2.5 + 0.01 * x, 6.75 + 0.01 * x), (28.5, 33.4)]
    for fit in ("poly", "median"):
        given = params | {"bkg_coeff": coefficients, "bkg_fit": fit}
        want = box_profile((NY, NX), given, wavelength, coefficients="bkg_coeff")
        got = box_weights((NY, NX), limits, (3.4, 280.7), partial=fit == "poly")
        np.testing.assert_allclose(got, want, atol=1e-5)  # officially in float32


def test_a_box_on_a_real_rectified_slit_gives_the_published_spectrum():
    from astropy.io import fits

    stem = "jw02565007001_03101_00002_nrs2_"
    if not (REAL / f"{stem}s2d.fits").exists():
        pytest.skip("needs a real rectified slit beside the repository")
    with fits.open(REAL / f"{stem}s2d.fits") as file:
        parts = ("SCI", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT", "WAVELENGTH")
        data, poisson, read, flat, wavelength = (np.array(file[n].data, "f4") for n in parts)
    with fits.open(REAL / f"{stem}x1d.fits") as file:
        header, table = file["EXTRACT1D"].header, file["EXTRACT1D"].data
        limits = header["EXTRYSTR"] - 1, header["EXTRYSTP"] - 1  # there the first row is 1
        names = ("FLUX", "FLUX_VAR_POISSON", "FLUX_VAR_RNOISE", "FLUX_VAR_FLAT", "NPIXELS")
        flux, *variances, npixels = (np.array(table[name], "f8") for name in names)
    aperture = box_weights(data.shape, [limits]) * np.isfinite(wavelength)
    found = box_spectra(Frames(data, poisson, read, flat), aperture)
    known = np.isfinite(flux)
    assert known.sum() > 400
    scale = 1e6  # MJy to Jy
    np.testing.assert_allclose(found.flux[0, 0][known] * scale, flux[known], rtol=2e-6, atol=1e-14)
    np.testing.assert_allclose(found.npixels[0, 0][known], npixels[known], rtol=1e-6)
    for mine, plane, theirs in zip(
        found.variances[0, 0], (poisson, read, flat), variances, strict=True
    ):
        sure = np.isfinite(theirs)
        assert sure.sum() > 390
        # that version took shares of edges where squares of them are right
        shares = box_spectra(Frames(plane), aperture).flux[0, 0]
        np.testing.assert_allclose(shares[sure] * scale**2, theirs[sure], rtol=1e-5)
        assert np.all(mine[sure] < shares[sure])


@pytest.mark.parametrize("setup", ["prism-clear", "g140m-f100lp", "g235h-f170lp"])
def test_real_spectra_of_a_nirspec_star_come_out_as_published(setup):
    from astropy.io import fits

    path = REAL / f"calib_{setup}_iras-05248-7007_s200a1.v1.spec.fits.gz"
    if not path.exists():
        pytest.skip("needs a real rectified spectrum beside the repository")
    with fits.open(path) as file:
        data, weights, profile = (file[name].data for name in ("SCI", "WHT", "PROFILE"))
        flux, error = (np.array(file["SPEC1D"].data[name], "f8") for name in ("flux", "err"))
    variance = np.divide(1, weights, out=np.full(weights.shape, np.nan, "f4"), where=weights > 0)
    frames = Frames(data, var_rnoise=variance)
    found = optimal_spectra(frames, profile, weights=weights)
    known = np.isfinite(found.flux[0, 0])
    assert known.sum() > 0.6 * known.size
    np.testing.assert_allclose(found.flux[0, 0][known], flux[known], rtol=1e-6)
    np.testing.assert_allclose(found.error[0, 0][known], error[known], rtol=1e-6)
    assert not np.any(flux[~known])  # nothing was measured there
