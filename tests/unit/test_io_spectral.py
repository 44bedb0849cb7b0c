"""Spectral files: what the header says of the dispersion, wavelengths, slits, cubes, spectra."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.data import Box, Cube, Rate, RateInts
from jwinteractive.errors import InputError
from jwinteractive.io import (
    Provenance,
    exposure_of,
    open_product,
    open_products,
    write_product,
)
from jwinteractive.store import Store

REAL = Path(__file__).parents[2] / ".." / "shared" / "real"

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
def test_calibrated_planes_come_back_with_what_was_changed(image_hdus, tmp_path, shape, kind):
    hdus = image_hdus(shape, CAL_VER="1")
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


def test_a_wavelength_plane_of_a_time_series_is_cut_and_kept_with_it(image_hdus, tmp_path):
    image_hdus((3, 6, 9)).writeto(tmp_path / "a_calints.fits")
    whole = open_product(tmp_path / "a_calints.fits").product
    part = whole.crop(Box(1, 5, 2, 8))
    np.testing.assert_array_equal(part.wavelength, whole.wavelength[1:5, 2:8])
    Store(tmp_path / "store").put("key", part)
    kept = Store(tmp_path / "store").get("key")
    assert kept.exposure == part.exposure
    np.testing.assert_array_equal(kept.wavelength, part.wavelength)
    np.testing.assert_array_equal(kept.var_flat, part.var_flat)


def test_each_slit_of_a_file_is_an_exposure(slit_hdus, tmp_path):
    hdus = slit_hdus(SUBSTRT2=5)
    hdus.writeto(tmp_path / "a_cal.fits")
    opened = [o.product for o in open_products(tmp_path / "a_cal.fits")]
    assert [p.exposure.slit for p in opened] == ["3", "5"]
    assert [p.exposure.source_id for p in opened] == [70, 71]
    assert [(p.exposure.xstart, p.exposure.ystart) for p in opened] == [(101, 25), (102, 25)]
    for i, product in enumerate(opened):
        np.testing.assert_array_equal(product.data, hdus["SCI", i + 1].data)
        np.testing.assert_array_equal(product.var_flat, hdus["VAR_FLAT", i + 1].data)
    with pytest.raises(InputError, match=r"a_cal.fits: has 2 slits \(3, 5\): choose one"):
        open_product(tmp_path / "a_cal.fits")


def test_slits_are_chosen_by_name(image_hdus, slit_hdus, tmp_path):
    slit_hdus(("S200A1", "S1600A1")).writeto(tmp_path / "a_cal.fits")
    (one,) = open_products(tmp_path / "a_cal.fits", ["S1600A1"])
    assert one.product.data.shape == (7, 11)
    with pytest.raises(InputError, match=r"no slit 'S200A': did you mean 'S200A1'\?"):
        open_products(tmp_path / "a_cal.fits", ["S200A"])
    image_hdus((6, 9)).writeto(tmp_path / "b_cal.fits")
    with pytest.raises(InputError, match="has no slits, but 'S200A1' is asked for"):
        open_products(tmp_path / "b_cal.fits", ["S200A1"])


def test_slits_of_one_name_are_told_apart(slit_hdus, tmp_path):
    slit_hdus(("7", "7")).writeto(tmp_path / "a_cal.fits")
    assert [o.product.exposure.slit for o in open_products(tmp_path / "a_cal.fits")] == [
        "7-1",
        "7-2",
    ]


def test_a_rectified_slit_is_opened_and_what_no_pixel_fell_on_is_flagged(image_hdus, tmp_path):
    hdus = image_hdus((6, 9), DATAMODL="SlitModel", S_RESAMP="COMPLETE")
    del hdus["DQ"]
    weight = np.ones((6, 9), "f4")
    weight[2, 4] = 0
    hdus.append(fits.ImageHDU(weight, name="WHT"))
    hdus.writeto(tmp_path / "a_s2d.fits")
    product = open_product(tmp_path / "a_s2d.fits").product
    assert np.argwhere(product.dq).tolist() == [[2, 4]]


def test_a_cube_has_planes_wavelengths_and_weights(cube_hdus, tmp_path):
    hdus = cube_hdus()
    hdus.writeto(tmp_path / "a_s3d.fits")
    opened = open_product(tmp_path / "a_s3d.fits")
    assert isinstance(opened.product, Cube)
    assert opened.notes == ()
    assert opened.product.wavelengths == (1.25, 1.5, 1.75, 2.0)
    assert opened.product.spaxel == pytest.approx(0.09)
    np.testing.assert_array_equal(opened.product.weight, hdus["WMAP"].data)
    np.testing.assert_array_equal(opened.product.dq, hdus["DQ"].data)
    store = Store(tmp_path / "store")
    store.put("key", opened.product)
    kept = Store(tmp_path / "store").get("key")
    assert kept.wavelengths == opened.product.wavelengths
    np.testing.assert_array_equal(kept.data, opened.product.data)


def test_wavelengths_of_a_cube_come_from_its_table_where_it_has_one(cube_hdus, tmp_path):
    hdus = cube_hdus()
    table = np.zeros(1, [("wavelength", "f4", (4, 1))])
    table["wavelength"][0, :, 0] = [1, 2, 4, 8]
    hdus.append(fits.BinTableHDU(table, name="WCS-TABLE"))
    hdus.writeto(tmp_path / "a_s3d.fits")
    assert open_product(tmp_path / "a_s3d.fits").product.wavelengths == (1, 2, 4, 8)


@pytest.mark.parametrize("gone", ["CRVAL3", "CDELT3", "CUNIT3"])
def test_a_cube_without_wavelengths_is_refused(cube_hdus, tmp_path, gone):
    hdus = cube_hdus()
    if gone == "CUNIT3":
        hdus["SCI"].header[gone] = "Hz"
    else:
        del hdus["SCI"].header[gone]
    hdus.writeto(tmp_path / "a_s3d.fits")
    with pytest.raises(InputError, match="SCI is a cube without wavelengths"):
        open_product(tmp_path / "a_s3d.fits")


def test_what_a_cube_lacks_is_told_and_never_looks_perfect(cube_hdus, tmp_path):
    hdus = cube_hdus()
    for name in ("ERR", "DQ", "WMAP"):
        del hdus[name]
    hdus["SCI"].data[1, 2, 3] = np.nan
    hdus.writeto(tmp_path / "a_s3d.fits")
    opened = open_product(tmp_path / "a_s3d.fits")
    assert [n.partition(" ")[0] for n in opened.notes] == ["ERR", "DQ", "WMAP"]
    assert np.isnan(opened.product.err).all()
    assert np.argwhere(opened.product.dq).tolist() == [[1, 2, 3]]
    assert opened.product.weight is None


@pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/real")
def test_real_spectral_files_are_opened():
    spec = REAL / "spec"
    nod = open_product(spec / "jw02565007001_03101_00002_nrs2_cal.fits").product
    assert (nod.data.shape, nod.exposure.slit, nod.exposure.unit) == ((38, 419), "30", "MJy")
    rectified = open_product(spec / "jw02565007001_03101_00002_nrs2_s2d.fits").product
    assert rectified.exposure.dispaxis == 1
    assert np.nanmax(rectified.wavelength) == pytest.approx(5.3, abs=0.1)
    stack = open_product(next(spec.glob("calib_prism*"))).product
    with fits.open(next(spec.glob("calib_prism*"))) as file:
        wave, weight = file["SPEC1D"].data["wave"], file["WHT"].data
    np.testing.assert_allclose(stack.wavelength[0], wave, rtol=1e-7)
    np.testing.assert_allclose(
        stack.var_rnoise[weight > 0], 1 / weight[weight > 0].astype("f8"), rtol=1e-6
    )
    jupiter = open_product(next((REAL / "cube").glob("*s3d_nav.fits")))
    assert jupiter.product.wavelengths[0] == pytest.approx(7.511)
    assert "ERR is missing: errors are not known" in jupiter.notes
