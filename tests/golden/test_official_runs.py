"""Official steps in a session give what they give by hand, and nothing is run twice."""

import hashlib

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import dq
from jwinteractive.cli import main
from jwinteractive.data import Box
from jwinteractive.errors import Cancelled, RecipeError
from jwinteractive.official.behaviour import behaviour_of
from jwinteractive.official.catalogue import catalogue
from jwinteractive.recipe import Recipe
from jwinteractive.rivals import compare_rivals
from jwinteractive.simulate.slits import slit_dithers

DETECTOR = (
    "dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current", "jump", "ramp_fit",
)  # fmt: skip
PLANES = {"ramp": ("data", "groupdq", "pixeldq"), "rate": ("data", "err", "dq", "var_poisson")}
TRUST = Box(20, 52, 16, 48)


def recipe(*names):
    return Recipe.of(*(f"official_{name}" for name in names))


@pytest.fixture(scope="module")
def session(nircam_file):
    made = jwinteractive.open(nircam_file, recipe(*DETECTOR))
    made.run()
    return made


@pytest.fixture(scope="module")
def by_hand(nircam_file):
    """What the same steps give by hand, each with the references beside the exposure."""
    import importlib

    from stdatamodels.jwst import datamodels

    folder = nircam_file.with_name(nircam_file.name.removesuffix("_uncal.fits") + "_refs")
    model = datamodels.RampModel(str(nircam_file))
    found = {}
    for name in DETECTOR:
        described = catalogue().steps[name]
        module, _, cls = described.cls.rpartition(".")
        overrides = {}
        for reftype in described.reftypes:
            files = list(folder.glob(f"*_{reftype}_*.fits"))
            if files:
                overrides[f"override_{reftype}"] = str(files[0])
        step = getattr(importlib.import_module(module), cls)(**overrides)
        model = step.process(model)
        found[name] = model
    return found


@pytest.mark.parametrize("name", DETECTOR[:-1])
def test_a_ramp_is_that_of_the_step_by_hand(session, by_hand, name):
    ramp = session.run(f"official_{name}")
    for plane in PLANES["ramp"]:
        np.testing.assert_array_equal(getattr(ramp, plane), getattr(by_hand[name], plane))
    assert catalogue().steps[name].alias in ramp.exposure.done or name == "dark_current"


def test_rates_and_those_of_integrations_are_those_by_hand(session, by_hand):
    rate = session.run()
    whole, ints = by_hand["ramp_fit"]
    for plane in PLANES["rate"]:
        np.testing.assert_array_equal(getattr(rate, plane), getattr(whole, plane))
        np.testing.assert_array_equal(getattr(rate.integrations, plane), getattr(ints, plane))


def test_what_is_written_is_the_official_file_by_its_proper_name(session, by_hand, tmp_path):
    from stdatamodels.jwst import datamodels

    paths = session.write(tmp_path)
    assert [p.name.rpartition("_")[2] for p in paths] == ["rate.fits", "rateints.fits"]
    with datamodels.open(paths[0]) as model:
        assert type(model).__name__ == "ImageModel"
        np.testing.assert_array_equal(model.data, by_hand["ramp_fit"][0].data)
        assert model.meta.cal_step.ramp_fit == "COMPLETE"
        assert "readnoise" in model.meta.ref_file.readnoise.name


@pytest.mark.parametrize(
    "name", [n for n in DETECTOR if behaviour_of(n, frozenset({"Detector1Pipeline"})).local]
)
def test_a_local_step_on_a_box_is_that_of_the_whole(nircam_file, name):
    names = DETECTOR[: DETECTOR.index(name) + 1]
    fresh = jwinteractive.open(nircam_file, recipe(*names))
    step = f"official_{name}"
    seen = fresh.glance(TRUST, step, knob=step)
    assert not seen.full
    whole = fresh.run(step).crop(TRUST)
    for plane, array in seen.product.arrays().items():
        np.testing.assert_array_equal(array, whole.arrays()[plane], err_msg=plane)


def files_of(session):
    plan = [p for p in session.plan() if not p.skipped]
    rans = [session.store.get(p.model_key) for p in plan]
    exposure = session.input().exposure
    return [r.file_of(exposure) for r in rans]


def test_a_rerun_of_the_last_step_computes_nothing_before_it(nircam_file):
    session = jwinteractive.open(nircam_file, recipe(*DETECTOR))
    session.run()
    before = files_of(session)
    stamps = [p.stat().st_mtime_ns for p in before]
    said = []
    session.logged.connect(said.append)
    session.rerun("official_ramp_fit", algorithm="LIKELY")
    after = files_of(session)
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]
    assert [p.stat().st_mtime_ns for p in before] == stamps
    assert {line.split()[1] for line in said if "instance created" in line} == {"RampFitStep"}


def test_the_exposure_and_its_references_stay_as_they_are(nircam_file):
    def digest():
        folder = nircam_file.parent
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        return [hashlib.sha256(p.read_bytes()).digest() for p in files]

    before = digest()
    jwinteractive.open(nircam_file, recipe("dq_init", "saturation")).run()
    assert digest() == before


def test_native_and_official_steps_alternate(nircam_file, by_hand):
    mixed = Recipe.of(
        "dq_init", "official_saturation", "superbias", "refpix", "official_linearity",
        "dark_current", "official_jump", "ramp_fit",
    )  # fmt: skip
    session = jwinteractive.open(nircam_file, mixed)
    rate = session.run()
    assert {"linearity", "jump", "dq_init"} <= set(rate.exposure.done)
    official = by_hand["ramp_fit"][0]
    good = (rate.dq == 0) & (official.dq == 0)
    assert good.mean() > 0.5
    off = (rate.data - official.data)[good] / official.err[good]
    assert abs(np.median(off)) < 0.2
    assert np.percentile(np.abs(off), 90) < 1


def test_a_step_is_swapped_for_its_official_form_and_back(nircam_file):
    session = jwinteractive.open(nircam_file, Recipe.of("dq_init", "saturation", "superbias"))
    session.set("saturation", n_pix_grow_sat=2)
    assert session.swap("saturation") == "official_saturation"
    assert session.recipe["official_saturation"].params.n_pix_grow_sat == 2
    assert [s.step for s in session.recipe] == ["dq_init", "official_saturation", "superbias"]
    assert session.journal[-1].text == "saturation: form native → official"
    session.undo()
    assert "saturation" in session.recipe
    session.redo()
    assert session.swap("official_saturation") == "saturation"


def test_results_of_official_steps_are_there_again_in_a_saved_session(nircam_file, tmp_path):
    session = jwinteractive.open(nircam_file, recipe("dq_init", "saturation"))
    first = session.run()
    session.save(tmp_path / "saved")
    again = jwinteractive.open(tmp_path / "saved")
    assert again.is_kept("official_saturation")
    result = again.result("official_saturation")
    assert result.cached
    np.testing.assert_array_equal(result.product.groupdq, first.groupdq)
    assert result.product.source.is_relative_to(tmp_path / "saved")


def test_both_forms_of_a_step_are_compared_from_the_same_result_before_it(session, by_hand):
    found = compare_rivals(session, "official_jump")
    ours, theirs = found.a, found.b
    assert (ours.step, theirs.step) == ("jump", "official_jump")
    np.testing.assert_array_equal(theirs.product.groupdq, by_hand["jump"].groupdq)
    by_flag = {row[0]: row[2:] for row in found.comparison.flags.rows if row[1] == "samples"}
    mine, its = ((r.product.groupdq & dq.JUMP_DET) != 0 for r in (ours, theirs))
    assert by_flag["JUMP_DET"] == ((mine & ~its).sum(), (its & ~mine).sum(), (mine & its).sum())
    assert found.comparison.parameters.rows[0] == ("jump", "form", "native", "official")
    (_, seconds, memory), (_, its_seconds, its_memory), (_, ratio, _) = found.costs.rows
    assert seconds > 0
    assert min(memory, its_memory) >= 0
    ran = session.store.get(session.plan("official_jump")[-1].model_key)
    assert its_seconds == ran.seconds
    assert ratio == its_seconds / seconds
    assert "jump" not in session.recipe  # nothing of the session's settings was touched


def test_the_native_form_gives_the_same_whether_it_is_compared_or_run(nircam_file):
    session = jwinteractive.open(nircam_file, Recipe.of("dq_init", "saturation"))
    found = compare_rivals(session, "saturation")
    assert (found.a.step, found.b.step) == ("official_saturation", "saturation")
    alone = jwinteractive.open(nircam_file, session.recipe).run()
    np.testing.assert_array_equal(found.b.product.groupdq, alone.groupdq)
    assert session.is_kept("saturation")


def test_what_has_no_other_form_or_does_not_run_is_not_compared(nircam_file):
    session = jwinteractive.open(nircam_file, recipe("dq_init", "saturation", "assign_wcs"))
    with pytest.raises(RecipeError, match="'official_assign_wcs' has no native form"):
        compare_rivals(session, "official_assign_wcs")
    session.enable("official_saturation", False)
    with pytest.raises(RecipeError, match="saturation does not run here: switched off"):
        compare_rivals(session, "official_saturation")


def test_a_step_that_ran_for_a_preview_is_fresh(nircam_file):
    session = jwinteractive.open(nircam_file, recipe("dq_init", "saturation", "refpix"))
    assert "official_refpix" in session.stale()
    session.preview(TRUST)
    assert "official_refpix" not in session.stale()  # it has seen the whole, and its file is there


def test_a_pixel_is_followed_up_its_ramp_without_a_run_of_what_comes_after(nircam_file):
    names = ("dq_init", "saturation", "jump", "ramp_fit", "gain_scale", "assign_wcs")
    session = jwinteractive.open(nircam_file, recipe(*names))
    seen = [s.step for s in session.inspect(32, 30).steps]
    assert seen[-1] == "official_ramp_fit"  # assign_wcs, which has no references here, is let be
    session.run("official_gain_scale")
    assert [s.step for s in session.inspect(32, 30).steps][-1] == "official_gain_scale"


def test_a_run_tells_each_official_step_that_it_comes_to(nircam_file):
    session = jwinteractive.open(nircam_file, recipe("dq_init", "saturation", "superbias"))
    session.run("official_dq_init")
    told = []
    session.progress.connect(told.append)
    session.run()
    at_work = [p for p in told if p.step]
    assert [p.step for p in at_work] == ["official_saturation", "official_superbias"]
    assert [(p.done, p.total) for p in at_work] == [(0, 2), (1, 2)]
    assert np.isnan(at_work[0].left)
    assert at_work[1].left > 0
    assert {p.name for p in at_work} == {nircam_file.name}


def test_a_run_is_cancelled_in_the_midst_of_an_official_step(nircam_file):
    session = jwinteractive.open(nircam_file, recipe("dq_init", "saturation"))
    session.run("official_dq_init")

    def cancel(line):
        session.cancel()

    session.logged.connect(cancel)
    with pytest.raises(Cancelled, match="cancelled"):
        session.run()
    assert session.is_kept("official_dq_init")
    session.logged.disconnect(cancel)
    assert session.run().groupdq.any()


def test_slits_of_one_file_are_a_file_each_by_name(tmp_path):
    from stdatamodels.jwst import datamodels

    one = slit_dithers(1, (26, 64)).write(tmp_path / "cal")[0]
    path = one.with_name("two_cal.fits")
    with datamodels.open(one) as model, datamodels.open(one) as other:
        model.slits.append(other.slits[0].instance)
        model.slits[1].name, model.slits[1].data = "S200A2", other.slits[0].data * 3
        model.save(path)
    session = jwinteractive.open(path, recipe("pixel_replace"))
    assert len(session.exposures) == 2
    expected = session.outputs(tmp_path / "out", None, 1)
    written = session.write(tmp_path / "out", None, 1)
    assert written == expected
    assert [p.name for p in written] == [
        "two_s200a1_pixel_replace.fits", "two_s200a2_pixel_replace.fits"
    ]  # fmt: skip
    for number, name in enumerate(("S200A1", "S200A2")):
        with fits.open(written[number]) as hdus:
            assert [h.header["SLTNAME"] for h in hdus if h.name == "SCI"] == [name]
            made = session.run(None, number)
            np.testing.assert_array_equal(hdus["SCI"].data, made.native().data)
    out = tmp_path / "by command"
    text = tmp_path / "recipe.toml"
    text.write_text(session.recipe.to_toml())
    assert main(["run", str(text), str(path), "-o", str(out)]) == 0
    assert {p.name for p in out.iterdir()} == {p.name for p in written}
