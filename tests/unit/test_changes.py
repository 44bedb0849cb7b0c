"""What changed since a product was made: the catalogue, what files say, what is listed."""

import json
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import cli
from jwinteractive.changes import Made, as_text, changes, load, made_of, since, what_changed
from jwinteractive.changes.made import _LATER
from jwinteractive.changes.since import cached_context
from jwinteractive.data import Exposure
from jwinteractive.errors import InputError
from jwinteractive.io.header import _STATUS
from jwinteractive.known.catalogue import version_numbers
from jwinteractive.official.modes import GUIDERS, IMAGES, SPECTRA
from jwinteractive.recipe import Recipe, mode_names
from jwinteractive.simulate import simulate

REAL = Path(__file__).parents[3] / "shared" / "real"
IMAGE = Exposure(
    instrument="NIRCAM", detector="NRCA1", exp_type="NRC_IMAGE", readpatt="RAPID", ngroups=8
)
LOG = """2026-01-02T03:04:05 - stpipe.step - INFO - Step Detector1Pipeline parameters are:
  pre_hooks: []
  save_calibrated_ramp: false
  steps:
    jump:
      skip: false
      rejection_threshold: 5.5
    ramp_fit:
      algorithm: OLS_C"""
MADE = """
unread = [["1.7.0", "1.7.2"]]
[source.page]
title = "A page"
date = 2026-01-02
[[change]]
version = "1.8.0"
modes = ["NIRCAM"]
steps = ["jump"]
fact = "It differs."
source = "page"
[builds]
"1.8.0" = "9.0"
"""
SHUTTERS = Exposure(instrument="NIRSPEC", detector="NRS1", exp_type="NRS_MSASPEC")


def product(folder, version="1.10.0", logs=None):
    """A file of the stage of rates, with the keywords of the official package."""
    first = fits.PrimaryHDU()
    first.header.update(
        {
            "TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCA1", "EXP_TYPE": "NRC_IMAGE",
            "READPATT": "RAPID", "NGROUPS": 8, "NINTS": 1, "SUBARRAY": "SUB64P", "CAL_VER": version,
            "CRDS_CTX": "jwst_1100.pmap", "S_JUMP": "COMPLETE", "S_RAMP": "COMPLETE",
            "S_IPC": "SKIPPED", "R_DARK": "crds://jwst_nircam_dark_0001.fits", "R_AREA": "N/A",
        }
    )  # fmt: skip
    hdus = fits.HDUList([first, fits.ImageHDU(np.zeros((16, 16), np.float32), name="SCI")])
    if logs is not None:
        path = folder / "tree.asdf"
        tree = {"cal_logs": logs, "meta": {"date": "2026"}, "zero": np.zeros(3)}
        asdf.AsdfFile(tree).write_to(path)
        data = np.frombuffer(path.read_bytes(), np.uint8)
        column = fits.Column("ASDF_METADATA", f"{data.size}B", array=data[None])
        hdus.append(fits.BinTableHDU.from_columns([column], name="ASDF"))
    path = folder / "jw1_nrca1_rate.fits"
    hdus.writeto(path)
    return path


def test_every_change_names_modes_steps_and_sources_that_there_are():
    modes = {"ALL", "NIR", "NIRCAM", "NIRISS", "NIRSPEC", "MIRI", *IMAGES, *SPECTRA, *GUIDERS}
    steps = {*_STATUS.values(), *_LATER.values()}
    for change in changes().changes:
        assert modes.issuperset(change.modes), change
        assert steps.issuperset(change.steps + change.after), change
        assert change.fact.endswith(".")
        assert change.source.url.startswith("https://")


def test_versions_without_notes_hold_no_changes():
    for change in changes().changes:
        own = version_numbers(change.version)
        for first, last in changes().unread:
            assert not version_numbers(first) <= own <= version_numbers(last)


def test_every_version_with_changes_has_its_day_and_its_build():
    for change in changes().changes:
        assert change.date, change
        assert change.build or change.version == "1.13.4", change  # which the observatory left out
    days = [change.date for change in changes().changes]
    assert days == sorted(days)


def test_no_change_is_told_twice():
    told = [
        (c.version, mode, step, c.fact)
        for c in changes().changes
        for mode in c.modes
        for step in c.steps
    ]
    assert len(told) == len(set(told))


def test_a_file_says_its_version_statuses_references_and_parameters(tmp_path):
    made = made_of(product(tmp_path, logs={"calwebb_detector1": ["begins", LOG, "ends: 'so'"]}))
    assert (made.version, made.context) == ("1.10.0", "jwst_1100.pmap")
    assert made.statuses == {"jump": "COMPLETE", "ramp_fit": "COMPLETE", "ipc": "SKIPPED"}
    assert made.done == {"jump", "ramp_fit"}
    assert made.references == {"R_DARK": "jwst_nircam_dark_0001.fits"}
    assert made.parameters["jump"] == {"skip": False, "rejection_threshold": 5.5}
    assert made.parameters["ramp_fit"]["algorithm"] == "OLS_C"


def test_parameters_of_a_step_that_ran_alone_are_its_own(tmp_path):
    line = "a - INFO - Step JumpStep parameters are:\n  rejection_threshold: 7.0"
    made = made_of(product(tmp_path, logs={"jump": [line], "ramp_fit": ["no parameters"]}))
    assert made.parameters == {"jump": {"rejection_threshold": 7.0}}


def test_a_file_without_logs_tells_no_parameters(tmp_path):
    assert made_of(product(tmp_path)).parameters == {}


def test_only_newer_changes_of_its_steps_and_mode_are_listed():
    made = Made("1.10.0", statuses={"jump": "COMPLETE", "ramp_fit": "SKIPPED"})
    found = since(made, IMAGE, "1.11.4")
    assert {c.version for c in found} == {"1.10.1", "1.11.1"}
    assert all("jump" in c.steps for c in found)
    assert since(made, IMAGE, "1.10.0") == ()
    assert since(Made("", statuses=made.statuses), IMAGE, "3.0.0") == ()


def test_a_change_of_another_mode_is_not_listed():
    made = Made("1.9.6", statuses={"jump": "COMPLETE"})
    miri = Exposure(instrument="MIRI", detector="MIRIMAGE", exp_type="MIR_IMAGE")
    facts = [" ".join(c.fact for c in since(made, e, "1.10.0")) for e in (IMAGE, miri)]
    assert ["Snowballs" in f for f in facts] == [True, False]
    assert ["Showers" in f for f in facts] == [False, True]


@pytest.mark.parametrize(
    ("made", "here", "said"),
    [
        ("1.4.6", "1.6.0", ["no notes at hand from 0.1.0 to 1.5.3"]),
        ("1.5.3", "1.14.0", []),
        ("1.13.4", "1.15.0", ["no notes at hand of 1.14.1"]),
        ("1.14.1", "3.0.0", ["no notes at hand of 1.18.1"]),
        ("1.18.1", "3.0.0", []),
        ("2.0.1", "3.0.0", []),
        ("3.0.0", "3.1.0", ["no notes at hand from 3.0.1 to 3.1.0"]),
        ("3.1.0", "3.1.0", []),
        ("3.1.0", "3.0.0", []),
    ],
)
def test_versions_between_the_two_of_which_nothing_is_known_are_told(tmp_path, made, here, said):
    text = as_text("it", IMAGE, what_changed(product(tmp_path, made), IMAGE, here))
    assert [line.strip() for line in text.splitlines() if "no notes" in line] == said


def test_a_spectrum_of_shutters_by_1_15_is_told_what_moves_its_numbers():
    done = ("assign_wcs", "wavecorr", "flat_field", "barshadow", "photom", "resample", "ramp_fit")
    statuses: dict[str, str] = dict.fromkeys(done, "COMPLETE")
    found = since(Made("1.15.0", statuses=statuses), SHUTTERS, "3.0.0")
    facts = {(c.version, step): c.fact for c in found for step in c.steps}
    assert "Poisson" in facts["1.15.1", "ramp_fit"]
    assert "missing" in facts["1.16.1", "resample"]
    assert "long slits" in facts["1.18.0", "barshadow"]
    assert "negative flat" in facts["1.19.0", "flat_field"]
    assert ("1.15.0", "wavecorr") not in facts
    earlier = since(Made("1.14.0", statuses=statuses), SHUTTERS, "3.0.0")
    assert {("1.15.0", "wavecorr")} == {(c.version, *c.steps) for c in earlier if "sign" in c.fact}


def test_a_mosaic_is_told_of_the_catalogue_beside_it():
    made = Made("1.20.0", statuses={"resample": "COMPLETE"})
    found = {c.version: c.fact for c in since(made, IMAGE, "3.0.0") if "source_catalog" in c.steps}
    assert "Jy" in found["1.20.1"]
    assert "separated" in found["3.0.0"]


def test_the_context_is_that_of_the_local_cache(tmp_path):
    config = tmp_path / "config" / "jwst"
    config.mkdir(parents=True)
    assert cached_context({"CRDS_PATH": str(tmp_path)}) == ""
    (config / "server_config").write_text(repr({"operational_context": "jwst_1464.pmap"}))
    assert cached_context({"CRDS_PATH": str(tmp_path)}) == "jwst_1464.pmap"
    assert cached_context({"CRDS_CONTEXT": "jwst_1.pmap", "CRDS_PATH": "x"}) == "jwst_1.pmap"


def test_the_command_lists_what_changed_for_a_person_and_for_a_program(tmp_path, capsys):
    path = product(tmp_path)
    assert cli.main(["changes", str(path)]) == 0
    assert "made by jwst 1.10.0" in capsys.readouterr().out
    assert cli.main(["changes", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[path.name]
    assert told["made"]["version"] == "1.10.0"
    assert all("NRC_IMAGE" in c["modes"] or {"ALL", "NIR"} & {*c["modes"]} for c in told["changes"])


def test_a_product_without_an_image_and_an_association_are_asked_too(tmp_path, capsys):
    path = product(tmp_path)
    with fits.open(path) as hdus:
        spectrum = tmp_path / "jw1_nrca1_x1d.fits"
        column = fits.Column("FLUX", "D", array=np.ones(3))
        table = fits.BinTableHDU.from_columns([column], name="EXTRACT1D")
        fits.HDUList([hdus[0], table]).writeto(spectrum)
    members = [{"expname": name.name, "exptype": "science"} for name in (path, spectrum)]
    together = tmp_path / "jw1_asn.json"
    together.write_text(json.dumps({"products": [{"members": members}]}))
    told = {}
    for asked in (path, spectrum, together):
        assert cli.main(["changes", str(asked)]) == 0
        told[asked] = capsys.readouterr().out
    assert told[spectrum] == told[path].replace(path.name, spectrum.name)
    assert told[together] == told[path] + told[spectrum]


def test_a_file_of_no_known_instrument_is_one_line(tmp_path, capsys):
    path = tmp_path / "other.fits"
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(path)
    assert cli.main(["changes", str(path)]) == 3
    assert "other.fits: INSTRUME = '': unknown" in capsys.readouterr().err


def test_a_file_without_a_mode_is_told_by_its_instrument(tmp_path, capsys):
    path = product(tmp_path)
    fits.delval(path, "EXP_TYPE")
    assert cli.main(["changes", str(path)]) == 0
    assert "_rate.fits: NIRCAM, made by jwst 1.10.0" in capsys.readouterr().out


def test_a_raw_file_was_made_by_no_version(tmp_path, capsys):
    path = simulate(ngroups=3, size=(32, 32)).write(tmp_path)
    assert cli.main(["changes", str(path)]) == 0
    assert "CAL_VER is missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('source = "page"', 'source = "pag"', "did you mean 'page'"), ("fact", "fakt", "no 'fact'")],
)
def test_a_wrong_catalogue_is_refused(old, new, said):
    change = load(MADE).changes[0]
    assert (change.after, change.build) == (("jump",), "9.0")
    with pytest.raises(InputError, match=said):
        load(MADE.replace(old, new))


@pytest.mark.skipif(not REAL.is_dir(), reason="real files are in ../shared only")
@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("ami/jw01093015001_03102_00001_nis_cal.fits", {"jump", "ramp_fit"}, {"pathloss"}),
        (
            "spec/jw02565007001_03101_00002_nrs2_cal.fits",
            {"barshadow", "flat_field", "saturation"},
            {"tweakreg", "residual_fringe", "cube_build"},
        ),
    ],
)
def test_files_of_the_archive_list_what_is_of_them(name, there, absent, capsys):
    path = REAL / name
    assert cli.main(["changes", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[path.name]
    steps = {step for change in told["changes"] for step in change["steps"]}
    assert there <= steps
    assert not absent & steps
    assert ["1.18.1", "1.18.1"] in told["unread"]


def test_what_the_observatory_does_automatically_is_on_in_the_recipes_of_the_modes():
    automatic = [c for c in changes().changes if "automatically" in c.fact]
    modes = {mode for change in automatic for mode in change.modes}
    assert modes == {"NIS_IMAGE", "NIS_WFSS", "NIS_SOSS"}
    recipes = [r for r in map(Recipe.load, mode_names()) if modes & {*r.exp_types}]
    assert len(recipes) == len(modes)
    for change in automatic:
        for recipe in recipes:
            if {*change.modes} & {*recipe.exp_types}:
                assert all(recipe[step].enabled for step in change.steps), recipe.name
