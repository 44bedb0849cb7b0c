"""Nodded slits of known truth: what is in them, and that their files say the same."""

import gc

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.data import Rate, SpectrumSet
from jwinteractive.errors import ParamError
from jwinteractive.extract.spectra import to_specutils
from jwinteractive.simulate.slits import DEC, RA, slit_dithers
from jwinteractive.wcs import read_wcs


def test_light_of_a_column_is_the_flux_that_is_told():
    simulated = slit_dithers(1, noise=False, sky=False, hits=0, bad=0)
    (one,) = simulated.exposures
    # wavelengths lean: each row has light of its own
    share = one.clean * 1e6 / simulated.flux(np.nan_to_num(one.wavelength, nan=2.0))
    assert share[3:-3].sum(axis=0) == pytest.approx(1, abs=2e-3)
    inside = np.isfinite(one.data)
    np.testing.assert_allclose(one.data[inside], one.clean[inside], rtol=1e-6)


def test_lines_hold_the_flux_and_the_width_that_are_told():
    simulated = slit_dithers(1, noise=False)
    wavelength = np.arange(1.69, 2.15, 1e-5)
    lines = simulated.flux(wavelength) - simulated.continuum(wavelength)
    for line in simulated.lines:
        near = np.abs(wavelength - line.wavelength) < 0.02
        assert lines[near].sum() * 1e-5 == pytest.approx(line.flux, rel=1e-3)
        level = simulated.continuum(np.array(line.wavelength))
        assert line.width == pytest.approx(line.flux / level)


def test_pulls_of_pixels_are_one_and_hits_stand_out():
    simulated = slit_dithers(2, hits=5e-3, seed=3)
    for one in simulated.exposures:
        with np.errstate(invalid="ignore"):
            pull = (one.data - one.clean - simulated.sky) / one.err
        clean = np.isfinite(pull) & ~one.hits
        assert pull[clean].std() == pytest.approx(1, abs=0.02)
        assert np.median(pull[one.hits & np.isfinite(pull)]) > 5
        assert not one.hits[simulated.bad].any()
        assert ((one.dq & dq.DO_NOT_USE) != 0)[simulated.bad].all()


def test_written_nods_are_slits_of_one_recipe_and_their_wcs_puts_the_source_on_its_trace(tmp_path):
    simulated = slit_dithers(3)
    session = jwinteractive.open(simulated.write(tmp_path))
    assert session.recipe.name == "nirspec_fs"
    for number, one in enumerate(simulated.exposures):
        rate = session.input(number)
        assert isinstance(rate, Rate)
        np.testing.assert_array_equal(rate.data, one.data)
        np.testing.assert_array_equal(rate.wavelength, one.wavelength)
        assert rate.exposure.slit == "S200A1"
        wcs = read_wcs(tmp_path / f"{one.name}_cal.fits", "S200A1")
        gc.collect()  # arrays of the file's tree may not be left behind in it
        x = np.arange(400.0)
        ra, dec, wavelength = wcs(x, one.trace)
        np.testing.assert_allclose(ra, RA, atol=1e-9)
        np.testing.assert_allclose(dec, DEC, atol=1e-9)
        row = np.round(one.trace[200]).astype(int)
        assert wcs(200.0, float(row))[2] == pytest.approx(one.wavelength[row, 200], abs=1e-6)
        back = wcs.invert(RA, DEC, float(wavelength[200]))
        np.testing.assert_allclose(back, (200, one.trace[200]), atol=1e-6)


def test_the_spectrum_of_a_written_nod_is_the_one_put_in(tmp_path):
    simulated = slit_dithers(1, hits=0, bad=0, noise=False)
    session = jwinteractive.open(simulated.write(tmp_path))
    session.set("extract_1d", width=16, subtract_background=True, background="1.5:4; 28:31.5")
    found = session.run()
    assert isinstance(found, SpectrumSet)
    true = simulated.flux(found.wavelength[0])
    ratio = found.flux[0, 0] / true
    assert np.median(ratio) == pytest.approx(1, abs=0.01)  # wings reach the background


def test_a_product_becomes_a_spectrum_of_specutils_with_its_own_units(tmp_path):
    simulated = slit_dithers(1)
    found = jwinteractive.open(simulated.write(tmp_path)).run()
    assert isinstance(found, SpectrumSet)
    spectrum = to_specutils(found)
    assert spectrum.flux.unit == "Jy"
    assert spectrum.spectral_axis.unit == "um"
    known = np.isfinite(found.wavelength[0])
    np.testing.assert_array_equal(spectrum.flux.value, found.flux[0, 0, known])
    np.testing.assert_allclose(spectrum.uncertainty.array, found.err[0, 0, known])
    blind = to_specutils(found.replace(wavelength=np.full_like(found.wavelength, np.nan)))
    assert blind.spectral_axis.unit == "pix"


def test_a_cut_out_too_small_for_nods_is_refused():
    with pytest.raises(ParamError, match="shape = \\(8, 400\\)"):
        slit_dithers(2, (8, 400))
