"""Files of a mask in the official steps: they do the same as in ours, bit for bit."""

import numpy as np
import pytest

import jwinteractive
from jwinteractive import dq
from jwinteractive.detectors import detector
from jwinteractive.masks import Ellipse, Layer, Line, Mask, Selection, read_mask, write_mask
from jwinteractive.references import MaskRef, References
from jwinteractive.step import registry
from jwinteractive.steps.detector.dq_init import DqInitParams, UserDqRef
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

pytest.importorskip("jwst")
STEP = registry["dq_init"]
INSTRUMENTS = ["NIRCAM", "NIRISS", "NIRSPEC", "MIRI"]


def a_ramp(instrument="NIRCAM"):
    return example_ramp(example_exposure(instrument, nints=2, ngroups=4))


def layers(shape, middle):
    """Drawn, scattered, taken off, and for one exposure alone."""
    y, x = middle
    rng = np.random.default_rng(4)
    some = Selection.from_mask(rng.random(shape) < 0.02)
    none = Selection.none(shape)
    ring = (Ellipse(y, x, 11.5, 7.25, 20), Line(((y - 20, x - 20), (y + 5, x + 12)), 2))
    return (
        Layer(name="hot", flags=("HOT", "DO_NOT_USE"), pixels=some),
        Layer(name="drawn", flags=("OTHER_BAD_PIXEL", "DO_NOT_USE"), pixels=none, shapes=ring),
        Layer(name="good", flags=("DO_NOT_USE",), pixels=none, shapes=ring[:1], how="remove"),
        Layer(name="edge", flags=("REFERENCE_PIXEL",), pixels=some, exposure="another"),
        Layer(name="one", flags=("OPEN",), pixels=some, exposure="this"),
    )


def a_mask(ramp):
    ny, nx = ramp.shape
    return Mask.of(ramp.exposure, ramp.shape, layers=layers(ramp.shape, (ny / 2, nx / 2)))


def whole_mask(ramp):
    """Mask of the full frame around the window of a ramp."""
    e, shape = ramp.exposure, detector(ramp.exposure.instrument, ramp.exposure.detector).shape
    return Mask(
        instrument=e.instrument,
        detector=e.detector,
        shape=shape,
        layers=layers(shape, (e.ystart + 30, e.xstart + 30)),
    )


def official(ramp, mask, **parameters):
    from jwst.dq_init import DQInitStep

    given = mask if isinstance(mask, str) else official_model(mask, ramp.exposure)
    return DQInitStep(override_mask=given, **parameters).process(
        official_model(ramp, ramp.exposure)
    )


def ours(ramp, **overrides):
    references = References(overrides=overrides)
    found = {}
    for name, kind in (("mask", MaskRef), ("user_dq", UserDqRef)):
        if kind.reftype in overrides:
            one = references.find(kind, ramp.exposure, ramp.shape)
            found[name] = references.load(one, ramp.exposure, ramp.shape)
    return STEP(ramp, DqInitParams(), {"user_dq": None} | found)


def same(mine, its):
    np.testing.assert_array_equal(mine.pixeldq, its.pixeldq)
    np.testing.assert_array_equal(mine.groupdq, its.groupdq)


@pytest.mark.parametrize("instrument", INSTRUMENTS)
@pytest.mark.parametrize("make", [a_mask, whole_mask])
def test_a_mask_written_as_a_reference_does_the_same_as_an_override(instrument, make, tmp_path):
    ramp = a_ramp(instrument)
    mask = make(ramp)
    path = write_mask(mask, tmp_path / "mask.fits", "reference").path
    its = official(ramp, str(path))
    same(ours(ramp, mask=path), its)
    meant = mask.cut_to(ramp.exposure, ramp.shape).dq()
    np.testing.assert_array_equal(its.pixeldq, ramp.pixeldq | meant)
    assert meant.any()


@pytest.mark.parametrize("instrument", INSTRUMENTS)
@pytest.mark.parametrize("form", ["user_dq", "fits"])
def test_a_mask_written_as_flags_by_the_user_does_the_same(instrument, form, tmp_path):
    ramp = a_ramp(instrument)
    reference = example_references(ramp.exposure)["mask"]
    mask = a_mask(ramp)
    path = write_mask(mask, tmp_path / "flags.fits", form).path
    its = official(ramp, reference, user_supplied_dq=str(path))
    same(ours(ramp, mask=reference, user_supplied_dq=path), its)
    np.testing.assert_array_equal(its.pixeldq, ramp.pixeldq | reference.dq | mask.dq())


@pytest.mark.parametrize("form", ["reference", "user_dq"])
def test_interleaved_frames_take_files_with_their_rows(form, tmp_path):
    from jwst.dq_init import DQInitStep
    from stdatamodels.jwst import datamodels

    from jwinteractive.irs2 import FAST, science_rows

    exposure = example_exposure("NIRSPEC", readpatt="NRSIRS2RAPID", xstart=1, ystart=1, ngroups=1)
    shape, rows = (2048, 2048), science_rows("NRS1")
    mask = Mask.of(exposure, shape, layers=layers(shape, (700, 900)))
    path = write_mask(mask, tmp_path / "m.fits", form, irs2=True).path
    np.testing.assert_array_equal(read_mask(path).dq() & 0x7FFFFFFF, mask.dq() & 0x7FFFFFFF)
    whole = np.zeros((FAST, 2048), np.uint32)
    reference = datamodels.MaskModel(dq=whole)
    for name, size in (("xsize", 2048), ("ysize", 2048), ("xstart", 1), ("ystart", 1)):
        reference[f"meta.subarray.{name}"] = size
    base = reference if form == "user_dq" else str(path)
    given = {"user_supplied_dq": str(path)} if form == "user_dq" else {}
    ramp = datamodels.RampModel((1, 1, FAST, 2048))
    for name, value in reference.meta.subarray.instance.items():
        ramp[f"meta.subarray.{name}"] = value
    ramp.meta.instrument.name, ramp.meta.instrument.detector = "NIRSPEC", "NRS1"
    ramp.meta.exposure.type = "NRS_FIXEDSLIT"
    its = DQInitStep(override_mask=base, **given).process(ramp)
    kind = UserDqRef if form == "user_dq" else MaskRef
    references = References(overrides={kind.reftype: path})
    mine = references.load(references.find(kind, exposure, shape), exposure, shape)
    np.testing.assert_array_equal(mine.dq, its.pixeldq[rows])
    assert (its.pixeldq[rows] & mask.dq() == mask.dq()).all()
    assert not its.pixeldq[np.setdiff1d(np.arange(FAST), rows)].any()


def test_a_reference_on_top_of_another_equals_both_of_them(tmp_path):
    ramp = a_ramp()
    reference = example_references(ramp.exposure)["mask"]
    official_model(reference, ramp.exposure).save(str(tmp_path / "base.fits"))
    mask = a_mask(ramp)
    path = write_mask(mask, tmp_path / "m.fits", "reference", base=tmp_path / "base.fits").path
    its = official(ramp, str(path))
    same(ours(ramp, mask=path), its)
    np.testing.assert_array_equal(its.pixeldq, ramp.pixeldq | reference.dq | mask.dq())


def test_a_session_with_a_mask_equals_the_official_step_with_its_file(nircam_file, tmp_path):
    session = jwinteractive.open(nircam_file)
    name = session.exposures[0].exposure.filename
    empty = session.mask()
    session.use_mask(
        empty.replace(
            layers=tuple(
                m.replace(exposure=name) if m.exposure == "this" else m
                for m in layers(empty.shape, (30, 30))
            )
        )
    )
    mine = session.run("dq_init")
    path = write_mask(session.mask(), tmp_path / "u.fits", "user_dq", exposure=name).path
    before = session.exposures[0].product.native()
    references = session.references.beside_of(session.exposures[0].simulated_references)
    found = references.find(MaskRef, before.exposure, before.shape)
    base = references.load(found, before.exposure, before.shape)
    same(mine, official(before, base, user_supplied_dq=str(path)))
    assert (mine.pixeldq & dq.OPEN).any()


def test_the_official_model_accepts_a_reference_as_it_stands(tmp_path):
    from stdatamodels.jwst import datamodels

    path = write_mask(a_mask(a_ramp()), tmp_path / "mask.fits", "reference").path
    with datamodels.MaskModel(str(path), strict_validation=True) as model:
        model.validate()
        assert model.meta.reftype.upper() == "MASK"
        assert model.meta.instrument.detector == "NRCA1"
        assert (model.meta.subarray.xstart, model.meta.subarray.ystart) == (101, 201)
        assert model.meta.pedigree
        assert model.meta.useafter
    with datamodels.open(str(path)) as model:
        assert isinstance(model, datamodels.MaskModel)


def test_the_flicker_step_measures_just_the_pixels_that_are_meant(tmp_path):
    from jwst.clean_flicker_noise.clean_flicker_noise import do_correction
    from stdatamodels.jwst import datamodels

    exposure = example_exposure()
    shape = (64, 72)
    mask = Mask.of(exposure, shape, layers=layers(shape, (32, 36)))
    bad = (mask.dq() & dq.DO_NOT_USE) != 0
    path = write_mask(mask, tmp_path / "use.fits", "user_mask").path

    def cleaned(masked_value):
        image = datamodels.ImageModel(shape)
        rows = np.arange(shape[0]) % 5 - 2.0
        noise = np.random.default_rng(2).normal(0, 0.01, shape)
        image.data = (rows[:, None] + noise).astype(np.float32)
        image.data[bad] += masked_value
        image.meta.instrument.detector = "NRCA1"
        image.meta.exposure.type, image.meta.subarray.name = "NRC_IMAGE", "FULL"
        image.meta.subarray.slowaxis = 2
        result = do_correction(image, user_mask=str(path), save_mask=True)
        return result[0].data, result[1].data

    plain, used = cleaned(0.0)
    np.testing.assert_array_equal(used != 0, ~bad)
    other, _ = cleaned(1e4)
    np.testing.assert_array_equal(plain[~bad], other[~bad])
    assert np.std(plain[~bad]) < 0.02


def test_the_background_of_slitless_spectra_is_scaled_by_just_the_pixels_that_are_meant(tmp_path):
    from jwst.background import BackgroundStep
    from stdatamodels.jwst import datamodels

    exposure, shape = example_exposure(), (64, 72)
    none = Selection.none(shape)
    drawn = Layer(
        name="spectra", flags=(), role="scene", pixels=none, shapes=(Line(((30, 5), (34, 60)), 9),)
    )
    mask = Mask.of(exposure, shape, layers=(drawn,))
    sources = mask.scene() != 0
    path = write_mask(mask, tmp_path / "use.fits", "user_mask").path

    model = datamodels.ImageModel(shape)
    model.data = np.where(sources, 50, 2).astype(np.float32)
    model.err, model.dq = np.ones(shape, np.float32), np.zeros(shape, np.uint32)
    model.meta.exposure.type = "NRC_WFSS"
    model.meta.source_catalog = "none.ecsv"
    sky = datamodels.WfssBkgModel(data=np.full(shape, 0.5, np.float32), dq=model.dq)
    for meta in (model.meta.subarray, sky.meta.subarray):
        meta.xstart, meta.ystart, meta.xsize, meta.ysize = 1, 1, shape[1], shape[0]
    sky.save(str(tmp_path / "sky.fits"))
    step = BackgroundStep(
        wfss_mask=str(path),
        override_bkg=str(tmp_path / "sky.fits"),
        override_wavelengthrange="N/A",
    )
    result = step.process(model)
    np.testing.assert_array_equal(result.mask != 0, ~sources)
    assert result.meta.background.scaling_factor == pytest.approx(4)


def test_the_mask_that_the_flicker_step_saves_is_taken_in(tmp_path):
    from stdatamodels.jwst import datamodels

    exposure = example_exposure()
    bad = np.random.default_rng(3).random((64, 72)) < 0.1
    model = datamodels.ImageModel(bad.shape)
    model.data = (~bad).astype(np.float32)
    model.save(str(tmp_path / "saved.fits"))
    mask = read_mask(tmp_path / "saved.fits", (exposure, bad.shape))
    np.testing.assert_array_equal(mask.dq() != 0, bad)
