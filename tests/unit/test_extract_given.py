"""Profiles that are given to optimal extraction: by an image, or by the file itself."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive.cli import main
from jwinteractive.errors import JwinteractiveError
from jwinteractive.recipe import Recipe

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "spec"
SHAPE = NY, NX = 21, 60
FLUX = 500.0
Y = np.arange(NY)[:, None]
# two thirds of the light beside one third of it: no fit of a smooth spline would find it
SHARES = np.broadcast_to(np.where(Y == 9, 2, 0) / 3 + np.where(Y == 12, 1, 0) / 3, SHAPE)


def stack(folder, profile=SHARES, name="star", own=None, noise=0.0):
    """A rectified image of a source of a known profile, as a file that holds a profile or none."""
    rng = np.random.default_rng(3)
    data = (FLUX * profile + noise * rng.normal(size=SHAPE)).astype("f4")
    cards = fits.Header({"DLAM": 0.01, "BUNIT": "uJy", "CRVAL1": 1.0, "CRPIX1": 1.0})
    cards.update({"CD1_1": 0.01, "CUNIT1": "um", "GRATING": "PRISM", "FILTER": "CLEAR"})
    weight = rng.uniform(1, 2, SHAPE).astype("f4")
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, cards, "SCI"), fits.ImageHDU(weight, name="WHT")]
    if own is not None:
        hdus.append(fits.ImageHDU(own, name="PROFILE"))
    path = folder / f"{name}.spec.fits"
    fits.HDUList(hdus).writeto(path)
    return path


def session_of(path, **params):
    session = jwinteractive.open(path, Recipe.of("extract_1d"))
    session.set("extract_1d", extraction_type="optimal", **params)
    return session


def flux_of(path, **params):
    return session_of(path, **params).run().flux[0, 0]


def test_a_given_image_is_the_profile_and_its_columns_are_brought_to_one(tmp_path):
    path = stack(tmp_path)
    images = {"a.fits": 7 * SHARES, "b.npy": SHARES * np.linspace(1, 3, NX)}
    fits.PrimaryHDU(images["a.fits"]).writeto(tmp_path / "a.fits")
    np.save(tmp_path / "b.npy", images["b.npy"])
    measured = flux_of(path) / 1e6
    for name in images:
        found = flux_of(path, profile=str(tmp_path / name)) * 1e6
        np.testing.assert_allclose(found, FLUX, rtol=1e-5)
        assert not np.allclose(found, measured, rtol=1e-3, equal_nan=True)


def test_the_profile_of_the_file_itself_is_taken_as_it_is(tmp_path):
    path = stack(tmp_path, own=0.8 * SHARES)  # its columns lack a fifth of the light
    np.testing.assert_allclose(flux_of(path, own_profile=True) * 1e6, FLUX / 0.8, rtol=1e-5)
    np.testing.assert_allclose(flux_of(path, profile=str(path)) * 1e6, FLUX / 0.8, rtol=1e-5)


def test_an_aperture_lies_where_a_given_profile_has_light_and_cuts_it(tmp_path):
    path = stack(tmp_path, own=SHARES)
    made = session_of(path, own_profile=True).run()
    assert made.limits[2:] == (9.0, 12.0)
    # half of a profile still tells the flux of all of it
    part = flux_of(path, own_profile=True, apertures="8:10")
    np.testing.assert_allclose(part * 1e6, FLUX, rtol=1e-5)


def test_several_sources_in_one_given_profile_are_told_apart_by_their_apertures(tmp_path):
    path = stack(tmp_path)
    np.save(tmp_path / "p.npy", SHARES)
    made = session_of(path, profile=str(tmp_path / "p.npy"), apertures="8:10; 11:13").run()
    np.testing.assert_allclose(made.flux[0, 0] * 1e6, FLUX * 2 / 3, rtol=1e-5)
    np.testing.assert_allclose(made.flux[0, 1] * 1e6, FLUX / 3, rtol=1e-5)


def test_the_command_takes_a_profile_too(tmp_path):
    path = stack(tmp_path, own=SHARES)
    given = ["--set", "extraction_type=optimal", "--set", "own_profile=true"]
    assert main(["extract", str(path), "-o", str(tmp_path / "out"), *given]) == 0
    (written,) = (tmp_path / "out").glob("*_x1d.fits")
    with fits.open(written) as file:
        np.testing.assert_allclose(file["EXTRACT1D"].data["FLUX"] * 1e6, FLUX, rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("none", "no such file"),
        ("shape", "is (5, 60), the exposure is (21, 60)"),
        ("dark", "needs an image [y, x]"),
        ("away", "has no light in aperture 1"),
        ("own", "no HDU PROFILE"),
        ("own_shape", "a PROFILE of (5, 60)"),
    ],
)
def test_profiles_that_do_not_fit_are_refused_in_one_line(tmp_path, given, words):
    path = stack(tmp_path, own=SHARES[:5] if given == "own_shape" else None)
    at = tmp_path / "p.npy"
    params = {"profile": str(at)}
    if given == "shape":
        np.save(at, SHARES[:5])
    if given == "dark":
        np.save(at, np.zeros(SHAPE))
    if given == "away":
        np.save(at, SHARES)
        params["apertures"] = "15:18"
    if given.startswith("own"):
        params = {"own_profile": True}
    with pytest.raises(JwinteractiveError) as error:
        flux_of(path, **params)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("setup", ["prism-clear", "g140m-f100lp", "g235h-f170lp"])
def test_a_real_star_with_its_own_profile_comes_out_of_a_session_as_published(setup):
    path = REAL / f"calib_{setup}_iras-05248-7007_s200a1.v1.spec.fits.gz"
    if not path.exists():
        pytest.skip("needs a real rectified spectrum beside the repository: ../shared/real")
    made = session_of(path, own_profile=True, sigma=0.0).run()
    with fits.open(path) as file:
        flux, error = (np.array(file["SPEC1D"].data[name], "f8") for name in ("flux", "err"))
    known = np.isfinite(made.flux[0, 0])
    assert known.sum() > 0.6 * known.size
    assert not np.any(flux[~known])
    # the file's image says mJy and its spectrum uJy of the same numbers
    assert made.exposure.unit == "Jy"
    scale = 1e3
    np.testing.assert_allclose(made.flux[0, 0][known] * scale, flux[known], rtol=1e-6)
    np.testing.assert_allclose(made.err[0, 0][known] * scale, error[known], rtol=1e-6)
