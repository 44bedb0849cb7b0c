"""A session takes simulated MIRI slit exposures to the spectrum that went in, stages 2 and 3."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import dq
from jwinteractive.errors import InputError
from jwinteractive.simulate.calibrated import write_calibrated
from jwinteractive.simulate.lrs import simulate_lrs
from jwinteractive.wcs import read_wcs

# official steps warn of their own arithmetic
pytestmark = pytest.mark.filterwarnings("ignore")
REAL = Path(__file__).parents[3] / "shared/real/refs/miri_lrs_wcs"
ROOT = "jw99999001001_04101_00001_mirimage"
FRAME = (400, 400)
BAD = (150, 333)  # on the trace
HIT = (200, 342)  # off the source, in the first exposure alone


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lrs")
    write_calibrated("lrs-slit", folder, frame=FRAME)
    second = simulate_lrs(nod=-0.94, number=2, frame=FRAME)
    second.rate.save(folder / f"{second.root}_rate.fits")
    with fits.open(folder / f"{ROOT}_rate.fits", mode="update") as hdus:
        hdus["SCI"].data[BAD], hdus["DQ"].data[BAD] = np.nan, 1
        hdus["SCI"].data[HIT] += 100
    wavelength, flux = np.loadtxt(folder / f"{ROOT}_truth.csv", delimiter=",", skiprows=1).T
    return SimpleNamespace(wavelength=wavelength, flux=flux), folder


@pytest.fixture(scope="module")
def session(simulated):
    """Both nods, from rates to a spectrum of what they have in common."""
    _, folder = simulated
    rates = sorted(folder.glob("*_rate.fits"))
    made = jwinteractive.open(rates, "official", folder / f"{ROOT}_refs")
    for name in ("bkg_subtract", "master_background"):  # without a background they do nothing
        made.enable(f"official_{name}", False)
    made.enable("official_pixel_replace", True)
    made.run()
    return made


def file_of(session, step):
    plan = session.plan(f"official_{step}")[-1]
    return session.store.get(plan.model_key).file_of(session.input().exposure)


def spectrum(path):
    table = fits.getdata(path, "EXTRACT1D")
    return table["WAVELENGTH"], table["FLUX"], table["FLUX_ERROR"]


def off_truth(path, truth):
    """Median and largest difference from the truth, relative, 5 to 13.5 um."""
    wave, flux, error = spectrum(path)
    inside = (wave > 5) & (wave < 13.5)
    assert np.all((error > 0)[inside])
    ratio = flux[inside] / np.interp(wave, truth.wavelength, truth.flux)[inside] - 1
    return np.median(ratio), np.abs(ratio).max()


def test_the_recipe_of_both_stages_runs_with_simulated_references_alone(session):
    left_out = {p.step.name for p in session.plan() if p.skipped}
    assert left_out == {
        f"official_{name}"
        for name in (
            "badpix_selfcal", "bkg_subtract", "targ_centroid", "master_background",
            "adaptive_trace_model",
        )
    }  # fmt: skip
    done = set(session.run().exposure.done)
    assert done >= {"assign_wcs", "pathloss", "photom", "outlier_detection", "extract_1d"}


def test_both_nods_are_resampled_to_one_spectrum(session):
    plan = session.plan("official_resample_spec")[-1]
    ran = session.store.get(plan.model_key)
    assert (len(ran.members), len(ran.files)) == (2, 1)
    # where one nod has no light of its source, the other one has: the slit grows by the nods
    one, both = fits.getdata(file_of(session, "photom")), fits.getdata(ran.place / ran.files[0])
    assert both.shape[0] < one.shape[0]
    wave, flux, _ = spectrum(file_of(session, "extract_1d"))
    assert np.isfinite(flux[(wave > 5) & (wave < 13.5)]).all()


def test_the_official_spectrum_is_that_of_the_source(session, simulated):
    middle, most = off_truth(file_of(session, "extract_1d"), simulated[0])
    assert abs(middle) < 0.01
    assert most < 0.02


def test_a_hit_of_one_exposure_is_an_outlier_of_the_set(session):
    before, after = (
        fits.getdata(file_of(session, s), "DQ") for s in ("photom", "outlier_detection")
    )
    assert after[HIT] & dq.OUTLIER
    new = ((after & dq.OUTLIER) != 0) & ((before & dq.OUTLIER) == 0)
    assert new.sum() < 0.05 * 387 * 41  # of the pixels of the slit


def test_the_wavelength_of_a_row_is_that_of_the_truth(session, simulated):
    truth, _ = simulated
    rows = np.arange(20, 380, 40)
    wave = read_wcs(file_of(session, "assign_wcs"))(np.full(rows.size, 333.0), rows)[2]
    row = 299.7 + np.arange(94.0, -294.0, -1.0)
    expected = np.interp(rows, row[::-1], truth.wavelength[::-1])
    assert np.allclose(wave, expected, atol=0.01)


def test_a_bad_pixel_of_the_trace_is_replaced(session):
    replaced = fits.getdata(file_of(session, "pixel_replace"))
    assert replaced[BAD] == pytest.approx(replaced[BAD[0] + 1, BAD[1]], rel=0.1)


def test_a_real_table_of_wavelengths_takes_the_place_of_the_simulated(session):
    if not REAL.exists():
        pytest.skip("real wavelengths of the slit are not in ../shared")
    session.use("specwcs", REAL / "jwst_miri_specwcs_0006.fits")
    session.run("official_assign_wcs")
    path = file_of(session, "assign_wcs")
    session.undo()
    wave = read_wcs(path)(np.full(3, 325.0), np.array([20.0, 200.0, 380.0]))[2]
    assert np.all(np.diff(wave) < 0)
    assert 3.5 < wave[-1] < 6
    assert 13 < wave[0] < 14.1


def test_a_source_off_the_slit_is_refused_with_what_fits():
    with pytest.raises(InputError, match=r"nod = 3.*within 1\.32 arcsec"):
        simulate_lrs(nod=3.0)
    with pytest.raises(InputError, match=r"frame = \(300, 400\): the spectrum needs"):
        simulate_lrs(frame=(300, 400))
    with pytest.raises(InputError, match="level = 0"):
        simulate_lrs(level=0.0)
