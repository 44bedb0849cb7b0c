"""The step that extracts spectra, from files to files, and what it shows and takes back."""

import dataclasses as dc
import json
import warnings

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import dq
from jwinteractive.cli import main
from jwinteractive.data import Cube, Rate, RateInts, SpectrumSet
from jwinteractive.errors import InputError, ParamError, RecipeError
from jwinteractive.extract.places import Place, beside, parse_places, write_places
from jwinteractive.io import open_product
from jwinteractive.plan import open_file, open_files
from jwinteractive.recipe import Recipe
from jwinteractive.script import script
from jwinteractive.simulate import simulate
from jwinteractive.step import Whole, registry
from jwinteractive.testing import example_exposure
from jwinteractive.views import Band, Shown

ALONE = Recipe.of("extract_1d")


def exposure(**changes):
    given = {"unit": "MJy/sr", "dispaxis": 1, "pixel_area": 2e-12, "source_type": "POINT"}
    return example_exposure("NIRSPEC", **(given | changes))


def slit(shape=(24, 80), rows=(11.0,), bend=0.0, level=0.0, noise=1.0, seed=2, **changes):
    """A rate of sources with Gaussian profiles of sigma 1.2 and flux 1000 along a bent trace."""
    ny, nx = shape
    rng = np.random.default_rng(seed)
    x = np.arange(nx) - nx // 2
    path = bend * (x / nx) ** 2
    y = np.arange(ny)[:, None]
    data = np.full(shape, level, float)
    for row in rows:
        data += 1000 / (1.2 * np.sqrt(2 * np.pi)) * np.exp(-(((y - row - path) / 1.2) ** 2) / 2)
    data += rng.normal(0, noise, shape)
    one = np.full(shape, noise**2, np.float32)
    planes = {
        "data": data.astype(np.float32),
        "err": np.full(shape, noise, np.float32),
        "dq": np.zeros(shape, np.uint32),
        "var_poisson": one / 2,
        "var_rnoise": one / 2,
        "wavelength": np.broadcast_to(np.linspace(1, 2, nx), shape).astype(np.float32),
    }
    return Rate(exposure=exposure(**changes), **planes)


def series(rate, count=3):
    planes = {
        n: np.stack([getattr(rate, n)] * count)
        for n in ("data", "err", "dq", "var_poisson", "var_rnoise")
    }
    return RateInts(exposure=rate.exposure, wavelength=rate.wavelength, **planes)


def turned(rate):
    """The same with its dispersion along y."""
    planes = {k: np.ascontiguousarray(v.T) for k, v in rate.arrays().items()}
    return Rate(exposure=dc.replace(rate.exposure, dispaxis=2), **planes)


def cube(shape=(6, 21, 21), centre=(9.0, 12.0), **changes):
    rng = np.random.default_rng(4)
    y, x = np.mgrid[: shape[1], : shape[2]]
    light = np.exp(-(((x - centre[0]) / 1.5) ** 2 + ((y - centre[1]) / 1.5) ** 2) / 2)
    data = 50 * light + 3 + rng.normal(0, 0.1, shape)
    given = {
        "data": data.astype(np.float32),
        "err": np.full(shape, 0.1, np.float32),
        "dq": np.zeros(shape, np.uint32),
        "weight": np.full(shape, 4, np.float32),
        "wavelengths": tuple(np.linspace(1, 2, shape[0])),
        "spaxel": 0.1,
    }
    return Cube(exposure=exposure(dispaxis=3), **(given | changes))


def extracted(product, **params):
    """Spectra, and what their views are drawn from."""
    step = registry["extract_1d"]
    p = step.params(**params)
    assert not step.skips(product.exposure, p)
    whole = Whole(product.exposure, product.covers, product.crop)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = step.learn(whole, p, {})
        made = step(product, p, {}, model)
    return made, Shown(after=made, before=product, model=model, params=p)


def drawn(shown, title):
    (view,) = [v for v in registry["extract_1d"].own_views if v.title == title]
    return view.draw(shown)


def edited(shown, old, new):
    (view,) = [v for v in registry["extract_1d"].own_views if v.edit]
    changes = view.edit(shown.params, shown, old, new)
    return shown.params.replace(**changes)


# -- places ----------------------------------------------------------------------------------


def test_places_are_read_and_written():
    places = (Place(3, 6), Place(-1.5, 2.25, -1))
    assert parse_places("3:6; -1.5:2.25-", "apertures") == places
    assert parse_places(write_places(places), "apertures") == places
    assert parse_places(" ; ", "apertures") == ()


@pytest.mark.parametrize("text", ["3", "3:6:9", "a:b", "3:1", "3-6"])
def test_a_place_of_another_form_is_refused_in_one_line(text):
    with pytest.raises(ParamError, match="apertures = "):
        registry["extract_1d"].params(apertures=text)


def test_background_lies_beside_apertures():
    assert beside((Place(10, 13), Place(4, 5)), (0, 19), 2) == (
        Place(0, 1),
        Place(16, 19),
    )


# -- numbers ---------------------------------------------------------------------------------


def test_a_box_is_the_sum_of_its_rows_less_the_mean_of_the_background():
    ny, nx = 12, 5
    rate = slit((ny, nx), rows=())
    data = np.arange(ny * nx, dtype=np.float32).reshape(ny, nx)
    made, _ = extracted(
        rate.replace(data=data), trace="straight", apertures="4:6.5", background="0:1; 10:11"
    )
    # half of row 7 counts; rows 0, 1, 10 and 11 have the mean of row 5.5
    rows = data[4] + data[5] + data[6] + data[7] / 2
    level = (data[0] + data[1] + data[10] + data[11]) / 4
    factor = 2e-12 * 1e6
    np.testing.assert_allclose(made.flux[0, 0], (rows - 3.5 * level) * factor, rtol=1e-6)
    np.testing.assert_allclose(made.background[0, 0], 3.5 * level * factor, rtol=1e-6)
    np.testing.assert_allclose(made.npixels[0, 0], 3.5)
    # rows count whole but for a half; the mean of 4 pixels is taken 3.5 times
    variance = (3 + 0.25 + 3.5**2 / 4) * factor**2
    np.testing.assert_allclose(made.err[0, 0] ** 2, variance, rtol=1e-6)
    np.testing.assert_allclose(made.surface[0, 0], 1 / (3.5 * factor))
    assert made.exposure.unit == "Jy"
    assert made.limits == (0, 4, 4, 6.5)
    np.testing.assert_allclose(made.wavelength[0], rate.wavelength[0])


@pytest.mark.parametrize("kind", ["box", "optimal"])
def test_the_brightest_source_is_found_and_followed(kind):
    rate = slit(bend=14.0, level=5.0)
    made, shown = extracted(
        rate, extraction_type=kind, width=9.0, subtract_background=True, profile_order=0
    )
    assert shown.model.y == pytest.approx(11, abs=0.02)
    truth = 14 * ((np.arange(80) - 40) / 80) ** 2
    np.testing.assert_allclose(shown.model.path, truth, atol=0.05)
    pull = (made.flux[0, 0] / 2e-6 - 1000) / (made.err[0, 0] / 2e-6)
    assert abs(pull.mean()) < 0.5
    assert 0.8 < pull.std() < 1.25
    assert np.isnan(made.surface).all() == (kind == "optimal")


@pytest.mark.parametrize("turn", [lambda rate: rate, turned])
def test_the_background_beside_an_aperture_is_that_of_the_slit_not_of_the_dark_around_it(turn):
    rate = slit((60, 80), rows=(22.0,), level=50.0, noise=0.5)
    y = np.arange(60)[:, None]
    lit, told = (y > 10) & (y < 39), (y > 9) & (y < 40)  # bounds of a WCS are wider
    rate = rate.replace(
        data=np.where(lit, rate.data, 0).astype(np.float32),
        wavelength=np.where(told, rate.wavelength, np.nan).astype(np.float32),
    )
    made, shown = extracted(turn(rate), subtract_background=True, width=9.0)
    np.testing.assert_allclose(shown.model.slit, [10, 39], atol=0.01)
    assert made.flux[0, 0].mean() / 2e-6 == pytest.approx(1000, rel=0.005)


def test_errors_are_true_and_profiles_are_no_worse_than_boxes():
    ny, nx, flux = 30, 1000, 200.0
    y, path = np.arange(ny)[:, None], ny / 2 + 3 * (np.arange(nx) / nx - 0.5) ** 2
    profile = np.exp(-(((y - path) / 1.5) ** 2) / 2) / (1.5 * np.sqrt(2 * np.pi))
    expected = flux * profile + 20
    read = np.full((ny, nx), 9.0, np.float32)
    ratios = {}
    for kind in ("box", "optimal"):
        pulls, ratio = [], []
        for seed in range(8):
            rng = np.random.default_rng(seed)
            data = rng.poisson(expected) + rng.normal(0, 3, (ny, nx))
            rate = Rate(
                exposure=exposure(unit="DN/s"),
                data=data.astype(np.float32),
                err=np.sqrt(expected + 9).astype(np.float32),
                dq=np.zeros((ny, nx), np.uint32),
                var_poisson=expected.astype(np.float32),
                var_rnoise=read,
            )
            made, _ = extracted(
                rate, extraction_type=kind, width=12.0, background="0:5; 24:29", profile_order=0
            )
            pulls.append((made.flux[0, 0] - flux) / made.err[0, 0])
            ratio.append(made.flux[0, 0] / made.err[0, 0])
        assert np.std(pulls) == pytest.approx(1, abs=0.03)
        assert np.mean(pulls) == pytest.approx(0, abs=0.05)
        ratios[kind] = np.median(ratio)
    assert ratios["optimal"] > 1.3 * ratios["box"]


def test_the_trace_of_soss_is_its_middle_and_not_a_bright_rim():
    star = simulate("niriss-soss", size=(96, 1024), nints=1, ngroups=2, seed=3)
    noise = np.random.default_rng(1).normal(0, 5, star.truth.rate.shape)
    same = slit(noise.shape, exp_type="NIS_SOSS", unit="DN/s")
    rate = same.replace(data=(star.truth.rate + noise).astype("f4"), err=np.full_like(same.err, 5))
    light = extracted(rate)[1].model
    window = star.window
    u = (window.xstart - 1 + np.arange(1024) - 1024) / 1024
    known = np.polynomial.polynomial.polyval(u, star.truth.traces[0].y) - (window.ystart - 1)
    off = light.y + light.path - known
    assert np.abs(off[20:-20]).max() < 0.6


def test_light_that_is_dispersed_along_y_gives_the_same_spectrum():
    rate = slit(bend=4.0, level=5.0)
    first, _ = extracted(rate, subtract_background=True)
    second, shown = extracted(turned(rate), subtract_background=True)
    np.testing.assert_allclose(second.flux, first.flux, rtol=1e-12)
    np.testing.assert_allclose(second.variances, first.variances, rtol=1e-12)
    assert second.limits == (*first.limits[2:], *first.limits[:2])
    band = drawn(shown, "aperture").marks[0]
    assert band.along == "y"


def test_each_integration_of_a_series_has_a_spectrum():
    rate = slit(bend=4.0)
    one, _ = extracted(rate)
    every, _ = extracted(series(rate))
    assert every.flux.shape == (3, 1, 80)
    for spectrum in every.flux:
        np.testing.assert_allclose(spectrum, one.flux[0], rtol=1e-7)


def test_nods_that_were_subtracted_are_taken_as_positive():
    rate = slit(rows=(6.0, 17.0))
    y = np.arange(24)[:, None]
    light = rate.replace(data=np.where(y < 12, rate.data, -rate.data))
    places = {"apertures": "2:10; 13:21-", "trace": "straight"}
    for kind in ("box", "optimal"):
        made, _ = extracted(light, extraction_type=kind, profile_order=0, **places)
        flux = np.median(made.flux[0], axis=1) / 2e-6
        np.testing.assert_allclose(flux, 1000, rtol=5e-3)
        assert made.names == ("source 1", "source 2")


def test_flagged_pixels_do_not_count():
    rate = slit()
    data, flags = rate.data.copy(), rate.dq.copy()
    data[11, 30], flags[11, 30] = 1e6, dq.DO_NOT_USE
    data[12, 50], flags[12, 50] = 1e6, dq.JUMP_DET
    spoilt = rate.replace(data=data, dq=flags)
    made, _ = extracted(spoilt, extraction_type="box")
    assert made.npixels[0, 0, 30] == made.npixels[0, 0, 31] - 1
    assert made.flux[0, 0, 30] < 1000 * 2e-6
    assert made.flux[0, 0, 50] > 1e6 * 2e-6


def test_what_is_not_known_is_said_and_no_error_is_made_up():
    rate = slit()
    nothing = np.full(rate.data.shape, np.nan, np.float32)
    bare = rate.replace(
        err=nothing, var_poisson=nothing, var_rnoise=nothing, wavelength=None
    ).replace(exposure=exposure(pixel_area=0.0))
    for kind in ("box", "optimal"):
        made, shown = extracted(bare, extraction_type=kind, profile_order=0)
        assert np.isfinite(made.flux).all()
        assert np.isnan(made.err).all()
        assert made.exposure.unit == "MJy/sr"
        assert len(made.notes) == 3
        assert drawn(shown, "spectrum").x_label == "pixel (no wavelength is known)"
        assert "no variances" in drawn(shown, "what was extracted").title


def test_an_error_plane_serves_where_variances_are_missing():
    rate = slit()
    nothing = np.full(rate.data.shape, np.nan, np.float32)
    known, _ = extracted(rate)
    made, _ = extracted(rate.replace(var_poisson=nothing, var_rnoise=nothing))
    np.testing.assert_allclose(made.err, known.err, rtol=1e-6)


def test_a_ring_in_the_light_of_its_source_is_named_and_not_the_aperture():
    said = r"background: no spaxel from 1\.1 to 1\.7 .* widen annulus"
    with pytest.raises(InputError, match=said):
        extracted(cube(), center_xy="9 12", radius=0.75)
    made, _ = extracted(cube(), center_xy="9 12", radius=0.75, subtract_background=False)
    assert np.isfinite(made.flux).all()


def test_a_circle_in_a_cube_is_its_light_less_the_ring():
    made, shown = extracted(cube(), radius=6.0, annulus="1.2 1.5", ifu_covar_scale=1.0)
    assert (shown.model.x, shown.model.y) == pytest.approx((9, 12), abs=0.1)
    truth = 50 * 2 * np.pi * 1.5**2 * 2e-6
    np.testing.assert_allclose(made.flux[0, 0], truth, rtol=0.01)
    np.testing.assert_allclose(made.background[0, 0], 3 * np.pi * 36 * 2e-6, rtol=0.01)
    np.testing.assert_allclose(made.wavelength[0], np.linspace(1, 2, 6))
    known, _ = extracted(cube(), radius=6.0, annulus="1.2 1.5")
    # of spaxels of 0.1 arcsec from NIRSpec's pixels: a little less than that of endless circles
    np.testing.assert_allclose(known.err / made.err, 1.507, atol=0.002)
    both = [extracted(cube(), ifu_set_srctype="EXTENDED", ifu_covar_scale=s)[0] for s in (None, 1)]
    np.testing.assert_allclose(both[0].err / both[1].err, 1.53, atol=0.01)


def test_all_of_an_extended_cube_is_summed():
    one = cube()
    made, shown = extracted(one, ifu_set_srctype="EXTENDED")
    np.testing.assert_allclose(made.flux[0, 0], one.data.sum(axis=(1, 2)) * 2e-6, rtol=1e-5)
    assert drawn(shown, "aperture").marks == ()


def test_a_cube_without_errors_or_weights_is_extracted_without_errors():
    bare = cube(err=np.full((6, 21, 21), np.nan, np.float32), weight=None)
    made, _ = extracted(bare, radius=6.0)
    assert np.isfinite(made.flux).all()
    assert np.isnan(made.err).all()
    assert "errors are not known" in made.notes


# -- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"apertures": "40:45"}, "aperture 40:45 in columns 0 to 79 has no pixel of the frame of"),
        ({"background": "60:70"}, "background 60:70 in columns"),
        ({"apertures": "8:12; 12:15"}, "apertures 8:12 and 12:15 overlap"),
        ({"xstart": 100.0}, "columns 100 to 79: none lies in 0 to 79"),
        ({"apertures": "0:23", "subtract_background": True}, "no row is left beside"),
    ],
)
def test_places_that_cannot_be_are_told_in_one_line(params, said):
    with pytest.raises(InputError, match=said) as caught:
        extracted(slit(), **params)
    assert "\n" not in str(caught.value)


def test_an_aperture_in_which_all_is_flagged_is_told():
    rate = slit()
    bad = np.full(rate.data.shape, dq.DO_NOT_USE, np.uint32)
    with pytest.raises(InputError, match="aperture 9:13 has no pixel that counts: all are flagged"):
        extracted(rate.replace(dq=bad), apertures="9:13")
    with pytest.raises(InputError, match="no light that tells where a source is"):
        extracted(rate.replace(dq=bad))
    flagged = cube(dq=np.full((6, 21, 21), dq.DO_NOT_USE, np.uint32))
    with pytest.raises(InputError, match=r"no spaxel (that counts|with a value)"):
        extracted(flagged, center_xy="9 12", radius=3.0)


def test_a_circle_off_the_cube_is_told():
    with pytest.raises(InputError, match=r"circle at x = 90\.0, y = 5\.0 has no spaxel"):
        extracted(cube(), center_xy="90 5", radius=3.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dispaxis": 0}, "is not dispersed"),
        ({"exp_type": "NRS_IFU"}, "make a cube of it first"),
        ({"exp_type": "NRS_MSASPEC"}, "many sources"),
    ],
)
def test_exposures_without_a_spectrum_to_extract_are_left_alone(changes, said):
    step = registry["extract_1d"]
    assert said in step.skips(exposure(**changes), step.params())


def test_a_frame_without_light_has_straight_rows_and_says_so():
    made, shown = extracted(slit(rows=()), apertures="9:13")
    assert not shown.model.path.any()
    assert "rows are straight" in made.notes[-1]


# -- what is seen and taken back --------------------------------------------------------------


def test_apertures_are_bands_that_can_be_moved_drawn_and_taken_away():
    rate = slit(bend=4.0)
    _, shown = extracted(rate, apertures="8:14; 17:19-", background="2:4", xstart=5.0)
    frame = drawn(shown, "aperture")
    bands = frame.marks
    assert [(b.name, b.low, b.high, b.kind) for b in bands] == [
        ("source 1", 7.5, 14.5, "source"),
        ("source 2", 16.5, 19.5, "source"),
        ("background 1", 1.5, 4.5, "background"),
    ]
    assert (bands[0].start, bands[0].stop) == (4.5, 79.5)
    np.testing.assert_allclose(bands[0].path, shown.model.path, atol=1e-3)
    moved = edited(shown, bands[1], dc.replace(bands[1], low=17.5, high=20.5))
    assert moved.apertures == "8:14; 18:20-"
    assert (moved.background, moved.xstart, moved.xstop) == ("2:4", 5.0, None)
    shorter = edited(shown, bands[0], dc.replace(bands[0], start=9.5, stop=60.5))
    assert (shorter.xstart, shorter.xstop) == (10.0, 60.0)
    more = edited(shown, None, Band(low=20.5, high=22.5, kind="background"))
    assert more.background == "2:4; 21:22"
    less = edited(shown, bands[2], None)
    assert (less.background, less.apertures) == ("", shown.params.apertures)
    other = edited(shown, bands[2], dc.replace(bands[2], kind="source"))
    assert (other.apertures, other.background) == ("8:14; 17:19-; 2:4", "")


def test_an_aperture_that_was_found_becomes_one_of_its_own_when_it_is_moved():
    rate = slit()
    made, shown = extracted(rate)
    (band,) = drawn(shown, "aperture").marks
    there = edited(shown, band, band)
    again, _ = extracted(rate, apertures=there.apertures)
    np.testing.assert_allclose(again.flux, made.flux, rtol=2e-3)


def test_the_circle_and_the_ring_of_a_cube_can_be_moved():
    _, shown = extracted(cube(), radius=4.0, annulus="1.5 2")
    source, inner, outer = drawn(shown, "aperture").marks
    assert (source.kind, inner.kind, outer.kind) == ("source", "inner", "outer")
    assert (source.a, inner.a, outer.a) == (4, 6, 8)
    moved = edited(shown, source, dc.replace(source, x=5.0, y=6.0))
    assert (moved.center_xy, moved.radius, moved.annulus) == ("5.00 6.00", 4.0, "1.5 2")
    wider = edited(shown, source, dc.replace(source, a=5.0, b=5.0))
    assert (wider.radius, wider.annulus) == (5.0, "1.200 1.600")
    ring = edited(shown, outer, dc.replace(outer, a=10.0, b=10.0))
    assert (ring.annulus, ring.radius) == ("1.500 2.500", 4.0)
    assert edited(shown, inner, None).subtract_background is False


def test_moving_an_aperture_measures_nothing_again():
    step = registry["extract_1d"]
    one = step.params(apertures="3:5")
    assert step.asked_of(one) == step.asked_of(step.params(apertures="9:12", xstart=3.0))
    assert step.asked_of(one) != step.asked_of(step.params(trace="straight"))


@pytest.mark.parametrize("product", [slit(bend=4.0), series(slit()), cube()])
def test_every_view_is_drawn(product):
    _, shown = extracted(product)
    step = registry["extract_1d"]
    assert step.views()[0].title == "aperture"
    kinds = {v.title: type(v.draw(shown)).__name__ for v in step.own_views}
    assert kinds == {
        "aperture": "Frame",
        "spectrum": "Plot",
        "profile": "Plot",
        "signal to noise": "Plot",
        "what was extracted": "Table",
        "light curve": "Plot" if isinstance(product, RateInts) else "Table",
        "drift of the trace": "Table",
    }


def test_the_profile_shows_the_light_in_the_rows_of_the_aperture():
    _, shown = extracted(slit(bend=4.0), apertures="8:14")
    light, aperture = drawn(shown, "profile").curves
    assert np.nanargmax(light.y) == 11
    assert (aperture.x.min(), aperture.x.max()) == (7.5, 14.5)


# -- files ------------------------------------------------------------------------------------


def slit_file(folder, slit_hdus, names=("3", "5")):
    """A cal file of slits, each with a source; the last has no light that counts."""
    hdus = slit_hdus(names, [(24, 80)] * len(names))
    for i in range(len(names)):
        rate = slit(rows=(10.0 + i,), seed=i)
        hdus["SCI", i + 1].data = rate.data
        for name in ("ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"):
            hdus[name, i + 1].data[:] = 1
    path = folder / "jw1_nrs1_cal.fits"
    hdus.writeto(path)
    return path


def test_slits_are_exposures_of_a_session_and_go_into_one_file(tmp_path, slit_hdus):
    path = slit_file(tmp_path, slit_hdus)
    session = jwinteractive.open(path, ALONE)
    assert [f.name for f in session.exposures] == ["jw1_nrs1_cal.fits [3]", "jw1_nrs1_cal.fits [5]"]
    assert session.exposures[0].key != session.exposures[1].key
    (written,) = session.write(tmp_path / "out", exposure=1)
    assert written.name == "jw1_nrs1_x1d.fits"
    with fits.open(written) as file:
        tables = [h for h in file if h.name == "EXTRACT1D"]
        assert [t.header["SLTNAME"] for t in tables] == ["3", "5"]
        for table in tables:
            assert np.median(table.data["FLUX"]) == pytest.approx(1000 * 4e-7, rel=0.02)
    session.save(tmp_path / "saved")
    again = jwinteractive.open(tmp_path / "saved")
    assert [f.name for f in again.exposures] == [f.name for f in session.exposures]
    assert isinstance(again.run(exposure=1), SpectrumSet)


def test_slits_are_opened_by_name(tmp_path, slit_hdus):
    path = slit_file(tmp_path, slit_hdus)
    (only,) = open_files(path, ["5"])
    assert only.exposure.slit == "5"
    assert open_file(path, "5").key == only.key
    with pytest.raises(InputError, match="has 2 slits"):
        open_file(path)
    session = jwinteractive.open(path, ALONE, slits=["5"])
    assert len(session.exposures) == 1


def test_a_script_opens_the_same_slits_and_writes_each_file_once(tmp_path, slit_hdus):
    path = slit_file(tmp_path, slit_hdus)
    for slits in ((), ("5",)):
        session = jwinteractive.open(path, ALONE, slits=slits)
        out = tmp_path / f"out{len(slits)}"
        made = {}
        exec(script(session, write=out), made)
        assert [f.name for f in made["session"].exposures] == [f.name for f in session.exposures]
        assert [p.name for p in out.iterdir()] == ["jw1_nrs1_x1d.fits"]


def test_a_slit_that_fails_is_left_out_and_told(tmp_path, slit_hdus):
    path = slit_file(tmp_path, slit_hdus)
    with fits.open(path, mode="update") as file:
        file["DQ", 2].data[:] = 1
    session = jwinteractive.open(path, ALONE)
    (written,) = session.write(tmp_path / "out")
    with fits.open(written) as file:
        assert [h.header["SLTNAME"] for h in file if h.name == "EXTRACT1D"] == ["3"]
    assert any("[5]: left out" in entry.text for entry in session.journal)
    alone = jwinteractive.open(path, ALONE, slits=["5"])
    with pytest.raises(InputError, match="no light that tells where a source is"):
        alone.write(tmp_path / "other")


def test_the_command_extracts_all_slits_of_a_file(tmp_path, slit_hdus, capsys):
    path = slit_file(tmp_path, slit_hdus)
    out = tmp_path / "out"
    asked = ["extract", str(path), "-o", str(out), "--json", "--set", "width=9"]
    assert main(asked) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["outputs"] == [str(out / "jw1_nrs1_x1d.fits")]
    with fits.open(out / "jw1_nrs1_x1d.fits") as file:
        assert [h.header["SLTNAME"] for h in file if h.name == "EXTRACT1D"] == ["3", "5"]
    assert main(asked) == 0
    assert "up to date" in capsys.readouterr().err


def test_the_command_leaves_out_a_slit_that_fails_and_says_so(tmp_path, slit_hdus, capsys):
    path = slit_file(tmp_path, slit_hdus)
    with fits.open(path, mode="update") as file:
        file["DQ", 1].data[:] = 1
    assert main(["extract", str(path), "-o", str(tmp_path / "out")]) == 0
    assert "[3]: left out: frame has no light" in capsys.readouterr().err
    with fits.open(tmp_path / "out" / "jw1_nrs1_x1d.fits") as file:
        assert [h.header["SLTNAME"] for h in file if h.name == "EXTRACT1D"] == ["5"]


def test_the_command_writes_a_time_series_in_rows(tmp_path, image_hdus):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    hdus = image_hdus((4, 24, 80), EXP_TYPE="NRS_BRIGHTOBJ", NINTS=4)
    every = series(slit(), 4)
    hdus["SCI"].data = every.data * np.arange(1, 5, dtype="f4")[:, None, None]
    hdus.writeto(tmp_path / "a_calints.fits")
    out = tmp_path / "out"
    assert main(["extract", str(tmp_path / "a_calints.fits"), "-o", str(out)]) == 0
    with datamodels.open(out / "a_x1dints.fits") as model:
        assert isinstance(model, datamodels.TSOMultiSpecModel)
        flux = model.spec[0].spec_table["FLUX"]
        assert flux.shape == (4, 80)
        np.testing.assert_allclose(flux / flux[0], [[k] * 80 for k in range(1, 5)], rtol=1e-5)
        assert model.meta.cal_step.extract_1d == "COMPLETE"


def test_the_command_says_in_one_line_why_nothing_is_extracted(tmp_path, image_hdus, capsys):
    image_hdus((24, 80), EXP_TYPE="NRS_IMAGE").writeto(tmp_path / "a_cal.fits")
    assert main(["extract", str(tmp_path / "a_cal.fits"), "-o", str(tmp_path / "out")]) == 2
    (line,) = [k for k in capsys.readouterr().err.splitlines() if "error" in k]
    assert "is not dispersed" in line
    with pytest.raises(RecipeError):
        jwinteractive.open(tmp_path / "a_cal.fits", ALONE).run()


def test_one_spectrum_is_fitted_to_all_exposures_of_a_slit(tmp_path, slit_hdus):
    paths = []
    for i, row in enumerate((7.3, 11.8, 16.1)):
        rate = slit(rows=(row,), seed=i, bend=2.0)
        hdus = slit_hdus(("3",), ((24, 80),))
        hdus["SCI", 1].data = rate.data
        for name in ("ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"):
            hdus[name, 1].data[:] = 0.5
        paths.append(tmp_path / f"jw{i}_nrs1_cal.fits")
        hdus.writeto(paths[-1])
    session = jwinteractive.open(paths, ALONE)
    alone = session.run()
    session.set("extract_1d", extraction_type="forward")
    found = [session.run(exposure=i) for i in range(3)]
    for other in found[1:]:
        np.testing.assert_array_equal(other.flux, found[0].flux)
    rows = [(f.limits[2] + f.limits[3]) / 2 for f in found]
    np.testing.assert_allclose(rows, (7.3, 11.8, 16.1), atol=0.1)
    flux = found[0].flux[0, 0, 5:-5] / 4e-7
    assert flux.mean() == pytest.approx(1000, rel=5e-3)
    assert flux.std() < 0.8 * (alone.flux[0, 0] / 4e-7).std()
    assert "one spectrum of 3 exposures" in found[0].notes[-1]
    view = session.glance(session.input().covers, before=True)
    shown = Shown(
        after=view.product,
        before=view.before,
        model=view.model,
        params=session.recipe["extract_1d"].params,
    )
    (band,) = drawn(shown, "aperture").marks
    assert (band.low + band.high) / 2 == pytest.approx(7.3, abs=0.1)
    assert edited(shown, band, dc.replace(band, low=0.5)) == shown.params


def test_what_has_no_forward_extraction_says_so():
    step = registry["extract_1d"]
    p = step.params(extraction_type="forward")
    assert step.alone(Rate, exposure(), p) == ""
    assert "time series have no forward" in step.alone(RateInts, exposure(), p)
    assert "cubes have no forward" in step.alone(Cube, exposure(), p)
    assert step.alone(Cube, exposure(), step.params()) == ""


# -- real files -------------------------------------------------------------------------------


def test_a_published_slit_spectrum_comes_out_of_its_rectified_image(real):
    spec = real / "spec"
    rate = open_product(spec / "jw02565007001_03101_00002_nrs2_s2d.fits").product
    with fits.open(spec / "jw02565007001_03101_00002_nrs2_x1d.fits") as file:
        cards, table = file["EXTRACT1D"].header, file["EXTRACT1D"].data
    rows = f"{cards['EXTRYSTR'] - 1}:{cards['EXTRYSTP'] - 1}"
    made, _ = extracted(rate, apertures=rows, trace="straight")
    known = np.isfinite(made.wavelength[0])
    # the older official step weighed variances at the edges of the aperture in another way
    for name, values, near in (("FLUX", made.flux, 2e-4), ("FLUX_ERROR", made.err, 0.02)):
        mine = np.interp(table["WAVELENGTH"], made.wavelength[0, known], values[0, 0, known])
        np.testing.assert_allclose(np.nanmedian(mine / table[name]), 1, atol=near)
    np.testing.assert_allclose(table["NPIXELS"], 6, atol=1e-6)


def test_the_wcs_of_a_file_places_the_source_and_tells_wavelengths_that_no_plane_has(real):
    path = real / "spec" / "jw02565007001_03101_00003_nrs2_cal.fits"
    session = jwinteractive.open(path, ALONE)
    known = session.run()
    session.set("extract_1d", use_source_posn=True)
    placed = session.run()
    centre = (placed.limits[2] + placed.limits[3]) / 2
    assert centre == pytest.approx((known.limits[2] + known.limits[3]) / 2, abs=1)
    file = session.exposures[0]
    bare = dc.replace(file, product=file.product.replace(wavelength=None), key="bare")
    session.exposures = (bare,)
    told = session.run().wavelength
    good = np.isfinite(told) & np.isfinite(placed.wavelength)
    assert good.sum() > 400
    np.testing.assert_allclose(told[good], placed.wavelength[good], rtol=2e-3)


def test_three_nods_of_a_published_slit_have_one_spectrum(real):
    paths = sorted((real / "spec").glob("jw02565007001_03101_0000?_nrs2_cal.fits"))
    session = jwinteractive.open(paths, ALONE)
    session.set("extract_1d", extraction_type="forward")
    made = session.run(exposure=1)
    with fits.open(real / "spec" / "jw02565007001_03101_00002_nrs2_x1d.fits") as file:
        table = file["EXTRACT1D"].data
    known = np.isfinite(made.wavelength[0])
    mine = np.interp(table["WAVELENGTH"], made.wavelength[0, known], made.flux[0, 0, known])
    good = np.isfinite(mine) & (table["FLUX"] > 5 * table["FLUX_ERROR"])
    assert np.median(mine[good] / table["FLUX"][good]) == pytest.approx(1, abs=0.05)
    chi2 = float(made.notes[-1].rpartition("chi2 ")[2])
    assert chi2 < 4  # the official errors of these pixels are too small


def test_a_position_that_nothing_tells_is_no_error_but_said():
    made, _ = extracted(slit(), use_source_posn=True)
    assert "the brightest was taken" in made.notes[-1]


def test_jupiter_is_extracted_without_errors(real):
    found = open_product(next((real / "cube").glob("*s3d_nav.fits"))).product
    made, _ = extracted(found, radius=3.0)
    assert np.isfinite(made.flux).sum() > 600
    assert np.isnan(made.err).all()
    assert made.exposure.unit == "Jy"


def test_nods_of_raw_groups_have_one_spectrum_as_those_of_calibrated_files_have(tmp_path):
    paths = []
    for nod in (1, 2):
        made = simulate("miri-lrs-slit", size=(48, 64), ngroups=5, seed=nod)
        paths.append(made.write(tmp_path / str(nod)))
    recipe = Recipe.of("ramp_fit", "extract_1d").with_params(
        "extract_1d", extraction_type="forward"
    )
    session = jwinteractive.open(paths, recipe)
    assert [len(p.peers) for p in session.plan()] == [0, 2]
    session.set("extract_1d", extraction_type="box")
    assert [len(p.peers) for p in session.plan()] == [0, 1]
