"""Outliers of time series and coronagraphy against the official functions, flag by flag."""

import numpy as np
import pytest

from jwinteractive import dq
from jwinteractive.data import Exposure, RateInts
from jwinteractive.outliers.flagged import flagged
from jwinteractive.outliers.tso import coron_outliers, series_outliers

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the official functions' own

PLANES = ("data", "err", "var_poisson", "var_rnoise")


def series(nint=40, shape=(9, 33), seed=1):
    """A drifting level with hits, missing values and errors, and flags."""
    rng = np.random.default_rng(seed)
    full = (nint, *shape)
    data = 50 + np.linspace(0, 5, nint)[:, None, None] + rng.normal(size=full)
    data += (rng.random(full) < 0.01) * rng.uniform(-30, 30, full)
    data[rng.random(full) < 0.003] = np.nan
    data[5, 3, 3], data[7, 3, 4] = np.inf, -np.inf
    err = np.ones(full)
    err[rng.random(full) < 0.01] = np.nan
    err[2, 2, 2] = np.inf
    flags = np.where(rng.random(full) < 0.002, dq.DO_NOT_USE, 0).astype(np.uint32)
    flags |= np.where(rng.random(full) < 0.2, dq.JUMP_DET, 0).astype(np.uint32)
    flags[:, 4, 5] |= dq.DO_NOT_USE
    data[:, 4, 6] = np.nan
    planes = [data, err, np.full(full, 0.6), np.full(full, 0.4)]
    return RateInts(
        exposure=Exposure(instrument="NIRCAM", detector="NRCALONG", nints=nint),
        dq=flags,
        **{name: p.astype(np.float32) for name, p in zip(PLANES, planes, strict=True)},
    )


def model_of(ints):
    from stdatamodels.jwst.datamodels import CubeModel

    model = CubeModel(data=ints.data.copy(), dq=ints.dq.copy())
    for name in PLANES[1:]:
        setattr(model, name, getattr(ints, name).copy())
    return model


def same(mine, other):
    np.testing.assert_array_equal(mine.dq, other.dq)
    for name in PLANES:
        np.testing.assert_array_equal(getattr(mine, name), getattr(other, name))


@pytest.mark.parametrize("width", [1, 3, 4, 7, 25, 26, 39, 40, 41])
@pytest.mark.parametrize(("snr", "maskpt"), [(5.0, 0.7), (1.3, 0.7), (2.0, 0.0), (2.0, 1.5)])
def test_flags_and_values_of_a_time_series_are_the_official_ones(width, snr, maskpt):
    from jwst.outlier_detection.tso import detect_outliers

    ints = series()
    theirs = detect_outliers(model_of(ints), False, "~DO_NOT_USE", maskpt, width, snr, None)
    found = series_outliers(ints, width, snr, maskpt)
    assert found.any() or maskpt > 1
    same(flagged(ints, found), theirs)


@pytest.mark.parametrize("nint", [1, 2, 5, 8, 40])
@pytest.mark.parametrize(("snr", "maskpt"), [(5.0, 0.7), (2.0, 0.0), (2.0, 1.5)])
def test_flags_and_values_of_coronagraphy_are_the_official_ones(nint, snr, maskpt):
    from jwst.outlier_detection.coron import detect_outliers

    ints = series(nint=40)
    ints = ints.replace(dq=ints.dq[:nint], **{name: getattr(ints, name)[:nint] for name in PLANES})
    theirs = detect_outliers(model_of(ints), False, "~DO_NOT_USE", maskpt, snr, None)
    same(flagged(ints, coron_outliers(ints, snr, maskpt)), theirs)
