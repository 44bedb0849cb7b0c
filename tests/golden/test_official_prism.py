"""Official steps of NIRSpec's prism with real references, to the point where one is not there."""

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive.errors import MissingReference
from jwinteractive.recipe import Recipe
from jwinteractive.refs_check import check

SHAPE = (32, 512)
LEVEL = 20000


@pytest.fixture(scope="module")
def refs(real):
    return real / "refs/nirspec_SUB512_set"


def described(model):
    """Model with the header of a time series through the slit S1600A1, read as SUB512."""
    meta = model.meta
    meta.instrument.instance.update(name="NIRSPEC", detector="NRS1", fixed_slit="S1600A1")
    meta.instrument.instance.update(filter="CLEAR", grating="PRISM", lamp_state="NONE")
    meta.instrument.gwa_xtilt, meta.instrument.gwa_ytilt = 0.359, 0.1344
    meta.exposure.instance.update(type="NRS_BRIGHTOBJ", readpatt="NRSRAPID", nints=2, ngroups=4)
    meta.exposure.instance.update(nframes=1, groupgap=0, frame_time=0.22, group_time=0.22)
    place = {"xstart": 1025, "ystart": 957, "xsize": SHAPE[1], "ysize": SHAPE[0]}
    meta.subarray.instance.update(name="SUB512", fastaxis=2, slowaxis=1, **place)
    meta.observation.date, meta.observation.time = "2024-01-01", "00:00:00"
    return model


@pytest.fixture(scope="module")
def uncal(tmp_path_factory):
    from stdatamodels.jwst import datamodels

    path = tmp_path_factory.mktemp("prism") / "jw99999001001_06101_00001_nrs1_uncal.fits"
    described(datamodels.Level1bModel(np.full((2, 4, *SHAPE), LEVEL, np.uint16))).save(path)
    return path


@pytest.fixture(scope="module")
def rateints(tmp_path_factory):
    from stdatamodels.jwst import datamodels

    path = tmp_path_factory.mktemp("prism") / "jw99999001001_06101_00001_nrs1_rateints.fits"
    model = described(datamodels.CubeModel(np.ones((2, *SHAPE), "f4")))
    model.meta.bunit_data = "DN/s"
    model.save(path)
    return path


def test_bias_and_dark_of_the_subarray_are_subtracted(refs, uncal):
    recipe = Recipe.of("official_superbias", "official_dark_current")
    session = jwinteractive.open(uncal, recipe, refs)
    biased = session.run("official_superbias")
    with fits.open(refs / "jwst_nirspec_superbias_0075.fits") as hdus:
        bias, good = hdus["SCI"].data, hdus["DQ"].data == 0
    assert good.mean() > 0.9
    for group in range(4):
        np.testing.assert_allclose(biased.data[0, group][good], (LEVEL - bias)[good], rtol=1e-6)
    dark = fits.getdata(refs / "jwst_nirspec_dark_0046.fits", "SCI")
    less = biased.data[1] - session.run("official_dark_current").data[1]
    # the reference has a frame for each group of one frame
    known = np.isfinite(dark[:4]) & np.isfinite(less)
    assert known.mean() > 0.9
    np.testing.assert_allclose(less[known], dark[:4][known], atol=0.01)


def test_coordinates_ask_for_the_shutters_alone(refs, rateints):
    session = jwinteractive.open(rateints, "official", refs)
    with pytest.raises(MissingReference, match="AssignWcsStep asks for a msa reference"):
        session.run()
    used = next(one for one in check(session)[0].steps if one.step == "official_assign_wcs")
    assert used.missing == ("msa",)


def test_raw_groups_ask_for_the_mask_that_is_not_among_them(refs, uncal):
    session = jwinteractive.open(uncal, "official", refs)
    with pytest.raises(MissingReference, match="DQInitStep asks for a mask reference"):
        session.run()
