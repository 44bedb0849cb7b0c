"""References: the order of their sources, selection by header, subarrays, nominal stand-ins."""

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive import dq
from jwinteractive.errors import MissingReference
from jwinteractive.references import (
    DarkRef,
    GainRef,
    MaskRef,
    ReadnoiseRef,
    References,
    ResetRef,
    RscdRef,
    SaturationRef,
)
from jwinteractive.references.filed import file_reference
from jwinteractive.testing import example_exposure

SHAPE = (40, 48)


def write_gain(path, value=2.0, shape=SHAPE, **cards):
    header = {
        "REFTYPE": "GAIN",
        "INSTRUME": "NIRCAM",
        "DETECTOR": "NRCA1",
        "SUBSTRT1": 101,
        "SUBSTRT2": 201,
        "SUBSIZE1": shape[1],
        "SUBSIZE2": shape[0],
        "USEAFTER": "2022-01-01T00:00:00",
        **cards,
    }
    y, x = np.indices(shape)
    data = (value + y + x / 1000).astype(np.float32)
    fits.HDUList(
        [fits.PrimaryHDU(header=fits.Header(header)), fits.ImageHDU(data, name="SCI")]
    ).writeto(path)
    return path


def find(references, kind=GainRef, exposure=None, shape=SHAPE):
    exposure = exposure or example_exposure()
    found = references.find(kind, exposure, shape)
    return found, references.load(found, exposure, shape)


def test_sources_come_in_their_order(tmp_path):
    folder, beside = tmp_path / "folder", tmp_path / "x_refs"
    folder.mkdir()
    beside.mkdir()
    references = References(folder, beside=beside)
    assert find(references)[0].source == "nominal"
    write_gain(beside / "g.fits")
    assert find(References(folder, beside=beside))[0].source == "simulated"
    write_gain(folder / "g.fits")
    assert find(References(folder, beside=beside))[0].source == "folder"
    override = write_gain(tmp_path / "mine.fits", 5.0)
    found, gain = find(References(folder, {"gain": override}, beside=beside))
    assert found.source == "override"
    assert gain.data[0, 0] == 5.0


def test_a_file_is_chosen_by_its_keywords(tmp_path):
    write_gain(tmp_path / "a_other_detector.fits", 1.0, DETECTOR="NRCA2")
    write_gain(tmp_path / "b_other_instrument.fits", 1.0, INSTRUME="NIRISS")
    write_gain(tmp_path / "c_other_type.fits", 1.0, REFTYPE="READNOISE")
    write_gain(tmp_path / "d_too_late.fits", 1.0, USEAFTER="2030-01-01T00:00:00")
    write_gain(tmp_path / "e_elsewhere.fits", 1.0, SUBSTRT1=1500)
    write_gain(tmp_path / "f_old.fits", 1.0, USEAFTER="2021-01-01T00:00:00")
    write_gain(tmp_path / "g_right.fits", 3.0)
    (tmp_path / "h.fits").write_text("no FITS file")
    found, gain = find(References(tmp_path))
    assert found.name == "g_right.fits"
    assert gain.data[0, 0] == 3.0


def test_a_subarray_is_cut_from_a_full_frame(tmp_path):
    write_gain(tmp_path / "full.fits", 0.0, (300, 200), SUBSTRT1=1, SUBSTRT2=1, SUBARRAY="FULL")
    _, gain = find(References(tmp_path))
    assert gain.data.shape == SHAPE
    assert gain.data[0, 0] == np.float32(200 + 100 / 1000)


def test_a_file_of_the_exposures_own_subarray_is_preferred(tmp_path):
    write_gain(tmp_path / "z.fits", 1.0, (300, 200), SUBSTRT1=1, SUBSTRT2=1, SUBARRAY="FULL")
    write_gain(tmp_path / "a.fits", 2.0, SUBARRAY="SUB64")
    assert find(References(tmp_path))[0].name == "a.fits"


def test_flags_are_translated_by_dq_def(tmp_path):
    plane = np.zeros(SHAPE, np.uint8)
    plane[3, 4], plane[5, 6] = 1, 2
    table = np.array(
        [(0, 1, "HOT", ""), (1, 2, "DEAD", ""), (2, 4, "NO_SUCH_FLAG", "")],
        dtype=[("BIT", "i4"), ("VALUE", "i4"), ("NAME", "S40"), ("DESCRIPTION", "S80")],
    )
    header = fits.Header({"REFTYPE": "MASK", "DETECTOR": "NRCA1", "SUBSTRT1": 101, "SUBSTRT2": 201})
    path = tmp_path / "mask.fits"
    fits.HDUList(
        [
            fits.PrimaryHDU(header=header),
            fits.ImageHDU(plane, name="DQ"),
            fits.BinTableHDU(table, name="DQ_DEF"),
        ]
    ).writeto(path)
    _, mask = find(References(tmp_path), MaskRef)
    assert mask.dq[3, 4] == dq.HOT
    assert mask.dq[5, 6] == dq.DEAD
    assert np.count_nonzero(mask.dq) == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no/such.fits", "no such file"),
        (np.zeros((3, 4), np.float32), r"is \(3, 4\), the exposure is \(40, 48\)"),
        (ReadnoiseRef(data=np.zeros(SHAPE, np.float32)), "needs a GainRef, got ReadnoiseRef"),
    ],
)
def test_a_wrong_override_gets_one_line(value, message):
    references = References(overrides={"gain": value})
    with pytest.raises(MissingReference, match=message) as caught:
        find(references)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [GainRef, file_reference("gain"), file_reference("apcorr")])
def test_a_file_of_another_type_is_refused_though_its_shape_would_do(tmp_path, kind):
    path = write_gain(tmp_path / "r.fits", 8.0, REFTYPE="READNOISE")
    references = References(overrides={kind.reftype: path})
    with pytest.raises(MissingReference, match=r"r\.fits: its header says .* of type readnoise"):
        references.find(kind, example_exposure(), SHAPE)
    plain = References(overrides={kind.reftype: write_gain(tmp_path / "p.fits", REFTYPE="")})
    assert plain.find(kind, example_exposure(), SHAPE).source == "override"


def test_what_an_official_step_could_not_open_is_said_before_it_runs(tmp_path):
    (tmp_path / "gain.fits").write_text("no FITS file")
    references = References(overrides={"gain": tmp_path / "gain.fits"})
    with pytest.raises(MissingReference, match=r"gain\.fits: cannot be read") as caught:
        references.find(file_reference("gain"), example_exposure(), SHAPE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["empty", "no_sci", "text"])
def test_an_unreadable_reference_gets_one_line(tmp_path, damage):
    path = tmp_path / "gain.fits"
    if damage == "no_sci":
        fits.PrimaryHDU().writeto(path)
    else:
        path.write_text("" if damage == "empty" else "no FITS file")
    with pytest.raises(MissingReference, match="gain") as caught:
        find(References(overrides={"gain": path}))
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_is_said_at_once():
    with pytest.raises(MissingReference, match="no such folder"):
        References("no/such/folder")


def test_keys_follow_the_file_and_the_numbers(tmp_path):
    plane = np.ones(SHAPE, np.float32)
    keys = {
        References(overrides={"gain": a}).find(GainRef, example_exposure(), SHAPE).key
        for a in (plane, plane.copy(), plane * 2)
    }
    assert len(keys) == 2
    path = write_gain(tmp_path / "g.fits")
    before = References(tmp_path).find(GainRef, example_exposure(), SHAPE).key
    assert References(tmp_path).find(GainRef, example_exposure(), SHAPE).key == before
    path.unlink()
    write_gain(path, 4.0, HISTORY="later")
    import os

    os.utime(path, (1, 1))
    assert References(tmp_path).find(GainRef, example_exposure(), SHAPE).key != before


@pytest.mark.parametrize("instrument", ["NIRCAM", "NIRISS", "NIRSPEC", "MIRI"])
def test_nominal_references_fit_the_exposure(instrument):
    exposure = example_exposure(instrument)
    kinds = [MaskRef, SaturationRef, GainRef, ReadnoiseRef, DarkRef, RscdRef, ResetRef]
    for kind in kinds:
        found, reference = find(References(), kind, exposure)
        assert found.source == "nominal"
        assert str(found) == "nominal"
        if reference.box is not None:
            assert reference.box.shape == SHAPE


def test_crds_is_not_asked_unless_it_is_set_up(monkeypatch):
    monkeypatch.delenv("CRDS_PATH", raising=False)
    monkeypatch.delenv("CRDS_SERVER_URL", raising=False)
    assert not References().crds


def test_crds_that_has_none_of_a_type_is_asked_for_the_next(monkeypatch):
    import sys
    import types

    def getreferences(parameters, reftypes, observatory):
        raise LookupError("unknown reference type")

    monkeypatch.setitem(sys.modules, "crds", types.SimpleNamespace(getreferences=getreferences))
    references = References(crds=True)
    assert find(references)[0].source == "nominal"
    assert references.crds_said == ""


def test_crds_gives_its_best_reference_and_a_failure_is_remembered(tmp_path, monkeypatch):
    import sys
    import types

    path = write_gain(tmp_path / "jwst_nircam_gain_0001.fits", 7.0)
    asked = []

    def getreferences(parameters, reftypes, observatory):
        asked.append((parameters, reftypes, observatory))
        if reftypes != ["gain"]:
            raise SystemExit("no server")
        return {"gain": str(path)}

    monkeypatch.setitem(sys.modules, "crds", types.SimpleNamespace(getreferences=getreferences))
    references = References(crds=True)
    found, gain = find(references)
    assert found.source == "crds"
    assert gain.data[0, 0] == 7.0
    assert asked[0][0]["META.INSTRUMENT.DETECTOR"] == "NRCA1"
    assert find(references, ReadnoiseRef)[0].source == "nominal"
    assert "no server" in references.crds_said
    find(references, SaturationRef)
    assert len(asked) == 2
