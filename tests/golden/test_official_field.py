"""NIRCam imaging from raw exposures to a catalogue: native and official steps, no network."""

import contextlib
import json

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, match_coordinates_sky
from astropy.io import fits
from astropy.table import Table

import jwinteractive
from jwinteractive import cli
from jwinteractive.data import Filed
from jwinteractive.errors import ParamError
from jwinteractive.official.alignment import alignment
from jwinteractive.plan import stages_of
from jwinteractive.simulate.field import SCALE, field
from jwinteractive.store import Store
from jwinteractive.wcs import read_wcs

LAST = "official_source_catalog"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("field")
    field(size=(192, 192), count=3).write(folder)
    return folder


@pytest.fixture(scope="module")
def session(folder):
    made = jwinteractive.open(sorted(folder.glob("*_uncal.fits")), "mixed")
    made.set("official_tweakreg", minobj=5, searchrad=0.5, separation=0.4, tolerance=0.2)
    made.set("official_tweakreg", snr_threshold=20.0, fitgeometry="shift")
    made.run()
    return made


def place(plan_file, y, x):
    return np.array(read_wcs(plan_file)(x, y))


def files_at(session, step):
    found = []
    for i in range(len(session.exposures)):
        (p,) = (p for p in session.plan(exposure=i) if p.step.name == step)
        found.append(session.store.get(p.model_key).file_of(session.input(i).exposure))
    return found


def test_the_recipe_mixes_native_and_official_steps(session):
    names = [p.step.name for p in session.plan() if not p.skipped]
    assert {"jump", "ramp_fit", "outlier_detection"} <= set(names)
    assert names[-2:] == ["official_resample", LAST]


def pointing_left(session, folder):
    """Pixels (+x, +y on the sky) by which the exposures are off after alignment, less the first."""
    errors = np.array(list(json.loads((folder / "field_pointing.json").read_text()).values()))
    given = [place(f, 96, 96) for f in files_at(session, "official_photom")]
    aligned = [place(f, 96, 96) for f in files_at(session, "official_tweakreg")]
    moved = (np.array(aligned) - given) * 3600
    moved[:, 0] *= np.cos(np.deg2rad(given[0][1]))
    # all exposures may be moved together
    off = moved + errors
    return (off - off[0]) / SCALE, (errors - errors[0]) / SCALE


@contextlib.contextmanager
def asked(session, step, **changes):
    """Let a step have other parameters for a while."""
    kept = session.recipe[step].params.as_dict()
    session.set(step, **changes)
    try:
        yield
    finally:
        session.set(step, **kept)


def ran_of(session):
    (p,) = (p for p in session.plan() if p.step.name == "official_tweakreg")
    return session.store.get(p.model_key)


@pytest.mark.parametrize(
    "finder",
    [
        {"starfinder": "iraf"},
        {"starfinder": "dao", "sharplo": 0.2, "sharphi": 1.0, "roundlo": -1.0, "roundhi": 1.0},
        {"starfinder": "segmentation", "snr_threshold": 5.0},
    ],
    ids=lambda finder: finder["starfinder"],
)
def test_alignment_by_each_finder_takes_out_the_errors_of_the_pointings(session, folder, finder):
    with asked(session, "official_tweakreg", **finder):
        session.run("official_tweakreg")
        left, before = pointing_left(session, folder)
        told = alignment(ran_of(session).log, ran_of(session).members)
    assert np.abs(before).max() > 0.5
    assert np.abs(left).max() < 0.15
    assert [one.what for one in told] == ["reference", "aligned", "aligned"]
    assert all(one.used >= 7 and one.rms < 0.25 * SCALE for one in told[1:])
    # the fit is what the files were moved by
    shifts = np.array([one.shift for one in told[1:]]) / SCALE
    np.testing.assert_allclose(np.hypot(*shifts.T), np.hypot(*(left - before)[1:].T), atol=0.01)


def test_exposures_that_were_not_aligned_are_told_though_the_step_says_complete(session):
    said = []
    session.logged.connect(said.append)
    with asked(session, "official_tweakreg", minobj=40):
        session.run("official_tweakreg")
        files = files_at(session, "official_tweakreg")
        log = ran_of(session).log
    assert {fits.getheader(f)["S_TWKREG"] for f in files} == {"COMPLETE"}
    told = [line for line in said if "was not aligned" in line]
    assert [line.split()[1] for line in told] == [f.name.rpartition("_")[0] for f in files[1:]]
    assert list(log[-2:]) == told


def test_what_would_fail_in_silence_is_refused_before_anything_runs(session):
    said = []
    session.logged.connect(said.append)
    with (
        asked(session, "official_photom", apply_time_correction=False),
        asked(session, "official_tweakreg", separation=0.2),
        pytest.raises(ParamError, match=r"separation = 0.2: must exceed sqrt\(2\) \* tolerance"),
    ):
        session.run()
    assert said == []


def brightness(session, folder):
    """Arcsec by which the catalogue's stars are off, and their flux over the true one."""
    result = session.run()
    assert isinstance(result, Filed)
    (path,) = (p for p in result.beside if p.endswith("_cat.ecsv"))
    catalogue, truth = Table.read(path), Table.read(folder / "field_truth.ecsv")
    found = SkyCoord(catalogue["sky_centroid"])
    true = SkyCoord(truth["ra"] * u.deg, truth["dec"] * u.deg)
    number, apart, _ = match_coordinates_sky(true, found)
    near = apart.arcsec < 1.5 * SCALE
    assert near.sum() >= 10
    flux = np.asarray(catalogue["aper_total_flux"], float)[number[near]]
    return apart.arcsec[near], flux / truth["flux"][near]


def test_the_catalogue_has_the_stars_where_they_are_and_as_bright_as_they_are(session, folder):
    with asked(session, "official_resample", weight_type="exptime"):
        apart, flux = brightness(session, folder)
    assert np.median(apart) < 0.35 * SCALE
    assert np.median(flux) == pytest.approx(1, abs=0.01)


def test_weights_by_variance_lose_light_where_a_fit_by_likelihood_weighs_the_ends_of_ramps(
    session, folder
):
    assert session.recipe["ramp_fit"].params.algorithm == "likelihood"
    assert session.recipe["official_resample"].params.weight_type == "ivm"
    _, low = brightness(session, folder)
    with asked(session, "ramp_fit", algorithm="OLS_C"):
        _, flux = brightness(session, folder)
    assert np.median(flux) == pytest.approx(1, abs=0.01)
    assert 0.005 < np.median(flux) - np.median(low) < 0.02


def test_another_parameter_of_the_last_step_computes_nothing_before_it(session):
    before = {p.step.name: p.key for p in session.plan()}
    files = files_at(session, "official_resample")
    stamps = [f.stat().st_mtime_ns for f in files]
    said = []
    session.logged.connect(said.append)
    session.rerun(LAST, snr_threshold=10.0)
    after = {p.step.name: p.key for p in session.plan()}
    assert {n for n in before if before[n] != after[n]} == {LAST}
    assert [f.stat().st_mtime_ns for f in files] == stamps
    assert {line.split()[1] for line in said if "instance created" in line} == {"SourceCatalogStep"}
    session.undo()


def test_what_a_set_has_still_to_give_is_counted_once(session):
    plan = [p for p in session.plan() if not p.skipped]
    afresh = session.reduction(store=Store())._to_file(plan)
    alone = {p.step.name for p in plan if p.step.filed and not p.peers} - {LAST}
    together = [p.step.name for p in plan if p.step.filed and p.peers]
    assert len(afresh) == len(session.exposures) * len(alone) + len(together) + 1
    assert session.reduction()._to_file(plan) == set()


def test_image_and_catalogue_are_written_by_their_proper_names(session, tmp_path):
    paths = session.write(tmp_path)
    root = "jw99999001001_02101_nrca1_f200w"
    assert sorted(p.name for p in paths) == [f"{root}_cat.ecsv", f"{root}_i2d.fits"]
    assert fits.getheader(tmp_path / f"{root}_i2d.fits")["FILENAME"] == f"{root}_i2d.fits"


def test_the_command_writes_once_what_a_set_gives_together(folder, tmp_path, monkeypatch, capsys):
    reduced = []

    def noted(session, number, *_):
        reduced.append(number)
        return {}

    monkeypatch.setattr(cli, "_reduce", noted)
    files = sorted(map(str, folder.glob("*_uncal.fits")))
    assert cli.main(["run", "mixed", *files, "-o", str(tmp_path)]) == 0
    assert reduced == [0]
    image = tmp_path / "jw99999001001_02101_nrca1_f200w_i2d.fits"
    assert capsys.readouterr().out.splitlines() == [str(image)]
    reduced.clear()
    arguments = ["run", "mixed", *files, "-o", str(tmp_path), "--to", "official_tweakreg"]
    assert cli.main(arguments) == 0
    assert reduced == [0, 1, 2]


def test_without_its_reference_a_step_names_the_type_before_long_work(folder):
    one = jwinteractive.open(sorted(folder.glob("*_uncal.fits"))[:1], "mixed")
    one.use("distortion", "N/A")
    with pytest.raises(jwinteractive.errors.JwinteractiveError, match="AssignWcs"):
        one.run("official_assign_wcs")


def test_a_set_is_planned_once_for_each_exposure_and_step_that_looks_at_it(session, monkeypatch):
    asked_for = []

    def counted(file, *given, before=None, **more):
        asked_for.append((file.name, before))
        return stages_of(file, *given, before=before, **more)

    monkeypatch.setattr("jwinteractive.session.stages_of", counted)
    plan = session.plan()
    sets = [p.step.name for p in plan if p.step.together is not None and not p.skipped]
    assert len(sets) == 4
    assert len(asked_for) == len(set(asked_for)) == len(session.exposures) * len(sets)
