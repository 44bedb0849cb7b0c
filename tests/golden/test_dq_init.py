import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.errors import MissingReference
from jwinteractive.references import MaskRef, References
from jwinteractive.step import registry
from jwinteractive.steps.detector.dq_init import DqInitParams, UserDqRef
from jwinteractive.testing import (
    example_exposure,
    example_ramp,
    example_references,
    official_model,
)

STEP = registry["dq_init"]
P = DqInitParams()


def official(ramp, mask, **parameters):
    pytest.importorskip("jwst")
    from jwst.dq_init import DQInitStep

    step = DQInitStep(override_mask=official_model(mask, ramp.exposure), **parameters)
    return step.process(official_model(ramp, ramp.exposure))


def user_flags(shape, seed=5):
    rng = np.random.default_rng(seed)
    flags = np.zeros(shape, np.uint32)
    flags[rng.random(shape) < 0.1] |= dq.DO_NOT_USE | dq.OTHER_BAD_PIXEL
    flags[rng.random(shape) < 0.1] |= dq.REFERENCE_PIXEL
    return flags


def from_file(path, ramp):
    references = References(overrides={"user_supplied_dq": path})
    found = references.find(UserDqRef, ramp.exposure, ramp.shape)
    return references.load(found, ramp.exposure, ramp.shape)


def test_only_do_not_use_reaches_the_groups():
    ramp = example_ramp(example_exposure(), flagged=False)
    flags = np.zeros(ramp.shape, np.uint32)
    flags[3, 4] = dq.DO_NOT_USE | dq.DEAD
    flags[5, 6] = dq.HOT
    out = STEP(ramp, P, {"mask": MaskRef(dq=flags), "user_dq": None})
    np.testing.assert_array_equal(out.pixeldq, flags)
    assert (out.groupdq[..., 3, 4] == 1).all()
    assert out.groupdq.sum() == ramp.exposure.ngroups


def test_samples_that_are_nan_are_not_to_be_used():
    ramp = example_ramp(example_exposure(nints=2))
    mask = example_references(ramp.exposure)["mask"]
    data = ramp.data.copy()
    data[1, 3, 5, 6] = data[0, 0, 7, 8] = np.nan
    data[0, 1, 7, 8] = np.inf  # a number, if a large one
    plain = STEP(ramp, P, {"mask": mask, "user_dq": None})
    out = STEP(ramp.replace(data=data), P, {"mask": mask, "user_dq": None})
    expected = plain.groupdq.copy()
    expected[1, 3, 5, 6] |= dq.DO_NOT_USE
    expected[0, 0, 7, 8] |= dq.DO_NOT_USE
    np.testing.assert_array_equal(out.groupdq, expected)
    np.testing.assert_array_equal(out.pixeldq, plain.pixeldq)


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRSPEC", "MIRI"])
def test_flags_equal_those_of_the_official_step(instrument):
    ramp = example_ramp(example_exposure(instrument, nints=2, ngroups=5))
    mask = example_references(ramp.exposure)["mask"]
    ours, theirs = STEP(ramp, P, {"mask": mask, "user_dq": None}), official(ramp, mask)
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)


@pytest.mark.parametrize("kind", [np.uint32, np.int32, np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("name", ["", "DQ"])
def test_a_file_of_the_users_own_is_added_as_by_the_official_step(tmp_path, kind, name):
    ramp = example_ramp(example_exposure("NIRISS", nints=2))
    mask = example_references(ramp.exposure)["mask"]
    # neither int32 nor float32 holds bit 31 together with bit 0
    flags = (user_flags(ramp.shape) & 0xFF).astype(kind)
    image = fits.ImageHDU(flags, name=name) if name else fits.PrimaryHDU(flags)
    path = tmp_path / "user.fits"
    fits.HDUList([fits.PrimaryHDU(), image] if name else [image]).writeto(path)
    ours = STEP(ramp, P, {"mask": mask, "user_dq": from_file(path, ramp)})
    theirs = official(ramp, mask, user_supplied_dq=str(path))
    np.testing.assert_array_equal(ours.pixeldq, theirs.pixeldq)
    np.testing.assert_array_equal(ours.groupdq, theirs.groupdq)


def test_all_32_bits_of_a_file_and_of_an_array_arrive(tmp_path):
    ramp = example_ramp(example_exposure("NIRISS"), flagged=False)
    flags, none = user_flags(ramp.shape), MaskRef(dq=np.zeros(ramp.shape, np.uint32))
    path = tmp_path / "user.fits"
    fits.PrimaryHDU(flags).writeto(path)
    for given in (from_file(path, ramp), UserDqRef(dq=flags.astype(np.int64))):
        out = STEP(ramp, P, {"mask": none, "user_dq": given})
        np.testing.assert_array_equal(out.pixeldq, flags)


def test_flags_are_taken_from_the_dq_image_of_a_file_that_has_others_before_it(tmp_path):
    # the official step takes the first image, be it a science frame
    ramp = example_ramp(example_exposure())
    flags, path = user_flags(ramp.shape), tmp_path / "rate.fits"
    science = fits.ImageHDU(np.full(ramp.shape, 3.7, np.float32), name="SCI")
    fits.HDUList([fits.PrimaryHDU(), science, fits.ImageHDU(flags, name="DQ")]).writeto(path)
    np.testing.assert_array_equal(from_file(path, ramp).dq, flags)


def test_a_file_of_another_size_is_refused(tmp_path):
    ramp = example_ramp(example_exposure())
    path = tmp_path / "user.fits"
    fits.PrimaryHDU(np.zeros((7, 9), np.uint8)).writeto(path)
    with pytest.raises(MissingReference, match="cover"):
        from_file(path, ramp)


def test_a_named_file_whose_flags_did_not_come_along_is_not_passed_over():
    ramp = example_ramp(example_exposure())
    mask = example_references(ramp.exposure)["mask"]
    with pytest.raises(MissingReference, match="user_supplied_dq"):
        STEP(ramp, DqInitParams(user_supplied_dq="mine.fits"), {"mask": mask, "user_dq": None})


def test_without_a_file_the_users_flags_are_absent():
    ramp = example_ramp(example_exposure())
    references = References(crds=False)
    found = references.find(UserDqRef, ramp.exposure, ramp.shape)
    with pytest.raises(MissingReference):
        references.load(found, ramp.exposure, ramp.shape)
