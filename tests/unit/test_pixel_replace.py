"""The step pixel_replace: boxes, integrations, slices of a file, products, pictures, refusals."""

import io

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.cli import main
from jwinteractive.data import Box, Exposure, Rate, RateInts
from jwinteractive.errors import InputError, RecipeError, StepError
from jwinteractive.io import Provenance, write_product
from jwinteractive.recipe import Recipe
from jwinteractive.replace.frame import ALONG_X, ALONG_Y, MODEL, PROFILE
from jwinteractive.replace.look import REPLACED_BITS, VIEWS
from jwinteractive.replace.slices import measure_slices
from jwinteractive.session import open_session
from jwinteractive.step import Whole, registry
from jwinteractive.store import Store
from jwinteractive.views import Shown

PLANES = ("data", "err", "var_poisson", "var_rnoise")
SHAPE = (24, 60)
SPECTRAL = {"instrument": "NIRSPEC", "detector": "NRS1", "exp_type": "NRS_FIXEDSLIT", "dispaxis": 1}


def truth(shape=SHAPE, trace=None):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    centre = (shape[0] - 1) / 2 if trace is None else trace
    return 10 + (500 + 5 * x) * np.exp(-0.5 * ((y - centre) / 1.5) ** 2)


def spectrum(shape=SHAPE, bad=0.04, seed=1, **exposure):
    """A star's trace with noise of 3, and bad pixels without a value."""
    rng = np.random.default_rng(seed)
    hit = rng.random(shape) < bad
    data = truth(shape) + rng.normal(0, 3, shape)
    flags = np.where(hit, dq.DO_NOT_USE | dq.HOT, 0).astype(np.uint32)
    planes = [data, np.full(shape, 3.0), np.full(shape, 4.0), np.full(shape, 5.0)]
    planes = [np.where(hit, np.nan, plane).astype(np.float32) for plane in planes]
    e = Exposure(**(SPECTRAL | exposure))
    return Rate(exposure=e, dq=flags, **dict(zip(PLANES, planes, strict=True)))


def turned(rate):
    """The same with the wavelengths along y."""
    planes = {name: getattr(rate, name).T.copy() for name in (*PLANES, "dq")}
    exposure = Exposure(**(SPECTRAL | {"dispaxis": 2}))
    return Rate(exposure=exposure, **planes)


def series(*rates):
    planes = {n: np.stack([getattr(r, n) for r in rates]) for n in (*PLANES, "dq")}
    exposure = Exposure(**(SPECTRAL | {"nints": len(rates), "exp_type": "NRS_BRIGHTOBJ"}))
    return RateInts(exposure=exposure, **planes)


def whole_of(product, path=None):
    return Whole(product.exposure, product.covers, product.crop, path)


def replaced(product, path=None, part=None, **params):
    step = registry["pixel_replace"]
    p = step.params.from_dict(params)
    model = step.learn(whole_of(product, path), p, {})
    return step(product if part is None else product.crop(part), p, {}, model)


def same(one, other):
    for name, plane in one.arrays().items():
        np.testing.assert_array_equal(plane, other.arrays()[name], err_msg=name)


@pytest.mark.parametrize("algorithm", ["weighted_profile", "fit_profile", "mingrad"])
def test_replaced_values_are_the_true_ones_within_their_errors(algorithm):
    rate = spectrum(bad=0.02)
    made = replaced(rate, algorithm=algorithm)
    done = made.replaced != 0
    assert np.count_nonzero(done) > 0.8 * np.count_nonzero(np.isnan(rate.data))
    assert np.all(made.dq[done] & dq.FLUX_ESTIMATED)
    assert not np.any(made.dq[done] & dq.DO_NOT_USE)
    # mingrad knows nothing of the profile: it misses the top of the star by a share of it
    share = 0.5 if algorithm == "mingrad" else 0.05
    off = np.abs(made.data - truth())[done]
    assert np.all(off < share * truth()[done] + 15)
    assert np.all(made.err[done] > 0)
    untouched = np.isfinite(rate.data)
    for name in PLANES:
        np.testing.assert_array_equal(
            getattr(made, name)[untouched], getattr(rate, name)[untouched]
        )
    ways = {PROFILE} if algorithm != "mingrad" else {ALONG_X, ALONG_Y}
    assert set(np.unique(made.replaced)) == {0} | ways


def test_the_mean_of_two_neighbours_by_hand():
    data = np.full((9, 9), 10.0, np.float32)
    data[4] = [10, 10, 10, 12, np.nan, 16, 10, 10, 10]  # 4 apart along x
    data[3, 4], data[5, 4] = 20, 40  # 20 apart along y
    flags = np.where(np.isnan(data), dq.DO_NOT_USE, 0).astype(np.uint32)
    ones = np.ones_like(data)
    e = Exposure(**(SPECTRAL | {"dispaxis": 0}))
    rate = Rate(exposure=e, data=data, err=ones, dq=flags, var_poisson=ones, var_rnoise=ones)
    made = replaced(rate, algorithm="mingrad", honest_errors=False)
    assert made.data[4, 4] == 14
    assert made.err[4, 4] == 1
    assert made.replaced[4, 4] == ALONG_X
    assert replaced(rate, algorithm="mingrad").err[4, 4] > 3  # the axes disagree by 16


@pytest.mark.parametrize("algorithm", ["weighted_profile", "fit_profile", "mingrad"])
@pytest.mark.parametrize("dispaxis", [1, 2])
def test_a_box_equals_the_whole_where_rows_beyond_the_spectrum_are_bad(algorithm, dispaxis):
    """Where a spectrum ends is told by all of its columns, not by those about a box."""
    rate = spectrum()
    flags, data = rate.dq.copy(), rate.data.copy()
    flags[:4] |= dq.DO_NOT_USE  # with a value
    flags[2, 50] = 0  # seen here alone
    flags[-5:] |= dq.DO_NOT_USE
    data[:4] = 3.0
    rate = rate.replace(dq=flags, data=data)
    box = Box(0, 24, 20, 30)
    if dispaxis == 2:
        rate, box = turned(rate), Box(20, 30, 0, 24)
    step = registry["pixel_replace"]
    p = step.params.from_dict({"algorithm": algorithm, "n_adjacent_cols": 2})
    model = step.learn(whole_of(rate), p, {})
    around = step.context(rate.exposure, p, box, rate.covers)
    part = step(rate.crop(around), p, {}, model).crop(box)
    whole = step(rate, p, {}, model)
    assert np.any(part.replaced)
    same(part, whole.crop(box))
    if algorithm == "fit_profile":  # nothing is known there, and officially becomes nothing
        rows = np.isnan(whole.data) if dispaxis == 1 else np.isnan(whole.data.T)
        assert rows[2:4, 20:30].any()
        assert not rows[:2].any()


def test_both_axes_give_the_same_numbers():
    rate = spectrum()
    for algorithm in ("weighted_profile", "fit_profile"):
        along_x = replaced(rate, algorithm=algorithm)
        along_y = replaced(turned(rate), algorithm=algorithm)
        for name in (*PLANES, "dq", "replaced"):
            np.testing.assert_array_equal(getattr(along_y, name).T, getattr(along_x, name))


def test_each_integration_is_replaced_by_itself():
    rates = [spectrum(seed=seed) for seed in (1, 2, 3)]
    for algorithm in ("weighted_profile", "fit_profile", "mingrad"):
        together = replaced(series(*rates), algorithm=algorithm)
        assert together.replaced.shape == (3, *SHAPE)
        for i, rate in enumerate(rates):
            alone = replaced(rate, algorithm=algorithm)
            for name in (*PLANES, "dq", "replaced"):
                np.testing.assert_array_equal(getattr(together, name)[i], getattr(alone, name))


def test_what_an_earlier_run_replaced_stays_told():
    first = replaced(spectrum(), algorithm="mingrad")
    flags, data = first.dq.copy(), first.data.copy()
    flags[12, 30], data[12, 30] = dq.DO_NOT_USE, np.nan
    again = replaced(first.replace(dq=flags, data=data), algorithm="fit_profile")
    assert again.replaced[12, 30] == PROFILE
    earlier = first.replaced != 0
    earlier[12, 30] = False
    np.testing.assert_array_equal(again.replaced[earlier], first.replaced[earlier])


def two_slices():
    """Two spectra beside each other, and which pixel is of which."""
    labels = np.zeros((24, 60), np.int32)
    labels[1:11], labels[13:23] = 7, 3
    rate = spectrum(exp_type="NRS_IFU", bad=0.0)
    rng = np.random.default_rng(4)
    scene = truth((24, 60), 5) + 4 * (truth((24, 60), 18) - 10)
    data = np.where(labels > 0, scene + rng.normal(0, 3, (24, 60)), np.nan)
    flags = np.where(labels > 0, 0, dq.DO_NOT_USE | dq.NON_SCIENCE).astype(np.uint32)
    for y, x in ((5, 30), (18, 30), (6, 31), (17, 33)):
        data[y, x], flags[y, x] = np.nan, dq.DO_NOT_USE
    return rate.replace(data=data.astype("f4"), dq=flags), labels, scene


def with_regions(folder, rate, labels):
    path = write_product(rate, folder / "slices_rate.fits", Provenance())
    with fits.open(path, mode="append") as hdus:
        hdus.append(fits.ImageHDU(labels.astype(np.int32), name="REGIONS"))
    return path


def test_slices_of_a_file_are_spectra_of_their_own(tmp_path):
    rate, labels, scene = two_slices()
    path = with_regions(tmp_path, rate, labels)
    made = replaced(rate, path, algorithm="fit_profile")
    model = measure_slices(whole_of(rate, path))
    assert model.reach(0, 1, Box(0, 24, 10, 20)) == {3: (13, 23), 7: (1, 11)}
    for y, x in ((5, 30), (18, 30), (6, 31), (17, 33)):
        assert made.replaced[y, x] == PROFILE
        assert abs(made.data[y, x] - scene[y, x]) < 0.03 * scene[y, x] + 10
    assert not made.replaced[labels == 0].any()


def test_slices_of_the_medium_resolution_spectrometer_are_in_its_wcs(tmp_path):
    import asdf
    from astropy import units as u
    from astropy.modeling.models import Mapping
    from gwcs import coordinate_frames as cf
    from gwcs.selector import LabelMapperArray, RegionsSelector
    from gwcs.wcs import WCS

    rate, labels, _ = two_slices()
    exposure = Exposure(**(SPECTRAL | {"instrument": "MIRI", "exp_type": "MIR_MRS"}))
    rate = rate.replace(exposure=exposure)
    spread = Mapping((0, 1, 0))
    transform = RegionsSelector(
        ("x", "y"), ("alpha", "beta", "lam"), {3: spread, 7: spread}, LabelMapperArray(labels)
    )
    detector = cf.Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
    sky = cf.Frame2D(name="ab", axes_order=(0, 1), unit=(u.arcsec, u.arcsec))
    wave = cf.SpectralFrame(name="wave", axes_order=(2,), unit=u.um)
    local = cf.CompositeFrame([sky, wave], name="alpha_beta")
    tree = asdf.AsdfFile({"meta": {"wcs": WCS([(detector, transform), (local, None)])}})
    written = io.BytesIO()
    tree.write_to(written)
    path = write_product(rate, tmp_path / "mrs_rate.fits", Provenance())
    stored = np.frombuffer(written.getvalue(), np.uint8)
    column = fits.Column(name="ASDF_METADATA", format=f"{len(stored)}B", array=stored[None])
    with fits.open(path) as hdus:
        kept = [hdu.copy() for hdu in hdus if hdu.name != "ASDF"]
    table = fits.BinTableHDU.from_columns([column], name="ASDF")
    fits.HDUList([*kept, table]).writeto(path, overwrite=True)
    model = measure_slices(whole_of(rate, path))
    np.testing.assert_array_equal(model.labels, labels)


def test_profiles_of_slices_that_nobody_numbered_are_refused_and_mingrad_is_not(tmp_path):
    rate, labels, _ = two_slices()
    with pytest.raises(InputError, match="set algorithm = 'mingrad'"):
        replaced(rate)
    assert replaced(rate, algorithm="mingrad").replaced.any()
    path = with_regions(tmp_path, rate, labels[:20])
    with pytest.raises(InputError, match="of one shape"):
        replaced(rate, path)


def test_an_image_without_dispersion_is_skipped_with_the_way_out():
    step = registry["pixel_replace"]
    image = Exposure(instrument="NIRCAM", detector="NRCA1", exp_type="NRC_IMAGE")
    said = step.skips(image, step.params())
    assert "NRC_IMAGE has no dispersion axis" in said
    assert "algorithm = 'mingrad'" in said
    assert not step.skips(image, step.params(algorithm="mingrad"))


def test_weights_without_errors_are_refused():
    rate = spectrum()
    with pytest.raises(StepError, match="set algorithm = 'fit_profile'"):
        replaced(rate.replace(err=np.full_like(rate.err, np.nan)))


def test_a_file_is_replaced_without_running_anything_else(tmp_path, capsys):
    rate = spectrum()
    path = write_product(rate, tmp_path / "star_rate.fits", Provenance())
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["DISPAXIS"] = 1
    before = path.read_bytes()
    out = tmp_path / "out"
    assert main(["replace", str(path), "-o", str(out), "--set", "algorithm=fit_profile"]) == 0
    made = out / "star_pixel_replace.fits"
    assert capsys.readouterr().out.strip() == str(made)
    assert path.read_bytes() == before
    expected = replaced(rate, algorithm="fit_profile")
    with fits.open(made) as hdus:
        np.testing.assert_array_equal(hdus["SCI"].data, expected.data)
        np.testing.assert_array_equal(hdus["REPLACED"].data, expected.replaced)
        assert hdus[0].header["S_PXREPL"] == "COMPLETE"
    read = open_session(made, Recipe.of("pixel_replace"), store=None).input()
    np.testing.assert_array_equal(read.replaced, expected.replaced)


def test_a_file_without_dispersion_ends_the_command_with_one_line(tmp_path, capsys):
    rate = spectrum(instrument="NIRCAM", detector="NRCA1", exp_type="NRC_IMAGE", dispaxis=0)
    path = write_product(rate, tmp_path / "image_rate.fits", Provenance())
    with pytest.raises(RecipeError, match="no dispersion axis"):
        open_session(path, Recipe.of("pixel_replace"), store=None).plan()
    assert main(["replace", str(path), "-o", str(tmp_path / "out")]) == RecipeError.exit_code
    said = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in said if "dispersion axis" in line]) == 1


def drawn(title, before, after, **where):
    (view,) = [view for view in VIEWS if view.title == title]
    return view.draw(Shown(after=after, before=before, **where))


def test_pictures_tell_how_pixels_were_replaced():
    rate = spectrum()
    made = replaced(rate, algorithm="mingrad")
    frame = drawn("replaced pixels", rate, made)
    bits = {bit.name: bit.value for bit in REPLACED_BITS}
    np.testing.assert_array_equal(
        frame.dq == bits["replaced mean of two along x"], made.replaced == ALONG_X
    )
    table = drawn("how many were replaced", rate, made)
    assert ("mean of two along y", int((made.replaced == ALONG_Y).sum())) in table.rows


def test_the_spectrum_is_drawn_along_the_brightest_row_before_and_after():
    rate = spectrum(bad=0.1)
    for product, name in ((rate, "row"), (turned(rate), "column")):
        made = replaced(product)
        plot = drawn("before and after along the spectrum", product, made)
        row = int(np.argmax(truth().mean(axis=1)[:12]))
        assert f"{name} {row}" in plot.title or f"{name} {23 - row}" in plot.title
        after, before, points = plot.curves
        assert np.isfinite(after.y).all()
        gaps = np.isnan(before.y)
        assert gaps.any()
        np.testing.assert_array_equal(points.x, after.x[gaps])
        np.testing.assert_array_equal(points.y, after.y[gaps])


def test_an_integration_is_drawn_by_its_number():
    ints = series(spectrum(seed=1), spectrum(seed=2))
    made = replaced(ints)
    frames = [drawn("replaced pixels", ints, made, integration=i) for i in (0, 1)]
    for i, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.dq > 0, made.replaced[i] > 0)


def traced(folder, rate, trace):
    rate = rate.replace(exposure=Exposure(**(SPECTRAL | {"done": ("adaptive_trace_model",)})))
    path = write_product(rate, folder / "traced_rate.fits", Provenance())
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["DISPAXIS"] = 1
        hdus[0].header["S_TRCMOD"] = "COMPLETE"
        hdus.append(fits.ImageHDU(trace.astype(np.float32), name="TRACEMODEL"))
    return path


def test_the_trace_model_of_a_file_fills_what_it_tells_and_neighbours_the_rest(tmp_path):
    rate = spectrum(bad=0.05)
    trace = np.where(truth() > 20, truth(), np.nan).astype(np.float32)
    path = traced(tmp_path, rate, trace)
    session = open_session(path, Recipe.of("pixel_replace"), store=Store(tmp_path / "kept"))
    session.set("pixel_replace", algorithm="trace_model")
    made = session.run()
    modelled = np.isnan(rate.data) & np.isfinite(trace)
    np.testing.assert_array_equal(made.replaced == MODEL, modelled)
    np.testing.assert_array_equal(made.data[modelled], trace[modelled])
    assert np.isin(made.replaced[~modelled & (made.replaced > 0)], (ALONG_X, ALONG_Y)).all()
    box = Box(8, 15, 20, 30)
    same(session.preview(box=box), made.crop(box))
    (written,) = session.write(tmp_path / "out")
    with fits.open(written) as hdus:  # once, though no official model of an image knows it
        assert [hdu.name for hdu in hdus].count("TRACEMODEL") == 1
        np.testing.assert_array_equal(hdus["TRACEMODEL"].data, trace)


def test_a_trace_model_that_is_not_there_is_asked_for(tmp_path):
    step = registry["pixel_replace"]
    p = step.params(algorithm="trace_model")
    assert "run it first" in step.skips(spectrum().exposure, p)
    done = spectrum(done=("adaptive_trace_model",))
    assert not step.skips(done.exposure, p)
    path = write_product(done, tmp_path / "none_rate.fits", Provenance())
    for where in (None, path):
        with pytest.raises(InputError, match="no TRACEMODEL"):
            replaced(done, where, algorithm="trace_model")
    path = traced(tmp_path, spectrum(), np.zeros((5, 5)))
    with pytest.raises(InputError, match=r"trace model \(5, 5\).*of one shape"):
        replaced(done, path, algorithm="trace_model")
