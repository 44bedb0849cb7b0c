"""Spectra of other forms and other wavelengths are brought to one picture each."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.compare import compare
from jwinteractive.compare_spectra import alike
from jwinteractive.data import Exposure, Filed, SpectrumSet

WAVES = np.linspace(5.0, 12.0, 40)


def slope(wavelength):
    return 3.0 + 0.5 * wavelength


def ours(wavelength=WAVES, sources=1):
    shape = (1, sources, len(wavelength))
    flux = np.broadcast_to(slope(wavelength), shape).copy()
    nothing = np.zeros((3, *shape))
    return SpectrumSet(
        exposure=Exposure(instrument="MIRI", detector="MIRIMAGE", unit="Jy"),
        flux=flux,
        variances=np.full((3, *shape), 0.03),
        background=np.zeros(shape),
        background_variances=nothing,
        npixels=np.ones(shape),
        dq=np.zeros(shape, np.uint32),
        wavelength=np.broadcast_to(wavelength, shape[1:]).copy(),
        names=tuple(f"s{i}" for i in range(sources)),
    )


@pytest.fixture
def theirs(tmp_path):
    """What an official step gives: spectra in tables of a file, here at other wavelengths."""

    def made(wavelength, flux=slope, bad=()):
        table = np.zeros(
            len(wavelength),
            [("WAVELENGTH", "f8"), ("FLUX", "f8"), ("FLUX_ERROR", "f8"), ("DQ", "u4")],
        )
        table["WAVELENGTH"], table["FLUX"], table["FLUX_ERROR"] = wavelength, flux(wavelength), 0.3
        table["DQ"][list(bad)] = dq.DO_NOT_USE
        path = tmp_path / "one_x1d.fits"
        hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="EXTRACT1D")]
        fits.HDUList(hdus).writeto(path, overwrite=True)
        plane = np.zeros((1, len(wavelength)), np.float32)
        return Filed(
            exposure=Exposure(instrument="MIRI", detector="MIRIMAGE", unit="Jy"),
            source=path,
            data=plane,
            err=plane,
            dq=plane.astype(np.uint32),
        )

    return made


def test_a_spectrum_at_other_wavelengths_is_interpolated_to_those_of_the_first(theirs):
    a, b = alike(ours(), theirs(np.linspace(6.0, 11.0, 333)[::-1]))
    inside = (WAVES >= 6) & (WAVES <= 11)
    np.testing.assert_allclose(b.data[0, inside], a.data[0, inside], rtol=1e-6)
    assert np.isnan(b.data[0, ~inside]).all()  # nothing is made up where it does not reach
    assert (b.dq[0, ~inside] == dq.DO_NOT_USE).all()
    np.testing.assert_allclose(a.err, 0.3, rtol=1e-6)


def test_flags_come_from_the_nearest_wavelength(theirs):
    _, b = alike(ours(), theirs(WAVES + 0.02, bad=(7,)))
    assert np.flatnonzero(b.dq[0] & dq.DO_NOT_USE).tolist() == [0, 7]  # 0: it does not reach there


def test_what_differs_is_told_as_of_any_two_results(theirs):
    found = compare(*alike(ours(), theirs(WAVES, flux=lambda w: slope(w) + 0.25)))
    numbers = {row[0]: row[1] for row in found.numbers.rows}
    assert numbers["pixels compared"] == len(WAVES)
    assert numbers["median of B - A"] == pytest.approx(0.25, rel=1e-5)


def test_products_that_hold_no_spectra_or_others_stay_as_they_are(theirs):
    one = theirs(WAVES)
    assert alike(one, one) == (one, one)
    two = ours(sources=2)
    a, b = alike(two, one)  # two sources against one: nobody knows which
    assert (a, b) == (two, one)
