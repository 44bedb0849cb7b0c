"""Outliers of real NIRSpec slits against the official step, on its own grid."""

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest

from jwinteractive import dq as flags
from jwinteractive.data import Box
from jwinteractive.outliers import OutlierParams, Planes, flags_of, measure_stack, member_of
from jwinteractive.outliers.stack import stack_on

REAL = Path(__file__).parents[3] / "shared" / "real" / "spec"
FILES = sorted(REAL.glob("jw02565*_nrs2_cal.fits"))
pytestmark = pytest.mark.skipif(len(FILES) < 3, reason=f"needs ../shared/real: no nods in {REAL}")
UNIT = 1e9  # the official mean of weights overflows single precision in MJy
PLANES = {"data": 1, "err": 1, "var_rnoise": 2, "var_poisson": 2, "var_flat": 2}


@pytest.fixture(scope="module")
def models():
    """The slit of each nod as an official model, with hits of 20 sigma."""
    from stdatamodels.jwst import datamodels

    rng = np.random.default_rng(1)
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in FILES:
            with datamodels.open(path) as opened:
                slit, model = opened.slits[0], datamodels.SlitModel()
                for name, power in PLANES.items():
                    scaled = np.asarray(getattr(slit, name), float) * UNIT**power
                    setattr(model, name, scaled.astype("f4"))
                model.dq = np.array(slit.dq)
                model.update(opened)
                model.meta.wcs = slit.meta.wcs
                model.meta.wcsinfo.instance.update(slit.meta.wcsinfo.instance)
                model.meta.bunit_data, model.name = "MJy/sr", slit.name
                area = slit.meta.photometry.pixelarea_steradians
                model.meta.photometry.pixelarea_steradians = area
            hit = rng.random(model.data.shape) < 2e-3
            model.data[hit] += 20 * model.err[hit]
            found.append(model)
    return found


def test_flags_and_median_of_nods_are_the_official_ones(models):
    from jwst.datamodels import ModelContainer, ModelLibrary
    from jwst.outlier_detection import spec
    from jwst.outlier_detection.utils import median_with_resampling
    from jwst.resample.resample_spec import ResampleSpec

    members = [
        member_of(
            Path(path).name,
            Planes(m.data.copy(), m.err.copy(), m.dq.copy(), m.var_rnoise.copy()),
            m.meta.wcs,
        )
        for path, m in zip(FILES, models, strict=True)
    ]
    how = {
        "weight_type": "ivm",
        "pixfrac": 1.0,
        "kernel": "square",
        "fillval": "NAN",
        "good_bits": "~DO_NOT_USE",
    }
    p = OutlierParams(method="official", sky="header")
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        container = ModelContainer(models)
        extra = {"enable_ctx": False, "enable_var": False, "compute_err": "driz_err"}
        resampled = ResampleSpec(container, blendheaders=False, **how, **extra)
        library = ModelLibrary(container, on_disk=False)
        median, grid, error = median_with_resampling(library, resampled, 0.7, return_error=True)
        stack = stack_on(members, p, grid, grid.array_shape)
        own = measure_stack(members, p)
        theirs = spec.detect_outliers(
            container, False, how["good_bits"], 0.7, 5.0, 4.0, 1.2, 0.7, 0.0, True,
            "ivm", 1.0, "square", "NAN", None,
        )  # fmt: skip
    logging.disable(logging.NOTSET)
    assert (np.isnan(median) != np.isnan(stack.median)).sum() < 20
    off = np.abs(median - stack.median) / error
    assert np.nanmedian(off) < 2e-4
    assert np.nanpercentile(off, 98) < 0.02
    assert np.nanpercentile(np.abs(stack.noise / error - 1), 98) < 2e-3
    apart = 0
    for k, (member, model) in enumerate(zip(members, theirs, strict=True)):
        planes = member.look(Box.whole(member.shape))
        box = Box.whole(member.shape)
        ours = flags_of(stack, k, box, planes.data, planes.err, planes.dq, p).mask
        official = (model.dq & flags.OUTLIER) > 0
        assert official.sum() > 10
        apart += np.count_nonzero(ours != official)
    assert apart <= 4
    # the grid that needs no official package is of the same kind
    np.testing.assert_allclose(own.median.shape, median.shape, atol=3)
    assert np.nanpercentile(own.median, 99) == pytest.approx(np.nanpercentile(median, 99), rel=0.2)
