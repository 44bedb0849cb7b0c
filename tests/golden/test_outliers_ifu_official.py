"""Outliers of integral field units against the official functions, flag by flag."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Exposure, Rate
from jwinteractive.outliers.flagged import flagged
from jwinteractive.outliers.ifu import cut_at, ifu_outliers, measure_differences
from jwinteractive.step import Whole

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the official functions' own

SHAPE = (150, 140)
PLANES = ("data", "err", "var_poisson", "var_rnoise")


def exposures(instrument="MIRI", count=3, seed=1, shape=SHAPE):
    """Slices with gaps of NaN, a bright arc, persistent warm pixels and hits of one exposure."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    scene = 5 + 200 * np.exp(-0.5 * ((x - 40 - y / 10) / 3.0) ** 2)
    warm = (rng.random(shape) < 0.004) * rng.uniform(20, 200, shape)
    gap = (x if instrument == "MIRI" else y) % 30 < 4
    made = []
    for _ in range(count):
        data = scene + warm + rng.normal(size=shape) + (rng.random(shape) < 0.003) * 100
        data[gap] = np.nan
        data[rng.random(shape) < 0.02] = np.nan
        flags = np.where(rng.random(shape) < 0.02, dq.DO_NOT_USE, 0).astype(np.uint32)
        flags[gap & (y % 2 > 0)] |= dq.NON_SCIENCE
        flags[60:66, 60:66] |= dq.DO_NOT_USE
        err = np.ones(shape)
        err[rng.random(shape) < 0.01] = np.nan
        planes = [data, err, np.full(shape, 0.6), np.full(shape, 0.4)]
        planes = [plane.astype(np.float32) for plane in planes]
        exposure = Exposure(instrument=instrument, detector="ONE")
        made.append(Rate(exposure=exposure, dq=flags, **dict(zip(PLANES, planes, strict=True))))
    return made


def members(rates):
    return tuple(Whole(rate.exposure, rate.covers, rate.crop) for rate in rates)


def ours(rates, kernel_size="7 7", **how):
    model = measure_differences(members(rates), kernel_size)
    found = ifu_outliers(model, rates[0].covers, rates[0].covers, **how)
    return [flagged(rate, found) for rate in rates]


def official(rates, kernel_size="7 7", ifu_second_check=False, threshold_percent=99.8):
    from jwst.datamodels import ModelContainer
    from jwst.outlier_detection.ifu import detect_outliers
    from stdatamodels.jwst.datamodels import ImageModel

    models = []
    for rate in rates:
        model = ImageModel(data=rate.data.copy(), dq=rate.dq.copy())
        for name in PLANES[1:]:
            setattr(model, name, getattr(rate, name).copy())
        model.meta.instrument.name = rate.exposure.instrument
        model.meta.instrument.detector = "MIRIFULONG"
        model.meta.exposure.type = "MIR_MRS"
        models.append(model)
    detect_outliers(
        ModelContainer(models), False, kernel_size, ifu_second_check, threshold_percent, None
    )
    return models


def same(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine.dq, other.dq)
        for name in PLANES:
            np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))


@pytest.mark.parametrize("instrument", ["MIRI", "NIRSPEC"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"ifu_second_check": True},
        {"kernel_size": "3 9", "threshold_percent": 97.5},
        {"kernel_size": "4 6", "threshold_percent": 99.99},
        {"kernel_size": "1 21", "threshold_percent": 60.0},
    ],
)
def test_flags_and_values_are_the_official_ones(instrument, how):
    rates = exposures(instrument)
    found = ours(rates, **how)
    assert any((rate.dq & dq.OUTLIER).any() for rate in found)
    same(found, official(rates, **how))


def test_an_infinite_value_and_equal_values_are_taken_as_officially():
    rates = exposures(count=2, shape=(60, 50))
    changed = []
    for rate in rates:
        data = np.round(rate.data)  # many differences are 0
        data[30, 20:23] = np.inf
        changed.append(rate.replace(data=data))
    same(ours(changed, threshold_percent=95.0), official(changed, threshold_percent=95.0))


@pytest.mark.parametrize("shape", [SHAPE, (20, 18)])  # few differences lie far apart
def test_the_cut_is_the_percentile_to_the_last_digit(shape):
    model = measure_differences(members(exposures(count=2, shape=shape)))
    inner = model.differences[4:-4, 4:-4]
    percents = [*np.linspace(0, 100, 41), *np.linspace(97, 100, 101), 99.9999]
    expected = np.nanpercentile(inner, percents)
    found = [cut_at(model, percent) for percent in percents]
    np.testing.assert_array_equal(found, expected)


def test_warm_pixels_of_all_exposures_are_found_and_hits_of_one_are_not():
    rng = np.random.default_rng(5)
    shape = (120, 120)
    warm, hit = np.zeros(shape, bool), np.zeros(shape, bool)
    warm[rng.integers(8, 112, 12), rng.integers(8, 112, 12)] = True
    hit[rng.integers(8, 112, 12), rng.integers(8, 112, 12)] = True
    rates = exposures(count=3, seed=6, shape=shape)
    changed = []
    for i, rate in enumerate(rates):
        data = rng.normal(10, 1, shape) + 80 * warm + 80 * (hit & ~warm) * (i == 1)
        flags = np.zeros(shape, np.uint32)
        changed.append(rate.replace(data=data.astype(np.float32), dq=flags))
    found = ours(changed)[1].dq & dq.OUTLIER != 0
    assert found[warm].all()
    assert not found[hit & ~warm].any()
