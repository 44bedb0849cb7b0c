"""Spectral files: what the header says of the dispersion, wavelengths, slits, cubes, spectra."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.data import Box, Rate, RateInts
from jwinteractive.io import Provenance, exposure_of, open_product, write_product
from jwinteractive.store import Store

CARDS = {
    "TELESCOP": "JWST",
    "INSTRUME": "NIRSPEC",
    "DETECTOR": "NRS1",
    "EXP_TYPE": "NRS_FIXEDSLIT",
    "SUBARRAY": "SUBS200A1",
    "READPATT": "NRSRAPID",
    "NINTS": 1,
    "NGROUPS": 5,
}


def images(shape, seed=3, **cards):
    """HDUs of a calibrated spectral image, or of the integrations of a time series."""
    rng = np.random.default_rng(seed)
    first = fits.PrimaryHDU()
    first.header.update(CARDS | cards)
    hdus = fits.HDUList([first])
    for name in ("SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"):
        hdus.append(fits.ImageHDU(rng.uniform(1, 2, shape).astype("f4"), name=name))
    hdus.append(fits.ImageHDU(np.zeros(shape, "u4"), name="DQ"))
    wavelength = np.linspace(1, 2, shape[-1]) * np.ones(shape[-2:])
    hdus.append(fits.ImageHDU(wavelength.astype("f4"), name="WAVELENGTH"))
    hdus["SCI"].header.update(BUNIT="MJy/sr", PIXAR_SR=4e-13, SRCTYPE="POINT", SOURCEID=7)
    return hdus


@pytest.mark.parametrize(
    ("cards", "axis"),
    [
        ({}, 1),
        ({"EXP_TYPE": "NRS_IMAGE"}, 0),
        ({"INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "EXP_TYPE": "MIR_LRS-SLITLESS"}, 2),
        ({"INSTRUME": "MIRI", "DETECTOR": "MIRIFUSHORT", "EXP_TYPE": "MIR_MRS"}, 2),
        ({"INSTRUME": "NIRISS", "DETECTOR": "NIS", "EXP_TYPE": "NIS_SOSS"}, 1),
        ({"INSTRUME": "NIRCAM", "DETECTOR": "NRCALONG", "PUPIL": "GRISMR"}, 1),
        ({"INSTRUME": "NIRCAM", "DETECTOR": "NRCALONG", "PUPIL": "GRISMC"}, 2),
        ({"INSTRUME": "NIRCAM", "DETECTOR": "NRCALONG", "EXP_TYPE": "NRC_IMAGE"}, 0),
        ({"DISPAXIS": 2}, 2),
        ({"DISPAXIS": -1}, 1),
    ],
)
def test_the_axis_of_dispersion_is_what_the_header_or_the_mode_says(cards, axis):
    assert exposure_of(CARDS | cards, (8, 16))[0].dispaxis == axis


@pytest.mark.parametrize(
    ("unit", "expected"), [("MJy/sr", "MJy/sr"), ("DN", "DN/s"), (None, "DN/s")]
)
def test_the_unit_is_that_of_rates(unit, expected):
    assert exposure_of(CARDS | {"BUNIT": unit}, (8, 16))[0].unit == expected


@pytest.mark.parametrize(("shape", "kind"), [((6, 9), Rate), ((3, 6, 9), RateInts)])
def test_calibrated_planes_come_back_with_what_was_changed(tmp_path, shape, kind):
    hdus = images(shape, CAL_VER="1")
    hdus.writeto(tmp_path / "a_cal.fits")
    opened = open_product(tmp_path / "a_cal.fits").product
    assert type(opened) is kind
    assert opened.exposure.unit == "MJy/sr"
    assert opened.exposure.pixel_area == 4e-13
    assert (opened.exposure.source_type, opened.exposure.source_id) == ("POINT", 7)
    np.testing.assert_array_equal(opened.var_flat, hdus["VAR_FLAT"].data)
    np.testing.assert_array_equal(opened.wavelength, hdus["WAVELENGTH"].data)
    replaced = np.zeros(shape, np.uint8)
    replaced[..., 2, 3] = 2
    changed = opened.replace(var_flat=opened.var_flat * 4, replaced=replaced)
    path = write_product(changed, tmp_path / "b_cal.fits", Provenance())
    again = open_product(path).product
    np.testing.assert_array_equal(again.var_flat, hdus["VAR_FLAT"].data * 4)
    np.testing.assert_array_equal(again.replaced, replaced)
    np.testing.assert_array_equal(again.wavelength, hdus["WAVELENGTH"].data)
    assert again.replaced.dtype == np.uint8
    with fits.open(path) as written:
        assert [h.name for h in written].count("VAR_FLAT") == 1
        assert written["SCI"].header["BUNIT"] == "MJy/sr"


def test_a_wavelength_plane_of_a_time_series_is_cut_and_kept_with_it(tmp_path):
    images((3, 6, 9)).writeto(tmp_path / "a_calints.fits")
    whole = open_product(tmp_path / "a_calints.fits").product
    part = whole.crop(Box(1, 5, 2, 8))
    np.testing.assert_array_equal(part.wavelength, whole.wavelength[1:5, 2:8])
    Store(tmp_path / "store").put("key", part)
    kept = Store(tmp_path / "store").get("key")
    assert kept.exposure == part.exposure
    np.testing.assert_array_equal(kept.wavelength, part.wavelength)
    np.testing.assert_array_equal(kept.var_flat, part.var_flat)
