"""Pixel replacement against the official functions: slits, slices, and what lies at their edges."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.replace.frame import (
    ALONG_X,
    ALONG_Y,
    MODEL,
    PROFILE,
    VARIANCES,
    SpectralFrame,
)
from jwinteractive.replace.gradient import mingrad
from jwinteractive.replace.profile import fit_profile
from jwinteractive.replace.trace import trace_model

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the official functions' own

PLANES = ("data", "err", *VARIANCES)
FIELDS = ("data", "err", "dq", *VARIANCES)


def slit(shape=(50, 300), seed=1, flux=1000.0, bad=0.02, sky=20.0, flat=0.01, negative=()):
    """A star with lines on sky, noise of 3 in a pixel, and bad pixels: most without a value."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    line = flux * (1 + 0.2 * np.sin(x / 30) + 3 * np.exp(-0.5 * (x % 60 - 30) ** 2))
    trace = shape[0] / 2 + 0.01 * (x - shape[1] / 2)
    truth = line * np.exp(-0.5 * ((y - trace) / 1.2) ** 2) + sky
    for column in negative:
        truth[:, column] *= -1
    poisson = np.abs(truth) / 2
    data = truth + rng.normal(0, 1, shape) * np.sqrt(poisson + 9)
    flags = np.zeros(shape, np.uint32)
    hit = rng.random(shape) < bad
    flags[hit] = dq.DO_NOT_USE | dq.HOT
    planes = [data, poisson, np.full(shape, 9.0), (flat * truth) ** 2]
    planes = [np.where(hit & (y % 3 > 0), np.nan, plane).astype(np.float32) for plane in planes]
    err = np.sqrt(planes[1] + planes[2] + planes[3])
    return SpectralFrame(planes[0], err, flags, *planes[1:])


def edged(seed=1, **how):
    """A slit with all that can be odd about it."""
    frame = slit(seed=seed, negative=(100, 101, 211), **how)
    data, flags = frame.data, frame.dq
    flags[:, 40] |= dq.DO_NOT_USE  # a column without good pixels
    flags[:, 60:68] |= dq.DO_NOT_USE  # columns without neighbours
    flags[:49, 64] &= ~np.uint32(dq.DO_NOT_USE)
    flags[3:6] |= dq.NON_SCIENCE
    flags[7:9] |= dq.NON_SCIENCE | dq.DO_NOT_USE
    flags[:2] |= dq.DO_NOT_USE  # beyond all that is good
    flags[:, :3] |= dq.DO_NOT_USE
    flags[:, -1] |= dq.DO_NOT_USE
    flags[20, 115:130] |= dq.DO_NOT_USE  # a row without neighbours
    data[30, 150:153] = np.nan  # and not flagged
    data[:, 170] = np.nan
    data[:, 180] = 0
    data[:, 190:194] /= 1e4
    return frame


def turned(frame):
    return SpectralFrame(*(getattr(frame, name).T.copy() for name in FIELDS))


def frozen(frame):
    for name in (*PLANES, "dq"):
        if getattr(frame, name) is not None:
            getattr(frame, name).flags.writeable = False
    return frame


def officially(frame, algorithm, dispersion_direction=1, n_adjacent_cols=3, model=None):
    from jwst.pixel_replace.pixel_replace import PixelReplaceArrays, PixelReplacement

    copies = {n: getattr(frame, n) for n in (*PLANES, "dq")}
    copies = {n: None if plane is None else plane.copy() for n, plane in copies.items()}
    arrays = PixelReplaceArrays(
        **copies, trace_model=model, dispersion_direction=dispersion_direction
    )
    step = PixelReplacement(None, algorithm, n_adjacent_cols)
    return step.algorithm(arrays)


def assert_alike(frame, got, official, rtol):
    """Flags and what has a value alike, other pixels to the bit, values to ``rtol``."""
    new = np.asarray(got.replaced) != 0
    for name in PLANES:
        ours, theirs = getattr(got.frame, name), getattr(official, name)
        if theirs is None:
            assert ours is None
            continue
        if name == "data":
            np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        same = ~new & np.isfinite(ours)
        np.testing.assert_array_equal(ours[same], getattr(frame, name)[same])
        np.testing.assert_array_equal(ours[same], theirs[same])
        twice = 2 if name in VARIANCES else 1
        np.testing.assert_allclose(ours[new], theirs[new], rtol=twice * rtol)
    np.testing.assert_array_equal(got.frame.dq, official.dq)
    assert got.frame.dq.dtype == official.dq.dtype
    np.testing.assert_array_equal(new, got.frame.dq != frame.dq)


@pytest.mark.parametrize("dispersion_direction", [1, 2])
@pytest.mark.parametrize("n_adjacent_cols", [1, 2, 3, 6])
def test_profiles_are_the_official_ones_to_what_its_simplex_finds(
    dispersion_direction, n_adjacent_cols
):
    frame = edged() if dispersion_direction == 1 else turned(edged())
    got = fit_profile(frozen(frame), dispersion_direction, n_adjacent_cols)
    official = officially(frame, "fit_profile", dispersion_direction, n_adjacent_cols)
    assert np.count_nonzero(got.replaced == PROFILE) > 200
    assert_alike(frame, got, official, rtol=5e-4)


@pytest.mark.parametrize("how", [{"flux": 5.0, "sky": 0.5}, {"flux": 20.0}, {"flux": 1e5}])
@pytest.mark.parametrize("seed", [2, 3])
def test_faint_and_bright_profiles_are_the_official_ones(how, seed):
    frame = edged(seed, **how)
    got = fit_profile(frozen(frame), 1)
    assert_alike(frame, got, officially(frame, "fit_profile"), rtol=5e-4)


def test_profiles_that_are_not_scaled_are_the_official_ones_to_the_bit():
    """Columns below five errors are the plain median of the neighbours."""
    frame = slit(flux=0.0, sky=1.0, bad=0.1)
    got = fit_profile(frozen(frame), 1)
    official = officially(frame, "fit_profile")
    for name in ("data", "err"):
        np.testing.assert_array_equal(getattr(got.frame, name), getattr(official, name))


def test_the_scale_is_the_least_squares_that_the_simplex_comes_near_to():
    frame = slit(shape=(50, 40), bad=0.0)
    frame.dq[25, 20] = dq.DO_NOT_USE
    got = fit_profile(frame, 1).frame.data[25, 20]
    beside = frame.data[:, [17, 18, 19, 21, 22, 23]]
    profile = np.abs(np.median(beside / np.abs(beside).max(axis=0), axis=1)).astype(float)
    column = np.abs(np.delete(frame.data[:, 20], 25)).astype(float)
    rest = np.delete(profile, 25)
    expected = profile[25] * (rest @ column) / (rest @ rest)
    assert got == pytest.approx(expected, rel=1e-6)
    assert officially(frame, "fit_profile").data[25, 20] == pytest.approx(expected, rel=2e-4)


def slices(shape=(240, 120), count=5, seed=4):
    """Slices side by side, dispersed along y as in MRS, bent, with gaps, and their numbers."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    at = (x - 4 * np.sin(y / 80)) / (shape[1] / count)
    number = np.floor(at).astype(int) + 1
    within = at % 1
    number[(within < 0.1) | (within > 0.9) | (number < 1) | (number > count)] = 0
    truth = 500 * number * np.exp(-0.5 * ((within - 0.5) / 0.1) ** 2) * (1 + (y % 50 < 2)) + 30
    truth[number == 0] = 1
    data = truth + rng.normal(0, 1, shape) * np.sqrt(truth / 2 + 4)
    flags = np.where(rng.random(shape) < 0.02, dq.DO_NOT_USE, 0).astype(np.uint32)
    flags[number == 0] |= dq.NON_SCIENCE
    planes = [
        np.where(flags & dq.DO_NOT_USE, np.nan, plane).astype(np.float32)
        for plane in (data, np.sqrt(truth / 2 + 4), truth / 2, np.full(shape, 4.0))
    ]
    return SpectralFrame(planes[0], planes[1], flags, planes[2], planes[3]), number


def test_every_slice_of_an_ifu_is_a_spectrum_of_its_own_as_officially():
    from jwst.pixel_replace.pixel_replace import PixelReplacement
    from stdatamodels.jwst import datamodels

    frame, number = slices()
    model = datamodels.IFUImageModel()
    for name in ("data", "err", "dq", "var_poisson", "var_rnoise"):
        setattr(model, name, getattr(frame, name).copy())
    model.meta.wcsinfo.dispersion_direction = 2
    model.meta.exposure.type = "NRS_IFU"
    model.regions = number.astype(np.float32)
    PixelReplacement(model, "fit_profile", 3).replace()
    official = SimpleNamespace(
        **{n: getattr(model, n, None) for n in ("data", "err", "dq", "var_poisson", "var_rnoise")},
        var_flat=None,
    )
    got = fit_profile(frozen(frame), 2, regions=number)
    assert np.count_nonzero(got.replaced) > 300
    assert_alike(frame, got, official, rtol=5e-4)


@pytest.mark.parametrize("which", ["slit", "edged", "slices"])
def test_smaller_gradients_are_followed_as_officially_to_the_bit(which):
    frame = slices()[0] if which == "slices" else {"slit": slit, "edged": edged}[which](bad=0.1)
    frame.data[12, 12] = np.inf
    got, official = mingrad(frozen(frame)), officially(frame, "mingrad")
    for name in (*PLANES, "dq"):
        np.testing.assert_array_equal(getattr(got.frame, name), getattr(official, name))
    assert min(np.count_nonzero(got.replaced == axis) for axis in (ALONG_X, ALONG_Y)) > 20
    assert got.replaced[12, 12] != 0


@pytest.mark.parametrize("dispersion_direction", [1, 2])
def test_a_model_of_the_trace_is_taken_as_officially(dispersion_direction):
    frame = edged(bad=0.1)
    model = np.where(slit(seed=9).data > 60, slit(seed=8, bad=0).data, np.nan)
    if dispersion_direction == 2:
        frame, model = turned(frame), model.T.copy()
    got = trace_model(frozen(frame), model, dispersion_direction)
    official = officially(frame, "trace_model", dispersion_direction, model=model)
    assert np.count_nonzero(got.replaced == MODEL) > 50
    assert np.count_nonzero(got.replaced == ALONG_X) > 50
    for name in ("data", "err", "dq"):
        np.testing.assert_array_equal(getattr(got.frame, name), getattr(official, name))
    for name in VARIANCES:  # officially the root of every pixel is squared again
        np.testing.assert_allclose(
            getattr(got.frame, name), getattr(official, name), rtol=3e-7, equal_nan=True
        )


@pytest.mark.parametrize("nod", [2, 3, 4])
def test_profiles_and_neighbours_of_real_slits_are_the_official_ones(real, nod):
    """A prism spectrum whose trace is bent, a quarter of the pixels beyond it."""
    path = real / "spec" / f"jw02565007001_03101_0000{nod}_nrs2_cal.fits"
    with fits.open(path) as file:
        assert file["SCI"].header["DISPAXIS"] == 1
        names = ("SCI", "ERR", "DQ", *(name.upper() for name in VARIANCES))
        planes = [np.array(file[n].data, np.uint32 if n == "DQ" else np.float32) for n in names]
    frame = frozen(SpectralFrame(*planes))
    got, official = fit_profile(frame, 1), officially(frame, "fit_profile")
    new = got.replaced != 0
    assert np.count_nonzero(new) > 100
    np.testing.assert_array_equal(got.frame.dq, official.dq)
    np.testing.assert_array_equal(np.isnan(got.frame.data), np.isnan(official.data))
    assert np.max(abs(got.frame.data - official.data)[new] / official.err[new]) < 3e-3
    got, official = mingrad(frame), officially(frame, "mingrad")
    for name in (*PLANES, "dq"):
        np.testing.assert_array_equal(getattr(got.frame, name), getattr(official, name))
