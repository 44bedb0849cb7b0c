"""Opening and writing JWST files, and what is kept of how they were made."""

import dataclasses as dc
import errno
import gzip
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst import datamodels

from jwinteractive import dq
from jwinteractive.data import Box, Ramp, Rate, RateInts
from jwinteractive.errors import InputError, OutputError
from jwinteractive.io import (
    Provenance,
    ReferenceRecord,
    StepRecord,
    check_writable,
    exposure_of,
    header_of,
    open_product,
    output_name,
    read_provenance,
    write,
    write_product,
)
from jwinteractive.testing import example_exposure

SHAPE = (40, 48)
REAL = Path(__file__).parents[2] / ".." / "shared" / "real"

EXPOSURE = example_exposure(nints=2, ngroups=3, noutputs=1, done=("group_scale",))
PROVENANCE = Provenance(
    steps=(
        StepRecord(step="dark_current", cal_step="dark_sub", parameters={"a": 1.5, "b": None}),
        StepRecord(step="ramp_fit", version=3, parameters={"name": 'slow "β" \\'}),
        StepRecord(step="jump", state="skipped", reason="two groups are too few – skipped"),
        StepRecord(step="one_over_f"),
    ),
    references=(
        ReferenceRecord("dark", "crds", "jwst_nircam_dark_0001.fits", "d1"),
        ReferenceRecord("gain", "nominal", "nominal", "g1"),
        ReferenceRecord("readnoise", "folder", "räuschen.fits", "r1"),
    ),
    recipe="näher",
    key="0123abcd",
)


def samples(seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 65536, (2, 3, *SHAPE)).astype(np.uint16)


def raw_hdus(**cards):
    """An uncal file of 2 integrations of 3 groups, with things in it that nobody knows."""
    primary = fits.PrimaryHDU(header=fits.Header(header_of(EXPOSURE, SHAPE)))
    primary.header.update({"DATAMODL": "Level1bModel", "CAL_VER": "1.2.3", "TITLE": "A survey"})
    primary.header["MYOWNKEY"] = ("hello", "not in any dictionary")
    primary.header["CROWDED"] = 0.1 + 0.2
    primary.header["HISTORY"] = "made by hand"
    primary.header.update(cards)
    data = samples()
    science = fits.ImageHDU(data, name="SCI")
    science.header["RA_REF"] = 12.5
    science.header["BUNIT"] = "DN"
    science.header["SCIOWN"] = 7
    times = np.array([(1, 59000.5), (2, 59000.6)], dtype=[("n", "i4"), ("t", "f8")])
    return fits.HDUList(
        [
            primary,
            science,
            fits.ImageHDU(data[:, 0] // 2, name="ZEROFRAME"),
            fits.ImageHDU(np.arange(12.0).reshape(3, 4), name="NOTES"),
            fits.BinTableHDU(times, name="CLOCK"),
        ]
    )


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "jw01234_nrca1_uncal.fits"
    raw_hdus().writeto(path)
    return path


def rate_of(ramp, seed=3):
    return Rate(exposure=ramp.exposure, source=ramp.source, **planes(SHAPE, seed))


def planes(shape, seed=3):
    rng = np.random.default_rng(seed)
    found = {n: rng.random(shape, np.float32) for n in ("data", "err", "var_poisson", "var_rnoise")}
    return {**found, "dq": rng.integers(0, 2**32, shape, np.uint32)}


def assert_same_arrays(one, other):
    assert one.arrays().keys() == other.arrays().keys()
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], err_msg=name)


# -- reading ----------------------------------------------------------------------------------


def test_raw_samples_stay_mapped_and_become_unsigned_when_read(raw):
    ramp = open_product(raw).product
    assert isinstance(ramp, Ramp)
    assert isinstance(ramp.data.base, np.memmap)
    assert ramp.data.dtype == ">i2"
    np.testing.assert_array_equal(ramp.native().data, samples())
    np.testing.assert_array_equal(ramp.native().zeroframe, samples()[:, 0] // 2)
    assert ramp.native().data.dtype == np.float32
    assert ramp.native().zero == 0
    assert ramp.source == raw


def test_a_box_of_a_raw_ramp_is_the_same_box_of_the_whole(raw):
    ramp = open_product(raw).product
    box = Box(3, 9, 11, 20)
    assert_same_arrays(ramp.crop(box).native(), ramp.native().crop(box))
    np.testing.assert_array_equal(ramp.crop(box).native().data, samples()[..., 3:9, 11:20])


def test_making_a_ramp_native_twice_changes_nothing(raw):
    ramp = open_product(raw).product.native()
    assert_same_arrays(ramp, ramp.native())


def test_a_zeroframe_stored_another_way_comes_out_the_same(raw, tmp_path):
    hdus = raw_hdus()
    hdus["ZEROFRAME"].data = hdus["ZEROFRAME"].data.astype(np.float32)
    path = tmp_path / "float_uncal.fits"
    hdus.writeto(path)
    ramp = open_product(path).product.native()
    np.testing.assert_array_equal(ramp.zeroframe, open_product(raw).product.native().zeroframe)


def test_the_header_gives_the_exposure_and_nothing_is_assumed(raw):
    opened = open_product(raw)
    assert opened.product.exposure == EXPOSURE
    assert opened.notes == ()


def test_missing_flags_cost_no_memory_and_cannot_be_written(raw):
    ramp = open_product(raw).product
    assert set(ramp.groupdq.strides) == {0}
    assert ramp.groupdq.shape == (2, 3, *SHAPE)
    assert ramp.pixeldq.dtype == np.uint32
    with pytest.raises(ValueError, match="read-only"):
        ramp.groupdq[0, 0, 0, 0] = 1


def sparse_uncal(path, shape):
    """Write a raw file whose samples take no room on the disk."""
    hdus = raw_hdus()
    science = hdus["SCI"].header
    for i, n in enumerate(reversed(shape), 1):
        science[f"NAXIS{i}"] = n
    size = 2 * int(np.prod(shape))
    with path.open("wb") as stream:
        stream.write(hdus[0].header.tostring().encode())
        stream.write(science.tostring().encode())
        stream.truncate(stream.tell() + size + -size % 2880)
    return path


def test_opening_a_gigabyte_allocates_next_to_nothing(tmp_path):
    path = sparse_uncal(tmp_path / "big_uncal.fits", (2, 64, 2048, 2048))
    open_product(path)  # imports, caches
    tracemalloc.start()
    try:
        ramp = open_product(path).product
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ramp.data.nbytes == 2**30
    assert peak < 2e6
    assert ramp.crop(Box(2047, 2048, 0, 4)).native().data[1, 63, 0, 3] == 32768


def test_reading_imports_no_data_models(raw):
    code = (
        "import sys; from jwinteractive.io import open_product, read_provenance; "
        f"open_product({str(raw)!r}); read_provenance({str(raw)!r}); "
        "assert not {'stdatamodels', 'asdf', 'jwst'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_packed_file_is_read_whole(raw, tmp_path):
    path = tmp_path / "packed_uncal.fits.gz"
    path.write_bytes(gzip.compress(raw.read_bytes()))
    assert_same_arrays(open_product(path).product.native(), open_product(raw).product.native())


def test_an_image_in_tiles_is_read_whole(tmp_path):
    image = samples()[0, 0].astype(np.int32)
    header = fits.Header(header_of(EXPOSURE, SHAPE))
    tiles = fits.CompImageHDU(image, name="SCI")
    fits.HDUList([fits.PrimaryHDU(header=header), tiles]).writeto(tmp_path / "a_rate.fits")
    np.testing.assert_array_equal(open_product(tmp_path / "a_rate.fits").product.data, image)


def test_samples_with_a_scale_are_read_whole(tmp_path):
    hdus = raw_hdus()
    hdus["SCI"].data = samples().astype(np.int16) // 4
    path = tmp_path / "scaled_uncal.fits"
    hdus.writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as written:
        written["SCI"].header["BSCALE"] = 2.0
        written["SCI"].header["BZERO"] = 100.0
    found = open_product(path).product.native().data
    np.testing.assert_array_equal(found, samples().astype(np.int16) // 4 * 2.0 + 100)


def test_a_ramp_file_keeps_its_flags(tmp_path):
    rng = np.random.default_rng(5)
    hdus = raw_hdus(DATAMODL="RampModel")
    del hdus["ZEROFRAME"]
    data = rng.normal(0, 100, (2, 3, *SHAPE)).astype(np.float32)
    groupdq = rng.integers(0, 256, data.shape, np.uint8)
    pixeldq = rng.integers(0, 2**32, SHAPE, np.uint32)
    hdus["SCI"].data = data
    hdus += [fits.ImageHDU(groupdq, name="GROUPDQ"), fits.ImageHDU(pixeldq, name="PIXELDQ")]
    hdus.writeto(tmp_path / "a_ramp.fits")
    ramp = open_product(tmp_path / "a_ramp.fits").product
    assert isinstance(ramp.data.base, np.memmap)
    np.testing.assert_array_equal(ramp.native().data, data)
    np.testing.assert_array_equal(ramp.groupdq, groupdq)
    np.testing.assert_array_equal(ramp.pixeldq, pixeldq)
    assert ramp.pixeldq.dtype == np.uint32


def image_hdus(shape, **extra):
    header = fits.Header(header_of(EXPOSURE, SHAPE))
    data = planes(shape)["data"].copy()
    data[..., 4, 5] = np.nan
    images = [fits.ImageHDU(a, name=n.upper()) for n, a in extra.items()]
    return fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(data, name="SCI"), *images])


def test_planes_that_a_rate_lacks_are_never_made_to_look_perfect(tmp_path):
    image_hdus(SHAPE).writeto(tmp_path / "bare_rate.fits")
    opened = open_product(tmp_path / "bare_rate.fits")
    rate = opened.product
    assert np.isnan(rate.err).all()
    assert np.isnan(rate.var_rnoise).all()
    assert rate.dq[4, 5] == dq.DO_NOT_USE
    assert np.count_nonzero(rate.dq) == 1
    assert len(opened.notes) == 4


def test_an_error_plane_that_is_missing_comes_from_the_variances(tmp_path):
    full = np.full((2, *SHAPE), 4.0, np.float32)
    image_hdus(full.shape, var_poisson=full, var_rnoise=full + 1).writeto(tmp_path / "a_rate.fits")
    product = open_product(tmp_path / "a_rate.fits").product
    assert isinstance(product, RateInts)
    np.testing.assert_allclose(product.err, 3.0)


def test_an_image_in_the_primary_hdu_is_a_rate(tmp_path):
    hdus = image_hdus(SHAPE)
    header = hdus[0].header
    header["DATAMODL"] = "CubeModel"
    header["MYOWNKEY"], header["RA_REF"] = "hello", 12.5
    fits.PrimaryHDU(hdus[1].data, header).writeto(tmp_path / "old.fits")
    rate = open_product(tmp_path / "old.fits").product
    assert isinstance(rate, Rate)
    with fits.open(write_product(rate, tmp_path / "old_rate.fits", PROVENANCE)) as written:
        assert written[0].shape == ()
        assert written[0].header["MYOWNKEY"] == "hello"
        assert "MYOWNKEY" not in written["SCI"].header
        assert written["SCI"].header["RA_REF"] == 12.5


def test_missing_keywords_come_from_the_detector_tables_and_are_told():
    cards = {"INSTRUME": "MIRI", "DETECTOR": "mirimage", "READPATT": "FAST", "NFRAMES": "many"}
    exposure, notes = exposure_of(cards, (1, 5, 64, 72))
    assert exposure.subarray == "SUB64"
    assert (exposure.xstart, exposure.ystart) == (1, 779)
    assert (exposure.nframes, exposure.groupgap, exposure.ngroups) == (1, 0, 5)
    assert exposure.frame_time == pytest.approx(0.085, abs=0.001)
    assert exposure.group_time == exposure.frame_time
    assert (exposure.fastaxis, exposure.slowaxis) == (1, 2)
    assert exposure.readpatt == "FASTR1"
    assert "NFRAMES = 'MANY' makes no sense and was left out" in notes
    assert any(note.startswith("TFRAME is missing: 0.08") for note in notes)


def test_the_array_is_right_where_the_header_disagrees():
    cards = header_of(EXPOSURE, SHAPE)
    exposure, notes = exposure_of(cards, (7, 9, *SHAPE))
    assert (exposure.nints, exposure.ngroups) == (7, 9)
    assert notes == (
        "NINTS = 2, but the file holds 7: these were taken",
        "NGROUPS = 3, but the file holds 9: these were taken",
    )


def test_a_segment_of_a_long_exposure_is_no_disagreement():
    cards = {**header_of(EXPOSURE, SHAPE), "NINTS": 50, "INTSTART": 11, "INTEND": 17}
    exposure, notes = exposure_of(cards, (7, 3, *SHAPE))
    assert exposure.nints == 7
    assert exposure.first_integration == 11
    assert notes == ()


def test_a_header_says_all_that_an_exposure_knows():
    assert exposure_of(header_of(EXPOSURE, SHAPE), (2, 3, *SHAPE)) == (EXPOSURE, ())


def broken(raw, tmp_path, how):
    path = tmp_path / "bad.fits"
    hdus = raw_hdus()
    if how == "folder":
        return tmp_path
    if how == "absent":
        return path
    if how in ("text", "empty"):
        path.write_bytes(b"# a table\n1 2 3\n" * 500 if how == "text" else b"")
        return path
    if how in ("cut pixels", "cut header"):
        with fits.open(raw) as whole:
            keep = whole["SCI"].fileinfo()
        end = keep["datLoc"] + (1000 if how == "cut pixels" else keep["datSpan"] + 800)
        path.write_bytes(raw.read_bytes()[:end])
        return path
    if how == "cut gzip":
        path = tmp_path / "bad.fits.gz"
        path.write_bytes(gzip.compress(raw.read_bytes())[:9000])
        return path
    if how == "no SCI":
        del hdus["SCI"]
    if how == "many SCI":
        hdus.append(fits.ImageHDU(np.ones(SHAPE), name="SCI", ver=2))
    if how == "spectra":
        hdus[0].header["DATAMODL"] = "MultiSpecModel"
    if how == "mosaic":
        hdus[0].header["S_RESAMP"] = "COMPLETE"
    if how == "one axis":
        hdus["SCI"].data = np.ones(12, np.float32)
    if how == "no groups":
        hdus["SCI"].data = np.ones((2, 0, *SHAPE), np.float32)
    if how == "instrument":
        hdus[0].header["INSTRUME"] = "WFC3"
    if how == "detector":
        hdus[0].header["DETECTOR"] = "NRCA9"
    if how == "shape of a plane":
        hdus["ZEROFRAME"].data = np.zeros((2, 3, 4), np.float32)
    hdus.writeto(path)
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("folder", "is a folder"),
        ("absent", "no such file"),
        ("text", r"does not appear to be a valid FITS file\): copy or download it again$"),
        ("empty", "cannot be read as FITS"),
        ("cut pixels", "is cut short: SCI ends at byte"),
        ("cut header", "is cut short in the header after SCI"),
        ("cut gzip", "cannot be read as FITS"),
        ("no SCI", "has no SCI image, only PRIMARY, ZEROFRAME, NOTES, CLOCK"),
        ("many SCI", "has 2 SCI images"),
        ("spectra", "is a MultiSpecModel"),
        ("mosaic", "is resampled"),
        ("one axis", "SCI has 1 dimensions"),
        ("no groups", "has no groups"),
        ("instrument", "INSTRUME = 'WFC3': unknown: known are FGS, MIRI"),
        ("detector", "detector = 'NRCA9': unknown"),
        ("shape of a plane", "ZEROFRAME is .2, 3, 4., SCI asks for .2, 40, 48."),
    ],
)
def test_a_bad_file_is_refused_in_one_line(raw, tmp_path, how, said):
    with pytest.raises(InputError, match=said) as caught:
        open_product(broken(raw, tmp_path, how))
    assert "\n" not in str(caught.value)


def test_a_card_that_is_no_fits_is_kept_and_harms_nothing(raw, tmp_path):
    text = raw.read_bytes().replace(b"MYOWNKEY= 'hello   '", b"MYOWNKEY= hello ? 1 ")
    raw.write_bytes(text)
    rate = rate_of(open_product(raw).product)
    path = write_product(rate, tmp_path / "a_rate.fits", PROVENANCE)
    assert fits.getheader(path)["MYOWNKEY"].startswith("hello ?")


# -- writing ----------------------------------------------------------------------------------


def test_a_rate_comes_back_bit_for_bit(raw, tmp_path):
    rate = rate_of(open_product(raw).product)
    path = write_product(rate, tmp_path / "deep" / "a_rate.fits", PROVENANCE)
    assert_same_arrays(open_product(path).product, rate)
    assert [p.name for p in path.parent.iterdir()] == ["a_rate.fits"]


def test_rates_of_integrations_come_back_bit_for_bit(raw, tmp_path):
    ramp = open_product(raw).product
    ints = RateInts(exposure=ramp.exposure, source=raw, **planes((2, *SHAPE)))
    path = write_product(ints, tmp_path / "a_rateints.fits", PROVENANCE)
    assert_same_arrays(open_product(path).product, ints)
    with datamodels.open(path) as model:
        assert type(model) is datamodels.CubeModel


def told_by_a_fit(kind, shape, seed=7):
    rng = np.random.default_rng(seed)
    last = "chi2_between" if kind is Rate else "pedestal"
    found = {name: rng.normal(50, 9, shape).astype(np.float32) for name in ("chi2", last)}
    found["chi2"][..., 0] = np.nan
    return {**found, "dof": rng.integers(0, 300, shape).astype(np.int16)}


@pytest.mark.parametrize(
    ("kind", "model"), [(Rate, datamodels.ImageModel), (RateInts, datamodels.CubeModel)]
)
def test_what_a_fit_tells_goes_beside_the_official_planes(raw, tmp_path, kind, model):
    shape = SHAPE if kind is Rate else (2, *SHAPE)
    plain = kind(exposure=EXPOSURE, source=raw, **planes(shape))
    rich = plain.replace(**told_by_a_fit(kind, shape))
    names = []
    for product, name in ((plain, "plain"), (rich, "rich")):
        path = write_product(product, tmp_path / f"{name}_rate.fits", PROVENANCE)
        again = open_product(path).product
        assert_same_arrays(again, product)
        assert {k: a.dtype for k, a in again.arrays().items()} == {
            k: a.dtype for k, a in product.arrays().items()
        }
        with datamodels.open(path, strict_validation=True, validate_arrays=True) as opened:
            opened.validate()
            assert type(opened) is model
            opened.save(tmp_path / f"{name}_official.fits")
        assert_same_arrays(open_product(tmp_path / f"{name}_official.fits").product, product)
        with fits.open(path) as hdus:
            names.append({hdu.name: hdu.data for hdu in hdus if hdu.name != "ASDF"})
            assert not {"chi2", "dof"} & set(asdf.open(asdf_bytes(hdus)).tree)
    last = "CHI2_BETWEEN" if kind is Rate else "PEDESTAL"
    assert set(names[1]) - set(names[0]) == {"CHI2", "DOF", last}
    for name, data in names[0].items():
        np.testing.assert_array_equal(names[1][name], data, err_msg=name)


def test_pedestals_say_that_they_are_in_dn(tmp_path):
    shape = (2, *SHAPE)
    ints = RateInts(exposure=EXPOSURE, **planes(shape), **told_by_a_fit(RateInts, shape))
    path = write_product(ints, tmp_path / "a_rateints.fits", PROVENANCE)
    assert fits.getheader(path, "PEDESTAL")["BUNIT"] == "DN"
    again = write_product(open_product(path).product, tmp_path / "b_rateints.fits", PROVENANCE)
    assert fits.getheader(again, "PEDESTAL")["BUNIT"] == "DN"


def test_what_an_earlier_fit_told_does_not_outlive_its_rates(tmp_path):
    first = Rate(exposure=EXPOSURE, **planes(SHAPE), **told_by_a_fit(Rate, SHAPE))
    path = write_product(first, tmp_path / "a_rate.fits", PROVENANCE)
    other = Rate(exposure=EXPOSURE, source=path, **planes(SHAPE, seed=8))
    again = write_product(other, tmp_path / "b_rate.fits", PROVENANCE)
    assert_same_arrays(open_product(again).product, other)


def test_a_ramp_comes_back_bit_for_bit(raw, tmp_path):
    ramp = open_product(raw).product
    path = write_product(ramp, tmp_path / "a_ramp.fits", PROVENANCE)
    assert_same_arrays(open_product(path).product.native(), ramp.native())
    with datamodels.open(path) as model:
        assert type(model) is datamodels.RampModel
        assert model.meta.bunit_data == "DN"


def test_a_product_without_a_source_makes_a_whole_file(tmp_path):
    rate = Rate(exposure=EXPOSURE, **planes(SHAPE))
    path = write_product(rate, tmp_path / "a_rate.fits", Provenance())
    opened = open_product(path)
    assert opened.product.exposure == EXPOSURE
    assert opened.notes == ()
    with datamodels.open(path) as model:
        assert model.meta.instrument.detector == "NRCA1"


def test_the_official_package_opens_and_validates_what_was_written(raw, tmp_path):
    path = write_product(rate_of(open_product(raw).product), tmp_path / "a_rate.fits", PROVENANCE)
    with datamodels.open(path, strict_validation=True, validate_arrays=True) as model:
        model.validate()
        assert type(model) is datamodels.ImageModel
        assert model.meta.model_type == "ImageModel"
        assert model.meta.filename == "a_rate.fits"
        assert model.meta.bunit_data == model.meta.bunit_err == "DN/s"
        assert model.meta.cal_step.dark_sub == "COMPLETE"
        assert model.meta.cal_step.ramp_fit == "COMPLETE"
        assert model.meta.cal_step.jump == "SKIPPED"
        assert model.meta.cal_step.group_scale == "COMPLETE"
        assert model.meta.ref_file.dark.name == "crds://jwst_nircam_dark_0001.fits"
        assert model.meta.ref_file.gain.name == "N/A"
        assert model.meta.calibration_software_version == "1.2.3"


@pytest.mark.parametrize("exp_type", ["NRS_IFU", "MIR_MRS"])
def test_a_rate_of_an_ifu_is_an_ifu_model(tmp_path, exp_type):
    exposure = example_exposure("MIRI" if exp_type == "MIR_MRS" else "NIRSPEC", exp_type=exp_type)
    rate = Rate(exposure=exposure, **planes(SHAPE))
    with datamodels.open(write_product(rate, tmp_path / "a_rate.fits", Provenance())) as model:
        assert type(model) is datamodels.IFUImageModel


def test_what_nobody_knows_of_the_source_is_kept(raw, tmp_path):
    path = write_product(rate_of(open_product(raw).product), tmp_path / "a_rate.fits", PROVENANCE)
    with fits.open(path) as hdus, fits.open(raw) as source:
        assert hdus[0].header["MYOWNKEY"] == "hello"
        assert hdus[0].header.comments["MYOWNKEY"] == "not in any dictionary"
        assert hdus[0].header["CROWDED"] == 0.1 + 0.2
        assert hdus[0].header["TITLE"] == "A survey"
        assert "made by hand" in list(hdus[0].header["HISTORY"])
        assert hdus["SCI"].header["RA_REF"] == 12.5
        assert hdus["SCI"].header["SCIOWN"] == 7
        np.testing.assert_array_equal(hdus["NOTES"].data, source["NOTES"].data)
        np.testing.assert_array_equal(hdus["CLOCK"].data["t"], source["CLOCK"].data["t"])
        assert "ZEROFRAME" not in hdus


def test_a_value_that_the_official_schema_refuses_is_kept(tmp_path):
    raw_hdus(COMPRESS=12, EXP_TYPE="NRC_IMAGE", BAND="PURPLE").writeto(tmp_path / "a_uncal.fits")
    ramp = open_product(tmp_path / "a_uncal.fits").product
    path = write_product(rate_of(ramp), tmp_path / "a_rate.fits", PROVENANCE)
    header = fits.getheader(path)
    assert header["COMPRESS"] == 12
    assert header["BAND"] == "PURPLE"


def test_hdus_that_share_a_name_or_have_none_are_kept(tmp_path):
    hdus = raw_hdus()
    for ver in (1, 2):
        hdus.append(fits.ImageHDU(np.full((2, 2), float(ver)), name="TWIN", ver=ver))
    hdus.append(fits.ImageHDU(np.full((2, 2), 9.0)))
    hdus.writeto(tmp_path / "a_uncal.fits")
    ramp = open_product(tmp_path / "a_uncal.fits").product
    path = write_product(rate_of(ramp), tmp_path / "a_rate.fits", PROVENANCE)
    with fits.open(path) as written:
        assert [written["TWIN", v].data[0, 0] for v in (1, 2)] == [1, 2]
        assert [h.data[0, 0] for h in written if not h.name] == [9.0]


@pytest.fixture
def full(raw, tmp_path):
    """A raw file as the archive gives it: ASDF tree, WCS, integration times."""
    gwcs = pytest.importorskip("gwcs")
    from astropy import coordinates, units
    from astropy.modeling.models import Mapping, Shift, Tabular1D
    from gwcs import coordinate_frames as cf

    detector = cf.Frame2D(name="detector", unit=(units.pix, units.pix))
    sky = cf.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    bend = Tabular1D(np.arange(6.0), np.array([0.0, 1, 4, 9, 16, 25]), bounds_error=False)
    chain = Mapping((0, 1)) | (Shift(3.0) & bend)
    path = tmp_path / "jw_full_uncal.fits"
    with datamodels.Level1bModel(raw) as model:
        model.meta.wcs = gwcs.WCS([(detector, chain), (sky, None)])
        times = np.zeros(2, dtype=model.get_dtype("int_times"))
        times["integration_number"] = 1, 2
        times["int_mid_BJD_TDB"] = 60000.25, 60000.75
        model.int_times = times
        model.instance["mine"] = {"deep": [1, 2, 3]}
        model.save(path)
    return path


def kinds(ramp):
    ints = RateInts(exposure=ramp.exposure, source=ramp.source, **planes((2, *SHAPE)))
    return {"ramp": ramp, "rate": rate_of(ramp), "rateints": ints}


@pytest.mark.parametrize("kind", ["ramp", "rate", "rateints"])
def test_the_wcs_the_tree_and_the_tables_outlive_the_change_of_kind(full, tmp_path, kind):
    product = kinds(open_product(full).product)[kind]
    path = write_product(product, tmp_path / f"a_{kind}.fits", PROVENANCE)
    with datamodels.open(path) as model:
        assert model.meta.wcs(2, 3) == pytest.approx((5.0, 9.0))
        assert model.instance["mine"] == {"deep": [1, 2, 3]}
        assert not {"pixeldq", "groupdq"} & set(model.instance) or kind == "ramp"
    with fits.open(path) as hdus:
        assert list(hdus["INT_TIMES"].data["int_mid_BJD_TDB"]) == [60000.25, 60000.75]
        assert "NOTES" in hdus
        names = [h.name for h in hdus]
        assert len(names) == len(set(names))
        tree = asdf.open(asdf_bytes(hdus))
        assert tree["meta"]["model_type"] == type(model).__name__


def asdf_bytes(hdus):
    import io

    return io.BytesIO(hdus["ASDF"].data.tobytes())


def test_a_rate_written_twice_loses_nothing_and_holds_each_thing_once(full, tmp_path):
    first = write_product(rate_of(open_product(full).product), tmp_path / "a_rate.fits", PROVENANCE)
    flat = Provenance(
        steps=(StepRecord(step="flat_field"),),
        references=(ReferenceRecord("dark", "folder", "mine.fits"),),
        recipe="image",
        key="ff",
    )
    again = open_product(first).product
    second = write_product(again, tmp_path / "a_cal.fits", flat)
    assert_same_arrays(open_product(second).product, again)
    with fits.open(first) as one, fits.open(second) as two:
        assert [h.name for h in one] == [h.name for h in two]
        assert [k for k in two[0].header if k.startswith("JWI")] == [
            "JWI_VER",
            "JWI_RCP",
            "JWI_KEY",
        ]
        assert two[0].header["JWI_KEY"] == "ff"
    found = read_provenance(second)
    assert [s.step for s in found.steps] == [s.step for s in PROVENANCE.steps] + ["flat_field"]
    assert [(r.reftype, r.name) for r in found.references][-1] == ("dark", "mine.fits")
    assert len(found.references) == 3


def test_a_calibrated_image_keeps_its_unit(tmp_path):
    hdus = image_hdus(SHAPE)
    hdus["SCI"].header["BUNIT"] = "MJy/sr"
    hdus.writeto(tmp_path / "a_cal.fits")
    opened = open_product(tmp_path / "a_cal.fits")
    assert opened.product.exposure.unit == "MJy/sr"
    path = write_product(opened.product, tmp_path / "b_cal.fits", Provenance())
    assert fits.getheader(path, "SCI")["BUNIT"] == "MJy/sr"


def test_a_step_skipped_because_the_file_had_it_stays_complete(raw, tmp_path):
    ramp = open_product(raw).product
    skipped = Provenance(steps=(StepRecord(step="group_scale", state="skipped", reason="done"),))
    path = write_product(ramp, tmp_path / "a_ramp.fits", skipped)
    assert fits.getheader(path)["S_GRPSCL"] == "COMPLETE"


def test_an_official_step_takes_what_was_written(full, tmp_path):
    pytest.importorskip("jwst")
    from jwst.flatfield import FlatFieldStep

    rate = rate_of(open_product(full).product)
    rate = rate.replace(dq=np.zeros(SHAPE, np.uint32))
    path = write_product(rate, tmp_path / "a_rate.fits", PROVENANCE)
    flat = datamodels.FlatModel(SHAPE)
    flat.data = np.full(SHAPE, 2.0, np.float32)
    flat.err = np.zeros(SHAPE, np.float32)
    flat.dq = np.zeros(SHAPE, np.uint32)
    flat.meta.filename = "flat.fits"
    flat.meta.instrument.name = "NIRCAM"
    flat.meta.subarray.xstart, flat.meta.subarray.ystart = EXPOSURE.xstart, EXPOSURE.ystart
    flat.meta.subarray.ysize, flat.meta.subarray.xsize = SHAPE
    step = FlatFieldStep()
    step.user_supplied_flat = flat  # asks CRDS for nothing
    with datamodels.open(path) as model:
        result = step.process(model)
        assert result.meta.cal_step.flat_field == "COMPLETE"
        np.testing.assert_allclose(result.data, rate.data / 2, rtol=1e-6)
        result.save(tmp_path / "a_cal.fits")
    with fits.open(tmp_path / "a_cal.fits") as hdus:
        assert {"NOTES", "CLOCK", "JWI_STEPS"} <= {h.name for h in hdus}
    assert read_provenance(tmp_path / "a_cal.fits") == PROVENANCE


def test_an_official_step_takes_a_ramp_that_was_written(full, tmp_path):
    pytest.importorskip("jwst")
    from jwst.group_scale import GroupScaleStep

    ramp = open_product(full).product
    ramp = ramp.replace(exposure=dc.replace(ramp.exposure, nframes=3))
    path = write_product(ramp, tmp_path / "a_ramp.fits", PROVENANCE)
    with datamodels.open(path) as model:
        model.meta.exposure.nframes, model.meta.exposure.frame_divisor = 3, 4
        result = GroupScaleStep().process(model)
        np.testing.assert_allclose(result.data, ramp.native().data * (4 / 3), rtol=1e-6)


def test_pixels_of_the_source_that_are_replaced_are_never_read(tmp_path):
    source = sparse_uncal(tmp_path / "long_uncal.fits", (4000, 32, *SHAPE))
    rate = rate_of(open_product(source).product)
    write_product(rate, tmp_path / "first_rate.fits", PROVENANCE)  # imports, caches
    tracemalloc.start()
    try:
        write_product(rate, tmp_path / "a_rate.fits", PROVENANCE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert source.stat().st_size > 4e8
    assert peak < 3e7


def test_rates_of_many_integrations_are_written_without_a_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "_AT_ONCE", 2**18)
    source = sparse_uncal(tmp_path / "long_uncal.fits", (1001, 2, *SHAPE))
    ramp = open_product(source).product
    ints = RateInts(exposure=ramp.exposure, source=source, **planes((1001, *SHAPE)))
    write_product(ints.replace(data=ints.err), tmp_path / "first_rateints.fits", PROVENANCE)
    tracemalloc.start()
    try:
        path = write_product(ints, tmp_path / "a_rateints.fits", PROVENANCE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < ints.data.nbytes / 2
    with fits.open(path, memmap=False) as hdus:
        for name, array in ints.arrays().items():
            np.testing.assert_array_equal(hdus["SCI" if name == "data" else name].data, array)


# -- provenance -------------------------------------------------------------------------------


def test_provenance_comes_back_as_it_was_written(raw, tmp_path):
    path = write_product(rate_of(open_product(raw).product), tmp_path / "a_rate.fits", PROVENANCE)
    assert read_provenance(path) == PROVENANCE
    with fits.open(path) as hdus:
        assert hdus["JWI_STEPS"].data["parameters"][0] == '{"a": 1.5, "b": null}'
        assert any("0123abcd" in line for line in hdus[0].header["HISTORY"])


def test_a_file_of_others_has_no_provenance(raw):
    assert read_provenance(raw) is None


def test_damaged_provenance_is_told(raw, tmp_path):
    path = write_product(rate_of(open_product(raw).product), tmp_path / "a_rate.fits", PROVENANCE)
    with fits.open(path, mode="update") as hdus:
        hdus["JWI_STEPS"].data["parameters"][0] = "{oh"
    with pytest.raises(InputError, match="table of steps cannot be read"):
        read_provenance(path)


# -- what can go wrong when writing -----------------------------------------------------------


def rate_to_write():
    return Rate(exposure=EXPOSURE, **planes(SHAPE))


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "a_rate.fits"
    path.write_bytes(b"older")

    def writeto(hdus, name, **options):
        Path(name).write_bytes(b"SIMPLE")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(fits.HDUList, "writeto", writeto)
    with pytest.raises(OutputError, match=r"No space left on device.: free some space"):
        write_product(rate_to_write(), path, Provenance(), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["a_rate.fits"]
    assert path.read_bytes() == b"older"


def test_a_file_is_replaced_only_when_allowed(tmp_path):
    path = write_product(rate_to_write(), tmp_path / "a_rate.fits", Provenance())
    with pytest.raises(OutputError, match="exists: allow overwriting"):
        write_product(rate_to_write(), path, Provenance())
    write_product(rate_to_write(), path, PROVENANCE, overwrite=True)
    assert read_provenance(path) == PROVENANCE


def test_the_source_is_never_replaced(raw):
    before = raw.read_bytes()
    with pytest.raises(OutputError, match="is the file the product comes from"):
        write_product(open_product(raw).product, raw, Provenance(), overwrite=True)
    assert raw.read_bytes() == before


def test_a_part_of_an_exposure_is_not_written(raw, tmp_path):
    part = open_product(raw).product.crop(Box(0, 10, 0, 48))
    with pytest.raises(OutputError, match="only a whole exposure can be written"):
        write_product(part, tmp_path / "a_ramp.fits", Provenance())


def test_a_source_that_is_gone_is_told(raw, tmp_path):
    rate = rate_of(open_product(raw).product)
    raw.unlink()
    with pytest.raises(InputError, match="no such file"):
        write_product(rate, tmp_path / "a_rate.fits", Provenance())


def test_outputs_are_checked_before_the_work(tmp_path, monkeypatch):
    there = tmp_path / "there.fits"
    there.write_bytes(b"x")
    check_writable([tmp_path / "new" / "deeper" / "a.fits", str(tmp_path / "b.fits")])
    check_writable([there], overwrite=True)
    bad = {
        "exists": [there],
        "twice|two results": [tmp_path / "a.fits", tmp_path / "a.fits"],
        "ends? with .fits": [tmp_path / "a.txt"],
        "is a file, not a folder": [there / "a.fits"],
    }
    for said, paths in bad.items():
        with pytest.raises(OutputError, match=said):
            check_writable(paths)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="may not be written to"):
        check_writable([tmp_path / "a.fits"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("jw01_nrca1_uncal.fits", "jw01_nrca1_rate.fits"),
        ("/data/jw01_nrca1_rateints.fits.gz", "jw01_nrca1_rate.fits"),
        ("jw01_nrca1_cal.FITS", "jw01_nrca1_rate.fits"),
        ("my data.fits", "my data_rate.fits"),
        ("uncal.fits", "uncal_rate.fits"),
        ("a_ramps.fits", "a_ramps_rate.fits"),
    ],
)
def test_an_output_is_named_after_its_input(name, expected):
    assert output_name(name, "rate") == expected


# -- real files -------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/real")
@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [
        ("raw/fgs_acq1_uncal.fits", Ramp, (6, 2, 128, 128)),
        ("raw/miri_ground_SUB64_ramp.fits", Ramp, (5, 50, 64, 72)),
        ("raw/niriss_ami_simulated_uncal.fits", Ramp, (5, 6, 80, 80)),
        ("raw/miri_ground_SUB64_rateints_jwst0170.fits", RateInts, (5, 64, 72)),
        (
            "rate/jw01366002001_01101_00001-seg004_nrca3_rateints_I00372.fits",
            Rate,
            (256, 2048),
        ),
        ("ami/jw01093012001_03102_00001_nis_cal.fits", Rate, (80, 80)),
    ],
)
def test_real_files_go_round(tmp_path, name, kind, shape):
    product = open_product(REAL / name).product
    assert isinstance(product, kind)
    assert product.data.shape == shape
    path = write_product(product, tmp_path / "out_x.fits", PROVENANCE)
    back = open_product(path).product
    assert_same_arrays(back.native(), product.native())
    same = {"done": (), "first_integration": 0}
    assert dc.replace(back.exposure, **same) == dc.replace(product.exposure, **same)
    with fits.open(REAL / name) as source, fits.open(path) as written:
        data = source["SCI"].data if "SCI" in source else source[0].data
        np.testing.assert_array_equal(product.native().data, data)
        keep = set(source[0].header) - {"NAXIS1", "NAXIS2", "CHECKSUM", "DATASUM"}
        assert keep <= set(written[0].header)


@pytest.mark.skipif(not REAL.is_dir(), reason="no ../shared/real")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spec/jw02565007001_03101_00002_nrs2_x1d.fits", "is a MultiSpecModel"),
        ("spec/jw02565007001_01_msa.fits", "has no SCI image"),
        ("refs/nirspec_SUB512_set/jwst_nirspec_photom_0014.fits", "has no SCI|is a"),
    ],
)
def test_real_files_of_other_kinds_are_refused(name, said):
    with pytest.raises(InputError, match=said):
        open_product(REAL / name)
