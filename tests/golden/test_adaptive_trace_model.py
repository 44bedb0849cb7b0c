"""The step adaptive_trace_model against the official one, and what comes of its plane."""

from functools import cache

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.data import Box, Exposure
from jwinteractive.errors import InputError, StepError
from jwinteractive.recipe import Recipe
from jwinteractive.replace.frame import MODEL
from jwinteractive.session import open_session
from jwinteractive.simulate.slits import slit_dithers
from jwinteractive.step import Whole, registry
from jwinteractive.views import Shown

STEP = registry["adaptive_trace_model"]
BRIGHT = {"flux": 1e-3, "bad": 0.01, "seed": 4}


@cache
def simulated():
    return slit_dithers(1, (26, 64), **BRIGHT)


@pytest.fixture
def cal(tmp_path):
    return simulated().write(tmp_path / "cal")[0]


def official(path, change=None, number=0, **params):
    """Trace model of the official step, called by hand."""
    from jwst.adaptive_trace_model import AdaptiveTraceModelStep
    from stdatamodels.jwst import datamodels

    with datamodels.open(path) as model:
        if change is not None:
            model.slits[number].data = change(model.slits[number].data)
        done = AdaptiveTraceModelStep(**params).process(model)
        return np.array(done.slits[number].trace_model)


def session_of(path, *steps, **kwargs):
    return open_session(path, Recipe.of(*(steps or (STEP.name,))), store=None, **kwargs)


def learnt(product, path=None, **params):
    whole = Whole(product.exposure, product.covers, product.crop, path or product.source)
    return STEP.learn(whole, STEP.params.from_dict(params), {})


@pytest.mark.parametrize("params", [{}, {"psf_optimal": True}, {"slope_limit": 0.0}])
def test_the_plane_is_that_of_the_official_step(cal, params):
    session = session_of(cal)
    session.set(STEP.name, **params)
    made = session.run()
    want = official(cal, **params)
    assert np.isfinite(want).sum() > 200
    np.testing.assert_array_equal(made.trace_model, want)
    assert made.trace_model.dtype == np.float32
    np.testing.assert_array_equal(made.data, session.input().data)


def test_the_model_follows_the_light(cal):
    session = session_of(cal)
    session.set(STEP.name, psf_optimal=True)
    heard = []
    session.logged.connect(heard.append)
    trace = session.run().trace_model
    assert "INFO Working on slit S200A1" in heard
    one = simulated().exposures[0]
    bright = one.clean > 0.3 * one.clean.max(axis=0)
    np.testing.assert_allclose(np.nanmedian((trace / one.clean)[bright]), 1, atol=0.1)


def test_what_is_fitted_are_the_pixels_at_hand_and_not_those_of_the_file(cal):
    product = session_of(cal).input()
    before = cal.read_bytes()
    data = product.data.copy()
    trace = learnt(product.replace(data=data * 2 + 1e-12), cal).trace
    np.testing.assert_array_equal(data, product.data)
    np.testing.assert_array_equal(trace, official(cal, lambda plane: plane * 2 + 1e-12))
    assert not np.array_equal(trace, official(cal), equal_nan=True)
    assert cal.read_bytes() == before


def test_bad_pixels_are_replaced_by_it_in_the_same_session(cal, tmp_path):
    session = session_of(cal, STEP.name, "pixel_replace")
    session.set(STEP.name, psf_optimal=True)
    session.set("pixel_replace", algorithm="trace_model")
    made = session.run()
    before = session.input()
    wanted = np.isnan(before.data) & np.isfinite(made.trace_model)
    assert wanted.sum() > 3
    np.testing.assert_array_equal(made.replaced == MODEL, wanted)
    np.testing.assert_array_equal(made.data[wanted], made.trace_model[wanted])
    box = Box(8, 15, 20, 30)
    seen = session.preview(box=box)
    for name, plane in made.crop(box).arrays().items():
        np.testing.assert_array_equal(seen.arrays()[name], plane, err_msg=name)
    assert [p.name for p in cal.parent.iterdir()] == [cal.name]


def test_bad_pixels_are_left_to_it_only_where_it_is_switched_on(cal):
    session = open_session(cal, Recipe.load("spectra"), store=None)
    session.set("pixel_replace", algorithm="trace_model")

    def skipped():
        return {p.step.name: p.skipped for p in session.plan()}["pixel_replace"]

    assert "adaptive_trace_model gives: switch it on" in skipped()
    session.enable(STEP.name)
    assert skipped() == ""


def test_its_file_is_an_official_one_that_needs_no_second_fit(cal, tmp_path):
    from stdatamodels.jwst import datamodels

    session = session_of(cal)
    session.set(STEP.name, psf_optimal=True)
    (path,) = session.write(tmp_path / "out")
    assert path.name == "nod1_adaptive_trace_model.fits"
    with datamodels.open(path) as model:
        assert model.meta.cal_step.adaptive_trace_model == "COMPLETE"
        trace = np.array(model.slits[0].trace_model)
    np.testing.assert_array_equal(trace, session.run().trace_model)
    again = session_of(path, STEP.name, "pixel_replace")
    again.set("pixel_replace", algorithm="trace_model")
    assert again.plan()[0].skipped == "the file says it was done before"
    made = again.run()
    assert (made.replaced == MODEL).sum() > 3
    (later,) = again.write(tmp_path / "out")
    assert later.name == "nod1_pixel_replace.fits"
    with fits.open(later) as hdus:
        assert [hdu.name for hdu in hdus].count("TRACEMODEL") == 1


def test_each_slit_of_a_file_has_its_own_model(cal):
    from stdatamodels.jwst import datamodels

    path = cal.with_name("two_cal.fits")
    with datamodels.open(cal) as model, datamodels.open(cal) as other:
        model.slits.append(other.slits[0].instance)
        model.slits[1].name, model.slits[1].data = "S200A2", other.slits[0].data * 3
        model.save(path)
    session = session_of(path, slits=["S200A2"])
    want = official(path, number=1)
    np.testing.assert_array_equal(session.run().trace_model, want)
    assert np.nanmax(want) > 2 * np.nanmax(official(cal))


def test_pictures_show_the_model_and_what_is_left(cal):
    product = session_of(cal).input()
    p = STEP.params()
    for params, note in (({}, "pixels are modelled"), ({"fit_threshold": 1e4}, "lower fit_thres")):
        made = STEP(product, p, {}, learnt(product, **params))
        drawn = {v.title: v.draw(Shown(after=made, before=product)) for v in STEP.own_views}
        np.testing.assert_array_equal(drawn["trace model"].data, made.trace_model)
        left = made.data - made.trace_model
        np.testing.assert_array_equal(drawn["data minus model"].data, left)
        assert all(note in frame.note for frame in drawn.values())


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"exp_type": "NIS_SOSS"}, "NIS_SOSS is neither"),
        ({"done": ()}, "went through assign_wcs"),
        ({"done": ("assign_wcs", "resample")}, "rectified"),
    ],
)
def test_what_cannot_be_modelled_is_skipped_with_the_reason(header, said):
    good = {"exp_type": "NRS_IFU", "done": ("assign_wcs",)}
    exposure = Exposure(instrument="NIRSPEC", detector="NRS1", **(good | header))
    assert said in STEP.skips(exposure, STEP.params())


def test_without_the_official_package_it_is_skipped_with_the_way_out(monkeypatch):
    import sys

    import jwinteractive.steps.spectral.adaptive_trace_model  # noqa: F401

    module = sys.modules["jwinteractive.steps.spectral.adaptive_trace_model"]
    exposure = Exposure(
        instrument="NIRSPEC", detector="NRS1", exp_type="NRS_IFU", done=("assign_wcs",)
    )
    assert STEP.skips(exposure, STEP.params()) == ""
    monkeypatch.setattr(module, "_installed", lambda: False)
    assert "pip install" in STEP.skips(exposure, STEP.params())


def test_what_the_official_step_cannot_do_is_one_line(cal, tmp_path):
    from stdatamodels.jwst import datamodels

    product = session_of(cal).input()
    with pytest.raises(InputError, match="has no file"):
        STEP.learn(Whole(product.exposure, product.covers, product.crop), STEP.params(), {})
    image = tmp_path / "image_cal.fits"
    datamodels.ImageModel(product.data.copy()).save(image)
    with pytest.raises(InputError, match="is an ImageModel"):
        learnt(product, image)
    lost = tmp_path / "lost_cal.fits"
    with datamodels.open(cal) as model:
        model.slits[0].meta.wcs = None
        model.save(lost)
    with pytest.raises(StepError, match=r"official step fails on lost_cal.fits \(.*switch") as said:
        learnt(product, lost)
    assert "\n" not in str(said.value)


def with_slices(folder):
    """A cal file of the MRS: two slices side by side, wavelengths up the columns."""
    import gwcs
    from astropy import units as u
    from astropy.modeling.models import Mapping, Scale
    from gwcs import coordinate_frames as cf
    from gwcs.selector import LabelMapperArray, RegionsSelector
    from stdatamodels.jwst import datamodels

    ny, nx = 80, 64
    y, x = np.mgrid[:ny, :nx].astype(float)
    labels = np.zeros((ny, nx), np.int32)
    labels[:, 1:31], labels[:, 33:63] = 101, 102
    light = 5 + (300 + y) * np.exp(-0.5 * ((x % 32 - 15 - y / 40) / 1.5) ** 2)
    data = np.where(labels > 0, light + np.random.default_rng(2).normal(0, 1, (ny, nx)), np.nan)
    data[40, 15] = data[41, 48] = np.nan
    detector = cf.Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
    sky = cf.Frame2D(name="ab", axes_order=(0, 1), unit=(u.arcsec, u.arcsec))
    wave = cf.SpectralFrame(name="wave", axes_order=(2,), unit=u.um)
    local = cf.CompositeFrame([sky, wave], name="alpha_beta")
    spread = Mapping((0, 0, 1)) | Scale(0.2) & Scale(0.0) & Scale(0.001)
    one = RegionsSelector(
        ("x", "y"),
        ("alpha", "beta", "lam"),
        {101: spread, 102: spread},
        LabelMapperArray(labels),
    )
    model = datamodels.IFUImageModel((ny, nx))
    model.data, model.err = data.astype("f4"), np.where(labels > 0, 1, np.nan).astype("f4")
    model.dq = np.where(np.isfinite(data), 0, dq.DO_NOT_USE).astype("u4")
    meta = model.meta
    meta.instrument.name, meta.instrument.detector = "MIRI", "MIRIFUSHORT"
    meta.instrument.channel, meta.instrument.band = "12", "SHORT"
    meta.exposure.type, meta.cal_step.assign_wcs = "MIR_MRS", "COMPLETE"
    meta.wcsinfo.dispersion_direction = 2
    meta.wcs = gwcs.WCS([(detector, one), (local, None)])
    path = folder / "slices_cal.fits"
    model.save(path)
    return path


def test_slices_of_an_integral_field_unit_have_their_model(tmp_path):
    from jwst.adaptive_trace_model import AdaptiveTraceModelStep
    from stdatamodels.jwst import datamodels

    path = with_slices(tmp_path)
    session = session_of(path, STEP.name, "pixel_replace")
    session.set(STEP.name, psf_optimal=True)
    session.set("pixel_replace", algorithm="trace_model")
    made = session.run()
    with datamodels.open(path) as model:
        want = np.array(AdaptiveTraceModelStep(psf_optimal=True).process(model).trace_model)
    np.testing.assert_array_equal(made.trace_model, want)
    assert np.isfinite(want).sum() > 3000
    at = [40, 41], [15, 48]
    assert (made.replaced[at] == MODEL).all()
    np.testing.assert_array_equal(made.data[at], want[at])
    (written,) = session.write(tmp_path / "out")
    with datamodels.open(written) as model:
        np.testing.assert_array_equal(model.trace_model, want)


def test_a_series_has_one_model_of_its_median(cal, tmp_path):
    from stdatamodels.jwst import datamodels

    path = tmp_path / "series_calints.fits"
    with datamodels.open(cal) as model:
        slit = model.slits[0]
        series = datamodels.SlitModel()
        series.update(model, only="PRIMARY")
        for name in ("data", "err", "dq", "var_rnoise", "var_poisson", "var_flat"):
            plane = np.asarray(getattr(slit, name))
            scale = [1, 1, 1] if name == "dq" else [1, 2, 9]
            setattr(series, name, np.stack([plane * plane.dtype.type(s) for s in scale]))
        series.name, series.meta.wcs = slit.name, slit.meta.wcs
        series.meta.wcsinfo.dispersion_direction, series.meta.exposure.nints = 1, 3
        series.meta.exposure.type = "NRS_BRIGHTOBJ"
        series.meta.cal_step.assign_wcs = "COMPLETE"
        series.save(path)
    session = session_of(path, STEP.name, "pixel_replace")
    session.set(STEP.name, psf_optimal=True)
    session.set("pixel_replace", algorithm="trace_model")
    made = session.run()
    assert made.data.shape[0] == 3
    want = official(cal, lambda plane: plane * 2, psf_optimal=True)
    np.testing.assert_allclose(made.trace_model, want, rtol=1e-5)
    (written,) = session.write(tmp_path / "out")
    with datamodels.open(written) as model:
        np.testing.assert_array_equal(model.trace_model, made.trace_model)
