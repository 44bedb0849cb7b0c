"""Spectra and slits written as official files."""

import dataclasses as dc

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Box, SpectrumSet
from jwinteractive.errors import OutputError
from jwinteractive.io import (
    Provenance,
    StepRecord,
    open_product,
    open_products,
    read_provenance,
    write_back,
    write_product,
    write_spectra,
)
from jwinteractive.testing import example_exposure

DONE = Provenance(steps=(StepRecord(step="extract_1d", cal_step="extract_1d"),), recipe="spec")


def spectrum(source=None, count=1, sources=1, nx=9, **changes):
    """Spectra of random numbers in Jy; the first column has no wavelength, the last no flux."""
    rng = np.random.default_rng(8)
    shape = (count, sources, nx)
    wavelength = np.broadcast_to(np.linspace(1, 2, nx), (sources, nx)).copy()
    wavelength[:, 0] = np.nan
    flux = rng.uniform(1, 2, shape)
    flux[..., -1] = np.nan
    flags = np.zeros(shape, np.uint32)
    flags[..., -1] = dq.DO_NOT_USE
    exposure = example_exposure("NIRSPEC", unit="Jy", dispaxis=1, source_type="POINT")
    given = {
        "exposure": exposure if source is None else source.exposure,
        "source": None if source is None else source.source,
        "flux": flux,
        "variances": rng.uniform(1, 2, (3, *shape)),
        "background": rng.uniform(1, 2, shape),
        "background_variances": rng.uniform(1, 2, (3, *shape)),
        "npixels": rng.uniform(4, 5, shape),
        "dq": flags,
        "wavelength": wavelength,
        "names": tuple(f"star {i}" for i in range(sources)),
        "limits": (0.0, nx - 1.0, 2.5, 6.0) * sources,
        "per_pixel": 0.25,
        "surface_unit": "MJy/sr",
    }
    return SpectrumSet(**(given | changes))


def test_a_spectrum_is_an_official_one(tmp_path):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    s = spectrum()
    path = write_spectra([s], tmp_path / "a_x1d.fits", DONE)
    with datamodels.open(path) as model:
        assert isinstance(model, datamodels.MultiSpecModel)
        model.validate()
        assert model.meta.cal_step.extract_1d == "COMPLETE"
        (one,) = model.spec
        table = one.spec_table
        assert table["WAVELENGTH"].tolist() == s.wavelength[0, 1:].tolist()
        np.testing.assert_array_equal(table["FLUX"], s.flux[0, 0, 1:])
        np.testing.assert_array_equal(table["FLUX_VAR_FLAT"], s.variances[2, 0, 0, 1:])
        np.testing.assert_allclose(
            table["FLUX_ERROR"], np.sqrt(s.variances[:, 0, 0, 1:].sum(axis=0)), rtol=1e-15
        )
        size = 0.25 * s.npixels[0, 0, 1:]
        np.testing.assert_allclose(table["SURF_BRIGHT"], s.flux[0, 0, 1:] / size)
        np.testing.assert_allclose(table["BACKGROUND"], s.background[0, 0, 1:] / size)
        np.testing.assert_allclose(
            table["BKGD_VAR_RNOISE"], s.background_variances[1, 0, 0, 1:] / size**2
        )
        assert table["DQ"].tolist() == [0] * 7 + [1]
        units = [table.columns[n].unit for n in ("WAVELENGTH", "FLUX", "FLUX_VAR_POISSON")]
        assert units == ["um", "Jy", "Jy^2"]
        assert table.columns["SB_VAR_POISSON"].unit == "MJy^2 / sr^2"
        assert (one.extraction_xstart, one.extraction_ystart, one.extraction_ystop) == (1, 3.5, 7)
        assert one.source_type == "POINT"
        assert one.dispersion_direction == 1
    assert read_provenance(path) == DONE


def test_specutils_reads_what_was_written(tmp_path):
    specutils = pytest.importorskip("specutils")
    s = spectrum()
    path = write_spectra([s], tmp_path / "a_x1d.fits", DONE)
    for keys in ({}, {"format": "JWST x1d"}):
        read = specutils.Spectrum.read(path, **keys)
        np.testing.assert_array_equal(read.flux.value, s.flux[0, 0, 1:])
        assert str(read.flux.unit) == "Jy"
        np.testing.assert_array_equal(read.spectral_axis.to_value("um"), s.wavelength[0, 1:])
        np.testing.assert_allclose(read.uncertainty.array, s.err[0, 0, 1:])


def test_all_sources_of_all_slits_are_in_one_file(slit_hdus, tmp_path):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    slit_hdus().writeto(tmp_path / "a_cal.fits")
    first, second = (o.product for o in open_products(tmp_path / "a_cal.fits"))
    spectra = [spectrum(first, sources=2), spectrum(second)]
    path = write_spectra(spectra, tmp_path / "a_x1d.fits", DONE)
    with datamodels.open(path) as model:
        assert [s.name for s in model.spec] == ["3", "3", "5"]
        assert [s.source_name for s in model.spec[:2]] == ["star 0", "star 1"]
        assert model.spec[2].source_id == 71
        np.testing.assert_array_equal(model.spec[1].spec_table["FLUX"], spectra[0].flux[0, 1, 1:])
        assert model.meta.instrument.detector == "NRS1"


def test_spectra_of_a_time_series_have_a_row_for_each_integration(image_hdus, tmp_path):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    hdus = image_hdus((3, 6, 9), INTSTART=11, INTEND=13)
    times = np.zeros(3, [("integration_number", "i4"), ("int_mid_MJD_UTC", "f8")])
    times["integration_number"] = [11, 12, 13]
    times["int_mid_MJD_UTC"] = [60000.25, 60000.5, 60000.75]
    hdus.append(fits.BinTableHDU(times, name="INT_TIMES"))
    hdus.writeto(tmp_path / "a_calints.fits")
    s = spectrum(open_product(tmp_path / "a_calints.fits").product, count=3)
    path = write_spectra([s], tmp_path / "a_x1dints.fits", DONE)
    with datamodels.open(path) as model:
        assert isinstance(model, datamodels.TSOMultiSpecModel)
        model.validate()
        table = model.spec[0].spec_table
        np.testing.assert_array_equal(table["FLUX"], s.flux[:, 0, 1:])
        np.testing.assert_array_equal(table["WAVELENGTH"], np.tile(s.wavelength[0, 1:], (3, 1)))
        assert table["INT_NUM"].tolist() == [11, 12, 13]
        assert table["N_ALONGDISP"].tolist() == [8, 8, 8]
        assert table["MJD-AVG"].tolist() == [60000.25, 60000.5, 60000.75]
        assert np.isnan(table["MJD-BEG"]).all()


def test_a_spectrum_without_wavelengths_has_an_axis_of_pixels_that_says_so(tmp_path):
    s = spectrum(wavelength=np.full((1, 9), np.nan), per_pixel=0.0)
    path = write_spectra([s], tmp_path / "a_x1d.fits", DONE)
    with fits.open(path) as file:
        table = file["EXTRACT1D"]
        assert table.columns["WAVELENGTH"].unit == "pixel"
        assert table.data["WAVELENGTH"].tolist() == list(range(9))
        assert np.isnan(table.data["SURF_BRIGHT"]).all()
        np.testing.assert_allclose(
            table.data["BACKGROUND"], s.background[0, 0] / s.npixels[0, 0], rtol=1e-14
        )
    assert s.axis()[1] == "pixel (no wavelength is known)"


def test_a_spectrum_without_any_flux_is_not_written(tmp_path):
    s = spectrum(flux=np.full((1, 1, 9), np.nan))
    with pytest.raises(OutputError, match="no spectrum has a flux: check the aperture"):
        write_spectra([s], tmp_path / "a_x1d.fits", DONE)
    assert not list(tmp_path.iterdir())


def test_a_slit_goes_back_and_all_else_stays(slit_hdus, tmp_path):
    hdus = slit_hdus(CAL_VER="1.2", S_PXREPL="COMPLETE")
    hdus.append(fits.ImageHDU(np.arange(5), name="NOTES", ver=9))
    hdus.writeto(tmp_path / "a_cal.fits")
    second = open_products(tmp_path / "a_cal.fits")[1].product
    replaced = np.zeros(second.data.shape, np.uint8)
    replaced[3, 4] = 1
    flags = second.dq.copy()
    flags[3, 4] = 2**31 + 1
    changed = second.replace(data=second.data * 3, dq=flags, replaced=replaced)
    skipped = StepRecord(step="pixel_replace", cal_step="pixel_replace", state="skipped")
    done = dc.replace(DONE, steps=(*DONE.steps, skipped))
    path = write_product(changed, tmp_path / "b_cal.fits", done)
    with fits.open(tmp_path / "a_cal.fits") as old, fits.open(path) as new:
        for hdu in old[1:]:
            there = new[hdu.name, hdu.ver]
            if (hdu.name, hdu.ver) not in (("SCI", 2), ("DQ", 2)):
                np.testing.assert_array_equal(there.data, hdu.data)
            assert set(hdu.header) - {"CHECKSUM", "DATASUM"} <= set(there.header)
        np.testing.assert_array_equal(new["SCI", 2].data, old["SCI", 2].data * 3)
        assert new["DQ", 2].data[3, 4] == 2**31 + 1
        assert ("REPLACED", 1) not in new
        assert new[0].header["CAL_VER"] == "1.2"
        assert new[0].header["S_EXTR1D"] == "COMPLETE"
        assert new[0].header["S_PXREPL"] == "COMPLETE"
    again = open_products(path)[1].product
    np.testing.assert_array_equal(again.replaced, replaced)
    assert read_provenance(path) == done
    # once more: nothing is there twice
    more = write_product(again, tmp_path / "c_cal.fits", DONE)
    with fits.open(more) as file:
        keys = [(h.name, h.ver) for h in file]
    assert len(keys) == len(set(keys))
    assert len(read_provenance(more).steps) == 3


def test_slits_of_one_file_go_back_together(slit_hdus, tmp_path):
    hdus = slit_hdus()
    hdus.writeto(tmp_path / "a_cal.fits")
    both = [o.product for o in open_products(tmp_path / "a_cal.fits")]
    changed = [p.replace(data=p.data * (i + 2)) for i, p in enumerate(both)]
    path = write_back(changed, tmp_path / "b_cal.fits", DONE)
    for i, opened in enumerate(open_products(path)):
        np.testing.assert_array_equal(opened.product.data, both[i].data * (i + 2))


def test_planes_that_a_slit_never_had_are_not_made_up(image_hdus, tmp_path):
    hdus = image_hdus((6, 9), DATAMODL="SlitModel")
    for name in ("VAR_POISSON", "VAR_RNOISE", "ERR"):
        del hdus[name]
    hdus.writeto(tmp_path / "a_cal.fits")
    product = open_product(tmp_path / "a_cal.fits").product
    path = write_product(product, tmp_path / "b_cal.fits", DONE)
    with fits.open(path) as file:
        assert {"VAR_POISSON", "VAR_RNOISE", "ERR"}.isdisjoint(h.name for h in file)


def test_only_a_whole_slit_goes_back(slit_hdus, tmp_path):
    slit_hdus().writeto(tmp_path / "a_cal.fits")
    part = open_products(tmp_path / "a_cal.fits")[0].product.crop(Box(1, 4, 2, 8))
    with pytest.raises(OutputError, match=r"product is \(3, 6\), its slit \(6, 9\)"):
        write_product(part, tmp_path / "b_cal.fits", DONE)


def test_a_cube_goes_back(cube_hdus, tmp_path):
    cube_hdus().writeto(tmp_path / "a_s3d.fits")
    product = open_product(tmp_path / "a_s3d.fits").product
    path = write_product(product.replace(data=product.data + 1), tmp_path / "b_s3d.fits", DONE)
    again = open_product(path).product
    np.testing.assert_array_equal(again.data, product.data + 1)
    assert again.wavelengths == product.wavelengths
