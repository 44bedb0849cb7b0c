"""A session takes simulated MIRI integral field exposures to a spectrum, stages 2 and 3."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

import jwinteractive
from jwinteractive import dq
from jwinteractive.data import Cube
from jwinteractive.errors import InputError, MissingReference
from jwinteractive.simulate.calibrated import write_calibrated
from jwinteractive.simulate.mrs import simulate_mrs
from jwinteractive.wcs import read_wcs

# official steps warn of their own arithmetic
pytestmark = pytest.mark.filterwarnings("ignore")
REAL = Path(__file__).parents[3] / "shared/real/refs"
ROOT = "jw99999001001_05101_00001_mirifushort"
DITHER = (0.2, -0.1)
ROWS = 256
HIT = (100, 250)  # in a slice of channel 1, in the first exposure alone


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mrs")
    write_calibrated("mrs", folder, rows=ROWS)
    second = simulate_mrs(number=2, dither=DITHER, rows=ROWS)
    second.rate.save(folder / f"{second.root}_rate.fits")
    with fits.open(folder / f"{ROOT}_rate.fits", mode="update") as hdus:
        hdus["SCI"].data[HIT] += 100
    wavelength, flux = np.loadtxt(folder / f"{ROOT}_truth.csv", delimiter=",", skiprows=1).T
    return SimpleNamespace(wavelength=wavelength, flux=flux), folder


@pytest.fixture(scope="module")
def session(simulated):
    """Both dithers, from rates to the spectrum of a part of channel 1."""
    _, folder = simulated
    rates = sorted(folder.glob("*_rate.fits"))
    made = jwinteractive.open(rates, "official", folder / f"{ROOT}_refs")
    for name in ("bkg_subtract", "master_background"):  # without a background they do nothing
        made.enable(f"official_{name}", False)
    made.set("official_outlier_detection", kernel_size="3 3")
    made.set("official_cube_build", channel="1", wavemin=4.91, wavemax=5.10)
    with pytest.raises(MissingReference, match="asks for a mrsxartcorr reference"):
        made.run()
    made.use("mrsxartcorr", "N/A")
    made.run()
    return made


def ran(session, step):
    plan = session.plan(f"official_{step}")[-1]
    return session.store.get(plan.model_key)


def file_of(session, step):
    return ran(session, step).file_of(session.input().exposure)


def test_the_recipe_of_both_stages_runs_and_only_straylight_goes_without_its_reference(session):
    steps = [p.step.name.removeprefix("official_") for p in session.plan() if not p.skipped]
    assert steps == [
        "assign_wcs", "srctype", "straylight", "flat_field", "fringe", "photom",
        "outlier_detection", "cube_build", "extract_1d", "spectral_leak",
    ]  # fmt: skip
    # a leak is of 6 um into 12 um: neither is there
    assert [s for s in steps if ran(session, s).skipped] == ["straylight", "spectral_leak"]


def test_both_dithers_are_in_one_cube(session):
    made = ran(session, "cube_build")
    assert (len(made.members), len(made.files), made.beside) == (2, 1, ())
    assert isinstance(session.run("official_cube_build"), Cube)
    # it is wider than one field, 21 slices of 0.177 arcsec, by the dither
    height = fits.getheader(file_of(session, "cube_build"), "SCI")["NAXIS2"]
    assert height * 0.13 > 21 * 0.177


def test_the_official_spectrum_is_that_of_the_source(session, simulated):
    truth, _ = simulated
    table = fits.getdata(file_of(session, "extract_1d"), "EXTRACT1D")
    inner = slice(3, -3)  # planes at the ends are of a part of the rows
    wave, flux = table["WAVELENGTH"][inner], table["FLUX"][inner]
    true = np.interp(wave, truth.wavelength, truth.flux)
    # a line loses its peak to planes that are wider than a row
    plain = np.abs(wave - 5.0) > 0.03
    ratio = flux[plain] / true[plain]
    assert abs(np.median(ratio) - 1) < 0.003
    assert np.std(ratio) < 0.005
    assert np.isclose(flux[~plain].sum(), true[~plain].sum(), rtol=0.005)


def test_the_source_lies_in_the_cube_where_it_was_put(session):
    path = file_of(session, "cube_build")
    image = np.nanmean(fits.getdata(path), axis=0)
    y, x = np.unravel_index(np.nanargmax(image), image.shape)
    ra, dec, _ = read_wcs(path)(x, y, 10)
    off = (ra - 53.16) * np.cos(np.deg2rad(dec)) * 3600, (dec + 27.79) * 3600
    assert np.allclose(off, (0.3, -0.2), atol=0.1)


def test_a_hit_of_one_exposure_is_an_outlier_of_the_set(session):
    after = fits.getdata(file_of(session, "outlier_detection"), "DQ")
    assert after[HIT] & dq.OUTLIER


def test_fringes_are_in_the_rate_and_not_behind_their_step(session, simulated):
    _, folder = simulated
    fringe = fits.getdata(folder / f"{ROOT}_refs/fringe.fits")[20:240, 252]
    before, after = (
        fits.getdata(file_of(session, s))[20:240, 252] for s in ("flat_field", "fringe")
    )

    def seen(column):
        wave = np.linspace(-1, 1, column.size)
        smooth = np.polyval(np.polyfit(wave, column, 6), wave)
        return np.corrcoef(column / smooth, fringe)[0, 1]

    assert seen(before) > 0.4
    assert abs(seen(after)) < 0.2


def test_spectra_of_both_channels_stay_together(session, simulated):
    _, folder = simulated
    rate, refs = folder / f"{ROOT}_rate.fits", folder / f"{ROOT}_refs"
    one = jwinteractive.open(rate, session.recipe, refs, store=session.store)
    one.use("mrsxartcorr", "N/A")
    # what the set did to the same exposure is there: only what follows is run
    assert one.plan("official_photom")[-1].model_key in one.store
    one.set("official_cube_build", channel="all", wavemin=None, wavemax=None)
    one.set("official_cube_build", scalew=0.1)
    written = one.write(folder / "both")
    names = [path.name for path in written]
    assert names == [f"{ROOT}_spectral_leak.fits", f"{ROOT}-2_spectral_leak.fits"]
    waves = [fits.getdata(path, "EXTRACT1D")["WAVELENGTH"] for path in written]
    assert 4.8 < waves[0].min() < waves[0].max() < 5.8
    assert 7.4 < waves[1].min() < waves[1].max() < 8.9


def test_real_distortions_and_slices_of_the_long_channels_make_a_wcs(simulated):
    wcs = REAL / "miri_mrs_wcs_flt9"
    if not wcs.exists():
        pytest.skip("real distortions of the slices are not in ../shared")
    import asdf
    from stdatamodels.jwst import datamodels

    with asdf.open(REAL / "miri_mrs_regions/jwst_miri_regions_0017.asdf") as tree:
        flat = np.array(tree["regions"])
    # an early one holds the numbers of slices alone, not a plane for each throughput
    assert flat.shape == (1024, 1032)
    regions = datamodels.RegionsModel(regions=np.repeat(flat[None], 9, axis=0))
    refs = {
        kind: str(wcs / f"jwst_miri_mrs34C_{kind}_flt9.asdf") for kind in ("distortion", "specwcs")
    }
    refs["wavelengthrange"] = str(wcs / "jwst_miri_mrs_wavelengthrange_flt9.asdf")
    _, folder = simulated
    path = folder / "regions34.asdf"
    regions.save(path)
    refs["regions"] = str(path)
    rate = folder / "jw99999001001_05101_00003_mirifulong_rate.fits"
    with datamodels.open(folder / f"{ROOT}_rate.fits") as model:
        model.data = np.ones(flat.shape, np.float32)  # the box of the coordinates is that of these
        model.dq = np.zeros(flat.shape, np.uint32)
        for plane in ("err", "var_poisson", "var_rnoise"):
            setattr(model, plane, np.ones(flat.shape, np.float32))
        model.meta.subarray.ysize = flat.shape[0]
        model.meta.instrument.detector = "MIRIFULONG"
        model.meta.instrument.channel, model.meta.instrument.band = "34", "LONG"
        model.save(rate)
    session = jwinteractive.open(rate, "official", refs)
    session.run("official_assign_wcs")
    y, x = np.mgrid[300:700:40, 0:1032:4]
    wave = read_wcs(file_of(session, "assign_wcs"))(x, y)[2]
    third, fourth = wave[(flat[y, x] > 300) & (flat[y, x] < 400)], wave[flat[y, x] > 400]
    assert 15 < np.nanmin(third) < np.nanmax(third) < 18.1
    assert 24 < np.nanmin(fourth) < np.nanmax(fourth) < 28.8


def test_a_source_off_the_field_is_refused_with_what_fits():
    with pytest.raises(InputError, match=r"place = \(2.*within 0\.8 arcsec"):
        simulate_mrs(place=(2.0, 0.0))
    with pytest.raises(InputError, match="level = 0"):
        simulate_mrs(level=0.0)
