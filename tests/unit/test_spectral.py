"""Spectra, spaxels and light curves as plots, and what they are compared by."""

import numpy as np
import pytest

from jwinteractive.data import Box, Cube, Exposure, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.spectral import (
    axis_words,
    compared,
    light_curve,
    planes_between,
    read_out,
    sides_of,
    spaxel_spectrum,
    spaxel_waves,
    spectra_plot,
)
from jwinteractive.views import Curve, Plot

NIRSPEC = Exposure(instrument="NIRSPEC", detector="NRS1", unit="Jy")


def a_set(flux, wavelength=None, names=("star",)):
    """Spectra [integration, source, x] with a variance of 4 everywhere."""
    flux = np.asarray(flux, float)
    variances = np.stack([np.full(flux.shape, v) for v in (3.0, 1.0, 0.0)])
    known = np.linspace(1, 2, flux.shape[2]) if wavelength is None else wavelength
    return SpectrumSet(
        exposure=NIRSPEC,
        flux=flux,
        variances=variances,
        background=np.zeros(flux.shape),
        background_variances=np.zeros_like(variances),
        npixels=np.ones(flux.shape),
        dq=np.zeros(flux.shape, np.uint32),
        wavelength=np.broadcast_to(known, flux.shape[1:]),
        names=names,
    )


def a_cube():
    data = np.arange(60, dtype=np.float32).reshape(5, 3, 4)
    return Cube(
        exposure=NIRSPEC,
        data=data,
        err=np.full(data.shape, np.nan, np.float32),
        dq=np.zeros(data.shape, np.uint32),
        wavelengths=(1.0, 1.1, 1.2, 1.3, 1.4),
    )


def test_an_axis_label_is_a_quantity_and_its_unit():
    assert axis_words("flux (MJy/sr)") == ("flux", "MJy/sr")
    assert axis_words("integration") == ("integration", "")


def test_all_sources_of_the_chosen_integration_are_drawn_with_errors():
    flux = np.arange(24).reshape(2, 3, 4)
    plot = spectra_plot(a_set(flux, names=("a", "", "c")), 1)
    assert [c.name for c in plot.curves] == ["a", "source 2", "c"]
    np.testing.assert_array_equal(plot.curves[2].y, flux[1, 2])
    np.testing.assert_array_equal(plot.curves[0].err, 2)
    assert (plot.x_label, plot.y_label) == ("wavelength (um)", "flux (Jy)")
    assert plot.title == "spectrum of integration 2"
    assert spectra_plot(a_set(flux), 99).title == "spectrum of integration 2"


def test_sources_share_an_axis_of_pixels_unless_all_have_wavelengths():
    wavelength = np.stack([np.linspace(1, 2, 4), np.full(4, np.nan)])
    plot = spectra_plot(a_set(np.ones((1, 2, 4)), wavelength))
    assert plot.x_label == "pixel"
    np.testing.assert_array_equal(plot.curves[0].x, [0, 1, 2, 3])
    bare = spectra_plot(a_set(np.ones((1, 1, 4)), np.full(4, np.nan)))
    assert bare.x_label == "pixel (no wavelength is known)"


def test_a_spaxel_is_told_in_pixels_of_the_frame_and_has_no_error_where_none_is_known():
    cube = a_cube()
    part = cube.crop(Box(1, 3, 2, 4))
    plot = spaxel_spectrum(part, 2, 3)
    np.testing.assert_array_equal(plot.curves[0].y, cube.data[:, 2, 3])
    assert plot.curves[0].err is None
    assert plot.x_label == "wavelength (um)"
    with pytest.raises(InputError, match="spaxel x = 1, y = 2: must lie in"):
        spaxel_spectrum(part, 2, 1)


def test_planes_are_those_whose_wavelengths_lie_in_a_range():
    assert planes_between(a_cube(), 1.05, 1.3) == (1, 3)
    assert planes_between(a_cube(), 1.32, 1.38) is None


def test_a_light_curve_says_its_scatter_against_the_errors():
    rng = np.random.default_rng(5)
    flux = 1000 + rng.normal(0, 2.0, (400, 1, 50))
    plot = light_curve(a_set(flux))
    (curve,) = plot.curves
    assert len(curve.y) == 400
    assert np.median(curve.y) == pytest.approx(1)
    assert curve.err[0] == pytest.approx(2 / np.sqrt(50) / 1000, rel=1e-3)
    ratio = float(plot.title.split(", ")[1].split()[0])
    assert ratio == pytest.approx(1, abs=0.15)
    narrow = light_curve(a_set(flux), (1.0, 1.2))
    assert narrow.curves[0].err[0] == pytest.approx(2 / np.sqrt(10) / 1000, rel=1e-3)
    with pytest.raises(InputError, match="no sample lies between 3 and 4"):
        light_curve(a_set(flux), (3, 4))


def a_plot(y, err=1.0, name="star"):
    x = np.arange(len(y), dtype=float)
    curve = Curve(name=name, x=x, y=np.asarray(y, float), err=np.full(len(y), err))
    return Plot(title="t", x_label="pixel", y_label="flux (Jy)", curves=(curve,))


def test_spectra_are_compared_by_difference_ratio_and_in_errors():
    a, b = a_plot([4, 6, 8], 3.0), a_plot([2, 3, 0], 4.0)
    np.testing.assert_array_equal(compared(a, b, "difference").curves[0].y, [2, 3, 8])
    ratio = compared(a, b, "ratio").curves[0].y
    assert (ratio[0], ratio[1], np.isnan(ratio[2])) == (2, 2, True)
    in_errors = compared(a, b, "difference in errors")
    np.testing.assert_allclose(in_errors.curves[0].y, np.array([2, 3, 8]) / 5)
    assert in_errors.y_label == "difference (errors)"
    with pytest.raises(InputError, match="'sum' is none of difference, ratio"):
        compared(a, b, "sum")


def test_the_only_spectrum_of_another_stands_in_for_one_of_any_name():
    found = compared(a_plot([4.0]), a_plot([1.0], name="nod 2"), "difference")
    assert found.curves[0].y == [3.0]


def a_line(noise=0.02, err=0.02):
    """A line of flux 0.1 Jy um at 2.5 um, sigma 0.01 um, over a continuum of 5 Jy."""
    x = np.linspace(2, 3, 501)
    height = 0.1 / (0.01 * np.sqrt(2 * np.pi))
    y = 5 + height * np.exp(-0.5 * ((x - 2.5) / 0.01) ** 2)
    y += np.random.default_rng(4).normal(0, noise, len(x))
    curve = Curve(name="star", x=x, y=y, err=None if err is None else np.full(len(x), err))
    return Plot(title="", x_label="wavelength (um)", y_label="flux (Jy)", curves=(curve,))


def numbers(text):
    return [float(v) for v in text.split(" ± ")]


def test_a_line_is_read_off_with_errors_that_hold_it():
    table = read_out(a_line(), (2.45, 2.55))
    rows = dict(table.rows)
    wanted = {
        "flux (Jy um)": 0.1,
        "equivalent width (um)": -0.02,
        "centroid (um)": 2.5,
        "FWHM (um)": 0.023548,
        "continuum below it (Jy)": 5.0,
    }
    for name, value in wanted.items():
        found, error = numbers(rows[name])
        assert abs(found - value) < 4 * error, name
        assert error < 0.05 * abs(value), name
    assert float(rows["FWHM in km/s"]) == pytest.approx(299792 * 0.023548 / 2.5, rel=0.05)
    watts = 0.1 * 1e-26 * 2.998e14 / 2.5**2
    assert numbers(rows["flux in W/m2"])[0] == pytest.approx(watts, rel=0.05)
    assert (table.columns, table.title) == (("", "star"), "2.45 to 2.55 um")


def test_the_continuum_is_taken_from_both_sides():
    assert sides_of((2.0, 2.5)) == ((1.5, 2.0), (2.5, 3.0))


def test_what_cannot_be_read_off_says_why_and_errors_that_are_guessed_say_so():
    rows = dict(read_out(a_line(), (2.45, 2.451)).rows)
    assert "line 2.45 to 2.451 um has 1 channels of the spectrum" in rows[""]
    rows = dict(read_out(a_line(err=None), (2.45, 2.55)).rows)
    assert rows[""] == "errors are from the scatter beside it"
    assert "scatter over expected" not in rows


def test_waves_of_a_spaxel_are_told_against_an_aperture():
    n = 400
    x, rng = np.arange(n), np.random.default_rng(2)
    aperture = 3 + 0.002 * x
    waves = 0.05 * np.sin(2 * np.pi * x / 40)
    curve = Curve(name="s", x=x, y=0.1 * aperture * (1 + waves + rng.normal(0, 0.01, n)))
    spaxel = Plot(title="", x_label="plane", y_label="flux", curves=(curve,))
    plot, words = spaxel_waves(spaxel, aperture)
    assert float(words.split(": ")[1].split()[0]) == pytest.approx(5 / np.sqrt(2), rel=0.05)
    assert np.corrcoef(plot.curves[0].y, waves)[0, 1] > 0.95
    dark = Plot(
        title="", x_label="plane", y_label="flux", curves=(Curve(name="s", x=x, y=x * np.nan),)
    )
    assert (
        spaxel_waves(dark, aperture)[1]
        == "waves against the aperture: too little is known of this spaxel"
    )
