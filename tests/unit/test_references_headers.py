"""What headers of reference files say, in every form that there is."""

import sys
import types

import asdf
import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.references import FlatRef, References
from jwinteractive.references.filed import NOT_APPLICABLE, FileReference, file_reference
from jwinteractive.references.headers import allowed, header_of
from jwinteractive.testing import example_exposure

SHAPE = (40, 48)


def write_asdf(path, meta, **tree):
    asdf.AsdfFile({"meta": meta, **tree}).write_to(path)
    return path


def write_image(path, reftype, shape, **cards):
    primary = fits.PrimaryHDU(header=fits.Header({"REFTYPE": reftype, **cards}))
    fits.HDUList([primary, fits.ImageHDU(np.ones(shape, np.float32), name="SCI")]).writeto(path)
    return path


def test_an_asdf_file_holds_for_all_that_its_patterns_say(tmp_path):
    meta = {
        "reftype": "WAVECORR",
        "useafter": "2022-01-01T00:00:00",
        "instrument": {"name": "NIRSPEC", "p_detector": "NRS1|NRS2|"},
        "exposure": {"type": "NRS_FIXEDSLIT", "p_exptype": "NRS_FIXEDSLIT|   NRS_BRIGHTOBJ|"},
    }
    path = write_asdf(tmp_path / "w.asdf", meta, big=np.arange(100))
    header = header_of(path)
    assert allowed(header, "EXP_TYPE") == {"NRS_FIXEDSLIT", "NRS_BRIGHTOBJ"}
    assert allowed(header, "DETECTOR") == {"NRS1", "NRS2"}
    assert allowed(header, "FILTER") == frozenset()

    def found(kind):
        exposure = example_exposure(instrument="NIRSPEC", detector="NRS2", exp_type=kind)
        return References(tmp_path).find(file_reference("wavecorr"), exposure, SHAPE).name

    assert found("NRS_BRIGHTOBJ") == "w.asdf"
    assert found("NRS_IFU") == "nominal"


@pytest.mark.parametrize(
    ("value", "values"),
    [("N/A", set()), ("ANY", set()), ("F200W", {"F200W"}), ("A|N/A|", {"A", "N/A"})],
)
def test_a_value_that_holds_for_any_is_none(value, values):
    expected = set() if "N/A" in values else values
    key = "P_FILTER" if "|" in value else "FILTER"
    assert allowed({key: value}, "FILTER") == expected


def test_a_flag_is_said_as_crds_says_it():
    assert allowed({"TSOVISIT": True}, "TSOVISIT") == {"T"}
    assert allowed({"TSOVISIT": False}, "TSOVISIT") == {"F"}


def test_parameters_of_a_step_go_by_its_class(tmp_path):
    old = {"reftype": "pars-tweakreg", "instrument": {"name": "GENERIC"}}
    own = {"class": "jwst.tweakreg.TweakRegStep", "sigma": 3.0}
    assert (
        header_of(write_asdf(tmp_path / "a.asdf", old, parameters=own))["REFTYPE"]
        == "pars-tweakregstep"
    )
    new = write_asdf(tmp_path / "b.asdf", {}, parameters={}, **{"class": "jwst.jump.JumpStep"})
    assert header_of(new)["REFTYPE"] == "pars-jumpstep"


def test_a_file_of_another_kind_in_the_folder_is_passed_over(tmp_path):
    (tmp_path / "a.asdf").write_text("#ASDF 1.0.0\n%YAML 1.1\n--- {a: [\n...\n")
    (tmp_path / "b.fits").write_text("nothing of the sort")
    (tmp_path / "c.json").write_text("{")
    found = References(tmp_path).find(file_reference("gain"), example_exposure(), SHAPE)
    assert found.source == "nominal"


def test_what_is_no_image_of_the_detector_need_not_cover_it(tmp_path):
    write_image(tmp_path / "p.fits", "PATHLOSS", (21, 21))
    write_image(tmp_path / "f.fits", "FLAT", (21, 21))
    references = References(tmp_path)
    assert references.find(file_reference("pathloss"), example_exposure(), SHAPE).name == "p.fits"
    assert references.find(file_reference("flat"), example_exposure(), SHAPE).name == "nominal"
    assert references.find(FlatRef, example_exposure(), SHAPE).name == "nominal"


def test_what_is_for_a_subarray_is_for_no_other(tmp_path):
    write_image(tmp_path / "p.fits", "PATHLOSS", (21, 21), SUBARRAY="SUB64")

    def found(subarray):
        exposure = example_exposure(subarray=subarray)
        return References(tmp_path).find(file_reference("pathloss"), exposure, SHAPE).name

    assert found("SUB64") == "p.fits"
    assert found("SUB400P") == "nominal"


def test_a_generic_file_holds_for_every_instrument(tmp_path):
    write_image(tmp_path / "p.fits", "PATHLOSS", (21, 21), INSTRUME="GENERIC")
    found = References(tmp_path).find(file_reference("pathloss"), example_exposure(), SHAPE)
    assert found.name == "p.fits"


@pytest.mark.parametrize(
    ("answer", "source"), [("NOT FOUND n/a", "crds"), ("NOT FOUND No match", "nominal")]
)
def test_crds_may_say_that_no_reference_applies(monkeypatch, answer, source):
    def getreferences(parameters, reftypes, observatory):
        return dict.fromkeys(reftypes, answer)

    monkeypatch.setitem(sys.modules, "crds", types.SimpleNamespace(getreferences=getreferences))
    references = References(crds=True)
    found = references.find(file_reference("psfmask"), example_exposure(), SHAPE)
    assert found.source == source
    if source == "crds":
        loaded = references.load(found, example_exposure(), SHAPE)
        assert isinstance(loaded, FileReference)
        assert loaded.override == NOT_APPLICABLE
