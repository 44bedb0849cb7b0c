"""Official steps of stage 2 take a simulated MIRI integral field exposure to its spectrum."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from jwinteractive.errors import InputError
from jwinteractive.simulate.calibrated import write_calibrated
from jwinteractive.simulate.mrs import simulate_mrs

# official steps warn of their own arithmetic
pytestmark = pytest.mark.filterwarnings("ignore")
REAL = Path(__file__).parents[3] / "shared/real/refs"
CHAIN = (
    ("assign_wcs", "AssignWcsStep", {}),
    ("srctype", "SourceTypeStep", {}),
    ("flat_field", "FlatFieldStep", {}),
    ("straylight", "StraylightStep", {}),
    ("fringe", "FringeStep", {}),
    ("photom", "PhotomStep", {}),
    ("pixel_replace", "PixelReplaceStep", {"skip": False}),
    ("cube_build", "CubeBuildStep", {"channel": "1", "output_type": "band"}),
    ("extract_1d", "Extract1dStep", {}),
)
ROOT = "jw99999001001_05101_00001_mirifushort"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mrs")
    write_calibrated("mrs", folder)
    wavelength, flux = np.loadtxt(folder / f"{ROOT}_truth.csv", delimiter=",", skiprows=1).T
    return SimpleNamespace(wavelength=wavelength, flux=flux), folder


@pytest.fixture(scope="module")
def chain(simulated):
    """What each step of the chain made, by name."""
    from stdatamodels.jwst import datamodels

    steps = importlib.import_module("jwst.step")
    _, folder = simulated
    refs = {path.stem: str(path) for path in (folder / f"{ROOT}_refs").iterdir()}
    model = datamodels.open(folder / f"{ROOT}_rate.fits")
    made = {}
    for name, alias, settings in CHAIN:
        model = process(getattr(steps, alias), model, refs, **settings)
        if name == "cube_build":
            model = model[0]
        made[name] = model
    return made


def process(step, model, refs, **settings):
    """Run a step with references and none else: what it asks for and is not there is N/A."""
    made = step(**{f"override_{k}": refs.get(k, "N/A") for k in step.reference_file_types})
    for name, value in settings.items():
        setattr(made, name, value)
    return made.process(model)


def test_only_straylight_asks_for_a_real_reference(chain):
    last = chain["extract_1d"]
    states = {name: getattr(last.meta.cal_step, name) for name, _, _ in CHAIN}
    assert states.pop("straylight") == "SKIPPED"
    assert set(states.values()) == {"COMPLETE"}


def test_the_official_spectrum_is_that_of_the_source(chain, simulated):
    truth, _ = simulated
    table = chain["extract_1d"].spec[0].spec_table
    wave, flux = table["WAVELENGTH"], table["FLUX"]
    true = np.interp(wave, truth.wavelength, truth.flux)
    # a line loses its peak to planes that are wider than a row
    plain = np.abs(wave - 5.34) > 0.03
    ratio = flux[plain] / true[plain]
    assert abs(np.median(ratio) - 1) < 0.003
    assert np.std(ratio) < 0.005
    assert np.isclose(flux[~plain].sum(), true[~plain].sum(), rtol=0.005)


def test_the_source_lies_in_the_cube_where_it_was_put(chain):
    cube = chain["cube_build"]
    image = cube.data[100:400].mean(axis=0)
    y, x = np.unravel_index(np.nanargmax(image), image.shape)
    ra, dec, _ = cube.meta.wcs(x, y, 100)
    off = (ra - 53.16) * np.cos(np.deg2rad(dec)) * 3600, (dec + 27.79) * 3600
    assert np.allclose(off, (0.3, -0.2), atol=0.1)


def test_fringes_are_in_the_rate_and_not_behind_their_step(chain, simulated):
    _, folder = simulated
    fringe = fits.getdata(folder / f"{ROOT}_refs/fringe.fits")[100:900, 252]
    before = chain["flat_field"].data[100:900, 252]
    after = chain["fringe"].data[100:900, 252]

    def seen(column):
        wave = np.linspace(-1, 1, column.size)
        smooth = np.polyval(np.polyfit(wave, column, 6), wave)
        return np.corrcoef(column / smooth, fringe)[0, 1]

    assert seen(before) > 0.5
    assert abs(seen(after)) < 0.2


def test_real_distortions_and_slices_of_the_long_channels_make_a_wcs(simulated):
    wcs = REAL / "miri_mrs_wcs_flt9"
    if not wcs.exists():
        pytest.skip("real distortions of the slices are not in ../shared")
    import asdf
    from stdatamodels.jwst import datamodels

    steps = importlib.import_module("jwst.step")
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
    with datamodels.open(folder / f"{ROOT}_rate.fits") as model:
        model.meta.instrument.detector = "MIRIFULONG"
        model.meta.instrument.channel, model.meta.instrument.band = "34", "LONG"
        made = process(steps.AssignWcsStep, model, refs)
    y, x = np.mgrid[300:700:40, 0:1032:4]
    _, _, wave = made.meta.wcs(x, y)
    third, fourth = wave[(flat[y, x] > 300) & (flat[y, x] < 400)], wave[flat[y, x] > 400]
    assert 15 < np.nanmin(third) < np.nanmax(third) < 18.1
    assert 24 < np.nanmin(fourth) < np.nanmax(fourth) < 28.8


def test_a_source_off_the_field_is_refused_with_what_fits():
    with pytest.raises(InputError, match=r"place = \(2.*within 0\.8 arcsec"):
        simulate_mrs(place=(2.0, 0.0))
    with pytest.raises(InputError, match="level = 0"):
        simulate_mrs(level=0.0)
