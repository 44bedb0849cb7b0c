"""`selfcal` flags the same pixels as the official `badpix_selfcal`."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.badpix import SelfcalParams, selfcal
from jwinteractive.errors import InputError, ParamError

MODES = {
    "image": ("NIRCAM", "NRCA1", "NRC_IMAGE", (96, 80), None),
    "along x": ("NIRSPEC", "NRS1", "NRS_IFU", (70, 128), 1),
    "along y": ("NIRISS", "NIS", "NIS_WFSS", (130, 60), 2),
    "MRS short": ("MIRI", "MIRIFUSHORT", "MIR_MRS", (1024, 1032), 2),
    "MRS long": ("MIRI", "MIRIFULONG", "MIR_MRS", (1024, 1032), 2),
}


def write(folder, mode, count=3, seed=0):
    """Rates with gaps, hot and cold pixels; of one scene, with different noise and pedestals."""
    instrument, detector, kind, shape, axis = MODES[mode]
    rng = np.random.default_rng(seed)
    scene = 5 + 0.1 * np.arange(shape[1]) + rng.exponential(2, shape) * (rng.random(shape) < 0.05)
    gaps = rng.random(shape) < 0.02
    gaps[10:30, 20:45] = True  # wider than the filter: nothing but NaN in it
    paths = []
    for k in range(count):
        rate = scene + rng.normal(0, 0.5, shape) + 0.3 * k
        rate[gaps | (rng.random(shape) < 0.01)] = np.nan
        science = fits.ImageHDU(rate.astype("f4"), name="SCI")
        if axis:
            science.header["DISPAXIS"] = axis
        planes = [fits.ImageHDU(np.ones(shape, "f4"), name=n) for n in ("ERR", "VAR_POISSON")]
        flags = fits.ImageHDU(np.zeros(shape, "u4"), name="DQ")
        primary = fits.PrimaryHDU()
        primary.header.update(
            TELESCOP="JWST",
            INSTRUME=instrument,
            DETECTOR=detector,
            EXP_TYPE=kind,
            DATAMODL="IFUImageModel" if kind in ("NRS_IFU", "MIR_MRS") else "ImageModel",
        )
        paths.append(folder / f"e{k}_{detector.lower()}_cal.fits")
        fits.HDUList([primary, science, planes[0], flags, planes[1]]).writeto(paths[-1])
    return paths


def official(paths, **settings):
    """Pixels that the official step flags in the first exposure."""
    from jwst import datamodels
    from jwst.badpix_selfcal import BadpixSelfcalStep

    with datamodels.open(paths[0]) as model:
        step = BadpixSelfcalStep(**settings)
        result, _ = step.process(model, selfcal_list=[str(p) for p in paths[1:]])
        return (np.asarray(result.dq) & (1 << 30)) != 0


@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("image", {}),
        ("image", {"kernel_size": 3, "flagfrac_lower": 0.0, "flagfrac_upper": 0.02}),
        ("image", {"kernel_size": 17}),  # too large to be sorted: selected
        ("along x", {}),
        ("along x", {"kernel_size": 7, "flagfrac_lower": 0.01}),
        ("along y", {}),
        ("MRS short", {}),
        ("MRS long", {"kernel_size": 5}),
    ],
)
def test_the_same_pixels_are_flagged_bit_for_bit(tmp_path, mode, settings):
    paths = write(tmp_path, mode)
    ours = selfcal(paths, SelfcalParams(**settings))
    theirs = official(paths, **settings)
    assert theirs.any()
    assert np.array_equal(ours, theirs)


def test_the_pedestal_of_each_exposure_is_taken_off(tmp_path):
    paths = write(tmp_path, "MRS short")
    as_long = write(tmp_path, "MRS long")  # the same numbers, looked at in other columns
    assert not np.array_equal(selfcal(paths), selfcal(as_long))


def test_a_single_exposure_must_be_forced(tmp_path):
    paths = write(tmp_path, "image", 1)
    with pytest.raises(InputError, match="need at least 2"):
        selfcal(paths)
    ours = selfcal(paths, SelfcalParams(force_single=True))
    assert np.array_equal(ours, official(paths, force_single=True))


def test_an_even_kernel_has_no_middle():
    with pytest.raises(ParamError, match="kernel_size = 14: must be odd: take 13 or 15"):
        SelfcalParams(kernel_size=14)


def test_more_threads_give_the_same(tmp_path):
    paths = write(tmp_path, "along y")
    assert np.array_equal(selfcal(paths, threads=1), selfcal(paths, threads=5))
