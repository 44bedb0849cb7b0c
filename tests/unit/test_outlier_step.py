"""The step outlier_detection in a session: its sets, its modes, its views, and what it refuses."""

import dataclasses as dc

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

import jwinteractive
from jwinteractive import dq
from jwinteractive.cli import main
from jwinteractive.data import Box, Rate, RateInts
from jwinteractive.errors import InputError, RecipeError, StepError
from jwinteractive.scene import picture, request_of
from jwinteractive.simulate.dithers import dithers
from jwinteractive.simulate.slits import slit_dithers
from jwinteractive.step import Together, Whole, registry
from jwinteractive.testing import example_exposure

STEP = registry["outlier_detection"]
SHAPE = (96, 80)


@pytest.fixture(scope="module")
def simulated():
    return dithers(3, SHAPE, hits=4e-3)


@pytest.fixture(scope="module")
def folder(simulated, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dithers")
    simulated.write(folder)
    return folder


@pytest.fixture
def session(folder):
    return jwinteractive.open(sorted(folder.glob("*_cal.fits")))


def test_images_of_one_field_get_the_recipe_that_compares_them(session, simulated):
    assert session.recipe.name == "nircam_imaging"
    for i, exposure in enumerate(simulated.exposures):
        made = session.run(exposure=i)
        found = made.dq & dq.OUTLIER != 0
        bright = exposure.hits > 10
        assert found[bright & np.isfinite(exposure.data)].mean() > 0.6
        assert np.isnan(made.data[found]).all()


def test_turning_a_threshold_measures_nothing_again(session, monkeypatch):
    session.run()
    monkeypatch.setattr("jwinteractive.steps.sets.outlier_detection.measure_stack", None)
    few = (session.run().dq & dq.OUTLIER != 0).sum()
    session.set("outlier_detection", snr="50 40")
    fewer = (session.run().dq & dq.OUTLIER != 0).sum()
    assert 0 < fewer < few
    session.set("outlier_detection", maskpt=0.5)
    with pytest.raises(StepError, match="measuring failed"):
        session.run()


def test_the_difference_over_noise_of_a_box_is_that_of_the_whole(session):
    session.run()
    for view in ("difference over noise", "what it is compared with"):
        session.see(step="outlier_detection", view=view, window=None)
        request = request_of(session)
        whole = picture(session, request)
        box = Box(20, 60, 30, 70)
        part = picture(session, dc.replace(request, box=box))
        assert np.isfinite(part.frame.data).mean() > 0.8
        np.testing.assert_array_equal(part.frame.data, whole.frame.data[20:60, 30:70])


def test_an_exposure_alone_is_left_out_with_the_way_out(folder):
    path = folder / "dither1_cal.fits"
    with pytest.raises(RecipeError, match="one exposure alone: open the others of its field with"):
        jwinteractive.open(path).plan()
    session = jwinteractive.open(path)
    session.set("outlier_detection", single=True)
    assert (session.run().dq & dq.OUTLIER != 0).any()


def test_exposures_of_another_filter_are_another_set(folder, tmp_path):
    paths = sorted(folder.glob("*_cal.fits"))
    other = tmp_path / "other_cal.fits"
    other.write_bytes(paths[0].read_bytes())
    with fits.open(other, mode="update") as hdus:
        hdus[0].header["FILTER"] = "F999W"
    session = jwinteractive.open([*paths, other])
    assert [len(session.plan(exposure=i)[-1].peers) for i in range(3)] == [3, 3, 3]
    with pytest.raises(RecipeError, match="one exposure alone"):
        session.plan(exposure=3)


def changed(path, change):
    with fits.open(path, mode="update") as hdus:
        change(hdus)
    return path


def without_wcs(hdus):
    del hdus["ASDF"]


def all_flagged(hdus):
    hdus["DQ"].data[:] = 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_wcs, "has no WCS .*take a file that went through assign_wcs"),
        (all_flagged, "no pixel may be used: all are flagged or not finite"),
    ],
)
def test_what_cannot_be_compared_gets_one_clear_line(folder, tmp_path, change, message):
    for path in folder.glob("*_cal.fits"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    paths = sorted(tmp_path.glob("*_cal.fits"))
    changed(paths[1], change)
    session = jwinteractive.open(paths)
    with pytest.raises(InputError, match=message) as told:
        session.run()
    assert "\n" not in str(told.value)
    assert "dither2" in str(told.value)


def example(kind, exp_type, instrument="MIRI", nint=0, seed=1, **changes):
    shape = (nint, 32, 40) if nint else (32, 40)
    rng = np.random.default_rng(seed)
    data = rng.normal(5, 0.1, shape).astype("f4")
    exposure = example_exposure(instrument, exp_type=exp_type, nints=nint or 1, **changes)
    planes = {k: np.full(shape, 0.1, "f4") for k in ("err", "var_poisson", "var_rnoise")}
    return kind(exposure=exposure, data=data, dq=np.zeros(shape, "u4"), **planes)


def ran(products, **params):
    p = STEP.params(**params)
    wholes = [Whole(x.exposure, x.covers, x.crop) for x in products]
    model = STEP.learn(Together(tuple(wholes)), p, {})
    return STEP(products[0], p, {}, model)


def test_a_time_series_is_compared_with_its_own_integrations():
    series = example(RateInts, "NRC_TSIMAGE", "NIRCAM", nint=40)
    data = series.data.copy()
    data[7, 3, 4] += 3
    made = ran([series.replace(data=data)], snr="8 6")
    assert np.argwhere(made.dq & dq.OUTLIER != 0).tolist() == [[7, 3, 4]]


def test_integral_field_units_are_compared_with_neighbours_in_all_exposures():
    exposures = [example(Rate, "MIR_MRS", seed=i, detector="MIRIFUSHORT") for i in (1, 2)]
    at = np.zeros((32, 40), bool)
    at[6:26:3, 6:34:4] = True  # all of them away from the edges
    hot = [e.replace(data=np.where(at, np.float32(60), e.data)) for e in exposures]
    made = ran(hot, threshold_percent=92.0)
    found = made.dq & dq.OUTLIER != 0
    assert found[at].all()
    assert found[~at].mean() < 0.1  # some are always the most different


def test_the_command_flags_a_set_and_writes_official_products(folder, tmp_path, capsys):
    paths = [str(p) for p in sorted(folder.glob("*_cal.fits"))]
    assert main(["outliers", *paths, "-o", str(tmp_path), "--set", "snr=6 5", "--json"]) == 0
    written = sorted(tmp_path.glob("*.fits"))
    assert [p.name for p in written] == [f"dither{i}_crf.fits" for i in (1, 2, 3)]
    with fits.open(written[0]) as hdus:
        assert hdus[0].header["S_OUTLIR"] == "COMPLETE"
        assert (hdus["DQ"].data & dq.OUTLIER).any()
    assert main(["outliers", paths[0], "-o", str(tmp_path / "b")]) == 2
    assert "one exposure alone" in capsys.readouterr().err


def test_light_of_subtracted_nods_is_no_outlier(tmp_path):
    simulated = slit_dithers(3, flux=2e-3)
    paths = simulated.write(tmp_path)
    data = [fits.getdata(path, "SCI").astype(float) for path in paths]
    for i, path in enumerate(paths):
        others = np.mean([np.nan_to_num(d) for k, d in enumerate(data) if k != i], axis=0)
        with fits.open(path, mode="update") as hdus:
            hdus["SCI"].data[:] = data[i] - others
            hdus["ERR"].data *= np.sqrt(1.5)
            hdus[0].header["S_BKDSUB"] = "COMPLETE"
    session = jwinteractive.open(paths)
    for i, one in enumerate(simulated.exposures):
        found = session.run("outlier_detection", i).dq & dq.OUTLIER != 0
        hit = np.any([e.hits for e in simulated.exposures], axis=0)
        bad = np.any([e.dq & 1 != 0 for e in simulated.exposures], axis=0)
        near = ndimage.binary_dilation(hit | bad, iterations=2)
        assert found[~near].mean() < 1e-3, one.name
        rows = np.arange(len(found))[:, None]
        free = np.all([np.abs(rows - e.trace) > 4 for e in simulated.exposures], axis=0)
        seen = session.input(i)
        strong = one.hits & ~bad & free & (seen.data > 8 * seen.err)
        assert strong.sum() > 3
        assert found[strong].mean() > 0.6, one.name
