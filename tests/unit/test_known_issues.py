"""The catalogue of known issues: what it holds, what it refuses, and what applies to a file."""

import dataclasses as dc
import json

import pytest

from jwinteractive import cli
from jwinteractive.data import Exposure
from jwinteractive.errors import InputError, ParamError, RecipeError
from jwinteractive.known import (
    applying,
    check_remedies,
    known_issues,
    listed,
    load,
    names_here,
    taken,
)
from jwinteractive.known.catalogue import Condition
from jwinteractive.official.modes import SPECTRA
from jwinteractive.recipe import Recipe, mode_names
from jwinteractive.simulate import simulate

IMAGE = Exposure(
    instrument="NIRCAM", detector="NRCA1", exp_type="NRC_IMAGE", readpatt="RAPID", ngroups=8
)
MADE = """
[source.page]
title = "A page"
date = 2026-01-02
deprecated = true
[[issue]]
id = "one"
modes = ["NIRCAM"]
fact = "It happens."
sources = ["page"]
"""


def names(exposure, cal_ver=""):
    return {known.id for known in applying(exposure, cal_ver)}


def made(more):
    return load(MADE + more)


def test_every_remedy_is_a_value_that_its_step_allows():
    check_remedies(known_issues())


def test_every_issue_says_where_it_was_read_and_withdrawn_pages_say_so():
    for known in known_issues():
        assert known.sources
        assert known.fact.endswith(".")
        assert known.remedies or known.advice or "no remedy" in known.fact or "trust" in known.fact
    old = {known.id for known in known_issues() if known.deprecated}
    assert {"wcs-offset", "nirspec-mos-errors", "niriss-wfss-traces"} <= old
    assert "snowballs" not in old


@pytest.mark.parametrize("exp_type", sorted(SPECTRA))
def test_every_spectral_mode_has_issues_of_its_own(exp_type):
    known = {e for k in known_issues() for e in (*k.modes,)}
    assert exp_type in known or exp_type == "MIR_WFSS"


def test_the_header_decides_what_applies():
    assert "nircam-flicker" in names(IMAGE)
    assert "nircam-flicker" in names(dc.replace(IMAGE, exp_type="NRC_CORON"))
    series = dc.replace(IMAGE, exp_type="NRC_TSIMAGE")
    assert "nircam-series-imaging-flicker" in names(series)
    assert "nircam-flicker" not in names(series)
    assert "mrs-warm-pixels" not in names(IMAGE)
    assert "snowballs" in names(IMAGE)
    assert "snowballs-few-groups" not in names(IMAGE)
    few = dc.replace(IMAGE, ngroups=4)
    assert "snowballs-few-groups" in names(few)
    assert "snowballs" not in names(few)
    assert "nircam-subarray-background" in names(dc.replace(IMAGE, subarray="SUB160", nints=2))
    assert "nircam-subarray-background" not in names(dc.replace(IMAGE, nints=2))
    prism = Exposure(instrument="NIRSPEC", detector="NRS1", exp_type="NRS_IFU", grating="PRISM")
    assert "nirspec-ifu-prism" in names(prism)
    assert "nirspec-ifu-prism" not in names(dc.replace(prism, grating="G395M"))


def test_an_issue_of_old_versions_is_of_files_that_these_made():
    mrs = Exposure(instrument="MIRI", detector="MIRIFUSHORT", exp_type="MIR_MRS", channel="12")
    assert "mrs-throughput" in names(mrs, "1.10.2")
    assert "mrs-throughput" not in names(mrs, "1.11.0")
    assert "mrs-throughput" not in names(mrs)
    between = Condition(versions=("1.9", "1.11"))
    assert [between.holds(mrs, v) for v in ("1.8.5", "1.9", "1.10", "1.11.1")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_remedy_sets_what_the_recipe_has_and_no_more():
    (flicker,) = (k for k in known_issues() if k.id == "nircam-flicker")
    recipe = Recipe.of("jump", "clean_flicker_noise").with_enabled("clean_flicker_noise", False)
    assert taken(recipe, flicker)["clean_flicker_noise"].enabled
    official = Recipe.of("official_jump", "official_clean_flicker_noise")
    after = taken(official.with_enabled("official_clean_flicker_noise", False), flicker)
    assert after["official_clean_flicker_noise"].enabled
    assert after["official_jump"] == official["official_jump"]
    with pytest.raises(RecipeError, match="nothing of that is in recipe"):
        taken(Recipe.of("ramp_fit"), flicker)


@pytest.mark.parametrize("name", mode_names())
def test_every_remedy_that_a_recipe_has_steps_for_can_be_taken(name):
    recipe = Recipe.load(name)
    for known in known_issues():
        here = names_here(recipe, known)
        if here:
            after = taken(recipe, known)
            assert taken(after, known) == after
            assert [s.step for s in after] == [s.step for s in recipe]


def test_what_official_jump_does_the_native_steps_beside_it_do():
    (few,) = (k for k in known_issues() if k.id == "snowballs-few-groups")
    native = Recipe.of("jump", "snowballs")
    assert not taken(native, few)["snowballs"].enabled
    assert taken(native, few)["jump"] == native["jump"]
    (large,) = (k for k in known_issues() if k.id == "nirspec-snowballs")
    assert taken(native, large)["snowballs"].params.expand_factor == 3.0
    official = taken(Recipe.of("official_jump"), large)
    assert official["official_jump"].params.expand_factor == 3.0


def test_a_choice_that_the_native_step_spells_otherwise_is_taken_as_it_spells_it():
    (flicker,) = (k for k in known_issues() if k.id == "nirspec-flicker")
    recipe = taken(Recipe.of("clean_flicker_noise"), flicker)
    assert recipe["clean_flicker_noise"].params.background_method == "none"


def test_a_remedy_gives_official_steps_its_values():
    (coron,) = (k for k in known_issues() if k.id == "nircam-coron-outliers")
    recipe = taken(Recipe.of("official_outlier_detection", "official_align_refs"), coron)
    assert recipe["official_outlier_detection"].params.snr == "4.5 3.5"
    assert recipe["official_align_refs"].params.bad_bits == "DO_NOT_USE, OTHER_BAD_PIXEL"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("mode = 1", "entry 'mode': did you mean 'modes'"),
        ('check = "stripe"', "check 'stripe': did you mean 'stripes'"),
        ("when.ngroup = [1, 2]", "when: entry 'ngroup': did you mean 'ngroups'"),
        ("when.ngroups = [1]", r"must be \[from, to\]"),
        ('remedy = [{step = "jump", value = 1}]', "remedy: has no parameter"),
        ('[[issue]]\nid = "one"\nmodes = ["ALL"]\nfact = ""\nsources = ["page"]', "there twice"),
        ('[[issue]]\nid = "b"\nmodes = ["NRC"]\nfact = ""\nsources = ["page"]', "modes entry"),
        ('[[issue]]\nid = "b"\nmodes = ["ALL"]\nfact = ""\nsources = ["pag"]', "sources entry"),
        ('[source.other]\ntitle = "x"\ndate = "soon"', "must be a day"),
        ("[", "no valid TOML"),
    ],
)
def test_what_makes_no_catalogue_is_one_line(more, words):
    with pytest.raises(InputError, match=words) as error:
        made(more)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("remedy", "error", "words"),
    [
        ('{step = "jmp", parameter = "skip", value = true}', RecipeError, "did you mean 'jump'"),
        (
            '{step = "jump", parameter = "expand_large_event", value = true}',
            ParamError,
            "did you mean 'expand_large_events'",
        ),
        ('{step = "klip", parameter = "truncate", value = "x"}', ParamError, "truncate"),
        ('{step = "klip", parameter = "skip", value = 1}', ParamError, "true or false"),
    ],
)
def test_a_remedy_that_no_step_takes_is_one_line(remedy, error, words):
    with pytest.raises(error, match=words) as said:
        check_remedies(made(f"remedy = [{remedy}]"))
    assert "\n" not in str(said.value)


def test_the_command_tells_what_the_header_and_the_data_say(tmp_path, capsys):
    path = simulate("nircam", size=(128, 128), ngroups=4, snowballs=0.0).write(tmp_path)
    assert cli.main(["issues", str(path)]) == 0
    text = capsys.readouterr().out
    assert "nircam-flicker\n" in text
    assert "clean_flicker_noise on" in text
    assert "in this file: 1/f noise adds " in text
    assert "not in this file: 0 large events" in text
    assert text.index("nircam-flicker") < text.index("snowballs-few-groups")
    assert cli.main(["issues", "--header", "--json", str(path)]) == 0
    (rows,) = json.loads(capsys.readouterr().out).values()
    assert {row["measured"] for row in rows} == {None}
    assert {row["id"] for row in rows} >= {"nircam-flicker", "snowballs-few-groups"}


def test_a_file_of_several_slits_is_told_once(slit_hdus, tmp_path, capsys):
    path = tmp_path / "a_cal.fits"
    slit_hdus().writeto(path)
    assert cli.main(["issues", str(path)]) == 0
    text = capsys.readouterr().out
    assert text.count("wcs-offset") == 1
    assert cli.main(["issues", "--json", str(path)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_files_of_several_instruments_are_asked_together(nircam_file, miri_file, capsys):
    assert cli.main(["issues", "--header", str(nircam_file), str(miri_file)]) == 0
    text = capsys.readouterr().out
    assert f"{nircam_file.name}: NRC_IMAGE" in text
    assert f"{miri_file.name}: MIR_IMAGE" in text


@pytest.mark.parametrize("command", ["issues", "changes"])
def test_a_file_that_cannot_be_read_is_a_line_and_stops_no_other(
    command, nircam_file, tmp_path, capsys
):
    bad, gone = tmp_path / "bad.fits", tmp_path / "gone.fits"
    bad.write_text("no FITS")
    members = [{"expname": p.name, "exptype": "science"} for p in (bad, nircam_file)]
    (tmp_path / nircam_file.name).symlink_to(nircam_file)
    (tmp_path / "a_asn.json").write_text(json.dumps({"products": [{"members": members}]}))
    for files in ([bad, nircam_file, gone], [nircam_file, gone, bad], [tmp_path / "a_asn.json"]):
        assert cli.main([command, *map(str, files)]) == 3
        said = capsys.readouterr()
        assert said.out.count(f"{nircam_file.name}: ") == 1
        assert said.err.count("jwinteractive: error: ") == len(said.err.splitlines())
        assert said.err.count("bad.fits: cannot be read as FITS") == 1
        assert said.err.count("gone.fits: no such file") == (gone in files)
    assert cli.main([command, "--json", str(gone), str(nircam_file)]) == 3
    assert len(json.loads(capsys.readouterr().out)) == 1


def test_real_slits_of_irs2_have_issues(real, capsys):
    path = real / "spec" / "jw02565007001_03101_00002_nrs2_cal.fits"
    assert cli.main(["issues", str(path)]) == 0
    assert "nirspec-mos-outliers" in capsys.readouterr().out


def test_what_the_data_do_not_show_comes_last(tmp_path):
    from jwinteractive.io import open_product

    quiet = {"one_over_f_common": 0.0, "one_over_f_amp": 0.0, "alternating": 0.0, "snowballs": 0.0}
    path = simulate("nircam", size=(128, 128), ngroups=4, **quiet).write(tmp_path)
    rows = listed(open_product(path).product, path)
    there = [row.there for row in rows]
    assert there == sorted(there, reverse=True)
    assert not there[-1]
    (flicker,) = (row for row in rows if row.known.id == "nircam-flicker")
    assert not flicker.there
