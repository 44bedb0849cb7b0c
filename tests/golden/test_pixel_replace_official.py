"""The step pixel_replace against the official one, from file to file: slits, slices, series."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Exposure, Rate, RateInts
from jwinteractive.io import Provenance, write_product
from jwinteractive.recipe import Recipe
from jwinteractive.session import open_session
from jwinteractive.step import Whole, registry

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the official functions' own

PLANES = ("data", "err", "var_poisson", "var_rnoise")
BOTH = [{"algorithm": "fit_profile"}, {"algorithm": "mingrad", "honest_errors": False}]


def same(ours, theirs, algorithm):
    """Flags equal; values to the digits that the official simplex finds."""
    np.testing.assert_array_equal(ours.dq, theirs.dq)
    for name in PLANES:
        mine, other = getattr(ours, name), getattr(theirs, name)
        np.testing.assert_array_equal(np.isnan(mine), np.isnan(other), err_msg=name)
        if algorithm == "mingrad":
            np.testing.assert_array_equal(mine, other, err_msg=name)
        else:
            scale = np.nanmax(np.abs(other))
            np.testing.assert_allclose(mine, other, rtol=3e-3, atol=1e-4 * scale, err_msg=name)


def official(model, algorithm):
    from jwst.pixel_replace.pixel_replace import PixelReplacement

    PixelReplacement(model, algorithm=algorithm, n_adjacent_cols=3).replace()
    return model


@pytest.mark.parametrize("how", BOTH, ids=lambda how: how["algorithm"])
def test_a_published_slit_gets_the_official_values(real, tmp_path, how):
    from stdatamodels.jwst import datamodels

    path = real / "spec" / "jw02565007001_03101_00002_nrs2_cal.fits"
    session = open_session(path, Recipe.of("pixel_replace"), store=None)
    session.set("pixel_replace", **how)
    (made,) = session.write(tmp_path)
    assert made.name == "jw02565007001_03101_00002_nrs2_pixel_replace.fits"
    with datamodels.open(path) as before, datamodels.open(made) as after:
        theirs = official(before, how["algorithm"]).slits[0]
        ours = after.slits[0]
        same(ours, theirs, how["algorithm"])
        assert np.count_nonzero(ours.dq & dq.FLUX_ESTIMATED) > 20
        assert after.meta.cal_step.pixel_replace == "COMPLETE"
    with fits.open(made) as hdus:
        told = hdus["REPLACED"].data != 0
        np.testing.assert_array_equal(told, hdus["DQ"].data & dq.FLUX_ESTIMATED != 0)


def scene(shape, seed, slices=1):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    width = shape[0] / slices
    data = 20 + (500 + 3 * x) * np.exp(-0.5 * ((y % width - width / 2) / 1.5) ** 2)
    poisson, read = data / 2, np.full(shape, 4.0)
    data = data + rng.normal(size=shape) * np.sqrt(poisson + read)
    hit = rng.random(shape) < 0.03
    flags = np.where(hit, dq.DO_NOT_USE, 0).astype(np.uint32)
    planes = [data, np.sqrt(poisson + read), poisson, read]
    planes = [np.where(hit, np.nan, plane).astype(np.float32) for plane in planes]
    return dict(zip(PLANES, planes, strict=True)) | {"dq": flags}


def run(product, path=None, **how):
    step = registry["pixel_replace"]
    p = step.params.from_dict(how)
    whole = Whole(product.exposure, product.covers, product.crop, path)
    return step(product, p, {}, step.learn(whole, p, {}))


@pytest.mark.parametrize("how", BOTH, ids=lambda how: how["algorithm"])
def test_slices_get_the_official_values(tmp_path, how):
    from stdatamodels.jwst.datamodels import IFUImageModel

    planes = scene((36, 80), 1, slices=3)
    labels = np.repeat(np.arange(1, 4), 12)[:, None] * np.ones((1, 80), np.int16)
    labels[::12] = 0
    labels = labels.astype(np.int16)
    exposure = Exposure(instrument="NIRSPEC", detector="NRS1", exp_type="NRS_IFU", dispaxis=1)
    rate = Rate(exposure=exposure, **planes)
    path = write_product(rate, tmp_path / "a_rate.fits", Provenance())
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.ImageHDU(labels, name="REGIONS"))
    model = IFUImageModel(**{name: plane.copy() for name, plane in planes.items()})
    model.regions = labels
    model.meta.wcsinfo.dispersion_direction = 1
    model.meta.exposure.type = "NRS_IFU"
    theirs = official(model, how["algorithm"])
    ours = run(rate, path, **how)
    if how["algorithm"] == "mingrad":  # officially, pixels of two slices are neighbours too
        inner = np.zeros((36, 80), bool)
        for first in (1, 13, 25):
            inner[first + 1 : first + 10] = True
        np.testing.assert_array_equal(ours.data[inner], theirs.data[inner])
        return
    same(ours, theirs, how["algorithm"])


@pytest.mark.parametrize("how", BOTH, ids=lambda how: how["algorithm"])
def test_each_integration_gets_the_official_values(how):
    from stdatamodels.jwst.datamodels import CubeModel

    each = [scene((20, 60), seed) for seed in (1, 2)]
    planes = {name: np.stack([one[name] for one in each]) for name in each[0]}
    exposure = Exposure(
        instrument="NIRSPEC", detector="NRS1", exp_type="NRS_BRIGHTOBJ", dispaxis=1, nints=2
    )
    model = CubeModel(**{name: plane.copy() for name, plane in planes.items()})
    model.meta.wcsinfo.dispersion_direction = 1
    theirs = official(model, how["algorithm"])
    same(run(RateInts(exposure=exposure, **planes), **how), theirs, how["algorithm"])
