"""Lines and continua read off spectra, against known ones and the sums of specutils."""

import numpy as np
import pytest
from scipy.special import erf

from jwinteractive.errors import InputError
from jwinteractive.extract.lines import read_continuum, read_line

AT = 2.0 + 0.001 * np.arange(400)
MIDDLE, SIGMA, AREA = 2.2003, 0.0022, 0.05
WITHIN, SIDES = (2.19, 2.2105), [(2.1, 2.18), (2.22, 2.3)]
FWHM = 2.3548 * SIGMA


def level(at):
    return 3 + 2 * (at - 2.2)


def spectrum(noise=0.0, area=AREA, seed=1):
    edges = np.array([AT - 0.0005, AT + 0.0005])
    parts = 0.5 * erf((edges - MIDDLE) / SIGMA / np.sqrt(2))
    flux = level(AT) + area * (parts[1] - parts[0]) / 0.001
    error = np.full(AT.shape, max(noise, 1e-4))
    return flux + noise * np.random.default_rng(seed).normal(size=AT.shape), error


@pytest.mark.parametrize("area", [AREA, -0.01])
def test_a_line_without_noise_is_read_as_it_is(area):
    flux, error = spectrum(area=area)
    line = read_line(AT, flux, error, WITHIN, SIDES)
    assert line.flux == pytest.approx(area, rel=1e-4)
    assert line.centroid == pytest.approx(MIDDLE, abs=1e-6)
    assert line.fwhm == pytest.approx(FWHM, rel=1e-3)
    assert line.velocity_width == pytest.approx(299792.458 * FWHM / MIDDLE, rel=1e-3)
    assert line.continuum == pytest.approx(level(2.20025), rel=1e-6)
    assert line.width == pytest.approx(-area / level(MIDDLE), rel=1e-3)
    assert line.watts[0] == pytest.approx(area * 1e-26 * 2.998e14 / MIDDLE**2, rel=1e-3)
    assert line.measured
    assert line.missing == 0


def test_all_that_is_told_has_its_true_error():
    truth = {
        "flux": AREA,
        "width": -AREA / level(MIDDLE),
        "centroid": MIDDLE,
        "fwhm": FWHM,
        "continuum": level(2.20025),
    }
    pulls = {name: [] for name in truth}
    for seed in range(400):
        flux, error = spectrum(0.2, seed=seed)
        line = read_line(AT, flux, error, WITHIN, SIDES)
        for name, true in truth.items():
            pulls[name].append((getattr(line, name) - true) / getattr(line, f"{name}_error"))
    for name, pull in pulls.items():
        assert np.std(pull) == pytest.approx(1, abs=0.1), name
        assert abs(np.mean(pull)) < 0.2, name


def test_the_sums_are_those_of_specutils():
    from astropy import units as u
    from specutils import SpectralRegion, Spectrum
    from specutils.analysis import centroid, equivalent_width, line_flux

    flux, error = spectrum(0.02)
    line = read_line(AT, flux, error, (2.1905, 2.2105), SIDES)
    beside = ((AT >= 2.1) & (AT <= 2.18)) | ((AT >= 2.22) & (AT <= 2.3))
    known = np.polynomial.Polynomial.fit(AT[beside], flux[beside], 1)
    region = SpectralRegion(2.1905 * u.um, 2.2105 * u.um)
    above = Spectrum(flux=(flux - known(AT)) * u.Jy, spectral_axis=AT * u.um)
    total = line_flux(above, region).to_value(u.Jy * u.um)
    assert line.flux == pytest.approx(total, rel=2e-3)
    middle = centroid(above, region).to_value(u.um)
    assert line.centroid == pytest.approx(middle, abs=2e-6)
    over = Spectrum(flux=flux / known(AT) * u.one, spectral_axis=AT * u.um)
    width = equivalent_width(over, continuum=1, regions=region).to_value(u.um)
    assert line.width == pytest.approx(width, rel=2e-3)


def test_errors_that_are_not_known_come_from_the_scatter():
    flux, _ = spectrum(0.05)
    given = read_line(AT, flux, np.full(AT.shape, 0.05), WITHIN, SIDES)
    for error in (None, np.full(AT.shape, np.nan)):
        line = read_line(AT, flux, error, WITHIN, SIDES)
        assert not line.measured
        assert line.flux_error == pytest.approx(given.flux_error, rel=0.15)


def test_neighbours_that_are_correlated_change_the_error():
    flux, error = spectrum(0.05)
    line = read_line(AT, flux, error, WITHIN, SIDES)
    shared = np.full((1, len(AT)), 0.3) * error**2
    more = read_line(AT, flux, error, WITHIN, SIDES, covariance=shared)
    assert more.flux_error == pytest.approx(line.flux_error * np.sqrt(1.6), rel=0.05)


def test_ranges_end_within_channels_and_falling_wavelengths_are_turned():
    flux, error = np.ones(6), np.full(6, 0.1)
    at = np.arange(6.0)
    flux[2:4] = 3
    line = read_line(at, flux, error, (1.5, 3.25), [(-1, 1.4), (4, 6)], 0)
    assert line.flux == pytest.approx(2 + 0.75 * 2)
    level_error = 0.1 / np.sqrt(4)
    assert line.flux_error == pytest.approx(np.hypot(0.1 * np.hypot(1, 0.75), 1.75 * level_error))
    turned = read_line(at[::-1], flux[::-1], error, (1.5, 3.25), [(-1, 1.4), (4, 6)], 0)
    assert turned.flux == line.flux
    assert turned.flux_error == line.flux_error


def test_a_missing_channel_is_filled_and_told():
    flux, error = spectrum()
    flux[200] = np.nan
    line = read_line(AT, flux, error, WITHIN, SIDES)
    assert line.missing == 1
    assert line.flux == pytest.approx(AREA, rel=0.05)


def test_a_continuum_has_a_level_and_a_scatter():
    rng = np.random.default_rng(5)
    flux = level(AT) + 0.1 * rng.normal(size=AT.shape)
    found = read_continuum(AT, flux, np.full(AT.shape, 0.1), (2.0495, 2.3495))
    assert found.channels == 300
    assert found.level == pytest.approx(level(2.2), abs=4 * found.error)
    assert found.error == pytest.approx(0.1 / np.sqrt(found.channels))
    assert found.ratio == pytest.approx(1, abs=0.15)
    assert found.signal_to_noise == pytest.approx(30, rel=0.15)
    blind = read_continuum(AT, flux, None, (2.0495, 2.3495))
    assert np.isnan(blind.expected)
    assert blind.error == pytest.approx(found.error, rel=0.2)


FLUX, ERROR = spectrum()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: read_line(AT, FLUX, ERROR, (2.3, 2.2), SIDES), "exchange its ends"),
        (lambda: read_line(AT, FLUX, ERROR, (5.0, 6.0), SIDES), "line 5 to 6 um has 0 channels"),
        (lambda: read_line(AT, FLUX, ERROR, WITHIN, [(7, 8)]), "continuum has 0 channels"),
        (lambda: read_line(AT, FLUX, ERROR, WITHIN, SIDES, 9), "order = 9"),
        (lambda: read_line(AT, FLUX[:5], ERROR, WITHIN, SIDES), "same channels"),
        (lambda: read_line(AT, FLUX, ERROR[:5], WITHIN, SIDES), "error"),
        (lambda: read_line(AT * np.nan, FLUX, ERROR, WITHIN, SIDES), "0 wavelengths"),
        (lambda: read_line(AT, FLUX * np.nan, ERROR, WITHIN, SIDES), "with a value"),
        (lambda: read_continuum(AT, FLUX, ERROR, (2.2, 2.2011)), "widen it"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(call, said):
    with pytest.raises(InputError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
