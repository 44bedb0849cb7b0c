"""Pixels of integral field units on the sky: shared areas by hand, real distortions of the MRS."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.errors import InputError
from jwinteractive.extract.covariance import (
    CubeWeights,
    aperture_shares,
    box_overlaps,
    covariance_at,
    covariance_factors,
    drizzled,
)
from jwinteractive.extract.ifupixels import (
    IfuPixels,
    circle_factors,
    mrs_pixels,
    mrs_weights,
    sky_overlaps,
)
from jwinteractive.kernels.extract_overlap import add_overlaps, shared_area

REFS = Path(__file__).parents[3] / "shared" / "real" / "refs"
SHAPE = (1024, 1032)
needs_refs = pytest.mark.skipif(not REFS.exists(), reason="needs ../shared/real")


def area(x, y, i=0, j=0):
    return shared_area(np.array(x, float), np.array(y, float), i, j, np.empty((4, 16)))


def test_areas_of_slanted_pixels_are_those_worked_by_hand():
    assert area([-0.5, 0.5, 0.5, -0.5], [-0.5, -0.5, 0.5, 0.5]) == pytest.approx(1)
    assert area([-0.5, 0.5, 0.5, -0.5], [-0.5, -0.5, 0.5, 0.5], 1, 0) == 0
    assert area([0, 1, 1, 0], [0, 0, 1, 1]) == pytest.approx(0.25)
    x, y = [0, 0.75, 0, -0.75], [-0.75, 0, 0.75, 0]
    assert area(x, y) == pytest.approx(2 * 0.75**2 - 4 * 0.25**2)
    assert area(x, y, 1, 0) == pytest.approx(0.25**2)
    assert area(x[::-1], y[::-1]) == pytest.approx(2 * 0.75**2 - 4 * 0.25**2)
    assert area([-5, 5, 5, -5], [-5, -5, 5, 5], 2, -3) == pytest.approx(1)


def test_turned_pixels_keep_their_volume_and_straight_ones_are_boxes():
    rng = np.random.default_rng(1)
    count = 60
    middle = rng.uniform(4, 8, (2, count, 1))
    angle = rng.uniform(0, 1.5, (count, 1)) + np.array([0.25, 0.75, 1.25, 1.75]) * np.pi
    size = rng.uniform(0.3, 2, (count, 1))
    for turned in (True, False):
        at = angle if turned else np.array([1.25, 1.75, 0.25, 0.75]) * np.pi + 0 * angle
        x, y = middle[0] + size * np.cos(at), middle[1] + size * np.sin(at)
        low = rng.uniform(1, 3, count)
        high = low + rng.uniform(0.2, 2, count)
        room = np.empty((2, 9999), np.int64)
        weight = np.empty(9999)
        found = add_overlaps(x, y, low, high, 8, 12, 12, room[0], room[1], weight)
        volume = np.bincount(room[0, :found], weight[:found], count)
        np.testing.assert_allclose(volume, 2 * size[:, 0] ** 2 * (high - low))
        if turned:
            continue
        ends = np.array([low, y.min(axis=1), x.min(axis=1)])
        straight = box_overlaps(ends, np.array([high, y.max(axis=1), x.max(axis=1)]), (8, 12, 12))
        cube = np.bincount(room[1, :found], weight[:found], 8 * 12 * 12)
        np.testing.assert_allclose(cube, straight.total.ravel(), atol=1e-12)


def test_weights_are_those_of_the_official_drizzle():
    from jwst.cube_build.cube_match_sky_driz import cube_wrapper_driz

    rng = np.random.default_rng(2)
    count, shape, size, step = 400, (10, 12, 13), 0.2, 0.01
    z, y, x = (
        start + np.arange(n) * d
        for n, start, d in zip(shape, (1.0, -1.1, -1.2), (step, size, size), strict=True)
    )
    middle = rng.uniform(-0.8, 0.8, count), rng.uniform(-0.7, 0.7, count)
    wave, wide = rng.uniform(1.02, 1.07, count), rng.uniform(0.005, 0.02, count)
    turn = rng.uniform(0, 0.5, count)
    xi, eta = np.array(
        [
            (
                middle[0] + a * np.cos(turn) - b * np.sin(turn),
                middle[1] + a * np.sin(turn) + b * np.cos(turn),
            )
            for a, b in ((-0.12, -0.19), (0.12, -0.19), (0.12, 0.19), (-0.12, 0.19))
        ]
    ).transpose(1, 0, 2)
    flux, err = rng.uniform(1, 2, count).astype("f4"), rng.uniform(0.1, 0.2, count).astype("f4")
    none, corners = np.zeros(count), [part for both in zip(xi, eta, strict=True) for part in both]
    official = cube_wrapper_driz(
        *(0, 0, 301, 316, 4, 2, x, y, z, *middle, wave, flux, err, np.full(count, 305)),
        *(*corners, wide, np.full(shape[0], step), size, size, step, 1, none, none, -1),
    )
    summed, weight, variance = (np.array(part, "f8").reshape(shape) for part in official[:3])

    room, volume = np.empty((2, 9999), np.int64), np.empty(9999)
    ends = ((wave - wide / 2 - z[0]) / step, (wave + wide / 2 - z[0]) / step)
    at = np.ascontiguousarray((xi.T - x[0]) / size), np.ascontiguousarray((eta.T - y[0]) / size)
    found = add_overlaps(*at, *ends, *shape, room[0], room[1], volume)
    weights = CubeWeights(shape, count, room[0, :found], room[1, :found], volume[:found])
    cube, spread = drizzled(weights, flux.astype("f8"), err.astype("f8") ** 2)
    fed = weight > 0
    np.testing.assert_array_equal(weights.total > 0, fed)
    assert fed.sum() > 600
    np.testing.assert_allclose(weights.total[fed] * size**2 * step, weight[fed], rtol=1e-5)
    np.testing.assert_allclose(cube[fed], (summed / np.where(fed, weight, 1))[fed], rtol=1e-6)
    np.testing.assert_allclose(
        spread[fed], (variance / np.where(fed, weight, 1) ** 2)[fed], rtol=1e-5
    )


@pytest.fixture(scope="module")
def pixels(tmp_path_factory) -> Any:
    """A gwcs that the official code makes of references from before launch, and its pixels."""
    import gwcs
    from jwst.assign_wcs import miri
    from stdatamodels.jwst import datamodels

    model: Any = datamodels.IFUImageModel(SHAPE)
    for name, value in (("name", "MIRI"), ("detector", "MIRIFULONG"), ("channel", "34")):
        setattr(model.meta.instrument, name, value)
    model.meta.instrument.band, model.meta.exposure.type = "SHORT", "MIR_MRS"
    model.meta.observation.date, model.meta.observation.time = "2022-07-01", "00:00:00"
    info = model.meta.wcsinfo
    info.v2_ref, info.v3_ref, info.roll_ref, info.v3yangle = -503.0, -318.0, 0.0, 0.0
    info.ra_ref, info.dec_ref, info.vparity = 10.0, 0.0, -1
    stem = str(REFS / "miri_mrs_wcs_flt9" / "jwst_miri_mrs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regions: Any = datamodels.RegionsModel(
            REFS / "miri_mrs_regions" / "jwst_miri_regions_0017.asdf"
        )
        # the present code reads one map for each threshold of throughput
        regions.regions = np.repeat(np.asarray(regions.regions)[None], 9, axis=0)
        path = tmp_path_factory.mktemp("refs") / "regions.asdf"
        regions.save(path)
        files = {
            "distortion": f"{stem}34A_distortion_flt9.asdf",
            "specwcs": f"{stem}34A_specwcs_flt9.asdf",
            "wavelengthrange": f"{stem}_wavelengthrange_flt9.asdf",
            "regions": str(path),
        }
        wcs = gwcs.WCS(miri.create_pipeline(model, files))
        bad = np.zeros(SHAPE, bool)
        bad[500] = True
        return wcs, bad, mrs_pixels(wcs, 3, bad)


@needs_refs
def test_real_pixels_of_the_mrs_are_as_large_as_they_are_known_to_be(pixels):
    _, _, found = pixels
    along = np.hypot(found.ra[:, 1] - found.ra[:, 0], found.dec[:, 1] - found.dec[:, 0]) * 3600
    across = np.hypot(found.ra[:, 2] - found.ra[:, 1], found.dec[:, 2] - found.dec[:, 1]) * 3600
    assert np.median(along) == pytest.approx(0.245, rel=0.03)
    assert np.median(across) == pytest.approx(0.387, rel=0.03)
    assert 11.3 < found.low.min() < found.high.max() < 13.8
    assert np.all(found.high > found.low)
    assert not np.isin(found.index // SHAPE[1], 500).any()  # the bad row


@needs_refs
def test_real_pixels_fill_a_cube_and_share_its_noise_as_the_closed_form_says(pixels):
    _, _, found = pixels
    step = 0.2 / 3600
    cards = {
        "CRVAL1": found.ra.mean(),
        "CRVAL2": found.dec.mean(),
        "CRPIX1": 15.0,
        "CRPIX2": 15.0,
        "CDELT1": -step,
        "CDELT2": step,
        "CRVAL3": 12.0,
        "CDELT3": 0.0025,
    }
    shape = (20, 29, 29)
    weights = sky_overlaps([found], [SHAPE[0] * SHAPE[1]], cards, shape)
    total = weights.total
    inside = total[:, 8:21, 8:21]
    assert np.median(inside) == pytest.approx(1, abs=0.01)  # side by side, without gaps
    even = np.ones(weights.pixels)
    cube, _ = drizzled(weights, 7 * even, even)
    np.testing.assert_allclose(cube[:, 8:21, 8:21], 7)
    for radius in (1.5, 3.0, 5.0):
        shares = aperture_shares(total > 0, (14, 14), radius)
        exact = np.median(covariance_factors(weights, shares, even))
        assert exact == pytest.approx(covariance_at(radius, 0.245, 0.387, 0.2), rel=0.06)
    twice = sky_overlaps([found, found], [SHAPE[0] * SHAPE[1]] * 2, cards, shape)
    np.testing.assert_allclose(twice.total, 2 * total)
    assert twice.pixels == 2 * weights.pixels


@needs_refs
def test_a_cube_is_made_again_from_its_calibrated_exposures(pixels, tmp_path):
    from stdatamodels.jwst import datamodels

    wcs, bad, found = pixels
    rng = np.random.default_rng(3)
    model: Any = datamodels.IFUImageModel(SHAPE)
    model.data = np.full(SHAPE, 5.0, "f4") + rng.normal(0, 0.1, SHAPE).astype("f4")
    model.err, model.dq = np.full(SHAPE, 0.1, "f4"), bad.astype("u4")
    model.data[bad] = 1e9
    model.meta.wcs = wcs
    path = tmp_path / "one_cal.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
        step = 0.2 / 3600
        cards = {"CRVAL1": found.ra.mean(), "CRVAL2": found.dec.mean(), "CRVAL3": 12.0}
        cards |= {"CRPIX1": 8.0, "CRPIX2": 8.0, "CDELT1": -step, "CDELT2": step, "CDELT3": 0.0025}
        weights, values, variance = mrs_weights([path], 3, cards, (20, 15, 15))
    cube, spread = drizzled(weights, values, variance)
    assert np.nanmedian(cube) == pytest.approx(5, abs=0.01)
    assert np.nanmax(cube) < 6  # without the bad row
    assert 0 < np.nanmedian(spread) < 0.1**2
    assert weights.pixels == SHAPE[0] * SHAPE[1]
    made = tmp_path / "one_s3d.fits"
    first = fits.PrimaryHDU(header=fits.Header({"CHANNEL": "3"}))
    science = fits.ImageHDU(cube.astype("f4"), fits.Header(cards), name="SCI")
    fits.HDUList([first, science]).writeto(made)
    found = circle_factors(made, [path], (7.0, 7.0), 3.0)
    shares = aperture_shares(weights.total > 0, (7.0, 7.0), 3.0)
    np.testing.assert_allclose(found, covariance_factors(weights, shares, variance))
    assert np.median(found) == pytest.approx(covariance_at(3.0, 0.245, 0.387, 0.2), rel=0.06)
    fits.setval(made, "CHANNEL", value="34")
    with pytest.raises(InputError, match="CHANNEL = '34': must be a single one"):
        circle_factors(made, [path], (7.0, 7.0), 3.0)


@needs_refs
def test_what_is_no_channel_or_cube_is_refused_in_one_line(pixels):
    wcs, bad, found = pixels
    with pytest.raises(InputError, match="channel 1: has no good pixel"):
        mrs_pixels(wcs, 1, bad)
    none = IfuPixels(found.ra[:0], found.dec[:0], found.low[:0], found.high[:0], found.index[:0])
    for call, said in (
        (lambda: sky_overlaps([], [], {}, (2, 2, 2)), "one of each"),
        (lambda: sky_overlaps([none], [1], {}, (2, 2, 2)), "no even wavelengths"),
    ):
        with pytest.raises(InputError, match=said):
            call()
