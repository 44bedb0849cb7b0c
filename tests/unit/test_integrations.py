"""Series, coronagraphs and AMI of raw groups go on with integrations as if opened from rateints."""

import dataclasses as dc

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import dq
from jwinteractive.data import Box, Filed, Rate, RateInts, SpectrumSet
from jwinteractive.errors import InputError
from jwinteractive.recipe import Recipe
from jwinteractive.scene import picture, request_of
from jwinteractive.simulate import simulate
from jwinteractive.step import OFFICIAL, registry
from jwinteractive.testing import example_exposure

STEP = registry["integrations"]
SPECTRA = ("nirspec-bots", "niriss-soss", "miri-lrs-slitless", "nircam-grism-tso")
IMAGES = ("nircam-tso-imaging", "miri-tso-imaging")
MASKED = ("nircam-coronagraphy", "miri-coronagraphy")
OFF = "nircam-grism-tso"  # its recipe has the outliers switched off
SMALL = {"size": (48, 64), "nints": 6, "ngroups": 8, "seed": 2, "cosmic_rays": 2000.0}
BOX = Box(11, 30, 17, 40)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """File of raw groups of a mode, simulated when first asked for."""
    found = {}

    def path_of(mode):
        if mode not in found:
            found[mode] = simulate(mode, **SMALL).write(tmp_path_factory.mktemp(mode))
        return found[mode]

    return path_of


def native(path):
    """Session with the native steps of the mode's recipe: the others want references of optics.

    Jumps are left to the outliers, so that there are some.
    """
    mode = Recipe.of_mode(jwinteractive.open(path).input())
    stages = tuple(s for s in mode if not s.step.startswith(OFFICIAL))
    session = jwinteractive.open(path, dc.replace(mode, stages=stages))
    session.enable("jump", False)
    session.enable("outlier_detection")
    session.set("outlier_detection", rolling_window_width=3)
    return session


def planned(session, exposure=None):
    return {p.step.name: p for p in session.plan(exposure=exposure)}


def assert_same(one, other):
    assert type(one) is type(other)
    assert one.arrays().keys() == other.arrays().keys()
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name], err_msg=name)


def a_rate(**more):
    planes = {n: np.full((2, 3), 2.0, "f4") for n in ("data", "err", "var_poisson", "var_rnoise")}
    exposure = example_exposure("NIRCAM", exp_type="NRC_TSIMAGE", tso=True)
    return Rate(exposure=exposure, dq=np.zeros((2, 3), "u4"), **planes, **more)


def test_the_rates_of_the_integrations_take_the_place_of_their_mean():
    each = np.array([[[1, 2, 3], [4, 5, 6]], [[3, 2, 1], [0, -1, -2]]], "f4")
    planes = dict.fromkeys(("data", "err", "var_poisson", "var_rnoise"), each)
    flags = np.zeros(each.shape, "u4")
    series = RateInts(exposure=a_rate().exposure, dq=flags, **planes)
    made = STEP(a_rate(integrations=series), STEP.params())
    np.testing.assert_array_equal(made.data, each)
    assert made.shape == (2, 3)


def test_a_mean_that_has_come_alone_is_refused_with_the_way_out():
    with pytest.raises(InputError, match="put integrations right after ramp_fit") as told:
        STEP(a_rate(), STEP.params())
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("mode", [*SPECTRA, *IMAGES])
@pytest.mark.parametrize("recipe", ["mode", "mixed", "official"])
def test_all_that_calibrates_a_time_series_takes_its_integrations(raw, mode, recipe):
    plan = jwinteractive.open(raw(mode), recipe).plan()
    names = [p.step.name for p in plan]
    later = plan[names.index("integrations") + 1 :]
    outliers = next(p for p in later if p.step.name.endswith("outlier_detection"))
    assert outliers.takes is RateInts
    assert outliers.skipped == (
        "switched off in the recipe" if (mode, recipe) == (OFF, "mode") else ""
    )
    assert all(p.takes in (RateInts, Filed) for p in later)
    assert (
        plan[-1].step.name == f"{OFFICIAL}{'white_light' if mode in SPECTRA else 'tso_photometry'}"
    )
    assert not plan[-1].skipped


@pytest.mark.parametrize("mode", [*MASKED, "niriss-ami"])
@pytest.mark.parametrize("recipe", ["mode", "mixed", "official"])
def test_so_does_what_compares_coronagraphs_and_observes_fringes(raw, mode, recipe):
    plan = planned(jwinteractive.open(raw(mode), recipe))
    names = list(plan)
    later = names[names.index("integrations") + 1 :]
    flat = plan["official_flat_field"]
    assert (flat.takes, flat.skipped) == (RateInts, "")
    found = [n for n in later if n.endswith(("outlier_detection", "ami_analyze"))]
    assert len(found) == 1
    assert (plan[found[0]].takes, plan[found[0]].skipped) == (RateInts, "")


@pytest.mark.parametrize("mode", [*SPECTRA, *IMAGES, *MASKED])
def test_its_outliers_are_those_of_the_rateints_file(raw, tmp_path, mode):
    session = native(raw(mode))
    written = session.write(tmp_path, "gain_scale")
    assert [p.name.rpartition("_")[2] for p in written] == ["rate.fits", "rateints.fits"]
    params = session.recipe["outlier_detection"].params
    recipe = Recipe.of("outlier_detection").with_params("outlier_detection", **params.as_dict())
    other = jwinteractive.open(written[1], recipe)
    assert_same(session.run("integrations"), other.input().native())
    mine, theirs = session.run("outlier_detection"), other.run()
    assert_same(mine, theirs)
    found = mine.dq & dq.OUTLIER != 0
    assert 10 < found.sum() < 0.2 * found.size
    assert np.isnan(mine.data[found]).all()
    # the mean is what the fit gave, as officially
    assert_same(
        session.run("gain_scale"), jwinteractive.open(raw(mode), session.recipe).run("gain_scale")
    )


@pytest.mark.parametrize("mode", ["nirspec-bots", "nircam-tso-imaging"])
def test_what_is_written_is_the_official_file_by_its_proper_name(raw, tmp_path, mode):
    session = native(raw(mode))
    (series,) = session.write(tmp_path / "one", "integrations")
    (flagged,) = session.write(tmp_path / "one", "outlier_detection")
    root = raw(mode).name.removesuffix("_uncal.fits")
    assert (series.name, flagged.name) == (f"{root}_rateints.fits", f"{root}_crfints.fits")
    other = jwinteractive.open(session.write(tmp_path / "two", "gain_scale")[1], session.recipe)
    (theirs,) = other.write(tmp_path / "two", "outlier_detection")
    assert theirs.name == flagged.name
    with fits.open(flagged) as mine, fits.open(theirs) as its:
        assert mine[0].header["DATAMODL"] == its[0].header["DATAMODL"] == "CubeModel"
        assert mine[0].header["S_OUTLIR"] == "COMPLETE"
        assert [h.name for h in mine] == [h.name for h in its]
        for name in ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"):
            np.testing.assert_array_equal(mine[name].data, its[name].data, err_msg=name)


def test_pixels_are_replaced_and_spectra_extracted_of_each_integration(raw, tmp_path):
    path = raw("nirspec-bots")
    session = native(path)
    last = Recipe.of("extract_1d").with_params(
        "extract_1d", trace_order=0, subtract_background=False
    )
    whole = dc.replace(session.recipe, stages=(*session.recipe, *last))
    session = jwinteractive.open(path, whole)
    made = session.run()
    assert isinstance(made, SpectrumSet)
    assert len(made.flux) == SMALL["nints"]
    file = session.write(tmp_path, "gain_scale")[1]
    other = jwinteractive.open(file, whole)
    assert not planned(other)["pixel_replace"].skipped
    assert_same(session.run("pixel_replace"), other.run("pixel_replace"))
    np.testing.assert_array_equal(made.flux, other.run().flux)


@pytest.mark.parametrize("mode", ["nirspec-bots", "miri-tso-imaging"])
def test_the_preview_of_a_box_is_that_of_the_whole(raw, mode):
    fresh, whole = native(raw(mode)), native(raw(mode))
    for step in ("integrations", "outlier_detection"):
        made = whole.run(step)
        assert_same(fresh.preview(BOX, step), made.crop(BOX))
    assert (made.crop(BOX).dq & dq.OUTLIER != 0).any()


def test_its_views_are_of_an_integration(raw):
    session = native(raw("nircam-tso-imaging"))
    session.run()
    for step in ("integrations", "outlier_detection"):
        for view in STEP.views() if step == "integrations" else registry[step].views(RateInts):
            session.see(step=step, view=view.title, integration=4, window=None)
            request = request_of(session)
            frame = picture(session, request).frame
            part = picture(session, dc.replace(request, box=BOX)).frame
            rows, columns = BOX.slices(Box.whole(frame.data.shape))
            np.testing.assert_array_equal(part.data, frame.data[rows, columns], view.title)


def test_segments_of_a_series_are_no_set(raw, tmp_path):
    first = raw("nirspec-bots")
    second = tmp_path / "segment_uncal.fits"
    second.write_bytes(first.read_bytes())
    alone = native(first)
    both = jwinteractive.open([first, second], alone.recipe)
    for exposure in (0, 1):
        assert len(planned(both, exposure)["outlier_detection"].peers) == 1
    assert planned(both, 0)["outlier_detection"].key == planned(alone)["outlier_detection"].key


def test_files_of_rates_are_left_out_with_the_way_out(raw, tmp_path):
    session = native(raw("nircam-tso-imaging"))
    rate, rateints = session.write(tmp_path, "gain_scale")
    plan = planned(jwinteractive.open(rate, "mode"))
    assert "open its rateints file" in plan["integrations"].skipped
    assert "open the rateints file" in plan["outlier_detection"].skipped
    plan = planned(jwinteractive.open(rateints, session.recipe))
    assert plan["integrations"].skipped == "the file is already a RateInts"
    assert not plan["outlier_detection"].skipped


@pytest.mark.parametrize("form", ["", OFFICIAL])
def test_a_recipe_without_the_step_says_what_is_missing(raw, form):
    name = f"{form}outlier_detection"
    recipe = Recipe.of("ramp_fit", name)
    why = planned(jwinteractive.open(raw("nircam-tso-imaging"), recipe))[name].skipped
    assert "let the step integrations run" in why
    assert "\n" not in why
    between = dc.replace(recipe, stages=(recipe["ramp_fit"], *Recipe.of("integrations", name)))
    assert not planned(jwinteractive.open(raw("nircam-tso-imaging"), between))[name].skipped


def test_official_steps_go_on_with_the_integrations_too(raw):
    path = raw("nircam-tso-imaging")
    recipe = Recipe.of(
        "official_ramp_fit", "integrations", "official_gain_scale", "outlier_detection"
    )
    session = jwinteractive.open(path, recipe)
    series = session.run("official_ramp_fit").integrations
    assert_same(session.run("integrations"), series)
    scaled = session.run("official_gain_scale")
    assert isinstance(scaled, RateInts)
    np.testing.assert_array_equal(scaled.data, series.data)
    assert (session.run().dq & dq.OUTLIER != 0).any()
