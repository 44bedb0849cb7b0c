"""Extraction by hand: numbers worked on paper, missing pixels, apertures off the frame."""

from typing import Any

import numpy as np
import pytest

from jwinteractive.errors import InputError
from jwinteractive.extract.aperture import box_weights, trace_limits
from jwinteractive.extract.box import box_spectra
from jwinteractive.extract.frames import Frames
from jwinteractive.extract.horne import horne_spectra
from jwinteractive.extract.optimal import optimal_spectra
from jwinteractive.extract.profile import empirical_profile
from jwinteractive.extract.spectra import scaled, to_specutils
from jwinteractive.kernels.extract_box import smoothed_rows

COLUMN = np.array([1, 1, 4, 10, 6, 1, 3], "f4")


def column(values=COLUMN, variance=1.0):
    """One image of two equal columns."""
    data = np.repeat(np.asarray(values, "f4")[:, None], 2, axis=1)
    return Frames(data, np.full(data.shape, variance, "f4"), np.full(data.shape, 2.0, "f4"))


def rows(*weights):
    return np.repeat(np.array(weights, float)[:, None], 2, axis=1)


def test_edges_count_in_proportion():
    weights = box_weights((7, 1), [(1.75, 4.5)])
    np.testing.assert_allclose(weights[:, 0], [0, 0.25, 1, 1, 1, 0.5, 0])
    np.testing.assert_allclose(box_weights((7, 1), [(1.75, 4.5)], partial=False)[:, 0].sum(), 3)


def test_a_box_on_a_trace_has_its_width_wherever_the_trace_is():
    trace = np.linspace(8, 12, 57)
    weights = box_weights((20, 57), [trace_limits(trace, 5.3)])
    np.testing.assert_allclose(weights.sum(axis=0), 5.3)
    np.testing.assert_allclose(
        (weights * np.arange(20)[:, None]).sum(axis=0) / 5.3, trace, atol=0.02
    )


def test_a_box_of_one_column_is_the_sum_worked_by_hand():
    found = box_spectra(column(), rows(0, 0, 1, 1, 0.5, 0, 0), rows(1, 1, 0, 0, 0, 0, 1))
    mean = (1 + 1 + 3) / 3
    assert found.flux[0, 0, 0] == pytest.approx(4 + 10 + 3 - 2.5 * mean)
    assert found.npixels[0, 0, 0] == 2.5
    assert found.background[0, 0, 0] == pytest.approx(2.5 * mean)
    below = 2.5**2 / 3
    assert found.background_variances[0, 0, :, 0] == pytest.approx([below, 2 * below, 0])
    assert found.variances[0, 0, :, 0] == pytest.approx([2.25 + below, 2 * (2.25 + below), 0])
    assert found.error[0, 0, 0] == pytest.approx(np.sqrt(3 * (2.25 + below)))


def test_a_median_background_is_the_middle_of_its_region():
    found = box_spectra(column(), rows(0, 0, 1, 1, 0, 0, 0), rows(1, 1, 0, 0, 1, 0, 1), "median")
    assert found.background[0, 0, 0] == pytest.approx(2 * 2)  # between 1 and 3
    assert found.background_variances[0, 0, 0, 0] == pytest.approx(1.44 * 4 / 4)


def test_a_profile_of_one_column_is_the_fit_worked_by_hand():
    profile = rows(0, 0, 0.25, 0.5, 0.25, 0, 0)
    found = optimal_spectra(column(), profile)
    squares = 0.25**2 + 0.5**2 + 0.25**2
    assert found.flux[0, 0, 0] == pytest.approx((1 + 5 + 1.5) / squares)
    assert found.variances[0, 0, :, 0] == pytest.approx([1 / squares, 2 / squares, 0])
    assert found.npixels[0, 0, 0] == pytest.approx(1 / squares)


def test_what_a_background_adds_to_the_variance_is_never_less_than_nothing():
    frames = column()
    noise = np.full(frames.data.shape, 0.01, "f4")
    noise[2] = 100  # in the wing, which counts less beside a background
    profile = rows(0, 0, 0.25, 0.5, 0.25, 0, 0)
    alone = optimal_spectra(Frames(frames.data, noise), profile)
    found = optimal_spectra(Frames(frames.data, noise), profile, np.ones((7, 2)))
    assert found.var_poisson[0, 0, 0] < alone.var_poisson[0, 0, 0]
    assert found.background_variances.min() == 0


@pytest.mark.parametrize("infinite", [False, True])
def test_missing_pixels_are_left_out_of_everything(infinite):
    values = COLUMN.copy()
    values[[0, 3]] = np.inf if infinite else np.nan
    frames, aperture = column(values), rows(0, 0, 1, 1, 1, 0, 0)
    for fit in ("poly", "median"):
        found = box_spectra(frames, aperture, rows(1, 1, 0, 0, 0, 1, 0), fit)
        assert found.flux[0, 0, 0] == pytest.approx(4 + 6 - 2)
        assert found.npixels[0, 0, 0] == 2
    profile = rows(0, 0, 0.25, 0.5, 0.25, 0, 0)
    found = optimal_spectra(frames, profile)
    assert found.flux[0, 0, 0] == pytest.approx((1 + 1.5) / 0.125)
    assert horne_spectra(frames, profile).spectra.flux[0, 0, 0] == pytest.approx(20)


def test_where_every_pixel_is_missing_there_is_no_flux_and_no_warning():
    frames = column(np.full(7, np.nan))
    profile = rows(0, 0, 0.25, 0.5, 0.25, 0, 0)
    region = rows(1, 1, 0, 0, 0, 0, 1)
    for found in (
        box_spectra(frames, profile),
        box_spectra(frames, profile, region),
        box_spectra(frames, profile, region, "median"),
        optimal_spectra(frames, profile),
        optimal_spectra(frames, profile, region, 1),
        horne_spectra(frames, profile, region).spectra,
    ):
        assert np.isnan(found.flux).all()
        assert not found.npixels.any()
        assert not found.background.any()


def test_sources_that_cannot_be_told_apart_have_no_flux():
    profile = rows(0, 0, 0.25, 0.5, 0.25, 0, 0)
    found = optimal_spectra(column(), np.array([profile, profile]))
    assert np.isnan(found.flux).all()
    found = optimal_spectra(column(), profile, rows(0, 0, 1, 1, 1, 0, 0), 2)
    assert np.isnan(found.flux).all()  # four terms, three pixels


def test_a_pixel_of_unknown_variance_has_no_say_in_a_fit():
    values = COLUMN.copy()
    values[3] = 1000
    frames = column(values)
    poisson = np.array(frames.var_poisson)
    poisson[3] = np.nan
    frames = Frames(frames.data, poisson, frames.var_rnoise)
    profile = rows(0, 0, 0.25, 0.5, 0.25, 0, 0)
    assert optimal_spectra(frames, profile).flux[0, 0, 0] == pytest.approx(20)
    weighted = optimal_spectra(frames, profile, weights=np.ones((7, 2)))
    assert weighted.flux[0, 0, 0] == pytest.approx(20)
    found = horne_spectra(frames, profile)
    assert found.spectra.flux[0, 0, 0] == pytest.approx(20)
    assert not found.dropped.any()  # it never counted


def test_a_hit_in_the_core_is_dropped_itself_not_its_neighbours():
    height = np.arange(11)[:, None]
    profile = np.exp(-((height - 5) ** 2) / 0.85) * np.ones(4)  # a core that draws the fit to it
    profile /= profile.sum(axis=0)
    data = (100 * profile).astype("f4")
    data[5, 2] += 80
    noise = np.ones(data.shape, "f4")
    found = horne_spectra(Frames(data, var_rnoise=noise), profile)
    assert np.argwhere(found.dropped[0]).tolist() == [[5, 2]]
    np.testing.assert_allclose(found.spectra.flux[0, 0], 100, rtol=1e-6)
    assert found.spectra.error[0, 0, 2] > found.spectra.error[0, 0, 1]


def test_the_core_of_a_bright_source_is_kept_where_its_profile_is_not_perfect():
    height = np.arange(11)[:, None]
    profile = np.exp(-((height - 5) ** 2) / 4.0) * np.ones(4)
    profile /= profile.sum(axis=0)
    wrong = profile * (1 + 0.01 * (-1.0) ** height)
    data = (1e5 * profile).astype("f4")
    noise = np.ones(data.shape, "f4")
    frames = Frames(data, var_rnoise=noise)
    assert not horne_spectra(frames, wrong).dropped.any()
    assert horne_spectra(frames, wrong, profile_error=0).dropped.any()
    data[2, 1] += 4000
    assert np.argwhere(horne_spectra(frames, wrong).dropped[0]).tolist() == [[2, 1]]


def test_a_profile_is_measured_from_a_straight_trace_too():
    height = np.arange(15)[:, None]
    profile = np.exp(-((height - 7.3) ** 2) / 3.0) * np.ones(80)
    profile[np.abs(height[:, 0] - 7.3) > 6] = 0
    profile /= profile.sum(axis=0)
    image = profile * np.linspace(50, 90, 80)
    image[4, 10] = np.nan
    found = empirical_profile(image, 7.3, 6, order=0)
    np.testing.assert_allclose(found, profile, atol=1e-5)
    image[7, 30] += 500
    found = empirical_profile(image, 7.3, 6, order=0)
    np.testing.assert_allclose(found, profile, atol=1e-3)


def test_rows_that_no_column_has_take_no_share_of_a_profile():
    height = np.arange(15)[:, None]
    profile = np.exp(-((height + 1.5) ** 2) / 3.0) * np.ones(80)
    found = empirical_profile(profile * 50, -1.5, 6, order=0)
    profile[height[:, 0] > 4.5] = 0
    np.testing.assert_allclose(found, profile / profile.sum(axis=0), atol=1e-5)


def test_without_variances_weights_do_not_run_away():
    data = np.abs(np.random.default_rng(1).normal(5, 1, (9, 20))).astype("f4")
    zeros = np.zeros(data.shape, "f4")
    found = horne_spectra(Frames(data, zeros, zeros), np.full(data.shape, 1 / 9))
    np.testing.assert_allclose(found.spectra.flux[0, 0], data.sum(axis=0), rtol=1e-6)


def test_sums_without_variances_have_errors_that_are_not_known():
    frames = Frames(np.ones((5, 6), "f4"))
    box = box_spectra(frames, np.ones((5, 6)), np.ones((5, 6)))
    fit = optimal_spectra(frames, np.full((5, 6), 0.2))
    for found in (box, fit):
        assert np.isfinite(found.flux).all()
        assert np.isnan(found.error).all()
        assert np.isnan(found.background_variances).all()


def test_light_beyond_the_aperture_is_made_up_for_in_flux_and_errors():
    found = box_spectra(column(), rows(0, 0, 1, 1, 1, 0, 0), rows(1, 1, 0, 0, 0, 0, 1))
    more = scaled(found, np.array([1.25, 0.0]))
    assert more.flux[0, 0, 0] == pytest.approx(1.25 * found.flux[0, 0, 0])
    assert more.error[0, 0, 0] == pytest.approx(1.25 * found.error[0, 0, 0])
    assert more.background[0, 0, 0] == pytest.approx(1.25 * found.background[0, 0, 0])
    assert np.isnan(more.flux[0, 0, 1])  # no factor there
    assert more.npixels[0, 0, 0] == 3
    with pytest.raises(InputError, match="one for each of 2"):
        scaled(found, np.ones(3))


FRAMES = column()
MEAN: Any = "mean"
PROFILE = rows(0, 0, 0.25, 0.5, 0.25, 0, 0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: box_weights((7, 2), [(9, 12)]), "has no pixel of the image of 7 rows"),
        (lambda: box_weights((7, 2), [(-9, -4)]), "limits -9.00 to -4.00"),
        (lambda: box_weights((7, 2), [(np.nan, np.nan)]), "has no pixel"),
        (lambda: box_weights((7, 2), []), "none"),
        (lambda: box_weights((7, 2), [(4, 2)]), "exchange them"),
        (lambda: box_weights((7, 2), [(np.zeros(3), 2)]), "must be one, or 2"),
        (lambda: trace_limits(3, 0), "width = 0"),
        (lambda: box_spectra(FRAMES, np.zeros((7, 2))), "has no pixel"),
        (lambda: box_spectra(FRAMES, np.ones((2, 7))), r"aperture \(2, 7\)"),
        (lambda: box_spectra(FRAMES, PROFILE, np.ones((3, 2))), r"region \(3, 2\)"),
        (lambda: box_spectra(FRAMES, PROFILE, bkg_order=-1), "bkg_order = -1"),
        (lambda: box_spectra(FRAMES, PROFILE, smoothing_length=4), "must be odd"),
        (lambda: box_spectra(FRAMES, PROFILE, bkg_fit=MEAN), "'poly' or 'median'"),
        (lambda: optimal_spectra(FRAMES, PROFILE * np.nan), "profile 0 is not finite"),
        (lambda: optimal_spectra(FRAMES, PROFILE * 0), "profile 0 has no pixel"),
        (lambda: optimal_spectra(FRAMES, PROFILE, weights=-PROFILE), "negative"),
        (lambda: optimal_spectra(FRAMES, PROFILE, weights=np.ones((3, 7, 2))), "must be one, or 1"),
        (lambda: horne_spectra(Frames(FRAMES.data), PROFILE), "no variances"),
        (lambda: horne_spectra(FRAMES, PROFILE, sigma=-1), "sigma = -1"),
        (lambda: empirical_profile(FRAMES.data, 40, 3), "move it onto the image"),
        (lambda: empirical_profile(FRAMES.data, np.nan, 3), "no pixel of the image"),
        (lambda: empirical_profile(FRAMES.data * np.nan, 3, 3), "no column of positive flux"),
        (lambda: empirical_profile(FRAMES.data, 3, 0.5), "reach = 0.5"),
        (lambda: Frames(FRAMES.data, FRAMES.data[:3]), r"var_poisson \(3, 2\)"),
        (lambda: Frames(FRAMES.data[0]), "must be"),
        (lambda: Frames(FRAMES.data, dispaxis=3), "dispaxis = 3"),
    ],
)
def test_what_cannot_be_extracted_is_refused_in_one_line(call, said):
    with pytest.raises(InputError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_spectra_become_those_of_specutils():
    from astropy import units as u

    values = np.repeat(COLUMN[:, None], 5, axis=1)
    values[:, 3] = np.nan
    cube = np.array([values, 2 * values])
    frames = Frames(cube, np.ones_like(cube))
    found = optimal_spectra(frames, np.repeat(PROFILE[:, :1], 5, axis=1))
    wavelength = np.array([np.nan, 1.0, 1.1, 1.2, 1.3])
    one = to_specutils(found, wavelength, "MJy/sr", integration=1, pixel_area=2.0)
    assert one.flux.unit == u.MJy
    np.testing.assert_allclose(one.flux.value[[0, 1, 3]], 2 * 20 * 2)
    np.testing.assert_allclose(one.uncertainty.array[0], 2 * found.error[1, 0, 1])
    assert one.mask.tolist() == [False, False, True, False]
    np.testing.assert_allclose(one.spectral_axis.to_value(u.um), wavelength[1:])
    both = to_specutils(found, wavelength, "DN/s")
    assert both.flux.shape == (2, 4)
    for call, said in (
        (lambda: to_specutils(found), "give the wavelength"),
        (lambda: to_specutils(found, wavelength, source=1), "source = 1"),
        (lambda: to_specutils(found, wavelength, integration=2), "integration = 2"),
        (lambda: to_specutils(found, wavelength[:2]), "must have 5 columns"),
        (lambda: to_specutils(found, wavelength * np.nan), "0 wavelengths"),
    ):
        with pytest.raises(InputError, match=said):
            call()


def test_means_along_rows_are_those_of_each_window_without_a_trace_of_bright_pixels():
    rng = np.random.default_rng(2)
    image = rng.normal(5, 1, (4, 61)).astype(np.float32)
    image[0, 20], image[1, 3:9], image[2] = 1e30, np.nan, np.nan
    for length in (1, 5, 21, 81):
        half = length // 2
        wide = np.pad(image.astype(np.float64), ((0, 0), (half, half)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(wide, length, axis=1)
        known = np.isfinite(windows)
        total, count = np.where(known, windows, 0).sum(axis=-1), known.sum(axis=-1)
        expected = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        found = np.empty_like(image)
        smoothed_rows(image, length, found)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
