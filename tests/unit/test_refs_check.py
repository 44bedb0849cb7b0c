"""What a recipe needs of references, what there is of it, and the command that says so."""

import json

import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive.cli import main
from jwinteractive.errors import MissingReference
from jwinteractive.io import read_provenance
from jwinteractive.official.named import NAMED
from jwinteractive.recipe import Recipe
from jwinteractive.refs_check import as_text, by_type, check
from jwinteractive.simulate import simulate
from jwinteractive.simulate.slits import slit_dithers


@pytest.fixture
def bare(miri_file, tmp_path, monkeypatch):
    """The MIRI exposure alone, without its simulated references and without CRDS."""
    for name in ("CRDS_PATH", "CRDS_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "alone" / miri_file.name
    path.parent.mkdir()
    path.symlink_to(miri_file)
    return path


def checked_files(path, recipe, refs=None, reftypes=(), on=()):
    session = jwinteractive.open(path, recipe, refs)
    for reftype, file in dict(reftypes).items():
        session.use(reftype, file)
    for step in on:
        session.enable(step)
    return check(session)


def checked(*args, **options):
    (files,) = checked_files(*args, **options)
    return {one.step: one for one in files.steps}


def states(one):
    return {wanted.reftype: wanted.state for wanted in one.wanted}


def folder_of(miri_file):
    return miri_file.with_name(miri_file.name.replace("_uncal.fits", "_refs"))


def test_every_reference_says_where_it_is_from_and_its_size(miri_file, bare):
    refs = folder_of(miri_file)
    gain = next(refs.glob("*gain*"))
    (from_folder,) = [w for w in checked(bare, "auto", refs)["jump"].wanted if w.reftype == "gain"]
    assert (from_folder.source, from_folder.path) == ("folder", gain)
    assert from_folder.size == gain.stat().st_size
    named = checked(bare, "auto", refs, {"gain": str(gain)})["jump"].wanted[0]
    assert named.source == "override"
    assert checked(miri_file, "auto")["jump"].wanted[0].source == "simulated"


def test_native_steps_have_nominal_values_and_run(bare):
    steps = checked(bare, "auto")
    assert states(steps["jump"]) == {"gain": "nominal", "readnoise": "nominal"}
    assert not any(one.missing for one in steps.values())
    assert "give a folder that holds one, or --ref gain=FILE" in steps["jump"].wanted[0].advice


def test_official_steps_without_a_file_cannot_run(bare):
    steps = checked(bare, "official")
    assert steps["official_jump"].missing == ("gain", "readnoise")
    assert "N/A" not in steps["official_jump"].wanted[0].advice
    mask = steps["official_dq_init"].wanted[0]
    assert mask.without == "skips the step"
    assert mask.advice.endswith("; --ref mask=N/A skips the step")
    assert "set CRDS_PATH and CRDS_SERVER_URL" in steps["official_jump"].wanted[0].advice
    assert steps["official_group_scale"].missing == ()
    assert steps["official_emicorr"].skipped == "switched off in the recipe"
    assert "observatory's parameter files" in steps["official_ipc"].skipped
    wcs = states(steps["official_assign_wcs"])
    assert wcs.pop("distortion") == "missing"
    assert set(wcs.values()) == {"not needed"}
    # infrared detectors alone have a bias image; refpix reads a file of interleaved frames alone
    assert states(steps["official_saturation"])["superbias"] == "not needed"
    assert states(steps["official_refpix"]) == {"refpix": "not needed", "sirskernel": "not needed"}


def test_what_it_says_of_official_steps_is_what_they_do(miri_file, tmp_path):
    steps = checked(miri_file, "official", on=["official_ipc"])
    assert not steps["official_saturation"].missing
    assert steps["official_ipc"].missing == ("ipc",)
    session = jwinteractive.open(miri_file, "official")
    session.enable("official_ipc")
    session.run("official_saturation")
    with pytest.raises(MissingReference, match="ipc"):
        session.run("official_ipc")
    session.use("ipc", "N/A")
    (path,) = session.write(tmp_path, "official_ipc")
    known = read_provenance(path)
    assert known is not None
    (record,) = [one for one in known.steps if one.step == "official_ipc"]
    assert (record.state, record.reason[:37]) == (
        "skipped",
        "the official step left the product as",
    )
    assert ("ipc", "override", "N/A") in [(r.reftype, r.source, r.name) for r in known.references]
    steps = checked(miri_file, "official", None, {"ipc": "N/A"}, ["official_ipc"])
    assert states(steps["official_ipc"]) == {"ipc": "not needed"}


def test_a_step_that_the_observatory_leaves_out_is_off_and_says_so_in_log_and_product(
    miri_file, tmp_path
):
    session = jwinteractive.open(miri_file, "official")
    (told,) = [e.text for e in session.journal if "official_ipc" in e.text]
    assert "switch it off for all modes" in told
    (path,) = session.write(tmp_path, "official_firstframe")
    known = read_provenance(path)
    assert known is not None
    steps = {record.step: record for record in known.steps}
    assert steps["official_saturation"].state == "complete"
    assert steps["official_ipc"].state == "skipped"
    assert "switch it off for all modes" in steps["official_ipc"].reason


def test_exposures_of_a_set_are_asked_about_together(tmp_path):
    made = slit_dithers(2, (26, 64)).write(tmp_path / "cal")
    recipe = Recipe.of("official_outlier_detection", "official_extract_1d")

    def set_step(paths):
        (files,) = checked_files(paths, recipe)
        return files.exposures, files.steps[0]

    names, one = set_step(made)
    assert names == tuple(f"{p.name} [S200A1]" for p in made)
    assert one.skipped == ""
    assert "one exposure alone" in set_step(made[:1])[1].skipped
    listed = tmp_path / "cal" / "all_asn.json"
    members = [{"expname": p.name, "exptype": "science"} for p in made]
    listed.write_text(json.dumps({"products": [{"members": members}]}))
    assert set_step(listed) == (names, one)


def test_every_slit_of_a_file_is_asked_about(slit_hdus, tmp_path):
    path = tmp_path / "two_cal.fits"
    slit_hdus().writeto(path)
    (files,) = checked_files(path, Recipe.of("official_extract_1d"))
    assert files.exposures == ("two_cal.fits [3]", "two_cal.fits [5]")
    assert as_text((files,)).startswith("== two_cal.fits [3], two_cal.fits [5]\n")


def test_files_of_which_the_same_is_to_be_told_are_told_together(tmp_path):
    made = slit_dithers(2, (26, 64)).write(tmp_path / "cal")
    (one,) = checked_files(made[0], Recipe.of("official_extract_1d"))
    (other,) = checked_files(made[1], Recipe.of("official_extract_1d"))
    (else_,) = checked_files(made[1], Recipe.of("official_pixel_replace"))
    text = as_text((one, else_, other)).splitlines()
    heads = [line for line in text if line.startswith("== ")]
    first, second = (f"{p.name} [S200A1]" for p in made)
    assert heads == [f"== {first}, {second}", f"== {second}"]
    assert text.count("official_extract_1d: CANNOT RUN") == 1


def test_exposures_that_need_different_files_are_told_apart(nircam_file, bare):
    with_set, alone = checked_files([nircam_file, bare], Recipe.of("official_saturation"))
    assert with_set.exposures == (nircam_file.name,)
    assert not with_set.stopped
    assert alone.exposures == (bare.name,)
    assert [one.step for one in alone.stopped] == ["official_saturation"]


def test_a_folder_that_is_named_later_is_looked_into_and_can_be_taken_back(miri_file, bare):
    session = jwinteractive.open(bare, "official")
    assert [one.step for one in check(session)[0].stopped][:2] == [
        "official_dq_init", "official_saturation"
    ]  # fmt: skip
    session.use_folder(folder_of(miri_file))
    assert session.journal[-1].text == f"folder of references: {folder_of(miri_file)}"
    used = {u.wanted.reftype: u for u in by_type(check(session)[0])}
    assert used["gain"].wanted.source == "folder"
    assert used["gain"].steps == ("official_jump", "official_ramp_fit", "official_gain_scale")
    states = [u.wanted.state for u in by_type(check(session)[0])]
    assert states == sorted(states, key=["missing", "nominal", "there", "not needed"].index)
    assert [u.steps for u in by_type(check(session)[0], "official_saturation")] == [
        ("official_saturation",), ("official_saturation",)
    ]  # fmt: skip
    with pytest.raises(MissingReference, match="no such folder"):
        session.use_folder(bare.parent / "nowhere")
    session.undo()
    assert session.references.folder is None
    assert check(session)[0].stopped


def test_no_reference_is_read(miri_file, monkeypatch):
    def read(*_):
        raise AssertionError("a reference was read")

    monkeypatch.setattr("jwinteractive.references.sources._read_file", read)
    for recipe in ("auto", "official"):
        assert checked(miri_file, recipe)


def test_a_reference_of_the_user_that_is_not_there_is_an_error(bare):
    with pytest.raises(MissingReference, match="no such file"):
        checked(bare, "official", None, {"gain": "nowhere.fits"})


def test_an_array_is_no_file_for_an_official_step(bare):
    import numpy as np

    with pytest.raises(MissingReference, match="official steps read files, not arrays"):
        checked(bare, "official", None, {"gain": np.ones((64, 72), np.float32)})


def test_the_text_names_steps_that_cannot_run(bare):
    text = as_text(checked_files(bare, "official"))
    assert "official_jump: CANNOT RUN" in text
    assert "official_jump cannot run without gain, readnoise" in text
    assert "(MIR_IMAGE goes without)" in text


def test_the_command_says_by_its_exit_code_whether_all_can_run(miri_file, bare, capsys):
    assert main(["refs", "check", str(bare)]) == 0
    capsys.readouterr()
    assert main(["refs", "check", str(bare), "--recipe", "official", "--json"]) == 1
    (files,) = json.loads(capsys.readouterr().out)
    assert files["exposures"] == [bare.name]
    told = {one["step"]: one for one in files["steps"]}
    assert told["official_dark_current"]["missing"] == ["dark"]
    assert not told["official_dark_current"]["runs"]
    skips = [f"--skip={one['step']}" for one in told.values() if one["missing"]]
    assert len(skips) > 4
    refs = ["--refs", str(folder_of(miri_file))]
    told = ["official_assign_wcs", "official_photom", "official_source_catalog"]
    assert set(told) < {skip.removeprefix("--skip=") for skip in skips}
    skips = [f"--skip={name}" for name in told]
    assert main(["refs", "check", str(bare), "--recipe", "official", *refs, *skips[1:]]) == 1
    assert main(["refs", "check", str(bare), "--recipe", "official", *refs, *skips]) == 0
    assert "0 cannot" in capsys.readouterr().out


def test_a_run_says_before_it_begins_what_is_off_and_where_it_will_stop(bare, tmp_path, capsys):
    out = ["-o", str(tmp_path / "out"), "--to", "official_dq_init"]
    assert main(["run", "official", str(bare), *out]) == 4
    off, stop, *_, error = capsys.readouterr().err.splitlines()
    assert "official_ipc is off: the observatory's parameter files" in off
    assert "official_dq_init will stop: no mask: give a folder that holds one" in stop
    assert "error: MaskStep" in error or "asks for a mask reference" in error


def test_the_command_makes_a_cache_and_says_how_to_use_it(miri_file, tmp_path, capsys):
    refs, out = str(folder_of(miri_file)), tmp_path / "cache"
    assert main(["refs", "cache", refs, "-o", str(out)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == [
        f"export CRDS_PATH={out}",
        "export CRDS_SERVER_URL=https://jwst-serverless-mode.stsci.edu",
    ]
    assert any("steps that need these fail: abvegaoffset, distortion" in line for line in told)
    assert main(["refs", "cache", refs, "-o", str(out)]) == 6
    assert "is there and not empty" in capsys.readouterr().err
    other = str(tmp_path / "other")
    assert main(["refs", "cache", refs, "-o", other, "--instrument", "miri", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["files"]["MIRI"]["rscd"] == ["jwst_miri_rscd_sim.fits"]


@pytest.fixture
def slitless(tmp_path):
    made = simulate("niriss-wfss", size=(32, 48), ngroups=3)
    return made.write(tmp_path)


def test_files_that_the_header_has_to_name_are_told_and_a_mask_does_without_the_file_alone(
    slitless, tmp_path
):
    bare = checked(slitless, "niriss_wfss")
    for step, named in NAMED.items():
        assert {*named} <= {*bare[f"official_{step}"].missing}
    (told,) = (w for w in bare["official_bkg_subtract"].wanted if w.reftype == "SCATFILE")
    assert told.advice.endswith("with its whole path; needed with a wfss_mask, too")
    assert "SCATFILE" not in states(bare["official_flat_field"])
    fits.setval(slitless, "SCATFILE", value="none_cat.ecsv")
    session = jwinteractive.open([slitless], "niriss_wfss")
    session.set("official_bkg_subtract", wfss_mask=str(tmp_path / "mask.fits"))
    steps = {one.step: one for one in check(session)[0].steps}
    assert states(steps["official_bkg_subtract"])["SCATFILE"] == "there"
    assert states(steps["official_extract_2d"])["SCATFILE"] == "missing"
    catalogue = tmp_path / "a_cat.ecsv"
    catalogue.write_text("a catalogue")
    fits.setval(slitless, "SCATFILE", value=str(catalogue))
    steps = checked(slitless, "niriss_wfss")
    assert states(steps["official_extract_2d"])["SCATFILE"] == "there"
    assert steps["official_wfss_contam"].missing[-2:] == ("SEGMFILE", "DIRIMAGE")
    assert "SCATFILE         header: " in as_text(checked_files(slitless, "niriss_wfss"))


def test_the_official_step_wants_a_catalogue_named_even_with_a_mask():
    background = pytest.importorskip("jwst.background")
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    step = background.BackgroundStep(
        override_bkg="N/A", override_wavelengthrange="N/A", wfss_mask="mask.fits"
    )
    model = datamodels.ImageModel((8, 8))
    model.meta.instrument.name, model.meta.exposure.type = "NIRISS", "NIS_WFSS"
    with pytest.raises(IndexError, match="No source catalog"):
        step.process(model)
    model.meta.source_catalog = "none_cat.ecsv"
    assert step.process(model).meta.cal_step.bkg_subtract == "SKIPPED"
