"""Outliers of dithered images against the official step, by its own parameters."""

import logging

import numpy as np
import pytest

from jwinteractive import dq as flags
from jwinteractive.data import Box
from jwinteractive.outliers import OutlierParams, Planes, flags_of, measure_stack, member_of
from jwinteractive.simulate.dithers import dithers

CASES = [
    {},
    {"kernel": "turbo", "pixfrac": 0.6},
    {"kernel": "point", "weight_type": "exptime"},
    {"pixfrac": 0.7, "maskpt": 0.0, "fillval": "7.5", "good_bits": "~DO_NOT_USE+SATURATED"},
    {"snr": "3.0 2.0", "scale": "0.5 0.4", "maskpt": 0.9},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Four exposures, turned against each other, with read noise that differs, and their files."""
    made = dithers(4, (140, 150), seed=3, angle=2.0, stars=3e-3, hits=5e-3)
    rng = np.random.default_rng(1)
    for e in made.exposures:
        e.var_rnoise[:] *= rng.uniform(0.8, 1.2, e.data.shape)
        e.var_rnoise[rng.random(e.data.shape) < 0.01] = 0  # gives no weight
        e.dq[rng.random(e.data.shape) < 0.01] |= flags.SATURATED
    return made, made.write(tmp_path_factory.mktemp("dithers"), levels=True)


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def library(paths):
    from jwst.datamodels import ModelLibrary

    return ModelLibrary([str(path) for path in paths], on_disk=False)


def official_flags(paths, **settings):
    from jwst.outlier_detection import OutlierDetectionStep

    step = OutlierDetectionStep()
    for name, value in settings.items():
        setattr(step, name, value)
    found = []
    with step.run(library(paths)) as done:
        for i, model in enumerate(done):
            found.append((model.dq & flags.OUTLIER) > 0)
            done.shelve(model, i, modify=False)
    return found


def official_median(paths, maskpt=0.7, snr="", scale="", **settings):
    from jwst.outlier_detection.utils import median_with_resampling
    from jwst.resample.resample import ResampleImage

    known = {
        "weight_type": "ivm",
        "pixfrac": 1.0,
        "kernel": "square",
        "fillval": "NAN",
        "good_bits": "~DO_NOT_USE",
        **settings,
    }
    resampled = ResampleImage(
        library(paths), blendheaders=False, enable_ctx=False, enable_var=False, **known
    )
    return median_with_resampling(resampled.input_models, resampled, maskpt)[0]


@pytest.mark.parametrize("settings", CASES, ids=lambda s: ",".join(s) or "defaults")
def test_flags_and_median_are_the_official_ones(made, settings):
    simulated, paths = made
    p = OutlierParams(method="official", sky="header", **settings)
    members = [
        member_of(
            e.name,
            Planes(e.data, e.err, e.dq, e.var_rnoise),
            e.wcs,
            wcsinfo=e.wcsinfo,
            s_region=e.s_region,
            level=e.sky,
            exposed=100.0,
        )
        for e in simulated.exposures
    ]
    stack = measure_stack(members, p)
    median = official_median(paths, **settings)
    assert stack.median.shape == median.shape
    apart = np.isnan(stack.median) != np.isnan(median)
    assert apart.mean() < 2e-3  # weights that are hardly above or below the threshold
    # maps that are right to a thousandth of a pixel, in the light of stars
    off = np.abs(stack.median - median)
    assert np.nanmedian(off) < 5e-5
    assert np.nanpercentile(off, 98) < 5e-3
    for k, (e, theirs) in enumerate(
        zip(simulated.exposures, official_flags(paths, **settings), strict=True)
    ):
        ours = flags_of(stack, k, Box.whole(e.data.shape), e.data, e.err, e.dq, p).mask
        assert theirs.sum() > 100
        assert np.count_nonzero(ours != theirs) <= 2
