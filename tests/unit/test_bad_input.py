"""Exposures that cannot give a rate: one line, a non-zero exit code, nothing half-written."""

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive.cli import main
from jwinteractive.simulate import simulate


def edited(path, change, **cards):
    with fits.open(path) as hdus:
        hdus["SCI"].data = change(hdus["SCI"].data)
        for keyword, value in cards.items():
            hdus[0].header[keyword] = value
        new = path.with_name("edited_uncal.fits")
        hdus.writeto(new)
    beside = path.with_name(path.name.replace("_uncal.fits", "_refs"))
    beside.rename(path.with_name("edited_refs"))
    return new


@pytest.fixture
def raw(tmp_path):
    return simulate("nircam", size=(32, 40), ngroups=4, seed=6).write(tmp_path / "in")


CASES = {
    "zero groups": (lambda d: d[:, :0], {}, "group"),
    "one group": (lambda d: d[:, :1], {"NGROUPS": 1}, "one group tells no slope"),
    "all saturated": (lambda d: np.full_like(d, 65535), {}, "every pixel is saturated"),
    "all NaN": (lambda d: np.full(d.shape, np.nan, "f4"), {}, "no usable|no pixel has a usable"),
    "wrong dimensions": (lambda d: d[0, 0, 0], {}, "dimension|axes|axis|shape"),
    "unknown instrument": (lambda d: d, {"INSTRUME": "HARMONI"}, "HARMONI"),
    "unknown detector": (lambda d: d, {"DETECTOR": "NRCZ9"}, "NRCZ9"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_exposure_without_a_rate_is_one_line(raw, tmp_path, capsys, case):
    change, cards, message = CASES[case]
    path = edited(raw, change, **cards)
    out = tmp_path / "out"
    code = main(["run", "auto", str(path), "-o", str(out)])
    printed, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if "error: " in line]
    assert code != 0
    assert printed == ""
    assert len(errors) == 1
    assert any(word in errors[0] for word in message.split("|")), errors[0]
    assert not out.exists() or not list(out.iterdir())


def test_no_sci_is_one_line(raw, tmp_path, capsys):
    with fits.open(raw) as hdus:
        del hdus["SCI"]
        hdus.writeto(tmp_path / "bare_uncal.fits")
    assert main(["run", "auto", str(tmp_path / "bare_uncal.fits"), "-o", str(tmp_path / "o")]) == 3
    assert "SCI" in capsys.readouterr().err


def test_one_group_is_taken_when_it_is_asked_for(raw, tmp_path):
    path = edited(raw, lambda d: d[:, :1], NGROUPS=1)
    words = ["--set", "ramp_fit.suppress_one_group=false"]
    assert main(["run", "auto", str(path), "-o", str(tmp_path / "out"), *words]) == 0


def test_a_disk_that_fills_up_leaves_nothing_half_written(raw, tmp_path, capsys, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", full)
    assert main(["run", "auto", str(raw), "-o", str(tmp_path / "out")]) == 6
    err = capsys.readouterr().err
    assert "No space left on device" in err
    assert not list((tmp_path / "out").glob("*.fits"))


def test_header_values_are_text_and_nothing_else(raw, tmp_path, capsys):
    evil = "exec('1')"
    path = edited(raw, lambda d: d, TARGNAME=evil, TARGPROP="<b>1</b>")
    assert main(["run", "auto", str(path), "-o", str(tmp_path / "out")]) == 0
    with fits.open(next((tmp_path / "out").glob("*_rate.fits"))) as hdus:
        assert hdus[0].header["TARGPROP"] == "<b>1</b>"
    assert jwinteractive.open(path).exposures[0].exposure.instrument == "NIRCAM"


def test_files_of_two_instruments_are_not_reduced_by_the_recipe_of_the_first(
    nircam_file, miri_file, tmp_path, capsys
):
    files = [str(miri_file), str(nircam_file)]
    assert main(["run", "auto", *files, "-o", str(tmp_path / "out")]) == 3
    said = capsys.readouterr().err
    assert "files of MIRI and NIRCAM: a recipe is of one instrument" in said
    assert not (tmp_path / "out").exists()
