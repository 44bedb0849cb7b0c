"""Official steps of sets take slits and slitless spectra by source, as the third stage does."""

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import dq
from jwinteractive.errors import MissingReference
from jwinteractive.official_process import client
from jwinteractive.official_process.jobs import Input, Job
from jwinteractive.recipe import Recipe
from jwinteractive.simulate.slits import slit_dithers

# official steps warn of their own arithmetic
pytestmark = pytest.mark.filterwarnings("ignore")
SHAPE = (34, 96)
"""Of a cut-out; the hits of the simulation are the outliers that there are."""


@pytest.fixture(scope="module")
def nods(tmp_path_factory):
    """Three nods of two sources, whose slits are in another order in the second file."""
    from stdatamodels.jwst import datamodels

    folder = tmp_path_factory.mktemp("nods")
    sources = {name: slit_dithers(3, SHAPE, seed=int(name), hits=0.01) for name in ("7", "9")}
    written = {name: s.write(folder / f"of-{name}") for name, s in sources.items()}
    paths = []
    for k in range(3):
        one = datamodels.open(written["7"][k])
        two = datamodels.open(written["9"][k])
        both = datamodels.MultiSlitModel()
        both.update(one, only="PRIMARY")
        both.meta.exposure.type = "NRS_MSASPEC"
        both.meta.exposure.start_time, both.meta.exposure.end_time = 60000.0 + k, 60000.1 + k
        slits = {"7": one.slits[0], "9": two.slits[0]}
        for name in ("9", "7") if k == 1 else ("7", "9"):
            slits[name].name, slits[name].source_name = name, f"source_{name}"
            slits[name].source_id = int(name)
            both.slits.append(slits[name])
        paths.append(folder / f"nod{k + 1}_cal.fits")
        both.save(paths[-1])
        one.close()
        two.close()
    return sources, paths


def slits_of(path):
    """Flags of each slit of a file, by its name."""
    with fits.open(path) as hdus:
        names = {h.ver: h.header["SLTNAME"] for h in hdus if h.name == "SCI"}
        return {name: hdus["DQ", ver].data.copy() for ver, name in names.items()}


def test_outliers_of_each_source_go_back_into_the_slit_of_each_file(nods, tmp_path):
    sources, paths = nods
    job = Job(
        cls="jwst.outlier_detection.outlier_detection_step.OutlierDetectionStep",
        params={},
        inputs=tuple(map(Input, paths)),
        folder=tmp_path / "room",
        names=("a", "b", "c"),
        suffix="crf",
        together=True,
    )
    done = client.run(job)
    assert [p.name for p in done.files] == ["a_crf.fits", "b_crf.fits", "c_crf.fits"]
    assert not done.skipped
    for k, path in enumerate(done.files):
        found = slits_of(path)
        assert list(found) == list(slits_of(paths[k]))
        for name, simulated in sources.items():
            hits = simulated.exposures[k].hits
            flagged = (found[name] & dq.OUTLIER) > 0
            assert np.mean(flagged[hits]) > 0.5  # of all, faint ones on the trace too
            assert np.mean(flagged[~hits]) < 0.02
        header = fits.getheader(path)
        assert header["S_OUTLIR"] == "COMPLETE"
        assert header["DATAMODL"] == "MultiSlitModel"


def test_they_are_those_of_the_official_third_stage(nods, tmp_path):
    from jwst.exp_to_source import multislit_to_container
    from jwst.outlier_detection import OutlierDetectionStep
    from stdatamodels.jwst import datamodels

    _, paths = nods
    session = jwinteractive.open(paths, "official")
    session.run("official_outlier_detection")
    models = [datamodels.open(path) for path in paths]
    official = multislit_to_container(models)["source_7"]
    step = OutlierDetectionStep()
    step.mode = "spec"
    official = step.process(official)
    numbers = [i for i, f in enumerate(session.exposures) if f.exposure.slit == "7"]
    assert len(numbers) == 3
    for number, one in zip(numbers, official, strict=True):
        made = session.run("official_outlier_detection", number)
        np.testing.assert_array_equal(made.dq, one.dq)
        np.testing.assert_array_equal(made.data, one.data)
        assert np.any(made.dq & dq.OUTLIER)


def test_one_source_of_the_set_is_resampled_from_all_its_nods(nods):
    _, paths = nods
    session = jwinteractive.open(paths, "official")
    session.run("official_resample_spec")
    ran = session.store.get(session.plan("official_resample_spec")[-1].model_key)
    assert (len(ran.members), len(ran.files)) == (3, 1)
    assert {m.rpartition("[")[2] for m in ran.members} == {"7]"}


@pytest.fixture(scope="module")
def mos(real):
    """The recipe of the mode on three real nods of NIRSpec MOS."""
    paths = sorted((real / "spec").glob("jw02565*_nrs2_cal.fits"))
    assert len(paths) == 3
    return jwinteractive.open(paths, "mode")


def test_real_nods_go_as_far_as_there_are_references(mos):
    assert mos.recipe.name == "nirspec_mos"
    with pytest.raises(MissingReference, match="Extract1dStep asks for a extract1d reference"):
        mos.run()
    mos.use("extract1d", "N/A")
    mos.use("apcorr", "N/A")
    mos.run()
    planned = {p.step.name.removeprefix("official_"): p for p in mos.plan()}
    ran = [name for name, p in planned.items() if not p.skipped]
    assert ran == ["outlier_detection", "resample_spec", "extract_1d"]
    left_out = planned["master_background_mos"].skipped, planned["master_background"].skipped
    assert left_out[0].startswith("the slits are calibrated")
    assert "master_background_mos" in left_out[1]
    outliers = mos.store.get(planned["outlier_detection"].model_key)
    (spectrum,) = mos.store.get(planned["extract_1d"].model_key).files
    for name, number in zip(outliers.files, range(3), strict=True):
        before = mos.input(number).dq
        after = fits.getdata(outliers.place / name, "DQ")
        assert 0 < np.sum((after & ~before & dq.OUTLIER) > 0) < 0.01 * after.size
    place = mos.store.get(planned["extract_1d"].model_key).place
    table = fits.getdata(place / spectrum, "EXTRACT1D")
    assert np.isfinite(table["FLUX"]).sum() > 300


def test_slits_that_are_not_calibrated_can_be_asked_for_their_background(nods, tmp_path):
    """It has steps with references of their own inside, which are no parameters of its own."""
    _, paths = nods
    path = tmp_path / "a_srctype.fits"
    with fits.open(paths[0]) as hdus:
        for status in ("S_PHOTOM", "S_FLAT", "S_WAVCOR"):
            hdus[0].header.remove(status)
        hdus.writeto(path)
    session = jwinteractive.open(path, Recipe.of("official_master_background_mos"))
    for reftype in ("fflat", "sflat", "dflat", "pathloss", "barshadow", "photom", "area"):
        session.use(reftype, "N/A")
    session.run()
    ran = session.store.get(session.plan()[-1].model_key)
    assert ran.skipped
    assert "No background slits" in "".join(ran.log)


@pytest.fixture
def slitless(tmp_path):
    """Function that writes spectra of two sources in an exposure, each a factor brighter."""
    from jwst.datamodels.utils.wfss_multispec import make_wfss_multiexposure
    from stdatamodels.jwst import datamodels

    def made(number, factor):
        spectra = datamodels.MultiSpecModel()
        meta = spectra.meta
        meta.instrument.name, meta.exposure.type = "NIRISS", "NIS_WFSS"
        meta.exposure.exposure_time = meta.exposure.integration_time = 100.0
        for source, flux in ((3, 1.0), (8, 10.0)):
            one = datamodels.SpecModel()
            table = np.zeros(20, one.get_dtype("spec_table"))
            table["WAVELENGTH"], table["FLUX"] = np.linspace(1, 2, 20), flux * factor
            one.spec_table = table
            one.source_id, one.spectral_order, one.dispersion_direction = source, 1, 1
            one.meta.group_id = f"exposure {number}"
            spectra.spec.append(one)
        path = tmp_path / f"a{number}_x1d.fits"
        make_wfss_multiexposure(spectra).save(path)
        return path

    return made


@pytest.mark.parametrize(("factors", "mean"), [((1.0, 1.5), 1.25), ((2.0,), 2.0)])
def test_slitless_spectra_of_exposures_are_combined_by_source(slitless, tmp_path, factors, mean):
    job = Job(
        cls="jwst.combine_1d.combine_1d_step.Combine1dStep",
        params={},
        inputs=tuple(Input(slitless(k, factor)) for k, factor in enumerate(factors)),
        folder=tmp_path / "room",
        names=tuple(f"a{k}" for k in range(len(factors))),
        suffix="c1d",
        together=True,
    )
    (made,) = client.run(job).files
    table = fits.getdata(made, "COMBINE1D")
    assert list(table["SOURCE_ID"]) == [3, 8]
    np.testing.assert_allclose(table["FLUX"], np.multiply.outer([mean, 10 * mean], np.ones(20)))
